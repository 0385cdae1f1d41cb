"""Plan and realised shares of a finished set, for `facts.json`, its card and the last table."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sense.coverage.cells import Cell, Dimension, shown
from sense.coverage.coverage import MIN_PAIR_ROWS, Coverage
from sense.facts import text_table
from sense.shown import counted

CELL_TOLERANCE = 0.2
"""A pair is as planned when its rows are off by at most this part of the planned ones."""
SHARE_TOLERANCE = 0.03
"""A value is as planned when its share is off by at most this: 3 points."""
MAX_SHOWN_CELLS = 20
MIN_NAMED_ROWS = 10
"""Planned rows from which a feature that a domain cannot give is named; others are counted."""
DIMENSIONS: tuple[Dimension, ...] = ("hardness", "style", "domain", "feature")


def coverage_report(coverages: Sequence[Coverage]) -> dict[str, Any]:
    """Planned and realised shares of all splits together.

    `shares` compares with the plan as it was written; `cells`, pairs of values with at least
    `MIN_PAIR_ROWS` planned rows, with the plan after infeasible cells went to the others, which are
    listed with their reasons unless they came after all; `infeasible_small` counts those of single
    domains with few planned rows. The share of a feature is that of the rows that have it.
    """
    rows = sum(coverage.num_rows for coverage in coverages)
    counts: Counter[Cell] = Counter()
    expected: defaultdict[Cell, float] = defaultdict(float)
    wanted: Counter[Cell] = Counter()
    wished: Counter[Cell] = Counter()
    for coverage in coverages:
        counts.update(coverage.counts)
        for cell, num in coverage.expected.items():
            expected[cell] += num
        wanted.update(coverage.first_expected)
        wished.update(coverage.wished())
    infeasible = _infeasible(coverages, counts, wanted) | _exhausted(
        counts, expected, wished, set().union(*(coverage.closed_cells() for coverage in coverages))
    )
    shares = {name: _shares(name, coverages, counts, rows) for name in DIMENSIONS}
    infeasible = {
        cell: reason
        for cell, reason in infeasible.items()
        if not _came_after_all(cell, counts, wanted | wished, shares)
    }
    named = {
        cell: reason
        for cell, reason in infeasible.items()
        if ("domain" not in dict(cell) or len(cell) == 1 or wanted[cell] >= MIN_NAMED_ROWS)
    }
    pairs = sorted(
        cell for cell, num in expected.items() if len(cell) == 2 and num >= MIN_PAIR_ROWS
    )
    pairs = [cell for cell in pairs if cell not in infeasible]
    off = [
        {"cell": shown(cell), "planned": round(expected[cell], 1), "realised": counts[cell]}
        for cell in pairs
        if abs(counts[cell] - expected[cell]) > CELL_TOLERANCE * expected[cell]
    ]
    return {
        "name": coverages[0].plan.name,
        "rows": rows,
        "planned_rows": sum(coverage.total for coverage in coverages),
        "shares": shares,
        "cells": {
            "planned": len(pairs),
            "within": len(pairs) - len(off),
            "min_rows": MIN_PAIR_ROWS,
            "tolerance": CELL_TOLERANCE,
            "off": off[:MAX_SHOWN_CELLS],
        },
        "infeasible": [
            {"cell": shown(cell), "reason": reason} for cell, reason in sorted(named.items())
        ],
        "infeasible_small": len(infeasible) - len(named),
    }


def _infeasible(
    coverages: Sequence[Coverage], counts: Counter[Cell], wanted: Counter[Cell]
) -> dict[Cell, str]:
    """What cannot be had in the splits that plan at least half of it, with the reason."""
    found: dict[Cell, str] = {}
    barred: Counter[Cell] = Counter()
    for coverage in sorted(coverages, key=lambda coverage: -coverage.total):
        for cell, reason in coverage.infeasible.items():
            found.setdefault(cell, reason)
            barred[cell] += coverage.first_expected.get(cell, 0.0)  # type: ignore[assignment]
    return {
        cell: reason if len(cell) == 1 else f"{_came(cell, counts, wanted)}; {reason}"
        for cell, reason in found.items()
        if len(cell) == 1 or 2 * barred[cell] >= wanted[cell]
    }


def _exhausted(
    counts: Counter[Cell],
    expected: Mapping[Cell, float],
    wished: Counter[Cell],
    closed: set[Cell],
) -> dict[Cell, str]:
    """Pairs of level, style and domain of which the databases, or the teacher, gave no more."""
    return {
        cell: f"{_came(cell, counts, wished)}; no more were to be had"
        for cell, num in wished.items()
        if len(cell) == 2
        and cell in closed
        and num >= MIN_PAIR_ROWS
        and max(counts[cell], expected[cell]) < (1 - CELL_TOLERANCE) * num
    }


def _came(cell: Cell, counts: Counter[Cell], planned: Counter[Cell]) -> str:
    return f"{counted(counts[cell], 'row')} of {planned[cell]:,.0f} planned"


def _came_after_all(
    cell: Cell,
    counts: Counter[Cell],
    wanted: Mapping[Cell, float],
    shares: Mapping[Dimension, Mapping[str, Mapping[str, float]]],
) -> bool:
    """Whether what was given up is there as planned: a teacher gives it where it is not asked."""
    if len(cell) > 1:
        return abs(counts[cell] - wanted[cell]) <= CELL_TOLERANCE * wanted[cell]
    [(dimension, name)] = cell
    return bool(counts[cell]) and not _is_missed(shares[dimension][name])


def _is_missed(share: Mapping[str, float]) -> bool:
    return abs(share["planned"] - share["realised"]) > SHARE_TOLERANCE


def _shares(
    dimension: Dimension, coverages: Sequence[Coverage], counts: Counter[Cell], rows: int
) -> dict[str, dict[str, float]]:
    total = sum(coverage.total for coverage in coverages)
    planned: defaultdict[str, float] = defaultdict(float)
    for coverage in coverages:
        weight = coverage.total / total if total else 0.0
        if dimension == "feature":
            for name, by_level in coverage.plan.feature.items():
                share = sum(by_level[level] * part for level, part in _levels(coverage))
                planned[name] += weight * share
        else:
            for name, share in coverage.planned(dimension).items():
                planned[name] += weight * share
    return {
        name: {
            "planned": round(share, 4),
            "realised": round(counts[(dimension, name),] / rows, 4) if rows else 0.0,
        }
        for name, share in planned.items()
    }


def _levels(coverage: Coverage) -> list[tuple[str, float]]:
    return list(coverage.plan.hardness.items())


def missed_shares(report: dict[str, Any]) -> list[tuple[str, str]]:
    """(`style=vague`, "planned 10.0 %, realised 0.0 %") of what is off by more than 3 points."""
    return [
        (
            f"{dimension}={name}",
            f"planned {share['planned']:.1%}, realised {share['realised']:.1%}",
        )
        for dimension, shares in report["shares"].items()
        for name, share in shares.items()
        if _is_missed(share)
    ]


def plan_tables(report: dict[str, Any] | None) -> list[str]:
    """What of the plan was not met, and why, as text to print; nothing without a plan."""
    if report is None:
        return []
    cells, named = report["cells"], report["infeasible"]
    found = [_cells_sentence(report["name"], cells)]
    lines = missed_shares(report)
    if lines:
        found.append(text_table([("share off by more than 3 points", ""), *lines]))
    shown = [(item["cell"], item["reason"]) for item in named]
    if shown:
        found.append(text_table([("infeasible", ""), *shown]))
    return found


def _cells_sentence(name: str, cells: dict[str, Any]) -> str:
    """
    >>> _cells_sentence("mine", {"planned": 0, "within": 0, "min_rows": 50, "tolerance": 0.2})
    "Plan 'mine': no two-way cell has 50 planned rows, fewer are not judged."
    """
    if not cells["planned"]:
        return (
            f"Plan '{name}': no two-way cell has {cells['min_rows']} planned rows, fewer are not "
            "judged."
        )
    return (
        f"Plan '{name}': of {counted(cells['planned'], 'feasible two-way cell')} with at least "
        f"{cells['min_rows']} planned rows, {cells['within']:,} came within "
        f"{cells['tolerance']:.0%} of their number."
    )
