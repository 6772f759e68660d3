"""`autovcoder doctor`: true findings, and exit code 1 when something essential is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autovcoder.cli import doctor
from autovcoder.cli.doctor import as_text
from autovcoder.files import sha256_file

COMMAND = [str(Path(sys.executable).with_name("autovcoder")), "doctor"]


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path is not None else {})
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=300, env=environment, check=False
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("--json").stdout)
    return document


def test_it_lists_tools_packages_layers_and_the_machine(report: dict[str, Any]) -> None:
    assert report["tools"].keys() == {"iverilog", "vvp", "yosys"}
    assert report["packages"].keys() == {"pyslang", "torch", "transformers", "cocotb", "datatrove", "peft", "trl"}
    assert report["packages"]["torch"]
    assert report["sandbox"]
    assert report["processors"] >= 1
    assert 0 < report["memory_gib"]["available"] <= report["memory_gib"]["total"]
    assert isinstance(report["gpus"], list)


def test_the_packaged_model_is_named_by_the_hashes_of_its_files(report: dict[str, Any]) -> None:
    folder = Path(doctor.__file__).parents[1] / "assets" / "nano"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert report["nano"] == {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
    assert ("nano" in report["missing"]) == (not files)


def test_without_a_simulator_it_says_what_to_install_and_exits_with_1(tmp_path: Path) -> None:
    done = run(path=str(tmp_path))
    assert done.returncode == 1
    assert "iverilog is missing: install it: 'apt install iverilog'" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("not ready")
    assert done.stderr == ""


def test_what_is_missing_but_not_essential_leaves_it_ready(report: dict[str, Any]) -> None:
    tools = {**report["tools"], "yosys": None}
    text = as_text({**report, "tools": tools, "missing": {"yosys": "install it"}, "ok": True})
    assert "yosys        missing" in text
    assert "yosys is missing: install it" in text
    assert text.endswith("ready\n")


def test_text_and_json_tell_the_same(report: dict[str, Any]) -> None:
    done = run()
    assert done.returncode == (0 if report["ok"] else 1)
    for name, version in {**report["tools"], **report["packages"]}.items():
        assert f"{name:<13}{version or 'missing'}" in done.stdout.splitlines()
