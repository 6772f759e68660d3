"""Icarus Verilog: compiles a design with a testbench, runs it confined, and says what happened.

Reads a design's text and a `Bench`; writes into a sandbox's folder, in memory where possible, emptied afterwards.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autovcoder.errors import InputError, ToolFailed
from autovcoder.records import Bench, Diagnostic, Verdict
from hdl_sim import cocotb_bench
from hdl_sim.drivers import driven_inputs
from hdl_sim.dump import MAX_DUMP_BYTES
from hdl_sim.forbidden import forbidden_constructs
from hdl_sim.icarus_log import CompilerLog, read_log
from hdl_sim.icarus_run import Run
from hdl_sim.limits import Limits
from hdl_sim.preprocess import preprocessed, uses_preprocessor
from hdl_sim.references import outside_references
from hdl_sim.rules import behind_secret, judge
from hdl_sim.sandbox import Finished, open_sandbox
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.slang import read_source
from hdl_sim.surroundings import Surroundings, surroundings
from hdl_sim.testbench import SECRET_PLACE, BenchFiles, bench_files, with_dump
from hdl_sim.tokens import plain_lines, words
from hdl_sim.toolchain import COMPILED, PROGRAM, find_toolchain, preprocessed_bench
from hdl_sim.tools import tool_version

_DESIGN, _PLAIN_DESIGN = "design.sv", "design.pp.sv"
# The warnings that VerilogEval v1's evaluator asks for, and fails a design for.
_OFFICIAL_WARNINGS = ("-Wall", "-Winfloop", "-Wno-timescale")
_ALONE = Surroundings()


class Icarus:
    """The `Simulator` for Icarus Verilog 11 and newer.

    A design is read by slang first; what slang rejects and Icarus accepts on its own goes on, since Icarus decides. A
    design that Icarus compiles alone but not with the testbench is charged with it (a port or the module's name is
    missing), unless the testbench has a syntax error, lacks its top, or uses a name that nobody declares: that is an
    InputError. A testbench that this version of Icarus does not support gives ``no_result``.
    """

    @property
    def name(self) -> str:
        return f"Icarus Verilog {tool_version('iverilog') or '(unknown version)'}"

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """What ``design`` does on ``bench``: see `hdl_sim.simulator.Simulator.run`."""
        with self._new_run(limits, bench) as run:
            design = design if design is None else plain_lines(design)
            early = _check_design(run, design, _names(bench), surroundings(bench))
            if early is not None:
                return early
            if bench.kind == "cocotb":
                return _run_cocotb(run, bench)
            files = bench_files(bench, run.nonce)
            early = _compile_with_bench(run, files, quiet=_must_be_quiet(bench))
            return early or _simulate(run, bench, files)

    def dump(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """See `hdl_sim.waves.Dumps.dump`: the same run once more, with a root of ours that writes the dump."""
        with self._new_run(limits) as run:
            design = plain_lines(design)
            if _check_design(run, design, _names(bench), surroundings(bench)) is not None:
                return b""
            files, dumped = with_dump(bench_files(bench, run.nonce), bench.top, run.nonce)
            if _compile_with_bench(run, files, quiet=False) is not None:
                return b""
            _simulate(run, bench, files)
            return run.sandbox.read_start(dumped, MAX_DUMP_BYTES)

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """See `hdl_sim.traces.Prints.printed`."""
        with self._new_run(limits, bench) as run:
            design = plain_lines(design)
            if _check_design(run, design, _names(bench), surroundings(bench)) is not None:
                return b""
            files = bench_files(bench, run.nonce)
            if _compile_with_bench(run, files, quiet=False) is not None:
                return b""
            _simulate(run, bench, files)
            return behind_secret(run.log, run.nonce).encode()

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """Whether ``design`` compiles by itself: ``pass`` at stage ``elaborate``, or why not."""
        with self._new_run(limits) as run:
            design = design if design is None else plain_lines(design)
            early = _check_design(run, design)
            if early is not None:
                return early
            log = _compile(run, "", ())
            if log.failed:
                return _rejected(run, log)
            return run.verdict("pass", "elaborate")

    @contextmanager
    def _new_run(self, limits: Limits, bench: Bench | None = None) -> Iterator[Run]:
        tools = find_toolchain(_OFFICIAL_WARNINGS if _must_be_quiet(bench) else ())
        readable: Sequence[Path] = ()
        runs_python = bench is not None and bench.kind == "cocotb"
        if runs_python:
            limits, readable = cocotb_bench.needs(limits)
        with open_sandbox(limits, programs=tools.programs, readable=readable, apart=runs_python) as sandbox:
            yield Run(sandbox, tools, limits, self.name, secrets.token_hex(8))


def _must_be_quiet(bench: Bench | None) -> bool:
    return bench is not None and bench.pass_rule.kind == "quiet_mismatch_count"


def _names(bench: Bench) -> frozenset[str]:
    """The names in a testbench, its design's among them."""
    if bench.kind == "cocotb":
        return frozenset({bench.top})
    return frozenset().union(*(words(text) for text in bench.sources.values()))


