"""The family of timers that count down from a loaded value, and stop, tell the end or start again there."""

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
    mask,
    outp,
    parameter_fact,
    reset_fact,
)
from data_pipeline.families.sizes import Size


def down_timer(width: int, mode: str, enable: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    zero, one = f"{{{size.text}{{1'b0}}}}", "1'b1"
    start = [
        "    q <= d;",
        *(["    period <= d;"] if mode == "reload" else []),
        *(["    done <= 1'b0;"] if mode == "pulse" else []),
    ]
    count = {
        "stop": [f"if (q != {zero})", f"    q <= q - {one};"],
        "pulse": [
            f"done <= (q == {{{{({size.top}){{1'b0}}}}, 1'b1}});" if generic else f"done <= (q == {width}'d1);",
            f"if (q != {zero})",
            f"    q <= q - {one};",
        ],
        "reload": [f"q <= (q == {zero}) ? period : q - {one};"],
    }[mode]
    other = "else if (en) begin" if enable else "else begin"
    lines = ["if (load) begin", *start, f"end {other}", *(f"    {line}" for line in count), "end"]
    if enable and mode == "pulse":
        lines += ["else", "    done <= 1'b0;"]
    clear = [
        f"q <= {zero};",
        *([f"period <= {zero};"] if mode == "reload" else []),
        *(["done <= 1'b0;"] if mode == "pulse" else []),
    ]
    body = (f"    reg {size.range}period;\n" if mode == "reload" else "") + always_clocked(lines, chosen, clear)
    if mode != "pulse":
        body += f"\n    assign done = (q == {zero});"

    def step(state: tuple[int, int, int] | None, v: Values) -> tuple[int, int, int] | None:
        if state is None:
            return None
        q, period, _ = state
        if v["load"]:
            return v["d"], v["d"], 0
        if enable and not v["en"]:
            return q, period, 0
        return (q - 1 if q else period if mode == "reload" else 0), period, int(q == 1)

    return Circuit(
        name="down_timer",
        headlines=(article(f"{width}-bit loadable down timer"), article(f"loadable {width}-bit countdown timer"),
                   article(f"{width}-bit timer that counts down to zero"), article(f"countdown of {width} bits that can be loaded")),
        inputs=(*controls(chosen, enable), inp("load"), inp("d", width)),
        outputs=(outp("q", width), outp("done")),
        registers=frozenset({"q", "done"}) if mode == "pulse" else frozenset({"q"}),
        body=body,
        model=Clocked((0, 0, 0), step, lambda s, v: {"q": s[0], "done": s[2] if mode == "pulse" else int(s[0] == 0)}),
        facts=(_DOWN[enable], _ENDS[mode], *reset_fact(chosen, "sets {q} to 0" + _CLEARED[mode]),
               *parameter_fact(size.parameters, WIDTH="the width of {d} and {q}")),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("q", "d"),
        roles={"load": "take {d}", "d": "time", "q": "time left", "done": "end of time"},
        busy={"en": 0.8},
        stimulus=lambda rng: _loads(width, rng),
        cycles=220,
    )  # fmt: skip


def _loads(width: int, rng: random.Random) -> Iterator[Values]:
    """Short times, so that most of them end; long ones now and then."""
    while True:
        span = rng.choice((1, 3, 5, 9, 40))
        short = rng.randint(0, min(span, mask(width)))
        yield {"load": 1, "d": short}
        # Often just long enough, so that the next load comes at the end.
        for _ in range(rng.choice((min(short, 9), min(short, 9), rng.randint(1, 16)))):
            yield {"load": 0}
        yield {"load": 1, "d": rng.randint(0, mask(width))}
        for _ in range(rng.randint(0, 6)):
            yield {"load": 0}


_CLEARED = {
    "stop": "",
    "pulse": " and {done} to 0",
    "reload": " and forgets the loaded value (as if 0 had been loaded)",
}
_DOWN = {
    False: Fact(
        (),
        (
            "At a rising clock edge {q} takes {d} if {load} is 1, and counts down by one if not.",
            "{load} puts {d} into {q} at the clock edge; without it, {q} goes down by 1 at every edge.",
        ),
    ),
    True: Fact(
        (),
        (
            "At a rising clock edge {q} takes {d} if {load} is 1, whatever {en} is; otherwise it counts down by one if {en} is 1.",
            "{load} puts {d} into {q} at the clock edge, with priority; without it, {q} goes down by 1 at edges with {en} high and holds at others.",
        ),
    ),
}
_ENDS = {
    "stop": Fact(
        (),
        (
            "At 0 it stops; {done} is 1 exactly while {q} is 0.",
            "{q} does not go below 0 but stays there, and {done} is high whenever {q} is 0.",
        ),
    ),
    "pulse": Fact(
        (),
        (
            "At 0 it stops. {done} is a register: 1 for the one cycle after an edge that counts {q} from 1 to 0, otherwise 0, so loading 0 does not set it.",
            "{q} stays at 0. The edge that counts it from 1 to 0 makes the register {done} 1; every other edge makes it 0, also one that loads.",
        ),
    ),
    "reload": Fact(
        (),
        (
            "Instead of counting below 0, {q} takes the value loaded last again; {done} is 1 exactly while {q} is 0.",
            "When {q} is 0, the counting step puts the value last loaded back into {q}; {done} is high whenever {q} is 0.",
        ),
    ),
}


FAMILIES = (
    Family(
        "down_timer", "down timers", "medium", "sequential",
        {"width": (3, 4, 5, 6, 8), "mode": tuple(_ENDS), "enable": (False, True), "reset": WITH_RESET, "generic": (False, True)},
        down_timer,
    ),
)  # fmt: skip
