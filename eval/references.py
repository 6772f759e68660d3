"""What each problem's own reference does here: one that even its reference cannot pass says nothing about a model.

Reads problems and what a run's folder holds already; writes references.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from autovcoder.errors import InputError
from autovcoder.records import Bench, Diagnostic, Problem, Verdict
from autovcoder.store import Stage
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS, Simulator, simulate_many

REFERENCES = "references.jsonl"

References = Mapping[str, Mapping[str, Any]]
"""Problem id to its row of references.jsonl: ``fault`` (None where the reference passes), number of ``samples``."""


def references_in(stage: Stage) -> dict[str, Mapping[str, Any]]:
    """The rows that the run's folder holds already."""
    return {row["problem_id"]: row for row in stage.rows(REFERENCES)}


def check_references(
    problems: Sequence[Problem],
    simulator: Simulator,
    stage: Stage,
    *,
    limits: Limits,
    progress: Callable[[int, int], None],
) -> References:
    """The rows of all problems that have a reference; those that ``stage`` lacks are simulated and written down.

    A bench may use what this simulator lacks; its answers would all fail, and not by the model's fault.

    Args:
        progress: told after each how many are done, and of how many.

    Raises:
        ToolMissing, ToolFailed, StoreError: what was checked is kept.
    """
    references = references_in(stage)
    todo = [p for p in problems if p.reference is not None and p.id not in references]
    jobs = ((problem.reference, problem.bench) for problem in todo)
    with closing(simulate_many(NeverRefusing(simulator), jobs, limits=limits)) as decided:
        for done, (problem, verdict) in enumerate(zip(todo, decided, strict=True), start=1):
            row = {"problem_id": problem.id, "fault": _fault(verdict), "samples": verdict.samples}
            stage.append(REFERENCES, row)
            references[problem.id] = row
            progress(done, len(todo))
    return references


def faults_in(references: References) -> dict[str, str]:
    """Problem id to why its reference does not pass."""
    return {name: row["fault"] for name, row in references.items() if row["fault"] is not None}


def bench_for_answers(problem: Problem, references: References) -> Bench:
    """The problem's bench; an answer must be tested on as many samples as the reference was, not on fewer."""
    rule, samples = problem.bench.pass_rule, references.get(problem.id, {}).get("samples")
    if rule.kind != "mismatch_count" or rule.expected_samples is not None or not samples:
        return problem.bench
    rule = rule.model_copy(update={"expected_samples": samples})
    return problem.bench.model_copy(update={"pass_rule": rule})


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
