"""sense.strong: the plan of the grammar's run, and what happens to its rows."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from conftest import write_database
from test_collection import damaged

from sense.coverage.asking import grammar_coverages
from sense.coverage.plan import parse_plan, read_plan
from sense.database import database_sha256
from sense.example import Hardness
from sense.execution import execute
from sense.journal import Journal
from sense.prompt import TINY_CONTRACT
from sense.strong import StrongSet, make_examples, parts, plan_round
from sense.strong_set.collection import Database, given_databases
from sense.strong_set.kept import Places, Texts, text_digest
from sense.strong_set.outcome import used_databases
from sense.strong_set.reasons import meaning
from sense.strong_set.splits import Split, split_by_template
from sense.strong_set.unit import Unit, run_unit

EVEN: dict[Hardness, float] = {"easy": 1, "medium": 1, "hard": 1, "extra": 1}


def database(path: Path, split: str = "train") -> Database:
    return Database(path.stem, str(path), "", "mit", split)  # type: ignore[arg-type]


def test_units_cover_what_is_missing_and_spare_spent_databases() -> None:
    databases = [database(Path(f"{name}.sqlite")) for name in "abc"]
    missing = {"train": Counter(easy=7, hard=900), "test": Counter()}
    spent = {("b", "easy", "")}
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


def test_damage_inside_a_file_is_a_fault_of_its_unit(tmp_path: Path) -> None:
    path = damaged(tmp_path / "bad.sqlite")
    unit = Unit(0, 0, database(path), {"easy": 3}, 0, TINY_CONTRACT)
    nothing = {"rows": [], "rejected": {}, "shown": [], "tries": []}
    assert run_unit(unit) == {**nothing, "fault": "database_corrupt"}


def test_a_fault_of_one_unit_leaves_the_examples_of_others(tmp_path: Path) -> None:
    databases = [database(tmp_path / "big.sqlite")]
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet({"train": 4, "test": 0}, EVEN, journal)
    strong.faults["big"] = "database_limit"
    with pytest.raises(RuntimeError, match=r"gave no example: 'big' \(database_limit\);"):
        used_databases(strong, databases)
    strong.digests["big"] = "digest"
    assert used_databases(strong, databases) == databases
    strong.digests.clear()
    strong.faults["big"] = "database_corrupt"
    with pytest.raises(RuntimeError, match="there is damage inside 'big'; restore the file"):
        used_databases(strong, databases)
    assert meaning("database_limit") and meaning("database_crash") and meaning("no_example")


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


def test_dropped_candidates_are_shown_with_their_reasons(world: Path, tmp_path: Path) -> None:
    databases = given_databases({"world": world}, "mit", 0.3, seed=0)
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet({"train": 28, "test": 12}, EVEN, journal)
        make_examples(strong, databases, TINY_CONTRACT, 0, num_workers=0)
        rows = {split: list(strong.rejected(split)) for split in ("train", "test")}
    found = [row for part in rows.values() for row in part]
    assert {row["reason"] for row in found} <= strong.funnel.dropped.keys()
    assert {row["reason"] for row in found} >= {"trivial_result", "empty_result"}
    assert len({row["id"] for row in found}) == len(found)
    assert all(meaning(reason) for reason in strong.funnel.dropped)
    for reason in {row["reason"] for row in found}:
        shown = [row for row in found if row["reason"] == reason]
        assert len(shown) <= strong.funnel.dropped[reason]
    for split, part in rows.items():
        assert all(split_by_template(row["sql"], 0.3) == split for row in part)
    empty = next(row for row in found if row["reason"] == "empty_result")
    assert execute(world, empty["sql"]).rows == ()
    assert (empty["teacher"], empty["db_id"], empty["license"]) == ("grammar", "world", "mit")


def test_rows_that_no_part_of_a_plan_can_give_are_missing_too(tmp_path: Path) -> None:
    script = "CREATE TABLE cat (name TEXT, age INT); INSERT INTO cat VALUES ('Tom', 3), ('Kim', 5);"
    databases = [database(write_database(tmp_path / "cats.sqlite", script))]
    plan = parse_plan("{hardness: {easy: 1}, style: {imperative: 1}, feature: {}}")
    totals: dict[Split, int] = {"train": 400, "test": 5}
    coverages = grammar_coverages(plan, totals, databases)
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet(totals, {"easy": 1}, journal, coverages)
        make_examples(strong, databases, TINY_CONTRACT, 0, 0)
    num_kept = len(strong.kept["train"])
    assert 0 < num_kept < 400
    assert sum(strong.lacking("train").values()) == 400 - num_kept
    assert strong.lacking("test") == {"any level": 5}


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_of_few_rows_gets_them_all(world: Path, tmp_path: Path, seed: int) -> None:
    """Its first rounds ask for less than a row each."""
    databases = [database(world)]
    totals: dict[Split, int] = {"train": 2, "test": 0}
    coverages = grammar_coverages(read_plan(), totals, databases)
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet(totals, EVEN, journal, coverages)
        make_examples(strong, databases, TINY_CONTRACT, seed, 0)
    assert len(strong.kept["train"]) == 2


def test_a_level_that_another_stands_in_for_is_no_lack(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl", {}) as journal:
        strong = StrongSet({"train": 3, "test": 1}, {"easy": 1, "hard": 1}, journal)
    strong.missing["train"] = Counter({"easy": -1, "hard": 2})
    for position in (0, 1):
        strong.kept["train"].add("unit", position)
    assert strong.lacking("train") == {"hard": 1}
    strong.kept["train"].add("unit", 2)
    assert strong.lacking("train") == {}


def test_a_kept_row_takes_few_bytes() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        places, texts = Places(), Texts()
        for number in range(20_000):
            db_id = f"db{number // 400}"
            texts.add(db_id, text_digest(f"How many cats are older than {number}?"))
            texts.add(db_id, text_digest(f"SELECT COUNT(*) FROM cat WHERE age > {number}"))
            places.add(db_id, number % 400)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(places) == 20_000
    assert (after - before) / 20_000 < 36  # 20, room to grow, and the set of one database
    assert texts.has("db7", text_digest("how many cats are older than 2800?"))
    assert not texts.has("db8", text_digest("How many cats are older than 2800?"))
