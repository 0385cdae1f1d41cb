"""The patterns that aim at each level of hardness, with their weights.

Levels are counted on the SQL afterwards. The remarks of `sense.hardness` explain why HAVING is easy
and why ordering a group by its shown count is extra.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sense.example import Hardness
from sense.questions.draw import Draw
from sense.questions.groups import grouping, owning
from sense.questions.intent import Intent
from sense.questions.nesting import beyond, beyond_group, compared, has, has_such, shared, there_is
from sense.questions.patterns import (
    combining,
    counting,
    difference,
    labelling,
    linking,
    listing,
    measuring,
    pairing,
)

Pattern: TypeAlias = Callable[[Draw], Intent | None]

PATTERNS: dict[Hardness, tuple[tuple[float, Pattern], ...]] = {
    "easy": (
        (1, partial(listing)),
        (6, partial(listing, conditions=1)),
        (2, partial(listing, distinct=True)),
        (1, partial(listing, distinct=True, conditions=1)),
        (1.5, partial(listing, order="sort")),
        (1, partial(listing, joins=1)),
        (0.5, partial(counting)),
        (4, partial(counting, conditions=1)),
        (1.5, partial(counting, distinct=True)),
        (1, partial(measuring)),
        (4, partial(measuring, conditions=1)),
        (2, partial(grouping, having=True, bare=True)),
        (0.7, partial(listing, special=compared)),
        (0.5, partial(counting, special=compared)),
    ),
    "medium": (
        (1, partial(listing, columns=2)),
        (3, partial(listing, columns=2, conditions=1)),
        (1, partial(listing, columns=3, conditions=1)),
        (2, partial(listing, conditions=2)),
        (1, partial(listing, columns=2, conditions=2)),
        (1.5, partial(listing, conditions=2, either=True)),
        (2, partial(listing, conditions=1, like=True)),
        (3, partial(listing, conditions=1, joins=1)),
        (1.5, partial(listing, columns=2, joins=1)),
        (1.5, partial(listing, columns=2, conditions=1, joins=1)),
        (2, partial(counting, conditions=1, joins=1)),
        (1.5, partial(counting, conditions=2)),
        (1.5, partial(measuring, conditions=1, joins=1)),
        (1.5, partial(measuring, measures=2, conditions=1)),
        (1, partial(measuring, measures=3)),
        (3, partial(listing, order="top")),
        (1, partial(listing, columns=2, order="top")),
        (1, partial(listing, columns=2, conditions=1, order="sort")),
        (3, partial(grouping)),
        (1.5, partial(grouping, having=True)),
        (1, partial(grouping, bare=True, order="sort")),
        (3, partial(owning)),
        (2, partial(owning, linked=True)),
        (2, partial(owning, having=True, bare=True)),
        (1, partial(owning, having=True, bare=True, linked=True)),
        (1.5, partial(difference)),
        (0.5, partial(pairing)),
        (0.3, partial(pairing, conditions=1)),
    ),
    "hard": (
        (2, partial(listing, conditions=1, order="top")),
        (1, partial(listing, columns=2, conditions=1, order="top")),
        (1.5, partial(listing, conditions=1, joins=2)),
        (1, partial(listing, columns=2, conditions=1, joins=2)),
        (1, partial(listing, columns=2, joins=1, conditions=1, order="sort")),
        (1, partial(listing, columns=2, joins=1, order="top")),
        (1, partial(listing, joins=1, conditions=2, either=True)),
        (1, partial(listing, joins=1, conditions=1, like=True)),
        (3, partial(grouping, bare=True, order="top")),
        (2, partial(owning, conditions=1)),
        (1, partial(owning, conditions=1, having=True, bare=True)),
        (3, partial(listing, special=beyond)),
        (2, partial(counting, special=beyond)),
        (2, partial(listing, special=beyond_group)),
        (2, partial(listing, special=has)),
        (2, partial(listing, special=has_such)),
        (1.5, partial(counting, special=has)),
        (1, partial(listing, special=shared)),
        (0.5, partial(listing, special=there_is)),
        (0.3, partial(counting, special=there_is)),
        (0.4, partial(linking)),
        (3, partial(combining)),
    ),
    "extra": (
        (2, partial(listing, columns=2, special=beyond)),
        (2, partial(listing, columns=2, special=beyond_group)),
        (1.5, partial(listing, conditions=1, special=beyond)),
        (1.5, partial(listing, columns=2, special=has_such)),
        (1, partial(listing, conditions=1, special=has)),
        (1.5, partial(listing, joins=1, special=beyond)),
        (1, partial(listing, columns=2, special=shared)),
        (0.3, partial(listing, columns=2, special=there_is)),
        (0.4, partial(linking, conditions=1)),
        (4, partial(owning, bare=True, order="top")),
        (2, partial(owning, order="top")),
        (2, partial(owning, bare=True, order="top", linked=True)),
        (2, partial(grouping, order="sort")),
        (2, partial(grouping, conditions=1, bare=True, order="top")),
        (1.5, partial(owning, conditions=1, bare=True, order="top")),
        (3, partial(combining, related=True)),
        (1.5, partial(labelling)),
        (1, partial(listing, columns=2, conditions=2, order="sort")),
        (1, partial(listing, columns=2, conditions=1, joins=1, order="top")),
    ),
}
"""Level -> (weight, pattern)."""
