"""Judged answers -> preference pairs, by a policy and within caps.

Questions come in the order of their ids, so that caps over all of them choose at random and pairs
made anew from published samples are the same. Each choice follows a hash of the seed and of the
samples' ids: neither the order of the samples nor the clock changes it. Memory stays flat.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from sense.example import Example, Pair, content_id, to_example, to_row
from sense.hardness import normalize_sql
from sense.pairs.policies import POLICIES, Situation
from sense.preference import (
    Choice,
    Sample,
    distinct,
    messages_of,
    pair_of,
    sample_row,
    to_sample,
)
from sense.prompt import PromptContract
from sense.prompts.completion import NO_SQL
from sense.spool import Spool

GoldUse: TypeAlias = Literal["never", "when_none_correct", "always"]
"""When gold stands on the chosen side; "always" leaves the right samples out."""


class Answered(NamedTuple):
    """A question with all judged answers to it, near misses of right ones included."""

    example: Example
    db_path: str
    """"" where the database is not at hand."""
    samples: Sequence[Sample]

    def as_json(self) -> list[Any]:
        """The value that a spool keeps; `answered_from` reads it."""
        return [to_row(self.example), self.db_path, [sample_row(s) for s in self.samples]]


class Paired(NamedTuple):
    """What a question gave."""

    answered: Answered
    pairs: list[Pair]
    why_none: str
    """Machine word for the reason why there is no pair; "" where there is one."""


@dataclass(frozen=True)
class Pairing:
    """How the pairs of a set are made; 0 = no cap."""

    policy: str = "any"
    """A name in `POLICIES`."""
    gold: GoldUse = "never"
    max_pairs: int = 1
    """Per question."""
    max_per_database: int = 0
    """Pairs of one split; which questions of a large database have some is random."""
    max_per_kind: int = 0
    """Pairs of one split with the same error kind; the next best choice is tried instead."""
    synthetic_share: float = 0.2
    """Most pairs whose rejected side is a near miss, as a share of all. They come from questions
    to which the model gave right answers only, and whose mistakes it has yet to make."""
    max_length_gap: int = 500
    """Characters by which the texts of the two sides may differ. DPO learns to write longer or
    shorter where length tells the sides apart (Park et al. 2024, "Disentangling Length from Quality
    in Direct Preference Optimization"). Of pairs of published predictions half differ by less than
    50; a tenth by 1,900 and more, where one side runs on after its SQL."""
    keeps_disputed: bool = False
    """Whether questions stay on which at least as many models agree against gold as with it, two or
    more: there gold is wrong, or the question can be read in two ways, as often as not."""
    keeps_subtle: bool = False
    """Whether answers are rejected that a person may take for right, see `sense.pairs.plainness`.
    Readers accepted 141 of 234 such answers of published systems, and 21 of 366 others."""
    keeps_open: bool = False
    """Whether questions stay that may be meant otherwise than gold has it, as gold and database
    alone show, see `sense.pairs.readings`: of 113 chosen answers to such questions readers called
    46 wrong or open, of 787 to others 33."""
    seed: int = 0
    suite_hash: str = ""
    contract: PromptContract | None = None
    """Writes the message of a side of which only SQL is known: gold, when the example has no
    completion, and samples without `completion`."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("policy", self.policy, tuple(POLICIES)),
            ("gold", self.gold, get_args(GoldUse)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")
        if not 0 <= self.synthetic_share < 1:
            raise ValueError(
                f"synthetic_share is {self.synthetic_share}; expected 0 to below 1: near misses "
                "stand beside the model's own mistakes"
            )
        if self.policy == "plan_differs" and self.gold != "never":
            raise ValueError(
                f"gold is '{self.gold}' with policy plan_differs, which pairs answers whose plan "
                "differs from gold's; gold's own never does: use 'never' or another policy"
            )


def pair_all(answered: Iterable[Answered], pairing: Pairing, waiting: Spool) -> Iterator[Paired]:
    """Every question once with its pairs, those with near misses for rejected sides last.

    answered: in the order of the examples' ids; waiting: an empty spool, for questions that give at
    most a synthetic pair, whose number is known when all others are made.
    Raises ValueError for samples of another example, and what the policy raises.
    """
    caps = _Caps(pairing)
    for question in answered:
        if pairing.synthetic_share and _is_synthetic(question):
            waiting.add(question.example.id, question.as_json())
        else:
            yield _paired(question, pairing, caps)
    share = pairing.synthetic_share
    num_left = int(caps.num_pairs * share / (1 - share))
    for value in waiting:
        found = _paired(answered_from(value), pairing, caps, num_left)
        num_left -= len(found.pairs)
        yield found


def reading_of(samples: Iterable[Sample]) -> str:
    """Why the question of the samples may be meant otherwise than gold has it; "" where none says.

    Near misses and the answers of each round are judged on their own, and some may not tell.
    """
    return next((sample.other_reading for sample in samples if sample.other_reading), "")


def doubt_of(samples: Sequence[Sample], pairing: Pairing) -> str:
    """Why labels of the question are doubtful: `disputed`, or `open_` with a rule's name; else "".

    Also "" where the pairing keeps such questions.
    """
    if not pairing.keeps_open and (reading := reading_of(samples)):
        return f"open_{reading}"
    return "disputed" if not pairing.keeps_disputed and _is_disputed(samples) else ""


def answered_from(value: Sequence[Any]) -> Answered:
    """What `Answered.as_json` wrote."""
    example, db_path, samples = value
    return Answered(to_example(example), db_path, [to_sample(row) for row in samples])


class _Caps:
    """Pairs so far, against the caps."""

    def __init__(self, pairing: Pairing) -> None:
        self.of_kind: Counter[str] = Counter()
        self.of_database: Counter[str] = Counter()
        self.num_pairs = 0
        self._pairing = pairing

    def reached(self, db_id: str, kind: str) -> str:
        """The reason why no further pair of this kind fits; "" where it does."""
        most = self._pairing.max_per_database
        if most and self.of_database[db_id] >= most:
            return "max_per_database"
        most = self._pairing.max_per_kind
        return "max_per_kind" if most and self.of_kind[kind] >= most else ""

    def add(self, db_id: str, kind: str) -> None:
        self.of_database[db_id] += 1
        self.of_kind[kind] += 1
        self.num_pairs += 1


def _is_synthetic(question: Answered) -> bool:
    """Whether near misses are the only wrong answers."""
    wrong = _wrong(question.samples)
    return bool(wrong) and all(sample.source == "mutation" for sample in wrong)


def _paired(question: Answered, pairing: Pairing, caps: _Caps, most: int | None = None) -> Paired:
    """most: synthetic pairs that still fit; None for a question that is to give none."""
    group = _own_answers(question)
    if most is None:
        group = [sample for sample in group if sample.source == "sample"]
    choices, why_none = _ordered_choices(question, group, pairing, caps)
    limits = [limit for limit in (pairing.max_pairs or None, most) if limit is not None]
    pairs: list[Pair] = []
    for choice in choices:
        if limits and len(pairs) >= min(limits):
            why_none = "synthetic_share"  # where it is the limit of 0
            break
        kind = choice.rejected.error_kind
        if reason := caps.reached(question.example.db_id, kind):
            why_none = reason
            continue
        caps.add(question.example.db_id, kind)
        pairs.append(
            pair_of(
                question.example,
                choice,
                pairing.policy,
                pairing.suite_hash,
                pairing.contract,
                group,
            )
        )
    return Paired(question, pairs, "" if pairs else why_none)


def _own_answers(question: Answered) -> list[Sample]:
    """The samples of the question, each once."""
    group = distinct(question.samples)
    strangers = [sample.id for sample in group if sample.example_id != question.example.id]
    if strangers:
        raise ValueError(
            f"{len(strangers):,} samples, {strangers[0]} first, do not answer example "
            f"{question.example.id}; pass the samples of one example"
        )
    return group


def _ordered_choices(
    question: Answered, group: Sequence[Sample], pairing: Pairing, caps: _Caps
) -> tuple[Iterable[Choice], str]:
    """The choices that may become pairs, the best first; and why there is none where there is none.

    They are put in order as far as they are asked for.
    """
    choices = _choices(group, pairing)
    if not choices:
        is_hidden = bool(_wrong(group)) and _choices(group, replace(pairing, keeps_subtle=True))
        return [], "only_subtle" if is_hidden else _why_no_choice(group)
    if doubt := doubt_of(group, pairing):
        return [], doubt
    choices = list(_differing(choices))
    if not choices:
        return [], "same_sql"
    choices = _within_gap(choices, question.example, pairing)
    if not choices:
        return [], "length_gap"
    situation = Situation(question.example.sql, question.db_path, caps.of_kind)
    ordered = POLICIES[pairing.policy](choices, situation)
    return _first_distinct(ordered), f"not_{pairing.policy}"


def _choices(group: Sequence[Sample], pairing: Pairing) -> list[Choice]:
    """Every chosen side with every rejected one, in a random order that the seed fixes."""
    right = [s for s in group if s.verdict == "correct" and s.gold_status == "ok"]
    sides: list[Sample | None] = list(right)
    if pairing.gold == "always" or (pairing.gold == "when_none_correct" and not right):
        sides = [None]
    wrong = [s for s in _wrong(group) if pairing.keeps_subtle or not s.is_subtle]
    choices = [Choice(chosen, rejected) for rejected in wrong for chosen in sides]
    return sorted(choices, key=lambda choice: _lot(choice, pairing.seed))


def _wrong(samples: Iterable[Sample]) -> list[Sample]:
    """Queries that are wrong; an answer without any shows no mistake in SQL."""
    return [
        sample
        for sample in samples
        if sample.verdict == "incorrect" and sample.gold_status == "ok" and sample.reason != NO_SQL
    ]


def _why_no_choice(group: Sequence[Sample]) -> str:
    """The reason why answers gave no choice.

    >>> _why_no_choice([])
    'no_answer'
    """
    verdicts = {sample.verdict for sample in group}
    if not verdicts:
        return "no_answer"
    if verdicts == {"unknown"}:
        return "all_unknown"
    if "correct" not in verdicts:
        return "no_right_answer"
    return NO_SQL if any(sample.reason == NO_SQL for sample in group) else "no_wrong_answer"


def _is_disputed(group: Sequence[Sample]) -> bool:
    """Whether models agree against gold: their answers differ from its result in the same way."""
    right = {s.weak_model for s in group if s.verdict == "correct" and s.source == "sample"}
    against: dict[str, set[str]] = {}
    for sample in _wrong(group):
        if sample.source == "sample" and sample.reason == "differs":
            against.setdefault(sample.witness, set()).add(sample.weak_model)
    return max(map(len, against.values()), default=0) >= max(2, len(right))


def _within_gap(choices: list[Choice], example: Example, pairing: Pairing) -> list[Choice]:
    if not pairing.max_length_gap:
        return choices
    lengths: dict[str, int] = {}

    def length(side: Sample | None) -> int:
        key = side.id if side else ""
        if key not in lengths:
            text = messages_of(side, example, pairing.contract)[-1]["content"]
            lengths[key] = len(text)
        return lengths[key]

    return [
        c for c in choices if abs(length(c.chosen) - length(c.rejected)) <= pairing.max_length_gap
    ]


def _differing(choices: Iterable[Choice]) -> Iterator[Choice]:
    """The choices whose two sides differ in normal form."""
    return (c for c in choices if _form(c.chosen_sql) != _form(c.rejected_sql))


def _first_distinct(choices: Iterable[Choice]) -> Iterator[Choice]:
    """The choices, each two normal forms once."""
    seen: set[tuple[str, str]] = set()
    for choice in choices:
        sides = _form(choice.chosen_sql), _form(choice.rejected_sql)
        if sides not in seen:
            seen.add(sides)
            yield choice


def _lot(choice: Choice, seed: int) -> str:
    return content_id(str(seed), choice.chosen.id if choice.chosen else "", choice.rejected.id)


_form = lru_cache(maxsize=1024)(normalize_sql)
