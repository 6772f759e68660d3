"""The worker that confines itself once and then runs one program after another: confinement costs a run nothing.

Started by `workers.py` with a socket; imports those modules of this package that need only the standard library. Reads
from the socket first how it is to be confined, then jobs; answers each. All of it is JSON behind 4 bytes of length, but
a program's process id comes, as 4 bytes, before its outcome, and behind the first answer, where nobody outside sees the
folder, a descriptor of it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hdl_sim import namespaces, seccomp
from hdl_sim.landlock import Landlock
from hdl_sim.start_alone import put_on
from hdl_sim.watch import Watch, kill_group

_PR_SET_DUMPABLE, _PR_SET_SECUREBITS, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 28, 36, 38
_NO_ROOT = 3  # what root starts has none of its rights, for good
# A program starts with these as it would from a shell, whatever Python does with them.
_DEFAULT_SIGNALS = (signal.SIGXFSZ, signal.SIGPIPE, signal.SIGINT)
_LINUX = sys.platform == "linux"


class Confined:
    """This process after it confined itself for good: what it starts inherits that, and can do no more than it."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        # Before it becomes a user that a system with a private /dev/null would not let open it.
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.apart = bool(setup["apart"]) and _LINUX and namespaces.enter(setup["folder"], setup["readable"])
        landlock = Landlock()
        os.chdir(setup["folder"])
        # Opened now, because Landlock will not let it be opened later.
        self._children = _open_children()
        if _LINUX:
            landlock.prctl(_PR_SET_NO_NEW_PRIVS, 1)
            landlock.prctl(_PR_SET_CHILD_SUBREAPER, 1)
            landlock.prctl(_PR_SET_DUMPABLE, 0)  # what runs here, as the same user, may not trace this process
        if landlock.abi > 0:
            landlock.restrict(setup["readable"], [setup["folder"]])
        for name, limit in setup["rlimits"].items():
            _limit(getattr(resource, name), limit)
        if self.apart:
            _limit_processes(setup["processes"])
        elif setup["apart"] and _LINUX:
            with suppress(OSError):  # anybody else, or root that may not: it keeps what rights it has
                landlock.prctl(_PR_SET_SECUREBITS, _NO_ROOT)
        self.landlock_abi = landlock.abi
        self.filtered = _filter()

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
        watch = Watch(child, {out_read: bytearray(), err_read: bytearray()}, int(job["output_bytes"]))
        try:
            _limit_cpu(child, int(job["cpu_s"]))
            # Outside its namespace that number is another process.
            control.sendall(struct.pack("!I", 0 if self.apart else child))
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
        given = (dup, self._null, 0) if job["stdin"] is None else (os.POSIX_SPAWN_OPEN, 0, job["stdin"], os.O_RDONLY, 0)
        actions = [given, (dup, out, 1), (dup, err, 2)]
        # Unlike fork, it does not copy this process's page tables.
        return os.posix_spawn(
            job["argv"][0], job["argv"], job["env"], file_actions=actions, setsigdef=_DEFAULT_SIGNALS, **own
        )

    def _kill_all(self, leader: int) -> None:
        """Kill the group, then every descendant that left it: being a subreaper, this worker has inherited those."""
        kill_group(leader)
        if self.apart:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # the whole namespace but for this process, at once
            # All that is orphaned there is this process's child; there is no list of children to look at.
            with suppress(ChildProcessError):
                while True:
                    os.waitpid(-1, 0)
            return
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


def _limit_processes(most: int) -> None:
    """Limit the processes of this user, where those of this namespace are counted alone: Linux 5.14, or root's way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, hard))
    try:
        child = os.fork()
    except BlockingIOError:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
        return
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _filter() -> bool:
    """Filter the system calls of this process for good; False where the machine or its kernel has no filters."""
    if not seccomp.supported():
        return False
    try:
        put_on(seccomp.worker_filter())
    except OSError:
        return False
    return True


def _limit_cpu(child: int, seconds: int) -> None:
    """Limit one program, not this process, whose own time adds up over the runs. Linux only."""
    if hasattr(resource, "prlimit"):
        try:
            # One second later the kernel kills a program that survives SIGXCPU.
            resource.prlimit(child, resource.RLIMIT_CPU, (seconds, seconds + 1))
        except (ProcessLookupError, PermissionError):
            return  # it has ended already, or was quicker and has set itself a lower limit, which nobody may raise


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


def main(descriptor: int) -> None:
    """Serve the socket with this number until its other end is closed."""
    # The first process of a namespace gets what it handles from those inside too, and Python handles this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)  # no program may talk to whoever started this
    try:
        try:
            confined = Confined(_receive(control))
        except OSError as error:
            _send(control, {"failure": f"{type(error).__name__}: {error}"})
            return
        layers = {"landlock_abi": confined.landlock_abi, "apart": confined.apart, "filtered": confined.filtered}
        _send(control, layers)
        if confined.apart:
            folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
            socket.send_fds(control, [b"."], [folder])
            os.close(folder)
        while True:
            answer = confined.run(_receive(control), control)
            if answer["failure"]:
                control.sendall(struct.pack("!I", 0))
            _send(control, answer)
    except ConnectionError:
        return
