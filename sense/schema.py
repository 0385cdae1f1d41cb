"""Tables, columns, types and keys of a SQLite file, and their text for a prompt.

Only what a query can name is read: SQLite's own tables, shadow tables, hidden columns, broken
views, virtual tables that cannot be read, such as R-trees and those of an absent module, and tables
with a name that is not UTF-8 are left out, as are foreign keys to no table or column.
Names are spelled as they are declared, in foreign keys too.
"""

import logging
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw

from sense.shown import shortened
from sense.sqlite.connection import reading

logger = logging.getLogger(__name__)

SchemaStyle: TypeAlias = Literal["ddl", "compact"]
SchemaSamples: TypeAlias = Mapping[str, tuple[tuple[str, ...], ...]]
"""Table name -> sample rows, each value written as a SQL literal."""

MAX_SAMPLE_STEPS = 1_000_000
"""Virtual-machine steps spent on the sample rows of one table or view: about 0.1 s."""
MAX_NEAR_BYTES = 1_000_000
"""Of blobs before a column, which SQLite reads through to reach it: some milliseconds per row."""
NUM_MEASURED_ROWS = 10
"""First rows of a table, whose blobs are taken for those of the others."""

# Keywords that SQLite 3.54 or sqlglot 30 does not take as a bare table or column name, and the two
# words that SQLite reads as numbers. Its other keywords, about 70, need no quotes.
_RESERVED = """
add all alter and as autoincrement between case cast check collate commit constraint create
cross current_date current_time current_timestamp default deferrable delete distinct drop else
escape except exists false for foreign from glob group having if in index inner insert intersect
into is isnull join like limit not nothing notnull null offset on or order outer primary raise
references regexp returning rollback select set table then to transaction true union unique
update using values when where window with
"""
RESERVED_WORDS = frozenset(_RESERVED.split())


@dataclass(frozen=True)
class Column:
    """One column of a table or view."""

    name: str
    type: str
    """The declared type as written, "" when none is declared."""
    not_null: bool = False
    primary_key: int = 0
    """Position in the primary key counted from 1; 0 = not part of it."""
    collation: str = "BINARY"
    """How SQLite compares its texts where a query does not say."""
    is_rowid: bool = False
    """Whether it is the key by which SQLite stores the rows: an integer, never NULL."""


@dataclass(frozen=True)
class ForeignKey:
    """Columns of the table that holds it and, in the same order, the columns they refer to."""

    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table or view."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    """Column groups declared UNIQUE, the primary key left out."""
    is_view: bool = False


@dataclass(frozen=True)
class Schema:
    """All tables and views of a database, in the order of its file."""

    tables: tuple[Table, ...]


def read_schema(db_path: str | Path) -> Schema:
    """Tables and views of the SQLite file, in the order of their declaration."""
    with reading(db_path) as connection:
        connection.authorizer = None  # it denies the pragma functions; views are not run here
        tables = []
        for name_bytes, kind, is_virtual in list(connection.execute(_TABLES)):
            try:
                if is_virtual:
                    _check_readable(db_path, name_bytes.decode())
                tables.append(_read_table(connection, name_bytes.decode(), kind == "view"))
            except (apsw.SQLError, apsw.AuthError, UnicodeDecodeError) as error:
                name = name_bytes.decode(errors="replace")
                logger.info("table '%s' of %s left out of the schema: %s", name, db_path, error)
    return Schema(_resolve_foreign_keys([table for table in tables if table.columns]))


def sample_rows(
    db_path: str | Path, schema: Schema, n: int, max_chars: int
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The first `n` rows of each table as SQL literals of at most about `max_chars` characters.

    A table or view whose rows cost more than `MAX_SAMPLE_STEPS` to find has none.
    """
    samples = {}
    with reading(db_path) as connection:
        for table in schema.tables:
            rows: list[tuple[str, ...]] = []
            columns = ", ".join(map(_typed_value, table.columns))
            query = f"SELECT {columns} FROM {quote_identifier(table.name)} LIMIT {n}"
            for row in limited_rows(connection, query, MAX_SAMPLE_STEPS):
                pairs = zip(row[::2], row[1::2], strict=True)
                rows.append(tuple(_literal(kind, value, max_chars) for kind, value in pairs))
            samples[table.name] = tuple(rows)
    return samples


def schema_text(schema: Schema, style: SchemaStyle, samples: SchemaSamples | None = None) -> str:
    """The schema for a prompt.

    `ddl`: one CREATE TABLE statement per table, its sample rows below it as SQL comments.
    `compact`: one line for all tables without types or samples, `*` behind a primary key,
    `> table . column` behind a foreign key, or `> table` where both columns have the same name.

    >>> country = Table("country", (Column("code", "TEXT", primary_key=1), Column("order", "INT")))
    >>> schema_text(Schema((country,)), "compact")
    'country ( code * , "order" )'
    """
    if style == "compact":
        return " | ".join(map(_compact_table, schema.tables))
    rows = samples or {}
    return "\n\n".join(_ddl_table(table, rows.get(table.name, ())) for table in schema.tables)


