"""What answered the questions, as facts and samples name it: never by a path of this machine."""

from pathlib import Path

from sense.example import content_id
from sense.facts import Input, file_sha256


def model_source(model: str, revision: str = "") -> Input:
    """A model folder by its name and the hash of its weights; else the name with its revision.

    model: folder, Hub id, or what a server calls it.
    """
    folder = Path(model)
    if not folder.is_dir():
        return Input(model, kind="model", revision=revision)
    digests = [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    return Input(folder.resolve().name, kind="model", sha256=content_id(*digests))
