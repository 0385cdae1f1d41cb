"""Names and literals replaced by short handles, so that a very small model need not spell.

`n1`, `n2`, ... stand for identifiers and `v1`, `v2`, ... for literals, numbered in the order in
which the question mentions them. The prompt carries the legend, so SQL in handles is turned back
into SQL by the prompt alone. Text-to-SQL has long done so under the name of anonymised utterances
(Iyer et al. 2017; Finegan-Dollak et al. 2018). What is not mentioned by name cannot be found: large
models get the whole schema instead.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

from sense.prompts.linking import ValueLink
from sense.prompts.mention import Mention
from sense.schema import Schema, Table, quote_identifier

DATE_FORMATS = ("%d %B %Y", "%B %d, %Y", "%Y-%m-%d")
LITERAL = re.compile(
    r"(?<!\w)'(?:[^']|'')*'(?!\w)|\d{1,2} [A-Z][a-z]+ \d{4}|[A-Z][a-z]+ \d{1,2}, \d{4}"
    r"|\d{4}-\d{2}-\d{2}|(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)"
)
"""A quoted text, a date or a number in a question."""
LEGEND = re.compile(
    r"""(?<!\S)(?:(n\d+) ("(?:[^"]|"")*"|[^\s"*>.|()]+)|(v\d+) = ('(?:[^']|'')*'|-?[\d.]+))(?!\S)"""
)
"""A handle and what it stands for, in the first line of a prompt."""


class Span(NamedTuple):
    """A piece of a question and what a handle stands for there."""

    start: int
    end: int
    identifier: str
    """"" for a literal."""
    literal: str
    """SQL text, "" for an identifier."""


def handle_text(
    schema: Schema, mentions: Sequence[Mention], links: Sequence[ValueLink], question: str
) -> str:
    """Two lines: the schema and the literals with their handles, and the question in handles.

    >>> from sense.schema import Column, Schema, Table
    >>> town = Schema((Table("town", (Column("name", "TEXT"), Column("height", "INT"))),))
    >>> print(handle_text(town, [Mention(4, 9, "town", "")], [], "The towns above 90"))
    n1 town ( n2 name , n3 height ) ; v1 = 90
    The n1 above v1
    """
    names: dict[str, str] = {}
    literals: dict[str, str] = {}
    parts, done = [], 0
    for span in sorted(_spans(mentions, links, question)):
        if span.identifier:
            handle = names.setdefault(span.identifier.lower(), f"n{len(names) + 1}")
        else:
            handle = literals.setdefault(span.literal, f"v{len(literals) + 1}")
        parts += [question[done : span.start], handle]
        done = span.end
    asked = "".join([*parts, question[done:]])
    tables = " | ".join(_table_text(table, names) for table in schema.tables)
    legend = "".join(f" ; {handle} = {literal}" for literal, handle in literals.items())
    return f"{tables}{legend}\n{asked}"


def mentioned_schema(
    schema: Schema, mentions: Iterable[Mention], links: Iterable[ValueLink]
) -> Schema:
    """The tables that are named or lie between them, with their keys and the columns named.

    A table of which neither is shown gives its first column. Without any mention the schema has no
    tables.
    """
    columns = {mention.column.lower() for mention in mentions if mention.column}
    columns |= {link.column.lower() for link in links}
    named = [mention.table for mention in mentions] + [link.table for link in links]
    kept = _connected(schema, list(dict.fromkeys(named)))
    tables = []
    for table in schema.tables:
        if table.name not in kept:
            continue
        foreign_keys = tuple(key for key in table.foreign_keys if key.ref_table in kept)
        keys = {name for key in foreign_keys for name in key.columns}
        keys |= {
            name
            for other in schema.tables
            for key in other.foreign_keys
            if other.name in kept and key.ref_table == table.name
            for name in key.ref_columns
        }
        shown = tuple(
            column
            for column in table.columns
            if column.primary_key or column.name in keys or column.name.lower() in columns
        )
        columns_shown = shown or table.columns[:1]
        tables.append(replace(table, columns=columns_shown, foreign_keys=foreign_keys))
    return Schema(tuple(tables))


