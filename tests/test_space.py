"""The web demo: its steps as functions, and how it is published."""

import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chat_server import ChatServer, status
from conftest import write_database

from sense.ask import Writer
from sense.execution import DatabaseError
from sense.prompt import DEFAULT_CONTRACT
from sense.result import sentence
from sense.schema import read_schema
from sense.servers.chat_writer import server_writer
from sense.sqlite.guard import guarded_execution, guarded_schema
from sense.web.page import (
    MAX_QUESTION_CHARS,
    Database,
    Step,
    answer,
    compare_html,
    read_examples,
    run,
    schema_html,
    sql_writer,
    step_html,
)
from sense.web.upload import Uploads

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "space"
BLIND = "SELECT instr(zeroblob(15000000), zeroblob(7000000) || x'01')"
"""One operation of SQLite that takes an hour: no limit inside the process sees it."""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def load_script(name: str) -> ModuleType:
    """A script of space/, without running it."""
    spec = importlib.util.spec_from_file_location(f"space_{name}", SPACE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def database(world: Path) -> Database:
    return Database(str(world), "world.sqlite", read_schema(world))


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    made = Uploads()
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


# Guarded work


def test_guarded_queries_give_rows_errors_and_refusals(world: Path) -> None:
    assert guarded_execution(world, "SELECT count(*) FROM city").rows == ((8,),)
    assert guarded_execution(world, "SELECT nmae FROM city").status == "error"
    assert guarded_execution(world, "DELETE FROM city").status == "refused"
    assert guarded_execution(world, "SELECT 1; SELECT 2").status == "refused"


def test_guarded_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.sqlite").write_text("not a database")
    with pytest.raises(DatabaseError, match="is not a SQLite database"):
        guarded_schema(tmp_path / "notes.sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("sql", [ENDLESS, BLIND])
def test_query_that_never_ends_is_stopped(world: Path, sql: str) -> None:
    execution = guarded_execution(world, sql)
    assert execution.status == "limit"
    assert sentence(execution).startswith("This query was stopped: more than 5")


# Uploads


def test_upload_leaves_where_it_was_and_is_found_only_by_its_session(
    world: Path, uploads: Uploads
) -> None:
    upload = uploads.take(world, "abc")
    assert not world.exists()
    assert (upload.name, [table.name for table in upload.schema.tables]) == (
        "world.sqlite",
        ["country", "city"],
    )
    assert Path(upload.path).is_relative_to(uploads.folder)
    assert "abc" not in upload.path
    assert Path(uploads.folder).stat().st_mode & 0o777 == 0o700
    uploads.remove("other")
    assert Path(upload.path).exists()
    uploads.remove("abc")
    assert not Path(upload.path).exists()
    assert list(Path(uploads.folder).iterdir()) == []


def test_session_cannot_choose_a_folder(world: Path, uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.take(world, "../../escape")
    assert Path(upload.path).resolve().is_relative_to(Path(uploads.folder).resolve())
    uploads.remove("../..")
    assert tmp_path.exists()
    assert Path(upload.path).exists()


def no_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE a (b)")
    connection.execute("DROP TABLE a")
    connection.commit()
    connection.close()


def cut_short(path: Path) -> None:
    rows = ", ".join(f"({n}, hex(randomblob(200)))" for n in range(500))
    write_database(path, f"CREATE TABLE t (a, b); CREATE TABLE u (c); INSERT INTO t VALUES {rows};")
    path.write_bytes(path.read_bytes()[:3_000])


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(60 * 2**20)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.write_text("name,age\nRex,3\n"), "is not a SQLite database: it starts"),
        (lambda path: path.write_bytes(os.urandom(8_192)), "of another format, damaged or encr"),
        (lambda path: path.write_bytes(b""), "mine.db is empty"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4_000)), "damaged, cut short"),
        (cut_short, "damaged, cut short or encrypted"),
        (no_tables, "mine.db is a SQLite database without tables"),
        (too_large, "mine.db has 60.0 MB, more than the 50 MB that this page takes"),
        (lambda path: None, "mine.db did not arrive; upload it again"),
    ],
)
def test_unfit_upload_gives_a_sentence_and_is_deleted(
    tmp_path: Path, uploads: Uploads, make: Any, text: str
) -> None:
    path = tmp_path / "mine.db"
    make(path)
    with pytest.raises(DatabaseError, match=re.escape(text)) as caught:
        uploads.take(path, "abc")
    assert uploads.folder not in str(caught.value)
    assert not path.exists()
    assert not any(file.is_file() for file in Path(uploads.folder).rglob("*"))


