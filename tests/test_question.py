"""Questions of a published set come with their databases, all of them or a seeded choice."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WORLD_SCRIPT, write_database

from sense.card import DatasetText
from sense.database import UnknownDatabase, database_sha256
from sense.example import Example, database_features, example_features, to_row
from sense.facts import collect_facts
from sense.inputs.question import load_questions
from sense.models.mixture import load_mixture, parts_of
from sense.release import write_dataset

TEXT = DatasetText("set", "Rows. For tests.", "mit", ("One.",), ("None.",))


@pytest.fixture
def strong(tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of six questions over `world`, published as a script."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    digest = database_sha256(world)
    first = Example("world", "How many cities?", "SELECT COUNT(*) FROM city", "easy", "ok", "t",
                    digest, "mit")  # fmt: skip
    rows = [to_row(replace(first, question=f"question {i}")) for i in range(6)]
    database = {
        "db_id": "world", "domain": "", "db_sha256": digest, "script": WORLD_SCRIPT,
        "source": "t", "license": "mit", "num_tables": 2, "num_rows": 14,
    }  # fmt: skip
    write_dataset(
        tmp_path / "strong",
        {"default": {"test": rows}, "databases": {"train": [database]}},
        {"default": example_features(), "databases": database_features()},
        collect_facts("builders/strong.py", seed=0, settings={}),
        TEXT,
    )
    return tmp_path / "strong"


def test_questions_keep_their_order_and_get_their_database(strong: Path, tmp_path: Path) -> None:
    folder = write_database(tmp_path / "files" / "world.db", WORLD_SCRIPT).parent
    questions = load_questions(str(strong), "test", str(folder))
    assert [q.example.question for q in questions] == [f"question {i}" for i in range(6)]
    assert {q.db_path for q in questions} == {str(folder / "world.db")}


def test_choice_follows_the_seed_and_keeps_the_order(strong: Path, world: Path) -> None:
    folder = str(world.parent.parent)

    def chosen(seed: int) -> list[str]:
        questions = load_questions(str(strong), "test", folder, num=3, seed=seed)
        return [question.example.question for question in questions]

    assert chosen(1) == chosen(1) == sorted(chosen(1))
    assert len({tuple(chosen(seed)) for seed in range(5)}) > 1
    assert len(load_questions(str(strong), "test", folder, num=100)) == 6


def test_faults_of_the_set_are_named(strong: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no split 'train'; it has test"):
        load_questions(str(strong), "train")
    other = write_database(tmp_path / "others" / "word.db", WORLD_SCRIPT).parent
    with pytest.raises(UnknownDatabase, match=r"'world' has no database in .*match: 'word'"):
        load_questions(str(strong), "test", str(other))
    with pytest.raises(FileNotFoundError, match=r"no set of questions at .*nowhere"):
        load_questions(str(tmp_path / "nowhere"), "test")


def test_a_path_beside_a_folder_is_no_set_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no set of questions at runs/nope; expected"):
        load_questions("runs/nope", "test")
    with pytest.raises(FileNotFoundError, match=r"the folder runs/empty holds no rows; expected"):
        load_questions("runs/empty", "test")
    with pytest.raises(FileNotFoundError, match="no set of questions at runs/nope; expected"):
        load_mixture(parts_of("runs/nope"), "train", ["prompt"], seed=0)
