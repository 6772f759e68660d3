"""A program that a worker has started, until it ends, is too slow, or writes too much.

Reads the program's outputs from pipes, and what it has in its folder, the working one; `confine.py` uses it. Standard
library only.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_POLL_MS = 5  # where there are no pidfds
# How often the folder is looked at: what is in it is memory, as a rule, and nothing in the kernel limits it there.
_LOOK_S = 0.1
MOST_BYTES, MOST_ENTRIES = 256 << 20, 10_000


class Watch:
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
            look = time.monotonic() + _LOOK_S
            while self._status is None:
                now = time.monotonic()
                if now >= deadline:
                    return "wall_timeout"
                if now >= look:
                    if holds_too_much("."):
                        return "file_limit"
                    look = time.monotonic() + _LOOK_S
                left = min(deadline, look) - now
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
        kill_group(self.child)
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


def holds_too_much(folder: str) -> bool:
    """Whether a folder holds more than a run may have in it, or hides something, which no honest program does."""
    size = entries = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    entries += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if size > MOST_BYTES or entries > MOST_ENTRIES:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # removed since
        except OSError:
            return True
    return False


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


def kill_group(leader: int) -> None:
    """Kill a process group, unless it is gone."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
