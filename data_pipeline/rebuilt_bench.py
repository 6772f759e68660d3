"""The reconstructed testbench of the paper (arXiv 2407.18333): vectors, and what a Python model expects at each.

Reads a design's interface and a model's answers; writes stimuli and a ``Bench``. The inputs change while the clock is
low, and the outputs are compared after each edge; where there is no clock, after each change.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autovcoder.records import Bench, PassRule, Port
from data_pipeline.bench import VECTORS
from hdl_sim.slang import module_nodes, parse, read_source
from hdl_sim.stimulus import hex_line
from hdl_sim.testbench import SECRET_PLACE
from hdl_sim.tokens import plain_lines

TOP = "rebuilt_testbench"
EXHAUSTIVE_BITS = 10
RANDOM_ROWS = 512
CYCLES = 400
_ANSWER_CHARS = 150_000  # of all rows: what the box lets through is about twice that
_CLOCK = re.compile(r"cl(?:oc)?k|^ck$|^cp$", re.IGNORECASE)
_RESET = re.compile(r"rst|reset|^clr|_clr|clear", re.IGNORECASE)
_LOW = re.compile(
    r"_n$|_b$|_l$|(?:rst|reset|clr)(?:n|b|_?low|_?bar)$|^n_?(?:rst|reset)|^[ai]?_?n(?:rst|reset)", re.IGNORECASE
)
_WIDEST = 16_000  # bits of all ports: more cannot be asked in rows enough
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
# Numbers in Verilog and Python: 8'hA_5, 0x1f, 0b01, 42.
_NUMBER = re.compile(r"(?:'[sS]?([bBdDhHoO])\s*|\b0([xXbBoO])|(?<![\w'.]))([0-9a-fA-F][0-9a-fA-F_]{0,199})\b")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16, "x": 16, "": 10}
_MOST_NAMED = 200
# A model that tells of fewer values confirms nothing.
_LEAST_TOLD = 0.5


@dataclass(frozen=True, slots=True)
class Interface:
    """A module as a testbench drives it.

    Attributes:
        inputs: without the clock, the reset among them. ``clock``: None in a design without.
        reset: the input that resets, where there is one; ``reset_low``: at 0.
    """

    module: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    clock: str | None = None
    edge: Literal["posedge", "negedge"] = "posedge"
    reset: str | None = None
    reset_low: bool = False


def read_interface(design: str, module: str) -> Interface | str:
    """How to drive ``module`` of a design that elaborates, or in a few words why vectors cannot do it."""
    source = read_source(design)
    found = source.module(module)
    if not _PLAIN_NAME.fullmatch(module) or source.module(TOP):
        return "a module has a name that a bench cannot use"
    ports = found.ports if found else ()
    if any(p.direction not in ("input", "output") or not p.width or not _PLAIN_NAME.fullmatch(p.name) for p in ports):
        return "a port goes both ways or has no known width"
    if sum(p.width or 1 for p in ports) > _WIDEST:
        return "its ports are too wide"
    inputs = tuple(p for p in ports if p.direction == "input")
    outputs = tuple(p for p in ports if p.direction == "output")
    if not inputs or not outputs:
        return "it has no inputs or no outputs"
    edges = _edges(design)
    bits = {p.name for p in inputs if p.width == 1}
    resets = [name for name in bits if _RESET.search(name)]
    sensitive = [name for name in edges if name in bits]
    clocks = [name for name in sensitive if name not in resets] or [n for n in bits if edges and _CLOCK.search(n)]
    if len(clocks) > 1:
        clocks = [name for name in clocks if _CLOCK.search(name)]
    if edges and len(clocks) != 1:
        return "it has no clock, or several"
    if not edges:
        return Interface(module, inputs, outputs)
    clock = clocks[0]
    reset = next((p.name for p in inputs if p.name in resets and p.name != clock), None)
    return Interface(
        module,
        tuple(p for p in inputs if p.name != clock),
        outputs,
        clock,
        edges.get(clock, "posedge"),
        reset,
        reset is not None and _is_low(design, reset, edges),
    )


def _edges(design: str) -> dict[str, Literal["posedge", "negedge"]]:
    """The signals whose edges processes wait for, and which edge."""
    from pyslang import syntax

    found: list[Any] = []
    for node in module_nodes(parse(plain_lines(design))):
        node.visit(lookup_table={syntax.SyntaxKind.SignalEventExpression: found.append})
    edges: dict[str, Literal["posedge", "negedge"]] = {}
    for event in found:
        if event.edge.valueText in ("posedge", "negedge"):
            edges.setdefault(str(event.expr).strip(), "negedge" if event.edge.valueText == "negedge" else "posedge")
    return edges


def _is_low(design: str, reset: str, edges: Mapping[str, str]) -> bool:
    name = re.escape(reset)
    if re.search(rf"[!~]\s*{name}\b|\b{name}\s*==\s*(?:1'b)?0\b", design):
        return True
    return edges.get(reset) == "negedge" or (reset not in edges and bool(_LOW.search(reset)))


def named_values(*texts: str) -> tuple[int, ...]:
    """The numbers that a draft names: what it treats specially is among them, and chance would not come upon it."""
    found: dict[int, None] = {}
    for text in texts:
        for match in _NUMBER.finditer(text):
            base = _BASES[(match[1] or match[2] or "").lower()]
            try:
                found[int(match[3], base)] = None
            except ValueError:
                continue  # the 7 of 7f, or a word
            if len(found) >= _MOST_NAMED:
                return tuple(found)
    return tuple(found)


def stimuli(interface: Interface, seed: str, named: Sequence[int] = ()) -> list[dict[str, int]]:
    """Input values, the same for the same seed: all there are up to `EXHAUSTIVE_BITS` bits, else drawn with corners.

    With a clock they are `CYCLES` cycles: two of reset, a long undisturbed run, then resets now and then.

    Args:
        named: values that are to be tried too, where they fit.
    """
    rng = random.Random(f"rebuilt {seed}")
    width = sum(port.width or 1 for port in interface.inputs)
    answer = sum((port.width or 1) // 4 + 8 for port in interface.outputs)
    most = max(16, _ANSWER_CHARS // answer)
    if interface.clock is None:
        if width <= EXHAUSTIVE_BITS and 1 << width <= most:
            return [_split(interface.inputs, value) for value in range(1 << width)]
        corners = [{p.name: v for p, v in zip(interface.inputs, _corner(interface, k), strict=True)} for k in range(4)]
        return corners + [_drawn(interface, rng, named) for _ in range(min(most, RANDOM_ROWS) - 4)]
    rows = []
    for cycle in range(min(most, CYCLES)):
        values = _drawn(interface, rng, named)
        if interface.reset:
            pulse = cycle < 2 or (cycle > CYCLES * 0.7 and rng.random() < 0.05)
            values[interface.reset] = int(pulse != interface.reset_low)
        rows.append(values)
    return rows


def _corner(interface: Interface, kind: int) -> list[int]:
    """All zeros, all ones, and each of them in turn."""
    return [
        ((1 << (p.width or 1)) - 1) if kind == 1 or (kind > 1 and (place + kind) % 2) else 0
        for place, p in enumerate(interface.inputs)
    ]


def _drawn(interface: Interface, rng: random.Random, named: Sequence[int]) -> dict[str, int]:
    values: dict[str, int] = {}
    before: dict[int, list[int]] = {}
    use_named = bool(named) and rng.random() < 0.3
    for port in interface.inputs:
        width = port.width or 1
        same = before.setdefault(width, [])
        # Two operands that are equal or neighbours show what a comparison does.
        near = bool(same) and width > 1 and rng.random() < 0.25
        fitting = [value for value in named if value < 1 << width] if use_named and width > 1 else []
        if fitting and rng.random() < 0.7:
            value = rng.choice(fitting)
        else:
            value = rng.choice(same) + rng.choice((-1, 0, 0, 1)) if near else _number(width, rng)
        values[port.name] = value & ((1 << width) - 1)
        same.append(values[port.name])
    return values


def _number(width: int, rng: random.Random) -> int:
    """A corner, a uniform number, or a small or large one."""
    top = (1 << width) - 1
    kind = rng.random()
    if kind < 0.2 and width > 1:
        return rng.choice((0, 1, top, top - 1, (top >> 1) + 1, top >> 1))
    if kind < 0.7:
        return rng.randint(0, top)
    shifted = rng.getrandbits(width) >> rng.randrange(width)
    return shifted if kind < 0.85 else top ^ shifted


def _split(ports: Sequence[Port], value: int) -> dict[str, int]:
    values = {}
    for port in reversed(ports):
        width = port.width or 1
        values[port.name] = value & ((1 << width) - 1)
        value >>= width
    return {port.name: values[port.name] for port in ports}


def says_enough(expected: Sequence[Sequence[int | None]]) -> bool:
    """Whether a model tells enough of the outputs to confirm a design, and not always the same."""
    told = sum(value is not None for row in expected for value in row)
    return told >= _LEAST_TOLD * sum(len(row) for row in expected) and any(row != expected[0] for row in expected)


def rebuild(interface: Interface, rows: Sequence[Mapping[str, int]], expected: Sequence[Sequence[int | None]]) -> Bench:
    """The bench that compares a design with ``expected``: for each row its outputs, None where any will do."""
    lines = [_line(interface, row, answer) for row, answer in zip(rows, expected, strict=True)]
    return Bench(
        kind="verilog",
        sources={"rebuilt.v": _testbench(interface, len(lines))},
        data_files={VECTORS: "".join(f"{line}\n" for line in lines)},
        top=TOP,
        pass_rule=PassRule(kind="mismatch_count", expected_samples=len(lines), secret=True),
    )


def _line(interface: Interface, row: Mapping[str, int], answer: Sequence[int | None]) -> str:
    """One line of hex: the inputs, the expected outputs, and which of their bits count."""
    fields = [(row[p.name], p.width or 1) for p in interface.inputs]
    fields += [(value or 0, p.width or 1) for value, p in zip(answer, interface.outputs, strict=True)]
    fields += [(0 if value is None else -1, p.width or 1) for value, p in zip(answer, interface.outputs, strict=True)]
    return hex_line(fields)


def _testbench(interface: Interface, rows: int) -> str:
    size_in = sum(port.width or 1 for port in interface.inputs)
    size_out = sum(port.width or 1 for port in interface.outputs)
    declared = [f"    reg [{(p.width or 1) - 1}:0] i_{p.name};" for p in interface.inputs]
    declared += [f"    wire [{(p.width or 1) - 1}:0] o_{p.name};" for p in interface.outputs]
    links = [f".{p.name}(i_{p.name})" for p in interface.inputs] + [f".{p.name}(o_{p.name})" for p in interface.outputs]
    rest = int(interface.edge == "negedge")
    edge = ""
    if interface.clock:
        links.insert(0, f".{interface.clock}(the_clock)")
        edge = f"            #5 the_clock = {1 - rest};\n            #4 compare;\n            #1 the_clock = {rest};\n"
    check = edge or "            #5 compare;\n"
    applied = ", ".join(f"i_{p.name}" for p in interface.inputs)
    got = ", ".join(f"o_{p.name}" for p in interface.outputs)
    lines = "\n".join(declared)
    return f"""`timescale 1ns/1ps
module {TOP};
    reg the_clock;
{lines}
    reg [{size_in + 2 * size_out - 1}:0] vectors [0:{rows - 1}];
    reg [{size_out - 1}:0] want, care;
    integer row, mismatches, samples;

    {interface.module} dut ({", ".join(links)});

    // A bit that is x or z where it counts is a mismatch: x & 1 is x, and x !== 0.
    task compare;
        begin
            samples = samples + 1;
            if ((({{{got}}} ^ want) & care) !== {size_out}'b0) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        $readmemh("{VECTORS}", vectors);
        the_clock = {rest};
        mismatches = 0;
        samples = 0;
        for (row = 0; row < {rows}; row = row + 1) begin
            {{{applied}, want, care}} = vectors[row];
{check}            #1;
        end
        $display("{SECRET_PLACE} Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
"""
