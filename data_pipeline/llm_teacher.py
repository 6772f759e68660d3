"""A language model as a teacher: asks until there is a draft, counts what it costs, and takes no fault for an answer.

Reads a server's answers; hands every one of them on as a row before anything is made of it. Writes nothing itself.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import ModelError
from autovcoder.records import CircuitType, Draft, Level, content_id
from data_pipeline.budget import Budget, Ended, Tokens
from data_pipeline.chat_client import ChatServer, Completion, Reply, error_text, read_completion
from data_pipeline.teacher_answer import BadAnswer, read_answer
from data_pipeline.teacher_prompt import SCHEMA, teacher_prompt

Outcome = Literal["draft", "bad answer", "fault", "given up", "refused", "form refused", "ended"]
Record = Callable[[int, dict[str, Any]], None]
"""Called with the seed that a draft was asked for with, and the row of one answer; from any thread."""
_FORMS: tuple[dict[str, Any], ...] = (
    {"type": "json_schema", "json_schema": {"name": "exercise", "strict": True, "schema": SCHEMA}},
    {"type": "json_object"},
    {},
)
"""What `response_format` is, the most that a server may know first; the last is none at all."""
_BUSY = 429
_REFUSED = (400, 413, 422)
_AGAIN = (408, 409, 425, _BUSY)
# So many refused before any answer: it is not these requests that the server minds.
_REFUSED_FIRST = 8
# English and code have three to four characters a token; what a server does not count is taken for more, not less.
_CHARACTERS_A_TOKEN = 3


class NoDraft(Exception):
    """The teacher has no draft for what was asked; the text is the reason."""


class Patience(Settings):
    """How often and how long a server is asked.

    Attributes:
        attempts: how many answers that are no draft are taken before a request is given up.
        retries: how many faults in a row a request takes; the n-th wait is about ``backoff_s`` times 2**(n - 1), and
            what the server asks for where that is more, but never beyond ``longest_wait_s``.
        timeout_s: for one answer.
    """

    attempts: Annotated[int, Field(ge=1)] = 3
    retries: Annotated[int, Field(ge=1)] = 10
    backoff_s: Annotated[float, Field(gt=0)] = 1.0
    longest_wait_s: Annotated[float, Field(gt=0)] = 300.0
    timeout_s: Annotated[float, Field(gt=0)] = 600.0


@dataclass(frozen=True)
class Begun:
    """What an interrupted run already did for a request: how often it asked, and how many answers were no draft."""

    asked: int = 0
    bad: int = 0


@dataclass
class _Job:
    topic: str
    level: Level
    circuit_type: CircuitType
    seed: int
    prompt: str
    asked: int
    bad: int
    form: int = 0
    faults: int = 0
    first_fault: float = 0.0


class LlmTeacher:
    """A `Teacher` behind an OpenAI-compatible server; safe to use from several threads.

    Busy and broken servers are asked again, with waits that grow. An answer that is no draft is asked for again with
    another seed. Where a server does not know a JSON schema, or JSON, as the form of an answer, it is asked without.

    Args:
        name: the model's name at the server. ``request``: what else goes into each request, such as ``max_tokens``; a
            key that is None stays out of it.
        record: gets every answer; ``begun``: of interrupted requests, by their seed.
        answered: the server has answered a request before, so that one that it refuses is itself at fault.
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
        begun: Mapping[int, Begun] | None = None,
        answered: bool = False,
    ) -> None:
        self.name = name
        self._server, self._request, self._patience, self._budget = server, dict(request), patience, budget
        self._record, self._begun = record, begun or {}
        self._form: int | None = None
        self._answered, self._last_answer, self._refused = answered, 0.0, 0
        self._ended = threading.Event()

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
            NoDraft: the server refuses this request, or no answer to it is a draft. BudgetReached: before there was
            one. ModelError: the server cannot be used at all. Ended: the teacher was closed.
        """
        begun = self._begun.get(seed, Begun())
        prompt = teacher_prompt(topic, level, circuit_type, seed)
        job = _Job(topic, level, circuit_type, seed, prompt, begun.asked, begun.bad)
        while True:
            if self._form is not None:
                job.form = max(job.form, self._form)
            request = self._message(job)
            most = at_most(request)
            self._budget.reserve(most, self._ended)
            cost = Tokens()
            try:
                if self._ended.is_set():
                    raise Ended
                reply = self._ask(request)
                completion = read_completion(reply.body) if reply.status == 200 and not reply.fault else None
                cost = _cost(reply, completion, most)
                outcome, reason, draft = self._judge(job, reply, completion)
                self._record(seed, _row(job, reply, completion, cost, outcome, reason))
            finally:
                self._budget.settle(most, cost)
            job.asked += 1
            if draft is not None:
                return draft
            self._go_on(job, reply, outcome, reason)

    def _message(self, job: _Job) -> dict[str, Any]:
        request = {
            "model": self.name,
            "messages": [{"role": "user", "content": job.prompt}],
            "seed": int(content_id(job.topic, job.level, job.circuit_type, job.seed, job.bad)[:7], 16),
            "response_format": _FORMS[job.form] or None,
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

    def _judge(self, job: _Job, reply: Reply, completion: Completion | None) -> tuple[Outcome, str, Draft | None]:
        """What an answer is, why, and the draft in it."""
        if reply.fault or reply.status is None:
            return self._fault(job, reply.fault)
        if reply.status == 200 and completion is not None:
            self._answered, self._last_answer = True, time.monotonic()
            self._form = job.form if self._form is None else self._form
            return self._read(job, completion)
        if reply.status in _REFUSED:
            if job.form < (len(_FORMS) - 1 if self._form is None else self._form):
                return "form refused", f"HTTP {reply.status}", None
            return "refused", f"the server refuses the request (HTTP {reply.status})", None
        quota = reply.status == _BUSY and "insufficient_quota" in reply.body
        if reply.status == 200 or reply.status >= 500 or (reply.status in _AGAIN and not quota):
            return self._fault(job, "no chat completion" if reply.status == 200 else f"HTTP {reply.status}")
        return "ended", f"HTTP {reply.status}", None

    def _read(self, job: _Job, completion: Completion) -> tuple[Outcome, str, Draft | None]:
        try:
            draft = read_answer(completion.content, job.topic, job.level, job.circuit_type, self.name)
        except BadAnswer as error:
            cut = completion.finish_reason == "length"
            return "bad answer", "the answer was cut off at its most tokens" if cut else str(error), None
        return "draft", "", draft

    def _fault(self, job: _Job, what: str) -> tuple[Outcome, str, None]:
        job.faults += 1
        if job.faults == 1:
            job.first_fault = time.monotonic()
        lively = self._last_answer > job.first_fault
        if job.faults >= self._patience.retries and lively:
            if what != f"HTTP {_BUSY}":
                return "given up", what, None
            # A server that is busy with others will have time for this one too.
            job.faults, job.first_fault = 0, time.monotonic()
        return "fault", what, None

    def _go_on(self, job: _Job, reply: Reply, outcome: Outcome, reason: str) -> None:
        """Get ready to ask again.

        Raises:
            NoDraft, ModelError, Ended: there is no use in it.
        """
        if outcome == "ended":
            raise self._unusable(reply)
        if outcome == "form refused":
            job.form += 1
            return
        if outcome == "refused":
            self._refused += 1
            if not self._answered and self._refused >= _REFUSED_FIRST:
                told = error_text(reply.body)
                raise ModelError("the server refuses every request", where=self._server.name, fix=told)
            raise NoDraft(reason)
        if outcome == "given up":
            raise NoDraft(f"no answer: {reason}")
        if outcome == "bad answer":
            job.bad, job.faults = job.bad + 1, 0
            if job.bad >= self._patience.attempts:
                raise NoDraft(reason)
            return
        if job.faults >= self._patience.retries:
            fix = "what came is kept; see to the server and run this again"
            raise ModelError(f"the server gives no answers ({reason})", where=self._server.name, fix=fix)
        self._wait(job, reply)

    def _wait(self, job: _Job, reply: Reply) -> None:
        # Without chance all those that a server turned away would come back together.
        seconds = self._patience.backoff_s * 2.0 ** min(max(job.faults - 1, 0), 60) * random.uniform(0.5, 1.0)
        seconds = min(max(seconds, reply.retry_after or 0.0), self._patience.longest_wait_s)
        if self._ended.wait(seconds):
            raise Ended

    def _unusable(self, reply: Reply) -> ModelError:
        where, told = self._server.name, error_text(reply.body)
        if reply.status in (401, 403):
            fix = "set OPENAI_API_KEY to a key it accepts"
            return ModelError(f"the server refuses the key (HTTP {reply.status})", where=where, fix=fix)
        if reply.status == 404:
            what = f"the server has no model '{self.name}', or the address is not its API (HTTP 404)"
            return ModelError(what, where=where, fix="check --model against the server's /v1/models")
        return ModelError(f"the server cannot be used (HTTP {reply.status})", where=where, fix=told)


def at_most(request: Mapping[str, Any]) -> Tokens:
    """What a request can cost; its output counts as nothing where the request sets no limit."""
    limits = [request.get("max_tokens"), request.get("max_completion_tokens")]
    output = max((limit for limit in limits if type(limit) is int), default=0)
    shown = len(str(request.get("messages", ""))) + len(str(request.get("response_format", "")))
    return Tokens(shown // _CHARACTERS_A_TOKEN, output)


def _cost(reply: Reply, completion: Completion | None, most: Tokens) -> Tokens:
    """What a request cost: as the server counts, else as the texts' lengths say, else the most that it can have."""
    if completion is None:
        return most if reply.may_cost else Tokens()
    shown = len(completion.content) // _CHARACTERS_A_TOKEN
    return Tokens(
        most.input if completion.input is None else completion.input,
        shown if completion.output is None else completion.output,
    )


def _row(
    job: _Job, reply: Reply, completion: Completion | None, cost: Tokens, outcome: Outcome, reason: str
) -> dict[str, Any]:
    """One answer, with what it was asked and what is made of it."""
    counted = completion is not None and completion.input is not None and completion.output is not None
    return {
        "topic": job.topic,
        "level": job.level,
        "circuit_type": job.circuit_type,
        "prompt_sha256": content_id(job.prompt),
        "attempt": job.asked,
        "form": _FORMS[job.form].get("type", "text"),
        "outcome": outcome,
        "reason": reason,
        "status": reply.status,
        "finish_reason": completion.finish_reason if completion else None,
        "usage": {"input": cost.input, "output": cost.output, "counted_by_server": counted},
        "seconds": round(reply.seconds, 3),
        "body": reply.body,
    }
