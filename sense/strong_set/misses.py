"""What the grammar drew and dropped: how many by reason, and the first few of each to be studied.

A run drops millions, nearly all for a handful of reasons, so that a few of each tell enough.
"""

from collections import Counter
from typing import NamedTuple

SHOWN_PER_REASON = 3
"""Of one unit of work, which asks for 400 examples at most."""


class Miss(NamedTuple):
    """A query that was dropped, with as much as was known of it by then."""

    reason: str
    """A word of `sense.strong_set.reasons`."""
    sql: str
    hardness: str
    """The level that was measured."""
    level: str
    """The level that was asked for."""
    style: str = ""
    question: str = ""


class Misses:
    """The dropped queries of one database.

    >>> misses = Misses()
    >>> for number in range(5):
    ...     misses.drop("empty_result", f"SELECT {number}", "easy", "easy")
    >>> misses.drop("no_material")
    >>> misses.counts["empty_result"], len(misses.shown), misses.shown[0].sql
    (5, 3, 'SELECT 0')
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.shown: list[Miss] = []

    def drop(
        self,
        reason: str,
        sql: str = "",
        hardness: str = "",
        level: str = "",
        style: str = "",
        question: str = "",
    ) -> None:
        """Counts a query; without SQL there is nothing to show."""
        self.counts[reason] += 1
        if sql and self.counts[reason] <= SHOWN_PER_REASON:
            self.shown.append(Miss(reason, sql, hardness, level, style, question))
