"""What a specification says of a design's clock and reset, and whether code does otherwise.

Reads a specification's text and RTL; writes nothing. Judged on the words alone: where a text says both things, it is
taken to say neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeVar

from hdl_sim.roles import Roles, edges

_RESET = r"\b(?:a?resets?(?:_?n)?|a?n?rst(?:_?n)?|clears?)\b"
# What may stand between the two: punctuation, and words that name neither another thing nor another deed.
_GLUE = (
    r"(?:[\s,:()/-]|\b(?:active|high|low|positive|negative|rising|falling|edge|triggered|sensitive|is|are|be|an?|the|its|"
    r"should|must|and|signal|input|named|called|which|that|to)\b){0,40}"
)
_SYNCHRONOUS = r"(?<!a)(?<!a-)\bsynchronous(?:ly)?\b"
_ASYNCHRONOUS = r"\ba-?synchronous(?:ly)?\b"
_CLOCK = r"\b\w{0,30}(?:clk|clock)\w{0,30}\b"


def _edge(words: str, keyword: str) -> str:
    """An edge that is said to be the clock's: other signals have edges too."""
    near = r"[^.;,\n]{0,30}"
    return (
        rf"\b(?:{words})[ -]{_CLOCK}[ -]edge|\b(?:{words})[ -]edges?\b{near}{_CLOCK}"
        rf"|\b(?:{words})[ -]edge[ -]?triggered"
        rf"|\b(?:on|at)\s+(?:the|each|every)\s+(?:{words})[ -]edge\b(?!\s+(?:of|in)\b)"
        rf"|{_CLOCK}{near}\b(?:{words})[ -]edge|\b{keyword}\s+(?:of\s+)?(?:the\s+)?{_CLOCK}"
    )


_SAID = {
    name: re.compile(form, re.IGNORECASE)
    for name, form in {
        "synchronous": rf"{_SYNCHRONOUS}{_GLUE}{_RESET}|{_RESET}{_GLUE}{_SYNCHRONOUS}",
        "asynchronous": rf"{_ASYNCHRONOUS}{_GLUE}{_RESET}|{_RESET}{_GLUE}{_ASYNCHRONOUS}",
        "negedge": _edge("negative|falling", "negedge"),
        "posedge": _edge("positive|rising", "posedge"),
    }.items()
}


Kind = TypeVar("Kind", bound=str)
_LONGEST_CLAUSE = 80
# In the same clause before it: the text says what is not.
_DENIED = re.compile(
    r"\b(?:no|not|never|without|instead\s+of|rather\s+than|neither)\b[^.,;:\n]*$|n't\b[^.,;:\n]*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Timing:
    """What is said; None where nothing is, or both, or it is denied."""

    reset: Literal["synchronous", "asynchronous"] | None = None
    edge: Literal["posedge", "negedge"] | None = None


def stated_timing(spec: str) -> Timing:
    """How a specification says that the reset acts, and at which edge of the clock the design does."""
    spoken = {name for name, form in _SAID.items() if form.search(spec)}
    said = {name for name in spoken if any(not _is_denied(spec, match) for match in _SAID[name].finditer(spec))}
    return Timing(
        reset=_the_one(("synchronous", "asynchronous"), spoken, said),
        edge=_the_one(("posedge", "negedge"), spoken, said),
    )


def _the_one(kinds: tuple[Kind, Kind], spoken: set[str], said: set[str]) -> Kind | None:
    """Of two kinds the one that is spoken of alone and said; None otherwise."""
    found = [kind for kind in kinds if kind in spoken]
    return found[0] if len(found) == 1 and found[0] in said else None


def _is_denied(spec: str, match: re.Match[str]) -> bool:
    return _DENIED.search(spec[max(0, match.start() - _LONGEST_CLAUSE) : match.start()]) is not None


def contradictions(timing: Timing, design: str, roles: Roles) -> tuple[str, ...]:
    """What of ``timing`` a design does not do, in words; nothing where it has no block that acts at the clock."""
    found = edges(design)
    clocking = {edge for edge, name in found if name in roles.clocks}
    if not clocking:
        return ()
    wrong = []
    resets = set(roles.resets)
    others = {name for name in resets if "preset" not in name.lower()}
    resets = others or resets  # where there is a reset, a preset is not what the text speaks of
    if timing.reset and resets:
        acts = "asynchronous" if any(name in resets for _, name in found) else "synchronous"
        if acts != timing.reset:
            wrong.append(f"its reset is {acts}, the specification says {timing.reset}")
    if timing.edge and clocking.isdisjoint({timing.edge}):
        wrong.append(f"it acts at no {timing.edge} of the clock, as the specification says")
    return tuple(wrong)
