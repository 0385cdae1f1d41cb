"""What restricts a noun in a question: "older than 40", "whose city is Rome".

Comparison words map one to one: more than, above, after are `>`; at least, or more are `>=`;
between includes both ends. Every phrase names its column and its values.
"""

import re
from datetime import date
from typing import Literal, NamedTuple

from sense.questions.intent import Beyond, Compared, Condition, Filter, Has, Shared
from sense.questions.loose import loosely, unusual
from sense.questions.profile import ColumnProfile, TableProfile, Value
from sense.questions.sentence import Voice
from sense.questions.sql import literal
from sense.questions.wording import (
    PREPOSITIONS,
    SYMBOLS,
    article,
    has_plural,
    is_bare_participle,
    is_participle,
    is_person,
    is_plural,
    listed,
    plural,
    possessive,
    singular,
    with_article,
    word_set,
)

CLAUSES = {
    ">": ("is more than {}", "is greater than {}", "is above {}", "exceeds {}"),
    ">=": ("is at least {}", "is {} or more"),
    "<": ("is less than {}", "is below {}", "is under {}"),
    "<=": ("is at most {}", "is {} or less"),
    "=": ("is {}",),
    "<>": ("is not {}", "is other than {}"),
}
TIME_CLAUSES = {
    ">": ("is after {}", "is later than {}"),
    ">=": ("is {} or later", "is not before {}"),
    "<": ("is before {}", "is earlier than {}"),
    "<=": ("is {} or earlier", "is not after {}"),
    "=": ("is {}",),
    "<>": ("is not {}",),
}
AMOUNTS = {
    ">": ("above {}", "of more than {}", "greater than {}", "over {}"),
    ">=": ("of at least {}", "of {} or more"),
    "<": ("below {}", "of less than {}", "under {}"),
    "<=": ("of at most {}", "of {} or less"),
    "=": ("of {}",),
}
COUNTS = {
    ">": ("more than {}",),
    ">=": ("at least {}", "{} or more"),
    "<": ("fewer than {}",),
    "<=": ("at most {}", "{} or fewer"),
    "=": ("exactly {}",),
}
COUNT_WORDS = word_set(
    """
    count number num total amount level rate rating score size rank max min average avg
    """
)
NO_SINGULAR = ("details", "grounds", "goods", "earnings", "contents", "remarks", "notes")
UNITS = SYMBOLS | word_set(
    """
    knots meters metres feet miles kilometers kilometres dollars euros inches pounds grams litres
    liters hectares acres tonnes degrees seconds minutes
    """
)
"""After another word these say in what it is measured: "speed knots"."""
TIME_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")
TIME_NOUNS = word_set(
    "date day time year month week season deadline birthday timestamp dob datetime"
)
"""Words that say by themselves that a column holds a time."""
NUMBER_WORDS = ("number", "num", "no", "nr")
ADJECTIVE = re.compile(r"(able|ible|ful|less|free|safe|ready|only|proof|active|open|ous|al|ic)$")
"""Endings of what a row can be, where no participle says it."""
TRUE_VALUES = ("1", "t", "y", "yes", "true")


class Restriction(NamedTuple):
    """One restriction; `word` says how it joins its noun and whether it can be a verb phrase."""

    word: Literal["with", "be", "have", "do", "whose", "for"]
    """ "with a price above 3", "who are older than 3", "that have no hive", "that lack ...",
    "for which there is ..." """
    text: str


