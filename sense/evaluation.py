"""Predictions scored by a named rule: one outcome per question, then accuracy with intervals.

`correct` is what the named rule says, 0 or 1; `verdict` and `reason` are our own three-state
judgement of the same answer and stand beside it. A question whose gold does not run counts as 0,
as in the official scripts; the report says how many there are.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sense.database import unknown_database
from sense.example import HARDNESS_LEVELS
from sense.facts import Facts, write_facts
from sense.metrics import Score, mcnemar, score, score_by
from sense.question import Question, gold_hardness
from sense.reading import Prediction
from sense.verdict import Rule, Unit, judge_all

RULE_TEXT: dict[Rule, str] = {
    "spider": "Spider's execution match (test-suite script, DISTINCT dropped)",
    "bird": "BIRD's execution accuracy (equal sets of rows)",
    "strict": "strict (bags of rows, row order where gold orders, column order kept)",
}


CUT_CHARS = 80  # of a question in an error


class Outcome(NamedTuple):
    """One line of `per_example.jsonl`."""

    idx: int
    db_id: str
    question: str
    hardness: str
    """Spider's level of gold; "" where gold is no query."""
    gold_sql: str
    predicted_sql: str
    correct: int
    """1 where the named rule accepts the prediction, else 0."""
    verdict: str
    reason: str
    gold_status: str


class Evaluation(NamedTuple):
    """What a folder of recipes/evaluate.py holds."""

    rule: Rule
    outcomes: list[dict[str, Any]]
    """The lines of `per_example.jsonl`."""


def check_predictions(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    questions: Sequence[Question] | None = None,
) -> None:
    """Checks, before any query runs, that each question has a database and one answer.

    databases: file of each `db_id`; questions: all that should have been answered, where known.
    Raises UnknownDatabase for the first `db_id` without a database, ValueError for an `idx` that
    occurs twice, for the first question without an answer and for the first answer to none of them.
    """
    seen: dict[int, Prediction] = {}
    for p in predictions:
        if p.db_id not in databases:
            raise unknown_database(p.db_id, "the given folder", databases)
        if p.idx in seen:
            raise ValueError(
                f"idx {p.idx} occurs twice, for {_cut(seen[p.idx].question)} and "
                f"{_cut(p.question)}; expected one answer per question: evaluate one system at a "
                "time and give each line its own idx"
            )
        seen[p.idx] = p
    if questions:
        _check_answered(predictions, questions)


def _check_answered(predictions: Sequence[Prediction], questions: Sequence[Question]) -> None:
    """Raises ValueError unless each question has one answer and each answer its question."""
    asked = Counter((q.example.db_id, q.example.question, q.example.sql) for q in questions)
    answered = Counter((p.db_id, p.question, p.gold) for p in predictions)
    if missing := asked - answered:
        db_id, question, _ = next(iter(missing))
        raise ValueError(
            f"{missing.total():,} of {len(questions):,} questions have no prediction, the first is "
            f"{_cut(question)} (db_id '{db_id}'); answer every question, with an empty "
            '"pred" where the system gave none'
        )
    if surplus := answered - asked:
        db_id, question, gold = next(iter(surplus))
        again = "is answered twice" if (db_id, question, gold) in asked else "was not asked"
        raise ValueError(
            f"{surplus.total():,} of {len(predictions):,} predictions answer no question of the "
            f"data or one that has its answer; the first, {_cut(question)} (db_id '{db_id}'), "
            f"{again}: leave them out, or name the --split and --limit that were answered"
        )


def evaluate(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Path],
    rule: Rule,
    num_workers: int = 1,
) -> Iterator[Outcome]:
    """One outcome per prediction, in their order.

    databases: file of each `db_id`. Raises DatabaseError for a file that cannot be read.
    """
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
            hardness=gold_hardness(prediction.gold),
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
        "num_without_hardness": sum(not o.hardness for o in outcomes),
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
    if scores["num_without_hardness"]:
        lines += [
            "",
            f"Golds that are no query and have no hardness: {scores['num_without_hardness']}.",
        ]
    for title in ("verdicts", "reasons", "gold_statuses"):
        lines += ["", f"| {title.replace('_', ' ')} | questions |", "|---|---:|"]
        lines += [f"| {name} | {num:,} |" for name, num in scores[title].items()]
    return "\n".join(lines) + "\n"


