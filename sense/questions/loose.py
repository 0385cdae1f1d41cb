"""What a person calls a comparison without its number: a high price, an unusually low one."""

from sense.questions.draw import VAGUE_WORDS
from sense.questions.intent import Beyond, Condition
from sense.questions.profile import Value


def loosely(item: Condition) -> str:
    """How a person calls a value above or below a threshold, "" where there is no word for it.

    Nor is there one where more than half of the values lie beyond the threshold.

    >>> from sense.questions.profile import ColumnProfile
    >>> price = ColumnProfile("tea", "tea", "price", "price", "real", 9, 0.0, False)
    >>> loosely(Condition(price, ">", (4.5,)))
    'high'
    """
    words = ("late", "early") if item.column.kind in ("year", "date") else ("high", "low")
    word = {">": words[0], ">=": words[0], "<": words[1], "<=": words[1]}.get(item.operator, "")
    return "" if item.column.words in VAGUE_WORDS or not word or _is_common(item) else word


def _is_common(item: Condition) -> bool:
    """Whether most of the different values lie beyond the threshold."""
    [threshold], values = item.values, item.column.values
    sign = 1 if item.operator.startswith(">") else -1
    beyond = sum(sign * _compare(value, threshold) > 0 for value in values)
    return beyond > len(values) / 2


def _compare(first: Value, second: Value) -> int:
    return (first > second) - (first < second)  # type: ignore[operator]


def unusual(item: Beyond) -> str:
    """How a person calls what lies beyond the average of all rows, "" for another comparison.

    >>> from sense.questions.profile import ColumnProfile
    >>> price = ColumnProfile("tea", "tea", "price", "price", "real", 9, 0.0, False)
    >>> unusual(Beyond(price, "<", "avg"))
    'unusually low'
    """
    if item.operator == "=" or item.scope or item.group or item.column.words in VAGUE_WORDS:
        return ""
    return f"unusually {'high' if item.operator == '>' else 'low'}"
