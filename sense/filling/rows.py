"""Rows for the empty tables of a database that break none of its declared constraints.

Values come from `sense.filling.values`, keys from the rows of the parents, and SQLite judges each
row: one that it rejects is drawn again. Parents differ in how many children they have. Literals are
spread over the rows in their order: a row stands at a moment of that order, and keys and values
prefer what stands near, so that the literals of one query tend to meet in joined rows.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import apsw

from sense.filling.constraints import FillTable, Key, quoted, read_tables
from sense.filling.keys import add_suggested_keys, fill_order
from sense.filling.literals import Literal, Wish, plan_literals
from sense.filling.uniqueness import Exhausted, distinct, folded, numbered
from sense.filling.values import Maker, value_maker
from sense.schema import natural_name

MAX_ATTEMPTS = 200
NUM_PLAIN_ATTEMPTS = 40
"""Attempts before columns of a CHECK are also drawn from the constants in it."""
NULL_SHARE = 0.06
NEAR_SHARE = 0.6
"""Share of keys that follow the order of the literals instead of a parent's popularity."""
MAX_PARENTS = 20_000
PERIODS = (("start", "end"), ("begin", "end"), ("from", "to"), ("min", "max"), ("birth", "death"))


class FillError(ValueError):
    """A declared constraint that no generated row meets."""


class Filling(NamedTuple):
    """What filling a database did."""

    num_rows: dict[str, int]
    """Rows added per table."""
    unplaced: tuple[Literal, ...]
    """Literals that the constraints kept out, or whose table holds rows already or is none."""


class _TooFew(Exception):
    """A table on whose reserved keys others rely has fewer rows than keys."""

    def __init__(self, table: str, num_rows: int) -> None:
        super().__init__(table)
        self.table = table
        self.num_rows = num_rows


@dataclass
class _Candidates:
    """What a foreign key can refer to: tuples of values, the popular ones first."""

    tuples: list[tuple[Any, ...]]
    weights: list[float]
    """Cumulative."""
    moments: list[tuple[float, int]]
    """Sorted moments and the tuple that stands there."""


@dataclass
class _Plan:
    """A table while it is filled."""

    table: FillTable
    rng: Random
    num_rows: int
    wishes: list[Wish] = field(default_factory=list)
    near: dict[int, list[tuple[float, Any]]] = field(default_factory=dict)
    """Column -> the moments and values of its literals."""
    makers: list[Maker] = field(default_factory=list)
    reserved: dict[int, list[Any]] = field(default_factory=dict)
    """Column -> its value in each row, where children are filled before their parent."""
    rows: list[list[Any]] = field(default_factory=list)
    moments: list[list[float]] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    never_null: frozenset[int] = frozenset()
    unused: dict[Key, Iterator[tuple[Any, ...]]] = field(default_factory=dict)
    """Keys that refer to each parent once -> the parents that are left."""


def fill_tables(
    connection: apsw.Connection,
    rows_per_table: int,
    seed: int,
    literals: Iterable[tuple[str, str, Any]] = (),
    vocabularies: Mapping[tuple[str, str], Sequence[Any]] | None = None,
) -> Filling:
    """Fills the empty tables of an open database; see `sense.database.fill_database`."""
    if rows_per_table < 1:
        raise ValueError(f"rows_per_table is {rows_per_table}; expected at least 1")
    tables = read_tables(connection)
    add_suggested_keys(tables)
    referred = {(k.parent, k.parent_columns[0]) for t in tables for k in t.keys if _is_single(k)}
    by_name = {table.name.lower(): table for table in tables}
    wanted = [Literal(*literal) for literal in literals]
    unplaced, wishes, near = plan_literals(wanted, by_name)
    words = {(t.lower(), c.lower()): v for (t, c), v in (vocabularies or {}).items()}
    order = fill_order(tables)
    most: dict[str, int] = {}
    while True:
        plans = {}
        for table in order:
            plan = _Plan(table, Random(f"{seed} {table.name}"), rows_per_table)
            plan.wishes = [Wish(dict(w.values), w.moments) for w in wishes.get(table.name, [])]
            plan.near = near.get(table.name, {})
            plan.num_rows = max(rows_per_table, len(plan.wishes))
            plan.num_rows = min(plan.num_rows, most.get(table.name, plan.num_rows))
            _prepare(plan, words, {i for name, i in referred if name == table.name})
            plans[table.name] = plan
        try:
            _Filler(connection, plans, by_name, len(wanted)).fill()
            break
        except _TooFew as found:
            most[found.table] = found.num_rows
    missing = [w for w in wanted if w not in unplaced and not _occurs(connection, by_name, w)]
    return Filling(
        {name: len(plan.rows) for name, plan in plans.items()},
        tuple(dict.fromkeys([*unplaced, *missing])),
    )


