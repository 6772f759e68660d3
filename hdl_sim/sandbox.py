"""Runs programs so that they can harm nothing: own folder, limits on everything, and nothing left running after them.

A worker process (`confine.py`, kept by `workers.py`) is confined once, for good, to a folder of its own; a `Sandbox` is
such a worker, lent for one piece of work, and its folder is empty before and after.

What is isolated, where the system has it (`active_layers` names what this machine has): files (Landlock: system
folders and the worker's own folder, nothing else), sockets of every kind and the kernel's rarer services (a filter of
system calls; without it only TCP, by Landlock), signals to other processes, the environment, CPU and wall time, address
space, file size, descriptors, output, core dumps. A sandbox that is `apart` also has namespaces of its own: no other
process, no network, a root folder with nothing else in it, none of root's rights, and a number of processes.

The files of a run are counted ten times a second and together held to 256 MiB and 10,000 (`watch.py`); a sandbox that
is apart has no room for more (`namespaces.py`).

What is not: the memory of several processes together; reading, and locks, of what every user may read below the system
folders. Without namespaces: what is written between two looks, or into files that are open and removed (as many as
descriptors, each of the file size); the number of processes; whether a file of the user exists, how large it is and
when it changed (stat); the worker from a program that was made to run code of its own; with a Landlock before ABI 3
(Linux 6.2) the user's files from being emptied, and without one all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import ToolFailed, ToolMissing
from hdl_sim.limits import Limits
from hdl_sim.workers import Confinement, Worker, give_worker, take_worker

Reason = Literal["exited", "wall_timeout", "cpu_timeout", "output_limit", "file_limit", "memory", "signal"]
_SYSTEM_FOLDERS = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives", "/etc/localtime", "/dev/urandom", "/dev/zero",
    "/nix/store", "/opt/homebrew",
)  # fmt: skip
# The time that killing a large process takes, on top of the program's wall limit.
_GRACE_S = 30.0
_NO_MEMORY = ("bad_alloc", "out of memory", "cannot allocate memory", "memory exhausted", "memoryerror")
_SIGXCPU, _SIGXFSZ = 24, 25
# SIGKILL and SIGTERM. An exit status above 128 is no signal: Icarus' compiler exits with its number of errors.
_KILLED = (-9, -15)
_LEAST_LANDLOCK = 3  # the first that keeps a file from being emptied


@dataclass(frozen=True, slots=True)
class Finished:
    """How a confined run ended.

    Attributes:
        returncode: the exit status, or minus the number of the signal that ended it.
        stdout: at most ``Limits.output_kb`` together with ``stderr``; bytes that are not UTF-8 are replaced.
        seconds: wall time, the start included.
        reason: ``exited`` by itself; or the limit that ended it; or ``signal``, by itself (a crash). ``memory`` is told
            from what the program said or from how much it held when it crashed: there is no certain sign.
            ``file_limit``: one file was too large, or all together too many.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    reason: Reason


