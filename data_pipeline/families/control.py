"""Families of small controllers: traffic lights, two-threshold controllers and requests with a timeout."""

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
    a_bit,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    parameter_fact,
    reset_fact,
    vec,
)

# Lamps (red, yellow, green) of the phases in order; the phases are named after the lamps that are lit.
_PHASES = {
    "three": (("red", 0b100), ("green", 0b001), ("yellow", 0b010)),
    "four": (("red", 0b100), ("red and yellow together", 0b110), ("green", 0b001), ("yellow", 0b010)),
}
_STEP = Fact(
    ("an enable {en} without which the timing stands still",),
    (
        "Only edges with {en} high count; while {en} is 0 nothing changes.",
        "While {en} is low the light stands still and no time passes.",
    ),
)


def traffic_light(times: str, phases: str, form: str, enable: bool, reset: str, generic: bool) -> Circuit:
    """``times`` are the cycles of red, green and yellow; red and yellow together last as long as yellow."""
    chosen = RESETS[reset]
    red, green, yellow = (int(time) for time in times.split("-"))
    sequence = _PHASES[phases]
    lengths = [{"red": red, "green": green}.get(name, yellow) for name, _ in sequence]
    given = {"RED_TIME": red, "GREEN_TIME": green, "YELLOW_TIME": yellow} if generic else {}
    texts = [{"red": "RED_TIME", "green": "GREEN_TIME"}.get(name, "YELLOW_TIME") if generic else str(length)
             for (name, _), length in zip(sequence, lengths, strict=True)]  # fmt: skip
    size = 8 if generic else max(lengths).bit_length()
    final = len(sequence) - 1
    cases = [
        f"            2'd{k}: length = {text if generic else f'{size}{chr(39)}d{text}'};"
        for k, text in enumerate(texts)
    ]
    cases[-1] = cases[-1].replace(f"2'd{final}", "default")
    advance = "phase <= phase + 2'd1;" if final == 3 else "phase <= (phase == 2'd2) ? 2'd0 : phase + 2'd1;"
    lines = [f"if (count == length - {size}'d1) begin", f"    count <= {size}'d0;", f"    {advance}", "end else",
             f"    count <= count + {size}'d1;"]  # fmt: skip
    block = always_clocked(lines, chosen, ["phase <= 2'd0;", f"count <= {size}'d0;"], enable="en" if enable else None)
    body = f"    reg [1:0] phase;\n    reg [{size - 1}:0] count, length;\n"
    body += "    always @(*) begin\n        case (phase)\n" + "\n".join(cases) + "\n        endcase\n    end\n" + block
    if form == "lamps":
        lit = {lamp: [k for k, (_, code) in enumerate(sequence) if code & bit] for lamp, bit in _LAMPS.items()}
        for lamp, numbers in lit.items():
            body += f"\n    assign {lamp} = " + " || ".join(f"(phase == 2'd{k})" for k in numbers) + ";"
    else:
        shown = [f"            2'd{k}: lights = 3'b{code:03b};" for k, (_, code) in enumerate(sequence)]
        shown[-1] = shown[-1].replace(f"2'd{final}", "default")
        body += "\n    always @(*) begin\n        case (phase)\n" + "\n".join(shown) + "\n        endcase\n    end"

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None or (enable and not v["en"]):
            return state
        phase, count = state
        return ((phase + 1) % len(lengths), 0) if count == lengths[phase] - 1 else (phase, count + 1)

    def out(state: tuple[int, int], v: Values) -> Values:
        code = sequence[state[0]][1]
        return {"lights": code} | {lamp: int(bool(code & bit)) for lamp, bit in _LAMPS.items()}

    return Circuit(
        name="traffic_light",
        headlines=("a traffic light controller", "a controller for one traffic light", "a timed traffic light sequencer",
                   "the control of a traffic light"),
        inputs=controls(chosen, enable),
        outputs=(outp("red"), outp("yellow"), outp("green")) if form == "lamps" else (outp("lights", 3),),
        registers=frozenset() if form == "lamps" else frozenset({"lights"}),
        body=body,
        model=Clocked(reset_state=(0, 0), step=step, out=out),
        facts=(_phases_fact([name for name, _ in sequence], texts), _LAMP_FACTS[form], *((_STEP,) if enable else ()),
               *reset_fact(chosen, "starts the red phase from its beginning"), *parameter_fact(given, **_TIMES)),
        reset=chosen,
        parameters=given,
        roles={"lights": "lamps: red, yellow, green", "red": "red lamp", "yellow": "yellow lamp", "green": "green lamp"},
        busy={"en": 0.85},
        cycles=70 + 5 * sum(lengths),
    )  # fmt: skip


