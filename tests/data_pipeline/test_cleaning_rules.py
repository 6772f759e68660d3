"""What is not for the corpus is dropped for the right reason, and what is stays."""

from __future__ import annotations

import pytest

from autovcoder.records import Port, Provenance, RtlModule
from data_pipeline.cleaning_rules import CleanSettings, license_is_allowed, reason_to_drop, reason_to_drop_file

ADDER = """\
module adder(input [7:0] a, input [7:0] b, input cin, output [7:0] sum, output cout);
  assign {cout, sum} = a + b + cin; // the carry is the ninth bit
endmodule
"""


def module(
    code: str = ADDER,
    *,
    name: str = "adder",
    path: str = "rtl/adder.v",
    license: str | None = "MIT",
    instances: tuple[str, ...] = (),
    ports: bool = True,
) -> RtlModule:
    return RtlModule(
        id="id",
        name=name,
        language="verilog-2001",
        code=code,
        ports=(Port(name="a", direction="input"),) if ports else (),
        instances=instances,
        provenance=Provenance(repo="lab/chip", commit="c", path=path, license=license, first_line=1, last_line=9),
    )


def body(text: str) -> str:
    return ADDER.replace("endmodule", text + "\nendmodule")


GATES = "".join(f"  nand g{i}(w[{i}], a[0], b[{i % 8}]);\n" for i in range(40))
CELLS = "".join(f"  \\cell$u{i} \\inst.u{i} (.A(\\net[{i}] ), .Y(\\net[{i + 1}] ));\n" for i in range(40))
DROPPED = {
    "testbench: by its path": module(path="sim/adder.v"),
    "testbench: by its name": module(name="adder_tb"),
    "testbench: no ports": module(ports=False),
    "simulation only: $dumpvars": module(body("initial $dumpvars;")),
    "simulation only: fork": module(body("initial fork join")),
    "simulation only: delays": module(body("initial begin #1; #2; #3; end")),
    "netlist: gates": module(f"module n(input [7:0] a, b, output [39:0] w);\n{GATES}endmodule\n"),
    "netlist: escaped names": module(f"module n(input a, output y);\n{CELLS}endmodule\n"),
    "vendor primitive or its model": module(name="RAMB36E1"),
    "instantiates a vendor primitive: BUFG": module(instances=("fifo", "BUFG")),
    "encrypted": module(body("`pragma protect begin_protected")),
    "too short": module("module m(input a, output y); assign y = a; endmodule"),
    "too long": module(body("assign x = a;\n" * 2000)),
    "empty: no logic": module(
        "module box(input [7:0] a, input [7:0] b, input clk, input rst, output [7:0] y, output z); endmodule"
    ),
    "empty: no logic ": module(
        "module box #(parameter W = 8, parameter D = 4) (input wire [W-1:0] a, input wire b, output wire y); endmodule"
    ),
    "holds a secret": module(body("// token: ghp_" + "a1B2" * 9)),
    "licence not allowed: GPL-3.0-only": module(license="GPL-3.0-only"),
    "licence not allowed: none stated": module(license=None),
}


@pytest.mark.parametrize("reason", DROPPED)
def test_what_is_not_for_the_corpus_leaves_with_its_reason(reason: str) -> None:
    assert reason_to_drop(DROPPED[reason], CleanSettings()) == reason.strip()


