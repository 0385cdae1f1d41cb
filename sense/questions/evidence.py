"""Questions that leave a threshold untold, and the evidence that says what is meant."""

import random

from sense.questions.intent import PEER, Condition, Has, Intent
from sense.questions.restriction import loosely, title
from sense.questions.sql import condition_sql
from sense.schema import quote_identifier


def loose_condition(intent: Intent, rng: random.Random) -> Condition | None:
    """A threshold of the intent that can be told loosely; None where there is none."""
    if intent.other:
        return None
    told = [item.scope if isinstance(item, Has) else item for item in intent.filters]
    conditions = [item for item in told if isinstance(item, Condition)]
    found = [
        item
        for item in conditions
        if loosely(item)
        and item.column.table != PEER
        and sum(other.column == item.column for other in conditions) == 1
    ]
    return rng.choice(found) if found else None


def evidence_of(condition: Condition) -> str:
    """What the loose words mean.

    >>> from sense.questions.profile import ColumnProfile
    >>> price = ColumnProfile("tea", "tea", "price", "price", "real", 9, 0.0, False)
    >>> evidence_of(Condition(price, ">", (4.5,)))
    'A high price means that tea.price > 4.5.'
    """
    column = condition.column
    name = f"{quote_identifier(column.table)}.{quote_identifier(column.name)}"
    words = f"{loosely(condition)} {title(column)}"
    article = "An" if words.startswith("early") else "A"
    return f"{article} {words} means that {condition_sql(name, condition)}."
