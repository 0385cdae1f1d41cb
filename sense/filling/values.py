"""Values that look like what a column is called, made from its name, its type and its table's name.

Text comes from pools that Faker fills once per process, the same in every process; numbers from
ranges per word; `sense.filling.vocabulary` holds the words. A maker draws one value from the
caller's generator, so equal seeds give equal values.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from math import ceil, floor, log10
from random import Random
from typing import Any, TypeAlias

from sense.filling.constraints import Affinity, Bounds, FillColumn
from sense.filling.vocabulary import (
    ADJECTIVES,
    CATEGORIES,
    CONTACTS,
    DEPARTMENTS,
    NAMED_THINGS,
    NOUNS,
    NUMBERS,
    PEOPLE,
    TEXTS,
    THINGS_IN_ER,
)
from sense.schema import natural_name

Maker: TypeAlias = Callable[[Random], Any]

POOL_SIZE = 400
PEOPLE_WORDS = frozenset(PEOPLE.split())
CODE_WORDS = frozenset({"id", "code", "no", "number", "isbn", "serial", "tag", "ref", "key"})
THING_WORDS = frozenset(THINGS_IN_ER.split())
ADJECTIVE_LIST, NOUN_LIST, DEPARTMENT_LIST = ADJECTIVES.split(), NOUNS.split(), DEPARTMENTS.split()
FIRST_DAY, LAST_DAY = date(2010, 1, 1), date(2024, 12, 31)
FIRST_BIRTHDAY, LAST_BIRTHDAY = date(1950, 1, 1), date(2005, 12, 31)
YEARS, BIRTH_YEARS = (1985, 2024), (1940, 2004)
BIRTH_WORDS = frozenset({"birth", "dob", "birthday", "born"})
YES_NO = ("is", "has", "can", "was", "does", "are")


def value_maker(
    column: FillColumn,
    table: str,
    rng: Random,
    num_rows: int,
    vocabulary: Sequence[Any] = (),
) -> Maker:
    """A function that draws values for the column; NULL, keys and uniqueness are the caller's.

    rng decides once what the column is like (which categories, how skewed), num_rows how wide the
    ranges without a name are. vocabulary: values to draw from instead of invented ones.
    """
    bounds = column.bounds
    if bounds.choices:
        return _skewed(bounds.choices, rng)
    if vocabulary:
        return _skewed(vocabulary, rng)
    for pattern in bounds.patterns:
        return _patterned(pattern, bounds)
    words = natural_name(column.name).split()
    base = _maker(words, natural_name(table).split(), column, rng, num_rows)
    return _sized(base, column) if column.affinity == "TEXT" else base


def _maker(
    words: list[str], table: list[str], column: FillColumn, rng: Random, num_rows: int
) -> Maker:
    declared, affinity = column.type.upper(), column.affinity
    if affinity == "BLOB":
        return lambda r: r.randbytes(12)
    if "BOOL" in declared or (words and words[0] in YES_NO and affinity != "REAL"):
        return _skewed(("yes", "no") if affinity == "TEXT" else (1, 0), rng)
    when = _time_maker(words, declared, affinity, column.bounds)
    if when:
        return when
    if affinity in ("TEXT", "") or ("CHAR" in declared):
        return _text_maker(words, table, column, rng, num_rows)
    return _number_maker(words, column, num_rows)


def _time_maker(
    words: list[str], declared: str, affinity: Affinity, bounds: Bounds
) -> Maker | None:
    """Dates, times and years, ISO 8601 text unless the type wants a number."""
    numeric = affinity in ("INTEGER", "REAL")
    is_bounded = isinstance(bounds.low, (int, float)) or isinstance(bounds.high, (int, float))
    if is_bounded and ("year" not in words or affinity != "INTEGER"):
        return None
    if declared.startswith(("DATETIME", "TIMESTAMP")) or ("timestamp" in words and not numeric):
        return lambda r: f"{_day(r, bounds)} {r.randrange(24):02}:{r.randrange(60):02}:00"
    if declared == "TIME" or ("time" in words and affinity == "TEXT" and "date" not in words):
        return lambda r: f"{r.randrange(6, 23):02}:{r.randrange(60):02}"
    if declared == "YEAR" or words[-1:] == ["year"] or words[:1] == ["year"] or "founded" in words:
        usual = BIRTH_YEARS if BIRTH_WORDS & set(words) else YEARS
        if affinity == "TEXT":
            return lambda r: str(r.randint(*usual))
        low, high = _range(bounds, *usual, step=1)
        return lambda r: r.randint(int(low), int(high))
    if declared.startswith("DATE") or _is_date(words):
        first, last = FIRST_DAY, LAST_DAY
        if BIRTH_WORDS & set(words):
            first, last = FIRST_BIRTHDAY, LAST_BIRTHDAY
        if numeric:
            return lambda r: int(_day(r, bounds, first, last).replace("-", ""))
        return lambda r: _day(r, bounds, first, last)
    return None


def _is_date(words: list[str]) -> bool:
    return bool({"date", "dob", "birthday"} & set(words)) or words[-1:] in (["on"], ["at"])


def _day(r: Random, bounds: Bounds, first: date = FIRST_DAY, last: date = LAST_DAY) -> str:
    """A day in the range that the CHECKs leave, as ISO text."""
    low, high = _as_date(bounds.low), _as_date(bounds.high)
    first, last = low or min(first, high or first), high or max(last, low or last)
    return (first + timedelta(days=r.randint(0, max(0, (last - first).days)))).isoformat()


def _as_date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _text_maker(
    words: list[str], table: list[str], column: FillColumn, rng: Random, num_rows: int
) -> Maker:
    max_chars = _max_chars(column)
    code = _code(min(max_chars or 6, 6), column.bounds)
    kind = _kind(words, CONTACTS)
    if kind == "country" and max_chars is not None and max_chars <= 3:
        kind = "country_code"
    if kind:
        return _pooled(kind)
    if "name" in words or words == table or not words:
        return _name_maker([w for w in words if w != "name"], table, whole=words == ["name"])
    if words[-1] in CODE_WORDS:
        return code
    category = _entry(words[-1:], CATEGORIES) or _entry(words[-2:], CATEGORIES)
    if category:
        return _skewed(_some(category[1].split("|"), rng), rng)
    if PEOPLE_WORDS & set(words):
        return _pooled("person")
    kind = _kind(words, TEXTS)
    if kind:
        return _pooled(kind)
    if _number_range(words):
        number = _number_maker(words, column, num_rows)
        return lambda r: str(number(r))
    if CODE_WORDS & set(words) or (max_chars is not None and max_chars <= 4):
        return code
    return _name_maker(words, [], whole=False)


def _entry(words: list[str], entries: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """The first entry that one of the words, or its singular, belongs to."""
    singular = {form for word in words for form in (word, word.removesuffix("s"))}
    return next((entry for entry in entries if singular & set(entry[0].split())), None)


def _kind(words: list[str], entries: tuple[tuple[str, str], ...]) -> str | None:
    """The kind of text of the first entry one of whose phrases occurs."""
    phrase = f" {' '.join(words)} "
    for triggers, kind in entries:
        if any(f" {trigger} " in phrase for trigger in triggers.split("|")):
            return kind
    return None


def _name_maker(words: list[str], table: list[str], whole: bool) -> Maker:
    """Names of what the words before `name` say, else of what the table holds."""
    for context in ([] if whole else [words]) + [table]:
        thing = _entry(context, NAMED_THINGS)
        if thing:
            return _pooled(thing[1])
        if any(_is_person(word.removesuffix("s")) for word in context):
            return _pooled("person")
    return _pooled("title")


def _is_person(word: str) -> bool:
    return word in PEOPLE_WORDS or (
        len(word) > 4 and word.endswith(("er", "or", "ist", "ian")) and word not in THING_WORDS
    )


def _number_maker(words: list[str], column: FillColumn, num_rows: int) -> Maker:
    named = _number_range(words)
    if words and _is_id(words[-1]) and not named:
        named = (1, num_rows, 0)
    low, high, digits = named or (0, max(1000, 20 * num_rows), 2)
    if column.affinity == "INTEGER" or (column.affinity == "NUMERIC" and digits == 0):
        digits = 0
    low, high = _range(column.bounds, low, high, 10.0**-digits)
    if column.affinity != "INTEGER" and high > low:
        digits = max(digits, 2 - floor(log10(high - low)) if high - low < 20 else 0)
    if digits == 0:
        first, last = ceil(low), max(ceil(low), floor(high))
        if first > 0 and last / first > 1000:
            return lambda r: round(first * (last / first) ** r.random())
        return lambda r: r.randint(first, last)
    return lambda r: round(r.uniform(low, high), digits)


def _is_id(word: str) -> bool:
    """Whether the word is `id` or a short form such as `aid`."""
    return word == "id" or (word.endswith("id") and len(word) <= 4 and word not in ("paid", "bid"))


def _number_range(words: list[str]) -> tuple[float, float, int] | None:
    """Range and digits by the last word that has any; `number of x` and `x count` are counts."""
    if {"num", "number", "count", "total"} & set(words[:2]) and len(words) > 1:
        return (0, 500, 0) if "total" not in words else (5, 900, 2)
    for word in reversed(words):
        for triggers, low, high, digits in NUMBERS:
            if word in triggers.split() or word.removesuffix("s") in triggers.split():
                return low, high, digits
    return None


def _range(bounds: Bounds, low: float, high: float, step: float) -> tuple[float, float]:
    """The usual range, or as wide a one, inside what the CHECKs allow."""
    least = bounds.low if isinstance(bounds.low, (int, float)) else None
    most = bounds.high if isinstance(bounds.high, (int, float)) else None
    if least is not None and bounds.low_open:
        least += step
    if most is not None and bounds.high_open:
        most -= step
    width = high - low
    if least is not None and (low < least or most is not None):
        low, high = least, max(high, least + width) if high <= least else high
    if most is not None and (high > most or least is not None):
        high, low = most, min(low, most - width) if low >= most and least is None else low
    return low, max(low, high)


def _skewed(values: Sequence[Any], rng: Random) -> Maker:
    """Draws the values with falling frequency, in an order that rng decides."""
    order = rng.sample(list(values), len(values))
    weights = list(accumulate((rank + 1) ** -0.6 for rank in range(len(order))))
    return lambda r: r.choices(order, cum_weights=weights)[0]


def _some(values: list[str], rng: Random) -> list[str]:
    return values if len(values) <= 3 else rng.sample(values, rng.randint(3, min(6, len(values))))


def _pooled(kind: str) -> Maker:
    pool = _pool(kind)
    return lambda r: pool[int(r.random() * len(pool))]


@lru_cache(maxsize=256)
def _pool(kind: str) -> tuple[str, ...]:
    """Distinct texts of a kind in a fixed order, POOL_SIZE at most; a kind may be a template."""
    from faker import Faker

    fake = Faker("en_US")
    fake.seed_instance(kind)
    rng = Random(kind)
    makers: dict[str, Callable[[], str]] = {
        "email": fake.email,
        "phone": lambda: fake.numerify("###-####"),
        "url": lambda: f"https://www.{fake.domain_name()}",
        "first_name": fake.first_name,
        "last_name": fake.last_name,
        "user_name": fake.user_name,
        "person": lambda: f"{fake.first_name()} {fake.last_name()}",
        "code": lambda: fake.bothify("??####").upper(),
        "country": fake.country,
        "country_code": lambda: fake.country_code("alpha-3"),
        "language": fake.language_name,
        "address": fake.street_address,
        "street": fake.street_name,
        "zip": fake.postcode,
        "state": fake.state,
        "city": fake.city,
        "job": lambda: fake.job().split(",")[0],
        "company": fake.company,
        "department": lambda: rng.choice(DEPARTMENT_LIST),
        "title": lambda: f"{rng.choice(ADJECTIVE_LIST)} {rng.choice(NOUN_LIST)}",
        "text": lambda: fake.sentence(nb_words=8),
        "adjective": lambda: rng.choice(ADJECTIVE_LIST),
        "noun": lambda: rng.choice(NOUN_LIST),
        "noun2": lambda: rng.choice(NOUN_LIST),
    }
    if kind in makers:
        make = makers[kind]
    else:
        names = re.findall(r"\{(\w+)\}", kind)
        make = lambda: kind.format(**{name: makers[name]() for name in names})  # noqa: E731
    return tuple(dict.fromkeys(make() for _ in range(POOL_SIZE)))


def _code(num_chars: int, bounds: Bounds) -> Maker:
    """Codes such as `KT4071`: letters, then digits."""
    size = max(num_chars, bounds.min_chars)
    letters = size if size <= 3 else 2
    return lambda r: "".join(
        r.choice("ABCDEFGHJKLMNPRSTUVWXYZ" if i < letters else "0123456789") for i in range(size)
    )


def _patterned(pattern: str, bounds: Bounds) -> Maker:
    """Text that matches a LIKE pattern, or a GLOB pattern that begins with NUL."""
    if pattern.startswith("\0"):
        many, one, body = "*", "?", pattern[1:]
    else:
        many, one, body = "%", "_", pattern
    classes = r"\[\^?\]?[^\]]*\]|" if many == "*" else ""
    parts = re.findall(rf"{classes}.", body, flags=re.DOTALL)

    def make(r: Random) -> str:
        drawn = [_matching(part, many, one, r) for part in parts]
        missing = bounds.min_chars - sum(map(len, drawn))
        if missing > 0 and many in parts:
            drawn[parts.index(many)] += "".join(r.choice("abcdefgh") for _ in range(missing))
        text = "".join(drawn)
        if bounds.max_chars is not None and len(text) > bounds.max_chars:
            text = "".join("" if p == many else d for p, d in zip(parts, drawn, strict=True))
        return text

    return make


def _matching(part: str, many: str, one: str, r: Random) -> str:
    if part == many:
        return r.choice(NOUN_LIST).lower() if r.random() < 0.8 else r.choice(ADJECTIVE_LIST).lower()
    if part == one:
        return r.choice("ABCDEFGHKLMNPRSTUVWXYZ0123456789")
    if len(part) > 1:
        return r.choice(_class_members(part[1:-1]))
    return part


def _class_members(body: str) -> str:
    """The characters of a GLOB class such as `a-z0-9`, or printable others for `^a-z`."""
    negated, body = body.startswith("^"), body.removeprefix("^")
    ranges = re.findall(r"(.)-(.)|(.)", body)
    members = "".join(
        single or "".join(map(chr, range(ord(first), ord(last) + 1)))
        for first, last, single in ranges
    )
    if not negated:
        return members
    return "".join(c for c in map(chr, range(48, 123)) if c not in members and c.isalnum())


def _max_chars(column: FillColumn) -> int | None:
    """The tightest limit on the length of text: a CHECK, or VARCHAR(20), which SQLite ignores."""
    declared = re.search(r"\(\s*(\d+)\s*\)", column.type) if column.affinity == "TEXT" else None
    limits = [int(declared[1]) if declared else None, column.bounds.max_chars]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _sized(make: Maker, column: FillColumn) -> Maker:
    """The same values within the limits on the length of text."""
    most, least = _max_chars(column), column.bounds.min_chars
    if most is None and not least:
        return make

    def sized(r: Random) -> Any:
        value = make(r)
        if not isinstance(value, str):
            return value
        if most is not None and len(value) > most:
            value = value[:most].strip()
        if len(value) < least:
            value += "".join(r.choice("abcdefghijklmnoprstuvw") for _ in range(least - len(value)))
        return value

    return sized
