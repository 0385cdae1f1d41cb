"""How good a test suite is: what it costs, the scores it gives, and what it separates.

    python benchmarks/suite.py --spider DIR --predictions FILE.jsonl ... --out DIR [--suite DIR]

Makes the suite of Spider dev with `builders/suite.py`, and again to see that nothing is made twice;
with --suite an existing one is measured. Then: execution and test-suite accuracy of each file of
predictions by the spider rule and by the strict one; and which held-out near misses and predictions
the original and the suite separate from gold, of those that the suite or random databases do.
Writes `suite.json`, `suite.md`, and `survivors.jsonl` with what only random databases separate.
Everything is drawn by seeds: the same code and data give the same counts. That no equivalent query
is separated is a test: `tests/test_distilling.py`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from held_out import HeldOut, HeldOutJob, measure
from tqdm import tqdm

from sense.command import run_script
from sense.database import database_paths
from sense.facts import code_version, versions
from sense.inputs.reading import Prediction, read_predictions, read_spider
from sense.suite import Suite, read_suite
from sense.verdict import Unit, judge_all
from sense.workers import map_in_workers

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("new edit", "two edits", "three edits", "prediction")
Golds = Mapping[str, Mapping[str, None]]
"""db_id -> its distinct golds in the order of the questions."""


def main() -> None:
    arguments = parse_arguments()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"versions": versions(), "commit": code_version()[0]}
    folder = Path(arguments.suite or out / "suite")
    if not arguments.suite:
        results["cost"] = cost(arguments, folder)
    suite = read_suite(folder)
    results["size"] = size(suite)
    systems = {Path(name).stem: list(read_predictions(name)) for name in arguments.predictions}
    results["accuracy"] = {
        name: accuracy(suite, predictions, arguments.num_workers)
        for name, predictions in systems.items()
    }
    if arguments.num_random:
        jobs = held_out_jobs(arguments, suite, [p for ps in systems.values() for p in ps])
        measured = map_in_workers(measure, jobs, arguments.num_workers, max_seconds=0)
        progress = tqdm(measured, "held out", len(jobs), unit="database")
        found: list[HeldOut] = [row for rows in progress for row in rows]
        results["held_out"] = {kind: shares(found, kind) for kind in KINDS}
        survivors = [r for r in found if r.separated_by in ("unused", "variant", "filled")]
        lines = [json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in survivors]
        (out / "survivors.jsonl").write_text("".join(lines), "utf-8")
    (out / "suite.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    (out / "suite.md").write_text(report(results), "utf-8")
    print(report(results))


def cost(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Seconds to make the suite, by the clock and by the cores; seconds to run the same again."""
    command = [sys.executable, "builders/suite.py", "--spider", arguments.spider]
    command += ["--num-workers", str(arguments.num_workers), "--out", str(folder)]
    seconds = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(2):
        started = time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True)
        seconds.append(round(time.monotonic() - started, 1))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": seconds[0], "cpu_seconds": round(cores, 1), "again_seconds": seconds[1]}


def size(suite: Suite) -> dict[str, float]:
    """Instances, the original included."""
    databases = suite.databases.values()
    uses = [len(used) for database in databases for used in (database.golds or {}).values()]
    return {
        "databases": len(suite.databases),
        "instances": sum(len(database.paths) for database in databases),
        "megabytes": round(sum(p.stat().st_size for d in databases for p in d.paths) / 1e6, 1),
        "golds": len(uses),
        "instances_per_gold": round(fmean(uses), 2) if uses else 0,
    }


def accuracy(
    suite: Suite, predictions: Sequence[Prediction], num_workers: int
) -> dict[str, dict[str, Any]]:
    """Percent right by the spider rule, and verdicts, on the original and on the suite."""
    units = {
        "original": [suite.paths(p.db_id, p.gold)[:1] for p in predictions],
        "suite": [suite.paths(p.db_id, p.gold) for p in predictions],
    }
    found: dict[str, dict[str, Any]] = {}
    for name, paths in units.items():
        started = time.monotonic()
        judged = judge_all(
            (
                Unit(tuple(map(str, own)), p.gold, (p.pred,))
                for own, p in zip(paths, predictions, strict=True)
            ),
            rules=("spider", "strict"),
            num_workers=num_workers,
        )
        judgements = [judgement for _, [judgement] in judged]
        found[name] = {
            "spider": round(100 * fmean(j.scores["spider"] for j in judgements), 2),
            **Counter(j.verdict for j in judgements),
            "seconds": round(time.monotonic() - started, 1),
        }
    return found


def held_out_jobs(
    arguments: argparse.Namespace, suite: Suite, predictions: Iterable[Prediction]
) -> list[HeldOutJob]:
    """One job per database, those with many golds first."""
    golds: dict[str, dict[str, None]] = {}
    for row in read_spider(arguments.spider, "dev"):
        golds.setdefault(row["db_id"], {})[row["sql"]] = None
    answers: dict[str, dict[str, dict[str, None]]] = {}
    for p in predictions:
        answers.setdefault(p.db_id, {}).setdefault(p.gold, {})[p.pred] = None
    paths = database_paths(Path(arguments.spider, "database"))
    return [
        HeldOutJob(
            str(paths[db_id]),
            tuple(own),
            {gold: tuple(preds) for gold, preds in answers.get(db_id, {}).items()},
            suite.databases[db_id],
            arguments.num_random,
        )
        for db_id, own in sorted(golds.items(), key=lambda item: -len(item[1]))
    ]


def shares(found: Iterable[HeldOut], kind: str) -> dict[str, float]:
    """How many queries of a kind are non-equivalent, and the percent of them that is separated."""
    places = Counter(row.separated_by for row in found if row.kind == kind)
    equal = places.pop("", 0)
    num = sum(places.values())
    by_suite = places["original"] + places["suite"]
    return {
        "queries": num + equal,
        "non_equivalent": num,
        "original_percent": round(100 * places["original"] / num, 2) if num else 0,
        "suite_percent": round(100 * by_suite / num, 2) if num else 0,
        "all_instances_percent": round(100 * (by_suite + places["unused"]) / num, 2) if num else 0,
        "only_random": places["variant"] + places["filled"],
    }


def report(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# Test suite of Spider dev", ""]
    for name in ("cost", "size"):
        for key, value in results.get(name, {}).items():
            lines.append(f"- {key.replace('_', ' ')}: {value:,}")
    lines += ["", "| system | EX | test suite | incorrect, original | incorrect, suite |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for name, row in results["accuracy"].items():
        before, after = row["original"], row["suite"]
        cells = (before["spider"], after["spider"], before["incorrect"], after["incorrect"])
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    lines += ["", "| held out | non-equivalent | original | suite | all instances |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for kind, row in results.get("held_out", {}).items():
        percents = [row[f"{name}_percent"] for name in ("original", "suite", "all_instances")]
        cells = " | ".join(f"{percent:.2f} %" for percent in percents)
        lines.append(f"| {kind} | {row['non_equivalent']:,} | {cells} |")
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--spider", required=True, metavar="DIR", help="folder with dev.json and database/")
    add("--predictions", nargs="+", default=[], metavar="FILE", help="JSON lines, of Spider dev")
    add("--suite", metavar="DIR", help="measure this suite (default: make one)")
    add(
        "--num-random", type=int, default=500, help="random databases per original; 0 = no held-out"
    )
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder for the results")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
