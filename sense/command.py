"""How every script of the project starts and ends: logging, and errors as sentences."""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sense.execution import DatabaseError

Item = TypeVar("Item")

SECONDS_BEFORE_PROGRESS = 2.0


def run_script(main: Callable[[], None]) -> None:
    """Runs `main`; a bad input ends with its message and exit status 1, without a traceback.

    Bad inputs are the errors that our modules raise with a full sentence: ValueError, OSError,
    RuntimeError, LookupError and DatabaseError. KeyError and IndexError are faults of the program
    and are shown whole.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("httpx", "httpx2", "datasets", "filelock"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to go on from here")
    except (KeyError, IndexError, NotImplementedError, RecursionError):
        raise
    except (ValueError, OSError, RuntimeError, LookupError, DatabaseError) as error:
        sys.exit(f"error: {error}")


def positive(text: str) -> int:
    """The number of an option that must be 1 or more, for `argparse`.

    >>> positive("3")
    3
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number above 0")
    return int(text)


def with_progress(items: Sequence[Item], name: str, unit: str) -> Iterator[Item]:
    """The items, with a progress bar from the first one that is taken."""
    from tqdm import tqdm

    yield from tqdm(items, desc=name, unit=unit)


def with_late_progress(items: Iterable[Item], name: str, unit: str, total: int) -> Iterator[Item]:
    """The items, with a progress bar once they have taken some seconds; it is not loaded before."""
    rest = iter(items)
    started = time.monotonic()
    for num, item in enumerate(rest, start=1):
        yield item
        if num < total and time.monotonic() - started > SECONDS_BEFORE_PROGRESS:
            from tqdm import tqdm

            yield from tqdm(rest, name, total, unit=unit, initial=num)
