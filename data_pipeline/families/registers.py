"""Families that store: flip-flops, registers, shift registers, edge detectors, accumulators."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    a_bit,
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
    ("enable", "an enable input", "a clock enable"),
    ("It changes only when {en} is high.", "When {en} is 0 it holds its value.", "{en} enables it."),
)


def register(width: int, reset: str, enable: bool, edge: str) -> Circuit:
    chosen = RESETS[reset]
    noun = "D flip-flop" if width == 1 else f"{width}-bit register"
    falling = edge == "negedge"

    def step(q: int | None, v: dict[str, int]) -> int | None:
        return v["d"] if not enable or v["en"] else q

    return Circuit(
        name="dff" if width == 1 else "register",
        headlines=(
            article(noun),
            article("D-type flip-flop" if width == 1 else f"register of {width} bits"),
            article("D flip flop" if width == 1 else f"{width}-bit D register"),
            article("single-bit D flip-flop" if width == 1 else f"{width}-bit wide data register"),
        ),
        inputs=(*controls(chosen, enable), inp("d", width)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked(["q <= d;"], chosen, [f"q <= {width}'d0;"], edge=edge, enable="en" if enable else None),
        model=Clocked(reset_state=0, step=step, out=lambda q, v: {"q": q}, edge=edge),
        facts=(
            *(
                (
                    Fact(
                        ("a falling-edge clock", "negative edge clocking"),
                        ("It is clocked on the falling edge of {clk}.",),
                    ),
                )
                if falling
                else ()
            ),
            *reset_fact(chosen, "clears {q}"),
            *((_ENABLE,) if enable else ()),
        ),
        reset=chosen,
        roles={"d": "data in", "q": "data out"},
        busy={"en": 0.6},
        cycles=64,
    )


def toggle(kind: str, reset: str, enable: bool) -> Circuit:
    chosen = RESETS[reset]
    inputs = {"T": ("t",), "JK": ("j", "k"), "SR": ("s", "r")}[kind]
    lines = {
        "T": ["if (t)", "    q <= ~q;"],
        "JK": ["case ({j, k})", "    2'b01: q <= 1'b0;", "    2'b10: q <= 1'b1;", "    2'b11: q <= ~q;",
               "    default: q <= q;", "endcase"],
        "SR": ["if (s)", "    q <= 1'b1;", "else if (r)", "    q <= 1'b0;"],
    }[kind]  # fmt: skip
    words = {
        "T": (
            "{q} toggles when {t} is 1 and holds otherwise.",
            "When {t} is 1 the output inverts, else it keeps its value.",
        ),
        "JK": (
            "{j} sets, {k} resets, both together toggle, neither holds.",
            "{q} holds for 00, clears for 01, sets for 10 and toggles for 11 on {j}{k}.",
        ),
        "SR": ("{s} sets {q}, {r} clears it, and {s} wins.", "Set with {s}, clear with {r}; set has priority."),
    }[kind]

    def step(q: int, v: dict[str, int]) -> int:
        if enable and not v["en"]:
            return q
        if kind == "T":
            return q ^ v["t"]
        if kind == "JK":
            return {0: q, 1: 0, 2: 1, 3: q ^ 1}[v["j"] * 2 + v["k"]]
        return 1 if v["s"] else 0 if v["r"] else q

    return Circuit(
        name=f"{kind.lower()}ff",
        headlines=(article(f"{kind} flip-flop"), article(f"{kind} flip flop"), article(f"{kind}-type flip-flop"),
                   article(f"clocked {kind} flip-flop")),
        inputs=(*controls(chosen, enable), *(inp(name) for name in inputs)),
        outputs=(outp("q"),),
        registers=frozenset({"q"}),
        body=always_clocked(lines, chosen, ["q <= 1'b0;"], enable="en" if enable else None),
        model=Clocked(reset_state=0, step=lambda q, v: None if q is None else step(q, v), out=lambda q, v: {"q": q}),
        facts=(Fact((), words), *reset_fact(chosen, "clears {q}"), *((_ENABLE,) if enable else ())),
        reset=chosen,
        roles={"t": "toggle", "j": "set", "k": "reset", "s": "set", "r": "clear", "q": "state"},
        busy={"en": 0.7},
    )  # fmt: skip


def shift_register(width: int, form: str, direction: str, reset: str) -> Circuit:
    chosen = RESETS[reset]
    left = direction == "left"
    top = width - 1
    serial_out = form in ("siso", "piso")
    store = "bits" if serial_out else "q"
    shifted = f"{{{store}[{top - 1}:0], din}}" if left else f"{{din, {store}[{top}:1]}}"
    load = form == "piso"
    lines = [f"{store} <= {shifted};"]
    if load:
        lines = ["if (load)", f"    {store} <= d;", "else", f"    {lines[0]}"]
    block = always_clocked(lines, chosen, [f"{store} <= {width}'d0;"])
    body = f"    reg {vec(width)}bits;\n{block}\n    assign dout = bits[{top if left else 0}];" if serial_out else block

    def step(state: int, v: dict[str, int]) -> int:
        if load and v["load"]:
            return v["d"]
        if left:
            return (state << 1 | v["din"]) & mask(width)
        return state >> 1 | v["din"] << top

    def out(state: int, v: dict[str, int]) -> dict[str, int]:
        return {"q": state, "dout": state >> top if left else state & 1}

    words = {"siso": "serial-in serial-out", "sipo": "serial-in parallel-out", "piso": "parallel-in serial-out"}[form]
    return Circuit(
        name="shift_register",
        headlines=(
            article(f"{width}-bit {words} {direction} shift register"),
            article(f"{width}-bit {form.upper()} shift register that shifts {direction}"),
            article(f"{words} shift register, {width} bits, shifting {direction}"),
            article(f"{direction}-shifting {width}-bit {words} register"),
        ),
        inputs=(*controls(chosen), *((inp("load"), inp("d", width)) if load else ()), inp("din")),
        outputs=(outp("dout"),) if serial_out else (outp("q", width),),
        registers=frozenset() if serial_out else frozenset({"q"}),
        body=body,
        model=Clocked(reset_state=0, step=lambda s, v: None if s is None else step(s, v), out=out),
        facts=(
            *(
                (
                    Fact(
                        (),
                        (
                            "When {load} is 1, {d} is loaded; otherwise {din} is shifted in.",
                            "{load} loads {d}; else {din} shifts in.",
                        ),
                    ),
                )
                if load
                else ()
            ),
            *reset_fact(chosen, "clears the register"),
        ),
        reset=chosen,
        roles={"din": "serial in", "dout": "serial out", "q": "parallel out", "load": "load", "d": "parallel in"},
        busy={"load": 0.15},
    )


def edge_detector(kind: str, width: int, reset: str, form: str) -> Circuit:
    chosen = RESETS[reset]
    now, before = "d", "last"
    expression = {"rising": f"{now} & ~{before}", "falling": f"~{now} & {before}", "any": f"{now} ^ {before}"}[kind]
    registered = form == "registered"

    def detect(d: int, last: int) -> int:
        return {"rising": d & ~last, "falling": ~d & last, "any": d ^ last}[kind] & mask(width)

    lines = ["last <= d;", f"pulse <= {expression};"] if registered else ["last <= d;"]
    clear = [f"last <= {width}'d0;"] + ([f"pulse <= {width}'d0;"] if registered else [])
    block = always_clocked(lines, chosen, clear)
    body = f"    reg {vec(width)}last;\n{block}" + ("" if registered else f"\n    assign pulse = {expression};")
    noun = {"rising": "rising edge", "falling": "falling edge", "any": "any-edge"}[kind]
    size = "" if width == 1 else f" for {width} bits"
    return Circuit(
        name="edge_detector",
        headlines=(
            article(f"{noun} detector{size}"),
            article(f"{'both-edge' if kind == 'any' else noun} detector{size}"),
            f"a detector of {'any edge' if kind == 'any' else noun + 's'} on " + ("one signal" if width == 1 else f"{width} signals"),
            article(f"circuit that finds {'every edge' if kind == 'any' else 'each ' + noun} of " +
                    ("its input" if width == 1 else f"{a_bit(width)} input")),
        ),
        inputs=(*controls(chosen), inp("d", width)),
        outputs=(outp("pulse", width),),
        registers=frozenset({"pulse"}) if registered else frozenset(),
        body=body,
        model=Clocked(
            reset_state=(0, 0),
            step=lambda s, v: (v["d"], detect(v["d"], s[0])) if s else None,
            out=lambda s, v: {"pulse": s[1] if registered else detect(v["d"], s[0])},
        ),
        facts=(
            Fact(
                ("a registered output",) if registered else ("a combinational output",),
                ("{pulse} is registered: it is 1 in the cycle after the edge is sampled.",)
                if registered
                else ("{pulse} is combinational: it compares {d} with its value at the last clock edge.",),
            ),
            *reset_fact(chosen, ("clears {pulse} and " if registered else "") + "takes {d} as having been 0"),
        ),
        reset=chosen,
        roles={"d": "signal", "pulse": "edge seen"},
    )  # fmt: skip


def accumulator(width: int, reset: str, enable: bool) -> Circuit:
    chosen = RESETS[reset]
    return Circuit(
        name="accumulator",
        headlines=(
            article(f"{width}-bit accumulator"),
            article(f"accumulator of {width} bits"),
            article(f"{width}-bit accumulating register"),
            article(f"register that accumulates {width}-bit values"),
        ),
        inputs=(*controls(chosen, enable), inp("d", width)),
        outputs=(outp("acc", width),),
        registers=frozenset({"acc"}),
        body=always_clocked(["acc <= acc + d;"], chosen, [f"acc <= {width}'d0;"], enable="en" if enable else None),
        model=Clocked(
            reset_state=0,
            step=lambda s, v: None if s is None else (s + v["d"]) & mask(width) if not enable or v["en"] else s,
            out=lambda s, v: {"acc": s},
        ),
        facts=(
            Fact((), ("Each clock adds {d} to {acc}.", "{acc} grows by {d} at every clock edge.")),
            *reset_fact(chosen, "clears {acc}"),
            *((_ENABLE,) if enable else ()),
        ),
        reset=chosen,
        roles={"d": "value to add", "acc": "running sum"},
        busy={"en": 0.7},
    )


_RESETS = tuple(RESETS)

FAMILIES = (
    Family(
        "register", "flip-flops", "easy", "sequential",
        {"width": range(2, 33), "reset": _RESETS, "enable": (False, True), "edge": ("posedge", "negedge")}, register,
    ),
    Family(
        "dff", "flip-flops", "easy", "sequential",
        {"width": (1,), "reset": _RESETS, "enable": (False, True), "edge": ("posedge", "negedge")}, register,
    ),
    Family("toggle", "flip-flops", "easy", "sequential", {"kind": ("T", "JK", "SR"), "reset": WITH_RESET, "enable": (False, True)}, toggle),
    Family(
        "shift_register", "shift registers", "medium", "sequential",
        {"width": range(3, 25), "form": ("siso", "sipo", "piso"), "direction": ("left", "right"), "reset": WITH_RESET},
        shift_register,
    ),
    Family(
        "edge_detector", "edge detectors", "medium", "sequential",
        {"kind": ("rising", "falling", "any"), "width": (1, 2, 3, 4, 6, 8, 12, 16), "reset": WITH_RESET,
         "form": ("registered", "combinational")},
        edge_detector,
    ),
    Family(
        "accumulator", "accumulators", "medium", "sequential",
        {"width": range(4, 33), "reset": WITH_RESET, "enable": (False, True)}, accumulator,
    ),
)  # fmt: skip
