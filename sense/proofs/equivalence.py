"""Proofs that two queries are equal: both are brought to one normal form by laws.

A proof says more than any number of databases, and no proof says nothing: most equal queries that
are written very differently are not proved.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from itertools import permutations, product
from math import factorial, prod
from typing import Any, TypeAlias

from sense.golds.volatility import volatility
from sense.proofs.algebra import (
    Block,
    LeftJoin,
    Limit,
    Order,
    Query,
    SetOperation,
    Source,
    Term,
    Unsupported,
    is_column,
    parts,
    substituted,
)
from sense.proofs.condition_laws import (
    equality_is_transitive,
    equality_with_itself,
    greatest_is_first,
    literals_have_the_columns_type,
    rejected_nulls_are_absent,
    repeated_conditions_are_absorbed,
)
from sense.proofs.existence_laws import (
    counting_is_existence,
    existence_is_split,
    join_is_existence,
    membership_is_existence,
    same_key_is_same_row,
)
from sense.proofs.group_laws import (
    distinct_is_idle,
    grouping_is_distinct,
    groups_are_filtered,
    having_is_where,
    keys_are_minimal,
    rows_are_counted,
)
from sense.proofs.guarantees import Guarantees, equal_columns
from sense.proofs.join_laws import (
    left_join_finds_nothing,
    left_join_is_inner,
    left_join_is_unused,
    subquery_is_inlined,
)
from sense.proofs.set_laws import combined
from sense.proofs.translation import translate
from sense.schema import Schema
from sense.sqlite.quoting import compiles, single_quoted

Law: TypeAlias = Callable[[Block, Guarantees], Block]

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

MAX_ROUNDS = 30
"""In which the laws are applied one after the other; a few are enough for most queries."""
MAX_LABELLINGS = 120
"""Ways to tell the uses of the same tables apart: five uses of one table."""


def proved_equal(gold_sql: str, predicted_sql: str, schema: Schema) -> bool:
    """Whether the prediction has gold's result on every database of the schema, as we can prove.

    By the strict rule, on every database where gold is defined: rows in any order unless gold
    orders them, columns in gold's order under any name. False where there is no proof.

    >>> from sense.schema import Column, Table
    >>> city = Table("city", (Column("id", "INTEGER", is_rowid=True), Column("size", "INTEGER")))
    >>> schema = Schema((city,))
    >>> gold = "SELECT id FROM city WHERE size BETWEEN 1 AND 5"
    >>> proved_equal(gold, "SELECT c.id FROM city c WHERE 5 >= size AND size >= 1", schema)
    True
    >>> proved_equal("SELECT count(*) FROM city", "SELECT count(size) FROM city", schema)
    False
    """
    if gold_sql.strip() == predicted_sql.strip():
        return _is_repeatable(gold_sql, schema)
    try:
        gold, gold_tables = translate(gold_sql, schema)
        predicted, predicted_tables = translate(predicted_sql, schema)
        is_ordered = bool(gold.order or gold.limit or predicted.limit)
        return normal_form(gold, Guarantees(gold_tables), is_ordered) == normal_form(
            predicted, Guarantees(predicted_tables), is_ordered
        )
    except (Unsupported, RecursionError):
        return False


def _is_repeatable(sql: str, schema: Schema) -> bool:
    """Whether the text is a query that asks neither clock nor chance."""
    return not volatility(sql) and compiles(single_quoted(sql, schema), schema)


def normal_form(query: Query, given: Guarantees, is_ordered: bool) -> str:
    """The text of the query that no law changes any more; is_ordered: whether its order counts."""
    for _ in range(MAX_ROUNDS):
        given.optional = {part.source.id for part in parts(query) if isinstance(part, LeftJoin)}
        changed = _rewritten(query, given, is_ordered)
        if changed == query:
            break
        query = changed
    return _text(query, {}, given, 0)


def _rewritten(value: Any, given: Guarantees, is_ordered: bool = False) -> Any:
    """The value with the laws applied to every SELECT in it, the inner ones first.

    is_ordered: whether its own order counts; that of a subquery does only where LIMIT cuts it.
    """
    if isinstance(value, Source | LeftJoin | Order | Limit):
        return type(value)(*(_rewritten(item, given) for item in value))
    if isinstance(value, frozenset):
        return frozenset(_rewritten(item, given) for item in value)
    if isinstance(value, tuple):
        value = tuple(_rewritten(item, given) for item in value)
        return _with_bare_subquery(value)
    if not isinstance(value, Block | SetOperation):
        return value
    new = {f.name: _rewritten(getattr(value, f.name), given) for f in fields(value)}
    if not is_ordered and not value.limit:
        new["order"] = ()
    query: Query = replace(value, **new)
    if isinstance(query, SetOperation):
        return combined(query, given)
    for law in LAWS:
        query = law(query, given)
    return query


def _with_bare_subquery(term: Term) -> Term:
    """EXISTS and IN see neither what EXISTS selects nor how often a row comes."""
    if len(term) > 1 and term[0] in ("exists", "in") and isinstance(term[-1], Block):
        query = term[-1]
        if not query.limit and not query.is_aggregated and not query.having:
            select = () if term[0] == "exists" else query.select
            return (*term[:-1], replace(query, select=select, is_distinct=False))
    return term


def _text(query: Query, labels: dict[int, str], given: Guarantees, depth: int) -> str:
    """The query with its sources named by a rule that does not depend on their order."""
    if isinstance(query, SetOperation):
        sides = [_text(side, labels, given, depth) for side in query.sides]
        if query.kind in ("union", "intersect"):
            sides = sorted(set(sides))
        elif query.kind == "union all":
            sides.sort()
        return f"{query.kind} [{', '.join(sides)}] order {query.order} limit {query.limit}"
    names: dict[str, list[int]] = {}
    for source in (*query.sources, *(join.source for join in query.joins)):
        content = source.content
        text = content if isinstance(content, str) else f"({_text(content, labels, given, depth)})"
        names.setdefault(text, []).append(source.id)
    if prod(factorial(len(ids)) for ids in names.values()) > MAX_LABELLINGS:
        raise Unsupported("too many uses of one table")
    texts = []
    for orders in product(*(permutations(ids) for ids in names.values())):
        own = {
            number: f"{name}.{depth}.{place}"
            for name, ids in zip(names, orders, strict=True)
            for place, number in enumerate(ids)
        }
        texts.append(_labelled(query, labels | own, given, depth))
    return min(texts)


def _labelled(block: Block, labels: dict[int, str], given: Guarantees, depth: int) -> str:
    """The text of a SELECT whose sources have these names; of columns that are the same, one."""

    def text(term: Any) -> str:
        if is_column(term):
            return f"{labels[term[1]]}:{term[2]}"
        if isinstance(term, Block | SetOperation):
            return f"<{_text(term, labels, given, depth + 1)}>"
        if isinstance(term, frozenset):
            return f"{{{', '.join(sorted(map(text, term)))}}}"
        if isinstance(term, tuple):
            return f"({', '.join(map(text, term))})"
        return repr(term)

    groups = [sorted(group, key=text) for group in equal_columns(block.where, given)]
    same = {term: group[0] for group in groups for term in group[1:]}
    links = {c for c in block.where if c[0] == "=" and all(map(is_column, c[1]))}
    links = {c for c in links if len({same.get(term, term) for term in c[1]}) == 1}
    where = {text(condition) for condition in substituted(block.where - links, same)}
    where |= {f"{text(group[0])} = {text(term)}" for group in groups for term in group[1:]}
    clauses = {
        "from": sorted(labels[source.id] for source in block.sources),
        "left": [
            f"{labels[join.source.id]} {text(substituted(join.on, same))}" for join in block.joins
        ],
        "where": sorted(where),
        "select": [text(term) for term in substituted(block.select, same)],
        "keys": None if block.keys is None else text(substituted(block.keys, same)),
        "having": text(substituted(block.having, same)),
        "distinct": block.is_distinct,
        "order": [text(tuple(order)) for order in substituted(block.order, same)],
        "limit": block.limit and tuple(block.limit),
    }
    return repr(clauses)