def title(column: ColumnProfile) -> str:
    """The column as a noun: "age"; a plural that counts something is "number of frames".

    A name that is no noun becomes one: "staged-on date", "paid-by value", "number of killed".
    """
    words = column.words.split()
    if counted := _counted(words, column):
        return f"number of {counted}"
    is_open = words[-1] in PREPOSITIONS
    if column.kind in ("date", "year"):
        if TIME_NOUNS & set(words):
            return column.words
        return f"{column.words.replace(' ', '-') if is_open else column.words} {column.kind}"
    if is_open and not (words[-1] == "in" and column.is_number):  # a height in inches
        return f"{column.words.replace(' ', '-')} value"
    if is_bare_participle(column.words):
        return f"number of {column.words}" if column.kind == "integer" else f"{column.words} value"
    if column.kind in ("text", "category", "id") and words[-1] not in NO_SINGULAR:
        return singular(column.words)
    counts = column.kind == "integer" and not COUNT_WORDS & set(words)
    counts = counts or (column.kind == "real" and words[0] in TIME_UNITS)
    has_unit = len(words) > 1 and words[-1] in UNITS
    if counts and not has_unit and (is_plural(column.words) or is_plural(words[0])):
        return f"number of {column.words}"
    return column.words


def _counted(words: list[str], column: ColumnProfile) -> str:
    """What a column counts whose name says so: "num_of_stores", "no_of_component"."""
    if column.kind not in ("integer", "real") or words[0] not in NUMBER_WORDS or len(words) < 2:
        return ""
    things = " ".join(words[2:] if words[1] == "of" else words[1:])
    if words[1] == "of" and things:
        return plural(things) if has_plural(things) else things
    return things if is_plural(things) else ""


def owned_title(column: ColumnProfile, home: str) -> str:
    """The title, with its table where that is not the one at hand: "keeper's age"."""
    return title(column) if column.table == home else f"{possessive(column.noun)} {title(column)}"


def restricted(
    filters: tuple[Filter, ...], either: bool, table: TableProfile, many: bool, voice: Voice
) -> str:
    """The filters as they follow the noun of `table`, with a space before; "" for none."""
    phrases = []
    for item in filters:
        word, text = restriction(item, table, many, voice, alone=len(filters) == 1)
        who = "who" if is_person(table.noun) else "that"
        verb = {"be": "are" if many else "is", "have": "have" if many else "has"}.get(word, "")
        lead = word if word in ("with", "whose", "for") else f"{who} {verb}".strip()
        phrases.append(f" {lead} {text}")
    return (" or" if either else " and").join(phrases)


def predicate(item: Filter, table: TableProfile, voice: Voice) -> str:
    """The filter as a verb phrase of a plural subject: "have no hive", "are older than 40"."""
    word, text = restriction(item, table, True, voice, alone=True)
    if word in ("whose", "for"):
        return ""
    return f"{'' if word == 'do' else 'are ' if word == 'be' else 'have '}{text}"


def restriction(
    item: Filter, table: TableProfile, many: bool, voice: Voice, alone: bool
) -> Restriction:
    """One filter about rows of `table`; `alone` when no other restriction stands beside it."""
    if isinstance(item, Condition):
        return _condition(item, table, many, voice, alone)
    if isinstance(item, Compared):
        relation = "more than" if item.operator == ">" else "less than"
        its = "their" if many or is_person(table.noun) else "its"
        text = f"{title(item.left)} is {relation} {its} {title(item.right)}"
        return Restriction("whose", text)
    if isinstance(item, Beyond) and voice.omits(item):
        return Restriction(
            "whose", f"{title(item.column)} {_agreeing(f'is {unusual(item)}', item.column)}"
        )
    if isinstance(item, Beyond):
        verb = _agreeing(_beyond(item, table, voice), item.column)
        return Restriction("whose", f"{title(item.column)} {verb}")
    if isinstance(item, Shared):
        other = "no other" if item.negated else "another"
        verb = _agreeing(f"is shared by {other} {table.noun}", item.column)
        return Restriction("whose", f"{title(item.column)} {verb}")
    return _has(item, table, many, voice)


