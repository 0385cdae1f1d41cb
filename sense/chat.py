"""Many requests to chat servers: hundreds in flight, each reply kept on disk, within a budget.

The event loop runs in a thread of its own; callers see plain functions and iterators. Requests are
taken from an iterator as replies come in, so a run of any length needs the same memory.
"""

import asyncio
import logging
import weakref
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from sense.servers.background import Background
from sense.servers.balance import MAX_FAILURES, Balance
from sense.servers.budget import Budget, Prices, shown_usage
from sense.servers.reply import CONCURRENCY, Reply, Request
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server, ServerError

logger = logging.getLogger(__name__)

AHEAD = 4
"""Requests taken before their replies are wanted, as a multiple of those in flight: one slow reply
holds up the others for as long."""
MAX_BLIND = 8
"""Requests in flight under a limit before the first reply has told what one costs."""


class Answer(NamedTuple):
    """A request and what became of it."""

    request: Request
    reply: Reply


class _Done(NamedTuple):
    """A finished request on its way to the caller; without a reply where it was not sent."""

    number: int
    key: str
    request: Request
    reply: Reply | None
    is_kept: bool = False
    """Whether it comes from the cache, where failures are beyond doubt."""


class _Run:
    """What one call knows of itself: several may run at a time."""

    def __init__(self) -> None:
        self.done: SimpleQueue[_Done] = SimpleQueue()
        self.is_over = False
        """Whether no further request is to start."""
        self.num_given = 0
        """Replies that the caller has."""
        self.num_failures = 0
        """In a row: an answer ends it."""
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.is_over = True


