"""Reads what Icarus' compiler prints: diagnostics of the design, and whose fault a failure is.

Reads a finished run of Icarus' preprocessor or compiler; writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autovcoder.records import Diagnostic
from hdl_sim.sandbox import Finished

_LINE = re.compile(
    r"^(?P<file>[\w.-]+):(?P<line>\d+):\s*(?P<word>error|warning|sorry|syntax error|assert)?:?\s*(?P<text>.*)$"
)
# A further line of the message above it.
_CONTINUED = re.compile(r"^[\w.-]+:\d+:\s+: ")
_FILELESS = re.compile(
    r"^(?P<word>error|sorry|warning|internal error|Malformed|ivl)\b:?\s*(?P<text>.*)$", re.IGNORECASE
)
_SYNTAX = re.compile(
    r"syntax error|malformed|invalid module|lacks an|give up|unterminated|missing close quote", re.IGNORECASE
)
_UNDECLARED = re.compile(r"Unable to bind (?:wire/reg/memory|parameter) `[\w$]+'|Could not find variable ``[\w$]+''")
_NO_ROOT = "Unable to find the root module"


@dataclass(frozen=True, slots=True)
class CompilerLog:
    """What a compilation said.

    Attributes:
        failed: there is no program to run.
        syntax: the failure is one of form. ``timed_out``: it took too long.
        in_design: an error lies in the design's own file. ``quiet``: nothing was printed to standard error.
        bench_fault: an error that no design can cause, as ``file:line: message``; empty when there is none.
        bench_unsupported: only the testbench failed, for using what this version of Icarus lacks.
        diagnostics: with lines of the design; what is said about other files has no line.
    """

    failed: bool
    syntax: bool
    timed_out: bool
    in_design: bool
    quiet: bool
    bench_fault: str
    bench_unsupported: bool
    diagnostics: tuple[Diagnostic, ...]


def read_log(finished: Finished, has_program: bool, design_file: str) -> CompilerLog:
    """Read a compilation; ``has_program`` tells whether it left something to run."""
    text = finished.stdout + finished.stderr
    found = list(_messages(text))
    errors = [(file, d) for file, d in found if d.severity == "error"]
    failed = finished.returncode != 0 or not has_program
    crash = _crash(finished)
    mine = [d for file, d in errors if file == design_file]
    return CompilerLog(
        failed=failed,
        syntax=any(_SYNTAX.search(d.message) for d in mine),
        timed_out=finished.reason in ("wall_timeout", "cpu_timeout"),
        in_design=bool(mine) or crash is not None,
        quiet=not finished.stderr,
        bench_fault=_bench_fault(errors, design_file),
        bench_unsupported=not mine and any(file and d.message.startswith("sorry") for file, d in errors),
        diagnostics=tuple(_placed(file, d, design_file) for file, d in found) + ((crash,) if crash else ()),
    )


def _messages(text: str) -> Iterator[tuple[str, Diagnostic]]:
    """(file, diagnostic) of each message; the file is empty where none is named."""
    word = "error"
    for line in text.splitlines():
        if match := _LINE.match(line):
            word = word if _CONTINUED.match(line) else match["word"] or "error"
            message = match["text"] if word != "syntax error" else "syntax error " + match["text"]
            if word != "error" and word != "syntax error" and word != "warning":
                message = f"{word}: {message}"
            severity = "warning" if word == "warning" else "error"
            number = int(match["line"])
            yield match["file"], _diagnostic(severity, message, number)
        elif match := _FILELESS.match(line):
            severity = "warning" if match["word"].lower() == "warning" else "error"
            yield "", _diagnostic(severity, line, None)


def _diagnostic(severity: str, message: str, line: int | None) -> Diagnostic:
    kind = "warning" if severity == "warning" else "error"
    return Diagnostic(severity="warning" if kind == "warning" else "error", message=message.strip(), line=line or None)


def _placed(file: str, diagnostic: Diagnostic, design_file: str) -> Diagnostic:
    if file in ("", design_file):
        return diagnostic
    return diagnostic.model_copy(update={"message": f"in the testbench: {diagnostic.message}", "line": None})


def _bench_fault(errors: list[tuple[str, Diagnostic]], design_file: str) -> str:
    for file, diagnostic in errors:
        if _NO_ROOT in diagnostic.message:
            return diagnostic.message
        if file in ("", design_file):
            continue
        if _SYNTAX.search(diagnostic.message) or _UNDECLARED.search(diagnostic.message):
            return f"{file}:{diagnostic.line}: {diagnostic.message}"
    return ""


def _crash(finished: Finished) -> Diagnostic | None:
    """The compiler's own end by a limit or a crash, which the design brought about: the bench compiles with others."""
    if finished.reason == "exited":
        return None
    words = {
        "signal": "crashed",
        "memory": "ran out of memory",
        "output_limit": "printed too much",
        "file_limit": "wrote too much",
    }
    return _diagnostic("error", f"the compiler {words.get(finished.reason, 'took too long')} on this design", None)
