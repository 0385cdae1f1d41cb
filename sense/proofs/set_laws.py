"""Laws of UNION, INTERSECT and EXCEPT, which see each row once whatever a side repeats."""

from dataclasses import replace

from sense.proofs.algebra import (
    Block,
    Order,
    Query,
    SetOperation,
    Term,
    column,
    conjunction,
    connected,
    is_free,
    substituted,
)
from sense.proofs.guarantees import Guarantees


def combined(operation: SetOperation, given: Guarantees) -> Query:
    """INTERSECT is existence, EXCEPT its absence, where no value is NULL; UNION over the same
    sources is OR. Each side counts once whatever it repeats."""
    if operation.kind == "union all":
        return operation
    sides = tuple(_as_set(side) for side in operation.sides)
    first, *others = sides
    if operation.kind == "union":
        merged: list[Query] = [first]
        for side in others:
            for i, kept in enumerate(merged):
                if both := _either(kept, side, given):
                    merged[i] = both
                    break
            else:
                merged.append(side)
        if len(merged) == 1 and isinstance(merged[0], Block):
            return _ordered_as(operation, merged[0])
        return replace(operation, sides=tuple(merged))
    found = _in_both(first, others[0], given)
    if found and isinstance(first, Block):
        condition: Term = found if operation.kind == "intersect" else ("not", found)
        return _ordered_as(operation, replace(first, where=first.where | {condition}))
    return replace(operation, sides=sides)


def _as_set(query: Query) -> Query:
    if isinstance(query, Block) and not query.is_aggregated and not query.limit:
        return replace(query, is_distinct=True)
    return query


def _is_set(query: Query) -> bool:
    """Whether the query is the distinct rows of a plain one."""
    return isinstance(query, Block) and is_free(replace(query, is_distinct=False))


def _ordered_as(operation: SetOperation, block: Block) -> Block:
    order = tuple(Order(block.select[i], *flags) for i, *flags in operation.order)
    return replace(block, is_distinct=True, order=order, limit=operation.limit)


def _either(first: Query, second: Query, given: Guarantees) -> Block | None:
    """The rows of one or the other, where both select the same from the same tables."""
    if not isinstance(first, Block) or not isinstance(second, Block):
        return None
    if not _is_set(first) or not _is_set(second):
        return None
    names = [{source.content: source.id for source in side.sources} for side in (first, second)]
    is_named = all(isinstance(name, str) for name in names[0])
    if names[0].keys() != names[1].keys() or not is_named:
        return None
    if len(names[0]) < max(len(first.sources), len(second.sources)):
        return None
    new = {
        column(names[1][name], c.name.lower()): column(names[0][name], c.name.lower())
        for name in names[0]
        for c in given.tables[names[0][name]].columns
    }
    select, where = substituted((second.select, second.where), new)
    if first.select != select:
        return None
    shared = first.where & where
    rests = [first.where - shared, where - shared]
    if all(rests):
        shared |= {connected("or", map(conjunction, rests))}
    return replace(first, where=shared)


def _in_both(first: Query, second: Query, given: Guarantees) -> Term | None:
    """The condition on the rows of the first that the second has them too."""
    if not isinstance(first, Block) or not isinstance(second, Block):
        return None
    if not _is_set(first) or not _is_set(second) or len(first.select) != len(second.select):
        return None
    pairs = list(zip(first.select, second.select, strict=True))
    if not all(
        given.is_never_null(one) and given.is_never_null(other) and given.is_exact(one, other)
        for one, other in pairs
    ):
        return None
    same = {("=", frozenset(pair)) for pair in pairs}
    return ("exists", Block(second.sources, where=second.where | same))
