"""Verified pairs: what is drawn is proven, deterministic, and shares nothing with what is held out."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import StoreError
from autovcoder.records import Bench, Problem, Verdict, VerifiedPair
from autovcoder.store import read_manifest, read_records
from data_pipeline.render import render
from data_pipeline.families import FAMILIES
from data_pipeline.pairs import OVERLAP, PairSettings, make_pairs
from data_pipeline.parametric import ParametricTeacher, code_key, is_held_out
from data_pipeline.phrasing import FRAMES, HELD_OUT_FRAMES, interface_text
from data_pipeline.slips import slip
from data_pipeline.texts import TextSettings, make_texts
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
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


def test_the_same_seed_gives_the_same_drafts(teacher: ParametricTeacher) -> None:
    assert teacher.draft(5, 17) == ParametricTeacher().draft(5, 17)
    assert teacher.draft(5, 17) != teacher.draft(6, 17)


def test_held_out_designs_are_never_trained_on(teacher: ParametricTeacher) -> None:
    for name, designs in teacher.train.items():
        assert designs
        assert not any(is_held_out(design.key) for design in designs)
        assert not {d.key for d in designs} & {d.key for d in teacher.held_out[name]}
    assert sum(bool(designs) for designs in teacher.held_out.values()) == len(teacher.held_out)


def test_held_out_problems_use_unseen_frames(folder: Path, teacher: ParametricTeacher) -> None:
    assert not set(FRAMES) & set(HELD_OUT_FRAMES)
    starts = tuple(frame.split("{a}")[0] for frame in HELD_OUT_FRAMES)
    problems = list(read_records(folder / "problems.jsonl", Problem))
    assert len(problems) == SMALL.problems
    assert all(problem.spec.startswith(starts) for problem in problems)
    assert not any(teacher.draft(3, index).problem.startswith(starts) for index in range(300))
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
    assert read_manifest(tmp_path / "out").facts["pairs_dropped_for_overlap"] == 6


def test_a_design_is_known_again_under_other_names_and_in_the_other_language(teacher: ParametricTeacher) -> None:
    circuit = FAMILIES["counter"].build(width=4, direction="up", reset="async_low", enable=True, load=False)
    key = code_key(render(circuit, "m", {}))
    assert code_key(f"// a comment\n{render(circuit, 'top_2', {'clk': 'tick', 'q': 'out'})}  ") == key
    assert code_key(render(circuit, "m", {}, "systemverilog")) == key
    assert code_key(render(circuit, "m", {}).replace("negedge", "posedge")) != key
    assert code_key(render(circuit, "m", {}).replace("[3:0]", "[4:0]")) != key


def test_every_held_out_problem_states_its_whole_interface(folder: Path) -> None:
    for problem in read_records(folder / "problems.jsonl", Problem):
        stated = stated_interface(problem.spec, problem.interface)
        [module] = read_source(problem.reference or "").modules
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


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make_pairs(out, SMALL, _KilledAfter(75))
    begun = len((out / "pairs.jsonl").read_text().splitlines())
    assert 0 < begun < SMALL.pairs
    make_pairs(out, SMALL, Icarus())

    def drafts(path: Path) -> list[str]:
        return [pair.draft.id for pair in read_records(path / "pairs.jsonl", VerifiedPair)]

    assert drafts(out) == drafts(folder)
    assert (out / "problems.jsonl").read_bytes() == (folder / "problems.jsonl").read_bytes()


def test_other_settings_are_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"config \(pairs\)"):
        make_pairs(folder, SMALL.model_copy(update={"pairs": 41}), Icarus())


def test_texts_never_put_a_problem_beside_its_answer(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts", TextSettings(base=200, rtl=50))
    rows = [json.loads(line) for line in (tmp_path / "texts" / "base.jsonl").read_text().splitlines()]
    kinds = {row["kind"] for row in rows}
    assert kinds == {"rtl", "rtl with a slip", "problem"}
    for row in rows:
        assert ("endmodule" in row["text"] or row["kind"] == "rtl with a slip") == row["kind"].startswith("rtl")
    assert read_manifest(tmp_path / "texts").rows == {"base.jsonl": 200, "rtl.jsonl": 50}


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
    assert all(len(read_source(text).modules) == 1 for text in rows)
    heads = [text[: text.index("\nmodule") if "\nmodule" in text else 0] for text in rows]
    assert 140 < sum(head.startswith(("//", "/*")) for head in heads) < 180
    families = "|".join(FAMILIES)
    assert 90 < sum(bool(re.match(rf"(?://|/\*) (?:{families}): ", head)) for head in heads) < 150


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_slip_changes_the_code_in_one_place(seed: int) -> None:
    teacher = _teacher()
    code = teacher.draft(seed, 0).code
    changed = slip(code, random.Random(seed))
    assert changed != code
    assert changed.startswith("module") or "module" not in changed.split("\n", 1)[0]
    lines, other = code.splitlines(), changed.splitlines()
    assert abs(len(lines) - len(other)) <= 1


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
