"""builders/bird.py: BIRD's folder, or a file of its form, becomes a released dataset."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import WORLD_SCRIPT, write_database
from datasets import load_dataset
from huggingface_hub import DatasetCard

from sense.database import find_database
from sense.example import to_example
from sense.facts import read_facts
from sense.prompt import DEFAULT_CONTRACT, prompt_messages

BUILDER = str(Path(__file__).parents[1] / "builders" / "bird.py")


def bird_row(question: str, sql: str, db_id: str = "world", **more: Any) -> dict[str, Any]:
    return {"db_id": db_id, "question": question, "evidence": "", "SQL": sql, **more}


TRAIN = [
    bird_row("How many French cities?", "SELECT COUNT(*) FROM city WHERE country_code = 'FRA'")
    | {"evidence": "French refers to country_code = 'FRA'"},
    bird_row("Who rules?", "SELECT ruler FROM country"),
    bird_row("Cities?", "SELECT name FROM city"),
    bird_row("How many?", "SELECT COUNT(*) FROM city", db_id="nowhere"),
    bird_row("Cities?", "SELECT name FROM city"),
]
DEV = [
    bird_row("Streets?", "SELECT name FROM street", "town", question_id=7, difficulty="simple"),
    bird_row("Rivers?", "SELECT name FROM river", "town", question_id=9, difficulty="challenging"),
]


@pytest.fixture
def bird(tmp_path: Path) -> Path:
    folder = tmp_path / "bird"
    write_database(folder / "train_databases" / "world" / "world.sqlite", WORLD_SCRIPT)
    descriptions = folder / "train_databases" / "world" / "database_description"
    descriptions.mkdir()
    (descriptions / "city.csv").write_text("original_column_name,column_name\nname,name\n")
    town = "CREATE TABLE street (name TEXT); INSERT INTO street VALUES ('Main');"
    river = "CREATE TABLE river (name TEXT);"
    write_database(folder / "dev_databases" / "town" / "town.sqlite", town + river)
    (folder / "train.json").write_text(json.dumps(TRAIN))
    (folder / "dev.json").write_text(json.dumps(DEV))
    return folder


def build(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["builders/bird.py", *map(str, arguments)])
    runpy.run_path(BUILDER, run_name="__main__")


def load(folder: Path, tmp_path: Path, config: str = "default") -> Any:
    return load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"))


def test_every_row_is_kept_or_counted(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    build(monkeypatch, "--bird", bird, "--out", out, "--num-workers", 0)
    facts = read_facts(out)
    train, dev = facts.funnels
    assert (train.name, train.read, train.kept) == ("bird-train", 5, 2)
    assert train.dropped == {"gold_error": 1, "database_missing": 1, "duplicate": 1}
    assert (dev.name, dev.read, dev.kept) == ("bird-dev", 2, 2)
    assert "dropped database_missing     1" in capsys.readouterr().out
    assert facts.counts["difficulty"] == {"challenging": 1, "simple": 1}

    rows = load(out, tmp_path)
    first = to_example(rows["train"][0])
    assert first.evidence == "French refers to country_code = 'FRA'"
    world = bird / "train_databases" / "world" / "world.sqlite"
    assert first.prompt == prompt_messages(
        DEFAULT_CONTRACT, world, first.question, "French refers to country_code = 'FRA'"
    )
    assert (first.source, first.license) == ("bird-train", "cc-by-sa-4.0")
    shown = [(row["question"], row["hardness"], row["gold_status"]) for row in rows["test"]]
    assert shown == [("Streets?", "easy", "ok"), ("Rivers?", "easy", "empty")]
    assert find_database(out, "town", cache_dir=tmp_path / "databases").is_file()
    card = DatasetCard.load(out / "README.md")
    assert card.data.license == "cc-by-sa-4.0"
    assert "synthetic" not in card.data.tags
    assert "The splits share no database." in card.text


@pytest.mark.parametrize("text", ["[0, 2]", "0\n2\n", '["0", "2"]\n'])
def test_only_the_listed_rows_are_kept(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    ids, out = tmp_path / "kept.txt", tmp_path / "out"
    ids.write_text(text)
    options = ("--split", "train", "--without-databases", "--num-workers", 0)
    build(monkeypatch, "--bird", bird, "--ids", ids, "--out", out, *options)
    [train] = read_facts(out).funnels
    assert (train.read, train.kept, train.dropped) == (5, 2, {"not_in_ids": 3})
    assert load(out, tmp_path)["train"]["question"][:] == ["How many French cities?", "Cities?"]
    assert list(read_facts(out).results["splits"]) == ["default"]
    assert [source.name for source in read_facts(out).inputs] == ["train.json", "kept.txt"]
    assert "The databases are not part of this set" in (out / "README.md").read_text("utf-8")


def test_databases_too_large_to_be_published_are_named(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sense.strong_set.collection.MAX_READ_BYTES", 0)
    out = tmp_path / "out"
    build(monkeypatch, "--bird", bird, "--split", "dev", "--out", out, "--num-workers", 0)
    assert read_facts(out).counts["databases_not_published"] == {"town": 1}
    assert "| databases not published | count |" in (out / "README.md").read_text("utf-8")
    assert load(out, tmp_path, "databases")["train"]["num_rows"][:] == [0]


def test_ids_are_those_of_the_questions_where_they_have_some(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, out = tmp_path / "kept.txt", tmp_path / "out"
    ids.write_text("9")
    options = ("--split", "dev", "--num-workers", 0, "--ids", ids)
    build(monkeypatch, "--bird", bird, "--out", out, *options)
    assert load(out, tmp_path)["test"]["question"][:] == ["Rivers?"]
    assert read_facts(out).counts["difficulty"] == {"challenging": 1}


def test_file_in_the_form_of_spider(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, out = tmp_path / "town.json", tmp_path / "out"
    row = {"db_id": "town", "question": "Streets?", "query": "SELECT name FROM street"}
    questions.write_text(json.dumps([row]))
    source = ("--questions", questions, "--databases", bird / "dev_databases")
    named = ("--name", "spider-town", "--license", "mit", "--num-workers", 0)
    build(monkeypatch, *source, *named, "--out", out)
    [example] = load(out, tmp_path)["train"]
    assert (example["source"], example["license"]) == ("spider-town-train", "mit")
    assert "Spider's execution match" in (out / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ids", "ids"], "ids lists 1 id that no question has, such as '12'"),
        (["--bird", "nowhere"], "dev.json does not exist"),
        (["--ids", "broken"], "starts like a JSON array and is none"),
        (["--license", "nonsense"], "nonsense"),
    ],
)
def test_inputs_that_end_with_a_sentence(
    bird: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ids").write_text("12")
    Path("broken").write_text("[1, ")
    with pytest.raises(SystemExit, match=f"error: .*{words}"):
        build(monkeypatch, "--bird", bird, *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_id_of_two_splits_asks_for_one(
    bird: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bird / "dev.json").write_text(json.dumps([DEV[0] | {"question_id": 2}]))
    ids = tmp_path / "kept.txt"
    ids.write_text("2")
    with pytest.raises(SystemExit, match="'2', which train and dev both have; choose one"):
        build(monkeypatch, "--bird", bird, "--ids", ids, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--bird", "a", "--questions", "b"], ["--questions", "b"], ["--bird", "a"]],
    ids=["no set", "two sets", "no databases", "no output"],
)
def test_arguments_that_do_not_fit_together(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    out = [] if arguments == ["--bird", "a"] else ["--out", "out"]
    with pytest.raises(SystemExit, match="2"):
        build(monkeypatch, *arguments, *out)


def test_bird_dev_over_one_database(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bird, out = shared_data / "bird", tmp_path / "out"
    source = ("--questions", bird / "dev_superhero.json", "--databases", bird / "database")
    named = ("--name", "bird", "--license", "cc-by-sa-4.0", "--split", "dev")
    build(monkeypatch, *source, *named, "--out", out, "--num-workers", 0)
    facts = read_facts(out)
    assert (facts.funnels[0].read, facts.funnels[0].kept) == (129, 129)
    assert sum(facts.counts["difficulty"].values()) == 129
    rows = load(out, tmp_path)["test"]
    assert rows["evidence"][0].startswith("3-D Man refers to superhero_name")
