"""Which inputs of a design are clocks and resets, by what they are called and by how designs use them.

Reads RTL text; writes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from autovcoder.records import Port
from hdl_sim.tokens import Token, tokens

_RESET_NAME = re.compile(
    r"(?:[a-z0-9]+_)*(?:a|s|n|p|h|an|sys|por|async|sync)?(?:rst|reset|clr|clear)(?:_?(?:n|b|l|i|in|ni|bi))?|init",
    re.IGNORECASE,
)
_CLOCK_NAME = re.compile(
    r"(?:[a-z0-9_]*(?:clk|clock)|(?:[a-z0-9]+_)?s?ck)(?:_?(?:in|i|[a-d]|\d+|wr|rd|w|r|rx|tx|src|dst))?", re.IGNORECASE
)
_LOW_NAME = re.compile(r".*(?:rst|reset|clr|clear)_?[nbl](?:_?i)?|(?:.*_)?n_?(?:rst|reset|clr|clear)", re.IGNORECASE)
_EDGES = ("posedge", "negedge")


@dataclass(frozen=True, slots=True)
class Roles:
    """What some inputs of a design are for.

    Attributes:
        clocks: names, the main one first.
        resets: name to the level at which it resets.
    """

    clocks: tuple[str, ...] = ()
    resets: Mapping[str, int] = field(default_factory=dict)


def roles(inputs: Sequence[Port], designs: Sequence[str]) -> Roles:
    """The roles of ``inputs``, all of one bit, as most of ``designs`` use them.

    A clock is named as one, or is what alone makes some block of most designs act at an edge. A reset is named as one;
    its level is what most designs test it for, and otherwise what its name says.
    """
    bits = {port.name for port in inputs if port.width == 1}
    clocking: Counter[str] = Counter()
    levels: dict[str, Counter[int]] = {}
    for design in designs:
        seen = list(tokens(design))
        clocking.update(_clocks_in(seen) & bits)
        for name, level in _tested_levels(seen):
            levels.setdefault(name, Counter())[level] += 1
    named = {port.name: reset_level(port.name) for port in inputs if port.name in bits}
    resets = {
        name: _most_say(levels.get(name), by_name)
        for name, by_name in named.items()
        if by_name is not None and clocking[name] * 2 <= len(designs)
    }
    found = [
        port.name
        for port in inputs
        if port.name in bits
        and port.name not in resets
        and (_CLOCK_NAME.fullmatch(port.name) or clocking[port.name] * 2 > len(designs))
    ]
    return Roles(tuple(sorted(found, key=lambda name: -clocking[name])), resets)


def edges(design: str) -> list[tuple[str, str]]:
    """Each ``posedge`` and ``negedge`` of a text with the name behind it, in their order."""
    return [edge for events in _event_lists(list(tokens(design))) for edge in events]


def reset_level(name: str) -> int | None:
    """The level at which an input of this name resets, 0 or 1; None where it is not named as a reset."""
    if not _RESET_NAME.fullmatch(name):
        return None
    return 0 if _LOW_NAME.fullmatch(name) else 1


def _most_say(votes: Counter[int] | None, by_name: int) -> int:
    """The level that most designs test for; where they are of two minds, or none says anything, that of the name."""
    if votes is None or votes[0] == votes[1]:
        return by_name
    return int(votes[1] > votes[0])


def _clocks_in(seen: Sequence[Token]) -> set[str]:
    """What each block that acts at edges acts at: the one name there is, or the first that is no reset's."""
    found = set()
    for events in _event_lists(seen):
        plain = [name for _, name in events if len(events) == 1 or reset_level(name) is None]
        found.update(plain[:1])
    return found


def _event_lists(seen: Sequence[Token]) -> Iterator[list[tuple[str, str]]]:
    """Each ``posedge`` and ``negedge`` with the name behind it, in each list of events that has one."""
    events: list[tuple[str, str]] = []
    for before, token in pairwise(seen):
        if before.text == "@" and events:
            yield events
            events = []
        if before.kind == "word" and before.text in _EDGES and token.kind == "word":
            events.append((before.text, token.text))
    if events:
        yield events


def _tested_levels(seen: Sequence[Token]) -> Iterator[tuple[str, int]]:
    """The level at which an ``if`` tests a name: 1 for ``if (name)``, 0 for ``if (!name)`` and ``negedge name``."""
    texts = [token.text for token in seen]
    for place, text in enumerate(texts):
        if text == "negedge" and place + 1 < len(texts):
            yield texts[place + 1], 0
        elif text == "if" and texts[place + 1 : place + 2] == ["("]:
            inverted = texts[place + 2 : place + 3] in (["!"], ["~"])
            rest = texts[place + 2 + inverted : place + 10]
            if rest:
                low = inverted or "".join(rest[1:]).startswith(("==0)", "==1'b0)"))
                yield rest[0], int(not low)
