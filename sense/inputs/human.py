"""Questions that people wrote, such as Spider's, brought into the contract of `Example`.

A row is dropped, with a machine word as its reason, only where it cannot be used at all: its
database is missing, its gold does not run or loses to itself by the set's official rule, or it
repeats an earlier row. What gold is worth as a judge stands in `gold_status`. Strings in double
quotes, which other engines reject, get single quotes where the database shows that nothing changes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sense.database import database_sha256
from sense.example import Example, content_id
from sense.execution import WORKER_LIMITS, execute
from sense.facts import Funnel
from sense.gold import check_gold
from sense.hardness import UnparsedSqlError, hardness, parse_sql, sql_features
from sense.official import RuleScore, Run, official_limits
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.prompts.completion import first_statement
from sense.schema import read_schema
from sense.sqlite.quoting import single_quoted
from sense.workers import WorkerFailure, map_in_workers

MAX_SECONDS_PER_ROW = 90
"""A gold and the probes of whether it is defined, each within the 30 seconds of a query."""

Quoting: TypeAlias = Literal["", "single_quoted", "double_quoted"]
"""Whether strings in double quotes were rewritten, or had to stay; "" where there are none."""

GOLD_REASONS = {"error": "gold_error", "limit": "gold_timeout", "refused": "gold_refused"}


OfficialScore: TypeAlias = Callable[[Run, str, str], RuleScore]
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


class Labelled(NamedTuple):
    """What became of one question."""

    example: Example | str
    """The example, or the reason why there is none."""
    quoting: Quoting = ""


def human_examples(
    rows: Iterable[Mapping[str, str]],
    databases: Mapping[str, Path],
    source: str,
    license: str,
    contract: PromptContract,
    official_score: OfficialScore,
    funnel: Funnel,
    quotes: Counter[str],
    num_workers: int,
) -> Iterator[Example]:
    """Examples of the rows in their order; the funnel counts every row, kept or dropped.

    rows: as the readers of `sense.inputs.reading` give them; official_score: the rule by which the
    set is evaluated, a function of `sense.official`; quotes: counts the `Quoting` of examples.
    Golds run in worker processes; one that overruns is tried once more, alone.
    """
    questions = _distinct(rows, databases, funnel)
    label = partial(
        to_example,
        source=source,
        license=license,
        contract=contract,
        official_score=official_score,
    )
    seen: set[str] = set()
    for result in map_in_workers(label, questions, num_workers, MAX_SECONDS_PER_ROW):
        if isinstance(result, WorkerFailure):
            funnel.drop("gold_timeout" if result.status == "limit" else "gold_crash")
        elif isinstance(result.example, str):
            funnel.drop(result.example)
        elif result.example.id in seen:  # another row had it in single quotes already
            funnel.drop("duplicate")
        else:
            funnel.keep()
            seen.add(result.example.id)
            if result.quoting:
                quotes[result.quoting] += 1
            yield result.example


def to_example(
    question: HumanQuestion,
    source: str,
    license: str,
    contract: PromptContract,
    official_score: OfficialScore,
) -> Labelled:
    """The example of the question, or the reason why there is none."""
    if not question.db_path:
        return Labelled("database_missing")
    gold_status = check_gold(question.db_path, question.sql, WORKER_LIMITS).status
    if gold_status in GOLD_REASONS:
        return Labelled(GOLD_REASONS[gold_status])
    run = partial(execute, question.db_path, limits=official_limits(WORKER_LIMITS))
    if not official_score(run, question.sql, question.sql):
        return Labelled("gold_loses")
    sql, quoting = _portable(question, run, official_score)
    if quoting == "single_quoted":
        gold_status = check_gold(question.db_path, sql, WORKER_LIMITS).status
    try:
        tree = parse_sql(sql)
    except UnparsedSqlError:
        return Labelled("gold_unparsed")
    prompt = prompt_messages(contract, question.db_path, question.question, question.evidence)
    example = Example(
        db_id=question.db_id,
        question=question.question,
        sql=sql,
        evidence=question.evidence,
        hardness=hardness(tree),
        features=sql_features(tree),
        gold_status=gold_status,
        source=source,
        db_sha256=question.db_sha256,
        license=license,
        prompt_hash=contract.hash,
        prompt=prompt,
        completion=completion_messages(contract, prompt, sql),
    )
    return Labelled(example, quoting)


def _portable(
    question: HumanQuestion, run: Run, official_score: OfficialScore
) -> tuple[str, Quoting]:
    """Gold with its strings in single quotes if rows, order and official score stay, else as it is.

    Two values count as equal only if they are written alike: 1 is not 1.0.
    """
    if '"' not in question.sql:
        return question.sql, ""
    sql = single_quoted(question.sql, read_schema(question.db_path))
    if sql == question.sql:
        return question.sql, ""
    before, after = run(question.sql), run(sql)
    is_same = after.status == "ok" and repr(before.rows) == repr(after.rows)
    if is_same and official_score(run, sql, sql) and official_score(run, question.sql, sql):
        return sql, "single_quoted"
    return question.sql, "double_quoted"


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
