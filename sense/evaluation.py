"""Predictions scored by named rules: one outcome per question and system, then what they sum to.

A score column is a rule on the databases, or `suite_` and a rule on a test suite of each; the first
one is the primary, which `correct` follows. `verdict` and `reason` are our own three-state
judgement of the same answer. A question whose gold does not run is 0 by the official rules, as in
the official scripts; where gold cannot judge, `strict` has no score and does not count it. What is
`unknown` for a reason of the answer's own, such as a limit or its order of columns, is wrong by
`strict`: a system must not gain by answers that cannot be told right.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sense.bird import Answer, BirdScores, bird_scores
from sense.bird import summary as bird_summary
from sense.completion import Form, form_of
from sense.database import unknown_database
from sense.engine import Engine
from sense.example import HARDNESS_LEVELS
from sense.execution import open_read_only
from sense.metrics import Score, bootstrap_interval, score, score_by
from sense.question import Question, gold_hardness
from sense.reading import Prediction, shortened
from sense.verdict import Judgement, Rule, Unit, judge_all

if TYPE_CHECKING:
    from sense.suite import Suite

RULE_TEXT: dict[str, str] = {
    "spider": "Spider's execution match (test-suite script, DISTINCT dropped)",
    "spider_distinct": "Spider's execution match (test-suite script, DISTINCT kept)",
    "bird": "BIRD's execution accuracy (equal sets of rows)",
    "strict": (
        "strict (bags of rows, row order where gold orders, column order kept; an answer that "
        "cannot be told right is wrong)"
    ),
}
SUITE = "suite_"
"""Before a rule: the column of its scores on a test suite."""
MAX_PREDICTIONS_PER_UNIT = 64
"""Of one question, to be judged together; more, as of many systems, are parted."""
SECONDS_BEFORE_PROGRESS = 2.0
NUM_RESAMPLES = 1_000  # of databases; bounds then vary by about a tenth of the interval


class Outcome(NamedTuple):
    """One line of `per_example.jsonl`."""

    idx: int
    db_id: str
    question: str
    hardness: str
    """Spider's level of gold; "" where gold is no query."""
    gold_sql: str
    predicted_sql: str
    correct: int
    """1 where the primary column accepts the prediction, else 0."""
    verdict: str
    reason: str
    gold_status: str
    scores: dict[str, int | None]
    """1 or 0 per score column, the primary one first; None: not counted, gold cannot judge."""
    form: Form = "query"
    """What the prediction is: a `query`, `empty`, prose ..."""
    error_kind: str = ""
    """What is wrong with an `incorrect` answer; `sense.reports.mistakes` fills it in."""
    witness: str = ""
    """JSON object: a row that only one side returns, or the error; "" if there is none."""
    unfinished: Sequence[str] = ()
    """Official rules whose 0 says only that a query did not end in our time; they have no limit."""
    double_quoted_literal: bool = False
    """Whether the prediction has text in double quotes, which SQLite reads as a string."""
    bird: dict[str, Any] | None = None
    """The fields of `BirdScores`; None unless `with_bird_scores` fills them in."""


def check_predictions(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    questions: Sequence[Question] | None = None,
) -> None:
    """Checks, before any query runs, that each question has a readable database and one answer.

    databases: file of each `db_id`; questions: all that should have been answered, where known.
    Raises UnknownDatabase for the first `db_id` without a database, DatabaseError for one that
    cannot be read, ValueError for an `idx` that occurs twice, for the first question without an
    answer and for the first answer to none of them.
    """
    seen: dict[int, Prediction] = {}
    for p in predictions:
        if p.db_id not in databases:
            raise unknown_database(p.db_id, "the given folder", databases)
        if p.idx in seen:
            raise ValueError(
                f"idx {p.idx} occurs twice, for {shortened(seen[p.idx].question)!r} and "
                f"{shortened(p.question)!r}; expected one answer per question: give each line its "
                "own idx, and each system its own file or `system`"
            )
        seen[p.idx] = p
    for db_id in dict.fromkeys(p.db_id for p in predictions):
        open_read_only(databases[db_id]).close()
    if questions:
        _check_answered(predictions, questions)


