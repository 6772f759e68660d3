"""How fast a parametric design's bench is measured by mutants: all of them in one run, against one run for each.

The peer is `hdl_sim.teeth.measure`, which is what any other testbench gets. Both draw the same mutants, simulate them
with the same Icarus, and prove the survivors in the same way; their counts must agree. Run it on an idle machine:

    python benchmarks/mutant_speed.py [DESIGNS] [MUTANTS]
"""

from __future__ import annotations

import random
import sys
import time

from data_pipeline.designs import TOP, measure_design
from data_pipeline.parametric import Design, ParametricTeacher
from data_pipeline.render import render
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.simulator import in_parallel
from hdl_sim.teeth import Teeth, measure


def main() -> None:
    designs, count = (int(argument) for argument in (*sys.argv[1:], "60", "12")[:2])
    teacher, rng = ParametricTeacher(), random.Random(0)
    drawn = [teacher.draw_design(rng) for _ in range(designs)]
    simulator = IcarusPool()
    # A process that scores starts when it is first needed.
    list(in_parallel(lambda design: measure_design(design, 0, simulator, count=1, least=0.0), drawn[:4]))

    started = time.perf_counter()
    together = list(in_parallel(lambda design: measure_design(design, 0, simulator, count=count, least=0.0), drawn))
    seconds = time.perf_counter() - started

    def each_alone(design: Design) -> Teeth:
        code, bench = render(design.circuit, TOP, {}), design.bench(0, TOP)
        return measure(code, bench, simulator, count=count, seed=design.key, workers=1)

    started = time.perf_counter()
    alone = list(in_parallel(each_alone, drawn))
    peer = time.perf_counter() - started
    simulator.close()

    ours = [(row.killed, row.survived, row.equivalent) for row in together]
    theirs = [(teeth.killed, teeth.survived, teeth.equivalent) for teeth in alone]
    agree = sum(one == other for one, other in zip(ours, theirs, strict=True))
    print(f"designs {designs}, mutants killed {sum(row.killed or 0 for row in together)}; counts agree for {agree}")
    print(f"in one run      {designs / seconds:8.1f} designs/s")
    print(f"one run each    {designs / peer:8.1f} designs/s")
    print(f"ratio           {peer / seconds:8.2f}")


if __name__ == "__main__":
    main()
