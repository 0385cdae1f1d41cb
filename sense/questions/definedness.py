"""Does the form of an intent leave nothing open, whatever the rows are?

`sense.gold.check_gold` finds that out for any query, by probes and by running it in other ways. Of
most intents it can be told from how they are made; `sense.grammar` asks `check_gold` about the
others. Both need a schema without views and collations, which the caller looks at.
"""

from sense.questions.intent import Intent, Measure


def is_defined_by_form(intent: Intent) -> bool:
    """Whether SQL says what the result is, provided that no rows tie at the cut of a LIMIT.

    Subqueries of the grammar are whole sets or single aggregates, so only groups and cuts can leave
    something open.
    """
    if intent.other and not is_defined_by_form(intent.other):
        return False
    if intent.limit and not intent.order:
        return False
    return not intent.group or _is_grouped(intent)


def _is_grouped(intent: Intent) -> bool:
    """Whether each group has one value of every column that is shown.

    Those are measures, the grouped column itself, or columns of the owner that a group stands for:
    its key is unique where it is not NULL, and a join on it leaves no NULL.
    """
    columns = [wanted for wanted in intent.wanted if not isinstance(wanted, Measure)]
    if all(column is intent.group or column is intent.second for column in columns):
        return True
    owner = intent.owner
    return (
        owner is not None
        and intent.group is owner.owner.key
        and owner.owner.key is not None
        and intent.joins[:1] == owner.links[:1]
        and owner.links[0].ref_column == owner.owner.key.name
        and all(getattr(column, "table", "") == owner.owner.name for column in columns)
    )
