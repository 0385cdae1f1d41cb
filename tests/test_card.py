"""Cards against snapshots; after a wanted change run `python tests/test_card.py`, read the diff."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from datasets import Features
from huggingface_hub import DatasetCard, ModelCard, parse_eval_result_entries

from sense.card import (
    GRAMMAR_SENTENCE,
    DatasetText,
    ModelText,
    _environment,
    cards_folder,
    column_meanings,
    dataset_card,
    model_card,
)
from sense.example import (
    database_features,
    example_features,
    pair_features,
    question_features,
    rejected_features,
    sample_features,
    unpaired_features,
)
from sense.facts import Facts, Funnel, Input
from sense.golds.gold_check import gold_check_features
from sense.publishing.card_tables import drop_reasons, glance
from sense.publishing.eval_results import Evaluation, eval_result_files, to_evaluation

ROOT = Path(__file__).parents[1]
SNAPSHOTS = Path(__file__).parent / "fixtures" / "cards"
FEATURES = {"default": pair_features(), "samples": sample_features()}

TEXT = DatasetText(
    pretty_name="Weak pairs",
    summary="Each row is a question with a right and a wrong answer. It is for DPO.",
    license="cc-by-sa-4.0",
    steps=("A weak model answered each question.", "The answers were executed and judged."),
    faults=("Some correct answers are luck.",),
    repo_id="sense/weak",
)


def split_of(num_rows: int) -> dict[str, Any]:
    return {
        "num_rows": num_rows,
        "num_databases": 7,
        "num_bytes": 100 * num_rows,
        "file_bytes": 10 * num_rows,
        "sha256": ["0" * 64],
    }


LIMITS = {
    "engine": "SQLite 3.54.1",
    "max_steps": 100_000_000,
    "max_seconds": 30.0,
    "max_rows": 1_000_000,
    "max_result_bytes": 64_000_000,
    "max_heap_bytes": 1_000_000_000,
}
FIGURES = [
    {"path": f"figures/{name}.png", "title": f"Title of {name}", "alt": f"Bars of {name}."}
    for name in ("hardness", "plan_style", "funnel_teacher")
]
FACTS = Facts(
    script="builders/weak.py",
    command="python builders/weak.py --seed 1",
    seed=1,
    inputs=(
        Input("sense/strong", "dataset", "a" * 40, license="apache-2.0", url="https://hf.co/x"),
        Input("tiny|sft", "model"),
    ),
    settings={"limits": {"max_steps": 1000}, "policy": "any"},
    versions={"python": "3.11.7", "sqlite": "3.54.1"},
    commit="b" * 40,
    funnels=(Funnel("judge", "answers", 12345, {"unknown": 345}, 12000),),
    counts={"missing": {}, "pairs by policy": {"any": 1000}},
    usage={"prompt_tokens": 1234567, "cost_usd": 1.5},
    results={
        "splits": {
            "default": {"train": split_of(1000), "test": split_of(20)},
            "samples": {"train": split_of(12000)},
        },
        "tallies": {
            "default": {
                "error_kind": {"join": 600, "condition": 420},
                "license": {"cc-by-sa-4.0": 1020},
                "suite_hash": {"": 1020},
            },
            "samples": {"verdict": {"correct": 7000, "incorrect": 5000}},
        },
    },
)
EVALUATION = Evaluation(
    system="SENSE tiny",
    benchmark="Spider",
    split="dev",
    rule="spider",
    num=1034,
    num_correct=500,
    accuracy=500 / 1034,
    low=0.4533,
    high=0.5140,
    by_hardness={"easy": {"num": 248, "accuracy": 0.75, "low": 0.69, "high": 0.8}},
    dataset_id="xlangai/spider",
    dataset_revision="c" * 40,
    date="2026-11-22T10:00:00+00:00",
)
BASELINE = replace(EVALUATION, system="base model", num_correct=1, accuracy=1 / 1034, is_ours=False)
MODEL = ModelText(
    name="SENSE tiny",
    summary="It writes SQL for SQLite. It was trained on pairs judged by execution.",
    license="apache-2.0",
    training="DPO after SFT.",
    limitations=("It knows one dialect, SQLite.",),
    base_model="ada/base",
    datasets=("sense/strong", "sense/weak"),
    repo_id="ada/tiny",
)


def row_of(features: Features) -> dict[str, Any]:
    texts = {name: f"{name} text" for name in features}
    numbers = {"round": 0, "num_samples": 8, "num_correct": 3, "temperature": 0.7}
    witness = '{"error": "no such column: years"}'
    return (
        texts | numbers | {"prompt": [{"role": "user", "content": "x" * 400}], "witness": witness}
    )


def weak_card(text: DatasetText = TEXT, facts: Facts = FACTS) -> str:
    first_rows = {config: row_of(features) for config, features in FEATURES.items()}
    return dataset_card(text, facts, FEATURES, first_rows, "weak")


def tiny_card(text: ModelText = MODEL, evaluations: tuple[Evaluation, ...] = ()) -> str:
    contract = {"style": "compact", "system": "", "num_sample_rows": 0}
    return model_card(text, FACTS, evaluations, contract, "tiny")


def kind_card(
    text: DatasetText, facts: Facts, features: dict[str, Features], row: dict[str, Any]
) -> str:
    return dataset_card(text, facts, features, dict.fromkeys(features, row), text.kind)


def strong_set(**changes: Any) -> str:
    """A card of the strong set whose teacher is a model; changes: other facts.results, None for
    those that are not there."""
    text = replace(TEXT, kind="strong", has_figures=True, split_by="db_id")
    results = {
        "splits": {
            "default": {"train": split_of(1000), "test": split_of(20)},
            "rejected": {"train": split_of(30)},
        },
        "tallies": {
            "default": {
                "teacher": {"big-model": 1020},
                "hardness": {"easy": 1000, "extra": 20},
                "domain": {"tea": 1000, "trade": 20},
                "license": {"cc-by-sa-4.0": 1020},
                "source": {"spider-train": 1020},
            }
        },
        "figures": FIGURES,
        "limits": LIMITS,
        "teacher": {"name": "big-model", "prompts": {"invent": "e" * 64}, "terms": "Its terms."},
        "decontamination": {
            "benchmarks": ["spider-dev"],
            "without_schemas": [],
            "num_words": 8,
            "min_covered": 0.5,
            "same_schema": 0.6,
            "like_schema": 0.2,
        },
        "plan": {
            "name": "default",
            "rows": 1020,
            "planned_rows": 1040,
            "shares": {"style": {"formal": {"planned": 0.5, "realised": 0.4}}},
            "cells": {
                "planned": 12,
                "within": 11,
                "min_rows": 50,
                "tolerance": 0.2,
                "off": [{"cell": "style=formal", "planned": 60.0, "realised": 44}],
            },
            "infeasible": [{"cell": "style=vague", "reason": "no model speaks it"}],
        },
        **changes,
    }
    funnel = Funnel("teacher", "answers", 1050, {"empty_result": 25, "contaminated_sql": 5}, 1020)
    results = {name: value for name, value in results.items() if value is not None}
    settings = {**FACTS.settings, "prompt_hash": "f" * 64, "agreement": 5}
    counts = {"modes": {"invent": 1020}, "votes": {"kept": 1000, "repaired": 20}}
    facts = replace(FACTS, results=results, funnels=(funnel,), settings=settings, counts=counts)
    features = {"default": example_features(), "rejected": rejected_features()}
    return kind_card(text, facts, features, row_of(features["default"]))


def weak_set(**changes: Any) -> str:
    """A card of the weak set, judged on a suite; changes: other facts.results."""
    text = replace(TEXT, kind="weak", has_figures=True, split_by="db_id")
    results = {
        **FACTS.results,
        "figures": FIGURES[:1],
        "limits": LIMITS,
        "rule": "spider",
        "systems": {
            "tiny": {"num": 100, "num_accepted": 80, "num_correct": 70, "num_incorrect": 20}
        },
        "flip_rate": {"num": 75, "num_flipped": 5, "rate": 1 / 15, "low": 0.029, "high": 0.146},
        "rounds": {"1": {"samples": 100, "pairs": 40}},
        "noise": {
            "label_smoothing": 0.0234,
            "low": 0.01,
            "high": 0.04,
            "chosen_wrong": 0.03,
            "rejected_right": None,
            "source": "execution",
            "num_pairs": 40,
            "num_databases": 7,
        },
        **changes,
    }
    settings = {"policy": "any", "max_pairs": 2, "suite_hash": "a" * 64}
    counts = {"error_kinds": {"missing_join": 15, "value": 5}}
    tallies = {**FACTS.results["tallies"]["default"], "error_kind": {"value": 40}}
    results["tallies"] = {next(iter(results["splits"])): tallies}
    facts = replace(FACTS, results=results, settings=settings, counts=counts, usage={})
    return kind_card(text, facts, FEATURES, row_of(FEATURES["default"]))


def snapshots() -> dict[str, str]:
    return {
        "dataset_card.md": weak_card(),
        "strong_card.md": strong_set(),
        "weak_card.md": weak_set(),
        "model_card.md": tiny_card(evaluations=(EVALUATION, BASELINE)),
    }


@pytest.mark.parametrize(
    "name", ["dataset_card.md", "strong_card.md", "weak_card.md", "model_card.md"]
)
def test_card_is_the_snapshot(name: str) -> None:
    assert snapshots()[name] == (SNAPSHOTS / name).read_text("utf-8")


def test_front_matter_of_a_dataset_names_configs_and_task() -> None:
    data = DatasetCard(weak_card()).data.to_dict()
    assert data["license"] == "cc-by-sa-4.0"
    assert data["language"] == "en"
    assert data["pretty_name"] == "Weak pairs"
    assert data["size_categories"] == "1K<n<10K"
    assert data["task_categories"] == ["table-question-answering", "text-generation"]
    assert data["tags"] == ["text-to-sql", "synthetic", "arxiv:2408.03256"]
    assert data["configs"][0] == {
        "config_name": "default",
        "data_files": [
            {"split": "train", "path": "default/train-00000-of-00001.parquet"},
            {"split": "test", "path": "default/test-00000-of-00001.parquet"},
        ],
    }
    assert [info["config_name"] for info in data["dataset_info"]] == ["default", "samples"]


def test_human_questions_are_not_called_synthetic() -> None:
    data = DatasetCard(weak_card(replace(TEXT, is_synthetic=False))).data.to_dict()
    assert "synthetic" not in data["tags"]
    assert data["annotations_creators"] == "expert-generated"


@pytest.mark.parametrize("column", ["source", "teacher"])
def test_grammar_in_the_place_of_a_language_model_is_said_plainly(column: str) -> None:
    tallies = {"default": {column: {"grammar": 1020}}, "samples": {}}
    card = weak_card(facts=replace(FACTS, results={**FACTS.results, "tallies": tallies}))
    body = card.split("\n# Weak pairs\n")[1]
    assert body.index(f"> **{GRAMMAR_SENTENCE}**") < body.index("## Load it")
    assert GRAMMAR_SENTENCE not in weak_card()


def test_split_by_template_is_called_in_domain() -> None:
    assert "in-domain" in weak_card(replace(TEXT, split_by="sql_template"))
    assert "The splits share no database." in weak_card(replace(TEXT, split_by="db_id"))


@pytest.mark.parametrize(
    "features",
    [
        example_features(),
        rejected_features(),
        pair_features(),
        database_features(),
        sample_features(),
        unpaired_features(),
        gold_check_features(),
    ],
)
def test_every_published_column_is_explained(features: Features) -> None:
    assert set(features) <= set(column_meanings())


def test_no_meaning_is_left_of_a_column_that_is_gone() -> None:
    published = {
        *example_features(),
        *rejected_features(),
        *pair_features(),
        *database_features(),
        *sample_features(),
        *question_features(),
        *unpaired_features(),
        *gold_check_features(),
    }
    assert set(column_meanings()) == published


def test_templates_are_found_in_an_installed_package(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sense", tmp_path / "sense")
    shutil.copytree(ROOT / "cards", tmp_path / "sense" / "cards")  # as the wheel lays them
    code = "from sense.card import cards_folder; print(cards_folder())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path / 'sense' / 'cards'}\n"


def test_unpublished_model_is_loaded_from_its_folder() -> None:
    card = tiny_card(replace(MODEL, repo_id=""))
    assert 'folder = "tiny"  # this folder' in card
    assert "snapshot_download" not in card


def test_name_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        _environment().from_string("{{ num_rows }}").render()


def test_numbers_of_a_card_come_from_facts() -> None:
    for name in (
        *("dataset_card.md.jinja", "model_card.md.jinja"),
        *("strong_sections.md.jinja", "weak_sections.md.jinja"),
    ):
        template = (cards_folder() / name).read_text("utf-8")
        prose = re.sub(r"```.+?```|{[{%].*?[%}]}", "", template, flags=re.DOTALL)
        assert set(re.findall(r"\d+", prose)) <= {"95", "256"}, name  # intervals, SHA


@pytest.mark.parametrize(
    ("card", "missing"),
    [
        *((strong_set, name) for name in ("limits", "teacher", "decontamination", "figures")),
        *((weak_set, name) for name in ("limits", "systems", "rule", "flip_rate", "figures")),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_missing_fact_of_a_section_is_an_error(card: Any, missing: str) -> None:
    facts_without = {missing: jinja2.StrictUndefined(name=missing)}
    with pytest.raises((jinja2.UndefinedError, KeyError)):
        card(**facts_without)


def test_strong_card_says_what_was_not_compared_and_what_was_not_planned() -> None:
    bare = strong_set(
        decontamination={"benchmarks": []},
        teacher={"name": "grammar", "prompts": {}, "terms": "Apache-2.0."},
        plan=None,
    )
    assert "The rows were compared with no benchmark" in bare
    assert "the program `grammar`, which takes no prompt." in bare
    assert "### Plan" not in bare
    assert "the first few of a unit of work, a database in one round, and not all." in bare
    assert "not all" not in strong_set()


def test_reasons_and_small_costs_are_told() -> None:
    funnels = (Funnel("teacher", "answers", 3, {"server_http_400": 1, "home_made": 1}, 1),)
    usage = {"prompt_tokens": 9, "replies_with_estimated_tokens": 5, "cost_usd": 0.0004}
    facts = replace(FACTS, funnels=funnels, usage=usage)
    assert drop_reasons(facts) == [
        ("server_http_400", 1, "The server gave no answer that could be used."),
        ("home_made", 1, ""),
    ]
    assert ("cost", "$0.00040, 9 tokens") in glance(replace(TEXT, kind="strong"), facts)


def test_weak_card_tells_measured_noise_from_noise_that_was_not_measured() -> None:
    assert "makes `label_smoothing` 0.0234 (0.0100 to 0.0400, bootstrap by database)" in weak_set()
    unmeasured = weak_set(noise=jinja2.StrictUndefined(name="noise"))
    assert "The noise of these labels was not measured" in unmeasured


def test_weak_card_says_where_noise_has_no_interval_is_no_smoothing_or_has_no_pairs() -> None:
    noise = {"label_smoothing": 0.5, "low": None, "high": None, "chosen_wrong": 1.0}
    noise |= {"rejected_right": 0.0, "source": "reading", "num_pairs": 1, "num_databases": 1}
    card = weak_set(noise=noise)
    assert "Of 1 pair over 1 database, " in card
    assert "`label_smoothing` 0.5000 (of too few databases for an interval), which" in card
    assert "`recipes/dpo.py` refuses, as it would everything from one half on" in card


def test_a_weak_set_without_pairs_shows_no_noise_and_no_databases_where_rows_name_none() -> None:
    unmeasured = jinja2.StrictUndefined(name="noise")
    splits = {"samples": {"train": {**split_of(9), "num_databases": 0}}}
    card = weak_set(noise=unmeasured, splits=splits)
    assert "The set holds no pairs, so that there is no noise to estimate." in card
    assert "| `samples` | `train` | 9 | - |" in card
    assert "| databases |" not in card.replace("| config | split | rows | databases |", "")


def test_figures_stand_in_their_sections_with_words_for_those_who_cannot_see_them() -> None:
    card = strong_set()
    for figure in FIGURES:
        assert card.count(f"![{figure['alt']}]({figure['path']})") == 1
    assert card.index("funnel_teacher.png") < card.index("### Plan") < card.index("plan_style.png")


def test_text_stays_inside_its_cell() -> None:
    assert "| tiny\\|sft | model |" in weak_card()


def test_front_matter_of_a_model_has_base_data_and_scores() -> None:
    data = ModelCard(tiny_card(evaluations=(EVALUATION, BASELINE))).data
    assert data.base_model == "ada/base"
    assert data["base_model_relation"] == "finetune"
    assert data.datasets == ["sense/strong", "sense/weak"]
    assert data.pipeline_tag == "text-generation"
    assert data.library_name == "transformers"
    [result] = data.eval_results
    assert (result.dataset_name, result.dataset_split) == ("Spider", "dev")
    assert result.metric_value == 48.36
    assert "n = 1,034, 95 % interval 45.3 % to 51.4 %" in result.metric_name


def test_model_without_base_or_scores_says_so() -> None:
    card = tiny_card(replace(MODEL, base_model=""))
    assert "This model has not been evaluated." in card
    assert "base_model" not in ModelCard(card).data.to_dict()


def test_table_shows_baseline_beside_ours_with_intervals() -> None:
    card = tiny_card(evaluations=(EVALUATION, BASELINE))
    assert (
        "| **SENSE tiny** | Spider | dev | spider | 1,034 | 500 | 48.4 % | 45.3 % to 51.4 % |\n"
        "| base model | Spider | dev | spider | 1,034 | 1 | 0.1 % | 45.3 % to 51.4 % |\n"
    ) in card


def test_eval_results_are_what_the_hub_parses() -> None:
    files = eval_result_files([EVALUATION, BASELINE, replace(EVALUATION, dataset_id="")])
    assert list(files) == [".eval_results/xlangai--spider.yaml"]
    [entry] = parse_eval_result_entries(yaml.safe_load(files[".eval_results/xlangai--spider.yaml"]))
    assert (entry.dataset_id, entry.task_id, entry.value) == (
        "xlangai/spider",
        "dev_spider",
        48.36,
    )
    assert (entry.dataset_revision, entry.date) == ("c" * 40, "2026-11-22T10:00:00+00:00")


SCORES = {"rule": "bird", "num": 2, "num_correct": 1, "accuracy": 0.5, "low": 0.1, "high": 0.9}


def evaluated(*inputs: Input, **settings: Any) -> Facts:
    return replace(FACTS, inputs=inputs, settings={"split": "dev", **settings})


def test_scores_and_facts_become_a_line() -> None:
    facts = evaluated(Input("tiny", "model"), Input("ada/bird", "dataset", "d" * 40))
    line = to_evaluation(SCORES, facts, "ours", "BIRD")
    assert (line.rule, line.accuracy, line.by_hardness) == ("bird", 0.5, {})
    assert (line.split, line.dataset_id, line.dataset_revision) == ("dev", "ada/bird", "d" * 40)
    with pytest.raises(ValueError, match="of 'ours' on BIRD dev lack low, high"):
        to_evaluation({k: SCORES[k] for k in list(SCORES)[:4]}, facts, "ours", "BIRD")
    with pytest.raises(ValueError, match="none of the golds of BIRD dev could judge"):
        to_evaluation(SCORES | {"num": 0, "accuracy": None}, facts, "ours", "BIRD")


def test_table_says_which_scores_are_those_of_a_test_suite() -> None:
    on_suite = replace(BASELINE, metric="test_suite_accuracy")
    card = tiny_card(evaluations=(EVALUATION, on_suite))
    assert "| base model | Spider | dev | spider on a test suite | 1,034 |" in card
    assert "| **SENSE tiny** | Spider | dev | spider | 1,034 |" in card


def test_scores_on_a_test_suite_are_not_taken_for_those_on_the_data() -> None:
    facts = evaluated(Input("ada/bird", "dataset", "d" * 40))
    scores = SCORES | {"metric": "test_suite_accuracy"}
    line = to_evaluation(scores, facts, "ours", "BIRD")
    [text] = eval_result_files([line]).values()
    [entry] = parse_eval_result_entries(yaml.safe_load(text))
    assert entry.task_id == "dev_suite_bird"
    assert entry.notes.startswith("test suite accuracy in per cent, rule bird")
    card = tiny_card(evaluations=(line,))
    assert "by the rule named, or on every database of a test suite." in card
    assert "| **ours** | BIRD | dev | bird on a test suite | 2 | 1 | 50.0 % |" in card
    [result] = ModelCard(card).data.eval_results
    assert result.metric_type == "test_suite_accuracy"
    assert "suite" not in tiny_card(evaluations=(EVALUATION,))


@pytest.mark.parametrize(
    "facts",
    [
        evaluated(Input("strong", "dataset", sha256="e" * 64)),
        evaluated(Input("ada/bird", "dataset", "d" * 40), limit=100),
        evaluated(Input("ada/tiny", "model", "d" * 40)),
    ],
    ids=["folder", "part of the split", "no data"],
)
def test_only_a_whole_split_of_a_hub_set_has_results_for_the_hub(facts: Facts) -> None:
    assert eval_result_files([to_evaluation(SCORES, facts, "ours", "BIRD")]) == {}


if __name__ == "__main__":
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for name, card in snapshots().items():
        (SNAPSHOTS / name).write_text(card, "utf-8")