def clause(item: Condition, home: str, voice: Voice) -> str:
    """The condition with its column as the subject: "age is more than 40"."""
    if item.column.kind == "boolean" and item.operator == "=":
        return _boolean_clause(item, home)
    subject, column = owned_title(item.column, home), item.column
    if voice.omits(item):
        return f"{subject} {_agreeing(f'is {loosely(item)}', column)}"
    values = [value_text(value, column, voice) for value in item.values]
    match item.operator:
        case "between":
            verb = f"is between {values[0]} and {values[1]}"
        case "in":
            verb = voice.pick(f"is {listed(values, 'or')}", f"is either {listed(values, 'or')}")
        case "null":
            verb = voice.pick("is missing", "is not known")
        case "not null":
            verb = voice.pick("is known", "is recorded")
        case "in year":
            verb = voice.pick(f"is in {values[0]}", f"is in the year {values[0]}")
        case "starts":
            verb = f"{voice.pick('starts with', 'begins with')} '{item.values[0]}'"
        case "contains":
            verb = f"contains '{item.values[0]}'"
        case "ends":
            verb = f"ends with '{item.values[0]}'"
        case operator:
            table = TIME_CLAUSES if column.kind in ("year", "date") else CLAUSES
            verb = voice.pick(*table[operator]).format(*values)
    return f"{subject} {_agreeing(verb, item.column)}"


def _agreeing(verb: str, column: ColumnProfile) -> str:
    """The verb in the plural where its subject is: "points are more than 3"."""
    if not is_plural(title(column)):
        return verb
    first, rest = verb.split(" ", 1)
    return f"{'are' if first == 'is' else first.removesuffix('s')} {rest}"


def value_text(value: Value, column: ColumnProfile, voice: Voice) -> str:
    """The value as a person writes it: text in quotes unless it is a plain name or a number."""
    if not isinstance(value, str):
        return str(value)
    if column.kind == "date":
        if len(value) != 10 or voice.style not in ("formal", "colloquial"):
            return value
        day = date.fromisoformat(value)
        return f"{day.day} {day:%B} {day.year}"
    plain = value.replace(" ", "").replace("-", "")
    if value.isdigit() or (
        plain.isalpha()
        and all(word[0].isupper() for word in value.split())
        and voice.style != "formal"
    ):
        return value
    return f'"{value}"' if "'" in value else f"'{value}'"


def how_many(operator: str, value: Value, noun: str, voice: Voice) -> str:
    """ "more than 3 hives", "exactly one hive"; `noun` is singular and may carry a restriction."""
    head, _, rest = noun.partition("|")
    words = voice.pick(*COUNTS[operator])
    one = value == 1 and not words.startswith("{}")
    amount = words.format("one" if one else value)
    return f"{amount} {head if one else plural(head)}{rest}"


def _condition(
    item: Condition, table: TableProfile, many: bool, voice: Voice, alone: bool
) -> Restriction:
    column, operator = item.column, item.operator
    if column.table != table.name:
        if alone and voice.chance(0.4):
            return _belonging(item, many, voice)
        return Restriction("whose", clause(item, table.name, voice))
    if column.kind == "boolean" and operator == "=":
        return _boolean(item, many)
    name = title(column)
    if voice.omits(item) and alone and voice.chance(0.5):
        return Restriction("with", with_article(f"{loosely(item)} {name}"))
    if voice.omits(item):
        return Restriction("whose", clause(item, table.name, voice))
    if (
        alone
        and operator in COUNTS
        and item.values[0] != 1
        and name.startswith("number of ")
        and voice.chance(0.7)
    ):
        amount = voice.pick(*COUNTS[operator]).format(item.values[0])
        return Restriction("with", f"{amount} {name.removeprefix('number of ')}")
    if name == "age" and operator in (">", "<") and is_person(table.noun) and voice.chance(0.7):
        return Restriction(
            "be", f"{'older' if operator == '>' else 'younger'} than {item.values[0]}"
        )
    if alone and column.kind in ("integer", "real") and voice.chance(0.5):
        if operator == "between":
            low, high = item.values
            return Restriction("with", f"{with_article(name)} between {low} and {high}")
        if operator in AMOUNTS:
            amount = voice.pick(*AMOUNTS[operator]).format(item.values[0])
            return Restriction("with", f"{with_article(name)} {amount}")
    if alone and operator == "=" and column.kind in ("category", "text") and voice.chance(0.25):
        if column is table.display and name in ("name", "title"):
            return Restriction("be", f"called {value_text(item.values[0], column, voice)}")
        return Restriction("with", f"the {name} {value_text(item.values[0], column, voice)}")
    return Restriction("whose", clause(item, table.name, voice))


