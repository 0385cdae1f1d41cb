"""Commands that are ended with `kill -9` at a chosen point of their work."""

import signal
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
    while not is_time():
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
