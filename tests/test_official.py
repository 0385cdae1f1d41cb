"""Scores equal to those of the official evaluators of Spider and BIRD, quirks and all.

`fixtures/official_scores.json` holds what the official code says of some seventy small cases on one
database, and on two for `spider_suite`. `fixtures/parity_exceptions.json` lists the answers of
published systems on which we differ from the official verdict, each with `system`, `idx`, `rule`
and `why` that verdict is an accident.
"""

import json
import os
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from conftest import write_database

from sense.execution import DEFAULT_LIMITS, Execution, Limits, execute
from sense.official import (
    BIRD_SECONDS,
    RuleScore,
    bird_score,
    official_limits,
    score_on_all,
    spider_distinct_score,
    spider_score,
)
from sense.verdict import Rule, Unit, judge, judge_all

FIXTURES = Path(__file__).parent / "fixtures"
OFFICIAL = json.loads((FIXTURES / "official_scores.json").read_text("utf-8"))
EXCEPTIONS = json.loads((FIXTURES / "parity_exceptions.json").read_text("utf-8"))
VERDICT_FILES: dict[Rule, str] = {"spider": "all", "spider_distinct": "kd"}
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
LONG = (  # some 7,000 steps
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
    "SELECT count(*) FROM n"
)


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("pets")
    script = "\n".join(OFFICIAL["script"])
    other = "\n".join([script, *OFFICIAL["other_instance"]])
    return (
        str(write_database(folder / "pets.sqlite", script)),
        str(write_database(folder / "other.sqlite", other)),
    )


@pytest.mark.parametrize("case", OFFICIAL["cases"], ids=lambda case: case["claim"])
def test_scores_are_those_of_the_official_code(
    instances: tuple[str, str], case: dict[str, Any]
) -> None:
    rules: tuple[Rule, ...] = ("spider", "spider_distinct", "bird")
    unit = Unit(instances[:1], case["gold"], (case["predicted"],))
    _, [one] = judge(unit, rules)
    _, [both] = judge(unit._replace(db_paths=instances), rules)
    assert one.scores == {rule: case[rule] for rule in rules}
    assert both.scores["spider"] == case["spider_suite"]


def texts_run(score: Any, gold: str, predicted: str) -> list[str]:
    """What a rule runs for a gold and a prediction."""
    texts: list[str] = []

    def run(text: str) -> Execution:
        texts.append(text)
        return Execution("ok")

    score(run, gold, predicted)
    return texts


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("select count(distinct a) from t;", "select count( a) from t"),
        ("SELECT 'distinct' FROM \"distinct\"", "SELECT 'distinct' FROM \"distinct\""),
        ("SELECT [distinct], `distinct` FROM t", "SELECT [distinct], `distinct` FROM t"),
        ("SELECT distinct_name FROM t", "SELECT distinct_name FROM t"),
        ("SELECT a FROM t WHERE b > = 1 AND c ! = 2", "SELECT a FROM t WHERE b >= 1 AND c != 2"),
        ("SELECT YEAR ( CURDATE ( ) ) - a FROM t", "SELECT 2020- a FROM t"),
        ("SELECT 1; SELECT 2", "SELECT 1"),
        ("SELECT 1; ``` and 'quotes", "SELECT 1"),
        ("SELECT ';' -- ;\n, 2; SELECT 3", "SELECT ';' -- ; , 2; SELECT 3"),
        ("SELECT a\tFROM t\r\n", "SELECT a FROM t"),
        ("SELECT DISTINCT 'unfinished", "SELECT  'unfinished"),
    ],
)
def test_spider_runs_the_text_that_the_official_code_runs(sql: str, text: str) -> None:
    assert texts_run(spider_score, sql, sql) == [text, text]


def test_spider_with_distinct_kept_repairs_the_rest() -> None:
    gold, predicted = "SELECT DISTINCT value FROM t", "SELECT DISTINCT value FROM t WHERE b > = 1;"
    assert texts_run(spider_distinct_score, gold, predicted) == [
        "SELECT DISTINCT value FROM t",
        "SELECT DISTINCT 1 FROM t WHERE b >= 1;",
    ]


@pytest.mark.parametrize("predicted", ["", " \n"])
def test_empty_answer_equals_an_empty_result_by_birds_rule_only(predicted: str) -> None:
    def run(text: str) -> Execution:
        return Execution("ok")

    for score, expected in ((spider_score, 0), (spider_distinct_score, 0), (bird_score, 1)):
        assert score(run, "SELECT a FROM t WHERE 0", predicted) == expected


def test_bird_repairs_nothing() -> None:
    text = " SELECT DISTINCT value\nFROM t WHERE b > = 1;"
    assert texts_run(bird_score, "SELECT 1", text) == ["SELECT 1", text]


def fixed(executions: dict[str, Execution]) -> Any:
    return lambda text: executions[text]


