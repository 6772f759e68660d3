"""What a benchmark gets wrong by itself on the tools at hand: every reference is run on its own bench.

Reads problems; writes, when given a folder, references.jsonl and selftest.json there. A scoring run shares the check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from autovcoder.errors import StoreError
from autovcoder.files import write_atomic
from autovcoder.records import Problem, Record
from autovcoder.store import Stage
from eval.references import Checks, cannot_pass, check_in_stage, check_references
from eval.suites import suite_hash
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator

SELFTEST = "selftest.json"


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
        found = check_references(problems, simulator, limits=limits)
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
        checks = check_in_stage(problems, simulator, stage, limits=limits, progress=lambda done, total: None)
        result = _summary(problems, simulator, checks)
        stage.start()
        write_atomic(stage.folder / SELFTEST, result.model_dump_json(indent=2) + "\n")
        stage.finish(problems=result.problems, passable=result.passable)
    return result


def _summary(problems: Sequence[Problem], simulator: Simulator, checks: Checks) -> SelfTest:
    reasons = cannot_pass(problems, checks)
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
