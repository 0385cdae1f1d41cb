"""What the web demo does and says, apart from its widgets: each step is a sentence and maybe rows.

Whatever touches a visitor's file or SQL happens in `sense.sqlite.guard`.
"""

import html
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sense.ask import Writer
from sense.database import build_database
from sense.execution import DatabaseError, Execution
from sense.prompt import completion_sql
from sense.result import html_table, sentence
from sense.schema import Schema, Table, read_schema
from sense.sqlite.guard import guarded_comparison, guarded_execution, guarded_prompt
from sense.witness import Witness

logger = logging.getLogger(__name__)

MAX_QUESTION_CHARS = 1_000
MAX_SQL_CHARS = 20_000
MAX_OPEN_TABLES = 6
"""A schema of more tables shows their names, and the columns of a table on a click."""

Write: TypeAlias = Callable[[str, str], str]
"""(database file, question) -> SQL, "" for none."""


class Database(NamedTuple):
    """What a visitor asks about."""

    path: str
    name: str
    schema: Schema
    questions: tuple[str, ...] = ()
    """To start with."""
    session: str = ""
    """Whose upload it is; "" for an example of ours."""


class Step(NamedTuple):
    """What the page shows next."""

    text: str
    """One sentence for the visitor."""
    kind: Literal["good", "busy", "fault"] = "fault"
    sql: str | None = ""
    """What the SQL box holds from now on; None = what it holds already."""
    execution: Execution | None = None
    """Rows to show; None for none."""


def read_examples(folder: Path, out: Path) -> dict[str, Database]:
    """The databases of `folder/*.sql`, built in `out`; lines `-- ask:` hold their questions."""
    examples = {}
    for script in sorted(folder.glob("*.sql")):
        text = script.read_text("utf-8")
        path = build_database(text, out / f"{script.stem}.sqlite")
        questions = re.findall(r"^-- ask: (.+)$", text, re.MULTILINE)
        examples[script.stem] = Database(
            str(path), script.stem, read_schema(path), tuple(questions)
        )
    return examples


def sql_writer(writer: Writer, num_at_once: int) -> Write:
    """The model as a function that any thread may call; `num_at_once` questions run together."""
    turns = threading.Semaphore(num_at_once)

    def write(db_path: str, question: str) -> str:
        prompt = guarded_prompt(writer.contract, db_path, question)
        with turns:
            [completion] = writer.complete([prompt])
        return completion_sql(writer.contract, prompt, completion)

    return write


def answer(write: Write | None, question: str, database: Database) -> Iterator[Step]:
    """The steps from a question to its rows: the SQL comes before it has run."""
    if write is None:
        yield Step("This page has no model: write the SQL yourself and run it.", sql=None)
    elif not question.strip():
        yield Step("Type a question first, such as how many rows a table has.", sql=None)
    elif len(question) > MAX_QUESTION_CHARS:
        yield Step(f"Ask in fewer words: {MAX_QUESTION_CHARS:,} characters at most.", sql=None)
    else:
        yield Step("Writing SQL ...", "busy")
        sql = _written(write, question.strip(), database)
        if isinstance(sql, Step):
            yield sql
        elif not sql:
            yield Step("The model found no SQL for this question. Ask in other words.")
        else:
            yield Step("Running ...", "busy", sql)
            yield run(sql, database)._replace(sql=sql)


def run(sql: str, database: Database) -> Step:
    """What the SQL gives on the database, or why it gives nothing."""
    if not sql.strip():
        return Step("There is no SQL to run yet: ask a question, or write some.", sql=None)
    if len(sql) > MAX_SQL_CHARS:
        return Step(f"This SQL is too long: {MAX_SQL_CHARS:,} characters at most.", sql=None)
    try:
        execution = guarded_execution(database.path, sql)
    except DatabaseError as error:
        return Step(_in_public(error, database), sql=None)
    if execution.status != "ok":
        return Step(sentence(execution), sql=None)
    return Step(sentence(execution), "good", None, execution)


def compare_html(first_sql: str, second_sql: str, database: Database) -> str:
    """Whether the two queries give the same rows, as HTML with the rows that show a difference."""
    if not first_sql.strip() or not second_sql.strip():
        return step_html(Step("There is nothing to compare yet: write SQL in both boxes."))
    if max(len(first_sql), len(second_sql)) > MAX_SQL_CHARS:
        return step_html(Step(f"This SQL is too long: {MAX_SQL_CHARS:,} characters at most."))
    try:
        found = guarded_comparison(database.path, first_sql, second_sql)
    except DatabaseError as error:
        return step_html(Step(_in_public(error, database)))
    said = step_html(Step(found.text, "good" if found.kind == "same" else "fault"))
    return said + (witness_html(found.witness) if found.witness else "")


def witness_html(witness: Witness) -> str:
    """The tables of a small database and what each query returns there, as HTML."""
    parts = [(f"table {t.name}", html_table(t.columns, t.rows)) for t in witness.tables]
    for place, execution in (("first", witness.gold), ("second", witness.predicted)):
        shown = html_table(execution.columns, execution.rows)
        parts.append((f"the {place} query", shown if execution.rows else "<p>no rows</p>"))
    figures = (
        f"<figure><figcaption>{html.escape(title)}</figcaption>{shown}</figure>"
        for title, shown in parts
    )
    return f'<div class="witness">{"".join(figures)}</div>'


def step_html(step: Step) -> str:
    """The sentence of a step as HTML, "" where there is none."""
    return f'<p class="step {step.kind}">{html.escape(step.text)}</p>' if step.text else ""


def schema_html(database: Database) -> str:
    """Tables and columns as HTML; every name is escaped, because a visitor chose it."""
    tables = database.schema.tables
    is_open = " open" if len(tables) <= MAX_OPEN_TABLES else ""
    parts = (
        f"<details{is_open}><summary>{html.escape(table.name)}</summary>"
        f"<ul>{''.join(_column_lines(table))}</ul></details>"
        for table in tables
    )
    return f'<div class="schema"><h3>{html.escape(database.name)}</h3>{"".join(parts)}</div>'


def _written(write: Write, question: str, database: Database) -> str | Step:
    """The SQL, or the step that says why there is none."""
    try:
        return write(database.path, question)
    except (DatabaseError, FileNotFoundError) as error:
        return Step(_in_public(error, database))
    except (OSError, RuntimeError, ValueError):
        logger.exception("the model did not answer")
        return Step("The model does not answer just now. Try again in a minute.")


def _column_lines(table: Table) -> Iterator[str]:
    targets = {
        column: f"→ {key.ref_table}.{ref}"
        for key in table.foreign_keys
        for column, ref in zip(key.columns, key.ref_columns, strict=True)
    }
    for column in table.columns:
        notes = (column.type.lower(), "key" if column.primary_key else "", targets.get(column.name))
        note = html.escape(" ".join(filter(None, notes)))
        yield f"<li>{html.escape(column.name)} <small>{note}</small></li>"


def _in_public(error: Exception, database: Database) -> str:
    """The error without the place of the file; a file that is gone was removed with its session."""
    if not Path(database.path).exists():
        return f"{database.name} was deleted when this page lost its connection; upload it again."
    return str(error).replace(database.path, database.name)
