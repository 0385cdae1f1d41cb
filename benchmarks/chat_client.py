"""One client asks a server many questions; prints what that took as a line of JSON.

    python benchmarks/chat_client.py CLIENT --base-url URL --num N --in-flight K [--cache FILE]

CLIENT is `ours`; `openai`, the openai package's AsyncOpenAI under a semaphore; or `distilabel`, its
OpenAILLM, given batches of K. Each runs in a process of its own, the last two in an environment
that has them: this file imports nothing else.
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Iterator
from typing import Any

PROMPT = "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, population INTEGER);\n" * 50
"""About 4,000 characters: a schema and a question."""
SAMPLES = 20
"""Times at which memory is read."""


def main() -> None:
    arguments = parse_arguments()
    run = {"ours": ask_ours, "openai": ask_openai, "distilabel": ask_distilabel}[arguments.client]
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    memory: list[float] = []
    num = 0
    step = max(1, arguments.num // SAMPLES)
    num_failed = 0
    for text in run(arguments):
        num += 1
        num_failed += not text
        if num % step == 0:
            memory.append(resident_megabytes())
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert num == arguments.num, f"{num} answers to {arguments.num} requests"
    found: dict[str, Any] = {"num": num, "num_failed": num_failed, "seconds": seconds}
    found |= {"cpu_ms": 1_000 * cpu / num, "memory_mb": memory}
    print(json.dumps(found))


def ask_ours(arguments: argparse.Namespace) -> Iterator[str]:
    from sense.chat import Chat
    from sense.servers.reply import Request
    from sense.servers.reply_cache import ReplyCache
    from sense.servers.server import Server

    requests = (Request(messages(number)) for number in range(arguments.num))
    cache = ReplyCache(arguments.cache) if arguments.cache else None
    with Chat(Server("m", arguments.base_url), cache, concurrency=arguments.in_flight) as chat:
        for answer in chat.ask_each(requests):
            yield answer.reply.choices[0].text


def ask_openai(arguments: argparse.Namespace) -> Iterator[str]:
    """All at once under a semaphore, as its users write it; replies come at the end."""
    import openai

    async def ask_all() -> list[str]:
        room = asyncio.Semaphore(arguments.in_flight)
        async with openai.AsyncOpenAI(base_url=arguments.base_url, api_key="none") as client:

            async def ask(number: int) -> str:
                async with room:
                    found = await client.chat.completions.create(
                        model="m", messages=messages(number), temperature=0, max_tokens=2_048
                    )
                    return found.choices[0].message.content or ""

            asked = map(ask, range(arguments.num))
            found = await asyncio.gather(*asked, return_exceptions=True)
            return [text if isinstance(text, str) else "" for text in found]

    yield from asyncio.run(ask_all())


def ask_distilabel(arguments: argparse.Namespace) -> Iterator[str]:
    """Batches of as many as are in flight, which is how its steps feed it."""
    from distilabel.models import OpenAILLM

    llm = OpenAILLM(
        model="m",
        base_url=arguments.base_url,
        api_key="none",
        generation_kwargs={"temperature": 0.0, "max_new_tokens": 2_048},
    )
    llm.load()
    for start in range(0, arguments.num, arguments.in_flight):
        numbers = range(start, min(start + arguments.in_flight, arguments.num))
        for output in llm.generate_outputs(inputs=[messages(number) for number in numbers]):
            yield output["generations"][0] or ""


def messages(number: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{PROMPT}Question {number}: which cities are large?"}]


def resident_megabytes() -> float:
    """Memory of this process now (Linux)."""
    with open("/proc/self/statm") as stream:  # noqa: PTH123 - read often
        return int(stream.read().split()[1]) * resource.getpagesize() / 1e6


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=["ours", "openai", "distilabel"])
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--num", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--cache")
    return parser.parse_args()


if __name__ == "__main__":
    main()
