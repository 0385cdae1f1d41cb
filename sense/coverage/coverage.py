"""What a run has against its plan, and what it shall ask next.

The plan of a pair of values is the product of their shares, after what turned out infeasible went
to the other cells. All depends on the rows that were added and on their order, on nothing else;
`refit` takes them into account, and a run calls it between rounds only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from sense.coverage.cells import Cell, Dimension, Kept, Part, Slot, cells_of, margins
from sense.coverage.plan import Plan, PlanError
from sense.coverage.quota import fit_slots, round_slots

Rates: TypeAlias = dict[str, float]
"""Feature -> wanted share of the next rows."""

MIN_EVIDENCE = 20
"""Rows of a level or domain before a feature that is missing there counts as scarce."""
MIN_PLANNED = 3.0
"""Rows planned so far, among them, for the feature: fewer may be missing by chance."""
MIN_PAIR_ROWS = 50
"""Planned rows from which a pair of values is held to the plan."""
MAX_PAIR_EXCESS = 1.15
"""Such a pair takes no row beyond this part of its planned ones; 1.2 would count as off."""
SCARCE = 0.5
"""A feature that was found in less than this part of the rows planned so far is scarce."""


class Coverage:
    """The rows of one split against the plan."""

    def __init__(self, plan: Plan, total: int, domains: Mapping[str, float]) -> None:
        """domains: their shares, which sum to 1."""
        self.plan = plan
        self.total = total
        self.counts: Counter[Cell] = Counter()
        """Kept rows by cell."""
        self.infeasible: dict[Cell, str] = {}
        """Cells that cannot be had as planned, with the reason."""
        self.expected: dict[Cell, float] = {}
        """Rows planned by cell, after what is infeasible went to the others."""
        self.first_expected: dict[Cell, float] = {}
        """The same before features that turned out scarce went to the others."""
        self._domains = {name: share for name, share in domains.items() if share}
        self._filled: Counter[Slot] = Counter()
        self._quota: dict[Slot, int] = {}
        self._fitted: Counter[Cell] = Counter()
        self._closed: set[Slot] = set()
        self._ruled_out: dict[Cell, str] = {}
        self.refit()

    @property
    def num_rows(self) -> int:
        return self._filled.total()

    def missing(self) -> dict[Slot, int]:
        """Rows that each slot still lacks, without those that lack none."""
        return {
            slot: num - self._filled[slot]
            for slot, num in self._quota.items()
            if num > self._filled[slot]
        }

    def has_room(self, slot: Slot) -> bool:
        return self.num_rows < self.total and self._filled[slot] < self._quota.get(slot, 0)

    def has_room_in_sums(self, slot: Slot) -> bool:
        """Whether level, style and domain have room, each for itself and in larger pairs.

        For rows that cost money: a slot of its own is too small to hold each of them to it. What
        is ruled out has the room that it was planned to have.
        """
        for cell in cells_of(slot):
            planned = self._fitted.get(cell, 0.0)
            if any((part,) in self._ruled_out for part in cell):
                if len(cell) > 1:
                    continue
                [(dimension, name)] = cell
                planned = self.planned(dimension)[name] * self.total
            if len(cell) == 1 and self.counts[cell] >= planned - 1e-9:
                return False
            if planned >= MIN_PAIR_ROWS and self.counts[cell] >= MAX_PAIR_EXCESS * planned:
                return False
        return True

    def add(self, row: Kept) -> None:
        """Counts a kept row."""
        self._filled[row.slot] += 1
        self.counts.update(cells_of(row.slot, row.features))

    def rule_out(self, dimension: Dimension, name: str, reason: str) -> None:
        """Takes what was planned for a level, style or domain that cannot be had from it.

        `refit` gives its rows to the others. Raises PlanError when nothing else is planned.
        """
        planned = self.planned(dimension)
        if not planned.get(name):
            return
        self._ruled_out[(dimension, name),] = reason
        if not any(self._open_shares(dimension).values()):
            wanted = ", ".join(sorted(name for name, share in planned.items() if share))
            raise PlanError(
                f"plan '{self.plan.name}', key '{dimension}' asks for {wanted} only, which cannot "
                f"be had ({name}: {reason}); plan other shares, or give other databases or a "
                "teacher that can"
            )

    def allow(self, dimension: Dimension, name: str) -> None:
        """Takes `rule_out` back."""
        self._ruled_out.pop(((dimension, name),), None)

    def close(self, slot: Slot) -> None:
        """No more rows of the slot are to be had: what is missing is asked of the others."""
        self._closed.add(slot)

    def refit(self) -> None:
        """Quotas and expectations anew, from the plan, the rows so far and what is infeasible."""
        names: tuple[Dimension, ...] = ("domain", "hardness", "style")
        shares = {name: self._open_shares(name) for name in names}
        fitted = fit_slots(shares, self.total, self._filled, self._closed)
        self._fitted = margins(fitted)
        self._quota = round_slots(fitted, self.total, self._filled)
        rows = margins(self._quota)
        self.infeasible = dict(self._ruled_out)
        self.expected = self.first_expected = self._expected(rows, {})
        scarce = dict(self._scarce(rows))
        self.expected = self._expected(rows, scarce)

    def rates(self) -> "FeatureNeeds":
        """What the missing rows need of each feature."""
        return FeatureNeeds(self)

    def planned(self, dimension: Dimension) -> Mapping[str, float]:
        """The shares as the plan has them."""
        if dimension == "domain":
            return self._domains
        return self.plan.hardness if dimension == "hardness" else self.plan.style

    def _open_shares(self, dimension: Dimension) -> dict[str, float]:
        """The planned shares of what is not ruled out; they sum to 1."""
        found = {
            name: share
            for name, share in self.planned(dimension).items()
            if share and ((dimension, name),) not in self._ruled_out
        }
        whole = sum(found.values())
        return {name: share / whole for name, share in found.items()}

    def _expected(
        self, rows: Counter[Cell], scarce: Mapping[tuple[str, Part], float]
    ) -> dict[Cell, float]:
        """Rows planned by cell; of scarce features what was found, and more of them elsewhere."""
        found: dict[Cell, float] = dict(rows)
        by_pair: defaultdict[tuple[str, str], int] = defaultdict(int)
        for slot, num in self._quota.items():
            by_pair[slot.domain, slot.level] += num
        for feature, planned in self.plan.feature.items():
            part: Part = ("feature", feature)
            sums: defaultdict[Cell, float] = defaultdict(float)
            for (domain, level), part_rows in _feature_rows(
                feature, planned, by_pair, scarce
            ).items():
                for cell in ((part,), (("hardness", level), part), (("domain", domain), part)):
                    sums[cell] += part_rows
            for style in self.planned("style"):
                spoken: Part = ("style", style)
                sums[spoken, part] = sum(
                    sums[("hardness", level), part]
                    * rows[("hardness", level), spoken]
                    / rows[("hardness", level),]
                    for level in planned
                    if rows[("hardness", level),]
                )
            found |= sums
        return found

    def _scarce(self, rows: Mapping[Cell, float]) -> Iterator[tuple[tuple[str, Part], float]]:
        """(feature, level or domain) -> the part of what was planned that is there: too little."""
        for feature in self.plan.feature:
            for cell, num in rows.items():
                part = cell[0]
                if len(cell) > 1 or not num:
                    continue
                pair: Cell = (part, ("feature", feature))
                wanted = self.expected.get(pair, 0.0) * self.counts[cell] / num
                if self.counts[cell] < MIN_EVIDENCE or wanted < MIN_PLANNED:
                    continue
                if self.counts[pair] == self.counts[cell] > MAX_PAIR_EXCESS * wanted:
                    self.infeasible[pair] = (
                        f"all {self.counts[pair]:,} rows have it, {wanted:,.0f} were planned"
                    )
                if part[0] == "style":
                    continue  # a query does not depend on the style, but for what all have
                if self.counts[pair] < SCARCE * wanted:
                    self.infeasible[pair] = (
                        f"{self.counts[pair]:,} of {self.counts[cell]:,} rows have it, "
                        f"{wanted:,.0f} were planned"
                    )
                    yield (feature, part), self.counts[pair] / wanted


class FeatureNeeds:
    """What the missing rows of a coverage need of each feature; made once per round."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._rows = margins(coverage.missing())
        self._num_missing = sum(coverage.missing().values())

    def of(self, slot: Slot) -> Rates:
        """Wanted share of the slot's next rows by feature.

        That of its level, corrected by what its style and its domain lack more than the others.
        """
        level, style, domain = slot.parts()
        found = {}
        for feature in self._coverage.plan.feature:
            part: Part = ("feature", feature)
            rate = self._need((level, part), self._rows[level,])
            whole = self._need((part,), self._num_missing)
            for other in (style, domain):
                if self._rows[other,]:
                    rate += self._need((other, part), self._rows[other,]) - whole
            found[feature] = min(1.0, max(0.0, rate))
        return found

    def _need(self, cell: Cell, num_rows: float) -> float:
        lacking = self._coverage.expected.get(cell, 0.0) - self._coverage.counts[cell]
        return lacking / num_rows if num_rows else 0.0


def _feature_rows(
    feature: str,
    planned: Mapping[str, float],
    by_pair: Mapping[tuple[str, str], int],
    scarce: Mapping[tuple[str, Part], float],
) -> dict[tuple[str, str], float]:
    """(domain, level) -> rows planned to have the feature.

    What a domain lacks is asked of the others at the same level; what a level lacks of no other.
    """
    found: dict[tuple[str, str], float] = {}
    for level, share in planned.items():
        rows = {domain: num for (domain, other), num in by_pair.items() if other == level}
        share *= scarce.get((feature, ("hardness", level)), 1.0)
        lacking = {
            domain: scarce[feature, ("domain", domain)]
            for domain in rows
            if (feature, ("domain", domain)) in scarce
        }
        fixed = {domain: rows[domain] * share * part for domain, part in lacking.items()}
        whole = sum(num for domain, num in rows.items() if domain not in fixed)
        left = sum(rows.values()) * share - sum(fixed.values())
        rate = min(1.0, left / whole) if whole else 0.0
        for domain, num in rows.items():
            found[domain, level] = fixed.get(domain, num * rate)
    return found
