"""Answers become judged samples in resumable batches, whatever happens to a worker."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sense import weak
from sense.ask import Writer
from sense.example import Messages
from sense.execution import Execution, execute
from sense.facts import Funnel
from sense.inputs.answers import GivenAnswers, GivenDatabases, answers_over_databases
from sense.inputs.question import Question
from sense.inputs.reading import Prediction
from sense.journal import Journal
from sense.preference import Sample
from sense.prompt import DEFAULT_CONTRACT, TINY_CONTRACT
from sense.sampler import Completion
from sense.spool import Spool
from sense.verdict import Judgement, Unit, judge
from sense.weak import Answer, Judging, Sampling, ask_model, judged_questions

CITIES = "SELECT name FROM city"
JUDGING = Judging(round=1, rule="spider", num_workers=0)


def given(world: Path, *predictions: tuple[str, str, str], gold: str = CITIES) -> GivenAnswers:
    """Answers (question, prediction, system), all to the same gold."""
    rows = [
        Prediction(i, "world", question, gold, pred, system=system)
        for i, (question, pred, system) in enumerate(predictions)
    ]
    return answers_over_databases(
        rows,
        GivenDatabases({"world": world}),
        TINY_CONTRACT,
        "mit",
        lambda: Spool(world.parent),
        Funnel("answers"),
    )


def judged(answers: GivenAnswers, path: Path, judging: Judging = JUDGING) -> list[Sample]:
    with Journal(path, {}) as journal:
        found = judged_questions(answers.questions, answers.ask, judging, journal)
        return [sample for _, samples in found for sample in samples]


def test_gold_that_is_no_query_has_no_hardness_and_no_verdict(world: Path, tmp_path: Path) -> None:
    answers = given(world, ("?", CITIES, ""), gold="SELECT name FROM WHERE")
    [sample] = judged(answers, tmp_path / "journal")
    assert (sample.hardness, sample.verdict, sample.reason) == ("", "unknown", "gold_error")
    assert (sample.rule, sample.rule_correct) == ("spider", 0)


def test_verdict_and_official_rule_stand_side_by_side(world: Path, tmp_path: Path) -> None:
    answers = given(
        world,
        ("a", CITIES, "x"),
        ("a", "SELECT nam FROM city", "x"),
        ("a", "SELECT name FROM country", "y"),
    )
    samples = judged(answers, tmp_path / "journal")
    assert [(s.verdict, s.reason, s.error_kind, s.rule_correct, s.index) for s in samples] == [
        ("correct", "equal", "", 1, 0),
        ("incorrect", "error", "unknown_column", 0, 1),
        ("incorrect", "differs", "table", 0, 2),
    ]


def test_batches_in_the_journal_are_neither_asked_nor_judged_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weak, "QUESTIONS_PER_BATCH", 2)
    questions = given(world, *((f"q{i}", "", "") for i in range(5))).questions
    asked: list[int] = []

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        asked.append(number)
        if number == 2:
            raise RuntimeError("the server is gone")
        return [[Answer(CITIES, "", "m")] for _ in batch]

    def run() -> Iterator[tuple[Question, list[Sample]]]:
        with Journal(tmp_path / "journal", {}) as journal:
            yield from judged_questions(questions, ask, JUDGING, journal)

    with pytest.raises(RuntimeError, match="gone"):
        list(run())
    with Journal(tmp_path / "journal", {}) as journal:
        assert "answers 1" in journal
        assert "answers 2" not in journal
        assert {"verdicts 0", "verdicts 1"} <= set(journal)
    asked.clear()
    found = run()
    first = [next(found) for _ in range(4)]
    assert [question.example.question for question, _ in first] == ["q0", "q1", "q2", "q3"]
    assert [sample.verdict for _, [sample] in first] == ["correct"] * 4
    with pytest.raises(RuntimeError, match="gone"):
        next(found)
    assert asked == [2]


def test_questions_come_as_soon_as_their_batch_is_judged(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weak, "QUESTIONS_PER_BATCH", 1)
    answers = given(world, *((f"q{i}", CITIES, "") for i in range(9)))
    asked: list[int] = []

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        asked.append(number)
        return answers.ask(number, batch)

    with Journal(tmp_path / "journal", {}) as journal:
        found = judged_questions(answers.questions, ask, JUDGING, journal)
        next(found)
        assert "verdicts 0" in journal
        assert len(asked) <= 2 + weak.BATCHES_AHEAD
        found.close()


def test_a_model_answers_while_earlier_answers_are_judged(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first verdict waits until the second batch was asked for."""
    monkeypatch.setattr(weak, "QUESTIONS_PER_BATCH", 1)
    answers = given(world, *((f"q{i}", CITIES, "") for i in range(3)))
    is_asked = threading.Event()

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        if number == 1:
            is_asked.set()
        return answers.ask(number, batch)

    def waiting(units: Iterable[Unit], **options: Any) -> Iterator[tuple[str, list[Judgement]]]:
        for unit in units:
            assert is_asked.wait(timeout=60)
            yield judge(unit, ("spider",))

    monkeypatch.setattr(weak, "judge_all", waiting)
    samples = judged(answers._replace(ask=ask), tmp_path / "journal")
    assert [sample.verdict for sample in samples] == ["correct"] * 3


