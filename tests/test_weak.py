"""Answers become judged samples in resumable batches, whatever happens to a worker."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sense import verdict, weak
from sense.database import UnknownDatabase
from sense.journal import Journal
from sense.preference import Sample
from sense.prompt import TINY_CONTRACT, completion_sql
from sense.question import Question
from sense.reading import Prediction
from sense.weak import (
    Answer,
    Job,
    Judging,
    SystemScore,
    group_predictions,
    judged_samples,
    score_systems,
    systems_table,
)
from sense.workers import WorkerFailure

CITIES = "SELECT name FROM city"
JUDGING = Judging(round=1, rule="spider", num_workers=0)


def jobs_of(world: Path, *predictions: tuple[str, str, str]) -> list[Job]:
    """Jobs of (question, prediction, system), all with the gold `CITIES`."""
    rows = [
        Prediction(i, "world", question, CITIES, pred, system=system)
        for i, (question, pred, system) in enumerate(predictions)
    ]
    return group_predictions(rows, {"world": world}, TINY_CONTRACT, "mit")


def judged(jobs: Sequence[Job], path: Path, judging: Judging = JUDGING) -> list[Sample]:
    answers = {job.question.example.id: job.answers for job in jobs}
    with Journal(path, {}) as journal:
        return list(
            judged_samples(
                [job.question for job in jobs],
                lambda number, batch: [answers[question.example.id] for question in batch],
                judging,
                journal,
            )
        )


def test_answers_to_one_question_are_grouped_in_the_order_of_the_file(world: Path) -> None:
    jobs = jobs_of(world, ("a", "1", "x"), ("b", "2", "x"), ("a", "3", "y"))
    assert [(j.question.example.question, [a.sql for a in j.answers]) for j in jobs] == [
        ("a", ["1", "3"]),
        ("b", ["2"]),
    ]
    example = jobs[0].question.example
    assert (example.sql, example.hardness, example.license) == (CITIES, "easy", "mit")
    assert example.prompt[-1]["content"].endswith("\na")
    [written] = example.completion
    assert completion_sql(TINY_CONTRACT, example.prompt, written["content"]) == CITIES


def test_gold_that_is_no_query_has_no_hardness_and_no_verdict(world: Path, tmp_path: Path) -> None:
    rows = [Prediction(0, "world", "?", "SELECT name FROM WHERE", CITIES)]
    jobs = group_predictions(rows, {"world": world}, TINY_CONTRACT, "mit")
    [sample] = judged(jobs, tmp_path / "journal")
    assert (sample.hardness, sample.verdict, sample.reason) == ("", "unknown", "gold_error")
    assert (sample.rule, sample.rule_correct) == ("spider", 0)


def test_unknown_database_names_the_closest(world: Path) -> None:
    rows = [Prediction(0, "wrld", "?", CITIES, CITIES)]
    with pytest.raises(UnknownDatabase, match="closest match: 'world'"):
        group_predictions(rows, {"world": world}, TINY_CONTRACT, "mit")


def test_verdict_and_official_rule_stand_side_by_side(world: Path, tmp_path: Path) -> None:
    jobs = jobs_of(
        world,
        ("a", CITIES, "x"),
        ("a", "SELECT nam FROM city", "x"),
        ("a", "SELECT name FROM country", "y"),
    )
    samples = judged(jobs, tmp_path / "journal")
    assert [(s.verdict, s.reason, s.error_kind, s.rule_correct, s.index) for s in samples] == [
        ("correct", "equal", "", 1, 0),
        ("incorrect", "error", "unknown_column", 0, 1),
        ("incorrect", "differs", "table", 0, 2),
    ]
    assert score_systems(samples) == {"x": SystemScore(2, 1, 1, 1), "y": SystemScore(1, 0, 0, 1)}


def test_table_shows_shares_and_those_without_a_verdict() -> None:
    table = systems_table({"": SystemScore(4, 1, 1, 2), "lost": SystemScore(2, 0, 0, 0)}, "bird")
    assert table.splitlines() == [
        "system        answers     bird  correct  unknown",
        "(no name)           4   25.0 %   33.3 %        1",
        "lost                2    0.0 %        -        2",
    ]


def test_batches_in_the_journal_are_neither_asked_nor_judged_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weak, "QUESTIONS_PER_BATCH", 2)
    questions = [job.question for job in jobs_of(world, *((f"q{i}", "", "") for i in range(5)))]
    asked: list[int] = []

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        asked.append(number)
        if number == 2:
            raise RuntimeError("the server is gone")
        return [[Answer(CITIES, "", "m")] for _ in batch]

    def run() -> list[Sample]:
        with Journal(tmp_path / "journal", {}) as journal:
            return list(judged_samples(questions, ask, JUDGING, journal))

    with pytest.raises(RuntimeError, match="gone"):
        run()
    with Journal(tmp_path / "journal", {}) as journal:
        assert "answers 0" in journal
        assert "answers 2" not in journal
    asked.clear()
    with pytest.raises(RuntimeError, match="gone"):
        run()
    assert asked == [2]


def test_answer_whose_worker_is_lost_is_unknown_and_the_run_goes_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(function: object, units: Sequence[verdict.Unit], *rest: object) -> Iterator[object]:
        for unit in units:
            is_fatal = "fatal" in unit.predicted_sqls
            yield WorkerFailure("crash", "died") if is_fatal else verdict.judge(unit, ("spider",))

    monkeypatch.setattr(verdict, "map_in_workers", fragile)
    jobs = jobs_of(world, ("a", CITIES, ""), ("a", "fatal", ""), ("b", CITIES, ""))
    samples = judged(jobs, tmp_path / "journal")
    assert [(s.verdict, s.reason, s.rule_correct) for s in samples] == [
        ("correct", "equal", 1),
        ("unknown", "crash", 0),
        ("correct", "equal", 1),
    ]


def test_question_without_answers_gives_no_sample(world: Path, tmp_path: Path) -> None:
    [job] = jobs_of(world, ("a", CITIES, ""))
    assert judged([Job(job.question, [])], tmp_path / "journal") == []
