"""A language model as a teacher: asks until there is a draft, counts what it costs, and takes no fault for an answer.

Reads a server's answers; hands every one of them on as a row before anything is made of it. Writes nothing itself.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autovcoder.errors import ModelError
from autovcoder.records import CircuitType, Draft, Level, content_id
from data_pipeline.budget import Budget, Ended, Tokens, at_most, cost_of
from data_pipeline.chat_client import (
    CANNOT_CONNECT,
    ChatServer,
    Completion,
    Patience,
    Reply,
    error_text,
    read_completion,
    unusable,
)
from data_pipeline.draft_journal import HOPELESS, Outcome
from data_pipeline.teacher_answer import CUT, judge_answer
from data_pipeline.teacher_prompt import FORMS, teacher_prompt

Record = Callable[[int, dict[str, Any]], None]
"""Called with the seed that a draft was asked for with, and a row; from any thread."""
_BUSY = 429
_REFUSED = (400, 413, 422)
_AGAIN = (408, 409, 425, _BUSY)
# So many different requests in a row: it is not these requests that the server minds.
_REFUSED_IN_A_ROW, _SET_ASIDE_IN_A_ROW = 8, 3
# So many attempts at a server that was never reached: its address is wrong, or it is not up.
_NEVER_CONNECTED = 3


class NoDraft(Exception):
    """The teacher has no draft for what was asked; the text is the reason."""


class Unanswered(NoDraft):
    """The server gave no answer; whether that is the request's fault shows in what it does with others.

    ``again``: it may be asked once more, after all others.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True)
class Begun:
    """What was done for a request before: how often it was asked, how many answers were no draft, was it set aside."""

    asked: int = 0
    bad: int = 0
    set_aside: bool = False


@dataclass
class _Job:
    topic: str
    level: Level
    circuit_type: CircuitType
    seed: int
    prompt: str
    asked: int
    bad: int
    set_aside: bool
    form: int
    refused: int = 0
    faults: int = 0
    last_fault: float = 0.0