def test_unfit_upload_leaves_the_earlier_one_in_place(
    tmp_path: Path, world: Path, uploads: Uploads
) -> None:
    upload = uploads.take(world, "abc")
    (tmp_path / "mine.db").write_text("hello")
    with pytest.raises(DatabaseError):
        uploads.take(tmp_path / "mine.db", "abc")
    assert guarded_execution(upload.path, "SELECT count(*) FROM city").rows == ((8,),)


# Steps of the page


def texts(steps: Iterator[Step]) -> list[str]:
    return [step.text for step in steps]


def test_answer_shows_the_sql_before_it_runs(database: Database) -> None:
    steps = list(answer(lambda path, question: "SELECT name FROM country", "Which?", database))
    assert [(step.kind, step.sql) for step in steps] == [
        ("busy", ""),
        ("busy", "SELECT name FROM country"),
        ("good", "SELECT name FROM country"),
    ]
    assert steps[-1].execution and len(steps[-1].execution.rows) == 6


def test_sql_that_does_not_run_stays_to_be_mended(database: Database) -> None:
    last = list(answer(lambda path, question: "SELECT x FROM city", "Which?", database))[-1]
    assert last.sql == "SELECT x FROM city"
    assert last.text.startswith("SQLite cannot run this query: no such column: x.")


def test_questions_without_an_answer_give_a_sentence(database: Database) -> None:
    def broken(path: str, question: str) -> str:
        raise RuntimeError("http://10.0.0.1/v1 cannot be reached")

    def silent(path: str, question: str) -> str:
        return ""

    assert texts(answer(silent, " ", database)) == [
        "Type a question first, such as how many rows a table has."
    ]
    assert texts(answer(silent, "x" * (MAX_QUESTION_CHARS + 1), database)) == [
        "Ask in fewer words: 1,000 characters at most."
    ]
    assert texts(answer(silent, "Why?", database))[1:] == [
        "The model found no SQL for this question. Ask in other words."
    ]
    assert texts(answer(broken, "Why?", database))[1:] == [
        "The model does not answer just now. Try again in a minute."
    ]
    assert texts(answer(None, "Why?", database)) == [
        "This page has no model: write the SQL yourself and run it."
    ]


def test_a_server_that_fails_between_answers_is_said(database: Database) -> None:
    with ChatServer(lambda request: "SELECT 1") as server:
        write = sql_writer(server_writer("m", server.base_url), num_at_once=1)
        assert list(answer(write, "One?", database))[-1].kind == "good"
        server.answer = lambda request: status(400)
        assert texts(answer(write, "Two?", database))[1:] == [
            "The model does not answer just now. Try again in a minute."
        ]


def fail(*arguments: Any) -> Any:
    raise AssertionError("the model is not to be asked")


def test_run_says_why_there_is_nothing_to_show(database: Database) -> None:
    assert run("  ", database).text.startswith("There is no SQL to run yet")
    assert run("SELECT 1 -- " + "x" * 20_000, database).text.startswith("This SQL is too long")
    assert run("SELECT 1 AS n", database).text.startswith("1 row in")
    Path(database.path).unlink()
    gone = "world.sqlite was deleted when this page lost its connection; upload it again."
    assert run("SELECT 1", database).text == gone
    write = sql_writer(Writer("", "", DEFAULT_CONTRACT, fail, fail), num_at_once=1)
    assert texts(answer(write, "Why?", database))[1:] == [gone]


