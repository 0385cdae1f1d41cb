"""Completions of prompts from a local model: greedy ones and samples, each prompt encoded once.

Prompts that share most of their tokens, as questions about one database do, go into the same
batches, and what all of a batch begin with is encoded once for all of them; other prompts are cut
into batches by length. Every batch is sampled from a seed of its own, made of the caller's seed and
the texts of its members: the same prompts in any order give the same samples on the same machine
and library versions.
"""

import copy
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sense.example import Messages

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

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
SHARED_SHARE = 0.5
"""Of a prompt's tokens; a neighbour that begins with as many of them joins its batch."""
MIN_SHARED_TOKENS = 16
"""A start that is shorter is encoded with the rest: a step of its own would cost more."""


class Completion(NamedTuple):
    """One answer to a prompt."""

    text: str
    logprob: float | None
    """Sum of its tokens' log-probabilities at temperature 1 in nats, the end token included; None
    where the source gives none."""


class _Prompt(NamedTuple):
    text: str
    ids: tuple[int, ...]


def sample_completions(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Messages],
    temperatures: Sequence[float] = (0.0,),
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[list[Completion]]:
    """The completions of each prompt, one per temperature, in the order of both.

    Temperature 0 is greedy; a temperature that stands there several times gives several samples.
    """
    if not temperatures or min(temperatures) < 0 or list(temperatures).count(0) > 1:
        raise ValueError(
            f"temperatures are {list(temperatures)}; expected one per completion, none below 0, "
            "and 0 (greedy) at most once, since a second one would be the same"
        )
    texts = [
        str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))
        for prompt in prompts
    ]
    found: dict[str, list[Completion]] = {}
    is_small = model.num_parameters() < SMALL_MODEL
    num_sequences = SMALL_MODEL_SEQUENCES if is_small else BATCH_SEQUENCES
    for batch in _batches(texts, tokenizer, max(1, num_sequences // len(temperatures))):
        samples = _sample_batch(model, tokenizer, batch, temperatures, seed, max_new_tokens)
        found.update(zip((prompt.text for prompt in batch), samples, strict=True))
    return [found[text] for text in texts]


def greedy_completions(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Messages],
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[str]:
    """The most likely completion of each prompt, token by token."""
    completions = sample_completions(model, tokenizer, prompts, max_new_tokens=max_new_tokens)
    return [completion.text for [completion] in completions]


def local_writer(name: str) -> "Writer":
    """The model of a folder or Hub id as something that completes prompts."""
    from sense.ask import Writer
    from sense.models.model import load_model

    loaded = load_model(name)

    limit = MAX_NEW_TOKENS if loaded.contract.rationale else MAX_SQL_TOKENS
    limit = min(limit, loaded.model.generation_config.max_new_tokens or limit)
    parts = loaded.model, loaded.tokenizer

    def complete(prompts: Sequence[Messages]) -> list[str]:
        return greedy_completions(*parts, prompts, limit)

    def sample(
        prompts: Sequence[Messages], temperatures: Sequence[float], seed: int
    ) -> list[list[Completion]]:
        return sample_completions(*parts, prompts, temperatures, seed, limit)

    return Writer(loaded.name, loaded.revision, loaded.contract, complete, sample)


def _batches(
    texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", size: int
) -> Iterator[list[_Prompt]]:
    """The distinct texts: first those of a like start together, then the others by length.

    Both kinds have the longest first, so that memory runs out at once or never.
    """
    from tqdm import tqdm

    distinct = sorted(set(texts))
    if not distinct:
        return
    ids = tokenizer(distinct, add_special_tokens=False)["input_ids"]
    prompts = [_Prompt(text, tuple(own)) for text, own in zip(distinct, ids, strict=True)]
    groups = _groups(sorted(prompts, key=lambda prompt: prompt.ids))
    alone = [group[0] for group in groups if len(group) == 1]
    together = [sorted(group, key=_length) for group in groups if len(group) > 1]
    with tqdm(
        total=len(distinct),
        desc="generating",
        unit="prompt",
        leave=False,
        disable=len(distinct) < 2,
    ) as progress:
        for group in (*sorted(together, key=lambda g: _length(g[0])), sorted(alone, key=_length)):
            for start in range(0, len(group), size):
                batch = group[start : start + size]
                yield batch
                progress.update(len(batch))


def _length(prompt: _Prompt) -> tuple[int, str]:
    """Sorts the longest first."""
    return -len(prompt.ids), prompt.text


def _groups(prompts: Sequence[_Prompt]) -> list[list[_Prompt]]:
    """Neighbours that share the start; prompts: sorted by their tokens."""
    groups: list[list[_Prompt]] = []
    for prompt in prompts:
        last = groups[-1][-1].ids if groups else ()
        num = _num_shared(last, prompt.ids)
        if num >= max(MIN_SHARED_TOKENS, SHARED_SHARE * len(prompt.ids), SHARED_SHARE * len(last)):
            groups[-1].append(prompt)
        else:
            groups.append([prompt])
    return groups


def _num_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return sum(1 for _ in pairs)


def _sample_batch(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[_Prompt],
    temperatures: Sequence[float],
    seed: int,
    max_new_tokens: int,
) -> list[list[Completion]]:
    """Every prompt is encoded once; its cache is then copied for each of its completions."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
    pad_id = _pad_id(tokenizer)
    # What a call leaves open, `generate` takes from the model's own settings: repetition_penalty,
    # min_p and the like. A shallow copy without them shares the weights, also between threads.
    plain: Any = copy.copy(model)
    plain.generation_config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=True,
        top_k=0,
        top_p=1.0,
        eos_token_id=ends,
        pad_token_id=pad_id,
    )
    torch.manual_seed(_batch_seed(seed, [prompt.text for prompt in prompts]))
    k = len(temperatures)
    with torch.inference_mode():
        inputs, mask, cache = _encoded(plain, prompts, pad_id, model.device)
        rows: Any = torch.arange(len(prompts), device=model.device).repeat_interleave(k)
        cache.reorder_cache(rows)
        recorder = _recorder(temperatures, torch.tensor(ends).reshape(-1).to(model.device))
        output = plain.generate(
            input_ids=inputs[rows],
            attention_mask=mask[rows],
            past_key_values=cache,
            logits_processor=LogitsProcessorList([recorder]),
        )
        logprobs = recorder.logprobs(output)
    contents = tokenizer.batch_decode(output[:, inputs.shape[1] :], skip_special_tokens=True)
    completions = [
        Completion(text.strip(), round(logprob, 4))
        for text, logprob in zip(contents, logprobs, strict=True)
    ]
    return [completions[i * k : i * k + k] for i in range(len(prompts))]


def _encoded(
    plain: Any, prompts: Sequence[_Prompt], pad_id: int, device: Any
) -> tuple[Any, Any, "Cache"]:
    """Token ids, mask and the cache of all tokens but the last, a row per prompt.

    What all prompts begin with comes first and is encoded once, then padding, then the rest. Only
    attention reads past padding in the middle: other kinds of cache encode each prompt whole.
    """
    import torch
    from transformers import DynamicLayer

    ids = [prompt.ids for prompt in prompts]
    num_shared = min(_num_shared(min(ids), max(ids)), min(map(len, ids)) - 2)
    cache = None
    if len(ids) > 1 and num_shared >= MIN_SHARED_TOKENS:
        start = torch.tensor([ids[0][:num_shared]], device=device)
        cache = _cache_of(plain, start, torch.ones_like(start), None)
        if all(type(layer) is DynamicLayer for layer in cache.layers):
            cache.reorder_cache(start.new_zeros(len(ids)))
        else:
            cache = None
    inputs, mask = _padded(ids, num_shared if cache else 0, pad_id, device)
    return inputs, mask, _cache_of(plain, inputs[:, :-1], mask[:, :-1], cache)


def _padded(
    ids: Sequence[Sequence[int]], num_shared: int, pad_id: int, device: Any
) -> tuple[Any, Any]:
    """Rows of equal length, padded behind the tokens that they share, and their mask."""
    import torch

    longest = max(map(len, ids))
    rows, masks = [], []
    for own in ids:
        padding = longest - len(own)
        rows.append([*own[:num_shared], *[pad_id] * padding, *own[num_shared:]])
        masks.append([*[1] * num_shared, *[0] * padding, *[1] * (len(own) - num_shared)])
    return torch.tensor(rows, device=device), torch.tensor(masks, device=device)


def _cache_of(plain: Any, inputs: Any, mask: Any, cache: "Cache | None") -> Any:
    """The cache that holds the inputs; cache: that of their start.

    `generate` makes it, since it knows the positions and caches of every architecture.
    """
    output = plain.generate(
        input_ids=inputs,
        attention_mask=mask,
        past_key_values=cache,
        max_new_tokens=1,
        do_sample=False,
        return_dict_in_generate=True,
    )
    return output.past_key_values


def _recorder(temperatures: Sequence[float], end_ids: Any) -> Any:
    """A logits processor that gives every row its temperature and sums up log-probabilities.

    temperatures: of the completions of one prompt; the rows repeat them. end_ids: a tensor of the
    tokens that end a completion, on the model's device.
    Logits of one step are kept, not of all, since a vocabulary of 150,000 times 512 steps would not
    fit beside a large model.
    """
    import torch
    from transformers import LogitsProcessor

    class Recorder(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:  # (sequences, length), (.., vocab)
            if not hasattr(self, "last"):
                self.total = torch.zeros(len(input_ids), device=scores.device)
                self.ended = torch.zeros(len(input_ids), dtype=torch.bool, device=scores.device)
                own = torch.tensor(temperatures, device=scores.device)
                self.temperatures = own.repeat(len(input_ids) // len(own))[:, None]
            else:
                self.add(input_ids[:, -1])
            self.last = scores.float().log_softmax(-1)
            best = torch.full_like(scores, -torch.inf).scatter(1, scores.argmax(1)[:, None], 0.0)
            return torch.where(self.temperatures > 0, scores / self.temperatures, best)

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
