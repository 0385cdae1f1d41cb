"""Noun phrases for rows, measures and groups: "the number of hives for each keeper"."""

import re

from sense.questions.draw import VAGUE_WORDS
from sense.questions.intent import Having, Intent, Measure, Order, Relation
from sense.questions.profile import ColumnProfile, Value
from sense.questions.restriction import how_many, owned_title, predicate, restricted, title
from sense.questions.sentence import Content, Voice
from sense.questions.wording import article, has_plural, is_person, is_plural, listed, plural

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
FUNCTIONS = {
    "avg": ("average", "mean"),
    "sum": ("total",),
    "min": ("lowest", "minimum"),
    "max": ("highest", "maximum"),
}

LOOSE_WORDS = {"avg": "typical", "sum": "overall", "max": "peak"}
"""How a person calls a measure without saying which it is."""
SHORT = {
    "count": "number",
    "sum": "total",
    "avg": "average",
    "min": "minimum",
    "max": "maximum",
}
"""The measure in one word, where it stands alone."""


def count_word(limit: int, voice: Voice) -> str:
    """ "three", or "few" where the number is not told."""
    return "few" if voice.omits(limit) else voice.pick(NUMBERS[limit], str(limit))


def names_of(columns: list[ColumnProfile]) -> str:
    """The columns as a list of plurals, "values of x" for a name without plural."""
    return listed([_plural_title(title(column)) for column in columns])


def rows_of(intent: Intent, voice: Voice, many: bool) -> str:
    """The rows that are asked for, without article."""
    noun = plural(intent.base.noun) if many else intent.base.noun
    return noun + restricted(intent.filters, intent.either, intent.base, many, voice)


def subject_of(intent: Intent, voice: Voice) -> str:
    article = "the" if intent.filters else voice.pick("the", "all", "all")
    return f"{article} {rows_of(intent, voice, True)}"


def _plural_title(name: str) -> str:
    if name.startswith("number of "):
        return name.replace("number", "numbers", 1)
    if is_plural(name):
        return name
    return plural(name) if has_plural(name) else f"values of {name}"


