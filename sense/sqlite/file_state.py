"""Whether a file is as it was, and what was read from it, kept for as long as it is."""

import os
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import NamedTuple, TypeVar

SETTLED_NS = 50_000_000
"""Of the clock that dates files, which may tick only every 10 ms: a file that changed less than
this before it was read may change again without a new date."""

Read = TypeVar("Read")


class FileState(NamedTuple):
    """What changes when a file does."""

    changed_ns: int
    noted_ns: int
    """When the file system noted a change: it tells one whose date was set back, as by `cp -p`."""
    size: int
    inode: int
    device: int

    @property
    def is_settled(self) -> bool:
        """Whether any later change of the file gives it another state."""
        return not 0 <= time.time_ns() - self.changed_ns < SETTLED_NS


def file_state(path: str | Path) -> FileState | None:
    """The state of the file now; None if it cannot be seen."""
    try:
        stat = os.stat(path)  # noqa: PTH116  (five times as fast as Path.stat)
    except (OSError, ValueError):  # ValueError: a NUL character in the name
        return None
    return FileState(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)


def kept_per_file(
    max_kept: int,
) -> Callable[[Callable[[str | Path], Read]], Callable[[str | Path], Read]]:
    """A decorator: what a function reads from a file is kept until the file changes.

    max_kept: the latest files for which it is.
    """

    def keep(read: Callable[[str | Path], Read]) -> Callable[[str | Path], Read]:
        read_once = lru_cache(max_kept)(lambda path, state: read(path))

        @wraps(read)
        def kept(path: str | Path) -> Read:
            state = file_state(path)
            if state is None or not state.is_settled:
                return read(path)
            return read_once(str(path), state)

        return kept

    return keep
