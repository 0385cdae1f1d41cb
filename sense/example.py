"""The records this project publishes, `Example`, `Rejected` and `Pair`, and their Hub columns.

An id is the SHA-256 of the published text, so a row has the same id in every run and everywhere.
Hardness is Spider's; `gold_status` is `ok` or the reason why gold cannot judge an answer.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from datasets import Features

Messages: TypeAlias = list[dict[str, str]]
"""Chat messages as TRL wants them: `[{"role": ..., "content": ...}, ...]`."""

Hardness: TypeAlias = Literal["easy", "medium", "hard", "extra"]
HARDNESS_LEVELS: tuple[Hardness, ...] = ("easy", "medium", "hard", "extra")


@dataclass(frozen=True)
class Example:
    """One question over one database with its gold SQL: a row of the strong set."""

    db_id: str
    question: str
    sql: str
    hardness: str
    """Spider's level measured on `sql`, one of `HARDNESS_LEVELS`."""
    gold_status: str
    """`ok`, or why gold cannot judge: `empty`, `order`, `time`, ...; training may use such rows."""
    source: str
    """Where the row comes from: `spider-train`, `strong`, `grammar`, ..."""
    db_sha256: str
    license: str
    evidence: str = ""
    dialect: str = "sqlite"
    requested_level: str = ""
    """The level the teacher was asked for; "" when nobody asked."""
    features: list[str] = field(default_factory=list)
    """SQL constructs in `sql`, sorted: `join`, `group_by`, ..."""
    style: str = ""
    domain: str = ""
    reasoning: str = ""
    teacher: str = ""
    prompt_hash: str = ""
    prompt: Messages = field(default_factory=list)
    completion: Messages = field(default_factory=list)

    @property
    def id(self) -> str:
        return content_id(self.db_id, self.question, self.evidence, self.sql)


@dataclass(frozen=True)
class Rejected:
    """A candidate that the strong set did not keep, and why: a row of its config `rejected`.

    What could not be read from it is "". Rows of test databases, or of domains of the test split,
    belong to the test split, so that no question about them is met in training.
    """

    candidate: str
    """Names the candidate within the run: its unit of work and its number there."""
    reason: str
    """The machine word that the funnel counts: `gold_empty`, `duplicate_question`, ..."""
    source: str
    """As in `Example`: `strong`, `grammar`, ..."""
    teacher: str
    license: str
    """Of the rows, which follows database and teacher as in `Example`."""
    detail: str = ""
    """What the filter saw: the error, the `id` of the row that it repeats, the other answer, ..."""
    mode: str = ""
    """How the teacher was asked: `invent`, `databases` or `sql`; "" for the grammar."""
    db_id: str = ""
    question: str = ""
    evidence: str = ""
    sql: str = ""
    hardness: str = ""
    """Spider's level measured on `sql`; "" where it does not parse."""
    requested_level: str = ""
    requested_style: str = ""
    style: str = ""
    domain: str = ""
    reasoning: str = ""
    script: str = ""
    """SQL of a database that the teacher proposed; "" where it is in config `databases`."""
    answer: str = ""
    """The teacher's whole text where no question and SQL could be read from it."""
    prompt_hash: str = ""

    @property
    def id(self) -> str:
        return content_id(self.candidate, self.db_id, self.question, self.sql, self.reason)


@dataclass(frozen=True)
class Pair:
    """One preference pair: two answers of a weak model to one prompt, judged by execution."""

    example_id: str
    db_id: str
    question: str
    evidence: str
    hardness: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    chosen_sql: str
    rejected_sql: str
    chosen_sample_id: str
    rejected_sample_id: str
    chosen_source: str
    """`sample`, or `gold` where the builder was asked to use gold."""
    rejected_source: str
    """`sample`, or `mutation` for a right answer that was made wrong by one edit."""
    rejected_reason: str
    error_kind: str
    witness: str
    """JSON text with the difference: the first row that only one side returns, or the error; or a
    smallest database on which the results differ, as `sense.witness` writes it."""
    policy: str
    round: int
    suite_hash: str
    prompt_hash: str
    weak_model: str
    weak_model_revision: str
    temperature: float
    num_samples: int
    num_correct: int
    license: str

    @property
    def id(self) -> str:
        return content_id(self.example_id, self.chosen_sql, self.rejected_sql, self.policy)


