"""What a few answers say about a run before it is paid for: each in full, and the cost of all."""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from sense.metrics import wilson_interval
from sense.servers.budget import Prices, shown_dollars
from sense.servers.reply import Reply, Request


class Tried(NamedTuple):
    """Requests of a preview and what came of them."""

    replies: Sequence[Reply]
    num_asked: int
    """Rows that the requests asked for; one request may ask for several."""
    num_good: int
    """Rows that would be kept."""


def shown_exchange(title: str, request: Request, reply: Reply, verdict: str) -> str:
    """A request and its answer, whole, for a person to judge."""
    messages = [f"--- {message['role']}\n{message['content']}" for message in request.messages]
    if request.schema:
        form = json.dumps(request.schema)
        messages.append(f"--- form of the answer, where the server holds to one\n{form}")
    answers = [choice.text for choice in reply.choices] or [reply.error]
    counted = f"{reply.prompt_tokens:,} + {reply.completion_tokens:,} tokens, {reply.seconds:.1f} s"
    return "\n".join(
        [
            f"=== {title}",
            *messages,
            *(f"--- answer ({counted})\n{answer}" for answer in answers),
            f"--- verdict\n{verdict}\n",
        ]
    )


def projection(
    tried: Tried,
    num_wanted: int,
    prices: Prices,
    concurrency: int,
    of_voter: Mapping[str, float] | None = None,
) -> list[tuple[str, str]]:
    """What `num_wanted` more rows would take, as lines of a table.

    of_voter: what answers used that voted on these replies, beside the replies themselves. The
    range is that of the share of good rows, a 95 % interval; few answers give a wide one.

    >>> reply = Reply((), 1_000, 500, seconds=10.0)
    >>> for name, text in projection(Tried([reply] * 4, 4, 2), 100, Prices(2.5, 10), 8):
    ...     print(name, "|", text)
    requests | 200 (118 to 667)
    prompt tokens | 200,000 (118,000 to 667,000)
    completion tokens | 100,000 (59,000 to 333,500)
    dollars | 1.50 (0.89 to 5.00)
    minutes with 8 in flight | 4.2 (2.5 to 13.9)
    """
    answered = [reply for reply in tried.replies if not reply.reject_reason]
    if not answered or not tried.num_good:
        return [("requests", "unknown: no answer gave a row that would be kept")]
    num = len(answered)
    rows_per_request = tried.num_asked / len(tried.replies)
    low, high = wilson_interval(tried.num_good, tried.num_asked)
    shares = (tried.num_good / tried.num_asked, high, low)
    needed = [ceil(num_wanted / (share * rows_per_request)) for share in shares]
    prompt = sum(reply.prompt_tokens for reply in answered) / num
    completion = sum(reply.completion_tokens for reply in answered) / num
    votes = {name: amount / num for name, amount in (of_voter or {}).items() if amount}
    dollars = prices.cost(round(prompt), round(completion)) + votes.pop("cost_usd", 0.0)
    minutes = sum(reply.seconds for reply in answered) / num / concurrency / 60
    voter_lines = [
        (f"voter {name.replace('_', ' ')}", each, "{:,.0f}".format) for name, each in votes.items()
    ]
    lines = [
        ("requests", 1.0, "{:,.0f}".format),
        ("prompt tokens", prompt, "{:,.0f}".format),
        ("completion tokens", completion, "{:,.0f}".format),
        *voter_lines,
        *([("dollars", dollars, shown_dollars)] if dollars else []),
        (f"minutes with {concurrency} in flight", minutes, "{:,.1f}".format),
    ]
    return [
        (name, "{} ({} to {})".format(*(shown(each * count) for count in needed)))
        for name, each, shown in lines
    ]
