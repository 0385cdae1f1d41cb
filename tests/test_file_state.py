"""What is read from a file is kept until the file changes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sense.sqlite import file_state
from sense.sqlite.file_state import kept_per_file

LONG_AGO = 10**18  # nanoseconds: in the year 2001


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "file", "first")


@pytest.fixture
def numbers() -> Iterator[int]:
    """One number for each time that a file is read."""
    return iter(range(1, 10))


def write(path: Path, text: str, date: int = LONG_AGO) -> Path:
    path.write_text(text)
    os.utime(path, ns=(date, date))
    return path


def test_a_file_is_read_again_when_its_date_or_size_changes(
    file: Path, numbers: Iterator[int]
) -> None:
    read = kept_per_file(8)(lambda path: (next(numbers), Path(path).read_text()))
    assert [read(file), read(str(file))] == [(1, "first"), (1, "first")]
    write(file, "other", LONG_AGO + 1)
    assert [read(file), read(file)] == [(2, "other"), (2, "other")]
    write(file, "longer text", LONG_AGO + 1)
    assert read(file) == (3, "longer text")


def test_a_file_that_was_given_its_old_date_is_read_again(file: Path) -> None:
    read = kept_per_file(8)(lambda path: Path(path).read_text())
    assert read(file) == "first"
    noted = file.stat().st_ctime_ns
    while write(file, "other").stat().st_ctime_ns == noted:  # the clock of files ticks slowly
        pass
    assert read(file) == "other"


def test_what_was_written_just_now_is_not_kept(
    file: Path, numbers: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_state, "SETTLED_NS", 10**20)
    read = kept_per_file(8)(lambda path: next(numbers))
    assert [read(file), read(file)] == [1, 2]


def test_only_the_latest_files_are_kept(tmp_path: Path, numbers: Iterator[int]) -> None:
    files = [write(tmp_path / name, "") for name in "ab"]
    read = kept_per_file(1)(lambda path: next(numbers))
    assert [read(files[n]) for n in (0, 0, 1, 0)] == [1, 1, 2, 3]


def test_a_file_that_is_missing_is_the_readers_affair(tmp_path: Path) -> None:
    read = kept_per_file(8)(lambda path: Path(path).read_text())
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
