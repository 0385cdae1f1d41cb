"""The grammar asked for a plan: of several queries for one wish, the one that is most wanted.

A wish is a level and a style with the share of rows that should have each SQL feature. What is
still owed of each feature, at the level and in the style, chooses among drawn queries, and among
the patterns that drew them before: the shares of a unit end within a row or two of the wanted ones
where the database allows it (herding, Welling 2009, with a random start so that the rounding of
many small units does not add up).
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import NamedTuple

from sense.coverage.coverage import Rates
from sense.example import Hardness
from sense.grammar import MAX_MISSES, Candidate, Results, reject_reason
from sense.questions.draw import Draw
from sense.questions.intent import Intent, to_sql
from sense.questions.levels import PATTERNS
from sense.questions.phrasing import ask
from sense.questions.profile import Profile
from sense.questions.sentence import Style
from sense.questions.shape import measured
from sense.strong_set.misses import Misses

NUM_DRAWN = 8
"""Queries drawn for each wish: more would reach rarer features, and take longer."""
CONCESSION = 0.25
"""How much less wanted than the best one so far a query may be, for each turn of drawing: the best
ones may return nothing, and the next ones are drawn again before less is taken."""
MAX_OWED = 3.0
"""Rows: what cannot be had shall not outweigh all else."""


class Wish(NamedTuple):
    """Rows wanted of one level in one style."""

    level: Hardness
    style: Style
    num: int
    rates: Rates
    """Feature -> share of these rows that should have it."""


class _Drawn(NamedTuple):
    """A query that was drawn for a wish, not run yet."""

    intent: Intent
    sql: str
    features: tuple[str, ...]
    score: float


@dataclass
class Ledger:
    """What is owed of each feature, overall, by level and by style; and what patterns gave."""

    rng: random.Random
    owed: dict[tuple[str, str], float] = field(default_factory=dict)
    drawn: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each pattern of a level was drawn."""
    given: defaultdict[tuple[str, int], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """How often the queries that it drew had each feature."""

    def wants(self, wish: Wish) -> Rates:
        """Feature -> above 0 where the next row should have it, below 0 where not."""
        found = {}
        for feature, rate in wish.rates.items():
            books = (self._owed(feature, book) for book in ("", wish.level, wish.style))
            owed = sum(min(MAX_OWED, max(-MAX_OWED, rows)) for rows in books)
            found[feature] = owed + rate - 0.5
        return found

    def take(self, wish: Wish, features: Sequence[str]) -> None:
        """Counts a row that was kept."""
        for feature, rate in wish.rates.items():
            for book in ("", wish.level, wish.style):
                owed = self._owed(feature, book)
                self.owed[feature, book] = owed + rate - (feature in features)

    def weights(self, level: Hardness, wants: Mapping[str, float]) -> list[float]:
        """Of the patterns of the level: those that gave what is wanted weigh more."""
        found = []
        for place, (weight, _) in enumerate(PATTERNS[level]):
            num = self.drawn[level, place]
            given = self.given[level, place]
            score = sum(wants.get(name, 0.0) * count / num for name, count in given.items())
            found.append(weight * exp(min(4.0, max(-4.0, score))))
        return found

    def _owed(self, feature: str, book: str) -> float:
        """Rows that are owed.

        At a level from -0.5 to 0.5 at the start, so that the first row has the feature as often as
        it should; elsewhere 0.
        """
        if (feature, book) not in self.owed:
            is_level = book in PATTERNS
            self.owed[feature, book] = self.rng.random() - 0.5 if is_level else 0.0
        return self.owed[feature, book]


def sample_wishes(
    profile: Profile, wishes: Sequence[Wish], seed: int | str, misses: Misses
) -> Iterator[Candidate]:
    """Examples of the database for the wishes, no SQL and no question twice.

    A level and style of which the database has no more is given up; misses: gets what was
    drawn and dropped, with the reasons.
    """
    rng = random.Random(seed)
    draw, ledger = Draw.over(profile, rng), Ledger(rng)
    turns = [wish for wish in wishes for _ in range(wish.num)]
    rng.shuffle(turns)
    seen: set[str] = set()
    over: set[tuple[Hardness, Style]] = set()
    with Results(profile.db_path) as results:
        for wish in turns:
            if (wish.level, wish.style) in over:
                continue
            found = _candidate(draw, wish, ledger, results, seen, misses)
            if found:
                seen |= {found.sql, found.question}
                ledger.take(wish, found.features)
                yield found
            else:
                over.add((wish.level, wish.style))


def _candidate(
    draw: Draw,
    wish: Wish,
    ledger: Ledger,
    results: Results,
    seen: set[str],
    misses: Misses,
) -> Candidate | None:
    best = 0.0
    for turn in range(MAX_MISSES // NUM_DRAWN):
        queries = sorted(_queries(draw, wish, ledger, seen, misses), key=lambda q: -q.score)
        best = max([best, *(query.score for query in queries)])
        for drawn in queries:
            if drawn.score < best - turn * CONCESSION:
                break
            reason = reject_reason(drawn.intent, results)
            question = None if reason else ask(drawn.intent, wish.style, draw.rng)
            if question is None:
                reason = reason or "no_wording"
            elif question.text in seen:
                reason = "duplicate_question"
            if reason or question is None:
                text = question.text if question else ""
                misses.drop(reason, drawn.sql, wish.level, wish.level, wish.style, text)
                continue
            rows = results.rows(drawn.sql) or []
            return Candidate(
                drawn.sql,
                question.text,
                wish.level,
                wish.level,
                wish.style,
                drawn.features,
                len(rows),
                question.evidence,
            )
    return None


def _queries(
    draw: Draw, wish: Wish, ledger: Ledger, seen: set[str], misses: Misses
) -> list[_Drawn]:
    """The queries of the level among `NUM_DRAWN` drawn ones."""
    wants = ledger.wants(wish)
    weights = ledger.weights(wish.level, wants)
    found = []
    for place in draw.rng.choices(range(len(weights)), weights, k=NUM_DRAWN):
        intent = PATTERNS[wish.level][place][1](draw)
        if intent is None:
            misses.drop("no_material")
            continue
        sql = to_sql(intent)
        level, features = measured(intent)
        ledger.drawn[wish.level, place] += 1
        ledger.given[wish.level, place].update(features)
        if sql in seen or level != wish.level:
            reason = "duplicate_sql" if sql in seen else "wrong_level"
            misses.drop(reason, sql, level, wish.level, wish.style)
            continue
        score = sum(wants.get(name, 0.0) for name in features)
        found.append(_Drawn(intent, sql, features, score))
    return found
