"""builders/gold.py: the golds of a set become a data set that says which of them can judge."""

import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import write_spider
from hub import Hub

from sense.database import database_sha256
from sense.facts import Funnel, read_facts
from sense.golds import gold_check
from sense.golds.gold_check import check_golds
from sense.inputs.predictions import Gold

BUILDER = str(Path(__file__).parents[1] / "builders" / "gold.py")

TRAIN = [
    ("world", "Cities?", "SELECT count(*) FROM city"),
    ("world", "Cities?", "SELECT count(*) FROM city"),
    ("world", "One of Asia", "SELECT name FROM country ORDER BY continent DESC LIMIT 3"),
    ("world", "Who rules?", "SELECT ruler FROM country"),
    ("world", "Empty it", "DELETE FROM city"),
    ("world", "No query", "please"),
    ("nowhere", "How many?", "SELECT count(*) FROM city"),
    ("ruin", "How many?", "SELECT count(*) FROM t"),
    ("world", "Mean by letter", "SELECT name, avg(population) FROM city GROUP BY country_code"),
    ("world", "Cities of Chile?", "SELECT name FROM city WHERE country_code = 'CHL' ORDER BY id"),
]
DEV = [("town", "Streets", "SELECT name FROM street ORDER BY name")]


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    folder = write_spider(tmp_path / "spider", train_spider=TRAIN, dev=DEV)
    ruin = folder / "database" / "ruin" / "ruin.sqlite"
    ruin.parent.mkdir()
    ruin.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    return folder


def build(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path | int) -> None:
    monkeypatch.setattr(sys, "argv", ["builders/gold.py", *map(str, arguments)])
    runpy.run_path(BUILDER, run_name="__main__")


def loaded(folder: Path, cache: Path) -> Any:
    from datasets import load_dataset

    return load_dataset(str(folder), cache_dir=str(cache))


