"""How the official evaluators of Spider and BIRD decide, quirks included, beside our own verdict.

Known differences: their SQLite is that of the Python that runs them; they run statements that
write; Spider's stops altogether where a gold query fails, which gives 0 here. In a line of Spider's
text files SQL ends at the first tab: that is for readers of such files, here a tab is a space.
Sources: taoyds/test-suite-sql-eval@e97acc5 (evaluation.py, exec_eval.py, parse.py) with
`--etype exec`; AlibabaResearch/DAMO-ConvAI@483554e, bird/llm/src/evaluation.py.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import dropwhile

from sense.denotation import Rows, bird_equal, spider_equal
from sense.execution import Execution, Limits

CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
SPLIT_OPERATORS = (("> =", ">="), ("< =", "<="), ("! =", "!="))
SPACES = str.maketrans("\t\r\n", "   ")
BLANK = re.compile(r"(?>[\s;]|--[^\n]*|/\*.*?(?:\*/|\Z))*+", re.DOTALL)

LEXEMES = re.compile(
    r"""
      --[^\r\n]* | /\*.*?\*/                       # comments
    | '(?:''|\\'|[^'])*' | "(?:""|\\"|[^"])*"      # here a backslash hides a quote
    | `(?:``|[^`])*` | (?<![\w\])])\[[^][]+\]
    | \w[$\#\w]* | .
    """,
    re.DOTALL | re.VERBOSE,
)
"""As sqlparse cuts a text, which the official evaluator drops DISTINCT with. Unlike a tokenizer of
SQLite it gets past a quote that is never closed, such as a code fence after the query."""

PATIENCE = 2  # times the seconds of `Limits`
BIRD_SECONDS = 30.0  # for prediction and gold together; `meta_time_out` of the official script

Run = Callable[[str], Execution]
"""Runs a query on one database, within `official_limits`."""
RuleScore = int | None
"""1 or 0; None where a query of which the official evaluator awaits the end hit a backstop."""


def official_limits(limits: Limits) -> Limits:
    """`limits` without that in steps, which no official evaluator has; the backstops remain.

    Seconds are doubled, so that a busy machine decides less: 30 become 60, after which the official
    code for Spider means to stop a query, but never does. In return nothing is tried once more: a
    query without end would take its minute three times.

    >>> official_limits(Limits(max_seconds=30.0)).max_seconds
    60.0
    """
    seconds = limits.max_seconds * PATIENCE
    return replace(limits, max_steps=0, max_seconds=seconds, raises_at_backstop=False)


def spider_score(run: Run, gold_sql: str, predicted_sql: str) -> RuleScore:
    """Whether Spider's execution match accepts the prediction on one database."""
    return _spider_score(run, gold_sql, predicted_sql, _first_statement_without_distinct)


def spider_distinct_score(run: Run, gold_sql: str, predicted_sql: str) -> RuleScore:
    """The same with the option `--keep_distinct`."""
    return _spider_score(run, gold_sql, predicted_sql, str)


def bird_score(run: Run, gold_sql: str, predicted_sql: str) -> RuleScore:
    """Whether BIRD's execution accuracy accepts the prediction on one database."""
    gold, predicted = _python_execution(run, gold_sql), _python_execution(run, predicted_sql)
    if "error" in (gold.status, predicted.status) or gold.invalid_text or predicted.invalid_text:
        return 0
    if gold.seconds + predicted.seconds > BIRD_SECONDS:
        return 0
    if gold.status != "ok" or predicted.status != "ok":
        return _unfinished(gold, predicted)
    return int(bird_equal(gold.rows, predicted.rows))


def score_on_all(scores: Iterable[RuleScore]) -> RuleScore:
    """The score of a prediction that must be right on every database.

    >>> score_on_all([1, 1]), score_on_all([1, None]), score_on_all([1, None, 0])
    (1, None, 0)
    """
    found = set(scores)
    return 0 if 0 in found else None if None in found else 1


def spider_gold_text(gold_sql: str) -> str:
    """The text that the official evaluator runs for a gold query; its files hold one line each.

    >>> spider_gold_text("SELECT name FROM t\\nWHERE age > = 3")
    'SELECT name FROM t WHERE age >= 3'
    """
    text = gold_sql.strip().translate(SPACES)
    for split, joined in SPLIT_OPERATORS:
        text = text.replace(split, joined)
    return CURRENT_YEAR.sub("2020", text)


def spider_predicted_text(predicted_sql: str) -> str:
    """The text that the official evaluator runs for a prediction; "value" becomes "1" in it."""
    return spider_gold_text(predicted_sql.replace("value", "1"))


def _spider_score(
    run: Run, gold_sql: str, predicted_sql: str, shortened: Callable[[str], str]
) -> RuleScore:
    if not predicted_sql.strip():  # an empty line has another meaning in the official files
        return 0
    gold_text = shortened(spider_gold_text(gold_sql))
    gold = _python_execution(run, gold_text)
    predicted = _python_execution(run, shortened(spider_predicted_text(predicted_sql)))
    if gold.status != "ok" or predicted.status != "ok":
        return _unfinished(gold, predicted)
    is_ordered = "order by" in gold_text.lower()
    return int(spider_equal(_official_rows(gold), _official_rows(predicted), is_ordered))


def _official_rows(execution: Execution) -> Rows:
    return execution.rows_without_bad_bytes if execution.invalid_text else execution.rows


def _unfinished(gold: Execution, predicted: Execution) -> RuleScore:
    """The score where one of the two has no rows."""
    statuses = {gold.status, predicted.status}
    return None if statuses <= {"ok", "limit", "crash"} else 0


def _python_execution(run: Run, text: str) -> Execution:
    """How `text` ends in Python's `sqlite3`, whose rules on empty and several statements differ."""
    if BLANK.fullmatch(text):
        return Execution("ok")
    if ";" in text.rstrip().removesuffix(";") and _goes_on_after_a_statement(text):
        return Execution("error", error="more than one statement")
    return run(text)


def _goes_on_after_a_statement(text: str) -> bool:
    from sqlglot.dialects.sqlite import SQLite  # slow to load, and rarely needed
    from sqlglot.errors import TokenError
    from sqlglot.tokens import TokenType

    try:
        kinds = [token.token_type for token in SQLite().tokenize(text)]
    except TokenError:
        return False
    statement = list(dropwhile(lambda kind: kind == TokenType.SEMICOLON, kinds))
    return TokenType.SEMICOLON in statement[:-1]


def _first_statement_without_distinct(text: str) -> str:
    """Text up to the first semicolon, without the word DISTINCT; other words and space stay.

    >>> _first_statement_without_distinct("SELECT DISTINCT a FROM t WHERE b = 'distinct;'; ```")
    "SELECT  a FROM t WHERE b = 'distinct;'"
    """
    if "distinct" not in text.lower() and ";" not in text:
        return text
    kept: list[str] = []
    for lexeme in LEXEMES.findall(text):
        if lexeme == ";":
            break
        if lexeme.lower() != "distinct":
            kept.append(lexeme)
    return "".join(kept)
