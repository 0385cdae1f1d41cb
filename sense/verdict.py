"""Is a predicted query right? Correct, incorrect or unknown, with the reason and a witness.

`correct`: the strict denotation of gold on every database where gold can judge. `incorrect`: a real
result that differs on one, or an error of the prediction's own. `unknown`: gold can judge on no
database; the prediction hit a limit, or runs and depends on the clock; only the order of columns,
an order of rows that cannot be told from a tie, or the spelling of texts that a collation takes for
equal differs; or the prediction gives gold's result only as long as SQLite meets the rows in the
order of the file. Official scores stand beside the verdict.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from sense.execution import DEFAULT_LIMITS, Execution, Limits
from sense.gold import GoldCheck, check_gold
from sense.golds.probe import probes_of
from sense.golds.runs import Runs
from sense.golds.shuffle import is_open_by_schema, may_depend_on_order, reorderings
from sense.golds.volatility import volatility
from sense.scores.scoring import (
    Rule,
    RuleScore,
    Unit,
    max_unit_seconds,
    official_rules,
    on_all,
    scores_on,
)
from sense.sqlite.engine import Engine, map_on_engine
from sense.sqlite.file_state import FileState, file_state
from sense.witnesses.difference import difference
from sense.workers import WorkerFailure

__all__ = [
    "GoldCheck",
    "Judgement",
    "Rule",
    "Unit",
    "Verdict",
    "check_gold",
    "execution_reward",
    "judge",
    "judge_all",
]

Verdict: TypeAlias = Literal["correct", "incorrect", "unknown"]

COMPARED = ("ok", "empty")
"""Status of a gold whose result can refute a prediction."""
NUM_KEPT_GOLDS = 4  # sets word a question in several ways and list these one after the other
STEPS_OF_A_PARSE = 50_000  # about a millisecond, as reading a query and making its probes takes
OWN_FAULTS = ("error", "refused")
REWARDS: dict[Verdict, float | None] = {"correct": 1.0, "incorrect": 0.0, "unknown": None}


class Judgement(NamedTuple):
    """What one prediction is worth."""

    verdict: Verdict
    reason: str
    """`equal`, `differs`, `row_order`, `column_order`; `error`, `refused`, `limit`, `crash`;
    `undefined`, `time`, `random`; or `gold_` and the status of a gold that cannot judge."""
    witness: str
    """JSON object: the first row that only one side returns, or the error; "" if there is none."""
    scores: dict[Rule, int]
    """1 or 0 per rule that was asked for."""
    unfinished: tuple[Rule, ...] = ()
    """Official rules whose 0 says only that a query did not end; they have no limit themselves."""
    alone: "Judgement | None" = None
    """What the first database says by itself; None where it is the only one."""


def judge(
    unit: Unit, rules: Sequence[Rule] = ("strict",), limits: Limits = DEFAULT_LIMITS
) -> tuple[str, list[Judgement]]:
    """The status of gold, `ok` if it can judge on some database, and a judgement per prediction.

    Runs in this process: gold once per database, equal predictions once. Raises DatabaseError.
    """
    golds = _checked_golds(unit, limits)
    statuses = {path: gold.status for path, gold in golds.items()}
    run = Runs(limits, unit.gold_sql, {path: gold.execution for path, gold in golds.items()})

    def judgement(sql: str) -> Judgement:
        compared = ((path, gold) for path, gold in golds.items() if gold.status in COMPARED)
        findings = ((path, _finding_on(path, gold, sql, run)) for path, gold in compared)
        scores = (scores_on(path, unit.gold_sql, sql, rules, run) for path in golds)
        return _judged(statuses, findings, scores, rules)

    judged = {sql: judgement(sql) for sql in dict.fromkeys(unit.predicted_sqls)}
    return _status(statuses), [judged[sql] for sql in unit.predicted_sqls]


def judge_all(
    units: Iterable[Unit],
    rules: Sequence[Rule] = ("strict",),
    limits: Limits = DEFAULT_LIMITS,
    num_workers: int = 1,
    engine: Engine = "local",
) -> Iterator[tuple[str, list[Judgement]]]:
    """`judge` of each unit, in order, in worker processes; num_workers 0 = in this process.

    engine: `local`, or `ray` for a cluster, with the same results; see `sense.sqlite.engine`.

    A unit whose worker is lost, or in which time or memory ends a query, is judged once more,
    alone. Then it is taken apart: its gold, and then each prediction, is judged on one database at
    a time. A prediction that fails again is `unknown` unless a database before refutes it; where
    gold fails again, all are. Raises DatabaseError.
    """
    rules = tuple(rules)
    judge_unit = partial(judge, rules=rules, limits=replace(limits, raises_at_backstop=True))
    max_seconds = max_unit_seconds(rules, limits)

    def parts(units: Sequence[Unit]) -> Iterator["_Part | WorkerFailure"]:
        judge_part = partial(_part, rules=rules, limits=limits)
        return map_on_engine(engine, judge_part, units, min(num_workers, 1), max_seconds)

    units, again = itertools.tee(units)
    judged = map_on_engine(engine, judge_unit, units, num_workers, max_seconds)
    for unit, result in zip(again, judged, strict=True):
        yield _judged_apart(unit, rules, parts) if isinstance(result, WorkerFailure) else result


def execution_reward(
    completions: Sequence[str | Sequence[Mapping[str, str]]],
    db_id: Sequence[str],
    sql: Sequence[str],
    databases: str | Sequence[str] = "databases",
    num_workers: int = 1,
    **kwargs: object,
) -> list[float | None]:
    """1.0 for each correct completion, 0.0 for each incorrect one, None where that is unknown.

    For TRL trainers: `completions`, and the columns `db_id` and `sql` (gold) of the same length;
    other columns are ignored. A completion is text or a list of messages. databases: folder or Hub
    data set that holds the databases, or a column of such; set it with `functools.partial`.

    >>> import sqlite3, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> connection = sqlite3.connect(Path(folder) / "pets.sqlite")
    >>> _ = connection.execute("CREATE TABLE pet AS SELECT 'Rex' AS name, 3 AS age")
    >>> connection.commit()
    >>> completions = ["SELECT name FROM pet", "SELECT age FROM pet"]
    >>> gold = ["SELECT name FROM pet WHERE age = 3"] * 2
    >>> execution_reward(completions, ["pets"] * 2, gold, databases=folder)
    [1.0, 0.0]
    """
    from sense.database import find_database
    from sense.prompts.completion import extract_sql

    sources = [databases] * len(completions) if isinstance(databases, str) else databases
    questions: dict[tuple[str, str, str], list[int]] = {}
    for i, question in enumerate(zip(sources, db_id, sql, strict=True)):
        questions.setdefault(question, []).append(i)
    answers = [extract_sql(_text(completion)) for completion in completions]
    units = [
        Unit((str(find_database(source, name)),), gold_sql, tuple(answers[i] for i in places))
        for (source, name, gold_sql), places in questions.items()
    ]
    rewards: list[float | None] = [None] * len(completions)
    judged = judge_all(units, num_workers=num_workers)
    for places, (_, judgements) in zip(questions.values(), judged, strict=True):
        for i, judgement in zip(places, judgements, strict=True):
            rewards[i] = REWARDS[judgement.verdict]
    return rewards


def _checked_golds(unit: Unit, limits: Limits) -> Mapping[str, GoldCheck]:
    states = tuple(file_state(Path(path)) for path in unit.db_paths)
    is_settled = all(state and state.is_settled for state in states)
    check = _kept_checks if is_settled else _kept_checks.__wrapped__
    return check(unit.db_paths, states, unit.gold_sql, limits)


@lru_cache(maxsize=NUM_KEPT_GOLDS)
def _kept_checks(
    db_paths: tuple[str, ...],
    states: tuple[FileState | None, ...],
    gold_sql: str,
    limits: Limits,
) -> Mapping[str, GoldCheck]:
    """The check of gold on each database, kept as long as no file changes."""
    return {path: check_gold(path, gold_sql, limits) for path in db_paths}


class _Finding(NamedTuple):
    verdict: Verdict
    reason: str
    witness: dict[str, Any]


class _Part(NamedTuple):
    """What one database says of one prediction, or of gold alone."""

    gold_status: str
    finding: _Finding | None = None
    """None where gold cannot judge, or there is no prediction."""
    scores: Mapping[Rule, RuleScore] = {}
    """By each official rule; None where a query did not end."""
    is_lost: bool = False


def _part(unit: Unit, rules: Sequence[Rule], limits: Limits) -> _Part:
    """unit: one database, and one prediction or none."""
    [(path, gold)] = _checked_golds(unit, limits).items()
    if not unit.predicted_sqls:
        return _Part(gold.status)
    [sql] = unit.predicted_sqls
    run = Runs(limits, unit.gold_sql, {path: gold.execution})
    finding = _finding_on(path, gold, sql, run) if gold.status in COMPARED else None
    return _Part(gold.status, finding, scores_on(path, unit.gold_sql, sql, rules, run))


def _judged_apart(
    unit: Unit,
    rules: Sequence[Rule],
    parts: Callable[[Sequence[Unit]], Iterator[_Part | WorkerFailure]],
) -> tuple[str, list[Judgement]]:
    """`judge` by its parts; nothing that was lost on one database is tried on the next."""
    statuses: dict[str, str] = {}
    for path in unit.db_paths:
        [gold] = parts([Unit((path,), unit.gold_sql, ())])
        if isinstance(gold, WorkerFailure):
            lost = _lost(f"gold_{gold.status}", rules)
            return gold.status, [lost] * len(unit.predicted_sqls)
        statuses[path] = gold.gold_status
    found: dict[str, list[tuple[str, _Part]]] = {sql: [] for sql in unit.predicted_sqls}
    is_asked = _status(statuses) == "ok" or official_rules(rules)
    for path in statuses if is_asked else ():
        going = [sql for sql, known in found.items() if not known or not known[-1][1].is_lost]
        alone = unit._replace(db_paths=(path,))
        asked = [alone._replace(predicted_sqls=(sql,)) for sql in going]
        results = parts([alone._replace(predicted_sqls=()), *asked])
        next(results)  # gold alone, whose check is then at hand
        for sql, part in zip(going, results, strict=True):
            found[sql].append((path, _as_part(part, statuses[path], rules)))
    judged = {
        sql: _judged(
            statuses,
            ((path, part.finding) for path, part in known if part.finding),
            [part.scores for _, part in known],
            rules,
        )
        for sql, known in found.items()
    }
    return _status(statuses), [judged[sql] for sql in unit.predicted_sqls]


def _as_part(part: _Part | WorkerFailure, gold_status: str, rules: Sequence[Rule]) -> _Part:
    if not isinstance(part, WorkerFailure):
        return part
    finding = _Finding("unknown", part.status, {"error": part.error})
    return _Part(gold_status, finding, dict.fromkeys(official_rules(rules)), is_lost=True)


def _status(statuses: Mapping[str, str]) -> str:
    return "ok" if "ok" in statuses.values() else next(iter(statuses.values()))


def _judged(
    statuses: Mapping[str, str],
    findings: Iterable[tuple[str, _Finding]],
    scores: Iterable[Mapping[Rule, RuleScore]],
    rules: Sequence[Rule],
) -> Judgement:
    """The judgement on all databases, and where there are several on the first alone.

    statuses: those of gold; findings: of databases on which gold can be compared, in their order;
    scores: by the official rules, of each database, taken last, since they reuse what has run.
    """
    first, *others = statuses
    if not others:
        return _judgement(_together(statuses, findings), list(scores), rules)
    rest = iter(findings)
    is_judged = _status(statuses) == "ok"  # else no finding counts, and none is looked for
    head = list(itertools.islice(rest, 1)) if is_judged else []
    together = _together(statuses, itertools.chain(head, rest))
    on_first = [finding for finding in head if finding[0] == first]
    alone = _together({first: statuses[first]}, on_first)
    official = list(scores)
    judgement = _judgement(together, official, rules)
    return judgement._replace(alone=_judgement(alone, official[:1], rules))


def _judgement(
    finding: _Finding, scores: Sequence[Mapping[Rule, RuleScore]], rules: Sequence[Rule]
) -> Judgement:
    """scores: by the official rules, of each database."""
    official = on_all(scores, rules)
    found = {rule: official.get(rule, int(finding.verdict == "correct")) for rule in rules}
    witness = json.dumps(finding.witness, ensure_ascii=False) if finding.witness else ""
    unfinished = tuple(rule for rule, value in found.items() if value is None)
    zero_or_one = {rule: value or 0 for rule, value in found.items()}
    return Judgement(finding.verdict, finding.reason, witness, zero_or_one, unfinished)


def _together(statuses: Mapping[str, str], findings: Iterable[tuple[str, _Finding]]) -> _Finding:
    """What the databases say together: one refutation is enough, one doubt spoils agreement.

    statuses: those of gold. findings: taken up to the first refutation.
    """
    status = _status(statuses)
    if status != "ok":
        return _Finding("unknown", f"gold_{status}", {})
    result = _Finding("correct", "equal", {})
    for path, finding in findings:
        if len(statuses) > 1 and finding.witness:
            finding.witness["database"] = Path(path).name
        if finding.verdict == "incorrect":
            return finding
        if result.verdict == "correct":
            result = finding
    return result


def _finding_on(path: str, gold: GoldCheck, predicted_sql: str, run: Runs) -> _Finding:
    """What one database says, on which gold is `ok` or `empty`."""
    predicted = run(path, predicted_sql)
    if predicted.status != "ok":
        verdict: Verdict = "incorrect" if predicted.status in OWN_FAULTS else "unknown"
        return _Finding(verdict, predicted.status, {"error": predicted.error})
    if reason := volatility(predicted_sql):
        return _Finding("unknown", reason, {})
    finding = _compared(gold, predicted)
    if finding.verdict == "correct" and gold.status == "ok":
        return _unless_by_luck(finding, path, gold, predicted_sql, predicted, run.limits)
    return finding


def _compared(gold: GoldCheck, predicted: Execution) -> _Finding:
    comparison = gold.comparison(predicted)
    if comparison == "equal":
        return _Finding("correct", "equal", {})
    is_open = comparison == "column_order" or (comparison == "row_order" and gold.tie_sizes is None)
    witness = difference(gold.execution, predicted, comparison, ("gold", "predicted"))
    if comparison == "differs" and gold.differs_in_spelling(predicted):
        return _Finding("unknown", "undefined", witness)
    return _Finding("unknown" if is_open else "incorrect", comparison, witness)


def _unless_by_luck(
    finding: _Finding,
    path: str,
    gold: GoldCheck,
    predicted_sql: str,
    predicted: Execution,
    limits: Limits,
) -> _Finding:
    """`unknown` where an equal result turns into another one on the same rows in another order.

    Such a prediction leaves open what gold defines: its own LIMIT cuts ties, for example. It is not
    `incorrect`, since SQLite happens to give the right result on the file as it is.
    """
    if predicted is gold.execution:
        return finding
    has_order = gold.order_matters and len(predicted.rows) > 1
    is_open = has_order or _may_pick_rows(predicted_sql, predicted)
    if not is_open and not is_open_by_schema(path, predicted_sql):
        return finding
    reordered = next(reorderings(path, predicted_sql, predicted, limits), None)
    if not reordered:
        return finding
    comparison = gold.comparison(reordered.execution)
    if comparison == "equal" or (comparison == "row_order" and gold.tie_sizes is None):
        return finding
    shown = difference(gold.execution, reordered.execution, comparison, ("gold", "predicted"))
    return _Finding("unknown", "undefined", {"reading": reordered.reading, **shown})


def _may_pick_rows(sql: str, execution: Execution) -> bool:
    """Whether the rows of a query, as a bag, may depend on the order of those that it meets.

    Told by its words; by its syntax tree too where to run it again would take longer.
    """
    is_fast = execution.steps < STEPS_OF_A_PARSE
    return may_depend_on_order(sql) and (is_fast or probes_of(sql).is_sensitive)


def _lost(reason: str, rules: Sequence[Rule]) -> Judgement:
    return Judgement("unknown", reason, "", dict.fromkeys(rules, 0), official_rules(rules))


def _text(completion: str | Sequence[Mapping[str, str]]) -> str:
    return completion if isinstance(completion, str) else completion[-1]["content"]
