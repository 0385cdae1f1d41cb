"""How often the pairs of a set are wrong, and the label smoothing that follows from it.

A pair claims that its chosen answer is right and its rejected one is not. Let C and R be 1 where
the chosen and the rejected answer are truly right, else 0. Chosen deserves to win with probability
1 where C > R, with 0 where C < R (the pair is reversed), and with 1/2 where C = R: two wrong
answers, or two right ones, are a tie and no flip. That is (1 + C - R) / 2, hence

    label_smoothing = P(reversed) + P(tie) / 2 = 1 - E[(1 + C - R) / 2] = (P(C = 0) + P(R = 1)) / 2

It is the mean of the two shares of errors, however the errors of the two sides go together:
independence is needed only to tell reversed pairs from ties, and nothing here does. Conservative
DPO (Mitchell 2023) minimises -(1 - e) log s(x) - e log s(-x), which is least at s(x) = 1 - e.

Two sources know the shares.

*Execution* knows P(C = 0) as far as wrong answers equal gold on all instances that judge. Let these
separate a query that is not equivalent to gold with chance s, each by itself. Of a question's
distinct queries some were accepted, with n samples, and some refuted by their results. Had one of
these, with m samples, survived, it would have been chosen with chance m / (n + m), uniformly among
the accepted. Summed over the refuted queries of all questions and multiplied by (1 - s) / s this is
exactly the expected number of pairs with a survivor as chosen: a set S of survivors comes about
with odds (1 - s) / s against S without one of its members, so that the sum runs over the same terms
(as in Good and Turing's estimate of what was not seen). It counts questions without a pair too:
where a model knows no right answer, whatever survives is chosen.

Queries of one question are not separated each by itself: like mistakes survive together, and then
the sum is too large (see LOG.md). A suite tells by how much, since it knows the truth about labels
of the original alone: what the sum predicts for those, with the chance that the original separates
what the suite does, stands against the chosen answers that the suite refutes. Their ratio corrects
the sum, on the assumption that mistakes hold together alike in front of more instances. Of a gold
that stands as chosen execution sees no error, and of P(R = 1) nothing at all: a refuted answer
differs from gold for certain, and is right only where gold is wrong or the question open. By itself
it is a lower bound.

*Reading* a random choice of the pairs sees all errors of both sides. Where there is any its shares
are taken, and those of execution stand beside them: to add both would count survivors twice.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from sense.facts import Facts
from sense.preference import Sample
from sense.sqlite.spelling import one_spelling
from sense.weak_set.read_pairs import ReadPairs, Share, together

NUM_RESAMPLES = 2_000
"""Percentiles at 2.5 % then rest on 50 resamples."""
OUTSIDE = 0.025
"""Of the resamples, beyond each bound of a 95 % interval."""
MIN_DATABASES = 5
"""Below it resamples of whole databases repeat a handful of values: no interval is given."""
MIN_FLIPS = 20
"""Chosen answers that a suite refutes before their ratio corrects anything: within a quarter of it
by chance."""
REFUTED_BY_RESULT = ("differs", "row_order")
"""Reasons of answers that run: no instance takes one that does not for right."""


Source: TypeAlias = Literal["reading", "flips", "execution"]
"""What `label_smoothing` rests on: people who read pairs, the flip rate of a like set that a
suite judged, or what survives the instances that judge."""


SUITE_SEPARATES = Share(2_279, 2_324)
"""Of distinct wrong predictions of eight systems on Spider dev, those that our test suites tell
from gold; random databases told the others from it. See LOG.md, test suites of Spider dev."""


class Alone(NamedTuple):
    """Labels of the original database alone, of which a suite knows the truth."""

    num_pairs: int
    """That they would give."""
    chosen_wrong: float
    """Share of them whose chosen answer the suite refutes: the flip rate of pairs."""
    predicted_wrong: float
    """What is expected of it where queries survive each by itself."""


class Survivors(NamedTuple):
    """What execution says of chosen answers."""

    num_separated: int
    """Of `num_tried` queries that are not equivalent to gold, those that the instances separate."""
    num_tried: int
    expected_wrong: float
    """Share of the pairs whose chosen answer is a survivor."""
    correction: float
    """Ratio of found to predicted of `Alone`; 1 where too little was found to tell."""


class LabelNoise(NamedTuple):
    """The noise of the pairs of a set."""

    label_smoothing: float
    """At one half or more the pairs say nothing, and recipes/dpo.py refuses it."""
    low: float | None
    high: float | None
    """95 % interval: percentiles over resamples of whole databases, in each of which `separated`
    and counts without a database are drawn from their own distribution. None where fewer than
    `MIN_DATABASES` have pairs, or pairs that were read."""
    chosen_wrong: float
    rejected_right: float | None
    """None where nobody read: `label_smoothing` is a lower bound then."""
    source: Source
    num_pairs: int
    num_databases: int
    survivors: Survivors | None
    alone: Alone | None
    """None where no suite judged, or the original refutes nothing that it could be compared by."""
    read: ReadPairs | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for `facts.json`."""
        survivors = self.survivors._asdict() if self.survivors else None
        alone = self.alone._asdict() if self.alone else None
        read = None
        if self.read:
            chosen, rejected = self.read
            read = {"num_chosen": chosen.num, "chosen_wrong": chosen.hits}
            read |= {"num_rejected": rejected.num, "rejected_right": rejected.hits}
        return self._asdict() | {"survivors": survivors, "alone": alone, "read": read}


