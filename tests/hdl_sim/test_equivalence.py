"""Equivalent is said of what is proven and of nothing else."""

from __future__ import annotations

import pytest

from autovcoder.errors import ToolMissing
from hdl_sim.equivalence import compare
from hdl_sim.provable import overrides_parameters

HEADER = "module top(input clk, input rst, input [3:0] a, b, output reg [3:0] q, output y);\n"
COUNTER = "if (rst) q <= 0; else q <= q + 1;"
FSM = """reg [1:0] s;
always @(posedge clk) if (rst) s <= 0; else
    case (s) 0: s <= a[0] ? 1 : 0; 1: s <= b[0] ? 2 : 1; 2: s <= 0; default: s <= %s; endcase
always @* q = s;"""
CODES = """reg [1:0] s;
always @(posedge clk) if (rst) s <= 0; else case (s) 0: s <= 1; 1: s <= a; 2: s <= 3; default: s <= 0; endcase
always @* q = s;"""
DEEP = """reg [7:0] c;
always @(posedge clk) if (rst) begin c <= 0; q <= 0; end else begin c <= c + 1; q <= (c == 8'd%d); end"""
FIFO = """reg [7:0] m [0:3]; reg [1:0] w, r;
always @(posedge clk) if (rst) begin w <= 0; r <= 0; end else begin
    if (a[0]) begin m[w] <= {a, b}; w <= %s; end
    if (b[0]) r <= r + 1;
end
always @* q = m[r][3:0];"""
FULL = "always @* case (a[1:0]) 0: q = b; 1: q = a; 2: q = 1; 3: q = 2; default: q = %s; endcase"
GENERATE = "module top(input [3:0] a, output [3:0] q, output y); genvar i;"
GENERATE += " generate for (i = 0; i %s 3; i = i + 1) begin : g assign q[i] = a[i] ^ a[(i + 1) %% 4]; end endgenerate "
CONSTANT = "module s(output y); assign y = 1'b0; endmodule\n"
OPEN_INPUT = "module s(input i, output y); assign y = i; endmodule\n"
OPEN_INPUT += HEADER + "s x(.i(), .y(y)); always @* q = a; endmodule\n"
DIVIDED = """reg h, r;
always @(posedge clk) if (rst) begin h <= 0; r <= 0; end else begin h <= ~h; r <= a[0]; end
always @(%s"""
INDEX = "wire [9:0] v = {a, b, a[1:0]}; assign y = (b %s 10) ? v[b] : 1'b0; always @* q = 0;"


def sequential(body: str, y: str = "q[0]") -> str:
    return f"{HEADER}{body}\nassign y = {y};\nendmodule\n"


def clocked(statement: str, edges: str = "posedge clk", before: str = "") -> str:
    return sequential(f"{before} always @({edges}) {statement}")


def expression(value: str, y: str = "1'b0") -> str:
    return f"{HEADER}always @* q = {value};\nassign y = {y};\nendmodule\n"


def whole(body: str) -> str:
    return f"{HEADER}{body} endmodule\n"


@pytest.mark.parametrize(
    ("gold", "gate"),
    [
        pytest.param(expression("~(a & b)"), expression("~a | ~b"), id="De Morgan"),
        pytest.param(expression("(a + b) + a"), expression("a + (b + a)"), id="sums in another order"),
        pytest.param(sequential(FULL % 3), sequential(FULL % 4), id="default of a full case"),
        pytest.param(expression("rst ? 4'bx : a"), expression("rst ? b : a"), id="where the design says x"),
        pytest.param(
            whole("always @* case (rst) 0: q = a; default: q = 4'bx; endcase assign y = 0;"),
            whole("always @* case (rst) 0: q = a; endcase assign y = 0;"),
            id="latch where the design says x",
        ),
        pytest.param(whole(INDEX % "<"), whole(INDEX.replace("b %s 10", "10 > b")), id="index in range"),
        pytest.param(clocked(COUNTER), clocked("if (rst) q <= 0; else q <= q - 4'hf;"), id="counter"),
        pytest.param(
            sequential(CODES.replace("default", "3")), sequential(CODES), id="full case that chooses the next state"
        ),
        pytest.param(sequential(FSM % 0), sequential(FSM % 2), id="state that is never reached"),
        pytest.param(sequential(FSM % 0), sequential(FSM % 3), id="state that is never reached nor left"),
        pytest.param(sequential(FIFO % "w + 1"), sequential(FIFO % "w - 2'd3"), id="memory"),
        pytest.param(
            whole("always @* if (rst) q = a ^ b; assign y = 0;"),
            whole("always @* if (rst) q = (a | b) & ~(a & b); assign y = 0;"),
            id="latch",
        ),
        pytest.param(
            clocked("q <= q + 1;", before="initial q = 3;"),
            clocked("q <= q - 4'hf;", before="initial q = 3;"),
            id="initial value",
        ),
        pytest.param(clocked("q <= a;"), clocked("q <= a;", before="initial q = 3;"), id="initial value of its own"),
    ],
)
def test_what_is_the_same_is_proven(gold: str, gate: str) -> None:
    assert compare(gold, gate, "top") == "equivalent"


