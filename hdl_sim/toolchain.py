"""The programs behind the ``iverilog`` driver, called directly: its shell and preprocessor cost as much as compiling.

Reads what the driver says of its own parts and settings, once; writes their arguments and configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from autovcoder.errors import ToolFailed
from hdl_sim.limits import Limits
from hdl_sim.sandbox import Finished, Sandbox, open_sandbox
from hdl_sim.tools import find_tool

COMPILED = "compiled.sv"  # testbench and design, as one text: a timescale holds for all that follows it
PROGRAM = "sim.vvp"
_SETTINGS, _DEFINES = "ivl.conf", "ivlpp.conf"
_STANDARD = "-g2012"
# The driver's line "translate: IVLPP ... | IVL ... -C"SETTINGS" -C"TARGET" -- -", quotes where it puts them.
_TRANSLATE = re.compile(
    r'^translate: "?(?P<ivlpp>[^"\s]*ivlpp)\b.*\| *"?(?P<ivl>[^"\s]*ivl)\b.* -C"(?P<target>[^"]+)"', re.MULTILINE
)
# It could call what the first VPI module of Icarus has, if `_first_is_enough` finds so: programs that call nothing else
# start without loading the others.
_PROBE = """
module probe;
    reg [7:0] memory [0:1];
    reg [63:0] text;
    integer file;
    initial begin
        if (file === 0) begin
            $displayb; $displayh; $displayo; $write; $writeb; $writeh; $writeo;
            $strobe; $monitor; $monitoron; $monitoroff;
            file = $fopen("f"); $fdisplay(file); $fwrite(file); $fflush(file); $fclose(file);
            $sformat(text, "x"); $swrite(text, "x");
            $timeformat(-9, 0, "", 1); $display($time, $stime, $realtime, $random, $urandom);
            $readmemh("f", memory); $readmemb("f", memory);
            $display($signed(text), $unsigned(text), $bits(text));
            $stop;
        end
        $display("works");
        $finish;
    end
endmodule
"""
_SYSTEM_NAME = re.compile(r"\$[A-Za-z_][\w$]*")
_FIRST_MODULE = frozenset(_SYSTEM_NAME.findall(_PROBE))
_CALLED = re.compile(r'"(\$(?!unit")[\w$]+)"')
_READABLE = 10_000_000  # bytes
# Lines of the settings that differ from one compile to the next, or that only the driver reads.
_OWN = ("root:", "out:", "ivlpp:", "depfile:")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Icarus' parts.

    Attributes:
        ivlpp: the preprocessor. ``ivl``: the compiler. ``vvp``: the simulator.
        target: the settings file of the code generator.
        settings: the lines that the driver would give the compiler, but for roots and output.
        small_settings: these with the first VPI module only, for programs that need no other; None where that one is
            not enough for them.
    """

    ivlpp: Path
    ivl: Path
    vvp: Path
    target: str
    settings: str
    small_settings: str | None = None

    @property
    def programs(self) -> tuple[Path, ...]:
        return (self.ivlpp, self.ivl, self.vvp)

    def compile(self, sandbox: Sandbox, text: str, roots: Sequence[str], limits: Limits) -> Finished:
        """Compile a preprocessed text into `PROGRAM`; no roots means all modules that nothing uses."""
        sandbox.write({COMPILED: text})
        if self.small_settings is not None and _FIRST_MODULE.issuperset(_SYSTEM_NAME.findall(text)):
            finished = self._compile(sandbox, self.small_settings, roots, limits)
            program = sandbox.folder / PROGRAM
            # Where it found 256 errors, the status of the compiler is 0 too.
            if finished.returncode != 0 or not program.is_file() or _needs_first_module_only(program):
                return finished
        return self._compile(sandbox, self.settings, roots, limits)

    def _compile(self, sandbox: Sandbox, settings: str, roots: Sequence[str], limits: Limits) -> Finished:
        lines = [*(f"root:{root}" for root in roots), settings, f"out:{PROGRAM}"]
        sandbox.write({_SETTINGS: "\n".join(lines) + "\n"})
        return sandbox.run([str(self.ivl), f"-C{_SETTINGS}", f"-C{self.target}", "--", COMPILED], limits=limits)

    def preprocess(self, sandbox: Sandbox, files: Sequence[str], out: str, limits: Limits) -> Finished:
        """Preprocess files of the sandbox's folder, as one, into ``out``; places keep their files' names and lines."""
        sandbox.write({_DEFINES: "D:__ICARUS__=1\n"})
        return sandbox.run([str(self.ivlpp), "-L", f"-F{_DEFINES}", "-o", out, *files], limits=limits)

    def simulate(self, sandbox: Sandbox, limits: Limits) -> Finished:
        """Run `PROGRAM`."""
        # -N: like -n, it never waits for a user, and a $stop can be told from a $finish.
        return sandbox.run([str(self.vvp), "-N", PROGRAM], limits=limits)


