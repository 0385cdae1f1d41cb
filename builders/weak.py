# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Build the weak set: a model's right and wrong answers, judged by execution, as preference pairs.

Hub id:    sense/weak
Sources:   a file of any system's predictions (`--samples`), or samples of a model or server over
           the questions of a strong set (`--model`, `--data`). Rows keep their database's licence.

    python builders/weak.py --samples FILE.jsonl --databases DIR --out DIR
    python builders/weak.py --model PATH_OR_HUB_ID --data sense/strong --num-samples 8 --out DIR
"""

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from sense.ask import open_writer
from sense.card import DatasetText
from sense.command import run_script
from sense.database import database_paths
from sense.example import (
    Pair,
    content_id,
    pair_features,
    sample_features,
    to_row,
    unpaired_features,
)
from sense.facts import Funnel, Input, collect_facts, file_sha256, print_outcome
from sense.journal import Journal
from sense.preference import (
    POLICIES,
    GoldUse,
    Pairing,
    Sample,
    build_pairs,
    sample_row,
    unpaired_rows,
)
from sense.prompt import CONTRACTS, ContractError, PromptContract, extract_sql
from sense.question import Question, load_questions
from sense.reading import read_predictions
from sense.release import check_output, check_push, push_folder, work_folder, write_dataset
from sense.splits import held_out_databases
from sense.weak import Answer, Ask, group_predictions, judged_samples


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    if arguments.push:
        check_push(arguments.push)
    build(arguments)


def build(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    questions, ask, source = read_samples(arguments) if arguments.samples else open_model(arguments)
    settings = run_settings(arguments, questions)
    with Journal(work_folder(arguments.out) / "journal.jsonl", settings) as journal:
        samples = list(
            judged_samples(questions, ask, arguments.round, journal, arguments.num_workers)
        )
    examples = {question.example.id: question.example for question in questions}
    held_out = held_out_databases(
        {example.db_id for example in examples.values()}, arguments.test_share, arguments.seed
    )
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    for sample in samples:
        parts["test" if sample.db_id in held_out else "train"].append(sample)
    pairing = Pairing(
        policy=arguments.policy,
        gold=arguments.gold_as_chosen,
        limit=arguments.max_pairs,
        seed=arguments.seed,
        contract=CONTRACTS[arguments.contract],
    )
    pairs = {split: list(build_pairs(part, examples, pairing)) for split, part in parts.items()}
    facts = collect_facts(
        "builders/weak.py",
        seed=arguments.seed,
        settings=settings,
        inputs=[source],
        funnels=funnels(samples, pairs),
        counts={
            "verdicts": Counter(sample.verdict for sample in samples),
            "reasons": Counter(sample.reason for sample in samples),
            "error_kinds": Counter(sample.error_kind for sample in samples if sample.error_kind),
            "gold_statuses": Counter(sample.gold_status for sample in samples),
        },
        results={"systems": right_by_system(samples)},
        seconds=time.monotonic() - started,
    )
    facts = write_dataset(
        arguments.out,
        {
            "default": {split: map(to_row, rows) for split, rows in pairs.items()},
            "unpaired": {
                split: unpaired_rows(part, examples, contract=pairing.contract)
                for split, part in parts.items()
            },
            "samples": {split: map(sample_row, part) for split, part in parts.items()},
        },
        {
            "default": pair_features(),
            "unpaired": unpaired_features(),
            "samples": sample_features(),
        },
        facts,
        dataset_text(arguments, questions),
    )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)
    print(f"right answers by system, strict verdict: {right_by_system(samples)}")


def read_samples(arguments: argparse.Namespace) -> tuple[list[Question], Ask, Input]:
    """The questions of a file of predictions, and the answers that it holds."""
    path = Path(arguments.samples)
    asked = group_predictions(
        read_predictions(path),
        database_paths(arguments.databases),
        CONTRACTS[arguments.contract],
        arguments.license,
    )
    answers = {question.example.id: given for question, given in asked}
    source = Input(path.name, kind="file", sha256=file_sha256(path), license=arguments.license)
    return (
        [question for question, _ in asked],
        lambda number, batch: [answers[question.example.id] for question in batch],
        source,
    )


def open_model(arguments: argparse.Namespace) -> tuple[list[Question], Ask, Input]:
    """A seeded choice of questions, and a model or server that answers each several times."""
    writer = open_writer(arguments.model, arguments.base_url)
    questions = load_questions(
        arguments.data,
        arguments.split,
        arguments.databases,
        arguments.num_questions,
        arguments.seed,
    )
    check_prompts(questions, writer.contract, arguments.data)

    seed = arguments.seed * 1_000_003  # far apart, so that no two runs share a batch's seed

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        sampled = writer.sample(
            [question.example.prompt for question in batch],
            arguments.num_samples,
            arguments.temperature,
            seed + number,
        )
        return [
            [
                Answer(
                    sql=extract_sql(completion.text),
                    completion=completion.text,
                    model=writer.name,
                    revision=writer.revision,
                    temperature=arguments.temperature,
                    logprob=completion.logprob,
                )
                for completion in completions
            ]
            for completions in sampled
        ]

    return questions, ask, Input(writer.name, kind="model", revision=writer.revision)


def check_prompts(questions: Sequence[Question], contract: PromptContract, data: str) -> None:
    """Refuses questions whose prompts follow another contract than the model's."""
    hashes = {question.example.prompt_hash for question in questions}
    if hashes != {contract.hash}:
        raise ContractError(
            f"the prompts of {data} follow contract {', '.join(sorted(hashes))}, the model's is "
            f"{contract.hash}; build the data with the model's contract (--contract)"
        )


