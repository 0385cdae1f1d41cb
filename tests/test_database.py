"""Databases from scripts and back, and the file that a db_id stands for."""

import hashlib
import sqlite3
from pathlib import Path

import pytest
from conftest import WORLD_SCRIPT, write_database
from hub import Hub

from sense.database import (
    PublishedDatabase,
    ScriptError,
    UnknownDatabase,
    build_database,
    database_paths,
    database_script,
    database_sha256,
    fill_database,
    find_database,
)

pytest_plugins = ("hub",)

AWKWARD_SCRIPT = """
CREATE TABLE "a ""child"" table" (
    id INTEGER PRIMARY KEY,
    "père" TEXT REFERENCES parent(code),
    data BLOB,
    [odd name] REAL,
    twice GENERATED ALWAYS AS (id * 2) VIRTUAL,
    anything
);
CREATE TABLE parent (code TEXT PRIMARY KEY, size INT) WITHOUT ROWID;
CREATE TABLE pair (a INT, b INT, PRIMARY KEY (a, b));
CREATE UNIQUE INDEX by_size ON parent(size) WHERE size > 3;
CREATE VIEW big AS SELECT * FROM parent WHERE size > 5;
CREATE TRIGGER grow AFTER INSERT ON parent BEGIN
    UPDATE parent SET size = size + 1 WHERE code = new.code; SELECT ';';
END;
CREATE VIRTUAL TABLE notes USING fts5(body);
INSERT INTO parent VALUES ('été; ''x''', 1), ('日本', 7), ('', NULL);
INSERT INTO "a ""child"" table" (id, "père", data, [odd name], anything) VALUES
    (3, '日本', X'00ff', 1e300, '12'), (1, NULL, NULL, -9e999, 12),
    (2, 'été; ''x''', X'', 0.1, CAST(X'ff61' AS TEXT)),
    (4, '', 'text', 3.0, CAST(X'610062' AS TEXT));
INSERT INTO pair VALUES (2, 1), (1, 2), (1, 1);
INSERT INTO notes VALUES ('some text');
"""


