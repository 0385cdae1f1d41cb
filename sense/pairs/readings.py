"""Whether a question may be meant otherwise than its gold has it, by gold and database alone.

A person who asks how many concerts each stadium has may miss the stadiums that a JOIN leaves out
since they have none. Where such another reading gives another result on the question's own
database, an answer that agrees with gold is right in one reading only: a doubtful label.
"""

from collections.abc import Callable
from pathlib import Path

from sqlglot import exp

from sense.execution import execute
from sense.hardness import UnparsedSqlError, parse_sql
from sense.mutations.place import Context
from sense.pairs.gold_query import GoldQuery, outermost
from sense.pairs.partners import leaves_out_groups
from sense.pairs.plainness import LIMITS
from sense.pairs.texts import misreads_texts
from sense.schema import read_schema

UNDEFINED = "undefined"
"""What judging finds: SQL leaves the result of gold open on the question's own database, for ties
at a LIMIT or for a column that has several values in a group, though a test suite can judge."""
UNDEFINED_GOLD = ("gold_order", "gold_bare_column")
"""Reasons of a judgement that says so."""


def other_reading(db_path: str | Path, gold_sql: str) -> str:
    """The name of the first rule that finds another reading of the question; "" where none does.

    "" also where gold cannot be read, or does not end within the limits. Raises DatabaseError.
    """
    try:
        root = parse_sql(gold_sql)
    except UnparsedSqlError:
        return ""
    found = execute(db_path, gold_sql, LIMITS)
    if found.status != "ok":
        return ""
    gold = GoldQuery(db_path, root, Context(read_schema(db_path), {}), found.rows)
    return next((name for name, rule in RULES.items() if rule(gold)), "")


def repeats_rows(gold: GoldQuery) -> bool:
    """Whether a JOIN makes a list name one row of a table twice: a singer, once per concert."""
    select = outermost(gold)
    if select is None or any(select.args.get(name) for name in ("distinct", "group", "limit")):
        return False
    row_id = _row_id(gold, select)
    if row_id is None or not select.args.get("joins"):
        return False
    rows = [row for row in gold.run(gold.asked_for([row_id], select)) if row != (None,)]
    return len(set(rows)) < len(rows)


def hides_groups(gold: GoldQuery) -> bool:
    """Whether there is a row per group that names none: counts where one number was asked for."""
    select = outermost(gold)
    return (
        select is not None
        and bool(select.args.get("group"))
        and not select.args.get("limit")
        and all(isinstance(value.unalias(), exp.AggFunc) for value in select.selects)
    )


RULES: dict[str, Callable[[GoldQuery], bool]] = {
    "no_partner": leaves_out_groups,
    "repeated_rows": repeats_rows,
    "text_order": misreads_texts,
    "hidden_groups": hides_groups,
}
"""Name, as samples have it -> whether gold has a reading beside it with another result."""


def _row_id(gold: GoldQuery, select: exp.Select) -> exp.Column | None:
    """The row of which the select shows columns; None where it shows something else as well."""
    shown = [value.unalias() for value in select.selects]
    columns = [column for column in shown if isinstance(column, exp.Column)]
    sources = [gold.context.source_of(column) for column in columns]
    source = sources[0] if len(columns) == len(shown) else None
    is_one = all(other is source for other in sources)
    return exp.column("rowid", table=source.alias_or_name) if source and is_one else None
