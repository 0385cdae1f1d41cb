"""Labels per second, and time and memory as candidates grow.

    python benchmarks/label.py --predictions FILE.jsonl ... --databases DIR --out label.json

Questions and answers come from published predictions; each candidate is an answer under a comment
of its own, so that no two texts are equal and every one is executed. Short answers take at most
5,000 steps of SQLite's machine, heavy ones 200,000 to 20 million.

First, labels per second with 1 and 2 workers: our verdicts with BIRD's score beside them, that
score alone, and the pattern that other projects use to get it: one task per candidate for
`multiprocessing.Pool.apply_async`, in it a thread that is given up after 30 s, a new connection,
gold run again, and sets of rows compared. Then `judge_all` over 10,000, 100,000 and 1,000,000 short
candidates: seconds, and the greatest memory of the parent and of a worker.
Each measurement is a process of its own and stands in `--out` when it is done; a rerun does the
others. A size that would take longer than `--max-minutes`, by what the smaller ones took, is cut.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from sense.database import database_paths
from sense.execution import execute
from sense.facts import code_version, versions
from sense.inputs.reading import read_predictions
from sense.scores.scoring import Unit, score_all
from sense.sqlite.connection import forget_connections
from sense.verdict import judge_all

Kind = Literal["short", "heavy"]
Who = Literal["verdicts", "scores", "peers"]

STEPS: dict[Kind, tuple[int, int]] = {"short": (0, 5_000), "heavy": (200_000, 20_000_000)}
RATE_SIZES: dict[Kind, int] = {"short": 20_000, "heavy": 400}
SCALE_SIZES = (10_000, 100_000, 1_000_000)
CANDIDATES_PER_QUESTION = 16
PEER_SECONDS = 30.0


class Task(NamedTuple):
    """A question and answers to it, all of one kind."""

    db_path: str
    gold_sql: str
    answers: tuple[str, ...]


class Measurement(NamedTuple):
    """One process; memory in MB at its greatest."""

    num: int
    seconds: float
    per_second: float
    cpu_seconds: float
    """Of the parent and its workers, their start-up included."""
    accepted: int
    """Candidates whose set of rows is gold's."""
    parent_mb: float
    worker_mb: float


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure:
        who, kind, num, num_workers = arguments.measure.split()
        found = measure(arguments, who, kind, int(num), int(num_workers))
        print(json.dumps(found._asdict()))
        return
    results = read_results(arguments.out)
    for kind, num_workers in itertools.product(get_args(Kind), (1, 2)):
        for who in get_args(Who):
            finish(results, arguments, who, kind, RATE_SIZES[kind], num_workers)
    previous: Mapping[str, Any] = {}
    for size in SCALE_SIZES:
        num = affordable(size, previous, arguments.max_minutes)
        previous = finish(results, arguments, "verdicts", "short", num, arguments.num_workers)
        if num < size:
            print(f"{size:,} would take over {arguments.max_minutes} minutes; {num:,} were judged")
            break


def affordable(size: int, previous: Mapping[str, Any], max_minutes: float) -> int:
    """`size`, or the candidates that fit in the time at the rate of the previous measurement."""
    if not previous:
        return size
    return min(size, int(previous["per_second"] * 60 * max_minutes))


def finish(
    results: dict[str, Any],
    arguments: argparse.Namespace,
    who: Who,
    kind: Kind,
    num: int,
    num_workers: int,
) -> Mapping[str, Any]:
    """The measurement, made in a new process unless it is there; saved and printed."""
    key = f"{who} {kind} {num} {num_workers}"
    if key not in results["measurements"]:
        options = ["--databases", arguments.databases, "--out", str(arguments.out)]
        command = [sys.executable, __file__, "--predictions", *arguments.predictions, *options]
        done = subprocess.run(
            [*command, "--measure", key], stdout=subprocess.PIPE, text=True, check=True
        )
        results["measurements"][key] = json.loads(done.stdout)
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    found: Mapping[str, Any] = results["measurements"][key]
    print(
        f"{who:<8} {kind:<5} {num_workers} workers {num:>9,} candidates {found['seconds']:8.1f} s "
        f"{found['per_second']:8,.0f} labels/s  "
        f"{found['cpu_seconds']:8.1f} s of cores  parent {found['parent_mb']:5.0f} MB  worker "
        f"{found['worker_mb']:5.0f} MB  {found['accepted']:,} accepted",
        flush=True,
    )
    return found


def read_results(path: Path) -> dict[str, Any]:
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    return {"commit": code_version()[0], "versions": versions(), "measurements": {}}


