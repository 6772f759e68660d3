"""Puts the outcome of a generation into words for a person and into JSON for a script.

Reads a `Result`; writes lines to stderr. What the specification did not state is 'not stated', never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from autovcoder.cli.report_errors import say
from autovcoder.records import Context, Diagnostic, Language, Verdict

if TYPE_CHECKING:
    from autovcoder.candidates import Candidate
    from autovcoder.generate import Result
    from hdl_sim.consensus import Difference, Group

_MOST_DIAGNOSTICS = 10
_LONGEST_ANSWER = 600


def report(result: Result, language: Language | None, seconds: dict[str, float]) -> None:
    """Say on stderr what the chosen design was checked against."""
    chosen = result.chosen
    if len(result.candidates) > 1:
        say(_all_candidates(result))
        say(_choice(result))
    if chosen.told is not None:
        say(f"repaired by the model: it was told {chosen.told}")
    if chosen.mended is not None:
        say(f"mended by rule: {'; '.join(chosen.mended.changes)}")
        for line in chosen.mended.diff.splitlines():
            say(f"  {line}")
    if chosen.code is None:
        say("compiles: no (there is no Verilog in the answer)")
        if chosen.raw.strip():
            say(f"the answer begins: {chosen.raw.strip()[:_LONGEST_ANSWER]}")
    else:
        _report_code(chosen, language)
    if not chosen.complete:
        say("answer: not complete (cut off at --max-new-tokens, or ended early)")
    parts = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    say(f"seconds: {sum(seconds.values()):.2f} ({parts})")


def explain(result: Result) -> None:
    """Say on stderr how the candidates differ: which agree, what speaks against others, and where they first differ."""
    selection = result.selection
    if selection is None:
        say("nothing to explain: there was one candidate, or the first good one was taken")
        return
    tried, met = selection.examples
    if tried:
        say(f"examples in the specification: {met} of {tried} met by the chosen one")
    for group in selection.groups:
        _explain(group)
    for reason in dict.fromkeys(selection.not_driven.values()):
        say(
            f"not driven: {_numbers([index for index, why in selection.not_driven.items() if why == reason])}: {reason}"
        )
    left = [index for index, one in enumerate(result.candidates) if not one.accepted]
    if left:
        say(f"not accepted: {_numbers(left)}")


def _explain(group: Group) -> None:
    say(f"{'agree' if group.difference is None else 'differ'}: {_numbers(group.members)}")
    for reason in group.against:
        say(f"  set aside: {reason}")
    if group.difference is not None:
        say(f"  first at step {group.difference.step}: {_difference(group.difference)}")


def _difference(one: Difference) -> str:
    inputs = " ".join(f"{name}={value}" for name, value in one.inputs.items())
    outputs = ", ".join(f"{name} is {other}, chosen {one.chosen[name]}" for name, other in one.other.items())
    return f"{inputs or 'no inputs'}: {outputs}"


def _numbers(indices: Sequence[int]) -> str:
    return "number " * (len(indices) == 1) + ", ".join(str(index + 1) for index in indices)


def report_context(context: Context, whole: bool) -> None:
    """Say on stderr what was put before the specification; with ``whole`` its text too, and what was left out."""
    say(f"context: {len(context.shown)} entries, {context.tokens} tokens")
    for hit in context.shown:
        say(f"  {hit.title} [{hit.doc_id}, {hit.score:.2f}, {hit.source}]")
        for line in hit.text.splitlines() if whole else ():
            say(f"    {line}")
    for item in context.left_out if whole else ():
        say(f"  left out: {item.hit.title} [{item.hit.doc_id}]: {item.reason}")


def as_document(result: Result, seconds: dict[str, float]) -> dict[str, Any]:
    """The result as JSON-like data: what was chosen first, then every candidate with its checks."""
    document: dict[str, Any] = to_jsonable_python(result)
    return {"accepted": result.accepted, "code": result.code, **document, "seconds": seconds}


def _report_code(chosen: Candidate, language: Language | None) -> None:
    if chosen.compiles:
        say(f"compiles: yes ({chosen.compiled.simulator})")
    else:
        say(f"compiles: no ({_words(chosen.compiled.status)}; {chosen.compiled.simulator})")
        _say_diagnostics(chosen.compiled.diagnostics)
    agreement = chosen.agreement
    for title, found in (("module name", agreement.name), ("ports", agreement.ports), ("header", agreement.header)):
        say(f"{title}: {found}")
    if chosen.language is not None:
        say(f"language: {'no' if chosen.language else 'yes'} ({language})")
        _say_diagnostics(chosen.language)
    if chosen.bench is not None:
        say(f"testbench: {_outcome(chosen.bench)}")
        if not chosen.bench.passed:
            _say_diagnostics(chosen.bench.diagnostics)
            for line in chosen.bench.log_tail.splitlines()[-_MOST_DIAGNOSTICS:]:
                say(f"  {line}")


def _all_candidates(result: Result) -> str:
    every = result.candidates
    line = f"candidates: {len(every)}, of which {sum(c.compiles for c in every)} compile"
    if any(c.bench is not None for c in every):
        line += f" and {sum(c.bench is not None and c.bench.passed for c in every)} pass the testbench"
    return f"{line}; number {result.best + 1} is printed"


def _choice(result: Result) -> str:
    selection = result.selection
    if selection is None or selection.best is None:
        return "choice: the first of the best, not by consensus"
    sure = "" if selection.confidence is None else f" (confidence {selection.confidence:.2f})"
    unsure = "; that is less than was asked for" if result.unsure else ""
    return f"choice: {selection.agreeing} of {selection.of} do the same{sure}{unsure}"


def _outcome(verdict: Verdict) -> str:
    if verdict.mismatches is not None and verdict.samples is not None:
        return f"{_words(verdict.status)} ({verdict.mismatches} mismatches in {verdict.samples} samples)"
    return _words(verdict.status)


def _words(status: str) -> str:
    return status.replace("_", " ")


def _say_diagnostics(found: tuple[Diagnostic, ...]) -> None:
    for item in found[:_MOST_DIAGNOSTICS]:
        place = f"line {item.line}: " if item.line else ""
        say(f"  {place}{item.severity}: {item.message}")
    if len(found) > _MOST_DIAGNOSTICS:
        say(f"  and {len(found) - _MOST_DIAGNOSTICS} more")
