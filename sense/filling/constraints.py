"""What the tables of a database demand of their rows: columns, keys, the readable part of CHECKs.

A CHECK is read where it is a conjunction of simple conditions on one column, or orders two columns.
The rest is left to SQLite, which judges every row; see `sense.filling.rows`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any, Literal

import apsw
import sqlglot
from sqlglot import exp

Affinity = Literal["INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB", ""]
"""SQLite's type affinity; "" where no type is declared, so that a value of any type is kept."""


@dataclass
class Bounds:
    """What the CHECKs of a column allow; None = not limited."""

    choices: tuple[Any, ...] | None = None
    low: Any = None
    high: Any = None
    low_open: bool = False
    """Whether `low` itself is excluded."""
    high_open: bool = False
    min_chars: int = 0
    max_chars: int | None = None
    patterns: tuple[str, ...] = ()
    """LIKE or GLOB patterns, GLOB ones marked by a leading NUL."""


@dataclass(frozen=True)
class FillColumn:
    """A stored column of a table, generated ones left out."""

    name: str
    type: str
    affinity: Affinity
    nullable: bool
    bounds: Bounds


@dataclass(frozen=True)
class Key:
    """Positions of the columns of a foreign key, and the columns it refers to."""

    columns: tuple[int, ...]
    parent: str
    """Name of the referred table, spelled as in its own definition."""
    parent_columns: tuple[int, ...]
    is_declared: bool = True
    """False for a key that only the names of the columns suggest; SQLite does not enforce it."""


@dataclass
class FillTable:
    """A table as `sense.filling.rows` fills it."""

    name: str
    columns: list[FillColumn]
    primary_key: tuple[int, ...]
    unique: list[tuple[int, ...]]
    """Column positions of the primary key and of each UNIQUE constraint or index."""
    is_empty: bool
    keys: list[Key] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of columns of which a CHECK wants the first not to exceed the second."""
    checked: frozenset[int] = frozenset()
    """Columns that occur in any CHECK."""
    constants: tuple[Any, ...] = ()
    """Constants that occur in CHECKs, which are good guesses for values."""

    def position(self, name: str) -> int | None:
        """Where the column of this name is; SQLite ignores the case of ASCII letters."""
        return self._positions.get(name.lower())

    def __post_init__(self) -> None:
        self._positions = {column.name.lower(): i for i, column in enumerate(self.columns)}


def read_tables(connection: apsw.Connection) -> list[FillTable]:
    """The ordinary tables of an open database, in its order, not virtual and internal ones."""
    kinds = {
        name: kind
        for schema, name, kind, *_ in connection.execute("PRAGMA main.table_list")
        if schema == "main"
    }
    created: list[Any] = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"
    ).fetchall()
    tables = [
        _read_table(connection, name, sql)
        for name, sql in created
        if kinds.get(name) == "table" and not name.startswith("sqlite_")
    ]
    by_name = {table.name.lower(): table for table in tables}
    for table in tables:
        table.keys = _read_keys(connection, table, by_name)
    return tables


def affinity_of(declared_type: str) -> Affinity:
    """SQLite's affinity of a declared type. Source: sqlite.org/datatype3.html, section 3.1.

    >>> [affinity_of(t) for t in ("bigint", "varchar(20)", "double", "DATE", "blob", "")]
    ['INTEGER', 'TEXT', 'REAL', 'NUMERIC', 'BLOB', '']
    """
    declared = declared_type.upper()
    if not declared or declared == "ANY":
        return ""
    if "INT" in declared:
        return "INTEGER"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in declared:
        return "BLOB"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def quoted(name: str) -> str:
    """The name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _read_table(connection: apsw.Connection, name: str, sql: str) -> FillTable:
    info = list(connection.execute(f"PRAGMA table_xinfo({quoted(name)})"))
    stored = [row for row in info if row[6] == 0]
    checks = _checks(sql, frozenset(row[1].lower() for row in info))
    bounds: dict[str, Bounds] = {row[1].lower(): Bounds() for row in info}
    orders = [pair for check in checks for pair in _apply(check, bounds)]
    table = FillTable(
        name=name,
        columns=[
            FillColumn(
                column,
                declared,
                affinity_of(declared),
                nullable=not not_null and not primary,
                bounds=bounds[column.lower()],
            )
            for _, column, declared, not_null, _, primary, _ in stored
        ],
        primary_key=(),
        unique=[],
        is_empty=not connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 1").fetchall(),
        constants=tuple(dict.fromkeys(value for c in checks for value in _constants(c))),
    )
    by_rank = sorted((row[5], row[1]) for row in stored if row[5])
    table.primary_key = _positions(table, [column for _, column in by_rank]) or ()
    table.unique = list(_read_unique(connection, table))
    found = (_positions(table, pair) for pair in orders)
    table.orders = [(pair[0], pair[1]) for pair in found if pair]
    named = {c.name.lower() for check in checks for c in check.find_all(exp.Column)}
    table.checked = frozenset(i for i, c in enumerate(table.columns) if c.name.lower() in named)
    return table


