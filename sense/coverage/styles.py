"""The styles in which a question may be asked, and whether a text is in one of them.

What is measured here are marks of a style that a program can see. A question may bear the marks of
several; the one that was asked for counts if the text bears its marks, else the first that fits.
"""

import re
from typing import NamedTuple

MAX_KEYWORD_WORDS = 40
"""A longer text is no search, whatever it lacks."""


class AskedStyle(NamedTuple):
    """One style of questions."""

    meaning: str
    """What a teacher is told."""


ASKED_STYLES: dict[str, AskedStyle] = {
    "vague": AskedStyle(
        "it names a value or a rule loosely, as somebody who does not know the data would, and the "
        "evidence says in one sentence which column, value or formula is meant"
    ),
    "several_sentences": AskedStyle(
        "two or three sentences: what the person has in mind first, then what they want to know"
    ),
    "keyword": AskedStyle(
        "a few words as typed into a search box, without a verb in front and without a full stop "
        "or a question mark"
    ),
    "interrogative": AskedStyle("one plain question that ends with a question mark"),
    "colloquial": AskedStyle(
        "as said to a colleague: I'd like to know, tell me, can you, what's, contractions allowed"
    ),
    "formal": AskedStyle(
        "one complete and courteous sentence, as in a written request: please provide, kindly"
    ),
    "imperative": AskedStyle(
        "one sentence that starts with a verb such as list, show, find, count or give"
    ),
}
"""Style -> what it means, those with the surest marks first: in this order a text is recognised."""

_SENTENCE_END = re.compile(r"[.?!][\"')]*\s+(?=[A-Z\"'(])")
_ABBREVIATION = re.compile(r"\b(?:[A-Z]|[Nn]o|[Vv]s|[Ss]t|[DM]r|Mrs|Jr|Sr|etc|e\.g|i\.e)\.\s")
_VERBS = frozenset(
    [
        "calculate",
        "compare",
        "compute",
        "count",
        "describe",
        "determine",
        "display",
        "extract",
        "fetch",
        "find",
        "get",
        "give",
        "identify",
        "list",
        "name",
        "output",
        "pick",
        "present",
        "print",
        "provide",
        "rank",
        "report",
        "retrieve",
        "return",
        "say",
        "select",
        "show",
        "sort",
        "state",
    ]
)
_DETERMINERS = frozenset(
    ("a", "all", "an", "any", "each", "every", "how", "me", "the", "their", "which", "who")
)
_COURTESY = re.compile(r"\b(?:please|kindly|may i|would you|could you please|i request)\b", re.I)
_COLLOQUIAL = re.compile(
    r"\b(?:i'd|i'm|i've|what's|who's|where's|how's|let's|don't|doesn't|isn't|aren't|gimme|wanna|"
    r"can you|could you|tell me|show me|give me|i need|i want|i would like|hey|hi|thanks|guys|"
    r"kinda|got any)\b",
    re.I,
)
_ASKING = frozenset(
    [
        "are",
        "can",
        "could",
        "did",
        "do",
        "does",
        "has",
        "have",
        "how",
        "in",
        "is",
        "of",
        "to",
        "was",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "for",
        "from",
        "among",
        "on",
        "at",
        "by",
    ]
)


def bears_marks(style: str, question: str, evidence: str = "") -> bool:
    """Whether the text bears the marks of the style.

    >>> bears_marks("keyword", "names of cities in Asia")
    True
    >>> bears_marks("interrogative", "List the cities in Asia.")
    False
    >>> bears_marks("several_sentences", "I plan a trip to Asia. Which cities are there?")
    True
    """
    words = re.findall(r"[\w']+", question.lower())
    if not words:
        return False
    is_one = len(sentences(question)) == 1
    first, ends_asking = words[0], question.rstrip("\"') ").endswith("?")
    if style == "vague":
        return bool(evidence.strip())
    if style == "several_sentences":
        return not is_one
    if style == "keyword":
        is_request = first in _VERBS and (words[1:2] or ["the"])[0] in _DETERMINERS
        is_bare = question.rstrip()[-1] not in ".?!" and first not in _ASKING and not is_request
        return is_one and is_bare and len(words) <= MAX_KEYWORD_WORDS
    if style == "interrogative":
        asks = is_one and ends_asking
        return (asks or _asks_then_requests(question)) and not _COLLOQUIAL.search(question)
    if style == "colloquial":
        return bool(_COLLOQUIAL.search(question)) and not _COURTESY.search(question)
    if style == "formal":
        return is_one and bool(_COURTESY.search(question))
    if style == "imperative":
        return is_one and not ends_asking and (first in _VERBS or _verb_after_comma(question))
    raise ValueError(f"style '{style}' is unknown; expected one of {', '.join(ASKED_STYLES)}")


def style_of(question: str, evidence: str = "", asked: str = "") -> str:
    """The style of the text: the one asked for if it bears its marks, else the first that fits.

    "" where no style fits.

    >>> style_of("Which cities are there?", asked="keyword")
    'interrogative'
    """
    if asked and bears_marks(asked, question, evidence):
        return asked
    return next((name for name in ASKED_STYLES if bears_marks(name, question, evidence)), "")


def sentences(text: str) -> list[str]:
    """The sentences of a text; a full stop after an abbreviation ends none.

    >>> sentences("Who plays for St. Mary? Give names.")
    ['Who plays for St. Mary?', 'Give names.']
    """
    masked = _ABBREVIATION.sub(lambda match: match[0][:-2] + "\0 ", text.strip())
    parts, start = [], 0
    for match in _SENTENCE_END.finditer(masked):
        parts.append(text.strip()[start : match.end()].strip())
        start = match.end()
    return [*parts, text.strip()[start:].strip()] if text.strip() else []


def _asks_then_requests(question: str) -> bool:
    """ "Which hives are empty? Give their names." is one question in two sentences."""
    parts = sentences(question)
    words = re.findall(r"\w+", parts[-1].lower())
    return len(parts) == 2 and parts[0].endswith("?") and words[:1] != [] and words[0] in _VERBS


def _verb_after_comma(question: str) -> bool:
    """ "For each city, list ..." is a request too."""
    _, comma, rest = question.partition(", ")
    words = re.findall(r"\w+", rest.lower())
    return bool(comma and words) and words[0] in _VERBS
