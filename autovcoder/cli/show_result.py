"""Puts the outcome of a generation into words for a person and into JSON for a script.

Reads a `Result`; writes lines to stderr. What the specification did not state is 'not stated', never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from autovcoder import __version__
from autovcoder.cli.report_errors import say
from autovcoder.records import Context, Diagnostic, Language, Verdict

if TYPE_CHECKING:
    from autovcoder.candidates import Candidate
    from autovcoder.generate import Result
    from hdl_sim.consensus import Difference, Group
    from hdl_sim.lint import Lint

_MOST_DIAGNOSTICS = 10
_MOST_FINDINGS = 30
_LONGEST_ANSWER = 600


def report(result: Result, language: Language | None, seconds: dict[str, float]) -> None:
    """Say on stderr what the chosen design was checked against."""
    chosen = result.chosen
    if len(result.candidates) > 1:
        say(_all_candidates(result))
        say(_choice(result))
    if chosen.told is not None:
        say(f"repaired by the model: it was told {chosen.told}")
        for line in chosen.told_lines:
            say(f"  {line}")
    elif tried := sum(one.told is not None for one in result.candidates):
        say(f"repaired answers: {tried}, none of them better")
    for note in result.notes:
        say(note)
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


def report_lint(found: Lint | None) -> None:
    """Say on stderr what a linter would, each with its line and code."""
    if found is None:
        say("lint: not done, for the design does not compile")
        return
    missing = f" (no synthesis: {found.without})" if found.without else ""
    say(f"lint: {len(found.findings) or 'no'} finding{'s' * (len(found.findings) != 1)}{missing}")
    for item in found.findings[:_MOST_FINDINGS]:
        place = f"line {item.line}: " if item.line else ""
        say(f"  {place}{item.message} [{item.code}]")
    if len(found.findings) > _MOST_FINDINGS:
        say(f"  and {len(found.findings) - _MOST_FINDINGS} more")


def as_document(result: Result, seconds: dict[str, float], lint: Lint | None = None) -> dict[str, Any]:
    """The result as JSON-like data: what was chosen and why first, then what it was made from, in a fixed order.

    docs/generate.md describes every key.
    """
    whole: dict[str, Any] = to_jsonable_python(result)
    chosen = result.chosen
    mended = None if chosen.mended is None else to_jsonable_python(chosen.mended, exclude={"code"})
    return {
        "accepted": result.accepted,
        "code": result.code,
        "verdicts": _verdicts(chosen),
        "selection": whole["selection"],
        "unsure": result.unsure,
        "mended": mended,
        "repairs": [
            {"candidate": index, "answers_to": one.answers_to, "told": one.told, "lines": list(one.told_lines)}
            for index, one in enumerate(result.candidates)
            if one.told is not None
        ],
        "notes": list(result.notes),
        "context_ids": list(result.context.ids),
        "lint": None if lint is None else to_jsonable_python(lint),
        "seconds": seconds,
        "seed": result.sampling.seed,
        "model": result.model,
        "versions": {"autovcoder": __version__, "simulator": chosen.compiled.simulator},
        **{key: whole[key] for key in ("spec", "header", "sampling", "effort", "context", "best", "candidates")},
    }


def _verdicts(chosen: Candidate) -> dict[str, str | bool | None]:
    agreement = chosen.agreement
    language = None if chosen.language is None else "no" if chosen.language else "yes"
    return {
        "compiles": chosen.compiled.status,
        "module_name": agreement.name.value,
        "ports": agreement.ports.value,
        "header": agreement.header.value,
        "language": language,
        "testbench": None if chosen.bench is None else chosen.bench.status,
        "cocotb": None if chosen.cocotb is None else chosen.cocotb.status,
        "complete": chosen.complete,
    }


def _report_code(chosen: Candidate, language: Language | None) -> None:
    from autovcoder.candidates import cocotb_says

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
        _report_bench("testbench", chosen.bench, chosen.bench.log_tail.splitlines())
    if chosen.cocotb is not None:
        _report_bench("cocotb", chosen.cocotb, cocotb_says(chosen.cocotb))


def _report_bench(title: str, verdict: Verdict, log: Sequence[str]) -> None:
    say(f"{title}: {_outcome(verdict, 'failures', 'tests') if title == 'cocotb' else _outcome(verdict)}")
    if not verdict.passed:
        _say_diagnostics(verdict.diagnostics)
        for line in log[-_MOST_DIAGNOSTICS:]:
            say(f"  {line}")


def _all_candidates(result: Result) -> str:
    every = result.candidates
    line = f"candidates: {len(every)}, of which {sum(c.compiles for c in every)} compile"
    if any(c.tested for c in every):
        passing = sum(bool(c.tested) and all(verdict.passed for verdict in c.tested) for c in every)
        line += f" and {passing} pass the testbench{'es' * (max(len(c.tested) for c in every) > 1)}"
    return f"{line}; number {result.best + 1} is printed"


def _choice(result: Result) -> str:
    selection = result.selection
    if selection is None or selection.best is None:
        return "choice: the first of the best, not by consensus"
    sure = "" if selection.confidence is None else f" (confidence {selection.confidence:.2f})"
    unsure = "; that is less than was asked for" if result.unsure else ""
    return f"choice: {selection.agreeing} of {selection.of} do the same{sure}{unsure}"


def _outcome(verdict: Verdict, wrong: str = "mismatches", tried: str = "samples") -> str:
    if verdict.mismatches is not None and verdict.samples is not None:
        return f"{_words(verdict.status)} ({verdict.mismatches} {wrong} in {verdict.samples} {tried})"
    return _words(verdict.status)


def _words(status: str) -> str:
    return status.replace("_", " ")


def _say_diagnostics(found: tuple[Diagnostic, ...]) -> None:
    for item in found[:_MOST_DIAGNOSTICS]:
        place = f"line {item.line}: " if item.line else ""
        say(f"  {place}{item.severity}: {item.message}")
    if len(found) > _MOST_DIAGNOSTICS:
        say(f"  and {len(found) - _MOST_DIAGNOSTICS} more")