def run_settings(arguments: argparse.Namespace, questions: Sequence[Question]) -> dict[str, Any]:
    """The arguments that decide the rows, and a digest of the questions."""
    left_out = ("out", "push", "num_workers", "databases", "model", "data", "samples")
    settings = {name: value for name, value in vars(arguments).items() if name not in left_out}
    ids = content_id(*(question.example.id for question in questions))
    return {**settings, "num_questions": len(questions), "questions_sha256": ids}


def funnels(samples: Sequence[Sample], pairs: Mapping[str, Sequence[Pair]]) -> list[Funnel]:
    """Answers by verdict, and questions by what kept them from giving a pair."""
    judged, paired = Funnel("answers", unit="samples"), Funnel("pairs", unit="questions")
    sides: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        sides[sample.example_id].add(sample.verdict)
        if sample.verdict == "unknown":
            judged.drop(f"unknown_{sample.reason}")
        else:
            judged.keep()
    with_pair = {pair.example_id for part in pairs.values() for pair in part}
    for example_id, verdicts in sides.items():
        if example_id in with_pair:
            paired.keep()
        elif verdicts == {"unknown"}:
            paired.drop("all_unknown")
        elif "correct" not in verdicts:
            paired.drop("no_right_answer")
        elif "incorrect" not in verdicts:
            paired.drop("no_wrong_answer")
        else:
            paired.drop("same_sql")
    return [judged, paired]


def right_by_system(samples: Sequence[Sample]) -> dict[str, str]:
    """Right answers among those with a verdict, as text, by the model that gave them."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        verdicts[sample.weak_model][sample.verdict] += 1
    return {
        name: f"{counts['correct']:,} of {counts['correct'] + counts['incorrect']:,}"
        for name, counts in sorted(verdicts.items())
    }


def dataset_text(arguments: argparse.Namespace, questions: Sequence[Question]) -> DatasetText:
    licenses = {question.example.license for question in questions}
    return DatasetText(
        pretty_name="SENSE weak data",
        summary=(
            "Preference pairs for DPO on text-to-SQL: a model's own right and wrong answers to "
            "questions whose gold SQL is known. Every answer was executed, and every pair shows "
            "where the two results differ."
        ),
        license=licenses.pop() if len(licenses) == 1 else "other",
        steps=(
            f"Questions: {len(questions):,} with gold SQL and a database.",
            f"Answers: {answer_step(arguments)}.",
            "Verdicts: each distinct query was executed read-only within limits and its result "
            "compared with gold's as bags of rows; golds that cannot judge were set aside.",
            f"Pairs: policy `{arguments.policy}`, at most {arguments.max_pairs} per question, gold "
            f"as chosen: {arguments.gold_as_chosen.replace('_', ' ')}.",
        ),
        faults=(
            "Verdicts rest on one database per question: a wrong query may return the right rows.",
        ),
        repo_id=arguments.push or "",
        split_by="db_id" if arguments.test_share else "",
    )


def answer_step(arguments: argparse.Namespace) -> str:
    if arguments.samples:
        return f"given, in {Path(arguments.samples).name}"
    return f"{arguments.num_samples} per question at temperature {arguments.temperature}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--samples", metavar="FILE", help="JSON lines: db_id, question, gold, pred")
    source.add_argument(
        "--model", help="folder or Hub id; with --base-url the server's name for it"
    )
    add = parser.add_argument
    add("--base-url", metavar="URL", default="", help="an OpenAI-compatible server")
    add("--data", metavar="SOURCE", help="folder or Hub id of the examples that a model answers")
    add("--split", default="train", help="split of --data (default train)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--num-questions", type=int, metavar="N", help="a seeded choice of N (default: all)")
    add("--num-samples", type=int, default=8, help="answers per question (default 8)")
    add("--temperature", type=float, default=1.0)
    add("--round", type=int, default=1, help="number of the sampling round (default 1)")
    add("--policy", choices=sorted(POLICIES), default="any", help="how pairs are chosen")
    add("--max-pairs", type=int, default=1, help="pairs per question (default 1, the paper's)")
    add("--gold-as-chosen", choices=get_args(GoldUse), default="never")
    add("--test-share", type=float, default=0.1, help="share of databases for the test split")
    add("--contract", choices=sorted(CONTRACTS), default="default", help="prompts of --samples")
    add("--license", default="unknown", help="licence of --samples, as the Hub spells it")
    add("--seed", type=int, default=0)
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    arguments = parser.parse_args()
    if arguments.samples and not arguments.databases:
        parser.error("--samples needs --databases DIR, the SQLite files of their db_ids")
    if arguments.model and not arguments.data:
        parser.error("--model needs --data, the questions to answer")
    return arguments


if __name__ == "__main__":
    run_script(main)
