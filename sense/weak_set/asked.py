"""What the weak builder asks and who answers: a file of predictions, a local model, or a server."""

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.database import database_paths, unknown_database
from sense.facts import Input, file_sha256
from sense.inputs.answers import GivenDatabases, answers_over_databases, answers_to_questions
from sense.inputs.question import (
    IndexedQuestions,
    Outline,
    Question,
    by_database,
    index_questions,
    open_questions,
)
from sense.inputs.reading import read_predictions
from sense.journal import Journal
from sense.prompt import CONTRACTS, PromptContract, contract_of
from sense.publishing.license import seed_of
from sense.publishing.source import dataset_source, model_source, suite_source
from sense.servers.budget import Budget
from sense.servers.options import given_writer
from sense.spool import Spool
from sense.suite import Suite, read_suite
from sense.weak import Answer, Ask, Sampling, answer_temperatures, ask_model
from sense.weak_set.tally import Tally

logger = logging.getLogger(__name__)

MAX_SHOWN = 5
"""Databases whose faults are told."""


class Asked(NamedTuple):
    """What is judged."""

    questions: Sequence[Question]
    outline: Outline
    ask: Ask
    inputs: tuple[Input, ...]
    """Where the answers come from, then where their questions do, then the test suite."""
    contract: PromptContract
    """Writes the message of an answer of which only SQL is known."""
    tally: Tally
    """Holds what was left out already."""
    suite: Suite | None
    budget: Budget | None = None
    """Tokens and money that answers of servers cost."""


def open_asked(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Asked:
    """What the options name; arguments: those of `sense.weak_set.options`;
    spool: opens an empty one.

    Raises ValueError, LookupError, OSError or DatabaseError for what cannot be used at all.
    """
    if arguments.samples:
        return _given_answers(arguments, spool)
    return _asked_model(arguments, spool)


def counted_once(ask: Ask, budget: Budget, journal: Journal) -> Ask:
    """`ask`, which notes in the journal what each batch used; what is there counts from now on.

    So a run that was interrupted ends at the limit, and with the usage, of one that was not.
    """
    for key in journal:
        kind, _, number = key.partition(" ")
        if kind == "usage" and f"answers {number}" in journal:
            budget.recall(journal[key])

    def asked(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        before = budget.usage()
        answers = ask(number, batch)
        if f"usage {number}" not in journal:  # else a kill came before the answers were kept
            used = {name: value - before.get(name, 0) for name, value in budget.usage().items()}
            journal.put(f"usage {number}", used)
        return answers

    return asked


def judging_settings(arguments: argparse.Namespace, asked: Asked) -> dict[str, Any]:
    """All that decides answers and verdicts: pairs may be made again from them in another way."""
    source = asked.inputs[0]
    settings: dict[str, Any] = {
        "answers": source.sha256 or f"{source.name} {source.revision}",
        "questions_sha256": asked.outline.sha256,
        "suite_hash": asked.suite.hash if asked.suite else "",
    }
    names = ["rule", "round"]
    if arguments.model:
        names += ["num_samples", "temperatures", "seed"]
    return settings | {name: getattr(arguments, name) for name in names}


def _given_answers(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Asked:
    """The answers of a file, and their questions: those of --data, or as the file has them."""
    path = Path(arguments.samples)
    predictions, tally = read_predictions(path), Tally()
    source = Input(path.name, kind="file", sha256=file_sha256(path), license=arguments.license)
    if arguments.data:
        data = _open_data(arguments, spool, tally)
        contract = contract_of(data.outline.prompt_hashes, arguments.data)
        given = answers_to_questions(predictions, data, spool, tally.answers)
        if num_left := len(data.distinct) - len(given.questions):
            tally.questions.drop("no_answer", num_left)
        origin = dataset_source(arguments.data)
    else:
        databases = GivenDatabases(database_paths(arguments.databases))
        contract = CONTRACTS[arguments.contract or "default"]
        given = answers_over_databases(
            predictions, databases, contract, arguments.license, spool, tally.answers
        )
        for error in list(databases.errors.values())[:MAX_SHOWN]:
            logger.info("left out: %s", error)
        name = Path(arguments.databases).resolve().name
        seed = seed_of(arguments.databases)
        origin = Input(
            name,
            kind="databases",
            sha256=given.outline.sha256,
            license=arguments.license,
            url=seed.url if seed else "",
        )
    if given.num_repeated:
        tally.counts["answers"] = Counter(repeated=given.num_repeated)
    suite = _open_suite(arguments, given.outline)
    inputs = (source, origin, *_suite_inputs(suite))
    return Asked(given.questions, given.outline, given.ask, inputs, contract, tally, suite)


def _asked_model(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Asked:
    """A seeded choice of questions, and a model or server that answers each several times.

    Questions over one database stand together, so that their common prompt is encoded once.
    """
    tally = Tally()
    data = _open_data(arguments, spool, tally)
    writer, budget = given_writer(arguments)
    contract = contract_of(data.outline.prompt_hashes, arguments.data, writer.contract)
    source = model_source(arguments.model, writer.revision)
    temperatures = answer_temperatures(arguments.temperatures, arguments.num_samples)
    sampling = Sampling(temperatures, arguments.seed, arguments.round)
    suite = _open_suite(arguments, data.outline)
    return Asked(
        by_database(data.distinct, spool()),
        data.outline,
        ask_model(writer, source.name, contract, sampling),
        (source, dataset_source(arguments.data), *_suite_inputs(suite)),
        contract,
        tally,
        suite,
        budget,
    )


def _open_suite(arguments: argparse.Namespace, outline: Outline) -> Suite | None:
    """The test suite of --suite, which must hold every database that is asked."""
    if not arguments.suite:
        return None
    suite = read_suite(arguments.suite)
    for db_id in sorted(outline.domains):
        if db_id not in suite.databases:
            raise unknown_database(db_id, suite.folder, suite.databases)
    return suite


def _suite_inputs(suite: Suite | None) -> list[Input]:
    if suite is None:
        return []
    return [suite_source(suite)]


def _open_data(
    arguments: argparse.Namespace, spool: Callable[[], Spool], tally: Tally
) -> IndexedQuestions:
    """The questions to answer, after a look at each."""
    questions = open_questions(
        arguments.data,
        arguments.split,
        arguments.databases,
        arguments.num_questions,
        arguments.seed,
    )
    indexed = index_questions(questions, spool())
    if indexed.num_repeated:
        tally.questions.drop("duplicate_question", indexed.num_repeated)
    return indexed