class Sandbox:
    """A confined worker and its folder, lent by `open_sandbox`; runs one program at a time.

    Attributes:
        folder: where the programs run, the only place they may write to. Empty at first; the owner may read and write.
            The programs may have another path for it: to them give names alone.
        apart: whether it is in namespaces of its own. ``filtered``: whether system calls are filtered.
        landlock_abi: the version of Landlock, 0 where there is none.
    """

    def __init__(self, worker: Worker) -> None:
        self.apart = worker.apart
        self.filtered = worker.filtered
        self.landlock_abi = worker.landlock_abi
        self._worker = worker

    @property
    def folder(self) -> Path:
        return self._worker.folder

    def require_containment(self) -> None:
        """Make sure that code which anybody may have written can be run here.

        Raises:
            ToolMissing: nothing keeps it from the network, or from the user's files.
        """
        lacks = []
        if not self.apart and not self.filtered:
            lacks.append("the network (neither namespaces nor filters of system calls)")
        if not self.apart and self.landlock_abi < _LEAST_LANDLOCK:
            lacks.append("the user's files (neither namespaces nor a Landlock that knows truncation)")
        if lacks:
            raise ToolMissing(
                "a language model's Python is not run here",
                where="nothing keeps it from " + " and ".join(lacks),
                fix="use Linux 6.2 or later on x86-64 or aarch64, or a container that allows user namespaces",
            )

    def read_start(self, name: str, most: int) -> bytes:
        """The first bytes of a file that a program wrote, nothing where it is no file: it could have put anything."""
        try:
            with open(self.folder / name, "rb", opener=_open_plain) as file:
                return file.read(most) or b""
        except OSError:
            return b""

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files of the folder, by name.

        Raises:
            ToolFailed: they cannot be written.
        """
        try:
            for name, text in texts.items():
                (self.folder / name).write_text(text, encoding="utf-8", errors="replace")
                if self.apart:
                    (self.folder / name).chmod(0o644)  # what runs here may be another user
        except OSError as error:
            raise ToolFailed("cannot write what is to be simulated", where=self.folder, fix=str(error)) from None

    def run(
        self, argv: Sequence[str], *, limits: Limits, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> Finished:
        """Run a program without a shell, and kill everything it started when it ends.

        Args:
            argv: the program's full path and its arguments.
            limits: the wall time, CPU time and output of this run; the other limits are those of `open_sandbox`.
            env: variables on top of ``PATH``, ``LANG``, ``HOME`` and ``TMPDIR``; nothing else is inherited.
            stdin: name of a file of the folder that is its standard input; without one that is empty.

        Raises:
            ToolMissing: there is no such program.
            ToolFailed: the run could not be started or watched; says nothing about the program's input.
        """
        program = Path(argv[0])
        if not program.is_file():
            raise ToolMissing("no such program", where=program)
        job = {
            "argv": [str(program), *argv[1:]],
            "env": {
                "PATH": os.pathsep.join(dict.fromkeys((str(program.parent), "/usr/local/bin", "/usr/bin", "/bin"))),
                "LANG": "C",
                **dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), str(self._worker.inside)),
                **(env or {}),
            },
            "stdin": stdin,
            "wall_s": limits.wall_s,
            "cpu_s": limits.cpu_s,
            "output_bytes": limits.output_kb * 1024,
        }
        try:
            answer = self._worker.ask(job, limits.wall_s + _GRACE_S)
        except OSError as error:
            self._worker.close()
            raise ToolFailed("the sandbox broke", fix=str(error)) from None
        except BaseException:
            # An interrupt: the worker is in the middle of a run, and closing it ends that run.
            self._worker.close()
            raise
        if answer["failure"]:
            raise ToolFailed("could not start the program", where=program, fix=answer["failure"])
        reason = _reason(answer, limits)
        # What may run any code can also end itself so, by its CPU limit for one.
        could_be_its_own = self._worker.confinement.apart
        if not could_be_its_own and not answer["killed"] and reason == "signal" and answer["returncode"] in _KILLED:
            # None of our limits ends a program so: memory ran out for the whole machine, or somebody ended it.
            raise ToolFailed("the run was killed from outside", where=program, fix="run fewer at once, or again")
        return Finished(
            returncode=answer["returncode"],
            stdout=answer["stdout"],
            stderr=answer["stderr"],
            seconds=answer["seconds"],
            reason=reason,
        )


@contextmanager
def open_sandbox(
    limits: Limits, *, programs: Sequence[Path] = (), readable: Sequence[Path] = (), apart: bool = False
) -> Iterator[Sandbox]:
    """Lend a sandbox; afterwards its folder is emptied.

    Args:
        limits: memory, file size and descriptors for all that runs in it.
        programs: what is to be run: where their parts lie becomes readable. ``readable``: further such places.
        apart: in namespaces of its own, where the system allows it, for what may run any code: it sees no other process
            and no network, and of the files only those.

    Raises:
        ToolFailed: a worker or its folder cannot be made.
    """
    install = [folder for program in programs for folder in _install_folders(program)]
    confinement = Confinement(
        readable=tuple(dict.fromkeys((*_SYSTEM_FOLDERS, *install, *map(str, readable)))),
        rlimits=(
            ("RLIMIT_AS", limits.memory_mb << 20),
            ("RLIMIT_FSIZE", limits.file_mb << 20),
            ("RLIMIT_NOFILE", limits.open_files),
            ("RLIMIT_CORE", 0),
        ),
        apart=apart,
    )
    worker = take_worker(confinement)
    try:
        yield Sandbox(worker)
    finally:
        give_worker(worker)


def files_are_confined() -> bool:
    """Whether what is simulated is kept away from this user's files on this machine."""
    with open_sandbox(Limits()) as sandbox:
        return sandbox.landlock_abi > 0


def active_layers() -> list[str]:
    """The layers of confinement that work on this machine, in words, for ``autovcoder doctor``."""
    with open_sandbox(Limits()) as sandbox:
        landlock_abi, filtered = sandbox.landlock_abi, sandbox.filtered
    layers = ["own session, group killed at the end", "empty environment", "wall time", "output cap",
              "file size", "descriptors", "no core dumps"]  # fmt: skip
    if sys.platform == "linux":
        layers += ["CPU time", "address space", "no new privileges", "runaway descendants reaped"]
    if filtered:
        layers.append("system calls filtered")
    if landlock_abi:
        covers = "files" + ", TCP" * (landlock_abi >= 4) + ", signals" * (landlock_abi >= 6)
        layers.append(f"Landlock ABI {landlock_abi} ({covers})")
    return layers


def _open_plain(path: str, flags: int) -> int:
    """Follow no link, wait for no writer of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


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
        killed: Reason = answer["killed"]
        return killed
    # A program that runs the real work in another one just fails when that one's time is up.
    if code == -_SIGXCPU or (code != 0 and answer["cpu_s"] >= limits.cpu_s):
        return "cpu_timeout"
    if code == -_SIGXFSZ:
        return "file_limit"
    said = answer["stderr"][-4096:].lower()
    if code != 0 and any(words in said for words in _NO_MEMORY):
        return "memory"
    if code < 0 and answer["peak_kb"] >= limits.memory_mb * 1024 // 2:
        return "memory"
    return "signal" if code < 0 else "exited"
