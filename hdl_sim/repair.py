"""Mends the commonest slips of RTL that does not compile, or lacks the name and ports that are asked for, by rule.

Reads a design's text and what is stated of its interface; writes nothing. No model is asked. A rule (`slips.py`)
answers to one diagnostic and changes as little as it can; a change stays only if what the front ends complain of
becomes less or moves on, and what comes of it is returned only if it compiles and has the interface. What compiles and
has it already is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

from autovcoder.records import Diagnostic, Record
from hdl_sim.finding import Finding
from hdl_sim.simulator import Simulator
from hdl_sim.slang import read_source
from hdl_sim.slips import SLIPS
from hdl_sim.statement import Stated, compare

_MOST_CHANGES = 60


class Repaired(Record):
    """A mended design.

    Attributes:
        changes: what was changed, in words and in order. ``diff``: the same as a unified diff without file names.
    """

    code: str
    changes: tuple[str, ...]
    diff: str


def repair(code: str, stated: Stated, simulator: Simulator) -> Repaired | None:
    """The design, mended; None where it needs no mending or no rule mends it.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    faults = _faults(code, stated, simulator)
    if not faults:
        return None
    text = code
    changes: list[str] = []
    while faults and len(changes) < _MOST_CHANGES:
        found = _next(text, faults, stated, simulator)
        if found is None:
            return None
        text, change, faults = found
        changes.append(change)
    if faults:
        return None
    return Repaired(code=text, changes=tuple(dict.fromkeys(changes)), diff=_diff(code, text))


def _next(
    text: str, faults: Sequence[Diagnostic], stated: Stated, simulator: Simulator
) -> tuple[str, str, Sequence[Diagnostic]] | None:
    """The text after the first change that helps, what it was, and what is left to complain of."""
    finding = Finding(text, faults, stated)
    for slip in SLIPS:
        proposals = [
            (changed, change, _faults(changed, stated, simulator))
            for changed, change in slip(finding)
            if changed != text
        ]
        helpful = [proposal for proposal in proposals if _better(proposal[2], faults)]
        if helpful:
            return min(helpful, key=lambda proposal: len(proposal[2]))
    return None


def _better(new: Sequence[Diagnostic], old: Sequence[Diagnostic]) -> bool:
    """Fewer complaints; or, since a front end stops where it cannot go on, the first one further down or another."""
    if len(new) < len(old):
        return True
    first, before = new[0], old[0]
    return (first.line or 0) > (before.line or 0) or (first.code, first.message) != (before.code, before.message)


def _faults(code: str, stated: Stated, simulator: Simulator) -> Sequence[Diagnostic]:
    """What keeps the design from being used: form, meaning, or the interface. Icarus decides, slang tells more."""
    source = read_source(code)
    if source.syntax_errors or source.refused:
        return source.syntax_errors or source.errors
    verdict = simulator.compile_only(code)
    if not verdict.passed:
        if source.errors:
            return source.errors
        errors = tuple(d for d in verdict.diagnostics if d.severity == "error")
        return errors or (Diagnostic(severity="error", message=verdict.log_tail or verdict.status),)
    agreement = compare(stated, source)
    if agreement.agrees:
        return ()
    said = [answer.which for answer in (agreement.name, agreement.ports, agreement.header) if answer.value == "no"]
    return tuple(Diagnostic(severity="error", message=which, code="Interface") for which in said)


def _diff(old: str, new: str) -> str:
    lines = list(unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm=""))[2:]  # without file names
    return "".join(f"{line}\n" for line in lines)
