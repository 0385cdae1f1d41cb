"""Are two results equal? Spider's rule, BIRD's rule and our strict rule; a key for voting.

Rows are tuples as `execution` returns them. Booleans do not occur: SQLite has none.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from sense.closeness import (
    LAST_BITS,
    MIN_TRIALS,
    TRIALS_PER_ROW,
    ZERO_TOLERANCE,
    Column,
    Row,
    Rows,
    are_bags_close,
    are_close,
    are_columns_close,
    are_rows_close,
    first_without_partner,
    is_same_bag,
    to_columns,
)

Comparison: TypeAlias = Literal["equal", "column_order", "row_order", "differs"]

KEY_DIGITS = 7  # floats that are rounded to one number are within FLOAT_TOLERANCE of each other
MAX_COLUMN_TRIALS = 10_000  # a column placed and compared counts as one


def order_matters(sql: str) -> bool:
    """Whether the outermost query of `sql` orders its rows; False for text that is not SQL.

    >>> order_matters("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1")
    True
    >>> order_matters("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)")
    False
    """
    if "order" not in sql.lower():
        return False
    from sqlglot.dialects.sqlite import SQLite  # slow to load, and the official rules do without
    from sqlglot.errors import TokenError
    from sqlglot.tokens import TokenType

    depth = 0
    try:
        tokens = SQLite().tokenize(sql)
    except TokenError:
        return False
    for token in tokens:
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.ORDER_BY and depth == 0:
            return True
    return False


def spider_equal(gold_rows: Rows, predicted_rows: Rows, order_matters: bool) -> bool:
    """Equality of Spider's official evaluator, whose caller decides on the order by text search.

    Order of rows: counts if `order_matters`. Duplicates count. Columns may stand in any order.
    NULL equals NULL only. 1 equals 1.0; floats must agree to the last bit; text never equals a
    number. Invalid UTF-8: the official code drops the bad bytes, a caller that imitates it passes
    `Execution.rows_without_bad_bytes`. Two empty results are equal, whatever their columns.
    Source: Zhong et al. 2020; taoyds/test-suite-sql-eval@e97acc5, exec_eval.py.

    >>> spider_equal([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], order_matters=False)
    True
    """
    if not gold_rows and not predicted_rows:
        return True
    if len(gold_rows) != len(predicted_rows) or len(gold_rows[0]) != len(predicted_rows[0]):
        return False
    if _are_alike(gold_rows, predicted_rows):
        return True
    if not _hold_the_same_values(gold_rows, predicted_rows, order_matters):
        return False
    # A quirk: rows count as different when 1 and 1.0, equal as values, sort differently as text.
    gold_bags = [tuple(sorted(row, key=_spider_sort_key)) for row in gold_rows]
    predicted_bags = [tuple(sorted(row, key=_spider_sort_key)) for row in predicted_rows]
    if order_matters:
        if gold_bags != predicted_bags:
            return False
    elif set(gold_bags) != set(predicted_bags):
        return False
    gold_columns = list(zip(*gold_rows, strict=True))
    predicted_columns = list(zip(*predicted_rows, strict=True))

    def fits(order: list[int]) -> bool:
        if order_matters:
            return gold_columns[len(order) - 1] == predicted_columns[order[-1]]
        wanted, placed = gold_columns[: len(order)], [predicted_columns[i] for i in order]
        return is_same_bag(zip(*wanted, strict=True), zip(*placed, strict=True))

    return _fits_in_some_order(len(gold_columns), fits)


def bird_equal(gold_rows: Rows, predicted_rows: Rows) -> bool:
    """Equality of BIRD's execution accuracy: the same set of rows.

    Order of rows and duplicates do not count, the order of columns does. NULL equals NULL only.
    1 equals 1.0; floats must agree to the last bit; text never equals a number. Invalid UTF-8: the
    official code fails on it, a caller that imitates it looks at `Execution.invalid_text`.
    Source: Li et al. 2023; AlibabaResearch/DAMO-ConvAI, bird/llm/src/evaluation.py.

    >>> bird_equal([(1,), (1,)], [(1.0,)])
    True
    """
    return set(gold_rows) == set(predicted_rows)


def strict_equal(gold_rows: Rows, predicted_rows: Rows, order_matters: bool) -> bool:
    """Whether `strict_comparison` finds the results equal.

    >>> strict_equal([(1, None)], [(1.0, None)], order_matters=True)
    True
    >>> strict_equal([("1",)], [(1,)], order_matters=False)
    False
    """
    return strict_comparison(gold_rows, predicted_rows, order_matters) == "equal"


def strict_comparison(
    gold_rows: Rows,
    predicted_rows: Rows,
    order_matters: bool,
    tie_sizes: Sequence[int] | None = None,
) -> Comparison:
    """How two results compare by our own rule.

    Results are equal if their rows can be matched one to one so that in each pair every value is
    equal to the one in its place, or close: of two numbers one is a float, and they differ by no
    more than 1e-6 of the larger, or 1e-12. Two integers are equal or not. NULL equals NULL only.
    Text equals equal text, never a number or a blob. Invalid UTF-8 is compared by its bytes.
    Duplicates count. Two empty results are equal, whatever their columns.

    Order of rows: counts if `order_matters`. tie_sizes: how many successive gold rows share their
    sort keys, in order; such rows may come in any order. Without it rows are matched place by
    place, and `row_order` says that they could be matched otherwise. Column order counts:
    `column_order` says that some other order of the predicted columns makes the results equal.

    Where chains of close floats in several columns, or among integers, leave much to try, no more
    than `MIN_TRIALS` and `TRIALS_PER_ROW` pairs of rows are tried; results for which that is too
    little differ.

    >>> strict_comparison([(1, "a")], [("a", 1)], order_matters=False)
    'column_order'
    """
    if not gold_rows and not predicted_rows:
        return "equal"
    if len(gold_rows) != len(predicted_rows) or len(gold_rows[0]) != len(predicted_rows[0]):
        return "differs"
    if gold_rows == predicted_rows:
        return "equal"
    if order_matters and _are_close_up_to_ties(gold_rows, predicted_rows, tie_sizes):
        return "equal"
    same_rows: Comparison = "row_order" if order_matters else "equal"
    if is_same_bag(gold_rows, predicted_rows):
        return same_rows
    gold, predicted, loose = to_columns(gold_rows, predicted_rows)
    has_floats = any(column.has_float for column in (*gold, *predicted))
    if has_floats and are_columns_close(gold, predicted, loose):
        return same_rows
    if _are_close_in_some_column_order(gold, predicted, loose, order_matters and not tie_sizes):
        return "column_order"
    return "differs"


def unmatched_row(
    gold_rows: Rows, predicted_rows: Rows
) -> tuple[Literal["gold", "predicted"], Row]:
    """A row for which the other side has no partner, and its side; gold if both have one.

    For results that differ as bags by `strict_comparison`. Rows that the other side returns with
    the same values are not named, but for those that it returns less often.

    >>> unmatched_row([("a",), ("b",)], [("a",)])
    ('gold', ('b',))
    """
    index = first_without_partner(gold_rows, predicted_rows)
    if index is not None:
        return "gold", gold_rows[index]
    index = first_without_partner(predicted_rows, gold_rows)
    if index is not None:
        return "predicted", predicted_rows[index]
    raise ValueError("both results hold the same rows; expected results that differ as bags")


def denotation_key(rows: Rows, order_matters: bool) -> str:
    """SHA-256 of the result, equal for results that agree: for votes and for removing duplicates.

    Results with equal keys are equal by `strict_comparison`. The converse holds but for floats,
    which are rounded to seven digits, so that two almost equal ones may, rarely, fall on different
    sides, and for a float of more digits that is close to an integer without being one.

    >>> denotation_key([(1,), (2,)], False) == denotation_key([(2.0,), (1,)], False)
    True
    """
    lines = [json.dumps([_canonical(value) for value in row]) for row in rows]
    if not order_matters:
        lines.sort()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if not isinstance(value, float):
        return value
    if abs(value) < ZERO_TOLERANCE / 2:  # so that any two of them are close
        return 0
    if abs(value) < 10**KEY_DIGITS:
        value = float(f"{value:.{KEY_DIGITS}g}")
    if abs(value) < 2**63 and round(value) and are_close(value, round(value), LAST_BITS):
        return round(value)
    return {"float": f"{value:.{KEY_DIGITS}g}"}


def _are_alike(first: Rows, second: Rows) -> bool:
    """Whether they have the same rows in the same order, 1 and 1.0 told apart."""
    if first is second:
        return True
    return first == second and all(
        [*map(type, row)] == [*map(type, other)] for row, other in zip(first, second, strict=True)
    )


def _hold_the_same_values(gold: Rows, predicted: Rows, order_matters: bool) -> bool:
    """Whether the rows agree as sets of values; a quick way to see that most wrong ones do not."""
    gold_values, predicted_values = map(frozenset, gold), map(frozenset, predicted)
    if order_matters:
        return list(gold_values) == list(predicted_values)
    return set(gold_values) == set(predicted_values)


def _spider_sort_key(value: Any) -> str:
    return str(value) + str(type(value))


def _are_close_up_to_ties(gold: Rows, predicted: Rows, tie_sizes: Sequence[int] | None) -> bool:
    if tie_sizes is None:
        return all(map(are_rows_close, gold, predicted))
    start = 0
    num_others = len(gold) - sum(tie_sizes)  # in no run: they may come in any order
    for size in (*tie_sizes, num_others):
        tied = slice(start, start + size)
        start += size
        if gold[tied] == predicted[tied]:
            continue
        if size == 1 and not are_rows_close(gold[tied][0], predicted[tied][0]):
            return False
        if size > 1 and not are_bags_close(gold[tied], predicted[tied]):
            return False
    return True


def _are_close_in_some_column_order(
    gold: Sequence[Column],
    predicted: Sequence[Column],
    loose: frozenset[float],
    order_matters: bool,
) -> bool:
    trials = iter(range(MIN_TRIALS + TRIALS_PER_ROW * len(gold[0].values)))

    def fits(order: list[int]) -> bool:
        if order_matters:
            return are_rows_close(gold[len(order) - 1].values, predicted[order[-1]].values)
        columns = [predicted[i] for i in order]
        return are_columns_close(gold[: len(order)], columns, loose, trials)

    return _fits_in_some_order(len(gold), fits)


def _fits_in_some_order(num_columns: int, fits: Callable[[list[int]], bool]) -> bool:
    """Whether the predicted columns can be put into an order that fits.

    Columns are placed one by one, and an order is given up as soon as its first columns differ.
    fits: whether the columns placed so far agree with gold's first ones, given that all of them
    but the last do.
    """
    trials = iter(range(MAX_COLUMN_TRIALS))

    def place(chosen: list[int]) -> bool:
        if len(chosen) == num_columns:
            return True
        for column in range(num_columns):
            if column in chosen or next(trials, None) is None:
                continue
            order = [*chosen, column]
            if fits(order) and place(order):
                return True
        return False

    return place([])
