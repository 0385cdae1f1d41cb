"""The weak set: answers to questions whose gold is known, executed, judged, and kept as samples.

Answers come in fixed batches of questions. The answers to a batch and their verdicts are units of
the journal, so a run that was killed samples and judges only what is left, to the same rows.
"""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tqdm import tqdm

from sense.database import database_sha256, unknown_database
from sense.example import Example
from sense.journal import Journal
from sense.mutation import error_kind
from sense.preference import Sample, sample_row, to_sample
from sense.prompt import PromptContract, completion_messages, prompt_messages
from sense.question import Question, gold_hardness
from sense.reading import Prediction
from sense.verdict import Judgement, Rule, Unit, judge_all

QUESTIONS_PER_BATCH = 64


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


class Judging(NamedTuple):
    """How answers are judged."""

    round: int
    """Number of the sampling round."""
    rule: Rule
    """The official rule whose 0 or 1 stands beside each verdict."""
    num_workers: int = 1


class SystemScore(NamedTuple):
    """The answers of one model, by the official rule and by verdict."""

    num: int
    num_accepted: int
    """Answers that the official rule accepts."""
    num_correct: int
    num_incorrect: int
    """The others have no verdict."""


Ask: TypeAlias = Callable[[int, Sequence[Question]], list[list[Answer]]]
"""(number of a batch, its questions) -> the answers to each question."""


def group_predictions(
    predictions: Iterable[Prediction],
    databases: Mapping[str, Path],
    contract: PromptContract,
    license: str,
) -> list[Job]:
    """The questions of a file of predictions, in its order, each with all answers to it.

    Raises LookupError for the first `db_id` without a database.
    """
    groups: dict[tuple[str, str, str, str], list[Answer]] = {}
    for p in predictions:
        if p.db_id not in databases:
            raise unknown_database(p.db_id, "the given folder", databases)
        answer = Answer(p.pred, p.completion, p.system, logprob=p.logprob)
        groups.setdefault((p.db_id, p.question, p.evidence, p.gold), []).append(answer)
    jobs = []
    for (db_id, question, evidence, gold), answers in groups.items():
        path = databases[db_id]
        prompt = prompt_messages(contract, path, question, evidence)
        example = Example(
            db_id=db_id,
            question=question,
            evidence=evidence,
            sql=gold,
            hardness=gold_hardness(gold),
            gold_status="",
            source="samples",
            db_sha256=database_sha256(path),
            license=license,
            prompt_hash=contract.hash,
            prompt=prompt,
            completion=completion_messages(contract, prompt, gold),
        )
        jobs.append(Job(Question(example, str(path)), answers))
    return jobs


def judged_samples(
    questions: Sequence[Question], ask: Ask, judging: Judging, journal: Journal
) -> Iterator[Sample]:
    """Every answer with its verdict, in the order of the questions, once all are in the journal."""
    batches = [
        questions[start : start + QUESTIONS_PER_BATCH]
        for start in range(0, len(questions), QUESTIONS_PER_BATCH)
    ]
    waiting = [n for n in range(len(batches)) if f"verdicts {n}" not in journal]
    results = _judged((_jobs(n, batches[n], ask, journal) for n in waiting), judging)
    with tqdm(desc="questions", total=sum(len(batches[n]) for n in waiting)) as progress:
        for n in waiting:
            rows: list[dict[str, Any]] = []
            for samples in itertools.islice(results, len(batches[n])):
                rows += map(sample_row, samples)
                progress.update()
            journal.put(f"verdicts {n}", rows)
    for n in range(len(batches)):
        yield from map(to_sample, journal[f"verdicts {n}"])


def score_systems(samples: Iterable[Sample]) -> dict[str, SystemScore]:
    """The score of each model that answered, by its name; "" where the answers name none."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        counts[sample.weak_model].update(["num", sample.verdict])
        counts[sample.weak_model]["accepted"] += sample.rule_correct or 0
    return {
        name: SystemScore(found["num"], found["accepted"], found["correct"], found["incorrect"])
        for name, found in sorted(counts.items())
    }


def systems_table(systems: Mapping[str, SystemScore], rule: Rule) -> str:
    """The scores as text, a line per model; `correct` is a share of the answers with a verdict.

    >>> print(systems_table({"codes": SystemScore(1034, 805, 700, 300)}, "spider"))
    system        answers   spider  correct  unknown
    codes           1,034   77.9 %   70.0 %       34
    """
    width = max(12, *(len(name) for name in systems)) if systems else 12
    lines = [f"{'system':<{width}}  {'answers':>7}  {rule:>7}  {'correct':>7}  {'unknown':>7}"]
    for name, (num, accepted, correct, incorrect) in systems.items():
        judged = correct + incorrect
        shares = f"{_percent(accepted, num)}  {_percent(correct, judged)}"
        lines.append(f"{name or '(no name)':<{width}}  {num:>7,}  {shares}  {num - judged:>7,}")
    return "\n".join(lines)


def _jobs(number: int, questions: Sequence[Question], ask: Ask, journal: Journal) -> list[Job]:
    """The batch with its answers, asked for where they are not in the journal."""
    key = f"answers {number}"
    if key not in journal:
        journal.put(key, ask(number, questions))
    answers = [[Answer(*answer) for answer in answers] for answers in journal[key]]
    return list(itertools.starmap(Job, zip(questions, answers, strict=True)))


def _judged(batches: Iterable[list[Job]], judging: Judging) -> Iterator[list[Sample]]:
    """The samples of each question; an answer whose worker is lost is `unknown`."""
    jobs, again = itertools.tee(itertools.chain.from_iterable(batches))
    units = (
        Unit((job.question.db_path,), job.question.example.sql, tuple(a.sql for a in job.answers))
        for job in jobs
    )
    judged = judge_all(units, rules=(judging.rule,), num_workers=judging.num_workers)
    for job, (gold_status, judgements) in zip(again, judged, strict=True):
        yield _samples(job, gold_status, judgements, judging)


def _samples(
    job: Job, gold_status: str, judgements: Sequence[Judgement], judging: Judging
) -> list[Sample]:
    example = job.question.example
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
            round=judging.round,
            index=index,
            temperature=answer.temperature,
            logprob=answer.logprob,
            rule=judging.rule,
            rule_correct=judgement.scores[judging.rule],
        )
        for index, (answer, judgement) in enumerate(zip(job.answers, judgements, strict=True))
    ]


def _error_kind(gold_sql: str, predicted_sql: str, judgement: Judgement) -> str:
    if judgement.verdict != "incorrect":
        return ""
    error = json.loads(judgement.witness).get("error", "") if judgement.witness else ""
    return error_kind(gold_sql, predicted_sql, error)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "      -"
