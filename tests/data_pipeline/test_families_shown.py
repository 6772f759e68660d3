"""Families whose problems show something: tables say what the model does, faulty modules fail, given ones are used."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.circuit import Circuit
from data_pipeline.families import FAMILIES
from data_pipeline.families.boolean_functions import INPUTS, functions, prime_cover, products
from data_pipeline.families.state_tables import machine
from data_pipeline.parametric import Design, ParametricTeacher
from data_pipeline.render import in_language
from hdl_sim.icarus import Icarus
from hdl_sim.slang import read_source


def shown(circuit: Circuit) -> str:
    assert circuit.attachment is not None
    return circuit.attachment.write("m", {port.name: port.name for port in circuit.ports}, "verilog-2001")


def circuits(name: str, count: int) -> list[Circuit]:
    family = FAMILIES[name]
    chosen = random.Random(f"shown {name}").sample(list(family.parameters()), count)
    return [family.build(**parameters) for parameters in chosen]


@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.sampled_from([0, 1, None]), min_size=1 << n, max_size=1 << n)))
def test_a_cover_has_every_one_and_no_zero(rows: list[int | None]) -> None:
    terms = prime_cover(rows)
    for place, value in enumerate(rows):
        if value is not None:
            assert any(place & care == bits for care, bits in terms) == bool(value)
    size = (len(rows) - 1).bit_length()
    text = products(terms, INPUTS[:size]) or "1'b0"
    assert text.count("(") == text.count(")")


def test_a_cover_of_neighbours_is_one_product() -> None:
    assert products(prime_cover([0, 0, 1, 1, 0, 0, 1, 1]), "abc") == "b"
    assert products(prime_cover([0, 0, 0, 1]), "ab") == "a & b"
    assert products(prime_cover([0, 1, 1, 0]), "ab") == "(~a & b) | (a & ~b)"


@pytest.mark.parametrize("name", ["truth_table", "logic_waveform"])
def test_the_rows_shown_are_the_models(name: str) -> None:
    for circuit in circuits(name, 10):
        rows = [re.findall(r"\b[01]\b", line.partition("ns")[2] or line) for line in shown(circuit).splitlines()[1:]]
        names = [port.name for port in circuit.inputs]
        assert {tuple(row[:-1]) for row in rows} == {
            tuple(format(place, f"0{len(names)}b")) for place in range(1 << len(names))
        }
        for row in rows:
            values = dict(zip(names, map(int, row), strict=False))
            assert circuit.model.function(values)["y"] == int(row[-1])  # type: ignore[union-attr]


def test_a_karnaugh_map_is_the_models() -> None:
    for circuit in circuits("karnaugh_map", 12):
        lines = shown(circuit).splitlines()
        columns = lines[1].split("|")[1].split()
        cells = 0
        for line in lines[2:]:
            side, _, values = line.partition("|")
            for column, value in zip(columns, values.split(), strict=True):
                inputs = dict(zip(INPUTS, map(int, side.strip() + column), strict=False))
                assert circuit.model.function(inputs)["y"] == (None if value == "-" else int(value))  # type: ignore[union-attr]
                cells += 1
        assert cells == 1 << len(circuit.inputs)


def test_functions_depend_on_every_input_and_are_different() -> None:
    assert len(set(functions(3, 20))) == 20
    for function in functions(3, 20):
        for bit in (1, 2, 4):
            assert any(function[place] != function[place ^ bit] for place in range(8))


@pytest.mark.parametrize("mealy", [False, True])
def test_no_state_of_a_machine_can_be_left_out(mealy: bool) -> None:
    for seed in range(12):
        one = machine(seed, 4, mealy=mealy)

        def run(state: int, bits: str, one: object = one) -> str:
            out = ""
            for bit in map(int, bits):
                out += str(one.out[state][bit])  # type: ignore[attr-defined]
                state = one.next[state][bit]  # type: ignore[attr-defined]
            return out + str(one.out[state])  # type: ignore[attr-defined]

        words = [format(n, "05b") for n in range(32)]
        assert len({tuple(run(state, bits) for bits in words) for state in range(4)}) == 4


@pytest.mark.parametrize("name", ["repair_clocked", "repair_logic"])
def test_the_module_to_repair_is_faulty_and_compiles(name: str) -> None:
    for circuit in circuits(name, 12):
        design = Design(FAMILIES[name], {}, circuit)
        faulty = shown(circuit)
        assert not read_source(faulty).errors
        assert Icarus().run(faulty, design.bench(0, "m")).status == "mismatch", faulty


@pytest.mark.parametrize("name", ["ripple_of_cells", "delay_of_registers", "mux_of_muxes", "logic_of_nands"])
def test_the_given_module_is_in_the_answer_and_used(name: str) -> None:
    teacher = ParametricTeacher((name,))
    for index in range(20):
        drawn = teacher.drawn(3, index)
        circuit, wording = drawn.design.circuit, drawn.wording
        assert in_language(circuit.submodules, wording.language).strip() in drawn.problem
        [given] = read_source(circuit.submodules).modules
        source = read_source(drawn.code)
        assert [module.name for module in source.modules][1:] == [given.name]
        assert set(source.modules[0].instances) == {given.name}
