"""Laws of existence: IN, EXISTS, counting and joins that say the same about which rows are kept.

A condition of WHERE, HAVING or EXISTS keeps rows where it is true, so that there NULL may stand for
false.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from sense.proofs.algebra import (
    Block,
    SetOperation,
    Source,
    Term,
    column,
    connected,
    has_aggregate,
    is_column,
    is_free,
    operands,
    substituted,
    used_sources,
)
from sense.proofs.condition_laws import equality_is_transitive
from sense.proofs.guarantees import Guarantees, finds_one


def membership_is_existence(block: Block, given: Guarantees) -> Block:
    """x IN (SELECT y ...) is true where a row with y = x exists; x NOT IN is, without NULLs, where
    none does."""

    def existing(condition: Term) -> Term:
        if condition[0] in ("and", "or"):
            return connected(condition[0], map(existing, condition[1]))
        is_negative = condition[0] == "not"
        inner = condition[1] if is_negative else condition
        if inner[0] != "in" or not isinstance(inner[2], Block):
            return condition
        value, query = inner[1:]
        is_member = is_free(replace(query, is_distinct=False)) and len(query.select) == 1
        if not is_member or has_aggregate(value):
            return condition
        [member] = query.select
        if is_negative and not (given.is_never_null(value) and given.is_never_null(member)):
            return condition
        same = ("=", frozenset([value, member]))
        found = ("exists", Block(query.sources, where=query.where | {same}))
        return ("not", found) if is_negative else found

    return _with_conditions(block, existing)


def counting_is_existence(block: Block, given: Guarantees) -> Block:
    """(SELECT COUNT(*) ...) > 0 says that a row exists, = 0 that none does."""

    def existing(condition: Term) -> Term:
        if condition[0] in ("and", "or"):
            return connected(condition[0], map(existing, condition[1]))
        for scalar in operands(condition):
            if scalar[0] != "scalar" or not isinstance(scalar[1], Block):
                continue
            query = scalar[1]
            is_count = query.select == (("count rows",),) and query.keys is None
            if not is_count or query.having or query.limit or query.joins:
                continue
            found = ("exists", Block(query.sources, where=query.where))
            if condition in (("<", ("number", "0"), scalar), ("<=", ("number", "1"), scalar)):
                return found
            if condition == ("=", frozenset([scalar, ("number", "0")])):
                return ("not", found)
        return condition

    return _with_conditions(block, existing)


def join_is_existence(block: Block, given: Guarantees) -> Block:
    """A source of which the result shows nothing only decides whether a row is kept, if it repeats
    none: because it has one fitting row at most, or because DISTINCT takes repetitions back."""
    if len(block.sources) < 2:
        return block
    is_set = block.is_distinct and not block.is_aggregated and not block.limit
    shown = used_sources((block.results, block.joins))
    for source in sorted(block.sources, key=lambda s: (str(s.content), s.id)):
        if isinstance(source.content, Block | SetOperation):
            continue
        others = [s for s in block.sources if s != source]
        conditions = frozenset(c for c in block.where if source.id in used_sources(c))
        new = _equals_elsewhere(source, others, conditions, given)
        if source.id in shown:
            elsewhere = substituted(block.results, new)
            if source.id in used_sources((elsewhere, block.joins)):
                continue
        if not is_set and not finds_one(source.id, conditions, given):
            continue
        links = {c for c in conditions if _is_link(c, new)}
        kept = frozenset(substituted(tuple(conditions - links), new)) | links
        found = ("exists", Block((source,), where=kept))
        select, keys, having, order = substituted(block.results, new)
        return replace(
            block,
            sources=tuple(others),
            where=(block.where - conditions) | {found},
            select=select,
            keys=keys,
            having=having,
            order=order,
        )
    return block


def existence_is_split(block: Block, given: Guarantees) -> Block:
    """EXISTS within EXISTS is a join; one over parts that share nothing is one for each part; what
    names none of its sources may stand outside."""
    where: set[Term] = set()
    for condition in block.where:
        if condition[0] == "exists" and isinstance(condition[1], Block):
            where.update(_split(condition[1], given))
        elif condition[0] == "not" and condition[1][0] == "exists":
            inner = condition[1][1]
            where.add(("not", ("exists", _merged(inner))) if is_free(inner) else condition)
        else:
            where.add(condition)
    return replace(block, where=frozenset(where))


def same_key_is_same_row(block: Block, given: Guarantees) -> Block:
    """A row that exists with the key of another row of its table is that row."""
    for condition in block.where:
        if condition[0] != "exists" or not isinstance(condition[1], Block):
            continue
        inner = condition[1]
        if len(inner.sources) != 1 or not is_free(inner):
            continue
        [own] = inner.sources
        for outer in block.sources:
            if outer.content != own.content or not isinstance(own.content, str):
                continue
            if any(_joined_by(key, outer.id, inner.where) for key in given.keys(own.id)):
                table = given.tables[own.id]
                new = {
                    column(own.id, c.name.lower()): column(outer.id, c.name.lower())
                    for c in table.columns
                }
                moved = substituted(inner.where, new)
                return replace(block, where=(block.where - {condition}) | moved)
    return block


def _with_conditions(block: Block, change: Callable[[Term], Term]) -> Block:
    return replace(
        block,
        where=frozenset(map(change, block.where)),
        having=frozenset(map(change, block.having)),
    )


def _equals_elsewhere(
    source: Source, others: Iterable[Source], conditions: Iterable[Term], given: Guarantees
) -> dict[Term, Term]:
    """Columns of the source -> columns of other sources that they must be the same as."""
    ids = {other.id for other in others}
    new: dict[Term, Term] = {}
    for condition in sorted(conditions, key=str):
        if condition[0] == "=" and len(condition[1]) == 2 and all(map(is_column, condition[1])):
            for one, other in (tuple(condition[1]), tuple(condition[1])[::-1]):
                is_link = one[1] == source.id and other[1] in ids
                if is_link and given.is_exact(one, other):
                    new[one] = min(new.get(one, other), other)
    return new


def _is_link(condition: Term, new: Mapping[Term, Term]) -> bool:
    """Whether the condition is an equality that the replacement rests on."""
    return condition[0] == "=" and any(condition[1] == {one, other} for one, other in new.items())


def _merged(block: Block) -> Block:
    """The block with every EXISTS that must hold as sources of its own; nothing is selected."""
    sources, where = list(block.sources), set(block.where)
    for condition in sorted(block.where, key=str):
        if condition[0] == "exists" and is_free(condition[1]):
            where.remove(condition)
            inner = _merged(condition[1])
            sources += inner.sources
            where |= inner.where
    return Block(tuple(sources), where=frozenset(where))


def _split(block: Block, given: Guarantees) -> Iterator[Term]:
    if not is_free(block) or not block.sources:
        yield ("exists", block)
        return
    merged = equality_is_transitive(_merged(block), given)
    groups: list[set[int]] = [{source.id} for source in merged.sources]
    own = {source.id for source in merged.sources}
    for condition in merged.where:
        used = used_sources(condition) & own
        linked = [group for group in groups if group & used]
        if len(linked) > 1:
            groups = [group for group in groups if group not in linked]
            groups.append({number for group in linked for number in group})
    for group in groups:
        where = frozenset(c for c in merged.where if used_sources(c) & group)
        sources = tuple(s for s in merged.sources if s.id in group)
        yield ("exists", Block(sources, where=where))
    yield from (c for c in merged.where if not used_sources(c) & own)


def _joined_by(key: Iterable[Term], other: int, where: frozenset[Term]) -> bool:
    return all(("=", frozenset([term, column(other, term[2])])) in where for term in key)
