"""Many requests to a teacher at once, no more than a set number, and what comes of each on disk before all else.

Reads requests; writes a row for each answer of the teacher to ``raw.jsonl``.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from autovcoder.errors import ModelError
from autovcoder.store import Stage
from data_pipeline.budget import BudgetReached, Ended
from data_pipeline.draft_journal import RAW, Request
from data_pipeline.llm_teacher import LlmTeacher, NoDraft, Record

# When the server turns out to be unusable, answers that are being written may still come: they are paid for.
_GRACE_S = 5.0


class Drafting:
    """Threads that take one request after the other.

    They are not waited for at the end: one may wait for a server that hangs.

    Args:
        waiting: the requests to ask. ``open_teacher``: makes the teacher, given what records its answers.
    """

    def __init__(
        self, stage: Stage, waiting: Sequence[Request], concurrency: int, open_teacher: Callable[[Record], LlmTeacher]
    ) -> None:
        self.budget_reached = False
        self._stage, self._concurrency = stage, min(concurrency, len(waiting))
        self._index = {request.seed: request.index for request in waiting}
        self._waiting = iter(waiting)
        self._events: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
        self._lock, self._closed = threading.Lock(), False
        self._left = 0
        self._teacher = open_teacher(self._keep)

    def run(self, tell: Callable[[int], None]) -> None:
        """Ask for all; ``tell`` is called in this thread after each request, with how many are settled.

        Raises:
            ModelError: the server cannot be used. StoreError: an answer cannot be written.
        """
        for _ in range(self._concurrency):
            threading.Thread(target=self._work, daemon=True).start()
        self._left, done = self._concurrency, 0
        try:
            while self._left:
                event = self._next()
                if isinstance(event, ModelError):
                    self._await_the_others()
                if isinstance(event, BaseException):
                    raise event
                if event is not None:
                    done += 1
                    tell(done)
        finally:
            with self._lock:
                self._closed = True
            self._teacher.close()

    def _next(self, timeout: float | None = None) -> int | BaseException | None:
        event = self._events.get(timeout=timeout)
        self._left -= event is None
        return event

    def _await_the_others(self) -> None:
        self._teacher.end()
        until = time.monotonic() + _GRACE_S
        while self._left and (rest := until - time.monotonic()) > 0:
            try:
                self._next(rest)
            except queue.Empty:
                return

    def _work(self) -> None:
        """In a thread: take requests until there are none, or there is no use in asking."""
        try:
            while True:
                with self._lock:
                    request = next(self._waiting, None)
                if request is None:
                    return
                with contextlib.suppress(NoDraft):  # the rows say so
                    self._teacher.draft(request.topic, request.level, request.circuit_type, request.seed)
                self._events.put(request.index)
        except BudgetReached:
            self.budget_reached = True
        except Ended:
            pass
        except BaseException as error:
            self._events.put(error)
        finally:
            self._events.put(None)

    def _keep(self, seed: int, row: dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                raise Ended
            self._stage.append(RAW, {"index": self._index[seed], **row})
