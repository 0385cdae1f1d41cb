"""A SQLite file from a SQL script and back, and the file that a `db_id` stands for.

Content, not bytes, identifies a database: `database_sha256` is the SHA-256 of `database_script`,
so a file has the same digest whichever SQLite version wrote it, and anyone can check the digest of
a published script with any tool. `sense.filling.rows` makes the rows of empty tables.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from sense.shown import shortened
from sense.sqlite.file_state import kept_per_file

if TYPE_CHECKING:
    from sense.filling.rows import Filling

ALLOWED_PRAGMAS = (
    *("application_id", "data_version", "defer_foreign_keys", "encoding", "foreign_key_check"),
    *("foreign_keys", "integrity_check", "journal_mode", "locking_mode", "page_size"),
    *("synchronous", "table_info", "user_version"),
)
ALLOWED_MODULES = frozenset({"fts3", "fts4", "fts5", "rtree"})
REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
EXPECTED_FILES = "databases as <db_id>/<db_id>.sqlite, <db_id>.sqlite or <db_id>.db"


class ScriptError(ValueError):
    """A SQL script that does not build a database."""


class UnknownDatabase(LookupError):
    """A `db_id` without a database."""


class PublishedDatabase(NamedTuple):
    """A row of config `databases`."""

    db_sha256: str
    script: str
    """"" when the database is published as a file."""


def build_database(script: str, path: str | Path, max_steps: int = 1_000_000_000) -> Path:
    """The path of a new SQLite file that holds what the script creates; an older file is replaced.

    The same script gives the same bytes with the same SQLite version, and the file appears only
    when the whole script has run. max_steps: SQLite virtual-machine steps per statement, 0 = off
    (an inserted row takes about 20). Raises ScriptError naming the statement at fault, also where
    it reaches for another file, an extension or SQLite's own tables, which is refused.
    """
    connection = apsw.Connection(":memory:")
    refusals: list[str] = []
    connection.authorizer = lambda *action: _authorize(refusals, *action[:3])
    if max_steps:
        connection.set_progress_handler(lambda: True, max_steps)
    number = 0
    for number, statement in enumerate(_statements(script), 1):
        try:
            connection.execute(statement)
        except apsw.Error as error:
            reason = refusals[-1] if refusals else str(error)
            if isinstance(error, apsw.InterruptError):
                reason = f"it ran for more than {max_steps:,} steps"
            raise ScriptError(
                f"statement {number} fails: {reason}. The statement: {shortened(statement, 300)}"
            ) from error
    if not connection.getautocommit():
        raise ScriptError(
            f"the script ends inside a transaction after statement {number}; add COMMIT"
        )
    connection.authorizer = None
    _write_atomically(connection.serialize("main"), Path(path))
    connection.close()
    return Path(path)


def fill_database(
    path: str | Path,
    rows_per_table: int,
    seed: int,
    literals: Iterable[tuple[str, str, Any]] = (),
    vocabularies: Mapping[tuple[str, str], Sequence[Any]] | None = None,
) -> "Filling":
    """Fills the empty tables of a database with rows that obey its constraints; says what it did.

    A table gets fewer rows where its keys allow no more, and more where the literals need them.
    literals: (table, column, value) triples that should occur, repeated where they matter more;
    neighbours in the list share a row where they can, and the literals of one query tend to meet in
    joins. vocabularies: (table, column) -> the values to draw from. The same file, seed and
    arguments give the same bytes; the file changes only when all is done. Raises
    `sense.filling.plan.FillError` naming table, column and constraint that no generated row meets.
    """
    from sense.filling.rows import fill_tables  # reads SQL, which takes a while to load

    connection = apsw.Connection(":memory:")
    with closing(_open(path)) as source, connection.backup("main", source, "main") as backup:
        backup.step(-1)
    filling = fill_tables(connection, rows_per_table, seed, literals, vocabularies or {})
    _write_atomically(connection.serialize("main"), Path(path))
    connection.close()
    return filling


def database_script(path: str | Path, rows: bool = True) -> str:
    """SQL text that builds a database with the same content; with `rows=False` only its schema.

    Tables come first, in the order of the file, then rows, parents before children, then indexes,
    views and triggers. Left out are ANALYZE statistics, AUTOINCREMENT counters, and rowids of
    tables without INTEGER PRIMARY KEY.
    """
    from sense.sqlite.dump import script_parts

    with closing(_open(path)) as connection:
        return "".join(script_parts(connection, rows))


def database_sha256(path: str | Path) -> str:
    """SHA-256 in hex of `database_script(path)`, the identity of the database's content."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no database file at {file}; expected a SQLite file")
    return _sha256(file.resolve())


