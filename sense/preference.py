"""Judged samples of a weak model -> preference pairs, and single rows with a label for KTO.

The paper (SENSE, section 3.3) pairs one random right answer with one random wrong one per question;
here that is the policy `any`. Answers whose verdict is `unknown` never enter, nor do those to a
gold that cannot judge. Every choice follows a hash of the seed and the samples' ids, so that
neither the order of the samples nor the clock changes it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from sense.example import Example, Messages, Pair, content_id
from sense.hardness import normalize_sql
from sense.prompt import PromptContract, completion_messages
from sense.witness import shrink

GoldUse: TypeAlias = Literal["never", "when_none_correct", "always"]
"""When gold stands on the chosen side; "always" leaves the right samples out."""


@dataclass(frozen=True)
class Sample:
    """One judged answer of a weak model: a row of `weak`, config `samples`."""

    example_id: str
    db_id: str
    question: str
    evidence: str
    gold_sql: str
    predicted_sql: str
    completion: str
    """The text as sampled; "" when only its SQL is known."""
    verdict: str
    """`correct`, `incorrect` or `unknown`."""
    reason: str
    error_kind: str
    witness: str
    weak_model: str
    weak_model_revision: str
    gold_status: str
    hardness: str
    round: int
    index: int
    """Position among the samples of one prompt in one round."""
    temperature: float
    logprob: float | None = None
    """Sum over the completion's tokens in nats, None when the source gives none."""
    rule: str = ""
    """Official rule that scored the answer beside the verdict, `spider` or `bird`; "" = none."""
    rule_correct: int | None = None
    """1 where that rule accepts the answer, else 0; None when none was asked."""
    database_verdict: str = ""
    """The verdict on the question's own database alone: without a suite the same as `verdict`."""

    @property
    def id(self) -> str:
        """Hash of the key: an answer sampled again under the same key has the same id."""
        model = (self.weak_model, self.weak_model_revision)
        return content_id(self.example_id, *model, str(self.round), str(self.index))


class Choice(NamedTuple):
    """The two sides of a pair; `chosen` None stands for gold."""

    chosen: Sample | None
    rejected: Sample

    @property
    def chosen_sql(self) -> str:
        return self.chosen.predicted_sql if self.chosen else self.rejected.gold_sql


Policy: TypeAlias = Callable[[list[Choice]], list[Choice]]
"""Orders the choices of one question, best first; they come in a random order fixed by the seed."""


def any_pair(choices: list[Choice]) -> list[Choice]:
    """The paper's rule: any right answer with any wrong one."""
    return choices


def nearest_pair(choices: list[Choice]) -> list[Choice]:
    """The two texts that differ least first: the pair teaches one mistake at a time."""
    return sorted(choices, key=_difference)


def likeliest_pair(choices: list[Choice]) -> list[Choice]:
    """The mistake that the model is surest of first; samples without `logprob` come last."""
    return sorted(choices, key=lambda choice: -_logprob(choice.rejected))


def pair_per_kind(choices: list[Choice]) -> list[Choice]:
    """One choice of every error kind before a second one of any."""
    seen: Counter[str] = Counter()
    turns = []
    for choice in choices:
        turns.append(seen[choice.rejected.error_kind])
        seen[choice.rejected.error_kind] += 1
    order = sorted(range(len(choices)), key=turns.__getitem__)
    return [choices[i] for i in order]


POLICIES: dict[str, Policy] = {
    "any": any_pair,
    "kinds": pair_per_kind,
    "likeliest": likeliest_pair,
    "nearest": nearest_pair,
}
"""Policy name, as published in the column `policy` -> its function."""


def sample_row(sample: Sample) -> dict[str, Any]:
    """The sample as one row of its dataset, `id` first."""
    return {"id": sample.id, **asdict(sample)}


def to_sample(row: Mapping[str, Any]) -> Sample:
    """The `Sample` of a dataset row."""
    names = [f.name for f in fields(Sample)]
    missing = [name for name in names if name not in row]
    if missing:
        raise ValueError(
            f"sample {row.get('id', '?')} lacks the columns {', '.join(missing)}; "
            "expected a row written by builders/weak.py"
        )
    return Sample(**{name: row[name] for name in names})


@dataclass(frozen=True)
class Pairing:
    """How the pairs of a set are made."""

    policy: str = "any"
    """A name in `POLICIES`."""
    gold: GoldUse = "never"
    limit: int = 1
    """Most pairs per question; 0 = all."""
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


PAPER_PAIRING = Pairing()
"""One right and one wrong answer per question, both sampled, both at random."""


