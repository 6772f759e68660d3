"""Entries of one kind with their vectors, on disk: what is added, removed and looked up.

Reads and writes a folder: ``store.json`` (written last), the entries (rows are only ever appended), and for each
generation the places of its rows, the vectors' index and the words' index. A change writes the next generation beside
the last one, or, where entries are only removed, says so in ``store.json`` alone; so a kill leaves the store as it was,
and who reads it meanwhile goes on with what he opened. The encoder is pinned: vectors of two encoders cannot be
compared, so another one is refused.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autovcoder.errors import StoreError
from autovcoder.files import to_json_line, write_atomic, writing
from autovcoder.folder_lock import FolderLock
from autovcoder.records import Entry, StoreKind
from rag.embed import Embedder, Vectors
from rag.places import STORE
from rag.store_state import ENTRIES, Rows, StoreState, read_places, read_state, sync
from rag.vector_index import VectorIndex
from rag.word_index import WordIndex

_PARTS = {"places": ".npy", "vectors": ".faiss", "words": ""}
"""What every generation has, and how the names end."""
_PROBE = ("An up counter, 8 bits wide, with an asynchronous active-low reset.", "module mux (input a, output y);")
_ALIKE = 0.999
"""Least cosine of the probe's vectors with those that are pinned; arithmetic on another machine differs by less."""
_BATCH = 4096


@dataclass
class _Opened:
    """A store at one moment. ``words`` are opened by the first search for words, which not every reader makes."""

    state: StoreState
    rows: Rows
    vectors: VectorIndex
    words: WordIndex | None = None


