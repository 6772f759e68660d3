"""Scoring in the real simulator: right numbers, nothing scored twice, nothing mixed, nobody's fault put on a model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autovcoder.errors import InputError, ModelError, StoreError, ToolMissing
from autovcoder.files import read_jsonl
from autovcoder.records import Bench, PassRule, Problem, Sample, Verdict
from autovcoder.store import read_manifest
from eval.references import ReferenceCheck, limits_for_answers
from eval.report import Report, to_markdown
from eval.results import samples_in
from eval.run import LIMITS, score
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

from .suite_of_two import A_AND_B, BROKEN, HEADER, NOT_A, design, problem, sample

SOURCE = {"model": "hand", "n": 2}
ANSWERS = [
    sample("not_a", 0, design("~a")),
    sample("not_a", 1, design("a")),
    sample("a_and_b", 0, design("a & b")),
    sample("a_and_b", 1, "module top_module(input a; endmodule"),
]


class Counting(Icarus):
    """The real simulator, with a count of what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str | None] = []

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.seen.append(design)
        return super().run(design, bench, limits)


class Limited(Icarus):
    """The real simulator, with a note of the CPU time that each design was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str | None, int] = {}

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.given[design] = limits.cpu_s
        return super().run(design, bench, limits)


def test_an_answer_has_several_times_the_time_of_its_reference(tmp_path: Path) -> None:
    unproven = A_AND_B.model_copy(update={"reference": None})
    simulator = Limited()
    endless = design("~a").replace("endmodule", "initial forever ;\nendmodule")
    answers = [sample("not_a", 0, endless), sample("a_and_b", 0, design("a & b"))]
    report = score((NOT_A, unproven), answers, simulator, tmp_path / "out", source=SOURCE)
    assert simulator.given == {NOT_A.reference: LIMITS.cpu_s, endless: 5, design("a & b"): LIMITS.cpu_s}
    assert report.by_status["timeout"].count == 1
    slow = ReferenceCheck(problem_id="slow", fault=None, samples=None, seconds=1.1)
    assert limits_for_answers(slow, LIMITS).cpu_s == 22
    assert limits_for_answers(slow.model_copy(update={"seconds": 9.0}), LIMITS).cpu_s == LIMITS.cpu_s


def test_the_official_rule_has_a_time_of_its_own(tmp_path: Path) -> None:
    simulator = Limited()
    score((NOT_A,), ANSWERS[:2], simulator, tmp_path / "out", source=SOURCE, rule="official")
    assert {*simulator.given.values()} == {LIMITS.cpu_s}


def run(out: Path, answers: list[Sample], problems: tuple[Problem, ...] = (NOT_A, A_AND_B)) -> Report:
    return score(problems, answers, Icarus(), out, source=SOURCE)


def test_a_run_writes_flat_verdicts_a_report_and_a_manifest(tmp_path: Path) -> None:
    report = run(tmp_path / "out", [*ANSWERS, sample("a_and_b", 2, None), sample("not_a", 2, design("b"))])
    rows = list(read_jsonl(tmp_path / "out" / "verdicts.jsonl"))
    assert [(row["problem_id"], row["index"], row["status"]) for row in rows] == [
        ("not_a", 0, "pass"),
        ("not_a", 1, "mismatch"),
        ("a_and_b", 0, "pass"),
        ("a_and_b", 1, "syntax_error"),
        ("a_and_b", 2, "no_code"),
        ("not_a", 2, "mismatch"),
    ]
    assert (rows[1]["mismatches"], rows[1]["samples"]) == (4, 4)
    assert report.raw.overall.function[1].value == pytest.approx(1 / 3)
    assert {name: rate.count for name, rate in report.by_status.items()} == {
        "pass": 2,
        "mismatch": 2,
        "syntax_error": 1,
        "no_code": 1,
    }
    assert sum(rate.value for rate in report.by_status.values()) == pytest.approx(1)
    assert report.raw.overall.syntax[1].value == pytest.approx(4 / 6)
    assert set(report.raw.by_category) == {"gates", "more gates"}
    assert report.passable == report.raw
    assert read_manifest(tmp_path / "out").rows["verdicts.jsonl"] == 6
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert (tmp_path / "out" / "report.md").read_text() == to_markdown(report)


def test_pass_at_k_is_given_only_where_every_problem_has_k_answers(tmp_path: Path) -> None:
    wrong = [sample("not_a", i, design("a")) for i in range(4)]
    report = run(tmp_path / "five", [*wrong, sample("not_a", 4, design("~a")), sample("a_and_b", 0, None)])
    assert list(report.raw.overall.function) == [1]
    report = score([NOT_A], [*wrong, sample("not_a", 4, design("~a"))], Icarus(), tmp_path / "all", source=SOURCE)
    rates = report.raw.overall.function
    assert (rates[1].value, rates[5].value) == (pytest.approx(0.2), 1.0)


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    first = run(tmp_path, ANSWERS)

    def never() -> Iterator[Sample]:
        raise AssertionError("nothing is to be drawn")
        yield

    simulator = Counting()
    assert score([NOT_A, A_AND_B], never(), simulator, tmp_path, source=SOURCE) == first
    assert simulator.seen == []


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    code = (
        "import sys, time, types\nfrom pathlib import Path\n"
        # By hand, for Pyverilog installs a package `tests` of its own.
        "for name in ('tests', 'tests.eval'):\n    package = sys.modules[name] = types.ModuleType(name)\n"
        "    package.__path__ = [name.replace('.', '/')]\n"
        "from tests.eval.test_run import *\n"
        "def slowly(what, done, total):\n    if what == 'simulating' and done == 2: print(flush=True); time.sleep(60)\n"
        "score([NOT_A, A_AND_B], ANSWERS, Icarus(), Path(sys.argv[1]), source=SOURCE, progress=slowly)\n"
    )
    out = tmp_path / "out"
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", code, str(out)], cwd=root, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    kept = (out / "verdicts.jsonl").read_text()
    assert len(kept.splitlines()) == 2
    with (out / "verdicts.jsonl").open("a") as file:
        file.write('{"problem_id": "a_an')
    simulator = Counting()
    report = score([NOT_A, A_AND_B], ANSWERS, simulator, out, source=SOURCE)
    assert simulator.seen == [ANSWERS[2].code, ANSWERS[3].code]
    assert (out / "verdicts.jsonl").read_text().startswith(kept)
    assert [row["index"] for row in read_jsonl(out / "samples.jsonl")] == [0, 1, 0, 1]
    assert report == run(tmp_path / "whole", ANSWERS)


def test_a_lazy_source_is_asked_only_for_what_the_folder_lacks(tmp_path: Path) -> None:
    drawn: list[tuple[str, int]] = []

    def draw(*, break_after: int) -> Iterator[Sample]:
        have = {(s.problem_id, s.index) for s in samples_in(tmp_path)}
        for answer in ANSWERS:
            if (answer.problem_id, answer.index) in have:
                continue
            if len(drawn) == break_after:
                raise ModelError("the server went away")
            drawn.append((answer.problem_id, answer.index))
            yield answer

    with pytest.raises(ModelError):
        score([NOT_A, A_AND_B], draw(break_after=3), Icarus(), tmp_path, source=SOURCE)
    report = score([NOT_A, A_AND_B], draw(break_after=99), Icarus(), tmp_path, source=SOURCE)
    assert report.answers == 4
    assert len(drawn) == len(set(drawn)) == 4


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path, ANSWERS)
    with pytest.raises(StoreError, match=r"another config \(source\)"):
        score([NOT_A, A_AND_B], ANSWERS, Icarus(), tmp_path, source={"model": "other"})
    with pytest.raises(StoreError, match="suite_hash"):
        score([NOT_A], ANSWERS, Icarus(), tmp_path, source=SOURCE)


def test_a_problem_whose_own_reference_fails_is_in_the_raw_score_only(tmp_path: Path) -> None:
    report = run(tmp_path, [*ANSWERS, sample("broken", 0, design("a"))], (NOT_A, A_AND_B, BROKEN))
    assert list(report.cannot_pass) == ["broken"]
    assert "its own reference fails: mismatch" in report.cannot_pass["broken"]
    assert (report.problems, report.answers) == (3, 4)
    assert report.passable.overall.function[1].value == pytest.approx(0.5)
    assert report.raw.overall.function[1].value == pytest.approx(1 / 3)
    assert [row["id"] for row in read_jsonl(tmp_path / "dropped.jsonl")] == ["broken"]
    page = to_markdown(report)
    assert "broken: its own reference fails" in page
    assert "0.3333" in page


def test_a_run_in_which_nothing_can_be_scored_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no answer could be scored"):
        run(tmp_path, [sample("broken", 0, design("a"))], (BROKEN,))
    assert not (tmp_path / "manifest.json").exists()


def test_a_run_in_which_no_problem_can_be_passed_as_it_is_put_still_has_its_raw_scores(tmp_path: Path) -> None:
    other = NOT_A.model_copy(update={"interface": HEADER.replace("top_module", "inverter")})
    report = run(tmp_path, [sample("not_a", 0, design("~a"))], (other,))
    assert list(report.cannot_pass) == ["not_a"]
    assert report.raw.overall.function[1].value == 1.0
    assert (report.passable.overall.problems, report.passable.overall.function) == (0, {})
    assert "function pass@1 | 1.0000" in to_markdown(report)
    assert read_manifest(tmp_path).facts["pass_at_1"] == {"raw": 1.0}


def test_the_problems_of_a_run_under_the_official_rule_are_kept_as_they_were_asked(tmp_path: Path) -> None:
    score([NOT_A], [sample("not_a", 0, design("~a"))], Icarus(), tmp_path, source=SOURCE, rule="official")
    (kept,) = read_jsonl(tmp_path / "problems.jsonl")
    assert Problem.model_validate(kept) == NOT_A


def test_a_problem_without_an_answer_is_named_and_a_failure(tmp_path: Path) -> None:
    report = run(tmp_path, ANSWERS[:2])
    assert report.unanswered == ("a_and_b",)
    assert (report.problems, report.raw.overall.function[1].value) == (2, 0.25)
    assert "a_and_b" in to_markdown(report)


def test_an_answer_to_a_problem_that_is_not_asked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not asked: nobody"):
        run(tmp_path / "out", [sample("nobody", 0, None)])
    assert not (tmp_path / "out").exists()


def test_without_a_simulator_nothing_is_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="iverilog is not on PATH"):
        run(tmp_path / "out", ANSWERS)
    assert not (tmp_path / "out" / "verdicts.jsonl").exists()


def test_the_table_reads_as_markdown_and_as_text(tmp_path: Path) -> None:
    page = to_markdown(run(tmp_path, ANSWERS))
    tables = [[line for line in block.splitlines() if line.startswith("|")] for block in page.split("\n\n")]
    for table in filter(None, tables):
        assert len({len(line) for line in table}) == 1
        assert len({line.count("|") for line in table}) == 1
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["passable"]["overall"]["function"]["1"]["value"] == 0.5


# Icarus warns of the bits that do not exist, told to; the answer is right all the same.
WARNED = f"""{HEADER}
  wire [1:0] both = {{a, b}};
  assign y = both[5:2] === 4'bxxxx ? ~a : a;