def pairs_of(
    example: Example, samples: Iterable[Sample], pairing: Pairing = PAPER_PAIRING
) -> list[Pair]:
    """The pairs of one question; no two of them have the same SQL on both sides.

    Round, model and temperature of a pair are those of its rejected sample.
    """
    group = _distinct(samples)
    strangers = [sample.id for sample in group if sample.example_id != example.id]
    if strangers:
        raise ValueError(
            f"{len(strangers):,} samples, {strangers[0]} first, do not answer example "
            f"{example.id}; pass the samples of one example"
        )
    judged = [sample for sample in group if sample.gold_status == "ok"]
    right = [sample for sample in judged if sample.verdict == "correct"]
    wrong = [sample for sample in judged if sample.verdict == "incorrect"]
    sides: list[Sample | None] = list(right)
    if pairing.gold == "always" or (pairing.gold == "when_none_correct" and not right):
        sides = [None]
    choices = [Choice(chosen, rejected) for rejected in wrong for chosen in sides]
    choices.sort(key=lambda choice: _lot(choice, pairing.seed))
    choices = POLICIES[pairing.policy](choices)
    return [
        Pair(
            example_id=example.id,
            db_id=example.db_id,
            question=example.question,
            evidence=example.evidence,
            hardness=example.hardness,
            prompt=_prompt(example),
            chosen=_messages(chosen, example, pairing.contract),
            rejected=_messages(rejected, example, pairing.contract),
            chosen_sql=chosen.predicted_sql if chosen else example.sql,
            rejected_sql=rejected.predicted_sql,
            chosen_sample_id=chosen.id if chosen else "",
            rejected_sample_id=rejected.id,
            chosen_source="sample" if chosen else "gold",
            rejected_reason=rejected.reason,
            error_kind=rejected.error_kind,
            witness=rejected.witness,
            policy=pairing.policy,
            round=rejected.round,
            suite_hash=pairing.suite_hash,
            prompt_hash=example.prompt_hash,
            weak_model=rejected.weak_model,
            weak_model_revision=rejected.weak_model_revision,
            temperature=rejected.temperature,
            num_samples=len(group),
            num_correct=len(right),
            license=example.license,
        )
        for chosen, rejected in _first_distinct(choices, pairing.limit)
    ]


def with_database(pair: Pair, gold_sql: str, db_path: str) -> Pair:
    """The pair with the few rows on which its rejected answer is seen to be wrong as its witness.

    As it is where that answer does not run, or no such rows are found. Raises DatabaseError.
    """
    if pair.rejected_reason not in ("differs", "row_order"):
        return pair
    witness = shrink(db_path, gold_sql, pair.rejected_sql)
    return replace(pair, witness=witness.as_json()) if witness else pair


def unpaired_of(
    example: Example, samples: Iterable[Sample], contract: PromptContract | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of one question for KTO: each distinct text with a verdict, `label` True = correct."""
    seen: set[str] = set()
    for sample in _distinct(samples):
        completion = _messages(sample, example, contract)
        text = completion[-1]["content"]
        if sample.verdict == "unknown" or sample.gold_status != "ok" or text in seen:
            continue
        seen.add(text)
        yield {
            "id": sample.id,
            "prompt": _prompt(example),
            "completion": completion,
            "label": sample.verdict == "correct",
        }


def _distinct(samples: Iterable[Sample]) -> list[Sample]:
    """The samples by id, each once; two that share an id and differ are an error."""
    found: dict[str, Sample] = {}
    for sample in samples:
        if found.setdefault(sample.id, sample) != sample:
            raise ValueError(
                f"two samples that differ have round {sample.round}, index {sample.index} of "
                f"example {sample.example_id}; give each sample of a prompt its own index"
            )
    return [found[key] for key in sorted(found)]


def _first_distinct(choices: Iterable[Choice], limit: int) -> Iterator[Choice]:
    """The first `limit` choices with two sides that differ in normal form, each such pair once."""
    seen: set[tuple[str, str]] = set()
    for choice in choices:
        if limit and len(seen) == limit:
            return
        sides = _forms(choice)
        if sides[0] != sides[1] and sides not in seen:
            seen.add(sides)
            yield choice


def _lot(choice: Choice, seed: int) -> str:
    return content_id(str(seed), choice.chosen.id if choice.chosen else "", choice.rejected.id)


def _difference(choice: Choice) -> float:
    return -SequenceMatcher(None, *_forms(choice), autojunk=False).ratio()


def _forms(choice: Choice) -> tuple[str, str]:
    return _form(choice.chosen_sql), _form(choice.rejected.predicted_sql)


_form = lru_cache(maxsize=1024)(normalize_sql)


def _logprob(sample: Sample) -> float:
    return float("-inf") if sample.logprob is None else sample.logprob


def _prompt(example: Example) -> Messages:
    if not example.prompt:
        raise ValueError(
            f"example {example.id} (db_id '{example.db_id}') has no prompt; "
            "fill it with sense.prompt.prompt_messages before pairing"
        )
    return example.prompt


def _messages(sample: Sample | None, example: Example, contract: PromptContract | None) -> Messages:
    """What the side said; None = gold. A contract writes it where only SQL is known."""
    if sample and sample.completion:
        return [{"role": "assistant", "content": sample.completion}]
    if sample is None and example.completion:
        return example.completion
    if contract is None:
        raise ValueError(
            f"{'sample ' + sample.id if sample else 'gold'} of example {example.id} has no "
            "completion; pass the prompt contract, which writes one from the SQL"
        )
    sql = sample.predicted_sql if sample else example.sql
    return completion_messages(contract, example.prompt, sql)