_LAMPS = {"red": 0b100, "yellow": 0b010, "green": 0b001}
_TIMES = {f"{lamp.upper()}_TIME": f"the clock cycles of {lamp}" for lamp in _LAMPS}
_LAMP_FACTS = {
    "lamps": Fact(
        ("one output per lamp ({red} / {yellow} / {green}) that is 1 while it is lit",),
        ("{red}, {yellow} and {green} are 1 while their lamp is lit.", "The outputs {red}, {yellow} and {green} are high exactly while the lamp is lit."),
    ),
    "vector": Fact(
        ("a 3-bit output {lights} that holds red in bit 2 then yellow in bit 1 and green in bit 0",),
        ("{lights} has 3 bits: red is bit 2, yellow bit 1 and green bit 0; a 1 is lit.",
         "Bits 2, 1 and 0 of {lights} are the red, yellow and green lamp; 1 means lit."),
    ),
}  # fmt: skip


def _phases_fact(names: list[str], texts: list[str]) -> Fact:
    cycles = [f"{text} cycle{'s' * (text != '1')}" for text in texts]
    told = ", then ".join(f"{name} for {time}" for name, time in zip(names, cycles, strict=True))
    listed = ", ".join(f"{name} ({time})" for name, time in zip(names, cycles, strict=True))
    return Fact(
        (),
        (
            f"From reset on it shows {told}, then red again, and so on; a cycle is a clock cycle.",
            f"The phases follow each other for ever, reset starting the first: {listed}; times are clock cycles.",
            f"Order and clock cycles of the phases from reset on: {listed}, and back to red.",
        ),
    )


