"""builders/strong.py with both teachers, as a user runs it: killed, resumed, given bad input."""

import itertools
import json
import re
import runpy
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer, Fault, html, slow, status
from conftest import WORLD_SCRIPT, write_database, write_spider
from killing import kill_when, num_lines, num_replies
from test_collection import damaged

from sense.database import database_sha256, find_database
from sense.example import to_example
from sense.facts import read_facts
from sense.prompt import RATIONALE_CONTRACT, extract_sql
from sense.schema import read_schema

ROOT = Path(__file__).parents[1]
BUILDER = str(ROOT / "builders" / "strong.py")
PETS_SCRIPT = """
CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, age INTEGER, weight REAL);
INSERT INTO pet VALUES (1, 'Rex', 'dog', 3, 12.5), (2, 'Tom', 'cat', 5, 4.5),
    (3, 'Ada', 'dog', 7, 20.0), (4, 'Bo', 'bird', 1, 0.1), (5, 'Kim', 'cat', 2, 3.8);
"""
DOMAINS = ("Bell founding", "Lighthouse keeping", "Tea tasting", "Kite making", "Salt mining")


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    """Three small databases, one below a folder of its own."""
    folder = tmp_path / "databases"
    write_database(folder / "world" / "world.sqlite", WORLD_SCRIPT)
    write_database(folder / "pets.sqlite", PETS_SCRIPT)
    write_database(folder / "zoo.db", PETS_SCRIPT.replace("pet", "animal"))
    return folder


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    """A Spider folder to draw examples from."""
    rows = [
        ("world", f"Which cities have more than {n} people?", "SELECT name FROM city")
        for n in range(5)
    ]
    return write_spider(tmp_path / "spider", train_spider=rows)


def teacher_answer(request: Body) -> str | Fault:
    """An answer that depends on the request alone; every ninth is bad in some way."""
    n = request["seed"]
    if n % 9 == 4:
        return "I would rather not."
    if n % 9 == 7:
        return status(400, "content filter")
    domain = DOMAINS[n % len(DOMAINS)]
    return (
        f"Domain: {domain}\n"
        "Schema:\n"
        "CREATE TABLE piece (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mass REAL);\n"
        f"CREATE TABLE maker (id INTEGER PRIMARY KEY, code_{n} TEXT,"
        " piece_id INTEGER REFERENCES piece(id));\n"
        f"Question: How many makers with code X{n} made a piece?\n"
        "SQL: SELECT count(*) FROM maker AS m JOIN piece AS p ON p.id = m.piece_id"
        f" WHERE m.code_{n} = 'X{n}'"
    )


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(teacher_answer) as found:
        yield found


ONE_KIND = "hardness: {medium: 1}\nstyle: {interrogative: 1}\nfeature: {}\n"
"""What the scripted teacher gives."""


