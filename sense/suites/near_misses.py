"""Queries one or two edits away from a gold, and whether a database tells them from it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from sense.denotation import order_matters
from sense.execution import Execution, Limits, execute
from sense.hardness import UnparsedSqlError, parse_sql, sql_text
from sense.mutation import Values, mutate
from sense.schema import Schema
from sense.suites.material import Material
from sense.verdict import Unit, judge

LIMITS = Limits(max_steps=20_000_000, max_seconds=10.0)
"""Of one query; most take a few thousand steps on a variant."""
NUM_VALUES = 6
"""Values of a column among which edits look for another text."""
EDITS_PER_EDIT = 3
"""Second edits that are made of one first edit."""


def near_misses(
    gold_sql: str, schema: Schema, values: Values, num_double_edits: int, seed: int
) -> list[str]:
    """All queries one edit from gold, then some two edits away; none is gold itself.

    [] where sqlglot cannot read gold.
    """
    try:
        gold = sql_text(parse_sql(gold_sql))
        singles = [mutation.sql for mutation in mutate(gold_sql, schema, values)]
    except UnparsedSqlError:
        return []
    rng = Random(f"near misses {seed} {gold_sql}")
    found = dict.fromkeys(singles)
    num_first = min(len(singles), -(-num_double_edits // EDITS_PER_EDIT))
    for sql in rng.sample(singles, num_first):
        again = [mutation.sql for mutation in mutate(sql, schema, values)]
        found.update(dict.fromkeys(rng.sample(again, min(EDITS_PER_EDIT, len(again)))))
    found.pop(gold, None)  # a second edit may undo the first
    return list(found)


def mutation_values(material: Material) -> Values:
    """The most frequent values of each column, for edits."""
    return {
        (source.name, column.name): held.values[:NUM_VALUES]
        for source in material.tables
        for column, held in zip(source.table.columns, source.columns, strict=True)
    }


def separated(
    path: str | Path, golds: Sequence[str], by_gold: Mapping[int, Mapping[int, str]]
) -> set[int]:
    """The numbers of the queries that differ from their gold on the database.

    by_gold: place of a gold in `golds` -> number of a query -> its SQL. They differ if the strict
    verdict is `incorrect`; so nothing does where gold is not defined. Raises DatabaseError.
    """
    found: set[int] = set()
    for gold, sqls in by_gold.items():
        execution = execute(path, golds[gold], LIMITS)
        if execution.status != "ok":
            continue
        is_ordered = order_matters(golds[gold])
        suspects = [
            number
            for number, sql in sqls.items()
            if not _are_same(execution, execute(path, sql, LIMITS), is_ordered)
        ]
        if suspects:
            unit = Unit((str(path),), golds[gold], tuple(sqls[number] for number in suspects))
            for number, judgement in zip(suspects, judge(unit, limits=LIMITS)[1], strict=True):
                if judgement.verdict == "incorrect":
                    found.add(number)
    return found


def _are_same(gold: Execution, other: Execution, is_ordered: bool) -> bool:
    """Whether the results are plainly the same; where they are not, the strict rule decides."""
    if other.status != "ok":
        return False
    if gold.rows == other.rows:
        return True
    if is_ordered or len(gold.rows) != len(other.rows):
        return False
    return Counter(gold.rows) == Counter(other.rows)
