"""Databases invented without a language model: seeded variations of the catalogue's domains.

A variation keeps some tables and columns of its domain, reorders and renames them, and can put
invented words in the place of real ones, so that a small model must copy names from the schema
instead of knowing them. Rows come from `fill_database(path, rows_per_table, seed,
vocabularies=invention.vocabularies)` of `sense.database`.
"""

import functools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sense.domains.catalogue import Domain, DomainColumn, DomainTable, read_domains
from sense.domains.coinage import invent_people, invent_words, translate, words_of

__all__ = [
    "Domain",
    "Invention",
    "invent_database",
    "invent_databases",
    "read_domains",
    "split_domains",
]

CONVENTIONS = {"snake": 0.7, "camel": 0.15, "prefixed": 0.15}
"""Naming conventions and how often each is drawn: `hive_count`; `HiveCount`; columns that begin
with their table's name."""


@dataclass(frozen=True)
class Invention:
    """A database to be: its schema as a script, without rows."""

    db_id: str
    domain: str
    tables: tuple[DomainTable, ...]
    script: str
    """CREATE TABLE statements for `sense.database.build_database`."""
    vocabularies: Mapping[tuple[str, str], tuple[str, ...]]
    """(table, column) -> likely values of a text column that the script does not constrain."""


def invent_database(domain: Domain, seed: int, invented_names: float = 0.0) -> Invention:
    """A variation of the domain: some of its tables and columns under new names.

    Same domain, seed and share give the same database; the share changes words, not structure.
    invented_names: share of the words in names and text values that become invented words; the
    same word always becomes the same word within a database.

    >>> invent_database(read_domains()["beekeeping"], seed=17).db_id
    'beekeeping_017'
    """
    if not 0 <= invented_names <= 1:
        raise ValueError(
            f"invented_names is {invented_names} (domain '{domain.name}'); "
            "expected a share from 0 to 1"
        )
    rng = random.Random(f"{domain.name} {seed}")
    tables = _choose_columns(_choose_tables(domain.tables, rng), rng)
    convention = rng.choices(list(CONVENTIONS), list(CONVENTIONS.values()))[0]
    people = invent_people(200, rng)
    words_rng = random.Random(f"words {domain.name} {seed}")
    tables = _follow_convention(_replace_words(tables, invented_names, words_rng), convention)
    vocabularies = {
        (table.name, column.name): people if column.is_person else column.vocabulary
        for table in tables
        for column in table.columns
        if column.is_person or column.vocabulary
    }
    db_id = f"{domain.name}_{seed:03d}"
    return Invention(db_id, domain.name, tables, _create_script(tables), vocabularies)


def invent_databases(
    num: int, seed: int, domains: Iterable[Domain], invented_names: float = 0.0
) -> Iterator[Invention]:
    """`num` databases with different ids, spread evenly over the domains in a seeded order.

    Seeds of single databases start at 1,000 times `seed`, so runs with other seeds share none
    as long as each makes at most 1,000 databases per domain.
    """
    order = sorted(domains, key=lambda domain: domain.name)
    if not order:
        raise ValueError("domains is empty; expected at least one of read_domains()")
    random.Random(seed).shuffle(order)
    for i in range(num):
        turn, place = divmod(i, len(order))
        yield invent_database(order[place], 1000 * seed + turn, invented_names)


