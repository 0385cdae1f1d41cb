"""Pairs are made of what was judged, in the same way whatever the order of the samples."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.diagnosis.kind import error_kind
from sense.example import Example, Pair, pair_features, sample_features, to_row, unpaired_features
from sense.hardness import normalize_sql
from sense.mutation import mutate
from sense.pairs.pairing import Answered, Pairing, pair_all
from sense.preference import Sample, sample_row, to_sample, unpaired_of
from sense.prompt import DEFAULT_CONTRACT
from sense.schema import read_schema
from sense.spool import Spool
from sense.verdict import Unit, judge

EXAMPLE = Example(
    db_id="world",
    question="What is the name of city 1?",
    sql="SELECT name FROM city WHERE id = 1",
    hardness="easy",
    gold_status="ok",
    source="test",
    db_sha256="0" * 64,
    license="cc-by-sa-4.0",
    prompt_hash="p" * 64,
    prompt=[{"role": "user", "content": "What is the name of city 1?"}],
    completion=[{"role": "assistant", "content": "SELECT name FROM city WHERE id = 1"}],
)
OTHER = replace(
    EXAMPLE, question="What is the name of city 2?", sql="SELECT name FROM city WHERE id = 2"
)
EXAMPLES = {example.id: example for example in (EXAMPLE, OTHER)}


def make_sample(index: int, verdict: str, sql: str = "", **changes: object) -> Sample:
    sample = Sample(
        example_id=EXAMPLE.id,
        db_id=EXAMPLE.db_id,
        question=EXAMPLE.question,
        evidence="",
        gold_sql=EXAMPLE.sql,
        predicted_sql=sql or f"SELECT name FROM city WHERE id = {index}",
        completion=f"The answer is number {index}.",
        verdict=verdict,
        reason={"correct": "equal", "incorrect": "differs", "unknown": "limit"}[verdict],
        error_kind="value" if verdict == "incorrect" else "",
        witness="",
        weak_model="weak",
        weak_model_revision="main",
        gold_status="ok",
        hardness="easy",
        round=0,
        index=index,
        temperature=0.8,
    )
    return replace(sample, **changes)


PAPER_PAIRING = Pairing(
    synthetic_share=0, max_length_gap=0, keeps_disputed=True, keeps_subtle=True, keeps_open=True
)
"""SENSE, section 3.3: one right and one wrong answer per question, both sampled, at random."""


def pairs_of(
    example: Example, samples: list[Sample], pairing: Pairing = PAPER_PAIRING
) -> list[Pair]:
    with Spool(tempfile.gettempdir()) as waiting:
        found = list(pair_all([Answered(example, "", samples)], pairing, waiting))
    return [pair for paired in found for pair in paired.pairs]


def by_example(samples: list[Sample]) -> list[tuple[Example, list[Sample]]]:
    return [
        (example, [sample for sample in samples if sample.example_id == example.id])
        for example in EXAMPLES.values()
    ]


def pairs_of_all(samples: list[Sample], pairing: Pairing) -> list[Pair]:
    return [
        pair for example, group in by_example(samples) for pair in pairs_of(example, group, pairing)
    ]


def unpaired_of_all(samples: list[Sample]) -> list[dict[str, Any]]:
    return [row for example, group in by_example(samples) for row in unpaired_of(example, group)]


property_settings = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def judged_samples(draw: st.DrawFn) -> list[Sample]:
    """Samples of two questions; few different queries, so that sides often say the same."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["correct", "incorrect", "unknown"]),
                st.integers(0, 4),
                st.sampled_from([EXAMPLE, OTHER]),
                st.sampled_from(["value", "column", "table"]),
                st.sampled_from(["ok", "ok", "order"]),
                st.one_of(st.none(), st.floats(-9, 0)),
            ),
            max_size=14,
        )
    )
    return [
        make_sample(
            index,
            verdict,
            f"SELECT name FROM city WHERE id = {number}",
            example_id=example.id,
            gold_sql=example.sql,
            error_kind=kind,
            gold_status=gold_status,
            logprob=logprob,
        )
        for index, (verdict, number, example, kind, gold_status, logprob) in enumerate(rows)
    ]


pairings = st.builds(
    Pairing,
    policy=st.sampled_from(["any", "farthest", "nearest", "stratified"]),
    gold=st.sampled_from(["never", "when_none_correct", "always"]),
    max_pairs=st.integers(0, 3),
    seed=st.integers(0, 3),
)


