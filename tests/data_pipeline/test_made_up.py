"""Made-up circuits: what they say is what they do, no name or meaning helps, and what is held out stays out."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.files import read_records
from autovcoder.records import Problem, VerifiedPair
from autovcoder.store import read_manifest
from data_pipeline import house_files, house_suite
from data_pipeline.bench import make_bench
from data_pipeline.circuit import WITH_RESET, Circuit
from data_pipeline.house_files import draw_hand, house_file
from data_pipeline.house_suite import HouseSettings, make_house_suite
from data_pipeline.made_up import WIDTHS, house_name, in_house, made_up
from data_pipeline.made_up_designs import IN_HOUSE, WiderTeacher, draw_house_number, draw_made_up, house_design
from data_pipeline.made_up_values import Expressions
from data_pipeline.pairs import OVERLAP, PairSettings, make_pairs
from data_pipeline.parametric import ParametricTeacher, answer, code_key, is_held_out, module_keys, own_designs, written
from data_pipeline.phrasing import word
from data_pipeline.render import render
from hdl_sim.icarus import Icarus
from hdl_sim.simulator import simulate_many
from hdl_sim.slang import read_source

numbers = st.integers(0, 10**9)


def test_the_verilog_does_what_the_model_says_under_any_names() -> None:
    circuits = [made_up(number) for number in range(40)]
    circuits += [in_house(number, WIDTHS[number % 10], WITH_RESET[number % 4], told=True) for number in range(40)]
    jobs = []
    for number, circuit in enumerate(circuits):
        wording = word(circuit, random.Random(number))
        jobs.append((answer(circuit, wording), make_bench(circuit, wording.module, wording.names, str(number))))
    verdicts = list(simulate_many(Icarus(), iter(jobs)))
    assert [verdict.status for verdict in verdicts] == ["pass"] * len(jobs)
    # The bench can tell: most circuits fail that of another with the same ports.
    wrong = [job[0].replace("&", "|").replace(" + ", " - ").replace("~", "") for job in jobs]
    others = [(code, job[1]) for code, job in zip(wrong, jobs, strict=True) if code != job[0]]
    failed = sum(not verdict.passed for verdict in simulate_many(Icarus(), iter(others)))
    assert failed > 0.7 * len(others) > 20


def _words_of(circuit: Circuit) -> list[str]:
    names = {port.name: port.name for port in circuit.ports}
    return [sentence.format_map(names) for fact in circuit.facts for sentence in (*fact.sentences, *fact.features)]


@settings(max_examples=150, deadline=None)
@given(number=numbers)
def test_every_port_is_told_of_and_every_told_name_is_there(number: int) -> None:
    circuit = made_up(number)
    code = render(circuit, "m", {})
    [module] = read_source(code).modules
    assert {port.name for port in module.ports} == {port.name for port in circuit.ports}
    told = " ".join(_words_of(circuit))
    known = set(re.findall(r"\w+", told))
    # The clock is told of as such, a reset by its port's name.
    assert {port.name for port in circuit.ports} - {"clk"} <= known
    sizes = circuit.facts[0].sentences[0].format_map({port.name: port.name for port in circuit.ports})
    for port in circuit.ports:
        if port.name in ("clk", "rst", "rst_n"):
            continue  # goes without saying
        if port.width == 1:
            assert "one bit" in sizes
            assert not re.search(rf"\b{port.name}\b", sizes)
        else:
            assert re.search(rf"\b{port.name}\b.*? (are|is|has) {port.width} bits", sizes)
    for inner in re.findall(r"^    wire .*?(\w+) = ", circuit.body, flags=re.MULTILINE):
        assert inner in known
        assert len(re.findall(rf"\b{inner}\b", circuit.body)) > 1


@settings(max_examples=60, deadline=None)
@given(number=numbers, widths=st.lists(st.sampled_from(WIDTHS), min_size=2, max_size=2, unique=True))
def test_versions_of_one_name_differ_in_size_and_reset_alone(number: int, widths: list[int]) -> None:
    one, other = (in_house(number, width, "sync_high", told=False) for width in widths)
    assert one.name == other.name == house_name(number)
    assert [port.name for port in one.ports] == [port.name for port in other.ports]
    # Numbers that follow from the width are all that differs.
    shapes = [re.sub(r"\d+(?='d|:0\]|\{)", "N", circuit.body) for circuit in (one, other)]
    assert shapes[0] == shapes[1]
    assert one.body == in_house(number, widths[0], "sync_high", told=True).body


@settings(max_examples=60, deadline=None)
@given(number=numbers)
def test_a_name_alone_tells_nothing_of_what_it_does(number: int) -> None:
    circuit = in_house(number, 8, "sync_high", told=False)
    assert len(circuit.facts) == (1 if circuit.reset else 0)
    told = [*(text for fact in circuit.facts for text in (*fact.sentences, *fact.features)), *circuit.headlines]
    assert set(re.findall(r"\{(\w+)\}", " ".join(told))) <= {"rst"}
    assert all(house_name(number) in headline for headline in circuit.headlines)


@settings(max_examples=100, deadline=None)
@given(seed=numbers, depth=st.integers(0, 3), wide=st.booleans())
def test_values_fit_their_width(seed: int, depth: int, wide: bool) -> None:
    rng = random.Random(seed)
    drawn = Expressions(rng, 5, bits=["p", "q"], words=["a", "b"])
    value = drawn.draw(wide, depth)
    for _ in range(20):
        inputs = {"p": rng.randrange(2), "q": rng.randrange(2), "a": rng.randrange(32), "b": rng.randrange(32)}
        assert 0 <= value.evaluate(inputs) < (32 if wide else 2)
    assert value.bare in (value.code, value.code[1:-1])
    assert wide or value.condition


def test_different_values_are_not_said_in_the_same_words() -> None:
    inputs = [
        {name: rng.randrange(32 if name in "ab" else 2) for name in "abpq"} for rng in map(random.Random, range(40))
    ]
    meant: dict[str, list[int]] = {}
    for seed in range(6000):
        drawn = Expressions(random.Random(seed), 5, bits=["p", "q"], words=["a", "b"])
        value = drawn.draw(bool(seed % 2), 2)
        results = [value.evaluate(row) for row in inputs]
        for words in filter(None, (value.words, value.condition and f"if {value.condition}")):
            assert meant.setdefault(words, results) == results, words
    assert len(meant) > 3000


def test_training_draws_nothing_that_is_held_out() -> None:
    rng = random.Random(4)
    teacher = WiderTeacher(["mux"], made_up=0.4, in_house=0.4, seed=3)
    drawn = [teacher.draw_design(rng) for _ in range(400)]
    kinds = {design.family.name for design in drawn}
    assert kinds == {"made_up", "in_house", "mux"}
    assert not any(is_held_out(design.key) for design in drawn)
    names = {design.parameters["number"] for design in drawn if design.family.name == "in_house"}
    assert not any(is_held_out(house_name(number)) for number in names)
    assert is_held_out(house_name(draw_house_number(rng, held_out=True)))
    wide = WiderTeacher(["mux"], in_house=1, names=3000, seed=3)._numbers
    assert len({house_name(number) for number in wide}) == len(set(wide)) == 3000
    # Of a name there are several versions, and one without shares draws what the families' teacher draws.
    assert len(names) < sum(design.family.name == "in_house" for design in drawn)
    plain, wider = ParametricTeacher(["mux", "adder"]), WiderTeacher(["mux", "adder"])
    assert [plain.drawn(1, index).id for index in range(50)] == [wider.drawn(1, index).id for index in range(50)]


def test_a_reference_model_can_be_built_again() -> None:
    design = house_design(7, 12, "async_low", told=True)
    name, _, arguments = design.reference_model.removesuffix(")").partition("(**")
    assert name == "data_pipeline.made_up.in_house"
    parameters = ast.literal_eval(arguments)
    assert render(in_house(**parameters), "m", {}) == render(design.circuit, "m", {})


def test_a_file_of_the_house_has_one_circuit_more_than_once_and_compiles() -> None:
    teacher = ParametricTeacher(["counter", "mux", "edge_detector", "gray"])
    for seed in range(60):
        text = house_file(teacher, random.Random(seed))
        assert not read_source(text).errors, text
        modules = re.findall(r"^module .*?^endmodule", text, flags=re.DOTALL | re.MULTILINE)
        names = re.findall(r"^module (\w+)", text, flags=re.MULTILINE)
        assert len(set(names)) == len(modules) >= 2
        bare = [re.sub(r"\d+", "N", code_shape(module)) for module in modules]
        assert len(set(bare)) < len(bare)


def code_shape(module: str) -> str:
    """Its body without names and layout, and without the lines that differ between resets."""
    body = module.partition(");")[2]
    kept = [line for line in body.splitlines() if not re.search(r"always|if ?\(!?\w+\)|begin|end|else", line)]
    return re.sub(r"\s+|[A-Za-z_]\w*", "", "".join(kept))


@settings(max_examples=40, deadline=None)
@given(seed=numbers)
def test_no_hand_changes_what_code_says(seed: int) -> None:
    rng = random.Random(seed)
    code = render(made_up(seed), "m", {})
    laid_out = draw_hand(rng)(code)
    assert not read_source(laid_out).errors

    def bare(text: str) -> str:
        text = re.sub(r"@\s*\(?\*\)?", "@*", text).replace(" or ", ", ")
        return re.sub(r"=1'[bd]([01]);", r"=\1;", re.sub(r"\s+", "", re.sub(r", (?=(?:pos|neg)edge)", ",", text)))

    assert bare(laid_out) == bare(code)


def test_code_of_the_families_compiles_by_every_hand() -> None:
    teacher, rng = ParametricTeacher(), random.Random(8)
    designs = [rng.choice(teacher.train[family]) for family in teacher.train for _ in range(3)]
    jobs = []
    for number, design in enumerate(designs):
        wording = word(design.circuit, random.Random(number))
        bench = make_bench(design.circuit, wording.module, wording.names, str(number))
        jobs.append((draw_hand(random.Random(number))(answer(design.circuit, wording)), bench))
    verdicts = simulate_many(Icarus(), iter(jobs))
    assert {design.family.name: v.log for design, v in zip(designs, verdicts, strict=True) if not v.passed} == {}


def test_a_port_may_have_the_module_s_usual_name() -> None:
    rng = random.Random(1)
    design = next(one for one in iter(lambda: draw_made_up(rng), None) if "m" in {p.name for p in one.circuit.ports})
    assert code_key(written(design, word(design.circuit, rng)).code) == design.key


def test_files_of_the_house_hold_no_design_that_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small circuits are written as a family's design may be; of every ten versions one is held out by its hash."""
    teacher = ParametricTeacher(["mux"])
    monkeypatch.setattr(house_files, "draw_hand", lambda _: str)  # another layout has another key
    keys = [key for seed in range(150) for key in module_keys(house_file(teacher, random.Random(seed)))]
    assert len(keys) > 350
    assert not any(map(is_held_out, keys))


