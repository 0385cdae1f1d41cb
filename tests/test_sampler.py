"""Sampling from a local model, on an untrained decoder made for the test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sense.example import Example, to_row
from sense.models.model import Model, load_model
from sense.prompt import TINY_CONTRACT, save_contract
from sense.sampler import greedy_completions, local_writer, sample_completions
from sense.tiny import make_model

QUESTIONS = (
    "How many teas are there?",
    "Show the tin price of each tea whose title is 'Iron Wolf'.",
    "List the names.",
    "Which guest has the most stamps?",
    "What is the average price?",
)


def to_prompt(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"tea ( tea_id * , tin_price )\n{question}"}]


PROMPTS = [to_prompt(question) for question in QUESTIONS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    make_model(path, [f" {question} SELECT tin_price FROM tea" for question in QUESTIONS])
    save_contract(TINY_CONTRACT, path)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Model:
    return load_model(folder)


def sample(loaded: Model, prompts: Any, **options: Any) -> Any:
    options = {"temperatures": (1.0,) * 3, "seed": 7, "max_new_tokens": 12} | options
    return sample_completions(loaded.model, loaded.tokenizer, prompts, **options)


def test_one_completion_per_temperature_in_the_order_of_the_prompts(loaded: Model) -> None:
    found = sample(loaded, PROMPTS)
    assert [len(completions) for completions in found] == [3] * len(PROMPTS)
    assert sample(loaded, PROMPTS[::-1]) == found[::-1]


def test_same_seed_same_samples_other_seed_other_samples(loaded: Model) -> None:
    first = sample(loaded, PROMPTS)
    assert sample(loaded, PROMPTS) == first
    assert sample(loaded, PROMPTS, seed=8) != first


def test_samples_of_one_prompt_differ(loaded: Model) -> None:
    [completions] = sample(loaded, PROMPTS[:1], temperatures=(1.0,) * 8)
    assert len({completion.text for completion in completions}) > 1


def test_logprob_is_that_of_a_forward_pass(loaded: Model) -> None:
    import torch

    # prompts of several lengths in one batch, so that padding is part of the test
    found = sample(loaded, PROMPTS, temperatures=(0.0,))
    for prompt, [completion] in zip(PROMPTS, found, strict=True):
        inputs = loaded.tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, return_tensors="pt"
        )
        start = inputs["input_ids"].shape[1]
        with torch.no_grad():
            ids = loaded.model.generate(**inputs, max_new_tokens=12, do_sample=False)
            logprobs = loaded.model(input_ids=ids).logits.log_softmax(-1)
        expected = logprobs[0, start - 1 : -1].gather(1, ids[0, start:, None]).sum().item()
        assert completion.logprob == pytest.approx(expected, abs=1e-3)


def test_logprob_counts_the_end_token_and_nothing_after_it(loaded: Model) -> None:
    import torch

    vocabulary = len(loaded.tokenizer)
    end = loaded.tokenizer.eos_token_id
    model = loaded.model
    bias = torch.nn.Parameter(torch.zeros(vocabulary))
    bias.data[end] = 100.0
    original, model.lm_head.bias = model.lm_head.bias, bias
    try:
        completions = sample(loaded, PROMPTS, temperatures=(1.0, 0.5))
    finally:
        model.lm_head.bias = original
    assert {tuple(pair) for pair in completions} == {(("", 0.0), ("", 0.0))}


@pytest.mark.parametrize("options", [{"temperatures": (0.0,)}, {}], ids=["greedy", "sampled"])
def test_settings_of_the_model_itself_change_nothing(
    loaded: Model, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    from transformers import GenerationConfig

    expected = sample(loaded, PROMPTS, **options)
    own = GenerationConfig(repetition_penalty=5.0, min_p=0.9, top_k=1, suppress_tokens=[3, 4, 5])
    own.eos_token_id = loaded.model.generation_config.eos_token_id
    monkeypatch.setattr(loaded.model, "generation_config", own)
    assert sample(loaded, PROMPTS, **options) == expected
    assert loaded.model.generation_config is own


def test_greedy_is_deterministic_and_equal_prompts_get_equal_answers(loaded: Model) -> None:
    texts = greedy_completions(
        loaded.model, loaded.tokenizer, [*PROMPTS, PROMPTS[0]], max_new_tokens=12
    )
    assert texts[0] == texts[-1]
    assert texts[:-1] == greedy_completions(
        loaded.model, loaded.tokenizer, PROMPTS, max_new_tokens=12
    )


def test_each_temperature_has_its_place_and_the_coldest_is_the_greedy_answer(
    loaded: Model,
) -> None:
    greedy = sample(loaded, PROMPTS, temperatures=(0.0,))
    mixed = sample(loaded, PROMPTS, temperatures=(1.5, 0.0, 1e-6, 1.5))
    for [best], (first, second, third, fourth) in zip(greedy, mixed, strict=True):
        assert second.text == third.text == best.text
        assert second.logprob == pytest.approx(best.logprob, abs=1e-3)
        assert len({first.text, second.text, fourth.text}) == 3


SCHEMA = "tea ( tea_id * , tin_price ) ; guest ( guest_id * , stamps ) ; tea.tea_id = guest.tea_id"
ASKED = [to_prompt(f"{SCHEMA}\n{question}") for question in QUESTIONS]


@pytest.fixture(scope="module")
def attention_only(loaded: Model) -> Model:
    """A model whose cache holds keys and values alone, so that padding may stand anywhere."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = LlamaConfig(
        vocab_size=len(loaded.tokenizer), num_attention_heads=2, initializer_range=0.5, **sizes
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config = GenerationConfig(eos_token_id=loaded.tokenizer.eos_token_id)
    return loaded._replace(model=model)


