"""Prepares a Verilog testbench for a run: checks its file names, drops waveform dumps, and tells how the run ended.

Reads a `Bench` or a user's testbench text; writes the texts of the files that the compiler is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule
from hdl_sim.slang import Source, read_source
from hdl_sim.tokens import statement_end, tokens

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_COMPILED = (".v", ".sv")
_TIMESCALE = re.compile(r"^\s*(`timescale\s+\d+\s*[munpf]?s\s*/\s*\d+\s*[munpf]?s)", re.MULTILINE)
_DEFINE = re.compile(r"^\s*`define\s+([A-Za-z_]\w*)", re.MULTILINE)
# In units of the testbench's timescale: longer than any test, short enough not to overflow 64 bits of femtoseconds.
_LONG = 1 << 40
# Where a testbench of ours prints the word that no design can know: see `PassRule.secret`.
SECRET_PLACE = "@SECRET@"  # noqa: S105 - no password
# What slang says of headers, which it is not given.
_HEADERS = frozenset({"ExceededMaxIncludeDepth", "UnknownDirective"})


@dataclass(frozen=True, slots=True)
class BenchFiles:
    """A testbench as files.

    Attributes:
        compiled: names for the compiler, in order; the design comes behind them, as in the benchmarks' own flows.
        texts: every file, data and headers too, by name.
        roots: modules to elaborate as roots.
        idle_line: printed when the run came to an end without any ``$finish``; empty when not watched.
    """

    compiled: tuple[str, ...]
    texts: dict[str, str]
    roots: tuple[str, ...]
    idle_line: str


def bench_files(bench: Bench, nonce: str, *, keep_dumps: bool = False) -> BenchFiles:
    """The files of a Verilog bench.

    Args:
        nonce: makes names that a design cannot know, and is the secret of a bench that has one.

    Raises:
        InputError: a file name is not a plain one, there is nothing to compile, or no place for the secret.
    """
    check_names(bench)
    texts = dict(bench.data_files)
    compiled = []
    for name, text in bench.sources.items():
        text = text if keep_dumps else strip_dumps(text)
        texts[name] = text.replace(SECRET_PLACE, nonce) if bench.pass_rule.secret else text
        if name.endswith(_COMPILED):
            compiled.append(name)
    if not compiled:
        raise InputError(
            "the testbench has no Verilog source", where=", ".join(bench.sources), fix="name it *.v or *.sv"
        )
    if bench.pass_rule.secret and not any(SECRET_PLACE in text for text in bench.sources.values()):
        raise InputError(f"the testbench has no {SECRET_PLACE} to print", where=", ".join(bench.sources))
    watched = bench.pass_rule.kind == "pass_line"
    idle_line = f"{nonce} idle" if watched else ""
    glue = f"between_{nonce}.sv"
    texts[glue] = _glue([bench.sources[name] for name in compiled], nonce, idle_line)
    roots = (bench.top, f"watch_{nonce}") if watched else (bench.top,)
    return BenchFiles((*compiled, glue), texts, roots, idle_line)


def check_names(bench: Bench) -> None:
    """Refuse file names that could leave the folder or collide.

    Raises:
        InputError: names the file.
    """
    for name in (*bench.sources, *bench.data_files):
        if not _PLAIN_NAME.fullmatch(name) or ".." in name:
            raise InputError(
                "not a plain file name in a testbench", where=repr(name), fix="use letters, digits, '_', '.'"
            )
    both = bench.sources.keys() & bench.data_files.keys()
    if both:
        raise InputError("a testbench has two files of one name", where=", ".join(sorted(both)))


def strip_dumps(text: str) -> str:
    """The testbench without its ``$dump...`` calls, which cost more time than the simulation; lines stay in place."""
    if "$dump" not in text:
        return text
    parts, done = [], 0
    for token in tokens(text):
        if token.kind == "system" and token.text.startswith("$dump") and token.start >= done:
            end = statement_end(text, token.start)
            parts += [text[done : token.start], ";", "\n" * text.count("\n", token.start, end)]
            done = end
    return "".join([*parts, text[done:]])


def _glue(benches: list[str], nonce: str, idle_line: str) -> str:
    """What stands between testbench and design: the testbench's macros end here, its timescale stays.

    A root of our own wakes up long after any test: only a run that no ``$finish`` ended gets there.
    """
    names = sorted({name for text in benches for name in _DEFINE.findall(text)})
    lines = [f"`undef {name}" for name in names]
    if idle_line:
        scales = [found for text in benches for found in _TIMESCALE.findall(text)]
        # With no timescale anywhere, seconds scaled to a design's own finer precision would overflow.
        lines += [] if scales else ["`timescale 1ns/1ns"]
        lines.append(
            f'module watch_{nonce}; initial begin #(64\'d{_LONG}) $display("\\n{idle_line}"); $finish; end endmodule'
        )
        lines += [] if scales else ["`resetall"]
    return "\n".join(lines) + "\n"


def bench_from_text(text: str, *, pass_line: str | None = None, file_name: str = "testbench.sv") -> Bench:
    """A user's own testbench, as one file: the top is found, and any recognised pass line (or ``pass_line``) counts.

    Args:
        pass_line: a regular expression, searched in each line of the output.

    Raises:
        InputError: the text is not Verilog, has no top module or several, or ``pass_line`` is not a regular expression.
    """
    source = read_source(text)
    errors = [error for error in source.syntax_errors if error.code not in _HEADERS]
    # With macros unknown nothing behind the first of them can be trusted: the simulator sees the headers, and decides.
    if errors and len(errors) == len(source.syntax_errors):
        first = errors[0]
        raise InputError("the testbench has a syntax error", where=f"{file_name}, line {first.line}", fix=first.message)
    if pass_line is not None:
        try:
            re.compile(pass_line)
        except re.error as error:
            raise InputError("the pass line is not a regular expression", where=pass_line, fix=str(error)) from None
    rule = PassRule(kind="pass_line", pattern=pass_line)
    return Bench(kind="verilog", sources={file_name: text}, top=_top(source, file_name), pass_rule=rule)


def _top(source: Source, file_name: str) -> str:
    used = {name for module in source.modules for name in module.instances}
    tops = [module for module in source.modules if module.name not in used]
    # A library module that nothing uses has ports; a testbench usually has none.
    closed = [module for module in tops if not module.ports] or tops
    if len(closed) != 1:
        names = ", ".join(module.name for module in closed) or "no module"
        raise InputError("the testbench must have one top module", where=file_name, fix=f"found: {names}")
    return closed[0].name
