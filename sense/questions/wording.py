"""English word forms for names of tables and columns: plural, singular, article, lists.

Rules and short lists of exceptions, meant for the nouns of database schemas. A name that reads as
no noun ("height cm", "is active") has no plural here, and a caller words around it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

NUM_KEPT = 65_536  # names of columns and tables, some 100 bytes each


def word_set(text: str) -> frozenset[str]:
    """The words of the text."""
    return frozenset(text.split())


IRREGULAR = {
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "life": "lives",
    "wife": "wives",
    "knife": "knives",
    "shelf": "shelves",
    "leaf": "leaves",
    "wolf": "wolves",
    "half": "halves",
    "loaf": "loaves",
    "calf": "calves",
    "hoof": "hooves",
    "scarf": "scarves",
    "thief": "thieves",
    "criterion": "criteria",
    "phenomenon": "phenomena",
    "analysis": "analyses",
    "diagnosis": "diagnoses",
    "thesis": "theses",
    "crisis": "crises",
    "basis": "bases",
    "axis": "axes",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "echo": "echoes",
    "medium": "media",
    "quiz": "quizzes",
}
SINGULAR = {many: one for one, many in IRREGULAR.items()}
SAME = word_set(
    """
    series species fish sheep deer aircraft staff equipment furniture news information data info
    weather software hardware music baggage luggage advice research feedback inventory mail
    """
)
"""Words with one form: `the staff`, `the aircraft`."""
ENDS_IN_S = word_set(
    """
    address class glass grass bus gas lens boss pass loss process access business status virus
    campus bonus census focus genus corpus bias atlas canvas iris chess press mass cross dress
    compass actress waitress hostess princess witness illness fitness chorus circus apparatus
    progress express success business tennis sales physics mathematics politics
    """
)
"""Singular nouns whose last letter is s."""
SYMBOLS = word_set(
    """
    m l g c h cm mm km kg mg ml usd eur gbp lb lbs mph kmh sqft sqm kw kwh mb gb pct percent
    celsius fahrenheit ph kt
    """
)
"""Units and currencies without a plural."""
PREPOSITIONS = word_set(
    """
    in by at on to from up for with of off out per since until till before after into onto
    """
)
NOT_NOUNS = (
    SYMBOLS
    | PREPOSITIONS
    | word_set(
        """
        is has was are active available enabled open closed paid full total born died founded built
        opened launched highest lowest max min yn mf
        """
    )
)
"""Last words that make a column name no countable noun."""
PARTICIPLES = word_set(
    """
    sold built paid dyed lost won held taken given written drawn sent kept made known seen done
    caught bought taught grown thrown worn torn spoken broken stolen frozen chosen flown born freed
    agreed met sung woven withdrawn
    """
)
"""Participles that do not show it by their ending."""
NO_PARTICIPLES = word_set(
    "hundred watershed sacred naked moped biped seabed flatbed riverbed hatred kindred infrared"
)
ADVERBS = word_set("last first best most least well newly ever once not self never always")
"""Before a participle these make no noun of it: "last emptied" is not a kind of "last"."""
PEOPLE = word_set(
    """
    person people student teacher keeper singer member employee customer client patient doctor
    physician nurse author writer artist actor actress director player coach driver pilot
    instructor professor candidate user owner visitor guest passenger friend participant manager
    worker volunteer donor officer captain guide trainer rider host buyer seller supplier composer
    musician painter poet editor reviewer reader borrower tenant resident citizen inhabitant
    scholar researcher scientist engineer technician mechanic chef baker farmer gardener beekeeper
    breeder gymnast swimmer wrestler cyclist climber athlete runner skater surfer dancer conductor
    judge lawyer politician senator representative governor mayor head parent child man woman boy
    girl staff assistant agent broker dealer apprentice craftsman artisan designer architect
    curator collector journalist photographer cast crew team-mate colleague dentist vet
    veterinarian therapist midwife surgeon advisor adviser tutor faculty undergraduate graduate
    highschooler high-schooler entrepreneur investor shareholder perpetrator victim suspect
    detective soldier diver sailor skipper angler hunter ranger warden keeper groomer courier cook
    waiter barista librarian archivist historian monk nun priest pastor
    caver policyholder philatelist hydrologist ringer fencer puppeteer astronomer astronaut
    clockmaker rescuer taster perfumer firefighter applicant aeronaut camper reporter examiner
    """
)


@lru_cache(maxsize=NUM_KEPT)
def plural(phrase: str) -> str:
    """The plural of a noun phrase: its last word, or the one before "of", "in" or a participle.

    >>> plural("date of birth"), plural("hive"), plural("game played"), plural("staff")
    ('dates of birth', 'hives', 'games played', 'staff')
    """
    head, tail = _split_tail(phrase)
    before, _, last = head.rpartition(" ")
    return f"{before} {_plural_word(last)}".strip() + tail


@lru_cache(maxsize=NUM_KEPT)
def singular(phrase: str) -> str:
    """The singular of a noun phrase; a singular comes back as it is.

    >>> singular("book loans"), singular("addresses"), singular("bus"), singular("people")
    ('book loan', 'address', 'bus', 'person')
    """
    head, tail = _split_tail(phrase)
    before, _, last = head.rpartition(" ")
    return f"{before} {_singular_word(last)}".strip() + tail


def is_plural(phrase: str) -> bool:
    """Whether the phrase is no singular: "hives", "hours per week"."""
    return singular(phrase) != phrase


@lru_cache(maxsize=NUM_KEPT)
def has_plural(phrase: str) -> bool:
    """Whether the name reads as a countable noun in the singular.

    >>> has_plural("home town"), has_plural("height cm"), has_plural("is open")
    (True, False, False)
    """
    words = phrase.split()
    if not all(re.fullmatch(r"[a-z]+(-[a-z]+)*", word) for word in words):
        return False
    if (
        words[0] in ("is", "has", "can", "was", "number", "num")
        or is_plural(phrase)
        or is_plural(words[0])
    ):
        return False
    if is_participle(words[-1]):
        return not is_bare_participle(phrase) and has_plural(" ".join(words[:-1]))
    return words[-1] not in NOT_NOUNS and _plural_word(words[-1]) != words[-1]


@lru_cache(maxsize=NUM_KEPT)
def is_participle(word: str) -> bool:
    """Whether the word says what was done, judged by its ending.

    >>> [word for word in ("appointed", "sold", "seed", "bed", "breed") if is_participle(word)]
    ['appointed', 'sold']
    """
    if word in PARTICIPLES:
        return True
    regular = re.search(r"[aeiouy].*[^e]ed$|i?ied$", word)
    return regular is not None and word not in NO_PARTICIPLES


@lru_cache(maxsize=NUM_KEPT)
def is_bare_participle(phrase: str) -> bool:
    """Whether the phrase ends in a participle without the noun it belongs to.

    >>> is_bare_participle("killed"), is_bare_participle("last seen")
    (True, True)
    >>> is_bare_participle("amount paid"), is_bare_participle("dog breed")
    (False, False)
    """
    *before, last = phrase.split()
    if not is_participle(last):
        return False
    return not before or before[-1] in ADVERBS | PREPOSITIONS or is_participle(before[-1])


def article(phrase: str) -> str:
    """The phrase with "a" or "an".

    >>> article("hive"), article("age"), article("university"), article("hour")
    ('a hive', 'an age', 'a university', 'an hour')
    """
    first = phrase.split(" ")[0].lower()
    vowel = first[:1] in "aeiou" and not re.match(r"uni([^nm]|$)|us[aeiu]|eu|one\b|ur[ai]", first)
    return f"{'an' if vowel or first in ('hour', 'honour', 'honor', 'heir') else 'a'} {phrase}"


def with_article(phrase: str) -> str:
    """The phrase as one of its kind: "a height", "points".

    >>> with_article("height"), with_article("points")
    ('a height', 'points')
    """
    return phrase if is_plural(phrase) else article(phrase)


def possessive(phrase: str) -> str:
    """The phrase with an apostrophe: "keeper's", "address's", "keepers'"."""
    return f"{phrase}'" if is_plural(phrase) and phrase.endswith("s") else f"{phrase}'s"


def listed(parts: Sequence[str], word: str = "and") -> str:
    """The parts as an English list.

    >>> listed(["name", "age", "city"]), listed(["Rome", "Paris"], "or")
    ('name, age and city', 'Rome or Paris')
    """
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def is_person(noun: str) -> bool:
    return noun.rsplit(" ", 1)[-1] in PEOPLE


def _split_tail(phrase: str) -> tuple[str, str]:
    match = re.search(r" (of|in|at|for|per|with) ", phrase)
    if match:
        return phrase[: match.start()], phrase[match.start() :]
    head, _, last = phrase.rpartition(" ")
    if is_participle(last) and not is_bare_participle(phrase):
        return head, f" {last}"
    return phrase, ""


def _plural_word(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in SAME or _singular_word(word) != word:
        return word
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"


def _singular_word(word: str) -> str:
    if word in SINGULAR:
        return SINGULAR[word]
    if word in SAME or word in ENDS_IN_S or not word.endswith("s") or len(word) < 4:
        return word
    if re.search(r"(ss|us|is)$", word):
        return word
    if word.endswith("ies") and len(word) > 4 and word != "movies":
        return f"{word[:-3]}y"
    if re.search(r"(sses|xes|ches|shes|zzes|uses)$", word) and not word.endswith("ouses"):
        return word[:-2] if word not in ("axes", "caches") else word[:-1]
    return word[:-1]
