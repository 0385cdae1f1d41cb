# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train,figures]"]
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
    python builders/weak.py --model CURRENT --data sense/strong --round 2 --previous DIR --out DIR
    python builders/weak.py --from-samples sense/weak --policy nearest --out DIR
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sense.card import DatasetText
from sense.command import run_script
from sense.example import pair_features, question_features, sample_features, unpaired_features
from sense.facts import Facts, collect_facts, print_outcome, text_table
from sense.publishing.figures import check_figures
from sense.publishing.license import check_license, inherited_license
from sense.publishing.output import check_output
from sense.publishing.provenance import limit_facts
from sense.publishing.push import check_push, push_folder
from sense.publishing.source import dataset_source
from sense.release import write_dataset
from sense.servers.budget import shown_usage
from sense.spool import Spool
from sense.weak_set.asked import open_asked
from sense.weak_set.noise import shown_noise
from sense.weak_set.options import run_settings, weak_arguments
from sense.weak_set.tables import Judged, Made, judge_asked, make_tables, read_judged
from sense.weak_set.tally import systems_table

FEATURES = {
    "default": pair_features,
    "unpaired": unpaired_features,
    "questions": question_features,
    "samples": sample_features,
}


def main() -> None:
    arguments = parse_arguments()
    out = check_output(arguments.out)
    check_figures()
    check_license(arguments.license)
    if arguments.samples and arguments.databases:
        arguments.license = inherited_license(arguments.databases, arguments.license)
    if arguments.push:
        check_push(arguments.push)
    started = time.monotonic()
    with ExitStack() as spools:

        def spool() -> Spool:
            return spools.enter_context(Spool(out.parent))

        facts = build(arguments, spool, started)
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)


def parse_arguments() -> argparse.Namespace:
    return weak_arguments(str(__doc__))


def build(arguments: argparse.Namespace, spool: Callable[[], Spool], started: float) -> Facts:
    """Asks, judges, pairs and writes the folder; the facts as written."""
    if arguments.from_samples:
        judged = read_judged(arguments, spool)
    else:
        judged = judge_asked(arguments, open_asked(arguments, spool), spool)
    made = make_tables(arguments, judged, spool)
    results = results_of(arguments, judged, made)
    print_findings(judged, made, results)
    if arguments.base_url:
        print(text_table([("use of the model", "amount"), *shown_usage(judged.usage)]))
    counted = {"num_questions": judged.num_questions, "prompt_hash": judged.contract.hash}
    tally = judged.tally
    facts = collect_facts(
        "builders/weak.py",
        seed=arguments.seed,
        settings=run_settings(arguments) | judged.settings | counted,
        inputs=judged.inputs,
        funnels=[tally.answers, tally.questions],
        counts=tally.counts,
        usage=judged.usage,
        results=results,
        seconds=time.monotonic() - started,
    )
    features = {config: columns() for config, columns in FEATURES.items()}
    text = dataset_text(arguments, judged)
    return write_dataset(arguments.out, made.tables, features, facts, text)


def results_of(arguments: argparse.Namespace, judged: Judged, made: Made) -> dict[str, Any]:
    """What came out, beside the rows."""
    tally = judged.tally
    found: dict[str, Any] = {
        "rule": judged.settings["rule"],
        "systems": {name: system._asdict() for name, system in tally.systems().items()},
        "rounds": made.rounds.as_json(),
        **limit_facts(),
    }
    if judged.settings["suite_hash"]:
        found["flip_rate"] = tally.flip_rate()._asdict()
    if noise := made.noise.estimate(arguments.seed):
        found["noise"] = noise.as_json()
    return found


def print_findings(judged: Judged, made: Made, results: dict[str, Any]) -> None:
    print(f"\n{systems_table(judged.tally.systems(), results['rule'])}\n")
    if given := judged.tally.counts.get("answers"):
        print(f"Answers that repeat an earlier one of their system: {given['repeated']:,}.\n")
    if flips := results.get("flip_rate"):
        print(
            f"{flips['num_flipped']:,} of {flips['num']:,} answers that are right on their own "
            "database are wrong on its test suite.\n"
        )
    if noise := results.get("noise"):
        print(f"Label smoothing for these pairs: {shown_noise(noise)}.\n")
    if "default" not in made.tables:
        print(
            "No pair: no question has a right and a wrong answer that may meet, see below."
            f"{advice(judged)}\n"
        )


def advice(judged: Judged) -> str:
    """What may give pairs, as far as it was not tried."""
    num_answers = judged.tally.counts["verdicts"].total()
    several = "give several answers per question" if num_answers <= judged.num_questions else ""
    no_right = judged.tally.questions.dropped.get("no_right_answer")
    gold = "use --gold-as-chosen when_none_correct" if no_right else ""
    tips = " or ".join(filter(None, (several, gold)))
    return f" To get some, {tips}." if tips else ""


def dataset_text(arguments: argparse.Namespace, judged: Judged) -> DatasetText:
    return DatasetText(
        pretty_name="SENSE weak data",
        summary=(
            "Preference pairs for DPO on text-to-SQL: a model's own right and wrong answers to "
            "questions whose gold SQL is known. Every answer was executed, and every pair shows "
            "where the two results differ."
        ),
        license=next(iter(judged.licenses)) if len(judged.licenses) == 1 else "other",
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
        kind="weak",
        has_figures=True,
    )


def answer_step(arguments: argparse.Namespace) -> str:
    if arguments.from_samples:
        return f"those of {dataset_source(arguments.from_samples).name}, with its verdicts"
    if arguments.samples:
        step = f"given, in {Path(arguments.samples).name}"
    else:
        shown = " and ".join(f"{temperature:g}" for temperature in arguments.temperatures)
        step = (
            f"to each question the greedy one, and {arguments.num_samples} samples at temperature "
            f"{shown} each"
        )
    if not arguments.previous:
        return step
    before = dataset_source(arguments.previous).name
    return f"{step}, in round {arguments.round}; beside them those of {before}, of earlier rounds"


if __name__ == "__main__":
    run_script(main)