def test_every_gold_is_published_with_its_status_or_counted_as_dropped(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    build(monkeypatch, "--spider", spider, "--out", out, "--num-workers", 2)
    rows = loaded(out, tmp_path / "cache")
    assert [(r["idx"], r["gold_status"], r["why"], r["hardness"]) for r in rows["train"]] == [
        (0, "ok", "", "easy"),
        (2, "order", "ties_at_cut", "medium"),
        (3, "error", "", "easy"),
        (4, "refused", "", ""),
        (5, "error", "", ""),
        (8, "bare_column", "differing_values", "medium"),
        (9, "empty", "no_rows", "medium"),
    ]
    tied = rows["train"][1]
    assert json.loads(tied["gold_witness"])["tied_rows"] == [["China"], ["Maldives"]]
    assert (tied["order_matters"], tied["num_result_rows"], tied["num_result_columns"]) == (
        True,
        3,
        1,
    )
    assert tied["db_sha256"] == database_sha256(spider / "database" / "world" / "world.sqlite")
    assert json.loads(rows["train"][2]["gold_witness"]) == {"error": "no such column: ruler"}
    [street] = rows["test"]
    assert (street["gold_status"], street["gold_witness"], street["source"], street["license"]) == (
        "ok",
        "",
        "spider",
        "cc-by-sa-4.0",
    )

    facts = read_facts(out)
    train, test = facts.funnels
    assert (train.read, train.kept, test.read, test.kept) == (10, 7, 1, 1)
    assert train.dropped == {"duplicate": 1, "database_missing": 1, "database_unreadable": 1}
    assert facts.counts["golds_of_train"] == {
        "error": 2,
        "ok": 1,
        "order (ties_at_cut)": 1,
        "refused": 1,
        "bare_column (differing_values)": 1,
        "empty (no_rows)": 1,
    }
    assert facts.counts["golds_of_test"] == {"ok": 1}
    assert "bare_column (differing_values)      1" in capsys.readouterr().out
    assert "| order (ties_at_cut) | 1 |" in (out / "README.md").read_text()


def test_rerun_with_other_workers_gives_the_same_bytes(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workers in (("a", 0), ("b", 2)):
        build(monkeypatch, "--spider", spider, "--out", tmp_path / name, "--num-workers", workers)
    for split in ("train", "test"):
        name = f"default/{split}-00000-of-00001.parquet"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_golds_of_other_sets_are_read_from_one_file(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golds = tmp_path / "gold.sql"
    golds.write_text("SELECT name FROM city LIMIT 1\tworld\nSELECT name FROM street\ttown\n")
    out = tmp_path / "out"
    options = ("--databases", spider / "database", "--license", "mit", "--num-workers", 0)
    build(monkeypatch, "--questions", golds, "--out", out, *options)
    rows = loaded(out, tmp_path / "cache")["test"]
    assert [(r["db_id"], r["gold_status"], r["source"], r["license"]) for r in rows] == [
        ("world", "order", "gold", "mit"),
        ("town", "ok", "gold", "mit"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--spider", "S", "--questions", "F"], "not allowed with argument"),
        (["--questions", "F"], "--questions needs --databases DIR"),
        (["--questions", "F", "--databases", "D", "--split", "dev"], "--split belongs to --spider"),
        (["--spider", "S", "--limit", "0"], "expected a whole number above 0"),
        (["--spider", "S", "--license", "gplx"], "no licence that the Hub knows"),
        (["--spider", "S"], "dev.json does not exist|no folder at|train_spider.json does not"),
    ],
)
def test_bad_arguments_end_with_a_sentence(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    with pytest.raises(SystemExit) as stop:
        build(monkeypatch, *arguments, "--out", tmp_path / "out")
    assert re.search(words, f"{stop.value} {capsys.readouterr().err}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_push_publishes_what_the_folder_holds(spider: Path, tmp_path: Path, hub: Hub) -> None:
    out = tmp_path / "out"
    arguments = [BUILDER, "--spider", str(spider), "--out", str(out), "--push", "sense/spider-gold"]
    assert "\ncommit  " in hub.run(arguments)
    code = "from datasets import load_dataset; print(load_dataset('sense/spider-gold').num_rows)"
    assert "{'train': 7, 'test': 1}" in hub.run(code)


@pytest.mark.slow
def test_all_of_spider(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    build(monkeypatch, "--spider", shared_data / "spider", "--out", out, "--num-workers", 2)
    facts = read_facts(out)
    train, test = facts.funnels
    assert (train.read, train.kept, train.dropped) == (8_659, 8_651, {"duplicate": 8})
    assert (test.read, test.kept, test.dropped) == (1_034, 1_034, {})
    assert facts.counts["golds_of_train"] == {
        "ok": 6_689,
        "empty (no_rows)": 1_628,
        "order (ties_at_cut)": 236,
        "empty (only_nulls)": 43,
        "bare_column (differing_values)": 41,
        "order (ties_in_subquery)": 6,
        "bare_column (cannot_be_told)": 3,
        "error": 3,
        "order (cannot_be_told)": 2,
    }
    assert facts.counts["golds_of_test"] == {
        "ok": 925,
        "empty (no_rows)": 49,
        "order (ties_at_cut)": 44,
        "bare_column (differing_values)": 6,
        "order (ties_in_subquery)": 4,
        "empty (only_nulls)": 4,
        "order (cannot_be_told)": 2,
    }


@pytest.mark.slow
def test_a_gold_that_blocks_its_worker_is_kept_as_one_that_ends_at_the_limit(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gold_check, "MAX_SECONDS_PER_GOLD", 1)
    bomb = "SELECT instr(zeroblob(9000000), zeroblob(4500000) || x'01')"  # one opcode, minutes
    golds = [Gold(0, "world", "", bomb), Gold(1, "world", "", "SELECT count(*) FROM city")]
    funnel, counts = Funnel("golds"), Counter[str]()
    rows = list(check_golds(golds, {"world": world}, "s", "mit", funnel, counts, num_workers=1))
    assert [row["gold_status"] for row in rows] == ["limit", "ok"]
    assert json.loads(rows[0]["gold_witness"]) == {"error": "more than 1 seconds without an answer"}
    assert (funnel.kept, counts) == (2, {"limit": 1, "ok": 1})
