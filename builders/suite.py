# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Make a test suite: variants of each database on which near misses of its golds go wrong.

Sources:   the golds and databases of Spider (--spider), BIRD (--bird) or a set that a builder wrote
           (--data); the suite inherits their licence.
Layout:    `<db_id>/<db_id>.sqlite`, the original, `<db_id>/<n>.sqlite`, `<db_id>/index.json`, and
           `facts.json`; official evaluators take such a folder as their database folder.
Time:      minutes on 2 cores for Spider dev; a rerun makes only what is missing or has changed.

    python builders/suite.py --spider DIR --split dev --out DIR
    python builders/suite.py --data sense/strong --split test --out DIR
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sense.command import run_script
from sense.database import database_paths, unknown_database
from sense.facts import FACTS_FILE, Input, collect_facts, file_sha256, text_table, write_facts
from sense.inputs.question import load_questions
from sense.inputs.reading import BIRD_FILES, SPIDER_FILES, read_bird, read_spider
from sense.publishing.license import SEEDS
from sense.publishing.source import dataset_source
from sense.shown import first_few
from sense.suites.distilling import DistilSettings, MadeSuite, SuiteJob, make_database_suite
from sense.workers import WorkerFailure, map_in_workers


def main() -> None:
    arguments = parse_arguments()
    started = time.monotonic()
    golds, paths = read_golds(arguments)
    check_folder(Path(arguments.out), golds)
    settings = DistilSettings(arguments.seed, arguments.max_variants)
    jobs = [
        SuiteJob(db_id, str(paths[db_id]), tuple(golds[db_id]), arguments.out, settings)
        for db_id in sorted(golds, key=lambda db_id: (-len(golds[db_id]), db_id))
    ]
    suites = list(make_suites(jobs, arguments.num_workers))
    counts = count(suites)
    if any(suite.is_new for suite in suites) or not Path(arguments.out, FACTS_FILE).is_file():
        facts = collect_facts(
            "builders/suite.py",
            seed=arguments.seed,
            settings={"split": arguments.split, "limit": arguments.limit, **asdict(settings)},
            inputs=inputs(arguments),
            results=counts,
            seconds=time.monotonic() - started,
        )
        write_facts(facts, arguments.out)
    print(text_table([("suite", "count"), *counts.items()]))
    print(f"\nfolder  {Path(arguments.out).absolute()}")


def read_golds(arguments: argparse.Namespace) -> tuple[dict[str, dict[str, None]], dict[str, Path]]:
    """The distinct golds of each database in the order of the questions, and the databases."""
    golds: dict[str, dict[str, None]] = {}
    if arguments.data:
        questions = load_questions(arguments.data, arguments.split, arguments.databases)
        paths = {question.example.db_id: Path(question.db_path) for question in questions}
        for question in questions[: arguments.limit]:
            golds.setdefault(question.example.db_id, {})[question.example.sql] = None
        return golds, paths
    folder = arguments.spider or arguments.bird
    read = read_spider if arguments.spider else read_bird
    for row in list(read(folder, arguments.split))[: arguments.limit]:
        golds.setdefault(row["db_id"], {})[row["sql"]] = None
    places = [Path(folder) / name for name in ("database", f"{arguments.split}_databases")]
    databases = arguments.databases or next((p for p in places if p.is_dir()), places[0])
    paths = database_paths(databases)
    for db_id in golds:
        if db_id not in paths:
            raise unknown_database(db_id, databases, paths)
    return golds, paths


def check_folder(out: Path, golds: Mapping[str, object]) -> None:
    """Raises ValueError where the folder holds what the suite would not replace."""
    known = {*golds, FACTS_FILE}
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    others = [name for name in names if name not in known and not name.startswith(".")]
    if others:
        raise ValueError(
            f"{out} holds {first_few(others)}, which is not part of this suite; name a new "
            "folder, or that of an earlier run over the same databases"
        )


def make_suites(jobs: Sequence[SuiteJob], num_workers: int) -> Iterator[MadeSuite]:
    """The suites of the databases, the largest first, with a progress bar."""
    results = map_in_workers(make_database_suite, jobs, num_workers, max_seconds=0)
    for job, made in zip(jobs, tqdm(results, total=len(jobs), unit="database"), strict=True):
        if isinstance(made, WorkerFailure):
            raise RuntimeError(
                f"the worker that made the suite of '{job.db_id}' died twice: {made.error}. Leave "
                "the database out, or run with --num-workers 0 to see the error itself"
            )
        yield made


def count(suites: Sequence[MadeSuite]) -> dict[str, Any]:
    """What the suite holds, over all databases."""
    golds = [entry for suite in suites for entry in suite.content["golds"].values()]
    return {
        "databases": len(suites),
        "golds": len(golds),
        "instances": sum(len(suite.content["instances"]) for suite in suites),
        "instances per gold, the most": max((len(g["instances"]) for g in golds), default=0),
        "near misses": sum(gold["near_misses"] for gold in golds),
        "separated by the original": sum(gold["by_original"] for gold in golds),
        "separated by variants": sum(gold["by_variants"] for gold in golds),
    }


def inputs(arguments: argparse.Namespace) -> list[Input]:
    """What the golds were read from, with the licence that the suite inherits."""
    if arguments.data:
        return [dataset_source(arguments.data)]
    names = SPIDER_FILES[arguments.split] if arguments.spider else [BIRD_FILES[arguments.split]]
    paths = [Path(arguments.spider or arguments.bird, name) for name in names]
    name = "Spider" if arguments.spider else "BIRD"
    license, url = next((seed.license, seed.url) for seed in SEEDS if seed.name == name)
    return [
        Input(p.name, "file", sha256=file_sha256(p), license=license, url=url)
        for p in paths
        if p.is_file()
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--spider", metavar="DIR", help="folder with dev.json and database/")
    source.add_argument("--bird", metavar="DIR", help="folder with dev.json and its databases")
    source.add_argument("--data", metavar="SOURCE", help="set that a builder wrote")
    add("--split", default="", help="train or dev (default: dev); of --data: test by default")
    add("--databases", metavar="DIR", help="folder of SQLite files, if not that of the set")
    add("--limit", type=int, metavar="N", help="read only the first N questions")
    add("--max-variants", type=int, default=400, metavar="N", help="tried per database")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write, or of an earlier run")
    arguments = parser.parse_args()
    arguments.split = arguments.split or ("test" if arguments.data else "dev")
    if not arguments.data and arguments.split not in SPIDER_FILES:
        parser.error(f"--split {arguments.split}: expected one of {', '.join(SPIDER_FILES)}")
    return arguments


if __name__ == "__main__":
    run_script(main)
