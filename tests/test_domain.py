"""The catalogue of domains and the databases invented from it."""

import re
import sqlite3
from collections.abc import Iterable

import apsw
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from sense.domains.catalogue import CatalogueError, DomainTable, parse_domains, read_domains
from sense.domains.coinage import KEPT_WORDS
from sense.domains.domain import (
    Invention,
    invent_database,
    invent_databases,
    split_domains,
)

DOMAINS = read_domains()

PONDS = """ponds:
  about: Garden ponds and their fish.
  tables:
    pond: pond_id pk, pond_depth_m 0.2..2.5, lining in(clay, foil), dug_on date
    fish: fish_tag pk text, pond_id -> pond, kind of(Koi, Golden Orfe), spawned year 2001..2024,
      mother_tag -> fish, weighed real null
"""


def build(script: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(script)
    return connection


def is_connected(tables: Iterable[DomainTable]) -> bool:
    groups = [{table.name} for table in tables]
    for table in tables:
        for column in table.columns:
            if column.references:
                joined = [g for g in groups if g & {table.name, column.references}]
                groups = [g for g in groups if g not in joined] + [set().union(*joined)]
    return len(groups) == 1


def declared_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def test_catalogue_has_at_least_72_domains() -> None:
    assert len(DOMAINS) >= 72


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_domain_has_connected_tables_with_numbers_categories_and_dates(domain) -> None:
    assert 3 <= len(domain.tables) <= 6
    assert is_connected(domain.tables)
    assert all(4 <= len(table.columns) <= 8 for table in domain.tables)
    plain = [column for table in domain.tables for column in table.columns if not column.is_key]
    is_year = {c.name: c.type == "INTEGER" and c.range and c.range[0] > 1000 for c in plain}
    assert any(c.type in ("INTEGER", "REAL") and not is_year[c.name] for c in plain)
    assert any(c.choices for c in plain)
    assert any(c.type == "DATE" or is_year[c.name] for c in plain)


def test_catalogue_describes_each_domain_in_one_sentence() -> None:
    assert all(d.about.endswith(".") and d.about.count(".") == 1 for d in DOMAINS.values())


def test_categories_have_two_to_six_values() -> None:
    columns = [c for d in DOMAINS.values() for t in d.tables for c in t.columns]
    assert {len(c.choices) for c in columns if c.choices} <= {2, 3, 4, 5, 6}
    assert {len(c.vocabulary) for c in columns if c.vocabulary} <= {3, 4, 5, 6}


def test_few_names_occur_in_two_domains() -> None:
    names = [
        name
        for domain in DOMAINS.values()
        for name in {t.name for t in domain.tables}
        | {c.name for t in domain.tables for c in t.columns}
    ]
    assert len(names) - len(set(names)) <= 0.01 * len(names)


def test_notation_becomes_sql() -> None:
    domain = parse_domains(PONDS)["ponds"]
    inventions = [invent_database(domain, seed) for seed in range(40)]
    complete = next(
        i
        for i in inventions
        if sum(len(t.columns) for t in i.tables) == 10 and "pond_id" in i.script
    )
    lines = {line.strip(" ,") for line in complete.script.splitlines()}
    assert lines >= {
        "CREATE TABLE pond (",
        "pond_id INTEGER PRIMARY KEY",
        "pond_depth_m REAL NOT NULL CHECK (pond_depth_m BETWEEN 0.2 AND 2.5)",
        "fish_tag TEXT NOT NULL PRIMARY KEY",
        "pond_id INTEGER NOT NULL REFERENCES pond(pond_id)",
        "mother_tag TEXT REFERENCES fish(fish_tag)",
    }
    assert ("Koi", "Golden Orfe") in complete.vocabularies.values()
    assert "Koi" not in complete.script
    assert "IN ('clay', 'foil')" in complete.script


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lining in(clay, foil)", "lining inn(clay, foil)", r"'inn\(clay,' is not understood"),
        ("lining in(clay, foil)", "lining in(clay, clay)", "none twice"),
        ("lining in(clay, foil)", "lining", "column 'lining' of table 'pond' .* has no type"),
        ("lining in(clay, foil)", "order text", "'order' is a keyword of SQL"),
        ("lining in(clay, foil)", "Lining text", "'Lining' is no name"),
        ("lining in(clay, foil)", "dug_on date", "'dug_on' occurs twice in table 'pond'"),
        ("0.2..2.5", "2.5..0.2", "the lower one first"),
        (
            "-> pond,",
            "-> lake,",
            r"'lake', which is not above it; expected the table itself or one of: pond",
        ),
        ("pond_id pk", "pond_id integer", "table 'pond' of domain 'ponds' .line 4. has no primary"),
        ("    fish:", "    pond:", "'pond' occurs twice in 'tables' of domain 'ponds'"),
        ("about:", "what:", "has the entries what, tables; expected 'about' and 'tables'"),
        ("0.2..2.5, lining in(clay, foil), dug_on date", "0.2..2.5", "1 columns that are no keys"),
        ("ponds:", "- ponds", "not YAML|no YAML mapping"),
    ],
)
def test_what_breaks_the_notation_is_named(old: str, new: str, message: str) -> None:
    assert old in PONDS
    with pytest.raises(CatalogueError, match=message):
        parse_domains(PONDS.replace(old, new))