@pytest.mark.parametrize(
    ("gold", "predicted", "spider", "bird"),
    [
        (Execution("ok"), Execution("ok"), 1, 1),
        (Execution("ok"), Execution("error"), 0, 0),
        (Execution("ok"), Execution("refused"), 0, 0),
        (Execution("ok"), Execution("limit"), None, None),
        (Execution("limit"), Execution("ok"), None, None),
        (Execution("limit"), Execution("error"), 0, 0),
        (Execution("error"), Execution("ok"), 0, 0),
        (Execution("ok", seconds=20), Execution("ok", seconds=11), 1, 0),
        (Execution("ok"), Execution("limit", seconds=BIRD_SECONDS + 1), None, 0),
    ],
)
def test_query_without_an_end_has_no_score_but_where_bird_stops_it(
    gold: Execution, predicted: Execution, spider: RuleScore, bird: RuleScore
) -> None:
    run = fixed({"gold": gold, "predicted": predicted})
    assert spider_score(run, "gold", "predicted") == spider
    assert bird_score(run, "gold", "predicted") == bird


def test_official_rules_have_no_limit_in_steps(world: Path) -> None:
    limits = Limits(max_steps=1000)
    _, [judgement] = judge(Unit((str(world),), LONG, (LONG,)), ("spider", "strict"), limits)
    assert judgement.reason == "gold_limit"
    assert judgement.scores == {"spider": 1, "strict": 0}
    assert judgement.unfinished == ()


def test_what_hits_a_backstop_counts_as_wrong_and_says_so(world: Path) -> None:
    limits = Limits(max_steps=1000, max_seconds=0.2)
    unit = Unit((str(world),), "SELECT 1", (ENDLESS, "SELECT 2"))
    _, [endless, wrong] = judge(unit, ("spider", "bird", "strict"), limits)
    assert endless.scores == wrong.scores == {"spider": 0, "bird": 0, "strict": 0}
    assert (endless.unfinished, wrong.unfinished) == (("spider", "bird"), ())


def test_one_failing_instance_decides_and_an_open_one_does_not() -> None:
    assert score_on_all([1, None, 0]) == 0
    assert score_on_all([None, 1]) is None
    assert score_on_all([1]) == 1


@cache
def spider_rows(shared_data: Path) -> dict[str, list[dict[str, Any]]]:
    """The predictions of each system, all for the same questions in the same order."""
    files = sorted((shared_data / "predictions").glob("*.jsonl"))
    return {path.stem: [json.loads(line) for line in path.open()] for path in files}


def expected(shared_data: Path, system: str, rule: Rule) -> list[int]:
    name = f"{system}.{VERDICT_FILES[rule]}.json"
    verdicts = json.loads((shared_data / "predictions" / "verdicts" / name).read_text())
    scores: list[int] = verdicts["exec"]
    for exception in EXCEPTIONS:
        if (exception["system"], exception["rule"]) == (system, rule):
            scores[exception["idx"]] = 1 - scores[exception["idx"]]
    return scores


@pytest.mark.slow
def test_spider_scores_of_eight_systems_are_the_official_ones(shared_data: Path) -> None:
    systems = spider_rows(shared_data)
    database = shared_data / "spider" / "database"
    units = [
        Unit(
            (str(database / rows[0]["db_id"] / f"{rows[0]['db_id']}.sqlite"),),
            rows[0]["gold"],
            tuple(row["pred"] for row in rows),
        )
        for rows in zip(*systems.values(), strict=True)
    ]
    rules = tuple(VERDICT_FILES)
    judged = [
        judgements for _, judgements in judge_all(units, rules, num_workers=os.cpu_count() or 1)
    ]
    assert len(judged) == 1034
    assert not any(judgement.unfinished for judgements in judged for judgement in judgements)
    for place, system in enumerate(systems):
        for rule in rules:
            scores = [judgements[place].scores[rule] for judgements in judged]
            official = expected(shared_data, system, rule)
            different = [
                i for i, pair in enumerate(zip(scores, official, strict=True)) if len(set(pair)) > 1
            ]
            assert different == [], (system, rule)


@pytest.mark.parametrize("system", ["chatgpt", "codes_1b_evidence", "mini_gpt4", "mini_mixtral"])
def test_bird_scores_of_four_systems_are_the_official_ones(shared_data: Path, system: str) -> None:
    folder = shared_data / "bird"
    rows = [json.loads(line) for line in (folder / f"{system}.jsonl").open()]
    official = json.loads((folder / "verdicts" / f"{system}.json").read_text())["ex"]
    path = folder / "database" / "superhero" / "superhero.sqlite"
    run = partial(execute, path, limits=official_limits(DEFAULT_LIMITS))
    scores = [bird_score(run, row["gold"], row["pred"]) for row in rows]
    assert [row["idx"] for row, a, b in zip(rows, scores, official, strict=True) if a != b] == []
