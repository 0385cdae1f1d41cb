"""Queries as relational algebra: what is computed, without the names and the syntax it came in.

A term is a tuple of an operator and its operands, a condition is a term, and a set of conditions
holds when all do. Every use of a table has a number of its own, the same in the whole statement, so
that terms can be moved between a query and its subqueries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, TypeAlias

Term: TypeAlias = tuple[Any, ...]
"""`("column", source, name)`, `("number", text)`, `("string", text)`, `("null",)`; conditions such
as `("=", frozenset of two)`, `("<", a, b)`, `("or", frozenset)`, `("exists", query)`; others."""

SetKind: TypeAlias = Literal["union", "union all", "intersect", "except"]

AGGREGATES = frozenset({"avg", "count", "count rows", "max", "min", "sum"})

COMPARING = frozenset({"=", "!=", "<", "<=", "like"})
"""Conditions that are NULL where one of their own operands is."""
REJECTING = COMPARING | {"is not null"}
"""Conditions that are not true where one of their own operands is NULL."""


class Unsupported(Exception):
    """The query is outside of what the normal form is defined for."""


class Source(NamedTuple):
    """One use of a table or of a subquery in FROM."""

    id: int
    content: "str | Query"
    """The table's name in lower case, or the subquery."""


class LeftJoin(NamedTuple):
    """A source that is joined where its rows fit, with NULLs where none does."""

    source: Source
    on: frozenset[Term]


class Order(NamedTuple):
    """A key of ORDER BY."""

    term: Term
    is_descending: bool
    has_nulls_first: bool


class Limit(NamedTuple):
    """LIMIT and OFFSET."""

    size: int
    start: int = 0


@dataclass(frozen=True)
class Block:
    """One SELECT."""

    sources: tuple[Source, ...] = ()
    """All combinations of their rows are taken."""
    joins: tuple[LeftJoin, ...] = ()
    where: frozenset[Term] = frozenset()
    select: tuple[Term, ...] = ()
    keys: frozenset[Term] | None = None
    """GROUP BY; None where there is none."""
    having: frozenset[Term] = frozenset()
    is_distinct: bool = False
    order: tuple[Order, ...] = ()
    limit: Limit | None = None

    @property
    def results(self) -> tuple[Any, ...]:
        """What is computed after WHERE."""
        return (self.select, self.keys, self.having, self.order)

    @property
    def is_aggregated(self) -> bool:
        return self.keys is not None or has_aggregate(self.results)

    @property
    def is_plain(self) -> bool:
        """Whether it only combines, filters and projects rows."""
        is_more = self.is_aggregated or self.having or self.is_distinct or self.limit or self.joins
        return not is_more


@dataclass(frozen=True)
class SetOperation:
    """Two or more queries combined; more than two only for a union."""

    kind: SetKind
    sides: "tuple[Query, ...]"
    order: tuple[tuple[int, bool, bool], ...] = ()
    """Positions of columns, counted from 0, with the flags of `Order`."""
    limit: Limit | None = None


Query: TypeAlias = Block | SetOperation


def column(source: int, name: str) -> Term:
    """The term of a column of a source."""
    return ("column", source, name)


def is_column(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and value[0] == "column"


def parts(value: Any) -> Iterator[Any]:
    """The value and everything in it, subqueries included."""
    yield value
    if isinstance(value, tuple | frozenset):
        for item in value:
            yield from parts(item)
    elif isinstance(value, Block | SetOperation):
        for field in fields(value):
            yield from parts(getattr(value, field.name))


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every part replaced for which `change` gives something; outer parts first."""
    changed = change(value)
    if changed is not None:
        return changed
    if isinstance(value, Source | LeftJoin | Order | Limit):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, tuple):
        return tuple(mapped(item, change) for item in value)
    if isinstance(value, frozenset):
        return frozenset(mapped(item, change) for item in value)
    if isinstance(value, Block | SetOperation):
        new = {f.name: mapped(getattr(value, f.name), change) for f in fields(value)}
        return replace(value, **new)
    return value


def substituted(value: Any, new: dict[Term, Term]) -> Any:
    """The value with terms replaced, in subqueries too."""
    if not new:
        return value
    return mapped(value, lambda part: new.get(part) if isinstance(part, tuple) else None)


def columns(value: Any) -> set[Term]:
    """The columns that occur in the value, also those of outer queries and of subqueries."""
    return {part for part in parts(value) if is_column(part)}


def used_sources(value: Any) -> set[int]:
    """The sources whose columns occur in the value."""
    return {term[1] for term in columns(value)}


def has_aggregate(value: Any) -> bool:
    """Whether an aggregate occurs in the value itself, subqueries aside."""
    if isinstance(value, Block | SetOperation):
        return False
    if isinstance(value, tuple) and value and isinstance(value[0], str) and value[0] in AGGREGATES:
        return True
    if isinstance(value, tuple | frozenset):
        return any(has_aggregate(item) for item in value)
    return False


def has_subquery(value: Any) -> bool:
    """Whether a query occurs in the value."""
    return any(isinstance(part, Block | SetOperation) for part in parts(value))


def conjunction(conditions: frozenset[Term]) -> Term:
    """One condition that holds when all do."""
    if len(conditions) == 1:
        return next(iter(conditions))
    return ("and", conditions)


def conjuncts(condition: Term) -> frozenset[Term]:
    """The conditions that must all hold for this one to hold."""
    if condition[0] == "and":
        return frozenset(c for part in condition[1] for c in conjuncts(part))
    return frozenset([condition])


OPPOSITES = {"=": "!=", "!=": "=", "is null": "is not null", "is not null": "is null"}


def negated(condition: Term) -> Term:
    """NOT of the condition, NULL where it is NULL.

    >>> negated(("<", ("number", "1"), ("number", "2")))
    ('<=', ('number', '2'), ('number', '1'))
    """
    operator, *operands = condition
    if operator in OPPOSITES:
        return (OPPOSITES[operator], *operands)
    if operator == "<":
        return ("<=", operands[1], operands[0])
    if operator == "<=":
        return ("<", operands[1], operands[0])
    if operator in ("and", "or"):
        return connected("or" if operator == "and" else "and", map(negated, operands[0]))
    if operator == "not":
        inner: Term = operands[0]
        return inner
    return ("not", condition)


def connected(operator: Literal["and", "or"], conditions: Any) -> Term:
    """AND or OR of conditions, each once, without nesting."""
    flat: set[Term] = set()
    for condition in conditions:
        flat |= condition[1] if condition[0] == operator else {condition}
    return next(iter(flat)) if len(flat) == 1 else (operator, frozenset(flat))


def operands(condition: Term) -> tuple[Term, ...]:
    """The terms that a condition compares."""
    if condition[0] in ("=", "!="):
        return tuple(condition[1])
    return tuple(part for part in condition[1:] if isinstance(part, tuple))


def is_free(query: Query) -> bool:
    """Whether the query only combines, filters and projects rows."""
    return isinstance(query, Block) and query.is_plain
