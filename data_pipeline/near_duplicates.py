"""Finds modules that are nearly the same, by MinHash over their tokens, and which of each group stays.

Reads shards of scored modules; writes signatures, groups and the decision into a stage's working folder.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.word_tokenizers import WordTokenizer

from autovcoder.overlap import shingles
from data_pipeline.documents import ModuleReader
from hdl_sim.normal_form import normal_tokens

# Pairs that share 72 % of their 5-grams are found half of the time, of 85 % nearly always: FineWeb's settings
# (Penedo et al. 2024, section 3.4), which datatrove has for defaults too.
N_GRAMS, BUCKETS, HASHES = 5, 14, 8


class _NoWords(WordTokenizer):  # type: ignore[misc]
    """Stands where datatrove wants the words of a language; RTL has none."""

    def word_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError

    sent_tokenize = span_tokenize = word_tokenize


class RtlSignature(MinhashDedupSignature):  # type: ignore[misc]
    """A step that writes the MinHash signatures of a task's modules, over their tokens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), minhash_config(), language=_NoWords())

    def get_shingles(self, text: str) -> np.ndarray:
        """The hashes of the module's n-grams, comments and layout left out: uint64, shape (n-grams, 1)."""
        found = shingles(normal_tokens(text), N_GRAMS)
        return np.fromiter(found, dtype=np.uint64, count=len(found)).reshape((-1, 1))


def minhash_config() -> MinhashConfig:
    return MinhashConfig(n_grams=N_GRAMS, num_buckets=BUCKETS, hashes_per_bucket=HASHES)


def read_groups(groups: Path, rank: int) -> dict[int, int]:
    """Number of a module in a task's input to the number of its group; those that are like no other have none."""
    file = groups / f"{rank:06d}.clusters"
    if not file.exists():
        return {}
    return dict(struct.iter_unpack("<2I", file.read_bytes()))


class ChooseBest(PipelineStep):  # type: ignore[misc]
    """Decides which member of each group stays, and from which score on: one task, which sees all modules' scores.

    Keeps a score and an id for each group in memory, and where a share is to be kept eight bytes for each module.

    Args:
        keep_above: a module stays when its score is above it. ``keep_fraction``: or this share of what is left, the
            best.
    """

    type = "select"
    name = "choose"

    def __init__(
        self, shards: Path, groups: Path, out: Path, tasks: int, keep_above: float, keep_fraction: float | None
    ) -> None:
        super().__init__()
        self._shards, self._groups, self._out, self._tasks = shards, groups, out, tasks
        self._keep_above, self._keep_fraction = keep_above, keep_fraction

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        del data, rank, world_size
        best: dict[int, tuple[float, str]] = {}
        alone = array("d")
        for task in range(self._tasks):
            groups = read_groups(self._groups, task)
            for number, document in enumerate(ModuleReader(self._shards).run(None, task, self._tasks)):
                score, group = document.metadata["score"], groups.get(number)
                if group is None:
                    if self._keep_fraction is not None:
                        alone.append(score)
                    continue
                # The highest score; of equal ones the lowest id.
                held = best.get(group)
                if held is None or (-score, document.id) < (-held[0], held[1]):
                    best[group] = (score, document.id)
        threshold = self._keep_above
        alone.extend(score for score, _ in best.values())
        if self._keep_fraction is not None and alone:
            scores = np.sort(np.frombuffer(alone))[::-1]
            count = max(1, round(self._keep_fraction * len(scores)))
            # Just below the worst that stays, so that "above" holds for it.
            threshold = float(np.nextafter(scores[count - 1], -1.0))
        decision = {"threshold": threshold, "best": {group: name for group, (_, name) in sorted(best.items())}}
        self._out.write_text(json.dumps(decision), encoding="utf-8")
        yield from ()
