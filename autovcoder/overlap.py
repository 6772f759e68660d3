"""How much two texts share, and which of many texts shares much with a given one, without comparing every pair.

Reads tokens of any kind: of RTL, or words of prose. Writes nothing.

A text is compared by its shingles, the sets of n tokens in a row (Broder, "On the resemblance and containment of
documents", 1997). Words in a row are also how training data is freed from benchmarks: 13 by Brown et al. (2020,
appendix C), 8 by Chowdhery et al. (2022, section 8).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"[^\W_]+")
# Odd, so that no bit of a token's hash is lost; any such number does.
_STEP = np.uint64(0x9E3779B97F4A7C15)


class Overlap(NamedTuple):
    """How much a text shares with an entry of an index; all shares are from 0 to 1.

    Attributes:
        key: of the entry.
        jaccard: shingles of both, of the shingles of either.
        contained: shingles of both, of the entry's.
    """

    key: int
    jaccard: float
    contained: float


def shingles(tokens: Sequence[str], n: int, plain: AbstractSet[str] = frozenset()) -> frozenset[int]:
    """The hashes (64 bits, the same in every process) of all ``n`` tokens in a row.

    A text of fewer tokens is one shingle; an empty one has none. Rows of nothing but ``plain`` tokens are left out.
    """
    if not tokens:
        return frozenset()
    n = min(n, len(tokens))
    found = _hashes(tokens, n)
    if plain:
        telling = np.cumsum([0, *(token not in plain for token in tokens)])
        found = [value for value, count in zip(found, telling[n:] - telling[:-n], strict=True) if count]
    return frozenset(found)


def _hashes(tokens: Sequence[str], n: int) -> list[int]:
    """One hash for each place at which ``n`` tokens in a row begin; ``n`` is from 1 to their number."""
    numbers = {token: _number(token) for token in set(tokens)}
    values = np.array([numbers[token] for token in tokens], dtype=np.uint64)
    count = len(values) - n + 1
    hashed = np.zeros(count, dtype=np.uint64)
    for place in range(n):
        hashed = hashed * _STEP + values[place : place + count]  # modulo 2**64
    found: list[int] = hashed.tolist()
    return found


@lru_cache(maxsize=1 << 16)
def _number(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode(errors="replace"), digest_size=8).digest(), "big")


def jaccard(one: AbstractSet[int], other: AbstractSet[int]) -> float:
    """What two sets share, of what is in either; 0 when both are empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def containment(part: AbstractSet[int], whole: AbstractSet[int]) -> float:
    """How much of ``part`` is in ``whole``; 0 for an empty part."""
    return len(part & whole) / len(part) if part else 0.0


class ShingleIndex:
    """Finds the entries that share shingles with a text. Takes memory for the shingles of its entries alone."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._places: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, shingles: AbstractSet[int]) -> int:
        """Add an entry; returns its key: how many were there before."""
        key = len(self._sizes)
        for shingle in shingles:
            self._places.setdefault(shingle, []).append(key)
        self._sizes.append(len(shingles))
        return key

    def forget_common(self, most: int) -> None:
        """Take out the shingles that more than ``most`` entries share: set phrases, which say nothing about one."""
        common = [shingle for shingle, keys in self._places.items() if len(keys) > most]
        for shingle in common:
            for key in self._places.pop(shingle):
                self._sizes[key] -= 1

    def find(self, shingles: AbstractSet[int], least: float = 0.0) -> list[Overlap]:
        """The entries that share a shingle with a text and of which at least the share ``least`` is in it.

        In falling order of the Jaccard similarity, equals by key. That similarity is never above the contained share,
        so one bound does for both.
        """
        places = self._places
        shared = Counter(key for shingle in shingles if shingle in places for key in places[shingle])
        overlaps = [
            Overlap(key, count / (len(shingles) + self._sizes[key] - count), count / self._sizes[key])
            for key, count in shared.items()
            if count >= least * self._sizes[key]
        ]
        return sorted(overlaps, key=lambda overlap: (-overlap.jaccard, overlap.key))


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return _WORD.findall(text.lower())


def word_ngrams(text: str, n: int) -> frozenset[int]:
    """Those shingles of ``n`` `words` by which a text can be known; a text of fewer words has none.

    Rows of few different words, such as the lines of a truth table, are left out: they are the same everywhere. For the
    entries of an index; what is looked up in it may keep them.
    """
    found = words(text)
    return frozenset(
        shingle
        for place, shingle in enumerate(_hashes(found, n) if len(found) >= n else ())
        if len(set(found[place : place + n])) > n // 2
    )
