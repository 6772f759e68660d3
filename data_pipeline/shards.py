"""Stages whose work is split into tasks: many shards in, many shards out, one stage folder.

Reads settings and steps; writes a stage folder: ``data/*.parquet``, ``dropped.jsonl`` and the manifest. While the work
is under way, a hidden folder in it holds the logs, the markers of ended tasks and what passes from phase to phase.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import InputError
from autovcoder.files import join_files, read_jsonl, write_atomic
from autovcoder.store import DROPPED, Manifest, Stage, read_manifest
from data_pipeline.documents import DATA
from data_pipeline.executors import ExecutorSettings, run_steps

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

# A part of a stage folder that is left out of the manifest (see `autovcoder.files`).
WORK = ".work.partial"
TASKS = 8
"""Into how many tasks a stage splits its work by default: a few for each core, so that none waits long for another."""


class ShardSettings(Settings):
    """``tasks`` is the number of shards that a stage writes."""

    tasks: int = Field(default=TASKS, ge=1)


Tell = Callable[[str, int, int], None]
"""Told the phase, how many of its tasks have ended, and how many it has."""


@dataclass(frozen=True)
class Run:
    """Where steps run, and who is told how far they are."""

    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    tell: Tell = lambda phase, done, tasks: None


class ShardedStage:
    """A stage folder whose work is done by tasks.

    Use as a context manager; inside it, `phase` runs steps and `finish` writes what they made into the folder. A folder
    that is complete has ``manifest`` set from the start, and nothing is to be done.

    Raises:
        StoreError: see `Stage`.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, Path],
        run: Run,
        seed: int | None = None,
        packages: Sequence[str] = ("datatrove",),
    ) -> None:
        versions = {package: metadata.version(package) for package in packages}
        self.stage = Stage(out, name, config=config, inputs=inputs, seed=seed, versions=versions)
        self._run = run
        self._seconds: dict[str, float] = {}
        # Workers elsewhere may run in another folder.
        self.out = Path(out).resolve()
        self.work = self.out / WORK

    @property
    def manifest(self) -> Manifest | None:
        return self.stage.manifest

    def __enter__(self) -> ShardedStage:
        self.stage.__enter__()
        if self.manifest:
            shutil.rmtree(self.work, ignore_errors=True)
        else:
            self.stage.start()
            self.work.mkdir(exist_ok=True)
        return self

    def __exit__(self, *error: Any) -> None:
        self.stage.__exit__(*error)

    def phase(self, name: str, steps: Sequence[PipelineStep], tasks: int) -> None:
        """Run steps to their end; a phase that ended before an interrupt is not run again.

        Raises:
            AutoVCoderError: see `run_steps`.
        """

        def tell(done: int) -> None:
            self._run.tell(name, done, tasks)

        logs = self.work / "logs" / name
        settings = self._run.executor
        self.timed(name, lambda: run_steps(steps, tasks=tasks, logs=logs, settings=settings, tell=tell))

    def timed(self, name: str, work: Callable[[], None]) -> None:
        """Do work of this process that takes its time, once."""
        ended = self.work / f"{name}.seconds"
        if not ended.exists():
            started = time.monotonic()
            self._run.tell(name, 0, 1)
            work()
            write_atomic(ended, f"{time.monotonic() - started:.2f}")
        self._seconds[name] = float(ended.read_text())

    @cached_property
    def dropped(self) -> Path:
        """``dropped.jsonl``, joined of what the tasks of all phases dropped; to be asked for when they have ended."""
        return join_files(sorted((self.work / "dropped").rglob("*.jsonl")), self.out / DROPPED)

    def finish(self, **facts: Any) -> Manifest:
        """Join the drops of all tasks and write the manifest; then the working folder goes.

        Raises:
            InputError: no module is left.
        """
        dropped = self.dropped
        modules, size = count_modules(self.out)
        if not modules:
            raise InputError("no module is left", where=self.out, fix=f"see {dropped} for why")
        manifest = self.stage.finish(
            modules=modules, characters=size, dropped=reasons(dropped), **facts, seconds=self._seconds
        )
        shutil.rmtree(self.work, ignore_errors=True)
        return manifest


def input_stage(folder: Path, *, scored: bool = False) -> Path:
    """The absolute path of a finished stage folder that holds modules.

    Args:
        scored: they must have scores.

    Raises:
        StoreError: the stage did not finish. InputError: it holds no modules, or they have no scores.
    """
    manifest = read_manifest(folder)
    if not any((Path(folder) / DATA).glob("*.parquet")):
        raise InputError("no modules in this folder", where=folder, fix="name the folder of a stage before this one")
    if scored and manifest.stage != "data.score":
        raise InputError("its modules have no score", where=folder, fix="score them first: autovcoder data score")
    return Path(folder).resolve()


def count_modules(folder: Path) -> tuple[int, int]:
    """How many modules a stage folder's shards hold, and how many characters of code."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    modules = characters = 0
    for shard in sorted((Path(folder) / DATA).glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(batch_size=1000, columns=["text"]):
                modules += batch.num_rows
                characters += pc.sum(pc.utf8_length(batch.column(0))).as_py() or 0
    return modules, characters


def reasons(dropped: Path) -> dict[str, int]:
    """Reason to how many were dropped for it, the most frequent first; what follows a colon is left out."""
    counts = Counter(row["reason"].partition(":")[0] for row in read_jsonl(dropped))
    return dict(counts.most_common())
