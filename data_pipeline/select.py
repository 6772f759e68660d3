"""The stage that makes the corpus: of near duplicates the best one, and of those the ones with a good score.

Reads a stage folder of scored modules; writes the corpus, with its dataset card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets, MinhashDedupCluster
from datatrove.pipeline.filters.base_filter import BaseFilter
from pydantic import Field

from autovcoder.store import Manifest, read_manifest
from data_pipeline.corpus_card import write_card
from data_pipeline.documents import DATA, DropWriter, ModuleReader, ModuleWriter
from data_pipeline.near_duplicates import BUCKETS, ChooseBest, RtlSignature, minhash_config, read_groups
from data_pipeline.shards import Run, ShardedStage, ShardSettings, input_stage

NAME = "data.select"
NEAR = "near duplicate"


class SelectSettings(ShardSettings):
    """What of the scored modules becomes the corpus.

    Attributes:
        keep_above: the paper keeps what scores above 6.5 (section III-A).
        keep_fraction: keep this share of what is left after near duplicates, the best, whatever they score.
    """

    keep_above: float = Field(default=6.5, ge=0, le=10)
    keep_fraction: float | None = Field(default=None, gt=0, le=1)


class SelectFilter(BaseFilter):  # type: ignore[misc]
    """Drops what `ChooseBest` decided against; reads the decision when it starts."""

    name = "select"

    def __init__(self, groups: Path, decision: Path, dropped: Path) -> None:
        super().__init__(DropWriter(dropped, NAME))
        self._groups, self._decision = groups, decision

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        decision = json.loads(self._decision.read_text(encoding="utf-8"))
        self._threshold: float = decision["threshold"]
        self._best: dict[str, str] = decision["best"]
        self._of = read_groups(self._groups, rank)
        self._number = -1
        yield from super().run(data, rank, world_size)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        self._number += 1
        group = self._of.get(self._number)
        if group is not None and (best := self._best[str(group)]) != doc.id:
            return False, f"{NEAR}: of {best}"
        score = doc.metadata["score"]
        return True if score > self._threshold else (False, f"low score: {score:.2f}")


def select(scored: Path, out: Path, settings: SelectSettings, run: Run, before: Sequence[Path] = ()) -> Manifest:
    """Drop near duplicates, then what does not score high enough.

    Args:
        before: the folders of the stages before ``scored``, in their order, for the card to tell the whole way.

    Raises:
        StoreError: a folder is unfinished or holds other work. InputError: nothing is left.
    """
    scored = input_stage(scored, scored=True)
    inputs = {"scored": scored, **{f"before {number}": folder for number, folder in enumerate(before, start=1)}}
    for folder in before:
        read_manifest(folder)
    with ShardedStage(out, NAME, config=settings.model_dump(), inputs=inputs, run=run) as stage:
        if stage.manifest:
            return stage.manifest
        work, tasks, shards = stage.work, settings.tasks, scored / DATA
        signatures, pairs, groups, decision = (
            work / name for name in ("signatures", "pairs", "groups", "decision.json")
        )
        config = minhash_config()
        stage.phase("sign", [ModuleReader(shards), RtlSignature(signatures)], tasks)
        stage.phase("compare", [MinhashDedupBuckets(str(signatures), str(pairs), config=config)], BUCKETS)
        stage.phase("group", [MinhashDedupCluster(str(pairs), str(groups), config, save_cluster_id=True)], 1)
        choose = ChooseBest(shards, groups, decision, tasks, settings.keep_above, settings.keep_fraction)
        stage.phase("choose", [choose], 1)
        keep = SelectFilter(groups, decision, work / "dropped")
        stage.phase("select", [ModuleReader(shards), keep, ModuleWriter(out / DATA)], tasks)
        threshold = json.loads(decision.read_text(encoding="utf-8"))["threshold"]
        write_card(out, scored, [*before, scored], stage.dropped, threshold)
        return stage.finish(threshold=threshold)