class NoiseTally:
    """Counts what the noise is estimated from while questions pass by; memory: a few sums each."""

    def __init__(
        self,
        separated: Share | None,
        read: Mapping[str, ReadPairs] | None = None,
        flips: Share | None = None,
    ) -> None:
        """separated: queries that the judging instances tell from gold, of those tried that are not
        equivalent to it; read: what reading found, by database, or under "" where it names none;
        flips: for labels of one database, the `Alone` of a like set that a suite judged.
        """
        self.separated = separated
        self.flips = flips
        self.read = dict(read or {})
        self._sums: dict[str, Sums] = {}
        """By database."""

    def add(
        self, samples: Sequence[Sample], num_pairs: int, max_pairs: int = 1, gold: str = "never"
    ) -> None:
        """Counts one question: all its samples, the pairs that it gave, and how it was paired.

        max_pairs: most per question, 0 for all; gold: when gold stands as chosen.
        """
        if samples:
            db_id = samples[0].db_id
            found = sums_of(samples, max_pairs, gold)._replace(pairs=num_pairs)
            self._sums[db_id] = added([self._sums.get(db_id, Sums()), found])

    def estimate(self, seed: int = 0) -> LabelNoise | None:
        """The noise; None without a pair, or where nothing is known of the errors."""
        total = added(self._sums.values())
        if not total.pairs or not (self.separated or self.read or self.flips):
            return None
        survivors = None
        source: Source = "execution"
        chosen_wrong, rejected_right = 0.0, None
        if self.separated:
            chosen_wrong = _survivors(total, _odds(self.separated.value))
            survivors = Survivors(*self.separated, chosen_wrong, _correction(total))
        if self.flips:
            chosen_wrong, source = self.flips.value, "flips"
        read = together(self.read.values()) if self.read else None
        if read:
            source = "reading"
            chosen_wrong, rejected_right = read.chosen_wrong.value, read.rejected_right.value
        low, high = self._interval(random.Random(f"noise {seed}"))
        return LabelNoise(
            (chosen_wrong + (rejected_right or 0.0)) / 2,
            low,
            high,
            chosen_wrong,
            rejected_right,
            source,
            int(total.pairs),
            sum(map(self._has_pairs, self._sums)),
            survivors,
            _alone(total),
            read,
        )

    def _interval(self, lots: random.Random) -> tuple[float, float] | tuple[None, None]:
        groups = sorted(self.read or ([""] if self.flips else self._sums))
        telling = groups if self.read else [name for name in groups if self._has_pairs(name)]
        if len(telling) < MIN_DATABASES and groups != [""]:
            return None, None
        resamples = (self._resampled(groups, lots) for _ in range(NUM_RESAMPLES))
        found = sorted(value for value in resamples if not math.isnan(value))
        outside = int(OUTSIDE * len(found))
        return found[outside], found[-1 - outside]

    def _has_pairs(self, name: str) -> bool:
        return name in self._sums and self._sums[name].pairs > 0

    def _resampled(self, groups: Sequence[str], lots: random.Random) -> float:
        """The label smoothing of one resample; NaN where nobody read a pair of its databases."""
        if groups == [""]:
            counts = self.read[""] if self.read else [self.flips or Share(0, 0)]
            return sum(_drawn(share, lots) for share in counts) / 2
        chosen = lots.choices(groups, k=len(groups))
        if self.read:
            return sum(share.value for share in together(self.read[name] for name in chosen)) / 2
        assert self.separated is not None  # else there is nothing to estimate
        odds = _odds(_drawn(self.separated, lots))
        return _survivors(added(self._sums[name] for name in chosen), odds) / 2


