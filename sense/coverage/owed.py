"""What is owed of each SQL feature to the rows of one database, and which patterns give it.

The shares of a unit end within a row or two of the wanted ones where the database allows it
(herding, Welling 2009, with a random start so that the rounding of many small units does not add
up). What is owed counts in rows per wanted row, so that a rare feature that is due weighs as much
as a frequent one.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import NamedTuple

from sense.coverage.cells import Attempts, Cell, Part, Tries
from sense.coverage.needs import Rates, Wish
from sense.example import Hardness
from sense.questions.levels import PATTERNS

MAX_WANT = 6.0
"""Rows owed per wanted row: what cannot be had shall not outweigh all else."""
ASIDE = 3.0
"""By this much less counts what else is owed to a row that has a target."""
MIN_RATE = 0.01
"""Smallest share that what is owed is divided by. A feature that no row should have counts like one
that one row in a hundred should have, and one that all should have like one that one may lack."""
ALIKE = {
    "group_by": "aggregate",
    "having": "group_by",
    "limit": "order_by",
    "correlated": "nested",
    "exists": "correlated",
}
"""Features that come with another one only: both are due in the same rows."""
MAX_RARE = 0.16
"""Features planned for at most this part of the rows are due one at a time: a row seldom has two of
them, and many databases give few rows of a level."""


class Goal(NamedTuple):
    """What the next row is to be."""

    wish: Wish
    wants: Rates
    """Feature -> above 0 where the row should have it, below 0 where not."""
    target: str
    """A feature that it is to have if at all possible; "" where none is due."""


@dataclass
class Ledger:
    """What is owed of each feature, by level and by style; and what patterns gave."""

    rng: random.Random
    owed: dict[tuple[str, str], float] = field(default_factory=dict)
    drawn: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each pattern of a level was drawn."""
    given: defaultdict[tuple[str, int], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """How often the queries that it drew had each feature."""
    of_level: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """The same of all patterns of a level; "" counts the queries."""
    tries: Attempts = field(default_factory=dict)
    """What was done for rows with a target, by its level and by its style."""

    def goal(self, wish: Wish) -> Goal:
        """What the next row for the wish is to be."""
        wants = self.wants(wish)
        target = self._target(wants, wish)
        if target:
            wants = {name: min(want, want / ASIDE) for name, want in wants.items()}
            wants[target] = MAX_WANT
        return Goal(wish, wants, target)

    def wants(self, wish: Wish) -> Rates:
        """Feature -> rows owed after the next one without it, divided by the share of rows that
        should have it, or should not where that is smaller."""
        self._open(wish)
        found = {}
        for feature, rate in wish.rates.items():
            scale = max(MIN_RATE, min(rate, 1 - rate))
            of_level = (self._owed(feature, wish.level) + rate - 0.5) / scale
            lag = rate - wish.planned[feature]
            of_style = min(1.0, max(-1.0, self._owed(feature, wish.style) + lag))
            found[feature] = min(MAX_WANT, max(-MAX_WANT, of_level + of_style))
        return found

    def take(self, wish: Wish, features: Sequence[str]) -> None:
        """Counts a row that was kept."""
        for feature, rate in wish.rates.items():
            for book in (wish.level, wish.style):
                owed = self._owed(feature, book)
                self.owed[feature, book] = owed + rate - (feature in features)

    def note(self, level: Hardness, place: int, features: Sequence[str]) -> None:
        """Counts a query that the pattern at the place drew."""
        self.drawn[level, place] += 1
        self.given[level, place].update(features)
        self.of_level[level].update(["", *features])

    def note_tries(self, goal: Goal, drawn: Mapping[str, int], features: Sequence[str]) -> None:
        """Counts what was done for a row with a target.

        drawn: the queries that were drawn for it by their features, "" for all; features: those
        of the row, none where there is none.
        """
        if not goal.target:
            return
        new = Tries(1, drawn[""], drawn[goal.target], int(goal.target in features))
        parts: tuple[Part, ...] = (("hardness", goal.wish.level), ("style", goal.wish.style))
        for part in parts:
            cell: Cell = (part, ("feature", goal.target))
            self.tries[cell] = self.tries.get(cell, Tries()).plus(new)

    def weights(self, level: Hardness, wants: Mapping[str, float]) -> list[float]:
        """Of the patterns of the level: those that give what is wanted weigh more.

        Each by the mean of e to the power of what its queries give of what is wanted, features
        taken as independent; of a pattern that drew little, all of the level tell.
        """
        pulls = [(feature, exp(want) - 1) for feature, want in wants.items()]
        whole = self.of_level[level]
        means = {feature: whole[feature] / max(1, whole[""]) for feature, _ in pulls}
        found = []
        for place, (weight, _) in enumerate(PATTERNS[level]):
            num = self.drawn[level, place] + 1
            given = self.given[level, place]
            for feature, pull in pulls:
                weight *= 1 + pull * (given[feature] + means[feature]) / num
            found.append(weight)
        return found

    def _target(self, wants: Rates, wish: Wish) -> str:
        """A feature that is due, drawn by lot.

        More often where the plan has it seldom, where it lags behind the plan and where trying
        helped.
        """
        due = [name for name, want in wants.items() if want > 0]
        if not due:
            return ""
        level: Part = ("hardness", wish.level)
        before = [self.tries.get((level, ("feature", name)), Tries()) for name in due]
        hopes = [(one.kept + 1) / (one.rows + 1) for one in before]
        lots = [
            hope * max(MIN_RATE, wish.rates[name]) / max(MIN_RATE, wish.planned[name]) ** 3
            for name, hope in zip(due, hopes, strict=True)
        ]
        return self.rng.choices(due, lots)[0]

    def _open(self, wish: Wish) -> None:
        """Rows that are owed at the start: at a level from -0.5 to 0.5, in a style none.

        At a level a feature is due in the first row as often as it should be there; of the rare
        ones one at a time, by systematic sampling.
        """
        if ("", wish.level) in self.owed:
            return
        self.owed["", wish.level] = edge = self.rng.random()
        for feature, rate in wish.rates.items():
            if ALIKE.get(feature) in wish.rates:
                continue
            start = self.rng.random()
            if wish.planned[feature] <= MAX_RARE:
                start, edge = edge % 1.0, edge + rate
            self.owed[feature, wish.level] = start - 0.5

    def _owed(self, feature: str, book: str) -> float:
        if (feature, book) not in self.owed:
            like = ALIKE.get(feature)
            self.owed[feature, book] = self._owed(like, book) if like else 0.0
        return self.owed[feature, book]