@lru_cache(maxsize=65_536)
def natural_name(identifier: str) -> str:
    """The words of an identifier in lower case.

    >>> [natural_name(name) for name in ("student_id", "StudentID", "HTTPStatus2", "Fläche (km²)")]
    ['student id', 'student id', 'http status 2', 'fläche km²']
    """
    words = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", identifier)
    words = re.sub(r"(?<=[^\W\d_])(?=[0-9])", " ", words)
    return " ".join(re.findall(r"[^\W_]+", words)).lower()


@lru_cache(maxsize=65_536)
def quote_identifier(name: str) -> str:
    """The name as SQL must write it: in double quotes only where SQLite or sqlglot needs them.

    >>> [quote_identifier(name) for name in ("singer_id", "group", "first name", 'a"b')]
    ['singer_id', '"group"', '"first name"', '"a""b"']
    """
    if re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in RESERVED_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def far_columns(connection: apsw.Connection | sqlite3.Connection, table: Table) -> frozenset[str]:
    """Columns behind large blobs, such as pictures: a query of them reads the whole file.

    None of a table that cannot be read whole, as one with a column of an absent function.
    """
    sizes = ", ".join(
        f"CASE typeof({name}) WHEN 'blob' THEN length({name}) ELSE 0 END"  # without reading it
        for name in (quote_identifier(column.name) for column in table.columns)
    )
    query = f"SELECT {sizes} FROM {quote_identifier(table.name)} LIMIT {NUM_MEASURED_ROWS}"
    try:
        most = [max(column) for column in zip(*connection.execute(query), strict=True)]
    except (apsw.SQLError, sqlite3.OperationalError):
        return frozenset()
    return frozenset(
        column.name
        for column, before in zip(table.columns, accumulate(most, initial=0), strict=False)
        if before > MAX_NEAR_BYTES and not column.is_rowid
    )


def limited_rows(
    connection: apsw.Connection, query: str, max_steps: int
) -> Iterable[tuple[Any, ...]]:
    """Rows of the query until it fails or has spent `max_steps` virtual-machine steps."""
    connection.set_progress_handler(lambda: True, max_steps)
    try:
        yield from connection.execute(query)
    except (apsw.InterruptError, apsw.SQLError, apsw.AuthError, UnicodeDecodeError) as error:
        # A view may fail on its rows, call a function that is refused, or take for ever.
        logger.info("not all rows read (%s, at most %d steps): %s", error, max_steps, query)
    finally:
        connection.set_progress_handler(None)


_TABLES = """
SELECT CAST(name AS BLOB), type, name IN (
  SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'
)
FROM sqlite_schema
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
ORDER BY rowid
"""
_VISIBLE = (0, 2, 3)  # ordinary, virtual generated, stored generated; 1 is a hidden column


def _check_readable(db_path: str | Path, name: str) -> None:
    """Raises AuthError for a virtual table whose module prepares to write when it is read.

    And SQLError for one whose rows another table held that is gone.
    """
    with reading(db_path) as connection:
        connection.execute(f"SELECT 1 FROM {quote_identifier(name)} LIMIT 1").fetchall()


def _read_table(connection: apsw.Connection, name: str, is_view: bool) -> Table:
    query = 'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)'
    columns = tuple(
        Column(column, type_, bool(not_null), primary_key)
        for column, type_, not_null, primary_key, hidden in connection.execute(query, (name,))
        if hidden in _VISIBLE
    )
    if is_view:
        return Table(name, columns, is_view=True)
    rowid = _rowid_column(connection, name, columns)
    columns = tuple(
        replace(
            column,
            collation=connection.column_metadata("main", name, column.name)[1],
            is_rowid=column == rowid,
        )
        for column in columns
    )
    return Table(
        name, columns, _read_foreign_keys(connection, name), _read_unique(connection, name)
    )


def _rowid_column(
    connection: apsw.Connection, name: str, columns: Iterable[Column]
) -> Column | None:
    """The column that is INTEGER PRIMARY KEY and needs no index of its own, as one declared DESC or
    in a table WITHOUT ROWID does."""
    keyed = [column for column in columns if column.primary_key]
    if len(keyed) != 1 or keyed[0].type.upper() != "INTEGER":
        return None
    query = "SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'"
    return None if connection.execute(query, (name,)).fetchall() else keyed[0]


def _read_foreign_keys(connection: apsw.Connection, name: str) -> tuple[ForeignKey, ...]:
    query = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq'
    keys: dict[int, tuple[str, list[str], list[str]]] = {}
    for key, ref_table, column, ref_column in connection.execute(query, (name,)):
        _, columns, ref_columns = keys.setdefault(key, (ref_table, [], []))
        columns.append(column)
        if ref_column is not None:  # NULL: the primary key of the other table
            ref_columns.append(ref_column)
    return tuple(ForeignKey(tuple(own), table, tuple(ref)) for table, own, ref in keys.values())


