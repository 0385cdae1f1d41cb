"""`python -m sense ask`: one question of a person, its answer, and every way to have none."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, status

from sense.__main__ import main
from sense.ask import DEMO_MODEL, Writer, ask, open_writer
from sense.execution import DatabaseError
from sense.prompt import DEFAULT_CONTRACT, TINY_CONTRACT, save_contract


def writer_of(text: str) -> Writer:
    """A writer that answers any question with this text."""
    return Writer("fixed", "", DEFAULT_CONTRACT, lambda prompts: [text] * len(prompts), _no_samples)


def _no_samples(*arguments: Any) -> Any:
    raise AssertionError("a question of a person is answered greedily")


def run_main(world: Path, answer: str, *arguments: str) -> None:
    with ChatServer(lambda request: answer) as server:
        main(
            ["ask", str(world), "Which?", "--model", "m", "--base-url", server.base_url, *arguments]
        )


def test_sql_comes_out_of_the_completion_and_runs(world: Path) -> None:
    answer = ask(writer_of("```sql\nSELECT count(*) FROM city;\n```"), world, "How many cities?")
    assert (answer.sql, answer.execution.rows) == ("SELECT count(*) FROM city", ((8,),))


def test_prompt_holds_schema_evidence_and_question(world: Path) -> None:
    seen: list[str] = []

    def complete(prompts: Any) -> list[str]:
        seen.extend(message["content"] for [*messages] in prompts for message in messages)
        return ["SELECT 1"]

    writer = writer_of("")._replace(complete=complete)
    ask(writer, world, "Which are large?", "large: population > 1000000")
    text = "\n".join(seen)
    assert "country_code" in text
    assert "large: population > 1000000" in text
    assert "Which are large?" in text


def test_empty_question_and_missing_file_are_errors(world: Path) -> None:
    with pytest.raises(ValueError, match="the question is empty"):
        ask(writer_of("SELECT 1"), world, " \n")
    with pytest.raises(DatabaseError, match="no database file at"):
        ask(writer_of("SELECT 1"), world.with_name("word.sqlite"), "Which?")


def test_sql_is_printed_before_its_rows(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_main(world, "SELECT name, population FROM city WHERE country_code = 'FRA'")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [
        "SELECT name, population FROM city WHERE country_code = 'FRA'",
        "",
        "name   population",
        "-----  ----------",
        "Paris     2125246",
        "Lyon       445452",
        "",
    ]
    assert lines[-1].startswith("2 rows in 0.0")


def test_rows_limits_what_is_printed(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_main(world, "SELECT id FROM city", "--rows", "2")
    *_, last = out = capsys.readouterr().out.splitlines()
    assert out[2:6] == ["id", "--", " 1", " 2"]
    assert last.startswith("8 rows in") and last.endswith(" s, the first 2 shown.")
    run_main(world, "SELECT id FROM city", "--rows", "0")
    assert "the first" not in capsys.readouterr().out


def test_sql_that_does_not_run_is_printed_and_is_an_error(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"no such column: nmae\. Mend the SQL"):
        run_main(world, "SELECT nmae FROM city")
    assert capsys.readouterr().out == "SELECT nmae FROM city\n"


def test_silent_model_is_an_error(world: Path) -> None:
    with pytest.raises(ValueError, match="m gave no SQL for this question"):
        run_main(world, "")


def test_model_is_that_of_the_demo_or_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no model was named; pass --model FOLDER"):
        open_writer()
    with pytest.raises(ValueError, match="may hold several models and none was named"):
        open_writer(base_url="http://localhost:8000/v1/")


def fails(*arguments: str | Path, cwd: Path | None = None) -> str:
    """What `python -m sense ask ...` prints on stderr when it ends with status 1."""
    done = subprocess.run(
        [sys.executable, "-m", "sense", "ask", *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 1, done.stdout + done.stderr
    *notices, error = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert all(line.startswith("the prompt contract of") for line in notices)
    return f"{error}\n"


@pytest.mark.slow
def test_every_bad_input_is_one_sentence_and_status_1(world: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    here = {"cwd": tmp_path}
    assert fails("absent.sqlite", "Which?", **here) == (
        "error: no database file at absent.sqlite. Correct the path or add the file.\n"
    )
    assert fails("notes.txt", "Which?", **here).startswith(
        "error: notes.txt is not a SQLite database: it starts with b'hello'."
    )
    assert fails(world, "Which?", **here).startswith("error: no model was named; pass --model")
    with ChatServer(lambda request: status(401)) as server:
        model = ("--model", "m", "--base-url", server.base_url)
        assert "OPENAI_API_KEY" in fails(world, "Which?", *model, **here)
        assert "the question is empty" in fails(world, " ", *model, **here)


@pytest.mark.slow
def test_model_of_the_demo_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sense.tiny import make_model

    folder = tmp_path / DEMO_MODEL
    make_model(folder, [" How many cities are there? SELECT count(*) FROM city"])
    save_contract(TINY_CONTRACT, folder)
    monkeypatch.chdir(tmp_path)
    writer = open_writer()
    assert (writer.name, writer.contract) == (DEMO_MODEL, TINY_CONTRACT)
