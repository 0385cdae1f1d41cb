"""What the training recipes share: strict settings, the data and its prompt contract, the release.

A recipe is one YAML file. Whatever it does not know is an error, so that a misspelt setting cannot
pass for its default, and a run that was interrupted goes on only under the settings it began with.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from sense.facts import Facts, Funnel, Input
from sense.models.mixture import Part, load_mixture, parts_of, parts_with_split
from sense.models.model import check_model_folder
from sense.prompt import CONTRACT_FILE, PromptContract, save_contract
from sense.publishing.source import dataset_source, model_source
from sense.shown import first_few

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import TrainerCallback, TrainingArguments

    from sense.card import ModelText

SETTINGS_FILE = "settings.json"
PLACES = frozenset({"output_dir", "push", "dataset_name", "model_name_or_path", "hub_token"})
"""Arguments that say where things lie, not what a run does."""
REVISIONS = frozenset({"dataset_revision", "model_revision"})
"""Settings that a resumed run may spell in another way: the commits that they name are compared."""


@dataclass
class RecipeArguments:
    """What a recipe says beside the trainer's and the model's settings."""

    dataset_name: list[str] = field(
        metadata={"help": "Folder or Hub id of the training set; several are mixed."}
    )
    dataset_revision: str | None = field(
        default=None,
        metadata={
            "help": "Commit of a single set on the Hub; its newest one by default. Of several: "
            "OWNER/NAME@COMMIT."
        },
    )
    dataset_weights: list[float] | None = field(
        default=None,
        metadata={"help": "How often each row of each set is seen in an epoch, 0.5 for a half."},
    )
    train_split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_split: str = field(
        default="test", metadata={"help": "Split to evaluate on, unless eval_strategy is 'no'."}
    )
    license: str = field(
        default="apache-2.0", metadata={"help": "Licence of the model, as the Hub spells it."}
    )
    push: str | None = field(
        default=None, metadata={"help": "OWNER/NAME: publish the result there, in one commit."}
    )

    @property
    def parts(self) -> list[Part]:
        """The training sets."""
        return parts_of(self.dataset_name, self.dataset_revision, self.dataset_weights)

    @property
    def data(self) -> str:
        """The training sets as an error names them."""
        return ", ".join(part.name for part in self.parts)


@dataclass
class SFTArguments(RecipeArguments):
    """What an SFT recipe says beside the trainer's and the model's settings."""

    matrix_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Train weight matrices by Muon with this rate, all else by AdamW with "
            "learning_rate; `optim` trains everything by default."
        },
    )


def parse_recipe(
    recipe_class: type, training_class: type, default: Path, argv: Sequence[str]
) -> tuple[Any, Any, Any]:
    """The recipe's own arguments, the trainer's and the model's: instances of the two classes and
    of TRL's ModelConfig.

    argv: the command line without the script; `--config FILE` names the YAML, `default` is read
    without it, and what else it says goes before the file. Raises ValueError naming any setting
    that none of the three classes has.
    """
    from trl import ModelConfig, TrlParser

    classes: Any = (recipe_class, training_class, ModelConfig)
    arguments = list(argv)
    if not any(argument.split("=")[0] == "--config" for argument in arguments):
        arguments = ["--config", str(default), *arguments]
    arguments = [part for argument in arguments for part in _split_config(argument)]
    known = {f.name for kind in classes for f in fields(kind)} | {"env"}
    config = Path(arguments[arguments.index("--config") + 1])
    _check_names(read_recipe(config), known, str(config))
    given = [argument[2:].split("=")[0] for argument in arguments if argument.startswith("--")]
    _check_names(
        [name.replace("-", "_").removeprefix("no_") for name in given if name != "config"],
        {name.removeprefix("no_") for name in known} | {"help"},
        "the command line",
    )
    recipe, training, model = TrlParser(classes).parse_args_and_config(arguments)
    if training.push_to_hub:
        raise ValueError(
            "push_to_hub would publish in several commits and with a card of its own; "
            "leave it out and give --push OWNER/NAME"
        )
    return recipe, training, model


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings of a recipe's YAML file."""
    if not path.is_file():
        raise FileNotFoundError(
            f"--config {path} does not exist; expected a recipe such as recipes/tiny/sft.yaml"
        )
    settings = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(settings, dict):
        raise ValueError(f"{path} holds no settings; expected lines such as `learning_rate: 2e-5`")
    return settings


