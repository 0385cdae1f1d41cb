"""Whether a wrong answer is plainly wrong: in any reading of the question, on its own database.

A strict comparison calls an answer wrong for a row that comes twice, for a further column, or for
what only invented rows show: ties, NULLs, two people of one name. A person may take such an answer
for right, so it is a poor example of what not to say.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sense.execution import Limits, execute

OPEN_KINDS = ("distinct", "extra_column", "join_type")
"""Kinds of error that questions seldom decide: whether rows may repeat, whether a further column
harms, whether what has no partner is to appear with 0."""
LIMITS = Limits(max_steps=100_000_000, max_seconds=10.0)
MAX_CHOICES = 1_000
"""Choices of columns that are tried; more have columns that all hold the same."""
Row = tuple[Any, ...]


def is_plainly_wrong(db_path: str | Path, gold_sql: str, predicted_sql: str) -> bool:
    """Whether the prediction fails on the database, or returns what nobody could mean by gold.

    False where either hits a limit, since nothing is plain then. Raises DatabaseError.
    """
    predicted = execute(db_path, predicted_sql, LIMITS)
    if predicted.status in ("error", "refused"):
        return True
    gold = execute(db_path, gold_sql, LIMITS)
    if (gold.status, predicted.status) != ("ok", "ok"):
        return False
    return not say_the_same(gold.rows, predicted.rows)


def say_the_same(gold: Iterable[Row], predicted: Iterable[Row]) -> bool:
    """Whether a person may read the same from both, whatever the order and number of equal rows.

    The prediction may have further columns, its columns in another order, and one text in place of
    its parts.

    >>> say_the_same([("Ann", 3), ("Bob", 4)], [(4, "Bob", "x"), (3, "Ann", "x"), (3, "Ann", "x")])
    True
    >>> say_the_same([("Ann", "Lee")], [("Ann Lee",)])
    True
    >>> say_the_same([("Ann",)], [("Ann",), ("Bob",)])
    False
    """
    wanted, found = _distinct(gold), _distinct(predicted)
    if not wanted or not found:
        return not wanted and not found
    if {_joined(row) for row in wanted} == {_joined(row) for row in found}:
        return True
    return any(
        wanted == {tuple(row[i] for i in chosen) for row in found}
        for chosen in _chosen_columns(wanted, found)
    )


def _distinct(rows: Iterable[Row]) -> set[Row]:
    return {tuple(round(v, 6) if isinstance(v, float) else v for v in row) for row in rows}


def _joined(row: Row) -> str:
    return re.sub(r"\W", "", "".join(map(str, row)))


def _chosen_columns(wanted: set[Row], found: set[Row]) -> Iterator[tuple[int, ...]]:
    """Columns of `found` that hold, one by one, the same values as those of `wanted`."""
    places = defaultdict(list)
    for i, column in enumerate(zip(*found, strict=True)):
        places[frozenset(column)].append(i)
    options = [places.get(frozenset(column), []) for column in zip(*wanted, strict=True)]
    chosen: list[tuple[int, ...]] = [()]
    for option in options:
        chosen = [(*some, i) for some in chosen for i in option if i not in some][:MAX_CHOICES]
    yield from chosen
