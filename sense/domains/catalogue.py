"""The catalogue of domains, `domains.yaml`: subjects with tables that we wrote by hand.

The head of that file explains its notation. What does not follow it is a `CatalogueError` that
names line, table and column. `sense.domains.domain` makes databases of these domains.
"""

import functools
import importlib.resources
import re
from collections.abc import Iterator, Mapping
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
    "person": "TEXT",
}
"""Words of the notation for what a column holds -> its declared type."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_COMMA = re.compile(r",(?![^()]*\))")
_TOKEN = re.compile(r"->\s*\w+|\b(?:in|of)\([^()]*\)|\S+")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)")


class CatalogueError(ValueError):
    """A domain is not written in the notation of the catalogue."""


@dataclass(frozen=True)
class DomainColumn:
    """One column of a domain's table."""

    name: str
    type: str = ""
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
    is_person: bool = False
    """Whether the values are names of people."""
    range: tuple[float, float] | None = None
    """Smallest and largest allowed number, both included."""

    @property
    def is_key(self) -> bool:
        return self.primary_key or bool(self.references)


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
    """A subject with its tables, each after those that it refers to."""

    name: str
    about: str
    """One sentence about the subject."""
    tables: tuple[DomainTable, ...]


@functools.cache
def read_domains() -> dict[str, Domain]:
    """The catalogue that ships with the package, by domain name, in alphabetical order.

    >>> read_domains()["beekeeping"].tables[0].name
    'apiary'
    """
    text = importlib.resources.files("sense.domains").joinpath(CATALOGUE).read_text("utf-8")
    return parse_domains(text)