def test_answer_whose_worker_is_lost_is_unknown_and_the_run_goes_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Judgement("unknown", "crash", "", {"spider": 0})

    def fragile(units: Iterable[Unit], **options: Any) -> Iterator[tuple[str, list[Judgement]]]:
        for unit in units:
            status, judgements = judge(unit, ("spider",))
            answers = zip(unit.predicted_sqls, judgements, strict=True)
            yield status, [lost if sql == "fatal" else found for sql, found in answers]

    monkeypatch.setattr(weak, "judge_all", fragile)
    answers = given(world, ("a", CITIES, ""), ("a", "fatal", ""), ("b", CITIES, ""))
    samples = judged(answers, tmp_path / "journal")
    assert [(s.verdict, s.reason, s.rule_correct) for s in samples] == [
        ("correct", "equal", 1),
        ("unknown", "crash", 0),
        ("correct", "equal", 1),
    ]


def test_a_model_is_asked_with_a_seed_of_its_own_for_each_batch_and_round(world: Path) -> None:
    seeds: list[int] = []

    def sample(
        prompts: Sequence[Messages], temperatures: Sequence[float], seed: int
    ) -> list[list[Completion]]:
        seeds.append(seed)
        answered = [Completion(f"```sql\n{CITIES}\n```", -1.5)] * len(temperatures)
        return [answered, []]

    writer = Writer("m", "abc", DEFAULT_CONTRACT, lambda prompts: [], sample)
    questions = given(world, ("a", "", ""), ("b", "", "")).questions
    ask = ask_model(writer, "m", DEFAULT_CONTRACT, Sampling((0.0, 0.5), seed=0, round=1))
    greedy = Answer(CITIES, f"```sql\n{CITIES}\n```", "m", "abc", 0.0, -1.5)
    assert ask(0, questions) == [[greedy, greedy._replace(temperature=0.5)], []]
    ask(1, questions)
    ask_model(writer, "m", DEFAULT_CONTRACT, Sampling((0.0, 0.5), seed=0, round=2))(0, questions)
    assert len(set(seeds)) == 3
    assert max(seeds) < 2**28


@pytest.mark.parametrize(
    ("pred", "completion", "verdict", "reason"),
    [
        (CITIES, "", "correct", "equal"),
        (f"{CITIES};", f"{CITIES}; -- all of them", "correct", "equal"),
        (CITIES, f"All names.\n```sql\n{CITIES}\n```", "correct", "equal"),
        (CITIES, f"<think>```sql\nSELECT 1\n```</think>\n{CITIES}", "correct", "equal"),
        (CITIES, f"{CITIES};\n\nThis lists; the names.", "correct", "equal"),
        (f"{CITIES}; SELECT 1", "", "unknown", "several_statements"),
        (f"{CITIES}; DROP TABLE city", "", "unknown", "several_statements"),
        (CITIES, f"{CITIES};\nSELECT name FROM country", "unknown", "several_statements"),
        (CITIES, f"```sql\nSELECT 1\n```\n```sql\n{CITIES}\n```", "unknown", "several_statements"),
        ("I do not know.", "", "incorrect", "no_sql"),
        ("I do not know.", "I do not know.", "incorrect", "no_sql"),
        ("", "", "incorrect", "no_sql"),
        ("SELECT nam FROM city", "", "incorrect", "error"),
        ("DELETE FROM city", "", "incorrect", "refused"),
    ],
)
def test_what_an_answer_holds_beside_its_sql_counts(
    world: Path, tmp_path: Path, pred: str, completion: str, verdict: str, reason: str
) -> None:
    answers = given(world, ("a", pred, ""))

    def ask(number: int, batch: Sequence[Question]) -> list[list[Answer]]:
        return [[Answer(pred, completion, "m")]]

    [sample] = judged(answers._replace(ask=ask), tmp_path / "journal")
    assert (sample.verdict, sample.reason) == (verdict, reason)
    assert bool(sample.error_kind) == (verdict == "incorrect")


def test_answers_of_one_spelling_are_executed_once(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[str] = []

    def counted(path: str, sql: str, *options: Any) -> Execution:
        executed.append(sql)
        return execute(path, sql, *options)

    monkeypatch.setattr("sense.golds.runs.execute", counted)
    others = "SELECT name FROM country"
    texts = [others, CITIES, "select  NAME from COUNTRY;", others, f"{others} ;"]
    samples = judged(given(world, *(("a", text, "") for text in texts)), tmp_path / "journal")
    assert [s.predicted_sql for s in samples] == texts
    assert [s.verdict for s in samples] == ["incorrect", "correct", *["incorrect"] * 3]
    assert len([sql for sql in executed if "country" in sql.lower()]) == 1


def test_a_database_that_vanished_leaves_its_answers_unknown_under_a_reason_of_their_own(
    world: Path, tmp_path: Path
) -> None:
    answers = given(world, ("a", CITIES, ""), ("a", "SELECT 1", ""), ("b", CITIES, ""))
    first = answers.questions[0]
    gone = first._replace(db_path=str(world.with_name("gone.sqlite")))
    questions = [gone, answers.questions[1]]
    with Journal(tmp_path / "journal", {}) as journal:
        found = judged_questions(questions, answers.ask, JUDGING, journal)
        verdicts = [(s.verdict, s.reason, s.gold_status) for _, samples in found for s in samples]
    lost = ("unknown", "no_database", "no_database")
    assert verdicts == [lost, lost, ("correct", "equal", "ok")]
    world.rename(world.with_name("elsewhere.sqlite"))
    assert answers.questions[1].example.prompt == []  # made after the loss
    [sample, *_] = judged(answers, tmp_path / "second journal")
    assert (sample.verdict, sample.reason, sample.gold_status) == lost


def test_question_without_answers_gives_no_sample(world: Path, tmp_path: Path) -> None:
    questions = given(world, ("a", CITIES, "")).questions
    for _ in ("anew", "from the journal"):
        with Journal(tmp_path / "journal", {}) as journal:
            found = judged_questions(questions, lambda number, batch: [[]], JUDGING, journal)
            assert [(q.example.question, samples) for q, samples in found] == [("a", [])]
