"""Figures of a dataset card, drawn from its facts alone: equal facts give equal PNG files.

Light and legible at the width of the Hub's page; each comes with words for those who cannot see it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sense.example import HARDNESS_LEVELS
from sense.facts import Facts
from sense.publishing.parquet import MEASURED
from sense.shown import first_few

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

FOLDER = "figures"
WIDTH = 7.2  # inches; at 150 dots each, 1,080 dots
DPI = 150
BAR_INCHES = 0.27
MAX_BARS = 20
MAX_ALT_VALUES = 8
BLUE, GREY, DARK = "#2a6fb0", "#b8bec6", "#24292f"
STYLE: Any = {
    "font.size": 9.5,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": DARK,
    "ytick.color": DARK,
    "font.family": "DejaVu Sans",  # comes with matplotlib
}
COUNTED = {
    "hardness": "Hardness of the SQL",
    "features": "SQL constructs (a query may have several)",
    "style": "Styles of the questions",
    "domain": "Domains",
    "error_kind": "What is wrong in the rejected SQL",
    "verdict": "Verdicts on the answers",
    "rejected_reason": "Why the rejected answer lost",
    "policy": "Policies that made the pairs",
}
"""Columns whose values are drawn, with the title; each from the first config that has it."""
LENGTHS = {
    "question": "Length of the questions",
    "sql": "Length of the SQL",
    "chosen_sql": "Length of the chosen SQL",
    "rejected_sql": "Length of the rejected SQL",
}


@dataclass(frozen=True)
class Figure:
    """A drawing as the card shows it."""

    path: str
    """In the folder of the set."""
    title: str
    alt: str
    """What it shows, in words and numbers."""


def check_figures() -> None:
    """Raises RuntimeError where matplotlib is not installed; call it before any work starts."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            "the card's figures need matplotlib, which is not installed; "
            "run `pip install 'sense-kit[figures]'`"
        ) from error


def draw_figures(facts: Facts, folder: Path) -> list[dict[str, str]]:
    """Draws what the facts have numbers for below `folder`; the figures as facts keep them."""
    (folder / FOLDER).mkdir()
    drawn = [
        *_draw_counts(facts, folder),
        *_draw_lengths(facts, folder),
        *_draw_plan(facts, folder),
        *_draw_funnels(facts, folder),
    ]
    return [asdict(figure) for figure in drawn]


def file_name(text: str) -> str:
    """A name without anything that a path or a link would need quoted.

    >>> file_name("spider-train (dev)")
    'spider_train_dev'
    """
    return "_".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _draw_counts(facts: Facts, folder: Path) -> Iterable[Figure]:
    for column, title in COUNTED.items():
        config, tally = _first_tally(facts, column)
        if len(tally) < 2:  # a single value says nothing that the table does not
            continue
        bars = _bars(column, tally)
        canvas, axes = _canvas(len(bars))
        _bar_chart(axes, bars)
        axes.set_xlabel(f"rows of `{config}`")
        yield _save(canvas, folder, column, title, f"Bar chart, rows: {_in_words(bars)}.")


def _draw_lengths(facts: Facts, folder: Path) -> Iterable[Figure]:
    config, found = next(iter(facts.results["lengths"].items()))
    shown = {name: lengths for name, lengths in found.items() if name in LENGTHS and lengths}
    if not shown:
        return
    canvas, panels = _panels(len(shown), height=2.1)
    words = []
    for axes, (name, lengths) in zip(panels, shown.items(), strict=True):
        unit, width = MEASURED[name]
        least = [int(start) for start in lengths]
        axes.bar(least, list(lengths.values()), width=width * 0.92, align="edge", color=BLUE)
        axes.set_title(LENGTHS[name], fontsize=9.5, loc="left")
        axes.set_xlabel(unit)
        middle = _median_bar(lengths)
        words.append(f"{LENGTHS[name].lower()}, median {middle} to {middle + width - 1} {unit}")
    panels[0].set_ylabel(f"rows of `{config}`")
    yield _save(canvas, folder, "lengths", "Lengths", f"Histograms: {'; '.join(words)}.")


def _draw_plan(facts: Facts, folder: Path) -> Iterable[Figure]:
    plan = facts.results.get("plan")
    if not plan:
        return
    for axis, shares in plan["shares"].items():
        cells = {name: cell for name, cell in shares.items() if any(cell.values())}
        if not cells:
            continue
        shown = _farthest_off(cells)
        shown.sort(key=lambda name: _rank(axis, name, cells[name]["planned"]))
        canvas, [axes] = _panels(1, height=1.3 + 0.4 * len(shown))
        places = range(len(shown))
        for offset, key, colour in ((-0.2, "planned", GREY), (0.2, "realised", BLUE)):
            values = [100 * cells[name][key] for name in shown]
            spots = [place + offset for place in places]
            axes.barh(spots, values, height=0.38, color=colour, label=key)
        _name_bars(axes, shown)
        axes.set_xlabel("% of the rows")
        canvas.legend(frameon=False, loc="outside upper right", ncols=2)
        words = (
            f"{name} {100 * cells[name]['planned']:.1f} and {100 * cells[name]['realised']:.1f}"
            for name in shown
        )
        title = f"Plan against what was realised: {axis}"
        if len(shown) < len(cells):
            title += f", the {len(shown)} of {len(cells):,} that are farthest off"
        listed = first_few(words, MAX_ALT_VALUES)
        alt = f"Paired bars, planned and realised per cent: {listed}."
        yield _save(canvas, folder, f"plan_{axis}", title, alt)


