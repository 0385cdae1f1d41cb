"""A copy with indexes gives the rows of the file, and is asked only where it must."""

import os
import shutil
from collections import Counter
from pathlib import Path

import apsw
import pytest
from conftest import write_database

from sense.database import database_paths
from sense.execution import DEFAULT_LIMITS, Limits, execute
from sense.golds import indexed
from sense.golds.indexed import execute_indexed, has_same_rows_in_any_plan
from sense.inputs.reading import read_predictions
from sense.verdict import Unit, judge

NUMBERS = """
CREATE TABLE a(x INTEGER, y TEXT);
CREATE TABLE b(x INTEGER, z REAL);
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO a SELECT i, 'name ' || i FROM n;
INSERT INTO b SELECT x, x % 7 FROM a;
"""
SLOW = "SELECT y FROM a WHERE x = (SELECT max(x) FROM b WHERE a.y IS NOT NULL)"


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = write_database(tmp_path / "numbers.sqlite", NUMBERS)
    os.utime(path, (1_000_000_000, 1_000_000_000))  # a file that changes no more
    return path


@pytest.mark.parametrize(
    "sql",
    [
        SLOW,
        "SELECT count(*) FROM a JOIN b ON a.x = b.x WHERE z > 3",
        "SELECT z, count(*) FROM b GROUP BY z",
        "SELECT x FROM a EXCEPT SELECT x FROM b WHERE z < 2",
        "SELECT y FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x AND z = 6)",
    ],
)
def test_copy_gives_the_rows_of_the_file(numbers: Path, sql: str) -> None:
    found = execute_indexed(numbers, sql, DEFAULT_LIMITS)
    assert found is not None
    assert Counter(found.rows) == Counter(execute(numbers, sql).rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT y FROM a ORDER BY x LIMIT 1",
        "SELECT y, max(x), min(x) FROM a",
        "SELECT sum(z) FROM b",
        "SELECT group_concat(y) FROM a",
        "SELECT y FROM a WHERE x = (SELECT x FROM b)",
        "SELECT abs(x) FROM a",
        "SELECT y FROM a WHERE y = 'X' COLLATE NOCASE",
        "SELECT rowid FROM a",
        "SELECT name FROM sqlite_schema",
        "SELECT row_number() OVER () FROM a",
        "SELECT random() FROM a",
        "SELECT x FROM (",
    ],
)
def test_query_that_may_give_other_rows_is_not_asked(numbers: Path, sql: str) -> None:
    assert not has_same_rows_in_any_plan(sql)
    assert execute_indexed(numbers, sql, DEFAULT_LIMITS) is None


def test_database_with_views_has_no_copy(tmp_path: Path) -> None:
    path = write_database(tmp_path / "v.sqlite", NUMBERS + "CREATE VIEW v AS SELECT x FROM a;")
    assert execute_indexed(path, "SELECT x FROM v", DEFAULT_LIMITS) is None


def test_a_copy_that_would_take_too_much_memory_is_not_made(
    numbers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "MAX_HEAP_BYTES", 100_000)
    before = apsw.memory_used()
    assert execute_indexed(numbers, "SELECT x FROM a", DEFAULT_LIMITS) is None
    assert apsw.memory_used() <= before


def test_one_copy_is_kept_and_given_back_for_the_next(numbers: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy2(numbers, tmp_path / "other.sqlite"))
    used = []
    for path in (numbers, other, numbers):
        assert execute_indexed(path, "SELECT x FROM a", DEFAULT_LIMITS)
        used.append(apsw.memory_used())
    assert max(used) - min(used) < 50_000  # a copy takes about 400,000 bytes


def test_official_rule_sees_the_end_of_a_query_that_the_verdict_does_not(numbers: Path) -> None:
    limits = Limits(max_steps=1_000_000, max_seconds=60.0)
    unit = Unit((str(numbers),), "SELECT y FROM a WHERE x = 3000", (SLOW,))
    _, [judgement] = judge(unit, ("spider", "bird"), limits)
    assert (judgement.verdict, judgement.reason) == ("unknown", "limit")
    assert (judgement.scores, judgement.unfinished) == ({"spider": 1, "bird": 1}, ())


def test_order_of_rows_is_that_of_the_file_where_gold_is_ordered(numbers: Path) -> None:
    slow = "SELECT a.x FROM a JOIN b ON a.x + 0 = b.x + 0 WHERE b.x < 3 ORDER BY a.x DESC"
    gold = "SELECT x FROM a WHERE x < 3 ORDER BY x DESC"
    limits = Limits(max_steps=1_000_000, max_seconds=60.0)
    _, [judgement] = judge(Unit((str(numbers),), gold, (slow,)), ("spider",), limits)
    assert judgement.scores == {"spider": 1}


@pytest.mark.slow
def test_copy_gives_the_rows_of_the_file_for_published_predictions(shared_data: Path) -> None:
    paths = database_paths(shared_data / "spider" / "database")
    num_asked = 0
    for p in list(read_predictions(shared_data / "predictions" / "codes_1b.jsonl"))[::3]:
        found = execute_indexed(paths[p.db_id], p.pred, DEFAULT_LIMITS)
        if found:
            num_asked += 1
            rows = execute(paths[p.db_id], p.pred).rows
            assert Counter(found.rows) == Counter(rows), p.pred
    assert num_asked > 150
