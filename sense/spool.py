"""Values on disk between being written in one order and read in another: memory stays flat."""

import errno
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROWS_PER_FETCH = 100
SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE entry (position INTEGER PRIMARY KEY, key TEXT, value TEXT);
CREATE INDEX by_key ON entry (key);
BEGIN;
"""
"""Never committed: the pages that do not fit into memory go to the file all the same."""


class Spool:
    """JSON values under keys, in the order in which they were added or in that of their keys.

    It is a file without a name in the folder, which is gone when the process ends in any way.

    >>> with Spool(tempfile.gettempdir()) as spool:
    ...     for key, value in (("b", 1), ("a", 2), ("b", 3)):
    ...         spool.add(key, value)
    ...     list(spool), list(spool.by_key()), spool.of("b"), "c" in spool
    ([1, 2, 3], [2, 1, 3], [1, 3], False)
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = folder
        self._size = 0
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".spool-")
        os.close(descriptor)
        try:
            # Threads may share it: SQLite takes their calls one at a time.
            self._connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
            with self._full_disk_explained():
                self._connection.executescript(SCHEMA)
        finally:
            Path(name).unlink()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def __len__(self) -> int:
        return self._size

    def __contains__(self, key: object) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM entry WHERE key = ?", [key]).fetchone())

    def __iter__(self) -> Iterator[Any]:
        """The values in the order in which they were added."""
        return self._values("ORDER BY position")

    def __getitem__(self, position: int) -> Any:
        """The value that was added as number `position`, counted from 0."""
        return next(self._values("WHERE position = ?", position))

    def by_key(self) -> Iterator[Any]:
        """The values in the order of their keys, those of one key as they were added."""
        return self._values("ORDER BY key, position")

    def of(self, key: str) -> list[Any]:
        """The values under the key, as they were added."""
        return list(self._values("WHERE key = ? ORDER BY position", key))

    def add(self, key: str, value: Any) -> None:
        """Keeps the value, of which tuples come back as lists."""
        text = json.dumps(value, ensure_ascii=False)
        with self._full_disk_explained():
            self._connection.execute("INSERT INTO entry VALUES (?, ?, ?)", [self._size, key, text])
        self._size += 1

    @contextmanager
    def _full_disk_explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(
                errno.ENOSPC,
                f"{error}: {self._size:,} rows were kept in {self._folder} for sorting; the "
                "finished units are safe, make room and run the same command again",
            ) from error

    def _values(self, clause: str, *parameters: str | int) -> Iterator[Any]:
        cursor = self._connection.execute(f"SELECT value FROM entry {clause}", parameters)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            for (text,) in rows:
                yield json.loads(text)
