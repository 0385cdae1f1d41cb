"""Run one SQL query on a SQLite file that must not change, within limits, and say how it ended.

A query is data: whatever it does, the answer is an `Execution`. A database that cannot be read is
the caller's error: `DatabaseError`. Not protected here: one long operation inside SQLite (`instr`
on two large blobs) blinds the limits on steps and seconds; run such work in `map_in_workers`,
whose processes can be killed.
"""

import contextlib
import difflib
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import apsw

from sense.workers import WorkerFailure as WorkerFailure
from sense.workers import map_in_workers as map_in_workers

Status: TypeAlias = Literal["ok", "error", "refused", "limit", "crash"]
"""`error`: SQLite rejects the query; `refused`: we do not run it; `limit`: it did not finish within
the limits; `crash`: the worker that ran it died (given by callers of `map_in_workers` only)."""

Row: TypeAlias = tuple[Any, ...]

STEPS_PER_CHECK = 1000
SPACE = " \t\r\n\f"
MAX_VALUE_BYTES = 1_000_000_000  # SQLite's own default
MIN_VALUE_BYTES = 1_000_000  # SQLITE_LIMIT_LENGTH also bounds the SQL text
MAX_CACHED_CONNECTIONS = 16  # per thread; a file handle and a few cached pages each
SQLITE_MAGIC = b"SQLite format 3\x00"

ALLOWED_ACTIONS = frozenset(
    {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
)
ALLOWED_PRAGMAS = frozenset({"data_version", "page_size"})  # full-text tables ask for them
REFUSED_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "sqlite_log"}
)
REFUSED_TABLES = frozenset({"dbstat", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used"})


DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.CantOpenError)
FOREIGN_FILES = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"PK", "a zip archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"<", "a web page or XML; the download went wrong"),
)


class DatabaseError(Exception):
    """The database file cannot be read: missing, empty, damaged, encrypted or being written."""


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
    """Of all values together, 8 for a number; also the most that one value may have, but 1 MB."""
    max_heap_bytes: int = 1_000_000_000
    """SQLite's memory in this whole process while the query runs."""


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


DEFAULT_LIMITS = Limits()


def execute(db_path: str | Path, sql: str, limits: Limits = DEFAULT_LIMITS) -> Execution:
    r"""How `sql` ends on the file at `db_path`, which is never written.

    Runs in this process. Exactly one statement that only reads; trailing semicolons and comments
    are fine. Text in double quotes that names no column is a string, as SQLite has it. Text that is
    not valid UTF-8 comes back with its bad bytes written as `\xNN`. Connections stay open and are
    reused as long as the file does not change. Raises DatabaseError.

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
    connection = _cached_connection(Path(db_path))
    start = time.perf_counter()
    try:
        with _heap_limit(limits.max_heap_bytes):
            run = _Run(connection, limits)
            execution = run.result(sql)
            if execution.invalid_text:
                execution = _read_as_bytes(run, _Run(connection, limits))
    except DAMAGE as error:
        raise DatabaseError(
            f"{db_path} is damaged: {error}, while running {_shortened(sql)}. "
            "Restore the file from its source."
        ) from error
    return replace(execution, seconds=time.perf_counter() - start)


def open_read_only(db_path: str | Path) -> "_ReadOnlyConnection":
    """A new connection that can read `db_path` and do nothing else; close it after use.

    The file is opened as immutable, so nothing is written beside it either. A file with unfinished
    changes beside it (`-wal`, `-journal`) is refused, since an immutable reader would not see them.
    Limits on steps and time are not set. Raises DatabaseError.
    """
    path = Path(db_path)
    _check_file(path)
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
    try:
        connection = _ReadOnlyConnection(
            uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except DAMAGE as error:
        raise DatabaseError(
            f"{path} cannot be read as a SQLite database: {error}. It is damaged, cut short or "
            "encrypted: restore it from its source, or decrypt it first."
        ) from error
    connection.restrict()
    return connection


class _ReadOnlyConnection(apsw.Connection):
    """A connection that remembers what it last refused."""

    refusal: str = ""

    def restrict(self) -> None:
        self.execute("PRAGMA temp_store = MEMORY")  # sorting must count as heap, not fill a disk
        self.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        self.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        self.config(apsw.SQLITE_DBCONFIG_DQS_DML, 1)
        self.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 1)
        self.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        self.limit(apsw.SQLITE_LIMIT_WORKER_THREADS, 0)
        self.limit(apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
        self.authorizer = self._authorize

    def _authorize(
        self, action: int, first: str | None, second: str | None, *context: str | None
    ) -> int:
        if action == apsw.SQLITE_FUNCTION:
            allowed = (second or "").lower() not in REFUSED_FUNCTIONS
        elif action == apsw.SQLITE_READ:
            table = (first or "").lower()
            allowed = table not in REFUSED_TABLES and not table.startswith("pragma_")
        elif action == apsw.SQLITE_PRAGMA:
            allowed = first in ALLOWED_PRAGMAS and second is None
        else:
            allowed = action in ALLOWED_ACTIONS
        if allowed:
            return apsw.SQLITE_OK
        name = apsw.mapping_authorizer_function[action]
        what = " ".join(str(part) for part in (first, second) if part)
        self.refusal = f"{str(name).removeprefix('SQLITE_')} {what}".strip()
        return apsw.SQLITE_DENY


class _Run:
    """One statement on its way through SQLite."""

    def __init__(self, connection: _ReadOnlyConnection, limits: Limits) -> None:
        self.connection = connection
        self.limits = limits
        self.statement = ""
        self.columns: tuple[str, ...] = ()
        self.overrun = ""
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
            return self._ended("limit", self.overrun or str(error))
        except DAMAGE:
            raise
        except UnicodeDecodeError:
            return replace(self._ended("error", "text is not valid UTF-8"), invalid_text=True)
        except (apsw.Error, UnicodeEncodeError) as error:
            if connection.refusal:
                return self._ended("refused", f"only reading is allowed, not {connection.refusal}")
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
        max_bytes = self.limits.max_result_bytes or sys.maxsize
        num_bytes = 0
        rows: list[Row] = []
        for row in cursor:
            rows.append(row)
            for value in row:
                num_bytes += len(value) if isinstance(value, str | bytes) else 8
            if len(rows) > max_rows or num_bytes > max_bytes:
                self.overrun = (
                    f"more than {max_rows:,} rows"
                    if len(rows) > max_rows
                    else f"a result of more than {max_bytes:,} bytes"
                )
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
    rows = tuple(
        tuple(
            value.decode("utf-8", "backslashreplace") if is_text else value
            for value, is_text in zip(row[:width], row[width:], strict=True)
        )
        for row in execution.rows
    )
    return replace(execution, rows=rows, columns=failed.columns, invalid_text=True)


_heap_lock = threading.Lock()
_heap_users: list[int] = []
"""The heap limit before the first of the queries that now run, once per query."""


@contextlib.contextmanager
def _heap_limit(max_heap_bytes: int) -> Iterator[None]:
    """Bounds SQLite's memory in this process until no query of any thread needs that any more."""
    if not max_heap_bytes:
        yield
        return
    with _heap_lock:
        before = apsw.hard_heap_limit(max_heap_bytes)
        _heap_users.append(_heap_users[0] if _heap_users else before)
    try:
        yield
    finally:
        with _heap_lock:
            before = _heap_users.pop()
            if not _heap_users:
                apsw.hard_heap_limit(before)


