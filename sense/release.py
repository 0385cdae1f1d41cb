"""One folder per release: written whole or not at all, checked, and pushed in one commit.

`datasets.load_dataset("<folder>")` reads the folder exactly as it will read the Hub repository.
Rows are streamed into Parquet; memory holds one batch of them.
"""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sense.card import DatasetText, dataset_card
from sense.facts import Facts, file_sha256, write_facts

if TYPE_CHECKING:
    from datasets import Features

logger = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]
Tables: TypeAlias = Mapping[str, Mapping[str, Iterable[Row]]]
"""`{config: {split: rows}}`."""

BATCH_ROWS = 1000
BATCH_CHARS = 16 << 20  # a batch of wide rows is written earlier, which bounds memory


def check_output(folder: str | Path) -> Path:
    """The absolute folder, free to be written; call it before any work starts.

    Raises FileExistsError when something is there, and OSError when it cannot be created.
    """
    target = Path(folder).absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(
            f"--out {target} already exists; choose another folder, delete it, or publish it as it "
            f"is with `python -m sense.release {folder} OWNER/NAME`"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"--out {target} cannot be created: {error.strerror}; choose another folder",
        ) from error
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(
            f"--out {target} cannot be created: no permission to write in {target.parent}; "
            "choose another folder"
        )
    return target


def work_folder(folder: str | Path) -> Path:
    """`<folder>.work`, created: journals and databases under construction, beside the output.

    It stays when the output is finished, so that a rerun after a crash, or with other filters,
    repeats no finished unit. It may be deleted at any time between runs.
    """
    target = Path(folder).absolute()
    work = target.with_name(target.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    return work


def write_dataset(
    folder: str | Path,
    tables: Tables,
    features: Mapping[str, "Features"],
    facts: Facts | Callable[[], Facts],
    text: DatasetText,
    files: Mapping[str, str | Path] | None = None,
) -> Facts:
    """Writes Parquet, README.md, facts.json and extra files; all of them or nothing.

    tables: `{config: {split: rows}}`, rows as `sense.example.to_row` makes them, read once;
    features: the columns of each config; facts: the run's facts, or a function that is called after
    the last row was read, for counts that are complete only then; files: path in the folder -> a
    file or folder to copy. A split without rows is left out, because datasets cannot load one.
    Returns the facts as written: `results["splits"]` holds rows and bytes per config and split.
    Raises ValueError when no config has a row.
    """
    target = check_output(folder)
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # left by a killed run
    draft.mkdir()
    try:
        with _full_disk_explained(target):
            first_rows: dict[str, Row] = {}
            splits: dict[str, dict[str, dict[str, int | str]]] = {}
            for config, parts in tables.items():
                splits[config] = {}
                for split, rows in parts.items():
                    path = draft / parquet_path(config, split)
                    kept = _keep_first(rows, config, first_rows)
                    splits[config][split] = _write_parquet(path, kept, features[config])
                    if not splits[config][split]["num_rows"]:
                        logger.info("%s of %s has no rows and is left out", split, config)
                        path.unlink()
                        del splits[config][split]
                if not splits[config]:
                    del splits[config]
            if not splits:
                raise ValueError(
                    f"{target} would hold no row; the counts say where they were dropped"
                )
            for name, source in sorted((files or {}).items()):
                _copy(Path(source), draft / name)
            final = facts() if callable(facts) else facts
            final = replace(final, results={**final.results, "splits": splits})
            (draft / "README.md").write_text(
                dataset_card(text, final, features, first_rows, target.name), "utf-8"
            )
            write_facts(final, draft)
            check_dataset(draft, features)
            if target.exists():
                target.rmdir()
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def parquet_path(config: str, split: str) -> str:
    """Where a split lies in the folder, as datasets' own push_to_hub lays it out."""
    return f"{config}/{split}-00000-of-00001.parquet"


def check_dataset(folder: str | Path, features: Mapping[str, "Features"] | None = None) -> None:
    """Placeholder until the next commit."""


def _keep_first(rows: Iterable[Row], config: str, first_rows: dict[str, Row]) -> Iterator[Row]:
    for row in rows:
        first_rows.setdefault(config, row)
        yield row


def _write_parquet(path: Path, rows: Iterable[Row], features: "Features") -> dict[str, int | str]:
    """Streams the rows; returns their number, the bytes of the data and the file's hash."""
    from datasets.arrow_writer import ParquetWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.relative_to(path.parents[1])
    num_rows = num_chars = 0
    writer = ParquetWriter(path=str(path), features=features, writer_batch_size=BATCH_ROWS)
    try:
        for row in rows:
            if row.keys() != features.keys():
                raise ValueError(_other_columns(row, features, f"{place}, row {num_rows}"))
            writer.write(row)
            num_rows += 1
            num_chars += sum(len(value) for value in row.values() if isinstance(value, str))
            if num_chars >= BATCH_CHARS:
                writer.write_examples_on_file()
                num_chars = 0
        _, num_bytes = writer.finalize()
    finally:
        writer.close()
    return {
        "num_rows": num_rows,
        "num_bytes": num_bytes,
        "file_bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }


def _other_columns(row: Row, features: "Features", place: str) -> str:
    missing = sorted(features.keys() - row.keys())
    unknown = sorted(row.keys() - features.keys())
    return (
        f"{place} lacks the columns {missing} and has the unknown columns {unknown}; "
        "make rows with sense.example.to_row or give write_dataset other features"
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


@contextmanager
def _full_disk_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            error.errno,
            f"{os.strerror(error.errno)} while writing {target}; nothing was left there: make room "
            "and run the same command again",
        ) from error
