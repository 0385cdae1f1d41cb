"""sense.servers.structured: the object of an answer in all the ways in which models wrap it."""

from typing import Any

import pytest

from sense.servers.structured import read_object

SCHEMA = {
    "type": "object",
    "properties": {
        "sql": {"type": "string"},
        "rows": {"type": "integer"},
        "notes": {"type": ["array", "null"]},
    },
    "required": ["sql"],
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"sql": "SELECT 1"}', {"sql": "SELECT 1"}),
        (
            'Sure:\n```json\n{"sql": "SELECT 1", "rows": 1}\n```\nDone {x}.',
            {"sql": "SELECT 1", "rows": 1},
        ),
        ('<think>{"sql": "SELECT 0"}</think>{"sql": "SELECT 1"}', {"sql": "SELECT 1"}),
        ('{"sql": "SELECT 0"} no, better: {"sql": "SELECT 1"}', {"sql": "SELECT 1"}),
        ('{"answer": {"sql": "SELECT 1"}}', {"sql": "SELECT 1"}),
        ('{"sql": "SELECT\n1"}', {"sql": "SELECT\n1"}),
        ('{"sql": "SELECT \'}{\'"}', {"sql": "SELECT '}{'"}),
        ('{"sql": "a", "notes": null, "more": 1}', {"sql": "a", "notes": None, "more": 1}),
        ('{"sql": 1}', None),
        ('{"sql": "a", "rows": true}', None),
        ('{"rows": 1}', None),
        ('{"sql": "SELECT 1"', None),
        ('[{"sql": "a"}]', {"sql": "a"}),
        ("no object", None),
        ("", None),
        ("{" * 5_000, None),
        ('{"a":' * 3_000, None),
    ],
)
def test_the_object_of_an_answer(text: str, found: Any) -> None:
    assert read_object(text, SCHEMA) == found
