"""What cannot become hardware is found, and what can is not."""

from __future__ import annotations

import pytest

from hdl_sim.synthesizable import unsynthesizable

_MODULE = """module m(input clk, input en, input [3:0] d, output reg [3:0] q, output reg y);
{}
endmodule
"""


def _code(body: str, *, latches: bool = False) -> str | None:
    found = unsynthesizable(_MODULE.format(body), "m", latches=latches)
    return found.code if found else None


@pytest.mark.parametrize(
    "body",
    [
        "always @(posedge clk) q <= d; always @* y = ^d;",
        "always @(posedge clk or negedge en) if (!en) q <= 0; else q <= d; always @* y = 1;",
        # A case that lists all values assigns on every path.
        "always @* begin q = 0; case (d[1:0]) 0: y = 0; 1: y = 1; 2: y = 1; 3: y = 0; endcase end",
        # A value at power-up, and a ROM.
        "initial q = 0; always @(posedge clk) q <= d; always @* y = q[0];",
        "reg [3:0] rom [0:3]; integer i; initial for (i = 0; i < 4; i = i + 1) rom[i] = i + 3;\n"
        "always @(posedge clk) begin q <= rom[d[1:0]]; y <= 0; end",
        # A ripple of carries depends on itself as a word, but not bit by bit.
        "wire [4:0] c; assign c = {c[3:0] & d, en}; always @* begin q = c[4:1]; y = c[0]; end",
        "always @* begin q = $signed(d) >>> 1; y = $clog2(9) == 4; end",
        # What holds a value that nothing reads is no latch.
        "integer i; always @* if (en) for (i = 0; i < 4; i = i + 1) q[i] = d[3 - i]; else q = d; always @* y = en;",
        # Names in a comment are none.
        "initial begin // set z\n q = 0; end always @(posedge clk) q <= d; always @* y = q[0];",
    ],
)
def test_hardware_is_let_through(body: str) -> None:
    assert _code(body) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("always @(posedge clk) q <= #1 d; always @* y = 1;", "delay"),
        ("always @* q = d; always #5 y = en;", "delay"),
        ("assign #2 w = en; always @* begin q = d; y = w; end", "delay"),
        ("always @* q = d; always @(posedge clk) begin y <= 0; wait (en) y <= 1; end", "waiting"),
        ("always @(posedge clk) begin q <= d; @(posedge clk) y <= 1; end", "waiting"),
        ("always @(posedge clk) fork q <= d; y <= 1; join", "fork"),
        ("real r; always @* begin q = d; y = en; end", "real"),
        ("always @(posedge clk) begin q <= d; y <= $random; end", "system-task"),
        ('always @(posedge clk) begin q <= d; y <= 1; $display("%d", d); end', "system-task"),
        ("always @* begin q = d; y = d === 4'bx; end", "case-equality"),
        ("initial y = 0; always @(posedge clk) q <= d;", "initial-only"),
        ("always @* if (en) q = d; always @* y = 1;", "latch"),
        ("always @* begin q = 0; case (d[1:0]) 0: y = 0; 1: y = 1; endcase end", "latch"),
        ("always @* q = d; always @* (* full_case *) case (d[1:0]) 0: y = 0; 1: y = 1; endcase", "latch"),
        ("always @* q = d; always @* case (d[1:0]) // synopsys full_case\n 0: y = 0; 1: y = 1; endcase", "latch"),
        (
            "always @* q = d; // synthesis translate_off\nalways @* if (en) y = d[0]; // synthesis translate_on\n",
            "latch",
        ),
        ("wire c; assign c = en ? d[0] : c; always @* begin q = d; y = c; end", "combinational-loop"),
        ("always @(posedge clk) q <= d; always @(posedge clk) if (en) q <= 0; always @* y = 1;", "not-synthesizable"),
        ("always @(posedge clk or negedge clk) q <= d; always @* y = q[0];", "not-synthesizable"),
        ("always @(posedge clk) q <= d; always @* assign y = en;", "not-synthesizable"),
    ],
)
def test_what_is_no_hardware_is_named(body: str, code: str) -> None:
    assert _code(body) == code


def test_latches_that_were_asked_for_are_let_through() -> None:
    assert _code("always @* if (en) q = d; always @* y = 1;", latches=True) is None
    assert _code("wire c; assign c = en ? d[0] : c; always @* begin q = d; y = c; end", latches=True) is None
    assert _code("always @* if (en) q = #3 d; always @* y = 1;", latches=True) == "delay"


def test_a_finding_has_its_line_and_the_signal() -> None:
    found = unsynthesizable(_MODULE.format("\nalways @(posedge clk) q <= #1 d;\nalways @* y = 1;"), "m")
    assert found is not None
    assert found.line == 3
    found = unsynthesizable(_MODULE.format("always @* if (en) q = d; always @* y = 1;"), "m")
    assert found is not None
    assert found.what == "q keeps its value on some path"


def test_what_yosys_cannot_read_is_judged_by_form() -> None:
    text = "module m(input logic a, output logic y);\n  assign y = a inside {1'b1};\nendmodule\n"
    assert unsynthesizable(text, "m") is None


def test_an_odd_name_reaches_no_script() -> None:
    odd = "a;shell"
    assert unsynthesizable(f"module \\{odd} (input a, output y);\n  assign y = a;\nendmodule\n", odd) is None
