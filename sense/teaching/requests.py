"""The words of a request to the teacher, and the labelled parts that its answer shall have.

Asking for domain, schema, question and SQL in one answer, with two examples drawn at random, at a
level and away from frequent domains, is SENSE's (arXiv 2408.03256, section on strong data); several
questions per database, databases that are given, and queries that are given are ours, and so is
the wording.
"""

from collections.abc import Iterable, Sequence

from sense.coverage.styles import ASKED_STYLES
from sense.example import Messages
from sense.teaching.shots import Shot
from sense.teaching.tasks import FEATURE_TEXT, LEVEL_TEXT, Ask, Mode

SYSTEM_PROMPT = """\
You write data that teaches models to turn questions into SQLite queries. A question is one that \
somebody who works with the database would ask, and its query answers exactly that."""

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

DOMAIN_PART = (
    "Domain. A specific kind of work or life within the field '{field}' that collections of data "
    "seldom cover."
)
SCHEMA_PART = (
    "Schema. CREATE TABLE statements for SQLite, two to six related tables that a real application "
    "of the domain would have, with types, primary keys and foreign keys, and no comments. Rows "
    "are generated later; INSERT statements may add a few where a question needs particular ones."
)
QUESTION_PART = (
    "Question. It says which columns the answer has, and it names every value that the query "
    "compares with, unless the evidence does; it mentions neither tables nor SQL. It is in the "
    "style that is asked for."
)
EVIDENCE_PART = (
    "Evidence. One sentence that explains what the question leaves open: the column or value that "
    "a word means, or the formula of a figure. Leave this part out where nothing needs explaining."
)
SQL_PART = (
    "SQL. One SELECT statement for SQLite that answers exactly the question. Its result must be "
    "neither empty nor depend on the current time or on chance, and a LIMIT needs an ORDER BY "
    "without ties."
)
RATIONALE_PART = (
    "Rationale. For a reader who sees only the schema and the question: in two to six sentences, "
    "which tables, joins, conditions, grouping and order the question needs, and why. After them "
    "the query that follows, in a block that starts with ```sql and ends with ```."
)


def request_messages(
    mode: Mode,
    asks: Sequence[Ask],
    *,
    field: str = "",
    full_domains: Iterable[str] = (),
    schema: str = "",
    shots: Sequence[Shot] = (),
    rationale: bool = False,
) -> Messages:
    """The request for the questions that are asked for.

    field, full_domains, shots: to invent in, to stay away from, and to show the form, for `invent`;
    schema: text of the database that is given, for the other modes; rationale: whether each
    question shall have one.
    """
    wanted = [QUESTION_PART, EVIDENCE_PART]
    wanted += [SQL_PART] if mode != "sql" else []
    wanted += [RATIONALE_PART] if rationale else []
    if mode == "invent":
        full = ", ".join(full_domains)
        covered = f" Stay away from these, which are covered: {full}." if full else ""
        wanted = [DOMAIN_PART.format(field=field) + covered, SCHEMA_PART, *wanted]
    paragraphs = [_opening(mode, asks), *wanted]
    if schema:
        paragraphs.append(f"The database\n{schema}")
    paragraphs += _examples(shots, rationale)
    paragraphs.append(_closing(mode, len(asks), rationale))
    text = "\n\n".join(paragraphs)
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}]


def _opening(mode: Mode, asks: Sequence[Ask]) -> str:
    num = _counted(len(asks), "question")
    what = {
        "invent": f"Invent a domain with a database, and write {num} with SQL over it.",
        "databases": f"Write {num} with SQL over the database below.",
        "sql": f"Write {num}, each for a query over the database below that is given.",
    }[mode]
    lines = [f"{number}. {_wish(ask)}" for number, ask in enumerate(asks, 1)]
    return "\n".join([what, *lines])


def _wish(ask: Ask) -> str:
    """
    >>> _wish(Ask("easy", "keyword", ("join",)))[:60]
    'Level easy: one column or one aggregate of one table, with a'
    """
    style = f"Style {ask.style}: {ASKED_STYLES[ask.style].meaning}."
    if ask.sql:
        return f"{style} The query: {ask.sql}"
    used = ", ".join(FEATURE_TEXT[name] for name in ask.features)
    avoided = " nor ".join(FEATURE_TEXT[name] for name in ask.avoided)
    sentences = [
        f"Level {ask.level}: {LEVEL_TEXT[ask.level]}.",
        f"The query uses {used}." if used else "",
        f"It uses {'neither' if len(ask.avoided) > 1 else 'not'} {avoided}." if avoided else "",
        style,
    ]
    return " ".join(filter(None, sentences))


def _examples(shots: Sequence[Shot], rationale: bool) -> list[str]:
    if not shots:
        return []
    lack = ", but for the rationale, which they lack" if rationale else ""
    head = (
        f"{_counted(len(shots), 'piece').capitalize()} in the form that is expected{lack}. Take "
        "over the form, not their domain, tables, question or query."
    )
    return [head, *(_written(shot, f"Example {i}") for i, shot in enumerate(shots, 1))]


def _closing(mode: Mode, num: int, rationale: bool) -> str:
    """
    >>> _closing("sql", 3, rationale=False)[:76]
    'Answer with these parts for each of the three items of the list, in its orde'
    """
    parts = ["Question", "Evidence (where it is needed)"]
    parts += ["SQL"] if mode != "sql" else []
    parts += ["Rationale"] if rationale else []
    head = "Domain and Schema once, then " if mode == "invent" else ""
    each = (
        ""
        if num == 1
        else f"these parts for each of the {NUMBER_WORDS[num]} items of the list, in its order: "
    )
    return (
        f"Answer with {head}{each}{', '.join(parts[:-1])} and {parts[-1]}. Write each part behind "
        "its label, as in 'Question: ...', and nothing before, between or after them. Where the "
        "answer has to be JSON, the parts are its keys, and an empty text stands for one that is "
        "left out."
    )


def _written(shot: Shot, title: str) -> str:
    parts = {"Domain": shot.domain, "Question": shot.question, "SQL": shot.sql}
    schema = f"Schema:\n{shot.schema}"
    domain, *rest = (f"{name}: {part}" for name, part in parts.items())
    return "\n".join([title, domain, schema, *rest])


def _counted(num: int, noun: str) -> str:
    return f"{NUMBER_WORDS[num]} {noun}{'s' if num != 1 else ''}"
