"""The golds of a whole set, each checked on its database: rows of a data set of their own.

Every gold is kept whatever its status, so that anyone can look up which questions of a benchmark
can be judged by execution, and why the others cannot.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from sense.database import database_sha256
from sense.example import content_id
from sense.execution import (
    DEFAULT_LIMITS,
    WORKER_LIMITS,
    DatabaseError,
    Limits,
    open_read_only,
)
from sense.facts import Funnel
from sense.gold import check_gold
from sense.inputs.predictions import Gold
from sense.scores.level import gold_hardness
from sense.workers import WorkerFailure, map_in_workers

if TYPE_CHECKING:
    from datasets import Features

MAX_SECONDS_PER_GOLD = 120
"""A gold, its probes and its readings in another order, each within the 30 seconds of a query."""


class Found(NamedTuple):
    """What the check of one gold found, as it is published."""

    gold_status: str
    why: str = ""
    gold_witness: str = ""
    order_matters: bool = False
    num_result_rows: int = 0
    num_result_columns: int = 0


def check_golds(
    golds: Iterable[Gold],
    databases: Mapping[str, Path],
    source: str,
    license: str,
    funnel: Funnel,
    counts: Counter[str],
    num_workers: int,
) -> Iterator[dict[str, Any]]:
    """A row per gold, in order.

    Dropped are repetitions and questions whose database is missing or cannot be read; a gold that
    does not run is kept under its status. databases: file of each `db_id`; funnel: counts every
    gold, kept or dropped; counts: becomes the number of golds of each status. Golds run in worker
    processes.
    """
    waiting: deque[_Job] = deque()
    jobs = _distinct(golds, databases, funnel, waiting)
    for found in map_in_workers(_found, jobs, num_workers, MAX_SECONDS_PER_GOLD):
        job = waiting.popleft()
        gold = job.gold
        if isinstance(found, WorkerFailure):  # perhaps of a probe only
            once_more = [job._replace(limits=DEFAULT_LIMITS)]
            [found] = map_in_workers(_found, once_more, min(num_workers, 1), MAX_SECONDS_PER_GOLD)
        if isinstance(found, WorkerFailure):
            found = Found(found.status, gold_witness=json.dumps({"error": found.error}))
        funnel.keep()
        counts[f"{found.gold_status} ({found.why})" if found.why else found.gold_status] += 1
        yield {
            "id": _id(gold),
            **gold._asdict(),
            **found._asdict(),
            "hardness": gold_hardness(gold.sql),
            "db_sha256": job.db_sha256,
            "source": source,
            "license": license,
        }


def gold_check_features() -> "Features":
    """The columns of the rows."""
    from datasets import Features, Value

    numbers = dict.fromkeys(("idx", "num_result_rows", "num_result_columns"), "int64")
    kinds = {**numbers, "order_matters": "bool"}
    names = ["id", *Gold._fields, *Found._fields, "hardness", "db_sha256", "source", "license"]
    return Features({name: Value(kinds.get(name, "string")) for name in names})


def _distinct(
    golds: Iterable[Gold], databases: Mapping[str, Path], funnel: Funnel, waiting: deque["_Job"]
) -> Iterator["_Job"]:
    """The golds to check, each of which is also put at the end of `waiting`."""
    seen: set[str] = set()
    for gold in golds:
        path = databases.get(gold.db_id)
        digest = _digest(path) if path else ""
        if not path:
            funnel.drop("database_missing")
        elif not digest:
            funnel.drop("database_unreadable")
        elif _id(gold) in seen:
            funnel.drop("duplicate")
        else:
            seen.add(_id(gold))
            waiting.append(_Job(gold, str(path), digest))
            yield waiting[-1]


class _Job(NamedTuple):
    gold: Gold
    db_path: str
    db_sha256: str
    limits: Limits = WORKER_LIMITS


@lru_cache(maxsize=1024)
def _digest(path: Path) -> str:
    """The digest of the database's content; "" where it cannot be read whole."""
    try:
        open_read_only(path).close()
        return database_sha256(path)
    except (DatabaseError, ValueError, apsw.Error):
        return ""


def _found(job: _Job) -> Found:
    check = check_gold(job.db_path, job.gold.sql, job.limits)
    return Found(
        check.status,
        check.why,
        json.dumps(check.witness, ensure_ascii=False) if check.witness else "",
        check.order_matters,
        len(check.execution.rows),
        len(check.execution.columns),
    )


def _id(gold: Gold) -> str:
    return content_id(gold.db_id, gold.question, gold.evidence, gold.sql)
