"""An English question for an `Intent`, in a style.

The same words always mean the same SQL: "different" is DISTINCT, "the keeper with the highest age"
is one row by ORDER BY and LIMIT, "whose age equals the maximum" compares with a subquery, "for each
city" shows the city first, "that have no hive" is IN and "for which there is no hive" EXISTS. What
restricts a noun is worded in `sense.questions.restriction`.
"""

import random
from itertools import groupby
from typing import NamedTuple

from sense.questions.evidence import evidence_of, loose_parts
from sense.questions.intent import (
    PEER,
    Case,
    Difference,
    Everything,
    Intent,
    Measure,
    OfGroup,
    Rank,
    Wanted,
    is_inner,
)
from sense.questions.measures import (
    count_word,
    grouped,
    measured,
    names_of,
    owned,
    rows_of,
    sorting,
    subject_of,
)
from sense.questions.profile import ColumnProfile
from sense.questions.restriction import clause, owned_title, predicate, restricted, title
from sense.questions.sentence import STYLES, STYLES_SPOKEN, Content, Style, Voice, sentence
from sense.questions.telling import tell
from sense.questions.wording import (
    article,
    has_plural,
    is_person,
    is_plural,
    listed,
    plural,
    possessive,
)

__all__ = ["STYLES", "STYLES_SPOKEN", "Question", "Style", "ask"]

PLAIN_STYLES: tuple[Style, ...] = ("interrogative", "imperative", "colloquial")
"""Those that the last sentence, or a vague question, may have."""


class Question(NamedTuple):
    """A question, and the evidence without which it has no answer."""

    text: str
    evidence: str = ""


def ask(intent: Intent, style: Style, rng: random.Random) -> Question | None:
    """The question for the intent; the wording varies with `rng`, its meaning does not.

    None where the intent has nothing that the style could leave vague.
    """
    if style == "vague":
        parts = loose_parts(intent)
        if not parts:
            return None
        loose = rng.choice(parts)
        voice = Voice(rng.choice(PLAIN_STYLES), rng, loose)
        return Question(sentence(_content(intent, voice), voice), evidence_of(loose, intent))
    if style == "several_sentences":
        voice = Voice(rng.choice(PLAIN_STYLES), rng)
        return Question(tell(intent, _content(intent, voice), voice))
    voice = Voice(style, rng)
    return Question(sentence(_content(intent, voice), voice))


def _content(intent: Intent, voice: Voice) -> Content:
    if intent.other:
        return _combined(intent, intent.other, voice)
    if intent.owner:
        return owned(intent, intent.owner, voice)
    if intent.group:
        return grouped(intent, intent.group, voice)
    if isinstance(intent.wanted[0], Measure):
        return measured(intent, voice)
    return _superlative(intent, voice) if intent.limit else _listing(intent, voice)


def _listing(intent: Intent, voice: Voice) -> Content:
    suffix = sorting(intent, voice)
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    if intent.distinct:
        return Content(f"{_different(columns)} of {subject_of(intent, voice)}", suffix=suffix)
    if isinstance(intent.wanted[0], Everything):
        words = voice.pick("all the information", "all details", "all columns")
        about = "about" if words.endswith("information") else "of"
        is_many = not words.endswith("information")
        text = f"{words} {about} {subject_of(intent, voice)}"
        return Content(text, is_many, suffix=suffix)
    is_many = len(intent.wanted) > 1 or (len(columns) == 1 and is_plural(title(columns[0])))
    if intent.joins or len(columns) < len(intent.wanted):
        names = _wanted_list(intent, voice)
        each = voice.pick("each", "every")
        rows = rows_of(intent, voice, False) + _paired(intent)
        labelled = names.split(" and whether ")
        question = ""
        if len(labelled) == 2:  # "what are the name and whether" is no English
            question = (
                f"for {each} {rows}, what is {labelled[0]}, and is it true that {labelled[1]}?"
            )
        return Content(names, is_many, f"for {each} {rows}", suffix, question)
    titles = [title(column) for column in columns]
    if all(map(has_plural, titles)) and voice.chance(0.75):
        text = f"the {names_of(columns)} of {subject_of(intent, voice)}"
        return Content(text, suffix=suffix, question=_which(intent, columns, voice, suffix))
    text = f"the {listed(titles)} of each {rows_of(intent, voice, False)}"
    return Content(text, is_many, suffix=suffix)


