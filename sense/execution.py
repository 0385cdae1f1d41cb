"""Run one SQL query on a SQLite file that must not change, within limits, and say how it ended.

A query is data: whatever it does, the answer is an `Execution`. A database that cannot be read is
the caller's error: `DatabaseError`. Not protected here: one long operation inside SQLite (`instr`
on two large blobs) blinds the limits on steps and seconds; run such work in `map_in_workers`,
whose processes can be killed.
"""

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw

from sense.shown import shortened
from sense.sqlite.connection import DAMAGE, ReadOnlyConnection, cached_connection
from sense.sqlite.connection import DatabaseError as DatabaseError
from sense.sqlite.connection import open_read_only as open_read_only
from sense.sqlite.file_state import file_state
from sense.workers import OverrunError as OverrunError
from sense.workers import WorkerFailure as WorkerFailure
from sense.workers import map_in_workers as map_in_workers

Status: TypeAlias = Literal["ok", "error", "refused", "limit", "crash"]
"""`error`: SQLite rejects the query; `refused`: we do not run it; `limit`: it did not finish within
the limits; `crash`: the worker that ran it died (given by callers of `map_in_workers` only)."""

Row: TypeAlias = tuple[Any, ...]

STEPS_PER_CHECK = 1000
MAX_READS = 3  # of one query on a file that changes meanwhile
SPACE = " \t\r\n\f"
BYTES_PER_VALUE = 8
"""Of its place in a row: empty texts and blobs take memory too."""
MAX_VALUE_BYTES = 1_000_000_000  # SQLite's own default
MIN_VALUE_BYTES = 1_000_000  # SQLITE_LIMIT_LENGTH also bounds the SQL text
LONG_PATTERN = "LIKE or GLOB pattern too complex"
"""What SQLite says beyond the only limit of ours that has no error of its own."""


@dataclass(frozen=True)
class Limits:
    """What one query may use; 0 = off.

    Steps decide, because they do not depend on the machine; the others are backstops.
    """

    max_steps: int = 100_000_000
    """SQLite virtual-machine steps, checked every thousand; 100 million take 2 to 10 seconds."""
    max_seconds: float = 30.0
    max_rows: int = 1_000_000
    max_result_bytes: int = 64_000_000
    """Of all values, 8 each and the length of texts; also the most that one may have, but 1 MB."""
    max_heap_bytes: int = 1_000_000_000
    """SQLite's memory in this whole process while the query runs, beyond what open connections and
    copies of databases held before it, so that an end does not depend on what ran before."""
    raises_at_backstop: bool = False
    """Whether time or memory raise OverrunError instead of ending in a status."""


@dataclass(frozen=True)
class Execution:
    """How one query ended."""

    status: Status
    rows: tuple[Row, ...] = ()
    """Empty unless the status is `ok`."""
    columns: tuple[str, ...] = ()
    """Column names, known even when there are no rows."""
    steps: int = 0
    """Virtual-machine steps: equal on every machine with the same SQLite, file and text."""
    seconds: float = 0.0
    error: str = ""
    """Why the status is not `ok`."""
    invalid_text: bool = False
    """A text value was not UTF-8; its bad bytes stand in `rows` as `\\xNN`."""
    rows_without_bad_bytes: tuple[Row, ...] = ()
    """`rows` as a program has them that drops such bytes; empty unless there are any."""


DEFAULT_LIMITS = Limits()
WORKER_LIMITS = replace(DEFAULT_LIMITS, raises_at_backstop=True)
"""For what runs in `map_in_workers`, which tries once more, alone, what overran."""


