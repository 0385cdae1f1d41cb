"""Laws by which one query may stand for another: each holds on every database of the schema.

They hold under SQLite's own rules: three truth values, comparisons that convert by the type of a
column, values of any type in any column, and only those constraints that SQLite enforces itself:
NOT NULL, UNIQUE and primary keys, not foreign keys. A condition of WHERE, HAVING or EXISTS keeps
rows where it is true, so that there NULL may stand for false. Every law takes a SELECT and gives
one that has the same rows wherever its result is defined, or the same SELECT.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TypeAlias

from sense.algebra import (
    AGGREGATES,
    Block,
    LeftJoin,
    Order,
    Query,
    SetOperation,
    Source,
    Term,
    column,
    columns,
    conjunction,
    connected,
    has_aggregate,
    is_column,
    mapped,
    parts,
    substituted,
    used_sources,
)
from sense.constraints import affinity_of
from sense.schema import Column, Table, primary_key

NUMERIC = ("INTEGER", "REAL", "NUMERIC")
EXACT = (*NUMERIC, "TEXT")
"""Affinities under which two equal values of two columns are the same value."""
REJECTING = ("=", "!=", "<", "<=", "like", "is not null")
"""Conditions that are not true where one of their own operands is NULL."""


@dataclass
class Facts:
    """What is known of the sources of a statement."""

    tables: Mapping[int, Table]
    optional: set[int] = field(default_factory=set)
    """Sources that are left-joined: their columns may be NULL whatever the schema says."""

    def column(self, term: Term) -> Column | None:
        """The column of a table that the term is, if it is one."""
        table = self.tables.get(term[1]) if is_column(term) else None
        found = [c for c in table.columns if c.name.lower() == term[2]] if table else []
        return found[0] if found else None

    def affinity(self, term: Term) -> str | None:
        """SQLite's affinity of the term, "" for none; None where it is not known."""
        if is_column(term):
            found = self.column(term)
            if found is None or found.type.upper() == "ANY":  # which depends on STRICT
                return None
            return affinity_of(found.type).replace("BLOB", "")
        return "" if term[0] in ("number", "string", "call", *AGGREGATES) else None

    def is_never_null(self, term: Term) -> bool:
        found = self.column(term)
        if found is None or term[1] in self.optional:
            return False
        return found.not_null or _is_rowid(self.tables[term[1]], found)

    def keys(self, source: int) -> list[tuple[Term, ...]]:
        """Groups of columns of which no two rows have the same values, if none is NULL."""
        table = self.tables.get(source)
        if not table:
            return []
        groups = [primary_key(table), *table.unique]
        return [tuple(column(source, n.lower()) for n in group) for group in groups if group]

    def is_exact(self, one: Term, other: Term) -> bool:
        """Whether the two columns hold the same value where they are equal."""
        affinity = self.affinity(one)
        return affinity in EXACT and affinity == self.affinity(other)

    def is_found_by(self, key: Term, value: Term) -> bool:
        """Whether `key = value` leaves the values of the key as they are, so that one has it."""
        mine, theirs = self.affinity(key), self.affinity(value)
        if mine is None or theirs is None:
            return False
        return mine in NUMERIC or (theirs == "" or mine == theirs == "TEXT")


def _is_rowid(table: Table, found: Column) -> bool:
    return found.type.upper() == "INTEGER" and primary_key(table) == (found.name,)


def left_join_is_inner(block: Block, facts: Facts) -> Block:
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


def left_join_finds_nothing(block: Block, facts: Facts) -> Block:
    """LEFT JOIN s ... WHERE s.c IS NULL keeps rows without a match if no match has a NULL there."""
    for join in block.joins:
        own = join.source.id
        for condition in block.where:
            if condition[0] != "is null" or not _never_null_in(condition[1], join, facts):
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


def left_join_is_unused(block: Block, facts: Facts) -> Block:
    """A LEFT JOIN that finds one row at most and is not looked at changes nothing."""
    for join in block.joins:
        rest = replace(block, joins=tuple(j for j in block.joins if j != join))
        own = join.source.id
        if own not in used_sources(rest) and _finds_one(own, join.on, facts):
            return rest
    return block


def subquery_is_inlined(block: Block, facts: Facts) -> Block:
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


