"""Reading a schema, writing it for a prompt, pruning it, and finding values."""

import sqlite3
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import sqlglot
from conftest import write_database
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.execution import DatabaseError
from sense.prompts.linking import ValueLink, stem_word, value_index
from sense.prompts.pruning import SchemaWords
from sense.questions.profile import profile_database
from sense.schema import (
    RESERVED_WORDS,
    Column,
    ForeignKey,
    Schema,
    Table,
    far_columns,
    quote_identifier,
    read_schema,
    sample_rows,
    schema_text,
)

ODD_SCRIPT = """
CREATE TABLE "order" ("from" TEXT, "first name" TEXT, "größe" REAL,
    PRIMARY KEY ("from", "first name"));
CREATE TABLE item (
    id INTEGER PRIMARY KEY,
    code TEXT UNIQUE,
    parent REFERENCES item,
    sender TEXT,
    receiver TEXT,
    price REAL NOT NULL,
    double_price REAL GENERATED ALWAYS AS (price * 2) VIRTUAL,
    lost INTEGER REFERENCES nowhere(id),
    FOREIGN KEY (sender, receiver) REFERENCES "ORDER"
);
CREATE TABLE tag (item_id INTEGER, word TEXT, UNIQUE (word, item_id), PRIMARY KEY (item_id, word))
    WITHOUT ROWID;
CREATE UNIQUE INDEX cheap ON item (price) WHERE price < 10;
CREATE UNIQUE INDEX lowered ON item (lower(sender));
CREATE VIEW dear AS SELECT id, price * 10 AS tenfold FROM item;
CREATE VIEW broken AS SELECT * FROM no_such_table;
CREATE VIRTUAL TABLE note USING fts5(title, body);
INSERT INTO item (id, code, price) VALUES (1, 'x', 2.5);
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_database(tmp_path / "odd 100%?#.sqlite", ODD_SCRIPT)


def table(schema: Schema, name: str) -> Table:
    return next(t for t in schema.tables if t.name == name)


def test_world_is_read_as_declared(world: Path) -> None:
    assert read_schema(world) == Schema(
        (
            Table(
                "country",
                (
                    Column("code", "TEXT", primary_key=1),
                    Column("name", "TEXT", not_null=True),
                    Column("continent", "TEXT", not_null=True),
                    Column("population", "INTEGER", not_null=True),
                ),
            ),
            Table(
                "city",
                (
                    Column("id", "INTEGER", primary_key=1, is_rowid=True),
                    Column("name", "TEXT", not_null=True),
                    Column("country_code", "TEXT", not_null=True),
                    Column("population", "INTEGER"),
                ),
                (ForeignKey(("country_code",), "country", ("code",)),),
            ),
        )
    )


def test_odd_tables_are_read_in_file_order_without_shadow_tables_and_broken_views(
    odd: Path,
) -> None:
    names = [t.name for t in read_schema(odd).tables]
    assert names == ["order", "item", "tag", "dear", "note"]


def test_composite_and_implicit_foreign_keys_name_the_primary_key(odd: Path) -> None:
    assert table(read_schema(odd), "item").foreign_keys == (
        ForeignKey(("parent",), "item", ("id",)),
        ForeignKey(("sender", "receiver"), "order", ("from", "first name")),
    )


def test_unique_groups_leave_out_partial_and_expression_indexes(odd: Path) -> None:
    schema = read_schema(odd)
    assert table(schema, "item").unique == (("code",),)
    assert table(schema, "tag").unique == (("word", "item_id"),)


def test_generated_view_and_virtual_columns_are_read(odd: Path) -> None:
    schema = read_schema(odd)
    assert Column("double_price", "REAL") in table(schema, "item").columns
    assert [c.name for c in table(schema, "dear").columns] == ["id", "tenfold"]
    assert table(schema, "dear").is_view
    assert [c.name for c in table(schema, "note").columns] == ["title", "body"]


def test_virtual_table_of_an_absent_module_is_left_out(tmp_path: Path) -> None:
    path = write_database(tmp_path / "spatial.sqlite", "CREATE TABLE a (b);")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_schema VALUES "
        "('table', 'geo', 'geo', 0, 'CREATE VIRTUAL TABLE geo USING no_such_module(x)')"
    )
    connection.commit()
    connection.close()
    assert [t.name for t in read_schema(path).tables] == ["a"]


def test_virtual_table_whose_reading_prepares_to_write_is_left_out(tmp_path: Path) -> None:
    script = "CREATE VIRTUAL TABLE place USING rtree(id, low, high); CREATE TABLE t (a);"
    path = write_database(tmp_path / "places.sqlite", script)
    assert [table.name for table in read_schema(path).tables] == ["t"]


def test_pictures_are_not_read_nor_the_columns_behind_them(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "photos.sqlite",
        "CREATE TABLE photo (kind TEXT, data BLOB, title TEXT, id INTEGER PRIMARY KEY);"
        "INSERT INTO photo VALUES ('portrait', zeroblob(1000001), 'Winter', 1);",
    )
    schema = read_schema(path)
    with closing(sqlite3.connect(path)) as connection:
        assert far_columns(connection, schema.tables[0]) == {"title"}
    samples = sample_rows(path, schema, n=1, max_chars=80)
    assert samples["photo"] == (("'portrait'", "<1,000,001 bytes>", "'Winter'", "1"),)
    columns = {column.name: column for column in profile_database(path).table("photo").columns}
    assert columns["kind"].values == ("portrait",)
    assert (columns["title"].kind, columns["title"].values) == ("other", ())
    assert value_index(path).links("Winter portrait", 5) == [ValueLink("photo", "kind", "portrait")]


def test_empty_database_has_no_tables(tmp_path: Path) -> None:
    path = write_database(tmp_path / "empty.sqlite", "CREATE TABLE a (b); DROP TABLE a;")
    schema = read_schema(path)
    assert schema == Schema(())
    assert schema_text(schema, "ddl") == schema_text(schema, "compact") == ""
    assert SchemaWords(schema).prune("any", 10, "compact") == schema


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere\.sqlite"):
        read_schema(tmp_path / "nowhere.sqlite")


def test_reading_leaves_no_file_behind(world: Path) -> None:
    schema = read_schema(world)
    sample_rows(world, schema, 3, 40)
    value_index(world).links("Paris", 3)
    assert [p.name for p in world.parent.iterdir()] == ["world.sqlite"]


def test_compact_text_of_world(world: Path) -> None:
    assert schema_text(read_schema(world), "compact") == (
        "country ( code * , name , continent , population ) | "
        "city ( id * , name , country_code > country . code , population )"
    )


def test_compact_text_quotes_as_sql_must(odd: Path) -> None:
    text = schema_text(read_schema(odd), "compact")
    assert text.startswith('"order" ( "from" * , "first name" * , größe ) | item ( id * , code ,')
    assert 'sender > "order" . "from" , receiver > "order" . "first name"' in text


def test_ddl_with_samples(world: Path) -> None:
    schema = read_schema(world)
    city = Schema(schema.tables[1:])
    assert schema_text(city, "ddl", sample_rows(world, city, 2, 5)) == (
        "CREATE TABLE city (\n"
        "    id INTEGER PRIMARY KEY,\n"
        "    name TEXT NOT NULL,\n"
        "    country_code TEXT NOT NULL,\n"
        "    population INTEGER,\n"
        "    FOREIGN KEY (country_code) REFERENCES country (code)\n"
        ");\n"
        "-- 1, 'Shang...', 'CHN', 9696300\n"
        "-- 2, 'Delhi', 'IND', 7206704"
    )


def test_samples_stay_on_one_comment_line(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "a.sqlite",
        "CREATE TABLE a (b, c, d, e); INSERT INTO a VALUES ('x\n; DROP', x'00ff', NULL, 'it''s'),"
        " (CAST(x'ff41' AS TEXT), 1.5, -2, '');",
    )
    samples = sample_rows(path, read_schema(path), 5, 40)
    assert samples == {
        "a": (("'x ; DROP'", "<2 bytes>", "NULL", "'it''s'"), ("'�A'", "1.5", "-2", "''"))
    }


def test_samples_of_an_endless_view_are_left_out(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "endless.sqlite",
        "CREATE VIEW v AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT max(x) AS top FROM n;",
    )
    assert sample_rows(path, read_schema(path), 3, 40) == {"v": ()}


NAMES = st.one_of(
    st.sampled_from(sorted(RESERVED_WORDS)),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8),
).filter(lambda name: name.strip() and not name.lower().startswith("sqlite_"))


@given(NAMES, NAMES)
@settings(max_examples=60, deadline=None)
def test_ddl_builds_a_database_with_the_same_schema(
    tmp_path_factory, name: str, column: str
) -> None:
    other = "b" if column.lower() != "b" else "c"
    columns = (Column(column, "TEXT", primary_key=2), Column(other, "INT", True, 1))
    parent = Table(name, columns, unique=((column,),))
    key = ForeignKey((other, column), name, (other, column))
    child = Table(f"{name}2", (Column(column, ""), Column(other, "INT")), (key,))
    schema = Schema((parent, child))
    path = tmp_path_factory.mktemp("round") / "a.sqlite"
    write_database(path, schema_text(schema, "ddl"))
    assert read_schema(path) == schema


@pytest.mark.parametrize("word", sorted(apsw.keywords))
def test_bare_keywords_work_in_sqlite_and_sqlglot(word: str) -> None:
    name = quote_identifier(word)
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE {name} ({name} TEXT)")
    query = f"SELECT T1.{name}, count({name}) FROM {name} AS T1 WHERE {name} = 1 GROUP BY {name}"
    connection.execute(query)
    columns = sqlglot.parse_one(query, read="sqlite").find_all(sqlglot.exp.Column)
    assert {column.name for column in columns} == {word}


WIDE = Schema(
    (
        Table(
            "singer",
            (
                Column("singer_id", "INTEGER", primary_key=1),
                *(Column(name, "TEXT") for name in ("name", "country", "song_title", "label")),
            ),
        ),
        Table("stadium", (Column("stadium_id", "INT", primary_key=1), Column("capacity", "INT"))),
        Table(
            "concert",
            (
                Column("concert_id", "INTEGER", primary_key=1),
                Column("theme", "TEXT"),
                Column("year", "INT"),
                Column("stadium_id", "INT"),
            ),
            (ForeignKey(("stadium_id",), "stadium", ("stadium_id",)),),
        ),
        Table(
            "singer_in_concert",
            (
                Column("concert_id", "INT", primary_key=1),
                Column("singer_id", "INT", primary_key=2),
                Column("fee", "REAL"),
            ),
            (
                ForeignKey(("concert_id",), "concert", ("concert_id",)),
                ForeignKey(("singer_id",), "singer", ("singer_id",)),
            ),
        ),
    )
)


def test_pruning_keeps_what_the_question_names() -> None:
    pruned = SchemaWords(WIDE).prune("Which countries do the singers come from?", 60, "compact")
    assert schema_text(pruned, "compact") == "singer ( singer_id * , country )"


def test_pruning_keeps_the_keys_between_kept_tables() -> None:
    pruned = SchemaWords(WIDE).prune(
        "capacity of the stadium of each concert theme", 110, "compact"
    )
    assert "stadium_id > stadium " in schema_text(pruned, "compact")


def test_pruning_follows_a_value() -> None:
    links = [ValueLink("singer", "label", "Motown")]
    pruned = SchemaWords(WIDE).prune("Who is at Motown?", 40, "compact", links)
    assert "label" in schema_text(pruned, "compact")


def test_pruning_to_nothing_leaves_one_column() -> None:
    pruned = SchemaWords(WIDE).prune("theme", 1, "compact")
    assert schema_text(pruned, "compact") == "concert ( theme )"


def test_part_of_a_composite_key_is_no_key() -> None:
    pruned = SchemaWords(WIDE).prune("fee in singer_in_concert", 45, "compact")
    assert "*" not in schema_text(pruned, "compact")


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    words = st.sampled_from(["name", "singer_id", "Song Title", "YEAR", "größe", "order", "fee2"])
    sizes = draw(
        st.lists(st.lists(words, min_size=1, max_size=7, unique=True), min_size=1, max_size=6)
    )
    tables: list[Table] = []
    for t, names in enumerate(sizes):
        num_keys = draw(st.integers(0, len(names)))
        columns = tuple(
            Column(n, "TEXT", False, i + 1 if i < num_keys else 0) for i, n in enumerate(names)
        )
        keys = []
        for target in draw(st.lists(st.sampled_from(range(t + 1)), max_size=2, unique=True)):
            ref = sizes[target]
            width = draw(st.integers(1, min(len(names), len(ref))))
            keys.append(ForeignKey(tuple(names[:width]), f"t{target} x", tuple(ref[:width])))
        tables.append(Table(f"t{t} x", columns, tuple(keys)))
    return Schema(tuple(tables))


@given(schemas(), st.text("singer year NAME 2", max_size=30), st.integers(1, 600), st.booleans())
@settings(max_examples=150, deadline=None)
def test_pruning_keeps_the_budget(schema: Schema, question: str, max_chars: int, ddl: bool) -> None:
    style = "ddl" if ddl else "compact"
    pruned = SchemaWords(schema).prune(question, max_chars, style)
    text = schema_text(pruned, style)
    assert len(text) <= max_chars or [len(t.columns) for t in pruned.tables] == [1]
    assert pruned == SchemaWords(schema).prune(question, max_chars, style)
    kept = {t.name: {c.name for c in t.columns} for t in pruned.tables}
    for original in schema.tables:
        for key in original.foreign_keys:
            if original.name != key.ref_table and {original.name, key.ref_table} <= set(kept):
                assert set(key.columns) <= kept[original.name]
                assert set(key.ref_columns) <= kept[key.ref_table]
    if len(schema_text(schema, style)) <= max_chars:
        assert pruned == schema


VALUES_SCRIPT = """
CREATE TABLE person (name TEXT, city TEXT, pet TEXT, note TEXT, code TEXT);
INSERT INTO person VALUES
    ('New York', 'New York City', 'dog', 'is', '2014'), ('Ann', 'Rome', 'CAT', 'note', '12345678'),
    ('O''Brien', 'Saint-Étienne', 'dog', 'w', 'USA'), (CAST(x'ff' AS TEXT), NULL, 7, 'Rome', 'AL');
