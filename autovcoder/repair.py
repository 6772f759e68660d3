"""Puts what is wrong with a design back to the model: what the compiler says, or what the user's testbench says.

Reads a candidate and its verdicts; writes the prompt. Two ways that must not be mixed up: the first needs no testbench.
"""

from __future__ import annotations

from collections.abc import Sequence

from autovcoder.candidates import Candidate, cocotb_says
from autovcoder.prompt import repair_text
from autovcoder.records import Diagnostic, Language

COMPILER, TESTBENCH = "what the compiler says", "what the user's testbench says"
_MOST, _LOG_LINES = 5, 12


def why_not(candidate: Candidate) -> tuple[str, list[str]]:
    """What is wrong with a candidate that is not accepted: which of the two ways, and the lines to show."""
    if not candidate.compiles:
        return COMPILER, _lines(candidate.compiled.diagnostics) or ["there is no complete module"]
    if not candidate.agrees:
        agreement = candidate.agreement
        wrong = [part.which for part in (agreement.name, agreement.ports, agreement.header) if part.value == "no"]
        return COMPILER, list(dict.fromkeys(wrong)) + _lines(candidate.language or ())
    failed = next((verdict for verdict in candidate.tested if not verdict.passed), None)
    if failed is None:
        return COMPILER, []
    said = cocotb_says(failed) if failed is candidate.cocotb else failed.log_tail.strip().splitlines()
    return TESTBENCH, [
        f"simulation: {failed.status.replace('_', ' ')}",
        *_lines(failed.diagnostics),
        *said[-_LOG_LINES:],
    ]


def prompt_for(candidate: Candidate, spec: str, header: str | None, language: Language | None) -> str:
    """The prompt that asks the model to mend a candidate; the handbook's entry for a message goes with it."""
    _, lines = why_not(candidate)
    return repair_text(spec, candidate.code or candidate.raw, lines, header, language=language, notes=_notes(candidate))


def _lines(found: Sequence[Diagnostic]) -> list[str]:
    return [f"line {one.line}: {one.message}" if one.line else one.message for one in found[:_MOST]]


def _notes(candidate: Candidate) -> list[str]:
    from rag.messages import entry_for

    entries = [entry_for(one.message) for one in candidate.compiled.diagnostics[:_MOST]]
    return list(dict.fromkeys(entry.text for entry in entries if entry))[:1]
