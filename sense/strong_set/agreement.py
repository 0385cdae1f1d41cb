"""Do others answer a question as gold does? A vote of answers given without sight of gold.

Answers are compared by their results on the database and on a few variants of it, since two queries
may agree by chance on one. Gold is kept where more agree with it than on anything else, replaced
where at least three agree on something else, and dropped otherwise (after OmniSQL, arXiv
2503.02240, whose vote is on one database and always replaces).
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sense.denotation import denotation_key
from sense.example import Messages
from sense.execution import Limits, execute
from sense.filters import FILTERS, Candidate, Rejection, rejection
from sense.hardness import UnparsedSqlError, parse_sql
from sense.prompt import PromptContract, completion_sql
from sense.servers.server import Reply, Request
from sense.suites.material import read_material
from sense.suites.variants import make_variant
from sense.verdict import Judgement, Unit, judge

NUM_ANSWERS = 5
"""Enough for three to agree against gold and still be the majority."""
TEMPERATURE = 0.8
"""At which OmniSQL samples the answers that vote."""
MAX_TOKENS = 1_024
MIN_FOR_GOLD = 2
"""Of several answers; a single one that agrees may do so by the same slip."""
MIN_FOR_OTHER = 3
NUM_VARIANTS = 4
"""With values near the literals of gold and, in turn, near those of an answer in other words."""
LIMITS = Limits(max_steps=20_000_000, max_seconds=10.0)
"""Of one query; most take a few thousand steps."""

Outcome: TypeAlias = Literal["kept", "repaired", "dropped"]


class Vote(NamedTuple):
    """What answers say of a gold."""

    outcome: Outcome
    sql: str
    """Gold, or what replaces it."""
    num_answers: int
    """Those that have a result."""
    num_for_gold: int
    num_for_other: int
    """Of the largest group that agrees on something else."""

    @property
    def detail(self) -> str:
        """The count as a sentence's part."""
        return f"{self.num_for_gold} of {self.num_answers} as gold, {self.num_for_other} otherwise"


class Agreed(NamedTuple):
    """A candidate after the vote."""

    vote: Vote
    rejection: Rejection | None
    """None where the candidate with the SQL of the vote may be kept."""


def answer_request(messages: Messages, *, num: int = NUM_ANSWERS, seed: int = 0) -> Request:
    """The request for several answers to the prompt of a question."""
    return Request(messages, temperature=TEMPERATURE, seed=seed, max_tokens=MAX_TOKENS, num=num)


def answers_of(contract: PromptContract, request: Request, reply: Reply) -> list[str]:
    """The SQL of each answer in the reply, "" where it holds none."""
    return [
        completion_sql(contract, request.messages, choice.text) if not choice.is_cut else ""
        for choice in reply.choices
    ]


def agree(candidate: Candidate, answers: Sequence[str], seed: int = 0) -> Agreed:
    """The vote on a candidate that passed all filters; what replaces its SQL passes them as well.

    The same arguments give the same vote. Raises DatabaseError.
    """
    gold = candidate.sql
    others = (sql for sql in answers if sql != gold and _is_readable(sql))
    with variants(candidate.db_path, [gold, *islice(others, 1)], seed=seed) as paths:
        found = vote([str(candidate.db_path), *paths], gold, answers)
    if found.outcome == "dropped":
        return Agreed(found, Rejection("no_agreement", found.detail))
    if found.outcome == "kept":
        return Agreed(found, None)
    repaired = Candidate(
        candidate.db_path,
        candidate.question,
        found.sql,
        candidate.evidence,
        limits=candidate.limits,
    )
    objection = rejection(repaired, FILTERS)
    if objection:
        detail = f"{objection.reason}: {found.sql}"
        return Agreed(found, Rejection("repair_rejected", detail))
    return Agreed(found, None)


def vote(db_paths: Sequence[str], gold_sql: str, answers: Sequence[str]) -> Vote:
    """What the answers say of gold; answers that fail have no vote.

    db_paths: the database first, then variants. Columns in another order count as agreement, since
    a question seldom settles it. Raises DatabaseError.

    >>> import sqlite3
    >>> path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    >>> connection = sqlite3.connect(path)
    >>> _ = connection.execute("CREATE TABLE pet AS SELECT 'Rex' AS name, 3 AS age")
    >>> connection.commit()
    >>> other = "SELECT name FROM pet"
    >>> found = vote([str(path)], "SELECT age FROM pet", ["SELECT age FROM pet", *[other] * 3, "?"])
    >>> found.outcome, found.sql, found.detail
    ('repaired', 'SELECT name FROM pet', '1 of 4 as gold, 3 otherwise')
    """
    _, judgements = judge(Unit(tuple(db_paths), gold_sql, tuple(answers)), limits=LIMITS)
    num_for_gold = sum(map(_agrees, judgements))
    groups: dict[tuple[str, ...], list[str]] = {}
    for sql, judgement in zip(answers, judgements, strict=True):
        key = None if _agrees(judgement) else _results(db_paths, sql)
        if key is not None:
            groups.setdefault(key, []).append(sql)
    others = max(groups.values(), key=len, default=[])
    num_answers = num_for_gold + sum(map(len, groups.values()))
    outcome: Outcome = "dropped"
    if num_for_gold > len(others) and num_for_gold >= min(MIN_FOR_GOLD, len(answers)):
        outcome = "kept"
    elif len(others) >= MIN_FOR_OTHER and len(others) > num_for_gold:
        outcome = "repaired"
    sql = max(others, key=others.count) if outcome == "repaired" else gold_sql
    return Vote(outcome, sql, num_answers, num_for_gold, len(others))


@contextmanager
def variants(
    db_path: str | Path, sqls: Sequence[str], num: int = NUM_VARIANTS, seed: int = 0
) -> Iterator[list[str]]:
    """Small databases like the given one with values near the literals of the queries in turn.

    They are not distilled as those of `builders/suite.py` are, which would take seconds. The files
    are removed at the end. Raises DatabaseError.
    """
    material = read_material(db_path, sqls)
    with tempfile.TemporaryDirectory(prefix="sense-variants-") as folder:
        paths = []
        for number in range(num):
            focus = material.focuses[number % len(sqls)]
            path = Path(folder, f"{number}.sqlite")
            path.write_bytes(make_variant(material, f"agreement {seed} {number}", focus))
            os.utime(path, (0, 0))  # see `sense.sqlite.connection`: just written is reopened
            paths.append(str(path))
        yield paths


def _is_readable(sql: str) -> bool:
    try:
        parse_sql(sql)
        sql.encode()
    except (UnparsedSqlError, UnicodeEncodeError):
        return False
    return True


def _agrees(judgement: Judgement) -> bool:
    return judgement.verdict == "correct" or judgement.reason == "column_order"


def _results(db_paths: Sequence[str], sql: str) -> tuple[str, ...] | None:
    """What the answer returns on each database, rows in any order; None where it fails on one."""
    keys = []
    for path in db_paths:
        execution = execute(path, sql, LIMITS)
        if execution.status != "ok":
            return None
        keys.append(denotation_key(execution.rows, order_matters=False))
    return tuple(keys)
