"""Near-miss queries: one edit of the syntax tree each, named by the kind of error that it imitates.

They distil test suites, stand in for a weak model where there is none, and give hard negatives
(after Zhong et al. 2020, section 3.2). Every edit keeps the query valid over its schema; the list
never varies. Their kinds are those that `sense.diagnosis` gives to wrong answers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from sqlglot import exp

from sense.hardness import normalize_sql, parse_sql, sql_text
from sense.mutations.conditions import (
    comparison_edits,
    condition_edits,
    connective_edits,
    negation_edits,
    value_edits,
)
from sense.mutations.place import Context, Edit, Values, value_key
from sense.mutations.structure import (
    aggregate_edits,
    column_edits,
    distinct_edits,
    group_edits,
    join_edits,
    limit_edits,
    nesting_edits,
    order_edits,
    projection_edits,
    set_operation_edits,
    table_edits,
)
from sense.schema import Schema

__all__ = ["Mutation", "Values", "mutate"]

MakeEdits: TypeAlias = Callable[[exp.Expr, Context], Iterable[Edit]]

EDITS: tuple[MakeEdits, ...] = (
    aggregate_edits,
    comparison_edits,
    negation_edits,
    column_edits,
    table_edits,
    join_edits,
    distinct_edits,
    order_edits,
    limit_edits,
    condition_edits,
    connective_edits,
    value_edits,
    group_edits,
    set_operation_edits,
    nesting_edits,
    projection_edits,
)
"""Tried at each node, in this order."""


class Mutation(NamedTuple):
    """A query that is nearly gold."""

    sql: str
    kind: str
    """One of `ERROR_KINDS`."""


def mutate(sql: str | exp.Expr, schema: Schema, values: Values | None = None) -> list[Mutation]:
    """All near misses of the query, in the order of its tree; no two are equal, none is the query.

    `values` gives texts to put in place of those of the query, and extra conditions; without it
    texts change only their case, and extra conditions say IS NOT NULL.

    >>> from sense.schema import Column, Table
    >>> person = Schema((Table("person", (Column("age", "INTEGER"),)),))
    >>> [m for m in mutate("SELECT MAX(age) FROM person", person) if m.kind == "aggregate"]
    [Mutation(sql='SELECT MIN(age) FROM person', kind='aggregate'), \
Mutation(sql='SELECT age FROM person', kind='aggregate')]
    """
    root = exp.Paren(this=parse_sql(sql).copy())
    context = Context(schema, {value_key(*name): found for name, found in (values or {}).items()})
    seen = {normalize_sql(root.this)}
    mutations = []
    for edit in list(_edits(root, context)):
        before = edit.node.args.get(edit.arg)
        edit.node.set(edit.arg, edit.value)
        form = normalize_sql(root.this)
        if form not in seen:
            seen.add(form)
            mutations.append(Mutation(sql_text(root.this), edit.kind))
        edit.node.set(edit.arg, before)
    return mutations


def _edits(root: exp.Expr, context: Context) -> Iterator[Edit]:
    for node in list(root.walk(bfs=False)):
        for edits in EDITS:
            yield from edits(node, context)
