"""What a parametric family states about one circuit: its ports, its RTL, its behaviour in words and as a Python model.

Families (``data_pipeline.families``) build these; ``phrasing`` turns one into a problem text, ``bench`` into a bench.
RTL and words are written with canonical port names; both are renamed together when a problem fixes other names.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autovcoder.records import CircuitType, Language, Level, Port

Values = dict[str, int]
Names = Mapping[str, str]
Outputs = Mapping[str, int | None]


@dataclass(frozen=True)
class Reset:
    """How a register is reset. The canonical port name is ``rst``, or ``rst_n`` when it is active low."""

    active_low: bool
    asynchronous: bool

    @property
    def port(self) -> str:
        return "rst_n" if self.active_low else "rst"


RESETS: dict[str, Reset | None] = {
    "none": None,
    "sync_high": Reset(active_low=False, asynchronous=False),
    "sync_low": Reset(active_low=True, asynchronous=False),
    "async_high": Reset(active_low=False, asynchronous=True),
    "async_low": Reset(active_low=True, asynchronous=True),
}
WITH_RESET = tuple(kind for kind in RESETS if kind != "none")


@dataclass(frozen=True)
class Combinational:
    """A model without state: input values to output values."""

    function: Callable[[Values], Outputs]


@dataclass(frozen=True)
class Clocked:
    """A model with state, advanced at one clock edge.

    Attributes:
        reset_state: the state that reset gives.
        step: (state, inputs) to the next state, when reset is not asserted.
        out: (state, inputs) to the outputs; a value of None is not compared.
        start: the state at power-up; None is unknown, and then no output is compared until the state is known.
    """

    reset_state: Any
    step: Callable[[Any, Values], Any]
    out: Callable[[Any, Values], Outputs]
    start: Any = None
    edge: str = "posedge"


@dataclass(frozen=True)
class Fact:
    """One thing a reader must be told, in several wordings.

    ``features`` are noun phrases that follow "with"; ``sentences`` stand alone. Either may be empty. ``{name}`` in the
    text is a port's canonical name.
    """

    features: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Attachment:
    """What a problem shows besides words: a truth table, a state table, a waveform, a given module, faulty code.

    Attributes:
        intros: what leads to it, in several wordings, such as "The truth table is:".
        write: (module name, port names, language) to the text, without a newline at its end.
    """

    intros: tuple[str, ...]
    write: Callable[[str, Names, Language], str]


@dataclass(frozen=True)
class Circuit:
    """One circuit.

    Attributes:
        name: the module name when the problem states none.
        headlines: noun phrases ("an 8-bit up counter", "wiring that ..."), in several wordings; the last is kept for
            held-out problems.
        body: the RTL between header and ``endmodule``, in Verilog-2001.
        registers: the outputs that are assigned in an ``always`` block.
        submodules: the RTL of further modules, complete, that stands below the module and that no renaming touches.
        parameters: the module's parameters with their values; the body uses them by name.
        ranges: port to its packed range in terms of ``parameters``, such as ``[WIDTH-1:0]``, where it has one.
        attachment: what the problem shows besides words.
        roles: port to a few words about it.
        busy: probability of 1 for one-bit inputs that are not fair coins in the stimulus.
        stimulus: of a clocked circuit, values of inputs for one cycle after the other, where random ones would not lead
            anywhere (a serial protocol); inputs that it leaves out, the reset always, are drawn. Nothing reads that
            of a combinational circuit.
        cycles: clock cycles (or input vectors) to simulate.
    """

    name: str
    headlines: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    body: str
    model: Combinational | Clocked
    facts: tuple[Fact, ...] = ()
    registers: frozenset[str] = frozenset()
    reset: Reset | None = None
    submodules: str = ""
    parameters: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, str] = field(default_factory=dict)
    attachment: Attachment | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    busy: Mapping[str, float] = field(default_factory=dict)
    stimulus: Callable[[random.Random], Iterator[Values]] | None = None
    cycles: int = 96

    @property
    def ports(self) -> tuple[Port, ...]:
        return self.inputs + self.outputs


@dataclass(frozen=True)
class Family:
    """A group of circuits that differ in parameters only; ``space`` lists the values of each parameter."""

    name: str
    topic: str
    level: Level
    circuit_type: CircuitType
    space: Mapping[str, Sequence[Any]]
    build: Callable[..., Circuit]

    def parameters(self) -> Iterator[dict[str, Any]]:
        """Every parameter combination, in a fixed order."""
        for values in itertools.product(*self.space.values()):
            yield dict(zip(self.space, values, strict=True))


def inp(name: str, width: int = 1) -> Port:
    return Port(name=name, direction="input", width=width)


def outp(name: str, width: int = 1) -> Port:
    return Port(name=name, direction="output", width=width)


def controls(reset: Reset | None, enable: bool = False) -> tuple[Port, ...]:
    """The control inputs of a clocked circuit, in the order of every header: clock, reset, enable."""
    return (inp("clk"), *((inp(reset.port),) if reset else ()), *((inp("en"),) if enable else ()))


def vec(width: int) -> str:
    """The packed range of a ``width``-bit signal, with a space behind it; empty for one bit."""
    return "" if width == 1 else f"[{width - 1}:0] "


def mask(width: int) -> int:
    return (1 << width) - 1


def signed(value: int, width: int) -> int:
    """``value`` (``width`` bits) read as two's complement."""
    return value - (1 << width) if value >> (width - 1) else value