def _check_design(
    run: Run, design: str | None, used: Collection[str] = (), around: Surroundings = _ALONE
) -> Verdict | None:
    """Everything that can be said about a design alone, or None when it may be simulated.

    Args:
        used: names of the modules that a testbench may instantiate, among other words. They are elaborated by
            themselves too: a candidate that instantiates them could give each other surroundings.
        around: what else the testbench holds.
    """
    if design is None or not design.strip():
        return run.verdict("no_code", "extract")
    source = read_source(design, tops=used)
    # What cannot be read within bounds cannot be judged either, and must not reach a compiler.
    run.diagnostics = (
        source.errors if source.refused else _not_allowed(design, used, around, broken=bool(source.syntax_errors))
    )
    if run.diagnostics:
        return run.verdict("forbidden", "parse")
    if not source.modules and not source.errors:
        return run.verdict("no_code", "parse")
    log = _preprocess(run, design)
    if log is not None:
        run.diagnostics = source.errors
        return _rejected(run, log, syntax=True)
    if source.errors:
        # Also the guard against looking into the testbench: such a name is unknown here.
        run.diagnostics = source.errors
        log = _compile(run, "", sorted({module.name for module in source.modules} & set(used)))
        if log.failed:
            return _rejected(run, log, syntax=bool(source.syntax_errors))
        run.diagnostics = _not_allowed(design, used, around, broken=False)
        if run.diagnostics:
            return run.verdict("forbidden", "parse")
    return None


def _not_allowed(design: str, used: Collection[str], around: Surroundings, *, broken: bool) -> tuple[Diagnostic, ...]:
    """What a design must not do; names that a syntax error may have made count only if Icarus sees none."""
    found = forbidden_constructs(design, around.modules)
    if found or broken:
        return found
    return outside_references(design, around.scopes) or driven_inputs(design, used, around)


def _compile(run: Run, before: str, roots: Sequence[str]) -> CompilerLog:
    """Compile the design behind the text ``before``, which is preprocessed."""
    (run.folder / PROGRAM).unlink(missing_ok=True)
    text = f'{before}`line 1 "{_DESIGN}" 0\n{run.design}'
    finished = run.tools.compile(run.sandbox, text, roots, run.left())
    return _read_log(run, finished)


def _read_log(run: Run, finished: Finished) -> CompilerLog:
    run.log = (finished.stdout + finished.stderr).strip()
    if finished.returncode != 0:
        run.refuse_full_disk()
    return read_log(finished, (run.folder / PROGRAM).is_file(), _DESIGN)


def _preprocess(run: Run, design: str) -> CompilerLog | None:
    """Preprocess the design; what Icarus' preprocessor said where it failed on a text that only it can judge."""
    run.design = preprocessed(design.encode(errors="replace").decode())
    if not uses_preprocessor(run.design):
        return None
    run.sandbox.write({_DESIGN: run.design})
    finished = run.tools.preprocess(run.sandbox, [_DESIGN], _PLAIN_DESIGN, run.left())
    if finished.returncode != 0 or finished.reason != "exited":
        return _read_log(run, finished)
    run.design = (run.folder / _PLAIN_DESIGN).read_text(encoding="utf-8", errors="replace")
    for name in (_DESIGN, _PLAIN_DESIGN):
        (run.folder / name).unlink()
    return None


