"""Patterns of queries by level, each drawing one `Intent` from a database's profile.

A pattern may fail to find what it needs (no date column, no link between tables) and returns None.
Whether an intent says anything on the data is checked later, by running it.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from sense.example import Hardness
from sense.intent import (
    Beyond,
    Case,
    Compared,
    Condition,
    Difference,
    Filter,
    Function,
    Has,
    Having,
    Intent,
    Measure,
    Order,
    Relation,
    Shared,
    Wanted,
)
from sense.profile import ColumnProfile, Link, Profile, TableProfile, Value

MAX_JOINS = 3
MAX_LIMIT = 5
MAX_NULL_SHARE = 0.5
"""A column with more NULLs is not asked for."""
CASE_LABELS = (("high", "low"), ("above", "below"), ("large", "small"), ("yes", "no"))


@dataclass(frozen=True)
class Draw:
    """A source of random choices over one database."""

    profile: Profile
    rng: random.Random
    ups: dict[str, list[Link]] = field(default_factory=dict)
    """Table -> its own foreign keys."""
    relations: tuple[Relation, ...] = ()

    @classmethod
    def over(cls, profile: Profile, rng: random.Random) -> "Draw":
        ups: dict[str, list[Link]] = defaultdict(list)
        for link in profile.links:
            ups[link.table].append(link)
        return cls(profile, rng, ups, _relations(profile, ups))

    def table(self, fits: Callable[[TableProfile], object] = bool) -> TableProfile | None:
        tables = [t for t in self.profile.tables if _asked(t) and fits(t)]
        return self.rng.choice(tables) if tables else None

    def some(self, items: Sequence[ColumnProfile], count: int) -> tuple[ColumnProfile, ...]:
        """`count` of the columns in their order, fewer when there are not as many."""
        chosen = self.rng.sample(range(len(items)), min(count, len(items)))
        return tuple(items[i] for i in sorted(chosen))


Pattern: TypeAlias = Callable[[Draw], Intent | None]


def _asked(table: TableProfile) -> list[ColumnProfile]:
    """Columns a person would ask for, names first."""
    return [
        column
        for column in table.columns
        if column.kind not in ("id", "foreign_key", "other") and column.null_share <= MAX_NULL_SHARE
    ]


def _numbers(table: TableProfile) -> list[ColumnProfile]:
    return [c for c in table.columns if c.kind in ("integer", "real") and c.num_distinct > 2]


def _ordered(table: TableProfile) -> list[ColumnProfile]:
    """Columns with a greatest value."""
    return [c for c in table.columns if (c.is_number or c.kind == "date") and c.num_distinct > 2]


def _categories(table: TableProfile) -> list[ColumnProfile]:
    return [
        c
        for c in table.columns
        if c.kind in ("category", "boolean", "year") and c.num_distinct > 1 and not c.null_share
        and c is not table.display
    ] + [c for c in table.columns if c.kind == "category" and c is table.display and not c.null_share]


def _relations(profile: Profile, ups: dict[str, list[Link]]) -> tuple[Relation, ...]:
    found = []
    for link in profile.links:
        owner, member = profile.table(link.ref_table), profile.table(link.table)
        if _asked(owner) and not is_link_table(member):
            found.append(Relation(owner, member, (link,)))
        if not is_link_table(member):
            continue
        for other in ups[link.table]:
            if other.ref_table != link.ref_table and _asked(owner):
                found.append(Relation(owner, profile.table(other.ref_table), (link, other)))
    pairs: dict[tuple[str, str], list[Relation]] = defaultdict(list)
    for relation in found:
        pairs[relation.owner.name, relation.member.name].append(relation)
    return tuple(same[0] for same in pairs.values() if len(same) == 1)


def is_link_table(table: TableProfile) -> bool:
    """Whether the table only says which rows of two or more others belong together."""
    keys = sum(column.kind == "foreign_key" for column in table.columns)
    return keys >= 2 and keys == sum(column.kind != "id" for column in table.columns)


def draw_condition(draw: Draw, table: TableProfile, like: bool = False) -> Condition | None:
    """A condition on a column of the table, with values that occur there or lie between two."""
    rng = draw.rng
    columns = [c for c in table.columns if c.kind not in ("foreign_key", "other") and c.values]
    if like:
        columns = [c for c in columns if c.kind in ("text", "category") and c.num_distinct > 2]
    columns = [c for c in columns if c.num_distinct > 1 and not (c.kind == "id" and c.is_number)]
    columns = [c for c in columns if c.kind != "id" or rng.random() < 0.3]
    if not columns:
        return None
    column = rng.choice(columns)
    if like:
        return _like(draw, column)
    if 0 < column.null_share < 1 and rng.random() < 0.15:
        return Condition(column, rng.choice(("null", "not null")))
    if column.is_number or column.kind == "date":
        return _threshold(draw, column)
    return _membership(draw, column)


def _membership(draw: Draw, column: ColumnProfile) -> Condition:
    rng = draw.rng
    value = rng.choice(column.values)
    if column.kind in ("text", "id", "boolean"):
        return Condition(column, "=", (value,))
    roll = rng.random()
    if roll < 0.15 and not column.null_share:
        return Condition(column, "<>", (value,))
    if roll < 0.3 and len(column.values) > 3:
        count = rng.choice((2, 2, 3))
        return Condition(column, "in", tuple(rng.sample(column.values, count)))
    return Condition(column, "=", (value,))


def _threshold(draw: Draw, column: ColumnProfile) -> Condition:
    rng = draw.rng
    values = sorted(column.values)  # type: ignore[type-var]
    low, high = sorted(rng.sample(range(len(values)), 2)) if len(values) > 1 else (0, 0)
    if column.kind == "date":
        if rng.random() < 0.4 or column.has_time:
            return Condition(column, "in year", (str(values[low])[:4],))
    elif rng.random() < 0.15:
        return Condition(column, "=", (values[low],))
    if rng.random() < 0.2:
        return Condition(column, "between", (values[low], values[high]))
    operator = rng.choice((">", ">", "<", "<", ">=", "<="))
    value = values[low if operator.startswith(">") else high]
    return Condition(column, operator, (_rounded(value, column, rng),))


def _rounded(value: Value, column: ColumnProfile, rng: random.Random) -> Value:
    """A rounder number near the value, as a person would say; sometimes the value itself."""
    if column.kind == "year" or isinstance(value, str) or rng.random() < 0.3:
        return value
    if isinstance(value, float):
        digits = 1 if abs(value) < 10 else 0
        near: Value = round(value, digits) if digits else int(round(value))
    else:
        near = int(f"{value:.2g}".replace("e+", "e").split("e")[0].replace(".", "")) if False else (
            int(float(f"{value:.2g}"))
        )
    assert column.low is not None and column.high is not None
    return near if column.low < near < column.high else value  # type: ignore[operator]


def _like(draw: Draw, column: ColumnProfile) -> Condition | None:
    rng = draw.rng
    words = [w for w in str(rng.choice(column.values)).split() if w.isalpha() and len(w) > 2]
    if not words:
        return None
    if rng.random() < 0.5:
        return Condition(column, "starts", (words[0][0].upper(),))
    return Condition(column, "contains", (rng.choice(words),))


def _chain(draw: Draw, base: TableProfile, count: int) -> tuple[Link, ...] | None:
    """`count` links upwards from the table, no table twice and none reachable by two ways."""
    links: list[Link] = []
    seen = {base.name}
    for _ in range(count):
        open_links = [
            link for name in seen for link in draw.ups.get(name, ()) if link.ref_table not in seen
        ]
        targets = [link.ref_table for link in open_links]
        open_links = [link for link in open_links if targets.count(link.ref_table) == 1]
        if not open_links:
            return None
        link = draw.rng.choice(sorted(open_links, key=lambda link: (link.table, link.column)))
        links.append(link)
        seen.add(link.ref_table)
    return tuple(links)


def _scope(draw: Draw, num_joins: int) -> tuple[TableProfile, tuple[Link, ...]] | None:
    """A table with so many links upwards."""
    if num_joins == 0:
        table = draw.table()
        return (table, ()) if table else None
    starts = [t for t in draw.profile.tables if draw.ups.get(t.name) and not is_link_table(t)]
    if not starts:
        return None
    base = draw.rng.choice(starts)
    links = _chain(draw, base, num_joins)
    return (base, links) if links else None


def _used_tables(
    base: TableProfile, links: tuple[Link, ...], wanted: Sequence[Wanted], filters: Sequence[Filter]
) -> bool:
    """Whether every joined table that is the end of a chain gives a column."""
    used = {column.table for column in wanted if isinstance(column, ColumnProfile)}
    used |= {measure.column.table for measure in wanted if isinstance(measure, Measure) and measure.column}
    used |= {item.column.table for item in filters if isinstance(item, (Condition, Beyond, Shared))}
    used |= {item.relation.owner.name for item in filters if isinstance(item, Has)}
    inner = {link.table for link in links}
    return all(link.ref_table in used for link in links if link.ref_table not in inner)


def _with_display(draw: Draw, table: TableProfile, count: int) -> tuple[ColumnProfile, ...]:
    if not count:
        return ()
    columns = _asked(table)
    chosen = draw.some(columns, count)
    if table.display in columns and table.display not in chosen and draw.rng.random() < 0.6:
        rest = [column for column in columns if column is not table.display]
        chosen = (table.display, *draw.some(rest, count - 1))  # type: ignore[assignment]
    return chosen


def listing(
    draw: Draw,
    columns: int = 1,
    conditions: int = 0,
    joins: int = 0,
    either: bool = False,
    like: bool = False,
    distinct: bool = False,
    order: str = "",
    special: Callable[[Draw, TableProfile], Filter | None] | None = None,
) -> Intent | None:
    """Columns of rows: filtered, joined, sorted (`order` "sort") or cut (`order` "top")."""
    scope = _scope(draw, joins)
    if not scope:
        return None
    base, links = scope
    tables = [base, *(draw.profile.table(link.ref_table) for link in links)]
    found = _conditions(draw, tables, conditions, like)
    if found is None:
        return None
    filters: list[Filter] = list(found)
    if special:
        extra = special(draw, base)
        if not extra:
            return None
        filters.append(extra)
    wanted = _wanted_columns(draw, tables, columns, distinct)
    if len(wanted) < columns or not _used_tables(base, links, wanted, filters):
        return None
    fixed = {item.column for item in filters if isinstance(item, Condition) and item.operator == "="}
    if fixed & set(wanted):
        return None
    intent = Intent(base, wanted, links, tuple(filters), either, distinct)
    return _ordered_intent(draw, intent, order)


def _wanted_columns(
    draw: Draw, tables: list[TableProfile], count: int, distinct: bool
) -> tuple[ColumnProfile, ...]:
    if distinct:
        pool = [c for c in _asked(tables[0]) if c.kind in ("category", "year") and not c.is_unique]
        return draw.some(pool, count)
    if len(tables) == 1:
        return _with_display(draw, tables[0], count)
    owners = draw.rng.choices(tables, k=count)
    chosen: dict[ColumnProfile, None] = {}
    for owner in tables:
        for column in _with_display(draw, owner, owners.count(owner)):
            chosen[column] = None
    return tuple(chosen)


def _conditions(
    draw: Draw, tables: list[TableProfile], count: int, like: bool
) -> list[Condition] | None:
    found: list[Condition] = []
    for i in range(count):
        condition = draw_condition(draw, draw.rng.choice(tables), like and i == 0)
        if condition is None or condition.column in [other.column for other in found]:
            return None
        found.append(condition)
    return found


def _ordered_intent(draw: Draw, intent: Intent, order: str) -> Intent | None:
    if not order:
        return intent
    keys = _ordered(intent.base)
    if order == "sort" and intent.base.display and intent.base.display in intent.wanted:
        keys = [*keys, intent.base.display]
    keys = [key for key in keys if not key.null_share]
    if not keys:
        return None
    key = draw.rng.choice(keys)
    descending = key.kind not in ("text", "category") and draw.rng.random() < 0.6
    limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, *range(2, MAX_LIMIT + 1)))
    return replace(intent, order=Order(key, descending), limit=limit)


def counting(
    draw: Draw,
    conditions: int = 0,
    joins: int = 0,
    distinct: bool = False,
    either: bool = False,
    special: Callable[[Draw, TableProfile], Filter | None] | None = None,
) -> Intent | None:
    """How many rows, or how many different values."""
    scope = _scope(draw, joins)
    if not scope:
        return None
    base, links = scope
    tables = [base, *(draw.profile.table(link.ref_table) for link in links)]
    found = _conditions(draw, tables, conditions, like=False)
    if found is None:
        return None
    filters: list[Filter] = list(found)
    if special:
        extra = special(draw, base)
        if not extra:
            return None
        filters.append(extra)
    measure = Measure("count")
    if distinct:
        pool = [c for c in _asked(base) if c.kind in ("category", "year") and not c.is_unique]
        if not pool:
            return None
        measure = Measure("count", draw.rng.choice(pool), distinct=True)
    if not _used_tables(base, links, (measure,), filters):
        return None
    return Intent(base, (measure,), links, tuple(filters), either)


def measuring(draw: Draw, measures: int = 1, conditions: int = 0, joins: int = 0) -> Intent | None:
    """Average, sum, minimum, maximum of one column."""
    scope = _scope(draw, joins)
    if not scope:
        return None
    base, links = scope
    tables = [base, *(draw.profile.table(link.ref_table) for link in links)]
    numbers = _numbers(base)
    filters = _conditions(draw, tables, conditions, like=False)
    if not numbers or filters is None or not _used_tables(base, links, (), filters):
        return None
    column = draw.rng.choice(numbers)
    if column in [item.column for item in filters]:
        return None
    order: list[Function] = ["min", "max", "avg", "sum"]
    chosen = sorted(draw.rng.sample(order, measures), key=order.index)
    return Intent(base, tuple(Measure(f, column) for f in chosen), links, tuple(filters))


def _measure(draw: Draw, table: TableProfile) -> Measure:
    """Mostly the number of rows, else an aggregate of a column."""
    numbers = _numbers(table)
    if not numbers or draw.rng.random() < 0.55:
        return Measure("count")
    return Measure(draw.rng.choice(("avg", "avg", "sum", "max", "min")), draw.rng.choice(numbers))


def grouping(
    draw: Draw, conditions: int = 0, having: bool = False, order: str = "", bare: bool = False
) -> Intent | None:
    """Measures per value of a column; `bare`: the values only, ordered or kept by a measure."""
    base = draw.table(_categories)
    if not base:
        return None
    group = draw.rng.choice(_categories(base))
    filters = _conditions(draw, [base], conditions, like=False)
    if filters is None or group in [item.column for item in filters]:
        return None
    measure = _measure(draw, base)
    if measure.column is group:
        return None
    wanted: tuple[Wanted, ...] = (group,) if bare else (group, measure)
    intent = Intent(base, wanted, filters=tuple(filters), group=group)
    return _ranked(draw, intent, measure, having, order)


def owning(
    draw: Draw,
    conditions: int = 0,
    having: bool = False,
    order: str = "",
    bare: bool = False,
    linked: bool = False,
) -> Intent | None:
    """Measures of the rows that refer to each row of another table."""
    fitting = [
        r for r in draw.relations if r.owner.display and r.owner.key and (len(r.links) > 1) == linked
    ]
    if not fitting:
        return None
    relation = draw.rng.choice(fitting)
    owner, display = relation.owner, relation.owner.display
    assert owner.key and display
    base = draw.profile.table(relation.base)
    filters = _conditions(draw, [relation.member], conditions, like=False)
    if filters is None:
        return None
    measure = Measure("count") if linked and not filters else _measure(draw, relation.member)
    joins = relation.links
    if linked and not filters and measure.column is None:
        joins = relation.links[:1]
    wanted: tuple[Wanted, ...] = (display,) if bare else (display, measure)
    intent = Intent(base, wanted, joins, tuple(filters), group=owner.key, owner=relation)
    return _ranked(draw, intent, measure, having, order)


def _ranked(
    draw: Draw, intent: Intent, measure: Measure, having: bool, order: str
) -> Intent | None:
    if having:
        threshold = _having(draw, intent, measure)
        if not threshold:
            return None
        intent = replace(intent, having=threshold)
    if order == "key":
        return replace(intent, order=Order(intent.wanted[0]))
    if order:
        limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, 3))
        descending = draw.rng.random() < 0.75
        intent = replace(intent, order=Order(measure, descending), limit=limit)
    return intent


def _having(draw: Draw, intent: Intent, measure: Measure) -> Having | None:
    rng = draw.rng
    if measure.function == "count":
        size = max(2, round(intent.base.num_rows / max(2, (intent.group or measure.column).num_distinct)))  # type: ignore[union-attr]
        value: Value = rng.randint(1, size + 1)
        operator = rng.choice((">", ">", ">=", ">=", "<", "="))
        return Having(measure, operator, value if operator != ">=" else max(2, value))
    column = measure.column
    assert column is not None
    if measure.function == "sum":
        return None
    values = sorted(column.values)  # type: ignore[type-var]
    value = _rounded(values[rng.randrange(len(values) // 4, 1 + len(values) * 3 // 4)], column, rng)
    return Having(measure, rng.choice((">", ">", "<")), value)


def beyond(draw: Draw, table: TableProfile, grouped: bool = False) -> Filter | None:
    """Above or below the average, or equal to the maximum, of the table or of the row's group."""
    numbers = _numbers(table)
    if not numbers:
        return None
    column = draw.rng.choice(numbers)
    group = None
    if grouped:
        pool = [c for c in _categories(table) if c is not column]
        if not pool:
            return None
        group = draw.rng.choice(pool)
    if draw.rng.random() < (0.4 if grouped else 0.25):
        return Beyond(column, "=", draw.rng.choice(("max", "max", "min")), group=group)
    scope = None
    if not grouped and draw.rng.random() < 0.3:
        scope = draw_condition(draw, table)
        if scope and scope.column is column:
            return None
    return Beyond(column, draw.rng.choice((">", ">", "<")), "avg", scope, group)