def groups_are_filtered(block: Block, facts: Facts) -> Block:
    """SELECT ... FROM (a query with groups) WHERE ... filters groups: it is HAVING."""
    if len(block.sources) != 1 or block.joins or not block.is_plain:
        return block
    inner = block.sources[0].content
    if not isinstance(inner, Block) or inner.keys is None or inner.is_distinct or inner.limit:
        return block
    if not all(is_column(term) or term[0] in AGGREGATES for term in inner.select):
        return block
    new = {column(block.sources[0].id, str(i)): term for i, term in enumerate(inner.select)}
    outer = substituted(block, new)
    return replace(inner, select=outer.select, having=inner.having | outer.where, order=outer.order)


def having_is_where(block: Block, facts: Facts) -> Block:
    """A comparison of a GROUP BY column holds for all rows of a group or for none."""
    if not block.keys:
        return block
    moved = {
        condition
        for condition in block.having
        if not has_aggregate(condition)
        and columns(condition) <= block.keys
        and all(facts.affinity(term) in EXACT for term in columns(condition))
        and not any(isinstance(part, Block | SetOperation) for part in parts(condition))
    }
    return replace(block, having=block.having - moved, where=block.where | moved)


def literals_have_the_columns_type(block: Block, facts: Facts) -> Block:
    """A constant that is compared with a column is converted to the column's type first."""

    def converted(part: object) -> Term | None:
        if not isinstance(part, tuple) or not part or part[0] not in ("=", "!=", "<", "<="):
            return None
        operands = [tuple(part[1])] if part[0] in ("=", "!=") else [part[1:]]
        [sides] = operands
        if len(sides) != 2:
            return None
        one, other = sides
        new = (_as_in(facts.affinity(other), one), _as_in(facts.affinity(one), other))
        if new == (one, other):
            return None
        return (part[0], frozenset(new)) if part[0] in ("=", "!=") else (part[0], *new)

    result: Block = mapped(block, converted)
    return result


def equality_is_transitive(block: Block, facts: Facts) -> Block:
    """a = b and b = c give a = c for columns whose equal values are the same."""
    where = set(block.where)
    for group in equal_columns(block.where, facts):
        where |= {("=", frozenset(pair)) for pair in combinations(group, 2)}
    return replace(block, where=frozenset(where))