def parse_domains(text: str) -> dict[str, Domain]:
    """The domains of a YAML text, in alphabetical order.

    >>> text = '''
    ... ponds:
    ...   about: Garden ponds.
    ...   tables:
    ...     pond: pond_id pk, pond_depth_m 0.2..2.5, lining in(clay, foil)
    ... '''
    >>> parse_domains(text)["ponds"].tables[0].columns[2].choices
    ('clay', 'foil')
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CatalogueError(f"the catalogue is not YAML: {error}") from error
    domains = [
        _parse_domain(name, node, f"domain '{name}' (line {line})")
        for name, node, line in _entries(root, "the catalogue")
    ]
    return {domain.name: domain for domain in sorted(domains, key=lambda d: d.name)}


def _parse_domain(name: str, node: yaml.Node, where: str) -> Domain:
    _check_name(name, where)
    parts = {key: value for key, value, _ in _entries(node, where)}
    if list(parts) != ["about", "tables"]:
        raise CatalogueError(
            f"{where} has the entries {', '.join(parts)}; expected 'about' and 'tables'"
        )
    tables: dict[str, DomainTable] = {}
    for table, columns, line in _entries(parts["tables"], f"'tables' of {where}"):
        spot = f"table '{table}' of domain '{name}' (line {line})"
        _check_name(table, spot)
        tables[table] = _parse_table(table, _text(columns, spot), tables, spot)
    return Domain(name, _text(parts["about"], f"'about' of {where}"), tuple(tables.values()))


def _entries(node: yaml.Node | None, where: str) -> Iterator[tuple[str, yaml.Node, int]]:
    """Key, value and line of a YAML mapping; unlike yaml.safe_load it refuses a repeated key."""
    if not isinstance(node, yaml.MappingNode):
        raise CatalogueError(f"{where} is no YAML mapping; expected lines of the form 'name: ...'")
    seen = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise CatalogueError(f"'{key.value}' occurs twice in {where}, line {line}; rename one")
        seen.add(key.value)
        yield key.value, value, line


def _text(node: yaml.Node, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise CatalogueError(f"{where} is no text; expected one after the colon")
    return str(node.value)


def _check_name(name: str, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CatalogueError(
            f"'{name}' is no name - {where}; expected lower-case words joined by '_'"
        )
    if name.upper() in apsw.keywords:
        raise CatalogueError(f"'{name}' is a keyword of SQL - {where}; choose another name")


def _parse_table(name: str, text: str, above: Mapping[str, DomainTable], where: str) -> DomainTable:
    columns: dict[str, DomainColumn] = {}
    for part in _COMMA.split(text):
        column = _parse_column(part.strip(), name, above, where)
        if column.name in columns:
            raise CatalogueError(f"column '{column.name}' occurs twice in {where}; rename one")
        columns[column.name] = column
    table = DomainTable(name, tuple(columns.values()))
    if not table.key:
        raise CatalogueError(f"{where} has no primary key; expected 'pk' after one column or two")
    num_plain = sum(not column.is_key for column in table.columns)
    if num_plain + len(table.key) < 3:
        raise CatalogueError(
            f"{where} has {num_plain} columns that are no keys; expected three columns or more "
            "without the foreign keys that are outside the primary key"
        )
    own = table.key[0].type
    return replace(
        table,
        columns=tuple(replace(c, type=own) if c.references == name else c for c in table.columns),
    )


def _parse_column(
    text: str, table: str, above: Mapping[str, DomainTable], where: str
) -> DomainColumn:
    name, *tokens = _TOKEN.findall(text) or [""]
    where = f"column '{name}' of {where}"
    _check_name(name, where)
    column = DomainColumn(name)
    for token in tokens:
        if token.startswith("->"):
            column = _with_reference(column, token[2:].strip(), table, above, where)
        else:
            column = _with_token(column, token, where)
    if column.type or column.references:
        return column
    if column.primary_key:
        return replace(column, type="INTEGER")
    raise CatalogueError(f"{where} has no type; expected one of {_EXPECTED}")


_EXPECTED = f"-> table, in(...), of(...), low..high, {', '.join(SQL_TYPES)}"


def _with_token(column: DomainColumn, token: str, where: str) -> DomainColumn:
    if token == "pk":
        return replace(column, primary_key=True)
    if token == "unique":
        return replace(column, unique=True)
    if token == "null":
        return replace(column, not_null=False)
    if token in SQL_TYPES:
        years = DEFAULT_YEARS if token == "year" else None
        is_person = token == "person"
        return replace(
            column, type=SQL_TYPES[token], range=column.range or years, is_person=is_person
        )
    if token.startswith("in("):
        return replace(column, type="TEXT", choices=_values(token, where))
    if token.startswith("of("):
        return replace(column, type="TEXT", vocabulary=_values(token, where))
    if match := _RANGE.fullmatch(token):
        return _with_range(column, match[1], match[2], where)
    raise CatalogueError(
        f"'{token}' is not understood - {where}; expected pk, unique, null, {_EXPECTED}"
    )


def _values(token: str, where: str) -> tuple[str, ...]:
    values = tuple(value.strip() for value in token[3:-1].split(","))
    if len({*values}) < max(2, len(values)) or "" in values:
        raise CatalogueError(f"{where} has {token}; expected two values or more, none twice")
    return values


def _with_range(column: DomainColumn, low: str, high: str, where: str) -> DomainColumn:
    if float(low) >= float(high):
        raise CatalogueError(f"{where} has the range {low}..{high}; expected the lower one first")
    if "." in low + high:
        return replace(column, range=(float(low), float(high)), type=column.type or "REAL")
    return replace(column, range=(int(low), int(high)), type=column.type or "INTEGER")


def _with_reference(
    column: DomainColumn, target: str, table: str, above: Mapping[str, DomainTable], where: str
) -> DomainColumn:
    if target == table:
        return replace(column, references=target, not_null=False)
    if target not in above:
        raise CatalogueError(
            f"{where} refers to '{target}', which is not above it; expected the table itself or "
            f"one of: {', '.join(above) or 'none, it is the first'}"
        )
    key = above[target].key
    if len(key) > 1:
        raise CatalogueError(
            f"{where} refers to '{target}', whose primary key has {len(key)} columns; expected "
            "a table with one"
        )
    return replace(column, references=target, type=key[0].type)
