"""Scores with intervals, paired tests and pass@k, against published and hand-computed values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sense.metrics import mcnemar, pass_at_k, score, score_by, wilson_interval

SHARES = st.integers(0, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_score_counts_and_divides() -> None:
    result = score([True, 1, 0, False])
    assert (result.num, result.num_correct, result.accuracy) == (4, 2, 0.5)
    assert result.low < 0.5 < result.high


def test_score_of_nothing_is_unknown() -> None:
    result = score([])
    assert result.num == 0
    assert math.isnan(result.accuracy)
    assert (result.low, result.high) == (0.0, 1.0)


def test_outcome_that_is_no_outcome_is_rejected() -> None:
    with pytest.raises(ValueError, match="neither 1"):
        score([1, 2])


def test_scores_by_group_keep_the_order_of_groups() -> None:
    scores = score_by([("hard", 0), ("easy", 1), ("hard", 1)])
    assert list(scores) == ["hard", "easy"]
    assert scores["hard"][:3] == (2, 1, 0.5)


@pytest.mark.parametrize(
    ("num_correct", "num", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_agrees_with_newcombe(
    num_correct: int, num: int, low: float, high: float
) -> None:
    assert wilson_interval(num_correct, num) == pytest.approx((low, high), abs=5e-5)


@given(SHARES)
def test_wilson_interval_contains_the_share(share: tuple[int, int]) -> None:
    num_correct, num = share
    low, high = wilson_interval(num_correct, num)
    assert 0 <= low <= high <= 1
    if num:
        assert low <= num_correct / num <= high


@given(SHARES)
def test_wilson_interval_of_the_complement_is_mirrored(share: tuple[int, int]) -> None:
    num_correct, num = share
    low, high = wilson_interval(num_correct, num)
    other_low, other_high = wilson_interval(num - num_correct, num)
    assert (1 - high, 1 - low) == pytest.approx((other_low, other_high), abs=1e-9)


def test_wilson_interval_rejects_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="3 correct of 2"):
        wilson_interval(3, 2)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (5, 0, 0.0625),
     (2, 8, 0.109375), (1, 9, 0.021484375)],
)  # fmt: skip
def test_mcnemar_is_the_exact_binomial_test(
    only_first: int, only_second: int, p_value: float
) -> None:
    first = [1, 0] + [1] * only_first + [0] * only_second
    second = [1, 0] + [0] * only_first + [1] * only_second
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.p_value == pytest.approx(p_value)
    assert result.difference == pytest.approx((only_second - only_first) / len(first))


def test_mcnemar_needs_the_same_questions() -> None:
    with pytest.raises(ValueError, match="the first system has 1 outcomes, the second 2"):
        mcnemar([1], [1, 0])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_does_not_depend_on_which_comes_first(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = mcnemar(first, second), mcnemar(second, first)
    assert there.p_value == back.p_value
    assert 0 < there.p_value <= 1


def test_mcnemar_is_exact_for_thousands_of_questions() -> None:
    assert mcnemar([1, 0] * 2000, [0, 1] * 2000).p_value == 1.0
    assert mcnemar([0] * 2000, [1] * 2000).p_value < 1e-300


@pytest.mark.parametrize(
    ("num_samples", "num_correct", "k", "expected"),
    [(1, 1, 1, 1.0), (4, 0, 4, 0.0), (4, 1, 4, 1.0), (4, 1, 2, 0.5), (10, 3, 1, 0.3),
     (5, 2, 3, 0.9)],
)  # fmt: skip
def test_pass_at_k_is_the_chance_of_one_hit(
    num_samples: int, num_correct: int, k: int, expected: float
) -> None:
    assert pass_at_k(num_samples, num_correct, k) == pytest.approx(expected)


def test_pass_at_k_of_too_few_samples_is_not_defined() -> None:
    with pytest.raises(ValueError, match="pass@5 of 1 correct among 4"):
        pass_at_k(4, 1, 5)


@given(st.integers(1, 40), st.data())
def test_pass_at_k_grows_with_k(num_samples: int, data: st.DataObject) -> None:
    num_correct = data.draw(st.integers(0, num_samples))
    values = [pass_at_k(num_samples, num_correct, k) for k in range(1, num_samples + 1)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(num_correct / num_samples)
