"""What predictions are worth by official rules alone; no gold is checked and no verdict is given.

`sense.verdict` puts the same scores beside its verdicts. Nothing here reads SQL, so that a process
that only scores is ready soon and spends its time in SQLite.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from sense.execution import DEFAULT_LIMITS, Limits
from sense.golds.runs import Runs
from sense.official import (
    RuleScore,
    bird_score,
    official_limits,
    score_on_all,
    spider_distinct_score,
    spider_score,
)
from sense.sqlite.engine import Engine, map_on_engine
from sense.workers import WorkerFailure

Rule: TypeAlias = Literal["spider", "spider_distinct", "bird", "strict"]
"""All but `strict` are official."""
RuleScores: TypeAlias = dict[Rule, RuleScore]

UNIT_SECONDS_PER_QUERY_SECOND = 3
"""A stuck query ends its worker there. A unit of many queries may end there too, and is then taken
apart into parts of a few queries each, so that no verdict depends on how many a unit has."""
OFFICIAL_SCORES = {
    "spider": spider_score,
    "spider_distinct": spider_distinct_score,
    "bird": bird_score,
}


class Unit(NamedTuple):
    """Predictions for one question, to be judged together."""

    db_paths: tuple[str, ...]
    """Databases with the same schema, on all of which a prediction must be right."""
    gold_sql: str
    predicted_sqls: tuple[str, ...]


def official_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Those of the rules that are not ours.

    >>> official_rules(["strict", "bird"])
    ('bird',)
    """
    return tuple(rule for rule in rules if rule != "strict")


def official_scores(
    unit: Unit, rules: Sequence[Rule], limits: Limits = DEFAULT_LIMITS
) -> list[RuleScores]:
    """By each official rule 1 or 0 per prediction; None where a query did not end in our time.

    Runs in this process: equal predictions once, none on a further database that has failed by all
    rules. Raises DatabaseError.
    """
    run = Runs(limits, unit.gold_sql)
    found: dict[str, list[RuleScores]] = {sql: [] for sql in unit.predicted_sqls}
    for path in unit.db_paths:
        for sql, known in found.items():
            if not known or any(value != 0 for value in known[-1].values()):
                known.append(scores_on(path, unit.gold_sql, sql, rules, run))
    together = {sql: on_all(known, rules) for sql, known in found.items()}
    return [together[sql] for sql in unit.predicted_sqls]


def score_all(
    units: Iterable[Unit],
    rules: Sequence[Rule],
    limits: Limits = DEFAULT_LIMITS,
    num_workers: int = 1,
    engine: Engine = "local",
) -> Iterator[list[RuleScores]]:
    """`official_scores` of each unit, in order, in worker processes; num_workers 0 = here.

    A unit whose worker is lost, or in which time or memory ends a query, is scored once more,
    alone, then each prediction on one database at a time. One that fails again has the score None
    by every rule. Raises DatabaseError.
    """
    rules = tuple(rules)
    within = replace(limits, raises_at_backstop=True)
    score_unit = partial(official_scores, rules=rules, limits=within)
    seconds = max_unit_seconds(rules, limits)

    def parts(units: Sequence[Unit]) -> Iterator[list[RuleScores] | WorkerFailure]:
        score_part = partial(official_scores, rules=rules, limits=limits)
        return map_on_engine(engine, score_part, units, min(num_workers, 1), seconds)

    units, again = itertools.tee(units)
    scored = map_on_engine(engine, score_unit, units, num_workers, seconds)
    for unit, result in zip(again, scored, strict=True):
        yield _scored_apart(unit, rules, parts) if isinstance(result, WorkerFailure) else result


def max_unit_seconds(rules: Sequence[Rule], limits: Limits) -> float:
    """How long a worker may be silent about one unit."""
    seconds = limits.max_seconds * UNIT_SECONDS_PER_QUERY_SECOND
    return seconds + (official_limits(limits).max_seconds if official_rules(rules) else 0)


def scores_on(
    path: str, gold_sql: str, predicted_sql: str, rules: Sequence[Rule], run: Runs
) -> RuleScores:
    """The scores of one prediction on one database by the official ones of the rules."""
    return {
        rule: OFFICIAL_SCORES[rule](
            partial(run.official, path, is_timed=rule == "bird"), gold_sql, predicted_sql
        )
        for rule in official_rules(rules)
    }


def on_all(scores: Sequence[Mapping[Rule, RuleScore]], rules: Sequence[Rule]) -> RuleScores:
    """The scores of a prediction, given those on each database.

    >>> on_all([{"bird": 1}, {"bird": None}], ["bird"])
    {'bird': None}
    """
    return {rule: score_on_all(one[rule] for one in scores) for rule in official_rules(rules)}


def _scored_apart(
    unit: Unit,
    rules: Sequence[Rule],
    parts: Callable[[Sequence[Unit]], Iterator[list[RuleScores] | WorkerFailure]],
) -> list[RuleScores]:
    """The scores by parts of a unit; nothing lost on one database is tried on the next."""
    lost: RuleScores = dict.fromkeys(official_rules(rules))
    found: dict[str, list[RuleScores]] = {sql: [] for sql in unit.predicted_sqls}
    for path in unit.db_paths:
        alone = unit._replace(db_paths=(path,), predicted_sqls=(unit.gold_sql,))
        if any(isinstance(part, WorkerFailure) for part in parts([alone])):
            return [lost] * len(unit.predicted_sqls)
        going = [sql for sql, known in found.items() if not known or known[-1] is not lost]
        results = parts([alone._replace(predicted_sqls=(sql,)) for sql in going])
        for sql, part in zip(going, results, strict=True):
            found[sql].append(lost if isinstance(part, WorkerFailure) else part[0])
    together = {sql: on_all(known, rules) for sql, known in found.items()}
    return [together[sql] for sql in unit.predicted_sqls]
