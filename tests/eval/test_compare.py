"""Comparing runs: what is paired, what is refused, and what must hold whatever the runs are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError, StoreError
from autovcoder.files import read_jsonl, write_jsonl
from autovcoder.records import Problem, Rule, Sample
from autovcoder.store import Stage
from eval.compare import Comparison, changes_between, compare_runs, exact_p_value, paired, to_text
from eval.run import score
from hdl_sim.icarus import Icarus

from .suite_of_two import A_AND_B, BROKEN, NOT_A, design, sample

ROOT = Path(__file__).parents[2]
RIGHT = {"not_a": design("~a"), "a_and_b": design("a & b"), "broken": design("a | b")}
WRONG = design("b")

Counts = list[tuple[int, int]]


@st.composite
def two_runs(draw: st.DrawFn) -> tuple[Counts, Counts]:
    """(answers, passes) of two runs on the same problems."""
    size = draw(st.integers(1, 25))
    count = st.integers(0, 10).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
    some = st.lists(count, min_size=size, max_size=size)
    return draw(some), draw(some)


def shares(counts: Counts) -> list[float]:
    return [c / n if n else 0.0 for n, c in counts]


@settings(deadline=None, max_examples=40)
@given(two_runs())
def test_a_run_against_itself_differs_by_nothing(runs: tuple[Counts, Counts]) -> None:
    a, _ = runs
    same = paired(shares(a), shares(a))
    assert (same.difference.value, same.difference.low, same.difference.high, same.b_better) == (0.0, 0.0, 0.0, 0.5)
    assert exact_p_value(a, a) == pytest.approx(1.0)
    assert changes_between([str(i) for i in range(len(a))], a, a) == []


@settings(deadline=None, max_examples=40)
@given(two_runs())
def test_swapping_the_runs_mirrors_everything(runs: tuple[Counts, Counts]) -> None:
    a, b = runs
    there, back = paired(shares(a), shares(b)), paired(shares(b), shares(a))
    assert (there.a, there.b) == (back.b, back.a)
    assert there.difference.value == -back.difference.value
    assert (there.difference.low, there.difference.high) == (-back.difference.high, -back.difference.low)
    assert there.b_better + back.b_better == 1.0
    assert exact_p_value(a, b) == exact_p_value(b, a)
    names = [f"{i:02}" for i in range(len(a))]
    one, other = changes_between(names, a, b), changes_between(names, b, a)
    assert [(c.problem_id, c.a, c.b, c.flip) for c in one] == [(c.problem_id, c.b, c.a, c.flip) for c in other]


@settings(deadline=None, max_examples=40)
@given(two_runs())
def test_the_difference_is_that_of_the_means_and_lies_in_its_interval(runs: tuple[Counts, Counts]) -> None:
    found = paired(*map(shares, runs))
    assert found.difference.value == pytest.approx(found.b.value - found.a.value)
    assert found.difference.low <= found.difference.high
    assert -1.0 <= found.difference.low <= found.difference.value + 0.5


def test_pairing_sees_what_two_intervals_hide() -> None:
    a = [i / 40 for i in range(40)]
    b = [min(1.0, value + 0.03) for value in a]
    found = paired(a, b)
    assert found.a.high > found.b.low  # taken apart, the two cannot be told from each other
    assert found.difference.low > 0
    assert found.b_better == 1.0


def test_a_flip_is_a_change_of_the_majority_and_comes_first() -> None:
    found = changes_between(["big", "flip", "small", "same"], [(10, 5), (2, 1), (2, 2), (1, 1)],
                            [(10, 0), (2, 2), (4, 3), (9, 9)])  # fmt: skip
    assert [(c.problem_id, c.a, c.b, c.flip) for c in found] == [
        ("flip", 0.5, 1.0, True), ("big", 0.5, 0.0, False), ("small", 1.0, 0.75, False)]  # fmt: skip


def run(
    out: Path, passes: dict[str, str], *, problems: tuple[Problem, ...] = (NOT_A, A_AND_B, BROKEN), rule: Rule = "ours"
) -> Path:
    """A finished run; ``passes`` holds a letter for each answer of a problem: r(ight) or w(rong)."""
    samples: list[Sample] = [
        sample(name, i, RIGHT[name] if letter == "r" else WRONG)
        for name, letters in passes.items()
        for i, letter in enumerate(letters)
    ]
    score(problems, samples, Icarus(), out, source={"model": out.name}, rule=rule)
    return out


def test_two_runs_are_paired_over_the_problems_that_can_pass(tmp_path: Path) -> None:
    a = run(tmp_path / "a", {"not_a": "rw", "a_and_b": "ww", "broken": "rr"})
    b = run(tmp_path / "b", {"not_a": "ww", "a_and_b": "rrr"})
    found = compare_runs(a, b)
    assert (found.problems, found.a.answers, found.b.answers) == (2, 4, 5)
    assert (found.pass_at_k[1].a.value, found.pass_at_k[1].b.value) == (0.25, 0.5)
    assert [(c.problem_id, c.a, c.b, c.flip) for c in found.gained] == [("a_and_b", 0.0, 1.0, True)]
    assert [(c.problem_id, c.a, c.b, c.flip) for c in found.lost] == [("not_a", 0.5, 0.0, False)]
    # Of the four patterns of signs of +1 and -1/2 all sum to at least 1/2 or at most -1/2.
    assert found.p_value == pytest.approx(1.0)
    assert found.warnings == (
        "how the answers of A and B were prompted is not known",
        "the numbers of answers differ on 1 of 2 problems",
    )
    page = to_text(found)
    assert "| a_and_b | 0.00     | 1.00     | yes  |" in page
    assert "Mind: the numbers of answers differ on 1 of 2 problems." in page


def test_a_problem_without_an_answer_counts_as_failed(tmp_path: Path) -> None:
    found = compare_runs(run(tmp_path / "a", {"not_a": "r", "a_and_b": "r"}), run(tmp_path / "b", {"not_a": "r"}))
    assert (found.problems, found.pass_at_k[1].b.value) == (2, 0.5)


def test_runs_that_are_not_alike_are_refused_in_one_line(tmp_path: Path) -> None:
    a = run(tmp_path / "a", {"not_a": "r"})
    part = run(tmp_path / "part", {"not_a": "r"}, problems=(NOT_A, A_AND_B))
    with pytest.raises(InputError, match=r"cannot be compared, because the suite hash differs: .*a has .*part has"):
        compare_runs(a, part)
    with pytest.raises(InputError, match=r"the rule differs: .*has ours, .*has official"):
        compare_runs(a, run(tmp_path / "official", {"not_a": "r"}, rule="official"))
    for key, value in (("suite", "another"), ("simulator", "Icarus Verilog 99")):
        changed = run(tmp_path / key, {"not_a": "r"})
        report = json.loads((changed / "report.json").read_text())
        (changed / "report.json").write_text(json.dumps({**report, key: value}))
        with pytest.raises(InputError, match=f"the {key} differs: .*has {value}"):
            compare_runs(a, changed)


def test_prompts_that_differ_are_warned_of_where_they_are_known(tmp_path: Path) -> None:
    a, b = (run(tmp_path / name, {"not_a": "r"}) for name in "ab")
    for folder in (a, b):
        rows = [{**row, "prompt_sha256": "0" * 64} for row in read_jsonl(folder / "samples.jsonl")]
        write_jsonl(folder / "samples.jsonl", rows)
    assert compare_runs(a, b).warnings == ()
    text = (b / "manifest.json").read_text()
    prompts = json.loads(text)["config"]["prompts"]
    (b / "manifest.json").write_text(text.replace(prompts, "0" * 64))
    assert compare_runs(a, b).warnings == ("the prompts differ",)


def test_a_folder_that_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    a = run(tmp_path / "a", {"not_a": "r"})
    with pytest.raises(StoreError, match="not a finished stage folder"):
        compare_runs(a, tmp_path / "nowhere")
    with Stage(tmp_path / "other", "data.texts", config={}) as stage:
        stage.append("rows.jsonl", {"id": "1"})
        stage.finish()
    with pytest.raises(InputError, match=r"not the folder of an evaluation: .*data\.texts"):
        compare_runs(tmp_path / "other", a)


def test_the_command_prints_a_page_or_json_or_one_clear_line(tmp_path: Path) -> None:
    run(tmp_path / "a", {"not_a": "w", "a_and_b": "r"})
    run(tmp_path / "b", {"not_a": "r", "a_and_b": "r"})

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from autovcoder.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "eval", "compare", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    done = command("a", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert "| pass@1 | 0.5000 |" in done.stdout
    found = Comparison.model_validate_json(command("a", "b", "--json").stdout)
    assert (found.problems, [change.problem_id for change in found.gained]) == (2, ["not_a"])
    failed = command("a", "c")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: no manifest")
    assert failed.stderr.count("\n") == 1
