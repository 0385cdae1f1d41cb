"""Which golds can judge, and what shows that one cannot."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from conftest import write_database

from sense.execution import Limits
from sense.gold import check_gold

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize(
    ("gold", "status"),
    [
        ("SELECT name FROM city", "ok"),
        ("SELECT count(*) FROM city", "ok"),
        ("SELECT nope FROM city", "error"),
        ("DELETE FROM city", "refused"),
        (ENDLESS, "limit"),
        ("SELECT name FROM city WHERE id > 99", "empty"),
        ("SELECT max(population) FROM city WHERE id > 99", "empty"),
        # which rows survive the cut
        ("SELECT name FROM country ORDER BY population DESC LIMIT 1", "ok"),
        ("SELECT name FROM country ORDER BY continent LIMIT 1", "order"),
        ("SELECT continent FROM country ORDER BY continent LIMIT 1", "ok"),
        ("SELECT name FROM country ORDER BY continent LIMIT 2", "ok"),
        ("SELECT name FROM country ORDER BY continent LIMIT 99", "ok"),
        ("SELECT name FROM country ORDER BY continent LIMIT 1 OFFSET 1", "order"),
        ("SELECT name FROM country ORDER BY 1 LIMIT 2, 2", "ok"),
        ("SELECT name FROM country LIMIT 1", "order"),
        ("SELECT name FROM country LIMIT 6", "ok"),
        ("SELECT name FROM country ORDER BY continent LIMIT -1", "ok"),
        ("SELECT name FROM country ORDER BY population LIMIT 1 + 1", "order"),
        ("SELECT name FROM country WHERE code = 'X' ORDER BY continent LIMIT 1", "empty"),
        ("SELECT DISTINCT name FROM country WHERE code = 'X' ORDER BY continent LIMIT 1", "empty"),
        ("SELECT continent FROM country GROUP BY continent ORDER BY count(*) DESC LIMIT 1", "ok"),
        ("SELECT continent FROM country GROUP BY 1 ORDER BY count(*) LIMIT 1", "ok"),
        ("SELECT continent, count(*) AS n FROM country GROUP BY 1 ORDER BY n DESC LIMIT 2", "ok"),
        ("SELECT country_code FROM city GROUP BY 1 ORDER BY count(*) LIMIT 1", "order"),
        ("SELECT DISTINCT continent FROM country ORDER BY continent DESC LIMIT 1", "ok"),
        ("SELECT DISTINCT continent FROM country ORDER BY population DESC LIMIT 1", "order"),
        ("SELECT code FROM country UNION SELECT name FROM city ORDER BY code LIMIT 3", "ok"),
        (
            "SELECT continent FROM country UNION ALL SELECT 'Asia' ORDER BY 1 LIMIT 3",
            "ok",
        ),
        (
            "SELECT name FROM city WHERE country_code = "
            "(SELECT code FROM country ORDER BY population DESC LIMIT 1)",
            "ok",
        ),
        (
            "SELECT name FROM city WHERE country_code = "
            "(SELECT code FROM country ORDER BY continent LIMIT 1)",
            "order",
        ),
        (
            "SELECT name FROM city WHERE id > 99 AND country_code = "
            "(SELECT code FROM country ORDER BY continent LIMIT 1)",
            "order",
        ),
        (
            "WITH big AS (SELECT code FROM country WHERE population > 10000000) SELECT name FROM "
            "city WHERE country_code IN (SELECT code FROM big ORDER BY code LIMIT 1)",
            "ok",
        ),
        (
            "SELECT name, (SELECT t.name FROM city t WHERE t.country_code = code ORDER BY "
            "population LIMIT 1) FROM country",
            "order",
        ),
        # which row a bare column comes from
        ("SELECT name, count(*) FROM country GROUP BY code", "ok"),
        ("SELECT name, count(*) FROM country GROUP BY continent", "bare_column"),
        ("SELECT continent AS c, count(*) FROM country GROUP BY c", "ok"),
        ("SELECT upper(continent), count(*) FROM country GROUP BY upper(continent)", "ok"),
        ("SELECT name, max(population) FROM country", "ok"),
        ("SELECT name, max(population) FROM country GROUP BY continent", "ok"),
        ("SELECT name, max(continent) FROM country", "ok"),
        ("SELECT name, min(continent) FROM country", "bare_column"),
        ("SELECT continent, count(*) FROM country WHERE continent = 'Asia'", "ok"),
        ("SELECT name, avg(population) FROM country", "bare_column"),
        ("SELECT name, min(population), max(population) FROM country", "bare_column"),
        ("SELECT * FROM country GROUP BY continent", "bare_column"),
        ("SELECT continent FROM country GROUP BY continent ORDER BY name", "bare_column"),
        ("SELECT continent FROM country GROUP BY 1 HAVING population > 300000", "bare_column"),
        ("SELECT continent, count(*) AS n FROM country GROUP BY 1 HAVING n > 1", "ok"),
        (
            "SELECT T1.name FROM country AS T1 JOIN city AS T2 ON T1.code = T2.country_code "
            "GROUP BY T1.code HAVING count(*) > 1",
            "ok",
        ),
        ("SELECT count(id) FILTER (WHERE id > 1) FROM city GROUP BY country_code", "ok"),
        (
            "SELECT name, max(id) FILTER (WHERE id < 5) FROM city GROUP BY country_code",
            "bare_column",
        ),
        ("SELECT name, min(id, 3) FROM city", "ok"),  # of two arguments it is no aggregate
        ("SELECT country.* FROM country GROUP BY continent", "bare_column"),
        # which order the rows are met in
        ("SELECT name, rank() OVER (ORDER BY id) FROM city", "ok"),
        ("SELECT name, rank() OVER (ORDER BY country_code) FROM city", "ok"),
        ("SELECT name, row_number() OVER (ORDER BY country_code) FROM city", "order"),
        ("SELECT name FROM city WHERE country_code = (SELECT code FROM country)", "order"),
        ("SELECT name FROM city WHERE country_code IN (SELECT code FROM country)", "ok"),
        ("SELECT name FROM city WHERE id = (SELECT max(id) FROM city)", "ok"),
        ("SELECT group_concat(name) FROM city", "order"),
        ("SELECT group_concat(name, ',' ORDER BY id) FROM city", "ok"),
        ("SELECT json_group_array(name) FROM city", "order"),
        ("SELECT jsonb_group_array(name) FROM city", "order"),
        ("SELECT rowid FROM city LIMIT 8", "ok"),
        # what sqlglot cannot read is known by its effects only
        ("SELECT cast(id AS unsigned big int) FROM city LIMIT 8", "unparsed"),
        ("SELECT cast(id AS unsigned big int) FROM city LIMIT 1", "order"),
        # clock and state
        ("SELECT name FROM city WHERE date('now') > '2000-01-01'", "time"),
        ("SELECT current_date", "time"),
        ("SELECT date()", "time"),
        ("SELECT strftime('%Y')", "time"),
        ("SELECT strftime('%Y') - strftime('%Y', '2001-02-03')", "time"),
        ("SELECT name FROM city WHERE date(\"now\") > '2000-01-01'", "time"),
        ("SELECT strftime('%Y', \"NOW\")", "time"),
        ("SELECT julianday(\"now\", '-1 day')", "time"),
        ("SELECT datetime('subsec')", "time"),
        ("SELECT unixepoch('subsecond')", "time"),
        ("SELECT strftime('%f', 'subsec')", "time"),
        ("SELECT strftime('%Y', max('2001-02-03', '2002-02-03'))", "ok"),
        ("SELECT datetime('2001-02-03', 'subsec')", "ok"),
        ("SELECT date((SELECT '2001-02-03'))", "ok"),
        ("SELECT random() FROM city", "random"),
        ("SELECT 'random(' || name FROM city", "ok"),
        ("SELECT name FROM city WHERE name <> 'current_date'", "ok"),
    ],
)
def test_gold_judges_only_where_its_result_is_defined_and_not_empty(
    world: Path, gold: str, status: str
) -> None:
    assert check_gold(world, gold, Limits(max_steps=1_000_000)).status == status


def test_gold_knows_which_rows_tie(world: Path) -> None:
    check = check_gold(world, "SELECT name FROM country ORDER BY continent")
    assert check.order_matters
    assert check.tie_sizes == (2, 3, 1)
    check = check_gold(world, "SELECT name FROM country ORDER BY continent LIMIT 2, 3")
    assert check.tie_sizes == (3,)


@pytest.mark.parametrize(
    ("gold", "status", "why", "witness"),
    [
        ("SELECT nope FROM city", "error", "", {"error": "no such column: nope"}),
        (ENDLESS, "limit", "", {"error": "more than 1,000,000 steps"}),
        ("SELECT name FROM city WHERE id > 99", "empty", "no_rows", {}),
        ("SELECT max(id) FROM city WHERE id > 99", "empty", "only_nulls", {}),
        (
            "SELECT name FROM country ORDER BY continent LIMIT 3",
            "order",
            "ties_at_cut",
            {"tied_rows": [["China"], ["India"]], "num_tied": 3, "num_returned": 1},
        ),
        (
            "SELECT name FROM city WHERE country_code = (SELECT code FROM country LIMIT 1)",
            "order",
            "ties_in_subquery",
            {
                "subquery": "SELECT code FROM country LIMIT 1",
                "tied_rows": [["CHN"], ["FRA"]],
                "num_tied": 6,
                "num_returned": 1,
            },
        ),
        (
            "SELECT DISTINCT continent FROM country ORDER BY population LIMIT 1",
            "order",
            "cannot_be_told",
            {},
        ),
        (
            "SELECT name, count(*) FROM country GROUP BY continent",
            "bare_column",
            "differing_values",
            {"column": "name", "values": ["Nigeria", "Seychelles"]},
        ),
        (
            "SELECT count(*), population FROM city GROUP BY country_code",
            "bare_column",
            "differing_values",
            {"column": "population", "values": [9696300, None]},
        ),
        ("SELECT * FROM city GROUP BY 1", "bare_column", "cannot_be_told", {"columns": ["*"]}),
        (
            "SELECT (SELECT name FROM country)",
            "order",
            "changes_with_order",
            {
                "reading": "shuffled",
                "only_in": "first",
                "row": ["China"],
                "first_rows": 1,
                "shuffled_rows": 1,
            },
        ),
    ],
)
def test_a_gold_that_cannot_judge_says_why(
    world: Path, gold: str, status: str, why: str, witness: dict[str, Any]
) -> None:
    check = check_gold(world, gold, Limits(max_steps=1_000_000))
    assert (check.status, check.why, check.witness) == (status, why, witness)


def test_two_texts_that_a_collation_takes_for_equal_are_two_values(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "t.sqlite",
        "CREATE TABLE t(a, b COLLATE NOCASE); INSERT INTO t VALUES (1, 'x'), (1, 'X');",
    )
    check = check_gold(path, "SELECT b FROM t GROUP BY a")
    assert (check.status, check.why) == ("bare_column", "differing_values")


SPELLINGS = """
CREATE TABLE t(a COLLATE NOCASE, b, c TEXT COLLATE RTRIM);
INSERT INTO t VALUES ('Rex', 1, 'x'), ('REX', 2, 'x '), ('Ada', 3, 'y');
"""


@pytest.mark.parametrize(
    ("gold", "status"),
    [
        ("SELECT DISTINCT a FROM t", "order"),
        ("SELECT DISTINCT c FROM t", "order"),
        ("SELECT a FROM t UNION SELECT a FROM t", "order"),
        ("SELECT a FROM t GROUP BY a", "order"),
        ("SELECT max(a) FROM t", "order"),
        ("SELECT min(a) FROM t", "ok"),
        ("SELECT DISTINCT a FROM t WHERE b > 1", "ok"),
        ("SELECT DISTINCT b FROM t", "ok"),
        ("SELECT a FROM t", "ok"),
        ("SELECT DISTINCT a FROM v", "order"),
    ],
)
def test_which_of_two_equal_spellings_a_gold_returns_is_open(
    tmp_path: Path, gold: str, status: str
) -> None:
    script = f"{SPELLINGS} CREATE VIEW v AS SELECT a FROM t;"
    path = write_database(tmp_path / "t.sqlite", script)
    assert check_gold(path, gold).status == status


def test_a_view_that_picks_rows_is_open_as_its_text_is(tmp_path: Path) -> None:
    script = "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2);"
    script += "CREATE VIEW v AS SELECT a FROM t LIMIT 1;"
    path = write_database(tmp_path / "t.sqlite", script)
    assert check_gold(path, "SELECT a FROM v").why == "changes_with_order"


def test_a_gold_whose_spelling_no_other_order_can_tell_is_not_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_database(tmp_path / "t.sqlite", SPELLINGS)
    monkeypatch.setattr("sense.gold.reorderings", lambda *arguments: iter(()))
    check = check_gold(path, "SELECT DISTINCT a FROM t")
    assert (check.status, check.why) == ("order", "cannot_be_told")


def test_a_gold_is_asked_anew_of_each_database(tmp_path: Path) -> None:
    gold = "SELECT b FROM t ORDER BY a LIMIT 1"
    tied = write_database(
        tmp_path / "a.sqlite", "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2), (1, 3);"
    )
    clear = write_database(
        tmp_path / "b.sqlite", "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2), (2, 3);"
    )
    assert [check_gold(path, gold).status for path in (tied, clear, tied)] == [
        "order",
        "ok",
        "order",
    ]


@pytest.mark.slow
def test_46_of_the_simple_limit_golds_of_spider_dev_tie_at_the_cut(shared_data: Path) -> None:
    rows = json.loads((shared_data / "spider" / "dev.json").read_text())
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if "limit" not in row["query"].lower():
            continue
        tree = sqlglot.parse_one(row["query"], read="sqlite")
        if tree.args.get("limit") and len(list(tree.find_all(sqlglot.exp.Limit))) == 1:
            name = row["db_id"]
            path = shared_data / "spider" / "database" / name / f"{name}.sqlite"
            check = check_gold(path, row["query"])
            found[check.status, check.why] += 1
    assert found.total() == 183
    assert found["order", "ties_at_cut"] + found["order", "cannot_be_told"] == 46
    assert found["order", "cannot_be_told"] == 2  # DISTINCT, ordered by what is not selected
