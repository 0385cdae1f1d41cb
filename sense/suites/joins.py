"""The columns that queries compare with each other: keys that a schema may not declare."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from sense.schema import Schema

End: TypeAlias = tuple[str, str]
"""Table and column in lower case."""


def joined_columns(schema: Schema, sqls: Iterable[str]) -> list[tuple[End, End]]:
    """Pairs of columns that some query compares by `=`, each once, in the order of the queries.

    SQL that sqlglot cannot read and columns of subqueries give nothing.

    >>> from sense.schema import Column, Table
    >>> tables = [Table("city", (Column("nation", "TEXT"),)), Table("nation", (Column("id", ""),))]
    >>> sql = "SELECT count(*) FROM city AS c JOIN nation AS n ON c.nation = n.id"
    >>> joined_columns(Schema(tuple(tables)), [sql])
    [(('city', 'nation'), ('nation', 'id'))]
    """
    columns = {t.name.lower(): {c.name.lower() for c in t.columns} for t in schema.tables}
    found: dict[frozenset[End], tuple[End, End]] = {}
    for sql in sqls:
        for left, right in _pairs(sql, columns):
            found.setdefault(frozenset([left, right]), (left, right))
    return list(found.values())


def _pairs(sql: str, columns: Mapping[str, set[str]]) -> Iterator[tuple[End, End]]:
    try:
        scopes = traverse_scope(sqlglot.parse_one(sql, read="sqlite"))
    except sqlglot.errors.SqlglotError:
        return
    for scope in scopes:
        for equal in scope.expression.find_all(exp.EQ):
            left = _end(equal.this.unnest(), scope.sources, columns)
            right = _end(equal.expression.unnest(), scope.sources, columns)
            if left and right and left != right:
                yield left, right


def _end(node: exp.Expr, sources: Mapping[str, Any], columns: Mapping[str, set[str]]) -> End | None:
    if not isinstance(node, exp.Column):
        return None
    for alias, source in sources.items():
        if isinstance(source, exp.Table) and node.table.lower() in ("", alias.lower()):
            table, column = source.name.lower(), node.name.lower()
            if column in columns.get(table, ()):
                return table, column
    return None
