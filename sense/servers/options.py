"""Options of scripts that ask chat servers: where they are, how hard to ask, what it may cost."""

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sense.command import positive
from sense.publishing.output import work_folder
from sense.servers.budget import Budget, Prices, read_prices
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
VOTER_OPTIONS = ("voter_base_url", "voter_price_in", "voter_price_out")
"""The same of a second model, whose answers vote on those of the first."""


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


def add_voter_options(parser: Parser) -> None:
    """Adds those of a second model, for scripts that have the options of the first."""
    add = parser.add_argument
    add("--voter", metavar="MODEL", help="another model to give these answers (default: --model)")
    add(
        "--voter-base-url",
        metavar="URL",
        nargs="+",
        action="extend",
        default=[],
        help="its server, or several (default: those of --base-url)",
    )
    add("--voter-price-in", type=amount, metavar="$", help="dollars per million prompt tokens")
    add("--voter-price-out", type=amount, metavar="$", help="the same for its completion tokens")


def server_option_fault(arguments: argparse.Namespace) -> str:
    """What is wrong with the options together; "" when nothing is."""
    given = _given(arguments, SERVER_OPTIONS)
    if given and not arguments.base_url:
        return f"{given[0]} says nothing without --base-url; add that, or leave it out"
    has_price = arguments.price_in is not None or arguments.price_out is not None
    if arguments.prices and has_price:
        return "--prices and --price-in or --price-out say the same; give one of them"
    if arguments.max_cost is not None and not (arguments.prices or has_price):
        return "--max-cost needs --prices, or --price-in and --price-out"
    return ""


def voter_option_fault(arguments: argparse.Namespace) -> str:
    """What is wrong with the options of the voter; "" when nothing is."""
    given = _given(arguments, VOTER_OPTIONS)
    if given and not arguments.voter:
        return f"{given[0]} says nothing without --voter; add that, or leave it out"
    has_price = arguments.voter_price_in is not None or arguments.voter_price_out is not None
    if arguments.prices and has_price:
        return "--prices and --voter-price-in or --voter-price-out say the same; give one of them"
    is_priced = arguments.price_in is not None or arguments.price_out is not None
    if arguments.voter and is_priced and not has_price:
        return (
            f"--price-in and --price-out say nothing of --voter {arguments.voter}; add "
            "--voter-price-in and --voter-price-out, or give both models in --prices"
        )
    if has_price and not is_priced:
        return f"{given[-1]} needs --price-in and --price-out, since both models are paid together"
    return ""


def check_servers(arguments: argparse.Namespace) -> None:
    """Looks at addresses and prices of both models before anything is written.

    Raises ValueError for an address that is none and for a table of prices without the model.
    """
    from sense.servers.server import check_base_url

    for url in (*arguments.base_url, *arguments.voter_base_url):
        check_base_url(url)
    for model in filter(None, (arguments.model, arguments.voter)):
        if arguments.prices:
            read_prices(arguments.prices, model)


def open_chat(arguments: argparse.Namespace, weights: str = "") -> "Chat":
    """A chat with the servers of the options; replies are kept in the work folder of --out.

    weights: digest of the model's weights where it is known. Raises ValueError for an address that
    is none and for a table of prices without the model.
    """
    prices = Prices(arguments.price_in or 0.0, arguments.price_out or 0.0)
    if arguments.prices:
        prices = read_prices(arguments.prices, arguments.model)
    return _open(arguments, arguments.model, arguments.base_url, prices, weights)


def open_voter(arguments: argparse.Namespace, teacher: "Chat") -> "Chat":
    """A chat with the model whose answers vote, within the limits of the teacher's.

    Raises ValueError as `check_servers` does.
    """
    model = arguments.voter or arguments.model
    prices = teacher.budget.prices
    if arguments.voter:
        prices = Prices(arguments.voter_price_in or 0.0, arguments.voter_price_out or 0.0)
        if arguments.prices:
            prices = read_prices(arguments.prices, model)
    urls = arguments.voter_base_url or arguments.base_url
    return _open(arguments, model, urls, prices, beside=teacher)


def _open(
    arguments: argparse.Namespace,
    model: str,
    urls: Sequence[str],
    prices: Prices,
    weights: str = "",
    beside: "Chat | None" = None,
) -> "Chat":
    from sense.chat import Chat  # not loaded by scripts that only have the options
    from sense.servers.reply_cache import ReplyCache
    from sense.servers.server import Server

    seconds = arguments.request_seconds or REQUEST_SECONDS
    return Chat(
        [Server(model, url, seconds) for url in dict.fromkeys(urls)],
        ReplyCache(work_folder(arguments.out) / REPLIES),
        prices=prices,
        max_cost=arguments.max_cost or 0.0,
        max_total_tokens=arguments.max_total_tokens or 0,
        concurrency=arguments.concurrency or CONCURRENCY,
        weights=weights,
        beside=beside,
    )


def _given(arguments: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """The options among these that the command has."""
    return [
        f"--{name.replace('_', '-')}"
        for name in names
        if getattr(arguments, name) not in (None, [])
    ]


def given_writer(arguments: argparse.Namespace) -> tuple["Writer", Budget | None]:
    """The model of --model, and its budget where it is behind the servers of --base-url.

    Replies of servers are kept for the run: their weights may change under the same name.
    """
    from sense.ask import open_writer
    from sense.publishing.source import model_source

    if not arguments.base_url:
        return open_writer(arguments.model), None
    from sense.servers.chat_writer import chat_writer

    chat = open_chat(arguments, model_source(arguments.model).sha256)
    return chat_writer(chat), chat.budget


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
