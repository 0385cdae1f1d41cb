"""How far two queries are from each other: the edit distance of their trees.

A node put in, taken out or renamed costs 1 (Zhang and Shasha 1989; computed by APTED, Pawlik and
Augsten 2016). Names of aliases, the order of conditions and of the sides of `=` cost nothing, and
a column, a table or a value is one node.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from apted import APTED, Config
from sqlglot import exp

from sense.diagnosis.canonical import canonical
from sense.diagnosis.pieces import unwrapped
from sense.hardness import UnparsedSqlError, parse_sql, sql_text

MAX_NODES = 200
"""Of the larger tree, about ten times that of a usual query: 0.3 s each there, cubic beyond. For
larger ones, and for what is no query, the bound of `_least` stands for the distance."""

MAX_COMPARED = 16
"""Pairs of one question whose distance is computed to find the farthest, about 3 ms each."""

SYMMETRIC = (exp.EQ, exp.NEQ, exp.And, exp.Or)


class Node(NamedTuple):
    """A part of a query."""

    label: str
    table: str
    """Of a column; "" where it is not said, which fits any."""
    children: tuple["Node", ...] = ()


def distance(first: str, second: str) -> int:
    """Fewest nodes to put in, take out or rename that make one query the other.

    >>> distance("SELECT a FROM t WHERE b = 1 AND c = 2", "SELECT x.a FROM t x WHERE c=2 AND b=1")
    0
    >>> distance("SELECT MAX(a) FROM t", "SELECT MIN(a) FROM t")
    1
    """
    return _distance(*sorted((first, second)))


def nearest(sql: str, others: Sequence[str]) -> str:
    """The one of `others` that is nearest to the query; of equally near ones the first."""
    return next(nearest_first([(sql, other) for other in others]))[1]


def nearest_first(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pairs of queries, the nearest first; equally near ones in their order.

    A distance is computed where the bounds from below leave open which pair is the next one.

    >>> list(nearest_first([("SELECT a", "SELECT b, c"), ("SELECT a", "SELECT b")]))
    [('SELECT a', 'SELECT b'), ('SELECT a', 'SELECT b, c')]
    """
    waiting = [(_least(*pair), place, False) for place, pair in enumerate(pairs)]
    heapify(waiting)
    while waiting:
        _, place, is_known = heappop(waiting)
        if is_known:
            yield pairs[place]
        else:
            heappush(waiting, (distance(*pairs[place]), place, True))


def farthest_first(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of queries, the farthest first; equally far ones in their order.

    The bound from below orders all of them, the distance itself the first `MAX_COMPARED` of these.
    """
    by_bound = sorted(pairs, key=lambda pair: -_least(*pair))
    compared, rest = by_bound[:MAX_COMPARED], by_bound[MAX_COMPARED:]
    return [*sorted(compared, key=lambda pair: -distance(*pair)), *rest]


class _Costs(Config):
    """Every edit costs 1."""

    def rename(self, node1: Node, node2: Node) -> int:
        is_same_table = node1.table == node2.table or not node1.table or not node2.table
        return int(node1.label != node2.label or not is_same_table)

    def children(self, node: Node) -> tuple[Node, ...]:
        return node.children


@lru_cache(maxsize=16_384)
def _distance(first: str, second: str) -> int:
    trees = _tree(first), _tree(second)
    if any(sum(_bag(sql).values()) > MAX_NODES for sql in (first, second)):
        return _least(first, second)
    return int(APTED(*trees, _Costs()).compute_edit_distance())


def _least(first: str, second: str) -> int:
    """A bound from below: a node of one bag that the other lacks costs 1 at least."""
    mine, theirs = _bag(first), _bag(second)
    return max((mine - theirs).total(), (theirs - mine).total())


@lru_cache(maxsize=4096)
def _bag(sql: str) -> Counter[str]:
    """The labels of all nodes."""
    bag: Counter[str] = Counter()
    nodes = [_tree(sql)]
    while nodes:
        node = nodes.pop()
        bag[node.label] += 1
        nodes.extend(node.children)
    return bag


@lru_cache(maxsize=4096)
def _tree(sql: str) -> Node:
    """The query written alike; a text that is none, or is nested too deeply, is one node."""
    try:
        return _node(canonical(parse_sql(sql)))
    except (UnparsedSqlError, RecursionError):
        return Node(" ".join(sql.split()), "")


def _node(part: exp.Expr) -> Node:
    part = unwrapped(part)
    if isinstance(part, exp.Column):
        return Node(part.name, part.table)
    if isinstance(part, (exp.Table, exp.Literal)):
        return Node(sql_text(part), "")
    parts = list(part.flatten()) if isinstance(part, exp.Connector) else part.iter_expressions()
    children = [_node(child) for child in parts]
    if isinstance(part, SYMMETRIC):
        children.sort()
    flags = [f"{k}={v}" for k, v in part.args.items() if isinstance(v, (str, bool)) and v]
    return Node(" ".join([part.key, *flags]), "", tuple(children))
