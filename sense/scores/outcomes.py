"""What became of one answer, and what the outcomes of a system sum to.

A score column is a rule on the databases, or `suite_` and a rule on a test suite of each; the first
one is the primary, which `correct` follows. `verdict` and `reason` are our own three-state
judgement of the same answer; where only official scores were asked for there is none, and all that
belongs to it is left out of what is written.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sense.example import HARDNESS_LEVELS
from sense.metrics import Score, bootstrap_interval, score, score_by
from sense.prompts.completion import Form
from sense.scores.samples import summary as samples_summary

RULE_TEXT: dict[str, str] = {
    "spider": "Spider's execution match (test-suite script, DISTINCT dropped)",
    "spider_distinct": "Spider's execution match (test-suite script, DISTINCT kept)",
    "bird": "BIRD's execution accuracy (equal sets of rows)",
    "strict": (
        "strict (bags of rows, row order where gold orders, column order kept; an answer that "
        "cannot be told right is wrong)"
    ),
}
SUITE = "suite_"
"""Before a rule: the column of its scores on a test suite."""
NUM_RESAMPLES = 1_000  # of databases; bounds then vary by about a tenth of the interval
OF_VERDICT: tuple[str, ...] = (
    *("verdict", "reason", "gold_status", "error_kind", "witness", "double_quoted_literal"),
)
"""Fields of an outcome that only a judgement fills in."""


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
    """1 where the primary column accepts the prediction, else 0."""
    verdict: str
    """"" where nothing was judged, as then are reason and gold_status."""
    reason: str
    gold_status: str
    scores: dict[str, int | None]
    """1 or 0 per score column, the primary one first; None: not counted, gold cannot judge."""
    form: Form = "query"
    """What the prediction is: a `query`, `empty`, prose ..."""
    error_kind: str = ""
    """What is wrong with an `incorrect` answer; `sense.reports.mistakes` fills it in."""
    witness: str = ""
    """JSON object: a row that only one side returns, or the error; "" if there is none."""
    unfinished: Sequence[str] = ()
    """Official rules whose 0 says only that a query did not end in our time; they have no limit."""
    double_quoted_literal: bool = False
    """Whether the prediction has text in double quotes, which SQLite reads as a string."""
    bird: dict[str, Any] | None = None
    """The fields of `BirdScores`; None unless `with_bird_scores` fills them in."""
    samples: dict[str, Any] | None = None
    """Of several answers to the question, this being the first: `scores`, one per answer by the
    primary column, and `results`, the place of the first answer with the same rows, None for one
    without rows. None unless `sense.scores.samples` fills it in."""


def to_row(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON has it, without the fields of what was not done."""
    row = outcome._asdict()
    left_out = () if outcome.verdict else OF_VERDICT
    left_out += () if outcome.samples else ("samples",)
    return {name: value for name, value in row.items() if name not in left_out}


def from_row(row: Mapping[str, Any]) -> Outcome:
    """The outcome that `to_row` wrote. Raises TypeError for fields that it does not have."""
    return Outcome(**dict.fromkeys(("verdict", "reason", "gold_status"), "") | dict(row))


def summarize(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The content of `scores.json`: accuracy overall and by group, then verdicts, golds, errors.

    At its top stands the primary column; `columns` has all of them. What needs a verdict is absent
    where nothing was judged. Raises ValueError without any
    outcome.
    """
    if not outcomes:
        raise ValueError("there is no prediction to score; expected one per question")
    columns = {name: column_scores(outcomes, name) for name in outcomes[0].scores}
    primary = next(iter(columns))
    return {
        "metric": "test_suite_accuracy" if primary.startswith(SUITE) else "execution_accuracy",
        "rule": primary.removeprefix(SUITE),
        **columns[primary],
        "num_questions": len(outcomes),
        "columns": columns,
        **(_bird_summary(outcomes) if any(o.bird for o in outcomes) else {}),
        **({"samples": samples_summary(outcomes)} if outcomes[0].samples else {}),
        **(_judged_counts(outcomes) if outcomes[0].verdict else {}),
        "forms": _counts(o.form for o in outcomes),
        "unfinished": _counts(rule for o in outcomes for rule in o.unfinished),
        "num_without_hardness": sum(not o.hardness for o in outcomes),
        "num_databases": len({o.db_id for o in outcomes}),
    }


def _bird_summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    from sense.scores.bird import BirdScores, summary

    return {"bird": summary([BirdScores(**o.bird) for o in outcomes if o.bird])}


def _judged_counts(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What only our own judgement says."""
    return {
        "verdicts": _counts(o.verdict for o in outcomes),
        "reasons": _counts(o.reason for o in outcomes),
        "num_unknown_as_wrong": num_unknown_as_wrong(outcomes),
        "gold_statuses": _counts(o.gold_status for o in outcomes),
        "error_kinds": _counts(o.error_kind for o in outcomes if o.error_kind),
        "num_double_quoted_literals": sum(o.double_quoted_literal for o in outcomes),
    }


def num_unknown_as_wrong(outcomes: Sequence[Outcome]) -> int:
    """Answers that are wrong by the strict rule though their verdict is `unknown`.

    Counted is the column that the verdict belongs to: that of a test suite, where there is one.
    """
    prefix = SUITE if next(iter(outcomes[0].scores)).startswith(SUITE) else ""
    return sum(o.verdict == "unknown" and o.scores.get(f"{prefix}strict") == 0 for o in outcomes)


def column_scores(outcomes: Sequence[Outcome], column: str) -> dict[str, Any]:
    """Accuracy by one column with its Wilson interval; by hardness and by database.

    `low_by_database` and `high_by_database` bound it for other databases such as these: questions
    about one database are right or wrong together, which makes that interval the wider one.
    """
    values = [(o, o.scores[column]) for o in outcomes]
    counted = [(o, value) for o, value in values if value is not None]
    levels = score_by((o.hardness, value) for o, value in counted)
    by_database = [(o.db_id, value) for o, value in counted]
    databases = score_by(by_database)
    low, high = bootstrap_interval(by_database, num_resamples=NUM_RESAMPLES)
    return {
        **as_numbers(score([value for _, value in counted])),
        "low_by_database": low,
        "high_by_database": high,
        "num_not_counted": len(values) - len(counted),
        "by_hardness": {
            level: as_numbers(levels[level]) for level in HARDNESS_LEVELS if level in levels
        },
        "by_database": {db_id: as_numbers(databases[db_id]) for db_id in sorted(databases)},
    }


def as_numbers(found: Score) -> dict[str, Any]:
    """The fields of a score as JSON has them: the accuracy of nothing is None, not NaN."""
    values = found._asdict()
    return values | {"accuracy": None if math.isnan(found.accuracy) else found.accuracy}


def column_text(column: str) -> str:
    """What a score column says, for people.

    >>> column_text("suite_bird")
    "BIRD's execution accuracy (equal sets of rows), on every database of the test suite"
    """
    text = RULE_TEXT[column.removeprefix(SUITE)]
    return f"{text}, on every database of the test suite" if column.startswith(SUITE) else text


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
