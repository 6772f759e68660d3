"""Families of counters with a life of their own: decimal counters and saturating event counters."""

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
    reset_fact,
)

_DIGITS = {2: "two", 3: "three", 4: "four"}


def bcd_counter(digits: int, direction: str, load: bool, carry: bool, reset: str) -> Circuit:
    """Three digits and more always have a load, without which a simulation would not see them turn over."""
    chosen = RESETS[reset]
    load = load or digits > 2
    up = direction == "up"
    end, start, sign = (9, 0, "+") if up else (0, 9, "-")
    ends = [f"(q[{4 * k + 3}:{4 * k}] == 4'd{end})" for k in range(digits)]
    body = "".join(
        f"    wire turn{k};\n    assign turn{k} = {'en' if k == 0 else f'turn{k - 1}'} && {ends[k]};\n"
        for k in range(digits)
    )
    lines = []
    for k in range(digits):
        part = f"q[{4 * k + 3}:{4 * k}]"
        lines += [
            f"if ({'en' if k == 0 else f'turn{k - 1}'})",
            f"    {part} <= turn{k} ? 4'd{start} : {part} {sign} 4'd1;",
        ]
    if load:
        lines = ["if (load)", "    q <= d;", "else begin", *(f"    {line}" for line in lines), "end"]
    top = int(10**digits)

    def step(q: int | None, v: Values) -> int | None:
        if load and v["load"]:
            return _number(v["d"], digits)
        if q is None or not v["en"]:
            return q
        return (q + 1 if up else q - 1) % top

    def out(q: int, v: Values) -> Values:
        return {"q": _packed(q, digits), "carry": int(v["en"] and q == (top - 1 if up else 0))}

    return Circuit(
        name="bcd_counter",
        headlines=(
            article(f"{digits}-digit BCD {direction} counter"),
            article(f"decimal {direction} counter of {_DIGITS[digits]} BCD digits"),
            article(f"BCD counter of {_DIGITS[digits]} digits that counts {direction}"),
            article(f"{_DIGITS[digits]}-decade counter (BCD), counting {direction}"),
        ),
        inputs=(*controls(chosen, enable=True), *((inp("load"), inp("d", 4 * digits)) if load else ())),
        outputs=(outp("q", 4 * digits), *((outp("carry"),) if carry else ())),
        registers=frozenset({"q"}),
        body=body
        + always_clocked(lines, chosen, [f"q <= {4 * digits}'d0;"])
        + (f"\n    assign carry = turn{digits - 1};" if carry else ""),
        model=Clocked(0, step, out),
        facts=(
            _bcd_fact(digits, up),
            *((_BCD_LOAD,) if load else ()),
            *((_carry_fact(top - 1 if up else 0),) if carry else ()),
            *reset_fact(chosen, "sets {q} to 0"),
        ),
        reset=chosen,
        roles={
            "q": "decimal digits, the lowest in bits 3 to 0",
            "d": "digits to load",
            "load": "load",
            "carry": "turn of the last digit",
        },
        busy={"en": 0.85},
        stimulus=(lambda rng: _turns(digits, up, rng)) if load else None,
        cycles=320,
    )


def _turns(digits: int, up: bool, rng: random.Random) -> Iterator[Values]:
    """Loads just before a turn of one or more digits, now and then anywhere; d holds decimal digits at all times."""
    top = int(10**digits)
    while True:
        place = 10 ** rng.choice((*range(1, digits), digits - 1))
        turn = rng.choice((0, rng.randrange(1, 10) * place, rng.randrange(1, 10) * place, rng.randrange(top)))
        start = turn - rng.randint(1, 3) if up else turn + rng.randint(0, 2)
        yield {"load": int(rng.random() < 0.95), "d": _packed(start % top, digits)}
        for _ in range(rng.randint(3, 6)):
            yield {"load": 0, "d": _packed(rng.randrange(top), digits)}


def _packed(value: int, digits: int) -> int:
    return int(str(value).zfill(digits), 16)


def _number(packed: int, digits: int) -> int:
    return sum((packed >> 4 * k & 15) * 10**k for k in range(digits))


def _bcd_fact(digits: int, up: bool) -> Fact:
    most = 10**digits - 1
    turn = f"{most} is followed by {0:0{digits}}" if up else f"{0:0{digits}} is followed by {most}"
    way = "up" if up else "down"
    return Fact(
        (),
        (
            f"{{q}} has {4 * digits} bits, four for each decimal digit, the units in bits 3 to 0. It counts {way} by one at each rising clock edge with {{en}} high; {turn}.",
            f"At every clock edge at which {{en}} is 1, the decimal number in {{q}} ({4 * digits} bits; units lowest) goes {way} by one, and {turn}.",
        ),
    )


_BCD_LOAD = Fact(
    ("a synchronous {load} of {d} (valid BCD) that has priority over counting",),
    (
        "{load} puts {d}, which is always valid BCD, into {q} at the clock edge, whatever {en} is.",
        "When {load} is 1, {q} takes {d} (valid BCD) instead of counting, also with {en} low.",
    ),
)


