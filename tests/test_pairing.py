"""Pairs over a whole set: policies, caps, near misses, and the reason why a question has none."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_preference import EXAMPLE, make_sample

from sense.pairs.pairing import Answered, Paired, Pairing, pair_all
from sense.preference import Sample
from sense.spool import Spool

RIGHT = "SELECT name FROM city WHERE id = 1"


def question(number: int, *samples: Sample, db_id: str = "world", db_path: str = "") -> Answered:
    """One that its samples answer, whatever example they name."""
    example = replace(EXAMPLE, question=f"Question {number}?", db_id=db_id)
    own = [replace(s, example_id=example.id, db_id=db_id) for s in samples]
    return Answered(example, db_path, own)


def paired(questions: Sequence[Answered], pairing: Pairing) -> list[Paired]:
    with Spool(tempfile.gettempdir()) as waiting:
        ordered = sorted(questions, key=lambda q: q.example.id)
        return list(pair_all(ordered, pairing, waiting))


def right(index: int = 0, sql: str = RIGHT, **changes: object) -> Sample:
    return make_sample(index, "correct", sql, **changes)


def wrong(index: int, kind: str = "value", **changes: object) -> Sample:
    sql = f"SELECT name FROM city WHERE id = {index + 1}"
    return make_sample(index, "incorrect", sql, error_kind=kind, **changes)


def near_miss(index: int = -1, kind: str = "negation") -> Sample:
    sql = f"SELECT name FROM city WHERE id <> {index}"
    return make_sample(index, "incorrect", sql, error_kind=kind, source="mutation")


def test_kinds_are_balanced_over_all_questions() -> None:
    questions = [
        question(n, right(), *(wrong(i, kind) for i, kind in enumerate(kinds, 1)))
        for n, kinds in enumerate([("column",) * 6, ("column", "value"), ("column", "limit")] * 20)
    ]
    kinds = Counter(
        pair.error_kind
        for found in paired(questions, Pairing(policy="stratified"))
        for pair in found.pairs
    )
    assert kinds == {"column": 22, "value": 20, "limit": 18}


@pytest.mark.parametrize(
    ("caps", "counts", "reasons"),
    [
        ({"max_per_database": 3}, {"a": 3, "b": 3}, {"max_per_database": 14}),
        ({"max_per_kind": 4}, {"a": 4, "b": 4}, {"max_per_kind": 12}),
        ({"max_pairs": 2}, {"a": 20, "b": 20}, {}),
    ],
)
def test_caps_hold_over_the_whole_set_and_say_so(
    caps: dict[str, int], counts: dict[str, int], reasons: dict[str, int]
) -> None:
    questions = [
        question(n, right(), wrong(1, kind), wrong(2, kind), wrong(3, kind), db_id=db_id)
        for n in range(10)
        for db_id, kind in (("a", "value"), ("b", "column"))
    ]
    found = paired(questions, Pairing(**caps))
    assert Counter(pair.db_id for one in found for pair in one.pairs) == counts
    assert Counter(one.why_none for one in found if one.why_none) == reasons


def test_another_kind_is_taken_where_one_is_full() -> None:
    questions = [question(n, right(), wrong(1, "column"), wrong(2, "value")) for n in range(4)]
    found = paired(questions, Pairing(max_per_kind=2))
    assert Counter(p.error_kind for one in found for p in one.pairs) == {"column": 2, "value": 2}


def test_near_misses_are_at_most_their_share_and_only_where_no_mistake_was_made() -> None:
    made = [question(n, right(), wrong(1), near_miss()) for n in range(8)]
    clean = [question(n, right(), near_miss()) for n in range(100, 110)]
    found = paired([*made, *clean], Pairing())
    sources = Counter(pair.rejected_source for one in found for pair in one.pairs)
    assert sources == {"sample": 8, "mutation": 2}
    assert Counter(one.why_none for one in found) == {"": 10, "synthetic_share": 8}
    [pair] = next(
        one.pairs for one in found if one.pairs[:1] and one.pairs[0].rejected_source == "mutation"
    )
    assert (pair.error_kind, pair.num_samples, pair.num_correct) == ("negation", 1, 1)
    none = paired([*made, *clean], Pairing(synthetic_share=0))
    assert Counter(one.why_none for one in none) == {"": 8, "no_wrong_answer": 10}


@pytest.mark.parametrize(
    ("right_models", "wrong_models", "is_disputed"),
    [("a", "bc", True), ("ab", "cd", True), ("abc", "de", False), ("a", "b", False)],
)
def test_a_question_on_which_models_agree_against_gold_is_left_out(
    right_models: str, wrong_models: str, is_disputed: bool
) -> None:
    samples = [right(n, weak_model=model) for n, model in enumerate(right_models)]
    samples += [
        wrong(n, weak_model=model, witness='{"only_in": "gold"}')
        for n, model in enumerate(wrong_models, 10)
    ]
    [found] = paired([question(1, *samples)], Pairing())
    assert found.why_none == ("disputed" if is_disputed else "")
    assert paired([question(1, *samples)], Pairing(keeps_disputed=True))[0].pairs
    apart = [replace(s, witness=f'{{"row": [{s.index}]}}') for s in samples]
    assert paired([question(1, *apart)], Pairing())[0].pairs


def test_a_question_with_another_reading_is_left_out_under_its_reason() -> None:
    samples = [replace(s, other_reading="no_partner") for s in (right(), wrong(1), near_miss())]
    [found] = paired([question(1, *samples)], Pairing())
    assert (found.pairs, found.why_none) == ([], "open_no_partner")
    [kept] = paired([question(1, *samples)], Pairing(keeps_open=True))
    assert [pair.rejected_sql for pair in kept.pairs] == [wrong(1).predicted_sql]


def test_answers_that_a_person_may_take_for_right_are_not_rejected() -> None:
    samples = [right(), wrong(1, is_subtle=True)]
    [found] = paired([question(1, *samples)], Pairing())
    assert (found.pairs, found.why_none) == ([], "only_subtle")
    [kept] = paired([question(1, *samples)], Pairing(keeps_subtle=True))
    assert [pair.rejected_sql for pair in kept.pairs] == [wrong(1).predicted_sql]
    [plain] = paired([question(1, *samples, wrong(2))], Pairing())
    assert [pair.rejected_sql for pair in plain.pairs] == [wrong(2).predicted_sql]
    [unknown] = paired([question(1, right())], Pairing())
    assert unknown.why_none == "no_wrong_answer"


def test_sides_of_very_different_length_make_no_pair() -> None:
    chatty = wrong(1, completion="I think that " * 50)
    assert paired([question(1, right(), chatty)], Pairing())[0].why_none == "length_gap"
    [found] = paired([question(1, right(), chatty, wrong(2))], Pairing())
    assert found.pairs[0].rejected_sql.endswith("id = 3")
    assert paired([question(1, right(), chatty)], Pairing(max_length_gap=0))[0].pairs


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "no_answer"),
        ([make_sample(1, "unknown")], "all_unknown"),
        ([right(), make_sample(1, "unknown")], "no_wrong_answer"),
        ([right(), wrong(1, reason="no_sql")], "no_sql"),
        ([wrong(1), make_sample(2, "unknown")], "no_right_answer"),
        ([right(), make_sample(1, "incorrect", f"{RIGHT};")], "same_sql"),
    ],
)
def test_every_question_without_a_pair_has_its_reason(samples: list[Sample], reason: str) -> None:
    [found] = paired([question(1, *samples)], Pairing())
    assert (found.pairs, found.why_none) == ([], reason)


def test_farthest_is_the_reverse_of_nearest() -> None:
    other = make_sample(
        2, "incorrect", "SELECT COUNT(*) FROM country GROUP BY continent", error_kind="table"
    )
    asked = question(1, right(), wrong(1), other)
    near, far = (
        paired([asked], Pairing(policy=name))[0].pairs[0] for name in ("nearest", "farthest")
    )
    assert (near.error_kind, far.error_kind) == ("value", "table")


def test_a_copy_of_gold_is_not_chosen_where_plans_must_differ(world: Path) -> None:
    copy = "SELECT c.name FROM city AS c WHERE c.id = 1"
    other = "SELECT name FROM city WHERE id IN (SELECT 1)"
    answers = [right(0, copy), right(1, other), wrong(2)]
    pairing = Pairing(policy="plan_differs", max_pairs=0)
    [found] = paired([question(1, *answers, db_path=str(world))], pairing)
    assert [pair.chosen_sql for pair in found.pairs] == [other]
    [found] = paired([question(1, answers[0], wrong(2), db_path=str(world))], pairing)
    assert found.why_none == "not_plan_differs"
    with pytest.raises(ValueError, match="pass --databases"):
        paired([question(1, *answers)], pairing)


def test_hardest_without_probabilities_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"none of the 1 wrong answers to example .* has one"):
        paired([question(1, right(), wrong(1))], Pairing(policy="hardest"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"synthetic_share": 1.0}, "synthetic_share is 1.0; expected 0 to below 1"),
        ({"gold": "sometimes"}, "gold is 'sometimes'"),
        ({"policy": "plan_differs", "gold": "always"}, "gold's own never does"),
    ],
)
def test_settings_that_cannot_be_met_are_errors(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Pairing(**settings)
