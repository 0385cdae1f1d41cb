"""How errors and cards show a value: the start of a long text, the first of many, its kind."""

import json
from collections.abc import Iterable
from typing import Any

MAX_CHARS = 80
"""Of a text that an error quotes."""
MAX_VALUES = 5
"""Of a list that an error shows."""


def shortened(text: str, max_chars: int = MAX_CHARS) -> str:
    """The start of a text.

    >>> shortened("SELECT name FROM city", 11)
    'SELECT name...'
    """
    return text if len(text) <= max_chars else text[:max_chars] + "..."


def first_few(texts: Iterable[str], num: int = MAX_VALUES) -> str:
    """The first texts, and how many more there are.

    >>> first_few("abcdefg"), first_few("ab")
    ('a, b, c, d, e and 2 more', 'a, b')
    """
    found = list(texts)
    more = f" and {len(found) - num:,} more" if len(found) > num else ""
    return ", ".join(found[:num]) + more


def quoted_few(values: Iterable[str]) -> str:
    """As `first_few`, each in quotes.

    >>> quoted_few(["name", "age"])
    "'name', 'age'"
    """
    return first_few(f"'{value}'" for value in values)


def counted(num: int, noun: str) -> str:
    """The number with its noun.

    >>> counted(1, "database"), counted(1034, "question")
    ('1 database', '1,034 questions')
    """
    return f"{num:,} {noun}{'' if num == 1 else 's'}"


def kind_of(value: Any) -> str:
    """What a JSON value is.

    >>> kind_of([1]), kind_of(None), kind_of(2)
    ('an array', 'null', 'the number 2')
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), f"the number {value}")
