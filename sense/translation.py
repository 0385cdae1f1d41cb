"""SQL of one SELECT statement -> `sense.algebra`, resolved over a schema as SQLite resolves it.

Only what has one meaning is read: a name that two sources have, an unknown function, a collation, a
clause that is not listed here raise `Unsupported`. Names are resolved in SQLite's order: columns of
the sources, then aliases of the same SELECT, then the query around it; in ORDER BY aliases first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sense.algebra import (
    Block,
    LeftJoin,
    Limit,
    Order,
    Query,
    SetKind,
    SetOperation,
    Source,
    Term,
    Unsupported,
    column,
    conjuncts,
    connected,
    has_aggregate,
    negated,
    used_sources,
)
from sense.quoting import compiles, single_quoted
from sense.schema import Schema, Table

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
SET_OPERATIONS: dict[type[exp.Expr], SetKind] = {
    exp.Union: "union",
    exp.Intersect: "intersect",
    exp.Except: "except",
}
PREDICATES = (exp.Predicate, exp.Connector, exp.Not)
INNER, LEFT = (("", ""), ("", "INNER"), ("", "CROSS")), (("LEFT", ""), ("LEFT", "OUTER"))

Columns = Mapping[str, Term]


def translate(sql: str, schema: Schema) -> tuple[Query, dict[int, Table]]:
    """The query, and the tables of its sources that are tables. Raises Unsupported."""
    sql = single_quoted(sql, schema)
    if not compiles(sql, schema):
        raise Unsupported("SQLite does not compile it")
    try:
        trees = sqlglot.parse(sql, read="sqlite")
    except (SqlglotError, RecursionError) as error:
        raise Unsupported(str(error)) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise Unsupported("not one SELECT statement")
    reader = _Reader(schema)
    query = reader.query(trees[0], None, {})
    return query, reader.tables


class _Scope:
    """The names that one SELECT can use."""

    def __init__(self, outer: "_Scope | None") -> None:
        self.outer = outer
        self.sources: dict[str, Columns] = {}
        self.ids: set[int] = set()
        self.merged: dict[str, Term] = {}
        """Columns of USING and NATURAL JOIN, which belong to several sources."""
        self.aliases: dict[str, Term] = {}

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
        if name in self.aliases:
            return self.aliases[name]
        if self.outer:
            return self.outer.resolve(table, name)
        raise Unsupported(f"no column {name}")


CTEs = Mapping[str, exp.Expr]


class _Reader:
    """Reads one statement."""

    def __init__(self, schema: Schema) -> None:
        self.schema = {table.name.lower(): table for table in schema.tables}
        self.tables: dict[int, Table] = {}
        self.num_sources = 0

    def query(self, tree: exp.Expr, outer: _Scope | None, ctes: CTEs) -> Query:
        ctes = self._ctes(tree, ctes)
        while isinstance(tree, exp.Subquery):
            _check(tree, "this", "with_")
            tree = tree.this
            ctes = self._ctes(tree, ctes)
        if isinstance(tree, exp.Select):
            return self._select(tree, outer, ctes)
        if isinstance(tree, exp.SetOperation):
            return self._set_operation(tree, outer, ctes)
        raise Unsupported(type(tree).__name__)

    def _ctes(self, tree: exp.Expr, ctes: CTEs) -> CTEs:
        clause = tree.args.get("with_")
        if not clause:
            return ctes
        _check(clause, "expressions")
        found = dict(ctes)
        for cte in clause.expressions:
            _check(cte, "this", "alias")
            _check(cte.args["alias"], "this")
            name = _lower(cte.args["alias"].this)
            uses = {table.name.lower() for table in cte.this.find_all(exp.Table)}
            if name in uses or uses & found.keys() - ctes.keys():
                raise Unsupported("a CTE that uses a CTE")
            found[name] = cte.this
        return found

    def _set_operation(
        self, tree: exp.SetOperation, outer: _Scope | None, ctes: CTEs
    ) -> SetOperation:
        _check(tree, "this", "expression", "distinct", "order", "limit", "offset", "with_")
        kind = SET_OPERATIONS[type(tree)]
        if kind == "union" and not tree.args.get("distinct"):
            kind = "union all"
        sides = [self.query(side, outer, ctes) for side in (tree.this, tree.expression)]
        names = [_output_name(item) for item in tree.selects]
        flat: list[Query] = []
        for side in sides:
            if isinstance(side, SetOperation):
                is_same = side.kind == kind and kind in ("union", "union all")
                if not is_same or side.order or side.limit:
                    raise Unsupported("set operations of several kinds")
                flat += side.sides
            else:
                flat.append(side)
        order = []
        for ordered in _ordered(tree):
            key = ordered.this
            if _is_integer(key):
                position = int(key.name) - 1
            elif isinstance(key, exp.Column) and not key.table and key.name.lower() in names:
                position = names.index(key.name.lower())
            else:
                raise Unsupported("ORDER BY of a set operation")
            order.append((position, *_direction(ordered)))
        return SetOperation(kind, tuple(flat), tuple(order), _limit(tree))

    def _select(self, tree: exp.Select, outer: _Scope | None, ctes: CTEs) -> Block:
        known = "expressions from_ joins where group having distinct order limit offset with_"
        _check(tree, *known.split())
        scope = _Scope(outer)
        sources: list[Source] = []
        joins: list[LeftJoin] = []
        where: set[Term] = set()
        from_ = tree.args.get("from_")
        if from_:
            sources.append(self._source(from_.this, scope, ctes))
        for join in tree.args.get("joins") or ():
            self._join(join, scope, ctes, sources, joins, where)
        for item in tree.expressions:
            if isinstance(item, exp.Alias):
                # An alias may stand for a value that is only legal where it is used.
                scope.aliases.setdefault(_lower(item.args["alias"]), ("alias", id(item)))
        select = tuple(term for item in tree.expressions for term in self._item(item, scope, ctes))
        terms = dict(zip(_aliases(tree), select, strict=True)) if not _has_star(tree) else {}
        scope.aliases = {name: term for name, term in terms.items() if name}
        if tree.args.get("where"):
            where |= conjuncts(self._condition(tree.args["where"].this, scope, ctes))
        if any(map(has_aggregate, where)):
            raise Unsupported("an aggregate in WHERE")
        block = Block(tuple(sources), tuple(joins), frozenset(where), select)
        having = tree.args.get("having")
        if having:
            block = replace(block, having=conjuncts(self._condition(having.this, scope, ctes)))
        order = [self._order(ordered, select, scope, ctes) for ordered in _ordered(tree)]
        return replace(
            block,
            keys=self._keys(tree, select, scope, ctes),
            is_distinct=_is_distinct(tree),
            order=tuple(order),
            limit=_limit(tree),
        )

    def _keys(
        self, tree: exp.Select, select: tuple[Term, ...], scope: _Scope, ctes: CTEs
    ) -> frozenset[Term] | None:
        group = tree.args.get("group")
        if not group:
            return None
        _check(group, "expressions")
        keys = set()
        for key in group.expressions:
            if _is_integer(key):
                keys.add(_at(select, key))
            else:
                keys.add(self._term(key, scope, ctes))
        if has_aggregate(tuple(keys)):
            raise Unsupported("an aggregate in GROUP BY")
        return frozenset(keys)

    def _order(
        self, ordered: exp.Ordered, select: tuple[Term, ...], scope: _Scope, ctes: CTEs
    ) -> Order:
        key = ordered.this
        if _is_integer(key):
            term = _at(select, key)
        elif isinstance(key, exp.Column) and not key.table and key.name.lower() in scope.aliases:
            term = scope.aliases[key.name.lower()]
        else:
            term = self._term(key, scope, ctes)
        return Order(term, *_direction(ordered))

    def _join(
        self,
        join: exp.Join,
        scope: _Scope,
        ctes: CTEs,
        sources: list[Source],
        joins: list[LeftJoin],
        where: set[Term],
    ) -> None:
        _check(join, "this", "on", "using", "side", "kind", "method")
        way = (join.side or "", join.kind or "")
        before = dict(scope.sources)
        source = self._source(join.this, scope, ctes)
        [alias] = scope.sources.keys() - before.keys()
        on: set[Term] = set()
        if join.args.get("on"):
            on |= conjuncts(self._condition(join.args["on"], scope, ctes))
        shared = [_lower(name) for name in join.args.get("using") or ()]
        if join.method == "NATURAL":
            shared = [n for n in scope.sources[alias] if any(n in c for c in before.values())]
        elif join.method:
            raise Unsupported(join.method)
        for name in shared:
            mine = scope.sources[alias].get(name)
            theirs = [columns[name] for columns in before.values() if name in columns]
            if mine is None or len(theirs) != 1 or name in scope.merged or way not in INNER:
                raise Unsupported(f"USING {name}")
            on.add(_comparison("=", theirs[0], mine))
            scope.merged[name] = theirs[0]
        if way in INNER:
            sources.append(source)
            where |= on
        elif way in LEFT:
            joins.append(LeftJoin(source, frozenset(on)))
        else:
            raise Unsupported(" ".join(way))

    def _source(self, tree: exp.Expr, scope: _Scope, ctes: CTEs) -> Source:
        number = self.num_sources = self.num_sources + 1
        scope.ids.add(number)
        alias = tree.args.get("alias")
        if alias:
            _check(alias, "this")
        if isinstance(tree, exp.Table):
            _check(tree, "this", "alias")
            if not isinstance(tree.this, exp.Identifier):
                raise Unsupported("a table-valued function")
            name = _lower(tree.this)
            label = _lower(alias.this) if alias else name
            if name in ctes:
                rest = {other: cte for other, cte in ctes.items() if other != name}
                return self._derived(number, label, ctes[name], scope, rest)
            table = self.schema.get(name)
            if table is None or table.is_view:
                raise Unsupported(f"no table {name}")
            if any(c.collation.upper() != "BINARY" for c in table.columns):
                raise Unsupported("a column with a collation of its own")
            self.tables[number] = table
            found = {c.name.lower(): column(number, c.name.lower()) for c in table.columns}
            _add(scope, label, found)
            return Source(number, name)
        if isinstance(tree, exp.Subquery):
            _check(tree, "this", "alias", "with_")
            label = _lower(alias.this) if alias else f" {number}"
            return self._derived(number, label, tree.this, scope, self._ctes(tree, ctes))
        raise Unsupported(type(tree).__name__)

    def _derived(
        self, number: int, label: str, tree: exp.Expr, scope: _Scope, ctes: CTEs
    ) -> Source:
        query = self.query(tree, None, ctes)
        names = list(self._names(tree, ctes))
        if len(set(names)) < len(names) or "" in names:
            raise Unsupported("a subquery with equal or missing names")
        _add(scope, label, {name: column(number, str(i)) for i, name in enumerate(names)})
        return Source(number, query)

    def _names(self, tree: exp.Expr, ctes: CTEs) -> Iterator[str]:
        """The names of the columns of a subquery; "" for one that has no certain name."""
        while isinstance(tree, exp.Subquery | exp.SetOperation):
            tree = tree.this
        for item in tree.expressions:
            if not isinstance(item, exp.Star):
                yield _output_name(item)
                continue
            for table in self._from_tables(tree, ctes):
                yield from (c.name.lower() for c in table.columns)

    def _from_tables(self, tree: exp.Expr, ctes: CTEs) -> Iterable[Table]:
        from_ = tree.args["from_"]
        names = [from_.this, *(join.this for join in tree.args.get("joins") or ())]
        for node in names:
            if not isinstance(node, exp.Table) or node.name.lower() in ctes:
                raise Unsupported("a star over a subquery")
            if node.name.lower() not in self.schema:
                raise Unsupported(f"no table {node.name}")
            yield self.schema[node.name.lower()]

    def _item(self, item: exp.Expr, scope: _Scope, ctes: CTEs) -> Iterator[Term]:
        """The terms of one item of the select list; a star has several."""
        if isinstance(item, exp.Alias):
            _check(item, "this", "alias")
            item = item.this
        if isinstance(item, exp.Star) or (isinstance(item.this, exp.Star) and _is_star(item)):
            if scope.merged:
                raise Unsupported("a star over USING")
            if isinstance(item, exp.Star):
                _check(item)
                wanted = list(scope.sources.values())
            else:
                _check(item, "this", "table")
                _check(item.this)
                label = _lower(item.args["table"])
                if label not in scope.sources:
                    raise Unsupported(f"no source {label}")
                wanted = [scope.sources[label]]
            for found in wanted:
                yield from found.values()
        else:
            yield self._term(item, scope, ctes)

    def _term(self, node: exp.Expr, scope: _Scope, ctes: CTEs) -> Term:
        if isinstance(node, exp.Paren):
            _check(node, "this")
            return self._term(node.this, scope, ctes)
        if isinstance(node, exp.Column):
            _check(node, "this", "table")
            table = _lower(node.args["table"]) if node.table else ""
            found = scope.resolve(table, _lower(node.this))
            if found[0] == "alias":
                raise Unsupported("an alias in the select list")
            return found
        if isinstance(node, exp.Literal):
            return ("string" if node.is_string else "number", node.name)
        if isinstance(node, exp.Neg) and _is_number(node.this):
            return ("number", f"-{node.this.name}")
        if isinstance(node, exp.Null):
            return ("null",)
        if isinstance(node, exp.Count) or type(node) in AGGREGATES:
            return self._aggregate(node, scope, ctes)
        if type(node) in ARITHMETIC:
            _check(node, "this", "expression", "typed", "safe")
            if any(isinstance(side, PREDICATES) for side in (node.this, node.expression)):
                raise Unsupported("a condition in arithmetic")
            sides = [self._term(side, scope, ctes) for side in (node.this, node.expression)]
            return ("call", ARITHMETIC[type(node)], *sides)
        if isinstance(node, FUNCTIONS):
            values = [v for v in node.args.values() if v not in (None, False, [])]
            flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
            if not all(isinstance(v, exp.Expr) and not isinstance(v, PREDICATES) for v in flat):
                raise Unsupported(node.key)
            return ("call", node.key, *(self._term(v, scope, ctes) for v in flat))
        if isinstance(node, exp.Case | exp.If):
            return self._case(node, scope, ctes)
        if isinstance(node, exp.Subquery):
            _check(node, "this", "with_")
            return ("scalar", self.query(node, scope, ctes))
        raise Unsupported(type(node).__name__)

    def _aggregate(self, node: exp.Expr, scope: _Scope, ctes: CTEs) -> Term:
        _check(node, "this", "big_int")
        name = AGGREGATES.get(type(node), "count")
        value = node.this
        if isinstance(value, exp.Star):
            _check(value)
            if name != "count":
                raise Unsupported(f"{name}(*)")
            return ("count rows",)
        is_distinct = isinstance(value, exp.Distinct)
        if is_distinct:
            _check(value, "expressions")
            [value, *others] = value.expressions
            if others:
                raise Unsupported("DISTINCT of several values")
        if isinstance(value, PREDICATES):
            raise Unsupported("an aggregate of a condition")
        term = self._term(value, scope, ctes)
        if has_aggregate(term):
            raise Unsupported("an aggregate of an aggregate")
        if used_sources(term) and not used_sources(term) & scope.ids:
            raise Unsupported("an aggregate of the query around it")
        return (name, term, is_distinct)

    def _case(self, node: exp.Expr, scope: _Scope, ctes: CTEs) -> Term:
        if isinstance(node, exp.If):
            branches = [node]
            default = node.args.get("false")
            _check(node, "this", "true", "false")
        else:
            _check(node, "ifs", "default")
            branches = node.args["ifs"]
            default = node.args.get("default")
            for branch in branches:
                _check(branch, "this", "true")
        terms: list[Term] = []
        for branch in branches:
            terms.append(self._condition(branch.this, scope, ctes))
            terms.append(self._term(branch.args["true"], scope, ctes))
        last = self._term(default, scope, ctes) if default else ("null",)
        return ("case", *terms, last)

    def _condition(self, node: exp.Expr, scope: _Scope, ctes: CTEs) -> Term:
        """The condition, true, false and NULL for the same rows as in SQLite."""
        if isinstance(node, exp.Paren):
            _check(node, "this")
            return self._condition(node.this, scope, ctes)
        if isinstance(node, exp.And | exp.Or):
            _check(node, "this", "expression")
            sides = [self._condition(side, scope, ctes) for side in (node.this, node.expression)]
            return connected("and" if isinstance(node, exp.And) else "or", sides)
        if isinstance(node, exp.Not):
            _check(node, "this")
            return negated(self._condition(node.this, scope, ctes))
        if isinstance(node, exp.Exists):
            _check(node, "this")
            return ("exists", self.query(node.this, scope, ctes))
        if node.args.get("negate"):
            positive = node.copy()
            positive.set("negate", None)
            return negated(self._condition(positive, scope, ctes))
        return self._predicate(node, scope, ctes)

    def _predicate(self, node: exp.Expr, scope: _Scope, ctes: CTEs) -> Term:
        _check_operands(node)
        if type(node) in COMPARISONS:
            _check(node, "this", "expression")
            sides = [self._term(side, scope, ctes) for side in (node.this, node.expression)]
            return _comparison(COMPARISONS[type(node)], *sides)
        if isinstance(node, exp.Between):
            _check(node, "this", "low", "high")
            value, low, high = (
                self._term(node.args[name], scope, ctes) for name in ("this", "low", "high")
            )
            sides = [_comparison("<=", low, value), _comparison("<=", value, high)]
            return connected("and", sides)
        if isinstance(node, exp.Like):
            _check(node, "this", "expression")
            value = self._term(node.this, scope, ctes)
            pattern = self._term(node.expression, scope, ctes)
            if pattern[0] == "string":
                pattern = ("string", _ascii_lower(pattern[1]))
            return ("like", value, pattern)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            _check(node, "this", "expression")
            return ("is null", self._term(node.this, scope, ctes))
        if isinstance(node, exp.In):
            return self._in(node, scope, ctes)
        raise Unsupported(type(node).__name__)

    def _in(self, node: exp.In, scope: _Scope, ctes: CTEs) -> Term:
        _check(node, "this", "expressions", "query")
        value = self._term(node.this, scope, ctes)
        if node.args.get("query"):
            return ("in", value, self.query(node.args["query"], scope, ctes))
        terms = [self._term(item, scope, ctes) for item in node.expressions]
        if not terms or any(term[0] not in ("number", "string") for term in terms):
            raise Unsupported("IN over a list of values that are not constant")
        return connected("or", [_comparison("=", value, term) for term in terms])


def _comparison(operator: str, left: Term, right: Term) -> Term:
    if operator in ("=", "!="):
        return (operator, frozenset([left, right]))
    if operator in (">", ">="):
        return (operator.replace(">", "<"), right, left)
    return (operator, left, right)


def _check(node: exp.Expr, *known: str) -> None:
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


def _lower(identifier: exp.Expr) -> str:
    """The name as SQLite compares it: it ignores the case of ASCII letters."""
    name = identifier.name
    if not isinstance(identifier, exp.Identifier | exp.Column) or not name.isascii():
        raise Unsupported(f"name {name!r}")
    return name.lower()


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _add(scope: _Scope, label: str, found: Columns) -> None:
    if label in scope.sources:
        raise Unsupported(f"two sources are called {label}")
    scope.sources[label] = found


def _aliases(tree: exp.Select) -> list[str]:
    return [
        _lower(item.args["alias"]) if isinstance(item, exp.Alias) else ""
        for item in tree.expressions
    ]


def _output_name(item: exp.Expr) -> str:
    if isinstance(item, exp.Alias):
        return _lower(item.args["alias"])
    return _lower(item.this) if isinstance(item, exp.Column) and not _is_star(item) else ""


def _is_star(item: exp.Expr) -> bool:
    return isinstance(item, exp.Column) and isinstance(item.this, exp.Star)


def _has_star(tree: exp.Select) -> bool:
    return any(isinstance(item, exp.Star) or _is_star(item) for item in tree.expressions)


def _is_distinct(tree: exp.Select) -> bool:
    distinct = tree.args.get("distinct")
    if distinct:
        _check(distinct)
    return bool(distinct)


def _ordered(tree: exp.Expr) -> list[exp.Ordered]:
    order = tree.args.get("order")
    if not order:
        return []
    _check(order, "expressions")
    return list(order.expressions)


def _direction(ordered: exp.Ordered) -> tuple[bool, bool]:
    _check(ordered, "this", "desc", "nulls_first")
    return bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first"))


def _limit(tree: exp.Expr) -> Limit | None:
    limit, offset = tree.args.get("limit"), tree.args.get("offset")
    if not limit:
        if offset:
            raise Unsupported("OFFSET without LIMIT")
        return None
    numbers = []
    for clause in filter(None, (limit, offset)):
        _check(clause, "expression")
        if not _is_integer(clause.expression):
            raise Unsupported("a LIMIT that is computed")
        numbers.append(int(clause.expression.name))
    return Limit(*numbers)


def _is_number(node: Any) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string


def _is_integer(node: Any) -> bool:
    return _is_number(node) and node.name.isdigit()


def _at(select: tuple[Term, ...], position: exp.Expr) -> Term:
    index = int(position.name) - 1
    if not 0 <= index < len(select):
        raise Unsupported("a position outside of the select list")
    return select[index]
