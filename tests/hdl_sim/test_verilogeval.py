"""Real data: references of VerilogEval v1 pass their own testbenches, and what was broken in them is seen."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from autovcoder.records import Bench, PassRule
from hdl_sim.icarus import Icarus
from hdl_sim.simulator import simulate_many
from hdl_sim.waves import waveform

DATA = os.environ.get("AUTOVCODER_DATA")


def rows_of_human() -> list[dict[str, str]]:
    with gzip.open(Path(DATA or "") / "verilogeval_v1" / "VerilogEval_Human.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def bench_of(row: dict[str, str]) -> Bench:
    return Bench(kind="verilog", sources={"tb.sv": row["test"]}, top="tb", pass_rule=PassRule(kind="mismatch_count"))


@pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
def test_a_dozen_references_pass() -> None:
    rows = rows_of_human()[5::13]
    jobs = [(row["prompt"] + row["canonical_solution"], bench_of(row)) for row in rows]
    verdicts = list(simulate_many(Icarus(), jobs))
    assert len(verdicts) == 12
    assert {row["task_id"]: v.status for row, v in zip(rows, verdicts, strict=True) if not v.passed} == {}


@pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
def test_the_mark_in_a_waveform_is_one_sample_before_the_testbench_counts() -> None:
    simulator, seen = Icarus(), 0
    for row in rows_of_human():
        if "q <= d;" not in row["canonical_solution"]:
            continue
        design = row["prompt"] + row["canonical_solution"].replace("q <= d;", "q <= ~d;")
        verdict, wave = simulator.run(design, bench_of(row)), waveform(simulator, design, bench_of(row))
        if verdict.passed:
            continue  # in one problem the line is a comment
        assert wave is not None
        assert wave.mismatch is not None
        counted = min(map(int, re.findall(r"First mismatch occurred at time (\d+)", verdict.log_tail)))
        # The benches compare at every edge of a clock of 10 ps, before what the edge brings about.
        assert wave.mismatch == counted - 5
        assert {"clk", "d", "q_ref", "q_dut", "tb_mismatch"} <= {signal.name for signal in wave.signals}
        seen += 1
    assert seen == 7
