"""What is in the package: it is read and never written, finds the family of a circuit in words of one's own, and a
user's own library is searched together with it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autovcoder.errors import StoreError
from autovcoder.records import Entry
from rag.chunks import handbook
from rag.embed import StaticEmbedder, open_embedder
from rag.library import add_to, create_library, open_library
from rag.places import default_library, packaged_library
from rag.retrieve import Retriever

from .conftest import entry

HEAVY = {"torch", "transformers", "sentence_transformers", "datasets"}
PARTS = ("encoder", "library")
# As people ask, and not as the families are worded.
ASKED = {
    "8-bit barrel shifter": "shifter",
    "FSM that detects the sequence 1011": "sequence_detector",
    "simple dual port RAM 256x8": "dual_port_ram",
    "4-to-1 multiplexer": "mux",
    "a first-in first-out queue with full and empty flags": "sync_fifo",
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's library is; there is none yet."""
    monkeypatch.setenv("AUTOVCODER_LIBRARY", str(tmp_path / "mine"))
    return tmp_path / "mine"


@pytest.fixture(scope="module")
def roomy_model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It writes rubbish, and has room for a context."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("models") / "roomy"
    AutoTokenizer.from_pretrained(random_model).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(random_model)
    model.config.max_position_embeddings = 8192
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def locked() -> Iterator[None]:
    """Another process holds every lock that a writer would need."""
    folders = [packaged_library() / kind for kind in ("example", "knowledge")]
    held = [os.open(folder, os.O_RDONLY) for folder in folders]
    for one in held:
        fcntl.flock(one, fcntl.LOCK_EX)
    yield
    for one in held:
        os.close(one)


def files() -> dict[Path, tuple[int, int]]:
    """Every file and folder of what is in the package, with what a write would change."""
    root = packaged_library().parent
    found = [path for part in PARTS for path in ((root / part), *(root / part).rglob("*"))]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def command(*arguments: object, program: str = "autovcoder") -> subprocess.CompletedProcess[str]:
    path = str(Path(sys.executable).with_name(program))
    return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


def test_it_is_small_and_holds_every_family_alike_and_the_handbook() -> None:
    root = packaged_library().parent
    sizes = [path.stat().st_size for part in PARTS for path in (root / part).rglob("*") if path.is_file()]
    assert sum(sizes) <= 9_000_000
    library = open_library(packaged_library())
    assert {store.state.encoder for store in library.stores} == {"static"}
    assert library.examples is not None
    families: dict[str, int] = {}
    for _, one in library.examples.entries():
        families[one.topic] = families.get(one.topic, 0) + 1
    assert len(families) >= 115
    assert len(set(families.values())) == 1
    assert library.knowledge is not None
    assert {one.id for _, one in library.knowledge.entries()} == {one.id for one in handbook()}


def test_it_is_searched_without_a_lock_and_without_a_write(locked: None) -> None:
    before = files()
    library = open_library(packaged_library())
    for store in library.stores:
        assert len(Retriever(store, hybrid=True).search("a counter with a reset", 5)) == 5
        assert len(list(store.entries())) == len(store)
    assert files() == before
    with pytest.raises(StoreError, match="another run is writing here"):
        library.stores[0].add([])
    assert files() == before


@pytest.mark.parametrize("sentence", ASKED)
def test_an_example_of_the_family_is_found_for_a_sentence(sentence: str) -> None:
    [store] = open_library(packaged_library()).searched("example")
    found = Retriever(store).find_many([sentence], 2)[0]
    assert ASKED[sentence] in {one.topic for one in found}


def test_a_piece_of_the_handbook_is_found_for_a_question() -> None:
    [store] = open_library(packaged_library()).searched("knowledge")
    found = Retriever(store, hybrid=True).find_many(["what infers a latch in combinational logic?"], 3)[0]
    assert any("latch" in one.title.lower() for one in found)