def find_toolchain(flags: tuple[str, ...] = ()) -> Toolchain:
    """The parts of the ``iverilog`` on PATH.

    Args:
        flags: further flags of the driver, such as ``-Wall``.

    Raises:
        ToolMissing: there is none. ToolFailed: it does not say where its parts are.
    """
    return _ask(find_tool("iverilog"), find_tool("vvp"), flags)


@lru_cache(maxsize=8)
def _ask(driver: Path, vvp: Path, flags: tuple[str, ...]) -> Toolchain:
    """Compile an empty module with the driver and keep what it tells its compiler."""
    limits = Limits()
    with open_sandbox(limits, programs=[driver]) as sandbox:
        sandbox.write({"empty.sv": "module empty; endmodule\n"})
        kept = "kept.conf"  # where this variable is set, the driver writes its settings there and leaves them
        finished = sandbox.run(
            [str(driver), "-v", _STANDARD, *flags, "-o", PROGRAM, "empty.sv"],
            limits=limits,
            env={"IVERILOG_ICONFIG": str(sandbox.folder / kept)},
        )
        said = finished.stdout + finished.stderr
        parts = _TRANSLATE.search(said)
        settings = _read(sandbox.folder / kept)
    if finished.returncode != 0 or parts is None or not settings:
        raise ToolFailed("iverilog does not say where its parts are", where=driver, fix="reinstall it")
    lines = [line for line in settings.splitlines() if not line.startswith(_OWN)]
    whole = Toolchain(Path(parts["ivlpp"]), Path(parts["ivl"]), vvp, parts["target"], "\n".join(lines))
    modules = [line for line in lines if line.startswith("module:")]
    small = replace(whole, small_settings="\n".join(line for line in lines if line not in modules[1:]))
    return small if _first_is_enough(small) else whole


def _needs_first_module_only(program: Path) -> bool:
    """Decided on what was compiled: methods of SystemVerilog become calls that no source text shows."""
    return program.stat().st_size < _READABLE and _FIRST_MODULE.issuperset(_CALLED.findall(_read(program)))


def _first_is_enough(tools: Toolchain) -> bool:
    """Whether a program that could call all of `_FIRST_MODULE` compiles and starts with one VPI module."""
    limits = Limits()
    with open_sandbox(limits, programs=tools.programs) as sandbox:
        tools.compile(sandbox, _PROBE, (), limits)
        finished = tools.simulate(sandbox, limits)
    return finished.returncode == 0 and finished.stdout == "works\n"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def preprocessed_bench(tools: Toolchain, texts: Mapping[str, str], compiled: Sequence[str]) -> str | Finished:
    """The text of ``compiled`` after preprocessing, or the preprocessor's run where that failed.

    Args:
        texts: every file by name, headers included. Kept for the next call with the same: the answers to a problem
            share its testbench.
    """
    if not any("`" in texts[name] for name in compiled):
        return "".join(f'`line 1 "{name}" 0\n{texts[name]}\n' for name in compiled)
    return _preprocessed(tools, tuple(texts.items()), tuple(compiled))


@lru_cache(maxsize=512)
def _preprocessed(tools: Toolchain, texts: tuple[tuple[str, str], ...], compiled: tuple[str, ...]) -> str | Finished:
    # Limits of its own: a testbench must not fail because the design it is to test may take little.
    limits = Limits()
    with open_sandbox(limits, programs=tools.programs) as sandbox:
        sandbox.write(dict(texts))
        out = "preprocessed.sv"
        finished = tools.preprocess(sandbox, compiled, out, limits)
        if finished.returncode != 0 or finished.reason != "exited":
            return finished
        return (sandbox.folder / out).read_text(encoding="utf-8", errors="replace")