def compare(folders: Mapping[str, Path]) -> str:
    """A Markdown table of several evaluations of the same questions, by the names given to them.

    The last column tests each against the one above it: exact McNemar on the questions where the
    two differ. Raises ValueError when two folders do not hold the same questions scored by the
    same rule.
    """
    evaluations = [(name, read_evaluation(folder)) for name, folder in folders.items()]
    rule: Rule = evaluations[0][1].rule
    lines = [f"Rule: {RULE_TEXT[rule]}.", ""]
    lines += ["| system | questions | accuracy | 95 % interval | against the line above |"]
    lines += ["|---|---:|---:|---|---|"]
    correct: list[int] = []
    for number, (name, evaluation) in enumerate(evaluations):
        above, correct = correct, [outcome["correct"] for outcome in evaluation.outcomes]
        against = ""
        if number:
            _check_comparable(*evaluations[number - 1], name, evaluation)
            test = mcnemar(above, correct)
            against = f"+{test.only_second} -{test.only_first}, p = {test.p_value:.2g}"
        row = score(correct)
        lines.append(f"| {name} | {row.num:,} | {_shares(row)} | {against} |")
    return "\n".join(lines)


def read_evaluation(folder: Path) -> Evaluation:
    """The rule and the lines of `per_example.jsonl` of a folder of recipes/evaluate.py."""
    for name in ("scores.json", "per_example.jsonl"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} does not exist; expected a folder that recipes/evaluate.py wrote"
            )
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    lines = (folder / "per_example.jsonl").read_text(encoding="utf-8").split("\n")
    return Evaluation(scores["rule"], [json.loads(line) for line in lines if line])


def write_evaluation(
    folder: Path,
    outcomes: Sequence[Outcome],
    rule: Rule,
    facts: Facts,
    predictions: Sequence[Prediction] = (),
) -> dict[str, Any]:
    """The scores; writes them as `scores.json` and `report.md`, with `per_example.jsonl`.

    facts: those of the run, whose results become the scores; predictions: written beside them
    where there are any. The folder must be new or empty, and appears when all is written.
    """
    scores = summarize(outcomes, rule)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        draft = Path(name, "draft")
        draft.mkdir()
        _write_lines(draft / "per_example.jsonl", outcomes)
        if predictions:
            _write_lines(draft / "predictions.jsonl", predictions)
        (draft / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        (draft / "report.md").write_text(report(scores), encoding="utf-8")
        write_facts(replace(facts, results=scores), draft)
        draft.replace(folder)
    return scores


def _write_lines(path: Path, rows: Iterable[Outcome | Prediction]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")


def _check_comparable(first: str, one: Evaluation, second: str, other: Evaluation) -> None:
    if one.rule != other.rule:
        raise ValueError(
            f"{first} was scored by the rule {one.rule}, {second} by {other.rule}; evaluate both "
            "with the same --rule"
        )
    keys = [
        [(o["db_id"], o["question"], o["gold_sql"]) for o in evaluation.outcomes]
        for evaluation in (one, other)
    ]
    if keys[0] != keys[1]:
        raise ValueError(
            f"{first} ({len(keys[0]):,} questions) and {second} ({len(keys[1]):,}) were evaluated "
            "on different questions; evaluate both on the same data and split"
        )


def _score_line(name: str, row: Score) -> str:
    return f"| {name} | {row.num:,} | {row.num_correct:,} | {_shares(row)} |"


def _shares(row: Score) -> str:
    """Two cells: accuracy and interval."""
    return f"{100 * row.accuracy:.1f} % | {100 * row.low:.1f} to {100 * row.high:.1f} %"


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in Score._fields}


def _counts(names: Iterator[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _cut(text: str) -> str:
    return repr(text if len(text) <= CUT_CHARS else text[:CUT_CHARS] + "...")