def sorted_by(
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


def sorting(intent: Intent, voice: Voice) -> str:
    """How rows or groups are ordered by a column, "" where they are not."""
    order, then = intent.order, intent.then
    home = intent.owner.owner.name if intent.owner else intent.base.name
    if not order:
        return ""
    if then:
        first, second = (_sorted_key(key, home) for key in (order, then))
        return f", {voice.pick('sorted', 'ordered')} by {first} and then by {second}"
    assert isinstance(order.key, ColumnProfile)
    name = owned_title(order.key, home)
    if order.key.kind in ("text", "category"):
        return voice.pick(
            f", in alphabetical order of {name}", f", sorted alphabetically by {name}"
        )
    times = order.key.kind in ("year", "date")
    return sorted_by(name, order.descending, voice, ("earliest", "latest") if times else None)


def _sorted_key(order: Order, home: str) -> str:
    """ "age in descending order"; from the lowest up where nothing is said."""
    assert isinstance(order.key, ColumnProfile)
    direction = " in descending order" if order.descending else ""
    return owned_title(order.key, home) + direction


def measured(intent: Intent, voice: Voice) -> Content:
    first = intent.wanted[0]
    assert isinstance(first, Measure)
    column = first.column
    if column is None:
        return _count(intent, voice)
    if first.function == "count":
        many, names = subject_of(intent, voice), names_of([column])
        if voice.omits(first):
            return Content(f"the {_measure(first, '', voice)} of {many}", False)
        verb = "are there among" if intent.filters or voice.chance(0.5) else "do"
        have = " have" if verb == "do" else ""
        question = f"how many different {names} {verb} {many}{have}?"
        return Content(f"the number of different {names} of {many}", False, question=question)
    words = [measure_words(w, voice) for w in intent.wanted if isinstance(w, Measure)]
    text = f"the {listed(words)} {title(column)} of {subject_of(intent, voice)}"
    return Content(text, len(words) > 1)


def _count(intent: Intent, voice: Voice) -> Content:
    rows = rows_of(intent, voice, True)
    noun = plural(intent.base.noun)
    question = f"how many {noun} are there{rows.removeprefix(noun)}?"
    if len(intent.filters) == 1:
        verb = predicate(intent.filters[0], intent.base, voice)
        question = f"how many {noun} {verb}?" if verb else question
    return Content(f"the number of {rows}", False, question=question)


def measure_words(measure: Measure, voice: Voice) -> str:
    if voice.omits(measure):
        return LOOSE_WORDS[measure.function]
    if measure.column and measure.column.kind == "year" and measure.function in ("min", "max"):
        return "earliest" if measure.function == "min" else "latest"
    return voice.pick(*FUNCTIONS[measure.function])


def _measure(measure: Measure, rows: str, voice: Voice) -> str:
    """The measure without article: "number of hives", "average age"."""
    if measure.column is None:
        return f"number of {rows}"
    if measure.distinct:
        names = names_of([measure.column])
        return f"variety of {names}" if voice.omits(measure) else f"number of different {names}"
    return f"{measure_words(measure, voice)} {title(measure.column)}"


def grouped(intent: Intent, group: ColumnProfile, voice: Voice) -> Content:
    name, rows = title(group), rows_of(intent, voice, True)
    if intent.second:
        name = f"{voice.pick('combination of ', 'pair of ')}{name} and {title(intent.second)}"
    measure = next((wanted for wanted in intent.wanted if isinstance(wanted, Measure)), None)
    if measure is None:
        return _kept_values(intent, group, rows, voice)
    shown = _measure(measure, rows, voice)
    # Readers put the measure first unless they are told what else is shown, and where.
    keys = listed([title(column) for column in (group, intent.second) if column])
    keys = keys.replace(" and ", ", the ")
    text = f"the {keys} and the {shown}{f' of {rows}' if measure.column else ''}"
    suffix = ""
    if intent.order:
        suffix = sorted_by(f"that {_short(measure, voice)}", intent.order.descending, voice)
    if intent.having:
        return Content(text, True, f"for each {name} with {_kept(intent, voice)}", suffix)
    if voice.style == "keyword" or voice.chance(0.3):
        return Content(text, True, suffix=f" {voice.pick('per', 'for each')} {name}{suffix}")
    question = (
        f"how many {rows} are there for each {name}{suffix}? Show the {keys} first."
        if measure.column is None
        else ""
    )
    return Content(text, True, f"for each {name}", suffix, question)


def _short(measure: Measure, voice: Voice) -> str:
    return loose_measure(measure) if voice.omits(measure) else SHORT[measure.function]


def _kept_values(intent: Intent, group: ColumnProfile, rows: str, voice: Voice) -> Content:
    """Values of a column, kept or ordered by a measure that is not shown."""
    names = names_of([group])
    if intent.having:
        kept, suffix = _kept(intent, voice), sorting(intent, voice)
        question = "" if suffix else f"which {names} have {kept}?"
        return Content(f"the {names} with {kept}", suffix=suffix, question=question)
    order = intent.order
    assert order and isinstance(order.key, Measure)
    if not intent.limit:
        key = _measure(order.key, rows, voice)
        of = "" if order.key.column is None else f" of {rows}"
        suffix = sorted_by(f"the {key}{of}", order.descending, voice)
        return Content(
            f"the different {names} of the {rows}" if not intent.filters else f"the {names}",
            suffix=suffix,
        )
    best = _most(order.key, order.descending, rows, voice)
    best += "" if order.key.column is None else f" of {rows}"
    if intent.filters:  # else each value has some
        best = best.replace("the fewest", "the fewest (but at least one)")
    if intent.limit == 1:
        text = f"the {title(group)} with {best}"
        return Content(text, False, question=f"which {title(group)} has {best}?")
    names = f"{count_word(intent.limit, voice)} {names}"
    return Content(f"the {names} with {best}", question=f"which {names} have {best}?")


def _kept(intent: Intent, voice: Voice) -> str:
    """ "more than 3 hives", "an average age above 40"."""
    having = intent.having
    assert having
    table = intent.owner.member if intent.owner else intent.base
    rest = restricted(intent.filters, intent.either, table, True, voice)
    if voice.omits(having):
        return loose_threshold(intent) + rest
    if having.value is None:
        return _above_average(intent, having, plural(table.noun), rest)
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


def _above_average(intent: Intent, having: Having, rows: str, rest: str) -> str:
    """ "more hives than the average over all keepers with at least one hive"."""
    is_more, column = having.operator == ">", having.measure.column
    if intent.owner:
        owner, member = intent.owner.owner, intent.owner.member
        inner = f"{plural(owner.noun)} with at least one {member.noun}"
    else:
        assert intent.group
        inner = names_of([intent.group])
    groups = f"all {inner}{' of that kind' if rest and intent.owner else ''}"
    if rest and not intent.owner:
        groups += f" with such {rows}"
    if column is None:
        return f"{'more' if is_more else 'fewer'} {rows}{rest} than the average over {groups}"
    amount, average = f"a total {title(column)}", "the average total"
    if having.measure.distinct:
        amount, average = f"a number of different {names_of([column])}", "the average number"
    end = f"{'above' if is_more else 'below'} {average} over {groups}"
    return f"{amount} of {rows}{rest} {end}"


def loose_measure(measure: Measure) -> str:
    """ "typical price", "variety of cities"; "" where there is no word for it."""
    column = measure.column
    if not column or column.words in VAGUE_WORDS or column.kind in ("year", "date"):
        return ""
    if measure.distinct:
        return f"variety of {names_of([column])}"
    word = LOOSE_WORDS.get(measure.function)
    return f"{word} {title(column)}" if word else ""


def loose_threshold(intent: Intent) -> str:
    """ "many hives", "a low average age of keepers"; "" where there is no word for what is kept.

    Nor is there one for more hives than less than most groups have.
    """
    having, table = intent.having, intent.owner.member if intent.owner else intent.base
    if not having or having.value is None or having.operator not in (">", ">=", "<", "<="):
        return ""
    is_more, column = having.operator in (">", ">="), having.measure.column
    if column:
        is_told = having.measure.function == "avg" and column.words not in VAGUE_WORDS
        middle: Value = sorted(column.values)[len(column.values) // 2] if column.values else 0
    else:
        num_groups = intent.group.num_distinct if intent.group else 1
        is_told, middle = True, max(2.0, intent.base.num_rows / max(1, num_groups))
    is_far = having.value >= middle if is_more else having.value <= middle  # type: ignore[operator]
    if not is_told or not is_far:
        return ""
    rows = plural(table.noun)
    if column is None:
        return f"{'many' if is_more else 'few'} {rows}"
    return f"a {'high' if is_more else 'low'} average {title(column)} of {rows}"


def _most(key: Measure, descending: bool, rows: str, voice: Voice) -> str:
    if key.column is None:
        return f"the {'most' if descending else 'fewest'} {rows}"
    return f"the {'highest' if descending else 'lowest'} {_measure(key, rows, voice)}"


def owned(intent: Intent, relation: Relation, voice: Voice) -> Content:
    """Groups that are rows of another table."""
    owner, label, key = relation.owner, relation.owner.label, intent.order and intent.order.key
    assert label
    if intent.over:
        return _overall(intent, relation, voice)
    if intent.having:
        kept, owners = _kept(intent, voice), plural(owner.noun)
        suffix = sorting(intent, voice)
        ending = f"{voice.pick('Give', 'Show', 'List')} their {names_of([label])}{suffix}."
        text = f"the {names_of([label])} of the {owners} with {kept}"
        return Content(text, suffix=suffix, question=f"which {owners} have {kept}? {ending}")
    if isinstance(key, Measure):
        return _top_owners(intent, relation, key, voice)
    measure = intent.wanted[-1]
    assert isinstance(measure, Measure)
    rest = restricted(intent.filters, intent.either, relation.member, False, voice)
    with_rows = f"{owner.noun} with at least one {relation.member.noun}{rest}"
    those = plural(relation.member.noun)
    those = f"{voice.pick('these', 'such')} {those}" if rest else those
    shown = _measure(measure, those, voice) + (f" of {those}" if measure.column else "")
    if voice.style == "interrogative" or (voice.style != "keyword" and voice.chance(0.5)):
        return Content(f"the {title(label)} and the {shown}", prefix=f"for each {with_rows}")
    if measure.column and not rest:
        its = "their" if is_person(owner.noun) else "its"
        shown = f"{_measure(measure, those, voice)} of {its} {those}"
    return Content(f"the {title(label)} of each {with_rows}, and the {shown}")


def _overall(intent: Intent, relation: Relation, voice: Voice) -> Content:
    """The average number of hives per keeper."""
    measure, function = intent.wanted[0], intent.over
    assert isinstance(measure, Measure) and function
    member = relation.member
    rest = restricted(intent.filters, intent.either, member, True, voice)
    shown = _measure(measure, f"{plural(member.noun)}{rest}", voice)
    shown += f" of {plural(member.noun)}{rest}" if measure.column else ""
    word = voice.pick(*FUNCTIONS[function])
    owners = f"{plural(relation.owner.noun)} that have any"
    owners = owners.replace("that", "who") if is_person(relation.owner.noun) else owners
    text = f"the {word} {shown} per {relation.owner.noun}, counting only {owners}"
    return Content(text, False)


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
        best = best.replace("the fewest", "the fewest (but at least one)")
    also = f", and that {_short(key, voice)}" if len(intent.wanted) > 1 else ""
    if intent.limit == 1:
        text = f"the {title(label)} of the {owner.noun} with {best}{also}"
        return Content(text, False)
    also = also and f", and these {'values' if voice.omits(key) else f'{_short(key, voice)}s'}"
    owners = f"{count_word(intent.limit, voice)} {plural(owner.noun)}"
    return Content(f"the {names_of([label])} of the {owners} with {best}{also}")
