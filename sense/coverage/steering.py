"""The grammar asked for a plan: of several queries for one wish, the one that is most wanted.

A wish is a level and a style with the share of rows that should have each SQL feature. What is
still owed of each feature (`sense.coverage.owed`) chooses among drawn queries, and among the
patterns that draw them. A row for which a feature is due looks for that one first.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sense.coverage.cells import Attempts
from sense.coverage.needs import Wish
from sense.coverage.owed import Goal, Ledger
from sense.example import Hardness
from sense.grammar import MAX_MISSES, Candidate, Results, reject_reason
from sense.questions.draw import Draw
from sense.questions.evidence import loose_parts
from sense.questions.intent import Intent
from sense.questions.levels import PATTERNS
from sense.questions.phrasing import ask
from sense.questions.profile import Profile
from sense.questions.sentence import Style
from sense.questions.shape import measured
from sense.questions.sql import to_sql
from sense.strong_set.kept import Seen
from sense.strong_set.misses import Misses

__all__ = ["Wish", "sample_wishes"]

NUM_DRAWN = 8
"""Queries drawn in one turn: more would reach rarer features, and take longer."""
NUM_TURNS = MAX_MISSES // NUM_DRAWN
"""Turns of drawing for a row before its level and style are given up."""
CONCESSION = 0.5
"""How much less wanted than the best one so far a query may be, for each turn of drawing: the best
ones may return nothing, and the next ones are drawn again before less is taken."""
LAST_TURNS = 6
"""Turns that take any query where no feature is due: a plan that wants none still gets its rows."""
PERSISTENCE = 12
"""Turns of drawing for a row with a target before it takes a query without that feature."""


class _Drawn(NamedTuple):
    """A query that was drawn for a wish, not run yet."""

    intent: Intent
    sql: str
    features: tuple[str, ...]
    score: float


class _Run(NamedTuple):
    """One database that is being asked."""

    draw: Draw
    ledger: Ledger
    results: Results
    misses: Misses
    seen: Seen


def sample_wishes(
    profile: Profile,
    wishes: Sequence[Wish],
    seed: int | str,
    misses: Misses,
    tries: Attempts | None = None,
    earlier: Iterable[int] = (),
) -> Iterator[Candidate]:
    """Examples of the database for the wishes, no SQL and no question twice.

    A level and style of which the database has no more is given up; misses: gets what was drawn
    and dropped, with the reasons; tries: gets what was done for features that were due; earlier:
    digests (`text_digest`) of SQL and questions that are not asked again.
    """
    rng = random.Random(seed)
    ledger = Ledger(rng, tries={} if tries is None else tries)
    turns = [wish for wish in wishes for _ in range(wish.num)]
    over: set[tuple[Hardness, Style]] = set()
    with Results(profile.db_path) as results:
        run = _Run(Draw.over(profile, rng), ledger, results, misses, Seen(earlier))
        rng.shuffle(turns)
        for wish in turns:
            if (wish.level, wish.style) in over:
                continue
            goal = ledger.goal(wish)
            drawn: Counter[str] = Counter()
            found = _candidate(run, goal, drawn)
            ledger.note_tries(goal, drawn, found.features if found else ())
            if found:
                run.seen.update((found.sql, found.question))
                ledger.take(wish, found.features)
                yield found
            else:
                over.add((wish.level, wish.style))


def _candidate(run: _Run, goal: Goal, drawn: Counter[str]) -> Candidate | None:
    """The next row; drawn: counts the queries that were drawn for it by their features."""
    best = 0.0
    for turn in range(NUM_TURNS):
        queries = sorted(_queries(run, goal), key=lambda query: -query.score)
        for query in queries:
            drawn.update(("", *query.features))
        best = max([best, *(query.score for query in queries)])
        takes_any = not goal.target and turn >= NUM_TURNS - LAST_TURNS
        for query in queries:
            if query.score < best - turn * CONCESSION and not takes_any:
                break
            if turn < PERSISTENCE and goal.target and goal.target not in query.features:
                continue
            if found := _worded(run, goal.wish, query):
                return found
    return None


def _queries(run: _Run, goal: Goal) -> list[_Drawn]:
    """The queries of the level among those drawn next: `NUM_DRAWN`, at first one per pattern."""
    level, style = goal.wish.level, goal.wish.style
    patterns = PATTERNS[level]
    places: Sequence[int] = range(len(patterns))
    if run.ledger.of_level[level]:
        weights = run.ledger.weights(level, goal.wants)
        places = run.draw.rng.choices(places, weights, k=NUM_DRAWN)
    draw = run.draw.favoring(goal.target, is_extreme=style == "vague")
    found = []
    for place in places:
        intent = patterns[place][1](draw)
        if intent is None:
            run.ledger.note(level, place, ())
            run.misses.drop("no_material")
            continue
        sql = to_sql(intent)
        found_level, features = measured(intent)
        run.ledger.note(level, place, features if found_level == level else ())
        is_known = sql in run.seen
        if is_known or found_level != level:
            reason = "duplicate_sql" if is_known else "wrong_level"
            run.misses.drop(reason, sql, found_level, level, style)
            continue
        if style == "vague" and not loose_parts(intent):
            run.misses.drop("no_wording", sql, level, level, style)
            continue
        score = sum(goal.wants.get(name, 0.0) for name in features)
        found.append(_Drawn(intent, sql, features, score))
    return found


def _worded(run: _Run, wish: Wish, query: _Drawn) -> Candidate | None:
    """The query with a question in the wanted style; None where it says nothing."""
    reason = reject_reason(query.intent, run.results)
    question = None if reason else ask(query.intent, wish.style, run.draw.rng)
    if question is None:
        reason = reason or "no_wording"
    elif question.text in run.seen:
        reason = "duplicate_question"
    if reason or question is None:
        text = question.text if question else ""
        run.misses.drop(reason, query.sql, wish.level, wish.level, wish.style, text)
        return None
    rows = run.results.rows(query.sql) or []
    return Candidate(
        query.sql,
        question.text,
        wish.level,
        wish.level,
        wish.style,
        query.features,
        len(rows),
        question.evidence,
    )