def has(draw: Draw, table: TableProfile, scoped: bool = False) -> Filter | None:
    """Rows that something refers to, or that nothing refers to."""
    fitting = [r for r in draw.relations if r.owner is table]
    if not fitting:
        return None
    relation = draw.rng.choice(fitting)
    scope = draw_condition(draw, relation.member) if scoped else None
    if scoped and not scope:
        return None
    return Has(relation, scope, negated=draw.rng.random() < (0.4 if scoped else 0.7))


def shared(draw: Draw, table: TableProfile) -> Filter | None:
    """Rows that share a value with another row."""
    pool = [c for c in _asked(table) if not c.is_unique and c.kind != "boolean" and not c.null_share]
    if not pool or not table.key:
        return None
    return Shared(draw.rng.choice(pool), table.key, negated=draw.rng.random() < 0.5)


def compared(draw: Draw, table: TableProfile) -> Filter | None:
    """One numeric column above or below another of a like unit."""
    pair = _like_pair(draw, table)
    return Compared(pair[0], draw.rng.choice((">", "<")), pair[1]) if pair else None


def _like_pair(draw: Draw, table: TableProfile) -> tuple[ColumnProfile, ColumnProfile] | None:
    numbers = _numbers(table)
    pairs = [
        (a, b)
        for i, a in enumerate(numbers)
        for b in numbers[i + 1 :]
        if a.words.split()[-1] == b.words.split()[-1] or a.words.split()[0] == b.words.split()[0]
    ]
    return draw.rng.choice(pairs) if pairs else None


