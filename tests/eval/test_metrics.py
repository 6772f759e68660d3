"""The estimators against brute force, and what makes an interval trustworthy."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import metrics
from eval.metrics import bootstrap_interval, pass_at_k, percentile_interval, resampled_means, sign_flip_p_value
from eval.report import rate_of


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


@settings(deadline=None)
@given(counts())
def test_pass_at_k_grows_with_the_passes_and_with_the_draws(nck: tuple[int, int, int]) -> None:
    n, c, k = nck
    here = pass_at_k(n, c, k)
    assert 0.0 <= here <= 1.0
    assert (here == 0.0) == (c == 0)
    assert c == n or here <= pass_at_k(n, c + 1, k)
    assert k == n or here <= pass_at_k(n, c, k + 1)
    assert pass_at_k(n, n, k) == 1.0


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


def test_values_of_one_length_are_resampled_alike_and_in_blocks_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = [0.0, 1.0, 1.0, 0.5, 0.25]
    means = resampled_means(values, resamples=40)
    assert (resampled_means([1.0 - value for value in values], resamples=40) + means).tolist() == pytest.approx(
        [1.0] * 40
    )
    monkeypatch.setattr(metrics, "_BLOCK", 35)
    assert len(resampled_means(values, resamples=40)) == 40
    assert set(resampled_means([0.5, 0.5], resamples=3)) == {0.5}


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_interval_of_negated_means_is_the_mirror_image(values: list[float]) -> None:
    low, high = percentile_interval(resampled_means(values, resamples=200))
    assert percentile_interval(-resampled_means(values, resamples=200)) == (-high, -low)
    assert percentile_interval(resampled_means([-value for value in values], resamples=200)) == (-high, -low)


@settings(deadline=None)
@given(st.lists(st.integers(-6, 6), max_size=9))
def test_the_exact_test_counts_every_pattern_of_signs(differences: list[int]) -> None:
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    extreme = sum(abs(total) >= abs(sum(differences)) for total in sums)
    found = sign_flip_p_value(differences)
    assert found == pytest.approx(extreme / len(sums))
    assert found == sign_flip_p_value([-3 * difference for difference in differences])


def test_the_exact_test_with_one_answer_a_problem_is_mcnemars() -> None:
    wins, losses = 12, 3
    tail = sum(math.comb(15, i) for i in range(losses + 1)) / 2**15
    assert sign_flip_p_value([1] * wins + [-1] * losses + [0] * 100) == pytest.approx(2 * tail)


def test_the_exact_test_gives_up_where_it_would_take_too_long() -> None:
    assert sign_flip_p_value([10**9, -(10**9) + 1]) is None


def test_numpy_is_loaded_only_when_something_is_computed() -> None:
    code = "import sys, eval.report, autovcoder.cli.evaluate\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.integers(1, 10), st.integers(0, 10), st.integers(1, 15))
def test_a_rate_lies_in_its_interval_where_all_problems_are_alike(n: int, passed: int, problems: int) -> None:
    rate = rate_of([min(passed, n) / n] * problems)
    assert rate.low <= rate.value <= rate.high
