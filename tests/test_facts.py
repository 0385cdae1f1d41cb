import json
import subprocess
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from sense.facts import (
    Facts,
    Funnel,
    Input,
    code_version,
    collect_facts,
    facts_from_json,
    file_sha256,
    identity,
    outcome,
    read_facts,
    versions,
    write_facts,
)

ARGV = ["builders/weak.py", "--seed", "7", "--out", "runs/weak", "--push=ada/weak", "--limit", "9"]


def some_facts(**changes: object) -> Facts:
    funnel = Funnel("judge", "answers", read=1200, dropped={"unknown": 200}, kept=1000)
    facts = collect_facts(
        "builders/weak.py",
        seed=7,
        settings={"limits": {"max_steps": 1000}},
        inputs=[Input("ada/strong", "dataset", revision="abc", license="apache-2.0")],
        funnels=[funnel],
        counts={"verdict": {"correct": 700, "incorrect": 300}},
        usage={"prompt_tokens": 12},
        seconds=1.234,
        argv=ARGV,
    )
    return replace(facts, **changes)


def test_funnel_prints_thousands_and_frequent_reasons_first() -> None:
    funnel = Funnel("filter", "questions")
    funnel.keep(1234567)
    funnel.drop("empty_result", 5)
    funnel.drop("gold_error", 1000)
    assert str(funnel).splitlines() == [
        "filter (questions)         rows",
        "read                  1,235,572",
        "dropped gold_error        1,000",
        "dropped empty_result          5",
        "kept                  1,234,567",
    ]


def test_reasons_of_a_funnel_are_part_of_a_sentence() -> None:
    funnel = Funnel("filter")
    assert funnel.reasons() == "nothing was read"
    for reason, count in (("b", 2), ("a", 2), ("c", 1_500)):
        funnel.drop(reason, count)
    assert funnel.reasons() == "c 1,500, a 2, b 2"


def test_funnel_that_loses_rows_is_an_error() -> None:
    funnel = Funnel("filter", read=10, dropped={"empty": 3}, kept=6)
    with pytest.raises(ValueError, match="read 10 but kept 6 and dropped 3 \\(9\\)"):
        funnel.check()


def test_facts_with_a_leaking_funnel_are_not_collected() -> None:
    with pytest.raises(ValueError, match="funnel 'filter' read 1"):
        collect_facts("x.py", seed=0, settings={}, funnels=[Funnel("filter", read=1)])


def test_settings_that_json_cannot_hold_are_named() -> None:
    with pytest.raises(TypeError, match=r"settings of x\.py"):
        collect_facts("x.py", seed=0, settings={"out": Path("x")})


def test_facts_come_back_from_their_file(tmp_path: Path) -> None:
    facts = some_facts()
    write_facts(facts, tmp_path)
    assert read_facts(tmp_path) == facts


def test_command_leaves_out_places_and_run_keeps_them() -> None:
    facts = some_facts()
    assert facts.command == "python builders/weak.py --seed 7 --limit 9"
    assert facts.run["command"] == "python " + " ".join(ARGV)
    assert facts.run["seconds"] == 1.2


def test_commands_tell_nothing_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    argv = [
        *("/home/ada/kit/builders/weak.py", "--databases", "/home/ada/db", "--num-workers", "9"),
        *("--data", str(tmp_path / "set"), "--base-url=http://10.0.0.7:8000/v1", "--model", "a/b"),
        *("--samples", "~/x/samples.jsonl", "--out", "/home/ada/out"),
    ]
    facts = collect_facts("builders/weak.py", seed=0, settings={}, argv=argv)
    shared = "--databases db --data set --base-url=URL --model a/b --samples samples.jsonl"
    assert facts.command == f"python builders/weak.py {shared}"
    before, after = shared.split(" --data")
    assert facts.run["command"] == (
        f"python builders/weak.py {before} --num-workers 9 --data{after} --out out"
    )


def test_identity_is_the_same_in_another_run(tmp_path: Path) -> None:
    first = some_facts()
    later = replace(first, run={"date": "2030-01-01", "seconds": 99.0, "machine": "other"})
    assert identity(first) == identity(later)
    assert identity(first) != identity(replace(first, seed=8))
    write_facts(first, tmp_path)
    assert identity(read_facts(tmp_path)) == identity(first)


def test_versions_name_the_sqlite_that_executes() -> None:
    assert versions()["sqlite"] == apsw.sqlite_lib_version()
    assert {"python", "sqlglot", "datasets", "sense-kit"} <= versions().keys()


def test_commit_is_that_of_this_checkout() -> None:
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
    )
    assert code_version()[0] == head.stdout.strip()


def test_missing_and_foreign_facts_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected the folder of a finished builder"):
        read_facts(tmp_path)
    with pytest.raises(ValueError, match=r"not a facts\.json of this version"):
        facts_from_json(json.dumps({"seed": 1}))


def test_outcome_says_where_everything_lies(tmp_path: Path) -> None:
    splits = {"default": {"train": {"num_rows": 1000}, "test": {"num_rows": 20}}}
    facts = some_facts(results={"splits": splits})
    assert outcome(tmp_path, facts, commit="abc").splitlines() == [
        "judge (answers)   rows",
        "read             1,200",
        "dropped unknown    200",
        "kept             1,000",
        "",
        "table           rows",
        "default/train  1,000",
        "default/test      20",
        "",
        f"folder  {tmp_path}",
        "commit  abc",
    ]


def test_file_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
