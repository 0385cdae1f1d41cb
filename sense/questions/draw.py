"""Random choices over one database: tables, columns, chains of foreign keys."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TypeAlias

from sense.questions.intent import PEER, Relation, is_inner
from sense.questions.profile import ID_ENDINGS, ColumnProfile, Link, Profile, TableProfile
from sense.questions.wording import has_plural, is_bare_participle, word_set
from sense.schema import natural_name

Columns: TypeAlias = tuple[ColumnProfile, ...]

MAX_NULL_SHARE = 0.5
"""A column with more NULLs is not asked for."""
CODE_WORDS = word_set(
    """
    advisor building classroom code date
    edition gate id index key lat latitude long longitude major no
    number order phone platform position rank ranking room section sequence serial version zip
    """
)
"""Numbers under such names say which, not how much: no averages, no "highest"."""
CODE_ENDINGS = re.compile(
    r"(?!bid|acid|covid|humid|solid|valid)(?:[a-z](no|num|number)|[a-z]*[^aioru]id|[a-z]*ssn|num|omim)"
)
"""The same by the end of a word."""
LEVEL_WORDS = word_set(
    """
    age rank rating score grade level year latitude longitude height temperature percent rate
    percentage ratio average position season stars pct celsius fahrenheit ph density depth
    altitude elevation quality speed
    """
)
"""Numbers under such names have an average but no total."""
VAGUE_WORDS = word_set(
    """
    average highest lowest highest max min total value amount mean sum count
    """
)
"""Column names that make "the average average" of a question."""


@dataclass(frozen=True)
class Draw:
    """A source of random choices over one database."""

    profile: Profile
    rng: random.Random
    ups: dict[str, list[Link]] = field(default_factory=dict)
    """Table -> its own foreign keys."""
    relations: tuple[Relation, ...] = ()
    peers: tuple[Link, ...] = ()
    """Foreign keys to the table itself whose name says what the other row is: a mentor."""
    in_roles: dict[Link, TableProfile] = field(default_factory=dict)
    """What `referred` gave for links with a role."""
    favored: str = ""
    """A SQL feature that queries are to have where they can."""
    is_extreme: bool = False
    """Thresholds leave few rows, so that a word says them: "high"."""

    @classmethod
    def over(cls, profile: Profile, rng: random.Random) -> "Draw":
        profile = replace(profile, tables=tuple(map(_with_years, profile.tables)))
        ups: dict[str, list[Link]] = defaultdict(list)
        for link in profile.links:
            ups[link.table].append(link)
        return cls(profile, rng, ups, _relations(profile, ups), _peers(profile))

    def favoring(self, feature: str, *, is_extreme: bool = False) -> "Draw":
        """The same source, which tries for queries with the SQL feature; "" for none."""
        return replace(self, favored=feature, is_extreme=is_extreme)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def table(self, fits: Callable[[TableProfile], object] = bool) -> TableProfile | None:
        """A table with columns to ask for."""
        tables = [t for t in self.profile.tables if asked(t) and fits(t)]
        return self.rng.choice(self._preferred(tables)) if tables else None

    def some(self, items: Sequence[ColumnProfile], count: int) -> tuple[ColumnProfile, ...]:
        """`count` of the columns in their order, fewer when there are not as many."""
        chosen = self.rng.sample(range(len(items)), min(count, len(items)))
        return tuple(items[i] for i in sorted(chosen))

    def columns(self, table: TableProfile, count: int) -> tuple[ColumnProfile, ...]:
        """So many columns of the table to show, mostly with the one that names its rows."""
        columns = asked(table)
        if not count or len(columns) < count:
            return ()
        if table.display in columns and self.chance(0.6):
            rest = [column for column in columns if column is not table.display]
            return (table.display, *self.some(rest, count - 1))
        return self.some(columns, count)

    def scope(self, num_joins: int) -> tuple[list[TableProfile], tuple[Link, ...]] | None:
        """A table and so many that it refers to, directly or over others, with the links."""
        if num_joins == 0:
            table = self.table()
            return ([table], ()) if table else None
        starts = [t for t in self.profile.tables if self.ups.get(t.name) and not is_link_table(t)]
        if not starts:
            return None
        base = self.rng.choice(self._preferred(starts))
        links = self._chain(base, num_joins)
        if not links:
            return None
        return [base, *map(self.referred, links)], links

    def _preferred(self, tables: list[TableProfile]) -> list[TableProfile]:
        """Those of the tables whose rows can have the favored feature, all where none can."""
        if self.favored != "date":
            return tables
        return [t for t in tables if any(c.kind == "date" for c in t.columns)] or tables

    def referred(self, link: Link) -> TableProfile:
        """The table that the link leads to, called by the link's role if it has one."""
        table = self.profile.table(link.ref_table)
        if not link.role:
            return table
        if link in self.in_roles:
            return self.in_roles[link]
        name = PEER if is_inner(link) else table.name
        columns = tuple(replace(c, table=name, noun=link.role) for c in table.columns)
        display = table.display and columns[table.columns.index(table.display)]
        told = replace(table, name=name, noun=link.role, columns=columns, display=display)
        return self.in_roles.setdefault(link, told)

    def _chain(self, base: TableProfile, count: int) -> tuple[Link, ...] | None:
        """`count` links upwards from the table, none to a table that two tables refer to."""
        links: list[Link] = []
        seen = [base.name]
        for _ in range(count):
            found = [link for name in seen for link in self.ups.get(name, ())]
            sources = Counter(ref for ref, _ in {(link.ref_table, link.table) for link in found})
            found = [
                link
                for link in found
                if link.ref_table not in seen and sources[link.ref_table] == 1
            ]
            if not found:
                return None
            links.append(self.rng.choice(found))
            seen.append(links[-1].ref_table)
        return self._in_order(base, links)

    def _in_order(self, base: TableProfile, links: list[Link]) -> tuple[Link, ...]:
        """The links as the schema lists them, each after the one that leads to its table.

        A question does not say in which order its tables are joined.
        """
        rest = [link for link in self.profile.links if link in links]
        seen, ordered_links = [base.name], []
        while rest:
            link = next(link for link in rest if link.table in seen)
            rest.remove(link)
            seen.append(link.ref_table)
            ordered_links.append(link)
        return tuple(ordered_links)


