"""Answers that are wrong in any reading, and those that a person may take for right."""

from pathlib import Path

import pytest

from sense.pairs.plainness import is_plainly_wrong, say_the_same

GOLD = "SELECT name FROM country WHERE continent = 'Asia'"


@pytest.mark.parametrize(
    "predicted",
    [
        "SELECT name FROM country WHERE continent = 'Africa'",
        "SELECT name FROM country",
        "SELECT name FROM country WHERE continent = 'Asia' LIMIT 1",
        "SELECT code FROM country WHERE continent = 'Asia'",
        "SELECT nothing FROM country",
        "DELETE FROM country",
    ],
)
def test_other_rows_and_failures_are_plainly_wrong(world: Path, predicted: str) -> None:
    assert is_plainly_wrong(world, GOLD, predicted)


@pytest.mark.parametrize(
    "predicted",
    [
        GOLD,
        "SELECT c.name FROM country AS c JOIN city ON country_code = code WHERE continent = 'Asia'",
        "SELECT population, name FROM country WHERE continent = 'Asia' ORDER BY 1",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    ],
)
def test_what_a_person_may_take_for_right_is_not(world: Path, predicted: str) -> None:
    assert not is_plainly_wrong(world, GOLD, predicted)


@pytest.mark.parametrize(
    ("gold", "predicted", "is_same"),
    [
        ([], [], True),
        ([], [(1,)], False),
        ([(1,)], [], False),
        ([(0.1 + 0.2,)], [(0.3,)], True),
        ([(None,)], [(None,)], True),
        ([(1, 1)], [(1,)], False),
        ([(1, 1)], [(1, 2, 1)], True),
        ([(1, 2), (2, 1)], [(1, 1), (2, 2)], False),
        ([(1, 2), (3, 4)], [(2, 1), (4, 3)], True),
        ([("a", 1), ("b", 2)], [("a", 2, 0), ("b", 1, 0)], False),
    ],
)
def test_rows_say_the_same(
    gold: list[tuple[object, ...]], predicted: list[tuple[object, ...]], is_same: bool
) -> None:
    assert say_the_same(gold, predicted) is is_same


def test_many_columns_that_hold_the_same_are_looked_through() -> None:
    gold = [tuple([i] * 12) for i in range(3)]
    assert say_the_same(gold, [(*row, "more") for row in gold])
    assert not say_the_same(gold, [(*row[:11], "other") for row in gold])
