"""The strong set made by the grammar: databases -> units of work -> verified examples.

A unit is one database with a quota per level. Units run in worker processes; each is a pure
function of its fields, so a run that was killed ends with the same rows when it is started again.
The plan changes only between rounds: what a database could not give is asked of the others.
"""

import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from tqdm import tqdm

from sense.contamination import Benchmark, contamination, database_words
from sense.coverage.asking import (
    close_spent,
    kept,
    plan_domain,
    round_wishes,
    slot_of,
    wish_parts,
)
from sense.coverage.cells import read_tries
from sense.coverage.coverage import Coverage
from sense.example import HARDNESS_LEVELS, Hardness, Rejected, to_row
from sense.execution import WorkerFailure
from sense.facts import Funnel
from sense.filters import Rejection
from sense.journal import Journal
from sense.prompt import PromptContract
from sense.strong_set.collection import Database
from sense.strong_set.kept import Places, Texts, text_digest
from sense.strong_set.misses import SHOWN_PER_REASON
from sense.strong_set.splits import SPLITS, Split, split_by_template
from sense.strong_set.unit import Quota, Unit, dropped, nothing, run_unit
from sense.workers import worker_pool

Name = TypeVar("Name", bound=str)
Result: TypeAlias = dict[str, Any]
Results: TypeAlias = Iterator[tuple[Unit, Result]]
Run: TypeAlias = Callable[[Iterable[Unit]], Iterator[Result | WorkerFailure]]
Spent: TypeAlias = tuple[str, str, str]
"""A database that gave less than was asked of it, with the level and, with a plan, the style."""
MAX_ROUNDS = 4
MAX_PLANNED_ROUNDS = 14
"""With a plan, whose first rounds ask for a part of the rows each."""
SURPLUS = 1.25
"""What later rounds ask for beyond what is missing, since some of it repeats earlier rows."""
SHARED_SURPLUS = 4.0
"""The same where one database serves both splits: the template decides which of them gets a row."""
UNIT_EXAMPLES = 400
"""More examples of one database are asked of several units."""
MAX_UNIT_SECONDS = 300.0
"""A unit takes seconds; one that takes this long has met a database that it cannot handle."""


