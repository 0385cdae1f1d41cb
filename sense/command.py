"""How every script of the project starts and ends: logging, and errors as sentences."""

import logging
import sys
from collections.abc import Callable

from sense.execution import DatabaseError


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
