"""Verified pairs: what is drawn is proven, deterministic, and shares nothing with what is held out."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError, StoreError
from autovcoder.files import read_jsonl, read_records, write_jsonl
from autovcoder.records import Bench, PassRule, Problem, Verdict, VerifiedPair
from autovcoder.store import read_manifest
from data_pipeline.circuit import Combinational
from data_pipeline.designs import DesignRow, measure_design
from data_pipeline.families import FAMILIES
from data_pipeline.pairs import OVERLAP, PairSettings, make_pairs
from data_pipeline.parametric import Design, ParametricTeacher, code_key, is_held_out, module_keys
from data_pipeline.phrasing import FRAMES, HELD_OUT_FRAMES, interface_text
from data_pipeline.render import render
from data_pipeline.slips import slip
from data_pipeline.texts import TextSettings, _draw, make_texts
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.mutants import mutants
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.slang import read_source
from hdl_sim.statement import stated_interface

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
SMALL = PairSettings(seed=3, pairs=40, problems=60)


@pytest.fixture(scope="module")
def teacher() -> ParametricTeacher:
    return ParametricTeacher()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs") / "out"
    make_pairs(out, SMALL, Icarus())
    return out


def test_every_kept_pair_passed_its_bench(folder: Path) -> None:
    pairs = list(read_records(folder / "pairs.jsonl", VerifiedPair))
    assert len(pairs) >= 36
    for pair in pairs:
        assert pair.verdict.passed
        assert pair.verdict.samples == pair.draft.testbench.pass_rule.expected_samples


def test_every_pair_carries_the_fates_of_its_designs_mutants(folder: Path) -> None:
    designs = {row.key: row for row in read_records(folder / "designs.jsonl", DesignRow)}
    for pair in read_records(folder / "pairs.jsonl", VerifiedPair):
        row = designs[code_key(pair.draft.code)]
        assert (pair.killed, pair.survived, pair.equivalent, pair.unknown) == (
            row.killed, row.survived, row.equivalent, row.unknown,
        )  # fmt: skip
        assert pair.killed is not None
        assert pair.killed >= 3
        assert row.kill_rate >= SMALL.min_kill
    assert sum(read_manifest(folder).facts["designs_by_kill_rate"].values()) == len(designs)


def test_drafts_are_all_different(folder: Path, teacher: ParametricTeacher) -> None:
    ids = [pair.draft.id for pair in read_records(folder / "pairs.jsonl", VerifiedPair)]
    assert len(set(ids)) == len(ids)
    small = ParametricTeacher(("decoder",))
    draws = small.distinct(1, 300)
    assert len({small.drawn(1, index).id for index in draws}) == 300
    assert draws[-1] > 299


def test_the_wording_does_not_change_what_a_design_is_known_by(teacher: ParametricTeacher) -> None:
    for index in range(3000):
        drawn = teacher.drawn(9, index)
        assert code_key(drawn.code) == drawn.design.key, drawn.code


def test_designs_can_be_bounded() -> None:
    small = ParametricTeacher(("mux", "counter", "dff"))
    small.keep(10, 3)
    assert [len(designs) for designs in small.train.values()] == [4, 3, 3]
    assert len({small.drawn(3, index).design.key for index in range(200)}) == 10


def _one_by_one(design: Design, seed: int, count: int) -> list[str]:
    code = render(design.circuit, "dut_m", {})
    return [Icarus().run(mutant.code, design.bench(seed, "dut_m")).status
            for mutant in mutants(code, count=count, seed=design.key)]  # fmt: skip


@pytest.mark.parametrize("name", ["counter", "alu", "edge_detector", "lfsr", "mux", "popcount"])
def test_mutants_beside_each_other_fare_as_they_do_alone(name: str, teacher: ParametricTeacher) -> None:
    design = random.Random(name).choice(teacher.train[name])
    row = measure_design(design, 0, Icarus(), count=12, least=0.0)
    alone = _one_by_one(design, 0, 12)
    assert row.killed == sum(status != "pass" for status in alone)
    assert (row.survived or 0) + (row.equivalent or 0) + (row.unknown or 0) == alone.count("pass")


def _changed(design: Design, **changes: Any) -> Design:
    return replace(design, circuit=replace(design.circuit, **changes))


def test_a_bench_that_sees_little_is_too_weak(teacher: ParametricTeacher) -> None:
    design = teacher.train["counter"][0]
    assert measure_design(design, 0, Icarus(), count=12, least=0.8).fault is None
    row = measure_design(_changed(design, cycles=2), 0, Icarus(), count=12, least=0.8)
    assert row.fault
    assert "kills too few mutants" in row.fault
    assert row.survived
    assert row.missed


def test_a_design_with_a_latch_or_a_wrong_model_is_at_fault(teacher: ParametricTeacher) -> None:
    design = teacher.train["gate"][0]
    latch = _changed(design, registers=frozenset({"y"}), body="    always @(*) if (a != b) y = a; else if (a) y = b;")
    row = measure_design(latch, 0, Icarus(), count=4, least=0.8)
    assert row.fault
    assert row.killed is None
    latch = _changed(latch, model=Combinational(lambda v: {"y": None}))
    assert "not synthesizable" in (measure_design(latch, 0, Icarus(), count=4, least=0.8).fault or "")


def test_what_copies_a_benchmark_is_dropped(tmp_path: Path) -> None:
    teacher = ParametricTeacher(("sequence_detector",))
    settings = PairSettings(seed=4, pairs=6, problems=0, families=tuple(teacher.train), mutants=0)
    copied = teacher.drawn(4, 0).draft(4)
    row = Problem(id="p1", suite="theirs", category="c", spec="Some words.", bench=copied.testbench,
                  reference=copied.code)  # fmt: skip
    write_jsonl(tmp_path / "problems.jsonl", [row])
    manifest = make_pairs(tmp_path / "out", settings, Icarus(), [tmp_path / "problems.jsonl"])
    dropped = {row["id"]: row["reason"] for row in read_jsonl(tmp_path / "out" / "dropped.jsonl")}
    assert copied.id in dropped
    assert dropped[copied.id] == "copies theirs p1 (exact, 1.00)"
    assert manifest.facts["strongest_matches"]["theirs: exact"] >= 1
    assert any(row["id"] == copied.id for row in read_jsonl(tmp_path / "out" / "matches.jsonl"))


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such circuit family: conter; did you mean counter"):
        make_pairs(tmp_path / "out", PairSettings(families=("conter",)), Icarus())
    assert not (tmp_path / "out").exists()


def test_the_teacher_writes_on_a_topic(teacher: ParametricTeacher) -> None:
    draft = teacher.draft("counters", "easy", "sequential", 5)
    assert (draft.topic, draft.level, draft.circuit_type) == ("counters", "easy", "sequential")
    assert (
        draft
        == teacher.draft("counters", "easy", "sequential", 5)
        != teacher.draft("counters", "easy", "sequential", 6)
    )
    with pytest.raises(InputError, match="no family is combinational, easy and on this topic: counters"):
        teacher.draft("counters", "easy", "combinational", 5)
    few = ParametricTeacher(["gate"])
    with pytest.raises(InputError, match="no family is sequential"):
        few.draft("counters", "easy", "sequential", 5)
    few.keep(0, 0)
    with pytest.raises(InputError, match="no family is combinational"):
        few.draft("gate", "easy", "combinational", 5)


def test_the_same_seed_gives_the_same_drafts(teacher: ParametricTeacher) -> None:
    again = ParametricTeacher()
    assert teacher.drawn(5, 17).draft(5) == again.drawn(5, 17).draft(5)
    assert teacher.drawn(5, 17).id != teacher.drawn(6, 17).id


def test_held_out_designs_are_never_trained_on(teacher: ParametricTeacher) -> None:
    for name, designs in teacher.train.items():
        assert designs
        assert not any(is_held_out(design.key) for design in designs)
        assert not {d.key for d in designs} & {d.key for d in teacher.held_out[name]}
    assert sum(bool(designs) for designs in teacher.held_out.values()) == len(teacher.held_out)


def test_no_held_out_design_is_trained_on_as_a_submodule(teacher: ParametricTeacher) -> None:
    # Whatever families are drawn besides the one that has it.
    for one in (teacher, ParametricTeacher(["logic_of_nands", "mux_of_muxes"])):
        composed = [design for designs in one.train.values() for design in designs if design.parts]
        assert len(composed) > 50
        assert not any(is_held_out(key) for design in composed for key in design.parts)


def test_no_held_out_circuit_is_trained_on_in_another_style(teacher: ParametricTeacher) -> None:
    tables = FAMILIES["truth_table"]
    styles = [Design(tables, p, tables.build(**p)) for p in tables.parameters()][:3]
    assert len({design.content for design in styles}) == 1
    assert len({design.key for design in styles}) == 3
    for name, designs in teacher.train.items():
        assert not {d.content for d in designs} & {d.content for d in teacher.held_out[name]}, name


def test_families_without_a_held_out_design_give_no_problems() -> None:
    small = ParametricTeacher(("dff",))
    small.held_out["dff"] = []
    with pytest.raises(InputError, match="these families give 0 held-out problems, not 3"):
        list(small.problems(0, 3))


def test_held_out_problems_use_unseen_frames(folder: Path, teacher: ParametricTeacher) -> None:
    assert not {frame for frames in FRAMES.values() for frame in frames} & set(HELD_OUT_FRAMES)
    starts = tuple(frame.split("{a}")[0] for frame in HELD_OUT_FRAMES)
    problems = list(read_records(folder / "problems.jsonl", Problem))
    assert len(problems) == SMALL.problems
    assert all(problem.spec.startswith(starts) for problem in problems)
    assert not any(teacher.drawn(3, index).problem.startswith(starts) for index in range(300))
    assert {problem.id.split(".")[0] for problem in problems} == {"frame", "headline"}


def test_the_manifest_reports_the_overlap(folder: Path) -> None:
    facts = read_manifest(folder).facts
    assert facts["held_out_texts_in_training"] == 0
    assert facts["held_out_designs_in_training"] == 0


def test_a_draft_that_equals_a_held_out_problem_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check does not rest on the construction: a held-out design that is drawn for training is found."""
    monkeypatch.setattr(ParametricTeacher, "draw_design", lambda self, rng: rng.choice(self.held_out["decoder"]))
    make_pairs(tmp_path / "out", PairSettings(pairs=6, problems=60), Icarus())
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert reasons == [OVERLAP] * 6
    assert read_manifest(tmp_path / "out").facts["dropped"] == {OVERLAP: 6}


