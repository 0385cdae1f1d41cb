"""What a run read, as facts and samples name it: never by a path of this machine."""

import json
from pathlib import Path

from sense.example import content_id
from sense.facts import FACTS_FILE, Input, file_sha256
from sense.suite import Suite


def model_source(model: str, revision: str = "") -> Input:
    """A model folder by its name and the hash of its weights; else the name with its revision.

    model: folder, Hub id, or what a server calls it.
    """
    folder = Path(model)
    if not folder.is_dir():
        return Input(model, kind="model", revision=revision)
    digests = [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    return Input(folder.resolve().name, kind="model", sha256=content_id(*digests))


def check_set(name: str) -> None:
    """Raises FileNotFoundError for a folder without data, and for a path at which there is none.

    name: folder or Hub id. Nothing is asked of the Hub.
    """
    expected = (
        "expected a folder that a builder wrote, or a dataset of the Hub such as sense/strong"
    )
    if not Path(name).is_dir():
        if is_path(name):
            raise FileNotFoundError(f"no set of questions at {name}; {expected}")
        return
    from datasets import get_dataset_split_names

    try:
        get_dataset_split_names(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"the folder {name} holds no rows; {expected}") from error


def is_path(name: str) -> bool:
    """Whether a name that is no folder here is a path all the same, and no `OWNER/NAME` of the Hub.

    `runs/nope` is one beside a folder `runs`. The folder of this package does not count: in a
    checkout `sense/strong` is a set on the Hub.

    >>> is_path("sense/strong"), is_path("./strong"), is_path("runs/demo/strong")
    (False, True, True)
    """
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return True
    owner = Path(name).parent
    return owner.is_dir() and not owner.samefile(Path(__file__).parents[1])


def dataset_source(name: str, revision: str | None = None) -> Input:
    """A set's folder by its name and the hash of its `facts.json`; else the Hub id with its commit.

    The hash is "" for a folder without facts, the commit for a set that is read from the cache
    while the Hub is switched off. The licence is that of a folder's rows, "" where it tells none.
    """
    folder = Path(name)
    if folder.is_dir():
        facts = folder / FACTS_FILE
        digest = file_sha256(facts) if facts.is_file() else ""
        license = _licenses(folder)
        return Input(folder.resolve().name, kind="dataset", sha256=digest, license=license)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        commit = str(HfApi().dataset_info(name, revision=revision).sha)
    except OfflineModeIsEnabled:
        commit = revision or ""
    return Input(name, kind="dataset", revision=commit)


def suite_source(suite: Suite) -> Input:
    """A test suite by its folder's name and the hash of its content.

    The licence is that of what it was made from, "" where the folder does not tell.
    """
    name = suite.folder.resolve().name
    return Input(name, kind="databases", sha256=suite.hash, license=_licenses(suite.folder))


def _licenses(folder: Path) -> str:
    """Those of the rows that a folder's facts count, or of its inputs where they count no rows."""
    path = folder / FACTS_FILE
    try:
        facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(
            f"{path} is not JSON: {error}; expected what a builder wrote: build the set anew"
        ) from error
    tallies = facts.get("results", {}).get("tallies", {})
    of_rows = {name for columns in tallies.values() for name in columns.get("license", {})}
    of_inputs = {item.get("license", "") for item in facts.get("inputs", ())}
    return ", ".join(sorted((of_rows or of_inputs) - {""}))
