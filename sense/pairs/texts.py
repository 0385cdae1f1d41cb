"""Texts that a query orders, compares or averages as if they were numbers or dates.

As text '97' stands behind '130', and 'November14,2008' behind 'May24,2011': a column that was
declared TEXT gives the wrong answer to "the lowest" and "the latest".
"""

import re
from collections import Counter
from collections.abc import Iterable

from sqlglot import exp

from sense.execution import Row
from sense.pairs.gold_query import GoldQuery
from sense.schema import quote_identifier

PLACES = (exp.Ordered, exp.Max, exp.Min, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
MEANS = (exp.Avg, exp.Sum)
NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)\s*")
SORTS_AS_TEXT = re.compile(r"\D*|\d{4}(-\d\d){0,2}|(\d{4}-\d\d-\d\d[ T])?\d\d:\d\d(:\d\d(\.\d+)?)?")
"""Texts that come in the right order as they are: words, years, ISO dates, times."""
MAX_TEXTS = 1_000
"""Texts of a column that are looked at."""


def misreads_texts(gold: GoldQuery) -> bool:
    """Whether numbers or dates that are kept as text give another result read as what they are."""
    numbers = []
    for column in _compared_columns(gold.root):
        texts = _texts(gold, column)
        if _is_most(texts, NUMBER):
            numbers.append(column)
        elif texts and (isinstance(column.parent, MEANS) or not _is_most(texts, SORTS_AS_TEXT)):
            return True
    return bool(numbers) and _differs_as_numbers(gold, numbers)


def _compared_columns(tree: exp.Expr) -> list[exp.Column]:
    nodes = list(tree.find_all(*PLACES, *MEANS))
    sides = (side for node in nodes for side in (node.this, node.args.get("expression")))
    return [side for side in sides if isinstance(side, exp.Column)]


def _texts(gold: GoldQuery, column: exp.Column) -> list[str]:
    """What the column holds where that is text; none where most of it is not."""
    source = gold.context.source_of(column)
    if source is None:
        return []
    name, table = quote_identifier(column.name), quote_identifier(source.name)
    rows = gold.run(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL LIMIT {MAX_TEXTS}")
    texts = [value for (value,) in rows if isinstance(value, str)]
    return texts if 2 * len(texts) > len(rows) else []


def _is_most(texts: list[str], pattern: re.Pattern[str]) -> bool:
    return 2 * sum(bool(pattern.fullmatch(text)) for text in texts) > len(texts)


def _differs_as_numbers(gold: GoldQuery, columns: list[exp.Column]) -> bool:
    other = gold.root.copy()
    for column in _compared_columns(other):
        if column in columns:
            column.replace(exp.Cast(this=column.copy(), to=exp.DataType.build("REAL")))
    mine, theirs = (_spelled(rows) for rows in (gold.rows, gold.run(other)))
    return mine != theirs if gold.root.args.get("order") else Counter(mine) != Counter(theirs)


def _spelled(rows: Iterable[Row]) -> list[Row]:
    """The rows with numbers in one spelling: 97.0 for '97'."""
    return [
        tuple(
            float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value
            for value in row
        )
        for row in rows
    ]
