"""Hardness and features of the grammar's queries, each parsed once for all of the same shape.

A shape is the query with its tables numbered, its columns nameless and its literals blank. Neither
hardness nor features depend on what stands there, and there are far fewer shapes than queries.
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
    r"""'%Y' | (?P<text>'(?:[^']|'')*') | (?P<number>\b\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    | (?P<table>(?<=FROM[ ])|(?<=JOIN[ ]))?(?P<name>(?P<quote>")?(?(quote)(?:[^"]|"")*"|[^\W\d]\w*))
      (?P<dot>\.)?""",
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
    """The text of a query that `to_sql` wrote, without its names and literals.

    >>> shape("SELECT bee.name FROM bee WHERE bee.name LIKE 'A%' AND bee.age > -3.5")
    "SELECT t0.c FROM t0 WHERE t0.c LIKE 'x' AND t0.c > -1"
    """
    tables: dict[str, str] = {}

    def masked(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "'x'" if match["text"] else "1" if match["number"] else match.group()
        dot = match["dot"] or ""
        if name in KEYWORDS:
            return name + dot
        quote = match["quote"] or ""
        is_table = dot or match["table"] is not None
        new = tables.setdefault(name, f"t{len(tables)}") if is_table else "c"
        return f"{quote}{new}{quote}{dot}"

    return TOKEN.sub(masked, sql)


@lru_cache(maxsize=NUM_KEPT)
def _measured(sql: str) -> Measured:
    tree = parse_sql(sql)
    return Measured(hardness(tree), tuple(sql_features(tree)))
