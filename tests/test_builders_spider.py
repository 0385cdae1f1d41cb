"""builders/spider.py: a Spider folder becomes a released dataset that counts every row."""

import runpy
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_spider
from hub import Hub

from sense.database import database_sha256, find_database
from sense.example import to_example
from sense.facts import Funnel, read_facts
from sense.inputs.human import human_examples
from sense.official import spider_score
from sense.prompt import DEFAULT_CONTRACT, TINY_CONTRACT, extract_sql, prompt_messages

BUILDER = str(Path(__file__).parents[1] / "builders" / "spider.py")

TRAIN = [
    (
        "world",
        "How many cities are in France? ",
        "SELECT count(*) FROM city WHERE country_code = 'FRA';",
    ),
    (
        "world",
        "How many cities are in France?",
        "SELECT count(*) FROM city WHERE country_code = 'FRA'",
    ),
    ("world", "Who rules?", "SELECT ruler FROM country"),
    ("world", "Empty the table", "DELETE FROM city"),
    ("world", "Loses: 'value' is read as 1", "SELECT population AS value FROM city"),
    ("nowhere", "How many?", "SELECT count(*) FROM city"),
    ("world", "Cities of Chile?", "SELECT name FROM city WHERE country_code = 'CHL'"),
    ("pets", "Names of dogs", 'SELECT name FROM pet WHERE kind = "dog" ORDER BY age DESC LIMIT 1'),
]
DEV = [("town", "All streets", "SELECT name FROM street")]


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    files = {"train_spider": TRAIN[:-1], "train_others": TRAIN[-1:], "dev": DEV}
    return write_spider(tmp_path / "spider", **files)


def build(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["builders/spider.py", *map(str, arguments)])
    runpy.run_path(BUILDER, run_name="__main__")


