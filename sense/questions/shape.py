"""Hardness and features of the grammar's queries, each parsed once for all of the same shape.

A shape is the query with its names numbered and its literals blank. Neither hardness nor features
depend on what stands there, and the grammar has far fewer shapes than queries.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from sense.example import Hardness
from sense.hardness import hardness, parse_sql, sql_features
from sense.questions.wording import word_set

NUM_KEPT = 20_000  # about 1 kB each
KEYWORDS = word_set(
    """
    SELECT DISTINCT FROM JOIN ON AS WHERE AND OR NOT IN EXISTS BETWEEN LIKE IS NULL GROUP BY HAVING
    ORDER DESC LIMIT INTERSECT UNION EXCEPT CASE WHEN THEN ELSE END COUNT SUM AVG MIN MAX STRFTIME
    T1 T2
    """
)
"""The words that `to_sql` writes by itself. A name that is one of them keeps its own shape."""
TOKEN = re.compile(
    r"""'%Y' | (?P<text>'(?:[^']|'')*') | (?P<quoted>"(?:[^"]|"")*") | (?P<word>[^\W\d]\w*)
    | (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)""",
    re.VERBOSE,
)


class Measured(NamedTuple):
    """What is known of a query from its text."""

    hardness: Hardness
    features: tuple[str, ...]
    """As `sense.hardness.sql_features` names them."""


def measured(sql: str) -> Measured:
    """Hardness and features of a query that `to_sql` wrote.

    >>> measured("SELECT name FROM bee WHERE age > 3 LIMIT 2")
    Measured(hardness='medium', features=('limit', 'where'))
    """
    return _measured(shape(sql))


def shape(sql: str) -> str:
    """The text of a query that `to_sql` wrote, names numbered and literals blank.

    >>> shape("SELECT name FROM bee WHERE name LIKE 'A%' AND age > -3.5")
    "SELECT n0 FROM n1 WHERE n0 LIKE 'x' AND n2 > -1"
    """
    names: dict[str, str] = {}

    def masked(match: re.Match[str]) -> str:
        kind, token = match.lastgroup, match.group()
        if kind == "text":
            return "'x'"
        if kind == "number":
            return "1"
        if kind is None or token in KEYWORDS:
            return token
        if kind == "word":
            return names.setdefault(token.lower(), f"n{len(names)}")
        name = token[1:-1].lower()
        return f'"{names.setdefault(name, f"n{len(names)}")}"'

    return TOKEN.sub(masked, sql)


@lru_cache(maxsize=NUM_KEPT)
def _measured(sql: str) -> Measured:
    tree = parse_sql(sql)
    return Measured(hardness(tree), tuple(sql_features(tree)))
