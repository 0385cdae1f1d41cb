"""No query and no file gets out: each attack ends as it must, and nothing is changed or left."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest
from attacks import ATTACKS, BOMBS, LIMITS, STUCK, Attack, ended
from hostile import hostile_files

from sense.execution import WorkerFailure, map_in_workers
from sense.verdict import Unit, judge_all

HARMLESS = Attack("harmless", "SELECT count(*) FROM city", "ok", rows=((8,),))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with hostile_files(tmp_path_factory.mktemp("hostile")) as folder:
        yield folder


def digests(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")}


def children() -> set[str]:
    """Processes that this one has started and not yet buried."""
    lists = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return set(" ".join(lists).split())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_there_are_enough_attacks_and_each_has_a_name() -> None:
    names = [attack.name for attack in [*ATTACKS, *STUCK]]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_ends_as_expected_and_changes_no_file(files: Path, attack: Attack) -> None:
    before = digests(files)
    assert ended(attack, files) == (attack.status, attack.rows)
    assert digests(files) == before
    assert ended(HARMLESS, files) == ("ok", ((8,),))


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="reads processes in Linux's /proc"
)
@pytest.mark.parametrize(
    ("attacks", "max_seconds"), [(ATTACKS, 60.0), (STUCK, 2.0)], ids=["all", "stuck"]
)
def test_batch_of_attacks_loses_no_other_query_and_leaves_nothing_behind(
    files: Path, attacks: list[Attack], max_seconds: float
) -> None:
    before = (digests(files), children(), apsw.memory_used(), resident_bytes())
    items = [item for attack in attacks for item in (attack, HARMLESS)]
    results = list(map_in_workers(partial(ended, folder=files), items, 2, max_seconds))
    assert results[1::2] == [("ok", HARMLESS.rows)] * len(attacks)
    statuses = {
        attack.name: result.status if isinstance(result, WorkerFailure) else result[0]
        for attack, result in zip(attacks, results[::2], strict=True)
    }
    assert statuses == {attack.name: attack.status for attack in attacks}
    assert (digests(files), children(), apsw.memory_used()) == before[:3]
    assert resident_bytes() < before[3] + 50_000_000


@pytest.mark.slow
def test_memory_of_sqlite_is_back_after_the_attacks_of_one_process(files: Path) -> None:
    used = []
    for _ in range(2):  # the first time, files are opened and stay so
        assert {ended(attack, files)[0] for attack in BOMBS} == {"limit"}
        used.append(apsw.memory_used())
    assert used[0] == used[1]


@pytest.mark.slow
def test_every_attack_can_be_judged_as_a_prediction_and_as_gold(files: Path) -> None:
    verdicts = {"refused": "incorrect", "error": "incorrect", "limit": "unknown"}
    attacks = [attack for attack in ATTACKS if attack.status in verdicts]
    paths = [(str(files / f"{attack.database}.sqlite"),) for attack in attacks]
    sqls = [attack.sql.replace("{folder}", str(files)) for attack in attacks]
    units = [Unit(path, "SELECT 8", (sql,)) for path, sql in zip(paths, sqls, strict=True)]
    found = [judgement.verdict for _, [judgement] in judge_all(units, limits=LIMITS, num_workers=2)]
    assert found == [verdicts[attack.status] for attack in attacks]
    units = [Unit(path, sql, ("SELECT 8",)) for path, sql in zip(paths, sqls, strict=True)]
    judged = list(judge_all(units, limits=LIMITS, num_workers=2))
    assert [status for status, _ in judged] == [attack.status for attack in attacks]
    assert {judgement.verdict for _, [judgement] in judged} == {"unknown"}
