"""A run's result for papers and leaderboards, and the command that writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from autovcoder import __version__
from eval.export import answers_each, latex_row, latex_text, leaderboard_entry
from eval.report import Report
from eval.run import score
from hdl_sim.icarus import Icarus

from .page_run import run_page
from .suite_of_two import A_AND_B, NOT_A, design, sample

ROOT = Path(__file__).parents[2]


def five_answers(out: Path) -> Report:
    answers = [sample("not_a", i, design("~a" if i else "a")) for i in range(5)]
    answers += [sample("a_and_b", i, design("a | b")) for i in range(5)]
    source = {"model": "my_model & co", "temperature": 0.8, "top_p": 0.95, "seed": 0, "max_new_tokens": 64, "n": 5}
    return score([NOT_A, A_AND_B], answers, Icarus(), out, source=source)


def test_a_latex_row_has_percentages_with_intervals_and_no_special_characters(tmp_path: Path) -> None:
    row = latex_row(five_answers(tmp_path))
    assert row == (r"my\_model \& co & two & 40.0 {\scriptsize [0.0, 80.0]} & 50.0 {\scriptsize [0.0, 100.0]} & -- \\")
    assert latex_text("a\\b{c}\n50% $x^2$ #1 ~ <>") == (
        r"a\textbackslash{}b\{c\} 50\% \$x\textasciicircum{}2\$ \#1 \textasciitilde{} \textless{}\textgreater{}"
    )


def test_a_leaderboard_entry_says_what_was_measured_and_how(tmp_path: Path) -> None:
    report = five_answers(tmp_path)
    entry = leaderboard_entry(report, n=5, version="1.2.3")
    assert entry["sampling"] == {"temperature": 0.8, "top_p": 0.95, "seed": 0, "max_new_tokens": 64}
    assert entry["raw"]["function"]["pass@1"]["value"] == report.raw.overall.function[1].value
    assert set(entry["passable"]["syntax"]) == {"pass@1", "pass@5"}
    assert (entry["raw"]["problems"], entry["rule"]) == (2, "ours")
    assert (entry["n"], entry["autovcoder"], entry["suite_hash"]) == (5, "1.2.3", report.suite_hash)
    assert "Icarus Verilog" in entry["simulator"]
    assert (
        leaderboard_entry(report.model_copy(update={"source": {"model": "m"}}), n=None, version="")["sampling"] is None
    )


def test_answers_each_is_known_only_where_it_is_the_same() -> None:
    assert answers_each([("a", 0), ("a", 1), ("b", 0), ("b", 7)]) == 2
    assert answers_each([("a", 0), ("a", 1), ("a", 2), ("b", 0)]) is None


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from autovcoder.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "eval", "report", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def test_the_command_makes_the_page_again_and_exports_the_result(tmp_path: Path) -> None:
    page = run_page(tmp_path / "run")
    text = page.read_text()
    page.unlink()
    done = command(tmp_path / "run", "--latex", "--leaderboard", tmp_path / "entry.json")
    assert done.returncode == 0, done.stderr
    assert page.read_text() == text
    assert done.stdout.startswith("hand \\textless{}script")
    assert done.stdout.count("\n") == 1
    assert str(page) in done.stderr
    entry = json.loads((tmp_path / "entry.json").read_text())
    assert (entry["n"], entry["problems"], entry["autovcoder"]) == (None, 3, __version__)


def test_the_command_says_in_one_line_that_a_folder_is_no_finished_run(tmp_path: Path) -> None:
    done = command(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "not a finished stage folder" in done.stderr
