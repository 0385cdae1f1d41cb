"""Databases invented without a language model: domains and seeded variations of each.

`domains.yaml` describes each domain in a small notation, one entry per table; its head explains
it. A variation keeps some tables and columns, reorders and renames them, and can put invented
words in the place of real ones, so that a small model must copy names from the schema instead of
knowing them.
"""

import functools
import importlib.resources
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import apsw
import yaml

CATALOGUE = "domains.yaml"

DEFAULT_YEARS = (1950, 2024)
"""Range of a `year` column that names none."""

SQL_TYPES = {
    "text": "TEXT",
    "integer": "INTEGER",
    "real": "REAL",
    "date": "DATE",
    "year": "INTEGER",
    "bool": "BOOLEAN",
}

CONVENTIONS = {"snake": 0.7, "camel": 0.15, "prefixed": 0.15}
"""Naming conventions and how often each is drawn: `hive_count`; `HiveCount`; columns that begin
with their table's name."""

KEPT_WORDS = frozenset(
    """
    code count date day days fee from hours length level minutes month months name note number per
    percent price quantity rate rating score size status text title total type until value weeks
    weight width height year years
    """.split()
)
"""Words that say what a column measures. They and words of one or two letters are never replaced."""

_TOKEN = re.compile(r"->\s*\w+|\b(?:in|of)\([^()]*\)|-?[\d.]*\d\.\.-?\d[\d.]*|\S+")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_WORD = re.compile(r"[^\W\d_]+")


class CatalogueError(ValueError):
    """A domain is not written in the notation of the catalogue."""


@dataclass(frozen=True)
class DomainColumn:
    """One column of a domain's table."""

    name: str
    type: str
    """Declared SQL type; a foreign key has the type of the key it refers to."""
    primary_key: bool = False
    references: str = ""
    """Table whose primary key the column holds, "" when it is no foreign key."""
    not_null: bool = True
    unique: bool = False
    choices: tuple[str, ...] = ()
    """The only allowed values, a CHECK of the database."""
    vocabulary: tuple[str, ...] = ()
    """Likely values, no constraint."""
    range: tuple[float, float] | None = None
    """Smallest and largest allowed number, both included."""


@dataclass(frozen=True)
class DomainTable:
    """One table of a domain; a table with several primary key columns links others."""

    name: str
    columns: tuple[DomainColumn, ...]

    @property
    def key(self) -> tuple[DomainColumn, ...]:
        return tuple(column for column in self.columns if column.primary_key)


@dataclass(frozen=True)
class Domain:
    """A subject with its tables, those that are referred to before those that refer to them."""

    name: str
    about: str
    """One sentence about the subject."""
    tables: tuple[DomainTable, ...]


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


@functools.cache
def read_domains() -> dict[str, Domain]:
    """The catalogue that ships with the package, by domain name, in alphabetical order.

    >>> read_domains()["beekeeping"].tables[0].name
    'apiary'
    """
    text = importlib.resources.files("sense").joinpath(CATALOGUE).read_text("utf-8")
    return parse_domains(text)


def parse_domains(text: str) -> dict[str, Domain]:
    """The domains in a YAML text. Raises CatalogueError naming line, table and column."""
    domains: dict[str, Domain] = {}
    for name, node, line in _entries(yaml.compose(text, Loader=yaml.SafeLoader), "the catalogue"):
        _check_name(name, f"domain '{name}' (line {line})")
        parts = {key: value for key, value, _ in _entries(node, f"domain '{name}'")}
        if list(parts) != ["about", "tables"]:
            raise CatalogueError(
                f"domain '{name}' (line {line}) has the entries {', '.join(parts)}; "
                "expected about and tables"
            )
        tables: dict[str, DomainTable] = {}
        for table_name, columns, table_line in _entries(parts["tables"], f"domain '{name}'"):
            where = f"table '{table_name}' of domain '{name}' (line {table_line})"
            _check_name(table_name, where)
            tables[table_name] = _parse_table(table_name, str(columns.value), tables, where)
        domains[name] = Domain(name, str(parts["about"].value), tuple(tables.values()))
    return dict(sorted(domains.items()))


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
    words = _invented_words(tables, invented_names, random.Random(f"words {domain.name} {seed}"))
    tables = _follow_convention(_replace_words(tables, words), convention)
    vocabularies = {
        (table.name, column.name): column.vocabulary
        for table in tables
        for column in table.columns
        if column.vocabulary
    }
    db_id = f"{domain.name}_{seed:03d}"
    return Invention(db_id, domain.name, tables, create_script(tables), vocabularies)


