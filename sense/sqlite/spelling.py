"""One spelling for texts that SQLite reads as the same tokens, so that each is run once.

Cheaper than running even a short query, and blind to anything that needs a parser.
"""

import re
from functools import lru_cache

TOKENS = re.compile(
    r"""
      [xX]?'(?:''|[^'])*' | "(?:""|[^"])*" | `(?:``|[^`])*` | \[[^]]*\]
    | \d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w$@:?\#]) | \.\d+(?:[eE][+-]?\d+)? | [\w$@:?\#]+
    | ->>? | << | >> | <[=>]? | >=? | !=? | == | \|\|
    | [^ \t\n\f\r]
    """,
    re.ASCII | re.VERBOSE,
)
NUM_KEPT = 256  # texts: each is asked for several times in a row
QUOTES = ("'", '"', "`", "[", "x'", "X'")


@lru_cache(maxsize=NUM_KEPT)
def one_spelling(sql: str) -> str:
    """The text with its words in lower case and one space between tokens, without a last semicolon.

    Texts with equal spellings are the same query. Comments and what is not ASCII are left alone.

    >>> one_spelling('SELECT Name,count( * ) FROM  City WHERE code="NLD" ;')
    'select name , count ( * ) from city where code = "NLD"'
    >>> one_spelling("SELECT 1 -- one")
    'SELECT 1 -- one'
    """
    if "--" in sql or "/*" in sql or not sql.isascii():
        return sql
    tokens = TOKENS.findall(sql)
    while tokens and tokens[-1] == ";":
        tokens.pop()
    return " ".join(t if t.startswith(QUOTES) else t.lower() for t in tokens)
