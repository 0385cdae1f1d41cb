"""Why candidates of the strong set are not kept: each machine word with what it means.

Funnels count these words, config `rejected` holds them and the card explains them.
"""

REASONS: dict[str, str] = {
    # The answer of a teacher.
    "answer_format": "The teacher's answer does not have the parts that were asked for.",
    "question_missing": "The teacher's answer has fewer questions than were asked for.",
    "answer_cut": "The teacher's answer reached the limit of tokens before its end.",
    "rationale_format": "The rationale is missing, or does not end with a query.",
    "rationale_differs": "The query at the end of the rationale returns something else than gold.",
    "copied_example": "The question is that of an example shown to the teacher.",
    # The database.
    "schema_syntax": "SQLite cannot build the proposed database.",
    "schema_empty": "The proposed database has no table.",
    "rows_unfillable": "No rows could be found that break none of the database's constraints.",
    "database_corrupt": "The database file cannot be read: damaged, encrypted or being written.",
    "database_empty": "The database has no rows, or its file is empty.",
    "database_limit": "Drawing over the database took too long or too much memory, twice.",
    "database_crash": "The process that drew over the database died, twice.",
    "no_example": "Nothing that was drawn over the database was kept.",
    # What the grammar draws.
    "no_material": "The database has nothing that such a query could be drawn from.",
    "no_wording": "The query cannot be asked in the style that was wanted.",
    # The SQL.
    "sql_syntax": "The SQL cannot be parsed.",
    "several_statements": "There is more than one SQL statement.",
    "not_a_query": "The SQL is no query.",
    "sql_without_table": "The SQL reads no table.",
    "unknown_table": "The SQL names a table that the database lacks.",
    "unknown_column": "The SQL names a column that its tables lack.",
    "gold_error": "SQLite cannot run the SQL.",
    "gold_refused": "The SQL does more than read the database.",
    "gold_timeout": "The SQL reached the limit of steps, time or memory.",
    "gold_crash": "The process that ran the SQL died.",
    "large_result": "The result has more rows than a person would read.",
    "empty_result": "The result has no rows, or nothing but NULL.",
    "zero_result": "The result has nothing but zeros.",
    "constant_result": "All rows of the result are equal.",
    "trivial_result": "A part of the SQL changes nothing in the result.",
    "gold_undefined": "Ties, a column outside the groups or the clock decide the result.",
    "gold_order": "Ties at the cut of a LIMIT, or another order of the rows, change the result.",
    "gold_bare_column": "A column outside GROUP BY and aggregates has several values in a group.",
    "gold_time": "The result depends on the clock.",
    "gold_random": "The result depends on chance or on state.",
    "gold_unparsed": "Whether the result is defined cannot be told, as the SQL cannot be parsed.",
    "wrong_level": "The measured hardness is not the one that was asked for.",
    # The question.
    "unmentioned_value": "The SQL needs a value that neither question nor evidence mentions.",
    "unmentioned_column": "The SQL returns a column of which the question has no word.",
    "unused_value": "The question names a value that the SQL does not use.",
    "unused_column": "The question names a column that the SQL does not use.",
    # Other answers.
    "no_agreement": "Answers to the question alone agree neither with gold nor among themselves.",
    "repair_rejected": "Answers agree on another SQL, which the filters reject.",
    # Other rows.
    "duplicate_question": "An earlier row asks the same of the same database.",
    "duplicate_sql": "An earlier row has the same SQL over the same database.",
    "duplicate_template": "Enough earlier rows have the same SQL but for its values.",
    "near_duplicate": "An earlier row asks nearly the same with SQL that is equal but for values.",
    "contaminated_question": "The question shares long word sequences with one of a benchmark.",
    "contaminated_sql": "The SQL is, but for its values, that of a benchmark over a like schema.",
    "contaminated_schema": "The database is one of a benchmark, or nearly so.",
    "domain_full": "The domain that the teacher chose has its quota of questions.",
    "beyond_quota": "There were enough such rows already.",
}
"""In the order in which candidates are looked at."""

FAMILIES: dict[str, str] = {
    "server_": "The server gave no answer that could be used.",
    "verification_": "The process that verified the candidate was lost.",
}
"""Beginnings of words that end with what a server or a process said."""


def meaning(reason: str) -> str:
    """What the machine word says of a candidate, in one sentence.

    Raises ValueError for a word that is none.

    >>> meaning("server_http_503")
    'The server gave no answer that could be used.'
    """
    family = next((start for start in FAMILIES if reason.startswith(start)), "")
    found = REASONS.get(reason) or FAMILIES.get(family)
    if found is None:
        raise ValueError(
            f"'{reason}' is no reason of `sense.strong_set.reasons`; expected one of "
            f"{', '.join(REASONS)}: "
            "give it a line there"
        )
    return found
