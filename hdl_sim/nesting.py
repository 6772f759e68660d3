"""Bounds how deep a text makes a tree, before a front end that works on our own stack walks through it.

Reads source text, or the tree of one; writes nothing. Front ends bound parentheses and statements themselves, but not
``a + a + a + ...``, ``else if`` outside of procedures, or modules within one another: each is one level, and some ten
thousand of them end the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hdl_sim.macros import expanded_size, without_definitions
from hdl_sim.tokens import Token, tokens

# Levels of one expression; slang's walks need about 30,000 of them to fill a thread's stack. Designs have a few dozen.
MAX_LEVELS = 8000
# Constructs open within one another; slang's parser needs a few thousand of them to do so.
MAX_OPEN = 1000
# Characters that macros may add to a text, each of them being a level at worst.
MAX_ADDED_BY_MACROS = 10_000
# Words that may open a construct within another; braces of structures and the like count as brackets do.
_OPENER = re.compile(
    r"\b(?:module|macromodule|interface|class|package|program|checker|generate|begin|case[xz]?|clocking|else)\b"
)
_LET = re.compile(r"\blet\b")
# What may hold brackets and semicolons that mean nothing.
_NO_CODE = re.compile(r'//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?|"(?:\\[\s\S]|[^"\\\n])*"?|\\\S+')
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_IF, _ELSE = frozenset({"`ifdef", "`ifndef"}), frozenset({"`else", "`elsif"})


def text_may_nest_too_deep(code: str) -> bool:
    """True when a text may have more than `MAX_LEVELS` levels in one expression, or `MAX_OPEN` constructs open at once.

    On the safe side: what closes a construct is not looked at, for comments, branches that are not taken and arguments
    that are dropped can hold it too. Whoever hears True asks `hdl_sim.trial`, which finds out.

    Levels are the tokens since the last ``;``, and since the last comma between the same braces: each can be one, and
    so can all that brackets hold, for what goes on behind them. Between parentheses commas may divide events, each of
    which is a level of its own.
    """
    if _LET.search(_NO_CODE.sub(" ", code)):  # a few of them may stand for anything
        return True
    if len(code) <= MAX_OPEN and "`define" not in code:
        return False
    if '"""' in code or "`pragma" in code:  # may hold anything
        return True
    if "`define" in code:
        if expanded_size(code) - len(code) > MAX_ADDED_BY_MACROS:
            return True
        code = without_definitions(code)
    return sum(1 for _ in _OPENER.finditer(code)) > MAX_OPEN or _too_many_levels(code)


def _too_many_levels(code: str) -> bool:
    if not any(word in code for word in _IF) and _statements_are_short(code):
        return False
    try:
        return any(levels > MAX_LEVELS for levels in _Levels().of(tokens(code)))
    except ValueError:
        return True


class _Levels:
    """Counts levels through a text, of the branches that directives make by the worst."""

    def __init__(self) -> None:
        self._here = self._deepest = 0  # of the part between commas, and of the parts before it
        self._outer: list[tuple[int, int, str]] = []  # both around each bracket that is open, and that bracket
        # Of each directive that is open: the levels and brackets before it, and the most of a branch.
        self._branches: list[tuple[int, int, int]] = []

    def of(self, seen: Iterator[Token]) -> Iterator[int]:
        """How many levels there may be at each token.

        Raises:
            ValueError: there are too many brackets, or a branch opens or closes some, and nothing can be said.
        """
        for token in seen:
            if token.kind == "directive":
                self._branch(token.text)
            elif token.text in _OPEN:
                self._outer.append((self._here, self._deepest, token.text))
                self._here = self._deepest = 0
                if len(self._outer) > MAX_OPEN:
                    raise ValueError("too many brackets are open")
            elif token.text in _CLOSE and self._outer:
                inner = max(self._here, self._deepest)
                self._here, self._deepest, _ = self._outer.pop()
                self._here += inner
            elif token.text == "," and not (self._outer and self._outer[-1][2] == "("):
                self._deepest, self._here = max(self._here, self._deepest), 0
            elif token.text == ";" and not self._outer:  # else it may be within a macro's argument, and be dropped
                self._here = self._deepest = 0
            self._here += 1
            yield self._here

    def _branch(self, directive: str) -> None:
        now = max(self._here, self._deepest)
        if directive in _IF:
            self._branches.append((now, len(self._outer), now))
        elif (directive in _ELSE or directive == "`endif") and self._branches:
            before, brackets, most = self._branches.pop()
            if brackets != len(self._outer):
                raise ValueError("a branch opens or closes brackets")
            most = max(most, now)
            # What stood before may stand before each branch, and before what comes behind them all.
            if directive in _ELSE:
                self._branches.append((before, brackets, most))
                self._here = before
            else:
                self._here = most


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
