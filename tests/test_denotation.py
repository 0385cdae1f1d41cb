"""What each rule says about order, duplicates, columns, NULL, floats and text."""

import random
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sense.closeness import Row, Rows, are_bags_close, are_rows_close
from sense.denotation import (
    bird_equal,
    denotation_key,
    order_matters,
    spider_equal,
    strict_comparison,
    strict_equal,
    unmatched_row,
)

VALUES = st.none() | st.integers(-3, 3) | st.sampled_from(["", "a", "1", "é", 0.5, 1.0, b"a"])
NUMBERS = st.sampled_from(
    [0, 0.0, 1e-13, 1e-12, -1e-12, -6e-13, 1, 1.0, 1 + 1e-12, 1 + 9e-7, 1 + 3e-6, 2, 1234567,
     1234567.4, 1234568, 1e7, 1e7 + 0.5, 10**12, 10**12 + 1, 1e12, 1e12 + 0.25, 0.1 + 0.2, 0.3,
     -0.3, float("inf"), None]
)  # fmt: skip
NUMERIC_RESULTS = st.integers(1, 2).flatmap(
    lambda width: st.lists(st.tuples(*[NUMBERS] * width), min_size=1, max_size=4)
)
# Steps of 0.8 and 0.4 of the tolerance: close to the next number, not to all that follow.
CHAINED = st.sampled_from([10**7 + step for step in (0, 4, 8, 16, 24)]).flatmap(
    lambda number: st.sampled_from([number, float(number)])
)
CHAINED_RESULTS = st.tuples(st.integers(1, 2), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        *[st.lists(st.tuples(*[CHAINED] * shape[0]), min_size=shape[1], max_size=shape[1])] * 2
    )
)
RESULTS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[VALUES] * width), min_size=1, max_size=8)
)

CASES: list[tuple[str, Rows, Rows, str, bool, bool, bool]] = [
    # claim, gold, predicted, strict comparison with order, strict without, Spider without, BIRD
    ("same rows", [(1,), (2,)], [(1,), (2,)], "equal", True, True, True),
    ("other order", [(1,), (2,)], [(2,), (1,)], "row_order", True, True, True),
    ("duplicate", [(1,), (1,)], [(1,)], "differs", False, False, True),
    ("other duplicate", [(1,), (1,), (2,)], [(1,), (2,), (2,)], "differs", False, False, True),
    ("column order", [(1, "a")], [("a", 1)], "column_order", False, True, False),
    ("more columns", [(1,)], [(1, 2)], "differs", False, False, False),
    ("both empty", [], [], "equal", True, True, True),
    ("one empty", [(1,)], [], "differs", False, False, False),
    ("NULL and NULL", [(None,)], [(None,)], "equal", True, True, True),
    ("NULL and empty text", [(None,)], [("",)], "differs", False, False, False),
    ("NULL and zero", [(None,)], [(0,)], "differs", False, False, False),
    ("integer and equal float", [(1,)], [(1.0,)], "equal", True, True, True),
    ("last bits of a float", [(0.1 + 0.2,)], [(0.3,)], "equal", True, False, False),
    ("cancelled sum", [(0.0,)], [(1e-17,)], "equal", True, False, False),
    ("rounded float", [(3.14159,)], [(3.14,)], "differs", False, False, False),
    ("seventh digit of a float", [(3.141592,)], [(3.141593,)], "equal", True, False, False),
    ("sixth digit of a float", [(3.14159,)], [(3.1416,)], "differs", False, False, False),
    ("float near an integer", [(1234567,)], [(1234567.5,)], "equal", True, False, False),
    ("neighbouring integers", [(10**12,)], [(10**12 + 1,)], "differs", False, False, False),
    ("number and text", [(1,)], [("1",)], "differs", False, False, False),
    ("text and blob", [("a",)], [(b"a",)], "differs", False, False, False),
    ("case of text", [("a",)], [("A",)], "differs", False, False, False),
    ("infinity", [(float("inf"),)], [(float("inf"),)], "equal", True, True, True),
    ("float beside text", [("a", 0.3)], [("a", 0.1 + 0.2)], "equal", True, False, False),
]


