"""Stage folders: every stage reads a folder and writes a folder, and a reader can tell whether it is whole.

A stage folder holds the data, ``dropped.jsonl`` (id, stage, reason: nothing vanishes silently), ``stage.json`` while
the work is under way (what it was started with), and ``manifest.json``, written last. A folder with a manifest is
complete. A stage that was interrupted resumes from the rows it had written; one that is complete is not done again; a
folder that was started with other settings, inputs or versions, or that another process is writing, is refused, never
mixed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder import __version__
from autovcoder.errors import InputError, StoreError

MANIFEST = "manifest.json"
STARTED = "stage.json"
DROPPED = "dropped.jsonl"
_PARTIAL = ".partial"
"""The end of a temporary file's or folder's name; it begins with a dot."""

R = TypeVar("R", bound=BaseModel)


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
        self._lock: int | None = None
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
            self._unlock()

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

    def finish(self, **facts: Any) -> Manifest:
        """Write the manifest: from here on the folder is complete.

        The stage may have put files of any kind into the folder; all of them are hashed, at any depth.
        """
        self._close_files()
        files = [path for path in _files_below(self.folder) if path.name not in (MANIFEST, STARTED)]
        names = {path: path.relative_to(self.folder).as_posix() for path in files}
        manifest = self.draft(facts).model_copy(
            update={
                "rows": {names[p]: _count_lines(p) for p in files if p.suffix == ".jsonl"},
                "sha256": {names[p]: sha256_file(p) for p in files},
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        write_atomic(self.folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        (self.folder / STARTED).unlink(missing_ok=True)
        self.manifest = manifest
        self._unlock()
        return manifest

    def _open(self) -> Manifest | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / MANIFEST).exists():
                self._take_lock()
            # Asked anew: the run that held the lock until now may have finished.
            if (self.folder / MANIFEST).exists():
                self._unlock()
                manifest = read_manifest(self.folder)
                self._refuse_other(manifest.model_dump(), ("stage", "seed", "inputs", "config"))
                return manifest
            if (self.folder / STARTED).exists():
                found = json.loads((self.folder / STARTED).read_text(encoding="utf-8"))
                self._refuse_other(found, ("stage", "seed", "inputs", "config", "versions"))
                for path in self.folder.glob("*.jsonl"):
                    _cut_torn_line(path)
            for path in self.folder.glob(f".*{_PARTIAL}"):
                if path.is_file():
                    path.unlink()
        except (OSError, ValueError) as error:
            self._unlock()
            fix = getattr(error, "strerror", None) or str(error)
            raise StoreError("cannot use the folder", where=self.folder, fix=fix) from None
        except BaseException:
            self._unlock()
            raise
        return None

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                "another run is writing here", where=self.folder, fix="wait for it or choose another folder"
            ) from None
        except OSError:
            # Some network file systems lock no folders; there, as without locks, the user keeps runs apart.
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            # Closing alone would leave the lock with a forked child, such as a data loader's worker.
            with contextlib.suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None

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


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """The rows of a JSONL file as records.

    Raises:
        InputError: a row is not such a record; names the file and line.
    """
    for number, row in enumerate(read_jsonl(path), start=1):
        try:
            yield kind.model_validate(row)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise InputError(
                f"not a {kind.__name__} ({key}: {problem['msg']})", where=f"{path}, row {number}"
            ) from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, gzipped when its name ends in ``.gz``; blank lines are passed over.

    Raises:
        InputError: the file cannot be read or a line is not a JSON object; names the line.
    """
    path = Path(path)
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError("expected a JSON object", where=f"{path}, line {number}")
                yield row
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(
            "cannot read the file", where=path, fix=getattr(error, "strerror", None) or str(error)
        ) from None
    except (ValueError, RecursionError) as error:
        # Not JSON, or JSON beyond what Python takes: numbers of thousands of digits, endless nesting.
        raise InputError("not JSON", where=f"{path}, line {number}", fix=str(error)) from None


def write_jsonl(path: Path, rows: Iterable[BaseModel | Mapping[str, Any]]) -> int:
    """Write rows to a JSONL file in one atomic step; returns how many."""
    lines = [to_json_line(row) for row in rows]
    write_atomic(path, "".join(lines))
    return len(lines)


def join_files(parts: Iterable[Path], path: Path) -> Path:
    """Write the bytes of ``parts``, one after the other, to ``path`` in one step; returns ``path``.

    Raises:
        StoreError: a file cannot be read or written.
    """
    temporary = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        with temporary.open("wb") as whole:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)
        temporary.replace(path)
    except OSError as error:
        raise StoreError("cannot write", where=path, fix=error.strerror or str(error)) from None
    return path


def to_json_line(row: BaseModel | Mapping[str, Any]) -> str:
    if isinstance(row, BaseModel):
        return row.model_dump_json() + "\n"
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8, but JSON can escape it.
        line = json.dumps(row)
    return line + "\n"


def write_atomic(path: Path, text: str) -> None:
    """Replace ``path`` in one step: a reader sees the old file or the new one, never half of it.

    Raises:
        StoreError: the file cannot be written.
    """
    # Through links, so that a link stays one; a device or a pipe cannot be replaced and is written to.
    path = Path(path).resolve()
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_text(text, encoding="utf-8")
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; the result should be as readable as any other file the user makes.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise StoreError("cannot write", where=path, fix=error.strerror or str(error)) from None


def replace_folder(made: Path, target: Path) -> None:
    """Move a folder made beside ``target`` into its place, dropping what an interrupted run left there."""
    if target.exists():
        shutil.rmtree(target)
    made.replace(target)


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
        hashes = {file.relative_to(path).as_posix(): sha256_file(file) for file in _files_below(path)}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 (hex) of a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError("cannot read the file", where=path, fix=error.strerror or "") from None


def _files_below(folder: Path) -> list[Path]:
    """All files at any depth, in order, without temporary ones: of work under way, or of a write that was killed."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not any(map(_is_temporary, path.relative_to(folder).parts)))


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_PARTIAL)


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _cut_torn_line(path: Path) -> None:
    """Remove a last line without its newline, left by a kill in the middle of a write."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