class EntryStore:
    """A store, opened for reading: it stays as it was then until it is opened anew.

    ``add`` and ``remove`` take a lock for as long as they write, and start from what is on disk then.

    Raises:
        StoreError: the folder is no store, is damaged, or was made with another encoder.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder, self.embedder = Path(folder), embedder
        self._open = self._opened()
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
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ENTRIES).touch()
        probe = [[round(float(x), 5) for x in row] for row in embedder.encode(_PROBE, "document")]
        state = StoreState(kind=kind, encoder=embedder.name, dimension=embedder.dimension, probe=probe)
        write_atomic(folder / STORE, state.model_dump_json(indent=1) + "\n")
        return cls(folder, embedder)

    @property
    def state(self) -> StoreState:
        return self._open.state

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
        return self._open.rows.entry(row)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """All rows that are entries, with their numbers."""
        rows, removed = self._open.rows, set(self.state.removed)
        for row in range(len(rows)):
            if row not in removed:
                yield row, rows.entry(row)

    def nearest(self, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """For each query (a row of length 1) the ``k`` nearest entries' rows and cosines, falling.

        -1 where none is; no more columns than there are entries.
        """
        k = min(k, len(self))
        if not k:
            return np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32)
        return self._open.vectors.search(queries, k)

    def cosines(self, query: Vectors, rows: Sequence[int]) -> Vectors:
        """The cosines of these rows with one query (a vector of length 1)."""
        return self._open.vectors.cosines(query, rows)

    @property
    def words(self) -> WordIndex:
        """The words of its rows, opened when they are first asked for.

        Raises:
            StoreError: they are damaged, or nothing was ever added.
        """
        opened = self._open
        if opened.words is None:
            path = self._file(opened.state.generation, "words")
            try:
                words = WordIndex.read(path)
            except StoreError:
                if read_state(self.folder).generation == opened.state.generation:
                    raise
                # Writers have gone on twice since this reader opened the store; the entries are still at hand.
                words = WordIndex.of(opened.rows.entry(row).key for row in range(len(opened.rows)))
            words.pass_over(opened.state.removed)
            opened.words = words
        return opened.words

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
            places = self._open.rows.places.tolist()
            end = self._append(new, places)
            index = self._writable()
            for start in range(0, len(new), _BATCH):
                index.add(self.embedder.encode([entry.key for entry in new[start : start + _BATCH]], "document"))
            self._next(index, np.array(places, np.int64), rows=len(places), bytes=end)
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
                self._replace(self.state.model_copy(update={"removed": removed}))
            return len(rows)

    def _append(self, new: Sequence[Entry], places: list[int]) -> int:
        """Write rows behind the last one that was added, and their places; returns the file's new length."""
        path = self.folder / self.state.file
        with writing(path), path.open("r+b") as file:
            file.truncate(self.state.bytes)  # what a run that was killed had begun
            file.seek(0, os.SEEK_END)
            for entry in new:
                places.append(file.tell())
                file.write(to_json_line(entry).encode())
            return file.tell()

    def _rewrite(self, removed: set[int]) -> None:
        """Leave the removed rows out for good; the others' numbers change, so their file is a new one."""
        kept = [row for row in range(self.state.rows) if row not in removed]
        index = VectorIndex.empty(self.state.dimension)
        index.add(self._writable().vectors()[kept])
        name = f"entries.{self.state.generation + 1}.jsonl"
        places: list[int] = []
        with writing(self.folder / name), (self.folder / name).open("wb") as file:
            for row in kept:
                places.append(file.tell())
                file.write(self._open.rows.line(row))
            end = file.tell()
        self._next(index, np.array(places, np.int64), file=name, rows=len(kept), bytes=end, removed=[])

    def _next(self, index: VectorIndex, places: NDArray[np.int64], **change: Any) -> None:
        """Write the next generation and make it the store's."""
        index.fit()
        generation = self.state.generation + 1
        state = self.state.model_copy(update={"generation": generation, "index": index.describe(), **change})
        rows = Rows(self.folder / state.file, places, state.bytes)
        parts = [self._file(generation, part) for part in _PARTS if state.rows or part != "words"]
        with writing(self.folder):
            np.save(parts[0], places)
            index.write(parts[1])
            if state.rows:
                WordIndex.of(rows.entry(row).key for row in range(len(rows))).write(parts[2])
            sync([rows.path, *parts])
        before = self.state
        self._replace(state.model_copy(update={"sha256": rows.sha256()}))
        self._remove_old({before.file, state.file})

    def _replace(self, state: StoreState) -> None:
        write_atomic(self.folder / STORE, state.model_dump_json(indent=1) + "\n")
        self._open = self._opened()

    def _remove_old(self, kept: set[str]) -> None:
        """Remove the files of generations before the last two; the last but one may be wanted by who opens it now."""
        for generation in (self.state.generation, self.state.generation - 1):
            kept |= {self._file(generation, part).name for part in _PARTS}
        for path in self.folder.iterdir():
            if path.name in kept or path.name.partition(".")[0] not in ("entries", *_PARTS):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _file(self, generation: int, part: str) -> Path:
        return self.folder / f"{part}.{generation}{_PARTS[part]}"

    def _opened(self) -> _Opened:
        """The store as it is on disk now; read once more where a writer took a part of it away meanwhile."""
        state = read_state(self.folder)
        try:
            return self._parts_of(state)
        except StoreError:
            newer = read_state(self.folder)
            if newer == state:
                raise
            return self._parts_of(newer)

    def _parts_of(self, state: StoreState) -> _Opened:
        if not state.generation:
            return _Opened(
                state, Rows(self.folder / state.file, np.zeros(0, np.int64), 0), VectorIndex.empty(state.dimension)
            )
        rows = Rows(self.folder / state.file, read_places(self._file(state.generation, "places")), state.bytes)
        vectors = VectorIndex.read(self._file(state.generation, "vectors"))
        vectors.pass_over(state.removed)
        return _Opened(state, rows, vectors)

    def _writable(self) -> VectorIndex:
        if not self.state.generation:
            return VectorIndex.empty(self.state.dimension)
        return VectorIndex.read(self._file(self.state.generation, "vectors"), mapped=False)

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
        lock = FolderLock(self.folder, fix="wait for it")
        lock.take()
        try:
            if read_state(self.folder) != self.state:
                self._open = self._opened()
            yield
        finally:
            lock.release()
