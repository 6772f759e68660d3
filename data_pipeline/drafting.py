"""Many requests to a teacher at once, no more than a set number, and what comes of each on disk before all else.

Reads requests; writes rows to ``raw.jsonl``: one before a request is sent, one for what came of it, and at the end of
a whole run one for each request that the server answered in no way.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from autovcoder.errors import ModelError
from autovcoder.store import Stage
from data_pipeline.budget import BudgetReached, Ended
from data_pipeline.draft_journal import RAW, Request, Row
from data_pipeline.llm_teacher import LlmTeacher, NoDraft, Record, Unanswered

# At the end of a run, answers that are being written may still come: they are paid for.
_GRACE_S = 5.0


class Drafting:
    """Threads that take one request after the other.

    They are not waited for at the end: one may wait for a server that hangs.

    Args:
        waiting: the requests to ask. ``known``: one that the server has answered before, where there is any.
        open_teacher: makes the teacher, given what records its rows and what gets its notes.
    """

    def __init__(
        self,
        stage: Stage,
        waiting: Sequence[Request],
        known: Request | None,
        concurrency: int,
        open_teacher: Callable[[Record, Callable[[str], None]], LlmTeacher],
    ) -> None:
        self.budget_reached = False
        self._stage, self._concurrency = stage, min(concurrency, len(waiting))
        self._waiting, self._known = deque(waiting), known
        self._requests = {one.seed: one for one in (*waiting, *([known] if known else []))}
        self._unanswered: dict[int, str] = {}
        self._events: queue.SimpleQueue[bool | str | BaseException | None] = queue.SimpleQueue()
        self._lock, self._closed = threading.Lock(), False
        self._left, self._done = 0, 0
        self._teacher = open_teacher(self._keep, self._events.put)

    def run(self, tell: Callable[[int, str], None]) -> None:
        """Ask for all; ``tell`` is called in this thread with how many are done, and what is waited for.

        Requests without an answer are given up at the end, when all others are through and the server answers still;
        until then they are open, so that no end of a run takes a server's failure for theirs.

        Raises:
            ModelError: the server cannot be used. StoreError: an answer cannot be written.
        """
        try:
            tell(0, "")
            self._ask_all(self._concurrency, tell)
            if self._teacher.doubt and not self.budget_reached:
                self._ask_known()
            if self.budget_reached:
                return
            if self._teacher.doubt:
                raise self._teacher.doubt
            for index, reason in sorted(self._unanswered.items()):
                self._append(Row(index=index, outcome="dropped", reason=reason).model_dump(exclude_unset=True))
        except (ModelError, KeyboardInterrupt):
            tell(self._done, f"ending; answers under way have {_GRACE_S:.0f} s")
            self._await_the_others()
            raise
        finally:
            with self._lock:
                self._closed = True
            self._teacher.close()

    def _ask_all(self, threads: int, tell: Callable[[int, str], None]) -> None:
        self._left = threads
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()
        while self._left:
            event = self._next()
            if isinstance(event, BaseException):
                raise event
            if event is not None:
                self._done += event is True
                tell(self._done, event if isinstance(event, str) else "")

    def _ask_known(self) -> None:
        """Ask again what was answered before: that tells bad requests from a server that has broken down."""
        if self._known is not None:
            self._waiting.append(self._known)
            self._ask_all(1, lambda done, note: None)
            self._done -= 1

    def _next(self, timeout: float | None = None) -> bool | str | BaseException | None:
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
            while self._waiting:
                try:
                    request = self._waiting.popleft()
                except IndexError:
                    return
                self._events.put(self._settle(request))
        except BudgetReached:
            self.budget_reached = True
        except Ended:
            pass
        except BaseException as error:
            self._events.put(error)
        finally:
            self._events.put(None)

    def _settle(self, request: Request) -> bool | str:
        """Ask for a draft; True when that is done, and a note where it is to be asked once more, after all others."""
        try:
            self._teacher.draft(request.topic, request.level, request.circuit_type, request.seed)
        except Unanswered as error:
            if request is self._known:
                return True  # and the teacher's doubt stays
            if error.again:
                self._waiting.append(request)
                return f"set aside for now: {error}"
            self._unanswered[request.index] = str(error)
            return True
        except NoDraft:
            pass  # the rows say so
        self._known = self._known or request
        return True

    def _keep(self, seed: int, row: dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                raise Ended
            request = self._requests[seed]
            about = {"topic": request.topic, "level": request.level, "circuit_type": request.circuit_type}
            self._append({"index": request.index, **about, **row})

    def _append(self, row: dict[str, Any]) -> None:
        self._stage.append(RAW, row)
