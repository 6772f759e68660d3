"""What a candidate must not contain, because it could decide the test instead of passing it, or reach outside.

Reads source text; writes nothing. The sandbox keeps what is left from doing harm; this keeps a design from ending,
printing, forcing or looking into the testbench.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autovcoder.records import Diagnostic
from hdl_sim.tokens import Token, tokens

FORBIDDEN = "Forbidden"
# System functions that compute and touch nothing (IEEE 1800-2017, clauses 20.5 to 20.9 and 20.15) and that Icarus 11
# has, and the time.
_NAMES = """
    $bits $clog2 $signed $unsigned $high $low $left $right $size $increment $dimensions $unpacked_dimensions
    $countones $countbits $onehot $onehot0 $isunknown
    $itor $rtoi $bitstoreal $realtobits
    $ln $log10 $exp $sqrt $pow $floor $ceil $sin $cos $tan $asin $acos $atan $atan2 $hypot
    $time $stime $realtime $random $urandom $urandom_range
"""
ALLOWED_SYSTEM_NAMES = frozenset(_NAMES.split())
_WORDS = {
    "force": "could set the testbench's signals",
    "bind": "could add to the testbench",
    "config": "could replace the testbench's modules",
    "program": "belongs in a testbench",
    "import": "could reach foreign code",
    "export": "could reach foreign code",
}
_DIRECTIVES = {"`include": "could read any file", "`line": "could hide where text comes from",
               "`pragma": "could change how the tools read the text"}  # fmt: skip
# Names that slang defines and simulators do not: text behind them would be simulated without having been read.
_TOOL_MACROS = re.compile(r"__slang|SV_COV_")
# Tools disagree on where a comment or an escaped name ends at one of these; a line's end is "\\n" alone by now.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CONDITIONS = frozenset({"`ifdef", "`ifndef", "`elsif"})


def forbidden_constructs(code: str) -> tuple[Diagnostic, ...]:
    """Every forbidden construct in a candidate, with its place; empty when there is none.

    Judged on the tokens before preprocessing, so that no conditional compilation hides anything, and no macro may be
    pasted into a system name. Importing a package is allowed, a DPI import is not. References into the
    testbench are not found here but by `references.outside_references`.

    Args:
        code: with line ends made plain by `tokens.plain_lines`.
    """
    return tuple(
        Diagnostic(
            severity="error",
            message=f"{token.text[:60]} is not allowed in a design: {reason}",
            line=code.count("\n", 0, token.start) + 1,
            column=token.start - code.rfind("\n", 0, token.start),
            code=FORBIDDEN,
        )
        for token, reason in _find(code)
    )


def _find(code: str) -> Iterator[tuple[Token, str]]:
    previous = Token("symbol", "", 0, 0)
    held: Token | None = None  # an import or export, until the next token tells which kind
    for control in _CONTROL.finditer(code):
        yield Token("symbol", repr(control.group()), control.start(), control.end()), "tools read it differently"
    for token in tokens(code):
        if held is not None:
            if token.kind == "string":
                yield held, _WORDS[held.text]
            held = None
        if token.kind == "system" and token.text not in ALLOWED_SYSTEM_NAMES:
            yield token, "only functions that compute are"
        elif token.kind == "escaped" and token.text.startswith("\\$"):
            yield token, "Icarus takes it for the system task"
        elif token.text == "$" and code[token.end : token.end + 1] != "]":
            yield token, "a name pasted together cannot be checked"
        elif token.text in _DIRECTIVES:
            yield token, _DIRECTIVES[token.text]
        elif previous.text in _CONDITIONS and _TOOL_MACROS.match(token.text):
            yield token, "text must not depend on the tool that reads it"
        elif token.text in ("import", "export"):
            held = token
        elif token.kind == "word" and token.text in _WORDS:
            yield token, _WORDS[token.text]
        previous = token
