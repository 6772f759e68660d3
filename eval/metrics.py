"""Pass rates that can be compared with the literature: unbiased pass@k, and how far chance alone could move them.

Reads counts, writes numbers; pure functions over the standard library.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

RESAMPLES = 2000


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


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """The mean over problems of pass@k; ``counts`` holds (answers, passing answers) of each problem.

    Raises:
        ValueError: there is no problem, or one has fewer than ``k`` answers.
    """
    if not counts:
        raise ValueError("a mean over no problems")
    return math.fsum(pass_at_k(n, c, k) for n, c in counts) / len(counts)


def bootstrap_interval(values: Sequence[float], *, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of ``values``, one value for each problem.

    Problems are resampled, not answers: the answers to one problem resemble each other, so that counting them as
    independent would make the interval too narrow. (Efron and Tibshirani, "An Introduction to the Bootstrap", ch. 13.)

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("an interval over no problems")
    if min(values) == max(values):
        return values[0], values[0]
    rng = random.Random(seed)
    size = len(values)
    means = sorted(math.fsum(rng.choices(values, k=size)) / size for _ in range(RESAMPLES))
    tail = (1.0 - level) / 2.0
    return means[math.floor(tail * (RESAMPLES - 1))], means[math.ceil((1.0 - tail) * (RESAMPLES - 1))]
