"""Patterns with groups: a measure for each value of a column, or for each row of another table."""

from sense.questions.conditions import FAVORED_SHARE, compares, draw_conditions, rounded
from sense.questions.draw import Draw, can_total, categories, is_link_table, numbers, repeated
from sense.questions.intent import Comparison, Function, Having, Intent, Measure, Order, Wanted
from sense.questions.profile import TableProfile, Value


def grouping(
    draw: Draw,
    conditions: int = 0,
    having: bool = False,
    order: str = "",
    bare: bool = False,
    double: bool = False,
) -> Intent | None:
    """A measure per value of a column; `bare`: the values only, ordered or kept by the measure.

    Groups that are kept are ordered by what is shown of them. double: per combination of the values
    of two columns.
    """
    base = draw.table(categories)
    if not base:
        return None
    group = draw.rng.choice(categories(base))
    filters = draw_conditions(draw, [base], conditions, broad=True)
    measure = _measure(draw, base)
    if filters is None or measure.column is group or compares(filters, group):
        return None
    if measure.column and compares(filters, measure.column):
        return None
    if double:
        return _doubled(draw, Intent(base, (group, measure), filters=filters, group=group))
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
    filters = draw_conditions(draw, [relation.member], conditions, broad=True)
    if filters is None or not owner.label or not owner.key:
        return None
    measure = _measure(draw, relation.member)
    if measure.column and compares(filters, measure.column):
        return None
    # The rows of a link table can be counted without the table behind it.
    needs_member = filters or measure.column
    joins = relation.links if needs_member else relation.links[:1]
    wanted: tuple[Wanted, ...] = (owner.label,) if bare else (owner.label, measure)
    intent = Intent(base, wanted, joins, filters, group=owner.key, owner=relation)
    return _ranked(draw, intent, measure, having, order)


def outstanding(draw: Draw, conditions: int = 0, owned: bool = False) -> Intent | None:
    """Groups with more or less than the average of all groups."""
    find = owning if owned else grouping
    intent = find(draw, conditions)
    if not intent:
        return None
    *shown, measure = intent.wanted
    assert isinstance(measure, Measure)
    if measure.function not in ("count", "sum"):
        return None
    # Below the average lies also who has none, but is in no group.
    operators: tuple[Comparison, ...] = (
        (">",) if intent.owner or intent.filters else (">", ">", "<")
    )
    having = Having(measure, draw.rng.choice(operators), None)
    return intent.but(wanted=tuple(shown), having=having)


def overall(draw: Draw, conditions: int = 0) -> Intent | None:
    """The average, highest or lowest number of rows, or total, per row of another table."""
    intent = owning(draw, conditions)
    if not intent or not intent.owner:
        return None
    measure = intent.wanted[-1]
    if not isinstance(measure, Measure) or measure.function not in ("count", "sum"):
        return None
    function: Function = draw.rng.choice(("avg", "avg", "max", "min"))
    if function == "min" and measure.function == "count":  # nearly always one
        return None
    return intent.but(wanted=(measure,), over=function)


def _doubled(draw: Draw, intent: Intent) -> Intent | None:
    """The groups of the intent parted by another column."""
    measure = intent.wanted[-1]
    others = [
        column
        for column in categories(intent.base)
        if column is not intent.group
        and column is not getattr(measure, "column", None)
        and not compares(intent.filters, column)
    ]
    if not others or not intent.group:
        return None
    second = draw.rng.choice(others)
    return intent.but(wanted=(intent.group, second, measure), second=second)


def _measure(draw: Draw, table: TableProfile) -> Measure:
    """Mostly the number of rows, else of different values, or an aggregate of a column."""
    columns, kinds = numbers(table), repeated(table)
    if kinds and draw.chance(FAVORED_SHARE if draw.favored == "distinct" else 0.06):
        return Measure("count", draw.rng.choice(kinds), distinct=True)
    if not columns or is_link_table(table) or draw.chance(0.55):
        return Measure("count")
    column = draw.rng.choice(columns)
    functions: list[Function] = ["avg", "avg", "max", "min"]
    if can_total(column):
        functions.append("sum")
    return Measure(draw.rng.choice(functions), column)


def _ranked(
    draw: Draw, intent: Intent, measure: Measure, having: bool, order: str
) -> Intent | None:
    if having:
        # two conditions in a row on the same noun, or cities with more than three different ages
        if (measure.column and intent.filters) or measure.distinct:
            return None
        threshold = _having(draw, intent, measure)
        return intent.but(having=threshold, order=Order(intent.wanted[0]) if order else None)
    if order:
        if measure.function in ("min", "max"):  # nobody asks for "the highest lowest"
            return None
        limit = 0 if order == "sort" else draw.rng.choice((1, 1, 1, 3))
        is_most = draw.chance(0.75)
        # The lowest number of different values has also who has none, but is in no group.
        is_most |= measure.distinct and bool(intent.owner or intent.filters)
        return intent.but(order=Order(measure, is_most), limit=limit)
    return intent


def _having(draw: Draw, intent: Intent, measure: Measure) -> Having:
    """A threshold near what the groups are likely to measure."""
    rng = draw.rng
    operator: Comparison
    if measure.column is None:
        assert intent.group
        size = max(2, round(intent.base.num_rows / max(2, intent.group.num_distinct)))
        # Fewer than three hives has also who has none, but is in no group.
        fewer: tuple[Comparison, ...] = () if intent.owner or intent.filters else ("<",)
        operator = rng.choice((">", ">", ">=", ">=", "=", *fewer))
        least = 2 if operator in (">=", "<") else 1
        most = least + 1 if intent.filters else size + 1  # of filtered rows a group has few
        return Having(measure, operator, rng.randint(least, most))
    values = sorted(measure.column.values)
    middle = values[rng.randint(len(values) // 4, len(values) * 3 // 4)]
    value: Value = rounded(draw, middle, measure.column)
    if measure.function == "sum":
        assert intent.group and isinstance(middle, int | float)
        rows_of_group = max(1.0, intent.base.num_rows / max(1, intent.group.num_distinct))
        total = float(f"{middle * rows_of_group:.2g}")
        return Having(measure, ">", int(total) if total >= 10 else total)
    operator = rng.choice((">", ">", "<"))
    return Having(measure, operator, value)
