"""`Icarus` in processes of its own: every core works, and a crash of the front end is one design's.

Reads nothing and writes nothing; `icarus_process.py` is the other side.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from autovcoder.errors import AutoVCoderError, InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench, Diagnostic, Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.pool import Pool
from hdl_sim.run_folders import remove_folders
from hdl_sim.simulator import CRASH, DEFAULT_LIMITS

_START_S, _END_S = 60.0, 5.0
_ERRORS = {error.__name__: error for error in (InputError, ToolMissing, ToolFailed)}
_CRASHED = Diagnostic(severity="error", message="the front end crashes on this text", code=CRASH)


class IcarusPool:
    """The `Simulator` for Icarus Verilog, with a process for each thread that asks.

    What it says is what `Icarus` says, but for a design on which the front end crashes: that one is ``forbidden``. The
    processes are kept for the next call, whoever makes it.
    """

    def __init__(self) -> None:
        self._here = Icarus()

    @property
    def name(self) -> str:
        return self._here.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """See `hdl_sim.icarus.Icarus.run`."""
        reply = _ask("run", design, bench, limits)
        if reply is None and _ask("run", None, bench, limits) is None:
            raise InputError("the front end crashes on the testbench", where=bench.top, fix="simplify it")
        return self._verdict(reply)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """See `hdl_sim.icarus.Icarus.compile_only`."""
        return self._verdict(_ask("compile_only", design, limits))

    def dump(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """See `hdl_sim.icarus.Icarus.dump`."""
        return _ask("dump", design, bench, limits) or b""

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """See `hdl_sim.icarus.Icarus.printed`."""
        return _ask("printed", design, bench, limits) or b""

    def close(self) -> None:
        """End the idle processes; a later call starts new ones."""
        _POOL.close()

    def _verdict(self, reply: bytes | None) -> Verdict:
        if reply is not None:
            return Verdict.model_validate_json(reply)
        return Verdict(status="forbidden", stage="parse", diagnostics=(_CRASHED,), simulator=self.name)


class _Process:
    """One process and the connection to it."""

    def __init__(self) -> None:
        self.is_cut = False
        self.environment = _environment()
        with tempfile.TemporaryFile() as said:
            try:
                self._start(said.fileno())
            except OSError as error:
                raise ToolFailed("cannot start a process to simulate in", fix=str(error)) from None
            try:
                started = self._connection.poll(_START_S) and self._connection.recv_bytes() == b"ready"
            except (EOFError, OSError):
                started = False
            except BaseException:
                self.close()
                raise
            if not started:
                self.close()
                said.seek(0)
                last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise ToolFailed("the process to simulate in did not start", where=sys.executable, fix=last)

    def _start(self, errors: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    # -P: a folder that somebody works in is no place to import from.
                    [sys.executable, "-P", "-m", "hdl_sim.icarus_process", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
                )
            except OSError:
                ours.close()
                raise
        self._socket = ours
        try:
            # A second descriptor of the same socket: shutting down one ends what waits on the other.
            self._connection = Connection(os.dup(ours.fileno()))
        except OSError:
            ours.close()
            self._process.wait()
            raise

    @property
    def usable(self) -> bool:
        return not self.is_cut and self._process.poll() is None

    def ask(self, job: tuple[Any, ...]) -> tuple[str, bytes]:
        """The kind of a reply, and it; an EOFError or OSError when the process is gone."""
        self._connection.send_bytes(pickle.dumps(job))
        kind = self._connection.recv_bytes().decode()
        return kind, self._connection.recv_bytes()

    def cut(self) -> None:
        self.is_cut = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def clear(self) -> None:
        """Nothing: it keeps only what is the same for the next job."""

    def close(self) -> int:
        """End it, and return how it ended; it ends what it still runs, and itself, when it sees the socket close."""
        self.cut()
        self._socket.close()
        self._connection.close()
        try:
            status = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0:
            remove_folders(self._process.pid)
        return status


_POOL: Pool[_Process] = Pool(most_idle=2 * (os.cpu_count() or 1))


def _ask(*job: Any) -> bytes | None:
    """The reply to a job; None when the process crashed at it, twice, for once may have been something else.

    Raises:
        ToolFailed: the process ended, and not by a crash.
    """
    for _ in range(2):
        process = _POOL.take(lambda process: process.environment == _environment(), _Process)
        try:
            kind, reply = process.ask(job)
        except (EOFError, OSError):
            if process.is_cut:
                raise ToolFailed("the simulation was ended") from None
            status = process.close()
            if status >= 0 or -status in (signal.SIGKILL, signal.SIGTERM):
                raise ToolFailed(
                    f"the process to simulate in ended (status {status})", fix="run fewer at once, or again"
                ) from None
            continue
        except BaseException:
            # An interrupt: it is in the middle of a job, and closing it ends that.
            process.close()
            raise
        finally:
            _POOL.give(process)
        if kind == "reply":
            return reply
        raise _error(kind, reply)
    return None


def _environment() -> tuple[str | None, ...]:
    """What decides which tools are found and where they run."""
    return os.environ.get("PATH"), os.environ.get("TMPDIR")


def _error(kind: str, reply: bytes) -> AutoVCoderError:
    what, where, fix = json.loads(reply)
    return _ERRORS.get(kind, ToolFailed)(what, where=where, fix=fix)
