"""What is proven of a parametric design once, for all the problems that word it: its RTL, and the teeth of its bench.

Reads a `Design`; writes nothing. All mutants of a design are simulated in one run, beside each other: a
run's start costs more than the run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from autovcoder.records import Record, Status
from data_pipeline.parametric import Design
from data_pipeline.render import rename, render
from hdl_sim.limits import Limits
from hdl_sim.mutants import Mutant, mutants
from hdl_sim.simulator import Simulator
from hdl_sim.spans import module_spans
from hdl_sim.synthesizable import unsynthesizable
from hdl_sim.teeth import kill_rate, mutant_limits, weigh

TOP = "dut_m"
FATES = ("killed", "survived", "equivalent", "unknown")
# Of all mutants beside each other, which takes some hundredths of a second; those of a run that ends here run alone.
LIMITS = Limits(cpu_s=4, wall_s=60.0)
_WRONG = re.compile(r"^Wrong: ([01]+)$", re.MULTILINE)


class DesignRow(Record):
    """What was found for one design.

    Attributes:
        key: `Design.key`; ``family`` and ``parameters`` make it again.
        fault: why no pair of it may be kept; None where there is nothing against it.
        killed, survived, equivalent, unknown: its mutants' fates on its bench; None where the RTL itself is at fault.
        missed: the slips that survived or are unknown, each as ``kind: change``.
    """

    key: str
    family: str
    parameters: dict[str, Any]
    fault: str | None = None
    killed: int | None = None
    survived: int | None = None
    equivalent: int | None = None
    unknown: int | None = None
    missed: tuple[str, ...] = ()

    @property
    def kill_rate(self) -> float:
        """The share of mutants not proven equivalent that the bench kills; 0 where there are none."""
        return kill_rate(self.killed or 0, self.survived or 0, self.unknown or 0) or 0.0


def measure_design(design: Design, seed: int, simulator: Simulator, *, count: int, least: float) -> DesignRow:
    """Simulate a design and its mutants.

    Args:
        seed: of the run; the bench's vectors follow from it and the design.
        count: mutants; 0 for none, and then nothing is said about them.
        least: the share of mutants not proven equivalent that the bench must kill.

    Raises:
        ToolMissing, ToolFailed: the simulator or Yosys is not there or broke.
    """
    row = DesignRow(key=design.key, family=design.family.name, parameters=design.parameters)
    code = render(design.circuit, TOP, {})
    verdict = simulator.run(code, design.bench(seed, TOP))
    if not verdict.passed:
        return row.model_copy(update={"fault": f"the design fails its bench: {verdict.status}"})
    finding = unsynthesizable(code, TOP)
    if finding is not None:
        return row.model_copy(update={"fault": f"not synthesizable: {finding.what}"})
    if not count:
        return row
    drawn = mutants(code, count=count, seed=design.key)
    teeth = weigh(code, TOP, drawn, _simulate(design, drawn, seed, simulator, mutant_limits(verdict)), workers=1)
    counts = {name: getattr(teeth, name) for name in FATES}
    row = row.model_copy(update={**counts, "missed": tuple(f"{one.kind}: {one.change}" for one in teeth.survivors)})
    fault = None if row.kill_rate >= least else f"its bench kills too few mutants ({row.kill_rate:.0%})"
    return row.model_copy(update={"fault": fault})


def _simulate(design: Design, drawn: Sequence[Mutant], seed: int, simulator: Simulator, limits: Limits) -> list[Status]:
    """What each mutant does on the design's bench: all in one run, or one by one where that run does not tell."""
    names = [f"{TOP}_{number}" for number in range(len(drawn))]
    text = "\n".join(_named(mutant.code, number) for number, mutant in enumerate(drawn))
    verdict = simulator.run(text, design.bench(seed, *names), LIMITS) if drawn else None
    found = _WRONG.search(verdict.log_tail) if verdict and verdict.status in ("pass", "mismatch") else None
    if found and len(found[1]) == len(drawn):
        return ["mismatch" if bit == "1" else "pass" for bit in found[1]]
    bench = design.bench(seed, TOP)
    return [simulator.run(mutant.code, bench, limits).status for mutant in drawn]


def _named(code: str, number: int) -> str:
    """The code with its modules renamed, so that it can stand beside other mutants."""
    return rename(code, {span.name: f"{span.name}_{number}" for span in module_spans(code)})
