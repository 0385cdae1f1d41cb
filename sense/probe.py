"""Rewrite a query so that its result shows what SQL leaves open.

An order probe shows the sort keys beside the rows; a bare-column probe gives a row for each group
in which a column outside GROUP BY and aggregates has several values.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import sqlglot
from sqlglot import exp

from sense.denotation import are_close
from sense.execution import Row


def limit_numbers(query: exp.Query) -> tuple[int | None, int | None]:
    """Offset and size of the LIMIT; size None = no limit, offset None = they are no numbers."""
    numbers: list[int | None] = []
    for clause in (query.args.get("offset"), query.args.get("limit")):
        if clause is None:
            numbers.append(None)
        elif isinstance(clause.expression, exp.Literal) and clause.expression.this.isdigit():
            numbers.append(int(clause.expression.this))
        else:
            return None, None
    return numbers[0] or 0, numbers[1]


def order_probe(
    query: exp.Query, columns: Sequence[str]
) -> tuple[exp.Query, tuple[int, ...]] | None:
    """`query` without its LIMIT and with its sort keys as columns, and where these stand.

    None where a key cannot be shown: one that is not selected, under DISTINCT or UNION.
    """
    probe = query.copy()
    probe.set("limit", None)
    probe.set("offset", None)
    order = query.args.get("order")
    names = [name.lower() for name in columns]
    aliases = {p.alias.lower() for p in query.selects if isinstance(p, exp.Alias)}
    is_simple = isinstance(query, exp.Select) and not query.args.get("distinct")
    keys: list[int] = []
    num_extra = 0
    for ordered in order.expressions if order else ():
        key = ordered.this
        if isinstance(key, exp.Literal) and key.this.isdigit():
            keys.append(int(key.this) - 1)
            continue
        name = key.name.lower() if isinstance(key, exp.Column) and not key.table else ""
        if name in aliases or (not is_simple and name in names):
            keys.append(names.index(name))
        elif not is_simple and key in query.selects and not query.is_star:
            keys.append(query.selects.index(key))
        elif is_simple and isinstance(probe, exp.Select):
            probe = probe.select(exp.alias_(key.copy(), f"sort_key_{num_extra}"), copy=False)
            keys.append(len(columns) + num_extra)
            num_extra += 1
        else:
            return None
    return probe, tuple(keys)


def runs(rows: Sequence[Row], keys: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of rows that share their sort keys."""
    first = 0
    for i, (row, following) in enumerate(pairwise(rows), start=1):
        if not are_tied(row, following, keys):
            yield first, i
            first = i
    if rows:
        yield first, len(rows)


def are_tied(row: Row, other: Row, keys: Sequence[int]) -> bool:
    return all(_is_same_key(row[key], other[key]) for key in keys)


def _is_same_key(a: Any, b: Any) -> bool:
    """Equal, or perhaps equal: floats by their last bits, text by its collation."""
    if isinstance(a, str) and isinstance(b, str):
        return a.rstrip().casefold() == b.rstrip().casefold()
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or are_close(a, b)
    return bool(a == b)


def own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """Nodes of the projections, HAVING and ORDER BY that belong to no inner query or window."""
    order = select.args.get("order")
    roots = [*select.selects, select.args.get("having"), order]
    for root in filter(None, roots):
        yield from root.walk(prune=lambda node: isinstance(node, exp.Query | exp.Window))


def is_aggregate(node: exp.Expr) -> bool:
    is_total = isinstance(node, exp.Anonymous) and node.name.lower() == "total"
    return is_total or isinstance(node, exp.AggFunc)


def resolved(key: exp.Expr, select: exp.Select) -> exp.Expr:
    """What a GROUP BY key stands for: a position or an alias of the projections, or itself."""
    projections = select.selects
    if isinstance(key, exp.Literal) and key.this.isdigit():
        position = int(key.this) - 1
        return projections[position].unalias() if position < len(projections) else key
    if isinstance(key, exp.Column) and not key.table:
        for projection in projections:
            if isinstance(projection, exp.Alias) and projection.alias.lower() == key.name.lower():
                return projection.unalias()
    return key


def bare_columns(select: exp.Select, keys: Sequence[exp.Expr]) -> list[exp.Column]:
    """Columns whose value is taken from one row of each group, each once."""
    aliases = {p.alias.lower() for p in select.selects if isinstance(p, exp.Alias)}
    key_texts = {key.sql("sqlite").lower() for key in keys}
    bare: dict[str, exp.Column] = {}

    def collect(node: exp.Expr, names: set[str]) -> None:
        text = node.sql("sqlite").lower() if isinstance(node, exp.Condition) else ""
        if text in key_texts or is_aggregate(node) or isinstance(node, exp.Query):
            return
        if isinstance(node, exp.Column):
            if node.table or node.name.lower() not in names:
                bare[text] = node
            return
        for child in node.iter_expressions():
            collect(child, names)

    for projection in select.selects:
        collect(projection.unalias(), set())
    for clause in (select.args.get("having"), select.args.get("order")):
        if clause:
            collect(clause, aliases)
    return list(bare.values())


def _differs_in_group(columns: Sequence[exp.Expr]) -> exp.Expr:
    """The condition that one of the columns has two values, or a value and NULL, in a group."""
    texts = []
    for column in columns:
        text = column.sql("sqlite")
        texts.append(f"MIN(CAST({text} AS BLOB)) IS NOT MAX(CAST({text} AS BLOB))")
        texts.append(f"COUNT({text}) BETWEEN 1 AND COUNT(*) - 1")
    return sqlglot.parse_one(" OR ".join(texts), read="sqlite")


def group_probe(
    select: exp.Select, keys: Sequence[exp.Expr], bare: Sequence[exp.Expr]
) -> exp.Select:
    """A query that gives a row for each group in which a bare column differs."""
    probe = _without_output(select)
    probe.set("expressions", [exp.Literal.number(1)])
    probe.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    having = select.args.get("having")
    if having and any(column in bare for column in having.find_all(exp.Column)):
        probe.set("having", None)  # it would pick groups by the very values that are open
    return probe.having(_differs_in_group(bare), copy=False)


def extreme_probe(
    select: exp.Select, keys: Sequence[exp.Expr], bare: Sequence[exp.Expr], extreme: exp.Expr
) -> exp.Select:
    """The same among the rows with the least or greatest value, which SQLite takes them from."""
    rows = _without_output(select)
    for clause in ("group", "having"):
        rows.set(clause, None)
    partition = [key.copy() for key in keys]
    window = exp.Window(this=extreme.copy(), partition_by=partition)
    columns = [exp.alias_(column.copy(), f"bare_{i}") for i, column in enumerate(bare)]
    columns += [exp.alias_(key.copy(), f"key_{i}") for i, key in enumerate(keys)]
    columns += [exp.alias_(extreme.this.copy(), "value"), exp.alias_(window, "extreme")]
    rows.set("expressions", columns)
    probe = exp.select("1").from_(rows.subquery("rows")).where("value IS extreme", dialect="sqlite")
    probe = probe.group_by(*(f"key_{i}" for i in range(len(keys))))
    return probe.having(_differs_in_group([exp.column(f"bare_{i}") for i in range(len(bare))]))


def _without_output(select: exp.Select) -> exp.Select:
    copy = select.copy()
    for clause in ("order", "limit", "offset", "distinct", "with_"):
        copy.set(clause, None)
    return copy