def test_every_row_is_kept_or_counted(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from datasets import load_dataset

    out = tmp_path / "out"
    build(monkeypatch, "--spider", spider, "--out", out, "--num-workers", 2)
    train, dev = read_facts(out).funnels
    assert (train.read, train.kept, dev.read, dev.kept) == (8, 3, 1, 1)
    assert train.dropped == {
        "duplicate": 1,
        "gold_error": 1,
        "gold_refused": 1,
        "gold_loses": 1,
        "database_missing": 1,
    }
    assert "dropped database_missing     1" in capsys.readouterr().out

    rows = list(load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["train"])
    assert [(row["question"], row["gold_status"], row["hardness"]) for row in rows] == [
        ("How many cities are in France?", "ok", "easy"),
        ("Cities of Chile?", "empty", "easy"),
        ("Names of dogs", "order", "hard"),
    ]
    assert rows[2]["sql"] == "SELECT name FROM pet WHERE kind = 'dog' ORDER BY age DESC LIMIT 1"
    assert extract_sql(rows[2]["completion"][0]["content"]) == rows[2]["sql"]
    assert read_facts(out).counts == {"strings_in_double_quotes": {"single_quoted": 1}}
    assert "strings in double quotes" in (out / "README.md").read_text()

    first = to_example(rows[0])
    world = spider / "database" / "world" / "world.sqlite"
    assert first.sql == "SELECT count(*) FROM city WHERE country_code = 'FRA'"
    assert first.prompt == prompt_messages(DEFAULT_CONTRACT, world, first.question)
    assert extract_sql(first.completion[0]["content"]) == first.sql
    assert (first.source, first.license) == ("spider-train", "cc-by-sa-4.0")
    assert (first.prompt_hash, first.db_sha256) == (DEFAULT_CONTRACT.hash, database_sha256(world))
    assert first.features == ["aggregate", "where"]

    copy = find_database(out, "world", cache_dir=tmp_path / "databases")
    assert database_sha256(copy) == first.db_sha256


def test_rerun_with_other_workers_gives_the_same_bytes(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workers in (("a", 0), ("b", 3)):
        build(monkeypatch, "--spider", spider, "--out", tmp_path / name, "--num-workers", workers)
    paths = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.parquet"))
    assert len(paths) == 3
    for path in paths:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_one_split_limited_with_the_tiny_contract(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import load_dataset

    out = tmp_path / "out"
    options = ("--split", "dev", "--limit", 1, "--contract", "tiny", "--num-workers", 0)
    build(monkeypatch, "--spider", spider, "--out", out, *options)
    loaded = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["test"]
    assert loaded["test"][0]["prompt"] == [
        {"role": "user", "content": "n1 street ( n2 name )\nAll n1"}
    ]
    assert read_facts(out).settings["prompt_hash"] == TINY_CONTRACT.hash


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("dev.json", "dev.json does not exist; .* train_others.json, train_spider.json"),
        ("database", "no folder at .*/database; expected databases as"),
    ],
)
def test_incomplete_folder_ends_with_a_sentence(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: str, words: str
) -> None:
    (spider / remove).rename(tmp_path / "elsewhere")
    with pytest.raises(SystemExit, match=f"error: .*{words}"):
        build(monkeypatch, "--spider", spider, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_push_publishes_what_the_folder_holds(spider: Path, tmp_path: Path, hub: Hub) -> None:
    out = tmp_path / "out"
    arguments = [BUILDER, "--spider", str(spider), "--out", str(out), "--push", "sense/spider"]
    assert "\ncommit  " in hub.run(arguments)
    code = "from datasets import load_dataset; print(load_dataset('sense/spider').num_rows)"
    assert "{'train': 3, 'test': 1}" in hub.run(code)


def examples_of(sqls: list[str], db_path: Path) -> tuple[list[str], Funnel, Counter[str]]:
    """The SQL of the examples that these golds of one question become, and both counts."""
    rows = [{"db_id": "world", "question": "?", "sql": sql, "evidence": ""} for sql in sqls]
    funnel, quotes = Funnel("rows"), Counter[str]()
    examples = human_examples(
        rows, {"world": db_path}, "s", "l", TINY_CONTRACT, spider_score, funnel, quotes, 0
    )
    return [example.sql for example in examples], funnel, quotes


def test_string_gets_single_quotes_and_a_name_keeps_its_double_ones(world: Path) -> None:
    gold = 'SELECT "name" FROM city WHERE country_code = "FRA" AND name != "it\'s"'
    published = "SELECT \"name\" FROM city WHERE country_code = 'FRA' AND name != 'it''s'"
    names_only = 'SELECT "name" FROM city'
    sqls, _, quotes = examples_of([gold, names_only], world)
    assert sqls == [published, names_only]
    assert quotes == {"single_quoted": 1}


def test_rows_that_only_quotes_told_apart_are_duplicates(world: Path) -> None:
    golds = [f"SELECT name FROM city WHERE country_code = {text}" for text in ('"FRA"', "'FRA'")]
    sqls, funnel, _ = examples_of(golds, world)
    assert sqls == golds[1:]
    assert funnel.dropped == {"duplicate": 1}


def test_gold_keeps_its_quotes_where_its_rows_would_change(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sense.inputs import human

    monkeypatch.setattr(human, "single_quoted", lambda sql, schema: sql.replace('"FRA"', "'CHN'"))
    gold = 'SELECT name FROM city WHERE country_code = "FRA"'
    sqls, _, quotes = examples_of([gold], world)
    assert sqls == [gold]
    assert quotes == {"double_quoted": 1}


def test_gold_that_overruns_is_tried_once_more(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sense.execution import Limits
    from sense.gold import GoldCheck, check_gold
    from sense.inputs import human

    heap_bytes = iter([1_000, 0])

    def crowded(path: str, sql: str, limits: Limits) -> GoldCheck:
        return check_gold(path, sql, replace(limits, max_heap_bytes=next(heap_bytes)))

    monkeypatch.setattr(human, "check_gold", crowded)
    sqls, _, _ = examples_of(["SELECT name FROM city ORDER BY name"], world)
    assert sqls == ["SELECT name FROM city ORDER BY name"]


def test_gold_beyond_the_limits_is_counted_as_timeout(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sense.execution import Limits
    from sense.inputs import human

    monkeypatch.setattr(human, "WORKER_LIMITS", Limits(max_steps=10_000))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    sqls, funnel, _ = examples_of([endless], world)
    assert sqls == []
    assert funnel.dropped == {"gold_timeout": 1}


@pytest.mark.slow
def test_whole_spider(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    build(monkeypatch, "--spider", shared_data / "spider", "--out", out)
    facts = read_facts(out)
    train, dev = facts.funnels
    assert (train.read, train.kept) == (8_659, 8_628)
    assert train.dropped == {"duplicate": 8, "gold_error": 3, "gold_loses": 20}
    assert (dev.read, dev.kept, dev.dropped) == (1_034, 1_034, {})
    assert facts.counts == {"strings_in_double_quotes": {"single_quoted": 3_061}}
    assert facts.results["splits"]["databases"]["train"]["num_rows"] == 166
