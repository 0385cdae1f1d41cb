"""builders/suite.py as a user runs it: a folder that official evaluators and we can read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_spider

from sense.publishing.source import suite_source
from sense.suite import read_suite

ROOT = Path(__file__).parents[1]
QUESTIONS = (
    ("world", "SELECT name FROM country WHERE population > 1000000"),
    ("world", "SELECT name FROM country WHERE population > 1000000"),
    ("world", "SELECT count(*) FROM city"),
    ("pets", "SELECT name FROM pet WHERE age > 3"),
)


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    """A folder like Spider's with two databases and four questions."""
    return write_spider(tmp_path / "spider", dev=[(name, "?", sql) for name, sql in QUESTIONS])


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "builders/suite.py", *map(str, arguments)]
    return subprocess.run(
        [*command, "--max-variants", "16", "--num-workers", "1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_a_suite_is_made_and_kept_by_a_second_run(spider: Path, tmp_path: Path) -> None:
    out = tmp_path / "suite"
    first = run("--spider", spider, "--out", out)
    assert first.returncode == 0, first.stderr
    suite = read_suite(out)
    assert list(suite.databases) == ["pets", "world"]
    paths = suite.paths("world", QUESTIONS[0][1])
    assert paths[0].name == "world.sqlite"
    assert len(paths) > 1
    facts = json.loads((out / "facts.json").read_text())
    assert facts["results"]["golds"] == 3
    assert facts["inputs"][0]["name"] == "dev.json"
    assert facts["inputs"][0]["license"] == suite_source(suite).license == "cc-by-sa-4.0"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run("--spider", spider, "--out", out)
    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_only_what_has_changed_is_made_again(spider: Path, tmp_path: Path) -> None:
    out = tmp_path / "suite"
    assert run("--spider", spider, "--out", out).returncode == 0
    kept = (out / "pets" / "index.json").stat().st_mtime_ns
    made = (out / "world" / "index.json").stat().st_mtime_ns
    rows = json.loads((spider / "dev.json").read_text())
    rows.append({"db_id": "world", "question": "?", "query": "SELECT code FROM country"})
    (spider / "dev.json").write_text(json.dumps(rows))
    assert run("--spider", spider, "--out", out).returncode == 0
    assert (out / "pets" / "index.json").stat().st_mtime_ns == kept
    assert (out / "world" / "index.json").stat().st_mtime_ns != made
    assert json.loads((out / "facts.json").read_text())["results"]["golds"] == 4


def test_a_folder_of_other_things_is_left_alone(spider: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = run("--spider", spider, "--out", tmp_path)
    assert result.returncode == 1
    assert "holds notes.txt, spider, which is not part of this suite" in result.stderr


def test_a_gold_without_its_database_is_an_error_before_any_work(
    spider: Path, tmp_path: Path
) -> None:
    (spider / "database" / "pets" / "pets.sqlite").unlink()
    result = run("--spider", spider, "--out", tmp_path / "suite")
    assert result.returncode == 1
    assert "db_id 'pets' has no database" in result.stderr
    assert not (tmp_path / "suite").exists()


def test_a_split_that_no_one_has_is_an_error(spider: Path, tmp_path: Path) -> None:
    result = run("--spider", spider, "--split", "test", "--out", tmp_path / "suite")
    assert result.returncode == 2
    assert "--split test: expected one of train, dev" in result.stderr
