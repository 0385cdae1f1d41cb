"""Predictions scored by a named rule: one outcome per question, then accuracy with intervals.

`correct` is what the named rule says, 0 or 1; `verdict` and `reason` are our own three-state
judgement of the same answer and stand beside it. A question whose gold does not run counts as 0,
as in the official scripts; the report says how many there are.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.database import unknown_database
from sense.example import HARDNESS_LEVELS
from sense.hardness import hardness
from sense.metrics import Score, mcnemar, score, score_by
from sense.reading import Prediction
from sense.verdict import Rule, Unit, judge_all

RULE_TEXT: dict[Rule, str] = {
    "spider": "Spider's execution match (test-suite script, DISTINCT dropped)",
    "bird": "BIRD's execution accuracy (equal sets of rows)",
    "strict": "strict (bags of rows, row order where gold orders, column order kept)",
}


class Outcome(NamedTuple):
    """One line of `per_example.jsonl`."""

    idx: int
    db_id: str
    question: str
    hardness: str
    gold_sql: str
    predicted_sql: str
    correct: int
    """1 where the named rule accepts the prediction, else 0."""
    verdict: str
    reason: str
    gold_status: str


def evaluate(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    rule: Rule,
    num_workers: int = 1,
) -> Iterator[Outcome]:
    """One outcome per prediction, in their order.

    databases: file of each `db_id`. Raises UnknownDatabase for the first `db_id` that has none,
    before any query runs.
    """
    for prediction in predictions:
        if prediction.db_id not in databases:
            raise unknown_database(prediction.db_id, "the given folder", databases)
    units = (
        Unit((str(databases[p.db_id]),), gold_sql=p.gold, predicted_sqls=(p.pred,))
        for p in predictions
    )
    judged = judge_all(units, rules=(rule,), num_workers=num_workers)
    for prediction, (gold_status, [judgement]) in zip(predictions, judged, strict=True):
        yield Outcome(
            idx=prediction.idx,
            db_id=prediction.db_id,
            question=prediction.question,
            hardness=hardness(prediction.gold),
            gold_sql=prediction.gold,
            predicted_sql=prediction.pred,
            correct=judgement.scores[rule],
            verdict=judgement.verdict,
            reason=judgement.reason,
            gold_status=gold_status,
        )


def summarize(outcomes: Sequence[Outcome], rule: Rule) -> dict[str, Any]:
    """The content of `scores.json`: execution accuracy overall and by hardness, verdicts, golds."""
    by_hardness = score_by((o.hardness, o.correct) for o in outcomes)
    return {
        "metric": "execution_accuracy",
        "rule": rule,
        **score([o.correct for o in outcomes])._asdict(),
        "by_hardness": {
            level: by_hardness[level]._asdict() for level in HARDNESS_LEVELS if level in by_hardness
        },
        "verdicts": _counts(o.verdict for o in outcomes),
        "reasons": _counts(o.reason for o in outcomes),
        "gold_statuses": _counts(o.gold_status for o in outcomes),
        "num_databases": len({o.db_id for o in outcomes}),
    }


def report(scores: Mapping[str, Any]) -> str:
    """`scores.json` as Markdown for people."""
    rule: Rule = scores["rule"]
    lines = [
        "# Execution accuracy",
        "",
        f"Rule: {RULE_TEXT[rule]}. {scores['num']:,} questions over {scores['num_databases']:,} "
        "databases; intervals are Wilson's, 95 %.",
        "",
        "| hardness | questions | correct | accuracy | 95 % interval |",
        "|---|---:|---:|---:|---|",
    ]
    rows = {**scores["by_hardness"], "**all**": scores}
    lines += [_score_line(name, Score(**_fields(row))) for name, row in rows.items()]
    for title in ("verdicts", "reasons", "gold_statuses"):
        lines += ["", f"| {title.replace('_', ' ')} | questions |", "|---|---:|"]
        lines += [f"| {name} | {num:,} |" for name, num in scores[title].items()]
    return "\n".join(lines) + "\n"


def compare(folders: Mapping[str, Path]) -> str:
    """A Markdown table of several evaluations of the same questions, by the names given to them.

    The last column tests each against the one above it: exact McNemar on the questions where the
    two differ. Raises ValueError when two folders do not hold the same questions.
    """
    lines = ["| system | questions | accuracy | 95 % interval | against the line above |"]
    lines += ["|---|---:|---:|---|---|"]
    above: tuple[str, list[dict[str, Any]]] | None = None
    for name, folder in folders.items():
        outcomes = read_outcomes(folder)
        correct = [outcome["correct"] for outcome in outcomes]
        against = ""
        if above:
            _check_same_questions(*above, name, outcomes)
            test = mcnemar([outcome["correct"] for outcome in above[1]], correct)
            against = f"+{test.only_second} -{test.only_first}, p = {test.p_value:.2g}"
        row = score(correct)
        percent = f"{100 * row.accuracy:.1f} % | {100 * row.low:.1f} to {100 * row.high:.1f} %"
        lines.append(f"| {name} | {row.num:,} | {percent} | {against} |")
        above = name, outcomes
    return "\n".join(lines)


def read_outcomes(folder: Path) -> list[dict[str, Any]]:
    """The lines of `per_example.jsonl`."""
    path = folder / "per_example.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a folder of recipes/evaluate.py")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_outcomes(outcomes: Sequence[Outcome], rule: Rule, folder: Path) -> dict[str, Any]:
    """The scores; writes `scores.json`, `per_example.jsonl` and `report.md` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = summarize(outcomes, rule)
    with (folder / "per_example.jsonl").open("w", encoding="utf-8") as file:
        for outcome in outcomes:
            file.write(json.dumps(outcome._asdict(), ensure_ascii=False) + "\n")
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(report(scores), encoding="utf-8")
    return scores


def _check_same_questions(
    first: str, ones: Sequence[Mapping[str, Any]], second: str, others: Sequence[Mapping[str, Any]]
) -> None:
    keys = [[(o["db_id"], o["question"], o["gold_sql"]) for o in side] for side in (ones, others)]
    if keys[0] != keys[1]:
        raise ValueError(
            f"{first} ({len(ones):,} questions) and {second} ({len(others):,}) were evaluated on "
            "different questions; evaluate both on the same data and split"
        )


def _score_line(name: str, row: Score) -> str:
    percent = f"{100 * row.accuracy:.1f} % | {100 * row.low:.1f} to {100 * row.high:.1f} %"
    return f"| {name} | {row.num:,} | {row.num_correct:,} | {percent} |"


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in Score._fields}


def _counts(names: Iterator[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
