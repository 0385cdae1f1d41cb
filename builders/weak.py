# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Build the weak set: a model's right and wrong answers, judged by execution, as preference pairs.

Hub id:    sense/weak, with the configs `default` (pairs), `unpaired` (for KTO) and `samples`
Sources:   a file of any system's predictions (`--samples`), or samples of a model or server over
           the questions of a strong set (`--model`, `--data`). Rows keep their database's licence.

    python builders/weak.py --samples FILE.jsonl --databases DIR --out DIR
    python builders/weak.py --model PATH_OR_HUB_ID --data sense/strong --num-samples 8 --out DIR
"""

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

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
from sense.facts import Facts, Funnel, Input, collect_facts, file_sha256, print_outcome, versions
from sense.journal import Journal
from sense.license import check_license
from sense.preference import (
    POLICIES,
    GoldUse,
    Pairing,
    Sample,
    build_pairs,
    sample_row,
    unpaired_rows,
)
from sense.prompt import CONTRACTS, ContractError, PromptContract, completion_sql
from sense.question import Question, load_questions
from sense.reading import read_predictions
from sense.release import (
    Tables,
    check_output,
    check_push,
    push_folder,
    work_folder,
    write_dataset,
)
from sense.source import model_source
from sense.splits import held_out_databases
from sense.weak import (
    Answer,
    Ask,
    Judging,
    group_predictions,
    judged_samples,
    score_systems,
    systems_table,
)

PLACES = ("out", "push", "num_workers", "databases", "model", "base_url", "data", "samples")
FEATURES = {"default": pair_features, "unpaired": unpaired_features, "samples": sample_features}
LEAST = {"num_questions": 1, "num_samples": 1, "temperature": 0, "max_pairs": 0, "num_workers": 0}
"""The least value of each numeric argument."""
VERSIONS = ("sense-kit", "sqlite", "sqlglot")
"""Verdicts of other versions of these are not continued."""


class Asked(NamedTuple):
    """What is judged."""

    questions: list[Question]
    ask: Ask
    source: Input
    """Where the answers come from."""
    contract: PromptContract
    """Writes the message of an answer of which only SQL is known."""


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    check_license(arguments.license)
    if arguments.push:
        check_push(arguments.push)
    started = time.monotonic()
    asked = read_samples(arguments) if arguments.samples else open_model(arguments)
    facts = build(arguments, asked, started)
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)


def build(arguments: argparse.Namespace, asked: Asked, started: float) -> Facts:
    """Judges the answers, pairs them and writes the folder; the facts as written."""
    judging = Judging(arguments.round, arguments.rule, arguments.num_workers)
    work = work_folder(arguments.out)
    used = {name: versions()[name] for name in VERSIONS}
    settings = judging_settings(arguments, asked) | {"versions": used}
    with Journal(work / "journal.jsonl", settings) as journal:
        samples = list(judged_samples(asked.questions, asked.ask, judging, journal))
    pairing = Pairing(
        policy=arguments.policy,
        gold=arguments.gold_as_chosen,
        limit=arguments.max_pairs,
        seed=arguments.seed,
        contract=asked.contract,
    )
    pairs, tables = make_tables(arguments, asked.questions, samples, pairing)
    systems = score_systems(samples)
    print(f"\n{systems_table(systems, arguments.rule)}\n")
    if "default" not in tables:
        print(
            "No pair: no question has both a right and a wrong answer, see below. Give several "
            "answers per question, or use --gold-as-chosen when_none_correct.\n"
        )
    facts = collect_facts(
        "builders/weak.py",
        seed=arguments.seed,
        settings=run_settings(arguments, asked),
        inputs=[asked.source],
        funnels=funnels(samples, pairs),
        counts={
            "verdicts": Counter(sample.verdict for sample in samples),
            "reasons": Counter(sample.reason for sample in samples),
            "error_kinds": Counter(sample.error_kind for sample in samples if sample.error_kind),
            "gold_statuses": Counter(sample.gold_status for sample in samples),
        },
        results={
            "rule": arguments.rule,
            "systems": {name: system._asdict() for name, system in systems.items()},
        },
        seconds=time.monotonic() - started,
    )
    features = {config: columns() for config, columns in FEATURES.items()}
    return write_dataset(arguments.out, tables, features, facts, dataset_text(arguments, asked))


def make_tables(
    arguments: argparse.Namespace,
    questions: Sequence[Question],
    samples: Sequence[Sample],
    pairing: Pairing,
) -> tuple[list[Pair], Tables]:
    """All pairs, and the rows of each config and split; `samples` has some whatever is left out."""
    examples = {question.example.id: question.example for question in questions}
    held_out = held_out_databases(
        {example.db_id for example in examples.values()}, arguments.test_share, arguments.seed
    )
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    for sample in samples:
        parts["test" if sample.db_id in held_out else "train"].append(sample)
    pairs = {split: list(build_pairs(part, examples, pairing)) for split, part in parts.items()}
    unpaired = {
        split: list(unpaired_rows(part, examples, contract=pairing.contract))
        for split, part in parts.items()
    }
    tables: dict[str, dict[str, Iterable[dict[str, Any]]]] = {}
    if any(pairs.values()):
        tables["default"] = {split: map(to_row, rows) for split, rows in pairs.items()}
    if any(unpaired.values()):
        tables["unpaired"] = {**unpaired}
    tables["samples"] = {split: map(sample_row, part) for split, part in parts.items()}
    return [pair for part in pairs.values() for pair in part], tables


def read_samples(arguments: argparse.Namespace) -> Asked:
    """The questions of a file of predictions, and the answers that it holds."""
    path = Path(arguments.samples)
    jobs = group_predictions(
        read_predictions(path),
        database_paths(arguments.databases),
        CONTRACTS[arguments.contract],
        arguments.license,
    )
    answers = {job.question.example.id: job.answers for job in jobs}
    return Asked(
        [job.question for job in jobs],
        lambda number, batch: [answers[question.example.id] for question in batch],
        Input(path.name, kind="file", sha256=file_sha256(path), license=arguments.license),
        CONTRACTS[arguments.contract],
    )


def open_model(arguments: argparse.Namespace) -> Asked:
    """A seeded choice of questions, and a model or server that answers each several times."""
    questions = load_questions(
        arguments.data,
        arguments.split,
        arguments.databases,
        arguments.num_questions,
        arguments.seed,
    )
    cache = work_folder(arguments.out) / "replies.jsonl" if arguments.base_url else None
    writer = open_writer(arguments.model, arguments.base_url, cache)
    check_prompts(questions, writer.contract, arguments)
    source = model_source(arguments.model, writer.revision)

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        sampled = writer.sample(
            [question.example.prompt for question in batch],
            arguments.num_samples,
            arguments.temperature,
            batch_seed(arguments.seed, arguments.round, number),
        )
        return [
            [
                Answer(
                    sql=completion_sql(writer.contract, question.example.prompt, completion.text),
                    completion=completion.text,
                    model=source.name,
                    revision=writer.revision,
                    temperature=arguments.temperature,
                    logprob=completion.logprob,
                )
                for completion in completions
            ]
            for question, completions in zip(batch, sampled, strict=True)
        ]

    return Asked(questions, ask, source, writer.contract)


def batch_seed(seed: int, round: int, number: int) -> int:
    """The seed of a batch of questions, which no other run, round or batch shares.

    Below 2**28, so that any server takes it.
    """
    return int(content_id(str(seed), str(round), str(number))[:7], 16)


def check_prompts(
    questions: Sequence[Question], contract: PromptContract, arguments: argparse.Namespace
) -> None:
    """Refuses questions whose prompts follow another contract than the model's."""
    others = {question.example.prompt_hash for question in questions} - {contract.hash}
    if others:
        names = {known.hash: f"'{name}'" for name, known in CONTRACTS.items()}
        found = ", ".join(sorted(names.get(hash, hash or "none") for hash in others))
        raise ContractError(
            f"the prompts of {arguments.data} follow contract {found}, but {arguments.model} was "
            f"trained on {names.get(contract.hash, contract.hash)}; build the data again with the "
            "model's (--contract), or take a model that was trained on this data"
        )


