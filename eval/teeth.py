"""What a benchmark's testbenches are worth: how many mutants of each reference design its testbench kills.

Reads problems; writes, when given a folder, teeth.jsonl there, and to dropped.jsonl the problems that cannot be
measured, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import InputError
from autovcoder.records import Problem, Record
from autovcoder.store import DROPPED, Stage
from eval.suites import suite_hash
from hdl_sim.simulator import Simulator
from hdl_sim.teeth import DEFAULT_COUNT, Teeth, kill_rate, measure
from hdl_sim.tools import tool_version

TEETH = "teeth.jsonl"

Progress = Callable[[str, int, int], None]
"""Told which problem is being measured, how many are done, and of how many."""


class MissedMutant(Record):
    """A mutant that a testbench let pass; see `hdl_sim.teeth.Survivor`."""

    kind: str
    line: int
    change: str
    fate: Literal["survived", "unknown"]


class BenchTeeth(Record):
    """The fates of a reference's mutants on the problem's own testbench; see `hdl_sim.teeth.Teeth`."""

    problem_id: str
    killed: int
    survived: int
    equivalent: int
    unknown: int
    invalid: int
    survivors: tuple[MissedMutant, ...]

    @property
    def rate(self) -> float | None:
        """The share of killed mutants among those not proven equivalent; None where there are none."""
        return kill_rate(self.killed, self.survived, self.unknown)


class SuiteTeeth(Record):
    """The teeth of a suite's testbenches, in the suite's order; ``skipped``: problem id to why it was not measured."""

    suite: str
    suite_hash: str
    simulator: str
    prover: str
    mutants: int
    seed: str
    problems: tuple[BenchTeeth, ...]
    skipped: dict[str, str]

    @property
    def totals(self) -> dict[str, int]:
        names = ("killed", "survived", "equivalent", "unknown", "invalid")
        return {name: sum(getattr(problem, name) for problem in self.problems) for name in names}

    @property
    def rate(self) -> float | None:
        """The share of killed mutants of all problems together."""
        totals = self.totals
        return kill_rate(totals["killed"], totals["survived"], totals["unknown"])

    def below(self, threshold: float) -> list[BenchTeeth]:
        """The problems whose testbench kills less than this share, the worst first."""
        weak = [problem for problem in self.problems if problem.rate is not None and problem.rate < threshold]
        return sorted(weak, key=lambda problem: (problem.rate, problem.problem_id))


def measure_suite(
    problems: Sequence[Problem],
    simulator: Simulator,
    *,
    count: int = DEFAULT_COUNT,
    seed: str = "",
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda problem, done, total: None,
) -> SuiteTeeth:
    """Measure every testbench; with ``out``, in a stage folder that resumes.

    Problems that share design and testbench are measured once.

    Raises:
        StoreError: ``out`` belongs to another measurement, or cannot be written.
        ToolMissing, ToolFailed: the simulator or Yosys is not there or broke.
    """
    head: dict[str, Any] = {
        "suite": problems[0].suite,
        "suite_hash": suite_hash(problems),
        "simulator": simulator.name,
        "prover": f"yosys {tool_version('yosys')}",
        "mutants": count,
        "seed": seed,
    }
    rows: dict[str, BenchTeeth] = {}
    skipped: dict[str, str] = {}

    def measure_rest() -> Iterator[BenchTeeth | tuple[str, str]]:
        known: dict[str, Teeth] = {}
        for done, problem in enumerate(problems):
            if problem.id not in rows and problem.id not in skipped:
                progress(problem.id, done, len(problems))
                yield _measure(problem, simulator, count, seed, workers, known)

    if out is None:
        for found in measure_rest():
            _keep(found, rows, skipped)
    else:
        with Stage(out, "eval.teeth", config=head) as stage:
            rows |= {row["problem_id"]: BenchTeeth.model_validate(row) for row in stage.rows(TEETH)}
            skipped |= {row["id"]: row["reason"] for row in stage.rows(DROPPED)}
            if not stage.done:
                stage.start()
                for found in measure_rest():
                    _keep(found, rows, skipped)
                    if isinstance(found, BenchTeeth):
                        stage.append(TEETH, found)
                    else:
                        stage.drop(*found)
                result = _result(problems, head, rows, skipped)
                stage.finish(**result.totals, rate=result.rate)
    return _result(problems, head, rows, skipped)


def _measure(
    problem: Problem, simulator: Simulator, count: int, seed: str, workers: int | None, known: dict[str, Teeth]
) -> BenchTeeth | tuple[str, str]:
    if problem.reference is None:
        return problem.id, "it has no reference design"
    key = problem.model_dump_json(include={"reference", "bench"})
    if key not in known:
        try:
            known[key] = measure(problem.reference, problem.bench, simulator, count=count, seed=seed, workers=workers)
        except InputError as error:
            return problem.id, str(error)
    teeth = known[key]
    return BenchTeeth(
        problem_id=problem.id,
        killed=teeth.killed,
        survived=teeth.survived,
        equivalent=teeth.equivalent,
        unknown=teeth.unknown,
        invalid=teeth.invalid,
        survivors=tuple(
            MissedMutant(kind=one.kind, line=one.line, change=one.change, fate=one.fate) for one in teeth.survivors
        ),
    )


def _keep(found: BenchTeeth | tuple[str, str], rows: dict[str, BenchTeeth], skipped: dict[str, str]) -> None:
    if isinstance(found, BenchTeeth):
        rows[found.problem_id] = found
    else:
        skipped[found[0]] = found[1]


def _result(
    problems: Sequence[Problem], head: dict[str, Any], rows: dict[str, BenchTeeth], skipped: dict[str, str]
) -> SuiteTeeth:
    return SuiteTeeth(
        **head,
        problems=tuple(rows[problem.id] for problem in problems if problem.id in rows),
        skipped={problem.id: skipped[problem.id] for problem in problems if problem.id in skipped},
    )
