"""Votes of answers that were given without sight of gold."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Body, ChatServer
from conftest import write_database

from sense.chat import Chat
from sense.execution import execute
from sense.filters import Candidate
from sense.prompt import DEFAULT_CONTRACT, prompt_messages
from sense.servers.server import Server
from sense.strong_set.agreement import (
    NUM_ANSWERS,
    agree,
    answer_request,
    answers_of,
    variants,
    vote,
)

QUESTION = "Which countries of Africa have more than 100000 people?"
GOLD = "SELECT name FROM country WHERE continent = 'Africa' AND population > 100000"
SAME = "SELECT c.name FROM country c WHERE c.population > 100000 AND c.continent = 'Africa'"
ALL = "SELECT name FROM country WHERE population > 100000"
WRONG = "SELECT continent FROM country"
BROKEN = "SELECT nam FROM country"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([SAME] * 5, ("kept", 5, 5, 0)),
        ([GOLD, SAME, BROKEN, BROKEN, BROKEN], ("kept", 2, 2, 0)),
        ([SAME, SAME, ALL, WRONG, "no SQL"], ("kept", 4, 2, 1)),
        ([SAME, SAME, ALL, ALL, WRONG], ("dropped", 5, 2, 2)),
        ([SAME, ALL, WRONG, BROKEN, ""], ("dropped", 3, 1, 1)),
        ([SAME, SAME, ALL, ALL, ALL], ("repaired", 5, 2, 3)),
        ([ALL, ALL, WRONG, WRONG, BROKEN], ("dropped", 4, 0, 2)),
        ([BROKEN] * 5, ("dropped", 0, 0, 0)),
        ([SAME], ("kept", 1, 1, 0)),
        ([], ("dropped", 0, 0, 0)),
    ],
)
def test_the_majority_decides(
    world: Path, answers: list[str], expected: tuple[str, int, int, int]
) -> None:
    found = vote([str(world)], GOLD, answers)
    assert (found.outcome, *found[2:]) == expected
    assert found.sql == (ALL if found.outcome == "repaired" else GOLD)


def test_columns_in_another_order_agree(world: Path) -> None:
    gold = "SELECT name, population FROM country"
    found = vote([str(world)], gold, ["SELECT population, name FROM country"] * 3)
    assert (found.outcome, found.num_for_gold) == ("kept", 3)


def test_variants_show_that_answers_agree_by_chance(world: Path) -> None:
    by_chance = "SELECT name FROM country WHERE name = 'Nigeria'"
    candidate = Candidate(world, QUESTION, GOLD)
    assert vote([str(world)], GOLD, [by_chance] * 5).outcome == "kept"
    found = agree(candidate, [by_chance] * 5)
    assert found.vote.num_for_gold == 0
    assert found.rejection is not None
    assert found.rejection.reason == "repair_rejected"
    assert "unmentioned_value" in found.rejection.detail


def test_what_replaces_gold_passes_the_filters(world: Path) -> None:
    question = "Which countries have more than 100000 people?"
    found = agree(Candidate(world, question, GOLD.replace("Africa", "Asia")), [ALL] * 4 + [GOLD])
    assert (found.vote.outcome, found.vote.sql, found.rejection) == ("repaired", ALL, None)


def test_no_agreement_is_counted_with_its_votes(world: Path) -> None:
    found = agree(Candidate(world, QUESTION, GOLD), [SAME, ALL, WRONG, BROKEN, ""])
    assert found.rejection is not None
    assert found.rejection == ("no_agreement", "1 of 3 as gold, 1 otherwise")


@pytest.mark.parametrize("noise", ["SELECT " + "(" * 3_000, "SELECT '\ud800' FROM city", "\0", ""])
def test_an_answer_that_is_no_sql_has_no_vote(world: Path, noise: str) -> None:
    found = agree(Candidate(world, QUESTION, GOLD), [noise, SAME, noise, SAME, noise])
    assert (found.rejection, found.vote.num_for_gold) == (None, 2)


def test_a_vote_is_the_same_each_time(world: Path) -> None:
    candidate = Candidate(world, QUESTION, GOLD)
    answers = [SAME, ALL, ALL, WRONG, SAME]
    assert agree(candidate, answers) == agree(candidate, answers)


def test_variants_hold_other_rows_of_the_same_schema_and_vanish(world: Path) -> None:
    sql = "SELECT * FROM city ORDER BY id"
    with variants(world, [GOLD]) as paths:
        results = [execute(path, sql) for path in [world, *paths]]
        assert {result.status for result in results} == {"ok"}
        assert len({result.rows for result in results}) == 5
        assert len({result.columns for result in results}) == 1
    assert not any(Path(path).exists() for path in paths)


@pytest.fixture
def teacher() -> Iterator[ChatServer]:
    """Right for questions about people, otherwise as if it had not read them."""
    sqls = iter([f"```sql\n{SAME};\n```", GOLD, "I cannot say.", ALL, SAME])

    def answer(request: Body) -> str:
        return next(sqls)

    with ChatServer(answer, takes_n=False) as server:
        yield server


def test_a_teacher_is_asked_without_sight_of_gold(world: Path, teacher: ChatServer) -> None:
    request = answer_request(prompt_messages(DEFAULT_CONTRACT, world, QUESTION), seed=7)
    with Chat(Server("m", teacher.base_url, first_wait_seconds=0.01), concurrency=1) as chat:
        [reply] = chat.ask_all([request])
    assert reply is not None
    answers = answers_of(DEFAULT_CONTRACT, request, reply)
    assert len(answers) == NUM_ANSWERS
    assert len({body["seed"] for body in teacher.requests}) == NUM_ANSWERS
    asked = json.dumps(teacher.requests)
    assert QUESTION in asked
    assert "WHERE" not in asked
    found = agree(Candidate(world, QUESTION, GOLD), answers)
    assert found.vote.outcome == "kept"
    assert found.vote.num_for_gold == 3


def test_a_database_without_rows_can_be_voted_on(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a" / "a.sqlite", "CREATE TABLE pet (name TEXT, age INT)")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM pet")
    with variants(path, ["SELECT name FROM pet WHERE age > 3"]) as paths:
        found = vote([str(path), *paths], "SELECT name FROM pet WHERE age > 3", [
            "SELECT name FROM pet WHERE age >= 4", "SELECT name FROM pet WHERE 3 < age",
        ])  # fmt: skip
    assert (found.outcome, found.num_for_gold) == ("kept", 2)
