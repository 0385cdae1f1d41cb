"""Answers in JSON: of servers that hold a model to a schema, and of models that do so unasked."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer, Fault, status
from test_builders_strong import build, databases, load, spider, teacher_over_pets
from test_teaching import ANSWER, RATIONALE, TWO

from sense.facts import read_facts
from sense.teaching.form import answer_schema
from sense.teaching.parts import Answer, parse_answer
from sense.teaching.tasks import Mode

__all__ = ["databases", "spider"]


def as_json(text: str, mode: Mode, num: int = 1, rationale: bool = False) -> dict[str, Any]:
    """The labelled answer in the form of the schema."""
    answer = parse_answer(text, mode, num, rationale)
    assert isinstance(answer, Answer)
    names = answer_schema(mode, rationale)["properties"]["questions"]["items"]["required"]
    questions = [
        {
            **{name: getattr(item, name) for name in ("question", "evidence")},
            **({"sql": item.sql} if "sql" in names else {}),
            **(
                {"rationale": item.reasoning, "rationale_sql": item.reasoned_sql}
                if rationale
                else {}
            ),
        }
        for item in answer.items
    ]
    head = {"domain": answer.domain, "schema": answer.script} if mode == "invent" else {}
    return {**head, "questions": questions}


@pytest.mark.parametrize("dress", ["{}", "Sure:\n```json\n{}\n```", "<think>{{}}</think>\n{}"])
def test_json_reads_as_the_labelled_parts_do(dress: str) -> None:
    for text, num, rationale in ((TWO, 2, False), (ANSWER + RATIONALE, 1, True)):
        found = dress.format(json.dumps(as_json(text, "invent", num, rationale), indent=1))
        assert parse_answer(found, "invent", num, rationale) == parse_answer(
            text, "invent", num, rationale
        )


def test_the_schema_has_the_parts_of_the_mode_and_is_strict() -> None:
    invent = answer_schema("invent", rationale=True)
    item = invent["properties"]["questions"]["items"]
    assert invent["required"] == ["domain", "schema", "questions"]
    assert item["required"] == ["question", "evidence", "sql", "rationale", "rationale_sql"]
    assert invent["additionalProperties"] is item["additionalProperties"] is False
    assert answer_schema("databases")["required"] == ["questions"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"domain": ""}, "answer_format"),
        ({"schema": None}, "answer_format"),
        ({"questions": []}, "answer_format"),
        ({"questions": "How many?"}, "answer_format"),
        ({"questions": [{"question": "How many?"}]}, "answer_format"),
        ({"questions": [{"question": "How many?", "sql": 1}]}, "answer_format"),
        ({"questions": [{"question": "How many?", "sql": "SELECT FROM"}]}, "sql_syntax"),
        ({"questions": [{"question": "How many?", "sql": "SELECT a FROM t; x"}]}, "answer_format"),
        ({"questions": [{"question": "How many?", "sql": "SELECT count(*) FROM keeper"}]}, ""),
        ({"questions": [{"question": "Who?", "sql": "```sql\nSELECT name FROM keeper\n```"}]}, ""),
    ],
)
def test_json_that_lacks_a_part(change: dict[str, Any], reason: str) -> None:
    found = parse_answer(json.dumps(as_json(ANSWER, "invent") | change))
    assert (found if isinstance(found, str) else found.items[0].reject_reason) == reason


def test_half_a_character_in_json_is_a_question_mark() -> None:
    whole = as_json(ANSWER, "invent")
    whole["questions"][0]["evidence"] = "coast\ud83d"
    found = parse_answer(json.dumps(whole))
    assert isinstance(found, Answer)
    assert found.items[0].evidence == "coast?"


def test_a_rationale_in_json_needs_its_query() -> None:
    whole = as_json(ANSWER + RATIONALE, "invent", rationale=True)
    whole["questions"][0]["rationale_sql"] = ""
    found = parse_answer(json.dumps(whole), rationale=True)
    assert isinstance(found, Answer)
    assert found.items[0].reject_reason == "rationale_format"


def strict_teacher(request: Body) -> str:
    """Keeps to the schema that came with the request, as a constrained model does."""
    schema = request["response_format"]["json_schema"]["schema"]
    mode: Mode = "databases"
    if "domain" in schema["properties"]:
        mode = "invent"
    elif "sql" not in schema["properties"]["questions"]["items"]["properties"]:
        mode = "sql"
    return json.dumps(as_json(teacher_over_pets(request), mode, num=9))


def old_teacher(request: Body) -> str | Fault:
    """Knows no `response_format`."""
    if "response_format" in request:
        return status(400, "Unrecognized request argument supplied: response_format")
    return teacher_over_pets(request)


def test_servers_with_and_without_a_schema_give_the_same_set_in_every_mode(
    spider: Path,
    databases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (databases / "world" / "world.sqlite").unlink()
    plan = tmp_path / "plan.yaml"
    plan.write_text("hardness: {easy: 1}\nstyle: {interrogative: 1, keyword: 1}\nfeature: {}\n")
    found = []
    for teacher in (strict_teacher, old_teacher):
        out = tmp_path / teacher.__name__
        with ChatServer(teacher) as server:
            arguments = [
                *("--teacher", "openai", "--base-url", server.base_url, "--model", "m"),
                *("--few-shot", spider, "--databases", databases, "--license", "mit"),
                *("--modes", "invent=0.5,databases=0.3,sql=0.2", "--plan", plan),
                *("--num-examples", "12", "--num-test", "0", "--concurrency", "1", "--out", out),
            ]
            build(monkeypatch, *arguments, "--preview", "1")
            printed = capsys.readouterr().out
            assert '{"type": "object", "properties": {"' in printed
            build(monkeypatch, *arguments)
            refused = [request for request in server.requests if "response_format" in request]
            assert len(refused) == (len(server.requests) if teacher is strict_teacher else 2)
        assert len(read_facts(out).counts["modes"]) == 3
        found.append([(row["question"], row["sql"]) for row in load(out, tmp_path)["train"]])
    assert found[0] == found[1]
