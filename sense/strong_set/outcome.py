"""The facts of a finished strong set, for each teacher, and what is printed of what it lacks."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sense.chat import Chat
from sense.coverage.outcome import coverage_report, plan_tables
from sense.facts import Facts, collect_facts, text_table
from sense.publishing.output import work_folder
from sense.publishing.provenance import decontamination_facts, limit_facts, teacher_facts
from sense.servers.budget import Budget
from sense.shown import counted, first_few, quoted_few
from sense.strong import StrongSet
from sense.strong_set.collection import Database, database_funnel, unpublished
from sense.strong_set.sources import Sources, inputs_of
from sense.strong_set.splits import SPLITS
from sense.strong_set.text import GRAMMAR_TERMS, model_terms, prompt_hashes
from sense.teaching.proposals import ProposalSet

SCRIPT = "builders/strong.py"


def grammar_facts(
    arguments: argparse.Namespace,
    settings: Mapping[str, Any],
    sources: Sources,
    strong: StrongSet,
    databases: Sequence[Database],
    seconds: float,
) -> Facts:
    """The facts of a set that the grammar made over the databases."""
    faults = {**sources.faults, **strong.faults}
    used = used_databases(strong, databases)
    cut_short = {name: fault for name, fault in faults.items() if name in strong.digests}
    left_out = {name: fault for name, fault in faults.items() if name not in cut_short}
    coverages = [*strong.coverages.values()]
    return collect_facts(
        SCRIPT,
        seed=arguments.seed,
        settings=settings,
        inputs=inputs_of(arguments, sources),
        funnels=[database_funnel(databases, used, faults), strong.funnel],
        counts={
            **{f"missing_{split}": strong.lacking(split) for split in SPLITS},
            "databases_left_out": _counts(left_out),
            "databases_cut_short": _counts(cut_short),
            "databases_not_published": unpublished(used),
        },
        results={
            **limit_facts(),
            **teacher_facts("grammar", {}, GRAMMAR_TERMS),
            **decontamination_facts(sources.benchmarks),
            **({"plan": coverage_report(coverages)} if coverages else {}),
        },
        seconds=seconds,
    )


def used_databases(strong: StrongSet, databases: Sequence[Database]) -> list[Database]:
    """The databases that gave examples. Raises RuntimeError where none did."""
    used = [database for database in databases if database.db_id in strong.digests]
    if used:
        return used
    if set(strong.faults.values()) == {"database_corrupt"} and len(strong.faults) == len(databases):
        raise RuntimeError(
            f"no example, as there is damage inside {quoted_few(strong.faults)}; restore the file "
            "from its source, or save what `sqlite3 FILE .recover` finds in it"
        )
    advice = "give databases with more tables and rows"
    why = strong.funnel.reasons()
    if strong.faults:
        advice = "give others, or smaller copies of these"
        why = first_few(f"'{db_id}' ({fault})" for db_id, fault in strong.faults.items())
    raise RuntimeError(f"{counted(len(databases), 'database')} gave no example: {why}; {advice}")


def model_facts(
    arguments: argparse.Namespace,
    settings: Mapping[str, Any],
    sources: Sources,
    found: ProposalSet,
    usage: Mapping[str, float],
    seconds: float,
) -> Facts:
    """The facts of a set that a model wrote."""
    return collect_facts(
        SCRIPT,
        seed=arguments.seed,
        settings=settings,
        inputs=inputs_of(arguments, sources),
        funnels=[found.funnel],
        counts={
            "missing_all": {"examples": found.num_missing} if found.num_missing else {},
            "databases_left_out": _counts(sources.faults),
            "databases_not_published": unpublished(db for db, _ in found.used.values()),
            "modes": {str(mode): num for mode, num in found.modes.items()},
            "votes": dict(found.votes),
            "domains": dict(found.ledger.given.most_common()),
        },
        usage=usage,
        results={
            **limit_facts(),
            **teacher_facts(arguments.model, prompt_hashes(arguments), model_terms(arguments)),
            **decontamination_facts(sources.benchmarks),
            "plan": coverage_report([found.coverage]),
        },
        seconds=seconds,
    )


def check_kept(found: ProposalSet, chat: Chat) -> None:
    """Raises RuntimeError for a set of a model without examples."""
    if found.num_kept:
        return
    ended, advice = "", "choose a stronger model"
    if chat.is_spent:
        ended = f" before {chat.budget.reached} was reached"
        advice = "raise that and run the same command again: no answer is paid for twice"
    raise RuntimeError(
        f"{chat.model} gave no example{ended}: {found.funnel.reasons()}; look at its answers with "
        f"--preview 5, or {advice}"
    )


def going_on(out: str | Path, budget: Budget) -> str:
    """How to get the rest of a set that a limit on money or tokens ended, as part of a sentence."""
    if not budget.reached:
        return ""
    option, _ = budget.reached.split()
    return (
        f"; to go on, delete or move {out} and run the same command with a higher {option}: the "
        f"replies in {work_folder(out).name} beside it count, but are not paid for again"
    )


def print_shortfall(facts: Facts) -> None:
    """Prints how far the set is from its plan, and the examples that it lacks."""
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


def _counts(faults: Mapping[str, str]) -> dict[str, int]:
    return {f"{db_id} {fault}": 1 for db_id, fault in faults.items()}
