"""A decoder of about a million parameters and its tokenizer, made from scratch for a training set.

It stands in for a 7B base model where there is no GPU. Much of what it has to learn is to copy what
it has never seen, so the tokenizer gives a word the same tokens wherever it stands: `tin price` in
a question, `tin_price` in a schema and `tea.tin_price` in SQL share theirs, and a handle of
`sense.prompts.handles` is a single token.

    python -m sense.tiny --data runs/demo/sense/strong --out runs/demo/base
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sense.command import run_script
from sense.example import Messages
from sense.publishing.source import check_set

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

VOCABULARY_SIZE = 1024
"""The bytes, the words of SQL and of the questions, and common pieces of names."""
MAX_TOKENIZER_ROWS = 5_000
"""Rows that the tokenizer is trained on: about 2 MB of text, enough for its few merges."""

SHAPE: dict[str, Any] = {
    "layer_types": ["conv", "full_attention", "conv", "full_attention"],
    "num_hidden_layers": 4,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "conv_L_cache": 3,
    "block_auto_adjust_ff_dim": False,
    "max_position_embeddings": 2048,
    "initializer_range": 0.05,
}
"""The sizes of the decoder: one million parameters with the vocabulary above.

A short convolution before each attention layer shows every position the two tokens before it, which
is half of what copying needs; without it the same loss takes twice the tokens (see LOG.md)."""

MAX_SQL_TOKENS = 128
"""Twice the longest query in handles; an untrained model would not stop before."""

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message.role + '|> ' + message.content -}}"
    "{%- if message.role == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
"""One token opens a message. The space after it belongs to the first word, as within a text."""

JOINER = "\u2060"
"""WORD JOINER: `a_b` is read as `a_`, joiner, ` b`, so that `b` follows a space as in a text."""
JOINED_AFTER = "_(.'\"\n"


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> "Tokenizer":
    """A byte-level BPE that reads any text and gives it back exactly.

    A word keeps its tokens after a space, `_`, `(`, `.`, a quote or a new line; a final `s` and
    every digit stand alone, so that plurals share the tokens of the singular and numbers are copied
    digit by digit; a handle such as `n12` stays whole.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    joined = [
        normalizers.Replace(Regex(rf"\x{ord(sign):02x}(?=\p{{L}})"), f"{sign}{JOINER} ")
        for sign in JOINED_AFTER
    ]
    # A joiner in the text itself is written twice, so that every joiner of ours is a single one.
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(JOINER, JOINER * 2), *joined])
    handles = r" ?[nv]\p{N}+(?![\p{L}\p{M}\p{N}])"
    words = rf"{handles}| ?[\p{{L}}\p{{M}}]+| ?\p{{N}}| ?[^ \p{{L}}\p{{M}}\p{{N}}]+| +"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.Split(Regex(r"(?<=\p{L}{3})s$"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteLevel(),
            decoders.Replace(Regex(rf"(?<!{JOINER}){JOINER} "), ""),
            decoders.Replace(JOINER * 2, JOINER),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, END, *(f"<|{role}|>" for role in ROLES)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def make_tokenizer(
    texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE
) -> "PreTrainedTokenizerBase":
    """The tokenizer of `train_tokenizer` with a chat template, as transformers saves it."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(texts, vocabulary_size),
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=SHAPE["max_position_embeddings"],
        clean_up_tokenization_spaces=False,
    )


def make_model(folder: str | Path, texts: Iterable[str], seed: int = 0) -> int:
    """Writes a tokenizer trained on the texts and an untrained decoder; the number of parameters.

    The same texts, seed and library versions give the same files.
    """
    from transformers import GenerationConfig, Lfm2Config, Lfm2ForCausalLM, set_seed

    tokenizer = make_tokenizer(texts)
    set_seed(seed)
    ends: dict[str, Any] = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    model = Lfm2ForCausalLM(
        Lfm2Config(
            vocab_size=len(tokenizer),
            tie_word_embeddings=True,
            bos_token_id=None,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            **ends,
            **SHAPE,
        )
    )
    model.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=MAX_SQL_TOKENS, **ends
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.num_parameters()


def training_texts(
    rows: Iterable[dict[str, Any]], limit: int = MAX_TOKENIZER_ROWS
) -> Iterator[str]:
    """Contents of prompts and completions, each after the space that the template puts there."""
    for row in islice(rows, limit):
        messages: Messages = row["prompt"] + row["completion"]
        yield from (f" {message['content']}" for message in messages)


def main(argv: Sequence[str] | None = None) -> None:
    """`python -m sense.tiny --data SOURCE --out DIR`."""
    parser = argparse.ArgumentParser(
        prog="python -m sense.tiny",
        description="Make a small untrained model and its tokenizer for a training set.",
    )
    parser.add_argument(
        "--data", required=True, metavar="SOURCE", help="folder or Hub id with prompt, completion"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    arguments = parser.parse_args(argv)
    from datasets import load_dataset

    from sense.release import check_output

    folder = check_output(arguments.out, is_published=False)
    check_set(arguments.data)
    rows = load_dataset(arguments.data, split=arguments.split)
    missing = [name for name in ("prompt", "completion") if name not in rows.column_names]
    if missing:
        raise ValueError(
            f"{arguments.data} has no column '{missing[0]}'; expected a set "
            "that builders/strong.py or another builder wrote"
        )
    rows = rows.shuffle(seed=arguments.seed)
    num_parameters = make_model(folder, training_texts(rows), arguments.seed)
    print(f"{num_parameters:,} parameters, untrained, in {folder}")


if __name__ == "__main__":
    run_script(main)
