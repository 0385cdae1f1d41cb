"""A file is opened so that nothing changes it, read as it is now, or refused with the reason."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from conftest import WORLD_SCRIPT, write_database

from sense import execution
from sense.execution import execute
from sense.sqlite import file_state
from sense.sqlite.connection import (
    ALLOWED_FUNCTIONS,
    RUNTIME_LIMITS,
    DatabaseError,
    open_read_only,
)

REFUSED_FUNCTIONS = {
    "load_extension", "fts3_tokenizer", "optimize", "sqlite_log", "sqlite_source_id",
    "sqlite_compileoption_get", "sqlite_compileoption_used", "rtreecheck", "rtreedepth",
    "rtreenode", "fts5", "fts5_get_locale", "fts5_insttoken", "fts5_locale", "fts5_source_id",
    "geopoly_area", "geopoly_bbox", "geopoly_blob", "geopoly_ccw", "geopoly_contains_point",
    "geopoly_debug", "geopoly_group_bbox", "geopoly_json", "geopoly_overlap", "geopoly_regular",
    "geopoly_svg", "geopoly_within", "geopoly_xform",
}  # fmt: skip
"""They load code, write, look into files or memory, or belong to what no question is about."""


def bytes_beside(path: Path) -> dict[str, str]:
    """Every file of the folder with a digest of its bytes."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.parent.iterdir()}


def delete_cities(path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("DELETE FROM city WHERE id > 5")
        writer.commit()


def test_every_function_of_this_build_is_allowed_or_refused_on_purpose() -> None:
    query = "SELECT DISTINCT name FROM pragma_function_list"
    functions = {name for (name,) in apsw.Connection(":memory:").execute(query)}
    assert functions == ALLOWED_FUNCTIONS | REFUSED_FUNCTIONS
    assert not ALLOWED_FUNCTIONS & REFUSED_FUNCTIONS


def test_no_table_can_be_read_that_the_file_does_not_hold(world: Path) -> None:
    """Modules of SQLite give tables to any query that names them."""
    modules = apsw.Connection(":memory:").execute("SELECT name FROM pragma_module_list").fetchall()
    assert len(modules) > 5
    for (name,) in modules:
        assert execute(world, f"SELECT * FROM {name}").status in ("refused", "error"), name


def test_limits_and_switches_are_set_before_a_query_can_come(world: Path) -> None:
    with closing(open_read_only(world)) as opened:
        limits = {limit: opened.limit(limit) for limit in RUNTIME_LIMITS}
        assert limits == RUNTIME_LIMITS
        assert opened.limit(apsw.SQLITE_LIMIT_ATTACHED) == 0
        assert opened.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0
        assert opened.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1
        assert opened.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1) == 0
        opened.authorizer = None
        pragmas = ("query_only", "cell_size_check", "mmap_size", "temp_store")
        values = [opened.execute(f"PRAGMA {pragma}").fetchall() for pragma in pragmas]
        assert values == [[(1,)], [(1,)], [(0,)], [(2,)]]
        with pytest.raises(apsw.ReadOnlyError):
            opened.execute("DELETE FROM city")


def test_changed_file_is_read_anew(world: Path) -> None:
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)
    connection = sqlite3.connect(world)
    connection.execute("DELETE FROM city WHERE id > 5")
    connection.commit()
    connection.close()
    os.utime(world, ns=(1, 1))
    assert execute(world, "SELECT count(*) FROM city").rows == ((5,),)


@pytest.mark.parametrize(
    "name",
    ["a?mode=rwc", "50%", "%41", "a#b&c d", "données", "日本", " ", "a\nb", "'\"`", "\\", "-"],
)
def test_file_of_any_name_is_read_and_left_as_it_is(world: Path, name: str) -> None:
    path = world.with_name(name) / f"{name}.sqlite"
    path.parent.mkdir()
    shutil.copy(world, path)
    before = bytes_beside(path)
    assert execute(path, "SELECT count(*) FROM city").rows == ((8,),)
    assert execute(path, "DELETE FROM city").status == "refused"
    assert bytes_beside(path) == before


def test_name_that_is_no_unicode_is_opened(world: Path) -> None:
    path = world.with_name(os.fsdecode(b"caf\xe9.sqlite"))
    shutil.copy(world, path)
    assert execute(path, "SELECT count(*) FROM city").rows == ((8,),)


def test_relative_path_and_two_slashes_are_opened(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.parent)
    assert execute("world.sqlite", "SELECT count(*) FROM city").rows == ((8,),)
    assert execute(f"/{world}", "SELECT count(*) FROM city").rows == ((8,),)


def test_read_only_file_in_a_read_only_folder_is_read(world: Path) -> None:
    world.chmod(0o444)
    world.parent.chmod(0o555)
    try:
        assert execute(world, "SELECT count(*) FROM city").status == "ok"
    finally:
        world.parent.chmod(0o755)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (b"id,name\n1,Paris\n", "is not a SQLite database"),
        (b"PK\x03\x04", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (os.urandom(8192), "damaged or encrypted"),
        (b"SQLite format 3\x00" + bytes(range(256)) * 16, "cannot be read as a SQLite database"),
    ],
    ids=["empty", "csv", "zip", "lfs", "noise", "header"],
)
def test_file_that_is_no_database_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(DatabaseError) as error:
        execute(path, "SELECT 1")
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_missing_file_is_not_created_and_the_closest_name_is_told(world: Path) -> None:
    with pytest.raises(DatabaseError, match=r"closest match: 'world\.sqlite'"):
        execute(world.with_name("wrld.sqlite"), "SELECT 1")
    with pytest.raises(DatabaseError, match="no database file"):
        execute(f"{world}\0", "SELECT 1")
    with pytest.raises(DatabaseError, match="is a folder"):
        execute(world.parent, "SELECT 1")
    assert list(world.parent.iterdir()) == [world]


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.sqlite")
    with pytest.raises(DatabaseError, match="a device or a pipe"):
        execute(tmp_path / "pipe.sqlite", "SELECT 1")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_file_without_permission_is_named(world: Path) -> None:
    world.chmod(0)
    with pytest.raises(DatabaseError, match="cannot be read: Permission denied"):
        execute(world, "SELECT 1")


