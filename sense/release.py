"""One folder per release: written whole or not at all, checked, and pushed in one commit.

`datasets.load_dataset("<folder>")` reads the folder exactly as it will read the Hub repository.
To publish a finished folder: `python -m sense.release FOLDER OWNER/NAME`.
"""

import argparse
import errno
import json
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sense.card import (
    EVAL_RESULTS,
    DatasetText,
    Evaluation,
    ModelText,
    dataset_card,
    eval_result_files,
    model_card,
)
from sense.facts import (
    FACTS_FILE,
    Facts,
    facts_from_json,
    file_sha256,
    identity,
    read_facts,
    write_facts,
)
from sense.folder import (
    RepoType,
    check_dataset,
    check_folder,
    first_line,
    release_files,
    some,
)
from sense.parquet import Row, parquet_path, write_parquet

if TYPE_CHECKING:
    from datasets import Features
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

Tables: TypeAlias = Mapping[str, Mapping[str, Iterable[Row]]]
"""`{config: {split: rows}}`."""


class PushError(RuntimeError):
    """The Hub does not let us publish, or its copy is not what was pushed."""


def check_output(folder: str | Path) -> Path:
    """The absolute folder, free to be written; call it before any work starts.

    Raises FileExistsError when something is there, OSError when it cannot be created, ValueError
    for a path that datasets cannot load.
    """
    target = Path(folder).absolute()
    if set(str(target)) & set("*?[]"):
        raise ValueError(
            f"--out {target} has one of * ? [ ] in its path, where load_dataset looks for a "
            "pattern; choose another folder"
        )
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
    final = replace(facts, results={**facts.results, "files": files})
    write_facts(final, folder)
    check_folder(folder, "model")
    return final


def check_push(repo_id: str, token: str | None = None) -> None:
    """Asks the Hub whether this token may write to OWNER; call it before any work starts.

    Raises PushError without a token that is valid and may write, or for a foreign OWNER.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    from huggingface_hub.utils import httpx

    owner, slash, name = repo_id.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise PushError(f"--push {repo_id} is no Hub repository; expected OWNER/NAME")
    if constants.HF_HUB_OFFLINE:
        raise PushError(f"--push {repo_id} cannot work while HF_HUB_OFFLINE is set; unset it")
    try:
        user = HfApi(token=token).whoami()
    except LocalTokenNotFoundError as error:
        raise PushError(
            f"--push {repo_id} needs a Hub token and none was found; run `hf auth login` or set "
            "HF_TOKEN, or leave --push out to write the folder only"
        ) from error
    except HfHubHTTPError as error:
        raise PushError(
            f"--push {repo_id}: {constants.ENDPOINT} does not accept the token "
            f"({first_line(error)}); run `hf auth login` or set HF_TOKEN to a token that may write"
        ) from error
    except httpx.HTTPError as error:
        raise PushError(
            f"--push {repo_id}: {constants.ENDPOINT} cannot be reached ({first_line(error)}); "
            "try again later or leave --push out to write the folder only"
        ) from error
    role = user.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise PushError(
            f"--push {repo_id}: the token of user '{user['name']}' may only read; make one that "
            "may write at https://huggingface.co/settings/tokens"
        )
    owners = [user["name"], *(organization["name"] for organization in user.get("orgs", []))]
    if owner not in owners:
        raise PushError(
            f"--push {repo_id}: user '{user['name']}' cannot write for '{owner}'; "
            f"expected one of {some(owners)}"
        )


def push_folder(
    folder: str | Path,
    repo_id: str,
    repo_type: RepoType = "dataset",
    token: str | None = None,
    private: bool | None = None,
) -> str:
    """Publishes the folder in one commit, reads it back, and returns the commit's hash.

    The folder is checked first and the repository created where it is missing. Files that an
    earlier release held and this one does not are deleted; files that others added stay. Where
    nothing but `run` in facts.json differs there is no commit, and the hash is that of the head.
    Raises PushError when the repository changes meanwhile or its copy is not the folder.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    folder = Path(folder).absolute()
    check_push(repo_id, token)
    check_folder(folder, repo_type)
    names = release_files(folder)
    api = HfApi(token=token)
    api.create_repo(
        repo_id,
        repo_type=repo_type,
        private=private,
        exist_ok=True,
        space_sdk="gradio" if repo_type == "space" else None,
    )
    head = str(api.repo_info(repo_id, repo_type=repo_type).sha)
    published = _hub_files(api, repo_id, repo_type, head)
    before = _hub_facts(api, repo_id, repo_type, head) if FACTS_FILE in published else None
    stale = sorted(_files_of(before) & published.keys() - set(names))
    changed = [name for name in names if not _same(folder / name, published.get(name))]
    if changed == [FACTS_FILE] and before and identity(before) == identity(read_facts(folder)):
        changed = []
    if not changed and not stale:
        logger.info("%s holds this release already; no commit was made", repo_id)
        return head
    try:
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, folder / name) for name in changed),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message=_commit_message(folder, repo_type, first="README.md" not in published),
            repo_type=repo_type,
            parent_commit=head,
        ).oid
    except HfHubHTTPError as error:
        if error.response.status_code != 412:
            raise
        raise PushError(
            f"{repo_id} was changed by someone else after commit {head[:8]}; nothing was "
            "published: look at the change, then run the same command again"
        ) from error
    _read_back(api, folder, names, repo_id, repo_type, commit)
    return commit


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
    try:
        commit = push_folder(
            arguments.folder, arguments.repo_id, arguments.type, private=arguments.private
        )
    except (PushError, ValueError, FileNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{arguments.repo_id} at {commit}")


def _write_tables(
    draft: Path, tables: Tables, features: Mapping[str, "Features"]
) -> tuple[dict[str, Any], dict[str, Row]]:
    """Writes all Parquet files; returns the facts about them and the first row of each config."""
    splits: dict[str, dict[str, dict[str, int | str]]] = {}
    tallies: dict[str, dict[str, dict[str, int]]] = {}
    first_rows: dict[str, Row] = {}
    for position, (config, parts) in enumerate(tables.items()):
        counted: dict[str, Counter[str]] = {}
        for split, rows in parts.items():
            written = write_parquet(draft / parquet_path(config, split), rows, features[config])
            if written is None:
                logger.info("split '%s' of config '%s' has no rows: left out", split, config)
                continue
            first_rows.setdefault(config, written.first_row)
            splits.setdefault(config, {})[split] = {
                "num_rows": written.num_rows,
                "num_databases": written.num_databases,
                "num_bytes": written.num_bytes,
                "file_bytes": written.file_bytes,
                "sha256": written.sha256,
            }
            for name, tally in written.tallies.items():
                counted.setdefault(name, Counter()).update(tally)
        if position == 0 and config not in splits:
            raise ValueError(
                f"config '{config}' would hold no row; the table of dropped rows says why: "
                "read more, or drop less"
            )
        tallies[config] = {name: dict(sorted(tally.items())) for name, tally in counted.items()}
    return {"splits": splits, "tallies": tallies}, first_rows


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


def _hub_files(api: "HfApi", repo_id: str, repo_type: str, revision: str) -> dict[str, Any]:
    tree = api.list_repo_tree(repo_id, recursive=True, revision=revision, repo_type=repo_type)
    return {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}


def _same(path: Path, entry: Any) -> bool:
    """Whether the Hub's file has the bytes of ours, by the hash that it stores."""
    from huggingface_hub.utils.sha import git_hash

    if entry is None or entry.size != path.stat().st_size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file_sha256(path))
    return bool(entry.blob_id == git_hash(path.read_bytes()))


