"""recipes/evaluate.py: predictions, models, servers and baselines are scored, or a clear error."""

import json
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer, Fault, hang
from conftest import WORLD_SCRIPT, write_database
from datasets import Dataset
from killing import kill_when, num_replies

from sense.database import database_sha256
from sense.example import Example, to_row
from sense.facts import read_facts
from sense.prompt import TINY_CONTRACT, completion_messages, prompt_messages, save_contract

RECIPE = str(Path(__file__).parents[1] / "recipes" / "evaluate.py")
COUNT = "SELECT COUNT(*) FROM city"
QUESTIONS = {
    "How many cities are there?": COUNT,
    "What are the names of all cities?": "SELECT name FROM city",
    "What are the names of all countries?": "SELECT name FROM country",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`db/world.sqlite`, and nothing cached elsewhere."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write_database(tmp_path / "db" / "world.sqlite", WORLD_SCRIPT)
    return tmp_path


@pytest.fixture
def data(folder: Path) -> Path:
    """A set whose train and test splits hold `QUESTIONS`, with tiny prompts, and its database."""
    path = folder / "db" / "world.sqlite"
    rows = [
        to_row(
            Example(
                "world", question, sql, "easy", "ok", "t", database_sha256(path), "mit",
                prompt_hash=TINY_CONTRACT.hash,
                prompt=prompt_messages(TINY_CONTRACT, path, question),
                completion=completion_messages(
                    TINY_CONTRACT, prompt_messages(TINY_CONTRACT, path, question), sql
                ),
            )
        )
        for question, sql in QUESTIONS.items()
    ]  # fmt: skip
    for split in ("train", "test"):
        (folder / "data").mkdir(exist_ok=True)
        Dataset.from_list(rows).to_parquet(folder / "data" / f"{split}.parquet")
    write_database(folder / "data" / "databases" / "world" / "world.sqlite", WORLD_SCRIPT)
    return folder / "data"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str | Path) -> Path:
    """The folder that the recipe writes in this process."""
    command = [RECIPE, "--num-workers", "0", "--out", str(folder / "out"), *map(str, options)]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(RECIPE, run_name="__main__")
    return folder / "out"


def write_predictions(folder: Path, sqls: list[str], **more: Any) -> Path:
    rows = [
        {"db_id": "world", "question": question, "gold": gold, "pred": pred, **more}
        for (question, gold), pred in zip(QUESTIONS.items(), sqls, strict=False)
    ]
    path = folder / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(out: Path, name: str = "per_example.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def test_file_of_predictions_is_scored_by_the_rule(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_predictions(folder, [COUNT, "SELECT DISTINCT name FROM city", "SELEC"])
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "bird")
    out = run(folder, monkeypatch, *options)
    assert [(row["idx"], row["correct"], row["verdict"], row["reason"]) for row in lines(out)] == [
        (0, 1, "correct", "equal"),
        (1, 1, "correct", "equal"),
        (2, 0, "incorrect", "error"),
    ]
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["rule"], scores["num"], scores["num_correct"]) == ("bird", 3, 2)
    assert "| **all** | 3 | 2 | 66.7 % | 20.8 to 93.9 % |" in capsys.readouterr().out
    assert (out / "report.md").read_text().startswith("# Execution accuracy\n")
    assert [source.name for source in read_facts(out).inputs] == ["predictions.jsonl"]
    assert "split" not in read_facts(out).settings
    assert not (out / "predictions.jsonl").exists()


@pytest.mark.parametrize("repetitions", [0, 2])
def test_birds_other_scores_are_added_on_demand(
    folder: Path, monkeypatch: pytest.MonkeyPatch, repetitions: int
) -> None:
    file = write_predictions(folder, [COUNT, "SELECT DISTINCT name FROM city", "SELEC"])
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "bird")
    out = run(folder, monkeypatch, *options, "--bird-scores", str(repetitions))
    found = json.loads((out / "scores.json").read_text())["bird"]
    assert found["soft_f1"] == pytest.approx(200 / 3)
    assert [row["bird"]["soft_f1"] for row in lines(out)] == [1, 1, 0]
    is_timed = [row["bird"]["ves_ratio"] is not None for row in lines(out)]
    assert is_timed == [bool(repetitions)] * 3
    assert (found["ves"] is None) == (found["r_ves"] is None) == (not repetitions)
    assert "soft F1, as in bird-bench/mini_dev@" in (out / "report.md").read_text()


