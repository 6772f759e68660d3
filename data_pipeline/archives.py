"""The files of one source in one zip archive, the same bytes for the same files, and read back with care.

Reads and writes ``archives/*.zip`` of a stage folder. An archive is one file to hash, and no name in it is ever a path
on this machine.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from autovcoder.errors import StoreError
from autovcoder.records import Repository
from data_pipeline.licenses import is_license_file, licenses_by_folder

# No file that is larger is ever collected, or unpacked.
FILE_BYTES = 64 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that the format knows


class Packed(NamedTuple):
    """What went into an archive; ``sha256`` is of its listing (see `Repository`)."""

    files: int
    bytes: int
    sha256: str


class ArchiveWriter:
    """Writes an archive; the caller adds files in order of path."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._listing = hashlib.sha256()
        self._files = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add(self, path: str, data: bytes) -> None:
        about = zipfile.ZipInfo(path, _EPOCH)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.create_system, about.external_attr = 3, 0o644 << 16  # the same on every system
        self._zip.writestr(about, data)
        self._listing.update(f"{hashlib.sha256(data).hexdigest()}  {path}\n".encode())
        self._files += 1
        self._bytes += len(data)

    def packed(self) -> Packed:
        return Packed(self._files, self._bytes, self._listing.hexdigest())


def stays_below(path: str) -> bool:
    """Whether a path leads to a place below the folder that it is relative to, and can be a name in an archive."""
    return len(path) < 4096 and "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def read_sources(folder: Path, repository: Repository, most_bytes: int = FILE_BYTES) -> Iterator[tuple[str, bytes]]:
    """The files of a collected repository, licence files among them, in order of path: (relative path, bytes).

    A file of more than ``most_bytes`` is passed over; without that, all that were collected are read.
    The paths are names, not to be used on a disk.

    Raises:
        StoreError: the archive is missing or damaged, or holds more than it says.
    """
    return _read(folder, repository, most_bytes, lambda _: True)


def read_licenses(folder: Path, repository: Repository) -> dict[str, str | None]:
    """Folder to licence, as `data_pipeline.licenses.nearest_license` takes them; the root has the repository's.

    Raises:
        StoreError: the archive is missing or damaged.
    """
    texts = {
        path: data.decode(errors="replace") for path, data in _read(folder, repository, FILE_BYTES, is_license_file)
    }
    return licenses_by_folder(texts) | {"": repository.license}


def _read(
    folder: Path, repository: Repository, most_bytes: int, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    place = Path(folder) / repository.archive
    if not re.fullmatch(r"archives/[^/]+\.zip", repository.archive):
        raise StoreError("not an archive of this folder", where=repository.archive, fix="collect again")
    try:
        with zipfile.ZipFile(place) as archive:
            for about in archive.infolist():
                if about.file_size > most_bytes or not wanted(about.filename):
                    continue
                with archive.open(about) as file:
                    # No more is unpacked than the size that was told; that it was a lie shows at the end.
                    yield about.filename, file.read(about.file_size + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise StoreError("the archive cannot be read", where=place, fix=str(error) or "collect again") from None
