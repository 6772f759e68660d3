"""How well a testbench tells a design from its mutants: which are killed, which live, and which of these are the same.

Reads a design and a testbench; writes nothing. Every mutant is simulated; one that passes is compared with the design
by proof (`equivalence.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from typing import Literal

from autovcoder.errors import InputError
from autovcoder.records import Bench, Status, Verdict
from hdl_sim.connections import connections
from hdl_sim.equivalence import Relation, compare
from hdl_sim.limits import Limits
from hdl_sim.mutants import Mutant, mutants
from hdl_sim.provable import overrides_parameters
from hdl_sim.simulator import Simulator, in_parallel, simulate_many
from hdl_sim.slang import read_source
from hdl_sim.tools import find_tool

LIMITS = Limits(cpu_s=30, wall_s=300.0)
"""Of the design's own run; its mutants have a few times what that took."""
DEFAULT_COUNT = 24
_TIMES, _LEAST_S = 5.0, 2.0
_WAITING = 10.0  # wall time to CPU time: on a busy machine a run must not fail for having waited
_KILLED = ("mismatch", "runtime_error", "timeout", "no_result")

Fate = Literal["survived", "unknown"]


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that passed: ``survived`` where it is known to be another circuit, else ``unknown``.

    ``kind``, ``line`` and ``change`` are the mutant's.
    """

    kind: str
    line: int
    change: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Teeth:
    """The fates of a design's mutants, as counts.

    Attributes:
        killed: the testbench told them from the design.
        survived: it did not, and they are another circuit. ``unknown``: it did not, and nothing was proven in time.
        equivalent: it did not, and they are the same circuit.
        invalid: they did not compile, or were refused.
        survivors: those that survived or are unknown, in the order in which they were drawn.
    """

    killed: int
    survived: int
    equivalent: int
    unknown: int
    invalid: int
    survivors: tuple[Survivor, ...]

    @property
    def rate(self) -> float | None:
        """The share of killed mutants among those not proven equivalent; None where there are none."""
        return kill_rate(self.killed, self.survived, self.unknown)


def kill_rate(killed: int, survived: int, unknown: int) -> float | None:
    """The share of killed mutants among those not proven equivalent; None where there are none."""
    total = killed + survived + unknown
    return killed / total if total else None


def measure(
    design: str,
    bench: Bench,
    simulator: Simulator,
    *,
    count: int = DEFAULT_COUNT,
    seed: str = "",
    workers: int | None = None,
) -> Teeth:
    """Run ``count`` mutants of a design on a testbench that the design passes.

    Raises:
        InputError: the design does not pass, so that nothing can be said.
        ToolMissing: the simulator or Yosys is not installed. ToolFailed: one of them broke.
    """
    find_tool("yosys")  # missed at once, not after the simulations
    verdict = simulator.run(design, bench, LIMITS)
    if not verdict.passed:
        raise InputError(
            "the design fails its own testbench", where=verdict.status, fix="mutants say nothing of such a testbench"
        )
    drawn = mutants(design, count=count, seed=seed)
    jobs = ((mutant.code, bench) for mutant in drawn)
    with closing(simulate_many(simulator, jobs, limits=mutant_limits(verdict), workers=workers)) as decided:
        verdicts = list(decided)
    return weigh(design, _top(design, bench), drawn, [verdict.status for verdict in verdicts], workers=workers)


def weigh(
    design: str,
    top: str | None,
    drawn: Sequence[Mutant],
    statuses: Sequence[Status],
    *,
    workers: int | None = None,
) -> Teeth:
    """Sort simulated mutants by their fates; those that passed are compared with the design.

    Args:
        top: the module that is tested; None where nobody can tell, and then nothing is proven.
        drawn: the mutants, with the status that each got.
    """
    passed = [mutant for mutant, status in zip(drawn, statuses, strict=True) if status == "pass"]
    relations = list(_compare_all(design, passed, top, workers))
    killed = sum(status in _KILLED for status in statuses)
    return Teeth(
        killed=killed,
        survived=relations.count("different"),
        equivalent=relations.count("equivalent"),
        unknown=relations.count("unknown"),
        invalid=len(drawn) - killed - len(passed),
        survivors=tuple(
            Survivor(mutant.kind, mutant.line, mutant.change, "survived" if relation == "different" else "unknown")
            for mutant, relation in zip(passed, relations, strict=True)
            if relation != "equivalent"
        ),
    )


def mutant_limits(verdict: Verdict) -> Limits:
    """What each mutant of a design may use, from the design's own run, which passed.

    A slip may make a design run for ever; what takes several times as long as the design did will not end. A limit that
    does not follow from the design's own run would have a slow testbench kill them all.
    """
    seconds = max(_LEAST_S, _TIMES * verdict.seconds)
    return Limits(cpu_s=min(ceil(seconds), LIMITS.cpu_s), wall_s=min(_WAITING * seconds, LIMITS.wall_s))


def _compare_all(design: str, passed: Iterable[Mutant], top: str | None, workers: int | None) -> Iterable[Relation]:
    if top is None:
        return ("unknown" for _ in passed)
    with closing(in_parallel(lambda mutant: compare(design, mutant.code, top), passed, workers)) as found:
        return list(found)


def _top(design: str, bench: Bench) -> str | None:
    """The module that the testbench looks at; None where nobody can tell, or its parameters may not be the defaults."""
    source = read_source(design)
    if bench.kind == "cocotb":
        return bench.top if source.module(bench.top) else None
    wanted = {connection.module for connection in connections(bench.sources.values())}
    found = [module.name for module in source.modules if module.name in wanted]
    one = found[0] if len(found) == 1 else None
    return None if one is None or overrides_parameters(bench.sources.values(), one) else one
