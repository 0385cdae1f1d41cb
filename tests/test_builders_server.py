"""builders/strong.py and its servers: several, priced, limited, out of quota, silent."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, Fault, hang, out_of_quota
from test_builders_strong import (
    assert_one_sentence,
    build,
    load,
    openai_arguments,
    spider,
    teacher_answer,
)

from sense.facts import read_facts
from sense.servers.options import add_server_options, server_option_fault

__all__ = ["spider"]


@pytest.fixture
def servers() -> Iterator[tuple[ChatServer, ChatServer]]:
    with ChatServer(teacher_answer) as one, ChatServer(teacher_answer) as other:
        yield one, other


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text("big-model: {prompt: 2.5, completion: 10}\nsmall: {prompt: 1, completion: 1}\n")
    return path


def test_two_servers_a_table_of_prices_and_a_limit_of_tokens(
    servers: tuple[ChatServer, ChatServer],
    spider: Path,
    prices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = openai_arguments(servers[0], spider, num_examples=30, prices=prices, concurrency=2)
    limit = ("--max-total-tokens", "100")  # a reply is 15 tokens
    build(monkeypatch, *arguments, "--base-url", servers[1].base_url, *limit, "--out", out)
    assert "stopped: --max-total-tokens 100 was reached" in capsys.readouterr().out
    usage = read_facts(out).usage
    num = usage["replies"]
    assert 5 <= num <= 7
    assert usage["cost_usd"] == pytest.approx(num * (10 * 2.5 + 5 * 10) / 1e6)
    assert sum(len(server.requests) for server in servers) == num
    assert servers[1].requests
    assert servers[0].base_url not in (out / "README.md").read_text()


def test_a_quota_that_ends_midway_loses_nothing(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Body) -> str | Fault:
        return out_of_quota if len(server.requests) > 6 else teacher_answer(request)

    out = tmp_path / "out"
    with ChatServer(answer) as server:
        arguments = openai_arguments(server, spider, num_examples=12, concurrency=1)
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--out", out)
        assert_one_sentence(found.value, "add credit, then run the same command again", tmp_path)
        asked = [json.dumps(request) for request in server.requests]
        server.answer = teacher_answer
        build(monkeypatch, *arguments, "--out", out)
        again = {json.dumps(request) for request in server.requests[len(asked) :]}
    assert again.isdisjoint(asked[:6])
    assert sum(map(len, load(out, tmp_path).values())) == 12


def test_a_server_that_never_answers(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sense.servers.balance.MAX_WAIT_SECONDS", 0.01)
    with ChatServer(lambda request: hang(60)) as server:
        arguments = openai_arguments(server, spider, num_examples=4, request_seconds=0.2)
        with pytest.raises(SystemExit) as found:
            build(monkeypatch, *arguments, "--out", tmp_path / "out")
    said = "did not answer within 0.2 s; raise --request-seconds or ask for less at once"
    assert_one_sentence(found.value, said, tmp_path)


def test_a_preview_shows_prompts_and_projects_the_rest(
    servers: tuple[ChatServer, ChatServer],
    spider: Path,
    prices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = openai_arguments(servers[0], spider, num_examples=500, prices=prices)
    build(monkeypatch, *arguments, "--preview", "5", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(servers[0].requests) == 5
    printed = capsys.readouterr().out
    for request in servers[0].requests:
        assert all(message["content"] in printed for message in request["messages"])
    assert printed.count("--- answer (10 + 5 tokens, ") == 5
    assert printed.count("--- verdict\n") == 5
    # four of five are good: 496 more need 620 requests of $ 0.000075 each
    assert "620 (" in printed
    assert "dollars" in printed and "0.046 (" in printed
    assert "minutes with 32 in flight" in printed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--max-cost", "3"], "--max-cost says nothing without --base-url"),
        (["--prices", "p.yaml"], "--prices says nothing without --base-url"),
        (["--base-url", "u", "--max-cost", "3"], "--max-cost needs --prices, or --price-in"),
        (["--base-url", "u", "--prices", "p", "--price-in", "1"], "say the same; give one of them"),
        (["--base-url", "u", "--max-total-tokens", "3"], ""),
        ([], ""),
    ],
)
def test_server_options_that_do_not_go_together(given: list[str], said: str) -> None:
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    fault = server_option_fault(parser.parse_args(given))
    assert said in fault if said else fault == ""


def test_addresses_may_be_repeated_or_listed() -> None:
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    given = parser.parse_args(["--base-url", "a", "b", "--concurrency", "9", "--base-url", "c"])
    assert given.base_url == ["a", "b", "c"]
