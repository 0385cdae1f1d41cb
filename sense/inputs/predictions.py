"""Prediction files of any system, told apart by what they hold, with the golds they belong to.

Ours: JSON lines, which bring question and gold; lines of one idx are several answers to a question.
Spider's: one query per line, beside a file of `SQL<tab>db_id` lines or the `dev.json` itself.
BIRD's: one JSON object of numbered queries, beside the same. Every error names file and line.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from sense.inputs.reading import (
    Prediction,
    json_rows,
    parse_predictions,
    read_text,
    texts_of,
)
from sense.prompts.completion import extract_sql
from sense.scores.samples import grouped_answers
from sense.shown import first_few, kind_of, shortened

Format: TypeAlias = Literal["json_lines", "bird", "spider"]

JSON_SUFFIXES = (".json", ".jsonl")
BIRD_MARK = "\t----- bird -----\t"
"""Stands between the query and its `db_id` in BIRD's files."""
SQL_START = re.compile(r"\s*\(*\s*(?:select|with|values)\b", re.IGNORECASE)
UNSAFE = re.compile(r"[^\w.-]+")


class Gold(NamedTuple):
    """A question's gold, from a file of golds."""

    idx: int
    """The `question_id` of BIRD's files, else the position counted from 0."""
    db_id: str
    question: str
    """"" where the file holds SQL only."""
    sql: str
    evidence: str = ""


@dataclass(frozen=True)
class System:
    """The answers of one system, one per question."""

    name: str
    """File stem, or the field `system` of the file; fit for the name of a folder."""
    predictions: tuple[Prediction, ...]
    path: Path = Path()
    """The file that holds them, where there is one."""
    notes: tuple[str, ...] = ()
    """What was odd about the file and how it was read."""
    samples: tuple[tuple[str, ...], ...] = ()
    """All answers to each question, the first of which stands in `predictions`; () = one each."""


def read_systems(paths: Sequence[str | Path], gold: str | Path | None = None) -> list[System]:
    """The systems of the files, in order; a file whose lines name several systems holds several.

    gold: the file of golds, which Spider's and BIRD's formats need; where JSON lines are read
    beside it, their golds must be its. Raises ValueError for a file that is in none of the formats,
    is too short or too long for the golds, or answers other questions than the first system.
    """
    golds = read_golds(gold) if gold else []
    systems = [system for path in paths for system in _read_file(Path(path), golds, gold)]
    systems = _named_apart(systems)
    for system in systems[1:]:
        _check_same_questions(systems[0], system)
    return _asked_alike(systems)


def read_golds(path: str | Path) -> list[Gold]:
    """The golds of a file of `SQL<tab>db_id` lines, or of Spider's or BIRD's `dev.json`.

    Empty lines, which part the dialogues of SParC and CoSQL, are skipped.
    """
    file = Path(path)
    text = read_text(file)
    if text.lstrip().startswith("["):
        return _json_golds(file)
    golds: list[Gold] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.strip().split("\t")]
        if len(fields) != 2 or not all(fields):
            raise ValueError(
                f"{path}, line {number}, is {shortened(line)!r}; expected the gold SQL, one tab "
                "and the db_id: correct the line"
            )
        golds.append(Gold(len(golds), fields[1], "", fields[0]))
    if not golds:
        raise ValueError(f"{path} is empty; expected one line per question: SQL, a tab, db_id")
    return golds


def extracted(system: System) -> System:
    """The system with SQL taken out of prose and code fences; a query as it stands is kept."""
    predictions = tuple(p._replace(pred=extract_sql(p.pred)) for p in system.predictions)
    samples = tuple(tuple(map(extract_sql, sqls)) for sqls in system.samples)
    return replace(system, predictions=predictions, samples=samples)


def _json_golds(path: Path) -> list[Gold]:
    golds = []
    for number, (place, row) in enumerate(json_rows(path)):
        key = "SQL" if "SQL" in row else "query"
        db_id, question, sql = texts_of(row, ("db_id", "question", key), place)
        idx = row.get("question_id")
        evidence = row.get("evidence")
        golds.append(
            Gold(
                idx if isinstance(idx, int) else number,
                db_id,
                question,
                sql,
                evidence if isinstance(evidence, str) else "",
            )
        )
    if not golds:
        raise ValueError(f"{path} holds no question; expected Spider's or BIRD's dev.json")
    return golds


def _read_file(path: Path, golds: Sequence[Gold], gold: str | Path | None) -> list[System]:
    text = read_text(path)
    form = _format_of(text)
    if form == "json_lines":
        return _json_line_systems(path, text, golds, gold)
    if not golds:
        if form == "spider" and path.suffix in JSON_SUFFIXES:
            line = shortened(text.lstrip().partition("\n")[0])
            raise ValueError(
                f"{path} holds no JSON but {line!r}; expected one object per line with the keys "
                "db_id, question, gold and pred"
            )
        described = "one query per line" if form == "spider" else "numbered queries"
        raise ValueError(
            f"{path} holds {described} and so holds no golds; name their file with --gold, or "
            "write JSON lines with the keys db_id, question, gold and pred"
        )
    read = _spider_predictions if form == "spider" else _bird_predictions
    predictions, notes = read(path, text, golds, gold)
    return [System(_folder_name(path.stem), tuple(predictions), path, tuple(notes))]


