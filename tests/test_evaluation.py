"""Predictions become outcomes by one or several rules, and scores with intervals."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from sense.database import UnknownDatabase
from sense.evaluation import check_predictions, evaluate, evaluate_systems
from sense.example import Example
from sense.execution import DatabaseError
from sense.inputs.question import Question
from sense.inputs.reading import Prediction
from sense.reports.document import to_markdown
from sense.reports.report import evaluation_blocks
from sense.scores.outcomes import Outcome, column_text, summarize
from sense.suite import read_suite
from sense.verdict import Rule

CITIES = "SELECT name FROM city"


def prediction(idx: int, gold: str, pred: str, db_id: str = "world") -> Prediction:
    return Prediction(idx, db_id, f"question {idx}", gold, pred)


def outcome(idx: int, correct: int | None, hardness: str = "easy", db_id: str = "w") -> Outcome:
    """An outcome by the strict rule; None: gold cannot judge."""
    verdict = {1: "correct", 0: "incorrect", None: "unknown"}[correct]
    status = "empty" if correct is None else "ok"
    return Outcome(
        idx, db_id, f"question {idx}", hardness, "", "", correct or 0, verdict, "", status,
        {"strict": correct},
    )  # fmt: skip


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
    found = evaluate(rows, {"world": world}, [rule], num_workers=0)
    assert [o.correct for o in found] == correct
    assert [(o.verdict, o.reason) for o in found] == [
        ("correct", "equal"),
        ("unknown", "column_order"),
        ("incorrect", "error"),
        ("incorrect", "differs"),
    ]


def test_gold_that_is_no_query_counts_as_wrong_and_has_no_level(world: Path) -> None:
    rows = [prediction(0, "SELECT name FROM WHERE", CITIES), prediction(1, CITIES, CITIES)]
    found = evaluate(rows, {"world": world}, ["spider"], num_workers=0)
    assert [(o.hardness, o.correct, o.verdict, o.reason) for o in found] == [
        ("", 0, "unknown", "gold_error"),
        ("easy", 1, "correct", "equal"),
    ]
    scores = summarize(found)
    assert (scores["num"], scores["num_correct"], scores["num_without_hardness"]) == (2, 1, 1)
    assert list(scores["by_hardness"]) == ["easy"]


def test_answer_that_never_ends_is_unknown_and_stops_nothing(world: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    rows = [prediction(0, CITIES, endless), prediction(1, CITIES, CITIES)]
    found = evaluate(rows, {"world": world}, num_workers=1)
    assert [(o.correct, o.verdict, o.reason) for o in found] == [
        (0, "unknown", "limit"),
        (1, "correct", "equal"),
    ]


def test_scores_have_wilson_intervals_overall_and_by_hardness() -> None:
    outcomes = [outcome(i, int(i < 8), "easy" if i < 5 else "extra") for i in range(10)]
    scores = summarize(outcomes)
    assert (scores["metric"], scores["rule"]) == ("execution_accuracy", "strict")
    assert (scores["num"], scores["num_correct"], scores["accuracy"]) == (10, 8, 0.8)
    assert (round(scores["low"], 3), round(scores["high"], 3)) == (0.49, 0.943)
    assert [(k, v["num_correct"]) for k, v in scores["by_hardness"].items()] == [
        ("easy", 5),
        ("extra", 3),
    ]
    assert scores["verdicts"] == {"correct": 8, "incorrect": 2}


def test_unknown_database_names_the_closest(world: Path) -> None:
    rows = [prediction(0, CITIES, CITIES, "wrld")]
    with pytest.raises(UnknownDatabase, match=r"'wrld' has no database.*closest match: 'world'"):
        check_predictions(rows, {"zoo": world, "world": world})


def test_two_answers_with_one_idx_are_refused(world: Path) -> None:
    rows = [prediction(3, CITIES, CITIES), prediction(3, CITIES, "SELECT 1")]
    with pytest.raises(ValueError, match=r"idx 3 occurs twice.*own idx"):
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


def test_gold_that_cannot_judge_is_wrong_officially_and_not_counted_strictly(world: Path) -> None:
    nobody = "SELECT name FROM city WHERE id = 99"
    rows = [prediction(0, nobody, nobody), prediction(1, CITIES, CITIES)]
    found = evaluate(rows, {"world": world}, ["strict", "spider"], num_workers=0)
    assert [(o.correct, o.reason, o.scores) for o in found] == [
        (0, "gold_empty", {"strict": None, "spider": 1}),
        (1, "equal", {"strict": 1, "spider": 1}),
    ]
    scores = summarize(found)
    assert (scores["num"], scores["num_correct"], scores["num_questions"]) == (1, 1, 2)
    assert (scores["num_not_counted"], scores["accuracy"]) == (1, 1.0)
    assert [row["num"] for row in scores["columns"].values()] == [1, 2]


def test_accuracy_of_no_question_is_none_and_no_zero() -> None:
    scores = summarize([outcome(0, None)])
    assert (scores["num"], scores["accuracy"], scores["by_hardness"]) == (0, None, {})
    with pytest.raises(ValueError, match="no prediction to score"):
        summarize([])


def test_databases_have_scores_of_their_own() -> None:
    outcomes = [outcome(0, 1, db_id="b"), outcome(1, 0, db_id="a"), outcome(2, 1, db_id="a")]
    scores = summarize(outcomes)
    assert (scores["low_by_database"], scores["high_by_database"]) == (0.5, 1.0)
    by_database = scores["by_database"]
    assert [(name, row["accuracy"]) for name, row in by_database.items()] == [("a", 0.5), ("b", 1)]


def test_systems_are_judged_together_as_alone(world: Path) -> None:
    golds = [CITIES, "SELECT COUNT(*) FROM city", CITIES]
    systems = [
        [
            prediction(idx, gold, pred)
            for idx, (gold, pred) in enumerate(zip(golds, preds, strict=True))
        ]
        for preds in (
            [CITIES, "SELECT 8", "SELECT name FROM country"],
            ["SELECT nam FROM city", "SELECT 8", ""],
        )
    ]
    rules: list[Rule] = ["spider", "strict"]
    together = evaluate_systems(systems, {"world": world}, rules, num_workers=0)
    alone = [evaluate(system, {"world": world}, rules, num_workers=0) for system in systems]
    assert together == alone
    assert [[o.correct for o in outcomes] for outcomes in together] == [[1, 1, 0], [0, 1, 0]]
    assert [o.form for o in together[1]] == ["query", "query", "empty"]


def test_suite_scores_come_first_and_are_stricter(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "suite" / "world"
    folder.mkdir(parents=True)
    shutil.copy(world, folder / "world.sqlite")
    shutil.copy(world, folder / "0.sqlite")
    with sqlite3.connect(folder / "0.sqlite") as connection:
        connection.execute("INSERT INTO city VALUES (9, 'Nice', 'FRA', 342669)")
    rows = [
        prediction(0, "SELECT COUNT(*) FROM city", "SELECT COUNT(name) FROM city"),
        prediction(1, "SELECT COUNT(*) FROM city", "SELECT 8"),
    ]
    suite = read_suite(tmp_path / "suite")
    found = evaluate(rows, {"world": world}, ["spider"], num_workers=0, suite=suite)
    assert [o.scores for o in found] == [
        {"suite_spider": 1, "spider": 1},
        {"suite_spider": 0, "spider": 1},
    ]
    assert [(o.correct, o.verdict) for o in found] == [(1, "correct"), (0, "incorrect")]
    scores = summarize(found)
    assert (scores["metric"], scores["rule"]) == ("test_suite_accuracy", "spider")
    assert (scores["accuracy"], scores["columns"]["spider"]["accuracy"]) == (0.5, 1.0)


def test_unreadable_database_is_named_before_any_query_runs(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError, match=r"world\.sqlite"):
        check_predictions([prediction(0, CITIES, CITIES)], {"world": path})


def test_answer_that_cannot_be_told_right_is_wrong_strictly_and_counted(world: Path) -> None:
    gold = "SELECT id, name FROM city"
    nobody = "SELECT name FROM city WHERE id = 99"
    answers = ((gold, "SELECT name, id FROM city"), (gold, gold), (gold, "SELEC"), (nobody, nobody))
    rows = [prediction(idx, *pair) for idx, pair in enumerate(answers)]
    found = evaluate(rows, {"world": world}, ["spider", "strict"], num_workers=0)
    assert [(o.verdict, o.scores["strict"]) for o in found] == [
        ("unknown", 0),
        ("correct", 1),
        ("incorrect", 0),
        ("unknown", None),
    ]
    scores = summarize(found)
    assert scores["num_unknown_as_wrong"] == 1
    assert "cannot be told right is wrong" in column_text("strict")
    assert "strict rule: 1 answer whose verdict is `unknown`" in to_markdown(
        evaluation_blocks(scores, found)
    )
    official = evaluate(rows, {"world": world}, ["spider"], num_workers=0)
    assert summarize(official)["num_unknown_as_wrong"] == 0
