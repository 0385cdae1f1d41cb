"""What a request shows of a given database: tables with sample values, as many as fit."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from sense.prompts.pruning import SchemaWords
from sense.schema import Schema, read_schema, sample_rows, schema_text
from sense.sqlite.file_state import kept_per_file
from sense.teaching.tasks import Ask

MAX_SHOWN_CHARS = 16_000
"""About 5,000 tokens: a wider schema is cut to some of its tables."""
NUM_SAMPLE_ROWS = 3
MAX_CELL_CHARS = 40
NUM_TABLES = 6
"""Tables drawn by lot of a wide schema; those between them come along."""


def shown_schema(path: str, asks: Sequence[Ask], rng: Random) -> str:
    """CREATE TABLE statements with sample rows as comments.

    Of a wide schema those tables and columns that the given queries name, or some drawn by lot.
    """
    schema = _schema(path)
    if len(schema_text(schema, "ddl")) > MAX_SHOWN_CHARS // 2:
        named = " ".join(ask.sql for ask in asks) or _some_names(schema, rng)
        schema = _words(path).prune(named, MAX_SHOWN_CHARS // 2, "ddl")
    samples = sample_rows(path, schema, NUM_SAMPLE_ROWS, MAX_CELL_CHARS)
    for num in range(NUM_SAMPLE_ROWS, 0, -1):
        text = schema_text(schema, "ddl", {name: rows[:num] for name, rows in samples.items()})
        if len(text) <= MAX_SHOWN_CHARS:
            return text
    return schema_text(schema, "ddl")


def _some_names(schema: Schema, rng: Random) -> str:
    """Names of tables drawn by lot, with some of their columns."""
    tables = rng.sample(schema.tables, min(NUM_TABLES, len(schema.tables)))
    columns = [column.name for table in tables for column in table.columns]
    return " ".join(
        [
            *(table.name for table in tables),
            *rng.sample(columns, min(len(columns), 5 * len(tables))),
        ]
    )


_schema = kept_per_file(64)(read_schema)


@kept_per_file(16)
def _words(path: str | Path) -> SchemaWords:
    return SchemaWords(_schema(path))