def judging_settings(arguments: argparse.Namespace, asked: Asked) -> dict[str, Any]:
    """All that decides answers and verdicts: pairs may be made again from them in another way."""
    questions = [(q.example.id, q.example.db_sha256) for q in asked.questions]
    settings: dict[str, Any] = {
        "answers": asked.source.sha256 or f"{asked.source.name} {asked.source.revision}",
        "questions_sha256": content_id(*(text for pair in questions for text in pair)),
    }
    names = ["rule", "round"]
    if arguments.model:
        names += ["num_samples", "temperature", "seed"]
    return settings | {name: getattr(arguments, name) for name in names}


def run_settings(arguments: argparse.Namespace, asked: Asked) -> dict[str, Any]:
    """The arguments that decide the rows, and what they were applied to."""
    settings = {name: value for name, value in vars(arguments).items() if name not in PLACES}
    judged = judging_settings(arguments, asked)
    return settings | judged | {"num_questions": len(asked.questions)}


def funnels(samples: Sequence[Sample], pairs: Sequence[Pair]) -> list[Funnel]:
    """Answers by verdict, and questions by what kept them from giving a pair."""
    judged, paired = Funnel("answers", unit="samples"), Funnel("pairs", unit="questions")
    sides: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        sides[sample.example_id].add(sample.verdict)
        if sample.verdict == "unknown":
            judged.drop(f"unknown_{sample.reason}")
        else:
            judged.keep()
    with_pair = {pair.example_id for pair in pairs}
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


