"""The weak set: answers to questions whose gold is known, executed, judged, and kept as samples.

Answers come in fixed batches of questions. The answers to a batch and their verdicts are units of
the journal, so a run that was killed samples and judges only what is left, to the same rows.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tqdm import tqdm

from sense.database import database_sha256, unknown_database
from sense.example import Example
from sense.execution import WorkerFailure, map_in_workers
from sense.hardness import hardness
from sense.journal import Journal
from sense.mutation import error_kind
from sense.preference import Sample, sample_row, to_sample
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.question import Question
from sense.reading import Prediction
from sense.verdict import Judgement, Unit, judge

QUESTIONS_PER_BATCH = 64
MAX_QUESTION_SECONDS = 300.0
"""All answers to one question; each has its own limits, so this catches only what escapes them."""


class Answer(NamedTuple):
    """What a model said to one question."""

    sql: str
    completion: str
    """The text as sampled; "" when only its SQL is known."""
    model: str
    revision: str = ""
    temperature: float = 0.0
    logprob: float | None = None


class Job(NamedTuple):
    """The unit of judging: one question with all answers to it."""

    question: Question
    answers: list[Answer]
    round: int


Ask: TypeAlias = Callable[[int, Sequence[Question]], list[list[Answer]]]
"""(number of a batch, its questions) -> the answers to each question."""


def group_predictions(
    predictions: Iterable[Prediction],
    databases: Mapping[str, Path],
    contract: PromptContract,
    license: str,
) -> list[tuple[Question, list[Answer]]]:
    """The questions of a file of predictions, in its order, each with all answers to it.

    Raises LookupError for the first `db_id` without a database.
    """
    groups: dict[tuple[str, str, str, str], list[Answer]] = {}
    for p in predictions:
        if p.db_id not in databases:
            raise unknown_database(p.db_id, "the given folder", databases)
        answer = Answer(p.pred, p.completion, p.system, logprob=p.logprob)
        groups.setdefault((p.db_id, p.question, p.evidence, p.gold), []).append(answer)
    asked = []
    for (db_id, question, evidence, gold), answers in groups.items():
        path = databases[db_id]
        example = Example(
            db_id=db_id,
            question=question,
            evidence=evidence,
            sql=gold,
            hardness=hardness(gold),
            gold_status="",
            source="samples",
            db_sha256=database_sha256(path),
            license=license,
            prompt_hash=contract.hash,
            prompt=prompt_messages(contract, path, question, evidence),
            completion=completion_messages(contract, gold),
        )
        asked.append((Question(example, str(path)), answers))
    return asked


def judged_samples(
    questions: Sequence[Question], ask: Ask, round: int, journal: Journal, num_workers: int
) -> Iterator[Sample]:
    """Every answer with its verdict, in the order of the questions, once all are in the journal."""
    batches = [
        questions[start : start + QUESTIONS_PER_BATCH]
        for start in range(0, len(questions), QUESTIONS_PER_BATCH)
    ]
    waiting = [n for n in range(len(batches)) if f"verdicts {n}" not in journal]
    jobs = (
        Job(question, answers, round)
        for n in waiting
        for question, answers in zip(batches[n], _answers(n, batches[n], ask, journal), strict=True)
    )
    results = map_in_workers(judge_job, jobs, num_workers, MAX_QUESTION_SECONDS)
    with tqdm(desc="questions", total=sum(len(batches[n]) for n in waiting)) as progress:
        for n in waiting:
            rows: list[dict[str, Any]] = []
            for question in batches[n]:
                result = next(results)
                if isinstance(result, WorkerFailure):
                    raise RuntimeError(
                        f"the answers to {question.example.question!r} (db_id "
                        f"'{question.example.db_id}') could not be judged: {result.error}"
                    )
                rows += map(sample_row, result)
                progress.update()
            journal.put(f"verdicts {n}", rows)
    for n in range(len(batches)):
        yield from map(to_sample, journal[f"verdicts {n}"])


def judge_job(job: Job) -> list[Sample]:
    """The answers to one question as judged samples."""
    example = job.question.example
    unit = Unit((job.question.db_path,), example.sql, tuple(a.sql for a in job.answers))
    gold_status, judgements = judge(unit)
    return [
        Sample(
            example_id=example.id,
            db_id=example.db_id,
            question=example.question,
            evidence=example.evidence,
            gold_sql=example.sql,
            predicted_sql=answer.sql,
            completion=answer.completion,
            verdict=judgement.verdict,
            reason=judgement.reason,
            error_kind=_error_kind(example.sql, answer.sql, judgement),
            witness=judgement.witness,
            weak_model=answer.model,
            weak_model_revision=answer.revision,
            gold_status=gold_status,
            hardness=example.hardness,
            round=job.round,
            index=index,
            temperature=answer.temperature,
            logprob=answer.logprob,
        )
        for index, (answer, judgement) in enumerate(zip(job.answers, judgements, strict=True))
    ]


def _answers(
    number: int, questions: Sequence[Question], ask: Ask, journal: Journal
) -> list[list[Answer]]:
    key = f"answers {number}"
    if key not in journal:
        journal.put(key, ask(number, questions))
    return [[Answer(*answer) for answer in answers] for answers in journal[key]]


def _error_kind(gold_sql: str, predicted_sql: str, judgement: Judgement) -> str:
    if judgement.verdict != "incorrect":
        return ""
    error = json.loads(judgement.witness).get("error", "") if judgement.witness else ""
    return error_kind(gold_sql, predicted_sql, error)
