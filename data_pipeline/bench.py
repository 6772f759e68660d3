"""Testbenches from Python models: the model computes stimulus and expected outputs, Verilog applies and compares them.

Reads a ``Circuit``; writes a ``Bench`` whose vectors lie in a data file beside a short, fixed testbench. Inputs change
while the clock is low and are turned round before it falls; outputs are compared before and after each rising edge. So
an asynchronous reset, a Mealy output and what works at the falling edge are each told from their lookalikes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from autovcoder.records import Bench, PassRule, Port
from data_pipeline.circuit import Circuit, Clocked, Combinational, Names, Outputs, Reset, Values, mask, vec
from hdl_sim.stimulus import hex_line
from hdl_sim.testbench import SECRET_PLACE

VECTORS = "vectors.hex"
EXHAUSTIVE_BITS = 8
_PULSE_GAP = 6  # cycles


def make_bench(circuit: Circuit, module: str, names: Names, seed: str) -> Bench:
    """The bench of ``circuit`` for a design called ``module`` with its ports renamed by ``names``.

    The same seed gives the same vectors.
    """
    return make_batch_bench(circuit, [module], names, seed)


def make_batch_bench(circuit: Circuit, modules: Sequence[str], names: Names, seed: str) -> Bench:
    """The same bench for several designs at once, all of which see the same inputs.

    Before its result it prints which of them are wrong: ``Wrong: `` and a bit for each of ``modules``, the first one
    first. It counts a sample as a mismatch when any of them is wrong.
    """
    rng = random.Random(seed)
    if isinstance(circuit.model, Clocked):
        rows, checks = list(_clocked_rows(circuit, circuit.model, rng)), 2
    else:
        rows, checks = list(_combinational_rows(circuit, circuit.model, rng)), 1
    return Bench(
        kind="verilog",
        sources={"tb.v": _testbench(circuit, modules, names, rows=len(rows), checks=checks)},
        data_files={VECTORS: "\n".join(rows) + "\n"},
        top="tb",
        pass_rule=PassRule(kind="mismatch_count", expected_samples=len(rows) * checks, secret=True),
    )


def _combinational_rows(circuit: Circuit, model: Combinational, rng: random.Random) -> Iterator[str]:
    width = sum(port.width or 1 for port in circuit.inputs)
    if width <= EXHAUSTIVE_BITS:
        stimuli = [_split(circuit.inputs, value) for value in range(1 << width)]
    else:
        stimuli = [_vector(circuit, rng) for _ in range(circuit.cycles)]
    for values in stimuli:
        yield _row(circuit, values, [model.function(values)])


def _clocked_rows(circuit: Circuit, model: Clocked, rng: random.Random) -> Iterator[str]:
    state: Any = model.start
    last_pulse = 0
    planned = circuit.stimulus(rng) if circuit.stimulus else iter(())
    for cycle in range(circuit.cycles):
        values = _vector(circuit, rng) | next(planned, {})
        if circuit.reset:
            # The first half runs undisturbed, so that long counts come to their end. Then the reset is asserted where
            # it shows: a reset of a state that looks like the reset state tells nothing.
            shows = _outputs(circuit, model, state, values) != _outputs(circuit, model, model.reset_state, values)
            late = cycle > circuit.cycles // 2 and cycle - last_pulse > _PULSE_GAP
            pulse = cycle < 2 or (late and shows and rng.random() < 0.7)
            last_pulse = cycle if pulse else last_pulse
            values[circuit.reset.port] = int(pulse != circuit.reset.active_low)
        if circuit.reset and circuit.reset.asynchronous and _asserted(circuit.reset, values):
            state = model.reset_state
        before = _outputs(circuit, model, state, values)
        if model.edge == "posedge":
            state = _advance(circuit, model, state, values)
        after = _outputs(circuit, model, state, values)
        if model.edge == "negedge":
            state = _advance(circuit, model, state, values)
        yield _row(circuit, values, [before, after])


def _advance(circuit: Circuit, model: Clocked, state: Any, values: Values) -> Any:
    if circuit.reset and _asserted(circuit.reset, values):
        return model.reset_state
    return model.step(state, values)


def _outputs(circuit: Circuit, model: Clocked, state: Any, values: Values) -> Outputs:
    if state is None:
        return {port.name: None for port in circuit.outputs}
    return model.out(state, values)


def _asserted(reset: Reset, values: Values) -> bool:
    return bool(values[reset.port]) != reset.active_low


def _vector(circuit: Circuit, rng: random.Random) -> Values:
    """Values for all inputs but the clock; now and then two of one width are equal or neighbours."""
    values: Values = {}
    drawn: dict[int, list[int]] = {}
    for port in _driven(circuit):
        width = port.width or 1
        if width == 1:
            values[port.name] = int(rng.random() < circuit.busy.get(port.name, 0.5))
            continue
        before = drawn.setdefault(width, [])
        related = bool(before) and rng.random() < 0.3
        value = rng.choice(before) + rng.choice((-1, 0, 0, 1)) if related else _number(width, rng)
        values[port.name] = value & mask(width)
        before.append(values[port.name])
    return values


def _number(width: int, rng: random.Random) -> int:
    """A corner, a uniform number, or one whose highest or lowest set bit is uniform."""
    top = mask(width)
    kind = rng.random()
    if kind < 0.2:
        return rng.choice((0, 1, top, top - 1, (top >> 1) + 1, top >> 1))
    if kind < 0.6:
        return rng.randint(0, top)
    return (
        rng.getrandbits(width) >> rng.randrange(width) if kind < 0.8 else rng.getrandbits(width) << rng.randrange(width)
    )


def _split(ports: tuple[Port, ...], value: int) -> Values:
    values = {}
    for port in reversed(ports):
        values[port.name] = value & mask(port.width or 1)
        value >>= port.width or 1
    return values


def _row(circuit: Circuit, values: Values, checks: list[Outputs]) -> str:
    """One line of hex: the inputs, then for each check the expected outputs and which of their bits count."""
    fields = [(values[port.name], port.width or 1) for port in _driven(circuit)]
    for expected in checks:
        fields += [(expected[port.name] or 0, port.width or 1) for port in circuit.outputs]
        fields += [(0 if expected[port.name] is None else -1, port.width or 1) for port in circuit.outputs]
    return hex_line(fields)


def _driven(circuit: Circuit) -> list[Port]:
    return [port for port in circuit.inputs if port.name != "clk"]


def _testbench(circuit: Circuit, modules: Sequence[str], names: Names, *, rows: int, checks: int) -> str:
    driven = _driven(circuit)
    size_in = sum(port.width or 1 for port in driven)
    size_out = sum(port.width or 1 for port in circuit.outputs)
    total = size_in + 2 * checks * size_out
    clocked = checks == 2
    inputs = "\n".join(f"    reg {vec(p.width or 1)}i_{p.name};" for p in driven)
    wants = [f"want{k}, care{k}" for k in range(checks)]
    wide = "\n".join(f"    reg [{size_out - 1}:0] {pair};" for pair in wants)
    duts = "\n".join(_instance(circuit, module, names, k, clocked=clocked) for k, module in enumerate(modules))
    got = [", ".join(f"o{k}_{p.name}" for p in circuit.outputs) for k in range(len(modules))]
    compares = "\n".join(
        f"            wrong[{k}] = (({{{outputs}}} ^ want) & care) !== {size_out}'b0;" for k, outputs in enumerate(got)
    )
    apply = "".join(f"i_{p.name}, " for p in driven) + ", ".join(wants)
    check = "            #4 compare(want0, care0);\n"
    if clocked:
        check += "            #1 clk = 1;\n            #4 compare(want1, care1);\n"
        check += f"{_disturbance(circuit)}            #1 clk = 0;\n"
    several = '        $display("Wrong: %b", ever);\n' if len(modules) > 1 else ""
    return f"""`timescale 1ns/1ps
module tb;
    reg clk;
{inputs}
    reg [{total - 1}:0] vectors [0:{rows - 1}];
{wide}
    integer row, mismatches, samples;
    reg [0:{len(modules) - 1}] wrong, ever;

{duts}

    // A bit that is x or z where it counts is a mismatch: x & 1 is x, and x !== 0.
    task compare(input [{size_out - 1}:0] want, input [{size_out - 1}:0] care);
        begin
            samples = samples + 1;
{compares}
            ever = ever | wrong;
            if (wrong != 0) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        $readmemh("{VECTORS}", vectors);
        clk = 0;
        mismatches = 0;
        samples = 0;
        ever = 0;
        for (row = 0; row < {rows}; row = row + 1) begin
            {{{apply}}} = vectors[row];
{check}            #1;
        end
{several}        $display("{SECRET_PLACE} Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
"""


def _disturbance(circuit: Circuit) -> str:
    """Other inputs while the clock is high, so that what wrongly looks at its falling edge sees them.

    Not where that edge is the right one, and never another reset, which may act at once.
    """
    data = [p.name for p in _driven(circuit) if circuit.reset is None or p.name != circuit.reset.port]
    if not data or (isinstance(circuit.model, Clocked) and circuit.model.edge == "negedge"):
        return ""
    inputs = ", ".join(f"i_{name}" for name in data)
    return f"            {{{inputs}}} = ~{{{inputs}}};\n"


def _instance(circuit: Circuit, module: str, names: Names, number: int, *, clocked: bool) -> str:
    """A design under test with wires of its own for its outputs."""
    given = ", ".join(f".{name}({value})" for name, value in circuit.parameters.items())
    links = [f".{names.get('clk', 'clk')}(clk)"] if clocked else []
    links += [f".{names.get(p.name, p.name)}(i_{p.name})" for p in _driven(circuit)]
    links += [f".{names.get(p.name, p.name)}(o{number}_{p.name})" for p in circuit.outputs]
    wires = [f"    wire {vec(p.width or 1)}o{number}_{p.name};" for p in circuit.outputs]
    return "\n".join([*wires, f"    {module} {f'#({given}) ' if given else ''}dut{number} ({', '.join(links)});"])
