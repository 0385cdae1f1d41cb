"""Work on the database of a stranger, each call in a worker that is killed when it overruns.

A hostile file or query can spend minutes inside one SQLite operation, where no limit of
`sense.execution` looks; the process that serves people must never run it itself.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sense.ask import INTERACTIVE_LIMITS
from sense.example import Messages
from sense.execution import DatabaseError, Execution, execute
from sense.prompt import PromptContract, prompt_messages
from sense.schema import Schema, read_schema
from sense.witnesses.comparison import QueryComparison, compare_queries
from sense.workers import WorkerFailure, map_in_workers

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MAX_SECONDS = INTERACTIVE_LIMITS.max_seconds + 0.5
"""Of one try in a worker, its start not counted. A call that overruns is tried twice."""


def guarded_execution(db_path: str | Path, sql: str) -> Execution:
    """How `sql` ends within `INTERACTIVE_LIMITS`; after about 12 seconds at the latest.

    Raises DatabaseError for a file that cannot be read.
    """
    outcome = _in_worker(partial(execute, str(db_path), limits=INTERACTIVE_LIMITS), sql)
    if isinstance(outcome, WorkerFailure):
        return Execution(outcome.status, error=outcome.error)
    return outcome


def guarded_comparison(db_path: str | Path, first_sql: str, second_sql: str) -> QueryComparison:
    """`compare_queries` within `INTERACTIVE_LIMITS`; after about 12 seconds at the latest.

    Raises DatabaseError for a file that cannot be read.
    """
    compare = partial(compare_queries, str(db_path), first_sql, limits=INTERACTIVE_LIMITS)
    outcome = _in_worker(compare, second_sql)
    if isinstance(outcome, WorkerFailure):
        return QueryComparison("fault", f"The comparison was stopped: {outcome.error}.")
    return outcome


def guarded_schema(db_path: str | Path) -> Schema:
    """The schema of the file; raises DatabaseError where it cannot be read in time."""
    return _or_database_error(_in_worker(read_schema, str(db_path)), db_path)


def guarded_prompt(contract: PromptContract, db_path: str | Path, question: str) -> Messages:
    """The messages that ask the question; raises DatabaseError where they take too long to make."""
    make = partial(prompt_messages, contract, str(db_path))
    return _or_database_error(_in_worker(make, question), db_path)


def _in_worker(
    function: Callable[[Argument], Result], argument: Argument
) -> Result | WorkerFailure:
    # A worker imports the module of `function` alone: that of `execute` takes 0.06 s.
    [outcome] = map_in_workers(function, [argument], num_workers=1, max_seconds=MAX_SECONDS)
    return outcome


def _or_database_error(outcome: Result | WorkerFailure, db_path: str | Path) -> Result:
    if isinstance(outcome, WorkerFailure):
        raise DatabaseError(
            f"{db_path} could not be read: {outcome.error}. Reduce it to the tables of interest."
        )
    return outcome
