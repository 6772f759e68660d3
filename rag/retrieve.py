"""Which entries a query finds: by meaning, by words too where that is asked, and put in order by a reranker.

Reads one store, or several of one encoder as if they were one; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
_Place = tuple[int, int]
"""Which of the stores, and which of its rows."""


class Reranker(Protocol):
    """Scores (query, entry) pairs by reading both at once."""

    def __call__(self, query: str, texts: Sequence[str]) -> Sequence[float]: ...


class Retriever:
    """Finds entries of a store, or of several that were made with the same encoder.

    Args:
        hybrid: fuse the ranking by meaning with BM25's, by reciprocal rank. Cosines of one encoder can be compared, so
            all stores have one ranking by meaning; BM25's scores depend on a store's other texts, so each has its own.
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
        deep = k * _DEEPER if self.hybrid else kept
        near = [store.nearest(asked, deep) for store in self.stores]
        words = [store.matching(queries, deep) for store in self.stores] if self.hybrid else []
        found = []
        for number, query in enumerate(queries):
            cosines = _by_meaning([(rows[number], values[number]) for rows, values in near])
            by_words = [_rows(store, rows[number]) for store, rows in enumerate(words)]
            best = self._entries(asked[number], _fused(list(cosines), *by_words), cosines, kept)
            found.append(_reranked(query, best, self.rerank)[:k] if self.rerank else best)
        return found

    def _entries(
        self, asked: Vectors, order: Sequence[_Place], cosines: Mapping[_Place, float], k: int
    ) -> list[Scored]:
        """The first ``k`` entries, none twice; those that only their words found are compared with the query now."""
        chosen: dict[str, tuple[Entry, _Place]] = {}
        for place in order:
            if len(chosen) == k:
                break
            entry = self.stores[place[0]].entry(place[1])
            chosen.setdefault(entry.id, (entry, place))
        unknown = [entry.key for entry, place in chosen.values() if place not in cosines]
        others = iter((self.stores[0].embedder.encode(unknown, "document") @ asked).tolist() if unknown else ())
        return [(entry, cosines[place] if place in cosines else next(others)) for entry, place in chosen.values()]


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


def _by_meaning(found: Sequence[tuple[NDArray[np.int64], Vectors]]) -> dict[_Place, float]:
    """What each store has nearest (rows and cosines) as one ranking; equals stay in the stores' order."""
    cosines = {
        (store, row): cosine
        for store, (rows, values) in enumerate(found)
        for row, cosine in zip(rows.tolist(), values.tolist(), strict=True)
        if row >= 0
    }
    return dict(sorted(cosines.items(), key=lambda item: -item[1]))


def _rows(store: int, rows: NDArray[np.int64]) -> list[_Place]:
    return [(store, row) for row in rows.tolist() if row >= 0]


def _reranked(query: str, found: Sequence[Scored], rerank: Reranker) -> list[Scored]:
    scores = rerank(query, [entry.key for entry, _ in found]) if found else ()
    return [found[place] for place in sorted(range(len(found)), key=lambda place: -scores[place])]


def _fused(*rankings: Sequence[_Place]) -> list[_Place]:
    """Rankings as one: the sum over all of 1 / (60 + rank); equals stay in the first one's order."""
    scores: dict[_Place, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, start=1):
            scores[place] = scores.get(place, 0.0) + 1 / (_RANK_OFFSET + rank)
    return sorted(scores, key=lambda place: -scores[place])


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
