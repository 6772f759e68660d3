"""Bounds how deep a text makes a tree, before a front end that works on our own stack walks through it.

Reads source text, or the tree of one with macros; writes nothing. Front ends bound parentheses and statements
themselves, but not ``a + a + a + ...``: each operator is one level, and a hundred thousand of them end the process.
"""

from __future__ import annotations

import re
from typing import Any

from hdl_sim.macros import expanded_size, macro_bodies
from hdl_sim.tokens import tokens

# Levels of one expression; slang's walks need about 30,000 of them to fill a thread's stack. Designs have a few dozen.
MAX_LEVELS = 8000
# Constructs open within one another; slang's parser needs a few thousand of them to do so.
MAX_OPEN = 1000
# Characters that macros which open a construct may add to a text, each of them being a level at worst.
MAX_OPENED_BY_MACROS = 10_000
_OPENERS = frozenset({
    "module", "macromodule", "interface", "class", "package", "program", "checker", "generate", "begin", "case",
    "casex", "casez", "clocking", "struct", "union", "constraint",
})  # fmt: skip
# What may hold brackets and semicolons that mean nothing.
_NO_CODE = re.compile(r'//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?|"(?:\\[\s\S]|[^"\\\n])*"?|\\\S+')
_WORD = re.compile(r"\b[A-Za-z_]\w*")
_OPENER = re.compile(rf"\b(?:{'|'.join(sorted(_OPENERS))})\b")
# What closes an opener again.
_CLOSERS = frozenset(f"end{word}" for word in _OPENERS if word not in ("begin", "casex", "casez")) | {"end"}
# Openers that braces close.
_BRACED = frozenset({"struct", "union", "constraint"})
_WORD_OR_BRACE = re.compile(r"\b[A-Za-z_]\w*|[{}]")
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def text_nests_too_deep(code: str) -> bool:
    """True when a text may have more than `MAX_LEVELS` levels in one expression, or `MAX_OPEN` constructs open at once.

    Levels are the tokens since the last ``;``, and since the last comma between the same brackets: each can be one, and
    so can all that brackets hold, for what goes on behind them. Of macros only what opens constructs is looked at; for
    the rest there is `tree_nests_too_deep`.
    """
    macros = "`define" in code
    if len(code) <= MAX_OPEN and not macros:
        return False
    return _too_many_levels(code) or _too_many_open(code) or (macros and _opened_by_macros(code))


def _too_many_levels(code: str) -> bool:
    if _statements_are_short(code):
        return False
    here = deepest = 0  # of the part between commas, and of the parts before it
    outer: list[tuple[int, int]] = []
    for token in tokens(code):
        if token.text in _OPEN:
            outer.append((here, deepest))
            here = deepest = 0
        elif token.text in _CLOSE and outer:
            inner = max(here, deepest)
            here, deepest = outer.pop()
            here += inner
        elif token.text == ",":
            deepest, here = max(here, deepest), 0
        elif token.text == ";":
            here = deepest = 0
        here += 1
        if here > MAX_LEVELS or len(outer) > MAX_OPEN:
            return True
    return False


def _statements_are_short(code: str) -> bool:
    """True when no statement has more than `MAX_LEVELS` characters, and so no more tokens; many times quicker."""
    length = depth = 0
    for part in _NO_CODE.sub(" ", code).split(";"):
        length += len(part) + 1
        depth += sum(map(part.count, _OPEN)) - sum(map(part.count, _CLOSE))
        if length > MAX_LEVELS:
            return False
        if depth <= 0:  # else the `;` may be within brackets, as in the head of a loop
            length = depth = 0
    return True


def _too_many_open(code: str) -> bool:
    opened = 0
    for word in _WORD.findall(code):
        if word in _OPENERS:
            opened += 1
        elif word.startswith("end") and opened:
            opened -= 1
        if opened > MAX_OPEN:
            return True
    return False


def _opened_by_macros(code: str) -> bool:
    """True when macros may open constructs without bound: by their own text, or by repeating an argument."""
    bodies = macro_bodies(code)
    openers = [len(_OPENER.findall(body)) for body in bodies]
    # A body that closes what it opens adds its own levels where it is called, and those of the bodies that it calls.
    if sum(openers) > MAX_OPEN or (any(openers) and not all(map(_closes_all, bodies))):
        return expanded_size(code) - len(code) > MAX_OPENED_BY_MACROS
    depth = 0
    called: list[int] = []  # how many brackets were open where a macro's arguments began
    previous = ""
    for token in tokens(code):
        if token.text in _OPEN:
            if previous.startswith("`"):
                called.append(depth)
            depth += 1
        elif token.text in _CLOSE:
            depth -= 1
            if called and depth <= called[-1]:
                called.pop()
        elif called and token.text in _OPENERS:
            return True
        previous = token.text
    return False


def _closes_all(body: str) -> bool:
    words = braces = 0
    for word in _WORD_OR_BRACE.findall(body):
        words += (word in _OPENERS and word not in _BRACED) - (word in _CLOSERS)
        braces += (word == "{") - (word == "}")
        if words < 0 or braces < 0:
            return False
    return words == braces == 0


def tree_nests_too_deep(root: Any) -> bool:
    """True when a syntax tree has more levels than `MAX_LEVELS`; walks through it without recursion."""
    waiting = [(root, 1)]
    while waiting:
        node, level = waiting.pop()
        if level > MAX_LEVELS:
            return True
        for place in range(len(node)):
            child = node[place]
            if child is not None and not hasattr(child, "valueText"):
                waiting.append((child, level + 1))
    return False