def _positions(table: FillTable, names: Iterable[str | None]) -> tuple[int, ...] | None:
    found = [table.position(name) if name is not None else None for name in names]
    return None if any(i is None for i in found) else tuple(i for i in found if i is not None)


def _read_unique(connection: apsw.Connection, table: FillTable) -> Iterator[tuple[int, ...]]:
    """Groups of columns with distinct values, not indexes on expressions or on some rows."""
    if table.primary_key:
        yield table.primary_key
    for _, index, unique, _, partial in connection.execute(
        f"PRAGMA index_list({quoted(table.name)})"
    ):
        if unique and not partial:
            names = [row[2] for row in connection.execute(f"PRAGMA index_info({quoted(index)})")]
            group = _positions(table, names)
            if group and group != table.primary_key:
                yield group


def _read_keys(
    connection: apsw.Connection, table: FillTable, tables: dict[str, FillTable]
) -> list[Key]:
    """Foreign keys, the widest first, so that narrower ones on the same columns follow them.

    A key on a missing column refers to the primary key instead and counts as undeclared; one to a
    missing table is left out, since only NULL can meet it.
    """
    groups: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, _, parent, column, parent_column, *_ in connection.execute(
        f"PRAGMA foreign_key_list({quoted(table.name)})"
    ):
        groups.setdefault(number, []).append((parent, column, parent_column))
    keys = []
    for group in groups.values():
        columns = _positions(table, [column for _, column, _ in group])
        parent = tables.get(group[0][0].lower())
        if columns is None or parent is None:
            continue
        named = [parent_column for *_, parent_column in group]
        found = parent.primary_key if None in named else _positions(parent, named)
        if found and len(found) == len(columns):
            keys.append(Key(columns, parent.name, found))
        elif len(parent.primary_key) == len(columns):
            keys.append(Key(columns, parent.name, parent.primary_key, is_declared=False))
    return sorted(keys, key=lambda key: -len(key.columns))


@lru_cache(maxsize=1024)
def _checks(sql: str, columns: frozenset[str]) -> tuple[exp.Expr, ...]:
    """The conditions of the CHECKs, conjunctions taken apart; () where sqlglot cannot read them.

    SQLite takes "x" for text where no column has that name, and so does this.
    """
    if "check" not in sql.lower():
        return ()
    # What follows the column list, such as WITHOUT ROWID, is no condition; sqlglot stops at it.
    try:
        tree = sqlglot.parse_one(sql[: sql.rindex(")") + 1], read="sqlite")
    except sqlglot.errors.SqlglotError:
        return ()
    conditions: list[exp.Expr] = []
    for constraint in tree.find_all(exp.CheckColumnConstraint):
        for node in list(constraint.find_all(exp.Column)):
            if node.this.quoted and node.name.lower() not in columns:
                node.replace(exp.Literal.string(node.name))
        stack = [constraint.this]
        while stack:
            condition = stack.pop().unnest()
            if isinstance(condition, exp.And):
                stack += [condition.expression, condition.this]
            else:
                conditions.append(condition)
    return tuple(conditions)


def _apply(check: exp.Expr, bounds: dict[str, Bounds]) -> Iterator[tuple[str, str]]:
    """Narrows the bounds of the column that a condition is about; yields a pair that it orders."""
    if isinstance(check, exp.Or):
        check = _without_null_test(check)
    if isinstance(check, exp.Or):
        _apply_choices(check, bounds)
    elif isinstance(check, exp.In) and not check.args.get("query"):
        values = [_value(value) for value in check.expressions]
        _restrict(_bounds(check.this, bounds), [v for v in values if v is not None])
    elif isinstance(check, exp.Between):
        _limit(_bounds(check.this, bounds), ">=", _value(check.args["low"]))
        _limit(_bounds(check.this, bounds), "<=", _value(check.args["high"]))
    elif isinstance(check, (exp.Like, exp.Glob)):
        column, pattern = _bounds(check.this, bounds), _value(check.expression)
        if column and isinstance(pattern, str):
            mark = "\0" if isinstance(check, exp.Glob) else ""
            column.patterns = (*column.patterns, mark + pattern)
    elif type(check) in _OPERATORS:
        yield from _compare(check, bounds)


