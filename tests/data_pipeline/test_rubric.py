"""The offline rubric: every harm to a good module lowers the criterion that it belongs to, and odd code is no fault."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError
from autovcoder.records import Provenance, RtlModule, content_id
from data_pipeline.label import CRITERIA
from data_pipeline.rubric import TERMS, Facts, RubricLabeller, grades, raw_grades
from data_pipeline.rubric_text import text_facts
from data_pipeline.rubric_tree import tree_facts

GOOD = """\
// A first-in first-out buffer between two sides of one clock domain. Writing to a full buffer and reading
// from an empty one are ignored.
module buffer #(
    parameter WIDTH = 8,
    parameter DEPTH = 16  // a power of two
) (
    input  wire             clk,
    input  wire             rst_n,     // asynchronous, active low
    input  wire             write,
    input  wire [WIDTH-1:0] data_in,
    input  wire             read,
    output reg  [WIDTH-1:0] data_out,
    output reg  [1:0]       state
);
    localparam BITS = $clog2(DEPTH);

    reg [WIDTH-1:0] memory [0:DEPTH-1];
    reg [BITS:0] head;
    reg [BITS:0] tail;

    // The extra bit of the pointers tells a full buffer from an empty one.
    wire empty = head == tail;
    wire full = head[BITS-1:0] == tail[BITS-1:0] && head[BITS] != tail[BITS];

    always @(posedge clk or negedge rst_n) begin
        if (!rst_n) begin
            head <= 0;
            tail <= 0;
        end else begin
            if (write && !full) head <= head + 1'b1;
            if (read && !empty) tail <= tail + 1'b1;
        end
    end

    // The memory itself needs no reset: nothing is read that was not written.
    always @(posedge clk) begin
        if (write && !full) memory[head[BITS-1:0]] <= data_in;
        data_out <= memory[tail[BITS-1:0]];
    end

    // What a display shows.
    always @* begin
        case ({full, empty})
            2'b10: state = 2'd2;
            2'b01: state = 2'd0;
            default: state = 2'd1;
        endcase
    end
