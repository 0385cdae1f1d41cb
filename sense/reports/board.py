"""Several systems on the same questions: ranks, which differences are significant, what flips.

Two systems are compared by McNemar's exact test on the questions that both count; over all pairs
the p-values are corrected by Holm. A pair flips where one column ranks it one way and another
column the other way.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.metrics import PairedTest, holm, mcnemar
from sense.scores.outcomes import Outcome, from_row, summarize
from sense.shown import quoted_few

Evaluations = Mapping[str, Sequence[Outcome]]
"""System -> its outcomes, of the same questions in the same order."""


class SystemPair(NamedTuple):
    """Two systems, the better one first."""

    better: str
    worse: str
    num: int
    """Questions that count for both."""
    only_better: int
    """Questions that only the better one gets right."""
    only_worse: int
    p_value: float
    corrected: float
    """By Holm, over all pairs of the board."""


class Flip(NamedTuple):
    """Two systems that two columns rank differently."""

    first: str
    """Ahead by the primary column."""
    second: str
    column: str
    """By which the second one is ahead."""
    difference: float
    """Accuracy of the first minus that of the second by the primary column."""
    other_difference: float
    """The same by `column`: below 0."""


class Board(NamedTuple):
    """What stands in `board.json`."""

    scores: dict[str, dict[str, Any]]
    """System -> the content of its `scores.json`, the best by the primary column first."""
    pairs: list[SystemPair]
    flips: list[Flip]


def make_board(evaluations: Evaluations) -> Board:
    """The board of several systems. Raises ValueError unless all answered the same questions."""
    check_comparable(evaluations)
    scores = {name: summarize(outcomes) for name, outcomes in evaluations.items()}
    ranked = sorted(scores, key=lambda name: -(scores[name]["accuracy"] or 0))
    return Board(
        {name: scores[name] for name in ranked},
        all_pairs({name: evaluations[name] for name in ranked}),
        find_flips({name: scores[name] for name in ranked}),
    )


def all_pairs(evaluations: Evaluations) -> list[SystemPair]:
    """Every two systems by the primary column; of each pair the better one stands first."""
    tests = [
        (first, second, paired_test(evaluations[first], evaluations[second]))
        for first, second in itertools.combinations(evaluations, 2)
    ]
    corrected = holm([test.p_value for *_, test in tests])
    pairs = []
    for (first, second, test), p_value in zip(tests, corrected, strict=True):
        names, only = (first, second), (test.only_first, test.only_second)
        if test.only_second > test.only_first:
            names, only = names[::-1], only[::-1]
        pairs.append(SystemPair(*names, test.num, *only, test.p_value, p_value))
    return pairs


def find_flips(scores: Mapping[str, Mapping[str, Any]]) -> list[Flip]:
    """The pairs that some column ranks against the primary one; ties are no flips."""
    flips = []
    columns = list(next(iter(scores.values()))["columns"])
    for first, second in itertools.permutations(scores, 2):
        difference, *others = (
            (scores[first]["columns"][column]["accuracy"] or 0)
            - (scores[second]["columns"][column]["accuracy"] or 0)
            for column in columns
        )
        flips += [
            Flip(first, second, column, difference, other)
            for column, other in zip(columns[1:], others, strict=True)
            if difference > 0 > other
        ]
    return flips


def check_comparable(evaluations: Evaluations) -> None:
    """Raises ValueError unless all hold the same questions in the same order, scored alike."""
    (first, one), *rest = evaluations.items()
    for name, other in rest:
        if list(one[0].scores) != list(other[0].scores):
            raise ValueError(
                f"{first} was scored by the rule {', '.join(one[0].scores)}, {name} by "
                f"{', '.join(other[0].scores)}; evaluate both with the same --rule and --suite"
            )
        keys = [[(o.db_id, o.question, o.gold_sql) for o in outcomes] for outcomes in (one, other)]
        if keys[0] != keys[1]:
            raise ValueError(
                f"{first} ({len(one):,} questions) and {name} ({len(other):,}) were evaluated "
                "on different questions; evaluate both on the same data and split"
            )


def read_evaluations(folders: Mapping[str, Path]) -> dict[str, list[Outcome]]:
    return {name: read_evaluation(folder) for name, folder in folders.items()}


def read_evaluation(folder: Path) -> list[Outcome]:
    """The lines of `per_example.jsonl` of a folder of recipes/evaluate.py."""
    path = folder / "per_example.jsonl"
    if not path.is_file():
        systems = sorted(found.parent.name for found in folder.glob("*/per_example.jsonl"))
        if systems:
            raise FileNotFoundError(
                f"{folder} holds the evaluations of several systems: {quoted_few(systems)}; name "
                f"the folder of one, such as {folder / systems[0]}"
            )
        raise FileNotFoundError(
            f"{path} does not exist; expected a folder that recipes/evaluate.py wrote"
        )
    lines = path.read_text(encoding="utf-8").split("\n")
    try:
        outcomes = [from_row(json.loads(line)) for line in lines if line]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} was not written by this version ({error}); evaluate again"
        ) from error
    if not outcomes:
        raise ValueError(f"{path} is empty; expected one line per question: evaluate again")
    return outcomes


def paired_test(first: Sequence[Outcome], second: Sequence[Outcome]) -> PairedTest:
    """By the primary column, on the questions that count for both."""
    column = next(iter(first[0].scores))
    pairs = [
        (a.scores[column], b.scores[column])
        for a, b in zip(first, second, strict=True)
        if a.scores[column] is not None and b.scores[column] is not None
    ]
    return mcnemar([a or 0 for a, _ in pairs], [b or 0 for _, b in pairs])
