"""Official scores alone: the same as beside a verdict, without reading SQL or checking golds."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WORLD_SCRIPT, write_database

from sense.database import database_paths
from sense.execution import DEFAULT_LIMITS, Execution, Limits, execute
from sense.golds.runs import Runs
from sense.inputs.reading import read_predictions
from sense.scores.scoring import Rule, RuleScores, Unit, official_scores, score_all
from sense.verdict import judge_all
from sense.workers import WorkerFailure

CITIES = "SELECT name FROM city"
RULES: tuple[Rule, ...] = ("spider", "spider_distinct", "bird")
ONE_OPCODE_BOMB = "SELECT instr(zeroblob(9000000), zeroblob(4500000) || x'01')"
ANSWERS = (CITIES, "SELECT DISTINCT name FROM city", "SELECT nam FROM city", "", CITIES)


def test_each_rule_scores_each_prediction(world: Path) -> None:
    continents = "SELECT continent FROM country"
    distinct = "SELECT DISTINCT continent FROM country"
    unit = Unit((str(world),), continents, (distinct, "SELEC"))
    assert official_scores(unit, RULES) == [
        {"spider": 1, "spider_distinct": 0, "bird": 1},
        {"spider": 0, "spider_distinct": 0, "bird": 0},
    ]


def test_a_prediction_must_be_right_on_every_database(world: Path, tmp_path: Path) -> None:
    variant = "INSERT INTO city VALUES (9, 'Nice', 'FRA', 342669);"
    other = write_database(tmp_path / "other.sqlite", WORLD_SCRIPT + variant)
    gold = "SELECT count(*) FROM city"
    for paths in ((str(world), str(other)), (str(other), str(world))):
        unit = Unit(paths, gold, ("SELECT 8", "SELECT count(id) FROM city"))
        found = official_scores(unit, ["bird"])
        assert found == [{"bird": 0}, {"bird": 1}]


def test_scores_of_units_are_those_beside_their_verdicts(world: Path) -> None:
    units = [
        Unit((str(world),), CITIES, ANSWERS),
        Unit((str(world),), "SELECT nope FROM city", ANSWERS),
        Unit((str(world),), f"{CITIES} ORDER BY id LIMIT 3", ("SELECT 1; SELECT 2", *ANSWERS)),
    ]
    judged = [[j.scores for j in judgements] for _, judgements in judge_all(units, RULES)]
    assert list(score_all(units, RULES)) == judged
    assert list(score_all(units, RULES, num_workers=0)) == judged


def small_ones_only(
    engine: str, function: Callable[[Unit], Any], units: Iterable[Unit], *limits: float
) -> Iterator[Any]:
    """An engine that loses every unit of several predictions, and the one that is stuck."""
    for unit in units:
        is_lost = len(unit.predicted_sqls) > 1 or "stuck" in unit.predicted_sqls
        yield WorkerFailure("limit", "no answer") if is_lost else function(unit)


def test_a_lost_unit_is_scored_by_its_parts(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sense.scores.scoring.map_on_engine", small_ones_only)
    units = [
        Unit((str(world),), CITIES, (*ANSWERS, "stuck")),
        Unit((str(world),), "stuck", (CITIES, "SELECT 1")),
    ]
    first, second = score_all(units, ["bird"])
    assert [scores["bird"] for scores in first] == [1, 1, 0, 0, 1, None]
    assert second == [{"bird": None}] * 2


@pytest.mark.slow
def test_only_the_stuck_prediction_has_no_score(world: Path) -> None:
    gold = "SELECT count(*) FROM city"
    unit = Unit((str(world),), gold, ("SELECT 8", ONE_OPCODE_BOMB, "SELECT 7"))
    [found] = score_all([unit], ["bird"], Limits(max_seconds=0.5), num_workers=1)
    assert [scores["bird"] for scores in found] == [1, None, 0]


@pytest.mark.parametrize(
    ("sql", "num_runs"),
    [
        (CITIES, 1),
        ("SELECT id FROM city ORDER BY random()", 2),
        ("SELECT julianday('now')", 2),
        ("SELECT current_timestamp", 2),
        ("SELECT name AS date FROM city", 1),
    ],
)
def test_what_may_change_is_run_each_time(
    world: Path, monkeypatch: pytest.MonkeyPatch, sql: str, num_runs: int
) -> None:
    ran: list[str] = []

    def counted(path: str, sql: str, limits: Limits) -> Execution:
        ran.append(sql)
        return execute(path, sql, limits)

    monkeypatch.setattr("sense.golds.runs.execute", counted)
    run = Runs(DEFAULT_LIMITS, sql)
    first, second = (run.official(str(world), sql) for _ in range(2))
    assert (first.status, second.status, ran) == ("ok", "ok", [sql] * num_runs)


def test_scoring_loads_nothing_that_reads_sql(world: Path) -> None:
    program = (
        "import runpy, sys; from sense.scores.scoring import Unit, official_scores; "
        "recipe = runpy.run_path('recipes/evaluate.py'); "
        f"unit = Unit(({str(world)!r},), {CITIES!r}, {ANSWERS!r}); "
        "print([s['spider'] for s in official_scores(unit, ['spider'])]); "
        "heavy = {'sqlglot', 'datasets', 'huggingface_hub', 'jinja2', 'numpy', 'yaml', 'tqdm', "
        "'asyncio'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[1, 1, 0, 0, 1]", "[]"]


@pytest.mark.slow
def test_scores_of_a_published_system_are_those_beside_its_verdicts(shared_data: Path) -> None:
    paths = database_paths(shared_data / "spider" / "database")
    rows = list(read_predictions(shared_data / "predictions" / "codes_1b.jsonl"))[:300]
    units = [Unit((str(paths[p.db_id]),), p.gold, (p.pred,)) for p in rows]
    judged = [j.scores for _, [j] in judge_all(units, RULES, num_workers=2)]
    alone: list[RuleScores] = [scores for [scores] in score_all(units, RULES, num_workers=2)]
    assert alone == judged