def invent_databases(
    num: int, seed: int, domains: Iterable[Domain], invented_names: float = 0.0
) -> Iterator[Invention]:
    """`num` databases with different ids, spread evenly over the domains in a seeded order.

    Seeds of single databases start at 1,000 times `seed`, so runs with other seeds share none
    as long as each makes at most 1,000 databases per domain.
    """
    order = sorted(domains, key=lambda domain: domain.name)
    if not order:
        raise ValueError("domains is empty; expected at least one of sense.domain.read_domains()")
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


def create_script(tables: Sequence[DomainTable]) -> str:
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


def _entries(node: yaml.Node | None, where: str) -> Iterator[tuple[str, yaml.Node, int]]:
    """Key, value and line of a YAML mapping; unlike yaml.safe_load it refuses a repeated key."""
    if not isinstance(node, yaml.MappingNode):
        raise CatalogueError(
            f"{where} is not a YAML mapping; expected lines of the form 'name: ...'"
        )
    seen = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise CatalogueError(f"'{key.value}' occurs twice in {where} (line {line}); rename one")
        seen.add(key.value)
        yield key.value, value, line


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise CatalogueError(
            f"'{name}' is no name - {where}; expected lower-case words joined by '_'"
        )
    if name.upper() in apsw.keywords:
        raise CatalogueError(f"'{name}' is a keyword of SQL - {where}; choose another name")


def _parse_table(
    name: str, text: str, tables: Mapping[str, DomainTable], where: str
) -> DomainTable:
    columns: list[DomainColumn] = []
    for part in re.split(r",(?![^()]*\))", text):
        column = _parse_column(part.strip(), name, tables, where)
        if column.name in {other.name for other in columns}:
            raise CatalogueError(f"column '{column.name}' occurs twice in {where}; rename one")
        columns.append(column)
    table = DomainTable(name, tuple(columns))
    if not table.key:
        raise CatalogueError(f"{where} has no primary key; mark one column or several with 'pk'")
    own_key = table.key[0].type
    return DomainTable(
        name, tuple(replace(c, type=own_key) if c.references == name else c for c in table.columns)
    )


def _parse_column(
    text: str, table: str, tables: Mapping[str, DomainTable], where: str
) -> DomainColumn:
    name, *tokens = _TOKEN.findall(text) or [""]
    where = f"column '{name}' of {where}"
    _check_name(name, where)
    column = DomainColumn(name, "")
    for token in tokens:
        if token == "pk":
            column = replace(column, primary_key=True)
        elif token == "unique":
            column = replace(column, unique=True)
        elif token == "null":
            column = replace(column, not_null=False)
        elif token in SQL_TYPES:
            column = replace(column, type=SQL_TYPES[token])
            if token == "year":
                column = replace(column, range=column.range or DEFAULT_YEARS)
        elif token.startswith("->"):
            column = _with_reference(column, token[2:].strip(), table, tables, where)
        elif token.startswith(("in(", "of(")):
            values = tuple(value.strip() for value in token[3:-1].split(","))
            if len(set(values)) != len(values) or "" in values:
                raise CatalogueError(f"{where} repeats or omits a value in {token}; expected a set")
            column = replace(column, type="TEXT")
            if token.startswith("in("):
                column = replace(column, choices=values)
            else:
                column = replace(column, vocabulary=values)
        elif match := _RANGE.fullmatch(token):
            column = _with_range(column, match[1], match[2], where)
        else:
            raise CatalogueError(
                f"'{token}' is not understood - {where}; expected pk, unique, null, -> table, "
                f"in(...), of(...), low..high, or a type ({', '.join(SQL_TYPES)})"
            )
    if not column.type and column.references != table:
        if not column.primary_key:
            raise CatalogueError(
                f"{where} has no type; expected {', '.join(SQL_TYPES)}, in(...), of(...), "
                "low..high or -> table"
            )
        column = replace(column, type="INTEGER")
    return column


