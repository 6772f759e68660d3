"""Bounds how deep a text makes a tree, before a front end that works on our own stack walks through it.

Reads source text, or the tree of one with macros; writes nothing. Front ends bound parentheses and statements
themselves, but not ``a + a + a + ...``: each operator is one level, and a hundred thousand of them end the process.
"""

from __future__ import annotations

from typing import Any

from hdl_sim.tokens import tokens

# Levels; slang's walks need about 30,000 of them to fill a thread's stack. Designs have a few dozen.
MAX_LEVELS = 8000
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def text_nests_too_deep(code: str) -> bool:
    """True when some expression of a text may have more levels than `MAX_LEVELS`, macros left aside.

    Counts the tokens since the last ``;``, and since the last comma between the same brackets: each can be a level, and
    so can all that brackets hold, for what goes on behind them.
    """
    if len(code) <= MAX_LEVELS:
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
        if here > MAX_LEVELS:
            return True
    return False


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
