"""Edits of what is selected, joined, grouped, ordered and combined."""

from collections.abc import Iterator

from sqlglot import exp

from sense.mutations.place import (
    MAX_ALTERNATIVES,
    Context,
    Edit,
    clause_of,
    copied,
    find_column,
    is_number,
    removed,
    replaced,
    sources,
)

OTHER_AGGREGATES: dict[type[exp.Expr], tuple[type[exp.Func], ...]] = {
    exp.Max: (exp.Min,),
    exp.Min: (exp.Max,),
    exp.Sum: (exp.Avg, exp.Count),
    exp.Avg: (exp.Sum, exp.Max),
}
OTHER_SET_OPERATIONS: dict[type[exp.Expr], tuple[type[exp.SetOperation], ...]] = {
    exp.Union: (exp.Intersect, exp.Except),
    exp.Intersect: (exp.Union, exp.Except),
    exp.Except: (exp.Intersect, exp.Union),
}
COLUMN_KINDS = {"group": "group_by", "order": "order_by", "joins": "join_condition"}
"""Clause -> the kind of a wrong column in it; elsewhere it is `column`."""


def aggregate_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """MAX for MIN, AVG for SUM; a number summed instead of counted; the bare column."""
    if not isinstance(node, (*OTHER_AGGREGATES, exp.Count)) or node.expressions:
        return
    others = OTHER_AGGREGATES.get(type(node), ())
    column = node.this
    if (
        isinstance(node, exp.Count)
        and isinstance(column, exp.Column)
        and is_number(column, context)
    ):
        others = (exp.Sum,)
    for other in others:
        yield replaced("aggregate", node, other(this=node.this.copy()))
    if isinstance(column, exp.Column):
        whole = node
        while isinstance(whole.parent, (exp.Filter, exp.Window)):
            whole = whole.parent
        yield replaced("aggregate", whole, column.copy())


def column_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """Another column of the table, or the column of that name of another table in the query."""
    if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
        return
    kind = COLUMN_KINDS.get(clause_of(node), "column")
    for other in () if _is_read_outside(node) else context.alternatives(node):
        yield Edit(kind, node, "this", exp.to_identifier(other.name))
    own = context.source_of(node)
    if own is None or not node.table or not node.parent_select:
        return
    for source in sources(node.parent_select):
        if source is not own and isinstance(source, exp.Table) and context.has(source, node):
            yield Edit(kind, node, "table", exp.to_identifier(source.alias_or_name))


def _is_read_outside(column: exp.Column) -> bool:
    """Whether the column gives its name to one of a common table expression or a joined query."""
    return isinstance(column.parent, exp.Select) and _names_columns(column.parent)


def _names_columns(query: exp.Expr) -> bool:
    """Whether the columns of the query are read by name; of a set operation those of the first."""
    while isinstance(query.parent, exp.SetOperation) and query.arg_key == "this":
        query = query.parent
    holder = query.parent
    if isinstance(holder, exp.Subquery):
        return isinstance(holder.parent, (exp.From, exp.Join))
    return isinstance(holder, exp.CTE)


def table_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """Another table that has every column the query takes from this one."""
    if not isinstance(node, exp.Table) or not isinstance(node.parent, (exp.From, exp.Join)):
        return
    select = node.parent_select
    if select is None or context.table(node.name) is None:
        return
    columns = [
        column for column in select.find_all(exp.Column) if context.source_of(column) is node
    ]
    named = any(column.table for column in columns)
    single = len(sources(select)) == 1
    if (named and not node.alias) or not (single or named):
        return
    used = {source.name.lower() for source in sources(select)}
    num_found = 0
    for table in context.schema.tables:
        fits = all(find_column(table, column.name) for column in columns)
        if fits and table.name.lower() not in used and num_found < MAX_ALTERNATIVES:
            num_found += 1
            yield Edit("table", node, "this", exp.to_identifier(table.name))


def join_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """LEFT JOIN for JOIN, and a joined table left out that nothing else in the query needs."""
    if not isinstance(node, exp.Join) or node.args.get("using") or not node.args.get("on"):
        return
    other = node.copy()
    other.set("side", None if node.side else "LEFT")
    other.set("kind", None)
    yield replaced("join_type", node, other)
    select = node.parent_select
    if select is None or not isinstance(node.this, exp.Table):
        return
    outside = [c for c in select.find_all(exp.Column) if c.find_ancestor(exp.Join) is not node]
    owners = [context.source_of(column) for column in outside]
    if all(owner is not None and owner is not node.this for owner in owners):
        yield removed("missing_join", node)


