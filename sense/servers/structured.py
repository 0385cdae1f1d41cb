"""The JSON object of an answer, whether a server held the model to a schema or not.

A model that was only asked for JSON wraps it in prose, in a code fence, or thinks aloud before.
"""

import json
from collections.abc import Mapping
from typing import Any

from sense.prompts.completion import END_OF_THINKING

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
"""JSON schema's names of types."""


def read_object(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last object in the text with the schema's required keys and types, inner ones included.

    Of a schema `type`, `properties`, `required` and `items` are read. None where there is no such
    object.

    >>> schema = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
    >>> read_object('Sure {ok}!\\n```json\\n{"sql": "SELECT 1"}\\n```', schema)
    {'sql': 'SELECT 1'}
    >>> read_object('{"sql": 1}', schema)
    """
    answer = text.rpartition(END_OF_THINKING)[2]
    decoder = json.JSONDecoder(strict=False)  # models write line breaks into strings
    found = None
    start = answer.find("{")
    while start >= 0:
        next_start = start + 1  # an object that does not fit may hold one that does
        try:
            value, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            pass
        else:
            if _fits(value, schema):
                found, next_start = value, end
        start = answer.find("{", next_start)
    return found


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """
    >>> _fits([{"a": "b"}], {"type": "array", "items": {"properties": {"a": {"type": "integer"}}}})
    False
    """
    if not _has_type(value, schema.get("type")):
        return False
    if isinstance(value, list):
        return all(_fits(item, schema.get("items", {})) for item in value)
    if not isinstance(value, dict):
        return True
    properties = schema.get("properties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        _fits(value[name], properties[name]) for name in properties if name in value
    )


def _has_type(value: Any, names: str | list[str] | None) -> bool:
    """
    >>> _has_type(True, "integer"), _has_type(None, ["string", "null"]), _has_type(1, None)
    (False, True, True)
    """
    if names is None:
        return True
    listed = [names] if isinstance(names, str) else names
    allowed = {kind for name in listed for kind in TYPES[name]}
    return type(value) in allowed
