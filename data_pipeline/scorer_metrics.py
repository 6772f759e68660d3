"""How well predicted scores agree with labels: rank correlation with its interval, error, calibration, what is kept.

Reads two lists of scores; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np

# What the paper keeps (arXiv 2407.18333).
KEEP_ABOVE = 6.5
_RESAMPLES = 1000


class Agreement(BaseModel):
    """Predicted scores against labels of modules that were not trained on.

    Attributes:
        spearman_95: the interval of 95 % by the percentile bootstrap over groups of modules, 1,000 resamples.
        criteria: Spearman's correlation of each criterion.
        deciles: of the predicted scores in ten equal parts, from the lowest: the mean prediction and the mean label.
        kept: shares above `KEEP_ABOVE`: of the labels, and of the predictions.
        precision: of the modules whose prediction is above it, the share whose label is; ``recall``: the reverse.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modules: int
    spearman: float
    spearman_95: tuple[float, float]
    criteria: dict[str, float] = {}
    mean_error: float
    deciles: list[tuple[float, float]]
    kept: tuple[float, float]
    precision: float | None
    recall: float | None


def agreement(predicted: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int = 0) -> Agreement:
    """Compare two arrays of scores, shape (modules,).

    Args:
        groups: of each module: what is alike or of one origin, and so stands or falls together in the interval.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(np.asarray(groups)[order])) + 1)
    resampled = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([members[drawn] for drawn in rng.integers(0, len(members), len(members))])
        resampled.append(spearman(predicted[rows], labels[rows]))
    low, high = np.percentile(resampled, [2.5, 97.5])
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(part)]
    chosen, good = predicted > KEEP_ABOVE, labels > KEEP_ABOVE
    both = int((chosen & good).sum())
    return Agreement(
        modules=len(labels),
        spearman=_rounded(spearman(predicted, labels)),
        spearman_95=(_rounded(low), _rounded(high)),
        mean_error=_rounded(np.abs(predicted - labels).mean()),
        deciles=[(_rounded(predicted[part].mean()), _rounded(labels[part].mean())) for part in parts],
        kept=(_rounded(good.mean()), _rounded(chosen.mean())),
        precision=_rounded(both / chosen.sum()) if chosen.any() else None,
        recall=_rounded(both / good.sum()) if good.any() else None,
    )


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation, equals sharing their mean rank; 0 where either is constant."""
    import numpy as np

    ranks = np.stack([_ranks(one), _ranks(other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum() / scale) if scale else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _rounded(value: float) -> float:
    return round(float(value), 4)
