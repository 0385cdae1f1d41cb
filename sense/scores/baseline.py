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
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp

from sense.hardness import parse_sql
from sense.inputs.question import Question
from sense.prompts.linking import stem_word
from sense.prompts.mention import SchemaNames
from sense.schema import Schema, quote_identifier, read_schema

TOKEN = re.compile(
    r"(?P<literal>(?<!\w)'[^']*'|\d+(?:\.\d+)?\b|(?<=[^.?!] )[A-Z]\w*(?: [A-Z]\w*)*)|\w+"
)
"""A word, or a literal: text in quotes, a number, or capitalised words inside a sentence."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
MAX_CANDIDATES = 20
"""Training questions that are tried, the nearest first, until the SQL of one fits."""
OTHER_SIZES = 0.8
"""Factor of likeness where tables, columns or literals mentioned are not as many."""


class Masked(NamedTuple):
    """A question with what belongs to its database taken out, each in the order of mention."""

    words: tuple[str, ...]
    """Stems, with `TABLE`, `COLUMN` and `LITERAL` in the place of what was taken out."""
    tables: tuple[str, ...]
    """Tables that are named, and those of the columns that are."""
    columns: tuple[str, ...]
    literals: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        return len(self.tables), len(self.columns), len(self.literals)


class Names(NamedTuple):
    """A schema, ready for questions."""

    mentions: SchemaNames
    tables: frozenset[str]
    """In small letters, as are the columns."""
    columns: frozenset[str]


def constant_answer(db_path: str | Path) -> str:
    """The number of rows of the first table."""
    table = read_schema(db_path).tables[0]
    return f"SELECT COUNT(*) FROM {quote_identifier(table.name)}"


def nearest_answers(train: Sequence[Question], asked: Sequence[Question]) -> list[str]:
    """The answer of the `nearest` baseline to each question."""
    names = {q.db_path: schema_names(read_schema(q.db_path)) for q in (*train, *asked)}
    nearest = NearestQuestion((q.example.question, q.example.sql, names[q.db_path]) for q in train)
    return [nearest.answer(q.example.question, names[q.db_path]) for q in asked]


def schema_names(schema: Schema) -> Names:
    """What masking and filling need to know of a schema."""
    columns = (column.name.lower() for table in schema.tables for column in table.columns)
    tables = (table.name.lower() for table in schema.tables)
    return Names(SchemaNames(schema), frozenset(tables), frozenset(columns))


def mask_question(question: str, names: Names) -> Masked:
    """The question with its mentions of tables and columns, and its literals, taken out."""
    words: list[str] = []
    tables: dict[str, None] = {}
    columns: dict[str, None] = {}
    literals: dict[str, None] = {}

    def read(start: int, end: int) -> None:
        for match in TOKEN.finditer(question, start, end):
            if match["literal"]:
                literals[match[0].strip("'")] = None
            words.append("LITERAL" if match["literal"] else stem_word(match[0].lower()))

    done = 0
    for mention in names.mentions.mentions(question):
        read(done, mention.start)
        done = mention.end
        words.append("COLUMN" if mention.column else "TABLE")
        tables[mention.table] = None
        if mention.column:
            columns[mention.column] = None
    read(done, len(question))
    return Masked(tuple(words), tuple(tables), tuple(columns), tuple(literals))


class NearestQuestion:
    """The training questions, indexed by their masked words."""

    def __init__(self, examples: Iterable[tuple[str, str, Names]]) -> None:
        """examples: (question, SQL, names of its schema); the first of each masked form counts."""
        import numpy as np

        entries: dict[tuple[str, ...], tuple[Masked, str]] = {}
        for question, sql, names in examples:
            masked = mask_question(question, names)
            entries.setdefault(masked.words, (masked, sql))
        if not entries:
            raise ValueError("no training question to compare with; expected at least one example")
        self.entries = list(entries.values())
        self.sizes = np.array([masked.sizes for masked, _ in self.entries])
        terms = [_terms(words) for words in entries]
        counts = Counter(term for found in terms for term in set(found))
        self.weights = {term: math.log(1 + len(entries) / num) for term, num in counts.items()}
        postings: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for number, found in enumerate(terms):
            for term, weight in self._vector(found).items():
                postings[term][0].append(number)
                postings[term][1].append(weight)
        self.postings = {
            term: (np.array(numbers), np.array(weights))
            for term, (numbers, weights) in postings.items()
        }
        """Term -> the entries that hold it, and its weight in each."""

    def answer(self, question: str, names: Names) -> str:
        """The nearest question's SQL whose names all exist once filled, or else the nearest's."""
        asked = mask_question(question, names)
        first = ""
        for known, sql in self._nearest(asked):
            tree = fill_slots(sql, known, asked)
            first = first or tree.sql("sqlite")
            if _exists(tree, names):
                return tree.sql("sqlite")
        return first

    def _nearest(self, asked: Masked) -> list[tuple[Masked, str]]:
        """The likest entries by cosine, the first ones where no word is shared."""
        import numpy as np

        scores = np.where((self.sizes == asked.sizes).all(axis=1), 1.0, OTHER_SIZES)
        cosines = np.zeros(len(self.entries))
        for term, weight in self._vector(_terms(asked.words)).items():
            numbers, weights = self.postings[term]
            cosines[numbers] += weight * weights
        best = np.argsort(-scores * cosines, kind="stable")[:MAX_CANDIDATES]
        return [self.entries[number] for number in best]

    def _vector(self, terms: Sequence[str]) -> dict[str, float]:
        """TF-IDF weights of unit length."""
        counts = Counter(term for term in terms if term in self.weights)
        vector = {term: count * self.weights[term] for term, count in counts.items()}
        length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        return {term: value / length for term, value in vector.items()}


def fill_slots(sql: str, known: Masked, asked: Masked) -> exp.Expr:
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
            is_string = node.is_string or not NUMBER.fullmatch(value)
            node.replace(exp.Literal(this=value, is_string=is_string))
    return tree


def _exists(tree: exp.Expr, names: Names) -> bool:
    """Whether the schema has all tables and columns of the query, but for those it makes itself."""
    own = {alias.alias.lower() for alias in tree.find_all(exp.Alias, exp.CTE, exp.Subquery)}
    tables = {table.name.lower() for table in tree.find_all(exp.Table)}
    columns = {column.name.lower() for column in tree.find_all(exp.Column)} - {"*"}
    return tables <= names.tables | own and columns <= names.columns | own


def _terms(words: Sequence[str]) -> list[str]:
    """Words, and pairs of neighbours."""
    return [*words, *map(" ".join, pairwise(words))]
