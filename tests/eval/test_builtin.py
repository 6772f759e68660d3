"""The suite that comes with the package: its references pass, and its benches find designs that are nearly right."""

from __future__ import annotations

import pytest

from autovcoder.records import Problem
from eval.answerable import contradiction
from eval.run import LIMITS
from eval.suites import load_suite
from hdl_sim.icarus import Icarus

PROBLEMS = {problem.id: problem for problem in load_suite("builtin", None)}
# Problem, a piece of its reference, and what a wrong design has in its place.
WRONG = [
    ("majority5", ">= 3'd3", "> 3'd3"),
    ("majority5", "+ {2'b00, a[4]}", ""),
    ("majority5", "ones >= 3'd3", "ones[1]"),
    ("mux6", "default: y = 4'd0;", ""),  # a latch
    ("mux6", "default: y = 4'd0;", "default: y = in[23:20];"),
    ("mux6", "in[15:12]", "in[16:13]"),
    ("add_sub8", "{8'd0, sub}", "9'd0"),
    ("add_sub8", "a[7] == other[7]", "a[7] == b[7]"),
    ("add_sub8", "{carry, result} =", "{carry, result} = {sub, 8'd0} ^"),  # a borrow in the place of the carry
    ("priority_encoder8", "i = 0; i < 8; i = i + 1", "i = 7; i >= 0; i = i - 1"),
    ("priority_encoder8", "|request", "|request[7:1]"),
    ("priority_encoder8", "index = 3'd0;", ""),  # a latch
    ("popcount12", "i < 12", "i < 11"),
    ("popcount12", "count + {3'd0, data[i]}", "count | {3'd0, data[i]}"),
    ("popcount12", "count = 4'd0;", ""),  # starts from X
    ("decade_counter", "&& !load", ""),
    ("decade_counter", "(d > 4'd9) ? 4'd9 : d", "d"),
    ("decade_counter", "posedge clk", "posedge clk or posedge rst"),
    ("decade_counter", "if (rst)\n            q <= 4'd0;\n        else if (load)", "if (load)"),
    ("gray_counter4", "posedge clk or negedge rst_n", "posedge clk"),
    ("gray_counter4", "else if (en)", "else"),
    ("gray_counter4", "count ^ (count >> 1)", "count"),
    ("shift_register8", "{serial_in, q[7:1]}", "{q[7], q[7:1]}"),
    ("shift_register8", "{q[6:0], serial_in}", "{q[6:0], q[7]}"),
    ("shift_register8", "posedge clk", "negedge clk"),
    ("lfsr16", "16'hACE1", "16'h0001"),
    ("lfsr16", "16'hB400 :", "16'hB401 :"),
    ("lfsr16", "else if (en)", "else"),
    ("detect_1011", "state <= in ? S1 : S10;\n                    found", "state <= NONE;\n                    found"),
    ("detect_1011", "S1: state <= in ? S1 : S10;", "S1: state <= in ? NONE : S10;"),
    ("detect_1011", "found <= 1'b0;\n        if (rst)", "if (rst)"),
    ("debouncer", "2'd3", "2'd2"),
    ("debouncer", "if (in == out)\n            differing <= 2'd0;\n        else if (d", "if (in != out && d"),
    ("debouncer", "posedge clk", "posedge clk or posedge in"),
    ("register_file", "rdata0 = (raddr0 == 3'd0) ? 8'd0 : registers[raddr0]", "rdata0 = registers[raddr0]"),
    ("register_file", ": registers[raddr1]", ": (we && waddr == raddr1) ? wdata : registers[raddr1]"),
    ("register_file", "        if (we)\n", ""),
    ("sync_fifo", "push && !full", "push && (!full || pop)"),
    ("sync_fifo", "pop && !empty", "pop"),
    ("sync_fifo", "{~tail[2], tail[1:0]}", "tail + 3'd3"),
    ("sync_fifo", "words[tail[1:0]]", "words[head[1:0]]"),
    ("serial_multiplier", "(step == 3'd7) ? product - shifted :", ""),
    ("serial_multiplier", "shifted <= a;", "shifted <= {8'd0, a};"),
    ("serial_multiplier", "else if (!busy) begin", "else if (!busy || start) begin"),
    ("serial_multiplier", "            busy <= 1'b0;\n        else if", "            product <= 0;\n        else if"),
]  # fmt: skip


def test_it_spans_the_usual_kinds_of_circuit() -> None:
    assert len(PROBLEMS) == 14
    kinds = {"gates", "muxes", "encoders", "arithmetic", "counters", "shift registers", "state machines", "memories"}
    assert {problem.category for problem in PROBLEMS.values()} == kinds
    assert sum(problem.bench.kind == "cocotb" for problem in PROBLEMS.values()) == 3


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_the_reference_passes_and_has_the_header_that_is_asked_for(problem: Problem) -> None:
    verdict = Icarus().run(problem.reference, problem.bench, LIMITS)
    assert verdict.status == "pass", verdict.log_tail
    assert contradiction(problem) is None
    headers = [text.partition(");")[0].split() for text in (problem.interface or "", problem.reference or "")]
    assert [word for word in headers[0] if word != "reg"] == [word for word in headers[1] if word != "reg"]


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG)
def test_a_wrong_design_is_a_mismatch(name: str, right: str, wrong: str) -> None:
    reference = PROBLEMS[name].reference
    assert reference is not None
    assert right in reference
    verdict = Icarus().run(reference.replace(right, wrong), PROBLEMS[name].bench, LIMITS)
    assert verdict.status == "mismatch", (verdict.diagnostics, verdict.log_tail)


def test_every_problem_has_wrong_designs() -> None:
    assert {name for name in PROBLEMS if sum(wrong[0] == name for wrong in WRONG) < 3} == set()
