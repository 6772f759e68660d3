"""Families of handshakes: valid/ready registers and skid buffers, request/acknowledge machines, pulse catchers."""

from __future__ import annotations

from typing import Any

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Outputs,
    Values,
    a_bit,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    parameter_fact,
    reset_fact,
)
from data_pipeline.families.sizes import Size

_TRANSFER = Fact(
    (),
    (
        "On either side a word passes at each clock edge at which valid and ready are both 1.",
        "A side hands over a word at a clock edge exactly when its valid and its ready are 1.",
        "{in_valid} and {in_ready} both 1 at a clock edge: {in_data} is taken; {out_valid} and {out_ready} both 1: "
        "{out_data} is handed over.",
    ),
)
_WHILE_VALID = Fact(
    (),
    (
        "{out_data} does not matter while {out_valid} is 0.",
        "While {out_valid} is 0, {out_data} may be anything.",
    ),
)
_STREAM_ROLES = {
    "in_valid": "{in_data} is valid", "in_ready": "{in_data} can be taken", "in_data": "word in",
    "out_valid": "{out_data} is valid", "out_ready": "the receiver takes {out_data}", "out_data": "word out",
}  # fmt: skip


def _stream_ports(width: int) -> dict[str, Any]:
    return {
        "inputs": (inp("in_valid"), inp("in_data", width), inp("out_ready")),
        "outputs": (outp("in_ready"), outp("out_valid"), outp("out_data", width)),
    }


