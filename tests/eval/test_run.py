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
from autovcoder.records import Bench, Problem, Sample, Verdict
from autovcoder.store import read_jsonl, read_manifest
from eval.report import Report, to_markdown
from eval.results import samples_in
from eval.run import LIMITS, score
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

from .suite_of_two import A_AND_B, BROKEN, NOT_A, design, sample

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
    assert report.pass_at_k[1].value == pytest.approx(1 / 3)
    assert {name: rate.count for name, rate in report.by_status.items()} == {
        "pass": 2,
        "mismatch": 2,
        "syntax_error": 1,
        "no_code": 1,
    }
    assert sum(rate.value for rate in report.by_status.values()) == pytest.approx(1)
    assert report.reached_simulation.count == 4
    assert set(report.by_category) == {"gates", "more gates"}
    assert read_manifest(tmp_path / "out").rows["verdicts.jsonl"] == 6
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert (tmp_path / "out" / "report.md").read_text() == to_markdown(report)


def test_pass_at_k_is_given_only_where_every_problem_has_k_answers(tmp_path: Path) -> None:
    wrong = [sample("not_a", i, design("a")) for i in range(4)]
    report = run(tmp_path / "five", [*wrong, sample("not_a", 4, design("~a")), sample("a_and_b", 0, None)])
    assert list(report.pass_at_k) == [1]
    report = score([NOT_A], [*wrong, sample("not_a", 4, design("~a"))], Icarus(), tmp_path / "all", source=SOURCE)
    assert (report.pass_at_k[1].value, report.pass_at_k[5].value) == (pytest.approx(0.2), 1.0)


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
        "import sys, time\nfrom pathlib import Path\nfrom tests.eval.test_run import *\n"
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


def test_a_problem_whose_own_reference_fails_is_counted_for_nobody(tmp_path: Path) -> None:
    report = run(tmp_path, [*ANSWERS, sample("broken", 0, design("a"))], (NOT_A, A_AND_B, BROKEN))
    assert list(report.not_scored) == ["broken"]
    assert "its own reference fails: mismatch" in report.not_scored["broken"]
    assert (report.problems, report.answers) == (2, 4)
    assert report.pass_at_k[1].value == pytest.approx(0.5)
    assert report.floor == pytest.approx(1 / 3)
    assert [row["id"] for row in read_jsonl(tmp_path / "dropped.jsonl")] == ["broken"]
    page = to_markdown(report)
    assert "broken: its own reference fails" in page
    assert "0.3333" in page


def test_a_run_in_which_nothing_can_be_scored_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no answer could be scored"):
        run(tmp_path, [sample("broken", 0, design("a"))], (BROKEN,))
    assert not (tmp_path / "manifest.json").exists()


def test_a_problem_without_an_answer_is_named_and_not_counted(tmp_path: Path) -> None:
    report = run(tmp_path, ANSWERS[:2])
    assert report.unanswered == ("a_and_b",)
    assert (report.problems, report.pass_at_k[1].value) == (1, 0.5)
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
    assert json.loads((tmp_path / "report.json").read_text())["pass_at_k"]["1"]["value"] == 0.5


def test_time_is_cpu_time_so_that_a_busy_machine_fails_nobody() -> None:
    assert LIMITS.wall_s > 10 * LIMITS.cpu_s


def test_progress_counts_up_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    started = time.monotonic()
    score(
        [NOT_A, A_AND_B], ANSWERS, Icarus(), tmp_path, source=SOURCE, progress=lambda *told_now: told.append(told_now)
    )
    assert [done for what, done, total in told if what == "simulating"] == [1, 2, 3, 4]
    assert [done for what, done, total in told if what == "checking the references"] == [1, 2]
    assert time.monotonic() - started < 30
