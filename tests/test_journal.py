import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sense.journal import Journal, JournalError, settings_digest

SETTINGS = {"seed": 1, "model": "tiny"}

WRITER = """
import sys
from sense.journal import Journal

with Journal(sys.argv[1], {"seed": 1}) as journal:
    print("open", flush=True)
    for number in range(100_000):
        key = f"unit {number}"
        if key not in journal:
            journal.put(key, {"number": number, "text": "é" * (number % 500)})
            print(number, flush=True)
"""


def test_units_come_back_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.put("b", {"sql": "SELECT 'é'", "scores": [1, None, 0.5]})
        journal.put("a", ("x", 1))
    with Journal(path, SETTINGS) as journal:
        assert journal["b"] == {"sql": "SELECT 'é'", "scores": [1, None, 0.5]}
        assert journal["a"] == ["x", 1]
        assert list(journal) == ["b", "a"]
        assert len(journal) == 2
        assert "c" not in journal


def test_unit_is_in_the_file_before_put_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.put("a", 1)
        assert json.loads(path.read_text().splitlines()[-1]) == {"key": "a", "value": 1}


def test_every_confirmed_unit_survives_kill_9_at_random_moments(tmp_path: Path) -> None:
    path, chance = tmp_path / "journal.jsonl", random.Random(0)
    confirmed: set[int] = set()
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            time.sleep(chance.uniform(0.0, 0.1))
            child.send_signal(signal.SIGKILL)
            confirmed |= {int(line) for line in child.stdout if line.endswith("\n")}
        with Journal(path, {"seed": 1}) as journal:
            for number in confirmed:
                text = "é" * (number % 500)
                assert journal[f"unit {number}"] == {"number": number, "text": text}
            assert len(journal) - len(confirmed) <= 6  # written, killed before it was confirmed
    assert len(confirmed) > 100


@pytest.mark.parametrize("num_bytes", [1, 2, 10, 33])
def test_torn_last_line_is_dropped_and_written_again(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.put("first", {"sql": "SELECT 1"})
        journal.put("second", {"sql": "SELECT 2"})
    os.truncate(path, path.stat().st_size - num_bytes)
    with Journal(path, SETTINGS) as journal:
        assert list(journal) == ["first"]
        journal.put("second", {"sql": "SELECT 2"})
    with Journal(path, SETTINGS) as journal:
        assert journal["second"] == {"sql": "SELECT 2"}


@pytest.mark.parametrize("size", [0, 1, 5, 20, 60])
def test_torn_header_starts_a_new_journal(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, SETTINGS).close()
    os.truncate(path, size)
    with Journal(path, SETTINGS) as journal:
        journal.put("a", 1)
    with Journal(path, SETTINGS) as journal:
        assert journal["a"] == 1


def test_zeros_that_a_power_cut_leaves_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.put("a", 1)
    with path.open("ab") as stream:
        stream.write(b"\0" * 4096)
    with Journal(path, SETTINGS) as journal:
        assert list(journal) == ["a"]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.put("a", 1)
        journal.put("b", 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(JournalError, match=r"line 2 of .* is damaged but line 3 is not"):
        Journal(path, SETTINGS)
    assert path.read_bytes().endswith(lines[2])


def test_other_settings_are_an_error_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, {"seed": 1, "model": "tiny", "limit": 5}).close()
    with pytest.raises(JournalError) as caught:
        Journal(path, {"seed": 2, "model": "tiny", "rounds": 3})
    assert str(caught.value) == (
        f"{path} holds units of a run with other settings: limit was 5, is absent; "
        "rounds was absent, is 3; seed was 1, is 2. Choose another --out or delete the journal"
    )


def test_settings_that_json_holds_equal_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, {"levels": (1, 2), "seed": 1}) as journal:
        journal.put("a", 1)
    with Journal(path, {"seed": 1, "levels": [1, 2]}) as journal:
        assert list(journal) == ["a"]


def test_second_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, {"seed": 1}) as journal:
        done = subprocess.run(
            [sys.executable, "-c", WRITER, str(path)], capture_output=True, text=True
        )
        assert "is in use by another run" in done.stderr
        journal.put("a", 1)
    with Journal(path, {"seed": 1}) as journal:
        assert list(journal) == ["a"]


def test_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with (
        Journal(path, SETTINGS),
        pytest.raises(JournalError, match="is in use by another run"),
    ):
        Journal(path, SETTINGS)
    Journal(path, SETTINGS).close()


def test_workers_that_outlive_a_killed_writer_do_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    forking = (
        "import os, sys, time\n"
        "from sense.journal import Journal\n"
        "journal = Journal(sys.argv[1], {'seed': 1})\n"
        "journal.put('a', 1)\n"
        "worker = os.fork()\n"
        "print(worker, flush=True) if worker else None\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", forking, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        worker = int(child.stdout.readline())
        child.kill()
        child.wait()
        try:
            with Journal(path, {"seed": 1}) as journal:
                assert list(journal) == ["a"]
        finally:
            os.kill(worker, signal.SIGKILL)


def test_same_key_twice_is_an_error(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl", SETTINGS) as journal:
        journal.put("a", 1)
        with pytest.raises(ValueError, match="unit 'a' is already in"):
            journal.put("a", 1)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), b"bytes", Path("x")])
def test_value_that_json_cannot_hold_is_an_error_and_leaves_no_trace(
    tmp_path: Path, value: object
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        with pytest.raises(TypeError, match="unit 'a' of"):
            journal.put("a", value)
        journal.put("b", 2)
    with Journal(path, SETTINGS) as journal:
        assert list(journal) == ["b"]


@pytest.mark.parametrize("content", ["id,question\n1,2\n", '{"some": "json"}\n', "no line end"])
def test_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(JournalError, match="is not a journal of this format"):
        Journal(path, SETTINGS)
    assert path.read_text() == content


def test_full_disk_keeps_finished_units(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    code = (
        "import resource, sys\n"
        "from sense.journal import Journal\n"
        "with Journal(sys.argv[1], {'seed': 1}) as journal:\n"
        "    journal.put('small', 1)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    journal.put('large', 'x' * 10_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "the finished units are safe, make room" in done.stderr
    with Journal(path, {"seed": 1}) as journal:
        assert list(journal) == ["small"]


def test_memory_holds_no_values(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl", SETTINGS) as journal:
        for number in range(100):
            journal.put(str(number), "x" * 100_000)
        assert sys.getsizeof(journal._offsets) < 10_000
        assert journal["57"] == "x" * 100_000


def test_order_of_settings_does_not_change_their_digest() -> None:
    assert settings_digest({"a": 1, "b": [1]}) == settings_digest({"b": [1], "a": 1})
    assert settings_digest({"a": 1}) != settings_digest({"a": 2})
