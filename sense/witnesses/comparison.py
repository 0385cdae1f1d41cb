"""Two queries of a person side by side: whether they give the same rows, and where they do not."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from sense.denotation import order_matters, strict_comparison
from sense.execution import DEFAULT_LIMITS, Limits, execute
from sense.golds.probe import probes_of
from sense.proofs.proof import is_proved
from sense.result import sentence
from sense.witness import Witness
from sense.witnesses.explanation import explain

PROVED = "Both queries return the same rows, here and on any data in these tables."
SAME = "Both queries return the same rows here. On other data they may differ."
TIES = "Both queries return the same rows here, apart from the order of ties."
DIFFERENT = {
    "differs": "The queries return different rows.",
    "row_order": "The queries return the same rows in another order.",
    "column_order": "The queries return the same rows with the columns in another order.",
}
WITH_WITNESS = " A few rows of the database are enough to show it:"


class QueryComparison(NamedTuple):
    """What is said about two queries."""

    kind: Literal["same", "different", "fault"]
    text: str
    witness: Witness | None = None
    """The few rows on which they differ, the first query in the place of gold."""


def compare_queries(
    db_path: str | Path, first_sql: str, second_sql: str, limits: Limits = DEFAULT_LIMITS
) -> QueryComparison:
    """Whether two queries return the same rows, in the order that the first one asks for.

    Neither is gold: where one leaves its rows open, those that it returns are compared. Raises
    DatabaseError.

    >>> from sense.api import example_database
    >>> database = example_database()
    >>> compare_queries(database, "SELECT name FROM pet", "SELECT p.name FROM pet AS p").text
    'Both queries return the same rows, here and on any data in these tables.'
    >>> found = compare_queries(database, "SELECT name FROM pet", "SELECT max(name) FROM pet")
    >>> found.kind, found.witness.num_rows
    ('different', 2)
    """
    first, second = (execute(db_path, sql, limits) for sql in (first_sql, second_sql))
    for place, execution in (("first", first), ("second", second)):
        if execution.status != "ok":
            return QueryComparison("fault", f"The {place} query: {sentence(execution)}")
    comparison = strict_comparison(first.rows, second.rows, order_matters(first_sql))
    if comparison == "equal":
        is_certain = not (_may_pick_rows(first_sql) or _may_pick_rows(second_sql)) and is_proved(
            db_path, first_sql, second_sql
        )
        return QueryComparison("same", PROVED if is_certain else SAME)
    explained = explain(first_sql, second_sql, db_path, limits)
    if explained.verdict == "correct":
        return QueryComparison("same", TIES)
    witness = explained.witness
    if not witness and comparison == "differs":
        # Where the first returns nothing, only the second can be held against it.
        swapped = explain(second_sql, first_sql, db_path, limits).witness
        witness = swapped and replace(swapped, gold=swapped.predicted, predicted=swapped.gold)
    text = DIFFERENT[comparison] + (WITH_WITNESS if witness else "")
    return QueryComparison("different", text, witness)


def _may_pick_rows(sql: str) -> bool:
    """Whether it may leave open which rows or values it returns, where a proof says little."""
    return probes_of(sql).is_sensitive
