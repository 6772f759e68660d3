"""Families that divide or filter in time: debouncers, tick generators and stopwatches."""

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
from data_pipeline.families.timers import nth


def debouncer(samples: int, synchroniser: bool, strobe: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = 8 if generic else samples.bit_length()
    last = "STABLE - 1" if generic else f"{size}'d{samples - 1}"
    given = {"STABLE": samples} if generic else {}
    source = "second" if synchroniser else "noisy"
    lines = [f"if ({source} == clean)", f"    count <= {size}'d0;", f"else if (count == {last}) begin", f"    clean <= {source};",
             f"    count <= {size}'d0;", "end else", f"    count <= count + {size}'d1;"]  # fmt: skip
    clear = ["clean <= 1'b0;", f"count <= {size}'d0;"]
    if strobe:
        lines = ["if (sample) begin", *(f"    {line}" for line in lines), "end"]
    if synchroniser:
        lines = ["first <= noisy;", "second <= first;", *lines]
        clear = ["first <= 1'b0;", "second <= 1'b0;", *clear]
    body = "    reg first, second;\n" if synchroniser else ""
    body += f"    reg {vec(size)}count;\n" + always_clocked(lines, chosen, clear)

    def step(state: tuple[int, int, int, int] | None, v: Values) -> tuple[int, int, int, int] | None:
        if state is None:
            return None
        clean, count, first, second = state
        seen = second if synchroniser else v["noisy"]
        if not strobe or v["sample"]:
            count = count + 1 if seen != clean else 0
            clean, count = (seen, 0) if count == samples else (clean, count)
        return clean, count, v["noisy"], first

    time = "STABLE" if generic else str(samples)
    what = "the synchronised input" if synchroniser else "{noisy}"
    edges = "edges with {sample} high" if strobe else "rising clock edges"
    return Circuit(
        name="debouncer",
        headlines=(f"a debouncer that waits for {samples} equal samples", f"a filter for a bouncing contact ({samples} samples)",
                   article(f"{samples}-sample debouncing filter"), f"a circuit that removes glitches shorter than {samples} samples"),
        inputs=(*controls(chosen), *((inp("sample"),) if strobe else ()), inp("noisy")),
        outputs=(outp("clean"),),
        registers=frozenset({"clean"}),
        body=body,
        model=Clocked((0, 0, 0, 0), step, lambda s, v: {"clean": s[0]}),
        facts=(
            _debouncer_fact(edges, time, what),
            *((_TWO_FLOPS,) if synchroniser else ()),
            *((_STROBE,) if strobe else ()),
            *reset_fact(chosen, "sets {clean} and all other registers to 0"),
            *parameter_fact(given, STABLE="the number of samples that it waits for"),
        ),
        reset=chosen,
        parameters=given,
        roles={"noisy": "raw input", "clean": "filtered output", "sample": "sample now"},
        stimulus=lambda rng: _bounces(samples, strobe, rng),
        cycles=120 + 14 * samples,
    )  # fmt: skip


def _debouncer_fact(edges: str, time: str, what: str) -> Fact:
    return Fact(
        (),
        (
            f"The register {{clean}} changes to the value of {what} at the last of {time} {edges} in a row at which the two differ; an edge at which they are equal starts the count anew.",
            f"At each of the {edges}, {what} is compared with the register {{clean}}: the {nth(time)} difference in a row makes {{clean}} take its value, and an equal sample starts the count again.",
        ),
    )


def _bounces(samples: int, strobe: bool, rng: random.Random) -> Iterator[Values]:
    """A level that lasts about long enough or not; at first, in and after the reset, it is 1 for a long time."""
    level, dense, time = 1, True, 2 * samples + 6
    while True:
        for _ in range(time):
            yield {"noisy": level} | ({"sample": int(dense or rng.random() < 0.5)} if strobe else {})
        level ^= 1
        dense = not strobe or rng.random() < 0.5
        time = rng.choice((1, samples - 1, samples, samples, samples, samples + 1, 2 * samples)) * (1 if dense else 2)


_TWO_FLOPS = Fact(
    ("two flip-flops in series that synchronise {noisy} at every clock edge in front of the filter",),
    (
        "{noisy} first goes through a synchroniser of two flip-flops, which shift at every clock edge.",
        "Two flip-flops in series, clocked at every edge, synchronise {noisy} first.",
    ),
)
_STROBE = Fact(
    ("a strobe {sample} without which {clean} and the count stand still",),
    ("At other edges {clean} and the count hold.", "With {sample} low, neither {clean} nor the count changes."),
)


def tick_generator(period: int, form: str, enable: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    registered = form == "registered"
    size = 8 if generic else (period - 1).bit_length()
    last = "(count == PERIOD - 1)" if generic else f"(count == {size}'d{period - 1})"
    given = {"PERIOD": period} if generic else {}
    gated = f"en && {last}" if enable else last
    move = f"count <= {last} ? {size}'d0 : count + {size}'d1;"
    lines = [f"tick <= {gated};", *(["if (en)", f"    {move}"] if enable else [move])] if registered else [move]
    block = always_clocked(
        lines,
        chosen,
        [f"count <= {size}'d0;", *(["tick <= 1'b0;"] if registered else [])],
        enable="en" if enable and not registered else None,
    )

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        if enable and not v["en"]:
            return state[0], 0
        return (state[0] + 1) % period, int(state[0] == period - 1)

    def out(state: tuple[int, int], v: Values) -> Values:
        now = int(state[0] == period - 1 and not (enable and not v["en"]))
        return {"tick": state[1] if registered else now}

    time = "PERIOD" if generic else str(period)
    top = "PERIOD - 1" if generic else str(period - 1)
    edges = "clock edges with {en} high" if enable else "clock edges"
    return Circuit(
        name="tick_gen",
        headlines=(f"a tick generator of period {period}", f"a generator that ticks every {period} clock cycles",
                   f"a prescaler that gives one pulse in {period} cycles", f"a divider by {period} that gives single-cycle pulses"),
        inputs=controls(chosen, enable),
        outputs=(outp("tick"),),
        registers=frozenset({"tick"}) if registered else frozenset(),
        body=f"    reg {vec(size)}count;\n{block}" + ("" if registered else f"\n    assign tick = {gated};"),
        model=Clocked((0, 0), step, out),
        facts=(
            _tick_register(time, edges) if registered else _tick_at_once(top, edges, enable),
            *reset_fact(chosen, "starts the count from 0 and clears {tick}" if registered else "sets the count to 0"),
            *parameter_fact(given, PERIOD=f"the period in {edges}"),
        ),
        reset=chosen,
        parameters=given,
        roles={"tick": "one pulse a period"},
        busy={"en": 0.8},
        cycles=60 + 6 * period,
    )  # fmt: skip


def _tick_register(time: str, edges: str) -> Fact:
    return Fact(
        (),
        (
            f"{{tick}} is a register: every {nth(time)} of the {edges} since reset makes it 1, and all other clock edges make it 0.",
            f"Of the {edges} after a reset, every {nth(time)} one sets the registered output {{tick}}; every other rising edge of {{clk}} clears it.",
        ),
    )


def _tick_at_once(top: str, edges: str, enable: bool) -> Fact:
    condition = f"the count is {top}" + (" and {en} is 1" if enable else "")
    return Fact(
        (),
        (
            f"A count goes from 0 to {top} and starts again, one step at each of the {edges}; {{tick}} is 1, without a register, while {condition}.",
            f"{{tick}} is combinational: 1 while {condition}. The count runs from 0 to {top} over and over, stepping at {edges}.",
        ),
    )


_CLOCKS = {
    "hours-days-24-4": ("hours", "days"),
    "hours-days-12-6": ("hours", "days"),
    "tenths-seconds-10-12": ("tenths", "seconds"),
    "minutes-hours-20-5": ("minutes", "hours"),
    "seconds-minutes-60-2": ("seconds", "minutes"),
    "seconds-minutes-30-4": ("seconds", "minutes"),
}


def stopwatch(clock: str, control: str, end: str, reset: str) -> Circuit:
    chosen = RESETS[reset]
    low, high = _CLOCKS[clock]
    many, most = (int(number) for number in clock.split("-")[2:])
    width, wide = (many - 1).bit_length(), (most - 1).bit_length()
    toggle = control == "toggle"
    last, final = f"({low} == {width}'d{many - 1})", f"({high} == {wide}'d{most - 1})"
    go = "going" if toggle else "run"
    if end == "stop":
        go += f" && !({last} && {final})"
    above = f"{high} + {wide}'d1" if end == "stop" else f"{final} ? {wide}'d0 : {high} + {wide}'d1"
    zero = [f"{low} <= {width}'d0;", f"{high} <= {wide}'d0;"]
    lines = [
        *(["if (toggle)", "    going <= !going;"] if toggle else []),
        "if (clear) begin", *(f"    {line}" for line in zero),
        f"end else if ({go}) begin", f"    {low} <= {last} ? {width}'d0 : {low} + {width}'d1;", f"    if ({last})", f"        {high} <= {above};", "end",
    ]  # fmt: skip
    body = "    reg going;\n" if toggle else ""
    body += always_clocked(lines, chosen, [*(["going <= 1'b0;"] if toggle else []), *zero])

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        time, going = state
        moving = going if toggle else v["run"]
        after = going ^ v["toggle"] if toggle else 0
        if v["clear"]:
            return 0, after
        if not moving or (end == "stop" and time == many * most - 1):
            return time, after
        return (time + 1) % (many * most), after

    return Circuit(
        name="stopwatch",
        headlines=(
            f"a stopwatch that counts {low} and {high}",
            f"a time counter for {low} and {high}",
            f"a two-stage clock ({low} and {high})",
            f"a timer that shows {low} and {high}",
        ),
        inputs=(*controls(chosen), inp("toggle" if toggle else "run"), inp("clear")),
        outputs=(outp(low, width), outp(high, wide)),
        registers=frozenset({low, high}),
        body=body,
        model=Clocked((0, 0), step, lambda s, v: {low: s[0] % many, high: s[0] // many}),
        facts=(_stages(low, high, many, most, end), _RUNS[control], _CLEAR[control],
               *reset_fact(chosen, "sets the time to 0" + (" and stops it" if toggle else ""))),
        reset=chosen,
        roles={"run": "run", "toggle": "start or stop", "clear": "set the time to 0",
               **{unit: f"number of {unit}" for unit in (low, high)}},
        busy={"run": 0.95},
        stimulus=lambda rng: _course(many, many * most, toggle, rng),
        cycles=60 + 2 * (many * 5 // 4 + many * most * 13 // 12),
    )  # fmt: skip


def _course(many: int, total: int, toggle: bool, rng: random.Random) -> Iterator[Values]:
    """The time reaches its second stage and is cleared there, then it goes to its end; stops and more clears follow."""
    quiet = {"clear": 0, **({"toggle": 0} if toggle else {})}
    yield from (quiet, quiet, quiet, quiet | ({"toggle": 1} if toggle else {}))
    yield from (quiet for _ in range(many * 5 // 4))
    yield quiet | {"clear": 1}
    yield from (quiet for _ in range(total * 13 // 12 + 4))
    while True:
        yield {"clear": int(rng.random() < 0.06)} | ({"toggle": int(rng.random() < 0.1)} if toggle else {})


def _stages(low: str, high: str, many: int, most: int, end: str) -> Fact:
    ending = (
        f"after {high} {most - 1}, {low} {many - 1} both start again from 0"
        if end == "wrap"
        else f"at {high} {most - 1}, {low} {many - 1} the time stands still"
    )
    sizes = f"{(many - 1).bit_length()} and {(most - 1).bit_length()} bits"
    return Fact(
        (),
        (
            f"Each rising clock edge that counts adds 1 to {{{low}}}, which goes from 0 to {many - 1}; its return to 0 adds 1 to {{{high}}}, which goes from 0 to {most - 1} (binary, {sizes}); {ending}.",
            f"{{{low}}} (0 to {many - 1}) goes up by one at each clock edge that counts, {{{high}}} (0 to {most - 1}) whenever {{{low}}} goes from {many - 1} to 0; they have {sizes}; {ending}.",
        ),
    )


_RUNS = {
    "level": Fact(
        ("an input {run} that is 1 at the edges that count",),
        ("An edge counts when {run} is 1.", "With {run} low the time stands still."),
    ),
    "toggle": Fact(
        (),
        (
            "After reset it stands still; every clock edge with {toggle} high switches between counting and standing still, from the next edge on.",
            "It stands still after reset; an edge with {toggle} high starts or stops it, and still counts itself or not as before.",
        ),
    ),
}
_CLEAR = {
    "level": Fact(
        ("a synchronous {clear} that sets the time to 0 before anything else",),
        (
            "{clear} at a clock edge sets the time to 0, whatever {run} is.",
            "When {clear} is 1 at the edge, both become 0 instead of counting.",
        ),
    ),
    "toggle": Fact(
        ("a synchronous {clear} that sets the time to 0 before anything else but neither starts nor stops it",),
        (
            "{clear} at a clock edge sets the time to 0 instead of counting; it neither starts nor stops it.",
            "When {clear} is 1 at the edge, the time becomes 0; running or not, and {toggle}, are not affected.",
        ),
    ),
}


FAMILIES = (
    Family(
        "debouncer", "debouncers", "medium", "sequential",
        {"samples": (2, 6, 7, 8, 10), "synchroniser": (False, True), "strobe": (False, True), "reset": WITH_RESET,
         "generic": (False, True)},
        debouncer,
    ),
    Family(
        "tick_generator", "tick generators", "easy", "sequential",
        {"period": (4, 7, 10, 11, 12, 20, 25), "form": ("registered", "combinational"), "enable": (False, True),
         "reset": WITH_RESET, "generic": (False, True)},
        tick_generator,
    ),
    Family(
        "stopwatch", "stopwatches", "medium", "sequential",
        {"clock": tuple(_CLOCKS), "control": tuple(_RUNS), "end": ("wrap", "stop"), "reset": WITH_RESET}, stopwatch,
    ),
)  # fmt: skip
