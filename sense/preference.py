"""Judged samples of a weak model, and the rows made of them: pairs, and single ones for KTO.

Answers whose verdict is `unknown` never enter, nor do those to a gold that cannot judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

from sense.example import Example, Messages, Pair, content_id
from sense.prompt import PromptContract, completion_messages
from sense.witness import shrink

Source: TypeAlias = Literal["sample", "mutation"]
"""Who wrote an answer: a model, or an edit of a right answer that makes it wrong."""


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
    is_subtle: bool = False
    """Whether a person may take an incorrect answer for right, see `sense.pairs.plainness`."""
    other_reading: str = ""
    """Why the question may be meant otherwise than gold has it, see `sense.pairs.readings`."""
    source: Source = "sample"

    @cached_property
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

    @property
    def rejected_sql(self) -> str:
        return self.rejected.predicted_sql


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


def pair_of(
    example: Example,
    choice: Choice,
    policy: str,
    suite_hash: str,
    contract: PromptContract | None,
    samples: Sequence[Sample],
) -> Pair:
    """The pair of a choice. Round, model and temperature are those of its rejected sample.

    contract: writes the message of a side of which only SQL is known; samples: all answers to the
    question, which are counted.
    """
    chosen, rejected = choice
    own = [sample for sample in samples if sample.source == "sample"]
    return Pair(
        example_id=example.id,
        db_id=example.db_id,
        question=example.question,
        evidence=example.evidence,
        hardness=example.hardness,
        prompt=prompt_of(example),
        chosen=messages_of(chosen, example, contract),
        rejected=messages_of(rejected, example, contract),
        chosen_sql=choice.chosen_sql,
        rejected_sql=choice.rejected_sql,
        chosen_sample_id=chosen.id if chosen else "",
        rejected_sample_id=rejected.id,
        chosen_source="sample" if chosen else "gold",
        rejected_source=rejected.source,
        rejected_reason=rejected.reason,
        error_kind=rejected.error_kind,
        witness=rejected.witness,
        policy=policy,
        round=rejected.round,
        suite_hash=suite_hash,
        prompt_hash=example.prompt_hash,
        weak_model=rejected.weak_model,
        weak_model_revision=rejected.weak_model_revision,
        temperature=rejected.temperature,
        num_samples=len(own),
        num_correct=sum(s.verdict == "correct" and s.gold_status == "ok" for s in own),
        license=example.license,
    )


def with_database(pair: Pair, gold_sql: str, db_path: str) -> Pair:
    """The pair with the few rows on which its rejected answer is seen to be wrong as its witness.

    As it is where that answer does not run, or no such rows are found. Raises DatabaseError.
    """
    if pair.rejected_reason not in ("differs", "row_order"):
        return pair
    witness = shrink(db_path, gold_sql, pair.rejected_sql)
    return replace(pair, witness=witness.as_json()) if witness else pair


def unpaired_of(
    example: Example,
    samples: Iterable[Sample],
    contract: PromptContract | None = None,
    keeps_subtle: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows of one question for KTO: each distinct text of a model that is right or plainly wrong.

    `label` True = correct; keeps_subtle: also texts that are wrong, but not plainly.
    """
    seen: set[str] = set()
    for sample in distinct(samples):
        is_open = sample.verdict == "unknown" or sample.gold_status != "ok"
        is_hidden = sample.is_subtle and not keeps_subtle
        if sample.source != "sample" or is_open or is_hidden:
            continue
        completion = messages_of(sample, example, contract)
        text = completion[-1]["content"]
        if text in seen:
            continue
        seen.add(text)
        yield {
            "id": sample.id,
            "prompt": prompt_of(example),
            "completion": completion,
            "label": sample.verdict == "correct",
        }


def distinct(samples: Iterable[Sample]) -> list[Sample]:
    """The samples by id, each once; two that share an id and differ are an error."""
    found: dict[str, Sample] = {}
    for sample in samples:
        if found.setdefault(sample.id, sample) != sample:
            raise ValueError(
                f"two samples that differ have round {sample.round}, index {sample.index} of "
                f"example {sample.example_id}; give each sample of a prompt its own index"
            )
    return [found[key] for key in sorted(found)]


def prompt_of(example: Example) -> Messages:
    """The prompt of an example, which must have one."""
    if not example.prompt:
        raise ValueError(
            f"example {example.id} (db_id '{example.db_id}') has no prompt; "
            "fill it with sense.prompt.prompt_messages before pairing"
        )
    return example.prompt


def messages_of(
    sample: Sample | None, example: Example, contract: PromptContract | None
) -> Messages:
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
