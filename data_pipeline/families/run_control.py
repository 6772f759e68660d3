"""Families of state machines told in words: run, pause and stop, and small machines drawn from a seed."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Values,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    reset_fact,
    vec,
)

_IDLE, _RUN, _PAUSE = range(3)
_CODES = {
    "flags": ("2'd0", "2'd1", "2'd2"),
    "binary": ("2'd0", "2'd1", "2'd2"),
    "one_hot": ("3'b001", "3'b010", "3'b100"),
}


def run_controller(resume: str, first: str, form: str, reset: str) -> Circuit:
    """``resume`` is what leaves the pause; ``first`` whether stop comes before or after all else."""
    chosen = RESETS[reset]
    idle, running, paused = _CODES[form]
    size = 3 if form == "one_hot" else 2
    leaves = {"start": "start", "pause": "pause", "release": "!pause"}[resume]
    # In each state: the conditions and where they lead, the first that holds decides.
    moves = {
        "IDLE": [("start", "RUN")],
        "RUN": [("pause", "HOLD"), ("stop", "IDLE")],
        "HOLD": [(leaves, "RUN"), ("stop", "IDLE")],
    }
    cases = []
    for name, label in (("IDLE", "IDLE"), ("RUN", "RUN"), ("HOLD", "default")):
        chain = [("stop", "IDLE"), *moves[name][:1]] if first == "stop" else moves[name]
        text = " else ".join(f"if ({condition}) state <= {target};" for condition, target in chain)
        cases.append(f"    {label}: {text}")
    block = always_clocked(["case (state)", *cases, "endcase"], chosen, ["state <= IDLE;"])
    body = f"    localparam IDLE = {idle}, RUN = {running}, HOLD = {paused};\n"
    if form == "flags":
        body += (
            f"    reg [1:0] state;\n{block}\n    assign running = (state == RUN);\n    assign paused = (state == HOLD);"
        )
    else:
        body += block

    def step(state: int | None, v: Values) -> int | None:
        if state is None:
            return None
        if v["stop"] and first == "stop":
            return _IDLE
        if state == _IDLE:
            return _RUN if v["start"] else _IDLE
        if state == _RUN:
            return _PAUSE if v["pause"] else _IDLE if v["stop"] else _RUN
        leave = {"start": v["start"], "pause": v["pause"], "release": 1 - v["pause"]}[resume]
        return _RUN if leave else _IDLE if v["stop"] else _PAUSE

    def out(state: int, v: Values) -> Values:
        return {
            "running": int(state == _RUN),
            "paused": int(state == _PAUSE),
            "state": 1 << state if form == "one_hot" else state,
        }

    words = {"start": "{start} is 1", "pause": "{pause} is 1", "release": "{pause} is 0"}[resume]
    return Circuit(
        name="run_control",
        headlines=("a controller to start, pause and stop a process", "a start/pause/stop state machine",
                   "a run controller (start, pause, stop)", "an FSM of three states: idle, running and paused"),
        inputs=(*controls(chosen), inp("start"), inp("pause"), inp("stop")),
        outputs=(outp("running"), outp("paused")) if form == "flags" else (outp("state", size),),
        registers=frozenset() if form == "flags" else frozenset({"state"}),
        body=body,
        model=Clocked(_IDLE, step, out),
        facts=(_moves_fact(words, first), _RUN_FORM[form], *reset_fact(chosen, "makes it idle")),
        reset=chosen,
        roles={"start": "start", "pause": "pause", "stop": "stop", "running": "running", "paused": "paused", "state": "state"},
        busy={"start": 0.35, "pause": 0.4, "stop": 0.2},
        cycles=200,
    )  # fmt: skip


def _moves_fact(words: str, first: str) -> Fact:
    if first == "stop":
        return Fact(
            (),
            (
                "Inputs are sampled at the rising clock edge. {stop} makes it idle from any state and has priority; otherwise "
                f"it goes from idle to running when {{start}} is 1, from running to paused when {{pause}} is 1, and from paused to running when {words}.",
                "At each clock edge: if {stop} is 1 the next state is idle. If not, {start} = 1 takes idle to running, {pause} = 1 "
                f"takes running to paused, and paused goes on running when {words}. Else the state stays.",
            ),
        )
    return Fact(
        (),
        (
            "At each rising clock edge: idle goes to running when {start} is 1; running goes to paused when {pause} is 1, else to "
            f"idle when {{stop}} is 1; paused goes to running when {words}, else to idle when {{stop}} is 1. Otherwise the state stays.",
            f"{{start}} = 1 takes idle to running, {{pause}} = 1 takes running to paused, and paused goes on running when {words}; "
            "only if that does not apply, {stop} = 1 makes it idle. It moves at rising clock edges.",
        ),
    )


_RUN_FORM = {
    "flags": Fact(
        ("outputs {running} and {paused} that are 1 exactly in the state of their name",),
        (
            "{running} and {paused} are 1 exactly in the state of that name.",
            "Moore outputs: {running} in the running state, {paused} in the paused state.",
        ),
    ),
    "binary": Fact(
        ("a 2-bit output {state} (idle 0; running 1; paused 2)",),
        (
            "{state} (2 bits) is 0 when idle, 1 when running and 2 when paused.",
            "The state register is the 2-bit output {state}: idle is 0, running 1, paused 2.",
        ),
    ),
    "one_hot": Fact(
        ("a one-hot output {state} of 3 bits (idle in bit 0; running in bit 1; paused in bit 2)",),
        (
            "{state} (3 bits) is one-hot: 001 idle, 010 running, 100 paused.",
            "The 3-bit output {state} is 001 when idle, 010 when running and 100 when paused.",
        ),
    ),
}


@dataclass(frozen=True)
class _Machine:
    """A Moore or Mealy machine: by state and input the next state and the Mealy output, by state the Moore output."""

    names: tuple[str, ...]
    targets: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]
    answers: tuple[tuple[int, int], ...]


_STATE_NAMES = (
    ("IDLE", "LOAD", "RUN", "STOP"),
    ("OFF", "LOW", "MID", "HIGH"),
    ("ONE", "TWO", "THREE", "FOUR"),
    ("NORTH", "EAST", "SOUTH", "WEST"),
)


@functools.cache
def _draw(states: int, kind: str, width: int, seed: int) -> _Machine:
    """The first machine drawn from the seed in which every state can be reached and no two do the same."""
    rng = random.Random(f"machine {states} {kind} {width} {seed}")
    while True:
        targets = tuple((rng.randrange(states), rng.randrange(states)) for _ in range(states))
        outputs = tuple(rng.randrange(1 << width) for _ in range(states))
        answers = tuple((rng.randrange(1 << width), rng.randrange(1 << width)) for _ in range(states))
        machine = _Machine(_STATE_NAMES[seed % len(_STATE_NAMES)][:states], targets, outputs, answers)
        if _is_minimal(machine, kind):
            return machine


def _is_minimal(machine: _Machine, kind: str) -> bool:
    """Whether each state can be reached from each other, no two are equivalent, and both inputs can lead elsewhere."""
    count = len(machine.targets)
    # Classes of states that no input sequence tells apart, refined until they stay.
    classes: list[object] = [machine.outputs[s] if kind == "Moore" else machine.answers[s] for s in range(count)]
    reached = [{s, *machine.targets[s]} for s in range(count)]
    for _ in range(count):
        signatures = [(classes[s], *(classes[t] for t in pair)) for s, pair in enumerate(machine.targets)]
        classes = [signatures.index(signature) for signature in signatures]
        reached = [states.union(*(reached[t] for t in states)) for states in reached]
    return len(set(classes)) == count and all(len(states) == count for states in reached)


def told_machine(states: int, kind: str, width: int, seed: int, reset: str) -> Circuit:
    chosen = RESETS[reset]
    mealy = kind == "Mealy"
    machine = _draw(states, kind, width, seed)
    names = machine.names
    size = (states - 1).bit_length()
    codes = ", ".join(f"{name} = {size}'d{k}" for k, name in enumerate(names))
    labels = [*names[:-1], "default"]
    moves = [
        f"            {label}: following = {names[one] if one == zero else f'din ? {names[one]} : {names[zero]}'};"
        for label, (zero, one) in zip(labels, machine.targets, strict=True)
    ]
    if mealy:
        shown = [
            f"            {label}: y = {_answer(answer, width)};"
            for label, answer in zip(labels, machine.answers, strict=True)
        ]
    else:
        shown = [
            f"            {label}: y = {width}'d{value};" for label, value in zip(labels, machine.outputs, strict=True)
        ]
    block = always_clocked(["state <= following;"], chosen, [f"state <= {names[0]};"])
    table = "    always @(*) begin\n        case (state)\n{}\n        endcase\n    end"
    body = f"    localparam {codes};\n    reg {vec(size)}state, following;\n" + table.format("\n".join(moves))
    body += f"\n{block}\n" + table.format("\n".join(shown))

    def out(state: int, v: Values) -> Values:
        return {"y": machine.answers[state][v["din"]] if mealy else machine.outputs[state]}

    wide = Fact(
        (f"a {width}-bit output {{y}}",), (f"{{y}} has {width} bits.", f"The output {{y}} is {width} bits wide.")
    )
    return Circuit(
        name="fsm",
        headlines=(
            article(f"{kind} machine of the {states} states {', '.join(names[:-1])} and {names[-1]}"),
            article(f"{states}-state {kind} machine ({', '.join(names)})"),
            article(f"{kind} FSM that moves between {', '.join(names[:-1])} and {names[-1]}"),
            article(f"finite state machine of {kind} type, its states being {', '.join(names[:-1])} and {names[-1]}"),
        ),
        inputs=(*controls(chosen), inp("din")),
        outputs=(outp("y", width),),
        registers=frozenset({"y"}),
        body=body,
        model=Clocked(0, lambda s, v: None if s is None else machine.targets[s][v["din"]], out),
        facts=(
            _told(machine, mealy),
            *((wide,) if width > 1 else ()),
            *reset_fact(chosen, f"leads to {names[0]}"),
            _start(names[0]),
        ),
        reset=chosen,
        roles={"din": "input", "y": "output"},
        cycles=140,
    )


def _answer(answer: tuple[int, int], width: int) -> str:
    """A Mealy output in one state as an expression."""
    low, high = answer
    if low == high:
        return f"{width}'d{low}"
    return ("din" if high else "~din") if width == 1 else f"din ? {width}'d{high} : {width}'d{low}"


def _start(name: str) -> Fact:
    return Fact((f"{name} as the state after reset",), (f"The first state is {name}.", f"Reset state: {name}."))


def _told(machine: _Machine, mealy: bool) -> Fact:
    """The machine in prose, state by state, and in two short notations."""
    prose, brief, arrows = [], [], []
    for name, (zero, one), value, (low, high) in zip(
        machine.names, machine.targets, machine.outputs, machine.answers, strict=True
    ):
        to_zero, to_one = machine.names[zero], machine.names[one]
        move = (
            f"{name} always goes to {to_zero}"
            if zero == one
            else f"From {name} it goes to {to_one} when {{din}} is 1 and to {to_zero} when it is 0"
        )
        if zero != one and name in (to_zero, to_one):
            away, level = (to_one, 1) if to_zero == name else (to_zero, 0)
            move = f"{name} stays until {{din}} is {level} at an edge and then goes to {away}"
        if mealy:
            prose.append(
                f"In {name}, {{din}} = 1 gives {{y}} = {high} and leads to {to_one}, {{din}} = 0 gives {low} and leads to {to_zero}."
            )
            brief.append(
                f"{name}: {{din}} = 0 gives {{y}} = {low} and next {to_zero}, {{din}} = 1 gives {{y}} = {high} and next {to_one}."
            )
            arrows.append(f"{name} -0/{low}-> {to_zero}, {name} -1/{high}-> {to_one}")
        else:
            prose.append(f"In {name}, {{y}} is {value}. {move}.")
            brief.append(
                f"{name}: output {{y}} = {value}, next {to_zero} for {{din}} = 0 and {to_one} for {{din}} = 1."
            )
            arrows.append(f"{name} ({{y}} = {value}) -0-> {to_zero}, -1-> {to_one}")
    legend = "{din}/{y}, {y} being combinational" if mealy else "the value of {din}"
    when = "The state changes at the rising clock edge."
    note = " {y} depends on state and {din} at once." if mealy else ""
    return Fact(
        (),
        (
            f"{' '.join(prose)}{note} {when}",
            f"{' '.join(brief)}{note} {when}",
            f"Transitions, marked by {legend}: {'; '.join(arrows)}. {when}",
        ),
    )


FAMILIES = (
    Family(
        "run_controller", "run control", "medium", "sequential",
        {"resume": ("start", "pause", "release"), "first": ("stop", "others"), "form": tuple(_CODES), "reset": WITH_RESET},
        run_controller,
    ),
    Family(
        "told_machine", "FSMs told in words", "medium", "sequential",
        {"states": (3, 4), "kind": ("Moore", "Mealy"), "width": (1, 2), "seed": range(7), "reset": WITH_RESET}, told_machine,
    ),
)  # fmt: skip
