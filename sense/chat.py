"""Many requests to a chat server: several in flight, each reply kept on disk, within a budget.

A finished reply goes to a journal under the digest of its request, so that asking again costs
nothing. `server_writer` lends the same client to evaluation and sampling.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sense.example import Messages
from sense.journal import Journal
from sense.server import Choice, Reply, Request, Server, ServerError

if TYPE_CHECKING:
    from sense.ask import Writer
    from sense.prompt import PromptContract
    from sense.sampler import Completion

logger = logging.getLogger(__name__)

CONCURRENCY = 8
MAX_FAILURES = 8
"""Requests that fail for good, without one that succeeds, before the server counts as unusable."""


class Prices(NamedTuple):
    """Dollars per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """
        >>> Prices(prompt=2.5, completion=10).cost(1_000, 500)
        0.0075
        """
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class _Run:
    """What one call of `Chat.ask_all` knows of itself: several may run at a time."""

    def __init__(self, must_answer: bool) -> None:
        self.must_answer = must_answer
        self.stopped = threading.Event()
        self.error: ServerError | None = None
        self.doubted: dict[str, Reply] = {}
        """Failures since the last success, by key."""


class Chat:
    """A server, its replies so far, and what they have cost; threads may share it."""

    def __init__(
        self,
        server: Server,
        cache: Journal | None = None,
        *,
        prices: Prices = Prices(),  # noqa: B008 - immutable
        max_cost: float = 0.0,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """max_cost: no request starts once these dollars are spent, cached replies counted, or
        reserved for requests in flight at the price of the dearest reply so far; 0 = no limit.

        The first requests, sent before any price is known, may cost more. Which ones are left out
        depends on what was in flight.
        """
        self.server = server
        self.is_spent = False
        """Whether requests were left out because of `max_cost`."""
        self._cache = cache
        self._prices = prices
        self._max_cost = max_cost
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._num = Counter[str]()
        self._num_in_flight = 0
        self._highest_cost = 0.0

    @property
    def cost(self) -> float:
        """Dollars that the replies used so far cost, in this run or an earlier one."""
        return self._prices.cost(self._num["prompt_tokens"], self._num["completion_tokens"])

    def usage(self) -> dict[str, float]:
        """Tokens and money of the replies used so far, for `facts.json`."""
        names = ("replies", "prompt_tokens", "completion_tokens")
        found: dict[str, float] = {name: self._num[name] for name in names}
        if self._num["estimated"]:
            found["replies_with_estimated_tokens"] = self._num["estimated"]
        if any(self._prices):
            found["cost_usd"] = round(self.cost, 6)
        return found

    def shown_usage(self) -> list[tuple[str, int | str]]:
        """The usage as lines of a table."""
        return [
            (name, f"{value:,.4f}" if isinstance(value, float) else value)
            for name, value in self.usage().items()
        ]

    def ask_all(
        self, requests: Sequence[Request], desc: str = "", *, must_answer: bool = False
    ) -> list[Reply | None]:
        """The replies in the order of the requests; None where the money ran out before.

        desc: title of the progress bar, "" for none; must_answer: a request that fails for good is
        an error, not a reply. Raises ServerError; what was answered until then is in the cache.
        """
        from tqdm import tqdm

        by_key = {request.key(self.server.model): request for request in requests}
        run = _Run(must_answer)
        cached = {key for key in by_key if self._cache is not None and key in self._cache}
        replies: dict[str, Reply | None] = {
            key: self._cached(key) for key in by_key if key in cached
        }
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="chat")
        with tqdm(desc=desc, total=len(by_key), unit="request", disable=not desc) as progress:
            try:
                progress.update(len(cached))
                futures = {
                    pool.submit(self._reply, run, key, request): key
                    for key, request in by_key.items()
                    if key not in cached
                }
                for future in as_completed(futures):
                    replies[futures[future]] = future.result()
                    progress.update()
            finally:
                run.stopped.set()
                pool.shutdown(cancel_futures=True)  # waits for what is in flight: it is paid for
        if run.error:
            raise run.error
        if run.doubted and not self._used:
            raise ServerError([*run.doubted.values()][-1].error)
        self._believe_failures(run)
        return [replies[request.key(self.server.model)] for request in requests]

    def _reply(self, run: _Run, key: str, request: Request) -> Reply | None:
        """The server's reply; None when the run is to stop."""
        with self._lock:
            reserved = self._num_in_flight * self._highest_cost
            if self._max_cost and self.cost + reserved >= self._max_cost:
                self.is_spent = True
            if self.is_spent or run.stopped.is_set() or run.error:
                return None
            self._num_in_flight += 1
        try:
            reply = self.server.reply(request)
        except ServerError as error:
            run.error = error
            return None
        finally:
            with self._lock:
                self._num_in_flight -= 1
        if reply.reject_reason:
            self._doubt(run, key, reply)
            return reply
        if self._cache is not None:
            self._cache.put(key, reply)
        self._use(key, reply)
        self._believe_failures(run)
        return reply

    def _cached(self, key: str) -> Reply:
        assert self._cache is not None
        choices, *rest = self._cache[key]
        reply = Reply(tuple(Choice(*choice) for choice in choices), *rest)
        self._use(key, reply)
        return reply

    def _use(self, key: str, reply: Reply) -> None:
        """Counts what the reply cost, once."""
        with self._lock:
            if key not in self._used:
                self._used.add(key)
                self._num["replies"] += 1
                self._num["prompt_tokens"] += reply.prompt_tokens
                self._num["completion_tokens"] += reply.completion_tokens
                self._num["estimated"] += not reply.has_usage
                cost = self._prices.cost(reply.prompt_tokens, reply.completion_tokens)
                self._highest_cost = max(self._highest_cost, cost)

    def _doubt(self, run: _Run, key: str, reply: Reply) -> None:
        """Notes a failure; it counts, and is cached, once the server has answered another one."""
        if run.must_answer:
            run.error = ServerError(f"{reply.error}; no reply is no wrong answer, so run again")
            return
        with self._lock:
            run.doubted[key] = reply
            num = len(run.doubted)
        if num >= MAX_FAILURES:
            run.error = ServerError(f"{num} requests in a row failed; {reply.error}")

    def _believe_failures(self, run: _Run) -> None:
        with self._lock:
            believed, run.doubted = run.doubted, {}
        for key, reply in believed.items():
            if self._cache is not None:
                self._cache.put(key, reply)
            self._use(key, reply)


