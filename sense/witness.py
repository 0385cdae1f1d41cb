"""The smallest part of a database on which a wrong query can be seen to be wrong.

Rows are taken away, as in delta debugging (Zeller and Hildebrandt 2002), while the strict verdict
stays `incorrect`: gold still judges there, and the results still differ. The search starts from the
rows that hold what the queries and their results name. It spends trials, never seconds, so that the
same database and queries give the same witness everywhere.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from sense.database import database_script
from sense.denotation import Row, order_matters, strict_comparison, unmatched_row
from sense.execution import DEFAULT_LIMITS, Execution, Limits, execute
from sense.filling.constraints import quoted
from sense.gold import is_empty
from sense.result import text_table
from sense.verdict import Unit, judge
from sense.witnesses.difference import shown_row
from sense.witnesses.excerpt import RowId, Source, read_columns

SAMPLE_SIZES = (4, 16, 64, 256, 1_024, 16_384)
"""Rows per table with which the search begins, one after the other."""
MAX_TRIALS = 400
"""Databases tried per witness."""
MAX_TRIED_ROWS = 1_000_000
"""Of all these together; writing and judging so many takes some seconds."""
TRIAL_STEPS = 5_000_000
"""Virtual-machine steps of one query on one of them: about 0.2 s."""
MAX_VALUES = 200
"""Of the values that a result names; the first are enough to find its rows."""


@dataclass(frozen=True)
class WitnessTable:
    """What a witness holds of one table."""

    name: str
    columns: tuple[str, ...]
    """Those that the queries read."""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Witness:
    """A small database on which gold and prediction differ."""

    tables: tuple[WitnessTable, ...]
    """Those that the queries read."""
    gold: Execution
    predicted: Execution
    num_rows: int
    """In all tables, those included to which only a foreign key leads."""
    script: str
    """SQL that builds the database."""

    @property
    def gold_rows(self) -> tuple[Row, ...]:
        return self.gold.rows

    @property
    def predicted_rows(self) -> tuple[Row, ...]:
        return self.predicted.rows

    def as_json(self) -> str:
        """JSON object: tables with columns and rows, both results, and the number of all rows."""
        tables = {
            table.name: {"columns": table.columns, "rows": list(map(shown_row, table.rows))}
            for table in self.tables
        }
        results = {
            "gold_rows": list(map(shown_row, self.gold_rows)),
            "predicted_rows": list(map(shown_row, self.predicted_rows)),
        }
        found = {"tables": tables, **results, "num_rows": self.num_rows}
        return json.dumps(found, ensure_ascii=False)

    def __str__(self) -> str:
        """Tables and both results, for people."""
        parts = [_titled(f"table {t.name}", t.columns, t.rows) for t in self.tables]
        for title, execution in (("gold", self.gold), ("prediction", self.predicted)):
            parts.append(_titled(f"{title} returns", execution.columns, execution.rows))
        return "\n\n".join(parts)


def shrink(
    db_path: str | Path, gold_sql: str, predicted_sql: str, limits: Limits = DEFAULT_LIMITS
) -> Witness | None:
    """A smallest part of the database on which the prediction is strictly `incorrect`.

    For a prediction that is so on the whole database, with a result that differs; or that differs
    there from a gold that returns nothing, as one may on some databases of a suite. No row can be
    left out of it, with those that refer to it, unless the trials are spent before. None where no
    part tells the two apart within them, where the tables are too large to look for one, and where
    one of the queries does not run. Raises DatabaseError.

    >>> from sense.api import example_database
    >>> gold = "SELECT count(*) FROM pet WHERE age > 2"
    >>> witness = shrink(example_database(), gold, "SELECT count(*) FROM pet")
    >>> witness.tables[0].rows, witness.gold_rows, witness.predicted_rows
    (((1,),), ((0,),), ((1,),))
    """
    columns = read_columns(db_path, (gold_sql, predicted_sql))
    if not columns:
        return None
    limits = replace(limits, max_steps=min(limits.max_steps or TRIAL_STEPS, TRIAL_STEPS))
    with tempfile.TemporaryDirectory(prefix="sense-witness-") as folder:
        try:
            with closing(Source(db_path, list(columns))) as source:
                search = _Search(source, Path(folder), gold_sql, predicted_sql, limits)
                gold, predicted = search.run(Path(db_path))
                search.gold_is_empty = gold.status == "ok" and is_empty(gold.rows)
                return search.witness(columns, search.named_values(gold, predicted))
        except apsw.InterruptError:
            return None


class _Search:
    """Trials of parts of one database."""

    def __init__(
        self, source: Source, folder: Path, gold_sql: str, predicted_sql: str, limits: Limits
    ) -> None:
        self.source = source
        self.folder = folder
        self.gold_sql = gold_sql
        self.predicted_sql = predicted_sql
        self.limits = limits
        self.gold_is_empty = False
        """Whether gold returns nothing on the whole database, and so may on its parts."""
        self.is_ordered = order_matters(gold_sql)
        self.tried: dict[frozenset[RowId], bool] = {}
        self.num_rows_left = MAX_TRIED_ROWS

    def witness(
        self, columns: Mapping[str, tuple[str, ...]], values: Sequence[Any]
    ) -> Witness | None:
        """The smallest part of the first sample that separates; values: what its rows may hold."""
        for size in SAMPLE_SIZES:
            rows = self.sample(list(columns), values, size)
            if self.separates(rows):
                return _witness(self, self.smallest(rows), columns)
        return None

    def sample(self, tables: Sequence[str], values: Sequence[Any], size: int) -> frozenset[RowId]:
        """Rows with the values, rows from everywhere, and what refers to these; closed."""
        source = self.source
        rows = [row for table in tables for row in source.matching(table, values, size)]
        rows += [row for table in tables for row in source.spread(table, size // 2)]
        return source.closed([*rows, *source.children(rows, limit=size // 2)])

    @property
    def is_spent(self) -> bool:
        return len(self.tried) >= MAX_TRIALS or self.num_rows_left <= 0

    def separates(self, rows: frozenset[RowId]) -> bool:
        """Whether the prediction is incorrect on the part; False when all trials are spent."""
        if rows not in self.tried and not self.is_spent:
            self.num_rows_left -= len(rows)
            path = self.write(rows)
            try:
                self.tried[rows] = self._separates(path)
            finally:
                path.unlink()
        return self.tried.get(rows, False)

    def smallest(self, rows: frozenset[RowId]) -> frozenset[RowId]:
        """A part of these that separates as they do and of which no row can go, trials allowing."""
        size = len(rows) // 2
        while size and not self.is_spent:
            smaller = self._without_a_chunk(rows, size)
            if smaller is None:
                size //= 2
            else:
                rows = smaller
                size = min(size, len(rows) // 2) or 1
        return rows

    def run(self, path: Path) -> tuple[Execution, Execution]:
        """What gold and the prediction give on a database."""
        gold = execute(path, self.gold_sql, self.limits)
        return gold, execute(path, self.predicted_sql, self.limits)

    def named_values(self, gold: Execution, predicted: Execution) -> list[Any]:
        """What the queries compare with, and what the first rows hold that one result only has."""
        queries = (self.gold_sql, self.predicted_sql)
        values = [value for sql in queries for value in _literals(sql)]
        if gold.status == predicted.status == "ok":
            comparison = strict_comparison(gold.rows, predicted.rows, order_matters=False)
            if comparison == "differs":
                values += unmatched_row(gold.rows, predicted.rows)[1]
                values += unmatched_row(predicted.rows, gold.rows)[1]
        named = [value for value in values if isinstance(value, str | int | float)]
        return list(dict.fromkeys(named))[:MAX_VALUES]

    def write(self, rows: frozenset[RowId]) -> Path:
        path = self.folder / f"{len(self.tried)}.sqlite"
        self.source.write(rows, path)
        return path

    def _without_a_chunk(self, rows: frozenset[RowId], size: int) -> frozenset[RowId] | None:
        """What is left when as many chunks of `size` rows are gone as can go; None if none can."""
        left = rows
        items = sorted(rows)
        for start in range(0, len(items), size):
            if self.is_spent:
                break
            candidate = self.source.without(left, items[start : start + size])
            if candidate != left and self.separates(candidate):
                left = candidate
        return left if left != rows else None

    def _separates(self, path: Path) -> bool:
        gold, predicted = self.run(path)
        if gold.status != "ok" or predicted.status != "ok":
            return False
        # Most parts end here: whether gold can judge there takes longer to find out.
        if strict_comparison(gold.rows, predicted.rows, self.is_ordered) == "equal":
            return False
        unit = Unit((str(path),), self.gold_sql, (self.predicted_sql,))
        status, [judgement] = judge(unit, limits=self.limits)
        return judgement.verdict == "incorrect" or (self.gold_is_empty and status == "empty")


def _witness(
    search: _Search, rows: frozenset[RowId], columns: Mapping[str, tuple[str, ...]]
) -> Witness:
    path = search.write(rows)
    tables = []
    for table, names in columns.items():
        listed = ", ".join(map(quoted, names))
        found = execute(path, f"SELECT {listed} FROM {quoted(table)}")
        tables.append(WitnessTable(table, names, found.rows))
    return Witness(
        tuple(tables),
        *search.run(path),
        len(rows),
        database_script(path),
    )


def _literals(sql: str) -> Iterator[Any]:
    try:
        tokens = SQLite().tokenize(sql)
    except SqlglotError:
        return
    for token in tokens:
        if token.token_type == TokenType.NUMBER:
            yield float(token.text)
        elif token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            yield token.text.strip("%")


def _titled(title: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    return f"{title}\n{text_table(columns, rows)}"
