"""Is a value in a text, as people write it?

Numbers in words and with units, dates, plurals, other case, adjectives for countries, initials,
slips, parts of LIKE patterns. No model is called; what words mean is not known here.
"""

import difflib
import re
import unicodedata

from sqlglot import exp

from sense.grounding.numerals import Numeral, numerals
from sense.grounding.query import PATTERNS, STEPS, Needed
from sense.prompts.linking import STOP_WORDS, stem_word

IMPLIED = (0.0, 1.0)
"""Booleans, "has no ...", "any", "more than one", "only"."""
IMPLIED_WORDS = frozenset(("0", "1", "y", "n", "yes", "no", "t", "f", "true", "false", "null", ""))
"""The same as texts."""
MIN_PREFIX = 4
"""Letters that two words must begin with to count as forms of one: Italy, Italian."""
MIN_SHARE = 0.6
"""Of the words of a value that a question must have: it may leave out "Street" or "Inc."."""
MIN_RATIO = 0.8
"""Of `difflib`, for words of five letters and more with a slip in them."""
MAX_CODE_CHARS = 3
"""A shorter value may be an abbreviation: F for female, NY for New York."""

_ALIASES = """
usa us united states america american americans
uk britain british united kingdom england english
france french
netherlands holland dutch
spain spanish
switzerland swiss
denmark danish
poland polish
m male men man boy boys
f female women woman girl girls
"""
ALIASES = [frozenset(line.split()) for line in _ALIASES.strip().splitlines()]

_AT_LEAST = (
    r"at least|or (more|above|over|later|after|older|higher|greater)|minimum|no less|no fewer"
)
_AT_MOST = r"at most|or (less|fewer|below|under|earlier|before|younger|lower)|maximum|no more|up to"
_MORE = r"more|over|above|after|greater|exceed|older|larger|longer|higher|several|multiple|better"
_LESS = r"less|fewer|under|below|before|younger|smaller|shorter|lower|earlier"
CUES: dict[type[exp.Expr], re.Pattern[str]] = {
    exp.GT: re.compile(_AT_LEAST, re.I),
    exp.GTE: re.compile(_MORE, re.I),
    exp.LT: re.compile(_AT_MOST, re.I),
    exp.LTE: re.compile(_LESS, re.I),
}
"""The words that allow the step of a comparison."""

_WORD = re.compile(r"[^\W_]+")
_MONTHS = "january february march april may june july august september october november december"
MONTHS = {name[:3]: number for number, name in enumerate(_MONTHS.split(), 1)}
_DATE = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?\b.*")


class Words:
    """A text in which values are looked for."""

    def __init__(self, *texts: str) -> None:
        self.raw = "\n".join(texts)
        self.list = _WORD.findall(folded(self.raw))
        self.joined = f" {' '.join(self.list)} "
        self.stems = {stem_word(word) for word in self.list}
        self.numbers = {value for numeral in numerals(self.raw) for value in numeral.values}


def folded(text: str) -> str:
    """In lower case, without accents.

    >>> folded("Zürich")
    'zurich'
    """
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def is_mentioned(needed: Needed, words: Words) -> bool:
    if needed.number is not None:
        return _is_number_in(needed, words)
    if issubclass(needed.operator, PATTERNS):
        pieces = re.split(r"[%_*?\[\]^]+", needed.text)
        return all(is_text_in(piece, words) for piece in pieces if piece.strip())
    return is_text_in(needed.text, words)


def is_text_in(text: str, words: Words, min_share: float = MIN_SHARE) -> bool:
    """Whether the words name the text, perhaps in another form."""
    parts = _WORD.findall(folded(text))
    if "".join(parts) in IMPLIED_WORDS or f" {' '.join(parts)} " in words.joined:
        return True
    if (date := _DATE.fullmatch(text.strip())) and _is_date_in(date, words):
        return True
    if len(parts) == 1 and len(text) <= MAX_CODE_CHARS and _is_abbreviated(parts[0], words):
        return True
    if len(parts) > 1 and "".join(part[0] for part in parts) in words.list:
        return True
    main = [part for part in parts if part not in STOP_WORDS] or parts
    found = sum(_is_word_in(part, words) for part in main)
    return found >= min_share * len(main) or "".join(parts) in words.joined.replace(" ", "")


def is_spelled(value: str, question: str) -> bool:
    """Whether the question has the value, letter by letter, as words of its own."""
    at = question.find(value)
    end = at + len(value)
    return at >= 0 and not (question[at - 1 : at].isalnum() or question[end : end + 1].isalnum())


def is_used(numeral: Numeral, sql: Words) -> bool:
    if not sql.numbers.isdisjoint(numeral.values):
        return True
    return any(f"{numeral.values[0]:g}" in word for word in sql.list)


def _is_number_in(needed: Needed, words: Words) -> bool:
    number = needed.number
    assert number is not None
    if abs(number) in words.numbers or (number in IMPLIED and not needed.is_key):
        return True
    near = number + STEPS.get(needed.operator, 0)
    if near != number and (abs(near) in words.numbers or near in IMPLIED):
        return bool(CUES[needed.operator].search(words.raw))
    return False


def _is_word_in(word: str, words: Words) -> bool:
    if word.isdecimal():
        is_there = float(word) in words.numbers or word in words.list
        return is_there or (len(word) <= 2 and _is_month_in(int(word), words))
    if stem_word(word) in words.stems:
        return True
    if any(word in group and not group.isdisjoint(words.list) for group in ALIASES):
        return True
    if len(word) < MIN_PREFIX:
        return len(word) == MAX_CODE_CHARS and any(other.startswith(word) for other in words.list)
    start = word[:MIN_PREFIX]
    return any(
        (other.startswith(start) and _are_forms(word, other)) or _is_slip(word, other)
        for other in words.list
    )


def _are_forms(word: str, other: str) -> bool:
    """Whether both begin with most of the shorter one."""
    common = 0
    for a, b in zip(word, other, strict=False):
        if a != b:
            break
        common += 1
    return common >= max(MIN_PREFIX, min(len(word), len(other)) - 2)


def _is_slip(word: str, other: str) -> bool:
    if min(len(word), len(other)) <= MIN_PREFIX or abs(len(word) - len(other)) > 2:
        return False
    return difflib.SequenceMatcher(None, word, other).ratio() >= MIN_RATIO


def _is_abbreviated(code: str, words: Words) -> bool:
    """Whether a word begins with the code, or words that follow one another have its initials."""
    initials = "".join(word[0] for word in words.list)
    is_code = len(code) > 1 and code in initials
    return is_code or any(word.startswith(code) for word in words.list if word not in STOP_WORDS)


def _is_date_in(date: re.Match[str], words: Words) -> bool:
    """Whether the year is there, and of month and day what is no edge of the year."""
    if float(date["year"]) not in words.numbers:
        return False
    month = int(date["month"])
    has_month = float(month) in words.numbers or _is_month_in(month, words)
    has_day = not date["day"] or float(date["day"]) in words.numbers
    is_edge = (date["month"], date["day"]) in (("01", "01"), ("12", "31"), ("01", None))
    return is_edge or (has_month and (has_day or date["day"] in ("01", "28", "29", "30", "31")))


def _is_month_in(month: int, words: Words) -> bool:
    return any(MONTHS.get(word[:3]) == month for word in words.list if len(word) > 2)
