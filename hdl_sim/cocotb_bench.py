"""Runs a cocotb testbench: Python tests that drive a compiled design through the simulator's programming interface.

Reads a `Bench` of kind ``cocotb`` and a compiled program; writes into the run's folder and reads back cocotb's results.
The tests are Python and run in the simulator, apart from all other processes and unable to start one: no file outside
the folder, no network.
"""

from __future__ import annotations

import re
import site
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench
from hdl_sim import seccomp
from hdl_sim.limits import Limits
from hdl_sim.rules import Outcome, judge_cocotb
from hdl_sim.sandbox import Finished, Sandbox
from hdl_sim.testbench import check_names

# Where cocotb is when it imports the tests: before any of them, so that no design has a part in its failure.
_NOT_LOADED = "in _setup_regression_manager"
# What a broken installation says, and what tests can say too; then `_CHECK` decides.
_NOT_STARTED = re.compile(r"No module named '(?:cocotb|cocotb_tools|find_libpython)[.']|Unable to find libpython")
_CHECK = "import cocotb, cocotb_tools.runner, find_libpython; assert find_libpython.find_libpython(), 'no libpython'"
_RESULTS = "cocotb_results.xml"
_MOST_RESULTS = 1 << 20  # bytes
_LAUNCHER = "launch_cocotb.py"
_TIMESCALE = "timescale_first.sv"
_START = Path(__file__).with_name("start_alone.py")
# cocotb's runner knows which variables and libraries this version of cocotb wants; it finds the program already built.
# The simulator takes this process over, because none can be started. The tests' folder must not stand before Python's
# own until nothing more is imported here.
_LAUNCH = """\
import os, subprocess, sys
from pathlib import Path
from cocotb_tools.runner import get_runner

def become(command, *, env, **_):
    sys.stdout.flush()
    os.execvpe(command[0], command, env)

subprocess.run = become
sys.path.insert(0, os.getcwd())
top, modules, results = sys.argv[1:]
get_runner("icarus").test(
    test_module=modules.split(","), hdl_toplevel=top, hdl_toplevel_lang="verilog", build_dir=Path.cwd(),
    test_dir=Path.cwd(), results_xml=str(Path.cwd() / results), seed=0,
)
"""


@dataclass(frozen=True, slots=True)
class CocotbFiles:
    """A cocotb bench as files: ``modules`` hold the tests, ``compiled`` is the Verilog beside the design."""

    compiled: tuple[str, ...]
    texts: dict[str, str]
    modules: tuple[str, ...]
    top: str


def cocotb_files(bench: Bench) -> CocotbFiles:
    """The files of a cocotb bench.

    Raises:
        InputError: a file name is not a plain one or is taken, or there is no ``test_*.py``.
    """
    check_names(bench)
    texts = {**bench.data_files, **bench.sources}
    taken = texts.keys() & {_LAUNCHER, _RESULTS, _TIMESCALE}
    if taken:
        raise InputError("a testbench's file has a name that the run needs", where=", ".join(sorted(taken)))
    modules = tuple(n.removesuffix(".py") for n in sorted(bench.sources) if n.startswith("test_") and n.endswith(".py"))
    if not modules:
        raise InputError("a cocotb testbench needs a test_*.py", where=", ".join(sorted(bench.sources)))
    compiled = (_TIMESCALE, *(name for name in bench.sources if name.endswith((".v", ".sv"))))
    # Without a timescale of its own a design would count in seconds, and no test could wait for a nanosecond.
    ours = {_LAUNCHER: _LAUNCH, _TIMESCALE: "`timescale 1ns/1ps\n"}
    return CocotbFiles(compiled, {**texts, **ours}, modules, bench.top)


def needs(limits: Limits) -> tuple[Limits, list[Path]]:
    """The limits of a sandbox for cocotb, and what it must be able to read."""
    # Python and the simulator share the address space, and Python opens more files than a simulation does.
    limits = replace(limits, memory_mb=max(limits.memory_mb, 2048), open_files=256)
    return limits, [*_python_folders(), _START]


def run_cocotb(sandbox: Sandbox, files: CocotbFiles, limits: Limits) -> tuple[Finished, Outcome]:
    """Run the tests on the program in the sandbox; the outcome comes from cocotb's results file alone.

    Args:
        sandbox: opened with what cocotb `needs`, and apart.

    Anybody's tests may run here only where `Sandbox.require_containment` says so; `python_box` has it for a machine.

    Raises:
        InputError: the tests cannot be imported. ToolMissing: cocotb is not installed. ToolFailed: it did not start.
    """
    try:
        import cocotb  # noqa: F401
    except ImportError:
        raise ToolMissing("cocotb is not installed", fix="pip install cocotb") from None
    only_this = seccomp.one_process_filter(threads=True).hex() if sandbox.filtered else ""
    finished = sandbox.run(
        [sys.executable, "-P", "-B", str(_START), only_this, _LAUNCHER, files.top, ",".join(files.modules), _RESULTS],
        limits=limits,
        env={"COCOTB_ANSI_OUTPUT": "0", "COCOTB_REWRITE_ASSERTION_FILES": "", "PYTHONNOUSERSITE": "1"},
    )
    if _NOT_STARTED.search(finished.stderr):
        _check_start(sandbox, limits)
    text = sandbox.read_start(_RESULTS, _MOST_RESULTS).decode(errors="replace")
    if not text and finished.reason == "exited" and _NOT_LOADED in finished.stdout + finished.stderr:
        lines = (finished.stderr.strip() or finished.stdout.strip()).splitlines()
        raise InputError("the testbench's Python does not load", where=", ".join(files.modules), fix=lines[-1][:300])
    return finished, judge_cocotb(text, finished)


def _check_start(sandbox: Sandbox, limits: Limits) -> None:
    """Raise a ToolFailed where cocotb cannot be used in the sandbox, whatever tests there are."""
    alone = sandbox.run([sys.executable, "-I", "-B", "-c", _CHECK], limits=replace(limits, wall_s=60.0, cpu_s=30))
    if alone.returncode != 0:
        said = alone.stderr.strip().splitlines() or [alone.reason]
        raise ToolFailed("cocotb did not start", fix=said[-1])


def _python_folders() -> list[Path]:
    """Where this Python and its packages lie."""
    names = {sys.prefix, sys.base_prefix, *site.getsitepackages(), *sysconfig.get_paths().values()}
    return [Path(name) for name in sorted(names) if Path(name).exists()]
