"""Small databases like a given one: other rows, the same schema, no constraint newly broken.

A row starts as a row of the original, whose parents it keeps where they are there; then some of
its values give way to others of the column. How many rows, values, ties, duplicates, NULLs and
childless parents there are is drawn for each variant, so that one of them is unlike the next.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

import apsw

from sense.filling.constraints import quoted
from sense.suites.material import Focus, Material, Row, SourceKey, SourceTable

SIZES = (5, 10, 20, 30, 60)
"""Rows of a table, about; queries over them take microseconds."""
MAX_GROWING = 2**62
"""Larger integers are not added to: SQLite's end at 2**63."""
MAX_ATTEMPTS = 6
"""Draws of one row before it is given up; the last half are rows of the original."""
FOCUS_SHARE = 0.5
"""Of the values of a column on which the query in focus has a condition."""
LOOSE_KEY_SHARE = 0.85
"""Of the rows that meet a key which the original breaks: its joins should find something."""


@dataclass(frozen=True)
class Recipe:
    """What one variant is like."""

    num_rows: int
    mix: float
    """Share of values that are replaced by others of their column."""
    num_values: int
    """Different replacements per column; few make ties and groups."""
    skew: float
    """0: parents and values are equally frequent; 2: few of them have nearly all rows."""
    childless: float
    """Share of parents that nothing refers to."""
    duplicates: float
    """Share of rows that repeat another one but for its keys."""
    nulls: float
    """Share of NULLs in columns that may hold them."""
    nulls_anywhere: bool
    """Whether also in columns in which the original has none."""
    small: float
    """Share of tables with one row or none."""


def draw_recipe(rng: Random) -> Recipe:
    """A recipe, the gentle ones as likely as the wild ones."""
    return Recipe(
        num_rows=rng.choice(SIZES),
        mix=rng.choice((0.0, 0.1, 0.3, 0.6, 1.0)),
        num_values=rng.choice((2, 3, 5, 8, 20)),
        skew=rng.choice((0.0, 0.5, 1.0, 2.0)),
        childless=rng.choice((0.0, 0.2, 0.5)),
        duplicates=rng.choice((0.0, 0.0, 0.1, 0.3)),
        nulls=rng.choice((0.0, 0.0, 0.05, 0.2)),
        nulls_anywhere=rng.random() < 0.3,
        small=rng.choice((0.0, 0.0, 0.0, 0.15)),
    )


def draw_harsh_recipe(rng: Random) -> Recipe:
    """A recipe with many rows and values, and NULL wherever a column may hold it."""
    return Recipe(
        num_rows=rng.choice((20, 30, 60)),
        mix=rng.choice((0.3, 0.6)),
        num_values=rng.choice((3, 8)),
        skew=rng.choice((0.0, 0.5, 1.0)),
        childless=rng.choice((0.0, 0.2, 0.5)),
        duplicates=rng.choice((0.0, 0.1)),
        nulls=rng.choice((0.05, 0.15, 0.3)),
        nulls_anywhere=True,
        small=0.0,
    )


def make_variant(
    material: Material,
    seed: int | str,
    focus: Focus | None = None,
    draw: Callable[[Random], Recipe] = draw_recipe,
) -> bytes:
    """A SQLite file that holds a variant; the same arguments give the same bytes.

    focus: values that its columns prefer, so that the conditions of one query are met by some rows
    and missed by others.
    """
    rng = Random(f"variant {seed}")
    connection = apsw.Connection(":memory:")
    connection.deserialize("main", material.empty)
    filler = _Filler(connection, draw(rng), rng, focus or {})
    connection.execute("BEGIN")
    for table in material.tables:
        filler.fill(table)
    _remove_broken(connection, material)
    connection.execute("COMMIT")
    data = connection.serialize("main")
    connection.close()
    return bytes(data)


@dataclass
class _Palette:
    """Values of a column with their cumulative weights."""

    values: Sequence[Any]
    weights: Sequence[float]

    def draw(self, rng: Random) -> Any:
        return rng.choices(self.values, cum_weights=self.weights)[0]


