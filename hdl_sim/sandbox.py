"""Runs a program so that it can harm nothing: own folder, limits on everything, and nothing left running after it.

Reads and writes nothing itself; keeps a pool of worker processes (`confine.py`), one for each run under way.

What is isolated, where the system has it (`active_layers` names what this machine has): files (Landlock: system
folders and the program's own folder, nothing else), TCP, signals to other processes, the environment, CPU and wall
time, address space, file size, descriptors, output, core dumps. What is not: UDP and Unix sockets by path, the number
of processes, the disk space of many files, the memory of several processes together, reading of what every user may
read below the system folders, and, without Landlock, all files of the user.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import ToolFailed, ToolMissing
from hdl_sim.limits import Limits

Reason = Literal["exited", "wall_timeout", "cpu_timeout", "output_limit", "file_limit", "memory", "signal"]
_SYSTEM_FOLDERS = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives", "/etc/localtime", "/dev/urandom", "/dev/zero",
    "/nix/store", "/opt/homebrew",
)  # fmt: skip
# A worker's own start, and the time that killing a large process takes, on top of the program's wall limit.
_GRACE_S = 30.0
_NO_MEMORY = ("bad_alloc", "out of memory", "cannot allocate memory", "memory exhausted", "memoryerror")
_SIGXCPU, _SIGXFSZ = 24, 25
# SIGKILL and SIGTERM, of the program or of what it ran in a shell.
_KILLED = (-9, -15, 128 + 9, 128 + 15)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a confined run ended.

    Attributes:
        returncode: the exit status, or minus the number of the signal that ended it.
        stdout: at most ``Limits.output_kb`` together with ``stderr``; bytes that are not UTF-8 are replaced.
        seconds: wall time, the start included.
        reason: ``exited`` by itself; or the limit that ended it; or ``signal``, by itself (a crash). ``memory`` is told
            from what the program said or from how much it held when it crashed: there is no certain sign.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    reason: Reason


def run_confined(
    argv: Sequence[str],
    *,
    cwd: Path,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    readable: Sequence[Path] = (),
) -> Finished:
    """Run a program without a shell, confined, with no stdin, and kill everything it started when it ends.

    Args:
        argv: the program's full path and its arguments.
        cwd: its folder, the only place it may write to.
        env: variables on top of ``PATH``, ``LANG``, ``HOME`` and ``TMPDIR``; nothing else is inherited.
        readable: further folders and files that it may read and execute.

    Raises:
        ToolMissing: there is no such program.
        ToolFailed: the run could not be started or watched; says nothing about the program's input.
    """
    program = Path(argv[0])
    if not program.is_file():
        raise ToolMissing("no such program", where=program)
    folder = str(cwd.resolve())
    job = {
        "argv": [str(program), *argv[1:]],
        "cwd": folder,
        "env": {
            "PATH": os.pathsep.join(dict.fromkeys((str(program.parent), "/usr/local/bin", "/usr/bin", "/bin"))),
            "LANG": "C",
            **dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), folder),
            **(env or {}),
        },
        "wall_s": limits.wall_s,
        "output_bytes": limits.output_kb * 1024,
        "readable": [*_SYSTEM_FOLDERS, *_install_folders(program), *map(str, readable)],
        "rlimits": {
            # One second later the kernel kills a program that survives SIGXCPU.
            "RLIMIT_CPU": (limits.cpu_s, limits.cpu_s + 1),
            "RLIMIT_AS": (limits.memory_mb << 20,) * 2,
            "RLIMIT_FSIZE": (limits.file_mb << 20,) * 2,
            "RLIMIT_NOFILE": (limits.open_files,) * 2,
            "RLIMIT_CORE": (0, 0),
        },
    }
    answer = _ask(job, limits.wall_s + _GRACE_S)
    if answer["failure"]:
        raise ToolFailed("could not start the program", where=program, fix=answer["failure"])
    reason = _reason(answer, limits)
    if not answer["killed"] and reason in ("signal", "exited") and answer["returncode"] in _KILLED:
        # None of our limits ends a program so: memory ran out for the whole machine, or somebody ended it.
        raise ToolFailed("the run was killed from outside", where=program, fix="run fewer at once, or again")
    return Finished(
        returncode=answer["returncode"],
        stdout=answer["stdout"],
        stderr=answer["stderr"],
        seconds=answer["seconds"],
        reason=reason,
    )


def end_runs(threads: Collection[int | None]) -> None:
    """End what these threads (by `threading.get_ident`) run confined now; `run_confined` raises ToolFailed in them."""
    _POOL.cut(threads)


def active_layers() -> list[str]:
    """The layers of confinement that work on this machine, in words, for ``autovcoder doctor``."""
    worker = _POOL.take()
    _POOL.give(worker)
    layers = ["own session, group killed at the end", "empty environment", "wall time", "output cap", "CPU time",
              "file size", "descriptors", "no core dumps"]  # fmt: skip
    if sys.platform == "linux":
        layers += ["address space", "no new privileges", "runaway descendants reaped"]
    if worker.landlock_abi:
        covers = "files" + ", TCP" * (worker.landlock_abi >= 4) + ", signals" * (worker.landlock_abi >= 6)
        layers.append(f"Landlock ABI {worker.landlock_abi} ({covers})")
    return layers


def _install_folders(program: Path) -> list[str]:
    """Where a program outside the system folders keeps its parts: ``bin``, and the ``lib`` and ``share`` beside it."""
    real = program.resolve()
    if any(real.is_relative_to(folder) for folder in _SYSTEM_FOLDERS):
        return []
    prefix = real.parent.parent
    return [str(real.parent), *(str(prefix / name) for name in ("lib", "lib64", "libexec", "share"))]


def _reason(answer: Mapping[str, Any], limits: Limits) -> Reason:
    code = answer["returncode"]
    if answer["killed"]:
        return "output_limit" if answer["killed"] == "output_limit" else "wall_timeout"
    # A driver that runs the real work in a shell reports its death as 128 + signal, or just fails.
    if code in (-_SIGXCPU, 128 + _SIGXCPU) or (code != 0 and answer["cpu_s"] >= limits.cpu_s):
        return "cpu_timeout"
    if code in (-_SIGXFSZ, 128 + _SIGXFSZ):
        return "file_limit"
    said = answer["stderr"][-4096:].lower()
    crashed = code < 0 or code > 128
    if code != 0 and any(words in said for words in _NO_MEMORY):
        return "memory"
    if crashed and answer["peak_kb"] >= limits.memory_mb * 1024 // 2:
        return "memory"
    return "signal" if code < 0 else "exited"


class _Worker:
    """One `confine.py` process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            script = str(Path(__file__).with_name("confine.py"))
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-E", script, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={},
                    start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
                )
            except OSError as error:
                ours.close()
                raise ToolFailed("cannot start the sandbox", where=sys.executable, fix=str(error)) from None
        self._socket = ours
        self.is_cut = False
        self._socket.settimeout(_GRACE_S)
        try:
            (self.landlock_abi,) = struct.unpack("!I", self._receive(4))
        except OSError:
            self.close()
            raise ToolFailed("the sandbox did not start", where=script) from None

    def ask(self, job: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        message = json.dumps(job).encode()
        self._socket.settimeout(timeout_s)
        self._socket.sendall(struct.pack("!I", len(message)) + message)
        (size,) = struct.unpack("!I", self._receive(4))
        answer: dict[str, Any] = json.loads(self._receive(size))
        return answer

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self._socket.recv(min(count - len(data), 1 << 20))
            if not part:
                raise ConnectionError("the sandbox ended")
            data += part
        return bytes(data)

    def cut(self) -> None:
        """From another thread: the one that waits in `ask` fails at once."""
        self.is_cut = True
        with contextlib.suppress(OSError):  # it is being closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the worker; it kills what it still runs when it sees the socket close."""
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Pool:
    """Idle workers, and which thread waits for which. A process that was forked from this one gets its own pool."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}
        self._owner = os.getpid()

    def take(self) -> _Worker:
        if self._owner != os.getpid():
            # Another process talks to these workers; the lock may have been held when we were forked.
            self._reset()
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            # Registering the same function again is harmless: it closes what is idle, and then nothing is.
            atexit.register(self.close)
            worker = _Worker()
        with self._lock:
            self._busy[threading.get_ident()] = worker
        return worker

    def give(self, worker: _Worker, *, usable: bool = True) -> None:
        """The end of what `take` began, by the same thread; a worker that was cut or is not usable is closed."""
        with self._lock:
            self._busy.pop(threading.get_ident(), None)
            usable = usable and not worker.is_cut
            if usable:
                self._idle.append(worker)
        if not usable:
            worker.close()

    def cut(self, threads: Collection[int | None]) -> None:
        with self._lock:
            for thread, worker in self._busy.items():
                if thread in threads:
                    worker.cut()

    def close(self) -> None:
        """End the idle workers; a process that was forked from their owner leaves them alone."""
        while self._idle and self._owner == os.getpid():
            self._idle.pop().close()


_POOL = _Pool()


def _ask(job: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    worker = _POOL.take()
    try:
        answer = worker.ask(job, timeout_s)
    except OSError as error:
        _POOL.give(worker, usable=False)
        raise ToolFailed("the sandbox broke", fix=str(error)) from None
    except BaseException:
        # An interrupt: the worker is in the middle of a run, and closing it ends that run.
        _POOL.give(worker, usable=False)
        raise
    _POOL.give(worker)
    return answer