def _hub_facts(api: "HfApi", repo_id: str, repo_type: str, revision: str) -> Facts | None:
    """facts.json as published; None when it is of another version."""
    with tempfile.TemporaryDirectory(prefix="sense-facts-") as folder:
        path = api.hf_hub_download(
            repo_id, FACTS_FILE, repo_type=repo_type, revision=revision, local_dir=folder
        )
        text = Path(path).read_text("utf-8")
    try:
        return facts_from_json(text)
    except ValueError as error:
        logger.info("%s: %s", repo_id, error)
        return None


def _files_of(facts: Facts | None) -> set[str]:
    """The files that a release wrote, by its own account."""
    return set(facts.results.get("files", ())) if facts else set()


def _read_back(
    api: "HfApi", folder: Path, names: list[str], repo_id: str, repo_type: str, commit: str
) -> None:
    """Compares the Hub's copy with the folder: hashes of all files, and rows through datasets."""
    published = _hub_files(api, repo_id, repo_type, commit)
    differing = [name for name in names if not _same(folder / name, published.get(name))]
    if differing:
        raise PushError(
            f"{repo_id} at {commit[:8]} does not hold what was pushed: {some(differing)} differ; "
            "run the same command again"
        )
    if repo_type != "dataset":
        return
    for config, splits in read_facts(folder).results["splits"].items():
        for split in splits:
            ours = _first_row(str(folder), config, split, None, None)
            if ours != _first_row(repo_id, config, split, commit, api.token):
                raise PushError(
                    f"{repo_id} at {commit[:8]} loads other rows than {folder} (config "
                    f"'{config}', split '{split}'); look for files in the repository that its "
                    "README.md does not name"
                )


def _first_row(
    place: str, config: str, split: str, revision: str | None, token: str | bool | None
) -> Row:
    from datasets import load_dataset

    rows = load_dataset(place, config, split=split, revision=revision, token=token, streaming=True)
    return dict(next(iter(rows)))


def _commit_message(folder: Path, repo_type: str, first: bool) -> str:
    verb = "Publish" if first else "Update"
    if repo_type == "space":
        return f"{verb} the Space"
    facts = read_facts(folder)
    made_by = f"{facts.script} at {facts.commit[:8]}" if facts.commit else facts.script
    return f"{verb} the {repo_type} made by {made_by}"


if __name__ == "__main__":
    main()
