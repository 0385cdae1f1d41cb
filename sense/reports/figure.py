"""Charts as inline SVG: shares with their intervals, counts, and shares of a whole.

Colours are classes, which `sense.reports.document` defines for light and dark; every chart has
a title for readers who cannot see it.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

LABEL_WIDTH = 190
PLOT_WIDTH = 430
VALUE_WIDTH = 190
ROW_HEIGHT = 26
BAR_HEIGHT = 14
AXIS_HEIGHT = 22
MAX_LABEL_CHARS = 26
WIDTH = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH


class Share(NamedTuple):
    """A row of `interval_chart`; all three in 0..1."""

    label: str
    share: float
    low: float
    high: float


def interval_chart(title: str, shares: Sequence[Share]) -> str:
    """A bar per share with the ends of its interval, over an axis from 0 to 100 %."""
    parts = [_axis(len(shares))]
    for number, row in enumerate(shares):
        y = number * ROW_HEIGHT
        middle = y + ROW_HEIGHT / 2
        low, high = LABEL_WIDTH + PLOT_WIDTH * row.low, LABEL_WIDTH + PLOT_WIDTH * row.high
        parts += [
            _label(row.label, y),
            _bar("bar", LABEL_WIDTH, y, PLOT_WIDTH * row.share),
            f'<path class="mark" fill="none" d="M{low:.1f} {middle - 4}v8M{low:.1f} {middle}'
            f'H{high:.1f}M{high:.1f} {middle - 4}v8"/>',
            _value(f"{100 * row.share:.1f} % ({100 * row.low:.1f} to {100 * row.high:.1f})", y),
        ]
    return _svg(title, len(shares) * ROW_HEIGHT + AXIS_HEIGHT, parts)


def count_chart(title: str, counts: Mapping[str, int]) -> str:
    """A bar per count, the largest over the whole width."""
    most = max(counts.values(), default=1) or 1
    parts = []
    for number, (label, count) in enumerate(counts.items()):
        y = number * ROW_HEIGHT
        parts += [
            _label(label, y),
            _bar("bar", LABEL_WIDTH, y, PLOT_WIDTH * count / most),
            _value(f"{count:,}", y),
        ]
    return _svg(title, len(counts) * ROW_HEIGHT, parts)


def stacked_chart(title: str, rows: Mapping[str, Sequence[int]], classes: Sequence[str]) -> str:
    """A bar per row, parted into its counts; classes: the colour of each part."""
    parts = []
    for number, (label, counts) in enumerate(rows.items()):
        y = number * ROW_HEIGHT
        whole = sum(counts) or 1
        x = float(LABEL_WIDTH)
        parts.append(_label(label, y))
        for name, count in zip(classes, counts, strict=True):
            width = PLOT_WIDTH * count / whole
            parts.append(_bar(name, x, y, width))
            x += width
        parts.append(_value(" / ".join(f"{count:,}" for count in counts), y))
    return _svg(title, len(rows) * ROW_HEIGHT, parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _axis(num_rows: int) -> str:
    bottom = num_rows * ROW_HEIGHT
    lines = []
    for percent in range(0, 101, 20):
        x = LABEL_WIDTH + PLOT_WIDTH * percent / 100
        lines.append(
            f'<path class="grid" d="M{x:.1f} 0V{bottom}"/><text class="soft" x="{x:.1f}" '
            f'y="{bottom + 16}" text-anchor="middle">{percent}</text>'
        )
    return "".join(lines)


def _label(text: str, y: float) -> str:
    cut = text if len(text) <= MAX_LABEL_CHARS else text[: MAX_LABEL_CHARS - 1] + "…"
    at = f'x="{LABEL_WIDTH - 8}" y="{y + ROW_HEIGHT / 2 + 4.5}" text-anchor="end"'
    return f"<text {at}>{escape(cut)}</text>"


def _bar(name: str, x: float, y: float, width: float) -> str:
    top = y + (ROW_HEIGHT - BAR_HEIGHT) / 2
    return f'<rect class="{name}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}"/>'


def _value(text: str, y: float) -> str:
    x = LABEL_WIDTH + PLOT_WIDTH + 10
    return f'<text x="{x}" y="{y + ROW_HEIGHT / 2 + 4.5}">{escape(text)}</text>'
