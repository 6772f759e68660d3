"""One source of RTL becomes one archive, within its bounds of size and time, or is dropped with the reason.

Reads a git repository at one commit, or a folder; writes a zip archive of its RTL and licence files.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autovcoder.git import GitStopped, Limits
from data_pipeline.archives import ArchiveWriter, Packed, stays_below
from data_pipeline.clone import MOST_PATHS, Clone, Dropped
from data_pipeline.licenses import is_license_file
from data_pipeline.sources import Source

MIB = 1024 * 1024
RTL = (".v", ".sv", ".vh", ".svh")


@dataclass(frozen=True)
class Caps:
    """What one source may take: bytes of a clone and of all that is taken, bytes of a file, seconds."""

    bytes: int = 200 * MIB
    file_bytes: int = 4 * MIB
    seconds: float = 600.0


class Taken(NamedTuple):
    """What a source gave.

    ``license_texts`` are its licence files' by path; ``left_out`` has the reason for each path that was wanted and is
    not in the archive.
    """

    commit: str
    date: str | None
    packed: Packed
    license_texts: dict[str, str]
    left_out: dict[str, str]


def is_rtl(path: str) -> bool:
    """Whether a path is a Verilog or SystemVerilog source's or header's by its name."""
    return path.lower().endswith(RTL)


def take(git: Path, source: Source, archive: Path, work: Path, caps: Caps, limits: Limits) -> Taken:
    """Bring a source's RTL and licence files into ``archive``; ``work`` is a folder that does not exist and will not.

    Raises:
        Dropped: it gives nothing, and why. ToolFailed: git cannot be run. OSError: the disk.
        GitStopped: ``limits.stop`` was set.
    """
    limits = Limits(time.monotonic() + caps.seconds, work, caps.bytes, limits.stop)
    work.mkdir(parents=True)
    try:
        if source.folder is not None:
            return _take_folder(source.folder, archive, caps, limits)
        return _take_commit(Clone(git, source.url, work, limits), source.commit, archive, caps)
    except GitStopped as stopped:
        if limits.stop.is_set():
            raise
        in_time = time.monotonic() < (limits.deadline or 0)
        raise Dropped(_larger(caps.bytes) if in_time else f"takes longer than {caps.seconds:g} s") from stopped
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _take_commit(clone: Clone, commit: str | None, archive: Path, caps: Caps) -> Taken:
    commit, date = clone.fetch_tree(commit or clone.head())
    ids: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for path, blob_id in clone.files(commit, _is_wanted):
        if not stays_below(path):
            left_out[path] = "the path leads out of the repository"
        elif ids.setdefault(path, blob_id) != blob_id:
            left_out[path] = "another file has the same path"
    _need_rtl(ids)
    sizes = clone.fetch(ids.values())
    kept = _choose({path: sizes.get(ids[path]) for path in sorted(ids)}, caps, left_out)
    contents = clone.contents(ids[path] for path in kept)
    packed, texts = _pack(archive, zip(kept, contents, strict=True))
    return Taken(commit, date, packed, texts, left_out)


def _take_folder(folder: Path, archive: Path, caps: Caps, limits: Limits) -> Taken:
    """What lies in a folder that is no repository, links aside."""
    files: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    left_out: dict[str, str] = {}

    def leave_out(error: OSError, file: Path) -> None:
        left_out[_path_below(folder, file)] = f"cannot be read: {error.strerror or error}"

    def contents(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            try:
                data = files[path].read_bytes()
            except OSError as error:
                leave_out(error, files[path])
            else:
                yield path, data

    for file in _walk(folder, limits, lambda error: leave_out(error, Path(error.filename))):
        path = _path_below(folder, file)
        try:
            if _is_wanted(path) and not file.is_symlink() and file.is_file():
                files[path] = file
                with file.open("rb") as opened:  # which shows whether it may be read
                    sizes[path] = os.fstat(opened.fileno()).st_size
        except OSError as error:
            leave_out(error, file)
    if not left_out:
        _need_rtl(files)
    kept = _choose({path: sizes[path] for path in sorted(sizes)}, caps, left_out)
    packed, texts = _pack(archive, contents(kept))
    return Taken(packed.sha256, None, packed, texts, left_out)


def _path_below(folder: Path, file: Path) -> str:
    return os.fsencode(file.relative_to(folder)).decode(errors="backslashreplace")


def _walk(folder: Path, limits: Limits, unread: Callable[[OSError], None]) -> Iterator[Path]:
    """The files below a folder; ``unread`` gets the errors of folders that cannot be read."""
    number = 0
    for parent, folders, names in os.walk(folder, onerror=unread):
        if stopped := limits.passed():
            raise GitStopped(stopped)
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            number += 1
            if number > MOST_PATHS:
                raise Dropped(f"more than {MOST_PATHS:,} files")
            yield Path(parent) / name


def _choose(sizes: Mapping[str, int | None], caps: Caps, left_out: dict[str, str]) -> list[str]:
    """The paths that fit, of paths to sizes; adds the others to ``left_out``."""
    kept = {}
    for path, size in sizes.items():
        if size is None:
            left_out[path] = "the repository lacks its contents"
        elif size > caps.file_bytes:
            left_out[path] = _larger(caps.file_bytes)
        else:
            kept[path] = size
    if sum(kept.values()) > caps.bytes:
        raise Dropped(_larger(caps.bytes))
    if not any(is_rtl(path) for path in kept) and left_out:
        path, reason = next(iter(left_out.items()))
        raise Dropped(f"no RTL that can be taken; {path}: {reason}")
    return list(kept)


def _pack(archive: Path, files: Iterable[tuple[str, bytes]]) -> tuple[Packed, dict[str, str]]:
    """Write the archive; also returns the texts of the licence files."""
    texts: dict[str, str] = {}
    with ArchiveWriter(archive) as writer:
        for path, data in files:
            writer.add(path, data)
            if is_license_file(path):
                texts[path] = data.decode(errors="replace")
    return writer.packed(), texts


def _is_wanted(path: str) -> bool:
    return is_rtl(path) or is_license_file(path)


def _need_rtl(paths: Iterable[str]) -> None:
    if not any(is_rtl(path) for path in paths):
        raise Dropped("no RTL: no file ends in " + ", ".join(RTL))


def _larger(most: int) -> str:
    return f"larger than {most / MIB:g} MiB"
