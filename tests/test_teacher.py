"""sense.teacher and sense.proposal: requests, strict answers, and what becomes of a proposal."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import WORLD_SCRIPT, write_database
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.example import content_id, to_example
from sense.journal import Journal
from sense.prompt import DEFAULT_CONTRACT, RATIONALE_CONTRACT, extract_sql
from sense.proposal import Job, ProposalSet, Task, Teaching, plan_round, verify_reply
from sense.server import Choice, Reply, Request
from sense.teacher import (
    Proposal,
    Shot,
    common_domains,
    parse_proposal,
    read_shots,
    teacher_messages,
)

SHOTS = (
    Shot("ships", "CREATE TABLE ship (name TEXT);", "Name all ships.", "SELECT name FROM ship"),
    Shot("pets", "CREATE TABLE pet (age INT);", "How many pets?", "SELECT count(*) FROM pet"),
)
ANSWER = """\
Domain: Lighthouse keeping
Schema:
CREATE TABLE lighthouse (id INTEGER PRIMARY KEY, name TEXT NOT NULL, height_m REAL);
CREATE TABLE keeper (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    lighthouse_id INTEGER REFERENCES lighthouse(id)
);
Question: How many keepers work at Skerryvore?
SQL: SELECT count(*) FROM keeper AS k JOIN lighthouse AS l ON l.id = k.lighthouse_id
WHERE l.name = 'Skerryvore';
"""


RATIONALE = """\
Rationale: The name of the lighthouse stands in another table than the keepers.

