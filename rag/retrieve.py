"""Which entries a query finds: by meaning, by words too where that is asked, and put in order by a reranker.

Reads one store, or several of one encoder as if they were one; writes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from autovcoder.errors import ModelError
from autovcoder.records import Entry, Hit
from rag.embed import Vectors
from rag.store import EntryStore

_RANK_OFFSET = 60
"""Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet" (2009): ``k`` = 60."""
_DEEPER = 10
"""Of each ranking so many times the entries wanted are fused or reranked."""


Scored = tuple[Entry, float]
"""An entry and its cosine with the query."""


class Reranker(Protocol):
    """Scores (query, entry) pairs by reading both at once."""

    def __call__(self, query: str, texts: Sequence[str]) -> Sequence[float]: ...


class Retriever:
    """Finds entries of a store, or of several that were made with the same encoder.

    Args:
        hybrid: fuse the ranking by meaning with BM25's, by reciprocal rank.
        rerank: puts the best of them in its own order.
    """

    def __init__(self, *stores: EntryStore, hybrid: bool = False, rerank: Reranker | None = None) -> None:
        self.stores, self.hybrid, self.rerank = stores, hybrid, rerank

    def search(self, query: str, k: int) -> list[Hit]:
        """The ``k`` best entries, best first; fewer where there are fewer."""
        return self.search_many([query], k)[0]

    def search_many(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """`search` for several queries at once, which takes less time for each."""
        return [[hit_of(*found) for found in one] for one in self._found(queries, k)]

    def find_many(self, queries: Sequence[str], k: int) -> list[list[Entry]]:
        """The entries themselves that `search_many` finds."""
        return [[entry for entry, _ in one] for one in self._found(queries, k)]

    def _found(self, queries: Sequence[str], k: int) -> list[list[Scored]]:
        if not queries or k < 1 or not self.stores:
            return [[] for _ in queries]
        asked = self.stores[0].embedder.encode(queries, "query")
        kept = k * _DEEPER if self.rerank else k
        parts = [self._found_in(store, queries, asked, kept) for store in self.stores]
        found = [_merged(rankings)[:kept] for rankings in zip(*parts, strict=True)]
        if self.rerank is None:
            return found
        return [_reranked(query, one, self.rerank)[:k] for query, one in zip(queries, found, strict=True)]

    def _found_in(self, store: EntryStore, queries: Sequence[str], asked: Vectors, k: int) -> list[list[Scored]]:
        """The best of one store, before a reranker reads them."""
        deep = k * _DEEPER if self.hybrid and not self.rerank else k
        near = [
            {row: cosine for row, cosine in zip(rows, cosines, strict=True) if row >= 0}
            for rows, cosines in zip(*(array.tolist() for array in store.nearest(asked, deep)), strict=True)
        ]
        ranked = [list(one) for one in near]
        if self.hybrid:
            words = store.matching(queries, deep).tolist()
            ranked = [_fused(one, [row for row in other if row >= 0]) for one, other in zip(ranked, words, strict=True)]
        return [
            _with_cosines(store, vector, order[:k], cosines)
            for vector, order, cosines in zip(asked, ranked, near, strict=True)
        ]


class CrossEncoderReranker:
    """A `Reranker` of sentence-transformers, such as BAAI/bge-reranker-v2-m3.

    Raises:
        ModelError: there is none of this name.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import CrossEncoder

            from autovcoder.models.transformers_engine import quiet

            with quiet():
                self._model: Any = CrossEncoder(name)
        except ImportError:
            fix = "pip install 'autovcoder[rag]'"
            raise ModelError("a reranker needs sentence-transformers", where=name, fix=fix) from None
        except Exception as error:  # whatever a hub, a file or a config made it raise
            fix = (str(error).strip().splitlines() or [""])[0]
            raise ModelError("the reranker cannot be loaded", where=name, fix=fix) from None

    def __call__(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        scores = self._model.predict([(query, text) for text in texts], show_progress_bar=False)
        return [float(score) for score in np.asarray(scores).reshape(len(texts), -1)[:, 0]]


def _with_cosines(store: EntryStore, vector: Vectors, rows: Sequence[int], cosines: dict[int, float]) -> list[Scored]:
    """The entries of rows; those that only their words found are compared with the query now."""
    entries = [store.entry(row) for row in rows]
    unknown = [entry.key for row, entry in zip(rows, entries, strict=True) if row not in cosines]
    others = iter((store.embedder.encode(unknown, "document") @ vector).tolist() if unknown else ())
    return [(entry, cosines[row] if row in cosines else next(others)) for row, entry in zip(rows, entries, strict=True)]


def _merged(rankings: Sequence[Sequence[Scored]]) -> list[Scored]:
    """Several rankings as one: each keeps its order, the nearer of their next entries comes first, none comes twice."""
    found: dict[str, Scored] = {}
    for entry, cosine in heapq.merge(*rankings, key=lambda one: -one[1]):
        found.setdefault(entry.id, (entry, cosine))
    return list(found.values())


def _reranked(query: str, found: Sequence[Scored], rerank: Reranker) -> list[Scored]:
    scores = rerank(query, [entry.key for entry, _ in found]) if found else ()
    return [found[place] for place in sorted(range(len(found)), key=lambda place: -scores[place])]


def _fused(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Two rankings as one: the sum over both of 1 / (60 + rank); equals stay in the first one's order."""
    scores: dict[int, float] = {}
    for ranking in (one, other):
        for rank, row in enumerate(ranking, start=1):
            scores[row] = scores.get(row, 0.0) + 1 / (_RANK_OFFSET + rank)
    return sorted(scores, key=lambda row: -scores[row])


def hit_of(entry: Entry, score: float) -> Hit:
    """An entry as what a search found."""
    return Hit(
        doc_id=entry.id,
        text=entry.text,
        score=score,
        store=entry.store,
        title=entry.title,
        source=entry.source,
        place=entry.place,
    )
