"""Time and memory of the weak builder as its answers grow.

    python benchmarks/weak.py --spider DIR --predictions FILE.jsonl ... --out runs/weak-benchmark

Questions are those of Spider's train and dev. Answers to a question are its gold, near misses of
it and published predictions, drawn at random with repeats as a model repeats itself, so that a
million answers hold some 100,000 distinct ones. For each size of `--num` the builder runs twice:
from a file of these answers, and over what it wrote, to pair anew.

Memory is that of the builder's own process and of its workers together, looked at once a second:
all pages, and those of their own (`Anonymous`), without files that are mapped. Files and runs lie
below `--out`; `weak.json` there keeps each measurement with its memory over time, and a rerun makes
only what is missing: a run that was killed goes on, but counts its own seconds only.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.command import run_script
from sense.facts import code_version, versions
from sense.hardness import UnparsedSqlError
from sense.inputs.reading import read_predictions, read_spider
from sense.mutation import mutate
from sense.schema import Schema, read_schema

ROOT = Path(__file__).resolve().parents[1]
SECONDS_PER_LOOK = 1.0
KIB_PER_MIB = 1024
MAX_NEAR_MISSES = 16
"""Of a gold, a random choice."""

Question = tuple[str, str, str]
"""db_id, words, gold."""


class Memory(NamedTuple):
    """Of the processes at one moment, in MiB."""

    seconds: float
    """Since the start."""
    own: float
    own_anonymous: float
    workers: float
    workers_anonymous: float


class Run(NamedTuple):
    """One run of the builder."""

    num: int
    what: str
    seconds: float
    cpu_seconds: float
    memory: list[Memory]

    def greatest(self, field: str) -> float:
        return max((getattr(moment, field) for moment in self.memory), default=0.0)


def main() -> None:
    arguments = parse_arguments()
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "weak.json"
    runs = {key: _run(value) for key, value in _known(path).items()}
    for num in arguments.num:
        answers = folder / f"answers-{num}.jsonl"
        judged, paired = folder / f"judged-{num}", folder / f"paired-{num}"
        databases = ("--databases", str(Path(arguments.spider, "database")))
        judging = ("--samples", str(answers), *databases, "--num-workers", arguments.num_workers)
        for what, out, options in (
            ("judged", judged, judging),
            ("paired anew", paired, ("--from-samples", str(judged))),
        ):
            if f"{num} {what}" in runs:
                continue
            if not answers.exists():
                write_answers(answers, arguments, num)
            runs[f"{num} {what}"] = timed(num, what, (*options, "--out", str(out)))
            result = {"commit": code_version()[0], "versions": versions(), "cores": os.cpu_count()}
            found = {key: run._asdict() for key, run in runs.items()}
            path.write_text(json.dumps({**result, "runs": found}) + "\n", "utf-8")
    print(report(list(runs.values())))


def write_answers(path: Path, arguments: argparse.Namespace, num: int) -> None:
    """The file of `num` answers, one to each question in turn until there are so many."""
    lots = random.Random(arguments.seed)
    known = {
        question: list(dict.fromkeys([*answers, *near_misses(question, arguments.spider, lots)]))
        for question, answers in published(arguments).items()
    }
    distinct = set()
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        for question, answers in _in_turn(known, num):
            # as a model's samples: half are the first one, a sixth the second ...
            pred = lots.choices(answers, [1 / (n * n + n) for n in range(1, len(answers) + 1)])[0]
            distinct.add(hash((question, pred)))
            db_id, words, gold = question
            row = {"db_id": db_id, "question": words, "gold": gold, "pred": pred}
            file.write(json.dumps(row) + "\n")
    draft.rename(path)
    print(f"{num:,} answers to {len(known):,} questions, {len(distinct):,} of them distinct")


def published(arguments: argparse.Namespace) -> dict[Question, list[str]]:
    """The questions, each with gold and what was published for it."""
    found: dict[Question, list[str]] = {}
    for split in ("train", "dev"):
        for row in read_spider(arguments.spider, split):
            found[row["db_id"], row["question"], row["sql"]] = [row["sql"]]
    for file in arguments.predictions:
        for p in read_predictions(file):
            found.setdefault((p.db_id, p.question, p.gold), [p.gold]).append(p.pred)
    return found


def near_misses(question: Question, spider: str, lots: random.Random) -> list[str]:
    """A random choice of the gold's near misses, the same for each question with this gold."""
    db_id, _, gold = question
    if (db_id, gold) not in _made:
        if db_id not in _schemas:
            _schemas[db_id] = read_schema(Path(spider, "database", db_id, f"{db_id}.sqlite"))
        try:
            found = [mutation.sql for mutation in mutate(gold, _schemas[db_id])]
        except UnparsedSqlError:
            found = []
        _made[db_id, gold] = lots.sample(found, min(len(found), MAX_NEAR_MISSES))
    return _made[db_id, gold]


_schemas: dict[str, Schema] = {}
_made: dict[tuple[str, str], list[str]] = {}


def _in_turn(known: dict[Question, list[str]], num: int) -> Iterator[tuple[Question, list[str]]]:
    while True:
        for item in known.items():
            if not num:
                return
            num -= 1
            yield item


def timed(num: int, what: str, options: Sequence[str]) -> Run:
    """A run of the builder; what it prints goes to a file beside the folder that it writes."""
    command = [sys.executable, "builders/weak.py", *options]
    started = time.monotonic()
    memory = []
    with Path(f"{options[-1]}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while not (done := os.wait4(process.pid, os.WNOHANG))[0]:
            memory.append(_memory(process.pid, time.monotonic() - started))
            time.sleep(SECONDS_PER_LOOK)
    _, status, usage = done
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed; see {options[-1]}.log")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(num, what, time.monotonic() - started, cpu_seconds, memory)


def _memory(pid: int, seconds: float) -> Memory:
    own = _pages(pid)
    workers = [_pages(child) for child in _children(pid)]
    together = [sum(column) for column in zip((0.0, 0.0), *workers, strict=True)]
    return Memory(round(seconds, 1), *own, *together)


def _children(pid: int) -> Iterator[int]:
    """Of all threads of the process, any of which may end while this looks."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, path.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue


def _pages(pid: int) -> tuple[float, float]:
    """MiB in memory, and those of them that are the process's own; 0 where it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    found = dict(line.split(":") for line in text.splitlines()[1:])
    shown = [int(found[name].split()[0]) / KIB_PER_MIB for name in ("Rss", "Anonymous")]
    return round(shown[0], 1), round(shown[1], 1)


def report(runs: Sequence[Run]) -> str:
    """The runs as a Markdown table; memory is the greatest seen."""
    head = ["answers", "run", "seconds", "CPU seconds", "answers a second", "MiB", "own pages"]
    head += ["workers MiB", "own pages"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for run in runs:
        fields = Memory._fields[1:]
        cells = [f"{run.num:,}", run.what, f"{run.seconds:,.0f}", f"{run.cpu_seconds:,.0f}"]
        cells += [f"{run.num / run.seconds:,.0f}", *(f"{run.greatest(f):,.0f}" for f in fields)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _known(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))["runs"]) if path.exists() else {}


def _run(value: dict[str, Any]) -> Run:
    return Run(**value | {"memory": [Memory(*moment) for moment in value["memory"]]})


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--spider", required=True, metavar="DIR", help="as it is downloaded")
    add("--predictions", nargs="*", default=[], metavar="FILE", help="JSON lines over Spider")
    add("--num", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="of answers")
    add("--num-workers", default="2", metavar="N", help="of the builder (default 2)")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--out", required=True, metavar="DIR", help="folder of files, runs and measurements")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
