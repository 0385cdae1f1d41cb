"""An English question for an `Intent`, in one of five styles.

Comparison words map one to one: more than, above, after are `>`; at least, or more is `>=`;
"different" is DISTINCT; between includes both ends. Every column, value and threshold is named.
"""

import random
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias, get_args

from sense.intent import (
    Beyond,
    Case,
    Compared,
    Condition,
    Difference,
    Filter,
    Has,
    Intent,
    Measure,
    Relation,
    Shared,
    Wanted,
)
from sense.profile import ColumnProfile, Value
from sense.wording import article, has_plural, is_person, is_plural, listed, plural, possessive

Style: TypeAlias = Literal["interrogative", "imperative", "formal", "colloquial", "keyword"]
STYLES: tuple[Style, ...] = get_args(Style)

COMPARED = {
    ">": ("is more than", "is greater than", "is above", "exceeds"),
    ">=": ("is at least", "is {} or more"),
    "<": ("is less than", "is below", "is under"),
    "<=": ("is at most", "is {} or less"),
    "=": ("is", "equals"),
    "<>": ("is not",),
}
COMPARED_YEAR = {
    ">": ("is after", "is later than"),
    ">=": ("is {} or later",),
    "<": ("is before", "is earlier than"),
    "<=": ("is {} or earlier",),
    "=": ("is",),
}
COMPARED_DATE = {
    ">": ("is after", "is later than"),
    ">=": ("is on or after",),
    "<": ("is before", "is earlier than"),
    "<=": ("is on or before",),
    "=": ("is",),
}
COUNTED = {
    ">": ("more than {}",),
    ">=": ("at least {}", "{} or more"),
    "<": ("fewer than {}",),
    "<=": ("at most {}", "{} or fewer"),
    "=": ("exactly {}",),
}
NUMBERS = dict(enumerate("zero one two three four five six seven eight nine ten".split()))
FUNCTIONS = {
    "avg": ("average", "mean"),
    "sum": ("total",),
    "min": ("lowest", "minimum", "smallest"),
    "max": ("highest", "maximum", "largest"),
}
COUNT_WORDS = frozenset("count number total amount level rate score size".split())


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
    return _sentence(_Phraser(intent, style, rng).content(), style, rng)


