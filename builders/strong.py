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
Time:      about 2 seconds of processor time per 1,000 examples with the grammar.

    python builders/strong.py --teacher grammar --databases DIR --num-examples 20000 --out DIR
    python builders/strong.py --teacher grammar --invent 300 --num-examples 30000 --out DIR
    python builders/strong.py --teacher openai --base-url URL --model NAME --few-shot SPIDER_DIR \\
        --num-examples 1000 --price-in 2.5 --price-out 10 --max-cost 20 --out DIR
    python builders/strong.py --teacher openai --base-url URL --model NAME --databases DIR \\
        --modes databases=0.6,sql=0.4 --plan FILE --num-examples 1000 --out DIR

The key of a server is read from OPENAI_API_KEY, for servers of Hugging Face from HF_TOKEN.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sense.command import run_script
from sense.contamination import Benchmark, read_benchmark
from sense.coverage.asking import grammar_coverages
from sense.coverage.outcome import coverage_report, plan_tables
from sense.example import content_id, database_features, example_features, rejected_features
from sense.facts import Facts, Input, collect_facts, print_outcome, text_table, versions
from sense.journal import Journal
from sense.prompt import CONTRACTS
from sense.publishing.figures import check_figures
from sense.publishing.license import check_license, inherited_license, seed_of
from sense.publishing.provenance import decontamination_facts, limit_facts, teacher_facts
from sense.release import check_output, check_push, push_folder, work_folder, write_dataset
from sense.servers.options import open_chat
from sense.strong import StrongSet, make_examples
from sense.strong_set.collection import (
    MAX_READ_BYTES,
    database_files,
    database_funnel,
    database_rows,
    databases_digest,
    find_or_invent,
    is_huge,
    unpublished,
    usable_databases,
)
from sense.strong_set.options import (
    example_totals,
    level_shares,
    plan_of,
    read_arguments,
    run_settings,
)
from sense.strong_set.splits import SPLITS
from sense.strong_set.text import (
    GRAMMAR_TERMS,
    grammar_text,
    model_terms,
    model_text,
    prompt_hashes,
)
from sense.teaching.planning import Teaching, teacher_coverage
from sense.teaching.proposals import ProposalSet, make_proposals, preview
from sense.teaching.shots import read_shots

FEATURES = {
    "default": example_features,
    "databases": database_features,
    "rejected": rejected_features,
}


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    check_figures()
    if arguments.license:
        check_license(arguments.license)
    if arguments.databases:
        arguments.license = inherited_license(arguments.databases, arguments.license)
    if arguments.push:
        check_push(arguments.push)
    build = build_with_grammar if arguments.teacher == "grammar" else build_with_model
    facts = build(arguments)
    if facts is None:
        return
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)
    if arguments.teacher == "grammar":
        print("\nconfig rejected: for each reason the first few of a database and round, not all")
    for table in plan_tables(facts.results.get("plan")):
        print(f"\n{table}")
    missing = [
        (f"{table.removeprefix('missing_')}/{level}", num)
        for table, counts in facts.counts.items()
        for level, num in counts.items()
        if table.startswith("missing_")
    ]
    if missing:
        print("\nFewer examples were found than were asked for:")
        print(text_table([("missing", "examples"), *missing]))