def test_a_draft_with_a_held_out_problem_s_design_as_a_submodule_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def composed(family: str, **parameters: Any) -> Design:
        design = Design(FAMILIES[family], parameters, FAMILIES[family].build(**parameters))
        assert not is_held_out(design.key)
        return design

    whole = composed("logic_of_nands", op="inhibit", width=5)
    inner = [one for one in ParametricTeacher(["gate"]).held_out["gate"] if one.key in whole.parts]
    assert inner
    monkeypatch.setattr(ParametricTeacher, "draw_design", lambda self, rng: whole)
    make_pairs(tmp_path / "out", PairSettings(pairs=4, problems=150, families=("gate",)), Icarus())
    asked = {code_key(str(one.reference)) for one in read_records(tmp_path / "out" / "problems.jsonl", Problem)}
    assert not asked.isdisjoint(whole.parts)
    facts = read_manifest(tmp_path / "out").facts
    assert facts["dropped"] == {OVERLAP: 4}


def test_a_design_is_known_again_under_other_names_and_in_the_other_language(teacher: ParametricTeacher) -> None:
    circuit = FAMILIES["counter"].build(width=4, direction="up", reset="async_low", enable=True, load=False)
    key = code_key(render(circuit, "m", {}))
    assert code_key(f"// a comment\n{render(circuit, 'top_2', {'clk': 'tick', 'q': 'out'})}  ") == key
    assert code_key(render(circuit, "m", {}, "systemverilog")) == key
    assert code_key(render(circuit, "m", {}).replace("negedge", "posedge")) != key
    told = "module m (input a, output reg y);\n  always @(*) y = ~a;\nendmodule"
    assert {code_key(told.replace("@(*)", event)) for event in ("@*", "@ *", "@ ( * )")} == {code_key(told)}
    assert code_key(render(circuit, "m", {}).replace("[3:0]", "[4:0]")) != key


