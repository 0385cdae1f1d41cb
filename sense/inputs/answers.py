"""Given answers, such as the lines of a file, grouped by the questions that they answer.

The groups lie on disk, and what cannot be used is left out with its reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.database import UnknownDatabase, database_sha256, unknown_database
from sense.example import Example, content_id
from sense.execution import DatabaseError
from sense.facts import Funnel
from sense.inputs.question import IndexedQuestions, Outline, Question, QuestionSet
from sense.inputs.reading import HALF_CHARACTER, Prediction
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.schema import read_schema
from sense.scores.level import gold_hardness
from sense.spool import Spool
from sense.weak import Answer, Ask

MAX_CHARS = 100_000
"""Of an answer with its question. No model writes as much, a pair holds some of it four times, and
the Hub's viewer leaves out rows of 2 MB."""


class GivenDatabases:
    """The files of databases; each is opened once, when it is first asked for."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.paths = paths
        self.errors: dict[str, UnknownDatabase | DatabaseError] = {}
        """What is wrong, by the `db_id` that was asked for."""
        self._sound: set[str] = set()

    def fault(self, db_id: str) -> str:
        """`unknown_database`, `unreadable_database`, or "" for one that can be used."""
        if db_id not in self._sound and db_id not in self.errors:
            self._check(db_id)
        if db_id in self._sound:
            return ""
        is_unknown = isinstance(self.errors[db_id], UnknownDatabase)
        return "unknown_database" if is_unknown else "unreadable_database"

    def sha256(self, db_ids: Iterable[str]) -> str:
        """The digest of what these databases hold."""
        return content_id(*(database_sha256(self.paths[db_id]) for db_id in sorted(db_ids)))

    def _check(self, db_id: str) -> None:
        if db_id not in self.paths:
            self.errors[db_id] = unknown_database(db_id, "the given folder", self.paths)
            return
        try:
            read_schema(self.paths[db_id])
        except DatabaseError as error:
            self.errors[db_id] = error
        else:
            self._sound.add(db_id)


class GivenAnswers(NamedTuple):
    """Answers that can be used, and the questions that they answer."""

    questions: QuestionSet
    """In the order of their first answers."""
    outline: Outline
    ask: Ask
    num_repeated: int
    """Answers that say what an earlier one of the same model to the same question says. A model
    that is sampled repeats itself, so they stay."""


def answers_over_databases(
    predictions: Iterable[Prediction],
    databases: GivenDatabases,
    contract: PromptContract,
    license: str,
    spool: Callable[[], Spool],
    funnel: Funnel,
) -> GivenAnswers:
    """The answers by the questions that they name themselves.

    contract: of the prompts that the questions get; spool: opens an empty one; funnel: counts
    answers that no row can hold, or over a database that is unknown or cannot be read. Where none
    is left, raises the error of the first such database, else ValueError.
    """
    group = _group(predictions, lambda p: databases.fault(p.db_id), spool, funnel)
    if not len(group.first):
        raise next(iter(databases.errors.values()), _nothing_left(funnel))

    def question(position: int) -> Question:
        p = Prediction(*group.first[position])
        return _question(p, databases.paths[p.db_id], contract, license)

    outline = Outline(
        dict.fromkeys(group.db_ids, ""),
        frozenset([license]),
        frozenset([contract.hash]),
        databases.sha256(group.db_ids),
    )
    return group.given(question, outline)


def answers_to_questions(
    predictions: Iterable[Prediction],
    asked: IndexedQuestions,
    spool: Callable[[], Spool],
    funnel: Funnel,
) -> GivenAnswers:
    """The answers by the questions of a set.

    spool: opens an empty one; funnel: counts answers that no row can hold, or to other questions.
    Raises ValueError where no answer is left.
    """
    group = _group(
        predictions,
        lambda p: "" if _example_id(p) in asked else "unknown_example",
        spool,
        funnel,
    )
    if not len(group.first):
        raise _nothing_left(funnel)

    def question(position: int) -> Question:
        return asked[_example_id(Prediction(*group.first[position]))]

    domains = {db_id: asked.outline.domains[db_id] for db_id in group.db_ids}
    return group.given(question, asked.outline._replace(domains=domains))


class _Group(NamedTuple):
    """Answers sorted by what they answer."""

    first: Spool
    """The first answer to each question, in the order of the file."""
    answers: Spool
    """The answers under the ids of the examples that they answer."""
    db_ids: set[str]
    num_repeated: int

    def given(self, question: Callable[[int], Question], outline: Outline) -> GivenAnswers:
        """All of it, where `question` makes the question at a position of `first`."""

        def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
            return [[Answer(*a) for a in self.answers.of(q.example.id)] for q in batch]

        return GivenAnswers(QuestionSet(len(self.first), question), outline, ask, self.num_repeated)


def _group(
    predictions: Iterable[Prediction],
    fault: Callable[[Prediction], str],
    spool: Callable[[], Spool],
    funnel: Funnel,
) -> _Group:
    """fault: why an answer cannot be used, or ""; such ones are counted in the funnel."""
    first, answers = spool(), spool()
    db_ids: set[str] = set()
    for p in predictions:
        if reason := _unfit(p) or fault(p):
            funnel.drop(reason)
            continue
        key = _example_id(p)
        if key not in first:
            first.add(key, p)
            db_ids.add(p.db_id)
        answers.add(key, Answer(p.pred, p.completion, p.system, logprob=p.logprob))
    return _Group(first, answers, db_ids, sum(_num_repeated(p, answers) for p in first))


def _nothing_left(funnel: Funnel) -> ValueError:
    return ValueError(
        f"none of the {funnel.read:,} answers can be used: {funnel.reasons()}; expected at most "
        f"{MAX_CHARS:,} whole characters, and beside --data db_id, question, evidence and gold as "
        "they stand there"
    )


def _unfit(p: Prediction) -> str:
    """Why a row of a published set cannot hold the answer, or ""."""
    if HALF_CHARACTER.search(p.pred + p.completion):
        return "half_character"
    texts = (p.question, p.evidence, p.gold, p.pred, p.completion)
    return "too_long" if sum(map(len, texts)) > MAX_CHARS else ""


def _num_repeated(first: Sequence[Any], answers: Spool) -> int:
    """Of the answers to the question of a first one, those that say what an earlier one says."""
    found = answers.of(_example_id(Prediction(*first)))
    return len(found) - len(set(map(tuple, found)))


def _example_id(prediction: Prediction) -> str:
    """The id of the example that the prediction answers."""
    p = prediction
    return content_id(p.db_id, p.question, p.evidence, p.gold)


def _question(
    prediction: Prediction, db_path: Path, contract: PromptContract, license: str
) -> Question:
    """The question that a prediction answers, as an example with its prompt.

    A database that vanished while the run was on leaves it without one; nothing can be judged then.
    """
    p = prediction
    is_there = db_path.is_file()
    prompt = prompt_messages(contract, db_path, p.question, p.evidence) if is_there else []
    example = Example(
        db_id=p.db_id,
        question=p.question,
        evidence=p.evidence,
        sql=p.gold,
        hardness=gold_hardness(p.gold),
        gold_status="",
        source="samples",
        db_sha256=database_sha256(db_path) if is_there else "",
        license=license,
        prompt_hash=contract.hash,
        prompt=prompt,
        completion=completion_messages(contract, prompt, p.gold) if is_there else [],
    )
    return Question(example, str(db_path))
