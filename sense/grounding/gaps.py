"""Does a question mention what its SQL needs, and does the SQL use what the question names?

0 and 1 need no mention, since "has", "any" and "more than one" say them; nor do names and keys,
since a question names the things themselves.
"""

import re
from collections.abc import Iterable

from sense.grounding.numerals import numerals
from sense.grounding.query import SqlWords
from sense.grounding.spoken import (
    MAX_CODE_CHARS,
    MIN_PREFIX,
    Words,
    folded,
    is_mentioned,
    is_spelled,
    is_text_in,
    is_used,
)
from sense.prompts.linking import ValueLink, stem_word
from sense.prompts.mention import SchemaNames
from sense.schema import natural_name

MAX_WORD_NUMBER = 2
"""Greater numbers in words must be used, since "one" and "two" often count nothing; so must digits
but 0, which explains booleans."""
LABELS = ("name", "title", "label", "id", "key", "code", "no", "num", "number")
_ASKED_BY = """
where location city country address place state region district town
when date year time day month
day date
born birth dob
birth dob
birthdate dob
place venue location city
nation country nationality
country nationality nation
old age birth year
long duration length time minute second
much price amount cost total
far distance
tall height
heavy weight
fast speed
score star rating
rating star score
"""
ASKED_BY = {line.split()[0]: line.split()[1:] for line in _ASKED_BY.strip().splitlines()}
"""Words that ask for columns of other names."""

_QUOTED = re.compile(
    r"(?<![^\W_])(?:'([^']{1,80})'|\"([^\"]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’)(?![^\W_])"
)


def unmentioned_values(said: SqlWords, question: str, evidence: str = "") -> list[str]:
    """The values that the SQL needs and that neither question nor evidence mentions.

    >>> from sense.grounding.query import sql_words
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
    return [needed.text for needed in said.needed if not is_mentioned(needed, words)]


def unused_values(said: SqlWords, question: str, links: Iterable[ValueLink] = ()) -> list[str]:
    """Quoted texts, numbers and values of the data in the question that stand nowhere in the SQL.

    links: values found by `sense.prompts.linking`; those that the question spells as the data does
    count.

    >>> from sense.grounding.query import sql_words
    >>> from sense.hardness import parse_sql
    >>> said = sql_words(parse_sql("SELECT name FROM city WHERE country = 'Italy'"))
    >>> unused_values(said, "Which cities of 'Italy' have more than 3000 people?")
    ['3000']
    """
    texts = [next(filter(None, match.groups())) for match in _QUOTED.finditer(question)]
    texts += [link.value for link in links if is_spelled(link.value, question)]
    named = [n for n in numerals(question) if n.values[0] > MAX_WORD_NUMBER * (not n.has_digits)]
    if not (texts or named):
        return []
    sql = Words(*said.texts, *map(natural_name, said.texts))
    sql.numbers |= said.numbers
    unused = [text for text in dict.fromkeys(texts) if not is_text_in(text, sql, 1.0)]
    return unused + [
        numeral.text
        for numeral in named
        if not any(numeral.text in text for text in texts) and not is_used(numeral, sql)
    ]


def unmentioned_columns(said: SqlWords, question: str, evidence: str = "") -> list[str]:
    """Columns that the SQL returns and of which neither question nor evidence has any word.

    Names and keys are left out, since a question names the things themselves.

    >>> from sense.grounding.query import sql_words
    >>> from sense.hardness import parse_sql
    >>> said = sql_words(parse_sql("SELECT name, birth_city, salary FROM employee"))
    >>> unmentioned_columns(said, "Which employees are there, and where were they born?")
    ['salary']
    """
    columns = [name for name in said.selected if not _is_implied(name)]
    if not columns:
        return []
    words = Words(question, evidence)
    stems = words.stems.union(*(ASKED_BY.get(stem, ()) for stem in words.stems))
    return [name for name in columns if not any(_is_stem_in(w, stems) for w in _stems(name))]


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


def _stems(name: str) -> list[str]:
    return [stem_word(word) for word in folded(natural_name(name)).split()]


def _is_implied(name: str) -> bool:
    """Whether a column is named by naming its row, or has a name too short to be told."""
    stems = _stems(name)
    return len("".join(stems)) <= MAX_CODE_CHARS or any(stem.endswith(LABELS) for stem in stems)


def _is_stem_in(stem: str, stems: set[str]) -> bool:
    """Whether one of the stems is a form of this one, a part of it, or has it as a part."""
    if stem in stems:
        return True
    if len(stem) < MAX_CODE_CHARS:
        return False
    start = stem[:MAX_CODE_CHARS] if len(stem) <= MIN_PREFIX else stem[:MIN_PREFIX]
    return any(
        other.startswith(start) or other.endswith(stem) or stem.endswith(other)
        for other in stems
        if len(other) >= MAX_CODE_CHARS
    )
