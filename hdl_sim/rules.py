"""Reads the outcome of a simulation from what it printed and how it ended.

Reads a finished run of a simulator; writes nothing. What no rule recognises is ``no_result``, never a pass.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from autovcoder.errors import InputError
from autovcoder.records import PassRule, Status
from hdl_sim.sandbox import Finished

# A line that says "passed" in a testbench of VerilogEval (v1, v2) or of RTLLM. Others need a rule with a pattern.
RTLLM_SUCCESS_LINE = r"^\s*=*\s*Your Design Passed\s*=*\s*$"
RECOGNISED_PASS_LINES = (r"^\s*Mismatches: 0 in [1-9]\d* samples\s*$", RTLLM_SUCCESS_LINE)
_MISMATCHES = re.compile(r"^\s*Mismatches: (\d{1,18}) in (\d{1,18}) samples\s*$", re.MULTILINE)
# As VerilogEval v1's evaluator has it, which does not ask for a line of its own.
_OFFICIAL = re.compile(r"Mismatches: ([0-9]{1,18}) in ([0-9]{1,18}) samples")
# How the simulator prints $error and $fatal; a testbench that displays such a line itself means the same.
_SEVERE = re.compile(r"^(?:ERROR|FATAL): (\S+):\d+:", re.MULTILINE)


class Outcome(NamedTuple):
    """What a run says about the design; the counts only where the testbench prints them."""

    status: Status
    mismatches: int | None = None
    samples: int | None = None


def judge(
    rule: PassRule, finished: Finished, *, idle_line: str = "", bench_files: Collection[str] = (), nonce: str = ""
) -> Outcome:
    """Decide a run of a Verilog testbench (not of cocotb: `judge_cocotb`).

    Args:
        idle_line: printed, on a line of its own, by a run that no ``$finish`` had ended when nothing was left to do.
        bench_files: names of the testbench's files, to tell its ``$error`` from other lines that look like one.
        nonce: the run's secret; where the rule has one, only lines behind it count, and they must be one alone.

    Limits: the candidate must be unable to print or to end the simulation (`forbidden.py` sees to that), since what
    it printed could not be told from what the testbench printed.

    Raises:
        InputError: the rule's pattern is not a regular expression.
    """
    if finished.reason in ("wall_timeout", "cpu_timeout"):
        return Outcome("timeout")
    if finished.reason != "exited":
        return Outcome("runtime_error")
    if rule.secret:
        finished = _behind_secret(finished, nonce, idle_line)
    if rule.kind == "mismatch_count":
        return _judge_count(rule, finished)
    if rule.kind == "quiet_mismatch_count":
        return _judge_quiet(finished)
    return _judge_line(rule, finished, idle_line, bench_files)


def _behind_secret(finished: Finished, nonce: str, idle_line: str) -> Finished:
    """The run as if it had printed only what it printed behind its secret, and our own line."""
    lines = [line for line in finished.stdout.splitlines() if line == idle_line or _SEVERE.match(line)]
    secret = behind_secret(finished.stdout, nonce) if nonce else ""
    return replace(finished, stdout="".join(f"{line}\n" for line in lines) + secret)


def behind_secret(text: str, nonce: str) -> str:
    """What is printed on whole lines that begin with the run's secret and a space, without these."""
    return "".join(f"{line[len(nonce) + 1 :]}\n" for line in text.splitlines() if line.startswith(f"{nonce} "))


def _judge_count(rule: PassRule, finished: Finished) -> Outcome:
    found = _MISMATCHES.findall(finished.stdout)
    if len(found) != 1:
        return Outcome("no_result" if finished.returncode == 0 else "runtime_error")
    mismatches, samples = map(int, found[0])
    if samples == 0 or (rule.expected_samples is not None and samples != rule.expected_samples):
        # Whatever the count says, this was not the whole test.
        return Outcome("mismatch" if mismatches else "no_result", mismatches, samples)
    return Outcome("pass" if mismatches == 0 else "mismatch", mismatches, samples)


def _judge_quiet(finished: Finished) -> Outcome:
    """VerilogEval v1's ``execution.py``: any text on standard error fails, whatever the count is."""
    found = _OFFICIAL.search(finished.stdout)
    if finished.stderr:
        return Outcome("runtime_error")
    if found is None:
        return Outcome("no_result")
    mismatches, samples = map(int, found.groups())
    return Outcome("pass" if mismatches == 0 else "mismatch", mismatches, samples)


def _judge_line(rule: PassRule, finished: Finished, idle_line: str, bench_files: Collection[str]) -> Outcome:
    text = finished.stdout
    counts = _MISMATCHES.findall(text)
    mismatches, samples = map(int, counts[0]) if len(counts) == 1 else (None, None)
    # A header's place is "./name".
    severe = any(
        not bench_files or file.rpartition("/")[2] in bench_files
        for file in _SEVERE.findall(text + "\n" + finished.stderr)
    )
    if severe or mismatches:
        return Outcome("mismatch", mismatches, samples)
    if finished.returncode != 0:
        # $stop, which is not an end by $finish, or an error of the simulator at run time.
        return Outcome("no_result" if not finished.stderr.strip() else "runtime_error", mismatches, samples)
    ended_by_itself = not (idle_line and idle_line in text.splitlines())
    passed = ended_by_itself and _count_lines([rule.pattern] if rule.pattern else RECOGNISED_PASS_LINES, text) == 1
    failed = not passed and rule.fail_pattern is not None and _count_lines([rule.fail_pattern], text) > 0
    return Outcome("pass" if passed else "mismatch" if failed else "no_result", mismatches, samples)


def _count_lines(patterns: Sequence[str], text: str) -> int:
    """How many lines match any of the patterns."""
    try:
        compiled = [re.compile(pattern) for pattern in patterns]
    except re.error as error:
        raise InputError("the pass line is not a regular expression", where=patterns[0], fix=str(error)) from None
    return sum(any(pattern.search(line) for pattern in compiled) for line in text.splitlines())


def judge_cocotb(results_xml: str | None, finished: Finished) -> Outcome:
    """Decide a cocotb run from its results file alone: a pass is at least one test and no failure.

    ``mismatches`` of ``samples`` are failed tests of all that ran.
    """
    if finished.reason in ("wall_timeout", "cpu_timeout"):
        return Outcome("timeout")
    if finished.reason != "exited":
        return Outcome("runtime_error")
    try:
        # The tests can have written anything; cocotb itself declares no entity.
        plain = results_xml if results_xml and "<!" not in results_xml else None
        root = ET.fromstring(plain) if plain else None  # noqa: S314
    except ET.ParseError:
        root = None
    if root is None:
        return Outcome("runtime_error" if finished.returncode else "no_result")
    cases = [case for case in root.iter("testcase") if case.find("skipped") is None]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    if not cases:
        return Outcome("no_result", 0, 0)
    return Outcome("mismatch" if failed else "pass", failed, len(cases))
