"""How many requests a server is given at a time: found out, as TCP finds out a line's capacity.

The number doubles until a server pushes back (429, 503, no answer in time) or takes much longer
without answering more; it falls at most once per round trip and then climbs in small steps.
No clock is read: what is said to a pace decides it.
"""

from collections import deque
from statistics import median
from typing import NamedTuple

START_SHARE = 2
"""The first number is the ceiling divided by this: one round trip shows whether more is taken."""
MIN_START = 8
PUSHED_BACK = 0.5
SLOWER = 0.75
"""What is left of the number after a push back, and where answers only take longer."""
STEP_SHARE = 20
"""Later steps up are the ceiling divided by this."""
MUCH_LONGER = 1.5
MUCH_MORE = 1.1
"""Answers that take half as long again must bring a tenth more of them per second."""
MUCH_SHORTER = 0.9
"""What a fall must make of the time of an answer; else the server is slow for reasons of its own,
and fewer requests would only bring fewer answers."""
NUM_REMEMBERED = 32
"""Round trips that are compared with: a server may change."""
MIN_ROUND = 8
"""Replies that a median is taken of, at least."""


class Round(NamedTuple):
    """The replies of about one round trip."""

    seconds: float
    """Median time of an answer."""
    num_per_second: float


class Pace:
    """The number of requests that one server may have at a time.

    >>> pace = Pace(ceiling=64)
    >>> ticket = pace.ticket
    >>> pace.limit, pace.push_back(ticket), pace.push_back(ticket), pace.limit
    (32, True, False, 16)
    """

    def __init__(self, ceiling: int) -> None:
        self.ticket = 0
        """Goes with each request: push backs to requests of an earlier one say nothing new."""
        self._ceiling = ceiling
        self._limit = float(min(ceiling, max(MIN_START, ceiling // START_SHARE)))
        self._is_searching = True
        self._seconds: list[float] = []
        self._num_in_flight: list[int] = []
        self._rounds: deque[Round] = deque(maxlen=NUM_REMEMBERED)
        self._fell_at: Round | None = None

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    def push_back(self, ticket: int) -> bool:
        """Notes that the server did not want a request; whether that is news."""
        if ticket != self.ticket:
            return False
        self._fall(PUSHED_BACK)
        return True

    def answered(self, ticket: int, seconds: float, num_in_flight: int) -> None:
        """Notes an answer and how many requests the server had when this one was sent."""
        if ticket != self.ticket:
            return
        self._seconds.append(seconds)
        self._num_in_flight.append(num_in_flight)
        if len(self._seconds) < max(self._limit, MIN_ROUND):
            return
        typical = max(median(self._seconds), 1e-6)
        now = Round(typical, median(self._num_in_flight) / typical)  # Little's law
        self._seconds, self._num_in_flight = [], []
        if self._only_takes_longer(now) and not self._falls_in_vain(now):
            self._fall(SLOWER)
            self._fell_at = now
        else:
            self._fell_at = None
            step = self._limit if self._is_searching else max(1.0, self._ceiling / STEP_SHARE)
            self._limit = min(self._ceiling, self._limit + step)
        self._rounds.append(now)

    def _only_takes_longer(self, now: Round) -> bool:
        if not self._rounds:
            return False
        best = min(self._rounds)
        is_longer = now.seconds > MUCH_LONGER * best.seconds
        return is_longer and now.num_per_second < MUCH_MORE * best.num_per_second

    def _falls_in_vain(self, now: Round) -> bool:
        """Whether the last fall changed little; then the rounds before it are no measure."""
        if self._fell_at is None or now.seconds < MUCH_SHORTER * self._fell_at.seconds:
            return False
        self._rounds.clear()
        return True

    def _fall(self, share: float) -> None:
        self.ticket += 1
        self._limit = max(1.0, self._limit * share)
        self._is_searching = False
        self._seconds, self._num_in_flight = [], []
