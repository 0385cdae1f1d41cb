"""Several training sets read as one: which rows of each, and how often.

A weight says how often each row of its set is seen in an epoch: 1 once, 2 twice, 0.5 a seeded half
of the rows. Unlike TRL's `fraction`, a part of a set is drawn by lot and not its first rows, and no
set shrinks because another one is small.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sense.publishing.source import check_set

if TYPE_CHECKING:
    from datasets import Dataset


class Part(NamedTuple):
    """One set of a mixture."""

    name: str
    """Folder or Hub id."""
    revision: str | None = None
    """Commit on the Hub; None is its newest one."""
    weight: float = 1.0

    @property
    def label(self) -> str:
        """The Hub id, or the last part of the folder."""
        folder = Path(self.name)
        return folder.resolve().name if folder.is_dir() else self.name


def parts_of(
    names: str | Sequence[str],
    revision: str | None = None,
    weights: Sequence[float] | None = None,
) -> list[Part]:
    """The sets that a recipe names: one name, or several with a weight for each or for none.

    `OWNER/NAME@COMMIT` fixes the commit of one; `revision` does so where there is only one.

    >>> parts_of(["sense/spider", "sense/strong@1f3c"], weights=[1, 0.5])[1]
    Part(name='sense/strong', revision='1f3c', weight=0.5)
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("dataset_name names no set; give folders or Hub ids")
    if len(set(names)) < len(names):
        raise ValueError(f"dataset_name names a set twice: {', '.join(names)}; give it a weight")
    weights = [1.0] * len(names) if weights is None else list(weights)
    if len(weights) != len(names):
        raise ValueError(
            f"dataset_weights has {len(weights)} weights for {len(names)} sets "
            f"({', '.join(names)}); give one for each"
        )
    if bad := [weight for weight in weights if not 0 < weight < float("inf")]:
        raise ValueError(
            f"dataset_weights has {bad[0]:g}; expected numbers above 0, and no set that adds no row"
        )
    if revision and len(names) > 1:
        raise ValueError(
            f"dataset_revision {revision} fits one set, and dataset_name names {len(names)}; "
            "write OWNER/NAME@COMMIT for each instead"
        )
    return [
        _part(name, revision, float(weight)) for name, weight in zip(names, weights, strict=True)
    ]


def load_mixture(
    parts: Sequence[Part], split: str, columns: Sequence[str], seed: int
) -> tuple["Dataset", dict[str, int]]:
    """The rows of the split with the columns, one set after the other; how many come from each.

    Raises ValueError for a set that lacks the split or a column.
    """
    from datasets import concatenate_datasets

    loaded = [_weighted(_load(part, split, columns), part, seed) for part in parts]
    rows = loaded[0] if len(loaded) == 1 else concatenate_datasets(loaded)
    num_rows: dict[str, int] = {}
    for part, data in zip(parts, loaded, strict=True):
        namesakes = sum(name.split(" (")[0] == part.label for name in num_rows)
        label = f"{part.label} ({namesakes + 1})" if namesakes else part.label
        num_rows[label] = len(data)
    return rows, num_rows


def parts_with_split(parts: Sequence[Part], split: str) -> list[Part]:
    """The sets that have the split, each row once; all of them where none has it."""
    found = [part for part in parts if split in _splits(part)]
    return [part._replace(weight=1.0) for part in found or parts]


def _part(name: str, revision: str | None, weight: float) -> Part:
    base, _, commit = name.rpartition("@")
    if commit and base and not Path(name).exists():
        return Part(base, commit, weight)
    return Part(name, revision, weight)


def _splits(part: Part) -> list[str]:
    from datasets import get_dataset_split_names

    check_set(part.name)
    return list(get_dataset_split_names(part.name, revision=part.revision))


def _load(part: Part, split: str, columns: Sequence[str]) -> "Dataset":
    from datasets import load_dataset

    splits = _splits(part)
    if split not in splits:
        raise ValueError(f"{part.name} has no split '{split}'; it has {', '.join(splits)}")
    rows = load_dataset(part.name, split=split, revision=part.revision)
    missing = [column for column in columns if column not in rows.column_names]
    if missing:
        raise ValueError(
            f"{part.name} has no column '{missing[0]}'; expected {', '.join(columns)}, as the "
            "builders write them: strong.py for sft.py, weak.py for dpo.py"
        )
    return rows.select_columns(list(columns))


def _weighted(rows: "Dataset", part: Part, seed: int) -> "Dataset":
    """Every row as often as the weight says, the rest of it given to rows drawn by lot."""
    if part.weight == 1:
        return rows
    whole, rest = divmod(part.weight, 1)
    lot = random.Random(f"mixture {seed} {part.label}")
    drawn = lot.sample(range(len(rows)), round(rest * len(rows)))
    chosen = [*list(range(len(rows))) * int(whole), *sorted(drawn)]
    if not chosen:
        raise ValueError(
            f"weight {part.weight:g} leaves none of the {len(rows):,} rows of {part.name}; "
            "raise it or leave the set out"
        )
    return rows.select(chosen)