class LlmTeacher:
    """A `Teacher` behind an OpenAI-compatible server; safe to use from several threads.

    Busy and broken servers are asked again, with waits that grow. An answer that is no draft, or a refusal, is asked
    for again with another seed. Where a server does not know a JSON schema, or JSON, as the form of an answer, it is
    asked without; a form that has worked is not left for a weaker one.

    Args:
        name: the model's name at the server. ``request``: what else goes into each request, such as ``max_tokens``; a
            key that is None stays out of it.
        record: gets a row before a request is sent, and every answer. ``tell``: gets what is waited for.
        begun: what earlier runs did, by the seed of the request.
        hopeless: how many answers there were, none of them a draft; None where there was one.
    """

    def __init__(
        self,
        server: ChatServer,
        name: str,
        request: Mapping[str, Any],
        patience: Patience,
        budget: Budget,
        record: Record,
        *,
        tell: Callable[[str], None] = lambda _: None,
        begun: Mapping[int, Begun] | None = None,
        hopeless: int | None = 0,
    ) -> None:
        self.name = name
        self._server, self._request, self._patience, self._budget = server, dict(request), patience, budget
        self._record, self._tell, self._begun, self._hopeless = record, tell, dict(begun or {}), hopeless
        self._bad: Counter[str] = Counter()
        self._form: int | None = None
        self._connected, self._answered, self._last_answer = False, False, 0.0
        # Seed to when and how a request failed; an answer to a request that was sent later shows a server that works.
        self._failed: dict[int, tuple[float, str, ModelError]] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()

    @property
    def doubt(self) -> ModelError | None:
        """Why the server may be of no use any more: it has answered nothing since a request failed."""
        with self._lock:
            return next((error for _, _, error in self._failed.values()), None)

    def end(self) -> None:
        """Ask no more, in any thread; what is being answered may still come."""
        self._ended.set()

    def close(self) -> None:
        """Break off what is under way in other threads too."""
        self.end()
        self._server.close()

    def draft(self, topic: str, level: Level, circuit_type: CircuitType, seed: int) -> Draft:
        """A draft on the topic.

        Raises:
            NoDraft: no answer is a draft. Unanswered: the server gives none. BudgetReached: before there was one.
            ModelError: the server cannot be used at all. Ended: the teacher was closed.
        """
        begun = self._begun.get(seed, Begun())
        prompt = teacher_prompt(topic, level, circuit_type, seed)
        form = len(FORMS) - 1 if "response_format" in self._request else 0
        job = _Job(topic, level, circuit_type, seed, prompt, begun.asked, begun.bad, begun.set_aside, form)
        while True:
            if (draft := self._once(job)) is not None:
                return draft

    def _once(self, job: _Job) -> Draft | None:
        """One request, and the draft in its answer; None where it is to be asked again."""
        job.form = job.form if self._form is None else self._form
        request = self._message(job)
        most = at_most(request)
        self._budget.reserve(most, self._ended)
        cost = Tokens()
        try:
            if self._ended.is_set():
                raise Ended
            self._record(job.seed, {"outcome": "asked", "attempt": job.asked, "usage": asdict(most)})
            cost, sent = most, time.monotonic()
            reply = self._ask(request)
            completion = read_completion(reply.body) if reply.status == 200 and not reply.fault else None
            cost = cost_of(reply, completion, most)
            answered: tuple[Outcome, str] = ("answer", "")
            outcome, reason = answered if completion else self._without_answer(job, reply)
            self._record(job.seed, _row(job, reply, completion, cost, outcome, reason))
        finally:
            self._budget.settle(most, cost)
        job.asked += 1
        self._connected = self._connected or not reply.fault.startswith(CANNOT_CONNECT)
        if completion is None:
            self._go_on(job, reply, outcome, reason)
            return None
        self._note_answer(job, sent)
        asked = job.topic, job.level, job.circuit_type
        judged = judge_answer(completion.content, completion.finish_reason, *asked, self.name)
        if isinstance(judged, Draft):
            with self._lock:
                self._hopeless = None
            return judged
        self._after_bad_answer(job, judged)
        return None

    def _message(self, job: _Job) -> dict[str, Any]:
        request = {
            "model": self.name,
            "messages": [{"role": "user", "content": job.prompt}],
            "seed": int(content_id(job.topic, job.level, job.circuit_type, job.seed, job.bad + job.refused)[:7], 16),
            "response_format": FORMS[job.form] or None,
            **self._request,
        }
        return {key: value for key, value in request.items() if value is not None}

    def _ask(self, request: dict[str, Any]) -> Reply:
        try:
            return self._server.ask(request)
        except RuntimeError:
            # The client was closed in another thread; it says so with an error of this kind alone.
            if self._ended.is_set():
                raise Ended from None
            raise

    def _without_answer(self, job: _Job, reply: Reply) -> tuple[Outcome, str]:
        """What a reply without an answer is, and why."""
        status = reply.status
        if status in _REFUSED and not reply.fault:
            other_form = job.form < len(FORMS) - 1 if self._form is None else job.form != self._form
            return "form refused" if other_form else "refused", f"the server refuses the request (HTTP {status})"
        quota = status == _BUSY and "insufficient_quota" in reply.body
        if reply.fault or status is None or status == 200 or status >= 500 or (status in _AGAIN and not quota):
            if status == _BUSY and self._last_answer > job.last_fault:
                job.faults = 0  # a server that is busy with others will have time for this one too
            job.faults, job.last_fault = job.faults + 1, time.monotonic()
            what = reply.fault or ("no chat completion" if status == 200 else f"HTTP {status}")
            return "set aside" if job.faults >= self._patience.retries else "fault", what
        return "ended", f"HTTP {status}"

    def _note_answer(self, job: _Job, sent: float) -> None:
        with self._lock:
            self._answered, self._last_answer = True, time.monotonic()
            self._form = job.form if self._form is None else min(self._form, job.form)
            # One that was sent before may have come from a server that has broken down since.
            self._failed = {seed: failed for seed, failed in self._failed.items() if failed[0] > sent}

    def _after_bad_answer(self, job: _Job, reason: str) -> None:
        job.bad, job.faults = job.bad + 1, 0
        with self._lock:
            self._bad[reason] += 1
            if self._hopeless is not None:
                self._hopeless += 1
                if self._hopeless >= HOPELESS:
                    commonest = self._bad.most_common(1)[0][0]
                    fix = "raise max_tokens in --config" if commonest == CUT else "see raw.jsonl; try another --model"
                    what = f"none of {self._hopeless} answers is a draft, mostly because: {commonest}"
                    raise ModelError(what, where=self._server.name, fix=fix)
        if job.bad + job.refused >= self._patience.attempts:
            raise NoDraft(reason)

    def _go_on(self, job: _Job, reply: Reply, outcome: Outcome, reason: str) -> None:
        """Get ready to ask again.

        Raises:
            NoDraft, ModelError, Ended: there is no use in it.
        """
        where = self._server.name
        if outcome == "ended":
            raise unusable(reply, where, self.name)
        if outcome == "form refused":
            job.form = min(job.form + 1, len(FORMS) - 1)
        elif outcome == "refused":
            job.refused += 1
            since = "from here on " if self._answered else ""
            fix = f"{error_text(reply.body)} (what it does not know: set it to null under request: in --config)"
            error = ModelError(f"the server {since}refuses every request", where=where, fix=fix)
            self._fail(job, outcome, _REFUSED_IN_A_ROW, error)
            if self._form is None or job.bad + job.refused >= self._patience.attempts:
                raise Unanswered(reason, again=False)
        elif reply.fault.startswith(CANNOT_CONNECT) and not self._connected and job.faults >= _NEVER_CONNECTED:
            raise ModelError(reason, where=where, fix="start the server, or correct --server")
        elif outcome == "set aside":
            fix = "what came is kept; see to the server and run this again"
            error = ModelError(f"the server gives no answers ({reason})", where=where, fix=fix)
            # One that failed before may be at fault itself.
            self._fail(job, "again" if job.set_aside else outcome, _SET_ASIDE_IN_A_ROW, error)
            self._begun[job.seed] = Begun(job.asked, job.bad, set_aside=True)
            raise Unanswered(f"no answer: {reason}", again=not job.set_aside)
        else:
            seconds = self._patience.wait_s(job.faults, reply.retry_after, random.random())
            self._tell(f"waiting {seconds:.0f} s: {reason}")
            if self._ended.wait(seconds):
                raise Ended

    def _fail(self, job: _Job, how: str, most: int, error: ModelError) -> None:
        with self._lock:
            self._failed[job.seed] = time.monotonic(), how, error
            if how != "again" and sum(kind == how for _, kind, _ in self._failed.values()) >= most:
                raise error


def _row(
    job: _Job, reply: Reply, completion: Completion | None, cost: Tokens, outcome: Outcome, reason: str
) -> dict[str, Any]:
    """What came of a request, with what was asked."""
    counted = completion is not None and None not in (completion.input, completion.output)
    return {
        "prompt_sha256": content_id(job.prompt),
        "attempt": job.asked,
        "form": FORMS[job.form].get("type", "text"),
        "outcome": outcome,
        "reason": reason,
        "status": reply.status,
        "finish_reason": completion.finish_reason if completion else None,
        "usage": {**asdict(cost), "counted_by_server": counted},
        "seconds": round(reply.seconds, 3),
        "body": reply.body,
    }
