"""Families of state machines told in words: run, pause and stop, and small machines drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence

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
    enumerated,
    inp,
    outp,
    reset_fact,
    vec,
)
from data_pipeline.families.state_tables import Machine, machine

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
        facts=(_moves_fact(words, first), _RUN_FORM[form], *reset_fact(chosen, "returns the controller to idle")),
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
                "Inputs are sampled at the rising clock edge. {stop} leads to idle from any state and has priority; otherwise "
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
            "only if that does not apply, {stop} = 1 leads to idle. It moves at rising clock edges.",
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


_STATE_NAMES = (
    ("IDLE", "LOAD", "RUN", "STOP"),
    ("OFF", "LOW", "MID", "HIGH"),
    ("ONE", "TWO", "THREE", "FOUR"),
    ("NORTH", "EAST", "SOUTH", "WEST"),
)


def told_machine(states: int, kind: str, width: int, seed: int, reset: str) -> Circuit:
    chosen = RESETS[reset]
    mealy = kind == "Mealy"
    # Other seeds than those of the state tables, so that no machine held out there is trained on here.
    one = machine(100 + seed, states, mealy=mealy, width=width)
    names = _STATE_NAMES[seed % len(_STATE_NAMES)][:states]
    size = (states - 1).bit_length()
    codes = ", ".join(f"{name} = {size}'d{k}" for k, name in enumerate(names))
    labels = [*names[:-1], "default"]
    moves = [
        f"            {label}: following = {names[high] if high == low else f'din ? {names[high]} : {names[low]}'};"
        for label, (low, high) in zip(labels, one.next, strict=True)
    ]
    shown = [
        f"            {label}: y = {_answer(answer, width)};" for label, answer in zip(labels, one.out, strict=True)
    ]
    block = always_clocked(["state <= following;"], chosen, [f"state <= {names[0]};"])
    table = "    always @(*) begin\n        case (state)\n{}\n        endcase\n    end"
    body = f"    localparam {codes};\n    reg {vec(size)}state, following;\n" + table.format("\n".join(moves))
    body += f"\n{block}\n" + table.format("\n".join(shown))

    wide = Fact(
        (f"a {width}-bit output {{y}}",), (f"{{y}} has {width} bits.", f"The output {{y}} is {width} bits wide.")
    )
    return Circuit(
        name="fsm",
        headlines=(
            article(f"{kind} machine of the {states} states {enumerated(names)}"),
            article(f"{states}-state {kind} machine ({', '.join(names)})"),
            article(f"{kind} FSM that moves between {enumerated(names)}"),
            article(f"finite state machine of {kind} type, its states being {enumerated(names)}"),
        ),
        inputs=(*controls(chosen), inp("din")),
        outputs=(outp("y", width),),
        registers=frozenset({"y"}),
        body=body,
        model=Clocked(
            0, lambda s, v: None if s is None else one.next[s][v["din"]], lambda s, v: {"y": one.out[s][v["din"]]}
        ),
        facts=(
            _told(one, names, mealy),
            *((wide,) if width > 1 else ()),
            *reset_fact(chosen, f"sets the state to {names[0]}"),
        ),
        reset=chosen,
        roles={"din": "input bit", "y": "output value"},
        cycles=140,
    )


def _answer(answer: tuple[int, int], width: int) -> str:
    """The output in one state as an expression."""
    low, high = answer
    if low == high:
        return f"{width}'d{low}"
    return ("din" if high else "~din") if width == 1 else f"din ? {width}'d{high} : {width}'d{low}"


def _told(one: Machine, names: Sequence[str], mealy: bool) -> Fact:
    """The machine in prose, state by state, and in two short notations."""
    prose, brief, arrows = [], [], []
    for name, targets, (low, high) in zip(names, one.next, one.out, strict=True):
        to_zero, to_one = (names[target] for target in targets)
        move = (
            f"{name} always goes to {to_zero}"
            if to_zero == to_one
            else f"From {name} it goes to {to_one} when {{din}} is 1 and to {to_zero} when it is 0"
        )
        if to_zero != to_one and name in (to_zero, to_one):
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
            prose.append(f"In {name}, {{y}} is {low}. {move}.")
            brief.append(f"{name}: output {{y}} = {low}, next {to_zero} for {{din}} = 0 and {to_one} for {{din}} = 1.")
            arrows.append(f"{name} ({{y}} = {low}) -0-> {to_zero}, -1-> {to_one}")
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
