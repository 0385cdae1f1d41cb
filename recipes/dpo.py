# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit[train]"]
# ///
"""Direct preference optimisation on a weak set: pairs of right and wrong answers to a prompt.

    accelerate launch recipes/dpo.py --config recipes/tiny/dpo.yaml
    accelerate launch --config_file recipes/accelerate/fsdp2.yaml recipes/dpo.py --config FILE

Without `--config` it runs recipes/tiny/dpo.yaml: one million parameters, CPU. The model must be one
that recipes/sft.py left, or another with a `sense_prompt.json`: pairs with other prompts than it
was trained on are refused. `label_smoothing_from: facts` takes the smoothing of conservative DPO
from the noise that the weak builder measured. Run the same command again after an interruption: it
goes on from the last checkpoint. `--push OWNER/NAME` publishes the finished model in one commit.
"""

import sys
import time
from pathlib import Path
from typing import Any

from trl import DPOConfig, DPOTrainer, get_peft_config, get_quantization_config

from sense.command import run_script
from sense.facts import collect_facts
from sense.models.smoothing import DPOArguments, smooth_labels
from sense.models.training import (
    check_base,
    chosen_settings,
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
    parse_recipe,
    prepared_funnel,
)
from sense.prompt import contract_of, load_contract

DEFAULT_RECIPE = Path(__file__).parent / "tiny" / "dpo.yaml"
COLUMNS = ("prompt", "chosen", "rejected")


class Trainer(DPOTrainer):
    """TRL's trainer without its card: ours is rendered from facts at the end."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        pass


def main() -> None:
    started = time.monotonic()
    recipe, training, model = parse_recipe(DPOArguments, DPOConfig, DEFAULT_RECIPE, sys.argv[1:])
    smooth_labels(recipe, training)
    settings = chosen_settings(recipe, training, model)
    base = check_base(model.model_name_or_path)
    rows, num_rows = load_training_rows(recipe, COLUMNS, training.seed)
    of_base = load_contract(base, model.model_revision)
    contract = contract_of(rows.unique("prompt_hash"), recipe.data, of_base)
    evaluation_rows = load_evaluation_rows(recipe, training, COLUMNS)
    inputs = [*dataset_inputs(recipe), model_input(base, model.model_revision)]
    text = model_text(recipe, "DPO", base, Path(training.output_dir))
    checkpoint = last_checkpoint(training.output_dir, settings, inputs)
    training.model_init_kwargs = model_settings(training, model)

    trainer = Trainer(
        model=base,
        args=training,
        train_dataset=rows,
        eval_dataset=evaluation_rows,
        quantization_config=get_quantization_config(model),
        peft_config=get_peft_config(model),
        callbacks=[keep_contract(contract)],
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate() if evaluation_rows else {}
    trainer.save_model()
    if trainer.is_world_process_zero():
        facts = collect_facts(
            "recipes/dpo.py",
            seed=training.seed,
            settings=settings,
            inputs=inputs,
            funnels=[prepared_funnel(len(rows), trainer.train_dataset)],
            counts={"rows_of_each_set": num_rows},
            results={**mean_loss(trainer.state.log_history), **scores},
            seconds=None if checkpoint else time.monotonic() - started,
        )
        finish(Path(training.output_dir), facts, text, contract, recipe.push)
    trainer.end()


if __name__ == "__main__":
    run_script(main)
