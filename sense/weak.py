"""The weak set: answers to questions whose gold is known, executed, judged, and kept as samples.

Answers come in fixed batches of questions, each with its seed. The answers to a batch and their
verdicts are units of the journal, so a run that was killed samples and judges only what is left, to
the same rows. A thread asks for the next batches while workers judge those before.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tqdm import tqdm

from sense.diagnosis.kind import judged_kind
from sense.diagnosis.kinds import OTHER
from sense.example import content_id
from sense.inputs.question import Question
from sense.journal import Journal
from sense.pairs.plainness import OPEN_KINDS, is_plainly_wrong
from sense.pairs.readings import UNDEFINED, UNDEFINED_GOLD, other_reading
from sense.preference import Sample, sample_row, to_sample
from sense.prompt import PromptContract, completion_sql
from sense.prompts.completion import NO_SQL, answer_fault
from sense.sqlite.engine import Engine, map_on_engine
from sense.sqlite.spelling import one_spelling
from sense.suite import Suite
from sense.verdict import Judgement, Rule, Unit, Verdict, judge_all
from sense.workers import WorkerFailure

if TYPE_CHECKING:
    from sense.ask import Writer

QUESTIONS_PER_BATCH = 64
BATCHES_AHEAD = 2
"""Batches that are answered and wait for workers: whoever is slower, model or judges, never idles.
Memory holds the questions of these batches, and those that are judged while an earlier one takes
long: at most `sense.workers.MAX_AHEAD`."""
SECONDS_FOR_FAULTS = 120.0
"""For the answers to one question; some take seconds each, deeply nested ones."""
NO_DATABASE = "no_database"
"""Reason of answers, and status of golds, whose database is gone when they are to be judged."""


class Answer(NamedTuple):
    """What a model said to one question."""

    sql: str
    completion: str
    """The text as sampled; "" when only its SQL is known."""
    model: str
    revision: str = ""
    temperature: float = 0.0
    logprob: float | None = None


class Fault(NamedTuple):
    """What is wrong with an answer, and with what it is judged by."""

    kind: str
    is_subtle: bool
    other_reading: str = ""
    """Of the question, see `sense.pairs.readings`."""


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
    engine: Engine = "local"
    suite: Suite | None = None
    """Variants of the databases, on all of which a right answer must be right."""


class Sampling(NamedTuple):
    """How a model is asked."""

    temperatures: tuple[float, ...]
    """One per answer to a question, in their order; 0 is greedy."""
    seed: int
    round: int


def answer_temperatures(temperatures: Sequence[float], num_samples: int) -> tuple[float, ...]:
    """One per answer to a question: the greedy one, then the samples at each temperature.

    >>> answer_temperatures([0.7, 1.0], num_samples=2)
    (0.0, 0.7, 0.7, 1.0, 1.0)
    """
    return (0.0, *(t for t in temperatures for _ in range(num_samples)))


Ask: TypeAlias = Callable[[int, Sequence[Question]], list[list[Answer]]]
"""(number of a batch, its questions) -> the answers to each question."""


def ask_model(writer: "Writer", name: str, contract: PromptContract, sampling: Sampling) -> Ask:
    """Questions answered by a model; each batch is sampled from a seed of its own.

    name: of the model, as samples name it; contract: that of the questions' prompts.
    """

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        prompts = [question.example.prompt for question in batch]
        seed = batch_seed(sampling.seed, sampling.round, number)
        sampled = writer.sample(prompts, sampling.temperatures, seed)
        return [
            [
                Answer(
                    sql=completion_sql(contract, prompt, completion.text),
                    completion=completion.text,
                    model=name,
                    revision=writer.revision,
                    temperature=temperature,
                    logprob=completion.logprob,
                )
                for temperature, completion in zip(
                    sampling.temperatures if completions else (), completions, strict=True
                )
            ]
            for prompt, completions in zip(prompts, sampled, strict=True)
        ]

    return ask


def batch_seed(seed: int, round: int, number: int) -> int:
    """The seed of a batch of questions, which no other run, round or batch shares.

    Below 2**28, so that any server takes it.
    """
    return int(content_id(str(seed), str(round), str(number))[:7], 16)


def judged_questions(
    questions: Sequence[Question], ask: Ask, judging: Judging, journal: Journal
) -> Iterator[tuple[Question, list[Sample]]]:
    """Each question with its judged answers, in order, as soon as its batch is in the journal.

    Answers are asked for in a thread while earlier ones are judged; memory holds what is on the way
    and one number per batch.
    """
    num = len(questions)
    batches = [
        slice(start, min(start + QUESTIONS_PER_BATCH, num))
        for start in range(0, num, QUESTIONS_PER_BATCH)
    ]
    waiting = (n for n in range(len(batches)) if f"verdicts {n}" not in journal)
    asked = ((n, questions[batches[n]]) for n in waiting)
    results = judged_jobs(_answered_ahead(asked, ask, journal), judging)
    with tqdm(desc="questions", total=num) as progress:
        for n, batch in enumerate(batches):
            key = f"verdicts {n}"
            if key in journal:
                judged = _grouped(questions[batch], map(to_sample, journal[key]))
            else:
                judged = list(itertools.islice(results, batch.stop - batch.start))
                journal.put(key, [sample_row(s) for _, samples in judged for s in samples])
            for question, samples in judged:
                progress.update()
                yield question, samples


def _answered_ahead(
    batches: Iterable[tuple[int, Sequence[Question]]], ask: Ask, journal: Journal
) -> Iterator[list[Job]]:
    """The batches with their answers, some of them asked for before they are needed."""
    on_the_way: deque[Future[list[Job]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="answers") as thread:
        try:
            for number, questions in batches:
                on_the_way.append(thread.submit(_jobs, number, questions, ask, journal))
                if len(on_the_way) > BATCHES_AHEAD:
                    yield on_the_way.popleft().result()
            while on_the_way:
                yield on_the_way.popleft().result()
        finally:
            for future in on_the_way:
                future.cancel()


def _jobs(number: int, questions: Sequence[Question], ask: Ask, journal: Journal) -> list[Job]:
    """The batch with its answers, asked for where they are not in the journal."""
    key = f"answers {number}"
    if key not in journal:
        journal.put(key, ask(number, questions))
    answers = [[Answer(*answer) for answer in answers] for answers in journal[key]]
    return list(itertools.starmap(Job, zip(questions, answers, strict=True)))


def _grouped(
    questions: Sequence[Question], samples: Iterable[Sample]
) -> list[tuple[Question, list[Sample]]]:
    found: dict[str, list[Sample]] = {question.example.id: [] for question in questions}
    for sample in samples:
        found[sample.example_id].append(sample)
    return [(question, found[question.example.id]) for question in questions]


def judged_jobs(
    batches: Iterable[list[Job]], judging: Judging
) -> Generator[tuple[Question, list[Sample]]]:
    """The samples of each question; an answer whose worker is lost is `unknown`.

    Workers execute the answers, and further ones find what is wrong with them, so that this
    process, which may have a model to run, has neither to do.
    """
    judged, again = itertools.tee(_judged(itertools.chain.from_iterable(batches), judging))
    faults = map_on_engine(
        judging.engine,
        faults_of,
        ((question.db_path, samples) for question, samples in judged),
        judging.num_workers,
        SECONDS_FOR_FAULTS,
    )
    for (question, samples), found in zip(again, faults, strict=True):
        if isinstance(found, WorkerFailure):
            lost = [s.verdict == "incorrect" for s in samples]
            found = [Fault(OTHER if is_wrong else "", is_wrong) for is_wrong in lost]
        yield (
            question,
            [
                replace(
                    sample,
                    error_kind=kind,
                    is_subtle=is_subtle,
                    other_reading=sample.other_reading or reading,
                )
                for sample, (kind, is_subtle, reading) in zip(samples, found, strict=True)
            ],
        )


def faults_of(answers: tuple[str, Sequence[Sample]]) -> list[Fault]:
    """What is wrong with each answer to a question; kind "" with one that is not `incorrect`.

    answers: the question's database and the answers. The kind is said against the nearest right
    answer, or gold; each spelling is looked at once.
    """
    db_path, samples = answers
    can_judge = any(s.gold_status == "ok" for s in samples)
    reading = other_reading(db_path, samples[0].gold_sql) if can_judge else ""
    right = dict.fromkeys(one_spelling(s.predicted_sql) for s in samples if s.verdict == "correct")
    known: dict[tuple[str, str, str], Fault] = {}
    faults = []
    for s in samples:
        key = (one_spelling(s.predicted_sql), s.verdict, s.witness)
        if key not in known:
            known[key] = _fault(db_path, s, tuple(right))._replace(other_reading=reading)
        faults.append(known[key])
    return faults


def _fault(db_path: str, sample: Sample, right_sqls: tuple[str, ...]) -> Fault:
    gold, predicted = sample.gold_sql, sample.predicted_sql
    kind = judged_kind(gold, predicted, sample.verdict, sample.witness, right_sqls)
    if not kind:
        return Fault("", is_subtle=False)
    is_plain = kind not in OPEN_KINDS and is_plainly_wrong(db_path, gold, predicted)
    return Fault(kind, is_subtle=not is_plain)


def _judged(jobs: Iterable[Job], judging: Judging) -> Iterator[tuple[Question, list[Sample]]]:
    """The samples of each question without their kinds of error."""
    asked, again = itertools.tee((job, _unit(job, judging.suite)) for job in jobs)
    judged = judge_all(
        (unit for _, unit in asked if unit),
        rules=(judging.rule,),
        num_workers=judging.num_workers,
        engine=judging.engine,
    )
    for job, unit in again:
        if unit is None:
            gone = Judgement("unknown", NO_DATABASE, "", {judging.rule: 0})
            yield job.question, _samples(job, NO_DATABASE, [gone] * len(job.answers), judging)
            continue
        gold_status, judgements = next(judged)
        by_sql = dict(zip(unit.predicted_sqls, judgements, strict=True))
        found = [by_sql[answer.sql] for answer in job.answers]
        yield job.question, _samples(job, gold_status, found, judging)


def _unit(job: Job, suite: Suite | None) -> Unit | None:
    """The answers on the question's own database, then on its test suite where there is one.

    None where one of these files is gone. Each text stands there once, those of one spelling in a
    row, so that each spelling is executed once.
    """
    example, path = job.question.example, job.question.db_path
    variants = suite.paths(example.db_id, example.sql)[1:] if suite else ()
    paths = (path, *map(str, variants))
    if not all(Path(file).is_file() for file in paths):
        return None
    texts = dict.fromkeys(answer.sql for answer in job.answers)
    places: dict[str, int] = {}
    in_rows = sorted(texts, key=lambda sql: places.setdefault(one_spelling(sql), len(places)))
    return Unit(paths, example.sql, tuple(in_rows))


def _samples(
    job: Job, gold_status: str, judgements: Sequence[Judgement], judging: Judging
) -> list[Sample]:
    example = job.question.example
    is_open = any(j.alone and j.alone.reason in UNDEFINED_GOLD for j in judgements)
    samples = []
    for index, (answer, judgement) in enumerate(zip(job.answers, judgements, strict=True)):
        alone = judgement.alone or judgement
        verdict, reason = _verdict(answer, judgement)
        sample = Sample(
            example_id=example.id,
            db_id=example.db_id,
            question=example.question,
            evidence=example.evidence,
            gold_sql=example.sql,
            predicted_sql=answer.sql,
            completion=answer.completion,
            verdict=verdict,
            reason=reason,
            error_kind="",
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
            rule_correct=alone.scores[judging.rule],
            database_verdict=_verdict(answer, alone)[0],
            other_reading=UNDEFINED if is_open else "",
        )
        samples.append(sample)
    return samples


def _verdict(answer: Answer, judgement: Judgement) -> tuple[Verdict, str]:
    """The judgement of the SQL, corrected by what the answer holds beside it.

    Of several statements nobody knows which one is meant: the answer is `unknown`, so that it
    stands on neither side of a pair.
    """
    if judgement.verdict == "unknown":
        return judgement.verdict, judgement.reason
    fault = answer_fault(answer.completion or answer.sql)
    if fault == "several_statements":
        return "unknown", fault
    if fault == NO_SQL and judgement.reason == "error":
        return judgement.verdict, fault
    return judgement.verdict, judgement.reason
