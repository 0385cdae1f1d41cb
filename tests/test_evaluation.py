"""Predictions become outcomes, scores with intervals, a report, and a fair comparison."""

import json
from pathlib import Path
from typing import Any

import pytest

from sense.database import UnknownDatabase
from sense.evaluation import (
    Outcome,
    check_predictions,
    compare,
    evaluate,
    report,
    summarize,
    write_evaluation,
)
from sense.example import Example
from sense.facts import collect_facts, read_facts
from sense.question import Question
from sense.reading import Prediction
from sense.verdict import Rule

CITIES = "SELECT name FROM city"
FACTS = collect_facts("recipes/evaluate.py", seed=0, settings={})


def prediction(idx: int, gold: str, pred: str, db_id: str = "world") -> Prediction:
    return Prediction(idx, db_id, f"question {idx}", gold, pred)


def outcome(idx: int, correct: int, hardness: str = "easy") -> Outcome:
    verdict = "correct" if correct else "incorrect"
    return Outcome(idx, "world", f"question {idx}", hardness, "", "", correct, verdict, "", "ok")


def write(folder: Path, correct: list[int], rule: Rule = "spider") -> Path:
    outcomes = [outcome(idx, value) for idx, value in enumerate(correct)]
    write_evaluation(folder, outcomes, rule, FACTS)
    return folder


@pytest.mark.parametrize(
    ("rule", "correct"),
    [("spider", [1, 1, 0, 1]), ("bird", [1, 0, 0, 1]), ("strict", [1, 0, 0, 0])],
)
def test_rules_differ_where_they_should(world: Path, rule: Rule, correct: list[int]) -> None:
    pairs = [
        (CITIES, "SELECT c.name FROM city AS c"),
        ("SELECT id, name FROM city", "SELECT name, id FROM city"),
        (CITIES, "SELECT nam FROM city"),
        ("SELECT continent FROM country", "SELECT DISTINCT continent FROM country"),
    ]
    rows = [prediction(idx, *pair) for idx, pair in enumerate(pairs)]
    found = list(evaluate(rows, {"world": world}, rule, num_workers=0))
    assert [o.correct for o in found] == correct
    assert [(o.verdict, o.reason) for o in found] == [
        ("correct", "equal"),
        ("unknown", "column_order"),
        ("incorrect", "error"),
        ("incorrect", "differs"),
    ]


def test_gold_that_is_no_query_counts_as_wrong_and_has_no_level(world: Path) -> None:
    rows = [prediction(0, "SELECT name FROM WHERE", CITIES), prediction(1, CITIES, CITIES)]
    found = list(evaluate(rows, {"world": world}, "spider", num_workers=0))
    assert [(o.hardness, o.correct, o.verdict, o.reason) for o in found] == [
        ("", 0, "unknown", "gold_error"),
        ("easy", 1, "correct", "equal"),
    ]
    scores = summarize(found, "spider")
    assert (scores["num"], scores["num_correct"], scores["num_without_hardness"]) == (2, 1, 1)
    assert list(scores["by_hardness"]) == ["easy"]
    assert "Golds that are no query and have no hardness: 1." in report(scores)


