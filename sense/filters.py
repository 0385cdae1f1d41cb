"""Whether a question with its SQL may be kept: filters in order, the first that objects names why.

Each filter is a function of one candidate; what repeats other candidates, overlaps a benchmark or
is answered otherwise by others is found by `sense.strong_set.duplicates`, `sense.contamination` and
`sense.strong_set.agreement`. All reasons stand in `sense.strong_set.reasons`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

import sqlglot
from sqlglot import exp

from sense.execution import DEFAULT_LIMITS, Limits
from sense.gold import GoldCheck, check_gold
from sense.grounding.gaps import (
    unmentioned_columns,
    unmentioned_values,
    unused_columns,
    unused_values,
)
from sense.grounding.query import SqlWords, sql_words
from sense.hardness import DIALECT, UnparsedSqlError, hardness, parse_sql
from sense.prompts.linking import value_index
from sense.prompts.mention import SchemaNames
from sense.schema import Schema, read_schema
from sense.shown import counted, first_few
from sense.sqlite.file_state import kept_per_file

MAX_LINKS = 5
"""Values of the data that are looked for in a question, as in the default prompt contract."""
MAX_SHOWN = 3
"""Values or columns that a detail names."""
MAX_CACHED_SCHEMAS = 64

ERROR_REASONS = {
    "no such table": "unknown_table",
    "no such column": "unknown_column",
    "no column named": "unknown_column",
    "cannot join using column": "unknown_column",
}
"""What a message of SQLite says -> the reason."""
STATUS_REASONS = {"error": "gold_error", "limit": "gold_timeout", "empty": "empty_result"}
"""Status of a `GoldCheck` -> the reason; other ones are `gold_` and the status."""


class Rejection(NamedTuple):
    """Why a candidate is not kept."""

    reason: str
    """A word of `sense.strong_set.reasons`."""
    detail: str = ""
    """What the filter saw, for a person."""


@dataclass(frozen=True)
class Candidate:
    """A question with SQL over one database, on its way into a set."""

    db_path: str | Path
    question: str
    sql: str
    evidence: str = ""
    required_level: str = ""
    """The hardness that it must have; "" where any will do, and is measured."""
    known_tree: exp.Expr | None = None
    """The tree of `sql`, where the caller has it."""
    known_check: GoldCheck | None = None
    """The check of `sql`, where the caller has it."""
    limits: Limits = DEFAULT_LIMITS

    @cached_property
    def tree(self) -> exp.Expr:
        """Raises UnparsedSqlError."""
        return self.known_tree or parse_sql(self.sql)

    @cached_property
    def words(self) -> SqlWords:
        return sql_words(self.tree)

    @cached_property
    def check(self) -> GoldCheck:
        return self.known_check or check_gold(self.db_path, self.sql, self.limits)

    @property
    def schema(self) -> Schema:
        return _names(self.db_path).schema

    @property
    def schema_names(self) -> SchemaNames:
        return _names(self.db_path).names


Filter: TypeAlias = Callable[[Candidate], Rejection | None]


def rejection(candidate: Candidate, filters: Sequence[Filter] | None = None) -> Rejection | None:
    """The objection of the first filter that has one; None where the candidate may be kept.

    filters: `FILTERS` when None. Raises DatabaseError.

    >>> import sqlite3, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    >>> connection = sqlite3.connect(path)
    >>> _ = connection.execute("CREATE TABLE pet AS SELECT 'Rex' AS name, 3 AS age")
    >>> connection.commit()
    >>> sql = "SELECT name FROM pet WHERE age = 3"
    >>> rejection(Candidate(path, "Which pets are three years old?", sql))
    >>> rejection(Candidate(path, "Which pets are there?", sql))
    Rejection(reason='unmentioned_value', detail='3')
    """
    found = (find(candidate) for find in (FILTERS if filters is None else filters))
    return next((objection for objection in found if objection), None)


def statement_fault(candidate: Candidate) -> Rejection | None:
    """The SQL does not parse, is several statements or none that reads, or reads no table."""
    try:
        tree = candidate.tree
    except UnparsedSqlError as error:
        return Rejection(_unparsed_reason(candidate.sql), str(error))
    return None if tree.find(exp.Table) else Rejection("sql_without_table")


def name_fault(candidate: Candidate) -> Rejection | None:
    """A table or column is not there; SQLite takes such a name in double quotes for a text."""
    error = candidate.check.execution.error
    for message, reason in ERROR_REASONS.items():
        if message in error:
            return Rejection(reason, error)
    if '"' not in candidate.sql and "`" not in candidate.sql:
        return None
    known = {column.name.lower() for table in candidate.schema.tables for column in table.columns}
    known |= {table.name.lower() for table in candidate.schema.tables}
    known |= {alias.alias.lower() for alias in candidate.tree.find_all(exp.Alias, exp.CTE)}
    for column in candidate.tree.find_all(exp.Column):
        if column.this.args.get("quoted") and column.name.lower() not in known | {"rowid"}:
            return Rejection("unknown_column", f"no such column: {column.name}")
    return None


def execution_fault(candidate: Candidate) -> Rejection | None:
    """The SQL does not run to its end."""
    execution = candidate.check.execution
    if execution.status == "ok":
        return None
    reason = STATUS_REASONS.get(execution.status, f"gold_{execution.status}")
    return Rejection(reason, execution.error)


def result_fault(candidate: Candidate) -> Rejection | None:
    """The result says nothing: no rows, nothing but NULL or 0, or equal rows."""
    rows = candidate.check.execution.rows
    if all(value is None for row in rows for value in row):
        return Rejection("empty_result", counted(len(rows), "row"))
    if all(value in (None, 0) for row in rows for value in row):
        return Rejection("zero_result", counted(len(rows), "row"))
    if len(rows) > 1 and len(set(rows)) == 1:
        return Rejection("constant_result", f"{counted(len(rows), 'row')} {rows[0]!r}")
    return None


def definedness_fault(candidate: Candidate) -> Rejection | None:
    """SQL leaves the result open: ties at a cut, a bare column, the clock, chance."""
    check = candidate.check
    if check.status == "ok":
        return None
    reason = STATUS_REASONS.get(check.status, f"gold_{check.status}")
    return Rejection(reason, check.why)


def level_fault(candidate: Candidate) -> Rejection | None:
    """The measured hardness is not the one that the candidate must have."""
    if not candidate.required_level:
        return None
    measured = hardness(candidate.tree)
    return None if measured == candidate.required_level else Rejection("wrong_level", measured)


def unmentioned_value(candidate: Candidate) -> Rejection | None:
    """The SQL compares with a value that neither question nor evidence mentions."""
    values = unmentioned_values(candidate.words, candidate.question, candidate.evidence)
    return Rejection("unmentioned_value", first_few(values, MAX_SHOWN)) if values else None


def unmentioned_column(candidate: Candidate) -> Rejection | None:
    """The SQL returns a column of which neither question nor evidence has any word."""
    words = candidate.words
    columns = unmentioned_columns(words, candidate.question, candidate.evidence)
    return Rejection("unmentioned_column", first_few(columns, MAX_SHOWN)) if columns else None


def unused_value(candidate: Candidate) -> Rejection | None:
    """The question names a value that the SQL does not use."""
    links = value_index(candidate.db_path).links(candidate.question, MAX_LINKS)
    values = unused_values(candidate.words, candidate.question, links)
    return Rejection("unused_value", first_few(values, MAX_SHOWN)) if values else None


def unused_column(candidate: Candidate) -> Rejection | None:
    """The question names a column in full, of a table that the SQL reads, which it does not use."""
    columns = unused_columns(candidate.words, candidate.question, candidate.schema_names)
    return Rejection("unused_column", first_few(columns, MAX_SHOWN)) if columns else None


SQL_FILTERS: tuple[Filter, ...] = (
    statement_fault,
    name_fault,
    execution_fault,
    result_fault,
    definedness_fault,
    level_fault,
)
"""What can be said of the SQL alone."""
QUESTION_FILTERS: tuple[Filter, ...] = (
    unmentioned_value,
    unmentioned_column,
    unused_value,
    unused_column,
)
"""Whether the question says what the SQL does; they look at no result."""
FILTERS: tuple[Filter, ...] = (*SQL_FILTERS, *QUESTION_FILTERS)


class _Names(NamedTuple):
    schema: Schema
    names: SchemaNames


@kept_per_file(MAX_CACHED_SCHEMAS)
def _names(db_path: str | Path) -> _Names:
    schema = read_schema(db_path)
    return _Names(schema, SchemaNames(schema))


def _unparsed_reason(sql: str) -> str:
    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect=DIALECT) if tree]
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "sql_syntax"
    if len(trees) > 1:
        return "several_statements"
    return "not_a_query" if trees and not isinstance(trees[0], exp.Column) else "sql_syntax"
