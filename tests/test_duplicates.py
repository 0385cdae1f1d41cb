"""Repetitions of rows, over one database and over several."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.strong_set.duplicates import Duplicates, RowKeys, row_keys, similarity

OLDER = ("pets", "Which cats are older than 5?", "SELECT name FROM cat WHERE age > 5")


def reasons(rows: list[tuple[str, str, str]], **settings: float) -> list[str]:
    """The reason of each row in order, "" where it is kept."""
    found = Duplicates(**settings)  # type: ignore[arg-type]
    return [added(found, row_keys(*row)) for row in rows]


def added(found: Duplicates, keys: RowKeys) -> str:
    """The reason why the row is not kept, "" where it is."""
    if rejected := found.objection(keys):
        return rejected.reason
    found.add(keys)
    return ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (("pets", "which cats are  older than 5", "SELECT id FROM cat"), "duplicate_question"),
        (("pets", "Name cats over five.", "select name from cat where age>5;"), "duplicate_sql"),
        (("pets", "Which cats are older than 6?", "SELECT name FROM cat WHERE age > 6"), ""),
        (("pets", "Which dogs are older than 5?", "SELECT name FROM dog WHERE age > 5"), ""),
        (("pets", "Which cats are younger than 5?", "SELECT name FROM cat WHERE age < 5"), ""),
        (("zoo", "Which cats are older than 5?", "SELECT name FROM cat WHERE age > 5"),
         "near_duplicate"),
        (("zoo", "Which cats are older than 5?", "SELECT id, name FROM cat WHERE age > 5"), ""),
    ],
)  # fmt: skip
def test_what_repeats_a_row(other: tuple[str, str, str], reason: str) -> None:
    assert reasons([OLDER, other]) == ["", reason]


def test_a_long_question_with_another_value_is_nearly_the_same() -> None:
    ask = "Please list the names of all the cats in the shelter that are older than {} years now"
    rows = [("pets", ask.format(age), f"SELECT name FROM cat WHERE age > {age}") for age in (5, 6)]
    assert reasons(rows) == ["", "near_duplicate"]
    assert reasons(rows, min_similarity=0) == ["", ""]


def test_a_word_that_changes_the_sql_makes_another_question() -> None:
    ask = "What are the {} of all the cats in the shelter that are older than 5 years now?"
    rows = [
        ("pets", ask.format(name), f"SELECT {name} FROM cat WHERE age > 5")
        for name in ("names", "colours")
    ]
    assert reasons(rows) == ["", ""]


def test_rows_of_other_databases_count_only_where_they_shall() -> None:
    rows = [("a", "How many cats are there?", "SELECT count(*) FROM cat"),
            ("b", "How many cats are there?", "SELECT COUNT(*) FROM cats")]  # fmt: skip
    assert reasons(rows) == ["", "near_duplicate"]
    assert reasons(rows, across_databases=False) == ["", ""]


def test_a_template_serves_as_often_as_it_may() -> None:
    rows = [("pets", f"Cats of age {n}?", f"SELECT name FROM cat WHERE age = {n}") for n in "1234"]
    rows.append(("zoo", *rows[0][1:]))
    assert reasons(rows, max_per_template=2, min_similarity=0) == [
        "", "", "duplicate_template", "duplicate_template", "",
    ]  # fmt: skip


def test_a_list_of_values_counts_as_one_value() -> None:
    short = row_keys("pets", "", "SELECT name FROM cat WHERE age IN (1, 2)")
    long = row_keys("pets", "", "SELECT name FROM cat WHERE age IN (3, 4, 5)")
    assert short.template == long.template
    assert short.sql != long.sql


def test_sql_may_be_asked_for_in_several_ways() -> None:
    rows = [("pets", question, "SELECT count(*) FROM cat") for question in ("How many cats?",
            "Count the felines", "Size of the litter")]  # fmt: skip
    assert reasons(rows, max_per_sql=2) == ["", "", "duplicate_sql"]


def test_text_that_is_no_sql_has_keys() -> None:
    assert row_keys("pets", "\ud800?", "\ud800").question != row_keys("pets", "?", "").question
    assert row_keys("pets", "?", "SELECT 'unclosed").sql != row_keys("pets", "?", "").sql


def test_keys_do_not_depend_on_the_process() -> None:
    code = f"from sense.strong_set.duplicates import row_keys; print(row_keys(*{OLDER!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == repr(row_keys(*OLDER))


WORDS = ["name", "age", "cat", "dog", "older", "younger", "than", "5", "all", "show", "list"]


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=6, max_size=9), max_size=25))
def test_no_pair_of_kept_rows_is_near(questions: list[list[str]]) -> None:
    found = Duplicates(max_per_sql=0)
    kept = []
    for words in questions:
        keys = row_keys("pets", " ".join(words), "SELECT name FROM cat")
        if not added(found, keys):
            assert all(similarity(keys.shingles, other.shingles) < 0.8 for other in kept)
            kept.append(keys)


def test_near_pairs_are_found_among_thousands() -> None:
    rng = random.Random(0)
    found = Duplicates(max_per_sql=0)
    words = [f"word{n}" for n in range(2_000)]
    questions = [rng.sample(words, 14) for _ in range(3_000)]
    for question in questions:
        assert added(found, row_keys("pets", " ".join(question), "SELECT 1")) == ""
    changed = [[*question[:-1], "other"] for question in rng.sample(questions, 300)]
    hits = [added(found, row_keys("pets", " ".join(words), "SELECT 1")) for words in changed]
    assert hits == ["near_duplicate"] * 300