_cache = threading.local()


def _cached_connection(path: Path) -> _ReadOnlyConnection:
    """This thread's open connection to the file as it is now, in this process."""
    connections: OrderedDict[tuple[object, ...], _ReadOnlyConnection]
    connections = _cache.__dict__.setdefault("connections", OrderedDict())
    try:
        stat = os.stat(path)  # noqa: PTH116  (five times as fast as Path.stat)
    except OSError:
        _check_file(path)
        raise
    key = (os.fspath(path), stat.st_mtime_ns, stat.st_size, stat.st_ino, os.getpid())
    if key not in connections:
        connections[key] = open_read_only(path)
        if len(connections) > MAX_CACHED_CONNECTIONS:
            connections.popitem(last=False)[1].close()
    connections.move_to_end(key)
    return connections[key]


def _check_file(path: Path) -> None:
    if not path.exists():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"; closest match: '{near[0]}'" if near else ""
        raise DatabaseError(f"no database file at {path}{hint}. Correct the path or add the file.")
    if not path.is_file():
        raise DatabaseError(f"{path} is a folder, expected a SQLite file. Name the file inside it.")
    with path.open("rb") as file:
        start = file.read(100)
    if not start:
        raise DatabaseError(
            f"{path} is empty (0 bytes), as a mistyped path leaves it behind. "
            "Restore the file from its source."
        )
    if not start.startswith(SQLITE_MAGIC):
        kinds = [kind for magic, kind in FOREIGN_FILES if start.startswith(magic)]
        kind = kinds[0] if kinds else "of another format, damaged or encrypted"
        raise DatabaseError(
            f"{path} is not a SQLite database: it starts with {start[:16]!r}. It is {kind}."
        )
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if _is_live(beside):
            raise DatabaseError(
                f"{path} has unfinished changes in {beside.name}. Close the program that "
                f"writes it, or run `sqlite3 {path.name} 'PRAGMA journal_mode = DELETE'` once."
            )


def _is_live(beside: Path) -> bool:
    """A journal is dead when it is empty or starts with a zero, as SQLite leaves a finished one."""
    try:
        with beside.open("rb") as file:
            return file.read(1) not in (b"", b"\0")
    except FileNotFoundError:
        return False


def _shortened(sql: str) -> str:
    return repr(sql if len(sql) <= 80 else sql[:77] + "...")
