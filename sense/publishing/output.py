"""Where a script may write: a new folder, and one beside it for work under way."""

import os
from pathlib import Path

from sense.facts import FACTS_FILE


def check_output(folder: str | Path, is_published: bool = True) -> Path:
    """The absolute folder, free to be written; call it before any work starts.

    is_published: whether what is written there may go to the Hub by `python -m sense.release`.
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
        advice = "choose another folder or delete it"
        if is_published and (target / FACTS_FILE).is_file():
            advice = (
                "choose another folder, delete it, or publish it as it is with "
                f"`python -m sense.release {folder} OWNER/NAME`"
            )
        raise FileExistsError(f"--out {target} already exists; {advice}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"--out {target} cannot be created: {error.strerror}; choose another folder"
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
    if work.exists() and not work.is_dir():
        raise FileExistsError(
            f"{work} is a file where work under way is to be kept; choose another --out or move it"
        )
    work.mkdir(parents=True, exist_ok=True)
    return work
