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

    def close(self) -> object:
        """End it; again is harmless."""


P = TypeVar("P", bound=Lent)
_POOLS: list[Pool[Any]] = []


class Pool(Generic[P]):
    """Idle processes, and who has which of the others.

    A process that is forked from this one starts with none. At the end of this process all idle ones end.

    Args:
        most_idle: the one that has waited longest is ended when there are more.
    """

    def __init__(self, most_idle: int) -> None:
        self._most_idle = most_idle
        self._lock = threading.Lock()
        self._idle: list[P] = []
        self._lent: dict[P, int] = {}  # to which thread
        self._others: list[P] = []  # of the process that this one was forked from
        os.register_at_fork(after_in_child=self._forget)
        _POOLS.append(self)

    def _forget(self) -> None:
        """Leave alone what another process talks to; the lock may have been held when we were forked."""
        self._lock = threading.Lock()
        self._others += [*self._idle, *self._lent]
        self._idle.clear()
        self._lent.clear()

    def take(self, fits: Callable[[P], bool], make: Callable[[], P]) -> P:
        """Lend an idle process that ``fits``, or a new one."""
        one = self._take_idle(fits)
        if one is None:
            # Registering the same function again is harmless: it closes what is idle, and then nothing is.
            atexit.register(self.close)
            one = make()
        with self._lock:
            self._lent[one] = threading.get_ident()
        return one

    def _take_idle(self, fits: Callable[[P], bool]) -> P | None:
        found = None
        with self._lock:
            gone = [one for one in self._idle if not one.usable]
            self._idle = [one for one in self._idle if one not in gone]
            for one in reversed(self._idle):
                if fits(one):
                    self._idle.remove(one)
                    found = one
                    break
        for one in gone:
            one.close()
        return found

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
        """End the idle ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.cut()  # all at once, for each takes a while to end
        for one in idle:
            one.close()


def cut_all(threads: Collection[int | None]) -> None:
    """End what these threads (by `threading.get_ident`) have any process do now; they get an error for it."""
    for pool in _POOLS:
        pool.cut(threads)
