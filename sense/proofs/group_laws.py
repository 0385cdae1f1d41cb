"""Laws of groups: GROUP BY, HAVING, COUNT and DISTINCT."""

from collections.abc import Callable
from dataclasses import replace

from sense.proofs.algebra import (
    AGGREGATES,
    REJECTING,
    Block,
    SetOperation,
    Term,
    column,
    columns,
    has_aggregate,
    has_subquery,
    is_column,
    mapped,
    operands,
    substituted,
)
from sense.proofs.guarantees import EXACT, Guarantees, determined_columns, is_determined


def groups_are_filtered(block: Block, given: Guarantees) -> Block:
    """SELECT ... FROM (a query with groups) WHERE ... filters groups: it is HAVING."""
    if len(block.sources) != 1 or block.joins or not block.is_plain:
        return block
    inner = block.sources[0].content
    if not isinstance(inner, Block) or inner.keys is None or inner.is_distinct or inner.limit:
        return block
    if not all(is_column(term) or term[0] in AGGREGATES for term in inner.select):
        return block
    if has_subquery((block.select, block.where, block.order)):  # an aggregate would become its own
        return block
    new = {column(block.sources[0].id, str(i)): term for i, term in enumerate(inner.select)}
    outer = substituted(block, new)
    return replace(inner, select=outer.select, having=inner.having | outer.where, order=outer.order)


def having_is_where(block: Block, given: Guarantees) -> Block:
    """A comparison of a GROUP BY column holds for all rows of a group or for none."""
    if not block.keys:
        return block
    moved = {
        condition
        for condition in block.having
        if not has_aggregate(condition)
        and columns(condition) <= block.keys
        and all(given.affinity(term) in EXACT for term in columns(condition))
        and not has_subquery(condition)
    }
    return replace(block, having=block.having - moved, where=block.where | moved)


def rows_are_counted(block: Block, given: Guarantees) -> Block:
    """COUNT of a value that is never NULL counts rows; of distinct ones if each row has its own."""
    filtered = {
        operand
        for condition in block.where
        if condition[0] in REJECTING
        for operand in operands(condition)
        if is_column(operand)
    }

    def counted(part: object) -> Term | None:
        if isinstance(part, Block | SetOperation):
            return None
        if not isinstance(part, tuple) or len(part) != 3 or part[0] not in ("count", "max", "min"):
            return None
        name, value, is_distinct = part
        if name != "count":
            has_bare = bool(_bare_columns(block))
            return (name, value, False) if is_distinct and not has_bare else None
        is_given = value[0] in ("number", "string")
        if not is_given and value not in filtered and not given.is_never_null(value):
            return None
        if is_distinct and not _is_one_per_row(value, block, given):
            return None
        return ("count rows",)

    return _with_own_results(block, counted)


def grouping_is_distinct(block: Block, given: Guarantees) -> Block:
    """GROUP BY all that is selected, without aggregates, gives each row once."""
    if not block.keys or block.having or block.limit or has_aggregate(block.results):
        return block
    is_shown = frozenset(block.select) == block.keys >= {order.term for order in block.order}
    return replace(block, keys=None, is_distinct=True) if is_shown else block


def keys_are_minimal(block: Block, given: Guarantees) -> Block:
    """A GROUP BY column that follows from the others makes no group smaller."""
    if not block.keys or len(block.keys) == 1:
        return block
    in_keys = {term for s in block.sources for key in given.keys(s.id) for term in key}
    for key in sorted(block.keys, key=lambda term: (term in in_keys, str(term))):
        rest = block.keys - {key}
        if is_column(key) and key in determined_columns(rest, block, given):
            return replace(block, keys=rest)
    return block


def distinct_is_idle(block: Block, given: Guarantees) -> Block:
    """DISTINCT takes nothing from rows that hold a key of every source, or of their group."""
    if not block.is_distinct:
        return block
    if block.is_aggregated:
        is_idle = block.keys is not None and block.keys <= frozenset(block.select)
    else:
        known = determined_columns(frozenset(filter(is_column, block.select)), block, given)
        is_idle = not block.joins and all(is_determined(s.id, known, given) for s in block.sources)
    return replace(block, is_distinct=False) if is_idle else block


def _bare_columns(block: Block) -> set[Term]:
    """Columns of an aggregated result that are not in GROUP BY and not within an aggregate."""
    if not block.is_aggregated:
        return set()
    outside = mapped(
        (block.select, block.having, block.order),
        lambda part: (
            ("number", "0") if isinstance(part, tuple) and part and part[0] in AGGREGATES else None
        ),
    )
    return columns(outside) - (block.keys or frozenset())


def _is_one_per_row(value: Term, block: Block, given: Guarantees) -> bool:
    if len(block.sources) != 1 or block.joins or not is_column(value):
        return False
    return (value,) in given.keys(block.sources[0].id)


def _with_own_results(block: Block, change: Callable[[object], Term | None]) -> Block:
    """The block with terms of its results changed, those of subqueries left alone."""

    def own(part: object) -> object:
        if isinstance(part, Block | SetOperation):
            return part
        return change(part)

    select, keys, having, order = mapped(block.results, own)
    return replace(block, select=select, keys=keys, having=having, order=order)
