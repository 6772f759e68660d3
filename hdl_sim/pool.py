"""Processes that are lent to one thread at a time and kept while idle: started when needed, cut short, ended.

Reads nothing and writes nothing itself.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Collection
from typing import Any, Generic, Protocol, TypeVar


class Lent(Protocol):
    """A process that a `Pool` lends."""

    @property
    def usable(self) -> bool:
        """False once it was cut or closed, or is no longer there."""

    def cut(self) -> None:
        """From another thread: the one that waits for it fails at once."""

    def clear(self) -> None:
        """Make it as if it had never been used; what cannot be made so closes itself."""

    def close(self) -> None:
        """End it."""


P = TypeVar("P", bound=Lent)
_POOLS: list[Pool[Any]] = []


class Pool(Generic[P]):
    """Idle processes, and who has which of the others.

    A process that was forked from this one gets a pool of its own. At the end of this process all idle ones end.

    Args:
        most_idle: the one that has waited longest is ended when there are more.
    """

    def __init__(self, most_idle: int) -> None:
        self._most_idle = most_idle
        self._reset()
        _POOLS.append(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[P] = []
        self._lent: dict[P, int] = {}  # to which thread
        self._owner = os.getpid()

    def take(self, fits: Callable[[P], bool], make: Callable[[], P]) -> P:
        """Lend an idle process that ``fits``, or a new one."""
        if self._owner != os.getpid():
            # Another process talks to these; the lock may have been held when we were forked.
            self._reset()
        one = self._take_idle(fits)
        if one is None:
            # Registering the same function again is harmless: it closes what is idle, and then nothing is.
            atexit.register(self.close)
            one = make()
        with self._lock:
            self._lent[one] = threading.get_ident()
        return one

    def _take_idle(self, fits: Callable[[P], bool]) -> P | None:
        with self._lock:
            for one in reversed(self._idle):
                if one.usable and fits(one):
                    self._idle.remove(one)
                    return one
        return None

    def give(self, one: P) -> None:
        """Take one back, and end the one that has waited longest where there are too many."""
        if one.usable:
            one.clear()
        surplus = None
        with self._lock:
            self._lent.pop(one, None)
            if one.usable:
                self._idle.append(one)
                surplus = self._idle.pop(0) if len(self._idle) > self._most_idle else None
            else:
                surplus = one
        if surplus is not None:
            surplus.close()

    def cut(self, threads: Collection[int | None]) -> None:
        """Cut those that these threads have."""
        with self._lock:
            for one, thread in self._lent.items():
                if thread in threads:
                    one.cut()

    def close(self) -> None:
        """End the idle ones; a process that was forked from their owner leaves them alone."""
        while self._idle and self._owner == os.getpid():
            self._idle.pop().close()


def cut_all(threads: Collection[int | None]) -> None:
    """End what these threads (by `threading.get_ident`) have any process do now; they get an error for it."""
    for pool in _POOLS:
        pool.cut(threads)
