"""The systems that are scored: read from files or asked here; then what becomes of their answers.

Each reader gives systems with their answers and what these come from, for the facts of a run.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from sense.evaluation import evaluate_systems, with_bird_scores
from sense.facts import Input, file_sha256
from sense.inputs.predictions import System, read_systems
from sense.inputs.reading import Prediction
from sense.reports.board_report import SystemResult
from sense.reports.mistakes import (
    Mistake,
    diagnosed,
    frequent_mistakes,
    with_witnesses,
    wrong_database,
)
from sense.scores.samples import answer_rounds, sampled_sql, with_samples
from sense.scores.scoring import Rule
from sense.sqlite.engine import Engine
from sense.suite import Suite

if TYPE_CHECKING:
    from sense.ask import Writer
    from sense.inputs.question import Question

Baseline: TypeAlias = Literal["constant", "nearest"]


def systems_of_files(
    files: Sequence[str], gold: str | None = None
) -> tuple[list[System], list[Input]]:
    """The systems of prediction files; gold: the file of golds, where their format needs one."""
    systems = read_systems(files, gold)
    paths = [*files, *([gold] if gold else [])]
    inputs = [Input(Path(path).name, kind="file", sha256=file_sha256(path)) for path in paths]
    return systems, inputs


def model_system(
    writer: "Writer",
    questions: "Sequence[Question]",
    num_samples: int | None = None,
    temperature: float = 0.0,
) -> tuple[list[System], list[Input]]:
    """A model, or one behind a server, with its answers.

    num_samples: answers to each question, drawn at the temperature, None = one, the most probable.
    """
    from sense.ask import write_sql
    from sense.publishing.source import model_source

    source = model_source(writer.name, writer.revision)
    if not num_samples:
        return [answering_system(source.name, questions, write_sql(writer, questions))], [source]
    sqls = sampled_sql(writer, questions, num_samples, temperature)
    system = answering_system(source.name, questions, [first for first, *_ in sqls])
    return [replace(system, samples=tuple(map(tuple, sqls)))], [source]


def baseline_system(
    baseline: Baseline, questions: "Sequence[Question]", train: "Sequence[Question]" = ()
) -> tuple[list[System], list[Input]]:
    """A baseline with its answers; train: the questions whose SQL `nearest` copies."""
    from sense.scores.baseline import constant_answer, nearest_answers

    if baseline == "constant":
        sqls = [constant_answer(question.db_path) for question in questions]
    else:
        sqls = nearest_answers(train, questions)
    system = answering_system(baseline, questions, sqls)
    return [system], [Input(baseline, kind="baseline")]


def answering_system(name: str, questions: "Sequence[Question]", sqls: Sequence[str]) -> System:
    """A system that gave these answers, one per question."""
    predictions = tuple(
        Prediction(idx, q.example.db_id, q.example.question, q.example.sql, sql, q.example.evidence)
        for idx, (q, sql) in enumerate(zip(questions, sqls, strict=True))
    )
    return System(name, predictions)


def judged_results(
    systems: Sequence[System],
    databases: Mapping[str, Path],
    rules: Sequence[Rule],
    *,
    suite: Suite | None = None,
    proves: bool = False,
    bird_repetitions: int | None = None,
    scores_only: bool = False,
    has_new_answers: bool = False,
    num_workers: int = 1,
    engine: Engine = "local",
) -> tuple[list[SystemResult], list[Mistake]]:
    """What became of the answers of each system, and the most frequent mistakes of them all.

    proves: counts apart what equals gold on every database; bird_repetitions: as of
    `with_bird_scores`, None = without; scores_only: no error kinds, no examples, and no
    verdicts but for the rule `strict`;
    has_new_answers: whether the answers were written by this run and are to be kept.
    """
    rounds = [answer_rounds(system.predictions, system.samples) for system in systems]
    answers = [answers for of_system in rounds for answers in of_system]
    scored = iter(
        evaluate_systems(
            answers, databases, rules, num_workers, suite, engine, scores_only and not proves
        )
    )
    found = [[next(scored) for _ in of_system] for of_system in rounds]
    outcomes = [with_samples(of_system, databases, num_workers) for of_system in found]
    if proves:
        from sense.proofs.proof import with_proofs

        outcomes = [with_proofs(found, databases, num_workers) for found in outcomes]
    if bird_repetitions is not None:
        outcomes = [
            with_bird_scores(found, databases, bird_repetitions, num_workers) for found in outcomes
        ]
    mistakes: list[list[Mistake]] = [[] for _ in (*systems, "all of them")]
    if not scores_only:
        outcomes = [diagnosed(found, databases) for found in outcomes]
        mistakes = [frequent_mistakes(found) for found in (*outcomes, itertools.chain(*outcomes))]
        mistakes = with_witnesses(mistakes, partial(wrong_database, databases, suite), num_workers)
    *own, together = mistakes
    return [
        SystemResult(*parts, has_new_answers=has_new_answers)
        for parts in zip(systems, outcomes, own, strict=True)
    ], together
