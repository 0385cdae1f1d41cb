"""The form of a teacher's answer as a JSON schema, and an answer in that form taken apart.

A server that takes `response_format` holds the model to the schema. Others see the words of the
request alone, which ask for labelled parts (`sense.teaching.parts`); the parts are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sense.servers.reply import encodable
from sense.servers.structured import read_object
from sense.teaching.tasks import Mode

KEYS = {
    "Question": "question",
    "Evidence": "evidence",
    "SQL": "sql",
    "Rationale": "rationale",
    "Rationale SQL": "rationale_sql",
}
"""Label of a part -> its key in the object of a question."""


class Form(NamedTuple):
    """An answer's parts by their labels, not checked yet."""

    domain: str
    script: str
    questions: list[dict[str, str]]


def answer_schema(
    mode: Mode, rationale: bool = False, *, needs_evidence: bool = True
) -> dict[str, Any]:
    """The JSON schema of an answer.

    Every key is required, as strict servers want it; needs_evidence: whether that holds for the
    evidence, which an answer that nobody held to the schema may lack.

    >>> list(answer_schema("invent")["properties"])
    ['domain', 'schema', 'questions']
    >>> list(answer_schema("sql")["properties"]["questions"]["items"]["properties"])
    ['question', 'evidence']
    """
    parts = ["Question", "Evidence"]
    parts += ["SQL"] if mode != "sql" else []
    parts += ["Rationale", "Rationale SQL"] if rationale else []
    optional = () if needs_evidence else (KEYS["Evidence"],)
    questions = _object([KEYS[part] for part in parts], optional)
    found = _object(["domain", "schema"] if mode == "invent" else [])
    found["properties"]["questions"] = {"type": "array", "items": questions}
    found["required"].append("questions")
    return found


def read_form(text: str, mode: Mode, rationale: bool = False) -> Form | None:
    """The parts of an answer in JSON; None where it is none.

    >>> read_form('{"questions": [{"question": "Who?", "evidence": ""}]}', "sql").questions
    [{'Question': 'Who?', 'Evidence': ''}]
    """
    found = read_object(text, answer_schema(mode, rationale, needs_evidence=False))
    if found is None:
        return None
    questions = [
        {label: _text(item, key) for label, key in KEYS.items() if key in item}
        for item in found["questions"]
    ]
    return Form(_text(found, "domain"), _text(found, "schema"), questions)


def _text(part: Mapping[str, Any], key: str) -> str:
    """The text, which JSON may have spelled with halves of a character; "" for none."""
    return encodable(part.get(key, "")).strip()


def _object(texts: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of an object with these texts."""
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in texts},
        "required": [name for name in texts if name not in optional],
        "additionalProperties": False,
    }
