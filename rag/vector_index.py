"""Which vectors are nearest to a query's: FAISS, exact while that is fast, inverted lists where there are many.

Reads and writes one file. Vectors have length 1, so an inner product is a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from autovcoder.errors import StoreError
from rag.embed import Vectors

EXACT_UP_TO = 100_000
"""Entries up to which every vector is compared. Above, lists around centroids are searched."""
_GROWN = 4
"""Lists are made anew once there are so many times the vectors they were made for."""
_LISTS, _PROBES = 4, 24
"""Lists for each vector's square root, of which so many are searched."""
_TRAINED_ON_EACH = 64


class VectorIndex:
    """The vectors of a store's rows, in their order."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._chosen: Any = None

    @classmethod
    def empty(cls, dimension: int) -> Self:
        """An index without vectors."""
        return cls(faiss.IndexFlatIP(dimension))

    @classmethod
    def read(cls, path: Path, *, mapped: bool = True) -> Self:
        """An index as ``write`` left it.

        Args:
            mapped: leave the vectors on disk and read what a search needs; nothing can be added then.

        Raises:
            StoreError: the file is missing or damaged.
        """
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        except RuntimeError:
            raise StoreError("the vectors cannot be read", where=path, fix="make the store anew") from None
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: Vectors) -> None:
        """Append rows."""
        self._index.add(vectors)

    def fit(self) -> None:
        """Choose by size how the vectors are searched, and make that ready."""
        count = len(self)
        if count <= EXACT_UP_TO:
            return
        made_for = (_lists(self._index) // _LISTS) ** 2
        if made_for and count < _GROWN * made_for:
            return
        vectors = self.vectors()
        lists = _LISTS * math.isqrt(count)
        quantizer = faiss.IndexFlatIP(self._index.d)
        index = faiss.IndexIVFFlat(quantizer, self._index.d, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = 1
        index.cp.max_points_per_centroid = _TRAINED_ON_EACH
        index.train(vectors)
        index.add(vectors)
        self._index = index

    def describe(self) -> dict[str, Any]:
        """How it is searched, for the store's state."""
        lists = _lists(self._index)
        return {"kind": "inverted lists", "lists": lists, "probes": min(_PROBES, lists)} if lists else {"kind": "exact"}

    def write(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            OSError: it cannot be written.
        """
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(str(error)) from None

    def vectors(self) -> Vectors:
        """All rows, in their order."""
        self._find_rows()
        found: Vectors = self._index.reconstruct_n(0, len(self))
        return found

    def pass_over(self, removed: Sequence[int]) -> None:
        """Leave rows out of every search from now on, and no others."""
        self._chosen = faiss.IDSelectorNot(faiss.IDSelectorBatch(list(removed))) if len(removed) else None

    def search(self, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """For each query the ``k`` nearest rows and their cosines, falling; -1 where there are no more."""
        if lists := _lists(self._index):
            parameters = faiss.SearchParametersIVF(sel=self._chosen, nprobe=min(_PROBES, lists))
        else:
            parameters = faiss.SearchParameters(sel=self._chosen) if self._chosen else None
        cosines, rows = self._index.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
        return rows, np.where(rows >= 0, cosines, 0).astype(np.float32)

    def cosines(self, query: Vectors, rows: Sequence[int]) -> Vectors:
        """The cosines of these rows with one query."""
        self._find_rows()
        found: Vectors = self._index.reconstruct_batch(np.asarray(rows, np.int64)) @ query
        return found

    def _find_rows(self) -> None:
        """Let vectors be asked for by their rows: lists do not know where each is."""
        if _lists(self._index) and self._index.direct_map.type == faiss.DirectMap.NoMap:
            self._index.make_direct_map()


def _lists(index: Any) -> int:
    """How many inverted lists an index has; 0 for one that compares every vector."""
    return int(getattr(index, "nlist", 0))
