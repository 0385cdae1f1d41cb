"""The benchmarks run, on a small database and a stand-in for the official evaluator."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import WORLD_SCRIPT, write_database

ROOT = Path(__file__).parents[1]
CITIES = "SELECT name FROM city"
ANSWERS = [(CITIES, CITIES), (CITIES, "SELECT name FROM country"), (CITIES, "SELEC")]
STAND_IN = """
import argparse
parser = argparse.ArgumentParser()
for name in ("gold", "pred", "db", "etype"):
    parser.add_argument(f"--{name}")
arguments = parser.parse_args()
golds = open(arguments.gold).read().splitlines()
predictions = open(arguments.pred).read().splitlines()
right = [gold.split("\\t")[0] == sql for gold, sql in zip(golds, predictions, strict=True)]
print(f"execution            1.000                0.000                {sum(right) / 3:.3f}  ")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`db/world.sqlite` and `answers.jsonl`, of which the first of three is right."""
    write_database(tmp_path / "db" / "world.sqlite", WORLD_SCRIPT)
    rows = [
        {"db_id": "world", "question": f"Cities {n}?", "gold": gold, "pred": sql}
        for n, (gold, sql) in enumerate(ANSWERS)
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(script: str, folder: Path, *options: str) -> str:
    """What the benchmark prints."""
    given = ("--predictions", folder / "answers.jsonl", "--databases", folder / "db")
    command = [sys.executable, f"benchmarks/{script}", *map(str, given), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.slow
def test_evaluation_is_timed_beside_the_official_script_and_a_bare_loop(folder: Path) -> None:
    (folder / "official").mkdir()
    (folder / "official" / "evaluation.py").write_text(STAND_IN)
    out = folder / "out.json"
    options = ("--official", str(folder / "official"), "--repeat", "1", "--out", str(out))
    printed = run("evaluate.py", folder, *options)
    assert "accuracy 0.333\n" in printed
    assert "(goal 20)" in printed and "(goal 6)" in printed
    [result] = json.loads(out.read_text())["results"]
    assert (result["system"], result["num_questions"]) == ("answers", 3)
    assert min(result["bare_seconds"], result["ours_seconds"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("who", ["verdicts", "scores", "peers"])
def test_labels_of_both_ways_agree(folder: Path, who: str) -> None:
    out = str(folder / "out.json")
    printed = run("label.py", folder, "--out", out, "--measure", f"{who} short 40 1")
    found: dict[str, Any] = json.loads(printed)
    assert found["num"] == 40
    assert found["accepted"] == 20  # every other one
    assert found["parent_mb"] > 0 and found["worker_mb"] > 0


@pytest.mark.slow
def test_the_grammar_is_measured_beside_questions_of_people(tmp_path: Path) -> None:
    write_database(tmp_path / "database" / "world.sqlite", WORLD_SCRIPT)
    rows = [
        {"db_id": "world", "question": "Which cities are there?", "query": CITIES},
        {
            "db_id": "world",
            "question": "How many?",
            "query": "SELECT count(*) FROM country LIMIT 9",
        },
        {"db_id": "world", "question": "Any?", "query": "SELECT 1 FROM city WHERE 1 IN (SELECT 2)"},
    ]
    (tmp_path / "train_spider.json").write_text(json.dumps(rows))
    command = [sys.executable, "benchmarks/diversity.py", "--spider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "| questions | 3 | 3 | 1.00 |" in done.stdout
    assert "| SQL templates | 3 |" in done.stdout
    assert "features of Spider's golds (rows) that the grammar lacks:" in done.stdout


@pytest.mark.slow
def test_answers_of_readers_are_judged_by_level(tmp_path: Path) -> None:
    path = write_database(tmp_path / "world.sqlite", WORLD_SCRIPT)
    item = {"level": "easy", "db_id": "world", "db_path": str(path), "question": "?"}
    golds = [{"n": n, **item, "sql": CITIES} for n in (1, 2, 3)]
    answers = [CITIES, "SELECT id, name FROM city", "SELECT name FROM country"]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in golds))
    rows = [{"n": n, "sql": sql, "note": "odd"} for n, sql in enumerate(answers, 1)]
    (tmp_path / "easy.sql.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "benchmarks/readers.py", "judge"]
    command += ["--gold", str(tmp_path / "gold.jsonl"), "--answers", str(tmp_path)]
    command += ["--suite", str(tmp_path / "suite")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "| easy | 3 | 33.3% | 6.1% to 79.2% | 66.7% | 20.8% to 93.9% |" in done.stdout
    assert "easy 3 [world] ?" in done.stdout and "easy 1 [world]" not in done.stdout


@pytest.mark.slow
def test_the_grammar_is_timed(tmp_path: Path) -> None:
    write_database(tmp_path / "world.sqlite", WORLD_SCRIPT)
    command = [sys.executable, "benchmarks/grammar.py", "--databases", str(tmp_path)]
    command += ["--num", "8", "--num-workers", "1", "--out", str(tmp_path / "runs.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    [run] = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert (run["rows"], run["workers"]) == (8, 1)
    assert min(run["cpu_seconds"], max(run["mib"])) > 0


@pytest.mark.slow
def test_the_weak_builder_is_measured_while_its_answers_grow(folder: Path) -> None:
    write_database(folder / "database" / "world" / "world.sqlite", WORLD_SCRIPT)
    row = {"db_id": "world", "question": "Cities?", "query": "SELECT name FROM city WHERE id > 1"}
    (folder / "train_spider.json").write_text("[]")
    (folder / "dev.json").write_text(json.dumps([row]))
    command = [sys.executable, "benchmarks/weak.py", "--spider", str(folder), "--num", "40"]
    command += ["--num-workers", "1", "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "40 answers to 1 questions" in done.stdout and "| 40 | paired anew |" in done.stdout
    runs = json.loads((folder / "out" / "weak.json").read_text())["runs"]
    assert [max(own for _, own, *_ in run["memory"]) > 0 for run in runs.values()] == [True] * 2


@pytest.mark.slow
def test_the_chat_client_is_measured_without_peers(tmp_path: Path) -> None:
    options = ("--rounds", "2", "--in-flight", "3", "--num-memory", "40", "--out", str(tmp_path))
    command = [sys.executable, "benchmarks/chat.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "(goal: 90% of the ideal)" in done.stdout
    found = json.loads((tmp_path / "chat.json").read_text())
    [run] = found["runs"]
    assert (run["client"], run["num"], run["num_failed"]) == ("ours", 6, 0)
    assert 0 < run["share"] <= 1
    assert len(found["memory"]["memory_mb"]) == 20
