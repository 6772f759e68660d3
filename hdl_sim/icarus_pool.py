"""`Icarus` in processes of its own: every core works, and what breaks the front end breaks nothing else.

Reads nothing and writes nothing; `icarus_process.py` is the other side.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from autovcoder.errors import AutoVCoderError, InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench, Diagnostic, Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.pool import Pool
from hdl_sim.simulator import DEFAULT_LIMITS

CRASH = "FrontEndCrash"
_CRASHED = Diagnostic(severity="error", message="the front end crashes on this text", code=CRASH)


_ERRORS = {error.__name__: error for error in (InputError, ToolMissing, ToolFailed)}


class IcarusPool:
    """The `Simulator` for Icarus Verilog, with a process for each thread that asks.

    What it says is what `Icarus` says, but for a design on which the front end crashes: that one is ``forbidden``.
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

    def _verdict(self, reply: bytes | None) -> Verdict:
        if reply is not None:
            return Verdict.model_validate_json(reply)
        return Verdict(
            status="forbidden", stage="parse", diagnostics=(_CRASHED,), log_tail="", seconds=0.0, simulator=self.name
        )


class _Process:
    """One process and the connection to it."""

    def __init__(self) -> None:
        self.is_cut = False
        self.environment = _environment()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    # -P: a folder that somebody works in is no place to import from.
                    [sys.executable, "-P", "-m", "hdl_sim.icarus_process", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
                )
            except OSError as error:
                ours.close()
                raise ToolFailed("cannot start a process to simulate in", fix=str(error)) from None
        self._socket = ours
        # A second descriptor of the same socket: shutting down one ends what waits on the other.
        self._connection = Connection(os.dup(ours.fileno()))

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

    def close(self) -> None:
        """End it; it ends what it still runs, and itself, when it sees the socket close."""
        self.cut()
        self._socket.close()
        self._connection.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_POOL: Pool[_Process] = Pool(most_idle=2 * (os.cpu_count() or 1))


def _ask(*job: Any) -> bytes | None:
    """The reply to a job; None when the process died of it, twice, for once may have been somebody else's doing."""
    for _ in range(2):
        process = _POOL.take(lambda process: process.environment == _environment(), _Process)
        try:
            kind, reply = process.ask(job)
        except (EOFError, OSError):
            if process.is_cut:
                raise ToolFailed("the simulation was ended") from None
            process.close()
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
    what, where, fix = reply.decode().split("\0")
    return _ERRORS.get(kind, ToolFailed)(what, where=where, fix=fix)