def test_error_names_line_table_and_column() -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_domains(PONDS.replace("weighed real null", "weighed reel null"))
    assert str(caught.value) == (
        "'reel' is not understood - column 'weighed' of table 'fish' of domain 'ponds' (line 5); "
        "expected pk, unique, null, -> table, in(...), of(...), low..high, text, integer, real, "
        "date, year, bool, person"
    )


def test_link_table_keeps_both_its_parents() -> None:
    inventions = [invent_database(DOMAINS["chess_club"], seed) for seed in range(60)]
    links = [t for i in inventions for t in i.tables if len(t.key) > 1]
    assert 0 < len(links) < len(inventions)
    assert all(all(c.references for c in table.key) and len(table.key) == 2 for table in links)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(DOMAINS)),
    st.integers(0, 5000),
    st.floats(0, 1) | st.sampled_from([0.0, 1.0]),
)
def test_any_invention_is_a_sound_database(name: str, seed: int, share: float) -> None:
    invention = invent_database(DOMAINS[name], seed, share)
    connection = build(invention.script)
    assert invention == invent_database(DOMAINS[name], seed, share)
    assert invention.db_id == f"{name}_{seed:03d}"
    assert 2 <= len(invention.tables) <= len(DOMAINS[name].tables)
    assert is_connected(invention.tables)
    for table in invention.tables:
        columns = declared_columns(connection, table.name)
        assert columns == [column.name for column in table.columns]
        assert len(columns) >= 3
        assert not {name.upper() for name in (table.name, *columns)} & set(apsw.keywords)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    for (table_name, column_name), values in invention.vocabularies.items():
        assert column_name in declared_columns(connection, table_name)
        assert len(set(values)) == len(values)


def test_scripts_are_plain_sql_to_sqlglot() -> None:
    for invention in invent_databases(len(DOMAINS), seed=3, domains=DOMAINS.values()):
        statements = sqlglot.parse(invention.script, read="sqlite")
        assert [s.find(exp.Table).name for s in statements if s] == [
            t.name for t in invention.tables
        ]


def test_one_domain_gives_many_databases() -> None:
    scripts = {invent_database(DOMAINS["lighthouse"], seed).script for seed in range(100)}
    assert len(scripts) > 90


def test_naming_conventions_differ_between_databases() -> None:
    keys = {
        invent_database(DOMAINS["tea_house"], seed).tables[0].columns[1].name for seed in range(80)
    }
    assert {"garden_title", "GardenTitle", "tea_garden_garden_title"} <= keys


def test_share_of_invented_names_changes_words_but_not_structure() -> None:
    for seed in range(20):
        plain, invented = (
            invent_database(DOMAINS["falconry"], seed, share) for share in (0.0, 1.0)
        )
        shapes = [
            [[(c.type, c.range, c.is_key) for c in t.columns] for t in i.tables]
            for i in (plain, invented)
        ]
        assert shapes[0] == shapes[1]


