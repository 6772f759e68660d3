"""What a specification states about the interface, and whether code meets it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError
from autovcoder.records import Port
from hdl_sim.slang import read_source
from hdl_sim.statement import Stated, compare, stated_interface

NAMES = {
    "Name the module counter8.": "counter8",
    "The module is called `counter8`.": "counter8",
    "module name: counter8": "counter8",
    "Module name:\n    adder_8bit\n\nFunction: adds": "adder_8bit",
    "I would like you to implement a module named TopModule with the following\ninterface.": "TopModule",
    "Write a module called \"fifo\" that stores words.": "fifo",
    "Call the module x1.": "x1",
    "A 4-bit adder. Call it add4.": "add4",
    "The module name must be counter.": "counter",
    "Use the module name counter.": "counter",
    "The name of the module should be alu": "alu",
    "The module should be named **alu**.": "alu",
    "Implement module `alu`, an ALU.": "alu",
    # Not stated, or not clear.
    "Design a 4-bit counter module with enable.": None,
    "Name the module appropriately.": None,
    "The module name is up to you.": None,
    "Call it a day.": None,
    "module names are free": None,
    "You are given a module named my_dff with two inputs. Build a shift register of three.": None,
    "Instantiate the module called add16 twice.": None,
    "Name the module a1. The module is called b1.": None,
}  # fmt: skip


@pytest.mark.parametrize("spec", NAMES)
def test_name(spec: str) -> None:
    assert stated_interface(spec).name == NAMES[spec]


def ports(text: str) -> list[Port]:
    """``i clk 1`` and the like, comma-separated; no number where no width is stated."""
    found = []
    for item in text.split(","):
        side, name, *width = item.split()
        direction = {"i": "input", "o": "output", "io": "inout"}[side]
        found.append(Port(name=name, direction=direction, width=int(width[0]) if width else None))  # type: ignore[arg-type]
    return found


PORTS = {
    "Ports: clk (input), rst (input), q (output, 8 bits).": "i clk,i rst,o q 8",
    "Ports: clk (input, 1 bit), value (input, 19 bits), q (output, 1 bit).": "i clk 1,i value 19,o q 1",
    "Inputs: clk, rst, en. Outputs: q[7:0].": "i clk,i rst,i en,o q 8",
    "input clk\ninput [7:0] a\noutput reg [3:0] q;": "i clk,i a 8,o q 4",
    "- input  clk\n - input  in (8 bits)\n - output out (8 bits)": "i clk,i in 8,o out 8",
    "- clk: input, 1 bit\n- q: 8-bit output\n* `d` (input, 4 bits): data": "i clk 1,o q 8,i d 4",
    "q  output  8\na  input 1": "o q 8,i a 1",
    "| Name | Direction | Width |\n|---|---|---|\n| a | input | 8 |\n| `b` | output | [3:0] |": "i a 8,o b 4",
    "A gate with inputs a, b and output y.": "i a,i b,o y",
    "It has 8-bit inputs a and b and a 9-bit output s.": "i a 8,i b 8,o s 9",
    "Input ports:\n    a[7:0]: 8-bit operand.\n    clk: Clock\n\nOutput ports:\n    y [15:0]: product\n"
    "    done: 1-bit flag\nImplementation:\n  shift: and add": "i a 8,i clk,o y 16,o done 1",
    "Inputs:\n- a: first\n- b: second\n\nOutputs:\n- y\n\nWhen the enable is high: count.": "i a,i b,o y",
    "Inout: pad.": "io pad",
    "input [W-1:0] a": "i a",
    "input a\noutput a": "",  # contradicts itself
    "input [3:0] a\ninput [7:0] a\ninput b": "i b",
    # Prose, in which nothing is listed.
    "The output is high when input a is low.": "",
    "Inputs are low and outputs are high.": "",
    "The counter takes an input signal and has an output.": "",
    "The input signal is valid only when the start signal is high. The output should reset.": "",
    "- Input signal: must be stable": "",
    "It has two inputs and one output.": "",
}


@pytest.mark.parametrize("spec", PORTS)
def test_ports(spec: str) -> None:
    assert list(stated_interface(spec).ports or ()) == (ports(PORTS[spec]) if PORTS[spec] else [])


def test_header_in_the_text_states_everything() -> None:
    stated = stated_interface("Complete this:\n\nmodule top (\n  input a,\n  output [3:0] b\n);\n\nIt copies.")
    assert stated == Stated("top", tuple(ports("i a 1,o b 4")), "module top (\n  input a,\n  output [3:0] b\n);")


def test_header_of_a_given_helper_is_not_the_stated_one() -> None:
    assert stated_interface("You are provided with module add16 (input a, output b); and use it twice.").header is None


@pytest.mark.parametrize(
    "spec",
    [
        "The module is called add4. Inputs: a[3:0], b[3:0]. Outputs: y[3:0].\nGiven:\n{cell}",
        "Build an adder. Inputs: a[3:0], b[3:0]. Outputs: y[3:0].\n\nThe module to use:\n{cell}",
    ],
)
def test_ports_of_a_given_module_are_not_the_stated_ones(spec: str) -> None:
    cell = "module cell_1 (\n    input p,\n    input q,\n    output r\n);\n    assign r = p ^ q;\nendmodule"
    ports = stated_interface(spec.format(cell=cell)).ports or ()
    assert {port.name for port in ports} == {"a", "b", "y"}
    assert stated_interface(f"Repair this module:\n{cell}").name == "cell_1"


def test_given_header_wins_over_the_text() -> None:
    stated = stated_interface("Name the module other. Inputs: x.", "module top(input a, output b);")
    assert (stated.name, stated.ports) == ("top", tuple(ports("i a 1,o b 1")))


@pytest.mark.parametrize(
    "header", ["hello", "module", "module m(input a", "module a(input x); endmodule module b; endmodule"]
)
def test_what_is_no_header_is_an_input_error(header: str) -> None:
    with pytest.raises(InputError):
        stated_interface("spec", header)


CODE = read_source("module m(input a, input [3:0] b, output [7:0] y); assign y = {b, b} & {8{a}}; endmodule")


def test_agreement_is_yes_where_all_matches() -> None:
    agreement = compare(stated_interface("", "module m(input a, input [3:0] b, output [7:0] y);"), CODE)
    assert (str(agreement.name), str(agreement.ports), str(agreement.header)) == ("yes", "yes", "yes")
    assert agreement.agrees


def test_nothing_stated_is_not_stated() -> None:
    agreement = compare(stated_interface("a counter"), CODE)
    assert {agreement.name.value, agreement.ports.value, agreement.header.value} == {"not stated"}
    assert agreement.agrees


@pytest.mark.parametrize(
    ("spec", "which"),
    [
        ("Name the module n.", "the module is named m, asked n"),
        ("Inputs: a, c.", "c is missing"),
        ("Outputs: a.", "a is an input, asked output"),
        ("Outputs: y[3:0].", "width of y is 8, asked 4"),
    ],
)
def test_no_tells_which(spec: str, which: str) -> None:
    agreement = compare(stated_interface(spec), CODE)
    assert not agreement.agrees
    assert which in (agreement.name.which, agreement.ports.which)


def test_unstated_width_and_further_ports_are_no_contradiction() -> None:
    assert compare(stated_interface("Inputs: b. Outputs: y."), CODE).ports.value == "yes"


@pytest.mark.parametrize(
    ("header", "which"),
    [
        ("module m(input [3:0] b, input a, output [7:0] y);", "the order of the ports is a, b, y, asked b, a, y"),
        ("module m(input a, output [7:0] y);", "more ports than asked: b"),
        ("module m(input a, input [3:0] b, output [6:0] y);", "width of y is 8, asked 7"),
    ],
)
def test_header_must_be_met_exactly(header: str, which: str) -> None:
    assert compare(stated_interface("", header), CODE).header.which == which


def test_stated_module_is_compared_not_its_helpers() -> None:
    source = read_source("module helper(input x); endmodule module top(input a); helper h(a); endmodule")
    assert compare(stated_interface("Inputs: a."), source).ports.value == "yes"
    assert compare(stated_interface("Name the module helper. Inputs: x."), source).agrees


def test_no_module_is_no() -> None:
    agreement = compare(stated_interface("Name the module m."), read_source(""))
    assert (agreement.name.value, agreement.ports.value) == ("no", "not stated")


_NAME = st.sampled_from(
    [
        "clk",
        "a",
        "b",
        "in",
        "out",
        "data_in",
        "value",
        "high",
        "low",
        "q0",
        "i_en",
        "Y",
        "bits",
        "from",
        "to",
        "A_1",
        "width",
    ]
)
_PORT = st.builds(Port, name=_NAME, direction=st.sampled_from(["input", "output"]), width=st.integers(1, 64))


@settings(max_examples=60, deadline=None)
@given(st.lists(_PORT, min_size=1, max_size=6, unique_by=lambda port: port.name), st.integers(0, 4))
def test_every_listed_port_is_found_as_stated(listed: list[Port], form: int) -> None:
    lines = [
        [f"{p.direction} [{(p.width or 1) - 1}:0] {p.name}" for p in listed],
        [f"- {p.name}: {p.direction}, {p.width} bits" for p in listed],
        [f"| {p.name} | {p.direction} | {p.width} |" for p in listed],
        [f"- {p.direction} {p.name} ({p.width} bits)" for p in listed],
        ["Ports: " + ", ".join(f"`{p.name}` ({p.direction}, {p.width} bits)" for p in listed) + "."],
    ][form]
    found = stated_interface("Design it.\n" + "\n".join(lines)).ports or ()
    assert list(found) == listed


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(
    ["input", "inputs", "output", "module", "named", " ", "a", ",", "and", "[7:0]", "(", ")", ":", "|", "\n", "`",
     "-", "8 bits", "."]
), max_size=60).map("".join))  # fmt: skip
def test_any_text_is_read_without_a_crash(text: str) -> None:
    stated = stated_interface(text)
    compare(stated, CODE)


@pytest.mark.parametrize("begin", ["module", "module name", "input a", "inputs a and", "name the module", "a\n"])
@pytest.mark.parametrize("gap", [" ", "\t", "\n", " \n"])
def test_a_long_gap_is_read_in_time(begin: str, gap: str) -> None:
    started = time.process_time()
    stated_interface(f"{begin}{gap * 50_000}x")
    assert time.process_time() - started < 1.0
