"""Predictions scored by named rules: one outcome per question and system.

A question whose gold does not run is 0 by the official rules, as in the official scripts; where
gold cannot judge, `strict` has no score and does not count it. What is `unknown` for a reason of
the answer's own, such as a limit or its order of columns, is wrong by `strict`: a system must not
gain by answers that cannot be told right. Modules that read SQL are loaded where it is read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from sense.command import with_late_progress
from sense.database import unknown_database
from sense.execution import open_read_only
from sense.inputs.reading import Prediction
from sense.prompts.completion import form_of
from sense.scores.level import gold_hardness
from sense.scores.outcomes import SUITE, Outcome
from sense.scores.scoring import Rule, Unit, score_all
from sense.shown import shortened
from sense.sqlite.engine import Engine

if TYPE_CHECKING:
    from sense.inputs.question import Question
    from sense.suite import Suite
    from sense.verdict import Judgement

MAX_PREDICTIONS_PER_UNIT = 64
"""Of one question, to be judged together; more, as of many systems, are parted."""


def check_predictions(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    questions: "Sequence[Question] | None" = None,
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


def _check_answered(predictions: Sequence[Prediction], questions: "Sequence[Question]") -> None:
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
    scores_only: bool = False,
) -> list[Outcome]:
    """`evaluate_systems` of one system."""
    found = evaluate_systems(
        [predictions], databases, rules, num_workers, suite, scores_only=scores_only
    )
    return found[0]


def evaluate_systems(
    systems: Sequence[Sequence[Prediction]],
    databases: Mapping[str, Path],
    rules: Sequence[Rule],
    num_workers: int,
    suite: "Suite | None" = None,
    engine: Engine = "local",
    scores_only: bool = False,
) -> list[list[Outcome]]:
    """One outcome per prediction of each system, in their order.

    databases: file of each `db_id`; suite: a test suite, whose columns and verdicts then come
    first; scores_only: no gold is checked and nothing judged unless `strict`, which cannot do
    without, is among the rules. A gold and the answers of all systems to it are judged together,
    each distinct query run once. Raises DatabaseError for a file that cannot be read.
    """
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for prediction in (p for system in systems for p in system):
        wanted.setdefault((prediction.db_id, prediction.gold), {})[prediction.pred] = None
    found: list[_Answers] = []
    for prefix in (SUITE, "") if suite else ("",):
        units = {
            (db_id, gold, part): Unit(_paths(db_id, gold, databases, prefix and suite), gold, part)
            for (db_id, gold), sqls in wanted.items()
            for part in _parts(tuple(sqls))
        }
        ask = _scored if scores_only and "strict" not in rules else _judged
        answers = ask(list(units.values()), rules, num_workers, engine)
        found.append(_by_prediction(units, answers, prefix))
    return [[_outcome(p, found) for p in system] for system in systems]


class _Answer(NamedTuple):
    scores: Mapping[Rule, int | None]
    unfinished: Sequence[Rule]
    hardness: str = ""
    gold_status: str = ""
    judgement: "Judgement | None" = None


_Answers = dict[tuple[str, str, str], _Answer]
"""By (db_id, gold, prediction)."""


def _paths(
    db_id: str, gold: str, databases: Mapping[str, Path], suite: "Suite | Literal[''] | None"
) -> tuple[str, ...]:
    return tuple(map(str, suite.paths(db_id, gold))) if suite else (str(databases[db_id]),)


def _parts(sqls: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(sqls), MAX_PREDICTIONS_PER_UNIT):
        yield sqls[start : start + MAX_PREDICTIONS_PER_UNIT]


def _scored(
    units: Sequence[Unit], rules: Sequence[Rule], num_workers: int, engine: Engine
) -> Iterator[list[_Answer]]:
    """Answers by the official rules, none of them judged."""
    for unit_scores in score_all(units, rules, num_workers=num_workers, engine=engine):
        yield [
            _Answer(
                {rule: value or 0 for rule, value in scores.items()},
                [rule for rule, value in scores.items() if value is None],
            )
            for scores in unit_scores
        ]


def _judged(
    units: Sequence[Unit], rules: Sequence[Rule], num_workers: int, engine: Engine
) -> Iterator[list[_Answer]]:
    """Answers with our verdict; the strict rule says nothing where gold cannot judge."""
    from sense.verdict import judge_all

    judged = judge_all(units, rules, num_workers=num_workers, engine=engine)
    for status, judgements in judged:
        yield [
            _Answer(
                {
                    rule: None if rule == "strict" and j.reason.startswith("gold_") else value
                    for rule, value in j.scores.items()
                },
                j.unfinished,
                gold_status=status,
                judgement=j,
            )
            for j in judgements
        ]


def _by_prediction(
    units: Mapping[tuple[str, str, tuple[str, ...]], Unit],
    answers: Iterator[list[_Answer]],
    prefix: str,
) -> _Answers:
    """The answers as they come in, with the hardness of gold, which is told while workers go on."""
    found: _Answers = {}
    name = "judging on the suite" if prefix else "judging"
    hardness: dict[str, str] = {}
    shown = with_late_progress(answers, name, "question", len(units))
    for (db_id, gold, sqls), of_unit in zip(units, shown, strict=True):
        if gold not in hardness:
            hardness[gold] = gold_hardness(gold)
        for sql, answer in zip(sqls, of_unit, strict=True):
            found[db_id, gold, sql] = answer._replace(hardness=hardness[gold])
    return found


def _outcome(prediction: Prediction, found: Sequence[_Answers]) -> Outcome:
    """found: by the suite, where there is one, then by the databases."""
    key = (prediction.db_id, prediction.gold, prediction.pred)
    answers = [of_all[key] for of_all in found]
    prefixes = (SUITE, "")[-len(answers) :]
    scores = {
        prefix + rule: value
        for prefix, answer in zip(prefixes, answers, strict=True)
        for rule, value in answer.scores.items()
    }
    first = answers[0]
    return Outcome(
        idx=prediction.idx,
        db_id=prediction.db_id,
        question=prediction.question,
        hardness=first.hardness,
        gold_sql=prediction.gold,
        predicted_sql=prediction.pred,
        correct=next(iter(scores.values())) or 0,
        verdict=first.judgement.verdict if first.judgement else "",
        reason=first.judgement.reason if first.judgement else "",
        gold_status=first.gold_status,
        scores=scores,
        form=form_of(prediction.pred),
        witness=first.judgement.witness if first.judgement else "",
        unfinished=[rule for answer in answers for rule in answer.unfinished],
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
    from sense.scores.bird import Answer, bird_scores

    answers = [Answer(str(databases[o.db_id]), o.gold_sql, o.predicted_sql) for o in outcomes]
    workers = min(num_workers, 1) if num_repetitions else num_workers
    found = bird_scores(answers, num_repetitions, workers)
    return [o._replace(bird=scores._asdict()) for o, scores in zip(outcomes, found, strict=True)]