So both are joined, and the rows are counted.
```sql
SELECT count(k.id) FROM lighthouse AS l JOIN keeper AS k ON l.id = k.lighthouse_id
WHERE l.name = 'Skerryvore'
```
"""


REASONS = ("answer_format", "sql_syntax", "sql_without_table")


def job(answer: str, is_cut: bool = False, level: str = "medium") -> Job:
    task = Task(0, level, SHOTS, Request([]))  # type: ignore[arg-type]
    reply = Reply((Choice(answer, is_cut=is_cut),))
    return Job(task, reply, "big-model", "other", DEFAULT_CONTRACT)


def answer(schema: str, sql: str, domain: str = "tea", question: str = "How many?") -> str:
    return f"Domain: {domain}\nSchema:\n{schema}\nQuestion: {question}\nSQL: {sql}"


def reasoned(text: str) -> Job:
    return job(text)._replace(contract=RATIONALE_CONTRACT, rationale=True)


def test_request_holds_level_examples_and_domains_to_avoid() -> None:
    system, user = teacher_messages("hard", SHOTS, ["beekeeping", "tea"])
    text = user["content"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "at level hard: the query needs several advanced constructs together" in text
    assert "covered often enough as well: beekeeping, tea." in text
    assert "universities and schools; hospitals and medicine; airlines and travel" in text
    example = (
        "Example 1\nDomain: ships\nSchema:\nCREATE TABLE ship (name TEXT);\n"
        "Question: Name all ships.\nSQL: SELECT name FROM ship"
    )
    assert example in text
    assert "covered often enough" not in teacher_messages("easy", SHOTS, [])[1]["content"]


def test_examples_of_a_request_read_back_as_an_answer() -> None:
    text = teacher_messages("easy", SHOTS, [])[1]["content"]
    written = text.split("Example 2\n")[1].split("\n\nAnswer with")[0]
    assert parse_proposal(written) == Proposal(*SHOTS[1])


def test_parts_of_an_answer() -> None:
    found = parse_proposal(ANSWER)
    assert isinstance(found, Proposal)
    assert found.domain == "Lighthouse keeping"
    assert found.script.startswith("CREATE TABLE lighthouse")
    assert found.question == "How many keepers work at Skerryvore?"
    assert found.sql.endswith("WHERE l.name = 'Skerryvore'")


@pytest.mark.parametrize(
    "text",
    [
        ANSWER.replace("Schema:\n", "Schema:\n```sql\n").replace(");\nQ", ");\n```\nQ"),
        ANSWER.replace("Domain:", "**Domain:**").replace("SQL:", "**SQL**:"),
        ANSWER.replace("Question:", "### Question:"),
        f"<think>\nDomain: no, rather ...\n</think>\n\n{ANSWER}",
        f"\n\n{ANSWER}\n\n",
        ANSWER.replace("SQL: ", "SQL:\n```\n") + "```",
        ANSWER.replace("Question: How many keepers", "Question: How many\n keepers"),
    ],
)
def test_harmless_dress_is_taken_off(text: str) -> None:
    assert parse_proposal(text) == parse_proposal(ANSWER)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "answer_format"),
        ("I cannot help with that.", "answer_format"),
        (f"Sure, here it is:\n{ANSWER}", "answer_format"),
        (f"{ANSWER}\nThis query counts keepers.", "answer_format"),
        (f"{ANSWER}{ANSWER}", "answer_format"),
        (ANSWER.replace("Question: ", "Ask: "), "answer_format"),
        (ANSWER.replace("Lighthouse keeping", ""), "answer_format"),
        (ANSWER.replace("Lighthouse keeping", "long " * 30), "answer_format"),
        (answer("", "SELECT 1"), "answer_format"),
        (answer("CREATE TABLE t (a)", "SELECT FROM"), "sql_syntax"),
        (answer("CREATE TABLE t (a)", "DELETE FROM t"), "sql_syntax"),
        (answer("CREATE TABLE t (a)", "Count the rows"), "sql_syntax"),
        (answer("CREATE TABLE t (a)", "SELECT 1"), "sql_without_table"),
        (answer("CREATE TABLE t (a)", "SELECT a FROM t; SELECT 2"), "answer_format"),
    ],
)
def test_rejected_answers(text: str, reason: str) -> None:
    assert parse_proposal(text) == reason


@given(st.text(max_size=200), st.integers(0, len(ANSWER)), st.integers(0, 40))
def test_any_text_is_a_proposal_or_a_reason(noise: str, start: int, length: int) -> None:
    found = parse_proposal(ANSWER[:start] + noise + ANSWER[start + length :])
    assert isinstance(found, Proposal) or found in (
        "answer_format",
        "sql_syntax",
        "sql_without_table",
    )


def test_a_good_proposal_becomes_an_example_on_its_own_database() -> None:
    result = verify_reply(job(ANSWER))
    assert (result["reject_reason"], result["domain"]) == ("", "Lighthouse keeping")
    example = to_example(result["row"])
    database = result["database"]
    assert example.db_id.startswith("lighthouse_keeping_")
    assert (example.hardness, example.requested_level) == ("medium", "medium")
    assert (example.source, example.teacher, example.license) == ("strong", "big-model", "other")
    assert (example.gold_status, example.features) == ("ok", ["aggregate", "join", "where"])
    assert extract_sql(example.completion[0]["content"]) == example.sql
    assert "CREATE TABLE keeper" in example.prompt[-1]["content"]
    assert database["db_id"] == example.db_id
    assert database["db_sha256"] == example.db_sha256
    assert (database["num_tables"], database["num_rows"]) == (2, 120)
    assert "'Skerryvore'" in database["script"]
    assert verify_reply(job(ANSWER)) == result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (answer("CREATE TABEL t (a INT);", "SELECT a FROM t"), "schema_syntax"),
        (answer("CREATE TABLE t (a INT", "SELECT a FROM t"), "schema_syntax"),
        (answer("SELECT 1;", "SELECT a FROM t"), "schema_empty"),
        (answer("ATTACH 'x.db' AS x;", "SELECT a FROM t"), "schema_syntax"),
        (answer("CREATE TABLE t (a INT\0);", "SELECT a FROM t"), "schema_syntax"),
        (
            answer("CREATE TABLE t (a NOT NULL CHECK (a > 1 AND a < 1));", "SELECT a FROM t"),
            "rows_unfillable",
        ),
        (answer("CREATE TABLE t (a INT);", "SELECT b FROM t"), "gold_error"),
        (answer("CREATE TABLE t (a INT);", "SELECT a FROM u"), "gold_error"),
        (answer("CREATE TABLE t (a INT);", "SELECT a FROM t WHERE a <> a"), "gold_empty"),
        (answer("CREATE TABLE t (a INT);", "SELECT count(*) FROM t WHERE a <> a"), "gold_zero"),
        (answer("CREATE TABLE t (a INT);", "SELECT random() FROM t"), "gold_random"),
        (answer("CREATE TABLE t (a INT, b INT);", "SELECT b FROM t LIMIT 1"), "gold_order"),
        (answer("CREATE TABLE t (a INT);", "SELECT load_extension(a) FROM t"), "gold_refused"),
    ],
)
def test_rejected_proposals(text: str, reason: str) -> None:
    result = verify_reply(job(text))
    assert result["reject_reason"] == reason
    assert result["row"] is None


def test_a_rationale_is_asked_for_only_where_it_is_wanted() -> None:
    _, plain = teacher_messages("easy", SHOTS, [])
    _, wanted = teacher_messages("easy", SHOTS, [], rationale=True)
    assert "ationale" not in plain["content"]
    assert "in a block that starts with ```sql and ends with ```." in wanted["content"]
    assert "but for the rationale, which they lack" in wanted["content"]
    assert "Answer with the five parts" in wanted["content"]


def test_a_rationale_stands_before_the_sql_that_it_agrees_with() -> None:
    result = verify_reply(reasoned(ANSWER + RATIONALE))
    assert result["reject_reason"] == ""
    example = to_example(result["row"])
    assert example.reasoning == (
        "The name of the lighthouse stands in another table than the keepers.\n\n"
        "So both are joined, and the rows are counted."
    )
    content = example.completion[0]["content"]
    assert content.startswith(f"{example.reasoning}\n\n```sql\nSELECT count(*) FROM keeper AS k")
    assert extract_sql(content) == example.sql
    assert example.prompt_hash == RATIONALE_CONTRACT.hash


def test_a_rationale_may_be_kept_beside_sql_alone() -> None:
    result = verify_reply(reasoned(ANSWER + RATIONALE)._replace(contract=DEFAULT_CONTRACT))
    example = to_example(result["row"])
    assert example.reasoning.startswith("The name of the lighthouse")
    assert example.completion[0]["content"] == example.sql


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ANSWER, "answer_format"),
        (ANSWER + RATIONALE + RATIONALE, "answer_format"),
        (ANSWER + "Rationale: The rows are counted.", "rationale_format"),
        (ANSWER + RATIONALE + "That is all.", "rationale_format"),
        (ANSWER + RATIONALE.replace("So both", "```sql\nSELECT 1\n```\nBoth"), "rationale_format"),
        (ANSWER + "Rationale:\n```sql\nSELECT 1\n```", "rationale_format"),
        (ANSWER + RATIONALE.replace("are joined", "are joined" * 500), "rationale_format"),
        (ANSWER + RATIONALE.replace("count(k.id)", "count(k.id) + 1"), "rationale_differs"),
        (ANSWER + RATIONALE.replace("count(k.id)", "count(k.uid)"), "rationale_differs"),
        (ANSWER + RATIONALE.replace("SELECT", "SELECT 1; SELECT"), "rationale_differs"),
    ],
)
def test_rationales_that_do_not_lead_to_the_query(text: str, reason: str) -> None:
    result = verify_reply(reasoned(text))
    assert (result["reject_reason"], result["row"]) == (reason, None)


def test_a_rationale_that_nobody_asked_for_is_no_part_of_an_answer() -> None:
    assert verify_reply(job(ANSWER + RATIONALE))["reject_reason"] == "answer_format"


def test_a_cut_or_failed_answer_is_rejected_by_that_name() -> None:
    assert verify_reply(job(ANSWER[:100], is_cut=True))["reject_reason"] == "answer_cut"
    failed = job("")._replace(reply=Reply((), reject_reason="server_timeout"))
    assert verify_reply(failed)["reject_reason"] == "server_timeout"


SCHEMA_WORDS = ("CREATE TABLE t (", "a INTEGER", "b TEXT", "UNIQUE", "CHECK (a > 0)", ",", ")", ";")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SCHEMA_WORDS), max_size=20).map(" ".join))
def test_no_schema_stops_the_run(schema: str) -> None:
    result = verify_reply(job(answer(schema or "x", "SELECT a FROM t")))
    assert result["reject_reason"] or result["row"]


def taught(tmp_path: Path, results: list[dict[str, object]], total: int) -> ProposalSet:
    """A set that was given these results, tasks numbered from 0, all at level easy."""
    journal = Journal(tmp_path / "journal.jsonl", {})
    found = ProposalSet(total, {"easy": 1, "medium": 1, "hard": 1}, journal)
    for number, result in enumerate(results):
        task = Task(number, "easy", SHOTS, Request([]))
        journal.put(task.key, result)
        found.add(task)
    return found


def result(domain: str, question: str, sql: str = "SELECT 1") -> dict[str, object]:
    row = {"db_id": content_id(domain, question), "question": question, "sql": sql}
    database = {"db_id": row["db_id"]}
    return {"reject_reason": "", "domain": domain, "row": row | {"domain": domain}} | {
        "database": database
    }


def test_repetitions_are_dropped(tmp_path: Path) -> None:
    found = taught(
        tmp_path,
        [
            result("tea", "How many teas?", "SELECT count(*) FROM tea"),
            result("coffee", "how many TEAS?", "SELECT 2"),
            result("Tea", "Number of teas?", "select COUNT(*) from tea"),
            result("ships", "Name all ships."),
            result("gold", "How much gold?"),
        ],
        total=9,
    )
    assert found.funnel.dropped == {
        "duplicate_question": 1,
        "duplicate_sql": 1,
        "copied_example": 1,
    }
    assert (found.num_kept, found.missing) == (2, Counter(easy=1, medium=3, hard=3))
    assert found.domains == Counter(tea=2, coffee=1, ships=1, gold=1)


def test_splits_share_no_domain(tmp_path: Path) -> None:
    results = [result(f"domain {n % 7}", f"question {n}", f"SELECT {n}") for n in range(28)]
    found = taught(tmp_path, results, total=28)
    found.divide(num_test=9, seed=0)
    parts = {name: [row["domain"] for row in found.rows(name)] for name in ("train", "test")}
    assert (len(parts["train"]), len(parts["test"])) == (20, 8)
    assert not set(parts["train"]) & set(parts["test"])
    assert len(list(found.database_rows())) == 28


def test_one_domain_is_left_for_training(tmp_path: Path) -> None:
    found = taught(tmp_path, [result("tea", "Which?")], total=1)
    found.divide(num_test=1, seed=0)
    assert len(list(found.rows("train"))) == 1


def test_rounds_steer_to_missing_levels_and_away_from_frequent_domains(tmp_path: Path) -> None:
    teaching = Teaching([*SHOTS, *SHOTS], 1.0, 100, DEFAULT_CONTRACT, "other", seed=3)
    results = [result("tea", f"question {n}", f"SELECT {n}") for n in range(4)]
    found = taught(tmp_path, results, total=12)
    first = plan_round(0, ProposalSet(12, {"easy": 1, "hard": 1}, found.journal), teaching)
    assert Counter(task.level for task in first) == Counter(easy=6, hard=6)
    assert len({task.request.seed for task in first}) == 12
    second = plan_round(4, found, teaching)
    assert Counter(task.level for task in second) == Counter(medium=5, hard=5)
    assert [task.number for task in second] == list(range(4, 14))
    assert all("as well: tea." in task.request.messages[1]["content"] for task in second)
    assert plan_round(4, found, teaching) == second
    assert len(plan_round(46, found, teaching)) == 2
    assert plan_round(48, found, teaching) == []


def test_only_frequent_domains_are_named() -> None:
    assert common_domains({"tea": 2, "gold": 1, "bees": 5, "ants": 2}) == ["bees", "ants", "tea"]


def write_spider(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    folder.mkdir()
    keys = ("db_id", "question", "query")
    listed = [dict(zip(keys, row, strict=True)) for row in rows]
    (folder / "train_spider.json").write_text(json.dumps(listed))
    return folder


def test_examples_of_a_spider_folder(tmp_path: Path) -> None:
    spider = write_spider(
        tmp_path / "spider",
        [
            ("world_1", "How many  cities?", "SELECT count(*) FROM city"),
            ("broken", "How many?", "SELECT 1"),
            ("world_1", "Name the countries", "SELECT name FROM country"),
            ("nowhere", "How many?", "SELECT 1"),
        ],
    )
    write_database(spider / "database" / "world_1" / "world_1.sqlite", WORLD_SCRIPT)
    broken = spider / "database" / "broken" / "broken.sqlite"
    broken.parent.mkdir()
    broken.write_text("not a database")
    first, second = read_shots(str(spider))
    assert (first.domain, first.question) == ("world", "How many cities?")
    assert "CREATE TABLE city" in first.schema
    assert second.sql == "SELECT name FROM country"


def test_a_source_without_usable_examples_is_refused(tmp_path: Path) -> None:
    spider = write_spider(tmp_path / "spider", [("nowhere", "How many?", "SELECT 1")])
    write_database(spider / "database" / "world" / "world.sqlite", WORLD_SCRIPT)
    with pytest.raises(ValueError, match="holds 0 usable examples, at least 2 are needed"):
        read_shots(str(spider))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds neither train_spider\.json nor Parquet"):
        read_shots(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="is no folder here and no dataset id"):
        read_shots(str(tmp_path / "missing"))
