"""A wide schema cut down to what a question is about, within a budget of characters.

Columns are ranked by the words and values that they share with the question, and the longest prefix
of that ranking whose text fits is kept. Deterministic; no model is called.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from math import log, sqrt

from sense.prompts.linking import ValueLink, question_stems, stem_word
from sense.schema import Schema, SchemaStyle, Table, natural_name, primary_key, schema_text

# Weights of likeness, set by hand on Spider's train questions: a whole word counts 1.
PARTIAL_WORD = 0.4  # five letters in common at the start, or a word inside a longer one
VALUE_IN_COLUMN = 1.5
TABLE_WORD = 2.0
COLUMN_WORD = 2.0
BRIDGE = 0.5  # a table between two likely ones inherits half of the less likely one
LIKELY_COLUMN, OTHER_COLUMN = 0.8, 0.3  # share of its table's likeness that a column inherits
USUAL_COLUMN = 0.3  # primary keys, names and titles, which questions ask for without saying so

_USUAL_WORDS = frozenset({"name", "title"})
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")


class SchemaWords:
    """The words of a schema, indexed to prune it for many questions."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        pairs = [(table, column) for table in schema.tables for column in table.columns]
        self._table_of = [t for t, table in enumerate(schema.tables) for _ in table.columns]
        self._position = {(table.name, column.name): i for i, (table, column) in enumerate(pairs)}
        self._names = [column.name for _, column in pairs]
        self._column_words = _WordIndex(self._names)
        self._table_words = _WordIndex([table.name for table in schema.tables])
        self._usual = [
            USUAL_COLUMN if column.primary_key or _is_usual(column.name) else 0.0
            for _, column in pairs
        ]
        self._neighbours = _neighbours(schema)
        self._chars = lru_cache(self._min_chars)

    def prune(
        self,
        question: str,
        max_chars: int,
        style: SchemaStyle,
        value_links: Sequence[ValueLink] = (),
    ) -> Schema:
        """The part of the schema likest to the question and whose text fits `max_chars`.

        Keys that connect two kept tables are always kept. A single table with a single column may
        be longer than the budget; nothing smaller exists.
        """
        ranked = self._ranked(question, value_links)
        least = self._least_chars(ranked, max_chars, style)
        low, high = 1, len(least)
        best, overhead = self._subset(ranked[:1]), max_chars // 8
        while low < high:
            # The text grows with the prefix, so bisection would do; a guess needs fewer steps.
            guess = sum(chars + overhead <= max_chars for chars in least[low:high])
            middle = low + max(guess, 1)
            candidate = self._subset(ranked[:middle])
            length = len(schema_text(candidate, style))
            if length <= max_chars:
                low, best = middle, candidate
            else:
                high = middle - 1
            overhead = length - least[middle - 1]
        return best

    def _least_chars(self, ranked: list[int], max_chars: int, style: SchemaStyle) -> list[int]:
        """A length that the text of each prefix cannot fall below, as long as that fits."""
        of_table, of_column = self._chars(style)
        seen: set[int] = set()
        least: list[int] = []
        total = 0
        for k in ranked:
            t = self._table_of[k]
            total += of_column[k] if t in seen else of_column[k] + of_table[t]
            seen.add(t)
            if total > max_chars and least:
                break
            least.append(total)
        return least

    def _min_chars(self, style: SchemaStyle) -> tuple[list[int], list[int]]:
        """Characters of each table around its columns, and of each column without its keys."""
        of_table, of_column = [0] * len(self._schema.tables), []
        for (table_name, name), t in zip(self._position, self._table_of, strict=True):
            table = self._schema.tables[t]
            column = next(c for c in table.columns if c.name == name)
            column = replace(column, primary_key=0)
            alone = (Schema((Table(table_name, (column,) * n),)) for n in (1, 2))
            once, twice = (len(schema_text(schema, style)) for schema in alone)
            of_column.append(twice - once)
            of_table[t] = once - of_column[-1]
        return of_table, of_column

    def _ranked(self, question: str, value_links: Sequence[ValueLink]) -> list[int]:
        """Positions of all columns, likest to the question first, then in the schema's order."""
        stems = question_stems(question)
        if _YEAR.search(question):
            stems.append("year")
        own = self._column_words.scores(stems)
        for link in dict.fromkeys((link.table, link.column) for link in value_links):
            if link in self._position:
                own[self._position[link]] += VALUE_IN_COLUMN
        best = self._best_columns(own)
        likeness = self._likeness(self._table_words.scores(stems), own, best)
        scores = [
            COLUMN_WORD * score + likeness[t] * (LIKELY_COLUMN if score else OTHER_COLUMN) + usual
            for t, score, usual in zip(self._table_of, own, self._usual, strict=True)
        ]
        for t, k in enumerate(best):
            if k is not None:  # the column that stands for its table inherits all of its likeness
                scores[k] = COLUMN_WORD * own[k] + likeness[t] + self._usual[k]
        return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)

    def _best_columns(self, own: list[float]) -> list[int | None]:
        """Per table the likest of its columns, a usual one among equals; None without columns."""
        best: list[int | None] = [None] * len(self._schema.tables)
        for k, (t, score) in enumerate(zip(self._table_of, own, strict=True)):
            other = best[t]
            if other is None or (score, self._usual[k]) > (own[other], self._usual[other]):
                best[t] = k
        return best

    def _likeness(
        self, table_scores: list[float], own: list[float], best: list[int | None]
    ) -> list[float]:
        alone = [
            TABLE_WORD * score + (0.0 if k is None else own[k])
            for score, k in zip(table_scores, best, strict=True)
        ]
        second = [sorted((alone[n] for n in near), reverse=True)[1:2] for near in self._neighbours]
        return [score + BRIDGE * sum(less) for score, less in zip(alone, second, strict=True)]

    def _subset(self, positions: Iterable[int]) -> Schema:
        """The schema of these columns and of the keys that connect their tables."""
        tables = self._schema.tables
        kept: dict[str, set[str]] = {}
        for k in positions:
            kept.setdefault(tables[self._table_of[k]].name, set()).add(self._names[k])
        chosen = [table for table in tables if table.name in kept]
        for table in chosen:
            for key in table.foreign_keys:
                if key.ref_table in kept and key.ref_table != table.name:
                    kept[table.name].update(key.columns)
                    kept[key.ref_table].update(key.ref_columns)
        return Schema(tuple(_cut(table, kept) for table in chosen))


def _cut(table: Table, kept: dict[str, set[str]]) -> Table:
    """The table with its kept columns; a key that lost a column is no key any more."""
    names = kept[table.name]
    columns = tuple(column for column in table.columns if column.name in names)
    if not names.issuperset(primary_key(table)):
        columns = tuple(replace(column, primary_key=0) for column in columns)
    keys = tuple(
        key
        for key in table.foreign_keys
        if names.issuperset(key.columns)
        and kept.get(key.ref_table, frozenset()).issuperset(key.ref_columns)
    )
    unique = tuple(group for group in table.unique if names.issuperset(group))
    return Table(table.name, columns, keys, unique, table.is_view)


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


def _is_usual(name: str) -> bool:
    return not _USUAL_WORDS.isdisjoint(natural_name(name).split())


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
