"""Small databases cut out of a large one: chosen rows of some tables, and what their keys need.

A foreign key that the whole database keeps is kept by every excerpt: a row comes with the rows that
it refers to, and goes with those that refer to it. Rows are never changed, so that every other
constraint holds by itself.
"""

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import apsw

from sense.filling.constraints import quoted
from sense.sqlite.connection import ReadOnlyConnection, open_read_only

RowId: TypeAlias = tuple[str, int]
"""Table and rowid: one row of the source."""

MAX_STEPS = 20_000_000
"""Virtual-machine steps spent on choosing and copying rows for one excerpt: about a second."""
LONG_AGO_NS = 10**18
"""A date for files that never change again: `sense.sqlite.connection` keeps such a file open."""


class _Key(NamedTuple):
    """A foreign key that the database keeps, as the condition that joins `c` and `p`."""

    parent: str
    condition: str


class _Table(NamedTuple):
    name: str
    place: str
    """Where its rows are read: `src`, or `temp` for a copy of a table without rowids."""
    columns: tuple[str, ...]
    """The stored ones; generated ones follow from them."""
    rowid: str
    """The name of its rowid that is not the name of a column."""
    keys: tuple[_Key, ...] = ()

    @property
    def rows(self) -> str:
        """The table as a query of ours names it."""
        return f"{self.place}.{quoted(self.name)}"


