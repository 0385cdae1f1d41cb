"""Verdicts with reasons and witnesses, the official scores beside them, and the reward."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import write_database

from sense.execution import Limits
from sense.verdict import Judgement, Rule, Unit, execution_reward, judge, judge_all
from sense.workers import WorkerFailure

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
OPEN = ("unknown", "undefined")
ONE_OPCODE_BOMB = "SELECT instr(zeroblob(9000000), zeroblob(4500000) || x'01')"


def judged(path: Path, gold: str, predicted: str) -> Judgement:
    _, [judgement] = judge(Unit((str(path),), gold, (predicted,)), limits=Limits(10_000_000))
    return judgement


@pytest.mark.parametrize(
    ("gold", "predicted", "verdict", "reason", "witness"),
    [
        ("SELECT count(*) FROM city", "SELECT count(id) FROM city;", "correct", "equal", None),
        ("SELECT id FROM city", "SELECT id FROM city ORDER BY 1 DESC", "correct", "equal", None),
        (
            "SELECT name FROM country WHERE continent = 'Africa'",
            "SELECT name FROM country WHERE population < 100000",
            "incorrect",
            "differs",
            {"only_in": "gold", "row": ["Nigeria"], "gold_rows": 2, "predicted_rows": 1},
        ),
        (
            "SELECT continent FROM country",
            "SELECT DISTINCT continent FROM country",
            "incorrect",
            "differs",
            {"only_in": "gold", "row": ["Asia"], "gold_rows": 6, "predicted_rows": 3},
        ),
        (
            "SELECT name FROM country",
            "SELECT name, code FROM country",
            "incorrect",
            "differs",
            {
                "only_in": "gold",
                "row": ["China"],
                "gold_rows": 6,
                "predicted_rows": 6,
                "gold_columns": 1,
                "predicted_columns": 2,
            },
        ),
        (
            "SELECT name FROM country ORDER BY population",
            "SELECT name FROM country ORDER BY population DESC",
            "incorrect",
            "row_order",
            {"row_number": 1, "gold": ["Seychelles"], "predicted": ["China"]},
        ),
        (
            "SELECT name FROM country ORDER BY continent",
            "SELECT name FROM country ORDER BY continent, name DESC",
            "correct",
            "equal",
            None,
        ),
        (
            "SELECT DISTINCT name FROM city ORDER BY country_code, id",
            "SELECT DISTINCT name FROM city ORDER BY country_code DESC, id DESC",
            "unknown",
            "row_order",
            {"row_number": 1, "gold": ["Shanghai"], "predicted": ["Victoria"]},
        ),
        (
            "SELECT name, code FROM country",
            "SELECT code, name FROM country",
            "unknown",
            "column_order",
            {"row_number": 1, "gold": ["China", "CHN"], "predicted": ["CHN", "China"]},
        ),
        (
            "SELECT name FROM city",
            "SELECT nme FROM city",
            "incorrect",
            "error",
            {"error": "no such column: nme"},
        ),
        (
            "SELECT name FROM city",
            "DELETE FROM city",
            "incorrect",
            "refused",
            {"error": "only reading is allowed, not DELETE city"},
        ),
        (
            "SELECT name FROM city",
            ENDLESS,
            "unknown",
            "limit",
            {"error": "more than 10,000,000 steps"},
        ),
        ("SELECT name FROM city", "SELECT random()", "unknown", "random", None),
        ("SELECT id FROM city", "SELECT name FROM city WHERE date() > 1", "unknown", "time", None),
        (
            "SELECT name FROM city",
            "SELECT nme FROM city WHERE date('now') > '2000'",
            "incorrect",
            "error",
            {"error": "no such column: nme"},
        ),
        ("SELECT id FROM city WHERE id > 99", "SELECT x FROM city", "unknown", "gold_empty", None),
        ("SELECT name FROM country LIMIT 1", "SELECT 'China'", "unknown", "gold_order", None),
        ("SELECT nope FROM city", "SELECT nope FROM city", "unknown", "gold_error", None),
        (
            "SELECT x'00ff', 1e999, name FROM city WHERE id = 1",
            "SELECT NULL, 1, 2",
            "incorrect",
            "differs",
            {
                "only_in": "gold",
                "row": ["x'00ff'", "inf", "Shanghai"],
                "gold_rows": 1,
                "predicted_rows": 1,
            },
        ),
    ],
)  # fmt: skip
def test_verdict_has_its_reason_and_witness(
    world: Path,
    gold: str,
    predicted: str,
    verdict: str,
    reason: str,
    witness: dict[str, Any] | None,
) -> None:
    judgement = judged(world, gold, predicted)
    assert judgement[:2] == (verdict, reason)
    assert (json.loads(judgement.witness) if judgement.witness else None) == witness
    assert judgement.scores == {"strict": int(verdict == "correct")}


@pytest.fixture
def instances(tmp_path: Path) -> tuple[str, ...]:
    """Four databases of one schema: empty, one row, ties, and a telling one."""
    scripts = {
        "empty": "",
        "one": "INSERT INTO t VALUES (1, 'x');",
        "ties": "INSERT INTO t VALUES (1, 'x'), (1, 'y');",
        "telling": "INSERT INTO t VALUES (1, 'x'), (2, 'y');",
    }
    return tuple(
        str(write_database(tmp_path / f"{name}.sqlite", "CREATE TABLE t(a, b);" + script))
        for name, script in scripts.items()
    )


def test_prediction_must_be_right_wherever_gold_can_judge(instances: tuple[str, ...]) -> None:
    unit = Unit(
        instances,
        "SELECT b FROM t ORDER BY a DESC LIMIT 1",
        ("SELECT b FROM t", "SELECT max(b) FROM t", "SELECT b FROM t ORDER BY a DESC LIMIT 1"),
    )
    status, (all_rows, null_row, same) = judge(unit)
    assert status == "ok"
    assert (all_rows.verdict, json.loads(all_rows.witness)["database"]) == (
        "incorrect",
        "telling.sqlite",
    )
    # max(b) of the empty table is a row with NULL, gold gives none: an empty gold can refute
    assert (null_row.verdict, json.loads(null_row.witness)["database"]) == (
        "incorrect",
        "empty.sqlite",
    )
    assert same.verdict == "correct"


def test_gold_that_judges_nowhere_leaves_all_unknown(instances: tuple[str, ...]) -> None:
    status, judgements = judge(Unit(instances[:1], "SELECT b FROM t", ("SELECT b FROM t", "x")))
    assert status == "empty"
    assert [j[:2] for j in judgements] == [("unknown", "gold_empty")] * 2


def test_an_empty_gold_and_an_open_one_leave_all_unknown(instances: tuple[str, ...]) -> None:
    empty, _, ties, _ = instances
    unit = Unit((empty, ties), "SELECT b FROM t ORDER BY a DESC LIMIT 1", ("SELECT 'z'",))
    alone = Judgement("unknown", "gold_empty", "", {"strict": 0})
    assert judge(unit) == ("empty", [alone._replace(alone=alone)])
    unit = unit._replace(db_paths=(ties, empty))
    assert judge(unit)[1][0].reason == "gold_order"


def test_a_database_where_gold_is_open_is_left_out(instances: tuple[str, ...]) -> None:
    _, one, ties, telling = instances
    gold = "SELECT b FROM t ORDER BY a LIMIT 1"
    nothing_on_ties = "SELECT b FROM t WHERE a = 1 GROUP BY a HAVING count(*) = 1"
    unit = Unit((one, ties, telling), gold, (nothing_on_ties,))
    assert judge(unit)[1][0].verdict == "correct"


@pytest.mark.parametrize(
    ("gold", "predicted", "witness"),
    [
        (
            "SELECT name FROM country WHERE continent = 'Asia' AND population > 1200000000",
            "SELECT name FROM country LIMIT 1",
            {"reading": "shuffled", "row": ["China"]},
        ),
        (
            "SELECT name FROM city WHERE id IN (1, 8)",
            "SELECT name FROM city WHERE country_code = (SELECT code FROM country)",
            {"reading": "shuffled", "row": ["Shanghai"]},
        ),
        (
            "SELECT name FROM country ORDER BY continent, code",
            "SELECT name FROM country ORDER BY continent",
            {"reading": "shuffled", "row_number": 1},
        ),
        (
            "SELECT name FROM city ORDER BY id",
            "SELECT name FROM city",
            {"reading": "shuffled", "row_number": 1},
        ),
    ],
)
def test_a_prediction_that_is_right_by_the_order_of_rows_alone_is_unknown(
    world: Path, gold: str, predicted: str, witness: dict[str, Any]
) -> None:
    judgement = judged(world, gold, predicted)
    assert judgement[:2] == ("unknown", "undefined")
    assert json.loads(judgement.witness).items() >= witness.items()


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        ("SELECT max(population) FROM city", "SELECT population FROM city ORDER BY 1 DESC LIMIT 1"),
        ("SELECT continent FROM country ORDER BY 1", "SELECT continent FROM country ORDER BY 1"),
        # gold ties as well, and the tied rows may come in any order
        (
            "SELECT name FROM country ORDER BY continent",
            "SELECT T1.name FROM country AS T1 ORDER BY T1.continent",
        ),
        (
            "SELECT code, name FROM country GROUP BY code",
            "SELECT code, name FROM country GROUP BY code, name",
        ),
    ],
)
def test_a_prediction_that_is_defined_on_these_rows_is_correct(
    world: Path, gold: str, predicted: str
) -> None:
    assert judged(world, gold, predicted)[:2] == ("correct", "equal")


def test_an_open_prediction_whose_result_differs_is_incorrect(world: Path) -> None:
    judgement = judged(
        world,
        "SELECT name FROM country WHERE continent = 'Europe'",
        "SELECT name FROM country ORDER BY length(code) LIMIT 1",
    )
    assert judgement[:2] == ("incorrect", "differs")


@pytest.mark.parametrize(
    ("predicted", "verdict", "reason"),
    [
        ("SELECT name FROM pet GROUP BY name", "correct", "equal"),
        ("SELECT DISTINCT name FROM (SELECT * FROM pet ORDER BY age LIMIT 9)", *OPEN),
        ("SELECT max(name) FROM pet", "incorrect", "differs"),
        ("SELECT DISTINCT age FROM pet", "incorrect", "differs"),
    ],
)
def test_a_prediction_that_returns_another_spelling_of_equal_texts_is_not_incorrect(
    tmp_path: Path, predicted: str, verdict: str, reason: str
) -> None:
    # read forwards, backwards and shuffled, the first spelling is the same
    path = write_database(
        tmp_path / "pets.sqlite",
        """
        CREATE TABLE pet(name COLLATE NOCASE, age);
        INSERT INTO pet VALUES ('Rex', 2), ('REX', 1), ('Rex', 3), ('Rex', 4),
            ('Rex', 5), ('Rex', 6), ('Ada', 7);
        """,
    )
    unit = Unit((str(path),), "SELECT DISTINCT name FROM pet", (predicted,))
    status, [judgement] = judge(unit)
    assert (status, *judgement[:2]) == ("ok", verdict, reason)


def test_one_database_where_a_prediction_is_open_spoils_its_agreement(
    instances: tuple[str, ...],
) -> None:
    _, one, ties, telling = instances
    gold, predicted = "SELECT min(b) FROM t", "SELECT b FROM t ORDER BY a LIMIT 1"
    assert judge(Unit((one, telling), gold, (predicted,)))[1][0].verdict == "correct"
    [judgement] = judge(Unit((one, ties, telling), gold, (predicted,)))[1]
    assert judgement[:2] == ("unknown", "undefined")
    assert json.loads(judgement.witness)["database"] == "ties.sqlite"


def test_a_gold_is_checked_again_when_its_file_changes(world: Path) -> None:
    gold = "SELECT name FROM city WHERE id = 1"
    os.utime(world, (1, 1))  # a file that rests
    assert judged(world, gold, "SELECT 'Shanghai'").verdict == "correct"
    with closing(sqlite3.connect(world)) as connection:
        connection.execute("UPDATE city SET name = 'Jinan' WHERE id = 1")
        connection.commit()
    assert judged(world, gold, "SELECT 'Jinan'").verdict == "correct"


def test_official_rules_stand_beside_the_verdict(world: Path) -> None:
    gold = "SELECT DISTINCT continent, 1 FROM country"
    predicted = "SELECT 1, continent FROM country"
    _, [judgement] = judge(
        Unit((str(world),), gold, (predicted,)), rules=("spider", "bird", "strict")
    )
    assert judgement.verdict == "incorrect"
    assert judgement.scores == {"spider": 1, "bird": 0, "strict": 0}


def test_official_rules_run_a_query_under_comments(world: Path) -> None:
    gold = "SELECT name FROM city"
    predicted = (f"/* all */ {gold}", f"-- all\n{gold}", f"/* all */ ; {gold} /* end */", "/* all")
    _, judgements = judge(Unit((str(world),), gold, predicted), rules=("bird",))
    assert [judgement.scores["bird"] for judgement in judgements] == [1, 1, 1, 0]


@pytest.mark.slow
def test_units_are_judged_in_order_and_only_the_stuck_prediction_is_lost(world: Path) -> None:
    gold = "SELECT count(*) FROM city"
    units = [
        Unit((str(world),), gold, ("SELECT 8", "SELECT 9")),
        Unit((str(world),), gold, ("SELECT 8", ONE_OPCODE_BOMB, "SELECT 7")),
        Unit((str(world),), ONE_OPCODE_BOMB, ("SELECT 8",)),
        Unit((str(world),), gold, ()),
        Unit((str(world),), gold, ("SELECT 7",)),
    ]
    limits = Limits(max_seconds=0.5)
    results = list(judge_all(units, rules=("strict", "bird"), limits=limits, num_workers=1))
    assert [status for status, _ in results] == ["ok", "ok", "limit", "ok", "ok"]
    assert [[j.reason for j in judgements] for _, judgements in results] == [
        ["equal", "differs"],
        ["equal", "limit", "differs"],
        ["gold_limit"],
        [],
        ["differs"],
    ]
    assert results[1][1][1].scores == {"strict": 0, "bird": 0}


def test_a_unit_that_is_lost_for_its_size_is_judged_by_its_parts(
    instances: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def small_ones_only(
        engine: str, function: Callable[[Unit], Any], units: Iterable[Unit], *limits: float
    ) -> Iterator[Any]:
        for unit in units:
            is_small = len(unit.db_paths) == 1 and len(unit.predicted_sqls) < 2
            yield function(unit) if is_small else WorkerFailure("limit", "more than 90 seconds")

    monkeypatch.setattr("sense.verdict.map_on_engine", small_ones_only)
    gold = "SELECT b FROM t ORDER BY a DESC LIMIT 1"
    predicted: tuple[str, ...] = (
        gold,
        "SELECT b FROM t",
        "SELECT max(b) FROM t",
        "SELECT c FROM t",
        gold,
    )
    predicted += ("SELECT b FROM t WHERE a = (SELECT max(a) FROM t)",)
    rules: tuple[Rule, ...] = ("spider", "strict", "bird")
    units = [
        Unit(instances, gold, predicted),
        Unit(instances[:2], "SELECT nope FROM t", predicted),
        Unit(instances[:1], gold, predicted),
    ]
    assert list(judge_all(units, rules)) == [judge(unit, rules) for unit in units]
    assert list(judge_all(units)) == [judge(unit) for unit in units]


@pytest.mark.parametrize(
    ("predicted", "verdict", "reason"),
    [
        ("SELECT b FROM t", "unknown", "limit"),  # that is refuted only after its loss
        ("SELECT max(b) FROM t", "incorrect", "differs"),
        ("SELECT nope FROM t", "incorrect", "error"),
    ],
)
def test_a_prediction_that_is_lost_on_one_database_is_not_tried_on_the_next(
    instances: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    predicted: str,
    verdict: str,
    reason: str,
) -> None:
    tried: list[str] = []

    def lossy(
        engine: str, function: Callable[[Unit], Any], units: Iterable[Unit], *limits: float
    ) -> Iterator[Any]:
        for unit in units:
            [*paths] = (Path(path).stem for path in unit.db_paths)
            tried.extend(paths if unit.predicted_sqls and len(paths) == 1 else [])
            is_lost = len(paths) > 1 or (paths == ["one"] and unit.predicted_sqls)
            yield WorkerFailure("limit", "a stuck query") if is_lost else function(unit)

    monkeypatch.setattr("sense.verdict.map_on_engine", lossy)
    unit = Unit(instances, "SELECT b FROM t ORDER BY a DESC LIMIT 1", (predicted,))
    [(status, [judgement])] = judge_all([unit], ("strict", "spider"))
    assert (status, *judgement[:2], judgement.scores["spider"]) == ("ok", verdict, reason, 0)
    assert tried == ["empty", "one"]


@pytest.mark.parametrize(
    ("predicted", "num_runs"),
    [
        ("SELECT country_code FROM city GROUP BY 1 HAVING count(*) > 0", 1),
        ("SELECT country_code FROM city GROUP BY 1 LIMIT 99", 2),
    ],
)
def test_slow_answer_that_picks_no_rows_is_not_run_on_them_in_another_order(
    world: Path, monkeypatch: pytest.MonkeyPatch, predicted: str, num_runs: int
) -> None:
    from sense import verdict

    gold = "SELECT DISTINCT country_code FROM city"
    ran = []
    reorderings = verdict.reorderings

    def counted(path: str, sql: str, *rest: Any) -> Iterator[Any]:
        ran.append(sql)
        return reorderings(path, sql, *rest)

    monkeypatch.setattr(verdict, "reorderings", counted)
    monkeypatch.setattr(verdict, "STEPS_OF_A_PARSE", 0)
    _, [judgement] = judge(Unit((str(world),), gold, (predicted,)))
    assert judgement.verdict == "correct"
    assert len(ran) == num_runs - 1
    monkeypatch.setattr(verdict, "STEPS_OF_A_PARSE", 10**9)
    assert judge(Unit((str(world),), gold, (predicted,)))[1] == [judgement]
    assert len(ran) == num_runs


def test_query_that_time_or_memory_ends_is_tried_once_more_alone(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sense.execution import Execution, OverrunError, execute
    from sense.golds import runs

    tries: list[str] = []

    def crowded_out(db_path: str, sql: str, limits: Limits) -> Execution:
        tries.append(sql)
        if sql == "SELECT 6" and limits.raises_at_backstop:
            raise OverrunError("more than 30 seconds")
        return execute(db_path, sql, limits)

    monkeypatch.setattr(runs, "execute", crowded_out)
    unit = Unit((str(world),), "SELECT count(*) FROM country", ("SELECT 5", "SELECT 6"))
    [(status, judgements)] = judge_all([unit], num_workers=0)
    assert (status, [j.verdict for j in judgements]) == ("ok", ["incorrect", "correct"])
    assert tries.count("SELECT 6") == 3


def test_query_that_memory_ends_again_is_unknown(world: Path) -> None:
    numbers = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    bomb = f"{numbers} SELECT zeroblob(i) FROM n ORDER BY -i"
    unit = Unit((str(world),), "SELECT count(*) FROM country", ("SELECT 6", bomb))
    limits = Limits(max_heap_bytes=8_000_000)
    [(_, judgements)] = judge_all([unit], limits=limits, num_workers=1)
    assert [(j.verdict, j.reason) for j in judgements] == [
        ("correct", "equal"),
        ("unknown", "limit"),
    ]


def test_judging_here_and_in_workers_agrees(world: Path) -> None:
    units = [Unit((str(world),), f"SELECT {i} FROM city", ("SELECT 1",)) for i in range(20)]
    assert list(judge_all(units, num_workers=0)) == list(judge_all(units, num_workers=2))


def test_reward_reads_completions_of_both_forms_and_skips_what_gold_cannot_judge(
    world: Path,
) -> None:
    completions = [
        [{"role": "assistant", "content": "```sql\nSELECT count(*) FROM city;\n```"}],
        [{"role": "assistant", "content": "SELECT 7"}],
        "SELECT count(*) FROM city",
        "I do not know.",
    ]
    gold = ["SELECT count(*) FROM city"] * 2 + ["SELECT * FROM city WHERE id > 99"]
    gold += ["SELECT count(*) FROM city"]
    rewards = execution_reward(
        completions=completions,
        db_id=["world"] * 4,
        sql=gold,
        databases=str(world.parent),
        num_workers=0,
        prompts=["unused"] * 4,
        trainer_state=None,
    )
    assert rewards == [1.0, 0.0, None, 0.0]


@pytest.fixture(scope="session")
def spider_paths(shared_data: Path) -> dict[str, str]:
    folder = shared_data / "spider" / "database"
    return {path.stem: str(path) for path in folder.glob("*/*.sqlite")}


@pytest.mark.slow
def test_gold_wins_against_itself_on_all_of_spider_dev(
    shared_data: Path, spider_paths: dict[str, str]
) -> None:
    rows = json.loads((shared_data / "spider" / "dev.json").read_text())
    units = [Unit((spider_paths[r["db_id"]],), r["query"], (r["query"],)) for r in rows]
    statuses: Counter[str] = Counter()
    for unit in units:
        status, [judgement] = judge(unit, rules=("spider", "bird", "strict"))
        statuses[status] += 1
        assert judgement.scores["spider"] == 1, unit
        assert judgement.scores["bird"] == 1, unit
        assert judgement.verdict == ("correct" if status == "ok" else "unknown"), unit
    assert statuses == {"ok": 925, "empty": 53, "order": 50, "bare_column": 6}
