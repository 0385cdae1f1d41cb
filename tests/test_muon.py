"""Muon on small matrices, where every step can be checked by linear algebra."""

import copy

import pytest
import torch

from sense.models.muon import make_muon, orthogonalize


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(10, 8)
        self.up = torch.nn.Linear(8, 16)
        self.down = torch.nn.Linear(16, 8, bias=False)
        self.head = torch.nn.Linear(8, 10, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(ids)
        out: torch.Tensor = self.head(hidden + self.down(self.up(hidden).relu()))
        return out


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


def train(net: Net, optimizer: torch.optim.Optimizer, steps: int) -> float:
    ids = torch.arange(10)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(net(ids), ids.roll(1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 16), (2, 16, 4)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_a_zero_gradient_gives_no_step() -> None:
    assert orthogonalize(torch.zeros(1, 4, 4)).abs().max() == 0


def test_matrices_by_muon_embeddings_and_vectors_by_adamw(net: Net) -> None:
    by_matrix, by_value = make_muon(net, matrix_lr=0.02, lr=0.001).param_groups
    assert by_matrix["params"] == [net.up.weight, net.down.weight]
    assert [tuple(p.shape) for p in by_value["params"]] == [(10, 8), (16,)]
    assert (by_matrix["lr"], by_value["lr"]) == (0.02, 0.001)


def test_values_are_stepped_as_by_torch_adamw(net: Net) -> None:
    torch.manual_seed(0)
    other = Net()
    train(net, make_muon(net, matrix_lr=0.0, lr=0.01, betas=(0.9, 0.98)), 5)
    values = [other.embed.weight, other.up.bias]
    train(other, torch.optim.AdamW(values, lr=0.01, betas=(0.9, 0.98), weight_decay=0), 5)
    torch.testing.assert_close(net.embed.weight, other.embed.weight)
    torch.testing.assert_close(net.up.bias, other.up.bias)


def test_it_learns(net: Net) -> None:
    assert train(net, make_muon(net, matrix_lr=0.02, lr=0.01), 150) < 0.1


def test_a_saved_state_goes_on_as_if_never_saved(net: Net) -> None:
    first = make_muon(net, matrix_lr=0.02, lr=0.01)
    train(net, first, 3)
    other = Net()
    other.load_state_dict(net.state_dict())
    second = make_muon(other, matrix_lr=0.02, lr=0.01)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert train(net, first, 3) == train(other, second, 3)
