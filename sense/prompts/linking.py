"""What a question names in the data: words that occur as text values, with their table and column.

The index of a database is built once and kept until its file changes. No model is called.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sense.schema import (
    Column,
    Schema,
    Table,
    far_columns,
    limited_rows,
    natural_name,
    quote_identifier,
    read_schema,
)
from sense.sqlite.connection import reading
from sense.sqlite.file_state import FileState, file_state

MAX_VALUES_PER_COLUMN = 20_000
MAX_VALUES = 200_000
"""Distinct values indexed per database: about 60 MB. More columns than 10 share it evenly."""
MAX_CACHED_VALUES = 1_000_000
"""Values of all databases whose index is kept; the oldest index goes first."""
MAX_VALUE_WORDS = 8
MAX_STEPS_PER_COLUMN = 5_000_000
"""Virtual-machine steps to collect the values of one column: a million rows, about 0.5 s."""
MIN_NUMBER_DIGITS = 6
"""Shorter numbers of a question stand as they are; a longer one may be a date or a code."""

_STOP_WORDS = """
a all am among an and any are as at be been by can could did do does each every find for from give
had has have having her his how i if in into is it its list many me more most much my no not of on
one or order our out over please return she show some than that the their them there these they
this those to us was we were what when where which who whom whose why will with would you your
"""
WORD = re.compile(r"[^\W_]+")
STOP_WORDS = frozenset(_STOP_WORDS.split())


class ValueLink(NamedTuple):
    """A literal of the question as it stands in the data."""

    table: str
    column: str
    value: str


def value_index(db_path: str | Path) -> "ValueIndex":
    """The index of the file's text values, kept until the file changes or many others are read."""
    state = file_state(db_path)
    if state is None or not state.is_settled:
        return ValueIndex(db_path, read_schema(db_path))
    key = (str(db_path), state)
    index = _indexes.get(key)
    if index is None:
        index = ValueIndex(db_path, read_schema(db_path))
        _indexes[key] = index
        num_values = sum(kept.num_values for kept in _indexes.values())
        for old in list(_indexes)[:-1]:
            if num_values <= MAX_CACHED_VALUES:
                break
            num_values -= _indexes.pop(old).num_values
    return index


def question_stems(question: str) -> list[str]:
    """Distinct stems of the question's words in their order, stop words left out."""
    words = natural_name(question).split()
    return list(dict.fromkeys(stem_word(word) for word in words if word not in STOP_WORDS))


@lru_cache(maxsize=65_536)
def stem_word(word: str) -> str:
    """The word without a plural ending.

    >>> [stem_word(word) for word in ("countries", "classes", "singers", "bus", "status")]
    ['country', 'class', 'singer', 'bus', 'status']
    """
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


class _Entry(NamedTuple):
    column: int
    value: str


