"""How often the next rows should have each SQL feature, so that a set reaches its plan."""

from collections import defaultdict
from typing import NamedTuple, TypeAlias, cast

from sense.coverage.cells import Cell, Part, Slot, Tries, margins
from sense.coverage.coverage import Coverage
from sense.example import Hardness
from sense.questions.sentence import Style

Rates: TypeAlias = dict[str, float]
"""Feature -> wanted share of the next rows."""

MAX_SURPLUS = 3.0
"""A feature that came too seldom until now is asked for more often than it lacks, one that came too
often less: by at most this factor."""
MAX_RATIO = 3.0
"""A style or domain that lacks a feature is asked for it at most so many times as often as all."""
DRAWN_IN_VAIN = 20
"""Queries without a feature that halve the hope for one with it."""
MIN_OWN_ROWS = 10
"""Planned rows from which a domain or style is steered to its own share of a feature."""


class Wish(NamedTuple):
    """Rows wanted of one level in one style."""

    level: Hardness
    style: Style
    num: int
    rates: Rates
    """Feature -> share of these rows that should have it."""
    planned: Rates
    """Feature -> share of all rows of the level that the plan wants to have it."""


class FeatureNeeds:
    """What the missing rows of a coverage need of each feature; made once per round."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._rows = margins(coverage.missing())
        self._num_missing = sum(coverage.missing().values())
        self._barred: dict[str, list[Part]] = {name: [] for name in coverage.plan.feature}
        """Feature -> the styles that cannot have it."""
        for cell in coverage.infeasible:
            if len(cell) == 2 and cell[1][0] == "feature" and cell[0][0] == "style":
                self._barred[cell[1][1]].append(cell[0])
        self._able: defaultdict[Cell, float] = defaultdict(float)
        """By level and feature: the missing rows, each counted by the hope that it can have it."""
        for cell, num in self._rows.items():
            if len(cell) == 2 and (cell[0][0], cell[1][0]) == ("hardness", "domain"):
                for feature in coverage.plan.feature:
                    that: Part = ("feature", feature)
                    self._able[cell[0], that] += num * self._hope(*cell, that)

    def wish(self, slot: Slot, num: int) -> Wish:
        """So many rows of the slot, with the wanted shares of features."""
        level = slot.level
        planned = {name: shares[level] for name, shares in self._coverage.plan.feature.items()}
        return Wish(cast(Hardness, level), cast(Style, slot.style), num, self.of(slot), planned)

    def of(self, slot: Slot) -> Rates:
        """Wanted share of the slot's next rows by feature.

        That of its level, more where trying helped, times how much more its style and its domain
        lack the feature than all rows do. A style or domain with fewer than `MIN_OWN_ROWS` planned
        rows of the feature is not steered by itself.
        """
        level, style, domain = slot.parts()
        found = {}
        for feature in self._coverage.plan.feature:
            that: Part = ("feature", feature)
            rate = self._need((level, that), self._num_able(level, that))
            rate *= self._hope(level, domain, that)
            whole = self._need((that,), self._num_missing)
            for other in (style, domain):
                if self._rows[other,] and whole > 0 and self._has_own_share((other, that)):
                    share = self._need((other, that), self._rows[other,]) / whole
                    rate *= min(MAX_RATIO, max(0.0, share))
            found[feature] = min(1.0, max(0.0, rate))
        return found

    def _hope(self, level: Part, domain: Part, feature: Part) -> float:
        """1 as long as trying for the feature there gave it, less with each row that did not.

        Less also with each query that was drawn in vain where none in the domain had it.
        """
        tries = self._coverage.tries.get((level, domain, feature), Tries())
        whole = self._coverage.tries.get((domain, feature), Tries())
        doubt = 0.0 if whole.had else whole.drawn / DRAWN_IN_VAIN
        return ((tries.kept + 1) / (tries.rows + 1)) ** 2 / (1 + doubt)

    def _num_able(self, level: Part, feature: Part) -> float:
        """Missing rows of the level that are likely to have the feature."""
        rows = self._rows[level,]
        barred = sum(self._rows[level, style] for style in self._barred[feature[1]])
        return self._able[level, feature] * (1 - barred / rows) if rows else 0.0

    def _has_own_share(self, pair: Cell) -> bool:
        coverage = self._coverage
        return coverage.expected.get(pair, 0.0) >= MIN_OWN_ROWS or pair in coverage.infeasible

    def _need(self, cell: Cell, num_rows: float) -> float:
        """Rows that the cell lacks per missing row; more where fewer came than were due by now.

        The part that came is squared: what is asked for does not alone decide what comes.
        """
        if not num_rows:
            return 0.0
        expected, came = self._coverage.expected.get(cell, 0.0), self._coverage.counts[cell]
        if len(cell) > 1:
            done, missing = self._coverage.counts[cell[0],], self._rows[cell[0],]
        else:
            done, missing = self._coverage.num_rows, self._num_missing
        due = expected * done / (done + missing)
        answer = (came / due) ** 2 if due >= MIN_OWN_ROWS else 1.0
        return (expected - came) / num_rows / min(MAX_SURPLUS, max(1 / MAX_SURPLUS, answer))
