"""Where two results differ, as a small object that JSON can hold."""

import math
from typing import Any

from sense.closeness import are_rows_close
from sense.denotation import Comparison, Row, unmatched_row
from sense.execution import Execution
from sense.shown import shortened

MAX_VALUE_CHARS = 200  # of one text value


def difference(
    first: Execution, second: Execution, comparison: Comparison, names: tuple[str, str]
) -> dict[str, Any]:
    """The first row that only one result has, or else the first place where their rows differ.

    comparison: what `strict_comparison` found; names: what the results are called.

    >>> gold, predicted = Execution("ok", (("a",), ("b",))), Execution("ok", (("a",),))
    >>> difference(gold, predicted, "differs", ("gold", "predicted"))
    {'only_in': 'gold', 'row': ['b'], 'gold_rows': 2, 'predicted_rows': 1}
    >>> gold = Execution("ok", ((0.3,), (1,), (2,)))
    >>> predicted = Execution("ok", ((0.1 + 0.2,), (2,), (1,)))
    >>> difference(gold, predicted, "row_order", ("gold", "predicted"))
    {'row_number': 2, 'gold': [1], 'predicted': [2]}
    """
    one, other = names
    if comparison == "differs":
        side, row = unmatched_row(first.rows, second.rows)
        counts = {f"{one}_rows": len(first.rows), f"{other}_rows": len(second.rows)}
        if len(first.columns) != len(second.columns):
            counts[f"{one}_columns"] = len(first.columns)
            counts[f"{other}_columns"] = len(second.columns)
        return {"only_in": one if side == "gold" else other, "row": shown_row(row), **counts}
    pairs = enumerate(zip(first.rows, second.rows, strict=True), start=1)
    number, (row, counterpart) = next(found for found in pairs if not are_rows_close(*found[1]))
    return {"row_number": number, one: shown_row(row), other: shown_row(counterpart)}


def shown_row(row: Row) -> list[Any]:
    """The row as JSON can hold it: blobs in hex, long texts cut.

    >>> shown_row((b"\\x00", float("inf"), None))
    ["x'00'", 'inf', None]
    """
    return [_shown(value) for value in row]


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"x'{value[:MAX_VALUE_CHARS].hex()}'"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return shortened(value, MAX_VALUE_CHARS) if isinstance(value, str) else value
