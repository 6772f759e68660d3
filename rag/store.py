"""Entries of one kind with their vectors, on disk: what is added, removed and looked up.

Reads and writes a folder: ``store.json`` (written last), the entries (rows are only ever appended), and for each
generation the places of its rows, the vectors' index and the words' index. A change writes the next generation beside
the last one, so that a kill leaves the store as it was and who reads it meanwhile is not disturbed. The encoder is
pinned: vectors of two encoders cannot be compared, so another one is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder.errors import StoreError
from autovcoder.files import to_json_line, write_atomic
from autovcoder.records import Entry, StoreKind
from rag.embed import Embedder, Vectors
from rag.vector_index import VectorIndex
from rag.word_index import WordIndex

STORE = "store.json"
_ENTRIES = "entries.jsonl"
_PARTS = {"places": ".npy", "vectors": ".faiss", "words": ""}
"""What every generation has, and how the names end."""
_PROBE = ("An up counter, 8 bits wide, with an asynchronous active-low reset.", "module mux (input a, output y);")
_ALIKE = 0.999
"""Least cosine of the probe's vectors with those that are pinned; arithmetic on another machine differs by less."""
_BATCH = 4096


class StoreState(BaseModel):
    """What ``store.json`` holds.

    Attributes:
        file: with the entries. ``rows``: how many it has, the removed ones included; ``bytes``: its length; what is
            behind was never added.
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
    file: str = _ENTRIES
    rows: int = 0
    bytes: int = 0
    removed: list[int] = []
    index: dict[str, Any] = {}


class EntryStore:
    """A store, opened for reading; ``add`` and ``remove`` take a lock for as long as they write.

    Raises:
        StoreError: the folder is no store, is damaged, or was made with another encoder.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder, self.embedder = Path(folder), embedder
        self.state = read_state(self.folder)
        self._refuse_other_encoder()

    @classmethod
    def create(cls, folder: Path, kind: StoreKind, embedder: Embedder) -> Self:
        """Make an empty store; the folder may exist, but not hold one.

        Raises:
            StoreError: it holds one, or cannot be written.
        """
        folder = Path(folder)
        if (folder / STORE).exists():
            raise StoreError("there is a store already", where=folder, fix="add to it or choose another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _ENTRIES).touch()
        except OSError as error:
            raise StoreError("cannot write", where=folder, fix=error.strerror or str(error)) from None
        probe = [[round(float(x), 5) for x in row] for row in embedder.encode(_PROBE, "document")]
        state = StoreState(kind=kind, encoder=embedder.name, dimension=embedder.dimension, probe=probe)
        write_atomic(folder / STORE, state.model_dump_json(indent=1) + "\n")
        return cls(folder, embedder)

    @property
    def kind(self) -> StoreKind:
        return self.state.kind

    def __len__(self) -> int:
        return self.state.rows - len(self.state.removed)

    def entry(self, row: int) -> Entry:
        """The entry of a row.

        Raises:
            StoreError: the file is damaged there.
        """
        with (self.folder / self.state.file).open("rb") as file:
            file.seek(int(self._places[row]))
            return self._parsed(file.readline(), row)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """All rows that are entries, with their numbers."""
        removed = set(self.state.removed)
        for row, line in enumerate(self._lines(self.state)):
            if row not in removed:
                yield row, self._parsed(line, row)

    def nearest(self, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """For each query (a row of length 1) the ``k`` nearest entries' rows and cosines, falling; -1 where none is."""
        if not len(self):
            empty = np.full((len(queries), k), -1, np.int64)
            return empty, np.zeros(empty.shape, np.float32)
        return self._vectors.search(queries, k, self.state.removed)

    def matching(self, queries: Sequence[str], k: int) -> NDArray[np.int64]:
        """For each query the rows of the ``k`` entries that share the most telling words with it; -1 where none is."""
        if not len(self):
            return np.full((len(queries), k), -1, np.int64)
        return self._words.search(queries, k, self.state.removed)

    def add(self, entries: Sequence[Entry]) -> int:
        """Add those that are not there yet; returns how many. One that was removed comes back.

        Raises:
            StoreError: an entry is of the other kind, another process is writing, or the disk is full.
        """
        if any(entry.store != self.kind for entry in entries):
            raise StoreError(f"entries of another kind than {self.kind}", where=self.folder)
        with self._writing():
            known = {entry.id for _, entry in self.entries()}
            new = list({entry.id: entry for entry in entries if entry.id not in known}.values())
            if not new:
                return 0
            places = [*self._places.tolist()] if self.state.rows else []
            end = self._append(new, places)
            index = self._writable() if self.state.rows else VectorIndex.empty(self.state.dimension)
            for start in range(0, len(new), _BATCH):
                index.add(self.embedder.encode([entry.key for entry in new[start : start + _BATCH]], "document"))
            rows = self.state.rows + len(new)
            self._next(index, np.array(places, np.int64), rows=rows, bytes=end)
            return len(new)

    def remove(self, ids: Sequence[str]) -> int:
        """Take entries out; returns how many were there. Once a quarter is gone, what is left is written anew.

        Raises:
            StoreError: another process is writing, or the disk is full.
        """
        gone = set(ids)
        with self._writing():
            rows = [row for row, entry in self.entries() if entry.id in gone]
            if not rows:
                return 0
            removed = sorted({*self.state.removed, *rows})
            if len(removed) * 4 > self.state.rows:
                self._rewrite(set(removed))
            else:
                self._next(self._writable(), self._places, removed=removed)
            return len(rows)

    def _append(self, new: Sequence[Entry], places: list[int]) -> int:
        """Write rows behind the last one that was added, and their places; returns the file's new length."""
        path = self.folder / self.state.file
        try:
            with path.open("r+b") as file:
                file.truncate(self.state.bytes)  # what a run that was killed had begun
                file.seek(0, os.SEEK_END)
                for entry in new:
                    places.append(file.tell())
                    file.write(to_json_line(entry).encode())
                return file.tell()
        except OSError as error:
            raise StoreError("cannot write", where=path, fix=error.strerror or str(error)) from None

    def _rewrite(self, removed: set[int]) -> None:
        """Leave the removed rows out for good; the others' numbers change, so their file is a new one."""
        kept = [row for row in range(self.state.rows) if row not in removed]
        index = VectorIndex.empty(self.state.dimension)
        index.add(self._vectors.vectors()[kept])
        name = f"entries.{self.state.generation + 1}.jsonl"
        places: list[int] = []
        try:
            with (self.folder / name).open("wb") as file:
                for row, line in enumerate(self._lines(self.state)):
                    if row not in removed:
                        places.append(file.tell())
                        file.write(line)
                end = file.tell()
        except OSError as error:
            raise StoreError("cannot write", where=self.folder / name, fix=error.strerror or str(error)) from None
        self._next(index, np.array(places, np.int64), file=name, rows=len(kept), bytes=end, removed=[])

    def _next(self, index: VectorIndex, places: NDArray[np.int64], **change: Any) -> None:
        """Write the next generation and make it the store's; the one before stays, for who is reading it."""
        index.fit()
        generation = self.state.generation + 1
        state = self.state.model_copy(update={"generation": generation, "index": index.describe(), **change})
        try:
            np.save(self._file(generation, "places"), places)
            index.write(self._file(generation, "vectors"))
            if state.rows:
                keys = (self._parsed(line, row).key for row, line in enumerate(self._lines(state)))
                WordIndex.of(keys).write(self._file(generation, "words"))
        except OSError as error:
            raise StoreError("cannot write", where=self.folder, fix=error.strerror or str(error)) from None
        write_atomic(self.folder / STORE, state.model_dump_json(indent=1) + "\n")
        before, self.state = self.state, state
        self._forget()
        self._remove_old({before.file, state.file})

    def _remove_old(self, kept: set[str]) -> None:
        """Remove the files of generations before the last two."""
        for generation in (self.state.generation, self.state.generation - 1):
            kept |= {file.name for file in (self._file(generation, part) for part in _PARTS)}
        for path in self.folder.iterdir():
            if path.name in kept or path.name.partition(".")[0] not in ("entries", *_PARTS):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _file(self, generation: int, part: str) -> Path:
        return self.folder / f"{part}.{generation}{_PARTS[part]}"

    def _forget(self) -> None:
        for cached in ("_places", "_vectors", "_words"):
            self.__dict__.pop(cached, None)

    def _lines(self, state: StoreState) -> Iterator[bytes]:
        left = state.bytes
        with (self.folder / state.file).open("rb") as file:
            while left > 0:
                line = file.readline()
                if not line:
                    raise StoreError(
                        f"{state.file} is shorter than it was", where=self.folder, fix="make the store anew"
                    )
                left -= len(line)
                yield line

    def _parsed(self, line: bytes, row: int) -> Entry:
        try:
            return Entry.model_validate_json(line)
        except ValidationError:
            where = f"{self.folder / self.state.file}, row {row + 1}"
            raise StoreError("this is no entry", where=where, fix="make the store anew") from None

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        path = self._file(self.state.generation, "places")
        try:
            found: NDArray[np.int64] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise StoreError("the store is damaged", where=path, fix=f"make it anew ({error})") from None
        return found

    @cached_property
    def _vectors(self) -> VectorIndex:
        return VectorIndex.read(self._file(self.state.generation, "vectors"))

    def _writable(self) -> VectorIndex:
        return VectorIndex.read(self._file(self.state.generation, "vectors"), mapped=False)

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex.read(self._file(self.state.generation, "words"))

    def _refuse_other_encoder(self) -> None:
        mine, state = self.embedder, self.state
        fix = f"open it with {state.encoder}, or make a store of its own for {mine.name}"
        if mine.name == state.encoder:
            fix = f"{mine.name} has changed since; make the store anew"
        if mine.dimension != state.dimension:
            raise StoreError(
                f"made with another encoder (vectors of {state.dimension} numbers, not {mine.dimension})",
                where=self.folder,
                fix=fix,
            )
        cosines = (mine.encode(_PROBE, "document") * np.array(state.probe, np.float32)).sum(axis=1)
        if cosines.min() < _ALIKE:
            raise StoreError("made with another encoder", where=self.folder, fix=fix)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other processes from writing, and start from what the last of them wrote."""
        lock = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError("another run is writing here", where=self.folder, fix="wait for it") from None
            state = read_state(self.folder)
            if state.generation != self.state.generation or state.rows != self.state.rows:
                self.state = state
                self._forget()
            yield
        finally:
            os.close(lock)


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
