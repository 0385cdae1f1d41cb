"""The engine in a few functions: what other projects import, without torch."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import sense
from sense.inputs.reading import Prediction

CITIES = "SELECT name FROM city"


def test_every_name_of_the_package_is_a_documented_function_with_an_example() -> None:
    assert sense.__all__ == ["equal", "execute", "execution_reward", "explain", "judge", "score"]
    for name in sense.__all__:
        assert ">>> " in (getattr(sense, name).__doc__ or ""), name
    with pytest.raises(AttributeError, match="module 'sense' has no attribute 'verify'"):
        _ = sense.verify


def test_importing_and_using_them_loads_no_torch(world: Path) -> None:
    code = (
        "import sys; import sense; assert 'apsw' not in sys.modules\n"
        "from sense import equal, execute, execution_reward, explain, judge, score\n"
        f"assert execute({str(world)!r}, 'SELECT 1').rows == ((1,),)\n"
        f"assert judge('SELECT 1', 'SELECT 1', {str(world)!r}).verdict == 'correct'\n"
        f"assert execution_reward(['SELECT 1'], ['world'], ['SELECT 1'], "
        f"databases={str(world.parent)!r}) == [1.0]\n"
        "heavy = {'torch', 'transformers', 'trl', 'gradio', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""


def test_query_that_cannot_run_is_an_answer_too(world: Path) -> None:
    assert sense.execute(world, CITIES).status == "ok"
    assert sense.execute(str(world), "SELECT nam FROM city").error == "no such column: nam"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("strict", [True, False, False, False]),
        ("spider", [True, True, False, False]),
        ("spider_distinct", [True, True, False, False]),
        ("bird", [True, False, True, True]),
    ],
)
def test_results_are_equal_by_each_rule(rule: str, expected: list[bool]) -> None:
    gold = [(1, "a"), (2, "b")]
    others = [
        [(1.0, "a"), (2, "b")],
        [("a", 1), ("b", 2)],
        [(2, "b"), (1, "a")],
        [(1, "a"), (2, "b"), (2, "b")],
    ]
    assert [sense.equal(gold, rows, rule, order_matters=True) for rows in others] == expected


def test_unknown_rule_is_named(world: Path) -> None:
    with pytest.raises(ValueError, match="rule 'exact' is unknown; expected one of spider"):
        sense.equal([], [], "exact")
    with pytest.raises(ValueError, match="rule 'exact' is unknown"):
        sense.judge(CITIES, CITIES, world, rules=["exact"])


def test_judgement_over_several_databases(world: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    other.write_bytes(world.read_bytes())
    with sqlite3.connect(other) as connection:
        connection.execute("DELETE FROM city WHERE id > 2")
    count = "SELECT count(*) FROM city"
    assert sense.judge(count, "SELECT 8", world).verdict == "correct"
    found = sense.judge(count, "SELECT 8", [world, other], rules=["spider", "strict"])
    assert (found.verdict, found.scores) == ("incorrect", {"spider": 0, "strict": 0})


def test_score_of_a_file_and_of_predictions_agree(world: Path, tmp_path: Path) -> None:
    pairs = [(CITIES, CITIES), (CITIES, "SELECT 1"), ("SELECT id FROM city WHERE 0", CITIES)]
    rows = [Prediction(n, "world", f"question {n}", *pair) for n, pair in enumerate(pairs)]
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps(row._asdict()) + "\n" for row in rows))
    text, gold = tmp_path / "p.txt", tmp_path / "gold.sql"
    text.write_text("".join(f"{pred}\n" for _, pred in pairs))
    gold.write_text("".join(f"{sql}\tworld\n" for sql, _ in pairs))
    folder = world.parent
    found = sense.score(rows, folder, num_workers=0)
    assert (found.num, found.num_correct, found.accuracy) == (2, 1, 0.5)
    assert sense.score(file, folder, num_workers=0) == found
    assert sense.score(text, folder, gold=gold, num_workers=0) == found
    assert sense.score(rows, folder, "spider", num_workers=0).num == 3


def test_file_of_several_systems_has_no_single_score(world: Path, tmp_path: Path) -> None:
    row = {"db_id": "world", "question": "?", "gold": CITIES, "pred": CITIES}
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps({**row, "system": name}) + "\n" for name in "ab"))
    with pytest.raises(ValueError, match=r"holds 2 systems \(a, b\); expected one"):
        sense.score(file, world.parent)
    with pytest.raises(ValueError, match="no prediction to score"):
        sense.score([], world.parent)
