"""Groups that a JOIN leaves out because they have no partner, where a question counts per group.

"How many concerts has each stadium" is asked of every stadium, those without a concert too.
"""

from collections.abc import Iterator

from sqlglot import exp

from sense.golds.probe import resolved
from sense.pairs.gold_query import GoldQuery, outermost
from sense.schema import quote_identifier

COUNTS = (exp.Count, exp.Sum)


def leaves_out_groups(gold: GoldQuery) -> bool:
    """Whether gold counts per group, and the database has groups of which it would count none."""
    select = outermost(gold)
    if select is None or not select.args.get("group") or not _asks_for_low_counts(select):
        return False
    names = list(_names_of_groups(select))
    return _has_more_groups(gold, select, names) or any(_has_lone_row(gold, c) for c in names)


def _asks_for_low_counts(select: exp.Select) -> bool:
    """Whether a count of 0 would stand in the result: each count, those below, the lowest."""
    having, limit, order = (select.args.get(name) for name in ("having", "limit", "order"))
    if having:
        return any(isinstance(n.this, COUNTS) for n in having.find_all(exp.LT, exp.LTE))
    if limit:
        keys = order.expressions if order else ()
        return any(
            resolved(key.this, select).find(*COUNTS) and not key.args.get("desc") for key in keys
        )
    return any(value.find(*COUNTS) for value in select.selects)


def _names_of_groups(select: exp.Select) -> Iterator[exp.Column]:
    """Columns that tell the groups apart: keys, what a JOIN sets equal to them, what is shown."""
    keys = [resolved(key, select) for key in select.args["group"].expressions]
    shown = [value.unalias() for value in select.selects]
    own = [column for column in (*keys, *shown) if isinstance(column, exp.Column)]
    known = set(map(_full_name, own))
    yield from own
    for join in select.args.get("joins") or ():
        for tie in join.find_all(exp.EQ):
            for side, other in ((tie.this, tie.expression), (tie.expression, tie.this)):
                if isinstance(other, exp.Column) and _full_name(side) in known:
                    yield other


def _full_name(column: exp.Expr) -> str:
    return column.sql("sqlite").lower()


def _has_more_groups(gold: GoldQuery, select: exp.Select, names: list[exp.Column]) -> bool:
    """Whether rows without a partner show a value in one of the columns that no other row has."""
    inner = gold.asked_for(names, select)
    full = inner.copy()
    for join in full.args.get("joins") or ():
        if join.args.get("on"):
            join.set("side", "FULL")
            join.set("kind", None)
    if full == inner:
        return False
    known = [set(column) for column in zip(*gold.run(inner), strict=True)]
    found = [set(column) - {None} for column in zip(*gold.run(full), strict=True)]
    return any(more - some for some, more in zip(known, found, strict=False))


def _has_lone_row(gold: GoldQuery, column: exp.Column) -> bool:
    """Whether the column refers to a table that has rows to which it never does.

    Not asked of what a LEFT JOIN adds, since that leaves out no row of the other tables.
    """
    source = gold.context.source_of(column)
    table = gold.context.table(source.name) if source else None
    if source is None or table is None:
        return False
    if isinstance(source.parent, exp.Join) and source.parent.side in ("LEFT", "FULL"):
        return False
    for key in table.foreign_keys:
        if [name.lower() for name in key.columns] == [column.name.lower()]:
            names = (*key.ref_columns, key.ref_table, *key.columns, table.name)
            there, parent, here, child = map(quote_identifier, names)
            referred = f"SELECT {here} FROM {child} WHERE {here} IS NOT NULL"
            lone = f"SELECT 1 FROM {parent} WHERE {there} NOT IN ({referred}) LIMIT 1"
            if gold.run(lone):
                return True
    return False
