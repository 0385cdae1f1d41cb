"""sense.teaching: requests, strict answers, and what becomes of them."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from chat_server import ChatServer
from conftest import write_database
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.chat import Chat
from sense.coverage.cells import Kept, Slot, margins
from sense.coverage.coverage import Coverage
from sense.coverage.plan import Plan, parse_plan, read_plan
from sense.database import database_sha256
from sense.example import content_id, to_example
from sense.journal import Journal
from sense.prompt import DEFAULT_CONTRACT, RATIONALE_CONTRACT, extract_sql
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Choice, Reply, Request, Server
from sense.strong_set.collection import Database
from sense.teaching.ledger import FIELDS
from sense.teaching.parts import Answer, Item, parse_answer
from sense.teaching.planning import Teaching, teacher_coverage
from sense.teaching.proposals import ProposalSet
from sense.teaching.requests import request_messages
from sense.teaching.rounds import plan_round, preview
from sense.teaching.shots import Shot
from sense.teaching.tasks import Ask, Task
from sense.teaching.verification import Job, Verified, verify_reply
from sense.teaching.wishing import wisher

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


MEDIUM = Ask("medium", "interrogative")


def invention(number: int = 0, *asks: Ask) -> Task:
    return Task(number, "invent", asks or (MEDIUM,), "Education", None, SHOTS, Request([]))


def job(answer: str, is_cut: bool = False, task: Task | None = None) -> Job:
    task = task or invention()
    reply = Reply((Choice(answer, is_cut=is_cut),))
    return Job(task, reply, "big-model", "other", DEFAULT_CONTRACT)


def answer(schema: str, sql: str, domain: str = "tea", question: str = "How many?") -> str:
    return f"Domain: {domain}\nSchema:\n{schema}\nQuestion: {question}\nSQL: {sql}"


def reasoned(text: str) -> Job:
    return job(text)._replace(contract=RATIONALE_CONTRACT, rationale=True)


def only(job: Job) -> dict[str, Any]:
    """What became of the one question of the job."""
    verified = verify_reply(job)
    if verified.reject_reason:
        return {"reject_reason": verified.reject_reason, "row": {}}
    [item] = verified.items
    return dict(item)


def test_request_holds_wishes_examples_and_domains_to_avoid() -> None:
    asks = [Ask("hard", "keyword", ("having",)), Ask("easy", "vague")]
    system, user = request_messages(
        "invent", asks, field="Education", full_domains=["beekeeping", "tea"], shots=SHOTS
    )
    text = user["content"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "write two questions with SQL over it.\n1. Level hard: three of conditions" in text
    assert "The query uses HAVING. Style keyword: a few words" in text
    assert "2. Level easy" in text and "the evidence says in one sentence" in text
    assert "within the field 'Education'" in text
    assert "Stay away from these, which are covered: beekeeping, tea." in text
    assert (
        "Answer with Domain and Schema once, then these parts for each of the two items of the "
        "list, in its order: Question, Evidence (where it is needed) and SQL. Write each" in text
    )
    example = (
        "Example 1\nDomain: ships\nSchema:\nCREATE TABLE ship (name TEXT);\n"
        "Question: Name all ships.\nSQL: SELECT name FROM ship"
    )
    assert example in text
    assert "Stay away" not in request_messages("invent", asks, shots=SHOTS)[1]["content"]


def test_request_over_a_database_shows_it_and_one_for_a_query_the_query() -> None:
    _, user = request_messages("databases", [MEDIUM], schema="CREATE TABLE t (a);")
    assert "Write one question with SQL over the database below." in user["content"]
    assert "The database\nCREATE TABLE t (a);" in user["content"]
    ask = MEDIUM._replace(sql="SELECT a FROM t")
    _, user = request_messages("sql", [ask], schema="CREATE TABLE t (a);")
    assert "The query: SELECT a FROM t" in user["content"]
    assert "Answer with Question and Evidence (where it is needed). Write each" in user["content"]
    assert "Level" not in user["content"] and "SQL. One SELECT" not in user["content"]


def test_examples_of_a_request_read_back_as_an_answer() -> None:
    text = request_messages("invent", [MEDIUM], shots=SHOTS)[1]["content"]
    written = text.split("Example 2\n")[1].split("\n\nAnswer with")[0]
    shot = SHOTS[1]
    assert parse_answer(written) == Answer(
        (Item(shot.question, shot.sql),), shot.domain, shot.schema
    )


def test_parts_of_an_answer() -> None:
    found = parse_answer(ANSWER)
    assert isinstance(found, Answer)
    assert found.domain == "Lighthouse keeping"
    assert found.script.startswith("CREATE TABLE lighthouse")
    [item] = found.items
    assert item.question == "How many keepers work at Skerryvore?"
    assert item.sql.endswith("WHERE l.name = 'Skerryvore'")


def test_several_questions_with_evidence() -> None:
    text = (
        f"{ANSWER}Question 2: Which lighthouses are high?\nEvidence: high means above 40 m\n"
        "SQL: SELECT name FROM lighthouse WHERE height_m > 40\n"
        "Question: Who works?\nEvidence: none\nSQL: SELECT name FRM keeper k k\n"
    )
    found = parse_answer(text, num=3)
    assert isinstance(found, Answer)
    assert [item.evidence for item in found.items] == ["", "high means above 40 m", ""]
    assert [item.reject_reason for item in found.items] == ["", "", "sql_syntax"]
    assert parse_answer(text, num=2) == "answer_format"
    over = text.split("CREATE")[0] + text.split(");\nQuestion", 1)[1]
    assert parse_answer(over, num=3) == "answer_format"


def test_questions_alone_over_a_database_or_for_a_query() -> None:
    two = "Question: How many?\nSQL: SELECT count(*) FROM t\nQuestion: Which?\nSQL: SELECT a FROM t"
    found = parse_answer(two, "databases", 2)
    assert isinstance(found, Answer)
    assert [item.sql for item in found.items] == ["SELECT count(*) FROM t", "SELECT a FROM t"]
    assert parse_answer(two, "sql", 2) == "answer_format"
    assert parse_answer(two, "invent", 2) == "answer_format"
    alone = parse_answer("Question: How many?\nEvidence: all of them\nQuestion: Which?", "sql", 2)
    assert alone == Answer((Item("How many?", "", "all of them"), Item("Which?", "")))


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
    assert parse_answer(text) == parse_answer(ANSWER)


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
    found = parse_answer(text)
    assert (found if isinstance(found, str) else found.items[0].reject_reason) == reason


@given(st.text(max_size=200), st.integers(0, len(ANSWER)), st.integers(0, 40))
def test_any_text_is_a_proposal_or_a_reason(noise: str, start: int, length: int) -> None:
    found = parse_answer(ANSWER[:start] + noise + ANSWER[start + length :])
    reason = found if isinstance(found, str) else found.items[0].reject_reason
    assert reason in ("", "answer_format", "sql_syntax", "sql_without_table")


def test_a_good_proposal_becomes_an_example_on_its_own_database() -> None:
    verified = verify_reply(job(ANSWER))
    assert (verified.reject_reason, verified.domain) == ("", "Lighthouse keeping")
    [item] = verified.items
    example = to_example(item["row"])
    database = verified.database
    assert database
    assert example.db_id.startswith("lighthouse_keeping_")
    assert (example.hardness, example.requested_level) == ("medium", "medium")
    assert (example.source, example.teacher, example.license) == ("strong", "big-model", "other")
    assert (example.gold_status, example.features) == ("ok", ["aggregate", "join", "where"])
    assert (example.style, example.evidence) == ("interrogative", "")
    assert extract_sql(example.completion[0]["content"]) == example.sql
    assert "CREATE TABLE keeper" in example.prompt[-1]["content"]
    assert database["db_id"] == example.db_id
    assert database["db_sha256"] == example.db_sha256
    assert (database["num_tables"], database["num_rows"]) == (2, 120)
    assert "'Skerryvore'" in database["script"]
    assert verify_reply(job(ANSWER)) == verified


TWO = ANSWER + (
    "Question: Which lighthouses are high?\nEvidence: high means a height above 40 m\n"
    "SQL: SELECT name FROM lighthouse WHERE height_m > 40\n"
)


def test_questions_of_one_answer_share_its_database_and_have_their_own_reasons() -> None:
    task = invention(0, MEDIUM, Ask("easy", "vague"), Ask("hard", "formal"))
    verified = verify_reply(job(TWO, task=task))
    first, second, _ = verified.items
    assert [item["reject_reason"] for item in verified.items] == ["", "", "question_missing"]
    assert first["row"]["db_id"] == second["row"]["db_id"]
    assert (second["row"]["style"], second["row"]["hardness"]) == ("vague", "easy")
    assert "high means a height above 40 m" in second["row"]["prompt"][-1]["content"]
    broken = TWO.replace("Which lighthouses are high?", "Which lighthouses are painted green?")
    bad = verify_reply(job(broken.replace("height_m > 40", "colour = 'red'"), task=task))
    assert [item["reject_reason"] for item in bad.items] == [
        "",
        "unknown_column",
        "question_missing",
    ]
    assert bad.items[1]["row"]["sql"] == "SELECT name FROM lighthouse WHERE colour = 'red'"


ROWS = (
    "INSERT INTO lighthouse VALUES (1, 'Skerryvore', 48.0), (2, 'Bell Rock', 36.0);\n"
    "INSERT INTO keeper VALUES (1, 'Ann', 1), (2, 'Ben', 1), (3, 'Cid', 2);\n"
)


def test_rows_of_the_teacher_are_kept_where_they_say_something() -> None:
    rows = ANSWER.replace("Question:", f"{ROWS}Question:")
    verified = verify_reply(job(rows))
    assert verified.database and verified.database["num_rows"] == 5
    assert "'Bell Rock'" in verified.database["script"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(3, 'Cid', 2)", "(3, 'Cid', 9)"),  # no such lighthouse
        ("'Skerryvore', 48", "'Fastnet', 48"),  # the query would count nobody
    ],
)
def test_rows_of_the_teacher_that_say_nothing_give_way_to_generated_ones(
    old: str, new: str
) -> None:
    rows = ANSWER.replace("Question:", f"{ROWS.replace(old, new)}Question:")
    verified = verify_reply(job(rows))
    assert verified.items[0]["reject_reason"] == ""
    assert verified.database and verified.database["num_rows"] == 120


def test_rows_of_the_teacher_stay_where_no_others_meet_its_constraints() -> None:
    schema = """CREATE TABLE box (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL CHECK (code GLOB '*qzx*' AND unicode(code) = 64 + id)
);
INSERT INTO box VALUES (1, 'Aqzx'), (2, 'Bqzx');"""
    text = answer(schema, "SELECT code FROM box", question="Which codes do the boxes have?")
    text += "\nQuestion: Which box has the code Dqzx?\nSQL: SELECT id FROM box WHERE code = 'Dqzx'"
    verified = verify_reply(job(text, task=invention(0, Ask("easy", ""), Ask("easy", ""))))
    assert [item["reject_reason"] for item in verified.items] == ["", "empty_result"]
    assert verified.database and verified.database["num_rows"] == 2


def test_a_question_over_a_given_database(world: Path) -> None:
    home = Database("world", str(world), "", "mit", "")
    task = Task(0, "databases", (MEDIUM,), "world", home, (), Request([]))
    text = "Question: Which cities have more than 5,000,000 people?\nSQL: SELECT name FROM city"
    verified = verify_reply(job(f"{text} WHERE population > 5000000", task=task))
    [item] = verified.items
    assert item["reject_reason"] == ""
    row = item["row"]
    assert (row["db_id"], row["license"], row["db_sha256"]) == (
        "world",
        "mit",
        database_sha256(world),
    )
    assert verified.database is None
    [bad] = verify_reply(job(text, task=task)).items
    assert (bad["reject_reason"], bad["row"]["db_id"]) == ("unused_value", "world")


def test_a_question_for_a_query_of_the_grammar(world: Path) -> None:
    home = Database("world", str(world), "", "mit", "")
    ask = Ask("easy", "keyword", sql="SELECT name FROM city WHERE population > 5000000")
    task = Task(0, "sql", (ask,), "world", home, (), Request([]))
    text = "Question: cities with a population above 5 million"
    [item] = verify_reply(job(text, task=task)).items
    assert (item["reject_reason"], item["row"]["sql"]) == ("", ask.sql)
    assert item["row"]["style"] == "keyword"
    [bad] = verify_reply(job("Question: cities with many people", task=task)).items
    assert (bad["reject_reason"], bad["detail"]) == ("unmentioned_value", "5000000")
    explained = "Question: big cities\nEvidence: big means a population above 5000000"
    [vague] = verify_reply(job(explained, task=task)).items
    assert (vague["reject_reason"], vague["row"]["style"]) == ("", "keyword")


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
        (answer("CREATE TABLE t (a INT);", "SELECT b FROM t"), "unknown_column"),
        (answer("CREATE TABLE t (a INT);", "SELECT a FROM u"), "unknown_table"),
        (answer("CREATE TABLE t (a INT);", "SELECT a FROM t WHERE a <> a"), "empty_result"),
        (answer("CREATE TABLE t (a INT);", "SELECT count(*) FROM t WHERE a <> a"), "zero_result"),
        (answer("CREATE TABLE t (a INT);", "SELECT random() FROM t"), "gold_random"),
        (answer("CREATE TABLE t (a INT, b INT);", "SELECT b FROM t LIMIT 1"), "gold_order"),
        (answer("CREATE TABLE t (a INT);", "SELECT load_extension(a) FROM t"), "gold_refused"),
    ],
)
def test_rejected_proposals(text: str, reason: str) -> None:
    assert only(job(text))["reject_reason"] == reason


def test_a_rationale_is_asked_for_only_where_it_is_wanted() -> None:
    _, plain = request_messages("invent", [MEDIUM], shots=SHOTS)
    _, wanted = request_messages("invent", [MEDIUM], shots=SHOTS, rationale=True)
    assert "ationale" not in plain["content"]
    assert "in a block that starts with ```sql and ends with ```." in wanted["content"]
    assert "but for the rationale, which they lack" in wanted["content"]
    assert "SQL and Rationale. Write each part behind its label" in wanted["content"]


def test_a_rationale_stands_before_the_sql_that_it_agrees_with() -> None:
    result = only(reasoned(ANSWER + RATIONALE))
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
    result = only(reasoned(ANSWER + RATIONALE)._replace(contract=DEFAULT_CONTRACT))
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
    assert only(reasoned(text))["reject_reason"] == reason


def test_a_rationale_that_nobody_asked_for_is_no_part_of_an_answer() -> None:
    assert verify_reply(job(ANSWER + RATIONALE)).reject_reason == "answer_format"


def test_a_cut_or_failed_answer_is_rejected_by_that_name() -> None:
    assert verify_reply(job(ANSWER[:100], is_cut=True)).reject_reason == "answer_cut"
    failed = job("")._replace(reply=Reply((), reject_reason="server_timeout"))
    assert verify_reply(failed).reject_reason == "server_timeout"


SCHEMA_WORDS = ("CREATE TABLE t (", "a INTEGER", "b TEXT", "UNIQUE", "CHECK (a > 0)", ",", ")", ";")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SCHEMA_WORDS), max_size=20).map(" ".join))
def test_no_schema_stops_the_run(schema: str) -> None:
    result = only(job(answer(schema or "x", "SELECT a FROM t")))
    assert result["reject_reason"] or result["row"]["db_id"]


PLAN = parse_plan("hardness: {easy: 1, medium: 1, hard: 1}\nstyle: {interrogative: 1}\nfeature: {}")
HOW = Teaching([*SHOTS, *SHOTS], 1.0, 100, DEFAULT_CONTRACT, "other", seed=3, modes={"invent": 1.0})


def new_set(journal: Journal, total: int, plan: Plan = PLAN) -> ProposalSet:
    return ProposalSet(total, teacher_coverage(plan, total, HOW), journal)


def taught(tmp_path: Path, results: list[Verified], total: int) -> ProposalSet:
    """A set that was given these results, tasks numbered from 0, all at level easy."""
    journal = Journal(tmp_path / "journal.jsonl", {})
    found = new_set(journal, total)
    for number, result in enumerate(results):
        field = FIELDS[number % len(FIELDS)]
        task = Task(
            number, "invent", (Ask("easy", "interrogative"),), field, None, SHOTS, Request([])
        )
        journal.put(task.key, result)
        found.add(task)
    return found


def result(domain: str, question: str, sql: str = "SELECT 1", level: str = "easy") -> Verified:
    row = {"db_id": content_id(domain, question), "question": question, "sql": sql}
    row |= {"domain": domain, "hardness": level, "style": "interrogative"}
    item = {"reject_reason": "", "detail": "", "row": row | {"features": []}}
    return Verified(domain=domain, database={"db_id": row["db_id"]}, items=[item])


def test_repetitions_are_dropped(tmp_path: Path) -> None:
    found = taught(
        tmp_path,
        [
            result("tea", "How many teas?", "SELECT count(*) FROM tea"),
            result("coffee", "how many TEAS?", "SELECT count(*) FROM cup"),
            result("ships", "Name all ships."),
            result("gold", "How much gold?", "SELECT sum(ounces) FROM bar"),
        ],
        total=60,
    )
    assert found.funnel.dropped == {"near_duplicate": 1, "copied_example": 1}
    assert found.num_kept == 2
    assert found.ledger.given == Counter(tea=1, coffee=1, ships=1, gold=1)
    reasons = [row["reason"] for row in found.rejected("train")]
    assert reasons == ["near_duplicate", "copied_example"]


def test_splits_share_no_domain(tmp_path: Path) -> None:
    results = [
        result(f"domain {n % 7}", f"Which {'x' * n} is {n}?", f"SELECT a{n} FROM t WHERE b = {n}")
        for n in range(20)
    ]
    found = taught(tmp_path, results, total=60)
    found.divide(num_test=9, seed=0)
    parts = {name: [row["domain"] for row in found.rows(name)] for name in ("train", "test")}
    assert len(parts["train"]) + len(parts["test"]) == 20
    assert 5 <= len(parts["test"]) <= 9
    assert not set(parts["train"]) & set(parts["test"])
    assert len(list(found.database_rows())) == 20


@pytest.mark.parametrize(("num_test", "held_out"), [(1, ["tea"] * 2), (0, [])])
def test_the_smallest_domain_is_held_out_where_none_fits(
    tmp_path: Path, num_test: int, held_out: list[str]
) -> None:
    domains = ["ships"] * 3 + ["tea"] * 2 + ["gold"] * 3
    results = [
        result(name, f"Which {'x' * n} is {n}?", f"SELECT a{n} FROM t WHERE b = {n}")
        for n, name in enumerate(domains)
    ]
    found = taught(tmp_path, results, total=60)
    found.divide(num_test, seed=0)
    assert [row["domain"] for row in found.rows("test")] == held_out
    assert len(list(found.rows("train"))) == len(domains) - len(held_out)


def test_one_domain_is_left_for_training(tmp_path: Path) -> None:
    found = taught(tmp_path, [result("tea", "Which?")], total=60)
    found.divide(num_test=1, seed=0)
    assert len(list(found.rows("train"))) == 1


def test_rounds_ask_for_what_is_missing(tmp_path: Path) -> None:
    results = [
        result("tea", f"Which {'x' * n}?", f"SELECT a{n} FROM t WHERE b = {n}") for n in range(4)
    ]
    found = taught(tmp_path, results, total=60)
    found.coverage.refit()
    missing = margins(found.coverage.missing())
    levels = ("easy", "medium", "hard")
    assert [missing[("hardness", level),] for level in levels] == [16, 20, 20]  # four are easy
    asked = Counter(ask.level for task in plan_round(found, HOW, 0) for ask in task.asks)
    assert asked.total() == 32 and asked["easy"] == min(asked.values())
    found = new_set(found.journal, 12)
    fresh = plan_round(new_set(found.journal, 12), HOW._replace(num_questions=4), 0)
    assert sum(len(task.asks) for task in fresh) == 12
    assert len({task.request.seed for task in fresh}) == len(fresh)
    assert plan_round(new_set(found.journal, 12), HOW._replace(num_questions=4), 0) == fresh
    found.num_asked, found.num_tasks = 46, 46
    second = plan_round(found, HOW, 0)
    assert [task.number for task in second] == [46, 47]
    found.num_asked = 48
    assert plan_round(found, HOW, 0) == []


def test_nothing_to_ask_for_is_previewed_as_such(tmp_path: Path) -> None:
    script = "CREATE TABLE cat (name TEXT); INSERT INTO cat VALUES ('Tom');"
    cats = Database("cats", str(write_database(tmp_path / "cats.sqlite", script)), "", "mit", "")
    plan = parse_plan("hardness: {extra: 1}")  # no query of one column is that hard
    teaching = Teaching((), 1.0, 9, DEFAULT_CONTRACT, "mit", 0, {"sql": 1.0}, [cats])
    with (
        ChatServer(lambda request: "Sure!") as server,
        Chat(Server("m", server.base_url), ReplyCache(tmp_path / "replies.sqlite")) as chat,
        Journal(tmp_path / "journal.jsonl", {}) as journal,
    ):
        found = ProposalSet(4, teacher_coverage(plan, 4, teaching), journal)
        text = preview(found, chat, teaching, 3, num_workers=0)
        assert "unknown: no answer gave a row that would be kept" in text
        assert not server.requests


def test_a_level_that_never_comes_is_asked_no_more(tmp_path: Path) -> None:
    results = [
        result("tea", f"Which {'x' * n}?", f"SELECT a{n} FROM t", level="medium") for n in range(70)
    ]
    found = taught(tmp_path, results, total=60)  # easy was asked for
    assert found.num_kept == 6  # the quota of a domain, since all came from one
    found.close_round()
    assert found.coverage.infeasible == {
        (("hardness", "easy"),): "asked for 70 times, it came 0 times"
    }
    assert {slot.level for slot in found.coverage.missing()} == {"medium", "hard"}
    assert sum(found.coverage.missing().values()) == 54


def rounds(found: ProposalSet, teach: Callable[[int, Ask], dict[str, Any]]) -> None:
    """Rounds of a teacher that makes this of each ask; all rows are over other databases."""
    how = HOW._replace(num_questions=3)
    number = itertools.count()
    while tasks := plan_round(found, how, 0):
        for task in tasks:
            items = []
            for ask in task.asks:
                n = next(number)
                row = {"db_id": f"d{n}", "domain": f"domain {n // 6}", "features": ask.features}
                row |= {"question": f"Which {'x' * n}?", "sql": f"SELECT a{n} FROM t{n}"}
                row |= {"hardness": ask.level, "style": ask.style}
                given = teach(n, ask)
                reason = given.pop("reject_reason", "")
                items.append({"reject_reason": reason, "detail": "", "row": row | given})
            found.journal.put(task.key, Verified(domain=items[0]["row"]["domain"], items=items))
            found.add(task)
        found.num_tasks += len(tasks)
        found.close_round()


def test_what_was_asked_for_has_its_place(tmp_path: Path) -> None:
    found = new_set(Journal(tmp_path / "journal.jsonl", {}), 120, read_plan())
    rounds(found, lambda n, ask: {"reject_reason": "gold_error" if n % 2 else ""})
    assert found.num_kept == 120
    assert found.num_asked < 2.3 * 120  # every second answer is bad
    assert found.funnel.dropped["beyond_quota"] < 12  # later rounds ask for a surplus


def test_a_teacher_that_gives_one_style_costs_few_questions_per_row(
    tmp_path: Path,
) -> None:
    found = new_set(Journal(tmp_path / "journal.jsonl", {}), 300, read_plan())
    rounds(found, lambda n, ask: {"style": "interrogative" if n % 20 else "vague"})
    assert found.num_kept == 300
    assert found.num_asked < 2.5 * 300
    infeasible = {name for ((kind, name), *_) in found.coverage.infeasible if kind == "style"}
    assert "formal" in infeasible and "interrogative" not in infeasible
    assert found.coverage.counts[("style", "vague"),] > 5  # rare, but taken as it comes


def test_what_is_wrong_with_a_row_is_said_before_that_there_is_no_room(tmp_path: Path) -> None:
    sql = "SELECT a FROM t WHERE b = {}"
    results = [result("tea", f"Which {'x' * n}?", sql.format(n)) for n in range(7)]
    found = taught(tmp_path, [*results, results[0]], total=6)
    assert found.funnel.dropped == {"beyond_quota": 5, "near_duplicate": 1}


def test_features_are_asked_for_with_what_they_need_and_avoided_where_too_many_came() -> None:
    plan = parse_plan(
        "hardness: {hard: 1}\nstyle: {formal: 1}\n"
        "feature: {where: 0.5, like: 0.25, order_by: 0.4, limit: 0.2, join: 0.2}"
    )
    coverage = Coverage(plan, 400, {"tea": 1.0})
    slot = Slot("tea", "hard", "formal")
    wish = wisher(coverage, Random(0))
    asks = [wish(slot) for _ in range(200)]
    counts = Counter(name for ask in asks for name in ask.features)
    wanted = {"where": 100, "like": 50, "limit": 40, "join": 40}
    assert all(abs(counts[name] - num) <= 1 for name, num in wanted.items())
    assert all("where" in ask.features for ask in asks if "like" in ask.features)
    assert not any(ask.avoided for ask in asks)
    for number in range(200):
        coverage.add(Kept(slot, ("join",) if number % 2 else ()))
    coverage.refit()
    assert wisher(coverage, Random(0))(slot).avoided == ("join",)
    text = request_messages("databases", [MEDIUM._replace(avoided=("join", "limit"))])[1]["content"]
    assert "It uses neither JOIN nor LIMIT. Style interrogative" in text


def test_an_answer_that_cannot_be_read_is_shown_with_teacher_and_licence(tmp_path: Path) -> None:
    verified = verify_reply(job("Sure, here you are."))
    found = taught(tmp_path, [result("tea", "Which?"), verified], total=60)
    [row] = found.rejected("train")
    assert (row["reason"], row["answer"]) == ("answer_format", "Sure, here you are.")
    assert (row["teacher"], row["license"]) == ("big-model", "other")
    assert (row["requested_level"], row["requested_style"]) == ("easy", "interrogative")
