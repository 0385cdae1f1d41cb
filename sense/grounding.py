"""Does a question mention the values that its SQL needs, and does the SQL use those that it names?

Values are looked for as people write them: numbers in words and with units, dates, plurals, other
case, adjectives for countries, initials, parts of LIKE patterns. 0 and 1 need no mention, since
"has", "any" and "more than one" say them. No model is called; what words mean is not known here.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from sqlglot import exp

from sense.linking import STOP_WORDS, ValueLink, stem_word
from sense.mention import SchemaNames
from sense.numerals import Numeral, numerals
from sense.schema import natural_name

WRAPPERS = (exp.Neg, exp.Paren, exp.Lower, exp.Upper, exp.Cast, exp.Trim, exp.Tuple)
COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between, exp.In)
PATTERNS = (exp.Like, exp.ILike, exp.Glob)
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
MAX_WORD_NUMBER = 2
"""Greater numbers in words must be used, since "one" and "two" often count nothing; so must digits
but 0, which explains booleans."""

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
NEIGHBOURS: dict[type[exp.Expr], tuple[int, re.Pattern[str]]] = {
    exp.GT: (1, re.compile(_AT_LEAST, re.I)),
    exp.GTE: (-1, re.compile(_MORE, re.I)),
    exp.LT: (-1, re.compile(_AT_MOST, re.I)),
    exp.LTE: (1, re.compile(_LESS, re.I)),
}
"""`> 2` is "at least 3": what to add to the number of a comparison, and the words that allow it."""
MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}

_QUOTED = re.compile(
    r"(?<![^\W_])(?:'([^']{1,80})'|\"([^\"]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’)(?![^\W_])"
)
_WORD = re.compile(r"[^\W_]+")
_MONTHS = "january february march april may june july august september october november december"
MONTHS = {name[:3]: number for number, name in enumerate(_MONTHS.split(), 1)}
_DATE = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?\b.*")


class Needed(NamedTuple):
    """A value that the SQL compares with."""

    text: str
    """As the SQL has it, without quotes."""
    number: float | None
    """None for text."""
    operator: type[exp.Expr]
    """The comparison, as if the value stood at its right; `exp.Limit` for the size of a cut."""
    is_key: bool
    """Whether it is compared with a column that is called an id."""


class SqlWords(NamedTuple):
    """What a query says that its question may say too."""

    needed: tuple[Needed, ...]
    texts: tuple[str, ...]
    """Names and literals."""
    numbers: frozenset[float]
    """By which a question may mean those of the query."""
    reads_all: bool
    """Whether it selects `*`."""


class Words:
    """A text in which values are looked for."""

    def __init__(self, *texts: str) -> None:
        self.raw = "\n".join(texts)
        self.list = _WORD.findall(folded(self.raw))
        self.joined = f" {' '.join(self.list)} "
        self.stems = {stem_word(word) for word in self.list}
        self.numbers = {value for numeral in numerals(self.raw) for value in numeral.values}


def unmentioned_values(said: SqlWords, question: str, evidence: str = "") -> list[str]:
    """The values that the SQL needs and that neither question nor evidence mentions.

    >>> from sense.hardness import parse_sql
    >>> said = sql_words(parse_sql("SELECT a FROM city WHERE land = 'Italy' AND size > 5000000"))
    >>> unmentioned_values(said, "Which Italian cities have over 5 million people?")
    []
    >>> unmentioned_values(said, "Which cities have over four million people?")
    ['Italy', '5000000']
    """
    if not said.needed:
        return []
    words = Words(question, evidence)
    return [needed.text for needed in said.needed if not _is_mentioned(needed, words)]


def unused_values(said: SqlWords, question: str, links: Iterable[ValueLink] = ()) -> list[str]:
    """Quoted texts, numbers and values of the data in the question that stand nowhere in the SQL.

    links: values found by `sense.linking`; those that the question spells as the data does count.

    >>> from sense.hardness import parse_sql
    >>> said = sql_words(parse_sql("SELECT name FROM city WHERE country = 'Italy'"))
    >>> unused_values(said, "Which cities of 'Italy' have more than 3000 people?")
    ['3000']
    """
    texts = [next(filter(None, match.groups())) for match in _QUOTED.finditer(question)]
    texts += [link.value for link in links if _is_spelled(link.value, question)]
    named = [n for n in numerals(question) if n.values[0] > MAX_WORD_NUMBER * (not n.has_digits)]
    if not (texts or named):
        return []
    sql = Words(*said.texts, *map(natural_name, said.texts))
    sql.numbers |= said.numbers
    unused = [text for text in dict.fromkeys(texts) if not _is_text_in(text, sql, 1.0)]
    return unused + [
        numeral.text
        for numeral in named
        if not any(numeral.text in text for text in texts) and not _is_used(numeral, sql)
    ]


def unused_columns(said: SqlWords, question: str, names: SchemaNames) -> list[str]:
    """Columns that the question names in full and the SQL, which reads their table, does not use.

    Names of one word are left out: they are words of everyday speech.
    """
    used = {text.lower() for text in said.texts}
    if said.reads_all:
        return []
    return [
        mention.column
        for mention in names.mentions(question)
        if mention.table.lower() in used
        and mention.column
        and mention.column.lower() not in used
        and mention.end - mention.start >= len(mention.column)
        and " " in question[mention.start : mention.end]
    ]


def sql_words(tree: exp.Expr) -> SqlWords:
    """What the query says, found in one walk.

    Arguments of functions, results of CASE and factors of arithmetic are not needed: a question
    says them in its own way.
    """
    needed = []
    texts = []
    numbers = set()
    reads_all = False
    for node in tree.walk():
        if isinstance(node, exp.Literal):
            texts.append(node.name)
            if value := _needed(node):
                needed.append(value)
                if value.number is not None:
                    step, _ = NEIGHBOURS.get(value.operator, (0, None))
                    numbers |= {abs(value.number), abs(value.number + step)}
            elif isinstance(node.parent, exp.Offset) and not node.is_string:
                numbers.add(float(node.name) + 1)
        elif isinstance(node, exp.Identifier):
            texts.append(node.name)
        elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            reads_all = True
    return SqlWords(tuple(needed), tuple(texts), frozenset(numbers), reads_all)


def _needed(literal: exp.Literal) -> Needed | None:
    """The literal, where a condition compares with it or it is the size of a cut."""
    node: exp.Expr = literal
    sign = 1
    while isinstance(node.parent, WRAPPERS):
        node = node.parent
        sign = -sign if isinstance(node, exp.Neg) else sign
    parent = node.parent
    if not isinstance(parent, (*COMPARED, *PATTERNS, exp.Limit)):
        return None
    operator: type[exp.Expr] = type(parent)
    if node.arg_key == "this" and operator in MIRRORED:
        operator = MIRRORED[operator]
    column = parent.this if isinstance(parent.this, exp.Column) else None
    is_key = column is not None and natural_name(column.name).split()[-1:] == ["id"]
    return Needed(literal.name, _number(literal, sign), operator, is_key)


def _number(literal: exp.Literal, sign: int) -> float | None:
    try:
        return None if literal.is_string else sign * float(literal.name)
    except ValueError:  # in another base
        return None


def folded(text: str) -> str:
    """In lower case, without accents.

    >>> folded("Zürich")
    'zurich'
    """
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def _is_mentioned(needed: Needed, words: Words) -> bool:
    if needed.number is not None:
        return _is_number_in(needed, words)
    if issubclass(needed.operator, PATTERNS):
        pieces = re.split(r"[%_*?\[\]^]+", needed.text)
        return all(_is_text_in(piece, words) for piece in pieces if piece.strip())
    return _is_text_in(needed.text, words)


def _is_number_in(needed: Needed, words: Words) -> bool:
    number = needed.number
    assert number is not None
    if abs(number) in words.numbers or (number in IMPLIED and not needed.is_key):
        return True
    step, cue = NEIGHBOURS.get(needed.operator, (0, None))
    if cue and (abs(number + step) in words.numbers or number + step in IMPLIED):
        return bool(cue.search(words.raw))
    return False


def _is_text_in(text: str, words: Words, min_share: float = MIN_SHARE) -> bool:
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


def _is_word_in(word: str, words: Words) -> bool:
    if word.isdigit():
        return float(word) in words.numbers or word in words.list or _is_month_in(int(word), words)
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


def _is_spelled(value: str, question: str) -> bool:
    """Whether the question has the value, letter by letter, as words of its own."""
    at = question.find(value)
    end = at + len(value)
    return at >= 0 and not (question[at - 1 : at].isalnum() or question[end : end + 1].isalnum())


def _is_used(numeral: Numeral, sql: Words) -> bool:
    if not sql.numbers.isdisjoint(numeral.values):
        return True
    return any(f"{numeral.values[0]:g}" in word for word in sql.list)
