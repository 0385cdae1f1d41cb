"""Spider's level of a query from the counts that decide it, and these counts for plain queries.

Nearly all queries of Spider are plain: clauses in their order, columns and aggregates of one, and
conditions without brackets. Their counts are read off the tokens, some thirty times as fast as a
syntax tree is made. In doubt there are none, and `sense.hardness` reads the query.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from sense.example import Hardness
from sense.sqlite.spelling import TOKENS

AGGREGATE_NAMES = frozenset({"avg", "count", "max", "min", "sum"})
COMPARED_BY = frozenset({"=", "==", "!=", "<>", "<", ">", "<=", ">="})
SET_OPERATIONS = frozenset({"except", "intersect", "union"})
_RESERVED = """
all and any array as asc between by case cast collate cross current_date current_time
current_timestamp default delete desc distinct else end escape except exists false fetch filter for
from full glob group having if in indexed inner insert intersect interval into is isnull join
lateral left like limit match natural not notnull null nulls offset on or order outer over partition
pivot pragma qualify recursive regexp returning right select set some table tablesample then true
union unique unnest unpivot update using values when where window with
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that are no plain name of a column or table."""


class Components(NamedTuple):
    """The three counts that decide a level."""

    clauses: int
    """WHERE, GROUP BY, ORDER BY, LIMIT, each join, each OR, each LIKE."""
    nested: int
    """Subqueries in conditions and the second side of a set operation."""
    others: int
    """How many of these are plural: aggregates, selected columns, WHERE conditions, group keys."""


def level_of(counts: Components) -> Hardness:
    """The level that the official script gives.

    >>> level_of(Components(clauses=2, nested=0, others=2))
    'extra'
    """
    clauses, nested, others = counts
    if nested == 0:
        if clauses <= 1 and others == 0:
            return "easy"
        if (clauses <= 1 and others <= 2) or (clauses <= 2 and others <= 1):
            return "medium"
        if (clauses <= 2 and others > 2) or (clauses == 3 and others <= 2):
            return "hard"
        # Two clauses and two plurals fall through every rule of the official script.
        return "extra"
    return "hard" if clauses <= 1 and others == 0 and nested == 1 else "extra"


def gold_hardness(sql: str) -> Hardness | Literal[""]:
    """Spider's level of a gold query; "" for a text that is no query, as some sets hold.

    >>> gold_hardness("SELECT name FROM city"), gold_hardness("SELECT name FROM")
    ('easy', '')
    """
    counts = plain_components(sql)
    if counts:
        return level_of(counts)
    from sense.hardness import UnparsedSqlError, hardness

    try:
        return hardness(sql)
    except UnparsedSqlError:
        return ""


def plain_components(sql: str) -> Components | None:
    """The counts behind the level of a plain query; None where a parser is needed to tell them.

    >>> plain_components("SELECT a, b FROM t WHERE c LIKE 'x%' OR d = 1")
    Components(clauses=3, nested=0, others=2)
    >>> plain_components("SELECT a FROM t WHERE (b = 1 OR c = 2)") is None
    True
    """
    if "--" in sql or "/*" in sql or not sql.isascii():
        return None
    try:
        return _Reader(TOKENS.findall(sql)).components()
    except (_NotPlainError, RecursionError):
        return None


class _NotPlainError(Exception):
    """The query has something that this module does not read."""


class _Conditions(NamedTuple):
    """What conditions that AND and OR connect count for."""

    num: int = 0
    num_ors: int = 0
    num_likes: int = 0
    num_negated: int = 0
    num_queries: int = 0


class _Select(NamedTuple):
    """What one SELECT counts for."""

    columns: int
    aggregates: int
    joins: int
    on: _Conditions
    where: _Conditions
    group_keys: int
    having: _Conditions
    orders: bool
    order_aggregates: int
    limits: bool


class _Reader:
    """Reads the tokens of one query from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*(token.lower() for token in tokens), ""]
        self.place = 0

    def components(self) -> Components:
        select, is_compound = self.query()
        while self.takes(";"):
            pass
        if self.token:
            raise _NotPlainError
        conditions = (select.on, select.where, select.having)
        plurals = (
            select.aggregates
            + select.order_aggregates
            + select.where.num_negated
            + select.having.num_negated
            + max(select.having.num - 1, 0),
            select.columns,
            select.where.num,
            select.group_keys,
        )
        return Components(
            clauses=select.joins
            + sum((select.where.num > 0, select.group_keys > 0, select.orders, select.limits))
            + sum(found.num_ors + found.num_likes for found in conditions),
            nested=is_compound + sum(found.num_queries for found in conditions),
            others=sum(count > 1 for count in plurals),
        )

    @property
    def token(self) -> str:
        """The next token; "" at the end."""
        return self.tokens[self.place]

    def takes(self, *words: str) -> bool:
        """Whether the next tokens are these, which are then read."""
        end = self.place + len(words)
        if tuple(self.tokens[self.place : end]) != words:
            return False
        self.place = end
        return True

    def needs(self, *words: str) -> None:
        if not self.takes(*words):
            raise _NotPlainError

    def query(self) -> tuple[_Select, bool]:
        """The first SELECT, and whether a set operation follows; its end sorts the whole."""
        first = self.select()
        last, is_compound = first, False
        while self.token in SET_OPERATIONS:
            if last.orders or last.limits:
                raise _NotPlainError
            self.place += 1
            self.takes("all")
            last, is_compound = self.select(), True
        return first, is_compound

    def select(self) -> _Select:
        self.needs("select")
        self.takes("distinct")
        items = self.listed(self.item)
        self.needs("from")
        self.source(may_nest=True)
        joins, on = self.joined()
        where = self.conditions() if self.takes("where") else _Conditions()
        group_keys, having = 0, _Conditions()
        if self.takes("group", "by"):
            group_keys = len(self.listed(self.column))
            having = self.conditions() if self.takes("having") else having
        orders = self.listed(self.order_term) if self.takes("order", "by") else []
        limits = self.takes("limit")
        if limits:
            self.number()
        return _Select(
            *(len(items), sum(items), joins, on, where, group_keys, having),
            *(bool(orders), sum(orders), limits),
        )

    def listed(self, read: Callable[[], bool]) -> list[bool]:
        found = [read()]
        while self.takes(","):
            found.append(read())
        return found

    def item(self) -> bool:
        """Whether a selected value is an aggregate."""
        if self.takes("*"):
            return False
        is_aggregate = self.value(may_be_star=True)
        if self.takes("as"):
            self.name()
        return is_aggregate

    def value(self, may_be_star: bool = False) -> bool:
        """Whether what is read is an aggregate; else it is a column."""
        if self.token in AGGREGATE_NAMES and self.tokens[self.place + 1] == "(":
            self.place += 2
            if not self.takes("*"):
                self.takes("distinct")
                self.column()
            self.needs(")")
            return True
        return self.column(may_be_star)

    def column(self, may_be_star: bool = False) -> bool:
        self.name()
        if self.takes(".") and not (may_be_star and self.takes("*")):
            self.name()
        return False

    def name(self) -> None:
        if not self.token.isidentifier() or self.token in RESERVED:
            raise _NotPlainError
        self.place += 1

    def number(self) -> None:
        if not self.token.isdigit():
            raise _NotPlainError
        self.place += 1

    def source(self, may_nest: bool = False) -> None:
        """A table or, where it may nest, a query in brackets, with its alias."""
        if may_nest and self.token == "(":
            self.nested()
        else:
            self.name()
        if self.takes("as") or (self.token.isidentifier() and self.token not in RESERVED):
            self.name()

    def nested(self) -> None:
        self.needs("(")
        self.query()
        self.needs(")")

    def joined(self) -> tuple[int, _Conditions]:
        """How many joins follow, and the conditions of all."""
        num = 0
        on = _Conditions()
        while True:
            is_outer = self.takes("left", "outer") or self.takes("left") or self.takes("inner")
            if not self.takes("join"):
                if is_outer:
                    raise _NotPlainError
                return num, on
            num += 1
            self.source()
            if self.takes("on"):
                on = _Conditions(*map(sum, zip(on, self.conditions(), strict=True)))

    def conditions(self) -> _Conditions:
        found = self.condition()
        while (is_or := self.takes("or")) or self.takes("and"):
            found = _Conditions(*map(sum, zip(found, self.condition(), strict=True)))
            found = found._replace(num_ors=found.num_ors + is_or)
        return found

    def condition(self) -> _Conditions:
        is_negated = self.takes("not")
        self.operand()
        if self.token in COMPARED_BY:
            self.place += 1
            is_query = self.token == "("
            self.nested() if is_query else self.operand()
            return _Conditions(1, 0, 0, is_negated, is_query)
        if self.takes("is"):
            is_negated |= self.takes("not")
            self.needs("null")
            return _Conditions(1, 0, 0, is_negated)
        is_negated |= self.takes("not")
        if self.takes("like"):
            self.operand()
            return _Conditions(1, 0, 1, is_negated)
        if self.takes("between"):
            self.operand()
            self.needs("and")
            self.operand()
            return _Conditions(1, 0, 0, is_negated)
        self.needs("in")
        is_query = self.tokens[self.place + 1] == "select"
        self.nested() if is_query else self.literals()
        return _Conditions(1, 0, 0, is_negated, is_query)

    def operand(self) -> None:
        if not self.is_literal():
            self.value()

    def literals(self) -> None:
        self.needs("(")
        if not all(self.listed(self.is_literal)):
            raise _NotPlainError
        self.needs(")")

    def is_literal(self) -> bool:
        """Whether a number or text was read; what stands in double quotes is one here."""
        found = self.token[:1].isdigit() or self.token.startswith(("'", '"'))
        self.place += found
        return found

    def order_term(self) -> bool:
        is_aggregate = self.value()
        if not self.takes("asc"):
            self.takes("desc")
        return is_aggregate
