"""Rows streamed into one Parquet file of datasets' own layout, counted on their way.

Equal rows give equal bytes with the same versions of pyarrow and datasets: batches are cut by the
rows alone. Memory holds one batch.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sense.facts import file_sha256

if TYPE_CHECKING:
    from datasets import Features

logger = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]

BATCH_ROWS = 1000  # datasets' own default
BATCH_CHARS = 16 << 20  # wide rows, such as database scripts, are written earlier
TALLIED = (
    *("hardness", "gold_status", "source", "teacher", "license", "style", "domain", "weak_model"),
    *(
        "verdict",
        "reason",
        "error_kind",
        "rejected_reason",
        "chosen_source",
        "policy",
        "round",
        "label",
        "prompt_hash",
    ),
)
"""Columns of few values, whose values are counted for the card."""


class Written(NamedTuple):
    """What one file holds."""

    num_rows: int
    num_bytes: int
    file_bytes: int
    sha256: str
    num_databases: int
    """Distinct `db_id`; 0 where there is no such column."""
    tallies: dict[str, Counter[str]]
    """For each column of `TALLIED` that is there: value -> rows."""
    first_row: Row


def parquet_path(config: str, split: str) -> str:
    """Where a split lies in its folder, as datasets' push_to_hub lays it out.

    >>> parquet_path("default", "train")
    'default/train-00000-of-00001.parquet'
    """
    return f"{config}/{split}-00000-of-00001.parquet"


def write_parquet(path: Path, rows: Iterable[Row], features: "Features") -> Written | None:
    """Writes the rows, read once; None, and no file, when there are none.

    Raises ValueError naming the row whose columns are not those of the features, or whose values
    do not fit them.
    """
    import pyarrow as pa
    from datasets.arrow_writer import ParquetWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    place = f"{path.parent.name}/{path.name}"
    tallies = {name: Counter[str]() for name in TALLIED if name in features}
    db_ids: set[str] = set()
    first_row: Row = {}
    num_rows = batch_chars = 0
    writer = ParquetWriter(path=str(path), features=features, writer_batch_size=BATCH_ROWS)
    try:
        for row in rows:
            if row.keys() != features.keys():
                raise ValueError(_other_columns(row, features, f"row {num_rows} of {place}"))
            first_row = first_row or row
            writer.write(row)
            num_rows += 1
            for name, tally in tallies.items():
                tally[str(row[name])] += 1
            if "db_id" in features:
                db_ids.add(row["db_id"])
            batch_chars += sum(len(value) for value in row.values() if isinstance(value, str))
            if batch_chars >= BATCH_CHARS:
                writer.write_examples_on_file()
                batch_chars = 0
        _, num_bytes = writer.finalize()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(
            f"a row up to row {num_rows} of {place} holds a value of another type ({error}); "
            "expected the types of its Features in sense.example"
        ) from error
    finally:
        writer.close()
    if not num_rows:
        path.unlink()
        return None
    size, digest = path.stat().st_size, file_sha256(path)
    return Written(num_rows, num_bytes, size, digest, len(db_ids), tallies, first_row)


def _other_columns(row: Row, features: "Features", place: str) -> str:
    missing = sorted(features.keys() - row.keys())
    unknown = sorted(row.keys() - features.keys())
    return (
        f"{place} lacks the columns {missing} and has the unknown columns {unknown}; "
        "make rows with sense.example.to_row or give the features that fit"
    )
