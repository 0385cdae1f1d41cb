"""Can a gold query judge answers on this database? Its result must be defined and say something.

SQL leaves some results open: which rows survive a LIMIT among ties, which row a bare column under
GROUP BY comes from. Whether that matters is asked of the data: the query is rewritten by sqlglot
into a probe that shows the ties or the differing values, and the probe is run.
Not seen: ties inside window functions, and the order in which `group_concat` meets its rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from sense.denotation import are_close, order_matters
from sense.execution import DEFAULT_LIMITS, Execution, Limits, Row, execute

CLOCK_FUNCTIONS = {"date", "datetime", "time", "julianday", "unixepoch", "strftime"}
CLOCK_WORDS = {"current_date", "current_time", "current_timestamp"}
STATE_FUNCTIONS = {
    "random", "randomblob", "changes", "total_changes", "last_insert_rowid", "sqlite_version",
}  # fmt: skip
VOLATILE_WORDS = {"now", *CLOCK_WORDS, *CLOCK_FUNCTIONS, *STATE_FUNCTIONS}


class GoldCheck(NamedTuple):
    """Whether one gold query can judge answers on one database."""

    status: str
    """`ok`; `error`, `refused`, `limit`: it does not run; `empty`: no rows, or nothing but NULL;
    `order`: ties at the cut of a LIMIT, or they cannot be told; `bare_column`: a column outside
    GROUP BY and aggregates has several values in one group; `time`, `random`: its result depends on
    the clock or on state; `unparsed`: sqlglot cannot read it, so nothing more is known."""
    execution: Execution
    order_matters: bool = False
    """Whether its outermost query orders the rows."""
    tie_sizes: tuple[int, ...] | None = None
    """Lengths of the runs of rows that share their sort keys; None where they cannot be told."""


class _Window(NamedTuple):
    """What a LIMIT leaves of an ordered result."""

    tie_sizes: tuple[int, ...]
    is_defined: bool
    """False if rows inside and outside the cut share their sort keys and differ."""


def check_gold(db_path: str | Path, gold_sql: str, limits: Limits = DEFAULT_LIMITS) -> GoldCheck:
    """Whether `gold_sql` can judge answers on the database. Raises DatabaseError."""
    execution = execute(db_path, gold_sql, limits)
    if execution.status != "ok":
        return GoldCheck(execution.status, execution)
    is_ordered = order_matters(gold_sql)
    check = GoldCheck("ok", execution, is_ordered)
    if reason := volatility(gold_sql):
        return check._replace(status=reason)
    if all(value is None for row in execution.rows for value in row):
        return check._replace(status="empty")
    if not _needs_parsing(gold_sql):
        return check
    try:
        tree = sqlglot.parse_one(gold_sql, read="sqlite")
    except (SqlglotError, RecursionError):
        return check._replace(status="unparsed")
    prober = _Prober(db_path, limits, tree)
    if any(prober.has_open_bare_column(select) for select in tree.find_all(exp.Select)):
        return check._replace(status="bare_column")
    if any(not prober.is_cut_defined(query) for query in _limited_subqueries(tree)):
        return check._replace(status="order")
    if isinstance(tree, exp.Query) and (is_ordered or tree.args.get("limit")):
        window = prober.window(tree, execution)
        if window:
            check = check._replace(tie_sizes=window.tie_sizes)
        if tree.args.get("limit") and not (window and window.is_defined):
            return check._replace(status="order")
    return check


def volatility(sql: str) -> str:
    """`time` or `random` if the result depends on the clock or on state, else "".

    >>> volatility("SELECT name FROM t WHERE born < date('now', '-18 years')")
    'time'
    """
    lower = sql.lower()
    if not any(word in lower for word in VOLATILE_WORDS):
        return ""
    try:
        tokens = SQLite().tokenize(sql)
    except SqlglotError:
        return ""
    words = [token.text.lower() for token in tokens]
    for i, token in enumerate(tokens):
        calls = words[i + 1 : i + 3]
        if token.token_type == TokenType.STRING:
            if words[i] == "now":
                return "time"
        elif token.token_type != TokenType.IDENTIFIER:
            if words[i] in CLOCK_WORDS or (words[i] in CLOCK_FUNCTIONS and calls == ["(", ")"]):
                return "time"
            if words[i] in STATE_FUNCTIONS and calls[:1] == ["("]:
                return "random"
    return ""


class _Prober:
    """Runs probes of one gold query on one database."""

    def __init__(self, db_path: str | Path, limits: Limits, tree: exp.Expr) -> None:
        self.db_path = db_path
        self.limits = limits
        self.ctes = tree.args.get("with_")

    def run(self, query: exp.Expr) -> Execution:
        """`query` alone, with the names that the whole gold query defines."""
        if self.ctes and not query.args.get("with_"):
            query = query.copy()
            query.set("with_", self.ctes.copy())
        return execute(self.db_path, query.sql("sqlite"), self.limits)

    def has_open_bare_column(self, select: exp.Select) -> bool:
        """Whether some group has several values for a column that is not grouped or aggregated.

        True also where a probe cannot tell: a star, or a subquery that needs its outer query.
        """
        group = select.args.get("group")
        aggregates = [node for node in _own_nodes(select) if _is_aggregate(node)]
        if not group and not aggregates:
            return False
        keys = [_resolved(key, select) for key in group.expressions] if group else [exp.null()]
        if any(isinstance(projection, exp.Star) for projection in select.selects):
            return True
        bare = _bare_columns(select, keys)
        if not bare:
            return False
        extremes = [node for node in aggregates if isinstance(node, exp.Min | exp.Max)]
        if len({node.sql("sqlite") for node in extremes}) == 1:
            probe = _extreme_probe(select, keys, bare, extremes[0])
        else:
            probe = _group_probe(select, keys, bare)
        found = self.run(probe)
        return found.status != "ok" or bool(found.rows)

    def is_cut_defined(self, query: exp.Query) -> bool:
        execution = self.run(query)
        if execution.status != "ok":
            return False
        window = self.window(query, execution)
        return window is not None and window.is_defined

    def window(self, query: exp.Query, execution: Execution) -> _Window | None:
        """The ties in the result of `query`; None where they cannot be told."""
        probe = _order_probe(query, execution.columns)
        start, size = _limit_numbers(query)
        if probe is None or start is None:
            return None
        probe_query, keys = probe
        rows = self._probe_rows(probe_query, keys, start, size)
        if rows is None:
            return None
        width = len(execution.columns)
        stop = min(start + size, len(rows)) if size is not None else len(rows)
        sizes: list[int] = []
        is_defined = True
        for first, last in _runs(rows, keys):
            inside = slice(max(first, start), min(last, stop))
            if inside.start >= inside.stop:
                continue
            tied = [row[:width] for row in rows[first:last]]
            if inside.stop - inside.start < last - first and len(set(tied)) > 1:
                is_defined = False
            elif Counter(row[:width] for row in rows[inside]) != Counter(
                execution.rows[inside.start - start : inside.stop - start]
            ):
                return None
            sizes.append(inside.stop - inside.start)
        if sum(sizes) != len(execution.rows):
            return None
        return _Window(tuple(sizes), is_defined)

    def _probe_rows(
        self, probe: exp.Query, keys: Sequence[int], start: int, size: int | None
    ) -> tuple[Row, ...] | None:
        """Rows up to the cut and all that tie with its last one."""
        cut = start + (size or 0)
        if size is not None and keys and cut:
            found = self.run(probe.limit(cut + 1))
            if found.status != "ok":
                return None
            if len(found.rows) <= cut or not _are_tied(found.rows[cut - 1], found.rows[cut], keys):
                return found.rows
        found = self.run(probe)
        return found.rows if found.status == "ok" else None


def _needs_parsing(sql: str) -> bool:
    """Only sorted, cut, grouped or aggregated results can be open, and those have such text."""
    text = sql.lower()
    return any(word in text for word in ("(", "order", "limit", "group"))


def _limited_subqueries(tree: exp.Expr) -> Iterator[exp.Query]:
    for query in tree.find_all(exp.Select, exp.SetOperation):
        if query is not tree and query.args.get("limit"):
            yield query


def _limit_numbers(query: exp.Query) -> tuple[int | None, int | None]:
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


def _order_probe(
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


def _runs(rows: Sequence[Row], keys: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of rows that share their sort keys."""
    first = 0
    for i, (row, following) in enumerate(pairwise(rows), start=1):
        if not _are_tied(row, following, keys):
            yield first, i
            first = i
    if rows:
        yield first, len(rows)


