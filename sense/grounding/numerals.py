"""The numbers that an English text names: in digits, in words, with units, as ordinals and decades.

A numeral may mean several numbers: "5 million" is 5,000,000, or 5 in a column of millions.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
_UNITS += "fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
SMALL = {word: number for number, word in enumerate(_UNITS.split())}
SMALL |= {word: 10 * number for number, word in enumerate(_TENS.split(), 2)}
ORDINALS = {word: number for number, word in enumerate(_ORDINALS.split(), 1)}
OTHERS = {
    "once": 1, "single": 1, "twice": 2, "both": 2, "pair": 2, "couple": 2, "double": 2,
    "triple": 3, "dozen": 12, "half": 0.5,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
SHORT_SCALES = {"k": 1_000, "m": 1_000_000, "mn": 1_000_000, "bn": 1_000_000_000}

MAX_UNIT_CHARS = 4
"""Letters that may stand right behind digits: 180cm, 40mph."""
_SUFFIXES = "|".join([*SCALES, *SHORT_SCALES, "%", "percent", "st", "nd", "rd", "th", "s"])
_DIGITS = re.compile(
    r"(?<![^\W_])(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    rf"(?:[ -]?(?P<suffix>{_SUFFIXES})(?![^\W_])|[^\W\d_]{{0,{MAX_UNIT_CHARS}}}(?![^\W_]))"
    r"(?P<century>\s+century)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER_WORDS = frozenset((*SMALL, *SCALES, *ORDINALS, *OTHERS))


class Numeral(NamedTuple):
    """A number that a text names."""

    text: str
    values: tuple[float, ...]
    """The likeliest first."""
    start: int
    """Characters before it."""
    has_digits: bool


@lru_cache(maxsize=256)
def numerals(text: str) -> tuple[Numeral, ...]:
    """The numerals of the text in its order.

    >>> [(n.text, n.values[0]) for n in numerals("Three of 1,200 in the 1990s, over 2.5 million")]
    [('Three', 3.0), ('1,200', 1200.0), ('1990s', 1990.0), ('2.5 million', 2500000.0)]
    >>> numerals("twenty-five thousand and six hundred")[0].values
    (25600.0,)
    """
    found = [_from_digits(match) for match in _DIGITS.finditer(text)]
    words = [match for match in _WORD.finditer(text) if match[0].lower() in _NUMBER_WORDS]
    ends = [(numeral.start, numeral.start + len(numeral.text)) for numeral in found]
    words = [w for w in words if not any(start <= w.start() < end for start, end in ends)]
    found += [_from_words(run, text) for run in _runs(words, text)]
    return tuple(sorted(found, key=lambda numeral: numeral.start))


def _from_digits(match: re.Match[str]) -> Numeral:
    number = float(match["number"].replace(",", ""))
    suffix = (match["suffix"] or "").lower()
    values = [number]
    if scale := SCALES.get(suffix) or SHORT_SCALES.get(suffix):
        values = [number * scale, number]
    elif suffix in ("%", "percent"):
        values = [number, round(number / 100, 10)]
    elif match["century"]:
        values = [100 * number - 100, 100 * number - 99, 100 * number, number]
    elif suffix == "s":
        year = number + 1900 if number < 100 else number
        values = [year, year + 9, year + 10, year - 1, number]
    return Numeral(match[0].strip(), tuple(values), match.start(), has_digits=True)


def _runs(words: Sequence[re.Match[str]], text: str) -> list[list[re.Match[str]]]:
    """Number words that stand side by side, or with "and" between them, as one number."""
    runs: list[list[re.Match[str]]] = []
    for word in words:
        if runs and _continues(runs[-1][-1], word, text):
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _continues(last: re.Match[str], word: re.Match[str], text: str) -> bool:
    between = text[last.end() : word.start()].strip(" -").lower()
    is_near = not between or (between == "and" and last[0].lower() in SCALES)
    return is_near and _is_cardinal(last) and _is_cardinal(word)


def _is_cardinal(word: re.Match[str]) -> bool:
    return word[0].lower() in SMALL or word[0].lower() in SCALES


def _from_words(run: Sequence[re.Match[str]], text: str) -> Numeral:
    total = part = 0.0
    for name in (word[0].lower() for word in run):
        if name == "hundred":
            part = (part or 1) * 100
        elif name in SCALES:
            total, part = total + (part or 1) * SCALES[name], 0.0
        else:
            part += SMALL.get(name, ORDINALS.get(name, OTHERS.get(name, 0)))
    start, end = run[0].start(), run[-1].end()
    return Numeral(text[start:end], (total + part,), start, has_digits=False)
