"""Databases that are unlike others: empty, keyless, wide, many, oddly named, huge, half broken."""

import os
import runpy
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer
from conftest import write_database

from sense.facts import read_facts
from sense.grammar import sample_examples
from sense.prompts.linking import ValueLink, value_index
from sense.strong_set.collection import MAX_READ_BYTES
from sense.strong_set.misses import Misses

ROOT = Path(__file__).parents[1]
PETS = """
CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, age INTEGER, weight REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO pet SELECT i, 'Pet ' || i, substr('dogcatowl', 1 + i % 3 * 3, 3), i % 12, i * 1.3
FROM n;
"""


def build(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str | Path, num: int = 12
) -> list[dict[str, Any]]:
    """The rows of a small set over the databases of the folder."""
    from datasets import load_dataset

    out = folder.parent / "out"
    words = ["builders/strong.py", "--databases", folder, "--num-examples", num, "--num-test", 2]
    words += ["--num-workers", 0, "--out", out, *arguments]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    runpy.run_path(str(ROOT / "builders" / "strong.py"), run_name="__main__")
    loaded = load_dataset(str(out), "default", cache_dir=str(folder.parent / "cache"))
    return [row for rows in loaded.values() for row in rows]


def many_tables(num: int) -> str:
    """Tables that refer to one another in a chain, eleven rows each."""
    statements = ["BEGIN;"]
    for number in range(num):
        before = max(0, number - 1)
        rows = ", ".join(f"({k}, 'label {k}', {k * 3 % 11}, {k})" for k in range(1, 12))
        statements.append(
            f"CREATE TABLE item_{number} (id INTEGER PRIMARY KEY, label TEXT, size INTEGER,"
            f" parent_id INTEGER REFERENCES item_{before}(id));"
            f"INSERT INTO item_{number} VALUES {rows};"
        )
    return "".join([*statements, "COMMIT;"])


def many_columns(num: int) -> str:
    names = ", ".join(f"measure_{place} INTEGER" for place in range(num - 1))
    rows = ", ".join(
        f"({k}, {', '.join(str(k * place % 17) for place in range(num - 1))})" for k in range(20)
    )
    return f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {names}); INSERT INTO wide VALUES {rows};"


SCRIPTS = {
    "keyless": PETS.replace("id INTEGER PRIMARY KEY", "id INTEGER"),
    "tables_500": many_tables(500),
    "odd": PETS.replace("pet", "\"my 'odd' pets\"")
    .replace("name TEXT", '"first ""nick"" name" TEXT')
    .replace("kind TEXT", '"group" TEXT'),
    "views": f"{PETS} CREATE TABLE gone (a); CREATE VIEW v AS SELECT a FROM gone; DROP TABLE gone;"
    " CREATE VIEW w AS SELECT missing_function(name) FROM pet;",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_database_unlike_others_gives_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_database(tmp_path / "dbs" / f"{name}.sqlite", SCRIPTS[name])
    rows = build(monkeypatch, path.parent)
    assert len(rows) >= 10  # of the two rows of the test split one may lack a template
    with sqlite3.connect(path) as connection:
        assert all(connection.execute(row["sql"]).fetchall() for row in rows)


@pytest.mark.slow
def test_two_thousand_columns_give_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_database(tmp_path / "dbs" / "wide.sqlite", many_columns(2_000)).parent
    rows = build(monkeypatch, folder, num=6)
    assert max(len(row["prompt"][-1]["content"]) for row in rows) < 20_000


def test_a_huge_database_is_neither_hashed_nor_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_database(tmp_path / "dbs" / "huge.sqlite", PETS)
    os.truncate(path, 20 * 1024**3)  # sparse: it takes no room
    monkeypatch.setattr("sense.strong_set.collection.file_sha256", None)
    monkeypatch.setattr("sense.strong_set.collection.database_sha256", None)
    rows = build(monkeypatch, path.parent)
    assert len(rows) == 12
    assert {row["db_sha256"] for row in rows} == {""}
    published = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert published < MAX_READ_BYTES
    assert read_facts(tmp_path / "out").counts["databases_not_published"] == {"huge": 1}


def test_sql_that_takes_too_long_is_told_from_sql_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_database(tmp_path / "large.sqlite", PETS)
    monkeypatch.setattr("sense.grammar.MAX_STEPS", 100)  # a scan of 60 rows takes some 300
    misses = Misses()
    list(sample_examples(path, 4, seed=0, misses=misses))
    assert misses.counts["gold_timeout"] > 100
    assert not misses.counts["gold_error"]


def test_an_r_tree_is_left_out_and_the_rest_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"{PETS} CREATE VIRTUAL TABLE place USING rtree(id, low, high);"
    path = write_database(tmp_path / "dbs" / "places.sqlite", script)
    rows = build(monkeypatch, path.parent)
    assert len(rows) >= 10
    assert not any("place" in row["prompt"][-1]["content"] for row in rows)


def test_tables_that_cannot_be_read_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"{PETS} CREATE VIRTUAL TABLE note USING fts5(text, content='gone');"
    path = write_database(tmp_path / "dbs" / "notes.sqlite", script)
    connection = sqlite3.connect(path)
    connection.create_function("twice", 1, lambda value: value, deterministic=True)
    connection.execute("CREATE TABLE visit (day TEXT, days AS (twice(day)))")
    connection.execute("INSERT INTO visit VALUES ('Monday')")
    connection.commit()
    connection.close()
    assert value_index(path).links("the dog on Monday", 5) == [
        *(ValueLink("pet", "kind", "dog"), ValueLink("visit", "day", "Monday"))
    ]
    rows = build(monkeypatch, path.parent)
    assert len(rows) >= 10
    assert not any(name in row["sql"] for row in rows for name in ("note", "visit"))


def test_a_teacher_is_shown_a_part_of_a_wide_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_database(tmp_path / "dbs" / "wide.sqlite", many_tables(200)).parent
    plan = tmp_path / "plan.yaml"
    plan.write_text("hardness: {easy: 1}\nstyle: {keyword: 1}\nfeature: {}\n")

    def answer(request: Body) -> str:
        text, size = request["messages"][-1]["content"], request["seed"] % 9
        assert 500 < len(text) < 20_000
        table = text.split("CREATE TABLE ")[1].split(" ")[0]
        noun = table.replace("_", " ")
        sql = f"SELECT label FROM {table} WHERE size = {size}"
        return f"Question: labels of {noun} of size {size}\nSQL: {sql}"

    with ChatServer(answer) as server:
        rows = build(
            monkeypatch, folder, "--teacher", "openai", "--base-url", server.base_url, "--model",
            "m", "--modes", "databases=1", "--plan", plan, "--questions-per-request", "1", num=6,
        )  # fmt: skip
    assert len(rows) == 6
    assert {row["style"] for row in rows} == {"keyword"}
