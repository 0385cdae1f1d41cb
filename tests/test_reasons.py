"""Every word that says why a candidate is not kept has a meaning."""

import ast
from pathlib import Path

import pytest

from sense.filters import ERROR_REASONS, STATUS_REASONS
from sense.strong_set.reasons import REASONS, meaning

SENSE = Path(__file__).resolve().parents[1] / "sense"


def named_reasons() -> set[str]:
    """The literal words of all calls of `Rejection` in the library."""
    calls = [
        node
        for path in SENSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Rejection"
    ]
    words = [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]
    return {*words, *ERROR_REASONS.values(), *STATUS_REASONS.values()}


def test_each_reason_of_a_filter_has_a_meaning() -> None:
    found = named_reasons()
    assert len(found) > 20
    assert found <= REASONS.keys()


def test_a_meaning_is_one_sentence() -> None:
    for reason, text in REASONS.items():
        assert reason == reason.lower().strip()
        assert " " not in reason
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.count(". ") == 0


def test_a_word_without_meaning_is_an_error() -> None:
    assert meaning("server_timeout") == meaning("server_http_500")
    with pytest.raises(
        ValueError, match=r"'strange' is no reason of `sense\.strong_set\.reasons`; expected"
    ):
        meaning("strange")