def rows_of(path: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return rows


def test_a_script_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    first = build_database(WORLD_SCRIPT, tmp_path / "a" / "a.sqlite")
    second = build_database(WORLD_SCRIPT, tmp_path / "b.sqlite")
    assert first.read_bytes() == second.read_bytes()
    assert rows_of(first, "city")[2] == (3, b"Male", b"MDV", 71000)


def test_a_script_with_its_own_transaction_builds(tmp_path: Path) -> None:
    script = "PRAGMA foreign_keys=OFF; BEGIN; CREATE TABLE t(a); INSERT INTO t VALUES(';'); COMMIT;"
    assert rows_of(build_database(script, tmp_path / "t.sqlite"), "t") == [(b";",)]


def test_an_empty_script_gives_an_empty_database(tmp_path: Path) -> None:
    assert database_script(build_database("-- nothing", tmp_path / "t.sqlite")) == ""


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("CREATE TABLE t(a); INSERT INTO u VALUES (1)", "statement 2 fails: no such table: u"),
        ("CREATE TABLE t(a;", "statement 1 fails"),
        ("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1);", "inside a transaction"),
        ("ATTACH 'other.sqlite' AS o", "attaches or writes another file"),
        ("CREATE TABLE t(a); VACUUM INTO 'copy.sqlite'", "attaches or writes another file"),
        ("PRAGMA writable_schema = 1", "PRAGMA writable_schema is refused"),
        ("SELECT load_extension('x')", "load_extension is refused"),
        ("CREATE VIRTUAL TABLE d USING dbstat", "dbstat is refused"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            "more than 100,000 steps",
        ),
    ],
)
def test_a_bad_script_names_its_statement_and_leaves_no_file(
    script: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScriptError, match=message):
        build_database(script, tmp_path / "t.sqlite", max_steps=100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_script_keeps_the_older_file(world: Path) -> None:
    before = world.read_bytes()
    with pytest.raises(ScriptError):
        build_database("CREATE TABLE t(", world)
    assert world.read_bytes() == before
    assert list(world.parent.iterdir()) == [world]


@pytest.mark.parametrize("script", [WORLD_SCRIPT, AWKWARD_SCRIPT])
def test_content_survives_the_way_through_a_script(script: str, tmp_path: Path) -> None:
    first = write_database(tmp_path / "first.sqlite", script)
    text = database_script(first)
    second = build_database(text, tmp_path / "second.sqlite")
    assert database_script(second) == text
    assert database_sha256(second) == database_sha256(first)
    for (name,) in sqlite3.connect(first).execute("SELECT name FROM sqlite_master WHERE sql > ''"):
        if name not in ("by_size", "grow"):
            quoted = '"' + name.replace('"', '""') + '"'
            assert rows_of(first, quoted) == rows_of(second, quoted)


def test_the_digest_is_that_of_the_script(world: Path) -> None:
    assert database_sha256(world) == hashlib.sha256(database_script(world).encode()).hexdigest()


def test_the_digest_follows_the_content(world: Path) -> None:
    before = database_sha256(world)
    connection = sqlite3.connect(world)
    connection.execute("VACUUM")
    assert database_sha256(world) == before
    connection.execute("UPDATE city SET population = 1 WHERE id = 8")
    connection.commit()
    connection.close()
    assert database_sha256(world) != before


def test_parents_are_inserted_before_children(tmp_path: Path) -> None:
    script = """
        CREATE TABLE child (a REFERENCES parent(id)); CREATE TABLE parent (id INTEGER PRIMARY KEY);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);
    """
    text = database_script(write_database(tmp_path / "t.sqlite", script))
    assert text.index("CREATE TABLE child") < text.index("CREATE TABLE parent")
    assert text.index('INSERT INTO "parent"') < text.index('INSERT INTO "child"')
    build_database("PRAGMA foreign_keys = ON;" + text, tmp_path / "u.sqlite")


def test_the_schema_alone_has_no_rows(world: Path, tmp_path: Path) -> None:
    script = database_script(world, rows=False)
    assert "INSERT" not in script
    assert rows_of(build_database(script, tmp_path / "empty.sqlite"), "city") == []


def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.sqlite").write_text("these are notes, not a database" * 40)
    with pytest.raises(ValueError, match=r"notes\.sqlite is not a readable SQLite database"):
        database_script(tmp_path / "notes.sqlite")
    with pytest.raises(FileNotFoundError, match="no database file at"):
        database_sha256(tmp_path / "missing.sqlite")


def test_a_database_in_wal_mode_is_read_and_filled(tmp_path: Path) -> None:
    script = "PRAGMA journal_mode = WAL; CREATE TABLE t(a INTEGER PRIMARY KEY);"
    path = write_database(tmp_path / "t.sqlite", script)
    fill_database(path, 3, seed=0)
    assert rows_of(path, "t") == [(1,), (2,), (3,)]


def test_folders_of_three_layouts_are_found(tmp_path: Path) -> None:
    write_database(tmp_path / "b" / "b.sqlite", "")
    write_database(tmp_path / "a.sqlite", "")
    write_database(tmp_path / "c.db", "")
    write_database(tmp_path / "b.db", "")
    write_database(tmp_path / "b" / "other.sqlite", "")
    paths = database_paths(tmp_path)
    assert list(paths) == ["a", "b", "c"]
    assert paths["b"] == tmp_path / "b" / "b.sqlite"
    assert find_database(tmp_path, "c") == tmp_path / "c.db"


def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder at"):
        database_paths(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no database"):
        database_paths(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        find_database(tmp_path / "nowhere", "world")


def test_an_unknown_db_id_gives_the_closest_match(world: Path) -> None:
    with pytest.raises(UnknownDatabase, match="closest match: 'world'"):
        find_database(world.parent.parent, "wrld")
    with pytest.raises(ValueError, match="no file name"):
        find_database(world.parent.parent, "../world")


@pytest.fixture
def published(world: Path, tmp_path: Path) -> Path:
    """A dataset folder with config `databases`: one database as a script, one as a file."""
    from datasets import Dataset

    from sense.example import database_features

    folder = tmp_path / "published"
    other = write_database(
        folder / "databases" / "large" / "large.sqlite",
        "CREATE TABLE t(a); INSERT INTO t VALUES (1);",
    )
    shared = {"domain": "", "source": "test", "license": "mit", "num_tables": 1, "num_rows": 1}
    rows = [
        {"db_id": "world", "db_sha256": database_sha256(world), "script": database_script(world)},
        {"db_id": "large", "db_sha256": database_sha256(other), "script": ""},
    ]
    rows = [{**row, **shared} for row in rows]
    data = Dataset.from_list(rows, features=database_features())
    data.to_parquet(folder / "databases" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: databases\n  data_files: databases/train-*.parquet\n---\n"
    )
    return folder


def test_a_published_folder_gives_scripts_and_files(published: Path, tmp_path: Path) -> None:
    found = find_database(published, "world", cache_dir=tmp_path / "cache")
    assert found.stem == "world"
    assert len(rows_of(found, "city")) == 8
    assert find_database(published, "world", cache_dir=tmp_path / "cache") == found
    large = find_database(published, "large", cache_dir=tmp_path / "cache")
    assert rows_of(large, "t") == [(1,)]
    with pytest.raises(UnknownDatabase, match="closest match: 'world'"):
        find_database(published, "worlds", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("digest", "said"), [("../elsewhere", "expected 64 hex digits"), ("0" * 64, "has content")]
)
def test_a_published_script_that_is_not_what_its_row_says_leaves_no_file(
    digest: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = PublishedDatabase(digest, "CREATE TABLE t (a);")
    monkeypatch.setattr("sense.database._published_databases", lambda *_: {"world": row})
    with pytest.raises(ValueError, match=said):
        find_database("sense/strong", "world", cache_dir=tmp_path / "cache")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_real_databases_survive_the_way_through_a_script(shared_data: Path, tmp_path: Path) -> None:
    for path in sorted((shared_data / "spider" / "database").glob("[a-d]*/*.sqlite")):
        built = build_database(database_script(path), tmp_path / "copy.sqlite")
        assert database_sha256(built) == database_sha256(path), path


def test_a_dataset_of_the_hub_gives_scripts_and_files(
    published: Path, tmp_path: Path, hub: Hub
) -> None:
    files = [path for path in published.rglob("*") if path.is_file()]
    named = [(path.relative_to(published).as_posix(), str(path)) for path in files]
    hub.run(f"""
from huggingface_hub import CommitOperationAdd, HfApi
HfApi().create_repo("sense/strong", repo_type="dataset")
adds = [CommitOperationAdd(name, path) for name, path in {named!r}]
HfApi().create_commit("sense/strong", adds, commit_message="Publish", repo_type="dataset")
""")
    cache = tmp_path / "cache"
    output = hub.run(f"""
from sense.database import UnknownDatabase, find_database
print(find_database("sense/strong", "world", {str(cache)!r}))
print(find_database("sense/strong", "large", {str(cache)!r}))
print(find_database("sense/strong", "world").relative_to({str(hub.home)!r}))
try:
    find_database("sense/strong", "wrld")
except UnknownDatabase as error:
    print(error)
""")
    world, large, by_default, error = output.splitlines()
    sha256 = database_sha256(Path(world))
    assert Path(world) == cache / sha256 / "world.sqlite"
    assert rows_of(Path(large), "t") == [(1,)]
    assert by_default == f"sense/{sha256}/world.sqlite"
    assert "closest match: 'world'" in error
