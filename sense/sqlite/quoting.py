"""Which texts in double quotes are strings: SQLite reads "x" so where x names no column in scope.

SQL keeps double quotes for names, and other engines reject such a query; 213 of the 1,034 golds of
Spider's dev set are written so. Nobody knows better than SQLite what is in scope: it compiles the
query, without its fallback, over empty tables of the same names, and names each failure's place.
"""

import re
from contextlib import closing

import apsw

from sense.schema import Schema, Table, quote_identifier
from sense.sqlite.connection import ReadOnlyConnection

QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def double_quoted_literals(sql: str, schema: Schema) -> list[str]:
    """The strings that the query writes in double quotes, in the order of its text.

    A query that SQLite does not compile on this schema, for whatever reason, reads none.

    >>> from sense.schema import Column
    >>> city = Schema((Table("city", (Column("name", "TEXT"), Column("code", "TEXT"))),))
    >>> double_quoted_literals('SELECT "name" FROM city WHERE code = "FRA"', city)
    ['FRA']
    """
    return [_text(sql[start:end]) for start, end in _places(sql, schema)]


def has_double_quoted_literal(sql: str, schema: Schema) -> bool:
    """Whether the query means something else, or nothing, where double quotes hold only names."""
    return bool(_places(sql, schema))


def single_quoted(sql: str, schema: Schema) -> str:
    """The query with such strings in single quotes; names and all other text stay.

    >>> single_quoted('SELECT "it\\'s"', Schema(()))
    "SELECT 'it''s'"
    """
    for start, end in reversed(_places(sql, schema)):
        text = _text(sql[start:end]).replace("'", "''")
        sql = f"{sql[:start]}'{text}'{sql[end:]}"
    return sql


def compiles(sql: str, schema: Schema) -> bool:
    """Whether SQLite compiles the query on this schema without reading double quotes as strings.

    >>> compiles("SELECT 1", Schema(())), compiles("SELECT 1 FROM nowhere", Schema(()))
    (True, False)
    """
    with closing(_empty_database(schema)) as connection:
        try:
            connection.execute(sql)
        except apsw.ExecTraceAbort:
            return True
        except (apsw.Error, UnicodeEncodeError):
            return False
    return False


def _places(sql: str, schema: Schema) -> list[tuple[int, int]]:
    """Where these strings start and end, in order."""
    if '"' not in sql or "\0" in sql:
        return []
    places = []
    with closing(_empty_database(schema)) as connection:
        try:
            while (offset := _unknown_column(connection, sql)) is not None:
                quoted = QUOTED.match(sql, offset)
                if not quoted:
                    return []
                places.append(quoted.span())
                # A string of the same length, so that the others stay where they are.
                string = "'" + quoted[1].replace("'", " ") + "'"
                sql = sql[:offset] + string + sql[quoted.end() :]
        except (apsw.Error, UnicodeEncodeError):
            return []
    return sorted(places)


def _empty_database(schema: Schema) -> ReadOnlyConnection:
    """Tables and views of these names without rows; statements are compiled and never run."""
    connection = ReadOnlyConnection(":memory:")
    for table in schema.tables:
        connection.execute(_definition(table))
    connection.restrict()
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.exec_trace = lambda cursor, *_: not cursor.has_vdbe  # only white space and comments
    return connection


def _definition(table: Table) -> str:
    name = quote_identifier(table.name)
    columns = ", ".join(quote_identifier(column.name) for column in table.columns)
    if table.is_view:  # unlike a table it has no rowid
        return f"CREATE VIEW {name} ({columns}) AS SELECT {', '.join('1' for _ in table.columns)}"
    return f"CREATE TABLE {name} ({columns})"


def _unknown_column(connection: ReadOnlyConnection, sql: str) -> int | None:
    """Where the first name stands that is no column; None when the query compiles."""
    try:
        connection.execute(sql)
    except apsw.ExecTraceAbort:
        return None
    except apsw.SQLError as error:
        offset: int = error.error_offset  # type: ignore[attr-defined]  # apsw's stub lacks it
        if offset < 0 or not str(error).startswith("no such column"):
            raise
        return len(sql.encode()[:offset].decode())
    return None


def _text(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"')
