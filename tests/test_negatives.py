"""Near misses of right answers are wrong, judged, marked, and in the answer's own words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_preference import EXAMPLE, make_sample

from sense.pairs.negatives import OPEN_KINDS, in_own_words, near_misses
from sense.pairs.pairing import Answered
from sense.spool import Spool
from sense.weak import Judging

JUDGING = Judging(round=1, rule="spider", num_workers=0)
QUERY = 'select name from city  where country_code="FRA"'


@pytest.mark.parametrize(
    ("answer", "near_miss", "expected"),
    [
        (
            "select t.name from city t where t.id>1",
            "SELECT t.code FROM city AS t WHERE t.id > 1",
            "select t.code from city t where t.id>1",
        ),
        (
            'select name from city where code = "NLD" and id>2 ;',
            "SELECT name FROM city WHERE id > 2",
            "select name from city where id>2 ;",
        ),
        ("SELECT MAX(id) FROM city", "SELECT MIN(id) FROM city", "SELECT MIN(id) FROM city"),
        ("select id from city", "SELECT DISTINCT id FROM city", "select distinct id from city"),
        (
            "select name from city where name = 'Paris'",
            "SELECT name FROM city WHERE name = 'paris'",
            "select name from city where name = 'paris'",
        ),
        (
            "SELECT name FROM city ORDER BY id",
            "SELECT name FROM city ORDER BY id DESC LIMIT 1",
            "SELECT name FROM city ORDER BY id DESC LIMIT 1",
        ),
        ("SELECT a, b FROM t", "SELECT b FROM t", "SELECT b FROM t"),
    ],
)
def test_only_the_mistake_tells_the_two_apart(answer: str, near_miss: str, expected: str) -> None:
    assert in_own_words(answer, near_miss) == expected


def spooled(folder: Path, *questions: Answered) -> Spool:
    spool = Spool(folder)
    for question in questions:
        spool.add(question.example.id, question.as_json())
    return spool


def question(world: Path, number: int, *verdicts: str, completion: str = "") -> Answered:
    example = replace(EXAMPLE, question=f"Question {number}?", sql=QUERY)
    samples = [
        make_sample(
            index, verdict, QUERY, example_id=example.id, gold_sql=QUERY, completion=completion
        )
        for index, verdict in enumerate(verdicts)
    ]
    return Answered(example, str(world), samples)


def test_questions_without_a_mistake_get_judged_near_misses(world: Path, tmp_path: Path) -> None:
    text = f"Cities have a country.\n```sql\n{QUERY}\n```"
    clean = [question(world, n, "correct", completion=text) for n in range(10)]
    both = [question(world, n, "correct", "incorrect") for n in range(20, 28)]
    none = [question(world, n, "incorrect", "unknown") for n in range(40, 42)]
    with spooled(tmp_path, *clean, *both, *none) as answered:
        found = dict(near_misses(answered, share=0.2, seed=0, judging=JUDGING))
        assert dict(near_misses(answered, share=0.2, seed=0, judging=JUDGING)) == found
    assert len(found) == 2  # of 8 + 2 pairs
    assert found.keys() <= {q.example.id for q in clean}
    for rows in found.values():
        assert 1 <= len(rows) <= 3
        kinds = {row["error_kind"] for row in rows}
        assert len(kinds) == len(rows) and kinds.isdisjoint(OPEN_KINDS)
        for row in rows:
            assert (row["verdict"], row["source"], row["logprob"]) == (
                "incorrect",
                "mutation",
                None,
            )
            assert row["index"] < 0 and row["weak_model"] == "weak"
            assert row["completion"] == text.replace(QUERY, row["predicted_sql"]) != text
            assert json.loads(row["witness"])


def test_a_share_of_nothing_is_nothing(world: Path, tmp_path: Path) -> None:
    with spooled(tmp_path, question(world, 1, "correct")) as answered:
        assert list(near_misses(answered, share=0.2, seed=0, judging=JUDGING)) == []
