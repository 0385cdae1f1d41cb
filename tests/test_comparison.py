"""Two queries of a person side by side: what is said of them."""

from pathlib import Path

import pytest
from conftest import write_database

from sense.witnesses.comparison import DIFFERENT, PROVED, SAME, WITH_WITNESS, compare_queries

SCRIPT = """CREATE TABLE a (x INT); CREATE TABLE b (y INT);
    INSERT INTO a VALUES (1), (1); INSERT INTO b VALUES (2), (2);"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return write_database(tmp_path / "pair.sqlite", SCRIPT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT x, y FROM a, b", "SELECT x, y FROM b, a"),
        ("SELECT max(x) FROM a, b", "SELECT max(x) FROM b, a"),
        (
            "SELECT x FROM a WHERE x < (SELECT max(y) FROM b)",
            "SELECT x FROM a WHERE (SELECT max(y) FROM b) > x",
        ),
        (
            "SELECT x FROM a WHERE x IN (SELECT y FROM b) OR x = 1 ORDER BY x",
            "SELECT x FROM a WHERE x = 1 OR x IN (SELECT y FROM b) ORDER BY a.x",
        ),
    ],
)
def test_equal_queries_that_leave_nothing_open_are_equal_on_any_data(
    pair: Path, first: str, second: str
) -> None:
    assert compare_queries(pair, first, second) == ("same", PROVED, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT x, y FROM a, b LIMIT 2", "SELECT x, y FROM b, a LIMIT 2"),
        ("SELECT x, y FROM a, b GROUP BY x", "SELECT x, y FROM b, a GROUP BY x"),
        ("SELECT x, count(*) FROM a, b", "SELECT x, count(*) FROM b, a"),
        (
            "SELECT x FROM a WHERE x IN (SELECT x FROM a, b ORDER BY x LIMIT 1)",
            "SELECT x FROM a WHERE x IN (SELECT x FROM b, a ORDER BY x LIMIT 1)",
        ),
        ("SELECT x, (SELECT y FROM a, b) FROM a", "SELECT x, (SELECT y FROM b, a) FROM a"),
    ],
)
def test_queries_that_pick_rows_are_the_same_here_only(pair: Path, first: str, second: str) -> None:
    assert compare_queries(pair, first, second) == ("same", SAME, None)


def test_rows_that_differ_are_shown_on_either_side(pair: Path) -> None:
    for first, second in (("SELECT x FROM a", "SELECT y FROM b"), ("SELECT 0", "SELECT x FROM a")):
        found = compare_queries(pair, first, second)
        assert (found.kind, found.text) == ("different", DIFFERENT["differs"] + WITH_WITNESS)
        assert found.witness and found.witness.gold_rows != found.witness.predicted_rows


def test_a_query_that_fails_is_named(pair: Path) -> None:
    found = compare_queries(pair, "SELECT x FROM a", "SELECT z FROM a")
    assert found.kind == "fault" and found.text.startswith("The second query: ")
