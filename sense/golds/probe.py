"""Rewrite a query so that its result shows what SQL leaves open.

An order probe shows the sort keys beside the rows; a group probe gives a group in which a column
outside GROUP BY and aggregates has several values. The probes of a query depend on its text alone,
and are kept for the next database.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sense.closeness import LAST_BITS, are_close
from sense.execution import Row

NUM_KEPT = 256  # queries whose probes are kept; a syntax tree takes some 50 kB
LISTS = (exp.GroupConcat, exp.JSONArrayAgg, exp.JSONObjectAgg)
UNTYPED_LISTS = ("jsonb_group_array", "jsonb_group_object")
UNTYPED_AGGREGATES = ("median", "percentile", "total", *UNTYPED_LISTS)
"""Functions for which sqlglot has no class."""
BYTES = exp.DataType.build("blob", dialect="sqlite")
"""What values are compared as, so that no collation takes two texts for equal."""
TABLE_PLACES = (exp.From, exp.Join, exp.In, exp.Exists, exp.SetOperation, exp.Subquery)


class OrderProbe(NamedTuple):
    """A query without its LIMIT, with its sort keys among the columns."""

    sql: str
    keys: tuple[int, ...]
    """Positions of the sort keys."""


class Cut:
    """A query whose rows are ordered or cut, and its probes."""

    def __init__(self, query: exp.Query, ctes: exp.With | None) -> None:
        if ctes and not query.args.get("with_"):
            query = query.copy()
            query.set("with_", ctes.copy())
        self.query = query
        self.has_limit = bool(query.args.get("limit"))
        self.start, self.size = limit_numbers(query)
        self._probes: dict[tuple[str, ...], OrderProbe | None] = {}

    @cached_property
    def sql(self) -> str:
        return self.query.sql("sqlite")

    def probe(self, columns: tuple[str, ...]) -> OrderProbe | None:
        """`order_probe` of the query, whose result has these columns."""
        if columns not in self._probes:
            self._probes[columns] = order_probe(self.query, columns)
        return self._probes[columns]


class GroupProbe(NamedTuple):
    """Asks for a group in which some column differs; gives at most one row."""

    columns: tuple[str, ...]
    """The columns that are neither grouped nor aggregated, as SQL."""
    sql: str
    """Three columns for each of them: its least and greatest value in the group, and whether some
    of its values are NULL. "" where it cannot be asked, since a star hides the columns."""


class Probes(NamedTuple):
    """All that one query must be asked."""

    groups: tuple[GroupProbe, ...] = ()
    inner: tuple[Cut, ...] = ()
    """Subqueries with LIMIT."""
    outer: Cut | None = None
    """The query itself, if it is ordered or cut."""
    is_sensitive: bool = True
    """Whether it has any part whose value may depend on the order of the rows that it meets."""
    functions: frozenset[type[exp.Expr]] = frozenset()
    """Classes of the calls in it, and of what sqlglot takes for one, such as AND."""
    error: str = ""
    """Why sqlglot cannot read it; there are no probes then."""


@lru_cache(maxsize=NUM_KEPT)
def probes_of(sql: str) -> Probes:
    """The probes of a query.

    >>> [cut.sql for cut in probes_of("SELECT a FROM t WHERE b IN (SELECT b FROM u LIMIT 2)").inner]
    ['SELECT b FROM u LIMIT 2']
    """
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except (SqlglotError, RecursionError) as error:
        return Probes(error=str(error).partition("\n")[0] or type(error).__name__)
    ctes = tree.args.get("with_")
    nodes = list(tree.walk())
    selects = [node for node in nodes if isinstance(node, exp.Select)]
    groups = tuple(probe for select in selects if (probe := _group_probe(select, ctes)))
    inner = tuple(
        Cut(node, ctes)
        for node in nodes
        if isinstance(node, exp.Query) and node is not tree and node.args.get("limit")
    )
    outer = None
    if isinstance(tree, exp.Query) and (tree.args.get("order") or tree.args.get("limit")):
        outer = Cut(tree, ctes)
    return Probes(
        groups,
        inner,
        outer,
        is_sensitive=bool(groups) or any(map(_is_sensitive, nodes)),
        functions=frozenset(type(node) for node in nodes if isinstance(node, exp.Func)),
    )


def _is_sensitive(node: exp.Expr) -> bool:
    """Whether parts of this kind may depend on the order of rows."""
    if isinstance(node, exp.Subquery):
        return not isinstance(node.parent, TABLE_PLACES) and not _is_one_row(node.this)
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in UNTYPED_LISTS
    return isinstance(node, (exp.Limit, exp.Window, *LISTS))


def _is_one_row(query: exp.Expr) -> bool:
    """Whether it is a plain aggregate, which always gives one row."""
    return (
        isinstance(query, exp.Select)
        and not query.args.get("group")
        and all(is_aggregate(projection.unalias()) for projection in query.selects)
    )


def _group_probe(select: exp.Select, ctes: exp.With | None) -> GroupProbe | None:
    """None where every column is grouped or aggregated."""
    group = select.args.get("group")
    aggregates = [node for node in own_nodes(select) if is_aggregate(node)]
    if not group and not aggregates:
        return None
    if any(isinstance(projection, exp.Star) for projection in select.selects):
        return GroupProbe(("*",), "")
    keys = [resolved(key, select) for key in group.expressions] if group else [exp.null()]
    bare = bare_columns(select, keys)
    if not bare:
        return None
    extremes = [node for node in aggregates if isinstance(node, exp.Min | exp.Max)]
    is_filtered = any(isinstance(node, exp.Filter) for node in aggregates)
    if len({node.sql("sqlite") for node in extremes}) == 1 and not is_filtered:
        probe = extreme_probe(select, keys, bare, extremes[0])
    else:
        probe = group_probe(select, keys, bare)
    if ctes:
        probe.set("with_", ctes.copy())
    columns = tuple(column.sql("sqlite") for column in bare)
    return GroupProbe(columns, probe.sql("sqlite", copy=False) + " LIMIT 1")


def limit_numbers(query: exp.Query) -> tuple[int | None, int | None]:
    """Offset and size of the LIMIT; size None = no limit, offset None = they are no numbers."""
    numbers: list[int | None] = []
    for clause in (query.args.get("offset"), query.args.get("limit")):
        number = clause.expression if clause else None
        if number is None or (isinstance(number, exp.Neg) and number.this.is_int):
            numbers.append(None)  # SQLite takes a negative number for none
        elif isinstance(number, exp.Literal) and number.this.isdigit():
            numbers.append(int(number.this))
        else:
            return None, None
    return numbers[0] or 0, numbers[1]


def order_probe(query: exp.Query, columns: Sequence[str]) -> OrderProbe | None:
    """`query` without its LIMIT and with its sort keys as columns.

    columns: those of its result. None where a key cannot be shown: one that is not selected, under
    DISTINCT or UNION.
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
    return OrderProbe(probe.sql("sqlite", copy=False), tuple(keys))


