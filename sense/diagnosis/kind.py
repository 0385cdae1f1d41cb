"""The error kind of a wrong answer: from SQLite's message, or from the nearest right query.

Of several differences the one that `DIFFERENCE_KINDS` lists first names the error.
"""

import json
from collections.abc import Sequence

from sense.diagnosis.clauses import differences
from sense.diagnosis.distance import nearest
from sense.diagnosis.kinds import OTHER, kind_of_error
from sense.hardness import UnparsedSqlError, parse_sql


def error_kind(
    gold_sql: str, predicted_sql: str, error: str = "", right_sqls: Sequence[str] = ()
) -> str:
    """What is wrong with the prediction, one of `ERROR_KINDS`; `error` is SQLite's message, if any.

    right_sqls: other right queries; the prediction is held against the one that it is nearest to.

    >>> error_kind("SELECT MIN(age) FROM person", "SELECT MAX(p.age) FROM person AS p")
    'aggregate'
    >>> error_kind("SELECT age FROM person", "SELECT years FROM person", "no such column: years")
    'unknown_column'
    >>> ordered = "SELECT {} FROM person ORDER BY age DESC LIMIT 1"
    >>> gold = "SELECT MAX(age) FROM person"
    >>> error_kind(gold, ordered.format("name"), right_sqls=[ordered.format("age")])
    'column'
    """
    if error:
        return kind_of_error(error)
    try:
        predicted = parse_sql(predicted_sql)
    except UnparsedSqlError:
        return "syntax"
    right = nearest(predicted_sql, [gold_sql, *right_sqls]) if right_sqls else gold_sql
    try:
        kinds = differences(parse_sql(right), predicted)
    except (UnparsedSqlError, RecursionError):  # no query, or one nested too deeply to be walked
        return OTHER
    return kinds[0] if kinds else OTHER


def judged_kind(
    gold_sql: str,
    predicted_sql: str,
    verdict: str,
    witness: str,
    right_sqls: Sequence[str] = (),
) -> str:
    """The error kind of an answer that was judged `incorrect`, "" for any other.

    witness: as `sense.verdict` gives it; the message of SQLite stands in it.

    >>> judged_kind("SELECT a FROM t", "SELECT b FROM t", "incorrect", '{"row": [1]}')
    'column'
    """
    if verdict != "incorrect":
        return ""
    error = json.loads(witness).get("error", "") if witness else ""
    return error_kind(gold_sql, predicted_sql, error, right_sqls)
