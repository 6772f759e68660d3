"""Real data: references of VerilogEval v1 pass their own testbenches."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from autovcoder.records import Bench, PassRule
from hdl_sim.icarus import Icarus
from hdl_sim.simulator import simulate_many

DATA = os.environ.get("AUTOVCODER_DATA")


@pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
def test_a_dozen_references_pass() -> None:
    path = Path(DATA or "") / "verilogeval_v1" / "VerilogEval_Human.jsonl.gz"
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file][5::13]
    rule = PassRule(kind="mismatch_count")
    benches = [Bench(kind="verilog", sources={"tb.sv": row["test"]}, top="tb", pass_rule=rule) for row in rows]
    jobs = [(row["prompt"] + row["canonical_solution"], bench) for row, bench in zip(rows, benches, strict=True)]
    verdicts = list(simulate_many(Icarus(), jobs))
    assert len(verdicts) == 12
    assert {row["task_id"]: v.status for row, v in zip(rows, verdicts, strict=True) if not v.passed} == {}
