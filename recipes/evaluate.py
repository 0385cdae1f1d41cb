# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Score a file of predictions, a model, a server or a baseline by execution accuracy.

    python recipes/evaluate.py --predictions FILE.jsonl --databases DIR --rule spider --out DIR
    python recipes/evaluate.py --model PATH_OR_HUB_ID --data sense/strong --out DIR
    python recipes/evaluate.py --baseline nearest --data sense/strong --out DIR
    python recipes/evaluate.py --compare before=DIR sft=DIR dpo=DIR

Writes `scores.json`, `report.md` for people, `per_example.jsonl`, `facts.json` and, unless they
were given, `predictions.jsonl`. With `--data`, a file of predictions must answer all its questions.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from sense.ask import open_writer, write_sql
from sense.baseline import constant_answer, nearest_answers
from sense.command import run_script
from sense.database import database_paths
from sense.evaluation import check_predictions, compare, evaluate, report, write_evaluation
from sense.facts import Input, collect_facts, file_sha256
from sense.question import Question, load_questions
from sense.reading import Prediction, read_predictions
from sense.release import check_output
from sense.source import dataset_source, model_source
from sense.verdict import Rule

PLACES = ("out", "compare", "num_workers", "databases", "model", "base_url", "data", "predictions")


class Answers(NamedTuple):
    """SQL for each question."""

    sqls: list[str]
    source: Input
    """What wrote them."""


def main() -> None:
    arguments = parse_arguments()
    if arguments.compare:
        print(compare(dict(arguments.compare)))
        return
    started = time.monotonic()
    out = check_output(arguments.out)
    questions = asked_questions(arguments)
    databases = {question.example.db_id: Path(question.db_path) for question in questions}
    if arguments.predictions:
        predictions = read_predictions(arguments.predictions)
        databases |= database_paths(arguments.databases) if arguments.databases else {}
        check_predictions(predictions, databases, questions)
        path = Path(arguments.predictions)
        source = Input(path.name, kind="file", sha256=file_sha256(path))
    else:
        sqls, source = answer(arguments, questions)
        predictions = to_predictions(questions, sqls)
    outcomes = list(evaluate(predictions, databases, arguments.rule, arguments.num_workers))
    facts = collect_facts(
        "recipes/evaluate.py",
        seed=0,
        settings=evaluation_settings(arguments),
        inputs=[source, *([dataset_source(arguments.data)] if arguments.data else [])],
        seconds=time.monotonic() - started,
    )
    written = () if arguments.predictions else predictions
    scores = write_evaluation(out, outcomes, arguments.rule, facts, written)
    print(report(scores))
    print(f"written to {out}")


def evaluation_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What decides the scores beside the inputs; a split only where questions were read from it."""
    places = PLACES if arguments.data else (*PLACES, "split", "limit")
    return {name: value for name, value in vars(arguments).items() if name not in places}


def asked_questions(arguments: argparse.Namespace) -> list[Question]:
    """The questions of --data; none without it."""
    if not arguments.data:
        return []
    return load_questions(arguments.data, arguments.split, arguments.databases, arguments.limit)


def answer(arguments: argparse.Namespace, questions: Sequence[Question]) -> Answers:
    """One SQL query per question, from the model, server or baseline that was asked for."""
    if arguments.baseline == "constant":
        sqls = [constant_answer(question.db_path) for question in questions]
    elif arguments.baseline == "nearest":
        train = load_questions(arguments.data, "train", arguments.databases)
        sqls = nearest_answers(train, questions)
    else:
        writer = open_writer(arguments.model, arguments.base_url)
        source = model_source(arguments.model, writer.revision)
        return Answers(write_sql(writer, questions), source)
    return Answers(sqls, Input(arguments.baseline, kind="baseline"))


def to_predictions(questions: Sequence[Question], sqls: Sequence[str]) -> list[Prediction]:
    return [
        Prediction(idx, q.example.db_id, q.example.question, q.example.sql, sql, q.example.evidence)
        for idx, (q, sql) in enumerate(zip(questions, sqls, strict=True))
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--predictions", metavar="FILE", help="JSON lines: db_id, question, gold, pred"
    )
    source.add_argument(
        "--model", help="folder or Hub id; with --base-url the server's name for it"
    )
    source.add_argument("--baseline", choices=["constant", "nearest"])
    source.add_argument("--compare", nargs="+", metavar="NAME=DIR", type=named_folder)
    add = parser.add_argument
    add("--base-url", metavar="URL", default="", help="an OpenAI-compatible server")
    add("--data", metavar="SOURCE", help="folder or Hub id of the questions that are asked")
    add("--split", default="test", help="split of --data (default test)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--rule", choices=get_args(Rule), default="strict")
    add("--limit", type=int, metavar="N", help="a seeded choice of N questions")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="0 = this process")
    add("--out", metavar="DIR", help="folder to write; must not exist")
    arguments = parser.parse_args()
    if not arguments.compare and not arguments.out:
        parser.error("--out is required: the folder that the scores are written to")
    if arguments.predictions and not (arguments.databases or arguments.data):
        parser.error("--predictions needs --databases DIR, the SQLite files of their db_ids")
    if (arguments.model or arguments.baseline) and not arguments.data:
        parser.error("--model and --baseline need --data, the questions to answer")
    for name, least in (("limit", 1), ("num_workers", 0)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    names = [name for name, _ in arguments.compare or ()]
    if len(set(names)) < len(names):
        parser.error(f"--compare names {', '.join(names)}; expected each name once")
    return arguments


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=DIR such as sft=runs/scores/sft")
    return name, Path(folder)


if __name__ == "__main__":
    run_script(main)
