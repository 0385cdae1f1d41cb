"""What a run did, in `facts.json` beside its output; cards take every number from it.

`run` holds what changes when nothing else does (date, seconds, machine, exact command); all the
rest identifies the content, so that a rerun without changes is recognised as one.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

FACTS_FILE = "facts.json"
NOT_CONTENT = ("out", "output_dir", "push", "num_workers", "engine")
"""Arguments that say where a result goes or how it is made, which is not what it is."""
LIBRARIES = (
    *("sqlglot", "datasets", "huggingface_hub", "pyarrow", "transformers", "trl", "torch"),
    "matplotlib",
)


@dataclass
class Funnel:
    """How many rows one step read, dropped by reason, and kept.

    >>> funnel = Funnel("filter", unit="questions")
    >>> for sql in ["SELECT 1", "SELECT", "SELECT 2"]:
    ...     funnel.drop("gold_error") if sql == "SELECT" else funnel.keep()
    >>> print(funnel.check())
    filter (questions)  rows
    read                   3
    dropped gold_error     1
    kept                   2
    """

    name: str
    unit: str = "rows"
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: int = 0

    def keep(self, count: int = 1) -> None:
        """Counts rows that were read and kept."""
        self.read += count
        self.kept += count

    def drop(self, reason: str, count: int = 1) -> None:
        """Counts rows that were read and dropped; `reason` is a machine word: `gold_error`."""
        self.read += count
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def check(self) -> "Funnel":
        """The funnel itself; raises ValueError unless read == kept + dropped."""
        dropped = sum(self.dropped.values())
        if self.read != self.kept + dropped:
            raise ValueError(
                f"funnel '{self.name}' read {self.read:,} but kept {self.kept:,} and dropped "
                f"{dropped:,} ({self.kept + dropped:,}); count each once, with keep() or drop()"
            )
        return self

    def rows(self) -> list[tuple[str, int]]:
        """Lines of a table: read, each reason with the most frequent first, kept."""
        dropped = [(f"dropped {reason}", count) for reason, count in self._by_frequency()]
        return [("read", self.read), *dropped, ("kept", self.kept)]

    def reasons(self) -> str:
        """Why rows were dropped, the most frequent reason first, as part of a sentence."""
        shown = ", ".join(f"{reason} {count:,}" for reason, count in self._by_frequency())
        return shown or "nothing was read"

    def _by_frequency(self) -> list[tuple[str, int]]:
        return sorted(self.dropped.items(), key=lambda item: (-item[1], item[0]))

    def __str__(self) -> str:
        return text_table([(f"{self.name} ({self.unit})", "rows"), *self.rows()])


@dataclass(frozen=True)
class Input:
    """Something a run read: a dataset, a model, a folder or a file."""

    name: str
    """Hub id, or the file's name; never a path of this machine."""
    kind: str
    """`dataset`, `model`, `databases`, `file`, ..."""
    revision: str = ""
    """Commit on the Hub; "" where there is none."""
    sha256: str = ""
    license: str = ""
    url: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything a card may say about a run."""

    script: str
    """Path of the builder or recipe in the repository."""
    command: str
    """What to type to do it again, but for `--out`, `--output_dir`, `--push`, `--num-workers` and
    `--engine`; folders by their names and servers without their addresses."""
    seed: int
    inputs: tuple[Input, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    """Git commit of the code; "" outside a checkout."""
    dirty: bool = False
    """Whether the checkout had changes that were not committed."""
    funnels: tuple[Funnel, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Named tables of counts, such as `{"verdict": {"correct": 10}}`."""
    usage: dict[str, float] = field(default_factory=dict)
    """Tokens and money of the units the result is made of: `prompt_tokens`, `cost_usd`, ..."""
    results: dict[str, Any] = field(default_factory=dict)
    """What came out: rows per split, or scores."""
    run: dict[str, Any] = field(default_factory=dict)
    """What changes from run to run: `command`, `date`, `seconds`, `machine`."""


