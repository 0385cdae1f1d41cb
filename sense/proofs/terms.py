"""Values and conditions of SQL -> terms of `sense.proofs.algebra`, each with one meaning in SQLite.

What is not listed here raises `Unsupported`, and so does a condition that is compared: there
sqlglot and SQLite may disagree on what binds closer.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sqlglot import exp

from sense.proofs.algebra import (
    Limit,
    Query,
    SetOperation,
    Term,
    Unsupported,
    connected,
    has_aggregate,
    negated,
    used_sources,
)

COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}
ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
FUNCTIONS = (exp.Abs, exp.Coalesce, exp.Length, exp.Lower, exp.Round, exp.Substring, exp.Upper)
"""Functions whose value follows from their arguments, and that sqlglot reads one to one."""
PREDICATES = (exp.Predicate, exp.Connector, exp.Not)
ROWID_NAMES = ("rowid", "oid", "_rowid_")
"""Names of a table's hidden key unless it declares them; aliases and outer queries come later."""

Columns: TypeAlias = Mapping[str, Term]
"""Name in lower case -> what it stands for."""

CTEs: TypeAlias = Mapping[str, exp.Expr]
"""Name in lower case -> the query of a WITH clause."""


class Scope:
    """The names that one SELECT can use."""

    def __init__(self, outer: "Scope | None", ctes: CTEs, read: "ReadQuery") -> None:
        self.outer = outer
        self.ctes = ctes
        self.read = read
        self.sources: dict[str, Columns] = {}
        self.ids: set[int] = set()
        self.merged: dict[str, Term] = {}
        """Columns of USING and NATURAL JOIN, which belong to several sources."""
        self.aliases: dict[str, Term] = {}

    def subquery(self, tree: exp.Expr) -> Query:
        """A subquery that can use these names."""
        return self.read(tree, self)

    def resolve(self, table: str, name: str) -> Term:
        if table:
            if table in self.sources:
                if name in self.sources[table]:
                    return self.sources[table][name]
            elif self.outer:
                return self.outer.resolve(table, name)
            raise Unsupported(f"no column {table}.{name}")
        if name in self.merged:
            return self.merged[name]
        found = [columns[name] for columns in self.sources.values() if name in columns]
        if len(found) > 1:
            raise Unsupported(f"column {name} is in several sources")
        if found:
            return found[0]
        if name in ROWID_NAMES:
            raise Unsupported(f"{name} of a table")
        if name in self.aliases:
            return self.aliases[name]
        if self.outer:
            return self.outer.resolve(table, name)
        raise Unsupported(f"no column {name}")


ReadQuery: TypeAlias = Callable[[exp.Expr, Scope], Query]
"""Reads a subquery within a scope."""


def read_term(node: exp.Expr, scope: Scope) -> Term:
    if isinstance(node, exp.Paren):
        check(node, "this")
        return read_term(node.this, scope)
    if isinstance(node, exp.Column):
        check(node, "this", "table")
        table = lower_name(node.args["table"]) if node.table else ""
        found = scope.resolve(table, lower_name(node.this))
        if found[0] == "alias":
            raise Unsupported("an alias in the select list")
        return found
    if isinstance(node, exp.Literal):
        return ("string" if node.is_string else "number", node.name)
    if isinstance(node, exp.Neg) and is_number(node.this):
        return ("number", f"-{node.this.name}")
    if isinstance(node, exp.Null):
        return ("null",)
    if isinstance(node, exp.Count) or type(node) in AGGREGATES:
        return _aggregate(node, scope)
    if type(node) in ARITHMETIC:
        check(node, "this", "expression", "typed", "safe")
        if any(isinstance(side, PREDICATES) for side in (node.this, node.expression)):
            raise Unsupported("a condition in arithmetic")
        sides = [read_term(side, scope) for side in (node.this, node.expression)]
        return ("call", ARITHMETIC[type(node)], *sides)
    if isinstance(node, FUNCTIONS):
        values = [v for v in node.args.values() if v not in (None, False, [])]
        flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
        if not all(isinstance(v, exp.Expr) and not isinstance(v, PREDICATES) for v in flat):
            raise Unsupported(node.key)
        return ("call", node.key, *(read_term(v, scope) for v in flat))
    if isinstance(node, exp.Case | exp.If):
        return _case(node, scope)
    if isinstance(node, exp.Subquery):
        check(node, "this", "with_")
        return ("scalar", _first_row(scope.subquery(node)))
    raise Unsupported(type(node).__name__)


def _aggregate(node: exp.Expr, scope: Scope) -> Term:
    check(node, "this", "big_int")
    name = AGGREGATES.get(type(node), "count")
    value = node.this
    if isinstance(value, exp.Star):
        check(value)
        if name != "count":
            raise Unsupported(f"{name}(*)")
        return ("count rows",)
    is_distinct = isinstance(value, exp.Distinct)
    if is_distinct:
        check(value, "expressions")
        [value, *others] = value.expressions
        if others:
            raise Unsupported("DISTINCT of several values")
    if isinstance(value, PREDICATES):
        raise Unsupported("an aggregate of a condition")
    term = read_term(value, scope)
    if has_aggregate(term):
        raise Unsupported("an aggregate of an aggregate")
    if used_sources(term) and not used_sources(term) & scope.ids:
        raise Unsupported("an aggregate of the query around it")
    return (name, term, is_distinct)


