"""Seconds to score files of predictions: Spider's official evaluator, ours, and a bare SQLite loop.

    git clone https://github.com/taoyds/test-suite-sql-eval OFFICIAL
    python benchmarks/evaluate.py --predictions FILE.jsonl ... --databases DIR --official OFFICIAL \
        --official-python PYTHON --out evaluate.json

For each file in turn, whole processes on the same cores, nothing kept between them: the official
`evaluation.py --etype exec`, `recipes/evaluate.py --rule spider --scores-only`, which gives the
same scores, and `benchmarks/bare.py`. Beside them the same recipe without `--scores-only`, which
also checks golds, judges by our own rule, tells error kinds and shrinks witnesses. The official one
runs unmodified on PYTHON, an interpreter with nltk and sqlparse. Without nltk's data on sentences
it would stop; then its texts are not cut into sentences, which saves it some time. Both run once
before the clock does, so that Python has compiled them.
Goals: 20 times as fast over all files together, 6 times on each; at most 1.5 times the bare loop
plus a second of start-up.
"""

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.facts import code_version, versions
from sense.inputs.reading import Prediction, read_predictions

ROOT = Path(__file__).resolve().parents[1]
GOAL_TOGETHER = 20.0
GOAL_EACH = 6.0
GOAL_BARE = 1.5
START_UP_SECONDS = 1.0

WHOLE_LINES = """
import functools
import nltk
try:
    nltk.word_tokenize("a b")
except LookupError:
    nltk.word_tokenize = functools.partial(nltk.word_tokenize, preserve_line=True)
"""
"""Run at the start of the official process, as `sitecustomize.py`."""


class Timing(NamedTuple):
    """One process, by the clock and by the cores it and its children used."""

    seconds: float
    cpu_seconds: float
    output: str


class Result(NamedTuple):
    """Medians over the repetitions of one file."""

    system: str
    num_questions: int
    official_seconds: float
    ours_seconds: float
    full_seconds: float
    """Ours with verdicts, error kinds and witnesses."""
    bare_seconds: float
    official_cpu_seconds: float
    ours_cpu_seconds: float
    full_cpu_seconds: float
    official_accuracy: float
    ours_accuracy: float

    @property
    def times_faster(self) -> float:
        return self.official_seconds / self.ours_seconds

    @property
    def allowed_seconds(self) -> float:
        return GOAL_BARE * self.bare_seconds + START_UP_SECONDS


def main() -> None:
    arguments = parse_arguments()
    results = []
    measured(Path(arguments.predictions[0]), argparse.Namespace(**vars(arguments) | {"repeat": 1}))
    for file in arguments.predictions:
        result = measured(Path(file), arguments)
        results.append(result)
        print(line(result), flush=True)
    print(summary(results))
    if arguments.out:
        arguments.out.write_text(json.dumps(report(results, arguments), indent=2) + "\n", "utf-8")


def measured(file: Path, arguments: argparse.Namespace) -> Result:
    """The three on one file, in turn, as often as asked."""
    predictions = list(read_predictions(file))
    official, ours, full, bare = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_official_files(predictions, work)
        for number in range(arguments.repeat):
            official.append(run(*official_command(work, arguments)))
            command = our_command(file, work / f"out{number}", arguments)
            ours.append(run([*command, "--scores-only"]))
            full.append(run(our_command(file, work / f"full{number}", arguments)))
            loop = run([sys.executable, "benchmarks/bare.py", str(file), arguments.databases])
            bare.append(json.loads(loop.output)["seconds"])
        scores = json.loads((work / "out0" / "scores.json").read_text("utf-8"))
    return Result(
        system=file.stem,
        num_questions=len(predictions),
        official_seconds=statistics.median(timing.seconds for timing in official),
        ours_seconds=statistics.median(timing.seconds for timing in ours),
        full_seconds=statistics.median(timing.seconds for timing in full),
        bare_seconds=statistics.median(bare),
        official_cpu_seconds=statistics.median(timing.cpu_seconds for timing in official),
        ours_cpu_seconds=statistics.median(timing.cpu_seconds for timing in ours),
        full_cpu_seconds=statistics.median(timing.cpu_seconds for timing in full),
        official_accuracy=official_accuracy(official[0].output),
        ours_accuracy=scores["accuracy"],
    )


def write_official_files(predictions: Sequence[Prediction], work: Path) -> None:
    """`gold.txt`, `pred.txt` and the start-up file; a query per line, "-" for one without text."""
    with (work / "gold.txt").open("w", encoding="utf-8") as file:
        file.writelines(f"{one_line(p.gold)}\t{p.db_id}\n" for p in predictions)
    with (work / "pred.txt").open("w", encoding="utf-8") as file:
        file.writelines(f"{one_line(p.pred)}\n" for p in predictions)
    (work / "sitecustomize.py").write_text(WHOLE_LINES, "utf-8")


