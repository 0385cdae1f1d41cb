"""BIRD's scores beside execution accuracy: VES, R-VES and soft F1.

VES and R-VES reward right predictions that are faster than gold. They compare times, so they hold
for one machine and one build of SQLite only; report both beside them. Soft F1 gives a wrong
prediction what its rows share with gold's.
Sources: VES by Li et al. 2023 as in AlibabaResearch/DAMO-ConvAI@483554e, bird/llm/src/
evaluation_ves.py; R-VES and soft F1 as in bird-bench/mini_dev@4d970a9, evaluation/
evaluation_ves.py and evaluation_f1.py.
"""

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NamedTuple
from urllib.parse import quote

from sense.denotation import Rows
from sense.execution import DEFAULT_LIMITS, execute
from sense.official import BIRD_SECONDS, bird_score, official_limits
from sense.workers import WorkerFailure, map_in_workers

NUM_REPETITIONS = 100  # `iterate_num` of both official scripts
MAX_DEVIATIONS = 3  # a ratio farther from the mean than so many standard deviations is left out
REWARDS = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5), (0.0, 0.25))
"""Of R-VES: least time ratio, reward; a wrong prediction has ratio 0 and no reward."""
STEPS_PER_CHECK = 10_000


class Answer(NamedTuple):
    """A prediction and what it should do."""

    db_path: str
    gold_sql: str
    predicted_sql: str


class BirdScores(NamedTuple):
    """What BIRD's scores are made of, for one answer."""

    soft_f1: float | None
    """In 0..1; 0 where one of the queries does not run, None where the worker was lost."""
    ves_ratio: float | None
    """Time ratio to the first row; None where times were not asked for or could not be taken."""
    r_ves_ratio: float | None
    """Time ratio to the last row."""
    is_unfinished: bool = False
    """Whether a score that was asked for is missing: it is in no mean."""


UNFINISHED = BirdScores(None, None, None, is_unfinished=True)


def bird_scores(
    answers: Iterable[Answer], num_repetitions: int = NUM_REPETITIONS, num_workers: int = 1
) -> Iterator[BirdScores]:
    """The scores of each answer, in order; num_repetitions: of every timed query, 0 = no times.

    num_workers: processes, 0 = this one; several at a time disturb each other's times.
    """
    score = partial(scores_of, num_repetitions=num_repetitions)
    max_seconds = BIRD_SECONDS * (2 * num_repetitions + 4)
    for found in map_in_workers(score, answers, num_workers, max_seconds):
        yield UNFINISHED if isinstance(found, WorkerFailure) else found


def summary(scores: Sequence[BirdScores]) -> dict[str, Any]:
    """Soft F1, VES and R-VES in percent, as BIRD reports them; None for what was not timed.

    `unfinished` counts the answers that lack a score, which its mean leaves out.

    >>> summary([BirdScores(1.0, 4.0, 4.0), BirdScores(0.5, 0.0, 0.0)])["ves"]
    100.0
    """
    overlaps = [s.soft_f1 for s in scores if s.soft_f1 is not None]
    to_first = [s.ves_ratio for s in scores if s.ves_ratio is not None]
    to_last = [s.r_ves_ratio for s in scores if s.r_ves_ratio is not None]
    return {
        "soft_f1": 100 * fmean(overlaps) if overlaps else None,
        "ves": ves(to_first) if to_first else None,
        "r_ves": r_ves(to_last) if to_last else None,
        "unfinished": sum(s.is_unfinished for s in scores),
    }


def scores_of(answer: Answer, num_repetitions: int = NUM_REPETITIONS) -> BirdScores:
    """The scores of one answer, in this process. Raises DatabaseError."""
    limits = official_limits(DEFAULT_LIMITS)
    gold, predicted = (execute(answer.db_path, sql, limits) for sql in answer[1:])
    has_rows = gold.status == predicted.status == "ok"
    is_read = has_rows and not (gold.invalid_text or predicted.invalid_text)
    overlap = soft_f1(gold.rows, predicted.rows) if is_read else 0.0
    if not num_repetitions:
        return BirdScores(overlap, None, None)
    first, last = (measured_time_ratio(*answer, num_repetitions, reads) for reads in (False, True))
    return BirdScores(overlap, first, last, is_unfinished=first is None or last is None)


def ves(time_ratios: Sequence[float]) -> float:
    """Valid efficiency score in percent: mean square root of the time ratios.

    time_ratios: one per question, 0 for a wrong prediction; above 1 the prediction is the faster.
    100 is every answer right and as fast as gold; NaN where there is no question.

    >>> ves([1.0, 4.0, 0.0, 1.0])
    100.0
    """
    return 100 * fmean(math.sqrt(ratio) for ratio in time_ratios) if time_ratios else math.nan


