"""Several answers to a question: what is right among them, and what most of them say."""

from pathlib import Path

import pytest

from sense.ask import Writer
from sense.evaluation import evaluate
from sense.example import Example
from sense.inputs.question import Question
from sense.inputs.reading import Prediction
from sense.prompt import DEFAULT_CONTRACT
from sense.sampler import Completion
from sense.scores.outcomes import Outcome
from sense.scores.samples import answer_rounds, grouped_answers, sampled_sql, summary, with_samples

CITIES = "SELECT name FROM city"


def answers(idx: int, sqls: list[str], gold: str = CITIES) -> list[Prediction]:
    return [Prediction(idx, "world", f"question {idx}", gold, sql) for sql in sqls]


def sampled(world: Path, predictions: list[Prediction], num_workers: int = 0) -> list[Outcome]:
    rounds = answer_rounds(*grouped_answers(predictions, "here"))
    scored = [evaluate(r, {"world": world}, ["strict"], num_workers=0) for r in rounds]
    return with_samples(scored, {"world": world}, num_workers)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_answers_with_the_same_rows_in_any_order_vote_together(
    world: Path, num_workers: int
) -> None:
    sqls = [f"{CITIES} ORDER BY name", f"{CITIES} ORDER BY name DESC", "SELECT 1", "SELEC", "SELE"]
    [outcome] = sampled(world, answers(0, sqls), num_workers)
    assert outcome.predicted_sql == sqls[0]
    assert outcome.samples == {"scores": [1, 1, 0, 0, 0], "results": [0, 0, 2, None, None]}


def test_questions_whose_gold_cannot_judge_do_not_count(world: Path) -> None:
    empty = "SELECT name FROM city WHERE id < 0"
    found = sampled(
        world, answers(0, [CITIES, CITIES]) + answers(1, [CITIES, "SELECT 1"], gold=empty)
    )
    assert summary(found) == {
        "num_samples": 2,
        "num": 1,
        "pass_at_k": {"1": 1.0, "2": 1.0},
        "maj_at_k": {"1": 1.0, "2": 1.0},
    }
    assert summary(found[1:])["pass_at_k"] == {"1": None, "2": None}


def test_single_answers_are_left_as_they_are(world: Path) -> None:
    single = answers(0, [CITIES]) + answers(1, ["SELECT 1"])
    assert grouped_answers(single, "here") == (tuple(single), ())
    assert [outcome.samples for outcome in sampled(world, single)] == [None, None]


def test_answers_may_stand_in_any_order_of_questions() -> None:
    mixed = answers(0, ["a"]) + answers(1, ["c"]) + answers(0, ["b"]) + answers(1, ["d"])
    firsts, samples = grouped_answers(mixed, "here")
    assert [p.pred for p in firsts] == ["a", "c"]
    assert samples == (("a", "b"), ("c", "d"))


def test_rows_of_one_idx_that_ask_different_things_are_no_samples() -> None:
    rows = answers(0, ["a"]) + answers(0, ["b"], gold="SELECT 2")
    assert grouped_answers(rows, "here") == (tuple(rows), ())


def test_sample_that_a_model_owes_is_no_wrong_answer(world: Path) -> None:
    asked = [
        Question(Example("world", text, CITIES, "easy", "ok", "", "", ""), str(world))
        for text in ("Which?", "What?")
    ]
    some = [[Completion("SELECT 1", None)] * 2, []]
    writer = Writer("gpt", "", DEFAULT_CONTRACT, lambda prompts: [], lambda *asked: some)
    with pytest.raises(RuntimeError, match=r"gpt gave no samples for 1 of 2 .* 'What\?'; run"):
        sampled_sql(writer, asked, num_samples=2, temperature=0.5)
    some[1] = [Completion("SELECT 2", None), Completion("```sql\nSELECT 3\n```", None)]
    assert sampled_sql(writer, asked, 2, 0.5) == [["SELECT 1"] * 2, ["SELECT 2", "SELECT 3"]]
