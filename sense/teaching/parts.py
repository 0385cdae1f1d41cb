"""The teacher's answer taken apart, or a reason why not.

It is an object in JSON (`sense.teaching.form`), or labelled parts in the expected order.
"""

import re
from functools import cache
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from sense.prompts.completion import END_OF_THINKING, first_statement
from sense.teaching.form import Form, read_form
from sense.teaching.tasks import Mode

MAX_QUESTION_CHARS = 1_000
MAX_EVIDENCE_CHARS = 1_000
MAX_DOMAIN_CHARS = 80
MAX_REASONING_CHARS = 4_000
LABELS = ("Domain", "Schema", "Question", "Evidence", "SQL", "Rationale")


class Item(NamedTuple):
    """One question of an answer."""

    question: str
    sql: str
    evidence: str = ""
    reasoning: str = ""
    """How to get from the question to the query; "" where nobody asked."""
    reasoned_sql: str = ""
    """The query at the end of the reasoning."""
    reject_reason: str = ""
    """Why the item cannot be used, "" when nothing is wrong with its form."""


class Answer(NamedTuple):
    """What the teacher wrote."""

    items: tuple[Item, ...]
    domain: str = ""
    script: str = ""


def parse_answer(
    text: str, mode: Mode = "invent", num: int = 1, rationale: bool = False
) -> Answer | str:
    r"""The answer to a request for `num` questions, or the reason why there is none.

    `answer_format`: neither JSON of the form nor the parts in order, or more than them. An item has
    a reason of its own where its form is wrong: `sql_syntax`, the SQL is no single query;
    `sql_without_table`, it reads no table; `rationale_format`, the rationale is not text with one
    query after it. Fewer questions than were asked for are fewer items. Allowed are fences around
    the schema and the query, and thinking before all.

    >>> text = "Domain: tea\nSchema:\nCREATE TABLE t (a INT);\nQuestion: How many?\nSQL: "
    >>> parse_answer(text + "SELECT count(*) FROM t;").items[0].sql
    'SELECT count(*) FROM t'
    >>> parse_answer(text + "SELECT count(* FROM t;").items[0].reject_reason
    'sql_syntax'
    >>> parse_answer("Sure! " + text + "SELECT a FROM t")
    'answer_format'
    """
    form = read_form(text, mode, rationale) or _labelled_form(text, mode, rationale)
    if form is None or not 0 < len(form.questions) <= num:
        return "answer_format"
    domain = " ".join(form.domain.split())
    script = _unfenced(form.script)
    if mode == "invent" and not (domain and script and len(domain) <= MAX_DOMAIN_CHARS):
        return "answer_format"
    items = tuple(_item(question, mode, rationale) for question in form.questions)
    if num == 1 and items[0].reject_reason == "answer_format":
        return "answer_format"
    return Answer(items, domain, script)


def _labelled_form(text: str, mode: Mode, rationale: bool) -> Form | None:
    """The labelled parts of an answer; None where they are out of order, or there is more."""
    thinking, mark, rest = text.partition(END_OF_THINKING)
    parts = _labelled((rest if mark else thinking).strip())
    domain = script = ""
    if mode == "invent" and parts:
        if [name for name, _ in parts[:2]] != ["Domain", "Schema"]:
            return None
        (_, domain), (_, script), *parts = parts
    groups = _groups(parts, mode, rationale) if parts else None
    return None if groups is None else Form(domain, script, groups)


def _labelled(text: str) -> list[tuple[str, str]] | None:
    """(label, part) in the order of the text; None where something stands before the first."""
    labels = list(_label_pattern().finditer(text))
    if not labels or text[: labels[0].start()].strip():
        return None
    ends = [label.start() for label in labels[1:]] + [len(text)]
    names = {name.lower(): name for name in LABELS}
    return [
        (names[label["name"].lower()], _unfenced(text[label.end() : end].strip()))
        for label, end in zip(labels, ends, strict=True)
    ]


def _groups(
    parts: list[tuple[str, str]], mode: Mode, rationale: bool
) -> list[dict[str, str]] | None:
    """The parts of each question; None where one is out of order, twice there or too many."""
    order = ["Question", "Evidence"]
    order += ["SQL"] if mode != "sql" else []
    order += ["Rationale"] if rationale else []
    needed = {name for name in order if name != "Evidence"}
    groups: list[dict[str, str]] = []
    place = -1
    for name, part in parts:
        if name not in order or (not groups and name != "Question"):
            return None
        if name == "Question":
            groups.append({})
            place = -1
        if order.index(name) <= place:
            return None
        place = order.index(name)
        groups[-1][name] = part
    return groups if all(needed <= group.keys() for group in groups) else None


def _item(group: dict[str, str], mode: Mode, rationale: bool) -> Item:
    question, evidence = (" ".join(group.get(n, "").split()) for n in ("Question", "Evidence"))
    sql = _unfenced(group.get("SQL", ""))
    statement = first_statement(sql) if mode != "sql" else ""
    item = Item(question, statement, _evidence(evidence))
    if not question or len(question) > MAX_QUESTION_CHARS or len(evidence) > MAX_EVIDENCE_CHARS:
        return item._replace(reject_reason="answer_format")
    if mode != "sql":
        if not sql:
            return item._replace(reject_reason="answer_format")
        tree = _query(statement)
        if tree is None:
            return item._replace(reject_reason="sql_syntax")
        if tree.find(exp.Table) is None:
            return item._replace(reject_reason="sql_without_table")
        if sql.partition(statement)[2].strip("; \t\r\n"):
            return item._replace(reject_reason="answer_format")
    if not rationale:
        return item
    reasoning, reasoned_sql = _reasoned(group)
    if not reasoning or not reasoned_sql or len(reasoning) > MAX_REASONING_CHARS:
        return item._replace(reject_reason="rationale_format")
    return item._replace(reasoning=reasoning, reasoned_sql=first_statement(reasoned_sql))


def _reasoned(group: dict[str, str]) -> tuple[str, str]:
    """The reasoning and the query at its end; "" for what is not there."""
    if "Rationale SQL" in group:
        return group["Rationale"], _unfenced(group["Rationale SQL"])
    before, _, rest = group["Rationale"].partition("```")
    block = _BLOCK.fullmatch(rest)
    is_own_line = "\n" in before[len(before.rstrip()) :]
    return (before.strip(), block["sql"]) if block and is_own_line else ("", "")


def _evidence(text: str) -> str:
    """The evidence, "" where the teacher wrote that there is none.

    >>> _evidence("None."), _evidence("large means above 5")
    ('', 'large means above 5')
    """
    return "" if text.strip(" .-").lower() in ("", "none", "n/a", "not needed") else text


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
def _label_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"^[ \t]*(?:\#+[ \t]*|\*\*)?(?P<name>{'|'.join(LABELS)})(?:[ \t]+\d+)?(?:\*\*)?[ \t]*:"
        r"(?:\*\*)?",
        re.IGNORECASE | re.MULTILINE,
    )


_FENCED = re.compile(r"```\w*\n(?P<inside>(?:(?!```).)*)\n?```", re.DOTALL)
_BLOCK = re.compile(
    r"(?:sql)?[ \t]*\n(?P<sql>(?:(?!```).)+)```",  # what follows its opening fence
    re.DOTALL | re.IGNORECASE,
)
