"""`autovcoder eval teeth`: the weak testbenches of a suite are listed, the rest is counted, a run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.errors import StoreError
from autovcoder.files import read_jsonl
from autovcoder.records import Bench, Verdict
from autovcoder.store import read_manifest
from eval.suites import write_problems
from eval.teeth import measure_suite
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

from .suite_of_two import A_AND_B, BROKEN, NOT_A

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
NO_REFERENCE = A_AND_B.model_copy(update={"id": "no_reference", "reference": None})
SAME = A_AND_B.model_copy(update={"id": "same"})


class Counting(Icarus):
    """The real simulator, with a count of its runs; it is gone when asked for ``breaks_at``."""

    def __init__(self, breaks_at: str | None = None) -> None:
        super().__init__()
        self.runs = 0
        self.breaks_at = breaks_at

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        if design == self.breaks_at:
            raise KeyboardInterrupt
        self.runs += 1
        return super().run(design, bench, limits)


def test_every_problem_is_measured_or_skipped_with_a_reason() -> None:
    simulator = Counting()
    result = measure_suite([A_AND_B, BROKEN, NO_REFERENCE, NOT_A, SAME], simulator, count=6)
    assert [row.problem_id for row in result.problems] == [A_AND_B.id, NOT_A.id, "same"]
    assert list(result.skipped) == [BROKEN.id, "no_reference"]
    assert "fails its own testbench: mismatch" in result.skipped[BROKEN.id]
    assert result.problems[0].model_copy(update={"problem_id": "same"}) == result.problems[2]
    assert result.totals["killed"] == sum(row.killed for row in result.problems) > 0
    # Problems with the same design and testbench are simulated once.
    alone = Counting()
    measure_suite([A_AND_B, BROKEN, NO_REFERENCE, NOT_A], alone, count=6)
    assert alone.runs == simulator.runs


def test_an_interrupted_measurement_goes_on_and_a_finished_one_is_read_back(tmp_path: Path) -> None:
    problems, out = [A_AND_B, BROKEN, NOT_A], tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        measure_suite(problems, Counting(breaks_at=NOT_A.reference), count=6, out=out)
    assert [row["problem_id"] for row in read_jsonl(out / "teeth.jsonl")] == [A_AND_B.id]
    again = Counting()
    result = measure_suite(problems, again, count=6, out=out)
    only_last = Counting()
    assert result == measure_suite(problems, Icarus(), count=6)
    measure_suite([NOT_A], only_last, count=6)
    assert again.runs == only_last.runs
    assert read_manifest(out).facts["killed"] == result.totals["killed"]
    assert [row["reason"] for row in read_jsonl(out / "dropped.jsonl")] == list(result.skipped.values())
    unused = Counting()
    assert measure_suite(problems, unused, count=6, out=out) == result
    assert unused.runs == 0
    with pytest.raises(StoreError, match="mutants"):
        measure_suite(problems, unused, count=7, out=out)


def test_the_command_lists_weak_testbenches(tmp_path: Path) -> None:
    # One that lets everything pass.
    text = 'module tb; top_module dut(); initial begin $display("Mismatches: 0 in 1 samples"); $finish; end endmodule\n'
    bench = A_AND_B.bench.model_copy(update={"sources": {"tb.v": text}, "top": "tb"})
    reference = "module top_module(input a, input b, output y); assign y = a & b; endmodule\n"
    blind = A_AND_B.model_copy(update={"id": "blind", "bench": bench, "reference": reference})
    write_problems([A_AND_B, blind, BROKEN], tmp_path)
    arguments = ["--suite", "problems", "--data", str(tmp_path), "--mutants", "6"]
    shown = command(*arguments)
    assert shown.returncode == 0, shown.stderr
    listed = shown.stdout.partition("Below 80%: 1")[2]
    assert "blind" in listed.partition("Skipped:")[0]
    assert "& became |" in listed
    assert f"- {BROKEN.id}: " in listed.partition("Skipped:")[2]
    asked = command(*arguments, "--json", "--problem", "blind")
    result = json.loads(asked.stdout)
    assert [row["problem_id"] for row in result["problems"]] == ["blind"]
    assert result["rate"] == 0.0
    assert result["totals"]["survived"] > 0
    unknown = command(*arguments, "--problem", "nobody")
    assert unknown.returncode == 1
    assert "no such problem: nobody" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AUTOVCODER, "eval", "teeth", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
