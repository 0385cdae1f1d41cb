"""Label noise: what is injected into pairs of known truth is found again, and passed on."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from sense.facts import collect_facts
from sense.preference import Sample
from sense.weak_set.noise import LabelNoise, NoiseTally, label_smoothing_of, pairs_at_risk
from sense.weak_set.read_pairs import ReadPairs, Share, read_errors


def make_samples(
    db_id: str, right: Sequence[str] = (), wrong: Sequence[str] = (), broken: Sequence[str] = ()
) -> list[Sample]:
    """Answers to one question: accepted, refuted by their results, and such as do not run."""
    found = [("correct", "equal", sql) for sql in right]
    found += [("incorrect", "differs", sql) for sql in wrong]
    found += [("incorrect", "error", sql) for sql in broken]
    return [
        Sample(
            example_id="e",
            db_id=db_id,
            question="?",
            evidence="",
            gold_sql="SELECT 0",
            predicted_sql=sql,
            completion="",
            verdict=verdict,
            reason=reason,
            error_kind="",
            witness="",
            weak_model="m",
            weak_model_revision="",
            gold_status="ok",
            hardness="easy",
            round=1,
            index=index,
            temperature=1.0,
        )
        for index, (verdict, reason, sql) in enumerate(found)
    ]


class Truth(NamedTuple):
    """One question: its right queries and its wrong ones, each once per sample."""

    db_id: str
    right: list[str]
    wrong: list[str]


def questions(lots: random.Random, num_databases: int, num_each: int) -> Iterator[Truth]:
    """Databases differ in how often the model is right; a fifth of all questions it never is."""
    for name in range(num_databases):
        share = lots.random()
        for _ in range(num_each):
            answers = [lots.random() < share for _ in range(6)]
            if lots.random() < 0.2:
                answers = [False] * 6
            drawn = [f"SELECT {is_right:d}{lots.randrange(4)}" for is_right in answers]
            right = [sql for sql in drawn if sql.startswith("SELECT 1")]
            yield Truth(f"db_{name}", right, [sql for sql in drawn if sql not in right])


def judged(truth: Truth, separates: float, lots: random.Random) -> tuple[list[Sample], int, int]:
    """The samples as instances that separate so many call them, pairs, and wrong chosen ones."""
    survivors = {sql for sql in sorted(set(truth.wrong)) if lots.random() >= separates}
    accepted = [*truth.right, *(sql for sql in truth.wrong if sql in survivors)]
    refuted = [sql for sql in truth.wrong if sql not in survivors]
    samples = make_samples(truth.db_id, accepted, refuted)
    if not (accepted and refuted):
        return samples, 0, 0
    return samples, 1, int(lots.choice(accepted) in survivors)


@pytest.mark.parametrize("separates", [0.6, 0.95])
def test_survivors_that_stand_as_chosen_are_found_again(separates: float) -> None:
    """The expectation is exact: over many draws its error is that of chance alone."""
    lots = random.Random(0)
    truths = list(questions(lots, num_databases=30, num_each=20))
    estimated, injected, num_covered = [], [], 0
    for _ in range(25):
        tally, num_pairs, num_wrong = NoiseTally(Share(int(separates * 10_000), 10_000)), 0, 0
        for truth in truths:
            samples, pairs, wrong = judged(truth, separates, lots)
            tally.add(samples, pairs)
            num_pairs += pairs
            num_wrong += wrong
        noise = tally.estimate()
        assert noise and noise.source == "execution" and noise.rejected_right is None
        assert noise.label_smoothing == noise.chosen_wrong / 2
        estimated.append(noise.chosen_wrong)
        injected.append(num_wrong / num_pairs)
        num_covered += noise.low <= num_wrong / num_pairs / 2 <= noise.high
    mean = sum(injected) / len(injected)
    assert mean > 0.02
    assert math.fsum(estimated) / len(estimated) == pytest.approx(mean, rel=0.06)
    assert num_covered >= 20


def judged_twice(truth: Truth, lots: random.Random) -> tuple[list[Sample], int, int]:
    """As `judged`, by an original and a suite. Mistakes of half of the questions hold together."""
    broken = make_samples(truth.db_id, broken=["SELEC"])
    is_joint, joint = lots.random() < 0.5, lots.random()
    chance = {sql: joint if is_joint else lots.random() for sql in sorted(set(truth.wrong))}
    samples = make_samples(truth.db_id, truth.right, truth.wrong)
    found = []
    for sample in samples:
        is_wrong = sample.predicted_sql in chance
        survives_original = not is_wrong or chance[sample.predicted_sql] < 0.3
        survives_suite = not is_wrong or chance[sample.predicted_sql] < 0.05
        found.append(
            replace(
                sample,
                verdict="correct" if survives_suite else "incorrect",
                reason="equal" if survives_suite else "differs",
                database_verdict="correct" if survives_original else "incorrect",
            )
        )
    found.append(replace(broken[0], index=len(found), database_verdict="incorrect"))
    accepted = [sample for sample in found if sample.verdict == "correct"]
    if not accepted:
        return found, 0, 0
    return found, 1, int(lots.choice(accepted).predicted_sql in chance)


def test_mistakes_that_survive_together_are_corrected_by_what_a_suite_knows() -> None:
    lots = random.Random(2)
    truths = list(questions(lots, num_databases=40, num_each=40))
    estimated, uncorrected, injected = [], [], []
    for _ in range(10):
        tally, num_pairs, num_wrong = NoiseTally(Share(95, 100)), 0, 0
        for truth in truths:
            samples, pairs, wrong = judged_twice(truth, lots)
            tally.add(samples, pairs)
            num_pairs += pairs
            num_wrong += wrong
        noise = tally.estimate()
        assert noise and noise.survivors and noise.alone
        assert noise.alone.chosen_wrong < noise.alone.predicted_wrong
        estimated.append(noise.chosen_wrong)
        uncorrected.append(noise.chosen_wrong / noise.survivors.correction)
        injected.append(num_wrong / num_pairs)
    mean = sum(injected) / len(injected)
    assert sum(uncorrected) / len(uncorrected) > 1.2 * mean
    assert sum(estimated) / len(estimated) == pytest.approx(mean, rel=0.12)


def test_a_query_at_risk_weighs_as_the_choice_of_it_would() -> None:
    """Two samples of one refuted query beside one accepted: chosen in two of three cases."""
    one = make_samples("a", right=["SELECT 1"], wrong=["SELECT 2", "select  2;", "SELECT 3"])
    assert pairs_at_risk(one) == (1, pytest.approx(2 / 3 + 1 / 2))
    lone = make_samples("a", right=["SELECT 1"], wrong=["SELECT 2"])
    assert pairs_at_risk(lone) == (1, 0)  # had it survived, there would be no pair
    beside = make_samples("a", right=["SELECT 1"], wrong=["SELECT 2"], broken=["SELEC"])
    assert pairs_at_risk(beside) == (1, 0.5)
    none_right = make_samples("a", wrong=["SELECT 2", "SELECT 3"])
    assert pairs_at_risk(none_right) == (0, 2)
    assert pairs_at_risk(none_right, gold="when_none_correct") == (1, 2)
    assert pairs_at_risk(one, gold="always") == (1, 0)
    assert pairs_at_risk(one, max_pairs=0) == (2, pytest.approx(2 * 2 / 3 + 2 * 1 / 2))


def read_file(path: Path, pairs: Sequence[tuple[str, bool, bool]]) -> Path:
    words = {True: "right", False: "wrong"}
    lines = [{"db_id": d, "chosen": words[c], "rejected": words[r]} for d, c, r in pairs]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_errors_of_both_sides_that_go_together_are_found_again_by_reading(tmp_path: Path) -> None:
    """Where gold is wrong both sides tend to be: reversed pairs, ties of both kinds, in groups."""
    lots = random.Random(1)
    pairs = []
    for database in range(80):
        trouble = lots.random() ** 2
        for _ in range(50):
            is_bad_gold = lots.random() < 0.3 * trouble
            chosen = not (is_bad_gold and lots.random() < 0.8)
            rejected = is_bad_gold and lots.random() < 0.6
            pairs.append((f"db_{database}", chosen, rejected))
    reversed_ = sum(r > c for _, c, r in pairs) / len(pairs)
    tied = sum(r == c for _, c, r in pairs) / len(pairs)
    injected = reversed_ + tied / 2
    assert reversed_ > 0.01 and tied > 0.01
    found = read_errors(str(read_file(tmp_path / "read.jsonl", lots.sample(pairs, 1000))))
    tally = NoiseTally(None, found)
    for db_id, _, _ in pairs:
        tally.add(make_samples(db_id, ["SELECT 1"], ["SELECT 2"]), 1)
    noise = tally.estimate()
    assert noise and noise.source == "reading"
    assert (noise.num_pairs, noise.num_databases) == (4000, 80)
    assert noise.low and noise.high and noise.low < injected < noise.high
    assert noise.label_smoothing == pytest.approx(injected, abs=0.02)
    assert noise.label_smoothing == (noise.chosen_wrong + (noise.rejected_right or 0)) / 2


def test_the_smoothing_is_where_conservative_dpo_is_least_on_noisy_pairs() -> None:
    """Ten pairs: one reversed, two ties. A fair judge prefers chosen with 7 + 2 / 2 of 10."""
    smoothing = 1 / 10 + 2 / 10 / 2

    def loss(preference: float) -> float:
        return -(1 - smoothing) * math.log(preference) - smoothing * math.log(1 - preference)

    assert min((i / 100 for i in range(1, 100)), key=loss) == 0.8 == 1 - smoothing


def counted(read: str) -> LabelNoise:
    tally = NoiseTally(Share(98, 100), read_errors(read))
    tally.add(make_samples("a", ["SELECT 1"], ["SELECT 2", "SELECT 3"]), 1)
    noise = tally.estimate()
    assert noise
    return noise


def test_counts_of_reading_win_over_survivors_which_stand_beside_them() -> None:
    noise = counted("9/300,6/300")
    assert noise.label_smoothing == pytest.approx(0.025)
    assert 0.01 < noise.low < 0.025 < noise.high < 0.05
    assert noise.read == ReadPairs(Share(9, 300), Share(6, 300))
    assert noise.survivors and noise.survivors.expected_wrong == pytest.approx(2 / 98)
    assert noise.as_json()["read"] == {
        "num_chosen": 300, "chosen_wrong": 9, "num_rejected": 300, "rejected_right": 6,
    }  # fmt: skip
    json.dumps(noise.as_json(), allow_nan=False)
    assert 0 < counted("0/300,0/300").high < 0.02


def test_labels_of_one_database_take_the_flip_rate_of_a_like_set() -> None:
    tally = NoiseTally(None, flips=Share(80, 500))
    tally.add(make_samples("a", ["SELECT 1"], ["SELECT 2"]), 1)
    noise = tally.estimate()
    assert noise and (noise.source, noise.label_smoothing) == ("flips", 0.08)
    assert 0.06 < noise.low < 0.08 < noise.high < 0.1


def test_nothing_is_estimated_of_nothing_and_little_of_one_database() -> None:
    assert NoiseTally(Share(98, 100)).estimate() is None
    tally = NoiseTally(None)
    tally.add(make_samples("a", ["SELECT 1"], ["SELECT 2"]), 1)
    assert tally.estimate() is None
    tally = NoiseTally(Share(98, 100))
    tally.add([], 0)
    tally.add(make_samples("a", ["SELECT 1"], ["SELECT 2", "SELECT 3"]), 1)
    noise = tally.estimate()
    assert noise and (noise.low, noise.high) == (None, None)
    assert 0 < noise.label_smoothing < 0.5
    for number in range(4):
        alone = tally.estimate()
        assert alone and alone.low is None, f"{number} more databases"
        tally.add(make_samples(f"b{number}", ["SELECT 1"], ["SELECT 2", "SELECT 3"]), 1)
    noise = tally.estimate()
    assert noise and noise.low is not None and noise.high is not None
    assert 0 < noise.low <= noise.label_smoothing <= noise.high < 0.5


def test_few_databases_that_were_read_give_no_interval(tmp_path: Path) -> None:
    path = read_file(tmp_path / "read.jsonl", [(f"db_{i}", i > 0, False) for i in range(4)])
    tally = NoiseTally(None, read_errors(str(path)))
    for number in range(9):
        tally.add(make_samples(f"db_{number}", ["SELECT 1"], ["SELECT 2"]), 1)
    noise = tally.estimate()
    assert noise and (noise.label_smoothing, noise.low, noise.high) == (1 / 8, None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9/300", "expected CHOSEN_WRONG/READ"),
        ("9/300,x/300", "'x/300' is no share"),
        ("9/3,0/3", "'9/3' is no share"),
        ("0/0,0/3", "'0/0' is no share"),
        ("no-such-file.jsonl", "is no file and no two shares"),
    ],
)
def test_counts_that_are_none_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_errors(text)


def test_a_file_of_reading_that_says_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "read.jsonl"
    path.write_text('{"db_id": "a", "chosen": "yes", "rejected": "wrong"}\n')
    with pytest.raises(ValueError, match=r"read.jsonl, line 1 says 'yes' of an answer"):
        read_errors(str(path))
    path.write_text('{"db_id": "a", "chosen": "unsure", "rejected": "wrong"}\n')
    with pytest.raises(ValueError, match="no pair of which a side was judged"):
        read_errors(str(path))
    path.write_text('{"db_id": "a", "chosen": "right"}\n')
    with pytest.raises(ValueError, match="lacks 'rejected'"):
        read_errors(str(path))


def test_facts_hand_the_smoothing_on_or_say_what_is_missing() -> None:
    noisy = collect_facts("b.py", seed=0, settings={}, results={"noise": {"label_smoothing": 0.04}})
    assert label_smoothing_of(noisy, "weak") == 0.04
    for share in (0.5, -0.1, math.nan):
        results = {"noise": {"label_smoothing": share}}
        none = collect_facts("b.py", seed=0, settings={}, results=results)
        with pytest.raises(ValueError, match=r"facts of weak .* expected 0 to below 0\.5"):
            label_smoothing_of(none, "weak")
    with pytest.raises(ValueError, match="facts of weak hold no label noise; build the set"):
        label_smoothing_of(collect_facts("b.py", seed=0, settings={}), "weak")


def test_an_original_that_refutes_nothing_says_nothing_of_survivors() -> None:
    tally = NoiseTally(Share(9, 10))
    for number in range(50):
        samples = make_samples(f"db_{number % 5}", ["SELECT 1"], ["SELECT 2"], ["SELECT"])
        alone = ["correct", "correct", "incorrect"]
        tally.add([replace(s, database_verdict=v) for s, v in zip(samples, alone, strict=True)], 1)
    found = tally.estimate()
    assert found is not None
    assert found.alone is None
    assert found.low is not None and found.high is not None
    assert 0 < found.low <= found.label_smoothing <= found.high < 0.5
