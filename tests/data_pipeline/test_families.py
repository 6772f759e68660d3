"""The parametric families, all of them: the RTL meets its Python model, and the words say what they must."""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
import re
from collections.abc import Iterator

import pytest

from data_pipeline import families
from data_pipeline.bench import make_bench
from data_pipeline.circuit import RESETS, Circuit, Family, article, enumerated, parameter_fact, reset_fact
from data_pipeline.families import FAMILIES
from data_pipeline.naming import port_names
from data_pipeline.parametric import ParametricTeacher
from data_pipeline.phrasing import FRAMES, HELD_OUT_FRAMES, word
from data_pipeline.render import render
from hdl_sim.icarus import Icarus
from hdl_sim.slang import read_source

# Articles that do not go with the sound after them; the names of ports stand in braces.
_WRONG_ARTICLES = re.compile(
    r"(^A|(?<!segment )\ba) (8|11\b|18\b|[aeio](?!ne\b))|(^An|\ban) (?!8|11\b|18\b)(\d|[bcdfgjkpqtvwyz]|one\b|uni)"
    r"|\b[Aa]n? \{"
)


def some_circuits(name: str, count: int) -> list[Circuit]:
    family = FAMILIES[name]
    choices = list(family.parameters())
    return [family.build(**p) for p in random.Random(name).sample(choices, min(count, len(choices)))]


def test_every_module_of_families_is_in_the_registry() -> None:
    found: list[Family] = []
    for module in pkgutil.iter_modules(families.__path__):
        group = importlib.import_module(f"data_pipeline.families.{module.name}")
        found += getattr(group, "FAMILIES", ())
    assert len(found) == len(FAMILIES)
    assert all(FAMILIES[family.name] is family for family in found)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_reference_passes_its_bench_in_both_languages_under_other_names(name: str) -> None:
    for number, circuit in enumerate(some_circuits(name, 3)):
        names = {port.name: f"x_{port.name}" for port in circuit.ports}
        code = render(circuit, "dut_m", names, "systemverilog" if number % 2 else "verilog-2001")
        verdict = Icarus().run(code, make_bench(circuit, "dut_m", names, "seed"))
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
    for seed in ("one", "two"):
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
def test_a_family_has_enough_different_designs_some_of_them_held_out(name: str) -> None:
    teacher = ParametricTeacher((name,))
    held_out = len(teacher.held_out[name])
    assert held_out >= 2
    assert len(teacher.train[name]) + held_out >= 16


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_parameters_survive_json(name: str) -> None:
    family = FAMILIES[name]
    parameters = next(family.parameters())
    again = family.build(**json.loads(json.dumps(parameters)))
    assert render(again, "m", {}) == render(family.build(**parameters), "m", {})


def told(circuit: Circuit) -> Iterator[str]:
    """All that is said about a circuit, with the canonical names of ports in braces."""
    yield from circuit.headlines
    for fact in circuit.facts:
        yield from (*fact.features, *fact.sentences)
    yield from circuit.attachment.intros if circuit.attachment else ()
    yield from circuit.roles.values()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_what_is_told_is_short_and_has_its_articles_and_every_port_has_a_role(name: str) -> None:
    for circuit in some_circuits(name, 20):
        facts = [sentence for fact in circuit.facts for sentence in fact.sentences[:1] or fact.features[:1]]
        assert 3 <= len(" ".join([circuit.headlines[0], *facts]).split()) <= 140
        for text in told(circuit):
            assert not _WRONG_ARTICLES.search(text), text
        assert {port.name for port in circuit.ports} <= {*circuit.roles, "clk", "rst", "rst_n", "en"}


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
            assert wording.text[-1] != " "
            assert len(set(wording.names.values())) == len(wording.names)
            if held_out:
                assert circuit.headlines[-1].lower() in wording.text.lower()


@pytest.mark.parametrize(
    "expected",
    ["an 8-bit adder", "an 11-bit bus", "an 18-bit bus", "a 1-bit bus", "an up counter", "an unsigned adder",
     "a NOR gate", "an XOR gate", "an LFSR", "an asynchronous reset", "an AND gate", "a universal register",
     "a one-hot code", "an SPI master", "a UART"],
)  # fmt: skip
def test_articles_follow_the_sound(expected: str) -> None:
    assert article(expected.split(" ", 1)[1]) == expected


