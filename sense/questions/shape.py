"""Hardness and features of the grammar's queries, each parsed once for all of the same form.

Neither depends on names and literals, nor on which aggregate or comparison there is: a form leaves
them out, so that there are far fewer forms than queries.
"""

from typing import NamedTuple

from sense.example import Hardness
from sense.hardness import hardness, parse_sql, sql_features
from sense.questions.intent import (
    Beyond,
    Case,
    Compared,
    Condition,
    Filter,
    Has,
    Intent,
    Measure,
    Shared,
    Wanted,
    is_inner,
)
from sense.questions.sql import to_sql

COMPARISONS = ("=", ">", ">=", "<", "<=")
PATTERNS = ("starts", "contains", "ends")


class Measured(NamedTuple):
    """What is known of a query from its text."""

    hardness: Hardness
    features: tuple[str, ...]
    """As `sense.hardness.sql_features` names them."""


def measured(intent: Intent) -> Measured:
    """Hardness and features of the intent's SQL."""
    key = form(intent)
    found = _measured.get(key)
    if found is None:
        tree = parse_sql(to_sql(intent))
        found = _measured[key] = Measured(hardness(tree), tuple(sql_features(tree)))
    return found


def form(intent: Intent) -> str:
    """What decides hardness and features of the intent's SQL, equal where these are."""
    wanted = " ".join(map(_wanted_form, intent.wanted))
    joins = " ".join("peer" if is_inner(link) else "link" for link in intent.joins)
    filters = " ".join(sorted(map(_filter_form, intent.filters)))
    parts = [f"{wanted} / {joins} / {filters}"]
    parts += [name for name in ("either", "distinct", "group", "second") if getattr(intent, name)]
    if intent.having:
        told = "average" if intent.having.value is None else intent.having.operator
        parts.append(f"having {_wanted_form(intent.having.measure)} {told}")
    parts += [_wanted_form(order.key) for order in (intent.order, intent.then) if order]
    if intent.limit:
        parts.append("limit")
    if intent.over:
        parts.append("over")
    if intent.other:
        parts.append(f"{intent.operator} {form(intent.other)}")
    return " / ".join(parts)


def _wanted_form(wanted: Wanted) -> str:
    if isinstance(wanted, Measure):
        return "measure distinct" if wanted.distinct else "measure"
    if isinstance(wanted, Case):
        return f"case {_filter_form(wanted.condition)}"
    return wanted.__class__.__name__


def _filter_form(item: Filter) -> str:
    if isinstance(item, Condition):
        if item.operator in COMPARISONS:
            return "compared"
        return "like" if item.operator in PATTERNS else item.operator
    if isinstance(item, Compared):
        return "compared"
    if isinstance(item, Shared):
        return f"shared {item.negated}"
    scope = _filter_form(item.scope) if item.scope else ""
    if isinstance(item, Beyond):
        return f"beyond ({scope}) {item.group is not None}"
    assert isinstance(item, Has)
    return f"has {len(item.relation.links)} ({scope}) {item.negated} {item.correlated}"


_measured: dict[str, Measured] = {}
"""Some thousands: the patterns give no more."""
