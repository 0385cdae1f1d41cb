"""What foreign keys refer to: rows of the parents, the popular ones more often."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import apsw

from sense.filling.constraints import FillTable, Key, quoted
from sense.filling.literals import Wish
from sense.filling.plan import TablePlan
from sense.filling.uniqueness import Exhausted

MAX_PARENTS = 20_000
NEAR_SHARE = 0.6
"""Share of keys that follow the order of the literals instead of a parent's popularity."""


@dataclass
class _Candidates:
    """What a foreign key can refer to: tuples of values, the popular ones first."""

    tuples: list[tuple[Any, ...]]
    weights: list[float]
    """Cumulative."""
    moments: list[tuple[float, int]]
    """Sorted moments and the tuple that stands there."""


class Parents:
    """The rows to which the keys of all tables may refer, as far as these are filled."""

    def __init__(
        self,
        connection: apsw.Connection,
        plans: dict[str, TablePlan],
        tables: dict[str, FillTable],
        num_literals: int,
    ) -> None:
        self.connection = connection
        self.plans = plans
        self.tables = tables
        self.num_literals = num_literals
        self.is_final: set[str] = {t.name for t in tables.values() if not t.is_empty}
        self._found: dict[tuple[str, Key], _Candidates] = {}
        self._matches: dict[tuple[str, Key, tuple[int, ...]], dict[Any, list[Any]]] = {}

    def draw(
        self, plan: TablePlan, key: Key, row: list[Any], free: list[int], wish: Wish
    ) -> tuple[Any, ...]:
        """The values of a parent row that agree with the columns that are already set."""
        rng = plan.rng
        if key.parent == plan.table.name and not plan.reserved:
            if not plan.rows:
                raise Exhausted
            chosen = plan.rows[int(len(plan.rows) * rng.random() ** 2)]
            return tuple(chosen[i] for i in key.parent_columns)
        found = self._candidates(plan, key)
        if not found.tuples:
            raise Exhausted(f"FOREIGN KEY to table {key.parent!r}, which has no rows")
        if len(free) < len(key.columns):
            fixed = tuple(j for j, i in enumerate(key.columns) if i not in free)
            wanted = tuple(row[key.columns[j]] for j in fixed)
            matching = self._matching(plan, key, fixed).get(wanted)
            if not matching:
                raise Exhausted(f"FOREIGN KEY to table {key.parent!r}")
            return rng.choice(matching)
        if key in plan.unused:
            values = next(plan.unused[key], None)
            if values is None:
                raise Exhausted("UNIQUE foreign key: every parent has its row")
            return values
        if found.moments and rng.random() < NEAR_SHARE:
            moment = rng.choice(wish.moments)
            place = bisect_left(found.moments, (moment, 0))
            near = found.moments[max(0, place - 1) : place + 1]
            return found.tuples[min(near, key=lambda pair: abs(pair[0] - moment))[1]]
        return rng.choices(found.tuples, cum_weights=found.weights)[0]

    def require(self, plan: TablePlan, key: Key, row: list[Any], wish: Wish) -> None:
        """Refuses literals of a key that no parent has."""
        if not key.is_declared or not set(key.columns) & set(wish.values):
            return
        values = tuple(row[i] for i in key.columns)
        if None in values or key.parent == plan.table.name:
            return
        everything = tuple(range(len(key.columns)))
        if values not in self._matching(plan, key, everything):
            raise Exhausted(f"FOREIGN KEY to table {key.parent!r}")

    def _matching(
        self, plan: TablePlan, key: Key, fixed: tuple[int, ...]
    ) -> dict[Any, list[tuple[Any, ...]]]:
        name = (plan.table.name, key, fixed)
        if name not in self._matches:
            index: dict[Any, list[tuple[Any, ...]]] = {}
            for values in self._candidates(plan, key).tuples:
                index.setdefault(tuple(values[j] for j in fixed), []).append(values)
            self._matches[name] = index
        return self._matches[name]

    def _candidates(self, plan: TablePlan, key: Key) -> _Candidates:
        name = (plan.table.name, key)
        if name not in self._found:
            found = self._found[name] = self._find_candidates(plan, key)
            if any(set(group) <= set(key.columns) for group in plan.table.unique):
                order = plan.rng.sample(found.tuples, len(found.tuples))
                near = [found.tuples[i] for _, i in found.moments[: len(order)]]
                plan.unused[key] = iter(dict.fromkeys([*near[: len(near) // 2], *order]))
        return self._found[name]

    def _find_candidates(self, plan: TablePlan, key: Key) -> _Candidates:
        parent = self.plans.get(key.parent)
        moments: list[list[float]] = []
        num_first = 0
        if parent is None:
            table = self.tables[key.parent.lower()]
            names = ", ".join(quoted(table.columns[i].name) for i in key.parent_columns)
            select = f"SELECT DISTINCT {names} FROM {quoted(key.parent)} LIMIT {MAX_PARENTS}"
            tuples = [tuple(row) for row in self.connection.execute(select)]
        elif key.parent in self.is_final:
            tuples = [tuple(row[i] for i in key.parent_columns) for row in parent.rows]
            moments = parent.moments if self.num_literals else []
            num_first = len(parent.wishes)
        else:
            columns = [parent.reserved[i] for i in key.parent_columns if i in parent.reserved]
            tuples = list(zip(*columns, strict=True)) if columns else []
        known = [(t, i) for i, t in enumerate(tuples) if None not in t]
        first, rest = known[:num_first], known[num_first:]
        plan.rng.shuffle(rest)
        ordered = [*first, *rest]
        place = {i: rank for rank, (_, i) in enumerate(ordered)}
        return _Candidates(
            [values for values, _ in ordered],
            list(accumulate((rank + 1) ** -0.7 for rank in range(len(ordered)))),
            sorted((m, place[i]) for i, ms in enumerate(moments) if i in place for m in ms),
        )
