"""Words and people that nobody knows, for databases that cannot be recalled, only read.

Invented words are pronounceable and in lower case; `translate` puts them into names and values in
the case of the words that they stand for.
"""

import functools
import random
import re
from collections.abc import Iterable, Mapping

import apsw

KEPT_WORDS = frozenset(
    {"code", "count", "date", "day", "email", "month", "name", "number", "percent", "phone"}
    | {"price", "rate", "ref", "score", "share", "tag", "title", "total", "year"}
    | {"address", "city", "country", "postcode", "street", "town"}
    | {"celsius", "days", "degrees", "grams", "hectares", "hours", "litres", "metres", "miles"}
    | {"minutes", "months", "seconds", "weeks", "years"}
    | {"and", "for", "from", "has", "per", "the", "until", "was"}
)
"""Words that are never replaced, nor are those of one or two letters such as `id`, `kg` and `on`:
they tell what a column measures, so that a question about it still makes sense."""

FIRST_NAMES = """
    Aino Alma Amir Anton Beatriz Bruno Clara Dario Edith Elif Emil Farah Felix Grace Hana Henrik
    Ines Ivan Jonas Julia Kaito Lars Leila Lucia Marek Maya Milan Nadia Nils Noor Oskar Paula
    Petra Rafael Rosa Samir Signe Tomas Vera Yusuf
"""
SURNAMES = """
    Abadi Almeida Andersen Barros Becker Bianchi Blom Castro Dahl Dubois Egger Farkas Fischer
    Fontana Grant Haas Hansen Ivanova Jansen Kaya Keller Kowalski Laine Lindgren Marino Meyer
    Moreau Nagy Novak Okafor Olsen Osei Pereira Rossi Sato Silva Tanaka Varga Weber Yilmaz
"""

_WORD = re.compile(r"[^\W\d_]+")

_FIRST = (*"bdgklmnprstvz", "br", "dr", "gr", "kl", "kr", "pl", "pr", "sk", "sp", "st", "tr")
_MIDDLE = ("br", "dr", "gr", "kl", "kr", "pl", "pr", "sk", "sp", "z")
_LAST = (*"klmnt", "nal", "nek", "rom", "tak", "vil")
_VOWELS = "aeio"


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of names and values that can be replaced, in lower case.

    >>> sorted(words_of(["tiller_count", "Red Kite", "mast_m"]))
    ['kite', 'mast', 'red', 'tiller']
    """
    words = {word.lower() for text in texts for word in _WORD.findall(text)}
    return frozenset(word for word in words if len(word) > 2) - KEPT_WORDS


def invent_words(
    words: Iterable[str], share: float, rng: random.Random, avoid: Iterable[str] = ()
) -> dict[str, str]:
    """Real word -> invented word for a share of the words, all different.

    avoid: words that none may be, beside those of SQL and some common ones of English and Latin.
    """
    ordered = sorted(words)
    taken = {*_common_words(), *avoid, *ordered}
    invented = {}
    for word in rng.sample(ordered, round(share * len(ordered))):
        new = _new_word(rng)
        while new in taken:
            new = _new_word(rng)
        taken.add(new)
        invented[word] = new
    return invented


def translate(text: str, words: Mapping[str, str]) -> str:
    """The text with each word that is a key of `words` replaced, a capital first letter kept.

    >>> translate("red_kite_id", {"kite": "tilskek"}), translate("Red Kite", {"kite": "tilskek"})
    ('red_tilskek_id', 'Red Tilskek')
    """

    def replacement(match: re.Match[str]) -> str:
        word = match[0]
        new = words.get(word.lower())
        if new is None:
            return word
        return new.capitalize() if word[0].isupper() else new

    return _WORD.sub(replacement, text)


def invent_people(num: int, rng: random.Random) -> tuple[str, ...]:
    """`num` different names of people, at most 1,600 = 40 first names x 40 surnames."""
    first_names, surnames = FIRST_NAMES.split(), SURNAMES.split()
    numbers = rng.sample(range(len(first_names) * len(surnames)), num)
    pairs = (divmod(number, len(surnames)) for number in numbers)
    return tuple(f"{first_names[first]} {surnames[last]}" for first, last in pairs)


def _new_word(rng: random.Random) -> str:
    """Six letters or more, such as `tilskek`, ending so that a plain `s` makes it plural.

    The clusters in the middle make it unlike most words of a European language.
    """
    while True:
        first = rng.choice(_FIRST) + rng.choice(_VOWELS) + rng.choice(("", *"klmnr"))
        second = rng.choice(_MIDDLE) + rng.choice(_VOWELS)
        word = first + second + rng.choice(_LAST)
        if len(word) >= 6:
            return word


@functools.cache
def _common_words() -> frozenset[str]:
    from faker.providers.lorem import en_US, la

    keywords = {keyword.lower() for keyword in apsw.keywords}
    return frozenset(keywords | {*en_US.Provider.word_list} | {*la.Provider.word_list})