def difference(draw: Draw, conditions: int = 0) -> Intent | None:
    """The difference or the sum of two columns for each row."""
    base = draw.table(lambda table: table.display and len(_numbers(table)) > 1)
    pair = _like_pair(draw, base) if base else None
    if not base or not pair or not base.display:
        return None
    filters = _conditions(draw, [base], conditions, like=False)
    if filters is None:
        return None
    value = Difference(*pair, sign=draw.rng.choice(("-", "-", "+")))
    return Intent(base, (base.display, value), filters=tuple(filters))


def labelling(draw: Draw) -> Intent | None:
    """One of two labels for each row, by a threshold."""
    base = draw.table(lambda table: table.display and _numbers(table))
    if not base or not base.display:
        return None
    column = draw.rng.choice(_numbers(base))
    condition = _threshold(draw, column)
    if condition.operator not in (">", "<", ">=", "<=") or column.null_share:
        return None
    labels = draw.rng.choice(CASE_LABELS)
    if condition.operator.startswith("<") and labels[0] != "yes":
        labels = (labels[1], labels[0])
    return Intent(base, (base.display, Case(condition, labels)))


def combining(draw: Draw, related: bool = False) -> Intent | None:
    """Values that belong to both, to either, or to only the first of two sets of rows."""
    rng = draw.rng
    if related:
        fitting = [
            r
            for r in draw.relations
            if r.owner.display and r.owner.display.is_unique and len(r.links) == 1
        ]
        if not fitting:
            return None
        relation = rng.choice(fitting)
        base, value, joins = relation.member, relation.owner.display, relation.links
    else:
        found = draw.table(_categories)
        if not found:
            return None
        base, joins = found, ()
        value = rng.choice(_categories(base))
    assert value is not None
    if value.kind == "boolean":
        return None
    sides = [draw_condition(draw, base) for _ in range(2)]
    if not all(sides) or value in [side.column for side in sides if side] or sides[0] == sides[1]:
        return None
    first, second = (Intent(base, (value,), joins, (side,)) for side in sides if side)
    return replace(first, operator=rng.choice(("INTERSECT", "UNION", "EXCEPT")), other=second)


grouped_beyond = partial(beyond, grouped=True)
scoped_has = partial(has, scoped=True)

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
        (2, partial(listing, special=grouped_beyond)),
        (2, partial(listing, special=has)),
        (2, partial(listing, special=scoped_has)),
        (1.5, partial(counting, special=has)),
        (1, partial(listing, special=shared)),
        (3, partial(combining)),
    ),
    "extra": (
        (2, partial(listing, columns=2, special=beyond)),
        (2, partial(listing, columns=2, special=grouped_beyond)),
        (1.5, partial(listing, conditions=1, special=beyond)),
        (1.5, partial(listing, columns=2, special=scoped_has)),
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
