"""What is wrong with the answers of a system: their error kinds, and an example of each.

An example is the shortest answer of its kind with a smallest database on which it is seen to be
wrong. Nothing here changes a score.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sense.scores.outcomes import Outcome
from sense.workers import WorkerFailure, map_in_workers

if TYPE_CHECKING:
    from sense.suite import Suite

MAX_KINDS = 10
"""Error kinds of which an example is shown, the most frequent ones."""
MAX_WITNESS_ROWS = 50
"""A witness of more rows in all is told by its first difference only."""
SECONDS_PER_WITNESS = 30.0


class Mistake(NamedTuple):
    """An error kind, how many answers have it, and one of them."""

    kind: str
    num: int
    outcome: Outcome
    witness: str = ""
    """Where the two results differ, for people."""


def diagnosed(outcomes: Sequence[Outcome], databases: Mapping[str, Path]) -> list[Outcome]:
    """The outcomes with `error_kind` and `double_quoted_literal` filled in.

    databases: file of each `db_id`, for its schema.
    """
    from sense.diagnosis.kind import judged_kind
    from sense.schema import Schema, read_schema
    from sense.sqlite.quoting import has_double_quoted_literal

    schemas: dict[str, Schema] = {}
    kinds: dict[tuple[str, str, str, str], str] = {}
    found = []
    for outcome in outcomes:
        key = (outcome.gold_sql, outcome.predicted_sql, outcome.verdict, outcome.witness)
        if key not in kinds:
            kinds[key] = judged_kind(*key)
        is_quoted = False
        if '"' in outcome.predicted_sql:
            if outcome.db_id not in schemas:
                schemas[outcome.db_id] = read_schema(databases[outcome.db_id])
            is_quoted = has_double_quoted_literal(outcome.predicted_sql, schemas[outcome.db_id])
        found.append(outcome._replace(error_kind=kinds[key], double_quoted_literal=is_quoted))
    return found


def frequent_mistakes(outcomes: Iterable[Outcome]) -> list[Mistake]:
    """The ten most frequent error kinds, each with the shortest answer that has it."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.error_kind:
            groups.setdefault(outcome.error_kind, []).append(outcome)
    frequent = sorted(groups.items(), key=lambda item: -len(item[1]))[:MAX_KINDS]
    return [
        Mistake(kind, len(group), min(group, key=lambda o: len(o.gold_sql) + len(o.predicted_sql)))
        for kind, group in frequent
    ]


def with_witnesses(
    mistakes: Sequence[Sequence[Mistake]],
    path_of: Callable[[Outcome], Path],
    num_workers: int = 1,
) -> list[list[Mistake]]:
    """The mistakes of several systems with their witnesses; equal ones are looked for once.

    path_of: the database on which an answer was found to be wrong.
    """
    jobs = {
        job: None
        for group in mistakes
        for mistake in group
        if (job := _job(mistake.outcome, path_of)) and mistake.outcome.reason == "differs"
    }
    found = map_in_workers(_shrunk, list(jobs), num_workers, SECONDS_PER_WITNESS)
    texts = dict(zip(jobs, found, strict=True))
    return [
        [
            mistake._replace(
                witness=_shown(texts.get(_job(mistake.outcome, path_of), ""), mistake.outcome)
            )
            for mistake in group
        ]
        for group in mistakes
    ]


def wrong_database(databases: Mapping[str, Path], suite: "Suite | None", outcome: Outcome) -> Path:
    """The database on which the answer was found to be wrong; of a suite, the witness names it."""
    if not suite:
        return databases[outcome.db_id]
    return suite.blamed(outcome.db_id, outcome.gold_sql, outcome.witness)


def first_difference(outcome: Outcome) -> str:
    """The witness of an outcome as lines of text, "" if there is none.

    >>> one = Outcome(0, "", "", "", "", "", 0, "incorrect", "differs", "ok", {"strict": 0})
    >>> print(first_difference(one._replace(witness='{"only_in": "gold", "row": ["Rex", 3]}')))
    only in: gold
    row: ["Rex", 3]
    """
    found = json.loads(outcome.witness) if outcome.witness else {}
    return "\n".join(
        f"{name.replace('_', ' ')}: "
        f"{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in found.items()
    )


_Job = tuple[str, str, str]
"""Path of a database, gold, prediction."""


def _job(outcome: Outcome, path_of: Callable[[Outcome], Path]) -> _Job:
    return str(path_of(outcome)), outcome.gold_sql, outcome.predicted_sql


def _shown(text: str | WorkerFailure, outcome: Outcome) -> str:
    """The witness, or else the first difference, and whether the search for one was lost."""
    if isinstance(text, WorkerFailure):
        return f"{first_difference(outcome)}\nsearch for fewer rows: {text.status} ({text.error})"
    return text or first_difference(outcome)


def _shrunk(job: _Job) -> str:
    """The smallest witness for people; "" where there is none or it is large."""
    from sense.witness import shrink

    witness = shrink(*job)
    return str(witness) if witness and witness.num_rows <= MAX_WITNESS_ROWS else ""
