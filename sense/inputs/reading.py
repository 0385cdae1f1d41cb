"""Readers of other people's files: Spider and BIRD folders, and predictions as JSON lines.

Every error names the file, the row or line, and what to do. `sql` is what Spider calls `query` and
BIRD calls `SQL`; the official order of rows is kept.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sense.shown import first_few, kind_of

Split = Literal["train", "dev"]

SPIDER_FILES: dict[Split, tuple[str, ...]] = {
    "train": ("train_spider.json", "train_others.json"),
    "dev": ("dev.json",),
}
SPIDER_LICENSE = "cc-by-sa-4.0"
SPIDER_URL = "https://yale-lily.github.io/spider"
PUBLISHED_SPLIT: dict[Split, str] = {"train": "train", "dev": "test"}
"""Spider's dev set is what a model is tested on; its own test set came later."""
BIRD_FILES: dict[Split, str] = {"train": "train.json", "dev": "dev.json"}
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""Of a pair of UTF-16 units; JSON can spell one alone."""


class Prediction(NamedTuple):
    """One answer of a system to one question."""

    idx: int
    """The question's number in its set; the line number counted from 0 when the file gives none."""
    db_id: str
    question: str
    gold: str
    pred: str
    """The predicted SQL; "" is a prediction, and a wrong one."""
    evidence: str = ""
    system: str = ""
    completion: str = ""
    """What the model wrote, where the file keeps it."""
    logprob: float | None = None
    """Sum over the tokens of the completion, in nats."""


def read_spider(folder: str | Path, split: Split) -> Iterator[dict[str, str]]:
    """Rows `db_id, question, sql, evidence` of a Spider folder as it is downloaded.

    `train` is `train_spider.json` followed by `train_others.json` where there is one.
    """
    main, *others = (Path(folder) / name for name in SPIDER_FILES[split])
    for path in [main, *(path for path in others if path.is_file())]:
        for place, row in json_rows(path):
            texts = texts_of(row, ("db_id", "question", "query"), place)
            yield dict(zip(("db_id", "question", "sql"), texts, strict=True), evidence="")


def read_bird(folder: str | Path, split: Split) -> Iterator[dict[str, str]]:
    """Rows `db_id, question, sql, evidence, difficulty` of a BIRD folder as it is downloaded.

    `difficulty` is "" where the file has none, as in BIRD's train set.
    """
    yield from read_questions(Path(folder) / BIRD_FILES[split], "SQL")


def read_questions(path: Path, sql_key: str) -> Iterator[dict[str, str]]:
    """Rows `db_id, question, sql, evidence, difficulty` of any file in the form of BIRD or Spider.

    sql_key: what the file calls the gold SQL, see `sql_key_of`.
    """
    for place, row in json_rows(path):
        texts = texts_of(row, ("db_id", "question", sql_key), place)
        evidence, difficulty = _optional_texts(row, ("evidence", "difficulty"), place)
        yield dict(
            zip(("db_id", "question", "sql"), texts, strict=True),
            evidence=evidence,
            difficulty=difficulty,
        )


def sql_key_of(path: Path) -> str:
    """What the file calls its gold SQL: `query` as Spider does, else `SQL` as BIRD does."""
    _, first = next(iter(json_rows(path)), ("", {}))
    return "query" if "query" in first and "SQL" not in first else "SQL"


def question_ids(path: Path) -> list[str]:
    """What names each row of the file: its `question_id`, else its number from 0."""
    return [str(row.get("question_id", number)) for number, (_, row) in enumerate(json_rows(path))]


def read_predictions(path: str | Path) -> Iterator[Prediction]:
    """Predictions of a file of JSON lines, in its order, each read when it is asked for.

    Each line is an object with `db_id`, `question`, `gold` and `pred`, and where known `idx`,
    `evidence`, `system`, `completion` and `logprob`; other keys are ignored.
    """
    return _predictions(read_lines(Path(path)), path)


def parse_predictions(text: str, path: str | Path) -> list[Prediction]:
    """`read_predictions` of a text; `path` names it in errors."""
    return list(_predictions(text.split("\n"), path))