def read_columns(db_path: str | Path, sqls: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tables that SQLite reads to answer the queries, with the columns that it reads, in order.

    Tables behind a view count, the view does not. A table of which no column matters, as for
    COUNT(*), has its first. Queries that do not compile read nothing. Raises DatabaseError.
    """
    with closing(open_read_only(db_path)) as connection:
        found = {read for sql in sqls for read in _reads(connection, sql)}
        connection.authorizer = None
        kinds = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
        tables = sorted(name for name, kind in kinds if kind == "table")
        columns = {}
        for table in tables:
            info = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            names = [name for (name,) in info]
            if any(name == table for name, _ in found):
                read = [name for name in names if (table, name) in found]
                columns[table] = tuple(read or names[:1])
    return columns


class Source:
    """A database open for cutting; close it after use."""

    def __init__(self, db_path: str | Path, tables: Sequence[str]) -> None:
        """tables: those to cut from; their keys may add others. Raises DatabaseError."""
        open_read_only(db_path).close()  # says what is wrong with the file
        self.connection = apsw.Connection(
            ":memory:",
            flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI,
        )
        self.connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        uri = f"file://{quote(os.fsencode(Path(db_path).absolute()))}?mode=ro&immutable=1"
        self.connection.execute("ATTACH ? AS src", (uri,))
        self.tables: dict[str, _Table] = {}
        waiting = list(tables)
        while waiting:
            name = waiting.pop()
            if name not in self.tables:
                table = self._read_table(name)
                self.tables[name] = table._replace(keys=tuple(self._kept_keys(table)))
                waiting += [key.parent for key in self.tables[name].keys]
        self._parents: dict[RowId, tuple[RowId, ...]] = {}
        self._create()

    def close(self) -> None:
        self.connection.close()

    def matching(self, table: str, values: Collection[Any], limit: int) -> list[RowId]:
        """The rows that hold most of the values, at most `limit`; text counts in any case.

        None of a table that takes more than `MAX_STEPS` to look through.
        """
        found = self.tables[table]
        wanted = json.dumps([v.lower() if isinstance(v, str) else v for v in values])
        hits = " + ".join(
            # NULL is in no list, and its comparison is NULL.
            f"coalesce(iif(typeof({name}) = 'text', lower({name}), {name}) IN wanted, 0)"
            for name in map(quoted, found.columns)
        )
        query = (
            "WITH wanted AS MATERIALIZED (SELECT value FROM json_each(?)), "
            f"counted AS MATERIALIZED "
            f"(SELECT {found.rowid} AS id, {hits} AS num FROM {found.rows}) "
            f"SELECT id FROM counted WHERE num ORDER BY num DESC, id LIMIT {limit}"
        )
        try:
            return [(table, rowid) for (rowid,) in self._run(query, (wanted,))]
        except apsw.InterruptError:
            return []

    def spread(self, table: str, limit: int) -> list[RowId]:
        """Rows from the whole length of the table, at most `limit`."""
        rowid, rows = self.tables[table].rowid, self.tables[table].rows
        found = self._run(
            f"WITH RECURSIVE ends AS (SELECT (SELECT min({rowid}) FROM {rows}) AS low, "
            f"(SELECT max({rowid}) FROM {rows}) AS high), "
            f"step(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM step WHERE k + 1 < {limit}) "
            f"SELECT DISTINCT (SELECT {rowid} FROM {rows} WHERE {rowid} >= "
            f"low + (high - low) * k / {max(limit - 1, 1)} ORDER BY {rowid} LIMIT 1) AS id "
            "FROM step, ends WHERE low IS NOT NULL ORDER BY id"
        )
        return [(table, rowid) for (rowid,) in found]

    def children(self, rows: Iterable[RowId], limit: int) -> list[RowId]:
        """Rows that refer to the given ones, at most `limit` for each and key."""
        found: dict[RowId, None] = {}
        for parent, rowids in _by_table(rows).items():
            for table in self.tables.values():
                for key in table.keys:
                    if key.parent == parent:
                        counts: dict[int, int] = defaultdict(int)
                        for child, rowid in self._joined(table, key, "p", rowids):
                            counts[rowid] += 1
                            if counts[rowid] <= limit:
                                found[table.name, child] = None
        return list(found)

    def closed(self, rows: Iterable[RowId]) -> frozenset[RowId]:
        """The rows and all that they refer to, directly or not."""
        closed: set[RowId] = set()
        waiting = set(rows)
        while waiting:
            closed |= waiting
            self._find_parents(waiting - self._parents.keys())
            waiting = {p for row in waiting for p in self._parents[row]} - closed
        return frozenset(closed)

    def without(self, rows: Collection[RowId], gone: Collection[RowId]) -> frozenset[RowId]:
        """The rows that are left when some go with all that refer to them."""
        dropped = set(gone)
        while True:
            more = {
                r for r in rows if r not in dropped and not dropped.isdisjoint(self._parents[r])
            }
            if not more:
                return frozenset(rows) - dropped
            dropped |= more

    def write(self, rows: Iterable[RowId], path: Path) -> None:
        """A database file with the tables and these rows, which must be `closed`."""
        connection = self.connection
        chosen = _by_table(rows)
        for table in self.tables.values():
            name = quoted(table.name)
            connection.execute(f"DELETE FROM main.{name}")
            if table.name in chosen:
                columns = ", ".join(map(quoted, table.columns))
                self._run(
                    f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {table.rows} "
                    f"WHERE {table.rowid} IN (SELECT value FROM json_each(?)) "
                    f"ORDER BY {table.rowid}",
                    (json.dumps(chosen[table.name]),),
                )
        path.write_bytes(connection.serialize("main"))
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))

    def _read_table(self, name: str) -> _Table:
        info = list(self.connection.execute(f"PRAGMA src.table_xinfo({quoted(name)})"))
        columns = tuple(row[1] for row in info if row[6] == 0)
        taken = {row[1].lower() for row in info}
        [rowid, *_] = [word for word in ("rowid", "_rowid_", "oid") if word not in taken]
        query = "SELECT wr FROM pragma_table_list WHERE schema = 'src' AND name = ?"
        [(has_no_rowid,)] = self.connection.execute(query, (name,))
        if has_no_rowid:
            self._run(f"CREATE TABLE temp.{quoted(name)} AS SELECT * FROM src.{quoted(name)}")
        return _Table(name, "temp" if has_no_rowid else "src", columns, rowid)

    def _kept_keys(self, table: _Table) -> Iterator[_Key]:
        """The foreign keys that all rows keep; one that cannot be checked in time binds nobody."""
        known = {
            name.lower(): name
            for (name,) in self.connection.execute(
                "SELECT name FROM src.sqlite_schema WHERE type = 'table'"
            )
        }
        keys: dict[int, list[Any]] = defaultdict(list)
        for row in self.connection.execute(f"PRAGMA src.foreign_key_list({quoted(table.name)})"):
            keys[row[0]].append(row)
        for rows in keys.values():
            parent = known.get(rows[0][2].lower())
            if not parent:
                continue
            info = list(self.connection.execute(f"PRAGMA src.table_xinfo({quoted(parent)})"))
            primary = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
            named = [to or "" for *_, to, _, _, _ in rows]
            wanted = primary if "" in named else named
            if len(wanted) != len(rows):
                continue
            ends = list(zip((row[3] for row in rows), wanted, strict=True))
            same = " AND ".join(f"p.{quoted(to)} = c.{quoted(own)}" for own, to in ends)
            given = " AND ".join(f"c.{quoted(own)} IS NOT NULL" for own, _ in ends)
            orphans = (
                f"SELECT 1 FROM {table.rows} AS c WHERE {given} AND NOT EXISTS "
                f"(SELECT 1 FROM src.{quoted(parent)} AS p WHERE {same}) LIMIT 1"
            )
            with contextlib.suppress(apsw.SQLError, apsw.InterruptError):
                if not self._run(orphans):
                    yield _Key(parent, same)

    def _create(self) -> None:
        """Empty tables in `main`, with the indexes of these and all views."""
        created = self.connection.execute(
            "SELECT type, name, tbl_name, sql FROM src.sqlite_schema WHERE sql IS NOT NULL "
            "ORDER BY type = 'table' DESC, rowid"
        )
        for kind, name, owner, sql in list(created):
            if (kind == "view" or owner in self.tables) and kind != "trigger":
                assert name and not name.startswith("sqlite_"), name
                self.connection.execute(sql)

    def _find_parents(self, rows: Iterable[RowId]) -> None:
        for name, rowids in _by_table(rows).items():
            table = self.tables[name]
            found: dict[int, list[RowId]] = {rowid: [] for rowid in rowids}
            for key in table.keys:
                for child, parent in self._joined(table, key, "c", rowids):
                    found[child].append((key.parent, parent))
            for rowid, parents in found.items():
                self._parents[name, rowid] = tuple(dict.fromkeys(parents))

    def _joined(
        self, child: _Table, key: _Key, side: str, rowids: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Rowids of child and parent of a key, for the given rows of one side, `c` or `p`."""
        parent = self.tables[key.parent]
        given = child if side == "c" else parent
        return self._run(
            f"SELECT c.{child.rowid}, p.{parent.rowid} FROM {child.rows} AS c "
            f"JOIN {parent.rows} AS p ON {key.condition} "
            f"WHERE {side}.{given.rowid} IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
            (json.dumps(rowids),),
        )

    def _run(self, sql: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Raises apsw.InterruptError where it takes more than MAX_STEPS."""
        self.connection.set_progress_handler(lambda: True, MAX_STEPS)
        try:
            return list(self.connection.execute(sql, bindings))
        finally:
            self.connection.set_progress_handler(None)


def _reads(connection: ReadOnlyConnection, sql: str) -> set[tuple[str, str]]:
    """The tables and columns that SQLite asks to read while it compiles the query."""
    found: set[tuple[str, str]] = set()
    guard = connection.authorizer
    assert guard is not None, "a connection for reading has one"

    def listen(action: int, first: str | None, second: str | None, *rest: str | None) -> int:
        if action == apsw.SQLITE_READ and first:
            found.add((first, second or ""))
        return guard(action, first, second, *rest)

    connection.authorizer = listen
    connection.exec_trace = lambda *statement: False  # compiled, never run
    try:
        connection.execute(sql)
    except apsw.ExecTraceAbort:
        return found
    except (apsw.Error, UnicodeEncodeError):
        return set()
    finally:
        connection.authorizer = guard
        connection.exec_trace = None
    return set()


def _by_table(rows: Iterable[RowId]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for table, rowid in sorted(rows):
        found[table].append(rowid)
    return found
