"""Questions with gold SQL, each with the file of its database: what is asked of a model."""

import random
from pathlib import Path
from typing import Literal, NamedTuple

from sense.database import find_database
from sense.example import Example, Hardness, to_example
from sense.hardness import UnparsedSqlError, hardness


class Question(NamedTuple):
    """An example that is asked, and where its database lies."""

    example: Example
    db_path: str


def load_questions(
    source: str, split: str, databases: str | None = None, num: int | None = None, seed: int = 0
) -> list[Question]:
    """The questions of a split, in its order; with `num` a seeded choice of that many of them.

    source: folder or Hub id of a set whose rows are examples; databases: a folder of SQLite files,
    None for those that the set itself publishes.
    Raises FileNotFoundError where there is no set, ValueError for a split that it lacks or rows
    that are no examples, LookupError for a `db_id` without a database.
    """
    from datasets import load_dataset

    if not Path(source).is_dir() and (source.count("/") != 1 or source.startswith((".", "~"))):
        raise FileNotFoundError(
            f"no set of questions at {source}; expected a folder that a builder wrote, or a "
            "dataset of the Hub such as sense/strong"
        )
    parts = load_dataset(source)
    if split not in parts:
        raise ValueError(f"{source} has no split '{split}'; it has {', '.join(sorted(parts))}")
    rows = parts[split]
    if num is not None and num < len(rows):
        rows = rows.select(sorted(random.Random(f"questions {seed}").sample(range(len(rows)), num)))
    examples = [to_example(row) for row in rows]
    paths = {
        db_id: str(find_database(Path(databases) if databases else source, db_id))
        for db_id in sorted({example.db_id for example in examples})
    }
    return [Question(example, paths[example.db_id]) for example in examples]


def gold_hardness(sql: str) -> Hardness | Literal[""]:
    """Spider's level of a gold query; "" for a text that is no query, as some sets hold.

    >>> gold_hardness("SELECT name FROM city"), gold_hardness("SELECT name FROM")
    ('easy', '')
    """
    try:
        return hardness(sql)
    except UnparsedSqlError:
        return ""
