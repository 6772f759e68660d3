"""Families of state machines given as a table: Moore, Mealy, their next-state logic, and sequences read off a waveform.

The machines are drawn once, from fixed seeds, each of them for one family; also those that ``run_control`` tells in words.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Combinational,
    Fact,
    Family,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    reset_fact,
    table,
    vec,
)


@dataclass(frozen=True)
class Machine:
    """A machine with one input bit: ``next[state][input]``, and ``out[state][input]`` (Moore: both alike)."""

    next: tuple[tuple[int, int], ...]
    out: tuple[tuple[int, int], ...]

    @property
    def states(self) -> int:
        return len(self.next)

    def is_good(self) -> bool:
        """Whether every state is reached from every other, and every two differ for some sequence of inputs.

        A state that is left for ever would be seen once in a simulation, if at all.
        """
        reached = [{state, *self.next[state]} for state in range(self.states)]
        # Classes of states that no input sequence tells apart, refined until they stay.
        classes: list[object] = list(self.out)
        for _ in range(self.states):
            reached = [found.union(*(reached[state] for state in found)) for found in reached]
            signatures = [
                (classes[state], *(classes[after] for after in self.next[state])) for state in range(self.states)
            ]
            classes = [signatures.index(signature) for signature in signatures]
        return len(set(classes)) == self.states and all(len(found) == self.states for found in reached)


@functools.cache
def machine(seed: int, states: int, *, mealy: bool, width: int = 1) -> Machine:
    """The machine of a seed, whose output has ``width`` bits."""
    rng = random.Random(f"machine {seed} {states} {mealy}")
    while True:
        following = tuple((rng.randrange(states), rng.randrange(states)) for _ in range(states))
        if mealy:
            out = tuple((rng.randrange(1 << width), rng.randrange(1 << width)) for _ in range(states))
        else:
            out = tuple((value, value) for value in (rng.randrange(1 << width) for _ in range(states)))
        found = Machine(following, out)
        if found.is_good():
            return found


def _letters(seed: int, states: int) -> list[str]:
    """What the states are called: A, B, C or S0, S1, S2."""
    return [chr(ord("A") + n) if seed % 2 else f"S{n}" for n in range(states)]


def _table(one: Machine, names: list[str], *, mealy: bool) -> str:
    if mealy:
        head = "state | next, {y} for {x}=0 | next, {y} for {x}=1"
        lines = [
            f"{names[s]} | {names[one.next[s][0]]}, {one.out[s][0]} | {names[one.next[s][1]]}, {one.out[s][1]}"
            for s in range(one.states)
        ]
    else:
        head = "state | next for {x}=0 | next for {x}=1 | {y}"
        lines = [
            f"{names[s]} | {names[one.next[s][0]]} | {names[one.next[s][1]]} | {one.out[s][0]}"
            for s in range(one.states)
        ]
    return "\n".join([head, *lines])


def state_table(seed: int, states: int, kind: str, reset: str) -> Circuit:
    chosen = RESETS[reset]
    mealy = kind == "Mealy"
    one = machine(seed, states, mealy=mealy)
    names = _letters(seed, states)
    # The internal names are not the problem's, which may be the names of ports in capitals.
    inner = [f"ST_{name}" for name in names]
    size = (states - 1).bit_length()
    parameters = ", ".join(f"{name} = {size}'d{number}" for number, name in enumerate(inner))
    cases = [
        f"            {inner[s]}: next = x ? {inner[one.next[s][1]]} : {inner[one.next[s][0]]};" for s in range(states)
    ]
    block = always_clocked(["state <= next;"], chosen, [f"state <= {inner[0]};"])
    body = f"""    localparam {parameters};
    reg {vec(size)}state, next;
{block}
    always @(*) begin
        case (state)
{chr(10).join(cases)}
            default: next = {inner[0]};
        endcase
    end
    assign y = {_output(one, inner, mealy=mealy)};"""
    return Circuit(
        name=f"{kind.lower()}_table",
        headlines=(
            article(f"{kind} machine with the state table below"),
            article(f"{kind} FSM of {states} states, as tabulated"),
            article(f"finite state machine ({kind}) given by its state table"),
            article(f"{states}-state {kind} machine that follows the table"),
        ),
        inputs=(*controls(chosen), inp("x")),
        outputs=(outp("y"),),
        body=body,
        model=Clocked(
            reset_state=0,
            step=lambda s, v: None if s is None else one.next[s][v["x"]],
            out=lambda s, v: {"y": one.out[s][v["x"]]},
        ),
        facts=reset_fact(chosen, f"sets the state to {names[0]}"),
        attachment=table(
            (
                "The state table:",
                "Its states, transitions and output:",
                "State table ({x} is the input, {y} the output):",
            ),
            _table(one, names, mealy=mealy),
        ),
        reset=chosen,
        roles={"x": "input bit", "y": "output bit"},
        cycles=160,
    )


def _output(one: Machine, inner: list[str], *, mealy: bool) -> str:
    terms = []
    for state, (zero, high) in enumerate(one.out):
        here = f"(state == {inner[state]})"
        if zero and high:
            terms.append(here)
        elif mealy and (zero or high):
            terms.append(f"({here} & {'x' if high else '~x'})")
    return " | ".join(terms) or "1'b0"


def next_state_logic(seed: int, states: int, coding: str) -> Circuit:
    """The combinational half of a Moore machine: the state comes in and the next one goes out.

    Where it is one-hot, each bit is the OR of the ways into its state, whatever else is set.
    """
    one = machine(seed, states, mealy=False)
    names = _letters(seed, states)
    onehot = coding == "one-hot"
    size = states if onehot else (states - 1).bit_length()
    codes = [1 << s if onehot else s for s in range(states)]
    if onehot:
        ways = [
            " | ".join(
                f"(cur[{s}] & {'x' if bit else '~x'})"
                for s in range(states)
                for bit in range(2)
                if one.next[s][bit] == target
            )
            for target in range(states)
        ]
        body = "\n".join(
            f"    assign nxt[{target}] = {way or chr(49) + chr(39) + 'b0'};" for target, way in enumerate(ways)
        )
        ones = " | ".join(f"cur[{s}]" for s in range(states) if one.out[s][0])
        body += f"\n    assign y = {ones or chr(49) + chr(39) + 'b0'};"
        registers: frozenset[str] = frozenset()
    else:
        lines = [
            f"            {size}'d{s}: nxt = x ? {size}'d{one.next[s][1]} : {size}'d{one.next[s][0]};"
            for s in range(states)
        ]
        ones = " | ".join(f"(cur == {size}'d{s})" for s in range(states) if one.out[s][0])
        body = "\n".join(
            ["    always @(*) begin", "        case (cur)", *lines, f"            default: nxt = {size}'d0;",
             "        endcase", "    end", f"    assign y = {ones or chr(49) + chr(39) + 'b0'};"]
        )  # fmt: skip
        registers = frozenset({"nxt"})

    def evaluate(v: dict[str, int]) -> dict[str, int | None]:
        if onehot:
            following = [codes[one.next[s][v["x"]]] for s in range(states) if v["cur"] >> s & 1]
            total = 0
            for code in following:
                total |= code
            return {"nxt": total, "y": int(any(v["cur"] >> s & 1 and one.out[s][0] for s in range(states)))}
        if v["cur"] >= states:
            return {"nxt": 0, "y": 0}
        return {"nxt": one.next[v["cur"]][v["x"]], "y": one.out[v["cur"]][0]}

    listed = ", ".join(f"{names[s]} = {codes[s]:0{size}b}" for s in range(states))
    unused = (
        Fact((), ("If several bits of {cur} are set, the results of those states are ORed; if none is, all outputs are 0.",
                  "Derive the equations by inspection, one term for each way into a state."))
        if onehot
        else Fact((), ("For an unused code {nxt} and {y} are 0.", "Unused codes give 0 on both outputs."))
    )  # fmt: skip
    return Circuit(
        name="next_state",
        headlines=(
            f"next-state and output logic for a Moore machine ({coding} states)",
            f"the combinational part of a Moore FSM with {coding} state codes",
            article(f"combinational block with the {coding} next-state logic of the table"),
            f"the transition and output logic of a {states}-state machine, {coding} encoded",
        ),
        inputs=(inp("cur", size), inp("x")),
        outputs=(outp("nxt", size), outp("y")),
        body=body,
        registers=registers,
        model=Combinational(evaluate),
        facts=(
            Fact((), (f"The state codes are {listed}.", f"States are coded {listed}.")),
            *((unused,) if onehot or states < 1 << size else ()),
        ),
        attachment=table(("The state table:", "Transitions and output:"), _table(one, names, mealy=False)),
        roles={"cur": "present state", "nxt": "next state", "x": "input bit", "y": "output bit"},
        cycles=120,
    )


def sequence_counter(seed: int, length: int, reset: str, enable: bool) -> Circuit:
    """A counter through a fixed sequence of three-bit values, shown as a waveform of its output."""
    chosen = RESETS[reset]
    values = random.Random(f"sequence {seed} {length}").sample(range(8), length)
    after = dict(zip(values, values[1:] + values[:1], strict=True))
    cases = [f"            3'd{value}: follow = 3'd{after[value]};" for value in values]
    block = always_clocked(["q <= follow;"], chosen, [f"q <= 3'd{values[0]};"], enable="en" if enable else None)
    body = "\n".join(
        ["    reg [2:0] follow;", "    always @(*) begin", "        case (q)", *cases,
         f"            default: follow = 3'd{values[0]};", "        endcase", "    end", block]
    )  # fmt: skip
    shown = [*values, *values[:2]]
    text = "edge   " + " ".join(f"{n:>2}" for n in range(len(shown))) + "\n{q}: " + " ".join(f"{v:>2}" for v in shown)
    holds = Fact(("an enable input",), ("It moves on only when {en} is 1.", "While {en} is 0, {q} keeps its value."))
    return Circuit(
        name="sequence_counter",
        headlines=(
            article("3-bit counter with the sequence below"),
            f"a counter that runs through {length} values in the order of the waveform",
            article("sequence generator of three bits, repeating as shown"),
            f"a circuit whose 3-bit output steps through the {length} recorded values",
        ),
        inputs=controls(chosen, enable),
        outputs=(outp("q", 3),),
        registers=frozenset({"q"}),
        body=body,
        model=Clocked(
            reset_state=values[0],
            step=lambda q, v: q if q is None or (enable and not v["en"]) else after[q],
            out=lambda q, v: {"q": q},
        ),
        facts=(*reset_fact(chosen, f"sets {{q}} to {values[0]}"), *((holds,) if enable else ())),
        attachment=table(("{q} after every rising edge, over and over:", "Waveform of {q}, then it repeats:"), text),
        reset=chosen,
        roles={"q": "current value"},
        busy={"en": 0.75},
    )


FAMILIES = (
    Family("state_table", "state tables", "medium", "sequential",
           {"seed": tuple(range(12)), "states": (3, 4), "kind": ("Moore", "Mealy"), "reset": WITH_RESET}, state_table),
    Family("next_state_logic", "state tables", "medium", "combinational",
           {"seed": tuple(range(20, 42)), "states": (3, 4, 5), "coding": ("binary", "one-hot")}, next_state_logic),
    Family("sequence_counter", "waveforms", "medium", "sequential",
           {"seed": tuple(range(8)), "length": (4, 5, 6), "reset": WITH_RESET, "enable": (False, True)}, sequence_counter),
)  # fmt: skip
