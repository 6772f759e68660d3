"""What choosing one answer of several is worth on a run: the numbers, the answers that are left, and what is kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.errors import StoreError, ToolFailed
from autovcoder.files import read_jsonl
from autovcoder.records import Bench, Sample
from autovcoder.store import read_manifest
from eval.run import score
from eval.selection import SelectionReport, choose, select_run
from eval.suites import write_problems
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

from .suite_of_two import A_AND_B, HEADER, NOT_A, design, problem, sample

XOR = problem("a_xor_b", "a ^ b").model_copy(update={"spec": "Drive y.\n\na b y\n0 0 0\n0 1 1\n1 0 1\n1 1 0\n"})
UNASKED = problem("unasked", "a | b")
PROBLEMS = (NOT_A, A_AND_B, XOR, UNASKED)
BROKEN = f"{HEADER}\n  assign y = a & nowhere;\nendmodule\n"
OTHER = design("a & b").replace("top_module", "other")
# In each: how many pass, what the consensus takes, and whether that passes.
ANSWERS = [
    # Two of four pass and agree: chosen, though the first that can be simulated fails.
    sample("not_a", 0, BROKEN),
    sample("not_a", 1, design("a")),
    sample("not_a", 2, design("~a")),
    sample("not_a", 3, design("!a")),
    # The majority is wrong; what does not have the name that is asked for has no vote.
    sample("a_and_b", 0, design("a & b")),
    sample("a_and_b", 1, design("a | b")),
    sample("a_and_b", 2, design("b | a")),
    sample("a_and_b", 3, OTHER),
    # The specification's examples choose the only one that is right.
    sample("a_xor_b", 0, None).model_copy(update={"raw": "I cannot."}),
    sample("a_xor_b", 1, design("a | b")),
    sample("a_xor_b", 2, design("b | a")),
    sample("a_xor_b", 3, design("a ^ b")),
]


class Counting(Icarus):
    """The real simulator, which breaks after a number of designs that it was given to watch."""

    def __init__(self, last: int = 1000) -> None:
        super().__init__()
        self.last, self.seen = last, 0

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        self.seen += 1
        if self.seen > self.last:
            raise ToolFailed("the simulator is gone")
        return super().printed(design, bench, limits)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, the samples in no order."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    score(PROBLEMS, reversed(ANSWERS), Icarus(), folder, source={"model": "hand", "n": 4})
    return folder


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from autovcoder.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "eval", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def test_the_report_compares_the_choice_with_what_the_verdicts_say(tmp_path: Path, run: Path) -> None:
    simulator = Counting()
    report = select_run(run, simulator, tmp_path / "out")
    assert (report.problems, report.answers, report.source) == (4, 12, "hand")
    # A problem without answers counts as one that was failed.
    assert report.mean.value == pytest.approx((2 / 4 + 1 / 4 + 1 / 4 + 0) / 4)
    assert report.first.value == pytest.approx((0 + 1 + 0 + 0) / 4)
    assert report.consensus.value == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert report.best.value == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert report.gain.value == pytest.approx(report.consensus.value - report.mean.value)
    # All with the ports that are asked for; those of the last are driven with the examples too.
    assert (report.designs, simulator.seen) == (4 + 2 + 3, 4 + 2 + 2 * 3)
    assert report.per_second > 0
    rows = {row["problem_id"]: row for row in read_jsonl(tmp_path / "out" / "selections.jsonl")}
    assert {name: (row["selection"]["best"], row["first"]) for name, row in rows.items()} == {
        "not_a": (2, 1),
        "a_and_b": (1, 0),
        "a_xor_b": (3, 1),
    }
    assert rows["a_xor_b"]["selection"]["examples"] == [4, 4]
    assert read_manifest(tmp_path / "out").stage == "eval.select"


def test_the_calibration_covers_every_choice_that_has_a_confidence(tmp_path: Path, run: Path) -> None:
    report = select_run(run, Icarus(), tmp_path / "out")
    sure = [row["selection"]["confidence"] for row in read_jsonl(tmp_path / "out" / "selections.jsonl")]
    assert sum(one.problems for one in report.calibration) == 3
    assert sum(one.problems * one.confidence for one in report.calibration) == pytest.approx(sum(sure))
    assert sum(one.problems * one.right for one in report.calibration) == pytest.approx(2)
    assert all(one.low <= one.confidence < one.high for one in report.calibration)
    apart = sum(one.problems * abs(one.confidence - one.right) for one in report.calibration) / 3
    assert report.error == pytest.approx(apart)


def test_a_choice_needs_no_verdict(tmp_path: Path, run: Path) -> None:
    """What is chosen is the same whatever the verdicts are."""
    answers = [one for one in ANSWERS if one.problem_id == "not_a"]
    blind = NOT_A.model_copy(update={"bench": A_AND_B.bench, "reference": None})
    assert choose(blind, answers, Icarus()).selection == choose(NOT_A, answers, Icarus()).selection


def test_answers_are_told_by_their_place_among_those_there_are() -> None:
    kept: list[Sample] = [one for one in ANSWERS if one.problem_id == "not_a" and one.index in (1, 3)]
    found = choose(NOT_A, [*reversed(kept), sample("not_a", 7, design("~ a"))], Icarus())
    assert (found.selection.best, found.first) == (1, 0)


def test_what_was_chosen_before_a_failure_is_kept_and_nothing_is_done_twice(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "out"
    broken = Counting(last=4)
    with pytest.raises(ToolFailed, match="the simulator is gone"):
        select_run(run, broken, out)
    (kept,) = read_jsonl(out / "selections.jsonl")
    assert not (out / "manifest.json").exists()
    simulator = Counting()
    report = select_run(run, simulator, out)
    assert simulator.seen == 13 - 4
    rows = list(read_jsonl(out / "selections.jsonl"))
    assert rows[0] == kept
    assert len(rows) == 3
    again = Counting()
    assert select_run(run, again, out) == report
    assert again.seen == 0


def test_a_folder_of_another_run_is_not_written_over(tmp_path: Path, run: Path) -> None:
    other = tmp_path / "other"
    score((NOT_A,), ANSWERS[:2], Icarus(), other, source={"model": "hand", "n": 2})
    first = select_run(other, Icarus(), tmp_path / "out")
    with pytest.raises(StoreError):
        select_run(run, Icarus(), tmp_path / "out")
    assert select_run(other, Icarus(), tmp_path / "out") == first


def test_a_run_of_which_nothing_can_be_driven_keeps_the_first_answers(tmp_path: Path) -> None:
    answers = [sample("not_a", 0, BROKEN), sample("not_a", 1, None)]
    score((NOT_A,), answers, Icarus(), tmp_path / "run", source={"model": "hand", "n": 2})
    report = select_run(tmp_path / "run", Icarus(), tmp_path / "out")
    assert (report.consensus.value, report.first.value, report.designs, report.calibration) == (0.0, 0.0, 0, ())
    (row,) = read_jsonl(tmp_path / "out" / "chosen.jsonl")
    assert (row["completion"], row["confidence"]) == (BROKEN, None)


def test_the_command_prints_the_table_and_its_answers_can_be_scored(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "out"
    done = command("select", run, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "# One answer of several: hand" in done.stdout
    assert "12 answers to 4 problems" in done.stdout
    for what, rate in {"mean of the answers (pass@1)": 0.25, "chosen by consensus": 0.5, "any answer": 0.75}.items():
        assert re.search(rf"^\| {re.escape(what)} +\| {rate:.4f} ", done.stdout, re.MULTILINE), done.stdout
    assert f"the selection is in {out}" in done.stderr
    rows = list(read_jsonl(out / "chosen.jsonl"))
    assert [(row["task_id"], row["completion"]) for row in rows] == [
        ("not_a", design("~a")),
        ("a_and_b", design("a | b")),
        ("a_xor_b", design("a ^ b")),
    ]
    assert all(0 < row["confidence"] < 1 for row in rows)

    suite = tmp_path / "suite"
    suite.mkdir()
    write_problems(PROBLEMS, suite)
    scored = command(
        "run",
        "--suite",
        "problems",
        "--data",
        suite,
        "--samples",
        out / "chosen.jsonl",
        "--out",
        "scored",
        cwd=tmp_path,
    )
    assert scored.returncode == 0, scored.stderr
    verdicts = {row["problem_id"]: row["status"] for row in read_jsonl(tmp_path / "scored" / "verdicts.jsonl")}
    assert verdicts == {"not_a": "pass", "a_and_b": "mismatch", "a_xor_b": "pass"}

    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    again = command("select", run, "--out", out, "--json", cwd=tmp_path)
    assert SelectionReport.model_validate(json.loads(again.stdout)).consensus.value == 0.5
    kept = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {name: kept[name] for name in ("selections.jsonl", "chosen.jsonl", "selection.json")} == {
        name: before[name] for name in ("selections.jsonl", "chosen.jsonl", "selection.json")
    }


@pytest.mark.parametrize("state", ["absent", "empty", "unfinished", "damaged"])
def test_a_run_that_is_not_finished_is_one_clear_line(tmp_path: Path, run: Path, state: str) -> None:
    folder = tmp_path / "run"
    if state != "absent":
        folder.mkdir()
    if state == "unfinished":
        for name in ("problems.jsonl", "samples.jsonl"):
            (folder / name).write_bytes((run / name).read_bytes())
    if state == "damaged":
        (folder / "report.json").write_text('{"half": ')
    with pytest.raises(StoreError, match=r"report\.json") as caught:
        select_run(folder, Icarus(), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = command("select", "run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert "report.json" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
