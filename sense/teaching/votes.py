"""Answers to a teacher's own questions, asked without its SQL, and what the vote on them leaves.

The prompts are those of the rows. A worker process counts the votes of one reply's questions, over
the database and variants of it.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sense.chat import Chat
from sense.database import build_database
from sense.example import to_example, to_row
from sense.execution import WorkerFailure, map_in_workers
from sense.filters import Candidate, Rejection
from sense.hardness import hardness, sql_features
from sense.journal import Journal
from sense.prompt import PromptContract, completion_messages
from sense.servers.server import Reply, Request
from sense.strong_set.agreement import agree, answer_request, answers_of
from sense.teaching.verification import Job, Verified, lost

MAX_VOTE_SECONDS = 120.0
"""Votes on the questions of one reply take about a tenth of a second each."""


class Ballot(NamedTuple):
    """A verified reply with the answers to its questions."""

    verified: Verified
    db_path: str
    """"" for an invented database, which is built from its script."""
    answers: Sequence[Sequence[str]]
    """Per question, none where it is not voted on."""
    contract: PromptContract
    seed: int
    voter: str
    """The model that gave the answers."""


def voted(
    jobs: Sequence[Job], found: Sequence[Verified], chat: Chat, num_votes: int, num_workers: int
) -> list[Verified | None]:
    """The verified replies after the votes, in their order; None where the money ran out before.

    chat: with the model that votes; num_votes: answers to each question.
    """
    requests = [
        _requests(job, verified, num_votes) for job, verified in zip(jobs, found, strict=True)
    ]
    flat = [request for group in requests for request in group if request]
    replies = iter(chat.ask_all(flat, "votes"))
    ballots: list[Ballot | None] = []
    for job, verified, group in zip(jobs, found, requests, strict=True):
        given = [(request, next(replies)) if request else None for request in group]
        if any(pair and pair[1] is None for pair in given):
            ballots.append(None)
            continue
        answers = [
            answers_of(job.contract, pair[0], pair[1]) if pair and pair[1] else [] for pair in given
        ]
        path = job.task.database.path if job.task.database else ""
        asked = _without_failed(verified, [pair[1] if pair else None for pair in given])
        ballots.append(Ballot(asked, path, answers, job.contract, job.task.number, chat.model))
    counted = map_in_workers(
        count_votes, [ballot for ballot in ballots if ballot], num_workers, MAX_VOTE_SECONDS
    )
    found_or_lost = [next(counted) if ballot else None for ballot in ballots]
    return [
        lost(job, result) if isinstance(result, WorkerFailure) else result
        for job, result in zip(jobs, found_or_lost, strict=True)
    ]


def count_again(jobs: Sequence[Job], journal: Journal, chat: Chat, num_votes: int) -> None:
    """Counts what the answers cost that voted on replies of an earlier run, which are all kept."""
    found = [Verified(*journal[job.task.key]) for job in jobs]
    requests = (
        request
        for job, verified in zip(jobs, found, strict=True)
        for request in _requests(job, verified, num_votes)
    )
    chat.ask_all([request for request in requests if request])


def count_votes(ballot: Ballot) -> Verified:
    """The reply without the questions on which the answers do not agree; with other SQL for those
    on which they agree on it.
    """
    verified = ballot.verified
    if all(item["reject_reason"] for item in verified.items):
        return verified
    with _database(ballot) as path:
        items = [
            _after_vote(item, answers, path, ballot) if not item["reject_reason"] else item
            for item, answers in zip(verified.items, ballot.answers, strict=True)
        ]
    has_kept = any(not item["reject_reason"] for item in items)
    return verified._replace(items=items, database=verified.database if has_kept else None)


def _requests(job: Job, verified: Verified, num_votes: int) -> list[Request | None]:
    """One request for each question that passed the filters: its row has a prompt."""
    return [
        answer_request(item["row"]["prompt"], num=num_votes, seed=job.task.request.seed + place)
        if "prompt" in item["row"]
        else None
        for place, item in enumerate(verified.items)
    ]


@contextmanager
def _database(ballot: Ballot) -> Iterator[Path]:
    if ballot.db_path:
        yield Path(ballot.db_path)
        return
    assert ballot.verified.database
    with tempfile.TemporaryDirectory(prefix="sense-votes-") as folder:
        path = Path(folder, f"{ballot.verified.database['db_id']}.sqlite")
        yield build_database(ballot.verified.database["script"], path)


def _after_vote(
    item: Mapping[str, Any], answers: Sequence[str], path: Path, ballot: Ballot
) -> dict[str, Any]:
    row = item["row"]
    candidate = Candidate(path, row["question"], row["sql"], row["evidence"])
    agreed = agree(candidate, answers, ballot.seed)
    objection = agreed.rejection
    if not objection and agreed.vote.outcome == "repaired" and row["reasoning"]:
        objection = Rejection("repair_rejected", "the rationale explains the SQL of the teacher")
    if objection:
        return _rejected(item, objection, ballot.verified)
    if agreed.vote.outcome == "repaired":
        row = _repaired(row, agreed.vote.sql, ballot)
    return {**item, "row": row, "vote": agreed.vote.outcome}


def _without_failed(verified: Verified, replies: Sequence[Reply | None]) -> Verified:
    """The verified reply without the questions that the server failed to answer."""
    items = [
        _rejected(item, Rejection(reply.reject_reason, reply.error), verified)
        if reply and reply.reject_reason
        else item
        for item, reply in zip(verified.items, replies, strict=True)
    ]
    return verified._replace(items=items)


def _rejected(item: Mapping[str, Any], objection: Rejection, verified: Verified) -> dict[str, Any]:
    script = verified.database["script"] if verified.database else ""
    row = {**item["row"], "script": script}
    return {"reject_reason": objection.reason, "detail": objection.detail, "row": row}


def _repaired(row: Mapping[str, Any], sql: str, ballot: Ballot) -> dict[str, Any]:
    """The row with other SQL, measured again; its teachers are who asked and who answered."""
    example = replace(
        to_example(dict(row)),
        sql=sql,
        hardness=hardness(sql),
        features=sql_features(sql),
        teacher=" and ".join(dict.fromkeys((row["teacher"], ballot.voter))),
        completion=completion_messages(ballot.contract, row["prompt"], sql),
    )
    return to_row(example)