def valid_ready_register(width: int, throughput: str, reset: str, generic: bool) -> Circuit:
    """The state is (occupied, word)."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    full = throughput == "full"

    def ready(state: tuple[int, int], v: Values) -> int:
        return int(not state[0] or bool(full and v["out_ready"]))

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        if v["in_valid"] and ready(state, v):
            return (1, v["in_data"])
        return (0, 0) if v["out_ready"] else state

    lines = ["if (in_valid && in_ready)", "    out_valid <= 1'b1;", "else if (out_ready)", "    out_valid <= 1'b0;"]
    block = always_clocked(lines, chosen, ["out_valid <= 1'b0;"])
    block += "\n" + always_clocked(["out_data <= in_data;"], None, [], enable="in_valid && in_ready")
    ports = _stream_ports(width)
    return Circuit(
        name="stream_register",
        headlines=(
            article(f"{width}-bit valid/ready register with {throughput} throughput"),
            article(f"{throughput}-throughput register stage for {a_bit(width)} valid/ready stream"),
            f"a one-word valid/ready buffer, {width} bits wide, with {throughput} throughput",
            article(f"{throughput}-throughput pipeline register with valid/ready handshake and {width}-bit data"),
        ),
        inputs=(*controls(chosen), *ports["inputs"]),
        outputs=ports["outputs"],
        registers=frozenset({"out_valid", "out_data"}),
        body=f"    assign in_ready = {'!out_valid || out_ready' if full else '!out_valid'};\n{block}",
        model=Clocked(
            reset_state=(0, 0),
            step=step,
            out=lambda s, v: {"in_ready": ready(s, v), "out_valid": s[0], "out_data": s[1] if s[0] else None},
        ),
        facts=(
            _TRANSFER,
            *_VALID_READY_REGISTER,
            Fact((), _READY_WHEN[throughput]),
            _WHILE_VALID,
            *reset_fact(chosen, "empties the register ({out_valid} = 0)"),
            *parameter_fact(size.parameters, WIDTH="the width of {in_data} and {out_data}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("in_data", "out_data"),
        roles=_STREAM_ROLES,
        busy={"in_valid": 0.6, "out_ready": 0.6},
        cycles=128,
    )


_VALID_READY_REGISTER = (
    Fact(
        (),
        (
            "It stores one word, which shows on {out_data} with {out_valid} at 1 from the clock edge that took it.",
            "A word that was taken is held on {out_data}, with {out_valid} at 1, until it is handed over.",
        ),
    ),
)


_READY_WHEN = {
    "full": (
        "{in_ready} is 1 when it is empty or {out_ready} is 1, so a word can pass in every cycle.",
        "{in_ready} = not {out_valid} or {out_ready}, combinationally.",
    ),
    "half": (
        "{in_ready} is 1 only while it is empty, whatever {out_ready} is.",
        "{in_ready} is the inverse of {out_valid}: a new word is taken only after the old one has gone.",
    ),
}


_SKID_BODY = {
    "registered": """    reg spare_full;
    reg {range}spare;
    assign in_ready = ~spare_full;
{block}
    always @(posedge clk) begin
        if (in_ready)
            spare <= in_data;
        if (out_ready || !out_valid)
            out_data <= spare_full ? spare : in_data;
    end""",
    "bypass": """    reg spare_full;
    reg {range}spare;
    assign in_ready = ~spare_full;
    assign out_valid = in_valid | spare_full;
    assign out_data = spare_full ? spare : in_data;
{block}
    always @(posedge clk) begin
        if (!spare_full)
            spare <= in_data;
    end""",
}
_SKID_LINES = {
    "registered": [
        "if (out_ready || !out_valid) begin", "    spare_full <= 1'b0;", "    out_valid <= in_valid || spare_full;",
        "end else if (in_valid)", "    spare_full <= 1'b1;",
    ],
    "bypass": ["spare_full <= !out_ready && (spare_full || in_valid);"],
}  # fmt: skip
_SKID_WORDS = {
    "registered": (
        "It has an output register and a spare register. A word goes to the output register if that is empty or being "
        "read, else to the spare, which moves on at the next read. {in_ready} is 0 only while the spare is full.",
        "Two registers hold up to two words in order: the output register, loaded when empty or read, and a spare one "
        "for a word that comes when it cannot be loaded. {in_ready} = spare is empty.",
    ),
    "bypass": (
        "With the buffer empty, {in_data} and {in_valid} go straight through to {out_data} and {out_valid}. A word that "
        "comes while {out_ready} is 0 is stored; {in_ready} is 0 and the stored word is offered until it is taken.",
        "One register stores a word that arrives while {out_ready} is 0, and offers it until {out_ready} is 1. "
        "{in_ready} = register is empty; then the output is the input, combinationally.",
    ),
}


def skid_buffer(width: int, kind: str, reset: str, generic: bool) -> Circuit:
    """The state is the words held, the oldest first."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    registered = kind == "registered"
    capacity = 2 if registered else 1

    def offered(held: tuple[int, ...], v: Values) -> int | None:
        if held:
            return held[0]
        return v["in_data"] if v["in_valid"] and not registered else None

    def step(held: tuple[int, ...] | None, v: Values) -> tuple[int, ...] | None:
        if held is None:
            return None
        goes = bool(v["out_ready"]) and offered(held, v) is not None
        comes = bool(v["in_valid"]) and len(held) < capacity
        after = (*held, v["in_data"]) if comes else held
        return after[1:] if goes else after

    def out(held: tuple[int, ...], v: Values) -> Outputs:
        word = offered(held, v)
        return {"in_ready": int(len(held) < capacity), "out_valid": int(word is not None), "out_data": word}

    clear = ["spare_full <= 1'b0;", *(["out_valid <= 1'b0;"] if registered else [])]
    block = always_clocked(_SKID_LINES[kind], chosen, clear)
    noun = "skid buffer with registered outputs" if registered else "pass-through skid buffer"
    ports = _stream_ports(width)
    return Circuit(
        name="skid_buffer",
        headlines=(
            article(f"{width}-bit {noun}"),
            article(f"{noun} for a valid/ready stream of {width}-bit words"),
            article(f"valid/ready {noun}, {width} bits wide"),
            article(f"{noun} on {a_bit(width)} valid/ready interface"),
        ),
        inputs=(*controls(chosen), *ports["inputs"]),
        outputs=ports["outputs"],
        registers=frozenset({"out_valid", "out_data"}) if registered else frozenset(),
        body=_SKID_BODY[kind].format(range=size.range, block=block),
        model=Clocked(reset_state=(), step=step, out=out),
        facts=(
            _TRANSFER,
            Fact((), _SKID_WORDS[kind]),
            _WHILE_VALID,
            *reset_fact(chosen, "empties the buffer"),
            *parameter_fact(size.parameters, WIDTH="the width of {in_data} and {out_data}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("in_data", "out_data"),
        roles=_STREAM_ROLES,
        busy={"in_valid": 0.6},
        cycles=128,
    )


def pulse_catcher(width: int, capture: str, clearing: str, wins: str, reset: str, generic: bool) -> Circuit:
    """The state is (flags, the inputs at the last clock edge)."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    rising, by_bit, set_wins = capture == "rising", clearing == "each", wins == "set"

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        event = v["d"] & ~state[1] if rising else v["d"]
        gone = v["clear"] if by_bit else v["clear"] * mask(width)
        return ((state[0] & ~gone | event) if set_wins else (state[0] | event) & ~gone), v["d"]

    event = "event_now" if rising else "d"
    if by_bit:
        lines = [f"q <= (q & ~clear) | {event};" if set_wins else f"q <= (q | {event}) & ~clear;"]
    else:
        lines = ["if (clear)", f"    q <= {event if set_wins else size.zero};", "else", f"    q <= q | {event};"]
    declared = f"    reg {size.range}last;\n    wire {size.range}event_now = d & ~last;\n" if rising else ""
    block = always_clocked(
        [*lines, *(["last <= d;"] if rising else [])],
        chosen,
        [f"q <= {size.zero};", *([f"last <= {size.zero};"] if rising else [])],
    )
    return Circuit(
        name="pulse_catcher",
        headlines=(
            article(f"{width}-bit register of sticky flags"),
            article(f"pulse catcher for {width} signals"),
            f"a set of {width} sticky event flags",
            article(f"{width}-channel sticky flag register"),
        ),
        inputs=(*controls(chosen), inp("d", width), inp("clear", width if by_bit else 1)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=declared + block,
        model=Clocked(reset_state=(0, 0), step=step, out=lambda s, v: {"q": s[0]}),
        facts=(
            Fact((), _CAPTURE[capture]),
            Fact((), _CLEARING[clearing]),
            Fact(_WINS[wins][0], _WINS[wins][1]),
            *reset_fact(chosen, "clears all flags" + (" and takes {d} to have been 0" if rising else "")),
            *parameter_fact(size.parameters, WIDTH="the number of flags"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d", "q", *(["clear"] if by_bit else [])),
        roles={"d": "events", "clear": "clears flags", "q": "flags"},
        busy={"clear": 0.3},
    )


_CAPTURE = {
    "level": (
        "A bit of {q} becomes 1 at a clock edge that finds the same bit of {d} at 1, and stays 1 until it is cleared.",
        "Each bit of {d} that is 1 at a clock edge sets its flag in {q}; flags stay set until cleared.",
    ),
    "rising": (
        "A flag in {q} is set at a clock edge at which its bit of {d} is 1 and was 0 at the edge before, and stays set "
        "until it is cleared.",
        "A bit of {q} is set when its bit of {d} goes from 0 at one clock edge to 1 at the next; it stays until cleared.",
    ),
}
_CLEARING = {
    "all": ("{clear} at 1 clears all flags at the clock edge.", "All of {q} is cleared synchronously by {clear}."),
    "each": (
        "Each 1 in {clear} clears the same bit of {q} at the clock edge.",
        "The bits of {q} for which {clear} is 1 are cleared synchronously.",
    ),
}
_WINS = {
    "set": (
        ("a new event winning over a clear at the same edge", "setting stronger than clearing"),
        ("If a flag is set and cleared at the same edge, it ends as 1.", "Setting has priority over clearing."),
    ),
    "clear": (
        ("a clear winning over an event at the same edge", "clearing stronger than setting"),
        ("If a flag is set and cleared at the same edge, it ends as 0.", "Clearing has priority over setting."),
    ),
}

FAMILIES = (
    Family(
        "valid_ready_register", "valid/ready handshakes", "medium", "sequential",
        {"width": (4, 8, 10, 12, 16, 24, 32), "throughput": ("full", "half"), "reset": WITH_RESET,
         "generic": (False, True)},
        valid_ready_register,
    ),
    Family(
        "skid_buffer", "skid buffers", "hard", "sequential",
        {"width": (4, 8, 10, 12, 16, 24, 32), "kind": ("registered", "bypass"), "reset": WITH_RESET,
         "generic": (False, True)},
        skid_buffer,
    ),
    Family(
        "pulse_catcher", "sticky flags", "medium", "sequential",
        {"width": (3, 4, 8), "capture": ("level", "rising"), "clearing": ("all", "each"),
         "wins": ("set", "clear"), "reset": WITH_RESET, "generic": (False, True)},
        pulse_catcher,
    ),
)  # fmt: skip
