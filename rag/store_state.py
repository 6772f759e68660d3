"""What a store says of itself, and the rows of its entries as they are on disk.

Reads and writes ``store.json``; reads a file of entries. A reader keeps what it has opened, whatever a writer does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder.errors import StoreError
from autovcoder.records import Entry, StoreKind
from rag.places import STORE

ENTRIES = "entries.jsonl"


class StoreState(BaseModel):
    """What ``store.json`` holds.

    Attributes:
        generation: whose files of places, vectors and words are the store's.
        file: with the entries. ``rows``: how many it has, the removed ones included; ``bytes``: its length; what is
            behind was never added; ``sha256``: of what is not.
        removed: rows that are no longer entries.
        probe: vectors of two fixed texts, by which the encoder is known again.
        index: how the vectors are searched, see `VectorIndex`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    kind: StoreKind
    encoder: str
    dimension: int
    probe: list[list[float]]
    generation: int = 0
    file: str = ENTRIES
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    removed: list[int] = []
    index: dict[str, Any] = {}


def read_state(folder: Path) -> StoreState:
    """What a store's folder says of itself.

    Raises:
        StoreError: it is no store, or a damaged one.
    """
    path = folder / STORE
    try:
        return StoreState.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError("no store is here", where=folder, fix="make one with `autovcoder rag add`") from None
    except (OSError, ValueError) as error:
        raise StoreError("the store is damaged", where=path, fix=f"make it anew ({type(error).__name__})") from None


class Rows:
    """The rows of a file of entries. The file stays mapped, so that it can be read after it was removed.

    Args:
        places: where each row begins. ``end``: where the last one ends.

    Raises:
        StoreError: the file is missing or shorter than it was.
    """

    def __init__(self, path: Path, places: NDArray[np.int64], end: int) -> None:
        self.path, self.places, self._end = path, places, end
        try:
            self._bytes = np.memmap(path, np.uint8, "r") if end else np.zeros(0, np.uint8)
        except (OSError, ValueError) as error:
            raise StoreError("the entries cannot be read", where=path, fix=f"make the store anew ({error})") from None
        if len(self._bytes) < end:
            raise StoreError("shorter than it was", where=path, fix="make the store anew")

    def __len__(self) -> int:
        return len(self.places)

    def line(self, row: int) -> bytes:
        """A row as it is in the file."""
        end = self.places[row + 1] if row + 1 < len(self.places) else self._end
        return self._bytes[self.places[row] : end].tobytes()

    def entry(self, row: int) -> Entry:
        """A row as an entry.

        Raises:
            StoreError: it is none.
        """
        try:
            return Entry.model_validate_json(self.line(row))
        except ValidationError:
            where = f"{self.path}, row {row + 1}"
            raise StoreError("this is no entry", where=where, fix="make the store anew") from None

    def sha256(self) -> str:
        """The hash (hex) of all rows."""
        return hashlib.sha256(self._bytes[: self._end].data).hexdigest()


def read_places(path: Path) -> NDArray[np.int64]:
    """Where each row of a file of entries begins.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        found: NDArray[np.int64] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise StoreError("the store is damaged", where=path, fix=f"make it anew ({error})") from None
    return found


def sync(paths: Iterable[Path]) -> None:
    """Wait until files, and those below folders, are on the disk and not only on their way.

    Raises:
        OSError: one of them cannot be written.
    """
    for path in paths:
        for file in path.iterdir() if path.is_dir() else (path,):
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
