"""A spool gives back what it was given, in both orders, and leaves nothing behind."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sense.spool import Spool


def test_both_orders_are_those_of_a_list(tmp_path: Path) -> None:
    rng = random.Random(0)
    entries = [(rng.choice("abcäß"), number) for number in range(500)]
    with Spool(tmp_path) as spool:
        for key, number in entries:
            spool.add(key, {"number": number})
        assert len(spool) == 500
        assert [value["number"] for value in spool] == list(range(500))
        assert [value["number"] for value in spool.by_key()] == [
            number for _, number in sorted(entries, key=lambda entry: entry[0])
        ]
        assert [v["number"] for v in spool.of("ä")] == [n for key, n in entries if key == "ä"]
        assert spool[17] == {"number": 17}
        assert ("ß" in spool, "z" in spool) == (True, False)


def test_two_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for number in range(300):
            spool.add(str(number % 7), number)
        first, second = iter(spool), spool.by_key()
        pairs = list(zip(first, second, strict=True))
    assert [pair[0] for pair in pairs] == list(range(300))
    assert sorted(pair[1] for pair in pairs) == list(range(300))


def test_nothing_is_left_of_a_spool_whose_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from sense.spool import Spool\n"
        "spool = Spool(sys.argv[1])\n"
        "for number in range(20000):\n"
        "    spool.add('key', 'x' * 1000)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs resource limits of Linux")
@pytest.mark.parametrize("max_bytes", [1, 1 << 20], ids=["when opened", "later"])
def test_full_disk_is_a_sentence(tmp_path: Path, max_bytes: int) -> None:
    code = (
        "import resource, signal, sys\n"
        "from sense.spool import Spool\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({max_bytes}, {max_bytes}))\n"
        "try:\n"
        "    spool = Spool(sys.argv[1])\n"
        "    for number in range(20000):\n"
        "        spool.add('key', 'x' * 1000)\n"
        "except OSError as error:\n"
        "    print(error.errno, error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("28 ")
    assert "make room and run the same command again" in done.stdout
    assert list(tmp_path.iterdir()) == []
