"""What a run over judged answers counts while they pass by: verdicts, reasons, pairs, systems."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sense.facts import Funnel
from sense.metrics import wilson_interval
from sense.preference import Sample
from sense.verdict import Rule


class SystemScore(NamedTuple):
    """The answers of one model, by the official rule and by verdict."""

    num: int
    num_accepted: int
    """Answers that the official rule accepts."""
    num_correct: int
    num_incorrect: int
    """The others have no verdict."""


class FlipRate(NamedTuple):
    """How often one database alone calls an answer correct that the test suite calls incorrect."""

    num: int
    """Answers that are correct on the question's own database and have a verdict on the suite."""
    num_flipped: int
    """Those of them that the suite calls incorrect."""
    rate: float
    """In 0..1; NaN when there is no answer."""
    low: float
    high: float
    """95 % Wilson interval; answers to one question are not independent, so that it is narrow."""


class Tally:
    """Counts of all questions whose samples it was given."""

    def __init__(self) -> None:
        self.answers = Funnel("answers", unit="samples")
        """Answers with a verdict are kept."""
        self.questions = Funnel("pairs", unit="questions")
        """Questions that gave a pair are kept."""
        self.counts: dict[str, Counter[str]] = {
            name: Counter()
            for name in ("verdicts", "reasons", "error_kinds", "gold_statuses", "mutations")
        }
        self._systems: dict[str, Counter[str]] = defaultdict(Counter)
        self._flips: Counter[bool] = Counter()

    def add(self, samples: Sequence[Sample], why_none: str) -> None:
        """Counts the answers of models to one question, and what they gave.

        why_none: the reason why that is no pair, "" where it is one.
        """
        for sample in samples:
            if sample.source != "sample":
                self.counts["mutations"][sample.error_kind] += 1
                continue
            if sample.verdict == "unknown":
                self.answers.drop(f"unknown_{sample.reason}")
            else:
                self.answers.keep()
            self.counts["verdicts"][sample.verdict] += 1
            self.counts["reasons"][sample.reason] += 1
            self.counts["gold_statuses"][sample.gold_status] += 1
            if sample.error_kind:
                self.counts["error_kinds"][sample.error_kind] += 1
            if sample.database_verdict == "correct" and sample.verdict != "unknown":
                self._flips[sample.verdict == "incorrect"] += 1
            self._systems[sample.weak_model].update(["num", sample.verdict])
            self._systems[sample.weak_model]["accepted"] += sample.rule_correct or 0
        if why_none:
            self.questions.drop(why_none)
        else:
            self.questions.keep()

    def systems(self) -> dict[str, SystemScore]:
        """The score of each model that answered, by its name; "" where the answers name none."""
        return {
            name: SystemScore(found["num"], found["accepted"], found["correct"], found["incorrect"])
            for name, found in sorted(self._systems.items())
        }

    def flip_rate(self) -> FlipRate:
        """What a test suite changed; without one nothing flips."""
        num, num_flipped = self._flips.total(), self._flips[True]
        low, high = wilson_interval(num_flipped, num)
        return FlipRate(num, num_flipped, num_flipped / num if num else math.nan, low, high)


def systems_table(systems: Mapping[str, SystemScore], rule: Rule) -> str:
    """The scores as text, a line per model; `correct` is a share of the answers with a verdict.

    >>> print(systems_table({"codes": SystemScore(1034, 805, 700, 300)}, "spider"))
    system        answers   spider  correct  unknown
    codes           1,034   77.9 %   70.0 %       34
    """
    width = max(12, *(len(name) for name in systems)) if systems else 12
    lines = [f"{'system':<{width}}  {'answers':>7}  {rule:>7}  {'correct':>7}  {'unknown':>7}"]
    for name, (num, accepted, correct, incorrect) in systems.items():
        judged = correct + incorrect
        shares = f"{_percent(accepted, num)}  {_percent(correct, judged)}"
        lines.append(f"{name or '(no name)':<{width}}  {num:>7,}  {shares}  {num - judged:>7,}")
    return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "      -"
