"""Families that work on a stream of single bits: frame parity, bit stuffing and the removal of stuffed bits."""

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


def serial_parity(length: int, kind: str, enable: bool, reset: str, parametric: bool) -> Circuit:
    """The state is (bits of the frame so far, their parity, the last frame's parity, done)."""
    chosen = RESETS[reset]
    size = Size(length, "LENGTH" if parametric else "")
    odd = kind == "odd"

    def step(state: tuple[int, int, int, int] | None, v: Values) -> tuple[int, int, int, int] | None:
        if state is None:
            return None
        seen, ones, result, _ = state
        if (enable and not v["en"]) or not (v["sync"] or seen):
            return seen, ones, result, 0
        seen, ones = (1, v["din"]) if v["sync"] else (seen + 1, ones ^ v["din"])
        return (0, 0, ones ^ int(odd), 1) if seen == length else (seen, ones, result, 0)

    def bits(rng: random.Random) -> Iterator[Values]:
        while True:
            yield {"sync": 1, "en": 1}
            for _ in range(rng.choice((length - 1, length - 1, length + 1, rng.randrange(1, length)))):
                yield {"sync": 0}

    return Circuit(
        name="frame_parity",
        headlines=(
            article(f"serial {kind}-parity generator for frames of {length} bits"),
            article(f"circuit that finds the {kind} parity bit of serial {length}-bit frames"),
            article(f"{kind}-parity unit for a serial stream with {length} bits per frame"),
            article(f"bit-serial {kind} parity calculator for {length}-bit frames"),
        ),
        inputs=(*controls(chosen, enable), inp("sync"), inp("din")),
        outputs=(outp("parity_bit"), outp("done")),
        registers=frozenset({"parity_bit", "done"}),
        body=_parity_body(size, odd, enable, reset),
        model=Clocked(reset_state=(0, 0, 0, 0), step=step, out=lambda s, v: {"parity_bit": s[2], "done": s[3]}),
        facts=(
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
            *((_ENABLE,) if enable else ()),
            *reset_fact(chosen, "drops the frame and clears both outputs"),
            *parameter_fact(size.parameters),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"sync": "first bit of a frame", "din": "serial data", "parity_bit": "parity of the last frame",
               "done": "frame complete"},
        busy={"en": 0.8},
        stimulus=bits,
        cycles=360,
    )  # fmt: skip


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
{always_clocked(lines, RESETS[reset], clear)}"""


def _runs(longest: int, equal: bool, rng: random.Random) -> Iterator[Values]:
    """Runs of equal bits, many of them about as long as matters; the first is long enough for two stuffed bits."""
    bit = int(not equal)
    for _ in range(2 * longest + 6):
        yield {"din": bit, "en": 1}
    bit ^= 1
    while True:
        for _ in range(rng.choice((1, 2, longest - 1, longest, longest, longest + 1, 2 * longest + 1))):
            yield {"din": bit}
        bit ^= 1


_Run = tuple[int, int, int, int]
"""The run's length, its bit, and two outputs."""


def _after(run: int, last: int, bit: int, equal: bool) -> int:
    """The length of the run that ``bit`` ends: of ones, or of bits that are ``equal``."""
    if equal:
        return run + 1 if run and bit == last else 1
    return run + 1 if bit else 0


