"""Pass rates that can be compared with the literature: unbiased pass@k, and how far chance alone could move them.

Reads counts, writes numbers; pure functions. numpy is imported where it is used, so that importing this costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2000
# Numbers drawn at once: bounds the memory of a bootstrap over a large suite.
_BLOCK = 1 << 22
# States of the exact test's distribution; beyond them it would take more than seconds.
_MOST_SUMS = 1_000_000


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of ``k`` answers passes, drawn without replacement from ``n`` of which ``c`` pass.

    ``1 - C(n-c, k) / C(n, k)`` in the product form of Chen et al., "Evaluating Large Language Models Trained on Code"
    (2021), figure 3, which VerilogEval uses too. ``1 - (1 - c/n)**k`` would be biased.

    Raises:
        ValueError: not ``0 <= c <= n`` and ``1 <= k <= n``.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@k needs 0 <= c <= n and 1 <= k <= n, not n={n}, c={c}, k={k}")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def resampled_means(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """The means of ``resamples`` bootstrap samples of ``values``, one value for each problem; shape (resamples,).

    Problems are resampled, not answers: the answers to one problem resemble each other, so that counting them as
    independent would make an interval too narrow. (Efron and Tibshirani, "An Introduction to the Bootstrap", ch. 13.)
    Lists of one length and seed are resampled alike, so that paired values stay paired.

    Raises:
        ValueError: there are no values.
    """
    import numpy as np

    if not values:
        raise ValueError("a bootstrap over no problems")
    rng, data = np.random.default_rng(seed), np.asarray(values, dtype=np.float64)
    rows = max(1, _BLOCK // len(data))
    blocks = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate(
        [data[rng.integers(len(data), size=(count, len(data)), dtype=np.int32)].mean(axis=1) for count in blocks]
    )


def percentile_interval(means: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrapped means; that of the negated means is its mirror image, to the last bit."""
    import numpy as np

    ordered = np.sort(means)
    tail = (1.0 - level) / 2.0
    low = math.floor(tail * (len(ordered) - 1))
    return float(ordered[low]), float(ordered[len(ordered) - 1 - low])


def bootstrap_interval(values: Sequence[float], *, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of ``values``, one value for each problem.

    Raises:
        ValueError: there are no values.
    """
    if values and min(values) == max(values):
        return values[0], values[0]
    return percentile_interval(resampled_means(values, seed=seed), level=level)


def sign_flip_p_value(differences: Sequence[int]) -> float | None:
    """The exact two-sided p-value of paired differences: how often chance alone would sum to as much or more.

    Fisher's randomization test (Fisher, "The Design of Experiments", 1935, section 21): were both sides alike, each
    difference would be as likely with the other sign. All 2**m sign patterns are counted, by adding one difference
    after another to the distribution of the sum. With differences of -1, 0 and 1 it is the exact sign test, which for
    one answer a problem is McNemar's.

    Args:
        differences: one for each problem, in whole units of any size.

    Returns:
        None where the differences are too large to count every pattern.
    """
    import numpy as np

    unit = math.gcd(*differences) or 1
    steps = [abs(difference) // unit for difference in differences if difference]
    size = sum(steps)
    if size > _MOST_SUMS:
        return None
    chance = np.zeros(2 * size + 1)
    chance[size] = 1.0
    for step in steps:
        # No sum reaches the ends before the last step, so that nothing is shifted out.
        up, down = np.zeros_like(chance), np.zeros_like(chance)
        up[step:], down[:-step] = chance[:-step], chance[step:]
        chance = (up + down) / 2.0
    seen = abs(sum(differences)) // unit
    return min(1.0, float(chance[: size - seen + 1].sum() + chance[size + seen :].sum()))