def _kept(find: Callable[[TableProfile], Columns]) -> Callable[[TableProfile], Columns]:
    """`find`, once per table: what it found lies beside the fields of the table."""
    place = f"_{find.__name__}"

    @wraps(find)
    def found(table: TableProfile) -> Columns:
        columns: Columns | None = table.__dict__.get(place)
        if columns is None:
            columns = table.__dict__[place] = find(table)
        return columns

    return found


@_kept
def asked(table: TableProfile) -> Columns:
    """Columns a person would ask to see."""
    return tuple(
        column
        for column in table.columns
        if column.kind not in ("id", "foreign_key", "other", "boolean")
        and column.null_share <= MAX_NULL_SHARE
    )


@_kept
def numbers(table: TableProfile) -> Columns:
    """Columns that measure something."""
    return tuple(
        column
        for column in table.columns
        if column.kind in ("integer", "real")
        and column.num_distinct > 2
        and not _is_code(column.words.split()[-1])
        and column.words not in VAGUE_WORDS
    )


def _is_code(word: str) -> bool:
    """Whether a number under a name that ends so says which: "dormid", "dno"."""
    return word in CODE_WORDS or CODE_ENDINGS.fullmatch(word) is not None


@_kept
def ordered(table: TableProfile) -> Columns:
    """Columns with a greatest value."""
    times = [c for c in table.columns if c.kind in ("year", "date") and c.num_distinct > 2]
    return tuple(column for column in (*numbers(table), *times) if not column.null_share)


@_kept
def categories(table: TableProfile) -> Columns:
    """Columns to group by."""
    return tuple(
        column
        for column in table.columns
        if column.kind in ("category", "year")
        and column.num_distinct > 1
        and not column.is_unique
        and not column.null_share
    )


@_kept
def repeated(table: TableProfile) -> Columns:
    """Columns whose different values a person would ask for."""
    return tuple(c for c in asked(table) if c.kind in ("category", "year") and not c.is_unique)


def can_total(column: ColumnProfile) -> bool:
    return not LEVEL_WORDS & set(column.words.split())


def is_link_table(table: TableProfile) -> bool:
    """Whether the table only says which rows of two or more others belong together."""
    keys = sum(column.kind == "foreign_key" for column in table.columns)
    return keys >= 2 and keys == sum(column.kind != "id" for column in table.columns)


def _with_years(table: TableProfile) -> TableProfile:
    """The table whose whole numbers from 1500 to 2200 under "planted in", "launched" are years."""
    return replace(
        table,
        columns=tuple(
            replace(column, kind="year") if _holds_years(column) else column
            for column in table.columns
        ),
    )


def _holds_years(column: ColumnProfile) -> bool:
    low, high, words = column.low, column.high, column.words.split()
    if column.kind != "integer" or not isinstance(low, int) or not isinstance(high, int):
        return False
    is_time = words[-1] in ("in", "since", "until") or is_bare_participle(column.words)
    return is_time and low >= 1500 and high <= 2200


def _peers(profile: Profile) -> tuple[Link, ...]:
    """Links within a table whose column is called by a noun, "mentor_id" but not "sequel_to"."""
    links = []
    tables = {table.name: table for table in profile.tables}
    for table in profile.schema.tables:
        inner = [key for key in table.foreign_keys if key.ref_table == table.name]
        if len(inner) != 1 or len(inner[0].columns) != 1 or table.name not in tables:
            continue
        (name,), (ref_name,) = inner[0].columns, inner[0].ref_columns
        words, ref_words = (natural_name(text).split() for text in (name, ref_name))
        if len(words) > 1 and (words[-1] == ref_words[-1] or words[-1] in ID_ENDINGS):
            words = words[:-1]
        role, owner = " ".join(words), tables[table.name]
        if has_plural(role) and role != owner.noun and owner.column(ref_name).is_unique:
            links.append(Link(table.name, name, table.name, ref_name, role))
    return tuple(links)


def _relations(profile: Profile, ups: dict[str, list[Link]]) -> tuple[Relation, ...]:
    """What each table has many of; none where two ways lead from one table to another."""
    found: dict[tuple[str, str], list[Relation]] = defaultdict(list)
    for link in profile.links:
        owner, member = profile.table(link.ref_table), profile.table(link.table)
        if link.role or not asked(owner):
            continue
        if not is_link_table(member):
            found[owner.name, member.name].append(Relation(owner, member, (link,)))
            continue
        for other in (other for other in ups[link.table] if not other.role):
            far = profile.table(other.ref_table)
            if far is not owner:
                found[owner.name, far.name].append(Relation(owner, far, (link, other)))
    return tuple(same[0] for same in found.values() if len(same) == 1)
