"""What a run has against its plan, and what it shall ask next.

The plan of a pair of values is the product of their shares, after what turned out infeasible went
to the other cells. All depends on the rows that were added and on their order, on nothing else;
`refit` takes them into account, and a run calls it between rounds only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sense.coverage.cells import (
    Attempts,
    Cell,
    Dimension,
    Kept,
    Part,
    Slot,
    Tries,
    cells_of,
    margins,
)
from sense.coverage.plan import Plan, PlanError
from sense.coverage.quota import fit_slots, round_slots
from sense.shown import counted

MIN_TRIES = 30
"""Rows that were to have a feature before it counts as one that cannot be had."""
MAX_YIELD = 0.1
"""It comes in no larger part of them: what comes in one row of five is hard, not infeasible."""
MIN_DRAWN = 200
"""A domain that gave no row with a feature after so many queries drawn for it counts as without it:
about as many as are drawn for two rows that should have it."""
TOLERANCE = 0.2
"""What is off by more than this part of the planned rows is too little."""
MIN_PAIR_ROWS = 50
"""Planned rows from which a pair of values is held to the plan."""
MAX_PAIR_EXCESS = 1.15
"""Such a pair takes no row beyond this part of its planned ones; 1.2 would count as off."""


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
        self.tries: Attempts = {}
        """What was tried for features: by level, by style, by domain, by level in a domain."""
        self._given_up: dict[Cell, str] = {}
        """Cells that are not tried for any more, with what was tried until then."""
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

    def note(self, domain: str, tries: Mapping[Cell, Tries]) -> None:
        """Counts what was tried for features at levels and in styles, over the domain."""
        place: Part = ("domain", domain)
        for (part, feature), new in tries.items():
            cells: list[Cell] = [(part, feature)]
            if part[0] == "hardness":
                cells += [(place, feature), (part, place, feature)]
            for cell in cells:
                self.tries[cell] = self.tries.get(cell, Tries()).plus(new)

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

    def closed_cells(self) -> set[Cell]:
        """The cells of closed slots."""
        return {cell for slot in self._closed for cell in cells_of(slot)}

    def refit(self) -> None:
        """Quotas and expectations anew, from the plan, the rows so far and what is infeasible."""
        fitted = fit_slots(self._shares(), self.total, self._filled, self._closed)
        self._fitted = margins(fitted)
        self._quota = round_slots(fitted, self.total, self._filled)
        rows = margins(self._quota)
        self.infeasible = dict(self._ruled_out)
        self.expected = self.first_expected = self._expected(rows, {})
        fixed = dict(self._fixed(rows, ("hardness",)))
        self.expected = self._expected(rows, fixed)
        fixed |= dict(self._fixed(rows, ("style", "domain")))
        self.expected = self._expected(rows, fixed)

    def planned(self, dimension: Dimension) -> Mapping[str, float]:
        """The shares as the plan has them."""
        if dimension == "domain":
            return self._domains
        return self.plan.hardness if dimension == "hardness" else self.plan.style

    def wished(self) -> Counter[Cell]:
        """Rows planned by level, style, domain and pair of these, had no slot been closed."""
        return margins(fit_slots(self._shares(), self.total, {}))

    def _shares(self) -> dict[Dimension, dict[str, float]]:
        names: tuple[Dimension, ...] = ("domain", "hardness", "style")
        return {name: self._open_shares(name) for name in names}

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
        self, rows: Counter[Cell], fixed: Mapping[tuple[str, Part], float]
    ) -> dict[Cell, float]:
        """Rows planned by cell; fixed: (feature, part) -> share of the part's rows that have it.

        What a domain or style cannot have as planned is asked of the others at the same level;
        what a level cannot, of no other.
        """
        found: dict[Cell, float] = dict(rows)
        parts: list[Part] = [("domain", name) for name in self._domains]
        parts += [("style", name) for name in self.planned("style")]
        for feature, planned in self.plan.feature.items():
            that: Part = ("feature", feature)
            sums: defaultdict[Cell, float] = defaultdict(float)
            for name, share in planned.items():
                level: Part = ("hardness", name)
                num = rows[level,]
                share = fixed.get((feature, level), share)
                sums[level, that] = num * share
                sums[that,] += num * share
                for dimension in ("domain", "style"):
                    own = {part: rows[level, part] for part in parts if part[0] == dimension}
                    for part, part_rows in _shared_out(feature, share, own, fixed).items():
                        sums[part, that] += part_rows
            found |= sums
        return found

    def _fixed(
        self, rows: Mapping[Cell, float], dimensions: Sequence[Dimension]
    ) -> Iterator[tuple[tuple[str, Part], float]]:
        """(feature, part) -> the share of its rows that have the feature, where no other is to be
        had: too few came although they were tried for, or all have it."""
        for feature in self.plan.feature:
            for cell, num in rows.items():
                part = cell[0]
                if len(cell) > 1 or not num or part[0] not in dimensions:
                    continue
                pair: Cell = (part, ("feature", feature))
                wanted = self.expected.get(pair, 0.0) * self.counts[cell] / num
                share = self.counts[pair] / max(1, self.counts[cell])
                tries = self.tries.get(pair, Tries())
                missing = wanted - self.counts[pair]
                is_without = not self.counts[pair] and self._is_hopeless(part, feature)
                is_too_much = self.counts[pair] > (1 + TOLERANCE) * wanted
                if is_too_much and share == 1 and self.counts[cell] >= MIN_TRIES:
                    self.infeasible[pair] = "all rows have it"
                elif missing > TOLERANCE * wanted and (
                    pair in self._given_up or is_in_vain(tries, missing, is_without)
                ):
                    said = self._given_up.setdefault(pair, _said(tries, missing))
                    self.infeasible[pair] = said
                else:
                    continue
                yield (feature, part), share

    def _is_hopeless(self, part: Part, feature: str) -> bool:
        """Whether few tries suffice: in a domain, and at a level where all domains gave it up."""
        if part[0] == "hardness":
            homes = (("domain", name) for name in self._domains)
            return all((home, ("feature", feature)) in self._given_up for home in homes)
        return part[0] == "domain"


def is_in_vain(tries: Tries, missing: float, is_without: bool = False) -> bool:
    """Whether enough was tried to call what is missing infeasible.

    As many rows as are missing, at least `MIN_TRIES`, and little came; or, of what has none yet,
    `MIN_DRAWN` queries, and nothing came.

    >>> is_in_vain(Tries(rows=80, kept=8), 60.0), is_in_vain(Tries(rows=50, kept=5), 60.0)
    (True, False)
    >>> few = Tries(rows=3, drawn=288)
    >>> is_in_vain(few, 5.0, is_without=True), is_in_vain(few, 5.0)
    (True, False)
    """
    if is_without and tries.drawn >= MIN_DRAWN and not tries.kept:
        return True
    return tries.rows >= max(MIN_TRIES, missing) and tries.kept <= MAX_YIELD * tries.rows


def _said(tries: Tries, missing: float) -> str:
    """
    >>> _said(Tries(80, 2_000, 9, 2), 70.0)
    'given up when 80 rows had tried for 70 missing: of 2,000 queries 9 had it, of the rows 2'
    """
    return (
        f"given up when {counted(tries.rows, 'row')} had tried for {missing:,.0f} missing: of "
        f"{tries.drawn:,} queries {tries.had:,} had it, of the rows {tries.kept:,}"
    )


def _shared_out(
    feature: str,
    share: float,
    rows: Mapping[Part, float],
    fixed: Mapping[tuple[str, Part], float],
) -> dict[Part, float]:
    """Rows of one level planned to have the feature: the share of all, by domain or by style.

    rows: those of the level in each domain or style.
    """
    given = {
        part: num * min(1.0, fixed[feature, part])
        for part, num in rows.items()
        if (feature, part) in fixed
    }
    whole = sum(num for part, num in rows.items() if part not in given)
    left = sum(rows.values()) * share - sum(given.values())
    rate = min(1.0, max(0.0, left / whole)) if whole else 0.0
    return {part: given.get(part, num * rate) for part, num in rows.items()}
