"""Commands that are ended with `kill -9` at a chosen point of their work."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MAX_SECONDS = 120


def kill_when(command: Sequence[str], is_time: Callable[[], bool], cwd: Path | None = None) -> None:
    """Starts the command and ends it as soon as it is time, which must come before its end."""
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + MAX_SECONDS
    try:
        while not is_time():
            assert process.poll() is None, "the command ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def num_replies(path: Path) -> int:
    """Replies in the cache of a run that may be writing to it."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM reply").fetchone()[0])
    except sqlite3.OperationalError:  # the table is not there yet
        return 0
    finally:
        connection.close()