endmodule
"""


def test_the_official_rule_fails_what_only_warns_and_is_part_of_the_run(tmp_path: Path) -> None:
    answers = [sample("not_a", 0, design("~a")), sample("not_a", 1, WARNED), sample("not_a", 2, design("a"))]
    ours = score([NOT_A], answers, Icarus(), tmp_path / "ours", source=SOURCE)
    assert {name: rate.count for name, rate in ours.by_status.items()} == {"pass": 2, "mismatch": 1}
    official = score([NOT_A], answers, Icarus(), tmp_path / "official", source=SOURCE, rule="official")
    statuses = {name: rate.count for name, rate in official.by_status.items()}
    assert statuses == {"pass": 1, "mismatch": 1, "elaboration_error": 1}
    assert (ours.rule, official.rule) == ("ours", "official")
    assert ours.suite_hash == official.suite_hash
    assert "official" in to_markdown(official)
    with pytest.raises(StoreError, match=r"another config \(rule\)"):
        score([NOT_A], answers, Icarus(), tmp_path / "ours", source=SOURCE, rule="official")


def test_a_reference_that_warns_cannot_pass_under_the_official_rule(tmp_path: Path) -> None:
    warned = problem("warned", "~a", reference=WARNED)
    answers = [sample("not_a", 0, design("~a")), sample("warned", 0, design("~a"))]
    report = score([NOT_A, warned], answers, Icarus(), tmp_path, source=SOURCE, rule="official")
    assert list(report.cannot_pass) == ["warned"]
    assert "elaboration_error" in report.cannot_pass["warned"]
    assert (report.raw.overall.function[1].value, report.passable.overall.function[1].value) == (0.5, 1.0)


def test_the_official_rule_is_refused_where_no_mismatches_are_counted(tmp_path: Path) -> None:
    rule = PassRule(kind="pass_line")
    other = NOT_A.model_copy(update={"bench": NOT_A.bench.model_copy(update={"pass_rule": rule})})
    with pytest.raises(InputError, match="count mismatches: two, not_a"):
        score([other], [sample("not_a", 0, None)], Icarus(), tmp_path / "out", source=SOURCE, rule="official")
    assert not (tmp_path / "out").exists()


def test_an_answer_that_the_bench_cannot_digest_did_not_compile(tmp_path: Path) -> None:
    class Refusing(Icarus):
        """The real simulator, but for one design."""

        def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
            if design == ANSWERS[1].code:
                raise InputError("the testbench does not compile")
            return super().run(design, bench, limits)

    report = score([NOT_A], ANSWERS[:2], Refusing(), tmp_path, source=SOURCE)
    assert (report.raw.overall.syntax[1].value, report.by_status["no_result"].count) == (0.5, 1)


def test_time_is_cpu_time_so_that_a_busy_machine_fails_nobody() -> None:
    assert LIMITS.wall_s > 10 * LIMITS.cpu_s


def test_progress_counts_up_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    started = time.monotonic()
    score(
        [NOT_A, A_AND_B], ANSWERS, Icarus(), tmp_path, source=SOURCE, progress=lambda *told_now: told.append(told_now)
    )
    assert [done for what, done, total in told if what == "simulating"] == [1, 2, 3, 4]
    assert [(done, total) for what, done, total in told if what == "checking the references"] == [(1, 2), (2, 2)]
    assert time.monotonic() - started < 30