def load_training_rows(
    recipe: RecipeArguments, columns: Sequence[str], seed: int
) -> tuple["Dataset", dict[str, int]]:
    """The rows to train on with the columns and `prompt_hash`; how many come from each set."""
    return load_mixture(recipe.parts, recipe.train_split, [*columns, "prompt_hash"], seed)


def load_evaluation_rows(
    recipe: RecipeArguments, training: "TrainingArguments", columns: Sequence[str]
) -> "Dataset | None":
    """The rows of those sets that have the split, each once; None where nothing is evaluated."""
    if training.eval_strategy == "no":
        return None
    parts = parts_with_split(recipe.parts, recipe.eval_split)
    return load_mixture(parts, recipe.eval_split, [*columns, "prompt_hash"], seed=0)[0]


def check_base(name: str | None) -> str:
    """The model to start from; where there is none, the error says how to make a tiny one."""
    if not name:
        raise ValueError("model_name_or_path is missing: a folder or Hub id of the model to train")
    try:
        check_model_folder(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}. A tiny one is made by `python -m sense.tiny --data SET --out {name}`"
        ) from error
    return name


def model_settings(training: Any, model: Any) -> dict[str, Any]:
    """Keywords with which the trainer loads its model; the recipe's `model_init_kwargs` win."""
    return {
        "revision": model.model_revision,
        "trust_remote_code": training.trust_remote_code,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(training.model_init_kwargs or {}),
    }


def optimizer_settings(recipe: SFTArguments, training: Any) -> Any:
    """What the trainer makes its optimizer of where the recipe asks for Muon; None for `optim`."""
    from sense.models.muon import muon

    if recipe.matrix_learning_rate is None:
        return None
    if training.fsdp or training.deepspeed:
        raise ValueError(
            "matrix_learning_rate asks for Muon, which needs whole matrices, and this run shards "
            "them; leave it out, or launch without FSDP and DeepSpeed"
        )
    betas = (training.adam_beta1, training.adam_beta2)
    rates = {"matrix_lr": recipe.matrix_learning_rate, "lr": training.learning_rate}
    return muon, {**rates, "betas": betas, "eps": training.adam_epsilon}


def chosen_settings(*arguments: Any) -> dict[str, Any]:
    """What the arguments set to other than their defaults, without places; values JSON can hold."""
    chosen = {}
    for group in arguments:
        for f in fields(group):
            value = getattr(group, f.name)
            default = f.default if f.default is not MISSING else None
            if f.default_factory is not MISSING:
                default = f.default_factory()
            if f.init and f.name not in PLACES and value != default:
                chosen[f.name] = json.loads(json.dumps(value, default=str))
    return chosen


