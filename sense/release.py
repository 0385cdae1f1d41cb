"""One folder per release, written whole or not at all.

`datasets.load_dataset("<folder>")` reads the folder exactly as it will read the Hub repository.
To publish a finished folder: `python -m sense.release FOLDER OWNER/NAME`.
"""

import argparse
import errno
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sense.card import DatasetText, ModelText, dataset_card, model_card
from sense.command import run_script
from sense.facts import FACTS_FILE, Facts, write_facts
from sense.publishing.eval_results import EVAL_RESULTS, Evaluation, eval_result_files
from sense.publishing.figures import draw_figures
from sense.publishing.folder import check_dataset, check_folder, release_files
from sense.publishing.output import check_output, work_folder
from sense.publishing.parquet import Row, write_parquet
from sense.publishing.push import PushError, check_push, push_folder

if TYPE_CHECKING:
    from datasets import Features

__all__ = [  # what pushes and checks is found here too
    "PushError",
    "check_dataset",
    "check_output",
    "check_push",
    "push_folder",
    "work_folder",
    "write_dataset",
    "write_model",
]

logger = logging.getLogger(__name__)

Tables: TypeAlias = Mapping[str, Mapping[str, Iterable[Row]]]
"""`{config: {split: rows}}`."""


def write_dataset(
    folder: str | Path,
    tables: Tables,
    features: Mapping[str, "Features"],
    facts: Facts | Callable[[], Facts],
    text: DatasetText,
    files: Mapping[str, str | Path] | None = None,
) -> Facts:
    """Writes Parquet, figures, README.md, facts.json and extra files; all of them or nothing.

    tables: `{config: {split: rows}}`, rows as `sense.example.to_row` makes them, read once; the
    first config must have rows, a split without rows is left out because datasets cannot load one;
    features: the columns of each config; facts: the run's facts, or a function called after the
    last row was read, for counts that are complete only then; files: path in the folder -> a file
    or folder to copy. Returns the facts as written, with `results` filled.
    """
    target = check_output(folder)
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # left by a killed run
    try:
        with _full_disk_explained(target):
            draft.mkdir()
            results, first_rows = _write_tables(draft, tables, features)
            for name, source in sorted((files or {}).items()):
                _copy(Path(source), draft / name)
            final = facts() if callable(facts) else facts
            results["split_by"] = text.split_by
            if text.has_figures:
                counted = replace(final, results={**final.results, **results})
                results["figures"] = draw_figures(counted, draft)
            results["files"] = sorted({*release_files(draft), "README.md", FACTS_FILE})
            final = replace(final, results={**final.results, **results})
            card = dataset_card(text, final, features, first_rows, target.name)
            (draft / "README.md").write_text(card, "utf-8")
            write_facts(final, draft)
            check_dataset(draft, features)
            if target.exists():
                target.rmdir()  # empty, says check_output
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def write_model(
    folder: str | Path, text: ModelText, facts: Facts, evaluations: Sequence[Evaluation] = ()
) -> Facts:
    """Completes the folder of a trained model: card, `.eval_results`, facts.json; then checks it.

    The folder holds the weights, tokenizer and `sense_prompt.json` already; a README.md that the
    trainer left there is replaced. Returns the facts as written.
    """
    folder = Path(folder).absolute()
    contract = folder / "sense_prompt.json"
    if not contract.is_file():
        raise FileNotFoundError(
            f"{contract} does not exist; save the prompt contract beside the model with "
            "sense.prompt.save_contract"
        )
    shutil.rmtree(folder / EVAL_RESULTS, ignore_errors=True)
    for name, content in eval_result_files(evaluations).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    settings = json.loads(contract.read_text("utf-8"))
    card = model_card(text, facts, evaluations, settings, folder.name)
    (folder / "README.md").write_text(card, "utf-8")
    files = sorted({*release_files(folder), FACTS_FILE})
    results = {**facts.results, "files": files, "text": asdict(text)}
    final = replace(facts, results=results)
    write_facts(final, folder)
    check_folder(folder, "model")
    return final


def model_text_of(facts: Facts) -> ModelText:
    """What `write_model` was told beside the facts, to render the card again."""
    if "text" not in facts.results:
        raise ValueError(
            f"the facts are those of {facts.script}, not of a model; expected the folder that "
            "recipes/sft.py or recipes/dpo.py wrote"
        )
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in facts.results["text"].items()
    }
    return ModelText(**values)


def main(argv: list[str] | None = None) -> None:
    """`python -m sense.release FOLDER OWNER/NAME [--type model] [--private]`."""
    parser = argparse.ArgumentParser(
        prog="python -m sense.release", description="Check a finished folder and publish it."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("repo_id", metavar="OWNER/NAME")
    parser.add_argument("--type", choices=("dataset", "model", "space"), default="dataset")
    parser.add_argument("--private", action="store_true", default=None)
    arguments = parser.parse_args(argv)
    commit = push_folder(
        arguments.folder, arguments.repo_id, arguments.type, private=arguments.private
    )
    print(f"{arguments.repo_id} at {commit}")


def _write_tables(
    draft: Path, tables: Tables, features: Mapping[str, "Features"]
) -> tuple[dict[str, Any], dict[str, Row]]:
    """Writes all Parquet files; returns the facts about them and the first row of each config."""
    splits: dict[str, dict[str, dict[str, int | list[str]]]] = {}
    tallies: dict[str, dict[str, dict[str, int]]] = {}
    lengths: dict[str, dict[str, dict[str, int]]] = {}
    first_rows: dict[str, Row] = {}
    for position, (config, parts) in enumerate(tables.items()):
        counted: dict[str, Counter[str]] = {}
        measured: dict[str, Counter[int]] = {}
        for split, rows in parts.items():
            written = write_parquet(draft, config, split, rows, features[config])
            if written is None:
                logger.info("split '%s' of config '%s' has no rows: left out", split, config)
                continue
            first_rows.setdefault(config, written.first_row)
            splits.setdefault(config, {})[split] = {
                "num_rows": written.num_rows,
                "num_databases": written.num_databases,
                "num_bytes": written.num_bytes,
                "file_bytes": written.file_bytes,
                "sha256": list(written.sha256),
            }
            for name, tally in written.tallies.items():
                counted.setdefault(name, Counter()).update(tally)
            for name, found in written.lengths.items():
                measured.setdefault(name, Counter()).update(found)
        if position == 0 and config not in splits:
            raise ValueError(
                f"config '{config}' would hold no row; the table of dropped rows says why: "
                "read more, or drop less"
            )
        tallies[config] = {name: dict(sorted(tally.items())) for name, tally in counted.items()}
        lengths[config] = {
            name: {str(least): num for least, num in sorted(found.items())}
            for name, found in measured.items()
        }
    return {"splits": splits, "tallies": tallies, "lengths": lengths}, first_rows


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


if __name__ == "__main__":
    run_script(main)
