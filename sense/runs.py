"""Queries run on behalf of one unit of judging, each spelling once where that gives the same."""

from collections import OrderedDict
from collections.abc import Mapping

from sense.execution import Execution, Limits, execute
from sense.gold import GoldCheck
from sense.indexed import execute_indexed
from sense.official import official_limits
from sense.spelling import one_spelling

RESULTS_PER_DATABASE = 4  # kept of a unit: its gold's and its last prediction's, by both limits


class Runs:
    """Queries run on behalf of one unit; of those in a row each spelling runs once.

    limits: those of our own verdict; `official` runs without a limit in steps.
    """

    def __init__(self, limits: Limits, golds: Mapping[str, GoldCheck]) -> None:
        self.limits = limits
        self.known = {(path, one_spelling(g.sql)): g.execution for path, g in golds.items()}
        self.is_ordered = any("order by" in gold.sql.lower() for gold in golds.values())
        self.recent: OrderedDict[tuple[str, str, Limits], Execution] = OrderedDict()
        self.max_recent = RESULTS_PER_DATABASE * len(golds)

    def __call__(self, db_path: str, sql: str) -> Execution:
        known = self.known.get((db_path, one_spelling(sql)))
        return known or self._run(db_path, sql, self.limits)

    def official(self, db_path: str, sql: str, is_timed: bool = False) -> Execution:
        """is_timed: the rule counts how long it takes on the file as it is."""
        spelling = one_spelling(sql)
        found = self.known.get((db_path, spelling))
        found = found or self.recent.get((db_path, spelling, self.limits))
        if found and found.status != "limit":
            return found
        if found and not is_timed and (rows := self._indexed(db_path, sql)):
            return rows
        return self._run(db_path, sql, official_limits(self.limits))

    def _indexed(self, db_path: str, sql: str) -> Execution | None:
        """The end of an endless query on a copy with indexes, where the order of rows is nothing.

        Steps stay limited there: what is not faster is run on the file.
        """
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
