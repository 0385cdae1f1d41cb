"""Places in a query where an edit may be made, and what lies around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from sqlglot import exp

from sense.schema import Column, Schema, Table

Values: TypeAlias = Mapping[tuple[str, str], Sequence[Any]]
"""(table, column) -> values that occur in the column; the case of the names does not matter."""

MAX_ALTERNATIVES = 2
"""Most replacements in one place: the list grows with the query, not with the schema."""


class Edit(NamedTuple):
    """One argument of one node gets another value."""

    kind: str
    node: exp.Expr
    arg: str
    value: Any


@dataclass(frozen=True)
class Context:
    """What edits look up: the schema, and values by lower-case names."""

    schema: Schema
    values: Values

    def table(self, name: str) -> Table | None:
        found = (table for table in self.schema.tables if table.name.lower() == name.lower())
        return next(found, None)

    def values_of(self, column: exp.Expr) -> Sequence[Any]:
        source = self.source_of(column) if isinstance(column, exp.Column) else None
        return self.values.get(value_key(source.name, column.name), ()) if source else ()

    def source_of(self, column: exp.Column) -> exp.Table | None:
        """The table that the column belongs to; None for a column of a subquery or an alias."""
        select = column.parent_select
        while select is not None:
            for source in sources(select):
                if column.table and source.alias_or_name.lower() == column.table.lower():
                    return source if isinstance(source, exp.Table) else None
                if not column.table and isinstance(source, exp.Table) and self.has(source, column):
                    return source
            select = select.parent_select
        return None

    def has(self, source: exp.Table, column: exp.Column) -> bool:
        table = self.table(source.name)
        return table is not None and find_column(table, column.name) is not None

    def _is_unambiguous(self, other: Column, place: exp.Expr) -> bool:
        tables = [self.table(source.name) for source in sources(place.parent_select or place)]
        return sum(find_column(table, other.name) is not None for table in tables if table) == 1

    def alternatives(self, column: exp.Column) -> list[Column]:
        """The next columns of its table, of the same kind of type where there are any."""
        source = self.source_of(column)
        table = self.table(source.name) if source else None
        own = find_column(table, column.name) if table else None
        if table is None or own is None:
            return []
        at = table.columns.index(own)
        others = [*table.columns[at + 1 :], *table.columns[:at]]
        if not column.table:
            others = [other for other in others if self._is_unambiguous(other, column)]
        alike = [other for other in others if affinity(other) == affinity(own)]
        return (alike or others[:1])[:MAX_ALTERNATIVES]


def replaced(kind: str, old: exp.Expr, new: exp.Expr) -> Edit:
    """The edit that puts `new` in the place of `old`."""
    parent, arg = old.parent, old.arg_key
    assert parent is not None and arg is not None, "the root is wrapped, so every node has a parent"
    if old.index is None:
        return Edit(kind, parent, arg, new)
    return Edit(kind, parent, arg, [new if item is old else item for item in parent.args[arg]])


def removed(kind: str, old: exp.Expr) -> Edit:
    """The edit that takes `old` out of its list."""
    parent, arg = old.parent, old.arg_key
    assert parent is not None and arg is not None, "only items of a list are removed"
    return Edit(kind, parent, arg, [item for item in parent.args[arg] if item is not old])


def clause_of(node: exp.Expr) -> str:
    """The argument of its SELECT that holds the node, `where` say; `order` within a window too."""
    arg = node.arg_key or ""
    while arg != "order" and node.parent is not None and not isinstance(node.parent, exp.Query):
        node = node.parent
        arg = node.arg_key or ""
    return arg


def sources(select: exp.Expr) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    return [from_.this, *joined] if from_ else joined


def find_column(table: Table, name: str) -> Column | None:
    return next((column for column in table.columns if column.name.lower() == name.lower()), None)


def affinity(column: Column) -> str:
    """SQLite's type affinity (datatype3.html, section 3.1), INTEGER and REAL counted as numeric."""
    declared = column.type.upper()
    if "INT" in declared:
        return "numeric"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return "any" if not declared or "BLOB" in declared else "numeric"


def is_number(column: exp.Column, context: Context) -> bool:
    source = context.source_of(column)
    table = context.table(source.name) if source else None
    found = find_column(table, column.name) if table else None
    return found is not None and affinity(found) == "numeric"


def literal(value: Any) -> exp.Expr:
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def wrapped(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node) if isinstance(node, exp.Connector) else node


def copied(args: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.copy() if isinstance(value, exp.Expr) else value for name, value in args.items()
    }


def value_key(table: str, column: str) -> tuple[str, str]:
    return table.lower(), column.lower()
