"""sense.strong: the plan of the grammar's run, and what happens to its databases and rows."""

from collections import Counter
from pathlib import Path

import pytest
from conftest import WORLD_SCRIPT, write_database

from sense.database import database_sha256
from sense.example import Hardness
from sense.journal import Journal
from sense.prompt import TINY_CONTRACT
from sense.splits import split_by_template
from sense.strong import (
    Database,
    StrongSet,
    Unit,
    database_files,
    database_rows,
    given_databases,
    invented_databases,
    make_examples,
    num_rows,
    parts,
    plan_round,
    run_unit,
    unusable_databases,
)

EVEN: dict[Hardness, float] = {"easy": 1, "medium": 1, "hard": 1, "extra": 1}


def database(path: Path, split: str = "train") -> Database:
    return Database(path.stem, str(path), "", "mit", split)  # type: ignore[arg-type]


def damaged(path: Path) -> Path:
    """A database whose schema reads well and whose rows do not."""
    rows = ", ".join(f"({i}, 'name {i}')" for i in range(5_000))
    write_database(path, f"CREATE TABLE t (id INTEGER, name TEXT); INSERT INTO t VALUES {rows};")
    data = bytearray(path.read_bytes())
    data[8192:-8192] = b"\xff" * (len(data) - 16384)
    path.write_bytes(data)
    return path


def test_units_cover_what_is_missing_and_spare_spent_databases() -> None:
    databases = [database(Path(f"{name}.sqlite")) for name in "abc"]
    missing = {"train": Counter(easy=7, hard=900), "test": Counter()}
    spent: set[tuple[str, Hardness]] = {("b", "easy")}
    units = plan_round(0, missing, databases, spent, TINY_CONTRACT, 0)  # type: ignore[arg-type]
    total = Counter[tuple[str, str]]()
    for unit in units:
        for level, num in unit.quota.items():
            total[unit.database.db_id, level] += num
    assert sum(num for (_, level), num in total.items() if level == "easy") == 7
    assert total["b", "easy"] == 0
    assert [total[name, "hard"] for name in "abc"] == [300, 300, 300]
    assert len({unit.key for unit in units}) == len(units)


def test_large_quotas_are_cut_into_parts() -> None:
    found = parts({"easy": 500, "extra": 501}, 400)
    assert found == [
        {"easy": 167, "extra": 167},
        {"easy": 167, "extra": 167},
        {"easy": 166, "extra": 167},
    ]
    assert parts({}, 400) == []


def test_unusable_databases_are_told_apart(world: Path, tmp_path: Path) -> None:
    empty = write_database(tmp_path / "empty.sqlite", "CREATE TABLE t (a);")
    bare = write_database(tmp_path / "bare.sqlite", "CREATE VIEW v AS SELECT 1;")
    text = tmp_path / "text.sqlite"
    text.write_text("no database")
    nothing = tmp_path / "nothing.sqlite"
    nothing.touch()
    paths = {path.stem: path for path in (world, empty, bare, text, nothing)}
    assert unusable_databases(paths) == {
        "empty": "database_empty",
        "bare": "database_empty",
        "text": "database_corrupt",
        "nothing": "database_corrupt",
    }
    del paths["world"]
    with pytest.raises(ValueError, match=r"none of the 4 databases can be used: 'empty' \(databa"):
        unusable_databases(paths)


def test_damage_inside_a_file_is_a_fault_of_its_unit(tmp_path: Path) -> None:
    path = damaged(tmp_path / "bad.sqlite")
    unit = Unit(0, 0, database(path), {"easy": 3}, 0, TINY_CONTRACT)
    assert run_unit(unit) == {"rows": [], "rejected": {}, "fault": "database_corrupt"}


def test_a_unit_gives_the_same_verified_rows_each_time(world: Path) -> None:
    unit = Unit(0, 0, database(world), {"easy": 3, "medium": 3}, 5, TINY_CONTRACT)
    result = run_unit(unit)
    assert result == run_unit(unit)
    assert Counter(row["hardness"] for row in result["rows"]) == {"easy": 3, "medium": 3}
    assert {row["gold_status"] for row in result["rows"]} == {"ok"}
    assert {row["db_sha256"] for row in result["rows"]} == {database_sha256(world)}
    other = run_unit(unit._replace(part=1))
    assert {row["sql"] for row in other["rows"]} != {row["sql"] for row in result["rows"]}


def test_one_database_gives_both_splits_apart_by_template(world: Path, tmp_path: Path) -> None:
    databases = given_databases({"world": world}, "mit", 0.3, seed=0)
    assert [found.split for found in databases] == [""]
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet({"train": 28, "test": 12}, EVEN, journal)
        make_examples(strong, databases, TINY_CONTRACT, seed=0, num_workers=0)
        rows = {name: list(strong.rows(name)) for name in ("train", "test")}
    assert len(rows["train"]) == 28
    assert 0 < len(rows["test"]) <= 12
    assert strong.missing["test"].total() == 12 - len(rows["test"])
    for name, found in rows.items():
        assert {split_by_template(row["sql"], 0.3) for row in found} == {name}


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
    found = [database(world), database(large)]
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


def test_invented_databases_of_other_settings_are_built_anew(tmp_path: Path) -> None:
    plain, again, renamed = (
        invented_databases(1, 0.0, 0, share, tmp_path, num_workers=0) for share in (0.0, 0.0, 1.0)
    )
    assert plain == again
    assert plain[0].db_id == renamed[0].db_id
    assert database_sha256(plain[0].path) != database_sha256(renamed[0].path)