def distinct_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """DISTINCT put in or taken away, in the outermost SELECT, a derived table or COUNT."""
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct):
        if len(node.this.expressions) == 1:
            yield Edit("distinct", node, "this", node.this.expressions[0].copy())
    elif isinstance(node, exp.Count) and isinstance(node.this, exp.Column):
        if node.find_ancestor(exp.Window, exp.Query) is node.parent_select:
            yield Edit("distinct", node, "this", exp.Distinct(expressions=[node.this.copy()]))
    elif isinstance(node, exp.Select) and isinstance(node.parent, (exp.Paren, exp.Subquery)):
        if node.args.get("distinct"):
            yield Edit("distinct", node, "distinct", None)
        elif not all(isinstance(value.unalias(), exp.AggFunc) for value in node.expressions):
            yield Edit("distinct", node, "distinct", exp.Distinct())


def order_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """The other direction; one key or the whole ORDER BY left out."""
    if isinstance(node, exp.Ordered) and isinstance(node.parent, exp.Order):
        is_descending = bool(node.args.get("desc"))
        turned = None if is_descending else True
        new = exp.Ordered(this=node.this.copy(), desc=turned, nulls_first=is_descending)
        yield replaced("direction", node, new)
        if len(node.parent.expressions) > 1:
            yield removed("order_by", node)
    elif isinstance(node, exp.Query) and node.args.get("order"):
        yield Edit("order_by", node, "order", None)


def limit_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """One row more, no limit, or LIMIT 1 where there is an order and no limit."""
    if (
        isinstance(node, exp.Limit)
        and node.parent is not None
        and not node.parent.args.get("offset")
    ):
        count = node.expression
        if isinstance(count, exp.Literal) and count.name.isdigit():
            yield Edit("limit", node, "expression", exp.Literal.number(int(count.name) + 1))
        yield Edit("limit", node.parent, "limit", None)
    elif isinstance(node, exp.Query) and node.args.get("order") and not node.args.get("limit"):
        yield Edit("limit", node, "limit", exp.Limit(expression=exp.Literal.number(1)))


def group_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """GROUP BY or one of its keys left out."""
    if not isinstance(node, exp.Group) or node.parent is None:
        return
    if len(node.expressions) > 1:
        for key in node.expressions:
            yield removed("group_by", key)
    elif not node.parent.args.get("having") and not _needs_group(node.parent):
        yield Edit("group_by", node.parent, "group", None)


def _needs_group(select: exp.Expr) -> bool:
    """ORDER BY has an aggregate and SELECT has none, which SQLite refuses without GROUP BY."""
    order = select.args.get("order")
    selected = any(value.find(exp.AggFunc) for value in select.expressions)
    return order is not None and order.find(exp.AggFunc) is not None and not selected


def set_operation_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """Another set operation, UNION ALL, or only one of the sides."""
    if not isinstance(node, exp.SetOperation) or node.parent is None:
        return
    sides = {"this": node.this.copy(), "expression": node.expression.copy()}
    rest = {name: value for name, value in node.args.items() if name not in sides}
    for other in OTHER_SET_OPERATIONS.get(type(node), ()):
        new = other(**{name: side.copy() for name, side in sides.items()}, **copied(rest))
        new.set("distinct", True)
        yield replaced("set_operation", node, new)
    if isinstance(node, exp.Union):
        yield Edit("set_operation", node, "distinct", not node.args.get("distinct"))
    if not node.args.get("order"):
        for side in sides.values():
            if side.named_selects == node.named_selects or not _names_columns(node):
                yield replaced("set_operation", node, side)


def nesting_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """`= (SELECT ...)`, which takes the first row, for `IN (SELECT ...)`."""
    query = node.args.get("query") if isinstance(node, exp.In) else None
    if isinstance(query, exp.Subquery) and not isinstance(node.this, exp.Tuple):
        yield replaced("nesting", node, exp.EQ(this=node.this.copy(), expression=query.copy()))


def projection_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """A selected column too few or too many, in the outermost SELECT."""
    if not isinstance(node, exp.Select) or node.find_ancestor(exp.Query):
        return
    if len(node.expressions) > 1:
        for value in node.expressions:
            yield removed("missing_column", value)
    first = next(iter(node.find_all(exp.Column)), None)
    if first is not None and first.parent is node:
        selected = {column.name.lower() for column in node.expressions}
        for other in context.alternatives(first)[:1]:
            if other.name.lower() not in selected:
                new = first.copy()
                new.set("this", exp.to_identifier(other.name))
                yield Edit("extra_column", node, "expressions", [*node.expressions, new])