def test_items_are_put_in_a_row() -> None:
    assert [enumerated("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("effect", "may_be_short"),
    [("clears {q}", True), ("sets {q} to 5", False), ("clears {q} and takes {d} as having been 0", False)],
)
def test_what_a_reset_does_goes_without_saying_only_where_all_is_cleared(effect: str, may_be_short: bool) -> None:
    [fact] = reset_fact(RESETS["sync_low"], effect)
    assert all(effect in sentence for sentence in fact.sentences)
    assert (not all(feature.endswith(f"that {effect}") for feature in fact.features)) is may_be_short


def test_a_parameter_is_told_with_its_default_and_what_it_is() -> None:
    [fact] = parameter_fact({"N": 4, "WIDTH": 8, "RUN": 5}, N="the count", WIDTH="the width of {d}", RUN="the rest")
    for text in (*fact.features, *fact.sentences):
        assert re.search(r"N\b.*4.*the count.*, WIDTH.*8.*the width of \{d\}.* and RUN.*5.*the rest", text)
    with pytest.raises(KeyError, match="RUN"):
        parameter_fact({"RUN": 5})


def test_a_frame_suits_the_language_and_what_is_given() -> None:
    circuit = FAMILIES["delay_of_registers"].build(width=4, stages=3, reset="sync_high", enable=True)
    assert circuit.attachment is not None
    seen = set()
    for number in range(600):
        wording = word(circuit, random.Random(f"frame {number}"), held_out_frame=number % 6 == 0)
        seen.add((wording.frame, wording.language))
        assert wording.language == "verilog-2001" or "Verilog" not in wording.frame
        assert wording.header or not wording.frame.startswith("Complete")
        # What follows a list starts a line of its own.
        bullets = [line for line in wording.text.splitlines() if line.startswith("- ")]
        for words in (*circuit.attachment.intros, "odule name", "is called", "be named"):
            assert not any(words in bullet for bullet in bullets), wording.text
    assert {frame for frame, _ in seen} == {
        *HELD_OUT_FRAMES,
        *(frame for frames in FRAMES.values() for frame in frames),
    }


def test_a_headline_that_has_a_with_of_its_own_is_set_apart() -> None:
    circuit = FAMILIES["clock_divider"].build(ratio=6, reset="sync_high")
    texts = [word(circuit, random.Random(f"with {number}")).text for number in range(200)]
    longer = [text for text in texts if re.search("with a ratio of 6,? with", text)]
    assert longer
    assert all("with a ratio of 6, with " in text for text in longer)


def test_numbered_ports_are_renamed_together_and_keep_their_numbers() -> None:
    for family, parameters, stem in (("mux", {"ways": 8, "width": 2}, "in"), ("demux", {"ways": 4, "width": 2}, "y")):
        circuit = FAMILIES[family].build(**parameters)
        group = [port.name for port in circuit.ports if port.name.startswith(stem)]
        drawn = [port_names(circuit, "m", random.Random(f"ports {number}")) for number in range(200)]
        stems = {tuple(names[name].removesuffix(name[len(stem) :]) for name in group) for names in drawn}
        assert len(stems) > 2
        assert all(len(set(alike)) == 1 and not alike[0][-1].isdigit() for alike in stems)


def test_no_port_is_called_in() -> None:
    for name in ("gate", "register", "shift_register", "gray", "state_table"):
        circuit = some_circuits(name, 1)[0]
        assert not any("in" in port_names(circuit, "m", random.Random(seed)).values() for seed in range(200))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_no_other_name_of_a_port_is_an_internal_name(name: str) -> None:
    for circuit in some_circuits(name, 10):
        inside = set(re.findall(r"(?<!['\w.])[A-Za-z_]\w*", circuit.body)) - {port.name for port in circuit.ports}
        for number in range(40):
            assert not inside & set(port_names(circuit, "m", random.Random(f"{name} {number}")).values())


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_one_circuit_is_put_in_many_ways(name: str) -> None:
    circuit = some_circuits(name, 1)[0]
    wordings = [word(circuit, random.Random(f"{name} {number}")) for number in range(150)]
    assert len({wording.frame for wording in wordings}) >= 12
    assert {wording.register for wording in wordings} == set(FRAMES)
    assert len({wording.text for wording in wordings}) >= 100
