"""What variants of a database are made of: its rows, the values of its columns, its constraints.

A constraint counts where the original keeps it: declared ones; keys that the names of columns or
the joins of queries suggest; distinct values in a column that keys refer to, or that is the id of a
table without a primary key. Values are those of the original with their storage classes, and what
lies near the literals of the queries.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

import apsw
import sqlglot
from sqlglot import exp

from sense.database import build_database, database_script
from sense.execution import open_read_only
from sense.filling.constraints import FillTable, Key, quoted, read_tables
from sense.filling.keys import add_suggested_keys, fill_order
from sense.filling.literals import query_literals
from sense.filling.values import value_maker
from sense.schema import Schema, natural_name, read_schema
from sense.suites.joins import joined_columns

MAX_SOURCE_ROWS = 1000
"""Rows of a table that are read, evenly spread: enough for its values and their combinations."""
NUM_INVENTED_VALUES = 20
"""Values of a column that has none, as in the databases of Spider that are released empty."""
MAX_NUMBER = 2**53
"""Larger numbers have no exact neighbours as floats."""

Row: TypeAlias = tuple[Any, ...]
Place: TypeAlias = tuple[str, int]
"""Table name and column position."""
Focus: TypeAlias = Mapping[Place, tuple[Any, ...]]
"""The values near the literals of one query."""


class SourceKey(NamedTuple):
    """A foreign key, or a pair of columns that queries join."""

    key: Key
    is_kept: bool
    """Whether the original keeps it, so that every variant must."""


class SourceColumn(NamedTuple):
    """What a column may hold."""

    values: tuple[Any, ...]
    """Distinct and not NULL: the original's, the most frequent first, then those of the queries."""
    has_null: bool
    """In the original."""
    may_be_null: bool


@dataclass(frozen=True)
class SourceTable:
    """A table of the original."""

    table: FillTable
    rows: tuple[Row, ...]
    columns: tuple[SourceColumn, ...]
    keys: tuple[SourceKey, ...]
    unique: tuple[tuple[int, ...], ...]
    """Groups of columns whose values are distinct together."""

    @property
    def name(self) -> str:
        return self.table.name


@dataclass(frozen=True)
class Material:
    """A database taken apart."""

    empty: bytes
    """The database without rows and triggers, as SQLite writes it."""
    tables: tuple[SourceTable, ...]
    """Parents before children."""
    focuses: tuple[Focus, ...]
    """One per query, in their order."""


def read_material(db_path: str | Path, sqls: Sequence[str]) -> Material:
    """The material of a database, for variants that tell these queries from others."""
    schema = read_schema(db_path)
    empty = _without_rows(db_path)
    tables = read_tables(empty)
    _add_keys(tables, schema, sqls)
    focuses = tuple(_focus(sql, schema, tables) for sql in sqls)
    near: dict[Place, list[Any]] = {}
    for focus in focuses:
        for place, values in focus.items():
            near.setdefault(place, []).extend(values)
    with closing(open_read_only(db_path)) as connection:
        referred = {(key.parent, i) for t in tables for key in t.keys for i in key.parent_columns}
        sources = tuple(
            _read_table(connection, table, tables, near, referred) for table in fill_order(tables)
        )
    return Material(empty.serialize("main"), sources, focuses)


def neighbours(value: Any) -> list[Any]:
    """The value, then others that a condition on it may wrongly include or miss.

    >>> neighbours(30), neighbours("2018-03-09")[:3]
    ([30, 29, 31], ['2018-03-09', '2018-03-08', '2018-03-10'])
    >>> neighbours("abc")
    ['abc', 'ABC', 'Abc', 'abcx', 'xabc', 'xabcx']
    """
    if isinstance(value, int | float):
        return [value, value - 1, value + 1] if abs(value) < MAX_NUMBER else [value]
    if not isinstance(value, str):
        return [value]
    near = [value]
    if number := re.search(r"\d{1,15}$", value):
        start, digits = value[: number.start()], number[0]
        steps = (int(digits) - 1, int(digits) + 1)
        near += [f"{start}{step:0{len(digits)}}" for step in steps if step >= 0]
    near += [value.lower(), value.upper(), value.capitalize()]
    near += [f"{value}x", f"x{value}", f"x{value}x"]
    return list(dict.fromkeys(near))


