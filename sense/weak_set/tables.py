"""The tables of the weak set: judged answers by split, then pairs, questions and single rows."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sense.example import Example, Pair, to_row
from sense.facts import Input, versions
from sense.journal import Journal
from sense.pairs.negatives import near_misses
from sense.pairs.pairing import Answered, Pairing, answered_from, doubt_of, pair_all
from sense.preference import unpaired_of, with_database
from sense.prompt import PromptContract, contract_of
from sense.publishing.output import work_folder
from sense.publishing.source import dataset_source
from sense.release import Tables
from sense.spool import Spool
from sense.strong_set.splits import SPLITS, held_out_databases
from sense.suite import Suite, read_suite
from sense.weak import Judging, judged_questions
from sense.weak_set.asked import Asked, counted_once, judging_settings
from sense.weak_set.noise import SUITE_SEPARATES, NoiseTally
from sense.weak_set.rounds import RoundTally, check_previous, splits_beside, with_previous
from sense.weak_set.rows import (
    PublishedAnswers,
    question_row,
    read_answered,
    sample_rows,
    with_more_samples,
)
from sense.weak_set.tally import Tally

MADE = ("default", "unpaired", "questions")
"""The configs that are made while pairing."""
JUDGED = (
    *("answers", "questions_sha256", "suite_hash", "rule", "round"),
    *("num_samples", "temperatures"),
)
"""Settings of the run that judged, which a set that is paired anew takes over."""
VERSIONS = ("sense-kit", "sqlite", "sqlglot")
"""Verdicts of other versions of these are not continued."""


class Judged(NamedTuple):
    """What is paired."""

    answered: Mapping[str, Spool]
    """By split, values of `Answered.as_json` under the ids of the examples."""
    licenses: frozenset[str]
    inputs: tuple[Input, ...]
    contract: PromptContract
    tally: Tally
    suite: Suite | None
    settings: dict[str, Any]
    """All that decided answers and verdicts."""
    usage: dict[str, float]

    @property
    def num_questions(self) -> int:
        return sum(map(len, self.answered.values()))


def judge_asked(arguments: argparse.Namespace, asked: Asked, spool: Callable[[], Spool]) -> Judged:
    """Judges the answers; each question goes to its split, beside those of --previous."""
    judging = Judging(
        arguments.round, arguments.rule, arguments.num_workers, arguments.engine, asked.suite
    )
    settings = judging_settings(arguments, asked)
    previous = _open_previous(arguments, settings, asked.contract, spool)
    domains = asked.outline.domains
    splits = splits_beside(previous, domains) if previous else {}
    new = {db_id: domain for db_id, domain in domains.items() if db_id not in splits}
    held_out = held_out_databases(new, arguments.test_share, arguments.seed)
    answered = {str(split): spool() for split in SPLITS}
    used = {name: versions()[name] for name in VERSIONS}
    path = work_folder(arguments.out) / "journal.jsonl"
    with Journal(path, settings | {"versions": used}) as journal:
        ask = counted_once(asked.ask, asked.budget, journal) if asked.budget else asked.ask
        for question, samples in judged_questions(asked.questions, ask, judging, journal):
            db_id = question.example.db_id
            split = splits.get(db_id, "test" if db_id in held_out else "train")
            found = Answered(question.example, question.db_path, samples)
            answered[split].add(question.example.id, found.as_json())
        answered = _with_near_misses(arguments, answered, judging, journal, spool)
    inputs, licenses = asked.inputs, asked.outline.licenses
    if previous:
        answered = with_previous(answered, previous, spool)
        inputs = (*inputs, dataset_source(arguments.previous), *previous.facts.inputs)
        licenses |= previous.outline.licenses
    return Judged(
        answered,
        licenses,
        inputs,
        asked.contract,
        asked.tally,
        asked.suite,
        settings,
        asked.budget.usage() if asked.budget else {},
    )


def read_judged(arguments: argparse.Namespace, spool: Callable[[], Spool]) -> Judged:
    """The answers that a weak set published, with the verdicts that they have there."""
    source = arguments.from_samples
    published = read_answered(source, arguments.databases, spool)
    known = published.facts.settings
    return Judged(
        published.answered,
        published.outline.licenses,
        (dataset_source(source), *published.facts.inputs),
        contract_of(published.outline.prompt_hashes, source),
        Tally(),
        read_suite(arguments.suite) if arguments.suite else None,
        {name: known[name] for name in JUDGED if name in known},
        published.facts.usage,
    )


class Made(NamedTuple):
    """The tables, and what was counted while they were made."""

    tables: Tables
    noise: NoiseTally
    rounds: RoundTally


def make_tables(arguments: argparse.Namespace, judged: Judged, spool: Callable[[], Spool]) -> Made:
    """The rows of each config and split; `questions` and `samples` have some in any case."""
    pairing = Pairing(
        policy=arguments.policy,
        gold=arguments.gold_as_chosen,
        max_pairs=arguments.max_pairs,
        max_per_database=arguments.max_pairs_per_database,
        max_per_kind=arguments.max_pairs_per_kind,
        synthetic_share=arguments.synthetic_share,
        max_length_gap=arguments.max_length_gap,
        keeps_disputed=arguments.keep_disputed,
        keeps_subtle=arguments.keep_subtle,
        keeps_open=arguments.keep_open,
        seed=arguments.seed,
        suite_hash=judged.settings["suite_hash"],
        contract=judged.contract,
    )
    separated = arguments.separated
    if separated is None and judged.settings["suite_hash"]:
        separated = SUITE_SEPARATES
    noise, rounds = NoiseTally(separated, arguments.read_errors, arguments.flip_rate), RoundTally()
    made = {name: {split: spool() for split in judged.answered} for name in MADE}
    for split, answered in judged.answered.items():
        for found in pair_all(map(answered_from, answered.by_key()), pairing, spool()):
            (example, db_path, samples), pairs, why_none = found
            for pair in pairs:
                if arguments.witness == "database":
                    path = _blamed_database(judged.suite, pair, example, db_path)
                    pair = with_database(pair, example.sql, path)
                made["default"][split].add(example.id, to_row(pair))
            has_doubt = bool(doubt_of(samples, pairing))
            if not has_doubt:
                for row in unpaired_of(example, samples, judged.contract, pairing.keeps_subtle):
                    made["unpaired"][split].add(example.id, row)
            made["questions"][split].add(example.id, question_row(found))
            judged.tally.add(samples, why_none)
            if not has_doubt and why_none != "only_subtle":  # else no pair, whatever survives
                noise.add(samples, len(pairs), pairing.max_pairs, pairing.gold)
            rounds.add(samples, pairs)
    tables: dict[str, Mapping[str, Iterable[dict[str, Any]]]] = {
        config: {split: rows.by_key() for split, rows in spools.items()}
        for config, spools in made.items()
        if any(map(len, spools.values()))
    }
    answers = {split: sample_rows(answered) for split, answered in judged.answered.items()}
    return Made({**tables, "samples": answers}, noise, rounds)


def _with_near_misses(
    arguments: argparse.Namespace,
    answered: Mapping[str, Spool],
    judging: Judging,
    journal: Journal,
    spool: Callable[[], Spool],
) -> dict[str, Spool]:
    """The answers, and near misses of right ones to questions where no mistake was made."""
    share = arguments.synthetic_share
    whole = dict(answered)
    for split, values in answered.items() if share else ():
        key = f"near misses {split} {share} {arguments.seed}"
        if key not in journal:
            journal.put(key, list(near_misses(values, share, arguments.seed, judging)))
        whole[split] = with_more_samples(values, dict(journal[key]), spool())
    return whole


def _open_previous(
    arguments: argparse.Namespace,
    settings: Mapping[str, Any],
    contract: PromptContract,
    spool: Callable[[], Spool],
) -> PublishedAnswers | None:
    if not arguments.previous:
        return None
    previous = read_answered(arguments.previous, None, spool)
    check_previous(previous, arguments.previous, settings, contract.hash)
    return previous


def _blamed_database(suite: Suite | None, pair: Pair, example: Example, db_path: str) -> str:
    """The database on which the rejected answer was found to be wrong."""
    if suite is None:
        return db_path
    return str(suite.blamed(example.db_id, example.sql, pair.witness))
