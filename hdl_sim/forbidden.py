"""What a candidate must not contain, because it could decide the test instead of passing it, or reach outside.

Reads source text; writes nothing. The sandbox keeps what is left from doing harm; this keeps a design from ending,
printing, forcing or looking into the testbench.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice

from autovcoder.records import Diagnostic
from hdl_sim.tokens import Token, tokens

FORBIDDEN = "Forbidden"
MAX_FOUND = 50  # a verdict is to be read
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
}
_FOREIGN = frozenset({"import", "export"})
_DIRECTIVES = {"`include": "could read any file", "`line": "could hide where text comes from",
               "`pragma": "could change how the tools read the text"}  # fmt: skip
# Names that slang defines and simulators do not: text behind them would be simulated without having been read.
_TOOL_MACROS = re.compile(r"__slang|SV_COV_")
# Tools disagree on where a comment or an escaped name ends at one of these; a line's end is "\\n" alone by now.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Icarus' preprocessor knows no escaped names: in one it expands a macro, and takes a quote for the start of a string.
_MISREAD = re.compile(r"[`\"]|//|/\*")
# Icarus' compiler takes such a line for a directive of a preprocessor.
_LINE = re.compile(r"^[ \t]*#[ \t]*line\b", re.MULTILINE)
_CONDITIONS = frozenset({"`ifdef", "`ifndef", "`elsif"})


def forbidden_constructs(code: str, taken: Collection[str] = ()) -> tuple[Diagnostic, ...]:
    """Every forbidden construct in a candidate, with its place; empty when there is none.

    Judged on the tokens before preprocessing, so that no conditional compilation hides anything, and no macro may be
    pasted into a system name. Importing a package is allowed, a DPI import is not. References into the
    testbench are not found here but by `references.outside_references`.

    Args:
        code: with line ends made plain by `tokens.plain_lines`.
        taken: names of the testbench's modules. A primitive of such a name makes a design compile alone that, with the
            testbench, instantiates the module.
    """
    return tuple(
        Diagnostic(
            severity="error",
            message=f"{token.text[:60]} is not allowed in a design: {reason}",
            line=code.count("\n", 0, token.start) + 1,
            column=token.start - code.rfind("\n", 0, token.start),
            code=FORBIDDEN,
        )
        for token, reason in islice(_find(code, taken), MAX_FOUND)
    )


def _find(code: str, taken: Collection[str]) -> Iterator[tuple[Token, str]]:
    for control in _CONTROL.finditer(code):
        yield Token("symbol", repr(control.group()), control.start(), control.end()), "tools read it differently"
    for line in _LINE.finditer(code):
        yield Token("symbol", line.group().strip(), line.start(), line.end()), _DIRECTIVES["`line"]
    previous = Token("symbol", "", 0, 0)
    for token in tokens(code):
        # Which kind of import or export it is, the token behind tells.
        if token.kind == "string" and previous.text in _FOREIGN:
            yield previous, "could reach foreign code"
        if reason := _reason(token, previous, code, taken):
            yield token, reason
        previous = token


def _reason(token: Token, previous: Token, code: str, taken: Collection[str]) -> str | None:
    """Why a token is not allowed behind another; None when it is."""
    if token.kind == "system":
        return None if token.text in ALLOWED_SYSTEM_NAMES else "only functions that compute are"
    if token.kind == "escaped":
        if token.text.startswith("\\$"):
            return "Icarus takes it for the system task"
        return "tools read it differently" if _MISREAD.search(token.text) else None
    if token.text == "$" and code[token.end : token.end + 1] != "]":
        return "a name pasted together cannot be checked"
    if previous.text in _CONDITIONS and _TOOL_MACROS.match(token.text):
        return "text must not depend on the tool that reads it"
    if previous.text == "primitive" and token.text in taken:
        return "the testbench has a module of this name"
    return _DIRECTIVES.get(token.text) or (_WORDS.get(token.text) if token.kind == "word" else None)
