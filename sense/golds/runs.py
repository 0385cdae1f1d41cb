"""Queries run on behalf of one unit of judging, each spelling once where that gives the same."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from sense.execution import Execution, Limits, execute
from sense.official import official_limits
from sense.sqlite.spelling import one_spelling

RESULTS_PER_DATABASE = 6  # kept of a unit: its gold's and its last prediction's, by all limits
HEAVY_STEPS = 20_000_000  # 0.2 to 2 seconds; then it is worth a copy with indexes
CHANGING = re.compile(
    r"\b(?:random|randomblob|changes|total_changes|last_insert_rowid|date|time|datetime|julianday"
    r"|unixepoch|timediff|strftime)\W*\(|\bcurrent_(?:date|time|timestamp)\b",
    re.IGNORECASE,
)
"""Text of queries that may give another result when they run again: chance, state, the clock."""


class Runs:
    """Queries run on behalf of one unit; of those in a row each spelling runs once.

    limits: those of our own verdict; `official` runs without a limit in steps. known: how gold
    ended on each database, within `limits`, where it has run there.
    """

    def __init__(
        self, limits: Limits, gold_sql: str, known: Mapping[str, Execution] | None = None
    ) -> None:
        self.limits = limits
        steps = min(limits.max_steps or HEAVY_STEPS, HEAVY_STEPS)
        self.first_limits = replace(limits, max_steps=steps)
        self.is_ordered = "order by" in gold_sql.lower()
        spelling = one_spelling(gold_sql)
        self.known = {(path, spelling): execution for path, execution in (known or {}).items()}
        self.recent: OrderedDict[tuple[str, str, Limits], Execution] = OrderedDict()
        self.max_recent = RESULTS_PER_DATABASE * max(len(self.known), 1)

    def __call__(self, db_path: str, sql: str) -> Execution:
        known = self.known.get((db_path, one_spelling(sql)))
        return known or self._run(db_path, sql, self.limits)

    def official(self, db_path: str, sql: str, is_timed: bool = False) -> Execution:
        """is_timed: the rule counts how long it takes on the file as it is.

        What may change from run to run is run each time, as the official scripts do.
        """
        if CHANGING.search(sql):
            return execute(db_path, sql, official_limits(self.limits))
        spelling = one_spelling(sql)
        found = self.known.get((db_path, spelling))
        found = found or self.recent.get((db_path, spelling, self.limits))
        found = found or self._run(db_path, sql, self.first_limits)
        if found.status != "limit":
            return found
        if not is_timed and (rows := self._indexed(db_path, sql)):
            return rows
        return self._run(db_path, sql, official_limits(self.limits))

    def _indexed(self, db_path: str, sql: str) -> Execution | None:
        """The end of an endless query on a copy with indexes, where the order of rows is nothing.

        Steps stay limited there: what is not faster is run on the file.
        """
        from sense.golds.indexed import (
            execute_indexed,  # reads SQL: rarely needed, and slow to load
        )

        execution = execute_indexed(db_path, sql, self.limits)
        is_ordered = self.is_ordered and execution is not None and len(execution.rows) > 1
        return None if is_ordered else execution

    def _run(self, db_path: str, sql: str, limits: Limits) -> Execution:
        key = (db_path, one_spelling(sql), limits)
        if key not in self.recent:
            self.recent[key] = execute(db_path, sql, limits)
            if len(self.recent) > self.max_recent:
                self.recent.popitem(last=False)
        self.recent.move_to_end(key)
        return self.recent[key]
