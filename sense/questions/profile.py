"""What the columns of a database hold, and how its tables refer to each other.

Values are those of the first `MAX_ROWS` rows of a table, so the shares and the uniqueness of larger
tables are estimates: whoever builds a query from them still has to run it.
"""

import logging
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from sense.questions.wording import NOT_NOUNS, PREPOSITIONS, singular, word_set
from sense.schema import (
    Column,
    Schema,
    Table,
    far_columns,
    natural_name,
    quote_identifier,
    read_schema,
)
from sense.sqlite.file_state import kept_per_file

logger = logging.getLogger(__name__)

Kind: TypeAlias = Literal[
    "id", "foreign_key", "category", "text", "integer", "real", "year", "date", "boolean", "other"
]
Value: TypeAlias = str | int | float

NUM_KEPT = 256  # profiles of a process, some 100 kB each
MAX_ROWS = 5_000
"""Rows read of each table."""
MAX_READ_VALUES = 1_000_000
"""Values read of each table: fewer rows of one with more than 200 columns."""
MAX_VALUES = 200
"""Distinct values kept of each column."""
MAX_VALUE_CHARS = 40
"""A longer text is never a literal of a query."""
MAX_READ_BYTES = 1_000
"""Of a text its start of so many characters is read, and a longer blob, as of a picture, not."""
MAX_CATEGORY_SHARE = 0.5
"""A text column is a category when its distinct values are at most this share of its values."""

