"""The weak set as a whole: rounds of sampling, label noise, and models that answer badly."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer
from conftest import WORLD_SCRIPT, write_database
from datasets import Dataset
from test_builders_weak import ANSWERS, FRENCH, build, folder, pair_anew, rows, write_answers

from sense.example import Example, to_row
from sense.facts import read_facts
from sense.prompt import DEFAULT_CONTRACT, prompt_messages

__all__ = ["folder"]  # a fixture

CITIES = "SELECT name FROM city"
COUNTRIES = "SELECT name FROM country"
QUESTIONS = {"Cities?": CITIES, "French cities?": FRENCH, "Countries?": COUNTRIES}


@pytest.fixture
def data(folder: Path) -> Path:
    """Three questions with prompts of the default contract."""
    return write_questions(folder, {"world": ""})


def write_questions(folder: Path, domains: Mapping[str, str]) -> Path:
    """The questions over each database, whose domains are given."""
    target = folder / "data"
    target.mkdir(exist_ok=True)
    examples = []
    for db_id, domain in domains.items():
        database = folder / "db" / f"{db_id}.sqlite"
        if not database.exists():
            write_database(database, WORLD_SCRIPT)
        examples += [
            Example(
                db_id, question, sql, "easy", "ok", "t", "0", "mit", domain=domain,
                prompt=prompt_messages(DEFAULT_CONTRACT, database, question),
                prompt_hash=DEFAULT_CONTRACT.hash,
            )
            for question, sql in QUESTIONS.items()
        ]  # fmt: skip
    Dataset.from_list([to_row(example) for example in examples]).to_parquet(target / "t.parquet")
    return target


def sampled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, out: str, *options: str | Path
) -> Path:
    """The set that a server's answers give, three per question."""
    given = ("--model", "m", "--data", folder / "data", "--databases", folder / "db")
    with ChatServer(answer) as server:
        build(folder, monkeypatch, *given, "--base-url", server.base_url, "--num-samples", "2",
              "--out", folder / out, *options)  # fmt: skip
    return folder / out


