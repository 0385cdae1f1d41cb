"""Where a question names tables and columns, found by their natural names without a model.

The longest name wins; a column is also called by its name without that of its table (`build` for
`puppet_build` of `puppet`). A name of several columns means the one whose table is mentioned
nearest.
"""

import re
from collections import defaultdict
from typing import NamedTuple

from sense.prompts.linking import STOP_WORDS, stem_word
from sense.schema import Schema, natural_name

WORD = re.compile(r"(?<!\w)'[^']*'|[^\W_]+")
"""A word, or a quoted literal, in which nothing is looked for."""


class Mention(NamedTuple):
    """A name of the schema in a question."""

    start: int
    end: int
    """Characters of the question, the end excluded."""
    table: str
    column: str
    """"" where the table itself is named."""

    @property
    def identifier(self) -> str:
        return self.column or self.table


class SchemaNames:
    """The natural names of a schema, ready to be looked for in questions.

    >>> from sense.schema import Column, Schema, Table
    >>> puppet = Table("puppet", (Column("puppet_id", ""), Column("puppet_build", "")))
    >>> found = SchemaNames(Schema((puppet,))).mentions("Which build have most puppets?")
    >>> [mention.identifier for mention in found]
    ['puppet_build', 'puppet']
    """

    def __init__(self, schema: Schema) -> None:
        self._names: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        for table in schema.tables:
            self._add(_stems(table.name), table.name, "")
        for table in schema.tables:
            for column in table.columns:
                self._add(_stems(column.name), table.name, column.name)
        for table in schema.tables:
            prefix = _stems(table.name)
            for column in table.columns:
                stems = _stems(column.name)
                if len(stems) > len(prefix) and stems[: len(prefix)] == prefix:
                    self._add(stems[len(prefix) :], table.name, column.name)
        self._max_words: dict[str, int] = {}
        """First word of a name -> words of the longest name that begins with it."""
        for stems in self._names:
            self._max_words[stems[0]] = max(len(stems), self._max_words.get(stems[0], 0))

    def mentions(self, question: str) -> list[Mention]:
        """The names in the question, in its order."""
        words = list(WORD.finditer(question))
        stems = [stem_word(word[0].lower()) for word in words]
        found = []
        position = 0
        while position < len(words):
            size = self._size_at(position, stems)
            if size:
                start, end = words[position].start(), words[position + size - 1].end()
                found.append((start, end, self._names[tuple(stems[position : position + size])]))
            position += size or 1
        tables = [
            (start, table) for start, _, names in found for table, column in names if not column
        ]
        return [
            Mention(start, end, *min(names, key=lambda name: _distance(name, start, tables)))
            for start, end, names in found
        ]

    def _size_at(self, position: int, stems: list[str]) -> int:
        """Words of the longest name that starts there, 0 for none."""
        longest = self._max_words.get(stems[position], 0)
        for size in range(min(longest, len(stems) - position), 0, -1):
            if tuple(stems[position : position + size]) in self._names:
                return size
        return 0

    def _add(self, stems: tuple[str, ...], table: str, column: str) -> None:
        if not STOP_WORDS.issuperset(stems) and (table, column) not in self._names.get(stems, ()):
            self._names[stems].append((table, column))


def _stems(identifier: str) -> tuple[str, ...]:
    return tuple(stem_word(word) for word in natural_name(identifier).lower().split())


def _distance(name: tuple[str, str], start: int, tables: list[tuple[int, str]]) -> float:
    """Characters between a mention and the nearest one of its table; a table itself is nearest."""
    table, column = name
    if not column:
        return -1
    return min((abs(at - start) for at, found in tables if found == table), default=float("inf"))
