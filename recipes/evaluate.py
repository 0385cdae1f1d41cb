# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Score files of predictions, a model, a server or a baseline by execution accuracy.

    python recipes/evaluate.py --predictions FILE.jsonl --databases DIR --rule spider --out DIR
    python recipes/evaluate.py --predictions a.txt b.txt --gold gold.sql --databases DIR --out DIR
    python recipes/evaluate.py --model PATH_OR_HUB_ID --data sense/strong --out DIR
    python recipes/evaluate.py --baseline nearest --data sense/strong --out DIR
    python recipes/evaluate.py --compare before=DIR sft=DIR dpo=DIR

Files of predictions: JSON lines with db_id, question, gold and pred; Spider's, with one query per
line, or BIRD's JSON of numbered queries, both with --gold. Writes `scores.json`, `report.html` and
`report.md` for people, `per_example.jsonl`, `facts.json` and, unless they were given,
`predictions.jsonl`. Several systems get a folder each, and a board of them above. With `--data`, a
file of predictions must answer all its questions. An evaluation of a server that was interrupted
goes on when it is run again.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sense.command import run_script
from sense.database import database_paths
from sense.engine import Engine
from sense.evaluation import check_predictions
from sense.facts import Facts, Input, collect_facts, file_sha256
from sense.output import check_output, work_folder
from sense.predictions import System, extracted
from sense.question import Question, load_questions
from sense.reports.board import make_board, read_evaluations
from sense.reports.board_report import line_by_line, write_board, write_results
from sense.scoring import Rule
from sense.source import dataset_source
from sense.suite import read_suite
from sense.systems import baseline_system, judged_results, model_system, systems_of_files

PLACES = (
    *("out", "compare", "num_workers", "databases", "model", "base_url", "data", "predictions"),
    *("gold", "suite", "engine"),
)

OWNERS = {"gold": "predictions", "base_url": "model", "limit": "data"}
"""Option -> the one without which it would do nothing."""
JUDGING = (
    "prove",
    "suite",
    "rule",
    "bird_scores",
    "scores_only",
    "extract_sql",
    "data",
    "databases",
)
"""Options that do nothing with --compare, whose folders were judged before."""


def main() -> None:
    arguments = parse_arguments()
    started = time.monotonic()
    if arguments.compare:
        compare_folders(arguments, started)
        return
    out = check_output(arguments.out)
    questions = asked_questions(arguments)
    databases = {question.example.db_id: Path(question.db_path) for question in questions}
    databases |= database_paths(arguments.databases) if arguments.databases else {}
    suite = read_suite(arguments.suite) if arguments.suite else None
    systems, inputs = answering_systems(arguments, questions)
    for system in systems:
        check_predictions(system.predictions, databases, questions)
    results, together = judged_results(
        [extracted(system) for system in systems] if arguments.extract_sql else systems,
        databases,
        arguments.rule,
        suite=suite,
        proves=arguments.prove,
        bird_repetitions=arguments.bird_scores,
        scores_only=arguments.scores_only,
        has_new_answers=not arguments.predictions,
        num_workers=arguments.num_workers,
        engine=arguments.engine,
    )
    if arguments.data:
        inputs.append(dataset_source(arguments.data))
    if suite:
        inputs.append(Input(suite.folder.resolve().name, kind="databases", sha256=suite.hash))
    facts = run_facts(arguments, inputs, started)
    print(write_results(out, results, facts, together))
    print(f"written to {out}")


def compare_folders(arguments: argparse.Namespace, started: float) -> None:
    """Prints the table of finished evaluations; with --out writes their board."""
    folders: dict[str, Path] = dict(arguments.compare)
    evaluations = read_evaluations(folders)
    if arguments.out:
        out = check_output(arguments.out)
        inputs = [
            Input(name, kind="evaluation", sha256=file_sha256(folder / "per_example.jsonl"))
            for name, folder in folders.items()
        ]
        board = write_board(out, evaluations, run_facts(arguments, inputs, started))
        print(f"written to {out}\n")
    else:
        board = make_board(evaluations)
    print(line_by_line(board, folders))


def run_facts(arguments: argparse.Namespace, inputs: Sequence[Input], started: float) -> Facts:
    """The facts of this run."""
    return collect_facts(
        "recipes/evaluate.py",
        seed=0,
        settings=evaluation_settings(arguments),
        inputs=inputs,
        seconds=time.monotonic() - started,
    )