def _belonging(item: Condition, many: bool, voice: Voice) -> Restriction:
    owner = TableProfile(item.column.table, item.column.noun, (), 0, None, None)
    inner = restricted((item,), False, owner, False, voice)
    return Restriction("do", f"belong{'' if many else 's'} to {article(item.column.noun)}{inner}")


def _beyond(item: Beyond, table: TableProfile, voice: Voice) -> str:
    name, rows = title(item.column), plural(table.noun)
    if item.group:
        among = f"all {rows} with the same {title(item.group)}"
    elif item.scope:
        among = f"the {rows}{restricted((item.scope,), False, table, True, voice)}"
    else:
        among = f"all {rows}"
    if item.operator == "=":
        return f"equals the {'maximum' if item.function == 'max' else 'minimum'} {name} of {among}"
    words = {
        ">": ("above", "greater than", "higher than"),
        "<": ("below", "less than", "lower than"),
    }
    return f"is {voice.pick(*words[item.operator])} the average {name} of {among}"


def _has(item: Has, table: TableProfile, many: bool, voice: Voice) -> Restriction:
    member = item.relation.member
    if item.relation.is_kind and is_person(table.noun) and is_person(member.noun):
        noun = plural(member.noun) if many else article(member.noun)
        scope = restricted((item.scope,), False, member, many, voice) if item.scope else ""
        return Restriction("be", f"{'not ' * item.negated}{noun}{scope}")
    scope = restricted((item.scope,), False, member, False, voice) if item.scope else ""
    if item.correlated:
        such = f"no {member.noun}" if item.negated else article(member.noun)
        which = "whom" if is_person(table.noun) else "which"
        return Restriction("for", f"{which} there is {such}{scope}")
    if item.negated:
        return Restriction("have", f"no {member.noun}{scope}")
    words = ("at least one", "one or more") if not scope else ("at least one",)
    count = voice.pick(*words)
    return Restriction(
        "have", f"{count} {plural(member.noun) if 'more' in count else member.noun}{scope}"
    )


def _boolean(item: Condition, many: bool) -> Restriction:
    """ "not open", "marked as certified"; a noun is a flag: "whose solar panel flag is 1"."""
    words, value = item.column.words, item.values[0]
    holds = str(value).lower() in TRUE_VALUES
    first, _, rest = words.partition(" ")
    if rest and first == "is":
        return Restriction("be", rest if holds else f"not {rest}")
    if rest and first == "was":
        return Restriction("do", f"{'were' if many else 'was'} {'' if holds else 'not '}{rest}")
    if rest and first == "can":
        return Restriction("do", f"{'can' if holds else 'cannot'} {rest}")
    if rest and first == "has" and holds:
        return Restriction("have", rest)
    if rest and first == "has":
        return Restriction("do", f"{'do' if many else 'does'} not have {rest}")
    second = rest.split(" ")[0]
    if rest and (first in PREPOSITIONS or (is_participle(first) and second in PREPOSITIONS)):
        return Restriction("be", words if holds else f"not {words}")
    last = words.split()[-1]
    if rest and not is_participle(last) and not ADJECTIVE.search(last):
        return Restriction("whose", f"{words} flag is {literal(value)}")
    return Restriction("be", f"{'' if holds else 'not '}marked as {words}")


def _boolean_clause(item: Condition, home: str) -> str:
    """ "keeper is not certified"; a row of `home` itself is "it"."""
    word, text = _boolean(item, False)
    owner = "it" if item.column.table == home else item.column.noun
    if word == "whose":
        return text if owner == "it" else f"{possessive(owner)} {text}"
    verb = {"be": "is ", "have": "has "}.get(word, "")
    return f"{owner} {verb}{text}"