@pytest.mark.parametrize(
    ("gold", "gate"),
    [
        pytest.param(expression("(a + b) + a"), expression("a + (b - a)"), id="other sum"),
        pytest.param(expression("a"), expression("(a == 9) ? 8 : a"), id="one value"),
        pytest.param(clocked(COUNTER), clocked(COUNTER.replace("<= 0", "<= 1")), id="reset value"),
        pytest.param(clocked(COUNTER), clocked(COUNTER, "posedge clk or posedge rst"), id="asynchronous reset"),
        pytest.param(clocked(COUNTER, "posedge clk or posedge rst"), clocked(COUNTER), id="synchronous reset"),
        pytest.param(clocked(COUNTER), clocked(COUNTER, "negedge clk"), id="edge"),
        pytest.param(clocked(COUNTER), clocked("q <= q + 1;"), id="no reset"),
        pytest.param(
            clocked(COUNTER, before="initial q = 0;"), clocked(COUNTER, before="initial q = 1;"), id="initial value"
        ),
        pytest.param(clocked(COUNTER, before="initial q = 0;"), clocked(COUNTER), id="no initial value"),
        pytest.param(clocked("q <= a;", before="initial q = 3;"), clocked("q <= a;"), id="initial value gone"),
        pytest.param(whole(INDEX % "<"), whole(INDEX % "<="), id="index out of range"),
    ],
)
def test_what_is_not_the_same_is_found(gold: str, gate: str) -> None:
    assert compare(gold, gate, "top") == "different"


@pytest.mark.parametrize(
    ("gold", "gate"),
    [
        pytest.param(sequential(DEEP % 200), sequential(DEEP % 201), id="after 200 cycles"),
        pytest.param(clocked("q <= ~q;"), clocked("q <= q;"), id="never known"),
        pytest.param(
            whole("always @* case (a) 0: q = 1; 1: q = b; default: q = 4'bx; endcase assign y = 0;"),
            whole("always @* case (a) 1: q = b; default: q = 4'bx; endcase assign y = 0;"),
            id="x where the design says something",
        ),
        pytest.param(expression("a", "rst ? a[0] : 1'bz"), expression("a", "rst ? a[0] : 1'b0"), id="tristate"),
        pytest.param(expression("a", "~y & b[0]"), expression("a", "y | a[0]"), id="loop"),
        pytest.param(
            whole("assign y = 1; assign y = a[0]; always @* q = a;"),
            whole("assign y = 1; assign y = a[1]; always @* q = a;"),
            id="two drivers",
        ),
        pytest.param(
            expression("a").replace("assign", "// synthesis translate_off\nassign"),
            expression("a", "1'b1").replace("assign", "// synthesis translate_off\nassign"),
            id="hidden from synthesis",
        ),
        pytest.param(
            whole("always @* (* full_case *) case (a) 1: q = 1; 2: q = 2; endcase assign y = 0;"),
            whole("always @* case (a) 1: q = 1; default: q = 2; endcase assign y = 0;"),
            id="full case for synthesis only",
        ),
        *[
            pytest.param(expression("a", "b[0]"), whole(f"always @* q = a; {body}"), id=name)
            for name, body in {
                "constant and an assignment": "wire z = 1'b0; assign z = b[0]; assign y = z;",
                "two gates at one net": "buf(y, 1'b0); buf(y, b[0]);",
                "concatenation and a constant": "wire z, w; assign {z, w} = {2{b[0]}}; assign w = 1'b0; assign y = w;",
                "undriven": "wire w; assign y = (w & b[0]) | (~w & b[0]);",
                "list of events": "reg r; always @(a) r = b[0]; assign y = r;",
                "two-state": "bit r; always @* r = b[0]; assign y = r;",
                "unique case": "reg r; always @* unique case (b[0]) 1: r = 1; endcase assign y = r;",
                "delay": "assign #30 y = b[0];",
            }.items()
        ],
        pytest.param(
            GENERATE % "<" + "assign y = 0; assign q[3] = 0; endmodule",
            GENERATE % "<=" + "assign y = 0; assign q[3] = 0; endmodule",
            id="generate one too far",
        ),
        pytest.param(
            CONSTANT + whole("wire u; s x(u); assign y = b[0]; always @* q = a;"),
            CONSTANT + whole("s x(y); assign y = b[0]; always @* q = a;"),
            id="submodule that is constant",
        ),
        pytest.param(
            "`unconnected_drive pull1\n" + OPEN_INPUT, "`unconnected_drive pull1\n" + expression("a"), id="unconnected"
        ),
        pytest.param(
            whole("always @* casez (a) 4'b1?x?: q = 1; default: q = 0; endcase assign y = 0;"),
            whole("always @* q = a[3]; assign y = 0;"),
            id="x in a label",
        ),
        pytest.param(
            whole(
                "wire signed [1:0] s = a[1:0]; always @* case (s) 4'sd15: q = 1; 4'd9: q = 1; default: q = 0; endcase"
                " assign y = 0;"
            ),
            whole("always @* q = 0 & a; assign y = 0;"),
            id="signed case",
        ),
        pytest.param(
            whole("reg t; wire w = 1'bx; always @(w or b) if (w) t = 1; else t = 0; assign y = t; always @* q = a;"),
            expression("a", "1'b1"),
            id="x that decides",
        ),
        pytest.param(
            expression("a"),
            whole("wire w = 1'bx; reg r; always @* if (w) r = 0; else r = 0; assign y = r; always @* q = a;"),
            id="process that never runs",
        ),
        pytest.param(
            whole("function f(input p, input r); if (p) f = r; endfunction assign y = f(b[0], a[0]); always @* q = a;"),
            expression("a", "a[0]"),
            id="function that keeps its value",
        ),
        pytest.param(clocked("q <= {4{clk}};"), clocked("q <= 0;"), id="clock as data"),
        pytest.param(
            clocked("q <= e;", before="wire [3:0] e = {4{~clk}};"),
            clocked("q <= 15;"),
            id="clock as data, through logic",
        ),
        pytest.param(
            sequential(DIVIDED % "posedge h or posedge rst) if (rst) q <= 0; else q <= r;"),
            sequential(DIVIDED % "posedge clk or posedge rst) if (rst) q <= 0; else if (!h) q <= r;"),
            id="clock that is a register",
        ),
        pytest.param(
            sequential("reg r; always @(posedge clk) r = a[0]; always @(posedge clk) q = {4{r}};"),
            sequential("reg r; always @(posedge clk) r <= a[0]; always @(posedge clk) q <= {4{r}};"),
            id="which process is first",
        ),
        pytest.param(
            clocked("if (rst) q <= a; else q <= ~q;", "posedge clk or posedge rst").replace(
                "y = q[0]", "y = rst ? a[0] : q[0]"
            ),
            clocked("if (rst) q <= a; else q <= ~q;", "posedge clk or posedge rst"),
            id="asynchronous load",
        ),
        *[
            pytest.param(sequential(f"reg [1:0] c; initial c = 0; {rest}"), sequential(f"reg [1:0] c; {rest}"), id=name)
            for name, rest in {
                "initial value that nobody sees": "always @(posedge clk) c <= ~c; always @* q = (c & b) | (~c & b);",
                "initial value of a state": "always @(posedge clk) c <= c + 1; always @* case (c) 0: q = a; 1: q = a;"
                " 2: q = a; 3: q = a; endcase",
            }.items()
        ],
    ],
)
def test_what_is_not_the_same_is_never_called_equivalent(gold: str, gate: str) -> None:
    assert compare(gold, gate, "top") != "equivalent"


