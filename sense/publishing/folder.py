"""A finished folder: its files, and whether it is fit to be published."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sense.facts import FACTS_FILE, read_facts
from sense.shown import quoted_few

if TYPE_CHECKING:
    from datasets import DatasetDict, Features

RepoType: TypeAlias = Literal["dataset", "model", "space"]

IDS_AT_A_TIME = 250_000
"""That are compared: 64 bytes each, and about as much for the table that finds equal ones."""
NUM_END_CHARS = 3
"""Of an id in hex: 4,096 ends, so that parts stay small for a thousand million ids."""
Seen: TypeAlias = dict[tuple[str, str], tuple[str, str]]
"""(kind, value) -> the split and the place that has it."""

DATABASES, REJECTED = "databases", "rejected"
"""Configs that are checked in another way."""

LEFT_OUT = (
    *("checkpoint-*", "training_args.bin", "*.pth", "*.lock", "*.tmp", "*.pyc", "*__pycache__*"),
    *(".git/*", ".cache/*", "*.DS_Store"),
)
"""What stays on this machine when a folder is pushed; `training_args.bin` may hold a token."""


def check_folder(folder: str | Path, repo_type: RepoType = "dataset") -> None:
    """Checks that the folder may be published; raises ValueError naming what is missing.

    Raises FileNotFoundError where there is no folder.
    """
    from huggingface_hub import RepoCard

    folder = Path(folder)
    check_files(folder, repo_type)
    if not RepoCard.load(folder / "README.md").data.to_dict():
        raise ValueError(
            f"{folder / 'README.md'} has no front matter; render it with sense.card and try again"
        )
    if repo_type == "dataset":
        check_dataset(folder)


def check_files(folder: Path, repo_type: RepoType) -> None:
    """The first check of `check_folder`, which takes no time: that the files are there."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder at {folder}; expected a {repo_type} folder as a builder or recipe leaves it"
        )
    needed = {
        "dataset": ["README.md", FACTS_FILE],
        "model": ["README.md", FACTS_FILE, "sense_prompt.json", "*config.json", "*.safetensors"],
        "space": ["README.md", "app.py"],
    }[repo_type]
    missing = [pattern for pattern in needed if not any(folder.glob(pattern))]
    if missing:
        raise ValueError(
            f"{folder} lacks {', '.join(missing)}; expected a {repo_type} folder as a builder or "
            "recipe leaves it"
        )


def release_files(folder: str | Path) -> list[str]:
    """Paths in the folder that are published, sorted; `LEFT_OUT` stays on this machine."""
    from huggingface_hub.utils import filter_repo_objects

    folder = Path(folder)
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(filter_repo_objects(names, ignore_patterns=list(LEFT_OUT)))


def check_dataset(folder: str | Path, features: Mapping[str, "Features"] | None = None) -> None:
    """Loads every config of the folder with datasets and checks what a user relies on.

    Rows are as many as facts.json says, columns those of `features` where given, ids unique, every
    `db_id` has its database where the folder publishes some, and splits are disjoint as the card
    promises, also those of different configs. Raises ValueError with the first fault.
    """
    folder = Path(folder).absolute()
    facts = read_facts(folder)
    with tempfile.TemporaryDirectory(prefix="sense-check-") as cache, _quiet_datasets():
        db_ids: dict[str, set[str]] = {}
        seen: Seen = {}
        for config, splits in facts.results["splits"].items():
            loaded = _load(folder, config, cache)
            place = f"config '{config}' of {folder}"
            _check_sizes(loaded, splits, place)
            if features is not None:
                _check_features(loaded, features[config], place)
            _check_ids(loaded, place)
            if config != DATABASES:  # one split holds those of all
                _check_disjoint(loaded, facts.results["split_by"], place, seen)
            db_ids[config] = set().union(*_distinct(loaded, "db_id").values())
    for config, used in db_ids.items():
        if config == REJECTED:  # with the databases that its teacher proposed, kept or not
            continue
        homeless = sorted(used - db_ids.get(DATABASES, used))
        if homeless:
            raise ValueError(
                f"config '{config}' of {folder} uses {quoted_few(homeless)}, which its config "
                "'databases' does not hold; publish these databases or drop their rows"
            )


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            enable_progress_bars()


