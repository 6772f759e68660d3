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
from rag.word_index import highest

_WORDS_WEIGHT = 0.75
"""What the entry that shares the most telling words with a query gains over one that shares none, in cosine."""
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
        hybrid: order by the cosine and the words in common together: a weighted sum of scores, which keeps how far one
            is ahead, where a sum of reciprocal ranks forgets it (Bruch, Gai and Ingber, "An Analysis of Fusion
            Functions for Hybrid Retrieval", arXiv 2210.11934).
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
        near = [store.nearest(asked, kept * _DEEPER if self.hybrid else kept) for store in self.stores]
        found = []
        for number, query in enumerate(queries):
            cosines = _by_meaning([(rows[number], values[number]) for rows, values in near])
            order = self._by_both(query, asked[number], cosines, kept * _DEEPER) if self.hybrid else list(cosines)
            best = self._entries(order, cosines, kept)
            found.append(_reranked(query, best, self.rerank)[:k] if self.rerank else best)
        return found

    def _by_both(self, query: str, asked: Vectors, cosines: dict[_Place, float], k: int) -> list[_Place]:
        """All that is near, and the ``k`` of each store with the most words in common, in one order.

        The cosines of the latter are added to ``cosines``.
        """
        words = [store.words_in_common(query) for store in self.stores]
        for number, (store, scores) in enumerate(zip(self.stores, words, strict=True)):
            rows = [row for row in highest(scores, min(k, len(scores))).tolist() if (number, row) not in cosines]
            if rows:
                cosines |= zip(((number, row) for row in rows), store.cosines(asked, rows).tolist(), strict=True)
        # Of all stores together: what only one of them has counts against what the others have.
        most = max((float(scores.max()) for scores in words if len(scores)), default=0) or 1.0
        return sorted(
            cosines, key=lambda place: -cosines[place] - _WORDS_WEIGHT * float(words[place[0]][place[1]]) / most
        )

    def _entries(self, order: Sequence[_Place], cosines: Mapping[_Place, float], k: int) -> list[Scored]:
        """The first ``k`` entries, none twice."""
        chosen: dict[str, Scored] = {}
        for place in order:
            if len(chosen) == k:
                break
            entry = self.stores[place[0]].entry(place[1])
            chosen.setdefault(entry.id, (entry, cosines[place]))
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