def execute(
    db_path: str | Path, sql: str, limits: Limits = DEFAULT_LIMITS, *, backwards: bool = False
) -> Execution:
    r"""How `sql` ends on the file at `db_path`, which is never written.

    Runs in this process. Exactly one statement that only reads; trailing semicolons and comments
    are fine. Text in double quotes that names no column is a string, as SQLite has it. Text that is
    not valid UTF-8 comes back with its bad bytes written as `\xNN`. Connections stay open and are
    reused as long as the file does not change. backwards: SQLite reads from the end what no ORDER
    BY orders, which shows whether the result depends on it. Raises DatabaseError, and OverrunError
    where `limits` ask for it.

    >>> import sqlite3, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    >>> connection = sqlite3.connect(path)
    >>> _ = connection.execute("CREATE TABLE pet AS SELECT 'Rex' AS name, 3 AS age")
    >>> connection.commit()
    >>> execute(path, "SELECT name, age FROM pet").rows
    (('Rex', 3),)
    >>> execute(path, "DROP TABLE pet").status
    'refused'
    """
    for _ in range(MAX_READS):
        connection, state = cached_connection(db_path)
        try:
            execution = execute_on(connection, sql, limits, backwards=backwards)
        except DAMAGE as error:
            if file_state(db_path) == state:
                raise DatabaseError(
                    f"{db_path} is damaged: {error}, while running {shortened(sql)!r}. "
                    "Restore the file from its source."
                ) from error
        else:
            if file_state(db_path) == state:
                return execution
    raise DatabaseError(
        f"{db_path} changed while it was read, {MAX_READS} times. Close the program that writes "
        "it, or copy the file and read the copy."
    )


def execute_on(
    connection: ReadOnlyConnection, sql: str, limits: Limits, *, backwards: bool = False
) -> Execution:
    """`execute` on an open connection; errors that blame the file are raised as apsw has them."""
    start = time.perf_counter()
    connection.config(apsw.SQLITE_DBCONFIG_REVERSE_SCANORDER, int(backwards))
    with heap_limit(limits.max_heap_bytes):
        run = _Run(connection, limits)
        execution = run.result(sql)
        if execution.invalid_text:
            execution = _read_as_bytes(run, _Run(connection, limits))
    return replace(execution, seconds=time.perf_counter() - start)


class _Run:
    """One statement on its way through SQLite."""

    def __init__(self, connection: ReadOnlyConnection, limits: Limits) -> None:
        self.connection = connection
        self.limits = limits
        self.statement = ""
        self.columns: tuple[str, ...] = ()
        self.overrun = ""
        self.is_late = False
        self.steps = 0
        self.checks = 0
        self.deadline = time.perf_counter() + limits.max_seconds

    def result(self, sql: str) -> Execution:
        """How `sql` ends; errors that blame the file are raised."""
        connection = self.connection
        connection.refusal = ""
        if "\0" in sql:
            return self._ended("error", "the text holds a NUL character")
        longest_value = max(self.limits.max_result_bytes or MAX_VALUE_BYTES, MIN_VALUE_BYTES)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, longest_value)
        connection.exec_trace = self._accept
        connection.set_progress_handler(self._check, self._interval())
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._count_steps)
        cursor = connection.cursor()
        try:
            cursor.execute(sql, can_cache=False)
            rows = self._fetch(cursor)
        except (apsw.InterruptError, apsw.TooBigError, apsw.NoMemError) as error:
            is_backstop = self.is_late or isinstance(error, apsw.NoMemError)
            if is_backstop and self.limits.raises_at_backstop:
                raise OverrunError(self.overrun or str(error)) from error
            return self._ended("limit", self.overrun or str(error))
        except DAMAGE:
            raise
        except UnicodeDecodeError:
            return replace(self._ended("error", "text is not valid UTF-8"), invalid_text=True)
        except (apsw.Error, UnicodeEncodeError) as error:
            if connection.refusal:
                return self._ended("refused", f"only reading is allowed, not {connection.refusal}")
            if LONG_PATTERN in str(error):
                return self._ended("limit", str(error))
            return self._ended("error", str(error))
        finally:
            cursor.close(True)
            connection.trace_v2(0, None)
            connection.set_progress_handler(None)
            connection.exec_trace = None
        if not self.statement:
            return self._ended("error", "the text holds no SQL statement")
        return Execution("ok", rows, self.columns, self.steps)

    def _accept(self, cursor: apsw.Cursor, text: str, bindings: object) -> bool:
        if not cursor.has_vdbe:  # only white space and comments
            return True
        if self.statement:
            self.connection.refusal = "more than one statement"
        elif cursor.is_explain:
            self.connection.refusal = "EXPLAIN"
        elif not cursor.is_readonly:
            self.connection.refusal = "a statement that writes"
        else:
            self.statement = text
            self.columns = tuple(column[0] for column in cursor.get_description())
            return True
        return False

    def _fetch(self, cursor: apsw.Cursor) -> tuple[Row, ...]:
        max_rows = self.limits.max_rows or sys.maxsize
        num_bytes_left = self.limits.max_result_bytes or sys.maxsize
        rows: list[Row] = []
        for row in itertools.islice(cursor, max_rows):
            num_bytes_left -= BYTES_PER_VALUE * len(row)
            for value in row:
                if value.__class__ is str or value.__class__ is bytes:  # faster than isinstance
                    num_bytes_left -= len(value)
            if num_bytes_left < 0:
                self.overrun = f"a result of more than {self.limits.max_result_bytes:,} bytes"
                raise apsw.InterruptError(self.overrun)
            rows.append(row)
        for _ in cursor:
            self.overrun = f"more than {max_rows:,} rows"
            raise apsw.InterruptError(self.overrun)
        return tuple(rows)

    def _interval(self) -> int:
        return min(STEPS_PER_CHECK, self.limits.max_steps or STEPS_PER_CHECK)

    def _check(self) -> bool:
        self.checks += 1
        limits = self.limits
        if limits.max_steps and self.checks * self._interval() > limits.max_steps:
            self.overrun = f"more than {limits.max_steps:,} steps"
        elif limits.max_seconds and time.perf_counter() > self.deadline:
            self.overrun = f"more than {limits.max_seconds:g} seconds"
            self.is_late = True
        return bool(self.overrun)

    def _count_steps(self, event: dict[str, Any]) -> None:
        self.steps += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def _ended(self, status: Status, error: str) -> Execution:
        return Execution(status, (), self.columns, self.steps, 0.0, error)