def split_domains(
    names: Iterable[str], num_test: int, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and test domains: disjoint, sorted, together all of `names`.

    >>> split_domains(["ferries", "chess", "wine"], num_test=1, seed=0)
    (('chess', 'wine'), ('ferries',))
    """
    ordered = sorted(set(names))
    if not 0 < num_test < len(ordered):
        raise ValueError(
            f"num_test is {num_test}, of {len(ordered)} domains; expected at least one domain on "
            "each side"
        )
    test = set(random.Random(seed).sample(ordered, num_test))
    return tuple(n for n in ordered if n not in test), tuple(n for n in ordered if n in test)


def _create_script(tables: Sequence[DomainTable]) -> str:
    """CREATE TABLE statements of the tables, in their order."""
    keys = {table.name: table.key[0].name for table in tables}
    statements = []
    for table in tables:
        lines = [_column_sql(column, keys, len(table.key) == 1) for column in table.columns]
        if len(table.key) > 1:
            lines.append(f"PRIMARY KEY ({', '.join(column.name for column in table.key)})")
        body = ",\n".join(f"    {line}" for line in lines)
        statements.append(f"CREATE TABLE {table.name} (\n{body}\n);\n")
    return "".join(statements)


def _choose_tables(tables: Sequence[DomainTable], rng: random.Random) -> tuple[DomainTable, ...]:
    """Two or more tables connected by foreign keys; foreign keys to the others are left out."""
    links: dict[str, set[str]] = {table.name: set() for table in tables}
    needed: dict[str, set[str]] = {}
    for table in tables:
        parents = {column.references for column in table.key if column.references}
        needed[table.name] = parents.union(*(needed[parent] for parent in parents))
        for column in table.columns:
            if column.references:
                links[table.name].add(column.references)
                links[column.references].add(table.name)
    size = rng.randint(2, len(tables))
    chosen: set[str] = set()
    while len(chosen) < size:
        reachable = {name for table in chosen for name in links[table]} - chosen
        name = rng.choice(sorted(reachable or links))
        chosen |= {name} | needed[name]
    return tuple(
        replace(
            table,
            columns=tuple(c for c in table.columns if not c.references or c.references in chosen),
        )
        for table in tables
        if table.name in chosen
    )


def _choose_columns(tables: Sequence[DomainTable], rng: random.Random) -> tuple[DomainTable, ...]:
    """Each table with its keys, its first other column and some more, at least three in all."""
    share = rng.uniform(0.5, 1.0)
    is_shuffled = rng.random() < 0.5
    chosen = []
    for table in tables:
        keys = [column for column in table.columns if column.is_key]
        others = [column for column in table.columns if not column.is_key]
        num_kept = max(1, 3 - len(keys), round(share * len(others)))
        kept = {*keys, *others[:1], *rng.sample(others[1:], min(num_kept, len(others)) - 1)}
        columns = [c for c in table.columns if c in kept and not c.primary_key]
        if is_shuffled:
            rng.shuffle(columns)
        chosen.append(replace(table, columns=(*table.key, *columns)))
    return tuple(chosen)


def _follow_convention(tables: Sequence[DomainTable], convention: str) -> tuple[DomainTable, ...]:
    if convention == "camel":
        return _rename(tables, _camel, lambda table, column: _camel(column.name))
    if convention == "prefixed":
        return _rename(tables, str, _prefixed)
    return tuple(tables)


def _camel(name: str) -> str:
    return "".join("ID" if word == "id" else word.capitalize() for word in name.split("_"))


def _prefixed(table: DomainTable, column: DomainColumn) -> str:
    if column.is_key or column.name.startswith(f"{table.name}_"):
        return column.name
    return f"{table.name}_{column.name}"


def _rename(
    tables: Sequence[DomainTable],
    table_name: Callable[[str], str],
    column_name: Callable[[DomainTable, DomainColumn], str],
) -> tuple[DomainTable, ...]:
    return tuple(
        DomainTable(
            table_name(table.name),
            tuple(
                replace(c, name=column_name(table, c), references=table_name(c.references))
                for c in table.columns
            ),
        )
        for table in tables
    )


def _replace_words(
    tables: Sequence[DomainTable], share: float, rng: random.Random
) -> tuple[DomainTable, ...]:
    """The tables with a share of the words in their names and values invented."""
    words = invent_words(words_of(_texts(tables)), share, rng, avoid=_catalogue_words())

    def translated(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(translate(value, words) for value in values)

    renamed = _rename(
        tables,
        lambda name: translate(name, words),
        lambda table, column: translate(column.name, words),
    )
    return tuple(
        replace(
            table,
            columns=tuple(
                replace(c, choices=translated(c.choices), vocabulary=translated(c.vocabulary))
                for c in table.columns
            ),
        )
        for table in renamed
    )


def _texts(tables: Iterable[DomainTable]) -> Iterator[str]:
    for table in tables:
        yield table.name
        for column in table.columns:
            yield from (column.name, *column.choices, *column.vocabulary)


@functools.cache
def _catalogue_words() -> frozenset[str]:
    return words_of(text for domain in read_domains().values() for text in _texts(domain.tables))


def _column_sql(column: DomainColumn, keys: Mapping[str, str], is_single_key: bool) -> str:
    parts = [column.name, column.type]
    if column.primary_key and is_single_key:
        parts.append("PRIMARY KEY" if column.type == "INTEGER" else "NOT NULL PRIMARY KEY")
    elif column.not_null:
        parts.append("NOT NULL")
    if column.unique:
        parts.append("UNIQUE")
    if column.references:
        parts.append(f"REFERENCES {column.references}({keys[column.references]})")
    if column.type == "BOOLEAN":
        parts.append(f"CHECK ({column.name} IN (0, 1))")
    if column.range:
        low, high = column.range
        parts.append(f"CHECK ({column.name} BETWEEN {low} AND {high})")
    if column.choices:
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in column.choices)
        parts.append(f"CHECK ({column.name} IN ({quoted}))")
    return " ".join(parts)
