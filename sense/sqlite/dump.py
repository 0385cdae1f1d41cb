"""What a database holds as SQL text, a statement at a time, so that equal content is equal text."""

from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

import apsw

from sense.filling.constraints import quoted

ROWS_PER_INSERT = 200


def script_parts(connection: apsw.Connection, rows: bool) -> Iterator[str]:
    """The text of the database in parts, as `sense.database.database_script` describes it."""
    kinds = {
        name: kind
        for schema, name, kind, *_ in connection.execute("PRAGMA table_list")
        if schema == "main"
    }
    created = list(
        connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    )
    tables = {
        name: sql
        for kind, name, sql in created
        if kind == "table" and kinds[name] != "shadow" and not name.startswith("sqlite_")
    }
    for sql in tables.values():
        yield f"{sql};\n"
    if rows:
        for table in _parents_first(connection, list(tables)):
            yield from _inserts(connection, table)
    for wanted in ("index", "view", "trigger"):
        for kind, _, sql in created:
            if kind == wanted:
                yield f"{sql};\n"


def _parents_first(connection: apsw.Connection, tables: list[str]) -> list[str]:
    """The tables, parents before children; in the given order where foreign keys form a cycle."""
    known = {table.lower(): table for table in tables}
    graph: dict[str, list[str]] = {}
    for table in tables:
        parents = (
            row[2] for row in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})")
        )
        named = (known[parent.lower()] for parent in parents if parent.lower() in known)
        graph[table] = [parent for parent in dict.fromkeys(named) if parent != table]
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return tables


def _inserts(connection: apsw.Connection, table: str) -> Iterator[str]:
    info = list(connection.execute(f"PRAGMA table_xinfo({quoted(table)})"))
    stored = [name for _, name, *_, hidden in info if hidden == 0]
    names = ", ".join(map(quoted, stored))
    listed = "" if len(stored) == len(info) else f" ({names})"
    lines: list[str] = []
    for row in _rows(connection, table, stored):
        lines.append(f"({', '.join(row)})")
        if len(lines) == ROWS_PER_INSERT:
            yield f"INSERT INTO {quoted(table)}{listed} VALUES\n" + ",\n".join(lines) + ";\n"
            lines = []
    if lines:
        yield f"INSERT INTO {quoted(table)}{listed} VALUES\n" + ",\n".join(lines) + ";\n"


def _rows(connection: apsw.Connection, table: str, columns: list[str]) -> Iterator[list[str]]:
    """The rows as SQL literals, in the order of the table itself rather than of an index."""
    names = [quoted(column) for column in columns]
    source = f"FROM {quoted(table)} NOT INDEXED"
    num_done = 0
    try:
        for row in connection.execute(f"SELECT {', '.join(names)} {source}"):
            yield [LITERALS[value.__class__](value) for value in row]
            num_done += 1
    except apsw.SQLError:  # a full-text index of a table that is gone
        if num_done:
            raise
    except UnicodeDecodeError:
        # Text need not be UTF-8 in SQLite; the rest of such a table is read as bytes.
        pairs = (
            f"typeof({n}) = 'text', iif(typeof({n}) = 'text', CAST({n} AS BLOB), {n})"
            for n in names
        )
        select = f"SELECT {', '.join(pairs)} {source} LIMIT -1 OFFSET {num_done}"
        for row in connection.execute(select):
            cells = zip(row[::2], row[1::2], strict=True)
            yield [_text(value) if is_text else _literal(value) for is_text, value in cells]


def _literal(value: Any) -> str:
    """A SQLite value as a SQL literal that reads back as the same value of the same type."""
    return LITERALS[value.__class__](value)


def _quoted(value: str) -> str:
    return _text(value.encode()) if "\0" in value else "'" + value.replace("'", "''") + "'"


def _real(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"CAST(X'{data.hex()}' AS TEXT)" if "\0" in text else _literal(text)


LITERALS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    int: repr,
    float: _real,
    str: _quoted,
    bytes: lambda value: f"X'{value.hex()}'",
}
"""Of the types of SQLite, looked up because a database has millions of values."""
