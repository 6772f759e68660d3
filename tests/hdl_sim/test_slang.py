"""slang behind our API: modules, ports, diagnostics, and bounds on hostile text."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Port
from hdl_sim.slang import read_source, verilog2001_violations

TWO = """// first
module top #(parameter W = 8) (input clk, input [W-1:0] a, output reg signed [3:0] q /* é */);
  helper h(.x(clk));
  missing m();
endmodule
module helper(x, y);
  input x;
  output [1:0] y;
endmodule
"""


def test_modules_have_ports_headers_lines_and_instances() -> None:
    top, helper = read_source(TWO).modules
    assert top.ports == (
        Port(name="clk", direction="input", width=1),
        Port(name="a", direction="input", width=8),
        Port(name="q", direction="output", width=4),
    )
    assert top.header.startswith("module top #(")
    assert top.header.endswith("/* é */);")
    assert (top.first_line, top.last_line, top.instances) == (2, 5, ("helper", "missing"))
    # Only tops are instantiated by themselves; the ports of a helper are known all the same.
    assert helper.ports == (Port(name="x", direction="input"), Port(name="y", direction="output", width=2))


def test_undefined_module_is_an_elaboration_error() -> None:
    source = read_source(TWO)
    assert [(d.code, d.line) for d in source.errors] == [("UnknownModule", 4)]
    assert source.syntax_errors == ()
    assert read_source(TWO, elaborate=False).errors == ()


def test_syntax_error_is_told_from_elaboration_error() -> None:
    source = read_source("module m(input a, output b);\n  assign b = ;\nendmodule\n")
    assert [(source.is_syntax(d), d.line) for d in source.errors] == [(True, 2)]


def test_self_instantiating_module_has_ports() -> None:
    code = (
        "module m #(parameter N = 4)(input [N-1:0] a); generate if (N > 1) m #(N-1) x(a[N-2:0]); endgenerate endmodule"
    )
    [module] = read_source(code).modules
    assert module.ports == (Port(name="a", direction="input", width=4),)


def test_soft_errors_are_warnings() -> None:
    source = read_source("module m(input [3:0] a, output b); reg [4] x; assign b = a[0]; endmodule")
    assert source.errors == ()
    assert "PackedDimsRequireFullRange" in {d.code for d in source.diagnostics}


def test_include_reads_no_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    secret = tmp_path / "secret.v"
    secret.write_text("module secret; endmodule")
    source = read_source(f'`include "{secret}"\nmodule m; endmodule')
    assert [m.name for m in source.modules] == ["m"]
    assert [d.code for d in source.errors] == ["ExceededMaxIncludeDepth"]


DOUBLING = "`define A0 1+1\n" + "\n".join(f"`define A{i + 1} `A{i}+`A{i}" for i in range(40))
HOSTILE = {
    "macro bomb": DOUBLING + "\nmodule m; wire [3:0] x = `A40; endmodule",
    "nested macro calls": "`define D(x) x x\nmodule m; " + "`D(" * 40 + "wire" + ")" * 40 + " endmodule",
    "calls nested through bodies": "`define D0(x) x x\n"
    + "".join(f"`define D{i + 1}(x) `D{i}(x x)\n" for i in range(30))
    + "module m; wire `D30(a); endmodule",
    "blocks opened by a macro": "`define O begin\nmodule m; initial " + "`O " * 20_000 + "endmodule",
    "blocks in macros in macros": "`define B0 begin end\n"
    + "".join(f"`define B{i + 1} {'begin ' * 50}`B{i} {'end ' * 50}\n" for i in range(40))
    + "module m; initial `B40 endmodule",
    "modules closed in comments": "module m; /* endmodule */ " * 20_000,
    "modules closed by names": "module m; wire end_x;\n" * 20_000,
    "modules closed by another's end": "module m; endcase " * 20_000,
    "modules closed in strings": 'module m; """ " endmodule " """; ' * 20_000,
    "modules closed in branches not taken": "module m;\n`ifdef X\nendmodule\n`endif\n" * 20_000,
    "modules closed in definitions": "module m;\n`define A endmodule\n" * 20_000,
    "modules closed in arguments": "`define N(x)\n" + "module m; `N(endmodule)\n" * 20_000,
    "modules opened by joined words": "`define M mod``ule\n" + "`M m; " * 20_000,
    "generated branches": "module m; if (1) wire a; " + "else if (1) wire b; " * 20_000 + "endmodule",
    "branches behind statements not taken": "module m; " + "if (1)\n`ifdef X\n;\n`endif\n" * 20_000 + "endmodule",
    "an expression through branches not taken": "module m; wire x = 1 " + "\n`ifdef X\n;\n`endif\n+ 1" * 20_000 + ";",
    "a list of events": "module m(input a); reg q; always @(" + "a," * 60_000 + "a) q = 1; endmodule",
    "lets of lets": "module m; let l0 = 1; "
    + "".join(f"let l{n + 1} = l{n}; " for n in range(3000))
    + "localparam z = l3000; endmodule",
    "lets that double": "module m; let l0 = 1; "
    + "".join(f"let l{n + 1} = l{n} + l{n}; " for n in range(40))
    + "localparam z = l40; endmodule",
    "too large": "module m; endmodule\n" * 60_000,
    "deep parentheses": "module m; wire x = " + "(" * 200_000,
    "deep blocks": "module m; initial " + "begin " * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly(name: str) -> None:
    started = time.process_time()
    source = read_source(HOSTILE[name])
    assert time.process_time() - started < 5
    assert source.modules == ()
    assert [d.code in ("TooLarge", "TooDeep") and source.is_syntax(d) for d in source.errors] == [True]


BOUNDED = {
    "doubling instances": "\n".join(f"module m{i}; m{i + 1} x(); m{i + 1} y(); endmodule" for i in range(60))
    + "\nmodule m60; endmodule",
    "doubling recursion": "module m #(parameter N=100); generate if (N) begin m #(N-1) x(); m #(N-1) y(); end "
    "endgenerate endmodule",
    "endless constant function": "module m; function integer f(input integer x); begin f=0; while (1) f=f+1; end "
    "endfunction localparam A = f(1); endmodule",
    "endless generate": "module m; genvar i; for (i=0; i>=0; i=i+1) wire x; endmodule",
    "huge replication": "module m; parameter Y = {268435456{1'b1}}; endmodule",
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDED)
def test_elaboration_is_bounded(name: str) -> None:
    started = time.process_time()
    read_source(BOUNDED[name])
    assert time.process_time() - started < 5


def test_ordinary_macros_are_not_refused() -> None:
    code = "`define W 8\n`define MAX(a,b) ((a)>(b)?(a):(b))\n"
    code += "module m(output [`W-1:0] y); assign y = `MAX(`MAX(1,2),3); endmodule"
    assert read_source(code).errors == ()


WHOLE = "module m(input [9:0] a, output reg y);\n{}endmodule\n"
LONG = {
    "words in comments": WHOLE.format("always @(*) begin\n" + "if (a == 7) y = 1; // case 7\n" * 1001 + "end\n"),
    "blocks": WHOLE.format("always @(*) begin if (a) begin y = 1; end else begin y = 0; end end\n" * 600),
    "branches": WHOLE.format("`ifdef A\nalways @(*) begin\n`else\nalways @(a) begin\n`endif\ny = 1; end\n" * 600),
    "a file that is read once": "`ifndef M\n`define M\n" + WHOLE.format("wire [3:0] w;\n" * 3000) + "`endif\n",
    "modules": "".join(f"module m{place}(input a); endmodule\n" for place in range(1500)),
}


@pytest.mark.parametrize("name", LONG)
def test_long_text_is_not_refused(name: str) -> None:
    source = read_source(LONG[name])
    assert source.modules
    assert source.syntax_errors == ()


def test_macros_that_close_what_they_open_are_not_refused() -> None:
    code = "`define SET(q, d) always @(posedge clk) begin q <= d; end\nmodule m(input clk, output reg q);\n"
    assert not read_source(code + "`SET(q, 1'b0)\n" * 1000 + "endmodule").refused


def test_many_calls_side_by_side_are_not_taken_for_nested_ones() -> None:
    code = '`define CHECK(c) if (!(c)) $error("%s", `"c`"); else if (c) ;\nmodule m(input a); always @(a) begin\n'
    source = read_source(code + "`CHECK(a == 1)\n" * 300 + "end endmodule")
    assert not source.refused
    assert [m.name for m in source.modules] == ["m"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="module();`\"'/*#begin \n", max_size=200))
def test_no_text_crashes_the_front_end(text: str) -> None:
    read_source(text)
    read_source(f"module m(input a);\n{text}\nendmodule")
    verilog2001_violations(text)


SYSTEMVERILOG = {
    "logic": "module m(input logic a, output b); assign b = a; endmodule",
    "always_comb": "module m(input a, output reg b); always_comb b = a; endmodule",
    "always_ff": "module m(input c, input a, output reg b); always_ff @(posedge c) b <= a; endmodule",
    "enum": "module m; typedef enum {A, B} t; endmodule",
    "struct": "module m; struct packed {reg a;} s; endmodule",
    "interface": "interface i; endinterface",
    "'++'": "module m; integer i; initial for (i = 0; i < 3; i++) ; endmodule",
    "'+='": "module m; integer i; initial i += 1; endmodule",
    "unsized": "module m(output [3:0] a); assign a = '0; endmodule",
    "declared in a for loop": "module m; initial for (int i = 0; i < 3; i = i + 1) ; endmodule",
    "behind an end": "module m; endmodule : m",
    "without parentheses": "module n(input a); endmodule module m(input a); n x(.a); endmodule",
    "'.*'": "module n(input a); endmodule module m(input a); n x(.*); endmodule",
    "cast": "module m(output [3:0] a); assign a = 4'(3); endmodule",
    "packed dimension": "module m(input [1:0][3:0] a); endmodule",
    "unique": "module m(input a, output reg b); always @* unique case (a) default: b = a; endcase endmodule",
    "import": "module m; import p::x; endmodule",
}


@pytest.mark.parametrize("what", SYSTEMVERILOG)
def test_systemverilog_is_found(what: str) -> None:
    assert any(what in d.message for d in verilog2001_violations(SYSTEMVERILOG[what]))


VERILOG_2001 = [
    "module m(input a, output reg b = 0); integer i; always @* begin : x b = 1'b0; for (i=0; i<3; i=i+1) b = a; "
    "end endmodule",
    "module m(input bit, output logic); assign logic = bit; endmodule",
    "module m #(parameter W = 8)(input signed [W-1:0] a, output [W-1:0] y); genvar i; generate for (i=0;i<W;i=i+1) "
    "begin : g assign y[i] = a[i]; end endgenerate function [3:0] f; input [3:0] x; f = x; endfunction endmodule",
    "module m(a, b); input a; output b; reg [7:0] mem [0:15]; // logic ++ in a comment\nassign b = a; endmodule",
    "(* keep *) module m(input wire signed [3:0] a, output y); assign y = a >>> 1; localparam X = 4'b1x0z; endmodule",
    "module m(input a output b); endmodule",  # broken, but not for being SystemVerilog
    "",
]


@pytest.mark.parametrize("code", VERILOG_2001)
def test_verilog_2001_is_clean(code: str) -> None:
    assert verilog2001_violations(code) == ()


def test_violations_have_their_place() -> None:
    [found] = verilog2001_violations("module m(input a,\n  output b);\n  always_comb;\nendmodule")
    assert (found.line, found.column, found.severity) == (3, 3, "error")


ARRAYS = (
    "module a; endmodule module b; a x[{n}](); endmodule module c; b x[{n}](); endmodule "
    "module d; c x[{n}](); endmodule"
)
LOOPS = (
    "module a; endmodule module b; localparam N = 4095; genvar i; for (i = 0; i < N; i = i + 1) a x(); endmodule "
    "module c; genvar i; for (i = 0; i < 12'd4095; i = i + 1) b x(); endmodule"
)


@pytest.mark.parametrize("code", [ARRAYS.format(n=60000), ARRAYS.format(n=1000), LOOPS])
def test_instances_that_multiply_do_not_exhaust_memory(code: str) -> None:
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); "
        "from hdl_sim.slang import read_source; source = read_source(sys.stdin.read()); "
        # Not ru_maxrss: a child starts with the peak of the process that it was forked from.
        "peak = int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]); "
        "print(source.refused, peak < 300_000)"
    )
    done = subprocess.run([sys.executable, "-c", limited], input=code, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_ordinary_arrays_and_loops_are_read() -> None:
    code = (
        "module a; endmodule module b #(parameter N = 64); genvar i, j; "
        "for (i = 0; i < N; i = i + 1) for (j = 0; j < N; j = j + 1) a x[3:0](); endmodule"
    )
    assert not read_source(code).errors


def test_several_instances_in_one_statement_are_read_and_all_counted() -> None:
    leaf = "module inv(input a, output y); assign y = a; endmodule\n"
    source = read_source("module top(input a, output y); wire b; inv x(a, b), z(b, y); endmodule\n" + leaf)
    assert source.modules[0].instances == ("inv",)
    assert not source.errors
    layers = "".join(f"module m{i}; m{i + 1} x(), y[0:999](); endmodule\n" for i in range(3))
    assert read_source(layers + "module m3; endmodule\n").refused


def test_a_diagnostic_that_cannot_be_put_into_words_is_still_one() -> None:
    code = "module m(input a);\n    assign y = a ^ B) & 16' always#}m()^`m endmodule(" + '"'
    for _ in range(20):  # what slang quotes there is not always the same
        assert read_source(code).errors
