"""How two queries differ: clause is held against clause, and each difference has a kind."""

from collections.abc import Iterator

from sqlglot import exp

from sense.diagnosis.canonical import canonical, drop_qualifiers, source_name, sources
from sense.diagnosis.kinds import DIFFERENCE_KINDS
from sense.diagnosis.pieces import (
    is_negated,
    join_conditions,
    join_types,
    keys,
    leaves,
    num_ors,
    positive,
    shape,
    stripped,
    unshared,
    unshared_nodes,
    unwrapped,
    where,
)
from sense.hardness import first_select, sql_text

CONDITIONS = (exp.Predicate, exp.Connector, exp.Not)
GRAVITY = list(DIFFERENCE_KINDS)
STRUCTURES = {"set_operation", "nesting", "extra_join"}
"""Kinds of differences without which a query may well say the same."""


def differences(gold: exp.Expr, predicted: exp.Expr) -> list[str]:
    """Every kind of difference between two trees, the gravest first; [] when none is found.

    Another structure may be another way to write the same. Where the selected values or the
    literals differ too, which no structure explains, these come first; their order comes last, as
    the strict rule calls no answer wrong for that alone.

    >>> from sense.hardness import parse_sql
    >>> gold = parse_sql("SELECT name FROM city WHERE id > 3 ORDER BY name")
    >>> differences(gold, parse_sql("SELECT name FROM city WHERE id >= 3 ORDER BY id"))
    ['comparison', 'order_by']
    """
    first, second = canonical(gold), canonical(predicted)
    drop_qualifiers(first, second)
    kinds = sorted(set(_query(first, second)), key=GRAVITY.index)
    if not STRUCTURES.isdisjoint(kinds):
        certain = sorted(set(_content(first, second)), key=GRAVITY.index)
        kinds = [*certain, *(kind for kind in kinds if kind not in certain)]
    return sorted(kinds, key="column_order".__eq__)


