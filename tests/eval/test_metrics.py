"""The estimators against brute force, and what makes an interval trustworthy."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics import bootstrap_interval, mean_pass_at_k, pass_at_k


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@settings(deadline=None)
@given(counts())
def test_pass_at_k_is_the_share_of_all_draws_of_k_answers_that_hold_a_pass(nck: tuple[int, int, int]) -> None:
    n, c, k = nck
    draws = list(combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(i < c for i in draw) for draw in draws) / len(draws))


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_pass_at_1_is_the_share_of_passing_answers(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)


def test_pass_at_k_of_the_codex_paper_differs_from_the_biased_formula() -> None:
    assert pass_at_k(10, 3, 5) == pytest.approx(1 - math.comb(7, 5) / math.comb(10, 5))
    assert pass_at_k(10, 3, 5) != pytest.approx(1 - (1 - 0.3) ** 5)


@pytest.mark.parametrize(("n", "c", "k"), [(0, 0, 1), (3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)])
def test_pass_at_k_refuses_counts_that_cannot_be(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(n, c, k)


def test_mean_is_over_problems_not_over_answers() -> None:
    assert mean_pass_at_k([(10, 10), (1, 0)], 1) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no problems"):
        mean_pass_at_k([], 1)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 5))
def test_interval_lies_within_the_values_and_is_the_same_for_the_same_seed(values: list[float], seed: int) -> None:
    low, high = bootstrap_interval(values, seed=seed)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert (low, high) == bootstrap_interval(values, seed=seed)


def test_interval_holds_the_mean_and_is_as_wide_as_theory_says() -> None:
    values = [1.0] * 60 + [0.0] * 96
    low, high = bootstrap_interval(values)
    mean = 60 / 156
    half = 1.96 * math.sqrt(mean * (1 - mean) / 156)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.015)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(7)
    hits = 0
    for trial in range(60):
        low, high = bootstrap_interval([float(rng.random() < 0.5) for _ in range(30)], seed=trial)
        hits += low <= 0.5 <= high
    assert 52 <= hits < 60


def test_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap_interval([0.25, 0.25]) == (0.25, 0.25)
    with pytest.raises(ValueError, match="no problems"):
        bootstrap_interval([])
