"""What a question refers to: tables and columns by likeness of words, literals by the data itself.

`prune_schema` keeps what is most like the question within a budget of characters; `matching_values`
finds words of the question that occur as text values. Both are deterministic and call no model.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from math import log, sqrt
from pathlib import Path
from typing import NamedTuple

from sense.execution import open_read_only
from sense.schema import (
    Column,
    Schema,
    SchemaStyle,
    Table,
    limited_rows,
    natural_name,
    primary_key,
    quote_identifier,
    read_schema,
    schema_text,
)

MAX_VALUES_PER_COLUMN = 20_000
MAX_VALUES = 200_000
"""Distinct values indexed per database: about 60 MB. More columns than 10 share it evenly."""
MAX_VALUE_WORDS = 8
MAX_STEPS_PER_COLUMN = 5_000_000
"""Virtual-machine steps to collect the values of one column: a million rows, about 0.5 s."""
MIN_NUMBER_DIGITS = 6
"""Shorter numbers of a question stand as they are; a longer one may be a date or a code."""

# Likeness weights, set by hand on Spider's train databases: an exact word counts 1.
PARTIAL_WORD = 0.4  # a common beginning of five letters, or a word inside a longer one
VALUE_IN_COLUMN = 1.5
TABLE_WORD = 2.0
COLUMN_WORD = 2.0
BRIDGE = 0.5  # a table between two likely ones inherits half of the less likely one
LIKELY_COLUMN, OTHER_COLUMN = 0.8, 0.3  # share of its table's likeness that a column inherits
KEY_COLUMN = 0.3

_STOP_WORDS = """
a all am among an and any are as at be been by can could did do does each every find for from give
had has have having her his how i if in into is it its list many me more most much my no not of on
one or order our out over please return she show some than that the their them there these they
this those to us was we were what when where which who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


class ValueLink(NamedTuple):
    """A literal of the question as it stands in the data."""

    table: str
    column: str
    value: str


def prune_schema(
    schema: Schema,
    question: str,
    max_chars: int,
    style: SchemaStyle,
    value_links: Sequence[ValueLink] = (),
) -> Schema:
    """The part of the schema that is most like the question and whose text fits `max_chars`.

    Keys that connect two kept tables are always kept. A single table with a single column may be
    longer than the budget; nothing smaller exists.
    """
    return SchemaWords(schema).prune(question, max_chars, style, value_links)


def matching_values(
    db_path: str | Path, schema: Schema, question: str, limit: int
) -> list[ValueLink]:
    """Literals of the question that are text values of the schema's columns, longest first.

    Case is ignored, as is a plural "s". Where one literal occurs in several columns, the column
    likest to the question comes first, and the next ones after the first of every other literal.
    """
    return value_index(db_path).links(question, limit, within=schema)


