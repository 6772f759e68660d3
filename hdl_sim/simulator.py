"""The seam between those who need a verdict and the program that gives it.

Reads nothing and writes nothing: a protocol, and a helper that runs many designs on every core.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from autovcoder.records import Bench, Verdict
from hdl_sim.limits import Limits
from hdl_sim.pool import cut_all

DEFAULT_LIMITS = Limits()
# Jobs of each worker that are under way or done before the one whose turn it is: while one takes half a minute, the
# others take milliseconds.
_AHEAD = 1000
_REMEMBERED = 1000
CRASH = "FrontEndCrash"
"""Code of the diagnostic of a design on which the front end crashed."""

T = TypeVar("T")
R = TypeVar("R")


class Simulator(Protocol):
    """Decides what a design does on a testbench. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """Name and version, as written into verdicts."""

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """Compile ``design`` with ``bench`` and run it.

        Raises:
            ToolMissing: the simulator is not installed.
            ToolFailed: the simulator broke in a way that says nothing about the design.
            InputError: the bench itself cannot be used.
        """

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """Compile ``design`` alone; status ``pass`` with stage ``elaborate`` means that it compiles."""


def simulate_many(
    simulator: Simulator,
    jobs: Iterable[tuple[str | None, Bench]],
    *,
    limits: Limits = DEFAULT_LIMITS,
    workers: int | None = None,
) -> Generator[Verdict]:
    """Verdicts of (design, bench) jobs, in their order: see `in_parallel`. The same design on one bench runs once."""
    once = _Once(lambda design, bench: simulator.run(design, bench, limits))
    return in_parallel(lambda job: once(*job), jobs, workers)


class _Once:
    """Remembers the verdicts of the last jobs: models give many an answer more than once."""

    def __init__(self, run: Callable[[str | None, Bench], Verdict]) -> None:
        self._run = run
        self._lock = threading.Lock()
        # The bench is kept with its verdict, so that no other one gets its id.
        self._known: dict[tuple[str | None, int], tuple[Bench, Future[Verdict]]] = {}

    def __call__(self, design: str | None, bench: Bench) -> Verdict:
        key = design, id(bench)
        with self._lock:
            known = self._known.get(key)
            if known is None:
                mine = Future[Verdict]()
                self._known[key] = bench, mine
                if len(self._known) > _REMEMBERED:
                    del self._known[next(iter(self._known))]
        if known is not None:
            return known[1].result()
        try:
            mine.set_result(self._run(design, bench))
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()


def in_parallel(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Generator[R]:
    """What ``work`` gives for each item, in their order, done on ``workers`` threads (all cores when None).

    Threads suffice: the work happens in child processes. No more than a thousand items a worker are drawn before they
    are wanted, so that an endless iterable is fine. The first error is raised in the place of its result, and the rest
    is dropped; so it is at an interrupt, and when the iterator is closed. What is dropped is ended, not waited for.
    """
    count = workers or available_cores()
    waiting: deque[Future[R]] = deque()
    threads: set[threading.Thread] = set()
    pool = ThreadPoolExecutor(
        count, thread_name_prefix="hdl_sim", initializer=lambda: threads.add(threading.current_thread())
    )
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while alive := [thread for thread in list(threads) if thread.is_alive()]:
            # Again and again: a thread may be between the compilation and the run.
            cut_all([thread.ident for thread in alive])
            alive[0].join(0.02)


def available_cores() -> int:
    """The processors that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
