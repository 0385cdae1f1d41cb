"""The golds of a whole set, each checked on its database: rows of a data set of their own.

Every gold is kept whatever its status, so that anyone can look up which questions of a benchmark
can be judged by execution, and why the others cannot.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sense.database import database_sha256
from sense.example import content_id
from sense.execution import DatabaseError
from sense.facts import Funnel
from sense.gold import check_gold
from sense.question import gold_hardness
from sense.workers import WorkerFailure, map_in_workers

if TYPE_CHECKING:
    from datasets import Features

MAX_SECONDS_PER_GOLD = 120
"""A gold, its probes and its readings in another order, each within the 30 seconds of a query."""


class GoldQuestion(NamedTuple):
    """A question with its gold SQL, and where its database lies."""

    idx: int
    """Its number in its set."""
    db_id: str
    question: str
    """"" where the set is a file of SQL only."""
    evidence: str
    sql: str
    db_path: str
    """"" when there is no database."""


class Found(NamedTuple):
    """What the check of one gold found, as it is published."""

    gold_status: str
    why: str = ""
    gold_witness: str = ""
    order_matters: bool = False
    num_result_rows: int = 0
    num_result_columns: int = 0


def check_golds(
    questions: Iterable[GoldQuestion],
    source: str,
    license: str,
    funnel: Funnel,
    counts: Counter[str],
    num_workers: int,
) -> Iterator[dict[str, Any]]:
    """A row per gold, in order.

    Dropped are repetitions and questions whose database is missing or cannot be read; a gold that
    does not run is kept under its status. funnel: counts every question, kept or dropped; counts:
    becomes the number of golds of each status. Golds run in worker processes.
    """
    waiting: deque[GoldQuestion] = deque()
    distinct = _distinct(questions, funnel, waiting)
    for found in map_in_workers(_found, distinct, num_workers, MAX_SECONDS_PER_GOLD):
        question = waiting.popleft()
        if found is None:
            funnel.drop("database_unreadable")
            continue
        if isinstance(found, WorkerFailure):
            found = Found(found.status, gold_witness=json.dumps({"error": found.error}))
        funnel.keep()
        counts[f"{found.gold_status} ({found.why})" if found.why else found.gold_status] += 1
        yield {
            "id": _id(question),
            "idx": question.idx,
            "db_id": question.db_id,
            "question": question.question,
            "evidence": question.evidence,
            "sql": question.sql,
            **found._asdict(),
            "hardness": gold_hardness(question.sql),
            "db_sha256": database_sha256(question.db_path),
            "source": source,
            "license": license,
        }


def gold_check_features() -> "Features":
    """The columns of the rows."""
    from datasets import Features, Value

    numbers = dict.fromkeys(("idx", "num_result_rows", "num_result_columns"), "int64")
    kinds = {**numbers, "order_matters": "bool"}
    names = ["id", "idx", "db_id", "question", "evidence", "sql", *Found._fields]
    names += ["hardness", "db_sha256", "source", "license"]
    return Features({name: Value(kinds.get(name, "string")) for name in names})


def _distinct(
    questions: Iterable[GoldQuestion], funnel: Funnel, waiting: deque[GoldQuestion]
) -> Iterator[GoldQuestion]:
    """The questions to check, each of which is also put at the end of `waiting`."""
    seen: set[str] = set()
    for question in questions:
        if not question.db_path:
            funnel.drop("database_missing")
        elif _id(question) in seen:
            funnel.drop("duplicate")
        else:
            seen.add(_id(question))
            waiting.append(question)
            yield question


def _found(question: GoldQuestion) -> Found | None:
    """None for a database that cannot be read."""
    try:
        check = check_gold(question.db_path, question.sql)
    except DatabaseError:
        return None
    return Found(
        check.status,
        check.why,
        json.dumps(check.witness, ensure_ascii=False) if check.witness else "",
        check.order_matters,
        len(check.execution.rows),
        len(check.execution.columns),
    )


def _id(question: GoldQuestion) -> str:
    return content_id(question.db_id, question.question, question.evidence, question.sql)
