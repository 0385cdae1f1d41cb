"""Makers of values that do not repeat, for primary keys and UNIQUE columns."""

from itertools import count
from math import ceil, floor
from random import Random
from typing import Any

from sense.filling.constraints import FillColumn
from sense.filling.values import Maker


class Exhausted(Exception):
    """No further value is left for a unique column or key."""


def folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def numbered(column: FillColumn, taken: set[Any]) -> Maker:
    """1, 2, 3 ... inside the bounds and beside the literals."""
    low, high = column.bounds.low, column.bounds.high
    start = int(low) + column.bounds.low_open if isinstance(low, (int, float)) else 1
    numbers = count(max(1, start) if not isinstance(high, (int, float)) or high >= 1 else start)

    def next_number(_: Random) -> int:
        number = next(n for n in numbers if n not in taken)
        if isinstance(high, (int, float)) and number > high:
            raise Exhausted(f"UNIQUE column {column.name!r}: no number up to {high} is left")
        return number

    return next_number


def distinct(maker: Maker, column: FillColumn, taken: set[Any]) -> Maker:
    """The maker without repetitions; when it runs dry its values are varied."""

    def draw(rng: Random) -> Any:
        for attempt in range(60):
            value = maker(rng) if attempt < 20 else _varied(maker(rng), column, attempt, rng)
            if folded(value) not in taken:
                taken.add(folded(value))
                return value
        raise Exhausted(f"UNIQUE column {column.name!r}: no further value is left")

    return draw


def _varied(value: Any, column: FillColumn, attempt: int, rng: Random) -> Any:
    """A value like the given one; the same one where the CHECKs leave only some values."""
    if column.bounds.choices:
        return rng.choice(column.bounds.choices)
    if isinstance(value, bool) or value is None or column.bounds.patterns:
        return value
    number = rng.randrange(2, 100 * attempt)
    if isinstance(value, (int, float)):
        low, high = column.bounds.low, column.bounds.high
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            is_whole = isinstance(value, int)
            return rng.randint(ceil(low), floor(high)) if is_whole else rng.uniform(low, high)
        return value + number if high is None else value - number
    if isinstance(value, str):
        most = column.bounds.max_chars
        name, at, host = value.partition("@")
        varied = f"{name}{number}@{host}" if at else f"{value} {number}"
        if most is not None and len(varied) > most:
            varied = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ0123456789") for _ in range(most))
        return varied
    return rng.randbytes(12)
