"""`autovcoder eval run` killed, interrupted and started twice: real processes, a suite that takes a while."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autovcoder.files import read_jsonl
from autovcoder.records import Bench, PassRule, Problem
from autovcoder.store import read_manifest
from eval.report import Report
from eval.suites import write_problems

from .suite_of_two import HEADER, design

# Counts for a while before it decides, and waits for an answer's own endless loop.
SLOW_BENCH = """module tb;
  reg a = 0, b = 0;
  wire y;
  integer i, bad = 0;
  top_module dut(.a(a), .b(b), .y(y));
  initial begin
    for (i = 0; i < 200000; i = i + 1) begin
      {a, b} = i[1:0];
      #1 if (y !== ~a) bad = bad + 1;
    end
    $display("Mismatches: %0d in %0d samples", bad, i);
    $finish;
  end
endmodule
"""
ENDLESS = f"{HEADER}\n  assign y = ~a;\n  initial forever ;\nendmodule\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Three problems, and two answers to each, the first right and the second wrong."""
    problems = [
        Problem(
            id=f"slow{number}",
            suite="slow",
            category="gates",
            spec="Invert a.",
            interface=HEADER,
            bench=Bench(
                kind="verilog", sources={"tb.v": SLOW_BENCH}, top="tb", pass_rule=PassRule(kind="mismatch_count")
            ),
            reference=design("~a"),
        )
        for number in range(3)
    ]
    write_problems(problems, tmp_path)
    write_answers(tmp_path / "answers.jsonl", [design("~a"), design("a")])
    return tmp_path


def write_answers(path: Path, codes: list[str]) -> None:
    rows = [{"task_id": f"slow{number}", "completion": code} for code in codes for number in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def start(folder: Path, out: str) -> subprocess.Popen[str]:
    code = "from autovcoder.cli.main import main; main()"
    options = ["--suite", "problems", "--data", ".", "--samples", "answers.jsonl", "--out", out]
    return subprocess.Popen(
        [sys.executable, "-c", code, "eval", "run", *options],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


def listen_to_ctrl_c() -> None:
    """A shell starts background jobs, and so perhaps these tests, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def wait_for_rows(process: subprocess.Popen[str], path: Path, count: int) -> bytes:
    """The bytes of a file of rows once it has so many; the process must still be at work."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        data = path.read_bytes() if path.exists() else b""
        if data.count(b"\n") >= count:
            return data
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("too slow")


def outcome(folder: Path) -> list[dict[str, Any]]:
    """The verdicts without the time that each took."""
    rows = [{**row, "seconds": 0} for row in read_jsonl(folder / "verdicts.jsonl")]
    keys = [(row["problem_id"], row["index"]) for row in rows]
    assert len(keys) == len(set(keys))
    return rows


def left_over(process: subprocess.Popen[str]) -> list[str]:
    """Folders in which this process still simulates."""
    memory = Path("/dev/shm")
    return [path.name for path in memory.glob(f"hdl_sim_{process.pid}_*")] if memory.exists() else []


def test_a_run_killed_again_and_again_ends_with_the_verdicts_of_one_that_was_not(suite: Path) -> None:
    whole = start(suite, "whole")
    assert finish(whole)[0] == 0
    for place, count in (("references.jsonl", 1), ("verdicts.jsonl", 1), ("verdicts.jsonl", 3)):
        killed = start(suite, "killed")
        try:
            wait_for_rows(killed, suite / "killed" / place, count)
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.communicate()
        assert not (suite / "killed" / "manifest.json").exists()
    kept = (suite / "killed" / "verdicts.jsonl").read_bytes()
    with (suite / "killed" / "verdicts.jsonl").open("ab") as file:
        file.write(b'{"problem_id": "slow')
    assert finish(start(suite, "killed"))[0] == 0
    assert (suite / "killed" / "verdicts.jsonl").read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert outcome(suite / "killed") == outcome(suite / "whole")
    assert (suite / "killed" / "report.json").read_bytes() == (suite / "whole" / "report.json").read_bytes()
    assert len(list(read_jsonl(suite / "killed" / "samples.jsonl"))) == 6
    assert len(list(read_jsonl(suite / "killed" / "references.jsonl"))) == 3


def test_two_runs_side_by_side_do_not_touch_and_in_one_folder_the_second_is_refused(suite: Path) -> None:
    first, other = start(suite, "first"), start(suite, "other")
    wait_for_rows(first, suite / "first" / "samples.jsonl", 1)
    first.send_signal(signal.SIGSTOP)  # so that it is still at work, however slow the second is to start
    code, out, err = finish(start(suite, "first"))
    first.send_signal(signal.SIGCONT)
    assert (code, out) == (1, "")
    assert err.startswith("error: another run is writing here: first;")
    assert err.count("\n") == 1
    assert finish(first)[0] == finish(other)[0] == 0
    assert outcome(suite / "first") == outcome(suite / "other")


def test_ctrl_c_ends_at_once_with_a_partial_report_and_the_run_goes_on_later(suite: Path) -> None:
    write_answers(suite / "answers.jsonl", [design("~a"), ENDLESS])
    process = start(suite, "out")
    kept = wait_for_rows(process, suite / "out" / "verdicts.jsonl", 3)
    time.sleep(0.5)  # the endless ones are under way, and would take 30 seconds each
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    # Well under what the simulations would take; about a second on an idle machine.
    assert time.monotonic() - pressed < 10
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert left_over(process) == []
    folder = suite / "out"
    assert (folder / "verdicts.jsonl").read_bytes() == kept
    assert not (folder / "report.json").exists()
    partial = Report.model_validate_json((folder / "report.partial.json").read_text())
    assert (partial.answers, partial.waiting) == (3, 3)
    assert "Interrupted: 3 of 6 answers were decided." in (folder / "report.partial.md").read_text()
    # The run is another one with other answers, so the folder is completed by hand to let it end soon.
    rows = [{**json.loads(line), "index": 1} for line in kept.splitlines()]
    with (folder / "verdicts.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    assert finish(start(suite, "out"))[0] == 0
    assert (folder / "verdicts.jsonl").read_bytes().startswith(kept)
    assert not list(folder.glob("report.partial.*"))
    assert {"report.json", "report.md"} < read_manifest(folder).sha256.keys()
    assert Report.model_validate_json((folder / "report.json").read_text()).waiting is None


def test_ctrl_c_before_anything_is_decided_leaves_a_report_that_says_so(suite: Path) -> None:
    process = start(suite, "out")
    wait_for_rows(process, suite / "out" / "samples.jsonl", 6)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert left_over(process) == []
    partial = Report.model_validate_json((suite / "out" / "report.partial.json").read_text())
    assert partial.answers + (partial.waiting or 0) == 6
