"""SQL sampled from a schema and its data at a requested hardness, with an English question for it.

No language model: an `Intent` is drawn from a table of patterns, its SQL is run, and what says
nothing on the data is rejected with a reason. What is emitted has a result that depends on every
part of the query and that `check_gold` calls `ok`: it is defined, without ties at a cut.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from sense.example import HARDNESS_LEVELS, Hardness
from sense.execution import open_read_only
from sense.gold import check_gold
from sense.golds.probe import are_tied
from sense.questions.definedness import is_defined_by_form
from sense.questions.draw import Draw
from sense.questions.intent import Beyond, Has, Intent, Measure, Rank, Wanted
from sense.questions.levels import PATTERNS
from sense.questions.phrasing import ask
from sense.questions.profile import Profile, profile_database
from sense.questions.sentence import STYLES, Style
from sense.questions.shape import measured
from sense.questions.sql import to_sql
from sense.strong_set.kept import Seen
from sense.strong_set.misses import Misses

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = list[Row]

MAX_RESULT_ROWS = 1_000
"""A longer result answers no person's question."""
MIN_STEPS = 2_000_000
MAX_STEPS = 20_000_000
"""Virtual-machine steps of one query: one per byte of the file, since a scan takes some 15 per row
and a row has about as many bytes; within these bounds, which are about 0.02 and 0.2 s."""
TOO_MANY: Rows = [()] * (MAX_RESULT_ROWS + 1)
"""Stands for the rows of such a result."""
MAX_CACHED_ROWS = 100_000
"""Of all results that are kept: some 30 MB."""
CACHE_KIB = 65_536
"""Pages of the database that stay in memory: it is read again and again."""
OPEN_SCHEMA = "SELECT 1 FROM sqlite_schema WHERE type = 'view' OR sql LIKE '%collate%'"
"""Gives rows where the schema may leave open what a query says."""
PATTERN_WEIGHTS = {
    level: tuple(accumulate(weight for weight, _ in patterns))
    for level, patterns in PATTERNS.items()
}
"""Summed up, as `random.choices` would do each time."""
MAX_MISSES = 200
"""Candidates rejected in a row at one level before that level counts as exhausted."""


@dataclass(frozen=True)
class Candidate:
    """One question with the SQL that answers it, run on its database."""

    sql: str
    question: str
    hardness: Hardness
    requested_level: Hardness
    style: Style
    features: tuple[str, ...]
    num_rows: int
    """Rows of the result."""
    evidence: str = ""
    """What a vague question means."""


def sample_examples(
    database: str | Path | Profile,
    num: int | Mapping[Hardness, int],
    seed: int | str,
    misses: Misses | None = None,
    *,
    levels: Mapping[Hardness, float] | None = None,
    earlier: Iterable[int] = (),
) -> Iterator[Candidate]:
    """Examples of the database, no SQL and no question twice, the same for the same arguments.

    num: how many in all, their levels drawn by the shares of `levels` (equal when None); or how
    many of each level. Fewer come where the database has no more to ask: a level with `MAX_MISSES`
    misses in a row is over, and its share of a total goes to the others.
    misses: gets what was drawn and dropped, with the reasons; earlier: digests (`text_digest`) of
    SQL and questions that are not asked again.
    """
    profile = database if isinstance(database, Profile) else profile_database(database)
    rng = random.Random(seed)
    draw = Draw.over(profile, rng)
    misses = Misses() if misses is None else misses
    seen = Seen(earlier)
    shares = dict(levels or dict.fromkeys(HARDNESS_LEVELS, 1.0))
    wishes = _wishes(num, shares, rng)
    with Results(profile.db_path) as results:
        for level in wishes:
            if level not in shares:
                continue
            found = _next_candidate(draw, level, results, seen, misses)
            if found:
                seen.update((found.sql, found.question))
                yield found
            else:
                del shares[level]


def _wishes(
    num: int | Mapping[Hardness, int], shares: dict[Hardness, float], rng: random.Random
) -> Iterator[Hardness]:
    """The level to try next, until there are enough; `shares` loses levels on the way."""
    if isinstance(num, Mapping):
        for level, count in num.items():
            shares.setdefault(level, 1.0)
            yield from (level for _ in range(count))
        return
    remaining = num
    while remaining and shares:
        level = rng.choices(list(shares), list(shares.values()))[0]
        yield level
        remaining -= level in shares


