"""Judging on Ray gives what local workers give, and a clear error where Ray is missing."""

import json
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WORLD_SCRIPT, write_database

from sense.execution import DatabaseError, Limits
from sense.facts import identity, read_facts
from sense.sqlite import engine
from sense.sqlite.engine import map_on_engine
from sense.verdict import Unit, judge_all
from sense.workers import WorkerFailure

ROOT = Path(__file__).parents[1]
CITIES = "SELECT name FROM city"
ENDLESS = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A Ray cluster of two cores on this machine."""
    ray = pytest.importorskip("ray", reason="no Ray; run `pip install 'sense-kit[ray]'`")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_missing_ray_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sense-kit\[ray\]'"):
        list(map_on_engine("ray", len, ["a"], num_workers=1, max_seconds=60))


@pytest.mark.slow
def test_ray_keeps_the_order_of_items_over_blocks_and_windows(
    two_workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_WINDOW", 40)
    words = ["x" * n for n in range(100)]
    results = map_on_engine("ray", len, iter(words), num_workers=0, max_seconds=60)
    assert list(results) == list(range(100))


@pytest.mark.slow
def test_ray_gives_the_judgements_of_local_workers(two_workers: Any, world: Path) -> None:
    units = [
        Unit((str(world),), CITIES, (CITIES, "SELECT nam FROM city", "DROP TABLE city", "")),
        Unit((str(world),), CITIES, (ENDLESS, "SELECT DISTINCT name FROM city")),
        Unit((str(world),), "SELECT nothing FROM city", (CITIES,)),
        *(Unit((str(world),), f"SELECT {n} FROM city", ("SELECT 7 FROM city",)) for n in range(60)),
    ]
    limits = Limits(max_steps=100_000)
    local = list(judge_all(units, ("strict",), limits, num_workers=2))
    on_ray = list(judge_all(units, ("strict",), limits, num_workers=2, engine="ray"))
    assert on_ray == local
    assert [judgement.reason for _, judgements in local[:3] for judgement in judgements] == [
        *("equal", "error", "refused", "error", "limit", "equal", "gold_error")
    ]


@pytest.mark.slow
def test_item_that_kills_its_worker_is_lost_alone_on_ray_too(two_workers: Any) -> None:
    signals = [signal.SIGCHLD, signal.SIGKILL, signal.SIGCHLD]
    results = list(map_on_engine("ray", signal.raise_signal, signals, 2, max_seconds=60))
    assert results == [None, WorkerFailure("crash", "the worker died with exit status -9"), None]


@pytest.mark.slow
def test_error_of_an_item_is_raised_from_ray_too(two_workers: Any, tmp_path: Path) -> None:
    units = [Unit((str(tmp_path / "none.sqlite"),), CITIES, (CITIES,))]
    with pytest.raises(DatabaseError, match=r"no database file at .*none\.sqlite"):
        list(judge_all(units, num_workers=2, engine="ray"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "answers", "options"),
    [
        ("recipes/evaluate.py", "--predictions", ("--rule", "spider")),
        ("builders/weak.py", "--samples", ("--max-pairs", "0")),
    ],
)
def test_scripts_write_the_same_files_with_both_engines(
    two_workers: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    answers: str,
    options: tuple[str, ...],
) -> None:
    write_database(tmp_path / "db" / "world.sqlite", WORLD_SCRIPT)
    file = tmp_path / "answers.jsonl"
    sqls = [CITIES, "SELECT name FROM country", "SELECT COUNT(*) FROM city", "SELEC", CITIES]
    rows = [
        {"db_id": "world", "question": f"Cities {n // 2}?", "gold": CITIES, "pred": sql, "idx": n}
        for n, sql in enumerate(sqls)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("local", "ray"):
        command = [script, answers, file, "--databases", tmp_path / "db", "--engine", name]
        command += ["--num-workers", "2", "--out", tmp_path / name / "out", *options]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        runpy.run_path(str(ROOT / script), run_name="__main__")
    local, on_ray = tmp_path / "local" / "out", tmp_path / "ray" / "out"
    assert contents(on_ray) == contents(local)
    assert identity(read_facts(on_ray)) == identity(read_facts(local))


def contents(folder: Path) -> dict[str, bytes]:
    """What was written, but for the facts of the run."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "facts.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
