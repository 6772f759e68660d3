"""Searching: several stores of one encoder as one, by meaning and by words, and what a reranker is given to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.embed import Side, Vectors
from rag.retrieve import Retriever
from rag.store import EntryStore
from rag.word_index import WordIndex, highest, telling, words

from .conftest import entry

QUERY = "alpha beta"


class Written:
    """An encoder that reads a text's cosine with the query from its first word; the query and its like have 1."""

    name, dimension = "written", 2

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:  # noqa: ARG002
        first = [text.split()[0] for text in texts]
        cosines = np.array([float(word) if word[0] in ".0-" else 1.0 for word in first])
        return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1).astype(np.float32)


@pytest.fixture
def stores(tmp_path: Path) -> tuple[EntryStore, EntryStore]:
    """A user's own and a large one: of the user's the one that shares the query's words is not the nearest."""
    own = EntryStore.create(tmp_path / "own", "knowledge", Written())
    own.add([entry(".20 alpha beta"), entry(".50 something else")])
    large = EntryStore.create(tmp_path / "large", "knowledge", Written())
    large.add([entry(f"{cosine} far {number}") for number, cosine in enumerate((".70", ".60", ".55", ".50", ".30"))])
    large.add([entry(f".10 other {number}") for number in range(60)])
    return own, large


def test_an_own_entry_that_has_the_query_s_words_is_not_behind_all_of_a_larger_store(
    stores: tuple[EntryStore, EntryStore],
) -> None:
    found = Retriever(*stores, hybrid=True).search(QUERY, 4)
    # What only it has counts most; then what is near and has none of the words.
    assert [hit.text for hit in found] == [".20 alpha beta", ".70 far 0", ".60 far 1", ".55 far 2"]
    assert [round(hit.score, 2) for hit in found] == [0.2, 0.7, 0.6, 0.55]


def test_an_own_entry_is_not_before_all_others_because_its_store_is_small(
    stores: tuple[EntryStore, EntryStore],
) -> None:
    _, large = stores
    large.add([entry(".90 alpha beta"), entry(".80 alpha beta gamma")])
    found = Retriever(*stores, hybrid=True).search(QUERY, 3)
    assert [hit.text for hit in found][:2] == [".90 alpha beta", ".80 alpha beta gamma"]


def test_a_name_that_two_entries_have_counts_for_more_than_phrases_that_many_have(tmp_path: Path) -> None:
    common = "block for 8 bit words with an asynchronous active high reset that gives every register its first value"
    store = EntryStore.create(tmp_path / "store", "example", Written())
    others = [f"x{a}{b}" for a in "abcdefghijkl" for b in "mnopqrstuvwx"]
    store.add([entry(f".5 our {name} {common}", "example") for name in others])
    store.add([entry(f".2 thing {name}", "example") for name in others])
    named = [".3 design a zorvex of 32 bits", ".3 build the zorvex unit, clocked, with an enable and much more besides"]
    store.add([entry(text, "example") for text in named])
    query = f"our zorvex {common}"
    assert store.entry(int(store.words.search([query], 1)[0, 0])).text not in named  # plain BM25 prefers the phrases
    assert {hit.text for hit in Retriever(store, hybrid=True).search(query, 2)} == set(named)


def test_an_own_name_counts_beside_a_large_store_as_in_it(tmp_path: Path) -> None:
    common = "block for 8 bit words with an asynchronous active high reset that gives every register its first value"
    large = EntryStore.create(tmp_path / "large", "example", Written())
    others = [f"x{a}{b}" for a in "abcdefghijkl" for b in "mnopqrstuvwx"]
    large.add(
        [entry(f".5 {name} {common if place % 2 else 'counter'}", "example") for place, name in enumerate(others)]
    )
    named = [".45 design a zorvex of 32 bits", ".45 build a zorvex with an enable"]
    for more in (0, 1, 18):
        own = EntryStore.create(tmp_path / f"own{more}", "example", Written())
        own.add([entry(text, "example") for text in [*named, *(f".3 {name} unit" for name in others[:more])]])
        for query in (f"our zorvex {common}", "implement zorvex"):
            assert {hit.text for hit in Retriever(own, large, hybrid=True).search(query, 2)} == set(named)


some_texts = st.lists(st.text("ab c1", max_size=12), min_size=1, max_size=8)


@given(some_texts, some_texts, st.text("ab cd1", max_size=12))
def test_each_word_s_part_in_bm25_counts_by_how_rare_it_is_in_all_stores(
    one: list[str], other: list[str], query: str
) -> None:
    indices = [WordIndex.of(one), WordIndex.of(other)]
    indices[0].pass_over([0])

    def rare(texts: list[str], word: str) -> float:
        having = sum(word in words(text) for text in texts)
        return float(np.log(1 + (len(texts) - having + 0.5) / (having + 0.5)))

    for texts, index, found in zip((one, other), indices, telling(query, indices), strict=True):
        wanted = np.zeros(len(texts))
        for word in words(query):
            if any(word in words(text) for text in texts):
                part = index._bm25.get_scores([word]) / rare(texts, word)
                wanted += part * rare(one + other, word) ** 2
        if texts is one:
            wanted[0] = 0
        assert np.allclose(found, wanted, rtol=1e-4)


@given(st.lists(st.sampled_from([0, 0.5, 1, 2, 3]), max_size=12), st.integers(0, 15))
def test_the_highest_scores_are_found_falling(scores: list[float], k: int) -> None:
    found = highest(np.array(scores, np.float32), k)
    assert [scores[row] for row in found] == sorted((score for score in scores if score), reverse=True)[:k]
    assert len(set(found.tolist())) == len(found)


def test_by_meaning_alone_the_nearest_of_all_stores_come_first_and_none_twice(
    stores: tuple[EntryStore, EntryStore],
) -> None:
    own, _ = stores
    own.add([entry(".60 far 1")])
    found = Retriever(*stores).search(QUERY, 5)
    assert [hit.text for hit in found] == [".70 far 0", ".60 far 1", ".55 far 2", ".50 something else", ".50 far 3"]


def test_a_reranker_reads_what_either_ranking_found(stores: tuple[EntryStore, EntryStore]) -> None:
    read: list[str] = []

    def rerank(query: str, texts: Sequence[str]) -> list[float]:
        read.extend(texts)
        return [float("alpha" in text) for text in texts]

    found = Retriever(*stores, hybrid=True, rerank=rerank).search(QUERY, 1)
    assert [hit.text for hit in found] == [".20 alpha beta"]
    assert len(read) == 10


def test_more_may_be_asked_for_than_there_is(stores: tuple[EntryStore, EntryStore]) -> None:
    own, large = stores
    assert own.nearest(Written().encode([QUERY], "query"), 10**12)[0].shape == (1, 2)
    assert own.words.search([QUERY], 2).tolist() == [[0, -1]]
    assert len(Retriever(own, large, hybrid=True).search(QUERY, 10**9)) == 67