def _with_reference(
    column: DomainColumn, target: str, table: str, tables: Mapping[str, DomainTable], where: str
) -> DomainColumn:
    if target == table:
        return replace(column, references=target, not_null=False)
    if target not in tables:
        raise CatalogueError(
            f"{where} refers to '{target}', which is not above it; expected the table "
            f"itself or one of: {', '.join(tables) or 'none yet'}"
        )
    key = tables[target].key
    if len(key) > 1:
        raise CatalogueError(
            f"{where} refers to '{target}', whose primary key has {len(key)} columns; "
            "expected a table with one"
        )
    return replace(column, references=target, type=key[0].type)


def _with_range(column: DomainColumn, low: str, high: str, where: str) -> DomainColumn:
    if float(low) >= float(high):
        raise CatalogueError(f"{where} has the range {low}..{high}; expected low below high")
    if "." in low or "." in high:
        return replace(column, range=(float(low), float(high)), type=column.type or "REAL")
    return replace(column, range=(int(low), int(high)), type=column.type or "INTEGER")


def _choose_tables(tables: Sequence[DomainTable], rng: random.Random) -> tuple[DomainTable, ...]:
    """Two or more tables connected by foreign keys; foreign keys to the others are left out."""
    links: dict[str, set[str]] = {table.name: set() for table in tables}
    needed: dict[str, set[str]] = {}
    for table in tables:
        needed[table.name] = {column.references for column in table.key if column.references}
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
        keys = [c for c in table.columns if c.primary_key or c.references]
        others = [c for c in table.columns if c not in keys]
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
    if column.primary_key or column.references or column.name.startswith(f"{table.name}_"):
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
    tables: Sequence[DomainTable], words: Mapping[str, str]
) -> tuple[DomainTable, ...]:
    def translate(text: str) -> str:
        return _WORD.sub(lambda match: _in_case_of(match[0], words), text)

    def translate_all(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(translate(value) for value in values)

    renamed = _rename(tables, translate, lambda table, column: translate(column.name))
    return tuple(
        replace(
            table,
            columns=tuple(
                replace(
                    c,
                    choices=translate_all(c.choices),
                    vocabulary=translate_all(c.vocabulary),
                )
                for c in table.columns
            ),
        )
        for table in renamed
    )


def _in_case_of(word: str, words: Mapping[str, str]) -> str:
    invented = words.get(word.lower(), word)
    return invented.capitalize() if word[0].isupper() and invented != word else invented


def _invented_words(
    tables: Sequence[DomainTable], share: float, rng: random.Random
) -> dict[str, str]:
    """Real word -> invented word, for the share of the replaceable words of names and values."""
    words = sorted(_words(tables))
    chosen = rng.sample(words, round(share * len(words)))
    taken = set(_real_words())
    invented = {}
    for word in chosen:
        new = _new_word(rng)
        while new in taken:
            new = _new_word(rng)
        taken.add(new)
        invented[word] = new
    return invented


def _words(tables: Iterable[DomainTable]) -> set[str]:
    texts: set[str] = set()
    for table in tables:
        texts.add(table.name)
        for column in table.columns:
            texts |= {column.name, *column.choices, *column.vocabulary}
    words = {word.lower() for text in texts for word in _WORD.findall(text)}
    return {word for word in words if len(word) > 2} - KEPT_WORDS


_ONSETS = (*"bdgklmnprstvz", "br", "dr", "gr", "kl", "kr", "pl", "pr", "sk", "sp", "st", "tr")
_VOWELS = "aeio"
_CODAS = "klmnrt"


def _new_word(rng: random.Random) -> str:
    """Six letters or more, such as `tiskel`, ending so that a plain `s` makes it plural."""
    while True:
        syllables = [
            rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((2, 2, 3)))
        ]
        word = rng.choice(("", *_CODAS)).join(syllables[:2]) + "".join(syllables[2:])
        word += rng.choice(_CODAS)
        if len(word) >= 6:
            return word


@functools.cache
def _real_words() -> frozenset[str]:
    """Words that an invented one must not be: SQL, the catalogue, common English and Latin."""
    from faker.providers.lorem import en_US, la

    words = {keyword.lower() for keyword in apsw.keywords} | KEPT_WORDS
    for domain in read_domains().values():
        words |= _words(domain.tables)
    return frozenset(words | {*en_US.Provider.word_list} | {*la.Provider.word_list})


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
    values = column.choices or column.vocabulary
    if values:
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        parts.append(f"CHECK ({column.name} IN ({quoted}))")
    return " ".join(parts)
