"""Questions of a teacher that are kept, mended or dropped by answers given without its SQL."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, Fault, status
from test_builders_strong import (
    ONE_KIND,
    build,
    load,
    openai_arguments,
    spider,
    teacher_answer,
)
from test_teaching import SHOTS

from sense.chat import Chat
from sense.coverage.plan import read_plan
from sense.example import to_example
from sense.facts import read_facts
from sense.journal import Journal
from sense.prompt import DEFAULT_CONTRACT
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server
from sense.teaching.planning import Teaching, teacher_coverage
from sense.teaching.proposals import ProposalSet
from sense.teaching.rounds import make_proposals

__all__ = ["spider"]

JOIN = "FROM maker AS m JOIN piece AS p ON p.id = m.piece_id WHERE m.code_{n} = 'X{n}'"
GOLD = f"SELECT count(*) {JOIN}"
OTHER = f"SELECT count(DISTINCT p.id) {JOIN}"


def answer(request: Body) -> str | Fault:
    """The teacher's SQL, or as a voter what the number in the question decides."""
    if request["messages"][0]["content"] != DEFAULT_CONTRACT.system:
        return teacher_answer(request)
    return vote(request)


def vote(request: Body) -> str | Fault:
    question = request["messages"][-1]["content"].rpartition("Question")[2]
    n = asked_number(request)
    assert "count" not in question
    kind = n % 3
    if kind == 1 and n % 2:
        return status(400, "content filter")
    texts = {0: GOLD, 1: "SELECT nothing FROM maker", 2: f"```sql\n{OTHER};\n```"}
    return texts[kind].format(n=n)


def asked_number(request: Body) -> int:
    return int(re.findall(r"code X(\d+)", request["messages"][-1]["content"])[-1])


def agreeing_vote(request: Body) -> str:
    return GOLD.format(n=asked_number(request))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(answer) as found:
        yield found


def number(row: dict[str, str]) -> int:
    return int(re.findall(r"code X(\d+)", row["question"])[0])


