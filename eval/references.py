"""What each problem's own reference does here: one that even its reference cannot pass says nothing about a model.

Reads problems and what a stage's folder holds already; writes references.jsonl there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from math import ceil

from autovcoder.errors import InputError
from autovcoder.records import Bench, Diagnostic, Problem, Record, Verdict
from autovcoder.store import Stage
from eval.answerable import contradiction
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS, Simulator, simulate_many

REFERENCES = "references.jsonl"

LEAST_S, TIMES = 5, 20
Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


class ReferenceCheck(Record):
    """What a problem's reference does: ``fault`` is None when it passes; ``samples`` where its bench counts them.

    Attributes:
        seconds: that its run took, compilation included.
    """

    problem_id: str
    fault: str | None
    samples: int | None
    seconds: float = 0.0


Checks = Mapping[str, ReferenceCheck]
"""Problem id to what its reference does; a problem without one is not in it."""


def checks_in(stage: Stage) -> dict[str, ReferenceCheck]:
    """What a stage's folder holds already."""
    return {row["problem_id"]: ReferenceCheck.model_validate(row) for row in stage.rows(REFERENCES)}


def check_in_stage(
    problems: Sequence[Problem], simulator: Simulator, stage: Stage, *, limits: Limits, progress: Progress
) -> Checks:
    """The checks of all problems that have a reference; those that ``stage`` lacks are made and written down.

    Raises:
        ToolMissing, ToolFailed, StoreError: what was checked is kept.
    """
    checks = checks_in(stage)
    todo = [problem for problem in problems if problem.id not in checks]
    for check in check_references(todo, simulator, limits=limits, progress=progress):
        stage.append(REFERENCES, check)
        checks[check.problem_id] = check
    return checks


def check_references(
    problems: Sequence[Problem],
    simulator: Simulator,
    *,
    limits: Limits,
    progress: Progress = lambda done, total: None,
) -> Iterator[ReferenceCheck]:
    """What each problem's own reference does, in order; problems without one are passed over.

    A bench may use what this simulator lacks; its answers would all fail, and not by the model's fault.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there or broke.
    """
    todo = [problem for problem in problems if problem.reference is not None]
    jobs = ((problem.reference, problem.bench) for problem in todo)
    with closing(simulate_many(NeverRefusing(simulator), jobs, limits=limits)) as decided:
        for done, (problem, verdict) in enumerate(zip(todo, decided, strict=True), start=1):
            yield ReferenceCheck(
                problem_id=problem.id, fault=_fault(verdict), samples=verdict.samples, seconds=verdict.seconds
            )
            progress(done, len(todo))


def faults(checks: Checks) -> dict[str, str]:
    """Problem id to why its own reference does not pass here, so that nothing can be said of an answer."""
    return {name: check.fault for name, check in checks.items() if check.fault is not None}


def cannot_pass(problems: Sequence[Problem], checks: Checks) -> dict[str, str]:
    """Problem id to why no answer that does as it is asked can pass here, in the problems' order.

    A bench that wants another module than the text asks for is known without a simulator, and is the cause where the
    reference does not fit its bench either.
    """
    failing = faults(checks)
    reasons = {problem.id: contradiction(problem) or failing.get(problem.id) for problem in problems}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def bench_for_answers(problem: Problem, checks: Checks) -> Bench:
    """The problem's bench; an answer must be tested on as many samples as the reference was, not on fewer."""
    rule, check = problem.bench.pass_rule, checks.get(problem.id)
    if rule.kind != "mismatch_count" or rule.expected_samples is not None or check is None or not check.samples:
        return problem.bench
    rule = rule.model_copy(update={"expected_samples": check.samples})
    return problem.bench.model_copy(update={"pass_rule": rule})


def limits_for_answers(check: ReferenceCheck, limits: Limits) -> Limits:
    """What an answer may use: `TIMES` the time that the reference took, at least `LEAST_S`, at most ``limits``.

    Most answers that do not end in that time never end, and there are enough of them to take most of a run's time.
    """
    return replace(limits, cpu_s=min(max(LEAST_S, ceil(TIMES * check.seconds)), limits.cpu_s))


class LimitedByReference:
    """A simulator that gives each run the limits of its bench; ``limits`` is by the ids of benches that live on."""

    def __init__(self, inner: Simulator, limits: Mapping[int, Limits]) -> None:
        self._inner, self._limits = inner, limits

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.run(design, bench, self._limits.get(id(bench), limits))

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


class NeverRefusing:
    """A simulator to which a bench that cannot be used is a verdict: on a reference, or on an answer in its place.

    Where the reference passed, what the bench cannot digest is the answer's doing.
    """

    def __init__(self, inner: Simulator) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        try:
            return self._inner.run(design, bench, limits)
        except InputError as error:
            said = Diagnostic(severity="error", message=str(error))
            return Verdict(status="no_result", stage="elaborate", diagnostics=(said,), simulator=self.name)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


def _fault(verdict: Verdict) -> str | None:
    if verdict.passed:
        return None
    # Under the official rule a warning is enough, so an error comes first but need not be there.
    said = sorted(verdict.diagnostics, key=lambda diagnostic: diagnostic.severity != "error")
    return f"its own reference fails: {verdict.status}" + (f" ({said[0].message})" if said else "")
