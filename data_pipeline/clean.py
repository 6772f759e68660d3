"""The stage that drops what is not for the corpus, and exact duplicates.

Reads a stage folder of modules; writes one, with a reason in ``dropped.jsonl`` for each module that left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datatrove.pipeline.dedup.exact_dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
)
from datatrove.pipeline.filters.base_filter import BaseFilter

from autovcoder.store import Manifest
from data_pipeline.cleaning_rules import CleanSettings, reason_to_drop
from data_pipeline.documents import DATA, DropWriter, ModuleReader, ModuleWriter, to_module
from data_pipeline.shards import Run, ShardedStage, ShardSettings, input_stage
from hdl_sim.normal_form import exact_key

if TYPE_CHECKING:
    from datatrove.data import Document

NAME = "data.clean"
DUPLICATE = "exact duplicate of a module that stays"


class CleanStageSettings(CleanSettings, ShardSettings):
    """What stays, and the number of shards."""


class CleanFilter(BaseFilter):  # type: ignore[misc]
    """Drops what `reason_to_drop` names a reason for."""

    name = "clean"

    def __init__(self, settings: CleanSettings, dropped: Path) -> None:
        super().__init__(DropWriter(dropped, NAME))
        self._settings = settings

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        reason = reason_to_drop(to_module(doc), self._settings)
        return True if reason is None else (False, reason)


class DuplicateFilter(ExactDedupFilter):  # type: ignore[misc]
    """Drops exact duplicates; says so in what it writes."""

    def __init__(self, duplicates: Path, config: ExactDedupConfig, dropped: Path) -> None:
        super().__init__(str(duplicates), config, DropWriter(dropped, NAME, reason=DUPLICATE))


def clean(modules: Path, out: Path, settings: CleanStageSettings, run: Run) -> Manifest:
    """Drop what is not for the corpus, then all but one of modules whose code is the same but for space and comments.

    Raises:
        StoreError: a folder is unfinished or holds other work. InputError: nothing is left.
    """
    modules = input_stage(modules)
    with ShardedStage(out, NAME, config=settings.model_dump(), inputs={"modules": modules}, run=run) as stage:
        if stage.manifest:
            return stage.manifest
        work, tasks = stage.work, settings.tasks
        kept, signatures, found = work / "kept", work / "signatures", work / "duplicates"
        same = ExactDedupConfig(content_getter=_content)
        rules = CleanFilter(settings, work / "dropped")
        stage.phase("clean", [ModuleReader(modules / DATA), rules, ModuleWriter(kept)], tasks)
        stage.phase("sign", [ModuleReader(kept), ExactDedupSignature(str(signatures), same)], tasks)
        stage.phase("compare", [ExactFindDedups(str(signatures), str(found), same)], 1)
        # In files of their own: the tasks of the first phase have written the others.
        duplicates = DuplicateFilter(found, same, work / "dropped" / "duplicates")
        stage.phase("drop", [ModuleReader(kept), duplicates, ModuleWriter(out / DATA)], tasks)
        return stage.finish()


def _content(document: Document) -> bytes:
    return exact_key(document.text).encode()
