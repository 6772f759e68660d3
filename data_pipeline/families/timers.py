"""Families that measure time in clock cycles: one-shots and watchdogs."""

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


def nth(number: str) -> str:
    """A number or the name of a parameter as an ordinal."""
    return f"{number}-th" if number.isupper() else number + {"2": "nd", "3": "rd"}.get(number, "th")


def one_shot(length: int, retrigger: bool, trigger: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    edge = trigger == "edge"
    size = 8 if generic else length.bit_length()
    full = "LENGTH" if generic else f"{size}'d{length}"
    given = {"LENGTH": length} if generic else {}
    fire, running = "trig && !earlier" if edge else "trig", f"count != {size}'d0"
    start, tick = f"    count <= {full};", f"    count <= count - {size}'d1;"
    lines = ["earlier <= trig;"] if edge else []
    lines += (
        [f"if ({fire})", start, f"else if ({running})", tick]
        if retrigger
        else [f"if ({running})", tick, f"else if ({fire})", start]
    )
    clear = [f"count <= {size}'d0;", *(["earlier <= 1'b0;"] if edge else [])]
    body = (
        f"    reg {vec(size)}count;\n" + ("    reg earlier;\n" if edge else "") + always_clocked(lines, chosen, clear)
    )

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        count, before = state
        fired = v["trig"] and not (edge and before)
        if fired and (retrigger or not count):
            return length, v["trig"]
        return max(count - 1, 0), v["trig"]

    kind = "retriggerable" if retrigger else "non-retriggerable"
    time = "LENGTH" if generic else str(length)
    cause = "a rising edge of {trig} (1 at a clock edge, 0 at the one before)" if edge else "{trig} = 1 at a clock edge"
    return Circuit(
        name="one_shot",
        headlines=(
            article(f"{kind} one-shot of {length} clock cycles"),
            article(f"{kind} monostable that gives pulses of {length} cycles"),
            article(f"{kind} pulse stretcher for {length} clock cycles")
            if retrigger
            else f"a one-shot timer for pulses of {length} cycles",
            article(f"{kind} pulse generator, {length} clock cycles long"),
        ),
        inputs=(*controls(chosen), inp("trig")),
        outputs=(outp("pulse"),),
        body=f"{body}\n    assign pulse = ({running});",
        model=Clocked((0, 0), step, lambda s, v: {"pulse": int(s[0] > 0)}),
        facts=(
            _one_shot_fact(cause, time),
            _TRIGGERS_AGAIN[retrigger],
            *reset_fact(chosen, "ends the pulse" + (" and takes {trig} as having been 0" if edge else "")),
            *parameter_fact(given, LENGTH="the length of the pulse in clock cycles"),
        ),
        reset=chosen,
        parameters=given,
        roles={"trig": "trigger", "pulse": "pulse"},
        stimulus=lambda rng: _triggers(length, rng),
        cycles=130 + 10 * length,
    )


def _one_shot_fact(cause: str, time: str) -> Fact:
    return Fact(
        (),
        (
            f"{cause[0].upper() if not cause.startswith('{') else '{'}{cause[1:]} makes {{pulse}} 1 from this clock edge on, for {time} cycles.",
            f"The trigger is {cause}; {{pulse}} goes to 1 at that clock edge and stays for {time} clock cycles.",
        ),
    )


def _triggers(length: int, rng: random.Random) -> Iterator[Values]:
    """Triggers that are short or outlast the pulse, with pauses of both kinds between them."""
    while True:
        yield from ({"trig": 1} for _ in range(rng.choice((1, 1, 2, length, length + 2))))
        yield from ({"trig": 0} for _ in range(rng.choice((1, 2, length - 1, length, length + 3))))


_TRIGGERS_AGAIN = {
    True: Fact(
        ("a full new pulse time from every further trigger",),
        (
            "A further trigger during the pulse starts its time anew.",
            "Each trigger, also during a pulse, restarts the time in full.",
        ),
    ),
    False: Fact(
        ("triggers ignored at edges before which {pulse} is 1",),
        (
            "A trigger is ignored while {pulse} is 1, also at the edge that ends the pulse.",
            "At clock edges before which {pulse} is 1 (the one that ends it too), triggers have no effect.",
        ),
    ),
}


def watchdog(limit: int, mode: str, enable: bool, reset: str, generic: bool) -> Circuit:
    """``mode`` is what ends the alarm: reset alone, a kick, or one cycle."""
    chosen = RESETS[reset]
    size = 8 if generic else limit.bit_length()
    last = "LIMIT - 1" if generic else f"{size}'d{limit - 1}"
    given = {"LIMIT": limit} if generic else {}
    zero = f"count <= {size}'d0;"
    lines = ["alarm <= 1'b0;"] if mode == "pulse" else []
    lines += ["if (kick) begin", f"    {zero}", *(["    alarm <= 1'b0;"] if mode == "kick" else [])]
    lines += [
        f"end else {'if (en) ' if enable else ''}begin",
        f"    if (count == {last}) begin",
        "        alarm <= 1'b1;",
    ]
    lines += [
        *([f"        {zero}"] if mode == "pulse" else []),
        "    end else",
        f"        count <= count + {size}'d1;",
        "end",
    ]

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        count, alarm = state
        alarm = 0 if mode == "pulse" else alarm
        if v["kick"]:
            return 0, 0 if mode == "kick" else alarm
        if enable and not v["en"]:
            return count, alarm
        if count < limit - 1:
            return count + 1, alarm
        return 0 if mode == "pulse" else count, 1

    time = "LIMIT" if generic else str(limit)
    edge, edges = ("edge with {en} high", "edges with {en} high") if enable else ("clock edge", "clock edges")
    return Circuit(
        name="watchdog",
        headlines=(f"a watchdog timer of {limit} cycles", f"a watchdog that expires after {limit} clock cycles",
                   article(f"{limit}-cycle watchdog"), f"a timer that watches for a sign of life every {limit} cycles"),
        inputs=(*controls(chosen, enable), inp("kick")),
        outputs=(outp("alarm"),),
        registers=frozenset({"alarm"}),
        body=f"    reg {vec(size)}count;\n" + always_clocked(lines, chosen, [zero, "alarm <= 1'b0;"]),
        model=Clocked((0, 0), step, lambda s, v: {"alarm": s[1]}),
        facts=(
            _watchdog_fact(edge, edges, time),
            _ALARM[mode],
            *((_WATCH_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears {alarm} and restarts the time"),
            *parameter_fact(given, LIMIT=f"the number of {edges} without a kick that sets the alarm off"),
        ),
        reset=chosen,
        parameters=given,
        roles={"kick": "sign of life", "alarm": "time is up", "en": "count enable"},
        busy={"kick": min(0.3, 0.8 / limit), "en": 0.8},
        stimulus=lambda rng: ({"kick": 0} for _ in range(2 * limit + 4)),
        cycles=120 + 12 * limit,
    )  # fmt: skip


def _watchdog_fact(edge: str, edges: str, time: str) -> Fact:
    return Fact(
        (),
        (
            f"{{kick}} = 1 at a rising clock edge restarts the time; the register {{alarm}} becomes 1 at the {nth(time)} {edge} since the last kick or reset.",
            f"It counts {edges}, and {{kick}} at an edge sets the count to 0 instead; the edge that would make it {time} sets {{alarm}}, a register.",
        ),
    )


_ALARM = {
    "reset": Fact(
        ("an alarm output {alarm} that only the reset clears",),
        (
            "Only the reset clears {alarm}; kicks do not.",
            "Once set, {alarm} stays 1 until reset, whatever {kick} does.",
        ),
    ),
    "kick": Fact(
        ("an alarm output {alarm} that stays 1 until the next kick",),
        (
            "The next kick clears {alarm} and restarts the time.",
            "{alarm} stays 1 until an edge with {kick} high clears it.",
        ),
    ),
    "pulse": Fact(
        ("an alarm output {alarm} that lasts one cycle and restarts the time when it is set",),
        (
            "{alarm} is 1 for one clock cycle, and the time starts again at the edge that sets it.",
            "{alarm} falls at the next clock edge; the count starts anew from 0 when it is set.",
        ),
    ),
}
_WATCH_ENABLE = Fact(
    (),
    (
        "With {en} low the time stands still; {kick} acts all the same.",
        "{en} stops the counting only; a kick acts whatever {en} is.",
    ),
)


FAMILIES = (
    Family(
        "one_shot", "one-shots", "medium", "sequential",
        {"length": (2, 3, 4, 5, 7, 10, 12), "retrigger": (False, True), "trigger": ("level", "edge"), "reset": WITH_RESET,
         "generic": (False, True)},
        one_shot,
    ),
    Family(
        "watchdog", "watchdogs", "medium", "sequential",
        {"limit": (4, 6, 7, 10, 12), "mode": tuple(_ALARM), "enable": (False, True), "reset": WITH_RESET, "generic": (False, True)},
        watchdog,
    ),
)  # fmt: skip