class Sums(NamedTuple):
    """What questions add up to; all but `pairs` before caps over several of them."""

    pairs: float = 0
    """That stand in the set."""
    possible: float = 0
    """Pairs that the questions give."""
    at_risk: float = 0
    """Those with a survivor as chosen, divided by the odds of surviving."""
    alone_possible: float = 0
    """The same for labels of the original alone ..."""
    alone_at_risk: float = 0
    alone_wrong: float = 0
    """... and those whose chosen answer the suite refutes."""
    refuted: float = 0
    """Distinct queries that the suite refutes by their results."""
    refuted_alone: float = 0
    """Those of them that the original alone refutes."""


def added(sums: Iterable[Sums]) -> Sums:
    """
    >>> added([Sums(pairs=1, at_risk=0.5), Sums(pairs=2)])[:3]
    (3.0, 0.0, 0.5)
    """
    columns = zip(Sums(), *sums, strict=True)
    return Sums(*map(math.fsum, columns))


def sums_of(samples: Sequence[Sample], max_pairs: int = 1, gold: str = "never") -> Sums:
    """The sums of one question, without its pairs."""
    own = [s for s in samples if s.gold_status == "ok" and s.source == "sample"]
    possible, at_risk = pairs_at_risk(own, max_pairs, gold)
    known = [s for s in own if "unknown" not in (s.verdict, s.database_verdict)]
    alone = [replace(s, verdict=s.database_verdict) for s in known]
    alone_possible, alone_at_risk = pairs_at_risk(alone, max_pairs, gold)
    right = [s for s in known if s.database_verdict == "correct"]
    share = sum(s.verdict == "incorrect" for s in right) / len(right) if right else 0.0
    refuted = {
        one_spelling(s.predicted_sql): s.database_verdict == "incorrect"
        for s in known
        if s.verdict == "incorrect" and s.reason in REFUTED_BY_RESULT
    }
    return Sums(
        possible=possible,
        at_risk=at_risk,
        alone_possible=alone_possible,
        alone_at_risk=alone_at_risk,
        alone_wrong=0.0 if gold == "always" else share * alone_possible,
        refuted=len(refuted),
        refuted_alone=sum(refuted.values()),
    )


