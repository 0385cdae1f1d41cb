"""Filters that need a second look at the data: averages, maxima, other rows, other tables."""

from dataclasses import replace

from sense.questions.conditions import draw_condition
from sense.questions.draw import Draw, asked, categories, numbers
from sense.questions.intent import Beyond, Compared, Filter, Has, Shared
from sense.questions.profile import ColumnProfile, TableProfile

MAX_PAIRED = 100
"""Numeric columns that are compared with each other: of a wider table some, by lot."""


def beyond(draw: Draw, table: TableProfile) -> Filter | None:
    """Above or below the average of the table or of some of its rows, or equal to the maximum."""
    columns = numbers(table)
    if not columns:
        return None
    column = draw.rng.choice(columns)
    if draw.chance(0.25):
        return Beyond(column, "=", draw.rng.choice(("max", "max", "min")))
    scope = draw_condition(draw, table, broad=True) if draw.chance(0.3) else None
    if scope and (scope.column is column or scope.operator in ("null", "not null")):
        return None
    return Beyond(column, draw.rng.choice((">", ">", "<")), "avg", scope)


def beyond_group(draw: Draw, table: TableProfile) -> Filter | None:
    """The same among the rows with the same value in another column."""
    columns, groups = numbers(table), categories(table)
    if not columns or not groups:
        return None
    column, group = draw.rng.choice(columns), draw.rng.choice(groups)
    if column is group:
        return None
    if draw.chance(0.4):
        return Beyond(column, "=", draw.rng.choice(("max", "max", "min")), group=group)
    return Beyond(column, draw.rng.choice((">", ">", "<")), "avg", group=group)


def has(draw: Draw, table: TableProfile) -> Filter | None:
    """Rows that nothing refers to, or that something refers to."""
    fitting = [relation for relation in draw.relations if relation.owner is table]
    if not fitting:
        return None
    return Has(draw.rng.choice(fitting), negated=draw.chance(0.6))


def has_such(draw: Draw, table: TableProfile) -> Filter | None:
    """Rows that have, or have not, a row of another table that fulfils a condition."""
    found = has(draw, table)
    if not isinstance(found, Has):
        return None
    scope = draw_condition(draw, found.relation.member)
    return Has(found.relation, scope, negated=draw.chance(0.35)) if scope else None


def there_is(draw: Draw, table: TableProfile) -> Filter | None:
    """The same as a correlated subquery, which a question tells apart by "there is".

    Not for rows of a special kind, nor for those behind a link table.
    """
    found = has_such(draw, table)
    if not isinstance(found, Has) or len(found.relation.links) > 1 or found.relation.is_kind:
        return None
    return replace(found, correlated=True)


def shared(draw: Draw, table: TableProfile) -> Filter | None:
    """Rows that share a value with another row, or do not."""
    columns = [
        c
        for c in asked(table)
        if not c.is_unique and c.num_distinct > 5 and c.kind != "boolean" and not c.null_share
    ]
    if not columns or not table.key or table.key.null_share:
        return None
    return Shared(draw.rng.choice(columns), table.key, negated=draw.chance(0.5))


def compared(draw: Draw, table: TableProfile) -> Filter | None:
    """One numeric column above or below another of a like unit."""
    pair = like_pair(draw, table)
    return Compared(pair[0], draw.rng.choice((">", "<")), pair[1]) if pair else None


def like_pair(draw: Draw, table: TableProfile) -> tuple[ColumnProfile, ColumnProfile] | None:
    """Two numeric columns whose names begin or end with the same word."""
    columns = numbers(table)
    if len(columns) > MAX_PAIRED:
        columns = tuple(draw.rng.sample(columns, MAX_PAIRED))
    pairs = [
        (first, second)
        for i, first in enumerate(columns)
        for second in columns[i + 1 :]
        if first.words.split()[-1] == second.words.split()[-1]
        or first.words.split()[0] == second.words.split()[0]
    ]
    return draw.rng.choice(pairs) if pairs else None
