"""Recipes that no test can run: their arithmetic, their chat format, and adapters made whole."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

RECIPES = Path(__file__).parents[1] / "recipes"
TEMPLATE = RECIPES / "chat_template.jinja"

ROWS, PAIRS, TOKENS_PER_ROW, LONGEST_ROW = 20_000, 10_000, 760, 4_096
FLOPS_PER_SECOND = 312e12 * 0.35
DOLLARS_PER_HOUR = 2
ADAPTER_PARAMETERS = 0.11


class Size(NamedTuple):
    """A base model and the GPUs that its recipe is for; parameters in billions."""

    parameters: float
    width: int
    layers: int
    gpus: int
    is_lora: bool = False


SIZES = {
    "sense-7b": Size(6.74, 4096, 32, 8),
    "sense-13b": Size(13.02, 5120, 40, 8),
    "qwen2.5-coder-7b": Size(7.62, 3584, 28, 8),
    "qwen2.5-coder-7b-lora": Size(7.62, 3584, 28, 1, is_lora=True),
}
each_recipe = pytest.mark.parametrize("name", SIZES)
each_stage = pytest.mark.parametrize("stage", ["sft", "dpo"])


def settings_of(name: str, stage: str) -> dict[str, Any]:
    return yaml.safe_load((RECIPES / name / f"{stage}.yaml").read_text())


def estimates(name: str, stage: str) -> dict[str, str]:
    """What the README's table says of one stage."""
    text = (RECIPES / name / "README.md").read_text()
    rows = [
        line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| \w.*\|$", line)
    ]
    column = {"sft": 1, "dpo": 2}[stage]
    return {row[0].strip(): row[column].strip() for row in rows}


def test_no_full_size_recipe_is_left_out() -> None:
    folders = {path.parent.name for path in RECIPES.glob("*/sft.yaml")}
    assert folders == {"tiny", *SIZES}


@each_recipe
@each_stage
def test_the_comment_on_rows_per_step_is_what_the_settings_make(name: str, stage: str) -> None:
    settings, gpus = settings_of(name, stage), SIZES[name].gpus
    batch = settings["per_device_train_batch_size"]
    accumulation = settings["gradient_accumulation_steps"]
    assert gpus * batch * accumulation == 64
    text = (RECIPES / name / f"{stage}.yaml").read_text()
    unit = "rows" if stage == "sft" else "pairs"
    assert re.search(rf"{gpus} GPUs? x {batch} x {accumulation} = 64 {unit}", text)
    assert settings["max_length"] == LONGEST_ROW


@each_recipe
@each_stage
def test_estimates_follow_from_their_arithmetic(name: str, stage: str) -> None:
    size, settings, found = SIZES[name], settings_of(name, stage), estimates(name, stage)
    epochs, num_units = settings["num_train_epochs"], ROWS if stage == "sft" else PAIRS
    num_steps = -(-num_units // 64) * epochs
    assert found["steps"] == f"{num_steps:,}"

    rows_at_once = settings["per_device_train_batch_size"] * (1 if stage == "sft" else 2)
    activations = rows_at_once * LONGEST_ROW * size.width * size.layers * 2 / 1e9
    weights = (
        size.parameters * 2 + ADAPTER_PARAMETERS * 16
        if size.is_lora
        else size.parameters * 16 / size.gpus
    )
    assert f"= {weights:.1f} GB, activations {activations:.1f} GB" in found["memory per GPU"]

    rows_per_epoch = ROWS if stage == "sft" else 2 * PAIRS
    flops_per_token = (6 if size.is_lora else 8) * epochs + (0 if stage == "sft" else 2)
    flops = rows_per_epoch * TOKENS_PER_ROW * flops_per_token * size.parameters * 1e9
    hours = flops / (size.gpus * FLOPS_PER_SECOND) / 3600
    assert found["time"] == f"{hours:.1f} h"
    assert found["cost"] == f"${hours * size.gpus * DOLLARS_PER_HOUR:,.0f}"


@each_recipe
def test_dpo_starts_where_sft_or_merging_ends(name: str) -> None:
    sft, dpo = settings_of(name, "sft"), settings_of(name, "dpo")
    start = f"runs/{name}/merged" if SIZES[name].is_lora else sft["output_dir"]
    assert dpo["model_name_or_path"] == start
    assert sft["license"] == dpo["license"]
    assert sft["chat_template_path"] == "recipes/chat_template.jinja"
    assert dpo["label_smoothing_from"] == "facts"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, its tokenizer with the chat format of the full-size recipes."""
    from transformers import AutoTokenizer

    from sense.tiny import make_model

    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_model(folder, ["How many teas are there? SELECT COUNT(*) FROM tea"] * 4)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE.read_text()
    tokenizer.save_pretrained(folder)
    return folder


MESSAGES = [
    {"role": "system", "content": "Write SQL."},
    {"role": "user", "content": "How many teas are there?"},
    {"role": "assistant", "content": "SELECT COUNT(*) FROM tea"},
]


def test_the_chat_format_ends_answers_and_begins_with_the_prompt(tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    prompt = tokenizer.apply_chat_template(MESSAGES[:2], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert prompt == (
        "Write SQL.\n\n### Database and question\nHow many teas are there?\n\n### Answer\n"
    )
    assert whole == f"{prompt}SELECT COUNT(*) FROM tea{tokenizer.eos_token}"
    tokens = [tokenizer(text)["input_ids"] for text in (prompt, whole)]
    assert tokens[1][: len(tokens[0])] == tokens[0]
    assert tokens[1][-1] == tokenizer.eos_token_id


def test_the_chat_format_begins_with_bos_where_there_is_one(tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    tokenizer.bos_token = "<s>"
    text = tokenizer.apply_chat_template([*MESSAGES, MESSAGES[1]], tokenize=False)
    assert text.startswith("<s>Write SQL.")
    assert text.count("<s>") == 1
    question = MESSAGES[1]["content"]
    assert text.endswith(f"{tokenizer.eos_token}\n\n### Database and question\n{question}")


@pytest.mark.slow
def test_a_merged_adapter_answers_as_the_adapter_does(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM, LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from sense.card import ModelText
    from sense.facts import collect_facts
    from sense.prompt import DEFAULT_CONTRACT, load_contract, save_contract
    from sense.release import write_model

    spec = importlib.util.spec_from_file_location("merge_script", RECIPES / "merge.py")
    assert spec and spec.loader
    merge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(merge)

    adapter, out = tmp_path / "adapter", tmp_path / "merged"
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config).save_pretrained(str(adapter))
    AutoTokenizer.from_pretrained(tiny).save_pretrained(adapter)
    with pytest.raises(FileNotFoundError, match=r"has no sense_prompt\.json"):
        merge.check_adapter(adapter)
    save_contract(DEFAULT_CONTRACT, adapter)
    text = ModelText("tiny", "A test.", "apache-2.0", "None.", ("All.",))
    write_model(adapter, text, collect_facts("recipes/sft.py", seed=0, settings={}))

    monkeypatch.setattr("sys.argv", ["merge.py", str(adapter), "--out", str(out)])
    merge.main()

    ids = torch.tensor([[5, 6, 7]])
    before: Any = AutoPeftModelForCausalLM.from_pretrained(adapter)
    after: Any = AutoModelForCausalLM.from_pretrained(out)
    torch.testing.assert_close(before(ids).logits, after(ids).logits, rtol=1e-4, atol=1e-4)
    assert load_contract(out) == DEFAULT_CONTRACT
    files = json.loads((out / "facts.json").read_text())["results"]["files"]
    assert "model.safetensors" in files
    assert not any(name.startswith("adapter_") for name in files)
