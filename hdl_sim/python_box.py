"""Runs Python that a language model wrote: no network, no other process, no file but its own, and limits on the rest.

Reads the program's texts; writes them into the folder of a sandbox, emptied afterwards. Where a machine has nothing
that keeps such a program from the network or from the user's files, it is not run.

The program is one process with one thread; it can start no other and become no other. It has Python's standard library
and may read what every user may read of the system folders, packages installed there included.
"""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from autovcoder.errors import InputError
from hdl_sim import seccomp
from hdl_sim.limits import Limits
from hdl_sim.sandbox import Finished, Sandbox, open_sandbox

PYTHON_LIMITS = Limits(wall_s=60.0, cpu_s=10, memory_mb=512, output_kb=1024)
_STDIN = ".stdin"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_START = Path(__file__).with_name("start_alone.py")


def run_python(files: Mapping[str, str], main: str, stdin: str = "", limits: Limits = PYTHON_LIMITS) -> Finished:
    """Run one of ``files`` with a bare Python of this version: no packages, no variables, the same hashes every time.

    Args:
        files: name to text; plain names. All lie in one folder, the only one that the program may write to. Modules are
            found there after those of Python, so that none stands for one of Python's own.
        main: which of them is run, as ``__main__``.
        stdin: what it reads from its standard input.

    Raises:
        InputError: a name that is not a plain one, or is missing.
        ToolMissing: nothing on this machine contains such a program. ToolFailed: it could not be started or watched.
    """
    wrong = [name for name in files if not _NAME.fullmatch(name)]
    if wrong or main not in files:
        raise InputError("a program's file needs a plain name", where=repr(wrong[0] if wrong else main)[:100])
    python = _python()
    with open_sandbox(limits, programs=[python], readable=_parts(), apart=True) as sandbox:
        sandbox.require_containment()
        sandbox.write({**files, _STDIN: stdin})
        return sandbox.run(
            # Like -I, but for the variables, which are ours.
            [str(python), "-s", "-P", "-S", "-B", str(_START), _filter(sandbox), main],
            limits=limits,
            env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
            stdin=_STDIN,
        )


def containment() -> tuple[str, ...]:
    """What contains a model's Python on this machine, in words; `require_containment` says whether it is enough."""
    with _open() as sandbox:
        layers = []
        if sandbox.apart:
            layers.append("namespaces (network, processes, files, IPC, host name)")
        if sandbox.filtered:
            layers.append("system calls filtered (no sockets, no other processes)")
        if sandbox.landlock_abi:
            layers.append(f"Landlock ABI {sandbox.landlock_abi}")
        return (*layers, "limits")


def require_containment() -> None:
    """Make sure that what a model wrote may be run here; call it before a cocotb testbench of a model is simulated.

    A user's own is run with whatever containment there is.

    Raises:
        ToolMissing: it may not.
    """
    with _open() as sandbox:
        sandbox.require_containment()


def _open() -> AbstractContextManager[Sandbox]:
    return open_sandbox(PYTHON_LIMITS, programs=[_python()], readable=_parts(), apart=True)


def _filter(sandbox: Sandbox) -> str:
    return seccomp.one_process_filter(threads=False).hex() if sandbox.filtered else ""


@functools.cache
def _python() -> Path:
    """This Python itself, not the environment that it runs in."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


@functools.cache
def _parts() -> Sequence[Path]:
    """Where its standard library lies."""
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    names = {sysconfig.get_path(kind, vars=base) for kind in ("stdlib", "platstdlib")}
    return (*(Path(name) for name in sorted(names)), _START)
