"""Spider's four levels of hardness, and other facts read off the syntax tree of one query.

The levels follow `eval_hardness` (taoyds/test-suite-sql-eval@e97acc5, evaluation.py) and the quirks
of its parser: only the outermost SELECT is counted, of a set operation the first one. What Spider's
grammar lacks (CASE, a CTE, a window, EXISTS, a scalar subquery outside of conditions) counts as one
nested query each. Every function takes SQL text or a tree of `parse_sql`: a caller parses once.
"""

from collections.abc import Iterable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.generators.sqlite import SQLiteGenerator

from sense.example import Hardness
from sense.scores.level import Components, level_of, plain_components
from sense.shown import shortened

DIALECT = "sqlite"

AGGREGATES = (exp.Max, exp.Min, exp.Count, exp.Sum, exp.Avg)
"""The aggregates of Spider's grammar."""

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.Glob, exp.Is)

QUERY_PLACES = (*COMPARISONS, exp.In, exp.Between, exp.Join, exp.Subquery)
"""Parents of a subquery that is counted elsewhere: conditions as nested, a joined one as a join."""

FEATURE_NODES: dict[str, tuple[type[exp.Expr], ...]] = {
    "aggregate": (exp.AggFunc,),
    "arithmetic": (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod),
    "between": (exp.Between,),
    "case": (exp.Case, exp.If),
    "cast": (exp.Cast,),
    "cte": (exp.CTE,),
    "exists": (exp.Exists,),
    "group_by": (exp.Group,),
    "having": (exp.Having,),
    "in": (exp.In,),
    "is_null": (exp.Is,),
    "join": (exp.Join,),
    "like": (exp.Like, exp.Glob),
    "limit": (exp.Limit,),
    "not": (exp.Not, exp.NEQ),
    "or": (exp.Or,),
    "set_operation": (exp.SetOperation,),
    "string_function": (exp.Concat, exp.DPipe, exp.Length, exp.Lower, exp.Substring, exp.Upper),
    "where": (exp.Where,),
    "window": (exp.Window,),
}
"""Feature name -> node classes of which one must occur anywhere in the query."""

FEATURES = tuple(sorted({*FEATURE_NODES, "correlated", "date", "distinct", "nested", "order_by"}))
"""All names that `sql_features` gives."""

DATE_FUNCTIONS = frozenset({"date", "datetime", "julianday", "strftime", "time", "unixepoch"})
DATE_NODES = (
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.Date,
    exp.DateDiff,
    exp.TimeToStr,
    exp.TsOrDsToDate,
    exp.TsOrDsToTimestamp,
)


class UnparsedSqlError(ValueError):
    """The text is not one SELECT statement that sqlglot can read."""


