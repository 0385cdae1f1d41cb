"""Several answers of a system to each question: pass@k and maj@k beside its first answers.

What is counted stands in `Outcome.samples`: the score of each answer by the primary column, and
which of the answers before it has the same rows. Rows are compared as bags, since without gold
nothing says whether their order counts.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sense.denotation import denotation_key
from sense.execution import WORKER_LIMITS, execute
from sense.inputs.reading import Prediction
from sense.metrics import maj_at_k, pass_at_k
from sense.shown import shortened
from sense.workers import WorkerFailure, map_in_workers

if TYPE_CHECKING:
    from sense.ask import Writer
    from sense.inputs.question import Question
    from sense.scores.outcomes import Outcome

UNIT_SECONDS_PER_QUERY_SECOND = 3  # a query that does not stop at its limit is killed there
MAX_CELLS = 1_000_000  # of a result that votes; the key of a larger one takes over a second


def grouped_answers(
    predictions: Sequence[Prediction], place: str
) -> tuple[tuple[Prediction, ...], tuple[tuple[str, ...], ...]]:
    """The first answer to each question, and all answers to each; () for these where each has one.

    Rows of one idx answer one question; where they ask different things they are left as they are,
    for `sense.evaluation.check_predictions` to name. Raises ValueError, which names the place,
    where one question has more answers than another.
    """
    groups: dict[int, list[Prediction]] = {}
    for p in predictions:
        groups.setdefault(p.idx, []).append(p)
    asked = ({(p.db_id, p.question, p.gold) for p in group} for group in groups.values())
    if len(groups) == len(predictions) or any(len(questions) > 1 for questions in asked):
        return tuple(predictions), ()
    first, *others = groups.values()
    odd = next((group for group in others if len(group) != len(first)), None)
    if odd:
        raise ValueError(
            f"{place}, has {len(first):,} answers to the question of idx {first[0].idx} and "
            f"{len(odd):,} to that of idx {odd[0].idx}; expected as many to each: add what is "
            "missing with an empty pred, or remove the lines that are there twice"
        )
    answers = tuple(tuple(p.pred for p in group) for group in groups.values())
    return tuple(group[0] for group in groups.values()), answers


def answer_rounds(
    predictions: Sequence[Prediction], samples: Sequence[Sequence[str]]
) -> list[list[Prediction]]:
    """The first answers to all questions, then the second ones, and so on.

    samples: all answers to each question, or () where each has the one of `predictions`.

    >>> one = Prediction(0, "pets", "Who?", "SELECT name FROM pet", "SELECT 1")
    >>> [[p.pred for p in answers] for answers in answer_rounds([one], [["SELECT 1", "SELECT 2"]])]
    [['SELECT 1'], ['SELECT 2']]
    """
    if not samples:
        return [list(predictions)]
    return [
        [p._replace(pred=sql) for p, sql in zip(predictions, sqls, strict=True)]
        for sqls in zip(*samples, strict=True)
    ]


def sampled_sql(
    writer: "Writer",
    questions: "Sequence[Question]",
    num_samples: int,
    temperature: float,
) -> list[list[str]]:
    """As many SQL queries per question.

    Raises RuntimeError where a server does not answer: that would count as wrong answers.
    """
    from sense.prompt import completion_sql, prompt_messages

    prompts = [
        prompt_messages(writer.contract, q.db_path, q.example.question, q.example.evidence)
        for q in questions
    ]
    samples = writer.sample(prompts, (temperature,) * num_samples, 0)
    if missing := [q for q, found in zip(questions, samples, strict=True) if not found]:
        raise RuntimeError(
            f"{writer.name} gave no samples for {len(missing):,} of {len(questions):,} questions, "
            f"the first is {shortened(missing[0].example.question)!r}; run the same command again: "
            "what was answered is kept"
        )
    return [
        [completion_sql(writer.contract, prompt, completion.text) for completion in completions]
        for prompt, completions in zip(prompts, samples, strict=True)
    ]


def with_samples(
    rounds: "Sequence[Sequence[Outcome]]", databases: Mapping[str, Path], num_workers: int = 1
) -> "list[Outcome]":
    """The outcomes of the first answers, with `samples` filled in where there are more.

    rounds: the outcomes of all first answers, all second ones and so on.
    """
    if len(rounds) == 1:
        return list(rounds[0])
    jobs = {_job(o, databases): None for answers in rounds for o in answers}
    seconds = WORKER_LIMITS.max_seconds * UNIT_SECONDS_PER_QUERY_SECOND
    found = map_in_workers(_key, list(jobs), num_workers, seconds)
    keys = {
        job: None if isinstance(key, WorkerFailure) else key
        for job, key in zip(jobs, found, strict=True)
    }
    key_of = partial(_key_of, keys, databases)
    return [
        answers[0]._replace(samples=_samples(answers, [key_of(answer) for answer in answers]))
        for answers in zip(*rounds, strict=True)
    ]


def summary(outcomes: "Sequence[Outcome]") -> dict[str, Any]:
    """Means over the questions that count: `pass_at_k` and `maj_at_k` by k.

    k: the powers of two below the number of answers to each question, and that number.
    """
    samples = [o.samples for o in outcomes if o.samples]
    counted = [s for s in samples if None not in s["scores"]]
    num = len(samples[0]["scores"])
    sizes = [k for k in (2**i for i in range(num.bit_length())) if k < num] + [num]
    return {
        "num_samples": num,
        "num": len(counted),
        "pass_at_k": {str(k): _mean([_pass(s, k) for s in counted]) for k in sizes},
        "maj_at_k": {str(k): _mean([_majority(s, k) for s in counted]) for k in sizes},
    }


def _pass(samples: Mapping[str, Any], k: int) -> float:
    return pass_at_k(len(samples["scores"]), sum(samples["scores"]), k)


def _majority(samples: Mapping[str, Any], k: int) -> float:
    keys = [None if place is None else str(place) for place in samples["results"]]
    return maj_at_k(keys, samples["scores"], k)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _samples(answers: "Sequence[Outcome]", keys: Sequence[str | None]) -> dict[str, Any]:
    """The scores, and the place of the first answer with the same rows; None without rows."""
    column = next(iter(answers[0].scores))
    return {
        "scores": [answer.scores[column] for answer in answers],
        "results": [None if key is None else keys.index(key) for key in keys],
    }


_Job = tuple[str, str]
"""Path of a database, a query."""


def _job(outcome: "Outcome", databases: Mapping[str, Path]) -> _Job:
    return str(databases[outcome.db_id]), outcome.predicted_sql


def _key_of(
    keys: Mapping[_Job, str | None], databases: Mapping[str, Path], outcome: "Outcome"
) -> str | None:
    return keys[_job(outcome, databases)]


def _key(job: _Job) -> str | None:
    """The key of the rows; None for a query without a result, which has no vote."""
    execution = execute(*job, WORKER_LIMITS)
    if execution.status != "ok" or len(execution.rows) * len(execution.columns) > MAX_CELLS:
        return None
    return denotation_key(execution.rows, order_matters=False)
