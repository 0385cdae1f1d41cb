"""Patterns of queries, each drawing one `Intent` from a database's profile.

A pattern may fail to find what it needs (no date column, no link between tables) and returns None.
Whether an intent says anything on the data is checked later, by running it.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from sense.questions.conditions import compares, draw_condition, draw_conditions, draw_threshold
from sense.questions.draw import Draw, asked, can_total, categories, numbers, ordered, repeated
from sense.questions.intent import (
    Beyond,
    Case,
    Compared,
    Condition,
    Difference,
    Everything,
    Filter,
    Function,
    Has,
    Intent,
    Measure,
    OfGroup,
    Order,
    Rank,
    SetOperator,
    Shared,
    Wanted,
)
from sense.questions.nesting import like_pair
from sense.questions.profile import ColumnProfile, TableProfile

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
    """Columns of rows: filtered, joined, sorted (`order` "sort") or cut (`order` "top").

    columns: 0 = all there are. order "then": sorted by two columns.
    """
    favors_distinct = draw.favored == "distinct" and not order
    intent = _filtered(draw, joins, conditions, like, special, broad=favors_distinct)
    if not intent:
        return None
    if not columns:
        return intent.but(wanted=(Everything(),))
    tables = [intent.base, *map(draw.referred, intent.joins)]
    either = either or (draw.favored == "or" and len(intent.filters) > 1)
    distinct = distinct or (favors_distinct and len(repeated(intent.base)) >= columns)
    wanted = _shown(draw, tables, columns, distinct)
    if len(wanted) < columns or set(wanted) & _fixed(intent.filters):
        return None
    if columns == 1 and not like and wanted[0] in _mentioned(intent.filters):
        return None
    intent = intent.but(wanted=wanted, either=either, distinct=distinct)
    return _sorted(draw, intent, order) if _uses_joins(intent) else None


def linking(draw: Draw, conditions: int = 0, joins: int = 3) -> Intent | None:
    """Columns of rows and of all of the tables they refer to, each asked for or told."""
    scope = draw.scope(joins)
    if not scope:
        return None
    tables, links = scope
    base, *others = tables
    told = draw.rng.sample(others, conditions)
    filters = tuple(item for table in told if (item := draw_condition(draw, table)))
    if len(filters) < conditions:
        return None
    shown = [base] * draw.chance(0.4) + [table for table in others if table not in told]
    wanted = tuple(column for table in shown for column in draw.columns(table, 1))
    return Intent(base, wanted, links, filters) if len(wanted) == len(shown) else None


def pairing(draw: Draw, conditions: int = 0) -> Intent | None:
    """Columns of rows and of the row of the same table that each refers to."""
    if not draw.peers:
        return None
    link = draw.rng.choice(draw.peers)
    base = draw.profile.table(link.table)
    filters = draw_conditions(draw, [base], conditions)
    wanted = (*draw.columns(base, 1), *draw.columns(draw.referred(link), 1))
    if filters is None or len(wanted) < 2 or set(wanted) & _fixed(filters):
        return None
    return Intent(base, wanted, (link,), filters)


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
    if any(isinstance(item, Beyond) and item.operator == "=" for item in intent.filters):
        return None  # how many have the maximum is nearly always one
    measure = Measure("count")
    if distinct or draw.favored == "distinct":
        pool = [c for c in repeated(intent.base) if not compares(intent.filters, c)]
        if not pool:
            return None
        measure = Measure("count", draw.rng.choice(pool), distinct=True)
    intent = intent.but(wanted=(measure,))
    return intent if _uses_joins(intent) else None


def measuring(draw: Draw, measures: int = 1, conditions: int = 0, joins: int = 0) -> Intent | None:
    """Average, sum, minimum, maximum of one column."""
    intent = _filtered(draw, joins, conditions, broad=True)
    if not intent or not numbers(intent.base) or not _uses_joins(intent):
        return None
    column = draw.rng.choice(numbers(intent.base))
    functions: list[Function] = ["min", "max", "avg"]
    if can_total(column):
        functions.append("sum")
    if column in _fixed(intent.filters) or compares(intent.filters, column):
        return None
    chosen = sorted(draw.rng.sample(functions, measures), key=functions.index)
    return intent.but(wanted=tuple(Measure(function, column) for function in chosen))


def difference(draw: Draw, conditions: int = 0) -> Intent | None:
    """The difference or the sum of two columns for each row."""
    base = draw.table(lambda table: table.label and len(numbers(table)) > 1)
    pair = like_pair(draw, base) if base else None
    if not base or not base.label or not pair:
        return None
    filters = draw_conditions(draw, [base], conditions)
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


def ranking(draw: Draw, conditions: int = 0) -> Intent | None:
    """The place of each row by a column."""
    base = draw.table(lambda table: table.label and _places(table))
    if not base or not base.label:
        return None
    column = draw.rng.choice(_places(base))
    filters = draw_conditions(draw, [base], conditions, broad=True)
    if filters is None or compares(filters, column) or column is base.label:
        return None
    return Intent(base, (base.label, Rank(column, draw.chance(0.7))), filters=filters)


def comparing(draw: Draw) -> Intent | None:
    """A number of each row beside the average, highest or lowest of the rows like it."""
    base = draw.table(lambda table: table.label and numbers(table) and categories(table))
    if not base or not base.label:
        return None
    column, group = draw.rng.choice(numbers(base)), draw.rng.choice(categories(base))
    if column is group:
        return None
    function: Literal["avg", "min", "max"] = draw.rng.choice(("avg", "avg", "min", "max"))
    return Intent(base, (base.label, column, OfGroup(function, column, group)))


def combining(draw: Draw, related: bool = False) -> Intent | None:
    """Values that belong to both, to either, or to only the first of two sets of rows.

    related: the rows of another table that these belong to.
    """
    operator = draw.rng.choice(get_args(SetOperator))
    if related:
        fitting = [r for r in draw.relations if len(r.links) == 1 and not r.is_kind]
        relation = draw.rng.choice(fitting) if fitting else None
        value = relation and _told_by(relation.owner, operator)
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
    other = Intent(base, (value,), joins, (second,))
    return Intent(base, (value,), joins, (first,), operator=operator, other=other)


def merging(draw: Draw, columns: int = 1) -> Intent | None:
    """Rows of two kinds together, those of both, or those of one but not the other."""
    operator = draw.rng.choice(get_args(SetOperator))
    base = draw.table(lambda table: table.label and table.key and not table.key.null_share)
    value = base and _told_by(base, operator)
    if not base or not value:
        return None
    others = [column for column in asked(base) if column is not value]
    wanted = (value, *draw.some(others, columns - 1))
    filters = draw_conditions(draw, [base], 2, broad=True)
    if not filters or len(wanted) < columns or set(wanted) & set(_mentioned(filters)):
        return None
    first, second = filters
    other = Intent(base, wanted, filters=(second,))
    return Intent(base, wanted, filters=(first,), operator=operator, other=other)


def _told_by(table: TableProfile, operator: SetOperator) -> ColumnProfile | None:
    """What tells the rows of a set operation: a name where two of one name may pass for one."""
    return table.label if operator == "UNION" else table.key


def excepting(draw: Draw) -> Intent | None:
    """Names of all rows but of those that have a certain row of another table."""
    fitting = [r for r in draw.relations if len(r.links) == 1 and not r.is_kind]
    relation = draw.rng.choice(fitting) if fitting else None
    value = relation.owner.label if relation else None
    if not relation or not value or not value.is_unique or value is not relation.owner.display:
        return None
    condition = draw_condition(draw, relation.member) if draw.chance(0.6) else None
    filters = (condition,) if condition else ()
    other = Intent(relation.member, (value,), relation.links, filters)
    return Intent(relation.owner, (value,), operator="EXCEPT", other=other)


def matching(draw: Draw) -> Intent | None:
    """Values of columns of one name in two tables: those in both, in either, in one only."""
    namesakes: dict[str, list[ColumnProfile]] = {}
    for table in draw.profile.tables:
        for column in _texts(table):
            namesakes.setdefault(column.words, []).append(column)
    found = [columns for columns in namesakes.values() if len(columns) > 1]
    if not found:
        return None
    first, second = draw.rng.sample(draw.rng.choice(found), 2)
    if first.table == second.table:
        return None
    other = Intent(draw.profile.table(second.table), (second,))
    base, operator = draw.profile.table(first.table), draw.rng.choice(get_args(SetOperator))
    return Intent(base, (first,), operator=operator, other=other)


def _texts(table: TableProfile) -> list[ColumnProfile]:
    """Columns whose values may stand in another table too; names of other things do not."""
    return [
        column
        for column in asked(table)
        if column.kind in ("text", "category") and column is not table.display
    ]


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
    filters = draw_conditions(draw, tables, conditions, like, broad)
    if filters is None:
        return None
    if special:
        extra = special(draw, tables[0])
        if not extra or (isinstance(extra, Beyond) and compares(filters, extra.column)):
            return None
        filters = (*filters, extra)
    return Intent(tables[0], (), links, filters)


def _fixed(filters: tuple[Filter, ...]) -> set[Wanted]:
    """Columns that a filter already tells, so that nobody would ask for them."""
    fixed: set[Wanted] = set()
    for item in filters:
        if isinstance(item, Shared) or (
            isinstance(item, Beyond | Condition) and item.operator in ("=", "null")
        ):
            fixed.add(item.column)
    return fixed


def _mentioned(filters: tuple[Filter, ...]) -> list[ColumnProfile]:
    columns = [item.column for item in filters if isinstance(item, Condition | Beyond | Shared)]
    return columns + [item.group for item in filters if isinstance(item, Beyond) and item.group]


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


def _places(table: TableProfile) -> list[ColumnProfile]:
    """Columns by which each row has a place of its own."""
    return [column for column in ordered(table) if column.is_unique]


def _shown(
    draw: Draw, tables: list[TableProfile], count: int, distinct: bool
) -> tuple[ColumnProfile, ...]:
    if distinct:
        return draw.some(repeated(tables[0]), count)
    owners = draw.rng.choices(tables, k=count)
    return tuple(column for table in tables for column in draw.columns(table, owners.count(table)))


def _sorted(draw: Draw, intent: Intent, order: str) -> Intent | None:
    if not order:
        return intent
    if order == "then":
        return _sorted_twice(draw, intent)
    keys = list(ordered(intent.base))
    display = intent.base.display
    if order == "sort":
        keys += [display] if display in intent.wanted and display and not display.null_share else []
    keys = [key for key in keys if not compares(intent.filters, key)]
    if order == "top":
        keys = [key for key in keys if key not in intent.wanted]
    if not keys:
        return None
    key = draw.rng.choice(keys)
    descending = key.kind not in ("text", "category") and draw.chance(0.6)
    limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, 2, 3, 3, 5))
    return intent.but(order=Order(key, descending), limit=limit)


def _sorted_twice(draw: Draw, intent: Intent) -> Intent | None:
    """Sorted by a column whose values come several times, then by another."""
    firsts = [c for c in categories(intent.base) if not compares(intent.filters, c)]
    seconds = [*ordered(intent.base), *(c for c in asked(intent.base) if c.kind == "text")]
    seconds = [c for c in seconds if not c.null_share and not compares(intent.filters, c)]
    if not firsts or not seconds:
        return None
    first, second = draw.rng.choice(firsts), draw.rng.choice(seconds)
    if first is second:
        return None
    orders = (
        Order(c, c.kind not in ("text", "category") and draw.chance(0.5)) for c in (first, second)
    )
    order, then = orders
    return intent.but(order=order, then=then)
