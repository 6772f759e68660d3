"""One model, one question at a time: whoever asks waits in a queue of a fixed length, and may go away.

Reads orders; hands back results with their times. Writes nothing. What is shared with the command `generate` is handed
in, since imports point down only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from autovcoder.generate import Effort, Result, generate, read_header, require_text
from autovcoder.models import Stop, TextModel
from autovcoder.models.endpoint import EndpointModel
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Context, Language, Sampling, Verdict
from autovcoder.serve.pictures import Picture, pictures_of
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.testbench import bench_from_text
from hdl_sim.traces import PrintingSimulator

_LOOK_S = 0.25  # between two looks at whether somebody still waits
_RUN_S = 10  # CPU seconds of one simulation: others wait for it


class Busy(Exception):
    """As many wait as may."""


class Stopped(Exception):
    """Whoever asked has gone away, or the server is ending."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        header: text in which a module header stands; None where none is given. ``testbench``: the text of one.
        repairs: as `autovcoder.generate.Effort`.
        drawn: waveforms are wanted too.
    """

    spec: str
    sampling: Sampling
    header: str | None = None
    language: Language | None = None
    repairs: int = 0
    testbench: str | None = None
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an order.

    Attributes:
        seconds: by part, ``wait`` in the queue first.
        asked_tokens: of the prompt, without its chat template; ``answered_tokens``: of all answers that were drawn.
    """

    result: Result
    seconds: dict[str, float]
    pictures: tuple[Picture, ...]
    asked_tokens: int
    answered_tokens: int


@dataclass(frozen=True, slots=True)
class Shared:
    """What the server does as the command `generate` does it.

    Attributes:
        sampling: from answers, temperature, top-p, seed and the longest answer in tokens; None where not given.
        document: a result as JSON-like data.
        context: of a specification and a header; None where nothing is retrieved.
    """

    sampling: Callable[[int, float | None, float | None, int, int], Sampling]
    document: Callable[[Result, dict[str, float]], dict[str, Any]]
    context: Callable[[str, str | None, TextModel, Sampling], Context] | None = None


class Job:
    """An order on its way: ``future`` is its outcome."""

    def __init__(self, order: Order, make: Callable[[Job], Made], pool: ThreadPoolExecutor) -> None:
        self.order: Order | None = order
        self.asked = time.perf_counter()
        self.cancelled = threading.Event()
        self.future: Future[Made] = pool.submit(make, self)

    def cancel(self) -> None:
        """Nobody waits for it any longer: it does not start, or ends within a few tokens or at its next simulation."""
        self.cancelled.set()
        if self.future.cancel():
            self.order = None  # the queue holds the job until its turn comes


class Service:
    """Answers orders in their turn.

    Args:
        waiting: how many may wait beside the one that is being answered.
    """

    def __init__(self, model: TextModel, simulator: PrintingSimulator, shared: Shared, *, waiting: int) -> None:
        self.model, self.shared = model, shared
        self._simulator, self._waiting = simulator, waiting
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="generate")
        self._lock = threading.Lock()
        self._open = 0
        self.ending = False

    def submit(self, order: Order) -> Job:
        """Put an order into the queue.

        Raises:
            Busy: it is full. Stopped: the server is ending.
        """
        with self._lock:
            if self.ending:
                raise Stopped
            if self._open > self._waiting:
                raise Busy
            try:
                job = Job(order, self._make, self._pool)
            except RuntimeError:  # closed meanwhile
                raise Stopped from None
            self._open += 1
        job.future.add_done_callback(self._closed)
        return job

    def close(self) -> None:
        """End what is under way soon, and start nothing more. Takes no lock: it is called where a signal came in."""
        self.ending = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def warm(self, *, ask_model: bool) -> None:
        """Do once what takes long the first time.

        Raises:
            ModelError, ToolMissing, ToolFailed: the first answer would fail with it.
        """
        self._simulator.compile_only("module warm; endmodule\n")
        if ask_model:
            self.model.complete(["an inverter"], Sampling(max_new_tokens=4), stop=lambda _number, _text: False)
        if self.shared.context is not None:
            self.shared.context("an inverter", None, self.model, Sampling())

    def _closed(self, _: Future[Made]) -> None:
        with self._lock:
            self._open -= 1

    def _make(self, job: Job) -> Made:
        order = job.order
        if order is None:
            raise Stopped
        seconds = {"wait": time.perf_counter() - job.asked}
        header = None if order.header is None else read_header(order.header)
        bench = None if order.testbench is None else bench_from_text(order.testbench)

        def stopped() -> bool:
            return self.ending or job.cancelled.is_set()

        require_text(order.spec)
        model, simulator = _Stoppable(self.model, stopped), _StoppableSimulator(self._simulator, stopped)
        context = None
        if self.shared.context is not None:
            started = time.perf_counter()
            context = self.shared.context(order.spec, header, model, order.sampling)
            seconds["retrieve"] = time.perf_counter() - started
        result = generate(
            order.spec,
            model,
            header=header,
            language=order.language,
            sampling=order.sampling,
            effort=Effort(repairs=order.repairs),
            context=context,
            bench=bench,
            simulator=simulator,
        )
        seconds |= result.seconds
        pictures: tuple[Picture, ...] = ()
        if order.drawn:
            started = time.perf_counter()
            pictures = pictures_of(result, simulator)
            seconds["draw"] = time.perf_counter() - started
        # Here and not where the answer is sent: a tokenizer is not for two threads at once.
        asked = user_text(order.spec, header, language=order.language, context=result.context.texts)
        answered = sum(model.count_tokens(one.raw) for one in result.candidates)
        return Made(result, seconds, pictures, model.count_tokens(asked), answered)


class _Stoppable:
    """A `TextModel` that ends in the midst of an answer when nobody waits for it any longer."""

    def __init__(self, model: TextModel, stopped: Callable[[], bool]) -> None:
        self._model, self._stopped = model, stopped

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int | None:
        return self._model.context

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),
        stop: Stop | None = None,
        seeded_by: Sequence[str] = (),
    ) -> list[list[str]]:
        def ends(number: int, text: str) -> bool:
            if self._stopped():
                raise Stopped
            return stop is not None and stop(number, text)

        if self._stopped():
            raise Stopped
        if not isinstance(self._model, EndpointModel):
            return self._model.complete(prompts, sampling, starts=starts, stop=ends, seeded_by=seeded_by)
        # A server may say nothing for minutes: then its answer is left alone, not waited for.
        pool = ThreadPoolExecutor(1, thread_name_prefix="endpoint")
        try:
            asked = pool.submit(self._model.complete, prompts, sampling, starts=starts, stop=ends, seeded_by=seeded_by)
            while True:
                try:
                    return asked.result(timeout=_LOOK_S)
                except TimeoutError:
                    if self._stopped():
                        raise Stopped from None
        finally:
            pool.shutdown(wait=False)


class _StoppableSimulator:
    """A simulator that starts nothing more when nobody waits for it, and gives no single run much time."""

    def __init__(self, simulator: PrintingSimulator, stopped: Callable[[], bool]) -> None:
        self._simulator, self._stopped = simulator, stopped

    @property
    def name(self) -> str:
        return self._simulator.name

    def _limits(self, limits: Limits) -> Limits:
        if self._stopped():
            raise Stopped
        return replace(limits, cpu_s=min(limits.cpu_s, _RUN_S))

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._simulator.run(design, bench, self._limits(limits))

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._simulator.compile_only(design, self._limits(limits))

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        return self._simulator.printed(design, bench, self._limits(limits))
