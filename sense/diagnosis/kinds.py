"""The kinds of error of a wrong answer, each with its meaning; no other place lists them."""

import re

EXECUTION_KINDS = {
    "syntax": "SQLite cannot parse the text, or it holds no query",
    "unknown_table": "it names a table that the database lacks",
    "unknown_column": "it names a column that its tables lack",
    "ambiguous_column": "a column name fits several of its tables and does not say which",
    "unknown_function": "it calls a function that SQLite lacks, or with another number of values",
    "misused_aggregate": "an aggregate stands where none is allowed, as in WHERE",
    "not_a_query": "it would write, or do anything but read",
    "execution": "any other error at run time",
}
"""Kind of a query that SQLite does not run -> its meaning."""

DIFFERENCE_KINDS = {
    "set_operation": "UNION, INTERSECT or EXCEPT is missing, superfluous or another one",
    "nesting": "a subquery is missing, superfluous or used in another way",
    "table": "a table is read in place of another one",
    "missing_join": "a table that is needed is not joined",
    "extra_join": "a table is joined that is not needed",
    "join_condition": "the tables are tied by other columns, or by none",
    "join_type": "an inner join where an outer one is needed, or the reverse",
    "having": "a condition on groups is missing or superfluous, or stands in WHERE; or the reverse",
    "missing_condition": "a condition is missing",
    "extra_condition": "there is a condition too many",
    "connective": "AND in place of OR, the reverse, or other brackets",
    "negation": "a NOT is missing or superfluous",
    "comparison": "another operator, such as > for >= or = for LIKE",
    "aggregate": "another aggregate, one where none is needed, or none where one is needed",
    "column": "another column, in SELECT or in a condition",
    "value": "another number or text to compare with, or another spelling of it",
    "expression": "other arithmetic, or another function that is no aggregate",
    "group_by": "GROUP BY is missing, superfluous or by other columns",
    "order_by": "ORDER BY is missing, superfluous or by other columns",
    "direction": "ascending in place of descending, or the reverse",
    "limit": "LIMIT or OFFSET is missing, superfluous or has another number",
    "distinct": "DISTINCT is missing or superfluous, in SELECT or in an aggregate",
    "missing_column": "a selected column too few",
    "extra_column": "a selected column too many",
    "column_order": "the right columns in another order",
}
"""Kind of a query that runs -> its meaning, the gravest first."""

OTHER = "other"

ERROR_KINDS = {**EXECUTION_KINDS, **DIFFERENCE_KINDS, OTHER: "wrong in a way that no kind says"}

EXECUTION_ERRORS = (
    ("not_a_query", r"only reading is allowed|not authorized"),
    ("unknown_table", r"no such table"),
    ("unknown_column", r"no such column|no column named|cannot join using column"),
    ("ambiguous_column", r"ambiguous column name"),
    ("unknown_function", r"no such function|wrong number of arguments to function"),
    ("misused_aggregate", r"misuse of (aliased )?(aggregate|window)|aggregate functions are not"),
    ("set_operation", r"do not have the same number of result columns"),
    ("nesting", r"sub-select returns|row value misused"),
    ("syntax", r"syntax error|incomplete input|unrecognized token|no SQL statement"),
)
"""Error kind -> what the message of SQLite or of `sense.execution` says."""


def kind_of_error(message: str) -> str:
    """The kind that a message of SQLite, or of `sense.execution`, names.

    >>> kind_of_error("no such column: years")
    'unknown_column'
    """
    found = (kind for kind, pattern in EXECUTION_ERRORS if re.search(pattern, message, re.I))
    return next(found, "execution")