def _different(columns: list[ColumnProfile]) -> str:
    """ "the different cities", "the different combinations of city and age"."""
    if len(columns) == 1:
        return f"the different {names_of(columns)}"
    return f"the different combinations of {listed([title(column) for column in columns])}"


def _paired(intent: Intent) -> str:
    """ "who has a mentor", where each row refers to one of its own table; else ""."""
    if not any(map(is_inner, intent.joins)):
        return ""
    who = "who" if is_person(intent.base.noun) else "that"
    has = f" {who} has {article(intent.joins[0].role)}"
    return f" and{has}" if intent.filters else has


def _which(intent: Intent, columns: list[ColumnProfile], voice: Voice, suffix: str) -> str:
    """ "Which keepers have no hive? Give their names." where the filter is a verb phrase."""
    if len(intent.filters) != 1 or suffix or voice.chance(0.4):
        return ""
    verb = predicate(intent.filters[0], intent.base, voice)
    ending = f"{voice.pick('Give', 'List', 'Show')} their {names_of(columns)}."
    return f"which {plural(intent.base.noun)} {verb}? {ending}" if verb else ""


def _superlative(intent: Intent, voice: Voice) -> Content:
    order, noun, limit = intent.order, intent.base.noun, intent.limit
    assert order and isinstance(order.key, ColumnProfile)
    best = _extreme(order.key, order.descending, intent.base.name, voice)
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    is_many = len(columns) > 1 or limit > 1
    count = "" if limit == 1 else f" {count_word(limit, voice)}"
    subject = f"the{count} {noun if limit == 1 else plural(noun)} with {best}"
    among = ""
    if intent.filters and not intent.joins and voice.style != "keyword" and voice.chance(0.5):
        among = f"{voice.pick('of', 'among')} the {rows_of(intent, voice, True)}"
        subject = f"the{count or ' one'} with {best}"
    elif intent.filters:
        subject += (
            f" among those{restricted(intent.filters, intent.either, intent.base, True, voice)}"
        )
    if intent.joins:
        names = _wanted_list(intent, voice)
        return Content(names, len(columns) > 1, f"for {subject}")
    names = names_of(columns) if limit > 1 else listed([title(column) for column in columns])
    return Content(f"the {names} of {subject}", is_many, among)


def _extreme(column: ColumnProfile, descending: bool, home: str, voice: Voice) -> str:
    if column.kind in ("year", "date"):
        word = voice.pick("latest", "most recent") if descending else "earliest"
    else:
        word = voice.pick("highest", "largest") if descending else voice.pick("lowest", "smallest")
    return f"the {word} {owned_title(column, home)}"


def _combined(intent: Intent, other: Intent, voice: Voice) -> Content:
    value, noun = intent.wanted[0], intent.base.noun
    assert isinstance(value, ColumnProfile)
    names = names_of([value])
    if intent.base is not other.base:
        combine = _excepted if other.joins else _matched
        return combine(intent, other, names, voice)
    if not intent.joins and _names_rows(value, intent):
        return _merged(intent, other, voice)
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


def _names_rows(value: ColumnProfile, intent: Intent) -> bool:
    """Whether the set operation is one on rows: on their keys, or any UNION of their names."""
    return value == intent.base.key or (value == intent.base.label and intent.operator == "UNION")


def _merged(intent: Intent, other: Intent, voice: Voice) -> Content:
    """Rows of two kinds, each called by its own name."""
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    noun, who = plural(intent.base.noun), "who" if is_person(intent.base.noun) else "that"
    first, second = (
        restricted(side.filters, False, side.base, True, voice) for side in (intent, other)
    )
    together = voice.pick("together with", "as well as")
    but = voice.pick("except", "leaving out", "but not")
    said = {
        "INTERSECT": f"the {noun} {who} are both among those{first} and among those{second}",
        "UNION": f"all {noun}{first} {together} those of all {noun}{second}",
        "EXCEPT": f"all {noun}{first}, {but} those{second}",
    }[intent.operator or "UNION"]
    return Content(f"{_different(columns)} of {said}")


