"""The values that a query compares columns with, and the rows that should hold them.

The place of a literal in its list is its moment: rows whose moments are near belong to one query.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from sense.filling.constraints import FillTable, number
from sense.schema import Schema

_OFFSETS: dict[type, int] = {exp.GT: 1, exp.LT: -1}
"""What to add to the constant of `column > constant` for a value that meets it."""

MAX_GAP = 6
"""Literals of a table further apart in the list do not share a row."""


class Literal(NamedTuple):
    """A value that queries look for and the column that should hold it."""

    table: str
    column: str
    value: Any


@dataclass
class Wish:
    """Literals that should stand in one row, and the moments at which they were asked for."""

    values: dict[int, Any]
    moments: list[float]


def query_literals(sql: str, schema: Schema) -> list[Literal]:
    """Values that meet the conditions of a query on single columns, in the order of the query.

    `c > 5` gives 6 and `c LIKE '%ab%'` gives 'ab'; `c != 'x'` and computed values give nothing, nor
    does SQL that sqlglot cannot read.

    >>> from sense.schema import Column, Table
    >>> city = Table("city", (Column("name", "TEXT"), Column("size", "INTEGER")))
    >>> query = "SELECT count(*) FROM city AS t WHERE t.name = 'Lyon' AND size > 5"
    >>> [tuple(literal) for literal in query_literals(query, Schema((city,)))]
    [('city', 'name', 'Lyon'), ('city', 'size', 6)]
    """
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
        scopes = traverse_scope(tree)
    except sqlglot.errors.SqlglotError:
        return []
    names = {
        table.name.lower(): {column.name.lower(): column.name for column in table.columns}
        for table in schema.tables
    }
    spelled = {table.name.lower(): table.name for table in schema.tables}
    found = []
    for scope in scopes:
        for column in scope.columns:
            owner = _owner(column, scope, names)
            if owner:
                name = names[owner][column.name.lower()]
                found += [Literal(spelled[owner], name, value) for value in _values(column)]
    return found


def plan_literals(
    literals: list[Literal], tables: dict[str, FillTable]
) -> tuple[list[Literal], dict[str, list[Wish]], dict[str, dict[int, list[tuple[float, Any]]]]]:
    """Literals without an empty table, and by table the rows to make and the values to prefer."""
    unplaced: list[Literal] = []
    wishes: dict[str, list[Wish]] = {}
    near: dict[str, dict[int, list[tuple[float, Any]]]] = {}
    for moment, literal in enumerate(literals):
        table = tables.get(literal.table.lower())
        column = table.position(literal.column) if table else None
        if table is None or column is None:
            unplaced.append(literal)
            continue
        for owner, i in _with_parents(table, column, tables):
            if owner.is_empty:
                _add_wish(wishes.setdefault(owner.name, []), i, literal.value, moment)
                near.setdefault(owner.name, {}).setdefault(i, []).append((moment, literal.value))
    return unplaced, {name: _merged(rows) for name, rows in wishes.items()}, near


def _owner(column: exp.Column, scope: Scope, names: dict[str, dict[str, str]]) -> str | None:
    """The table that the column belongs to, in lower case; None for one of a subquery."""
    for alias, source in scope.sources.items():
        is_meant = not column.table or alias.lower() == column.table.lower()
        if is_meant and isinstance(source, exp.Table):
            table = source.name.lower()
            if column.name.lower() in names.get(table, {}):
                return table
    return None


def _values(column: exp.Column) -> Iterator[Any]:
    node: exp.Expr = column
    while isinstance(node.parent, (exp.Paren, exp.Lower, exp.Upper)):
        node = node.parent
    condition = node.parent
    if isinstance(condition, exp.Between) and condition.this is node:
        yield from _constant(condition.args["low"])
        yield from _constant(condition.args["high"])
    elif isinstance(condition, exp.In) and condition.this is node:
        for value in condition.expressions:
            yield from _constant(value)
    elif isinstance(condition, (exp.Like, exp.Glob)) and condition.this is node:
        for value in _constant(condition.expression):
            yield str(value).replace("*", "%").replace("_", "a").replace("%", "")
    elif isinstance(condition, (exp.EQ, exp.Is, exp.GT, exp.GTE, exp.LT, exp.LTE)):
        is_left = condition.this is node
        offset = _OFFSETS.get(type(condition), 0) * (1 if is_left else -1)
        for value in _constant(condition.expression if is_left else condition.this):
            yield value + offset if isinstance(value, (int, float)) else value


def _constant(node: exp.Expr) -> Iterator[Any]:
    """The constant that a node is; "x" in double quotes counts as text where SQLite takes it so."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        for value in _constant(node.this):
            if not isinstance(value, str):
                yield -value
    elif isinstance(node, exp.Literal):
        if node.is_string:
            yield node.name
        else:
            yield number(node.name)
    elif isinstance(node, exp.Column) and node.this.quoted and not node.table:
        yield node.name


def _with_parents(
    table: FillTable, column: int, tables: dict[str, FillTable]
) -> list[tuple[FillTable, int]]:
    """The column and those that its foreign keys lead to."""
    found = [(table, column)]
    for owner, i in found:
        for key in owner.keys:
            if i in key.columns:
                parent = tables[key.parent.lower()]
                target = parent, key.parent_columns[key.columns.index(i)]
                if not any(target[0] is t and target[1] == c for t, c in found):
                    found.append(target)
    return found


def _add_wish(rows: list[Wish], column: int, value: Any, moment: float) -> None:
    last = rows[-1] if rows else None
    if last and moment - last.moments[-1] <= MAX_GAP and last.values.get(column, value) == value:
        last.values[column] = value
        last.moments.append(moment)
    else:
        rows.append(Wish({column: value}, [moment]))


def _merged(rows: list[Wish]) -> list[Wish]:
    """The rows without those that another one covers; wider rows first, then the wanted ones."""
    kept: list[Wish] = []
    holders: dict[tuple[int, Any], list[Wish]] = {}
    for row in sorted(rows, key=lambda row: -len(row.values)):
        items = list(row.values.items())
        cover = next(
            (w for w in holders.get(items[0], []) if all(w.values.get(c) == v for c, v in items)),
            None,
        )
        if cover:
            cover.moments.extend(row.moments)
            continue
        kept.append(row)
        for item in items:
            holders.setdefault(item, []).append(row)
    return sorted(kept, key=lambda row: -len(row.moments))
