"""Options of scripts that ask chat servers: where they are, how hard to ask, what it may cost."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from sense.command import positive
from sense.publishing.output import work_folder
from sense.servers.budget import Prices, read_prices
from sense.servers.reply import CONCURRENCY, REQUEST_SECONDS

if TYPE_CHECKING:
    from sense.ask import Writer
    from sense.chat import Chat

REPLIES = "replies.sqlite"
"""In the work folder."""
SERVER_OPTIONS = (
    *("base_url", "concurrency", "request_seconds", "prices", "price_in", "price_out"),
    *("max_cost", "max_total_tokens"),
)
"""None of them decides what a reply says, so they are no settings of a run."""


class Parser(Protocol):
    """A parser or a group of one."""

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action: ...


def add_server_options(parser: Parser) -> None:
    """Adds them; those that are not given are None, `base_url` is an empty list."""
    add = parser.add_argument
    add(
        "--base-url",
        metavar="URL",
        nargs="+",
        action="extend",
        default=[],
        help="an OpenAI-compatible server, as http://localhost:8000/v1, or several of one model",
    )
    add(
        "--concurrency",
        type=positive,
        metavar="N",
        help=f"most requests in flight; fewer where servers push back (default {CONCURRENCY})",
    )
    add(
        "--request-seconds",
        type=amount,
        metavar="S",
        help=f"to wait for one answer (default {REQUEST_SECONDS:g})",
    )
    add("--prices", metavar="FILE", help="YAML: model: {prompt: 2.5, completion: 10}, $ per 1M")
    add("--price-in", type=amount, metavar="$", help="dollars per million prompt tokens")
    add("--price-out", type=amount, metavar="$", help="dollars per million completion tokens")
    add(
        "--max-cost",
        type=amount,
        metavar="$",
        help="no request starts once these dollars are spent, or reserved for those under way, "
        "which are kept (default: any)",
    )
    add(
        "--max-total-tokens",
        type=positive,
        metavar="N",
        help="the same for tokens, of prompts and completions together (default: any)",
    )


def server_option_fault(arguments: argparse.Namespace) -> str:
    """What is wrong with the options together; "" when nothing is."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in SERVER_OPTIONS
        if getattr(arguments, name) not in (None, [])
    ]
    if given and not arguments.base_url:
        return f"{given[0]} says nothing without --base-url; add that, or leave it out"
    has_price = arguments.price_in is not None or arguments.price_out is not None
    if arguments.prices and has_price:
        return "--prices and --price-in or --price-out say the same; give one of them"
    if arguments.max_cost is not None and not (arguments.prices or has_price):
        return "--max-cost needs --prices, or --price-in and --price-out"
    return ""


def open_chat(arguments: argparse.Namespace, weights: str = "") -> "Chat":
    """A chat with the servers of the options; replies are kept in the work folder of --out.

    weights: digest of the model's weights where it is known. Raises ValueError for an address that
    is none and for a table of prices without the model.
    """
    from sense.chat import Chat  # not loaded by scripts that only have the options
    from sense.servers.reply_cache import ReplyCache
    from sense.servers.server import Server

    seconds = arguments.request_seconds or REQUEST_SECONDS
    urls = dict.fromkeys(arguments.base_url)
    servers = [Server(arguments.model, url, seconds) for url in urls]
    prices = Prices(arguments.price_in or 0.0, arguments.price_out or 0.0)
    if arguments.prices:
        prices = read_prices(arguments.prices, arguments.model)
    return Chat(
        servers,
        ReplyCache(work_folder(arguments.out) / REPLIES),
        prices=prices,
        max_cost=arguments.max_cost or 0.0,
        max_total_tokens=arguments.max_total_tokens or 0,
        concurrency=arguments.concurrency or CONCURRENCY,
        weights=weights,
    )


def given_writer(
    arguments: argparse.Namespace,
) -> tuple["Writer", Callable[[], dict[str, float]]]:
    """The model of --model, behind the servers of --base-url where there are some, and its usage.

    Replies of servers are kept for the run: their weights may change under the same name.
    """
    from sense.ask import open_writer
    from sense.publishing.source import model_source

    if not arguments.base_url:
        return open_writer(arguments.model), dict
    from sense.servers.chat_writer import chat_writer

    chat = open_chat(arguments, model_source(arguments.model).sha256)
    return chat_writer(chat), chat.usage


def amount(text: str) -> float:
    """The number of an option that must be above 0, for `argparse`.

    >>> amount("2.5")
    2.5
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number above 0")
    return value