"""


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who lives in new york city?", [("city", "New York City")]),
        ("Is Ann from Rome?", [("name", "Ann"), ("city", "Rome"), ("note", "Rome")]),
        ("people with dogs", [("pet", "dog")]),
        ("people with a cat", []),
        ("pets called 'cat'", [("pet", "CAT")]),
        ("where is SAINT ÉTIENNE", [("city", "Saint-Étienne")]),
        ("What is the note of each name", []),
        ("a note with 'w'", [("note", "w")]),
        ("all in 2014 with 12345678", [("code", "12345678")]),
        ("from the USA and all", [("code", "USA")]),
        ("does O'Brien", [("name", "O'Brien")]),
        ("", []),
    ],
)
def test_values_of_the_question(
    tmp_path: Path, question: str, expected: list[tuple[str, str]]
) -> None:
    path = write_database(tmp_path / "people.sqlite", VALUES_SCRIPT)
    links = value_index(path).links(question, 5)
    assert [(link.column, link.value) for link in links] == expected


def test_second_columns_of_a_value_come_after_other_values(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "a.sqlite",
        "CREATE TABLE a (x TEXT, y TEXT, z TEXT); INSERT INTO a VALUES ('Rome','Rome','Oslo');",
    )
    links = value_index(path).links("between Rome and Oslo", 2)
    assert links == [ValueLink("a", "x", "Rome"), ValueLink("a", "z", "Oslo")]


def test_values_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.sqlite", "CREATE TABLE a (b TEXT);")
    assert value_index(path).links("see Vienna", 3) == []
    write_database(path, f"INSERT INTO a VALUES ('Vienna'), ('{'x' * 5000}');")
    assert value_index(path).links("see Vienna", 3) == [ValueLink("a", "b", "Vienna")]


def test_stems_join_singular_and_plural() -> None:
    assert {stem_word(w) for w in ("city", "cities")} == {"city"}


def test_every_spider_schema_is_read_and_pruned(shared_data: Path) -> None:
    paths = sorted((shared_data / "spider" / "database").glob("*/*.sqlite"))
    for path in paths:
        schema = read_schema(path)
        text = schema_text(SchemaWords(schema).prune("name of each id", 500, "compact"), "compact")
        assert 0 < len(text) <= 500, path
    assert len(paths) == 166


def test_widest_spider_schema(shared_data: Path) -> None:
    path = shared_data / "spider" / "database" / "baseball_1" / "baseball_1.sqlite"
    schema = read_schema(path)
    assert sum(len(t.columns) for t in schema.tables) == 352
    question = "What is average salary of the players in the team named 'Boston Red Stockings' ?"
    links = value_index(path).links(question, 2)
    assert links[0] == ValueLink("team", "name", "Boston Red Stockings")
    text = schema_text(SchemaWords(schema).prune(question, 500, "compact", links), "compact")
    assert len(text) <= 500
    for part in ("salary (", "team (", "team_id_br", " salary ,", " name ,"):
        assert part in text.replace(" )", " ,"), part


def test_names_that_are_no_utf_8_are_left_out(tmp_path: Path) -> None:
    script = "CREATE TABLE good (a); CREATE TABLE axxx (a); CREATE TABLE worse (a, byyy);"
    path = write_database(tmp_path / "odd.sqlite", script)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"axxx", b"a\xff\xfe\xfd").replace(b"byyy", b"b\xff\xfe\xfd"))
    assert [table.name for table in read_schema(path).tables] == ["good"]


def test_damage_met_while_reading_samples_is_the_databases_fault(tmp_path: Path) -> None:
    path = write_database(tmp_path / "cut.sqlite", "CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    schema = read_schema(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))
    with pytest.raises(DatabaseError, match="is damaged"):
        sample_rows(path, schema, 1, 20)
