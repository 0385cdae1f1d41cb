"""Whole rows per slot whose sums, of one dimension and of two, stay near the planned shares."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import product

from sense.coverage.cells import Dimension, Part, Slot, cells_of

FIT_STEPS = 20
"""Passes of the fitting; the sums agree within a row after a few."""
PLACES: tuple[Dimension, ...] = ("domain", "hardness", "style")
"""What the places of a slot hold."""


def fit_slots(
    shares: Mapping[Dimension, Mapping[str, float]],
    total: int,
    filled: Mapping[Slot, int],
    closed: Collection[Slot] = (),
) -> dict[Slot, float]:
    """Rows planned per open slot: the product of the shares, fitted to what closed slots hold.

    shares: those of `domain`, `hardness` and `style`; closed: slots that give no more rows than are
    filled, as do those without a share. Iterative proportional fitting (Deming and Stephan 1940)
    lets the open slots make up for the closed ones; the domains come first in each pass, so that
    hardness and style are met rather than they.

    >>> shares = {"domain": {"a": 0.5, "b": 0.5}, "hardness": {"easy": 1}, "style": {"formal": 1}}
    >>> full = Slot("a", "easy", "formal")
    >>> fit_slots(shares, 10, {full: 2}, {full})
    {Slot(domain='b', level='easy', style='formal'): 8.0}
    """
    fitted: dict[Slot, float] = {}
    fixed: defaultdict[Part, float] = defaultdict(float)
    slots = [*map(Slot._make, product(*(shares[place] for place in PLACES)))]
    for slot in filled.keys() - slots:
        for part in slot.parts():
            fixed[part] += filled[slot]
    for slot in slots:
        if slot in closed:
            for part in slot.parts():
                fixed[part] += filled.get(slot, 0)
            continue
        fitted[slot] = float(total)
        for dimension, name in zip(PLACES, slot, strict=True):
            fitted[slot] *= shares[dimension][name]
    for _ in range(FIT_STEPS if fixed else 0):
        for place, dimension in enumerate(PLACES):
            _scale(fitted, place, total, shares[dimension], fixed)
    return fitted


def _scale(
    fitted: dict[Slot, float],
    place: int,
    total: int,
    shares: Mapping[str, float],
    fixed: Mapping[Part, float],
) -> None:
    sums: defaultdict[str, float] = defaultdict(float)
    for slot, num in fitted.items():
        sums[slot[place]] += num
    dimension = PLACES[place]
    factor = {
        name: max(0.0, total * shares[name] - fixed.get((dimension, name), 0.0)) / num
        for name, num in sums.items()
        if num
    }
    for slot in fitted:
        fitted[slot] *= factor.get(slot[place], 0.0)


def round_slots(
    fitted: Mapping[Slot, float], total: int, filled: Mapping[Slot, int]
) -> dict[Slot, int]:
    """`total` whole rows per slot, at least those that are filled.

    Each domain gets its rounded share; within it, one row after another goes to the slot whose
    cells are owed most, so that what one slot loses by rounding another of its cells gets.

    >>> fitted = {Slot("a", level, "formal"): 1.5 for level in ("easy", "hard")}
    >>> sorted(round_slots(fitted, 3, {}).values())
    [1, 2]
    """
    quota = {slot: num for slot, num in filled.items() if num}
    num_open = total - sum(num for slot, num in quota.items() if slot not in fitted)
    by_domain: defaultdict[str, list[Slot]] = defaultdict(list)
    for slot in fitted:
        by_domain[slot.domain].append(slot)
    whole = sum(fitted.values())
    owed: defaultdict[object, float] = defaultdict(float)
    start, edge = 0, 0.0
    for slots in by_domain.values():
        edge += num_open * sum(fitted[slot] for slot in slots) / whole if whole else 0.0
        quota |= _divided(slots, fitted, round(edge) - start, filled, owed)
        start = round(edge)
    return quota


def _divided(
    slots: Sequence[Slot],
    fitted: Mapping[Slot, float],
    num: int,
    filled: Mapping[Slot, int],
    owed: defaultdict[object, float],
) -> dict[Slot, int]:
    """`num` rows of one domain; `owed` carries what rounding left to the next domains."""
    quota = {slot: max(int(fitted[slot]), filled.get(slot, 0)) for slot in slots}
    own: defaultdict[object, float] = defaultdict(float)
    cells = {slot: list(cells_of(slot)) for slot in slots}
    for slot in slots:
        for cell in cells[slot]:
            book = own if ("domain", slot.domain) in cell else owed
            book[cell] += fitted[slot] - quota[slot]

    def want(slot: Slot) -> float:
        debts = sum(own[cell] + owed[cell] for cell in cells[slot])
        return debts + fitted[slot] - quota[slot]

    while slots and (rest := num - sum(quota.values())):
        step = 1 if rest > 0 else -1
        able = [slot for slot in slots if step > 0 or quota[slot] > filled.get(slot, 0)]
        if not able:
            break
        slot = max(able, key=lambda slot: step * want(slot))
        quota[slot] += step
        for cell in cells[slot]:
            (own if ("domain", slot.domain) in cell else owed)[cell] -= step
    return quota
