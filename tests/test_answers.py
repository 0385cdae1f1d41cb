"""Given answers are grouped by their questions; what cannot be used is counted by its reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from sense.database import UnknownDatabase
from sense.execution import DatabaseError
from sense.facts import Funnel
from sense.inputs.answers import (
    GivenAnswers,
    GivenDatabases,
    answers_over_databases,
    answers_to_questions,
)
from sense.inputs.question import Question, index_questions
from sense.inputs.reading import Prediction
from sense.prompt import TINY_CONTRACT, completion_sql
from sense.spool import Spool

CITIES = "SELECT name FROM city"


def line(question: str, pred: str, system: str = "", db_id: str = "world") -> Prediction:
    return Prediction(0, db_id, question, CITIES, pred, system=system)


def grouped(
    world: Path, lines: list[Prediction], databases: GivenDatabases | None = None
) -> tuple[GivenAnswers, Funnel]:
    funnel = Funnel("answers")
    known = databases or GivenDatabases({"world": world})
    found = answers_over_databases(
        lines, known, TINY_CONTRACT, "mit", lambda: Spool(world.parent), funnel
    )
    return found, funnel


def listed(found: GivenAnswers) -> list[tuple[str, list[str]]]:
    answers = found.ask(0, found.questions)
    return [
        (question.example.question, [answer.sql for answer in group])
        for question, group in zip(found.questions, answers, strict=True)
    ]


def test_answers_to_one_question_are_grouped_in_the_order_of_the_file(world: Path) -> None:
    found, _ = grouped(world, [line("a", "1", "x"), line("b", "2", "x"), line("a", "3", "y")])
    assert listed(found) == [("a", ["1", "3"]), ("b", ["2"])]
    example = found.questions[0].example
    assert (example.sql, example.hardness, example.license) == (CITIES, "easy", "mit")
    assert example.prompt[-1]["content"].endswith("\na")
    [written] = example.completion
    assert completion_sql(TINY_CONTRACT, example.prompt, written["content"]) == CITIES
    assert found.outline.domains == {"world": ""}


def test_answers_over_databases_that_cannot_be_used_are_counted(world: Path) -> None:
    damaged = world.with_name("damaged.sqlite")
    damaged.write_bytes(b"no database at all" * 100)
    databases = GivenDatabases({"world": world, "damaged": damaged})
    lines = [line("a", "1"), line("a", "2", db_id="wrld"), line("b", "3", db_id="damaged")]
    found, funnel = grouped(world, [*lines, lines[1]], databases)
    assert listed(found) == [("a", ["1"])]
    assert funnel.dropped == {"unknown_database": 2, "unreadable_database": 1}
    assert "closest match: 'world'" in str(databases.errors["wrld"])


def test_where_no_answer_can_be_used_the_first_fault_is_the_error(world: Path) -> None:
    with pytest.raises(UnknownDatabase, match="closest match: 'world'"):
        grouped(world, [line("a", "1", db_id="wrld")])
    missing = GivenDatabases({"world": world.with_name("gone.sqlite")})
    with pytest.raises(DatabaseError, match="no database file at"):
        grouped(world, [line("a", "1")], missing)


def test_answers_that_no_row_can_hold_are_counted(world: Path) -> None:
    long = line("a", f"SELECT '{'x' * 100_000}'")
    found, funnel = grouped(world, [line("a", "1"), long, line("a", "SELECT '\ud800'")])
    assert listed(found) == [("a", ["1"])]
    assert funnel.dropped == {"too_long": 1, "half_character": 1}
    with pytest.raises(ValueError, match="none of the 1 answers can be used: too_long 1;"):
        grouped(world, [long])


def test_repeated_answers_of_one_system_stay_and_are_counted(world: Path) -> None:
    lines = [line("a", "1", "x"), line("a", "1", "x"), line("a", "1", "y"), line("b", "1", "x")]
    found, _ = grouped(world, lines)
    assert listed(found) == [("a", ["1", "1", "1"]), ("b", ["1"])]
    assert found.num_repeated == 1


def test_answers_to_a_set_take_its_questions_and_leave_out_others(world: Path) -> None:
    template, _ = grouped(world, [line("?", "")])
    [first] = template.questions
    asked = [
        Question(replace(first.example, question=text, license="cc0-1.0"), first.db_path)
        for text in ("a", "b", "a", "c")
    ]
    indexed = index_questions(asked, Spool(world.parent))
    assert [question.example.question for question in indexed.distinct] == ["a", "b", "c"]
    assert (indexed.num_repeated, indexed.outline.licenses) == (1, {"cc0-1.0"})
    funnel = Funnel("answers")
    lines = [line("c", "1"), line("never asked", "2"), line("a", "3"), line("c", "4")]
    given = answers_to_questions(lines, indexed, lambda: Spool(world.parent), funnel)
    assert listed(given) == [("c", ["1", "4"]), ("a", ["3"])]
    assert [question.example.license for question in given.questions] == ["cc0-1.0"] * 2
    assert funnel.dropped == {"unknown_example": 1}
    with pytest.raises(ValueError, match="none of the 1 answers can be used: unknown_example 1;"):
        answers_to_questions(lines[1:2], indexed, lambda: Spool(world.parent), Funnel("answers"))