def _next_candidate(
    draw: Draw, level: Hardness, results: "Results", seen: Seen, misses: Misses
) -> Candidate | None:
    for _ in range(MAX_MISSES):
        pattern = draw.rng.choices(PATTERNS[level], cum_weights=PATTERN_WEIGHTS[level])[0][1]
        intent = pattern(draw)
        if intent is None:
            misses.drop("no_material")
            continue
        sql = to_sql(intent)
        found, features = measured(intent)
        reason = "duplicate_sql" if sql in seen else "wrong_level" if found != level else ""
        reason = reason or reject_reason(intent, results)
        if reason:
            misses.drop(reason, sql, found, level)
            continue
        style = draw.rng.choice(STYLES)
        question = ask(intent, style, draw.rng)
        assert question  # each of these styles has words for every intent
        if question.text in seen:
            misses.drop("duplicate_question", sql, found, level, style, question.text)
            continue
        rows = results.rows(sql) or []
        return Candidate(sql, question.text, found, level, style, features, len(rows))
    return None


class Results:
    """Rows of queries on one database, each query run once; a context manager.

    What was found of a query in this way is kept too: small databases are asked the same again and
    again.
    """

    def __init__(self, db_path: str | Path) -> None:
        self.db_path = db_path
        self.connection = open_read_only(db_path)
        # It looks at each column of each query; what the grammar writes needs no permission.
        self.connection.authorizer = None
        self.connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        self.is_plain = not self.connection.execute(OPEN_SCHEMA).fetchall()
        num_steps = min(MAX_STEPS, max(MIN_STEPS, Path(db_path).stat().st_size))
        self.connection.set_progress_handler(lambda: True, num_steps)
        self.cache: dict[str, Rows | None] = {}
        self.overrun: set[str] = set()
        """Queries that took more steps."""
        self.num_cached = 0
        self.reasons: dict[str, str] = {}
        """Of queries that were looked at, what `reject_reason` says."""

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def rows(self, sql: str) -> Rows | None:
        """The first rows, one more than `MAX_RESULT_ROWS`; None when the query fails."""
        if sql not in self.cache:
            self.keep(sql, self._run(sql, MAX_RESULT_ROWS + 1))
        return self.cache[sql]

    def give(self, sql: str, rows: Rows) -> bool:
        """Whether the query gives just these rows, order aside: one row more tells that not."""
        if sql in self.cache:
            found = self.cache[sql]
        elif (found := self._run(sql, len(rows) + 1)) is None or len(found) <= len(rows):
            self.keep(sql, found)
        return found is not None and len(found) == len(rows) and Counter(found) == Counter(rows)

    def keep(self, sql: str, rows: Rows | None) -> None:
        """Keeps rows of the query; of too many only that they are."""
        if rows and len(rows) > MAX_RESULT_ROWS:
            rows = TOO_MANY
        self.num_cached += 1 if rows is TOO_MANY else 1 + len(rows or ())
        if self.num_cached > MAX_CACHED_ROWS:
            self.cache.clear()
            self.overrun.clear()
            self.num_cached = 0
        self.cache[sql] = rows

    def _run(self, sql: str, most: int) -> Rows | None:
        try:
            # The steps of a cached statement would be counted on from its last run.
            return list(islice(self.connection.execute(sql, can_cache=False), most))
        except apsw.InterruptError:
            self.overrun.add(sql)
        except (apsw.Error, UnicodeDecodeError):
            pass
        return None


def reject_reason(intent: Intent, results: Results) -> str:
    """Why the intent says nothing on this database, "" when it does."""
    sql = to_sql(intent)
    if sql not in results.reasons:
        results.reasons[sql] = _reject_reason(intent, results)
    return results.reasons[sql]


def _reject_reason(intent: Intent, results: Results) -> str:
    sql = to_sql(intent)
    if intent.order:
        _run_with_keys(intent, results)
    rows = results.rows(sql)
    if rows is None:
        return "gold_timeout" if sql in results.overrun else "gold_error"
    if not rows:
        return "empty_result"
    if len(rows) > MAX_RESULT_ROWS:
        return "large_result"
    if _is_trivial(intent, rows):
        return "trivial_result"
    if intent.order and not _order_is_defined(intent, results):
        return "gold_undefined"
    if any(results.give(to_sql(other), rows) for other in _weaker(intent)):
        return "trivial_result"
    if _measures_one_row(intent, results) or _says_too_much(intent, results):
        return "trivial_result"
    return "" if _is_defined(intent, results) else "gold_undefined"


