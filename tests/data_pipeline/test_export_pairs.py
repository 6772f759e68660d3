"""Exports are read by the libraries that they are for, and hold the very words in which models are asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import InputError, StoreError
from autovcoder.files import write_jsonl
from autovcoder.prompt import SYSTEM, chat, plain
from autovcoder.records import Bench, Draft, PassRule, Verdict, VerifiedPair
from data_pipeline.export_pairs import FORMATS, export_pairs

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
CODE = "module m(input a, output y);\n    assign y = ~a; // é\nendmodule\n"


def _pair(number: int) -> VerifiedPair:
    bench = Bench(kind="verilog", sources={"tb.v": ""}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    draft = Draft(
        id=str(number),
        problem=f"Invert a, the {number}th time.",
        circuit_type="combinational",
        level="easy",
        topic="gates",
        code=CODE,
        testbench=bench,
        reference_model="",
        teacher="test",
    )
    return VerifiedPair(draft=draft, verdict=Verdict(status="pass", stage="simulate"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    write_jsonl(path, (_pair(number) for number in range(3)))
    return path


def _loaded(path: Path, folder: Path) -> list[dict[str, Any]]:
    from datasets import load_dataset

    return list(load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache")))


def test_trl_reads_prompts_and_completions(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "trl.jsonl"
    assert export_pairs(pairs, "trl", out) == 3
    rows = _loaded(out, tmp_path)
    assert rows[1]["prompt"] == chat("Invert a, the 1th time.")
    assert rows[1]["completion"] == [{"role": "assistant", "content": f"```verilog\n{CODE}```"}]
    assert export_pairs(pairs, "trl-plain", out) == 3
    rows = _loaded(out, tmp_path)
    assert rows[2]["prompt"] == plain("Invert a, the 2th time.")
    assert rows[2]["prompt"].endswith("```verilog\n")
    assert rows[2]["completion"] == f"{CODE}```"


def test_llama_factory_gets_a_list_and_its_entry_beside_those_of_others(pairs: Path, tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text('{"theirs": {"file_name": "x.json"}}')
    export_pairs(pairs, "llama-factory", tmp_path / "proven.json")
    described = json.loads(info.read_text())
    assert described["theirs"] == {"file_name": "x.json"}
    entry = described["proven"]
    rows = json.loads((tmp_path / entry["file_name"]).read_text())
    assert entry["formatting"] == "alpaca"
    for row in rows:
        assert set(row) == set(entry["columns"].values())
    assert rows[0]["instruction"] == chat("Invert a, the 0th time.")[-1]["content"]
    assert rows[0]["system"] == SYSTEM
    assert CODE in rows[0]["output"]
    assert _loaded(tmp_path / "proven.json", tmp_path) == rows
    info.write_text("not json")
    with pytest.raises(InputError, match="descriptions of data sets"):
        export_pairs(pairs, "llama-factory", tmp_path / "again.json")
    assert not (tmp_path / "again.json").exists()


def test_axolotl_gets_messages(pairs: Path, tmp_path: Path) -> None:
    export_pairs(pairs, "axolotl", tmp_path / "axolotl.jsonl")
    rows = _loaded(tmp_path / "axolotl.jsonl", tmp_path)
    assert [message["role"] for message in rows[0]["messages"]] == ["system", "user", "assistant"]
    assert rows[0]["messages"][:2] == chat("Invert a, the 0th time.")


def test_what_cannot_be_exported_is_said(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such format"):
        export_pairs(pairs, "csv", tmp_path / "out")
    with pytest.raises(StoreError, match="finished stage folder"):
        export_pairs(tmp_path, "trl", tmp_path / "out")
    for name in ("dataset_info.json", "proven.txt", "proven"):
        with pytest.raises(InputError, match="LLaMA-Factory"):
            export_pairs(pairs, "llama-factory", tmp_path / name)
        assert not (tmp_path / name).exists()
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match="there are no pairs"):
        export_pairs(tmp_path / "empty.jsonl", "trl", tmp_path / "out")
    (tmp_path / "bad.jsonl").write_text('{"draft": 1}\n')
    with pytest.raises(InputError, match="row 1"):
        export_pairs(tmp_path / "bad.jsonl", "trl", tmp_path / "out")


def test_the_command_writes_every_format(pairs: Path, tmp_path: Path) -> None:
    for name in FORMATS:
        out = tmp_path / f"{name}.json"
        command = [AUTOVCODER, "data", "export", "--pairs", str(pairs), "--format", name, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "3 pairs" in done.stderr
        assert out.stat().st_size > 100
