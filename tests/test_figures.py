"""Figures of a card: drawn from facts alone, the same for the same facts, told in words."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sense.facts import Facts, Funnel
from sense.publishing.figures import check_figures, draw_figures

FACTS = Facts(
    script="builders/strong.py",
    command="python builders/strong.py",
    seed=0,
    funnels=(
        Funnel("teacher answers", "answers", 10, {"empty_result": 3}, 7),
        Funnel("all kept", "rows", 7, {}, 7),
    ),
    results={
        "tallies": {
            "default": {
                "hardness": {"extra": 1, "easy": 4, "hard": 2},
                "style": {"": 7},
                "domain": {f"domain {n:02}": 30 - n for n in range(25)} | {"$ & co": 40},
            },
            "databases": {"domain": {"tea": 1}},
        },
        "lengths": {"default": {"question": {"4": 1, "6": 5, "10": 1}, "sql": {"20": 7}}},
    },
)
PLAN = {
    "shares": {
        "hardness": {
            "hard": {"planned": 0.5, "realised": 0.25},
            "easy": {"planned": 0.5, "realised": 0.75},
        }
    }
}


def drawn(folder: Path, facts: Facts = FACTS) -> dict[str, dict[str, str]]:
    folder.mkdir()
    return {figure["path"]: figure for figure in draw_figures(facts, folder)}


def with_results(**results: Any) -> Facts:
    return replace(FACTS, results=FACTS.results | results)


def test_figures_are_those_that_the_facts_have_numbers_for(tmp_path: Path) -> None:
    found = drawn(tmp_path / "a")
    assert list(found) == [
        "figures/hardness.png",
        "figures/domain.png",
        "figures/lengths.png",
        "figures/funnel_teacher_answers.png",
    ]
    assert sorted(found) == sorted(
        path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.png")
    )


def test_words_tell_the_numbers_levels_in_their_order(tmp_path: Path) -> None:
    found = drawn(tmp_path / "a")
    assert found["figures/hardness.png"]["alt"] == "Bar chart, rows: easy 4, hard 2, extra 1."
    assert found["figures/domain.png"]["alt"].startswith("Bar chart, rows: $ & co 40, domain 00 30")
    assert found["figures/domain.png"]["alt"].endswith(" and 13 more.")  # 20 bars and the others
    assert "median 6 to 7 words" in found["figures/lengths.png"]["alt"]
    assert "median 20 to 39 characters" in found["figures/lengths.png"]["alt"]
    funnel = found["figures/funnel_teacher_answers.png"]["alt"]
    assert funnel == "Bar chart of the answers: read 10, empty_result 3, kept 7."


def test_plan_is_drawn_beside_what_was_realised(tmp_path: Path) -> None:
    figure = drawn(tmp_path / "a", with_results(plan=PLAN))["figures/plan_hardness.png"]
    assert figure["title"] == "Plan against what was realised: hardness"
    assert "easy 50.0 and 75.0, hard 50.0 and 25.0" in figure["alt"]


def test_cells_that_were_neither_planned_nor_met_are_left_out(tmp_path: Path) -> None:
    cell = {"planned": 0.0, "realised": 0.0}
    both = {"style": {"formal": {"planned": 0.0, "realised": 1.0}, "vague": cell}}
    found = drawn(tmp_path / "a", with_results(plan={"shares": both | {"feature": {"in": cell}}}))
    assert "figures/plan_feature.png" not in found
    assert found["figures/plan_style.png"]["alt"].endswith("per cent: formal 0.0 and 100.0.")


def test_of_many_cells_of_a_plan_those_farthest_off_are_drawn(tmp_path: Path) -> None:
    cells = {f"d{n:02}": {"planned": 0.01, "realised": 0.01} for n in range(30)}
    cells["d29"] = {"planned": 0.01, "realised": 0.5}
    facts = with_results(plan={"shares": {"domain": cells}})
    figure = drawn(tmp_path / "a", facts)["figures/plan_domain.png"]
    assert figure["title"].endswith("domain, the 20 of 30 that are farthest off")
    assert " and 12 more." in figure["alt"]


def test_files_are_images_with_a_light_ground_and_equal_for_equal_facts(tmp_path: Path) -> None:
    drawn(tmp_path / "a", with_results(plan=PLAN))
    drawn(tmp_path / "b", with_results(plan=PLAN))
    for path in (tmp_path / "a").rglob("*.png"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()
        with Image.open(path) as image:
            assert image.width == 1080
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
            assert "Software" not in image.info


def test_missing_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RuntimeError, match=r"pip install 'sense-kit\[figures\]'"):
        check_figures()