def rows_are_counted(block: Block, facts: Facts) -> Block:
    """COUNT of a value that is never NULL counts rows; of distinct ones if each row has its own."""
    filtered = {
        operand
        for condition in block.where
        if condition[0] in REJECTING
        for operand in _operands(condition)
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
        if not is_given and value not in filtered and not facts.is_never_null(value):
            return None
        if is_distinct and not _is_one_per_row(value, block, facts):
            return None
        return ("count rows",)

    return _with_own_results(block, counted)


def membership_is_existence(block: Block, facts: Facts) -> Block:
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
        is_free = _is_free(replace(query, is_distinct=False))
        if not is_free or len(query.select) != 1 or has_aggregate(value):
            return condition
        [member] = query.select
        if is_negative and not (facts.is_never_null(value) and facts.is_never_null(member)):
            return condition
        same = ("=", frozenset([value, member]))
        found = ("exists", Block(query.sources, where=query.where | {same}))
        return ("not", found) if is_negative else found

    return _with_conditions(block, existing)


def counting_is_existence(block: Block, facts: Facts) -> Block:
    """(SELECT COUNT(*) ...) > 0 says that a row exists, = 0 that none does."""

    def existing(condition: Term) -> Term:
        if condition[0] in ("and", "or"):
            return connected(condition[0], map(existing, condition[1]))
        for scalar in _operands(condition):
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


def join_is_existence(block: Block, facts: Facts) -> Block:
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
        new = _equals_elsewhere(source, others, conditions, facts)
        if source.id in shown:
            elsewhere = substituted(block.results, new)
            if source.id in used_sources((elsewhere, block.joins)):
                continue
        if not is_set and not _finds_one(source.id, conditions, facts):
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


def existence_is_split(block: Block, facts: Facts) -> Block:
    """EXISTS within EXISTS is a join; one over parts that share nothing is one for each part; what
    names none of its sources may stand outside."""
    where: set[Term] = set()
    for condition in block.where:
        if condition[0] == "exists" and isinstance(condition[1], Block):
            where.update(_split(condition[1], facts))
        elif condition[0] == "not" and condition[1][0] == "exists":
            inner = condition[1][1]
            where.add(("not", ("exists", _merged(inner))) if _is_free(inner) else condition)
        else:
            where.add(condition)
    return replace(block, where=frozenset(where))


def same_key_is_same_row(block: Block, facts: Facts) -> Block:
    """A row that exists with the key of another row of its table is that row."""
    for condition in block.where:
        if condition[0] != "exists" or not isinstance(condition[1], Block):
            continue
        inner = condition[1]
        if len(inner.sources) != 1 or not _is_free(inner):
            continue
        [own] = inner.sources
        for outer in block.sources:
            if outer.content != own.content or not isinstance(own.content, str):
                continue
            if any(_joined_by(key, outer.id, inner.where) for key in facts.keys(own.id)):
                table = facts.tables[own.id]
                new = {
                    column(own.id, c.name.lower()): column(outer.id, c.name.lower())
                    for c in table.columns
                }
                moved = substituted(inner.where, new)
                return replace(block, where=(block.where - {condition}) | moved)
    return block


def equality_with_itself(block: Block, facts: Facts) -> Block:
    """x = x says that x is not NULL, which need not be said of what never is."""
    where: set[Term] = set()
    for condition in block.where:
        is_self = condition[0] == "=" and len(condition[1]) == 1
        new = ("is not null", next(iter(condition[1]))) if is_self else condition
        if new[0] != "is not null" or not facts.is_never_null(new[1]):
            where.add(new)
    return replace(block, where=frozenset(where))


def rejected_nulls_are_absent(block: Block, facts: Facts) -> Block:
    """x IS NOT NULL beside another condition on x that is not true for NULL says nothing more."""
    rejected = {
        operand
        for condition in block.where
        if condition[0] in REJECTING[:-1]
        for operand in _operands(condition)
    }
    said = {c for c in block.where if c[0] == "is not null" and c[1] in rejected}
    return replace(block, where=block.where - said)


def repeated_conditions_are_absorbed(block: Block, facts: Facts) -> Block:
    """p AND (p OR q) is p, and p OR (p AND q) is p."""
    return replace(
        block, where=frozenset(_absorbed(block.where)), having=frozenset(_absorbed(block.having))
    )


def grouping_is_distinct(block: Block, facts: Facts) -> Block:
    """GROUP BY all that is selected, without aggregates, gives each row once."""
    if not block.keys or block.having or block.limit or has_aggregate(block.results):
        return block
    is_shown = frozenset(block.select) == block.keys >= {order.term for order in block.order}
    return replace(block, keys=None, is_distinct=True) if is_shown else block


def keys_are_minimal(block: Block, facts: Facts) -> Block:
    """A GROUP BY column that follows from the others makes no group smaller."""
    if not block.keys or len(block.keys) == 1:
        return block
    in_keys = {term for s in block.sources for key in facts.keys(s.id) for term in key}
    for key in sorted(block.keys, key=lambda term: (term in in_keys, str(term))):
        rest = block.keys - {key}
        if is_column(key) and key in _determined(rest, block, facts):
            return replace(block, keys=rest)
    return block


def distinct_is_idle(block: Block, facts: Facts) -> Block:
    """DISTINCT takes nothing from rows that hold a key of every source, or of their group."""
    if not block.is_distinct:
        return block
    if block.is_aggregated:
        is_idle = block.keys is not None and block.keys <= frozenset(block.select)
    else:
        known = _determined(frozenset(filter(is_column, block.select)), block, facts)
        is_idle = not block.joins and all(_is_determined(s.id, known, facts) for s in block.sources)
    return replace(block, is_distinct=False) if is_idle else block


def greatest_is_first(block: Block, facts: Facts) -> Block:
    """The first value from above is the greatest, and from below the least where none is NULL."""

    def extreme(part: object) -> Term | None:
        if not isinstance(part, tuple) or len(part) != 2 or part[0] != "scalar":
            return None
        query = part[1]
        if not isinstance(query, Block) or query.is_aggregated or len(query.select) != 1:
            return None
        if not query.limit or query.limit != (1, 0) or len(query.order) != 1:
            return None
        [value], [order] = query.select, query.order
        is_first = order.is_descending != order.has_nulls_first  # SQLite's own places for NULL
        if order.term != value or not is_first:
            return None
        if not order.is_descending and not facts.is_never_null(value):
            return None
        name = "max" if order.is_descending else "min"
        new = ((name, value, False),)
        return ("scalar", replace(query, select=new, order=(), limit=None, is_distinct=False))

    def compared(part: object) -> Term | None:
        """Only beside a column of the same type: MAX(x) has no type of its own."""
        if not isinstance(part, tuple) or not part or part[0] not in ("=", "!=", "<", "<="):
            return None
        operands = list(_operands(part))
        if len(operands) != 2:
            return None
        for one, other in (operands, operands[::-1]):
            new = extreme(other)
            if new and is_column(one) and facts.is_exact(one, other[1].select[0]):
                return _with_operand(part, other, new)
        return None

    result: Block = mapped(block, compared)
    return result


def _with_operand(condition: Term, old: Term, new: Term) -> Term:
    """The condition with one operand replaced."""
    if condition[0] in ("=", "!="):
        return (condition[0], (condition[1] - {old}) | {new})
    return (condition[0], *(new if operand == old else operand for operand in condition[1:]))


Law: TypeAlias = Callable[[Block, Facts], Block]

LAWS: tuple[Law, ...] = (
    subquery_is_inlined,
    groups_are_filtered,
    literals_have_the_columns_type,
    left_join_is_inner,
    left_join_finds_nothing,
    left_join_is_unused,
    having_is_where,
    equality_is_transitive,
    greatest_is_first,
    counting_is_existence,
    membership_is_existence,
    existence_is_split,
    join_is_existence,
    same_key_is_same_row,
    equality_with_itself,
    rejected_nulls_are_absent,
    repeated_conditions_are_absorbed,
    rows_are_counted,
    keys_are_minimal,
    grouping_is_distinct,
    distinct_is_idle,
)


def combined(operation: SetOperation, facts: Facts) -> Query:
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
                if both := _either(kept, side, facts):
                    merged[i] = both
                    break
            else:
                merged.append(side)
        if len(merged) == 1 and isinstance(merged[0], Block):
            return _ordered_as(operation, merged[0])
        return replace(operation, sides=tuple(merged))
    found = _in_both(first, others[0], facts)
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
    return isinstance(query, Block) and _is_free(replace(query, is_distinct=False))


def _ordered_as(operation: SetOperation, block: Block) -> Block:
    order = tuple(Order(block.select[i], *flags) for i, *flags in operation.order)
    return replace(block, is_distinct=True, order=order, limit=operation.limit)


def _either(first: Query, second: Query, facts: Facts) -> Block | None:
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
        for c in facts.tables[names[0][name]].columns
    }
    select, where = substituted((second.select, second.where), new)
    if first.select != select:
        return None
    shared = first.where & where
    rests = [first.where - shared, where - shared]
    if all(rests):
        shared |= {connected("or", map(conjunction, rests))}
    return replace(first, where=shared)