def test_damaged_page_is_the_databases_fault(world: Path) -> None:
    content = bytearray(world.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    world.write_bytes(content)
    with pytest.raises(DatabaseError, match="damaged"):
        execute(world, "SELECT * FROM city")


def test_database_with_a_live_wal_is_refused(world: Path) -> None:
    writer = sqlite3.connect(world)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM city")
    writer.commit()
    with pytest.raises(DatabaseError, match=r"unfinished changes in world\.sqlite-wal"):
        execute(world, "SELECT 1")
    writer.close()
    assert execute(world, "SELECT count(*) FROM city").rows == ((0,),)


def test_open_read_only_allows_reading_only(world: Path) -> None:
    connection = open_read_only(world)
    assert connection.execute("SELECT count(*) FROM country").fetchall() == [(6,)]
    with pytest.raises(apsw.AuthError):
        connection.execute("DELETE FROM country")
    connection.close()


def test_finished_journals_are_no_hindrance(world: Path) -> None:
    with closing(sqlite3.connect(world)) as writer:
        writer.execute("PRAGMA journal_mode = PERSIST")
        writer.execute("DELETE FROM city WHERE id > 5")
        writer.commit()
    assert world.with_name("world.sqlite-journal").stat().st_size > 0
    world.with_name("world.sqlite-wal").write_bytes(b"")
    assert execute(world, "SELECT count(*) FROM city").rows == ((5,),)


def test_hot_journal_is_refused_also_behind_a_link(world: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(world)
    assert execute(link, "SELECT count(*) FROM city").rows == ((8,),)
    with closing(sqlite3.connect(world)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.execute("UPDATE city SET name = printf('%5000d', id)")
        for path in (world, link):
            with pytest.raises(DatabaseError, match=r"unfinished changes in world\.sqlite-journal"):
                execute(path, "SELECT 1")
        writer.rollback()
    assert execute(link, "SELECT count(*) FROM city").rows == ((8,),)


def test_log_that_appears_after_opening_is_refused(world: Path) -> None:
    with closing(sqlite3.connect(world)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)
    with closing(sqlite3.connect(world)) as writer:
        writer.execute("DELETE FROM city")
        writer.commit()
        with pytest.raises(DatabaseError, match=r"unfinished changes in world\.sqlite-wal"):
            execute(world, "SELECT count(*) FROM city")
    assert execute(world, "SELECT count(*) FROM city").rows == ((0,),)


def test_file_renamed_while_open_is_followed_by_what_takes_its_place(world: Path) -> None:
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)
    moved = world.rename(world.with_name("old.sqlite"))
    with pytest.raises(DatabaseError, match="no database file"):
        execute(world, "SELECT count(*) FROM city")
    write_database(world, WORLD_SCRIPT + "DELETE FROM city;")
    assert execute(world, "SELECT count(*) FROM city").rows == ((0,),)
    assert execute(moved, "SELECT count(*) FROM city").rows == ((8,),)


def test_file_cut_short_while_open_is_damaged(world: Path) -> None:
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)
    world.write_bytes(world.read_bytes()[:5000])
    with pytest.raises(DatabaseError, match="damaged"):
        execute(world, "SELECT count(*) FROM city")


def interrupted_by(
    change: Callable[[], object], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Let `change` happen after each of the first queries has read and before it returns."""
    run = execution.execute_on
    left = iter(range(times))

    def run_and_change(*arguments: object, **options: object) -> execution.Execution:
        result = run(*arguments, **options)  # type: ignore[arg-type]
        if next(left, None) is not None:
            change()
        return result

    monkeypatch.setattr(execution, "execute_on", run_and_change)


def test_file_that_changes_under_a_query_is_read_again(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_by(lambda: delete_cities(world), monkeypatch, times=1)
    assert execute(world, "SELECT count(*) FROM city").rows == ((5,),)


def test_damage_that_a_writer_repairs_is_not_blamed_on_the_file(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = world.read_bytes()
    world.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))
    run = execution.execute_on

    def repair_and_run(*arguments: object, **options: object) -> execution.Execution:
        try:
            return run(*arguments, **options)  # type: ignore[arg-type]
        finally:
            world.write_bytes(content)
            monkeypatch.setattr(execution, "execute_on", run)

    monkeypatch.setattr(execution, "execute_on", repair_and_run)
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)


def test_file_that_never_rests_is_refused(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = iter(range(1, 10))
    interrupted_by(lambda: os.utime(world, ns=(1, next(changed))), monkeypatch, times=3)
    with pytest.raises(DatabaseError, match="changed while it was read, 3 times"):
        execute(world, "SELECT 1")


def test_change_too_quick_for_the_clock_is_seen(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_state, "SETTLED_NS", 10**18)
    date = world.stat().st_mtime_ns
    assert execute(world, "SELECT count(*) FROM city").rows == ((8,),)
    delete_cities(world)
    os.utime(world, ns=(date, date))
    assert execute(world, "SELECT count(*) FROM city").rows == ((5,),)