def bit_stuffer(run: int, rule: str, enable: bool, reset: str, parametric: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(run, "RUN" if parametric else "")
    equal = rule == "equal"

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None or (enable and not v["en"]):
            return state
        length, last = state
        bit = (1 - last if equal else 0) if length == run else v["din"]
        return (int(equal) if length == run else _after(length, last, bit, equal)), bit

    count = 4 if parametric else run.bit_length()
    limit = size.name or f"{count}'d{run}"
    inserted = "~dout" if equal else "1'b0"
    grown = f"run + {count}'d1"
    fresh = f"{count}'d{int(equal)}"
    condition = f"(run != {count}'d0 && din == dout)" if equal else "din"
    lines = ["if (!ready) begin", f"    dout <= {inserted};", f"    run <= {fresh};",
             "end else begin", "    dout <= din;", f"    run <= {condition} ? {grown} : {fresh};", "end"]  # fmt: skip
    block = always_clocked(lines, chosen, ["dout <= 1'b0;", f"run <= {count}'d0;"], enable="en" if enable else None)
    what = f"{run} equal bits" if equal else f"{run} ones"
    stuffed = "the inverse bit" if equal else "a 0"
    return Circuit(
        name="bit_stuffer",
        headlines=(
            article(f"bit stuffer that inserts {stuffed} after {what}"),
            article(f"bit-stuffing unit ({stuffed} after {what} in a row)"),
            article(f"serial bit stuffer ({stuffed} after {what})"),
            article(f"circuit that stuffs {stuffed} into a serial stream after {what}"),
        ),
        inputs=(*controls(chosen, enable), inp("din")),
        outputs=(outp("dout"), outp("ready")),
        registers=frozenset({"dout"}),
        body=f"    reg {vec(count)}run;\n    assign ready = (run != {limit});\n{block}",
        model=Clocked(reset_state=(0, 0), step=step, out=lambda s, v: {"dout": s[1], "ready": int(s[0] != run)}),
        facts=(
            Fact(
                (),
                (
                    "{dout} is a register that takes {din} at each clock edge with {ready} at 1.",
                    "While {ready} is 1, each clock edge moves {din} to the register {dout}.",
                ),
            ),
            Fact((), _stuff_words(run, equal)),
            *((_STUFF_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears {dout} and forgets the run"),
            *parameter_fact(size.parameters),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"din": "serial data", "dout": "stuffed stream", "ready": "{din} is taken at the next edge"},
        busy={"en": 0.75},
        stimulus=lambda rng: _runs(run, equal, rng),
        cycles=80 + 40 * run,
    )


_STUFF_ENABLE = Fact(
    ("an enable {en} (nothing changes while it is 0)",),
    ("While {en} is 0 nothing changes.", "A clock edge with {en} at 0 leaves everything as it is."),
)


def _stuff_words(run: int, equal: bool) -> tuple[str, ...]:
    if equal:
        return (
            f"After {run} equal bits in a row {{ready}} is 0, and the next edge ignores {{din}} and sends the inverse of "
            "{dout}, which is the first bit of the next run.",
            f"Once {{dout}} has taken {run} equal bits in a row, {{ready}} is 0 for the edge that inverts {{dout}}; the bit "
            "inserted counts as the first of a new run.",
        )
    return (
        f"After {run} ones in a row {{ready}} is 0, and the next edge ignores {{din}} and sends a 0; counting starts anew.",
        f"Once {{dout}} has taken {run} ones in a row, {{ready}} is 0 for the edge that puts a 0 on {{dout}} instead of {{din}}, "
        "and the count of ones is 0.",
    )


def bit_destuffer(run: int, rule: str, enable: bool, reset: str, parametric: bool) -> Circuit:
    """The state is (the run's length, its bit, valid, error); the bit is on ``dout`` too."""
    chosen = RESETS[reset]
    size = Size(run, "RUN" if parametric else "")
    equal = rule == "equal"

    def step(state: _Run | None, v: Values) -> _Run | None:
        if state is None:
            return None
        length, last, _, _ = state
        if enable and not v["en"]:
            return length, last, 0, 0
        bit = v["din"]
        if length < run:
            return _after(length, last, bit, equal), bit, 1, 0
        return int(equal), bit, 0, int(bit == last)

    count = 4 if parametric else run.bit_length()
    limit = size.name or f"{count}'d{run}"
    fresh = f"{count}'d{int(equal)}"
    grows = f"(run != {count}'d0 && din == dout)" if equal else "din"
    taken = ["dout <= din;", "valid <= !full;", "error <= full && din == dout;",
             f"run <= (!full && {grows}) ? run + {count}'d1 : {fresh};"]  # fmt: skip
    lines = (
        ["valid <= 1'b0;", "error <= 1'b0;", "if (en) begin", *(f"    {x}" for x in taken), "end"] if enable else taken
    )
    block = always_clocked(lines, chosen, ["dout <= 1'b0;", "valid <= 1'b0;", "error <= 1'b0;", f"run <= {count}'d0;"])
    what = f"{run} equal bits" if equal else f"{run} ones"
    return Circuit(
        name="bit_destuffer",
        headlines=(
            article(f"bit destuffer that removes the bit after {what}"),
            article(f"circuit that takes out stuffed bits, one after each {what} in a row"),
            article(f"serial bit unstuffer for streams stuffed after {what}"),
            article(f"remover of stuffed bits in a serial stream ({what} and the stuffed bit)"),
        ),
        inputs=(*controls(chosen, enable), inp("din")),
        outputs=(outp("dout"), outp("valid"), outp("error")),
        registers=frozenset({"dout", "valid", "error"}),
        body=f"    reg {vec(count)}run;\n    wire full = (run == {limit});\n{block}",
        model=Clocked(
            reset_state=(0, 0, 0, 0), step=step, out=lambda s, v: {"dout": s[1], "valid": s[2], "error": s[3]}
        ),
        facts=(
            Fact(
                (),
                (
                    "{dout} is a register that takes every bit of {din}; {valid} is 1 in the same cycle if the bit is data.",
                    "Each bit moves from {din} to the register {dout}, with {valid} at 1 for a data bit and 0 for a stuffed one.",
                ),
            ),
            Fact((), _destuff_words(run, equal)),
            *((_DESTUFF_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears all outputs and forgets the run"),
            *parameter_fact(size.parameters),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"din": "stuffed stream", "dout": "bit out", "valid": "{dout} is data", "error": "wrong stuffed bit"},
        busy={"en": 0.8},
        stimulus=lambda rng: _runs(run, equal, rng),
        cycles=80 + 40 * run,
    )


_DESTUFF_ENABLE = Fact(
    (),
    (
        "A clock edge with {en} at 0 takes no bit: {valid} and {error} become 0, {dout} and the run stay.",
        "Bits are taken only with {en} at 1; other edges set {valid} and {error} to 0 and keep {dout} and the run.",
    ),
)


def _destuff_words(run: int, equal: bool) -> tuple[str, ...]:
    if equal:
        return (
            f"The bit after {run} equal bits in a row is a stuffed one and starts the next run; if it equals them, {{error}} is 1 "
            "for that bit.",
            f"After {run} equal bits in a row the next bit is stuffed (no data) and is the first of the next run. {{error}} is 1 "
            "with a stuffed bit equal to the one before it.",
        )
    return (
        f"The bit after {run} ones in a row is a stuffed one; if it is 1, {{error}} is 1 for that bit. Then counting starts anew.",
        f"After {run} ones in a row the next bit is stuffed (no data), and after it the count of ones is 0. {{error}} is 1 with "
        "a stuffed bit that is 1.",
    )


FAMILIES = (
    Family(
        "serial_parity", "serial parity", "medium", "sequential",
        {"length": (4, 5, 6, 8, 12), "kind": ("even", "odd"), "enable": (False, True), "reset": WITH_RESET,
         "parametric": (False, True)},
        serial_parity,
    ),
    Family(
        "bit_stuffer", "bit stuffing", "hard", "sequential",
        {"run": (3, 4, 5, 6, 7), "rule": ("ones", "equal"), "enable": (False, True), "reset": WITH_RESET,
         "parametric": (False, True)},
        bit_stuffer,
    ),
    Family(
        "bit_destuffer", "bit stuffing", "hard", "sequential",
        {"run": (3, 4, 5, 6, 7), "rule": ("ones", "equal"), "enable": (False, True), "reset": WITH_RESET,
         "parametric": (False, True)},
        bit_destuffer,
    ),
)  # fmt: skip
