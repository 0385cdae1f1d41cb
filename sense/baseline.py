"""Two answers that need no model, to stand beside every accuracy.

`constant` counts the rows of the database's first table, whatever is asked. `nearest` takes the
training question that is worded most alike once schema words and literals are masked, and puts
this question's tables, columns and literals into its SQL, in the order in which they are mentioned.
Copied word for word that SQL would name tables that a new database does not have.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp

from sense.hardness import parse_sql
from sense.question import Question
from sense.schema import Schema, natural_name, quote_identifier, read_schema
from sense.wording import singular

WORD = re.compile(r"'[^']*'|\w+(?:\.\d+)?")
LITERAL = re.compile(r"'[^']*'|\d+(?:\.\d+)?")


class Masked(NamedTuple):
    """A question with what belongs to its database taken out, in the order of mention."""

    words: tuple[str, ...]
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    literals: tuple[str, ...]


def constant_answer(db_path: str | Path) -> str:
    """The number of rows of the first table."""
    table = read_schema(db_path).tables[0]
    return f"SELECT COUNT(*) FROM {quote_identifier(table.name)}"


def nearest_answers(train: Sequence[Question], asked: Sequence[Question]) -> list[str]:
    """The answer of the `nearest` baseline to each question."""
    schemas = {q.db_path: read_schema(q.db_path) for q in (*train, *asked)}
    nearest = NearestQuestion(
        (q.example.question, q.example.sql, schemas[q.db_path]) for q in train
    )
    return [nearest.answer(q.example.question, schemas[q.db_path]) for q in asked]


def mask_question(question: str, schema: Schema) -> Masked:
    """The question with tables, columns and literals replaced by `TABLE`, `COLUMN`, `LITERAL`.

    A mention is the natural name of a table or column, in singular or plural; the longest wins.
    """
    names = _names(schema)
    text = WORD.findall(question)
    lower = [singular(word.lower()) for word in text]
    longest = max((len(name) for name in names), default=1)
    words: list[str] = []
    found: dict[str, list[str]] = {"TABLE": [], "COLUMN": [], "LITERAL": []}
    position = 0
    while position < len(text):
        for size in range(longest, 0, -1):
            kind, name = names.get(tuple(lower[position : position + size]), ("", ""))
            if kind:
                break
        else:
            size = 1
            is_literal = LITERAL.fullmatch(text[position])
            kind, name = ("LITERAL", text[position].strip("'")) if is_literal else ("", "")
        words.append(kind or lower[position])
        if kind and name not in found[kind]:
            found[kind].append(name)
        position += size
    return Masked(tuple(words), *(tuple(found[kind]) for kind in ("TABLE", "COLUMN", "LITERAL")))


class NearestQuestion:
    """The training questions, indexed by their masked words."""

    def __init__(self, examples: Iterable[tuple[str, str, Schema]]) -> None:
        """examples: (question, SQL, schema of its database); the first of each masked form counts."""
        self.entries: list[tuple[Masked, str]] = []
        seen: set[tuple[str, ...]] = set()
        for question, sql, schema in examples:
            masked = mask_question(question, schema)
            if masked.words not in seen:
                seen.add(masked.words)
                self.entries.append((masked, sql))
        if not self.entries:
            raise ValueError("no training question to compare with; expected at least one example")
        self.index: dict[str, list[tuple[int, float]]] = defaultdict(list)
        document_counts = Counter(word for masked, _ in self.entries for word in set(masked.words))
        self.weights = {
            word: math.log(1 + len(self.entries) / count) for word, count in document_counts.items()
        }
        for number, (masked, _) in enumerate(self.entries):
            vector = self._vector(masked.words)
            for word, weight in vector.items():
                self.index[word].append((number, weight))

    def answer(self, question: str, schema: Schema) -> str:
        """The SQL of the nearest training question, about this question's tables and columns."""
        masked = mask_question(question, schema)
        scores: Counter[int] = Counter()
        for word, weight in self._vector(masked.words).items():
            for number, other in self.index.get(word, ()):
                scores[number] += weight * other  # type: ignore[assignment]
        nearest = min(scores, key=lambda number: (-scores[number], number), default=0)
        known, sql = self.entries[nearest]
        return fill_slots(sql, known, masked)

    def _vector(self, words: Sequence[str]) -> dict[str, float]:
        """TF-IDF weights of unit length."""
        counts = Counter(word for word in words if word in self.weights)
        vector = {word: count * self.weights[word] for word, count in counts.items()}
        length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        return {word: value / length for word, value in vector.items()}


def fill_slots(sql: str, known: Masked, asked: Masked) -> str:
    """The SQL with each name and literal that `known` mentions replaced by the one `asked` mentions
    at the same place; what has no counterpart stays.
    """
    tables = dict(zip(map(str.lower, known.tables), asked.tables, strict=False))
    columns = dict(zip(map(str.lower, known.columns), asked.columns, strict=False))
    literals = dict(zip(known.literals, asked.literals, strict=False))
    tree = parse_sql(sql)
    for node in list(tree.walk()):
        if isinstance(node, exp.Identifier):
            is_column = isinstance(node.parent, exp.Column) and node.arg_key == "this"
            new = (columns if is_column else tables).get(node.name.lower())
            if new:
                node.replace(exp.to_identifier(new))
        elif isinstance(node, exp.Literal) and node.name in literals:
            value = literals[node.name]
            node.replace(exp.Literal(this=value, is_string=node.is_string))
    return tree.sql("sqlite")


def _names(schema: Schema) -> dict[tuple[str, ...], tuple[str, str]]:
    """Words of a natural name -> (`TABLE` or `COLUMN`, identifier); tables win over columns."""
    names: dict[tuple[str, ...], tuple[str, str]] = {}
    for table in schema.tables:
        for column in table.columns:
            names.setdefault(_words(column.name), ("COLUMN", column.name))
    for table in schema.tables:
        names[_words(table.name)] = ("TABLE", table.name)
    return names


def _words(identifier: str) -> tuple[str, ...]:
    return tuple(singular(word) for word in natural_name(identifier).lower().split())