def test_rounds_stand_beside_each_other_and_are_told_apart(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weak(request: Body) -> str:
        return COUNTRIES

    def stronger(request: Body) -> str:
        question = request["messages"][-1]["content"].rpartition("Question: ")[2]
        return QUESTIONS[question] if request["temperature"] else CITIES

    first = sampled(folder, monkeypatch, weak, "first")
    assert read_facts(first).results["rounds"] == {
        "1": {"samples": 9, "correct": 3, "incorrect": 6, "unknown": 0, "pairs": 0}
    }
    again = ("--round", "2", "--previous", first)
    both = sampled(folder, monkeypatch, stronger, "both", *again, "--max-pairs", "0")
    facts = read_facts(both)
    assert facts.results["rounds"] == {
        "1": {"samples": 9, "correct": 3, "incorrect": 6, "unknown": 0, "pairs": 2},
        "2": {"samples": 9, "correct": 7, "incorrect": 2, "unknown": 0, "pairs": 2},
    }
    samples = rows(both, "samples")
    assert Counter(sample["round"] for sample in samples) == {1: 9, 2: 9}
    assert [question["num_samples"] for question in rows(both, "questions")] == [6, 6, 6]
    pairs = {(p["question"], p["rejected_sql"]): p["round"] for p in rows(both, "default")}
    assert pairs == {
        ("Cities?", COUNTRIES): 1,
        ("French cities?", COUNTRIES): 1,
        ("French cities?", CITIES): 2,
        ("Countries?", CITIES): 2,
    }
    assert [source.name for source in facts.inputs][:3] == ["m", "data", "first"]
    assert "beside them those of first, of earlier rounds" in (both / "README.md").read_text()


def test_databases_of_one_domain_share_their_split_also_in_later_rounds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = {"lions": "zoo", "loans": "bank", "bears": "zoo", "tellers": "bank", "alone": ""}
    write_questions(folder, dict(list(domains.items())[:2]))
    share = ("--test-share", "0.4")
    first = sampled(folder, monkeypatch, lambda request: CITIES, "first", *share)
    write_questions(folder, domains)
    again = (*share, "--round", "2", "--previous", first)
    both = sampled(folder, monkeypatch, lambda request: COUNTRIES, "both", *again)
    splits = {row["db_id"]: split for split in ("train", "test")
              for row in rows(both, "questions", split)}  # fmt: skip
    assert splits["lions"] == splits["bears"] != splits["loans"] == splits["tellers"]
    assert splits.keys() == domains.keys()


def test_rounds_that_do_not_fit_are_refused_before_anything_is_asked(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = sampled(folder, monkeypatch, lambda request: CITIES, "first", "--round", "3")
    for options, words in (
        (("--round", "3"), "holds round 3 and this is round 3; give --round 4"),
        (("--round", "4", "--rule", "bird"), "rule of .* is 'spider', of this round 'bird'"),
    ):
        with pytest.raises(SystemExit, match=f"error: .*{words}"):
            sampled(folder, monkeypatch, None, "no", "--previous", first, *options)
    with pytest.raises(SystemExit):
        sampled(folder, monkeypatch, None, "no", "--previous", first)
    assert "--previous holds earlier rounds; give this one its number" in capsys.readouterr().err


def test_a_model_that_answers_in_prose_gives_no_right_answer_and_is_told_so(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = sampled(folder, monkeypatch, lambda request: "I would look at the cities.", "prose")
    facts = read_facts(out)
    assert facts.counts["reasons"] == {"no_sql": 9}
    assert facts.counts["verdicts"] == {"incorrect": 9}
    assert facts.funnels[1].dropped == {"no_right_answer": 3}
    assert "default" not in facts.results["splits"]
    printed = capsys.readouterr().out
    assert "see below. To get some, use --gold-as-chosen when_none_correct." in printed


def test_no_label_is_given_where_models_agree_against_gold(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [("Cities in France?", FRENCH, CITIES, system) for system in "ab"]
    write_answers(folder / "answers.jsonl", [*said, ("Countries?", COUNTRIES, COUNTRIES, "a")])
    out = build(folder, monkeypatch)
    assert [row["label"] for row in rows(out, "unpaired")] == [True]
    anew = pair_anew(folder, out, monkeypatch, "--keep-disputed")
    assert sorted(row["label"] for row in rows(anew, "unpaired")) == [False, True]


def test_answers_of_several_queries_stand_on_no_side(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong, five statements, and a rationale with two blocks, in turn."""
    block = "```sql\n{}\n```"
    texts = iter(
        3 * [CITIES, "; ".join([CITIES] * 5), f"{block.format(CITIES)}\n{block.format(COUNTRIES)}"]
    )
    out = sampled(folder, monkeypatch, lambda request: next(texts), "several",
                  "--concurrency", "1", "--temperatures", "0.5,0.9", "--num-samples", "1",
                  "--gold-as-chosen", "always", "--max-pairs", "0")  # fmt: skip
    facts = read_facts(out)
    assert facts.counts["reasons"]["several_statements"] == 6
    assert facts.funnels[0].dropped == {"unknown_several_statements": 6}
    unclear = {s["id"] for s in rows(out, "samples") if s["reason"] == "several_statements"}
    pairs = rows(out, "default")
    assert pairs and not unclear & {pair["rejected_sample_id"] for pair in pairs}


def test_what_a_server_costs_stands_in_the_facts_also_of_a_resumed_run(
    folder: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prices = ("--price-in", "100", "--price-out", "1000")
    out = sampled(folder, monkeypatch, lambda request: CITIES, "priced", *prices)
    facts = read_facts(out)
    assert facts.usage["prompt_tokens"] == 60  # a greedy request and one of two samples, 10 each
    assert facts.usage["completion_tokens"] == 45
    assert facts.usage["cost_usd"] == pytest.approx(0.051)
    assert "price_in" not in facts.settings and "base_url" not in facts.settings
    shutil.rmtree(out)
    capsys.readouterr()
    sampled(folder, monkeypatch, lambda request: "not asked", "priced", *prices)
    assert read_facts(out).usage == facts.usage
    assert re.search(r"completion_tokens +45\ncost_usd +0.051", capsys.readouterr().out)


def test_every_wrong_answer_carries_a_witness(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ("SELECT nam FROM city", COUNTRIES, "Ask me.", "DROP TABLE city", "", f"{CITIES} ORDER")
    ordered = f"{CITIES} ORDER BY id"
    answers = [("Cities?", CITIES, sql, "a") for sql in wrong]
    answers.append(("In order?", ordered, f"{CITIES} ORDER BY id DESC", "a"))
    write_answers(folder / "answers.jsonl", answers)
    samples = rows(build(folder, monkeypatch), "samples")
    assert [sample["verdict"] for sample in samples] == ["incorrect"] * 7
    assert all(json.loads(sample["witness"]) for sample in samples)


@pytest.fixture
def lucky(folder: Path) -> list[str | Path]:
    """Answers of which one is right on the original alone; options that judge them on a suite."""
    gold = "SELECT name FROM city WHERE name = 'Paris'"
    luck = "SELECT name FROM city WHERE name LIKE 'Pari%'"
    answers = [("Which is Paris?", gold, sql, "a") for sql in (gold, luck, CITIES)]
    write_answers(folder / "answers.jsonl", answers)
    suite = folder / "suite"
    write_database(suite / "world" / "world.sqlite", WORLD_SCRIPT)
    script = f"{WORLD_SCRIPT}; UPDATE city SET name = 'Parikia' WHERE name <> 'Paris';"
    write_database(suite / "world" / "1.sqlite", script)
    return ["--suite", suite]


def test_wrong_answers_to_questions_that_are_open_add_no_noise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = "SELECT COUNT(*) FROM city GROUP BY country_code"
    write_answers(folder / "answers.jsonl", [*ANSWERS, ("Numbers?", counts, CITIES, "b")])
    out = build(folder, monkeypatch, "--separated", "9/10")
    assert {row["other_reading"] for row in rows(out, "samples")} == {"", "hidden_groups"}
    noise = read_facts(out).results["noise"]
    assert noise["chosen_wrong"] == pytest.approx(1 / 2 / 9)  # of the one wrong answer that pairs


def test_noise_follows_from_what_may_survive_the_suite_or_from_reading(
    folder: Path, lucky: list[str | Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Of two refuted queries each would be chosen in one of two cases, had it survived."""
    out = build(folder, monkeypatch, *lucky, "--separated", "9/10", "--out", folder / "a")
    noise = read_facts(out.with_name("a")).results["noise"]
    assert noise["source"] == "execution"
    assert noise["chosen_wrong"] == pytest.approx(1 / 9)
    assert noise["label_smoothing"] == pytest.approx(1 / 18)
    assert noise["survivors"]["num_tried"] == 10
    assert "Label smoothing for these pairs: 0.0556" in capsys.readouterr().out
    build(folder, monkeypatch, *lucky, "--out", folder / "b")
    default = read_facts(folder / "b").results["noise"]
    survivors = default["survivors"]
    assert (survivors["num_separated"], survivors["num_tried"]) == (2279, 2324)
    assert default["alone"]["chosen_wrong"] == pytest.approx(1 / 2)
    build(folder, monkeypatch, *lucky, "--read-errors", "3/100,1/100", "--out", folder / "c")
    read = read_facts(folder / "c").results["noise"]
    assert (read["source"], read["label_smoothing"]) == ("reading", pytest.approx(0.02))
    build(folder, monkeypatch, "--flip-rate", "8/50", "--out", folder / "e")
    assert read_facts(folder / "e").results["noise"]["label_smoothing"] == pytest.approx(0.08)
    build(folder, monkeypatch, "--out", folder / "d")
    assert "noise" not in read_facts(folder / "d").results
    for option, text, words in (
        ("--separated", "5", "'5' is no share"),
        ("--read-errors", "none", "no file and no two shares"),
    ):
        with pytest.raises(SystemExit):
            build(folder, monkeypatch, option, text, "--out", folder / "no")
        assert words in capsys.readouterr().err
