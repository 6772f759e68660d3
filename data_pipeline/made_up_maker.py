"""How a made-up circuit is composed: wires, registers and logic drawn one after the other, each with its words.

Reads nothing; writes ``Circuit``s without headlines.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autovcoder.records import Port
from data_pipeline.circuit import (
    Circuit,
    Clocked,
    Combinational,
    Fact,
    Reset,
    Values,
    always_clocked,
    controls,
    enumerated,
    inp,
    mask,
    outp,
    reset_fact,
    vec,
)
from data_pipeline.made_up_values import Expressions, Value
from hdl_sim.normal_form import KEYWORDS

_COMMON = """
    a b c d e f g h i j k m n p q r s t u v w x y z data addr mask key left right lo hi low high first second base
    step offset value word field part sum diff acc code tag mode sel pick load go stop hold run busy ready flag hit
    miss valid start last next prev level limit count total index limb lane port node link src dst in1 in2 in3 out1
    out2 out3 a0 a1 b0 b1 x0 x1 y0 y1 din dout ain bin cin res result alpha beta gamma delta
"""
_STARTS = "b br c cr d dr f fl g gl h j k kl l m n p pr qu r s sk st t tr v w z"
_VOWELS = "aeiou"
_ENDS = "b ck d k l m n p r rn s sk t v x zz"
_SELECTOR_BITS = 2


def coined(rng: random.Random, syllables: int) -> str:
    """A word that means nothing, such as ``zorvex``, in Verilog neither."""
    while True:
        starts = [rng.choice(_STARTS.split()) + rng.choice(_VOWELS) for _ in range(syllables)]
        if (name := "".join(starts) + rng.choice(_ENDS.split())) not in KEYWORDS:
            return name


FIRST_VALUES = "gives every register its first value"


class _Register(NamedTuple):
    name: str
    first: int
    enable: Callable[[Values], int] | None
    next: Callable[[Values], int]


class _Wire(NamedTuple):
    line: str
    fact: Fact
    evaluate: Callable[[Values], int]


def _fact(*sentences: str) -> Fact:
    """One that can be told in any of these sentences."""
    return Fact((), sentences)


def _reads(code: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", code) is not None


@dataclass
class Maker:
    """One circuit under construction. At every width and for every reset the same is drawn in the same order."""

    rng: random.Random
    width: int
    reset: Reset | None
    values: Expressions = field(init=False)
    wires: dict[str, _Wire] = field(default_factory=dict)
    registers: list[_Register] = field(default_factory=list)
    logic: dict[str, Callable[[Values], int]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    procedural: set[str] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: {"clk", "rst", "rst_n", *KEYWORDS})

    def __post_init__(self) -> None:
        self.values = Expressions(self.rng, self.width)

    def circuit(self, name: str) -> Circuit:
        rng = self.rng
        names = self._names()
        clocked = rng.random() < 0.5
        bits = [next(names) for _ in range(rng.randint(1, 3))]
        words = [next(names) for _ in range(rng.randint(1, 3))]
        selector = next(names) if rng.random() < 0.3 else None
        self.values.bits += bits
        self.values.words += words
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            self._add_wire()
        count = rng.choice((1, 1, 2, 2, 3))
        for place in range(count):
            if clocked and (place == 0 or rng.random() < 0.4):
                self._add_register(next(names))
            else:
                self._add_logic(next(names), selector if place == count - 1 else None)
        self._drop_unread_wires()
        body = "\n".join([*(wire.line for wire in self.wires.values()), *self.lines])
        inputs = [
            *(inp(bit) for bit in bits),
            *((inp(selector, _SELECTOR_BITS),) if selector else ()),
            *(inp(word, self.width) for word in words),
        ]
        read = [port for port in inputs if _reads(body, port.name)]
        ports = [*read, *self.outputs]
        return Circuit(
            name=name,
            headlines=(),
            inputs=(*(controls(self.reset) if clocked else ()), *read),
            outputs=tuple(self.outputs),
            registers=frozenset(self.procedural),
            body=body,
            model=self._model() if clocked else Combinational(self._combinational),
            facts=(
                *self._sizes(ports),
                *(wire.fact for wire in self.wires.values()),
                *self.facts,
                *(reset_fact(self.reset, FIRST_VALUES) if clocked else ()),
            ),
            reset=self.reset if clocked else None,
            roles={port.name: port.direction for port in ports},
            cycles=64,
        )

    def _sizes(self, ports: Sequence[Port]) -> Iterator[Fact]:
        """The widths of the ports, for problems that show no header."""
        wide = [f"{{{port.name}}}" for port in ports if port.width == self.width]
        rest = [f"{{{port.name}}} has {port.width} bits" for port in ports if port.width not in (1, self.width)]
        if wide:
            are = "is" if len(wide) == 1 else "are"
            rest.insert(0, f"{enumerated(wide)} {are} {self.width} bits wide")
        told = "; ".join(rest)
        others = any(port.width == 1 for port in ports)
        if told and others:
            yield _fact(f"{told}; all else is one bit wide.", f"One bit for each port, but {told}.")
        else:
            yield _fact(*([f"{told}."] if told else ["All ports are one bit wide.", "Each port is a single bit."]))

    def _names(self) -> Iterator[str]:
        """Different names without end, common ones and coined ones, in the style of one hand."""
        rng = self.rng
        common, prefix = rng.random(), rng.choice(("", "", "", "", "", "i_", "w_"))
        while True:
            name = rng.choice(_COMMON.split()) if rng.random() < common else coined(rng, rng.choice((1, 1, 2)))
            if rng.random() < 0.15:
                name += f"_{rng.choice(_COMMON.split())}"
            if (name := prefix + name) not in self.taken:
                self.taken.add(name)
                yield name

    def _add_wire(self) -> None:
        while (name := f"t_{coined(self.rng, 1)}") in self.taken:
            pass
        self.taken.add(name)
        wide = self.rng.random() < 0.6
        value = self.values.draw(wide, 2)
        size = f"{self.width} bits" if wide else "one bit"
        fact = _fact(
            f"An inner signal {name} ({size}) is {value.words}.",
            f"Let {name} be {value.words} ({size}).",
            f"Inside, {name} = {self.values.formula(value.bare)} ({size}).",
        )
        line = f"    wire {vec(self.width) if wide else ''}{name} = {value.bare};"
        self.wires[name] = _Wire(line, fact, value.evaluate)
        self.values.inner.add(name)
        (self.values.words if wide else self.values.bits).append(name)

    def _drop_unread_wires(self) -> None:
        for name in reversed(list(self.wires)):
            others = [wire.line for other, wire in self.wires.items() if other != name]
            if not _reads("\n".join([*others, *self.lines]), name):
                del self.wires[name]

    def _add_register(self, name: str) -> None:
        rng = self.rng
        wide = rng.random() < 0.7
        size = self.width if wide else 1
        own = self.values.name(name)
        value, does = self._next_word(own) if wide else self._next_bit(own)
        enable = self.values.draw(False, rng.choice((0, 0, 1))) if rng.random() < 0.5 else None
        first = 0 if rng.random() < 0.7 else rng.randint(1, 15 if wide else 1)
        self.registers.append(_Register(name, first, enable and enable.evaluate, value.evaluate))
        self._output(name, wide, procedural=True)
        self.lines.append(
            always_clocked(
                [f"{name} <= {value.bare};"],
                self.reset,
                [f"{name} <= {size}'d{first};"],
                enable=enable.bare if enable else None,
            )
        )
        while_, if_, then = "", "", f"{own.words} <= {self.values.formula(value.bare)}"
        if enable:
            while_, if_ = f" while {enable.condition}", f" if {enable.condition}"
            then = f"if {self.values.formula(enable.bare)} then {then}"
        self.facts.append(
            _fact(
                f"At each rising edge of the clock{while_}, {own.words} {does}; its first value is {first}.",
                f"{own.words} is a register that {does} at the rising clock edge{if_}; its first value is {first}.",
                f"Register {own.words} (first value {first}): {then}.",
            )
        )

    def _next_word(self, own: Value) -> tuple[Value, str]:
        """What a register of words takes next, and what one says that it does."""
        rng = self.rng
        kind = rng.choice(("load", "load", "mix", "count", "shift"))
        if kind == "load":
            value = self.values.draw(True, 2)
            return value, f"takes {value.words}"
        if kind == "mix":
            other = self.values.draw(True, 1)
            value = self.values.binary(rng.choice(("+", "-", "^", "&", "|")), own, other, wide=True)
            return value, f"becomes {value.words}"
        if kind == "count":
            step = rng.randint(1, 3)
            sign = rng.choice("+-")
            value = self.values.binary(sign, own, self.values.number(step), wide=True)
            return value, f"{'rises' if sign == '+' else 'falls'} by {step}"
        bit = self.values.draw(False, 1)
        value = Value(
            f"{{{own.code}[{self.width - 2}:0], {bit.bare}}}",
            f"itself shifted left with {bit.words} at the bottom",
            lambda v: (own.evaluate(v) << 1 | bit.evaluate(v)) & mask(self.width),
        )
        return value, f"moves up by one place, and {bit.words} comes in at bit 0"

    def _next_bit(self, own: Value) -> tuple[Value, str]:
        if self.rng.choice(("load", "toggle")) == "load":
            value = self.values.draw(False, 2)
            return value, f"takes {value.words}"
        value = Value(f"(~{own.code})", f"the inverse of {own.words}", lambda v: 1 - own.evaluate(v))
        return value, "changes its value"

    def _add_logic(self, name: str, selector: str | None) -> None:
        wide = self.rng.random() < 0.6
        if selector:
            self._add_case(name, wide, selector)
        elif self.rng.random() < 0.3:
            self._add_if(name, wide)
        else:
            self._add_assign(name, wide)

    def _add_case(self, name: str, wide: bool, selector: str) -> None:
        values = [self.values.draw(wide, self.rng.choice((0, 1, 1))) for _ in range(1 << _SELECTOR_BITS)]
        arms = [f"            2'd{place}: {name} = {value.bare};" for place, value in enumerate(values[:-1])]
        arms.append(f"            default: {name} = {values[-1].bare};")
        self.logic[name] = lambda v: values[v[selector]].evaluate(v)
        own = self.values.name(name).words
        listed = ", ".join(f"{place} gives {value.words}" for place, value in enumerate(values))
        rows = "; ".join(f"{self.values.formula(value.bare)} for {place}" for place, value in enumerate(values))
        self.facts.append(
            _fact(
                f"{{{selector}}} selects {own}: {listed}.",
                f"{own} depends on {{{selector}}}: {rows}.",
                f"By {{{selector}}} (2 bits), {own} is one of four: {listed}.",
            )
        )
        self._output(name, wide, procedural=True)
        self._add_always(f"        case ({selector})", *arms, "        endcase")

    def _add_if(self, name: str, wide: bool) -> None:
        rng = self.rng
        first = self.values.draw(False, 1)
        second = self.values.draw(False, 0, first)
        chosen = [self.values.draw(wide, rng.choice((0, 1)))]
        chosen += [self.values.draw(wide, rng.choice((0, 1)), chosen[0]) for _ in range(2)]
        self.logic[name] = lambda v: chosen[0 if first.evaluate(v) else 1 if second.evaluate(v) else 2].evaluate(v)
        own = self.values.name(name).words
        self.facts.append(
            _fact(
                f"{own} is {chosen[0].words} if {first.condition}; otherwise {chosen[1].words} if {second.condition}, "
                f"and {chosen[2].words} in all other cases.",
                f"If {first.condition}, {own} is {chosen[0].words}; else if {second.condition}, it is "
                f"{chosen[1].words}; else it is {chosen[2].words}.",
            )
        )
        self._output(name, wide, procedural=True)
        self._add_always(
            f"        if ({first.bare})",
            f"            {name} = {chosen[0].bare};",
            f"        else if ({second.bare})",
            f"            {name} = {chosen[1].bare};",
            "        else",
            f"            {name} = {chosen[2].bare};",
        )

    def _add_assign(self, name: str, wide: bool) -> None:
        value = self.values.draw(wide, self.rng.choice((1, 2, 2, 3)))
        self.logic[name] = value.evaluate
        own = self.values.name(name).words
        told = [
            f"{own} is {value.words}.",
            f"{own} = {self.values.formula(value.bare)}.",
            f"Output {own}: {value.words}.",
        ]
        if value.condition:
            told += [f"{own} is 1 if {value.condition}, else 0.", f"{own} tells that {value.condition}."]
        self.facts.append(_fact(*told))
        self._output(name, wide)
        self.lines.append(f"    assign {name} = {value.bare};")

    def _add_always(self, *body: str) -> None:
        self.lines += ["    always @(*) begin", *body, "    end"]

    def _output(self, name: str, wide: bool, *, procedural: bool = False) -> None:
        self.outputs.append(outp(name, self.width if wide else 1))
        if procedural:
            self.procedural.add(name)
        (self.values.words if wide else self.values.bits).append(name)

    # The model.

    def _seen(self, v: Values) -> Values:
        """All that an expression may read, in the order in which one rests on another."""
        known = dict(v)
        for name, wire in self.wires.items():
            known[name] = wire.evaluate(known)
        for name, evaluate in self.logic.items():
            known[name] = evaluate(known)
        return known

    def _combinational(self, v: Values) -> Values:
        known = self._seen(v)
        return {port.name: known[port.name] for port in self.outputs}

    def _model(self) -> Clocked:
        def at(state: tuple[int, ...], v: Values) -> Values:
            return self._seen(v | {register.name: value for register, value in zip(self.registers, state, strict=True)})

        def step(state: tuple[int, ...] | None, v: Values) -> tuple[int, ...] | None:
            if state is None:
                return None
            known = at(state, v)
            return tuple(
                register.next(known) if register.enable is None or register.enable(known) else known[register.name]
                for register in self.registers
            )

        def out(state: tuple[int, ...], v: Values) -> Values:
            known = at(state, v)
            return {port.name: known[port.name] for port in self.outputs}

        return Clocked(tuple(register.first for register in self.registers), step, out)
