"""The stage that drops what copies a benchmark's problems.

Reads a stage folder of modules and the ``problems.jsonl`` of any suites; writes a stage folder of modules, and in
``matches.jsonl`` what matched what and how (ContaminationMatch), what is too small to count listed too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter

from autovcoder.files import join_files, read_records, to_json_line
from autovcoder.records import ContaminationMatch
from autovcoder.store import Manifest
from data_pipeline.contamination import ContaminationIndex, read_problems
from data_pipeline.documents import DATA, DropWriter, ModuleReader, ModuleWriter
from data_pipeline.shards import Run, ShardedStage, ShardSettings, input_stage

NAME = "data.decontaminate"
MATCHES = "matches.jsonl"


class ContaminationFilter(BaseFilter):  # type: ignore[misc]
    """Drops modules that match a problem; writes every match, a file for each task."""

    name = "decontaminate"

    def __init__(self, against: Sequence[Path], matches: Path, dropped: Path) -> None:
        super().__init__(DropWriter(dropped, NAME))
        self._against, self._matches = against, matches

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        self._index = ContaminationIndex.from_problems(read_problems(self._against))
        self._matches.mkdir(exist_ok=True, parents=True)
        with (self._matches / f"{rank:05d}.jsonl").open("w", encoding="utf-8") as self._file:
            yield from super().run(data, rank, world_size)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        matches = self._index.matches(doc.text, doc.id)
        self._file.writelines(map(to_json_line, matches))
        worst = next((match for match in matches if match.removes), None)
        return True if worst is None else (False, f"{worst.kind} match: {worst.suite} {worst.problem_id}")


def decontaminate(modules: Path, out: Path, against: Sequence[Path], settings: ShardSettings, run: Run) -> Manifest:
    """Drop the modules that match a problem of any of the suites in ``against``.

    Raises:
        StoreError: a folder is unfinished or holds other work. InputError: a suite cannot be read; nothing is left.
    """
    modules, against = input_stage(modules), [Path(file).resolve() for file in against]
    inputs = {"modules": modules, **{f"suite {number}": file for number, file in enumerate(against, start=1)}}
    with ShardedStage(out, NAME, config=settings.model_dump(), inputs=inputs, run=run) as stage:
        if stage.manifest:
            return stage.manifest
        suites = Counter(problem.suite for problem in read_problems(against))
        work = stage.work
        keep = ContaminationFilter(against, work / "matches", work / "dropped")
        stage.phase("match", [ModuleReader(modules / DATA), keep, ModuleWriter(out / DATA)], settings.tasks)
        matches = join_files(sorted((work / "matches").glob("*.jsonl")), out / MATCHES)
        return stage.finish(problems=dict(suites), matches=_by_kind(matches))


def _by_kind(matches: Path) -> dict[str, int]:
    """Kind to how many modules have such a match as their strongest."""
    first: dict[str, str] = {}
    for match in read_records(matches, ContaminationMatch):
        first.setdefault(match.module_id, match.kind)
    return dict(Counter(first.values()).most_common())
