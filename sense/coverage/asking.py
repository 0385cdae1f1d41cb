"""What a round asks of each database so that the set reaches its plan."""

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import ceil
from typing import Any

from sense.coverage.cells import Kept, Slot
from sense.coverage.coverage import Coverage
from sense.coverage.needs import FeatureNeeds, Wish
from sense.coverage.plan import Plan, PlanError
from sense.questions.sentence import STYLES_SPOKEN
from sense.strong_set.collection import Database
from sense.strong_set.splits import SPLITS, Split

ROUND_ENDS = (0.25, 0.45, 0.6, 0.72, 0.82, 0.9, 0.96, 1.0)
"""Part of the rows asked for by the end of each round: later ones mend what earlier ones missed."""
SURPLUS = 1.25
"""What rounds after these ask for beyond what is missing, since some of it repeats earlier rows."""
SHARED_SURPLUS = 2.0
"""The same where one database serves both splits: the template decides which of them gets a row."""


def grammar_coverages(
    plan: Plan, totals: Mapping[Split, int], databases: Sequence[Database]
) -> dict[Split, Coverage]:
    """The coverage of each split, without the styles that the grammar does not speak.

    Raises PlanError for a plan that asks for nothing else, or for domains that are not at hand.
    """
    plan.domains_of(sorted({plan_domain(database) for database in databases}))
    found: dict[Split, Coverage] = {}
    for split in SPLITS:
        names = {plan_domain(d) for d in databases if d.split in ("", split)}
        at_hand = {name: plan.domain.get(name, 0.0) if plan.domain else 1.0 for name in names}
        whole = sum(at_hand.values())
        if at_hand and totals[split] and not whole:
            raise PlanError(
                f"plan '{plan.name}', key 'domain' asks for nothing of the {split} split, which "
                f"holds {', '.join(sorted(at_hand)[:5])}; plan a domain of it too, or give the "
                "wanted databases alone"
            )
        shares = {name: at_hand[name] / whole for name in sorted(names)} if whole else {}
        found[split] = Coverage(plan, totals[split] if shares else 0, shares)
        for style in plan.style.keys() - set(STYLES_SPOKEN):
            found[split].rule_out("style", style, "the grammar does not speak it")
        found[split].refit()
    return found


def plan_domain(database: Database) -> str:
    """What the plan calls the domain of a database: its own `db_id` where none is known."""
    return database.domain or database.db_id


def slot_of(row: Mapping[str, Any]) -> Slot:
    """The slot of a dataset row."""
    return Slot(row["domain"] or row["db_id"], row["hardness"], row["style"])


def kept(row: Mapping[str, Any]) -> Kept:
    """A dataset row as the plan sees it."""
    return Kept(slot_of(row), tuple(row["features"]))


def round_wishes(
    number: int,
    coverages: Mapping[Split, Coverage],
    databases: Sequence[Database],
    spent: Collection[tuple[str, str, str]],
    seed: int,
) -> dict[str, list[Wish]]:
    """What round `number` asks of each database, by `db_id`.

    spent: databases that gave less than was asked of them, by level and style.
    """
    found: defaultdict[str, list[Wish]] = defaultdict(list)
    for home in sorted({database.split for database in databases}):
        by_domain: defaultdict[str, list[str]] = defaultdict(list)
        for database in databases:
            if database.split == home:
                by_domain[plan_domain(database)].append(database.db_id)
        for split in (name for name in SPLITS if home in ("", name)):
            coverage = coverages[split]
            needs = FeatureNeeds(coverage)
            rng = random.Random(f"{seed} {number} {home} {split}")
            asked = _asked(number, coverage, SHARED_SURPLUS if home == "" else SURPLUS, rng)
            for slot, num in asked.items():
                able = [
                    db for db in by_domain[slot.domain] if (db, slot.level, slot.style) not in spent
                ]
                for db_id, share in _spread(num, able, rng):
                    found[db_id].append(needs.wish(slot, share))
    return found


def close_spent(
    coverages: Mapping[Split, Coverage],
    databases: Iterable[Database],
    spent: Collection[tuple[str, str, str]],
) -> None:
    """Closes the slots of domains all of whose databases are spent."""
    homes: defaultdict[tuple[Split, str], list[str]] = defaultdict(list)
    for database in databases:
        for split in SPLITS:
            if database.split in ("", split):
                homes[split, plan_domain(database)].append(database.db_id)
    for (split, domain), db_ids in homes.items():
        plan = coverages[split].plan
        for level, style in product(plan.hardness, plan.style):
            if all((db_id, level, style) in spent for db_id in db_ids):
                coverages[split].close(Slot(domain, level, style))


def wish_parts(wishes: Sequence[Wish], max_rows: int) -> list[list[Wish]]:
    """The wishes cut into parts of about `max_rows` rows each; none for no wishes.

    >>> wish = Wish("easy", "formal", 5, {}, {})
    >>> parts = wish_parts([wish, wish._replace(level="hard", num=2)], 4)
    >>> [[wish.num for wish in part] for part in parts]
    [[3, 1], [2, 1]]
    """
    num_parts = -(-sum(wish.num for wish in wishes) // max_rows)
    found = []
    for part in range(num_parts):
        cut = [
            wish._replace(num=wish.num // num_parts + (part < wish.num % num_parts))
            for wish in wishes
        ]
        found.append([wish for wish in cut if wish.num])
    return found


def _asked(number: int, coverage: Coverage, surplus: float, rng: random.Random) -> dict[Slot, int]:
    """Rows of each slot to ask for in the round."""
    missing = coverage.missing()
    if number >= len(ROUND_ENDS):  # one more: the first may be an earlier row again
        return {slot: ceil(surplus * num) + 1 for slot, num in missing.items()}
    whole = sum(missing.values())
    if number + 1 < len(ROUND_ENDS):
        wanted = ROUND_ENDS[number] * coverage.total - coverage.num_rows
        part = min(1.0, max(0.0, wanted / whole)) if whole else 0.0
    else:
        part = surplus
    slots = list(missing)
    rng.shuffle(slots)
    asked, start, edge = {}, 0, rng.random()
    for slot in slots:
        edge += part * missing[slot]
        if int(edge) > start:
            asked[slot] = int(edge) - start
        start = int(edge)
    return {slot: asked[slot] for slot in missing if slot in asked}


def _spread(num: int, db_ids: Sequence[str], rng: random.Random) -> Iterator[tuple[str, int]]:
    """The rows divided over the databases, those that get one more drawn by lot."""
    if not db_ids:
        return
    share, rest = divmod(num, len(db_ids))
    lucky = set(rng.sample(db_ids, rest))
    for db_id in db_ids:
        if share or db_id in lucky:
            yield db_id, share + (db_id in lucky)