@pytest.mark.parametrize(
    ("gold", "predicted", "ordered", "strict", "spider", "bird"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_rules_differ_as_documented(
    gold: Rows, predicted: Rows, ordered: str, strict: bool, spider: bool, bird: bool
) -> None:
    assert strict_comparison(gold, predicted, order_matters=True) == ordered
    assert strict_equal(gold, predicted, order_matters=False) == strict
    assert spider_equal(gold, predicted, order_matters=False) == spider
    assert bird_equal(gold, predicted) == bird


def test_tied_rows_may_come_in_any_order_and_others_not() -> None:
    gold = [("a", 1), ("b", 1), ("c", 2)]
    swapped_ties = [("b", 1), ("a", 1), ("c", 2)]
    swapped_keys = [("c", 2), ("a", 1), ("b", 1)]
    assert strict_comparison(gold, swapped_ties, True, tie_sizes=(2, 1)) == "equal"
    assert strict_comparison(gold, swapped_keys, True, tie_sizes=(2, 1)) == "row_order"
    assert strict_comparison(gold, swapped_ties, True, tie_sizes=None) == "row_order"
    assert strict_comparison([(1,)], ((1.0000001,),), True, tie_sizes=(1,)) == "equal"


def test_spider_sorts_rows_as_text_before_it_compares_them() -> None:
    assert not spider_equal([(1, "1.")], [(1.0, "1.")], order_matters=True)
    assert spider_equal([(1, "a")], [(1.0, "a")], order_matters=True)


def test_spider_order_counts_only_where_gold_says_order_by() -> None:
    assert spider_equal([(1,), (2,)], [(2,), (1,)], order_matters=False)
    assert not spider_equal([(1,), (2,)], [(2,), (1,)], order_matters=True)


def test_many_equal_columns_do_not_blow_up() -> None:
    width = 40
    rows = [tuple([i % 2] * width) for i in range(100)]
    assert spider_equal(rows, rows, order_matters=False)
    other = [(*row[:-1], 1 - row[-1]) for row in rows]
    assert not spider_equal(rows, other, order_matters=False)
    mixed = [tuple(random.Random(i).choices([0, 1], k=width)) for i in range(100)]
    assert not spider_equal(mixed, rows, order_matters=False)


def test_equal_numbers_of_two_types_do_not_hide_the_float() -> None:
    integers: list[Row] = [(1000000,), (1000001,)]
    floats: list[Row] = [(1000001.0,), (1000001.0,)]
    assert strict_comparison(integers, floats, False) == "equal"
    assert strict_comparison(floats, integers, False) == "equal"
    assert strict_comparison(integers, [(1000001,), (1000001,)], False) == "differs"


def test_floats_in_a_row_of_close_ones_are_not_equal_to_those_further_on() -> None:
    starts: list[Row] = [(1.7e9 + 1_000 * i,) for i in range(300)]
    stops: list[Row] = [(start + 90_000,) for (start,) in starts]
    assert strict_comparison(starts, stops, False) == "differs"
    assert strict_comparison(starts, stops, True) == "differs"
    assert strict_comparison(starts, stops, True, tie_sizes=(150, 150)) == "differs"
    this_year: list[Row] = [(2_460_000.5 + day,) for day in range(300)]
    next_year: list[Row] = [(day + 300,) for (day,) in this_year]
    assert strict_comparison(this_year, next_year, False) == "differs"
    assert unmatched_row(this_year, next_year) == ("gold", (2_460_000.5,))


def test_floats_in_a_row_of_close_ones_are_equal_to_those_rounded() -> None:
    times: list[Row] = [(f"n{i % 7}", 1.7e9 + 1_000 * i, 1.7e9 + 7_000 * i) for i in range(300)]
    rounded: list[Row] = [(name, start + 400, stop - 400) for name, start, stop in times]
    assert strict_comparison(times, rounded[::-1], False) == "equal"
    assert strict_comparison(times, rounded, True) == "equal"
    assert strict_comparison(times, rounded[::-1], True) == "row_order"
    swapped: list[Row] = [(stop, name, start) for name, start, stop in rounded]
    assert strict_comparison(times, swapped, False) == "column_order"
    assert strict_comparison(times, swapped, True) == "column_order"
    shifted: list[Row] = [(stop, name, start + 9_000) for name, start, stop in rounded]
    assert strict_comparison(times, shifted, False) == "differs"


def test_a_float_gets_a_partner_even_where_others_must_change_theirs() -> None:
    gold: list[Row] = [(10**7,), (10_000_005.0,)]
    predicted: list[Row] = [(10**7 + 1,), (10_000_006.0,)]
    assert strict_comparison(gold, predicted, False) == "equal"
    crossed: list[Row] = [(1e7, 2e7), (1e7 + 4, 1e7)]
    assert strict_comparison(crossed, [(1e7 + 8, 2e7), (1e7 - 4, 1e7)], False) == "equal"


def test_integers_stay_exact_where_a_float_is_close_to_both() -> None:
    floats = [(10_000_000.5, "x")]
    gold: list[Row] = [*floats, (10**7, "a"), (10**7 + 1, "b")]
    predicted: list[Row] = [*floats, (10**7 + 1, "a"), (10**7, "b")]
    assert strict_comparison(gold, predicted, False) == "differs"
    side, row = unmatched_row(gold, predicted)
    assert (side, row) == ("gold", (10**7, "a"))


def test_a_matching_that_takes_too_long_is_given_up_as_none() -> None:
    """Integers and floats in two columns, where no pairing by size helps."""
    draw = random.Random(0)

    def rows(kinds: tuple[type, type]) -> list[Row]:
        numbers = range(10**9, 10**9 + 600)
        return [(kinds[0](draw.choice(numbers)), kinds[1](draw.choice(numbers))) for _ in numbers]

    first = [*rows((int, float)), *rows((float, int)), (10**9, 10**9)]
    second = [*rows((float, int)), *rows((int, float)), (10**9 + 1, 10**9)]
    assert strict_comparison(first, second, False) == "differs"
    assert unmatched_row(first, second)[1] in [*first, *second]


def test_unmatched_row_counts_duplicates_and_ignores_last_bits() -> None:
    assert unmatched_row([(1,), (1,)], [(1,)]) == ("gold", (1,))
    assert unmatched_row([(1,)], [(1,), (2,)]) == ("predicted", (2,))
    assert unmatched_row([(0.3,), (5,)], [(0.1 + 0.2,), (6,)]) == ("gold", (5,))
    with pytest.raises(ValueError, match="same rows"):
        unmatched_row([(1,)], [(1,)])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order  by a limit 1;", True),
        ("SELECT a FROM t UNION SELECT a FROM u ORDER BY 1", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x ORDER BY 1", True),
        ("SELECT a FROM t", False),
        ("SELECT 'order by' FROM t", False),
        ('SELECT "order by" FROM t -- ORDER BY a', False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)", False),
        ("WITH x AS (SELECT 1 ORDER BY 1) SELECT * FROM x", False),
        ("SELECT rank() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM t WHERE b = 'unfinished order by", False),
        ("", False),
    ],
)
def test_order_matters_where_the_outermost_query_orders(sql: str, expected: bool) -> None:
    assert order_matters(sql) == expected


def test_key_agrees_with_the_comparison() -> None:
    assert denotation_key([(1, "a"), (2, None)], False) == denotation_key(
        [(2, None), (1.0, "a")], False
    )
    assert denotation_key([(0.1 + 0.2,)], False) == denotation_key([(0.3,)], False)
    different: list[list[Row]] = [
        [],
        [(None,)],
        [("",)],
        [(0,)],
        [("0",)],
        [(b"0",)],
        [(0.5,)],
        [("blob",)],
        [(0, 0)],
        [(0,), (0,)],
    ]
    assert len({denotation_key(rows, False) for rows in different}) == len(different)
    assert denotation_key([(1,), (2,)], True) != denotation_key([(2,), (1,)], True)


UNORDERED: list[Callable[[Rows, Rows], bool]] = [
    bird_equal,
    lambda gold, predicted: spider_equal(gold, predicted, order_matters=False),
    lambda gold, predicted: strict_equal(gold, predicted, order_matters=False),
    lambda gold, predicted: denotation_key(gold, False) == denotation_key(predicted, False),
]


@pytest.mark.parametrize("equal", UNORDERED)
@given(first=RESULTS, second=RESULTS, seed=st.integers(0, 99))
def test_unordered_rules_are_reflexive_symmetric_and_blind_to_row_order(
    equal: Callable[[Rows, Rows], bool], first: list[Row], second: list[Row], seed: int
) -> None:
    shuffled = random.Random(seed).sample(first, len(first))
    assert equal(first, first)
    assert equal(first, shuffled)
    assert equal(first, second) == equal(second, first)


@given(rows=RESULTS, seed=st.integers(0, 99))
def test_ordered_rules_are_reflexive_and_imply_the_unordered_ones(
    rows: list[Row], seed: int
) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    for rule in (spider_equal, strict_equal):
        assert rule(rows, rows, True)
        if rule(rows, shuffled, True):
            assert rule(rows, shuffled, False)


@given(rows=RESULTS, seed=st.integers(0, 99))
def test_spider_finds_every_column_order_and_strict_names_it(rows: list[Row], seed: int) -> None:
    order = random.Random(seed).choice(list(permutations(range(len(rows[0])))))
    permuted = [tuple(row[i] for i in order) for row in rows]
    assert spider_equal(rows, permuted, order_matters=True)
    assert strict_comparison(rows, permuted, order_matters=True) in (
        "equal",
        "column_order",
        "row_order",
    )


@given(first=RESULTS, second=RESULTS)
def test_strict_equality_implies_equal_keys(first: list[Row], second: list[Row]) -> None:
    if strict_equal(first, second, order_matters=False):
        assert denotation_key(first, False) == denotation_key(second, False)


@given(first=NUMERIC_RESULTS, second=NUMERIC_RESULTS, order_matters=st.booleans())
def test_strict_comparison_is_the_same_from_both_sides(
    first: list[Row], second: list[Row], order_matters: bool
) -> None:
    there = strict_comparison(first, second, order_matters)
    assert strict_comparison(second, first, order_matters) == there


@given(first=NUMERIC_RESULTS, second=NUMERIC_RESULTS, seed=st.integers(0, 99))
def test_strict_comparison_without_order_is_blind_to_row_order(
    first: list[Row], second: list[Row], seed: int
) -> None:
    shuffled = random.Random(seed).sample(second, len(second))
    assert strict_comparison(first, shuffled, False) == strict_comparison(first, second, False)


@given(results=CHAINED_RESULTS)
def test_bags_are_close_if_some_pairing_of_their_rows_is(
    results: tuple[list[Row], list[Row]],
) -> None:
    first, second = results
    some = any(all(map(are_rows_close, first, other)) for other in permutations(second))
    assert are_bags_close(first, second) == some
    assert strict_equal(first, second, order_matters=False) == some
    if not some:
        side, row = unmatched_row(first, second)
        assert row in (first if side == "gold" else second)


@given(results=CHAINED_RESULTS, seed=st.integers(0, 99), order_matters=st.booleans())
def test_chains_of_close_numbers_break_no_symmetry(
    results: tuple[list[Row], list[Row]], seed: int, order_matters: bool
) -> None:
    first, second = results
    found = strict_comparison(first, second, order_matters)
    assert strict_comparison(second, first, order_matters) == found
    shuffled = random.Random(seed).sample(second, len(second))
    assert strict_comparison(first, shuffled, False) == strict_comparison(first, second, False)


@given(results=CHAINED_RESULTS)
def test_an_order_of_columns_is_found_if_some_order_has_a_pairing(
    results: tuple[list[Row], list[Row]],
) -> None:
    first, second = results
    columns = list(zip(*second, strict=True))
    orders = (list(zip(*order, strict=True)) for order in permutations(columns))
    is_found = strict_comparison(first, second, order_matters=False) != "differs"
    assert is_found == any(are_bags_close(first, rows) for rows in orders)


@given(results=CHAINED_RESULTS)
def test_ordered_rows_are_close_place_by_place(results: tuple[list[Row], list[Row]]) -> None:
    first, second = results
    assert strict_equal(first, second, True) == all(map(are_rows_close, first, second))
    runs = (1, len(first) - 1)
    expected = are_rows_close(first[0], second[0]) and are_bags_close(first[1:], second[1:])
    assert (strict_comparison(first, second, True, tie_sizes=runs) == "equal") == expected


@given(rows=NUMERIC_RESULTS, seed=st.integers(0, 99))
def test_ties_may_be_shuffled_and_the_whole_may_be_one_tie(rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert strict_comparison(rows, shuffled, True, tie_sizes=(len(rows),)) == "equal"
    alone = strict_comparison(rows, shuffled, True, tie_sizes=(1,) * len(rows))
    assert alone == strict_comparison(rows, shuffled, True)


@given(first=NUMERIC_RESULTS, second=NUMERIC_RESULTS, seed=st.integers(0, 99))
def test_order_of_columns_changes_no_more_than_its_own_verdict(
    first: list[Row], second: list[Row], seed: int
) -> None:
    order = random.Random(seed).sample(range(len(second[0])), len(second[0]))
    permuted = [tuple(row[i] for i in order) for row in second]
    kinds = {strict_comparison(first, rows, False) for rows in (second, permuted)}
    assert kinds <= {"equal", "column_order"} or kinds == {"differs"}


@given(first=NUMERIC_RESULTS, second=NUMERIC_RESULTS)
def test_equal_keys_imply_strict_equality(first: list[Row], second: list[Row]) -> None:
    for is_ordered in (True, False):
        if denotation_key(first, is_ordered) == denotation_key(second, is_ordered):
            assert strict_equal(first, second, is_ordered)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        (5, 5.0, True),
        (5, 5.00000001, True),
        (0, 1e-17, True),
        (1e-12, -1e-12, False),
        (4e-13, -4e-13, True),
        (0.1 + 0.2, 0.3, True),
        (12345678, 12345678.000000002, True),
        (12345678.25, 12345678.250000002, True),
        (12345678, 12345679, False),
        (2**53 + 1, 2**53, False),
        (0.333333, 1 / 3, False),
        (2**62, 2.0**62, True),
        (1e300, 1.0000000000000002e300, True),
        (float("inf"), float("-inf"), False),
        (5, "5", False),
    ],
)
def test_key_rounds_floats_and_keeps_integers(first: object, second: object, equal: bool) -> None:
    assert (denotation_key([(first,)], True) == denotation_key([(second,)], True)) == equal
