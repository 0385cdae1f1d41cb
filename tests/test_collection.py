"""sense.strong_set.collection: databases that are given or invented, checked, and published."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from conftest import WORLD_SCRIPT, write_database

from sense.database import database_sha256
from sense.strong_set.collection import (
    Database,
    database_files,
    database_rows,
    given_databases,
    invented_databases,
    num_rows,
    unusable_databases,
)


def damaged(path: Path) -> Path:
    """A database whose schema reads well and whose rows do not."""
    rows = ", ".join(f"({i}, 'name {i}')" for i in range(5_000))
    write_database(path, f"CREATE TABLE t (id INTEGER, name TEXT); INSERT INTO t VALUES {rows};")
    data = bytearray(path.read_bytes())
    data[8192:-8192] = b"\xff" * (len(data) - 16384)
    path.write_bytes(data)
    return path


def test_unusable_databases_are_told_apart(world: Path, tmp_path: Path) -> None:
    empty = write_database(tmp_path / "empty.sqlite", "CREATE TABLE t (a);")
    bare = write_database(tmp_path / "bare.sqlite", "CREATE VIEW v AS SELECT 1;")
    text = tmp_path / "text.sqlite"
    text.write_text("no database")
    nothing = tmp_path / "nothing.sqlite"
    nothing.touch()
    paths = {path.stem: path for path in (world, empty, bare, text, nothing)}
    faults = unusable_databases(paths)
    assert {db_id: fault.reason for db_id, fault in faults.items()} == {
        "empty": "database_empty",
        "bare": "database_empty",
        "text": "database_corrupt",
        "nothing": "database_empty",
    }
    assert "is not a SQLite database: it starts with" in faults["text"].detail
    del paths["world"]
    with pytest.raises(ValueError, match=r"none of the 4 databases can be used: 'empty' \(databa"):
        unusable_databases(paths)


def test_unfinished_changes_are_told_with_what_ends_them(world: Path) -> None:
    with closing(apsw.Connection(str(world))) as writer:
        writer.execute("PRAGMA journal_mode = WAL; CREATE TABLE added (a)").fetchall()
        with pytest.raises(ValueError, match=r"unfinished changes in .*-wal. Close the program"):
            unusable_databases({"world": world})


def test_several_databases_are_never_shared_by_splits(tmp_path: Path) -> None:
    paths = {
        name: write_database(tmp_path / f"{name}.sqlite", WORLD_SCRIPT) for name in ("a", "b", "c")
    }
    databases = given_databases(paths, "mit", 0.1, seed=0)
    assert Counter(found.split for found in databases) == {"train": 2, "test": 1}


def test_published_databases(world: Path, tmp_path: Path) -> None:
    rows = ", ".join(f"({i})" for i in range(40_000))
    large = write_database(
        tmp_path / "large.sqlite", f"CREATE TABLE t (a); INSERT INTO t VALUES {rows};"
    )
    found = [Database(path.stem, str(path), "", "mit", "train") for path in (world, large)]
    digests = {"world": "1", "large": "2"}
    small_row, large_row = database_rows(found, digests, "grammar")
    assert small_row["script"].startswith("CREATE TABLE country")
    assert (large_row["script"], large_row["num_rows"]) == ("", 40_000)
    assert (small_row["num_tables"], small_row["num_rows"], small_row["db_sha256"]) == (2, 14, "1")
    assert database_files(found) == {"databases/large/large.sqlite": str(large)}


def test_views_are_not_counted_as_tables(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "x.sqlite", 'CREATE TABLE "odd ""name" (a); CREATE VIEW v AS SELECT 1;'
    )
    assert num_rows(path) == {'odd "name': 0}


def test_invented_databases_test_on_domains_of_their_own(tmp_path: Path) -> None:
    found = invented_databases(6, 0.34, 0, 0.0, tmp_path, num_workers=0)
    by_split = {name: {d.domain for d in found if d.split == name} for name in ("train", "test")}
    assert len(found) == 6
    assert by_split["test"] and not by_split["train"] & by_split["test"]
    assert all(Path(d.path).is_file() for d in found)


def test_a_small_share_holds_out_one_invented_database(tmp_path: Path) -> None:
    found = invented_databases(3, 0.05, 0, 0.0, tmp_path, num_workers=0)
    assert [database.split for database in found] == ["train", "train", "test"]


def test_one_invented_database_serves_both_splits(tmp_path: Path) -> None:
    [found] = invented_databases(1, 0.05, 0, 0.0, tmp_path, num_workers=0)
    assert found.split == ""


def test_invented_databases_of_other_settings_are_built_anew(tmp_path: Path) -> None:
    plain, again, renamed = (
        invented_databases(1, 0.0, 0, share, tmp_path, num_workers=0) for share in (0.0, 0.0, 1.0)
    )
    assert plain == again
    assert plain[0].db_id == renamed[0].db_id
    assert database_sha256(plain[0].path) != database_sha256(renamed[0].path)