def test_a_search_loads_neither_torch_nor_transformers(mine: Path) -> None:
    script = """
        import sys
        from autovcoder.cli.main import main
        sys.argv = ["autovcoder", "rag", "search", "an 8-bit up counter", "--json"]
        try:
            main()
        except SystemExit:
            print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in script.splitlines())],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    hits = json.loads(done.stdout)
    assert [hit["store"] for hit in hits] == ["example"] * 3 + ["knowledge"] * 3
    assert "counter" in hits[0]["source"]
    loaded = set(done.stderr.split())
    assert "faiss" in loaded
    assert loaded & HEAVY == set()


def test_a_user_s_own_library_is_searched_together_with_the_packaged_one(
    mine: Path, roomy_model: Path, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    team.mkdir()
    (team / "style.md").write_text("# Names of counters\n\nThe output of a counter is called tally in our designs.\n")
    (team / "tally.v").write_text(
        "// An 8-bit up counter that is called a tally, with reset and enable.\n"
        "module tally (input clk, input rst, input en, output reg [7:0] tally);\n"
        "    always @(posedge clk) if (rst) tally <= 0; else if (en) tally <= tally + 1;\nendmodule\n"
    )
    before = files()
    added = command("rag", "add", team)
    assert added.returncode == 0, added.stderr
    assert added.stdout == f"2 of 2 entries are new; {mine} has 1 of examples, 1 of knowledge\n"
    assert added.stderr.splitlines()[-1] == "the packaged library is searched together with it"
    spec = "an 8-bit up counter with reset and enable, called a tally"
    found = json.loads(command("rag", "search", spec, "--json").stdout)
    assert next(hit["source"] for hit in found if hit["store"] == "example") == "tally.v"
    assert "style.md" in {hit["source"] for hit in found}
    assert {hit["source"].partition("/")[0] for hit in found} == {"tally.v", "style.md", "families", "handbook"}

    options = ("--model", roomy_model, "--max-new-tokens", "40", "--rag", "--show-context")
    told = command(spec, *options, program="generate-verilog").stderr
    assert "always @(posedge clk) if (rst) tally <= 0;" in told
    assert "families/counter" in told
    gone = command("rag", "remove", "tally.v", "style.md")
    assert gone.stdout == f"2 entries are removed; {mine} has 0\n"
    found = json.loads(command("rag", "search", spec, "--json").stdout)
    assert {hit["source"].partition("/")[0] for hit in found} == {"families", "handbook"}
    refused = command("rag", "remove", handbook()[0].id)
    assert refused.stderr.endswith("`rag search` shows them; those of the packaged library stay\n")
    assert files() == before


@pytest.mark.parametrize("arguments", [["add", "README.md"], ["remove", "handbook/fsm.md"]])
def test_the_packaged_library_is_not_written(arguments: list[str]) -> None:
    before = files()
    done = command("rag", *arguments, "--library", packaged_library())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: the packaged library is only read: {packaged_library()}; name another folder\n"
    assert files() == before


def test_what_both_have_is_found_once_and_the_nearer_comes_first(mine: Path) -> None:
    packaged = open_library(packaged_library())
    assert default_library() == packaged_library()
    shared: list[Entry] = [one for _, one in packaged.stores[1].entries()][:40]
    own = entry("Every register of our designs has a reset that is synchronous.")
    add_to(create_library(mine, open_embedder()), [own, *shared])
    assert default_library() == mine
    both = open_library(mine)
    queries = [own.key, shared[0].title, "how is a memory initialised from a file?"]
    for query in queries:
        alone = Retriever(packaged.stores[1]).search(query, 10)
        hits = Retriever(*both.searched("knowledge")).search(query, 10)
        assert len({hit.doc_id for hit in hits}) == 10
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert {hit.doc_id for hit in hits} <= {own.id, *(hit.doc_id for hit in alone)}
    assert Retriever(*both.searched("knowledge"), hybrid=True).search(own.key, 3)[0].doc_id == own.id
    assert len(both.stores[1]) == 41


def test_another_encoder_s_library_and_a_named_one_are_searched_alone(
    mine: Path, encoder: StaticEmbedder, tmp_path: Path
) -> None:
    add_to(create_library(mine, encoder), [entry("reset")])
    assert open_library(mine).beside is None
    named = tmp_path / "named"
    add_to(create_library(named, open_embedder()), [entry("reset")])
    assert open_library(named).beside is None
    guide = tmp_path / "guide.md"
    guide.write_text("# Resets\n\nEvery reset of ours is active low.\n")
    begun = command("rag", "add", guide, "--library", tmp_path / "begun")
    held = len(handbook()) + 1
    assert begun.stdout.endswith(f"of examples, {held} of knowledge\n")
    assert begun.stderr == ""


def test_a_library_of_an_encoder_that_has_changed_says_what_to_do(mine: Path, encoder: StaticEmbedder) -> None:
    former = StaticEmbedder(Path(encoder.name))
    former.name = "static"
    add_to(create_library(mine, former), [entry("reset")])
    with pytest.raises(StoreError, match="static has changed since; make the store anew"):
        open_library(mine)
