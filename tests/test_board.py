"""Several systems on the same questions: ranks, significance, flips, and one report of all."""

import json
from pathlib import Path

import pytest

from sense.facts import collect_facts, read_facts
from sense.inputs.predictions import System
from sense.reports.board import make_board, read_evaluations
from sense.reports.board_report import (
    SystemResult,
    board_blocks,
    line_by_line,
    write_board,
    write_results,
)
from sense.reports.document import to_markdown
from sense.reports.mistakes import Mistake
from sense.reports.report import write_evaluation
from sense.scores.outcomes import Outcome

FACTS = collect_facts("recipes/evaluate.py", seed=0, settings={})


def outcome(
    idx: int, score: int | None, second: int | None = None, rule: str = "spider"
) -> Outcome:
    """An outcome by one rule, or by two."""
    verdict = "correct" if score else "incorrect"
    scores = {rule: score} | ({} if second is None else {"strict": second})
    kind = "" if score else "table"
    return Outcome(
        idx, "world", f"question {idx}", "easy", "", "", score or 0, verdict, "", "ok", scores,
        error_kind=kind,
    )  # fmt: skip


def outcomes(values: list[int], second: list[int] | None = None) -> list[Outcome]:
    others = second or [None] * len(values)
    pairs = zip(values, others, strict=True)
    return [outcome(idx, value, other) for idx, (value, other) in enumerate(pairs)]


def write(folder: Path, values: list[int], rule: str = "spider") -> Path:
    found = [outcome(idx, value, rule=rule) for idx, value in enumerate(values)]
    write_evaluation(folder, found, FACTS)
    return folder


def test_systems_are_ranked_and_every_pair_is_tested_with_correction() -> None:
    board = make_board(
        {
            "low": outcomes([0] * 10),
            "high": outcomes([1] * 10),
            "middle": outcomes([1] * 9 + [0]),
        }
    )
    assert list(board.scores) == ["high", "middle", "low"]
    assert [
        (p.better, p.worse, p.only_better, p.only_worse, round(p.corrected, 4)) for p in board.pairs
    ] == [
        ("high", "middle", 1, 0, 1.0),
        ("high", "low", 10, 0, 0.0059),
        ("middle", "low", 9, 0, 0.0078),
    ]


def test_questions_that_do_not_count_for_both_are_left_out_of_a_pair() -> None:
    first = [outcome(0, None), outcome(1, 1), outcome(2, 1)]
    second = [outcome(0, 1), outcome(1, 0), outcome(2, 1)]
    [pair] = make_board({"a": first, "b": second}).pairs
    assert (pair.better, pair.num, pair.only_better, pair.only_worse) == ("a", 2, 1, 0)


def test_level_that_counts_for_one_system_only_leaves_the_others_cell_empty() -> None:
    first = [outcome(0, 1), outcome(1, 1)._replace(hardness="extra")]
    second = [outcome(0, 1), outcome(1, None)._replace(hardness="extra")]
    report = to_markdown(board_blocks(make_board({"a": first, "b": second})))
    assert "| b | 100.0 % (20.7 to 100.0) |  |" in report.splitlines()


def test_board_says_how_many_answers_are_wrong_for_want_of_a_proof() -> None:
    first = [outcome(0, 0, rule="strict")._replace(verdict="unknown"), outcome(1, 1, rule="strict")]
    second = [outcome(0, 0, rule="strict"), outcome(1, 1, rule="strict")]
    lines = to_markdown(board_blocks(make_board({"a": first, "b": second}))).splitlines()
    assert "Counted as wrong by the strict rule though the verdict is `unknown`: a 1, b 0." in lines


def test_ranking_that_another_column_turns_round_is_a_flip() -> None:
    board = make_board(
        {
            "loose": outcomes([1, 1, 1, 0], [0, 0, 1, 0]),
            "exact": outcomes([1, 1, 0, 0], [1, 1, 0, 0]),
            "equal": outcomes([1, 0, 1, 0], [1, 0, 0, 0]),
        }
    )
    assert [(f.first, f.second, f.column) for f in board.flips] == [("loose", "exact", "strict")]
    assert (board.flips[0].difference, board.flips[0].other_difference) == (0.25, -0.25)


