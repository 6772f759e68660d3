"""`autovcoder rag`, as people type it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.files import write_jsonl
from rag.chunks import handbook
from rag.embed import StaticEmbedder
from rag.groups import Mined, Tried
from rag.store import EntryStore

from .conftest import entry


def rag(*arguments: object, library: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autovcoder", "rag", *map(str, arguments), "--library", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "style.md").write_text("# Resets\n\nEvery reset is active low.\n\n# Clocks\n\nOne clock a module.\n")
    (folder / "inv.v").write_text(
        "// An inverter of eight bits.\nmodule inv (input [7:0] a, output [7:0] y);\nassign y = ~a;\nendmodule\n"
    )
    (folder / "logo.png").write_bytes(b"\x89PNG")
    return folder


def test_what_is_added_is_found_and_what_is_removed_is_not(team: Path, encoder: StaticEmbedder, tmp_path: Path) -> None:
    library = tmp_path / "library"
    added = rag("add", team, "--encoder", encoder.name, "--bare", library=library)
    assert added.returncode == 0, added.stderr
    assert "3 of 3 entries are new" in added.stdout
    assert "left out: logo.png" in added.stderr
    assert "0 of 3 entries are new" in rag("add", team, library=library).stdout
    found = rag("search", "is the reset active low?", library=library)
    assert found.stdout.startswith("1. An inverter of eight bits.") or "1. Resets" in found.stdout
    hits = json.loads(rag("search", "is the reset active low?", "-k", 1, "--json", library=library).stdout)
    assert [(hit["store"], hit["source"]) for hit in hits] == [("example", "inv.v"), ("knowledge", "style.md")]
    assert hits[1]["title"] == "Resets"
    assert "2 entries are removed" in rag("remove", "style.md", library=library).stdout
    left = json.loads(rag("search", "is the reset active low?", "--json", library=library).stdout)
    assert [hit["source"] for hit in left] == ["inv.v"]


def test_two_first_additions_at_once_make_one_library(team: Path, encoder: StaticEmbedder, tmp_path: Path) -> None:
    library = tmp_path / "below" / "library"
    command = [sys.executable, "-m", "autovcoder", "rag", "add", str(team / "style.md"), "--encoder", encoder.name]
    both = [
        subprocess.Popen(
            [*command, "--library", str(library)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ended = [(*one.communicate(), one.returncode) for one in both]
    assert not any("Traceback" in err for _, err, _ in ended)
    # Whoever came while the other was writing is told so.
    assert all(code == 0 or "another run is writing here" in err for _, err, code in ended)
    assert [path.name for path in library.parent.iterdir()] == ["library"]
    found = json.loads(rag("search", "one clock a module", "--json", library=library).stdout)
    assert "style.md" in {hit["source"] for hit in found}
    assert len(EntryStore(library / "knowledge", encoder)) == len(handbook()) + 2


def test_a_folder_of_something_else_is_refused_before_anything_is_read(team: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("Mine.")
    done = rag("add", team, library=tmp_path / "mine")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"error: holds something else than a library: {tmp_path / 'mine'}; name another folder"
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_library_finds_its_encoder_from_elsewhere(
    team: Path, encoder: StaticEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(encoder.name, tmp_path / "runs" / "retriever")
    monkeypatch.chdir(tmp_path)
    assert rag("add", team, "--encoder", "runs/retriever", "--bare", library=tmp_path / "library").returncode == 0
    monkeypatch.chdir(team)
    assert rag("search", "is the reset active low?", library=tmp_path / "library").returncode == 0


def test_the_agreement_of_two_minings_is_told(tmp_path: Path) -> None:
    for name, scores in (("one", (2.0, 2.0, 0.0, 1.0)), ("other", (1.5, 0.0, 0.5, 1.0)), ("apart", ())):
        tried = [Tried(entry=entry(text, "example"), score=score) for text, score in zip("abcd", scores, strict=False)]
        (tmp_path / name).mkdir()
        write_jsonl(
            tmp_path / name / "mined.jsonl", [Mined(problem_id="p", query="p", without=1.0, tried=tuple(tried))]
        )
    command = [sys.executable, "-m", "autovcoder", "rag", "agreement", str(tmp_path / "one")]
    done = subprocess.run([*command, str(tmp_path / "other")], capture_output=True, text=True, check=False)
    assert done.stdout == (
        "4 pairs of a problem and an entry were tried in both; Cohen's kappa of better, worse and the same: 0.636\n"
        "of 3 neither found a tie; the share with the same sign: 0.667\n"
    )
    done = subprocess.run([*command, str(tmp_path / "other"), "--json"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == {"both": 4, "decided": 3, "agree": 0.6667, "kappa": 0.6364}
    done = subprocess.run([*command, str(tmp_path / "apart")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no entry was tried with the same problem in both")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search", "reset"], "no library is here"),
        (["add", "nowhere"], "no such file or folder"),
        (["search", ""], "the query is empty"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = rag(*arguments, library=tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()
