"""Near-miss queries: one edit of the syntax tree each, named by the kind of error that it imitates.

They distil test suites, stand in for a weak model where there is none, and give hard negatives
(after Zhong et al. 2020, section 3.2). Every edit keeps the query valid over its schema; the list
never varies. Their kinds are those that `sense.diagnosis` gives to wrong answers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from sqlglot import exp

from sense.hardness import normalize_sql, parse_sql, sql_text
from sense.schema import Column, Schema, Table

Values: TypeAlias = Mapping[tuple[str, str], Sequence[Any]]
"""(table, column) -> values that occur in the column; the case of the names does not matter."""

MAX_ALTERNATIVES = 2
"""Most replacements in one place: the list grows with the query, not with the schema."""

OTHER_AGGREGATES: dict[type[exp.Expr], tuple[type[exp.Func], ...]] = {
    exp.Max: (exp.Min,),
    exp.Min: (exp.Max,),
    exp.Sum: (exp.Avg, exp.Count),
    exp.Avg: (exp.Sum, exp.Max),
}
OTHER_COMPARISONS: dict[type[exp.Expr], tuple[type[exp.Binary], ...]] = {
    exp.EQ: (exp.NEQ,),
    exp.NEQ: (exp.EQ,),
    exp.GT: (exp.GTE, exp.LT),
    exp.GTE: (exp.GT, exp.LTE),
    exp.LT: (exp.LTE, exp.GT),
    exp.LTE: (exp.LT, exp.GTE),
}
OTHER_SET_OPERATIONS: dict[type[exp.Expr], tuple[type[exp.SetOperation], ...]] = {
    exp.Union: (exp.Intersect, exp.Except),
    exp.Intersect: (exp.Union, exp.Except),
    exp.Except: (exp.Intersect, exp.Union),
}
COLUMN_KINDS = {"group": "group_by", "order": "order_by", "joins": "join_condition"}
"""Clause -> the kind of a wrong column in it; elsewhere it is `column`."""

NEGATABLE = (exp.In, exp.Like, exp.Between, exp.Is, exp.Exists)


class Mutation(NamedTuple):
    """A query that is nearly gold."""

    sql: str
    kind: str
    """One of `ERROR_KINDS`."""


class Edit(NamedTuple):
    """One argument of one node gets another value."""

    kind: str
    node: exp.Expr
    arg: str
    value: Any


def mutate(sql: str | exp.Expr, schema: Schema, values: Values | None = None) -> list[Mutation]:
    """All near misses of the query, in the order of its tree; no two are equal, none is the query.

    `values` gives texts to put in place of those of the query, and extra conditions; without it
    texts change only their case, and extra conditions say IS NOT NULL.

    >>> person = Schema((Table("person", (Column("age", "INTEGER"),)),))
    >>> [m for m in mutate("SELECT MAX(age) FROM person", person) if m.kind == "aggregate"]
    [Mutation(sql='SELECT MIN(age) FROM person', kind='aggregate'), \
Mutation(sql='SELECT age FROM person', kind='aggregate')]
    """
    root = exp.Paren(this=parse_sql(sql).copy())
    context = _Context(schema, {_key(*name): found for name, found in (values or {}).items()})
    seen = {normalize_sql(root.this)}
    mutations = []
    for edit in list(_edits(root, context)):
        before = edit.node.args.get(edit.arg)
        edit.node.set(edit.arg, edit.value)
        form = normalize_sql(root.this)
        if form not in seen:
            seen.add(form)
            mutations.append(Mutation(sql_text(root.this), edit.kind))
        edit.node.set(edit.arg, before)
    return mutations


@dataclass(frozen=True)
class _Context:
    """What edits look up: the schema, and values by lower-case names."""

    schema: Schema
    values: Values

    def table(self, name: str) -> Table | None:
        found = (table for table in self.schema.tables if table.name.lower() == name.lower())
        return next(found, None)

    def values_of(self, column: exp.Expr) -> Sequence[Any]:
        source = self.source_of(column) if isinstance(column, exp.Column) else None
        return self.values.get(_key(source.name, column.name), ()) if source else ()

    def source_of(self, column: exp.Column) -> exp.Table | None:
        """The table that the column belongs to; None for a column of a subquery or an alias."""
        select = column.parent_select
        while select is not None:
            for source in _sources(select):
                if column.table and source.alias_or_name.lower() == column.table.lower():
                    return source if isinstance(source, exp.Table) else None
                if not column.table and isinstance(source, exp.Table) and self.has(source, column):
                    return source
            select = select.parent_select
        return None

    def has(self, source: exp.Table, column: exp.Column) -> bool:
        table = self.table(source.name)
        return table is not None and _find(table, column.name) is not None

    def _is_unambiguous(self, other: Column, place: exp.Expr) -> bool:
        tables = [self.table(source.name) for source in _sources(place.parent_select or place)]
        return sum(_find(table, other.name) is not None for table in tables if table) == 1

    def alternatives(self, column: exp.Column) -> list[Column]:
        """The next columns of its table, of the same kind of type where there are any."""
        source = self.source_of(column)
        table = self.table(source.name) if source else None
        own = _find(table, column.name) if table else None
        if table is None or own is None:
            return []
        at = table.columns.index(own)
        others = [*table.columns[at + 1 :], *table.columns[:at]]
        if not column.table:
            others = [other for other in others if self._is_unambiguous(other, column)]
        alike = [other for other in others if _affinity(other) == _affinity(own)]
        return (alike or others[:1])[:MAX_ALTERNATIVES]


def _edits(root: exp.Expr, context: _Context) -> Iterator[Edit]:
    for node in list(root.walk(bfs=False)):
        for edits in EDITS:
            yield from edits(node, context)


def _aggregate(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """MAX for MIN, AVG for SUM; a number summed instead of counted; the bare column."""
    if not isinstance(node, (*OTHER_AGGREGATES, exp.Count)) or node.expressions:
        return
    others = OTHER_AGGREGATES.get(type(node), ())
    column = node.this
    if (
        isinstance(node, exp.Count)
        and isinstance(column, exp.Column)
        and _is_number(column, context)
    ):
        others = (exp.Sum,)
    for other in others:
        yield _replaced("aggregate", node, other(this=node.this.copy()))
    if isinstance(column, exp.Column):
        yield _replaced("aggregate", node, column.copy())


def _comparison(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """Another operator, `>=` for `>` first."""
    if _clause(node) != "joins":
        for other in OTHER_COMPARISONS.get(type(node), ()):
            new = other(this=node.this.copy(), expression=node.expression.copy())
            yield _replaced("comparison", node, new)


def _negation(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """NOT put before IN, LIKE, BETWEEN, IS, EXISTS, or taken away."""
    if isinstance(node, exp.Not) and isinstance(node.this, NEGATABLE):
        yield _replaced("negation", node, node.this.copy())
    elif isinstance(node, NEGATABLE) and not isinstance(node.parent, exp.Not):
        if node.args.get("negate"):
            yield Edit("negation", node, "negate", None)
        else:
            yield _replaced("negation", node, exp.Not(this=node.copy()))


def _column(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """Another column of the table, or the column of that name of another table in the query."""
    if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
        return
    kind = COLUMN_KINDS.get(_clause(node), "column")
    for other in context.alternatives(node):
        yield Edit(kind, node, "this", exp.to_identifier(other.name))
    own = context.source_of(node)
    if own is None or not node.table or not node.parent_select:
        return
    for source in _sources(node.parent_select):
        if source is not own and isinstance(source, exp.Table) and context.has(source, node):
            yield Edit(kind, node, "table", exp.to_identifier(source.alias_or_name))


def _table(node: exp.Expr, context: _Context) -> Iterator[Edit]:
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
    single = len(_sources(select)) == 1
    if (named and not node.alias) or not (single or named):
        return
    used = {source.name.lower() for source in _sources(select)}
    num_found = 0
    for table in context.schema.tables:
        fits = all(_find(table, column.name) for column in columns)
        if fits and table.name.lower() not in used and num_found < MAX_ALTERNATIVES:
            num_found += 1
            yield Edit("table", node, "this", exp.to_identifier(table.name))


def _join(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """LEFT JOIN for JOIN, and a joined table left out that nothing else in the query needs."""
    if not isinstance(node, exp.Join) or node.args.get("using") or not node.args.get("on"):
        return
    other = node.copy()
    other.set("side", None if node.side else "LEFT")
    other.set("kind", None)
    yield _replaced("join_type", node, other)
    select = node.parent_select
    if select is None or not isinstance(node.this, exp.Table):
        return
    outside = [c for c in select.find_all(exp.Column) if c.find_ancestor(exp.Join) is not node]
    owners = [context.source_of(column) for column in outside]
    if all(owner is not None and owner is not node.this for owner in owners):
        yield _removed("missing_join", node)


def _distinct(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """DISTINCT put in or taken away, in the outermost SELECT, a derived table or COUNT."""
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct):
        if len(node.this.expressions) == 1:
            yield Edit("distinct", node, "this", node.this.expressions[0].copy())
    elif isinstance(node, exp.Count) and isinstance(node.this, exp.Column):
        yield Edit("distinct", node, "this", exp.Distinct(expressions=[node.this.copy()]))
    elif isinstance(node, exp.Select) and isinstance(node.parent, (exp.Paren, exp.Subquery)):
        if node.args.get("distinct"):
            yield Edit("distinct", node, "distinct", None)
        elif not all(isinstance(value.unalias(), exp.AggFunc) for value in node.expressions):
            yield Edit("distinct", node, "distinct", exp.Distinct())


def _order(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """The other direction; one key or the whole ORDER BY left out."""
    if isinstance(node, exp.Ordered) and isinstance(node.parent, exp.Order):
        is_descending = bool(node.args.get("desc"))
        turned = None if is_descending else True
        new = exp.Ordered(this=node.this.copy(), desc=turned, nulls_first=is_descending)
        yield _replaced("direction", node, new)
        if len(node.parent.expressions) > 1:
            yield _removed("order_by", node)
    elif isinstance(node, exp.Query) and node.args.get("order"):
        yield Edit("order_by", node, "order", None)


def _limit(node: exp.Expr, context: _Context) -> Iterator[Edit]:
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


def _condition(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """A condition left out of WHERE or HAVING, or one put into WHERE."""
    if isinstance(node, exp.Where) and node.parent is not None:
        if not isinstance(node.this, exp.Connector):
            yield Edit("missing_condition", node.parent, "where", None)
    elif isinstance(node, exp.Having) and node.parent is not None:
        yield Edit("having", node.parent, "having", None)
    elif isinstance(node, exp.Connector) and _clause(node) in ("where", "having"):
        kind = "missing_condition" if _clause(node) == "where" else "having"
        for side in (node.this, node.expression):
            other = node.expression if side is node.this else node.this
            if not isinstance(side, exp.Connector):
                yield _replaced(kind, node, other.copy())
    elif isinstance(node, exp.Select):
        for extra in _extra_conditions(node, context):
            where = node.args.get("where")
            whole = exp.and_(where.this, extra, copy=True) if where else extra
            yield Edit("extra_condition", node, "where", exp.Where(this=whole))


def _extra_conditions(select: exp.Select, context: _Context) -> Iterator[exp.Expr]:
    """A column of the first table equal to a value that it has, or not NULL."""
    source = next((s for s in _sources(select) if isinstance(s, exp.Table)), None)
    table = context.table(source.name) if source else None
    if source is None or table is None:
        return
    used = {column.name.lower() for column in select.find_all(exp.Column)}
    for column in sorted(table.columns, key=lambda column: column.name.lower() in used):
        qualifier = source.alias_or_name if len(_sources(select)) > 1 else None
        name = exp.column(exp.to_identifier(column.name), table=qualifier)
        found = [v for v in context.values.get(_key(table.name, column.name), ()) if v is not None]
        if found:
            yield exp.EQ(this=name, expression=_literal(found[0]))
            return
        if not context.values and not column.not_null and not column.primary_key:
            yield exp.Not(this=exp.Is(this=name, expression=exp.Null()))
            return


def _connective(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """OR for AND and the reverse."""
    if isinstance(node, (exp.And, exp.Or)) and _clause(node) in ("where", "having"):
        other = exp.Or if isinstance(node, exp.And) else exp.And
        sides = (_wrapped(node.this.copy()), _wrapped(node.expression.copy()))
        yield _replaced("connective", node, other(this=sides[0], expression=sides[1]))


def _value(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """A near number, another text of the column, the text in other case, another LIKE pattern."""
    if not isinstance(node, exp.Literal) or not isinstance(node.parent, VALUE_PLACES):
        return
    for text in _near_values(node, context)[:MAX_ALTERNATIVES]:
        yield _replaced("value", node, _literal(text))


def _near_values(node: exp.Literal, context: _Context) -> list[Any]:
    if not node.is_string:
        number = float(node.name)
        near = [number + 1, number - 1]
        return [int(value) if value.is_integer() else value for value in near]
    if isinstance(node.parent, exp.Like):
        return [text for text in (node.name.strip("%"), f"%{node.name.strip('%')}%") if text]
    own = node.parent.this if node.parent else node
    others = [value for value in context.values_of(own) if isinstance(value, str)]
    case = [node.name.lower(), node.name.capitalize(), node.name.upper()]
    return [text for text in (*others, *case) if text != node.name]


def _group(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """GROUP BY or one of its keys left out."""
    if not isinstance(node, exp.Group) or node.parent is None:
        return
    if len(node.expressions) > 1:
        for key in node.expressions:
            yield _removed("group_by", key)
    elif not node.parent.args.get("having") and not _needs_group(node.parent):
        yield Edit("group_by", node.parent, "group", None)


def _needs_group(select: exp.Expr) -> bool:
    """ORDER BY has an aggregate and SELECT has none, which SQLite refuses without GROUP BY."""
    order = select.args.get("order")
    selected = any(value.find(exp.AggFunc) for value in select.expressions)
    return order is not None and order.find(exp.AggFunc) is not None and not selected


def _set_operation(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """Another set operation, UNION ALL, or only one of the sides."""
    if not isinstance(node, exp.SetOperation) or node.parent is None:
        return
    sides = {"this": node.this.copy(), "expression": node.expression.copy()}
    rest = {name: value for name, value in node.args.items() if name not in sides}
    for other in OTHER_SET_OPERATIONS.get(type(node), ()):
        new = other(**{name: side.copy() for name, side in sides.items()}, **_copied(rest))
        new.set("distinct", True)
        yield _replaced("set_operation", node, new)
    if isinstance(node, exp.Union):
        yield Edit("set_operation", node, "distinct", not node.args.get("distinct"))
    if not node.args.get("order"):
        for side in sides.values():
            yield _replaced("set_operation", node, side)


def _nesting(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """`= (SELECT ...)`, which takes the first row, for `IN (SELECT ...)`."""
    query = node.args.get("query") if isinstance(node, exp.In) else None
    if isinstance(query, exp.Subquery) and not isinstance(node.this, exp.Tuple):
        yield _replaced("nesting", node, exp.EQ(this=node.this.copy(), expression=query.copy()))


def _projection(node: exp.Expr, context: _Context) -> Iterator[Edit]:
    """A selected column too few or too many, in the outermost SELECT."""
    if not isinstance(node, exp.Select) or node.find_ancestor(exp.Query):
        return
    if len(node.expressions) > 1:
        for value in node.expressions:
            yield _removed("missing_column", value)
    first = next(iter(node.find_all(exp.Column)), None)
    if first is not None and first.parent is node:
        selected = {column.name.lower() for column in node.expressions}
        for other in context.alternatives(first)[:1]:
            if other.name.lower() not in selected:
                new = first.copy()
                new.set("this", exp.to_identifier(other.name))
                yield Edit("extra_column", node, "expressions", [*node.expressions, new])


VALUE_PLACES = (*OTHER_COMPARISONS, exp.Like, exp.In, exp.Between)

EDITS: tuple[Callable[[exp.Expr, _Context], Iterable[Edit]], ...] = (
    _aggregate,
    _comparison,
    _negation,
    _column,
    _table,
    _join,
    _distinct,
    _order,
    _limit,
    _condition,
    _connective,
    _value,
    _group,
    _set_operation,
    _nesting,
    _projection,
)


def _replaced(kind: str, old: exp.Expr, new: exp.Expr) -> Edit:
    """The edit that puts `new` in the place of `old`."""
    parent, arg = old.parent, old.arg_key
    assert parent is not None and arg is not None, "the root is wrapped, so every node has a parent"
    if old.index is None:
        return Edit(kind, parent, arg, new)
    return Edit(kind, parent, arg, [new if item is old else item for item in parent.args[arg]])


def _removed(kind: str, old: exp.Expr) -> Edit:
    """The edit that takes `old` out of its list."""
    parent, arg = old.parent, old.arg_key
    assert parent is not None and arg is not None, "only items of a list are removed"
    return Edit(kind, parent, arg, [item for item in parent.args[arg] if item is not old])


def _clause(node: exp.Expr) -> str:
    """The argument of its SELECT that holds the node, `where` say; `order` within a window too."""
    arg = node.arg_key or ""
    while arg != "order" and node.parent is not None and not isinstance(node.parent, exp.Query):
        node = node.parent
        arg = node.arg_key or ""
    return arg


def _sources(select: exp.Expr) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    return [from_.this, *joined] if from_ else joined


def _find(table: Table, name: str) -> Column | None:
    return next((column for column in table.columns if column.name.lower() == name.lower()), None)


def _affinity(column: Column) -> str:
    """SQLite's type affinity (datatype3.html, section 3.1), INTEGER and REAL counted as numeric."""
    declared = column.type.upper()
    if "INT" in declared:
        return "numeric"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return "any" if not declared or "BLOB" in declared else "numeric"


def _is_number(column: exp.Column, context: _Context) -> bool:
    source = context.source_of(column)
    table = context.table(source.name) if source else None
    found = _find(table, column.name) if table else None
    return found is not None and _affinity(found) == "numeric"


def _literal(value: Any) -> exp.Expr:
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def _wrapped(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node) if isinstance(node, exp.Connector) else node


def _copied(args: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.copy() if isinstance(value, exp.Expr) else value for name, value in args.items()
    }


def _key(table: str, column: str) -> tuple[str, str]:
    return table.lower(), column.lower()