def _read_as_bytes(failed: _Run, run: _Run) -> Execution:
    """The result of a query some of whose text is not UTF-8, which apsw does not decode.

    The query runs again as the only source of one that hands text over as bytes; SQLite keeps the
    order of its rows.
    """
    names = [f"c{i}" for i in range(len(failed.columns))]
    values = [f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END" for c in names]
    flags = [f"typeof({c}) = 'text'" for c in names]
    execution = run.result(
        f"WITH r({', '.join(names)}) AS MATERIALIZED (\n{failed.statement.rstrip(';' + SPACE)}\n) "
        f"SELECT {', '.join(values + flags)} FROM r"
    )
    width = len(names)

    def decoded(errors: str) -> tuple[Row, ...]:
        return tuple(
            tuple(
                value.decode("utf-8", errors) if is_text else value
                for value, is_text in zip(row[:width], row[width:], strict=True)
            )
            for row in execution.rows
        )

    return replace(
        execution,
        rows=decoded("backslashreplace"),
        columns=failed.columns,
        invalid_text=True,
        rows_without_bad_bytes=decoded("ignore"),
    )


_heap_lock = threading.Lock()
_heap_users: list[tuple[int, int]] = []
"""The limit and SQLite's memory before the first of the queries that now run, once per query."""


@contextlib.contextmanager
def heap_limit(max_heap_bytes: int) -> Iterator[None]:
    """Bounds what SQLite takes in this process, until no query of any thread needs that any more.

    max_heap_bytes: beyond what it holds when the first of them starts; 0 = off.
    """
    if not max_heap_bytes:
        yield
        return
    with _heap_lock:
        before = _heap_users[0] if _heap_users else (apsw.hard_heap_limit(-1), apsw.memory_used())
        apsw.hard_heap_limit(before[1] + max_heap_bytes)
        _heap_users.append(before)
    try:
        yield
    finally:
        with _heap_lock:
            limit, _ = _heap_users.pop()
            if not _heap_users:
                apsw.hard_heap_limit(limit)
