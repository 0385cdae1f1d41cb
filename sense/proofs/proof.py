"""Which correct answers are proved: equal to gold wherever it is defined, not only as they ran."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sense.proofs.equivalence import proved_equal
from sense.schema import read_schema
from sense.sqlite.file_state import kept_per_file
from sense.workers import WorkerFailure, map_in_workers

if TYPE_CHECKING:
    from sense.scores.outcomes import Outcome

SECONDS_PER_PROOF = 30.0  # each takes a few milliseconds


class _Claim(NamedTuple):
    """Two queries that have the same result on a database."""

    db_path: str
    gold_sql: str
    predicted_sql: str


def is_proved(db_path: str | Path, gold_sql: str, predicted_sql: str) -> bool:
    """Whether the two are proved equal wherever gold is defined under the schema of this database.

    Raises DatabaseError.
    """
    return proved_equal(gold_sql, predicted_sql, _kept_schema(db_path))


def with_proofs(
    outcomes: "Sequence[Outcome]", databases: Mapping[str, Path], num_workers: int = 1
) -> "list[Outcome]":
    """The outcomes, with the reason `proved` instead of `equal` where there is a proof.

    databases: file of each `db_id`. Verdicts and scores stay as they are. Where the search for a
    proof did not end, the reason is `proof_lost`.
    """
    claims = {
        _claim(outcome, databases): None
        for outcome in outcomes
        if (outcome.verdict, outcome.reason) == ("correct", "equal")
    }
    found = map_in_workers(_is_true, list(claims), num_workers, SECONDS_PER_PROOF)
    reasons = {claim: _reason(answer) for claim, answer in zip(claims, found, strict=True)}
    return [
        outcome._replace(reason=reasons.get(_claim(outcome, databases), outcome.reason))
        for outcome in outcomes
    ]


def _claim(outcome: "Outcome", databases: Mapping[str, Path]) -> _Claim:
    return _Claim(str(databases[outcome.db_id]), outcome.gold_sql, outcome.predicted_sql)


def _reason(answer: bool | WorkerFailure) -> str:
    if isinstance(answer, WorkerFailure):
        return "proof_lost"
    return "proved" if answer else "equal"


def _is_true(claim: _Claim) -> bool:
    return is_proved(*claim)


_kept_schema = kept_per_file(64)(read_schema)
