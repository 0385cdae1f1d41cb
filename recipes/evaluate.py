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

Several answers to each question, as JSON lines of one idx or by --num-samples K of a model, give
pass@k and maj@k (by result) beside the accuracy of the first answers. With --scores-only nothing
but the official scores is computed: no gold is checked, and no verdict is written.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from sense.command import run_script
from sense.database import database_paths
from sense.evaluation import check_predictions
from sense.facts import Facts, Input, collect_facts, file_sha256, text_table
from sense.inputs.predictions import System, extracted
from sense.inputs.question import Question, load_questions
from sense.publishing.output import check_output
from sense.publishing.source import dataset_source, suite_source
from sense.reports.board import make_board, read_evaluations
from sense.reports.board_report import line_by_line, write_board, write_results
from sense.scores.options import evaluation_arguments, evaluation_settings
from sense.scores.systems import baseline_system, judged_results, model_system, systems_of_files
from sense.servers.budget import shown_usage
from sense.servers.options import given_writer
from sense.suite import read_suite


def main() -> None:
    arguments = parse_arguments()
    started = time.monotonic()
    if arguments.compare:
        compare_folders(arguments, started)
        return
    out = check_output(arguments.out, is_published=False)
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
        inputs.append(suite_source(suite))
    facts = run_facts(arguments, inputs, started)
    print(write_results(out, results, facts, together))
    print(f"written to {out}")


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
        writer, budget = given_writer(arguments)
        found = model_system(writer, questions, arguments.num_samples, arguments.temperature)
        if budget:
            print(text_table([("use of the model", "amount"), *shown_usage(budget.usage())]))
        return found
    is_nearest = arguments.baseline == "nearest"
    train = load_questions(arguments.data, "train", arguments.databases) if is_nearest else []
    return baseline_system(arguments.baseline, questions, train)


def compare_folders(arguments: argparse.Namespace, started: float) -> None:
    """Prints the table of finished evaluations; with --out writes their board."""
    folders: dict[str, Path] = dict(arguments.compare)
    evaluations = read_evaluations(folders)
    if arguments.out:
        out = check_output(arguments.out, is_published=False)
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


def parse_arguments() -> argparse.Namespace:
    return evaluation_arguments(__doc__)


if __name__ == "__main__":
    run_script(main)
