"""Families that count: binary, modulo, Gray, ring and Johnson counters, LFSRs, clock dividers, PWM."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    reset_fact,
    vec,
)

_ENABLE = Fact(
    ("enable", "an enable input", "count enable"),
    ("It counts only when {en} is high.", "When {en} is 0 the count holds.", "{en} enables counting."),
)
_ENABLE_BESIDE_LOAD = Fact(("enable", "count enable"), ("It counts only when {en} is high.", "{en} enables counting."))
_LOAD = Fact(
    ("parallel load", "a synchronous load", "load"),
    ("When {load} is 1 it takes {d} instead of counting.", "{load} loads {d} and has priority over counting."),
)
_LOAD_OVER_ENABLE = Fact(
    ("a load that needs no enable", "a synchronous load that ignores the enable"),
    ("When {load} is 1 it takes {d}, whatever {en} is.", "{load} loads {d} and has priority over {en}."),
)
_DIRECTION = Fact(
    ("a direction input {up} (1 is up)",),
    ("It counts up when {up} is 1, else down.", "{up} selects the direction: 1 is up, 0 is down."),
)


def counter(width: int, direction: str, reset: str, enable: bool, load: bool) -> Circuit:
    chosen = RESETS[reset]
    both = direction == "up/down"
    one = f"{width}'d1"
    count = {"up": [f"q <= q + {one};"], "down": [f"q <= q - {one};"],
             "up/down": ["if (up)", f"    q <= q + {one};", "else", f"    q <= q - {one};"]}[direction]  # fmt: skip
    if enable:
        count = (
            ["if (en)", f"    {count[0]}"]
            if len(count) == 1
            else ["if (en) begin", *(f"    {x}" for x in count), "end"]
        )
    lines = ["if (load)", "    q <= d;", f"else {count[0]}", *count[1:]] if load and (enable or both) else (
        ["if (load)", "    q <= d;", "else", f"    {count[0]}"] if load else count
    )  # fmt: skip

    def step(q: int, v: dict[str, int]) -> int:
        if load and v["load"]:
            return v["d"]
        if enable and not v["en"]:
            return q
        up = v["up"] if both else direction == "up"
        return (q + 1 if up else q - 1) & mask(width)

    return Circuit(
        name="counter",
        headlines=(
            article(f"{width}-bit {direction} counter"),
            article(f"{width}-bit binary {direction} counter"),
            article(f"{direction} counter of {width} bits"),
            article(f"{direction} counter, {width} bits wide"),
            article(f"counter of {width} bits that counts {direction}"),
        ),
        inputs=(
            *controls(chosen, enable),
            *((inp("load"), inp("d", width)) if load else ()),
            *((inp("up"),) if both else ()),
        ),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked(lines, chosen, [f"q <= {width}'d0;"]),
        model=Clocked(reset_state=0, step=lambda q, v: None if q is None else step(q, v), out=lambda q, v: {"q": q}),
        facts=(
            *reset_fact(chosen, "sets {q} to 0"),
            *((_ENABLE,) if enable and not load else (_ENABLE_BESIDE_LOAD,) if enable else ()),
            *((_LOAD_OVER_ENABLE if enable else _LOAD,) if load else ()),
            *((_DIRECTION,) if both else ()),
        ),
        reset=chosen,
        roles={"q": "count", "load": "load", "d": "value to load", "up": "count up when 1"},
        busy={"en": 0.75, "load": 0.15},
    )


def modulo_counter(modulus: int, reset: str, enable: bool, terminal: bool) -> Circuit:
    chosen = RESETS[reset]
    width = (modulus - 1).bit_length()
    last = f"{width}'d{modulus - 1}"
    lines = [f"if (q == {last})", f"    q <= {width}'d0;", "else", f"    q <= q + {width}'d1;"]

    def step(q: int | None, v: dict[str, int]) -> int | None:
        if q is None or (enable and not v["en"]):
            return q
        return 0 if q == modulus - 1 else q + 1

    return Circuit(
        name="mod_counter",
        headlines=(
            article(f"modulo-{modulus} counter"),
            article(f"counter modulo {modulus}"),
            article(f"mod-{modulus} counter"),
            f"a counter that counts from 0 to {modulus - 1}",
            f"a counter that wraps after {modulus - 1}",
        ),
        inputs=controls(chosen, enable),
        outputs=(outp("q", width), *((outp("tc"),) if terminal else ())),
        registers=frozenset({"q"}),
        body=always_clocked(lines, chosen, [f"q <= {width}'d0;"], enable="en" if enable else None)
        + (f"\n    assign tc = (q == {last});" if terminal else ""),
        model=Clocked(reset_state=0, step=step, out=lambda q, v: {"q": q, "tc": int(q == modulus - 1)}),
        facts=(
            *reset_fact(chosen, "sets {q} to 0"),
            *((_ENABLE,) if enable else ()),
            *(
                (
                    Fact(
                        ("a terminal count output that is 1 during the last count",),
                        (
                            f"{{tc}} is 1 while the count is {modulus - 1}.",
                            "{tc} is 1 during the last count and 0 otherwise.",
                        ),
                    ),
                )
                if terminal
                else ()
            ),
        ),
        reset=chosen,
        roles={"q": "count", "tc": "last count"},
        busy={"en": 0.85},
        cycles=40 + 3 * modulus,
    )


def ring_counter(width: int, kind: str, reset: str) -> Circuit:
    chosen = RESETS[reset]
    johnson = kind == "Johnson"
    top = width - 1
    feed = f"~q[{top}]" if johnson else f"q[{top}]"
    start = 0 if johnson else 1

    def step(q: int | None, v: dict[str, int]) -> int | None:
        if q is None:
            return None
        return (q << 1 | (q >> top) ^ int(johnson)) & mask(width)

    return Circuit(
        name="johnson_counter" if johnson else "ring_counter",
        headlines=(
            article(f"{width}-bit {kind} counter"),
            article(f"{kind} counter of {width} bits"),
            article(f"{width}-stage {kind} counter"),
            article(f"{kind} counter with {width} flip-flops"),
        ),
        inputs=controls(chosen),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked([f"q <= {{q[{top - 1}:0], {feed}}};"], chosen, [f"q <= {width}'d{start};"]),
        model=Clocked(reset_state=start, step=step, out=lambda q, v: {"q": q}),
        facts=(
            Fact((), ("It shifts left, the inverted top bit going into bit 0.",) if johnson else
                 ("The single one moves left and wraps around.", "It rotates left.")),
            *reset_fact(chosen, f"sets {{q}} to {start}"),
        ),
        reset=chosen,
        roles={"q": "state"},
    )  # fmt: skip


def gray_counter(width: int, reset: str, enable: bool) -> Circuit:
    chosen = RESETS[reset]
    block = always_clocked(
        [f"count <= count + {width}'d1;"], chosen, [f"count <= {width}'d0;"], enable="en" if enable else None
    )
    return Circuit(
        name="gray_counter",
        headlines=(
            article(f"{width}-bit Gray code counter"),
            article(f"{width}-bit Gray counter"),
            article(f"Gray code counter of {width} bits"),
            article(f"counter with {width} bits of Gray code output"),
        ),
        inputs=controls(chosen, enable),
        outputs=(outp("gray", width),),
        body=f"    reg {vec(width)}count;\n{block}\n    assign gray = count ^ (count >> 1);",
        model=Clocked(
            reset_state=0,
            step=lambda q, v: None if q is None else (q + 1) & mask(width) if not enable or v["en"] else q,
            out=lambda q, v: {"gray": q ^ q >> 1},
        ),
        facts=(*reset_fact(chosen, "sets {gray} to 0"), *((_ENABLE,) if enable else ())),
        reset=chosen,
        roles={"gray": "Gray code count"},
        busy={"en": 0.75},
    )


_TAPS = {3: (2, 1), 4: (3, 2), 5: (4, 2), 6: (5, 4), 7: (6, 5), 8: (7, 5, 4, 3), 9: (8, 4), 10: (9, 6), 12: (11, 5, 3, 0),
         15: (14, 13), 16: (15, 14, 12, 3)}  # fmt: skip


def lfsr(width: int, reset: str, seed: int) -> Circuit:
    chosen = RESETS[reset]
    taps = _TAPS[width]
    top = width - 1
    feedback = " ^ ".join(f"q[{tap}]" for tap in taps)

    def step(q: int | None, v: dict[str, int]) -> int | None:
        if q is None:
            return None
        bit = sum(q >> tap for tap in taps) & 1
        return (q << 1 | bit) & mask(width)

    listed = ", ".join(str(tap) for tap in taps[:-1]) + f" and {taps[-1]}"
    return Circuit(
        name="lfsr",
        headlines=(
            article(f"{width}-bit LFSR"),
            article(f"{width}-bit linear feedback shift register"),
            article(f"linear feedback shift register of {width} bits"),
            article(f"LFSR of {width} bits"),
        ),
        inputs=controls(chosen),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked([f"q <= {{q[{top - 1}:0], {feedback}}};"], chosen, [f"q <= {width}'d{seed};"]),
        model=Clocked(reset_state=seed, step=step, out=lambda q, v: {"q": q}),
        facts=(
            Fact(
                (),
                (
                    f"It shifts left; the new bit 0 is the XOR of bits {listed}.",
                    f"Bits {listed} are XORed and shifted into bit 0.",
                ),
            ),
            *reset_fact(chosen, f"sets {{q}} to {seed}"),
        ),
        reset=chosen,
        roles={"q": "state"},
    )


def clock_divider(ratio: int, reset: str) -> Circuit:
    chosen = RESETS[reset]
    half = ratio // 2
    width = max(1, (half - 1).bit_length())
    if half == 1:
        body = always_clocked(["clk_out <= ~clk_out;"], chosen, ["clk_out <= 1'b0;"])
    else:
        lines = [f"if (count == {width}'d{half - 1}) begin", f"    count <= {width}'d0;", "    clk_out <= ~clk_out;", "end else",
                 f"    count <= count + {width}'d1;"]  # fmt: skip
        block = always_clocked(lines, chosen, [f"count <= {width}'d0;", "clk_out <= 1'b0;"])
        body = f"    reg {vec(width)}count;\n{block}"

    def step(state: tuple[int, int] | None, v: dict[str, int]) -> tuple[int, int] | None:
        if state is None:
            return None
        count, level = state
        return (0, level ^ 1) if count == half - 1 else (count + 1, level)

    return Circuit(
        name="clock_divider",
        headlines=(
            f"a clock divider that divides by {ratio}",
            article(f"divide-by-{ratio} clock divider"),
            article(f"clock divider with a ratio of {ratio}"),
            f"a circuit that divides the clock by {ratio}",
            f"a clock divided by {ratio}",
        ),
        inputs=controls(chosen),
        outputs=(outp("clk_out"),),
        registers=frozenset({"clk_out"}),
        body=body,
        model=Clocked(reset_state=(0, 0), step=step, out=lambda s, v: {"clk_out": s[1]}),
        facts=(
            Fact(
                ("50% duty cycle", "a 50% duty cycle"),
                ("The output is high for half of the period.", "The duty cycle is 50%."),
            ),
            *reset_fact(chosen, "sets {clk_out} to 0 and restarts the period"),
        ),
        reset=chosen,
        roles={"clk_out": "divided clock"},
        cycles=40 + 4 * ratio,
    )


def pwm(width: int, reset: str) -> Circuit:
    chosen = RESETS[reset]
    block = always_clocked([f"count <= count + {width}'d1;"], chosen, [f"count <= {width}'d0;"])
    return Circuit(
        name="pwm",
        headlines=(
            article(f"{width}-bit PWM generator"),
            article(f"PWM generator with {width}-bit resolution"),
            article(f"{width}-bit pulse width modulator"),
            article(f"pulse-width modulator of {width} bits"),
        ),
        inputs=(*controls(chosen), inp("duty", width)),
        outputs=(outp("pwm_out"),),
        body=f"    reg {vec(width)}count;\n{block}\n    assign pwm_out = (count < duty);",
        model=Clocked(
            reset_state=0,
            step=lambda q, v: None if q is None else (q + 1) & mask(width),
            out=lambda q, v: {"pwm_out": int(q < v["duty"])},
        ),
        facts=(
            Fact(
                (),
                (
                    "{pwm_out} is 1 while a free-running counter is below {duty}.",
                    "A counter runs freely; {pwm_out} is high when it is less than {duty}.",
                ),
            ),
            *reset_fact(chosen, "clears the counter"),
        ),
        reset=chosen,
        roles={"duty": "duty cycle", "pwm_out": "modulated output"},
        cycles=64 + (3 << width),
    )


FAMILIES = (
    Family(
        "counter", "counters", "easy", "sequential",
        {"width": range(2, 33), "direction": ("up", "down", "up/down"), "reset": WITH_RESET, "enable": (False, True),
         "load": (False, True)},
        counter,
    ),
    Family(
        "modulo_counter", "modulo counters", "medium", "sequential",
        {"modulus": [n for n in range(3, 101) if n & (n - 1)], "reset": WITH_RESET, "enable": (False, True), "terminal": (False, True)}, modulo_counter,
    ),
    Family(
        "ring_counter", "ring counters", "easy", "sequential",
        {"width": range(3, 25), "kind": ("ring", "Johnson"), "reset": WITH_RESET}, ring_counter,
    ),
    Family(
        "gray_counter", "Gray code", "medium", "sequential",
        {"width": range(2, 25), "reset": WITH_RESET, "enable": (False, True)}, gray_counter,
    ),
    Family("lfsr", "LFSRs", "medium", "sequential", {"width": tuple(_TAPS), "reset": WITH_RESET, "seed": (1, 2, 3, 5, 7)}, lfsr),
    Family("clock_divider", "clock dividers", "medium", "sequential", {"ratio": range(2, 65, 2), "reset": WITH_RESET}, clock_divider),
    Family("pwm", "pulse-width modulation", "medium", "sequential", {"width": range(3, 11), "reset": WITH_RESET}, pwm),
)  # fmt: skip
