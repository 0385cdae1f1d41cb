"""The chat client against a real server: `transformers serve` with a tiny model."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sense.chat import Chat
from sense.servers.reply import Request
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server, ServerError
from sense.tiny import make_model

MAX_START_SECONDS = 300
SCHEMA = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}

pytestmark = pytest.mark.slow


class Served(NamedTuple):
    model: str
    base_url: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    make_model(folder / "model", [" how many teas are there ? SELECT count(*) FROM tea"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder / "model")]
    command += ["--device", "cpu", "--port", str(port), "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + MAX_START_SECONDS
        while not is_up(port):
            assert process.poll() is None, (folder / "log").read_text()[-2_000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield Served(str(folder / "model"), f"http://127.0.0.1:{port}/v1")
    finally:
        process.kill()
        process.wait()


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def ask(text: str, **options: object) -> Request:
    return Request([{"role": "user", "content": text}], max_tokens=8, **options)  # type: ignore[arg-type]


def test_completions_of_a_real_server(served: Served, tmp_path: Path) -> None:
    """It ignores `n`, `logprobs` and `response_format`, which is not an error there."""
    requests = [
        *(ask(f"how many teas are there ? {number}") for number in range(6)),
        ask("how many teas are there ?", num=2, logprobs=True, schema=SCHEMA),
    ]
    server = Server(served.model, served.base_url)
    with Chat(server, ReplyCache(tmp_path / "replies.sqlite"), concurrency=3) as chat:
        replies = chat.ask_all(requests)
        num_sent = server.num_sent
        assert chat.ask_all(requests) == replies
        assert server.num_sent == num_sent == 8
        assert chat.usage().keys() == {"replies", "prompt_tokens", "completion_tokens"}
    assert [len(reply.choices) for reply in replies if reply] == [1] * 6 + [2]
    assert all(reply and reply.has_usage and not reply.reject_reason for reply in replies)
    assert {choice.logprob for reply in replies if reply for choice in reply.choices} == {None}


def test_a_real_server_refuses_another_model(served: Served) -> None:
    said = rf"{served.base_url} answered with status 400"
    with (
        Chat(Server("another-model", served.base_url)) as chat,
        pytest.raises(ServerError, match=said),
    ):
        chat.ask_all([ask("how many teas are there ?")])