def test_results_of_several_systems_are_a_folder_each_and_a_board(tmp_path: Path) -> None:
    results = [
        SystemResult(System("a", ()), outcomes([1, 0])),
        SystemResult(System("b", ()), outcomes([1, 1])),
    ]
    mistakes = [Mistake("table", 1, outcome(1, 0), "a row")]
    printed = write_results(tmp_path / "out", results, FACTS, mistakes)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        *("a", "b", "board.json", "facts.json", "report.html", "report.md")
    ]
    assert json.loads((out / "a" / "scores.json").read_text())["accuracy"] == 0.5
    content = json.loads((out / "board.json").read_text())
    assert list(content["systems"]) == ["b", "a"]
    assert read_facts(out).results == content
    assert "| b | 2 | 100.0 % (34.2 to 100.0) |" in printed.splitlines()
    report = (out / "report.md").read_text()
    assert "| b | a | 1 | 0 | 1 | 1 | no |" in report.splitlines()
    assert "### table: 1" in report
    assert (out / "report.html").read_text().count("<svg") == 4


def test_board_of_finished_folders_equals_that_of_the_run(tmp_path: Path) -> None:
    results = [
        SystemResult(System("a", ()), outcomes([1, 0], [1, 0])),
        SystemResult(System("b", ()), outcomes([1, 1], [0, 0])),
    ]
    write_results(tmp_path / "out", results, FACTS)
    folders = {name: tmp_path / "out" / name for name in ("a", "b")}
    write_board(tmp_path / "again", read_evaluations(folders), FACTS)
    first, again = (tmp_path / name / "board.json" for name in ("out", "again"))
    assert first.read_text() == again.read_text()


def test_comparison_tests_each_line_against_the_one_above(tmp_path: Path) -> None:
    first = write(tmp_path / "first", [1, 0, 0, 0, 0, 0])
    second = write(tmp_path / "second", [1, 1, 1, 1, 1, 1])
    third = write(tmp_path / "third", [0, 1, 1, 1, 1, 1])
    folders = {"base": first, "sft": second, "dpo": third}
    board = make_board(read_evaluations(folders))
    assert line_by_line(board, folders).splitlines()[2:] == [
        "| system | questions | accuracy | 95 % interval "
        "| against the line above (p corrected by Holm) |",
        "|---|---:|---:|---|---|",
        "| base | 6 | 16.7 % | 3.0 to 56.4 % |  |",
        "| sft | 6 | 100.0 % | 61.0 to 100.0 % | +5 -0, p = 0.19 |",
        "| dpo | 6 | 83.3 % | 43.6 to 97.0 % | +0 -1, p = 1 |",
    ]
    assert [pair.corrected for pair in board.pairs if pair.worse == "base"] == [0.1875, 0.4375]


def test_other_questions_and_other_rules_are_not_compared(tmp_path: Path) -> None:
    first = write(tmp_path / "first", [1, 0])
    with pytest.raises(ValueError, match=r"a \(2 questions\) and b \(3\) were evaluated on differ"):
        make_board(read_evaluations({"a": first, "b": write(tmp_path / "longer", [1, 0, 1])}))
    with pytest.raises(ValueError, match="a was scored by the rule spider, b by strict"):
        make_board(
            read_evaluations({"a": first, "b": write(tmp_path / "strict", [1, 0], "strict")})
        )
    with pytest.raises(FileNotFoundError, match=r"does not exist; expected a folder"):
        read_evaluations({"a": tmp_path / "nowhere"})
    with pytest.raises(FileNotFoundError, match=r"several systems: .*; name .* as \S*/first$"):
        read_evaluations({"a": first, "b": tmp_path})
    (first / "per_example.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"is empty; expected one line per question"):
        read_evaluations({"a": first})
    (first / "per_example.jsonl").write_text('{"idx": 0}\n')
    with pytest.raises(ValueError, match=r"was not written by this version.*evaluate again"):
        read_evaluations({"a": first})
