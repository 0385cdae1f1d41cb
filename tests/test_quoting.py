"""Which texts in double quotes are strings is for SQLite to say; single quotes change nothing."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sense.execution import Limits, execute
from sense.schema import Column, Schema, Table, read_schema
from sense.sqlite.connection import open_read_only
from sense.sqlite.quoting import double_quoted_literals, has_double_quoted_literal, single_quoted

CITY = Table("city", (Column("id", "INTEGER"), Column("name", "TEXT"), Column("code", "TEXT")))
SCHEMA = Schema((CITY, Table("capital", (Column("name", ""), Column("since", "")), is_view=True)))


@pytest.mark.parametrize(
    ("sql", "literals"),
    [
        ("SELECT name FROM city WHERE code = 'FRA'", []),
        ('SELECT name FROM city WHERE code = "FRA"', ["FRA"]),
        ('SELECT name FROM city WHERE "code" = "Name"', []),
        ('SELECT "name" FROM city WHERE code IN ("FRA", "DEU")', ["FRA", "DEU"]),
        ('SELECT name FROM city WHERE "DEU" = code OR code = "FRA"', ["DEU", "FRA"]),
        ('SELECT "since" FROM city', ["since"]),
        ('SELECT "since" FROM capital', []),
        ('SELECT "rowid" FROM city', []),
        ('SELECT "rowid" FROM capital', ["rowid"]),
        ('SELECT name AS "n" FROM city AS "c" WHERE "c"."id" > 1 ORDER BY "n"', []),
        ('SELECT "n" FROM (SELECT name AS "n" FROM city)', []),
        ('SELECT "name" FROM (SELECT name AS "n" FROM city)', ["name"]),
        ('WITH w("n") AS (SELECT code FROM city) SELECT "n" FROM w WHERE n LIKE "F%"', ["F%"]),
        (
            'SELECT name FROM city c WHERE EXISTS (SELECT 1 FROM capital WHERE since > "id")',
            [],
        ),
        ('SELECT "a" UNION SELECT name FROM city WHERE code = "b" LIMIT "3"', ["a", "b", "3"]),
        ('SELECT count(*) FROM city GROUP BY code HAVING max(name) = "x"', ["x"]),
        ("SELECT name FROM city WHERE name = 'say \"hi\"' AND code = \"é\"", ["é"]),
        ("SELECT name FROM city WHERE code = \"it's \"\"so\"\"\"", ["it's \"so\""]),
        ('SELECT name FROM city WHERE code = ""', [""]),
        ('SELECT name -- "no"\nFROM city /* "no" */ WHERE code = "yes"', ["yes"]),
        ('SELECT [name], `code` FROM city WHERE "code" = "z" COLLATE "nocase"', ["z"]),
    ],
)  # fmt: skip
def test_double_quoted_literals(sql: str, literals: list[str]) -> None:
    assert double_quoted_literals(sql, SCHEMA) == literals
    assert has_double_quoted_literal(sql, SCHEMA) == bool(literals)


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT nope FROM city WHERE code = "FRA"',
        'SELECT name FROM town WHERE code = "FRA"',
        'SELECT "c"."name" FROM city WHERE code = "FRA"',
        'SELEC name FROM city WHERE code = "FRA"',
        'SELECT name FROM city WHERE code = "FRA',
        'DELETE FROM city WHERE code = "FRA"',
        "SELECT load_extension(\"x\")",
        'SELECT "\ud800" FROM city',
        'SELECT "a\0b" FROM city',
        "",
    ],
    ids=ascii,
)  # fmt: skip
def test_query_that_does_not_compile_reads_no_string_and_stays(sql: str) -> None:
    assert double_quoted_literals(sql, SCHEMA) == []
    assert single_quoted(sql, SCHEMA) == sql


def test_only_strings_are_rewritten() -> None:
    sql = 'SELECT "name"  AS "n" FROM city WHERE code = "it\'s" or name="a ""b""" -- "é"'
    assert single_quoted(sql, SCHEMA) == (
        'SELECT "name"  AS "n" FROM city WHERE code = \'it\'\'s\' or name=\'a "b"\' -- "é"'
    )


def test_names_of_any_spelling_are_known(tmp_path: Path) -> None:
    path = tmp_path / "odd.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "first table" ("the ""id""", "group", "50%")')
    schema = read_schema(path)
    sql = 'SELECT "the ""id""", "group", "50%", "60%" FROM "first table"'
    assert double_quoted_literals(sql, schema) == ["60%"]


def test_rewritten_query_gives_the_same_rows(world: Path) -> None:
    schema = read_schema(world)
    sql = 'SELECT "name", "Paris" FROM city WHERE "name" IN ("Paris", "Lyon") ORDER BY "name" DESC'
    rewritten = single_quoted(sql, schema)
    assert rewritten.count('"') == 6
    assert execute(world, rewritten).rows == (("Paris", "Paris"), ("Lyon", "Paris"))
    assert execute(world, sql).rows == execute(world, rewritten).rows


@pytest.mark.slow
def test_213_golds_of_spider_dev_need_the_fallback(shared_data: Path) -> None:
    golds = json.loads((shared_data / "spider" / "dev.json").read_text())
    folder = shared_data / "spider" / "database"
    paths = {row["db_id"]: folder / row["db_id"] / f"{row['db_id']}.sqlite" for row in golds}
    schemas = {db_id: read_schema(path) for db_id, path in paths.items()}
    needing = [
        row for row in golds if has_double_quoted_literal(row["query"], schemas[row["db_id"]])
    ]
    assert (len(golds), len(needing)) == (1_034, 213)
    for row in needing:
        rewritten = single_quoted(row["query"], schemas[row["db_id"]])
        assert not has_double_quoted_literal(rewritten, schemas[row["db_id"]])
        path = paths[row["db_id"]]
        assert execute(path, rewritten).rows == execute(path, row["query"]).rows


@pytest.mark.slow
def test_published_predictions_run_the_same_where_double_quotes_hold_names_only(
    shared_data: Path,
) -> None:
    folder = shared_data / "spider" / "database"
    counts = Counter[str]()
    for db_id, sql in published_predictions(shared_data / "predictions"):
        path = folder / db_id / f"{db_id}.sqlite"
        before = execute(path, sql, Limits(max_steps=2_000_000))
        counts[before.status] += 1
        if before.status == "ok":
            rewritten = single_quoted(sql, read_schema(path))
            assert repr(execute(path, rewritten).rows) == repr(before.rows)
            with closing(open_read_only(path)) as connection:
                connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
                connection.execute(rewritten)
    assert counts == {"ok": 590, "error": 43}


def published_predictions(folder: Path) -> set[tuple[str, str]]:
    """Database and SQL of each distinct prediction that has double quotes."""
    lines = (line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines())
    rows = map(json.loads, lines)
    return {(row["db_id"], row["pred"]) for row in rows if '"' in row["pred"]}
