"""What is read of a database and its golds before variants are made of them."""

from pathlib import Path

import pytest
from conftest import write_database

from sense.filling.constraints import Key
from sense.suites.material import SourceTable, neighbours, read_material


def table(path: Path, name: str, *sqls: str) -> SourceTable:
    return next(table for table in read_material(path, sqls).tables if table.name == name)


@pytest.mark.parametrize(
    ("sql", "place", "value"),
    [
        ("SELECT 1 FROM country WHERE population > 1000", ("country", 3), 1001),
        ("SELECT 1 FROM country WHERE population > 1000", ("country", 3), 1000),
        ("SELECT 1 FROM country WHERE name != 'China'", ("country", 1), "China"),
        ("SELECT 1 FROM country WHERE name LIKE '%an%'", ("country", 1), "xanx"),
        ('SELECT 1 FROM country AS c WHERE c.name = "Peru"', ("country", 1), "PERU"),
        ("SELECT 1 FROM city GROUP BY name HAVING avg(population) > 9", ("city", 3), 9),
    ],
)
def test_values_near_each_literal_are_in_focus_and_among_those_of_the_column(
    world: Path, sql: str, place: tuple[str, int], value: object
) -> None:
    material = read_material(world, [sql])
    assert value in material.focuses[0][place]
    [source] = [source for source in material.tables if source.name == place[0]]
    assert value in source.columns[place[1]].values


def test_sql_that_is_none_has_no_focus(world: Path) -> None:
    assert read_material(world, ["no query"]).focuses == ({},)


def test_a_declared_key_is_kept_and_leads_to_distinct_values(world: Path) -> None:
    [(key, is_kept)] = table(world, "city").keys
    assert (key, is_kept) == (Key((2,), "country", (0,)), True)
    assert table(world, "country").unique == ((0,),)


def test_a_join_of_queries_is_a_key_where_the_original_keeps_it(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE a (x TEXT); CREATE TABLE b (y TEXT, z TEXT);"
        "INSERT INTO a VALUES ('p'), ('q'); INSERT INTO b VALUES ('p', 'q'), ('p', 'r');"
    )
    path = write_database(tmp_path / "a.sqlite", script)
    sqls = ["SELECT 1 FROM b JOIN a ON b.y = a.x", "SELECT 1 FROM b JOIN a ON b.z = a.x"]
    keys = {key.columns: is_kept for key, is_kept in table(path, "b", *sqls).keys}
    assert keys == {(0,): True, (1,): False}
    assert table(path, "a", *sqls).unique == ((0,),)
    assert table(path, "b").keys == ()


def test_null_is_for_columns_that_have_it_or_may_and_are_in_no_key(world: Path) -> None:
    may_be_null = [column.may_be_null for column in table(world, "city").columns]
    has_null = [column.has_null for column in table(world, "city").columns]
    assert may_be_null == [False, False, False, True]
    assert has_null == [False, False, False, True]


def test_text_that_is_not_utf8_is_read_without_its_bad_bytes(tmp_path: Path) -> None:
    script = "CREATE TABLE t (name TEXT); INSERT INTO t VALUES (CAST(X'4AFF6F' AS TEXT))"
    material = read_material(write_database(tmp_path / "t.sqlite", script), [])
    assert material.tables[0].columns[0].values == ("Jo",)


def test_rows_of_a_large_table_are_read_evenly(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
    script = f"CREATE TABLE t (i INTEGER); INSERT INTO t {numbers} SELECT i FROM n"
    [table] = read_material(write_database(tmp_path / "t.sqlite", script), []).tables
    assert [row[0] for row in table.rows] == list(range(1, 5001, 5))


def test_numbers_too_large_for_a_neighbour_have_none() -> None:
    assert neighbours(2**60) == [2**60]
    assert neighbours("") == ["", "x", "xx"]
    assert neighbours(b"ab") == [b"ab"]
    assert neighbours("a09")[:3] == ["a09", "a08", "a10"]
