"""Mutants differ from the design by one slip of a known kind, compile, and are drawn the same way every time."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl_sim.mutants import Mutant, mutants
from hdl_sim.mutation_tables import other_numbers
from hdl_sim.normal_form import exact_key
from hdl_sim.slang import read_source

DESIGN = """
// a comment with a + b and 8'h00
module part(input x, input w, output z);
    assign z = x & ~w;
endmodule
module whole #(parameter W = 8) (
    input clk, input rst_n, input [W-1:0] a, input [W-1:0] b, output reg [W-1:0] q, output y, output z
);
    localparam IDLE = 2'd1;
    integer i;
    wire [3:0] t = a[3:0] - 4'd2;
    assign y = (a > b) ? ~^a : !b[0];
    part inner(.x(a[0]), .w(b[1]), .z(z));
    always @(posedge clk or negedge rst_n)
        if (!rst_n) q <= 8'h00;
        else begin
            case (a)
                8'd1, 8'd2: q <= q - 1;
                8'd9: q <= {a[3:0], t};
                default: q[3 +: 2] <= a << IDLE;
            endcase
            for (i = 0; i < 4; i = i + 1) q[i] <= b[i];
            if (a == b && t != 0) q <= ~q;
        end
endmodule
"""
KINDS = {
    "arithmetic", "assignment", "asynchronous reset", "bitwise", "case item", "case labels", "comparison", "condition",
    "condition stuck", "constant", "edge", "index", "logical", "loop", "negation", "operands", "parameter", "ports",
    "reduction", "reset", "reset value", "shift", "signal", "stuck",
}  # fmt: skip


@pytest.fixture(scope="module")
def everything() -> tuple[Mutant, ...]:
    return mutants(DESIGN, count=1000, seed="")


def test_there_is_every_kind_and_each_kind_has_its_turn(everything: tuple[Mutant, ...]) -> None:
    assert {mutant.kind for mutant in everything} == KINDS
    assert {mutant.kind for mutant in mutants(DESIGN, count=len(KINDS), seed="7")} == KINDS


def test_each_compiles_and_is_unlike_all_others(everything: tuple[Mutant, ...]) -> None:
    assert not any(read_source(mutant.code).errors for mutant in everything)
    assert len({exact_key(mutant.code) for mutant in everything} | {exact_key(DESIGN)}) == len(everything) + 1


def test_one_place_is_changed_and_the_rest_is_as_it_was(everything: tuple[Mutant, ...]) -> None:
    for mutant in everything:
        changed = [line for line in difflib.ndiff(DESIGN.splitlines(), mutant.code.splitlines()) if line[0] in "+-"]
        assert 1 <= len(changed) <= 4, mutant.change
        assert DESIGN.splitlines()[mutant.line - 1] not in mutant.code.splitlines()[mutant.line - 1 : mutant.line]


def test_headers_comments_and_the_steps_of_loops_are_left_alone(everything: tuple[Mutant, ...]) -> None:
    kept = ["a comment with a + b and 8'h00", "parameter W = 8", "output reg [W-1:0] q", "i = i + 1", "i = 0;"]
    assert all(text in mutant.code for mutant in everything for text in kept)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("edge", "@( negedge  clk or negedge rst_n)"),
        ("asynchronous reset", "@(posedge clk)\n"),
        ("reset", "if (!(!rst_n))"),
        ("reset value", "q <= 8'h01"),
        ("ports", ".x(b[1]), .w(a[0])"),
        ("stuck", "((~q) | 8'h80)"),
        ("condition stuck", "if ((1'b0)) q <= 8'h00"),
        ("case labels", "8'd9, 8'd2: q <= q - 1;"),
        ("loop", "i  <=  4"),
        ("signal", "if (b  == b"),
        ("operands", "{t, a[3:0]}"),
        ("parameter", "IDLE = 2'd2"),
        ("index", "q[(i) - 1] <= b[i]"),
    ],
)
def test_what_a_slip_writes(everything: tuple[Mutant, ...], kind: str, text: str) -> None:
    assert any(text in mutant.code and mutant.kind == kind for mutant in everything)


def test_the_draw_depends_on_the_seed_alone_and_a_larger_one_begins_with_the_smaller() -> None:
    few, many = mutants(DESIGN, count=10, seed="a"), mutants(DESIGN, count=40, seed="a")
    assert (len(few), len(many)) == (10, 40)
    assert many[:10] == few
    assert mutants(DESIGN, count=10, seed="b") != few


def test_what_a_macro_wrote_is_left_alone_and_the_rest_is_not() -> None:
    design = "`define NEXT(q) q + 1\nmodule m(input [3:0] a, output [3:0] y); assign y = `NEXT(a) - 2; endmodule\n"
    found = mutants(design, count=100, seed="")
    assert found
    assert all("`define NEXT(q) q + 1\n" in mutant.code for mutant in found)


def test_text_beyond_ascii_is_cut_in_the_right_place() -> None:
    design = "module m(input a, /* é */ output y); assign y = /*ü*/ a & 1'b1; // Ω\nendmodule\n"
    found = mutants(design, count=100, seed="")
    assert found
    assert all("/* é */" in mutant.code and "// Ω\nendmodule" in mutant.code for mutant in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "module m(input a; assign",
        "module m; wire \ud800; endmodule",
        "module m(output reg y); initial for (;;) y = 1; endmodule",
        "module m(input a, output y); assign y = " + " - ".join(["a"] * 7000) + "; endmodule",
        "module m(input a, output y); assign y = " + "(" * 900 + "a" + ")" * 900 + "; endmodule",
        "module m(input a, output reg y); always @* " + "if (a) " * 200 + "y = 1; endmodule",
    ],
)
def test_odd_text_gives_few_mutants_or_none(text: str) -> None:
    for mutant in mutants(text, count=4, seed=""):
        assert len(mutant.change) <= 100


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=" ;()@*=<>~&|^+-?:[]{}'`ab01\n", max_size=40))
def test_any_expression_is_survived(text: str) -> None:
    design = f"module m(input a, input b, output reg y);\nalways @* y = {text};\nendmodule\n"
    for mutant in mutants(design, count=5, seed=""):
        assert not read_source(mutant.code).syntax_errors


def test_numbers_keep_their_size_and_base() -> None:
    assert other_numbers("8'h0f") == ("8'h10", "8'h0e", "8'h8f", "8'h00")
    assert other_numbers("2'b11") == ("2'b00", "2'b10", "2'b01")
    assert other_numbers("7", near=True) == ("8", "6")
    assert other_numbers("4'sd3") == ("4'sd4", "4'sd2", "4'sd11", "4'sd0")
    assert other_numbers("4'b1x0") == ()
    assert other_numbers("2'b19") == ()
