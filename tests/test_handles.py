"""Handles: names and literals out of a question and back into SQL."""

from pathlib import Path

import pytest
from conftest import write_database
from hypothesis import given
from hypothesis import strategies as st

from sense.example import Messages
from sense.prompt import TINY_CONTRACT, completion_messages, completion_sql, prompt_messages
from sense.prompts.handles import decode_sql, encode_sql


def prompt(path: Path, question: str) -> Messages:
    return prompt_messages(TINY_CONTRACT, path, question)


def test_names_and_literals_are_numbered_as_the_question_mentions_them(world: Path) -> None:
    [message] = prompt(world, "How many cities in the countries of Asia have over 500000 people?")
    assert message["content"] == (
        "n2 country ( n3 code * , n4 continent ) | "
        "n1 city ( n5 id * , n6 country_code > n2 . n3 ) ; v1 = 'Asia' ; v2 = 500000\n"
        "How many n1 in the n2 of v1 have over v2 people?"
    )


def test_dates_in_words_become_literals(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.sqlite", "CREATE TABLE trip (began TEXT);")
    text = prompt(path, "trips that began after 13 April 2014, or May 3, 2015")[0]["content"]
    assert text == (
        "n1 trip ( n2 began ) ; v1 = '2014-04-13' ; v2 = '2015-05-03'\nn1 that n2 after v1, or v2"
    )


def test_tables_between_named_ones_are_shown(tmp_path: Path) -> None:
    script = """
        CREATE TABLE a (a_id INTEGER PRIMARY KEY, x);
        CREATE TABLE link (a_id REFERENCES a(a_id), b_id REFERENCES b(b_id), y);
        CREATE TABLE b (b_id INTEGER PRIMARY KEY, z);
        CREATE TABLE other (o);
    """
    path = write_database(tmp_path / "a.sqlite", script)
    text = prompt(path, "x of each a and z of each b")[0]["content"].split("\n")[0]
    assert "link (" in text
    assert "other" not in text


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("Which cities are in France?", "SELECT name FROM city WHERE country_code = 'FRA'"),
        (
            "How many cities of countries in Asia?",
            "SELECT COUNT(*) FROM city JOIN country ON city.country_code = country.code "
            "WHERE country.continent = 'Asia'",
        ),
        ("cities over 5000", "SELECT name FROM city WHERE population > 5000 LIMIT 3"),
    ],
)
def test_sql_returns_from_its_handles(world: Path, question: str, sql: str) -> None:
    messages = prompt(world, question)
    [answer] = completion_messages(TINY_CONTRACT, messages, sql)
    assert answer["content"] != sql
    assert completion_sql(TINY_CONTRACT, messages, answer["content"]) == sql


def test_quoted_names_return_as_sql_spells_them(tmp_path: Path) -> None:
    script = 'CREATE TABLE "the order" ("first name" TEXT, "group" TEXT);'
    path = write_database(tmp_path / "a.sqlite", script)
    [message] = prompt(path, "first names and groups of the order")
    sql = 'SELECT "first name", "group" FROM "the order"'
    assert decode_sql(encode_sql(sql, message["content"]), message["content"]) == sql


def test_a_handle_within_a_literal_is_text(world: Path) -> None:
    text = prompt(world, "cities called n1")[0]["content"]
    assert decode_sql("SELECT 'n1' FROM n1", text) == "SELECT 'n1' FROM city"


@given(st.text(max_size=40))
def test_any_completion_is_decoded_to_some_text(completion: str) -> None:
    assert isinstance(decode_sql(completion, "n1 city ( n2 id )\nn1?"), str)
