"""The same rows in another order: copies that hold what the file holds, and queries told apart."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from conftest import write_database

from sense.execution import DEFAULT_LIMITS, Execution, execute, execute_on
from sense.golds import shuffle
from sense.golds.shuffle import is_open_by_schema, may_depend_on_order, reorderings, shuffled_copy


def rows_of(path: Path, sql: str) -> tuple[tuple[object, ...], ...]:
    """What the shuffled copy of the file answers."""
    copy = shuffled_copy(path)
    assert copy
    execution = execute_on(copy, sql, DEFAULT_LIMITS)
    assert execution.status == "ok", execution.error
    return execution.rows


def readings(path: Path, sql: str) -> dict[str, tuple[tuple[object, ...], ...]]:
    found = reorderings(path, sql, execute(path, sql), DEFAULT_LIMITS)
    return {reading: execution.rows for reading, execution in found}


def test_tables_are_read_from_their_end_once_only(world: Path) -> None:
    first = "SELECT name FROM city LIMIT 1"
    assert execute(world, first, backwards=True).rows == (("Peking",),)
    assert execute(world, first).rows == (("Shanghai",),)


def test_a_query_is_read_in_two_other_orders(world: Path) -> None:
    found = readings(world, "SELECT id FROM city LIMIT 3")
    assert list(found.items()) == [
        ("shuffled", ((5,), (2,), (7,))),
        ("backwards", ((8,), (7,), (6,))),
    ]


@pytest.mark.parametrize("table", ["country", "city"])
def test_a_copy_holds_the_same_rows_in_another_order(world: Path, table: str) -> None:
    original = execute(world, f"SELECT * FROM {table}").rows
    shuffled = rows_of(world, f"SELECT * FROM {table}")
    assert Counter(shuffled) == Counter(original)
    assert shuffled != original


def test_a_copy_keeps_types_collations_and_views_but_no_keys(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "t.sqlite",
        """
        CREATE TABLE "odd ""name" (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, "c d" REAL);
        CREATE TABLE w (k TEXT PRIMARY KEY, n NUMERIC) WITHOUT ROWID;
        CREATE VIEW v AS SELECT a FROM "odd ""name";
        INSERT INTO "odd ""name" VALUES (1, 'x', '7', 1), (2, 'Y', 7, 2), (3, 'z', x'37', NULL);
        INSERT INTO w VALUES ('p', '3'), ('q', 'text');
        """,
    )
    assert set(rows_of(path, "SELECT a FROM v WHERE a IN ('X', 'y')")) == {("x",), ("Y",)}
    assert rows_of(path, 'SELECT id FROM "odd ""name" WHERE b = 7') == ((2,),)
    assert set(rows_of(path, 'SELECT typeof(id), typeof("c d") FROM "odd ""name"')) == {
        ("integer", "real"),
        ("integer", "null"),
    }
    assert rows_of(path, "SELECT k FROM w WHERE n = 3") == (("p",),)
    assert set(rows_of(path, "SELECT type, name FROM sqlite_schema")) == {
        ("table", 'odd "name'),
        ("table", "w"),
        ("view", "v"),
    }


def test_a_copy_reads_only(world: Path) -> None:
    copy = shuffled_copy(world)
    assert copy
    assert execute_on(copy, "DELETE FROM city", DEFAULT_LIMITS).status == "refused"


def test_texts_survive_in_any_encoding_and_where_they_are_none(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "16 #%?é.sqlite",
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES ('é'), ('漢');",
    )
    assert set(rows_of(path, "SELECT a FROM t")) == {("é",), ("漢",)}
    path = write_database(
        tmp_path / "bad.sqlite", "CREATE TABLE t(a); INSERT INTO t VALUES (CAST(x'61ff' AS TEXT));"
    )
    assert rows_of(path, "SELECT hex(a), typeof(a) FROM t") == (("61FF", "text"),)


def test_the_file_is_left_as_it_is(world: Path) -> None:
    before, names = world.read_bytes(), sorted(world.parent.iterdir())
    shuffled_copy(world)
    assert (world.read_bytes(), sorted(world.parent.iterdir())) == (before, names)


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t(a, b AS (a + 1)); INSERT INTO t(a) VALUES (1);",
        "CREATE VIRTUAL TABLE t USING fts5(a); INSERT INTO t VALUES ('x');",
    ],
)
def test_what_cannot_be_copied_is_read_backwards_only(tmp_path: Path, script: str) -> None:
    path = write_database(tmp_path / "t.sqlite", script)
    assert shuffled_copy(path) is None
    assert list(readings(path, "SELECT a FROM t")) == ["backwards"]


def test_large_files_and_questions_of_layout_are_read_backwards_only(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(readings(world, "SELECT rowid FROM city")) == ["backwards"]
    assert list(readings(world, "SELECT name FROM sqlite_schema")) == ["backwards"]
    monkeypatch.setattr(shuffle, "MAX_COPIED_BYTES", 100)
    assert list(readings(world, "SELECT name FROM city")) == ["backwards"]


def test_a_damaged_page_of_another_table_is_no_fault_of_the_query(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "t.sqlite",
        "CREATE TABLE a(x); INSERT INTO a VALUES (1), (2); CREATE TABLE b(x);"
        "INSERT INTO b VALUES (zeroblob(20000));",
    )
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 2 + 100] = b"\xff" * 100  # the root page of b
    path.write_bytes(data)
    assert shuffled_copy(path) is None
    assert readings(path, "SELECT x FROM a LIMIT 1") == {"backwards": ((2,),)}


def test_a_changed_file_gets_a_new_copy(tmp_path: Path) -> None:
    path = write_database(tmp_path / "t.sqlite", "CREATE TABLE t(a); INSERT INTO t VALUES (1);")
    assert rows_of(path, "SELECT a FROM t") == ((1,),)
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE u(b); INSERT INTO u VALUES (zeroblob(9000));")
    connection.close()
    assert rows_of(path, "SELECT length(b) FROM u") == ((9000,),)


def test_a_reading_that_takes_far_longer_is_given_up(world: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    quick = Execution("ok", ((1,),), ("max(i)",), steps=10)
    assert list(reorderings(world, endless, quick, DEFAULT_LIMITS)) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t", False),
        ("SELECT a FROM t JOIN u ON t.b = u.b WHERE c = 'x' ORDER BY a", False),
        ("SELECT DISTINCT a FROM t UNION SELECT b FROM u", False),
        ("SELECT count ( DISTINCT a ), max(b) FROM t", False),
        ("SELECT a FROM t WHERE b IN ( SELECT c FROM u )", False),
        ("SELECT a FROM t WHERE b NOT IN (SELECT max(c) FROM u WHERE d LIKE '(%')", False),
        ("SELECT count(*) FROM (SELECT a FROM t INTERSECT SELECT b FROM u)", False),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u)", False),
        ("SELECT a FROM t ORDER BY b LIMIT 1", True),
        ("select a, count(*)\nfrom t", True),
        ("SELECT max(a) - b FROM t", True),
        ("SELECT a FROM t GROUP BY b", True),
        ("SELECT max(a) FROM t HAVING b > 1", True),
        ("SELECT a FROM t WHERE b = (SELECT c FROM u)", True),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u) AND d > (\n SELECT e FROM u)", True),
        ("SELECT (SELECT a FROM t)", True),
        ("SELECT a FROM (SELECT a, max(b) FROM t)", True),
        ("SELECT rank() OVER (ORDER BY a) FROM t", True),
        ("SELECT group_concat(a) FROM t", True),
        ("SELECT json_group_array(a) FROM t", True),
        # where words mislead
        ("SELECT(a),count(*) FROM t", True),
        ("SELECT/**/a,max(b) FROM t", True),
        ("SELECT -- it's\n a, max(b) FROM t WHERE c = 'x'", True),
        ("SELECT a FROM t WHERE b = (/**/SELECT c FROM u)", True),
        ("SELECT a FROM t WHERE b IS NOT DISTINCT FROM (SELECT c FROM u)", True),
        ("SELECT a FROM t WHERE b = (WITH v AS (SELECT c FROM u) SELECT c FROM v)", True),
        ("SELECT a FROM t WHERE b = 'in(select' AND b = (SELECT c FROM u)", True),
        ("SELECT 'a from b', a, max(b) FROM t", True),
        ("SELECT a FROM t ORDER BY count(*)", True),
        ('SELECT a FROM t ORDER BY "max" (b)', True),
        ("SELECT count(*) FROM t WHERE a = '-- (select' AND b IN (1, 2)", False),
    ],
)
def test_words_tell_which_queries_the_order_of_rows_can_change(sql: str, expected: bool) -> None:
    assert may_depend_on_order(sql) is expected


def test_a_view_and_a_collation_leave_open_what_words_do_not_show(tmp_path: Path) -> None:
    plain = write_database(tmp_path / "plain.sqlite", "CREATE TABLE t(a, b);")
    assert not is_open_by_schema(plain, "SELECT DISTINCT a FROM t")
    assert is_open_by_schema(plain, "SELECT DISTINCT a COLLATE NOCASE FROM t")
    assert not is_open_by_schema(plain, "SELECT a FROM t WHERE b = 'x' COLLATE NOCASE")
    collated = write_database(tmp_path / "collated.sqlite", "CREATE TABLE t(a COLLATE NOCASE, b);")
    assert is_open_by_schema(collated, "SELECT a FROM t UNION SELECT b FROM t")
    assert is_open_by_schema(collated, "SELECT max(a) FROM t")
    assert not is_open_by_schema(collated, "SELECT a FROM t WHERE b = 1")
    view = "CREATE TABLE t(a, b); CREATE VIEW v AS SELECT a FROM w; CREATE VIEW w AS SELECT a FROM"
    views = write_database(tmp_path / "views.sqlite", f"{view} t LIMIT 1;")
    assert is_open_by_schema(views, "SELECT a FROM V")
    assert not is_open_by_schema(views, "SELECT a FROM t")
