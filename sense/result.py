"""What a person sees of a result: a sentence, a table as text, a chart where one suits."""

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sense.execution import Execution
from sense.schema import natural_name

MAX_SHOWN_ROWS = 1_000
MAX_SHOWN_COLUMNS = 100
"""SQLite gives up to 2,000, more than a browser draws and a person reads."""
MAX_CELL_CHARS = 40
"""Of a cell in a terminal; a longer text is cut."""
MIN_POINTS, MAX_POINTS = 2, 50
"""Rows of a chart: one bar says nothing, more than fifty have no room for their names."""
EXACT_INTEGERS = 2**53
"""Beyond it a browser rounds integers."""

NUMBERS_OF_NOTHING = frozenset({"id", "code", "no", "number", "zip", "phone", "year"})
"""Last words of columns whose numbers are names: their height on a chart means nothing."""
TIME = re.compile(r"[12]\d{3}(-\d\d(-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?)?)?")
"""A year, month, day or moment as SQLite writes them: their order as text is that of time."""


class Chart(NamedTuple):
    """Points in the order of the rows; a line has them in the order of time."""

    kind: Literal["bar", "line"]
    x: str
    y: str
    points: tuple[tuple[str, float], ...]


def sentence(execution: Execution, max_rows: int = MAX_SHOWN_ROWS) -> str:
    """How the query ended, for people; what to do where it failed. max_rows: as many are shown.

    >>> sentence(Execution("ok", rows=((1,),), columns=("n",), seconds=0.0123))
    '1 row in 0.01 s.'
    >>> sentence(Execution("error", error="no such column: nmae"))
    'SQLite cannot run this query: no such column: nmae. Mend the SQL, or ask in other words.'
    """
    error = execution.error.rstrip(".")
    if execution.status == "ok":
        said = _count(len(execution.rows), execution.seconds, max_rows)
        num = len(execution.columns)
        cut = f" The first {MAX_SHOWN_COLUMNS} of {num:,} columns are shown."
        return said + cut if num > MAX_SHOWN_COLUMNS else said
    if execution.status == "error":
        return f"SQLite cannot run this query: {error}. Mend the SQL, or ask in other words."
    if execution.status == "refused":
        return f"This query was not run: {error}. Write a single SELECT."
    if execution.status == "limit":
        return f"This query was stopped: {error}. Ask for less, with a condition or a LIMIT."
    return "This query made SQLite crash. The database was not changed; write the query otherwise."


def cell_text(value: Any) -> str:
    """One value as a person reads it.

    >>> [cell_text(value) for value in (None, 2.0, 37.333333333333336, b"ab", "tea")]
    ['NULL', '2.0', '37.33333333', '<2 bytes>', 'tea']
    """
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float):
        shown = f"{value:.10g}"
        return f"{shown}.0" if shown.lstrip("-").isdigit() else shown
    return str(value)


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The rows below their column names for a terminal; numbers stand flush right.

    The first `MAX_SHOWN_COLUMNS` columns are shown; characters that steer a terminal as spaces. A
    result of no columns is "".

    >>> print(text_table(("drink", "price"), [("tea", 2.5), (None, 10)]))
    drink  price
    -----  -----
    tea      2.5
    NULL      10
    """
    if not columns:
        return ""
    columns = columns[:MAX_SHOWN_COLUMNS]
    rows = [row[:MAX_SHOWN_COLUMNS] for row in rows]
    header = [_cut(name) for name in columns]
    cells = [[_cut(cell_text(value)) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    is_number = [
        any(isinstance(v, int | float) for v in column)
        and not any(isinstance(v, str | bytes) for v in column)
        for column in (zip(*rows, strict=True) if rows else [()] * len(columns))
    ]
    lines = [header, ["-" * width for width in widths], *cells]
    return "\n".join("  ".join(map(_padded, line, widths, is_number)).rstrip() for line in lines)


def display_columns(execution: Execution) -> list[str]:
    """The names of the first columns, as many as `display_rows` has."""
    return list(execution.columns[:MAX_SHOWN_COLUMNS])


def display_rows(execution: Execution) -> list[list[Any]]:
    """The first rows for a web table, below `display_columns`; exact numbers stay numbers."""

    def display(value: Any) -> Any:
        is_exact = isinstance(value, int) and abs(value) < EXACT_INTEGERS
        return value if is_exact else cell_text(value)

    shown = (row[:MAX_SHOWN_COLUMNS] for row in execution.rows[:MAX_SHOWN_ROWS])
    return [[display(value) for value in row] for row in shown]


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The first rows as an HTML table; everything in it is escaped.

    >>> html_table(("drink",), [("<tea>",)])
    '<table><tr><th>drink</th></tr><tr><td>&lt;tea&gt;</td></tr></table>'
    """
    lines = [(("th", name) for name in columns[:MAX_SHOWN_COLUMNS])]
    lines += [
        (("td", cell_text(value)) for value in row[:MAX_SHOWN_COLUMNS])
        for row in rows[:MAX_SHOWN_ROWS]
    ]
    cells = ("".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in line) for line in lines)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"


def chart_of(execution: Execution) -> Chart | None:
    """A chart for a result of two columns, one of texts or times and one of numbers; else None.

    Two to fifty rows, nothing missing, each text once. Numbers that are names, as in a column
    `singer_id`, have no height. Times make a line, evenly spaced; other texts make bars.

    >>> chart_of(Execution("ok", (("tea", 3), ("milk", 5)), ("drink", "count(*)")))
    Chart(kind='bar', x='drink', y='count(*)', points=(('tea', 3.0), ('milk', 5.0)))
    """
    rows, columns = execution.rows, execution.columns
    if len(columns) != 2 or not MIN_POINTS <= len(rows) <= MAX_POINTS:
        return None
    for x, y in ((0, 1), (1, 0)):
        names = [_point_name(row[x], columns[x]) for row in rows]
        heights = [row[y] for row in rows]
        if None in names or not _are_heights(heights, columns[y]):
            continue
        points = [(str(name), float(height)) for name, height in zip(names, heights, strict=True)]
        if len({name for name, _ in points}) < len(points):
            continue
        is_time = all(TIME.fullmatch(name) for name, _ in points)
        return Chart(
            kind="line" if is_time else "bar",
            x=columns[x],
            y=columns[y],
            points=tuple(sorted(points) if is_time else points),
        )
    return None


def _count(num_rows: int, seconds: float, max_rows: int) -> str:
    if not num_rows:
        return "No rows: nothing in the data meets these conditions."
    rows = "1 row" if num_rows == 1 else f"{num_rows:,} rows"
    shown = f", the first {max_rows:,} shown" if num_rows > max_rows else ""
    return f"{rows} in {seconds:.2f} s{shown}."


def _point_name(value: Any, column: str) -> str | None:
    """The name of a point, None for a value that names none: an integer does where it is a year."""
    if isinstance(value, str):
        return value
    is_year = isinstance(value, int) and "year" in natural_name(column).split()
    return str(value) if is_year and TIME.fullmatch(str(value)) else None


def _are_heights(values: Sequence[Any], column: str) -> bool:
    words = natural_name(column).split()
    if words and words[-1] in NUMBERS_OF_NOTHING and "(" not in column:
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _cut(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text[: MAX_CELL_CHARS + 1])
    return shown if len(text) <= MAX_CELL_CHARS else shown[: MAX_CELL_CHARS - 3] + "..."


def _width(text: str) -> int:
    """Places in a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _padded(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if to_the_right else text + space
