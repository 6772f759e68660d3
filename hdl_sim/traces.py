"""What designs of one interface answer to one stimulus.

Reads designs and a stimulus; writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from autovcoder.errors import InputError
from autovcoder.records import Bench, Port
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS, Simulator
from hdl_sim.stated_examples import Example, Examples
from hdl_sim.stimulus import Stimulus, example_stimuli, observing_bench

# A design that needs more does not come to rest: the stimulus is short.
LIMITS = Limits(wall_s=60.0, cpu_s=5, output_kb=4096)

Trace = tuple[str, ...]
"""The outputs at each look, as ``01xz``, side by side in the order of the stimulus' outputs."""


class Prints(Protocol):
    """A simulator that can hand over what a testbench of ours printed. Safe to call from several threads at once."""

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """The lines that the bench printed behind its secret, without it; empty where nothing was simulated.

        Raises:
            ToolMissing, ToolFailed, InputError: as `hdl_sim.simulator.Simulator.run`.
        """


class PrintingSimulator(Simulator, Prints, Protocol):
    """A simulator that gives verdicts and hands over what was printed."""


def trace(simulator: Prints, design: str, module: str, stimulus: Stimulus) -> Trace | None:
    """What ``module`` of ``design`` answers; None where it has other ports, or did not come to the end.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    try:
        lines = simulator.printed(design, observing_bench(stimulus, module), LIMITS).decode().splitlines()
    except InputError:
        return None  # the bench does not compile with such names
    wanted = stimulus.looks * len(stimulus.rows)
    width = sum(port.width or 1 for port in stimulus.outputs)
    found = tuple(line.strip() for line in lines)
    return found if len(found) == wanted and all(len(line) == width for line in found) else None


def examples_met(
    simulator: Prints, design: str, module: str, examples: Examples, ports: Sequence[Port], clocks: Collection[str]
) -> tuple[bool, ...] | None:
    """Whether each example that says something of an output is met; None where the design cannot be driven.

    Raises:
        ToolMissing, ToolFailed: as `trace`.
    """
    best: tuple[bool, ...] | None = None
    for stimulus in example_stimuli(examples, ports, clocks):
        seen = trace(simulator, design, module, stimulus)
        if seen is None:
            return None
        looks = seen[1::2] if examples.in_time else seen
        met = tuple(
            _meets(look, _wanted(example, stimulus.outputs))
            for look, example in zip(looks, examples.rows, strict=False)
            if _says_something(example)
        )
        if best is None or sum(met) > sum(best):
            best = met
    return best


def none_met(examples: Examples) -> tuple[bool, ...]:
    """What `examples_met` would say of a design that meets none."""
    return tuple(False for example in examples.rows if _says_something(example))


def _says_something(example: Example) -> bool:
    return any(not set(bits).isdisjoint("01") for bits in example.outputs.values())


def _wanted(example: Example, outputs: Sequence[Port]) -> str:
    return "".join(example.outputs.get(port.name, "x" * (port.width or 1)) for port in outputs)


def _meets(look: str, wanted: str) -> bool:
    return all(want in ("x", bit) for bit, want in zip(look, wanted, strict=True))
