"""A test suite: variants of each database, and which of them a gold query is judged on.

A folder holds `<db_id>/<db_id>.sqlite`, the original, variants beside it as `<db_id>/<n>.sqlite`,
and `<db_id>/index.json`, which says what each gold uses. The official suites have the same layout
without an index: there every file of the folder counts for every gold. `sense.suites` makes
suites. Source of the idea: Zhong et al. 2020, "Semantic Evaluation for Text-to-SQL with Distilled
Test Suites".
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sense.database import unknown_database
from sense.facts import file_sha256
from sense.shown import first_few

INDEX_FILE = "index.json"
EXPECTED_FOLDER = "database variants as <db_id>/<name>.sqlite, the original as <db_id>.sqlite"


@dataclass(frozen=True)
class DatabaseSuite:
    """The original of one database and its variants."""

    db_id: str
    paths: tuple[Path, ...]
    """The original first."""
    golds: Mapping[str, tuple[int, ...]] | None = None
    """`gold_key` of a gold -> the places in `paths` of its instances, those of all golds that share
    the key; None without an index."""
    digest: str = ""
    """SHA-256 of the index, which holds that of each instance; "" where there is no index."""

    def of(self, gold_sql: str) -> tuple[Path, ...]:
        """The instances of a gold, the original first; all of them for one that has no entry."""
        used = self.golds.get(gold_key(gold_sql)) if self.golds is not None else None
        return self.paths if used is None else tuple(self.paths[i] for i in used)


@dataclass(frozen=True)
class Suite:
    """A folder of database variants."""

    folder: Path
    databases: Mapping[str, DatabaseSuite]
    """By `db_id`, sorted."""

    def paths(self, db_id: str, gold_sql: str) -> tuple[Path, ...]:
        """The files on which answers to this gold are judged, the original first.

        Raises UnknownDatabase for a `db_id` that the suite does not hold.
        """
        if db_id not in self.databases:
            raise unknown_database(db_id, self.folder, self.databases)
        return self.databases[db_id].of(gold_sql)

    def blamed(self, db_id: str, gold_sql: str, witness: str) -> Path:
        """The instance on which an answer was found to be wrong, as the JSON of its witness says.

        The original where it names none.
        """
        paths = self.paths(db_id, gold_sql)
        name = json.loads(witness).get("database", "") if witness else ""
        return next((path for path in paths if path.name == name), paths[0])

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content: of the indexes, or of the files where there are none."""
        digest = hashlib.sha256()
        for db_id, database in self.databases.items():
            parts = [database.digest] if database.digest else map(file_sha256, database.paths)
            digest.update(f"{db_id} {' '.join(parts)}\n".encode())
        return digest.hexdigest()


def read_suite(folder: str | Path) -> Suite:
    """The suite in a folder, ours or an official one; files are listed, not opened.

    Raises FileNotFoundError where there is none or an instance is missing, ValueError for an index
    that this version cannot read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder at {root}; expected {EXPECTED_FOLDER}")
    found = (_read_database(path) for path in sorted(root.iterdir()) if path.is_dir())
    databases = {database.db_id: database for database in found if database}
    if not databases:
        raise FileNotFoundError(f"folder {root} holds no suite; expected {EXPECTED_FOLDER}")
    return Suite(root, databases)


def gold_key(sql: str) -> str:
    """What golds share whose text differs only in white space, kind of quotes or a semicolon.

    Sets of the same questions spell golds in such ways; what is used is still judged by the strict
    rule, so that golds which differ within a string do no harm by sharing their instances.

    >>> gold_key('SELECT  name FROM t WHERE a = "x" ;')
    "SELECT name FROM t WHERE a = 'x'"
    """
    return " ".join(sql.replace('"', "'").split()).rstrip("; ")


def _read_database(folder: Path) -> DatabaseSuite | None:
    """The suite of one database; None for a folder of other things."""
    if folder.name.startswith("."):
        return None
    index = folder / INDEX_FILE
    if index.is_file():
        return _read_indexed(folder, index)
    files = sorted(folder.glob("*.sqlite"))
    original = folder / f"{folder.name}.sqlite"
    if not files:
        return None
    if original not in files:
        raise FileNotFoundError(
            f"{folder} has {len(files):,} SQLite files but not the original, {original.name}; "
            f"expected {EXPECTED_FOLDER}. Add the original database"
        )
    return DatabaseSuite(folder.name, (original, *(path for path in files if path != original)))


def _read_indexed(folder: Path, index: Path) -> DatabaseSuite:
    text = index.read_text("utf-8")
    try:
        content: dict[str, Any] = json.loads(text)
        paths = tuple(folder / instance["file"] for instance in content["instances"])
        golds: dict[str, tuple[int, ...]] = {}
        for sql, entry in content["golds"].items():
            used = {*golds.get(gold_key(sql), ()), *entry["instances"]}
            golds[gold_key(sql)] = tuple(sorted(used))
        is_complete = all(0 <= i < len(paths) for used in golds.values() for i in used)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is not an index of this version ({error}); make the suite again with "
            "builders/suite.py"
        ) from error
    if not paths or not is_complete:
        raise ValueError(
            f"{index} lists {len(paths):,} instances and golds that use others; make the suite "
            "again with builders/suite.py"
        )
    if missing := [path.name for path in paths if not path.is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {first_few(missing)}, which its {INDEX_FILE} lists "
            f"({len(missing):,} of {len(paths):,} instances); copy the whole folder or make the "
            "suite again with builders/suite.py"
        )
    return DatabaseSuite(folder.name, paths, golds, hashlib.sha256(text.encode()).hexdigest())
