"""builders/weak.py: answers become pairs, samples and unpaired rows, or a clear error."""

import json
import operator
import runpy
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from conftest import WORLD_SCRIPT, write_database
from datasets import Dataset, load_dataset
from killing import kill_when, num_lines

from sense.facts import file_sha256, read_facts
from sense.suite import read_suite

ROOT = Path(__file__).parents[1]
BUILDER = ROOT / "builders" / "weak.py"
FRENCH = "SELECT name FROM city WHERE country_code = 'FRA'"
ANSWERS = [
    ("Cities in France?", FRENCH, FRENCH, "a"),
    ("Cities in France?", FRENCH, "SELECT name FROM city", "b"),
    ("Cities in France?", FRENCH, "SELECT nam FROM city", "b"),
    ("How many?", "SELECT COUNT(*) FROM city", "SELECT COUNT(id) FROM city", "a"),
    ("Broken gold", "SELECT ruler FROM country", FRENCH, "a"),
]


def write_answers(path: Path, answers: Iterable[tuple[str, str, str, str]] = ANSWERS) -> Path:
    keys = ("question", "gold", "pred", "system")
    rows = [{"db_id": "world"} | dict(zip(keys, row, strict=True)) for row in answers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`db/world.sqlite`, `answers.jsonl`, and nothing cached elsewhere."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write_database(tmp_path / "db" / "world.sqlite", WORLD_SCRIPT)
    write_answers(tmp_path / "answers.jsonl")
    return tmp_path


def build(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str | Path) -> Path:
    """The folder that the builder writes in this process."""
    given = list(map(str, options))
    if "--samples" not in given and "--model" not in given:
        given += ["--samples", str(folder / "answers.jsonl")]
    if "--data" not in given and "--databases" not in given:
        given += ["--databases", str(folder / "db")]
    command = [str(BUILDER), "--num-workers", "0", "--out", str(folder / "out"), *given]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(str(BUILDER), run_name="__main__")
    return folder / "out"


def rows(out: Path, config: str, split: str = "train") -> list[dict[str, Any]]:
    return list(load_dataset(str(out), config)[split])


def parquet(out: Path) -> dict[str, bytes]:
    files = sorted(out.rglob("*.parquet"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_right_and_wrong_answers_become_pairs_samples_and_unpaired_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = build(folder, monkeypatch, "--license", "mit", "--contract", "tiny", "--max-pairs", "0")
    pairs = rows(out, "default")
    assert sorted((p["chosen_sql"], p["rejected_sql"], p["error_kind"]) for p in pairs) == [
        (FRENCH, "SELECT nam FROM city", "unknown_column"),
        (FRENCH, "SELECT name FROM city", "missing_condition"),
    ]
    assert {p["license"] for p in pairs} == {"mit"}
    samples = rows(out, "samples")
    assert [(s["verdict"], s["reason"], s["rule"], s["rule_correct"]) for s in samples] == [
        ("correct", "equal", "spider", 1),
        ("incorrect", "differs", "spider", 0),
        ("incorrect", "error", "spider", 0),
        ("correct", "equal", "spider", 1),
        ("unknown", "gold_error", "spider", 0),
    ]
    assert [row["label"] for row in rows(out, "unpaired")].count(True) == 2
    facts = read_facts(out)
    file, databases = facts.inputs
    assert (file.name, file.kind, file.license) == ("answers.jsonl", "file", "mit")
    assert file.sha256 == file_sha256(folder / "answers.jsonl")
    assert (databases.name, databases.kind, len(databases.sha256)) == ("db", "databases", 64)
    assert facts.results["systems"] == {
        "a": {"num": 3, "num_accepted": 2, "num_correct": 2, "num_incorrect": 0},
        "b": {"num": 2, "num_accepted": 0, "num_correct": 0, "num_incorrect": 2},
    }
    answers, questions = facts.funnels
    assert (answers.read, answers.kept, answers.dropped) == (5, 4, {"unknown_gold_error": 1})
    assert (questions.kept, questions.dropped) == (1, {"no_wrong_answer": 1, "all_unknown": 1})
    assert "a                   3   66.7 %  100.0 %        1" in capsys.readouterr().out


def test_a_suite_turns_answers_that_are_right_by_luck_into_rejected_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paris is the only city whose name starts so, but not on the variant."""
    gold = "SELECT name FROM city WHERE name = 'Paris'"
    lucky = "SELECT name FROM city WHERE name LIKE 'Pari%'"
    answers = [("Which city is Paris?", gold, sql, "a") for sql in (gold, lucky)]
    write_answers(folder / "answers.jsonl", answers)
    suite = folder / "suite"
    write_database(suite / "world" / "world.sqlite", WORLD_SCRIPT)
    script = f"{WORLD_SCRIPT}; UPDATE city SET name = 'Parikia' WHERE name <> 'Paris';"
    write_database(suite / "world" / "1.sqlite", script)
    options = ("--suite", suite, "--witness", "database", "--keep-subtle")
    out = build(folder, monkeypatch, *options)
    [pair] = rows(out, "default")
    assert (pair["chosen_sql"], pair["rejected_sql"]) == (gold, lucky)
    assert pair["suite_hash"] == read_suite(suite).hash
    witness = json.loads(pair["witness"])
    assert ["Parikia"] in witness["tables"]["city"]["rows"]
    samples = rows(out, "samples")
    assert [(s["database_verdict"], s["verdict"], s["rule_correct"]) for s in samples] == [
        ("correct", "correct", 1),
        ("correct", "incorrect", 1),
    ]
    assert [s["is_subtle"] for s in samples] == [False, True]
    facts = read_facts(out)
    flips = facts.results["flip_rate"]
    assert (flips["num"], flips["num_flipped"], flips["rate"]) == (2, 1, 0.5)
    assert facts.inputs[-1].sha256 == pair["suite_hash"]
    assert "1 of 2 answers that are right on their own database" in capsys.readouterr().out
    card = " ".join((out / "README.md").read_text().split())
    assert "wrong query that returns the right rows on all its variants" in card


def test_a_suite_without_one_of_the_databases_is_an_error_before_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_database(folder / "suite" / "wordl" / "wordl.sqlite", WORLD_SCRIPT)
    with pytest.raises(SystemExit, match=r"world.*wordl"):
        build(folder, monkeypatch, "--suite", folder / "suite")
    assert not (folder / "out").exists()


def test_pairs_may_show_the_smallest_database_on_which_they_differ(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build(folder, monkeypatch, "--witness", "database", "--max-pairs", "0")
    witnesses = {p["rejected_reason"]: json.loads(p["witness"]) for p in rows(out, "default")}
    assert witnesses["error"] == {"error": "no such column: nam"}
    found = witnesses["differs"]
    assert found["tables"]["city"]["columns"] == ["name", "country_code"]
    assert (len(found["gold_rows"]), len(found["predicted_rows"])) == (1, 2)
    assert read_facts(out).settings["witness"] == "database"


def test_one_answer_per_question_gives_no_pair_but_samples_and_unpaired(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_answers(folder / "answers.jsonl", [ANSWERS[1], ANSWERS[3]])
    out = build(folder, monkeypatch)
    printed = capsys.readouterr().out
    assert "No pair: no question has a right and a wrong answer that may meet" in printed
    assert "give several answers per question or use --gold-as-chosen when_none" in printed
    assert not (out / "default").exists()
    assert len(rows(out, "samples")) == 2
    assert [row["label"] for row in rows(out, "unpaired")].count(False) == 1
    write_answers(folder / "answers.jsonl", ANSWERS[1:3])
    build(folder, monkeypatch, "--out", folder / "wrong")
    printed = capsys.readouterr().out
    assert "below. To get some, use --gold-as-chosen when_none_correct." in printed


def test_answers_without_any_verdict_still_give_samples(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_answers(folder / "answers.jsonl", ANSWERS[-1:])
    out = build(folder, monkeypatch)
    assert [row["verdict"] for row in rows(out, "samples")] == ["unknown"]
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "facts.json",
        "figures",
        "questions",
        "samples",
    ]
    [question] = rows(out, "questions")
    assert (question["why_no_pair"], question["num_unknown"]) == ("all_unknown", 1)
    assert (question["reasons"], question["gold_status"]) == ('{"gold_error": 1}', "error")


def test_gold_may_stand_in_where_no_answer_is_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_answers(folder / "answers.jsonl", [ANSWERS[1]])
    out = build(folder, monkeypatch, "--gold-as-chosen", "when_none_correct")
    [pair] = rows(out, "default")
    assert (pair["chosen_sql"], pair["chosen_source"]) == (FRENCH, "gold")


def test_everything_that_gives_no_pair_is_counted_by_its_reason(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO", logger="sense.weak_set.asked")
    (folder / "db" / "damaged.sqlite").write_bytes(b"no database at all" * 100)
    answers = [
        *ANSWERS[:2],
        ("All right?", FRENCH, FRENCH, "a"),
        ("All right?", FRENCH, f"{FRENCH} -- again", "a"),
        ("All wrong?", FRENCH, "SELECT name FROM city", "a"),
        ("All wrong?", FRENCH, "Ask someone else.", "a"),
        ("All unknown?", FRENCH, f"{FRENCH}; {FRENCH}", "a"),
        ("Broken gold?", "SELECT ruler FROM country", FRENCH, "a"),
        ANSWERS[0],
    ]
    path = write_answers(folder / "answers.jsonl", answers)
    others = [
        LINE.replace("world", "wrld"),
        LINE.replace("world", "damaged"),
        LINE.replace("world", "wrld"),
    ]
    path.write_text(path.read_text() + "".join(others))
    out = build(folder, monkeypatch)
    facts = read_facts(out)
    read, questions = facts.funnels
    assert (read.read, read.kept) == (12, 7)
    assert read.dropped == {
        "unknown_database": 2,
        "unreadable_database": 1,
        "unknown_several_statements": 1,
        "unknown_gold_error": 1,
    }
    assert (questions.read, questions.kept) == (5, 1)
    assert questions.dropped == {"no_wrong_answer": 1, "no_right_answer": 1, "all_unknown": 2}
    assert facts.counts["reasons"]["no_sql"] == 1
    assert facts.counts["answers"] == {"repeated": 1}
    assert "Answers that repeat an earlier one of their system: 1." in capsys.readouterr().out
    [pair] = rows(out, "default")
    assert (pair["question"], pair["num_samples"]) == ("Cities in France?", 3)
    assert "left out: db_id 'wrld' has no database" in caplog.text
    assert "left out: " in caplog.text and "damaged.sqlite" in caplog.text


def test_answers_to_the_questions_of_a_set_take_its_rows_and_databases(
    folder: Path, strong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = rows(strong, "default")
    lines = [
        {"db_id": row["db_id"], "question": row["question"], "gold": row["sql"], "pred": pred}
        for row in examples[:3]
        for pred in (row["sql"], "SELECT 'wrong' AS answer")
    ]
    lines.append(lines[0] | {"question": "Never asked?"})
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = build(folder, monkeypatch, "--data", strong)
    pairs = {pair["example_id"]: pair for pair in rows(out, "default")}
    assert pairs.keys() == {row["id"] for row in examples[:3]}
    for row in examples[:3]:
        assert pairs[row["id"]]["prompt"] == row["prompt"]
        assert pairs[row["id"]]["license"] == row["license"]
    facts = read_facts(out)
    answers, questions = facts.funnels
    assert (answers.kept, answers.dropped) == (6, {"unknown_example": 1})
    assert questions.dropped == {"no_answer": len(examples) - 3}
    file, data = facts.inputs
    assert (file.name, file.kind, len(file.sha256)) == ("answers.jsonl", "file", 64)
    assert (data.name, data.kind, len(data.sha256)) == ("strong", "dataset", 64)
    assert data.license == "other"
    with pytest.raises(SystemExit):
        build(folder, monkeypatch, "--data", strong, "--contract", "tiny", "--out", folder / "no")


def test_splits_share_no_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_database(folder / "db" / "earth.db", WORLD_SCRIPT)
    lines = (folder / "answers.jsonl").read_text()
    (folder / "answers.jsonl").write_text(lines + lines.replace('"world"', '"earth"'))
    out = build(folder, monkeypatch, "--test-share", "0.5")
    db_ids = {split: {row["db_id"] for row in rows(out, "samples", split)}
              for split in ("train", "test")}  # fmt: skip
    assert sorted(map(len, db_ids.values())) == [1, 1]
    assert db_ids["train"] != db_ids["test"]


def test_pairs_are_made_anew_without_judging_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build(folder, monkeypatch)
    out.rename(folder / "first")
    monkeypatch.setattr("sense.weak.judge_all", lambda units, **options: iter(()))
    out = build(folder, monkeypatch, "--policy", "nearest", "--max-pairs", "0")
    assert [pair["policy"] for pair in rows(out, "default")] == ["nearest", "nearest"]


def pair_anew(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """The folder that the builder makes of the samples in `out`."""
    target = folder / "anew"
    command = [str(BUILDER), "--from-samples", str(out), "--out", str(target), *options]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(str(BUILDER), run_name="__main__")
    return target


@pytest.mark.parametrize(
    "options", [("--policy", "nearest"), ("--gold-as-chosen", "always", "--max-pairs", "0")]
)
def test_pairs_made_anew_of_samples_are_those_of_a_direct_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    out = build(folder, monkeypatch, "--license", "mit").rename(folder / "published")
    direct = build(folder, monkeypatch, "--license", "mit", *options)
    monkeypatch.setattr("sense.execution.execute", None)  # nothing is executed again
    anew = pair_anew(folder, out, monkeypatch, *options)
    samples = "samples/train-00000-of-00001.parquet"  # in the order of the file, or of the ids
    made, wanted = parquet(anew), parquet(direct)
    assert made.pop(samples) and wanted.pop(samples)
    assert made == wanted
    assert made["default/train-00000-of-00001.parquet"] not in parquet(out).values()
    by_id = operator.itemgetter("id")
    assert sorted(rows(anew, "samples"), key=by_id) == sorted(rows(direct, "samples"), key=by_id)
    facts = read_facts(anew)
    assert facts.inputs[0].name == "published"
    assert facts.results["systems"] == read_facts(direct).results["systems"]


def test_near_misses_stand_in_where_no_mistake_was_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [f"{word} French cities?" for word in ("Which", "What", "Any", "All")]
    answers = [(question, FRENCH, sql, "a") for question in asked for sql in (FRENCH, "SELECT 1")]
    answers += [(f"{word} cities of France?", FRENCH, FRENCH, "a") for word in ("Which", "What")]
    write_answers(folder / "answers.jsonl", answers)
    out = build(folder, monkeypatch).rename(folder / "published")
    pairs = rows(out, "default")
    [pair] = [pair for pair in pairs if pair["rejected_source"] == "mutation"]
    assert len(pairs) == 5 and pair["question"] not in asked
    [sample] = [s for s in rows(out, "samples") if s["id"] == pair["rejected_sample_id"]]
    assert (sample["source"], sample["verdict"]) == ("mutation", "incorrect")
    assert read_facts(out).results["systems"]["a"]["num"] == 10
    assert rows(pair_anew(folder, out, monkeypatch), "default") == pairs
    without = build(folder, monkeypatch, "--synthetic-share", "0")
    assert {pair["rejected_source"] for pair in rows(without, "default")} == {"sample"}


def test_pairing_anew_needs_a_weak_set_and_refuses_what_it_would_ignore(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = build(folder, monkeypatch)
    for options, words in (
        (("--num-samples", "3"), "--num-samples does not go with --from-samples"),
        (("--policy", "plan_differs"), "--policy plan_differs needs --databases"),
        (("--witness", "database"), "--witness database needs --databases"),
        (("--suite", "suite"), "--suite does not go with --from-samples"),
    ):
        with pytest.raises(SystemExit):
            pair_anew(folder, out, monkeypatch, *options)
        assert words in capsys.readouterr().err
    monkeypatch.chdir(folder)
    for name in ("db/none", "a/b/none"):  # at once: nothing is asked of the Hub
        with pytest.raises(SystemExit, match=f"error: no weak set at {name}; expected a folder"):
            pair_anew(folder, Path(name), monkeypatch)
    other = folder / "other"
    Dataset.from_list([{"id": "1"}]).to_parquet(other / "train.parquet")
    with pytest.raises(SystemExit, match=r"error: .*other has no config 'questions', only default"):
        pair_anew(folder, other, monkeypatch)


def test_plans_are_asked_of_the_databases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_id = "SELECT name FROM city WHERE country_code IN (SELECT 'FRA')"
    answers = [(*ANSWERS[0][:2], sql, "a") for sql in (FRENCH, by_id, "SELECT name FROM city")]
    write_answers(folder / "answers.jsonl", answers)
    out = build(folder, monkeypatch, "--policy", "plan_differs").rename(folder / "published")
    assert [pair["chosen_sql"] for pair in rows(out, "default")] == [by_id]
    databases = ("--databases", str(folder / "db"))
    anew = pair_anew(folder, out, monkeypatch, "--policy", "plan_differs", *databases)
    assert rows(anew, "default") == rows(out, "default")


def test_other_answers_do_not_continue_an_old_journal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(folder, monkeypatch).rename(folder / "first")
    write_answers(folder / "answers.jsonl", ANSWERS[:2])
    with pytest.raises(SystemExit, match=r"error: .*journal.*other settings: answers was"):
        build(folder, monkeypatch)


def test_verdicts_of_another_version_are_not_continued(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(folder, monkeypatch).rename(folder / "first")
    monkeypatch.setattr("sense.facts._own_version", lambda: "99.0")
    with pytest.raises(SystemExit, match=r"other settings: versions\.sense-kit was .*99\.0"):
        build(folder, monkeypatch)


def test_rerun_with_other_workers_gives_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(folder, monkeypatch).rename(folder / "first")
    (folder / "out.work" / "journal.jsonl").unlink()
    second = build(folder, monkeypatch, "--num-workers", "2")
    assert list(parquet(first)) == [
        f"{config}/train-00000-of-00001.parquet"
        for config in ("default", "questions", "samples", "unpaired")
    ]
    assert parquet(first) == parquet(second)


LINE = '{"db_id": "world", "question": "?", "gold": "SELECT 1", "pred": "SELECT 1"}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "answers.jsonl is empty; expected one JSON object per line"),
        (f"[{LINE}]", "holds a JSON array; expected JSON lines"),
        (LINE.replace('"SELECT 1"}', "null}"), "line 1 has null as 'pred'; expected a string"),
        (LINE.replace("world", "wrld"), "'wrld' has no database .*closest match: 'world'"),
        (LINE.replace("world", "damaged"), "damaged.sqlite.*not a (SQLite )?database"),
        (LINE.replace("world", "empty"), "empty.sqlite.*is empty"),
        (LINE[:20], "line 1 is not JSON"),
    ],
    ids=["empty", "array", "null", "unknown", "damaged", "empty-database", "torn"],
)
def test_bad_file_ends_with_a_sentence_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    (folder / "answers.jsonl").write_text(text)
    (folder / "db" / "damaged.sqlite").write_bytes(b"no database at all" * 100)
    (folder / "db" / "empty.sqlite").touch()
    with pytest.raises(SystemExit, match=f"(?s)error: .*{words}"):
        build(folder, monkeypatch)
    assert not (folder / "out").exists()


def test_given_answers_refuse_what_only_a_model_is_asked_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_facts(build(folder, monkeypatch)).settings
    assert not {"num_samples", "temperatures", "split"} & settings.keys()
    model = ("--model", "m", "--data", "d")
    for options, words in (
        (("--num-samples", "3"), "--num-samples says nothing without --model"),
        (("--temperatures", "0.5"), "--temperatures says nothing without --model"),
        (("--num-questions", "2"), "--num-questions says nothing without --data"),
        ((*model, "--license", "mit"), "--license says nothing without --samples"),
    ):
        with pytest.raises(SystemExit):
            build(folder, monkeypatch, *options)
        assert words in capsys.readouterr().err


def test_bad_arguments_end_with_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, words in (
        (("--license", "Apache 2"), "closest match: 'apache-2.0'"),
        (("--databases", folder / "none"), "no folder at .*none"),
        (("--push", "me/weak"), "token"),
    ):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "no-token"))
        with pytest.raises(SystemExit, match=f"error: .*{words}"):
            build(folder, monkeypatch, *options)
    for options in (("--num-workers", "-1"), ("--test-share", "1"), ("--max-pairs", "-2")):
        with pytest.raises(SystemExit) as caught:
            build(folder, monkeypatch, *options)
        assert caught.value.code == 2
    for text in ("0", "1,-1", "nan", "warm"):
        with pytest.raises(SystemExit) as caught:
            build(folder, monkeypatch, "--model", "m", "--data", "d", "--temperatures", text)
        assert caught.value.code == 2
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("precious")
    with pytest.raises(SystemExit, match="already exists; choose another folder"):
        build(folder, monkeypatch)
    assert not (folder / "out.work").exists()


@pytest.fixture
def strong(folder: Path) -> Path:
    """A strong set of the real builder, over the world, with the tiny contract."""
    strong_builder = BUILDER.with_name("strong.py")
    options = ["--teacher", "grammar", "--databases", str(folder / "db"), "--contract", "tiny"]
    options += ["--num-examples", "8", "--num-workers", "0", "--license", "other"]
    options += ["--out", str(folder / "strong")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(strong_builder), *options])
        runpy.run_path(str(strong_builder), run_name="__main__")
    return folder / "strong"


@pytest.mark.slow
def test_local_model_is_sampled_and_judged(
    folder: Path, strong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sense.tiny import make_model, training_texts

    make_model(folder / "model", training_texts(load_dataset(str(strong), split="train")))
    with pytest.raises(SystemExit, match=r"contract 'tiny', those .* on 'default', which"):
        build(folder, monkeypatch, "--model", folder / "model", "--data", strong)
    monkeypatch.setattr("sense.sampler.MAX_NEW_TOKENS", 8)
    from sense.prompt import TINY_CONTRACT, save_contract

    save_contract(TINY_CONTRACT, folder / "model")
    options = ("--model", folder / "model", "--data", strong, "--num-samples", "1")
    options += ("--temperatures", "0.7,1.5")
    out = build(folder, monkeypatch, *options, "--num-questions", "3")
    samples = rows(out, "samples")
    assert [sample["index"] for sample in samples] == [0, 1, 2] * 3
    assert [sample["temperature"] for sample in samples] == [0, 0.7, 1.5] * 3
    assert {sample["weak_model"] for sample in samples} == {"model"}
    assert all(sample["logprob"] < 0 for sample in samples)
    source, asked = read_facts(out).inputs
    assert (source.name, source.kind, len(source.sha256)) == ("model", "model", 64)
    assert (asked.name, asked.kind, len(asked.sha256)) == ("strong", "dataset", 64)
    (folder / "model" / "tokenizer.json").unlink()
    (folder / "model" / "tokenizer_config.json").unlink()
    with pytest.raises(SystemExit, match="has no tokenizer"):
        build(folder, monkeypatch, *options, "--out", folder / "other")


def test_server_is_sampled_and_judged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder / "data"
    data.mkdir()
    out = build(folder, monkeypatch)  # the prompts of a published set follow the default contract
    from sense.example import Example, to_row
    from sense.prompt import DEFAULT_CONTRACT

    prompt = rows(out, "unpaired")[0]["prompt"]
    example = Example("world", "Cities?", FRENCH, "easy", "ok", "t", "0", "mit", prompt=prompt,
                      prompt_hash=DEFAULT_CONTRACT.hash)  # fmt: skip
    Dataset.from_list([to_row(example)]).to_parquet(data / "train.parquet")
    options = ("--model", "weak-7b", "--data", data, "--databases", folder / "db")
    second = folder / "second"
    with ChatServer(lambda request: f"```sql\n{FRENCH}\n```") as server:
        build(folder, monkeypatch, *options, "--base-url", server.base_url, "--num-samples", "3",
              "--out", second)  # fmt: skip
    samples = rows(second, "samples")
    assert [(s["predicted_sql"], s["verdict"]) for s in samples] == [(FRENCH, "correct")] * 4
    assert [sample["temperature"] for sample in samples] == [0, 1, 1, 1]
    assert {s["weak_model"] for s in samples} == {"weak-7b"}
    assert {s["logprob"] for s in samples} == {-0.5}
    seeds = {}
    for number in ("1", "2"):
        with ChatServer(lambda request: FRENCH) as server:
            build(folder, monkeypatch, *options, "--base-url", server.base_url, "--round", number,
                  "--out", folder / f"round-{number}")  # fmt: skip
            seeds[number] = {request["seed"] for request in server.requests}
    assert not seeds["1"] & seeds["2"]
    nobody = "http://127.0.0.1:9/v1"
    monkeypatch.setattr("sense.servers.balance.MAX_WAIT_SECONDS", 0.01)
    with pytest.raises(SystemExit, match=r"error: .*127\.0\.0\.1:9"):
        build(folder, monkeypatch, *options, "--base-url", nobody, "--out", folder / "no")
    assert not (folder / "no").exists()


@pytest.mark.slow
def test_killed_runs_end_with_the_bytes_of_one_that_was_not(
    shared_data: Path, tmp_path: Path
) -> None:
    lines = (shared_data / "predictions" / "codes_1b.jsonl").read_text().splitlines()[:400]
    others = (shared_data / "predictions" / "dbgpt_lora.jsonl").read_text().splitlines()[:400]
    (tmp_path / "answers.jsonl").write_text("\n".join([*lines, *others]))

    def command(name: str) -> list[str]:
        databases = str(shared_data / "spider" / "database")
        return [
            *(sys.executable, str(BUILDER), "--samples", str(tmp_path / "answers.jsonl")),
            *("--databases", databases, "--num-workers", "1", "--out", str(tmp_path / name)),
        ]

    subprocess.run(command("whole"), check=True, capture_output=True, cwd=ROOT)
    whole = num_lines(tmp_path / "whole.work" / "journal.jsonl")
    journal = tmp_path / "cut.work" / "journal.jsonl"
    for share in (0.1, 0.5, 0.9):
        goal = int(share * whole)
        kill_when(command("cut"), lambda goal=goal: num_lines(journal) >= goal, cwd=ROOT)
        assert not (tmp_path / "cut").exists()
    subprocess.run(command("cut"), check=True, capture_output=True, cwd=ROOT)
    assert parquet(tmp_path / "cut") == parquet(tmp_path / "whole")
    assert parquet(tmp_path / "whole")


@pytest.mark.slow
def test_shares_of_eight_systems_are_those_of_the_official_evaluator(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(path.stem for path in (shared_data / "predictions").glob("*.jsonl"))
    with (tmp_path / "all.jsonl").open("w") as file:
        for name in names:
            for line in (shared_data / "predictions" / f"{name}.jsonl").open():
                file.write(json.dumps(json.loads(line) | {"system": name}) + "\n")
    options = ["--samples", tmp_path / "all.jsonl", "--num-workers", "2"]
    out = build(tmp_path, monkeypatch, *options, "--databases", shared_data / "spider" / "database")
    systems = read_facts(out).results["systems"]
    assert list(systems) == names and len(names) == 8
    for name, score in systems.items():
        text = (shared_data / "predictions" / "verdicts" / f"{name}.all.json").read_text()
        official = json.loads(text)["exec"]
        assert score["num"] == len(official) == 1034
        assert abs(score["num_accepted"] - sum(official)) <= 10, name
    assert read_facts(out).results["splits"]["default"]["train"]["num_rows"] > 250
