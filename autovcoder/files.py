"""Files that a reader finds whole: written in one step, rows of JSON a line, and the hashes that tell them apart.

Reads and writes JSONL, plain text and folders; what cannot be used is one clear line that names the file.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from autovcoder.errors import InputError, StoreError

PARTIAL = ".partial"
"""The end of a temporary file's or folder's name; it begins with a dot."""

R = TypeVar("R", bound=BaseModel)


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


def to_json_line(row: BaseModel | Mapping[str, Any]) -> str:
    """A row of a JSONL file, its line feed included."""
    if isinstance(row, BaseModel):
        return row.model_dump_json() + "\n"
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8, but JSON can escape it.
        line = json.dumps(row)
    return line + "\n"


def count_lines(path: Path) -> int:
    """The rows of a JSONL file, blank lines included."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def cut_torn_line(path: Path) -> None:
    """Remove a last line without its newline, left by a kill in the middle of a write."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


@contextlib.contextmanager
def writing(where: Path) -> Iterator[None]:
    """Around what writes to ``where`` and to nothing else.

    Raises:
        StoreError: it cannot be written (a full disk).
    """
    try:
        yield
    except OSError as error:
        raise StoreError("cannot write", where=where, fix=error.strerror or str(error)) from None


def join_files(parts: Iterable[Path], path: Path) -> Path:
    """Write the bytes of ``parts``, one after the other, to ``path`` in one step; returns ``path``.

    Raises:
        StoreError: a file cannot be read or written.
    """
    temporary = path.with_name(f".{path.name}{PARTIAL}")
    with writing(path):
        with temporary.open("wb") as whole:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)
        temporary.replace(path)
    return path


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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
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


def files_below(folder: Path) -> list[Path]:
    """All files at any depth, in order, without temporary ones: of work under way, or of a write that was killed."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not any(map(_is_temporary, path.relative_to(folder).parts)))


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(PARTIAL)