def test_the_suite_asks_by_name_and_its_library_has_other_versions(tmp_path: Path) -> None:
    chosen = HouseSettings(problems=12, versions=2, seed=5)
    manifest = make_house_suite(tmp_path / "house", chosen, Icarus())
    assert manifest.rows == {"pairs.jsonl": 24, "problems.jsonl": 12}
    problems = list(read_records(tmp_path / "house" / "problems.jsonl", Problem))
    pairs = list(read_records(tmp_path / "house" / "pairs.jsonl", VerifiedPair))
    for place, problem in enumerate(problems):
        versions = pairs[2 * place : 2 * place + 2]
        assert {pair.draft.topic for pair in versions} == {problem.category}
        assert problem.category.startswith(f"{IN_HOUSE} ")
        assert problem.category.removeprefix(f"{IN_HOUSE} ") in problem.spec
        keys = {code_key(pair.draft.code) for pair in versions}
        assert len(keys | {code_key(str(problem.reference))}) == 3
        assert all(pair.verdict.passed for pair in versions)
    # What was drawn before is not drawn again, be it asked for or in the library.
    problem, versions = house_suite._draw(chosen, 0, set())
    for key in (*own_designs(problem), *(version.design.key for version in versions)):
        other, others = house_suite._draw(chosen, 0, {key})
        assert key not in {*own_designs(other), *(version.design.key for version in others)}
    # An interrupted one goes on and ends the same.
    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        make_house_suite(cut, chosen, _Stopping(18))
    make_house_suite(cut, chosen, Icarus())
    for name in ("problems.jsonl", "pairs.jsonl"):
        assert (cut / name).read_bytes() == (tmp_path / "house" / name).read_bytes()


class _Stopping(Icarus):
    """The simulator, interrupted after so many runs."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self._left = runs

    def run(self, *args, **more):  # type: ignore[no-untyped-def]
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return super().run(*args, **more)


def test_pairs_hold_made_up_circuits_as_asked(tmp_path: Path) -> None:
    chosen = PairSettings(pairs=60, problems=2, families=("mux", "counter"), made_up=0.3, in_house=0.4, mutants=0)
    make_pairs(tmp_path / "pairs", chosen, Icarus())
    topics = [pair.draft.topic for pair in read_records(tmp_path / "pairs" / "pairs.jsonl", VerifiedPair)]
    assert 10 < sum(topic.startswith(IN_HOUSE) for topic in topics) < 36
    assert 6 < topics.count("made-up circuits") < 30
    facts = read_manifest(tmp_path / "pairs").facts
    assert (facts["held_out_texts_in_training"], facts["held_out_designs_in_training"]) == (0, 0)
    assert OVERLAP not in facts["dropped"]  # nothing is drawn to be thrown away
