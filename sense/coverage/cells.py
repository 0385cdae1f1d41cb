"""Cells of a plan: a value of hardness, style or domain, one SQL feature, or a pair of these."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Dimension: TypeAlias = Literal["hardness", "style", "domain", "feature"]
Part: TypeAlias = tuple[Dimension, str]
"""A value of one dimension: ("style", "formal")."""
Cell: TypeAlias = tuple[Part, ...]
"""One part, or two of different dimensions in the order hardness, style, domain, feature."""


class Slot(NamedTuple):
    """What divides the rows: every row is in one slot."""

    domain: str
    level: str
    style: str

    def parts(self) -> tuple[Part, Part, Part]:
        return ("hardness", self.level), ("style", self.style), ("domain", self.domain)


class Kept(NamedTuple):
    """A kept row, as the plan sees it."""

    slot: Slot
    features: tuple[str, ...]


class Tries(NamedTuple):
    """What was done to give rows a feature that they should have."""

    rows: int = 0
    """Rows that were due to have it."""
    drawn: int = 0
    """Queries that were drawn or asked for them."""
    had: int = 0
    """Of these those that had it."""
    kept: int = 0
    """Rows that came with it."""

    def plus(self, other: "Tries") -> "Tries":
        return Tries(*map(sum, zip(self, other, strict=True)))


Attempts: TypeAlias = dict[Cell, Tries]
"""By a value of hardness, style or domain and a feature."""


def listed_tries(tries: Attempts) -> list[list[str | int]]:
    """The attempts as JSON can hold them; `read_tries` reads them.

    >>> found: Attempts = {(("style", "formal"), ("feature", "join")): Tries(3, 24, 5, 2)}
    >>> listed_tries(found)
    [['style', 'formal', 'join', 3, 24, 5, 2]]
    >>> read_tries(listed_tries(found)) == found
    True
    """
    return [[*part, feature, *numbers] for (part, (_, feature)), numbers in tries.items()]


def read_tries(listed: Iterable[Iterable[Any]]) -> Attempts:
    return {
        ((dimension, name), ("feature", feature)): Tries(*numbers)
        for dimension, name, feature, *numbers in listed
    }


def cells_of(slot: Slot, features: Iterable[str] = ()) -> Iterator[Cell]:
    """The cells that a row of the slot with the features is in.

    >>> list(cells_of(Slot("tea", "easy", "formal")))[-1]
    (('style', 'formal'), ('domain', 'tea'))
    """
    level, style, domain = slot.parts()
    yield from ((level,), (style,), (domain,), (level, style), (level, domain), (style, domain))
    for feature in features:
        part: Part = ("feature", feature)
        yield from ((part,), (level, part), (style, part), (domain, part))


def margins(slots: Mapping[Slot, float]) -> Counter[Cell]:
    """The sum of each cell of one or two of hardness, style and domain.

    >>> margins({Slot("tea", "easy", "formal"): 2, Slot("tea", "hard", "formal"): 3})[
    ...     (("style", "formal"),)
    ... ]
    5
    """
    found: Counter[Cell] = Counter()
    for slot, num in slots.items():
        for cell in cells_of(slot):
            found[cell] += num  # type: ignore[assignment]
    return found


def shown(cell: Cell) -> str:
    """
    >>> shown((("hardness", "easy"), ("style", "formal")))
    'hardness=easy, style=formal'
    """
    return ", ".join(f"{dimension}={name}" for dimension, name in cell)
