# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Build the weak set: a model's right and wrong answers, judged by execution, as preference pairs.

Hub id:    sense/weak, with the configs `default` (pairs), `unpaired` (for KTO) and `samples`
Sources:   a file of any system's predictions (`--samples`), over its own questions or those of a
           strong set (`--data`); or samples of a model or server over a strong set (`--model`).
           Rows keep their database's licence.

    python builders/weak.py --samples FILE.jsonl --databases DIR --out DIR
    python builders/weak.py --model PATH_OR_HUB_ID --data sense/strong --num-samples 8 --out DIR
"""

import argparse
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, get_args

from sense.answers import GivenDatabases, answers_over_databases, answers_to_questions
from sense.ask import open_writer
from sense.card import DatasetText
from sense.command import run_script
from sense.database import database_paths, unknown_database
from sense.engine import Engine
from sense.example import (
    Example,
    Pair,
    pair_features,
    sample_features,
    to_row,
    unpaired_features,
)
from sense.facts import Facts, Input, collect_facts, file_sha256, print_outcome, versions
from sense.journal import Journal
from sense.license import check_license
from sense.preference import (
    POLICIES,
    GoldUse,
    Pairing,
    Sample,
    pairs_of,
    sample_row,
    unpaired_of,
    with_database,
)
from sense.prompt import CONTRACTS, PromptContract, contract_of
from sense.question import (
    IndexedQuestions,
    Outline,
    Question,
    index_questions,
    open_questions,
)
from sense.reading import read_predictions
from sense.release import (
    Tables,
    check_output,
    check_push,
    push_folder,
    work_folder,
    write_dataset,
)
from sense.scoring import OFFICIAL_SCORES
from sense.source import dataset_source, model_source
from sense.splits import SPLITS, held_out_databases
from sense.spool import Spool
from sense.suite import Suite, read_suite
from sense.tally import Tally, systems_table
from sense.weak import (
    Ask,
    Judging,
    Sampling,
    answer_temperatures,
    ask_model,
    judged_questions,
)

PLACES = (
    *("out", "push", "num_workers", "databases", "model", "base_url", "data", "samples"),
    *("contract", "engine", "suite"),
)
"""Not settings; the contract stands among them as `prompt_hash`."""
FEATURES = {"default": pair_features, "unpaired": unpaired_features, "samples": sample_features}
LEAST = {"num_questions": 1, "num_samples": 0, "max_pairs": 0, "num_workers": 0}
"""The least value of each numeric argument."""
MAX_SHOWN = 5
"""Databases whose faults are printed."""
VERSIONS = ("sense-kit", "sqlite", "sqlglot")
"""Verdicts of other versions of these are not continued."""


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


def main() -> None:
    arguments = parse_arguments()
    out = check_output(arguments.out)
    check_license(arguments.license)
    if arguments.push:
        check_push(arguments.push)
    started = time.monotonic()
    with ExitStack() as spools:

        def spool() -> Spool:
            return spools.enter_context(Spool(out.parent))

        asked = (
            read_samples(arguments, spool) if arguments.samples else open_model(arguments, spool)
        )
        facts = build(arguments, asked, spool, started)
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)


def build(
    arguments: argparse.Namespace, asked: Asked, spool: Callable[[], Spool], started: float
) -> Facts:
    """Judges the answers, pairs them and writes the folder; the facts as written."""
    judging = Judging(
        arguments.round, arguments.rule, arguments.num_workers, arguments.engine, asked.suite
    )
    used = {name: versions()[name] for name in VERSIONS}
    settings = judging_settings(arguments, asked) | {"versions": used}
    with Journal(work_folder(arguments.out) / "journal.jsonl", settings) as journal:
        judged = judged_questions(asked.questions, asked.ask, judging, journal)
        tables = make_tables(arguments, judged, asked, spool)
    tally = asked.tally
    print(f"\n{systems_table(tally.systems(), arguments.rule)}\n")
    if asked.suite:
        flips = tally.flip_rate()
        print(
            f"{flips.num_flipped:,} of {flips.num:,} answers that are right on their own database "
            "are wrong on its test suite.\n"
        )
    if "default" not in tables:
        print(
            "No pair: no question has both a right and a wrong answer, see below. Give several "
            "answers per question, or use --gold-as-chosen when_none_correct.\n"
        )
    facts = collect_facts(
        "builders/weak.py",
        seed=arguments.seed,
        settings=run_settings(arguments, asked),
        inputs=asked.inputs,
        funnels=[tally.answers, tally.questions],
        counts=tally.counts,
        results={
            "rule": arguments.rule,
            "systems": {name: system._asdict() for name, system in tally.systems().items()},
            **({"flip_rate": tally.flip_rate()._asdict()} if asked.suite else {}),
        },
        seconds=time.monotonic() - started,
    )
    features = {config: columns() for config, columns in FEATURES.items()}
    return write_dataset(arguments.out, tables, features, facts, dataset_text(arguments, asked))


def make_tables(
    arguments: argparse.Namespace,
    judged: Iterable[tuple[Question, list[Sample]]],
    asked: Asked,
    spool: Callable[[], Spool],
) -> Tables:
    """The rows of each config and split; only `samples` has some in any case."""
    pairing = Pairing(
        policy=arguments.policy,
        gold=arguments.gold_as_chosen,
        limit=arguments.max_pairs,
        seed=arguments.seed,
        suite_hash=asked.suite.hash if asked.suite else "",
        contract=asked.contract,
    )
    held_out = held_out_databases(asked.outline.db_ids, arguments.test_share, arguments.seed)
    pairs, unpaired, kept = ({str(split): spool() for split in SPLITS} for _ in FEATURES)
    for (example, db_path), samples in judged:
        split = "test" if example.db_id in held_out else "train"
        found = pairs_of(example, samples, pairing)
        if arguments.witness == "database":
            found = [
                with_database(
                    pair, example.sql, blamed_database(asked.suite, pair, example, db_path)
                )
                for pair in found
            ]
        for pair in found:
            pairs[split].add(example.id, to_row(pair))
        for row in unpaired_of(example, samples, asked.contract):
            unpaired[split].add(example.id, row)
        for sample in samples:
            kept[split].add(example.id, sample_row(sample))
        asked.tally.add(samples, len(found))
    tables: dict[str, dict[str, Iterable[dict[str, Any]]]] = {}
    for config, spools in (("default", pairs), ("unpaired", unpaired)):
        if any(map(len, spools.values())):
            tables[config] = {split: rows.by_key() for split, rows in spools.items()}
    return {**tables, "samples": kept}


def blamed_database(suite: Suite | None, pair: Pair, example: Example, db_path: str) -> str:
    """The database on which the rejected answer was found to be wrong."""
    if suite is None:
        return db_path
    return str(suite.blamed(example.db_id, example.sql, pair.witness))


def read_samples(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Asked:
    """The answers of a file, and their questions: those of --data, or as the file has them."""
    path = Path(arguments.samples)
    predictions, tally = read_predictions(path), Tally()
    source = Input(path.name, kind="file", sha256=file_sha256(path), license=arguments.license)
    if arguments.data:
        data = open_data(arguments, spool, tally)
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
            print(f"left out: {error}")
        name = Path(arguments.databases).resolve().name
        origin = Input(name, kind="databases", sha256=given.outline.sha256)
    if given.num_repeated:
        tally.counts["answers"] = Counter(repeated=given.num_repeated)
    suite = open_suite(arguments, given.outline)
    inputs = (source, origin, *suite_inputs(suite))
    return Asked(given.questions, given.outline, given.ask, inputs, contract, tally, suite)


def open_model(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Asked:
    """A seeded choice of questions, and a model or server that answers each several times."""
    tally = Tally()
    data = open_data(arguments, spool, tally)
    cache = work_folder(arguments.out) / "replies.jsonl" if arguments.base_url else None
    writer = open_writer(arguments.model, arguments.base_url, cache)
    contract = contract_of(data.outline.prompt_hashes, arguments.data, writer.contract)
    source = model_source(arguments.model, writer.revision)
    temperatures = answer_temperatures(arguments.temperatures, arguments.num_samples)
    sampling = Sampling(temperatures, arguments.seed, arguments.round)
    ask = ask_model(writer, source.name, contract, sampling)
    suite = open_suite(arguments, data.outline)
    inputs = (source, dataset_source(arguments.data), *suite_inputs(suite))
    return Asked(data.distinct, data.outline, ask, inputs, contract, tally, suite)


def open_suite(arguments: argparse.Namespace, outline: Outline) -> Suite | None:
    """The test suite of --suite, which must hold every database that is asked."""
    if not arguments.suite:
        return None
    suite = read_suite(arguments.suite)
    for db_id in sorted(set(outline.db_ids)):
        if db_id not in suite.databases:
            raise unknown_database(db_id, suite.folder, suite.databases)
    return suite


def suite_inputs(suite: Suite | None) -> list[Input]:
    if suite is None:
        return []
    return [Input(suite.folder.resolve().name, kind="databases", sha256=suite.hash)]


def open_data(
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


def run_settings(arguments: argparse.Namespace, asked: Asked) -> dict[str, Any]:
    """The arguments that decide the rows, and what they were applied to."""
    settings = {name: value for name, value in vars(arguments).items() if name not in PLACES}
    judged = judging_settings(arguments, asked)
    counted = {"num_questions": len(asked.questions), "prompt_hash": asked.contract.hash}
    return settings | judged | counted


def dataset_text(arguments: argparse.Namespace, asked: Asked) -> DatasetText:
    licenses = asked.outline.licenses
    return DatasetText(
        pretty_name="SENSE weak data",
        summary=(
            "Preference pairs for DPO on text-to-SQL: a model's own right and wrong answers to "
            "questions whose gold SQL is known. Every answer was executed, and every pair shows "
            "where the two results differ."
        ),
        license=next(iter(licenses)) if len(licenses) == 1 else "other",
        steps=(
            f"Questions: {len(asked.questions):,} with gold SQL and a database.",
            f"Answers: {answer_step(arguments)}.",
            "Verdicts: each distinct query was executed read-only within limits and its result "
            "compared with gold's as bags of rows; golds that cannot judge were set aside.",
            f"Pairs: policy `{arguments.policy}`, at most {arguments.max_pairs} per question, gold "
            f"as chosen: {arguments.gold_as_chosen.replace('_', ' ')}.",
        ),
        faults=(
            "Verdicts rest on a test suite per database: a wrong query that returns the right rows "
            "on all its variants is taken for right."
            if asked.suite
            else "Verdicts rest on one database per question: a wrong query may return the right "
            "rows.",
        ),
        repo_id=arguments.push or "",
        split_by="db_id" if arguments.test_share else "",
    )


def answer_step(arguments: argparse.Namespace) -> str:
    if arguments.samples:
        return f"given, in {Path(arguments.samples).name}"
    shown = " and ".join(f"{temperature:g}" for temperature in arguments.temperatures)
    return (
        f"to each question the greedy one, and {arguments.num_samples} samples at temperature "
        f"{shown} each"
    )


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
    if arguments.samples and not (arguments.databases or arguments.data):
        parser.error("--samples needs --databases DIR, the SQLite files of their db_ids, or --data")
    if arguments.contract and arguments.data:
        parser.error("--contract goes with --samples alone: --data comes with its prompts")
    if arguments.model and not arguments.data:
        parser.error("--model needs --data, the questions to answer")
    if not 0 <= arguments.test_share < 1:
        parser.error(f"--test-share is {arguments.test_share}; expected a share from 0 to below 1")
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    return arguments


def temperature_list(text: str) -> tuple[float, ...]:
    """The numbers of a list such as `0.7,1.0`."""
    found = tuple(map(float, text.split(",")))
    if not all(0 < temperature < math.inf for temperature in found):
        raise argparse.ArgumentTypeError(
            f"'{text}' holds a temperature that samples nothing; expected numbers above 0, such as "
            "0.7,1.0: the greedy answer comes by itself"
        )
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base-url", metavar="URL", default="", help="an OpenAI-compatible server")
    add("--data", metavar="SOURCE", help="folder or Hub id of the examples that are answered")
    add("--split", default="train", help="split of --data (default train)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--suite", metavar="DIR", help="a test suite: judge on the variants of each database too")
    add("--num-questions", type=int, metavar="N", help="a seeded choice of N (default: all)")
    add(
        "--num-samples",
        type=int,
        default=8,
        help="answers per question and temperature, beside the greedy one (default 8)",
    )
    add(
        "--temperatures",
        type=temperature_list,
        default=(1.0,),
        metavar="T,...",
        help="of sampling, each above 0 (default 1.0)",
    )
    add("--round", type=int, default=1, help="number of the sampling round (default 1)")
    add(
        "--policy",
        choices=sorted(POLICIES),
        default="any",
        help="which right answer meets which wrong one: any; nearest, two texts that differ least; "
        "likeliest, the surest mistake; kinds, one of each kind of error (default any)",
    )
    add("--max-pairs", type=int, default=1, help="most per question (default 1; 0 = all)")
    add(
        "--gold-as-chosen",
        choices=get_args(GoldUse),
        default="never",
        help="pair gold, instead of a right answer, with wrong ones (default never)",
    )
    add("--test-share", type=float, default=0.1, help="share of databases for the test split")
    add(
        "--contract",
        choices=sorted(CONTRACTS),
        help="prompts of --samples without --data (default: default)",
    )
    add("--rule", choices=tuple(OFFICIAL_SCORES), default="spider", help="beside the verdicts")
    add(
        "--witness",
        choices=("difference", "database"),
        default="difference",
        help="of a pair: the first row that differs, or a smallest database, about 0.05 s each",
    )
    add("--license", default="unknown", help="licence of --samples, as the Hub spells it")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add(
        "--num-workers",
        type=int,
        default=os.cpu_count() or 1,
        help="0 = this process (default: cores)",
    )
    add("--engine", choices=get_args(Engine), default="local", help="ray: judge on a Ray cluster")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")


if __name__ == "__main__":
    run_script(main)