def test_predictions_must_answer_every_question_of_the_data(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases = ("--databases", data / "databases")
    file = write_predictions(folder, [COUNT, ""])
    with pytest.raises(SystemExit, match=r"1 of 3 questions have no prediction.*all countries"):
        run(folder, monkeypatch, "--predictions", file, "--data", data, *databases)
    assert not (folder / "out").exists()
    file = write_predictions(folder, [COUNT, "", ""])
    out = run(folder, monkeypatch, "--predictions", file, "--data", data, *databases)
    assert [row["correct"] for row in lines(out)] == [1, 0, 0]


@pytest.mark.parametrize(("baseline", "correct"), [("constant", [0, 0, 0]), ("nearest", [1, 1, 1])])
def test_baselines_are_scored(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, baseline: str, correct: list[int]
) -> None:
    options = ("--data", data, "--databases", data / "databases")
    out = run(folder, monkeypatch, "--baseline", baseline, *options)
    assert [row["correct"] for row in lines(out)] == correct
    assert [row["question"] for row in lines(out, "predictions.jsonl")] == list(QUESTIONS)
    facts = read_facts(out)
    assert [(source.name, source.kind) for source in facts.inputs] == [
        (baseline, "baseline"),
        ("data", "dataset"),
    ]
    assert facts.settings["split"] == "test"


def test_server_is_scored(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--data", data, "--databases", data / "databases", "--limit", "2")
    with ChatServer(lambda request: f"```sql\n{COUNT}\n```") as server:
        out = run(folder, monkeypatch, "--model", "m", "--base-url", server.base_url, *options)
    assert {row["predicted_sql"] for row in lines(out)} == {COUNT}
    assert len(server.requests) == 2
    assert read_facts(out).inputs[0].name == "m"
    monkeypatch.setattr("sense.servers.balance.MAX_WAIT_SECONDS", 0.01)
    nobody = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--out", folder / "no")
    with pytest.raises(SystemExit, match=r"error: .*127\.0\.0\.1:9"):
        run(folder, monkeypatch, *options, *nobody)
    assert not (folder / "no").exists()


@pytest.mark.slow
def test_local_model_is_scored(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import load_dataset

    from sense.tiny import make_model, training_texts

    monkeypatch.setattr("sense.tiny.MAX_SQL_TOKENS", 8)  # as it is written into the model
    make_model(folder / "model", training_texts(load_dataset(str(data), split="train")))
    save_contract(TINY_CONTRACT, folder / "model")
    options = ("--data", data, "--databases", data / "databases")
    out = run(folder, monkeypatch, "--model", folder / "model", *options)
    assert len(lines(out)) == 3
    assert read_facts(out).inputs[0].name == "model"
    (folder / "model" / "config.json").unlink()
    with pytest.raises(SystemExit, match=r"error: model folder .* has no config"):
        run(folder, monkeypatch, "--model", folder / "model", *options, "--out", folder / "b")


LINE = '{"idx": 1, "db_id": "world", "question": "?", "gold": "SELECT 1", "pred": "SELECT 1"}\n'
OTHER_LINE = LINE.replace('"idx": 1', '"idx": 2')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; expected one JSON object per line"),
        ("SELECT 1\n", "holds no JSON but 'SELECT 1'; expected one object per line"),
        (f"[{LINE}]", "holds a JSON array; expected JSON lines"),
        (LINE.replace('"SELECT 1"}', "null}"), "line 1 has null as 'pred'; expected a string"),
        (LINE + LINE.replace("SELECT 1", "SELECT 2"), "idx 1 occurs twice"),
        (LINE * 2 + OTHER_LINE, "2 answers to the question of idx 1 and 1 to that of idx 2"),
        (LINE.replace("world", "wrld"), "'wrld' has no database .*closest match: 'world'"),
        (LINE.replace("world", "damaged"), "damaged.sqlite is not a SQLite database"),
        (LINE.replace("world", "empty"), "empty.sqlite.*is empty"),
    ],
    ids=[
        "empty",
        "text",
        "array",
        "null",
        "twice",
        "uneven",
        "unknown",
        "damaged",
        "empty-database",
    ],
)
def test_bad_file_ends_with_a_sentence_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    (folder / "predictions.jsonl").write_text(text)
    (folder / "db" / "damaged.sqlite").write_bytes(b"no database at all" * 100)
    (folder / "db" / "empty.sqlite").touch()
    options = ("--predictions", folder / "predictions.jsonl", "--databases", folder / "db")
    with pytest.raises(SystemExit, match=f"(?s)error: .*{words}"):
        run(folder, monkeypatch, *options)
    assert not (folder / "out").exists()


def test_a_text_file_of_queries_needs_a_file_of_golds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "predictions.sql").write_text("SELECT 1\n")
    options = ("--predictions", folder / "predictions.sql", "--databases", folder / "db")
    with pytest.raises(SystemExit, match=r"one query per line .* name their file with --gold"):
        run(folder, monkeypatch, *options)


