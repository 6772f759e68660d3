"""What to drive a design with where nothing but its interface is known, and a testbench that prints what comes out.

Reads ports and roles; writes a testbench. The same interface always gets the same stimulus, so that designs can be
compared by what they answer to it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Port
from hdl_sim.roles import Roles
from hdl_sim.slang import is_plain_name
from hdl_sim.stated_examples import Examples
from hdl_sim.testbench import SECRET_PLACE

VECTORS = "vectors.hex"
_EXHAUSTIVE = 10  # bits of input, up to which a design without a clock sees every combination
_VECTORS = 300  # of a wider one
_REPEATED = 60  # of these, in another order: what holds its last value shows it
_CYCLES = 40  # of the clock, in one episode
_EPISODES = 10
_RESET_CYCLES = 2
_MOST_BITS = 10_000  # of input, and of output
_MOST_PRINTED = 1_000_000  # characters; wide outputs are watched for fewer rows

Row = dict[str, int]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """Values for the inputs of one interface.

    Attributes:
        inputs: that are driven before an output is looked at. ``clocks``: that then change, and outputs are looked at
            again.
        outputs: that are looked at, in the order in which they are printed.
        rows: for each step the values of all inputs, clocks included.
        opening: rows that come before, at which outputs are not looked at: the first reset. What a design answers
            before it says nothing of the design.
    """

    inputs: tuple[Port, ...]
    clocks: tuple[str, ...]
    outputs: tuple[Port, ...]
    rows: tuple[Row, ...]
    opening: tuple[Row, ...] = ()

    @property
    def looks(self) -> int:
        """How often outputs are looked at in one step: before the clock's edge and behind it, or once without one."""
        return 2 if self.clocks else 1