def _load(folder: Path, config: str, cache: str) -> "DatasetDict":
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

    try:
        return load_dataset(str(folder), config, cache_dir=cache)
    except (DatasetGenerationError, DatasetNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"load_dataset('{folder}', '{config}') fails: {first_line(error)}; "
            "the folder was changed by hand or is incomplete: build it again"
        ) from error


def _check_sizes(loaded: "DatasetDict", splits: Mapping[str, Any], place: str) -> None:
    found = {split: data.num_rows for split, data in loaded.items()}
    expected = {split: written["num_rows"] for split, written in splits.items()}
    if found != expected:
        raise ValueError(f"{place} loads as {found} rows, but {FACTS_FILE} counts {expected}")


def _check_features(loaded: "DatasetDict", features: "Features", place: str) -> None:
    for split, data in loaded.items():
        if data.features != features:
            wrong = sorted(
                name
                for name in data.features.keys() | features.keys()
                if data.features.get(name) != features.get(name)
            )
            raise ValueError(
                f"split '{split}' of {place} has other columns than expected: {quoted_few(wrong)}"
            )


def _check_ids(loaded: "DatasetDict", place: str) -> None:
    """Ids are compared in parts by how they end, since equal ones end alike: memory stays flat."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def ends(ids: Any) -> Any:
        return pc.utf8_slice_codeunits(ids, start=-NUM_END_CHARS)

    columns = [data.data.column("id") for data in loaded.values() if "id" in data.features]
    chunks = [chunk for column in columns for chunk in column.chunks]
    known = sorted({end for chunk in chunks for end in ends(chunk).unique().to_pylist()})
    num_parts = -(-sum(map(len, chunks)) // IDS_AT_A_TIME)
    for part in range(num_parts):
        some_ends = pa.array(known[part::num_parts], pa.string())
        alike = [chunk.filter(pc.is_in(ends(chunk), value_set=some_ends)) for chunk in chunks]
        ids = pa.chunked_array(alike, pa.string())
        if pc.count_distinct(ids).as_py() < len(ids):
            counts = pc.value_counts(ids)
            twice = next(pair["values"] for pair in counts if pair["counts"].as_py() > 1)
            raise ValueError(f"id {twice} occurs twice in {place}; drop duplicates before writing")


def _check_disjoint(loaded: "DatasetDict", split_by: str, place: str, seen: Seen) -> None:
    """No value of `split_by` is in two splits; where that is the database, no domain is either.

    seen: what earlier configs had, by kind and value; gets what this one has.
    """
    for kind, parts in _kept_apart(loaded, split_by).items():
        for split, values in parts.items():
            for value in sorted(values - {""}):
                before, where = seen.setdefault((kind, value), (split, place))
                if before != split:
                    other = "" if where == place else f" of {where}"
                    raise ValueError(
                        f"{kind} '{value}' is in the splits '{before}'{other} and '{split}' of "
                        f"{place}, whose card promises disjoint splits; divide the rows by {kind}"
                    )


def _kept_apart(loaded: "DatasetDict", split_by: str) -> dict[str, dict[str, set[str]]]:
    """By kind the values of each split that no other split may have."""
    if split_by == "db_id":
        return {kind: _distinct(loaded, kind) for kind in ("db_id", "domain")}
    if split_by == "sql_template":
        found = _distinct(loaded, "sql").items()
        return {split_by: {split: set(map(_template, queries)) for split, queries in found}}
    return {}


def _template(sql: str) -> str:
    """The query without its values; "" for a rejected candidate that cannot be parsed."""
    from sense.hardness import UnparsedSqlError, sql_template

    try:
        return sql_template(sql)
    except UnparsedSqlError:
        return ""


def _distinct(loaded: "DatasetDict", column: str) -> dict[str, set[str]]:
    """Per split the distinct values of a text column; empty where it is not there."""
    return {
        split: set(data.data.column(column).unique().to_pylist())
        for split, data in loaded.items()
        if column in data.features
    }


def first_line(error: BaseException) -> str:
    """What the error says in its first line, 200 characters at most."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
