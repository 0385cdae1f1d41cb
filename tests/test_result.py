"""What a person sees of a result: sentences, tables and charts."""

from typing import Any

import pytest

from sense.execution import Execution
from sense.result import (
    Chart,
    cell_text,
    chart_of,
    display_columns,
    display_rows,
    sentence,
    text_table,
)


def ok(*rows: tuple[Any, ...], columns: tuple[str, ...] = ("name", "amount")) -> Execution:
    return Execution("ok", rows, columns, 10, 0.004)


@pytest.mark.parametrize(
    ("execution", "text"),
    [
        (ok(), "No rows: nothing in the data meets these conditions."),
        (ok(("a", 1)), "1 row in 0.00 s."),
        (ok(*[("a", 1)] * 4_079), "4,079 rows in 0.00 s, the first 1,000 shown."),
        (
            Execution("error", error="no such table: singer"),
            "SQLite cannot run this query: no such table: singer. "
            "Mend the SQL, or ask in other words.",
        ),
        (
            Execution("refused", error="only reading is allowed, not DELETE singer"),
            "This query was not run: only reading is allowed, not DELETE singer. "
            "Write a single SELECT.",
        ),
        (
            Execution("limit", error="more than 5 seconds"),
            "This query was stopped: more than 5 seconds. "
            "Ask for less, with a condition or a LIMIT.",
        ),
        (
            Execution("crash"),
            "This query made SQLite crash. The database was not changed; write the query "
            "otherwise.",
        ),
    ],
)
def test_every_ending_has_its_sentence(execution: Execution, text: str) -> None:
    assert sentence(execution) == text


def test_terminal_table_aligns_wide_characters_and_shows_no_control_character() -> None:
    table = text_table(("城市", "n"), [("上海", 12), ("\x1b[31mred\nline", None), ("x" * 60, 3.5)])
    assert table.splitlines() == [
        "城市                                         n",
        "----------------------------------------  ----",
        "上海                                        12",
        " [31mred line                             NULL",
        "x" * 37 + "...   3.5",
    ]


def test_terminal_table_without_rows_is_its_header() -> None:
    assert text_table(("a", "bc"), []) == "a  bc\n-  --"


def test_web_rows_keep_numbers_and_spell_out_what_a_browser_would_change() -> None:
    rows = display_rows(ok((1, 2**60), (1.5, None), (b"abc", "tea")))
    assert rows == [[1, "1152921504606846976"], ["1.5", "NULL"], ["<3 bytes>", "tea"]]
    assert len(display_rows(ok(*[("a", 1)] * 1_001))) == 1_000


def test_a_result_of_very_many_columns_is_cut() -> None:
    wide = ok(tuple(range(2_000)), columns=tuple(f"c{number}" for number in range(2_000)))
    assert (len(display_columns(wide)), len(display_rows(wide)[0])) == (100, 100)
    assert text_table(wide.columns, wide.rows).splitlines()[0].split()[-1] == "c99"
    assert sentence(wide) == "1 row in 0.00 s. The first 100 of 2,000 columns are shown."


def test_infinite_numbers_are_texts() -> None:
    assert [cell_text(value) for value in (float("inf"), -0.0, 1e300)] == ["inf", "-0.0", "1e+300"]


@pytest.mark.parametrize(
    ("columns", "rows", "kind"),
    [
        (("city", "sold"), [("York", 3), ("Leeds", 5)], "bar"),
        (("count(*)", "city"), [(3, "York"), (5, "Leeds")], "bar"),
        (("month", "sold"), [("2025-02", 3), ("2025-01", 5)], "line"),
        (("day", "sold"), [("2025-02-03", 3.5), ("2025-02-04", 5.0)], "line"),
        (("year", "count(*)"), [(2019, 3), (2021, 5)], "line"),
        (("city", "count(shop_id)"), [("York", 3), ("Leeds", 5)], "bar"),
        (("city", "sold"), [("York", 3)], None),
        (("city", "sold"), [(f"c{i}", i) for i in range(51)], None),
        (("city", "sold"), [("York", 3), ("York", 5)], None),
        (("city", "sold"), [("York", None), ("Leeds", 5)], None),
        (("city", "sold"), [(None, 3), ("Leeds", 5)], None),
        (("city", "sold"), [("York", "3"), ("Leeds", "5")], None),
        (("city", "shop_id"), [("York", 3), ("Leeds", 5)], None),
        (("age", "sold"), [(30, 3), (31, 5)], None),
        (("city", "sold"), [("York", float("inf")), ("Leeds", 5)], None),
        (("city",), [("York",), ("Leeds",)], None),
    ],
)
def test_chart_only_where_one_suits(columns: Any, rows: Any, kind: str | None) -> None:
    chart = chart_of(ok(*rows, columns=columns))
    assert (chart.kind if chart else None) == kind


def test_line_is_in_the_order_of_time_and_bars_in_that_of_the_rows() -> None:
    assert chart_of(ok((2021, 5), (2019, 3), columns=("year", "n"))) == Chart(
        "line", "year", "n", (("2019", 3.0), ("2021", 5.0))
    )
    bars = chart_of(ok(("York", 5), ("Leeds", 3)))
    assert bars and [name for name, _ in bars.points] == ["York", "Leeds"]
