"""How well a ranking finds what is of a problem's topic, and a figure of rates. Reads rankings; writes a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

KS = (1, 2, 5, 10)
DEEP = 10
"""Entries of a ranking that count."""

Rate = tuple[float, float, float]
"""A mean, and its interval's bounds."""


class Quality(NamedTuple):
    """k to the share of problems with an entry of their topic among the first k; and nDCG."""

    recall: dict[int, Rate]
    ndcg: Rate


def quality(
    topics: Sequence[str],
    rankings: Sequence[Sequence[str]],
    there: Mapping[str, int],
    interval: Callable[[Sequence[float]], tuple[float, float]],
) -> Quality:
    """How well rankings, given by their entries' topics, find what is of each problem's topic.

    Args:
        topics: of the problems, at least one. ``there``: how many entries of a topic could have been found.
        interval: of the mean of values, one for each problem.
    """

    def rate(values: list[float]) -> Rate:
        return sum(values) / len(values), *interval(values)

    pairs = list(zip(topics, rankings, strict=True))
    recall = {k: rate([float(recalled(topic, ranking, k)) for topic, ranking in pairs]) for k in KS}
    return Quality(recall, rate([ndcg(topic, ranking, there[topic]) for topic, ranking in pairs]))


def recalled(topic: str, ranking: Sequence[str], k: int) -> bool:
    """Whether one of the first ``k`` entries, given by their topics, is of ``topic``."""
    return topic in ranking[:k]


def ndcg(topic: str, ranking: Sequence[str], there: int) -> float:
    """Normalised discounted cumulative gain of the first ten (Jarvelin and Kekalainen 2002), from 0 to 1.

    Every entry of the topic is worth 1.

    Args:
        there: how many entries of the topic could have been found, at least 1.
    """
    gains = [1 / math.log2(place + 2) for place in range(DEEP)]
    found = sum(gain for gain, other in zip(gains, ranking, strict=False) if other == topic)
    return found / sum(gains[:there])


def draw_intervals(rates: Mapping[str, tuple[float, float, float]], label: str, path: Path) -> None:
    """Draw rates (value, low, high) by name, the first at the top, into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 0.6 + 0.55 * len(rates)), layout="constrained")
    axes = figure.subplots()
    for place, (value, low, high) in enumerate(reversed(list(rates.values()))):
        # Rounding may put a value 3e-17 beyond its own bound, which matplotlib refuses to draw.
        sides = [[max(0.0, value - low)], [max(0.0, high - value)]]
        axes.errorbar(value, place, xerr=sides, fmt="o", color="#1f4e79", capsize=3)
    axes.set_yticks(range(len(rates)), list(reversed(list(rates))))
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=150)
