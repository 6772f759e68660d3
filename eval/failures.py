"""Sorts failures into classes that a person can act on: same status, same kind of cause.

Reads verdicts; writes nothing.
"""

from __future__ import annotations

import re

from autovcoder.records import Verdict

# Names and numbers make the same message look different: `q', 'q', "q", 8'hff, 12.
_NAMES = re.compile(r"[`'\"][^`'\"\n]{1,200}['\"]+")
_NUMBERS = re.compile(r"\b\d+\s*'[sS]?[bodhBODH][\w?]+|\b\d[\w.]*")
_LONGEST = 100  # characters


def failure_class(verdict: Verdict) -> str:
    """A short name for why an answer failed; empty for one that passed.

    Compiler messages count with their names and numbers left out, mismatches by the share of samples that differ.
    """
    if verdict.passed:
        return ""
    if verdict.status == "mismatch":
        return _share(verdict)
    error = next((item for item in verdict.diagnostics if item.severity == "error"), None)
    if error is not None:
        message = _NAMES.sub("'...'", _NUMBERS.sub("N", error.message)).strip()
        return message[:_LONGEST] + ("..." if len(message) > _LONGEST else "")
    if verdict.status == "no_code":
        return "no Verilog in the answer"
    if verdict.status == "timeout":
        return "simulation takes too long" if verdict.stage == "simulate" else "compilation takes too long"
    return "the bench came to no result" if verdict.status == "no_result" else "ended by an error"


def _share(verdict: Verdict) -> str:
    if not verdict.samples or verdict.mismatches is None:
        return "wrong output"
    share = verdict.mismatches / verdict.samples
    if share >= 1:
        return "wrong in every sample"
    for low, high in ((50, 100), (10, 50), (1, 10)):
        if share >= low / 100:
            return f"wrong in {low} to {high}% of the samples"
    return "wrong in less than 1% of the samples"
