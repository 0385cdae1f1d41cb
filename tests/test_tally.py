"""Counts of judged answers: by system, by verdict, and why a question gave no pair."""

from test_preference import make_sample

from sense.preference import Sample
from sense.weak_set.tally import SystemScore, Tally, systems_table


def tally(*questions: tuple[list[Sample], str]) -> Tally:
    found = Tally()
    for samples, why_none in questions:
        found.add(samples, why_none)
    return found


def test_systems_are_scored_by_rule_and_by_verdict() -> None:
    samples = [
        make_sample(1, "correct", weak_model="x", rule_correct=1),
        make_sample(2, "incorrect", weak_model="x", rule_correct=1),
        make_sample(3, "unknown", weak_model="y", rule_correct=0),
    ]
    found = tally((samples[:2], ""), (samples[2:], "all_unknown"))
    assert found.systems() == {"x": SystemScore(2, 2, 1, 1), "y": SystemScore(1, 0, 0, 0)}
    assert found.answers.rows() == [("read", 3), ("dropped unknown_limit", 1), ("kept", 2)]
    assert found.counts["verdicts"] == {"correct": 1, "incorrect": 1, "unknown": 1}
    assert found.counts["error_kinds"] == {"value": 1}
    assert found.questions.rows() == [("read", 2), ("dropped all_unknown", 1), ("kept", 1)]


def test_near_misses_count_in_no_system_and_no_flip_rate() -> None:
    near_miss = make_sample(-1, "incorrect", source="mutation", database_verdict="correct")
    found = tally(([make_sample(1, "correct", weak_model="x"), near_miss], ""))
    assert found.systems() == {"x": SystemScore(1, 0, 1, 0)}
    assert found.counts["mutations"] == {"value": 1}
    assert found.counts["error_kinds"] == {} and found.flip_rate().num == 0


def test_an_answer_flips_that_only_the_suite_calls_incorrect() -> None:
    verdicts = [("correct", "correct")] * 3 + [("correct", "incorrect"), ("correct", "unknown")]
    verdicts += [("incorrect", "incorrect"), ("unknown", "correct")]
    samples = [
        make_sample(i, verdict, database_verdict=alone)
        for i, (alone, verdict) in enumerate(verdicts)
    ]
    flips = tally((samples, "no_wrong_answer")).flip_rate()
    assert (flips.num, flips.num_flipped, flips.rate) == (4, 1, 0.25)
    assert tally().flip_rate().num == 0


def test_table_shows_shares_and_those_without_a_verdict() -> None:
    table = systems_table({"": SystemScore(4, 1, 1, 2), "lost": SystemScore(2, 0, 0, 0)}, "bird")
    assert table.splitlines() == [
        "system        answers     bird  correct  unknown",
        "(no name)           4   25.0 %   33.3 %        1",
        "lost                2    0.0 %        -        2",
    ]