def _weaker(intent: Intent) -> Iterator[Intent]:
    """The intent without one of its parts: each must give another result."""
    for i, item in enumerate(intent.filters):
        before, after = intent.filters[:i], intent.filters[i + 1 :]
        yield intent.but(filters=before + after)
        if isinstance(item, Has | Beyond) and item.scope:
            yield intent.but(filters=(*before, replace(item, scope=None), *after))
    if intent.distinct:
        yield intent.but(distinct=False)
    if intent.having:
        yield intent.but(having=None)
    if intent.other:
        yield intent.but(other=None, operator=None, distinct=True)
        yield intent.other.but(distinct=True)
    counting_all = _counting_all(intent)
    if counting_all != intent:
        yield counting_all


def _counting_all(intent: Intent) -> Intent:
    """The intent with values counted as often as they occur."""
    wanted = tuple(map(_of_all, intent.wanted))
    order, having = intent.order, intent.having
    return intent.but(
        wanted=wanted,
        order=order and replace(order, key=_of_all(order.key)),
        having=having and replace(having, measure=replace(having.measure, distinct=False)),
    )


def _of_all(wanted: Wanted) -> Wanted:
    return replace(wanted, distinct=False) if isinstance(wanted, Measure) else wanted


def _is_trivial(intent: Intent, rows: Rows) -> bool:
    if len(rows) == 1:
        return all(value in (None, 0, "") for value in rows[0])
    if len(set(rows)) == 1:
        return True
    if intent.group and len(intent.wanted) > 1:
        return len({row[-1] for row in rows}) == 1 and rows[0][-1] in (None, 0, 1)
    return all(value is None for value in {row[0] for row in rows})


def _measures_one_row(intent: Intent, results: Results) -> bool:
    """An average of one row."""
    measure = intent.wanted[0]
    if not isinstance(measure, Measure) or not measure.column or not intent.filters:
        return False
    rows = results.rows(to_sql(intent.but(wanted=(Measure("count"),))))
    return not rows or rows[0][0] < 2


def _says_too_much(intent: Intent, results: Results) -> bool:
    """A second sort key that changes nothing, or an average over one or two groups."""
    if intent.then and results.rows(to_sql(intent.but(then=None))) == results.rows(to_sql(intent)):
        return True
    groups = None
    if intent.over:
        groups = intent.but(over=None)
    elif intent.having and intent.having.value is None:
        groups = intent.but(having=None)
    return groups is not None and len(results.rows(to_sql(groups)) or ()) < 3


def _is_defined(intent: Intent, results: Results) -> bool:
    """Whether `check_gold` calls the query `ok`, whose result is not empty.

    It is asked only where the form of the intent and its rows do not tell.
    """
    sql = to_sql(intent)
    rows = results.rows(sql) or []
    if isinstance(intent.wanted[-1], Rank) and len({row[-1] for row in rows}) < len(rows):
        return False  # rows that share a place: is the next one the second or the third?
    if not results.is_plain or not is_defined_by_form(intent):
        return check_gold(results.db_path, sql).status == "ok"
    return any(value is not None for row in rows for value in row)


def _order_is_defined(intent: Intent, results: Results) -> bool:
    """No tie that could change the order or the cut, and no NULL among the keys."""
    assert intent.order
    keys = _sort_keys(intent)
    rows = results.rows(to_sql(_with_keys(intent)))
    if not rows or (intent.limit and len(rows) <= intent.limit) or len(rows) < 2:
        return False
    if any(key is None for row in rows for key in row[-len(keys) :]):
        return False
    if intent.limit:
        return not any(are_tied(first, second, (-1,)) for first, second in pairwise(rows))
    return all(
        first[-len(keys) :] != second[-len(keys) :] or first == second
        for first, second in pairwise(rows)
    )


def _run_with_keys(intent: Intent, results: Results) -> None:
    """Takes the rows of an ordered intent from those that show its sort keys: one run for both.

    Where rows tie at the cut the two may differ: then the order is not defined anyway.
    """
    rows = results.rows(to_sql(_with_keys(intent)))
    if rows and len(rows) <= MAX_RESULT_ROWS and to_sql(intent) not in results.cache:
        width, limit = len(intent.wanted), intent.limit or len(rows)
        results.keep(to_sql(intent), [row[:width] for row in rows[:limit]])


def _with_keys(intent: Intent) -> Intent:
    """The ordered intent with its sort keys shown, and one row more than its cut leaves."""
    limit = intent.limit + 1 if intent.limit else 0
    return intent.but(wanted=(*intent.wanted, *_sort_keys(intent)), limit=limit)


def _sort_keys(intent: Intent) -> list[Wanted]:
    return [order.key for order in (intent.order, intent.then) if order]
