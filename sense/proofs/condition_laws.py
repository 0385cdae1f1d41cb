"""Laws of conditions and values: comparisons, NULL, AND and OR, the greatest value.

A condition of WHERE or HAVING keeps rows where it is true, so that there NULL may stand for false.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from sense.proofs.algebra import (
    COMPARING,
    Block,
    Term,
    conjunction,
    conjuncts,
    connected,
    is_column,
    mapped,
    operands,
)
from sense.proofs.guarantees import NUMERIC, Guarantees, equal_columns


def literals_have_the_columns_type(block: Block, given: Guarantees) -> Block:
    """A constant that is compared with a column is converted to the column's type first."""

    def converted(part: object) -> Term | None:
        if not isinstance(part, tuple) or not part or part[0] not in ("=", "!=", "<", "<="):
            return None
        sides = operands(part)
        if len(sides) != 2:
            return None
        one, other = sides
        new = (_as_in(given.affinity(other), one), _as_in(given.affinity(one), other))
        if new == (one, other):
            return None
        return (part[0], frozenset(new)) if part[0] in ("=", "!=") else (part[0], *new)

    result: Block = mapped(block, converted)
    return result


def equality_is_transitive(block: Block, given: Guarantees) -> Block:
    """a = b and b = c give a = c for columns whose equal values are the same."""
    where = set(block.where)
    for group in equal_columns(block.where, given):
        where |= {("=", frozenset(pair)) for pair in combinations(group, 2)}
    return replace(block, where=frozenset(where))


def equality_with_itself(block: Block, given: Guarantees) -> Block:
    """x = x says that x is not NULL, which need not be said of what never is."""
    where: set[Term] = set()
    for condition in block.where:
        is_self = condition[0] == "=" and len(condition[1]) == 1
        new = ("is not null", next(iter(condition[1]))) if is_self else condition
        if new[0] != "is not null" or not given.is_never_null(new[1]):
            where.add(new)
    return replace(block, where=frozenset(where))


def rejected_nulls_are_absent(block: Block, given: Guarantees) -> Block:
    """x IS NOT NULL beside another condition on x that is not true for NULL says nothing more."""
    rejected = {
        operand
        for condition in block.where
        if condition[0] in COMPARING
        for operand in operands(condition)
    }
    said = {c for c in block.where if c[0] == "is not null" and c[1] in rejected}
    return replace(block, where=block.where - said)


def repeated_conditions_are_absorbed(block: Block, given: Guarantees) -> Block:
    """p AND (p OR q) is p, and p OR (p AND q) is p."""
    return replace(
        block, where=frozenset(_absorbed(block.where)), having=frozenset(_absorbed(block.having))
    )


def greatest_is_first(block: Block, given: Guarantees) -> Block:
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
        if not order.is_descending and not given.is_never_null(value):
            return None
        name = "max" if order.is_descending else "min"
        new = ((name, value, False),)
        return ("scalar", replace(query, select=new, order=(), limit=None, is_distinct=False))

    def compared(part: object) -> Term | None:
        """Only beside a column of the same type: MAX(x) has no type of its own."""
        if not isinstance(part, tuple) or not part or part[0] not in ("=", "!=", "<", "<="):
            return None
        sides = operands(part)
        if len(sides) != 2:
            return None
        for one, other in (sides, sides[::-1]):
            new = extreme(other)
            if new and is_column(one) and given.is_exact(one, other[1].select[0]):
                return _with_operand(part, other, new)
        return None

    result: Block = mapped(block, compared)
    return result


def _with_operand(condition: Term, old: Term, new: Term) -> Term:
    """The condition with one operand replaced."""
    if condition[0] in ("=", "!="):
        return (condition[0], (condition[1] - {old}) | {new})
    return (condition[0], *(new if operand == old else operand for operand in condition[1:]))


def _absorbed(conditions: frozenset[Term]) -> Iterator[Term]:
    for condition in conditions:
        if condition[0] != "or":
            yield condition
            continue
        if condition[1] & conditions:
            continue
        alternatives = [conjuncts(part) for part in condition[1]]
        kept = [a for a in alternatives if not any(b < a for b in alternatives)]
        yield connected("or", map(conjunction, kept))


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
