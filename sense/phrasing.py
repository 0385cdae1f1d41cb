"""An English question for an `Intent`, in one of five styles.

The same words always mean the same SQL: "different" is DISTINCT, "the keeper with the highest age"
is one row by ORDER BY and LIMIT, "whose age equals the maximum" compares with a subquery, "for each
city" shows the city first. What restricts a noun is worded in `sense.restriction`.
"""

import random
import re
from dataclasses import dataclass

from sense.intent import Case, Difference, Intent, Measure, Relation, Wanted
from sense.profile import ColumnProfile
from sense.restriction import (
    STYLES,
    Style,
    Voice,
    clause,
    how_many,
    owned_title,
    predicate,
    restricted,
    title,
)
from sense.wording import article, has_plural, is_person, is_plural, listed, plural

__all__ = ["STYLES", "Style", "ask"]

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
FUNCTIONS = {
    "avg": ("average", "mean"),
    "sum": ("total",),
    "min": ("lowest", "minimum"),
    "max": ("highest", "maximum"),
}


@dataclass(frozen=True)
class Content:
    """What is asked for, before a style turns it into a sentence."""

    text: str
    """A noun phrase with its article."""
    is_many: bool = True
    prefix: str = ""
    """Goes before the sentence: "for each city"."""
    suffix: str = ""
    question: str = ""
    """A direct question that says the same, "" when there is none."""


def ask(intent: Intent, style: Style, rng: random.Random) -> str:
    """The question for the intent; the wording varies with `rng`, its meaning does not."""
    voice = Voice(style, rng)
    return _sentence(_content(intent, voice), voice)


