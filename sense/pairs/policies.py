"""Which right answer meets which wrong one: the policies, each with its reason to exist.

A policy orders the choices of one question, best first, and may leave some out. They come in a
random order that the seed fixes, and choices that a policy holds for equal stay in it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from sense.diagnosis.distance import farthest_first, nearest_first
from sense.preference import Choice, Sample
from sense.sqlite.query_plan import query_plan


class Situation(NamedTuple):
    """What a policy may look at beside the choices."""

    gold_sql: str
    db_path: str = ""
    """The question's database; "" where it is not at hand."""
    num_of_kind: Mapping[str, int] = {}
    """Pairs of the questions before, by error kind."""


Policy: TypeAlias = Callable[[list[Choice], Situation], Iterable[Choice]]


def any_choice(choices: list[Choice], situation: Situation) -> list[Choice]:
    """The paper's rule, a random right answer with a random wrong one: what others are held to."""
    return choices


def nearest(choices: list[Choice], situation: Situation) -> Iterator[Choice]:
    """The two queries that differ least first: the pair shows one mistake and nothing else."""
    by_sql = _by_sql(choices)
    return (choice for pair in nearest_first(list(by_sql)) for choice in by_sql[pair])


def farthest(choices: list[Choice], situation: Situation) -> list[Choice]:
    """The two queries that differ most first: easy pairs, the contrast to `nearest`."""
    by_sql = _by_sql(choices)
    return [choice for pair in farthest_first(list(by_sql)) for choice in by_sql[pair]]


def plan_differs(choices: list[Choice], situation: Situation) -> list[Choice]:
    """Only right answers that SQLite executes in another way than gold.

    SFT has shown gold to the model; what it finds by another way is not a copy of that.
    Raises ValueError where the database is not at hand, and DatabaseError.
    """
    if not situation.db_path:
        raise ValueError(
            "policy plan_differs asks SQLite for query plans and has no database; pass --databases"
        )
    gold_plan = query_plan(situation.db_path, situation.gold_sql)
    sqls = {choice.chosen_sql for choice in choices}
    plans = {sql: query_plan(situation.db_path, sql) for sql in sqls}
    return [choice for choice in choices if plans[choice.chosen_sql] != gold_plan]


def stratified(choices: list[Choice], situation: Situation) -> list[Choice]:
    """The kind of error first that the fewest pairs have so far, in all questions together.

    Frequent kinds, such as a wrong column, otherwise crowd out those that are rare and as wrong.
    """
    used = Counter(situation.num_of_kind)
    turns = []
    for choice in choices:
        turns.append(used[choice.rejected.error_kind])
        used[choice.rejected.error_kind] += 1
    order = sorted(range(len(choices)), key=turns.__getitem__)
    return [choices[i] for i in order]


def hardest(choices: list[Choice], situation: Situation) -> list[Choice]:
    """The wrong answer first that the model holds for most probable: it would give it again.

    Those without `logprob` come last. Raises ValueError where no wrong answer of a model has one.
    """
    sampled = [choice.rejected for choice in choices if choice.rejected.source == "sample"]
    if sampled and all(sample.logprob is None for sample in sampled):
        raise ValueError(
            f"policy hardest compares log-probabilities, and none of the {len(sampled):,} wrong "
            f"answers to example {sampled[0].example_id} has one; sample from a local model or a "
            "server that gives them, or take another policy"
        )
    return sorted(choices, key=lambda choice: -_logprob(choice.rejected))


POLICIES: dict[str, Policy] = {
    "any": any_choice,
    "farthest": farthest,
    "hardest": hardest,
    "nearest": nearest,
    "plan_differs": plan_differs,
    "stratified": stratified,
}
"""Policy name, as published in the column `policy` -> its function."""


def _by_sql(choices: list[Choice]) -> dict[tuple[str, str], list[Choice]]:
    found: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices:
        found.setdefault((choice.chosen_sql, choice.rejected_sql), []).append(choice)
    return found


def _logprob(sample: Sample) -> float:
    return float("-inf") if sample.logprob is None else sample.logprob
