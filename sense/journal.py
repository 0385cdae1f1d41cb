"""Finished units of work in an append-only file that survives `kill -9` at any moment.

One JSON object per line: first the settings of the run, then `{"key": ..., "value": ...}` per unit.
A unit reaches the operating system before `put` returns, and the disk within about a second.
Values stay on disk; memory grows by one offset per key.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sense.shown import shortened

logger = logging.getLogger(__name__)

FORMAT = 1
SYNC_SECONDS = 1.0
_opened: set[Path] = set()  # a POSIX record lock does not keep out its own process; this does


class JournalError(RuntimeError):
    """A journal that cannot be continued: other settings, another writer, or not a journal."""


class Journal:
    """The finished units of one run, opened for one writer at a time.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "journal.jsonl"
    >>> with Journal(path, {"seed": 1}) as journal:
    ...     journal.put("unit 1", {"sql": "SELECT 1"})
    >>> with Journal(path, {"seed": 1}) as journal:
    ...     "unit 1" in journal, "unit 2" in journal, journal["unit 1"]
    (True, False, {'sql': 'SELECT 1'})
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        """settings: all that changes what the units hold: seed, model, prompt hash, versions."""
        self.path = Path(path).absolute()
        self.settings: dict[str, Any] = json.loads(_dumps(dict(settings), f"settings of {path}"))
        self._offsets: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._synced_at = time.monotonic()
        self._thread_lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take_lock()
        except BaseException:
            os.close(self._fd)
            raise
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __contains__(self, key: object) -> bool:
        return key in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[str]:
        """Keys in the order in which their units finished, which differs between runs."""
        return iter(list(self._offsets))

    def __getitem__(self, key: str) -> Any:
        start, size = self._offsets[key]
        return json.loads(os.pread(self._fd, size, start))["value"]

    def put(self, key: str, value: Any) -> None:
        """Records a finished unit; a JSON value, in which tuples come back as lists.

        Raises ValueError for a key that is there, TypeError for a value that JSON cannot hold.
        """
        line = _dumps({"key": key, "value": value}, f"unit '{key}' of {self.path}").encode() + b"\n"
        with self._thread_lock:
            if key in self._offsets:
                raise ValueError(
                    f"unit '{key}' is already in {self.path}; ask `key in journal` before working"
                )
            self._offsets[key] = (self._append(line), len(line))
            if time.monotonic() - self._synced_at >= SYNC_SECONDS:
                self._sync()

    def close(self) -> None:
        """Brings the last units to the disk and lets the next writer in; may be called twice."""
        with self._thread_lock:
            if self._fd < 0:
                return
            try:
                self._sync()
            finally:
                os.close(self._fd)
                self._fd = -1
                _opened.discard(self.path)

    def _take_lock(self) -> None:
        import fcntl  # record locks: unlike flock, worker processes forked from us do not keep them

        busy = JournalError(
            f"{self.path} is in use by another run; wait for it to end or choose another --out"
        )
        if self.path in _opened:
            raise busy
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        _opened.add(self.path)

    def _read(self) -> None:
        """Indexes the units; drops what a killed writer or a power cut left torn at the end."""
        first_torn = 0
        os.lseek(self._fd, 0, os.SEEK_SET)
        # The descriptor itself is read: closing any other one of this file would give up the lock.
        with open(self._fd, "rb", closefd=False) as stream:
            for number, line in enumerate(stream, start=1):
                entry = _parse(line)
                if entry is None:
                    self._check_torn_header(number, line)
                    first_torn = first_torn or number
                    continue
                if first_torn:
                    raise JournalError(
                        f"line {first_torn} of {self.path} is damaged but line {number} is not; "
                        "only the end can be torn: delete the damaged line or the journal"
                    )
                if number == 1:
                    self._check_header(entry)
                else:
                    self._offsets[entry["key"]] = (self._end, len(line))
                self._end += len(line)
        if first_torn:
            logger.info("%s: dropped a torn line at the end", self.path)
            os.ftruncate(self._fd, self._end)
        if not self._end:
            header = {"journal": FORMAT, "digest": settings_digest(self.settings)}
            self._append(_dumps(header | {"settings": self.settings}, "header").encode() + b"\n")
            self._sync()

    def _check_torn_header(self, number: int, line: bytes) -> None:
        start = b'{"journal": '
        if number == 1 and not line.startswith(start[: len(line)]) and line.strip(b"\0"):
            raise self._not_a_journal()

    def _check_header(self, header: dict[str, Any]) -> None:
        if header.get("journal") != FORMAT:
            raise self._not_a_journal()
        if header["digest"] == settings_digest(self.settings):
            return
        different = _differences(header["settings"], self.settings)
        more = f"; and {len(different) - 5} more" if len(different) > 5 else ""
        raise JournalError(
            f"{self.path} holds units of a run with other settings: {'; '.join(different[:5])}"
            f"{more}. Choose another --out or delete the journal"
        )

    def _not_a_journal(self) -> JournalError:
        return JournalError(
            f"{self.path} is not a journal of this format (its first line is no header of "
            f"version {FORMAT}); choose another --out or delete the file"
        )

    def _append(self, line: bytes) -> int:
        """Where the line now starts; a disk that fills up midway leaves the journal as it was."""
        start, written = self._end, 0
        try:
            while written < len(line):
                written += os.pwrite(self._fd, line[written:], start + written)
        except OSError as error:
            os.ftruncate(self._fd, start)
            raise OSError(
                error.errno,
                f"{error.strerror}: could not write to {self.path}; the finished units are safe, "
                "make room and run the same command again",
            ) from error
        self._end += len(line)
        return start

    def _sync(self) -> None:
        os.fsync(self._fd)
        self._synced_at = time.monotonic()


def settings_digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 in hex of the settings as canonical JSON: the order of keys does not matter.

    >>> settings_digest({"a": 1, "b": 2}) == settings_digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(_dumps(settings, "settings", sort_keys=True).encode()).hexdigest()


def _dumps(value: Any, place: str, sort_keys: bool = False) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{place}: {error}; expected a value that JSON can hold") from error


def _parse(line: bytes) -> dict[str, Any] | None:
    """The object on the line; None where it is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """
    >>> _differences({"seed": 0, "plan": {"easy": 1}}, {"seed": 0, "plan": {"easy": 2}})
    ['plan.easy was 1, is 2']
    """
    lines: list[str] = []
    for name in sorted(found.keys() | wanted.keys()):
        before, now = _shown(found, name), _shown(wanted, name)
        if isinstance(found.get(name), dict) and isinstance(wanted.get(name), dict):
            lines += _differences(found[name], wanted[name], f"{prefix}{name}.")
        elif before != now:
            lines.append(f"{prefix}{name} was {shortened(before)}, is {shortened(now)}")
    return lines


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return json.dumps(settings[name], sort_keys=True) if name in settings else "absent"
