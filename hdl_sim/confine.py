"""The worker that runs one confined program after another, so that confinement costs no interpreter start a run.

Started by `sandbox.py` as ``python -I -S -E confine.py FD``; standard library only, nothing of ours is imported.
Reads jobs from the socket FD and answers each with its outcome; both are JSON behind a 4-byte length.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# Linux numbers, the same on every architecture that Python supports there (asm-generic).
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR, _FS_TRUNCATE, _FS_IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# The number of filesystem rights known to each Landlock ABI version, the last one for all later versions.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_POLL_S = 0.005  # where there are no pidfds


class Landlock:
    """Rules for the filesystem, TCP and signals that no later step of the program can lift (Linux 5.13 and later)."""

    def __init__(self) -> None:
        self.abi = 0
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._libc.syscall.restype = ctypes.c_long
            self.abi = max(0, self._call(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))

    def _call(self, number: int, *arguments: Any) -> int:
        return int(self._libc.syscall(ctypes.c_long(number), *arguments))

    def prctl(self, option: int, value: int) -> None:
        zero = ctypes.c_ulong(0)
        if sys.platform == "linux" and self._libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")

    def restrict(self, readable: Iterable[str], writable: Iterable[str]) -> None:
        """Confine this process for good: read and execute ``readable``, everything in ``writable``, nothing else."""
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
        self.prctl(_PR_SET_NO_NEW_PRIVS, 1)
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


def run_job(job: Mapping[str, Any], landlock: Landlock, control: socket.socket) -> dict[str, Any]:
    """Run one program to its end or its limits; afterwards nothing that it started is alive.

    Raises:
        ConnectionError: whoever asked is gone; the program is killed all the same.
    """
    started = time.monotonic()
    out_read, out_write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    err_read, err_write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    fail_read, fail_write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    child = os.fork()
    if child == 0:
        _become(job, landlock, out_write, err_write, fail_write)
    for handle in (out_write, err_write, fail_write):
        os.close(handle)
    try:
        failure = os.read(fail_read, 1000).decode(errors="replace")  # empty once exec succeeded
        watch = _Watch(child, {out_read: bytearray(), err_read: bytearray()}, int(job["output_bytes"]))
        killed = watch.until(started + float(job["wall_s"]), control)
        status, usage = watch.end()
    finally:
        # Also reached when the asker is gone: the program must not outlive it.
        _kill_all(child)
        for handle in (out_read, err_read, fail_read):
            os.close(handle)
    return {
        "failure": failure,
        "returncode": os.waitstatus_to_exitcode(status),
        "stdout": watch.output[out_read].decode(errors="replace"),
        "stderr": watch.output[err_read].decode(errors="replace"),
        "seconds": time.monotonic() - started,
        "killed": killed or ("output_limit" if watch.full else None),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_kb": usage.ru_maxrss if sys.platform == "linux" else usage.ru_maxrss // 1024,
    }


class _Watch:
    """Collects a child's output until it ends, is too slow, or writes too much."""

    def __init__(self, child: int, output: dict[int, bytearray], limit: int) -> None:
        self.child, self.output, self.limit = child, output, limit
        self.status: tuple[int, Any] | None = None

    @property
    def full(self) -> bool:
        return sum(map(len, self.output.values())) > self.limit

    def until(self, deadline: float, control: socket.socket) -> str | None:
        with _handle_for_exit(self.child) as exit_handle, selectors.DefaultSelector() as selector:
            for handle in (*self.output, control.fileno(), *([exit_handle] if exit_handle is not None else [])):
                selector.register(handle, selectors.EVENT_READ)
            while self.status is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return "wall_timeout"
                for key, _ in selector.select(left if exit_handle is not None else min(left, _POLL_S)):
                    if key.fd == control.fileno():
                        raise ConnectionError  # no second job is ever sent, so this is the end of the stream
                    if key.fd in self.output and not self._read(key.fd):
                        selector.unregister(key.fd)
                if self.full:
                    return "output_limit"
                self._poll()
        return None

    def _poll(self) -> None:
        pid, status, usage = os.wait4(self.child, os.WNOHANG)
        if pid:
            self.status = (status, usage)

    def _read(self, handle: int) -> bool:
        data = os.read(handle, 65536)
        self.output[handle] += data
        return bool(data)

    def end(self) -> tuple[int, Any]:
        """Kill what is left, collect what the pipes still hold, and return wait status and resource usage."""
        _kill_group(self.child)
        if self.status is None:
            _, status, usage = os.wait4(self.child, 0)
            self.status = (status, usage)
        _kill_all(self.child)
        for handle in self.output:
            os.set_blocking(handle, False)
            try:
                while not self.full and self._read(handle):
                    pass
            except BlockingIOError:
                pass
            del self.output[handle][self.limit + 1 :]
        return self.status


@contextmanager
def _handle_for_exit(child: int) -> Iterator[int | None]:
    """A descriptor that becomes readable when the child ends, or None where the system has none."""
    try:
        handle = os.pidfd_open(child)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _become(job: Mapping[str, Any], landlock: Landlock, out: int, err: int, fail: int) -> None:
    """In the forked child: turn into the job's program. Never returns."""
    try:
        os.setsid()
        landlock.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(job["cwd"])
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        if landlock.abi > 0:
            landlock.restrict(job["readable"], [job["cwd"]])
        for name, (soft, hard) in job["rlimits"].items():
            _limit(getattr(resource, name), soft, hard)
        for number in (signal.SIGXFSZ, signal.SIGPIPE, signal.SIGINT):  # Python ignores or handles these
            signal.signal(number, signal.SIG_DFL)
        os.execve(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - no shell is what is wanted
    except BaseException as error:  # whatever it is must reach the parent, not a second main loop
        os.write(fail, f"{type(error).__name__}: {error}".encode()[:900])
    finally:
        os._exit(127)


def _limit(which: int, soft: int, hard: int) -> None:
    highest = resource.getrlimit(which)[1]
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError):
        if sys.platform == "linux":
            raise
        # macOS refuses some limits, such as the address space; `sandbox.active_layers` does not claim them there.


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _kill_all(leader: int) -> None:
    """Kill the group, then every descendant that left it: being a subreaper, this worker has inherited those."""
    _kill_group(leader)
    while True:
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - as above
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _receive(control: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = control.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def main() -> None:
    # A collection would touch, and so copy, memory that forked children share with this process.
    gc.freeze()
    control = socket.socket(fileno=int(sys.argv[1]))
    landlock = Landlock()
    if sys.platform == "linux":
        landlock.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        control.sendall(struct.pack("!I", landlock.abi))
        while True:
            (size,) = struct.unpack("!I", _receive(control, 4))
            answer = json.dumps(run_job(json.loads(_receive(control, size)), landlock, control)).encode()
            control.sendall(struct.pack("!I", len(answer)) + answer)
    except ConnectionError:
        return


if __name__ == "__main__":
    main()