def last_checkpoint(
    output_dir: str | Path, settings: Mapping[str, Any], inputs: Sequence[Input] = ()
) -> str | None:
    """The newest whole checkpoint in the folder; None for a new run, whose settings are noted.

    inputs: what the run reads, noted and compared like its settings. A checkpoint is whole when
    `keep_contract` put the contract there, after the rest. Raises ValueError when the run there has
    other settings or read something else.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / SETTINGS_FILE
    now = {name: value for name, value in settings.items() if name not in REVISIONS}
    for source in inputs:
        name = f"{source.name}@{source.revision or source.sha256}"
        now[source.kind] = f"{now[source.kind]}, {name}" if source.kind in now else name
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{CONTRACT_FILE}")]
    checkpoint = max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)
    if checkpoint and noted.is_file():
        before = json.loads(noted.read_text("utf-8"))
        changed = [
            f"{name} ({before.get(name)!r} before, {now.get(name)!r} now)"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if changed:
            raise ValueError(
                f"{checkpoint} was trained with other settings: {first_few(changed)}; go on with "
                f"those of {noted}, or choose another output_dir or delete this one"
            )
    noted.write_text(json.dumps(now, indent=2) + "\n", "utf-8")
    return str(checkpoint) if checkpoint else None


def keep_contract(contract: PromptContract) -> "TrainerCallback":
    """A callback that puts the contract into every checkpoint, so that each can be sampled."""
    from transformers import TrainerCallback

    class ContractKeeper(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                save_contract(contract, Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return ContractKeeper()


def mean_loss(log_history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """`train_loss`: the mean of the losses that the trainer logged, each with the same weight.

    Checkpoints keep the log, so that it is that of the whole run also where the run was resumed.
    Empty where nothing was logged.
    """
    losses = [float(entry["loss"]) for entry in log_history if "loss" in entry]
    return {"train_loss": sum(losses) / len(losses)} if losses else {}


def prepared_funnel(num_read: int, prepared: "Dataset") -> Funnel:
    """Rows that the trainer was given and those that it left out: no token to learn from was left.

    prepared: the trainer's own rows, packed or not.
    """
    packed = "seq_lengths" in prepared.column_names
    num_kept = sum(map(len, prepared["seq_lengths"])) if packed else len(prepared)
    funnel = Funnel("training rows")
    funnel.keep(num_kept)
    if num_read > num_kept:
        funnel.drop("too_long", num_read - num_kept)
    return funnel.check()


def count_lengths(prepared: "Dataset", max_length: int | None) -> dict[str, int]:
    """Tokens per row: the median, the longest, and rows of `max_length`, most of which were cut."""
    column = "seq_lengths" if "seq_lengths" in prepared.column_names else "input_ids"
    rows = prepared[column]
    lengths = sorted(n for row in rows for n in (row if column == "seq_lengths" else [len(row)]))
    return {
        "median": lengths[len(lengths) // 2],
        "longest": lengths[-1],
        "at_max_length": sum(n == max_length for n in lengths),
    }


def stand_in(datasets: Sequence[str], base: str) -> str:
    """What stood in for a strong LLM in a training set's folder or in that of the base model.

    "" where nothing did, or where nothing is known of them.
    """
    from sense.card import LEARNED_GRAMMAR_SENTENCE
    from sense.facts import FACTS_FILE, read_facts

    *of_data, of_base = (
        read_facts(folder) if Path(folder, FACTS_FILE).is_file() else None
        for folder in (*datasets, base)
    )
    if any(facts and facts.settings.get("teacher") == "grammar" for facts in of_data):
        return LEARNED_GRAMMAR_SENTENCE
    return str(of_base.results.get("text", {}).get("stand_in", "")) if of_base else ""


def model_text(
    recipe: RecipeArguments, method: Literal["SFT", "DPO"], base: str, folder: Path
) -> "ModelText":
    """What the card says beside its numbers."""
    from sense.card import ModelText

    names = [part.name for part in recipe.parts]
    known = {
        "SFT": "Supervised fine-tuning on questions with SQL that was executed on its database",
        "DPO": "Direct preference optimisation on pairs of a model's answers, judged by a database",
    }
    is_hub_base = not Path(base).is_dir()
    return ModelText(
        name=(recipe.push or folder.name).rsplit("/", 1)[-1],
        summary=(
            "A model that answers questions about a SQLite database with SQL. "
            f"{known[method]}, by the SENSE method."
        ),
        license=recipe.license,
        training=f"{known[method]}, with TRL's trainer.",
        limitations=(
            "It was trained on SQLite only, and on prompts of one contract only.",
            "It answers every question, also one that the database cannot answer: run its SQL "
            "read-only and look at it.",
        ),
        base_model=base if is_hub_base else "",
        datasets=tuple(name for name in names if not Path(name).is_dir()),
        stand_in=stand_in(names, base),
        repo_id=recipe.push or "",
        tags=(method.lower(), "trl"),
    )


def dataset_inputs(recipe: RecipeArguments) -> list[Input]:
    """The training sets as facts name them: a Hub id with its commit, or a folder with its hash."""
    return [dataset_source(part.name, part.revision) for part in recipe.parts]


def model_input(base: str, revision: str) -> Input:
    """The model that training starts from, as facts name it, by all of its weights."""
    if Path(base).is_dir():
        return model_source(base)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        commit = str(HfApi().model_info(base, revision=revision).sha)
    except OfflineModeIsEnabled:
        commit = revision
    return model_source(base, commit)


def finish(
    folder: Path, facts: Facts, text: "ModelText", contract: PromptContract, push: str | None
) -> None:
    """Completes the trained model's folder with contract, card and facts, and publishes it."""
    from sense.facts import print_outcome
    from sense.release import push_folder, write_model

    save_contract(contract, folder)
    facts = write_model(folder, text, facts)
    commit = push_folder(folder, push, "model") if push else ""
    print_outcome(folder, facts, commit)


def _split_config(argument: str) -> list[str]:
    name, equals, value = argument.partition("=")
    return [name, value] if name == "--config" and equals else [argument]


def _check_names(names: Sequence[str] | Mapping[str, Any], known: set[str], place: str) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; closest match: '{close[0]}'" if close else ""
            raise ValueError(f"setting '{name}' ({place}) is unknown{hint}. Correct or remove it")
