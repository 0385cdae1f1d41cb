"""Rows that repeat earlier ones: the same question, the same SQL, too many of one template, or
nearly the same question with the same SQL but for its values.

Likeness of questions alone is no reason: of the 46 pairs of Spider's training questions over one
database that share 0.8 of their words and word pairs, 22 have SQL that differs in more than values
("first names", "last names"). So the SQL must agree too: over one database but for its values, over
several but for its names as well.
"""

import re
import zlib
from array import array
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import sqlglot
from rensa import RMinHash, RMinHashLSH
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from sense.filters import Rejection
from sense.hardness import DIALECT

MIN_SIMILARITY = 0.8
"""Jaccard similarity of words and word pairs. Of the 36 pairs of Spider's training questions over
different databases above it whose SQL has the same form, 35 ask the same."""
NUM_PERMUTATIONS = 64
NUM_BANDS = 16
"""Bands of 4 of the 64 values: pairs of similarity 0.8 meet in one of them with probability 0.9998,
1 - (1 - 0.8^4)^16; whether they are so similar is then computed exactly."""
SEED = 1

_WORD = re.compile(r"[^\W_]+|[<>=]+")
_VALUES = frozenset((TokenType.STRING, TokenType.NUMBER))
_NAMES = frozenset((TokenType.VAR, TokenType.IDENTIFIER))


class RowKeys(NamedTuple):
    """What is compared of a row: plain integers, which a worker can compute and send."""

    db: int
    question: int
    sql: int
    """Of the SQL in one spelling."""
    template: int
    """The same without values."""
    form: int
    """The same without values and names."""
    shingles: tuple[int, ...]
    """Words and word pairs of the question, sorted and distinct."""


def row_keys(db_id: str, question: str, sql: str) -> RowKeys:
    """The keys of a row; about 0.2 ms, most of it to split the SQL.

    >>> first = row_keys("pets", "Who is 3?", "SELECT name FROM pet WHERE age = 3")
    >>> other = row_keys("pets", "Who is 4?", 'select "name" from pet where age=4;')
    >>> first.sql == other.sql, first.template == other.template
    (False, True)
    """
    words = _WORD.findall(question.casefold())
    pairs = (f"{word} {following}" for word, following in pairwise(words))
    shingles = {zlib.crc32(text.encode(errors="surrogatepass")) for text in (*words, *pairs)}
    full, template, form = _spellings(sql)
    return RowKeys(
        db=_digest(db_id),
        question=_digest(" ".join(question.casefold().split()).rstrip(" .?!")),
        sql=_digest(full),
        template=_digest(template),
        form=_digest(form),
        shingles=tuple(sorted(shingles)),
    )


class Duplicates:
    """The rows kept so far, against which each new one is held, in order.

    The same rows in the same order give the same answers, in any process and on any machine.
    Memory grows by about 1.7 kB a row, 0.2 kB without near duplicates.
    """

    def __init__(
        self,
        *,
        max_per_sql: int = 1,
        max_per_template: int = 0,
        min_similarity: float = MIN_SIMILARITY,
        across_databases: bool = True,
    ) -> None:
        """max_per_sql, max_per_template: rows of one database with the same SQL, or the same but
        for its values, 0 = any number; min_similarity: of near duplicates, 0 = they are kept.
        """
        self._max_per_sql = max_per_sql
        self._max_per_template = max_per_template
        self._min_similarity = min_similarity
        self._across_databases = across_databases
        self._questions: set[int] = set()
        self._num_per_sql: Counter[int] = Counter()
        self._num_per_template: Counter[int] = Counter()
        self._index = RMinHashLSH(min_similarity, NUM_PERMUTATIONS, NUM_BANDS)
        self._keys = array("Q")
        """Database, template and form of each kept row."""
        self._shingles: list[bytes] = []

    def objection(self, row: RowKeys) -> Rejection | None:
        """Why the row adds nothing to those that were added; None where it does."""
        question, sql, template = self._own(row)
        if question in self._questions:
            return Rejection("duplicate_question")
        if self._max_per_sql and self._num_per_sql[sql] >= self._max_per_sql:
            return Rejection("duplicate_sql")
        if self._max_per_template and self._num_per_template[template] >= self._max_per_template:
            return Rejection("duplicate_template", f"{self._max_per_template} rows")
        if self._min_similarity and (earlier := self._near(row)) is not None:
            return Rejection("near_duplicate", f"kept row {earlier}")
        return None

    def add(self, row: RowKeys) -> None:
        """Notes a row that is kept."""
        question, sql, template = self._own(row)
        self._questions.add(question)
        if self._max_per_sql:
            self._num_per_sql[sql] += 1
        if self._max_per_template:
            self._num_per_template[template] += 1
        if self._min_similarity:
            self._index.insert(len(self._shingles), _signature(row))
            self._keys.extend((row.db, row.template, row.form))
            self._shingles.append(array("I", row.shingles).tobytes())

    def _own(self, row: RowKeys) -> tuple[int, int, int]:
        """Question, SQL and template of the row, each told from those of other databases."""
        question, sql, template = (
            _mixed(row.db, key) for key in (row.question, row.sql, row.template)
        )
        return question, sql, template

    def _near(self, row: RowKeys) -> int | None:
        """The number of the first kept row that the row nearly repeats."""
        for number in sorted(self._index.query(_signature(row))):
            db, template, form = self._keys[3 * number : 3 * number + 3]
            is_same_sql = template == row.template if db == row.db else form == row.form
            if not is_same_sql or (db != row.db and not self._across_databases):
                continue
            shingles = array("I")
            shingles.frombytes(self._shingles[number])
            if similarity(shingles, row.shingles) >= self._min_similarity:
                return number
        return None


def _signature(row: RowKeys) -> RMinHash:
    signature = RMinHash(NUM_PERMUTATIONS, SEED)
    signature.update(list(map(str, row.shingles)))
    return signature


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """The Jaccard similarity of two sets.

    >>> similarity([1, 2, 3], [2, 3, 4])
    0.5
    """
    common = len(set(first).intersection(second))
    return common / max(1, len(first) + len(second) - common)


def _spellings(sql: str) -> tuple[str, str, str]:
    """The SQL in lower case with its tokens apart; without values; without values and names.

    A list of values counts as one value.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=DIALECT)
    except SqlglotError:
        return sql, sql, sql
    full: list[str] = []
    template: list[str] = []
    form: list[str] = []
    for token in tokens:
        kind = token.token_type
        if kind in _VALUES:
            full.append(repr(token.text))
            if template[-2:] == ["?", ","]:
                del template[-1], form[-1]
                continue
            template.append("?")
            form.append("?")
        elif kind is not TokenType.SEMICOLON:
            text = token.text.lower()
            full.append(text)
            template.append(text)
            form.append("_" if kind in _NAMES else text)
    return " ".join(full), " ".join(template), " ".join(form)


def _digest(text: str) -> int:
    data = text.encode(errors="surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def _mixed(db: int, key: int) -> int:
    """One key of two, so that a set holds one integer per row."""
    return (db * 0x9E3779B97F4A7C15 + key) % 2**64
