"""Laws of joins: when a LEFT JOIN is an inner one or none, when a subquery is part of its query."""

from dataclasses import replace

from sense.proofs.algebra import (
    REJECTING,
    Block,
    LeftJoin,
    Term,
    column,
    is_column,
    operands,
    substituted,
    used_sources,
)
from sense.proofs.guarantees import Guarantees, finds_one


def left_join_is_inner(block: Block, given: Guarantees) -> Block:
    """A LEFT JOIN is an inner one where WHERE is not true for a row of NULLs on its right."""
    for join in block.joins:
        is_base = not any(join.source.id in used_sources(j.on) for j in block.joins if j != join)
        if is_base and any(_rejects_null(c, join.source.id) for c in block.where):
            return replace(
                block,
                sources=(*block.sources, join.source),
                joins=tuple(j for j in block.joins if j != join),
                where=block.where | join.on,
            )
    return block


def left_join_finds_nothing(block: Block, given: Guarantees) -> Block:
    """LEFT JOIN s ... WHERE s.c IS NULL keeps rows without a match if no match has a NULL there."""
    for join in block.joins:
        own = join.source.id
        for condition in block.where:
            if condition[0] != "is null" or not _never_null_in(condition[1], join, given):
                continue
            rest = replace(
                block,
                joins=tuple(j for j in block.joins if j != join),
                where=block.where - {condition},
            )
            if own not in used_sources(rest):
                missing = ("not", ("exists", Block((join.source,), where=join.on)))
                return replace(rest, where=rest.where | {missing})
    return block


def left_join_is_unused(block: Block, given: Guarantees) -> Block:
    """A LEFT JOIN that finds one row at most and is not looked at changes nothing."""
    for join in block.joins:
        rest = replace(block, joins=tuple(j for j in block.joins if j != join))
        own = join.source.id
        if own not in used_sources(rest) and finds_one(own, join.on, given):
            return rest
    return block


def subquery_is_inlined(block: Block, given: Guarantees) -> Block:
    """A subquery in FROM that only combines, filters and selects columns is part of the query."""
    for source in block.sources:
        inner = source.content
        if not isinstance(inner, Block) or not inner.is_plain:
            continue
        if not all(map(is_column, inner.select)):
            continue
        new = {column(source.id, str(i)): term for i, term in enumerate(inner.select)}
        rest = tuple(s for s in block.sources if s != source)
        return substituted(
            replace(block, sources=(*rest, *inner.sources), where=block.where | inner.where),
            new,
        )
    return block


def _rejects_null(condition: Term, source: int) -> bool:
    if condition[0] not in REJECTING:
        return False
    return any(is_column(term) and term[1] == source for term in operands(condition))


def _never_null_in(term: Term, join: LeftJoin, given: Guarantees) -> bool:
    """Whether a match of the join never has NULL in this column of its source."""
    if given.column(term) is None or term[1] != join.source.id:
        return False
    is_compared = any(c[0] == "=" and term in c[1] for c in join.on)
    return is_compared or given.is_never_stored_null(term)