def article(noun: str) -> str:
    """The noun phrase with "a" or "an" before it, as it is read aloud ("an 8-bit", "a 16-bit", "a one-hot")."""
    an = re.match(r"(?!one\b)[aeioAEIO]|un[^i]|up|8|11\b|18\b|(SR|LFSR|FSM|XOR|XNOR|LSB|MSB|SPI)\b", noun)
    return f"{'an' if an else 'a'} {noun}"


def a_bit(width: int) -> str:
    """The words "a 4-bit", "an 8-bit"."""
    return article(f"{width}-bit")


def always_clocked(
    lines: Sequence[str],
    reset: Reset | None,
    reset_lines: Sequence[str],
    *,
    edge: str = "posedge",
    enable: str | None = None,
) -> str:
    """An ``always`` block at the clock edge with its reset branch and an optional enable.

    Args:
        lines: the statements of normal operation; ``reset_lines`` those of reset (ignored when ``reset`` is None).
    """
    sensitivity = f"{edge} clk"
    if reset and reset.asynchronous:
        sensitivity += f" or {'negedge' if reset.active_low else 'posedge'} {reset.port}"
    branches: list[tuple[str | None, Sequence[str]]] = []
    if reset:
        branches.append((f"{'!' if reset.active_low else ''}{reset.port}", reset_lines))
    branches.append((enable, lines))
    text = [f"    always @({sensitivity}) begin"]
    for number, (condition, statements) in enumerate(branches):
        keyword = "" if number == 0 else "else "
        opening = f"{keyword}if ({condition})" if condition else keyword.strip()
        if not opening:
            text += [f"        {line}" for line in statements]
        elif len(statements) == 1:
            text += [f"        {opening}", f"            {statements[0]}"]
        else:
            text += [f"        {opening} begin", *(f"            {line}" for line in statements), "        end"]
    text.append("    end")
    return "\n".join(text)


def enumerated(items: Sequence[str]) -> str:
    """The items in words: "a", "a and b", "a, b and c"; nothing for none."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def reset_fact(reset: Reset | None, effect: str) -> tuple[Fact, ...]:
    """What must be said about a reset; ``effect`` is what it does, such as ``clears {q}`` (third person).

    An effect that only ``clears`` something is what a reader expects, so that it may go without saying.
    """
    if reset is None:
        return ()
    kind = "asynchronous" if reset.asynchronous else "synchronous"
    level = "low" if reset.active_low else "high"
    port = "{" + reset.port + "}"
    moment = "at once, whatever the clock does" if reset.asynchronous else "at the next clock edge"
    features: tuple[str, ...] = (
        f"{article(kind)} active-{level} reset that {effect}",
        f"an active-{level} {kind} reset that {effect}",
        f"{article(kind)} reset (active {level}) that {effect}",
    )
    if effect.startswith("clears ") and " and " not in effect:
        features += (
            f"{kind} active-{level} reset",
            f"an active-{level} {kind} reset",
            f"{kind} reset (active {level})",
        )
    return (
        Fact(
            features=features,
            sentences=(
                f"The reset {port} is {kind} and active {level}; it {effect}.",
                f"{article(kind).capitalize()} active-{level} reset {port} {effect}.",
                f"When {port} is {level}, the reset {effect} {moment}.",
                f"Reset: {port}, {kind}, active {level}; {effect}.",
            ),
        ),
    )


def parameter_fact(parameters: Mapping[str, int], **meanings: str) -> tuple[Fact, ...]:
    """What must be said about the parameters of a module; nothing for none.

    Args:
        parameters: names and defaults, such as ``{"WIDTH": 8}``.
        meanings: what each of them is, such as ``WIDTH="the width of {d}"``; those of absent parameters are not used.
    """
    if not parameters:
        return ()
    several = len(parameters) > 1
    named = enumerated([f"{name} (default {value}, {meanings[name]})" for name, value in parameters.items()])
    told = enumerated([f"{name} (default {value}) is {meanings[name]}" for name, value in parameters.items()])
    equal = enumerated([f"{name} = {value} ({meanings[name]})" for name, value in parameters.items()])
    return (
        Fact(
            features=(f"{'the parameters' if several else 'a parameter'} {named}",),
            sentences=(
                f"Make it parameterised: {equal}.",
                f"The module has the parameter{'s' * several} {named}.",
                f"Parameter{'s' * several}: {told}.",
                f"Use the parameter{'s' * several} {named}.",
            ),
        ),
    )


def table(intros: tuple[str, ...], text: str) -> Attachment:
    """An attachment of text in which ``{name}`` is a port's canonical name."""
    return Attachment(intros, lambda module, names, language: text.format_map(names))
