"""Questions that people wrote, such as Spider's, brought into the contract of `Example`.

A row is dropped, with a machine word as its reason, only where it cannot be used at all: its
database is missing, its gold does not run or loses to itself by the set's official rule, or it
repeats an earlier row. What gold is worth as a judge stands in `gold_status`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sense.completion import first_statement
from sense.database import database_sha256
from sense.example import Example, content_id
from sense.execution import DEFAULT_LIMITS, execute
from sense.facts import Funnel
from sense.gold import check_gold
from sense.hardness import UnparsedSqlError, hardness, parse_sql, sql_features
from sense.official import Run, Score, official_limits
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.workers import WorkerFailure, map_in_workers

MAX_SECONDS_PER_ROW = 90
"""A gold and the probes of whether it is defined, each within the 30 seconds of a query."""

GOLD_REASONS = {"error": "gold_error", "limit": "gold_timeout", "refused": "gold_refused"}


OfficialScore: TypeAlias = Callable[[Run, str, str], Score]
"""(how to run a query, gold, prediction) -> the score by an official rule."""


class HumanQuestion(NamedTuple):
    """A row of a human set with all that its example needs."""

    db_id: str
    question: str
    sql: str
    evidence: str
    db_path: str
    """"" when the set lacks the database."""
    db_sha256: str


def human_examples(
    rows: Iterable[Mapping[str, str]],
    databases: Mapping[str, Path],
    source: str,
    license: str,
    contract: PromptContract,
    official_score: OfficialScore,
    funnel: Funnel,
    num_workers: int,
) -> Iterator[Example]:
    """Examples of the rows in their order; the funnel counts every row, kept or dropped.

    rows: as the readers of `sense.reading` give them; official_score: the rule by which the set is
    evaluated, a function of `sense.official`. Golds run in worker processes.
    """
    questions = _distinct(rows, databases, funnel)
    label = partial(
        to_example,
        source=source,
        license=license,
        contract=contract,
        official_score=official_score,
    )
    for result in map_in_workers(label, questions, num_workers, MAX_SECONDS_PER_ROW):
        if isinstance(result, WorkerFailure):
            funnel.drop("gold_timeout" if result.status == "limit" else "gold_crash")
        elif isinstance(result, str):
            funnel.drop(result)
        else:
            funnel.keep()
            yield result


def to_example(
    question: HumanQuestion,
    source: str,
    license: str,
    contract: PromptContract,
    official_score: OfficialScore,
) -> Example | str:
    """The example, or the reason why there is none."""
    if not question.db_path:
        return "database_missing"
    gold_status = check_gold(question.db_path, question.sql).status
    if gold_status in GOLD_REASONS:
        return GOLD_REASONS[gold_status]
    run = partial(execute, question.db_path, limits=official_limits(DEFAULT_LIMITS))
    if not official_score(run, question.sql, question.sql):
        return "gold_loses"
    try:
        tree = parse_sql(question.sql)
    except UnparsedSqlError:
        return "gold_unparsed"
    prompt = prompt_messages(contract, question.db_path, question.question, question.evidence)
    return Example(
        db_id=question.db_id,
        question=question.question,
        sql=question.sql,
        evidence=question.evidence,
        hardness=hardness(tree),
        features=sql_features(tree),
        gold_status=gold_status,
        source=source,
        db_sha256=question.db_sha256,
        license=license,
        prompt_hash=contract.hash,
        prompt=prompt,
        completion=completion_messages(contract, prompt, question.sql),
    )


def _distinct(
    rows: Iterable[Mapping[str, str]], databases: Mapping[str, Path], funnel: Funnel
) -> Iterator[HumanQuestion]:
    """The questions without repetitions: equal text over the same database with equal SQL."""
    seen: set[str] = set()
    for row in rows:
        text, sql = row["question"].strip(), first_statement(row["sql"])
        key = content_id(row["db_id"], text, row["evidence"], sql)
        if key in seen:
            funnel.drop("duplicate")
            continue
        seen.add(key)
        path = databases.get(row["db_id"])
        sha256 = database_sha256(path) if path else ""
        yield HumanQuestion(row["db_id"], text, sql, row["evidence"], str(path or ""), sha256)
