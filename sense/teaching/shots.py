"""Examples that a request shows the teacher, drawn from Spider or a dataset of this kit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from sense.database import database_paths
from sense.execution import DatabaseError
from sense.inputs.question import load_questions
from sense.inputs.reading import SPIDER_FILES, read_spider
from sense.publishing.source import is_path
from sense.schema import natural_name, read_schema, schema_text

NUM_SHOTS = 2
MAX_SHOTS = 2_000
"""Examples to draw from; a larger source gives a seeded choice."""
MAX_SCHEMA_CHARS = 4_000
"""Of an example; a longer schema would fill the request."""


class Shot(NamedTuple):
    """An example shown to the teacher."""

    domain: str
    schema: str
    question: str
    sql: str


def read_shots(source: str, seed: int = 0) -> list[Shot]:
    """Examples to draw from: the training rows of a Spider folder, or split `train` of a dataset.

    Rows whose database is missing, damaged or too wide are left out. Raises FileNotFoundError for
    a source that is not there, ValueError for one that holds no usable row.
    """
    folder = Path(source)
    if (folder / SPIDER_FILES["train"][0]).is_file():
        shots = _spider_shots(folder)
    elif folder.is_dir() and not any(folder.rglob("*.parquet")):
        raise FileNotFoundError(
            f"--few-shot {source} holds neither {SPIDER_FILES['train'][0]} nor Parquet files; "
            "expected a Spider folder, or a dataset written by a builder of this kit"
        )
    elif not folder.is_dir() and is_path(source):
        raise FileNotFoundError(
            f"--few-shot {source} is no folder here and no dataset id; expected a Spider folder, "
            "the folder of a dataset or OWNER/NAME"
        )
    else:
        shots = _dataset_shots(source, seed)
    if len(shots) < NUM_SHOTS:
        raise ValueError(
            f"--few-shot {source} holds {len(shots)} usable examples, at least {NUM_SHOTS} are "
            f"needed; expected rows whose database can be read and is described in at most "
            f"{MAX_SCHEMA_CHARS:,} characters"
        )
    if len(shots) > MAX_SHOTS:
        shots = Random(f"shots {seed}").sample(shots, MAX_SHOTS)
    return shots


def _spider_shots(folder: Path) -> list[Shot]:
    rows = [(row["db_id"], "", row["question"], row["sql"]) for row in read_spider(folder, "train")]
    paths = {db_id: str(path) for db_id, path in database_paths(folder / "database").items()}
    return _shots(rows, paths)


def _dataset_shots(source: str, seed: int) -> list[Shot]:
    questions = load_questions(source, "train", num=MAX_SHOTS, seed=seed)
    rows = [
        (q.example.db_id, q.example.domain, q.example.question, q.example.sql) for q in questions
    ]
    return _shots(rows, {q.example.db_id: q.db_path for q in questions})


def _shots(rows: Sequence[tuple[str, str, str, str]], paths: Mapping[str, str]) -> list[Shot]:
    schemas: dict[str, str] = {}
    for db_id in Counter(row[0] for row in rows):
        try:
            schemas[db_id] = schema_text(read_schema(paths[db_id]), "ddl") if db_id in paths else ""
        except DatabaseError:
            schemas[db_id] = ""
    return [
        Shot(domain or _subject(db_id), schemas[db_id], " ".join(question.split()), sql)
        for db_id, domain, question, sql in rows
        if schemas[db_id] and len(schemas[db_id]) <= MAX_SCHEMA_CHARS
    ]


def _subject(db_id: str) -> str:
    """
    >>> _subject("concert_singer_2")
    'concert singer'
    """
    return natural_name(db_id).rstrip(" 0123456789") or db_id