def _case(node: exp.Expr, scope: Scope) -> Term:
    if isinstance(node, exp.If):
        branches = [node]
        default = node.args.get("false")
        check(node, "this", "true", "false")
    else:
        check(node, "ifs", "default")
        branches = node.args["ifs"]
        default = node.args.get("default")
        for branch in branches:
            check(branch, "this", "true")
    terms: list[Term] = []
    for branch in branches:
        terms.append(read_condition(branch.this, scope))
        terms.append(read_term(branch.args["true"], scope))
    last = read_term(default, scope) if default else ("null",)
    return ("case", *terms, last)


def read_condition(node: exp.Expr, scope: Scope) -> Term:
    """The condition, true, false and NULL for the same rows as in SQLite."""
    if isinstance(node, exp.Paren):
        check(node, "this")
        return read_condition(node.this, scope)
    if isinstance(node, exp.And | exp.Or):
        check(node, "this", "expression")
        sides = [read_condition(side, scope) for side in (node.this, node.expression)]
        return connected("and" if isinstance(node, exp.And) else "or", sides)
    if isinstance(node, exp.Not):
        check(node, "this")
        return negated(read_condition(node.this, scope))
    if isinstance(node, exp.Exists):
        check(node, "this")
        return ("exists", scope.subquery(node.this))
    if node.args.get("negate"):
        positive = node.copy()
        positive.set("negate", None)
        return negated(read_condition(positive, scope))
    return _predicate(node, scope)


def _predicate(node: exp.Expr, scope: Scope) -> Term:
    _check_operands(node)
    if type(node) in COMPARISONS:
        check(node, "this", "expression")
        sides = [read_term(side, scope) for side in (node.this, node.expression)]
        return comparison(COMPARISONS[type(node)], *sides)
    if isinstance(node, exp.Between):
        check(node, "this", "low", "high")
        value, low, high = (read_term(node.args[name], scope) for name in ("this", "low", "high"))
        sides = [comparison("<=", low, value), comparison("<=", value, high)]
        return connected("and", sides)
    if isinstance(node, exp.Like):
        check(node, "this", "expression")
        value = read_term(node.this, scope)
        pattern = read_term(node.expression, scope)
        if pattern[0] == "string":
            pattern = ("string", _ascii_lower(pattern[1]))
        return ("like", value, pattern)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        check(node, "this", "expression")
        return ("is null", read_term(node.this, scope))
    if isinstance(node, exp.In):
        return _in(node, scope)
    raise Unsupported(type(node).__name__)


def _in(node: exp.In, scope: Scope) -> Term:
    check(node, "this", "expressions", "query")
    value = read_term(node.this, scope)
    if node.args.get("query"):
        return ("in", value, scope.subquery(node.args["query"]))
    terms = [read_term(item, scope) for item in node.expressions]
    if not terms or any(term[0] not in ("number", "string") for term in terms):
        raise Unsupported("IN over a list of values that are not constant")
    return connected("or", [comparison("=", value, term) for term in terms])


def _first_row(query: Query) -> Query:
    """The query as a value: SQLite takes its first row, so that its order counts."""
    if isinstance(query, SetOperation):
        return replace(query, limit=query.limit or Limit(1))
    has_one_row = query.is_aggregated and query.keys is None
    return query if query.limit or has_one_row else replace(query, limit=Limit(1))


def comparison(operator: str, left: Term, right: Term) -> Term:
    if operator in ("=", "!="):
        return (operator, frozenset([left, right]))
    if operator in (">", ">="):
        return (operator.replace(">", "<"), right, left)
    return (operator, left, right)


def check(node: exp.Expr, *known: str) -> None:
    """Raises Unsupported where the node says more than these arguments."""
    for name, value in node.args.items():
        if value not in (None, False, "", []) and name not in known:
            raise Unsupported(f"{type(node).__name__} with {name}")


def _check_operands(node: exp.Expr) -> None:
    """Raises Unsupported for a condition that is compared, where sqlglot and SQLite may disagree
    on what binds closer."""
    for child in node.iter_expressions():
        if isinstance(child.unnest(), PREDICATES):
            raise Unsupported("a condition as an operand")


def lower_name(identifier: exp.Expr) -> str:
    """The name as SQLite compares it: it ignores the case of ASCII letters."""
    name = identifier.name
    if not isinstance(identifier, exp.Identifier | exp.Column) or not name.isascii():
        raise Unsupported(f"name {name!r}")
    return name.lower()


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def is_number(node: Any) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string


def is_integer(node: Any) -> bool:
    return is_number(node) and node.name.isdigit()
