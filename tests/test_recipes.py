"""The recipes: every YAML parses, nothing unknown passes, two steps of each stage run on a CPU."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sense.facts import Input, collect_facts, write_facts
from sense.models.mixture import parts_of
from sense.models.smoothing import DPOArguments
from sense.models.training import (
    SFTArguments,
    check_base,
    count_lengths,
    last_checkpoint,
    mean_loss,
    model_input,
    parse_recipe,
    prepared_funnel,
    stand_in,
)
from sense.prompt import (
    TINY_CONTRACT,
    load_contract,
    save_contract,
)
from sense.publishing.source import model_source
from sense.tiny import make_model, training_texts

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*/*.yaml"))
TRAINING_RECIPES = [path for path in RECIPES if path.parent.name != "accelerate"]
TINY = ROOT / "recipes" / "tiny"

QUESTIONS = {
    "How many teas are there?": ("SELECT COUNT(*) FROM tea", "SELECT COUNT(*) FROM guest"),
    "Show the tin price of each tea.": ("SELECT tin_price FROM tea", "SELECT tea_id FROM tea"),
    "Show the names of the guests.": ("SELECT guest_name FROM guest", "SELECT guest_id FROM guest"),
    "What is the highest tin price?": ("SELECT MAX(tin_price) FROM tea", "SELECT tin_price FROM"),
}


def parse(path: Path, arguments: Sequence[str]) -> Any:
    """The recipe's settings, by the classes of the script that is named like it."""
    from trl import DPOConfig, SFTConfig

    classes = {"sft": (SFTArguments, SFTConfig), "dpo": (DPOArguments, DPOConfig)}
    return parse_recipe(*classes[path.stem], path, arguments)


def write_set(folder: Path, name: str, rows: Sequence[dict[str, object]]) -> None:
    from datasets import Dataset

    (folder / "data").mkdir(parents=True, exist_ok=True)
    Dataset.from_list([dict(row) for row in rows]).to_parquet(folder / "data" / f"{name}.parquet")


def message(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strong set, a weak set and an untrained model."""
    folder = tmp_path_factory.mktemp("runs")
    strong, weak = [], []
    for question, (right, wrong) in QUESTIONS.items():
        prompt = message("user", f"tea ( tea_id * , tin_price ) | guest ( guest_name )\n{question}")
        shared = {"prompt": prompt, "prompt_hash": TINY_CONTRACT.hash}
        chosen, rejected = message("assistant", right), message("assistant", wrong)
        strong.append({**shared, "completion": chosen})
        weak.append({**shared, "chosen": chosen, "rejected": rejected})
    for split in ("train", "test"):
        write_set(folder / "strong", split, strong * 4)
        write_set(folder / "weak", split, weak * 4)
    make_model(folder / "base", training_texts(strong))
    return folder


def launch(recipe: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The recipe as a user starts it, in a process of its own."""
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(ROOT / "recipes" / "accelerate" / "cpu.yaml")),
        *(str(ROOT / "recipes" / recipe), *map(str, arguments)),
    ]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def test_recipes_are_found() -> None:
    assert {path.relative_to(ROOT / "recipes").as_posix() for path in RECIPES} >= {
        "accelerate/cpu.yaml",
        "accelerate/fsdp2.yaml",
        "tiny/dpo.yaml",
        "tiny/sft.yaml",
    }


