"""Collecting RTL: each source, from GitHub's search, a list or the command line, becomes one archive.

Reads git repositories and folders; writes ``archives/*.zip``, ``repos.jsonl`` (Repository, in order of the sources),
``found.jsonl`` (what the search found; ``windows.jsonl`` while it searches) and ``dropped.jsonl``, where a row with a
``repository`` is of a file that is missing in its archive.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from autovcoder.config import Settings
from autovcoder.errors import InputError, StoreError
from autovcoder.files import write_jsonl
from autovcoder.git import GitStopped, Limits
from autovcoder.records import Repository
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.archives import FILE_BYTES
from data_pipeline.clone import Dropped
from data_pipeline.github import API, Found, Query, Tell, Window, search
from data_pipeline.licenses import licenses_by_folder
from data_pipeline.repositories import MIB, Caps, Taken, take
from data_pipeline.sources import Source, archive_name, distinct_names, parse_source, read_list
from hdl_sim.tools import find_tool

REPOS = "repos.jsonl"
FOUND = "found.jsonl"
_WINDOWS = "windows.jsonl"
_CLONES = "clones"
# So many in a row are no coincidence: the way to them is broken, and what is recorded as dropped is not tried again.
_MOST_UNREACHABLE = 10
# Rows for the files of one source that are left out; how many more there are is in one more.
_MOST_LEFT_OUT = 1000


class CollectSettings(Settings):
    """What to collect.

    Attributes:
        sources: each ``owner/name``, a git URL or a local path (`data_pipeline.sources`).
        languages: searched for on GitHub, as it names them; no search without one.
        created: the first and the last day of creation, ``YYYY-MM-DD..YYYY-MM-DD``.
        max_repos: of those found, the ones with the most stars; all where None.
        max_mb: MiB that a clone, and all that is taken from it, may have. ``max_file_mb``: MiB of one file.
        timeout_s: seconds for one repository.
        jobs: repositories brought at the same time.
    """

    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    created: str = "2008-01-01..2025-12-31"
    min_stars: int = Field(default=0, ge=0)
    max_repos: int | None = Field(default=None, ge=1)
    api: str = API
    max_mb: float = Field(default=200, gt=0)
    max_file_mb: float = Field(default=4, gt=0, le=FILE_BYTES / MIB)
    timeout_s: float = Field(default=600, gt=0)
    jobs: int = Field(default=4, ge=1, le=64)

    @field_validator("created")
    @classmethod
    def _window(cls, value: str) -> str:
        first, separator, last = value.partition("..")
        try:
            if separator and date.fromisoformat(first) <= date.fromisoformat(last):
                return value
        except ValueError:
            pass
        raise ValueError("write it as YYYY-MM-DD..YYYY-MM-DD, the earlier day first")

    @property
    def query(self) -> Query:
        first, _, last = self.created.partition("..")
        window = date.fromisoformat(first), date.fromisoformat(last)
        return Query(self.languages, *window, self.min_stars, self.max_repos)


class _Outcome(NamedTuple):
    """What became of a source: a repository, with the reason for each of its files that are left out, or dropped."""

    source: Source
    repository: Repository | None
    left_out: dict[str, str]
    dropped: str = ""
    network: bool = False


def collect(
    out: Path, settings: CollectSettings, *, list_file: Path | None = None, tell: Tell | None = None
) -> Manifest:
    """Bring every source's RTL into ``out``; an interrupted run goes on where it was.

    Raises:
        InputError: there is nothing to collect, a source is none, GitHub cannot be asked, or ten sources in a row
            cannot be reached. StoreError: the folder holds another run's work or cannot be written.
        ToolMissing, ToolFailed: git.
    """
    tell = tell or Tell()
    if not settings.sources and not settings.languages and list_file is None:
        raise InputError("nothing to collect", fix="name sources, --list a file of them, or a --language to search for")
    git = find_tool("git")
    given = [parse_source(text, Path.cwd()) for text in settings.sources]
    given += read_list(list_file) if list_file is not None else ()
    given = list(distinct_names(given))
    # The words alone mean something else in another folder.
    places = {"sources": [[source.name, source.url, source.commit] for source in given]}
    config = settings.model_dump(exclude={"jobs"}) | places
    inputs = {} if list_file is None else {"list": list_file}
    with Stage(out, "data.collect", config=config, inputs=inputs) as stage:
        if stage.manifest:
            return stage.manifest
        sources = list(distinct_names([*given, *_search_once(stage, settings, tell)]))
        stage.start()
        done = {row["name"] for row in stage.rows(REPOS)} | {
            row["id"] for row in stage.rows(DROPPED) if "repository" not in row
        }
        waiting = _distinct_places(stage, sources, done)
        _bring(stage, git, waiting, settings, tell, finished=len(sources) - len(waiting))
        return _settle(stage, sources)


def _search_once(stage: Stage, settings: CollectSettings, tell: Tell) -> list[Source]:
    """What the search finds; asked once for a folder, window by window where it was interrupted."""
    if not settings.languages:
        return []
    if not (stage.folder / FOUND).exists():
        known = [Window.model_validate(row) for row in stage.rows(_WINDOWS)]
        keep = partial(stage.append, _WINDOWS)
        result = search(settings.query, api=settings.api, tell=tell, known=known, keep=keep)
        for question, shown in result.incomplete.items():
            stage.drop(question, f"incomplete results: {shown}")
        stage.start()
        write_jsonl(stage.folder / FOUND, result.found)
    (stage.folder / _WINDOWS).unlink(missing_ok=True)
    found = (Found.model_validate(row) for row in stage.rows(FOUND))
    return [Source(f.name, f.url, license=f.license, stars=f.stars, created=f.created) for f in found]


def _distinct_places(stage: Stage, sources: Iterable[Source], done: set[str]) -> list[Source]:
    """The sources still to bring; one whose place an earlier one has is dropped."""
    first: dict[str, str] = {}
    waiting = []
    for source in sources:
        earlier = first.setdefault(source.key, source.name)
        if source.name in done:
            continue
        if earlier != source.name:
            stage.drop(source.name, f"duplicate: the same place as {earlier}")
        else:
            waiting.append(source)
    return waiting


def _bring(
    stage: Stage, git: Path, waiting: list[Source], settings: CollectSettings, tell: Tell, *, finished: int
) -> None:
    """Bring several at a time; each one's rows are written when it is there."""
    clones = stage.folder / _CLONES
    shutil.rmtree(clones, ignore_errors=True)  # of a run that was killed
    (stage.folder / "archives").mkdir(exist_ok=True)
    total, unreachable = finished + len(waiting), list[_Outcome]()
    for outcome in _outcomes(stage.folder, git, waiting, settings):
        finished += 1
        tell.status(f"{finished:,} of {total:,}: {outcome.source.name}")
        if not outcome.network:
            _write(stage, [*unreachable, outcome])
            unreachable.clear()
            continue
        unreachable.append(outcome)
        if len(unreachable) == _MOST_UNREACHABLE:
            fix = f"check the network and run again; {outcome.dropped}"
            raise InputError(
                f"{_MOST_UNREACHABLE} sources in a row cannot be reached", where=outcome.source.url, fix=fix
            )
    _write(stage, unreachable)
    shutil.rmtree(clones, ignore_errors=True)