def _sentence(content: Content, voice: Voice) -> str:
    text, prefix, suffix = content.text, content.prefix, content.suffix
    if voice.style == "keyword":
        return f"{text.removeprefix('the ')}{suffix}{' ' + prefix if prefix else ''}"
    if content.question and (
        voice.style == "interrogative" or (voice.style == "colloquial" and voice.chance(0.5))
    ):
        return _capital(content.question)
    lead = f"{prefix}, " if prefix else ""
    if voice.style == "interrogative":
        return _capital(f"{lead}what {'are' if content.is_many else 'is'} {text}{suffix}?")
    if voice.style == "imperative":
        verbs = ("list", "show", "give") if content.is_many else ("find", "give", "show")
        return _capital(f"{lead}{voice.pick(*verbs)} {text}{suffix}.")
    if voice.style == "formal":
        verbs = ("provide", "report", "return") if content.is_many else ("provide", "determine")
        return _capital(f"{lead}please {voice.pick(*verbs)} {text}{suffix}.")
    opening = voice.pick(
        "can you tell me", "could you show me", "I'd like to know", "I need", "tell me"
    )
    return _capital(f"{lead}{opening} {text}{suffix}{'?' if ' you ' in opening else '.'}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _content(intent: Intent, voice: Voice) -> Content:
    if intent.other:
        return _combined(intent, intent.other, voice)
    if intent.owner:
        return _owned(intent, intent.owner, voice)
    if intent.group:
        return _grouped(intent, intent.group, voice)
    if isinstance(intent.wanted[0], Measure):
        return _measured(intent, voice)
    return _superlative(intent, voice) if intent.limit else _listing(intent, voice)


# Rows


def _listing(intent: Intent, voice: Voice) -> Content:
    suffix = _sorting(intent, voice)
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    if intent.distinct:
        return Content(
            f"the different {_names(columns)} of {_subject(intent, voice)}", suffix=suffix
        )
    is_many = len(intent.wanted) > 1 or (len(columns) == 1 and is_plural(title(columns[0])))
    if intent.joins or len(columns) < len(intent.wanted):
        names = listed([_wanted(wanted, intent, voice) for wanted in intent.wanted])
        each = voice.pick("each", "every")
        return Content(names, is_many, f"for {each} {_rows(intent, voice, False)}", suffix)
    titles = [title(column) for column in columns]
    if all(map(has_plural, titles)) and voice.chance(0.75):
        text = f"the {_names(columns)} of {_subject(intent, voice)}"
        return Content(text, suffix=suffix, question=_which(intent, columns, voice, suffix))
    text = f"the {listed(titles)} of each {_rows(intent, voice, False)}"
    return Content(text, is_many, suffix=suffix)


def _which(intent: Intent, columns: list[ColumnProfile], voice: Voice, suffix: str) -> str:
    """ "Which keepers have no hive? Give their names." where the filter is a verb phrase."""
    if len(intent.filters) != 1 or suffix or voice.chance(0.4):
        return ""
    verb = predicate(intent.filters[0], intent.base, voice)
    ending = f"{voice.pick('Give', 'List', 'Show')} their {_names(columns)}."
    return f"which {plural(intent.base.noun)} {verb}? {ending}" if verb else ""


def _superlative(intent: Intent, voice: Voice) -> Content:
    order, noun, limit = intent.order, intent.base.noun, intent.limit
    assert order and isinstance(order.key, ColumnProfile)
    best = _extreme(order.key, order.descending, intent.base.name, voice)
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    is_many = len(columns) > 1 or limit > 1
    count = "" if limit == 1 else f" {voice.pick(NUMBERS[limit], str(limit))}"
    subject = f"the{count} {noun if limit == 1 else plural(noun)} with {best}"
    among = ""
    if intent.filters and not intent.joins and voice.style != "keyword" and voice.chance(0.5):
        among = f"{voice.pick('of', 'among')} the {_rows(intent, voice, True)}"
        subject = f"the{count or ' one'} with {best}"
    elif intent.filters:
        subject += (
            f" among those{restricted(intent.filters, intent.either, intent.base, True, voice)}"
        )
    if intent.joins:
        names = listed([_wanted(column, intent, voice) for column in columns])
        return Content(names, len(columns) > 1, f"for {subject}")
    names = _names(columns) if limit > 1 else listed([title(column) for column in columns])
    return Content(f"the {names} of {subject}", is_many, among)


def _extreme(column: ColumnProfile, descending: bool, home: str, voice: Voice) -> str:
    if column.kind in ("year", "date"):
        word = voice.pick("latest", "most recent") if descending else "earliest"
    else:
        word = voice.pick("highest", "largest") if descending else voice.pick("lowest", "smallest")
    return f"the {word} {owned_title(column, home)}"


def _sorting(intent: Intent, voice: Voice) -> str:
    order = intent.order
    if not order:
        return ""
    assert isinstance(order.key, ColumnProfile)
    name = owned_title(order.key, intent.base.name)
    if order.key.kind in ("text", "category"):
        return voice.pick(
            f", in alphabetical order of {name}", f", sorted alphabetically by {name}"
        )
    times = order.key.kind in ("year", "date")
    return _sorted_by(name, order.descending, voice, ("earliest", "latest") if times else None)


def _sorted_by(
    name: str, descending: bool, voice: Voice, ends: tuple[str, str] | None = None
) -> str:
    first, last = ends or ("lowest", "highest")
    if descending:
        first, last = last, first
    direction = "descending" if descending else "ascending"
    choices = [f", sorted by {name} in {direction} order", f", in {direction} order of {name}"]
    if not re.search(r"\b(that|lowest|highest|minimum|maximum)\b", name):
        choices.append(f", from the {first} to the {last} {name.removeprefix('the ')}")
    return voice.pick(*choices)


# Measures


def _measured(intent: Intent, voice: Voice) -> Content:
    first = intent.wanted[0]
    assert isinstance(first, Measure)
    column = first.column
    if column is None:
        return _count(intent, voice)
    if first.function == "count":
        many, names = _subject(intent, voice), _names([column])
        verb = "are there among" if intent.filters or voice.chance(0.5) else "do"
        have = " have" if verb == "do" else ""
        question = f"how many different {names} {verb} {many}{have}?"
        return Content(f"the number of different {names} of {many}", False, question=question)
    words = [_function(w, voice) for w in intent.wanted if isinstance(w, Measure)]
    text = f"the {listed(words)} {title(column)} of {_subject(intent, voice)}"
    return Content(text, len(words) > 1)


def _count(intent: Intent, voice: Voice) -> Content:
    rows = _rows(intent, voice, True)
    noun = plural(intent.base.noun)
    question = f"how many {noun} are there{rows.removeprefix(noun)}?"
    if len(intent.filters) == 1:
        verb = predicate(intent.filters[0], intent.base, voice)
        question = f"how many {noun} {verb}?" if verb else question
    return Content(f"the number of {rows}", False, question=question)


def _function(measure: Measure, voice: Voice) -> str:
    if measure.column and measure.column.kind == "year" and measure.function in ("min", "max"):
        return "earliest" if measure.function == "min" else "latest"
    return voice.pick(*FUNCTIONS[measure.function])


def _measure(measure: Measure, rows: str, voice: Voice) -> str:
    """The measure without article: "number of hives", "average age"."""
    if measure.column is None:
        return f"number of {rows}"
    return f"{_function(measure, voice)} {title(measure.column)}"


# Groups


def _grouped(intent: Intent, group: ColumnProfile, voice: Voice) -> Content:
    name, rows = title(group), _rows(intent, voice, True)
    measure = next((wanted for wanted in intent.wanted if isinstance(wanted, Measure)), None)
    if measure is None:
        return _kept_values(intent, group, rows, voice)
    shown = _measure(measure, rows, voice)
    text = f"the {shown}" if measure.column is None else f"the {shown} of {rows}"
    suffix = ""
    if intent.order:
        suffix = _sorted_by(f"that {_short(measure)}", intent.order.descending, voice)
    if intent.having:
        return Content(text, False, f"for each {name} with {_kept(intent, voice)}", suffix)
    if voice.style == "keyword" or voice.chance(0.3):
        return Content(text, False, suffix=f" {voice.pick('per', 'for each')} {name}{suffix}")
    question = (
        f"how many {rows} are there for each {name}{suffix}?" if measure.column is None else ""
    )
    return Content(text, False, f"for each {name}", suffix, question)


def _short(measure: Measure) -> str:
    words = {
        "count": "number",
        "sum": "total",
        "avg": "average",
        "min": "minimum",
        "max": "maximum",
    }
    return words[measure.function]


def _kept_values(intent: Intent, group: ColumnProfile, rows: str, voice: Voice) -> Content:
    """Values of a column, kept or ordered by a measure that is not shown."""
    names = _names([group])
    if intent.having:
        kept = _kept(intent, voice)
        return Content(f"the {names} with {kept}", question=f"which {names} have {kept}?")
    order = intent.order
    assert order and isinstance(order.key, Measure)
    if not intent.limit:
        key = _measure(order.key, rows, voice)
        of = "" if order.key.column is None else f" of {rows}"
        suffix = _sorted_by(f"the {key}{of}", order.descending, voice)
        return Content(
            f"the different {names} of the {rows}" if not intent.filters else f"the {names}",
            suffix=suffix,
        )
    best = _most(order.key, order.descending, rows, voice)
    best += "" if order.key.column is None else f" of {rows}"
    if intent.limit == 1:
        text = f"the {title(group)} with {best}"
        return Content(text, False, question=f"which {title(group)} has {best}?")
    names = f"{NUMBERS[intent.limit]} {names}"
    return Content(f"the {names} with {best}", question=f"which {names} have {best}?")


def _kept(intent: Intent, voice: Voice) -> str:
    """ "more than 3 hives", "an average age above 40"."""
    having = intent.having
    assert having
    table = intent.owner.member if intent.owner else intent.base
    rest = restricted(intent.filters, intent.either, table, True, voice)
    if having.measure.column is None:
        return how_many(having.operator, having.value, f"{table.noun}|{rest}", voice)
    function = {"min": "minimum ", "max": "maximum "}.get(having.measure.function, "")
    key = (
        function + title(having.measure.column) if function else _measure(having.measure, "", voice)
    )
    amount = voice.pick(
        *{">": ("above", "greater than"), "<": ("below", "less than")}[having.operator]
    )
    return f"{article(key)} of {plural(table.noun)}{rest} {amount} {having.value}"


def _most(key: Measure, descending: bool, rows: str, voice: Voice) -> str:
    if key.column is None:
        return f"the {'most' if descending else 'fewest'} {rows}"
    return f"the {'highest' if descending else 'lowest'} {_measure(key, rows, voice)}"


def _owned(intent: Intent, relation: Relation, voice: Voice) -> Content:
    """Groups that are rows of another table."""
    owner, label, key = relation.owner, relation.owner.label, intent.order and intent.order.key
    assert label
    if intent.having:
        kept, owners = _kept(intent, voice), plural(owner.noun)
        ending = f"{voice.pick('Give', 'Show', 'List')} their {_names([label])}."
        text = f"the {_names([label])} of the {owners} with {kept}"
        return Content(text, question=f"which {owners} have {kept}? {ending}")
    if isinstance(key, Measure):
        return _top_owners(intent, relation, key, voice)
    measure = intent.wanted[-1]
    assert isinstance(measure, Measure)
    rest = restricted(intent.filters, intent.either, relation.member, False, voice)
    with_rows = f"{owner.noun} with at least one {relation.member.noun}{rest}"
    those = plural(relation.member.noun)
    those = f"{voice.pick('these', 'such')} {those}" if rest else those
    shown = _measure(measure, those, voice) + (f" of {those}" if measure.column else "")
    if voice.chance(0.5):
        return Content(f"the {title(label)} and the {shown}", prefix=f"for each {with_rows}")
    its = "their" if is_person(owner.noun) else "its"
    shown = (
        shown
        if rest
        else shown.replace(f"of {those}", f"of {its} {those}" if measure.column else f"of {those}")
    )
    return Content(f"the {title(label)} of each {with_rows}, and the {shown}")


def _top_owners(intent: Intent, relation: Relation, key: Measure, voice: Voice) -> Content:
    """The keepers with the most hives."""
    owner, label, order = relation.owner, relation.owner.label, intent.order
    assert label and order
    rest = restricted(intent.filters, intent.either, relation.member, True, voice)
    rows = f"{plural(relation.member.noun)}{rest}"
    best = _most(key, order.descending, rows, voice)
    if key.column:
        best += f" of {rows}"
    elif not order.descending:
        best += " but at least one"
    also = f", and that {_short(key)}" if len(intent.wanted) > 1 else ""
    if intent.limit == 1:
        text = f"the {title(label)} of the {owner.noun} with {best}{also}"
        return Content(text, bool(also))
    also = also.replace("that", "these").replace(_short(key), f"{_short(key)}s") if also else ""
    owners = f"{NUMBERS[intent.limit]} {plural(owner.noun)}"
    return Content(f"the {_names([label])} of the {owners} with {best}{also}")


# Sets


def _combined(intent: Intent, other: Intent, voice: Voice) -> Content:
    value, noun = intent.wanted[0], intent.base.noun
    assert isinstance(value, ColumnProfile)
    names = _names([value])
    first, second = (
        restricted(side.filters, side.either, side.base, False, voice) for side in (intent, other)
    )
    said = {
        "INTERSECT": f"both {article(noun)}{first} and {article(noun)}{second}",
        "UNION": f"{article(noun)}{first}, {article(noun)}{second}, or both",
        "EXCEPT": f"{article(noun)}{first} but no {noun}{second}",
    }[intent.operator or "UNION"]
    if intent.joins:
        return Content(f"the different {names} of the {plural(value.noun)} that have {said}")
    return Content(
        f"the different {names} that have {said}", question=f"which different {names} have {said}?"
    )


# Parts


def _names(columns: list[ColumnProfile]) -> str:
    """The columns as a list of plurals, "values of x" for a name without plural."""
    titles = [title(column) for column in columns]
    return listed([plural(name) if has_plural(name) else f"values of {name}" for name in titles])


def _wanted(wanted: Wanted, intent: Intent, voice: Voice) -> str:
    home = intent.base.name
    if isinstance(wanted, ColumnProfile):
        if wanted.table != home and voice.chance(0.5):
            return f"the {title(wanted)} of {voice.pick('the', 'its') if not is_person(intent.base.noun) else 'the'} {wanted.noun}"
        return f"the {owned_title(wanted, home)}"
    if isinstance(wanted, Difference):
        left, right = title(wanted.left), title(wanted.right)
        if wanted.sign == "+":
            return f"the sum of {left} and {right}"
        return f"the {left} minus the {right}"
    assert isinstance(wanted, Case)
    yes, no = wanted.labels
    return f"the label '{yes}' if the {clause(wanted.condition, home, voice)} and '{no}' otherwise"


def _rows(intent: Intent, voice: Voice, many: bool) -> str:
    """The rows that are asked for, without article."""
    noun = plural(intent.base.noun) if many else intent.base.noun
    return noun + restricted(intent.filters, intent.either, intent.base, many, voice)


def _subject(intent: Intent, voice: Voice) -> str:
    article = "the" if intent.filters else voice.pick("the", "all", "all")
    return f"{article} {_rows(intent, voice, True)}"