class Chat:
    """The servers of a model, their replies so far and what they cost; threads may share it."""

    def __init__(
        self,
        servers: Server | Sequence[Server],
        cache: ReplyCache | None = None,
        *,
        prices: Prices = Prices(),  # noqa: B008 - immutable
        max_cost: float = 0.0,
        max_total_tokens: int = 0,
        concurrency: int = CONCURRENCY,
        weights: str = "",
        beside: "Chat | None" = None,
    ) -> None:
        """servers: of one model; max_cost, max_total_tokens: no request starts once so many
        dollars or tokens are used, cached replies counted, or reserved for requests in flight at
        the price of the dearest reply so far; 0 = no limit. concurrency: requests in flight at
        most, fewer where servers push back. weights: digest of the model's weights where it is
        known, since cached replies of others are not its own. beside: a chat with another model,
        whose limits hold for both together and in place of these.
        """
        self.servers = (servers,) if isinstance(servers, Server) else tuple(servers)
        self.model = self.servers[0].model
        self.concurrency = concurrency
        shared = beside.budget if beside else None
        self.budget: Budget = Budget(prices, max_cost, max_total_tokens, shared)
        self._cache = cache
        self._name = f"{self.model}@{weights}" if weights else self.model
        self._balance = Balance(self.servers, concurrency)
        self._room = asyncio.Semaphore(concurrency)
        self._first_reply = asyncio.Event()
        self._asked: dict[str, asyncio.Future[Reply | None]] = {}
        self._unsaved: list[tuple[str, Reply, asyncio.Future[None]]] = []
        self._saving: asyncio.Task[None] | None = None
        self._background = Background()
        self._end = weakref.finalize(self, self._background.stop, self._balance.close)

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections and closes the cache; may be called twice."""
        self._end()
        if self._cache is not None:
            self._cache.close()

    @property
    def is_spent(self) -> bool:
        """Whether requests were left out because of a limit."""
        return bool(self.budget.reached)

    def usage(self) -> dict[str, float]:
        """Tokens and money of the replies used so far, for `facts.json`."""
        return self.budget.usage()

    def shown_usage(self) -> list[tuple[str, int | str]]:
        """The usage as lines of a table."""
        return shown_usage(self.usage())

    def ask_all(
        self, requests: Sequence[Request], desc: str = "", *, must_answer: bool = False
    ) -> list[Reply | None]:
        """The replies in the order of the requests; None where a limit was reached before.

        desc: title of the progress bar, "" for none; must_answer: a request that fails for good is
        an error, not a reply. Raises ServerError; what was answered until then is in the cache.
        """
        keys = [request.key(self._name) for request in requests]
        distinct = dict(zip(keys, requests, strict=True))
        run = _Run()
        replies: dict[str, Reply | None] = {}
        for item in self._ask(run, distinct.items(), desc, len(distinct), must_answer):
            replies[item.key] = item.reply
            run.num_given += 1
        return [replies.get(key) for key in keys]

    def ask_each(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The replies as they come, in the order of the requests.

        Requests are taken only a little ahead of the replies, in the caller's thread. Where a limit
        is reached it ends early, after the requests in flight. Raises ServerError; what was
        answered until then is in the cache.
        """
        keyed = ((request.key(self._name), request) for request in requests)
        run = _Run()
        for item in _ordered(self._ask(run, keyed)):
            run.num_given += 1
            if item.reply is not None:
                yield Answer(item.request, item.reply)

    def _ask(
        self,
        run: _Run,
        keyed: Iterable[tuple[str, Request]],
        desc: str = "",
        total: int | None = None,
        must_answer: bool = False,
    ) -> Iterator[_Done]:
        """Finished requests, failures only once another request has shown that servers work."""
        from tqdm import tqdm

        doubted: list[_Done] = []
        self._background.call(self._balance.look_again)
        with tqdm(desc=desc, total=total, unit="request", disable=not desc) as progress:
            for item in self._finished(run, keyed):
                progress.update()
                if item.reply is None or (item.is_kept and not must_answer):
                    yield item
                elif not item.reply.reject_reason:
                    yield item
                    yield from self._believed(doubted)
                elif must_answer:
                    said = f"{item.reply.error}; no reply is no wrong answer, so run again"
                    run.fail(ServerError(said))
                else:
                    doubted.append(item)
                    if len(doubted) >= MAX_FAILURES:
                        said = f"{len(doubted)} requests in a row failed; {item.reply.error}"
                        run.fail(ServerError(said))
        if run.error:
            raise run.error
        if doubted and not self.budget.has_reply:
            assert doubted[-1].reply
            raise ServerError(doubted[-1].reply.error)
        yield from self._believed(doubted)

    def _finished(self, run: _Run, keyed: Iterable[tuple[str, Request]]) -> Iterator[_Done]:
        """Feeds the requests to the loop; each comes back, replied to or not."""
        source = enumerate(keyed)
        num_taken = num_done = 0
        try:
            while True:
                # failures in doubt are not given yet, so there is room for them beside the others
                most = run.num_given + AHEAD * self.concurrency + MAX_FAILURES
                while not run.is_over and num_taken < most and (entry := next(source, None)):
                    number, (key, request) = entry
                    self._background.start(self._work(run, number, key, request))
                    num_taken += 1
                if num_done == num_taken:
                    return
                item = run.done.get()
                num_done += 1
                yield item
        finally:
            run.is_over = True
            if self.budget.num_in_flight:
                logger.info("waiting for requests in flight, which are paid for")
            while num_done < num_taken:  # they have yet to reach the cache
                run.done.get()
                num_done += 1

    def _believed(self, doubted: list[_Done]) -> list[_Done]:
        """Empties the list; its failures count and are kept, since servers do answer others."""
        believed = doubted.copy()
        doubted.clear()
        for item in believed:
            assert item.reply
            self._background.run(self._settle(item.key, item.reply))
        return believed

    async def _work(self, run: _Run, number: int, key: str, request: Request) -> None:
        reply, is_kept = None, False
        try:
            reply = self._cache.get(key) if self._cache is not None else None
            if reply:
                is_kept = True
                self._use(key, reply)
            else:
                reply = await self._shared(run, key, request)
        except BaseException as error:
            run.fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            if reply and not is_kept:
                run.num_failures = run.num_failures + 1 if reply.reject_reason else 0
            if self.is_spent or run.num_failures >= MAX_FAILURES:
                run.is_over = True
            run.done.put(_Done(number, key, request, reply, is_kept))

    async def _shared(self, run: _Run, key: str, request: Request) -> Reply | None:
        """The reply; equal requests that meet are sent once."""
        while (asked := self._asked.get(key)) is not None:
            reply = await asked
            if reply is not None or run.is_over:
                return reply
        self._asked[key] = asyncio.get_running_loop().create_future()
        reply = None
        try:
            reply = await self._reply(run, key, request)
        finally:
            self._asked.pop(key).set_result(reply)
        return reply

    async def _reply(self, run: _Run, key: str, request: Request) -> Reply | None:
        """The reply of a server; None when the run is to stop."""
        async with self._room:
            await self._wait_while_blind()
            if run.is_over or not self.budget.start():
                return None
            try:
                reply = await self._balance.reply(request)
                if not reply.reject_reason:
                    self._use(key, reply)
            finally:
                self.budget.end()
                self._first_reply.set()
        if not reply.reject_reason:
            await self._keep(key, reply)
        return reply

    async def _wait_while_blind(self) -> None:
        if self.budget.is_blind and self.budget.num_in_flight >= MAX_BLIND:
            await self._first_reply.wait()

    async def _settle(self, key: str, reply: Reply) -> None:
        self._use(key, reply)
        await self._keep(key, reply)

    def _use(self, key: str, reply: Reply) -> None:
        """Counts what the reply cost, once."""
        if self._cache is None or self._cache.is_first_use(key):
            self.budget.use(reply)

    async def _keep(self, key: str, reply: Reply) -> None:
        """Returns when the reply is on the disk; those that finish meanwhile share one write."""
        if self._cache is None:
            return
        saved = asyncio.get_running_loop().create_future()
        self._unsaved.append((key, reply, saved))
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save(self._cache))
        await saved

    async def _save(self, cache: ReplyCache) -> None:
        while self._unsaved:
            batch, self._unsaved = self._unsaved, []
            try:
                await asyncio.to_thread(cache.put_all, [item[:2] for item in batch])
            except Exception as error:
                for *_, saved in batch:
                    saved.set_exception(error)
            else:
                for *_, saved in batch:
                    saved.set_result(None)


def _ordered(items: Iterator[_Done]) -> Iterator[_Done]:
    """The items in the order of their numbers."""
    waiting: dict[int, _Done] = {}
    number = 0
    for item in items:
        waiting[item.number] = item
        while number in waiting:
            yield waiting.pop(number)
            number += 1
