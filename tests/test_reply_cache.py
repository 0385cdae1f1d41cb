"""sense.servers.reply_cache: replies that outlive a crash, for one run or several."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sense.servers.reply import Choice, Reply
from sense.servers.reply_cache import ReplyCache

REPLY = Reply((Choice("SELECT 'é'", -0.5, True),), 10, 5, False, seconds=1.5)
DYING = """
import os, signal, sys
from sense.servers.reply import Choice, Reply
from sense.servers.reply_cache import ReplyCache

cache = ReplyCache(sys.argv[1])
for number in range(3):
    cache.put_all([(f"{number:02x}", Reply((Choice(str(number)),)))])
cache._writer.execute("BEGIN IMMEDIATE")
cache._writer.execute("INSERT INTO reply VALUES (x'ff', 'half')")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reply_comes_back_whole(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "a" / "replies.sqlite") as cache:
        cache.put_all([("00", REPLY), ("01", Reply((), reject_reason="server_http_400"))])
        assert cache.get("00") == REPLY
        assert cache.get("01") == Reply((), reject_reason="server_http_400")


def test_the_first_reply_stays(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        cache.put_all([("00", REPLY)])
        cache.put_all([("00", REPLY._replace(prompt_tokens=99))])
        assert cache.get("00") == REPLY
        assert len(cache) == 1


def test_a_reply_is_used_first_once_per_run(tmp_path: Path) -> None:
    for _ in range(2):
        with ReplyCache(tmp_path / "replies.sqlite") as cache:
            assert [cache.is_first_use(key) for key in ("00", "01", "00")] == [True, True, False]


def test_what_was_put_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    subprocess.run([sys.executable, "-c", DYING, str(path)], check=False)
    with ReplyCache(path) as cache:
        found = [cache.get(f"{number:02x}") for number in range(3)]
        assert [reply and reply.choices[0].text for reply in found] == ["0", "1", "2"]
        assert cache.get("ff") is None


def test_two_runs_may_share_it(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyCache(path) as one, ReplyCache(path) as other:
        one.put_all([("00", REPLY)])
        other.put_all([("01", REPLY)])
        assert one.get("01") == other.get("00") == REPLY


def test_files_that_hold_no_replies(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("SELECT 1 " * 200)
    connection = sqlite3.connect(tmp_path / "other")
    connection.executescript("CREATE TABLE t (a); PRAGMA user_version = 7;")
    connection.close()
    for name in ("text", "other"):
        with pytest.raises(ValueError, match=r"holds no replies in format 1; choose another --out"):
            ReplyCache(tmp_path / name)
