"""Why a prediction is right or wrong: the verdict, its reason, and the few rows that show it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sense.diagnosis.kind import error_kind
from sense.execution import DEFAULT_LIMITS, Limits
from sense.proofs.proof import is_proved
from sense.verdict import Judgement, Unit, Verdict, judge
from sense.witness import Witness, shrink

SENTENCES = {
    "equal": "both queries return the same rows",
    "proved": "both queries return the same rows on every database on which gold is defined",
    "proof_lost": "both queries return the same rows; the search for a proof did not end",
    "differs": "the queries return different rows",
    "row_order": "the rows are those of gold, in another order",
    "column_order": "the rows are those of gold, with the columns in another order",
    "error": "SQLite does not run the prediction",
    "refused": "the prediction is not a single query that only reads",
    "limit": "the prediction did not end within the limits",
    "crash": "the prediction made SQLite crash",
    "undefined": "the rows are those of gold only as long as they lie in this order in the file",
    "time": "the prediction depends on the clock",
    "random": "the prediction depends on chance",
    "gold_empty": "gold returns nothing here, so that an equal result would prove nothing",
    "gold_order": "gold does not say which rows it returns: some tie where it cuts them off",
    "gold_bare_column": "gold shows a column of which its groups hold several values",
    "gold_time": "gold depends on the clock",
    "gold_random": "gold depends on chance",
    "gold_error": "SQLite does not run gold",
    "gold_refused": "gold is not a single query that only reads",
    "gold_limit": "gold did not end within the limits",
    "gold_crash": "gold made SQLite crash",
    "gold_unparsed": "gold cannot be read well enough to know whether it can judge",
}
"""Reason of a judgement -> what it means."""


class Explanation(NamedTuple):
    """The verdict on one prediction, and what shows it."""

    verdict: Verdict
    reason: str
    """As in `sense.verdict.Judgement`, or `proved`: equal wherever gold is defined."""
    error_kind: str
    """What is wrong with an incorrect prediction, one of `sense.diagnosis.kinds`; "" for others."""
    error: str
    """The message of SQLite, where there is one."""
    witness: Witness | None
    """The few rows on which an incorrect result differs; None where there are none."""

    def __str__(self) -> str:
        """The verdict in a sentence, then the witness."""
        said = SENTENCES.get(self.reason, self.reason)
        error = f": {self.error}" if self.error else ""
        kind = f" Kind of error: {self.error_kind}." if self.error_kind else ""
        sentence = f"{self.verdict} ({self.reason}): {said}{error}.{kind}"
        return f"{sentence}\n\n{self.witness}" if self.witness else sentence


def explain(
    gold: str,
    prediction: str,
    database: str | Path | Sequence[str | Path],
    limits: Limits = DEFAULT_LIMITS,
) -> Explanation:
    """Why the predicted query answers what gold answers, or not: print it, or read its parts.

    database: a SQLite file, or several with one schema, on all of which it must be right. Runs in
    this process. Raises DatabaseError.

    >>> from sense.api import example_database
    >>> gold = "SELECT name FROM pet WHERE age > 2"
    >>> print(explain(gold, "SELECT name FROM pet WHERE age < 2", example_database()))
    incorrect (differs): the queries return different rows. Kind of error: comparison.
    <BLANKLINE>
    table pet
    name  age
    ----  ---
    Rex     3
    <BLANKLINE>
    gold returns
    name
    ----
    Rex
    <BLANKLINE>
    prediction returns
    name
    ----
    """
    paths = [database] if isinstance(database, str | Path) else list(database)
    unit = Unit(tuple(map(str, paths)), gold, (prediction,))
    _, [judgement] = judge(unit, limits=limits)
    error = _error(judgement)
    if judgement.verdict != "incorrect":
        is_equal = judgement.verdict == "correct" and is_proved(paths[0], gold, prediction)
        reason = "proved" if is_equal else judgement.reason
        return Explanation(judgement.verdict, reason, "", error, None)
    witness = None if error else _witness(unit, limits)
    kind = error_kind(gold, prediction, error)
    return Explanation(judgement.verdict, judgement.reason, kind, error, witness)


def _witness(unit: Unit, limits: Limits) -> Witness | None:
    """From the first database on which the prediction is incorrect."""
    for path in unit.db_paths:
        is_only = len(unit.db_paths) == 1
        if is_only or _is_incorrect(unit._replace(db_paths=(path,)), limits):
            return shrink(path, unit.gold_sql, unit.predicted_sqls[0], limits)
    return None


def _is_incorrect(unit: Unit, limits: Limits) -> bool:
    _, [judgement] = judge(unit, limits=limits)
    return judgement.verdict == "incorrect"


def _error(judgement: Judgement) -> str:
    return json.loads(judgement.witness).get("error", "") if judgement.witness else ""