KEPT = {
    "a plain design": module(),
    "a file in a folder that begins like a testbench's": module(path="rtl/tbuf/simple_dvi.v"),
    "a name that holds tb": module(name="doutb_mux"),
    "a guard for its parameters": module(body("initial if (0) begin $error(1); $finish; end always @(*) x = a;")),
    "checks for one simulator": module(body('`ifdef SIM\ninitial begin wait (cin); $monitor("%d", a); end\n`endif')),
    "registers with a delay each": module(body("always @(posedge clk) begin q <= #1 a; r <= #1 b; s <= #1 a; end")),
    "names of the field": module(body("wire mailbox = a[0]; wire semaphore = b[0];"), name="RAM8"),
    "a FIFO of its own": module(instances=("FIFO8Entry", "CLKDIVIDER", "STARTUP_FSM")),
    "an assertion macro that talks": module("`define CHECK $display(1); $random; wait(1)\n" + ADDER),
    "gates among other logic": module(body("and g(x, a[0], b[0]);")),
    "a top that only connects": module(
        "module top(input clk, input [7:0] a, output [7:0] y); stage s0(.clk(clk), .a(a), .y(y)); endmodule",
        instances=("stage",),
    ),
    "a net with a value": module(
        "module m(input [7:0] a, input [7:0] b, input c, input d, output [7:0] y); wire [7:0] y = a; endmodule"
    ),
    "a licence to choose": module(license="GPL-2.0-only OR MIT"),
    "a memory that is loaded": module(body('initial $readmemh("rom.hex", mem);')),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_teaches_something_stays(what: str) -> None:
    assert reason_to_drop(KEPT[what], CleanSettings()) is None


@pytest.mark.parametrize(
    ("license", "also", "allowed"),
    [
        ("MIT", (), True),
        ("mit", (), True),
        ("Apache-2.0 WITH SHL-2.1", (), True),
        ("MIT AND GPL-2.0-only", (), False),
        ("(MIT AND ISC) OR GPL-2.0-only", (), True),
        ("GPL-2.0-only", ("GPL-2.0-only",), True),
        (None, ("GPL-2.0-only",), False),
        (None, ("any",), True),
        ("", (), False),
        ("CERN-OHL-S-2.0", (), False),
        ("(MIT OR GPL-2.0-only) AND CC-BY-NC-4.0", (), False),
        ("MIT AND (GPL-2.0-only OR ISC)", (), True),
        ("GPL-2.0-only OR MIT AND ISC", (), True),
        ("Apache-2.0 WITH Commons-Clause", (), False),
        ("MIT ISC", (), False),
        ("(MIT", (), False),
        ("MIT OR", (), False),
        ("(" * 30 + "MIT" + ")" * 30, (), True),
        ("(" * 240 + "MIT" + ")" * 240, (), False),
        ("(" * 400 + "MIT" + ")" * 400, (), False),
    ],
)
def test_licences(license: str | None, also: tuple[str, ...], allowed: bool) -> None:
    assert license_is_allowed(license, also) is allowed


@pytest.mark.parametrize(
    "head",
    [
        "// This file was automatically generated by regtool. Do not edit.\n",
        "/* Generated by Yosys 0.33 (git sha1 2584903a060) */\n",
        "// Register Top module auto-generated by `gen`\n",
        "// MegaFunction wizard: ALTPLL\n",
        "// SECDED decoder generated by util/design/secded_gen.py\n",
        "// DO NOT HAND-EDIT THIS FILE. IT HAS BEEN AUTO-GENERATED WITH THE FOLLOWING COMMAND:\n",
        "// Generated by topgen.py\n",
    ],
)
def test_generated_files_are_known_by_their_head(head: str) -> None:
    assert reason_to_drop_file(head + ADDER) == "generated by a tool"


@pytest.mark.parametrize(
    "head",
    [
        "// Divides the clock; the pulse is generated by the counter below.\n",
        "// The mask was generated for each lane.\n" + ADDER + "// this file was generated by a tool\n",
        "`define X 1 // do not edit\n",
        "// The parity bit is generated using XOR of all bits.\n",
        "// The baud tick is generated from clk, the byte from the shift register.\n",
        "// Timing was closed with Design Compiler, area measured with Yosys 0.9.\n",
        "// Please do not modify this header.\n",
    ],
)
def test_files_that_only_speak_of_generating_are_read(head: str) -> None:
    assert reason_to_drop_file(head + ADDER) is None


def test_an_encrypted_file_is_not_read() -> None:
    assert reason_to_drop_file(ADDER + "`pragma protect begin\n") == "encrypted"
