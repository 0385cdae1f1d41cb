"""Sampling from a local model, on an untrained decoder made for the test."""

from pathlib import Path
from typing import Any

import pytest

from sense.model import Model, load_model
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
    options = {"k": 3, "temperature": 1.0, "seed": 7, "max_new_tokens": 12} | options
    return sample_completions(loaded.model, loaded.tokenizer, prompts, **options)


def test_k_completions_per_prompt_in_the_order_of_the_prompts(loaded: Model) -> None:
    found = sample(loaded, PROMPTS)
    assert [len(completions) for completions in found] == [3] * len(PROMPTS)
    assert sample(loaded, PROMPTS[::-1]) == found[::-1]


def test_same_seed_same_samples_other_seed_other_samples(loaded: Model) -> None:
    first = sample(loaded, PROMPTS)
    assert sample(loaded, PROMPTS) == first
    assert sample(loaded, PROMPTS, seed=8) != first


def test_samples_of_one_prompt_differ(loaded: Model) -> None:
    [completions] = sample(loaded, PROMPTS[:1], k=8)
    assert len({completion.text for completion in completions}) > 1


def test_logprob_is_that_of_a_forward_pass(loaded: Model) -> None:
    import torch

    # prompts of several lengths in one batch, so that padding is part of the test
    found = sample(loaded, PROMPTS, k=1, temperature=0)
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
        completions = sample(loaded, PROMPTS, k=2)
    finally:
        model.lm_head.bias = original
    assert {tuple(pair) for pair in completions} == {(("", 0.0), ("", 0.0))}


@pytest.mark.parametrize("options", [{"k": 1, "temperature": 0}, {}], ids=["greedy", "sampled"])
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


@pytest.mark.parametrize(("k", "temperature"), [(0, 1.0), (1, -0.5), (4, 0)])
def test_impossible_requests_are_refused(loaded: Model, k: int, temperature: float) -> None:
    with pytest.raises(ValueError, match="greedy"):
        sample(loaded, PROMPTS, k=k, temperature=temperature)


def test_no_prompts_give_no_completions(loaded: Model) -> None:
    assert sample(loaded, []) == []


def test_writer_carries_the_contract_of_the_model(folder: Path) -> None:
    writer = local_writer(str(folder))
    assert writer.contract == TINY_CONTRACT
    assert len(writer.complete(PROMPTS[:2])) == 2
    assert [len(samples) for samples in writer.sample(PROMPTS[:2], 2, 1.0, 0)] == [2, 2]


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


def test_a_path_that_is_missing_is_not_looked_up_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder here"):
        load_model(tmp_path / "nothing")


def test_a_tokenizer_without_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="no chat template"):
        load_model(tmp_path)