def dataset_text(arguments: argparse.Namespace, asked: Asked) -> DatasetText:
    licenses = {question.example.license for question in asked.questions}
    return DatasetText(
        pretty_name="SENSE weak data",
        summary=(
            "Preference pairs for DPO on text-to-SQL: a model's own right and wrong answers to "
            "questions whose gold SQL is known. Every answer was executed, and every pair shows "
            "where the two results differ."
        ),
        license=licenses.pop() if len(licenses) == 1 else "other",
        steps=(
            f"Questions: {len(asked.questions):,} with gold SQL and a database.",
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
    add_options(parser)
    arguments = parser.parse_args()
    if arguments.samples and not arguments.databases:
        parser.error("--samples needs --databases DIR, the SQLite files of their db_ids")
    if arguments.model and not arguments.data:
        parser.error("--model needs --data, the questions to answer")
    if not 0 <= arguments.test_share < 1:
        parser.error(f"--test-share is {arguments.test_share}; expected a share from 0 to below 1")
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    if arguments.model and not arguments.temperature and arguments.num_samples > 1:
        parser.error(
            f"--temperature 0 gives the same answer {arguments.num_samples} times; use "
            "--num-samples 1 or a temperature above 0"
        )
    return arguments


def add_options(parser: argparse.ArgumentParser) -> None:
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
    add("--max-pairs", type=int, default=1, help="most per question (default 1; 0 = all)")
    add("--gold-as-chosen", choices=get_args(GoldUse), default="never")
    add("--test-share", type=float, default=0.1, help="share of databases for the test split")
    add("--contract", choices=sorted(CONTRACTS), default="default", help="prompts of --samples")
    add(
        "--rule", choices=("spider", "bird"), default="spider", help="official rule beside verdicts"
    )
    add("--license", default="unknown", help="licence of --samples, as the Hub spells it")
    add("--seed", type=int, default=0)
    add(
        "--num-workers",
        type=int,
        default=os.cpu_count() or 1,
        help="0 = this process (default: cores)",
    )
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")


if __name__ == "__main__":
    run_script(main)
