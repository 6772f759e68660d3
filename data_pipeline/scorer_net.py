"""The network of the code scorer: vectors of a frozen encoder in, the five criteria out; and how it is trained.

Reads vectors and labels; writes nothing. Runs on the CPU: a training takes seconds, the encoder is what takes time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autovcoder.config import Settings
from data_pipeline.label import CRITERIA
from data_pipeline.scorer_split import TRAIN, VALIDATION

if TYPE_CHECKING:
    import numpy as np
    import torch

# A number so many deviations from its mean says no more than that it is far out.
_FAR = 6.0


class ScorerSettings(Settings):
    """How the scorer is trained.

    Attributes:
        held_out: share of the labelled modules that is measured on; ``validation``: share that ends the training.
        hidden: width of the one hidden layer. ``dropout``: in front of the output; half of it in front of the input.
        epochs: at most; ``patience``: epochs without a better validation error until training ends.
    """

    seed: int = 0
    held_out: float = Field(default=0.2, gt=0, lt=0.8)
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    hidden: int = Field(default=512, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    batch: int = Field(default=64, ge=1)
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=12, ge=1)


class ScorerNet:
    """Standardisation and a perceptron of one hidden layer.

    Args:
        mean, deviation: of the vectors that it is trained on, shape (size,).
    """

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor, hidden: int, dropout: float = 0.0) -> None:
        from torch import nn

        self._mean, self._deviation = mean, deviation
        self.layers: Any = nn.Sequential(
            nn.Dropout(dropout / 2),
            nn.Linear(len(mean), hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(CRITERIA)),
        ).eval()

    @classmethod
    def from_state(cls, state: dict[str, torch.Tensor]) -> ScorerNet:
        """The network of saved weights.

        Raises:
            KeyError, RuntimeError: they are not those of such a network.
        """
        net = cls(state.pop("mean"), state.pop("deviation"), len(state["1.bias"]))
        net.layers.load_state_dict(state)
        return net

    def state(self) -> dict[str, torch.Tensor]:
        return {"mean": self._mean, "deviation": self._deviation, **self.layers.state_dict()}

    def standardised(self, vectors: np.ndarray) -> torch.Tensor:
        import torch

        return ((torch.from_numpy(vectors) - self._mean) / self._deviation).clamp(-_FAR, _FAR)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Grades within 0 and 10: shape (modules, criteria)."""
        import torch

        with torch.inference_mode():
            found: np.ndarray = self.layers(self.standardised(vectors)).clamp(0.0, 10.0).numpy()
        return found


def fit(vectors: np.ndarray, labels: np.ndarray, parts: np.ndarray, settings: ScorerSettings) -> ScorerNet:
    """The network of the epoch with the least squared error on the validation part.

    Args:
        vectors: shape (modules, size), float32. ``labels``: shape (modules, criteria), float32, from 0 to 10.
        parts: of each module, by `data_pipeline.scorer_split`.
    """
    import torch

    train, check = parts == TRAIN, parts == VALIDATION
    known = torch.from_numpy(vectors[train])
    # The random numbers of dropout are torch's global ones; the caller's are left as they were.
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(settings.seed)
        net = ScorerNet(known.mean(0), known.std(0) + 1e-6, settings.hidden, settings.dropout)
        wanted = torch.from_numpy(labels[train])
        net.layers[-1].bias.data.copy_(wanted.mean(0))
        _descend(
            net, (net.standardised(vectors[train]), wanted), (net.standardised(vectors[check]), labels[check]), settings
        )
    return net


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """On a busy machine, threads of so small a network wait for each other far longer than they work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _descend(
    net: ScorerNet,
    train: tuple[torch.Tensor, torch.Tensor],
    check: tuple[torch.Tensor, np.ndarray],
    settings: ScorerSettings,
) -> None:
    import torch

    vectors, labels = train
    checked = torch.from_numpy(check[1])
    optimiser = torch.optim.AdamW(
        net.layers.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    loss_of = torch.nn.MSELoss()
    best, best_epoch, least = net.layers.state_dict(), 0, float("inf")
    for epoch in range(settings.epochs):
        net.layers.train()
        order = torch.randperm(len(vectors))
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            optimiser.zero_grad()
            loss_of(net.layers(vectors[rows]), labels[rows]).backward()
            optimiser.step()
        net.layers.eval()
        with torch.no_grad():
            error = loss_of(net.layers(check[0]), checked).item()
        if error < least:
            best = {name: weight.clone() for name, weight in net.layers.state_dict().items()}
            best_epoch, least = epoch, error
        elif epoch - best_epoch >= settings.patience:
            break
    net.layers.load_state_dict(best)
