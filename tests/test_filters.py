"""Filters over candidates, each on a database of its own kind of fault."""

import sqlite3
from pathlib import Path

import pytest

from sense.filters import FILTERS, QUESTION_FILTERS, SQL_FILTERS, Candidate, Rejection, rejection
from sense.hardness import parse_sql

SCRIPT = """
CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, age INTEGER, arrival_date TEXT);
INSERT INTO pet VALUES (1, 'Rex', 'dog', 3, '2024-03-05'), (2, 'Ada', 'cat', 7, '2024-04-01'),
    (3, 'Tom', 'cat', 7, NULL), (4, 'Old Bob', 'dog', 0, '2023-01-01');
"""


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    path = tmp_path / "pets.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCRIPT)
    return path


GOOD = [
    ("Which pets are three years old?", "SELECT name FROM pet WHERE age = 3"),
    ("How many dogs are there?", "SELECT count(*) FROM pet WHERE kind = 'dog'"),
    ("Who arrived on March 5, 2024?", "SELECT name FROM pet WHERE arrival_date = '2024-03-05'"),
    (
        "Names of the two oldest cats",
        "SELECT name FROM pet WHERE kind = 'cat' ORDER BY age LIMIT 2",
    ),
    ("How many pets have 'Bob' in their name?", "SELECT count(*) FROM pet WHERE name LIKE '%Bob%'"),
]

FAULTS = [
    ("sql_syntax", "Which?", "SELECT name FROM pet WHERE ("),
    ("sql_syntax", "Which?", "I do not know"),
    ("several_statements", "Which?", "SELECT name FROM pet; DROP TABLE pet"),
    ("not_a_query", "Which?", "DELETE FROM pet"),
    ("sql_without_table", "Which?", "SELECT 1"),
    ("unknown_table", "Which?", "SELECT name FROM pets"),
    ("unknown_column", "Which?", "SELECT title FROM pet"),
    ("unknown_column", "Which?", 'SELECT "title" FROM pet'),
    ("gold_error", "Which?", "SELECT nothing(name) FROM pet"),
    ("empty_result", "Who is 50?", "SELECT name FROM pet WHERE age = 50"),
    ("zero_result", "How many are 50?", "SELECT count(*) FROM pet WHERE age = 50"),
    ("constant_result", "Kinds of those who are 7?", "SELECT kind FROM pet WHERE age = 7"),
    ("gold_order", "Who is the oldest?", "SELECT name FROM pet ORDER BY age DESC LIMIT 1"),
    ("gold_bare_column", "Name per kind?", "SELECT name, count(*) FROM pet GROUP BY kind"),
    ("gold_time", "What is the date?", "SELECT date('now'), name FROM pet"),
    ("unmentioned_value", "Which pets are there?", "SELECT name FROM pet WHERE age = 3"),
    ("unmentioned_column", "Who is 3 years old?", "SELECT name, kind FROM pet WHERE age = 3"),
    ("unused_value", "Which pets are 3 years old?", "SELECT name FROM pet"),
    ("unused_value", "What is the age of Rex?", "SELECT age FROM pet"),
    ("unused_column", "What is the arrival date of Rex?", "SELECT age FROM pet WHERE name = 'Rex'"),
]


@pytest.mark.parametrize(("question", "sql"), GOOD)
def test_what_is_right_is_kept(pets: Path, question: str, sql: str) -> None:
    assert rejection(Candidate(pets, question, sql)) is None


@pytest.mark.parametrize(("reason", "question", "sql"), FAULTS)
def test_each_fault_has_its_reason(pets: Path, reason: str, question: str, sql: str) -> None:
    found = rejection(Candidate(pets, question, sql))
    assert found is not None
    assert found.reason == reason


def test_the_first_filter_that_objects_is_named(pets: Path) -> None:
    candidate = Candidate(pets, "Which are 4?", "SELECT name FROM pet WHERE age = 5")
    assert rejection(candidate) == Rejection("empty_result", "0 rows")
    assert rejection(candidate, QUESTION_FILTERS) == Rejection("unmentioned_value", "5")


def test_a_required_level_must_be_met_and_no_other_is_refused(pets: Path) -> None:
    sql = "SELECT name FROM pet WHERE age = 3"
    easy = Candidate(pets, "Which pets are 3 years old?", sql, required_level="easy")
    hard = Candidate(pets, "Which pets are 3 years old?", sql, required_level="hard")
    assert rejection(easy, SQL_FILTERS) is None
    assert rejection(hard, SQL_FILTERS) == Rejection("wrong_level", "easy")


def test_evidence_explains_a_value(pets: Path) -> None:
    sql = "SELECT name FROM pet WHERE age > 5"
    assert rejection(Candidate(pets, "Who is old?", sql)) == Rejection("unmentioned_value", "5")
    assert rejection(Candidate(pets, "Who is old?", sql, evidence="old: over 5 years")) is None


def test_a_tree_that_the_caller_has_is_not_parsed_again(pets: Path) -> None:
    tree = parse_sql("SELECT name FROM pet WHERE age = 3")
    candidate = Candidate(pets, "Which pets are 3?", "SELECT", known_tree=tree)
    assert candidate.tree is tree


def test_the_order_of_filters_is_that_of_the_tuple() -> None:
    assert [find.__name__ for find in FILTERS] == [
        "statement_fault", "name_fault", "execution_fault", "result_fault", "definedness_fault",
        "level_fault", "unmentioned_value", "unmentioned_column", "unused_value", "unused_column",
    ]  # fmt: skip
