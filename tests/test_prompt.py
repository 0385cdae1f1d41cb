"""The prompt contract: messages, completions, SQL out of completions, the file beside a model."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_database
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sense import prompt
from sense.prompt import (
    DEFAULT_CONTRACT,
    RATIONALE_CONTRACT,
    TINY_CONTRACT,
    ContractError,
    PromptContract,
    completion_messages,
    contract_of,
    extract_sql,
    load_contract,
    prompt_messages,
    save_contract,
)
from sense.prompts.completion import first_statement

COMPACT = replace(TINY_CONTRACT, handles=False)


def test_compact_prompt_is_one_line_of_schema_and_values_then_the_question(world: Path) -> None:
    messages = prompt_messages(COMPACT, world, "How many cities are in  France?\n")
    assert messages == [
        {
            "role": "user",
            "content": "country ( code * , name , continent , population ) | "
            "city ( id * , name , country_code > country . code , population )"
            " ; name = 'France'\n"
            "How many cities are in France?",
        }
    ]


def test_default_prompt_has_system_schema_rows_values_and_evidence(world: Path) -> None:
    system, user = prompt_messages(
        DEFAULT_CONTRACT, world, "How many of them?", evidence="them refers to name = 'France'"
    )
    assert system == {"role": "system", "content": DEFAULT_CONTRACT.system}
    content = user["content"]
    assert content.startswith("Schema:\nCREATE TABLE country (\n    code TEXT PRIMARY KEY,")
    assert "\n-- 'CHN', 'China', 'Asia', 1277558000\n" in content
    assert content.endswith(
        "\n\nValues in the data:\ncountry.name = 'France'"
        "\n\nEvidence: them refers to name = 'France'"
        "\n\nQuestion: How many of them?"
    )


def test_fewer_sample_rows_where_the_schema_is_long(world: Path) -> None:
    def num_rows(max_chars: int) -> int:
        contract = replace(DEFAULT_CONTRACT, max_schema_chars=max_chars)
        return prompt_messages(contract, world, "?")[1]["content"].count("\n-- ")

    assert [num_rows(n) for n in (8000, 500, 420, 300)] == [6, 4, 2, 0]


def test_wide_schema_is_pruned_to_the_budget(tmp_path: Path) -> None:
    script = "".join(
        f"CREATE TABLE t{i} (id INTEGER PRIMARY KEY, colour{i} TEXT);" for i in range(99)
    )
    path = write_database(tmp_path / "wide.sqlite", script)
    for contract in (COMPACT, replace(DEFAULT_CONTRACT, max_schema_chars=500)):
        content = prompt_messages(contract, path, "Which colour77 is most common?")[-1]["content"]
        assert len(content) < 600
        assert "colour77" in content


def test_values_are_written_as_sql_must_write_them(tmp_path: Path) -> None:
    script = (
        """CREATE TABLE "the order" ("group" TEXT); INSERT INTO "the order" VALUES ('O''Neil');"""
    )
    path = write_database(tmp_path / "a.sqlite", script)
    content = prompt_messages(COMPACT, path, "Who is O'Neil?")[0]["content"]
    assert content == """"the order" ( "group" ) ; "group" = 'O''Neil'\nWho is O'Neil?"""
    content = prompt_messages(DEFAULT_CONTRACT, path, "Who is O'Neil?")[1]["content"]
    assert """\n"the order"."group" = 'O''Neil'\n""" in content


def test_values_of_columns_that_are_not_shown_are_left_out(tmp_path: Path) -> None:
    script = "CREATE TABLE a (long_enough_name TEXT); CREATE TABLE b (c TEXT);"
    path = write_database(tmp_path / "a.sqlite", script + "INSERT INTO a VALUES ('Rome');")
    contract = replace(COMPACT, max_schema_chars=14)
    assert prompt_messages(contract, path, "c of b in Rome")[0]["content"] in (
        "b ( c )\nc of b in Rome",
        "a ( long_enough_name ) ; long_enough_name = 'Rome'\nc of b in Rome",
    )


