"""Families whose problems show something: tables say what the model does, faulty modules fail, given ones are used."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.circuit import Circuit, Clocked
from data_pipeline.families import FAMILIES
from data_pipeline.families.boolean_functions import INPUTS, functions, prime_cover, products
from data_pipeline.families.state_tables import Machine, machine
from data_pipeline.parametric import Design, ParametricTeacher
from data_pipeline.phrasing import word
from data_pipeline.render import in_language
from hdl_sim.icarus import Icarus
from hdl_sim.slang import read_source
from hdl_sim.statement import stated_interface


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


def test_the_list_of_functions_is_those_that_depend_on_every_input() -> None:
    for inputs, count in ((2, 10), (3, 218)):
        size = 1 << inputs
        texts = [format(number, f"0{size}b") for number in range(1 << size)]
        halves = {bit: [place for place in range(size) if place & bit] for bit in (1, 2, 4) if bit < size}
        expected = {
            text
            for text in texts
            if all(
                [text[place] for place in half] != [text[place ^ bit] for place in half] for bit, half in halves.items()
            )
        }
        assert set(functions(inputs, count)) == expected
        assert len(expected) == count


def test_no_function_is_in_two_families() -> None:
    names = ("truth_table", "minterms", "karnaugh_map", "logic_waveform")
    drawn = [function.replace("-", "0") for name in names for function in FAMILIES[name].space["function"]]
    assert len(drawn) == len(set(drawn))
    for function in functions(4, 20, open_rows=3):
        assert function.count("-") == 3
        for bit in (1, 2, 4, 8):
            assert any({function[place], function[place ^ bit]} == {"0", "1"} for place in range(16))


@pytest.mark.parametrize(("mealy", "width"), [(False, 1), (True, 1), (False, 2), (True, 2)])
def test_no_state_of_a_machine_can_be_left_out_or_is_left_for_ever(mealy: bool, width: int) -> None:
    words = [format(n, "05b") for n in range(32)]
    for seed in range(12):
        one = machine(seed, 4, mealy=mealy, width=width)

        def run(state: int, bits: str, one: Machine = one) -> tuple[tuple[int, ...], int]:
            out = []
            for bit in map(int, bits):
                out.append(one.out[state][bit])
                state = one.next[state][bit]
            return (*out, *one.out[state]), state

        assert len({tuple(run(state, bits)[0] for bits in words) for state in range(4)}) == 4
        for state in range(4):
            assert {run(state, bits[:n])[1] for bits in words for n in range(6)} == set(range(4))


def test_told_machines_are_none_of_the_tabulated_ones() -> None:
    told = [
        FAMILIES["told_machine"].build(states=4, kind="Moore", width=1, seed=n, reset="sync_high") for n in range(7)
    ]
    tabulated = {machine(n, 4, mealy=False).next for n in FAMILIES["state_table"].space["seed"]}
    for circuit in told:
        model = circuit.model
        assert isinstance(model, Clocked)
        assert tuple(tuple(model.step(s, {"din": bit}) for bit in range(2)) for s in range(4)) not in tabulated


def test_all_families_to_repair_are_there() -> None:
    assert set(FAMILIES["repair_logic"].space["family"]) == {
        "mux", "comparator", "min_max", "adder", "subtractor", "alu", "shifter",
    }  # fmt: skip
    assert len(FAMILIES["repair_clocked"].space["family"]) == 5


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


@pytest.mark.parametrize("name", ["logic_of_nands", "sequence_counter", "rom", "karnaugh_map"])
def test_the_name_that_is_asked_for_below_what_is_shown_is_read_from_the_text(name: str) -> None:
    for number, circuit in enumerate(circuits(name, 25)):
        wording = word(circuit, random.Random(f"below {number}"), held_out_frame=True)
        assert wording.header or stated_interface(wording.text).name == wording.module, wording.text