@property_settings
@given(judged_samples(), pairings)
def test_chosen_is_right_or_gold_and_rejected_is_wrong(
    samples: list[Sample], pairing: Pairing
) -> None:
    by_id = {sample.id: sample for sample in samples}
    for pair in pairs_of_all(samples, pairing):
        rejected = by_id[pair.rejected_sample_id]
        assert (rejected.verdict, rejected.gold_status) == ("incorrect", "ok")
        if pair.chosen_source == "gold":
            assert pairing.gold != "never"
            assert (pair.chosen_sample_id, pair.chosen_sql) == ("", EXAMPLES[pair.example_id].sql)
        else:
            chosen = by_id[pair.chosen_sample_id]
            assert (chosen.verdict, chosen.gold_status) == ("correct", "ok")
            assert chosen.example_id == rejected.example_id == pair.example_id


@property_settings
@given(judged_samples(), pairings)
def test_no_pair_says_the_same_on_both_sides_or_twice(
    samples: list[Sample], pairing: Pairing
) -> None:
    pairs = pairs_of_all(samples, pairing)
    assert all(normalize_sql(p.chosen_sql) != normalize_sql(p.rejected_sql) for p in pairs)
    assert len({pair.id for pair in pairs}) == len(pairs)


@property_settings
@given(judged_samples(), pairings)
def test_a_question_has_at_most_limit_pairs(samples: list[Sample], pairing: Pairing) -> None:
    pairs = pairs_of_all(samples, pairing)
    every = pairs_of_all(samples, replace(pairing, max_pairs=0))
    for example_id in EXAMPLES:
        found = sum(pair.example_id == example_id for pair in pairs)
        possible = sum(pair.example_id == example_id for pair in every)
        assert found == min(pairing.max_pairs or possible, possible)


@property_settings
@given(judged_samples(), pairings, st.randoms(use_true_random=False))
def test_order_of_samples_changes_nothing(samples, pairing, random) -> None:
    shuffled = random.sample(samples, len(samples))
    assert pairs_of_all(samples, pairing) == pairs_of_all(shuffled, pairing)
    assert unpaired_of_all(samples) == unpaired_of_all(shuffled)


@property_settings
@given(judged_samples())
def test_unpaired_rows_are_judged_and_distinct(samples: list[Sample]) -> None:
    by_id = {sample.id: sample for sample in samples}
    rows = unpaired_of_all(samples)
    assert {row["id"] for row in rows} == {
        sample.id
        for sample in samples
        if sample.verdict != "unknown" and sample.gold_status == "ok"
    }
    for row in rows:
        assert row["label"] == (by_id[row["id"]].verdict == "correct")


def test_a_question_without_right_answer_needs_gold() -> None:
    samples = [make_sample(2, "incorrect"), make_sample(3, "unknown")]
    assert pairs_of(EXAMPLE, samples) == []
    (pair,) = pairs_of(EXAMPLE, samples, Pairing(gold="when_none_correct"))
    assert pair.chosen == EXAMPLE.completion
    assert (pair.chosen_source, pair.num_samples, pair.num_correct) == ("gold", 2, 0)


def test_gold_is_chosen_only_when_asked() -> None:
    samples = [make_sample(1, "correct"), make_sample(2, "incorrect")]
    sources = {
        gold: pairs_of(EXAMPLE, samples, Pairing(gold=gold))[0].chosen_source
        for gold in ("never", "when_none_correct", "always")
    }
    assert sources == {"never": "sample", "when_none_correct": "sample", "always": "gold"}


def test_sides_are_the_texts_that_were_sampled() -> None:
    (pair,) = pairs_of(EXAMPLE, [make_sample(1, "correct"), make_sample(2, "incorrect")])
    assert pair.chosen == [{"role": "assistant", "content": "The answer is number 1."}]
    assert pair.rejected == [{"role": "assistant", "content": "The answer is number 2."}]


def test_where_only_sql_is_known_the_contract_writes_the_text() -> None:
    samples = [make_sample(1, "correct", completion=""), make_sample(2, "incorrect", completion="")]
    with pytest.raises(ValueError, match="has no completion; pass the prompt contract"):
        pairs_of(EXAMPLE, samples)
    (pair,) = pairs_of(EXAMPLE, samples, Pairing(contract=DEFAULT_CONTRACT))
    assert "SELECT name FROM city WHERE id = 2" in pair.rejected[-1]["content"]


