"""Look-alikes of other people's benchmarks, written for these tests: their folders and habits, none of their text."""

from __future__ import annotations

import json
from pathlib import Path

V2_TEST = """`timescale 1 ps/1 ps
module tb();
  reg a = 0;
  wire y_ref, y_dut;
  integer errors = 0, clocks = 0;
  RefModule good1 (.a, .y(y_ref));
  TopModule top_module1 (.a, .y(y_dut));
  initial begin
    $dumpfile("wave.vcd");
    $dumpvars(1, tb);
    repeat (20) begin
      #5 a = ~a;
      #1 clocks = clocks + 1;
      if (y_ref !== y_dut) errors = errors + 1;
    end
    $display("Mismatches: %1d in %1d samples", errors, clocks);
    $finish;
  end
endmodule
"""
V2_REFERENCE = "module RefModule (\n  input a,\n  output y\n);\n  // RefModule inverts\n  assign y = ~a;\nendmodule\n"
V2_LIST = """
I would like you to implement a module named TopModule with the following
interface. All input and output ports are one bit unless otherwise
specified.

 - input  a
 - output y

The module should invert its input.

"""
V2_HEADER = "module TopModule (\n  input a,\n  output y\n);\n"


def verilogeval_v2(root: Path, *, test: str = V2_TEST) -> Path:
    """A checkout with one problem in both datasets."""
    for name in ("dataset_spec-to-rtl", "dataset_code-complete-iccad2023"):
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "Prob001_invert_test.sv").write_text(test)
        (folder / "Prob001_invert_ref.sv").write_text(V2_REFERENCE)
        (folder / "problems.txt").write_text("Prob001_invert\n")
    (root / "dataset_spec-to-rtl" / "Prob001_invert_prompt.txt").write_text(V2_LIST)
    complete = root / "dataset_code-complete-iccad2023"
    (complete / "Prob001_invert_prompt.txt").write_text(f"\nInvert the input.\n\n{V2_HEADER}\n")
    (complete / "Prob001_invert_ifc.txt").write_text(f"\n{V2_HEADER}\n")
    return root


RTLLM_TEXT = """Please write an inverter.

Module name:
    flip

Input ports:
    a: 4-bit operand.
Output ports:
    y: 4-bit result.
"""
# Without a timescale, and longer than any simulator can count when it takes the delays for seconds and watches an end.
RTLLM_BENCH = """module testbench;
  reg [3:0] a;
  wire [3:0] y;
  reg [3:0] values [0:3];
  integer i, error = 0;
  flip uut (.a(a), .y(y));
  initial begin
    $readmemh("values.dat", values);
    for (i = 0; i < 4; i = i + 1) begin
      a = values[i];
      #100000 error = (y === ~values[i]) ? error : error + 1;
    end
    if (error == 0) $display("===========Your Design Passed===========");
    else $display("===========Test completed with %d /4 failures===========", error);
    FINISH
  end
endmodule
"""
RTLLM_REFERENCE = """// verified_flip: the designers' own
module verified_flip (input [3:0] a, output [3:0] y);
  inner verified (.a(a), .y(y));
endmodule
module inner (input [3:0] a, output [3:0] y);
  assign y = ~a;
endmodule
"""


def rtllm_design(folder: Path, *, finish: str = "$finish;", reference: str = RTLLM_REFERENCE) -> Path:
    folder.mkdir(parents=True)
    (folder / "design_description.txt").write_text(RTLLM_TEXT)
    (folder / "testbench.v").write_text(RTLLM_BENCH.replace("FINISH", finish))
    (folder / "verified_flip.v").write_text(reference)
    (folder / "values.dat").write_text("0\n5\na\nf\n")
    (folder / "makefile").write_text("sim:\n\t./simv\n")
    return folder


def verilogeval_v1(root: Path) -> Path:
    """A checkout of release 1 with one problem of the part Human."""
    bench = V2_TEST.replace("RefModule good1 (.a, .y(y_ref))", "assign y_ref = ~a").replace("TopModule", "top_module")
    task = {
        "task_id": "invert",
        "prompt": "module top_module (\n\tinput a,\n\toutput y\n);\n",
        "canonical_solution": "\n\tassign y = ~a;\nendmodule\n",
        "test": bench,
    }
    text = {"task_id": "invert", "detail_description": "Invert a."}
    for name, row in (("data/VerilogEval_Human.jsonl", task), ("descriptions/VerilogDescription_Human.jsonl", text)):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(json.dumps(row) + "\n")
    return root
