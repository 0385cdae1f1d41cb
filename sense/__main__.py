"""`python -m sense ask DATABASE QUESTION`: a question about a SQLite file, answered here.

    python -m sense ask my.sqlite "How many singers are there?"

The SQL comes first, then its rows. Exit status 1 means that there is no answer.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sense.ask import DEMO_MODEL, ask, open_writer
from sense.command import run_script
from sense.result import sentence, text_table
from sense.schema import read_schema

MAX_PRINTED_ROWS = 50


def main(argv: Sequence[str] | None = None) -> None:
    """`python -m sense ask DATABASE QUESTION [--model ...] [--base-url ...]`."""
    arguments = parse_arguments(argv)
    read_schema(arguments.database)  # a wrong path should not wait for a model
    _silence_loading(arguments.model or DEMO_MODEL)
    writer = open_writer(arguments.model, arguments.base_url)
    sql, execution = ask(writer, arguments.database, arguments.question, arguments.evidence)
    if not sql:
        raise ValueError(f"{writer.name} gave no SQL for this question; ask in other words")
    print(sql, flush=True)
    if execution.status != "ok":
        raise ValueError(sentence(execution))
    num_shown = arguments.rows or len(execution.rows)
    print(f"\n{text_table(execution.columns, execution.rows[:num_shown])}\n")
    print(sentence(execution, num_shown))


def _silence_loading(model: str) -> None:
    """Keeps warnings and bars of a local model's loading away from the answer."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if Path(model).is_dir():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of the one command that there is so far."""
    parser = argparse.ArgumentParser(
        prog="python -m sense", description="Questions about a SQLite file, answered with SQL."
    )
    commands = parser.add_subparsers(metavar="ask", required=True)
    asking = commands.add_parser("ask", help="answer one question: the SQL, then its rows")
    asking.add_argument("database", type=Path, help="a SQLite file; it is only read")
    asking.add_argument("question", help="in plain words, in quotes")
    asking.add_argument("--evidence", default="", help="what the question takes for known")
    asking.add_argument(
        "--model",
        default="",
        metavar="FOLDER_OR_ID",
        help=f"folder, Hub id, or the name that a server uses (default: {DEMO_MODEL})",
    )
    asking.add_argument(
        "--base-url",
        default="",
        metavar="URL",
        help="an OpenAI-compatible server, such as http://localhost:8000/v1; "
        "its key is read from OPENAI_API_KEY",
    )
    asking.add_argument(
        "--rows",
        type=int,
        default=MAX_PRINTED_ROWS,
        help="how many rows to print at most, 0 = all (default: %(default)s)",
    )
    return parser.parse_args(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    run_script(main)
