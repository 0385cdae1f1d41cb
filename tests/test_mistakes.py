"""What is wrong with answers, and the examples that a report shows of it."""

import shutil
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from conftest import write_database

from sense.evaluation import evaluate
from sense.inputs.reading import Prediction
from sense.reports.mistakes import (
    Mistake,
    diagnosed,
    first_difference,
    frequent_mistakes,
    with_witnesses,
    wrong_database,
)
from sense.scores.outcomes import Outcome
from sense.suite import read_suite
from sense.workers import WorkerFailure

CITIES = "SELECT name FROM city"


def outcomes(world: Path, *pairs: tuple[str, str]) -> list[Outcome]:
    rows = [Prediction(idx, "world", f"question {idx}", *pair) for idx, pair in enumerate(pairs)]
    return evaluate(rows, {"world": world}, num_workers=0)


def test_incorrect_answers_get_a_kind_and_others_none(world: Path) -> None:
    found = diagnosed(
        outcomes(
            world,
            (CITIES, CITIES),
            (CITIES, "SELECT nam FROM city"),
            ("SELECT max(id) FROM city", "SELECT min(id) FROM city"),
            ("SELECT id, name FROM city", "SELECT name, id FROM city"),
        ),
        {"world": world},
    )
    assert [(o.verdict, o.error_kind) for o in found] == [
        ("correct", ""),
        ("incorrect", "unknown_column"),
        ("incorrect", "aggregate"),
        ("unknown", ""),
    ]


def test_same_texts_get_the_kind_of_their_own_database(world: Path, tmp_path: Path) -> None:
    other = write_database(tmp_path / "other.sqlite", "CREATE TABLE city (id INTEGER, name TEXT);")
    with sqlite3.connect(other) as connection:
        connection.execute("INSERT INTO city VALUES (1, 'Rome')")
    wrong = "SELECT code FROM country"
    databases = {"world": world, "other": other}
    rows = [Prediction(0, name, "?", CITIES, wrong) for name in databases]
    for group in (rows, rows[::-1]):
        found = diagnosed(evaluate(group, databases, num_workers=0), databases)
        assert {o.db_id: o.error_kind for o in found} == {
            "world": "table",
            "other": "unknown_table",
        }


def test_text_in_double_quotes_is_flagged_where_it_names_no_column(world: Path) -> None:
    gold = "SELECT name FROM city WHERE country_code = 'FRA'"
    found = diagnosed(
        outcomes(
            world,
            (gold, 'SELECT name FROM city WHERE country_code = "FRA"'),
            (gold, 'SELECT "name" FROM city WHERE "country_code" = \'FRA\''),
        ),
        {"world": world},
    )
    assert [o.double_quoted_literal for o in found] == [True, False]
    assert [o.verdict for o in found] == ["correct", "correct"]


def mistake_of(kind: str, length: int) -> Outcome:
    return Outcome(
        0, "", "", "", "", "x" * length, 0, "incorrect", "differs", "ok", {"strict": 0},
        error_kind=kind,
    )  # fmt: skip


def test_ten_most_frequent_kinds_show_their_shortest_answer() -> None:
    found = [mistake_of(f"kind {n}", length) for n in range(12) for length in range(20 - n, 5, -1)]
    mistakes = frequent_mistakes(found)
    assert [(m.kind, m.num) for m in mistakes] == [(f"kind {n}", 15 - n) for n in range(10)]
    assert {len(m.outcome.predicted_sql) for m in mistakes} == {6}


def test_witness_is_a_small_database_or_the_error(world: Path) -> None:
    found = outcomes(world, (CITIES, f"{CITIES} WHERE id < 8"), (CITIES, "SELEC"))
    groups = [[Mistake("a", 1, outcome)] for outcome in found]
    differs, fails = with_witnesses(groups, lambda outcome: world, num_workers=0)
    assert differs[0].witness == (
        "table city\nid  name\n--  ------\n 8  Peking\n\n"
        "gold returns\nname\n------\nPeking\n\nprediction returns\nname\n----"
    )
    assert fails[0].witness == 'error: near "SELEC": syntax error'


def test_a_lost_search_is_told_beside_the_first_difference(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [outcome] = outcomes(world, ("SELECT count(*) FROM city", "SELECT 7"))
    lost = WorkerFailure("limit", "more than 30 seconds")
    monkeypatch.setattr("sense.reports.mistakes.map_in_workers", lambda *arguments: iter([lost]))
    [[mistake]] = with_witnesses([[Mistake("a", 1, outcome)]], lambda outcome: world)
    assert mistake.witness == (
        f"{first_difference(outcome)}\nsearch for fewer rows: limit (more than 30 seconds)"
    )
    assert first_difference(outcome).startswith("only in: gold")


def test_witness_comes_from_the_variant_that_told_the_two_apart(
    world: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "suite" / "world"
    folder.mkdir(parents=True)
    for name in ("world", "0", "1"):
        shutil.copy(world, folder / f"{name}.sqlite")
    with sqlite3.connect(folder / "1.sqlite") as connection:
        connection.execute("DELETE FROM city WHERE id > 2")
    suite = read_suite(tmp_path / "suite")
    row = Prediction(0, "world", "How many?", "SELECT count(*) FROM city", "SELECT 8")
    [outcome] = evaluate([row], {"world": world}, num_workers=0, suite=suite)
    find = partial(wrong_database, {"world": world}, suite)
    assert find(outcome) == folder / "1.sqlite"
    [[mistake]] = with_witnesses([[Mistake("nesting", 1, outcome)]], find, num_workers=0)
    assert "prediction returns\n8\n-\n8" in mistake.witness