class StrongSet:
    """The examples of a run: which are kept, and why the others are not.

    Rows stay in the journal; memory grows by 20 bytes per example.
    """

    def __init__(
        self,
        totals: Mapping[Split, int],
        levels: Mapping[Hardness, float],
        journal: Journal,
        coverages: Mapping[Split, Coverage] | None = None,
        benchmarks: Sequence[Benchmark] = (),
    ) -> None:
        """totals: examples wanted per split; levels: their shares by hardness.

        coverages: of each split, where a plan divides the rows instead of the levels alone;
        benchmarks: what no row may be like.
        """
        self.journal = journal
        self._benchmarks = benchmarks
        self.coverages = coverages or {}
        self.funnel = Funnel("grammar", unit="candidates")
        self.kept: dict[Split, Places] = {split: Places() for split in SPLITS}
        self.missing: dict[Split, Counter[Hardness]] = {
            split: Counter(shares(total, levels)) for split, total in totals.items()
        }
        self.digests: dict[str, str] = {}
        """`db_sha256` of the databases that the kept rows use."""
        self.faults: dict[str, str] = {}
        """Databases that failed in use, with the reason."""
        self._totals = dict(totals)
        self._test_share = totals["test"] / max(1, sum(totals.values()))
        self.texts = Texts()
        """Of the rows that were kept."""
        self._units: list[Unit] = []
        # per unit the positions of rows that were dropped here, the first few for each reason
        self._dropped: dict[str, list[tuple[int, Rejection]]] = {}

    def add(self, unit: Unit, result: Mapping[str, Any]) -> Counter[tuple[str, str]]:
        """Takes what a finished unit gave, which the journal holds.

        Returns how many it gave, kept or not, by level, and by level and style: ("easy", "") and
        ("easy", "formal").
        """
        if result["fault"]:
            self.faults[unit.database.db_id] = result["fault"]
        self._units.append(unit)
        for reason, num in result["rejected"].items():
            self.funnel.drop(reason, num)
        for split, coverage in self.coverages.items():
            if unit.database.split in ("", split):
                coverage.note(plan_domain(unit.database), read_tries(result["tries"]))
        given: Counter[tuple[str, str]] = Counter()
        dropped_here: list[tuple[int, Rejection]] = []
        for index, row in enumerate(result["rows"]):
            given[row["hardness"], ""] += 1
            given[row["hardness"], row["style"]] += 1
            split = unit.database.split or self._template_split(row["sql"])
            digests = {"question": text_digest(row["question"]), "sql": text_digest(row["sql"])}
            if why := self._objection(unit.database, split, row, digests):
                self.funnel.drop(why.reason)
                dropped_here.append((index, why))
                continue
            for digest in digests.values():
                self.texts.add(row["db_id"], digest)
            self.digests[row["db_id"]] = row["db_sha256"]
            self.missing[split][row["hardness"]] -= 1
            if self.coverages:
                self.coverages[split].add(kept(row))
            self.kept[split].add(unit.key, index)
            self.funnel.keep()
        if shown := _first_of_each_reason(dropped_here):
            self._dropped[unit.key] = shown
        return given

    def _objection(
        self,
        database: Database,
        split: Split,
        row: Mapping[str, Any],
        digests: Mapping[str, int],
    ) -> Rejection | None:
        for what, digest in digests.items():
            if self.texts.has(row["db_id"], digest):
                return Rejection(f"duplicate_{what}")
        if overlap := self._overlap(database, row):
            return overlap
        return None if self._has_room(split, row) else Rejection("beyond_quota")

    def _overlap(self, database: Database, row: Mapping[str, Any]) -> Rejection | None:
        if not self._benchmarks:
            return None
        words = database_words(database.path)
        return contamination(row["question"], row["sql"], words, self._benchmarks)

    def refit(self, databases: Sequence[Database], spent: set[Spent]) -> None:
        """Lets the plan, if there is one, follow the round that is over."""
        if self.coverages:
            close_spent(self.coverages, databases, spent)
        for split, coverage in self.coverages.items():
            coverage.refit()
            self.missing[split] = Counter()
            for slot, num in coverage.missing().items():
                self.missing[split][slot.level] += num  # type: ignore[index]

    def reminded(self, units: Sequence[Unit]) -> list[Unit]:
        """The units with what the set has of their databases by now, held once per database."""
        earlier = {
            db_id: array("Q", self.texts.of(db_id))
            for db_id in {unit.database.db_id for unit in units}
        }
        return [unit._replace(earlier=earlier[unit.database.db_id]) for unit in units]

    def lacking(self, split: Split) -> dict[str, int]:
        """Rows that were asked for and not found, by level; they sum to what the split lacks.

        `any level`: those that the databases cannot give at any place of the plan. A level that
        others stand in for is no lack: the shares of the plan's report show it.
        """
        rest = self._totals[split] - len(self.kept[split])
        found: dict[str, int] = {}
        for level, num in self.missing[split].items():
            if (lack := min(num, rest)) > 0:
                found[level] = lack
                rest -= lack
        return found | ({"any level": rest} if rest > 0 else {})

    def _has_room(self, split: Split, row: Mapping[str, Any]) -> bool:
        if self.coverages:
            return self.coverages[split].has_room(slot_of(row))
        return self.missing[split][row["hardness"]] > 0

    def rejected(self, split: Split) -> Iterator[dict[str, Any]]:
        """Rows of config `rejected`: the first few that a unit dropped for each reason."""
        for unit in self._units:
            if unit.database.split not in ("", split):
                continue
            result = self.journal[unit.key]
            found = [Rejected(**values) for values in result["shown"]]
            for index, why in self._dropped.get(unit.key, ()):
                found.append(dropped(unit, index, result["rows"][index], why))
            for rejected in found:
                if split == (unit.database.split or self._template_split(rejected.sql)):
                    yield to_row(rejected)

    def _template_split(self, sql: str) -> Split:
        return split_by_template(sql, self._test_share)

    def rows(self, split: Split) -> Iterator[dict[str, Any]]:
        """The dataset rows of a split, in the order of the plan."""
        for key, positions in self.kept[split]:
            unit_rows = self.journal[key]["rows"]
            yield from (unit_rows[position] for position in positions)


def _first_of_each_reason(
    dropped_rows: Sequence[tuple[int, Rejection]],
) -> list[tuple[int, Rejection]]:
    """The first few for each reason but `beyond_quota`, which says nothing about a row."""
    counts: Counter[str] = Counter(beyond_quota=SHOWN_PER_REASON)
    shown = []
    for index, why in dropped_rows:
        counts[why.reason] += 1
        if counts[why.reason] <= SHOWN_PER_REASON:
            shown.append((index, why))
    return shown


def make_examples(
    strong: StrongSet,
    databases: Sequence[Database],
    contract: PromptContract,
    seed: int,
    num_workers: int,
) -> None:
    """Runs rounds of units until the set is full or the databases hold no more."""
    with worker_pool(run_unit, num_workers, MAX_UNIT_SECONDS) as run_units:
        spent: set[Spent] = set()
        for number in range(MAX_PLANNED_ROUNDS if strong.coverages else MAX_ROUNDS):
            if strong.coverages:
                units = planned_round(number, strong.coverages, databases, spent, contract, seed)
            else:
                units = plan_round(number, strong.missing, databases, spent, contract, seed)
            units = strong.reminded(units)
            for unit, result in _results(units, strong.journal, run_units, f"round {number + 1}"):
                given = strong.add(unit, result)
                spent |= {
                    (unit.database.db_id, *asked)
                    for asked, num in _asked(unit).items()
                    if given[asked] < num
                }
            strong.refit(databases, spent)
            if not units and not strong.coverages:  # a plan may ask for less than a row in a round
                return
            if not any(count for found in strong.missing.values() for count in found.values()):
                return


