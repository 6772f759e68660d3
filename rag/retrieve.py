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
from rag.word_index import highest, telling

_WORDS_WEIGHT = 0.75
"""What the entry that shares the most telling words with a query gains over one that shares none, in cosine."""
_DEEPER = 10
"""Of each ranking so many times the entries wanted are compared or reranked."""


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
        hybrid: order by the cosine and the words in common together: a weighted sum of scores, which keeps how far one
            is ahead, where a sum of reciprocal ranks forgets it (Bruch, Gai and Ingber, "An Analysis of Fusion
            Functions for Hybrid Retrieval", arXiv 2210.11934).
        rerank: puts the best of them in its own order.
    """

    def __init__(self, *stores: EntryStore, hybrid: bool = False, rerank: Reranker | None = None) -> None:
        self.stores = tuple(store for store in stores if len(store))
        self.hybrid, self.rerank = hybrid, rerank

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
        found = []
        for number, query in enumerate(queries):
            cosines = _by_meaning([(rows[number], values[number]) for rows, values in near])
            if self.hybrid:
                cosines = self._by_both(query, asked[number], cosines, deep)
            best = self._entries(cosines, kept)
            found.append(_reranked(query, best, self.rerank)[:k] if self.rerank else best)
        return found

    def _by_both(self, query: str, asked: Vectors, near: Mapping[_Place, float], k: int) -> dict[_Place, float]:
        """The cosines of all that is near and of the ``k`` of each store with the most telling words, in one order."""
        words = telling(query, [store.words for store in self.stores])
        cosines = dict(near)
        for number, (store, scores) in enumerate(zip(self.stores, words, strict=True)):
            rows = [row for row in highest(scores, k).tolist() if (number, row) not in near]
            if rows:
                cosines |= zip(((number, row) for row in rows), store.cosines(asked, rows).tolist(), strict=True)
        most = max((float(scores.max()) for scores in words if len(scores)), default=0) or 1.0

        def worth(found: tuple[_Place, float]) -> float:
            (store, row), cosine = found
            return cosine + _WORDS_WEIGHT * float(words[store][row]) / most

        return dict(sorted(cosines.items(), key=worth, reverse=True))

    def _entries(self, cosines: Mapping[_Place, float], k: int) -> list[Scored]:
        """The first ``k`` entries, none twice."""
        chosen: dict[str, Scored] = {}
        for (store, row), cosine in cosines.items():
            if len(chosen) == k:
                break
            entry = self.stores[store].entry(row)
            chosen.setdefault(entry.id, (entry, cosine))
        return list(chosen.values())


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


def _reranked(query: str, found: Sequence[Scored], rerank: Reranker) -> list[Scored]:
    scores = rerank(query, [entry.key for entry, _ in found]) if found else ()
    return [found[place] for place in sorted(range(len(found)), key=lambda place: -scores[place])]


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