def test_prompt_follows_the_file(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.sqlite", "CREATE TABLE a (b);")
    assert prompt_messages(COMPACT, path, "?")[0]["content"] == "a ( b )\n?"
    write_database(path, "CREATE TABLE c (d); CREATE TABLE e (f);")
    text = prompt_messages(COMPACT, path, "?")[0]["content"]
    assert text == "a ( b ) | c ( d ) | e ( f )\n?"


def test_completion_is_sql_alone() -> None:
    assert completion_messages(DEFAULT_CONTRACT, [], " SELECT 1 ; ", "Because.") == [
        {"role": "assistant", "content": "SELECT 1"}
    ]


def test_completion_with_rationale_ends_with_a_block() -> None:
    assert completion_messages(RATIONALE_CONTRACT, [], "SELECT 1;", "Because.") == [
        {"role": "assistant", "content": "Because.\n\n```sql\nSELECT 1\n```"}
    ]


@pytest.mark.parametrize(
    ("completion", "sql"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ;\n", "select 1"),
        ("SELECT 'a;b' FROM t; This counts.", "SELECT 'a;b' FROM t"),
        ("SELECT a -- not; here\nFROM t;", "SELECT a -- not; here\nFROM t"),
        ("SELECT a\nFROM t\n\nThis query lists a.", "SELECT a\nFROM t"),
        ("SELECT a\n\nFROM t", "SELECT a\n\nFROM t"),
        ("SELECT a FROM t\nWHERE = 2", "SELECT a FROM t\nWHERE = 2"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("-- all\nSELECT 1", "-- all\nSELECT 1"),
        ("(SELECT 1)", "(SELECT 1)"),
        ("```sql\nSELECT 1;\n```", "SELECT 1"),
        ("```\nSELECT 1\n```\nIt counts.", "SELECT 1"),
        ("```sqlite\r\nSELECT 1\r\n```", "SELECT 1"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("```sql\nSELECT 1```", "SELECT 1"),
        ("```sql SELECT 1 ```", "SELECT 1"),
        ("First:\n```sql\nSELECT 1\n```\nBetter:\n```sql\nSELECT 2\n```", "SELECT 2"),
        ("```sql\nSELECT 1\n```\nwhich gives\n```\n| 1 |\n```", "SELECT 1"),
        ("```sql\nSELEC 1\n```", "SELEC 1"),
        ("Select the singers.\n\n```sql\nSELECT 1\n```", "SELECT 1"),
        ("The tables join.\nSELECT a\nFROM t;\nDone.", "SELECT a\nFROM t"),
        ("With this in mind, the answer is: SELECT 1", "SELECT 1"),
        ("Use `SELECT a FROM t` here.", "SELECT a FROM t"),
        ("<think>SELECT 0?\n```sql\nSELECT 0\n```</think>\n\nSELECT 1", "SELECT 1"),
        ("maybe SELECT 0</think>```sql\nSELECT 1\n```", "SELECT 1"),
        ("<think>I am not done: SELECT 1", "SELECT 1"),
        ("SELECT '</think>'", "SELECT '</think>'"),
        ("I cannot answer.", "I cannot answer."),
        ("", ""),
        ("```sql\n```", "```sql\n```"),
        ("SELECT 1\0", "SELECT 1\0"),
    ],
)
def test_sql_of_a_completion(completion: str, sql: str) -> None:
    assert extract_sql(completion) == sql


PIECES = st.sampled_from([*"ab '\"`;\n-/*#é", "```", "\n```sql\n", "</think>", "SELECT 1;"])
LITERALS = st.lists(PIECES, max_size=8).map(
    lambda pieces: "'" + "".join(pieces).replace("'", "''") + "'"
)
NAMES = st.text(st.sampled_from("ab ;`\n'"), min_size=1, max_size=6).map(lambda n: f'"{n}"')
QUERIES = st.builds(
    "{} {}{}{} FROM {}{}{}".format,
    st.sampled_from(["SELECT", "select", "SELECT DISTINCT", "WITH c AS (SELECT 1) SELECT"]),
    NAMES | st.just("count(*)"),
    st.sampled_from([" ", "\n", "\n\n", " -- x;\n", " /* ; ``` */ "]),
    st.sampled_from(["", "AS n", ", 1"]),
    NAMES | st.sampled_from(["t", "t AS Total"]),
    st.sampled_from([" WHERE a = ", "\nWHERE a LIKE ", "\n\nWHERE a > "]),
    LITERALS,
)
RATIONALES = st.lists(
    st.sampled_from(
        ["We count.", "Select the rows.", "```sql", "```", "~~~", "SELECT 0;", "", "- a;", "`b`"]
    ),
    max_size=5,
).map("\n".join)


@given(QUERIES, RATIONALES)
@example("SELECT '```'", "")
@example("SELECT 1", "```sql\nSELECT 0")
@settings(max_examples=400, deadline=None)
def test_sql_survives_a_completion_in_both_forms(sql: str, reasoning: str) -> None:
    for contract in (DEFAULT_CONTRACT, RATIONALE_CONTRACT):
        [message] = completion_messages(contract, [], sql, reasoning)
        assert extract_sql(message["content"]) == first_statement(sql) == sql.strip()


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_completion_gives_some_text(completion: str) -> None:
    assert isinstance(extract_sql(completion), str)


def test_every_published_prediction_and_gold_is_kept(shared_data: Path) -> None:
    lines = (shared_data / "predictions" / "dail_gpt4.jsonl").read_text().splitlines()
    for row in map(json.loads, lines):
        for contract in (DEFAULT_CONTRACT, RATIONALE_CONTRACT):
            [message] = completion_messages(contract, [], row["gold"], "Join and count.")
            assert extract_sql(message["content"]) == row["gold"].strip().rstrip("; ")


def test_contract_returns_from_its_file(tmp_path: Path) -> None:
    for contract in (DEFAULT_CONTRACT, TINY_CONTRACT, RATIONALE_CONTRACT):
        path = save_contract(contract, tmp_path)
        assert path == tmp_path / "sense_prompt.json"
        assert json.loads(path.read_text())["hash"] == contract.hash
        assert load_contract(tmp_path) == contract


def test_hash_is_that_of_the_published_contracts() -> None:
    assert DEFAULT_CONTRACT.hash != COMPACT.hash != RATIONALE_CONTRACT.hash
    assert replace(COMPACT, num_values=4).hash != COMPACT.hash
    assert PromptContract().hash == DEFAULT_CONTRACT.hash
    assert len(DEFAULT_CONTRACT.hash) == 64


def test_model_without_a_contract_gets_the_default_and_a_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert load_contract(tmp_path) == DEFAULT_CONTRACT
    assert "has no sense_prompt.json" in caplog.text


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s.replace('"num_values": 3', '"num_values": 9'), "was edited"),
        (lambda s: s.replace('"num_values"', '"num_vals"'), "num_vals.*lacks.*num_values"),
        (lambda s: s[:20], "is not JSON"),
        (lambda s: "[]", "lacks"),
    ],
)
def test_damaged_contract_file_is_an_error(tmp_path: Path, edit, words: str) -> None:
    path = save_contract(COMPACT, tmp_path)
    path.write_text(edit(path.read_text()))
    with pytest.raises(ContractError, match=words):
        load_contract(tmp_path)