@pytest.mark.parametrize(
    ("gate", "top"),
    [
        pytest.param(expression("a").replace("output y", "output z").replace("assign y", "assign z"), "top", id="port"),
        pytest.param("module top(", "top", id="does not parse"),
        pytest.param(expression("a"), "other", id="no such module"),
        pytest.param(expression("a"), "top; shell id", id="no name"),
        pytest.param("module top(" + "(" * 100_000, "top", id="too deep"),
    ],
)
def test_what_cannot_be_compared_is_unknown(gate: str, top: str) -> None:
    assert compare(expression("a"), gate, top) == "unknown"


def test_escaped_names_and_submodules_are_no_matter() -> None:
    sub = "module sub(input \\in[*] , output o); assign o = %s; endmodule\n"
    body = sequential("wire \\w?x ; sub s(a[0], \\w?x ); always @(posedge clk) q <= {3'b0, \\w?x };")
    assert compare(sub % "~\\in[*] " + body, sub % "1'b1 ^ \\in[*] " + body, "top") == "equivalent"
    assert compare(sub % "~\\in[*] " + body, sub % "\\in[*] " + body, "top") == "different"


@pytest.mark.parametrize(("name", "active"), [("nrst", "!nrst"), ("rst_ni", "!rst_ni"), ("sys_clr", "sys_clr")])
def test_a_reset_is_held_at_the_level_that_its_name_says(name: str, active: str) -> None:
    def machine(unreached: str) -> str:
        return sequential((FSM % unreached).replace("if (rst)", f"if ({active})")).replace("input rst", f"input {name}")

    assert compare(machine("0"), machine("1"), "top") == "equivalent"  # of what only a state without a way to it tells


def test_without_yosys_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="yosys"):
        compare(expression("a"), expression("a"), "top")


@pytest.mark.parametrize(
    ("bench", "answer"),
    [
        ("module tb; top t(); other #(3) o(); endmodule", False),
        ("module tb; top /* */ #(.W(3)) t(); endmodule", True),
        ("module tb; top t(); defparam t.W = 3; endmodule", True),
        ("module tb; wire x = " + "(" * 100_000, True),
    ],
)
def test_parameters_that_the_bench_may_set_are_seen(bench: str, answer: bool) -> None:
    assert overrides_parameters([bench], "top") is answer