def test_samples_of_a_server_are_scored_and_written_for_the_next_evaluation(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--data", data, "--databases", data / "databases", "--rule", "spider")
    sampled = (*options, "--num-samples", "3", "--temperature", "0.5")
    with ChatServer(lambda request: f"```sql\n{COUNT}\n```") as server:
        out = run(folder, monkeypatch, "--model", "m", "--base-url", server.base_url, *sampled)
    assert {(request["temperature"], request["n"]) for request in server.requests} == {(0.5, 3)}
    scores = json.loads((out / "scores.json").read_text())
    assert scores["samples"]["pass_at_k"] == {"1": 1 / 3, "2": 1 / 3, "3": 1 / 3}
    assert read_facts(out).settings["num_samples"] == 3
    file = out / "predictions.jsonl"
    assert [row["idx"] for row in lines(out, file.name)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    again = folder / "again"
    run(folder, monkeypatch, "--predictions", file, *options, "--out", again)
    assert json.loads((again / "scores.json").read_text())["samples"] == scores["samples"]


@pytest.mark.slow
def test_killed_evaluation_of_a_server_pays_for_no_answer_twice(folder: Path, data: Path) -> None:
    def answer(request: Body) -> str | Fault:
        is_third = "all countries" in str(request["messages"])
        if not is_third or released.is_set():
            return COUNT
        is_hanging.set()
        return hang(60)

    released, is_hanging = threading.Event(), threading.Event()
    out, replies = folder / "out", folder / "out.work" / "replies.sqlite"
    with ChatServer(answer) as server:
        command = [
            *(sys.executable, RECIPE, "--model", "m", "--base-url", server.base_url),
            *("--data", str(data), "--databases", str(data / "databases"), "--out", str(out)),
        ]
        kill_when(command, lambda: is_hanging.is_set() and num_replies(replies) == 2)
        assert len(server.requests) == 3
        released.set()
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        assert len(server.requests) == 4
    assert [row["predicted_sql"] for row in lines(out)] == [COUNT] * 3


def test_evaluations_are_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    golds = list(QUESTIONS.values())
    for name, sqls in (("base", ["", "", ""]), ("sft", golds)):
        file = write_predictions(folder, sqls)
        options = ("--predictions", file, "--databases", folder / "db", "--out", folder / name)
        run(folder, monkeypatch, *options)
    capsys.readouterr()
    run(folder, monkeypatch, "--compare", f"base={folder / 'base'}", f"sft={folder / 'sft'}")
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "| system | questions | accuracy | 95 % interval "
        "| against the line above (p corrected by Holm) |",
        "|---|---:|---:|---|---|",
        "| base | 3 | 0.0 % | 0.0 to 56.1 % |  |",
        "| sft | 3 | 100.0 % | 43.9 to 100.0 % | +3 -0, p = 0.25 |",
    ]
    assert json.loads((folder / "out" / "board.json").read_text())["pairs"][0]["better"] == "sft"


def test_systems_in_three_formats_get_a_folder_each_and_a_board(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "SELECT name FROM country"
    ours = write_predictions(folder, [COUNT, wrong, wrong])
    text, numbered = folder / "pred.txt", folder / "gpt.json"
    text.write_text("".join(f"{sql}\n" for sql in QUESTIONS.values()))
    numbered.write_text(json.dumps({str(n): "SELECT 8\t----- bird -----\tworld" for n in range(3)}))
    gold = folder / "gold.sql"
    gold.write_text("".join(f"{sql}\tworld\n" for sql in QUESTIONS.values()))
    options = ("--predictions", ours, text, numbered, "--gold", gold, "--databases", folder / "db")
    out = run(folder, monkeypatch, *options, "--rule", "spider", "strict")
    assert sorted(path.name for path in out.iterdir()) == [
        *("board.json", "facts.json", "gpt", "pred", "predictions", "report.html", "report.md")
    ]
    assert [[row["correct"] for row in lines(out / name)] for name in ("predictions", "pred")] == [
        [1, 0, 1],
        [1, 1, 1],
    ]
    assert "| pred | 3 | 100.0 % (43.9 to 100.0) | 100.0 % (43.9 to 100.0) |" in (
        capsys.readouterr().out.splitlines()
    )
    assert [source.name for source in read_facts(out).inputs] == [
        *("predictions.jsonl", "pred.txt", "gpt.json", "gold.sql")
    ]
    assert read_facts(out).settings["rule"] == ["spider", "strict"]


def test_file_of_several_systems_becomes_a_board(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "all.jsonl"
    texts = []
    for name, pred in (("a", COUNT), ("b", "")):
        texts.append(write_predictions(folder, [pred], system=name).read_text())
    file.write_text("".join(texts))
    out = run(folder, monkeypatch, "--predictions", file, "--databases", folder / "db")
    assert [lines(out / name)[0]["correct"] for name in ("a", "b")] == [1, 0]


def test_predictions_that_are_no_query_are_counted_with_the_first_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    preds = [f"```sql\n{COUNT}\n```", "", f"I would say {COUNT}; DROP TABLE city"]
    file = write_predictions(folder, preds)
    options = ("--predictions", file, "--databases", folder / "db")
    out = run(folder, monkeypatch, *options)
    assert json.loads((out / "scores.json").read_text())["forms"] == {
        "fenced": 1,
        "empty": 1,
        "no_query": 1,
    }
    printed = capsys.readouterr().out
    assert "| empty | 1 | 1: nothing |" in printed.splitlines()
    assert (
        "| no_query | 1 | 2: `I would say SELECT COUNT(*) FROM city; DROP TABLE city` |" in printed
    )
    out = run(folder, monkeypatch, *options, "--extract-sql", "--out", folder / "extracted")
    assert [row["predicted_sql"] for row in lines(folder / "extracted")] == [COUNT, "", COUNT]
    assert [row["correct"] for row in lines(folder / "extracted")] == [1, 0, 0]


def test_texts_of_any_kind_are_judged_and_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = "SELECT '\ud800'"  # a model may write it, gold may not
    texts = [
        *("(" * 5_000, f"SELECT {'(' * 3_000}1{')' * 3_000}", "SELECT '\0'"),
        *(f"SELECT 1 WHERE {' OR '.join(['1=2'] * 5_000)}", "/* x", ";", "PRAGMA table_info(city)"),
    ]
    rows = [
        {"db_id": "world", "question": "a \0 <b> |", "gold": gold, "pred": text}
        for text in texts
        for gold in (COUNT, text)
    ] + [{"db_id": "world", "question": "half", "gold": COUNT, "pred": half}]
    file = folder / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "bird", "strict")
    out = run(folder, monkeypatch, *options)
    found = lines(out)
    assert [row["predicted_sql"] for row in found[::2]] == [*texts, half]
    assert {row["reason"] for row in found[::2]} == {"error", "refused"}
    assert "&lt;b&gt; |" in (out / "report.html").read_text()


def test_golds_that_do_not_run_are_counted_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"db_id": "world", "question": "a", "gold": "SELECT nme FROM city", "pred": COUNT},
        {"db_id": "world", "question": "b", "gold": COUNT, "pred": COUNT},
    ]
    file = folder / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = run(folder, monkeypatch, "--predictions", file, "--databases", folder / "db")
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["num"], scores["accuracy"], scores["num_not_counted"]) == (1, 1.0, 1)
    printed = capsys.readouterr().out.splitlines()
    assert "| error | 1 | 0: `SELECT nme FROM city` |" in printed
    assert any(line.startswith("Not counted: 1 of 2 questions") for line in printed)


