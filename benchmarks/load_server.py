"""A chat server that answers each request after a fixed time, with any number in flight.

    python benchmarks/load_server.py --latency 2

Prints its port. One process, no framework: about 0.05 ms of a core per request, so that what is
measured is the client.
"""

import argparse
import asyncio
import itertools
import json

TEXT = "SELECT name FROM city WHERE population > 1000000 ORDER BY name " * 8
"""About 500 characters, a query with some words around it."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Connection(asyncio.Protocol):
    """Answers one request after another."""

    numbers = itertools.count()

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if found and len(body) >= content_length(head):
            self.received = b""
            asyncio.get_running_loop().call_later(self.latency, self.answer)

    def answer(self) -> None:
        if not self.transport.is_closing():
            body = completion(next(self.numbers))
            self.transport.write(HEAD % (len(body), body))


def content_length(head: bytes) -> int:
    """Bytes of the body that the head announces."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def completion(number: int) -> bytes:
    """An answer as OpenAI's server writes it."""
    return json.dumps(
        {
            "id": f"chatcmpl-{number:012}",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": TEXT},
                }
            ],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 150, "total_tokens": 1_150},
        }
    ).encode()


async def serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency), "127.0.0.1", 0, backlog=2_048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, required=True, metavar="S")
    asyncio.run(serve(parser.parse_args().latency))