class _Filler:
    """Fills planned tables in their order within one transaction."""

    def __init__(
        self,
        connection: apsw.Connection,
        plans: dict[str, _Plan],
        tables: dict[str, FillTable],
        num_literals: int,
    ) -> None:
        self.connection = connection
        self.plans = plans
        self.tables = tables
        self.num_literals = num_literals
        self.candidates: dict[tuple[str, Key], _Candidates] = {}
        self.matches: dict[tuple[str, Key, tuple[int, ...]], dict[Any, list[Any]]] = {}
        self.is_final: set[str] = {t.name for t in tables.values() if not t.is_empty}

    def fill(self) -> None:
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self.connection.execute("PRAGMA foreign_keys = OFF")
        with self.connection:
            self._reserve()
            for plan in self.plans.values():
                self._fill_table(plan)
                self.is_final.add(plan.table.name)
            for plan in self.plans.values():
                self._check_keys(plan)

    def _reserve(self) -> None:
        """Values of columns that are referred to before their own table is filled."""
        seen: set[str] = set()
        for plan in self.plans.values():
            seen.add(plan.table.name)
            for key in plan.table.keys:
                parent = self.plans.get(key.parent)
                if key.is_declared and parent and key.parent not in seen:
                    for column in key.parent_columns:
                        _reserve_column(parent, column)

    def _fill_table(self, plan: _Plan) -> None:
        names = ", ".join(quoted(column.name) for column in plan.table.columns)
        marks = ", ".join("?" * len(plan.table.columns))
        insert = f"INSERT INTO {quoted(plan.table.name)} ({names}) VALUES ({marks})"
        wishes = list(plan.wishes)
        while wishes and len(plan.rows) < 2 * plan.num_rows:
            wish = wishes.pop(0)
            if self._insert(plan, insert, wish, max_attempts=10) and len(wish.values) > 1:
                wishes[:0] = [Wish({c: v}, wish.moments) for c, v in wish.values.items()]
        spread = self.num_literals / plan.num_rows
        for i in range(len(plan.rows), plan.num_rows):
            moment = (i + plan.rng.random()) * spread % max(1, self.num_literals)
            error = self._insert(plan, insert, Wish({}, [moment]), MAX_ATTEMPTS)
            if error and (not plan.rows or not error.startswith("UNIQUE")):
                raise FillError(self._explained(plan, error))
            if error and plan.reserved:
                raise _TooFew(plan.table.name, len(plan.rows))
            if error:
                break

    def _insert(self, plan: _Plan, insert: str, wish: Wish, max_attempts: int) -> str:
        """Adds one row; "" or why none was accepted."""
        error = ""
        for attempt in range(max_attempts):
            try:
                row = self._draw(plan, wish, attempt)
            except Exhausted as exhausted:
                return error or str(exhausted)
            try:
                self.connection.execute(insert, row)
            except (apsw.ConstraintError, apsw.MismatchError) as rejected:
                error = str(rejected)
                continue
            plan.rows.append(row)
            plan.moments.append(wish.moments)
            return ""
        return error

    def _draw(self, plan: _Plan, wish: Wish, attempt: int) -> list[Any]:
        table, rng = plan.table, plan.rng
        row: list[Any] = [None] * len(table.columns)
        done: set[int] = set()
        for column, value in wish.values.items():
            row[column] = value
            done.add(column)
        for column, values in plan.reserved.items():
            row[column] = values[min(len(plan.rows), len(values) - 1)]
            done.add(column)
        own = [key for key in table.keys if not self._draw_key(plan, key, row, done, wish)]
        moment = wish.moments[0]
        for i in range(len(row)):
            if i not in done:
                row[i] = self._value(plan, i, moment)
        for key in own:
            for i, j in zip(key.columns, key.parent_columns, strict=True):
                row[i] = row[j]
        free = [i for i in range(len(row)) if i not in done]
        if attempt >= NUM_PLAIN_ATTEMPTS:
            for i in set(free) & table.checked:
                if rng.random() < 0.5:
                    row[i] = rng.choice([*table.constants, 0, 1, 2, rng.randint(-9, 99), "{}"])
        for low, high in plan.orders:
            if low in free and high in free and _exceeds(row[low], row[high]):
                row[low], row[high] = row[high], row[low]
        return row

    def _value(self, plan: _Plan, i: int, moment: float) -> Any:
        rng, column = plan.rng, plan.table.columns[i]
        if i not in plan.never_null and column.nullable and rng.random() < NULL_SHARE:
            return None
        near = plan.near.get(i)
        if near and (i,) not in plan.table.unique:
            share = 0.25 if isinstance(near[0][1], str) else 0.1
            if rng.random() < share:
                place = bisect_left(near, moment, key=lambda pair: pair[0])
                return near[min(place, len(near) - 1)][1]
        return plan.makers[i](rng)

    def _draw_key(self, plan: _Plan, key: Key, row: list[Any], done: set[int], wish: Wish) -> bool:
        """Sets the columns of a foreign key; False when only the row itself can be its parent."""
        table, rng = plan.table, plan.rng
        free = [i for i in key.columns if i not in done]
        may_be_null = [i for i in free if table.columns[i].nullable]
        is_self = key.parent == table.name
        if not free:
            self._require(plan, key, row, wish)
            return True
        if not key.is_declared and not is_self and key.parent not in self.is_final:
            return True
        null_share = 0.25 if is_self else NULL_SHARE
        if may_be_null and rng.random() < null_share and not (set(may_be_null) & plan.never_null):
            done.update(may_be_null)
            return True
        try:
            values = self._parent(plan, key, row, free, wish)
        except Exhausted:
            if may_be_null:
                done.update(may_be_null)
                return True
            if is_self and not set(key.parent_columns) & set(key.columns):
                done.update(free)
                return False
            raise
        for i, value in zip(key.columns, values, strict=True):
            row[i] = value
        done.update(free)
        return True

    def _parent(
        self, plan: _Plan, key: Key, row: list[Any], free: list[int], wish: Wish
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

    def _require(self, plan: _Plan, key: Key, row: list[Any], wish: Wish) -> None:
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
        self, plan: _Plan, key: Key, fixed: tuple[int, ...]
    ) -> dict[Any, list[tuple[Any, ...]]]:
        name = (plan.table.name, key, fixed)
        if name not in self.matches:
            index: dict[Any, list[tuple[Any, ...]]] = {}
            for values in self._candidates(plan, key).tuples:
                index.setdefault(tuple(values[j] for j in fixed), []).append(values)
            self.matches[name] = index
        return self.matches[name]

    def _candidates(self, plan: _Plan, key: Key) -> _Candidates:
        name = (plan.table.name, key)
        if name not in self.candidates:
            found = self.candidates[name] = self._find_candidates(plan, key)
            if any(set(group) <= set(key.columns) for group in plan.table.unique):
                order = plan.rng.sample(found.tuples, len(found.tuples))
                near = [found.tuples[i] for _, i in found.moments[: len(order)]]
                plan.unused[key] = iter(dict.fromkeys([*near[: len(near) // 2], *order]))
        return self.candidates[name]

    def _find_candidates(self, plan: _Plan, key: Key) -> _Candidates:
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

    def _check_keys(self, plan: _Plan) -> None:
        """Raises FillError for a key that the rows break; a mismatched one binds nobody."""
        try:
            broken = self.connection.execute(
                f"PRAGMA foreign_key_check({quoted(plan.table.name)})"
            ).fetchall()
        except apsw.SQLError:
            return
        if broken:
            _, _, parent, number = broken[0]
            keys = self.connection.execute(
                f"PRAGMA foreign_key_list({quoted(plan.table.name)})"
            ).fetchall()
            names = ", ".join(repr(row[3]) for row in keys if row[0] == number)
            raise FillError(
                f"table {plan.table.name!r}, column {names}: FOREIGN KEY to table {parent!r} "
                f"cannot be met by {len(broken)} of {len(plan.rows)} rows; allow NULL there or "
                "fill the parent first"
            )

    def _explained(self, plan: _Plan, error: str) -> str:
        named = [c.name for c in plan.table.columns if c.name.lower() in error.lower()]
        checked = [plan.table.columns[i].name for i in sorted(plan.table.checked)]
        columns = named or (checked if "CHECK" in error else [])
        return (
            f"table {plan.table.name!r}, column {', '.join(map(repr, columns)) or '?'}: {error}; "
            f"no row met it in {MAX_ATTEMPTS} attempts (row {len(plan.rows) + 1}). Relax the "
            "constraint, give literals that meet it, or fill this table in the script"
        )


def _is_single(key: Key) -> bool:
    return len(key.parent_columns) == 1


def _prepare(
    plan: _Plan, vocabularies: Mapping[tuple[str, str], Sequence[Any]], referred: set[int]
) -> None:
    """Decides how each column is drawn; referred: columns that single foreign keys refer to."""
    table = plan.table
    in_keys = {i for key in table.keys for i in key.columns if key.is_declared}
    for i, column in enumerate(table.columns):
        words = vocabularies.get((table.name.lower(), column.name.lower()), ())
        maker = value_maker(column, table.name, plan.rng, plan.num_rows, words)
        if ((i,) in table.unique or i in referred) and i not in in_keys:
            taken = {folded(v) for _, v in plan.near.get(i, [])}
            is_number = table.primary_key == (i,) and column.affinity in ("INTEGER", "NUMERIC")
            if is_number and isinstance(maker(Random(0)), int) and not column.bounds.choices:
                maker = numbered(column, taken)
            else:
                maker = distinct(maker, column, taken)
        plan.makers.append(maker)
    plan.orders = [*table.orders, *_periods(table)]
    named = {i for i, c in enumerate(table.columns) if _is_label(c.name, table.name)}
    grouped = {i for group in table.unique for i in group if len(group) == 1}
    plan.never_null = frozenset(named | grouped | referred | set(table.primary_key))


def _is_label(column: str, table: str) -> bool:
    words = set(natural_name(column).split())
    return bool({"name", "title", "id", "code"} & words) or column.lower() == table.lower()


def _periods(table: FillTable) -> Iterator[tuple[int, int]]:
    """Pairs of columns such as `start_date` and `end_date`."""
    words = [tuple(natural_name(column.name).split()) for column in table.columns]
    in_keys = {i for key in table.keys for i in key.columns}
    for i, first in enumerate(words):
        for low, high in PERIODS:
            other = tuple(high if word == low else word for word in first)
            if low in first and other in words and not {i, words.index(other)} & in_keys:
                yield i, words.index(other)


def _exceeds(low: Any, high: Any) -> bool:
    numbers = isinstance(low, (int, float)) and isinstance(high, (int, float))
    texts = isinstance(low, str) and isinstance(high, str)
    return (numbers or texts) and low > high


def _reserve_column(plan: _Plan, column: int) -> None:
    if column in plan.reserved:
        return
    values = list(dict.fromkeys(value for _, value in plan.near.get(column, [])))
    del values[plan.num_rows :]
    try:
        while len(values) < plan.num_rows:
            values.append(plan.makers[column](plan.rng))
    except Exhausted as exhausted:
        if not values:
            raise FillError(f"table {plan.table.name!r}: {exhausted}") from None
        raise _TooFew(plan.table.name, len(values)) from None
    plan.reserved[column] = values
    for wish in plan.wishes:
        wish.values.pop(column, None)
    plan.wishes = [wish for wish in plan.wishes if wish.values]


def _occurs(connection: apsw.Connection, tables: dict[str, FillTable], literal: Literal) -> bool:
    table = tables[literal.table.lower()]
    column = table.columns[table.position(literal.column) or 0].name
    select = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(column)} IS ? LIMIT 1"
    return bool(connection.execute(select, (literal.value,)).fetchall())
