"""Families that work on a stream of single bits: bit stuffing and the removal of stuffed bits."""

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


def bit_stuffer(run: int, rule: str, enable: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(run, "RUN" if generic else "")
    equal = rule == "equal"

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None or (enable and not v["en"]):
            return state
        length, last = state
        bit = (1 - last if equal else 0) if length == run else v["din"]
        return (int(equal) if length == run else _after(length, last, bit, equal)), bit

    count = 4 if generic else run.bit_length()
    limit = size.name or f"{count}'d{run}"
    inserted = "~dout" if equal else "1'b0"
    grown = f"run + {count}'d1"
    fresh = f"{count}'d{int(equal)}"
    condition = f"(run != {count}'d0 && din == dout)" if equal else "din"
    lines = ["if (!ready) begin", f"    dout <= {inserted};", f"    run <= {fresh};",
             "end else begin", "    dout <= din;", f"    run <= {condition} ? {grown} : {fresh};", "end"]  # fmt: skip
    block = always_clocked(lines, chosen, ["dout <= 1'b0;", f"run <= {count}'d0;"], enable="en" if enable else None)
    noun = "equal bits" if equal else "ones"
    what = f"{run} {noun}"
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
            *_BIT_STUFFER,
            Fact((), _stuff_words(run, equal)),
            *((_STUFF_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears {dout} and forgets the run"),
            *parameter_fact(size.parameters, RUN=f"the number of {noun} in a row before a stuffed bit"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"din": "serial data", "dout": "stuffed stream", "ready": "{din} is taken at the next edge"},
        busy={"en": 0.75},
        stimulus=lambda rng: _runs(run, equal, rng),
        cycles=80 + 40 * run,
    )


_BIT_STUFFER = (
    Fact(
        (),
        (
            "{dout} is a register that takes {din} at each clock edge with {ready} at 1.",
            "While {ready} is 1, each clock edge moves {din} to the register {dout}.",
        ),
    ),
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


def bit_destuffer(run: int, rule: str, enable: bool, reset: str, generic: bool) -> Circuit:
    """The state is (the run's length, its bit, valid, error); the bit is on ``dout`` too."""
    chosen = RESETS[reset]
    size = Size(run, "RUN" if generic else "")
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

    count = 4 if generic else run.bit_length()
    limit = size.name or f"{count}'d{run}"
    fresh = f"{count}'d{int(equal)}"
    grows = f"(run != {count}'d0 && din == dout)" if equal else "din"
    taken = ["dout <= din;", "valid <= !full;", "error <= full && din == dout;",
             f"run <= (!full && {grows}) ? run + {count}'d1 : {fresh};"]  # fmt: skip
    lines = (
        ["valid <= 1'b0;", "error <= 1'b0;", "if (en) begin", *(f"    {x}" for x in taken), "end"] if enable else taken
    )
    block = always_clocked(lines, chosen, ["dout <= 1'b0;", "valid <= 1'b0;", "error <= 1'b0;", f"run <= {count}'d0;"])
    noun = "equal bits" if equal else "ones"
    what = f"{run} {noun}"
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
            *_BIT_DESTUFFER,
            Fact((), _destuff_words(run, equal)),
            *((_DESTUFF_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears all outputs and forgets the run"),
            *parameter_fact(size.parameters, RUN=f"the number of {noun} in a row before a stuffed bit"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"din": "stuffed stream", "dout": "bit out", "valid": "{dout} is data", "error": "wrong stuffed bit"},
        busy={"en": 0.8},
        stimulus=lambda rng: _runs(run, equal, rng),
        cycles=80 + 40 * run,
    )


_BIT_DESTUFFER = (
    Fact(
        (),
        (
            "{dout} is a register that takes every bit of {din}; {valid} is 1 in the same cycle if the bit is data.",
            "Each bit moves from {din} to the register {dout}, with {valid} at 1 for a data bit and 0 for a stuffed one.",
        ),
    ),
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
        "bit_stuffer", "bit stuffing", "hard", "sequential",
        {"run": (3, 4, 5, 6, 7), "rule": ("ones", "equal"), "enable": (False, True), "reset": WITH_RESET,
         "generic": (False, True)},
        bit_stuffer,
    ),
    Family(
        "bit_destuffer", "bit stuffing", "hard", "sequential",
        {"run": (3, 4, 5, 6, 7), "rule": ("ones", "equal"), "enable": (False, True), "reset": WITH_RESET,
         "generic": (False, True)},
        bit_destuffer,
    ),
)  # fmt: skip
