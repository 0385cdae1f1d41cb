"""The values that a query compares columns with, so that a database can be made to hold them."""

from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from sense.rows import Literal
from sense.schema import Schema

_OFFSETS: dict[type, int] = {exp.GT: 1, exp.LT: -1}
"""What to add to the constant of `column > constant` for a value that meets it."""


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
            yield int(node.name) if node.name.isdigit() else float(node.name)
    elif isinstance(node, exp.Column) and node.this.quoted and not node.table:
        yield node.name
