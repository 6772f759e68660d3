"""A family of serial parity units: the parity bit of frames of single bits, marked by their first bit."""

from __future__ import annotations

import random
from collections.abc import Iterator

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
    parameter_fact,
    reset_fact,
    vec,
)
from data_pipeline.families.sizes import Size

_ENABLE = Fact(
    ("an enable {en} (no bit is taken while it is 0)",),
    ("A clock edge with {en} at 0 takes no bit.", "Bits count only at clock edges with {en} at 1."),
)


def serial_parity(length: int, kind: str, enable: bool, reset: str, generic: bool) -> Circuit:
    """The state is (bits of the frame so far, their parity, the last frame's parity, done)."""
    chosen = RESETS[reset]
    size = Size(length, "LENGTH" if generic else "")
    odd = kind == "odd"

    def step(state: tuple[int, int, int, int] | None, v: Values) -> tuple[int, int, int, int] | None:
        if state is None:
            return None
        seen, ones, result, _ = state
        if (enable and not v["en"]) or not (v["sync"] or seen):
            return seen, ones, result, 0
        seen, ones = (1, v["din"]) if v["sync"] else (seen + 1, ones ^ v["din"])
        return (0, 0, ones ^ int(odd), 1) if seen == length else (seen, ones, result, 0)

    return Circuit(
        name="frame_parity",
        headlines=(
            article(f"serial {kind}-parity generator for frames of {length} bits"),
            article(f"circuit that finds the {kind} parity bit of serial {length}-bit frames"),
            article(f"{kind}-parity unit for a serial stream with {length} bits per frame"),
            article(f"bit-serial {kind} parity calculator for {length}-bit frames"),
        ),
        inputs=(*controls(chosen, enable), inp("sync"), inp("din")),
        outputs=(outp("parity_bit"), outp("done"), outp("busy")),
        registers=frozenset({"parity_bit", "done"}),
        body=_parity_body(size, odd, enable, reset),
        model=Clocked(
            reset_state=(0, 0, 0, 0),
            step=step,
            out=lambda s, v: {"parity_bit": s[2], "done": s[3], "busy": int(s[0] > 0)},
        ),
        facts=(
            *_serial_parity_facts(length, odd),
            *((_ENABLE,) if enable else ()),
            *reset_fact(chosen, "drops the frame and clears all outputs"),
            *parameter_fact(size.parameters, LENGTH="the number of bits in a frame"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"sync": "first bit of a frame", "din": "serial data", "parity_bit": "parity of the last frame",
               "done": "frame complete", "busy": "frame incomplete"},
        busy={"en": 0.8},
        stimulus=lambda rng: _frames(rng, length),
        cycles=320,
    )  # fmt: skip


def _frames(rng: random.Random, length: int) -> Iterator[Values]:
    """Starts of frames: some right after each other, some after a pause, some within a frame."""
    while True:
        yield {"sync": 1, "en": 1}
        for _ in range(rng.choice((length - 1, length - 1, length + 1, rng.randrange(1, length)))):
            yield {"sync": 0}


def _serial_parity_facts(length: int, odd: bool) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                "{sync} at 1 marks the bit on {din} as the first of a frame, also within a frame, which it breaks off. "
                "Bits between frames are ignored.",
                "A frame begins with the bit that has {sync} at 1 (a frame under way is dropped); bits before it that "
                "belong to no frame are ignored.",
            ),
        ),
        Fact(
            (),
            (
                f"The edge that takes bit {length} of a frame sets {{done}} for one cycle and {{parity_bit}} to "
                f"{_parity_words(odd)}; {{parity_bit}} then keeps its value.",
                f"After {length} bits {{parity_bit}} becomes {_parity_words(odd)} and holds it until the end of the next "
                "frame; {done} is 1 for one cycle.",
            ),
        ),
        Fact(
            ("{busy} at 1 while a frame is incomplete",),
            ("{busy} is 1 while a frame is incomplete.", "Between the first bit and the last, {busy} is 1."),
        ),
    )


def _parity_words(odd: bool) -> str:
    return f"the {'inverse of the ' * odd}XOR of the frame's bits"


def _parity_body(size: Size, odd: bool, enable: bool, reset: str) -> str:
    count = 8 if size.name else (size.number - 1).bit_length()
    end = f"{size.name} - 1" if size.name else f"{count}'d{size.number - 1}"
    lines = [
        "done <= 1'b0;",
        f"if ({'en && ' * enable}(sync || place != {count}'d0)) begin",
        f"    place <= sync ? {count}'d1 : place + {count}'d1;",
        f"    if (!sync && place == {end}) begin",
        f"        place <= {count}'d0;",
        f"        parity_bit <= {'~' * odd}now;",
        "        done <= 1'b1;",
        "    end",
        "end",
    ]
    clear = [f"place <= {count}'d0;", "parity_bit <= 1'b0;", "done <= 1'b0;"]
    return f"""    reg {vec(count)}place;
    reg ones;
    wire now = sync ? din : ones ^ din;
{always_clocked(["ones <= now;"], None, [], enable="en" if enable else None)}
{always_clocked(lines, RESETS[reset], clear)}
    assign busy = (place != {count}'d0);"""


FAMILIES = (
    Family(
        "serial_parity", "serial parity", "medium", "sequential",
        {"length": (4, 5, 6, 8, 12), "kind": ("even", "odd"), "enable": (False, True), "reset": WITH_RESET,
         "generic": (False, True)},
        serial_parity,
    ),
)  # fmt: skip