def _in_both(first: Query, second: Query, facts: Facts) -> Term | None:
    """The condition on the rows of the first that the second has them too."""
    if not isinstance(first, Block) or not isinstance(second, Block):
        return None
    if not _is_set(first) or not _is_set(second) or len(first.select) != len(second.select):
        return None
    pairs = list(zip(first.select, second.select, strict=True))
    if not all(
        facts.is_never_null(one) and facts.is_never_null(other) and facts.is_exact(one, other)
        for one, other in pairs
    ):
        return None
    same = {("=", frozenset(pair)) for pair in pairs}
    return ("exists", Block(second.sources, where=second.where | same))


def equal_columns(where: frozenset[Term], facts: Facts) -> list[list[Term]]:
    """Groups of columns that the conditions make the same, each sorted."""
    groups: list[set[Term]] = []
    for condition in where:
        if condition[0] == "=" and len(condition[1]) == 2 and all(map(is_column, condition[1])):
            one, other = condition[1]
            if facts.is_exact(one, other):
                linked = [group for group in groups if group & {one, other}]
                groups = [group for group in groups if group not in linked]
                groups.append({one, other}.union(*linked))
    return [sorted(group) for group in groups]


def _operands(condition: Term) -> tuple[Term, ...]:
    if condition[0] in ("=", "!="):
        return tuple(condition[1])
    return tuple(part for part in condition[1:] if isinstance(part, tuple))


def _rejects_null(condition: Term, source: int) -> bool:
    if condition[0] not in REJECTING:
        return False
    return any(is_column(term) and term[1] == source for term in _operands(condition))


def _never_null_in(term: Term, join: LeftJoin, facts: Facts) -> bool:
    """Whether a match of the join never has NULL in this column of its source."""
    found = facts.column(term)
    if found is None or term[1] != join.source.id:
        return False
    is_declared = found.not_null or _is_rowid(facts.tables[term[1]], found)
    return is_declared or any(c[0] == "=" and term in c[1] for c in join.on)


def _finds_one(source: int, conditions: Iterable[Term], facts: Facts) -> bool:
    """Whether at most one row of the source fits any row of the others."""
    values: dict[Term, list[Term]] = {}
    for condition in conditions:
        if condition[0] == "=" and len(condition[1]) == 2:
            for one, other in (tuple(condition[1]), tuple(condition[1])[::-1]):
                if is_column(one) and one[1] == source and source not in used_sources(other):
                    values.setdefault(one, []).append(other)
    return any(
        all(any(facts.is_found_by(term, v) for v in values.get(term, ())) for term in key)
        for key in facts.keys(source)
    )