def _write_atomically(data: bytes, path: Path) -> None:
    """The file at `path` holds `data`, or what it held before when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as f:
        try:
            f.write(data)
            f.flush()
            os.fchmod(f.fileno(), 0o644)
            Path(f.name).replace(path)
        except BaseException:
            Path(f.name).unlink(missing_ok=True)
            raise


def database_paths(folder: str | Path) -> dict[str, Path]:
    """The SQLite files of a folder by `db_id`, sorted.

    Found are `<db_id>/<db_id>.sqlite` (Spider, BIRD), `<db_id>.sqlite` and `<db_id>.db`; where a
    `db_id` has several, the first of these forms wins.
    """
    root = Path(folder)
    if root.is_file():
        raise NotADirectoryError(
            f"{root} is a file; expected a folder of databases: put it into one and name that"
        )
    if not root.is_dir():
        raise FileNotFoundError(f"no folder at {root}; expected {EXPECTED_FILES}")
    paths = _database_paths(root)
    if not paths:
        raise FileNotFoundError(f"folder {root} holds no database; expected {EXPECTED_FILES}")
    return paths


def find_database(
    source: str | Path,
    db_id: str,
    cache_dir: str | Path | None = None,
    revision: str | None = None,
) -> Path:
    """The SQLite file of `db_id` in a folder, the folder of a dataset, or a dataset of the Hub.

    Files of a folder are searched first; then config `databases` of the dataset is read, and its
    script is built once under `cache_dir` (default `HF_HOME/sense`) in a folder named by
    `db_sha256`, so that a stale file is never used. Raises UnknownDatabase for a `db_id` that
    the source does not hold.
    """
    if not db_id or Path(db_id).name != db_id or db_id.startswith("."):
        raise ValueError(f"db_id {db_id!r} is no file name; expected the stem of a database file")
    root = Path(source)
    if not root.is_dir():
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) or str(source).startswith("."):
            raise FileNotFoundError(
                f"no folder at {source}; expected {EXPECTED_FILES}, or a dataset id such as "
                "'sense/strong'"
            )
        return _published(str(source), db_id, cache_dir, revision, stamp=0)
    for folder in (root, root / "databases", root / "database"):
        path = _database_paths(folder).get(db_id)
        if path:
            return path
    parquet = sorted(root.rglob("*.parquet"))
    if not parquet:
        raise unknown_database(db_id, root, database_paths(root))
    stamp = max(file.stat().st_mtime_ns for file in parquet)
    return _published(str(root), db_id, cache_dir, revision, stamp)


def unknown_database(db_id: str, source: str | Path, known: Iterable[str]) -> UnknownDatabase:
    """The error for a `db_id` that is not among the known ones; it names the closest match."""
    names = list(known)
    close = get_close_matches(db_id, names, n=1, cutoff=0) or names[:1]
    hint = f"closest match: '{close[0]}'. " if close else "it lists none. "
    return UnknownDatabase(
        f"db_id '{db_id}' has no database in {source}; {hint}Add the database or correct the name."
    )


def _authorize(refusals: list[str], action: int, first: str | None, second: str | None) -> int:
    """Denies what reaches outside the file or behind SQLite's own checks, and says so."""
    name = (first or "").lower()
    if action == apsw.SQLITE_ATTACH:
        refusals.append("it attaches or writes another file, which is refused")
    elif action == apsw.SQLITE_PRAGMA and name not in ALLOWED_PRAGMAS:
        refusals.append(f"PRAGMA {name} is refused; allowed are {', '.join(ALLOWED_PRAGMAS)}")
    elif action == apsw.SQLITE_FUNCTION and (second or "").lower() in REFUSED_FUNCTIONS:
        refusals.append(f"function {second} is refused")
    elif action == apsw.SQLITE_CREATE_VTABLE and (second or "").lower() not in ALLOWED_MODULES:
        refusals.append(f"virtual table module {second} is refused")
    else:
        return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, cut where SQLite itself says that one is complete."""
    start = 0
    while (end := script.find(";", start)) >= 0:
        while end >= 0 and not apsw.complete(script[start : end + 1]):
            end = script.find(";", end + 1)
        if end < 0:
            break
        yield script[start : end + 1].strip()
        start = end + 1
    if script[start:].strip():
        yield script[start:].strip()


def _open(path: str | Path) -> apsw.Connection:
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no database file at {file}; expected a SQLite file")
    # A file in WAL mode on a read-only disk opens only as immutable, which ignores its log.
    has_log = file.with_name(file.name + "-wal").exists()
    connection = apsw.Connection(
        f"{file.resolve().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}",
        flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error as error:
        raise ValueError(f"{file} is not a readable SQLite database: {error}") from error
    return connection


@kept_per_file(4096)
def _sha256(path: str | Path) -> str:
    from sense.sqlite.dump import script_parts

    digest = hashlib.sha256()
    with closing(_open(path)) as connection:
        for part in script_parts(connection, rows=True):
            digest.update(part.encode())
    return digest.hexdigest()


def _database_paths(root: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    if root.is_dir():
        for path in [*root.glob("*.db"), *root.glob("*.sqlite"), *root.glob("*/*.sqlite")]:
            if path.parent == root or path.parent.name == path.stem:
                paths[path.stem] = path
    return dict(sorted(paths.items()))


def _published(
    source: str, db_id: str, cache_dir: str | Path | None, revision: str | None, stamp: int
) -> Path:
    """The file of a published database, built from its script or downloaded, and checked."""
    rows = _published_databases(source, revision, stamp)
    if db_id not in rows:
        raise unknown_database(db_id, source, rows)
    row = rows[db_id]
    # The digest comes from the dataset and becomes the name of a folder.
    if not re.fullmatch("[0-9a-f]{64}", row.db_sha256):
        raise ValueError(
            f"database '{db_id}' of {source} has db_sha256 {row.db_sha256!r}; expected 64 hex "
            "digits; publish the dataset again with its builder"
        )
    if not row.script:
        path = _download(source, f"databases/{db_id}/{db_id}.sqlite", revision)
        _check_content(path, row, f"database '{db_id}' of {source}")
        return path
    path = _cache_folder(cache_dir) / row.db_sha256 / f"{db_id}.sqlite"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = build_database(row.script, Path(folder) / path.name)
            _check_content(draft, row, f"database '{db_id}' of {source}")
            draft.replace(path)
    return path


def _check_content(path: Path, row: PublishedDatabase, name: str) -> None:
    found = database_sha256(path)
    if found != row.db_sha256:
        raise ValueError(
            f"{name} has content {found}, its row says {row.db_sha256}; "
            "publish the dataset again with its builder"
        )


@lru_cache(maxsize=16)
def _published_databases(
    source: str, revision: str | None, stamp: int
) -> dict[str, PublishedDatabase]:
    from datasets import load_dataset

    splits = load_dataset(source, "databases", revision=revision)
    return {
        row["db_id"]: PublishedDatabase(row["db_sha256"], row["script"])
        for split in sorted(splits)
        for row in splits[split]
    }


def _download(source: str, file: str, revision: str | None) -> Path:
    if Path(source).is_dir():
        raise FileNotFoundError(f"folder {source} lists {file} but does not hold it")
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(source, file, repo_type="dataset", revision=revision))


def _cache_folder(cache_dir: str | Path | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "sense"
