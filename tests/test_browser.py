"""The web demo as a visitor meets it in a browser."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from chat_server import Body, ChatServer
from conftest import write_database

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "space"
CHROMIUM = Path("/usr/bin/chromium")
BLIND = "SELECT instr(zeroblob(15000000), zeroblob(7000000) || x'01')"
"""One operation of SQLite that takes an hour: no limit inside the process sees it."""
OTHERS_ARE_SERVED = threading.Event()
"""Until then the model keeps a question that asks for patience waiting."""


def answers(body: Body) -> Any:
    """What the model of the tests writes."""
    question = json.dumps(body["messages"])
    if "no such" in question:
        return "SELECT name FROM nowhere"
    if "patience" in question:
        OTHERS_ARE_SERVED.wait()
    return "SELECT name, population FROM country ORDER BY population DESC"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files of the process that serves the page."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def site(server_files: Path) -> Iterator[str]:
    """The address of the page, served by a process of its own."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; install Chromium to run this")
    pytest.importorskip("playwright", reason="playwright drives the browser; pip install it")
    port = free_port()
    with ChatServer(answers) as server:
        settings = {
            "SENSE_MODEL": "test-model",
            "SENSE_BASE_URL": server.base_url,
            "TMPDIR": str(server_files),
        }
        process = subprocess.Popen(
            [sys.executable, SPACE / "app.py", "--port", str(port)], env=os.environ | settings
        )
        try:
            for _ in range(240):
                time.sleep(0.5)
                assert process.poll() is None, "the page ended at its start"
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[f"--{flag}" for flag in f"{flags} disable-component-update disable-sync".split()],
        )
        yield made
        made.close()


@pytest.fixture
def page(site: str, browser: Any) -> Iterator[Any]:
    """The page as a new visitor finds it; `errors` collects what its scripts complain of."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(180_000)  # a busy machine takes a minute to open the page
    opened.strangers = []
    opened.on(
        "request",
        lambda request: (
            opened.strangers.append(request.url)
            if not request.url.startswith((site, "data:", "blob:"))
            else None
        ),
    )
    opened.goto(site)
    opened.get_by_role("button", name="Run this SQL").wait_for()
    yield opened
    opened.close()


def upload(page: Any, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def write_sql(page: Any, sql: str) -> None:
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(sql)
    page.get_by_role("button", name="Run this SQL").click()


def wait_for_text(page: Any, text: str) -> None:
    page.get_by_text(text).first.wait_for()


@pytest.mark.slow
@pytest.mark.browser
def test_visitor_uploads_asks_edits_and_runs(page: Any, world: Path) -> None:
    upload(page, world)
    wait_for_text(page, "world.sqlite is open: 2 tables.")
    wait_for_text(page, "country_code")
    page.get_by_label("Question").fill("Which countries are the largest?")
    page.get_by_role("button", name="Ask").click()
    wait_for_text(page, "6 rows in")
    assert "ORDER BY population DESC" in page.locator(".cm-content").first.inner_text()
    wait_for_text(page, "Maldives")
    page.locator("canvas, svg.marks").first.wait_for()
    write_sql(page, "SELECT count(*) AS num_cities FROM city")
    wait_for_text(page, "1 row in")
    wait_for_text(page, "num_cities")
    write_sql(page, "SELECT nmae FROM city")
    wait_for_text(page, "SQLite cannot run this query: no such column: nmae.")
    assert page.strangers == []


@pytest.mark.slow
@pytest.mark.browser
def test_visitor_compares_two_queries(page: Any, world: Path) -> None:
    upload(page, world)
    wait_for_text(page, "world.sqlite is open: 2 tables.")
    write_sql(page, "SELECT name FROM city WHERE population > 9000000")
    wait_for_text(page, "1 row in")
    page.get_by_text("Compare it with another query").click()
    page.locator(".cm-content").nth(1).click()
    page.keyboard.insert_text("SELECT name FROM city WHERE population < 50000")
    page.get_by_role("button", name="Compare", exact=True).click()
    wait_for_text(page, "A few rows of the database are enough to show it:")
    shown = page.locator(".witness").inner_text()
    assert "Shanghai" in shown and "the second query" in shown
    page.locator(".cm-content").nth(1).click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("SELECT c.name FROM city AS c WHERE 9000000 < c.population")
    page.get_by_role("button", name="Compare", exact=True).click()
    wait_for_text(page, "here and on any data in these tables.")
    assert page.locator(".witness").count() == 0
    page.get_by_label("bakery").check()
    page.get_by_text("here and on any data in these tables.").wait_for(state="hidden")
    assert page.strangers == []


@pytest.mark.slow
@pytest.mark.browser
def test_faults_are_sentences(page: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 4_000)
    upload(page, tmp_path / "broken.sqlite")
    wait_for_text(page, "broken.sqlite cannot be read as a SQLite database")
    page.get_by_role("button", name="Ask").click()
    wait_for_text(page, "Type a question first")
    page.get_by_label("Question").fill("Is there no such thing?")
    page.get_by_label("Question").press("Enter")
    wait_for_text(page, "SQLite cannot run this query: no such table: nowhere.")
    write_sql(page, BLIND)
    wait_for_text(page, "This query was stopped: more than 5")


@pytest.mark.slow
@pytest.mark.browser
def test_page_answers_others_while_a_question_waits(page: Any, browser: Any, site: str) -> None:
    other = browser.new_page()
    other.set_default_timeout(180_000)
    other.goto(site)
    page.get_by_label("Question").fill("How much patience is there?")
    page.get_by_role("button", name="Ask").click()
    wait_for_text(page, "Writing SQL ...")
    write_sql(other, "SELECT count(*) AS n FROM shop")
    wait_for_text(other, "1 row in")
    OTHERS_ARE_SERVED.set()
    wait_for_text(page, "no such table: country")
    other.close()


@pytest.mark.slow
@pytest.mark.browser
def test_names_and_values_of_a_visitor_run_no_script(page: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}"
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    script = f"""CREATE TABLE "{evil}" ("{evil}", n); INSERT INTO "{evil}" VALUES ('{evil}', 1);
        INSERT INTO "{evil}" VALUES ('b', 2);"""
    upload(page, write_database(tmp_path / "evil.sqlite", script))
    wait_for_text(page, "evil.sqlite is open: 1 table.")
    write_sql(page, f'SELECT * FROM "{evil}"')
    wait_for_text(page, "2 rows in")
    page.wait_for_timeout(1_000)
    assert alerts == []
    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_text("${alert(2)}").count() >= 2


@pytest.mark.slow
@pytest.mark.browser
def test_upload_is_served_to_nobody_and_deleted_at_the_end(
    page: Any, site: str, server_files: Path, world: Path
) -> None:
    sent: list[Any] = []
    page.on("response", lambda got: sent.append(got) if "/upload" in got.url else None)
    upload(page, world)
    wait_for_text(page, "world.sqlite is open")
    [cached] = next(got.json() for got in sent if got.request.method == "POST")
    assert cached.endswith("world.sqlite")
    [kept] = server_files.rglob("upload.sqlite")
    for path in (cached, str(kept)):
        with pytest.raises(HTTPError):
            urlopen(f"{site}/gradio_api/file={quote(path)}")
    assert list(server_files.rglob("world.sqlite")) == []
    page.goto("about:blank")
    for _ in range(120):
        if not kept.exists():
            break
        time.sleep(0.5)
    assert not kept.exists()
