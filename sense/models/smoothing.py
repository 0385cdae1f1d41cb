"""Label smoothing of DPO: how strongly a trainer believes its pairs, and which losses can doubt.

TRL 1.16 reads `label_smoothing` in the losses `exo_pair`, `robust`, `aot` and `aot_unpaired` only;
its `sigmoid` ignores it. Conservative DPO, -(1 - e) log s(x) - e log s(-x), is a sum of two others:
since log s(-x) = log s(x) - x it is sigmoid + e x, while robust(e) is sigmoid - e x / (1 - 2e), so
that

    conservative(e) = 2 (1 - e) sigmoid - (1 - 2e) robust(e)

Source: trl v1.16.0, trl/trainer/dpo_trainer.py, DPOTrainer._compute_loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sense.models.training import RecipeArguments
from sense.weak_set.noise import label_smoothing_of
from sense.weak_set.rows import facts_of

SMOOTHED = frozenset({"exo_pair", "robust", "aot", "aot_unpaired"})
"""Losses that read `label_smoothing`."""
WITHOUT_SIDES = frozenset({"sft"})
"""Losses that learn from the chosen side alone, so that no flip concerns them."""


@dataclass
class DPOArguments(RecipeArguments):
    """What a DPO recipe says beside the trainer's and the model's settings."""

    label_smoothing_from: Literal["none", "facts"] = field(
        default="none",
        metadata={
            "help": "facts: take label_smoothing from the measured noise of the training set, in "
            "its facts.json, instead of a number."
        },
    )


def smooth_labels(recipe: DPOArguments, training: Any) -> None:
    """Sets `label_smoothing`, and the losses that carry it out, in the trainer's settings.

    Raises ValueError for a loss that has no smoothing, facts without noise, or a share that is no
    smoothing.
    """
    if recipe.label_smoothing_from == "facts":
        if training.label_smoothing:
            raise ValueError(
                f"label_smoothing is {training.label_smoothing:g} and label_smoothing_from is "
                "'facts'; leave one of them out"
            )
        training.label_smoothing = _smoothing_of_set(recipe)
    share = training.label_smoothing
    if not 0 <= share < 0.5:
        raise ValueError(
            f"label_smoothing is {share:g}; expected 0 to below 0.5: at one half the pairs say "
            "nothing"
        )
    if share:
        losses = list(training.loss_type)
        weights = training.loss_weights or [1.0] * len(losses)
        training.loss_type, training.loss_weights = _smoothed(losses, weights, share)


def _smoothed(
    losses: Sequence[str], weights: Sequence[float], share: float
) -> tuple[list[str], list[float] | None]:
    """The losses with their weights, `sigmoid` as conservative DPO; None = all the same.

    >>> _smoothed(["sigmoid", "sft"], [1.0, 0.5], 0.25)
    (['sigmoid', 'robust', 'sft'], [1.5, -0.5, 0.5])
    """
    if deaf := sorted({*losses} - SMOOTHED - WITHOUT_SIDES - {"sigmoid"}):
        raise ValueError(
            f"loss_type {', '.join(deaf)} has no label smoothing, which is {share:g}; expected "
            f"sigmoid, {', '.join(sorted(SMOOTHED))}, or `label_smoothing: 0`"
        )
    if "sigmoid" not in losses:
        return list(losses), list(weights) if {*weights} != {1.0} else None
    found: list[tuple[str, float]] = []
    for loss, weight in zip(losses, weights, strict=True):
        if loss == "sigmoid":
            found.append(("sigmoid", 2 * (1 - share) * weight))
            found.append(("robust", -(1 - 2 * share) * weight))
        else:
            found.append((loss, weight))
    return [loss for loss, _ in found], [weight for _, weight in found]


def _smoothing_of_set(recipe: DPOArguments) -> float:
    """What the facts of the training set say of its noise."""
    if len(recipe.parts) > 1:
        raise ValueError(
            f"label_smoothing_from is 'facts' with several sets ({recipe.data}), whose noises "
            "differ; give label_smoothing a number, or train on one"
        )
    [part] = recipe.parts
    return label_smoothing_of(facts_of(part.name, part.revision), part.label)
