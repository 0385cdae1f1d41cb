"""Counts of judged answers: by system, by verdict, and why a question gave no pair."""

import pytest
from test_preference import make_sample

from sense.preference import Sample
from sense.tally import SystemScore, Tally, systems_table


def tally(*questions: tuple[list[Sample], int]) -> Tally:
    found = Tally()
    for samples, num_pairs in questions:
        found.add(samples, num_pairs)
    return found


def test_systems_are_scored_by_rule_and_by_verdict() -> None:
    samples = [
        make_sample(1, "correct", weak_model="x", rule_correct=1),
        make_sample(2, "incorrect", weak_model="x", rule_correct=1),
        make_sample(3, "unknown", weak_model="y", rule_correct=0),
    ]
    found = tally((samples[:2], 1), (samples[2:], 0))
    assert found.systems() == {"x": SystemScore(2, 2, 1, 1), "y": SystemScore(1, 0, 0, 0)}
    assert found.answers.rows() == [("read", 3), ("dropped unknown_limit", 1), ("kept", 2)]
    assert found.counts["verdicts"] == {"correct": 1, "incorrect": 1, "unknown": 1}
    assert found.counts["error_kinds"] == {"value": 1}


def test_an_answer_flips_that_only_the_suite_calls_incorrect() -> None:
    verdicts = [("correct", "correct")] * 3 + [("correct", "incorrect"), ("correct", "unknown")]
    verdicts += [("incorrect", "incorrect"), ("unknown", "correct")]
    samples = [
        make_sample(i, verdict, database_verdict=alone)
        for i, (alone, verdict) in enumerate(verdicts)
    ]
    flips = tally((samples, 0)).flip_rate()
    assert (flips.num, flips.num_flipped, flips.rate) == (4, 1, 0.25)
    assert tally().flip_rate().num == 0


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([], "no_answer"),
        (["unknown", "unknown"], "all_unknown"),
        (["correct", "correct"], "no_wrong_answer"),
        (["incorrect", "unknown"], "no_right_answer"),
        (["correct", "incorrect"], "same_sql"),
    ],
)
def test_every_question_without_a_pair_has_its_reason(verdicts: list[str], reason: str) -> None:
    samples = [make_sample(i, verdict) for i, verdict in enumerate(verdicts)]
    assert tally((samples, 0)).questions.dropped == {reason: 1}


def test_table_shows_shares_and_those_without_a_verdict() -> None:
    table = systems_table({"": SystemScore(4, 1, 1, 2), "lost": SystemScore(2, 0, 0, 0)}, "bird")
    assert table.splitlines() == [
        "system        answers     bird  correct  unknown",
        "(no name)           4   25.0 %   33.3 %        1",
        "lost                2    0.0 %        -        2",
    ]