def test_suite_gives_test_suite_accuracy_beside_the_original(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = folder / "suite" / "world"
    write_database(suite / "world.sqlite", WORLD_SCRIPT)
    variant = "INSERT INTO city VALUES (9, 'Nice', 'FRA', 342669);"
    write_database(suite / "0.sqlite", WORLD_SCRIPT + variant)
    file = write_predictions(folder, ["SELECT 8", "SELECT name FROM city"])
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "spider")
    out = run(folder, monkeypatch, *options, "--suite", folder / "suite")
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["metric"], scores["accuracy"]) == ("test_suite_accuracy", 0.5)
    assert scores["columns"]["spider"]["accuracy"] == 1.0
    assert [row["correct"] for row in lines(out)] == [0, 1]
    assert read_facts(out).inputs[1].kind == "databases"


def test_scores_only_leaves_out_examples_and_changes_no_score(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_predictions(folder, [COUNT, "SELECT name FROM country", "SELEC"])
    options = ("--predictions", file, "--databases", folder / "db")
    whole = run(folder, monkeypatch, *options)
    run(folder, monkeypatch, *options, "--scores-only", "--out", folder / "brief")
    assert [row["error_kind"] for row in lines(whole)] == ["", "table", "syntax"]
    assert [row["error_kind"] for row in lines(folder / "brief")] == ["", "", ""]
    first, second = (
        [(row["correct"], row["verdict"], row["scores"]) for row in lines(out)]
        for out in (whole, folder / "brief")
    )
    assert first == second


def test_official_scores_alone_are_written_without_any_verdict(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_predictions(folder, [COUNT, "SELECT name FROM country", "SELEC"])
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "spider", "bird")
    whole = run(folder, monkeypatch, *options)
    monkeypatch.setattr("sense.verdict.check_gold", None)  # called, it would be an error
    brief = folder / "brief"
    run(folder, monkeypatch, *options, "--scores-only", "--out", brief)
    assert [row["scores"] for row in lines(brief)] == [row["scores"] for row in lines(whole)]
    judged = {"verdict", "reason", "gold_status", "error_kind", "witness", "double_quoted_literal"}
    assert set(lines(whole)[0]) - set(lines(brief)[0]) == judged
    first, second = (json.loads((out / "scores.json").read_text()) for out in (whole, brief))
    assert set(first) - set(second) == {
        *("verdicts", "reasons", "num_unknown_as_wrong", "gold_statuses", "error_kinds"),
        "num_double_quoted_literals",
    }
    assert second == {name: first[name] for name in second}
    assert "no gold was checked" in (brief / "report.md").read_text()
    board = folder / "board"
    run(folder, monkeypatch, "--compare", f"a={whole}", f"b={brief}", "--out", board)
    assert "| a | 1 | 2 | 0 |" in (board / "report.md").read_text()  # verdicts, none of b


def test_several_answers_to_a_question_give_pass_and_majority_beside_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {COUNT: ["SELEC", "SELECT 8", COUNT, "SELECT 1"], "SELECT name FROM city": [""] * 4}
    rows = [
        {"idx": idx, "db_id": "world", "question": f"Question {idx}?", "gold": gold, "pred": sql}
        for idx, (gold, sqls) in enumerate(answers.items())
        for sql in sqls
    ]
    (folder / "k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--predictions", folder / "k.jsonl", "--databases", folder / "db")
    out = run(folder, monkeypatch, *options, "--rule", "spider", "--scores-only")
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["num_questions"], scores["num_correct"]) == (2, 0)
    assert scores["samples"] == {
        "num_samples": 4,
        "num": 2,
        "pass_at_k": {"1": 0.25, "2": 5 / 12, "4": 0.5},
        "maj_at_k": {"1": 0.0, "2": 0.5, "4": 0.5},
    }
    assert [row["samples"] for row in lines(out)] == [
        {"scores": [0, 1, 1, 0], "results": [None, 1, 1, 3]},
        {"scores": [0, 0, 0, 0], "results": [None] * 4},
    ]
    assert "| 4 | 50.0 % | 50.0 % |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--predictions", "x.jsonl"], "--predictions needs --databases"),
        (["--baseline", "nearest"], "--model and --baseline need --data"),
        (["--compare", "a=b", "a=c"], "expected each name once"),
        (["--compare", "folder"], "expected NAME=DIR"),
        *(
            (["--compare", "a=b", *options], f"{options[0]} says nothing with --compare")
            for options in (
                *(["--engine", "local"], ["--split", "test"], ["--engine", "ray"]),
                *(["--prove"], ["--scores-only"], ["--extract-sql"], ["--rule", "strict"]),
                *(["--bird-scores", "0"], ["--suite", "s"], ["--data", "d"], ["--databases", "d"]),
            )
        ),
        (
            ["--predictions", "x", "--databases", "d", "--limit", "3"],
            "--limit says nothing without",
        ),
        (["--baseline", "nearest", "--data", "d", "--base-url", "u"], "--base-url says nothing"),
        (["--baseline", "nearest", "--data", "d", "--limit", "0"], "expected 1 or more"),
        (["--predictions", "x", "--databases", "d", "--split", "test"], "--split says nothing"),
        (["--baseline", "nearest", "--data", "d", "--num-samples", "4"], "nothing without --model"),
        (["--model", "m", "--data", "d", "--temperature", "1"], "nothing without --num-samples"),
        (["--model", "m", "--data", "d", "--num-samples", "1"], "expected 2 or more"),
        (
            ["--model", "m", "--data", "d", "--num-samples", "2", "--temperature", "0"],
            "--temperature is 0; expected a number above 0",
        ),
        (
            [
                "--predictions",
                "x",
                "--databases",
                "d",
                "--rule",
                "bird",
                "--prove",
                "--scores-only",
            ],
            "--prove says nothing with --scores-only",
        ),
        (["--predictions", "x", "--databases", "d", "--rule", "exact"], "invalid choice: 'exact'"),
        (["--predictions", "x", "--databases", "d", "--rule", "bird", "bird"], "each name once"),
        (
            ["--baseline", "nearest", "--data", "d", "--gold", "g"],
            "--gold says nothing without --pred",
        ),
    ],
)
def test_bad_arguments_end_with_usage(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(folder, monkeypatch, *options)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_existing_folder_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("precious")
    file = write_predictions(folder, [COUNT])
    with pytest.raises(SystemExit, match="already exists; choose another folder"):
        run(folder, monkeypatch, "--predictions", file, "--databases", folder / "db")
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_gold_wins_on_all_of_spider_dk(shared_data: Path, folder: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    dk = shared_data / "robust" / "spider_dk"
    for source in (dk / "database", shared_data / "spider" / "database"):
        for path in source.iterdir():
            (folder / "db" / path.name).symlink_to(path)
    rows = json.loads((dk / "Spider-DK.json").read_text())
    text = [
        {"db_id": r["db_id"], "question": r["question"], "gold": r["query"], "pred": r["query"]}
        for r in rows
    ]
    file = folder / "dk.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in text))
    options = ("--predictions", file, "--databases", folder / "db", "--rule", "spider")
    wrong = [row for row in lines(run(folder, monkeypatch, *options)) if not row["correct"]]
    assert len(rows) == 535
    assert [(row["hardness"], row["reason"]) for row in wrong] == [("", "gold_error")]


@pytest.mark.slow
def test_bird_files_get_the_shares_of_the_official_evaluator(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bird = shared_data / "bird"
    files = []
    for name in ("codes_1b_evidence", "chatgpt"):
        rows = [json.loads(line) for line in (bird / f"{name}.jsonl").read_text().splitlines()]
        marked = {
            str(n): f"{row['pred']}\t----- bird -----\t{row['db_id']}" for n, row in enumerate(rows)
        }
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(marked, indent=4))
    options = ("--predictions", *files, "--gold", bird / "dev_superhero.json", "--rule", "bird")
    out = run(tmp_path, monkeypatch, *options, "--databases", bird / "database", "--scores-only")
    for name, share in (("codes_1b_evidence", 0.7597), ("chatgpt", 0.3721)):
        assert round(json.loads((out / name / "scores.json").read_text())["accuracy"], 4) == share
        official = json.loads((bird / "verdicts" / f"{name}.json").read_text())["ex"]
        assert [row["correct"] for row in lines(out / name)] == official


@pytest.mark.slow
def test_spider_files_get_the_share_of_the_official_evaluator(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (shared_data / "predictions" / "dail_gpt4.jsonl").read_text().splitlines()
    file = tmp_path / "dail.sql"
    file.write_text("".join(" ".join(json.loads(row)["pred"].split()) + "\n" for row in rows))
    spider = shared_data / "spider"
    options = ("--predictions", file, "--gold", spider / "dev.json", "--rule", "spider", "strict")
    out = run(tmp_path, monkeypatch, *options, "--databases", spider / "database")
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["num"], round(scores["accuracy"], 4)) == (1_034, 0.8308)
    assert scores["columns"]["strict"]["num_not_counted"] > 90
    assert (out / "report.md").read_text().count("\nwitness:\n") == 10
