"""`autovcoder rag`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rag.embed import StaticEmbedder


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
