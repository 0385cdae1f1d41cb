"""What one request asks of the teacher: a mode, and one wish per question."""

from typing import Literal, NamedTuple, TypeAlias, get_args

from sense.example import Hardness
from sense.servers.server import Request
from sense.strong_set.collection import Database
from sense.teaching.shots import Shot

Mode: TypeAlias = Literal["invent", "databases", "sql"]
MODES: tuple[Mode, ...] = get_args(Mode)

MODE_TEXT: dict[Mode, str] = {
    "invent": "a domain, a database for it, and questions with SQL over it",
    "databases": "questions with SQL over a database that is given",
    "sql": "the question for a query that the grammar drew over a database that is given",
}

LEVEL_TEXT: dict[Hardness, str] = {
    "easy": "one column or one aggregate of one table, with at most one of a condition, GROUP BY, "
    "ORDER BY or a join",
    "medium": "two of a condition, a join, GROUP BY, ORDER BY and LIMIT, or several columns, "
    "aggregates or conditions with one of these; no nested query",
    "hard": "three of conditions, joins, GROUP BY, ORDER BY and LIMIT with more than one column or "
    "condition, or one nested query, set operation or CASE in an otherwise simple query",
    "extra": "a nested query, a common table expression, a window function or a set operation "
    "together with joins, grouping or several conditions, or four clauses and more",
}
"""What Spider's levels mean, as `sense.hardness` measures them."""

FEATURE_TEXT: dict[str, str] = {
    "aggregate": "an aggregate",
    "arithmetic": "arithmetic",
    "between": "BETWEEN",
    "case": "CASE",
    "cast": "CAST",
    "correlated": "a correlated subquery",
    "cte": "a common table expression (WITH)",
    "date": "a date function",
    "distinct": "DISTINCT",
    "exists": "EXISTS",
    "group_by": "GROUP BY",
    "having": "HAVING",
    "in": "IN",
    "is_null": "IS NULL or IS NOT NULL",
    "join": "JOIN",
    "like": "LIKE",
    "limit": "LIMIT",
    "nested": "a nested query",
    "not": "NOT or <>",
    "or": "OR",
    "order_by": "ORDER BY",
    "set_operation": "UNION, INTERSECT or EXCEPT",
    "string_function": "a text function",
    "where": "WHERE",
    "window": "a window function",
}
"""What a request calls each feature."""


class Ask(NamedTuple):
    """One question that is wanted."""

    level: Hardness
    style: str
    features: tuple[str, ...] = ()
    """What its query shall use."""
    sql: str = ""
    """The query, where the question alone is wanted."""
    avoided: tuple[str, ...] = ()
    """What its query shall do without, since more came than was planned."""


class Task(NamedTuple):
    """One request to the teacher."""

    number: int
    mode: Mode
    asks: tuple[Ask, ...]
    domain: str
    """What the plan calls the domain: a field of work to invent in, or that of the database."""
    database: Database | None
    """None where the teacher invents one."""
    shots: tuple[Shot, ...]
    request: Request

    @property
    def key(self) -> str:
        """Of the verified reply in the journal: another request has another one."""
        return f"{self.number} {self.request.key('')[:16]}"