def one_line(sql: str) -> str:
    return " ".join(sql.split("\n")).replace("\t", " ").strip() or "-"


def official_command(work: Path, arguments: argparse.Namespace) -> tuple[list[str], Path, Path]:
    """The command, its folder, and the folder of its start-up file."""
    command = [
        *(arguments.official_python, "-W", "ignore", "evaluation.py", "--etype", "exec"),
        *("--gold", str(work / "gold.txt"), "--pred", str(work / "pred.txt")),
        *("--db", arguments.databases),
    ]
    return command, arguments.official, work


def our_command(file: Path, out: Path, arguments: argparse.Namespace) -> list[str]:
    return [
        *(sys.executable, "recipes/evaluate.py", "--predictions", str(file), "--rule", "spider"),
        *("--databases", arguments.databases, "--out", str(out)),
    ]


def run(command: Sequence[str], folder: Path = ROOT, modules: Path | None = None) -> Timing:
    """The whole process; its output is shown where it fails."""
    environment = os.environ | ({"PYTHONPATH": str(modules)} if modules else {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(seconds, cpu_seconds, done.stdout)


def official_accuracy(output: str) -> float:
    """The share over all levels in what the official evaluator prints, of three digits."""
    found = re.search(r"^execution .* ([01]\.\d+)\s*$", output, re.MULTILINE)
    if not found:
        raise ValueError(f"no line 'execution' in the official output: {output[-500:]!r}")
    return float(found[1])


def line(result: Result) -> str:
    is_equal = abs(result.official_accuracy - result.ours_accuracy) < 0.0006
    return (
        f"{result.system:<20} official {result.official_seconds:6.2f} s, ours "
        f"{result.ours_seconds:5.2f} s ({result.full_seconds:5.2f} with verdicts), "
        f"{result.times_faster:5.1f} times; of cores {result.official_cpu_seconds:5.2f} s, "
        f"{result.ours_cpu_seconds:5.2f} s ({result.full_cpu_seconds:5.2f}); bare loop "
        f"{result.bare_seconds:5.2f} s, allowed {result.allowed_seconds:5.2f} s; accuracy "
        f"{result.ours_accuracy:.3f}{'' if is_equal else f' (official {result.official_accuracy})'}"
    )


def summary(results: Sequence[Result]) -> str:
    """All files together, and whether the goals are met."""
    official = sum(result.official_seconds for result in results)
    ours = sum(result.ours_seconds for result in results)
    bare = sum(result.bare_seconds for result in results)
    least = min(results, key=lambda result: result.times_faster)
    late = [result.system for result in results if result.ours_seconds > result.allowed_seconds]
    cpu = [sum(r.official_cpu_seconds for r in results), sum(r.ours_cpu_seconds for r in results)]
    return (
        f"\nofficial : ours : bare loop = {official:.1f} : {ours:.1f} : {bare:.1f} s\n"
        f"of cores {cpu[0]:.1f} : {cpu[1]:.1f} s, {cpu[0] / cpu[1]:.1f} times\n"
        f"together {official / ours:.1f} times as fast (goal {GOAL_TOGETHER:g})\n"
        f"least on {least.system}, {least.times_faster:.1f} times (goal {GOAL_EACH:g})\n"
        f"over {GOAL_BARE:g} times the bare loop and {START_UP_SECONDS:g} s: "
        f"{', '.join(late) or 'none'}"
    )


def report(results: Sequence[Result], arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "results": [
            {
                **result._asdict(),
                "times_faster": result.times_faster,
                "allowed_seconds": result.allowed_seconds,
            }
            for result in results
        ],
        "repetitions": arguments.repeat,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "load_at_end": os.getloadavg()[0],
        "commit": code_version()[0],
        "versions": versions(),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, metavar="FILE", help="JSON lines")
    add("--databases", required=True, type=absolute, metavar="DIR", help="<db_id>/<db_id>.sqlite")
    add("--official", required=True, type=Path, metavar="DIR", help="checkout of the evaluator")
    add("--official-python", default=sys.executable, metavar="PYTHON", help="with its packages")
    add("--repeat", type=int, default=3, help="of each file; medians count (default 3)")
    add("--out", type=Path, metavar="FILE", help="JSON to write")
    arguments = parser.parse_args()
    arguments.predictions = [absolute(file) for file in arguments.predictions]
    return arguments


def absolute(path: str) -> str:
    return str(Path(path).absolute())


if __name__ == "__main__":
    main()
