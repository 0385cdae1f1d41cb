"""Rows for the empty tables of a database that break none of its declared constraints.

Values come from `sense.filling.values`, keys from the rows of the parents, and SQLite judges each
row: one that it rejects is drawn again. Parents differ in how many children they have. Literals are
spread over the rows in their order: a row stands at a moment of that order, and keys and values
prefer what stands near, so that the literals of one query tend to meet in joined rows.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import apsw

from sense.filling.constraints import FillTable, Key, quoted, read_tables
from sense.filling.keys import add_suggested_keys, fill_order
from sense.filling.literals import Literal, Wish, plan_literals
from sense.filling.parents import Parents
from sense.filling.plan import FillError, TablePlan, TooFew, prepare, reserve_column
from sense.filling.uniqueness import Exhausted

MAX_ATTEMPTS = 200
NUM_PLAIN_ATTEMPTS = 40
"""Attempts before columns of a CHECK are also drawn from the constants in it."""
NULL_SHARE = 0.06


class Filling(NamedTuple):
    """What filling a database did."""

    num_rows: dict[str, int]
    """Rows added per table."""
    unplaced: tuple[Literal, ...]
    """Literals that the constraints kept out, or whose table holds rows already or is none."""


def fill_tables(
    connection: apsw.Connection,
    rows_per_table: int,
    seed: int,
    literals: Iterable[tuple[str, str, Any]],
    vocabularies: Mapping[tuple[str, str], Sequence[Any]],
) -> Filling:
    """Fills the empty tables of an open database; see `sense.database.fill_database`."""
    if rows_per_table < 1:
        raise ValueError(f"rows_per_table is {rows_per_table}; expected at least 1")
    tables = read_tables(connection)
    add_suggested_keys(tables)
    single = [key for table in tables for key in table.keys if len(key.parent_columns) == 1]
    referred = {(key.parent, key.parent_columns[0]) for key in single}
    by_name = {table.name.lower(): table for table in tables}
    wanted = [Literal(*literal) for literal in literals]
    unplaced, wishes, near = plan_literals(wanted, by_name)
    words = {(t.lower(), c.lower()): v for (t, c), v in vocabularies.items()}
    order = fill_order(tables)
    most: dict[str, int] = {}
    while True:
        plans = {}
        for table in order:
            plan = TablePlan(table, Random(f"{seed} {table.name}"), rows_per_table)
            plan.wishes = [Wish(dict(w.values), w.moments) for w in wishes.get(table.name, [])]
            plan.near = near.get(table.name, {})
            plan.num_rows = max(rows_per_table, len(plan.wishes))
            plan.num_rows = min(plan.num_rows, most.get(table.name, plan.num_rows))
            prepare(plan, words, {i for name, i in referred if name == table.name})
            plans[table.name] = plan
        try:
            _Filler(Parents(connection, plans, by_name, len(wanted))).fill()
            break
        except TooFew as found:
            most[found.table] = found.num_rows
    missing = [w for w in wanted if w not in unplaced and not _occurs(connection, by_name, w)]
    return Filling(
        {name: len(plan.rows) for name, plan in plans.items()},
        tuple(dict.fromkeys([*unplaced, *missing])),
    )


class _Filler:
    """Fills planned tables in their order within one transaction."""

    def __init__(self, parents: Parents) -> None:
        self.parents = parents
        self.connection = parents.connection
        self.plans = parents.plans
        self.num_literals = parents.num_literals

    def fill(self) -> None:
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self.connection.execute("PRAGMA foreign_keys = OFF")
        with self.connection:
            self._reserve()
            for plan in self.plans.values():
                self._fill_table(plan)
                self.parents.is_final.add(plan.table.name)
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
                        reserve_column(parent, column)

    def _fill_table(self, plan: TablePlan) -> None:
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
                raise TooFew(plan.table.name, len(plan.rows))
            if error:
                break

    def _insert(self, plan: TablePlan, insert: str, wish: Wish, max_attempts: int) -> str:
        """Adds one row; "" or why none was accepted."""
        error = ""
        for attempt in range(max_attempts):
            try:
                row = self._draw(plan, wish, attempt)
            except Exhausted as exhausted:
                return error or str(exhausted)
            try:
                self.connection.execute(insert, row)
            except (apsw.ConstraintError, apsw.MismatchError, OverflowError) as rejected:
                error = str(rejected)
                continue
            plan.rows.append(row)
            plan.moments.append(wish.moments)
            return ""
        return error

    def _draw(self, plan: TablePlan, wish: Wish, attempt: int) -> list[Any]:
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

    def _value(self, plan: TablePlan, i: int, moment: float) -> Any:
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

    def _draw_key(
        self, plan: TablePlan, key: Key, row: list[Any], done: set[int], wish: Wish
    ) -> bool:
        """Sets the columns of a foreign key; False when only the row itself can be its parent."""
        table, rng = plan.table, plan.rng
        free = [i for i in key.columns if i not in done]
        may_be_null = [i for i in free if table.columns[i].nullable]
        is_self = key.parent == table.name
        if not free:
            self.parents.require(plan, key, row, wish)
            return True
        if not key.is_declared and not is_self and key.parent not in self.parents.is_final:
            return True
        null_share = 0.25 if is_self else NULL_SHARE
        if may_be_null and rng.random() < null_share and not (set(may_be_null) & plan.never_null):
            done.update(may_be_null)
            return True
        try:
            values = self.parents.draw(plan, key, row, free, wish)
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

    def _check_keys(self, plan: TablePlan) -> None:
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

    def _explained(self, plan: TablePlan, error: str) -> str:
        named = [c.name for c in plan.table.columns if c.name.lower() in error.lower()]
        checked = [plan.table.columns[i].name for i in sorted(plan.table.checked)]
        columns = named or (checked if "CHECK" in error else [])
        return (
            f"table {plan.table.name!r}, column {', '.join(map(repr, columns)) or '?'}: {error}; "
            f"no row met it in {MAX_ATTEMPTS} attempts (row {len(plan.rows) + 1}). Relax the "
            "constraint, give literals that meet it, or fill this table in the script"
        )


def _exceeds(low: Any, high: Any) -> bool:
    numbers = isinstance(low, (int, float)) and isinstance(high, (int, float))
    texts = isinstance(low, str) and isinstance(high, str)
    return (numbers or texts) and low > high


def _occurs(connection: apsw.Connection, tables: dict[str, FillTable], literal: Literal) -> bool:
    table = tables[literal.table.lower()]
    column = table.columns[table.position(literal.column) or 0].name
    select = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(column)} IS ? LIMIT 1"
    try:
        return bool(connection.execute(select, (literal.value,)).fetchall())
    except OverflowError:  # an integer that SQLite cannot hold
        return False
