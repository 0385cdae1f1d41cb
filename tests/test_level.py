"""Levels told from tokens are those of the syntax tree; what is not plain is left to a parser."""

import json
import random
from pathlib import Path

import pytest

from sense.hardness import components
from sense.inputs.reading import read_predictions
from sense.scores.level import Components, gold_hardness, plain_components
from sense.sqlite.spelling import TOKENS

JOINED = "SELECT T1.a FROM t AS T1 JOIN s AS T2 ON T1.id = T2.id"


@pytest.mark.parametrize(
    ("sql", "counts"),
    [
        ("SELECT * FROM t", (0, 0, 0)),
        ("select count(DISTINCT a), max(t.b) from t;", (0, 0, 2)),
        (f"{JOINED} LEFT JOIN u ON u.x = T2.x AND u.y != 2 WHERE b = 'x'", (3, 0, 0)),
        ("SELECT a FROM t WHERE a BETWEEN 1 AND 2 OR NOT b LIKE '%x%'", (3, 0, 1)),
        ("SELECT a FROM t WHERE b IN ('x', 2) AND c IS NOT NULL AND d NOT IN (1)", (1, 0, 2)),
        ("SELECT a FROM t WHERE b = (SELECT max(b) FROM t) AND c > 1", (1, 1, 1)),
        ("SELECT a FROM t WHERE b NOT IN (SELECT b FROM s WHERE c = 1 OR d = 2)", (1, 1, 0)),
        ("SELECT a FROM t GROUP BY a, b HAVING count(*) > 1 ORDER BY sum(c) DESC", (2, 0, 1)),
        ("SELECT count(*) FROM (SELECT a FROM t WHERE b = 1 GROUP BY a)", (0, 0, 0)),
        ("SELECT a FROM t WHERE b = 1 UNION SELECT a FROM s ORDER BY a LIMIT 3", (1, 1, 0)),
        ('SELECT a FROM t WHERE b = "x" ORDER BY a ASC, b LIMIT 1', (3, 0, 0)),
    ],
)
def test_plain_queries_are_counted(sql: str, counts: tuple[int, int, int]) -> None:
    assert plain_components(sql) == components(sql) == Components(*counts)


@pytest.mark.parametrize(
    "sql",
    [
        *("", "SELECT", "SELECT a FROM", "SELECT a FROM t WHERE", "DROP t", "SELECT a b FROM t"),
        *("SELECT 1", "SELECT a + 1 FROM t", "SELECT a FROM t LIMIT", "SELECT a FROM t, s"),
        *("SELECT a FROM t -- all", "SELECT a FROM t; SELECT b FROM s", "SELECT ä FROM t"),
        *("SELECT a FROM t WHERE (b = 1 OR c = 2)", "SELECT a FROM t WHERE EXISTS (SELECT 1)"),
        *("SELECT a FROM t LIMIT 1 OFFSET 2", "SELECT a FROM t LIMIT 1 UNION SELECT b FROM s"),
        *("SELECT a FROM t WHERE b = 'it", "SELECT a FROM t WHERE b = 1 c", "SELECT f(a) FROM t"),
        *("WITH s AS (SELECT 1) SELECT a FROM s", "SELECT a FROM t NATURAL JOIN s", "SELECT max(*"),
        "SELECT a FROM " + "(SELECT a FROM " * 2_000 + "t" + ")" * 2_000,
    ],
)  # fmt: skip
def test_others_are_left_to_a_parser(sql: str) -> None:
    assert plain_components(sql) is None


def test_text_that_is_no_query_has_no_level() -> None:
    assert gold_hardness("SELECT a + 1 FROM t WHERE (b = 1 OR c = 2)") == "medium"
    assert [gold_hardness(sql) for sql in ("SELECT name FROM WHERE", "names", "")] == [""] * 3


def test_random_edits_are_counted_as_by_the_tree_or_not_at_all() -> None:
    rng = random.Random(0)
    sql = f"{JOINED} WHERE T1.b NOT LIKE 'x' OR c IN (SELECT c FROM u) ORDER BY e LIMIT 2"
    others = "not date left ( ) group by having is null between offset 5 * , ="
    words = [*TOKENS.findall(sql), *others.split()]
    num_plain = 0
    for _ in range(2_000):
        tokens = TOKENS.findall(sql)
        for _ in range(rng.choice((1, 2, 3))):
            place = rng.randrange(len(tokens))
            tokens[place : place + rng.choice((0, 1))] = rng.choices(words, k=rng.choice((0, 1)))
        edited = " ".join(tokens)
        counts = plain_components(edited)
        if counts:
            num_plain += 1
            assert counts == components(edited), edited
    assert num_plain > 50


@pytest.mark.slow
def test_published_queries_are_counted_as_by_the_tree(shared_data: Path) -> None:
    rows = json.loads((shared_data / "spider" / "dev.json").read_text())
    golds = {row["query"] for row in rows}
    file = shared_data / "predictions" / "gpt4_zero_shot.jsonl"
    counted = {
        sql: counts
        for sql in (*golds, *(p.pred for p in read_predictions(file)))
        if (counts := plain_components(sql))
    }
    assert golds <= counted.keys()
    assert [sql for sql, counts in counted.items() if counts != components(sql)] == []
