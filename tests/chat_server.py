"""A local HTTP server that speaks the OpenAI chat protocol, with scripted answers and faults.

with ChatServer(lambda request: "SELECT 1") as server:
    server.faults.append(status(429))  # what the next requests meet, one each
    ask(server.base_url)
    assert len(server.requests) == 2
"""

import itertools
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]
Fault: TypeAlias = Callable[["Handler", Body], None]
"""Answers a request in its own way."""


class ChatServer:
    """Serves while it is entered; `requests` holds the body of each request, in order."""

    def __init__(
        self,
        answer: Callable[[Body], "str | Fault"] = lambda request: "SELECT 1",
        *,
        takes_n: bool = True,
        has_logprobs: bool = True,
        has_usage: bool = True,
    ) -> None:
        """answer: the text of each completion, or a fault; takes_n: False gives one choice only."""
        self.answer = answer
        self.takes_n = takes_n
        self.has_logprobs = has_logprobs
        self.has_usage = has_usage
        self.faults: deque[Fault] = deque()
        self.requests: list[Body] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self._http.chat = self  # type: ignore[attr-defined]
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> "ChatServer":
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that go away in the middle, as killed ones do."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        chat: ChatServer = self.server.chat  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with chat.lock:
            chat.requests.append(body)
            chat.keys.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
            fault = chat.faults.popleft() if chat.faults else None
        if self.path != "/v1/chat/completions":
            return status(404)(self, body)
        if fault:
            return fault(self, body)
        found = chat.answer(body)
        if callable(found):
            return found(self, body)
        return self.send(200, json.dumps(completion(chat, body, found)))

    def send(self, code: int, text: str, kind: str = "application/json", **headers: str) -> None:
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *values: Any) -> None:
        """Keeps the tests' output clean."""


def completion(chat: ChatServer, request: Body, text: str) -> Body:
    """A chat completion as OpenAI's server writes it: 10 tokens asked, 5 per choice answered."""
    num = request.get("n", 1) if chat.takes_n else 1
    tokens = [{"token": "a", "logprob": -0.25, "top_logprobs": []}] * 2
    choices = [
        {
            "index": index,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": tokens}
            if request.get("logprobs") and chat.has_logprobs
            else None,
        }
        for index in range(num)
    ]
    found: Body = {
        "id": "1", "object": "chat.completion", "created": 0, "model": request["model"],
        "choices": choices,
    }  # fmt: skip
    if chat.has_usage:
        found["usage"] = {
            "prompt_tokens": 10, "completion_tokens": 5 * num, "total_tokens": 10 + 5 * num,
        }  # fmt: skip
    return found


def status(code: int, message: str = "scripted fault", **headers: str) -> Fault:
    """An error as OpenAI's server writes it."""
    return lambda handler, request: handler.send(
        code, json.dumps({"error": {"message": message}}), **headers
    )


def reply(text: str, kind: str = "application/json") -> Fault:
    """Status 200 with any text."""
    return lambda handler, request: handler.send(200, text, kind)


def hang(seconds: float) -> Fault:
    """No answer for some time, then none at all."""

    def fault(handler: Handler, request: Body) -> None:
        handler.server.chat.closing.wait(seconds)  # type: ignore[attr-defined]
        handler.close_connection = True

    return fault


def cut(handler: Handler, request: Body) -> None:
    """Closes the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def slow(seconds: float, text: str) -> Fault:
    """A good answer after some time."""

    def fault(handler: Handler, request: Body) -> None:
        time.sleep(seconds)
        chat: ChatServer = handler.server.chat  # type: ignore[attr-defined]
        handler.send(200, json.dumps(completion(chat, request, text)))

    return fault


def storm(chat: ChatServer, most: int) -> Callable[[Body], "str | Fault"]:
    """Answers of a server that does no more than `most` at a time and refuses the rest.

    It answers once it has refused, so that a client which keeps asking is refused on any machine.
    """
    inside: set[int] = set()
    has_refused = threading.Event()
    numbers = itertools.count()

    def answer(request: Body) -> str | Fault:
        number = next(numbers)
        with chat.lock:
            if len(inside) >= most:
                has_refused.set()
                return status(429, "slow down")
            inside.add(number)

        def good(handler: Handler, request: Body) -> None:
            has_refused.wait(60)
            time.sleep(0.02)
            with chat.lock:
                inside.discard(number)
            handler.send(200, json.dumps(completion(chat, request, "SELECT 1")))

        return good

    return answer


def changed(**fields: Any) -> Fault:
    """A good answer but for these fields; those of `message` and `usage` replace single ones."""

    def fault(handler: Handler, request: Body) -> None:
        chat: ChatServer = handler.server.chat  # type: ignore[attr-defined]
        body = completion(chat, request, "WRONG")
        body["choices"][0]["message"].update(fields.pop("message", {}))
        body["usage"].update(fields.pop("usage", {}))
        handler.send(200, json.dumps(body | fields))

    return fault


def twice(handler: Handler, request: Body) -> None:
    """Sends the same answer two times: the second one waits in the connection for a reader."""
    chat: ChatServer = handler.server.chat  # type: ignore[attr-defined]
    body = completion(chat, request, "TWICE") | {"id": "chatcmpl-twice"}
    text = json.dumps(body).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    handler.wfile.write((head % len(text) + text) * 2)


def lying_length(difference: int) -> Fault:
    """A good answer whose length is announced wrongly; the connection stays open."""

    def fault(handler: Handler, request: Body) -> None:
        chat: ChatServer = handler.server.chat  # type: ignore[attr-defined]
        text = json.dumps(completion(chat, request, "WRONG")).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(text) + difference)
        handler.wfile.write(head + text)

    return fault


def trickle(handler: Handler, request: Body) -> None:
    """An answer that comes byte by byte and never ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    try:
        while not handler.server.chat.closing.wait(0.05):  # type: ignore[attr-defined]
            handler.wfile.write(b" ")
    except OSError:  # the client has gone
        handler.close_connection = True


def out_of_quota(handler: Handler, request: Body) -> None:
    """What OpenAI's server says where the money is used up: 429, but waiting changes nothing."""
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    handler.send(429, json.dumps({"error": error}))


html = reply("<html><body>Welcome to nginx</body></html>", "text/html")
truncated = reply('{"choices": [{"message": {"content": "SEL')
no_choices = reply('{"choices": [], "usage": {}}')
