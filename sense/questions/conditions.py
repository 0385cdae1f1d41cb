"""Conditions on columns, drawn so that they fit the values of the data."""

from sense.questions.draw import Draw
from sense.questions.intent import Comparison, Condition, Filter
from sense.questions.profile import ColumnProfile, TableProfile, Value

MAX_TRIES = 4
"""Conditions drawn until one is on another column than those before it."""
MAX_NUMBER_CHARS = 9
"""A person rounds a longer number."""
EXTREME_SHARE = 0.3
"""Of the conditions that shall leave few rows, so many are thresholds where a column allows."""
FAVORED_SHARE = 0.6
"""Of the conditions of a draw that favors a feature, so many have it where a column allows; a
quarter of that where another condition shall be one that a word can say."""


def draw_condition(
    draw: Draw, table: TableProfile, like: bool = False, broad: bool = False
) -> Condition | None:
    """A condition on a column of the table, with values that occur there or lie between two.

    broad: no condition that one row alone fulfils, such as the name of that row.
    """
    columns = [
        column
        for column in table.columns
        if column.num_distinct > 1
        and column.values
        and column.kind not in ("foreign_key", "other")
        and not (column.kind == "id" and not isinstance(column.values[0], str))
        and not (broad and column.kind in ("text", "id"))
    ]
    if like:
        columns = [c for c in columns if c.kind in ("text", "category") and c.num_distinct > 2]
    columns = [c for c in columns if c.kind != "id" or draw.chance(0.3)]
    if not columns:
        return None
    favored_share = FAVORED_SHARE / 4 if draw.is_extreme else FAVORED_SHARE
    is_favored = draw.favored and not like and draw.chance(favored_share)
    if is_favored and (found := _favored(draw, columns)):
        return found
    if draw.is_extreme and not like and draw.chance(EXTREME_SHARE):
        columns = [c for c in columns if c.is_number or c.kind == "date"] or columns
    column = draw.rng.choice(columns)
    if like:
        return _like(draw, column)
    if column.null_share and draw.chance(0.15):
        return Condition(column, draw.rng.choice(("null", "not null")))
    if column.is_number or column.kind == "date":
        return draw_threshold(draw, column)
    return _membership(draw, column)


def draw_conditions(
    draw: Draw, tables: list[TableProfile], count: int, like: bool = False, broad: bool = False
) -> tuple[Filter, ...] | None:
    """So many conditions on different columns of the tables."""
    found: list[Condition] = []
    for i in range(count):
        for _ in range(MAX_TRIES):
            condition = draw_condition(draw, draw.rng.choice(tables), like and i == 0, broad)
            if condition and not compares(tuple(found), condition.column):
                found.append(condition)
                break
        else:
            return None
    return tuple(found)


def compares(filters: tuple[Filter, ...], column: ColumnProfile) -> bool:
    """Whether a condition is on the column."""
    return any(isinstance(item, Condition) and item.column is column for item in filters)


def _favored(draw: Draw, columns: list[ColumnProfile]) -> Condition | None:
    """A condition with the favored feature, on one of the columns that can have it."""
    texts = [c for c in columns if c.kind in ("text", "category")]
    fitting = {
        "between": [c for c in columns if c.is_number or (c.kind == "date" and not c.has_time)],
        "date": [c for c in columns if c.kind == "date"],
        "in": [c for c in texts if len(c.values) > 3],
        "like": [c for c in texts if c.num_distinct > 2],
        "not": [c for c in columns if c.kind == "category" or c.null_share],
    }.get(draw.favored)
    fitting = [c for c in fitting or () if len(c.values) > 1]
    if not fitting:
        return None
    column = draw.rng.choice(fitting)
    match draw.favored:
        case "between":
            return _between(draw, column, *sorted(draw.rng.sample(column.values, 2)))
        case "date":
            return Condition(column, "in year", (str(draw.rng.choice(column.values))[:4],))
        case "in":
            return _among(draw, column)
        case "like":
            return _like(draw, column)
    if column.null_share:
        return Condition(column, "not null")
    return Condition(column, "<>", (draw.rng.choice(column.values),))


def draw_threshold(draw: Draw, column: ColumnProfile) -> Condition:
    """A comparison with a number, a year or a date."""
    rng = draw.rng
    values = sorted(column.values)
    low, high = sorted(rng.sample(values, 2)) if len(values) > 1 else values * 2
    if draw.is_extreme and draw.chance(EXTREME_SHARE):
        return _beyond(draw, column, low, high)
    if column.kind == "date" and (column.has_time or draw.chance(0.4)):
        return Condition(column, "in year", (str(low)[:4],))
    if column.kind in ("integer", "year") and draw.chance(0.15):
        return Condition(column, "=", (low,))
    if draw.chance(0.2):
        return _between(draw, column, low, high)
    return _beyond(draw, column, low, high)


def _beyond(draw: Draw, column: ColumnProfile, low: Value, high: Value) -> Condition:
    """Above the lower or below the higher of two values; the other way round for few rows."""
    operators: tuple[Comparison, ...] = (">", ">", "<", "<", ">=", "<=")
    operator = draw.rng.choice(operators)
    value = low if operator.startswith(">") != draw.is_extreme else high
    return Condition(column, operator, (rounded(draw, value, column),))


def _between(draw: Draw, column: ColumnProfile, low: Value, high: Value) -> Condition:
    ends = (rounded(draw, low, column), rounded(draw, high, column))
    return Condition(column, "between", ends if ends[0] < ends[1] else (low, high))  # type: ignore[operator]


def rounded(draw: Draw, value: Value, column: ColumnProfile) -> Value:
    """A rounder number near the value, as a person would say; sometimes the value itself."""
    if column.kind == "year" or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if len(repr(value)) <= MAX_NUMBER_CHARS and draw.chance(0.3):
        return value
    near = float(f"{value:.2g}")
    if isinstance(value, int) or abs(near) >= 10:
        near = int(near)
    assert column.low is not None and column.high is not None
    return near if column.low < near < column.high else value  # type: ignore[operator]


def _membership(draw: Draw, column: ColumnProfile) -> Condition:
    value = draw.rng.choice(column.values)
    if column.kind == "category":
        roll = draw.rng.random()
        if roll < 0.15 and not column.null_share:
            return Condition(column, "<>", (value,))
        if roll < 0.3 and len(column.values) > 3:
            return _among(draw, column)
    return Condition(column, "=", (value,))


def _among(draw: Draw, column: ColumnProfile) -> Condition:
    count = draw.rng.choice((2, 2, 3))
    return Condition(column, "in", tuple(draw.rng.sample(column.values, count)))


def _like(draw: Draw, column: ColumnProfile) -> Condition | None:
    value = str(draw.rng.choice(column.values))
    words = [word for word in value.split() if word.isalpha() and word.isascii() and len(word) > 2]
    words = [word for word in words if word != value]
    has_initial = value[0].isalpha()
    if words and (not has_initial or draw.chance(0.5)):
        return Condition(column, "contains", (draw.rng.choice(words),))
    return Condition(column, "starts", (value[0],)) if has_initial else None
