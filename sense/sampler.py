"""Completions of prompts from a local model: greedy answers, or k samples of each prompt.

Prompts are sorted by length and cut into batches of fixed size; every batch is sampled from a seed
of its own, made of the caller's seed and the texts of its members. The same prompts in any order
give the same samples on the same machine and library versions.
"""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sense.example import Messages

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sense.ask import Writer

BATCH_SEQUENCES = 64
"""Sequences that grow together, samples of one prompt counted each: 32 GB of keys and values for
the 7B models with the largest cache, at 1,000 tokens."""
SMALL_MODEL_SEQUENCES = 384
"""The same below `SMALL_MODEL` parameters, where a step costs the same for few and for many."""
SMALL_MODEL = 100_000_000
MAX_NEW_TOKENS = 512
"""Room for a rationale of a few sentences and a query; a completion that is cut is simply wrong."""
MAX_SQL_TOKENS = 256
"""Room for SQL alone: longer than any gold query of Spider and BIRD."""


class Completion(NamedTuple):
    """One answer to a prompt."""

    text: str
    logprob: float | None
    """Sum of its tokens' log-probabilities at temperature 1 in nats, the end token included; None
    where the source gives none."""


def sample_completions(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Messages],
    k: int,
    temperature: float = 1.0,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[list[Completion]]:
    """k completions of each prompt, in the order of the prompts.

    temperature 0 is greedy and asks for k = 1, since further ones would be the same.
    """
    if k < 1 or temperature < 0 or (temperature == 0 and k > 1):
        raise ValueError(
            f"k = {k} at temperature {temperature}; expected k of 1 or more and a temperature "
            "above 0, or temperature 0 (greedy) with k = 1"
        )
    texts = [
        str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))
        for prompt in prompts
    ]
    found: dict[str, list[Completion]] = {}
    is_small = model.num_parameters() < SMALL_MODEL
    num_sequences = SMALL_MODEL_SEQUENCES if is_small else BATCH_SEQUENCES
    for batch in _batches(texts, tokenizer, max(1, num_sequences // k)):
        samples = _sample_batch(model, tokenizer, batch, k, temperature, seed, max_new_tokens)
        found.update(zip(batch, samples, strict=True))
    return [found[text] for text in texts]


def greedy_completions(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Messages],
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[str]:
    """The most likely completion of each prompt, token by token."""
    completions = sample_completions(
        model, tokenizer, prompts, k=1, temperature=0, max_new_tokens=max_new_tokens
    )
    return [completion.text for [completion] in completions]


def local_writer(name: str) -> "Writer":
    """The model of a folder or Hub id as something that completes prompts."""
    from sense.ask import Writer
    from sense.model import load_model

    loaded = load_model(name)

    limit = MAX_NEW_TOKENS if loaded.contract.rationale else MAX_SQL_TOKENS
    limit = min(limit, loaded.model.generation_config.max_new_tokens or limit)
    parts = loaded.model, loaded.tokenizer

    def complete(prompts: Sequence[Messages]) -> list[str]:
        return greedy_completions(*parts, prompts, limit)

    def sample(
        prompts: Sequence[Messages], num: int, temperature: float, seed: int
    ) -> list[list[Completion]]:
        return sample_completions(*parts, prompts, num, temperature, seed, limit)

    return Writer(loaded.name, loaded.revision, loaded.contract, complete, sample)


def _batches(
    texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", size: int
) -> Iterator[list[str]]:
    """The distinct texts, longest first, so that memory runs out at once or never."""
    from tqdm import tqdm

    distinct = sorted(set(texts))
    if not distinct:
        return
    lengths = [len(ids) for ids in tokenizer(distinct, add_special_tokens=False)["input_ids"]]
    order = sorted(range(len(distinct)), key=lambda i: (-lengths[i], distinct[i]))
    with tqdm(
        total=len(distinct),
        desc="generating",
        unit="prompt",
        leave=False,
        disable=len(distinct) < 2,
    ) as progress:
        for start in range(0, len(order), size):
            batch = [distinct[i] for i in order[start : start + size]]
            yield batch
            progress.update(len(batch))


def _sample_batch(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    k: int,
    temperature: float,
    seed: int,
    max_new_tokens: int,
) -> list[list[Completion]]:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    inputs = tokenizer(
        list(texts),
        add_special_tokens=False,
        padding=True,
        padding_side="left",
        return_tensors="pt",
    ).to(model.device)
    options: dict[str, Any] = {"do_sample": False}
    if temperature:
        torch.manual_seed(_batch_seed(seed, texts))
        options = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
    recorder = _recorder(torch.tensor([ends] if isinstance(ends, int) else ends).to(model.device))
    # What a call leaves open, `generate` takes from the model's own settings: repetition_penalty,
    # min_p and the like. A shallow copy without them shares the weights, also between threads.
    plain: Any = copy.copy(model)
    plain.generation_config = GenerationConfig(
        num_return_sequences=k,
        max_new_tokens=max_new_tokens,
        eos_token_id=ends,
        pad_token_id=_pad_id(tokenizer),
        **options,
    )
    with torch.inference_mode():
        output = plain.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            logits_processor=LogitsProcessorList([recorder]),
        )
        logprobs = recorder.logprobs(output)
    contents = tokenizer.batch_decode(
        output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    completions = [
        Completion(text.strip(), round(logprob, 4))
        for text, logprob in zip(contents, logprobs, strict=True)
    ]
    return [completions[i * k : i * k + k] for i in range(len(texts))]


def _recorder(end_ids: Any) -> Any:
    """A logits processor that changes nothing and sums up log-probabilities as tokens are chosen.

    end_ids: a tensor of the tokens that end a completion, on the model's device.
    It stands before temperature. Logits of one step are kept, not of all, since a vocabulary of
    150,000 times 512 steps would not fit beside a large model.
    """
    import torch
    from transformers import LogitsProcessor

    class Recorder(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:  # (sequences, length), (.., vocab)
            if not hasattr(self, "last"):
                self.total = torch.zeros(len(input_ids), device=scores.device)
                self.ended = torch.zeros(len(input_ids), dtype=torch.bool, device=scores.device)
            else:
                self.add(input_ids[:, -1])
            self.last = scores.float().log_softmax(-1)
            return scores

        def add(self, chosen: Any) -> None:
            logprob = self.last.gather(1, chosen[:, None])[:, 0]
            self.total += logprob.masked_fill(self.ended, 0.0)
            self.ended |= torch.isin(chosen, end_ids)

        def logprobs(self, sequences: Any) -> list[float]:
            self.add(sequences[:, -1])
            return [float(value) for value in self.total.tolist()]

    return Recorder()


def _pad_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if pad is None else pad)


def _batch_seed(seed: int, texts: Sequence[str]) -> int:
    digest = hashlib.sha256("\0".join([str(seed), *texts]).encode()).digest()
    return int.from_bytes(digest[:7])
