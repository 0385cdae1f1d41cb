"""The order in which tables are filled, and foreign keys that nobody declared."""

from graphlib import CycleError, TopologicalSorter

from sense.filling.constraints import FillTable, Key
from sense.schema import natural_name


def fill_order(tables: list[FillTable]) -> list[FillTable]:
    """The empty tables, parents first as far as the keys allow.

    Where keys form a cycle, suggested ones are dropped first, then those to columns whose values
    can be reserved because they are no foreign key themselves.
    """
    empty = {table.name: table for table in tables if table.is_empty}
    bound = {
        (table.name, i) for table in tables for k in table.keys if k.is_declared for i in k.columns
    }

    def edges(table: FillTable, strictness: int) -> list[str]:
        kept = [
            key.parent
            for key in table.keys
            if (strictness < 1 or key.is_declared)
            and (strictness < 2 or any((key.parent, i) in bound for i in key.parent_columns))
        ]
        return [p for p in dict.fromkeys(kept) if p in empty and p != table.name]

    for strictness in range(3):
        graph = {name: edges(table, strictness) for name, table in empty.items()}
        try:
            return [empty[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError:
            continue
    return list(empty.values())


def add_suggested_keys(tables: list[FillTable]) -> None:
    """Keys that nobody declared, from columns that are called like the key of another table."""
    known: dict[str, tuple[FillTable, int]] = {}
    for table in tables:
        if len(table.primary_key) == 1:
            words = natural_name(table.columns[table.primary_key[0]].name)
            owner = natural_name(table.name)
            for name in {words, f"{owner} {words}", f"{owner.removesuffix('s')} {words}"}:
                if len(name.split()) > 1 or (name.endswith("id") and name != "id"):
                    known.setdefault(name, (table, table.primary_key[0]))
    for table in tables:
        declared = {i for key in table.keys for i in key.columns}
        for i, column in enumerate(table.columns):
            parent, target = known.get(natural_name(column.name), (table, i))
            is_same_type = parent.columns[target].affinity == column.affinity
            is_free = i not in declared and table.primary_key != (i,) and not column.bounds.choices
            if is_free and is_same_type and parent is not table:
                table.keys.append(Key((i,), parent.name, (target,), is_declared=False))