def _without_rows(db_path: str | Path) -> apsw.Connection:
    """An open copy in memory without rows and triggers; its pages are small as variants are."""
    script = "PRAGMA page_size = 1024;\n" + database_script(db_path, rows=False)
    connection = apsw.Connection(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        path = build_database(script, Path(folder, "empty.sqlite"))
        connection.deserialize("main", path.read_bytes())
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    for (name,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {quoted(str(name))}")
    return connection


def _add_keys(tables: list[FillTable], schema: Schema, sqls: Sequence[str]) -> None:
    """Keys that names suggest, then pairs of columns that queries join and no key has."""
    add_suggested_keys(tables)
    by_name = {table.name.lower(): table for table in tables}
    known = {pair for table in tables for key in table.keys for pair in _pairs(table, key, by_name)}
    for pair in joined_columns(schema, sqls):
        if frozenset(pair) in known or not all(table in by_name for table, _ in pair):
            continue
        ends = [(by_name[table], by_name[table].position(column)) for table, column in pair]
        # The side that is a primary key of its own is the parent.
        (child, i), (parent, j) = sorted(ends, key=lambda end: end[0].primary_key == (end[1],))
        if i is not None and j is not None and child is not parent:
            child.keys.append(Key((i,), parent.name, (j,), is_declared=False))


def _pairs(
    table: FillTable, key: Key, by_name: Mapping[str, FillTable]
) -> set[frozenset[tuple[str, str]]]:
    parent = by_name[key.parent.lower()]
    return {
        frozenset(
            [
                (table.name.lower(), table.columns[i].name.lower()),
                (parent.name.lower(), parent.columns[j].name.lower()),
            ]
        )
        for i, j in zip(key.columns, key.parent_columns, strict=True)
    }


def _focus(sql: str, schema: Schema, tables: Iterable[FillTable]) -> Focus:
    """What the columns of a query should hold so that its conditions are met, and nearly met."""
    by_name = {table.name.lower(): table for table in tables}
    found: dict[Place, list[Any]] = {}
    for literal in query_literals(_positive(sql), schema):
        table = by_name.get(literal.table.lower())
        column = table.position(literal.column) if table else None
        if table is not None and column is not None:
            found.setdefault((table.name, column), []).extend(neighbours(literal.value))
    return {place: tuple(dict.fromkeys(values)) for place, values in found.items()}


def _positive(sql: str) -> str:
    """A query with the same literals, each compared with a column by what looks for its value.

    `=` stands for `!=`, a column for its aggregate, and WHERE for HAVING.
    """

    def positive(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Select) and (having := node.args.get("having")):
            node.set("having", None)
            node.where(having.this, copy=False)
        if isinstance(node, exp.NEQ):
            return exp.EQ(this=node.this, expression=node.expression)
        if isinstance(node, exp.Min | exp.Max | exp.Avg | exp.Sum):
            return node.this if isinstance(node.this, exp.Column) else node
        return node

    try:
        return sqlglot.parse_one(sql, read="sqlite").transform(positive).sql("sqlite")
    except sqlglot.errors.SqlglotError:
        return sql


def _read_table(
    connection: apsw.Connection,
    table: FillTable,
    tables: Iterable[FillTable],
    near: Mapping[Place, Sequence[Any]],
    referred: set[Place],
) -> SourceTable:
    by_name = {other.name: other for other in tables}
    rows = _sample(connection, table)
    keys = [SourceKey(key, _is_kept(connection, table, key, by_name)) for key in table.keys]
    in_keys = {i for key, _ in keys for i in key.columns} | set(table.primary_key)
    in_keys |= {i for name, i in referred if name == table.name}
    columns = []
    for i, column in enumerate(table.columns):
        held = Counter(row[i] for row in rows)
        has_null = held.pop(None, 0) > 0
        values = [value for value, _ in held.most_common()]
        if not values:
            make = value_maker(column, table.name, Random(column.name), NUM_INVENTED_VALUES, ())
            values = [make(Random(n)) for n in range(NUM_INVENTED_VALUES)]
        values += near.get((table.name, i), ())
        may_be_null = has_null or (column.nullable and i not in in_keys)
        columns.append(SourceColumn(tuple(dict.fromkeys(values)), has_null, may_be_null))
    unique = _unique(connection, table, referred)
    return SourceTable(table, rows, tuple(columns), tuple(keys), unique)


def _sample(connection: apsw.Connection, table: FillTable) -> tuple[Row, ...]:
    """Rows evenly spread over the table; invalid bytes of texts are left out."""
    source = f"FROM {quoted(table.name)} NOT INDEXED"
    counted: list[Any] = connection.execute(f"SELECT count(*) {source}").fetchall()
    [(num_rows,)] = counted
    step = -(-num_rows // MAX_SOURCE_ROWS) or 1
    names = [quoted(column.name) for column in table.columns]
    try:
        found = connection.execute(f"SELECT {', '.join(names)} {source}")
        return tuple(row for n, row in enumerate(found) if n % step == 0)
    except UnicodeDecodeError:
        cells = ", ".join(
            f"typeof({n}) = 'text', iif(typeof({n}) = 'text', CAST({n} AS BLOB), {n})"
            for n in names
        )
    rows = []
    for n, row in enumerate(connection.execute(f"SELECT {cells} {source}")):
        if n % step == 0:
            pairs = zip(row[::2], row[1::2], strict=True)
            rows.append(tuple(v.decode(errors="ignore") if is_text else v for is_text, v in pairs))
    return tuple(rows)


def _is_kept(
    connection: apsw.Connection, table: FillTable, key: Key, by_name: Mapping[str, FillTable]
) -> bool:
    """Whether the original keeps the key; one that nobody declared must lead to distinct values."""
    parent = by_name[key.parent]
    if not key.is_declared and not all(
        _is_distinct(connection, parent, j) for j in key.parent_columns
    ):
        return False
    own = [quoted(table.columns[i].name) for i in key.columns]
    others = [quoted(parent.columns[j].name) for j in key.parent_columns]
    broken = (
        f"SELECT 1 FROM {quoted(table.name)} WHERE ({', '.join(own)}) NOT IN "
        f"(SELECT {', '.join(others)} FROM {quoted(parent.name)} "
        f"WHERE {' AND '.join(f'{name} IS NOT NULL' for name in others)}) LIMIT 1"
    )
    return not connection.execute(broken).fetchall()


def _unique(
    connection: apsw.Connection, table: FillTable, referred: set[Place]
) -> tuple[tuple[int, ...], ...]:
    """Declared groups, and columns that the original keeps distinct because they name its rows."""
    groups = list(table.unique)
    for i, column in enumerate(table.columns):
        is_id = i == 0 and not table.primary_key and natural_name(column.name).endswith("id")
        is_key = is_id or (table.name, i) in referred
        if (i,) not in groups and is_key and _is_distinct(connection, table, i):
            groups.append((i,))
    return tuple(groups)


def _is_distinct(connection: apsw.Connection, table: FillTable, column: int) -> bool:
    name, source = quoted(table.columns[column].name), quoted(table.name)
    counts = f"SELECT count(*) = count(DISTINCT {name}), count(*) > 0 FROM {source}"
    return bool(connection.execute(counts).fetchall() == [(1, 1)])