def test_error_names_the_visitors_file_and_no_folder_of_ours(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "upload.sqlite",
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "LIMIT 2000) SELECT i, hex(randomblob(50)) AS h FROM n;",
    )
    schema = read_schema(path)
    data = path.read_bytes()
    path.write_bytes(data[:4_096] + b"\xff" * (len(data) - 4_096))
    step = run("SELECT count(h) FROM t", Database(str(path), "mine.db", schema))
    assert step.text.startswith("mine.db is damaged")
    assert str(tmp_path) not in step.text


def test_names_of_a_visitor_are_shown_as_text(tmp_path: Path) -> None:
    evil = '<img src=x onerror="alert(1)">'
    quoted = evil.replace('"', '""')
    path = write_database(tmp_path / "a.sqlite", f'CREATE TABLE "{quoted}" ("{quoted}" "{quoted}")')
    shown = schema_html(Database(str(path), evil, read_schema(path)))
    assert "<img" not in shown + step_html(Step(evil))
    assert shown.count("&lt;img") >= 3


def shown_text(html: str) -> str:
    """What a visitor reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (
            "SELECT name FROM city WHERE population > 9000000",
            "SELECT c.name FROM city AS c WHERE 9000000 < c.population",
            "Both queries return the same rows, here and on any data in these tables.",
        ),
        (
            "SELECT name FROM city WHERE population > 9000000",
            "SELECT name FROM city WHERE id = 1",
            "Both queries return the same rows here. On other data they may differ.",
        ),
        (
            "SELECT name FROM city WHERE population > 9000000",
            "SELECT name FROM city WHERE population < 50000",
            "The queries return different rows. A few rows of the database are enough to show it: "
            "table city name population Shanghai 9696300 "
            "the first query name Shanghai the second query no rows",
        ),
        (
            "SELECT name FROM city WHERE id > 9",
            "SELECT name FROM city WHERE id = 4",
            "The queries return different rows. A few rows of the database are enough to show it: "
            "table city id name 4 Lagos the first query no rows the second query name Lagos",
        ),
        (
            "SELECT name FROM country ORDER BY population",
            "SELECT name FROM country WHERE 1 = 1",
            "The queries return the same rows in another order. A few rows of the database are "
            "enough to show it: table country name population China 1277558000 France 59225700 "
            "the first query name France China the second query name China France",
        ),
        (
            "SELECT id, name FROM city",
            "SELECT name, id FROM city",
            "The queries return the same rows with the columns in another order.",
        ),
        (
            "SELECT continent FROM country ORDER BY continent",
            "SELECT continent FROM country ORDER BY continent, name",
            "Both queries return the same rows here. On other data they may differ.",
        ),
        (
            "SELECT name FROM city",
            "SELECT nmae FROM city",
            "The second query: SQLite cannot run this query: no such column: nmae. "
            "Mend the SQL, or ask in other words.",
        ),
        (" ", "SELECT 1", "There is nothing to compare yet: write SQL in both boxes."),
        ("SELECT 1", "-" * 20_001, "This SQL is too long: 20,000 characters at most."),
    ],
)
def test_comparison_says_whether_and_shows_where(
    database: Database, first: str, second: str, text: str
) -> None:
    assert shown_text(compare_html(first, second, database)) == text


def test_ties_may_come_in_any_order(database: Database) -> None:
    first = "SELECT name FROM country ORDER BY continent"
    second = "SELECT name FROM country ORDER BY continent, name DESC"
    assert shown_text(compare_html(first, second, database)) == (
        "Both queries return the same rows here, apart from the order of ties."
    )


def test_comparison_shows_values_of_a_visitor_as_text(tmp_path: Path) -> None:
    script = """CREATE TABLE "<b>" ("<i>" TEXT, n); INSERT INTO "<b>" VALUES ('<img src=x>', 1);"""
    path = write_database(tmp_path / "a.sqlite", script)
    asked = Database(str(path), "a.sqlite", read_schema(path))
    shown = compare_html('SELECT "<i>" FROM "<b>"', 'SELECT n FROM "<b>"', asked)
    assert "&lt;img src=x&gt;" in shown
    assert not re.search("<(b|i|img)", shown)


def test_schema_shows_types_keys_and_references(database: Database) -> None:
    shown = re.sub(r"\s*<[^>]+>\s*", " ", schema_html(database)).split("city", 1)[1]
    columns = "id integer key , name text , country_code text → country.code , population integer"
    assert [word for word in columns.split() if word != ","] == shown.split()


def test_examples_build_and_their_questions_are_few(tmp_path: Path) -> None:
    examples = read_examples(SPACE / "examples", tmp_path)
    assert list(examples) == ["bakery", "library", "observatory"]
    for example in examples.values():
        assert len(example.questions) == 3
        for table in example.schema.tables:
            [(num,)] = run(f"SELECT count(*) FROM {table.name}", example).execution.rows  # type: ignore[union-attr]
            assert num > 0


# Publishing


def test_requirements_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [x for x in (SPACE / "requirements.txt").read_text().splitlines() if x[0] != "#"]
    assert [pin for pin in pins if pin not in lock] == []
    [gradio] = [line for line in lock if line.startswith("gradio==")]
    assert f"sdk_version: {gradio.removeprefix('gradio==')}\n" in (SPACE / "README.md").read_text()


@pytest.mark.slow
def test_space_holds_all_it_needs_and_the_same_wheel_twice(tmp_path: Path) -> None:
    push = load_script("push")
    push.write_space(tmp_path / "a", "ada/demo", "sense/tiny")
    push.write_space(tmp_path / "b", "ada/demo", "")
    wheel = "sense_kit-0.1.0-py3-none-any.whl"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        *("README.md", "app.py", "examples", "requirements.txt", wheel, "style.css")
    ]
    assert (tmp_path / "a" / wheel).read_bytes() == (tmp_path / "b" / wheel).read_bytes()
    last = (tmp_path / "a" / "requirements.txt").read_text().splitlines()[-1]
    assert re.fullmatch(
        rf"sense-kit @ https://[^/]+/spaces/ada/demo/resolve/main/{wheel}#sha256=[0-9a-f]{{64}}",
        last,
    )
    with pytest.raises(FileExistsError):
        push.write_space(tmp_path / "a", "ada/demo", "")
    app = load_script("app")
    assert app.configured_model(tmp_path / "a") == "sense/tiny"
    assert app.configured_model(tmp_path / "b") == ""


@pytest.mark.slow
def test_model_setting_wins_over_what_lies_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_script("app")
    (tmp_path / "README.md").write_text("---\ntitle: x\nmodels: [sense/tiny]\n---\n")
    (tmp_path / "model").mkdir()
    assert app.configured_model(tmp_path) == str(tmp_path / "model")
    monkeypatch.setenv("SENSE_MODEL", "sense/large")
    assert app.configured_model(tmp_path) == "sense/large"


@pytest.mark.slow
def test_push_makes_one_commit_whose_wheel_installs(hub: Any, tmp_path: Path) -> None:
    command = [str(SPACE / "push.py"), "ada/demo"]
    printed = hub.run(command)
    assert hub.titles("ada/demo", "space") == ["initial commit", "Publish the Space"]
    assert hub.run(command) == printed
    assert len(hub.titles("ada/demo", "space")) == 2
    error = hub.run([*command, "--model", "ada/absent"], fails=True)
    assert error.startswith("error: the Hub has no model ada/absent")
    assert "Traceback" not in error
    pushed = hub.files("ada/demo", "space")
    requirement = pushed["requirements.txt"].decode().splitlines()[-1]
    target = tmp_path / "installed"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            target,
            requirement,
        ],
        check=True,
        env=hub.env(None, False),
    )
    assert (target / "sense" / "web" / "page.py").is_file()
