"""Mends the commonest slips of RTL that does not compile, or lacks the name and ports that are asked for, by rule.

Reads a design's text and what is stated of its interface; writes nothing. No model is asked. A rule (`slips.py`)
answers to one diagnostic and changes as little as it can; a change stays only if what the front ends complain of
becomes less or moves on, and what comes of it is returned only if it compiles and has the interface. What compiles and
has it already is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from itertools import islice

from autovcoder.records import Diagnostic, Record
from hdl_sim.finding import Finding
from hdl_sim.limits import Limits
from hdl_sim.simulator import CRASH, Simulator
from hdl_sim.slang import read_source
from hdl_sim.slips import SLIPS
from hdl_sim.statement import Stated, compare

_MOST_CHANGES, _MOST_TRIES, _MOST_PROPOSALS = 40, 150, 8  # in all, in all, and of one rule at one time
_LONGEST = 32_000  # characters: what is longer is no answer with a slip in it
_MORE = 20  # faults that may come to light when the first one is gone
# A design that is to be mended is not worth more.
_LIMITS = Limits(wall_s=60.0, cpu_s=5)


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
    if len(code) > _LONGEST:
        return None
    work = _Work(stated, simulator)
    faults = work.faults(code)
    text = code
    changes: list[str] = []
    if not faults or any(fault.code == CRASH for fault in faults):
        return None
    while faults and len(changes) < _MOST_CHANGES:
        found = work.next(text, faults)
        if found is None:
            return None
        text, change, faults = found
        changes.append(change)
    if faults:
        return None
    return Repaired(code=text, changes=tuple(dict.fromkeys(changes)), diff=_diff(code, text))


class _Work:
    """Tries changes, none of them twice and not too many."""

    def __init__(self, stated: Stated, simulator: Simulator) -> None:
        self._stated, self._simulator = stated, simulator
        self._seen: set[str] = set()

    def next(self, text: str, faults: Sequence[Diagnostic]) -> tuple[str, str, Sequence[Diagnostic]] | None:
        """The text after the first change that helps, what it was, and what is left to complain of."""
        self._seen.add(text)
        finding = Finding(text, faults, self._stated)
        for slip in SLIPS:
            helpful = []
            for changed, change in islice(slip(finding), _MOST_PROPOSALS):
                if changed in self._seen or len(self._seen) >= _MOST_TRIES:
                    continue
                self._seen.add(changed)
                left = self.faults(changed)
                if _better(left, faults):
                    helpful.append((changed, change, left))
            if helpful:
                return min(helpful, key=lambda proposal: len(proposal[2]))
        return None

    def faults(self, code: str) -> Sequence[Diagnostic]:
        """What keeps the design from being used: form, meaning, or the interface. Icarus decides, slang tells more."""
        verdict = self._simulator.compile_only(code, _LIMITS)
        if any(diagnostic.code == CRASH for diagnostic in verdict.diagnostics):
            return verdict.diagnostics
        source = read_source(code)
        if not verdict.passed:
            if source.errors:
                return source.syntax_errors or source.errors
            errors = tuple(d for d in verdict.diagnostics if d.severity == "error")
            return errors or (Diagnostic(severity="error", message=verdict.log_tail or verdict.status),)
        agreement = compare(self._stated, source)
        if agreement.agrees:
            return ()
        said = [answer.which for answer in (agreement.name, agreement.ports, agreement.header) if answer.value == "no"]
        return tuple(Diagnostic(severity="error", message=which, code="Interface") for which in said)


def _better(new: Sequence[Diagnostic], old: Sequence[Diagnostic]) -> bool:
    """Fewer complaints; or, since a front end stops where it cannot go on, the first one further down or another."""
    if len(new) < len(old):
        return True
    first, before = new[0], old[0]
    moved = (first.line or 0) > (before.line or 0) or (first.code, first.message) != (before.code, before.message)
    return moved and len(new) <= len(old) + _MORE


def _diff(old: str, new: str) -> str:
    lines = list(unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm=""))[2:]  # without file names
    return "".join(f"{line}\n" for line in lines)
