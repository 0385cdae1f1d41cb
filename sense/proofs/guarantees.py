"""What the schema guarantees of the rows that a query combines: NULLs, keys, types, dependencies.

Only constraints that SQLite enforces itself count: NOT NULL, UNIQUE and primary keys, not foreign
keys. A primary key may hold NULL in SQLite unless it is the rowid or declared NOT NULL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sense.filling.constraints import affinity_of
from sense.proofs.algebra import AGGREGATES, Block, Term, column, is_column, used_sources
from sense.schema import Column, Table, primary_key

NUMERIC = ("INTEGER", "REAL", "NUMERIC")
EXACT = (*NUMERIC, "TEXT")
"""Affinities under which two equal values of two columns are the same value."""


@dataclass
class Guarantees:
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
        """Whether the column has a value in every row that the query sees."""
        return term[1] not in self.optional and self.is_never_stored_null(term)

    def is_never_stored_null(self, term: Term) -> bool:
        """Whether the column has a value in every row of its table."""
        found = self.column(term)
        return found is not None and (found.not_null or found.is_rowid)

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


def equal_columns(where: frozenset[Term], given: Guarantees) -> list[list[Term]]:
    """Groups of columns that the conditions make the same, each sorted."""
    groups: list[set[Term]] = []
    for condition in where:
        if condition[0] == "=" and len(condition[1]) == 2 and all(map(is_column, condition[1])):
            one, other = condition[1]
            if given.is_exact(one, other):
                linked = [group for group in groups if group & {one, other}]
                groups = [group for group in groups if group not in linked]
                groups.append({one, other}.union(*linked))
    return [sorted(group) for group in groups]


def finds_one(source: int, conditions: Iterable[Term], given: Guarantees) -> bool:
    """Whether at most one row of the source fits any row of the others."""
    values: dict[Term, list[Term]] = {}
    for condition in conditions:
        if condition[0] == "=" and len(condition[1]) == 2:
            for one, other in (tuple(condition[1]), tuple(condition[1])[::-1]):
                if is_column(one) and one[1] == source and source not in used_sources(other):
                    values.setdefault(one, []).append(other)
    return any(
        all(any(given.is_found_by(term, v) for v in values.get(term, ())) for term in key)
        for key in given.keys(source)
    )


def determined_columns(known: frozenset[Term], block: Block, given: Guarantees) -> set[Term]:
    """The columns whose values follow from the known ones in every row before grouping."""
    found = set(known)
    groups = equal_columns(block.where, given)
    ids = [source.id for source in block.sources]
    while True:
        before = len(found)
        for group in groups:
            if found & set(group):
                found |= set(group)
        for source in ids:
            if is_determined(source, found, given):
                table = given.tables[source]
                found |= {column(source, c.name.lower()) for c in table.columns}
        if len(found) == before:
            return found


def is_determined(source: int, known: set[Term], given: Guarantees) -> bool:
    return any(
        all(term in known and given.is_never_null(term) for term in key)
        for key in given.keys(source)
    )