def _equals_elsewhere(
    source: Source, others: Iterable[Source], conditions: Iterable[Term], facts: Facts
) -> dict[Term, Term]:
    """Columns of the source -> columns of other sources that they must be the same as."""
    ids = {other.id for other in others}
    new: dict[Term, Term] = {}
    for condition in sorted(conditions, key=str):
        if condition[0] == "=" and len(condition[1]) == 2 and all(map(is_column, condition[1])):
            for one, other in (tuple(condition[1]), tuple(condition[1])[::-1]):
                is_link = one[1] == source.id and other[1] in ids
                if is_link and facts.is_exact(one, other):
                    new[one] = min(new.get(one, other), other)
    return new


def _is_link(condition: Term, new: Mapping[Term, Term]) -> bool:
    """Whether the condition is an equality that the replacement rests on."""
    return condition[0] == "=" and any(condition[1] == {one, other} for one, other in new.items())


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


def _is_one_per_row(value: Term, block: Block, facts: Facts) -> bool:
    if len(block.sources) != 1 or block.joins or not is_column(value):
        return False
    return (value,) in facts.keys(block.sources[0].id)


def _with_own_results(block: Block, change: Callable[[object], Term | None]) -> Block:
    """The block with terms of its results changed, those of subqueries left alone."""

    def own(part: object) -> object:
        if isinstance(part, Block | SetOperation):
            return part
        return change(part)

    select, keys, having, order = mapped(block.results, own)
    return replace(block, select=select, keys=keys, having=having, order=order)


def _with_conditions(block: Block, change: Callable[[Term], Term]) -> Block:
    return replace(
        block,
        where=frozenset(map(change, block.where)),
        having=frozenset(map(change, block.having)),
    )


def _is_free(query: Query) -> bool:
    """Whether the query under EXISTS is one whose rows alone matter."""
    return isinstance(query, Block) and query.is_plain and not query.having


def _merged(block: Block) -> Block:
    """The block with every EXISTS that must hold as sources of its own; nothing is selected."""
    sources, where = list(block.sources), set(block.where)
    for condition in sorted(block.where, key=str):
        if condition[0] == "exists" and _is_free(condition[1]):
            where.remove(condition)
            inner = _merged(condition[1])
            sources += inner.sources
            where |= inner.where
    return Block(tuple(sources), where=frozenset(where))


def _split(block: Block, facts: Facts) -> Iterator[Term]:
    if not _is_free(block) or not block.sources:
        yield ("exists", block)
        return
    merged = equality_is_transitive(_merged(block), facts)
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


def _absorbed(conditions: frozenset[Term]) -> Iterator[Term]:
    for condition in conditions:
        if condition[0] != "or":
            yield condition
            continue
        if condition[1] & conditions:
            continue
        alternatives = [_conjuncts(part) for part in condition[1]]
        kept = [a for a in alternatives if not any(b < a for b in alternatives)]
        yield connected("or", map(conjunction, kept))


def _conjuncts(condition: Term) -> frozenset[Term]:
    found: frozenset[Term] = condition[1] if condition[0] == "and" else frozenset([condition])
    return found


def _determined(known: frozenset[Term], block: Block, facts: Facts) -> set[Term]:
    """The columns whose values follow from the known ones in every row before grouping."""
    found = set(known)
    groups = equal_columns(block.where, facts)
    ids = [source.id for source in block.sources]
    while True:
        before = len(found)
        for group in groups:
            if found & set(group):
                found |= set(group)
        for source in ids:
            if _is_determined(source, found, facts):
                table = facts.tables[source]
                found |= {column(source, c.name.lower()) for c in table.columns}
        if len(found) == before:
            return found


def _is_determined(source: int, known: set[Term], facts: Facts) -> bool:
    return any(
        all(term in known and facts.is_never_null(term) for term in key)
        for key in facts.keys(source)
    )


def _as_in(affinity: str | None, value: Term) -> Term:
    """The constant as a column of the affinity holds it; other terms as they are."""
    if affinity == "TEXT" and value[0] == "number" and _is_plain_integer(value[1]):
        return ("string", value[1])
    if affinity in NUMERIC and value[0] == "string" and _is_plain_integer(value[1]):
        return ("number", value[1])
    return value


def _is_plain_integer(text: str) -> bool:
    """Whether the text is how SQLite itself writes an integer of at most 15 digits."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 15 and str(int(text)) == text
