"""What a query says that its question may say too: values, names, columns; found in one walk."""

from typing import NamedTuple

from sqlglot import exp

from sense.hardness import first_select
from sense.schema import natural_name

WRAPPERS = (exp.Neg, exp.Paren, exp.Lower, exp.Upper, exp.Cast, exp.Trim, exp.Tuple)
COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between, exp.In)
PATTERNS = (exp.Like, exp.ILike, exp.Glob)
STEPS: dict[type[exp.Expr], int] = {exp.GT: 1, exp.GTE: -1, exp.LT: -1, exp.LTE: 1}
"""What to add to the number of a comparison for another one by which people say it: `> 2` is "at
least 3"."""
MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


class Needed(NamedTuple):
    """A value that the SQL compares with."""

    text: str
    """As the SQL has it, without quotes."""
    number: float | None
    """None for text."""
    operator: type[exp.Expr]
    """The comparison, as if the value stood at its right; `exp.Limit` for the size of a cut."""
    is_key: bool
    """Whether it is compared with a column that is called an id."""


class SqlWords(NamedTuple):
    """What a query says that its question may say too."""

    needed: tuple[Needed, ...]
    texts: tuple[str, ...]
    """Names and literals."""
    numbers: frozenset[float]
    """By which a question may mean those of the query."""
    selected: tuple[str, ...]
    """Columns that it returns as they are."""
    reads_all: bool
    """Whether it selects `*`."""


def sql_words(tree: exp.Expr) -> SqlWords:
    """What the query says, found in one walk.

    Arguments of functions, results of CASE and factors of arithmetic are not needed: a question
    says them in its own way.
    """
    needed = []
    texts = []
    numbers = set()
    reads_all = False
    for node in tree.walk():
        if isinstance(node, exp.Literal):
            texts.append(node.name)
            if value := _needed(node):
                needed.append(value)
                if value.number is not None:
                    near = value.number + STEPS.get(value.operator, 0)
                    numbers |= {abs(value.number), abs(near)}
            elif isinstance(node.parent, exp.Offset) and not node.is_string:
                numbers.add(float(node.name) + 1)
        elif isinstance(node, exp.Identifier):
            texts.append(node.name)
        elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            reads_all = True
    projections = (item.unalias() for item in first_select(tree).expressions)
    selected = tuple(item.name for item in projections if isinstance(item, exp.Column))
    return SqlWords(tuple(needed), tuple(texts), frozenset(numbers), selected, reads_all)


def _needed(literal: exp.Literal) -> Needed | None:
    """The literal, where a condition compares with it or it is the size of a cut."""
    node: exp.Expr = literal
    sign = 1
    while isinstance(node.parent, WRAPPERS):
        node = node.parent
        sign = -sign if isinstance(node, exp.Neg) else sign
    parent = node.parent
    if not isinstance(parent, (*COMPARED, *PATTERNS, exp.Limit)):
        return None
    operator: type[exp.Expr] = type(parent)
    if node.arg_key == "this" and operator in MIRRORED:
        operator = MIRRORED[operator]
    column = parent.this if isinstance(parent.this, exp.Column) else None
    is_key = column is not None and natural_name(column.name).split()[-1:] == ["id"]
    return Needed(literal.name, _number(literal, sign), operator, is_key)


def _number(literal: exp.Literal, sign: int) -> float | None:
    try:
        return None if literal.is_string else sign * float(literal.name)
    except ValueError:  # in another base
        return None