def collect_facts(
    script: str,
    *,
    seed: int,
    settings: Mapping[str, Any],
    inputs: Sequence[Input] = (),
    funnels: Iterable[Funnel] = (),
    counts: Mapping[str, Mapping[str, int]] | None = None,
    usage: Mapping[str, float] | None = None,
    results: Mapping[str, Any] | None = None,
    seconds: float | None = 0.0,
    argv: Sequence[str] | None = None,
) -> Facts:
    """The facts of the run under way: versions, code, machine and command are looked up here.

    script: path in the repository, as in "builders/strong.py"; seconds: None where only a part of
    the run was timed; argv: `sys.argv` unless given.
    Raises ValueError for a funnel that does not add up, TypeError for settings that are not JSON.
    """
    try:
        plain_settings = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"settings of {script}: {error}; expected values JSON can hold") from error
    arguments = list(sys.argv if argv is None else argv)
    commit, dirty = code_version()
    return Facts(
        script=script,
        command=shlex.join(["python", script, *_public(_without_places(arguments[1:]))]),
        seed=seed,
        inputs=tuple(inputs),
        settings=plain_settings,
        versions=versions(),
        commit=commit,
        dirty=dirty,
        funnels=tuple(funnel.check() for funnel in funnels),
        counts={name: dict(table) for name, table in (counts or {}).items()},
        usage=dict(usage or {}),
        results=dict(results or {}),
        run={
            "command": shlex.join(["python", script, *_public(arguments[1:])]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **({} if seconds is None else {"seconds": round(seconds, 1)}),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        },
    )


def write_facts(facts: Facts, folder: str | Path) -> Path:
    """Writes `facts.json` into the folder and returns its path."""
    path = Path(folder) / FACTS_FILE
    path.write_text(json.dumps(asdict(facts), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def read_facts(folder: str | Path) -> Facts:
    """The facts beside an output.

    Raises FileNotFoundError or ValueError when there are none that this version can read.
    """
    path = Path(folder) / FACTS_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; expected the folder of a finished builder or recipe"
        )
    return facts_from_json(path.read_text("utf-8"), str(path))


def facts_from_json(text: str, place: str = FACTS_FILE) -> Facts:
    """The facts in the text of a `facts.json`; `place` names it in errors."""
    try:
        values = json.loads(text)
        values["inputs"] = tuple(Input(**item) for item in values["inputs"])
        values["funnels"] = tuple(Funnel(**item) for item in values["funnels"])
        return Facts(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{place} is not a facts.json of this version ({error}); run its builder again"
        ) from error


def identity(facts: Facts) -> dict[str, Any]:
    """The facts that identify the content: all but `run`, as JSON would give them back."""
    values = json.loads(json.dumps(asdict(facts)))
    del values["run"]
    return values


def versions() -> dict[str, str]:
    """Versions of Python, SQLite and the libraries that are imported or installed with the core."""
    import importlib.metadata

    import apsw

    found = {"sense-kit": _own_version(), "python": platform.python_version()}
    found["sqlite"] = apsw.sqlite_lib_version()
    for name in LIBRARIES:
        if name in sys.modules or name in ("sqlglot", "datasets", "huggingface_hub", "pyarrow"):
            found[name] = importlib.metadata.version(name)
    return found


def code_version() -> tuple[str, bool]:
    """Git commit of the checkout this code runs from, and whether tracked files were changed since.

    ("", False) where the kit is installed and not a checkout.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return "", False
    commit = _git(root, "rev-parse", "HEAD")
    return commit, bool(commit and _git(root, "status", "--porcelain", "-uno"))


def file_sha256(path: str | Path) -> str:
    """SHA-256 in hex of the file's bytes."""
    digest = sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def print_outcome(folder: str | Path, facts: Facts, commit: str = "") -> None:
    """Prints how a builder ended: read, dropped and kept per step, rows per split, the places."""
    print(outcome(folder, facts, commit))


def outcome(folder: str | Path, facts: Facts, commit: str = "") -> str:
    """The text of `print_outcome`."""
    tables = [str(funnel) for funnel in facts.funnels]
    splits = facts.results.get("splits", {})
    rows = [
        (f"{config}/{split}", found["num_rows"])
        for config, parts in splits.items()
        for split, found in parts.items()
    ]
    if rows:
        tables.append(text_table([("table", "rows"), *rows]))
    places = [f"folder  {Path(folder).absolute()}"]
    if commit:
        places.append(f"commit  {commit}")
    return "\n\n".join([*tables, "\n".join(places)])


def text_table(lines: Sequence[tuple[str, int | str]]) -> str:
    """Two columns of text, the second flush right with thousands separators.

    >>> print(text_table([("step", "rows"), ("read", 12345)]))
    step    rows
    read  12,345
    """
    shown = [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in lines]
    left, right = (max(len(line[side]) for line in shown) for side in (0, 1))
    return "\n".join(f"{name:<{left}}  {value:>{right}}" for name, value in shown)


def _without_places(arguments: Sequence[str]) -> list[str]:
    """Arguments without those that say where a result goes or how fast, which is not what it is.

    >>> _without_places(["--seed", "1", "--out", "runs/a", "--push=ada/b"])
    ['--seed', '1']
    """
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if name.replace("-", "_").removeprefix("__") not in NOT_CONTENT:
            kept.append(argument)
        elif not equals:
            next(rest, None)
    return kept


def _public(arguments: Iterable[str]) -> list[str]:
    """Arguments that tell nothing of this machine: paths by their last part, addresses as `URL`.

    >>> _public(["--model", "ada/tiny", "--databases=/home/ada/db/", "--base-url", "http://gpu7/v1"])
    ['--model', 'ada/tiny', '--databases=db', '--base-url', 'URL']
    >>> _public(["--data", "runs/demo/strong", "--config", "recipes/tiny/sft.yaml"])
    ['--data', 'strong', '--config', 'recipes/tiny/sft.yaml']
    """
    shown = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not (equals and name.startswith("--")):
            name, equals, value = "", "", argument
        shown.append(name + equals + _public_value(value))
    return shown


def _public_value(value: str) -> str:
    """A path by its last part, unless it is one of this repository; `OWNER/NAME` is left alone."""
    if "://" in value:
        return "URL"
    separators = sum(character in (os.sep, os.altsep) for character in value)
    if not separators or value[0] in "{[":  # a plain word, or settings as JSON
        return value
    path = Path(value).expanduser()
    root = Path(__file__).resolve().parents[1]
    if (full := path.resolve()).is_relative_to(root / "recipes"):
        return full.relative_to(root).as_posix()
    is_path = separators > 1 or value[0] in "./~" or path.exists()
    return full.name if is_path else value


def _own_version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("sense-kit")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


def _git(root: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30
        )
    except OSError:  # no git on this machine
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