def pairs_at_risk(
    samples: Sequence[Sample], max_pairs: int = 1, gold: str = "never"
) -> tuple[float, float]:
    """How many pairs a question gives, and how many of them have a survivor as chosen, over odds.

    Both before caps over several questions. The second number times (1 - s) / s is the expected one
    where instances separate what is not equivalent to gold with chance s, see above.
    """
    judged = [s for s in samples if s.gold_status == "ok" and s.source == "sample"]
    right = Counter(one_spelling(s.predicted_sql) for s in judged if s.verdict == "correct")
    wrong = Counter(one_spelling(s.predicted_sql) for s in judged if s.verdict == "incorrect")
    refuted = {one_spelling(s.predicted_sql) for s in judged if s.reason in REFUTED_BY_RESULT}

    def num_pairs(num_right: int, num_wrong: int) -> int:
        has_gold = gold == "always" or (gold == "when_none_correct" and not num_right)
        found = (1 if has_gold else num_right) * num_wrong
        return min(found, max_pairs) if max_pairs else found

    at_risk = 0.0
    for sql in refuted & wrong.keys() if gold != "always" else ():
        chance = wrong[sql] / (right.total() + wrong[sql])
        at_risk += chance * num_pairs(len(right) + 1, len(wrong) - 1)
    return num_pairs(len(right), len(wrong)), at_risk


def label_smoothing_of(facts: Facts, name: str) -> float:
    """What the facts of a weak set say; name: of the set, for errors.

    Raises ValueError where they say nothing, or a share that is no smoothing.
    """
    noise = facts.results.get("noise")
    if noise is None:
        raise ValueError(
            f"the facts of {name} hold no label noise; build the set with a test suite (--suite) "
            "or with --read-errors, or give label_smoothing a number"
        )
    share = float(noise["label_smoothing"])
    if not 0 <= share < 0.5:
        raise ValueError(
            f"the facts of {name} give a label_smoothing of {share:g}; expected 0 to below 0.5: at "
            "one half its pairs say nothing, so that there is nothing to learn from them"
        )
    return share


def shown_noise(noise: Mapping[str, Any]) -> str:
    """The smoothing of `LabelNoise.as_json` in a line.

    >>> shown_noise({"label_smoothing": 0.02, "low": 0.01, "high": 0.04, "source": "execution"})
    '0.0200 (95 % interval 0.0100 to 0.0400), by execution'
    >>> shown_noise({"label_smoothing": 0.5, "low": None, "high": None, "source": "reading"})
    '0.5000 (too few databases for an interval), by reading; recipes/dpo.py refuses it from 0.5 on'
    """
    smoothing = noise["label_smoothing"]
    interval = "too few databases for an interval"
    if noise["low"] is not None:
        interval = f"95 % interval {noise['low']:.4f} to {noise['high']:.4f}"
    refused = "; recipes/dpo.py refuses it from 0.5 on" if smoothing >= 0.5 else ""
    return f"{smoothing:.4f} ({interval}), by {noise['source']}{refused}"


def _survivors(sums: Sums, odds: float) -> float:
    """The share of the pairs whose chosen answer has survived at these odds."""
    if not sums.possible or not sums.at_risk:
        return 0.0
    return min(1.0, _correction(sums) * odds * sums.at_risk / sums.possible)


def _correction(sums: Sums) -> float:
    alone = _alone(sums)
    if alone is None or sums.alone_wrong < MIN_FLIPS or not alone.predicted_wrong:
        return 1.0
    return alone.chosen_wrong / alone.predicted_wrong


def _alone(sums: Sums) -> Alone | None:
    if not 0 < sums.refuted_alone < sums.refuted or not sums.alone_possible:
        return None
    odds = _odds(sums.refuted_alone / sums.refuted)
    wrong, predicted = sums.alone_wrong, odds * sums.alone_at_risk
    shares = wrong / sums.alone_possible, predicted / sums.alone_possible
    return Alone(int(sums.alone_possible), *shares)


def _drawn(share: Share, lots: random.Random) -> float:
    """A share that the counts may stem from: Jeffreys' posterior, never quite 0 or 1."""
    return lots.betavariate(share.hits + 0.5, share.num - share.hits + 0.5)


def _odds(share: float) -> float:
    """Of not being separated, where that share is."""
    return (1 - share) / share if share else math.inf