def stimulus(ports: Sequence[Port], roles: Roles, *, seed: int = 0) -> Stimulus | None:
    """Values for a module with these ports; None where a width is unknown or too large, or there is nothing to look at.

    Without a clock: every combination of the inputs where they are few; otherwise zeros, ones, each bit alone, equal
    and neighbouring values, and random ones. With a clock: episodes, each of which begins with a reset where there is
    one, and in each of which the inputs behave differently: random, held, rare, frequent, one at a time, constant.
    Inputs change in both halves of the clock's period.
    """
    if any(port.width is None for port in ports) or any(port.direction not in ("input", "output") for port in ports):
        return None
    inputs = tuple(port for port in ports if port.direction == "input" and port.name not in roles.clocks)
    outputs = tuple(port for port in ports if port.direction == "output")
    bits_in = sum(port.width or 1 for port in ports if port.direction == "input")
    if not outputs or bits_in > _MOST_BITS or sum(port.width or 1 for port in outputs) > _MOST_BITS:
        return None
    rng = random.Random(seed)
    rows = list(_episodes(inputs, roles, rng) if roles.clocks else _vectors(inputs, rng))
    wide = sum(port.width or 1 for port in outputs) * (2 if roles.clocks else 1)
    first = 2 * _RESET_CYCLES if roles.clocks and roles.resets else 0
    last = first + max(1, _MOST_PRINTED // wide)
    return Stimulus(inputs, roles.clocks, outputs, tuple(rows[first:last]), tuple(rows[:first]))


def observing_bench(stimulus: Stimulus, module: str) -> Bench:
    """A testbench that drives ``module`` and prints, behind the run's secret, the outputs in binary at each look.

    Raises:
        InputError: a name is no plain one. Names come from a design, and would become text of the testbench.
    """
    names = [module, *(port.name for port in (*stimulus.inputs, *stimulus.outputs)), *stimulus.clocks]
    for name in names:
        if not is_plain_name(name):
            raise InputError("not a plain name in a design that is to be driven", where=repr(name))
    widths = {port.name: port.width or 1 for port in (*stimulus.inputs, *stimulus.outputs)}
    data = [port.name for port in stimulus.inputs]
    clocks = stimulus.clocks
    fields = [(name, widths.get(name, 1)) for name in (*data, *clocks)]
    total = sum(width for _, width in fields)
    rows = (*stimulus.opening, *stimulus.rows)
    lines = [hex_line((row[name], width) for name, width in fields) for row in rows]
    regs = "".join(f"    reg {_vec(width)}i_{name};\n    reg {_vec(width)}n_{name};\n" for name, width in fields)
    wires = "".join(f"    wire {_vec(port.width or 1)}o_{port.name};\n" for port in stimulus.outputs)
    links = [f".{name}(i_{name})" for name, _ in fields] + [f".{port.name}(o_{port.name})" for port in stimulus.outputs]
    outs = ", ".join(f"o_{port.name}" for port in stimulus.outputs)
    apply = "".join(f"            i_{name} = n_{name};\n" for name in data)
    tick = "".join(f"            i_{name} = n_{name};\n" for name in clocks)
    start = "".join(f"        i_{name} = 0;\n" for name in clocks)
    looked = f"if (row >= {len(stimulus.opening)}) " if stimulus.opening else ""
    show = f'            #4 {looked}$display("{SECRET_PLACE} %b", {{{outs}}});\n'
    after = f"            #1;\n{tick}{show}" if clocks else ""
    read = "{" + ", ".join(f"n_{name}" for name, _ in fields) + "} = vectors[row];" if fields else ""
    table = f"    reg [{total - 1}:0] vectors [0:{len(lines) - 1}];\n" if fields else ""
    load = f'        $readmemh("{VECTORS}", vectors);\n' if fields else ""
    text = f"""`timescale 1ns/1ps
module tb;
{regs}{wires}{table}    integer row;

    {module} dut ({", ".join(links)});

    initial begin
{load}{start}        for (row = 0; row < {len(lines)}; row = row + 1) begin
            {read}
{apply}{show}{after}            #1;
        end
        $finish;
    end
endmodule
"""
    return Bench(
        kind="verilog",
        sources={"tb.sv": text},
        data_files={VECTORS: "\n".join(lines) + "\n"},
        top="tb",
        pass_rule=PassRule(kind="pass_line", pattern="^$", secret=True),
    )


def example_stimuli(examples: Examples, ports: Sequence[Port], clocks: Collection[str]) -> tuple[Stimulus, ...]:
    """Stimuli that show what a design does at each example, in every second row of a waveform and in every other row.

    A waveform that has a clock does not say whether inputs that change with it change before it or behind it: it gets a
    stimulus for each.
    """
    inputs = tuple(port for port in ports if port.direction == "input")
    outputs = tuple(port for port in ports if port.direction == "output")
    most = max(1, _MOST_PRINTED // (2 * sum(port.width or 1 for port in outputs)))
    rows = [{port.name: row.inputs.get(port.name, 0) for port in inputs} for row in examples.rows[:most]]
    if not examples.in_time:
        return (Stimulus(inputs, (), outputs, tuple(rows)),)
    found = []
    for clock_first in (False, True) if clocks else (False,):
        steps, last = [], rows[0]
        for row in rows:
            steps += [{name: (row if (name in clocks) == clock_first else last)[name] for name in row}, row]
            last = row
        found.append(Stimulus(inputs, (), outputs, tuple(steps)))
    return tuple(found)


def hex_line(fields: Iterable[tuple[int, int]]) -> str:
    """Values with their widths in bits, side by side, the first one highest; each is cut to its width."""
    bits = width = 0
    for value, size in fields:
        bits = bits << size | value & ((1 << size) - 1)
        width += size
    return f"{bits:0{(width + 3) // 4}x}"


def _vec(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _vectors(inputs: Sequence[Port], rng: random.Random) -> Iterator[Row]:
    widths = {port.name: port.width or 1 for port in inputs}
    total = sum(widths.values())
    if total <= _EXHAUSTIVE:
        values = list(range(1 << total))
        rng.shuffle(values)
        # Twice, in two orders: what holds its last value shows it.
        again = values[:]
        rng.shuffle(again)
        yield from (_split(widths, value) for value in (*values, *again))
        return
    rows = [_split(widths, 0), _split(widths, (1 << total) - 1)]
    for name, width in widths.items():
        rows += [{**dict.fromkeys(widths, 0), name: 1 << bit} for bit in rng.sample(range(width), min(width, 16))]
    rows += [_word(widths, number, rng) for number in range(_VECTORS)]
    yield from rows
    yield from rng.sample(rows, min(len(rows), _REPEATED))


def _word(widths: dict[str, int], number: int, rng: random.Random) -> Row:
    kind = number % 4
    if kind == 0:
        value = rng.getrandbits(max(widths.values()))
        return {name: _cut(value + rng.choice((0, 0, 1, -1)), width) for name, width in widths.items()}
    if kind == 1:
        return {name: _cut(rng.randrange(4), width) for name, width in widths.items()}
    share = 0.5 if kind == 2 else rng.choice((0.1, 0.9))
    return {name: _biased(width, share, rng) for name, width in widths.items()}


def _cut(value: int, width: int) -> int:
    return value & ((1 << width) - 1)


def _biased(width: int, share: float, rng: random.Random) -> int:
    if share == 0.5:
        return rng.getrandbits(width)
    return sum((rng.random() < share) << bit for bit in range(width))


def _split(widths: dict[str, int], value: int) -> Row:
    row = {}
    for name, width in widths.items():
        row[name] = _cut(value, width)
        value >>= width
    return row


def _episodes(inputs: Sequence[Port], roles: Roles, rng: random.Random) -> Iterator[Row]:
    """Two rows a period: the first one raises the main clock, the second one lowers it."""
    resets = roles.resets
    widths = {port.name: port.width or 1 for port in inputs if port.name not in resets}
    step = 0
    for episode in range(_EPISODES):
        behave = _behaviours(episode, widths, rng)
        for half in range(2 * _CYCLES):
            row = next(behave)
            begins = half < 2 * _RESET_CYCLES
            for name, level in resets.items():
                fires = begins or (episode % 3 == 2 and rng.random() < 0.05)
                row[name] = level if fires else 1 - level
            for number, clock in enumerate(roles.clocks):
                row[clock] = (step // (number + 1) + 1) % 2
            step += 1
            yield row


def _behaviours(episode: int, widths: dict[str, int], rng: random.Random) -> Iterator[Row]:
    kind = episode % 5
    shares = {name: rng.choice((0.1, 0.5, 0.9)) for name in widths}
    row = {name: _biased(width, 0.5, rng) for name, width in widths.items()}
    names = list(widths)
    while True:
        if kind == 0:
            row = {name: rng.getrandbits(width) for name, width in widths.items()}
        elif kind == 1:
            row = {name: v if rng.random() < 0.8 else rng.getrandbits(widths[name]) for name, v in row.items()}
        elif kind == 2:
            row = {name: _biased(width, shares[name], rng) for name, width in widths.items()}
        elif kind == 3:
            chosen = rng.choice(names) if names else None
            row = {name: rng.getrandbits(width) if name == chosen else 0 for name, width in widths.items()}
        else:
            row = {name: v if rng.random() < 0.95 else rng.getrandbits(widths[name]) for name, v in row.items()}
        yield dict(row)
