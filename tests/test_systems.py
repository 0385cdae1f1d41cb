"""Systems that are scored: from files and baselines, and what becomes of their answers."""

import json
from pathlib import Path

from sense.example import Example
from sense.inputs.question import Question
from sense.scores.systems import answering_system, baseline_system, judged_results, systems_of_files

CITIES = "SELECT name FROM city"


def questions(world: Path) -> list[Question]:
    return [
        Question(Example("world", text, sql, "easy", "ok", "", "", ""), str(world))
        for text, sql in (("Which cities?", CITIES), ("How many?", "SELECT COUNT(*) FROM city"))
    ]


def test_files_give_systems_and_are_named_with_their_golds(tmp_path: Path) -> None:
    gold, file = tmp_path / "gold.sql", tmp_path / "codex.txt"
    gold.write_text(f"{CITIES}\tworld\n")
    file.write_text("SELECT 1\n")
    [system], inputs = systems_of_files([str(file)], str(gold))
    assert (system.name, [p.pred for p in system.predictions]) == ("codex", ["SELECT 1"])
    assert [source.name for source in inputs] == ["codex.txt", "gold.sql"]


def test_nearest_baseline_answers_with_the_sql_of_the_same_question(world: Path) -> None:
    [system], [source] = baseline_system("nearest", questions(world), questions(world))
    assert [p.pred for p in system.predictions] == [CITIES, "SELECT COUNT(*) FROM city"]
    assert (source.name, source.kind) == ("nearest", "baseline")


def test_results_hold_the_mistakes_of_each_system_and_of_all(world: Path) -> None:
    systems = [
        answering_system("right", questions(world), [CITIES, "SELECT 8"]),
        answering_system("wrong", questions(world), ["SELECT name FROM country", "SELEC"]),
    ]
    results, together = judged_results(systems, {"world": world}, ["spider"], num_workers=0)
    assert [[o.correct for o in result.outcomes] for result in results] == [[1, 1], [0, 0]]
    assert [[m.kind for m in result.mistakes] for result in results] == [[], ["table", "syntax"]]
    assert [m.kind for m in together] == ["table", "syntax"]


def test_scores_alone_proofs_and_birds_scores_are_given_on_demand(world: Path) -> None:
    same = "SELECT c.name FROM city AS c"
    systems = [answering_system("a", questions(world), [same, "SELEC"])]
    [result], together = judged_results(
        systems, {"world": world}, ["strict"], proves=True, bird_repetitions=0, scores_only=True,
        num_workers=0,
    )  # fmt: skip
    assert [o.reason for o in result.outcomes] == ["proved", "error"]
    assert [json.loads(json.dumps(o.bird))["soft_f1"] for o in result.outcomes] == [1.0, 0.0]
    assert (result.mistakes, together) == ([], [])
