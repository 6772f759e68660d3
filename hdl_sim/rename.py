"""Gives a module another name, where a benchmark's reference is named otherwise than its testbench wants.

Reads and returns RTL text; touches no file.
"""

from __future__ import annotations

from hdl_sim.tokens import tokens

_KEYWORDS = ("module", "macromodule")


def rename_module(code: str, old: str, new: str) -> str:
    """The text with ``new`` for the name of the module ``old``, in its declaration and behind its ``endmodule``.

    For a module that nothing in the text instantiates. Signals, strings and comments with the same letters stay.
    """
    parts, done = [], 0
    before = ("", "")
    for token in tokens(code):
        declares = before[1] in _KEYWORDS or (before[0] in _KEYWORDS and before[1] in ("automatic", "static"))
        if token.kind == "word" and token.text == old and (declares or before == ("endmodule", ":")):
            parts += [code[done : token.start], new]
            done = token.end
        before = (before[1], token.text if token.kind != "string" else "")
    return "".join([*parts, code[done:]])
