"""Requests spread over servers: each gets what it can take, and a lost one is left out.

A busy server is waited for, a failed attempt is made again, elsewhere where that is possible. All
of it runs in one event loop, so nothing here is locked.
"""

import asyncio
import logging
import random
import re
import time
from collections import deque
from collections.abc import Sequence

from sense.servers.pace import Pace
from sense.servers.reply import Reply, Request, combined, derived_seed
from sense.servers.server import Fault, Lane, Server, ServerError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Of one request that fails: waits of 1, 2, 4 and 8 s lie between."""
MAX_BAD_ANSWERS = 2
"""Attempts where a server answers, but with something that is no chat completion."""
MAX_PAUSES = {"busy": 7, "unreachable": 5}
"""Pauses in a row, each twice as long, after which a server is given up: about two minutes of
refusals for want of capacity (1 + 2 + ... + 60 s), 15 s where nothing listens."""
MAX_FAILURES = 8
"""Requests that fail in a row, none succeeding, before a server counts as unusable."""
MAX_WAIT_SECONDS = 60.0
JITTER = 0.5
"""A wait is longer by up to this share, so that what failed together comes back apart."""
LONG_WAIT_SECONDS = 10.0
"""A longer pause is told."""
LEFT_OUT_SECONDS = 60.0
"""Until a server that was left out is tried again with one request."""


class Place:
    """A server and what is known of its state."""

    def __init__(self, server: Server, ceiling: int) -> None:
        self.server = server
        self.pace = Pace(ceiling)
        self.num_in_flight = 0
        self.is_out = False
        self.ready_at = 0.0
        """Monotonic time before which it gets no request."""
        self.num_pauses = 0
        """In a row: an answer ends it."""
        self.num_failures = 0
        """In a row: an answer ends it."""
        self._lanes: list[Lane] = []

    def has_room(self, now: float) -> bool:
        limit = 1 if self.is_out or self.num_pauses else self.pace.limit
        return now >= self.ready_at and self.num_in_flight < limit

    def is_lost(self, now: float) -> bool:
        """Whether it is left out and no request may bring it back before long."""
        return self.is_out and not self.num_in_flight and now < self.ready_at

    @property
    def load(self) -> float:
        """Share of what it can take that is under way."""
        return self.num_in_flight / self.pace.limit

    def take_lane(self) -> Lane:
        return self._lanes.pop() if self._lanes else self.server.open_lane()

    async def give_back(self, lane: Lane, is_good: bool) -> None:
        """After a fault a connection may hold the rest of another answer."""
        if is_good:
            self._lanes.append(lane)
        else:
            await lane.client.aclose()

    async def close(self) -> None:
        while self._lanes:
            await self._lanes.pop().client.aclose()


class Balance:
    """Servers of one model, of which each request goes to the least loaded one."""

    def __init__(self, servers: Sequence[Server], ceiling: int) -> None:
        self.places = [Place(server, ceiling) for server in servers]
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._last_error = ""

    async def reply(self, request: Request) -> Reply:
        """As many choices as were asked for, since a server may ignore or refuse `n`; or a reject.

        Raises ServerError where no server can be used.
        """
        reply = await self._attempts(request, request.num, request.seed)
        while not reply.reject_reason and (num_got := len(reply.choices)) < request.num:
            seed = derived_seed(request.seed, num_got)
            reply = combined(reply, await self._attempts(request, request.num - num_got, seed))
        return reply._replace(choices=reply.choices[: request.num])

    def look_again(self) -> None:
        """Tries lost servers at once: whoever asks anew may have mended them."""
        now = time.monotonic()
        if all(place.is_lost(now) for place in self.places):
            for place in self.places:
                place.ready_at = 0.0

    async def close(self) -> None:
        for place in self.places:
            await place.close()

    async def _attempts(self, request: Request, num: int, seed: int) -> Reply:
        num_failed = num_garbled = 0
        refusing: list[Place] = []
        failing: Place | None = None
        while True:
            place = await self._room([*refusing, *([failing] if failing else [])])
            try:
                found = await self._attempt(place, request, num, seed)
            finally:
                self._leave(place)
            if isinstance(found, Reply):
                return found
            failing = place
            if found.kind in ("busy", "unreachable", "unusable"):
                continue
            if found.kind == "refused":
                refusing.append(place)
                is_last = all(place.is_out or place in refusing for place in self.places)
            else:
                num_failed += 1
                num_garbled += found.kind == "garbled"
                is_last = num_failed >= MAX_ATTEMPTS or num_garbled >= MAX_BAD_ANSWERS
            if is_last:
                return Reply((), reject_reason=found.reason, error=found.error)
            if found.kind != "refused":
                wait = max(_backoff(place.server, num_failed), found.wait_seconds)
                await asyncio.sleep(wait)

    async def _attempt(self, place: Place, request: Request, num: int, seed: int) -> Reply | Fault:
        """One attempt, made again without the arguments that a server refuses."""
        server, ticket = place.server, place.pace.ticket
        extras = server.extras(request, num)
        dropped: set[str] = set()
        while True:
            lane = place.take_lane()
            is_good = False
            num_in_flight = place.num_in_flight
            try:
                found = await server.attempt(lane, request, num, seed, extras)
                is_good = isinstance(found, Reply)
            finally:
                await place.give_back(lane, is_good)
            if isinstance(found, Reply):
                server.refused_names |= dropped
                server.taken_names |= extras.keys()
                place.pace.answered(ticket, found.seconds, num_in_flight)
                self._welcome(place)
                return found
            if found.kind != "refused" or not extras:
                self._note(place, found, ticket)
                return found
            named = {name for name in extras if _names(found.error, name)}
            named = named or extras.keys() - server.taken_names
            if not named:  # it is the request that is refused
                self._note(place, found, ticket)
                return found
            dropped |= named
            extras = {name: value for name, value in extras.items() if name not in named}

    async def _room(self, avoided: Sequence[Place]) -> Place:
        """A place at the least loaded server, once there is one; not at those if possible."""
        while True:
            now = time.monotonic()
            if all(place.is_lost(now) for place in self.places):
                raise ServerError(self._last_error)
            others = [place for place in self.places if place not in avoided]
            live = [place for place in others if not place.is_out]
            free = [place for place in live or self.places if place.has_room(now)]
            returning = [place for place in others if place.is_out and place.has_room(now)]
            if returning or free:
                place = min(returning or free, key=lambda place: place.load)
                place.num_in_flight += 1
                return place
            await self._change(now)

    async def _change(self, now: float) -> None:
        """Waits until a server has answered, or the next pause of one is over."""
        changed = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        ends = [place.ready_at - now for place in self.places if place.ready_at > now]
        try:
            await asyncio.wait_for(changed, min(ends, default=None))
        except TimeoutError:
            if changed in self._waiting:  # else it was woken at the same moment
                self._waiting.remove(changed)

    def _leave(self, place: Place) -> None:
        place.num_in_flight -= 1
        num_free = sum(max(1, place.pace.limit - place.num_in_flight) for place in self.places)
        self._wake(num_free)

    def _wake(self, num: int) -> None:
        while self._waiting and num > 0:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                num -= 1

    def _note(self, place: Place, fault: Fault, ticket: int) -> None:
        """What a fault says about the server."""
        is_news = place.pace.push_back(ticket) if fault.is_slow else ticket == place.pace.ticket
        now = time.monotonic()
        if fault.kind == "unusable":
            self._leave_out(place, fault)
        elif fault.kind in MAX_PAUSES and is_news and now >= place.ready_at:
            place.num_pauses += 1
            if place.is_out or place.num_pauses >= MAX_PAUSES[fault.kind]:
                self._leave_out(place, fault)
                return
            wait = max(_backoff(place.server, place.num_pauses), fault.wait_seconds)
            place.ready_at = now + wait
            if wait > LONG_WAIT_SECONDS:
                logger.info("waiting %.0f s: %s", wait, fault.error)
        elif fault.kind in ("failed", "garbled"):
            place.num_failures += 1
            has_others = any(not other.is_out for other in self.places if other is not place)
            if place.is_out or (has_others and place.num_failures >= MAX_FAILURES):
                self._leave_out(place, fault)

    def _leave_out(self, place: Place, fault: Fault) -> None:
        self._last_error = fault.error
        place.ready_at = time.monotonic() + LEFT_OUT_SECONDS
        is_news, place.is_out = not place.is_out, True
        num_left = sum(not other.is_out for other in self.places)
        if is_news and num_left:
            logger.info(
                "%s; left out, %d of %d servers are left", fault.error, num_left, len(self.places)
            )
        self._wake(len(self._waiting))

    def _welcome(self, place: Place) -> None:
        """Notes that a server answers."""
        if place.is_out:
            logger.info("%s answers again", place.server.base_url)
            place.ready_at = 0.0
        place.is_out = False
        place.num_pauses = place.num_failures = 0


def _names(error: str, argument: str) -> bool:
    """
    >>> _names("unknown field: 'n'", "n"), _names("unknown field", "n")
    (True, False)
    """
    return re.search(rf"\b{argument}\b", error) is not None


def _backoff(server: Server, number: int) -> float:
    """Seconds to wait after the fault with this number, counted from 1."""
    wait = min(server.first_wait_seconds * 2 ** (number - 1), MAX_WAIT_SECONDS)
    return wait * (1 + JITTER * random.random())
