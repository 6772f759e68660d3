"""Runs programs in `python_box` on a kernel that refuses some system calls, as other machines do.

Reads JSON from stdin: the numbers to refuse, with a first argument where only that is refused, and the programs, name
to files. Writes JSON to stdout: what contains them, and how each ended or why it was not run. A filter cannot be taken
off again, hence a process of its own.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import struct
import sys

from autovcoder.errors import ToolMissing
from hdl_sim.limits import Limits
from hdl_sim.python_box import containment, run_python


def refuse(calls: list[tuple[int, int | None]]) -> None:
    program = []
    for number, first in calls:
        if first is None:
            program += [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]
        else:
            program += [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, first),
                        (0x06, 0, 0, 0x00050001)]  # fmt: skip
    program.append((0x06, 0, 0, 0x7FFF0000))
    text = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)

    class Fprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.byref(Fprog(len(program), text)), 0, 0) == 0


def main() -> None:
    asked = json.load(sys.stdin)
    refuse([(number, first) for number, first in asked["refused"]])
    done = {}
    for name, files in asked["programs"].items():
        try:
            done[name] = dataclasses.asdict(run_python(files, "main.py", "", Limits(**asked["limits"])))
        except ToolMissing as error:
            done[name] = {"not_run": str(error)}
    json.dump({"containment": containment(), "done": done}, sys.stdout)


if __name__ == "__main__":
    main()
