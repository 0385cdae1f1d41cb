"""Rows that fill empty tables obey every declared constraint and look like what they are called."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import write_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sense.database import build_database, fill_database
from sense.filling.literals import Literal, query_literals
from sense.filling.plan import FillError
from sense.schema import read_schema

SHOP_SCRIPT = """
CREATE TABLE customer (
    id INTEGER PRIMARY KEY, first_name TEXT NOT NULL, email VARCHAR(80) UNIQUE, birth_date DATE,
    country TEXT, referred_by INTEGER REFERENCES customer(id)
);
CREATE TABLE product (
    code CHAR(6) PRIMARY KEY, name TEXT NOT NULL, price DECIMAL(8,2) CHECK (price > 0),
    category TEXT CHECK (category IN ('book', 'toy', 'food')), release_year INTEGER
);
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer(id),
    start_date DATE, end_date DATE, status TEXT, CHECK (end_date >= start_date)
);
CREATE TABLE order_item (
    order_id INTEGER REFERENCES orders(order_id), product_code TEXT REFERENCES product(code),
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 9), PRIMARY KEY (order_id, product_code)
) WITHOUT ROWID;
CREATE TABLE shipment (
    order_id INTEGER, product_code TEXT, tracking TEXT CHECK (tracking LIKE 'TR-____'),
    FOREIGN KEY (order_id, product_code) REFERENCES order_item(order_id, product_code)
);
CREATE TABLE airport (code TEXT CHECK (length(code) = 3), name TEXT, latitude REAL, city TEXT);
"""


def filled(tmp_path: Path, script: str, num_rows: int = 40, seed: int = 1, **more: Any) -> Path:
    path = write_database(tmp_path / f"{seed}.sqlite", script)
    fill_database(path, num_rows, seed, **more)
    return path


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def assert_sound(path: Path) -> None:
    assert query(path, "PRAGMA foreign_key_check") == []
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_shop_is_filled_without_breaking_a_constraint(tmp_path: Path) -> None:
    path = filled(tmp_path, SHOP_SCRIPT)
    assert_sound(path)
    for table in ("customer", "product", "orders", "order_item", "shipment", "airport"):
        assert query(path, f"SELECT count(*) FROM {table}") == [(40,)], table
    assert query(path, "SELECT count(*) FROM shipment WHERE order_id IS NOT NULL")[0][0] > 30


def test_values_look_like_the_names_of_their_columns(tmp_path: Path) -> None:
    path = filled(tmp_path, SHOP_SCRIPT)
    for email, born in query(path, "SELECT email, birth_date FROM customer WHERE birth_date > ''"):
        assert "@" in email
        assert "1950-01-01" <= born <= "2005-12-31"
    for price, year in query(path, "SELECT price, release_year FROM product WHERE price > 0"):
        assert round(price, 2) == price
        assert year is None or 1985 <= year <= 2024
    assert all(name.endswith(" Airport") for (name,) in query(path, "SELECT name FROM airport"))
    statuses = Counter(query(path, "SELECT status FROM orders"))
    assert 3 <= len(statuses) <= 7


def test_parents_differ_in_how_many_children_they_have(tmp_path: Path) -> None:
    path = filled(tmp_path, SHOP_SCRIPT)
    counts = query(path, "SELECT count(*) FROM orders GROUP BY customer_id")
    assert len(counts) < 40
    assert len(set(counts)) >= 3


def test_some_values_are_null_and_none_in_keys(tmp_path: Path) -> None:
    path = filled(tmp_path, SHOP_SCRIPT, num_rows=200)
    assert query(path, "SELECT count(*) FROM customer WHERE country IS NULL")[0][0] > 0
    assert query(path, "SELECT count(*) FROM order_item WHERE product_code IS NULL") == [(0,)]


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first, second = filled(tmp_path / "a", SHOP_SCRIPT), filled(tmp_path, SHOP_SCRIPT)
    assert first.read_bytes() == second.read_bytes()
    assert filled(tmp_path, SHOP_SCRIPT, seed=2).read_bytes() != first.read_bytes()


def test_tables_with_rows_are_left_alone(world: Path) -> None:
    before = world.read_bytes()
    assert fill_database(world, 10, seed=0).num_rows == {}
    assert query(world, "SELECT count(*) FROM city") == [(8,)]
    assert len(before) == len(world.read_bytes())


def test_a_child_refers_to_rows_that_were_there(tmp_path: Path) -> None:
    script = """
        CREATE TABLE kind (id TEXT PRIMARY KEY); INSERT INTO kind VALUES ('x'), ('y');
        CREATE TABLE thing (id INTEGER PRIMARY KEY, kind TEXT NOT NULL REFERENCES kind);
    """
    path = filled(tmp_path, script)
    assert query(path, "SELECT DISTINCT kind FROM thing ORDER BY 1") == [("x",), ("y",)]


@pytest.mark.parametrize(
    "script",
    [
        """CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b(id));
           CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a(id));""",
        """CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER NOT NULL REFERENCES b(id));
           CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER NOT NULL REFERENCES a(id));""",
        """CREATE TABLE a (x INT, y TEXT, PRIMARY KEY (x, y));
           CREATE TABLE b (x INT NOT NULL, y TEXT NOT NULL, z INT REFERENCES c(z),
               PRIMARY KEY (x, y), FOREIGN KEY (x, y) REFERENCES a);
           CREATE TABLE c (z INTEGER PRIMARY KEY, x INT, y TEXT,
               FOREIGN KEY (x, y) REFERENCES b(x, y));""",
        """CREATE TABLE node (name TEXT PRIMARY KEY, up TEXT NOT NULL REFERENCES node(name));""",
        """CREATE TABLE a (id INTEGER PRIMARY KEY);
           CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES a, t TEXT UNIQUE COLLATE NOCASE);""",
        """CREATE TABLE t (a INTEGER, b AS (a * 2) STORED, c DATE, UNIQUE (a, c), CHECK (b > 9));
           CREATE TABLE u (a INTEGER, b REAL, c TEXT, d BLOB, e ANY) STRICT;""",
        """CREATE TABLE t (a TEXT CHECK (a GLOB '[A-C][0-9]*'), CHECK (a <> 'A1'));""",
        """CREATE TABLE t (low INT, high INT, total INT, CHECK (low < high), CHECK (total = 7));""",
        """CREATE TABLE t (doc TEXT NOT NULL CHECK (json_valid(doc)), n INT CHECK (n % 7 = 3));""",
    ],
)
def test_difficult_constraints_are_met(script: str, tmp_path: Path) -> None:
    assert_sound(filled(tmp_path, script, num_rows=25))


def test_a_small_domain_gives_fewer_rows(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a TEXT PRIMARY KEY CHECK (a IN ('x', 'y', 'z')));"
    assert len(query(filled(tmp_path, script), "SELECT a FROM t")) == 3


def test_a_constraint_that_cannot_be_met_is_named(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, CHECK (a > b AND b > a));"
    path = build_database(script, tmp_path / "t.sqlite")
    before = path.read_bytes()
    with pytest.raises(FillError, match="table 't', column 'a', 'b': CHECK constraint"):
        fill_database(path, 5, seed=0)
    assert path.read_bytes() == before


def test_a_key_without_parents_is_named(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a INT NOT NULL REFERENCES missing(id));"
    path = build_database(script, tmp_path / "t.sqlite")
    with pytest.raises(FillError, match="table 't', column 'a': FOREIGN KEY to table 'missing'"):
        fill_database(path, 5, seed=0)


def test_literals_occur_with_the_parents_that_they_need(tmp_path: Path) -> None:
    wanted = [
        ("customer", "first_name", "Zoë"),
        ("orders", "customer_id", 777),
        ("ORDER_ITEM", "product_code", "AB1234"),
        ("product", "category", "spaceship"),
        ("nowhere", "x", 1),
    ]
    path = write_database(tmp_path / "t.sqlite", SHOP_SCRIPT)
    filling = fill_database(path, 20, seed=1, literals=wanted)
    assert filling.unplaced == (
        Literal("nowhere", "x", 1),
        Literal("product", "category", "spaceship"),
    )
    assert_sound(path)
    assert query(path, "SELECT 1 FROM customer WHERE id = 777") == [(1,)]
    assert query(path, "SELECT 1 FROM product WHERE code = 'AB1234'") == [(1,)]
    assert query(path, "SELECT 1 FROM customer WHERE first_name = 'Zoë'") != []


def test_literals_of_one_query_meet_in_a_join(tmp_path: Path) -> None:
    wanted = [("customer", "first_name", "Zoë"), ("orders", "status", "lost")] * 3
    path = filled(tmp_path, SHOP_SCRIPT, literals=wanted)
    join = "SELECT 1 FROM customer JOIN orders ON customer_id = id"
    assert query(path, f"{join} WHERE first_name = 'Zoë' AND status = 'lost'") != []


def test_literals_of_other_types_for_one_column_are_wished_for_apart(tmp_path: Path) -> None:
    script = "CREATE TABLE t (id INTEGER PRIMARY KEY, code, size);"
    pairs = (("x", 5), ("z", 5), ("x", "big"))
    wanted = [
        ("t", column, v) for pair in pairs for column, v in zip(("code", "size"), pair, strict=True)
    ]
    path = filled(tmp_path, script, literals=wanted)
    for code, size in pairs:
        assert query(path, f"SELECT 1 FROM t WHERE code = '{code}' AND size = {size!r}") != []


def test_a_vocabulary_replaces_invented_values(tmp_path: Path) -> None:
    script = "CREATE TABLE apiary (id INTEGER PRIMARY KEY, forage TEXT NOT NULL);"
    words = {("Apiary", "forage"): ("clover", "heather")}
    path = filled(tmp_path, script, vocabularies=words)
    assert query(path, "SELECT DISTINCT forage FROM apiary ORDER BY 1") == [
        ("clover",),
        ("heather",),
    ]


@pytest.mark.slow
def test_most_golds_find_rows_in_the_empty_databases_of_spider(
    shared_data: Path, tmp_path: Path
) -> None:
    golds = json.loads((shared_data / "spider" / "train_others.json").read_text())
    num_golds, num_answered = 0, 0
    for db_id in ("academic", "geo", "imdb", "restaurants", "scholar", "yelp"):
        source = shared_data / "spider" / "database" / db_id / f"{db_id}.sqlite"
        schema = read_schema(source)
        queries = [gold["query"] for gold in golds if gold["db_id"] == db_id]
        literals = [literal for sql in queries for literal in query_literals(sql, schema)]
        path = tmp_path / f"{db_id}.sqlite"
        path.write_bytes(source.read_bytes())
        fill_database(path, 60, seed=1, literals=literals)
        num_golds += len(queries)
        num_answered += sum(bool(query(path, sql)) for sql in queries)
    assert num_golds == 1659
    assert num_answered / num_golds > 0.75  # 0.80 measured; 0.18 on the files as released


TYPES = st.sampled_from(
    ["INTEGER", "TEXT", "REAL", "DATE", "VARCHAR(12)", "NUMERIC", "BOOLEAN", ""]
)
NAMES = st.sampled_from(
    ["name", "age", "price", "status", "email", "year", "city", "start_date", "code", "weight", "x"]
)
CHECKS = {
    "INTEGER": ["{0} > 5", "{0} BETWEEN 3 AND 400", "{0} IN (1, 5, 9, 12)", "{0} <> 7"],
    "REAL": ["{0} >= 0.5 AND {0} < 2.5", "{0} > -1 OR {0} IS NULL"],
    "TEXT": ["{0} LIKE 'a%'", "length({0}) <= 8", "{0} = 'p' OR {0} = 'q'", "{0} GLOB '[a-f]?*'"],
}


@st.composite
def schemas(draw: st.DrawFn) -> str:
    """CREATE TABLE statements of one to four tables that rows exist for."""
    statements = []
    num_tables = draw(st.integers(1, 4))
    for number in range(num_tables):
        check = draw(st.sampled_from(["", "CHECK (k IN ('a', 'b', 'c'))", "CHECK (length(k) = 4)"]))
        columns = ["id INTEGER PRIMARY KEY", f"k TEXT NOT NULL UNIQUE {check}"]
        for name in draw(st.lists(NAMES, unique=True, max_size=5)):
            declared = draw(TYPES)
            parts = [name, declared]
            parts += ["NOT NULL"] * draw(st.booleans())
            parts += ["UNIQUE"] * (draw(st.integers(0, 4)) == 0)
            if declared in CHECKS and draw(st.booleans()):
                parts.append(f"CHECK ({draw(st.sampled_from(CHECKS[declared])).format(name)})")
            columns.append(" ".join(parts))
        keys = draw(st.lists(st.integers(0, num_tables - 1), unique=True, max_size=2))
        for key in keys:
            not_null = " NOT NULL" * draw(st.booleans())
            target = draw(st.sampled_from(["INTEGER", "TEXT"]))
            parent = f"t{key}({'id' if target == 'INTEGER' else 'k'})"
            columns.append(f"t{key}_id {target}{not_null} REFERENCES {parent}")
        if len(keys) == 2 and draw(st.booleans()):
            columns.append(f"UNIQUE (t{keys[0]}_id, t{keys[1]}_id)")
        statements.append(f"CREATE TABLE t{number} ({', '.join(columns)});")
    return "\n".join(statements)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=schemas(), num_rows=st.integers(1, 30), seed=st.integers(0, 5))
def test_any_schema_is_filled_soundly(
    script: str, num_rows: int, seed: int, tmp_path: Path
) -> None:
    path = build_database(script, tmp_path / "t.sqlite")
    filling = fill_database(path, num_rows, seed)
    assert_sound(path)
    assert all(0 < n <= num_rows for n in filling.num_rows.values())


def test_numbers_beyond_64_bits_are_literals_and_bounds_as_any_other(tmp_path: Path) -> None:
    script = """CREATE TABLE card (number INTEGER CHECK (number < 99999999999999999999),
        sum REAL CHECK (sum <= 1e400), code TEXT);"""
    sql = "SELECT code FROM card WHERE number > 9223372036854775807 OR sum = 1e20"
    path = write_database(tmp_path / "cards.sqlite", script)
    literals = query_literals(sql, read_schema(path))
    result = fill_database(path, 20, 1, literals)
    assert result.num_rows["card"] >= 20
    filled(tmp_path, "CREATE TABLE big (a INTEGER CHECK (a > 9223372036854775806));")
    filled(tmp_path, "CREATE TABLE odd (code INTEGER CHECK (code > 5 AND code > 'a'));")
