"""The findings on a design that compiles: where, what and by which name, and what is not said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hdl_sim.lint import SLANG_CODES, lint

needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason="Yosys is not installed")
CLEAN = """module counter (input clk, input rst, input en, output reg [7:0] q);
    always @(posedge clk)
        if (rst) q <= 8'd0;
        else if (en) q <= q + 1;
endmodule
"""
SLIPS = """module slips (
    input clk, input [7:0] a, input [3:0] spare,
    output reg [3:0] y, output lost
);
    reg [3:0] kept;
    wire [3:0] never;
    always @(posedge clk) begin
        kept <= 4'd3;
        y <= a;
        case (a[1:0])
            2'd0: y <= 4'd1;
            2'd0: y <= 4'd2;
        endcase
    end
endmodule
"""
LATCH = """module latch (input en, input d, output reg q);
    always @(*)
        if (en) q = d;
endmodule
"""
LOOP = "module ring (input a, output y);\n    wire b;\n    assign b = ~(a & y);\n    assign y = b;\nendmodule\n"


def found(design: str) -> list[tuple[int | None, str | None]]:
    return [(one.line, one.code) for one in lint(design).findings]


def test_a_clean_design_has_no_findings() -> None:
    assert lint(CLEAN).findings == ()


def test_slangs_warnings_have_line_code_and_words() -> None:
    assert found(SLIPS) == [
        (2, "UnusedPort"),
        (3, "UndrivenPort"),
        (5, "UnusedButSetVariable"),
        (6, "UnusedNet"),
        (9, "WidthTruncate"),
        (10, "CaseDefault"),
        (12, "CaseDup"),
    ]
    words = {one.code: one.message for one in lint(SLIPS).findings}
    assert words["WidthTruncate"] == "implicit conversion truncates from 8 to 4 bits"
    assert words["UnusedPort"] == "unused port signal 'spare'"
    assert all(one.severity == "warning" for one in lint(SLIPS).findings)


def test_only_what_is_on_the_list_is_said() -> None:
    grows = "module m(input a, input signed [3:0] s, output [3:0] y);\n    assign y = a ? 4'd1 : s;\nendmodule\n"
    assert {"WidthExpand", "SignConversion", "BitwiseOpMismatch"} & SLANG_CODES == set()
    assert found(grows) == []


def test_the_list_names_warnings_that_this_slang_has() -> None:
    import pyslang

    unknown = SLANG_CODES - set(vars(pyslang.Diags))
    assert not unknown


@needs_yosys
def test_synthesis_finds_latches_and_loops_and_names_itself() -> None:
    said = lint(LATCH)
    assert [(one.line, one.code, one.message) for one in said.findings] == [
        (1, "latch", "q keeps its value on some path")
    ]
    assert (said.synthesis or "").startswith("Yosys ")
    assert [code for _, code in found(LOOP)] == ["combinational-loop"]


def test_what_is_no_hardware_by_its_form_needs_no_yosys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    delayed = CLEAN.replace("q <= 8'd0", "q <= #1 8'd0")
    assert found(delayed) == [(3, "delay")]
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + str(tmp_path))
    assert found(delayed) == [(3, "delay")]
    without = lint(LATCH)
    assert (without.findings, without.synthesis, without.without) == ((), None, "Yosys is not installed")


@pytest.mark.parametrize(
    "design",
    [
        "",
        "module m(",
        "module m(input a, output y); assign y = b; endmodule",
        "module m; initial x = " + "(" * 3000 + "1" + ")" * 3000 + "; endmodule",
        "\udcff",
    ],
)
def test_what_does_not_compile_has_no_findings(design: str) -> None:
    said = lint(design)
    assert said.findings == ()
    assert said.without


def test_lines_are_those_of_the_text_whatever_its_macros_and_line_ends() -> None:
    expanded = "`define W 8\r\n`define T \\\n  4'd3\n" + SLIPS.replace("4'd3", "`T")
    assert [(line or 0, code) for line, code in found(expanded)] == [((at or 0) + 3, code) for at, code in found(SLIPS)]
