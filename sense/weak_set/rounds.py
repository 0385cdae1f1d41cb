"""Sampling rounds: the answers of earlier ones beside those of the policy as it is now.

Every sample carries the number of its round, and a pair has that of its rejected side: the mistake
that it teaches. Its chosen side may be the answer of another round to the same question.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sense.example import Pair
from sense.preference import Sample
from sense.spool import Spool
from sense.weak_set.rows import PublishedAnswers

SAME = ("rule", "suite_hash")
"""Settings that rounds of one set share: else their verdicts would mean different things."""


def check_previous(
    previous: PublishedAnswers, name: str, settings: Mapping[str, Any], prompt_hash: str
) -> None:
    """Raises ValueError where the rounds of a published set cannot stand beside this one.

    name: of the set; settings: of this round, `round` among them; prompt_hash: of its prompts.
    """
    theirs = previous.facts.settings
    for key in SAME:
        if theirs.get(key) != settings[key]:
            raise ValueError(
                f"{key} of {name} is {theirs.get(key)!r}, of this round {settings[key]!r}; judge "
                "all rounds of a set alike, or build this one without --previous"
            )
    if previous.outline.prompt_hashes != {prompt_hash}:
        raise ValueError(
            f"the prompts of {name} follow another contract than those of this round; build this "
            "one without --previous"
        )
    latest = max(
        (
            row["round"]
            for spool in previous.answered.values()
            for _, _, own in spool
            for row in own
        ),
        default=0,
    )
    if latest >= settings["round"]:
        raise ValueError(
            f"{name} holds round {latest} and this is round {settings['round']}; give --round "
            f"{latest + 1}"
        )


def splits_beside(previous: PublishedAnswers, domains: Mapping[str, str]) -> dict[str, str]:
    """`db_id` -> split, of those databases that a published set holds, or whose domain it holds.

    domains: `db_id` -> domain, or "". What is in a split stays there, with all of its domain.
    """
    splits, taken = {}, {}
    for split, spool in previous.answered.items():
        for example, _, _ in spool:
            splits[example["db_id"]] = split
            if example["domain"]:
                taken[example["domain"]] = split
    return {db_id: taken[domain] for db_id, domain in domains.items() if domain in taken} | splits


def with_previous(
    answered: Mapping[str, Spool], previous: PublishedAnswers, spool: Callable[[], Spool]
) -> dict[str, Spool]:
    """The questions of both by split, each once, with the answers of earlier rounds first.

    spool: opens an empty one; values are those of `Answered.as_json`.
    """
    found: dict[str, Spool] = {}
    for split in sorted({*answered, *previous.answered}):
        own, before = answered.get(split), previous.answered.get(split)
        found[split] = spool()
        for example, db_path, samples in own or ():
            for _, _, earlier in before.of(example["id"]) if before else ():
                samples = [*earlier, *samples]
            found[split].add(example["id"], [example, db_path, samples])
        for value in before or ():
            if own is None or value[0]["id"] not in own:
                found[split].add(value[0]["id"], value)
    return found


class RoundTally:
    """Counts of each round."""

    def __init__(self) -> None:
        self._counts: dict[int, Counter[str]] = {}

    def add(self, samples: Iterable[Sample], pairs: Iterable[Pair]) -> None:
        """Counts the answers to one question, and what they gave."""
        for sample in samples:
            if sample.source == "sample":
                self._of(sample.round).update(["samples", sample.verdict])
        for pair in pairs:
            self._of(pair.round)["pairs"] += 1

    def as_json(self) -> dict[str, dict[str, int]]:
        """By the number of the round: `samples`, their verdicts, `pairs`."""
        names = ("samples", "correct", "incorrect", "unknown", "pairs")
        return {
            str(number): {name: counts[name] for name in names}
            for number, counts in sorted(self._counts.items())
        }

    def _of(self, number: int) -> Counter[str]:
        return self._counts.setdefault(number, Counter())