def evaluation_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What decides the scores beside the inputs; a split only where questions were read from it."""
    if arguments.compare:  # the columns and all else were decided when the folders were written
        return {}
    places = PLACES if arguments.data else (*PLACES, "split", "limit")
    return {name: value for name, value in vars(arguments).items() if name not in places}


def asked_questions(arguments: argparse.Namespace) -> list[Question]:
    """The questions of --data; none without it."""
    if not arguments.data:
        return []
    return load_questions(arguments.data, arguments.split, arguments.databases, arguments.limit)


def answering_systems(
    arguments: argparse.Namespace, questions: Sequence[Question]
) -> tuple[list[System], list[Input]]:
    """The systems that were asked for, with their answers, and what these come from."""
    if arguments.predictions:
        return systems_of_files(arguments.predictions, arguments.gold)
    if arguments.model:
        cache = work_folder(arguments.out) / "replies.jsonl" if arguments.base_url else None
        return model_system(arguments.model, questions, arguments.base_url, cache)
    is_nearest = arguments.baseline == "nearest"
    train = load_questions(arguments.data, "train", arguments.databases) if is_nearest else []
    return baseline_system(arguments.baseline, questions, train)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--predictions", nargs="+", metavar="FILE", help="one per system, or several systems in one"
    )
    source.add_argument(
        "--model", help="folder or Hub id; with --base-url the server's name for it"
    )
    source.add_argument("--baseline", choices=["constant", "nearest"])
    source.add_argument("--compare", nargs="+", metavar="NAME=DIR", type=named_folder)
    add = parser.add_argument
    add("--gold", metavar="FILE", help="SQL<tab>db_id lines, or Spider's or BIRD's dev.json")
    add("--base-url", metavar="URL", default="", help="an OpenAI-compatible server")
    add("--data", metavar="SOURCE", help="folder or Hub id of the questions that are asked")
    add("--split", default="test", help="split of --data (default test)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--suite", metavar="DIR", help="a test suite: also score on its database variants")
    add("--rule", nargs="+", choices=get_args(Rule), help="the first one ranks (default strict)")
    add(
        "--bird-scores",
        type=int,
        metavar="N",
        help="also soft F1, VES and R-VES, timed N times (BIRD: 100); 0 = soft F1 only",
    )
    add("--extract-sql", action="store_true", help="take SQL out of prose and code fences first")
    add("--prove", action="store_true", help="count what equals gold on every database apart")
    add("--scores-only", action="store_true", help="leave out error kinds and their examples")
    add("--engine", choices=get_args(Engine), default="local", help="ray: judge on a Ray cluster")
    add("--limit", type=int, metavar="N", help="a seeded choice of N questions of --data")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="0 = this process")
    add("--out", metavar="DIR", help="folder to write; must not exist")
    arguments = parser.parse_args()
    check_arguments(parser, arguments)
    return arguments


def check_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if not arguments.compare and not arguments.out:
        parser.error("--out is required: the folder that the scores are written to")
    if arguments.predictions and not (arguments.databases or arguments.data):
        parser.error("--predictions needs --databases DIR, the SQLite files of their db_ids")
    if (arguments.model or arguments.baseline) and not arguments.data:
        parser.error("--model and --baseline need --data, the questions to answer")
    for name in JUDGING:
        value = getattr(arguments, name)
        if arguments.compare and value is not None and value is not False:
            parser.error(
                f"--{name.replace('_', '-')} says nothing with --compare, which takes the scores "
                "that stand in the folders; give it when they are evaluated"
            )
    arguments.rule = arguments.rule or ["strict"]
    for name, owner in OWNERS.items():
        if getattr(arguments, name) and not getattr(arguments, owner):
            option, owner = (f"--{word.replace('_', '-')}" for word in (name, owner))
            parser.error(f"{option} says nothing without {owner}; add that, or leave it out")
    for name, least in (("limit", 1), ("num_workers", 0), ("bird_scores", 0)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    for name, values in (
        ("--compare", [name for name, _ in arguments.compare or ()]),
        ("--rule", arguments.rule),
    ):
        if len(set(values)) < len(values):
            parser.error(f"{name} names {', '.join(values)}; expected each name once")


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=DIR such as sft=runs/scores/sft")
    return name, Path(folder)


if __name__ == "__main__":
    run_script(main)
