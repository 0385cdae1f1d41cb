# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Build the weak set: a model's right and wrong answers, judged by execution, as preference pairs.

Hub id:    sense/weak, with the configs `default` (pairs), `unpaired` (for KTO), `samples` and
           `questions`
Sources:   a file of any system's predictions (`--samples`), over its own questions or those of a
           strong set (`--data`); samples of a model or server over a strong set (`--model`); or
           the samples of a weak set, paired anew (`--from-samples`).
           Rows keep their database's licence.

    python builders/weak.py --samples FILE.jsonl --databases DIR --out DIR
    python builders/weak.py --model PATH_OR_HUB_ID --data sense/strong --num-samples 8 --out DIR
    python builders/weak.py --from-samples sense/weak --policy nearest --out DIR
"""

import argparse
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    question_features,
    sample_features,
    to_row,
    unpaired_features,
)
from sense.facts import Facts, Input, collect_facts, file_sha256, print_outcome, versions
from sense.journal import Journal
from sense.license import check_license
from sense.pairing import Answered, GoldUse, Pairing, answered_from, pair_all
from sense.policies import POLICIES
from sense.preference import unpaired_of, with_database
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
from sense.weak_rows import question_row, read_answered, sample_rows

PLACES = (
    *("out", "push", "num_workers", "databases", "model", "base_url", "data", "samples"),
    *("contract", "engine", "suite", "from_samples"),
)
"""Not settings; the contract stands among them as `prompt_hash`."""
FEATURES = {
    "default": pair_features,
    "unpaired": unpaired_features,
    "questions": question_features,
    "samples": sample_features,
}
LEAST = {"num_questions": 1, "num_samples": 0, "max_pairs": 0, "num_workers": 0}
LEAST |= {"max_pairs_per_database": 0, "max_pairs_per_kind": 0, "max_length_gap": 0}
"""The least value of each numeric argument."""
MADE = ("default", "unpaired", "questions")
"""The configs that are made while pairing."""
JUDGED = (
    "answers",
    "questions_sha256",
    "suite_hash",
    "rule",
    "round",
    "num_samples",
    "temperatures",
)
"""Settings of the run that judged, which a set that is paired anew takes over."""
NOT_WITH_FROM_SAMPLES = (
    *("data", "split", "num_questions", "num_samples", "temperatures", "round", "test_share"),
    *("contract", "rule", "license", "engine", "base_url"),
)
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


class Judged(NamedTuple):
    """What is paired."""

    answered: Mapping[str, Spool]
    """By split, values of `Answered.as_json` under the ids of the examples."""
    outline: Outline
    inputs: tuple[Input, ...]
    contract: PromptContract
    tally: Tally
    suite: Suite | None
    settings: dict[str, Any]
    """All that decided answers and verdicts."""

    @property
    def num_questions(self) -> int:
        return sum(map(len, self.answered.values()))


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

        if arguments.from_samples:
            judged = read_judged(arguments, spool)
        elif arguments.samples:
            judged = judge(arguments, read_samples(arguments, spool), spool)
        else:
            judged = judge(arguments, open_model(arguments, spool), spool)
        facts = write(arguments, judged, spool, started)
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)


def judge(arguments: argparse.Namespace, asked: Asked, spool: Callable[[], Spool]) -> Judged:
    """Judges the answers; each question goes to its split."""
    judging = Judging(
        arguments.round, arguments.rule, arguments.num_workers, arguments.engine, asked.suite
    )
    used = {name: versions()[name] for name in VERSIONS}
    settings = judging_settings(arguments, asked)
    held_out = held_out_databases(asked.outline.db_ids, arguments.test_share, arguments.seed)
    answered = {str(split): spool() for split in SPLITS}
    path = work_folder(arguments.out) / "journal.jsonl"
    with Journal(path, settings | {"versions": used}) as journal:
        for question, samples in judged_questions(asked.questions, asked.ask, judging, journal):
            example = question.example
            split = "test" if example.db_id in held_out else "train"
            found = Answered(example, question.db_path, samples)
            answered[split].add(example.id, found.as_json())
    return Judged(
        answered,
        asked.outline,
        asked.inputs,
        asked.contract,
        asked.tally,
        asked.suite,
        settings,
    )


def read_judged(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Judged:
    """The answers that a weak set published, with the verdicts that they have there."""
    source = arguments.from_samples
    published = read_answered(source, arguments.databases, spool)
    settings = {
        name: published.facts.settings[name] for name in JUDGED if name in published.facts.settings
    }
    suite = read_suite(arguments.suite) if arguments.suite else None
    return Judged(
        published.answered,
        published.outline,
        (dataset_source(source), *published.facts.inputs),
        contract_of(published.outline.prompt_hashes, source),
        Tally(),
        suite,
        settings,
    )


def write(
    arguments: argparse.Namespace, judged: Judged, spool: Callable[[], Spool], started: float
) -> Facts:
    """Pairs the answers and writes the folder; the facts as written."""
    tables, tally = make_tables(arguments, judged, spool), judged.tally
    rule = judged.settings["rule"]
    print(f"\n{systems_table(tally.systems(), rule)}\n")
    flips = tally.flip_rate() if judged.settings["suite_hash"] else None
    if flips:
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
        settings=run_settings(arguments, judged),
        inputs=judged.inputs,
        funnels=[tally.answers, tally.questions],
        counts=tally.counts,
        results={
            "rule": rule,
            "systems": {name: system._asdict() for name, system in tally.systems().items()},
            **({"flip_rate": flips._asdict()} if flips else {}),
        },
        seconds=time.monotonic() - started,
    )
    features = {config: columns() for config, columns in FEATURES.items()}
    return write_dataset(arguments.out, tables, features, facts, dataset_text(arguments, judged))


def make_tables(
    arguments: argparse.Namespace, judged: Judged, spool: Callable[[], Spool]
) -> Tables:
    """The rows of each config and split; `questions` and `samples` have some in any case."""
    pairing = Pairing(
        policy=arguments.policy,
        gold=arguments.gold_as_chosen,
        max_pairs=arguments.max_pairs,
        max_per_database=arguments.max_pairs_per_database,
        max_per_kind=arguments.max_pairs_per_kind,
        synthetic_share=arguments.synthetic_share,
        max_length_gap=arguments.max_length_gap,
        seed=arguments.seed,
        suite_hash=judged.settings["suite_hash"],
        contract=judged.contract,
    )
    made = {name: {split: spool() for split in judged.answered} for name in MADE}
    for split, answered in judged.answered.items():
        for found in pair_all(map(answered_from, answered.by_key()), pairing, spool()):
            (example, db_path, samples), pairs, why_none = found
            for pair in pairs:
                if arguments.witness == "database":
                    path = blamed_database(judged.suite, pair, example, db_path)
                    pair = with_database(pair, example.sql, path)
                made["default"][split].add(example.id, to_row(pair))
            for row in unpaired_of(example, samples, judged.contract):
                made["unpaired"][split].add(example.id, row)
            made["questions"][split].add(example.id, question_row(found))
            judged.tally.add(samples, why_none)
    tables: dict[str, Mapping[str, Iterable[dict[str, Any]]]] = {
        config: {split: rows.by_key() for split, rows in spools.items()}
        for config, spools in made.items()
        if any(map(len, spools.values()))
    }
    answers = {split: sample_rows(answered) for split, answered in judged.answered.items()}
    return {**tables, "samples": answers}


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


def run_settings(arguments: argparse.Namespace, judged: Judged) -> dict[str, Any]:
    """The arguments that decide the rows, and what they were applied to."""
    unused = NOT_WITH_FROM_SAMPLES if arguments.from_samples else ()
    settings = {
        name: value for name, value in vars(arguments).items() if name not in (*PLACES, *unused)
    }
    counted = {"num_questions": judged.num_questions, "prompt_hash": judged.contract.hash}
    return settings | judged.settings | counted


def dataset_text(arguments: argparse.Namespace, judged: Judged) -> DatasetText:
    licenses = judged.outline.licenses
    return DatasetText(
        pretty_name="SENSE weak data",
        summary=(
            "Preference pairs for DPO on text-to-SQL: a model's own right and wrong answers to "
            "questions whose gold SQL is known. Every answer was executed, and every pair shows "
            "where the two results differ."
        ),
        license=next(iter(licenses)) if len(licenses) == 1 else "other",
        steps=(
            f"Questions: {judged.num_questions:,} with gold SQL and a database.",
            f"Answers: {answer_step(arguments)}.",
            "Verdicts: each distinct query was executed read-only within limits and its result "
            "compared with gold's as bags of rows; golds that cannot judge were set aside.",
            f"Pairs: policy `{arguments.policy}`, at most {arguments.max_pairs} per question, gold "
            f"as chosen: {arguments.gold_as_chosen.replace('_', ' ')}.",
        ),
        faults=(
            "Verdicts rest on a test suite per database: a wrong query that returns the right rows "
            "on all its variants is taken for right."
            if judged.settings["suite_hash"]
            else "Verdicts rest on one database per question: a wrong query may return the right "
            "rows.",
        ),
        repo_id=arguments.push or "",
        split_by="db_id" if arguments.test_share else "",
    )


def answer_step(arguments: argparse.Namespace) -> str:
    if arguments.from_samples:
        return f"those of {dataset_source(arguments.from_samples).name}, with its verdicts"
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
    source.add_argument(
        "--from-samples", metavar="SOURCE", help="folder or Hub id of a weak set, to pair anew"
    )
    add_options(parser)
    arguments = parser.parse_args()
    if arguments.from_samples:
        check_pairing_anew(parser, arguments)
    if arguments.samples and not (arguments.databases or arguments.data):
        parser.error("--samples needs --databases DIR, the SQLite files of their db_ids, or --data")
    if arguments.contract and arguments.data:
        parser.error("--contract goes with --samples alone: --data comes with its prompts")
    if arguments.model and not arguments.data:
        parser.error("--model needs --data, the questions to answer")
    for name in ("test_share", "synthetic_share"):
        if not 0 <= getattr(arguments, name) < 1:
            parser.error(
                f"--{name.replace('_', '-')} is {getattr(arguments, name)}; expected a share from "
                "0 to below 1"
            )
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    return arguments


def check_pairing_anew(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses what would be ignored, and what cannot be done without databases."""
    for name in NOT_WITH_FROM_SAMPLES:
        if getattr(arguments, name) != parser.get_default(name):
            parser.error(
                f"--{name.replace('_', '-')} does not go with --from-samples, whose answers and "
                "verdicts stay as they are"
            )
    for name, value in (("policy", "plan_differs"), ("witness", "database")):
        if getattr(arguments, name) == value and not arguments.databases:
            parser.error(f"--{name} {value} needs --databases DIR, the SQLite files of the set")


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
        help="which right answer meets which wrong one: any, at random; nearest or farthest, the "
        "two queries that differ least or most; plan_differs, right answers that are executed in "
        "another way than gold; stratified, the rarest kind of error; hardest, the most probable "
        "wrong answer (default any)",
    )
    add("--max-pairs", type=int, default=1, help="most per question (default 1; 0 = all)")
    add(
        "--max-pairs-per-database",
        type=int,
        default=0,
        metavar="N",
        help="most in a split (0 = all)",
    )
    add(
        "--max-pairs-per-kind",
        type=int,
        default=0,
        metavar="N",
        help="most in a split with the same kind of error (0 = all)",
    )
    add(
        "--synthetic-share",
        type=float,
        default=Pairing.synthetic_share,
        help="most pairs whose wrong answer is a near miss of a right one (default 0.2)",
    )
    add(
        "--max-length-gap",
        type=int,
        default=Pairing.max_length_gap,
        metavar="CHARACTERS",
        help="most by which the two texts of a pair differ in length (default 500; 0 = any)",
    )
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