def _carry_fact(number: int) -> Fact:
    return Fact(
        (f"a combinational output {{carry}} that is 1 while {{en}} is 1 and the number is {number}",),
        (
            f"{{carry}} is 1, without a register, while {{en}} is 1 and the number is {number}.",
            f"{{carry}} = 1 exactly when {{q}} is the number {number} and {{en}} is 1.",
        ),
    )


# Units, and how many of the lower make one of the upper, and the number of the upper.
def event_counter(width: int, trigger: str, collision: str, full: bool, reset: str) -> Circuit:
    """``collision`` is what becomes of an event at the edge that clears."""
    chosen = RESETS[reset]
    rising = trigger == "rising"
    most = (1 << width) - 1
    seen = "(evt && !before_it)" if rising else "evt"
    first = f"{seen} ? {width}'d1 : {width}'d0" if collision == "counts" else f"{width}'d0"
    lines = [
        *(["before_it <= evt;"] if rising else []),
        "if (clear)", f"    count <= {first};",
        f"else if ({seen} && (count != {width}'d{most}))", f"    count <= count + {width}'d1;",
    ]  # fmt: skip
    block = always_clocked(lines, chosen, [*(["before_it <= 1'b0;"] if rising else []), f"count <= {width}'d0;"])
    body = ("    reg before_it;\n" if rising else "") + block + ("\n    assign full = &count;" if full else "")

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        count, before = state
        event = int(v["evt"] and not (rising and before))
        if v["clear"]:
            return (event if collision == "counts" else 0), v["evt"]
        return min(count + event, most), v["evt"]

    event = (
        "{evt} is 1 at a rising clock edge and was 0 at the edge before"
        if rising
        else "{evt} is 1 at a rising clock edge"
    )
    return Circuit(
        name="event_counter",
        headlines=(
            article(f"{width}-bit event counter that saturates"),
            article(f"saturating event counter of {width} bits"),
            article(f"{width}-bit saturating counter of events"),
            f"a counter of events that stops at {most}",
        ),
        inputs=(*controls(chosen), inp("evt"), inp("clear")),
        outputs=(outp("count", width), *((outp("full"),) if full else ())),
        registers=frozenset({"count"}),
        body=body,
        model=Clocked((0, 0), step, lambda s, v: {"count": s[0], "full": int(s[0] == most)}),
        facts=(
            _event_counter_fact(event, most, width),
            _COLLISION[collision],
            *((_FULL,) if full else ()),
            *reset_fact(chosen, "sets {count} to 0" + (" and takes {evt} as having been 0" if rising else "")),
        ),
        reset=chosen,
        roles={
            "evt": "event",
            "clear": "clear the count",
            "count": "number of events",
            "full": "the count is at its end",
        },
        stimulus=lambda rng: _clears(most * (5 if rising else 2), rng),
        cycles=110 + (11 if rising else 6) * most,
    )


def _event_counter_fact(event: str, most: int, width: int) -> Fact:
    return Fact(
        (),
        (
            f"{{count}} ({width} bits) goes up by one when {event}, but stays at {most} once it is there.",
            f"An event is when {event}; it adds 1 to {{count}} ({width} bits), which never exceeds {most}.",
        ),
    )


def _clears(undisturbed: int, rng: random.Random) -> Iterator[Values]:
    """No clear until the count has most likely come to its end, then many, and so on."""
    while True:
        yield from ({"clear": 0} for _ in range(undisturbed))
        yield from ({"clear": int(rng.random() < 0.3)} for _ in range(24))


_COLLISION = {
    "counts": Fact(
        ("a synchronous {clear} that leaves the count at 1 if an event comes at the same edge and else at 0",),
        (
            "{clear} at a clock edge starts afresh: {count} becomes 1 if there is an event at this very edge, else 0.",
            "When {clear} is 1 at an edge, {count} becomes the number of events at that edge alone, 1 or 0.",
        ),
    ),
    "drops": Fact(
        ("a synchronous {clear} that sets the count to 0 even if an event comes at the same edge",),
        (
            "{clear} at a clock edge sets {count} to 0; an event at that edge is lost.",
            "When {clear} is 1 at an edge, {count} becomes 0, event or not.",
        ),
    ),
}
_FULL = Fact(
    ("a flag {full} that is 1 while all bits of the count are 1",),
    ("{full} is 1 while {count} is at its largest value.", "{full} = 1 exactly while all bits of {count} are 1."),
)


FAMILIES = (
    Family(
        "bcd_counter", "BCD counters", "medium", "sequential",
        {"digits": (2, 3, 4), "direction": ("up", "down"), "load": (False, True), "carry": (False, True), "reset": WITH_RESET},
        bcd_counter,
    ),
    Family(
        "event_counter", "event counters", "medium", "sequential",
        {"width": (2, 3, 4, 5), "trigger": ("level", "rising"), "collision": tuple(_COLLISION), "full": (False, True),
         "reset": WITH_RESET},
        event_counter,
    ),
)  # fmt: skip
