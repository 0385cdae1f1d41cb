"""What vague questions leave untold, and the evidence that says what is meant."""

from collections.abc import Iterator

from sense.questions.intent import PEER, Beyond, Condition, Has, Having, Intent, Measure
from sense.questions.loose import loosely, unusual
from sense.questions.measures import loose_measure, loose_threshold
from sense.questions.profile import ColumnProfile
from sense.questions.restriction import title
from sense.questions.sentence import Loose
from sense.questions.sql import condition_sql, literal
from sense.questions.wording import is_plural
from sense.schema import quote_identifier


def loose_parts(intent: Intent) -> list[Loose]:
    """The parts of the intent of which one can be left untold."""
    if intent.other:
        return []
    found: list[Loose] = [*_loose_filters(intent), *_loose_measures(intent)]
    if intent.having and loose_threshold(intent):
        found.append(intent.having)
    if intent.limit > 1:
        found.append(intent.limit)
    return found


def evidence_of(loose: Loose, intent: Intent) -> str:
    """What the loose words mean.

    >>> from sense.questions.profile import TableProfile
    >>> price = ColumnProfile("tea", "tea", "price", "price", "real", 9, 0.0, False)
    >>> teas = Intent(TableProfile("tea", "tea", (price,), 9, None, None), (price,), limit=3)
    >>> evidence_of(Condition(price, ">", (4.5,)), teas), evidence_of(Measure("avg", price), teas)
    ('A high price means that tea.price > 4.5.', 'The typical price means AVG(tea.price).')
    >>> evidence_of(3, teas)
    'A few means 3.'
    """
    match loose:
        case int():
            return f"A few means {loose}."
        case Having():
            words = loose_threshold(intent)
            assert loose.value is not None
            condition = f"{_measure_sql(loose.measure)} {loose.operator} {literal(loose.value)}"
            return f"{words[0].upper()}{words[1:]} means that {condition}."
        case Measure():
            return f"The {loose_measure(loose)} means {_measure_sql(loose)}."
    column = loose.column
    name = _column_sql(column)
    if isinstance(loose, Beyond):
        words = f"{unusual(loose)} {title(column)}"
        average = f"SELECT AVG({name}) FROM {quote_identifier(column.table)}"
        condition = f"{name} {loose.operator} ({average})"
    else:
        words = f"{loosely(loose)} {title(column)}"
        condition = condition_sql(name, loose)
    if is_plural(title(column)):
        return f"{words[0].upper()}{words[1:]} mean that {condition}."
    article = "An" if words.startswith(("early", "unusual")) else "A"
    return f"{article} {words} means that {condition}."


def _loose_filters(intent: Intent) -> Iterator[Condition | Beyond]:
    yield from (item for item in intent.filters if isinstance(item, Beyond) and unusual(item))
    told = [item.scope if isinstance(item, Has) else item for item in intent.filters]
    conditions = [item for item in told if isinstance(item, Condition)]
    for item in conditions:
        columns = [other.column for other in conditions]
        if loosely(item) and item.column.table != PEER and columns.count(item.column) == 1:
            yield item


def _loose_measures(intent: Intent) -> Iterator[Measure]:
    keys = [order.key for order in (intent.order,) if order]
    for item in dict.fromkeys((*intent.wanted, *keys)):
        if isinstance(item, Measure) and loose_measure(item):
            yield item


def _measure_sql(measure: Measure) -> str:
    column, inner = measure.column, "*"
    if column:
        inner = _column_sql(column)
    return f"{measure.function.upper()}({'DISTINCT ' * measure.distinct}{inner})"


def _column_sql(column: ColumnProfile) -> str:
    return f"{quote_identifier(column.table)}.{quote_identifier(column.name)}"
