"""The worker processes behind the sandbox: started, asked, kept while idle, ended.

Reads and writes the workers' sockets and their folders, in memory where there is room.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autovcoder.errors import ToolFailed
from hdl_sim.run_folders import folder_prefix, memory_folder, sweep_once

START_S = 30.0  # a worker that has not started by then never will
_MOST_IDLE = 2 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a worker gives up for good; one worker serves all work that asks for the same."""

    readable: tuple[str, ...]
    rlimits: tuple[tuple[str, int], ...]


class Worker:
    """One `confine.py` process, its folder, and the socket to it."""

    def __init__(self, confinement: Confinement) -> None:
        self.confinement = confinement
        self.place = memory_folder()
        self.open = True
        self.is_cut = False
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=folder_prefix(), dir=self.place)).resolve()
        except OSError as error:
            raise ToolFailed("cannot make a folder to simulate in", where=self.place or "", fix=str(error)) from None
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self) -> None:
        script = str(Path(__file__).with_name("confine.py"))
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ToolFailed("cannot start the sandbox", fix=str(error)) from None
        with theirs:
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
        self._socket.settimeout(START_S)
        setup = {
            "folder": str(self.folder), "readable": self.confinement.readable,
            "rlimits": dict(self.confinement.rlimits),
        }  # fmt: skip
        try:
            self._send(setup)
            answer = self._receive_message()
        except OSError as error:
            answer = {"failure": str(error)}
        except BaseException:
            self.close()
            raise
        if "landlock_abi" not in answer:
            self.close()
            raise ToolFailed("the sandbox did not start", where=script, fix=answer["failure"])
        self.landlock_abi: int = answer["landlock_abi"]

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
    def alive(self) -> bool:
        return self._process.poll() is None

    def cut(self) -> None:
        """From another thread: the one that waits in `ask` fails at once."""
        self.is_cut = True
        with suppress(OSError):  # it is being closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def clear(self) -> None:
        """Empty the folder; a folder that cannot be emptied closes the worker."""
        try:
            for entry in os.scandir(self.folder):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - pathlib would cost as much as the rest of the clearing
        except OSError:
            self.close()

    def close(self) -> None:
        """End the worker and remove its folder; it kills what it still runs when it sees the socket close."""
        self.open = False
        with suppress(OSError):  # nobody is there any more
            # A process that was forked from this one may hold the socket too: closing it here would not be noticed.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Pool:
    """Idle workers, and who has which of the others. A process that was forked from this one gets a pool of its own."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._lent: dict[Worker, int] = {}  # to which thread
        self._owner = os.getpid()

    def take(self, confinement: Confinement) -> Worker:
        if self._owner != os.getpid():
            # Another process talks to these workers; the lock may have been held when we were forked.
            self._reset()
        worker = self._take_idle(confinement)
        if worker is None:
            sweep_once()
            # Registering the same function again is harmless: it closes what is idle, and then nothing is.
            atexit.register(self.close)
            worker = Worker(confinement)
        with self._lock:
            self._lent[worker] = threading.get_ident()
        return worker

    def _take_idle(self, confinement: Confinement) -> Worker | None:
        place = memory_folder()
        with self._lock:
            for worker in reversed(self._idle):
                # Once the memory file system is full, a new worker gets its folder elsewhere.
                if worker.confinement == confinement and worker.place == place and worker.alive:
                    self._idle.remove(worker)
                    return worker
        return None

    def give(self, worker: Worker) -> None:
        """Take a worker back, and end the one that has waited longest where there are too many."""
        if worker.open and not worker.is_cut:
            worker.clear()
        surplus = None
        with self._lock:
            self._lent.pop(worker, None)
            if worker.open:
                if worker.is_cut:
                    surplus = worker
                else:
                    self._idle.append(worker)
                    surplus = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None
        if surplus is not None:
            surplus.close()

    def cut(self, threads: Collection[int | None]) -> None:
        """Cut the workers that these threads have."""
        with self._lock:
            for worker, thread in self._lent.items():
                if thread in threads:
                    worker.cut()

    def close(self) -> None:
        """End the idle workers; a process that was forked from their owner leaves them alone."""
        while self._idle and self._owner == os.getpid():
            self._idle.pop().close()


POOL = Pool()
"""The idle workers of this process."""
