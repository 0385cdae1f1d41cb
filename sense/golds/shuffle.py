"""The same rows in another order: what SQL defines does not change, what it leaves open may.

SQLite is asked to read the tables from their end, and to read a copy of the database without keys
and indexes whose rows were inserted in another order, so that it also goes about the query in
another way. A result that changes proves that the query leaves something open; one that stays the
same proves nothing.
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import quote

import apsw

from sense.execution import Execution, Limits, execute, execute_on
from sense.filling.constraints import affinity_of, quoted
from sense.sqlite.connection import ReadOnlyConnection
from sense.sqlite.file_state import file_state, kept_per_file

Reading: TypeAlias = Literal["backwards", "shuffled"]

MAX_COPIED_BYTES = 4_000_000  # of the file; copying it takes about 0.2 s, once per process
MAX_COPIES = 32  # per thread, in memory
MULTIPLIER = 2_654_435_761  # odd, near 2**32 / golden ratio: spreads row numbers, Knuth vol. 3, 6.4
ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}  # sqlite.org/fileformat2.html, byte 59
LAYOUT_WORDS = ("rowid", "oid", "sqlite_")
"""Text of queries that look at how the file is laid out, which a copy does not keep."""
ORDER_WORDS = ("concat", "group", "having", "json", "limit", "over", "string_agg")
"""Text of queries that pick, list or number rows. `group` and `having` may hold bare columns."""
AGGREGATES = ("avg", "count", "max", "min", "sum", "total")
SUBQUERIES = ("exists(select", "from(select", "in(select", "join(select")
"""Starts of subqueries of which every row counts."""
DOUBTS = ("/*", "--", "distinct from", "(with", "(values")
"""Text by which words may mislead: comments between them, FROM that starts no list of tables, a
subquery that starts with another word than SELECT."""
QUOTED = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\[[^]]*]""")
CALLED = re.compile(rf"\b(?:{'|'.join(AGGREGATES)}|median|percentile\w*|q+) ?\(")
"""A call of an aggregate, or of a function whose name is quoted, written `q`."""
NUM_KEPT_SCHEMAS = 256
MERGING_WORDS = ("distinct", "except", "group", "intersect", "max", "min", "union")
"""Text of queries that return one of the texts that a collation takes for equal."""
MORE_STEPS = 10
"""Another order may take another plan; one that takes much longer is given up."""
SPARE_STEPS = 1_000_000


class Reordered(NamedTuple):
    """How a query ended on the same rows in another order."""

    reading: Reading
    execution: Execution


def may_depend_on_order(sql: str) -> bool:
    """False where words show that the order of the rows it meets cannot change a query's rows.

    It can where rows are picked (LIMIT, a column beside an aggregate, a subquery that is compared),
    listed or numbered. In doubt True. The order of the result's own rows is another matter.

    >>> may_depend_on_order("SELECT max(a) FROM t WHERE b IN (SELECT b FROM u) ORDER BY c")
    False
    >>> may_depend_on_order("SELECT max(a), c FROM t")
    True
    """
    text = " ".join(sql.lower().split())
    if any(word in text for word in ORDER_WORDS):
        return True
    if "(" not in text:
        return False
    text = QUOTED.sub("q", text)
    dense = text.replace(" ", "")
    if any(word in text or word in dense for word in DOUBTS):
        return True
    num_compared = dense.count("(select") - sum(dense.count(start) for start in SUBQUERIES)
    parts = text.split("select ")
    if num_compared > 0 or len(parts) <= text.count("select"):  # SELECT without a space
        return True
    return any(_may_pick_a_row(*part.partition(" from ")[::2]) for part in parts[1:])


def _may_pick_a_row(projections: str, rest: str) -> bool:
    """Whether an aggregate may stand beside a column, rest: the text after the first FROM."""
    if "(" in projections and not _has_aggregates_only(projections):
        return True
    return CALLED.search(rest) is not None  # ORDER BY count(*)


def _has_aggregates_only(projections: str) -> bool:
    names = (part.partition("(") for part in projections.split(","))
    return all(
        name.strip() in AGGREGATES and rest.endswith(")") and "(" not in rest
        for name, _, rest in names
    )


def is_open_by_schema(db_path: str | Path, sql: str) -> bool:
    """Whether the schema makes a query depend on order that by its words does not.

    By a view, or by a collation, named there or in the query, under which texts are equal that
    differ: which of them DISTINCT, UNION, GROUP BY, min or max returns is open. In doubt True.
    """
    schema = _schema(db_path)
    text = sql.lower()
    named = [view for name, view in schema.views if name in text]
    if any(map(may_depend_on_order, named)):
        return True
    text = " ".join((text, *named))
    is_collated = schema.has_collations or "collate" in text
    return is_collated and any(word in text for word in MERGING_WORDS)


class _Schema(NamedTuple):
    has_collations: bool
    views: tuple[tuple[str, str], ...]
    """Names and texts in lower case; with those of the other views, which they may read."""


