"""Label smoothing reaches TRL's trainer as conservative DPO, or ends with a sentence."""

import math
from pathlib import Path
from typing import Any

import pytest

from sense.facts import collect_facts, write_facts
from sense.models.smoothing import SMOOTHED, WITHOUT_SIDES, DPOArguments, smooth_labels


def smoothed(
    tmp_path: Path, *names: str, taken_from: str = "none", **settings: Any
) -> tuple[float, list[str], list[float] | None]:
    """The trainer's settings afterwards."""
    from trl import DPOConfig

    recipe = DPOArguments(list(names) or ["weak"], label_smoothing_from=taken_from)  # type: ignore[arg-type]
    training = DPOConfig(output_dir=str(tmp_path / "run"), use_cpu=True, bf16=False, **settings)
    smooth_labels(recipe, training)
    return training.label_smoothing, training.loss_type, training.loss_weights


def write_set(folder: Path, results: dict[str, Any]) -> str:
    folder.mkdir()
    write_facts(collect_facts("builders/weak.py", seed=0, settings={}, results=results), folder)
    return str(folder)


def test_smoothing_comes_from_the_facts_of_the_set(tmp_path: Path) -> None:
    noisy = write_set(tmp_path / "weak", {"noise": {"label_smoothing": 0.1}})
    found = smoothed(tmp_path, noisy, taken_from="facts")
    assert found == (0.1, ["sigmoid", "robust"], [1.8, -0.8])
    clean = write_set(tmp_path / "clean", {"noise": {"label_smoothing": 0.0}})
    assert smoothed(tmp_path, clean, taken_from="facts") == (0.0, ["sigmoid"], None)


def test_facts_without_noise_or_of_several_sets_are_an_error(tmp_path: Path) -> None:
    silent = write_set(tmp_path / "silent", {})
    with pytest.raises(ValueError, match="facts of silent hold no label noise"):
        smoothed(tmp_path, silent, taken_from="facts")
    with pytest.raises(ValueError, match="several sets"):
        smoothed(tmp_path, silent, str(tmp_path), taken_from="facts")
    with pytest.raises(ValueError, match=r"label_smoothing is 0.1 and .* leave one"):
        smoothed(tmp_path, silent, taken_from="facts", label_smoothing=0.1)
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileNotFoundError, match=r"facts\.json does not exist"):
        smoothed(tmp_path, str(tmp_path / "bare"), taken_from="facts")
    with pytest.raises(FileNotFoundError, match=r"no weak set at .*nowhere; expected a folder"):
        smoothed(tmp_path, str(tmp_path / "nowhere"), taken_from="facts")


@pytest.mark.parametrize("loss", ["hinge", "ipo", "nca_pair", "apo_zero", "discopop"])
def test_a_loss_without_smoothing_is_refused_with_one(tmp_path: Path, loss: str) -> None:
    with pytest.raises(ValueError, match=f"loss_type {loss} has no label smoothing"):
        smoothed(tmp_path, loss_type=[loss, "sft"], label_smoothing=0.1)
    assert smoothed(tmp_path, loss_type=[loss])[1] == [loss]


def test_losses_with_smoothing_keep_their_weights(tmp_path: Path) -> None:
    both = {"loss_type": ["robust", "sft"], "loss_weights": [1.0, 0.5], "label_smoothing": 0.2}
    assert smoothed(tmp_path, **both) == (0.2, ["robust", "sft"], [1.0, 0.5])
    assert smoothed(tmp_path, loss_type=["aot"], label_smoothing=0.2) == (0.2, ["aot"], None)
    for share in (0.5, -0.1):
        with pytest.raises(ValueError, match=r"expected 0 to below 0\.5"):
            smoothed(tmp_path, label_smoothing=share)


@pytest.mark.slow
def test_trl_computes_conservative_dpo_and_reads_smoothing_where_we_say(tmp_path: Path) -> None:
    """One pair, a model and another reference: x follows from the loss without smoothing."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from sense.tiny import make_model

    for seed in (0, 1):
        make_model(tmp_path / str(seed), [" How many? SELECT tea FROM cup"] * 9, seed)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "0")
    models = [AutoModelForCausalLM.from_pretrained(tmp_path / str(seed)) for seed in (0, 1)]
    answers = {"prompt": "How many?", "chosen": "SELECT tea FROM cup", "rejected": "SELECT cup"}
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    row = {name: [{"role": roles[name], "content": text}] for name, text in answers.items()}
    pairs = Dataset.from_list([row])

    def loss(share: float, losses: list[str], weights: list[float] | None) -> float:
        settings = {"loss_type": losses, "loss_weights": weights, "label_smoothing": share}
        training = DPOConfig(
            str(tmp_path / "run"), use_cpu=True, bf16=False, report_to="none", beta=0.3, **settings
        )
        trainer = DPOTrainer(
            models[0], models[1], training, train_dataset=pairs, eval_dataset=pairs,
            processing_class=tokenizer,
        )  # fmt: skip
        return float(trainer.evaluate()["eval_loss"])

    plain = loss(0.0, ["sigmoid"], None)
    x = -math.log(math.exp(plain) - 1)
    assert abs(x) > 0.1
    assert loss(0.3, ["sigmoid"], None) == pytest.approx(plain)  # TRL ignores it
    conservative = plain + 0.3 * x
    expected = 0.7 * math.log1p(math.exp(-x)) + 0.3 * math.log1p(math.exp(x))
    assert conservative == pytest.approx(expected, abs=1e-4)
    found = smoothed(tmp_path, label_smoothing=0.3)
    assert loss(*found) == pytest.approx(conservative, abs=1e-3)
    for name in SMOOTHED:
        assert loss(0.3, [name], None) != pytest.approx(loss(0.1, [name], None), abs=1e-4), name
    for name in WITHOUT_SIDES:
        assert loss(0.3, [name], None) == pytest.approx(loss(0.1, [name], None)), name
