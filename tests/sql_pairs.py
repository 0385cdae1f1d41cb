"""Pairs of queries of `tests/fixtures/*.sql`: `gold; predicted;` below their title lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlglot.dialects.sqlite import SQLite
from sqlglot.tokens import Token, TokenType

FIXTURES = Path(__file__).parent / "fixtures"


class SqlPair(NamedTuple):
    """Two queries and whether they are equal on every database of their schema."""

    title: str
    equal: bool
    db_id: str
    gold_sql: str
    predicted_sql: str


def read_pairs(path: Path) -> list[SqlPair]:
    """The pairs of a file. Lines `-- title:`, `-- equal:` and `-- db:` hold until the next one."""
    text = path.read_text("utf-8")
    header: dict[str, str] = {}
    pairs: list[SqlPair] = []
    gold = ""
    for tokens in _statements(text):
        for comment in tokens[0].comments:
            name, _, value = comment.strip().partition(": ")
            if name in ("title", "equal", "db"):
                assert not gold, f"{path.name}: {name} stands between the two sides of a pair"
                header[name] = value
        sql = text[tokens[0].start : tokens[-1].end + 1]
        if not gold:
            gold = sql
            continue
        is_equal = {"yes": True, "no": False}[header["equal"]]
        pairs.append(SqlPair(header["title"], is_equal, header["db"], gold, sql))
        gold = ""
    assert not gold, f"{path.name}: the last query has no partner"
    return pairs


def _statements(text: str) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token in SQLite().tokenize(text):
        if token.token_type == TokenType.SEMICOLON:
            yield statement
            statement = []
        else:
            statement.append(token)