def _read_unique(connection: apsw.Connection, name: str) -> tuple[tuple[str, ...], ...]:
    query = """
        SELECT list.name, info.name
        FROM pragma_index_list(?) AS list JOIN pragma_index_info(list.name) AS info
        WHERE list."unique" AND list.origin != 'pk' AND NOT list.partial
        ORDER BY list.seq DESC, info.seqno
    """
    groups: dict[str, list[str | None]] = {}
    for index, column in connection.execute(query, (name,)):
        groups.setdefault(index, []).append(column)
    # An index over an expression has a column without a name.
    return tuple(tuple(g for g in group if g) for group in groups.values() if None not in group)


def _resolve_foreign_keys(tables: list[Table]) -> tuple[Table, ...]:
    """The tables with every foreign key spelled out, those that refer to nothing left out."""
    by_name = {table.name.lower(): table for table in tables}
    resolved = []
    for table in tables:
        found = (_resolve(key, table, by_name) for key in table.foreign_keys)
        keys = tuple(dict.fromkeys(key for key in found if key))
        resolved.append(replace(table, foreign_keys=keys))
    return tuple(resolved)


def _resolve(key: ForeignKey, table: Table, by_name: Mapping[str, Table]) -> ForeignKey | None:
    ref = by_name.get(key.ref_table.lower())
    if ref is None:
        logger.debug("foreign key of '%s' refers to no table: %s", table.name, key)
        return None
    names = key.ref_columns or primary_key(ref)
    ref_columns = tuple(spelled for name in names if (spelled := _spelled(ref, name)))
    columns = tuple(spelled for name in key.columns if (spelled := _spelled(table, name)))
    if not len(columns) == len(ref_columns) == len(key.columns):
        logger.debug("foreign key of '%s' refers to no column: %s", table.name, key)
        return None
    return ForeignKey(columns, ref.name, ref_columns)


def primary_key(table: Table) -> tuple[str, ...]:
    """Columns of the primary key in its order, () when there is none."""
    keyed = sorted((c for c in table.columns if c.primary_key), key=lambda c: c.primary_key)
    return tuple(column.name for column in keyed)


def _spelled(table: Table, name: str) -> str | None:
    names = [column.name for column in table.columns]
    if name in names:
        return name
    return next((n for n in names if n.lower() == name.lower()), None)


def _compact_table(table: Table) -> str:
    columns = " , ".join(_compact_column(table, column) for column in table.columns)
    return f"{quote_identifier(table.name)} ( {columns} )"


def _compact_column(table: Table, column: Column) -> str:
    parts = [quote_identifier(column.name)]
    if column.primary_key:
        parts.append("*")
    for key in table.foreign_keys:
        for name, ref_column in zip(key.columns, key.ref_columns, strict=True):
            if name == column.name:
                parts.append(f"> {quote_identifier(key.ref_table)}")
                if ref_column != name:
                    parts.append(f". {quote_identifier(ref_column)}")
    return " ".join(parts)


def _ddl_table(table: Table, rows: tuple[tuple[str, ...], ...]) -> str:
    name = quote_identifier(table.name)
    if table.is_view:
        text = f"CREATE VIEW {name} ({_names(c.name for c in table.columns)}) AS SELECT ...;"
    else:
        text = f"CREATE TABLE {name} (\n    " + ",\n    ".join(_ddl_lines(table)) + "\n);"
    return "\n".join([text, *(f"-- {', '.join(row)}" for row in rows)])


def _ddl_lines(table: Table) -> list[str]:
    keyed = primary_key(table)
    lines = []
    for column in table.columns:
        line = f"{quote_identifier(column.name)} {column.type}".rstrip()
        line += " PRIMARY KEY" if keyed == (column.name,) else ""
        lines.append(line + (" NOT NULL" if column.not_null else ""))
    if len(keyed) > 1:
        lines.append(f"PRIMARY KEY ({_names(keyed)})")
    lines += [f"UNIQUE ({_names(group)})" for group in table.unique]
    for key in table.foreign_keys:
        ref = f"{quote_identifier(key.ref_table)} ({_names(key.ref_columns)})"
        lines.append(f"FOREIGN KEY ({_names(key.columns)}) REFERENCES {ref}")
    return lines


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quote_identifier, names))


def _typed_value(column: Column) -> str:
    # Text travels as bytes: real files hold text that is not valid UTF-8. Of a blob only the length
    # is read, which SQLite knows without the rest.
    name = quote_identifier(column.name)
    return (
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB)"
        f" WHEN 'blob' THEN length({name}) ELSE {name} END"
    )


def _literal(kind: Any, value: Any, max_chars: int) -> str:
    if value is None:
        return "NULL"
    if kind == "blob":
        return f"<{value:,} bytes>"
    if kind != "text":
        return repr(value)
    text = shortened(" ".join(value.decode(errors="replace").split()), max_chars)
    return "'" + text.replace("'", "''") + "'"
