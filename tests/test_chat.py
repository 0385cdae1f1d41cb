"""sense.servers.server and sense.chat against a real HTTP server that fails in every way it can."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chat_server import (
    Body,
    ChatServer,
    Fault,
    changed,
    cut,
    hang,
    html,
    lying_length,
    no_choices,
    out_of_quota,
    reply,
    status,
    trickle,
    truncated,
)
from killing import kill_when, num_replies

from sense.chat import AHEAD, MAX_BLIND, Chat
from sense.prompt import DEFAULT_CONTRACT, TINY_CONTRACT, save_contract
from sense.sampler import Completion
from sense.servers.balance import MAX_FAILURES
from sense.servers.budget import Prices
from sense.servers.chat_writer import chat_writer, server_writer
from sense.servers.reply import Choice, Request, derived_seed
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server, ServerError, api_key, check_base_url


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(lambda request: question(request).upper()) as found:
        yield found


def question(request: Body) -> str:
    return str(request["messages"][-1]["content"])


def ask(text: str, **options: Any) -> Request:
    return Request([{"role": "user", "content": text}], **options)


def client(server: ChatServer, seconds: float = 60.0) -> Server:
    return Server("m", server.base_url, request_seconds=seconds, first_wait_seconds=0.01)


def texts(chat: Chat, requests: list[Request]) -> list[list[str]]:
    return [
        [choice.text for choice in reply.choices] if reply else []
        for reply in chat.ask_all(requests)
    ]


def test_replies_in_the_order_of_the_requests(server: ChatServer) -> None:
    chat = Chat(client(server), prices=Prices(2.0, 10.0), concurrency=3)
    assert texts(chat, [ask(name) for name in "abcde"]) == [["A"], ["B"], ["C"], ["D"], ["E"]]
    assert chat.usage() == {
        "replies": 5,
        "prompt_tokens": 50,
        "completion_tokens": 25,
        "cost_usd": 0.00035,
    }
    body = next(request for request in server.requests if question(request) == "c")
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "c"}],
        "temperature": 0.0,
        "max_tokens": 2048,
        "seed": 0,
        "stream": False,
    }


def test_equal_requests_are_sent_once(server: ChatServer) -> None:
    assert texts(Chat(client(server)), [ask("a"), ask("b"), ask("a")]) == [["A"], ["B"], ["A"]]
    assert len(server.requests) == 2


def test_cached_replies_cost_nothing_and_are_counted(server: ChatServer, tmp_path: Path) -> None:
    requests = [ask(name) for name in "abc"]
    usages = []
    for _ in range(2):
        with ReplyCache(tmp_path / "replies.sqlite") as cache:
            chat = Chat(client(server), cache)
            assert texts(chat, requests) == [["A"], ["B"], ["C"]]
            usages.append(chat.usage())
    assert len(server.requests) == 3
    assert usages[0] == usages[1]


@pytest.mark.parametrize(
    "fault",
    [
        status(429, Retry_After="0"),
        status(500),
        status(503),
        status(408),
        cut,
        hang(0.2),
        lying_length(-50),
        changed(message={"role": "user"}),
        html,
        truncated,
        no_choices,
        reply('{"choices": [null]}'),
        reply('{"choices": [{"finish_reason": "stop"}]}'),
        reply('{"choices": "none"}'),
        reply("[]"),
        reply("null"),
        reply('"text"'),
        reply(""),
    ],
)
def test_a_passing_fault_is_asked_again(server: ChatServer, fault: Fault) -> None:
    server.faults.append(fault)
    assert texts(Chat(client(server)), [ask("a")]) == [["A"]]
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [hang(60), trickle, lying_length(500)])
def test_an_answer_without_end_is_asked_again(server: ChatServer, fault: Fault) -> None:
    server.faults.append(fault)
    assert texts(Chat(client(server, seconds=2)), [ask("a")]) == [["A"]]
    assert len(server.requests) >= 2


@pytest.mark.parametrize(
    ("fault", "reason", "seconds"),
    [
        (status(500), "server_http_500", 60),
        (status(400), "server_http_400", 60),
        (status(413), "server_http_413", 60),
        (html, "server_not_json", 60),
        (no_choices, "server_not_json", 60),
        (cut, "server_cut", 60),
        (hang(60), "server_timeout", 0.5),
    ],
)
def test_one_request_that_always_fails_is_a_reject(
    tmp_path: Path, fault: Fault, reason: str, seconds: float
) -> None:
    with (
        ChatServer(lambda request: fault if question(request) == "bad" else "good") as server,
        ReplyCache(tmp_path / "replies.sqlite") as cache,
    ):
        requests = [ask("a"), ask("bad"), ask("c")]
        chat = Chat(client(server, seconds), cache)
        replies = [found for found in chat.ask_all(requests) if found]
        assert [found.reject_reason for found in replies] == ["", reason, ""]
        assert server.base_url in replies[1].error
        num_sent = len(server.requests)
        again = Chat(client(server), cache).ask_all(requests)
        assert again == replies
        assert len(server.requests) == num_sent


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (status(401, "Incorrect key"), "status 401: Incorrect key; set OPENAI_API_KEY"),
        (status(403), "use a key that may call this model"),
        (status(404, "no model m"), "no model m; check --base-url and that the server has"),
        (status(429, "quota used up", Retry_After="0"), "status 429: quota used up"),
        (status(402), "add credit"),
        (out_of_quota, "exceeded your current quota; add credit, then run the same command again"),
        (html, "answered with something that is no chat completion: '<html>"),
        (status(400, "no such parameter\nin line 2"), "status 400: no such parameter"),
        (reply("\x00\x01"), "no chat completion"),
    ],
)
def test_an_unusable_server_is_one_sentence(tmp_path: Path, fault: Fault, said: str) -> None:
    with (
        ChatServer(lambda request: fault) as server,
        ReplyCache(tmp_path / "replies.sqlite") as cache,
    ):
        chat = Chat(client(server), cache)
        with pytest.raises(ServerError, match=server.base_url) as found:
            chat.ask_all([ask(name) for name in "abc"])
        assert said in str(found.value)
        assert "\n" not in str(found.value)
        assert len(cache) == 0


def test_nothing_listens_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        chat = Chat(Server("m", url, first_wait_seconds=0.01))
        with pytest.raises(ServerError, match=r"cannot be reached.*start the server"):
            chat.ask_all([ask("a")])


def test_https_at_a_server_without_it_is_told_without_waiting() -> None:
    with ChatServer() as server:
        url = server.base_url.replace("http:", "https:")
        chat = Chat(Server("m", url, first_wait_seconds=3_600.0))
        with pytest.raises(ServerError, match=r"it speaks no https: begin the URL with http://"):
            chat.ask_all([ask("a")])


def test_failures_in_a_row_end_the_run_and_are_not_kept(tmp_path: Path) -> None:
    with (
        ChatServer(lambda request: "good" if question(request) == "0" else status(400)) as server,
        ReplyCache(tmp_path / "replies.sqlite") as cache,
    ):
        chat = Chat(client(server), cache, concurrency=1)
        with pytest.raises(ServerError, match=f"{MAX_FAILURES} requests in a row failed"):
            chat.ask_all([ask(str(number)) for number in range(30)])
        assert len(cache) == 1
        assert len(server.requests) == 1 + MAX_FAILURES


def test_threads_that_share_a_chat_do_not_end_each_other() -> None:
    is_asked, is_refused = threading.Event(), threading.Event()

    def answer(request: Body) -> str | Fault:
        if question(request) == "slow":
            is_asked.set()
            is_refused.wait(60)
            return "late"
        if question(request) == "bad":
            is_refused.set()
            return status(401)
        return "good"

    with ChatServer(answer) as server, ThreadPoolExecutor() as pool:
        chat = Chat(client(server))
        waiting = pool.submit(texts, chat, [ask("slow")])
        assert is_asked.wait(60)
        with pytest.raises(ServerError, match="401"):
            chat.ask_all([ask("bad")])
        assert texts(chat, [ask("a")]) == [["good"]]
        assert waiting.result() == [["late"]]


def test_kept_failures_do_not_end_a_later_run(server: ChatServer, tmp_path: Path) -> None:
    server.answer = lambda r: status(400) if question(r).startswith("bad") else "good"
    requests = [ask(f"bad {number}") for number in range(MAX_FAILURES + 2)]
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        for number, request in enumerate(requests):  # one at a time: each after an answer
            Chat(client(server), cache, concurrency=1).ask_all([ask(f"{number}"), request])
        num_sent = len(server.requests)
        replies = Chat(client(server), cache).ask_all(requests)
        assert {reply.reject_reason for reply in replies if reply} == {"server_http_400"}
        assert len(server.requests) == num_sent


def test_what_was_answered_before_an_error_is_kept(tmp_path: Path) -> None:
    with (
        ChatServer(lambda r: status(401) if question(r) == "3" else question(r)) as server,
        ReplyCache(tmp_path / "replies.sqlite") as cache,
    ):
        with pytest.raises(ServerError, match="401"):
            Chat(client(server), cache, concurrency=1).ask_all([ask(name) for name in "12345"])
        assert len(cache) == 2


@pytest.mark.parametrize(("takes_n", "num_requests"), [(True, 1), (False, 3)])
def test_as_many_choices_as_asked_for(takes_n: bool, num_requests: int) -> None:
    with ChatServer(takes_n=takes_n) as server:
        assert texts(Chat(client(server)), [ask("a", num=3, temperature=1.0, seed=7)]) == [
            ["SELECT 1"] * 3
        ]
        assert len(server.requests) == num_requests
        seeds = [request["seed"] for request in server.requests]
        assert seeds == [7, derived_seed(7, 1), derived_seed(7, 2)][:num_requests]


def test_what_was_paid_for_a_request_that_fails_midway_counts() -> None:
    def answer(request: Body) -> str | Fault:
        is_more = question(request) == "bad" and len(server.requests) > 2
        return status(400) if is_more else "SELECT 1"

    with ChatServer(answer, takes_n=False) as server:
        chat = Chat(client(server), concurrency=1)
        replies = chat.ask_all([ask("good"), ask("bad", num=2)])
        assert [reply.reject_reason for reply in replies if reply] == ["", "server_http_400"]
        assert chat.usage() == {"replies": 2, "prompt_tokens": 20, "completion_tokens": 10}


def test_a_server_that_refuses_n_and_logprobs_is_asked_without() -> None:
    def answer(request: Body) -> str | Fault:
        return status(422, "extra fields not permitted") if "n" in request else "SELECT 1"

    with ChatServer(answer) as server:
        [found] = Chat(client(server)).ask_all([ask("a", num=2, logprobs=True)])
        assert found is not None
        assert [choice.text for choice in found.choices] == ["SELECT 1", "SELECT 1"]
        assert ["n" in request for request in server.requests] == [True, False, False]


def test_halves_of_characters_and_numbers_that_are_none(server: ChatServer, tmp_path: Path) -> None:
    message = '"message": {"role": "assistant", "content": "\\ud800"}'
    for value in ("NaN", "-Infinity", "1" + "0" * 400):
        logprobs = f'"logprobs": {{"content": [{{"logprob": {value}}}, {{"logprob": -0.5}}]}}'
        server.faults.append(reply(f'{{"choices": [{{{message}, {logprobs}}}]}}'))
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        chat = Chat(client(server), cache)
        found = chat.ask_all([ask(name, logprobs=True) for name in "abc"])
    assert [item.choices[0] if item else None for item in found] == [Choice("?", None)] * 3


def test_a_refusal_that_no_parser_ends(server: ChatServer) -> None:
    server.answer = lambda request: lambda handler, body: handler.send(400, "[" * 100_000)
    with pytest.raises(ServerError, match=r"answered with status 400: \[\[\["):
        Chat(client(server)).ask_all([ask("a")])


def test_logprobs_are_summed_where_there_are_some(server: ChatServer) -> None:
    requests = [ask("a", logprobs=True)]
    [first] = Chat(client(server)).ask_all(requests)
    server.has_logprobs = False
    [second] = Chat(client(server)).ask_all(requests)
    assert first and second
    assert (first.choices[0].logprob, second.choices[0].logprob) == (-0.5, None)


def test_missing_usage_is_estimated_and_said(server: ChatServer) -> None:
    server.has_usage = False
    chat = Chat(client(server), prices=Prices(1.0, 1.0))
    chat.ask_all([ask("x" * 300)])
    assert chat.usage() == {
        "replies": 1,
        "prompt_tokens": 101,
        "completion_tokens": 101,
        "replies_with_estimated_tokens": 1,
        "cost_usd": 0.000202,
    }


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**12},
        {"prompt_tokens": 0},
        {"completion_tokens": -5},
        {"completion_tokens": 0},
        {"completion_tokens": 2_049},
        {"completion_tokens": "many"},
        {"prompt_tokens": True},
        {"prompt_tokens": None},
    ],
)
def test_usage_that_cannot_be_is_estimated(server: ChatServer, usage: Any) -> None:
    server.faults.append(changed(usage=usage))
    chat = Chat(client(server))
    assert texts(chat, [ask("abc")]) == [["WRONG"]]
    assert chat.usage() == {
        "replies": 1,
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "replies_with_estimated_tokens": 1,
    }


def test_a_cut_answer_says_so() -> None:
    message = {"role": "assistant", "content": None}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "length"}]})
    with ChatServer(lambda request: reply(body)) as server:
        [found] = Chat(client(server)).ask_all([ask("a")])
        assert found and (found.choices[0].text, found.choices[0].is_cut) == ("", True)


def test_money_stops_the_run_and_done_is_kept(server: ChatServer, tmp_path: Path) -> None:
    requests = [ask(str(number)) for number in range(20)]
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        # a reply costs 10 + 5 tokens at a dollar per token
        options: dict[str, Any] = {"prices": Prices(1e6, 1e6), "concurrency": 4}
        chat = Chat(client(server), cache, max_cost=100.0, **options)
        replies = chat.ask_all(requests)
        num = sum(found is not None for found in replies)
        assert chat.is_spent
        assert 3 <= num <= 7 + 3  # at most what was in flight before the first price was known
        assert len(cache) == num == len(server.requests)
        more = Chat(client(server), cache, max_cost=1_000.0, **options)
        assert None not in more.ask_all(requests)
        assert not more.is_spent
        assert len(server.requests) == 20


def test_what_is_recalled_of_an_earlier_run_counts_and_is_no_reply_of_this_one(
    server: ChatServer,
) -> None:
    earlier = {"replies": 6, "prompt_tokens": 60, "completion_tokens": 30}
    requests = [ask(str(number)) for number in range(40)]
    chat = Chat(client(server), max_total_tokens=100, concurrency=32)
    chat.budget.recall(earlier)
    chat.ask_all(requests)
    assert 1 <= len(server.requests) <= MAX_BLIND  # nothing is reserved before the first reply
    chat = Chat(client(server), max_total_tokens=90)
    chat.budget.recall(earlier)
    assert chat.ask_all([ask("a")]) == [None]
    server.answer = lambda request: status(400)
    chat = Chat(client(server))
    chat.budget.recall(earlier)
    with pytest.raises(ServerError, match="status 400"):
        chat.ask_all([ask("a")])


def test_tokens_stop_the_run_too(server: ChatServer) -> None:
    chat = Chat(client(server), max_total_tokens=100, concurrency=2)
    replies = chat.ask_all([ask(str(number)) for number in range(20)])
    assert sum(found is not None for found in replies) in (5, 6, 7)  # 15 tokens each
    assert chat.budget.reached == "--max-total-tokens 100"


def test_requests_are_taken_as_replies_come_in(server: ChatServer) -> None:
    taken: list[int] = []

    def requests() -> Iterator[Request]:
        for number in range(1_000):
            taken.append(number)
            yield ask(str(number))

    chat = Chat(client(server), concurrency=2)
    for number, answer in enumerate(chat.ask_each(requests())):
        assert answer.request.messages[0]["content"] == str(number)
        assert answer.reply.choices[0].text == str(number)
        assert len(taken) <= number + 1 + AHEAD * 2 + MAX_FAILURES
        if number == 40:
            break
    assert len(server.requests) < 100


def test_what_is_in_flight_is_kept_where_the_caller_leaves(
    server: ChatServer, tmp_path: Path
) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        chat = Chat(client(server), cache, concurrency=4)
        for _ in chat.ask_each(ask(str(number)) for number in range(100)):
            break
        assert len(cache) == len(server.requests) < 100


def test_a_failure_in_doubt_is_not_given_before_a_server_has_answered(tmp_path: Path) -> None:
    with ChatServer(lambda request: status(500)) as server:
        chat = Chat(client(server), concurrency=1)
        with pytest.raises(ServerError, match="status 500"):
            next(chat.ask_each([ask("a"), ask("b")]))


def test_an_error_of_the_requests_ends_the_run_in_order(server: ChatServer) -> None:
    def requests() -> Iterator[Request]:
        yield ask("a")
        raise ValueError("no more questions")

    chat = Chat(client(server))
    with pytest.raises(ValueError, match="no more questions"):
        list(chat.ask_each(requests()))
    assert texts(chat, [ask("b")]) == [["B"]]


def test_a_full_disk_ends_the_run_with_a_sentence(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        cache._writer.execute("PRAGMA max_page_count = 12")
        server.answer = lambda request: "x" * 3_000
        chat = Chat(client(server), cache, concurrency=1)
        with pytest.raises(OSError, match=r"is full: could not write to .*the replies before are"):
            chat.ask_all([ask(str(number)) for number in range(50)])
        assert 0 < len(cache) < 20
        assert len(server.requests) <= len(cache) + 2


def test_keys_go_to_their_own_servers(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Chat(client(server)).ask_all([ask("a")])
    assert api_key("https://router.huggingface.co/v1") == "hf_secret"
    for host in ("nothuggingface.co", "x.hf.space", "x.endpoints.huggingface.cloud", "a.hf.co"):
        assert api_key(f"https://{host}/v1") == ""
    assert api_key("http://router.huggingface.co/v1") == ""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    Chat(client(server)).ask_all([ask("b")])
    assert api_key("https://huggingface.co/v1") == "hf_secret"
    assert api_key("https://x.endpoints.huggingface.cloud/v1") == "sk-secret"
    assert server.keys == ["", "sk-secret"]


def test_a_key_that_no_header_can_hold_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    assert api_key("http://host/v1") == "sk-secret"
    for key in ("sk-sécret", "sk-1\nsk-2"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(ValueError, match="OPENAI_API_KEY holds something") as found:
            api_key("http://host/v1")
        assert "sk-" not in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "ftp://host/v1", "http://", "", "no url"),
        *("http://host:port/v1", "http://host:99999/v1", "http://[::1/v1"),
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of a server; expected one such as"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://user:secret@host/v1", "http://secret@host/v1", "http://host/v1?key=secret"],
)
def test_an_address_with_a_secret_is_refused_without_it(url: str) -> None:
    with pytest.raises(ValueError, match="put the key into OPENAI_API_KEY") as found:
        check_base_url(url)
    assert "secret" not in str(found.value)


def test_writer_completes_greedily_and_samples(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(request: Body) -> str | Fault:
        text = question(request)
        return status(400) if text == "too long" else f"{text} {request['temperature']:g}"

    server.answer = answer
    writer = server_writer("m", server.base_url)
    prompts = [[{"role": "user", "content": text}] for text in ("a", "too long", "b")]
    with caplog.at_level("INFO", logger="sense.servers.chat_writer"):
        sampled = writer.sample(prompts, (0.5, 0.0, 0.5), 3)
    assert "1 of 3 prompts got no answer: server_http_400 1" in caplog.text
    assert writer.complete([prompts[0], prompts[2]]) == ["a 0", "b 0"]
    texts = [[completion.text for completion in completions] for completions in sampled]
    assert texts == [["a 0.5", "a 0", "a 0.5"], [], ["b 0.5", "b 0", "b 0.5"]]
    assert sampled[0][0] == Completion("a 0.5", -0.5)
    assert (writer.name, writer.contract.style) == ("m", "ddl")


def test_a_completion_that_fails_after_others_is_an_error_and_not_kept(tmp_path: Path) -> None:
    prompts = [[{"role": "user", "content": text}] for text in ("a", "bad", "c")]
    with ChatServer(lambda r: html if question(r) == "bad" else "good") as server:
        writer = chat_writer(Chat(client(server), ReplyCache(tmp_path / "replies.sqlite")))
        assert writer.complete(prompts[:1]) == ["good"]
        for _ in range(2):
            with pytest.raises(ServerError, match="no reply is no wrong answer"):
                writer.complete(prompts)
        assert writer.complete(prompts[2:]) == ["good"]
        server.answer = lambda request: "well again"
        assert writer.complete(prompts) == ["good", "well again", "good"]


def test_writer_takes_the_contract_of_a_folder_and_says_where_there_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_contract(TINY_CONTRACT, tmp_path)
    with caplog.at_level("INFO", logger="sense.servers.chat_writer"):
        assert server_writer(str(tmp_path), "http://localhost:1/v1").contract == TINY_CONTRACT
        assert caplog.text == ""
        assert server_writer("m", "http://localhost:1/v1").contract == DEFAULT_CONTRACT
    assert "the prompt contract of m is unknown" in caplog.text


def test_replies_are_kept_for_one_model_and_its_weights(server: ChatServer, tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        for model, weights, num_sent in (
            ("m", "one", 1),
            ("m", "two", 2),
            ("m", "one", 2),
            ("other", "one", 3),
        ):
            chat = Chat(Server(model, server.base_url), cache, weights=weights)
            assert texts(chat, [ask("a")]) == [["A"]]
            assert len(server.requests) == num_sent


def test_replies_of_a_server_are_those_of_another_of_the_same_model(
    server: ChatServer, tmp_path: Path
) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache, ChatServer() as elsewhere:
        assert texts(Chat(client(server), cache), [ask("a")]) == [["A"]]
        assert texts(Chat(client(elsewhere), cache), [ask("a")]) == [["A"]]
        assert not elsewhere.requests


def test_writer_with_a_cache_pays_once(server: ChatServer, tmp_path: Path) -> None:
    prompts = [[{"role": "user", "content": "a"}]]
    writer = chat_writer(Chat(client(server), ReplyCache(tmp_path / "replies.sqlite")))
    again: Callable[[], list[str]] = lambda: writer.complete(prompts)  # noqa: E731
    assert again() == again() == ["A"]
    assert len(server.requests) == 1


ASKING = """
import sys
from sense.chat import Chat
from sense.servers.reply import Request
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server

requests = [Request([{"role": "user", "content": str(number)}]) for number in range(60)]
with Chat(Server("m", sys.argv[1]), ReplyCache(sys.argv[2]), concurrency=3) as chat:
    print(*(answer.reply.choices[0].text for answer in chat.ask_each(requests)))
"""


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_pays_only_for_what_was_in_flight(
    tmp_path: Path,
) -> None:
    replies = tmp_path / "replies.sqlite"
    last = 0  # of the questions that are answered; the run waits for the others until it is killed

    def answer(request: Body) -> str | Fault:
        return question(request) if int(question(request)) <= last else hang(60)

    with ChatServer(answer) as server:
        command = [sys.executable, "-c", ASKING, server.base_url, str(replies)]
        moments = (0, 7, 21, 40)
        for moment in moments:
            last = moment + 5
            kill_when(command, lambda moment=moment: num_replies(replies) > moment)
        last = 60
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.split() == [str(number) for number in range(60)]
        # At each kill 3 are in flight, and those up to `last` may be answered but not kept yet.
        assert 60 <= len(server.requests) <= 60 + (3 + 5) * len(moments)
