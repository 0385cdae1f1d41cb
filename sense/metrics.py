"""Accuracy with its uncertainty, paired tests between systems, pass@k and maj@k.

A question is one observation; every number says of how many questions it is made.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Score(NamedTuple):
    """How many of the questions are right, with a 95 % Wilson interval of the share."""

    num: int
    num_correct: int
    accuracy: float
    """In 0..1; NaN when there is no question."""
    low: float
    high: float


class PairedTest(NamedTuple):
    """Two systems on the same questions."""

    num: int
    only_first: int
    """Questions that only the first system gets right."""
    only_second: int
    difference: float
    """Accuracy of the second minus that of the first."""
    p_value: float
    """Two-sided, exact: how often chance alone gives a difference at least this large."""


def score(outcomes: Iterable[bool | int]) -> Score:
    """Accuracy over outcomes that are 1 (right) or 0 (wrong).

    >>> score([1, 1, 1, 0]).accuracy
    0.75
    """
    values = [_zero_or_one(value) for value in outcomes]
    num, num_correct = len(values), sum(values)
    low, high = wilson_interval(num_correct, num)
    return Score(num, num_correct, num_correct / num if num else math.nan, low, high)


def score_by(outcomes: Iterable[tuple[Key, bool | int]]) -> dict[Key, Score]:
    """The score of each group, from (group, outcome) pairs; groups in their order of appearance.

    >>> levels = score_by([("easy", 1), ("hard", 0), ("easy", 1)])
    >>> {level: s.accuracy for level, s in levels.items()}
    {'easy': 1.0, 'hard': 0.0}
    """
    groups: dict[Key, list[bool | int]] = defaultdict(list)
    for group, outcome in outcomes:
        groups[group].append(outcome)
    return {group: score(values) for group, values in groups.items()}


def wilson_interval(num_correct: int, num: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a share of which `num_correct` of `num` were observed; (0, 1) when num is 0.

    Source: Wilson 1927. Unlike the normal approximation it never leaves 0..1.

    >>> [round(bound, 3) for bound in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    if not 0 <= num_correct <= num:
        raise ValueError(f"{num_correct} correct of {num} is not a share; expected 0 <= k <= n")
    if num == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = num_correct / num
    middle = share + z2 / (2 * num)
    reach = math.sqrt(z2 * (share * (1 - share) / num + z2 / (4 * num * num)))
    low, high = (middle - reach) / (1 + z2 / num), (middle + reach) / (1 + z2 / num)
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def bootstrap_interval(
    outcomes: Iterable[tuple[Key, bool | int]],
    confidence: float = 0.95,
    num_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Bounds of the accuracy from (group, outcome) pairs, for questions that come in groups.

    Percentiles over resamples of whole groups, such as databases: questions about one database are
    right or wrong together, which Wilson's interval does not know. (0, 1) for fewer than two
    groups: one tells nothing about others. Source: Efron and Tibshirani 1993, chapters 8 and 13.

    >>> outcomes = [(f"db_{i % 10}", i % 10 < 6) for i in range(100)]
    >>> bootstrap_interval(outcomes), [round(bound, 2) for bound in wilson_interval(60, 100)]
    ((0.3, 0.9), [0.5, 0.69])
    """
    groups: dict[Key, list[int]] = defaultdict(lambda: [0, 0])
    for group, outcome in outcomes:
        groups[group][0] += 1
        groups[group][1] += _zero_or_one(outcome)
    if len(groups) < 2:
        return 0.0, 1.0
    counts = list(groups.values())
    choose = random.Random(seed).choices
    shares = []
    for _ in range(num_resamples):
        chosen = choose(counts, k=len(counts))
        shares.append(sum(correct for _, correct in chosen) / sum(num for num, _ in chosen))
    shares.sort()
    outside = int(num_resamples * (1 - confidence) / 2)
    return shares[outside], shares[-1 - outside]


def mcnemar(first: Sequence[bool | int], second: Sequence[bool | int]) -> PairedTest:
    """Exact McNemar test of two systems; parallel outcomes, 1 or 0 per question.

    Only questions on which they disagree count. Source: McNemar 1947, binomial form.

    >>> mcnemar([1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]).p_value
    0.0625
    """
    if len(first) != len(second):
        raise ValueError(
            f"the first system has {len(first)} outcomes, the second {len(second)}; "
            "expected the same questions in the same order"
        )
    pairs = [(_zero_or_one(a), _zero_or_one(b)) for a, b in zip(first, second, strict=True)]
    only_first, only_second = pairs.count((1, 0)), pairs.count((0, 1))
    num = len(pairs)
    difference = (only_second - only_first) / num if num else math.nan
    p_value = _two_sided_coin(min(only_first, only_second), only_first + only_second)
    return PairedTest(num, only_first, only_second, difference, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for being several, in their order, each at most 1.

    Below 0.05 are those that may be called significant with a chance of 5 % that any of them is so
    by accident. Source: Holm 1979.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Chance that at least one of k samples, drawn without replacement, is correct.

    The unbiased estimate of one question; average it over questions. Source: Chen et al. 2021.

    >>> pass_at_k(num_samples=4, num_correct=1, k=2)
    0.5
    """
    if not (0 <= num_correct <= num_samples and 1 <= k <= num_samples):
        raise ValueError(
            f"pass@{k} of {num_correct} correct among {num_samples} samples is not defined; "
            "expected 0 <= correct <= samples and 1 <= k <= samples"
        )
    return 1 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)


def majority_vote(keys: Sequence[str | None]) -> int:
    """The place of the sample to answer with: the first of those whose result is most frequent.

    keys: the `denotation_key` of each sample's result, equal for equal results; None for a sample
    without one, which has no vote. 0 where no sample has a result.

    >>> majority_vote([None, "a", "b", "b"])
    2
    """
    if not keys:
        raise ValueError("no samples to vote; expected one key or None per sample")
    votes = Counter(key for key in keys if key is not None)
    return keys.index(votes.most_common(1)[0][0]) if votes else 0


def maj_at_k(keys: Sequence[str | None], outcomes: Sequence[bool | int], k: int) -> int:
    """Whether the majority of the first k samples is right: 1 or 0.

    keys: as for `majority_vote`; outcomes: parallel, 1 (right) or 0. Average it over questions.
    Source: self-consistency, Wang et al. 2023, with results as the answers that are counted.

    >>> maj_at_k(["a", "b", "b"], [1, 0, 0], k=3), maj_at_k(["a", "b", "b"], [1, 0, 0], k=2)
    (0, 1)
    """
    if not (len(keys) == len(outcomes) and 1 <= k <= len(keys)):
        raise ValueError(
            f"maj@{k} of {len(keys)} keys and {len(outcomes)} outcomes is not defined; "
            "expected as many keys as outcomes and 1 <= k <= their number"
        )
    return _zero_or_one(outcomes[majority_vote(keys[:k])])


def _two_sided_coin(fewer: int, num: int) -> float:
    """Chance that a fair coin thrown `num` times falls at least as unevenly as fewer : rest."""
    if num == 0:
        return 1.0
    tail = ways = 1
    for i in range(fewer):
        ways = ways * (num - i) // (i + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**num)


def _zero_or_one(value: bool | int) -> int:
    if value not in (0, 1):
        raise ValueError(f"outcome {value!r} is neither 1 (right) nor 0 (wrong)")
    return int(value)
