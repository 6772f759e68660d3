"""Stage folders: every stage reads a folder and writes a folder, and a reader can tell whether it is whole.

A stage folder holds the data, ``dropped.jsonl`` (id, stage, reason: nothing vanishes silently), ``stage.json`` while
the work is under way (what it was started with), and ``manifest.json``, written last. A folder with a manifest is
complete. A stage that was interrupted resumes from the rows it had written; one that is complete is not done again; a
folder that was started with other settings, inputs or versions, or that another process is writing, is refused, never
mixed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder import __version__
from autovcoder.errors import StoreError
from autovcoder.files import (
    PARTIAL,
    count_lines,
    cut_torn_line,
    files_below,
    read_jsonl,
    sha256_file,
    to_json_line,
    write_atomic,
)
from autovcoder.folder_lock import FolderLock

MANIFEST = "manifest.json"
STARTED = "stage.json"
DROPPED = "dropped.jsonl"


class Manifest(BaseModel):
    """What a complete stage folder holds and how it was made.

    Attributes:
        rows: file name to the number of its rows (JSONL files only).
        sha256: file name (relative, with ``/``) to the hash of its bytes.
        inputs: input's name to the hash of its manifest, or of its bytes where it is a plain file.
        config: the resolved settings. ``versions``: code and tools. ``facts``: what the stage measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    rows: dict[str, int]
    sha256: dict[str, str]
    inputs: dict[str, str]
    config: dict[str, Any]
    versions: dict[str, str]
    seed: int | None
    finished: str
    facts: dict[str, Any] = {}