def _check_answered(predictions: Sequence[Prediction], questions: Sequence[Question]) -> None:
    """Raises ValueError unless each question has one answer and each answer its question."""
    asked = Counter((q.example.db_id, q.example.question, q.example.sql) for q in questions)
    answered = Counter((p.db_id, p.question, p.gold) for p in predictions)
    if missing := asked - answered:
        db_id, question, _ = next(iter(missing))
        raise ValueError(
            f"{missing.total():,} of {len(questions):,} questions have no prediction, the first is "
            f"{shortened(question)!r} (db_id '{db_id}'); answer every question, with an empty "
            '"pred" where the system gave none'
        )
    if surplus := answered - asked:
        db_id, question, gold = next(iter(surplus))
        again = "is answered twice" if (db_id, question, gold) in asked else "was not asked"
        raise ValueError(
            f"{surplus.total():,} of {len(predictions):,} predictions answer no question of the "
            f"data or one that has its answer; the first, {shortened(question)!r} "
            f"(db_id '{db_id}'), {again}: leave them out, or name the --split and --limit "
            "that were answered"
        )


def evaluate(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    rules: Sequence[Rule] = ("strict",),
    num_workers: int = 1,
    suite: "Suite | None" = None,
    engine: Engine = "local",
) -> list[Outcome]:
    """`evaluate_systems` of one system."""
    return evaluate_systems([predictions], databases, rules, num_workers, suite, engine)[0]


def evaluate_systems(
    systems: Sequence[Sequence[Prediction]],
    databases: Mapping[str, Path],
    rules: Sequence[Rule] = ("strict",),
    num_workers: int = 1,
    suite: "Suite | None" = None,
    engine: Engine = "local",
) -> list[list[Outcome]]:
    """One outcome per prediction of each system, in their order.

    databases: file of each `db_id`; suite: a test suite, whose columns and verdicts then come
    first. A gold and the answers of all systems to it are judged together, each distinct query run
    once. Raises DatabaseError for a file that cannot be read.
    """
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for prediction in (p for system in systems for p in system):
        wanted.setdefault((prediction.db_id, prediction.gold), {})[prediction.pred] = None
    found: list[_Judged] = []
    if suite:
        paths = {key: tuple(map(str, suite.paths(*key))) for key in wanted}
        found.append(_judged(wanted, paths, rules, SUITE, num_workers, engine))
    paths = {key: (str(databases[key[0]]),) for key in wanted}
    found.append(_judged(wanted, paths, rules, "", num_workers, engine))
    return [[_outcome(p, found) for p in system] for system in systems]


class _Answer(NamedTuple):
    gold_status: str
    judgement: Judgement
    scores: dict[str, int | None]
    hardness: str


_Judged = dict[tuple[str, str, str], _Answer]
"""By (db_id, gold, prediction)."""


def _judged(
    wanted: Mapping[tuple[str, str], Mapping[str, None]],
    paths: Mapping[tuple[str, str], tuple[str, ...]],
    rules: Sequence[Rule],
    prefix: str,
    num_workers: int,
    engine: Engine,
) -> _Judged:
    """Every answer judged on the given databases of its gold."""
    from tqdm import tqdm

    units = [
        (key, Unit(paths[key], gold_sql=key[1], predicted_sqls=part))
        for key, sqls in wanted.items()
        for part in _parts(tuple(sqls))
    ]
    judged = judge_all(
        (unit for _, unit in units), rules=rules, num_workers=num_workers, engine=engine
    )
    progress = tqdm(
        judged,
        desc="judging on the suite" if prefix else "judging",
        total=len(units),
        unit="question",
        delay=SECONDS_BEFORE_PROGRESS,
    )
    found: _Judged = {}
    for (key, unit), (status, judgements) in zip(units, progress, strict=True):
        hardness = _hardness(unit.gold_sql)  # here, while the workers go on
        for sql, judgement in zip(unit.predicted_sqls, judgements, strict=True):
            scores = _scores(judgement, rules, prefix)
            found[*key, sql] = _Answer(status, judgement, scores, hardness)
    return found


_hardness = lru_cache(4096)(gold_hardness)


def _parts(sqls: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(sqls), MAX_PREDICTIONS_PER_UNIT):
        yield sqls[start : start + MAX_PREDICTIONS_PER_UNIT]


def _scores(judgement: Judgement, rules: Sequence[Rule], prefix: str) -> dict[str, int | None]:
    """Per column; the strict rule says nothing where gold cannot judge.

    An answer that is `unknown` for a reason of its own is wrong by it.
    """
    is_open = judgement.reason.startswith("gold_")
    return {
        prefix + rule: None if rule == "strict" and is_open else judgement.scores[rule]
        for rule in rules
    }


def _outcome(prediction: Prediction, found: Sequence[_Judged]) -> Outcome:
    answers = [judged[prediction.db_id, prediction.gold, prediction.pred] for judged in found]
    status, judgement, _, hardness = answers[0]
    scores = {column: value for answer in answers for column, value in answer.scores.items()}
    return Outcome(
        idx=prediction.idx,
        db_id=prediction.db_id,
        question=prediction.question,
        hardness=hardness,
        gold_sql=prediction.gold,
        predicted_sql=prediction.pred,
        correct=next(iter(scores.values())) or 0,
        verdict=judgement.verdict,
        reason=judgement.reason,
        gold_status=status,
        scores=scores,
        form=form_of(prediction.pred),
        witness=judgement.witness,
        unfinished=[rule for answer in answers for rule in answer.judgement.unfinished],
    )


