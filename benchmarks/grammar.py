"""How fast the grammar builds a strong set, and what memory it takes as the set grows.

    python benchmarks/grammar.py --databases DIR [--num 10000 100000] [--num-workers 1 2]

Runs `builders/strong.py --teacher grammar` for each size and number of workers: databases checked
and profiled, queries drawn, executed and checked, questions, prompts, journal, Parquet and card.
`rows a second more` is the rate between a size and the next, without what a run costs once. CPU
seconds count all processes; memory is that of the largest one. A million rows take hours and some
20 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from sense.command import run_script
from sense.facts import code_version, versions

ROOT = Path(__file__).resolve().parents[1]
KIB_PER_MIB = 1024


class Run(NamedTuple):
    """One run of the builder."""

    rows: int
    workers: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Of the largest process."""


def main() -> None:
    arguments = parse_arguments()
    runs = [
        timed(arguments.databases, rows, workers, arguments.seed)
        for workers in arguments.num_workers
        for rows in sorted(arguments.num)
    ]
    if arguments.out:
        result = {"commit": code_version()[0], "versions": versions(), "cores": os.cpu_count()}
        rows = [run._asdict() for run in runs]
        Path(arguments.out).write_text(json.dumps({**result, "runs": rows}, indent=2) + "\n")
    print(report(runs))


def timed(databases: str, num_examples: int, num_workers: int, seed: int) -> Run:
    """A run of the builder into a folder that is then removed."""
    with tempfile.TemporaryDirectory(prefix="sense-grammar-") as folder:
        command = [sys.executable, "builders/strong.py", "--teacher", "grammar"]
        command += ["--databases", databases, "--num-examples", str(num_examples)]
        command += ["--num-workers", str(num_workers), "--seed", str(seed)]
        command += ["--out", str(Path(folder, "strong"))]
        started = time.monotonic()
        with Path(folder, "output").open("w+") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
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
            peak_mib=usage.ru_maxrss / KIB_PER_MIB,
        )


def report(runs: list[Run]) -> str:
    """The runs as a Markdown table."""
    head = ("workers", "rows", "seconds", "rows a second", "rows a second more")
    head += ("CPU seconds per 1,000 rows", "peak MiB")
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
            f"{run.peak_mib:,.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
        before = run
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--databases", required=True, metavar="DIR", help="folder of SQLite files")
    add("--num", type=int, nargs="+", default=[10_000, 100_000], help="rows of each run")
    add("--num-workers", type=int, nargs="+", default=[1, 2], help="processes of each run")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--out", metavar="FILE.json", help="where to write the runs")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
