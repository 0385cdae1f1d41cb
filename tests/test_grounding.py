"""Values of SQL in questions, and of questions in SQL."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from sense.database import database_paths
from sense.filters import QUESTION_FILTERS, Candidate, rejection
from sense.grounding.gaps import (
    unmentioned_columns,
    unmentioned_values,
    unused_columns,
    unused_values,
)
from sense.grounding.numerals import numerals
from sense.grounding.query import sql_words
from sense.hardness import UnparsedSqlError, parse_sql
from sense.mutation import mutate
from sense.prompts.linking import ValueLink
from sense.prompts.mention import SchemaNames
from sense.schema import Column, Schema, Table, read_schema

MENTIONED = [
    ("size > 5000000", "larger than five million"),
    ("size > 5000000", "larger than 5,000,000"),
    ("size > 5000000", "over 5 million"),
    ("size > 1200", "over 1.2k"),
    ("size >= 25", "at least twenty-five"),
    ("size > 2", "at least 3"),
    ("size >= 3", "more than two"),
    ("size < 10", "at most nine"),
    ("share > 0.5", "more than 50%"),
    ("share > 0.5", "more than half"),
    ("height > 180", "taller than 180cm"),
    ("year BETWEEN 1990 AND 1999", "in the 1990s"),
    ("year BETWEEN 1990 AND 1999", "in the 90s"),
    ("year < 1900", "before the 20th century"),
    ("day = '2012-03-05'", "on March 5th, 2012"),
    ("day = '2012-03-05'", "on 03/05/2012"),
    ("day >= '2012-01-01' AND day <= '2012-12-31'", "during 2012"),
    ("day LIKE '8/%'", "in August"),
    ("land = 'Italy'", "Italian ones"),
    ("land = 'France'", "French ones"),
    ("land = 'USA'", "in the United States"),
    ("land = 'ZÜRICH'", "in Zurich"),
    ("city = 'Los Angeles'", "in LA"),
    ("state = 'NY'", "in New York"),
    ("sex = 'F'", "female ones"),
    ("kind = 'Dogs'", "each dog"),
    ("name = 'Aberdeen'", "called Aberdean"),
    ("name = 'Oak Street Market'", "at the Oak Market"),
    ("name LIKE '%son%'", "with 'son' in the name"),
    ("name LIKE 'S%'", "that start with s"),
    ("active = 1 AND deleted = 0", "active ones"),
    ("active = 'Y'", "active ones"),
    ("title IN ('Boss', 'Clerk')", "bosses and clerks"),
    ("lower(title) = 'boss'", "the Boss"),
    ("strftime('%Y', day) = '2012'", "in 2012"),
    ("balance < -5", "below -5"),
    ("size > 2 * width", "more than twice as wide"),
]

UNMENTIONED = [
    ("size > 5000000", "larger than four million", ["5000000"]),
    ("size > 4", "more than five", ["4"]),
    ("size >= 4", "at least three", ["4"]),
    ("land = 'Italy' AND name = 'Rome'", "those called Rome", ["Italy"]),
    ("owner_id = 1", "those of the owner", ["1"]),
    ("day = '2012-03-05'", "in 2012", ["2012-03-05"]),
    ("name LIKE '%son%'", "with a long name", ["%son%"]),
    ("kind = 'cat'", "each dog", ["cat"]),
    ("kind = '\u1369\u136a'", "each dog", ["\u1369\u136a"]),  # digits that are no decimals
    (f"kind = '{'9' * 5_000}'", "each dog", ["9" * 5_000]),
]


@pytest.mark.parametrize(("condition", "question"), MENTIONED)
def test_a_value_is_found_as_people_write_it(condition: str, question: str) -> None:
    said = sql_words(parse_sql(f"SELECT name FROM thing WHERE {condition}"))
    assert unmentioned_values(said, f"Which things are {question}?") == []


@pytest.mark.parametrize(("condition", "question", "missing"), UNMENTIONED)
def test_a_value_that_is_not_there_is_named(
    condition: str, question: str, missing: list[str]
) -> None:
    said = sql_words(parse_sql(f"SELECT title FROM thing WHERE {condition}"))
    assert unmentioned_values(said, f"Which things are {question}?") == missing


def test_the_size_of_a_cut_is_needed_unless_it_is_one() -> None:
    three, one = (sql_words(parse_sql(f"SELECT a FROM t ORDER BY b LIMIT {n}")) for n in (3, 1))
    assert unmentioned_values(three, "Which are the largest?") == ["3"]
    assert unmentioned_values(three, "Which are the three largest?") == []
    assert unmentioned_values(one, "Which is the largest?") == []


USED = [
    ("name = 'Rex'", "Who is 'Rex'?"),
    ("size > 2", "Which have at least 3?"),
    ("name = 'Boeing 737'", "Which is a Boeing 737?"),
    ("year BETWEEN 1990 AND 1999", "Which are of the 1990s?"),
    ("active = 1", "Which are active (1 means yes, 0 no)?"),
    ("name LIKE '%son%'", 'Which hold the text "son"?'),
    ("name = 'Rex'", "Which one of the two is Rex?"),
    ("name = 'Rex'", "What is Rex's 'name'?"),
]

UNUSED = [
    ("name = 'Rex'", "Who is 'Tom'?", ["Tom"]),
    ("size > 2", "Which have at least 5?", ["5"]),
    ("size > 2", "Which four have over 2?", ["four"]),
    ("name = 'Rex'", "Who is “Rex” of 1999?", ["1999"]),
]


@pytest.mark.parametrize(("condition", "question"), USED)
def test_what_the_sql_uses_is_not_missed(condition: str, question: str) -> None:
    said = sql_words(parse_sql(f"SELECT name FROM thing WHERE {condition}"))
    assert unused_values(said, question) == []


@pytest.mark.parametrize(("condition", "question", "unused"), UNUSED)
def test_what_the_sql_does_not_use_is_named(
    condition: str, question: str, unused: list[str]
) -> None:
    said = sql_words(parse_sql(f"SELECT name FROM thing WHERE {condition}"))
    assert unused_values(said, question) == unused


def test_a_value_of_the_data_counts_where_it_is_spelled_so() -> None:
    said = sql_words(parse_sql("SELECT weight FROM pet ORDER BY age LIMIT 1"))
    links = [ValueLink("pet", "kind", "dog"), ValueLink("track", "name", "Weigh")]
    assert unused_values(said, "How much does the youngest dog weigh?", links) == ["dog"]


def test_a_column_named_in_full_must_be_used() -> None:
    vote = Table("vote", (Column("president_vote", ""), Column("senator_vote", "")))
    names = SchemaNames(Schema((vote, Table("town", (Column("town_hall", ""),)))))
    question = "Who has a president vote in the town hall?"
    used, unused, everything = (
        sql_words(parse_sql(f"SELECT {column} FROM vote"))
        for column in ("president_vote", "senator_vote", "*")
    )
    assert unused_columns(used, question, names) == []
    assert unused_columns(unused, question, names) == ["president_vote"]
    assert unused_columns(everything, question, names) == []


UNMENTIONED_COLUMNS = [
    ("name, salary", "Who are the workers, and what do they earn?", ["salary"]),
    ("name, salary", "Who are the workers, and what are their salaries?", []),
    ("fname, birth_date", "First names of those born in May, and when they were born", []),
    ("worker_id, hs", "Which workers?", []),
    ("MAX(salary), COUNT(*)", "Which workers?", []),
    ("country, rating", "What nations and scores?", []),
    ("zip_code, min_temp", "How cold is it where?", ["min_temp"]),
]


@pytest.mark.parametrize(("columns", "question", "missing"), UNMENTIONED_COLUMNS)
def test_a_column_that_is_returned_must_have_a_word(
    columns: str, question: str, missing: list[str]
) -> None:
    said = sql_words(parse_sql(f"SELECT {columns} FROM worker"))
    assert unmentioned_columns(said, question) == missing


def test_evidence_may_name_a_column() -> None:
    said = sql_words(parse_sql("SELECT salary FROM worker"))
    assert unmentioned_columns(said, "What do they earn?", "earn refers to salary") == []


def test_numerals_are_read_with_their_units() -> None:
    text = "Two hundred and five, a dozen, the 3rd and fourth, 12%, $3.5bn; seventeen and one"
    assert [(n.text, n.values[0]) for n in numerals(text)] == [
        ("Two hundred and five", 205.0), ("dozen", 12.0), ("3rd", 3.0), ("fourth", 4.0),
        ("12%", 12.0), ("3.5bn", 3.5e9), ("seventeen", 17.0), ("one", 1.0),
    ]  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_text_can_be_searched(text: str) -> None:
    said = sql_words(parse_sql("SELECT a FROM t WHERE b = 'Rex' AND c > 0x1F AND d > 7.5"))
    unmentioned_values(said, text, text)
    unused_values(said, text, [ValueLink("t", "b", text)])
    assert all(text[n.start :].startswith(n.text) for n in numerals(text))


@pytest.mark.slow
def test_few_pairs_of_spider_and_most_spoiled_ones_are_rejected(shared_data: Path) -> None:
    folder = shared_data / "spider"
    paths = database_paths(folder / "database")
    rows = json.loads((folder / "dev.json").read_text())
    rng = random.Random(0)
    num_rejected = 0
    changed: list[bool] = []
    dropped: list[bool] = []
    for row in rows:
        path, question = paths[row["db_id"]], row["question"]
        if rejection(Candidate(path, question, row["query"]), QUESTION_FILTERS):
            num_rejected += 1
            continue
        if rng.random() < 0.08:
            tree = parse_sql(row["query"])
            changed += [is_rejected(path, question, sql) for sql in with_other_values(tree)]
            dropped += [
                is_rejected(path, question, mutation.sql)
                for mutation in mutate(tree, read_schema(path))
                if mutation.kind == "missing_condition"
            ]
    assert num_rejected <= 6  # of 1,034
    assert len(changed) > 30
    assert sum(changed) > 0.9 * len(changed)
    assert len(dropped) > 30
    assert sum(dropped) > 0.6 * len(dropped)


def is_rejected(path: Path, question: str, sql: str) -> bool:
    return rejection(Candidate(path, question, sql), QUESTION_FILTERS) is not None


def with_other_values(tree: exp.Expr) -> list[str]:
    """The query with each value of its conditions but 0 and 1 replaced, one at a time."""
    found = []
    for literal in list(tree.find_all(exp.Literal)):
        if isinstance(literal.parent, (exp.EQ, exp.GT, exp.LT)) and literal.name not in "01":
            other = exp.Literal.string("Xyzzy") if literal.is_string else exp.Literal.number(7531)
            literal.replace(other)
            found.append(tree.sql("sqlite"))
            other.replace(literal)
    return found


def test_training_golds_of_spider_lose_less_than_one_percent(shared_data: Path) -> None:
    folder = shared_data / "spider"
    num_rejected = 0
    rows = random.Random(0).sample(json.loads((folder / "train_spider.json").read_text()), 1_500)
    for row in rows:
        try:
            said = sql_words(parse_sql(row["query"]))
        except UnparsedSqlError:
            continue
        num_rejected += bool(
            unmentioned_values(said, row["question"]) or unused_values(said, row["question"])
        )
    assert num_rejected < 15
