"""The distance of two queries counts edits of what they ask, not of how it is written."""

import pytest

from sense.diagnosis.distance import MAX_NODES, distance, farthest_first, nearest, nearest_first

GOLD = "SELECT name FROM city WHERE id > 3 AND country_code = 'FRA'"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("select c.Name from CITY as c where c.country_code = 'FRA' and c.id > 3", 0),
        ("SELECT name FROM city WHERE id > 3 AND country_code = 'fra'", 1),
        ("SELECT code FROM city WHERE id > 3 AND country_code = 'FRA'", 1),
        ("SELECT name FROM city WHERE id >= 3 AND country_code = 'FRA'", 1),
        ("SELECT name FROM city WHERE id > 3 OR country_code = 'FRA'", 1),
        ("SELECT DISTINCT name FROM city WHERE id > 3 AND country_code = 'FRA'", 1),
        ("SELECT name FROM city WHERE id > 3", 4),
    ],
)
def test_an_edit_costs_the_nodes_that_it_touches(other: str, expected: int) -> None:
    assert distance(GOLD, other) == distance(other, GOLD) == expected


def test_what_cannot_be_read_is_far_from_everything_but_itself() -> None:
    assert distance("I do not know", "I  do not know") == 0
    assert distance("I do not know", "SELECT 1") > 1


def test_very_large_queries_are_held_against_each_other_by_what_they_name() -> None:
    columns = [f"c{i}" for i in range(MAX_NODES + 1)]
    first = f"SELECT {', '.join(columns)} FROM t"
    second = f"SELECT {', '.join(['other', *columns[1:]])} FROM t"
    assert distance(first, second) == 1


def test_pairs_come_in_the_order_of_their_distances() -> None:
    others = ["SELECT b, c FROM s", "SELECT b FROM t", "SELECT a FROM t", "SELECT x FROM t"]
    pairs = [("SELECT a FROM t", other) for other in others]
    wanted = ["SELECT a FROM t", "SELECT b FROM t", "SELECT x FROM t", "SELECT b, c FROM s"]
    assert [other for _, other in nearest_first(pairs)] == wanted
    assert [other for _, other in farthest_first(pairs)] == [wanted[3], *wanted[1:3], wanted[0]]
    assert nearest("SELECT a FROM t", others) == "SELECT a FROM t"


def test_the_nearest_is_found_without_measuring_all(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def counted(first: str, second: str) -> int:
        measured.append(second)
        return distance(first, second)

    monkeypatch.setattr("sense.diagnosis.distance.distance", counted)
    others = [f"SELECT {', '.join(f'c{i}' for i in range(n))} FROM t" for n in range(20, 1, -1)]
    assert nearest("SELECT c0 FROM t", others) == "SELECT c0, c1 FROM t"
    assert measured == ["SELECT c0, c1 FROM t"]