def _write(stage: Stage, outcomes: Iterable[_Outcome]) -> None:
    for outcome in outcomes:
        name = outcome.source.name
        rows = list(islice(outcome.left_out.items(), _MOST_LEFT_OUT))
        if more := len(outcome.left_out) - len(rows):
            rows.append(("...", f"{more:,} more files are left out"))
        for path, reason in rows:
            row = {"id": f"{name}/{path}", "stage": stage.name, "reason": reason}
            stage.append(DROPPED, row | {"repository": name})
        if outcome.repository is None:
            stage.drop(name, outcome.dropped)
        else:
            stage.append(REPOS, outcome.repository)


def _outcomes(folder: Path, git: Path, waiting: list[Source], settings: CollectSettings) -> Iterator[_Outcome]:
    """In the order in which they end. When the caller stops, all that is under way is ended."""
    caps = Caps(int(settings.max_mb * MIB), int(settings.max_file_mb * MIB), settings.timeout_s)
    limits = Limits(stop=threading.Event())
    todo = iter(waiting)
    pool = ThreadPoolExecutor(settings.jobs)
    under_way: set[Future[_Outcome]] = set()
    try:
        while True:
            for source in islice(todo, settings.jobs - len(under_way)):
                under_way.add(pool.submit(_bring_one, folder, git, source, caps, limits))
            if not under_way:
                return
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
    finally:
        limits.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _bring_one(folder: Path, git: Path, source: Source, caps: Caps, limits: Limits) -> _Outcome:
    name = archive_name(source.name)
    # Two ends, as a source's name may end in one of them.
    work = folder / _CLONES / f"{Path(name).stem}.git"
    packed = folder / _CLONES / f"{Path(name).stem}.zip"
    try:
        taken = take(git, source, packed, work, caps, limits)
        packed.replace(folder / name)
    except Dropped as dropped:
        packed.unlink(missing_ok=True)
        return _Outcome(source, None, {}, str(dropped), dropped.network)
    except OSError as error:
        raise StoreError("cannot write", where=folder, fix=error.strerror or str(error)) from None
    except GitStopped:
        packed.unlink(missing_ok=True)
        raise
    return _Outcome(source, _record(source, taken, name), taken.left_out)


def _record(source: Source, taken: Taken, archive: str) -> Repository:
    # The files are of this very commit; GitHub speaks of what the default branch holds today.
    # A licence file that is not recognised is not made up for by what GitHub takes it for.
    at_root = licenses_by_folder(taken.license_texts)
    spdx, told_by = (at_root[""], "file") if "" in at_root else (source.license, "api")
    return Repository(
        name=source.name,
        url=source.url,
        commit=taken.commit,
        date=taken.date,
        license=spdx,
        license_source=told_by if spdx else None,
        stars=source.stars,
        created=source.created,
        files=taken.packed.files,
        bytes=taken.packed.bytes,
        archive=archive,
        sha256=taken.packed.sha256,
    )


def _settle(stage: Stage, sources: list[Source]) -> Manifest:
    """Put the rows into the order of the sources, drop what an earlier one holds too, and finish."""
    order = {source.name: number for number, source in enumerate(sources)}
    rows = [Repository.model_validate(row) for row in stage.rows(REPOS)]
    rows.sort(key=lambda row: order[row.name])
    first: dict[str, str] = {}
    for row in rows:
        earlier = first.setdefault(row.commit, row.name)
        if earlier != row.name:
            stage.drop(row.name, f"duplicate: the same commit as {earlier}")
    kept = [row for row in rows if first[row.commit] == row.name]
    # A run that was killed between a source's rows wrote some of them twice.
    dropped = {(row["id"], row.get("repository", "")): row for row in stage.rows(DROPPED)}
    write_jsonl(stage.folder / REPOS, kept)
    write_jsonl(stage.folder / DROPPED, [dropped[key] for key in sorted(dropped)])
    archives = {row.archive for row in kept}
    for path in (stage.folder / "archives").iterdir():
        if f"archives/{path.name}" not in archives:
            path.unlink()
    return stage.finish(
        sources=len(sources),
        repositories=len(kept),
        files=sum(row.files for row in kept),
        bytes=sum(row.bytes for row in kept),
    )