def test_answers_without_sight_of_gold_keep_mend_or_drop_a_pair(
    server: ChatServer, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(ONE_KIND)
    cache = ReplyCache(tmp_path / "replies.sqlite")
    with (
        Chat(Server("m", server.base_url, first_wait_seconds=0.01), cache) as chat,
        Journal(tmp_path / "journal.jsonl", {}) as journal,
    ):
        found = make_set(chat, journal, tmp_path / "plan.yaml")
        num_sent = len(server.requests)
        again = make_set(chat, journal, tmp_path / "plan.yaml")
        rows = list(found.rows("train"))
        assert len(server.requests) == num_sent
        assert list(again.rows("train")) == rows
        dropped = [row for row in found.rejected("train") if row["reason"] == "no_agreement"]
    assert len(rows) == 8
    for row in rows:
        n = number(row)
        gold = {0: GOLD, 2: OTHER}[n % 3].format(n=n)
        assert row["sql"] == gold
        assert row["completion"][0]["content"] == gold
        assert ("distinct" in row["features"]) == (n % 3 == 2)
        assert row["id"] == to_example(row).id
    assert found.votes == Counter("kept" if number(row) % 3 == 0 else "repaired" for row in rows)
    assert found.votes["repaired"] > 0
    assert found.funnel.dropped["no_agreement"] == len(dropped) > 0
    assert all("CREATE TABLE piece" in row["script"] for row in dropped)
    assert {row["detail"] for row in dropped} == {"0 of 0 as gold, 0 otherwise"}
    assert all(number(row) % 2 == 0 for row in dropped)
    assert found.funnel.dropped["server_http_400"] > 0


def make_set(chat: Chat, journal: Journal, plan: Path) -> ProposalSet:
    teaching = Teaching(
        SHOTS, 1.0, 4_096, DEFAULT_CONTRACT, "other", 3, {"invent": 1.0}, num_votes=5
    )
    found = ProposalSet(8, teacher_coverage(read_plan(plan), 8, teaching), journal)
    make_proposals(found, chat, teaching, num_workers=0)
    return found


def voting(voter: ChatServer, **more: str) -> list[str]:
    """Arguments for votes by another model at another server."""
    options = {"agreement": "5", "voter": "other-model", "voter_base_url": voter.base_url, **more}
    return [word for name, value in options.items() for word in (_flag(name), value)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def test_another_model_votes_within_the_same_budget(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with ChatServer(teacher_answer) as teacher, ChatServer(vote) as voter:
        prices = {"price_in": "1", "price_out": "1"}
        arguments = [
            *openai_arguments(teacher, spider, num_examples=6, **prices),
            *voting(voter, voter_price_in="100", voter_price_out="100"),
        ]
        build(monkeypatch, *arguments, "--out", out)
        assert {request["model"] for request in teacher.requests} == {"big-model"}
        assert {request["model"] for request in voter.requests} == {"other-model"}
        contract = DEFAULT_CONTRACT.system
        assert all(request["messages"][0]["content"] == contract for request in voter.requests)
        usage = read_facts(out).usage
        kinds = ("prompt_tokens", "completion_tokens")
        of_both = sum(usage[kind] for kind in kinds)
        of_voter = sum(usage[f"voter_{kind}"] for kind in kinds)
        assert of_both > of_voter > 0
        assert usage["voter_cost_usd"] == pytest.approx(of_voter * 100 / 1e6)
        assert usage["cost_usd"] == pytest.approx((of_both - of_voter + of_voter * 100) / 1e6)
        facts = read_facts(out)
        assert facts.settings["voter"] == "other-model"
        assert voter.base_url not in (out / "facts.json").read_text()
        card = (out / "README.md").read_text()
        assert "Another model, `other-model`, answered each question 5 times" in card
        assert "terms of use of big-model and other-model apply" in card
        rows = load(out, tmp_path)["train"]
        teachers = {0: "big-model", 2: "big-model and other-model"}
        assert {row["teacher"] for row in rows} == {teachers[number(row) % 3] for row in rows}

        num_sent = len(teacher.requests) + len(voter.requests)
        shutil.rmtree(out)
        build(monkeypatch, *arguments, "--out", out)  # resumed: all is in the journal
        assert len(teacher.requests) + len(voter.requests) == num_sent
        assert read_facts(out).usage == facts.usage
        with pytest.raises(SystemExit, match="other settings: voter was"):
            shutil.rmtree(out)
            third = [word.replace("other-model", "third") for word in arguments]
            build(monkeypatch, *third, "--out", out)


def test_votes_end_with_the_money_that_both_models_have(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ChatServer(teacher_answer) as teacher, ChatServer(vote) as voter:
        prices = {"price_in": "1000", "price_out": "1000"}
        more = {"max_cost": "0.2", "concurrency": "1"}  # an answer costs $ 0.015
        arguments = [
            *openai_arguments(teacher, spider, num_examples=8, **prices, **more),
            *voting(voter, voter_price_in="1000", voter_price_out="1000"),  # a vote $ 0.035
        ]
        build(monkeypatch, *arguments, "--out", tmp_path / "out")
    assert 0.17 < read_facts(tmp_path / "out").usage["cost_usd"] < 0.2 + 0.035
    assert "stopped: --max-cost 0.2 was reached" in capsys.readouterr().out


def test_a_preview_projects_the_votes_too(
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ChatServer(teacher_answer) as teacher, ChatServer(agreeing_vote) as voter:
        arguments = [*openai_arguments(teacher, spider, num_examples=50), *voting(voter)]
        printed = []
        for _ in range(2):  # the second one asks for nothing
            build(monkeypatch, *arguments, "--preview", "4", "--out", tmp_path / "out")
            printed.append(capsys.readouterr().out.partition("the rest, projected")[2])
        assert printed[0] == printed[1]
    assert "voter completion tokens" in printed[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--voter", "b"], "--voter says nothing without --agreement"),
        (
            ["--agreement", "5", "--voter-base-url", "u"],
            "--voter-base-url says nothing without --v",
        ),
        (
            ["--agreement", "5", "--voter", "b", "--price-in", "1"],
            "--price-in and --price-out say nothing of --voter b; add --voter-price-in",
        ),
        (
            ["--agreement", "5", "--voter", "b", "--prices", "p", "--voter-price-out", "1"],
            "--prices and --voter-price-in or --voter-price-out say the same",
        ),
        (
            ["--agreement", "5", "--voter", "b", "--voter-price-in", "1"],
            "--voter-price-in needs --price-in and --price-out",
        ),
    ],
)
def test_options_of_a_voter_that_do_not_go_together(
    given: list[str],
    said: str,
    server: ChatServer,
    spider: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = openai_arguments(server, spider, num_examples=6)
    with pytest.raises(SystemExit):
        build(monkeypatch, *arguments, *given, "--out", tmp_path / "out")
    assert said in capsys.readouterr().err
    assert not server.requests