def server_writer(model: str, base_url: str, cache: str | Path | None = None) -> "Writer":
    """The model that a server calls `model`, as something that completes prompts.

    Its prompt contract is that of the folder `model`, where there is one; else the default one,
    with a notice, since a server says nothing of it. cache: a journal to keep replies in, for one
    run: the server's weights may change under the same name. A prompt without a reply is a
    ServerError where it is completed, because it would count as a wrong answer; where it is sampled
    it has no samples and is counted in the log.
    """
    from sense.ask import Writer
    from sense.sampler import MAX_NEW_TOKENS
    from sense.source import model_source

    server = Server(model, base_url)
    contract = _contract(model)
    settings = server.settings | {"sha256": model_source(model).sha256}
    chat = Chat(server, Journal(cache, settings) if cache else None)

    def complete(prompts: Sequence[Messages]) -> list[str]:
        requests = [Request(prompt, max_tokens=MAX_NEW_TOKENS) for prompt in prompts]
        desc = "completing" if len(prompts) > 1 else ""
        replies = chat.ask_all(requests, desc, must_answer=True)
        return [reply.choices[0].text for reply in replies if reply]

    def sample(
        prompts: Sequence[Messages], temperatures: Sequence[float], seed: int
    ) -> list[list["Completion"]]:
        wanted = Counter(temperatures)
        requests = [
            Request(prompt, temperature, seed, MAX_NEW_TOKENS, num, logprobs=True)
            for prompt in prompts
            for temperature, num in wanted.items()
        ]
        replies = [r for r in chat.ask_all(requests, "sampling") if r]
        found: list[list[Completion]] = []
        failed: Counter[str] = Counter()
        for start in range(0, len(replies), len(wanted)):
            of_prompt = replies[start : start + len(wanted)]
            reasons = [reply.reject_reason for reply in of_prompt if reply.reject_reason]
            failed.update(reasons[:1])
            found.append([] if reasons else _in_order(temperatures, wanted, of_prompt))
        if failed:
            shown = ", ".join(f"{reason} {num}" for reason, num in failed.most_common())
            logger.info("%d of %d prompts got no answer: %s", failed.total(), len(prompts), shown)
        return found

    return Writer(model, "", contract, complete, sample)


def _in_order(
    temperatures: Sequence[float], wanted: Iterable[float], replies: Iterable[Reply]
) -> list["Completion"]:
    """The choices of replies at the wanted temperatures, in the order of `temperatures`."""
    from sense.sampler import Completion

    choices = {t: iter(reply.choices) for t, reply in zip(wanted, replies, strict=True)}
    chosen = (next(choices[temperature]) for temperature in temperatures)
    return [Completion(choice.text, choice.logprob) for choice in chosen]


def _contract(model: str) -> "PromptContract":
    from sense.prompt import CONTRACT_FILE, DEFAULT_CONTRACT, load_contract

    if Path(model, CONTRACT_FILE).is_file():
        return load_contract(model)
    logger.info(
        "the prompt contract of %s is unknown, since a server does not tell it: the default one is "
        "used; to use another, serve the model under the path of its folder",
        model,
    )
    return DEFAULT_CONTRACT