@dataclass(frozen=True)
class _Plan:
    """What the rows of a table are drawn from."""

    source: SourceTable
    templates: Sequence[Row]
    palettes: Sequence[_Palette]
    """Of its columns."""
    parents: Mapping[SourceKey, _Palette | None]
    used: Mapping[tuple[int, ...], set[Row]]
    """What the rows so far hold in the columns of a unique group."""


@dataclass
class _Filler:
    """Fills the tables of one variant in turn."""

    connection: apsw.Connection
    recipe: Recipe
    rng: Random
    focus: Focus
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Of the tables that are filled."""

    def fill(self, source: SourceTable) -> None:
        """Adds the rows of one table."""
        self.rows[source.name] = []
        palettes = [self._palette(source, i) for i in range(len(source.columns))]
        parents = {key: self._parents(source, key) for key in source.keys}
        templates = self._templates(source, parents)
        plan = _Plan(
            source, templates, palettes, parents, {group: set() for group in source.unique}
        )
        names = ", ".join(quoted(column.name) for column in source.table.columns)
        marks = ", ".join("?" * len(source.columns))
        insert = f"INSERT INTO {quoted(source.name)} ({names}) VALUES ({marks})"
        for _ in range(self._num_rows()):
            for attempt in range(MAX_ATTEMPTS):
                row = self._draw(plan, is_plain=attempt >= MAX_ATTEMPTS // 2)
                if row is not None and self._insert(insert, row):
                    for group, seen in plan.used.items():
                        seen.add(_values(row, group))
                    self.rows[source.name].append(row)
                    break

    def _num_rows(self) -> int:
        if self.rng.random() < self.recipe.small:
            return self.rng.randrange(2)
        return round(self.recipe.num_rows * self.rng.uniform(0.5, 1.5))

    def _palette(self, source: SourceTable, column: int) -> _Palette:
        """Values of this variant: those of the focus first, few of the others."""
        values = list(source.columns[column].values)
        chosen = self.rng.sample(values, min(self.recipe.num_values, len(values)))
        preferred = self.focus.get((source.name, column), ())
        chosen = list(dict.fromkeys([*preferred, *chosen]))
        weights = [(rank + 1) ** -self.recipe.skew for rank in range(len(chosen))]
        if preferred:  # its first is the literal itself
            weights = [1.0 + (rank == 0) * 2 for rank in range(len(chosen))]
        return _Palette(chosen, list(accumulate(weights)))

    def _parents(self, source: SourceTable, key: SourceKey) -> _Palette | None:
        """The rows that a key may refer to, the popular ones first; None where it has none yet."""
        if key.key.parent == source.name:
            return None
        found = [_values(row, key.key.parent_columns) for row in self.rows.get(key.key.parent, ())]
        found = list(dict.fromkeys(values for values in found if None not in values))
        self.rng.shuffle(found)
        del found[max(1, round(len(found) * (1 - self.recipe.childless))) :]
        weights = [(rank + 1) ** -self.recipe.skew for rank in range(len(found))]
        return _Palette(found, list(accumulate(weights))) if found else None

    def _templates(
        self, source: SourceTable, parents: Mapping[SourceKey, _Palette | None]
    ) -> Sequence[Row]:
        """The rows of the original whose parents are there; all of them where none has them."""
        known = [(key.key.columns, set(found.values)) for key, found in parents.items() if found]
        fitting = [
            row
            for row in source.rows
            if all(_values(row, columns) in found for columns, found in known)
        ]
        return fitting or source.rows

    def _draw(self, plan: _Plan, is_plain: bool) -> Row | None:
        """A new row; None where no parent is left for it. is_plain: as in the original."""
        rng, source = self.rng, plan.source
        own = self.rows[source.name]
        if own and not is_plain and rng.random() < self.recipe.duplicates:
            row = list(rng.choice(own))
        elif plan.templates:
            row = list(rng.choice(plan.templates))
            if not is_plain:
                self._mix(plan, row)
        else:
            row = [palette.draw(rng) for palette in plan.palettes]
        for key in source.keys:
            is_self = key.key.parent == source.name
            found = self._own(source, key) if is_self else plan.parents[key]
            if not self._point(source, key, row, found):
                return None
        for group in source.unique:
            values = _values(row, group)
            if values in plan.used[group] or None in values:
                self._renew(source, row, group, plan.used[group])
        return tuple(row)

    def _mix(self, plan: _Plan, row: list[Any]) -> None:
        """Replaces some of the values by others of their column, or by NULL."""
        rng, recipe = self.rng, self.recipe
        for i, column in enumerate(plan.source.columns):
            may_be_null = column.may_be_null and (column.has_null or recipe.nulls_anywhere)
            is_wanted = (plan.source.name, i) in self.focus
            if may_be_null and rng.random() < recipe.nulls:
                row[i] = None
            elif rng.random() < max(recipe.mix, FOCUS_SHARE * is_wanted):
                row[i] = plan.palettes[i].draw(rng)

    def _point(
        self, source: SourceTable, key: SourceKey, row: list[Any], found: _Palette | None
    ) -> bool:
        """Makes the row refer to one of the parents; False where it must and there is none."""
        columns, rng = key.key.columns, self.rng
        if not key.is_kept and rng.random() > LOOSE_KEY_SHARE:
            return True
        values = _values(row, columns)
        if found and values in found.values and rng.random() > self.recipe.mix:
            return True
        has_null = any(source.columns[i].has_null for i in columns)
        if None in values and has_null and rng.random() < 0.5:
            return True
        if not found and not key.is_kept:
            return True
        if not found and not all(source.table.columns[i].nullable for i in columns):
            # The first row may refer to itself; a parent that is yet to be filled may come.
            return key.key.parent == source.name or key.key.parent not in self.rows
        chosen = found.draw(rng) if found else (None,) * len(columns)
        for i, value in zip(columns, chosen, strict=True):
            row[i] = value
        return True

    def _own(self, source: SourceTable, key: SourceKey) -> _Palette | None:
        """The rows so far, as parents in the same table."""
        own = [_values(other, key.key.parent_columns) for other in self.rows[source.name]]
        return _Palette(own, range(1, len(own) + 1)) if own else None

    def _renew(
        self, source: SourceTable, row: list[Any], group: Sequence[int], used: set[Row]
    ) -> None:
        """Gives one column of a unique group a value that makes the group new."""
        in_keys = {i for key, _ in source.keys for i in key.columns}
        free = [i for i in group if i not in in_keys]
        if not free:
            return
        column = self.rng.choice(free)
        for value in self._fresh(source, column):
            row[column] = value
            if _values(row, group) not in used:
                return

    def _fresh(self, source: SourceTable, column: int) -> list[Any]:
        """Some values of a column, then new ones like them."""
        values = source.columns[column].values
        some = self.rng.sample(values, min(5, len(values)))
        numbers = [value for value in values if isinstance(value, int) and value < MAX_GROWING]
        start = len(self.rows[source.name]) + 1
        if numbers:
            return [*some, max(numbers) + start]
        first = some[0]
        new = first + b"%d" % start if isinstance(first, bytes) else f"{first} {start}"
        return [*some, new]

    def _insert(self, insert: str, row: Row) -> bool:
        try:
            self.connection.execute(insert, row)
        except (apsw.ConstraintError, apsw.MismatchError):
            return False
        return True


def _values(row: Sequence[Any], columns: Sequence[int]) -> Row:
    return tuple(row[i] for i in columns)


def _remove_broken(connection: apsw.Connection, material: Material) -> None:
    """Deletes rows that break a key which the original keeps, as cycles of keys leave some."""
    names = {
        source.name: [column.name for column in source.table.columns] for source in material.tables
    }
    is_changed = True
    while is_changed:
        is_changed = False
        for source in material.tables:
            for key, is_kept in source.keys:
                if not is_kept:
                    continue
                own = [quoted(names[source.name][i]) for i in key.columns]
                others = [quoted(names[key.parent][j]) for j in key.parent_columns]
                connection.execute(
                    f"DELETE FROM {quoted(source.name)} WHERE ({', '.join(own)}) NOT IN "
                    f"(SELECT {', '.join(others)} FROM {quoted(key.parent)} "
                    f"WHERE {' AND '.join(f'{name} IS NOT NULL' for name in others)})"
                )
                is_changed = is_changed or connection.changes() > 0
