"""`autovcoder eval suites`, `fetch` and `selftest` as a user meets them: real processes, a real repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.cli.evaluate import app
from eval.suites import SUITES, write_problems

from .benchmark_copies import rtllm_design, verilogeval_v1, verilogeval_v2
from .suite_of_two import A_AND_B, BROKEN, NOT_A

ROOT = Path(__file__).parents[2]


def command(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    code = "from autovcoder.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "eval", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def test_the_commands_are_there_beside_run() -> None:
    assert {item.name for item in app.registered_commands} >= {"run", "suites", "fetch", "selftest"}


def test_suites_lists_every_suite_and_what_it_reads(tmp_path: Path) -> None:
    done = command("suites", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name, suite in SUITES.items():
        assert f"{name}\n" in done.stdout or f"{name}: " in done.stdout
        assert suite.data in done.stdout
    assert "builtin: 60 problems" in done.stdout


def test_suites_counts_what_a_folder_holds(tmp_path: Path) -> None:
    verilogeval_v2(verilogeval_v1(tmp_path / "data"))
    done = command("suites", "--data", "data", "--json", cwd=tmp_path)
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found.keys() == SUITES.keys()
    assert {name: row["problems"] for name, row in found.items() if row["problems"]} == {
        "verilogeval-v1-human": 1,
        "verilogeval-v2-spec-to-rtl": 1,
        "verilogeval-v2-code-complete": 1,
        "builtin": 60,
    }
    assert found["rtllm-v2.0"]["problems"] is None
    assert len(found["rtllm-v2.0"]["repository"]["commit"]) == 40
    assert "rtllm-v2.0: not in this folder" in command("suites", "--data", "data", cwd=tmp_path).stdout


def test_selftest_prints_the_counts_and_the_reasons(tmp_path: Path) -> None:
    write_problems([NOT_A, A_AND_B, BROKEN], tmp_path)
    options = ("selftest", "--suite", "problems", "--data", ".", "--out", "out")
    done = command(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "problems     3\nreferences   2 pass\npassable     2\n" in done.stdout
    assert "- broken: its own reference fails: mismatch\n" in done.stdout
    assert "Icarus Verilog" in done.stdout
    assert done.stderr == "the self-test is in out\n"
    again = command(*options, "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads((tmp_path / "out" / "selftest.json").read_text())


def test_selftest_of_rtllm_runs_the_renamed_reference(tmp_path: Path) -> None:
    rtllm_design(tmp_path / "flip")
    done = command("selftest", "--suite", "rtllm-v1.1", "--data", ".", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["problems"], found["passable"], found["cannot_pass"]) == (1, 1, {})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["selftest", "--suite", "nosuch"], 1, "unknown suite: nosuch; known: verilogeval"),
        (["selftest", "--suite", "rtllm-v1.1", "--data", "."], 1, "is it another version"),
        (["selftest", "--suite", "rtllm-v1.1"], 1, "--data"),
        (["suites", "--data", "absent"], 1, "no such folder: absent"),
        (["fetch", "builtin", "--out", "copy"], 1, "has no repository to fetch"),
        (["fetch", "rtllm-v1.1", "--out", "copy", "--url", "file:///nowhere"], 1, "cannot reach the repository"),
        (["fetch", "rtllm-v1.1"], 2, "--out"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert code == 2 or len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_a_simulator_selftest_says_what_to_install(tmp_path: Path) -> None:
    done = command("selftest", "--suite", "builtin", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("error: iverilog is not on PATH; install it")