def test_seed_decides_which_pair_is_taken() -> None:
    samples = [make_sample(i, "correct" if i % 2 else "incorrect") for i in range(10)]
    taken = {pairs_of(EXAMPLE, samples, Pairing(seed=seed))[0].id for seed in range(20)}
    assert len(taken) > 5


def test_rare_kinds_come_first_when_stratified() -> None:
    samples = [make_sample(0, "correct")]
    samples += [make_sample(i, "incorrect", error_kind="value") for i in range(1, 9)]
    samples += [make_sample(9, "incorrect", error_kind="table")]
    pairs = pairs_of(EXAMPLE, samples, Pairing(policy="stratified", max_pairs=2))
    assert {pair.error_kind for pair in pairs} == {"value", "table"}


def test_the_surest_mistake_comes_first() -> None:
    samples = [
        make_sample(1, "correct", logprob=-0.1),
        make_sample(2, "incorrect", logprob=-5.0),
        make_sample(3, "incorrect", logprob=-0.5),
        make_sample(4, "incorrect"),
    ]
    (pair,) = pairs_of(EXAMPLE, samples, Pairing(policy="hardest"))
    assert pair.rejected_sql.endswith("id = 3")


def test_the_nearest_mistake_comes_first() -> None:
    samples = [
        make_sample(1, "correct"),
        make_sample(2, "incorrect", "SELECT COUNT(*) FROM country GROUP BY continent"),
        make_sample(3, "incorrect", "SELECT name FROM city WHERE id > 1"),
    ]
    (pair,) = pairs_of(EXAMPLE, samples, Pairing(policy="nearest"))
    assert pair.rejected_sql.endswith("id > 1")


def test_rows_have_the_published_columns() -> None:
    samples = [make_sample(1, "correct"), make_sample(2, "incorrect")]
    (pair,) = pairs_of(EXAMPLE, samples)
    assert set(to_row(pair)) == set(pair_features())
    assert set(sample_row(samples[0])) == set(sample_features())
    assert set(next(unpaired_of(EXAMPLE, samples))) == set(unpaired_features())
    assert to_sample(sample_row(samples[0])) == samples[0]


def test_misuse_is_named() -> None:
    sample = make_sample(1, "correct")
    with pytest.raises(ValueError, match="policy is 'best'; expected one of any, farthest"):
        Pairing(policy="best")
    with pytest.raises(ValueError, match="do not answer example"):
        pairs_of(OTHER, [sample])
    with pytest.raises(ValueError, match="round 0, index 1"):
        pairs_of(EXAMPLE, [sample, replace(sample, predicted_sql="SELECT 1")])
    with pytest.raises(ValueError, match="lacks the columns verdict"):
        to_sample({k: v for k, v in sample_row(sample).items() if k != "verdict"})
    with pytest.raises(ValueError, match="has no prompt"):
        pairs_of(replace(EXAMPLE, prompt=[]), [sample, make_sample(2, "incorrect")])


def test_max_where_min_is_needed_becomes_a_pair(world: Path) -> None:
    """The example of the SENSE paper: "any" that means "every"."""
    right = (
        "SELECT name FROM country WHERE population < "
        "(SELECT MIN(population) FROM country WHERE continent = 'Asia')"
    )
    wrong = right.replace("MIN", "MAX")
    assert (wrong, "aggregate") in mutate(right, read_schema(world))
    status, judgements = judge(Unit((str(world),), right, (right, wrong)))
    example = replace(
        EXAMPLE,
        question="Which countries have a population smaller than that of any country in Asia?",
        sql=right,
        gold_status=status,
    )
    samples = [
        make_sample(
            index,
            judgement.verdict,
            sql,
            example_id=example.id,
            gold_sql=right,
            gold_status=status,
            reason=judgement.reason,
            witness=judgement.witness,
            error_kind=error_kind(right, sql),
        )
        for index, (sql, judgement) in enumerate(zip((right, wrong), judgements, strict=True))
    ]
    assert [sample.verdict for sample in samples] == ["correct", "incorrect"]
    (pair,) = pairs_of(example, samples)
    assert (pair.chosen_sql, pair.rejected_sql) == (right, wrong)
    assert (pair.error_kind, pair.rejected_reason) == ("aggregate", "differs")
    assert json.loads(pair.witness)["only_in"] == "predicted"
