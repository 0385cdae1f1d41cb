"""One SELECT statement -> `sense.proofs.algebra`, its names resolved as SQLite resolves them.

Only what has one meaning is read: a name that two sources have, an unknown function, a collation, a
clause that is not listed here raise `Unsupported`. Names are resolved in SQLite's order: columns of
the sources, then aliases of the same SELECT, then the query around it; in ORDER BY aliases first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sense.proofs.algebra import (
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
    has_aggregate,
)
from sense.proofs.terms import (
    Columns,
    CTEs,
    Scope,
    check,
    comparison,
    is_integer,
    lower_name,
    read_condition,
    read_term,
)
from sense.schema import Schema, Table
from sense.sqlite.quoting import compiles, single_quoted

SET_OPERATIONS: dict[type[exp.Expr], SetKind] = {
    exp.Union: "union",
    exp.Intersect: "intersect",
    exp.Except: "except",
}
INNER, LEFT = (("", ""), ("", "INNER"), ("", "CROSS")), (("LEFT", ""), ("LEFT", "OUTER"))


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


class _Reader:
    """Reads one statement."""

    def __init__(self, schema: Schema) -> None:
        self.schema = {table.name.lower(): table for table in schema.tables}
        self.tables: dict[int, Table] = {}
        self.num_sources = 0

    def subquery(self, tree: exp.Expr, scope: Scope) -> Query:
        return self.query(tree, scope, scope.ctes)

    def query(self, tree: exp.Expr, outer: Scope | None, ctes: CTEs) -> Query:
        ctes = self._ctes(tree, ctes)
        while isinstance(tree, exp.Subquery):
            check(tree, "this", "with_")
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
        check(clause, "expressions")
        found = dict(ctes)
        for cte in clause.expressions:
            check(cte, "this", "alias")
            check(cte.args["alias"], "this")
            name = lower_name(cte.args["alias"].this)
            uses = {table.name.lower() for table in cte.this.find_all(exp.Table)}
            if name in uses or uses & found.keys() - ctes.keys():
                raise Unsupported("a CTE that uses a CTE")
            found[name] = cte.this
        return found

    def _set_operation(
        self, tree: exp.SetOperation, outer: Scope | None, ctes: CTEs
    ) -> SetOperation:
        check(tree, "this", "expression", "distinct", "order", "limit", "offset", "with_")
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
            if is_integer(key):
                position = int(key.name) - 1
            elif isinstance(key, exp.Column) and not key.table and key.name.lower() in names:
                position = names.index(key.name.lower())
            else:
                raise Unsupported("ORDER BY of a set operation")
            order.append((position, *_direction(ordered)))
        return SetOperation(kind, tuple(flat), tuple(order), _limit(tree))

    def _select(self, tree: exp.Select, outer: Scope | None, ctes: CTEs) -> Block:
        known = "expressions from_ joins where group having distinct order limit offset with_"
        check(tree, *known.split())
        scope = Scope(outer, ctes, self.subquery)
        sources: list[Source] = []
        joins: list[LeftJoin] = []
        where: set[Term] = set()
        from_ = tree.args.get("from_")
        if from_:
            sources.append(self._source(from_.this, scope))
        for join in tree.args.get("joins") or ():
            self._join(join, scope, sources, joins, where)
        for item in tree.expressions:
            if isinstance(item, exp.Alias):
                # An alias may stand for a value that is only legal where it is used.
                scope.aliases.setdefault(lower_name(item.args["alias"]), ("alias", id(item)))
        select = tuple(term for item in tree.expressions for term in self._item(item, scope))
        terms = dict(zip(_aliases(tree), select, strict=True)) if not _has_star(tree) else {}
        scope.aliases = {name: term for name, term in terms.items() if name}
        if tree.args.get("where"):
            where |= conjuncts(read_condition(tree.args["where"].this, scope))
        if any(map(has_aggregate, where)):
            raise Unsupported("an aggregate in WHERE")
        block = Block(tuple(sources), tuple(joins), frozenset(where), select)
        having = tree.args.get("having")
        if having:
            block = replace(block, having=conjuncts(read_condition(having.this, scope)))
        order = [self._order(ordered, select, scope) for ordered in _ordered(tree)]
        return replace(
            block,
            keys=self._keys(tree, select, scope),
            is_distinct=_is_distinct(tree),
            order=tuple(order),
            limit=_limit(tree),
        )

    def _keys(
        self, tree: exp.Select, select: tuple[Term, ...], scope: Scope
    ) -> frozenset[Term] | None:
        group = tree.args.get("group")
        if not group:
            return None
        check(group, "expressions")
        keys = set()
        for key in group.expressions:
            if is_integer(key):
                keys.add(_at(select, key))
            else:
                keys.add(read_term(key, scope))
        if has_aggregate(tuple(keys)):
            raise Unsupported("an aggregate in GROUP BY")
        return frozenset(keys)

    def _order(self, ordered: exp.Ordered, select: tuple[Term, ...], scope: Scope) -> Order:
        key = ordered.this
        if is_integer(key):
            term = _at(select, key)
        elif isinstance(key, exp.Column) and not key.table and key.name.lower() in scope.aliases:
            term = scope.aliases[key.name.lower()]
        else:
            term = read_term(key, scope)
        return Order(term, *_direction(ordered))

    def _join(
        self,
        join: exp.Join,
        scope: Scope,
        sources: list[Source],
        joins: list[LeftJoin],
        where: set[Term],
    ) -> None:
        check(join, "this", "on", "using", "side", "kind", "method")
        way = (join.side or "", join.kind or "")
        before = dict(scope.sources)
        source = self._source(join.this, scope)
        [alias] = scope.sources.keys() - before.keys()
        on: set[Term] = set()
        if join.args.get("on"):
            on |= conjuncts(read_condition(join.args["on"], scope))
        shared = [lower_name(name) for name in join.args.get("using") or ()]
        if join.method == "NATURAL":
            shared = [n for n in scope.sources[alias] if any(n in c for c in before.values())]
        elif join.method:
            raise Unsupported(join.method)
        for name in shared:
            mine = scope.sources[alias].get(name)
            theirs = [columns[name] for columns in before.values() if name in columns]
            if mine is None or len(theirs) != 1 or name in scope.merged or way not in INNER:
                raise Unsupported(f"USING {name}")
            on.add(comparison("=", theirs[0], mine))
            scope.merged[name] = theirs[0]
        if way in INNER:
            sources.append(source)
            where |= on
        elif way in LEFT:
            joins.append(LeftJoin(source, frozenset(on)))
        else:
            raise Unsupported(" ".join(way))

    def _source(self, tree: exp.Expr, scope: Scope) -> Source:
        number = self.num_sources = self.num_sources + 1
        scope.ids.add(number)
        alias = tree.args.get("alias")
        if alias:
            check(alias, "this")
        if isinstance(tree, exp.Table):
            check(tree, "this", "alias")
            if not isinstance(tree.this, exp.Identifier):
                raise Unsupported("a table-valued function")
            name = lower_name(tree.this)
            label = lower_name(alias.this) if alias else name
            if name in scope.ctes:
                rest = {other: cte for other, cte in scope.ctes.items() if other != name}
                return self._derived(number, label, scope.ctes[name], scope, rest)
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
            check(tree, "this", "alias", "with_")
            label = lower_name(alias.this) if alias else f" {number}"
            return self._derived(number, label, tree.this, scope, self._ctes(tree, scope.ctes))
        raise Unsupported(type(tree).__name__)

    def _derived(self, number: int, label: str, tree: exp.Expr, scope: Scope, ctes: CTEs) -> Source:
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

    def _item(self, item: exp.Expr, scope: Scope) -> Iterator[Term]:
        """The terms of one item of the select list; a star has several."""
        if isinstance(item, exp.Alias):
            check(item, "this", "alias")
            item = item.this
        if isinstance(item, exp.Star) or (isinstance(item.this, exp.Star) and _is_star(item)):
            if scope.merged:
                raise Unsupported("a star over USING")
            if isinstance(item, exp.Star):
                check(item)
                wanted = list(scope.sources.values())
            else:
                check(item, "this", "table")
                check(item.this)
                label = lower_name(item.args["table"])
                if label not in scope.sources:
                    raise Unsupported(f"no source {label}")
                wanted = [scope.sources[label]]
            for found in wanted:
                yield from found.values()
        else:
            yield read_term(item, scope)


def _add(scope: Scope, label: str, found: Columns) -> None:
    if label in scope.sources:
        raise Unsupported(f"two sources are called {label}")
    scope.sources[label] = found


def _aliases(tree: exp.Select) -> list[str]:
    return [
        lower_name(item.args["alias"]) if isinstance(item, exp.Alias) else ""
        for item in tree.expressions
    ]


def _output_name(item: exp.Expr) -> str:
    if isinstance(item, exp.Alias):
        return lower_name(item.args["alias"])
    return lower_name(item.this) if isinstance(item, exp.Column) and not _is_star(item) else ""


def _is_star(item: exp.Expr) -> bool:
    return isinstance(item, exp.Column) and isinstance(item.this, exp.Star)


def _has_star(tree: exp.Select) -> bool:
    return any(isinstance(item, exp.Star) or _is_star(item) for item in tree.expressions)


def _is_distinct(tree: exp.Select) -> bool:
    distinct = tree.args.get("distinct")
    if distinct:
        check(distinct)
    return bool(distinct)


def _ordered(tree: exp.Expr) -> list[exp.Ordered]:
    order = tree.args.get("order")
    if not order:
        return []
    check(order, "expressions")
    return list(order.expressions)


def _direction(ordered: exp.Ordered) -> tuple[bool, bool]:
    check(ordered, "this", "desc", "nulls_first")
    return bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first"))


def _limit(tree: exp.Expr) -> Limit | None:
    limit, offset = tree.args.get("limit"), tree.args.get("offset")
    if not limit:
        if offset:
            raise Unsupported("OFFSET without LIMIT")
        return None
    numbers = []
    for clause in filter(None, (limit, offset)):
        check(clause, "expression")
        if not is_integer(clause.expression):
            raise Unsupported("a LIMIT that is computed")
        numbers.append(int(clause.expression.name))
    return Limit(*numbers)


def _at(select: tuple[Term, ...], position: exp.Expr) -> Term:
    index = int(position.name) - 1
    if not 0 <= index < len(select):
        raise Unsupported("a position outside of the select list")
    return select[index]