def _content(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    """Differences that matter whatever the structure: what is selected, and literals."""
    yield from _projections(first_select(gold).expressions, first_select(predicted).expressions)
    mine, theirs = (
        {node.name for node in tree.find_all(exp.Literal) if node.is_string}
        for tree in (gold, predicted)
    )
    if mine - theirs and theirs - mine:
        yield "value"


def _query(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    gold, predicted = unwrapped(gold), unwrapped(predicted)
    if isinstance(gold, exp.Select) and isinstance(predicted, exp.Select):
        yield from _select(gold, predicted)
    elif isinstance(gold, exp.SetOperation) and isinstance(predicted, exp.SetOperation):
        same_distinct = gold.args.get("distinct") == predicted.args.get("distinct")
        if type(gold) is not type(predicted) or not same_distinct:
            yield "set_operation"
        yield from _query(gold.this, predicted.this)
        yield from _query(gold.expression, predicted.expression)
        yield from _ordering(gold, predicted)
    else:
        yield "set_operation"


def _select(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    if len(gold.ctes) != len(predicted.ctes):
        yield "nesting"
    yield from _from(gold, predicted)
    yield from _conditions(where(gold), where(predicted))
    yield from _group(gold, predicted)
    yield from _having(gold, predicted)
    yield from _ordering(gold, predicted)
    if bool(gold.args.get("distinct")) != bool(predicted.args.get("distinct")):
        yield "distinct"
    yield from _projections(gold.expressions, predicted.expressions)


def _from(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    mine, theirs = sources(gold), sources(predicted)
    missing, extra = unshared(list(map(source_name, mine)), list(map(source_name, theirs)))
    if "subquery" in missing + extra:
        yield "nesting"
    elif missing and extra:
        yield "table"
    elif missing or extra:
        yield "missing_join" if missing else "extra_join"
    else:
        if any(map(bool, unshared(join_conditions(gold), join_conditions(predicted)))):
            yield "join_condition"
        if any(map(bool, unshared(join_types(gold), join_types(predicted)))):
            yield "join_type"
    nested = [source for source in mine if isinstance(source, exp.Subquery)]
    others = [source for source in theirs if isinstance(source, exp.Subquery)]
    for first, second in zip(nested, others, strict=False):
        yield from _query(first, second)


def _conditions(gold: exp.Expr | None, predicted: exp.Expr | None) -> Iterator[str]:
    missing, extra = unshared_nodes(leaves(gold), leaves(predicted))
    if not missing and not extra:
        if gold and predicted and shape(gold) != shape(predicted):
            yield "connective"
        return
    if len(missing) == len(extra) and num_ors(gold) != num_ors(predicted):
        yield "connective"
    while missing and extra:
        first = missing.pop(0)
        second = min(extra, key=lambda leaf: len(set(_leaf(first, leaf))))
        extra.remove(second)
        yield from _leaf(first, second)
    yield from ["missing_condition"] * len(missing)
    yield from ["extra_condition"] * len(extra)


def _leaf(gold: exp.Expr, predicted: exp.Expr) -> list[str]:
    """Kinds of difference between two conditions."""
    kinds = []
    if is_negated(gold) != is_negated(predicted):
        kinds.append("negation")
    gold, predicted = positive(gold), positive(predicted)
    if bool(gold.find(exp.Query)) != bool(predicted.find(exp.Query)):
        return [*kinds, "nesting"]
    if type(gold) is not type(predicted):
        pair = {type(gold), type(predicted)}
        over_query = gold.find(exp.Query) is not None
        if exp.In in pair and over_query:
            return [*kinds, "nesting", *_term(gold.this, predicted.this)]
        kinds.append("comparison")
    mine, theirs = list(gold.iter_expressions()), list(predicted.iter_expressions())
    if isinstance(gold, exp.In) and isinstance(predicted, exp.In) and len(mine) != len(theirs):
        return [*kinds, *_term(gold.this, predicted.this), "value"]
    for first, second in zip(mine, theirs, strict=False):
        kinds += _term(first, second)
    return kinds


def _term(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    """Kinds of difference between two values."""
    if gold == predicted:
        return
    gold, predicted = stripped(gold), stripped(predicted)
    queries = isinstance(gold, exp.Query), isinstance(predicted, exp.Query)
    if all(queries):
        yield from _query(gold, predicted)
    elif any(queries):
        yield "nesting"
    elif isinstance(gold, exp.AggFunc) or isinstance(predicted, exp.AggFunc):
        yield from _aggregates(gold, predicted)
    elif isinstance(gold, (exp.Column, exp.Star)) and isinstance(predicted, (exp.Column, exp.Star)):
        if sql_text(gold) != sql_text(predicted):
            yield "column"
    elif isinstance(gold, CONDITIONS) and isinstance(predicted, CONDITIONS):
        yield from _conditions(gold, predicted)
    elif isinstance(gold, exp.Order) and isinstance(predicted, exp.Order):
        yield from _sort_keys(gold.expressions, predicted.expressions)
    elif isinstance(gold, exp.Literal) or isinstance(predicted, exp.Literal):
        yield "value"
    elif type(gold) is type(predicted):
        mine, theirs = list(gold.iter_expressions()), list(predicted.iter_expressions())
        kinds = [k for pair in zip(mine, theirs, strict=False) for k in _term(*pair)]
        yield from kinds or ["expression"] * (sql_text(gold) != sql_text(predicted))
    else:
        yield "expression"


def _aggregates(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    if type(gold) is not type(predicted):
        yield "aggregate"
    mine = gold.this if isinstance(gold, exp.AggFunc) else gold
    theirs = predicted.this if isinstance(predicted, exp.AggFunc) else predicted
    if isinstance(mine, exp.Distinct) != isinstance(theirs, exp.Distinct):
        yield "distinct"
    mine, theirs = (
        node.expressions[0] if isinstance(node, exp.Distinct) else node for node in (mine, theirs)
    )
    yield from _term(mine, theirs)


def _group(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    if any(map(bool, unshared_nodes(keys(gold, "group"), keys(predicted, "group")))):
        yield "group_by"


def _having(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    mine, theirs = gold.args.get("having"), predicted.args.get("having")
    if bool(mine) != bool(theirs):
        yield "having"
    elif mine and theirs:
        same_length = len(leaves(mine.this)) == len(leaves(theirs.this))
        for kind in _conditions(mine.this, theirs.this):
            is_own = kind in ("missing_condition", "extra_condition") and not same_length
            yield "having" if is_own else kind


def _ordering(gold: exp.Query, predicted: exp.Query) -> Iterator[str]:
    yield from _sort_keys(keys(gold, "order"), keys(predicted, "order"))
    for name in ("limit", "offset"):
        if gold.args.get(name) != predicted.args.get(name):
            yield "limit"


def _sort_keys(gold: list[exp.Expr], predicted: list[exp.Expr]) -> Iterator[str]:
    if len(gold) != len(predicted):
        yield "order_by"
        return
    for first, second in zip(gold, predicted, strict=True):
        if bool(first.args.get("desc")) != bool(second.args.get("desc")):
            yield "direction"
        for kind in _term(first.this, second.this):
            yield "order_by" if kind in ("column", "expression") else kind


def _projections(gold: list[exp.Expr], predicted: list[exp.Expr]) -> Iterator[str]:
    missing, extra = unshared_nodes(gold, predicted)
    if not missing and not extra:
        if list(map(sql_text, gold)) != list(map(sql_text, predicted)):
            yield "column_order"
        return
    for first, second in zip(missing, extra, strict=False):
        yield from _term(first, second)
    if len(missing) != len(extra):
        yield "missing_column" if len(missing) > len(extra) else "extra_column"
