"""Can a gold query judge answers on this database? Its result must be defined and say something.

SQL leaves some results open: which rows survive a LIMIT among ties, which row a bare column under
GROUP BY comes from. Whether that matters is asked of the data: the query is rewritten by sqlglot
into a probe that shows the ties or the differing values, and the probe is run.
Not seen: ties inside window functions, and the order in which `group_concat` meets its rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from sense.denotation import order_matters
from sense.execution import DEFAULT_LIMITS, Execution, Limits, Row, execute
from sense.probe import (
    are_tied,
    bare_columns,
    extreme_probe,
    group_probe,
    is_aggregate,
    limit_numbers,
    order_probe,
    own_nodes,
    resolved,
    runs,
)

CLOCK_FUNCTIONS = {
    "date": 0, "datetime": 0, "time": 0, "julianday": 0, "unixepoch": 0, "timediff": 0,
    "strftime": 1,
}  # fmt: skip
"""Functions of a time with its place among their arguments; without it they take the clock."""
CLOCK_TIMES = {"now", "subsec", "subsecond"}
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
    for i, token in enumerate(tokens):
        word = token.text.lower()
        if token.token_type == TokenType.STRING:
            if word == "now":
                return "time"
        elif token.token_type == TokenType.IDENTIFIER:
            continue
        elif word in CLOCK_WORDS:
            return "time"
        elif tokens[i + 1 : i + 2] and tokens[i + 1].token_type == TokenType.L_PAREN:
            if word in STATE_FUNCTIONS:
                return "random"
            if word in CLOCK_FUNCTIONS:
                times = _arguments(tokens[i + 1 :])[CLOCK_FUNCTIONS[word] :]
                if not times or _is_clock_time(times[0], sql):
                    return "time"
    return ""


def _arguments(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each argument of a call, of which `tokens` starts with the parenthesis."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.token_type == TokenType.L_PAREN
        depth -= token.token_type == TokenType.R_PAREN
        if not depth:
            break
        if token.token_type == TokenType.COMMA and depth == 1:
            arguments.append([])
        elif token is not tokens[0]:
            arguments[-1].append(token)
    return arguments if arguments != [[]] else []


def _is_clock_time(argument: Sequence[Token], sql: str) -> bool:
    """Whether SQLite reads the argument as the time of the clock.

    Double quotes make a string of it unless a column has that name, which is taken to be rare.
    """
    if len(argument) != 1 or argument[0].text.lower() not in CLOCK_TIMES:
        return False
    return argument[0].token_type == TokenType.STRING or sql[argument[0].start] == '"'


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
        aggregates = [node for node in own_nodes(select) if is_aggregate(node)]
        if not group and not aggregates:
            return False
        keys = [resolved(key, select) for key in group.expressions] if group else [exp.null()]
        if any(isinstance(projection, exp.Star) for projection in select.selects):
            return True
        bare = bare_columns(select, keys)
        if not bare:
            return False
        extremes = [node for node in aggregates if isinstance(node, exp.Min | exp.Max)]
        if len({node.sql("sqlite") for node in extremes}) == 1:
            probe = extreme_probe(select, keys, bare, extremes[0])
        else:
            probe = group_probe(select, keys, bare)
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
        probe = order_probe(query, execution.columns)
        start, size = limit_numbers(query)
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
        for first, last in runs(rows, keys):
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
            if len(found.rows) <= cut or not are_tied(found.rows[cut - 1], found.rows[cut], keys):
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
