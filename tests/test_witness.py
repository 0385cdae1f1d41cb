"""Witnesses: the smallest part of a database on which a wrong query is seen to be wrong."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from conftest import write_database

from sense.database import build_database
from sense.execution import Limits, execute
from sense.inputs.reading import read_predictions
from sense.verdict import Unit, judge, judge_all
from sense.witness import MAX_TRIALS, Witness, shrink
from sense.witnesses.excerpt import RowId, Source, read_columns
from sense.witnesses.explanation import SENTENCES, explain

CITIES = "SELECT name FROM city WHERE population > 500000"


def found(db_path: Path, gold_sql: str, predicted_sql: str) -> Witness:
    witness = shrink(db_path, gold_sql, predicted_sql)
    assert witness
    return witness


def is_incorrect(db_path: Path, gold_sql: str, predicted_sql: str) -> bool:
    _, [judgement] = judge(Unit((str(db_path),), gold_sql, (predicted_sql,)))
    return judgement.verdict == "incorrect"


def test_one_row_shows_a_missing_condition(world: Path) -> None:
    witness = found(world, "SELECT count(*) FROM city WHERE population > 5000000", "SELECT 9")
    assert witness.num_rows == 0
    witness = found(world, CITIES, "SELECT name FROM city WHERE population < 500000")
    [table] = witness.tables
    assert (table.name, table.columns) == ("city", ("name", "population"))
    assert table.rows == ((("Shanghai"), 9696300),)
    assert witness.gold_rows == (("Shanghai",),)
    assert witness.predicted_rows == ()


def test_a_row_comes_with_the_row_that_its_foreign_key_needs(world: Path) -> None:
    witness = found(world, CITIES, "SELECT name FROM city WHERE population < 500000")
    assert [table.name for table in witness.tables] == ["city"]
    assert witness.num_rows == 2
    connection = apsw.Connection(":memory:")
    connection.execute(witness.script)
    assert list(connection.execute("SELECT code FROM country")) == [("CHN",)]
    assert list(connection.execute("PRAGMA foreign_key_check")) == []


def test_a_key_that_the_database_breaks_need_not_hold(tmp_path: Path) -> None:
    script = """CREATE TABLE p (id INTEGER PRIMARY KEY);
        CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, n TEXT);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1, 'a'), (2, 7, 'b');"""
    path = write_database(tmp_path / "a.sqlite", script)
    witness = found(path, "SELECT n FROM c WHERE id = 1", "SELECT n FROM c WHERE id = 2")
    assert (witness.num_rows, witness.tables[0].rows) == (1, ((1, "a"),))


@pytest.mark.parametrize(
    ("gold", "predicted", "num_rows"),
    [
        ("SELECT name FROM city", "SELECT DISTINCT country_code FROM city", 2),
        ("SELECT name FROM country ORDER BY population", "SELECT name FROM country", 2),
        (
            "SELECT country_code, count(*) FROM city GROUP BY country_code HAVING count(*) > 1",
            "SELECT country_code, count(*) FROM city GROUP BY country_code",
            5,
        ),
        ("SELECT count(population) FROM city", "SELECT count(*) FROM city", 2),
        ("SELECT max(population) FROM city", "SELECT min(population) FROM city", 4),
    ],
)
def test_no_row_can_be_left_out(world: Path, gold: str, predicted: str, num_rows: int) -> None:
    witness = found(world, gold, predicted)
    assert witness.num_rows <= num_rows
    path = build_database(witness.script, world.parent / "witness.sqlite")
    assert is_incorrect(path, gold, predicted)
    tables = list(read_columns(path, (gold, predicted)))
    with closing(Source(path, tables)) as source:
        every = [row for table in source.tables for row in source.spread(table, 100)]
        whole = source.closed(every)
        assert len(whole) == witness.num_rows
        for row in whole:
            smaller = world.parent / "smaller.sqlite"
            source.write(source.without(whole, [row]), smaller)
            assert not is_incorrect(smaller, gold, predicted)
            smaller.unlink()


def test_results_are_those_of_the_script_and_the_whole_is_plain_json(world: Path) -> None:
    gold = "SELECT name, population FROM country ORDER BY population DESC LIMIT 1"
    predicted = "SELECT name, population FROM country ORDER BY population LIMIT 1"
    witness = found(world, gold, predicted)
    path = build_database(witness.script, world.parent / "witness.sqlite")
    assert execute(path, gold).rows == witness.gold_rows
    assert execute(path, predicted).rows == witness.predicted_rows
    content = json.loads(witness.as_json())
    assert sorted(content) == ["gold_rows", "num_rows", "predicted_rows", "tables"]
    assert content["gold_rows"] == list(map(list, witness.gold_rows))
    assert content["tables"]["country"]["columns"] == ["name", "population"]


def test_text_shows_tables_and_both_results(world: Path) -> None:
    witness = found(world, CITIES, "SELECT name FROM city WHERE population < 500000")
    assert str(witness).splitlines() == [
        "table city",
        "name      population",
        "--------  ----------",
        "Shanghai     9696300",
        "",
        "gold returns",
        "name",
        "--------",
        "Shanghai",
        "",
        "prediction returns",
        "name",
        "----",
    ]


def test_same_queries_have_the_same_witness(world: Path) -> None:
    predicted = "SELECT name FROM city WHERE country_code = 'FRA'"
    assert found(world, CITIES, predicted).script == found(world, CITIES, predicted).script


def test_there_is_no_witness_where_nothing_differs_or_does_not_run(world: Path) -> None:
    assert shrink(world, CITIES, "SELECT name FROM city WHERE 500000 < population") is None
    assert shrink(world, CITIES, "SELECT nmae FROM city") is None
    assert shrink(world, CITIES, "") is None
    assert shrink(world, "SELECT 1", "SELECT 2") is None


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (a TEXT PRIMARY KEY, b INT) WITHOUT ROWID;",
        "CREATE TABLE t (rowid TEXT, a TEXT, b INT);",
        "CREATE TABLE t (a TEXT, b INT, c AS (b + 1), d AS (b + 2) STORED);",
        "CREATE TABLE t (a TEXT, b INT REFERENCES nowhere (x));",
        "CREATE TABLE u (x INT, y INT); CREATE TABLE t (a TEXT, b INT REFERENCES u (y));",
        "CREATE TABLE t (a TEXT, b INT REFERENCES T);",
        "CREATE TABLE t (a TEXT, b INT UNIQUE CHECK (b > 0)); CREATE INDEX i ON t (a, b);",
        'CREATE TABLE "t" (a TEXT, b INT, "odd ""name" INT);',
    ],
)
def test_odd_tables_are_cut_too(tmp_path: Path, script: str) -> None:
    rows = "INSERT INTO t (a, b) VALUES ('x', 1), ('y', 2), ('z', 3), ('é' || x'ff', 4);"
    path = write_database(tmp_path / "a.sqlite", script + rows)
    witness = found(path, "SELECT a FROM t WHERE b = 2", "SELECT a FROM t WHERE b = 3")
    assert witness.tables[0].rows == (("y", 2),)


def test_views_are_followed_to_their_tables(tmp_path: Path) -> None:
    script = """CREATE TABLE t (a, b); CREATE VIEW v AS SELECT a, b FROM t WHERE b > 1;
        INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3);"""
    path = write_database(tmp_path / "a.sqlite", script)
    assert read_columns(path, ["SELECT a FROM v"]) == {"t": ("a", "b")}
    witness = found(path, "SELECT a FROM v WHERE b = 2", "SELECT a FROM t WHERE b = 1")
    assert [(table.name, len(table.rows)) for table in witness.tables] == [("t", 1)]


def test_rows_that_matter_are_found_in_a_large_table(tmp_path: Path) -> None:
    script = """CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, age INT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000)
        INSERT INTO t SELECT i, 'name ' || i, i % 90 FROM n;"""
    path = write_database(tmp_path / "a.sqlite", script)
    gold = "SELECT age FROM t WHERE name = 'name 31415'"
    witness = found(path, gold, "SELECT age FROM t WHERE name = 'name 31416'")
    assert [row[0] for row in witness.tables[0].rows] in (["name 31415"], ["name 31416"])


def test_tables_too_large_to_look_through_have_a_witness_by_chance_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """CREATE TABLE t (id INTEGER PRIMARY KEY, n INT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
        INSERT INTO t SELECT i, i % 2 FROM n;"""
    path = write_database(tmp_path / "a.sqlite", script)
    monkeypatch.setattr("sense.witnesses.excerpt.MAX_STEPS", 2_000)
    gold, predicted = (f"SELECT count(*) FROM t WHERE n = {n}" for n in (0, 1))
    assert found(path, gold, predicted).num_rows == 1
    monkeypatch.setattr("sense.witnesses.excerpt.MAX_STEPS", 10)
    assert shrink(path, gold, predicted) is None


def test_trials_leave_no_file_and_end_when_their_rows_are_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """CREATE TABLE t (id INTEGER PRIMARY KEY);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000)
        INSERT INTO t SELECT i FROM n;"""
    path = write_database(tmp_path / "a.sqlite", script)
    num_rows, num_files = [], []
    write = Source.write

    def noted(source: Source, rows: frozenset[RowId], path: Path) -> None:
        num_rows.append(len(rows))
        num_files.append(len(list(path.parent.iterdir())))
        write(source, rows, path)

    monkeypatch.setattr(Source, "write", noted)
    gold = "SELECT count(*) > 40 FROM t"
    assert found(path, gold, "SELECT 0").num_rows == 41
    assert set(num_files) == {0}
    assert sum(num_rows) > 1_000
    num_rows.clear()
    monkeypatch.setattr("sense.witness.MAX_TRIED_ROWS", 200)
    assert found(path, gold, "SELECT 0").num_rows > 41
    *tried, last, final = num_rows
    assert sum(tried) < 200 <= sum(tried) + last
    assert final == min(n for n in (*tried, last) if n > 40)


def test_database_is_only_read(world: Path) -> None:
    before = world.read_bytes()
    found(world, CITIES, "SELECT name FROM country")
    assert world.read_bytes() == before
    assert [path.name for path in world.parent.iterdir()] == [world.name]


def test_limits_bound_every_trial(world: Path) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert shrink(world, CITIES, slow, Limits(max_steps=10_000)) is None
    assert MAX_TRIALS < 1_000


def test_explanation_says_what_is_wrong_and_shows_it(world: Path) -> None:
    explanation = explain(CITIES, "SELECT name FROM city", world)
    assert explanation[:4] == ("incorrect", "differs", "missing_condition", "")
    assert explanation.witness and explanation.witness.num_rows <= 4
    assert str(explanation).startswith(
        "incorrect (differs): the queries return different rows. "
        "Kind of error: missing_condition.\n\ntable city\n"
    )


@pytest.mark.parametrize(
    ("predicted", "verdict", "text"),
    [
        (CITIES + " AND 1 = 1", "correct", "correct (equal): both queries return the same rows."),
        (
            "SELECT name FROM city WHERE 500000 < population",
            "correct",
            "correct (proved): both queries return the same rows on every database on which gold "
            "is defined.",
        ),
        (
            "SELECT nmae FROM city",
            "incorrect",
            "incorrect (error): SQLite does not run the prediction: no such column: nmae. "
            "Kind of error: unknown_column.",
        ),
        (
            "SELECT name FROM city WHERE population > random()",
            "unknown",
            "unknown (random): the prediction depends on chance.",
        ),
    ],
)
def test_explanation_without_rows_is_a_sentence(
    world: Path, predicted: str, verdict: str, text: str
) -> None:
    explanation = explain(CITIES, predicted, world)
    assert (explanation.verdict, explanation.witness, str(explanation)) == (verdict, None, text)


def test_of_several_databases_one_that_tells_them_apart_is_shown(
    world: Path, tmp_path: Path
) -> None:
    script = "INSERT INTO city VALUES (9, 'Nice', 'FRA', 500000)"
    other = write_database(tmp_path / "other.sqlite", "")
    other.write_bytes(world.read_bytes())
    write_database(other, script)
    explanation = explain(
        CITIES, "SELECT name FROM city WHERE population >= 500000", [world, other]
    )
    assert explanation.witness and explanation.witness.predicted_rows[-1] == ("Nice",)


def test_every_reason_of_a_judgement_has_its_sentence(world: Path) -> None:
    predictions = [CITIES, "SELECT 1", "SELECT name FROM city ORDER BY random()", "x", ""]
    golds = [CITIES, "SELECT name FROM city LIMIT 1", "SELECT 1 WHERE 0", "DROP TABLE city"]
    for gold in golds:
        for prediction in predictions:
            assert explain(gold, prediction, world).reason in SENTENCES


def test_explaining_loads_nothing_heavy() -> None:
    code = "import sys, sense.witnesses.explanation; print([m for m "
    code += "in ('torch', 'datasets', 'gradio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_wrong_predictions_of_a_system_have_small_witnesses(shared_data: Path) -> None:
    folder = shared_data / "spider" / "database"
    predictions = list(read_predictions(shared_data / "predictions" / "codes_1b.jsonl"))
    units = [
        Unit((str(folder / p.db_id / f"{p.db_id}.sqlite"),), p.gold, (p.pred,)) for p in predictions
    ]
    sizes = []
    for unit, (_, [judgement]) in zip(units, judge_all(units, num_workers=2), strict=True):
        if judgement.reason == "differs" and judgement.verdict == "incorrect":
            witness = shrink(unit.db_paths[0], unit.gold_sql, unit.predicted_sqls[0])
            assert witness, unit
            sizes.append(witness.num_rows)
    assert len(sizes) > 100
    assert sorted(sizes)[len(sizes) // 2] <= 4