def runs(rows: Sequence[Row], keys: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of rows that share their sort keys."""
    keys_of = itemgetter(*keys) if keys else len
    first = 0
    for i, (value, following) in enumerate(pairwise(map(keys_of, rows)), start=1):
        if value != following and not are_tied(rows[i - 1], rows[i], keys):
            yield first, i
            first = i
    if rows:
        yield first, len(rows)


def are_tied(row: Row, other: Row, keys: Sequence[int]) -> bool:
    for key in keys:
        if row[key] != other[key] and not _is_nearly_same(row[key], other[key]):
            return False
    return True


def _is_nearly_same(a: Any, b: Any) -> bool:
    """Perhaps equal: floats by their last bits, text by its collation."""
    if a.__class__ is int and b.__class__ is int:
        return False
    if isinstance(a, str) and isinstance(b, str):
        return a.rstrip().casefold() == b.rstrip().casefold()
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return are_close(a, b, LAST_BITS)
    return False


def own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """Nodes of the projections, HAVING and ORDER BY that belong to no inner query or window."""
    order = select.args.get("order")
    roots = [*select.selects, select.args.get("having"), order]
    for root in filter(None, roots):
        yield from root.walk(prune=lambda node: isinstance(node, exp.Query | exp.Window))


def is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in UNTYPED_AGGREGATES
    if isinstance(node, exp.Filter):
        return is_aggregate(node.this)
    is_scalar = isinstance(node, exp.Min | exp.Max) and node.expressions  # max(a, b)
    return isinstance(node, (exp.AggFunc, *LISTS)) and not is_scalar


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
    key_texts = {_text(key) for key in keys}
    key_types = tuple({type(key) for key in keys})
    bare: dict[str, exp.Column] = {}

    def collect(node: exp.Expr, names: set[str]) -> None:
        if is_aggregate(node) or isinstance(node, exp.Query):
            return
        text = _text(node) if isinstance(node, (exp.Column, *key_types)) else ""
        if text in key_texts:
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


def _text(node: exp.Expr) -> str:
    if isinstance(node, exp.Column):
        return ".".join(part.name.lower() for part in node.parts)  # ten times as fast as SQL
    return node.sql("sqlite").lower()


def _differs_in_group(columns: Iterable[exp.Expr]) -> exp.Expr:
    """The condition that one of the columns has two values, or a value and NULL, in a group."""
    conditions: list[exp.Expr] = []
    for column in columns:
        value = exp.Cast(this=column.copy(), to=BYTES.copy())
        least, greatest = exp.Min(this=value), exp.Max(this=value.copy())
        num = exp.Count(this=column.copy())
        has_value = exp.GT(this=num, expression=exp.Literal.number(0))
        has_null = exp.LT(this=num.copy(), expression=_num_rows())
        conditions += [exp.Is(this=least, expression=greatest).not_(), has_value.and_(has_null)]
    return exp.or_(*conditions)


def group_probe(
    select: exp.Select, keys: Sequence[exp.Expr], bare: Sequence[exp.Expr]
) -> exp.Select:
    """A query that gives each group in which a bare column differs."""
    probe = _without_output(select)
    probe.set("expressions", _extent(bare))
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
    shown = [exp.column(f"bare_{i}") for i in range(len(bare))]
    is_extreme = exp.Is(this=exp.column("value"), expression=exp.column("extreme"))
    group = exp.Group(expressions=[exp.column(f"key_{i}") for i in range(len(keys))])
    probe = exp.Select(expressions=_extent(shown), where=exp.Where(this=is_extreme), group=group)
    return probe.from_(rows.subquery("rows", copy=False), copy=False).having(
        _differs_in_group(shown), copy=False
    )


def _extent(columns: Iterable[exp.Expr]) -> list[exp.Expr]:
    """What a group probe shows of each column."""
    return [
        shown
        for column in columns
        for shown in (
            exp.Min(this=column.copy()),
            exp.Max(this=column.copy()),
            exp.LT(this=exp.Count(this=column.copy()), expression=_num_rows()),
        )
    ]


def _num_rows() -> exp.Expr:
    return exp.Count(this=exp.Star())


def _without_output(select: exp.Select) -> exp.Select:
    copy = select.copy()
    for clause in ("order", "limit", "offset", "distinct", "with_"):
        copy.set(clause, None)
    return copy
