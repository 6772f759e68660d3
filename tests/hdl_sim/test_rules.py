"""Reading an outcome from what a simulation printed and how it ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autovcoder.errors import InputError
from autovcoder.records import PassRule
from hdl_sim.rules import Outcome, judge, judge_cocotb
from hdl_sim.sandbox import Finished, Reason

COUNT = PassRule(kind="mismatch_count")
LINE = PassRule(kind="pass_line")


def finished(stdout: str, *, returncode: int = 0, reason: Reason = "exited", stderr: str = "") -> Finished:
    return Finished(returncode, stdout, stderr, 0.1, reason)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Mismatches: 0 in 20 samples\n", Outcome("pass", 0, 20)),
        ("Mismatches: 3 in 20 samples\n", Outcome("mismatch", 3, 20)),
        ("Mismatches: 0 in 0 samples\n", Outcome("no_result", 0, 0)),
        ("", Outcome("no_result")),
        ("Mismatches: 0 in 20 samples\nMismatches: 0 in 20 samples\n", Outcome("no_result")),
        ("say Mismatches: 0 in 20 samples\n", Outcome("no_result")),
        ("tests passed\n", Outcome("no_result")),
    ],
)
def test_mismatch_count(text: str, outcome: Outcome) -> None:
    assert judge(COUNT, finished(text)) == outcome


def test_fewer_samples_than_expected_is_no_pass() -> None:
    rule = PassRule(kind="mismatch_count", expected_samples=20)
    assert judge(rule, finished("Mismatches: 0 in 20 samples\n")).status == "pass"
    assert judge(rule, finished("Mismatches: 0 in 19 samples\n")).status == "no_result"


@pytest.mark.parametrize(
    ("text", "stderr", "outcome"),
    [
        ("Mismatches: 0 in 20 samples\n", "", Outcome("pass", 0, 20)),
        ("Hint: Mismatches: 0 in 20 samples, at last\n", "", Outcome("pass", 0, 20)),
        ("Mismatches: 1 in 20 samples\nMismatches: 0 in 20 samples\n", "", Outcome("mismatch", 1, 20)),
        ("Mismatches: 0 in 20 samples\n", "warning: hm\n", Outcome("runtime_error")),
        ("Mismatches:  in  samples\n", "", Outcome("no_result")),
        ("", "", Outcome("no_result")),
    ],
)
def test_quiet_mismatch_count_is_the_rule_of_verilogeval(text: str, stderr: str, outcome: Outcome) -> None:
    assert judge(PassRule(kind="quiet_mismatch_count"), finished(text, stderr=stderr)) == outcome


@pytest.mark.parametrize(
    ("reason", "status"),
    [("wall_timeout", "timeout"), ("cpu_timeout", "timeout"), ("memory", "runtime_error"),
     ("output_limit", "runtime_error"),
     ("signal", "runtime_error"), ("file_limit", "runtime_error")],
)  # fmt: skip
@pytest.mark.parametrize("rule", [COUNT, LINE, PassRule(kind="quiet_mismatch_count")])
def test_a_run_that_did_not_end_by_itself_never_passes(rule: PassRule, reason: Reason, status: str) -> None:
    text = "Mismatches: 0 in 20 samples\n"
    assert judge(rule, finished(text, returncode=-9, reason=reason)).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("===========Your Design Passed===========\n", "pass"),
        ("Mismatches: 0 in 20 samples\n", "pass"),
        ("Mismatches: 2 in 20 samples\n", "mismatch"),
        ("Mismatches: 0 in 0 samples\n", "no_result"),
        ("Your Design Passed\nYour Design Passed\n", "no_result"),
        ("Your Design Passed\nidle\n", "no_result"),  # nothing had called $finish
        ("not: Your Design Passed the time\n", "no_result"),
        ("Test is OK!\n", "no_result"),
        ("Your Design Passed\nERROR: tb.sv:7: bad\n", "mismatch"),
        ("FATAL: tb.sv:7: bad\n", "mismatch"),
        ("ERROR: none found\nYour Design Passed\n", "pass"),
    ],
)
def test_pass_line(text: str, status: str) -> None:
    assert judge(LINE, finished(text), idle_line="idle", bench_files=["tb.sv"]).status == status


def test_own_pattern_replaces_the_recognised_lines() -> None:
    rule = PassRule(kind="pass_line", pattern=r"^all \d+ good$")
    assert judge(rule, finished("all 12 good\n")).status == "pass"
    assert judge(rule, finished("Your Design Passed\n")).status == "no_result"


def test_stop_is_not_finish() -> None:
    assert judge(LINE, finished("Your Design Passed\n", returncode=1)).status == "no_result"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("n0nce Mismatches: 0 in 20 samples\n", "pass"),
        ("Mismatches: 0 in 20 samples\n", "no_result"),
        ("Mismatches: 0 in 20 samples\nn0nce Mismatches: 2 in 20 samples\n", "mismatch"),
        ("n0nce Mismatches: 0 in 20 samples\nn0nce Mismatches: 0 in 20 samples\n", "no_result"),
        ("n0nceMismatches: 0 in 20 samples\n", "no_result"),
        ("other Mismatches: 0 in 20 samples\n", "no_result"),
    ],
)
def test_a_bench_with_a_secret_is_heard_only_behind_it(text: str, status: str) -> None:
    rule = COUNT.model_copy(update={"secret": True})
    assert judge(rule, finished(text), nonce="n0nce").status == status
    assert judge(rule, finished(text), nonce="").status == "no_result"


def test_a_pass_line_with_a_secret_counts_only_behind_it() -> None:
    rule = LINE.model_copy(update={"secret": True})
    line = "Your Design Passed\n"
    assert judge(rule, finished(line), nonce="n0nce").status == "no_result"
    assert judge(rule, finished(f"{line}n0nce {line}"), nonce="n0nce").status == "pass"
    assert (
        judge(rule, finished(f"n0nce {line}n0nce idle\n"), nonce="n0nce", idle_line="n0nce idle").status == "no_result"
    )
    assert judge(rule, finished(f"n0nce {line}ERROR: tb.sv:7: bad\n"), nonce="n0nce").status == "mismatch"


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "a" * 1001])
def test_a_bad_pattern_makes_no_rule(pattern: str) -> None:
    with pytest.raises(ValidationError):
        PassRule(kind="pass_line", pattern=pattern)
    with pytest.raises(ValidationError):
        PassRule(kind="pass_line", fail_pattern=pattern)


@given(st.text(max_size=100), st.integers(-20, 300))
def test_text_without_the_line_never_passes(text: str, returncode: int) -> None:
    text = text.replace("Mismatches", "")
    assert judge(COUNT, finished(text, returncode=returncode)).status != "pass"


XML = "<testsuites><testsuite>{}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("cases", "outcome"),
    [
        ('<testcase name="a"/><testcase name="b"/>', Outcome("pass", 0, 2)),
        ('<testcase name="a"/><testcase name="b"><failure/></testcase>', Outcome("mismatch", 1, 2)),
        ('<testcase name="a"><error/></testcase>', Outcome("mismatch", 1, 1)),
        ('<testcase name="a"><skipped/></testcase>', Outcome("no_result", 0, 0)),
        ("", Outcome("no_result", 0, 0)),
    ],
)
def test_cocotb_results(cases: str, outcome: Outcome) -> None:
    assert judge_cocotb(XML.format(cases), finished("")) == outcome


def test_cocotb_without_results_never_passes() -> None:
    assert judge_cocotb(None, finished("")).status == "no_result"
    assert judge_cocotb("<torn", finished("", returncode=1)).status == "runtime_error"
    assert judge_cocotb(XML.format('<testcase name="a"/>'), finished("", reason="wall_timeout")).status == "timeout"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("3 failures\n", "mismatch"),
        ("nothing to say\n", "no_result"),
        ("Your Design Passed\n0 failures\n", "pass"),  # the pass line wins
        ("Your Design Passed\n3 failures\nidle\n", "mismatch"),
    ],
)
def test_a_fail_line_tells_a_mismatch_from_a_test_without_a_result(text: str, status: str) -> None:
    rule = LINE.model_copy(update={"fail_pattern": r"\bfailures\b"})
    assert judge(rule, finished(text), idle_line="idle").status == status


def test_a_broken_fail_pattern_is_named() -> None:
    with pytest.raises(InputError, match="not a regular expression"):
        judge(LINE.model_copy(update={"fail_pattern": "("}), finished(""))
