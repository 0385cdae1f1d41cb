"""Are two results equal? Spider's rule, BIRD's rule and our strict rule; a key for voting.

Rows are tuples as `execution` returns them. Booleans do not occur: SQLite has none.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Sequence[Row]
Comparison: TypeAlias = Literal["equal", "column_order", "row_order", "differs"]

FLOAT_TOLERANCE = 1e-6  # relative; forgives a query that rounds to seven digits where gold does not
ZERO_TOLERANCE = 1e-12  # absolute; for sums that should cancel out
LAST_BITS = 1e-11  # relative; sums of the same numbers in another order differ by less
KEY_DIGITS = 7  # floats that are rounded to one number are within FLOAT_TOLERANCE of each other
MAX_COLUMN_TRIALS = 10_000  # a column placed and compared counts as one


def order_matters(sql: str) -> bool:
    """Whether the outermost query of `sql` orders its rows; False for text that is not SQL.

    >>> order_matters("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1")
    True
    >>> order_matters("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)")
    False
    """
    if "order" not in sql.lower():
        return False
    depth = 0
    try:
        tokens = SQLite().tokenize(sql)
    except TokenError:
        return False
    for token in tokens:
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.ORDER_BY and depth == 0:
            return True
    return False


def spider_equal(gold_rows: Rows, predicted_rows: Rows, order_matters: bool) -> bool:
    """Equality of Spider's official evaluator, whose caller decides on the order by text search.

    Order of rows: counts if `order_matters`. Duplicates count. Columns may stand in any order.
    NULL equals NULL only. 1 equals 1.0; floats must agree to the last bit; text never equals a
    number. Invalid UTF-8: the official code drops the bad bytes, a caller that imitates it passes
    `Execution.rows_without_bad_bytes`. Two empty results are equal, whatever their columns.
    Source: Zhong et al. 2020; taoyds/test-suite-sql-eval@e97acc5, exec_eval.py.

    >>> spider_equal([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], order_matters=False)
    True
    """
    if not gold_rows and not predicted_rows:
        return True
    if len(gold_rows) != len(predicted_rows) or len(gold_rows[0]) != len(predicted_rows[0]):
        return False
    if _are_alike(gold_rows, predicted_rows):
        return True
    if not _hold_the_same_values(gold_rows, predicted_rows, order_matters):
        return False
    # A quirk: rows count as different when 1 and 1.0, equal as values, sort differently as text.
    gold_bags = [tuple(sorted(row, key=_spider_sort_key)) for row in gold_rows]
    predicted_bags = [tuple(sorted(row, key=_spider_sort_key)) for row in predicted_rows]
    if order_matters:
        if gold_bags != predicted_bags:
            return False
    elif set(gold_bags) != set(predicted_bags):
        return False
    return _equal_in_some_column_order(gold_rows, predicted_rows, order_matters)


def bird_equal(gold_rows: Rows, predicted_rows: Rows) -> bool:
    """Equality of BIRD's execution accuracy: the same set of rows.

    Order of rows and duplicates do not count, the order of columns does. NULL equals NULL only.
    1 equals 1.0; floats must agree to the last bit; text never equals a number. Invalid UTF-8: the
    official code fails on it, a caller that imitates it looks at `Execution.invalid_text`.
    Source: Li et al. 2023; AlibabaResearch/DAMO-ConvAI, bird/llm/src/evaluation.py.

    >>> bird_equal([(1,), (1,)], [(1.0,)])
    True
    """
    return set(gold_rows) == set(predicted_rows)


def strict_equal(gold_rows: Rows, predicted_rows: Rows, order_matters: bool) -> bool:
    """Whether `strict_comparison` finds the results equal.

    >>> strict_equal([(1, None)], [(1.0, None)], order_matters=True)
    True
    >>> strict_equal([("1",)], [(1,)], order_matters=False)
    False
    """
    return strict_comparison(gold_rows, predicted_rows, order_matters) == "equal"


def strict_comparison(
    gold_rows: Rows,
    predicted_rows: Rows,
    order_matters: bool,
    tie_sizes: Sequence[int] | None = None,
) -> Comparison:
    """How two results compare by our own rule.

    Order of rows: counts if `order_matters`. tie_sizes: how many successive gold rows share their
    sort keys, in order; such rows may come in any order. Without it the order must be gold's, and
    `row_order` says that only the order differs. Duplicates count. Column order counts:
    `column_order` says that some other order of the predicted columns makes the results equal.
    NULL equals NULL only. Two integers are equal or not; two numbers of which one is a float are
    equal within 1e-6 relative or 1e-12 absolute, also through other numbers of the results that lie
    between. Text equals equal text, never a number or a blob. Invalid UTF-8 is compared by its
    bytes. Two empty results are equal, whatever their columns.

    >>> strict_comparison([(1, "a")], [("a", 1)], order_matters=False)
    'column_order'
    """
    if not gold_rows and not predicted_rows:
        return "equal"
    if len(gold_rows) != len(predicted_rows) or len(gold_rows[0]) != len(predicted_rows[0]):
        return "differs"
    if gold_rows == predicted_rows:
        return "equal"
    gold, predicted = _merge_close_numbers(gold_rows, predicted_rows)
    if _is_same_bag(gold, predicted):
        is_ordered = not order_matters or _equal_up_to_ties(gold, predicted, tie_sizes)
        return "equal" if is_ordered else "row_order"
    if _equal_in_some_column_order(gold, predicted, order_matters and not tie_sizes):
        return "column_order"
    return "differs"


def unmatched_row(
    gold_rows: Rows, predicted_rows: Rows
) -> tuple[Literal["gold", "predicted"], Row]:
    """The first row that one side returns more often, and that side; gold if both do.

    For results that differ as bags; numbers are close as in `strict_comparison`.

    >>> unmatched_row([("a",), ("b",)], [("a",)])
    ('gold', ('b',))
    """
    gold, predicted = _merge_close_numbers(gold_rows, predicted_rows)
    sides: tuple[tuple[Literal["gold", "predicted"], Rows, Rows, Rows], ...] = (
        ("gold", gold_rows, gold, predicted),
        ("predicted", predicted_rows, predicted, gold),
    )
    for side, rows, mine, theirs in sides:
        left = Counter(theirs)
        for row, merged in zip(rows, mine, strict=True):
            left[merged] -= 1
            if left[merged] < 0:
                return side, row
    raise ValueError("both results hold the same rows; expected results that differ as bags")


def denotation_key(rows: Rows, order_matters: bool) -> str:
    """SHA-256 of the result, equal for results that agree: for votes and for removing duplicates.

    Results with equal keys are equal by `strict_comparison`. The converse holds but for floats,
    which are rounded to seven digits, so that two almost equal ones may, rarely, fall on different
    sides, and for a float of more digits that is close to an integer without being one.

    >>> denotation_key([(1,), (2,)], False) == denotation_key([(2.0,), (1,)], False)
    True
    """
    lines = [json.dumps([_canonical(value) for value in row]) for row in rows]
    if not order_matters:
        lines.sort()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if not isinstance(value, float):
        return value
    if abs(value) < 10**KEY_DIGITS:
        value = float(f"{value:.{KEY_DIGITS}g}")
    if abs(value) < 2**63 and are_close(value, round(value), LAST_BITS):
        return round(value)
    return {"float": f"{value:.{KEY_DIGITS}g}"}


def _are_alike(first: Rows, second: Rows) -> bool:
    """Whether they have the same rows in the same order, 1 and 1.0 told apart."""
    if first is second:
        return True
    return first == second and all(
        [*map(type, row)] == [*map(type, other)] for row, other in zip(first, second, strict=True)
    )


def _hold_the_same_values(gold: Rows, predicted: Rows, order_matters: bool) -> bool:
    """Whether the rows agree as sets of values; a quick way to see that most wrong ones do not."""
    gold_values, predicted_values = map(frozenset, gold), map(frozenset, predicted)
    if order_matters:
        return list(gold_values) == list(predicted_values)
    return set(gold_values) == set(predicted_values)


def _spider_sort_key(value: Any) -> str:
    return str(value) + str(type(value))


def _merge_close_numbers(gold: Rows, predicted: Rows) -> tuple[Rows, Rows]:
    """Both results with every number replaced by the least of those that count as equal to it."""
    rows = [*gold, *predicted]
    floats = {v for row in rows for v in row if v.__class__ is float}
    if not floats:
        return gold, predicted
    least: dict[float, float] = {}
    last: float | None = None
    numbers = {v for row in rows for v in row if _is_number(v)}
    for number in sorted(floats | numbers):  # of 1 and 1.0 the float stays
        is_close = last is not None and are_close(last, number)
        least[number] = least[last] if last is not None and is_close else number
        last = number
    moved = {number: smaller for number, smaller in least.items() if number != smaller}
    if not moved:
        return gold, predicted

    def merged(rows: Rows) -> list[Row]:
        return [tuple(moved.get(v, v) if _is_number(v) else v for v in row) for row in rows]

    return merged(gold), merged(predicted)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def are_close(a: float, b: float, tolerance: float = FLOAT_TOLERANCE) -> bool:
    """Whether two numbers, of which one must be a float, differ by no more than the tolerance."""
    has_float = isinstance(a, float) or isinstance(b, float)
    return has_float and math.isclose(a, b, rel_tol=tolerance, abs_tol=ZERO_TOLERANCE)


def _equal_up_to_ties(gold: Rows, predicted: Rows, tie_sizes: Sequence[int] | None) -> bool:
    if tie_sizes is None:
        return list(gold) == list(predicted)
    start = 0
    for size in tie_sizes:
        tied = slice(start, start + size)
        if gold[tied] != predicted[tied] and not _is_same_bag(gold[tied], predicted[tied]):
            return False
        start += size
    return True


def _is_same_bag(first: Iterable[Any], second: Iterable[Any]) -> bool:
    return dict.__eq__(Counter(first), Counter(second))  # Counter's own method is slow Python


def _equal_in_some_column_order(gold: Rows, predicted: Rows, order_matters: bool) -> bool:
    """Whether the predicted columns can be reordered so that the rows are equal.

    Columns are placed one by one, and an order is given up as soon as its first columns differ.
    """
    num_columns = len(gold[0])
    if len(predicted[0]) != num_columns:
        return False
    trials = iter(range(MAX_COLUMN_TRIALS))
    gold_columns = list(zip(*gold, strict=True))
    predicted_columns = list(zip(*predicted, strict=True))

    def fits(order: list[int]) -> bool:
        """Whether the placed columns agree, given that all but the last one do."""
        if order_matters:
            return gold_columns[len(order) - 1] == predicted_columns[order[-1]]
        placed = [predicted_columns[i] for i in order]
        wanted = gold_columns[: len(order)]
        return _is_same_bag(zip(*wanted, strict=True), zip(*placed, strict=True))

    def place(chosen: list[int]) -> bool:
        if len(chosen) == num_columns:
            return True
        for column in range(num_columns):
            if column in chosen or next(trials, None) is None:
                continue
            order = [*chosen, column]
            if fits(order) and place(order):
                return True
        return False

    return place([])
