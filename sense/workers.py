"""Map a function over items in worker processes that can be killed.

Workers are fresh interpreters that import the function's module and nothing else: not the main
script, whose imports may take seconds and gigabytes. Where this process is itself a lean one on
Linux, they are copies of it, which are ready at once. POSIX only; the limit on their memory holds
on Linux, other systems do not enforce it.
"""

import contextlib
import gc
import itertools
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SECONDS_TO_START = 120.0
SECONDS_PER_REPORT = 0.01
SECONDS_PER_BATCH = 0.03
SECONDS_PER_PARENT_CHECK = 1.0
MAX_BATCH = 256
MAX_AHEAD = 4096  # items taken before the oldest one is finished: bounds memory
MAX_WORKER_BYTES = 4_000_000_000
"""Of memory that a worker writes to: SQLite's heap, two results of the greatest size and copies."""
OUT_OF_MEMORY = 77  # exit status, not one of Python's
MAX_COPIED_BYTES = 200_000_000
"""Of memory in use, for a copy of this process to be a worker; SQLite and sqlglot take 60 MB."""

BOOT = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from sense.workers import serve
serve(connection)
"""


class OverrunError(Exception):
    """Raised by a function for an item that a busy machine may have kept from its end."""


@dataclass(frozen=True)
class WorkerFailure:
    """The place of a result that an item did not give."""

    status: Literal["limit", "crash"]
    """`limit`: no answer in time or in memory, twice; `crash`: its worker died, twice."""
    error: str


def map_in_workers(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    num_workers: int,
    max_seconds: float,
) -> Iterator[Result | WorkerFailure]:
    """`function(item)` for each item, in the order of the items.

    function: picklable, from a module that a fresh interpreter can import. num_workers: 0 runs it
    here, without limits. max_seconds: for one item; 0 = off. An item whose worker overruns, dies or
    takes more than `MAX_WORKER_BYTES` is sent once more, by itself, as are the others of its batch
    that were not finished, and an item for which the function raises OverrunError; if it fails
    again, its place holds a `WorkerFailure`. Any other exception of the function is raised here, at
    its place. Items are taken as needed, at most 4,096 ahead. No worker outlives the iterator.

    >>> list(map_in_workers(len, ["a", "bcd"], num_workers=1, max_seconds=60))
    [1, 3]
    """
    with worker_pool(function, num_workers, max_seconds) as run:
        yield from run(items)


@contextlib.contextmanager
def worker_pool(
    function: Callable[[Item], Result], num_workers: int, max_seconds: float
) -> Iterator[Callable[[Iterable[Item]], Iterator[Result | WorkerFailure]]]:
    """`map_in_workers` with this function for one sequence of items after the other.

    The workers, and what they hold in their caches, serve all of them. Asking for the next sequence
    ends the one before: a worker that still runs items of it is killed.
    """
    workers: list[_Worker] = []
    pickled = pickle.dumps(function) if num_workers else b""

    def run(items: Iterable[Item]) -> Iterator[Result | WorkerFailure]:
        if not num_workers:
            return (_tried_twice(function, item) for item in items)
        for worker in [w for w in workers if w.pending]:  # its reports would pass for the new ones
            workers.remove(worker)
            worker.kill()
        num = max(1, min(num_workers, len(items))) if isinstance(items, Sized) else num_workers
        return _Pool(pickled, enumerate(items), num, max_seconds, workers).results()

    try:
        yield run
    finally:
        for worker in workers:
            worker.kill()


class _Worker:
    """One process and the items it was sent and has not reported."""

    def __init__(self, function: bytes) -> None:
        self.connection, theirs = Pipe()
        start = _copied if _is_lean() else _fresh
        self.process = start(theirs, self.connection)
        theirs.close()
        self.connection.send_bytes(function)
        self.is_ready = False
        self.pending: dict[int, Any] = {}
        self.sent = self.heard = time.monotonic()

    def send(self, batch: dict[int, Any]) -> None:
        self.pending = batch
        self.sent = self.heard = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # a dead worker shows when its report is awaited
            self.connection.send(list(batch.items()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


class _Copy:
    """A copy of this process, to be ended and awaited like a `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None

    def kill(self) -> None:
        if self.status is None:  # else the number may be that of another process by now
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


def _is_lean() -> bool:
    """Whether a copy of this process is as good as a fresh one.

    It is not where locks of other threads, open databases or large libraries (all of them bring
    numpy) would be copied too.
    """
    if sys.platform != "linux" or "numpy" in sys.modules:
        return False
    apsw = sys.modules.get("apsw")
    if len(os.listdir("/proc/self/task")) > 1 or (apsw and apsw.connections()):  # noqa: PTH208
        return False
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * resource.getpagesize() < MAX_COPIED_BYTES


def _fresh(theirs: Connection, ours: Connection) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # Ctrl-C is for the parent, which then ends its workers
    )
    ours.send(sys.path)
    return process


def _copied(theirs: Connection, ours: Connection) -> _Copy:
    """What a fresh process would not have is taken from the copy; it never returns from here."""
    pid = os.fork()
    if pid:
        return _Copy(pid)
    try:
        gc.freeze()  # what is garbage in this process is not for the copy to clean up
        os.setsid()
        ours.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        sys.modules["__main__"] = types.ModuleType("__main__")
        serve(theirs)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


@dataclass
class _Pool:
    """Workers, the items they run, and results that wait for earlier ones."""

    function: bytes
    source: Iterator[tuple[int, Any]]
    num_workers: int
    max_seconds: float
    workers: list[_Worker]
    suspects: dict[int, Any] = field(default_factory=dict)
    """Items that were unfinished when their worker was lost; each runs alone."""
    retried: set[int] = field(default_factory=set)
    done: dict[int, tuple[bool, Any]] = field(default_factory=dict)
    num_given: int = 0
    num_taken: int = 0
    is_exhausted: bool = False
    batch_size: int = 1

    def results(self) -> Iterator[Any]:
        while True:
            while self.num_given in self.done:
                is_result, value = self.done.pop(self.num_given)
                self.num_given += 1
                if not is_result:
                    raise value
                yield value
            self._assign()
            if self.is_exhausted and self.num_given == self.num_taken:
                return
            self._listen()

    def _assign(self) -> None:
        while not self.is_exhausted or self.suspects:
            if len(self.workers) < self.num_workers:
                self.workers.append(_Worker(self.function))
                continue
            idle = [w for w in self.workers if w.is_ready and not w.pending]
            if not idle:
                return
            batch = self._next_batch()
            if not batch:
                return
            idle[0].send(batch)

    def _next_batch(self) -> dict[int, Any]:
        if self.suspects:
            index = next(iter(self.suspects))
            self.retried.add(index)
            return {index: self.suspects.pop(index)}
        room = MAX_AHEAD - (self.num_taken - self.num_given)
        batch = dict(itertools.islice(self.source, min(self.batch_size, room)))
        self.num_taken += len(batch)
        self.is_exhausted = room > 0 and not batch
        return batch

    def _listen(self) -> None:
        """Take in what workers report within their time; replace those that say nothing."""
        ready = wait([w.connection for w in self.workers], timeout=self._seconds_left())
        for worker in list(self.workers):
            if worker.connection in ready:
                self._hear(worker)
            elif self._is_overdue(worker):
                self._lose(
                    worker, "limit", f"more than {self.max_seconds:g} seconds without an answer"
                )

    def _hear(self, worker: _Worker) -> None:
        try:
            report = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            code = worker.process.wait()
            if code == OUT_OF_MEMORY:
                self._lose(worker, "limit", f"more than {MAX_WORKER_BYTES:,} bytes of memory")
            else:
                self._lose(worker, "crash", f"the worker died with exit status {code}")
            return
        if isinstance(report, str):
            raise RuntimeError(report)
        worker.is_ready = True
        worker.heard = time.monotonic()
        for index, is_result, value in report:
            item = worker.pending.pop(index)
            if isinstance(value, OverrunError):
                self._fail(index, item, WorkerFailure("limit", str(value)))
            else:
                self.done[index] = (is_result, value)
        if report and not worker.pending:
            seconds = worker.heard - worker.sent
            if seconds < SECONDS_PER_BATCH / 2:
                self.batch_size = min(self.batch_size * 2, MAX_BATCH)
            elif seconds > SECONDS_PER_BATCH * 2:
                self.batch_size = max(self.batch_size // 2, 1)

    def _seconds_left(self) -> float | None:
        deadlines = [self._deadline(w) for w in self.workers]
        first = min((d for d in deadlines if d), default=None)
        return None if first is None else max(first - time.monotonic(), 0)

    def _deadline(self, worker: _Worker) -> float | None:
        if not worker.is_ready:
            return worker.heard + SECONDS_TO_START
        return worker.heard + self.max_seconds if worker.pending and self.max_seconds else None

    def _is_overdue(self, worker: _Worker) -> bool:
        deadline = self._deadline(worker)
        return deadline is not None and time.monotonic() >= deadline

    def _lose(self, worker: _Worker, status: Literal["limit", "crash"], error: str) -> None:
        self.workers.remove(worker)
        worker.kill()
        if not worker.is_ready:
            raise RuntimeError(
                f"a worker did not start: {error}. Its own message is on the standard error stream."
            )
        for index, item in worker.pending.items():
            self._fail(index, item, WorkerFailure(status, error))

    def _fail(self, index: int, item: Any, failure: WorkerFailure) -> None:
        if index in self.retried:
            self.retried.remove(index)
            self.done[index] = (True, failure)
        else:
            self.suspects[index] = item


def serve(connection: Connection) -> None:
    """The life of a worker: take batches of items, report results, end with the parent."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _limit_resources()
    try:
        function = pickle.loads(connection.recv_bytes())
        connection.send([])
        while True:
            _serve_batch(function, connection.recv(), connection)
    except EOFError:
        return
    except (AttributeError, ImportError) as error:
        connection.send(
            f"a worker cannot import what it was sent: {error}. Put the function and its "
            "arguments' classes in a module: workers do not load the main script."
        )


def _serve_batch(
    function: Callable[[Any], Any], batch: list[tuple[int, Any]], connection: Connection
) -> None:
    report = []
    reported = time.monotonic()
    for index, item in batch:
        report.append((index, *_outcome(function, item)))
        if time.monotonic() - reported > SECONDS_PER_REPORT:
            connection.send(report)
            report = []
            reported = time.monotonic()
    if report:
        connection.send(report)


def _tried_twice(function: Callable[[Item], Result], item: Item) -> Result | WorkerFailure:
    try:
        return function(item)
    except OverrunError:
        try:
            return function(item)
        except OverrunError as error:
            return WorkerFailure("limit", str(error))


def _outcome(function: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    """Whether there is a result, and it or the exception."""
    try:
        return True, function(item)
    except MemoryError:  # what else this process holds is in doubt too
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # it is raised again in the parent
        error.add_note("In a worker:\n" + traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # any class may forbid pickling in its own way
            return False, RuntimeError(traceback.format_exc())
        return False, error


def _limit_resources() -> None:
    """An end to memory where SQLite's own limits fail, and no file left behind by a crash."""
    for kind, most in ((resource.RLIMIT_DATA, MAX_WORKER_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, hard))


def _end_with(parent: int) -> None:
    """End this process soon after its parent: a long query would not notice the closed pipe."""
    while os.getppid() == parent:
        time.sleep(SECONDS_PER_PARENT_CHECK)
    os._exit(1)
