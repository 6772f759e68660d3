"""Prepares a Verilog testbench for a run: checks its file names, drops waveform dumps, and tells how the run ended.

Reads a `Bench` or a user's testbench text; writes the texts of the files that the compiler is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from autovcoder.errors import InputError
from autovcoder.records import MAX_PATTERN, Bench, PassRule
from hdl_sim.slang import Source, read_source
from hdl_sim.tokens import statement_end, tokens

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_COMPILED = (".v", ".sv")
# In units of the testbench's timescale: longer than any test, short enough not to overflow 64 bits of femtoseconds.
_LONG = 1 << 40
# Where a testbench of ours prints the word that no design can know: see `PassRule.secret`.
SECRET_PLACE = "@SECRET@"  # noqa: S105 - no password
# Names that a run needs for itself.
_TAKEN = frozenset({
    "design.sv", "design.pp.sv", "compiled.sv", "preprocessed.sv", "sim.vvp", "ivl.conf", "ivlpp.conf"
})  # fmt: skip
# What slang says of headers, which it is not given.
_HEADERS = frozenset({"ExceededMaxIncludeDepth", "UnknownDirective"})


@dataclass(frozen=True, slots=True)
class BenchFiles:
    """A testbench as files.

    Attributes:
        compiled: names of what is preprocessed and compiled, in order.
        texts: the files to preprocess, headers included, by name. ``data``: files to lie beside the simulation.
        before, behind: text around them; the design comes last, as in the benchmarks' own flows.
        roots: modules to elaborate as roots.
        secret: what stands in the place of `SECRET_PLACE` once the text is preprocessed; empty where there is none.
        idle_line: printed when the run came to an end without any ``$finish``; empty when not watched.
    """

    compiled: tuple[str, ...]
    texts: dict[str, str]
    data: dict[str, str]
    before: str
    behind: str
    roots: tuple[str, ...]
    secret: str
    idle_line: str


def bench_files(bench: Bench, nonce: str) -> BenchFiles:
    """The files of a Verilog bench.

    Args:
        nonce: makes names that a design cannot know, and is the secret of a bench that has one.

    Raises:
        InputError: a file name is not a plain one, there is nothing to compile, or no place for the secret.
    """
    check_names(bench)
    sources = {name: strip_dumps(text) for name, text in bench.sources.items()}
    compiled = tuple(name for name in sources if name.endswith(_COMPILED))
    if not compiled:
        raise InputError(
            "the testbench has no Verilog source", where=", ".join(bench.sources), fix="name it *.v or *.sv"
        )
    if bench.pass_rule.secret and not any(SECRET_PLACE in text for text in bench.sources.values()):
        raise InputError(f"the testbench has no {SECRET_PLACE} to print", where=", ".join(bench.sources))
    watched = bench.pass_rule.kind == "pass_line" and bench.pass_rule.needs_finish
    idle_line = f"{nonce} idle" if watched else ""
    # A root of our own wakes up long after any test: only a run that no ``$finish`` ended gets there.
    watch = f'initial begin #(64\'d{_LONG}) $display("\\n{idle_line}"); $finish; end'
    return BenchFiles(
        compiled=compiled,
        texts={**bench.data_files, **sources},
        data=bench.data_files,
        # Without a timescale a testbench would count in seconds, and time would end before it did: the watch could wake
        # no later than 2**63 of the finest unit that any design sets.
        before="`timescale 1ns/1ns\n" if watched else "",
        behind=f"module watch_{nonce}; {watch} endmodule\n" if watched else "",
        roots=(bench.top, f"watch_{nonce}") if watched else (bench.top,),
        secret=nonce if bench.pass_rule.secret else "",
        idle_line=idle_line,
    )


def with_dump(files: BenchFiles, top: str, nonce: str) -> tuple[BenchFiles, str]:
    """The files with one more root, which dumps the signals of ``top`` alone, and the name of the dump's file."""
    dumped = f"{nonce}.vcd"
    root = f'module dump_{nonce}; initial begin $dumpfile("{dumped}"); $dumpvars(1, {top}); end endmodule\n'
    return replace(files, behind=files.behind + root, roots=(*files.roots, f"dump_{nonce}")), dumped


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
    taken = _TAKEN & {*bench.sources, *bench.data_files}
    if taken:
        raise InputError("a testbench's file has a name that the run needs", where=", ".join(sorted(taken)))
    both = bench.sources.keys() & bench.data_files.keys()
    if both:
        raise InputError("a testbench has two files of one name", where=", ".join(sorted(both)))


@lru_cache(maxsize=512)
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
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError("the pass line is not a regular expression", where=pass_line, fix=str(error)) from None
        if len(pass_line) > MAX_PATTERN:
            raise InputError("the pass line is too long", fix=f"write it in {MAX_PATTERN} characters or fewer")
    rule = PassRule(kind="pass_line", pattern=pass_line)
    return Bench(kind="verilog", sources={file_name: text}, top=top_module(source, file_name), pass_rule=rule)


def top_module(source: Source, file_name: str) -> str:
    """The one module of a testbench that no other uses.

    Raises:
        InputError: there is none, or several.
    """
    used = {name for module in source.modules for name in module.instances}
    tops = [module for module in source.modules if module.name not in used]
    # A library module that nothing uses has ports; a testbench usually has none.
    closed = [module for module in tops if not module.ports] or tops
    if len(closed) != 1:
        names = ", ".join(module.name for module in closed) or "no module"
        raise InputError("the testbench must have one top module", where=file_name, fix=f"found: {names}")
    return closed[0].name
