"""Runs programs in `python_box` on a machine that lacks something, as other machines do.

Reads JSON from stdin: system calls that the kernel is to refuse (a number, with a first argument where only that is
refused), the newest Landlock that workers are to know and whether they know filters, the user to be, a folder to mount
memory on, whether /dev/null is root's alone, and the programs, name to files. Writes JSON to stdout: what contains
them, how each ended or why it was not run, and what is left. None of that can be taken back, hence a process of its
own.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import stat
import struct
import sys
import tempfile
from pathlib import Path

import psutil

from autovcoder.errors import ToolMissing
from hdl_sim import workers
from hdl_sim.limits import Limits
from hdl_sim.python_box import containment, run_python
from hdl_sim.run_folders import folder_prefix, memory_folder

PROJECT = Path(__file__).parents[2]
LIBC = ctypes.CDLL(None, use_errno=True)


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

    fprog = Fprog(len(program), text)
    # Root may without giving up new privileges, which the worker is to do itself.
    if LIBC.prctl(22, 2, ctypes.byref(fprog), 0, 0) != 0:
        assert LIBC.prctl(38, 1, 0, 0, 0) == 0
        assert LIBC.prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0


def know_less(abi: int, *, filters: bool) -> None:
    """Workers are to know no later Landlock: they then ask the kernel for what that one has, and get no more.

    Args:
        filters: whether they know filters for this machine.
    """
    lower = (
        "from hdl_sim import seccomp; from hdl_sim.landlock import Landlock as L; start = L.__init__; "
        f"L.__init__ = lambda self: (start(self), setattr(self, 'abi', min(self.abi, {abi})))[0]; "
    )
    if not filters:
        lower += "seccomp.supported = lambda: False; "
    workers._START = workers._START.replace("from hdl_sim.confine", lower + "from hdl_sim.confine")


def have_own_mounts() -> None:
    assert LIBC.unshare(0x00020000) == 0
    assert LIBC.mount(b"none", b"/", None, 16384 | (1 << 18), None) == 0


def mount_memory(folder: str) -> None:
    assert LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"mode=1777") == 0


def close_null() -> None:
    """Have a /dev/null that nobody but root may open: a careless tool, run by root, can leave it so."""
    have_own_mounts()
    with tempfile.TemporaryDirectory() as folder:
        mount_memory(folder)
        device = Path(folder, "null")
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        assert LIBC.mount(bytes(device), os.devnull.encode(), None, 4096, None) == 0
        assert LIBC.umount(folder.encode()) == 0


def become(user: int) -> None:
    """Be a user that may read this Python and the project, in whoever's home they lie."""
    have_own_mounts()
    handles = {place: os.open(place, os.O_PATH) for place in (PROJECT, Path(sys.base_prefix), Path(sys.prefix))}
    closed = [path for place in handles for path in place.parents if not path.stat().st_mode & 0o001]
    for folder in {path for path in closed if not any(other in closed for other in path.parents)}:
        mount_memory(str(folder))
        folder.chmod(0o755)
    for place, handle in handles.items():
        if not place.exists():
            place.mkdir(parents=True)
            assert LIBC.mount(f"/proc/self/fd/{handle}".encode(), bytes(place), None, 4096 | 16384, None) == 0
        os.close(handle)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def main() -> None:
    asked = json.load(sys.stdin)
    know_less(asked["landlock"], filters=asked["filters"])
    if asked["mount"]:
        have_own_mounts()
        mount_memory(asked["mount"])
    if asked["null_closed"]:
        close_null()
    if asked["user"]:
        become(asked["user"])
    refuse([(number, first) for number, first in asked["refused"]])
    done = {}
    for name, files in asked["programs"].items():
        try:
            done[name] = dataclasses.asdict(run_python(files, "main.py", "", Limits(**asked["limits"])))
        except ToolMissing as error:
            done[name] = {"not_run": str(error)}
    contained = containment()
    below = psutil.Process().children(recursive=True)
    zombies = sum(process.status() == psutil.STATUS_ZOMBIE for process in below)
    workers._POOL.close()
    folders = [str(path) for path in Path(memory_folder() or "/tmp").glob(f"{folder_prefix()}*")]
    json.dump({"containment": contained, "done": done, "zombies": zombies, "folders": folders}, sys.stdout)


if __name__ == "__main__":
    main()
