"""The folder of an evaluation: what is in it, and a page that needs nothing else."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sense.evaluation import evaluate
from sense.facts import collect_facts, read_facts
from sense.inputs.reading import Prediction
from sense.reports.document import Code, Heading, Table, Text, to_html, to_markdown
from sense.reports.figure import Share, count_chart, interval_chart, stacked_chart
from sense.reports.mistakes import Mistake, diagnosed, frequent_mistakes, with_witnesses
from sense.reports.report import write_evaluation
from sense.scores.outcomes import Outcome

CHROMIUM = Path("/usr/bin/chromium")
CITIES = "SELECT name FROM city"
FACTS = collect_facts("recipes/evaluate.py", seed=0, settings={})
PAIRS = [
    (CITIES, CITIES),
    (CITIES, "SELECT nam FROM city"),
    (CITIES, "SELECT name FROM country"),
    (CITIES, "SELECT name FROM country WHERE 1"),
    ("SELECT name FROM city WHERE id = 99", CITIES),
    (CITIES, "```sql\nSELECT name FROM city\n```"),
    ("SELECT name FROM WHERE", "The cities <b>'s</b> names"),
]


class Page(HTMLParser):
    """Every tag with its attributes, and what no self-contained page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def outcomes(world: Path) -> list[Outcome]:
    rows = [Prediction(idx, "world", f"question {idx}", *pair) for idx, pair in enumerate(PAIRS)]
    found = evaluate(rows, {"world": world}, ["strict", "spider"], num_workers=0)
    return diagnosed(found, {"world": world})


@pytest.fixture
def mistakes(outcomes: list[Outcome], world: Path) -> list[Mistake]:
    [found] = with_witnesses([frequent_mistakes(outcomes)], lambda outcome: world, num_workers=0)
    return found


@pytest.fixture
def folder(tmp_path: Path, outcomes: list[Outcome], mistakes: list[Mistake]) -> Path:
    """A written evaluation."""
    notes = ["1 answer is odd"]
    write_evaluation(tmp_path / "a" / "out", outcomes, FACTS, (), mistakes, notes)
    return tmp_path / "a" / "out"


def test_written_folder_holds_scores_lines_reports_and_facts(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "facts.json",
        "per_example.jsonl",
        "report.html",
        "report.md",
        "scores.json",
    ]
    assert sorted(folder.parent.iterdir()) == [folder]
    assert read_facts(folder).results == json.loads((folder / "scores.json").read_text())


def test_line_has_the_stable_columns_first(folder: Path) -> None:
    lines = (folder / "per_example.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {
        "idx": 1,
        "db_id": "world",
        "question": "question 1",
        "hardness": "easy",
        "gold_sql": CITIES,
        "predicted_sql": "SELECT nam FROM city",
        "correct": 0,
        "verdict": "incorrect",
        "reason": "error",
        "gold_status": "ok",
        "scores": {"strict": 0, "spider": 0},
        "form": "query",
        "error_kind": "unknown_column",
        "witness": '{"error": "no such column: nam"}',
        "unfinished": [],
        "double_quoted_literal": False,
        "bird": None,
    }


def test_report_says_scores_and_what_was_wrong_with_the_input(folder: Path) -> None:
    lines = (folder / "report.md").read_text().splitlines()
    assert lines[0] == "# Execution accuracy"
    assert "| **all** | 5 | 1 | 20.0 % | 3.6 to 62.4 % |" in lines
    assert "Golds that are no query and have no hardness: 1." in lines
    assert "| empty | 1 | 4: `SELECT name FROM city WHERE id = 99` |" in lines
    assert "| fenced | 1 | 5: `'''sql SELECT name FROM city '''` |" in lines
    assert "| no_query | 1 | 6: `The cities <b>'s</b> names` |" in lines
    assert "- 1 answer is odd" in lines


def test_report_shows_an_example_of_each_frequent_error_kind(
    folder: Path, mistakes: list[Mistake]
) -> None:
    assert [(m.kind, m.num, m.outcome.idx) for m in mistakes] == [
        ("table", 2, 2),
        ("unknown_column", 1, 1),
        ("syntax", 1, 5),
    ]
    text = (folder / "report.md").read_text()
    assert "### table: 2\n\nquestion 2 (db_id world)\n\ngold:\n\n```sql\nSELECT name" in text
    assert "\n\ngold returns\nname\n------\nPeking\n" in text


def test_page_is_well_formed_and_refers_to_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert page.tags.count("svg") == 3
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "The cities &lt;b&gt;&#x27;s&lt;/b&gt; names" in text


@pytest.mark.slow
@pytest.mark.browser
def test_page_renders_in_a_browser_without_a_request(folder: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        requests: list[str] = []
        complaints: list[Any] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((folder / "report.html").as_uri())
        boxes = [chart.bounding_box() for chart in page.query_selector_all("svg")]
        bars = [bar.bounding_box() for bar in page.query_selector_all("svg .bar")]
        ends = page.evaluate(
            "[...document.querySelectorAll('svg text')].map(t => [t.getBBox().x, "
            "t.getBBox().x + t.getBBox().width - t.ownerSVGElement.viewBox.baseVal.width])"
        )
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert requests == [(folder / "report.html").as_uri()]
    assert complaints == []
    assert [box["width"] > 300 and box["height"] > 20 for box in boxes] == [True] * 3
    assert max(bar["width"] for bar in bars) > 100
    assert all(start >= 0 and overhang <= 0 for start, overhang in ends)
    assert width <= 1000


def test_markdown_keeps_its_table_whatever_a_cell_holds() -> None:
    blocks = [Table(("a", " b"), (("x|y\nz", "1"),)), Code("gold", "SELECT '```'"), Text("end")]
    assert to_markdown(blocks) == (
        "| a | b |\n|---|---:|\n| x\\|y z | 1 |\n\ngold:\n\n````sql\nSELECT '```'\n````\n\nend\n"
    )


def test_page_escapes_every_text() -> None:
    bad = "<script>alert(1)</script>&"
    blocks = [
        Heading(bad),
        Text(bad, (bad,)),
        Table((bad, f" {bad}"), ((bad, f"**{bad}**"),)),
        Code(bad, bad),
    ]
    assert "<script" not in to_html(bad, blocks)


def test_charts_draw_to_scale() -> None:
    chart = interval_chart("Accuracy", [Share("a & b", 0.5, 0.25, 1.0)])
    assert '<rect class="bar" x="190.0" y="6.0" width="215.0" height="14"/>' in chart
    assert "50.0 % (25.0 to 100.0)" in chart
    assert "a &amp; b" in chart
    assert 'width="430.0"' in count_chart("Errors", {"table": 3, "column": 1})
    assert 'width="143.3"' in count_chart("Errors", {"table": 3, "column": 1})
    stacked = stacked_chart("Verdicts", {"all": [1, 3]}, ["right", "wrong"])
    assert '<rect class="wrong" x="297.5" y="6.0" width="322.5" height="14"/>' in stacked
