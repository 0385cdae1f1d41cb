"""How fast the grammar builds a strong set, and what memory it takes as the set grows.

    python benchmarks/grammar.py --databases DIR [--num 10000 100000] [--num-workers 1 2]
    python benchmarks/grammar.py --invent 1000 --num 1000000 --num-workers 2

Runs `builders/strong.py --teacher grammar` for each size and number of workers: databases checked
and profiled, queries drawn, executed and checked, questions, prompts, journal, Parquet and card.
`rows a second more` is the rate between a size and the next, without what a run costs once. CPU
seconds count all processes; memory is that of all of them together, at most in each tenth of the
run's time (Linux). A million rows take some 15 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sense.command import run_script
from sense.facts import code_version, versions

ROOT = Path(__file__).resolve().parents[1]
KIB_PER_MIB = 1024
SECONDS_PER_SAMPLE = 0.5


class Run(NamedTuple):
    """One run of the builder."""

    rows: int
    workers: int
    seconds: float
    cpu_seconds: float
    mib: list[int]
    """Memory of all processes together, without what they share: the most in each tenth of the
    seconds."""


def main() -> None:
    arguments = parse_arguments()
    runs = [
        timed(source_of(arguments), rows, workers, arguments.seed)
        for workers in arguments.num_workers
        for rows in sorted(arguments.num)
    ]
    if arguments.out:
        result = {"commit": code_version()[0], "versions": versions(), "cores": os.cpu_count()}
        rows = [run._asdict() for run in runs]
        Path(arguments.out).write_text(json.dumps({**result, "runs": rows}, indent=2) + "\n")
    print(report(runs))


def source_of(arguments: argparse.Namespace) -> list[str]:
    """The builder's option for the databases."""
    if arguments.invent:
        return ["--invent", str(arguments.invent)]
    return ["--databases", arguments.databases]


def timed(source: list[str], num_examples: int, num_workers: int, seed: int) -> Run:
    """A run of the builder into a folder that is then removed."""
    with tempfile.TemporaryDirectory(prefix="sense-grammar-") as folder:
        command = [sys.executable, "builders/strong.py", "--teacher", "grammar"]
        command += [*source, "--num-examples", str(num_examples)]
        command += ["--num-workers", str(num_workers), "--seed", str(seed)]
        command += ["--out", str(Path(folder, "strong"))]
        started = time.monotonic()
        with Path(folder, "output").open("w+") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            samples = []
            while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
                samples.append(memory_mib(process.pid))
                time.sleep(SECONDS_PER_SAMPLE)
            _, status, usage = found
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{output.read()[-2000:]}")
        facts = json.loads(Path(folder, "strong", "facts.json").read_text("utf-8"))
        [kept] = [funnel["kept"] for funnel in facts["funnels"] if funnel["name"] == "grammar"]
        return Run(
            rows=kept,
            workers=num_workers,
            seconds=time.monotonic() - started,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            mib=tenths(samples),
        )


def memory_mib(pid: int) -> int:
    """Memory of its own that the process has and those that it started; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    own = int(sizes.get("RssAnon", "0 kB").split()[0]) // KIB_PER_MIB
    return own + sum(memory_mib(int(child)) for child in children)


def tenths(samples: list[int]) -> list[int]:
    """The greatest in each tenth of the samples."""
    edges = [len(samples) * part // 10 for part in range(11)]
    return [max(samples[start:end], default=0) for start, end in pairwise(edges)]


def report(runs: list[Run]) -> str:
    """The runs as a Markdown table."""
    head = [
        *("workers", "rows", "seconds", "rows a second", "rows a second more"),
        *("CPU seconds per 1,000 rows", "MiB by tenths of the time"),
    ]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    before: Run | None = None
    for run in runs:
        more = ""
        if before and before.workers == run.workers:
            more = f"{(run.rows - before.rows) / (run.seconds - before.seconds):,.0f}"
        cells = (
            f"{run.workers}",
            f"{run.rows:,}",
            f"{run.seconds:,.1f}",
            f"{run.rows / run.seconds:,.0f}",
            more,
            f"{run.cpu_seconds / run.rows * 1000:.2f}",
            " ".join(map(str, run.mib)),
        )
        lines.append(f"| {' | '.join(cells)} |")
        before = run
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--databases", metavar="DIR", help="folder of SQLite files")
    source.add_argument("--invent", type=int, metavar="N", help="databases to invent instead")
    add("--num", type=int, nargs="+", default=[10_000, 100_000], help="rows of each run")
    add("--num-workers", type=int, nargs="+", default=[1, 2], help="processes of each run")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--out", metavar="FILE.json", help="where to write the runs")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
