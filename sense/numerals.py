"""The numbers that an English text names: in digits, in words, with units, as ordinals and decades.

A numeral may mean several numbers: "5 million" is 5,000,000, or 5 in a column of millions.
"""

import re
from collections.abc import Iterator, Sequence
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


class Numeral(NamedTuple):
    """A number that a text names."""

    text: str
    values: tuple[float, ...]
    """The likeliest first."""
    start: int
    """Characters before it."""
    has_digits: bool


def numerals(text: str) -> list[Numeral]:
    """The numerals of the text in its order.

    >>> [(n.text, n.values[0]) for n in numerals("Three of 1,200 in the 1990s, over 2.5 million")]
    [('Three', 3.0), ('1,200', 1200.0), ('1990s', 1990.0), ('2.5 million', 2500000.0)]
    >>> numerals("twenty-five thousand and six hundred")[0].values
    (25600.0,)
    """
    found = [_from_digits(match) for match in _DIGITS.finditer(text)]
    covered = {at for n in found for at in range(n.start, n.start + len(n.text))}
    runs = _runs([match for match in _WORD.finditer(text) if match.start() not in covered], text)
    found += [numeral for run in runs if (numeral := _from_words(run, text))]
    return sorted(found, key=lambda numeral: numeral.start)


def numbers_in(text: str) -> frozenset[float]:
    """All numbers that the text may mean.

    >>> sorted(numbers_in("the 2nd of 30%"))
    [0.3, 2.0, 30.0]
    """
    return frozenset(value for numeral in numerals(text) for value in numeral.values)


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


def _runs(words: Sequence[re.Match[str]], text: str) -> Iterator[list[re.Match[str]]]:
    """Words of numbers that stand side by side, "and" and hyphens between them included."""
    run: list[re.Match[str]] = []
    for word in words:
        is_near = bool(run) and not text[run[-1].end() : word.start()].strip(" -")
        name = word[0].lower()
        is_number = name in SMALL or name in SCALES
        if run and not (is_near and (is_number or (name == "and" and _is_scale(run[-1])))):
            yield run
            run = []
        if is_number or name == "and" or name in ORDINALS or name in OTHERS:
            if run or name != "and":
                run.append(word)
            if name in ORDINALS or name in OTHERS:
                yield run
                run = []
    if run:
        yield run


def _is_scale(word: re.Match[str]) -> bool:
    return word[0].lower() in SCALES


def _from_words(run: Sequence[re.Match[str]], text: str) -> Numeral | None:
    names = [word[0].lower() for word in run]
    while names and names[-1] == "and":
        names.pop()
    if not names:
        return None
    total = part = 0.0
    for name in names:
        if name == "hundred":
            part = (part or 1) * 100
        elif name in SCALES:
            total, part = total + (part or 1) * SCALES[name], 0.0
        else:
            part += SMALL.get(name, ORDINALS.get(name, OTHERS.get(name, 0)))
    start, end = run[0].start(), run[len(names) - 1].end()
    return Numeral(text[start:end], (total + part,), start, has_digits=False)
