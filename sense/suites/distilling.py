"""Few variants of a database that tell its golds from near misses, chosen from many at random.

After Zhong et al. 2020, section 3: a variant is kept if it separates a gold from a near miss that
the instances so far, the original included, cannot tell from it. Each near miss gets several
variants where there are such, also where the original separates it, because that separates other
mistakes too. One that is proved equal to gold is none.

Before that each database gets a few harsh variants that all its golds use, whatever they separate:
NULLs and values near every literal. They find mistakes of kinds that no near miss has.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sense.execution import execute
from sense.facts import file_sha256
from sense.proofs.proof import is_proved
from sense.schema import read_schema
from sense.suite import INDEX_FILE
from sense.suites.material import Material, Place, read_material
from sense.suites.near_misses import LIMITS, mutation_values, near_misses, separated
from sense.suites.variants import draw_harsh_recipe, make_variant

FORMAT = 3
"""Counts up when the same settings give another suite, so that older folders are made again."""
BATCH = 8
"""Variants of which the best is taken first."""
HARSH_TURNS = 3
"""Harsh variants that share the golds' literals between them: one with all of them would have few
rows for each."""


@dataclass(frozen=True)
class DistilSettings:
    """What decides a suite beside the database and its golds."""

    seed: int = 0
    max_variants: int = 400
    """Variants that are tried per database."""
    num_covers: int = 5
    """Variants that should separate each near miss, whether or not the original does."""
    num_double_edits: int = 24
    """Near misses of two edits per gold, beside all those of one."""
    num_harsh: int = 6
    """Variants per database that are kept in any case, for all golds."""


class SuiteJob(NamedTuple):
    """One database whose suite is to be made."""

    db_id: str
    db_path: str
    golds: tuple[str, ...]
    """Distinct."""
    out: str
    """Folder of the whole suite."""
    settings: DistilSettings


class NearMiss(NamedTuple):
    """A query that is nearly gold."""

    gold: int
    """Place of the gold among those of its database."""
    sql: str


class Instance(NamedTuple):
    """A variant that is kept."""

    number: int
    """Which of the harsh variants, or of those that were tried."""
    data: bytes
    """The SQLite file."""
    golds: frozenset[int]
    """Those that use it: it separates them from a near miss, or it is harsh and they run."""


class Distilled(NamedTuple):
    """The variants of one database."""

    instances: tuple[Instance, ...]
    by_original: frozenset[int]
    """Near misses that the original separates; those that do not run are among them."""
    by_variants: frozenset[int]
    """Further ones that variants separate."""
    equal: frozenset[int]
    """Those that are proved equal to gold, for which no variant is looked for."""


class MadeSuite(NamedTuple):
    """What became of a job."""

    content: dict[str, Any]
    """Of `index.json`."""
    is_new: bool
    """False if the folder held it already."""


def make_database_suite(job: SuiteJob) -> MadeSuite:
    """Makes the suite of one database, unless the folder holds it. Raises DatabaseError."""
    folder = Path(job.out, job.db_id)
    key = _key(job)
    if (folder / INDEX_FILE).is_file():
        known: dict[str, Any] = json.loads((folder / INDEX_FILE).read_text("utf-8"))
        if known.get("key") == key:
            return MadeSuite(known, is_new=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{job.db_id}.", dir=job.out) as name:
        draft = Path(name, job.db_id)
        draft.mkdir()
        index = {"key": key, **_write_suite(job, draft, Path(name))}
        text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
        (draft / INDEX_FILE).write_text(text, "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        draft.replace(folder)
    return MadeSuite(index, is_new=True)


def distil(
    db_path: str | Path,
    golds: Sequence[str],
    misses: Sequence[NearMiss],
    material: Material,
    settings: DistilSettings,
    folder: Path,
) -> Distilled:
    """Variants that separate the near misses; the same arguments give the same ones.

    folder: a place for files that are removed again. Raises DatabaseError.
    """
    everything = range(len(misses))
    left = dict.fromkeys(everything, settings.num_covers)
    wanted = _Wanted(misses, left, settings.num_covers, set(everything))
    by_original = frozenset(separated(db_path, golds, wanted.by_gold()))
    wanted.unseparated -= by_original
    equal: frozenset[int] = frozenset()
    instances: list[Instance] = []
    running = frozenset(
        n for n, gold in enumerate(golds) if execute(db_path, gold, LIMITS).status == "ok"
    )
    for n in range(settings.num_harsh if running else 0):
        data = _harsh_variant(material, settings.seed, n)
        wanted.take(_separated_by(data, wanted, golds, folder))
        instances.append(Instance(n, data, running))
    for start in range(0, settings.max_variants, BATCH):
        if start == BATCH:  # few are left by now, and a proof takes as long as many variants
            equal = frozenset(
                number
                for number in wanted.unseparated
                if is_proved(db_path, golds[misses[number].gold], misses[number].sql)
            )
            wanted.drop(equal)
        numbers = range(start, min(start + BATCH, settings.max_variants))
        tried = [_try(wanted, golds, material, settings.seed, n, folder) for n in numbers]
        while tried:
            best = max(tried, key=lambda trial: (wanted.gain(trial.separated), -trial.number))
            if not wanted.gain(best.separated):
                break
            tried.remove(best)
            useful = frozenset(misses[i].gold for i in wanted.take(best.separated))
            instances.append(Instance(best.number, best.data, useful))
    by_variants = frozenset(everything) - by_original - equal - wanted.unseparated
    return Distilled(tuple(instances), by_original, by_variants, equal)


class _Trial(NamedTuple):
    number: int
    data: bytes
    separated: set[int]


@dataclass
class _Wanted:
    """How many variants each near miss still wants."""

    misses: Sequence[NearMiss]
    left: dict[int, int]
    """Near miss -> variants, for those that want any."""
    num_covers: int
    unseparated: set[int]

    def by_gold(self) -> dict[int, dict[int, str]]:
        grouped: dict[int, dict[int, str]] = {}
        for number in self.left:
            miss = self.misses[number]
            grouped.setdefault(miss.gold, {})[number] = miss.sql
        return grouped

    def gain(self, separated: set[int]) -> int:
        """What a variant helps; a first separation counts as much as all further ones together."""
        return sum(
            self.num_covers if number in self.unseparated else 1
            for number in separated
            if number in self.left
        )

    def drop(self, numbers: frozenset[int]) -> None:
        """Ask for no variants of these."""
        self.unseparated -= numbers
        for number in numbers:
            del self.left[number]

    def take(self, separated: set[int]) -> list[int]:
        """The near misses that wanted the variant."""
        useful = sorted(separated & self.left.keys())
        self.unseparated.difference_update(useful)
        for number in useful:
            self.left[number] -= 1
            if not self.left[number]:
                del self.left[number]
        return useful


def _try(
    wanted: _Wanted,
    golds: Sequence[str],
    material: Material,
    seed: int,
    number: int,
    folder: Path,
) -> _Trial:
    """A variant and what it separates; every other one has a gold in focus that wants variants."""
    by_gold = wanted.by_gold()
    places = sorted(by_gold)
    focus = material.focuses[places[number // 2 % len(places)]] if number % 2 and places else None
    data = make_variant(material, f"{seed} {number}", focus)
    return _Trial(number, data, _separated_by(data, wanted, golds, folder))


def _harsh_variant(material: Material, seed: int, number: int) -> bytes:
    """A variant with NULLs and the values near the literals of every third query."""
    focus: dict[Place, tuple[Any, ...]] = {}
    turns = min(HARSH_TURNS, len(material.focuses))
    for one in material.focuses[number % turns :: turns]:
        for place, values in one.items():
            focus[place] = tuple(dict.fromkeys([*focus.get(place, ()), *values]))
    return make_variant(material, f"{seed} harsh {number}", focus, draw_harsh_recipe)


def _separated_by(data: bytes, wanted: _Wanted, golds: Sequence[str], folder: Path) -> set[int]:
    """The near misses in want of variants that differ from their gold on the database."""
    path = folder / f"{hashlib.sha256(data).hexdigest()}.sqlite"
    path.write_bytes(data)
    os.utime(path, (0, 0))  # see `sense.sqlite.connection`: just written is reopened
    try:
        return separated(path, golds, wanted.by_gold())
    finally:
        path.unlink()


def _key(job: SuiteJob) -> str:
    """SHA-256 of all that decides the suite."""
    parts = [FORMAT, file_sha256(job.db_path), job.golds, asdict(job.settings)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write_suite(job: SuiteJob, draft: Path, scratch: Path) -> dict[str, Any]:
    """The index without its key; writes the instances."""
    material = read_material(job.db_path, job.golds)
    schema, values, settings = read_schema(job.db_path), mutation_values(material), job.settings
    misses = [
        NearMiss(gold, sql)
        for gold, gold_sql in enumerate(job.golds)
        for sql in near_misses(gold_sql, schema, values, settings.num_double_edits, settings.seed)
    ]
    distilled = distil(job.db_path, job.golds, misses, material, settings, scratch)
    files = [draft / f"{job.db_id}.sqlite"]
    shutil.copyfile(job.db_path, files[0])
    for n, instance in enumerate(distilled.instances, start=1):
        files.append(draft / f"{n}.sqlite")
        files[-1].write_bytes(instance.data)
    return {
        "db_id": job.db_id,
        "settings": asdict(settings),
        "instances": [{"file": path.name, "sha256": file_sha256(path)} for path in files],
        "golds": {sql: _gold_entry(gold, misses, distilled) for gold, sql in enumerate(job.golds)},
    }


def _gold_entry(
    gold: int, misses: Sequence[NearMiss], distilled: Distilled
) -> dict[str, int | list[int]]:
    own = {number for number, miss in enumerate(misses) if miss.gold == gold}
    used = [n for n, instance in enumerate(distilled.instances, start=1) if gold in instance.golds]
    return {
        "instances": [0, *used],
        "near_misses": len(own - distilled.equal),
        "by_original": len(own & distilled.by_original),
        "by_variants": len(own & distilled.by_variants),
    }