def _format_of(text: str) -> Format:
    """The format, by the first value of the text; JSON that is broken is left to its reader."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return "spider" if start else "json_lines"
    try:
        first, _ = json.JSONDecoder().raw_decode(start)
    except (json.JSONDecodeError, RecursionError):
        return "bird" if start.partition("\n")[0].rstrip() == "{" else "json_lines"
    is_numbered = isinstance(first, dict) and first and all(key.isdigit() for key in first)
    return "bird" if is_numbered else "json_lines"


def _json_line_systems(
    path: Path, text: str, golds: Sequence[Gold], gold: str | Path | None
) -> list[System]:
    groups: dict[str, list[Prediction]] = {}
    for prediction in parse_predictions(text, path):
        groups.setdefault(prediction.system, []).append(prediction)
    systems = []
    for name, predictions in groups.items():
        firsts, samples = grouped_answers(predictions, f"{path}, {name or path.stem}")
        systems.append(System(_folder_name(name or path.stem), firsts, path, samples=samples))
    if golds:
        for system in systems:
            _check_golds(system, golds, gold)
    return systems


def _spider_predictions(
    path: Path, text: str, golds: Sequence[Gold], gold: str | Path | None
) -> tuple[list[Prediction], list[str]]:
    """The queries line by line; an empty line is an empty answer where the numbers agree so.

    A query ends at the first tab, as in the official script; after it the line may name its db_id.
    """
    numbered = list(enumerate(text.removesuffix("\n").split("\n"), start=1))
    written = [(number, line) for number, line in numbered if line.strip()]
    if len(numbered) != len(golds):
        if len(written) != len(golds):
            raise _misaligned(path, numbered, written, golds, gold)
        numbered = written
    db_ids = {known.db_id for known in golds}
    predictions = []
    cut = []
    for (number, line), wanted in zip(numbered, golds, strict=True):
        sql, _, rest = (field.strip() for field in line.strip().partition("\t"))
        if rest in db_ids or rest.isidentifier():
            _check_db_id(f"{path}, line {number},", rest, wanted, gold)
        elif rest:
            cut.append(f"line {number} ({shortened(rest)!r})")
        predictions.append(_answer(wanted, sql))
    return predictions, [_cut_note(path, cut)] if cut else []


def _cut_note(path: Path, places: Sequence[str]) -> str:
    return (
        f"{len(places):,} lines of {path.name} go on after a tab, which ends a query of Spider's "
        f"format: {first_few(places)}"
    )


def _misaligned(
    path: Path,
    numbered: Sequence[tuple[int, str]],
    written: Sequence[tuple[int, str]],
    golds: Sequence[Gold],
    gold: str | Path | None,
) -> ValueError:
    odd = next(((number, line) for number, line in written if not SQL_START.match(line)), None)
    hint = f"; line {odd[0]} does not start as a query: {shortened(odd[1])!r}" if odd else ""
    return ValueError(
        f"{path} has {len(written):,} queries in {len(numbered):,} lines for the {len(golds):,} "
        f"golds of {gold}{hint}; expected one line per question: write each query on one line, "
        "and an empty line where the system gave none"
    )


def _bird_predictions(
    path: Path, text: str, golds: Sequence[Gold], gold: str | Path | None
) -> tuple[list[Prediction], list[str]]:
    """The queries of `{"0": "SQL<mark>db_id", ...}`, keyed by position or by `question_id`."""
    answers = _numbered_answers(path, text)
    keys = [str(number) for number in range(len(golds))]
    by_id = [str(gold.idx) for gold in golds]
    if answers.keys() == set(by_id):
        keys = by_id
    elif missing := [key for key in keys if key not in answers]:
        raise ValueError(
            f"{path} has {len(answers):,} answers for the {len(golds):,} golds of {gold}: "
            f"{len(missing):,} are missing, the first is key '{missing[0]}'; write every question, "
            "with an empty string where the system gave none"
        )
    elif len(answers) > len(keys):
        surplus = next(key for key in answers if key not in set(keys))
        raise ValueError(
            f"{path} has {len(answers):,} answers for the {len(golds):,} golds of {gold}; the "
            f"first without a gold is key '{surplus}': take the gold file of the same questions"
        )
    predictions = []
    no_text = []
    for key, wanted in zip(keys, golds, strict=True):
        value = answers[key]
        if not isinstance(value, str):
            no_text.append(f"key '{key}' ({kind_of(value)})")
            value = ""
        sql, _, db_id = (field.strip() for field in value.partition(BIRD_MARK))
        _check_db_id(f"{path}, key '{key}',", db_id, wanted, gold)
        predictions.append(_answer(wanted, sql))
    return predictions, [_no_text_note(path, no_text)] if no_text else []


def _no_text_note(path: Path, places: Sequence[str]) -> str:
    shown = first_few(places)
    return f"{len(places):,} answers of {path.name} are no text and count as empty: {shown}"


def _numbered_answers(path: Path, text: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(
                    f"{path} has the key '{key}' twice; expected one answer per question: "
                    "remove one of them"
                )
            found[key] = value
        return found

    try:
        answers: dict[str, Any] = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
            "correct it or write the file again"
        ) from error
    return answers


def _check_db_id(place: str, db_id: str, wanted: Gold, gold: str | Path | None) -> None:
    """Raises ValueError where the file names another database than the gold in its place."""
    if db_id and db_id != wanted.db_id:
        raise ValueError(
            f"{place} is for db_id '{db_id}', but question {wanted.idx} of {gold} is for "
            f"'{wanted.db_id}': the files are not aligned; take the golds that were answered"
        )


def _answer(gold: Gold, sql: str) -> Prediction:
    return Prediction(gold.idx, gold.db_id, gold.question, gold.sql, sql, gold.evidence)


def _check_golds(system: System, golds: Sequence[Gold], gold: str | Path | None) -> None:
    if len(system.predictions) != len(golds):
        raise ValueError(
            f"{system.path} has {len(system.predictions):,} answers of {system.name} for the "
            f"{len(golds):,} golds of {gold}; expected one per question, with an empty pred where "
            "the system gave none"
        )
    for number, (found, wanted) in enumerate(zip(system.predictions, golds, strict=True)):
        if (found.db_id, _plain(found.gold)) != (wanted.db_id, _plain(wanted.sql)):
            raise ValueError(
                f"answer {number} of {system.name} in {system.path} has the gold "
                f"{shortened(found.gold)!r} over '{found.db_id}', but {gold} has "
                f"{shortened(wanted.sql)!r} over '{wanted.db_id}' there: the files are not "
                "aligned; take the golds that were answered"
            )


def _check_same_questions(first: System, other: System) -> None:
    """Raises ValueError unless both answer the same golds in the same order."""
    sizes = len(first.predictions), len(other.predictions)
    pairs = enumerate(zip(first.predictions, other.predictions, strict=False))
    place = next((n for n, (a, b) in pairs if not _is_same_question(a, b)), min(sizes))
    if place == max(sizes):
        return
    raise ValueError(
        f"{first.name} ({first.path}, {sizes[0]:,} answers) and {other.name} ({other.path}, "
        f"{sizes[1]:,}) do not answer the same questions in the same order; they part at "
        f"answer {place}, counted from 0. Write both for the same set, or evaluate them one by one"
    )


def _is_same_question(first: Prediction, other: Prediction) -> bool:
    """By database and gold; by the words of the question too, where both files have them."""
    is_same = first.question == other.question or not (first.question and other.question)
    return is_same and (first.db_id, _plain(first.gold)) == (other.db_id, _plain(other.gold))


def _asked_alike(systems: Sequence[System]) -> list[System]:
    """The systems with the golds of the first one, and with questions from any that has them."""
    if len(systems) < 2:
        return list(systems)
    questions = []
    for answers in zip(*(system.predictions for system in systems), strict=True):
        question = next((p.question for p in answers if p.question), "")
        evidence = next((p.evidence for p in answers if p.evidence), "")
        questions.append(answers[0]._replace(question=question, evidence=evidence))
    return [
        replace(
            system,
            predictions=tuple(
                p._replace(idx=q.idx, question=q.question, gold=q.gold, evidence=q.evidence)
                for p, q in zip(system.predictions, questions, strict=True)
            ),
        )
        for system in systems
    ]


def _named_apart(systems: Iterable[System]) -> list[System]:
    """The systems with names of their own: the folder's goes before a stem that occurs twice."""
    found = list(systems)
    stems = [system.name for system in found]
    named = [
        replace(system, name=_folder_name(f"{system.path.resolve().parent.name}-{system.name}"))
        if stems.count(system.name) > 1
        else system
        for system in found
    ]
    seen: dict[str, System] = {}
    for system in named:
        if system.name in seen:
            raise ValueError(
                f"{seen[system.name].path} and {system.path} are both called '{system.name}'; "
                "rename one of the files, or give each line its `system`"
            )
        seen[system.name] = system
    return named


def _folder_name(name: str) -> str:
    r"""
    >>> _folder_name("../gpt 4/zero shot")
    'gpt-4-zero-shot'
    """
    return UNSAFE.sub("-", name).strip(".-") or "system"


def _plain(sql: str) -> str:
    """The text with single spaces: files of one line per query hold it so."""
    return " ".join(sql.split())