endmodule
"""
PORT = "output reg  [1:0]       state\n);"
END = "endmodule\n"
# What is done to it, and the criteria that must fall by it.
HARMS = {
    "comments gone": (lambda c: re.sub(r"//.*", "", c), ["readability"]),
    "commented-out code": (lambda c: c.replace(END, "//  assign a = b;\n" * 12 + END), ["readability"]),
    "indentation gone": (lambda c: re.sub(r"^ +", "", c, flags=re.M), ["readability"]),
    "one line": (lambda c: re.sub(r"//.*", "", c).replace("\n", " "), ["readability"]),
    "one-letter names": (
        lambda c: re.sub(r"\b(head|tail|write|read|data_in|memory|state|full|empty)\b", lambda m: m[1][0], c),
        ["readability"],
    ),
    "magic numbers": (
        lambda c: c.replace(END, "".join(f"    wire {w} = head == {len(w) + 5};\n" for w in words(9)) + END),
        ["readability", "scalability"],
    ),
    "numbered names": (
        lambda c: c.replace(END, "".join(f"    wire part{i} = head[{i % 2}];\n" for i in range(12)) + END),
        ["readability", "scalability"],
    ),
    "many lines": (
        lambda c: c.replace(END, "".join(f"    wire {w} = head[0] & {w}_in;\n" for w in words(300)) + END),
        ["modular_design"],
    ),
    "many ports": (
        lambda c: c.replace(PORT, PORT[:-3] + "".join(f",\n    input  wire {w}" for w in words(60)) + "\n);"),
        ["modular_design"],
    ),
    "a long procedure": (
        lambda c: c.replace("tail <= 0;\n", "tail <= 0;\n" + "            head <= head & tail;\n" * 120, 1),
        ["modular_design"],
    ),
    "deep nesting": (
        lambda c: c.replace("if (read && !empty)", "if (read) if (write) if (full) if (!empty) if (head[0]) if (tail)"),
        ["modular_design"],
    ),
    "a latch": (
        lambda c: c.replace("            default: state = 2'd1;\n", ""),
        ["efficiency", "robustness"],
    ),
    "blocking in a sequential procedure": (
        lambda c: c.replace("head <= 0", "head = 0").replace("tail <= 0", "tail = 0"),
        ["efficiency"],
    ),
    "dividers": (
        lambda c: c.replace(END, "    wire [7:0] some = data_in / head, more = data_in % tail;\n" + END),
        ["efficiency"],
    ),
    "the same arithmetic again": (
        lambda c: c.replace(END, "    wire some = head + tail + 4'd1, more = head + tail + 4'd1;\n" * 3 + END),
        ["efficiency"],
    ),
    "a chain of ?:": (
        lambda c: c.replace(END, f"    wire some = {''.join(f'head[{i}] ? tail[{i}] : ' for i in range(8))} 0;\n{END}"),
        ["efficiency"],
    ),
    "a chain of else-if": (
        lambda c: c.replace(END, "    always @* " + " else ".join(f"if (head[{i}]) a = tail[{i}];" for i in range(8))
                            + " else a = 0;\n" + END),
        ["efficiency"],
    ),
    "no parameters": (
        lambda c: c.replace(" #(\n    parameter WIDTH = 8,\n    parameter DEPTH = 16  // a power of two\n)", "")
        .replace("WIDTH-1", "7").replace("DEPTH-1", "15").replace("$clog2(DEPTH)", "4"),
        ["scalability"],
    ),
    "no reset": (
        lambda c: c.replace(" or negedge rst_n", "").replace("if (!rst_n)", "if (!write)"),
        ["robustness"],
    ),
    "a written-out sensitivity list": (lambda c: c.replace("@*", "@(full or empty)"), ["robustness"]),
    "casex": (lambda c: c.replace("case (", "casex ("), ["robustness"]),
    "delays": (lambda c: c.replace("<= ", "<= #1 "), ["robustness"]),
    "an initial block": (lambda c: c.replace(END, "    initial head = 0;\n" * 2 + END), ["robustness"]),
    "implicit nets": (lambda c: c.replace(END, "    assign nowhere = head[0];\n" + END), ["robustness"]),
    "widths that do not fit": (
        lambda c: c.replace(END, "    wire [1:0] some = data_in;\n    wire more = head;\n" + END),
        ["robustness"],
    ),
    "an unknown macro": (lambda c: c.replace(END, "    wire [`SIZE:0] some = `ZERO;\n" + END), ["robustness"]),
}  # fmt: skip


def words(count: int) -> list[str]:
    """Names that differ by letters."""
    return [f"net_{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{chr(97 + i // 676)}" for i in range(count)]


def rtl(code: str) -> RtlModule:
    where = Provenance(repo="us/ours", commit="0", path="m.v", license=None, first_line=1, last_line=1)
    return RtlModule(id=content_id(code), name="m", language="verilog-2001", code=code, ports=(), provenance=where)


def raw(code: str) -> dict[str, float]:
    return raw_grades(Facts(text_facts(code), tree_facts(code)))


def test_a_good_module_scores_high_and_a_bad_one_low() -> None:
    bad = "module x(a,b,c);input a,b;output [7:0] c;reg [7:0] c;reg d;always @(a) if(b==37) c=a;initial c=93;endmodule"
    [good, poor] = RubricLabeller().label([rtl(GOOD), rtl(bad)])
    assert good is not None
    assert poor is not None
    assert good.value > 6.5
    assert poor.value < 4.5
    assert set(good.rubric) == set(CRITERIA)
    assert good.value == pytest.approx(sum(good.rubric.values()) / 5, abs=1e-3)


@pytest.mark.parametrize("name", HARMS)
def test_each_harm_lowers_its_criterion(name: str) -> None:
    harm, criteria = HARMS[name]
    before, after = raw(GOOD), raw(harm(GOOD))
    for criterion in criteria:
        assert after[criterion] < before[criterion] - 0.01, (before, after)


@pytest.mark.parametrize("what", sorted({term.what for term in TERMS}))
def test_every_term_of_the_rubric_tells_modules_apart(what: str) -> None:
    """No term is constant over the good module, its harmed versions and a few of the things a rubric likes."""
    liked = [
        GOOD.replace("@*", "@(*)").replace("always @(posedge", "always_ff @(posedge"),
        GOOD.replace(END, "    assert property (@(posedge clk) !(full && empty));\n" + END),
        GOOD.replace(END, "    genvar i; generate for (i = 0; i < 4; i = i + 1) begin : g end endgenerate\n" + END),
        GOOD.replace(END, "    part one (clk, write);\n" + END),
        GOOD.replace(END, "    part one (.clk(clk), .write(write));\n" + END),
        "module m (q, d);\n    input d;\n    output q;\n    assign q = d;\nendmodule\n",
        "module m (input a, output y);\n    wire \\a+b , \\c+d ;\n    assign y = a;\nendmodule\n",
        GOOD.replace(END, "".join(f"    assign x[{i}] = head[{i}];\n" for i in range(9)) + END),
        GOOD.replace(END, "    // " + "x" * 120 + "\n" + END),
        GOOD.replace(END, "    assign x = full ? head : tail;\n" + END),
    ]  # fmt: skip
    codes = [GOOD, *liked, *(harm(GOOD) for harm, _ in HARMS.values())]
    measures = [term.measure for term in TERMS if term.what == what]
    found = {measure(Facts(text_facts(code), tree_facts(code))) for code in codes for measure in measures}
    numbers = found - {None}
    assert len(numbers) > 1
    assert all(0 <= number <= 1 for number in numbers if number is not None)


@pytest.mark.parametrize(
    ("body", "latches"),
    [
        ("if (a) y = 1;", 1),
        ("if (a) y = 1; else y = 0;", 0),
        ("y = 0; if (a) y = 1;", 0),
        ("case (s) 2'd0: y = 0; 2'd1: y = 1; endcase", 1),
        ("case (s) 2'd0: y = 0; 2'd1: y = 1; 2'd2: y = 1; 2'd3: y = 0; endcase", 0),
        ("case (s) 2'd0: y = 0; default: z = 1; endcase", 2),
        ("if (a) y = 1; else if (b) y = 0; else y = 1;", 0),
        ("if (a) y = 1; else if (b) y = 0;", 1),
        ("if (a) y = 1; else if (b) z = 0; else y = 1;", 2),
        ("begin : named integer i; for (i = 0; i < 2; i = i + 1) y[i] = a; end", 0),
        ("begin {y, z[1:0]} = 0; if (a) z[0] = 1; end", 0),
        ("begin : named reg t; if (a) t = b; y = t; end", 0),
    ],
)
def test_latches_are_found_by_the_paths_through_a_procedure(body: str, latches: int) -> None:
    code = f"module m (input a, b, input [1:0] s, output reg y, z);\n    always @* begin {body} end\nendmodule\n"
    [block] = tree_facts(code).blocks
    assert block.latches == latches


def test_an_operator_counts_as_costly_when_its_operands_are_signals() -> None:
    def costly(expression: str) -> int:
        return tree_facts(
            f"module m #(parameter N = 4) (input [7:0] a, b);\n wire [7:0] y = {expression};\nendmodule"
        ).costly

    assert [costly(e) for e in ("a * b", "a / b", "a % 3", "a / N")] == [1, 1, 1, 1]
    assert [costly(e) for e in ("a * 3", "N * N", "a / 4", "a % 8'd16", "SIZE / N", "a + b")] == [0] * 6


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "no module"),
        ("// nothing but words", "no module"),
        ("module m (input a; endmodule", "does not parse"),
        ("module m; assign a = " + "(" * 3000 + ")" * 3000 + "; endmodule", "too deep"),
        ("module m; assign a = 1" + " + 1" * 20_000 + "; endmodule", "too deep"),
        ("x" * 1_000_001, "too large"),
        ("module m; always @* " + "if (a) " * 900 + "b = 1; endmodule", "too deep"),
        ("".join(f"`define M{i} `M{i + 1} `M{i + 1} `M{i + 1} `M{i + 1} `M{i + 1} `M{i + 1} `M{i + 1} `M{i + 1}\n"
                 for i in range(9)) + "module m; wire x = `M0; endmodule", "too large"),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_has_no_label_and_a_reason(code: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        grades(code)
    assert RubricLabeller().label([rtl(code)]) == [None]


def test_long_chains_of_else_if_are_graded() -> None:
    chain = " else ".join(f"if (a == {i}) y = {i};" for i in range(400))
    assert grades(f"module m (input [9:0] a, output reg [9:0] y);\n always @* {chain}\nendmodule")


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutilated_code_is_graded_or_refused_but_never_a_fault(rng: random.Random) -> None:
    code = GOOD
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(code))
        code = (
            code[:start]
            + rng.choice(["", "(", "end", ";", "\\", '"', "/*", "`x", "é", "'"])
            + code[start + rng.randint(0, 30) :]
        )
    [score] = RubricLabeller().label([rtl(code)])
    assert score is None or 0 <= score.value <= 10


def test_the_same_code_has_the_same_score_and_line_ends_do_not_matter() -> None:
    labeller = RubricLabeller()
    assert grades(f"// \ud800\n{GOOD}") == grades(f"// ?\n{GOOD}")
    assert (
        labeller.label([rtl(GOOD)])
        == labeller.label([rtl(GOOD.replace("\n", "\r\n"))])
        == RubricLabeller().label([rtl(GOOD)])
    )


def test_the_guide_lists_every_term() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "corpus.md").read_text()
    for term in TERMS:
        assert f"| {term.criterion.replace('_', ' ')} | {term.weight} | {term.what} |" in guide
