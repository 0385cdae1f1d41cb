"""VES, R-VES and soft F1 against hand-computed values and those of BIRD's own functions."""

import math
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sense.scores.bird
from sense.denotation import Row, Rows
from sense.scores.bird import (
    UNFINISHED,
    Answer,
    BirdScores,
    bird_scores,
    measured_time_ratio,
    r_ves,
    scores_of,
    soft_f1,
    summary,
    time_ratio,
    ves,
)
from sense.workers import WorkerFailure

VALUES = st.none() | st.integers(-2, 2) | st.sampled_from(["", "a", "1", 0.5, b"a"])
RESULTS = st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[VALUES] * n), max_size=6))


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [  # the values are those of calculate_f1_score, bird-bench/mini_dev@4d970a9
        ([("Rex", 3)], [("Rex", 3)], 1.0),
        ([("Rex", 3)], [(3, "Rex")], 1.0),
        ([("Rex", 3)], [("Rex", 4)], 0.5),
        ([("Rex", 3)], [("Rex",)], 2 / 3),
        ([("Rex",)], [("Rex", 3)], 2 / 3),
        ([("Rex", 3), ("Tom", 5)], [("Tom", 5), ("Rex", 3)], 0.0),
        ([("Rex",), ("Tom",)], [("Rex",)], 2 / 3),
        ([("Rex",)], [("Rex",), ("Tom",), ("Ada",)], 0.5),
        ([("Rex",), ("Rex",)], [("Rex",)], 1.0),
        ([(1, 1)], [(1,)], 1.0),
        ([(1,)], [(1.0,)], 1.0),
        ([(None,)], [(None,)], 1.0),
        ([("1",)], [(1,)], 0.0),
        ([], [], 1.0),
        ([("Rex",)], [], 0.0),
        ([], [("Rex",)], 0.0),
    ],
)
def test_soft_f1_compares_row_by_row(gold: Rows, predicted: Rows, expected: float) -> None:
    assert soft_f1(gold, predicted) == pytest.approx(expected)


@given(gold=RESULTS, predicted=RESULTS)
def test_soft_f1_is_a_share_and_gold_wins(gold: list[Row], predicted: list[Row]) -> None:
    assert soft_f1(gold, gold) == 1
    assert 0 <= soft_f1(gold, predicted) <= 1


@given(rows=RESULTS, seed=st.integers(0, 99))
def test_soft_f1_ignores_the_order_of_columns(rows: list[Row], seed: int) -> None:
    order = random.Random(seed).sample(range(len(rows[0])), len(rows[0])) if rows else []
    assert soft_f1(rows, [tuple(row[i] for i in order) for row in rows]) == 1


def test_ves_is_the_mean_root_of_the_time_ratios() -> None:
    assert ves([1.0, 1.0]) == 100
    assert ves([0.25, 0.0]) == 25
    assert ves([4.0]) == 200
    assert math.isnan(ves([]))


@pytest.mark.parametrize(
    ("ratio", "reward"),
    [(0.0, 0), (0.01, 0.25), (0.25, 0.5), (0.49, 0.5), (0.5, 0.75), (0.99, 0.75), (1.0, 1),
     (1.99, 1), (2.0, 1.25), (50.0, 1.25)],
)  # fmt: skip
def test_r_ves_pays_by_steps(ratio: float, reward: float) -> None:
    assert r_ves([ratio]) == pytest.approx(100 * math.sqrt(reward))


def test_ratio_far_from_the_others_is_left_out() -> None:
    assert time_ratio([1.0] * 20 + [1.1, 50.0], [1.0] * 22) == pytest.approx(21.1 / 21)
    assert time_ratio([3.0, 1.0], [1.0, 1.0]) == 2
    assert time_ratio([3.0], [2.0]) == 1.5


def test_prediction_is_timed_only_where_bird_accepts_it(world: Path) -> None:
    gold = "SELECT name FROM country WHERE continent = 'Asia'"
    assert measured_time_ratio(world, gold, "SELECT code FROM country", 2) == 0
    assert measured_time_ratio(world, gold, "SELECT nope FROM country", 2) == 0
    for reads_all_rows in (True, False):
        same = "SELECT name FROM country WHERE continent LIKE 'asia'"
        assert measured_time_ratio(world, gold, same, 3, reads_all_rows) > 0
    with pytest.raises(ValueError, match="0 repetitions"):
        measured_time_ratio(world, gold, gold, 0)


def test_queries_that_repeat_for_too_long_have_no_ratio(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = (  # more steps than pass between two looks at the clock
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "SELECT count(*) FROM n"
    )
    assert measured_time_ratio(world, long, "SELECT 5000", 1) > 0
    monkeypatch.setattr(sense.scores.bird, "BIRD_SECONDS", -1)
    assert measured_time_ratio(world, long, "SELECT 5000", 1) == 0


def test_answers_get_their_scores_in_order(world: Path) -> None:
    gold = "SELECT name FROM country WHERE continent = 'Africa'"
    predicted = (gold, "SELECT name FROM country WHERE code = 'NGA'", "SELECT nope FROM country")
    answers = [Answer(str(world), gold, sql) for sql in predicted]
    untimed = list(bird_scores(answers, num_repetitions=0, num_workers=0))
    assert [s.soft_f1 for s in untimed] == pytest.approx([1, 2 / 3, 0])
    assert summary(untimed) == {
        "soft_f1": pytest.approx(500 / 9),
        "ves": None,
        "r_ves": None,
        "unfinished": 0,
    }
    timed = list(bird_scores(answers, num_repetitions=1, num_workers=1))
    assert [(bool(s.ves_ratio), bool(s.r_ves_ratio)) for s in timed] == [
        (True, True),
        (False, False),
        (False, False),
    ]


def test_percents_of_nothing_are_unknown() -> None:
    assert summary([]) == {"soft_f1": None, "ves": None, "r_ves": None, "unfinished": 0}
    assert summary([BirdScores(0.5, 1.0, 0.3)]) == {
        "soft_f1": 50.0,
        "ves": 100.0,
        "r_ves": pytest.approx(70.7106781),
        "unfinished": 0,
    }


def test_answer_without_a_score_is_counted_and_in_no_mean() -> None:
    found = [BirdScores(1.0, 4.0, None, is_unfinished=True), UNFINISHED, BirdScores(0.5, 0.0, 1.0)]
    assert summary(found) == {"soft_f1": 75.0, "ves": 100.0, "r_ves": 100.0, "unfinished": 2}


def test_lost_worker_gives_no_score_instead_of_zeros(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = WorkerFailure("crash", "the worker died")
    monkeypatch.setattr(sense.scores.bird, "map_in_workers", lambda score, answers, *_: [lost] * 2)
    for repetitions in (0, 3):
        found = list(bird_scores([], repetitions))
        assert found == [BirdScores(None, None, None, is_unfinished=True)] * 2
        assert summary(found)["unfinished"] == 2


def test_query_that_only_pythons_sqlite_refuses_has_no_ratio(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*arguments: object) -> float:
        raise sqlite3.OperationalError("unable to open database file")

    gold = "SELECT name FROM country"
    monkeypatch.setattr(sense.scores.bird, "_seconds", refuses)
    assert measured_time_ratio(world, gold, gold, 1) is None
    assert measured_time_ratio(world, gold, "SELECT 1", 1) == 0
    assert scores_of(Answer(str(world), gold, gold), 1) == BirdScores(1.0, None, None, True)
