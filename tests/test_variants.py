"""Variants keep what the original keeps, differ from each other, and hold what queries look for."""

from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from conftest import write_database

from sense.suites.material import Material, read_material
from sense.suites.variants import draw_recipe, make_variant

SCHOOL = """
CREATE TABLE school (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT CHECK (kind IN ('a', 'b')),
    founded INTEGER
);
CREATE TABLE pupil (
    school_id INTEGER NOT NULL REFERENCES school(id), number INTEGER, name TEXT,
    friend INTEGER, code, PRIMARY KEY (school_id, number)
);
CREATE TABLE prize (pupil_name TEXT, school_id INTEGER, year INTEGER);
CREATE VIEW old AS SELECT * FROM school WHERE founded < 1900;
CREATE TRIGGER loud AFTER INSERT ON school BEGIN SELECT RAISE(ABORT, 'no'); END;
"""
ROWS = """
INSERT INTO school VALUES (1, 'North', 'a', 1890), (2, 'South', 'b', 1990), (3, 'East', 'a', NULL);
INSERT INTO pupil VALUES (1, 1, 'Ann', 2, 7), (1, 2, 'Bo', NULL, 'x'), (2, 1, 'Ann', 1, 7.5);
INSERT INTO prize VALUES ('Ann', 1, 2001), ('Bo', 1, 2002), ('Ann', 2, 2002);
"""
GOLDS = (
    "SELECT name FROM school WHERE founded > 1900 AND kind != 'b'",
    "SELECT p.name FROM pupil AS p JOIN school AS s ON p.school_id = s.id WHERE s.name = 'North'",
    "SELECT count(*) FROM prize WHERE pupil_name LIKE '%nn%' AND year = 2002",
)


def without_trigger(script: str) -> str:
    return script.partition("CREATE TRIGGER")[0]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    path = tmp_path_factory.mktemp("school") / "school.sqlite"
    trigger = SCHOOL.removeprefix(without_trigger(SCHOOL))
    write_database(path, without_trigger(SCHOOL) + ROWS + trigger)
    return read_material(path, GOLDS)


def opened(data: bytes) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.deserialize("main", data)
    return connection


def rows(data: bytes, sql: str) -> list[Any]:
    return opened(data).execute(sql).fetchall()


def variants(material: Material, num: int) -> list[bytes]:
    focuses = [None, *material.focuses]
    return [make_variant(material, n, focuses[n % len(focuses)]) for n in range(num)]


def test_no_variant_breaks_a_declared_constraint(material: Material) -> None:
    for data in variants(material, 60):
        connection = opened(data)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_undeclared_key_that_the_original_keeps_is_kept(material: Material) -> None:
    dangling = "SELECT * FROM prize WHERE school_id NOT IN (SELECT id FROM school)"
    assert all(not rows(data, dangling) for data in variants(material, 60))


def test_a_key_that_the_original_breaks_binds_no_variant(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a_id REFERENCES a(id));"
        "INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1), (9);"
    )
    path = write_database(tmp_path / "a.sqlite", script)
    material = read_material(path, ["SELECT count(*) FROM a JOIN b ON a.id = b.a_id"])
    dangling = "SELECT count(*) FROM b WHERE a_id NOT IN (SELECT id FROM a)"
    joined = "SELECT count(*) FROM a JOIN b ON a.id = b.a_id"
    made = variants(material, 30)
    assert any(rows(data, dangling) != [(0,)] for data in made)
    assert sum(rows(data, joined) != [(0,)] for data in made) > 20


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(material: Material) -> None:
    first = make_variant(material, 3, material.focuses[0])
    assert first == make_variant(material, 3, material.focuses[0])
    assert first != make_variant(material, 4, material.focuses[0])


def test_variants_have_empty_tables_single_rows_and_many_rows(material: Material) -> None:
    counts = {rows(data, "SELECT count(*) FROM school")[0][0] for data in variants(material, 200)}
    assert {0, 1} < counts
    assert max(counts) > 30


