"""A unit of the grammar's run: one database with what is asked of it, and the rows it gives.

A unit is a pure function of its fields, so that a run that was killed ends with the same rows.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypeAlias

import apsw

from sense.coverage.cells import Attempts, listed_tries
from sense.coverage.steering import Wish, sample_wishes
from sense.example import Example, Hardness, Rejected, to_row
from sense.execution import DatabaseError
from sense.filters import Rejection
from sense.grammar import sample_examples
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.questions.profile import profile_database
from sense.strong_set.collection import Database, database_digest
from sense.strong_set.misses import Miss, Misses

Quota: TypeAlias = dict[Hardness, int]
"""Number of examples by level."""


class Unit(NamedTuple):
    """A part of what one round asks of one database, with all that decides its rows."""

    round: int
    part: int
    database: Database
    quota: Quota
    seed: int
    contract: PromptContract
    wishes: tuple[Wish, ...] = ()
    """What a plan asks for, instead of the quota."""
    earlier: Sequence[int] = ()
    """Digests of questions and queries that the set has of the database, not asked again."""

    @property
    def key(self) -> str:
        return f"{self.round}/{self.database.db_id}/{self.part}"


def run_unit(unit: Unit) -> dict[str, Any]:
    """`{"rows": [dataset rows], "rejected": {reason: count}, "shown": [...], "fault": "",
    "tries": [...]}`.

    shown: the fields of a few that were rejected, for config `rejected`; tries: what was done for
    features that a plan wants, as `listed_tries` has it. A database that turns out to be damaged
    gives no rows and the fault `database_corrupt`.
    """
    try:
        return _sampled(unit)
    except (DatabaseError, sqlite3.DatabaseError, apsw.CorruptError):
        return nothing("database_corrupt")


def nothing(fault: str) -> dict[str, Any]:
    """The result of a unit that came to nothing."""
    return {"rows": [], "rejected": {}, "shown": [], "fault": fault, "tries": []}


def _sampled(unit: Unit) -> dict[str, Any]:
    database = unit.database
    misses = Misses()
    tries: Attempts = {}
    profile = profile_database(database.path)
    sha256 = database_digest(database.path)
    rows = []
    source = f"{unit.seed} {unit.key}"
    candidates = (
        sample_wishes(profile, unit.wishes, source, misses, tries, unit.earlier)
        if unit.wishes
        else sample_examples(profile, unit.quota, source, misses, earlier=unit.earlier)
    )
    for candidate in candidates:
        prompt = prompt_messages(
            unit.contract, database.path, candidate.question, candidate.evidence
        )
        example = Example(
            db_id=database.db_id,
            question=candidate.question,
            evidence=candidate.evidence,
            sql=candidate.sql,
            hardness=candidate.hardness,
            gold_status="ok",
            source="grammar",
            db_sha256=sha256,
            license=database.license,
            requested_level=candidate.requested_level,
            features=list(candidate.features),
            style=candidate.style,
            domain=database.domain,
            teacher="grammar",
            prompt_hash=unit.contract.hash,
            prompt=prompt,
            completion=completion_messages(unit.contract, prompt, candidate.sql),
        )
        rows.append(to_row(example))
    shown = [asdict(_rejected(unit, number, miss)) for number, miss in enumerate(misses.shown)]
    return {
        "rows": rows,
        "rejected": dict(misses.counts),
        "shown": shown,
        "fault": "",
        "tries": listed_tries(tries),
    }


def _rejected(unit: Unit, number: int, miss: Miss) -> Rejected:
    return Rejected(
        candidate=f"{unit.key} dropped {number}",
        reason=miss.reason,
        source="grammar",
        teacher="grammar",
        license=unit.database.license,
        db_id=unit.database.db_id,
        question=miss.question,
        sql=miss.sql,
        hardness=miss.hardness,
        requested_level=miss.level,
        requested_style=miss.style,
        domain=unit.database.domain,
    )


def dropped(unit: Unit, index: int, row: Mapping[str, Any], why: Rejection) -> Rejected:
    """The candidate of a row that the set has no place for, such as one asked before."""
    same = ("source", "teacher", "license", "db_id", "question", "evidence", "sql", "hardness")
    return Rejected(
        candidate=f"{unit.key} {index}",
        reason=why.reason,
        detail=why.detail,
        **{name: row[name] for name in (*same, "requested_level", "style", "domain")},
    )
