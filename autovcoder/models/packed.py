"""Linear layers of a model on a CPU, their weights laid out once as oneDNN reads them fastest.

Reads and changes a loaded model; writes nothing. With the few rows of a step, PyTorch's own layer takes two to four
times as long, and most of a step is linear layers. The two operators are those that PyTorch's compiler puts in the
place of such layers (`torch/_inductor`, frozen graphs); what a version or a machine lacks them for is left as it is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

# For as many rows the layout is chosen; it serves others too.
_ROWS = 16


def pack_linears(model: Any) -> None:
    """Put packed layers in the place of a model's plain linear ones, where those are of 32 bits and on a CPU.

    The model can then only generate. Results differ from the plain layers' by the rounding of another order of sums. A
    weight that an embedding shares is in memory twice afterwards.
    """
    import torch

    mkldnn: Any = torch.backends.mkldnn
    if not mkldnn.is_available():
        return
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            plain = type(child) is torch.nn.Linear and child.weight.device.type == "cpu"
            if plain and child.weight.dtype == torch.float32 and (packed := _packed(child)) is not None:
                setattr(parent, name, packed)


def _packed(layer: Any) -> Any:
    """A layer that computes what ``layer`` does; None where the operators are missing or do something else."""
    import torch

    try:
        made = _layer_class()(layer)
        with torch.no_grad():
            probe = torch.linspace(-1, 1, 2 * layer.in_features).reshape(2, 1, -1)
            same = torch.allclose(made(probe), layer(probe), rtol=1e-3, atol=1e-3)
    except Exception:  # of operators that are not for everybody: whatever is wrong, there is the plain layer
        return None
    return made if same else None


@cache
def _layer_class() -> Any:
    import torch

    class PackedLinear(torch.nn.Module):
        """``weight`` is made anew each time it is asked for, for code that reads it."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.in_features, self.out_features = layer.in_features, layer.out_features
            self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
            self.bias = layer.bias

        @property
        def weight(self) -> torch.Tensor:
            dense: torch.Tensor = self._weight.to_dense()
            return dense

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, self._weight, self.bias, "none", [], "")
            return found

    return PackedLinear