def _sentence(content: Content, style: Style, rng: random.Random) -> str:
    text, prefix, suffix = content.text, content.prefix, content.suffix
    if style == "keyword":
        return f"{text.removeprefix('the ')}{suffix}{' for ' + prefix[4:] if prefix else ''}"
    if content.question and style in ("interrogative", "colloquial"):
        return _capital(content.question)
    lead = f"{prefix}, " if prefix else ""
    if style == "interrogative":
        return _capital(f"{lead}what {'are' if content.is_many else 'is'} {text}{suffix}?")
    if style == "imperative":
        verbs = ("list", "show", "give", "return") if content.is_many else ("find", "give", "show")
        return _capital(f"{lead}{rng.choice(verbs)} {text}{suffix}.")
    if style == "formal":
        verbs = ("please provide", "please report", "please determine")
        return _capital(f"{lead}{rng.choice(verbs)} {text}{suffix}.")
    openings = ("can you tell me", "could you show me", "I'd like to know", "I need", "tell me")
    opening = rng.choice(openings)
    return _capital(f"{lead}{opening} {text}{suffix}" + ("?" if "ou" in opening else "."))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Phraser:
    """Words for the parts of one intent in one style."""

    def __init__(self, intent: Intent, style: Style, rng: random.Random) -> None:
        self.intent, self.style, self.rng = intent, style, rng
        self.nouns = {intent.base.name: intent.base.noun}

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def content(self) -> Content:
        intent = self.intent
        if intent.other:
            return self.combined()
        if intent.owner:
            return self.owned(intent.owner)
        if intent.group:
            return self.grouped(intent.group)
        if isinstance(intent.wanted[0], Measure):
            return self.measured()
        if intent.limit:
            return self.superlative()
        return self.listing()

    # rows

    def listing(self) -> Content:
        intent = self.intent
        suffix = self.sorting()
        if intent.distinct:
            names = listed([plural(self.title(c)) if has_plural(self.title(c)) else self.title(c) for c in self.columns()])
            many = self.subject(True)
            return Content(f"the different {names} of {many}", suffix=suffix)
        if intent.joins or any(not isinstance(wanted, ColumnProfile) for wanted in intent.wanted):
            names = listed([self.wanted(wanted) for wanted in intent.wanted])
            is_many = len(intent.wanted) > 1
            if self.rng.random() < 0.5 or self.style == "keyword":
                return Content(names, is_many, prefix=f"for {self.subject(False, 'each')}", suffix=suffix)
            return Content(names, is_many, prefix=f"for {self.subject(False, 'every')}", suffix=suffix)
        titles = [self.title(column) for column in self.columns()]
        if all(map(has_plural, titles)) and self.rng.random() < 0.75:
            names = listed([plural(title) for title in titles])
            return Content(f"the {names} of {self.subject(True)}", suffix=suffix)
        names = listed(titles)
        is_many = len(titles) > 1
        return Content(f"the {names} of {self.subject(False, 'each')}", is_many, suffix=suffix)

    def columns(self) -> list[ColumnProfile]:
        return [wanted for wanted in self.intent.wanted if isinstance(wanted, ColumnProfile)]

    def superlative(self) -> Content:
        intent = self.intent
        order = intent.order
        assert order and isinstance(order.key, ColumnProfile)
        best = self.extreme(order.key, order.descending)
        titles = [self.wanted(w).removeprefix("the ") for w in intent.wanted]
        noun = intent.base.noun
        if intent.limit == 1:
            subject = f"the {noun}{self.restriction(False)} with {best}"
        else:
            count = NUMBERS[intent.limit] if self.rng.random() < 0.5 else str(intent.limit)
            subject = f"the {count} {plural(noun)}{self.restriction(True)} with {best}"
        if self.restriction_is_long():
            lead = f"of {'the' if intent.filters else 'all'} {plural(noun)}{self.restriction(True)}"
            one = "one" if intent.limit == 1 else f"{intent.limit}"
            subject = f"the {one} with {best}"
            names = listed(titles)
            return Content(f"the {names} of {subject}", len(titles) > 1 or intent.limit > 1, prefix=lead)
        if intent.limit > 1 and all(map(has_plural, titles)):
            titles = [plural(title) for title in titles]
        return Content(f"the {listed(titles)} of {subject}", len(titles) > 1 or intent.limit > 1)

    def restriction_is_long(self) -> bool:
        return bool(self.intent.filters)

    def extreme(self, column: ColumnProfile, descending: bool) -> str:
        title = self.title(column)
        if column.table != self.intent.base.name:
            title = f"{self.noun(column.table)} {title}"
        if column.kind in ("year", "date"):
            return f"the {self.pick('latest', 'most recent') if descending else 'earliest'} {title}"
        return f"the {self.pick('highest', 'largest') if descending else self.pick('lowest', 'smallest')} {title}"

    def sorting(self) -> str:
        order = self.intent.order
        if not order:
            return ""
        if isinstance(order.key, ColumnProfile):
            title = self.title(order.key)
            if order.key.table != self.intent.base.name:
                title = f"{self.noun(order.key.table)} {title}"
            if order.key.kind in ("text", "category"):
                return self.pick(f", in alphabetical order of {title}", f", sorted alphabetically by {title}")
            words = ("latest", "earliest") if order.key.kind in ("year", "date") else ("highest", "lowest")
        else:
            title = self.wanted(order.key).removeprefix("the ")
            words = ("highest", "lowest")
        first, last = words if order.descending else words[::-1]
        direction = "descending" if order.descending else "ascending"
        return self.pick(
            f", from the {first} to the {last} {title}",
            f", sorted by {title} in {direction} order",
            f", in {direction} order of {title}",
        )

    # measures

    def measured(self) -> Content:
        intent = self.intent
        first = intent.wanted[0]
        assert isinstance(first, Measure)
        if first.function == "count" and first.column:
            title = self.title(first.column)
            names = plural(title) if has_plural(title) else f"values of {title}"
            many = self.subject(True)
            question = f"how many different {names} do {many} have?" if not intent.filters else ""
            question = question or f"how many different {names} are there among {many}?"
            return Content(f"the number of different {names} of {many}", False, question=question)
        if first.function == "count":
            many = self.subject(True, article="")
            verb = self.pick(f"how many {many} are there?", f"what is the number of {many}?")
            if self.style == "colloquial":
                verb = f"how many {many} are there?"
            return Content(f"the number of {many}", False, question=verb)
        parts = [self.function(w) for w in intent.wanted if isinstance(w, Measure)]
        column = first.column
        assert column
        of = f"{self.title(column)} of {self.subject(True)}"
        return Content(f"the {listed(parts)} {of}", len(parts) > 1)

    def function(self, measure: Measure) -> str:
        if measure.function in ("min", "max") and measure.column and measure.column.kind == "year":
            return "earliest" if measure.function == "min" else "latest"
        return self.pick(*FUNCTIONS[measure.function])

    def measure(self, measure: Measure, rows: str) -> str:
        """The measure as a noun phrase without article; `rows` names what is counted."""
        if measure.column is None:
            return f"number of {rows}"
        if measure.distinct:
            return f"number of different {plural(self.title(measure.column))}"
        return f"{self.function(measure)} {self.title(measure.column)}"

    # groups

    def grouped(self, group: ColumnProfile) -> Content:
        intent = self.intent
        title, rows = self.title(group), self.subject(True, article="")
        measure = next((w for w in intent.wanted if isinstance(w, Measure)), None)
        key = intent.order.key if intent.order else None
        key = key if isinstance(key, Measure) else None
        shown = self.measured_rows(measure, rows) if measure else ""
        if measure is None:
            titles = plural(title) if has_plural(title) else f"values of {title}"
            if intent.having:
                return self.kept_groups(titles, rows)
            assert intent.order and key
            ranked = self.ranked(key, rows)
            if intent.limit:
                return self.top_groups(title, titles, key, rows)
            return Content(f"the {titles} of {plural(intent.base.noun)}", suffix=ranked)
        suffix = self.ranked(key, rows) if key else ""
        if intent.having:
            kept = f" with {self.kept(rows)}"
            return Content(f"{shown}", False, prefix=f"for each {title}{kept}")
        if intent.order and not key:
            suffix = self.sorting()
        question = ""
        if measure.column is None and not suffix:
            question = f"how many {rows} are there for each {title}?"
        per = self.pick(" for each ", " per ", " by ") if self.style != "interrogative" else " for each "
        if measure.column is None and per == " by ":
            return Content(shown, False, suffix=f" by {title}{suffix}", question=question)
        return Content(shown, False, suffix=f"{per}{title}{suffix}", question=question)

    def measured_rows(self, measure: Measure, rows: str) -> str:
        text = self.measure(measure, rows)
        return f"the {text}" if measure.column is None else f"the {text} of {rows}"

    def ranked(self, key: Measure, rows: str) -> str:
        order = self.intent.order
        assert order
        if key.column is None:
            words = ("most", "fewest") if order.descending else ("fewest", "most")
            return f", from the {words[0]} to the {words[1]} {rows}"
        words = ("highest", "lowest") if order.descending else ("lowest", "highest")
        return f", from the {words[0]} to the {words[1]} {self.measure(key, rows)}"

    def most(self, key: Measure, rows: str) -> str:
        order = self.intent.order
        assert order
        if key.column is None:
            return f"the {'most' if order.descending else 'fewest'} {rows}"
        word = "highest" if order.descending else "lowest"
        of = "" if self.intent.owner else f" of {rows}"
        return f"the {word} {self.measure(key, rows)}{of}"

    def top_groups(self, title: str, titles: str, key: Measure, rows: str) -> Content:
        limit = self.intent.limit
        best = self.most(key, rows)
        if limit == 1:
            question = f"which {title} has {best}?"
            return Content(f"the {title} with {best}", False, question=question)
        question = f"which {NUMBERS[limit]} {titles} have {best}?"
        return Content(f"the {NUMBERS[limit]} {titles} with {best}", question=question)

    def kept(self, rows: str) -> str:
        """"more than 3 hives", "an average age above 40"."""
        having = self.intent.having
        assert having
        if having.measure.column is None:
            count = self.pick(*COUNTED[having.operator]).format(having.value)
            one = having.value == 1 and not count.endswith(("more", "fewer"))
            return f"{count} {self.subject(False, '') if one and not self.intent.owner else rows}"
        words = {">": ("above", "of more than"), "<": ("below", "of less than")}[having.operator]
        text = article(self.measure(having.measure, rows))
        of = "" if self.intent.owner else f" of {rows}"
        return f"{text}{of} {self.pick(*words)} {having.value}"

    def kept_groups(self, titles: str, rows: str) -> Content:
        kept = self.kept(rows)
        return Content(f"the {titles} with {kept}", question=f"which {titles} have {kept}?")

    def owned(self, relation: Relation) -> Content:
        """Groups that are rows of another table."""
        intent = self.intent
        owner, member = relation.owner.noun, plural(relation.member.noun)
        rows = f"{member}{self.restriction(True, relation.member.name)}"
        display = relation.owner.display
        assert display
        title = self.title(display)
        names = plural(title) if has_plural(title) else title
        measure = next((w for w in intent.wanted if isinstance(w, Measure)), None)
        key = intent.order.key if intent.order else None
        if measure is None and intent.having:
            kept = self.kept(rows)
            question = f"which {plural(owner)} have {kept}? {self.pick('Give', 'Show', 'List')} their {names}."
            return Content(f"the {names} of the {plural(owner)} with {kept}", question=question)
        if intent.limit and isinstance(key, Measure):
            best = self.most(key, rows)
            also = f" and the {self.measure(measure, rows)}" if measure else ""
            if intent.limit == 1:
                return Content(f"the {title} of the {owner} with {best}{also and ',' + also}", bool(also))
            return Content(
                f"the {names} of the {NUMBERS[intent.limit]} {plural(owner)} with {best}{also and ',' + also}"
            )
        assert measure
        shown = f"the {title} of each {owner} and {'its' if not is_person(owner) else 'their'} {self.measure(measure, rows)}"
        if measure.column:
            shown = f"the {title} of each {owner} and the {self.measure(measure, rows)} of its {rows}"
            if is_person(owner):
                shown = shown.replace(" of its ", " of their ")
        return Content(shown, suffix=self.sorting() if intent.order else "")

    # sets

    def combined(self) -> Content:
        intent = self.intent
        other = intent.other
        assert other
        value = intent.wanted[0]
        assert isinstance(value, ColumnProfile)
        title = self.title(value)
        names = plural(title) if has_plural(title) else f"values of {title}"
        first, second = intent.filters[0], other.filters[0]
        noun = intent.base.noun
        sides = [f"{article(noun)}{self.restriction_of([f], False)}" for f in (first, second)]
        whose = "" if not intent.joins else f" of the {plural(self.noun(value.table))}"
        words = {
            "INTERSECT": f"both {sides[0]} and {sides[1]}",
            "UNION": f"{sides[0]} or {sides[1]} or both",
            "EXCEPT": f"{sides[0]} but no {noun}{self.restriction_of([second], False)}",
        }
        said = words[intent.operator or "UNION"]
        if whose:
            return Content(f"the different {names}{whose} that have {said}")
        return Content(f"the different {names} that have {said}", question=f"which different {names} have {said}?")

    # parts

    def noun(self, table: str) -> str:
        return next(
            (c for c in (self.nouns.get(table),) if c), None
        ) or self.table_noun(table)

    def table_noun(self, table: str) -> str:
        from sense.schema import natural_name
        from sense.wording import singular

        return singular(natural_name(table))

    def title(self, column: ColumnProfile) -> str:
        words = column.words
        first = words.split()[0]
        if column.kind == "integer" and not (set(words.split()) & COUNT_WORDS) and (
            is_plural(words) or (is_plural(first) and " " in words)
        ):
            return f"number of {words}"
        return words

    def wanted(self, wanted: Wanted) -> str:
        if isinstance(wanted, ColumnProfile):
            title = self.title(wanted)
            if wanted.table == self.intent.base.name:
                return f"the {title}"
            return f"the {possessive(self.noun(wanted.table))} {title}"
        if isinstance(wanted, Difference):
            left, right = self.title(wanted.left), self.title(wanted.right)
            if wanted.sign == "+":
                return f"the sum of {left} and {right}"
            return f"the {left} minus the {right}"
        if isinstance(wanted, Case):
            yes, no = wanted.labels
            return f"the label '{yes}' if the {self.clause(wanted.condition)} and '{no}' otherwise"
        return f"the {self.measure(wanted, plural(self.intent.base.noun))}"

    def subject(self, many: bool, article: str | None = None) -> str:
        """The rows that are asked for, with what restricts them."""
        noun = self.intent.base.noun
        text = f"{plural(noun) if many else noun}{self.restriction(many)}"
        if article is None:
            article = "the" if self.intent.filters or self.rng.random() < 0.3 else "all"
        return f"{article} {text}".strip()

    def restriction(self, many: bool, home: str = "") -> str:
        return self.restriction_of(list(self.intent.filters), many, home)

    def restriction_of(self, filters: list[Filter], many: bool, home: str = "") -> str:
        if not filters:
            return ""
        word = "or" if self.intent.either else "and"
        return " " + f" {word} ".join(self.restrict(f, many, home) for f in filters)

    def restrict(self, item: Filter, many: bool, home: str = "") -> str:
        """One filter as it follows its noun."""
        home = home or self.intent.base.name
        if isinstance(item, Condition):
            return self.restrict_condition(item, many, home)
        if isinstance(item, Compared):
            relation = "more" if item.operator == ">" else "less"
            its = "their" if many or is_person(self.intent.base.noun) else "its"
            return f"whose {self.title(item.left)} is {relation} than {its} {self.title(item.right)}"
        if isinstance(item, Beyond):
            return f"whose {self.title(item.column)} {self.beyond(item)}"
        if isinstance(item, Shared):
            title = self.title(item.column)
            if item.negated:
                return f"whose {title} is shared by no other {self.intent.base.noun}"
            return f"whose {title} is shared by another {self.intent.base.noun}"
        member = item.relation.member
        scope = self.restrict(item.scope, False, member.name) if item.scope else ""
        scope = f" {scope}" if scope else ""
        who = "who" if is_person(item.relation.owner.noun) else "that"
        have = "have" if many else "has"
        if item.negated:
            return f"{who} {have} no {member.noun}{scope}"
        return f"{who} {have} at least one {member.noun}{scope}"

    def beyond(self, item: Beyond) -> str:
        title = self.title(item.column)
        rows = plural(self.intent.base.noun)
        if item.group:
            among = f"all {rows} with the same {self.title(item.group)}"
        elif item.scope:
            among = f"the {rows} {self.restrict(item.scope, True)}"
        else:
            among = f"all {rows}"
        if item.operator == "=":
            word = "maximum" if item.function == "max" else "minimum"
            return f"equals the {word} {title} of {among}"
        word = self.pick("above", "greater than") if item.operator == ">" else self.pick("below", "less than")
        return f"is {word} the average {title} of {among}"

    def restrict_condition(self, item: Condition, many: bool, home: str) -> str:
        column = item.column
        if column.table == home and column.kind == "boolean" and self.truth(item) is not None:
            return self.boolean(column.words, bool(self.truth(item)), many, home)
        who = "who" if is_person(self.noun(home)) else "that"
        if column.table == home and column.words == "age" and item.operator in (">", "<"):
            word = "older" if item.operator == ">" else "younger"
            return f"{who} {'are' if many else 'is'} {word} than {item.values[0]}"
        if (
            column.table == home
            and self.title(column).startswith("number of ")
            and item.operator in COUNTED
            and item.operator != "="
        ):
            words = self.title(column).removeprefix("number of ")
            return f"with {self.pick(*COUNTED[item.operator]).format(item.values[0])} {words}"
        owner = "" if column.table == home else f"{possessive(self.noun(column.table))} "
        return f"whose {owner}{self.clause(item)}"

    def truth(self, item: Condition) -> bool | None:
        first = item.column.words.split()[0]
        if item.operator != "=" or first not in ("is", "has", "can") or " " not in item.column.words:
            return None
        return str(item.values[0]).lower() in ("1", "t", "y", "yes", "true")

    def boolean(self, words: str, holds: bool, many: bool, home: str) -> str:
        first, rest = words.split(" ", 1)
        who = "who" if is_person(self.noun(home)) else "that"
        if first == "is":
            return f"{who} {'are' if many else 'is'} {'' if holds else 'not '}{rest}"
        if first == "can":
            return f"{who} {'can' if holds else 'cannot'} {rest}"
        have = "have" if many else "has"
        return f"{who} {have} {rest}" if holds else f"{who} {'do' if many else 'does'} not have {rest}"

    def clause(self, item: Condition) -> str:
        """The condition with its column as subject: "age is more than 40"."""
        title, operator, column = self.title(item.column), item.operator, item.column
        values = [self.value(value, column) for value in item.values]
        if operator == "between":
            return f"{title} is between {values[0]} and {values[1]}"
        if operator == "in":
            return f"{title} is {listed(values, 'or')}"
        if operator == "null":
            return f"{title} is {self.pick('missing', 'not known')}"
        if operator == "not null":
            return f"{title} is {self.pick('recorded', 'known')}"
        if operator == "in year":
            return f"{title} is in {values[0]}"
        if operator in ("starts", "contains", "ends"):
            word = {"starts": self.pick("starts with", "begins with"), "contains": "contains", "ends": "ends with"}
            return f"{title} {word[operator]} '{item.values[0]}'"
        table = {"year": COMPARED_YEAR, "date": COMPARED_DATE}.get(column.kind, COMPARED)
        phrase = self.pick(*(table.get(operator) or COMPARED[operator]))
        return f"{title} {phrase.format(values[0]) if '{}' in phrase else f'{phrase} {values[0]}'}"

    def value(self, value: Value, column: ColumnProfile) -> str:
        if not isinstance(value, str):
            return str(value)
        if column.kind == "date" and len(value) == 10 and self.style in ("formal", "colloquial"):
            day = date.fromisoformat(value)
            return f"{day.day} {day:%B} {day.year}"
        if column.kind == "date" or (self.style == "colloquial" and value[:1].isupper()):
            return value
        return f"'{value}'" if "'" not in value else f'"{value}"'
