"""Publish the page as a Space of the Hub, in one commit.

    python space/push.py OWNER/NAME --model OWNER/MODEL

The commit holds the page, its examples, pinned requirements, the kit's wheel built from this
checkout, and the model where it is a folder. A second run without changes makes no commit.
Building the wheel takes `hatchling`, which the extra `space` installs.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, SpaceCard, constants
from huggingface_hub.errors import RepositoryNotFoundError

from sense.command import run_script
from sense.facts import file_sha256
from sense.models.model import check_model_folder
from sense.publishing.folder import release_files
from sense.publishing.push import check_push, push_folder

HERE = Path(__file__).parent
FILES = ("app.py", "style.css", "examples")
MAX_MODEL_BYTES = 1_000_000_000
"""What a Space may hold without further ado."""


def write_space(folder: Path, repo_id: str, model: str) -> None:
    """Writes all that the Space holds into the new `folder`. model: "" for none."""
    folder.mkdir()
    for name in FILES:
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copyfile
        copy(HERE / name, folder / name)
    wheel = build_wheel(folder)
    pins = (HERE / "requirements.txt").read_text("utf-8")
    (folder / "requirements.txt").write_text(
        f"{pins}{wheel_requirement(wheel, repo_id)}\n", "utf-8"
    )
    card = SpaceCard.load(HERE / "README.md")
    if model and Path(model).is_dir():
        copy_model(Path(model), folder / "model")
    elif model:
        card.data["models"], card.data["preload_from_hub"] = [model], [model]
    card.save(folder / "README.md")


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, the same bytes for the same sources."""
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        str(folder.absolute()),
    ]
    built = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True)
    if built.returncode:
        raise RuntimeError(f"the wheel of {HERE.parent} could not be built: {built.stderr.strip()}")
    [wheel] = folder.glob("*.whl")
    return wheel


def wheel_requirement(wheel: Path, repo_id: str) -> str:
    """The line that installs the wheel from the Space itself.

    A Space's build sees no file but requirements.txt, so the line names an address; the digest
    makes it another line for another wheel, which a cached build would otherwise not notice.
    """
    place = f"{constants.ENDPOINT}/spaces/{repo_id}/resolve/main/{wheel.name}"
    return f"sense-kit @ {place}#sha256={file_sha256(wheel)}"


def copy_model(source: Path, target: Path) -> None:
    """Copies what a release of the model holds; raises ValueError where that is too much."""
    check_model_folder(source)
    names = release_files(source)
    num_bytes = sum((source / name).stat().st_size for name in names)
    if num_bytes > MAX_MODEL_BYTES:
        raise ValueError(
            f"the model in {source} has {num_bytes / 1e9:.1f} GB, more than the "
            f"{MAX_MODEL_BYTES / 1e9:.0f} GB that a Space may hold; publish it with "
            f"`python -m sense.release {source} OWNER/MODEL --type model` and pass OWNER/MODEL"
        )
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def check_model(model: str) -> None:
    """Raises ValueError or FileNotFoundError where `model` is neither a folder nor on the Hub."""
    check_model_folder(model)
    if Path(model).is_dir():
        return
    try:
        HfApi().model_info(model)
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"the Hub has no model {model}, or your token may not see it; publish it with "
            f"`python -m sense.release FOLDER {model} --type model`, or pass its folder"
        ) from error


def main(argv: Sequence[str] | None = None) -> None:
    """`python space/push.py OWNER/NAME [--model MODEL]`."""
    parser = argparse.ArgumentParser(description="Publish the page as a Space, in one commit.")
    parser.add_argument("repo_id", metavar="OWNER/NAME", help="the Space; needs HF_TOKEN")
    parser.add_argument("--model", default="", help="Hub id or folder; none: visitors write SQL")
    arguments = parser.parse_args(argv)
    check_push(arguments.repo_id)
    if arguments.model:
        check_model(arguments.model)
    with tempfile.TemporaryDirectory(prefix="sense-space-") as name:
        folder = Path(name, "space")
        write_space(folder, arguments.repo_id, arguments.model)
        commit = push_folder(folder, arguments.repo_id, "space")
    print(f"{constants.ENDPOINT}/spaces/{arguments.repo_id} at {commit}")


if __name__ == "__main__":
    run_script(main)
