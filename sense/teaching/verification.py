"""A teacher's reply made into examples: built, filled, executed, and checked by the filters.

A worker process does one reply at a time; the result is a unit of the journal.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.contamination import schema_words
from sense.coverage.styles import style_of
from sense.database import (
    ScriptError,
    build_database,
    database_script,
    database_sha256,
    fill_database,
)
from sense.example import Example, content_id, to_row
from sense.execution import DatabaseError, WorkerFailure, open_read_only
from sense.filling.literals import query_literals
from sense.filling.plan import FillError
from sense.filters import FILTERS, Candidate, Rejection, rejection
from sense.hardness import hardness, sql_features
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.schema import read_schema
from sense.servers.server import Reply
from sense.strong_set.collection import ROWS_PER_TABLE, database_digest, num_rows
from sense.teaching.parts import Answer, Item, parse_answer
from sense.teaching.tasks import Ask, Task
from sense.verdict import Unit, judge

MAX_FILLS = 3
"""Sets of rows that are tried until the queries return something that says something."""
REFILLED = ("empty_result", "zero_result", "constant_result", "gold_order")
"""Reasons that other rows may take away."""


class Job(NamedTuple):
    """A reply to be verified, with all that decides the examples."""

    task: Task
    reply: Reply
    teacher: str
    license: str
    """Of the answers; a given database has its own."""
    contract: PromptContract
    rationale: bool = False
    """Whether the task asked for one."""


class Verified(NamedTuple):
    """What became of one reply, as the journal keeps it."""

    reject_reason: str = ""
    """Why nothing of the reply could be used; "" where its questions have their own reasons."""
    detail: str = ""
    domain: str = ""
    """What the teacher called it, or that of the database."""
    database: Mapping[str, Any] | None = None
    """The row of config `databases` of an invented one."""
    items: Sequence[Mapping[str, Any]] = ()
    """Per question that was asked for: `reject_reason`, `detail`, and `row`, the dataset row, or
    what of it could be read."""
    answer: str = ""
    """The whole text where it could not be taken apart."""
    words: Sequence[str] = ()
    """`sense.contamination.schema_words` of an invented database, sorted."""
    row: Mapping[str, str] = {}
    """What is known of a reply whose questions are not."""


def verify_reply(job: Job) -> Verified:
    """What becomes of the reply: the same for the same job."""
    task = job.task
    if job.reply.reject_reason:
        return Verified(job.reply.reject_reason, job.reply.error)
    [choice, *_] = job.reply.choices
    answer = parse_answer(choice.text, task.mode, len(task.asks), job.rationale)
    if isinstance(answer, str):
        return unread(job, "answer_cut" if choice.is_cut else answer)
    if task.mode == "sql":
        given = (
            item._replace(sql=ask.sql) for item, ask in zip(answer.items, task.asks, strict=False)
        )
        answer = answer._replace(items=tuple(given))
    if task.database:
        path = Path(task.database.path)
        found = [_rejection(item, path) for item in answer.items]
        return Verified(domain=task.database.domain, items=_items(job, answer, path, found))
    with tempfile.TemporaryDirectory(prefix="sense-proposal-") as folder:
        path = Path(folder) / f"{_db_id(answer)}.sqlite"
        found_or_fault = _build(answer, path)
        if isinstance(found_or_fault, Rejection):
            items = _items(job, answer, None, [found_or_fault] * len(answer.items))
            return Verified(domain=answer.domain, items=items)
        items = _items(job, answer, path, found_or_fault)
        row = (
            _database_row(job, answer, path)
            if any(not item["reject_reason"] for item in items)
            else None
        )
        words = sorted(schema_words(read_schema(path)))
        return Verified(domain=answer.domain, database=row, items=items, words=words)


def unread(job: Job, reason: str, detail: str = "") -> Verified:
    """The outcome of a reply none of whose questions is known."""
    text = job.reply.choices[0].text if job.reply.choices else ""
    return Verified(reason, detail, answer=text, row=_origin(job))


def lost(job: Job, failure: WorkerFailure) -> Verified:
    """The outcome of a reply whose process gave no result."""
    return unread(job, f"verification_{failure.status}", failure.error)


def _build(answer: Answer, path: Path) -> list[Rejection | None] | Rejection:
    """Builds and fills the database; the objection to each item, or to all where it cannot be.

    The rows that the teacher wrote are kept as long as they break no constraint and every query
    says something on them; else rows are generated for all tables.
    """
    best: list[Rejection | None] = []
    best_fill = -1
    try:
        for attempt in range(MAX_FILLS):
            try:
                _fill(answer, path, attempt)
            except FillError:
                if best_fill < 0:
                    raise
                break  # the rows of an earlier attempt stay
            found = [_rejection(item, path) for item in answer.items]
            if best_fill < 0 or found.count(None) > best.count(None):
                best, best_fill = found, attempt
            if not any(objection and objection.reason in REFILLED for objection in found):
                break
        if best_fill != attempt:
            _fill(answer, path, best_fill)
    except FillError as error:
        return Rejection("rows_unfillable", str(error))
    except (ScriptError, ValueError) as error:
        return Rejection("schema_syntax", str(error))
    except _NoTable:
        return Rejection("schema_empty")
    return best


class _NoTable(Exception):
    """A script without a table."""


def _fill(answer: Answer, path: Path, attempt: int) -> None:
    """The database of the answer with rows; those of the teacher at the first attempt only."""
    build_database(answer.script, path)
    if attempt or not _is_sound(path):
        build_database(database_script(path, rows=False), path)
    schema = read_schema(path)
    if not schema.tables:
        raise _NoTable
    literals = [
        literal
        for item in answer.items
        if not item.reject_reason
        for literal in query_literals(item.sql, schema)
    ]
    fill_database(path, ROWS_PER_TABLE, attempt, literals)


def _is_sound(path: Path) -> bool:
    """Whether no row refers to one that is not there: SQLite checks all else at once."""
    connection = open_read_only(path)
    connection.authorizer = None  # it refuses the pragma; the database is our own
    try:
        return connection.execute("PRAGMA foreign_key_check").fetchone() is None
    finally:
        connection.close()


def _rejection(item: Item, path: Path) -> Rejection | None:
    if item.reject_reason:
        return Rejection(item.reject_reason)
    candidate = Candidate(path, item.question, item.sql, item.evidence)
    try:
        objection = rejection(candidate, FILTERS)
    except DatabaseError as error:
        return Rejection("database_corrupt", str(error))
    if objection or not item.reasoned_sql:
        return objection
    _, [judgement] = judge(Unit((str(path),), item.sql, (item.reasoned_sql,)))
    if judgement.verdict == "correct":
        return None
    return Rejection("rationale_differs", item.reasoned_sql)


def _items(
    job: Job, answer: Answer, path: Path | None, found: Sequence[Rejection | None]
) -> list[dict[str, Any]]:
    """One entry per question that was asked for, those that did not come included."""
    entries: list[dict[str, Any]] = []
    for place, ask in enumerate(job.task.asks):
        if place >= len(answer.items):
            entries.append({"reject_reason": "question_missing", "detail": "", "row": {}})
            continue
        item, objection = answer.items[place], found[place]
        if objection or path is None:
            fault = objection or Rejection("schema_syntax")
            entries.append(
                {
                    "reject_reason": fault.reason,
                    "detail": fault.detail,
                    "row": _text_of(job, item, answer, ask),
                }
            )
        else:
            row = to_row(_example(job, ask, item, answer, path))
            entries.append({"reject_reason": "", "detail": "", "row": row})
    return entries


def _text_of(job: Job, item: Item, answer: Answer, ask: Ask) -> dict[str, str]:
    """What can be told of an item that is not kept."""
    return _origin(job) | {
        "question": item.question,
        "evidence": item.evidence,
        "sql": item.sql,
        "reasoning": item.reasoning,
        "script": answer.script,
        "style": style_of(item.question, item.evidence, ask.style),
        "domain": job.task.database.domain if job.task.database else answer.domain,
    }


def _origin(job: Job) -> dict[str, str]:
    """What every candidate of the reply has."""
    database = job.task.database
    return {
        "db_id": database.db_id if database else "",
        "teacher": job.teacher,
        "license": database.license if database else job.license,
        "domain": database.domain if database else "",
    }


def _example(job: Job, ask: Ask, item: Item, answer: Answer, path: Path) -> Example:
    database = job.task.database
    prompt = prompt_messages(job.contract, path, item.question, item.evidence)
    return Example(
        db_id=database.db_id if database else path.stem,
        question=item.question,
        sql=item.sql,
        evidence=item.evidence,
        hardness=hardness(item.sql),
        gold_status="ok",
        source="strong",
        db_sha256=database_digest(path),
        license=database.license if database else job.license,
        requested_level=ask.level,
        features=sql_features(item.sql),
        style=style_of(item.question, item.evidence, ask.style),
        domain=database.domain if database else answer.domain,
        reasoning=item.reasoning,
        teacher=job.teacher,
        prompt_hash=job.contract.hash,
        prompt=prompt,
        completion=completion_messages(job.contract, prompt, item.sql, item.reasoning),
    )


def _database_row(job: Job, answer: Answer, path: Path) -> dict[str, Any]:
    counts = num_rows(path)
    return {
        "db_id": path.stem,
        "domain": answer.domain,
        "db_sha256": database_sha256(path),
        "script": database_script(path),
        "source": "strong",
        "license": job.license,
        "num_tables": len(counts),
        "num_rows": sum(counts.values()),
    }


def _db_id(answer: Answer) -> str:
    """The words of the domain and a digest of the database: other queries fill one differently.

    >>> item = Item("?", "SELECT 1")
    >>> _db_id(Answer((item,), "Tea & coffee tasting", "CREATE TABLE t (a)"))[:18]
    'tea_coffee_tasting'
    """
    words = re.sub(r"[^a-z0-9]+", "_", answer.domain.lower()).strip("_")[:40].strip("_")
    digest = content_id(answer.script, *(item.sql for item in answer.items))[:8]
    return f"{words or 'domain'}_{digest}"