@pytest.mark.parametrize(
    "path", TRAINING_RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_setting_of_a_recipe_is_known(path: Path) -> None:
    settings = yaml.safe_load(path.read_text())
    cpu = [] if settings.get("use_cpu") else ["--use_cpu"]
    recipe, training, model = parse(path, cpu)
    for group in (recipe, training, model):
        for name, value in settings.items():
            if name == "dataset_name":
                assert recipe.parts == parts_of(value)
            elif hasattr(group, name) and isinstance(value, str | int):
                assert getattr(group, name) in (value, str(value).lower()), name
    assert training.report_to == []
    assert not training.push_to_hub


@pytest.mark.parametrize(
    "path",
    [path for path in RECIPES if path.parent.name == "accelerate"],
    ids=lambda path: path.stem,
)
def test_accelerate_reads_its_settings(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    assert load_config_from_file(str(path)).num_processes >= 1


def test_an_unknown_setting_of_a_file_is_named_with_its_likely_meaning(tmp_path: Path) -> None:
    config = tmp_path / "sft.yaml"
    config.write_text((TINY / "sft.yaml").read_text() + "max_lenght: 3\n")
    with pytest.raises(
        ValueError, match=r"'max_lenght' \(.*sft.yaml\).*closest match: 'max_length'"
    ):
        parse(TINY / "sft.yaml", ["--config", str(config)])


@pytest.mark.parametrize(
    "argument", ["--learningrate=1", "--overwrite_output_dir", "--warmup_ratio=0.1"]
)
def test_an_unknown_argument_is_named(argument: str) -> None:
    path = TINY / "sft.yaml"
    with pytest.raises(ValueError, match=f"'{argument[2:].split('=')[0]}'"):
        parse(path, [argument])


def test_the_command_line_goes_before_the_file() -> None:
    path = TINY / "sft.yaml"
    _, training, model = parse(path, [f"--config={path}", "--max_steps", "7", "--use_peft"])
    assert training.max_steps == 7
    assert model.use_peft


def test_the_trainer_itself_may_not_push() -> None:
    path = TINY / "sft.yaml"
    with pytest.raises(ValueError, match="--push OWNER/NAME"):
        parse(path, ["--push_to_hub"])


def test_a_missing_recipe_is_named() -> None:
    path = TINY / "sft.yaml"
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml"):
        parse(path, ["--config", "nothing.yaml"])


def test_no_base_model_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m sense\.tiny"):
        check_base(str(tmp_path / "base"))
    with pytest.raises(ValueError, match="model_name_or_path"):
        check_base(None)


def write_checkpoint(folder: Path, number: int) -> None:
    (folder / f"checkpoint-{number}").mkdir()
    save_contract(TINY_CONTRACT, folder / f"checkpoint-{number}")


def test_a_run_goes_on_only_with_its_own_settings(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path, {"learning_rate": 1}) is None
    write_checkpoint(tmp_path, 3)
    assert last_checkpoint(tmp_path, {"learning_rate": 1}) == str(tmp_path / "checkpoint-3")
    with pytest.raises(ValueError, match=r"other settings: learning_rate \(1 before, 2 now\)"):
        last_checkpoint(tmp_path, {"learning_rate": 2})


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_run_goes_on_only_with_its_own_data_and_base(tmp_path: Path, kind: str) -> None:
    inputs = {"dataset": Input("strong", "dataset", sha256="a"), "model": Input("base", "model")}
    assert last_checkpoint(tmp_path, {}, list(inputs.values())) is None
    write_checkpoint(tmp_path, 3)
    assert last_checkpoint(tmp_path, {"dataset_revision": "main"}, list(inputs.values()))
    other = inputs | {kind: replace(inputs[kind], sha256="b")}
    with pytest.raises(ValueError, match=rf"other settings: {kind} \('.*@a?' before, '.*@b' now\)"):
        last_checkpoint(tmp_path, {}, list(other.values()))


def test_a_checkpoint_that_was_cut_while_it_was_saved_is_passed_over(tmp_path: Path) -> None:
    for number in (9, 10):
        write_checkpoint(tmp_path, number)
    (tmp_path / "checkpoint-11").mkdir()
    assert last_checkpoint(tmp_path, {}) == str(tmp_path / "checkpoint-10")


def test_every_file_of_the_base_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"model-{number}.safetensors").write_bytes(b"a")
    before = model_input(str(tmp_path), "main")
    assert before == model_source(str(tmp_path))
    (tmp_path / "model-2.safetensors").write_bytes(b"b")
    assert model_input(str(tmp_path), "main") != before


def test_rows_that_the_trainer_left_out_are_counted() -> None:
    from datasets import Dataset

    padded = Dataset.from_dict({"input_ids": [[1] * 5, [1] * 3, [1] * 4]})
    assert prepared_funnel(5, padded).dropped == {"too_long": 2}
    assert count_lengths(padded, 5) == {"median": 4, "longest": 5, "at_max_length": 1}
    packed = Dataset.from_dict({"input_ids": [[1] * 5], "seq_lengths": [[2, 3]]})
    assert prepared_funnel(2, packed).kept == 2
    assert count_lengths(packed, 3) == {"median": 3, "longest": 3, "at_max_length": 1}


def test_a_grammar_that_taught_is_named_by_every_model_that_follows(tmp_path: Path) -> None:
    for name, settings, results in (
        ("strong", {"teacher": "grammar"}, {}),
        ("weak", {}, {}),
        ("sft", {}, {"text": {"stand_in": "A grammar taught it."}}),
    ):
        (tmp_path / name).mkdir()
        facts = collect_facts("x.py", seed=0, settings=settings, results=results)
        write_facts(facts, tmp_path / name)
    strong, weak, sft = (str(tmp_path / name) for name in ("strong", "weak", "sft"))
    assert "a grammar sampled the SQL" in stand_in(["ada/spider", strong], str(tmp_path / "base"))
    assert stand_in([weak], sft) == "A grammar taught it."
    assert stand_in([weak], "ada/base") == stand_in(["ada/strong"], "ada/base") == ""


def test_loss_is_the_mean_of_the_log_and_missing_without_one() -> None:
    log = [{"loss": 3.0, "step": 1}, {"eval_loss": 9.0, "step": 1}, {"loss": 1.0, "step": 2}]
    assert mean_loss(log) == {"train_loss": 2.0}
    assert mean_loss(log[1:2]) == {}


@pytest.mark.slow
def test_sft_on_a_mixture_then_dpo_leave_models_that_can_be_published(
    runs: Path, tmp_path: Path
) -> None:
    """Only the first of the three sets has a test split, on which the SFT model is evaluated."""
    steps = ("--max_steps", 2, "--save_strategy", "steps", "--save_steps", 1)
    for name in ("spider", "bird"):
        (tmp_path / name / "data").mkdir(parents=True)
        shutil.copy(runs / "strong" / "data" / "train.parquet", tmp_path / name / "data")
    mixture = (runs / "strong", tmp_path / "spider", tmp_path / "bird")
    sft = launch(
        *("sft.py", "--model_name_or_path", runs / "base", "--dataset_name", *mixture),
        *("--dataset_weights", 0.25, 0.5, 0.25, "--eval_strategy", "steps", "--eval_steps", 2),
        *("--output_dir", tmp_path / "sft", *steps),
    )
    assert sft.returncode == 0, sft.stderr
    dpo = launch(
        *("dpo.py", "--model_name_or_path", tmp_path / "sft", "--dataset_name", runs / "weak"),
        *("--output_dir", tmp_path / "dpo", *steps),
    )
    assert dpo.returncode == 0, dpo.stderr
    for name in ("sft", "dpo"):
        folder = tmp_path / name
        assert load_contract(folder) == load_contract(folder / "checkpoint-1") == TINY_CONTRACT
        facts = json.loads((folder / "facts.json").read_text())
        assert facts["script"] == f"recipes/{name}.py"
        assert facts["funnels"][0]["kept"] == 16
        assert facts["inputs"][-1]["kind"] == "model"
        card = (folder / "README.md").read_text()
        assert "generated_from_trainer" not in card
        assert "SENSE method" in card
    assert "eval_rewards/accuracies" in facts["results"]
    facts = json.loads((tmp_path / "sft" / "facts.json").read_text())
    assert facts["counts"]["rows_of_each_set"] == {"strong": 4, "spider": 8, "bird": 4}
    assert [source["name"] for source in facts["inputs"][:-1]] == ["strong", "spider", "bird"]
    assert "eval_loss" in facts["results"]


def test_a_mixture_is_one_line_of_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "sft.yaml"
    recipe.write_text(
        "dataset_name: [sense/spider, sense/bird@1f3c, sense/strong]\n"
        "dataset_weights: [1, 2, 0.5]\nuse_cpu: true\n"
    )
    arguments, _, _ = parse(recipe, [])
    assert [tuple(part) for part in arguments.parts] == [
        ("sense/spider", None, 1.0),
        ("sense/bird", "1f3c", 2.0),
        ("sense/strong", None, 0.5),
    ]
    alone, _, _ = parse(recipe, ["--dataset_name", "sense/strong", "--dataset_weights", "1"])
    assert alone.data == "sense/strong"


def test_the_recipes_of_the_paper_mix_spider_bird_and_strong_data() -> None:
    for size in ("7b", "13b"):
        settings = yaml.safe_load((ROOT / "recipes" / f"sense-{size}" / "sft.yaml").read_text())
        assert settings["dataset_name"] == ["sense/spider", "sense/bird", "sense/strong"]


@pytest.mark.slow
def test_an_interrupted_run_ends_like_one_that_was_not(runs: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    arguments = (
        *("sft.py", "--model_name_or_path", runs / "base", "--dataset_name", runs / "strong"),
        *("--max_steps", 2, "--save_strategy", "steps", "--save_steps", 1, "--output_dir"),
    )
    done = launch(*arguments, whole)
    assert done.returncode == 0, done.stderr
    shutil.copytree(whole / "checkpoint-1", cut / "checkpoint-1")  # what is left after one step
    shutil.copy(whole / "settings.json", cut)
    done = launch(*arguments, cut)
    assert done.returncode == 0, done.stderr
    expected = load_file(whole / "model.safetensors")
    found = load_file(cut / "model.safetensors")
    for name, weights in expected.items():
        assert weights.equal(found[name]), name


@pytest.mark.slow
def test_a_misspelt_setting_of_a_launched_recipe_ends_with_a_sentence() -> None:
    result = launch("sft.py", "--max_lenght", 3)
    assert result.returncode != 0
    assert "error: setting 'max_lenght' (the command line) is unknown" in result.stderr
    assert "sft.py" not in result.stderr.split("error: ")[0]


@pytest.mark.parametrize(
    ("script", "setting", "value", "complaint"),
    [
        ("sft", "--model_name_or_path", "none", r"python -m sense\.tiny"),
        ("sft", "--dataset_name", "weak", "has no column 'completion'"),
        ("dpo", "--model_name_or_path", "base", "follow contract"),
    ],
)
def test_a_wrong_input_ends_with_a_sentence(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    setting: str,
    value: str,
    complaint: str,
) -> None:
    given = {
        "--model_name_or_path": runs / "base",
        "--dataset_name": runs / ("weak" if script == "dpo" else "strong"),
        "--output_dir": tmp_path / "out",
        setting: runs / value,
    }
    recipe = str(ROOT / "recipes" / f"{script}.py")
    monkeypatch.setattr(
        sys, "argv", [recipe, *(str(part) for pair in given.items() for part in pair)]
    )
    with pytest.raises(SystemExit, match=f"^error: .*{complaint}"):
        runpy.run_path(recipe, run_name="__main__")
