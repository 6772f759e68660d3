"""Answers that give only what follows a module's header, as a model does that was asked to go on behind it.

Reads an answer's text and the header; writes a module. Works on lines and tokens, for the text may be broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hdl_sim.headers import header_name, port_names
from hdl_sim.tokens import is_word, tokens

# How a line begins that stands in a module's body. Each kind asks for more than its first word: prose begins with
# "and", "assign", "initial", "if" and "input" too.
_CODE_LINE = re.compile(
    r"""\s*(?:
      `(?:define|timescale|default_nettype|ifdef|ifndef)\b
    | (?:assign|defparam)\b.*=
    | (?:reg|wire|logic|input|output|inout|parameter|localparam|integer|genvar|typedef|enum|tri|supply[01]|bit|int|byte
        |signed|unsigned|real)\b.*(?:[;={]|,\s*$)
    | always(?:_ff|_comb|_latch)?\s*(?:[@#]|begin\b|//|$)
    | initial\s*(?:[@#]|begin\b|//|$|\w+\s*<?=)
    | (?:and|or|not|nand|nor|xor|xnor|buf)\s*(?:\#\S+\s*)?(?:\w+\s*)?\(
    | (?:if|for|case[xz]?)\s*\(
    | (?:function|task)\b.*[;(]
    | (?:generate|begin)\b\s*(?:$|:|//|for|if|begin|genvar)
    | [A-Za-z_]\w*\s+(?:\#\s*\(.*\)\s*)?[A-Za-z_]\w*\s*\(\s*\.[A-Za-z_]
    | endmodule\b
    )""",
    re.VERBOSE,
)
_DIRECTIONS = frozenset({"input", "output", "inout"})
_TYPES = frozenset({"wire", "reg", "logic", "bit", "tri", "signed", "unsigned", "integer"})


def first_code_line(text: str) -> int | None:
    """Where the first line starts that begins as the body of a module may; None when none does."""
    at = 0
    for line in text.splitlines(keepends=True):
        if _CODE_LINE.match(line):
            return at
        at += len(line)
    return None


def behind_header(body: str, header: str) -> str:
    """The module that ``header`` and ``body`` make, up to the body's first ``endmodule``, which is added when missing.

    A body that declares all of the header's ports again, as Verilog-1995 does, gets the header without its own
    declarations: both together are an error.
    """
    end = next((token.end for token in tokens(body) if is_word(token, "endmodule")), None)
    body = body[:end].rstrip() if end is not None else body.rstrip() + "\nendmodule"
    ports = port_names(header)
    if ports and set(_declared_ports(body)) == set(ports):
        header = f"module {header_name(header)} ({', '.join(ports)});"
    return f"{header.strip()}\n{body.lstrip(chr(10))}\n"


def _declared_ports(body: str) -> Iterator[str]:
    """Names in the port declarations of a module's body; those of its functions and tasks are none."""
    routine = False
    starts = True
    declaring = False
    depth = 0
    for token in tokens(body):
        if token.kind == "word" and token.text in ("function", "task", "endfunction", "endtask"):
            routine = not token.text.startswith("end")
        elif starts and not routine and token.text in _DIRECTIONS:
            declaring = True
        elif declaring and depth == 0 and token.kind == "word" and token.text not in _TYPES:
            yield token.text
        depth += {"[": 1, "]": -1}.get(token.text, 0)
        starts = token.text in (";", "endfunction", "endtask")
        declaring = declaring and token.text != ";"