ID_ENDINGS = ("id", "code", "key", "number", "no", "num", "nr", "uid", "uuid", "isbn", "ssn")
NUMBER_ID_ENDINGS = ("id", "code", "key", "uid", "zip", "zipcode", "phone", "fax", "isbn", "ssn")
YEAR_WORDS = word_set(
    """
    year years yr founded established opened built since season opening construction
    """
)
BOOLEAN_VALUES = ({"t", "f"}, {"y", "n"}, {"yes", "no"}, {"true", "false"})
NAME_WORDS = ("name", "title", "label")
NO_NAMES = frozenset({*ID_ENDINGS, *NOT_NOUNS})
"""What cannot stand alone when the table's name is left out: "tenancy from"."""
VERBS = word_set("has have plays visits lives works takes teaches on")
"""First words of tables that say what somebody does."""
DEEDS = word_set("enroll enrolls follows likes prescribes take takes teach teaches undergoes")
"""The same in one word."""
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")
BAD_TEXT = re.compile(r"[^ -~\u00a0-\ufffc]|^\s|\s$|^$|\s\s")
"""Control and replacement characters, outer or double spaces: a person would not type these."""


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds."""

    table: str
    noun: str
    """What a row of the table is called."""
    name: str
    words: str
    """Natural name, without a leading name of the table where that stays unambiguous."""
    kind: Kind
    num_distinct: int
    null_share: float
    is_unique: bool
    """No value occurs twice."""
    values: tuple[Value, ...] = ()
    """Distinct values fit for a literal, commonest first."""
    low: Value | None = None
    high: Value | None = None
    has_time: bool = False
    """A date with a time of day."""

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "real", "year")


@dataclass(frozen=True)
class TableProfile:
    """One table and what its rows are called."""

    name: str
    noun: str
    """Natural name in the singular."""
    columns: tuple[ColumnProfile, ...]
    num_rows: int
    """At most `MAX_ROWS`: a large table is not counted."""
    key: ColumnProfile | None
    """The primary key when it is one column."""
    display: ColumnProfile | None
    """The column that names a row to a person."""

    @property
    def label(self) -> ColumnProfile | None:
        """What to call a row by: its name, else its key."""
        return self.display or self.key

    def column(self, name: str) -> ColumnProfile:
        return next(column for column in self.columns if column.name.lower() == name.lower())


@dataclass(frozen=True)
class Link:
    """A foreign key of one column: each row of `table` refers to one row of `ref_table`."""

    table: str
    column: str
    ref_table: str
    ref_column: str
    role: str = ""
    """What the row is to the referring one, "home team"; "" when only this key joins the tables."""


@dataclass(frozen=True)
class Profile:
    """A database as the sampler sees it; tables without rows are left out."""

    db_path: Path
    schema: Schema
    tables: tuple[TableProfile, ...]
    links: tuple[Link, ...]
    """Foreign keys of one column to another table."""

    def table(self, name: str) -> TableProfile:
        return next(table for table in self.tables if table.name == name)


@kept_per_file(NUM_KEPT)
def profile_database(db_path: str | Path) -> Profile:
    """The profile of a SQLite file, kept until it changes. Raises as `read_schema` does."""
    schema = read_schema(db_path)
    connection = sqlite3.connect(f"file:{quote(str(db_path))}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        found = [_read_table(connection, table) for table in schema.tables if not table.is_view]
        tables = tuple(table for table in found if table and table.num_rows and table.columns)
    finally:
        connection.close()
    return Profile(Path(db_path), schema, tables, _links(schema, tables))


def _read_table(connection: sqlite3.Connection, table: Table) -> TableProfile | None:
    """None where SQL cannot read the table: one with a column of an absent function."""
    try:
        return _profile_table(connection, table)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # such as damage
            raise
        logger.info("table '%s' not used: %s", table.name, error)
        return None


def _profile_table(connection: sqlite3.Connection, table: Table) -> TableProfile:
    noun = row_noun(table.name)
    name = quote_identifier(table.name)
    far = far_columns(connection, table)
    names = ", ".join(
        "NULL" if column.name in far else _read_value(column) for column in table.columns
    )
    most = min(MAX_ROWS, MAX_READ_VALUES // len(table.columns))
    rows = connection.execute(f"SELECT {names} FROM {name} LIMIT {most}").fetchall()
    referring = {name.lower() for key in table.foreign_keys for name in key.columns}
    words = _column_words(table, noun)
    columns = tuple(
        _profile_column(table, column, words[i], [row[i] for row in rows], referring)
        for i, column in enumerate(table.columns)
    )
    keys = [i for i, column in enumerate(table.columns) if column.primary_key]
    key = columns[keys[0]] if len(keys) == 1 else None
    return TableProfile(table.name, noun, columns, len(rows), key, _display(columns, noun))


def _read_value(column: Column) -> str:
    """SQLite tells kind and length of a blob without reading it."""
    name = quote_identifier(column.name)
    return (
        f"CASE WHEN typeof({name}) = 'text' THEN substr({name}, 1, {MAX_READ_BYTES})"
        f" WHEN typeof({name}) = 'blob' AND length({name}) > {MAX_READ_BYTES} THEN x''"
        f" ELSE {name} END"
    )


def row_noun(table_name: str) -> str:
    """What a row of the table is called.

    A name that is no noun becomes one.

    >>> [row_noun(name) for name in ("Hives", "Lives_in", "Has_Pet", "cars_data", "_")]
    ['hive', 'lives-in record', 'has-pet record', 'cars data record', 'record']
    """
    words = natural_name(table_name).split() or ["record"]
    if words[-1] in PREPOSITIONS or words[0] in VERBS or (len(words) == 1 and words[0] in DEEDS):
        return f"{'-'.join(words)} record"
    noun = singular(" ".join(words))
    return f"{noun} record" if words[-1] in ("data", "info", "information") else noun


def _column_words(table: Table, noun: str) -> list[str]:
    """Natural names; "student name" in the table of students is "name" where nothing else is.

    So is "student" there. "#" is "value", of which nothing is asked.
    """
    full = [natural_name(column.name) or "value" for column in table.columns]
    short = [name.removeprefix(f"{noun} ") for name in full]
    taken = Counter(short)
    words = [
        rest if taken[rest] == 1 and (column.primary_key or rest not in NO_NAMES) else name
        for column, name, rest in zip(table.columns, full, short, strict=True)
    ]
    for i, column in enumerate(table.columns):
        is_text = "CHAR" in column.type.upper() or "TEXT" in column.type.upper()
        if is_text and words[i] == noun and "name" not in words:
            words[i] = "name"
    return words


def _profile_column(
    table: Table, column: Column, words: str, values: list[Any], referring: set[str]
) -> ColumnProfile:
    present = [value for value in values if value is not None]
    counts = Counter(present)
    kind = _kind(table, column, words, counts, referring)
    common = (value for value, _ in counts.most_common())
    literals = tuple(value for value in common if _is_literal(value))
    ordered = kind in ("integer", "real", "year", "date") and literals
    return ColumnProfile(
        table=table.name,
        noun=row_noun(table.name),
        name=column.name,
        words=words,
        kind=kind,
        num_distinct=len(counts),
        null_share=1 - len(present) / len(values) if values else 1.0,
        is_unique=len(counts) == len(present) > 0,
        values=literals[:MAX_VALUES],
        low=min(literals) if ordered else None,
        high=max(literals) if ordered else None,
        has_time=kind == "date" and any(len(str(value)) > 10 for value in literals),
    )


def _kind(
    table: Table, column: Column, words: str, counts: Counter[Any], referring: set[str]
) -> Kind:
    last = words.rsplit(" ", 1)[-1]
    types = {type(value) for value in counts}
    if column.name.lower() in referring:
        return "foreign_key"
    has_words = bool(natural_name(column.name))
    if not (counts and has_words) or bytes in types or len(types & {str, int, float}) != len(types):
        return "other"
    is_unique = all(count == 1 for count in counts.values())
    is_key = column.primary_key and sum(bool(c.primary_key) for c in table.columns) == 1
    if types <= {int, float}:
        if is_key or last in NUMBER_ID_ENDINGS or (is_unique and last in ID_ENDINGS):
            return "id"
        return _number_kind(words, counts, types)
    if types != {str}:
        return "other"
    texts = [str(value) for value in counts]
    if all(ISO_DATE.fullmatch(text) or ISO_TIME.fullmatch(text) for text in texts):
        return "date" if all(_is_real_date(text[:10]) for text in texts) else "other"
    if {text.lower() for text in texts} in BOOLEAN_VALUES:
        return "boolean"
    if (is_key and last not in NAME_WORDS) or (is_unique and last == "code") or last == "id":
        return "id"
    if all(re.fullmatch(r"[-+]?\d+(\.\d+)?", text) for text in texts) and last in ID_ENDINGS:
        return "id"
    total = sum(counts.values())
    return "category" if len(counts) <= MAX_CATEGORY_SHARE * total else "text"


def _number_kind(words: str, counts: Counter[Any], types: set[type]) -> Kind:
    low, high = min(counts), max(counts)
    if types == {int} and set(counts) <= {0, 1}:
        return "boolean"
    if types == {int} and low >= 1000 and high <= 2200 and YEAR_WORDS & set(words.split()):
        return "year"
    return "real" if float in types else "integer"


def _is_real_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_literal(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_VALUE_CHARS and not BAD_TEXT.search(value)
    if isinstance(value, float):
        return "e" not in repr(value) and "n" not in repr(value)
    return isinstance(value, int)


def _display(columns: tuple[ColumnProfile, ...], noun: str) -> ColumnProfile | None:
    texts = [column for column in columns if column.kind in ("text", "category")]
    for wanted in (*NAME_WORDS, noun):
        exact = [column for column in texts if column.words == wanted]
        ending = [column for column in texts if column.words.endswith(f" {wanted}")]
        if exact or ending:
            return (exact or ending)[0]
    return next((column for column in texts if column.kind == "text"), None)


def _links(schema: Schema, tables: tuple[TableProfile, ...]) -> tuple[Link, ...]:
    """Foreign keys of one column whose value names one row of another table."""
    profiles = {table.name: table for table in tables}
    links = []
    for table in schema.tables:
        for key in table.foreign_keys:
            referred = profiles.get(key.ref_table)
            is_simple = len(key.columns) == 1 and key.ref_table != table.name
            if not referred or not is_simple or table.name not in profiles:
                continue
            if referred.column(key.ref_columns[0]).is_unique:
                link = Link(table.name, key.columns[0], key.ref_table, key.ref_columns[0])
                links.append(link)
    pairs = Counter(frozenset((link.table, link.ref_table)) for link in links)
    return tuple(
        replace(link, role=_role(link))
        if pairs[frozenset((link.table, link.ref_table))] > 1
        else link
        for link in links
    )


def _role(link: Link) -> str:
    words = natural_name(link.column).split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in ID_ENDINGS else words)