@kept_per_file(NUM_KEPT_SCHEMAS)
def _schema(db_path: str | Path) -> _Schema:
    found = execute(db_path, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    texts = [(str(kind), str(name).lower(), str(text).lower()) for kind, name, text in found.rows]
    all_views = " ; ".join(text for kind, _, text in texts if kind == "view")
    return _Schema(
        any("collate" in text for *_, text in texts),
        tuple((name, all_views) for kind, name, _ in texts if kind == "view"),
    )


def reorderings(
    db_path: str | Path, sql: str, execution: Execution, limits: Limits
) -> Iterator[Reordered]:
    """The query on a shuffled copy where there is one, then read backwards; those that end well.

    execution: how it ended on the database as it is. Steps are limited to ten times those it took.
    """
    max_steps = MORE_STEPS * execution.steps + SPARE_STEPS
    if limits.max_steps:
        max_steps = min(max_steps, limits.max_steps)
    limits = replace(limits, max_steps=max_steps)
    asks_layout = any(word in sql.lower() for word in LAYOUT_WORDS)
    copy = None if asks_layout else shuffled_copy(db_path)
    shuffled = execute_on(copy, sql, limits) if copy else None
    if shuffled and shuffled.status == "ok":
        yield Reordered("shuffled", shuffled)
    backwards = execute(db_path, sql, limits, backwards=True)
    if backwards.status == "ok":
        yield Reordered("backwards", backwards)


def shuffled_copy(db_path: str | Path) -> ReadOnlyConnection | None:
    """A copy in memory whose rows lie in another order, the same in every run.

    It has the tables, affinities, collations and views of the file, and neither keys nor indexes.
    None for a file of more than `MAX_COPIED_BYTES`, for one with virtual tables or generated
    columns, and for one that cannot be read whole. Copies are kept per thread, for as long as the
    file does not change.
    """
    path = Path(db_path).absolute()
    state = file_state(path)
    if state is None or state.size > MAX_COPIED_BYTES:
        return None
    copies: OrderedDict[tuple[object, ...], ReadOnlyConnection | None]
    copies = _kept.__dict__.setdefault("copies", OrderedDict())
    key = (path, state, os.getpid())
    if key not in copies:
        copies[key] = _copy(path)
        if len(copies) > MAX_COPIES and (oldest := copies.popitem(last=False)[1]):
            oldest.close()  # its memory would stay until Python looks for cycles
    copies.move_to_end(key)
    return copies[key]


_kept = threading.local()


def _copy(path: Path) -> ReadOnlyConnection | None:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
    copy = ReadOnlyConnection(":memory:", flags=flags)
    with path.open("rb") as file:
        encoding = ENCODINGS.get(file.read(60)[59], "UTF-8")
    copy.execute(f"PRAGMA encoding = '{encoding}'")
    uri = f"file://{quote(os.fsencode(path))}?mode=ro&immutable=1"
    try:
        copy.execute("ATTACH ? AS source", (uri,))
        is_whole = _copy_rows(copy)
    except apsw.Error:  # such as a damaged page in a table that the query does not read
        is_whole = False
    if not is_whole:
        copy.close()
        return None
    copy.execute("DETACH source")
    copy.restrict()
    return copy


def _copy_rows(copy: apsw.Connection) -> bool:
    """Whether every table and view of the attached database could be copied."""
    found: list[tuple[str, str, str | None]] = [
        (str(kind), str(name), text and str(text))
        for kind, name, text in copy.execute("SELECT type, name, sql FROM source.sqlite_schema")
    ]
    if any(text and text.lower().startswith("create virtual") for *_, text in found):
        return False
    tables = [name for kind, name, _ in found if kind == "table" and not _is_internal(name)]
    views = [text for kind, _, text in found if kind == "view" and text]
    copy.execute("BEGIN")
    for table in tables:
        info = copy.execute(f"PRAGMA source.table_xinfo({quoted(table)})").fetchall()
        if any(hidden for *_, hidden in info):
            return False
        columns = [(str(name), str(declared)) for _, name, declared, *_ in info]
        definitions = ", ".join(_definition(copy, table, *column) for column in columns)
        copy.execute(f"CREATE TABLE main.{quoted(table)} ({definitions})")
        copy.execute(
            f"INSERT INTO main.{quoted(table)} SELECT * FROM source.{quoted(table)} NOT INDEXED "
            f"ORDER BY row_number() OVER () * {MULTIPLIER} % {2**32}"
        )
    for text in views:
        copy.execute(text)
    copy.execute("COMMIT")
    return True


def _definition(copy: apsw.Connection, table: str, column: str, declared: str) -> str:
    _, collation, *_ = copy.column_metadata("source", table, column)
    return f"{quoted(column)} {affinity_of(declared)} COLLATE {quoted(collation)}"


def _is_internal(name: str) -> bool:
    return name.lower().startswith("sqlite_")
