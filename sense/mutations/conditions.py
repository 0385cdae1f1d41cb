"""Edits of conditions: other operators, values and connectives, a condition less or more."""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from sense.mutations.place import (
    MAX_ALTERNATIVES,
    Context,
    Edit,
    clause_of,
    literal,
    replaced,
    sources,
    value_key,
    wrapped,
)

OTHER_COMPARISONS: dict[type[exp.Expr], tuple[type[exp.Binary], ...]] = {
    exp.EQ: (exp.NEQ,),
    exp.NEQ: (exp.EQ,),
    exp.GT: (exp.GTE, exp.LT),
    exp.GTE: (exp.GT, exp.LTE),
    exp.LT: (exp.LTE, exp.GT),
    exp.LTE: (exp.LT, exp.GTE),
}
NEGATABLE = (exp.In, exp.Like, exp.Between, exp.Is, exp.Exists)
VALUE_PLACES = (*OTHER_COMPARISONS, exp.Like, exp.In, exp.Between)


def comparison_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """Another operator, `>=` for `>` first."""
    if clause_of(node) != "joins":
        for other in OTHER_COMPARISONS.get(type(node), ()):
            new = other(this=node.this.copy(), expression=node.expression.copy())
            yield replaced("comparison", node, new)


def negation_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """NOT put before IN, LIKE, BETWEEN, IS, EXISTS, or taken away."""
    if isinstance(node, exp.Not) and isinstance(node.this, NEGATABLE):
        yield replaced("negation", node, node.this.copy())
    elif isinstance(node, NEGATABLE) and not isinstance(node.parent, exp.Not):
        if node.args.get("negate"):
            yield Edit("negation", node, "negate", None)
        else:
            yield replaced("negation", node, exp.Not(this=node.copy()))


def condition_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """A condition left out of WHERE or HAVING, or one put into WHERE."""
    if isinstance(node, exp.Where) and node.parent is not None:
        if not isinstance(node.this, exp.Connector):
            yield Edit("missing_condition", node.parent, "where", None)
    elif isinstance(node, exp.Having) and node.parent is not None:
        yield Edit("having", node.parent, "having", None)
    elif isinstance(node, exp.Connector) and clause_of(node) in ("where", "having"):
        kind = "missing_condition" if clause_of(node) == "where" else "having"
        for side in (node.this, node.expression):
            other = node.expression if side is node.this else node.this
            if not isinstance(side, exp.Connector):
                yield replaced(kind, node, other.copy())
    elif isinstance(node, exp.Select):
        for extra in _extra_conditions(node, context):
            where = node.args.get("where")
            whole = exp.and_(where.this, extra, copy=True) if where else extra
            yield Edit("extra_condition", node, "where", exp.Where(this=whole))


def _extra_conditions(select: exp.Select, context: Context) -> Iterator[exp.Expr]:
    """A column of the first table equal to a value that it has, or not NULL."""
    source = next((s for s in sources(select) if isinstance(s, exp.Table)), None)
    table = context.table(source.name) if source else None
    if source is None or table is None:
        return
    used = {column.name.lower() for column in select.find_all(exp.Column)}
    for column in sorted(table.columns, key=lambda column: column.name.lower() in used):
        qualifier = source.alias_or_name if len(sources(select)) > 1 else None
        name = exp.column(exp.to_identifier(column.name), table=qualifier)
        found = [
            v for v in context.values.get(value_key(table.name, column.name), ()) if v is not None
        ]
        if found:
            yield exp.EQ(this=name, expression=literal(found[0]))
            return
        if not context.values and not column.not_null and not column.primary_key:
            yield exp.Not(this=exp.Is(this=name, expression=exp.Null()))
            return


def connective_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """OR for AND and the reverse."""
    if isinstance(node, (exp.And, exp.Or)) and clause_of(node) in ("where", "having"):
        other = exp.Or if isinstance(node, exp.And) else exp.And
        sides = (wrapped(node.this.copy()), wrapped(node.expression.copy()))
        yield replaced("connective", node, other(this=sides[0], expression=sides[1]))


def value_edits(node: exp.Expr, context: Context) -> Iterator[Edit]:
    """A near number, another text of the column, the text in other case, another LIKE pattern."""
    if not isinstance(node, exp.Literal) or not isinstance(node.parent, VALUE_PLACES):
        return
    for text in _near_values(node, context)[:MAX_ALTERNATIVES]:
        yield replaced("value", node, literal(text))


def _near_values(node: exp.Literal, context: Context) -> list[Any]:
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
