# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[figures]"]
# ///
"""Build the strong set: questions with SQL over many databases, every query executed.

Hub id:    sense/strong
Sources:   your SQLite files (`--databases`), or databases invented from the kit's own catalogue
           (`--invent`, Apache-2.0), with the grammar as teacher; or a strong model behind any
           OpenAI-compatible server (`--teacher openai`), which invents databases or asks over
           these, or words questions for the grammar's SQL (`--modes`).
Time:      about 1.3 seconds of processor time per 1,000 examples with the grammar.

    python builders/strong.py --teacher grammar --databases DIR --num-examples 20000 --out DIR
    python builders/strong.py --teacher grammar --invent 300 --num-examples 30000 --out DIR
    python builders/strong.py --teacher openai --base-url URL --model NAME --few-shot SPIDER_DIR \\
        --num-examples 1000 --price-in 2.5 --price-out 10 --max-cost 20 --out DIR
    python builders/strong.py --teacher openai --base-url URL --model NAME --databases DIR \\
        --modes databases=0.6,sql=0.4 --plan FILE --num-examples 1000 --out DIR
    python builders/strong.py --teacher openai --base-url URL --model NAME --databases DIR \\
        --agreement 5 --voter OTHER --voter-base-url URL --num-examples 1000 --out DIR

The key of a server is read from OPENAI_API_KEY, for servers of Hugging Face from HF_TOKEN.
"""

import argparse
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from sense.chat import Chat
from sense.command import run_script
from sense.coverage.asking import grammar_coverages
from sense.example import database_features, example_features, rejected_features
from sense.facts import Facts, print_outcome, text_table
from sense.journal import Journal
from sense.prompt import CONTRACTS
from sense.release import push_folder, work_folder, write_dataset
from sense.servers.budget import joined_usage, shown_usage
from sense.servers.options import open_chat, open_voter
from sense.servers.server import ServerError
from sense.strong import StrongSet, make_examples
from sense.strong_set.collection import database_files, database_rows, find_or_invent
from sense.strong_set.options import example_totals, level_shares, plan_of, read_arguments
from sense.strong_set.outcome import (
    check_kept,
    going_on,
    grammar_facts,
    model_facts,
    print_shortfall,
    used_databases,
)
from sense.strong_set.sources import check_places, read_sources, settings_of, used_versions
from sense.strong_set.splits import SPLITS
from sense.strong_set.text import grammar_text, model_text
from sense.teaching.planning import Teaching, teacher_coverage
from sense.teaching.proposals import ProposalSet
from sense.teaching.rounds import make_proposals, preview, stopped_by

FEATURES = {
    "default": example_features,
    "databases": database_features,
    "rejected": rejected_features,
}


def main() -> None:
    arguments = read_arguments(__doc__)
    check_places(arguments)
    build = build_with_grammar if arguments.teacher == "grammar" else build_with_model
    facts = build(arguments)
    if facts is None:
        return
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)
    print_shortfall(facts)


def build_with_grammar(arguments: argparse.Namespace) -> Facts:
    """Examples over given or invented databases, sampled and worded by the grammar."""
    started = time.monotonic()
    plan = plan_of(arguments)
    sources = read_sources(arguments)
    settings = settings_of(arguments, plan, sources)
    with open_journal(arguments, settings) as journal:
        databases = find_or_invent(sources.paths, arguments)
        totals, levels = example_totals(arguments), level_shares(arguments)
        coverages = grammar_coverages(plan, totals, databases) if plan else {}
        strong = StrongSet(totals, levels, journal, coverages, sources.benchmarks)
        contract = CONTRACTS[arguments.contract]
        make_examples(strong, databases, contract, arguments.seed, arguments.num_workers)
        used = used_databases(strong, databases)
        facts = grammar_facts(
            arguments, settings, sources, strong, databases, time.monotonic() - started
        )
        facts = write_dataset(
            arguments.out,
            {
                "default": {split: strong.rows(split) for split in SPLITS},
                "databases": {"train": database_rows(used, strong.digests, "grammar")},
                "rejected": {split: strong.rejected(split) for split in SPLITS},
            },
            {config: features() for config, features in FEATURES.items()},
            facts,
            grammar_text(arguments, used),
            database_files(used),
        )
    print("config rejected: for each reason the first few of a database and round, not all")
    return facts