def hysteresis(width: int, thresholds: str, action: str, inclusive: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    low, high = (int(part) * (1 << width) // 16 + 1 for part in thresholds.split("-"))
    below, above = ("<=", ">=") if inclusive else ("<", ">")
    given = {"LOW": low, "HIGH": high} if generic else {}
    low_text, high_text = ("LOW", "HIGH") if generic else (f"{width}'d{low}", f"{width}'d{high}")
    filling = action == "low"
    lines = [f"if (level {below} {low_text})", f"    on <= 1'b{int(filling)};", f"else if (level {above} {high_text})",
             f"    on <= 1'b{int(not filling)};"]  # fmt: skip

    def step(on: int | None, v: Values) -> int | None:
        if v["level"] < low or (inclusive and v["level"] == low):
            return int(filling)
        if v["level"] > high or (inclusive and v["level"] == high):
            return int(not filling)
        return on

    def stimulus(rng: random.Random) -> Iterator[Values]:
        while True:
            near = rng.choice((low, high, low, high, (low + high) // 2, rng.randint(0, mask(width))))
            yield {"level": min(max(near + rng.choice((-1, 0, 1)), 0), mask(width))}

    names = ("LOW", "HIGH") if generic else (str(low), str(high))
    low_words, high_words = (
        (f"{names[0]} or less", f"{names[1]} or more")
        if inclusive
        else (f"less than {names[0]}", f"more than {names[1]}")
    )
    start, stop = (low_words, high_words) if filling else (high_words, low_words)
    return Circuit(
        name="hysteresis",
        headlines=(
            article(f"two-threshold controller for {a_bit(width)} level"),
            article(f"on-off controller that uses hysteresis on {a_bit(width)} level"),
            article(f"hysteresis switch driven by {a_bit(width)} level"),
            article(f"{width}-bit level switch that has hysteresis"),
        ),
        inputs=(*controls(chosen), inp("level", width)),
        outputs=(outp("on"),),
        registers=frozenset({"on"}),
        body=always_clocked(lines, chosen, ["on <= 1'b0;"]),
        model=Clocked(0, step, lambda on, v: {"on": on}),
        facts=(
            _hysteresis_fact(start, stop),
            *reset_fact(chosen, "sets {on} to 0"),
            *parameter_fact(given, LOW="the lower threshold", HIGH="the upper threshold"),
        ),
        reset=chosen,
        parameters=given,
        roles={"level": "measured level (unsigned)", "on": "switched output"},
        stimulus=stimulus,
        cycles=160,
    )


def _hysteresis_fact(start: str, stop: str) -> Fact:
    return Fact(
        (),
        (
            f"At a rising clock edge {{on}} becomes 1 when {{level}} is {start}, becomes 0 when it is {stop}, and holds otherwise.",
            f"The register {{on}} goes to 1 when {{level}} is {start} at the clock edge, to 0 when it is {stop}, and keeps its value in between.",
            f"Switch {{on}} to 1 if {{level}} is {start} and to 0 if it is {stop}; between these it stays as it is. It changes at clock edges only.",
        ),
    )


def request_timeout(limit: int, failure: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = 8 if generic else limit.bit_length()
    last = "TIMEOUT - 1" if generic else f"{size}'d{limit - 1}"
    given = {"TIMEOUT": limit} if generic else {}
    clears = ["timeout <= 1'b0;"] if failure == "pulse" else []
    accept = ["busy <= 1'b1;", *([] if clears else ["timeout <= 1'b0;"])]
    ends = ["    busy <= 1'b0;", f"    waited <= {size}'d0;"]
    lines = ["done <= 1'b0;", *clears, "if (!busy) begin", "    if (req) begin", *(f"        {line}" for line in accept),
             "    end", "end else if (ack) begin", *ends, "    done <= 1'b1;", f"end else if (waited == {last}) begin", *ends,
             "    timeout <= 1'b1;", "end else", f"    waited <= waited + {size}'d1;"]  # fmt: skip
    block = always_clocked(
        lines, chosen, ["busy <= 1'b0;", "done <= 1'b0;", "timeout <= 1'b0;", f"waited <= {size}'d0;"]
    )

    def step(state: tuple[int, int, int, int] | None, v: Values) -> tuple[int, int, int, int] | None:
        if state is None:
            return None
        busy, waited, _, late = state
        late = late if failure == "sticky" else 0
        if not busy:
            return (1, 0, 0, 0) if v["req"] else (0, 0, 0, late)
        if v["ack"]:
            return 0, 0, 1, late
        return (0, 0, 0, 1) if waited == limit - 1 else (1, waited + 1, 0, late)

    wait = "TIMEOUT" if generic else str(limit)
    return Circuit(
        name="request_timeout",
        headlines=(
            "a request controller that gives up after a timeout",
            "a handshake controller that waits a limited time for an answer",
            "a state machine that guards a request by a timeout",
            "an FSM that waits for an acknowledge until a time limit",
        ),
        inputs=(*controls(chosen), inp("req"), inp("ack")),
        outputs=(outp("busy"), outp("done"), outp("timeout")),
        registers=frozenset({"busy", "done", "timeout"}),
        body=f"    reg {vec(size)}waited;\n{block}",
        model=Clocked((0, 0, 0, 0), step, lambda s, v: {"busy": s[0], "done": s[2], "timeout": s[3]}),
        facts=(
            _request_timeout_fact(),
            _request_timeout_fact2(wait),
            _FAILURE[failure],
            *reset_fact(chosen, "clears all outputs"),
            *parameter_fact(given, TIMEOUT="the number of clock edges that it waits"),
        ),
        reset=chosen,
        parameters=given,
        roles={
            "req": "request",
            "ack": "acknowledge",
            "busy": "waiting",
            "done": "answered in time",
            "timeout": "no answer in time",
        },
        busy={"req": 0.4},
        stimulus=lambda rng: _answers(limit, rng),
        cycles=120 + 12 * limit,
    )


def _request_timeout_fact2(wait: str) -> Fact:
    return Fact(
        (),
        (
            f"While busy, {{req}} is ignored: {{ack}} at one of the next {wait} edges clears {{busy}} and makes {{done}} 1 for one cycle; if none of them brings it, the last one clears {{busy}} and sets {{timeout}}.",
            f"{{ack}} at one of the {wait} edges after that ends the request: {{busy}} falls and {{done}} is 1 for one cycle. If none brings {{ack}}, the last of them clears {{busy}} and sets {{timeout}}. Until then {{req}} is ignored.",
        ),
    )


def _request_timeout_fact() -> Fact:
    return Fact(
        (),
        (
            "All outputs are registers. While {busy} is 0, {req} = 1 at a clock edge sets {busy}; {ack} has no effect.",
            "When not busy, {req} = 1 at a rising clock edge sets {busy} and {ack} is ignored. The outputs change at clock edges only.",
        ),
    )


def _answers(limit: int, rng: random.Random) -> Iterator[Values]:
    """No answer at all for a while, also at first; or one that comes at any time up to a little too late."""
    yield from ({"req": 1, "ack": 0} for _ in range(limit + 6))
    while True:
        yield from ({"ack": 0} for _ in range(rng.choice((0, 1, limit - 2, limit - 1, limit, 2 * limit + 4))))
        yield {"ack": 1}


_FAILURE = {
    "pulse": Fact(
        ("an output {timeout} that stays 1 for one cycle only",),
        ("{timeout} is 1 for one cycle only.", "Like {done}, {timeout} lasts a single cycle."),
    ),
    "sticky": Fact(
        ("an output {timeout} that stays 1 until the next request is accepted",),
        (
            "{timeout} stays 1 until the edge that accepts the next request.",
            "Once set, {timeout} holds until a new request is accepted.",
        ),
    ),
}


FAMILIES = (
    Family(
        "traffic_light", "traffic lights", "hard", "sequential",
        {"times": ("7-5-2", "4-6-1", "10-8-3"), "phases": tuple(_PHASES), "form": ("lamps", "vector"), "enable": (False, True),
         "reset": WITH_RESET, "generic": (False, True)},
        traffic_light,
    ),
    Family(
        "hysteresis", "hysteresis controllers", "easy", "sequential",
        {"width": (6, 8, 10), "thresholds": ("3-10", "6-12"), "action": ("low", "high"), "inclusive": (False, True),
         "reset": WITH_RESET, "generic": (False, True)},
        hysteresis,
    ),
    Family(
        "request_timeout", "timeouts", "hard", "sequential",
        {"limit": (2, 3, 4, 5, 6, 8, 10, 12), "failure": tuple(_FAILURE), "reset": WITH_RESET, "generic": (False, True)},
        request_timeout,
    ),
)  # fmt: skip
