"""Overlap with benchmarks: rows that would let a model meet a test before it is tested.

Three signs, each named with the benchmark: a database like one of the benchmark's; a question that
shares long word sequences with one of its questions; over a database that is somewhat alike, SQL
that differs from one of its golds only in values. Paraphrases over another schema stay unseen.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sqlglot import exp

from sense.filters import Rejection
from sense.hardness import UnparsedSqlError, normalize_sql, parse_sql
from sense.inputs.question import open_questions
from sense.inputs.reading import SPIDER_FILES, json_rows, read_questions, sql_key_of
from sense.prompts.linking import stem_word
from sense.publishing.source import dataset_source
from sense.schema import Schema, natural_name, read_schema

NUM_WORDS = 8
"""Of the word sequences that are compared, as in huggingface/open-r1, scripts/decontaminate.py; of
a shorter question all words."""
MIN_COVERED = 0.5
"""Of the longer question's words, in shared sequences. Without it 68 instead of 35 of Spider's
7,000 training questions would be too like a dev question, mostly for stock phrases at their start
("what are the ids of the students who"); of Spider-Realistic 71 % instead of 70 % are found."""
SAME_SCHEMA = 0.6
"""Jaccard similarity of (table, column) names from which a database is that of the benchmark. Of
the 2,920 pairs of a training and a dev database of Spider the most similar one has 0.44."""
LIKE_SCHEMA = 0.2
"""From which equal SQL counts: 8 of these pairs reach it, 7 of them share a table `Student`."""

TABLES_FILE = "tables.json"

_WORD = re.compile(r"[^\W_]+")

SchemaWords: TypeAlias = frozenset[str]
"""The "table.column" names of a schema, as `schema_words` spells them."""


class Overlap(NamedTuple):
    """A database of a benchmark that is like the one of a candidate."""

    db_id: str
    similarity: float


class Benchmark:
    """Questions, golds and schemas that a training set must not hold."""

    def __init__(
        self,
        name: str,
        rows: Iterable[tuple[str, str, str]],
        schemas: Mapping[str, SchemaWords],
    ) -> None:
        """name: with its split, as reasons name it; rows: db_id, question and SQL of each.

        Databases without rows are left out: a Spider folder describes those of all splits.
        """
        self.name = name
        self._runs: dict[tuple[str, ...], list[int]] = {}
        """Word sequence -> the questions that have it."""
        self._num_words: list[int] = []
        self._forms: dict[str, set[str]] = {}
        for number, (db_id, question, sql) in enumerate(rows):
            words = _WORD.findall(question.casefold())
            self._num_words.append(len(words))
            for run in set(_runs(words)):
                self._runs.setdefault(run, []).append(number)
            self._forms.setdefault(db_id, set()).add(_form(sql))
        self.schemas = {db_id: schemas[db_id] for db_id in sorted(self._forms) if db_id in schemas}

    def overlaps(self, schema: SchemaWords) -> list[Overlap]:
        """Its databases that are at least somewhat like the schema, the most similar first."""
        found = [Overlap(db_id, _similarity(own, schema)) for db_id, own in self.schemas.items()]
        like = [overlap for overlap in found if overlap.similarity >= LIKE_SCHEMA]
        return sorted(like, key=lambda overlap: -overlap.similarity)

    def schema_rejection(self, schema: SchemaWords) -> Rejection | None:
        """Whether the database is, or nearly is, one of the benchmark."""
        for db_id, similarity in self.overlaps(schema)[:1]:
            if similarity >= SAME_SCHEMA:
                detail = f"{self.name}: '{db_id}', similarity {similarity:.2f}"
                return Rejection("contaminated_schema", detail)
        return None

    def question_rejection(self, question: str) -> Rejection | None:
        """Whether most of the question is word sequences of one question of the benchmark."""
        words = _WORD.findall(question.casefold())
        covered: dict[int, set[int]] = {}
        for at, run in enumerate(_runs(words)):
            for number in self._runs.get(run, ()):
                covered.setdefault(number, set()).update(range(at, at + len(run)))
        for number, places in covered.items():
            if len(places) >= MIN_COVERED * max(len(words), self._num_words[number]):
                shared = " ".join(words[at] for at in sorted(places))
                detail = f"{self.name}: {NUM_WORDS}-grams, '{shared}'"
                return Rejection("contaminated_question", detail)
        return None

    def sql_rejection(self, sql: str | exp.Expr, schema: SchemaWords) -> Rejection | None:
        """Whether the SQL is, but for values and aliases, a gold over a database like its own."""
        overlaps = self.overlaps(schema)
        form = _form(sql) if overlaps else ""
        for db_id, _ in overlaps:
            if form in self._forms[db_id]:
                return Rejection("contaminated_sql", f"{self.name}: gold over '{db_id}'")
        return None


def contamination(
    question: str, sql: str | exp.Expr, schema: SchemaWords, benchmarks: Sequence[Benchmark]
) -> Rejection | None:
    """The first overlap of a row with one of the benchmarks; None where there is none.

    >>> pets = frozenset({"pet.name", "pet.age"})
    >>> rows = [("pets", "Which pets are older than 3?", "SELECT name FROM pet WHERE age > 3")]
    >>> toy = Benchmark("toy, test", rows, {"pets": pets})
    >>> contamination("Who is older than 5?", "SELECT name FROM pet WHERE age > 5", pets, [toy])
    Rejection(reason='contaminated_schema', detail="toy, test: 'pets', similarity 1.00")
    >>> contamination("which PETS are older than 3", "SELECT 1", frozenset(), [toy]).detail
    "toy, test: 8-grams, 'which pets are older than 3'"
    """
    for benchmark in benchmarks:
        found = (
            benchmark.schema_rejection(schema)
            or benchmark.question_rejection(question)
            or benchmark.sql_rejection(sql, schema)
        )
        if found:
            return found
    return None


def read_benchmark(source: str, split: str = "") -> Benchmark:
    """The benchmark in a folder as Spider's or BIRD's, a JSON file, or a dataset of a builder.

    split: of a folder `dev` by default, of a dataset `test`. Schemas come from `tables.json` or
    `dev_tables.json` beside `dev.json`, or from the dataset's databases; without them only
    questions are compared. Raises FileNotFoundError or ValueError.
    """
    path = Path(source)
    if path.is_file():
        return _from_files([path], path.name, _tables_beside(path.parent, path.stem))
    wanted = split or "dev"
    names = [*SPIDER_FILES["train"], "train.json"] if wanted == "train" else [f"{wanted}.json"]
    if files := [path / name for name in names if (path / name).is_file()]:
        name = f"{path.resolve().name}, {wanted}"
        return _from_files(files, name, _tables_beside(path, wanted))
    return _from_dataset(source, split or "test")


def listed_schemas(tables: Path) -> dict[str, SchemaWords]:
    """The schemas of a `tables.json`."""
    found = {}
    for place, row in json_rows(tables):
        try:
            names = [_plain(name) for name in row["table_names_original"]]
            columns = [(at, name) for at, name in row["column_names_original"] if at >= 0]
            words = frozenset(f"{names[at]}.{_plain(name)}" for at, name in columns)
            found[row["db_id"]] = words
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(
                f"{place} describes no schema ({error!r}); expected db_id, table_names_original "
                "and column_names_original as Spider and BIRD write them: download the file again"
            ) from error
    return found


def schema_words(schema: Schema) -> SchemaWords:
    """The names of a schema's columns with their tables, as they are compared.

    >>> from sense.schema import Column, Table
    >>> sorted(schema_words(Schema((Table("Students", (Column("StuID", "INT"),)),))))
    ['student.stuid']
    """
    return frozenset(
        f"{_plain(table.name)}.{_plain(column.name)}"
        for table in schema.tables
        for column in table.columns
    )


@lru_cache(maxsize=1_024)
def database_words(path: str) -> SchemaWords:
    """The `schema_words` of a database file that does not change meanwhile."""
    return schema_words(read_schema(path))


def _tables_beside(folder: Path, stem: str) -> Path:
    tables = [folder / TABLES_FILE, folder / f"{stem}_{TABLES_FILE}"]
    return next((file for file in tables if file.is_file()), tables[0])


def _from_files(files: Sequence[Path], name: str, tables: Path) -> Benchmark:
    rows = (
        (row["db_id"], row["question"], row["sql"])
        for file in files
        for row in read_questions(file, sql_key_of(file))
    )
    return Benchmark(name, rows, listed_schemas(tables) if tables.is_file() else {})


def _from_dataset(source: str, split: str) -> Benchmark:
    questions = open_questions(source, split)
    schemas: dict[str, SchemaWords] = {}
    rows = []
    for example, db_path in questions:
        rows.append((example.db_id, example.question, example.sql))
        if example.db_id not in schemas:
            schemas[example.db_id] = schema_words(read_schema(db_path))
    return Benchmark(f"{dataset_source(source).name}, {split}", rows, schemas)


def _similarity(first: SchemaWords, second: SchemaWords) -> float:
    return len(first & second) / max(1, len(first | second))


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The sequences of `NUM_WORDS` words, or the one of all words where there are fewer."""
    last = max(1, len(words) - NUM_WORDS + 1)
    return [tuple(words[at : at + NUM_WORDS]) for at in range(last)]


def _form(sql: str | exp.Expr) -> str:
    """The SQL without values, aliases and the tables before its columns, in one spelling."""
    try:
        tree = parse_sql(sql).copy()
    except UnparsedSqlError:
        return str(sql)
    for node in list(tree.walk()):
        if isinstance(node, exp.Literal):
            node.replace(exp.Placeholder())
        elif isinstance(node, exp.Column):
            node.set("table", None)
        elif isinstance(node, exp.Table):
            node.set("alias", None)
        elif isinstance(node, exp.Alias):
            node.set("alias", exp.to_identifier("_"))
    return normalize_sql(tree)


def _plain(name: str) -> str:
    """The name in lower case, in the singular, without separators."""
    return "".join(stem_word(word) for word in natural_name(name).split())