_OPERATORS: dict[type, str] = {
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.EQ: "=",
}
_FLIPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}


def _compare(check: exp.Expr, bounds: dict[str, Bounds]) -> Iterator[tuple[str, str]]:
    operator = _OPERATORS[type(check)]
    left, right = check.this.unnest(), check.expression.unnest()
    if _value(left) is not None:
        operator, left, right = _FLIPPED[operator], right, left
    value = _value(right)
    if isinstance(left, exp.Column) and isinstance(right, exp.Column) and operator != "=":
        pair = (left.name, right.name)
        yield pair if operator in ("<", "<=") else (pair[1], pair[0])
    elif isinstance(left, exp.Length) and isinstance(value, int):
        _limit_chars(_bounds(left.this, bounds), operator, value)
    elif operator == "=" and value is not None:
        _restrict(_bounds(left, bounds), [value])
    else:
        _limit(_bounds(left, bounds), operator, value)


def _without_null_test(check: exp.Expr) -> exp.Expr:
    """`x` of `c IS NULL OR x`, which is what a value of the column has to meet."""
    sides = [side.unnest() for side in check.flatten()]
    rest = [side for side in sides if not (isinstance(side, exp.Is) and _is_null(side.expression))]
    return rest[0] if len(rest) == 1 else check


def _is_null(node: exp.Expr) -> bool:
    return isinstance(node, exp.Null)


def _apply_choices(check: exp.Expr, bounds: dict[str, Bounds]) -> None:
    """`c = 1 OR c = 2 ...` as a choice."""
    sides = [side.unnest() for side in check.flatten()]
    if not all(isinstance(side, exp.EQ) for side in sides):
        return
    names = {side.this.sql() for side in sides}
    values = [_value(side.expression) for side in sides]
    if len(names) == 1 and all(value is not None for value in values):
        _restrict(_bounds(sides[0].this, bounds), values)


def _bounds(node: exp.Expr, bounds: dict[str, Bounds]) -> Bounds | None:
    node = node.unnest()
    return bounds.get(node.name.lower()) if isinstance(node, exp.Column) else None


def _restrict(bounds: Bounds | None, values: list[Any]) -> None:
    if bounds and values:
        known = bounds.choices
        bounds.choices = tuple(v for v in dict.fromkeys(values) if known is None or v in known)


def _limit(bounds: Bounds | None, operator: str, value: Any) -> None:
    if bounds is None or value in (None, inf, -inf):
        return
    known = bounds.low if operator.startswith(">") else bounds.high
    if known is not None and isinstance(known, str) != isinstance(value, str):
        return  # SQLite judges what cannot be compared here
    is_open = operator in ("<", ">")
    if operator.startswith(">") and (known is None or value > known):
        bounds.low, bounds.low_open = value, is_open
    elif operator.startswith("<") and (known is None or value < known):
        bounds.high, bounds.high_open = value, is_open


def _limit_chars(bounds: Bounds | None, operator: str, value: int) -> None:
    if bounds is None:
        return
    if operator in (">", ">=", "="):
        bounds.min_chars = max(bounds.min_chars, value + (operator == ">"))
    if operator in ("<", "<=", "="):
        top = value - (operator == "<")
        bounds.max_chars = top if bounds.max_chars is None else min(bounds.max_chars, top)


def _value(node: exp.Expr) -> Any:
    """The constant that a node is, or None."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        value = _value(node.this)
        return -value if isinstance(value, (int, float)) else None
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return node.name
    return number(node.name)


def number(text: str) -> int | float:
    """A number as SQLite reads it: an integer of more than 64 bits is a float.

    >>> number("9223372036854775807"), number("9223372036854775808")
    (9223372036854775807, 9.223372036854776e+18)
    """
    is_integer = text.isdigit() and len(text) < 20 and int(text) < 2**63
    return int(text) if is_integer else float(text)


def _constants(check: exp.Expr) -> Iterator[Any]:
    for node in check.find_all(exp.Literal):
        value = _value(node)
        yield value
        if not isinstance(value, str):
            yield from (value + 1, value - 1, -value)
