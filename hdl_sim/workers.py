"""The worker processes behind the sandbox: started, asked, kept while idle, ended.

Reads and writes the workers' sockets and their folders, in memory where there is room.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autovcoder.errors import ToolFailed
from hdl_sim.pool import Pool
from hdl_sim.run_folders import empty, folder_prefix, memory_folder, remove, sweep_once

START_S = 30.0  # a worker that has not started by then never will
# Of all that runs in a worker apart, threads too: a simulation is a few.
MOST_PROCESSES = 64
# In a folder for packages ours may lie beside others: last, so that none stands for a module of Python's own.
_START = "import sys; sys.path.append(sys.argv[1]); from hdl_sim.confine import main; main(int(sys.argv[2]))"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a worker gives up for good; one worker serves all work that asks for the same."""

    readable: tuple[str, ...]
    rlimits: tuple[tuple[str, int], ...]
    apart: bool = False  # in namespaces of its own, where the system allows it


class Worker:
    """One `confine.py` process, its folder, and the socket to it.

    ``inside`` is the folder's path for what runs there, ``folder`` for this process: the same unless it is apart.
    """

    def __init__(self, confinement: Confinement) -> None:
        sweep_once()
        self.confinement = confinement
        self.place = memory_folder()
        self._open = True
        self._handle: int | None = None
        try:
            self.inside = self.folder = Path(tempfile.mkdtemp(prefix=folder_prefix(), dir=self.place)).resolve()
        except OSError as error:
            raise ToolFailed("cannot make a folder to simulate in", where=self.place or "", fix=str(error)) from None
        try:
            self._start()
        except BaseException:
            remove(self.inside)
            raise

    def _start(self) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ToolFailed("cannot start the sandbox", fix=str(error)) from None
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _START, str(Path(__file__).parent.parent), str(theirs.fileno())],
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
        self._socket.settimeout(START_S)
        setup = {
            "folder": str(self.folder), "readable": self.confinement.readable,
            "rlimits": dict(self.confinement.rlimits), "apart": self.confinement.apart, "processes": MOST_PROCESSES,
        }  # fmt: skip
        try:
            self._send(setup)
            answer = self._receive_message()
            if answer.get("apart"):
                (self._handle,) = socket.recv_fds(self._socket, 1, 1)[1]
                os.set_inheritable(self._handle, False)
                self.folder = Path(f"/proc/self/fd/{self._handle}")
        except (OSError, ValueError) as error:
            answer = {"failure": str(error)}
        except BaseException:
            self.close()
            raise
        if "landlock_abi" not in answer:
            self.close()
            raise ToolFailed("the sandbox did not start", where=self.folder, fix=answer["failure"])
        self.landlock_abi: int = answer["landlock_abi"]
        self.apart: bool = answer["apart"]
        self.filtered: bool = answer["filtered"]

    def ask(self, job: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Run a job; an OSError when the worker is gone, and then what it ran is dead too."""
        self._socket.settimeout(timeout_s)
        self._send(job)
        (child,) = struct.unpack("!I", self._receive(4))
        try:
            return self._receive_message()
        except ConnectionError:
            if child:
                # Somebody killed the worker, which therefore did not kill its program.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child, signal.SIGKILL)
            raise

    def _send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message).encode()
        self._socket.sendall(struct.pack("!I", len(data)) + data)

    def _receive_message(self) -> dict[str, Any]:
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

    @property
    def usable(self) -> bool:
        return self._open and self._process.poll() is None

    def cut(self) -> None:
        """From another thread: the one that waits in `ask` fails at once."""
        self._open = False
        with suppress(OSError):  # it is closed, or nobody is there any more
            self._socket.shutdown(socket.SHUT_RDWR)

    def clear(self) -> None:
        """Empty the folder; a folder that cannot be emptied closes the worker."""
        try:
            empty(self.folder)
        except OSError:
            self.close()

    def close(self) -> None:
        """End the worker and remove its folder; it kills what it still runs when it sees the socket close."""
        # A process that was forked from this one may hold the socket too: closing it alone would not be noticed.
        self.cut()
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            self.folder = self.inside  # that number may soon be another file's
        remove(self.inside)


_POOL: Pool[Worker] = Pool(most_idle=2 * (os.cpu_count() or 1))


def take_worker(confinement: Confinement) -> Worker:
    """Lend a worker of this process; `give_worker` takes it back."""
    # Once the memory file system is full, a new worker gets its folder elsewhere.
    place = memory_folder()
    return _POOL.take(
        lambda worker: worker.confinement == confinement and worker.place == place, lambda: Worker(confinement)
    )


def give_worker(worker: Worker) -> None:
    """Take a worker back, its folder emptied."""
    _POOL.give(worker)
