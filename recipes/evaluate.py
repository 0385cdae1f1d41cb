# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Score a file of predictions, a model, a server or a baseline by execution accuracy.

    python recipes/evaluate.py --predictions FILE.jsonl --databases DIR --rule spider --out DIR
    python recipes/evaluate.py --model PATH_OR_HUB_ID --data sense/strong --out DIR
    python recipes/evaluate.py --baseline nearest --data sense/strong --out DIR
    python recipes/evaluate.py --compare before=DIR sft=DIR dpo=DIR

Writes `predictions.jsonl` (unless they were given), `per_example.jsonl`, `scores.json` and
`report.md` into the output folder.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sense.ask import open_writer, write_sql
from sense.baseline import constant_answer, nearest_answers
from sense.command import run_script
from sense.database import database_paths
from sense.evaluation import compare, evaluate, report, write_outcomes
from sense.question import Question, load_questions
from sense.reading import Prediction, read_predictions
from sense.release import check_output
from sense.verdict import Rule


def main() -> None:
    arguments = parse_arguments()
    if arguments.compare:
        print(compare(dict(arguments.compare)))
        return
    out = check_output(arguments.out)
    if arguments.predictions:
        predictions = read_predictions(arguments.predictions)
        databases = database_paths(arguments.databases)
    else:
        questions = load_questions(
            arguments.data, arguments.split, arguments.databases, arguments.limit
        )
        predictions = to_predictions(questions, answers(arguments, questions))
        databases = {question.example.db_id: Path(question.db_path) for question in questions}
    outcomes = list(evaluate(predictions, databases, arguments.rule, arguments.num_workers))
    out.mkdir(exist_ok=True)
    if not arguments.predictions:
        write_predictions(predictions, out / "predictions.jsonl")
    scores = write_outcomes(outcomes, arguments.rule, out)
    print(report(scores))
    print(f"written to {out}")


def answers(arguments: argparse.Namespace, questions: Sequence[Question]) -> list[str]:
    """One SQL query per question, from the model, server or baseline that was asked for."""
    if arguments.baseline == "constant":
        return [constant_answer(question.db_path) for question in questions]
    if arguments.baseline == "nearest":
        return nearest_answers(load_questions(arguments.data, "train"), questions)
    writer = open_writer(arguments.model, arguments.base_url)
    return write_sql(writer, questions)


def to_predictions(questions: Sequence[Question], sqls: Sequence[str]) -> list[Prediction]:
    return [
        Prediction(idx, q.example.db_id, q.example.question, q.example.sql, sql, q.example.evidence)
        for idx, (q, sql) in enumerate(zip(questions, sqls, strict=True))
    ]


def write_predictions(predictions: Sequence[Prediction], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for prediction in predictions:
            file.write(json.dumps(prediction._asdict(), ensure_ascii=False) + "\n")


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
    add("--data", metavar="SOURCE", help="folder or Hub id of a set of examples")
    add("--split", default="test", help="split of --data (default test)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--rule", choices=get_args(Rule), default="strict")
    add("--limit", type=int, metavar="N", help="a seeded choice of N questions")
    add("--num-workers", type=int, default=os.cpu_count() or 1)
    add("--out", metavar="DIR", help="folder to write; must not exist")
    arguments = parser.parse_args()
    if not arguments.compare and not arguments.out:
        parser.error("--out is required: the folder that the scores are written to")
    if arguments.predictions and not arguments.databases:
        parser.error("--predictions needs --databases DIR, the SQLite files of their db_ids")
    if (arguments.model or arguments.baseline) and not arguments.data:
        parser.error("--model and --baseline need --data, the questions to answer")
    return arguments


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=DIR such as sft=runs/scores/sft")
    return name, Path(folder)


if __name__ == "__main__":
    run_script(main)