def _draw_funnels(facts: Facts, folder: Path) -> Iterable[Figure]:
    for funnel in facts.funnels:
        if not funnel.dropped:
            continue
        bars = {name.removeprefix("dropped "): count for name, count in funnel.rows()}
        canvas, axes = _canvas(len(bars))
        _bar_chart(axes, bars, ["read", "kept"])
        axes.set_xlabel(funnel.unit)
        title = f"What was read, dropped by reason, and kept: {funnel.name}"
        alt = f"Bar chart of the {funnel.unit}: {_in_words(bars)}."
        yield _save(canvas, folder, f"funnel_{file_name(funnel.name)}", title, alt)


def _first_tally(facts: Facts, column: str) -> tuple[str, Mapping[str, int]]:
    for config, tallies in facts.results["tallies"].items():
        if tallies.get(column):
            return config, tallies[column]
    return "", {}


def _bars(column: str, tally: Mapping[str, int]) -> dict[str, int]:
    """The values in the order of their bars, the rare ones beyond `MAX_BARS` together."""
    names = sorted(tally, key=lambda name: _rank(column, name, tally[name]))
    num_shown = MAX_BARS if len(names) > MAX_BARS + 1 else len(names)
    bars = {name or "(empty)": tally[name] for name in names[:num_shown]}
    if rest := names[num_shown:]:
        bars[f"{len(rest):,} others"] = sum(tally[name] for name in rest)
    return bars


def _farthest_off(cells: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The names of at most `MAX_BARS` cells, those that differ most from the plan."""

    def distance(name: str) -> tuple[float, str]:
        return -abs(cells[name]["planned"] - cells[name]["realised"]), name

    return sorted(cells, key=distance)[:MAX_BARS]


def _rank(column: str, name: str, size: float) -> tuple[float, str]:
    """Levels by difficulty, all else by frequency."""
    if column == "hardness" and name in HARDNESS_LEVELS:
        return (float(HARDNESS_LEVELS.index(name)), name)
    return (len(HARDNESS_LEVELS) - size if column == "hardness" else -size, name)


def _bar_chart(axes: "Axes", bars: Mapping[str, int], strong: Sequence[str] = ()) -> None:
    """Horizontal bars with their numbers; those not in `strong`, where it is given, in grey."""
    colours = [BLUE if name in strong or not strong else GREY for name in bars]
    drawn = axes.barh(range(len(bars)), list(bars.values()), height=0.72, color=colours)
    axes.bar_label(drawn, [f"{count:,}" for count in bars.values()], padding=3, fontsize=8.5)
    _name_bars(axes, list(bars))
    axes.set_xlim(0, 1.12 * max(bars.values()) or 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _name_bars(axes: "Axes", names: Sequence[str]) -> None:
    """Names beside the bars, from the top down; a dollar sign would start a formula."""
    shown = [name.replace("$", r"\$") for name in names]
    axes.set_yticks(range(len(names)), [s if len(s) < 40 else f"{s[:37]}..." for s in shown])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _canvas(num_bars: int) -> tuple["Canvas", "Axes"]:
    canvas, [axes] = _panels(1, height=0.85 + BAR_INCHES * num_bars)
    return canvas, axes


def _panels(num: int, height: float) -> tuple["Canvas", Sequence["Axes"]]:
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
        return canvas, list(canvas.subplots(1, num, squeeze=False)[0])


def _save(canvas: "Canvas", folder: Path, name: str, title: str, alt: str) -> Figure:
    import matplotlib

    path = f"{FOLDER}/{name}.png"
    with matplotlib.rc_context(STYLE):
        canvas.savefig(folder / path, metadata={"Software": None, "Description": alt})
    return Figure(path, title, alt)


def _in_words(bars: Mapping[str, int]) -> str:
    return first_few((f"{name} {count:,}" for name, count in bars.items()), MAX_ALT_VALUES)


def _median_bar(lengths: Mapping[str, int]) -> int:
    """The bar that holds the row in the middle.

    >>> _median_bar({"4": 1, "6": 3, "20": 1})
    6
    """
    rest = (sum(lengths.values()) + 1) // 2
    for least, num in lengths.items():
        rest -= num
        if rest <= 0:
            return int(least)
    raise AssertionError("no rows were measured")
