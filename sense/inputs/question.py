"""Questions with gold SQL, each with the file of its database: what is asked of a model."""

import hashlib
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, overload

from sense.database import find_database
from sense.example import Example, content_id, to_example
from sense.publishing.source import check_set
from sense.spool import Spool


class Question(NamedTuple):
    """An example that is asked, and where its database lies."""

    example: Example
    db_path: str


class QuestionSet(Sequence[Question]):
    """Questions that are made when they are asked for: memory holds those that are in use."""

    def __init__(self, size: int, make: Callable[[int], Question]) -> None:
        """make: the question at a position from 0 to below `size`."""
        self._size = size
        self._make = make

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, position: int) -> Question: ...

    @overload
    def __getitem__(self, position: slice) -> list[Question]: ...

    def __getitem__(self, position: int | slice) -> Question | list[Question]:
        found = range(self._size)[position]
        return self._make(found) if isinstance(found, int) else [self._make(i) for i in found]


class Outline(NamedTuple):
    """What is known of a set of questions after a look at each."""

    domains: Mapping[str, str]
    """`db_id` -> the domain of the database, "" where none is known."""
    licenses: frozenset[str]
    prompt_hashes: frozenset[str]
    sha256: str
    """Of the examples' ids and the contents of their databases, in order."""


class IndexedQuestions:
    """Questions that can be found by the ids of their examples."""

    def __init__(self, questions: Sequence[Question], positions: Spool, outline: Outline) -> None:
        """positions: the place of each distinct question under its example's id."""
        self.outline = outline
        self.distinct = QuestionSet(len(positions), lambda i: questions[positions[i]])
        """The questions, each once, in their order."""
        self.num_repeated = len(questions) - len(positions)
        self._questions = questions
        self._positions = positions

    def __contains__(self, example_id: object) -> bool:
        return example_id in self._positions

    def __getitem__(self, example_id: str) -> Question:
        [position] = self._positions.of(example_id)
        return self._questions[position]


def index_questions(questions: Sequence[Question], positions: Spool) -> IndexedQuestions:
    """The questions with an index, which is written to the empty spool, after a look at each."""
    digest = hashlib.sha256()
    domains: dict[str, str] = {}
    licenses, prompt_hashes = set(), set()
    for position, (example, _) in enumerate(questions):
        if example.id in positions:
            continue
        positions.add(example.id, position)
        digest.update(content_id(example.id, example.db_sha256).encode())
        domains[example.db_id] = example.domain
        licenses.add(example.license)
        prompt_hashes.add(example.prompt_hash)
    outline = Outline(domains, frozenset(licenses), frozenset(prompt_hashes), digest.hexdigest())
    return IndexedQuestions(questions, positions, outline)


def by_database(questions: Sequence[Question], places: Spool) -> QuestionSet:
    """The questions with those over one database together, in the order of their `db_id`s.

    places: an empty spool, for the place of each.
    """
    for position, question in enumerate(questions):
        places.add(question.example.db_id, position)
    order = array("q", places.by_key())
    return QuestionSet(len(order), lambda i: questions[order[i]])


def load_questions(
    source: str, split: str, databases: str | None = None, num: int | None = None, seed: int = 0
) -> list[Question]:
    """`open_questions`, made at once."""
    return list(open_questions(source, split, databases, num, seed))


def open_questions(
    source: str, split: str, databases: str | None = None, num: int | None = None, seed: int = 0
) -> QuestionSet:
    """The questions of a split, in its order; with `num` a seeded choice of that many of them.

    source: folder or Hub id of a set whose rows are examples; databases: a folder of SQLite files,
    None for those that the set itself publishes.
    Raises FileNotFoundError where there is no set, ValueError for a split that it lacks,
    LookupError for a `db_id` without a database; and ValueError for a row that is no example, when
    it is asked for.
    """
    from datasets import load_dataset

    check_set(source)
    parts = load_dataset(source)
    if split not in parts:
        raise ValueError(f"{source} has no split '{split}'; it has {', '.join(sorted(parts))}")
    rows = parts[split]
    if num is not None and num < len(rows):
        rows = rows.select(sorted(random.Random(f"questions {seed}").sample(range(len(rows)), num)))
    if len(rows):
        to_example(rows[0])  # says which column is missing, as asking for its values would not
    paths = {
        db_id: str(find_database(Path(databases) if databases else source, db_id))
        for db_id in sorted(rows.unique("db_id"))
    }

    def question(position: int) -> Question:
        example = to_example(rows[position])
        return Question(example, paths[example.db_id])

    return QuestionSet(len(rows), question)
