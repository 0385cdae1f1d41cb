"""Which features the query of a question is asked to use and to avoid, so that the plan is met."""

from collections import defaultdict
from collections.abc import Callable, Collection
from random import Random
from typing import cast

from sense.coverage.cells import Part, Slot
from sense.coverage.coverage import Coverage
from sense.coverage.needs import FeatureNeeds, Rates
from sense.example import Hardness
from sense.teaching.tasks import Ask

MAX_ASKED_FEATURES = {"easy": 2, "medium": 3, "hard": 4, "extra": 5}
"""Features that one query is asked to use, beside what these need: more would leave the level."""
SURPLUS_RATE = 0.1
"""A feature that the next rows need in less than this part of the planned ones came too often."""
MAX_AVOIDED = 2
"""Features that one query is asked to do without."""
GOLDEN_RATIO = 0.6180339887498949
"""Steps of it visit the unit interval evenly, however many there are."""
NEEDS = {
    "nested": "where",
    "in": "where",
    "like": "where",
    "between": "where",
    "or": "where",
    "correlated": "nested",
    "exists": "correlated",
    "having": "group_by",
    "limit": "order_by",
}
"""Features that hardly come without another one: they are drawn where that is drawn."""


def wisher(coverage: Coverage, rng: Random) -> Callable[[Slot], Ask]:
    """A function from a slot to what is asked for in it; features come as often as is needed."""
    needs = FeatureNeeds(coverage)
    lots: defaultdict[tuple[str, str], float] = defaultdict(rng.random)

    def wish(slot: Slot) -> Ask:
        rates = needs.of(slot)
        used = _used(rates, slot.level, lots, rng)
        others = sorted(rates.keys() - used - _bases(used))
        too_many = [name for name in others if _came_too_often(name, slot, rates, coverage)]
        avoided = rng.sample(too_many, min(len(too_many), MAX_AVOIDED))
        level = cast(Hardness, slot.level)
        return Ask(level, slot.style, tuple(sorted(used)), avoided=tuple(sorted(avoided)))

    return wish


def _used(
    rates: Rates, level: str, lots: defaultdict[tuple[str, str], float], rng: Random
) -> set[str]:
    """Features drawn by their rates, each only with what it needs.

    lots: where the lot of each feature of a level stands, which moves on.
    """
    chosen: set[str] = set()
    for name in sorted(rates, key=lambda name: (_depth(name), name)):
        base = NEEDS.get(name, "")
        if base in rates and base not in chosen:
            continue
        lots[level, name] += GOLDEN_RATIO
        share = rates[name] / rates[base] if base in rates else rates[name]
        if lots[level, name] % 1.0 < share:
            chosen.add(name)
    while len(chosen - _bases(chosen)) > MAX_ASKED_FEATURES[level]:
        chosen.remove(rng.choice(sorted(chosen - _bases(chosen))))
    return chosen


def _came_too_often(feature: str, slot: Slot, rates: Rates, coverage: Coverage) -> bool:
    planned = coverage.plan.feature[feature][slot.level]
    level: Part = ("hardness", slot.level)
    num_rows, num_with = (
        coverage.counts[cell] for cell in ((level,), (level, ("feature", feature)))
    )
    return num_with > planned * num_rows and rates[feature] < SURPLUS_RATE * planned


def _depth(feature: str) -> int:
    """How many features it needs.

    >>> _depth("where"), _depth("exists")
    (0, 3)
    """
    return 1 + _depth(NEEDS[feature]) if feature in NEEDS else 0


def _bases(features: Collection[str]) -> set[str]:
    """What others among them need.

    >>> sorted(_bases({"exists", "limit"}))
    ['correlated', 'order_by']
    """
    return {NEEDS[name] for name in features if name in NEEDS}
