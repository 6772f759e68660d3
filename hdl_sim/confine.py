"""The worker that confines itself once and then runs one program after another: confinement costs a run nothing.

Started by `sandbox.py` as ``python -I -S -E confine.py FD``; standard library only, nothing of ours is imported.
Reads from the socket FD first how it is to be confined, then jobs; answers each. All of it is JSON behind a 4-byte
length, except that a program's process id comes, as 4 bytes, before its outcome.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
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
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 36, 38
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR, _FS_TRUNCATE, _FS_IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# The number of filesystem rights known to each Landlock ABI version, the last one for all later versions.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_POLL_MS = 5  # where there are no pidfds
# A program starts with these as it would from a shell, whatever Python does with them.
_DEFAULT_SIGNALS = (signal.SIGXFSZ, signal.SIGPIPE, signal.SIGINT)
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


class Confined:
    """This process after it confined itself for good: what it starts inherits that, and can do no more than it."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        landlock = Landlock()
        os.chdir(setup["folder"])
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        # Opened now, because Landlock will not let it be opened later.
        self._children = _open_children()
        if _LINUX:
            landlock.prctl(_PR_SET_CHILD_SUBREAPER, 1)
            landlock.prctl(_PR_SET_DUMPABLE, 0)  # what runs here, as the same user, may not trace this process
        if landlock.abi > 0:
            landlock.restrict(setup["readable"], [setup["folder"]])
        for name, limit in setup["rlimits"].items():
            _limit(getattr(resource, name), limit)
        self.landlock_abi = landlock.abi

    def run(self, job: Mapping[str, Any], control: socket.socket) -> dict[str, Any]:
        """Run one program to its end or its limits; afterwards nothing that it started is alive.

        Raises:
            ConnectionError: whoever asked is gone; the program is killed all the same.
        """
        started = time.monotonic()
        out_read, out_write = _pipe()
        err_read, err_write = _pipe()
        try:
            child = self._spawn(job, out_write, err_write)
        except OSError as error:
            for handle in (out_read, out_write, err_read, err_write):
                os.close(handle)
            return {"failure": f"{type(error).__name__}: {error}"}
        os.close(out_write)
        os.close(err_write)
        watch = _Watch(child, {out_read: bytearray(), err_read: bytearray()}, int(job["output_bytes"]))
        try:
            _limit_cpu(child, int(job["cpu_s"]))
            control.sendall(struct.pack("!I", child))
            killed = watch.until(started + float(job["wall_s"]), control)
            watch.end()
        finally:
            # Also reached when the asker is gone: the program must not outlive it.
            self._kill_all(child)
            output, errors = bytes(watch.output[out_read]), bytes(watch.output[err_read])
            os.close(out_read)
            os.close(err_read)
        status, usage = watch.ended()
        return {
            "failure": "",
            "returncode": os.waitstatus_to_exitcode(status),
            "stdout": output.decode(errors="replace"),
            "stderr": errors.decode(errors="replace"),
            "seconds": time.monotonic() - started,
            "killed": killed or ("output_limit" if watch.full else None),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_kb": usage.ru_maxrss if _LINUX else usage.ru_maxrss // 1024,
        }

    def _spawn(self, job: Mapping[str, Any], out: int, err: int) -> int:
        """Start the program in a session (or at least a group) of its own."""
        own: dict[str, Any] = {"setsid": True} if _LINUX else {"setpgroup": 0}
        dup = os.POSIX_SPAWN_DUP2
        actions = [(dup, self._null, 0), (dup, out, 1), (dup, err, 2)]
        # Unlike fork, it does not copy this process's page tables.
        return os.posix_spawn(
            job["argv"][0], job["argv"], job["env"], file_actions=actions, setsigdef=_DEFAULT_SIGNALS, **own
        )

    def _kill_all(self, leader: int) -> None:
        """Kill the group, then every descendant that left it: being a subreaper, this worker has inherited those."""
        _kill_group(leader)
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                if self._children is None:
                    return  # what left the group cannot be found; macOS has no subreaper either
                for child in _living(self._children):
                    try:
                        os.kill(child, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    return


class _Watch:
    """Collects a child's output until it ends, is too slow, or writes too much."""

    def __init__(self, child: int, output: dict[int, bytearray], limit: int) -> None:
        self.child, self.output, self.limit = child, output, limit
        self._status: tuple[int, Any] | None = None

    @property
    def full(self) -> bool:
        return sum(map(len, self.output.values())) > self.limit

    def until(self, deadline: float, control: socket.socket) -> str | None:
        with _handle_for_exit(self.child) as exit_handle:
            poll = select.poll()
            for handle in (*self.output, control.fileno(), *([exit_handle] if exit_handle is not None else [])):
                poll.register(handle, select.POLLIN)
            while self._status is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return "wall_timeout"
                for handle, _ in poll.poll(1 + left * 1000 if exit_handle is not None else _POLL_MS):
                    if handle == control.fileno():
                        raise ConnectionError  # no second job is ever sent, so this is the end of the stream
                    if handle in self.output and not self._read(handle):
                        poll.unregister(handle)
                if self.full:
                    return "output_limit"
                self._reap(os.WNOHANG)
        return None

    def end(self) -> None:
        """Kill what is left, and collect what the pipes still hold."""
        _kill_group(self.child)
        self._reap(0)
        for handle in self.output:
            os.set_blocking(handle, False)
            try:
                while not self.full and self._read(handle):
                    pass
            except BlockingIOError:
                pass
            del self.output[handle][self.limit + 1 :]

    def ended(self) -> tuple[int, Any]:
        """Wait status and resource usage, once `end` was called."""
        if self._status is None:
            raise ChildProcessError("the child was not waited for")
        return self._status

    def _reap(self, options: int) -> None:
        if self._status is None:
            pid, status, usage = os.wait4(self.child, options)
            if pid:
                self._status = (status, usage)

    def _read(self, handle: int) -> bool:
        data = os.read(handle, 65536)
        self.output[handle] += data
        return bool(data)


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


def _pipe() -> tuple[int, int]:
    return os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()  # os.pipe's are not inherited either


def _open_children() -> int | None:
    """The file that lists this process's children, or None where the system has none."""
    try:
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _living(children: int) -> list[int]:
    os.lseek(children, 0, os.SEEK_SET)
    return [int(pid) for pid in os.read(children, 1 << 20).split()]


def _limit(which: int, limit: int) -> None:
    highest = resource.getrlimit(which)[1]
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    try:
        resource.setrlimit(which, (limit, limit))
    except (OSError, ValueError):
        if _LINUX:
            raise
        # macOS refuses some limits, such as the address space; `sandbox.active_layers` does not claim them there.


def _limit_cpu(child: int, seconds: int) -> None:
    """Limit one program, not this process, whose own time adds up over the runs. Linux only."""
    if hasattr(resource, "prlimit"):
        try:
            # One second later the kernel kills a program that survives SIGXCPU.
            resource.prlimit(child, resource.RLIMIT_CPU, (seconds, seconds + 1))
        except ProcessLookupError:
            return  # it has ended already


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _receive(control: socket.socket) -> Any:
    """The next JSON message."""
    (size,) = struct.unpack("!I", _receive_bytes(control, 4))
    return json.loads(_receive_bytes(control, size))


def _receive_bytes(control: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = control.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _send(control: socket.socket, message: Mapping[str, Any]) -> None:
    data = json.dumps(message).encode()
    control.sendall(struct.pack("!I", len(data)) + data)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)  # no program may talk to whoever started this
    try:
        try:
            confined = Confined(_receive(control))
        except OSError as error:
            _send(control, {"failure": f"{type(error).__name__}: {error}"})
            return
        _send(control, {"landlock_abi": confined.landlock_abi})
        while True:
            answer = confined.run(_receive(control), control)
            if answer["failure"]:
                control.sendall(struct.pack("!I", 0))
            _send(control, answer)
    except ConnectionError:
        return


if __name__ == "__main__":
    main()
