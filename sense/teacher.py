"""Strong data from a strong model: the request for one new piece of data, and its answer read back.

Each request shows two examples drawn at random, names a level and steers away from domains that are
common already (SENSE, arXiv 2408.03256, section on strong data; the wording is ours). The answer
has four labelled parts, five with a rationale, and nothing else; whatever does not is rejected with
a reason.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeAlias, get_args

import sqlglot
from sqlglot import exp

from sense.completion import END_OF_THINKING, first_statement
from sense.database import database_paths
from sense.example import Messages
from sense.execution import DatabaseError
from sense.question import load_questions
from sense.reading import SPIDER_FILES, read_spider
from sense.schema import natural_name, read_schema, schema_text

Level: TypeAlias = Literal["easy", "medium", "hard"]
LEVELS: tuple[Level, ...] = get_args(Level)

LEVEL_TEXT: dict[Level, str] = {
    "easy": "the query reads a single table",
    "medium": "the query joins several tables, or aggregates over several of them",
    "hard": "the query needs several advanced constructs together, such as nested queries, HAVING, "
    "set operations, common table expressions, CASE or window functions",
}
OVERUSED_THEMES = (
    "universities and schools",
    "hospitals and medicine",
    "airlines and travel",
    "films, music and other entertainment",
)
"""The groups that the paper names as over-represented."""
PARTS = ("Domain", "Schema", "Question", "SQL")
RATIONALE = "Rationale"
"""The part that follows them where it is asked for."""
NUM_SHOTS = 2
MAX_SHOTS = 2_000
"""Examples to draw from; a larger source gives a seeded choice."""
MAX_SCHEMA_CHARS = 4_000
"""Of an example; a longer schema would fill the request."""
MAX_GIVEN_DOMAINS = 30
"""Named in a request as covered often enough."""
OFTEN = 2
MAX_QUESTION_CHARS = 1_000
MAX_DOMAIN_CHARS = 80
MAX_REASONING_CHARS = 4_000

SYSTEM_PROMPT = """\
You write data that teaches models to turn questions into SQLite queries. Each piece stands alone: \
a domain, a database schema for it, a question that somebody who works there would ask, and the \
query that answers it."""


class Shot(NamedTuple):
    """An example shown to the teacher."""

    domain: str
    schema: str
    question: str
    sql: str


class Proposal(NamedTuple):
    """What the teacher wrote."""

    domain: str
    script: str
    question: str
    sql: str
    reasoning: str = ""
    """How to get from the question to the query; "" where nobody asked."""
    reasoned_sql: str = ""
    """The query at the end of the reasoning."""


def read_shots(source: str, seed: int = 0) -> list[Shot]:
    """Examples to draw from: the training rows of a Spider folder, or split `train` of a dataset.

    Rows whose database is missing, damaged or too wide are left out. Raises FileNotFoundError for
    a source that is not there, ValueError for one that holds no usable row.
    """
    folder = Path(source)
    if (folder / SPIDER_FILES["train"][0]).is_file():
        shots = _spider_shots(folder)
    elif folder.is_dir() and not any(folder.rglob("*.parquet")):
        raise FileNotFoundError(
            f"--few-shot {source} holds neither {SPIDER_FILES['train'][0]} nor Parquet files; "
            "expected a Spider folder, or a dataset written by a builder of this kit"
        )
    elif not folder.is_dir() and (source.startswith((".", "/", "~")) or source.count("/") != 1):
        raise FileNotFoundError(
            f"--few-shot {source} is no folder here and no dataset id; expected a Spider folder, "
            "the folder of a dataset or OWNER/NAME"
        )
    else:
        shots = _dataset_shots(source, seed)
    if len(shots) < NUM_SHOTS:
        raise ValueError(
            f"--few-shot {source} holds {len(shots)} usable examples, at least {NUM_SHOTS} are "
            f"needed; expected rows whose database can be read and is described in at most "
            f"{MAX_SCHEMA_CHARS:,} characters"
        )
    if len(shots) > MAX_SHOTS:
        shots = Random(f"shots {seed}").sample(shots, MAX_SHOTS)
    return shots


def teacher_messages(
    level: Level, shots: Sequence[Shot], given_domains: Iterable[str], rationale: bool = False
) -> Messages:
    """The request for one piece of data at the level.

    given_domains: what is covered already; rationale: whether it shall have one.
    """
    given = ", ".join(given_domains)
    wanted = [
        "Rationale. For a reader who sees only the schema and the question: in two to six "
        "sentences, which tables, joins, conditions, grouping and order the question needs, and "
        "why. After them the query that follows, in a block that starts with ```sql and ends with "
        "```."
    ]
    text = "\n\n".join(
        [
            f"Write one new piece of data at level {level}: {LEVEL_TEXT[level]}.",
            "Domain. Choose a field of work or life that collections of data seldom cover, and be "
            f"specific. Stay away from {'; '.join(OVERUSED_THEMES)}: there is too much of them."
            + (f" These are covered often enough as well: {given}." if given else ""),
            "Schema. CREATE TABLE statements for SQLite, two to six related tables that a real "
            "application of the domain would have, with types, primary keys and foreign keys. No "
            "rows and no comments.",
            "Question. What somebody in the domain wants to know, in one or two plain sentences. "
            "It says which columns the answer has, and it names every value that the query "
            "compares with; it mentions neither tables nor SQL.",
            "SQL. One SELECT statement for SQLite that answers exactly the question. Its result "
            "must not depend on the current time or on chance, and a LIMIT needs an ORDER BY "
            "without ties.",
            *(wanted if rationale else []),
            "Two pieces in the form that is expected"
            + (", but for the rationale, which they lack" if rationale else "")
            + ". Take over the form, not their domain, tables, question or query.",
            *(_written(shot, f"Example {i}") for i, shot in enumerate(shots, 1)),
            f"Answer with the {'five' if rationale else 'four'} parts in this order, each behind "
            "its label, and with nothing before, between or after them.",
        ]
    )
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}]


def parse_proposal(answer: str, rationale: bool = False) -> Proposal | str:
    r"""The proposal in an answer, or the reason why there is none.

    `answer_format`: not the four parts in order, or more than them; `sql_syntax`: the SQL is no
    single query; `sql_without_table`: it reads no table; `rationale_format`: a rationale was asked
    for, and the fifth part is not text with one block after it. Allowed are fences around the
    schema and the query, and thinking before all.

    >>> text = "Domain: tea\nSchema:\nCREATE TABLE t (a INT);\nQuestion: How many?\nSQL: "
    >>> parse_proposal(text + "SELECT count(*) FROM t;").sql
    'SELECT count(*) FROM t'
    >>> parse_proposal(text + "SELECT count(* FROM t;")
    'sql_syntax'
    >>> parse_proposal("Sure! " + text + "SELECT a FROM t")
    'answer_format'
    """
    thinking, mark, rest = answer.partition(END_OF_THINKING)
    text = (rest if mark else thinking).strip()
    names = (*PARTS, RATIONALE) if rationale else PARTS
    labels = list(_labels(names).finditer(text))
    if [label["name"].lower() for label in labels] != [name.lower() for name in names]:
        return "answer_format"
    if text[: labels[0].start()].strip():
        return "answer_format"
    ends = [label.start() for label in labels[1:]] + [len(text)]
    parts = [
        _unfenced(text[label.end() : end].strip()) for label, end in zip(labels, ends, strict=True)
    ]
    domain, script, question, sql, *reasons = (
        " ".join(part.split()) if i in (0, 2) else part for i, part in enumerate(parts)
    )
    if not all(parts) or len(domain) > MAX_DOMAIN_CHARS or len(question) > MAX_QUESTION_CHARS:
        return "answer_format"
    statement = first_statement(sql)
    tree = _query(statement)
    if tree is None:
        return "sql_syntax"
    if tree.find(exp.Table) is None:
        return "sql_without_table"
    if sql.partition(statement)[2].strip("; \t\r\n"):
        return "answer_format"
    proposal = Proposal(domain, script, question, statement)
    if not rationale:
        return proposal
    found = _REASONED.fullmatch(reasons[0])
    if not found or len(found["reasoning"]) > MAX_REASONING_CHARS:
        return "rationale_format"
    return proposal._replace(
        reasoning=found["reasoning"].strip(), reasoned_sql=first_statement(found["sql"])
    )


def common_domains(counts: Mapping[str, int]) -> list[str]:
    """The domains given at least twice, the most frequent first, as a request names them."""
    often = [(name, num) for name, num in counts.items() if num >= OFTEN]
    return [name for name, _ in sorted(often, key=lambda item: (-item[1], item[0]))][
        :MAX_GIVEN_DOMAINS
    ]


def domain_name(domain: str) -> str:
    """The domain without what only details it, so that near repetitions are counted together.

    >>> domain_name("Beekeeping and honey sales (small farms)")
    'beekeeping'
    """
    head = re.split(r"[,;:(/&-]|\band\b|\bfor\b", domain.lower(), maxsplit=1)[0]
    return " ".join(head.split()) or " ".join(domain.lower().split())


def _spider_shots(folder: Path) -> list[Shot]:
    rows = [(row["db_id"], "", row["question"], row["sql"]) for row in read_spider(folder, "train")]
    paths = {db_id: str(path) for db_id, path in database_paths(folder / "database").items()}
    return _shots(rows, paths)


def _dataset_shots(source: str, seed: int) -> list[Shot]:
    questions = load_questions(source, "train", num=MAX_SHOTS, seed=seed)
    rows = [
        (q.example.db_id, q.example.domain, q.example.question, q.example.sql) for q in questions
    ]
    return _shots(rows, {q.example.db_id: q.db_path for q in questions})


def _shots(rows: Sequence[tuple[str, str, str, str]], paths: Mapping[str, str]) -> list[Shot]:
    schemas: dict[str, str] = {}
    for db_id in Counter(row[0] for row in rows):
        try:
            schemas[db_id] = schema_text(read_schema(paths[db_id]), "ddl") if db_id in paths else ""
        except DatabaseError:
            schemas[db_id] = ""
    return [
        Shot(domain or _subject(db_id), schemas[db_id], " ".join(question.split()), sql)
        for db_id, domain, question, sql in rows
        if schemas[db_id] and len(schemas[db_id]) <= MAX_SCHEMA_CHARS
    ]


def _subject(db_id: str) -> str:
    """
    >>> _subject("concert_singer_2")
    'concert singer'
    """
    return natural_name(db_id).rstrip(" 0123456789") or db_id


def _written(shot: Shot, title: str) -> str:
    parts = (shot.domain, f"\n{shot.schema}", shot.question, shot.sql)
    lines = (f"{name}: {part}" for name, part in zip(PARTS, parts, strict=True))
    return "\n".join([title, *lines]).replace(": \n", ":\n")


def _unfenced(part: str) -> str:
    match = _FENCED.fullmatch(part)
    return match["inside"].strip() if match else part


def _query(sql: str) -> exp.Query | None:
    """The syntax tree of a single query; None for anything else."""
    try:
        [tree] = sqlglot.parse(sql, read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return None
    return tree if isinstance(tree, exp.Query) else None


@cache
def _labels(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        rf"^[ \t]*(?:\#+[ \t]*|\*\*)?(?P<name>{'|'.join(names)})(?:\*\*)?[ \t]*:(?:\*\*)?",
        re.IGNORECASE | re.MULTILINE,
    )


_FENCED = re.compile(r"```\w*\n(?P<inside>(?:(?!```).)*)\n?```", re.DOTALL)
_REASONED = re.compile(
    r"(?P<reasoning>(?:(?!```).)+?)\n\s*```(?:sql)?[ \t]*\n(?P<sql>(?:(?!```).)+)```",
    re.DOTALL | re.IGNORECASE,
)
