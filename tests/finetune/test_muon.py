"""The optimizer of base models: what it steps, and that a saved one goes on as it would have."""

from __future__ import annotations

import copy

import pytest
import torch

from finetune.muon import MuonWithAdamW


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(16, 8)
        self.inner = torch.nn.Linear(8, 12)
        self.frozen = torch.nn.Linear(12, 12).requires_grad_(False)
        self.out = torch.nn.Linear(12, 16, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(torch.relu(self.frozen(self.inner(self.embed(ids)))))
        return out


def optimizer(net: Net) -> MuonWithAdamW:
    return MuonWithAdamW(net, learning_rate=0.02, adam_learning_rate=0.01, weight_decay=0.0)


def steps(net: Net, made: MuonWithAdamW, count: int) -> float:
    ids = torch.arange(16)
    for _ in range(count):
        loss = torch.nn.functional.cross_entropy(net(ids), ids.roll(1))
        net.zero_grad()
        loss.backward()
        made.step()
    return loss.item()


def test_it_learns_and_leaves_what_is_frozen() -> None:
    net = Net()
    frozen = net.frozen.weight.clone()
    made = optimizer(net)
    first = steps(net, made, 1)
    assert steps(net, made, 150) < first / 2
    assert torch.equal(net.frozen.weight, frozen)


def test_an_update_of_a_matrix_is_nearly_orthogonal_and_that_of_an_embedding_is_not() -> None:
    net = Net()
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    steps(net, optimizer(net), 1)

    def spread(name: str) -> float:
        values = torch.linalg.svdvals(dict(net.named_parameters())[name].detach() - before[name])
        return (values.max() / values[values > 1e-6].min()).item()

    assert spread("inner.weight") < 3
    assert spread("embed.weight") > 3


def test_a_saved_state_goes_on_as_the_original_does() -> None:
    net = Net()
    made = optimizer(net)
    steps(net, made, 5)
    twin = copy.deepcopy(net)
    resumed = optimizer(twin)
    resumed.load_state_dict(copy.deepcopy(made.state_dict()))
    steps(net, made, 5)
    steps(twin, resumed, 5)
    for weight, other in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=0, atol=0)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_schedule_scales_both_parts(loaded: bool) -> None:
    net = Net()
    made = optimizer(net)
    if loaded:
        made.load_state_dict(made.state_dict())
    before = [weight.detach().clone() for weight in net.parameters()]
    torch.optim.lr_scheduler.LambdaLR(made, lambda _: 0.0)
    steps(net, made, 2)
    for weight, old in zip(net.parameters(), before, strict=True):
        torch.testing.assert_close(weight, old, rtol=0, atol=0)
