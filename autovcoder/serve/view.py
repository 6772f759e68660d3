"""A result as the page shows it: what every answer came to, which of them agree, and what was retrieved.

Reads a result; writes JSON-like data whose texts are bounded and free of characters that hide or reorder others. The
page shows them as text and never as HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from autovcoder.candidates import Candidate
from autovcoder.generate import Result
from autovcoder.records import Diagnostic, Verdict
from autovcoder.repair import why_not
from autovcoder.serve.service import Made
from eval.page import clean, short
from hdl_sim.consensus import Group, Selection
from hdl_sim.tokens import plain_lines

_MOST_DIAGNOSTICS = 200


def view(made: Made) -> dict[str, Any]:
    """What the page shows; numbers of answers count from 1, the chosen one's is ``chosen``."""
    result = made.result
    selection = result.selection
    return {
        "accepted": result.accepted,
        "chosen": result.best + 1,
        "choice": _choice(result),
        "checks": [[name, clean(text)] for name, text in _checks(result)],
        "candidates": [_candidate(result, index) for index in range(len(result.candidates))],
        "groups": [_group(group) for group in selection.groups] if selection else [],
        "not_driven": _not_driven(selection) if selection else [],
        "context": [
            {
                "title": clean(hit.title),
                "id": clean(hit.doc_id),
                "score": hit.score,
                "source": clean(" ".join(part for part in (hit.source, hit.place) if part)),
                "text": short("spec", hit.text),
            }
            for hit in result.context.shown
        ],
        "left_out": [
            {"title": clean(item.hit.title), "reason": clean(item.reason)} for item in result.context.left_out
        ],
        "pictures": [picture.model_dump(mode="json") for picture in made.pictures],
        "seconds": made.seconds,
    }


def _choice(result: Result) -> str:
    selection = result.selection
    if len(result.candidates) == 1:
        return "There was one answer."
    if selection is None or selection.best is None:
        return "No answers could be compared; the first of the best is shown."
    sure = (
        ""
        if selection.confidence is None
        else f", which makes it right with a probability of about {selection.confidence:.0%}"
    )
    return f"{selection.agreeing} of {selection.of} answers do the same{sure}."


def _checks(result: Result) -> Iterable[tuple[str, str]]:
    chosen = result.chosen
    yield "compiles", f"yes ({chosen.compiled.simulator})" if chosen.compiles else f"no ({_words(chosen.compiled)})"
    if chosen.code is not None:
        agreement = chosen.agreement
        yield from (("module name", str(agreement.name)), ("ports", str(agreement.ports)))
        yield "header", str(agreement.header)
    if chosen.language is not None:
        yield "language", "no" if chosen.language else "yes"
    if chosen.bench is not None:
        yield "testbench", _words(chosen.bench)
    if result.selection and result.selection.examples[0]:
        tried, met = result.selection.examples
        yield "examples in the specification", f"{met} of {tried} met"
    if chosen.mended is not None:
        yield "mended by rule", "; ".join(chosen.mended.changes)
    if chosen.told is not None:
        yield "repaired by the model", f"it was told {chosen.told}"
    if not chosen.complete:
        yield "answer", "not complete: cut off at the longest answer, or ended early"


def _candidate(result: Result, index: int) -> dict[str, Any]:
    one = result.candidates[index]
    code = plain_lines(one.code or "")
    return {
        "number": index + 1,
        "standing": clean(_standing(result, index)),
        "status": one.bench.status if one.bench is not None else one.compiled.status,
        "word": "compiles" if one.bench is None and one.compiles else _words(one.bench or one.compiled),
        "code": short("code", code) if one.code is not None else None,
        "raw": short("raw", one.raw),
        "diagnostics": _diagnostics([*one.compiled.diagnostics, *(one.language or ())]),
        "log": short("log", one.bench.log_tail) if one.bench is not None else None,
    }


def _standing(result: Result, index: int) -> str:
    one, selection = result.candidates[index], result.selection
    if index == result.best:
        return "chosen"
    if not one.accepted:
        return f"not accepted: {_why_not(one)}"
    if selection is None:
        return "accepted"
    if index in selection.not_driven:
        return f"not compared: {selection.not_driven[index]}"
    group = next((group for group in selection.groups if index in group.members), None)
    if group is None:
        return "accepted"
    if group.against:
        return f"set aside: {'; '.join(group.against)}"
    return "does the same" if group.difference is None else "does something else"


def _why_not(one: Candidate) -> str:
    if one.code is None:
        return "there is no Verilog in the answer"
    _, lines = why_not(one)
    return lines[0] if lines else "it contradicts what is stated"


def _group(group: Group) -> dict[str, Any]:
    """A group; names are those of ports, which a design may choose."""
    found = group.difference
    return {
        "numbers": [index + 1 for index in group.members],
        "against": [clean(reason) for reason in group.against],
        "difference": None
        if found is None
        else {
            "step": found.step,
            "inputs": [[clean(name), value] for name, value in found.inputs.items()],
            "outputs": [[clean(name), found.chosen[name], value] for name, value in found.other.items()],
        },
    }


def _not_driven(selection: Selection) -> list[dict[str, Any]]:
    reasons: dict[str, list[int]] = {}
    for index, reason in selection.not_driven.items():
        reasons.setdefault(clean(reason), []).append(index + 1)
    return [{"numbers": numbers, "reason": reason} for reason, numbers in reasons.items()]


def _diagnostics(found: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    return [
        {**item.model_dump(exclude_none=True), "message": clean(item.message)} for item in found[:_MOST_DIAGNOSTICS]
    ]


def _words(verdict: Verdict) -> str:
    words = verdict.status.replace("_", " ")
    if verdict.mismatches is not None and verdict.samples is not None:
        return f"{words} ({verdict.mismatches} mismatches in {verdict.samples} samples)"
    return words
