"""How the official evaluators of Spider and BIRD decide, quirks included, beside our own verdict.

Known differences: their SQLite is that of the Python that runs them; they set no limit that works;
they run statements that write; they fail where a gold query fails, which gives 0 here.
Sources: taoyds/test-suite-sql-eval@e97acc5 (evaluation.py, exec_eval.py, parse.py), run with
`--etype exec` and no other option; AlibabaResearch/DAMO-ConvAI, bird/llm/src/evaluation.py.
"""

import re
from collections.abc import Callable

from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

from sense.denotation import bird_equal, spider_equal
from sense.execution import Execution

CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
SPLIT_OPERATORS = (("> =", ">="), ("< =", "<="), ("! =", "!="))

SPACES = str.maketrans("\t\r\n", "   ")
QUOTED = (TokenType.IDENTIFIER, TokenType.STRING)

Run = Callable[[str], Execution]
"""Runs a query on one database."""


def spider_score(run: Run, gold_sql: str, predicted_sql: str) -> int:
    """Whether Spider's execution match accepts the prediction on one database: 1 or 0."""
    gold_text = spider_gold_text(gold_sql)
    gold = run(gold_text)
    predicted = run(spider_predicted_text(predicted_sql))
    if gold.status != "ok" or predicted.status != "ok":
        return 0
    return int(spider_equal(gold.rows, predicted.rows, "order by" in gold_text.lower()))


def bird_score(run: Run, gold_sql: str, predicted_sql: str) -> int:
    """Whether BIRD's execution accuracy accepts the prediction on one database: 1 or 0."""
    gold, predicted = run(gold_sql), run(predicted_sql)
    for execution in (gold, predicted):
        if execution.status != "ok" or execution.invalid_text:
            return 0
    return int(bird_equal(gold.rows, predicted.rows))


def spider_gold_text(gold_sql: str) -> str:
    """The text that the official evaluator runs for a gold query; its files hold one line each.

    >>> spider_gold_text("SELECT DISTINCT name FROM t WHERE age > = 3")
    'SELECT  name FROM t WHERE age >= 3'
    """
    text = gold_sql.strip().translate(SPACES)
    for split, joined in SPLIT_OPERATORS:
        text = text.replace(split, joined)
    return CURRENT_YEAR.sub("2020", _first_statement_without_distinct(text))


def spider_predicted_text(predicted_sql: str) -> str:
    """The text that the official evaluator runs for a prediction; "value" becomes "1" in it."""
    return spider_gold_text(predicted_sql.replace("value", "1"))


def _first_statement_without_distinct(text: str) -> str:
    """Text up to the first semicolon, without the word DISTINCT; other words and space stay."""
    if "distinct" not in text.lower() and ";" not in text:
        return text
    try:
        tokens = SQLite().tokenize(text)
    except TokenError:
        return text
    kept: list[str] = []
    end = 0
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            return "".join([*kept, text[end : token.start]])
        if token.token_type not in QUOTED and token.text.lower() == "distinct":
            kept.append(text[end : token.start])
            end = token.end + 1
    return "".join([*kept, text[end:]])
