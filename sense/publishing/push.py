"""A finished folder to the Hub: checked, published in one guarded commit, and read back."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sense.facts import (
    FACTS_FILE,
    Facts,
    facts_from_json,
    file_sha256,
    identity,
    read_facts,
)
from sense.publishing.folder import (
    RepoType,
    check_files,
    check_folder,
    first_line,
    release_files,
)
from sense.publishing.parquet import Row
from sense.shown import quoted_few

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)


class PushError(RuntimeError):
    """The Hub does not let us publish, or its copy is not what was pushed."""


def check_push(repo_id: str, token: str | None = None) -> None:
    """Asks the Hub whether this token may write to OWNER; call it before any work starts.

    Raises PushError without a token that is valid and may write, or for a foreign OWNER.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    from huggingface_hub.utils import httpx

    owner, slash, name = repo_id.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise PushError(f"'{repo_id}' is no name of a Hub repository; expected OWNER/NAME")
    if constants.HF_HUB_OFFLINE:
        raise PushError(f"{repo_id} cannot be published while HF_HUB_OFFLINE is set; unset it")
    try:
        user = HfApi(token=token).whoami()
    except LocalTokenNotFoundError as error:
        raise PushError(
            f"publishing {repo_id} needs a Hub token and none was found; run `hf auth login` or "
            "set HF_TOKEN"
        ) from error
    except httpx.HTTPError as error:
        if isinstance(error, HfHubHTTPError) and error.response.status_code == 401:
            raise PushError(
                f"publishing {repo_id}: {constants.ENDPOINT} does not know the token; run "
                "`hf auth login` or set HF_TOKEN to a token that may write"
            ) from error
        raise PushError(
            f"publishing {repo_id}: {constants.ENDPOINT} cannot be reached ({first_line(error)}); "
            "try again later"
        ) from error
    role = user.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise PushError(
            f"publishing {repo_id}: the token of user '{user['name']}' may only read; make one "
            "that may write at https://huggingface.co/settings/tokens"
        )
    organizations = [o["name"] for o in user.get("orgs", []) if o.get("roleInOrg") != "read"]
    owners = [user["name"], *organizations]
    if owner not in owners:
        raise PushError(
            f"publishing {repo_id}: user '{user['name']}' cannot write for '{owner}'; "
            f"expected one of {quoted_few(owners)}"
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
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx

    folder = Path(folder).absolute()
    check_files(folder, repo_type)
    check_push(repo_id, token)
    check_folder(folder, repo_type)
    try:
        return _push(HfApi(token=token), folder, repo_id, repo_type, private)
    except (HfHubHTTPError, httpx.HTTPError) as error:
        raise PushError(
            f"{repo_id} was not published: {first_line(error)}. {folder} is finished and stays; "
            f"publish it later with `python -m sense.release {folder} {repo_id} --type {repo_type}`"
        ) from error


def _push(
    api: "HfApi", folder: Path, repo_id: str, repo_type: RepoType, private: bool | None
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, RepoCard
    from huggingface_hub.errors import HfHubHTTPError

    names = release_files(folder)
    sdk = RepoCard.load(folder / "README.md").data.get("sdk") if repo_type == "space" else None
    api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=sdk)
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
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(name, folder / name) for name in changed),
        *(CommitOperationDelete(name) for name in stale),
    ]
    message = _commit_message(folder, repo_type, is_first="README.md" not in published)
    try:
        commit = api.create_commit(
            repo_id,
            operations,
            commit_message=message,
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
            f"{repo_id} at {commit[:8]} does not hold what was pushed: {quoted_few(differing)} "
            "differ; run the same command again"
        )
    if repo_type != "dataset":
        return
    for config, splits in read_facts(folder).results["splits"].items():
        for split in splits:
            ours = _first_row(str(folder), config, split, None, None)
            # hf:// because a folder of this name in the working directory would win over the Hub
            published_row = _first_row(f"hf://datasets/{repo_id}", config, split, commit, api.token)
            if ours != published_row:
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


def _commit_message(folder: Path, repo_type: str, is_first: bool) -> str:
    verb = "Publish" if is_first else "Update"
    if repo_type == "space":
        return f"{verb} the Space"
    facts = read_facts(folder)
    made_by = f"{facts.script} at {facts.commit[:8]}" if facts.commit else facts.script
    return f"{verb} the {repo_type} made by {made_by}"
