"""How small witnesses are, and how long they take, over the wrong predictions of systems.

    python benchmarks/witness.py --predictions FILE.jsonl ... --databases DIR --out witness.json

Wrong are the predictions that run and that the strict rule judges `incorrect`; each question counts
once per text of a wrong answer. One process; the time is that of `shrink` alone.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from tqdm import tqdm

from sense.command import run_script
from sense.database import database_paths
from sense.inputs.reading import read_predictions
from sense.verdict import Unit, judge_all
from sense.witness import shrink

MAX_ROWS, MAX_SECONDS = 4, 2.0
"""The bars: the median of all rows, and the seconds within which 95 % should be done."""


class Wrong(NamedTuple):
    """A question and a wrong answer to it."""

    db_path: str
    gold_sql: str
    predicted_sql: str


def wrong_predictions(
    files: Sequence[Path], databases: Path, limit: int | None, num_workers: int
) -> Iterator[Wrong]:
    """The distinct wrong answers of the files, in their order; limit: only the first of each."""
    paths = database_paths(databases)
    asked = {
        Wrong(str(paths[p.db_id]), p.gold, p.pred): None
        for file in files
        for p in itertools.islice(read_predictions(file), limit)
    }
    units = (Unit((w.db_path,), w.gold_sql, (w.predicted_sql,)) for w in asked)
    for wrong, (_, [judgement]) in zip(
        asked, judge_all(units, num_workers=num_workers), strict=True
    ):
        is_result = judgement.reason not in ("error", "refused")
        if judgement.verdict == "incorrect" and is_result:
            yield wrong


def measured(wrong: Wrong) -> dict[str, Any]:
    """Rows and seconds of one witness; `rows` None where none was found."""
    start, start_cpu = time.perf_counter(), time.process_time()
    witness = shrink(*wrong)
    return {
        "db_id": Path(wrong.db_path).stem,
        "gold": wrong.gold_sql,
        "predicted": wrong.predicted_sql,
        "rows": witness.num_rows if witness else None,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
    }


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the bars are held against."""
    rows = [result["rows"] for result in results if result["rows"] is not None]
    clocks = {name: [r[name] for r in results] for name in ("seconds", "cpu_seconds")}
    return {
        "wrong": len(results),
        "with_witness": len(rows),
        "median_rows": median(rows),
        "num_by_rows": dict(sorted(Counter(rows).items())),
        **{f"median_{name}": median(values) for name, values in clocks.items()},
        **{f"p95_{name}": quantiles(values, n=20)[-1] for name, values in clocks.items()},
        **{
            f"share_within_{MAX_SECONDS:g}_{name}": sum(v <= MAX_SECONDS for v in values)
            / len(values)
            for name, values in clocks.items()
        },
    }


def main(argv: Sequence[str] | None = None) -> None:
    """`python benchmarks/witness.py --predictions FILE ... --databases DIR --out FILE`."""
    parser = argparse.ArgumentParser(description="Measure witnesses of wrong predictions.")
    parser.add_argument("--predictions", type=Path, nargs="+", required=True)
    parser.add_argument("--databases", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON: the summary and each result")
    parser.add_argument("--limit", type=int, help="take only the first questions of each file")
    parser.add_argument("--num-workers", type=int, default=1, help="for judging, default 1")
    args = parser.parse_args(argv)
    wrong = list(wrong_predictions(args.predictions, args.databases, args.limit, args.num_workers))
    results = [measured(each) for each in tqdm(wrong, desc="witnesses")]
    found = summary(results)
    args.out.write_text(json.dumps({"summary": found, "results": results}, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    is_met = found["median_rows"] <= MAX_ROWS and found["p95_seconds"] <= MAX_SECONDS
    print(
        f"median {found['median_rows']:g} rows (bar {MAX_ROWS}), 95 % within "
        f"{found['p95_seconds']:.2f} s (bar {MAX_SECONDS:g}): {'met' if is_met else 'missed'}"
    )


if __name__ == "__main__":
    run_script(main)