def content_id(*parts: str) -> str:
    """SHA-256 in hex of the parts, each kept apart from its neighbours.

    >>> content_id("a", "b") == content_id("ab", "")
    False
    """
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def to_row(record: Example | Rejected | Pair) -> dict[str, Any]:
    """The record as one row of its dataset, `id` first."""
    row = {f.name: getattr(record, f.name) for f in fields(record)}
    return {"id": record.id, **row}


def to_example(row: dict[str, Any]) -> Example:
    """The `Example` of a dataset row.

    Raises ValueError for columns that are missing and for an id that is not that of the row's text.
    """
    names = [f.name for f in fields(Example)]
    missing = [name for name in ["id", *names] if name not in row]
    if missing:
        raise ValueError(
            f"example {row.get('id', '?')} lacks the columns {', '.join(missing)}; "
            "expected a row written by builders/strong.py or builders/spider.py"
        )
    example = Example(**{name: row[name] for name in names})
    if example.id != row["id"]:
        raise ValueError(
            f"example {row['id']} (db_id '{example.db_id}') has text whose id is {example.id}; "
            "the row was edited after it was published: write it again with its builder"
        )
    return example


def example_features() -> "Features":
    """Columns of `strong`, config `default`."""
    return _features(Example)


def rejected_features() -> "Features":
    """Columns of `strong`, config `rejected`: what was not kept, for anyone to study."""
    return _features(Rejected)


def pair_features() -> "Features":
    """Columns of `weak`, config `default`."""
    return _features(Pair)


def database_features() -> "Features":
    """Columns of `strong`, config `databases`: one row per database, `script` is its SQL text.

    `script` is "" for a database that is published as `databases/<db_id>/<db_id>.sqlite` instead.
    """
    text = ["db_id", "domain", "db_sha256", "script", "source", "license"]
    return _columns(text, integers=["num_tables", "num_rows"])


def sample_features() -> "Features":
    """Columns of `weak`, config `samples`: every answer with its verdict, for anyone to re-pair.

    `logprob` is the sum over the completion's tokens in nats, null when the source gives none;
    `rule_correct` is 1 or 0 by the official rule that `rule` names, null when none was asked.
    """
    text = ["id", "example_id", "db_id", "question", "evidence", "gold_sql", "predicted_sql"]
    text += ["completion", "verdict", "reason", "error_kind", "witness", "weak_model"]
    text += ["weak_model_revision", "gold_status", "hardness", "rule", "database_verdict", "source"]
    text += ["other_reading"]
    integers = ["round", "index", "rule_correct"]
    return _columns(text, integers, reals=["temperature", "logprob"], booleans=["is_subtle"])


def question_features() -> "Features":
    """Columns of `weak`, config `questions`: what was asked, and what the answers to it gave."""
    from datasets import Features

    text, integers = ["reasons", "why_no_pair"], ["num_samples", "num_correct", "num_incorrect"]
    counts = _columns(text, [*integers, "num_unknown", "num_pairs"])
    return Features({**example_features(), **counts})


def unpaired_features() -> "Features":
    """Columns of `weak`, config `unpaired`: TRL's format for KTO."""
    from datasets import Features, Value

    return Features(
        {
            "id": Value("string"),
            "prompt": _messages(),
            "completion": _messages(),
            "label": Value("bool"),
        }
    )


def _features(record: type) -> "Features":
    from datasets import Features, List, Value

    kinds: dict[Any, Any] = {str: Value("string"), int: Value("int64"), float: Value("float64")}
    columns: dict[str, Any] = {"id": Value("string")}
    for f in fields(record):
        if f.type is Messages or f.type == Messages:
            columns[f.name] = _messages()
        elif f.type == list[str]:
            columns[f.name] = List(Value("string"))
        else:
            columns[f.name] = kinds[f.type]
    return Features(columns)


def _columns(
    text: Iterable[str],
    integers: Iterable[str] = (),
    reals: Iterable[str] = (),
    booleans: Iterable[str] = (),
) -> "Features":
    from datasets import Features, Value

    columns = {name: Value("string") for name in text}
    columns |= {name: Value("int64") for name in integers}
    columns |= {name: Value("float64") for name in reals}
    columns |= {name: Value("bool") for name in booleans}
    return Features(columns)


def _messages() -> Any:
    from datasets import List, Value

    return List({"role": Value("string"), "content": Value("string")})
