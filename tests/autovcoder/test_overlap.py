"""Shingles, and the index that must find what comparing every pair finds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.overlap import Overlap, ShingleIndex, containment, jaccard, shingles, word_ngrams, words

TOKENS = st.lists(st.sampled_from("abcd"), max_size=20)
SETS = st.frozensets(st.integers(0, 30), max_size=12)


def rows(tokens: list[str], n: int) -> set[tuple[str, ...]]:
    n = min(n, len(tokens))
    return {tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)} if tokens else set()


@given(one=TOKENS, other=TOKENS, n=st.integers(1, 6))
def test_shingles_are_equal_where_the_rows_of_tokens_are(one: list[str], other: list[str], n: int) -> None:
    ours, theirs = shingles(one, n), shingles(other, n)
    assert len(ours) == len(rows(one, n))
    assert len(ours & theirs) == len(rows(one, n) & rows(other, n))


def test_order_counts_and_so_does_where_a_token_ends() -> None:
    assert shingles(["a", "b"], 2) != shingles(["b", "a"], 2)
    assert shingles(["ab", "c"], 2) != shingles(["a", "bc"], 2)
    assert shingles(["a", "b"], 5) == shingles(["a", "b"], 2)


def test_shingles_are_64_bits_and_the_same_in_every_process() -> None:
    code = "from autovcoder.overlap import shingles; print(sorted(shingles('a b c d \\ud800'.split(), 2)))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    found = shingles(["a", "b", "c", "d", "\ud800"], 2)
    assert outputs == {f"{sorted(found)}\n".encode()}
    assert all(0 <= shingle < 2**64 for shingle in found)


@given(one=SETS, other=SETS)
def test_both_measures_are_shares(one: frozenset[int], other: frozenset[int]) -> None:
    assert jaccard(one, other) == (len(one & other) / len(one | other) if one | other else 0)
    assert containment(one, other) == (len(one & other) / len(one) if one else 0)
    assert jaccard(one, other) <= containment(one, other) <= 1
    assert jaccard(one, one) == containment(one, one) == bool(one)


@given(entries=st.lists(SETS, max_size=6), asked=SETS, least=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_the_index_finds_what_comparing_every_pair_finds(
    entries: list[frozenset[int]], asked: frozenset[int], least: float
) -> None:
    index = ShingleIndex()
    assert [index.add(entry) for entry in entries] == list(range(len(entries)))
    assert len(index) == len(entries)
    pairs = [
        Overlap(key, jaccard(entry, asked), containment(entry, asked))
        for key, entry in enumerate(entries)
        if entry & asked and containment(entry, asked) >= least
    ]
    assert index.find(asked, least) == sorted(pairs, key=lambda pair: (-pair.jaccard, pair.key))


def test_what_many_entries_share_can_be_forgotten() -> None:
    index = ShingleIndex()
    for own in range(4):
        index.add({100, 200 + own % 2, own})
    index.forget_common(2)
    assert index.find({100}) == []
    assert [overlap.key for overlap in index.find({200})] == [0, 2]
    assert index.find({200, 1, 3, 201})[0] == Overlap(1, 0.5, 1.0)


def test_words_are_in_lower_case_without_marks() -> None:
    assert words("// The 8-bit out_both,\n * isn't Große") == ["the", "8", "bit", "out", "both", "isn", "t", "große"]


def test_prose_shares_its_rows_of_words() -> None:
    text = "Build a counter that counts up while enable is high"
    assert len(word_ngrams(text, 8)) == 3
    assert word_ngrams(text, 8) < word_ngrams(f"// please,\n// {text.upper()}!", 8)
    assert word_ngrams("too short", 8) == frozenset()


@pytest.mark.parametrize("text", ["0 1 0 1 1 1 0 0 0 1 1 0", "x x y y x x y y z z"])
def test_tables_are_no_prose(text: str) -> None:
    assert word_ngrams(text, 8) == frozenset()
