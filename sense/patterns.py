"""Patterns of queries by level, each drawing one `Intent` from a database's profile.

A pattern may fail to find what it needs (no date column, no link between tables) and returns None.
Whether an intent says anything on the data is checked later, by running it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from sense.draw import (
    Draw,
    asked,
    can_total,
    categories,
    draw_condition,
    draw_threshold,
    is_link_table,
    numbers,
    ordered,
    rounded,
)
from sense.example import Hardness
from sense.intent import (
    Beyond,
    Case,
    Compared,
    Comparison,
    Condition,
    Difference,
    Filter,
    Function,
    Has,
    Having,
    Intent,
    Measure,
    Order,
    Shared,
    Wanted,
)
from sense.nesting import beyond, beyond_group, compared, has, has_such, like_pair, shared
from sense.profile import ColumnProfile, TableProfile, Value

Pattern: TypeAlias = Callable[[Draw], Intent | None]
Special: TypeAlias = Callable[[Draw, TableProfile], Filter | None]

CASE_LABELS = (("high", "low"), ("above", "below"), ("large", "small"), ("yes", "no"))


def listing(
    draw: Draw,
    columns: int = 1,
    conditions: int = 0,
    joins: int = 0,
    either: bool = False,
    like: bool = False,
    distinct: bool = False,
    order: str = "",
    special: Special | None = None,
) -> Intent | None:
    """Columns of rows: filtered, joined, sorted (`order` "sort") or cut (`order` "top")."""
    intent = _filtered(draw, joins, conditions, like, special)
    if not intent:
        return None
    tables = [intent.base, *(draw.profile.table(link.ref_table) for link in intent.joins)]
    wanted = _shown(draw, tables, columns, distinct)
    if len(wanted) < columns or set(wanted) & _fixed(intent.filters):
        return None
    if columns == 1 and not like and _compares(intent.filters, wanted[0]):
        return None
    intent = replace(intent, wanted=wanted, either=either, distinct=distinct)
    return _sorted(draw, intent, order) if _uses_joins(intent) else None


def counting(
    draw: Draw,
    conditions: int = 0,
    joins: int = 0,
    distinct: bool = False,
    special: Special | None = None,
) -> Intent | None:
    """How many rows, or how many different values."""
    intent = _filtered(draw, joins, conditions, False, special, broad=True)
    if not intent:
        return None
    measure = Measure("count")
    if distinct:
        pool = _repeated(intent.base)
        if not pool:
            return None
        measure = Measure("count", draw.rng.choice(pool), distinct=True)
    intent = replace(intent, wanted=(measure,))
    return intent if _uses_joins(intent) else None


def measuring(draw: Draw, measures: int = 1, conditions: int = 0, joins: int = 0) -> Intent | None:
    """Average, sum, minimum, maximum of one column."""
    intent = _filtered(draw, joins, conditions, broad=True)
    if not intent or not numbers(intent.base) or not _uses_joins(intent):
        return None
    column = draw.rng.choice(numbers(intent.base))
    functions: list[Function] = ["min", "max", "avg", *(["sum"] if can_total(column) else [])]
    if column in _fixed(intent.filters) or _compares(intent.filters, column):
        return None
    chosen = sorted(draw.rng.sample(functions, measures), key=functions.index)
    return replace(intent, wanted=tuple(Measure(function, column) for function in chosen))


def grouping(
    draw: Draw, conditions: int = 0, having: bool = False, order: str = "", bare: bool = False
) -> Intent | None:
    """A measure per value of a column; `bare`: the values only, ordered or kept by the measure."""
    base = draw.table(categories)
    if not base:
        return None
    group = draw.rng.choice(categories(base))
    filters = _conditions(draw, [base], conditions, broad=True)
    measure = _measure(draw, base)
    if filters is None or measure.column is group or _compares(filters, group):
        return None
    wanted: tuple[Wanted, ...] = (group,) if bare else (group, measure)
    intent = Intent(base, wanted, filters=filters, group=group)
    return _ranked(draw, intent, measure, having, order)


def owning(
    draw: Draw,
    conditions: int = 0,
    having: bool = False,
    order: str = "",
    bare: bool = False,
    linked: bool = False,
) -> Intent | None:
    """A measure of the rows that refer to each row of another table."""
    fitting = [
        r for r in draw.relations if r.owner.key and (len(r.links) > 1) == linked and not r.is_kind
    ]
    if not fitting:
        return None
    relation = draw.rng.choice(fitting)
    owner, base = relation.owner, draw.profile.table(relation.base)
    filters = _conditions(draw, [relation.member], conditions, broad=True)
    if filters is None or not owner.label or not owner.key:
        return None
    measure = _measure(draw, relation.member)
    # The rows of a link table can be counted without the table behind it.
    needs_member = filters or measure.column
    joins = relation.links if needs_member else relation.links[:1]
    wanted: tuple[Wanted, ...] = (owner.label,) if bare else (owner.label, measure)
    intent = Intent(base, wanted, joins, filters, group=owner.key, owner=relation)
    return _ranked(draw, intent, measure, having, order)


def difference(draw: Draw, conditions: int = 0) -> Intent | None:
    """The difference or the sum of two columns for each row."""
    base = draw.table(lambda table: table.label and len(numbers(table)) > 1)
    pair = like_pair(draw, base) if base else None
    if not base or not base.label or not pair:
        return None
    filters = _conditions(draw, [base], conditions)
    if filters is None:
        return None
    value = Difference(*pair, sign=draw.rng.choice(("-", "-", "+")))
    return Intent(base, (base.label, value), filters=filters)


def labelling(draw: Draw) -> Intent | None:
    """One of two labels for each row, by a threshold."""
    base = draw.table(lambda table: table.label and numbers(table))
    if not base or not base.label:
        return None
    column = draw.rng.choice(numbers(base))
    condition = draw_threshold(draw, column)
    if condition.operator not in (">", "<", ">=", "<=") or column.null_share:
        return None
    labels = draw.rng.choice(CASE_LABELS)
    if condition.operator.startswith("<") and labels[0] != "yes":
        labels = (labels[1], labels[0])
    return Intent(base, (base.label, Case(condition, labels)))


def combining(draw: Draw, related: bool = False) -> Intent | None:
    """Values that belong to both, to either, or to only the first of two sets of rows."""
    if related:
        fitting = [r for r in draw.relations if len(r.links) == 1 and not r.is_kind]
        relation = draw.rng.choice(fitting) if fitting else None
        value = relation.owner.label if relation else None
        if not relation or not value or not value.is_unique:
            return None
        base, joins = relation.member, relation.links
    else:
        found = draw.table(categories)
        if not found:
            return None
        base, joins, value = found, (), draw.rng.choice(categories(found))
    first, second = (draw_condition(draw, base) for _ in range(2))
    if not first or not second or first == second or value in (first.column, second.column):
        return None
    operator = draw.rng.choice(("INTERSECT", "UNION", "EXCEPT"))
    other = Intent(base, (value,), joins, (second,))
    return Intent(base, (value,), joins, (first,), operator=operator, other=other)


def _filtered(
    draw: Draw,
    joins: int,
    conditions: int,
    like: bool = False,
    special: Special | None = None,
    broad: bool = False,
) -> Intent | None:
    """Tables and filters of an intent that still lacks what is wanted."""
    scope = draw.scope(joins)
    if not scope:
        return None
    tables, links = scope
    filters = _conditions(draw, tables, conditions, like, broad)
    if filters is None:
        return None
    if special:
        extra = special(draw, tables[0])
        if not extra or (isinstance(extra, Beyond) and _compares(filters, extra.column)):
            return None
        filters = (*filters, extra)
    return Intent(tables[0], (), links, filters)


def _conditions(
    draw: Draw, tables: list[TableProfile], count: int, like: bool = False, broad: bool = False
) -> tuple[Filter, ...] | None:
    found: list[Condition] = []
    for i in range(count):
        condition = draw_condition(draw, draw.rng.choice(tables), like and i == 0, broad)
        if condition is None or _compares(tuple(found), condition.column):
            return None
        found.append(condition)
    return tuple(found)


def _compares(filters: tuple[Filter, ...], column: ColumnProfile) -> bool:
    return any(isinstance(item, Condition) and item.column is column for item in filters)


def _fixed(filters: tuple[Filter, ...]) -> set[Wanted]:
    """Columns that a filter already tells, so that nobody would ask for them."""
    fixed: set[Wanted] = set()
    for item in filters:
        if isinstance(item, Shared) or (isinstance(item, Beyond) and item.operator == "="):
            fixed.add(item.column)
        elif isinstance(item, Condition) and item.operator in ("=", "null"):
            fixed.add(item.column)
    return fixed


def _uses_joins(intent: Intent) -> bool:
    """Whether each joined table at the end of a chain gives a column."""
    used = {wanted.table for wanted in intent.wanted if isinstance(wanted, ColumnProfile)}
    for item in intent.filters:
        if isinstance(item, Has):
            used.add(item.relation.owner.name)
        elif not isinstance(item, Compared):
            used.add(item.column.table)
    inner = {link.table for link in intent.joins}
    return all(link.ref_table in used | inner for link in intent.joins)


def _repeated(table: TableProfile) -> list[ColumnProfile]:
    return [c for c in asked(table) if c.kind in ("category", "year") and not c.is_unique]


def _shown(
    draw: Draw, tables: list[TableProfile], count: int, distinct: bool
) -> tuple[ColumnProfile, ...]:
    if distinct:
        return draw.some(_repeated(tables[0]), count)
    owners = draw.rng.choices(tables, k=count)
    return tuple(column for table in tables for column in draw.columns(table, owners.count(table)))


def _sorted(draw: Draw, intent: Intent, order: str) -> Intent | None:
    if not order:
        return intent
    keys = ordered(intent.base)
    display = intent.base.display
    if order == "sort":
        keys += [display] if display in intent.wanted and display and not display.null_share else []
    keys = [key for key in keys if not _compares(intent.filters, key)]
    if order == "top":
        keys = [key for key in keys if key not in intent.wanted]
    if not keys:
        return None
    key = draw.rng.choice(keys)
    descending = key.kind not in ("text", "category") and draw.chance(0.6)
    limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, 2, 3, 3, 5))
    return replace(intent, order=Order(key, descending), limit=limit)


def _measure(draw: Draw, table: TableProfile) -> Measure:
    """Mostly the number of rows, else an aggregate of a column."""
    columns = numbers(table)
    if not columns or is_link_table(table) or draw.chance(0.55):
        return Measure("count")
    column = draw.rng.choice(columns)
    functions: list[Function] = [
        "avg",
        "avg",
        "max",
        "min",
        *(["sum"] if can_total(column) else []),
    ]
    return Measure(draw.rng.choice(functions), column)


def _ranked(
    draw: Draw, intent: Intent, measure: Measure, having: bool, order: str
) -> Intent | None:
    if having:
        threshold = _having(draw, intent, measure)
        return replace(intent, having=threshold) if threshold else None
    if order:
        limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, 3))
        return replace(intent, order=Order(measure, draw.chance(0.75)), limit=limit)
    return intent


def _having(draw: Draw, intent: Intent, measure: Measure) -> Having | None:
    """A threshold near what the groups are likely to measure."""
    rng = draw.rng
    operator: Comparison
    if measure.column is None:
        assert intent.group
        size = max(2, round(intent.base.num_rows / max(2, intent.group.num_distinct)))
        # Fewer than three hives has also who has none, but is in no group.
        fewer: tuple[Comparison, ...] = () if intent.owner else ("<",)
        operator = rng.choice((">", ">", ">=", ">=", "=", *fewer))
        least = 2 if operator in (">=", "<") else 1
        return Having(measure, operator, rng.randint(least, size + 1))
    if measure.function == "sum":
        return None
    values = sorted(measure.column.values)  # type: ignore[type-var]
    middle = values[rng.randint(len(values) // 4, len(values) * 3 // 4)]
    value: Value = rounded(draw, middle, measure.column)
    operator = rng.choice((">", ">", "<"))
    return Having(measure, operator, value)


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
"""Level -> weighted patterns. Levels are counted on the SQL afterwards; these only aim at them."""