def openai_arguments(server: ChatServer, spider: Path, **more: Any) -> list[str]:
    """For one question per request, of the kind that the scripted teacher gives."""
    plan = spider.parent / "one_kind.yaml"
    plan.write_text(ONE_KIND)
    options = {"base_url": server.base_url, "model": "big-model", "few_shot": spider}
    options |= {"plan": plan, "questions_per_request": 1, **more}
    arguments = ["--teacher", "openai"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def build(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    """Runs the builder in this process, work included unless told otherwise."""
    listed = [*map(str, arguments)]
    if "--num-workers" not in listed:
        listed += ["--num-workers", "0"]
    monkeypatch.setattr(sys, "argv", ["builders/strong.py", *listed])
    runpy.run_path(BUILDER, run_name="__main__")


def load(out: Path, tmp_path: Path, config: str = "default") -> dict[str, list[dict[str, Any]]]:
    from datasets import load_dataset

    loaded = load_dataset(str(out), config, cache_dir=str(tmp_path / "cache"))
    return {split: list(rows) for split, rows in loaded.items()}


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


def test_grammar_set_over_given_databases(
    databases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (databases / "broken.sqlite").write_text("no database")
    write_database(databases / "hollow.sqlite", "CREATE TABLE t (a);")
    damaged(databases / "damaged.sqlite")
    out = tmp_path / "out"
    build(
        monkeypatch,
        *("--databases", databases, "--num-examples", "60", "--num-test", "12"),
        *("--license", "mit", "--seed", "3", "--out", out),
    )
    rows = load(out, tmp_path)
    assert (len(rows["train"]), len(rows["test"])) == (48, 12)
    used = {split: {row["db_id"] for row in found} for split, found in rows.items()}
    assert len(used["test"]) == 1 and not used["train"] & used["test"]
    published = {row["db_id"]: row for row in load(out, tmp_path, "databases")["train"]}
    assert published.keys() == used["train"] | used["test"]
    for row in (rows["train"][0], rows["test"][0]):
        example = to_example(row)
        assert (example.source, example.teacher, example.license) == ("grammar", "grammar", "mit")
        assert extract_sql(example.completion[0]["content"]) == example.sql
        copy = find_database(out, example.db_id, cache_dir=tmp_path / "copies")
        assert database_sha256(copy) == example.db_sha256

    facts = read_facts(out)
    of_databases, of_candidates = facts.funnels
    assert of_databases.read == 6
    assert of_databases.dropped["database_corrupt"] == 2
    assert of_databases.dropped["database_empty"] == 1
    assert of_candidates.kept == 60
    assert facts.counts["databases_left_out"] == {
        "broken database_corrupt": 1,
        "damaged database_corrupt": 1,
        "hollow database_empty": 1,
    }
    printed = capsys.readouterr().out
    assert "left out: broken (database_corrupt)" in printed
    assert "dropped database_corrupt" in printed


def test_rows_of_an_edited_database_or_another_version_are_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Path
) -> None:
    arguments = ["--databases", world.parent.parent, "--num-examples", "4", "--num-test", "0"]
    out = tmp_path / "out"
    build(monkeypatch, *arguments, "--out", out)
    out.rename(tmp_path / "first")
    with monkeypatch.context() as patch:
        patch.setattr("sense.facts._own_version", lambda: "99.0")
        with pytest.raises(SystemExit, match=r"other settings: versions\.sense-kit was .*99\.0"):
            build(patch, *arguments, "--out", out)
    size = world.stat().st_size
    with sqlite3.connect(world) as connection:
        connection.execute("UPDATE city SET name = 'Lyon' WHERE name = 'Paris'")
    connection.close()
    assert world.stat().st_size == size
    with pytest.raises(SystemExit, match="other settings: databases_digest was"):
        build(monkeypatch, *arguments, "--out", out)


def test_single_database_is_called_in_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Path
) -> None:
    out = tmp_path / "out"
    build(
        monkeypatch, "--databases", world.parent.parent, "--num-examples", "40", "--out", out,
        "--num-test", "10",
    )  # fmt: skip
    assert "**in-domain**" in (out / "README.md").read_text()
    assert read_facts(out).results["split_by"] == "sql_template"


def test_what_a_tiny_database_cannot_give_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_database(
        tmp_path / "dbs" / "tiny.sqlite", "CREATE TABLE t (name TEXT); INSERT INTO t VALUES ('a');"
    )
    out = tmp_path / "out"
    build(
        monkeypatch, "--databases", tmp_path / "dbs", "--num-examples", "200", "--num-test", "1",
        "--out", out,
    )  # fmt: skip
    counts = read_facts(out).counts
    num_kept = sum(len(rows) for rows in load(out, tmp_path).values())
    missing = Counter(counts["missing_train"]) + Counter(counts["missing_test"])
    assert 0 < num_kept == 200 - missing.total()
    printed = capsys.readouterr().out
    assert "Fewer examples were found than were asked for:" in printed
    assert f"train/extra         {counts['missing_train']['extra']}" in printed


def test_invented_databases_are_published_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build(
        monkeypatch, "--invent", "4", "--invented-names", "0.5", "--num-examples", "20",
        "--num-test", "5", "--contract", "tiny", "--out", out,
    )  # fmt: skip
    rows = load(out, tmp_path)
    assert (len(rows["train"]), len(rows["test"])) == (15, 5)
    assert {row["license"] for row in rows["train"]} == {"apache-2.0"}
    assert read_facts(out).settings["invented_names"] == 0.5
    example = to_example(rows["test"][0])
    copy = find_database(out, example.db_id, cache_dir=tmp_path / "copies")
    assert database_sha256(copy) == example.db_sha256


def test_a_plan_is_met_or_what_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "mine.yaml"
    plan.write_text(
        "hardness: {easy: 1, medium: 1}\n"
        "style: {formal: 1, keyword: 2}\n"
        "feature: {where: 0.5, window: {medium: 0.5}}\n"
    )
    out = tmp_path / "out"
    build(
        monkeypatch, "--invent", "6", "--num-examples", "150", "--num-test", "30",
        "--plan", plan, "--out", out,
    )  # fmt: skip
    rows = [row for found in load(out, tmp_path).values() for row in found]
    assert Counter(row["hardness"] for row in rows) == {"easy": 75, "medium": 75}
    assert Counter(row["style"] for row in rows) == {"formal": 50, "keyword": 100}
    assert 0.47 <= sum("where" in row["features"] for row in rows) / 150 <= 0.53
    assert len({(row["db_id"], row["sql"].lower()) for row in rows}) == 150
    found = read_facts(out).results["plan"]
    assert (found["name"], found["rows"]) == ("mine.yaml", 150)
    assert found["shares"]["feature"]["window"] == {"planned": 0.25, "realised": 0.0}
    [named] = found["infeasible"]
    assert named["cell"] == "hardness=medium, feature=window"
    printed = capsys.readouterr().out
    assert re.search(r"feature=window +planned 25.0%, realised 0.0%", printed)
    cells = found["cells"]
    assert f"Plan 'mine.yaml': of {cells['planned']} feasible two-way cell" in printed
    assert f" with at least 50 planned rows, {cells['within']} came within 20% of" in printed
    assert "Fewer examples" not in printed
    assert "config rejected: for each reason the first few" in printed
    assert "hardness=medium, feature=window" in printed


def test_a_plan_that_cannot_be_met_is_refused_before_any_work(
    databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "mine.yaml"
    plan.write_text("domain: {worlds: 1}")
    arguments = ["--databases", databases, "--num-examples", "60", "--plan", plan]
    with pytest.raises(SystemExit, match=r"domain 'worlds' is not among .* closest match: 'world'"):
        build(monkeypatch, *arguments, "--out", tmp_path / "out")
    plan.write_text("style: {shouted: 1}")
    with pytest.raises(SystemExit, match="key 'style' has no entry 'shouted'"):
        build(monkeypatch, *arguments, "--out", tmp_path / "out")
    with pytest.raises(SystemExit, match=r"--plan nowhere\.yaml is no file"):
        build(monkeypatch, *arguments[:-1], "nowhere.yaml", "--out", tmp_path / "out")


def test_rows_like_a_benchmark_are_left_out(
    databases: Path, spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spider / "dev.json").write_text((spider / "train_spider.json").read_text())
    tables = read_schema(databases / "world" / "world.sqlite").tables
    listed = {
        "db_id": "world",
        "table_names_original": [table.name for table in tables],
        "column_names_original": [
            [number, column.name] for number, table in enumerate(tables) for column in table.columns
        ],
    }
    (spider / "tables.json").write_text(json.dumps([listed]))
    out = tmp_path / "out"
    arguments = ["--num-examples", "20", "--num-test", "5", "--against", spider, "--out", out]
    build(monkeypatch, "--databases", databases, *arguments)
    facts = read_facts(out)
    assert facts.counts["databases_left_out"] == {"world contaminated_schema": 1}
    assert facts.results["decontamination"]["benchmarks"] == ["spider, dev"]
    used = {row["db_id"] for rows in load(out, tmp_path).values() for row in rows}
    assert used == {"pets", "zoo"}
    (databases / "pets.sqlite").unlink()
    (databases / "zoo.db").unlink()
    with pytest.raises(SystemExit, match=r"the one database is left out of .* like those of"):
        build(monkeypatch, "--databases", databases, *arguments[:-1], tmp_path / "other")


@pytest.mark.slow
def test_killed_grammar_run_ends_with_the_same_bytes(
    databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--databases", str(databases), "--num-examples", "90", "--num-test", "9"]
    arguments += ["--plan", "default"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    journal = tmp_path / "killed.work" / "journal.jsonl"
    kill_when(
        [sys.executable, BUILDER, *arguments, "--out", str(killed), "--num-workers", "1"],
        lambda: num_lines(journal) >= 2,
    )
    assert not killed.exists()
    build(monkeypatch, *arguments, "--out", killed, "--num-workers", "2")
    build(monkeypatch, *arguments, "--out", whole)
    assert parquet_bytes(killed) == parquet_bytes(whole)
    assert len(parquet_bytes(whole)) == 5  # rows and rejected ones of two splits, databases


def test_proposals_of_a_model_become_a_dataset(
    server: ChatServer,
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = openai_arguments(
        server, spider, num_examples=12, num_test=3, license="other", price_in=1, price_out=2
    )
    build(monkeypatch, *arguments, "--out", out)
    rows = load(out, tmp_path)
    assert sum(map(len, rows.values())) == 12
    assert 0 < len(rows["test"]) <= 3
    domains = {split: {row["domain"] for row in found} for split, found in rows.items()}
    assert not domains["train"] & domains["test"]
    example = to_example(rows["train"][0])
    assert (example.source, example.teacher, example.license) == ("strong", "big-model", "other")
    assert (example.hardness, example.gold_status) == ("medium", "ok")
    assert {row["requested_level"] for row in rows["train"] + rows["test"]} == {"medium"}
    published = load(out, tmp_path, "databases")["train"]
    assert {row["db_id"] for row in published} == {
        row["db_id"] for found in rows.values() for row in found
    }
    copy = find_database(out, example.db_id, cache_dir=tmp_path / "copies")
    assert database_sha256(copy) == example.db_sha256

    facts = read_facts(out)
    [funnel] = facts.funnels
    # requests 4 and 7 of the first twelve fail, then four more are asked for, of which 13 fails
    dropped = {"answer_format": 2, "server_http_400": 1, "beyond_quota": 1}
    assert funnel.dropped == dropped
    assert (funnel.read, funnel.kept) == (16, 12)
    assert facts.usage == {
        "replies": 16,
        "prompt_tokens": 150,
        "completion_tokens": 75,
        "cost_usd": 0.0003,
    }
    card = (out / "README.md").read_text()
    assert "The terms of use of big-model apply to these rows as well" in card
    assert "| cost_usd | 0.00030 |" in card
    assert "cost_usd" in capsys.readouterr().out


def test_rationales_of_a_model_are_kept_where_they_lead_to_the_query(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Body) -> str | Fault:
        found, n = teacher_answer(request), request["seed"]
        assert "SQL and Rationale. Write each part behind" in request["messages"][-1]["content"]
        if callable(found) or "SQL:" not in found:
            return found
        sql = found.split("SQL: ")[1]
        wrong = " + 1" if n % 9 == 2 else ""
        block = f"```sql\nSELECT 0 + count(*){wrong} FROM{sql.split('FROM', 1)[1]}\n```"
        return f"{found}\nRationale: Makers are counted, joined to their piece {n}.\n{block}"

    out = tmp_path / "out"
    with ChatServer(answer) as server:
        arguments = openai_arguments(server, spider, num_examples=9, num_test=0)
        build(monkeypatch, *arguments, "--rationale", "--out", out)
    rows = load(out, tmp_path)["train"]
    assert len(rows) == 9
    for row in rows:
        assert row["reasoning"].startswith("Makers are counted")
        content = row["completion"][0]["content"]
        assert content == f"{row['reasoning']}\n\n```sql\n{row['sql']}\n```"
        assert row["prompt_hash"] == RATIONALE_CONTRACT.hash
    facts = read_facts(out)
    assert facts.funnels[0].dropped["rationale_differs"] > 0
    assert facts.settings["contract"] == "rationale"
    card = (out / "README.md").read_text()
    assert "Rationales: the model explained each query" in card
    assert "Of a rationale only the query at its end was checked" in card


WORDING = {
    "interrogative": "Which {0} have {1}?",
    "keyword": "{0} with {1}",
}


def teacher_over_pets(request: Body) -> str:
    """Answers all three modes: one question per wish, about pets with an age of its own."""
    text, n = request["messages"][-1]["content"], request["seed"]
    wishes = re.findall(r"^\d+\. .*Style (\w+): .*$", text, re.MULTILINE)
    queries = re.findall(r"^\d+\. .*The query: (.*)$", text, re.MULTILINE)
    if queries:
        return "".join(
            f"Question: {WORDING[style].format('rows', sql)}\n"
            for style, sql in zip(wishes, queries, strict=True)
        )
    table = re.findall(r"CREATE TABLE (\w+)", text)[-1]
    parts = []
    if text.startswith("Invent"):
        table = f"pet_{n}"
        parts = [
            f"Domain: {DOMAINS[n % len(DOMAINS)]}\nSchema:\n"
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, weight REAL);\n"
        ]
    for place, style in enumerate(wishes):
        age = 1 + (7 * n + place) % 40 / 10
        question = WORDING[style].format(f"names of {table}", f"a weight above {age}")
        parts.append(f"Question: {question}\nSQL: SELECT name FROM {table} WHERE weight > {age}\n")
    return "".join(parts)


def test_modes_are_mixed_as_asked(
    spider: Path, databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (databases / "world" / "world.sqlite").unlink()
    plan = tmp_path / "plan.yaml"
    plan.write_text("hardness: {easy: 1}\nstyle: {interrogative: 1, keyword: 1}\nfeature: {}\n")
    out = tmp_path / "out"
    with ChatServer(teacher_over_pets) as server:
        build(
            monkeypatch,
            *("--teacher", "openai", "--base-url", server.base_url, "--model", "m"),
            *("--few-shot", spider, "--databases", databases, "--license", "mit"),
            *("--modes", "invent=0.5,databases=0.3,sql=0.2", "--plan", plan),
            *("--num-examples", "20", "--num-test", "4", "--out", out),
        )
    loaded = load(out, tmp_path)
    rows = [row for found in loaded.values() for row in found]
    facts = read_facts(out)
    assert sum(facts.counts["modes"].values()) == len(rows) == 20
    assert facts.counts["modes"]["invent"] == 10
    assert (facts.settings["seed"], facts.settings["rationale"]) == (0, False)
    assert facts.counts["modes"]["databases"] >= 4
    assert facts.counts["modes"]["sql"] >= 2
    assert Counter(row["style"] for row in rows) == {"interrogative": 10, "keyword": 10}
    given = {row["db_id"] for row in rows if not row["domain"]}
    assert given == {"pets", "zoo"}
    assert not {row["db_id"] for row in loaded["train"]} & {row["db_id"] for row in loaded["test"]}
    assert any(num > 1 for num in Counter(row["db_id"] for row in rows if row["domain"]).values())
    published = {row["db_id"]: row for row in load(out, tmp_path, "databases")["train"]}
    assert published.keys() == {row["db_id"] for row in rows}
    copy = find_database(out, "pets", cache_dir=tmp_path / "copies")
    assert database_sha256(copy) == published["pets"]["db_sha256"]


def test_replies_at_another_temperature_or_prompt_are_not_taken(
    server: ChatServer, spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = openai_arguments(server, spider, num_examples=6)
    build(monkeypatch, *arguments, "--preview", "3", "--out", out)
    assert len(server.requests) == 3
    with pytest.raises(SystemExit, match=r"other settings: temperature was 1\.0, is 0\.5"):
        build(monkeypatch, *arguments, "--temperature", "0.5", "--preview", "3", "--out", out)
    with ChatServer(teacher_answer) as other:
        moved = openai_arguments(other, spider, num_examples=6)
        build(monkeypatch, *moved, "--preview", "3", "--out", out)
        assert not other.requests
    assert len(server.requests) == 3
    monkeypatch.setattr("sense.teaching.requests.SYSTEM_PROMPT", "You write data in another way.")
    build(monkeypatch, *arguments, "--out", out)
    asked = [request["messages"][0]["content"] for request in server.requests[3:]]
    assert len(asked) >= 6
    assert set(asked) == {"You write data in another way."}


@pytest.mark.slow
def test_killed_run_with_a_model_pays_for_nothing_twice(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Body) -> str | Fault:
        found = teacher_answer(request)
        return found if callable(found) else slow(0.1, found)

    with ChatServer(answer) as server:
        arguments = openai_arguments(server, spider, num_examples=20, concurrency=2)
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        replies = tmp_path / "killed.work" / "replies.sqlite"
        kill_when(
            [sys.executable, BUILDER, *arguments, "--out", str(killed), "--num-workers", "0"],
            lambda: num_replies(replies) > 7,
        )
        assert not killed.exists()
        build(monkeypatch, *arguments, "--out", killed)
        num_sent = len(server.requests)
        build(monkeypatch, *arguments, "--out", whole)
        assert parquet_bytes(killed) == parquet_bytes(whole)
        num_needed = len(server.requests) - num_sent
        # At the kill 2 are in flight, 2 may be answered but not kept yet, 2 failures in doubt.
        assert num_needed <= num_sent <= num_needed + 2 + 2 + 2
        assert read_facts(killed).usage == read_facts(whole).usage


def test_money_ends_the_run_with_what_was_done(
    server: ChatServer,
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = openai_arguments(
        server, spider, num_examples=30, price_in=1e5, price_out=1e5, concurrency=1
    )
    build(monkeypatch, *arguments, "--max-cost", "9", "--out", out)  # a reply costs 1.5 dollars
    assert len(server.requests) == 6
    assert sum(map(len, load(out, tmp_path).values())) == 5
    printed = capsys.readouterr().out
    assert (
        f"stopped: --max-cost 9 was reached, what was done is kept; to go on, delete or move {out} "
        "and run the same command with a higher --max-cost: the replies in out.work" in printed
    )
    assert re.search("all/examples +25", printed)
    assert read_facts(out).counts["missing_all"] == {"examples": 25}
    shutil.rmtree(out)
    build(monkeypatch, *arguments, "--max-cost", "18", "--out", out)
    facts = read_facts(out)
    assert (facts.usage["cost_usd"], facts.counts["missing_all"]) == (18.0, {"examples": 19})
    asked = [request["seed"] for request in server.requests if "response_format" in request]
    assert len(set(asked)) == len(asked)


def test_a_run_without_an_example_says_what_it_cost(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ChatServer(lambda request: "Sure!") as server:
        arguments = openai_arguments(server, spider, num_examples=30, concurrency=1)
        arguments += ["--price-in", "1e5", "--price-out", "1e5", "--out", str(tmp_path / "out")]
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--max-cost", "9")  # a reply costs 1.5 dollars
    assert_one_sentence(
        found.value,
        "big-model gave no example before --max-cost 9 was reached: answer_format 6; look at its "
        "answers with --preview 5, or raise that and run the same command again: no answer is",
        tmp_path,
    )
    assert re.search(r"cost_usd +9\.00", capsys.readouterr().out)


def test_a_server_that_fails_amid_a_run_leaves_what_was_paid_for(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    num_left = itertools.count(6, -1)

    def answer(request: Body) -> str | Fault:
        return teacher_answer(request) if next(num_left) > 0 else status(401, "no credit")

    with ChatServer(answer) as server:
        arguments = openai_arguments(server, spider, num_examples=12, concurrency=1)
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--out", tmp_path / "out")
    said = "to go on, run the same command again: no answer is paid for twice"
    assert_one_sentence(found.value, said, tmp_path)
    assert re.search(r"replies +6", capsys.readouterr().out)


def test_preview_shows_answers_that_the_run_then_has(
    server: ChatServer,
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = openai_arguments(server, spider, num_examples=12)
    build(monkeypatch, *arguments, "--preview", "5", "--out", out)
    assert not out.exists()
    printed = capsys.readouterr().out
    assert printed.count("=== answer ") == 5
    assert "good, measured hardness: medium" in printed
    assert "Domain: Lighthouse keeping" in printed
    build(monkeypatch, *arguments, "--out", out)
    asked = [request["seed"] for request in server.requests if "response_format" in request]
    assert len(set(asked)) == len(asked)


def run_script(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments), "--num-workers", "0"])
    runpy.run_path(str(ROOT / script), run_name="__main__")


@pytest.mark.slow
def test_server_is_evaluated_and_sampled(
    databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    build(
        monkeypatch, "--databases", databases, "--num-examples", "24", "--num-test", "8",
        "--out", data,
    )  # fmt: skip
    gold = {
        row["prompt"][-1]["content"]: row["sql"]
        for rows in load(data, tmp_path).values()
        for row in rows
    }

    def answer(request: Body) -> str | Fault:
        """Gold at even seeds and temperature 0, nonsense at odd ones, no SQL for one question."""
        sql = gold[request["messages"][-1]["content"]]
        if sql == list(gold.values())[-1]:
            return "I do not know."
        return f"```sql\n{sql}\n```" if request["seed"] % 2 == 0 else "SELECT nothing"

    with ChatServer(answer, takes_n=False) as server:
        model = ["--model", "m", "--base-url", server.base_url, "--data", str(data)]
        scores = tmp_path / "scores"
        run_script(monkeypatch, "recipes/evaluate.py", *model, "--out", scores)
        found = json.loads((scores / "scores.json").read_text())
        assert (found["num"], found["num_correct"]) == (8, 7)

        weak = tmp_path / "weak"
        run_script(
            monkeypatch, "builders/weak.py", *model, "--num-samples", "6", "--out", weak,
            "--test-share", "0",
        )  # fmt: skip
        samples = load(weak, tmp_path, "samples")["train"]
        assert len(samples) == 16 * 7  # a greedy one too
        assert {sample["logprob"] for sample in samples} == {-0.5}
        assert Counter(sample["verdict"] for sample in samples).keys() == {"correct", "incorrect"}
        pair = load(weak, tmp_path)["train"][0]
        assert pair["rejected_sql"] == "SELECT nothing"
        assert pair["weak_model"] == "m"


BAD_GRAMMAR_INPUTS = {
    "broken/empty.sqlite": "empty.sqlite is a file; expected a folder of databases: put it into",
    "missing": "no folder at {tmp}/missing; expected databases as <db_id>/<db_id>.sqlite",
    "nothing": "folder {tmp}/nothing holds no database; expected",
    "broken": "'empty' (database_empty): no table of it has rows",
}


@pytest.mark.parametrize("name", BAD_GRAMMAR_INPUTS)
def test_folders_that_give_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nothing").mkdir()
    write_database(tmp_path / "broken" / "empty.sqlite", "CREATE TABLE t (a);")
    (tmp_path / "broken" / "bad.sqlite").write_text("no database")
    with pytest.raises(SystemExit) as found:
        build(
            monkeypatch, "--databases", tmp_path / name, "--num-examples", "9",
            "--out", tmp_path / "out",
        )  # fmt: skip
    assert_one_sentence(found.value, BAD_GRAMMAR_INPUTS[name].format(tmp=tmp_path), tmp_path)
    assert not (tmp_path / "out.work").exists()


def test_databases_that_hold_nothing_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_database(tmp_path / "dbs" / "a.sqlite", "CREATE TABLE t (a); INSERT INTO t VALUES (NULL)")
    with pytest.raises(SystemExit) as found:
        build(
            monkeypatch, "--databases", tmp_path / "dbs", "--num-examples", "9",
            "--out", tmp_path / "out",
        )  # fmt: skip
    assert_one_sentence(found.value, "1 database gave no example: ", tmp_path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (html, "answered with something that is no chat completion: '<html>"),
        (status(401, "bad key"), "status 401: bad key; set OPENAI_API_KEY"),
        (status(404, "no such model"), "no such model; check --base-url"),
    ],
)
def test_servers_that_cannot_be_used(
    fault: Fault, said: str, spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer(lambda request: fault) as server:
        arguments = openai_arguments(server, spider, num_examples=4)
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--out", tmp_path / "out")
    assert_one_sentence(found.value, said, tmp_path)


def test_a_model_that_never_keeps_to_the_form(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ChatServer(lambda request: "Sure!") as server:
        arguments = openai_arguments(server, spider, num_examples=4)
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--out", tmp_path / "out")
    said = (
        "big-model gave no example: answer_format 16; look at its answers with --preview 5, or "
        "choose a stronger model"
    )
    assert_one_sentence(found.value, said, tmp_path)
    assert re.search(r"replies +16", capsys.readouterr().out)


def test_inputs_that_are_refused_before_any_work(
    server: ChatServer,
    databases: Path,
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    taken = write_database(tmp_path / "taken" / "a.sqlite", "CREATE TABLE t (a);").parent
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "train_spider.json").write_text("[]")
    write_database(tmp_path / "empty" / "database" / "a.sqlite", "CREATE TABLE t (a);")
    good: dict[str, list[str]] = {
        "grammar": ["--databases", str(databases)],
        "openai": openai_arguments(server, spider),
    }
    cases: list[tuple[str, list[str], str]] = [
        (teacher, more, said)
        for teacher in good
        for more, said in [
            (["--out", str(taken)], f"--out {taken} already exists"),
            (["--license", "CC BY SA 4"], "closest match: 'cc-by-sa-4.0'"),
            (["--license", "my own"], "--license 'my own' is no licence that the Hub knows"),
        ]
    ]
    cases += [
        (
            "openai",
            ["--few-shot", str(tmp_path / "nowhere")],
            "is no folder here and no dataset id",
        ),
        ("openai", ["--few-shot", str(tmp_path / "empty")], "holds 0 usable examples"),
        ("openai", ["--base-url", "localhost"], "is no address of a server"),
    ]
    for teacher, more, said in cases:
        with pytest.raises(SystemExit) as found:
            build(
                monkeypatch, *good[teacher], "--num-examples", "4", "--out", tmp_path / "out", *more
            )
        assert_one_sentence(found.value, said, tmp_path)
        assert not (tmp_path / "out.work").exists()
    assert not server.requests


def test_arguments_that_do_not_fit_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    openai = ["--teacher", "openai", "--base-url", "http://a/v1", "--model", "m", "--few-shot", "f"]
    cases = [
        ([], "needs either --databases DIR or --invent N"),
        (["--databases", "a", "--invent", "3"], "give one of them, not both"),
        (["--databases", "a", "--model", "m"], "--model cannot go with --teacher grammar"),
        (
            ["--invent", "5", "--max-cost", "5"],
            "--max-cost cannot go with --teacher grammar, the default; add --teacher openai for",
        ),
        (["--databases", "a", "--levels", "1,2"], "--levels has 2 shares"),
        (["--databases", "a", "--levels", "a,b"], "expected shares such as 1,1,1,1"),
        (["--databases", "a", "--levels", "nan,1,1,1"], "expected shares such as 1,1,1,1"),
        (["--databases", "a", "--levels", "1,inf,1,1"], "expected shares such as 1,1,1,1"),
        (["--databases", "a", "--temperature", "0"], "--temperature cannot go with --teacher gra"),
        (["--databases", "a", "--max-tokens", "9"], "--max-tokens cannot go with --teacher gram"),
        (["--invent", "-3"], "'-3'; expected a whole number above 0"),
        (["--invent", "3", "--license", "mit"], "--license mit says nothing of databases that"),
        ([*openai, "--preview", "0"], "'0'; expected a whole number above 0"),
        ([*openai, "--temperature", "nan"], "--temperature nan; expected a number of 0 or more"),
        (["--databases", "a", "--num-test", "9"], "--num-test 9 must be below --num-examples 9"),
        (
            ["--databases", "a", "--contract", "rationale"],
            "a rationale before the SQL: add --ration",
        ),
        (["--databases", "a", "--rationale"], "--rationale cannot go with --teacher grammar"),
        ([*openai, "--contract", "rationale"], "a rationale before the SQL: add --rationale"),
        (["--teacher", "openai"], "needs --base-url and --model"),
        (openai[:-2], "mode invent needs --few-shot"),
        ([*openai, "--invent", "3", "--databases", "a"], "--databases and --invent cannot go toge"),
        ([*openai, "--modes", "sql=1"], "mode sql needs --databases DIR or --invent N"),
        ([*openai, "--modes", "sql"], "'sql' in 'sql'; expected each of invent, databases, sql"),
        ([*openai, "--modes", "invent=1,draw=1"], "'draw=1' in 'invent=1,draw=1'; expected each"),
        ([*openai, "--modes", "invent=0"], "'invent=0' asks for nothing"),
        ([*openai, "--databases", "a"], "--few-shot says nothing without mode invent"),
        (
            [*openai, "--databases", "a", "--modes", "invent=1"],
            "need a share of mode databases or sql",
        ),
        ([*openai, "--questions-per-request", "11"], "--questions-per-request 11; expected 1 to"),
        ([*openai, "--max-cost", "3"], "--max-cost needs --prices, or --price-in and --price-out"),
        ([*openai, "--levels", "1,1,1"], "--levels has 3 shares"),
        (["--databases", "a", "--invented-names", "0.5"], "--invented-names says nothing without"),
    ]
    for arguments, said in cases:
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--num-examples", "9", "--out", tmp_path / "out")
        assert found.value.code == 2
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build(monkeypatch, "--invent", "3", "--num-examples", "0", "--out", tmp_path / "out")
    assert "--num-examples 0; expected at least 1" in capsys.readouterr().err


def assert_one_sentence(exit: SystemExit, said: str, tmp_path: Path) -> None:
    text = str(exit.code)
    assert text.startswith("error: ")
    assert said in text
    assert "\n" not in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()