def test_contract_comes_from_the_rows_and_must_be_one() -> None:
    tiny = TINY_CONTRACT.hash
    assert contract_of([tiny, tiny], "set") == TINY_CONTRACT
    assert contract_of([tiny], "set", TINY_CONTRACT) == TINY_CONTRACT
    assert contract_of([COMPACT.hash], "set", COMPACT) == COMPACT
    with pytest.raises(ContractError, match="set mixes the prompt contracts 'default', 'tiny'"):
        contract_of([tiny, DEFAULT_CONTRACT.hash], "set")
    with pytest.raises(ContractError, match=r"contract \(none\), which .* does not know"):
        contract_of([""], "set")


def test_differences_between_a_model_and_a_set_are_named() -> None:
    with pytest.raises(ContractError, match="trained on 'default', which differs in") as error:
        contract_of([TINY_CONTRACT.hash], "set", DEFAULT_CONTRACT)
    assert "style (model 'ddl', set 'compact')" in str(error.value)
    assert "rationale" not in str(error.value)
    with pytest.raises(ContractError, match=f"contract {'a' * 12}, those .* on 'tiny'; build"):
        contract_of(["a" * 64], "set", TINY_CONTRACT)


def test_a_contract_of_its_own_travels_with_a_set(tmp_path: Path) -> None:
    own = replace(TINY_CONTRACT, max_schema_chars=123)
    save_contract(own, tmp_path)
    assert contract_of([own.hash], str(tmp_path)) == own


@pytest.mark.slow
def test_the_widest_schema_is_read_once_for_many_prompts(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    read_schema = prompt.read_schema
    monkeypatch.setattr(prompt, "read_schema", lambda file: read.append(file) or read_schema(file))
    path = shared_data / "spider" / "database" / "baseball_1" / "baseball_1.sqlite"
    questions = [f"How many players of team {n} were born in 19{n}?" for n in range(10, 90)]
    prompts = [prompt_messages(COMPACT, path, question) for question in questions]
    assert read == [str(path)]
    assert all(question in str(prompt) for question, prompt in zip(questions, prompts, strict=True))


@pytest.mark.parametrize(
    ("completion", "sql"),
    [
        ("x SELECT " * 1000, "SELECT x SELECT"),
        ("\n" * 5000 + "x", "x"),
        ("```\n" + " \n" * 5000 + "x", "x"),
        (";" * 5000, ";;;"),
        ("(" * 5000, "((("),
        ("SELECT ';" + ";" * 5000, "SELECT ';;;"),
        ("```\n" * 3000, "```\n```"),
        ("```sql\n```\n" * 2000, "```sql\n```"),
        ("/* */" * 3000 + "x", "/* */"),
    ],
)
def test_sql_of_a_runaway_completion_is_found(completion: str, sql: str) -> None:
    assert extract_sql(completion).startswith(sql)