class ValueIndex:
    """Text values of a database by their words, up to `MAX_VALUES`."""

    def __init__(self, db_path: str | Path, schema: Schema) -> None:
        self._columns: list[tuple[str, str]] = []
        self._is_foreign: list[bool] = []
        self._column_stems: list[frozenset[str]] = []
        self._entries: dict[str, list[_Entry]] = {}
        self._reach: dict[str, int] = {}
        """First word of a value -> the number of words of the longest that starts so."""
        self.num_values = 0
        with reading(db_path) as connection:
            tables = [table for table in schema.tables if not table.is_view]
            num_columns = sum(len(table.columns) for table in tables)
            limit = min(MAX_VALUES_PER_COLUMN, MAX_VALUES // max(num_columns, 1))
            for table in tables:
                far = far_columns(connection, table)
                for column in table.columns:
                    self._add_column(table, column)
                    if column.name in far:
                        continue
                    for (data,) in limited_rows(
                        connection, _distinct_text(table, column, limit), MAX_STEPS_PER_COLUMN
                    ):
                        self._add(data)
        self._schema_stems = frozenset[str]().union(*self._column_stems)

    def _add_column(self, table: Table, column: Column) -> None:
        self._columns.append((table.name, column.name))
        self._is_foreign.append(any(column.name in key.columns for key in table.foreign_keys))
        words = natural_name(f"{table.name} {column.name}").split()
        self._column_stems.append(frozenset(map(stem_word, words)))

    def _add(self, data: bytes) -> None:
        try:
            value = data.decode()
        except UnicodeDecodeError:  # no SQL text can name it
            return
        words = _words(value.casefold())
        if 0 < len(words) <= MAX_VALUE_WORDS:
            self.num_values += 1
            self._reach[words[0]] = max(self._reach.get(words[0], 0), len(words))
            entry = _Entry(len(self._columns) - 1, value)
            self._entries.setdefault(" ".join(words), []).append(entry)

    def links(self, question: str, limit: int) -> list[ValueLink]:
        """Up to `limit` links of the question's literals.

        Longest first; case is ignored, as is a plural "s". Where one literal occurs in several
        columns, the column likest to the question comes first, and the next ones after the first
        of every other literal.
        """
        matches = self._matches(question)
        stems = frozenset(question_stems(question) if matches else ())
        groups = []
        for text, entries in matches:
            ranked = sorted(entries, key=lambda e: self._rank(e, text, stems))
            columns = dict.fromkeys(self._columns[entry.column] for entry in ranked)
            first = {
                column: entry.value
                for column in columns
                for entry in reversed(ranked)
                if self._columns[entry.column] == column
            }
            groups.append([ValueLink(*column, first[column]) for column in columns])
        depth = max(map(len, groups), default=0)
        links = [group[i] for i in range(depth) for group in groups if i < len(group)]
        return list(dict.fromkeys(links))[:limit]

    def _rank(self, entry: _Entry, text: str, stems: frozenset[str]) -> tuple[bool, int, bool, int]:
        likeness = len(stems & self._column_stems[entry.column])
        return entry.value != text, -likeness, self._is_foreign[entry.column], entry.column

    def _matches(self, question: str) -> list[tuple[str, list[_Entry]]]:
        """Phrases of the question that are values, longest first, none inside another."""
        tokens = list(WORD.finditer(question))
        words = [token.group().casefold() for token in tokens]
        covered = [False] * len(words)
        # A plural stands for its singular, but only as the last word.
        reach = [
            self._reach.get(word) or int(word[-1] == "s" and word[:-1] in self._reach)
            for word in words
        ]
        starts = [start for start, size in enumerate(reach) if size]
        matches = []
        for size in range(min(max(reach, default=0), len(words)), 0, -1):
            for start in starts:
                end = start + size
                if reach[start] < size or end > len(words):
                    continue
                entries = self._lookup(" ".join(words[start:end]))
                if not entries or any(covered[start:end]):
                    continue
                first, last = tokens[start].start(), tokens[end - 1].end()
                if self._is_literal(question, first, last, entries):
                    matches.append((question[first:last], entries))
                    covered[start:end] = [True] * size
        return matches

    def _lookup(self, key: str) -> list[_Entry]:
        found = self._entries.get(key)
        if not found and key.endswith("s") and len(key) > 3:
            found = self._entries.get(key[:-1])
        return found or []

    def _is_literal(self, question: str, first: int, last: int, entries: list[_Entry]) -> bool:
        """Whether the phrase names a value rather than being a word like any other."""
        text = question[first:last]
        if question[first - 1 : first] in _QUOTES and question[last : last + 1] in _QUOTES:
            return True
        digits = sum(map(str.isdigit, text))
        if digits == sum(map(str.isalnum, text)):
            return digits >= MIN_NUMBER_DIGITS
        if " " in text:
            return any(word.lower() not in STOP_WORDS for word in text.split())
        if text.lower() in STOP_WORDS:
            return False
        is_name = first > 0 and not text[0].islower() and any(e.value == text for e in entries)
        if is_name:
            return True
        word = text.lower()
        # A word of three letters counts only as the data has it: "cat" may be a pet or a "CAT".
        is_exact = any(e.value in (text, stem_word(text)) for e in entries)
        return stem_word(word) not in self._schema_stems and (
            len(stem_word(word)) > 3 or (len(word) > 2 and is_exact)
        )


_indexes: dict[tuple[str, FileState], ValueIndex] = {}

_QUOTES = frozenset("'\"`“”‘’«»")


def _words(text: str) -> list[str]:
    return WORD.findall(text)


def _distinct_text(table: Table, column: Column, limit: int) -> str:
    name = quote_identifier(column.name)
    # As bytes, because real files hold text that is not valid UTF-8.
    return (
        f"SELECT DISTINCT CAST({name} AS BLOB) FROM {quote_identifier(table.name)} "
        f"WHERE typeof({name}) = 'text' AND length({name}) <= 80 LIMIT {limit}"
    )
