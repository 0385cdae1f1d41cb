"""How one table is to be filled: a maker per column, pairs in order, values kept for children."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sense.filling.constraints import FillTable, Key
from sense.filling.literals import Wish
from sense.filling.uniqueness import Exhausted, distinct, folded, numbered
from sense.filling.values import Maker, value_maker
from sense.schema import natural_name

PERIODS = (("start", "end"), ("begin", "end"), ("from", "to"), ("min", "max"), ("birth", "death"))


class FillError(ValueError):
    """A declared constraint that no generated row meets."""


class TooFew(Exception):
    """A table on whose reserved keys others rely has fewer rows than keys."""

    def __init__(self, table: str, num_rows: int) -> None:
        super().__init__(table)
        self.table = table
        self.num_rows = num_rows


@dataclass
class TablePlan:
    """How a table is filled, and the rows that it has so far."""

    table: FillTable
    rng: Random
    num_rows: int
    wishes: list[Wish] = field(default_factory=list)
    near: dict[int, list[tuple[float, Any]]] = field(default_factory=dict)
    """Column -> the moments and values of its literals."""
    makers: list[Maker] = field(default_factory=list)
    reserved: dict[int, list[Any]] = field(default_factory=dict)
    """Column -> its value in each row, where children are filled before their parent."""
    rows: list[list[Any]] = field(default_factory=list)
    moments: list[list[float]] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    never_null: frozenset[int] = frozenset()
    unused: dict[Key, Iterator[tuple[Any, ...]]] = field(default_factory=dict)
    """Keys that refer to each parent once -> the parents that are left."""


def prepare(
    plan: TablePlan, vocabularies: Mapping[tuple[str, str], Sequence[Any]], referred: set[int]
) -> None:
    """Decides how each column is drawn; referred: columns that single foreign keys refer to."""
    table = plan.table
    in_keys = {i for key in table.keys for i in key.columns if key.is_declared}
    for i, column in enumerate(table.columns):
        words = vocabularies.get((table.name.lower(), column.name.lower()), ())
        maker = value_maker(column, table.name, plan.rng, plan.num_rows, words)
        if ((i,) in table.unique or i in referred) and i not in in_keys:
            taken = {folded(v) for _, v in plan.near.get(i, [])}
            is_number = table.primary_key == (i,) and column.affinity in ("INTEGER", "NUMERIC")
            if is_number and isinstance(maker(Random(0)), int) and not column.bounds.choices:
                maker = numbered(column, taken)
            else:
                maker = distinct(maker, column, taken)
        plan.makers.append(maker)
    plan.orders = [*table.orders, *_periods(table)]
    named = {i for i, c in enumerate(table.columns) if _is_label(c.name, table.name)}
    grouped = {i for group in table.unique for i in group if len(group) == 1}
    plan.never_null = frozenset(named | grouped | referred | set(table.primary_key))


def reserve_column(plan: TablePlan, column: int) -> None:
    """Draws the values of a column that children refer to before the table is filled."""
    if column in plan.reserved:
        return
    values = list(dict.fromkeys(value for _, value in plan.near.get(column, [])))
    del values[plan.num_rows :]
    try:
        while len(values) < plan.num_rows:
            values.append(plan.makers[column](plan.rng))
    except Exhausted as exhausted:
        if not values:
            raise FillError(f"table {plan.table.name!r}: {exhausted}") from None
        raise TooFew(plan.table.name, len(values)) from None
    plan.reserved[column] = values
    for wish in plan.wishes:
        wish.values.pop(column, None)
    plan.wishes = [wish for wish in plan.wishes if wish.values]


def _is_label(column: str, table: str) -> bool:
    words = set(natural_name(column).split())
    return bool({"name", "title", "id", "code"} & words) or column.lower() == table.lower()


def _periods(table: FillTable) -> Iterator[tuple[int, int]]:
    """Pairs of columns such as `start_date` and `end_date`."""
    words = [tuple(natural_name(column.name).split()) for column in table.columns]
    in_keys = {i for key in table.keys for i in key.columns}
    for i, first in enumerate(words):
        for low, high in PERIODS:
            other = tuple(high if word == low else word for word in first)
            if low in first and other in words and not {i, words.index(other)} & in_keys:
                yield i, words.index(other)