def test_invented_word_is_the_same_wherever_it_stands() -> None:
    invention = invent_database(DOMAINS["sheep_farm"], 5, 1.0)
    for table in invention.tables:
        for column in table.columns:
            if column.references and column.name.endswith("_id"):
                assert column.name == f"{column.references}_id"


def test_all_words_but_kept_ones_are_invented_at_share_one() -> None:
    plain, invented = (invent_database(DOMAINS["wind_farm"], 4, share) for share in (0.0, 1.0))
    for before, after in zip(plain.tables, invented.tables, strict=True):
        for old, new in zip(before.columns, after.columns, strict=True):
            pairs = zip(old.name.split("_"), new.name.split("_"), strict=True)
            for word, replacement in pairs:
                is_kept = word in KEPT_WORDS or len(word) < 3
                assert (word == replacement) == is_kept


def test_people_keep_their_names_at_share_one() -> None:
    plain, invented = (invent_database(DOMAINS["circus"], 1, share) for share in (0.0, 1.0))
    people = [[v for v in i.vocabularies.values() if len(v) == 200] for i in (plain, invented)]
    assert people[0] == people[1] != []
    assert len(set(people[0][0])) == 200


def test_categories_are_invented_in_their_own_case() -> None:
    scripts = "".join(invent_database(DOMAINS["beekeeping"], seed, 1.0).script for seed in range(9))
    values = set(re.findall(r"'([^']+)'", scripts))
    assert values
    assert not {"white", "amber", "Langstroth"} & values
    assert any(value.istitle() for value in values)
    assert any(value.islower() for value in values)


def test_share_outside_zero_to_one_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"invented_names is 40 .*expected a share from 0 to 1"):
        invent_database(DOMAINS["circus"], 0, 40)


def test_many_databases_have_distinct_ids_spread_over_the_domains() -> None:
    chosen = [DOMAINS["circus"], DOMAINS["wine_cellar"], DOMAINS["ice_rink"]]
    inventions = list(invent_databases(30, seed=2, domains=chosen))
    assert len({i.db_id for i in inventions}) == 30
    assert [i.domain for i in inventions].count("circus") == 10
    assert inventions == list(invent_databases(30, seed=2, domains=reversed(chosen)))
    assert not {i.db_id for i in inventions} & {i.db_id for i in invent_databases(30, 3, chosen)}


def test_split_is_disjoint_seeded_and_complete() -> None:
    train, test = split_domains(DOMAINS, 17, seed=1)
    assert (len(test), set(train) | set(test), set(train) & set(test)) == (17, set(DOMAINS), set())
    assert (train, test) == split_domains(sorted(DOMAINS, reverse=True), 17, seed=1)
    assert test != split_domains(DOMAINS, 17, seed=2)[1]


@pytest.mark.parametrize("num_test", [0, 3])
def test_split_without_domains_on_one_side_is_an_error(num_test: int) -> None:
    with pytest.raises(ValueError, match="at least one domain on each side"):
        split_domains(["a", "b", "c"], num_test, seed=0)


def distinct_names(inventions: Iterable[Invention], with_keys: bool) -> set[str]:
    """Table and column names, without differences of case and underscores."""
    return {
        name.lower().replace("_", "")
        for invention in inventions
        for table in invention.tables
        for name in (table.name, *(c.name for c in table.columns))
        if with_keys or not name.lower().endswith("id")
    }


@pytest.mark.parametrize("with_keys", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_most_names_of_test_databases_are_unseen_in_training(seed: int, with_keys: bool) -> None:
    train, test = split_domains(DOMAINS, len(DOMAINS) // 5, seed)
    seen = distinct_names(
        invent_databases(6 * len(train), seed, [DOMAINS[n] for n in train]), with_keys
    )
    tested = distinct_names(
        invent_databases(6 * len(test), seed, [DOMAINS[n] for n in test]), with_keys
    )
    assert len(tested - seen) / len(tested) > 0.95