def _compile_with_bench(run: Run, files: BenchFiles, *, quiet: bool) -> Verdict | None:
    run.sandbox.write(files.data)
    text = _plain_bench(run, files)
    if files.secret:
        text = text.replace(SECRET_PLACE, files.secret)
    log = _compile(run, files.before + text + files.behind, files.roots)
    if not log.failed and quiet and not log.quiet:
        said = Diagnostic(severity="warning", message=run.log.partition("\n")[0])
        run.diagnostics = log.diagnostics or (said,)
        return run.verdict("elaboration_error", "elaborate")
    if not log.failed:
        return None
    fault = log.bench_fault if not log.in_design else ""
    if log.syntax:
        # The design reads well by itself, so either Icarus does not know a construct or the testbench does not end.
        alone = _compile(run, "", ())
        if alone.failed:
            return _rejected(run, alone)
        fault = log.diagnostics[0].message
    if fault:
        raise InputError("the testbench does not compile", where=fault, fix="test it with a working design")
    if log.bench_unsupported:
        # Nobody can tell what the design does: not its fault, and no reason to end a run over many problems.
        run.diagnostics = log.diagnostics
        return run.verdict("no_result", "elaborate")
    return _rejected(run, log)


def _plain_bench(run: Run, files: BenchFiles | cocotb_bench.CocotbFiles) -> str:
    """What a testbench compiles, preprocessed."""
    plain = preprocessed_bench(run.tools, files.texts, files.compiled)
    if isinstance(plain, str):
        return plain
    said = (plain.stderr or plain.stdout).strip().partition("\n")[0] or f"the preprocessor ended by: {plain.reason}"
    raise InputError("the testbench does not compile", where=said, fix="test it with a working design")


def _rejected(run: Run, log: CompilerLog, *, syntax: bool = False) -> Verdict:
    if log.timed_out:
        return run.verdict("timeout", "elaborate")
    run.diagnostics = run.diagnostics or log.diagnostics
    if syntax or log.syntax:
        return run.verdict("syntax_error", "parse")
    return run.verdict("elaboration_error", "elaborate")


def _simulate(run: Run, bench: Bench, files: BenchFiles) -> Verdict:
    # Nothing that runs may read what it is tested with.
    (run.folder / COMPILED).unlink()
    finished = run.tools.simulate(run.sandbox, run.left())
    run.log = finished.stdout + finished.stderr
    if _broken_by_design(run, finished):
        return run.verdict("elaboration_error", "elaborate")
    outcome = judge(bench.pass_rule, finished, idle_line=files.idle_line, bench_files=files.texts, nonce=run.nonce)
    return run.verdict(outcome.status, "simulate", outcome)


def _broken_by_design(run: Run, finished: Finished) -> bool:
    """True when the program could not start for what the design calls; raises when that is not the design's fault."""
    said = finished.stderr + finished.stdout[-2000:]
    if "Program not runnable" in said:
        mine = re.search(rf"^{re.escape(_DESIGN)}:(\d+): Error: (.*)$", said, re.MULTILINE)
        if mine:
            run.diagnostics = (Diagnostic(severity="error", message=mine[2], line=int(mine[1])),)
            return True
        raise InputError("the testbench calls a system task that Icarus lacks", fix=said.strip()[:300])
    if "Unable to open input file" in said or "error while loading shared libraries" in said:
        raise ToolFailed("vvp could not run the compiled design", fix=said.strip()[:300])
    return False


def _run_cocotb(run: Run, bench: Bench) -> Verdict:
    files = cocotb_bench.cocotb_files(bench)
    run.sandbox.write(files.texts)
    log = _compile(run, _plain_bench(run, files), (bench.top,))
    if log.failed:
        # A top that nobody has is the design's fault unless the bench brings its own.
        if log.bench_fault and not log.in_design and "root module" not in log.bench_fault:
            raise InputError(
                "the testbench does not compile", where=log.bench_fault, fix="test it with a working design"
            )
        return _rejected(run, log)
    finished, outcome = cocotb_bench.run_cocotb(run.sandbox, files, run.left())
    run.log, run.runs_python = finished.stdout + finished.stderr, True
    return run.verdict(outcome.status, "simulate", outcome)
