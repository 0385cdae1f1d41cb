"""sense.servers.balance: requests spread over real servers that are busy, lost, or come back."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import (
    Body,
    ChatServer,
    Fault,
    completion,
    html,
    status,
    storm,
    twice,
)

import sense.servers.balance
from sense.chat import Chat
from sense.servers.reply import Request
from sense.servers.server import Server, ServerError


def ask(text: str, **options: Any) -> Request:
    return Request([{"role": "user", "content": text}], **options)


def chat_with(*servers: ChatServer, seconds: float = 60.0, **options: Any) -> Chat:
    return Chat(
        [Server("m", server.base_url, seconds, first_wait_seconds=0.01) for server in servers],
        **options,
    )


def question(request: Body) -> str:
    return str(request["messages"][-1]["content"])


@pytest.fixture
def servers() -> Iterator[tuple[ChatServer, ChatServer]]:
    with ChatServer(lambda r: question(r)) as one, ChatServer(lambda r: question(r)) as other:
        yield one, other


def answers(chat: Chat, num: int) -> list[str]:
    """What is wrong with the replies to `num` questions, whose right answers are themselves."""
    replies = chat.ask_all([ask(str(number)) for number in range(num)])
    return [
        reply.reject_reason if reply else "left out"
        for number, reply in enumerate(replies)
        if not reply or not reply.choices or reply.choices[0].text != str(number)
    ]


def test_requests_are_spread_over_servers(servers: tuple[ChatServer, ChatServer]) -> None:
    gate = threading.Barrier(4)

    def waits_for_three_others(request: Body) -> str:
        gate.wait(60)
        return question(request)

    for server in servers:
        server.answer = waits_for_three_others
    with chat_with(*servers, concurrency=4) as chat:
        assert answers(chat, 4) == []
    assert [len(server.requests) for server in servers] == [2, 2]


@pytest.mark.parametrize("fault", [status(401), status(404, "no model"), html, status(500)])
def test_a_server_that_fails_is_left_out_with_a_notice(
    servers: tuple[ChatServer, ChatServer], fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = servers
    bad.answer = lambda request: fault
    with caplog.at_level("INFO", logger="sense.servers.balance"), chat_with(*servers) as chat:
        assert answers(chat, 60) == []
    assert len(good.requests) == 60
    assert len(bad.requests) <= 8 + 32  # eight failures, and those that were under way
    assert f"{bad.base_url} answered with" in caplog.text
    assert "left out, 1 of 2 servers are left" in caplog.text


def test_a_server_that_refuses_what_another_takes(servers: tuple[ChatServer, ChatServer]) -> None:
    servers[0].answer = lambda request: status(400, "model m is not served here")
    with chat_with(*servers) as chat:
        assert answers(chat, 20) == []


def test_a_server_that_is_not_there_and_then_is(
    servers: tuple[ChatServer, ChatServer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sense.servers.balance, "LEFT_OUT_SECONDS", 0.0)
    _, late = servers
    late.answer = lambda request: status(401)
    with caplog.at_level("INFO", logger="sense.servers.balance"), chat_with(*servers) as chat:
        assert answers(chat, 10) == []
        late.answer = lambda request: question(request)
        num_before = len(late.requests)
        assert answers(chat, 50) == []
    assert f"{late.base_url} answers again" in caplog.text
    assert len(late.requests) > num_before


def test_no_server_left_is_the_last_error(servers: tuple[ChatServer, ChatServer]) -> None:
    for server in servers:
        server.answer = lambda request: status(401, "bad key")
    with chat_with(*servers) as chat, pytest.raises(ServerError, match=r"status 401: bad key"):
        answers(chat, 10)


def test_a_lost_server_is_asked_again_by_whoever_asks_anew() -> None:
    with ChatServer(lambda request: status(401)) as server, chat_with(server) as chat:
        with pytest.raises(ServerError):
            answers(chat, 3)
        server.answer = lambda request: question(request)
        assert answers(chat, 3) == []


def test_a_storm_of_429_loses_nothing_and_slows_down() -> None:
    with ChatServer() as server:
        server.answer = storm(server, most=3)
        with chat_with(server, concurrency=32) as chat:
            replies = chat.ask_all([ask(str(number)) for number in range(150)])
            assert [reply.choices[0].text for reply in replies if reply] == ["SELECT 1"] * 150
            [place] = chat._balance.places
            assert place.pace.limit < 32


def test_retry_after_is_obeyed(servers: tuple[ChatServer, ChatServer]) -> None:
    """The first server asks to wait for minutes: meanwhile all goes to the second."""
    servers[0].faults.append(status(429, Retry_After="300"))
    with chat_with(*servers, concurrency=2) as chat:
        assert answers(chat, 30) == []
    assert len(servers[0].requests) <= 2


def test_a_server_that_asks_for_hours_is_given_up() -> None:
    with ChatServer(lambda r: status(429, "daily limit", Retry_After="7200")) as server:
        said = r"daily limit; it asks to wait 7,200 s: run the same command again then"
        with chat_with(server) as chat, pytest.raises(ServerError, match=said):
            answers(chat, 3)


def test_a_schema_is_sent_where_it_is_taken_and_left_out_elsewhere(
    servers: tuple[ChatServer, ChatServer],
) -> None:
    schema = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
    strict, plain = servers
    plain.answer = lambda request: (
        status(400, "response_format is not supported") if "response_format" in request else "{}"
    )
    for server in servers:
        with chat_with(server, concurrency=1) as chat:
            replies = chat.ask_all([ask(text, schema=schema) for text in "abc"])
            assert not any(reply and reply.reject_reason for reply in replies)
    assert [request["response_format"]["json_schema"]["schema"] for request in strict.requests] == [
        schema
    ] * 3
    assert ["response_format" in request for request in plain.requests] == [
        True,
        False,
        False,
        False,
    ]


def test_only_the_argument_that_is_refused_is_left_out() -> None:
    def answer(request: Body) -> str | Fault:
        refused = "response_format" in request
        return status(422, "unknown field: response_format") if refused else "x"

    with ChatServer(answer) as server, chat_with(server, concurrency=1) as chat:
        chat.ask_all([ask("a", num=2, schema={"type": "object"})])
        assert [("n" in r, "response_format" in r) for r in server.requests] == [
            (True, True),
            (True, False),
        ]


def test_an_answer_that_comes_twice_is_no_answer_to_the_next_request() -> None:
    with ChatServer(lambda request: question(request)) as server:
        server.faults.append(twice)
        with chat_with(server, concurrency=1) as chat:
            replies = chat.ask_all([ask("a"), ask("b"), ask("c")])
        assert [reply.choices[0].text for reply in replies if reply] == ["TWICE", "b", "c"]


def test_a_server_whose_ids_are_all_the_same_is_believed() -> None:
    def answer(handler: Any, request: Body) -> None:
        body = completion(server, request, question(request)) | {"id": "chatcmpl-constant"}
        handler.send(200, json.dumps(body))

    with ChatServer(lambda request: answer) as server, chat_with(server, concurrency=1) as chat:
        assert answers(chat, 10) == []
        assert len(server.requests) == 11
