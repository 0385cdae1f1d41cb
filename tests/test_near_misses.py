"""Near misses of a gold, and which of them a database tells from it."""

from pathlib import Path

import pytest
from conftest import write_database

from sense.schema import read_schema
from sense.suites.material import read_material
from sense.suites.near_misses import mutation_values, near_misses, separated

GOLD = "SELECT name FROM country WHERE population > 1000000 ORDER BY population DESC LIMIT 2"


def misses(world: Path, gold: str = GOLD, num_double_edits: int = 12, seed: int = 0) -> list[str]:
    values = mutation_values(read_material(world, [gold]))
    return near_misses(gold, read_schema(world), values, num_double_edits, seed)


def test_all_single_edits_come_first_and_some_double_ones_follow(world: Path) -> None:
    singles = misses(world, num_double_edits=0)
    assert (
        "SELECT name FROM country WHERE population >= 1000000 ORDER BY population DESC LIMIT 2"
        in (singles)
    )
    found = misses(world)
    assert found[: len(singles)] == singles
    assert 0 < len(found) - len(singles) <= 12


def test_neither_gold_nor_any_query_twice_is_among_them(world: Path) -> None:
    found = misses(world, num_double_edits=100)
    assert len(set(found)) == len(found)
    assert GOLD not in found


def test_the_seed_decides_the_double_edits(world: Path) -> None:
    assert misses(world) == misses(world)
    assert misses(world) != misses(world, seed=1)


def test_text_that_is_no_query_has_none(world: Path) -> None:
    assert misses(world, "SELECT FROM WHERE") == []


@pytest.mark.parametrize(
    ("sql", "is_separated"),
    [
        ("SELECT name FROM country WHERE population > 0 ORDER BY population DESC LIMIT 2", False),
        ("SELECT name FROM country ORDER BY population DESC LIMIT 3", True),
        ("SELECT nmae FROM country", True),
        ("SELECT name, population FROM country", True),
    ],
)
def test_a_query_is_separated_where_its_result_differs_or_it_does_not_run(
    world: Path, sql: str, is_separated: bool
) -> None:
    assert separated(world, [GOLD], {0: {7: sql}}) == ({7} if is_separated else set())


def test_nothing_is_separated_where_gold_is_not_defined(tmp_path: Path) -> None:
    script = "CREATE TABLE t (name TEXT, age INTEGER); INSERT INTO t VALUES ('a', 3), ('b', 3)"
    path = write_database(tmp_path / "t.sqlite", script)
    tied = "SELECT name FROM t ORDER BY age LIMIT 1"
    broken = "SELECT nothing FROM t"
    others = {0: "SELECT name FROM t ORDER BY age DESC, name DESC LIMIT 1"}
    assert separated(path, [tied], {0: others}) == set()
    assert separated(path, [broken], {0: others}) == set()


def test_another_order_of_columns_is_not_separated(world: Path) -> None:
    golds = ["SELECT name, code FROM country"]
    assert separated(world, golds, {0: {0: "SELECT code, name FROM country"}}) == set()
