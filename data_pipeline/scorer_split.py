"""How labelled modules are parted for training, early stopping and measuring, so that nothing measured was nearly seen.

Reads modules' texts and repositories; writes nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from autovcoder.overlap import shingles
from autovcoder.records import content_id
from hdl_sim.normal_form import normal_tokens

if TYPE_CHECKING:
    import numpy as np

TRAIN, VALIDATION, HELD_OUT, LEFT_OUT = 0, 1, 2, 3
_DIGITS = re.compile(r"\d+")
# MinHash over rows of 5 tokens: two modules whose Jaccard similarity is 0.7 share one of 16 bands of 4 hashes with a
# probability of 0.99, at 0.4 of 0.34.
_N_GRAMS, _BANDS, _HASHES = 5, 16, 4


def near_groups(codes: Sequence[str]) -> list[int]:
    """For each module the number of its group: modules that are nearly the same have the same, numbers in them aside.

    Copies in several repositories, versions of a file, and what a generator wrote with other parameters fall together.
    Who is like someone in a group belongs to it, so a group can be wider than any pair of it; for a split that is the
    safe side.
    """
    import numpy as np

    factors = np.random.default_rng(0).integers(1, 2**63, size=(_BANDS * _HASHES, 1), dtype=np.uint64) * 2 + 1
    group = list(range(len(codes)))
    first: dict[Hashable, int] = {}
    for number, code in enumerate(codes):
        found = shingles([_DIGITS.sub("0", token) for token in normal_tokens(code)], _N_GRAMS)
        if not found:
            continue
        hashes = np.fromiter(found, np.uint64, len(found))[None, :]
        # The high half of a product is what mixes well.
        lowest = ((hashes * factors) >> np.uint64(32)).min(axis=1).reshape(_BANDS, _HASHES)
        for band, row in enumerate(lowest.tolist()):
            other = first.setdefault((band, *row), number)
            one, two = _root(group, number), _root(group, other)
            group[max(one, two)] = min(one, two)
    return [_root(group, number) for number in range(len(codes))]


def _root(group: list[int], number: int) -> int:
    while group[number] != number:
        group[number] = group[group[number]]
        number = group[number]
    return number


def split(groups: Sequence[Hashable], held_out: float, validation: float, seed: int) -> np.ndarray:
    """`TRAIN`, `VALIDATION` or `HELD_OUT` for each module; a group is never divided.

    Groups are taken in the order of a hash, whole, until each part has its share; one that would fill a part to more
    than half above its share is left to training.

    Args:
        groups: of each module. ``held_out``, ``validation``: shares of all modules.
    """
    import numpy as np

    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        members[group].append(number)
    parts = np.full(len(groups), TRAIN)
    order = sorted(members, key=lambda group: content_id(seed, group))
    for part, share in ((HELD_OUT, held_out), (VALIDATION, validation)):
        wanted, have = share * len(groups), 0
        for group in order:
            rows = members[group]
            if have < wanted and parts[rows[0]] == TRAIN and have + len(rows) <= 1.5 * wanted:
                parts[rows] = part
                have += len(rows)
    return parts
