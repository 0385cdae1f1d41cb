"""SQL out of a completion, whatever a model wraps around it.

Whether a text is SQL is asked of SQLite itself: a statement over tables that do not exist parses.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Literal, TypeAlias

import apsw

END_OF_THINKING = "</think>"

Form: TypeAlias = Literal["query", "empty", "fenced", "several_statements", "no_query"]
"""`query`: one statement that reads, as far as its start says; `fenced`: there is a code fence in
it; `no_query`: prose, a broken start, or a statement that writes."""


def extract_sql(completion: str) -> str:
    r"""The SQL of a completion without its closing semicolon; the stripped text if there is none.

    A completion that is SQL from its start ends with its first statement. Else thinking is skipped,
    and the last fenced block that starts as SQL counts, then the first line that does.

    >>> extract_sql("Count the rows of singer.\n\n```sql\nSELECT count(*) FROM singer;\n```")
    'SELECT count(*) FROM singer'
    """
    text = completion.strip()
    answer = text.partition(END_OF_THINKING)[2].strip()
    if answer and any(map(_is_sql, _blocks_with(END_OF_THINKING, text))):
        answer = ""  # a literal of the query holds the mark
    return _bare_sql(text) or _find_sql(answer) or _find_sql(text) or text


def form_of(text: str) -> Form:
    r"""What a text is that should be one query and nothing else.

    >>> [form_of(text) for text in ("SELECT 1; -- done", "```sql\nSELECT 1\n```", "I think so")]
    ['query', 'fenced', 'no_query']
    >>> form_of("SELECT 1; DROP TABLE t")
    'several_statements'
    """
    if not text.strip("; \t\r\n"):
        return "empty"
    if "```" in text:
        return "fenced"
    if not _SQL_START.match(text):
        return "no_query"
    if ";" not in text:
        return "query"
    _, _, rest = text.lstrip("; \t\r\n").partition(first_statement(text))
    return "several_statements" if _COMMENTS.sub("", rest).strip("; \t\r\n") else "query"


NO_SQL: Literal["no_sql"] = "no_sql"
"""The fault of an answer that holds no query."""


def answer_fault(completion: str) -> Literal["", "no_sql", "several_statements"]:
    r"""Why a completion does not say which query it means; "" where it does.

    Thinking does not count; a rationale and one block of SQL are fine.

    >>> [answer_fault(text) for text in ("Count them:\n```sql\nSELECT 1;\n```", "I cannot.")]
    ['', 'no_sql']
    >>> answer_fault("First\n```sql\nSELECT 1\n```\nthen\n```sql\nSELECT 2\n```")
    'several_statements'
    """
    text = (completion.partition(END_OF_THINKING)[2] or completion).strip()
    blocks = [block for block in _fenced_blocks(text) if _SQL_START.match(block)]
    if len(set(map(first_statement, blocks))) > 1 or any(map(_goes_on, blocks or [text])):
        return "several_statements"
    return "" if _SQL_START.match(extract_sql(text)) else NO_SQL


def first_statement(text: str) -> str:
    """The text up to the semicolon that ends its first statement, which is left out."""
    text = text.lstrip("; \t\r\n")
    for match in re.finditer(";", text):
        if sqlite3.complete_statement(text[: match.end()].replace("\0", " ")):
            return text[: match.start()].strip()
    return text.strip()


def _find_sql(text: str) -> str:
    """SQL at the start of the text, in a block, or on a line of its own; "" when there is none."""
    bare = _bare_sql(text)
    if bare:
        return bare
    blocks = list(_fenced_blocks(text))
    for block in (*filter(_SQL_START.match, blocks), *blocks):
        return first_statement(block)
    found = [_inline_sql(text, match.end()) for match in _SQL_IN_TEXT.finditer(text)]
    return next((sql for sql in found if _is_sql(sql)), found[0] if found else "")


def _blocks_with(mark: str, text: str) -> Iterator[str]:
    return (first_statement(block) for block in _fenced_blocks(text) if mark in block)


def _bare_sql(text: str) -> str:
    if not _SQL_START.match(text):
        return ""
    sql = _without_prose(text)
    if "```" not in text:
        return sql
    # "Select the rows ..." or a draft may open a rationale that ends with a block.
    blocks = _fenced_blocks(text.partition(sql)[2])
    return sql if _is_sql(sql) and not any(map(_SQL_START.match, blocks)) else ""


def _inline_sql(text: str, start: int) -> str:
    quote = "`" if text[start - 1 : start] == "`" else "```"
    inside, _, outside = text[start:].partition(quote)
    return first_statement(inside) if outside or quote == "`" else _without_prose(inside)


def _without_prose(text: str) -> str:
    """The first statement, without a paragraph that explains it in words."""
    sql = first_statement(text)
    if "\n" in sql and not _is_sql(sql):
        heads = (sql[: match.start()].strip() for match in _PROSE.finditer(sql))
        return next((head for head in heads if _is_sql(head)), sql)
    return sql


def _goes_on(text: str) -> bool:
    """Whether a statement of any kind, and not only words about it, follows the query."""
    if not _SQL_START.match(text):
        return False
    _, _, rest = text.lstrip("; \t\r\n").partition(first_statement(text))
    following = _COMMENTS.sub("", rest).strip("; \t\r\n")
    return bool(following) and _is_sql(first_statement(following), may_write=True)


def _is_sql(sql: str, may_write: bool = False) -> bool:
    """Whether SQLite can parse the statement; its names need not exist."""
    with closing(apsw.Connection(":memory:")) as connection:
        connection.authorizer = _may_read
        try:
            connection.execute(f"EXPLAIN {sql}")
        except apsw.SQLError as error:
            return _SYNTAX_ERROR.search(str(error)) is None
        except apsw.AuthError:
            return may_write
        except ValueError:  # a NUL in the text
            return False
    return True


def _may_read(operation: int, *names: object) -> int:
    reads = (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE)
    return apsw.SQLITE_OK if operation in reads else apsw.SQLITE_DENY


def _fenced_blocks(text: str) -> Iterator[str]:
    """Contents of the fenced blocks, the last one first; an open block runs to the end.

    Read upwards, because a rationale may hold a fence that nothing closes. A fence closes with as
    many backticks as it opened with.
    """
    lines = text.splitlines(keepends=True)
    fences = [(i, m) for i, line in enumerate(lines) if (m := _FENCE.fullmatch(line.strip()))]
    while fences:
        end, match = fences.pop()
        is_closing = not match["info"] and any(m["fence"] == match["fence"] for _, m in fences)
        if not is_closing:
            yield "".join(lines[end + 1 :]).rstrip().removesuffix(match["fence"])
            lines = lines[:end]
            continue
        while fences:
            start, opening = fences.pop()
            if opening["fence"] == match["fence"]:
                yield "".join(lines[start + 1 : end])
                break


_SQL_START = re.compile(
    r"""
    (?: \s | \( | --[^\n]*\n | /\*.*?\*/ )*+  # possessive: it never looks back
    (?: SELECT\b | VALUES\s*\(
      | WITH\s+ (?: RECURSIVE\s+ )? (?: "[^"]*" | `[^`]*` | \[[^]]*] | \w+ ) \s*
        (?: \([^)]*\)\s* )? AS\s* (?: (?: NOT\s+ )? MATERIALIZED\s* )? \(
    )
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# In running text a query starts its line, or is in capitals.
_SQL_IN_TEXT = re.compile(
    r"(?:^[ \t]*(?=(?i:SELECT\b|WITH\s+\S+\s+AS\s*\())|(?=\bSELECT\b|\bWITH\s+\S+\s+AS\s*\())",
    re.MULTILINE,
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_PROSE = re.compile(r"\n[ \t\r]*\n(?=[ \t]*(?:[A-Z][a-z]|[*#>-]|\d+\.))")
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})\s*(?P<info>\w*)")
_SYNTAX_ERROR = re.compile("syntax error|incomplete input|unrecognized token")
