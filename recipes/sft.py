# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Supervised fine-tuning on a strong set.

    accelerate launch recipes/sft.py --config recipes/tiny/sft.yaml
    accelerate launch --config_file recipes/accelerate/fsdp2.yaml recipes/sft.py --config FILE

Without `--config` it runs recipes/tiny/sft.yaml: one million parameters, CPU. Every setting of the
YAML can be given on the command line too. Run the same command again after an interruption: it goes
on from the last checkpoint. `--push OWNER/NAME` publishes the finished model in one commit.
"""

import sys
import time
from pathlib import Path
from typing import Any

from trl import SFTConfig, SFTTrainer, get_peft_config, get_quantization_config

from sense.command import run_script
from sense.facts import collect_facts
from sense.models.training import (
    SFTArguments,
    check_base,
    chosen_settings,
    count_lengths,
    dataset_inputs,
    finish,
    keep_contract,
    last_checkpoint,
    load_evaluation_rows,
    load_training_rows,
    mean_loss,
    model_input,
    model_settings,
    model_text,
    optimizer_settings,
    parse_recipe,
    prepared_funnel,
)
from sense.prompt import contract_of

DEFAULT_RECIPE = Path(__file__).parent / "tiny" / "sft.yaml"
COLUMNS = ("prompt", "completion")


class Trainer(SFTTrainer):
    """TRL's trainer without its card: ours is rendered from facts at the end."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        pass


def main() -> None:
    started = time.monotonic()
    recipe, training, model = parse_recipe(SFTArguments, SFTConfig, DEFAULT_RECIPE, sys.argv[1:])
    settings = chosen_settings(recipe, training, model)
    base = check_base(model.model_name_or_path)
    rows, num_rows = load_training_rows(recipe, COLUMNS, training.seed)
    contract = contract_of(rows.unique("prompt_hash"), recipe.data)
    evaluation_rows = load_evaluation_rows(recipe, training, COLUMNS)
    inputs = [*dataset_inputs(recipe), model_input(base, model.model_revision)]
    text = model_text(recipe, "SFT", base, Path(training.output_dir))
    checkpoint = last_checkpoint(training.output_dir, settings, inputs)
    training.model_init_kwargs = model_settings(training, model)

    trainer = Trainer(
        model=base,
        args=training,
        train_dataset=rows,
        eval_dataset=evaluation_rows,
        quantization_config=get_quantization_config(model),
        peft_config=get_peft_config(model),
        optimizer_cls_and_kwargs=optimizer_settings(recipe, training),
        callbacks=[keep_contract(contract)],
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate() if evaluation_rows else {}
    trainer.save_model()
    if trainer.is_world_process_zero():
        facts = collect_facts(
            "recipes/sft.py",
            seed=training.seed,
            settings=settings,
            inputs=inputs,
            funnels=[prepared_funnel(len(rows), trainer.train_dataset)],
            counts={
                "rows_of_each_set": num_rows,
                "tokens_per_row": count_lengths(trainer.train_dataset, training.max_length),
            },
            results={**mean_loss(trainer.state.log_history), **scores},
            seconds=None if checkpoint else time.monotonic() - started,
        )
        finish(Path(training.output_dir), facts, text, contract, recipe.push)
    trainer.end()


if __name__ == "__main__":
    run_script(main)
