"""Muon: weight matrices are stepped along their orthogonalised momentum, all else by AdamW.

Unlike `torch.optim.Muon` it also takes what is no matrix, and computes in float32: laptop CPUs have
no fast bfloat16.
Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; constants of KellerJordan/Muon.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration; five steps bring all singular values near 1."""
NUM_STEPS = 5


def muon() -> "Callable[..., torch.optim.Optimizer]":
    """The optimizer factory that transformers' Trainer calls with the model and the keywords."""
    return make_muon


def make_muon(
    model: "Module",
    matrix_lr: float,
    lr: float,
    momentum: float = 0.95,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-8,
) -> "torch.optim.Optimizer":
    """Muon over the matrices of `model` but its embeddings, AdamW with `lr` over the rest."""
    import torch

    embeddings = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding)
        for parameter in module.parameters()
    }
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim == 2 and id(parameter) not in embeddings
            (matrices if is_matrix else others).append(parameter)

    class Muon(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            by_matrix, by_value = self.param_groups
            self._step_matrices(by_matrix)
            self._step_values(by_value)

        def _step_matrices(self, group: dict[str, Any]) -> None:
            updates: dict[Any, list[tuple[Any, Any]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - momentum)
                update = parameter.grad.lerp(state["momentum"], momentum)  # Nesterov
                updates[parameter.shape].append((parameter, update))
            for (rows, columns), pairs in updates.items():
                scale = group["lr"] * max(1, rows / columns) ** 0.5
                steps = orthogonalize(torch.stack([update for _, update in pairs]))
                for (parameter, _), step in zip(pairs, steps, strict=True):
                    parameter.add_(step.to(parameter.dtype), alpha=-scale)

        def _step_values(self, group: dict[str, Any]) -> None:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros_like(parameter)
                state["step"] += 1
                mean = state["mean"].lerp_(parameter.grad, 1 - betas[0])
                square = state["square"].lerp_(parameter.grad.square(), 1 - betas[1])
                count = state["step"].item()
                mean = mean / (1 - betas[0] ** count)
                square = square / (1 - betas[1] ** count)
                parameter.addcdiv_(mean, square.sqrt().add_(eps), value=-group["lr"])

    return Muon([{"params": matrices, "lr": matrix_lr}, {"params": others, "lr": lr}], {})


def orthogonalize(matrices: "torch.Tensor") -> "torch.Tensor":
    """Each matrix with its singular values brought near 1; matrices: (number, rows, columns)."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.float()
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(NUM_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
