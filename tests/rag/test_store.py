"""Stores: what is added is found, what is removed is not, whatever came between; and nothing is lost or mixed."""

from __future__ import annotations

import math
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
    # Of rows that are named, cosines are exact in either kind of index.
    query = encoder.encode([texts[700]], "query")[0]
    rows = {one.text: row for row, one in exact.entries()}, {one.text: row for row, one in store.entries()}
    some = [text for text in texts[10:900] if all(text in where for where in rows)][::7]
    for where, opened in zip(rows, (exact, store), strict=True):
        cosines = opened.cosines(query, [where[text] for text in some])
        assert np.allclose(cosines, encoder.encode(some, "document") @ query, atol=1e-5)
    # Little by little it grows to many times what its lists were made for, opened anew every time.
    lists = store.state.index["lists"]
    assert lists == 4 * math.isqrt(1200)
    for part in range(3):
        grown = EntryStore(tmp_path / "lists", encoder)
        grown.add([entry(f"{' '.join(rng.choice(WORDS, 4))} part {part} {number}") for number in range(1200)])
    assert len(grown) == 1490 + 3600
    assert grown.state.index["lists"] == 4 * math.isqrt(5100) > 2 * lists - 8
    grown = EntryStore(tmp_path / "lists", encoder)
    assert sum(best(grown, text)[0] == text for text in texts[10:110]) >= 90


def test_a_reader_is_not_disturbed_by_a_writer(encoder: StaticEmbedder, tmp_path: Path) -> None:
    writer = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    writer.add([entry(word) for word in WORDS])
    reader = EntryStore(tmp_path / "store", encoder)
    writer.remove(WORDS[:5])  # which writes what is left anew
    assert best(reader, WORDS[0])[0] == WORDS[0]
    assert WORDS[0] not in best(EntryStore(tmp_path / "store", encoder), WORDS[0])


def test_a_reader_goes_on_with_what_it_opened_whatever_writers_do(encoder: StaticEmbedder, tmp_path: Path) -> None:
    writer = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    writer.add([entry(word) for word in WORDS])
    reader, searched = (EntryStore(tmp_path / "store", encoder) for _ in range(2))
    assert Retriever(searched, hybrid=True).search(WORDS[0], 1)[0].doc_id == WORDS[0]
    writer.add([entry("later")])
    writer.remove(WORDS[:5])  # which writes what is left anew
    writer.add([entry("last")])
    for one in (reader, searched):  # the first has asked nothing until now
        assert {found.id for _, found in one.entries()} == set(WORDS)
        for word in WORDS:
            assert Retriever(one, hybrid=True).search(word, 3)[0].doc_id == word
            assert best(one, word)[0] == word
    # One that writes starts from what is there.
    assert searched.add([entry("more")]) == 1
    assert {found.id for _, found in searched.entries()} == {*WORDS[5:], "later", "last", "more"}


def test_what_is_removed_is_gone_without_a_new_generation(encoder: StaticEmbedder, tmp_path: Path) -> None:
    writer = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    writer.add([entry(word) for word in WORDS])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir() if path.name != "store.json"}
    reader = EntryStore(tmp_path / "store", encoder)
    hybrid = Retriever(writer, hybrid=True)
    assert hybrid.search("reset", 1)[0].doc_id == "reset"
    assert writer.remove(["reset"]) == 1
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir() if path.name != "store.json"}
    assert after == before
    assert "reset" not in {hit.doc_id for hit in hybrid.search("reset", 20)}
    assert best(reader, "reset")[0] == "reset"
    # Another that had opened it before does not bring it back.
    assert reader.add([entry("new")]) == 1
    assert {one.id for _, one in EntryStore(tmp_path / "store", encoder).entries()} == {*WORDS[1:], "new"}


def test_what_a_store_says_of_itself_tells_its_content(encoder: StaticEmbedder, tmp_path: Path) -> None:
    def described(name: str, text: str) -> str:
        EntryStore.create(tmp_path / name, "knowledge", encoder).add([entry(text)])
        return (tmp_path / name / "store.json").read_text()

    assert described("one", "8 bits") == described("same", "8 bits") != described("other", "9 bits")


# Where a change is killed: at the rows, in each part of the next generation, and before the last step.
CUTS = {
    "store.EntryStore._append": ["add"],
    "store.np.save": ["add", "rewrite"],
    "store.VectorIndex.write": ["add", "rewrite"],
    "store.WordIndex.write": ["add", "rewrite"],
    "store.sync": ["add", "rewrite"],
    "store.write_atomic": ["add", "remove", "rewrite"],
}


def test_a_killed_writer_leaves_the_store_as_it_was(encoder: StaticEmbedder, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    EntryStore.create(folder, "knowledge", encoder).add([entry(word) for word in WORDS])
    script = f"""
        import os, sys
        from pathlib import Path
        from autovcoder.records import Entry
        from rag import store
        from rag.embed import StaticEmbedder
        embedder = StaticEmbedder(Path({encoder.name!r}))
        for place, change in (line.split() for line in sys.stdin):
            child = os.fork()
            if child:
                assert os.waitpid(child, 0)[1] == 9 << 8, (place, change)
                continue
            opened = store.EntryStore(Path({str(folder)!r}), embedder)
            *path, name = place.split(".")[1:]
            owner = store
            for part in path:
                owner = getattr(owner, part)
            work = getattr(owner, name)

            def dies(*args, **kwargs):
                if name != "write_atomic":  # that one is the last step, all others are killed when they are half done
                    work(*args, **kwargs)
                os._exit(9)

            setattr(owner, name, dies)
            if change == "add":
                opened.add([Entry(id="lost", store="knowledge", title="lost", text="lost", key="lost")])
            else:
                opened.remove({WORDS!r}[:{{"remove": 2, "rewrite": 5}}[change]])
    """
    asked = "".join(f"{place} {change}\n" for place, changes in CUTS.items() for change in changes)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], input=asked, text=True, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    store = EntryStore(folder, encoder)
    assert [one.id for _, one in store.entries()] == WORDS
    assert store.add([entry("later")]) == 1
    assert [one.id for _, one in EntryStore(folder, encoder).entries()] == [*WORDS, "later"]
    assert best(store, "later")[0] == "later"
    assert store.remove(WORDS[:5]) == 5
    assert [one.id for _, one in EntryStore(folder, encoder).entries()] == [*WORDS[5:], "later"]


def test_a_store_that_is_damaged_says_so(encoder: StaticEmbedder, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store is here"):
        EntryStore(tmp_path, encoder)
    store = EntryStore.create(tmp_path / "store", "knowledge", encoder)
    store.add([entry(word) for word in WORDS])
    for path in (tmp_path / "store").glob("vectors.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="vectors cannot be read"):
        EntryStore(tmp_path / "store", encoder)
    for path in (tmp_path / "store").glob("places.*"):
        path.write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        EntryStore(tmp_path / "store", encoder)
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
