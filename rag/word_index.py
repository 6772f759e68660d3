"""Which entries share the most telling words with a query: BM25 over words and numbers, as it is or by rarity.

Reads and writes a folder.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autovcoder.errors import StoreError

_WORD = re.compile(r"[^\W\d_]+|\d+")


class WordIndex:
    """The words of a store's rows, in their order."""

    def __init__(self, bm25: Any, rows: int) -> None:
        self._bm25 = bm25
        self._mask = np.ones(rows, np.float32)

    def __len__(self) -> int:
        return len(self._mask)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """An index of the texts, in memory."""
        import bm25s

        # Numbered as they come: bm25s numbers them by a set, which makes other files of the same texts every time.
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(word, len(numbers)) for word in words(text) or [""]] for text in texts]
        bm25 = bm25s.BM25(method="lucene")
        bm25.index((rows, numbers), show_progress=False)
        return cls(bm25, len(rows))

    def write(self, folder: Path) -> None:
        """Write it to a folder.

        Raises:
            OSError: it cannot be written.
        """
        self._bm25.save(str(folder), show_progress=False)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """An index as ``write`` left it; its numbers stay on disk until they are needed.

        Raises:
            StoreError: the folder is missing or damaged.
        """
        import bm25s

        try:
            bm25 = bm25s.BM25.load(str(folder), mmap=True, show_progress=False)
        except Exception as error:  # NumPy, JSON and the file system each raise their own
            raise StoreError("the words cannot be read", where=folder, fix=f"make the store anew ({error})") from None
        return cls(bm25, int(bm25.scores["num_docs"]))

    def pass_over(self, removed: Sequence[int]) -> None:
        """Leave rows out of every search from now on, and no others."""
        self._mask[:] = 1
        self._mask[list(removed)] = 0

    def having(self, asked: Sequence[str]) -> NDArray[np.int64]:
        """For each word how many rows have it."""
        ends, known = self._bm25.scores["indptr"], self._bm25.vocab_dict
        numbers = [known.get(word) for word in asked]
        return np.array([0 if n is None else ends[n + 1] - ends[n] for n in numbers], np.int64)

    def weighed(self, weights: Mapping[str, float]) -> NDArray[np.float32]:
        """Every row's sum over the words that it has: the word's weight times BM25's part for how often it is there."""
        scores, found = self._bm25.scores, np.zeros(len(self._mask), np.float32)
        for word, weight in weights.items():
            number = self._bm25.vocab_dict.get(word)
            if number is not None:
                part = slice(*scores["indptr"][number : number + 2])
                rows = scores["indices"][part]
                # What is stored has this index's own rarity in it.
                found[rows] += weight / rarity(len(found), len(rows)) * scores["data"][part]
        return found * self._mask

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int64]:
        """For each query the ``k`` best rows by BM25, falling; -1 where no more share a word with it."""
        found = np.full((len(queries), k), -1, np.int64)
        for row, query in enumerate(queries):
            asked = words(query)
            if not asked:
                continue
            scores = self._bm25.get_scores(asked) * self._mask
            best = highest(scores, k)
            found[row, : len(best)] = best
        return found


def rarity(rows: int, having: int) -> float:
    """The inverse document frequency of a word, as bm25s' method "lucene" has it."""
    return math.log1p((rows - having + 0.5) / (having + 0.5))


def telling(query: str, indices: Sequence[WordIndex]) -> list[NDArray[np.float32]]:
    """For each index every row's score: BM25, but with each word's rarity squared, and counted over all indices.

    Squared, as in a cosine of TF-IDF vectors (Salton and Buckley, "Term-weighting approaches in automatic text
    retrieval", 1988): in BM25 a name that only two entries have is outweighed by a few phrases that many have, and to a
    reader that name is all the query is about. Over all, since a word that is common in a large library may be in every
    entry of a small one, and the other way round.
    """
    counted = Counter(words(query))
    rows = sum(len(index) for index in indices)
    having = np.sum([index.having(list(counted)) for index in indices], axis=0).tolist()
    weights = {
        word: times * rarity(rows, count) ** 2
        for (word, times), count in zip(counted.items(), having, strict=True)
        if count
    }
    return [index.weighed(weights) for index in indices]


def highest(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The ``k`` rows that have the highest scores above 0, falling; equals in their order, but for those at the end."""
    k = min(k, len(scores))
    if not k:
        return np.zeros(0, np.int64)
    best = np.argpartition(scores, -k)[-k:]
    best = best[np.lexsort((best, -scores[best]))]
    kept: NDArray[np.int64] = best[scores[best] > 0]
    return kept


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case; of a name such as ``rst_n`` the parts."""
    return _WORD.findall(text.lower())
