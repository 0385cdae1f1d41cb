"""A trained model as this project uses it: weights, tokenizer and the contract of its prompts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sense.prompt import PromptContract, load_contract
from sense.publishing.source import is_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")


class Model(NamedTuple):
    """A causal language model that is ready to generate."""

    name: str
    """Folder or Hub id."""
    revision: str
    """Commit on the Hub; "" for a folder."""
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    contract: PromptContract


def load_model(name: str | Path) -> Model:
    """The model of a folder or Hub id, on the fastest device at hand, in evaluation mode.

    Its dtype is that of the weights, float32 on a CPU. An adapter is loaded on top of its base.
    Raises FileNotFoundError for a folder that lacks something, ValueError for a tokenizer without
    a chat template, and ContractError for a damaged `sense_prompt.json`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    check_model_folder(name)
    contract = load_contract(name)
    tokenizer: Any = AutoTokenizer.from_pretrained(name)
    check_tokenizer(tokenizer, str(name))
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    model: Any = AutoModelForCausalLM.from_pretrained(
        name, dtype="auto" if device else torch.float32
    )
    if device:
        model.to(device)
    model.eval()
    commit = getattr(model.config, "_commit_hash", None) or ""
    return Model(str(name), commit, model, tokenizer, contract)


def check_model_folder(name: str | Path) -> None:
    """Raises FileNotFoundError when `name` is a folder without weights, config or tokenizer.

    A name that is no folder is taken for a Hub id where it cannot be a path.
    """
    folder = Path(name)
    if not folder.is_dir():
        if is_path(str(name)):
            raise FileNotFoundError(
                f"model {name} is no folder here and no Hub id; "
                "expected the output of recipes/sft.py or recipes/dpo.py, or OWNER/NAME"
            )
        return
    wanted = {
        "weights": ("*.safetensors",),
        "config": ("config.json", "adapter_config.json"),
        "tokenizer": TOKENIZER_FILES,
    }
    for what, patterns in wanted.items():
        if not any(any(folder.glob(pattern)) for pattern in patterns):
            raise FileNotFoundError(
                f"model folder {folder} has no {what} ({' or '.join(patterns)}); expected a folder "
                "as recipes/sft.py leaves it: copy the missing files from the model's repository"
            )


def check_tokenizer(tokenizer: "PreTrainedTokenizerBase", place: str) -> None:
    """Raises ValueError when the tokenizer cannot turn messages into tokens and back."""
    if not tokenizer.chat_template:
        raise ValueError(
            f"the tokenizer of {place} has no chat template; use an instruction-tuned model, or "
            "set chat_template_path in the recipe and train it"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {place} has no end-of-sequence token; set eos_token in the recipe"
        )
