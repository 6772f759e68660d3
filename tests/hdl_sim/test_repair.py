"""Mending by rule: every rule on a slip of its kind, and that nothing else is touched, with the real front ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Diagnostic, Port, Verdict
from hdl_sim.finding import Finding
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.repair import Repaired, repair
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.slang import read_source
from hdl_sim.slips_of_declaration import misplaced_declarations, registers_to_nets
from hdl_sim.statement import Stated


@dataclass(frozen=True)
class Slip:
    """A text with a slip, lines that it must have once mended, and the words for it."""

    text: str
    lines: tuple[str, ...]
    change: str


SLIPS = {
    "a net driven by a procedure": Slip(
        "module t(input clk, input [3:0] d, output [3:0] q, output r);\nwire [1:0] w;\n"
        "always @(posedge clk) begin q[1:0] <= d; w = 2'b1; {r, q[3]} <= 2'd1; end\nendmodule\n",
        ("module t(input clk, input [3:0] d, output reg [3:0] q, output reg r);", "reg [1:0] w;"),
        "declared q, r, w as reg",
    ),
    "an old-style port driven by a procedure": Slip(
        "module t(clk, q);\ninput clk;\noutput q;\nalways @(posedge clk) q <= 1;\nendmodule\n",
        ("output reg q;",),
        "declared q as reg",
    ),
    "an enumeration that gets numbers": Slip(
        "module t(input clk, input x, output q);\ntypedef enum logic [1:0] {A, B=2, C} st; st s, n;\n"
        "always @(posedge clk) s <= x ? A : B;\nalways @* n = s + 1;\nassign q = s == C;\nendmodule\n",
        ("localparam [1:0] A = 0, B = 2, C = B + 1;", "typedef logic [1:0] st; st s, n;"),
        "made parameters of the enumeration's values",
    ),
    "an enumeration without a type": Slip(
        "module t(input clk, input x, output q);\nenum {A, B} s, n;\nalways @(posedge clk) s <= n;\n"
        "always @* n = x ? A : s + 1;\nassign q = s == B;\nendmodule\n",
        ("localparam A = 0, B = A + 1;", "int s, n;"),
        "made parameters of the enumeration's values",
    ),
    "assignments outside of procedures": Slip(
        "module t(input a, output [1:0] q, output r);\nq[0] = a;\nq[1] <= a;\n{r} = a;\nendmodule\n",
        ("assign q[0] = a;", "assign q[1] = a;", "assign {r} = a;"),
        "wrote assign before assignments outside of procedures",
    ),
    "a keyword as a name": Slip(
        "module t(input clk, input [7:0] d, output [7:0] q);\nreg [7:0] byte;\nalways @(posedge clk) byte <= d;\n"
        "assign q = byte;\nendmodule\n",
        ("reg [7:0] byte_value;", "always @(posedge clk) byte_value <= d;", "assign q = byte_value;"),
        "renamed byte, which is a keyword, to byte_value",
    ),
    "a clock that is not there": Slip(
        "module t(input a, b, output reg y);\nalways_ff @(posedge clk or negedge rst_n)\nif (!rst_n) y <= 0; else "
        "y <= a & b;\nendmodule\n",
        ("always @(*)", "if (!1'b1) y <= 0; else y <= a & b;"),
        "removed edges of clk, rst_n, which the module does not have",
    ),
    "a reset that is not there": Slip(
        "module t(input clk, a, output reg y);\nalways @(posedge clk or posedge rst)\nif (rst) y <= 0; else y <= a;\n"
        "endmodule\n",
        ("always @(posedge clk)", "if (1'b0) y <= 0; else y <= a;"),
        "removed edges of rst, which the module does not have",
    ),
    "a loop's variable": Slip(
        "module t(input [3:0] a, output reg [3:0] q);\nalways @* for (i=0;i<4;i=i+1) q[i]=a[3-i];\nendmodule\n",
        ("integer i;",),
        "declared the loop variable i",
    ),
    "a generate loop's variable": Slip(
        "module t(input [3:0] a, output [3:0] q);\ngenerate for (i=0;i<4;i=i+1) begin : g\nassign q[i]=a[3-i];\nend\n"
        "endgenerate\nendmodule\n",
        ("genvar i;",),
        "declared the loop variable i",
    ),
    "the next state": Slip(
        "module t(input clk, input a, output z);\nreg [1:0] state;\nalways @(posedge clk) state <= next_state;\n"
        "always @* next_state = state + a;\nassign z = state[1];\nendmodule\n",
        ("reg [1:0] next_state;",),
        "declared next_state like state",
    ),
    "a declaration behind a statement": Slip(
        "module t(input [3:0] a, output reg [3:0] q);\nalways @* begin\nq = 0;\ninteger i;\n"
        "for (i=0;i<4;i=i+1) q[i]=a[3-i]; end\nendmodule\n",
        ("integer i;",),
        "moved 'integer i;' up",
    ),
    "ports that are declared again": Slip(
        "module t(input clk, output reg [3:0] q);\ninput clk;\noutput [3:0] q;\nalways @(posedge clk) q <= 1;\n"
        "endmodule\n",
        (),
        "removed a second declaration of ports",
    ),
    "names that are declared twice": Slip(
        "module t(input clk, output reg [3:0] q);\nreg [3:0] q;\nwire a, b, a;\nalways @(posedge clk) q <= 1;\n"
        "endmodule\n",
        ("wire a, b;",),
        "removed the second declaration of q",
    ),
    "a replication without braces": Slip(
        "module t(input [7:0] in, output [31:0] q);\nassign q = {24{in[7]}, in};\nendmodule\n",
        ("assign q = {{24{in[7]}}, in};",),
        "put a replication into braces of its own",
    ),
    "the same behind another part": Slip(
        "module t(input [7:0] in, output [31:0] q);\nassign q = {in, 24{in[7]}};\nendmodule\n",
        ("assign q = {in, {24{in[7]}}};",),
        "put a replication into braces of its own",
    ),
    "no semicolon behind the last statement": Slip(
        "module t(input a, b, output x, y);\nassign x = a | b;\nassign y = a & b\nendmodule\n",
        ("assign y = a & b;",),
        "put a semicolon behind a statement",
    ),
    "no semicolon before a comment": Slip(
        "module t(input a, b, output reg y);\nalways @(*)\nif (a) y = b // b\nelse y = 0;\nendmodule\n",
        ("if (a) y = b; // b",),
        "put a semicolon behind a statement",
    ),
    "calls that print and a testbench": Slip(
        'module t(input a, output q);\nassign q = a;\ninitial $display("x");\nendmodule\n'
        "module tb; reg a; wire q; t u(a,q); initial begin a=0; #1 $finish; end endmodule\n",
        ("initial begin end",),
        "removed calls of $display, $finish",
    ),
    "a missing end": Slip(
        "module t(input [3:0] a, output reg [3:0] q);\nalways @* begin\nq = 0;\nif (a == 2) begin q = 1;\n",
        ("end", "endmodule"),
        "closed what was left open at the end",
    ),
    "half a statement at the end": Slip(
        "module t(input clk, input [2:0] s, output reg q);\nalways @(posedge clk) begin\ncase (s)\n3'd1: begin\n"
        "q <= 1;\nend\n3'd2: if (s == 3'b000\nendmodule\n",
        ("endcase", "end", "endmodule"),
        "closed what was left open at the end",
    ),
    "the same names in a helper": Slip(
        "module h(input clk, input a, output q);\nassign q = a;\nendmodule\nmodule t(input a, output q);\nwire w;\n"
        "h u(.clk(a), .a(a), .q(w));\nalways @(posedge clk) q <= w;\nendmodule\n",
        ("module h(input clk, input a, output q);", "module t(input a, output reg q);", "always @(*) q <= w;"),
        "declared q as reg",
    ),
    "another name": Slip(
        "module other(input a, output q);\nassign q = a;\nendmodule\n",
        ("module t(input a, output q);",),
        "renamed the module other to t",
    ),
}


def mended(text: str, stated: Stated) -> Repaired:
    found = repair(text, stated, Icarus())
    assert found is not None
    assert Icarus().compile_only(found.code).passed
    return found


@pytest.mark.parametrize("name", SLIPS)
def test_each_slip_is_mended_and_told(name: str) -> None:
    slip = SLIPS[name]
    assert not (Icarus().compile_only(slip.text).passed and "module t(" in slip.text)
    found = mended(slip.text, Stated(name="t"))
    assert slip.change in found.changes
    assert set(slip.lines) <= {line.strip() for line in found.code.splitlines()}
    changed = [line for line in found.diff.splitlines() if line.startswith(("-", "+"))]
    assert changed
    assert {line[1:] for line in changed if line.startswith("-")} <= set(slip.text.splitlines())
    assert {line[1:] for line in changed if line.startswith("+")} <= set(found.code.splitlines())


def test_a_declaration_behind_its_first_use_is_moved() -> None:
    """Not every Icarus refuses it, so the rule is asked itself."""
    text = "module t(input a, output z);\nassign z = w & a;\nwire w, v;\nassign w = ~a;\nendmodule\n"
    [(moved, change)] = misplaced_declarations(Finding(text, read_source(text).errors, Stated()))
    assert change == "moved 'wire w, v;' up"
    assert moved == "module t(input a, output z);\nwire w, v;\nassign z = w & a;\n\nassign w = ~a;\nendmodule\n"


def test_a_variable_that_a_primitive_drives_becomes_a_net() -> None:
    """As other versions of Icarus say it."""
    text = "module t(input a, output reg q);\nand g(q, a, a);\nendmodule\n"
    said = Diagnostic(
        severity="error", message="reg q; cannot be driven by primitives or continuous assignment.", line=2
    )
    [(changed, change)] = registers_to_nets(Finding(text, (said,), Stated()))
    assert change == "declared q as wire"
    assert "output wire q" in changed


def test_what_compiles_and_has_the_interface_is_not_touched() -> None:
    text = "module t(input a, output q);\nassign q = a;\nendmodule\n"
    assert repair(text, Stated(name="t"), Icarus()) is None


HELPER = "module half(input a, b, output s);\nassign s = a ^ b;\nendmodule\n"
USER = "module {name}(input a, b, c, output s);\nwire w;\nhalf x(a, b, w);\nhalf y(w, c, s);\n{more}endmodule\n"


@pytest.mark.parametrize("name", ["sum", None])
def test_the_module_that_uses_its_helpers_is_not_taken_for_a_testbench(name: str | None) -> None:
    found = mended(HELPER + USER.format(name="sum", more='initial $display("x");\n'), Stated(name))
    assert found.changes == ("removed calls of $display",)
    assert [module.name for module in read_source(found.code).modules] == ["half", "sum"]


def test_a_testbench_goes_where_no_name_is_stated() -> None:
    bench = "module tb; reg a; wire s; half u(a, a, s); initial begin a = 0; #1 $finish; end endmodule\n"
    found = mended(HELPER + bench, Stated())
    assert found.changes == ("removed modules that nothing uses",)


def test_the_module_that_is_renamed_is_the_one_that_uses_the_others() -> None:
    found = mended(HELPER + USER.format(name="other", more=""), Stated(name="t"))
    assert found.changes == ("renamed the module other to t",)


def test_no_module_is_renamed_where_there_are_two_ways_or_a_testbench_is_the_top() -> None:
    assert repair(HELPER + HELPER.replace("half", "ripple"), Stated(name="t"), Icarus()) is None
    bench = "module tb; reg a; wire s; half u(a, a, s); initial a = 0; endmodule\n"
    assert repair(bench + HELPER, Stated(name="t"), Icarus()) is None


@pytest.mark.parametrize(
    "half", ["assign z = a &\nendmodule\n", "assign z = a", "assign z", "h u(.a(a), .y(", "assign {w, z} = a +"]
)
def test_half_a_statement_stays_where_nothing_else_drives_what_it_does(half: str) -> None:
    helper = "module h(input a, output y);\nassign y = ~a;\nendmodule\n"
    text = f"module t(input a, output y, output z);\nwire w;\nassign y = a;\n{half}"
    half_is_used = "h u(" in half
    text = (helper if half_is_used else "") + (text + "z" if half_is_used else text)
    assert repair(text, Stated(name="t"), Icarus()) is None


def test_half_a_statement_goes_where_others_drive_what_it_does() -> None:
    text = "module t(input a, output reg y, z);\nalways @(*) begin\n{y, z} = 2'b01;\nif (a) begin\ny = ~a;\nz = a &"
    found = mended(text, Stated(name="t"))
    assert found.changes == ("closed what was left open at the end",)
    assert "z = a &" not in found.code


def test_what_no_rule_knows_is_left() -> None:
    for text in (
        "module t(input a, output q);\nassign q = nobody_knows(a;\nendmodule\n",
        "module t(input a, output q);\nunknown_part u(a, q);\nendmodule\n",
        "prose",
        "",
    ):
        assert repair(text, Stated(name="t"), Icarus()) is None


def test_ports_of_another_name_are_renamed_only_where_there_is_one_way() -> None:
    ports = (Port(name="a", direction="input"), Port(name="y", direction="output", width=4))
    text = "module t(input A, output [3:0] out);\nassign out = {4{A}};\nendmodule\n"
    found = mended(text, Stated("t", ports))
    assert found.code.splitlines()[0] == "module t(input a, output [3:0] y);"
    assert found.changes == ("renamed ports: A to a, out to y",)
    two = (Port(name="p", direction="input"), Port(name="q", direction="input"), ports[1])
    unclear = "module t(input x1, input x2, output [3:0] y);\nassign y = {4{x1 & x2}};\nendmodule\n"
    assert repair(unclear, Stated("t", two), Icarus()) is None


def test_a_call_that_computes_is_not_taken_for_one_that_prints() -> None:
    for call in ('initial $readmemh("rom.hex", m);', "initial q = $feof(3);"):
        text = f"module t(input a, output reg q);\nreg [7:0] m [0:3];\n{call}\nendmodule\n"
        assert repair(text, Stated(name="t"), Icarus()) is None


class Counted(Icarus):
    """Counts what it compiles."""

    compiled = 0

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.compiled += 1
        return super().compile_only(design, limits)


def test_many_slips_that_cannot_be_mended_take_a_bounded_number_of_tries() -> None:
    lines = "\n".join(f"reg a{n}; always @(posedge clk) a{n} <= a{n}_next + nobody{n};" for n in range(60))
    counted = Counted()
    assert repair(f"module t(input clk, output q);\n{lines}\nendmodule\n", Stated(name="t"), counted) is None
    assert counted.compiled <= 160


def test_several_slips_in_one_text() -> None:
    text = (
        "module top(input clk, input [7:0] d, output [15:0] q);\nalways @(posedge clk) begin\n"
        "q <= {8{d[7]}, d};\nfor (i = 0; i < 2; i = i + 1) q[i] <= 1;\nend\n"
    )
    found = mended(text, Stated(name="t"))
    assert len(found.changes) >= 4
    assert "module t(input clk, input [7:0] d, output reg [15:0] q);" in found.code


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SLIPS)), st.integers(0, 300), st.text(alphabet="(){};=@ a1'\n", max_size=3))
def test_a_damaged_text_is_mended_or_left_but_nothing_breaks(name: str, place: int, inserted: str) -> None:
    text = SLIPS[name].text
    place = min(place, len(text))
    found = repair(text[:place] + inserted + text[place:], Stated(name="t"), Icarus())
    if found is not None:
        assert Icarus().compile_only(found.code).passed
