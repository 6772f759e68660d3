"""What a benchmark gets wrong by itself on the tools at hand: every reference is run on its own bench.

Reads problems; writes, when given a folder, references.jsonl and selftest.json there. A scoring run shares the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from autovcoder.errors import InputError, StoreError
from autovcoder.records import Problem, Record
from autovcoder.store import Stage, write_atomic
from eval.answerable import contradiction
from eval.suites import suite_hash
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, available_cores

REFERENCES = "references.jsonl"
SELFTEST = "selftest.json"


class ReferenceCheck(Record):
    """What a problem's reference does: ``fault`` is None when it passes; ``samples`` where its bench counts them."""

    problem_id: str
    fault: str | None
    samples: int | None


class SelfTest(Record):
    """What a suite is worth on this machine.

    Attributes:
        problems: all of the suite.
        references_pass: those whose reference passes its own bench.
        passable: those whose reference passes, and whose bench wants what the problem asks for.
        cannot_pass: problem id to why no answer can be judged, or can pass. In the suite's order.
        no_reference: problems that have none; nothing is known of them, and they count as passable.
    """

    suite: str
    suite_hash: str
    simulator: str
    problems: int
    references_pass: int
    passable: int
    cannot_pass: dict[str, str]
    no_reference: tuple[str, ...]


def selftest(problems: Sequence[Problem], simulator: Simulator, limits: Limits, out: Path | None = None) -> SelfTest:
    """Run every reference; with ``out``, in a stage folder that resumes, and whose result is read back once it is done.

    Raises:
        StoreError: ``out`` belongs to another self-test, or cannot be written.
        ToolMissing, ToolFailed: the simulator is not there or broke.
    """
    if out is None:
        found = check_references(problems, simulator, limits)
        return _summary(problems, simulator, {check.problem_id: check for check in found})
    config = {
        "suite": problems[0].suite,
        "suite_hash": suite_hash(problems),
        "simulator": simulator.name,
        "limits": asdict(limits),
    }
    with Stage(out, "eval.selftest", config=config) as stage:
        if stage.done:
            return _read(out)
        checks = {row["problem_id"]: ReferenceCheck.model_validate(row) for row in stage.rows(REFERENCES)}
        todo = [problem for problem in problems if problem.id not in checks]
        for check in check_references(todo, simulator, limits):
            stage.append(REFERENCES, check)
            checks[check.problem_id] = check
        result = _summary(problems, simulator, checks)
        stage.start()
        write_atomic(stage.folder / SELFTEST, result.model_dump_json(indent=2) + "\n")
        stage.finish(problems=result.problems, passable=result.passable)
    return result


def check_references(
    problems: Sequence[Problem],
    simulator: Simulator,
    limits: Limits,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[ReferenceCheck]:
    """What each problem's own reference does, in order; problems without one are passed over.

    A bench may use what this simulator lacks; its answers would all fail, and not by the model's fault. ``progress`` is
    told how many are done, and how many there are.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there or broke.
    """
    todo = [problem for problem in problems if problem.reference is not None]
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(lambda problem: _check(problem, simulator, limits), todo)
        for done, check in enumerate(found, start=1):
            yield check
            progress(done, len(todo))


def _check(problem: Problem, simulator: Simulator, limits: Limits) -> ReferenceCheck:
    try:
        verdict = simulator.run(problem.reference, problem.bench, limits)
    except InputError as error:
        return ReferenceCheck(problem_id=problem.id, fault=str(error), samples=None)
    fault = None
    if not verdict.passed:
        message = next((d.message for d in verdict.diagnostics if d.severity == "error"), "")
        fault = f"its own reference fails: {verdict.status}" + (f" ({message})" if message else "")
    return ReferenceCheck(problem_id=problem.id, fault=fault, samples=verdict.samples)


def _summary(problems: Sequence[Problem], simulator: Simulator, checks: dict[str, ReferenceCheck]) -> SelfTest:
    reasons: dict[str, str] = {}
    for problem in problems:
        # Known without a simulator, and the cause where the reference does not fit its bench either.
        reason = contradiction(problem)
        if reason is None and problem.id in checks:
            reason = checks[problem.id].fault
        if reason is not None:
            reasons[problem.id] = reason
    return SelfTest(
        suite=problems[0].suite,
        suite_hash=suite_hash(problems),
        simulator=simulator.name,
        problems=len(problems),
        references_pass=sum(check.fault is None for check in checks.values()),
        passable=len(problems) - len(reasons),
        cannot_pass=reasons,
        no_reference=tuple(problem.id for problem in problems if problem.reference is None),
    )


def _read(out: Path) -> SelfTest:
    try:
        return SelfTest.model_validate_json((out / SELFTEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise StoreError(
            "the result cannot be read", where=out / SELFTEST, fix="delete the folder, run again"
        ) from None
