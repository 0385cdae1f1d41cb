"""Scores with intervals, paired tests, pass@k and maj@k: published and hand-computed values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sense.metrics import (
    bootstrap_interval,
    maj_at_k,
    majority_vote,
    mcnemar,
    pass_at_k,
    score,
    score_by,
    wilson_interval,
)

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


def test_bootstrap_interval_is_wider_than_wilson_where_databases_decide() -> None:
    outcomes = [(f"db_{i % 10}", i % 10 < 6) for i in range(1000)]
    low, high = bootstrap_interval(outcomes)
    assert (low, high) == (0.3, 0.9)  # sums of ten coins of 0.6
    wilson_low, wilson_high = wilson_interval(600, 1000)
    assert low < wilson_low < wilson_high < high


def test_bootstrap_interval_is_close_to_wilson_where_each_question_is_its_own_group() -> None:
    interval = bootstrap_interval([(i, i < 600) for i in range(1000)], num_resamples=2000)
    assert interval == pytest.approx(wilson_interval(600, 1000), abs=0.01)


def test_bootstrap_interval_weighs_groups_by_their_questions() -> None:
    outcomes = [("large", 1)] * 98 + [("small", 0)] * 2
    assert bootstrap_interval(outcomes) == (0.0, 1.0)
    assert bootstrap_interval(outcomes, confidence=0.4) == (0.98, 0.98)


def test_bootstrap_interval_is_the_same_for_the_same_seed() -> None:
    outcomes = [(i % 7, i % 3 == 0) for i in range(100)]
    first = bootstrap_interval(outcomes, num_resamples=200)
    assert first == bootstrap_interval(outcomes, num_resamples=200)
    assert first == bootstrap_interval(iter(outcomes), num_resamples=200)


def test_one_group_tells_nothing_about_others() -> None:
    assert bootstrap_interval([]) == bootstrap_interval([("a", 1), ("a", 0)]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["a"], 0),
        (["a", "b"], 0),
        (["b", "a", "a"], 1),
        (["a", "b", "b", "a"], 0),
        ([None, None, "a"], 2),
        ([None, None], 0),
        ([None, "a", "b", "b", None, None], 2),
    ],
)
def test_most_frequent_result_wins_the_earliest_of_equals_and_errors_do_not_vote(
    keys: list[str | None], place: int
) -> None:
    assert majority_vote(keys) == place


def test_vote_needs_a_sample() -> None:
    with pytest.raises(ValueError, match="no samples"):
        majority_vote([])


def test_maj_at_k_asks_the_first_k_samples() -> None:
    keys, outcomes = ["a", "b", "b", None], [1, 0, 0, 0]
    assert [maj_at_k(keys, outcomes, k) for k in (1, 2, 3, 4)] == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="maj@5 of 4 keys and 4 outcomes"):
        maj_at_k(keys, outcomes, 5)
    with pytest.raises(ValueError, match="maj@1 of 4 keys and 1 outcomes"):
        maj_at_k(keys, [1], 1)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=9))
def test_all_right_samples_have_a_right_majority(keys: list[str | None]) -> None:
    outcomes = [int(key == keys[majority_vote(keys)]) for key in keys]
    assert maj_at_k(keys, outcomes, len(keys)) == 1