@pytest.mark.parametrize("name", ["loaded", "attention_only"])
def test_prompts_of_one_start_get_the_completions_that_each_gets_alone(
    request: pytest.FixtureRequest, name: str
) -> None:
    model = request.getfixturevalue(name)
    together = sample(model, [*ASKED, *PROMPTS], temperatures=(0.0,))
    alone = [sample(model, [prompt], temperatures=(0.0,))[0] for prompt in [*ASKED, *PROMPTS]]
    for [first], [second] in zip(together, alone, strict=True):
        assert first.text == second.text
        assert first.logprob == pytest.approx(second.logprob, abs=1e-3)


def test_what_prompts_begin_with_is_encoded_once_and_every_prompt_once(
    attention_only: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    forward = attention_only.model.forward

    def counted(*args: Any, **options: Any) -> Any:
        sizes.append(tuple(options["input_ids"].shape))
        return forward(*args, **options)

    monkeypatch.setattr(attention_only.model, "forward", counted)
    sample(attention_only, ASKED, temperatures=(0.0, 1.0, 1.0))
    (num, shared), (num_prompts, rest), (num_sequences, one), *_ = sizes
    assert (num, num_prompts, num_sequences, one) == (1, 5, 15, 1)
    assert shared > rest


@pytest.mark.parametrize("temperatures", [(), (-0.5,), (0.0, 1.0, 0.0)])
def test_impossible_requests_are_refused(loaded: Model, temperatures: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="greedy"):
        sample(loaded, PROMPTS, temperatures=temperatures)


@pytest.mark.slow
def test_sampling_is_measured_beside_plain_generate(
    folder: Path, world: Path, tmp_path: Path
) -> None:
    from datasets import Dataset

    examples = [
        Example("world", question, "SELECT 1", "easy", "ok", "t", "0", "mit", prompt=prompt)
        for question, prompt in zip(QUESTIONS, PROMPTS, strict=True)
    ]
    (tmp_path / "data").mkdir()
    rows = Dataset.from_list([to_row(example) for example in examples])
    rows.to_parquet(tmp_path / "data" / "test.parquet")
    command = [
        *(sys.executable, "benchmarks/sample.py", "--model", folder, "--data", tmp_path / "data"),
        *("--databases", world.parents[1], "--num-samples", "2", "--max-new-tokens", "6"),
        *("--repeat", "1", "--out", tmp_path / "out.json"),
    ]
    done = subprocess.run(
        list(map(str, command)), cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["measurements"]
    assert [run["way"] for run in found] == ["ours", "batch", "single"]
    assert [run["num_completions"] for run in found] == [15, 15, 15]
    assert all(run["num_tokens"] >= 15 for run in found)


def test_no_prompts_give_no_completions(loaded: Model) -> None:
    assert sample(loaded, []) == []


def test_writer_carries_the_contract_of_the_model(folder: Path) -> None:
    writer = local_writer(str(folder))
    assert writer.contract == TINY_CONTRACT
    assert len(writer.complete(PROMPTS[:2])) == 2
    assert [len(samples) for samples in writer.sample(PROMPTS[:2], (0.0, 1.0), 0)] == [2, 2]


@pytest.mark.parametrize(
    ("removed", "complaint"),
    [("tokenizer", "has no tokenizer"), ("model.safetensors", "no weights"), ("config", "no conf")],
)
def test_an_incomplete_folder_is_named(
    folder: Path, tmp_path: Path, removed: str, complaint: str
) -> None:
    for file in folder.iterdir():
        if not file.name.startswith(removed):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(FileNotFoundError, match=complaint):
        load_model(tmp_path)


def test_a_path_that_is_missing_is_not_looked_up_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="no folder here"):
        load_model(tmp_path / "nothing")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(FileNotFoundError, match="model runs/nothing is no folder here"):
        load_model("runs/nothing")


def test_a_tokenizer_without_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="no chat template"):
        load_model(tmp_path)