def parse_sql(sql: str | exp.Expr) -> exp.Expr:
    """The tree of one SELECT statement or set operation; a tree comes back as it is.

    SQLite reads "USA" as text where no column has that name. Here a double-quoted name without a
    table becomes text where a value is expected: right of a comparison, in a list, in BETWEEN.
    Raises UnparsedSqlError for anything else, a second statement included.
    """
    if isinstance(sql, exp.Expr):
        return sql
    try:
        tree = sqlglot.parse_one(sql, dialect=DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise UnparsedSqlError(f"{_reason(error)} in {shortened(sql)!r}") from error
    if not isinstance(tree, exp.Query):
        raise UnparsedSqlError(
            f"{type(tree).__name__} in {shortened(sql)!r}; expected one SELECT statement"
        )
    for column in _quoted_values(tree):
        column.replace(exp.Literal.string(column.name))
    return tree


def hardness(sql: str | exp.Expr) -> Hardness:
    """Spider's level of the query. Raises UnparsedSqlError for what is none, or nested too deeply.

    >>> hardness("SELECT name FROM country")
    'easy'
    >>> hardness("SELECT name FROM city WHERE population < (SELECT AVG(population) FROM city)")
    'hard'
    """
    if isinstance(sql, str) and (counts := plain_components(sql)):
        return level_of(counts)
    try:
        return level_of(components(sql))
    except RecursionError as error:
        raise UnparsedSqlError(
            f"conditions nested too deeply in {shortened(str(sql))!r}"
        ) from error


def components(sql: str | exp.Expr) -> Components:
    """The counts behind `hardness`, from the syntax tree.

    >>> components("SELECT a, b FROM t WHERE c LIKE 'x%' OR d = 1")
    Components(clauses=3, nested=0, others=2)
    """
    tree = parse_sql(sql)
    select = first_select(tree)
    joined = [join.args["on"] for join in select.args.get("joins") or () if join.args.get("on")]
    where = [node.this for node in (select.args.get("where"),) if node]
    having = [node.this for node in (select.args.get("having"),) if node]
    leaves = [leaf for root in (*joined, *where, *having) for leaf in _conditions(root)]
    return Components(
        clauses=_clauses(select) + _ors((*joined, *where, *having)) + _likes(leaves),
        nested=_set_operations(tree) + _compared_queries(leaves) + _beyond_grammar(tree, select),
        others=_others(select, where, having),
    )


def first_select(tree: exp.Expr) -> exp.Select:
    """The outermost SELECT; of a set operation the leftmost one."""
    while not isinstance(tree, exp.Select):
        tree = tree.this
    return tree


def sql_features(sql: str | exp.Expr) -> list[str]:
    """Names of the constructs that occur anywhere in the query, sorted.

    >>> sql_features("SELECT COUNT(DISTINCT a) FROM t JOIN s USING (id) ORDER BY b LIMIT 3")
    ['aggregate', 'distinct', 'join', 'limit', 'order_by']
    """
    tree = parse_sql(sql)
    nodes = list(tree.walk())
    kinds = {type(node) for node in nodes}
    names = {
        name
        for name, classes in FEATURE_NODES.items()
        if any(issubclass(kind, classes) for kind in kinds)
    }
    names |= {"order_by" for node in nodes if isinstance(node, exp.Order) and _sorts_query(node)}
    names |= {"distinct" for node in nodes if isinstance(node, exp.Distinct)}
    names |= {"date" for node in nodes if _is_date(node)}
    nested = [node for node in nodes if isinstance(node, exp.Select) and _is_nested(node)]
    names |= {"nested" for _ in nested}
    names |= {"correlated" for query in nested if _is_correlated(query)}
    return sorted(names)


def sql_template(sql: str | exp.Expr) -> str:
    """The query with every number and text replaced by `?` and names kept.

    A list of values counts as one value. NULL and column positions in ORDER BY or GROUP BY stay.

    >>> sql_template("select name from city where population > 5000 and name = 'Male'")
    'SELECT name FROM city WHERE population > ? AND name = ?'
    """
    tree = parse_sql(sql).copy()
    for literal in list(tree.find_all(exp.Literal)):
        if not isinstance(literal.parent, (exp.Ordered, exp.Group)):
            literal.replace(exp.Placeholder())
    for node in tree.find_all(exp.In):
        if all(isinstance(item, exp.Placeholder) for item in node.expressions):
            node.set("expressions", node.expressions[:1])
    return normalize_sql(tree)


def sql_text(tree: exp.Expr) -> str:
    """The query as people write it: `x NOT IN`, `x IS NOT NULL`, `!=`; names as they are spelled.

    >>> sql_text(parse_sql("select a from T1 where not b is null and c  <>  1"))
    'SELECT a FROM T1 WHERE b IS NOT NULL AND c != 1'
    """
    return _Writer(dialect=DIALECT, comments=False).generate(tree)


def normalize_sql(sql: str | exp.Expr) -> str:
    """The query in one spelling: case of names and keywords, quotes, spaces, `<>`, `INNER`, `ASC`.

    Two queries with the same normal form are the same query; the reverse does not hold. Text that
    is no query comes back with its spaces collapsed.

    >>> normalize_sql('select T1."Name" from City as t1 where t1.name<>"Male" order by 1 asc;')
    "SELECT t1.name FROM city AS t1 WHERE t1.name != 'Male' ORDER BY 1"
    """
    try:
        tree = parse_sql(sql)
    except UnparsedSqlError:
        return " ".join(str(sql).split())
    return sql_text(normalized(tree))


def normalized(tree: exp.Expr) -> exp.Expr:
    """A copy of the tree in the spelling of `normalize_sql`."""
    tree = tree.copy()
    for node in list(tree.walk()):
        if isinstance(node, exp.Identifier):
            node.set("this", node.name.lower())
            node.set("quoted", not exp.SAFE_IDENTIFIER_RE.match(node.name))
        elif isinstance(node, exp.Join):
            node.set("kind", None if node.args.get("kind") in ("INNER", "OUTER") else node.kind)
        elif isinstance(node, exp.Ordered) and not node.args.get("desc"):
            node.set("desc", None)
    return tree


class _Writer(SQLiteGenerator):
    """SQLite text with negations where people put them."""

    def neq_sql(self, expression: exp.NEQ) -> str:
        return self.binary(expression, "!=")

    def not_sql(self, expression: exp.Not) -> str:
        condition = expression.this
        if not isinstance(condition, (exp.In, exp.Is, exp.Like, exp.Between)):
            return super().not_sql(expression)
        operand = self.sql(condition, "this")
        rest = self.sql(condition)[len(operand) :]
        return operand + (f" IS NOT{rest[3:]}" if isinstance(condition, exp.Is) else f" NOT{rest}")


def _clauses(select: exp.Select) -> int:
    present = sum(bool(select.args.get(name)) for name in ("where", "group", "order", "limit"))
    return present + len(select.args.get("joins") or ())


def _ors(conditions: Iterable[exp.Expr]) -> int:
    return sum(isinstance(node, exp.Or) for root in conditions for node in _connectives(root))


def _likes(leaves: Iterable[exp.Expr]) -> int:
    return sum(isinstance(_positive(leaf), exp.Like) for leaf in leaves)


def _others(select: exp.Select, where: list[exp.Expr], having: list[exp.Expr]) -> int:
    """The official script calls more than aggregates so.

    Its `has_agg` looks at the first item of whatever tuple it gets. In WHERE and HAVING that is the
    NOT of a condition, and in HAVING it meets the connectives too; aggregates there do not count.
    """
    group = select.args["group"].expressions if select.args.get("group") else []
    order = select.args["order"].expressions if select.args.get("order") else []
    conditions = [leaf for root in where for leaf in _conditions(root)]
    aggregates = sum(map(_selects_aggregate, select.expressions))
    aggregates += sum(isinstance(key, AGGREGATES) for key in group)
    aggregates += sum(isinstance(term, AGGREGATES) for key in order for term in _terms(key.this))
    aggregates += sum(map(_is_negated, conditions))
    for root in having:
        aggregates += sum(map(_is_negated, _conditions(root))) + len(list(_connectives(root)))
    plurals = (aggregates, len(select.expressions), len(conditions), len(group))
    return sum(count > 1 for count in plurals)


def _set_operations(tree: exp.Expr) -> int:
    """1 for a set operation however long its chain: the official parser nests the rest."""
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    return int(isinstance(tree, exp.SetOperation))


def _compared_queries(leaves: Iterable[exp.Expr]) -> int:
    """Subqueries that stand directly for a value of a condition."""
    return sum(
        isinstance(child, (exp.Subquery, exp.Select))
        for leaf in leaves
        for child in _positive(leaf).iter_expressions()
    )


def _beyond_grammar(tree: exp.Expr, select: exp.Select) -> int:
    """Constructs of the outermost query that Spider's grammar cannot say."""
    count = len(tree.ctes) if isinstance(tree, exp.Query) else 0
    for node in select.walk(prune=lambda node: isinstance(node, (exp.From, exp.With))):
        if isinstance(node, (exp.Case, exp.Window)) and node.parent_select is select:
            count += 1
        elif isinstance(node, exp.Subquery) and node.parent_select is select:
            count += not isinstance(node.parent, QUERY_PLACES)
    return count


def _conditions(root: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that AND and OR connect, in order."""
    if isinstance(root, exp.Connector):
        yield from _conditions(root.this)
        yield from _conditions(root.expression)
    elif isinstance(root, exp.Paren):
        yield from _conditions(root.this)
    else:
        yield root


def _connectives(root: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(root, exp.Connector):
        yield root
        yield from _connectives(root.this)
        yield from _connectives(root.expression)
    elif isinstance(root, exp.Paren):
        yield from _connectives(root.this)


def _positive(leaf: exp.Expr) -> exp.Expr:
    while isinstance(leaf, (exp.Not, exp.Paren)):
        leaf = leaf.this
    return leaf


def _is_negated(leaf: exp.Expr) -> bool:
    return isinstance(leaf, exp.Not) or bool(leaf.args.get("negate"))


def _selects_aggregate(projection: exp.Expr) -> bool:
    return isinstance(projection.unalias(), AGGREGATES)


def _terms(node: exp.Expr) -> tuple[exp.Expr, ...]:
    """Both sides of an arithmetic operation, else the node itself."""
    return (node.this, node.expression) if isinstance(node, exp.Binary) else (node,)


def _quoted_values(tree: exp.Expr) -> list[exp.Column]:
    return [
        column
        for column in tree.find_all(exp.Column)
        if isinstance(column.this, exp.Identifier)
        and column.this.quoted
        and not column.table
        and _takes_value(column)
    ]


def _takes_value(column: exp.Column) -> bool:
    parent, key = column.parent, column.arg_key
    if isinstance(parent, exp.In):
        return key == "expressions"
    if isinstance(parent, exp.Between):
        return key in ("low", "high")
    return isinstance(parent, COMPARISONS) and key == "expression"


def _sorts_query(node: exp.Order) -> bool:
    return isinstance(node.parent, exp.Query)


def _is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in DATE_FUNCTIONS
    return isinstance(node, DATE_NODES)


def _is_nested(query: exp.Select) -> bool:
    """False for the outermost SELECT and for the sides of an outermost set operation."""
    node: exp.Expr | None = query.parent
    while isinstance(node, (exp.SetOperation, exp.Subquery)) and node.parent:
        if isinstance(node, exp.Subquery):
            return True
        node = node.parent
    return node is not None and not isinstance(node, exp.SetOperation)


def _is_correlated(query: exp.Select) -> bool:
    """A column of the subquery names a table that the subquery does not have."""
    own = {table.alias_or_name.lower() for table in query.find_all(exp.Table)}
    own |= {node.alias.lower() for node in query.find_all(exp.Subquery) if node.alias}
    tables = {column.table.lower() for column in query.find_all(exp.Column) if column.table}
    return bool(tables - own)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "brackets nested too deep to parse"
    return str(error).splitlines()[0]