def _results(units: Sequence[Unit], journal: Journal, run_units: Run, desc: str) -> Results:
    """The units with what they give, in their order: from the journal, or worked out and kept."""
    waiting = [unit for unit in units if unit.key not in journal]
    found = tqdm(run_units(waiting), desc=desc, total=len(waiting), unit="database")
    results = zip(waiting, found, strict=True)
    for unit in units:
        if unit.key in journal:
            yield unit, journal[unit.key]
            continue
        _, result = next(results)
        if isinstance(result, WorkerFailure):
            result = nothing(f"database_{result.status}")
        journal.put(unit.key, result)
        yield unit, result
    assert next(results, None) is None  # this reads them to their end


def plan_round(
    number: int,
    missing: Mapping[Split, Mapping[Hardness, int]],
    databases: Sequence[Database],
    spent: set[Spent],
    contract: PromptContract,
    seed: int,
) -> list[Unit]:
    """The units of a round: what is missing, spread evenly over the databases not yet spent.

    spent: databases that gave less of a level than was asked of them.
    """
    quotas: dict[str, Quota] = defaultdict(dict)
    for split in {database.split for database in databases}:
        for level in HARDNESS_LEVELS:
            open_ids = [
                database.db_id
                for database in databases
                if database.split == split and (database.db_id, level, "") not in spent
            ]
            wanted = sum(counts[level] for name, counts in missing.items() if split in ("", name))
            if not wanted or not open_ids:
                continue
            if number:
                wanted = round(wanted * (SURPLUS if split else SHARED_SURPLUS))
            order = random.Random(f"{seed} {number} {split} {level}").sample(
                open_ids, len(open_ids)
            )
            for db_id, share in zip(order, spread(wanted, len(order)), strict=True):
                if share:
                    quotas[db_id][level] = share
    return [
        Unit(number, part, database, quota, seed, contract)
        for database in databases
        for part, quota in enumerate(parts(quotas[database.db_id], UNIT_EXAMPLES))
    ]


def _asked(unit: Unit) -> Counter[tuple[str, str]]:
    """Examples asked of the unit by level, or by level and style, as `StrongSet.add` counts."""
    asked: Counter[tuple[str, str]] = Counter()
    for wish in unit.wishes:
        asked[wish.level, wish.style] += wish.num
    return asked or Counter({(level, ""): num for level, num in unit.quota.items()})


def planned_round(
    number: int,
    coverages: Mapping[Split, Coverage],
    databases: Sequence[Database],
    spent: set[Spent],
    contract: PromptContract,
    seed: int,
) -> list[Unit]:
    """The units of a round that steers towards a plan."""
    wishes = round_wishes(number, coverages, databases, spent, seed)
    units = []
    for database in databases:
        for part, cut in enumerate(wish_parts(wishes.get(database.db_id, ()), UNIT_EXAMPLES)):
            quota: Counter[Hardness] = Counter()
            for wish in cut:
                quota[wish.level] += wish.num
            units.append(Unit(number, part, database, quota, seed, contract, tuple(cut)))
    return units


def shares(total: int, levels: Mapping[Name, float]) -> dict[Name, int]:
    """`total` divided by the shares, which need not sum to 1; the sum is exactly `total`.

    >>> shares(10, {"easy": 1, "medium": 2})
    {'easy': 3, 'medium': 7}
    """
    whole = sum(levels.values())
    quota: dict[Name, int] = {}
    start, edge = 0, 0.0
    for level, share in levels.items():
        edge += total * share / whole
        quota[level] = round(edge) - start
        start = round(edge)
    return quota


def spread(total: int, num_parts: int) -> list[int]:
    """`total` as `num_parts` integers that differ by at most one, the larger ones first.

    >>> spread(7, 3)
    [3, 2, 2]
    """
    share, rest = divmod(total, num_parts)
    return [share + (part < rest) for part in range(num_parts)]


def parts(quota: Mapping[Hardness, int], max_examples: int) -> list[Quota]:
    """The quota cut into parts of about `max_examples` each; none for an empty one.

    >>> parts({"easy": 5, "hard": 2}, 4)
    [{'easy': 3, 'hard': 1}, {'easy': 2, 'hard': 1}]
    """
    num_parts = -(-sum(quota.values()) // max_examples)
    if not num_parts:
        return []
    columns = {level: spread(total, num_parts) for level, total in quota.items()}
    return [
        {level: column[part] for level, column in columns.items() if column[part]}
        for part in range(num_parts)
    ]
