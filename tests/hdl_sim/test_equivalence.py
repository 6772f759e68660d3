"""Equivalent is said of what is proven and of nothing else."""

from __future__ import annotations

import pytest

from autovcoder.errors import ToolMissing
from hdl_sim.equivalence import compare

HEADER = "module top(input clk, input rst, input [3:0] a, b, output reg [3:0] q, output y);\n"
COUNTER = "if (rst) q <= 0; else q <= q + 1;"
FSM = """reg [1:0] s;
always @(posedge clk) if (rst) s <= 0; else
    case (s) 0: s <= a[0] ? 1 : 0; 1: s <= b[0] ? 2 : 1; 2: s <= 0; default: s <= %s; endcase
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


def test_without_yosys_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="yosys"):
        compare(expression("a"), expression("a"), "top")