class Stage:
    """A stage folder being written.

    Use as a context manager; rows appended are on disk line by line, so that a kill loses at most the torn last line,
    which the next start removes. From the opening to ``finish`` or the end of the ``with`` block no other process can
    open the folder; the lock goes with the process, however that ends.

    Nothing is on disk before the first row or ``start``, so that a mistake found until then costs no folder.

    Args:
        folder: created when missing.
        name: the stage's name, such as ``data.pairs``.
        config: the resolved settings, JSON-like; ``inputs``: name to the file or complete stage folder read.
        versions: tools that shape the result, beyond this package and Python. Unfinished work is not continued under
            other versions; finished work stays finished.

    Raises:
        StoreError: the folder was started with other settings, inputs or versions, is being written by another run, or
            cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, Path] | None = None,
        seed: int | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.name = name
        self._started = {
            "stage": name,
            "config": json.loads(json.dumps(dict(config))),
            "inputs": {key: hash_input(path) for key, path in (inputs or {}).items()},
            "seed": seed,
            "versions": {"autovcoder": __version__, "python": platform.python_version(), **(versions or {})},
        }
        self._files: dict[str, Any] = {}
        self._lock = FolderLock(self.folder, fix="wait for it or choose another folder")
        self._is_new = not self.folder.exists()
        self.manifest = self._open()

    @property
    def done(self) -> bool:
        """True when the folder is complete for these very settings and inputs."""
        return self.manifest is not None

    @property
    def inputs(self) -> dict[str, str]:
        """Input's name to its hash, as the manifest will hold it."""
        return dict(self._started["inputs"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close_files()
        finally:
            if self._is_new and not self.done:
                # Fails, as it should, when the folder holds anything.
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            self._lock.release()

    def start(self) -> None:
        """Mark the folder as this run's; a stage calls it before it writes anything else than rows.

        Raises:
            StoreError: it cannot be written.
        """
        if not (self.folder / STARTED).exists():
            write_atomic(self.folder / STARTED, json.dumps(self._started, indent=2) + "\n")

    def rows(self, file: str) -> Iterator[dict[str, Any]]:
        """The rows already in ``file``, none when it does not exist."""
        path = self.folder / file
        if file in self._files:
            self._files[file].flush()  # an interrupt may have come between a row's write and its flush
        return read_jsonl(path) if path.exists() else iter(())

    def append(self, file: str, row: BaseModel | Mapping[str, Any]) -> None:
        """Add one row to a JSONL file of the folder.

        Raises:
            StoreError: it cannot be written (a full disk).
        """
        try:
            if file not in self._files:
                self.start()
                self._files[file] = (self.folder / file).open("a", encoding="utf-8")
            self._files[file].write(to_json_line(row))
            self._files[file].flush()
        except OSError as error:
            # Closing tries to write the row once more, and fails as this did.
            with contextlib.suppress(OSError, KeyError):
                self._files.pop(file).close()
            raise StoreError("cannot write", where=self.folder / file, fix=error.strerror or str(error)) from None

    def drop(self, id: str, reason: str) -> None:
        """Record that ``id`` left the data here, and why."""
        self.append(DROPPED, {"id": id, "stage": self.name, "reason": reason})

    def draft(self, facts: Mapping[str, Any]) -> Manifest:
        """The manifest as ``finish`` will write it, but for the files and the time."""
        return Manifest(**self._started, rows={}, sha256={}, finished="", facts=dict(facts))

    def finish(self, without: Collection[str] = (), /, **facts: Any) -> Manifest:
        """Write the manifest: from here on the folder is complete.

        The stage may have put files of any kind into the folder; all of them are hashed, at any depth.

        Args:
            without: folders in it that are no part of the result, such as logs with this machine's name and the time.
        """
        self._close_files()
        files = [path for path in files_below(self.folder) if path.name not in (MANIFEST, STARTED)]
        files = [path for path in files if path.relative_to(self.folder).parts[0] not in without]
        names = {path: path.relative_to(self.folder).as_posix() for path in files}
        manifest = self.draft(facts).model_copy(
            update={
                "rows": {names[p]: count_lines(p) for p in files if p.suffix == ".jsonl"},
                "sha256": {names[p]: sha256_file(p) for p in files},
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        write_atomic(self.folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        (self.folder / STARTED).unlink(missing_ok=True)
        self.manifest = manifest
        self._lock.release()
        return manifest

    def _open(self) -> Manifest | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / MANIFEST).exists():
                self._lock.take()
            # Asked anew: the run that held the lock until now may have finished.
            if (self.folder / MANIFEST).exists():
                self._lock.release()
                manifest = read_manifest(self.folder)
                self._refuse_other(manifest.model_dump(), ("stage", "seed", "inputs", "config"))
                return manifest
            if (self.folder / STARTED).exists():
                found = json.loads((self.folder / STARTED).read_text(encoding="utf-8"))
                self._refuse_other(found, ("stage", "seed", "inputs", "config", "versions"))
                for path in self.folder.glob("*.jsonl"):
                    cut_torn_line(path)
            for path in self.folder.glob(f".*{PARTIAL}"):
                if path.is_file():
                    path.unlink()
        except (OSError, ValueError) as error:
            self._lock.release()
            fix = getattr(error, "strerror", None) or str(error)
            raise StoreError("cannot use the folder", where=self.folder, fix=fix) from None
        except BaseException:
            self._lock.release()
            raise
        return None

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _refuse_other(self, found: Any, keys: Iterable[str]) -> None:
        if not isinstance(found, dict):
            raise StoreError(f"{STARTED} is damaged", where=self.folder, fix="delete the folder")
        for key in keys:
            ours, theirs = self._started[key], found.get(key)
            if ours == theirs:
                continue
            what = key
            if isinstance(ours, dict) and isinstance(theirs, dict):
                changed = sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k))
                what = f"{key.removesuffix('s') if key == 'versions' else key} ({', '.join(changed)})"
            raise StoreError(
                f"the folder was made with another {what}",
                where=self.folder,
                fix="choose another folder or delete this one",
            )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a complete stage folder.

    Raises:
        StoreError: there is none (the stage did not finish), or it cannot be read.
    """
    path = Path(folder) / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(
            "no manifest, so this is not a finished stage folder", where=folder, fix="run its stage again"
        ) from None
    except (OSError, ValidationError) as error:
        raise StoreError("the manifest cannot be read", where=path, fix=str(error)) from None


def hash_input(path: Path) -> str:
    """The hash that stands for an input: of its bytes for a file, of all files' names and bytes for a folder.

    A finished stage folder's manifest knows its files' hashes; the time it was written does not count, so that the same
    data made twice is the same input.

    Raises:
        StoreError: the folder is a stage that did not finish. InputError: the input cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return sha256_file(path)
    if (path / MANIFEST).exists() or (path / STARTED).exists():
        hashes = read_manifest(path).sha256
    else:
        hashes = {file.relative_to(path).as_posix(): sha256_file(file) for file in files_below(path)}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
