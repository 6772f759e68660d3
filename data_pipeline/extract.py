"""The stage that splits collected repositories into modules.

Reads a collected folder (``repos.jsonl`` and archives); writes a stage folder of modules, and in ``dropped.jsonl`` the
files and modules that could not be taken.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from autovcoder.files import read_records
from autovcoder.records import Provenance, Repository, content_id
from autovcoder.store import Manifest, read_manifest
from data_pipeline.archives import read_licenses, read_sources
from data_pipeline.cleaning_rules import reason_to_drop_file
from data_pipeline.documents import DATA, REASON, DropWriter, ModuleWriter, to_document
from data_pipeline.licenses import license_of_source, nearest_license
from data_pipeline.modules import Unread, extract_modules
from data_pipeline.repositories import is_rtl
from data_pipeline.shards import Run, ShardedStage, ShardSettings
from data_pipeline.source_text import Macros, decode

NAME = "data.extract"
# Repositories with more are read in parts, so that one of them does not keep one worker busy and all others waiting.
PART_BYTES = 4_000_000
_SOURCES = (".v", ".sv")


@dataclass(frozen=True, slots=True)
class Part:
    """Every ``of``-th file of a repository, from file number ``number`` on."""

    repository: Repository
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a file needs of its repository; ``licenses`` is by folder."""

    repository: Repository
    macros: Macros
    licenses: dict[str, str | None]


def extract(repos: Path, out: Path, settings: ShardSettings, run: Run) -> Manifest:
    """Split every file of a collected folder into modules; how many shards there are changes nothing in what they hold.

    Raises:
        StoreError: a folder is unfinished or holds other work. InputError: no module was found.
    """
    repos = Path(repos).resolve()
    read_manifest(repos)
    inputs = {"repos": repos}
    packages = ("datatrove", "pyslang", "charset-normalizer")
    with ShardedStage(out, NAME, config=settings.model_dump(), inputs=inputs, run=run, packages=packages) as stage:
        if stage.manifest:
            return stage.manifest
        steps = [ExtractModules(repos, stage.work / "dropped", stage.work / "journals"), ModuleWriter(out / DATA)]
        stage.phase("extract", steps, settings.tasks)
        repositories = list(read_records(repos / "repos.jsonl", Repository))
        return stage.finish(repositories=len(repositories), bytes=sum(r.bytes for r in repositories))


def parts_of(repositories: Iterator[Repository], rank: int, tasks: int) -> list[Part]:
    """What one of some tasks reads: all tasks get about as many bytes."""
    parts = []
    for repository in repositories:
        of = max(1, math.ceil(repository.bytes / PART_BYTES))
        parts += [(repository.bytes / of, Part(repository, number, of)) for number in range(of)]
    loads = [(0.0, task) for task in range(tasks)]
    mine = []
    for size, part in sorted(parts, key=lambda item: (-item[0], item[1].repository.name, item[1].number)):
        load, task = heapq.heappop(loads)
        heapq.heappush(loads, (load + size, task))
        if task == rank:
            mine.append(part)
    return sorted(mine, key=lambda part: (part.repository.name, part.number))


class ExtractModules(PipelineStep):  # type: ignore[misc]
    """Reads this task's parts of the repositories and yields their modules."""

    name = "extract"

    def __init__(self, repos: Path, dropped: Path, journals: Path) -> None:
        super().__init__()
        self._repos = repos
        self._dropped = DropWriter(dropped, NAME)
        self._journals = journals

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        del data  # the first step of its pipeline
        repositories = read_records(self._repos / "repos.jsonl", Repository)
        surroundings: _Surroundings | None = None
        with self._dropped as dropped, _Journal(self._journals / f"{rank:05d}.txt") as journal:
            for part in parts_of(repositories, rank, world_size):
                if surroundings is None or surroundings.repository != part.repository:
                    surroundings = self._surroundings(part.repository)
                for path, content in self._files(part):
                    with self.track_time("file"):
                        if journal.enter(f"{part.repository.name} {path}"):
                            found = list(_read_file(path, content, surroundings))
                        else:
                            found = [_unread(part.repository, path, "", 1, "the front end broke at it, twice")]
                    self.stat_update("bytes", value=len(content), unit="file")
                    for document in found:
                        if REASON in document.metadata:
                            dropped.write(document, rank)
                        else:
                            yield document

    def _surroundings(self, repository: Repository) -> _Surroundings:
        """Reads the archive twice more, a file at a time: what is kept of it are macros and names of licences."""
        return _Surroundings(repository, Macros(self._texts(repository)), read_licenses(self._repos, repository))

    def _texts(self, repository: Repository) -> Iterator[tuple[str, str]]:
        for path, data in read_sources(self._repos, repository):
            if is_rtl(path):
                with suppress(ValueError):
                    yield path, decode(data)

    def _files(self, part: Part) -> Iterator[tuple[str, bytes]]:
        sources = (item for item in read_sources(self._repos, part.repository) if item[0].lower().endswith(_SOURCES))
        for number, item in enumerate(sources):
            if number % part.of == part.number:
                yield item


class _Journal:
    """Which file a task reads, so that a file at which it died is not read for ever.

    The front end is C++ in our own process, and its faults end that. A task that died twice at the same file, once
    perhaps for another reason, goes on without it.
    """

    _RUN = "-"

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        # What stands before the start of a later run is what the run before it did not come back from.
        last = [before for before, line in pairwise([*lines, self._RUN]) if line == self._RUN and before != self._RUN]
        self._fatal = {name for name, times in Counter(last).items() if times > 1}
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        self._file.write(f"{self._RUN}\n")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def enter(self, name: str) -> bool:
        """False when the file is not to be read any more."""
        name = content_id(name)  # a name may hold any character
        self._file.write(f"{name}\n")
        return name not in self._fatal


def _unread(repository: Repository, path: str, name: str, line: int, reason: str) -> Document:
    about = {"repo": repository.name, "path": path, "first_line": line, "name": name, REASON: reason}
    return Document(text="", id=content_id("unread", repository.name, path, name, line), metadata=about)


def _read_file(path: str, data: bytes, around: _Surroundings) -> Iterator[Document]:
    repository = around.repository
    try:
        text = decode(data)
    except ValueError as error:
        yield _unread(repository, path, "", 1, str(error))
        return
    if reason := reason_to_drop_file(text):
        yield _unread(repository, path, "", 1, reason)
        return
    source = Provenance(
        repo=repository.name,
        commit=repository.commit,
        path=path,
        # What a file says of itself is nearer to the truth than what its folder says, or its repository.
        license=license_of_source(text, otherwise=nearest_license(path, around.licenses)),
        first_line=1,
        last_line=1,
    )
    for found in extract_modules(text, around.macros, source):
        if isinstance(found, Unread):
            yield _unread(repository, path, found.name, found.line, found.reason)
        else:
            yield to_document(found)
