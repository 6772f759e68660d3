"""Slips: the small mistakes that unfiltered RTL holds, put into good RTL.

A base model is pretrained on RTL as it is found, not on RTL that someone checked; this makes such RTL from ours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_EXCHANGES = (
    (" <= ", " = "),
    (" = ", " <= "),
    ("posedge", "negedge"),
    ("negedge", "posedge"),
    (" + ", " - "),
    (" & ", " | "),
    (" | ", " ^ "),
    ("if (!", "if ("),
    (" == ", " = "),
    ("output reg ", "output "),
    ("begin", ""),
    ("endcase", "end"),
    ("endmodule", ""),
    (";", ""),
    (",\n", "\n"),
    ("<<", ">>"),
)


def slip(code: str, rng: random.Random) -> str:
    """``code`` with one mistake. The result may by chance still be right, as careless code may be."""
    changed = code
    while changed == code:
        changed = _one_slip(code, rng)
    return changed


def _one_slip(code: str, rng: random.Random) -> str:
    """An exchange of tokens at one place, a width or constant off by one, or a line lost; or no change."""
    kind = rng.random()
    if kind < 0.2:
        return _replace_one(r"\[(\d+):0\]", lambda m: f"[{int(m[1]) + rng.choice((-1, 1))}:0]", code, rng)
    if kind < 0.3:
        return _replace_one(r"'d(\d+)", lambda m: f"'d{int(m[1]) + 1}", code, rng)
    if kind < 0.4:
        lines = code.splitlines(keepends=True)
        del lines[rng.randrange(1, len(lines))]
        return "".join(lines)
    usable = [pair for pair in _EXCHANGES if pair[0] in code]
    old, new = rng.choice(usable)
    return _replace_one(re.escape(old), lambda _: new, code, rng)


def _replace_one(pattern: str, new: Callable[[re.Match[str]], str], code: str, rng: random.Random) -> str:
    found = list(re.finditer(pattern, code))
    if not found:
        return code
    match = rng.choice(found)
    return code[: match.start()] + new(match) + code[match.end() :]