def r_ves(time_ratios: Sequence[float]) -> float:
    """Reward-based valid efficiency score in percent, from the same ratios as `ves`.

    >>> round(r_ves([2.0, 1.9, 0.6, 0.3, 0.1, 0.0]), 4)
    69.8528
    """
    return ves([_reward(ratio) for ratio in time_ratios])


def soft_f1(gold_rows: Rows, predicted_rows: Rows) -> float:
    """F1 of the values that two results share, row by row, in 0..1.

    Repeated rows count once. The first row of one is compared with the first of the other and so
    on, so the order of rows counts always, that of columns never; shares are of gold's columns.
    Two empty results give 1.

    >>> soft_f1([("Rex", 3), ("Tom", 5)], [("Rex", 3), ("Tom", 6)])
    0.75
    """
    if not gold_rows and not predicted_rows:
        return 1.0
    gold, predicted = list(dict.fromkeys(gold_rows)), list(dict.fromkeys(predicted_rows))
    shared = 0.0
    gold_only = float(max(len(gold) - len(predicted), 0))
    predicted_only = float(max(len(predicted) - len(gold), 0))
    for row, other in zip(gold, predicted, strict=False):
        shared += sum(value in row for value in other) / len(row)
        predicted_only += sum(value not in row for value in other) / len(row)
        gold_only += sum(value not in other for value in row) / len(row)
    if not shared:
        return 0.0
    precision = shared / (shared + predicted_only)
    recall = shared / (shared + gold_only)
    return 2 * precision * recall / (precision + recall)


def time_ratio(gold_seconds: Sequence[float], predicted_seconds: Sequence[float]) -> float:
    """Mean of gold's time over the prediction's, without ratios far from the others.

    Parallel lists, one pair per repetition. Where all ratios are equal, as a single one is, the
    official scripts divide by zero and give 0; here they are kept.

    >>> time_ratio([0.2, 0.4], [0.1, 0.1])
    3.0
    """
    ratios = [a / b for a, b in zip(gold_seconds, predicted_seconds, strict=True)]
    reach = MAX_DEVIATIONS * pstdev(ratios)
    middle = fmean(ratios)
    return fmean([ratio for ratio in ratios if abs(ratio - middle) < reach] or ratios)


def measured_time_ratio(
    db_path: str | Path,
    gold_sql: str,
    predicted_sql: str,
    num_repetitions: int = NUM_REPETITIONS,
    reads_all_rows: bool = True,
) -> float | None:
    """The time ratio of a prediction on one database; 0 where BIRD's accuracy does not accept it.

    As in the official scripts both queries run in turn, each time on a new connection of Python's
    `sqlite3`, and all repetitions together may take 30 seconds times their number, or the ratio is
    0. None where that `sqlite3` does not run what `execute` did, as its version may differ.
    reads_all_rows: R-VES takes the time to the last row, VES (False) to the first. Raises
    DatabaseError.
    """
    if num_repetitions < 1:
        raise ValueError(f"{num_repetitions} repetitions give no time; expected 1 or more")
    run = partial(execute, db_path, limits=official_limits(DEFAULT_LIMITS))
    if not bird_score(run, gold_sql, predicted_sql):
        return 0.0
    deadline = time.perf_counter() + BIRD_SECONDS * num_repetitions
    gold_seconds, predicted_seconds = [], []
    try:
        for _ in range(num_repetitions):
            predicted_seconds.append(_seconds(db_path, predicted_sql, reads_all_rows, deadline))
            gold_seconds.append(_seconds(db_path, gold_sql, reads_all_rows, deadline))
    except sqlite3.OperationalError:
        return 0.0 if time.perf_counter() > deadline else None
    return time_ratio(gold_seconds, predicted_seconds)


def _seconds(db_path: str | Path, sql: str, reads_all_rows: bool, deadline: float) -> float:
    uri = f"file:{quote(str(Path(db_path).absolute()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.set_progress_handler(lambda: time.perf_counter() > deadline, STEPS_PER_CHECK)
        start = time.perf_counter()
        cursor = connection.execute(sql)
        if reads_all_rows:
            cursor.fetchall()
        return time.perf_counter() - start


def _reward(ratio: float) -> float:
    if not ratio:
        return 0.0
    return next(reward for least, reward in REWARDS if ratio >= least)
