"""How SQLite goes about a query: the steps of EXPLAIN QUERY PLAN, aliases written as tables."""

from pathlib import Path
from typing import NamedTuple

import apsw
from sqlglot import exp

from sense.hardness import UnparsedSqlError, parse_sql
from sense.sqlite.connection import cached_connection

TABLE_STEPS = ("SCAN", "SEARCH")
"""First words of steps whose second word is the alias of a table, or its name."""


class Step(NamedTuple):
    """One line of a plan."""

    depth: int
    """0 for steps of the whole query, 1 for those within one of them, ..."""
    text: str


def query_plan(db_path: str | Path, sql: str) -> tuple[Step, ...]:
    """The steps of a query, which is not run; () for one that SQLite refuses.

    Raises DatabaseError.

    >>> import sqlite3, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pets.sqlite"
    >>> connection = sqlite3.connect(path)
    >>> _ = connection.execute("CREATE TABLE pet AS SELECT 'Rex' AS name, 3 AS age")
    >>> connection.commit()
    >>> query_plan(path, "SELECT p.name FROM pet AS p ORDER BY p.age")
    (Step(depth=0, text='SCAN pet'), Step(depth=0, text='USE TEMP B-TREE FOR ORDER BY'))
    """
    connection, _ = cached_connection(db_path)
    try:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    except apsw.SQLError:
        return ()
    tables = _tables(sql)
    depths: dict[int, int] = {0: -1}
    steps = []
    for row in rows:
        number, parent, text = int(str(row[0])), int(str(row[1])), str(row[3])
        depths[number] = depths[parent] + 1
        steps.append(Step(depths[number], _named(text, tables)))
    return tuple(steps)


def _tables(sql: str) -> dict[str, str]:
    """Alias -> table, in lower case; an alias of a subquery stays as it is."""
    try:
        tree = parse_sql(sql)
    except UnparsedSqlError:
        return {}
    return {table.alias_or_name.lower(): table.name.lower() for table in tree.find_all(exp.Table)}


def _named(text: str, tables: dict[str, str]) -> str:
    first, _, rest = text.partition(" ")
    if first not in TABLE_STEPS:
        return text
    alias, space, rest = rest.partition(" ")
    return f"{first} {tables.get(alias.lower(), alias.lower())}{space}{rest}"