def test_variants_have_ties_nulls_and_duplicates(material: Material) -> None:
    made = variants(material, 60)
    ties = "SELECT 1 FROM school GROUP BY founded HAVING count(*) > 1"
    nulls = "SELECT 1 FROM school WHERE founded IS NULL"
    twice = "SELECT 1 FROM prize GROUP BY 1, pupil_name, school_id, year HAVING count(*) > 1"
    childless = "SELECT 1 FROM school WHERE id NOT IN (SELECT school_id FROM pupil)"
    for sql in (ties, nulls, twice, childless):
        assert sum(bool(rows(data, sql)) for data in made) > 5, sql


def test_columns_without_null_stay_without_it_in_most_variants(material: Material) -> None:
    sql = "SELECT 1 FROM prize WHERE year IS NULL"
    with_null = sum(bool(rows(data, sql)) for data in variants(material, 100))
    assert 0 < with_null < 30


def test_values_keep_their_storage_classes(material: Material) -> None:
    classes = {
        kind
        for data in variants(material, 30)
        for (kind,) in rows(data, "SELECT DISTINCT typeof(code) FROM pupil")
    }
    assert {"integer", "real", "text"} <= classes


def test_a_focus_makes_its_conditions_true_of_some_rows_and_false_of_others(
    material: Material,
) -> None:
    met = "SELECT count(*) FROM prize WHERE pupil_name LIKE '%nn%' AND year = 2002"
    both = 0
    for n in range(20):
        data = make_variant(material, n, material.focuses[2])
        [(found,)], [(num,)] = rows(data, met), rows(data, "SELECT count(*) FROM prize")
        both += 0 < found < num
    assert both > 14


def test_a_table_without_rows_gets_invented_ones(tmp_path: Path) -> None:
    script = "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, population INTEGER)"
    path = write_database(tmp_path / "city.sqlite", script)
    material = read_material(path, ["SELECT name FROM city WHERE population > 1000"])
    counts = [rows(data, "SELECT count(*) FROM city")[0][0] for data in variants(material, 20)]
    assert max(counts) > 20


def test_tables_that_refer_to_each_other_are_filled(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE team (id INTEGER PRIMARY KEY, captain INTEGER REFERENCES player(id));"
        "CREATE TABLE player (id INTEGER PRIMARY KEY, team INTEGER NOT NULL REFERENCES team(id),"
        " coach INTEGER REFERENCES player(id));"
        "INSERT INTO team VALUES (1, 1), (2, NULL); INSERT INTO player VALUES (1, 1, 2), (2, 2, 1);"
    )
    path = write_database(tmp_path / "team.sqlite", script)
    made = variants(read_material(path, []), 30)
    assert all(opened(data).execute("PRAGMA foreign_key_check").fetchall() == [] for data in made)
    assert any(rows(data, "SELECT count(*) > 3 FROM player") == [(1,)] for data in made)


def test_every_recipe_can_be_drawn() -> None:
    recipes = [draw_recipe(Random(n)) for n in range(300)]
    assert {recipe.num_rows for recipe in recipes} == {5, 10, 20, 30, 60}
    assert 0 < sum(recipe.nulls_anywhere for recipe in recipes) < 150


def test_the_largest_integer_is_not_added_to(tmp_path: Path) -> None:
    script = "CREATE TABLE mark (id INTEGER PRIMARY KEY, points INT UNIQUE);"
    top = 2**63 - 1
    path = write_database(
        tmp_path / "marks.sqlite",
        f"{script} INSERT INTO mark VALUES ({top}, {top}), (1, {top - 1});",
    )
    material = read_material(path, ["SELECT points FROM mark WHERE id = 1"])
    counts = [rows(make_variant(material, n), "SELECT count(*) FROM mark")[0][0] for n in range(20)]
    assert max(counts) > 1