def test_every_held_out_problem_states_its_whole_interface(folder: Path) -> None:
    for problem in read_records(folder / "problems.jsonl", Problem):
        stated = stated_interface(problem.spec, problem.interface)
        module = read_source(problem.reference or "").modules[0]
        assert stated.name == module.name, problem.spec
        assert {port.name for port in stated.ports or ()} == {port.name for port in module.ports}, problem.spec


class _KilledAfter:
    """A real simulator in front of a design count, to stop a run in its middle as a kill would."""

    def __init__(self, runs: int) -> None:
        self._inner = Icarus()
        self._left = runs

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._inner.run(design, bench, limits)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


@pytest.mark.parametrize(
    ("mutants", "runs", "begun"), [(12, 60 + 30, "designs.jsonl"), (0, 60 + 40 + 15, "pairs.jsonl")]
)
def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path: Path, mutants: int, runs: int, begun: str) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    # The held-out references come first, then the designs (with mutants each in two runs or more), then the pairs.
    few = SMALL.model_copy(update={"mutants": mutants})
    with pytest.raises(KeyboardInterrupt):
        make_pairs(out, few, _KilledAfter(runs))
    assert 0 < len((out / begun).read_text().splitlines()) < SMALL.pairs
    for folder in (out, whole):
        make_pairs(folder, few, Icarus())
    for name in ("problems.jsonl", "designs.jsonl", "pairs.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_other_settings_are_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"config \(pairs\)"):
        make_pairs(folder, SMALL.model_copy(update={"pairs": 41}), Icarus())


def test_texts_are_rtl_and_ask_for_nothing(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts", TextSettings(base=400, rtl=50, made_up=0.15, in_house=0.15))
    rows = [json.loads(line) for line in (tmp_path / "texts" / "base.jsonl").read_text().splitlines()]
    kinds = Counter(row["kind"] for row in rows)
    assert kinds.keys() == {"rtl", "rtl with a slip", "made-up rtl", "in-house rtl"}
    assert all(30 < kinds[kind] < 95 for kind in kinds if kind != "rtl")
    asked = re.compile(
        r"\b(I need|Please|Write an? |Write it in|Implement|Task:|Exercise|Complete the|should be named|must be \w+\."
        r"|[Nn]ame the module|Call the module|Use the module name|Use this)\b"
    )
    for row in rows:
        comments = " ".join(re.findall(r"/\*.*?\*/|//[^\n]*", row["text"], re.DOTALL))
        assert not asked.search(comments)
        assert "endmodule" not in comments or row["kind"] != "rtl"
    assert read_manifest(tmp_path / "texts").rows == {"base.jsonl": 400, "rtl.jsonl": 50}


def test_what_copies_a_benchmark_is_left_out_of_the_texts_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    settings = TextSettings(base=60, rtl=30)
    make_texts(tmp_path / "free", settings)
    free = [row["text"] for name in ("base.jsonl", "rtl.jsonl") for row in read_jsonl(tmp_path / "free" / name)]
    copied = max((text for text in free if text.count("module ") == 1 and not read_source(text).errors), key=len)
    bench = Bench(kind="verilog", sources={"tb.v": ""}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    write_jsonl(
        tmp_path / "suite.jsonl", [Problem(id="p", suite="s", category="", spec="x", bench=bench, reference=copied)]
    )
    whole = make_texts(tmp_path / "texts", settings, [tmp_path / "suite.jsonl"])
    dropped = list(read_jsonl(tmp_path / "texts" / "dropped.jsonl"))
    assert any("copies s p" in row["reason"] for row in dropped)
    kept = [row["text"] for name in ("base.jsonl", "rtl.jsonl") for row in read_jsonl(tmp_path / "texts" / name)]
    assert copied in free
    assert copied not in kept
    assert len(kept) + len(dropped) == settings.base + settings.rtl
    script = (
        "import os; from pathlib import Path; import data_pipeline.texts as t; keep = t._keep; n = [0]\n"
        "def killed(*a, **k):\n    n[0] += 1\n    n[0] < 75 or os.kill(os.getpid(), 9)\n    keep(*a, **k)\n"
        f"t._keep = killed; t.make_texts(Path({str(tmp_path / 'cut')!r}), t.TextSettings(base=60, rtl=30),"
        f" [Path({str(tmp_path / 'suite.jsonl')!r})])"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert make_texts(tmp_path / "cut", settings, [tmp_path / "suite.jsonl"]).sha256 == whole.sha256


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_comment_states_the_whole_interface_and_no_headline(seed: int) -> None:
    rng = random.Random(seed)
    design, wording = _teacher().draw(rng)
    text = interface_text(design.circuit, wording, rng)
    for name in (wording.module, *wording.names.values()):
        assert re.search(rf"\b{re.escape(name)}\b", text)
    assert design.circuit.headlines[0] not in text


def test_most_rtl_stands_under_a_comment_and_all_of_it_is_rtl(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts", TextSettings(base=2, rtl=200))
    rows = [json.loads(line)["text"] for line in (tmp_path / "texts" / "rtl.jsonl").read_text().splitlines()]
    assert all(read_source(text).modules and not read_source(text).errors for text in rows)
    heads = [text[: text.index("\nmodule") if "\nmodule" in text else 0] for text in rows]
    assert 165 < sum(head.startswith(("//", "/*")) for head in heads) < 195
    families = "|".join(FAMILIES)
    assert 15 < sum(bool(re.match(rf"(?://|/\*) (?:{families}): ", head)) for head in heads) < 50


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_slip_changes_the_code_in_one_place(seed: int) -> None:
    teacher = _teacher()
    code = teacher.drawn(seed, 0).code
    changed = slip(code, random.Random(seed))
    assert changed != code
    assert changed.startswith("module") or "module" not in changed.split("\n", 1)[0]
    lines, other = code.splitlines(), changed.splitlines()
    assert abs(len(lines) - len(other)) <= 1


def test_no_slip_turns_a_design_into_a_held_out_one(teacher: ParametricTeacher) -> None:
    held_out = {design.key for designs in teacher.held_out.values() for design in designs}
    drawn = [
        _draw(teacher, random.Random(number), TextSettings(in_house=0, made_up=0), slips=1) for number in range(3000)
    ]
    assert {kind for kind, _ in drawn} == {"rtl with a slip"}
    assert not held_out & {key for _, text in drawn for key in module_keys(text)}


def test_a_module_is_found_by_itself_whatever_stands_around_it() -> None:
    one, other = "module a (input x);\nendmodule\n", "module b (output y);\n  assign y = 1;\nendmodule\n"
    both = [code_key(one), code_key(other)]
    assert module_keys(one + other) == both
    assert (
        module_keys(f"/*\nmodule of a kind, given:\n{one}*/\n{one}// module c ();\nmodule b by name, given:\n{other}")
        == both
    )
    assert module_keys(one.replace("endmodule", "") + other) == both[1:]


_TEACHERS: list[ParametricTeacher] = []


def _teacher() -> ParametricTeacher:
    if not _TEACHERS:
        _TEACHERS.append(ParametricTeacher())
    return _TEACHERS[0]


def test_the_command_writes_a_stage_folder(tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    command = [
        AUTOVCODER,
        "data",
        "pairs",
        "--out",
        str(out),
        "--pairs",
        "4",
        "--problems",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_manifest(out).rows["problems.jsonl"] == 2
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("paris: 4\n")
    done = subprocess.run([*command, "--config", str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "did you mean 'pairs'" in done.stderr
    assert "Traceback" not in done.stderr
