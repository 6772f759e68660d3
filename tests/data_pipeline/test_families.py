"""The parametric families: every family's RTL meets its own Python model, and a wrong design does not."""

from __future__ import annotations

import random
import re

import pytest

from data_pipeline.bench import make_bench
from data_pipeline.circuit import Circuit, article
from data_pipeline.families import FAMILIES
from data_pipeline.phrasing import FRAMES, word
from data_pipeline.render import render
from hdl_sim.icarus import Icarus
from hdl_sim.slang import read_source

REQUIRED = {
    "gate", "mux", "decoder", "adder", "comparator", "alu", "register", "counter", "modulo_counter", "shift_register",
    "edge_detector", "sequence_detector", "parity", "gray", "clock_divider",
}  # fmt: skip


def some_circuits(name: str, count: int) -> list[Circuit]:
    family = FAMILIES[name]
    choices = list(family.parameters())
    return [family.build(**p) for p in random.Random(name).sample(choices, min(count, len(choices)))]


def test_the_first_families_are_all_there() -> None:
    assert set(FAMILIES) >= REQUIRED


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_reference_passes_its_bench_in_both_languages_under_other_names(name: str) -> None:
    for circuit in some_circuits(name, 3):
        names = {port.name: f"x_{port.name}" for port in circuit.ports}
        bench = make_bench(circuit, "dut_m", names, "seed")
        for language in ("verilog-2001", "systemverilog"):
            code = render(circuit, "dut_m", names, language)
            verdict = Icarus().run(code, bench)
            assert verdict.passed, (circuit.headlines[0], verdict, code)
            assert not read_source(code).errors


_COUNTER = {"width": 4, "direction": "up", "enable": True, "load": False}
_DETECTOR = {"pattern": "1011", "overlap": True, "kind": "Mealy", "reset": "sync_high"}


@pytest.mark.parametrize(
    ("name", "parameters", "right", "wrong"),
    [
        ("counter", {**_COUNTER, "reset": "async_high"}, "posedge clk or posedge rst", "posedge clk"),
        ("counter", {**_COUNTER, "reset": "sync_high"}, "posedge clk", "posedge clk or posedge rst"),
        ("counter", {**_COUNTER, "reset": "sync_high"}, "if (en)", "if (1)"),
        ("register", {"width": 1, "reset": "none", "enable": False, "edge": "negedge"}, "negedge", "posedge"),
        ("modulo_counter", {"modulus": 10, "reset": "sync_low", "enable": False, "terminal": True}, "9)\n", "8)\n"),
        ("sequence_detector", _DETECTOR, "& din", "& ~din"),
        ("adder", {"width": 8, "carry": "in_out"}, "a + b + cin", "a + b"),
        ("comparator", {"width": 8, "tests": "lt", "sign": "signed"}, "$signed(a)", "a"),
        ("shifter", {"width": 8, "kind": "sra"}, ">>>", ">>"),
        ("alu", {"width": 8, "operations": "add_sub", "zero": True}, "a - b", "b - a"),
        ("comparator", {"width": 16, "tests": "le", "sign": "unsigned"}, "a <= b", "a < b"),
        ("comparator", {"width": 32, "tests": "eq", "sign": "unsigned"}, "a == b", "1'b0"),
        ("pwm", {"width": 8, "reset": "sync_high"}, "(count < duty)", "(count <= duty)"),
        ("pwm", {"width": 8, "reset": "sync_high"}, "posedge clk", "posedge clk or posedge rst"),
        ("sequence_detector", _DETECTOR, "posedge clk", "posedge clk or posedge rst"),
        ("clock_divider", {"ratio": 10, "reset": "sync_high"}, "posedge clk", "posedge clk or posedge rst"),
    ],
)
def test_a_wrong_design_is_a_mismatch(name: str, parameters: dict[str, object], right: str, wrong: str) -> None:
    circuit = FAMILIES[name].build(**parameters)
    code = render(circuit, "m", {})
    assert right in code
    for seed in ("one", "two", "three", "four"):
        bench = make_bench(circuit, "m", {}, seed)
        assert Icarus().run(code, bench).passed
        verdict = Icarus().run(code.replace(right, wrong, 1), bench)
        assert verdict.status == "mismatch", verdict
        assert verdict.mismatches


def test_a_design_that_drives_nothing_is_a_mismatch() -> None:
    circuit = FAMILIES["gate"].build(op="and", width=4)
    bench = make_bench(circuit, "m", {}, "seed")
    verdict = Icarus().run("module m(input [3:0] a, input [3:0] b, output [3:0] y); endmodule", bench)
    assert verdict.status == "mismatch"


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_wordings_are_filled_in_and_headers_open_the_code(name: str) -> None:
    for number, circuit in enumerate(some_circuits(name, 8)):
        for held_out in (False, True):
            wording = word(
                circuit, random.Random(f"{name} {number}"), held_out_frame=held_out, held_out_headline=held_out
            )
            # An attachment may hold Verilog, and with it braces.
            assert circuit.attachment or "{" not in wording.text, wording.text
            assert "  " not in wording.text.split("\n", maxsplit=1)[0]
            assert len(set(wording.names.values())) == len(wording.names)
            assert not re.search(r"\ba (8|11|18)-bit|\ban (1|2|3|4|5|6|7|9|10|16|32)-bit", wording.text), wording.text
            if held_out:
                assert circuit.headlines[-1].lower() in wording.text.lower()


@pytest.mark.parametrize(
    "expected",
    ["an 8-bit adder", "an 11-bit bus", "an 18-bit bus", "a 1-bit bus", "an up counter", "an unsigned adder",
     "a NOR gate", "an XOR gate", "an LFSR", "an asynchronous reset", "an AND gate", "a universal register"],
)  # fmt: skip
def test_articles_follow_the_sound(expected: str) -> None:
    assert article(expected.split(" ", 1)[1]) == expected


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_no_other_name_of_a_port_is_an_internal_name(name: str) -> None:
    for circuit in some_circuits(name, 12):
        inside = set(re.findall(r"(?<!['\w.])[A-Za-z_]\w*", circuit.body)) - {port.name for port in circuit.ports}
        for number in range(40):
            names = word(circuit, random.Random(f"{name} {number}")).names
            assert not inside & set(names.values())


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_one_circuit_is_put_in_many_ways(name: str) -> None:
    circuit = some_circuits(name, 1)[0]
    wordings = [word(circuit, random.Random(f"{name} {number}")) for number in range(150)]
    assert len({wording.frame for wording in wordings}) >= 12
    assert {wording.register for wording in wordings} == set(FRAMES)
    assert len({wording.text for wording in wordings}) >= 100
