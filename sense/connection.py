"""Open a SQLite file so that nothing can change it, and say clearly why one cannot be opened."""

import difflib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

import apsw

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


def open_read_only(db_path: str | Path) -> "ReadOnlyConnection":
    """A new connection that can read `db_path` and do nothing else; close it after use.

    The file is opened as immutable, so nothing is written beside it either. A file with unfinished
    changes beside it (`-wal`, `-journal`) is refused, since an immutable reader would not see them.
    Limits on steps and time are not set. Raises DatabaseError.
    """
    path = Path(db_path)
    _check_file(path)
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
    try:
        connection = ReadOnlyConnection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except DAMAGE as error:
        raise DatabaseError(
            f"{path} cannot be read as a SQLite database: {error}. It is damaged, cut short or "
            "encrypted: restore it from its source, or decrypt it first."
        ) from error
    connection.restrict()
    return connection


class ReadOnlyConnection(apsw.Connection):
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


_cache = threading.local()


def cached_connection(path: Path) -> ReadOnlyConnection:
    """This thread's open connection to the file as it is now, in this process."""
    connections: OrderedDict[tuple[object, ...], ReadOnlyConnection]
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