def _predictions(lines: Iterable[str], path: str | Path) -> Iterator[Prediction]:
    num = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not num and line.lstrip().startswith("["):
            raise ValueError(
                f"{path} holds a JSON array; expected JSON lines, one object per line: "
                f"convert it with `jq -c '.[]' {path}`"
            )
        yield _prediction(line, num, f"{path}, line {number}")
        num += 1
    if not num:
        raise ValueError(
            f"{path} is empty; expected one JSON object per line with the keys "
            "db_id, question, gold and pred: write the predictions again"
        )


def _prediction(line: str, position: int, place: str) -> Prediction:
    row = json_object(line, place)
    db_id, question, gold, pred = texts_of(row, ("db_id", "question", "gold", "pred"), place)
    evidence, system, completion = _optional_texts(row, ("evidence", "system", "completion"), place)
    return Prediction(
        _number(row, "idx", place, (int,), position),
        db_id,
        question,
        gold,
        pred,
        evidence,
        system,
        completion,
        _number(row, "logprob", place, (int, float), None),
    )


def json_object(line: str, place: str) -> dict[str, Any]:
    """The object on a line of JSON lines."""
    row = _parse(line, place)
    if not isinstance(row, dict):
        raise ValueError(f"{place} holds {kind_of(row)}; expected a JSON object per line")
    return row


def json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSON array, each with the words that say where it stands."""
    rows = _parse(read_text(path), str(path))
    if not isinstance(rows, list):
        raise ValueError(f"{path} holds {kind_of(rows)}; expected a JSON array of objects")
    for number, row in enumerate(rows):
        place = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise ValueError(f"{place} is {kind_of(row)}; expected an object")
        yield place, row


def read_text(path: Path) -> str:
    """The whole file, which must be UTF-8."""
    return "".join(read_lines(path))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file with their ends, each read when it is asked for.

    Raises FileNotFoundError or IsADirectoryError at once.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected a file: name the file inside it")
    if not path.is_file():
        found = sorted(p.name for p in path.parent.glob("*.json*")) or ["no JSON file"]
        raise FileNotFoundError(
            f"{path} does not exist; {path.parent} has {first_few(found)}: "
            "correct the path, or download the data set in its official layout"
        )
    return _decoded_lines(path)


def _decoded_lines(path: Path) -> Iterator[str]:
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                # what stands before the fault, a byte order mark included, counts
                at = start + line.index(error.object) + error.start
                raise ValueError(
                    f"{path}, line {number}, is not UTF-8 (byte 0x{error.object[error.start]:02x} "
                    f"at {at:,}); save the file as UTF-8"
                ) from error
            start += len(line)


def _parse(text: str, place: str) -> Any:
    text = text.rstrip()  # where a line ends too early, the fault is in it and not in the next one
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, " if "\n" in text else ""
        raise ValueError(
            f"{place} is not JSON: {error.msg.removesuffix(' at')} at {at}column {error.colno}; "
            "correct it or write the file again"
        ) from error
    except RecursionError as error:
        raise ValueError(f"{place} holds JSON that is nested too deeply to be read") from error


def texts_of(row: Mapping[str, Any], keys: Sequence[str], place: str) -> list[str]:
    missing = [key for key in keys if key not in row]
    if missing:
        raise ValueError(
            f"{place} lacks {', '.join(map(repr, missing))}; it has {', '.join(map(repr, row))}: "
            "add or rename the keys"
        )
    return [_text(row[key], key, place) for key in keys]


def _optional_texts(row: Mapping[str, Any], keys: Sequence[str], place: str) -> list[str]:
    """Texts that may be absent or null: "" then."""
    return ["" if row.get(key) is None else _text(row[key], key, place) for key in keys]


def _text(value: Any, key: str, place: str) -> str:
    if isinstance(value, str):
        half = HALF_CHARACTER.search(value)
        if half and key not in ("pred", "completion"):  # what a model writes is data
            raise ValueError(
                f"{place} has half a character, {half[0]!a}, in '{key}', which no file or "
                "database can hold; write the whole character or leave it out"
            )
        return value
    advice = ": write an empty string where the system gave no answer" if key == "pred" else ""
    raise ValueError(f"{place} has {kind_of(value)} as '{key}'; expected a string{advice}")


def _number(
    row: Mapping[str, Any], key: str, place: str, kinds: tuple[type, ...], default: Any
) -> Any:
    value = row.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(
            f"{place} has {kind_of(value)} as '{key}'; expected a number or no '{key}'"
        )
    return value