def value_index(db_path: str | Path) -> "ValueIndex":
    """The index of the file's text values, kept until the file changes."""
    stat = Path(db_path).stat()
    return _value_index(str(db_path), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _value_index(db_path: str, mtime_ns: int, size: int) -> "ValueIndex":
    return ValueIndex(db_path, read_schema(db_path))


class SchemaWords:
    """The words of a schema, indexed to prune it for many questions."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._items = [
            (t, c) for t, table in enumerate(schema.tables) for c in range(len(table.columns))
        ]
        names = [schema.tables[t].columns[c].name for t, c in self._items]
        self._column_words = _WordIndex(names)
        self._table_words = _WordIndex([table.name for table in schema.tables])
        self._position = {
            (table.name, column.name): i
            for i, (table, column) in enumerate(
                (table, column) for table in schema.tables for column in table.columns
            )
        }
        self._neighbours = _neighbours(schema)

    def prune(
        self,
        question: str,
        max_chars: int,
        style: SchemaStyle,
        value_links: Sequence[ValueLink] = (),
    ) -> Schema:
        ranked = self._ranked(question, value_links)
        low, high = 1, self._longest_prefix(ranked, max_chars)
        best = self._subset(ranked[:1])
        while low < high:
            middle = (low + high + 1) // 2
            candidate = self._subset(ranked[:middle])
            if len(schema_text(candidate, style)) <= max_chars:
                low, best = middle, candidate
            else:
                high = middle - 1
        return best

    def _longest_prefix(self, ranked: list[tuple[int, int]], max_chars: int) -> int:
        # Every column costs its name and a separator in either style: a bound for the search.
        chars = 0
        for count, (t, c) in enumerate(ranked):
            chars += len(self._schema.tables[t].columns[c].name) + 2
            if chars > max_chars:
                return max(count, 1)
        return len(ranked)

    def _ranked(self, question: str, value_links: Sequence[ValueLink]) -> list[tuple[int, int]]:
        """(table, column) positions, likest to the question first, then in the schema's order."""
        stems = question_stems(question)
        column_scores = self._column_words.scores(stems)
        for link in dict.fromkeys((link.table, link.column) for link in value_links):
            if link in self._position:
                column_scores[self._position[link]] += VALUE_IN_COLUMN
        likeness = self._table_likeness(self._table_words.scores(stems), column_scores)
        best = self._best_columns(column_scores)
        scores = []
        for i, (t, c) in enumerate(self._items):
            share = LIKELY_COLUMN if column_scores[i] else OTHER_COLUMN
            score = COLUMN_WORD * column_scores[i] + likeness[t] * (1.0 if i == best[t] else share)
            score += KEY_COLUMN if self._schema.tables[t].columns[c].primary_key else 0.0
            scores.append(score)
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [self._items[i] for i in order]

    def _table_likeness(self, table_scores: list[float], column_scores: list[float]) -> list[float]:
        own = [TABLE_WORD * score for score in table_scores]
        best = [0.0] * len(own)
        for i, (t, _) in enumerate(self._items):
            best[t] = max(best[t], column_scores[i])
        own = [score + column for score, column in zip(own, best, strict=True)]
        bridged = [sorted((own[n] for n in near), reverse=True)[1:2] for near in self._neighbours]
        return [score + BRIDGE * sum(second) for score, second in zip(own, bridged, strict=True)]

    def _best_columns(self, column_scores: list[float]) -> dict[int, int]:
        """Per table the column that stands for it: the likest one, the primary key among equals."""
        best: dict[int, tuple[float, int, int]] = {}
        for i, (t, c) in enumerate(self._items):
            key = self._schema.tables[t].columns[c].primary_key
            rank = (column_scores[i], 1 if key else 0, -i)
            best[t] = max(best.get(t, rank), rank)
        return {t: -rank[2] for t, rank in best.items()}

    def _subset(self, items: Iterable[tuple[int, int]]) -> Schema:
        kept: dict[str, set[str]] = {}
        for t, c in items:
            table = self._schema.tables[t]
            kept.setdefault(table.name, set()).add(table.columns[c].name)
        for table in self._schema.tables:
            for key in table.foreign_keys if table.name in kept else ():
                if key.ref_table in kept and key.ref_table != table.name:
                    kept[table.name].update(key.columns)
                    kept[key.ref_table].update(key.ref_columns)
        return Schema(
            tuple(_cut(table, kept) for table in self._schema.tables if table.name in kept)
        )


def _cut(table: Table, kept: dict[str, set[str]]) -> Table:
    """The table with its kept columns; a key that lost a column is no key any more."""
    names = kept[table.name]
    columns: Iterable[Column] = (column for column in table.columns if column.name in names)
    if not names.issuperset(primary_key(table)):
        columns = (replace(column, primary_key=0) for column in columns)
    keys = tuple(
        key
        for key in table.foreign_keys
        if names.issuperset(key.columns)
        and kept.get(key.ref_table, set()).issuperset(key.ref_columns)
        and key.ref_table in kept
    )
    unique = tuple(group for group in table.unique if names.issuperset(group))
    return replace(table, columns=tuple(columns), foreign_keys=keys, unique=unique)


def _neighbours(schema: Schema) -> list[set[int]]:
    position = {table.name: t for t, table in enumerate(schema.tables)}
    near: list[set[int]] = [set() for _ in schema.tables]
    for t, table in enumerate(schema.tables):
        for key in table.foreign_keys:
            other = position[key.ref_table]
            if other != t:
                near[t].add(other)
                near[other].add(t)
    return near


class _WordIndex:
    """Names by their words, to score them all against a question."""

    def __init__(self, names: list[str]) -> None:
        self._natural = [natural_name(name) for name in names]
        self._lengths = [max(len(natural.split()), 1) for natural in self._natural]
        self._by_stem: dict[str, list[int]] = {}
        self._by_start: dict[str, list[int]] = {}
        for i, natural in enumerate(self._natural):
            for stem in dict.fromkeys(map(stem_word, natural.split())):
                self._by_stem.setdefault(stem, []).append(i)
                if len(stem) >= 5:
                    self._by_start.setdefault(stem[:5], []).append(i)
        self._hits: dict[str, list[tuple[int, float]]] = {}

    def scores(self, stems: Iterable[str]) -> list[float]:
        scores = [0.0] * len(self._natural)
        for stem in stems:
            if stem not in self._hits:
                if len(self._hits) > 10_000:
                    self._hits.clear()
                self._hits[stem] = list(self._find(stem))
            for i, weight in self._hits[stem]:
                scores[i] += weight
        return scores

    def _find(self, stem: str) -> Iterator[tuple[int, float]]:
        """Names that hold the word, and its weight: rare words and short names weigh more."""
        exact = self._by_stem.get(stem, [])
        partial = set(self._by_start.get(stem[:5], ()) if len(stem) >= 5 else ())
        if len(stem) >= 4:
            partial.update(i for i, name in enumerate(self._natural) if stem in name)
        partial.difference_update(exact)
        rarity = 1 / (1 + log(max(len(exact), 1)))
        yield from ((i, rarity / sqrt(self._lengths[i])) for i in exact)
        yield from ((i, PARTIAL_WORD / sqrt(self._lengths[i])) for i in sorted(partial))


def question_stems(question: str) -> list[str]:
    """Distinct stems of the question's words in their order, stop words left out."""
    words = natural_name(question).split()
    return list(dict.fromkeys(stem_word(word) for word in words if word not in STOP_WORDS))


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
        self._max_words = 0
        with closing(open_read_only(db_path)) as connection:
            tables = [table for table in schema.tables if not table.is_view]
            num_columns = sum(len(table.columns) for table in tables)
            limit = min(MAX_VALUES_PER_COLUMN, MAX_VALUES // max(num_columns, 1))
            for table in tables:
                for column in table.columns:
                    self._add_column(table, column)
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
            self._max_words = max(self._max_words, len(words))
            entry = _Entry(len(self._columns) - 1, value)
            self._entries.setdefault(" ".join(words), []).append(entry)

    def links(self, question: str, limit: int, within: Schema | None = None) -> list[ValueLink]:
        """Up to `limit` links of the question's literals, `within` the columns of a schema."""
        allowed = None
        if within is not None:
            allowed = {(table.name, c.name) for table in within.tables for c in table.columns}
        stems = frozenset(question_stems(question))
        groups = []
        for text, entries in self._matches(question):
            ranked = sorted(entries, key=lambda e: self._rank(e, text, stems))
            columns = dict.fromkeys(self._columns[entry.column] for entry in ranked)
            first = {
                column: entry.value
                for column in columns
                for entry in reversed(ranked)
                if self._columns[entry.column] == column
            }
            groups.append(
                [
                    ValueLink(*column, first[column])
                    for column in columns
                    if allowed is None or column in allowed
                ]
            )
        depth = max(map(len, groups), default=0)
        links = [group[i] for i in range(depth) for group in groups if i < len(group)]
        return list(dict.fromkeys(links))[:limit]

    def _rank(self, entry: _Entry, text: str, stems: frozenset[str]) -> tuple[bool, int, bool, int]:
        likeness = len(stems & self._column_stems[entry.column])
        return entry.value != text, -likeness, self._is_foreign[entry.column], entry.column

    def _matches(self, question: str) -> list[tuple[str, list[_Entry]]]:
        """Phrases of the question that are values, longest first, none inside another."""
        tokens = list(re.finditer(r"[^\W_]+", question))
        words = [token.group().casefold() for token in tokens]
        covered = [False] * len(words)
        matches = []
        for size in range(min(self._max_words, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                end = start + size
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
        is_plain = len(text) > 3 and stem_word(text.lower()) not in self._schema_stems
        return is_name or is_plain


_QUOTES = frozenset("'\"`“”‘’«»")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _distinct_text(table: Table, column: Column, limit: int) -> str:
    name = quote_identifier(column.name)
    # As bytes, because real files hold text that is not valid UTF-8.
    return (
        f"SELECT DISTINCT CAST({name} AS BLOB) FROM {quote_identifier(table.name)} "
        f"WHERE typeof({name}) = 'text' AND length({name}) <= 80 LIMIT {limit}"
    )
