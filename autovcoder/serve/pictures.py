"""What the chosen design does under the stimulus by which it was chosen, and where other answers do something else.

Reads a result; simulates the chosen design and one of each group that differs again; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Literal

from autovcoder.generate import Result
from autovcoder.records import Record, Signal, Waveform
from hdl_sim.consensus import module_of
from hdl_sim.dump import Dump
from hdl_sim.roles import roles
from hdl_sim.slang import Module
from hdl_sim.statement import Stated, stated_interface
from hdl_sim.stimulus import Stimulus, stimulus
from hdl_sim.traces import PrintingSimulator, Trace, trace
from hdl_sim.waves import EXPECTED, GOT, around_mismatch

MOST = 6  # waveforms of one result
# The times of `hdl_sim.stimulus.observing_bench`: inputs change, and half a step later clocks do.
_HALF_NS = 5


class Picture(Record):
    """A waveform of the chosen design, beside another one where ``other`` is its index.

    Attributes:
        expected: whose outputs are the ``_ref`` of the waveform: the chosen design's, unless they are unknown where the
            two differ first. The other's are ``_dut``.
        step: of the stimulus, at which they first differ.
    """

    other: int | None
    expected: Literal["chosen", "other"]
    step: int | None
    wave: Waveform


def pictures_of(result: Result, simulator: PrintingSimulator) -> tuple[Picture, ...]:
    """The chosen design beside one of each group that differs from it, or alone; empty where it cannot be driven.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    chosen = result.chosen
    if chosen.code is None or not chosen.compiles:
        return ()
    stated = stated_interface(result.spec, result.header)
    module = module_of(chosen.code, stated)
    given = None if module is None else _stimulus(result, stated, module)
    seen = None if module is None or given is None else trace(simulator, chosen.code, module.name, given)
    if module is None or given is None or seen is None:
        return ()
    found: list[Picture] = []
    for group in result.selection.groups if result.selection else ():
        code = result.candidates[group.members[0]].code
        other = module_of(code or "", stated) if group.difference and len(found) < MOST else None
        also = None if other is None or code is None else trace(simulator, code, other.name, given)
        if also is not None and also != seen:
            found.append(_beside(given, seen, also, group.members[0]))
    return tuple(found) or (_alone(given, seen),)


def _stimulus(result: Result, stated: Stated, module: Module) -> Stimulus | None:
    """The one by which `hdl_sim.consensus` chose: made from the accepted designs with the chosen one's ports."""
    chosen = result.chosen
    codes = [one.code for one in result.candidates if one.accepted] if chosen.accepted else [chosen.code]
    modules = {code: module_of(code, stated) for code in dict.fromkeys(codes) if code is not None}
    ports = {code: one.ports for code, one in modules.items() if one and frozenset(one.ports) == {*module.ports}}
    first = next(iter(ports.values()), module.ports)
    return stimulus(first, roles([port for port in first if port.direction == "input"], list(ports)))


def _alone(given: Stimulus, seen: Trace) -> Picture:
    rows = [*_inputs(given), *_outputs(given, seen, "")]
    return Picture(other=None, expected="chosen", step=None, wave=around_mismatch(_dump(given), rows, {}))


def _beside(given: Stimulus, seen: Trace, also: Trace, other: int) -> Picture:
    step = next(look for look, pair in enumerate(zip(seen, also, strict=True)) if pair[0] != pair[1]) // given.looks

    def drawn(expected: Trace, got: Trace) -> Waveform:
        wanted, has = _outputs(given, expected, EXPECTED), _outputs(given, got, GOT)
        pairs = {port.name: pair for port, pair in zip(given.outputs, zip(wanted, has, strict=True), strict=True)}
        return around_mismatch(_dump(given), _inputs(given), pairs)

    wave = drawn(seen, also)
    if wave.mismatch is not None and wave.mismatch // _step_ns(given) == step:
        return Picture(other=other, expected="chosen", step=step, wave=wave)
    # An unknown value is no expectation, so here the other one's must be it.
    return Picture(other=other, expected="other", step=step, wave=drawn(also, seen))


def _step_ns(given: Stimulus) -> int:
    return _HALF_NS * given.looks


def _dump(given: Stimulus) -> Dump:
    return Dump("1 ns", len(given.rows) * _step_ns(given), {})


def _inputs(given: Stimulus) -> list[Signal]:
    clocks = [
        _signal(name, 1, [(0, "0"), *((at + _HALF_NS, f"{row[name]:b}") for at, row in _timed(given))])
        for name in given.clocks
    ]
    return clocks + [
        _signal(port.name, port.width or 1, [(at, f"{row[port.name]:0{port.width}b}") for at, row in _timed(given)])
        for port in given.inputs
    ]


def _timed(given: Stimulus) -> Iterable[tuple[int, dict[str, int]]]:
    return ((number * _step_ns(given), row) for number, row in enumerate(given.rows))


def _outputs(given: Stimulus, seen: Trace, suffix: str) -> list[Signal]:
    """Outputs are drawn from the change that they answer on, though they are looked at a little later."""
    found, at = [], 0
    for port in given.outputs:
        width = port.width or 1
        values = [(look * _HALF_NS, bits[at : at + width]) for look, bits in enumerate(seen)]
        found.append(_signal(port.name + suffix, width, values))
        at += width
    return found


def _signal(name: str, width: int, values: list[tuple[int, str]]) -> Signal:
    changes = tuple(next(same) for _, same in groupby(values, key=lambda value: value[1]))
    return Signal(name=name, width=width, bits=f"[{width - 1}:0]" if width > 1 else "", changes=changes)