def _are_tied(row: Row, other: Row, keys: Sequence[int]) -> bool:
    return all(_is_same_key(row[key], other[key]) for key in keys)


def _is_same_key(a: Any, b: Any) -> bool:
    """Equal, or perhaps equal: floats by their last bits, text by its collation."""
    if isinstance(a, str) and isinstance(b, str):
        return a.rstrip().casefold() == b.rstrip().casefold()
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or are_close(a, b)
    return bool(a == b)


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """Nodes of the projections, HAVING and ORDER BY that belong to no inner query or window."""
    order = select.args.get("order")
    roots = [*select.selects, select.args.get("having"), order]
    for root in filter(None, roots):
        yield from root.walk(prune=lambda node: isinstance(node, exp.Query | exp.Window))


def _is_aggregate(node: exp.Expr) -> bool:
    is_total = isinstance(node, exp.Anonymous) and node.name.lower() == "total"
    return is_total or isinstance(node, exp.AggFunc)


def _resolved(key: exp.Expr, select: exp.Select) -> exp.Expr:
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


def _bare_columns(select: exp.Select, keys: Sequence[exp.Expr]) -> list[exp.Column]:
    """Columns whose value is taken from one row of each group, each once."""
    aliases = {p.alias.lower() for p in select.selects if isinstance(p, exp.Alias)}
    key_texts = {key.sql("sqlite").lower() for key in keys}
    bare: dict[str, exp.Column] = {}

    def collect(node: exp.Expr, names: set[str]) -> None:
        text = node.sql("sqlite").lower() if isinstance(node, exp.Condition) else ""
        if text in key_texts or _is_aggregate(node) or isinstance(node, exp.Query):
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


def _group_probe(
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


def _extreme_probe(
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