def encode_sql(sql: str, prompt: str) -> str:
    """The SQL in the handles of the prompt; what has no handle stays as it is."""
    names, literals = _read_legend(prompt)
    by_name = {_unquoted(name).lower(): handle for handle, name in names.items()}
    by_literal = {literal: handle for handle, literal in literals.items()}

    def handle(token: Token) -> str | None:
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            return by_literal.get(sql[token.start : token.end + 1])
        return by_name.get(token.text.lower())

    return _replaced(sql, handle)


def decode_sql(text: str, prompt: str) -> str:
    """The SQL that a completion in the handles of the prompt means."""
    names, literals = _read_legend(prompt)
    known = names | literals
    return _replaced(
        text, lambda token: known.get(token.text) if token.token_type == TokenType.VAR else None
    )


def _spans(
    mentions: Iterable[Mention], links: Iterable[ValueLink], question: str
) -> Iterator[Span]:
    """Pieces that do not overlap: values of the data first, then other literals, then names."""
    taken: list[tuple[int, int]] = []

    def take(start: int, end: int) -> bool:
        is_free = all(end <= first or start >= last for first, last in taken)
        if is_free:
            taken.append((start, end))
        return is_free

    for link in links:
        literal = "'" + link.value.replace("'", "''") + "'"
        pattern = rf"(?<!\w)(?:'{re.escape(link.value)}'|{re.escape(link.value)})(?!\w)"
        for match in re.finditer(pattern, question, re.IGNORECASE):
            if take(*match.span()):
                yield Span(*match.span(), "", literal)
    for match in LITERAL.finditer(question):
        literal = _literal(match[0])
        if literal and take(*match.span()):
            yield Span(*match.span(), "", literal)
    for mention in mentions:
        if take(mention.start, mention.end):
            yield Span(mention.start, mention.end, mention.identifier, "")


def _literal(text: str) -> str:
    """The SQL literal of a quoted text, a date in words or a number; "" where it is none."""
    if text.startswith("'"):
        return text
    for form in DATE_FORMATS:
        try:
            return f"'{datetime.strptime(text, form):%Y-%m-%d}'"
        except ValueError:
            continue
    return "" if re.search("[A-Za-z]", text) else text


def _connected(schema: Schema, names: Sequence[str]) -> set[str]:
    """The named tables and those on the shortest ways between the first of them and the others."""
    near: dict[str, list[str]] = {table.name: [] for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            near[table.name].append(key.ref_table)
            near[key.ref_table].append(table.name)
    kept = set(names[:1])
    for name in names[1:]:
        came_from = dict.fromkeys(kept, "")
        queue = list(came_from)
        for at in queue:
            for other in near[at]:
                if other not in came_from:
                    came_from[other] = at
                    queue.append(other)
        at = name
        while at and at not in kept:
            kept.add(at)
            at = came_from.get(at, "")
    return kept


def _table_text(table: Table, names: dict[str, str]) -> str:
    def handle(name: str) -> str:
        return names.setdefault(name.lower(), f"n{len(names) + 1}")

    title = f"{handle(table.name)} {quote_identifier(table.name)}"
    parts = []
    for column in table.columns:
        text = f"{handle(column.name)} {quote_identifier(column.name)}"
        text += " *" if column.primary_key else ""
        for key in table.foreign_keys:
            for name, ref_column in zip(key.columns, key.ref_columns, strict=True):
                if name == column.name:
                    text += f" > {handle(key.ref_table)} . {handle(ref_column)}"
        parts.append(text)
    return f"{title} ( {' , '.join(parts)} )"


def _read_legend(prompt: str) -> tuple[dict[str, str], dict[str, str]]:
    """Handle -> identifier as SQL spells it, and handle -> literal."""
    names: dict[str, str] = {}
    literals: dict[str, str] = {}
    for name_handle, name, value_handle, literal in LEGEND.findall(prompt.partition("\n")[0]):
        if name_handle:
            names.setdefault(name_handle, name)
        else:
            literals[value_handle] = literal
    return names, literals


def _replaced(sql: str, replacement: Callable[[Token], str | None]) -> str:
    """The text with every token replaced that has a replacement; unchanged if SQL it is not."""
    try:
        tokens = SQLite().tokenize(sql)
    except TokenError:
        return sql
    parts, done = [], 0
    for token in tokens:
        new = replacement(token)
        if new is not None:
            parts += [sql[done : token.start], new]
            done = token.end + 1
    return "".join([*parts, sql[done:]])


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
