"""Rows streamed into Parquet files of datasets' own layout, counted on their way.

Equal rows give equal bytes with the same versions of pyarrow and datasets: batches and files are
cut by the rows alone. Memory holds one batch.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sense.facts import file_sha256

if TYPE_CHECKING:
    from datasets import Features

logger = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]

BATCH_ROWS = 1000  # datasets' own default
BATCH_CHARS = 16 << 20  # wide rows, such as database scripts, are written earlier
SHARD_CHARS = 500_000_000  # datasets' own default for the bytes of a file's rows in memory
VIEWED_CHARS = 1_500_000
"""Of a row: the Hub's viewer leaves out rows of 2 MB, and a character takes more than a byte."""
TALLIED = (
    *("hardness", "features", "gold_status", "source", "teacher", "license", "style", "domain"),
    *(
        "weak_model",
        "verdict",
        "reason",
        "error_kind",
        "rejected_reason",
        "chosen_source",
        "rejected_source",
        "policy",
        "round",
        "label",
        "prompt_hash",
    ),
)
"""Columns of few values, whose values are counted for the card; of a list, each of its values."""
MEASURED = {
    "question": ("words", 2),
    "sql": ("characters", 20),
    "chosen_sql": ("characters", 20),
    "rejected_sql": ("characters", 20),
}
"""Columns whose lengths are counted: unit, and how many of them one bar of the histogram holds."""


class Written(NamedTuple):
    """What the files of one split hold."""

    num_rows: int
    num_bytes: int
    file_bytes: int
    sha256: tuple[str, ...]
    """Of each file."""
    num_databases: int
    """Distinct `db_id`; 0 where there is no such column."""
    tallies: dict[str, Counter[str]]
    """For each column of `TALLIED` that is there: value -> rows."""
    lengths: dict[str, Counter[int]]
    """For each column of `MEASURED` that is there: least length of a bar -> rows."""
    first_row: Row


def parquet_path(config: str, split: str, shard: int = 0, num_shards: int = 1) -> str:
    """Where a part of a split lies in its folder, as datasets' push_to_hub lays it out.

    >>> parquet_path("default", "train")
    'default/train-00000-of-00001.parquet'
    """
    return f"{config}/{split}-{shard:05d}-of-{num_shards:05d}.parquet"


def write_parquet(
    folder: Path, config: str, split: str, rows: Iterable[Row], features: "Features"
) -> Written | None:
    """Writes the rows below the folder, read once; None, and no file, when there are none.

    Raises ValueError naming the row whose columns are not those of the features, or whose values
    do not fit them.
    """
    (folder / config).mkdir(parents=True, exist_ok=True)
    count = _Count(f"config '{config}', split '{split}'", features)
    source = iter(rows)
    drafts: list[Path] = []
    num_bytes = 0
    while True:
        draft = folder / config / f"{split}-{len(drafts):05d}.draft"
        before = count.num_rows
        num_bytes_of_shard = _write_shard(draft, source, features, count)
        if count.num_rows == before:
            draft.unlink()
            break
        drafts.append(draft)
        num_bytes += num_bytes_of_shard
    paths = [
        draft.rename(folder / parquet_path(config, split, shard, len(drafts)))
        for shard, draft in enumerate(drafts)
    ]
    if not paths:
        return None
    return Written(
        num_rows=count.num_rows,
        num_bytes=num_bytes,
        file_bytes=sum(path.stat().st_size for path in paths),
        sha256=tuple(map(file_sha256, paths)),
        num_databases=len(count.db_ids),
        tallies=count.tallies,
        lengths=count.lengths,
        first_row=count.first_row,
    )


class _Count:
    """What is known of the rows of a split after they have passed."""

    def __init__(self, place: str, features: "Features") -> None:
        self.place = place
        self.features = features
        self.tallies = {name: Counter[str]() for name in TALLIED if name in features}
        self.lengths = {name: Counter[int]() for name in MEASURED if name in features}
        self.db_ids: set[str] = set()
        self.first_row: Row = {}
        self.num_rows = 0

    def check(self, row: Row) -> int:
        """Counts the row; returns its characters. Raises ValueError where it is not fit."""
        if row.keys() != self.features.keys():
            raise ValueError(
                _other_columns(row, self.features, f"row {self.num_rows} of {self.place}")
            )
        if (size := _num_chars(row)) > VIEWED_CHARS:
            raise ValueError(
                f"row {self.num_rows} of {self.place} has {size:,} characters; the Hub's viewer "
                f"shows none beyond {VIEWED_CHARS:,}: shorten its texts or leave it out"
            )
        self.first_row = self.first_row or row
        self.num_rows += 1
        return size

    def add(self, columns: Mapping[str, list[Any]]) -> None:
        """Counts what stands in the columns of some rows."""
        for name, tally in self.tallies.items():
            values = columns[name]
            is_list = isinstance(values[0], list)
            tally.update(chain.from_iterable(values) if is_list else map(str, values))
        for name, counted in self.lengths.items():
            unit, width = MEASURED[name]
            sizes = (len(text.split() if unit == "words" else text) for text in columns[name])
            counted.update(size // width * width for size in sizes)
        self.db_ids.update(columns.get("db_id", ()))


def _write_shard(path: Path, rows: Iterator[Row], features: "Features", count: _Count) -> int:
    """Writes rows until the shard is full or there are no more; their bytes in memory."""
    import pyarrow as pa
    from datasets.arrow_writer import ParquetWriter

    shard_chars = 0
    writer = ParquetWriter(path=str(path), features=features, writer_batch_size=BATCH_ROWS)
    try:
        while shard_chars < SHARD_CHARS:
            batch, num_chars = _batch(rows, count, SHARD_CHARS - shard_chars)
            if not batch:
                break
            shard_chars += num_chars
            columns = {name: [row[name] for row in batch] for name in features}
            # The writer casts and fails; told the types, Arrow would cut 1.5 to 1 and drop keys.
            writer.write_table(pa.Table.from_pydict(columns))
            count.add(columns)
        _, num_bytes = writer.finalize()
    except (pa.ArrowInvalid, TypeError) as error:
        raise ValueError(
            f"a row up to row {count.num_rows} of {count.place} holds a value of another type "
            f"({error}); expected the types of its Features in sense.example"
        ) from error
    finally:
        writer.close()
    return int(num_bytes)


def _batch(rows: Iterator[Row], count: _Count, max_chars: int) -> tuple[list[Row], int]:
    """The next rows that are written together, and their characters; `max_chars` are too many."""
    batch: list[Row] = []
    num_chars = 0
    for row in rows:
        num_chars += count.check(row)
        batch.append(row)
        if len(batch) == BATCH_ROWS or num_chars >= min(BATCH_CHARS, max_chars):
            break
    return batch, num_chars


def _num_chars(value: Any) -> int:
    """Characters of all texts in a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_num_chars, value.values()))
    return sum(map(_num_chars, value)) if isinstance(value, list) else 0


def _other_columns(row: Row, features: "Features", place: str) -> str:
    missing = sorted(features.keys() - row.keys())
    unknown = sorted(row.keys() - features.keys())
    return (
        f"{place} lacks the columns {missing} and has the unknown columns {unknown}; "
        "make rows with sense.example.to_row or give the features that fit"
    )
