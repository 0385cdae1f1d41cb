"""Can a gold query judge answers on this database? Its result must be defined and say something.

SQL leaves some results open: which rows survive a LIMIT among ties, which row a bare column under
GROUP BY comes from, which row of a subquery is compared, which of the texts that a collation takes
for equal DISTINCT returns. Whether that matters is asked of the data, by probes that show the ties
or the differing values (`sense.golds.probe`), and then by running the query on the same rows in
another order (`sense.golds.shuffle`), which finds other cases by their effect alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from sense.denotation import Comparison, order_matters, strict_comparison
from sense.execution import DEFAULT_LIMITS, Execution, Limits, Row, execute
from sense.golds.probe import Cut, OrderProbe, Probes, are_tied, probes_of, runs
from sense.golds.shuffle import is_open_by_schema, may_depend_on_order, reorderings
from sense.golds.volatility import volatility
from sense.witnesses.difference import difference, shown_row

FaultWitness: TypeAlias = dict[str, Any]
"""What shows that a gold cannot judge, as JSON can hold it."""


class Fault(NamedTuple):
    """Why a gold cannot judge."""

    status: str
    why: str
    witness: FaultWitness


class Window(NamedTuple):
    """What a LIMIT leaves of an ordered result."""

    tie_sizes: tuple[int, ...]
    """Lengths of the runs of rows that share their sort keys."""
    tie_at_cut: FaultWitness
    """Of rows inside and outside the cut that share their sort keys and differ; {} if none do."""


@dataclass(frozen=True)
class GoldCheck:
    """Whether one gold query can judge answers on one database."""

    status: str
    """`ok`; `error`, `refused`, `limit`: it does not run; `empty`: no rows, or nothing but NULL;
    `order`: ties at the cut of a LIMIT, or they cannot be told, or the result changes with the
    order in which SQLite meets the rows; `bare_column`: a column outside GROUP BY and aggregates
    has several values in one group; `time`, `random`: its result depends on the clock or on state;
    `unparsed`: sqlglot cannot read it, so nothing more is known."""
    execution: Execution
    why: str
    """More about the status in machine words, "" where there is no more: `ties_at_cut`,
    `ties_in_subquery`, `differing_values`, `changes_with_order`; `cannot_be_told` where no probe
    can be made of the query; `no_rows`, `only_nulls`."""
    witness: FaultWitness
    """The tied rows, the differing values, the error ...; {} if the status is `ok`."""
    order_matters: bool
    """Whether its outermost query orders the rows."""
    _asker: "_Asker" = field(repr=False)

    @property
    def sql(self) -> str:
        return self._asker.sql

    def differs_in_spelling(self, predicted: Execution) -> bool:
        """Whether a result is gold's but for texts that a collation may take for equal.

        False where gold leaves no text open; see `is_open_by_schema`.
        """
        return self._asker.differs_in_spelling(predicted)

    @property
    def tie_sizes(self) -> tuple[int, ...] | None:
        """Lengths of the runs of rows that share their sort keys; None where they cannot be told.

        Found when they are first asked for, with a query of their own.
        """
        return self._asker.tie_sizes

    def comparison(self, predicted: Execution) -> Comparison:
        """How the result of a prediction on the same database compares, by the strict rule."""
        return self._asker.comparison(predicted)


def check_gold(db_path: str | Path, gold_sql: str, limits: Limits = DEFAULT_LIMITS) -> GoldCheck:
    """Whether `gold_sql` can judge answers on the database. Raises DatabaseError.

    >>> import sqlite3, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    >>> connection = sqlite3.connect(path)
    >>> _ = connection.execute("CREATE TABLE pet(name, age)")
    >>> _ = connection.execute("INSERT INTO pet VALUES ('Rex', 3), ('Ada', 3)")
    >>> connection.commit()
    >>> check = check_gold(path, "SELECT name FROM pet ORDER BY age LIMIT 1")
    >>> check.status, check.why, check.witness["tied_rows"]
    ('order', 'ties_at_cut', [['Rex'], ['Ada']])
    """
    execution = execute(db_path, gold_sql, limits)
    is_ordered = order_matters(gold_sql)
    asker = _Asker(str(db_path), gold_sql, limits, execution, is_ordered)
    is_open = may_depend_on_order(gold_sql) or asker.is_open_by_schema
    for find in FAULTS if is_open else PLAIN_FAULTS:
        if fault := find(asker):
            break
    else:
        fault = Fault("ok", "", {})
    return GoldCheck(fault.status, execution, fault.why, fault.witness, is_ordered, asker)


@dataclass
class _Asker:
    """Asks one database about the result of one query."""

    db_path: str
    sql: str
    limits: Limits
    execution: Execution
    is_ordered: bool

    @property
    def probes(self) -> Probes:
        return probes_of(self.sql)

    @cached_property
    def is_open_by_schema(self) -> bool:
        return self.execution.status == "ok" and is_open_by_schema(self.db_path, self.sql)

    @cached_property
    def outer_window(self) -> Window | None:
        """The ties in the result; None where they cannot be told."""
        outer = self.probes.outer
        return self.window(outer, self.execution) if outer else None

    @property
    def tie_sizes(self) -> tuple[int, ...] | None:
        window = self.outer_window if self.execution.status == "ok" else None
        return window.tie_sizes if window else None

    def comparison(self, other: Execution) -> Comparison:
        rows = self.execution.rows
        found = strict_comparison(rows, other.rows, self.is_ordered)
        if self.is_ordered and found in ("row_order", "differs") and len(rows) == len(other.rows):
            return strict_comparison(rows, other.rows, self.is_ordered, self.tie_sizes)
        return found

    def differs_in_spelling(self, other: Execution) -> bool:
        if not self.is_open_by_schema or len(self.execution.rows) != len(other.rows):
            return False
        rows, others = _folded(self.execution.rows), _folded(other.rows)
        ties = self.tie_sizes if self.is_ordered else None
        return strict_comparison(rows, others, self.is_ordered, ties) == "equal"

    def run(self, sql: str) -> Execution:
        return execute(self.db_path, sql, self.limits)

    def window(self, cut: Cut, execution: Execution) -> Window | None:
        """The ties in the result of a query that is ordered or cut; None where they cannot be told.

        execution: how the query alone ended.
        """
        probe = cut.probe(execution.columns)
        start, size = cut.start, cut.size
        if probe is None or start is None:
            return None
        rows = self._probe_rows(probe, start, size)
        if rows is None:
            return None
        width = len(execution.columns)
        stop = min(start + size, len(rows)) if size is not None else len(rows)
        shown = [row[:width] for row in rows]
        is_same = tuple(shown[start:stop]) == execution.rows
        sizes: list[int] = []
        tie_at_cut: FaultWitness = {}
        for first, last in runs(rows, probe.keys):
            inside = slice(max(first, start), min(last, stop))
            if inside.start >= inside.stop:
                continue
            sizes.append(inside.stop - inside.start)
            is_cut = sizes[-1] < last - first
            if is_same and not is_cut:
                continue
            tied = shown[first:last]
            returned = execution.rows[inside.start - start : inside.stop - start]
            if is_cut and len(set(tied)) > 1:
                tie_at_cut = tie_at_cut or _tie(tied, returned)
            elif Counter(shown[inside]) != Counter(returned):
                return None
        if sum(sizes) != len(execution.rows):
            return None
        return Window(tuple(sizes), tie_at_cut)

    def _probe_rows(
        self, probe: OrderProbe, start: int, size: int | None
    ) -> tuple[Row, ...] | None:
        """Rows up to the cut and all that tie with its last one."""
        cut = start + (size or 0)
        if size is not None and probe.keys and cut:
            found = self.run(f"{probe.sql} LIMIT {cut + 1}")
            if found.status != "ok":
                return None
            rows = found.rows
            if len(rows) <= cut or not are_tied(rows[cut - 1], rows[cut], probe.keys):
                return found.rows
        found = self.run(probe.sql)
        return found.rows if found.status == "ok" else None


def _failure(asker: _Asker) -> Fault | None:
    execution = asker.execution
    if execution.status == "ok":
        return None
    return Fault(execution.status, "", {"error": execution.error})


def _volatile(asker: _Asker) -> Fault | None:
    reason = volatility(asker.sql)
    return Fault(reason, "", {}) if reason else None


def _open_column(asker: _Asker) -> Fault | None:
    """A column outside GROUP BY and aggregates that has several values in some group."""
    for probe in asker.probes.groups:
        found = asker.run(probe.sql) if probe.sql else None
        if found is None or found.status != "ok":
            # a star, or a subquery that needs its outer query
            return Fault("bare_column", "cannot_be_told", {"columns": list(probe.columns)})
        for row in found.rows:
            return Fault("bare_column", "differing_values", _differing(probe.columns, row))
    return None


def _open_cut(asker: _Asker) -> Fault | None:
    """Ties at the cut of a LIMIT, or a LIMIT whose ties cannot be told."""
    probes = asker.probes
    for cut in probes.inner:
        execution = asker.run(cut.sql)
        window = asker.window(cut, execution) if execution.status == "ok" else None
        if fault := _cut_fault(window, "ties_in_subquery"):
            return fault._replace(witness={"subquery": cut.sql, **fault.witness})
    if probes.outer and probes.outer.has_limit and asker.execution.rows:
        return _cut_fault(asker.outer_window, "ties_at_cut")
    return None


def _cut_fault(window: Window | None, why: str) -> Fault | None:
    if window is None:
        return Fault("order", "cannot_be_told", {})
    return Fault("order", why, window.tie_at_cut) if window.tie_at_cut else None


def _changing_result(asker: _Asker) -> Fault | None:
    """A result that is another one when SQLite meets the same rows in another order."""
    if not asker.probes.is_sensitive and not asker.is_open_by_schema:
        return None
    is_told = False
    for reading, other in reorderings(asker.db_path, asker.sql, asker.execution, asker.limits):
        is_told = True
        comparison = asker.comparison(other)
        if comparison == "equal" or (comparison == "row_order" and asker.tie_sizes is None):
            continue
        shown = difference(asker.execution, other, comparison, ("first", reading))
        return Fault("order", "changes_with_order", {"reading": reading, **shown})
    if asker.is_open_by_schema and not is_told:
        return Fault("order", "cannot_be_told", {})
    return None


def _unread(asker: _Asker) -> Fault | None:
    error = asker.probes.error
    return Fault("unparsed", "", {"error": error}) if error else None


def _emptiness(asker: _Asker) -> Fault | None:
    rows = asker.execution.rows
    return Fault("empty", "only_nulls" if rows else "no_rows", {}) if is_empty(rows) else None


def is_empty(rows: Iterable[Row]) -> bool:
    """Whether a result says nothing: no row, or no value but NULL.

    >>> is_empty([]), is_empty([(None, None)]), is_empty([(None, 0)])
    (True, True, False)
    """
    return all(value is None for row in rows for value in row)


Search: TypeAlias = Callable[[_Asker], Fault | None]
FAULTS: tuple[Search, ...] = (
    _failure,
    _volatile,
    _open_column,
    _open_cut,
    _changing_result,
    _unread,
    _emptiness,
)
"""The first that is found says why a gold cannot judge; an empty result is one that is defined."""
PLAIN_FAULTS: tuple[Search, ...] = (_failure, _volatile, _emptiness)
"""Those of a query that the order of rows cannot change."""


def _folded(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with one spelling for texts that NOCASE or RTRIM takes for equal."""
    return tuple(
        tuple(value.rstrip().casefold() if isinstance(value, str) else value for value in row)
        for row in rows
    )


def _tie(tied: Sequence[Row], returned: Sequence[Row]) -> FaultWitness:
    """Two rows with the same sort keys, of which one made the cut."""
    left_out = Counter(tied) - Counter(returned)
    pair = next((kept, row) for kept in returned for row in left_out if row != kept)
    return {
        "tied_rows": [shown_row(row) for row in pair],
        "num_tied": len(tied),
        "num_returned": len(returned),
    }


def _differing(columns: Sequence[str], row: Row) -> FaultWitness:
    """Two values of the first column that has several in the group, from a row of its probe."""
    for column, low, high, has_null in zip(columns, row[::3], row[1::3], row[2::3], strict=True):
        if low != high or (has_null and low is not None):
            return {"column": column, "values": shown_row((low, high if low != high else None))}
    # a collation takes the values for equal
    return {"column": columns[0], "values": shown_row(row[:2])}
