"""Starts a Python program that can start nothing else: puts a filter of system calls on this process, then runs it.

Run as ``python -P start_alone.py FILTER MAIN [ARGUMENT...]`` in the folder that holds MAIN, by `python_box.py` and
`cocotb_bench.py`; FILTER is hexadecimal, or empty where the machine has none. Standard library only.
"""

from __future__ import annotations

import builtins
import ctypes
import os
import sys
from types import ModuleType, TracebackType

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def put_on(program: bytes) -> None:
    """Filter the system calls of this thread and of all that it will start, for good.

    Args:
        program: as `hdl_sim.seccomp` makes it.

    Raises:
        OSError: the kernel does not take it.
    """

    class Fprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "cannot give up new privileges")
    fprog = Fprog(len(program) // 8, program)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(fprog), zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "cannot filter system calls")


def _report(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, _sys: ModuleType = sys
) -> None:
    """Print a traceback that begins with the program's own first line, not with the two of this file."""
    for _ in range(2):
        trace = trace and trace.tb_next
    _sys.__excepthook__(kind, error.with_traceback(trace), trace)


def main() -> None:
    program, name, *arguments = sys.argv[1:]
    if program:
        put_on(bytes.fromhex(program))
    sys.argv = [name, *arguments]
    sys.excepthook = _report
    # Programs use them, but Python has them from the module site, which is not loaded.
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    # Last, so that no file of the program stands for a module of Python's own.
    sys.path.append(os.getcwd())  # noqa: PTH109 - a draft waits for every module that is imported here
    with open(name, "rb") as file:  # noqa: PTH123
        code = compile(file.read(), name, "exec", dont_inherit=True)
    module = sys.modules["__main__"].__dict__
    for ours in [word for word in module if not word.startswith("__")]:
        del module[ours]
    module["__file__"] = name
    exec(code, module)  # noqa: S102 - what it is for


if __name__ == "__main__":
    main()