def measure(
    arguments: argparse.Namespace, who: Who, kind: Kind, num: int, num_workers: int
) -> Measurement:
    """The labels in this process and its workers."""
    tasks = read_tasks(arguments.predictions, arguments.databases, kind)
    label = LABELS[who]
    forget_connections()  # to the databases that the tasks were chosen on
    cpu_before = time.process_time()
    started = time.perf_counter()
    accepted = Counter(label(units(tasks, num), num_workers))
    seconds = time.perf_counter() - started
    if accepted.total() != num:
        raise RuntimeError(f"{accepted.total():,} labels for {num:,} candidates")
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Measurement(
        num=num,
        seconds=seconds,
        per_second=num / seconds,
        cpu_seconds=sum(usage.ru_utime + usage.ru_stime for usage in usages) - cpu_before,
        accepted=accepted[1],
        parent_mb=usages[0].ru_maxrss / 1024,
        worker_mb=usages[1].ru_maxrss / 1024,
    )


def read_tasks(files: Sequence[str], databases: str, kind: Kind) -> list[Task]:
    """Questions in the order of the files, with the distinct answers of the kind."""
    paths = database_paths(databases)
    least, most = STEPS[kind]
    answers: dict[tuple[str, str], dict[str, None]] = {}
    for prediction in (p for file in files for p in read_predictions(file)):
        key = (str(paths[prediction.db_id]), prediction.gold)
        answers.setdefault(key, {})[prediction.pred] = None
    tasks = []
    for (path, gold), sqls in answers.items():
        of_kind = tuple(sql for sql in sqls if least <= num_steps(path, sql) <= most)
        if of_kind and num_steps(path, gold) <= most:
            tasks.append(Task(path, gold, of_kind))
    return tasks


def num_steps(path: str, sql: str) -> int:
    """Steps of a query that ends; -1 for others."""
    execution = execute(path, sql)
    return execution.steps if execution.status == "ok" else -1


def units(tasks: Sequence[Task], num: int) -> Iterator[Unit]:
    """`num` candidates, 16 per question and round, no two with the same text."""
    number = 0
    for task in itertools.cycle(tasks):
        size = min(CANDIDATES_PER_QUESTION, num - number)
        if not size:
            return
        sqls = itertools.islice(itertools.cycle(task.answers), size)
        candidates = tuple(f"/* {n} */ {sql}" for n, sql in enumerate(sqls, start=number))
        number += size
        yield Unit((task.db_path,), task.gold_sql, candidates)


def verdict_labels(units: Iterator[Unit], num_workers: int) -> Iterator[int]:
    for _, judgements in judge_all(units, rules=("bird",), num_workers=num_workers):
        for judgement in judgements:
            yield judgement.scores["bird"]


def score_labels(units: Iterator[Unit], num_workers: int) -> Iterator[int]:
    for unit_scores in score_all(units, rules=("bird",), num_workers=num_workers):
        for scores in unit_scores:
            yield scores["bird"] or 0


def peer_labels(units: Iterator[Unit], num_workers: int) -> Iterator[int]:
    labels: list[int] = []
    with multiprocessing.Pool(num_workers) as pool:
        for unit in units:
            for sql in unit.predicted_sqls:
                pair = (unit.db_paths[0], unit.gold_sql, sql)
                pool.apply_async(peer_label, pair, callback=labels.append)
        pool.close()
        pool.join()
    return iter(labels)


def peer_label(db_path: str, gold_sql: str, predicted_sql: str) -> int:
    """1 where the rows are equal as sets; 0 else, also for errors and after the time."""
    result = [0]

    def work() -> None:
        connection = sqlite3.connect(db_path)
        try:
            predicted = connection.execute(predicted_sql).fetchall()
            gold = connection.execute(gold_sql).fetchall()
            result[0] = int(set(predicted) == set(gold))
        except sqlite3.Error:
            result[0] = 0
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PEER_SECONDS)
    return 0 if thread.is_alive() else result[0]


LABELS: dict[Who, Callable[[Iterator[Unit], int], Iterator[int]]] = {
    "verdicts": verdict_labels,
    "scores": score_labels,
    "peers": peer_labels,
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, metavar="FILE", help="JSON lines")
    add("--databases", required=True, metavar="DIR", help="SQLite files of their db_ids")
    add("--out", required=True, type=Path, metavar="FILE", help="JSON; measurements in it are kept")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="for the growing sizes")
    add("--max-minutes", type=float, default=20.0, help="of one measurement (default 20)")
    add("--measure", metavar="WHO KIND NUM WORKERS", help="only this one, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
