"""A library: a store of examples and one of knowledge, side by side in a folder.

Reads and writes that folder. The packaged library is only ever read. A user's own is searched together with it while
both have the packaged encoder, so that a team's own texts stand beside the handbook and not in its place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autovcoder.errors import StoreError
from autovcoder.files import read_records
from autovcoder.records import Entry, StoreKind, VerifiedPair
from rag.chunks import example
from rag.embed import PACKAGED, Embedder, open_embedder
from rag.places import KINDS, STORE, is_library, is_own, packaged_library
from rag.store import EntryStore
from rag.store_state import read_state


@dataclass(frozen=True)
class Library:
    """The stores of a library by kind; one that is not there is None.

    Attributes:
        beside: a library of the same encoder that is searched together with this one, and not written.
    """

    examples: EntryStore | None
    knowledge: EntryStore | None
    beside: Library | None = None

    @property
    def stores(self) -> tuple[EntryStore, ...]:
        """Its own stores."""
        return tuple(store for store in (self.examples, self.knowledge) if store is not None)

    def searched(self, kind: StoreKind) -> tuple[EntryStore, ...]:
        """All stores of a kind that a search asks: its own, then those beside it."""
        own = tuple(store for store in self.stores if store.kind == kind)
        return own + (self.beside.searched(kind) if self.beside else ())


def open_library(folder: Path, embedder: Embedder | None = None) -> Library:
    """The library in a folder; each store is opened with the encoder that it was made with unless one is given.

    The user's own has the packaged one beside it where both have the packaged encoder.

    Raises:
        StoreError: there is no store, or one was made with another encoder. ModelError: an encoder cannot be loaded.
    """
    opened: dict[str, Embedder] = {}
    found: dict[str, EntryStore] = {}
    for kind in KINDS:
        if not (folder / kind / STORE).is_file():
            continue
        name = read_state(folder / kind).encoder
        used = embedder or opened.get(name) or open_embedder(name)
        opened[name] = used
        found[kind] = EntryStore(folder / kind, used)
    if not found:
        raise StoreError("no library is here", where=folder, fix="make one with `autovcoder rag add`")
    own = Library(found.get("example"), found.get("knowledge"))
    if not is_own(folder) or {store.state.encoder for store in own.stores} != {PACKAGED}:
        return own
    return replace(own, beside=open_library(packaged_library(), own.stores[0].embedder))


def create_library(folder: Path, embedder: Embedder) -> Library:
    """An empty library.

    Raises:
        StoreError: there is one already, or the folder cannot be written.
    """
    stores = {kind: EntryStore.create(folder / kind, kind, embedder) for kind in KINDS}
    return Library(stores["example"], stores["knowledge"])


def make_library(folder: Path, embedder: Embedder, entries: Callable[[], Sequence[Entry]]) -> None:
    """A library with entries, put into its place when it is whole; where another process was faster, its library stays.

    One that was only begun would be taken for a finished one.

    Args:
        entries: gives them; asked when it is known that the folder can be a library.

    Raises:
        StoreError: the folder holds something else, or cannot be written.
    """
    folder = folder.resolve()
    if is_library(folder):
        return
    try:
        if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
            raise StoreError("holds something else than a library", where=folder, fix="name another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            add_to(create_library(Path(aside) / "library", embedder), entries())
            try:
                (Path(aside) / "library").rename(folder)
            except OSError:
                if not is_library(folder):
                    raise
    except OSError as error:
        raise StoreError("cannot make a library", where=folder, fix=error.strerror or str(error)) from None


def add_to(library: Library, entries: Sequence[Entry]) -> dict[StoreKind, int]:
    """Add each entry to the store of its kind; returns how many were new.

    Raises:
        StoreError: another process is writing, or the disk is full.
    """
    return {
        store.kind: store.add([entry for entry in entries if entry.store == store.kind]) for store in library.stores
    }


def examples_of_pairs(pairs: Path) -> list[Entry]:
    """Verified pairs (a file or a finished stage folder) as entries.

    Raises:
        InputError: the file is missing or holds something else.
    """
    path = pairs / "pairs.jsonl" if pairs.is_dir() else pairs
    return [_of_pair(pair) for pair in read_records(path, VerifiedPair)]


def _of_pair(pair: VerifiedPair) -> Entry:
    draft = pair.draft
    return example(
        draft.problem,
        draft.code,
        topic=topic_of(draft.topic, draft.reference_model),
        source=draft.teacher,
        place=draft.id,
    )


def topic_of(topic: str, reference_model: str) -> str:
    """The family that a parametric draft is of, which its reference model names; of any other its topic."""
    _, found, rest = reference_model.partition("FAMILIES['")
    return rest.partition("'")[0] if found else topic