def test_answer_that_never_ends_is_unknown_and_stops_nothing(world: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    rows = [prediction(0, CITIES, endless), prediction(1, CITIES, CITIES)]
    found = list(evaluate(rows, {"world": world}, "bird", num_workers=1))
    assert [(o.correct, o.verdict, o.reason) for o in found] == [
        (0, "unknown", "limit"),
        (1, "correct", "equal"),
    ]


def test_scores_have_wilson_intervals_overall_and_by_hardness() -> None:
    outcomes = [outcome(i, int(i < 8), "easy" if i < 5 else "extra") for i in range(10)]
    scores = summarize(outcomes, "strict")
    assert (scores["metric"], scores["rule"]) == ("execution_accuracy", "strict")
    assert (scores["num"], scores["num_correct"], scores["accuracy"]) == (10, 8, 0.8)
    assert (round(scores["low"], 3), round(scores["high"], 3)) == (0.49, 0.943)
    assert [(k, v["num_correct"]) for k, v in scores["by_hardness"].items()] == [
        ("easy", 5),
        ("extra", 3),
    ]
    assert scores["verdicts"] == {"correct": 8, "incorrect": 2}
    lines = report(scores).splitlines()
    assert "| extra | 5 | 3 | 60.0 % | 23.1 to 88.2 % |" in lines
    assert "| **all** | 10 | 8 | 80.0 % | 49.0 to 94.3 % |" in lines


def test_unknown_database_names_the_closest(world: Path) -> None:
    rows = [prediction(0, CITIES, CITIES, "wrld")]
    with pytest.raises(UnknownDatabase, match=r"'wrld' has no database.*closest match: 'world'"):
        check_predictions(rows, {"zoo": world, "world": world})


def test_two_answers_with_one_idx_are_refused(world: Path) -> None:
    rows = [prediction(3, CITIES, CITIES), prediction(3, CITIES, "SELECT 1")]
    with pytest.raises(ValueError, match=r"idx 3 occurs twice.*one system at a time"):
        check_predictions(rows, {"world": world})


def test_first_question_without_an_answer_is_named(world: Path) -> None:
    questions = [
        Question(Example("world", f"question {i}", CITIES, "easy", "ok", "", "", ""), str(world))
        for i in range(3)
    ]
    rows = [prediction(0, CITIES, "")]
    with pytest.raises(ValueError, match=r"2 of 3 questions have no prediction.*'question 1'"):
        check_predictions(rows, {"world": world}, questions)
    check_predictions([prediction(i, CITIES, "") for i in range(3)], {"world": world}, questions)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (prediction(9, CITIES, CITIES), r"1 of 2 predictions .*'question 9' .* was not asked"),
        (prediction(0, CITIES, CITIES)._replace(idx=9), "'question 0' .* is answered twice"),
    ],
    ids=["surplus", "repeated"],
)
def test_answers_beside_the_questions_are_refused(
    world: Path, more: Prediction, words: str
) -> None:
    example = Example("world", "question 0", CITIES, "easy", "ok", "", "", "")
    rows = [prediction(0, CITIES, ""), more]
    with pytest.raises(ValueError, match=words):
        check_predictions(rows, {"world": world}, [Question(example, str(world))])
    check_predictions(rows, {"world": world})


def test_written_folder_holds_scores_lines_report_and_facts(tmp_path: Path, world: Path) -> None:
    rows = [prediction(7, CITIES, "SELECT 'Zürich'")]
    outcomes = list(evaluate(rows, {"world": world}, "spider", num_workers=0))
    scores = write_evaluation(tmp_path / "a" / "out", outcomes, "spider", FACTS, rows)
    out = tmp_path / "a" / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "facts.json",
        "per_example.jsonl",
        "predictions.jsonl",
        "report.md",
        "scores.json",
    ]
    assert sorted((tmp_path / "a").iterdir()) == [out]
    assert json.loads((out / "scores.json").read_text()) == scores
    assert read_facts(out).results == scores
    line: dict[str, Any] = json.loads((out / "per_example.jsonl").read_text())
    assert line == {
        "idx": 7,
        "db_id": "world",
        "question": "question 7",
        "hardness": "easy",
        "gold_sql": CITIES,
        "predicted_sql": "SELECT 'Zürich'",
        "correct": 0,
        "verdict": "incorrect",
        "reason": "differs",
        "gold_status": "ok",
    }


def test_comparison_tests_each_line_against_the_one_above(tmp_path: Path) -> None:
    first = write(tmp_path / "first", [1, 0, 0, 0, 0, 0])
    second = write(tmp_path / "second", [1, 1, 1, 1, 1, 1])
    third = write(tmp_path / "third", [0, 1, 1, 1, 1, 1])
    assert compare({"base": first, "sft": second, "dpo": third}).splitlines()[2:] == [
        "| system | questions | accuracy | 95 % interval | against the line above |",
        "|---|---:|---:|---|---|",
        "| base | 6 | 16.7 % | 3.0 to 56.4 % |  |",
        "| sft | 6 | 100.0 % | 61.0 to 100.0 % | +5 -0, p = 0.062 |",
        "| dpo | 6 | 83.3 % | 43.6 to 97.0 % | +0 -1, p = 1 |",
    ]


def test_other_questions_and_other_rules_are_not_compared(tmp_path: Path) -> None:
    first = write(tmp_path / "first", [1, 0])
    with pytest.raises(ValueError, match=r"a \(2 questions\) and b \(3\) were evaluated on differ"):
        compare({"a": first, "b": write(tmp_path / "longer", [1, 0, 1])})
    with pytest.raises(ValueError, match="a was scored by the rule spider, b by strict"):
        compare({"a": first, "b": write(tmp_path / "strict", [1, 0], "strict")})
    with pytest.raises(FileNotFoundError, match=r"scores.json does not exist; expected a folder"):
        compare({"a": tmp_path / "nowhere"})