def build_with_grammar(arguments: argparse.Namespace) -> Facts:
    """Examples over given or invented databases, sampled and worded by the grammar."""
    started = time.monotonic()
    plan = plan_of(arguments)
    benchmarks = [read_benchmark(source) for source in arguments.against]
    paths, faults = read_databases(arguments, benchmarks)
    settings = run_settings(arguments, plan) | {
        "benchmarks": [benchmark.name for benchmark in benchmarks],
        "databases_digest": databases_digest(paths),
    }
    work = work_folder(arguments.out)
    with Journal(work / "journal.jsonl", settings | used_versions()) as journal:
        databases = find_or_invent(paths, arguments)
        totals = example_totals(arguments)
        coverages = grammar_coverages(plan, totals, databases) if plan else {}
        strong = StrongSet(totals, level_shares(arguments), journal, coverages, benchmarks)
        contract = CONTRACTS[arguments.contract]
        make_examples(strong, databases, contract, arguments.seed, arguments.num_workers)
        faults |= strong.faults
        used = [database for database in databases if database.db_id in strong.digests]
        if not used:
            raise RuntimeError(
                f"the {len(databases):,} databases gave no example: "
                f"{strong.funnel.reasons()}; give databases with more tables and rows"
            )
        left_out = {f"{db_id} {fault}": 1 for db_id, fault in faults.items()}
        facts = collect_facts(
            "builders/strong.py",
            seed=arguments.seed,
            settings=settings,
            inputs=[
                databases_input(arguments, used[0].license),
                *benchmark_inputs(benchmarks),
            ],
            funnels=[database_funnel(databases, used, faults), strong.funnel],
            counts={
                **{f"missing_{split}": strong.lacking(split) for split in SPLITS},
                "databases_left_out": left_out,
                "databases_not_published": unpublished(used),
            },
            results={
                **limit_facts(),
                **teacher_facts("grammar", {}, GRAMMAR_TERMS),
                **decontamination_facts(benchmarks),
                **({"plan": coverage_report([*coverages.values()])} if coverages else {}),
            },
            seconds=time.monotonic() - started,
        )
        return write_dataset(
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


def build_with_model(arguments: argparse.Namespace) -> Facts | None:
    """Examples written by a strong model, steered by a plan; None for a preview."""
    started = time.monotonic()
    plan = plan_of(arguments)
    assert plan  # only the grammar does without
    shots = read_shots(arguments.few_shot, arguments.seed) if arguments.few_shot else []
    benchmarks = [read_benchmark(source) for source in arguments.against]
    paths, faults = read_databases(arguments, benchmarks)
    settings = run_settings(arguments, plan) | {
        "benchmarks": [benchmark.name for benchmark in benchmarks],
        "shots_digest": content_id(*map(repr, shots)),
        "databases_digest": databases_digest(paths),
    }
    with (
        open_chat(arguments) as chat,
        Journal(
            work_folder(arguments.out) / "journal.jsonl", settings | used_versions()
        ) as journal,
    ):
        is_given = bool(paths or arguments.invent)
        teaching = Teaching(
            shots=shots,
            temperature=arguments.temperature,
            max_tokens=arguments.max_tokens,
            contract=CONTRACTS[arguments.contract],
            license=arguments.license,
            seed=arguments.seed,
            modes=arguments.modes,
            databases=find_or_invent(paths, arguments) if is_given else (),
            num_questions=arguments.questions_per_request,
            rationale=arguments.rationale,
            num_votes=arguments.agreement,
        )
        coverage = teacher_coverage(plan, arguments.num_examples, teaching)
        found = ProposalSet(arguments.num_examples, coverage, journal, benchmarks)
        if arguments.preview:
            print(preview(found, chat, teaching, arguments.preview, arguments.num_workers))
            print(text_table([("use of the model", "amount"), *chat.shown_usage()]))
            print("nothing was written; the run itself uses these answers again")
            return None
        make_proposals(found, chat, teaching, arguments.num_workers)
        if not found.num_kept:
            raise RuntimeError(
                f"{arguments.model} gave no example: {found.funnel.reasons()}; look at its answers "
                "with --preview 5, raise --max-cost or choose a stronger model"
            )
        found.divide(arguments.num_test, arguments.seed)
        left_out = {f"{db_id} {fault}": 1 for db_id, fault in faults.items()}
        facts = collect_facts(
            "builders/strong.py",
            seed=arguments.seed,
            settings=settings,
            inputs=[*model_inputs(arguments), *benchmark_inputs(benchmarks)],
            funnels=[found.funnel],
            counts={
                "missing_all": {"examples": found.num_missing} if found.num_missing else {},
                "databases_left_out": left_out,
                "databases_not_published": unpublished(db for db, _ in found.used.values()),
                "modes": {str(mode): num for mode, num in found.modes.items()},
                "votes": dict(found.votes),
                "domains": dict(found.ledger.given.most_common()),
            },
            usage=chat.usage(),
            results={
                **limit_facts(),
                **teacher_facts(arguments.model, prompt_hashes(arguments), model_terms(arguments)),
                **decontamination_facts(benchmarks),
                "plan": coverage_report([coverage]),
            },
            seconds=time.monotonic() - started,
        )
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
    print(text_table([("use of the model", "amount"), *chat.shown_usage()]))
    if chat.is_spent:
        print(f"stopped: {chat.budget.reached} was reached, what was done is kept")
    return facts


def parse_arguments() -> argparse.Namespace:
    return read_arguments(__doc__)


def read_databases(
    arguments: argparse.Namespace, benchmarks: Sequence[Benchmark]
) -> tuple[dict[str, Path], dict[str, str]]:
    """The given databases, and those that are left out with the reason."""
    paths, faults = usable_databases(arguments.databases, benchmarks)
    for db_id, fault in faults.items():
        print(f"left out: {db_id} ({fault})", flush=True)
    for db_id in (db_id for db_id, path in paths.items() if is_huge(path)):
        print(
            f"not published with the set: {db_id} (more than {MAX_READ_BYTES / 1e9:.1f} GB); keep "
            "the file, since nobody can execute its queries without it, or give a smaller copy",
            flush=True,
        )
    return paths, faults


def databases_input(arguments: argparse.Namespace, license: str) -> Input:
    """Where the databases come from: the user's folder, or the kit's own catalogue."""
    if not arguments.databases:
        return Input("sense/domains/domains.yaml", kind="databases", license=license)
    seed = seed_of(arguments.databases)
    url = seed.url if seed else ""
    return Input(Path(arguments.databases).name, kind="databases", license=license, url=url)


def benchmark_inputs(benchmarks: Sequence[Benchmark]) -> list[Input]:
    return [Input(benchmark.name, kind="benchmark") for benchmark in benchmarks]


def model_inputs(arguments: argparse.Namespace) -> list[Input]:
    """The teacher, and what it was shown."""
    inputs = [Input(arguments.model, kind="model")]
    if arguments.few_shot:
        seed = seed_of(arguments.few_shot)
        inputs.append(
            Input(
                Path(arguments.few_shot).name,
                kind="few-shot examples",
                license=seed.license if seed else "",
                url=seed.url if seed else "",
            )
        )
    if arguments.databases or arguments.invent:
        license = arguments.license if arguments.databases else "apache-2.0"
        inputs.append(databases_input(arguments, license))
    return inputs


def used_versions() -> dict[str, Any]:
    """The versions that decide the rows beside the arguments: those of others are not continued."""
    found = versions()
    return {"versions": {name: found[name] for name in ("sense-kit", "sqlite", "sqlglot")}}


if __name__ == "__main__":
    run_script(main)
