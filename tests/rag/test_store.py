"""Stores: what is added is found, what is removed is not, whatever came between; and nothing is lost or mixed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autovcoder.errors import StoreError
from autovcoder.records import Entry
from rag import vector_index
from rag.chunks import handbook
from rag.embed import StaticEmbedder
from rag.retrieve import Retriever
from rag.store import EntryStore

from .conftest import entry, make_encoder

WORDS = ["reset", "counter", "clock", "mux", "latch", "fifo", "state", "enable", "adder", "carry"]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)), max_size=8
)


def best(store: EntryStore, query: str) -> list[str]:
    return [hit.doc_id for hit in Retriever(store).search(query, 3)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_after_any_changes_it_holds_what_a_dictionary_would(
    changes: list[tuple[str, list[str]]], encoder: StaticEmbedder, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.rmtree(folder, ignore_errors=True)
    store = EntryStore.create(folder, "knowledge", encoder)
    held: set[str] = set()
    for change, words in changes:
        if change == "add":
            assert store.add([entry(word) for word in words]) == len(set(words) - held)
            held |= set(words)
        else:
            assert store.remove(words) == len(held & set(words))
            held -= set(words)
        store = EntryStore(folder, encoder)
        assert {one.id for _, one in store.entries()} == held
        assert len(store) == len(held)
        assert all(store.entry(row) == one for row, one in store.entries())
        for word in WORDS:
            found = Retriever(store, hybrid=True).search(word, len(WORDS))
            assert {hit.doc_id for hit in found} == held
            if word in held:
                assert found[0].doc_id == word
                assert found[0].score == pytest.approx(1, abs=1e-3)


def test_another_encoder_is_refused(encoder: StaticEmbedder, tmp_path: Path) -> None:
    EntryStore.create(tmp_path / "store", "knowledge", encoder).add([entry("reset")])
    for other in ({"seed": 1}, {"dimension": 16}):
        name = "-".join(map(str, *other.items()))
        with pytest.raises(StoreError, match="made with another encoder"):
            EntryStore(tmp_path / "store", StaticEmbedder(make_encoder(tmp_path / name, **other)))


def test_many_entries_are_searched_by_lists_and_found_nearly_as_well(
    encoder: StaticEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT_UP_TO", 1000)
    rng = np.random.default_rng(2)
    texts = sorted({" ".join(rng.choice(WORDS, 5)) + f" {number}" for number in range(1500)})
    exact = EntryStore.create(tmp_path / "exact", "knowledge", encoder)
    exact.add([entry(text) for text in texts[:900]])
    assert exact.state.index == {"kind": "exact"}
    store = EntryStore.create(tmp_path / "lists", "knowledge", encoder)
    store.add([entry(text) for text in texts[:1200]])
    store.add([entry(text) for text in texts[1200:]])
    store.remove(texts[:10])
    assert store.state.index["kind"] == "inverted lists"
    store = EntryStore(tmp_path / "lists", encoder)
    assert len(store) == 1490
    assert sum(best(store, text)[0] == text for text in texts[10:210]) >= 190
    assert not any(set(best(store, text)) & set(texts[:10]) for text in texts[:10])


def test_a_reader_is_not_disturbed_by_a_writer(encoder: StaticEmbedder, tmp_path: Path) -> None:
    writer = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    writer.add([entry(word) for word in WORDS])
    reader = EntryStore(tmp_path / "store", encoder)
    writer.remove(WORDS[:5])  # which writes what is left anew
    assert best(reader, WORDS[0])[0] == WORDS[0]
    assert WORDS[0] not in best(EntryStore(tmp_path / "store", encoder), WORDS[0])


def test_a_killed_writer_leaves_the_store_as_it_was(encoder: StaticEmbedder, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    EntryStore.create(folder, "knowledge", encoder).add([entry(word) for word in WORDS[:3]])
    # Killed when the rows are written and the next generation is not.
    script = f"""
        import os, sys
        from pathlib import Path
        from autovcoder.records import Entry
        from rag import store
        from rag.embed import StaticEmbedder
        store.write_atomic = lambda *_: os._exit(9)
        opened = store.EntryStore(Path({str(folder)!r}), StaticEmbedder(Path({encoder.name!r})))
        opened.add([Entry(id="lost", store="knowledge", title="lost", text="lost", key="lost")])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert done.returncode == 9, done.stderr
    store = EntryStore(folder, encoder)
    assert [one.id for _, one in store.entries()] == WORDS[:3]
    assert store.add([entry("later")]) == 1
    assert [one.id for _, one in EntryStore(folder, encoder).entries()] == [*WORDS[:3], "later"]
    assert best(store, "later")[0] == "later"


def test_a_store_that_is_damaged_says_so(encoder: StaticEmbedder, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store is here"):
        EntryStore(tmp_path, encoder)
    store = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    store.add([entry(word) for word in WORDS])
    for path in (tmp_path / "store").glob("vectors.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="vectors cannot be read"):
        best(EntryStore(tmp_path / "store", encoder), "reset")
    (tmp_path / "store" / "store.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        EntryStore(tmp_path / "store", encoder)


def test_entries_of_the_other_kind_are_refused(encoder: StaticEmbedder, tmp_path: Path) -> None:
    store = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    with pytest.raises(StoreError, match="another kind"):
        store.add([entry("reset", "example")])


def test_the_handbook_is_found_by_its_words_and_its_titles(encoder: StaticEmbedder, tmp_path: Path) -> None:
    store = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    chosen: list[Entry] = handbook()[::5]
    store.add(chosen)
    retriever = Retriever(store, hybrid=True)
    found = retriever.search_many([one.title for one in chosen], 5)
    right = sum(one.id in {hit.doc_id for hit in hits} for one, hits in zip(chosen, found, strict=True))
    assert right >= 0.8 * len(chosen)
