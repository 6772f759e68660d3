"""Landlock: rules for files, TCP and signals that a process puts on itself and that nothing it starts can lift.

Reads nothing and writes nothing; `confine.py` uses it inside a worker. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from typing import Any

# Linux numbers, the same on every architecture that Python supports there (asm-generic).
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR, _FS_TRUNCATE, _FS_IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# The number of filesystem rights known to each Landlock ABI version, the last one for all later versions.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_LINUX = sys.platform == "linux"


class Landlock:
    """Rules for the filesystem, TCP and signals that no later step of the program can lift (Linux 5.13 and later)."""

    def __init__(self) -> None:
        self.abi = 0
        if _LINUX:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._libc.syscall.restype = ctypes.c_long
            self.abi = max(0, self._call(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))

    def _call(self, number: int, *arguments: Any) -> int:
        return int(self._libc.syscall(ctypes.c_long(number), *arguments))

    def prctl(self, option: int, value: int) -> None:
        zero = ctypes.c_ulong(0)
        if _LINUX and self._libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")

    def restrict(self, readable: Iterable[str], writable: Iterable[str]) -> None:
        """Confine this process for good: read and execute ``readable``, everything in ``writable``, nothing else.

        It must have given up new privileges (PR_SET_NO_NEW_PRIVS). Before ABI 3 a file can be emptied all the same.
        """
        every = (1 << _FS_RIGHTS.get(self.abi, 16)) - 1
        network = 3 if self.abi >= 4 else 0  # TCP bind and connect, with no rule that allows any
        scoped = 3 if self.abi >= 6 else 0  # abstract Unix sockets and signals stay inside
        attributes = struct.pack("QQQ", every, network, scoped)
        size = 8 if self.abi < 4 else 16 if self.abi < 6 else 24
        ruleset = self._call(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
        if ruleset < 0:
            raise OSError(ctypes.get_errno(), "cannot create a Landlock ruleset")
        for path in readable:
            self._allow(ruleset, path, _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR)
        for path in writable:
            # A file made here cannot be executed: no tool of ours compiles to machine code.
            self._allow(ruleset, path, every & ~_FS_EXECUTE)
        self._allow(ruleset, "/dev/null", _FS_READ_FILE | _FS_WRITE_FILE | _FS_TRUNCATE & every)
        if self._call(_LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0)) != 0:
            raise OSError(ctypes.get_errno(), "cannot enforce the Landlock ruleset")
        os.close(ruleset)

    def _allow(self, ruleset: int, path: str, rights: int) -> None:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # a folder that this machine lacks needs no rule
        try:
            if not os.path.isdir(path):  # noqa: PTH112 - pathlib would double this worker's start
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights, handle)
            if self._call(_LANDLOCK_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0)) != 0:
                raise OSError(ctypes.get_errno(), f"cannot add a Landlock rule for {path}")
        finally:
            os.close(handle)
