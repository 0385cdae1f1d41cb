"""Distilled suites separate what can be separated, with few variants, the same each time."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_database
from sql_pairs import FIXTURES, read_pairs

from sense.suite import read_suite
from sense.suites.distilling import DistilSettings, NearMiss, SuiteJob, distil, make_database_suite
from sense.suites.material import read_material
from sense.suites.near_misses import separated
from sense.suites.variants import draw_harsh_recipe, draw_recipe, make_variant
from sense.verdict import Unit, judge

GOLDS = (
    "SELECT name FROM country WHERE population > 1000000",
    "SELECT c.name FROM city AS c JOIN country AS n ON c.country_code = n.code "
    "WHERE n.name = 'China'",
    "SELECT continent, count(*) FROM country GROUP BY continent",
    "SELECT count(DISTINCT country_code) FROM city",
)
WRONG = (
    "SELECT name FROM country WHERE population >= 1000000",
    "SELECT name FROM city WHERE country_code = 'CHN'",
    "SELECT continent, count(DISTINCT name) FROM country GROUP BY continent",
    "SELECT count(*) FROM country",
)
SETTINGS = DistilSettings(max_variants=80)


def job(world: Path, out: Path, settings: DistilSettings = SETTINGS) -> SuiteJob:
    return SuiteJob("world", str(world), GOLDS, str(out), settings)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import WORLD_SCRIPT

    folder = tmp_path_factory.mktemp("made")
    world = write_database(folder / "world.sqlite", WORLD_SCRIPT)
    make_database_suite(job(world, folder / "suite"))
    return folder / "suite"


@pytest.mark.parametrize(("gold", "wrong"), list(zip(GOLDS, WRONG, strict=True)))
def test_the_suite_separates_wrong_queries_that_the_original_does_not(
    made: Path, gold: str, wrong: str
) -> None:
    paths = [str(path) for path in read_suite(made).paths("world", gold)]
    on_original = judge(Unit((paths[0],), gold, (wrong,)))[1][0]
    on_suite = judge(Unit(tuple(paths), gold, (wrong,)))[1][0]
    assert (on_original.verdict, on_suite.verdict) == ("correct", "incorrect")


def test_the_original_is_copied_to_the_byte(made: Path, world: Path) -> None:
    copy = made / "world" / "world.sqlite"
    assert sqlite3.connect(copy).execute("SELECT count(*) FROM city").fetchone() == (8,)
    assert copy.read_bytes() == world.read_bytes()


def test_the_index_counts_what_is_separated(made: Path) -> None:
    index = json.loads((made / "world" / "index.json").read_text())
    for entry in index["golds"].values():
        assert entry["instances"][0] == 0
        assert 0 < entry["by_original"] <= entry["near_misses"]
        assert entry["by_original"] + entry["by_variants"] <= entry["near_misses"]
    assert sum(entry["by_variants"] for entry in index["golds"].values()) > 5
    assert len(index["instances"]) < 40


def test_a_query_that_is_proved_equal_is_no_near_miss(world: Path, tmp_path: Path) -> None:
    golds = ("SELECT name FROM city WHERE population > 5",)
    equal = "SELECT name FROM city WHERE 5 < population"
    misses = [NearMiss(0, equal), NearMiss(0, equal.replace("5", "4"))]
    material = read_material(world, golds)
    found = distil(world, golds, misses, material, SETTINGS, tmp_path)
    assert found.equal == {0}
    assert found.by_variants == {1}


def test_the_same_settings_give_the_same_files(made: Path, world: Path, tmp_path: Path) -> None:
    make_database_suite(job(world, tmp_path))
    for path in sorted((made / "world").iterdir()):
        assert (tmp_path / "world" / path.name).read_bytes() == path.read_bytes()


def test_a_suite_is_made_once_and_again_when_anything_changes(world: Path, tmp_path: Path) -> None:
    quick = DistilSettings(max_variants=8, num_double_edits=3)
    first = job(world, tmp_path, quick)
    assert make_database_suite(first).is_new
    assert not make_database_suite(first).is_new
    assert make_database_suite(first._replace(golds=GOLDS[:1])).is_new
    assert make_database_suite(job(world, tmp_path, replace(quick, seed=1))).is_new
    with sqlite3.connect(world) as connection:
        connection.execute("DELETE FROM city")
    assert make_database_suite(job(world, tmp_path, replace(quick, seed=1))).is_new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world"]


def test_a_gold_that_does_not_run_has_the_original_alone(world: Path, tmp_path: Path) -> None:
    quick = DistilSettings(max_variants=8, num_double_edits=3)
    golds = ("SELECT nothing FROM city", "no query at all", GOLDS[0])
    made = make_database_suite(SuiteJob("world", str(world), golds, str(tmp_path), quick))
    used = [entry["instances"] for entry in made.content["golds"].values()]
    assert used[:2] == [[0], [0]]
    assert len(used[2]) > 1


@pytest.mark.slow
def test_no_variant_separates_equivalent_queries(shared_data: Path, tmp_path: Path) -> None:
    by_database: dict[str, list[tuple[str, str]]] = {}
    for pair in read_pairs(FIXTURES / "equivalent.sql"):
        if pair.equal:
            by_database.setdefault(pair.db_id, []).append((pair.gold_sql, pair.predicted_sql))
    assert sum(map(len, by_database.values())) >= 150
    wrong = []
    for db_id, pairs in by_database.items():
        original = shared_data / "spider" / "database" / db_id / f"{db_id}.sqlite"
        golds = [gold for gold, _ in pairs]
        by_gold = {i: {i: predicted} for i, (_, predicted) in enumerate(pairs)}
        material = read_material(original, golds)
        for n in range(40):
            path = tmp_path / f"{db_id}-{n}.sqlite"
            draw = draw_harsh_recipe if n % 4 == 3 else draw_recipe
            path.write_bytes(make_variant(material, n, material.focuses[n % len(golds)], draw))
            wrong += [(db_id, n, pairs[i]) for i in separated(path, golds, by_gold)]
    assert wrong == []


def test_mistakes_of_kinds_that_no_near_miss_has_are_found(tmp_path: Path) -> None:
    sky = write_database(
        tmp_path / "sky.sqlite",
        "CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT NOT NULL, colour TEXT);"
        "INSERT INTO star VALUES (1, 'Vega', 'White'), (2, 'Antares', 'Red'), (3, 'Mira', 'Red');",
    )
    gold = "SELECT name FROM star WHERE colour = 'Red'"
    or_null = f"{gold} OR colour IS NULL"
    any_case = "SELECT name FROM star WHERE lower(colour) = 'red'"
    settings = DistilSettings(max_variants=0)
    made = make_database_suite(SuiteJob("sky", str(sky), (gold,), str(tmp_path / "out"), settings))
    assert made.content["golds"][gold]["instances"] == list(range(1 + settings.num_harsh))
    paths = [str(path) for path in read_suite(tmp_path / "out").paths("sky", gold)]
    alone = judge(Unit((paths[0],), gold, (or_null, any_case)))[1]
    assert [judgement.verdict for judgement in alone] == ["correct", "correct"]
    judged = judge(Unit(tuple(paths), gold, (or_null, any_case, gold)))[1]
    assert [judgement.verdict for judgement in judged] == ["incorrect", "incorrect", "correct"]
