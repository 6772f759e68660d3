"""The teeth of a pair's testbench, measured no further than it takes to know whether they are enough.

Reads a design and a testbench; writes nothing. A proof that a surviving mutant is another circuit takes seconds, and a
weak testbench has twenty survivors: the first few say that it is weak.
"""

from __future__ import annotations

from autovcoder.records import Bench, Verdict
from hdl_sim.mutants import mutants
from hdl_sim.provable import overrides_parameters
from hdl_sim.simulator import Simulator, simulate_many
from hdl_sim.teeth import Teeth, mutant_limits, weigh

_SEED = "verify"


def measure_until(
    design: str, top: str, bench: Bench, verdict: Verdict, simulator: Simulator, *, count: int, least: float
) -> Teeth:
    """The fates of ``count`` mutants of a design that passes; of fewer, once the rate is below ``least`` for good.

    Mutants that are not killed can only lower the rate, so that what was found by then decides. Where the rate reaches
    ``least``, every fate is known, as from `hdl_sim.teeth.measure`.

    Args:
        top: the module that the bench instantiates. ``verdict``: of the design on the bench, which it passes.

    Raises:
        ToolMissing: the simulator or Yosys is not installed. ToolFailed: one of them broke.
    """
    tested = None if overrides_parameters(bench.sources.values(), top) else top
    drawn = mutants(design, count=count, seed=_SEED)
    jobs = ((mutant.code, bench) for mutant in drawn)
    statuses = [verdict.status for verdict in simulate_many(simulator, jobs, limits=mutant_limits(verdict), workers=1)]
    fates = list(zip(drawn, statuses, strict=True))
    others = [(mutant, status) for mutant, status in fates if status != "pass"]
    found = weigh(design, tested, [mutant for mutant, _ in others], [status for _, status in others])
    for mutant, status in fates:
        if status == "pass":
            found = _sum(found, weigh(design, tested, [mutant], [status], workers=1))
        if found.rate is not None and found.rate < least:
            break
    return found


def _sum(one: Teeth, other: Teeth) -> Teeth:
    return Teeth(
        killed=one.killed + other.killed,
        survived=one.survived + other.survived,
        equivalent=one.equivalent + other.equivalent,
        unknown=one.unknown + other.unknown,
        invalid=one.invalid + other.invalid,
        survivors=one.survivors + other.survivors,
    )