def with_bird_scores(
    outcomes: Sequence[Outcome],
    databases: Mapping[str, Path],
    num_repetitions: int,
    num_workers: int = 1,
) -> list[Outcome]:
    """The outcomes with `bird` filled in; what is timed runs one at a time.

    num_repetitions: of every timed query; 0 = soft F1 only.
    """
    answers = [Answer(str(databases[o.db_id]), o.gold_sql, o.predicted_sql) for o in outcomes]
    workers = min(num_workers, 1) if num_repetitions else num_workers
    found = bird_scores(answers, num_repetitions, workers)
    return [o._replace(bird=scores._asdict()) for o, scores in zip(outcomes, found, strict=True)]


def summarize(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The content of `scores.json`: accuracy overall and by group, then verdicts, golds, errors.

    At its top stands the primary column; `columns` has all of them. Raises ValueError without any
    outcome.
    """
    if not outcomes:
        raise ValueError("there is no prediction to score; expected one per question")
    columns = {name: column_scores(outcomes, name) for name in outcomes[0].scores}
    primary = next(iter(columns))
    by_bird = [BirdScores(**o.bird) for o in outcomes if o.bird]
    return {
        "metric": "test_suite_accuracy" if primary.startswith(SUITE) else "execution_accuracy",
        "rule": primary.removeprefix(SUITE),
        **columns[primary],
        "num_questions": len(outcomes),
        "columns": columns,
        **({"bird": bird_summary(by_bird)} if by_bird else {}),
        "verdicts": _counts(o.verdict for o in outcomes),
        "reasons": _counts(o.reason for o in outcomes),
        "num_unknown_as_wrong": num_unknown_as_wrong(outcomes),
        "gold_statuses": _counts(o.gold_status for o in outcomes),
        "forms": _counts(o.form for o in outcomes),
        "unfinished": _counts(rule for o in outcomes for rule in o.unfinished),
        "error_kinds": _counts(o.error_kind for o in outcomes if o.error_kind),
        "num_double_quoted_literals": sum(o.double_quoted_literal for o in outcomes),
        "num_without_hardness": sum(not o.hardness for o in outcomes),
        "num_databases": len({o.db_id for o in outcomes}),
    }


def num_unknown_as_wrong(outcomes: Sequence[Outcome]) -> int:
    """Answers that are wrong by the strict rule though their verdict is `unknown`.

    Counted is the column that the verdict belongs to: that of a test suite, where there is one.
    """
    prefix = SUITE if next(iter(outcomes[0].scores)).startswith(SUITE) else ""
    return sum(o.verdict == "unknown" and o.scores.get(f"{prefix}strict") == 0 for o in outcomes)


def column_scores(outcomes: Sequence[Outcome], column: str) -> dict[str, Any]:
    """Accuracy by one column with its Wilson interval; by hardness and by database.

    `low_by_database` and `high_by_database` bound it for other databases such as these: questions
    about one database are right or wrong together, which makes that interval the wider one.
    """
    values = [(o, o.scores[column]) for o in outcomes]
    counted = [(o, value) for o, value in values if value is not None]
    levels = score_by((o.hardness, value) for o, value in counted)
    by_database = [(o.db_id, value) for o, value in counted]
    databases = score_by(by_database)
    low, high = bootstrap_interval(by_database, num_resamples=NUM_RESAMPLES)
    return {
        **as_numbers(score([value for _, value in counted])),
        "low_by_database": low,
        "high_by_database": high,
        "num_not_counted": len(values) - len(counted),
        "by_hardness": {
            level: as_numbers(levels[level]) for level in HARDNESS_LEVELS if level in levels
        },
        "by_database": {db_id: as_numbers(databases[db_id]) for db_id in sorted(databases)},
    }


def as_numbers(found: Score) -> dict[str, Any]:
    """The fields of a score as JSON has them: the accuracy of nothing is None, not NaN."""
    values = found._asdict()
    return values | {"accuracy": None if math.isnan(found.accuracy) else found.accuracy}


def column_text(column: str) -> str:
    """What a score column says, for people.

    >>> column_text("suite_bird")
    "BIRD's execution accuracy (equal sets of rows), on every database of the test suite"
    """
    text = RULE_TEXT[column.removeprefix(SUITE)]
    return f"{text}, on every database of the test suite" if column.startswith(SUITE) else text


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
