"""What the card of a strong set says in words, for each teacher."""

import argparse
import json
from collections.abc import Sequence

from sense.card import DatasetText
from sense.example import content_id
from sense.grammar import MAX_STEPS, MIN_STEPS
from sense.strong_set.collection import Database
from sense.teaching.form import answer_schema
from sense.teaching.requests import request_messages
from sense.teaching.tasks import MODE_TEXT, Ask, Mode

GRAMMAR_TERMS = (
    "Its patterns and words are part of this kit (Apache-2.0); the rows keep the licence of their "
    "databases."
)
NAME = "SENSE strong data"
EXECUTED = "Every query was executed on its database and returned a result that says something."
PLAN_STEP = (
    "Plan: shares of hardness, style, SQL features and domains were planned, and each round asked "
    "for what was missing; what could not be had is listed."
)
MODE_STEPS: dict[Mode, str] = {
    "invent": "Invented databases: {model} was shown two examples drawn at random and asked for a "
    "domain in a given field, a schema, and questions with SQL at given levels and in given "
    "styles. Each schema was built and filled with rows, among them the values that its queries "
    "look for.",
    "databases": "Given databases: {model} saw the schema with sample rows and was asked for "
    "questions with SQL.",
    "sql": "Given queries: the grammar drew SQL over a database, and {model} wrote the question, "
    "with evidence where a value or a rule needs explaining.",
}
CHECK_STEPS = (
    "Checks: each query runs, gives a result that is neither empty nor constant, and is defined: "
    "no tie at a cut, no bare column in a group. The question names what the query needs. Hardness "
    "and style were measured, not taken as asked.",
    "Repetitions of a question, of a query, near repetitions, and the examples that were shown "
    "were dropped.",
)
AGREEMENT_STEP = (
    "Agreement: {voter} answered each question {num} times without seeing its SQL, on which the "
    "answers then voted."
)
RATIONALE_STEP = (
    "Rationales: the model explained each query; a row was dropped where the query at the end of "
    "the explanation returned something else.",
)
RATIONALE_FAULT = ("Of a rationale only the query at its end was checked, not its words.",)


def grammar_text(arguments: argparse.Namespace, databases: Sequence[Database]) -> DatasetText:
    is_single = len(databases) == 1
    made = "invented and filled with rows" if arguments.invent else "given, used as they are"
    return DatasetText(
        pretty_name=NAME,
        summary=(
            "Questions with SQL over SQLite databases, for supervised fine-tuning of text-to-SQL "
            f"models. {EXECUTED}"
        ),
        license=databases[0].license,
        steps=(
            f"Databases: {len(databases):,}, {made}.",
            "SQL: sampled from the schema and the data at a requested hardness, which was then "
            "measured on the query.",
            "Questions: worded from the same meaning as the SQL, in several styles.",
            "Checks: each query runs, gives a result that is neither empty nor trivial, and is "
            "defined: no tie at a cut, no bare column in a group. It takes no more steps of "
            f"SQLite's machine than its file has bytes, or than {MIN_STEPS:,} of a small file and "
            f"{MAX_STEPS:,} of a large one.",
            *((PLAN_STEP,) if arguments.plan else ()),
        ),
        faults=(
            "The questions are regular: a person asks with more variety.",
            "The SQL stays within the grammar's patterns.",
        ),
        repo_id=arguments.push or "",
        split_by="sql_template" if is_single and not databases[0].split else "db_id",
        kind="strong",
        has_figures=True,
    )


def model_text(arguments: argparse.Namespace, is_single: bool) -> DatasetText:
    """is_single: whether all rows are over one given database."""
    generated = ("The rows of invented databases are generated and mean nothing.",)
    return DatasetText(
        pretty_name=NAME,
        summary=(
            "Questions and SQL written by a strong language model over SQLite databases, for "
            f"supervised fine-tuning of text-to-SQL models. {EXECUTED}"
        ),
        license=arguments.license,
        steps=(
            *(MODE_STEPS[mode].format(model=arguments.model) for mode in arguments.modes),
            PLAN_STEP,
            *CHECK_STEPS,
            *(RATIONALE_STEP if arguments.rationale else ()),
            *((_agreement_step(arguments),) if arguments.agreement else ()),
        ),
        faults=(
            model_terms(arguments),
            "No person checked that the queries answer their questions.",
            *(generated if "invent" in arguments.modes or arguments.invent else ()),
            *(RATIONALE_FAULT if arguments.rationale else ()),
        ),
        repo_id=arguments.push or "",
        split_by="sql_template" if is_single else "db_id",
        kind="strong",
        has_figures=True,
    )


def _agreement_step(arguments: argparse.Namespace) -> str:
    voter = arguments.voter or arguments.model
    return AGREEMENT_STEP.format(voter=voter, num=arguments.agreement)


def model_terms(arguments: argparse.Namespace) -> str:
    models = " and ".join(dict.fromkeys(filter(None, (arguments.model, arguments.voter))))
    return (
        f"The terms of use of {models} apply to these rows as well: make sure that they "
        "allow what you train."
    )


def prompt_hashes(arguments: argparse.Namespace) -> dict[str, str]:
    """SHA-256 of the words of a request for one question and of the form of its answer, by mode:
    wishes, examples and databases aside."""
    ask = Ask("easy", "interrogative")
    found = {}
    for mode in arguments.modes:
        messages = request_messages(mode, [ask], rationale=arguments.rationale)
        form = json.dumps(answer_schema(mode, arguments.rationale))
        title = f"{mode}, {MODE_TEXT[mode]}{', with a rationale' if arguments.rationale else ''}"
        found[title] = content_id(*(message["content"] for message in messages), form)
    return found