def _excepted(intent: Intent, other: Intent, names: str, voice: Voice) -> Content:
    """All names but those of the rows that have a certain row of another table."""
    rest = restricted(other.filters, False, other.base, False, voice)
    owners = plural(intent.base.noun)
    but = voice.pick("except the ones", "without those", "leaving out those")
    text = (
        f"the different {names} of all {owners} {but} of {owners} with {article(other.base.noun)}"
    )
    return Content(f"{text}{rest}")


def _matched(intent: Intent, other: Intent, names: str, voice: Voice) -> Content:
    """Values that stand in one column, in a like column of another table, or in both."""
    first, second = plural(intent.base.noun), plural(other.base.noun)
    where = voice.pick("occur", "are found")
    said = {
        "INTERSECT": f"both among the {first} and among the {second}",
        "UNION": f"among the {first}, among the {second}, or both",
        "EXCEPT": f"among the {first} but not among the {second}",
    }[intent.operator or "UNION"]
    return Content(f"the different {names} that {where} {said}")


def _wanted_list(intent: Intent, voice: Voice) -> str:
    """What is wanted of one row, columns of a table it refers to together.

    Beside such columns its own are called so: "the city's name and the region of its country".
    """
    parts = []
    tables = {getattr(item, "table", "") for item in intent.wanted}
    for table, group in groupby(intent.wanted, lambda item: getattr(item, "table", "")):
        columns = list(group)
        names = [_wanted(column, intent, voice) for column in columns]
        if table == intent.base.name and tables - {"", table}:
            parts.append(f"the {possessive(intent.base.noun)} {listed(names)}")
            continue
        if table in ("", intent.base.name):
            parts += [f"the {name}" if table else name for name in names]
            continue
        noun = columns[0].noun  # type: ignore[union-attr]
        if len(names) == 1 and voice.chance(0.5):
            parts.append(f"the {possessive(noun)} {names[0]}")
            continue
        is_direct = table == PEER or any(
            link.table == intent.base.name and link.ref_table == table for link in intent.joins
        )
        is_one = intent.limit < 2 and not is_person(intent.base.noun)
        its = "its" if is_direct and is_one else "the"
        parts.append(f"the {listed(names)} of {its} {noun}")
    return listed(parts)


def _wanted(wanted: Wanted, intent: Intent, voice: Voice) -> str:
    if isinstance(wanted, ColumnProfile):
        return title(wanted)
    if isinstance(wanted, Difference):
        left, right = title(wanted.left), title(wanted.right)
        if wanted.sign == "+":
            return f"the sum of {left} and {right}"
        return f"the {left} minus the {right}"
    if isinstance(wanted, Rank):
        return _rank(wanted, intent, voice)
    if isinstance(wanted, OfGroup):
        word = {"avg": "average", "min": "minimum", "max": "maximum"}[wanted.function]
        rows = f"all {plural(intent.base.noun)} with the same {title(wanted.group)}"
        return f"the {word} {title(wanted.column)} of {rows}"
    assert isinstance(wanted, Case)
    yes, no = wanted.labels
    test = clause(wanted.condition, intent.base.name, voice)
    return f"whether the {test} ('{yes}') or not ('{no}')"


def _rank(wanted: Rank, intent: Intent, voice: Voice) -> str:
    is_time = wanted.column.kind in ("year", "date")
    highest, lowest = ("latest", "earliest") if is_time else ("highest", "lowest")
    among = f"among {'these' if intent.filters else 'all'} {plural(intent.base.noun)}"
    start = f"1 {voice.pick('being', 'for')} the {highest if wanted.descending else lowest}"
    return f"the rank by {title(wanted.column)} {among} ({start})"
