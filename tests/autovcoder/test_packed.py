"""Packed linear layers: they compute what the plain ones did, and where they cannot be had nothing is changed."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from autovcoder.models.local import LocalModel
from autovcoder.models.packed import pack_linears
from autovcoder.records import Sampling


def model() -> Any:
    import torch

    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(24, 40, bias=False), torch.nn.SiLU())
    return torch.nn.Sequential(inner, torch.nn.Linear(40, 7)).eval()


def available() -> bool:
    made = model()
    pack_linears(made)
    return type(made[1]).__name__ == "PackedLinear"


@pytest.mark.parametrize("shape", [(24,), (1, 24), (5, 1, 24), (3, 17, 24)])
def test_packed_layers_compute_what_plain_ones_do(shape: tuple[int, ...]) -> None:
    import torch

    if not available():
        pytest.skip("this PyTorch has no oneDNN")
    plain, made = model(), model()
    pack_linears(made)
    states = torch.randn(shape)
    with torch.no_grad():
        torch.testing.assert_close(made(states), plain(states))
    torch.testing.assert_close(made[1].weight, plain[1].weight)
    assert [type(one).__name__ for one in (made[0][0], made[0][1], made[1])] == ["PackedLinear", "SiLU", "PackedLinear"]


def test_the_plain_weights_do_not_stay_in_memory() -> None:
    if not available():
        pytest.skip("this PyTorch has no oneDNN")
    made = model()
    plain = weakref.ref(made[1].weight)
    pack_linears(made)
    gc.collect()
    assert plain() is None


def test_layers_of_other_kinds_and_types_are_left() -> None:
    import torch

    class Own(torch.nn.Linear):
        """What overrides a layer may compute something else."""

    made = torch.nn.Sequential(Own(4, 4), torch.nn.Linear(4, 4).double())
    pack_linears(made)
    assert [type(one) for one in made] == [Own, torch.nn.Linear]


def test_without_the_operators_or_with_others_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Wrong:
        """Has the operators' names, and computes something else."""

        @staticmethod
        def _linear_pointwise(states: torch.Tensor, *_: Any) -> torch.Tensor:
            return states.new_zeros((*states.shape[:-1], 40))

        @staticmethod
        def _reorder_linear_weight(weight: torch.Tensor, _: int) -> torch.Tensor:
            return weight

    for operators in (object(), Wrong):
        monkeypatch.setattr(torch.ops, "mkldnn", operators, raising=False)
        made = model()
        pack_linears(made)
        assert type(made[0][0]) is torch.nn.Linear


def test_a_loaded_model_writes_the_same_with_plain_layers(
    learned_model: Path, learned: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, sampling = list(learned)[:3], Sampling(max_new_tokens=60)
    fast = LocalModel(str(learned_model)).complete(prompts, sampling)
    monkeypatch.setattr("autovcoder.models.transformers_engine.pack_linears", lambda _: None)
    assert LocalModel(str(learned_model)).complete(prompts, sampling) == fast
