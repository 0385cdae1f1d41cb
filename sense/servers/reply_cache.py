"""Replies on disk under the digests of their requests: whatever was paid for is never asked again.

A SQLite file: it opens at once and stays out of memory however many replies it holds, and a reply
that was put is on the disk, not in a buffer, when `put_all` returns. Several runs may share it.
"""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sense.servers.reply import Choice, Reply

FORMAT = 1
BUSY_SECONDS = 60.0
"""What a run waits for another one that writes."""


class ReplyCache:
    """Replies that one thread may read while another one writes.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "replies.sqlite"
    >>> with ReplyCache(path) as cache:
    ...     cache.put_all([("aa", Reply((Choice("SELECT 1"),)))])
    >>> with ReplyCache(path) as cache:
    ...     cache.get("aa").choices[0].text, cache.get("bb"), len(cache)
    ('SELECT 1', None, 1)
    """

    def __init__(self, path: str | Path) -> None:
        """Raises ValueError for a file that is none of ours."""
        self.path = Path(path).absolute()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect()
        try:
            self._prepare()
            self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise
        self._reader.execute("CREATE TEMP TABLE used (key BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> "ReplyCache":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._reader.execute("SELECT count(*) FROM reply").fetchone()[0])

    def get(self, key: str) -> Reply | None:
        """The reply to the request with this digest in hex; None where there is none."""
        query = "SELECT value FROM reply WHERE key = ?"
        found = self._reader.execute(query, [bytes.fromhex(key)]).fetchone()
        if found is None:
            return None
        choices, *rest = json.loads(found[0])
        return Reply(tuple(Choice(*choice) for choice in choices), *rest)

    def put_all(self, replies: Iterable[tuple[str, Reply]]) -> None:
        """Brings the replies to the disk; one that is there already stays as it is."""
        rows = [
            (bytes.fromhex(key), json.dumps(reply, ensure_ascii=False)) for key, reply in replies
        ]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            with self._writer:
                self._writer.executemany("INSERT OR IGNORE INTO reply VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:
            raise OSError(
                f"{error}: could not write to {self.path}; the replies before are safe, "
                "make room and run the same command again"
            ) from error

    def is_first_use(self, key: str) -> bool:
        """Whether this is asked for the first time of this request since the cache was opened."""
        query = "INSERT OR IGNORE INTO used VALUES (?)"
        return self._reader.execute(query, [bytes.fromhex(key)]).rowcount == 1

    def close(self) -> None:
        """May be called twice."""
        self._reader.close()
        self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _prepare(self) -> None:
        run = self._writer.execute
        try:
            [version] = run("PRAGMA user_version").fetchone()
            is_new = not version and not run("SELECT 1 FROM sqlite_schema").fetchone()
            if is_new:
                run("CREATE TABLE IF NOT EXISTS reply (key BLOB PRIMARY KEY, value TEXT)")
                run(f"PRAGMA user_version = {FORMAT}")
            # With a write-ahead log a commit is one append and one sync, and readers never wait.
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} {self._is_foreign}: {error}") from error
        if not is_new and version != FORMAT:
            raise ValueError(f"{self.path} {self._is_foreign}")

    _is_foreign = f"holds no replies in format {FORMAT}; choose another --out or delete the file"
