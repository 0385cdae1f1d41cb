"""Open a SQLite file so that nothing can change it, and say clearly why one cannot be opened."""

import difflib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import apsw

from sense.sqlite.file_state import FileState, file_state

MAX_CACHED_CONNECTIONS = 16  # per thread; a file handle and a few cached pages each
SQLITE_MAGIC = b"SQLite format 3\x00"
ALLOWED_ACTIONS = frozenset(
    {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
)
ALLOWED_PRAGMAS = frozenset({"data_version", "page_size"})  # full-text tables ask for them
_ALLOWED_FUNCTIONS = """
-> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce concat
concat_ws cos cosh count cume_dist current_date current_time current_timestamp date datetime degrees
dense_rank exp first_value floor format glob group_concat hex highlight if ifnull iif instr json
json_array json_array_insert json_array_length json_error_position json_extract
json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote
json_remove json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert
jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch
jsonb_remove jsonb_replace jsonb_set julianday lag last_insert_rowid last_value lead length like
likelihood likely ln log log10 log2 lower ltrim match matchinfo max median min mod nth_value ntile
nullif octet_length offsets percent_rank percentile percentile_cont percentile_disc pi pow power
printf quote radians random randomblob rank replace round row_number rtrim sign sin sinh snippet
sqlite_version sqrt strftime string_agg substr substring subtype sum tan tanh time timediff total
total_changes trim trunc typeof unhex unicode unistr unistr_quote unixepoch unlikely upper zeroblob
"""
ALLOWED_FUNCTIONS = frozenset(_ALLOWED_FUNCTIONS.split())
"""Those of SQLite that compute a value from their arguments, the clock or chance, and no more."""
REFUSED_TABLES = frozenset({"dbstat", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used"})
RUNTIME_LIMITS = {
    # SQLite's own defaults, so that no build changes what compiles.
    apsw.SQLITE_LIMIT_COLUMN: 2_000,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 500,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 1_000,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 1_000,
    apsw.SQLITE_LIMIT_PARSER_DEPTH: 2_500,
    # Far above what a question needs and far below SQLite's; beyond them a query ends as `limit`.
    apsw.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,  # bytes
    apsw.SQLITE_LIMIT_VDBE_OP: 1_000_000,  # of 24 bytes; a join of ten tables has hundreds
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,  # bytes
    # Nothing that reads needs these; a hundred parameters are enough for our own queries.
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}
SWITCHES = {
    apsw.SQLITE_DBCONFIG_DEFENSIVE: 1,
    apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA: 0,
    apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE: 0,
    apsw.SQLITE_DBCONFIG_DQS_DML: 1,  # of Spider dev's golds 213 write text in double quotes
    apsw.SQLITE_DBCONFIG_DQS_DDL: 1,
}
PRAGMAS = (
    "query_only = ON",
    "cell_size_check = ON",  # a damaged page is an error sooner
    "mmap_size = 0",  # a file cut short while mapped into memory would kill the process
    "temp_store = MEMORY",  # sorting must count as heap, not fill a disk
)
DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.CantOpenError)
FOREIGN_FILES = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"PK", "a zip archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"<", "a web page or XML; the download went wrong"),
)


class DatabaseError(Exception):
    """The database file cannot be read: missing, empty, damaged, encrypted or being written."""


def open_read_only(db_path: str | Path) -> "ReadOnlyConnection":
    """A new connection that can read `db_path` and do nothing else; close it after use.

    The file is opened as immutable, so nothing is written beside it either. A file with unfinished
    changes beside it (`-wal`, `-journal`) is refused, since an immutable reader would not see them.
    What a statement may do and call is on a list, SQLite's run-time limits are set; limits on steps
    and time are not. Raises DatabaseError.
    """
    path = Path(db_path)
    _check_file(path)
    uri = f"file://{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
    try:
        connection = ReadOnlyConnection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error as error:
        raise DatabaseError(
            f"{path} cannot be read as a SQLite database: {error}. It is damaged, cut short or "
            "encrypted: restore it from its source, or decrypt it first."
        ) from error
    connection.restrict()
    return connection


@contextmanager
def reading(db_path: str | Path) -> Iterator["ReadOnlyConnection"]:
    """`open_read_only`, closed at the end; damage that a query meets raises DatabaseError too."""
    with closing(open_read_only(db_path)) as connection:
        try:
            yield connection
        except DAMAGE as error:
            raise DatabaseError(
                f"{db_path} is damaged: {error}. Restore the file from its source."
            ) from error


class ReadOnlyConnection(apsw.Connection):
    """A connection that remembers what it last refused."""

    refusal: str = ""

    def restrict(self) -> None:
        """Allow reading only, from now on."""
        for pragma in PRAGMAS:
            self.execute(f"PRAGMA {pragma}")
        for switch, value in SWITCHES.items():
            self.config(switch, value)
        for limit, value in RUNTIME_LIMITS.items():
            self.limit(limit, value)
        self.authorizer = self._authorize

    def _authorize(
        self, action: int, first: str | None, second: str | None, *context: str | None
    ) -> int:
        if action == apsw.SQLITE_FUNCTION:
            allowed = (second or "").lower() in ALLOWED_FUNCTIONS
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


_cache = threading.local()


class _Opened(NamedTuple):
    """A connection and what was known when it was opened."""

    connection: ReadOnlyConnection
    is_settled: bool
    """That of the file's state when it was opened."""
    has_wal: bool
    """Whether its writers put changes into another file first."""


def cached_connection(path: str | Path) -> tuple[ReadOnlyConnection, FileState | None]:
    """This thread's open connection to the file as it is now, in this process, and that state."""
    opened: OrderedDict[tuple[object, ...], _Opened]
    opened = _cache.__dict__.setdefault("opened", OrderedDict())
    state = file_state(path)
    key = (os.fspath(path), state, os.getpid())
    known = opened.get(key)
    if known and known.has_wal:
        _check_journals(Path(path))
    if known and not known.is_settled:
        opened.pop(key).connection.close()
        known = None
    if not known:
        is_settled = state is not None and state.is_settled
        connection = open_read_only(path)
        opened[key] = known = _Opened(connection, is_settled, _has_wal(Path(path)))
        if len(opened) > MAX_CACHED_CONNECTIONS:
            opened.popitem(last=False)[1].connection.close()
    opened.move_to_end(key)
    return known.connection, state


def forget_connections() -> None:
    """Closes this thread's open connections; a process that has none may be copied for workers."""
    for opened in _cache.__dict__.pop("opened", {}).values():
        opened.connection.close()


def _check_file(path: Path) -> None:
    if not path.exists():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"; closest match: '{near[0]}'" if near else ""
        raise DatabaseError(f"no database file at {path}{hint}. Correct the path or add the file.")
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder, expected a SQLite file. Name the file inside it.")
    if not path.is_file():
        raise DatabaseError(f"{path} is a device or a pipe. Copy what it gives into a file.")
    try:
        with path.open("rb") as file:
            start = file.read(100)
    except OSError as error:
        raise DatabaseError(f"{path} cannot be read: {error.strerror}. Change its mode.") from error
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
    _check_journals(path)


def _check_journals(path: Path) -> None:
    """Raises DatabaseError for changes that only a writer could bring into the file."""
    target = path.resolve()  # SQLite keeps a journal beside the file that a link points to
    for suffix in ("-wal", "-journal"):
        beside = target.with_name(target.name + suffix)
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


def _has_wal(path: Path) -> bool:
    """Whether the header says that writers use a write-ahead log: its read version is 2."""
    with path.open("rb") as file:
        return file.read(20)[19:] == b"\x02"
