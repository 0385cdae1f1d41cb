"""Does the result of a query depend on the clock or on state? Told by the functions it names."""

from collections.abc import Sequence
from typing import Literal

from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

CLOCK_FUNCTIONS = {
    "date": 0, "datetime": 0, "time": 0, "julianday": 0, "unixepoch": 0, "timediff": 0,
    "strftime": 1,
}  # fmt: skip
"""Functions of a time with its place among their arguments; without it they take the clock."""
CLOCK_TIMES = {"now", "subsec", "subsecond"}
CLOCK_WORDS = {"current_date", "current_time", "current_timestamp"}
STATE_FUNCTIONS = {
    "random", "randomblob", "changes", "total_changes", "last_insert_rowid", "sqlite_version",
}  # fmt: skip
VOLATILE_WORDS = {"now", *CLOCK_WORDS, *CLOCK_FUNCTIONS, *STATE_FUNCTIONS}


def volatility(sql: str) -> Literal["time", "random", ""]:
    """`time` or `random` if the result depends on the clock or on state, else "".

    >>> volatility("SELECT name FROM t WHERE born < date('now', '-18 years')")
    'time'
    """
    lower = sql.lower()
    if not any(word in lower for word in VOLATILE_WORDS):
        return ""
    try:
        tokens = SQLite().tokenize(sql)
    except SqlglotError:
        return ""
    for i, token in enumerate(tokens):
        word = token.text.lower()
        if token.token_type == TokenType.STRING:
            if word == "now":
                return "time"
        elif token.token_type == TokenType.IDENTIFIER:
            continue
        elif word in CLOCK_WORDS:
            return "time"
        elif tokens[i + 1 : i + 2] and tokens[i + 1].token_type == TokenType.L_PAREN:
            if word in STATE_FUNCTIONS:
                return "random"
            if word in CLOCK_FUNCTIONS:
                times = _arguments(tokens[i + 1 :])[CLOCK_FUNCTIONS[word] :]
                if not times or _is_clock_time(times[0], sql):
                    return "time"
    return ""


def _arguments(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each argument of a call, of which `tokens` starts with the parenthesis."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.token_type == TokenType.L_PAREN
        depth -= token.token_type == TokenType.R_PAREN
        if not depth:
            break
        if token.token_type == TokenType.COMMA and depth == 1:
            arguments.append([])
        elif token is not tokens[0]:
            arguments[-1].append(token)
    return arguments if arguments != [[]] else []


def _is_clock_time(argument: Sequence[Token], sql: str) -> bool:
    """Whether SQLite reads the argument as the time of the clock.

    Double quotes make a string of it unless a column has that name, which is taken to be rare.
    """
    if len(argument) != 1 or argument[0].text.lower() not in CLOCK_TIMES:
        return False
    return argument[0].token_type == TokenType.STRING or sql[argument[0].start] == '"'