def build_with_model(arguments: argparse.Namespace) -> Facts | None:
    """Examples written by a strong model, steered by a plan; None for a preview."""
    started = time.monotonic()
    plan = plan_of(arguments)
    assert plan  # only the grammar does without
    sources = read_sources(arguments)
    settings = settings_of(arguments, plan, sources)
    with ExitStack() as stack:
        chat = stack.enter_context(open_chat(arguments))
        voter = stack.enter_context(open_voter(arguments, chat)) if arguments.agreement else None
        journal = stack.enter_context(open_journal(arguments, settings))
        is_given = bool(sources.paths or arguments.invent)
        teaching = Teaching(
            shots=sources.shots,
            temperature=arguments.temperature,
            max_tokens=arguments.max_tokens,
            contract=CONTRACTS[arguments.contract],
            license=arguments.license,
            seed=arguments.seed,
            modes=arguments.modes,
            databases=find_or_invent(sources.paths, arguments) if is_given else (),
            num_questions=arguments.questions_per_request,
            rationale=arguments.rationale,
            num_votes=arguments.agreement,
        )
        coverage = teacher_coverage(plan, arguments.num_examples, teaching)
        found = ProposalSet(arguments.num_examples, coverage, journal, sources.benchmarks)
        workers = arguments.num_workers
        if arguments.preview:
            print(preview(found, chat, teaching, arguments.preview, workers, voter))
            print_usage(usage_of(chat, voter))
            print("nothing was written; the run itself uses these answers again")
            return None
        ask_teacher(found, chat, teaching, workers, voter)
        usage = usage_of(chat, voter)
        facts = model_facts(arguments, settings, sources, found, usage, time.monotonic() - started)
        found.divide(arguments.num_test, arguments.seed)
        facts = write_dataset(
            arguments.out,
            {
                "default": {split: found.rows(split) for split in SPLITS},
                "databases": {"train": found.database_rows()},
                "rejected": {split: found.rejected(split) for split in SPLITS},
            },
            {config: features() for config, features in FEATURES.items()},
            facts,
            model_text(arguments, found.is_single),
            database_files(database for database, _ in found.used.values()),
        )
    print_usage(usage)
    if limit := stopped_by(found, chat):
        print(f"stopped: {limit}, what was done is kept{going_on(arguments.out, chat.budget)}")
    return facts


def ask_teacher(
    found: ProposalSet, chat: Chat, teaching: Teaching, num_workers: int, voter: Chat | None
) -> None:
    """Asks until the set is full; where nothing can be written, prints what the replies cost.

    Raises RuntimeError for a set without examples and ServerError.
    """
    try:
        make_proposals(found, chat, teaching, num_workers, voter)
        check_kept(found, chat)
    except RuntimeError as error:
        usage = usage_of(chat, voter)
        if not usage["replies"]:
            raise
        print_usage(usage)
        if not isinstance(error, ServerError):
            raise
        raise ServerError(
            f"{error}; to go on, run the same command again: no answer is paid for twice"
        ) from error


def open_journal(arguments: argparse.Namespace, settings: dict[str, Any]) -> Journal:
    """The journal of the run; rows of other settings or versions are not continued."""
    return Journal(work_folder(arguments.out) / "journal.jsonl", settings | used_versions())


def usage_of(chat: Chat, voter: Chat | None) -> dict[str, float]:
    """Tokens and money of the teacher and, where answers vote, of the model that gives them."""
    return joined_usage(chat.usage(), voter.usage()) if voter else chat.usage()


def print_usage(usage: Mapping[str, float]) -> None:
    print(text_table([("use of the model", "amount"), *shown_usage(usage)]))


if __name__ == "__main__":
    run_script(main)
