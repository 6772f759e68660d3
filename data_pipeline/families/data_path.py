"""Families of data paths: saturating adders, multiply-accumulate units, running extremes, sorters and moving sums."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Combinational,
    Fact,
    Family,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    parameter_fact,
    reset_fact,
    signed,
)
from data_pipeline.families.sizes import Size


def saturating_adder(width: int, sign: str, op: str, flag: bool, generic: bool) -> Circuit:
    bits = Size(width, "WIDTH" if generic else "")
    size, top = bits.text, bits.top
    operator = "+" if op == "adder" else "-"
    is_signed = sign == "signed"
    low, high = (-(1 << (width - 1)), mask(width - 1)) if is_signed else (0, mask(width))
    if is_signed:
        wide, over = f"{{a[{top}], a}} {operator} {{b[{top}], b}}", f"(wide[{size}] != wide[{top}])"
        edge = f"{{wide[{size}], {{{f'({size}-1)' if generic else width - 1}{{~wide[{size}]}}}}}}"
    else:
        wide, over = f"{{1'b0, a}} {operator} {{1'b0, b}}", f"wide[{size}]"
        edge = f"{{{size}{{1'b{int(op == 'adder')}}}}}"
    lines = [f"    wire [{size}:0] wide;", f"    assign wide = {wide};"]
    if flag:
        lines += [f"    assign sat = {over};", "    always @(*) begin", "        if (sat)", f"            y = {edge};"]
        lines += ["        else", f"            y = wide[{top}:0];", "    end"]
    else:
        lines.append(f"    assign y = {over} ? {edge} : wide[{top}:0];")

    def function(v: dict[str, int]) -> dict[str, int]:
        a, b = (signed(v[n], width) if is_signed else v[n] for n in "ab")
        exact = a + b if op == "adder" else a - b
        return {"y": min(max(exact, low), high) & mask(width), "sat": int(not low <= exact <= high)}

    numbers = "signed (two's complement)" if is_signed else "unsigned"
    ends = "the nearest value that fits" if generic else f"the nearer one of {low} and {high}"
    if not is_signed:
        ends = ("the largest value that fits" if generic else str(high)) if op == "adder" else "0"
    beyond = "does not fit" if is_signed else "is too large" if op == "adder" else "would be negative"
    return Circuit(
        name=f"sat_{op[:3]}",
        headlines=(
            article(f"{width}-bit saturating {op} for {numbers} numbers"),
            f"a saturating {op} of two {width}-bit {numbers} numbers",
            article(f"{op} that saturates, for {width}-bit {numbers} operands"),
            article(f"{width}-bit {sign} {op} that clips its result instead of wrapping around"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("y", width), *((outp("sat"),) if flag else ())),
        registers=frozenset({"y"}) if flag else frozenset(),
        body="\n".join(lines),
        model=Combinational(function),
        facts=(
            _saturating_adder_fact(beyond, ends, operator, width),
            *((_SATURATED,) if flag else ()),
            *parameter_fact(bits.parameters, WIDTH="the width of {a}, {b} and {y}"),
        ),
        parameters=bits.parameters,
        ranges=bits.ranges("a", "b", "y"),
        roles={
            "a": "first operand",
            "b": "second operand",
            "y": "limited result",
            "sat": "1 when the result was limited",
        },
        cycles=160,
    )


def _saturating_adder_fact(beyond: str, ends: str, operator: str, width: int) -> Fact:
    return Fact(
        (),
        (
            f"{{y}} is {{a}} {operator} {{b}}; a result that {beyond} becomes {ends}.",
            f"Compute {{a}} {operator} {{b}}; when the exact result {beyond}, {{y}} is {ends} instead.",
            f"{{y}} = {{a}} {operator} {{b}}, limited to {width} bits: what {beyond} is replaced by {ends}.",
        ),
    )


_SATURATED = Fact(
    ("a flag {sat} that is 1 exactly when the result had to be limited",),
    (
        "{sat} is 1 when the result was limited and 0 otherwise.",
        "The flag {sat} tells whether the exact result did not fit.",
    ),
)


def mac(width: int, guard: int, overflow: str, clear: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    total = 2 * width + guard
    bits, whole = Size(width, "WIDTH" if generic else ""), Size(total, "ACC_WIDTH" if generic else "")
    double = Size(2 * width, "2*WIDTH" if generic else "")
    saturate = overflow == "saturate"
    zero = f"{{{whole.text}{{1'b0}}}}"
    base = "acc" if clear == "zero" else f"(clear ? {zero} : acc)"
    body = f"    wire {double.range}product;\n    assign product = a * b;\n"
    value = f"{base} + product"
    if saturate:
        body += f"    wire [{whole.text}:0] grown;\n    assign grown = {value};\n"
        value = f"grown[{whole.text}] ? {{{whole.text}{{1'b1}}}} : grown[{whole.top}:0]"
    lines = [f"acc <= {value};"]
    enable: str | None = "en"
    if clear == "zero":
        lines, enable = ["if (clear)", f"    acc <= {zero};", "else if (en)", f"    acc <= {value};"], None

    def step(acc: int | None, v: dict[str, int]) -> int | None:
        if acc is None:
            return None
        if clear == "zero" and v["clear"]:
            return 0
        if not v["en"]:
            return acc
        new = (0 if v["clear"] else acc) + v["a"] * v["b"]
        return min(new, mask(total)) if saturate else new & mask(total)

    given = bits.parameters | whole.parameters
    return Circuit(
        name="mac",
        headlines=(
            article(f"{width}-bit unsigned multiply-accumulate unit"),
            article(f"MAC unit for unsigned {width}-bit factors"),
            f"a multiply-accumulate unit for two unsigned {width}-bit inputs",
            f"a unit that sums up products of unsigned {width}-bit numbers",
        ),
        inputs=(*controls(chosen, enable=True), inp("clear"), inp("a", width), inp("b", width)),
        outputs=(outp("acc", total),),
        registers=frozenset({"acc"}),
        body=body + always_clocked(lines, chosen, [f"acc <= {zero};"], enable=enable),
        model=Clocked(reset_state=0, step=step, out=lambda acc, v: {"acc": acc}),
        facts=(
            _mac_fact(f"{whole.text} bits"),
            _MAC_OVERFLOW[overflow],
            _MAC_CLEAR[clear],
            *reset_fact(chosen, "sets {acc} to 0"),
            *parameter_fact(given, WIDTH="the width of {a} and {b}", ACC_WIDTH="the width of {acc}"),
        ),
        reset=chosen,
        parameters=given,
        ranges=bits.ranges("a", "b") | whole.ranges("acc"),
        roles={"clear": "clear", "a": "first factor", "b": "second factor", "acc": "accumulator"},
        busy={"en": 0.8, "clear": 0.04},
        cycles=160,
    )


def _mac_fact(bits: str) -> Fact:
    return Fact(
        (),
        (
            f"At a rising clock edge with {{en}} high, {{a}} * {{b}} is added to {{acc}}, which has {bits}.",
            f"{{acc}} ({bits}) grows by the product {{a}} * {{b}} at every rising clock edge at which {{en}} is 1.",
            f"When {{en}} is 1, each clock edge adds {{a}} * {{b}} to the register {{acc}} of {bits}.",
        ),
    )


_MAC_OVERFLOW = {
    "wrap": Fact(
        ("an accumulator that wraps around", "wrap-around on overflow"),
        ("On overflow {acc} wraps around.", "Carries out of {acc} are dropped."),
    ),
    "saturate": Fact(
        ("an accumulator that saturates at all ones", "saturation at the largest value of the accumulator"),
        ("A sum that does not fit makes {acc} all ones.", "{acc} saturates: it stops at its largest value."),
    ),
}
_MAC_CLEAR = {
    "zero": Fact(
        ("a synchronous {clear} that sets the accumulator to 0 whatever {en} is",),
        (
            "{clear} sets {acc} to 0 at the clock edge, whatever {en} is, and nothing is added.",
            "When {clear} is 1 at the edge, {acc} becomes 0, with priority over {en}.",
        ),
    ),
    "first": Fact(
        (),
        (
            "When {clear} is also 1 at such an edge, {acc} takes the product alone; without {en}, {clear} does nothing.",
            "{clear} starts a new sum: with {en} high, the product replaces {acc}; with {en} low it has no effect.",
        ),
    ),
}


def running_extreme(width: int, which: str, sign: str, restart: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    largest = which == "maximum"
    is_signed = sign == "signed"
    start = 0 if largest else mask(width)
    if is_signed:
        start ^= 1 << (width - 1)
    rest = "(WIDTH-1)" if generic else str(width - 1)
    code = f"{{{size.text}{{1'b{start & 1}}}}}"
    if is_signed:
        code = f"{{1'b{int(largest)}, {{{rest}{{1'b{int(not largest)}}}}}}}"
    better = f"$signed(d) {'>' if largest else '<'} $signed(q)" if is_signed else f"d {'>' if largest else '<'} q"
    lines = [f"if (valid && ({better}))", "    q <= d;"]
    if restart:
        lines = ["if (restart)", "    q <= d;", f"else {lines[0]}", lines[1]]

    def number(value: int) -> int:
        return signed(value, width) if is_signed else value

    def step(q: int | None, v: dict[str, int]) -> int | None:
        if restart and v["restart"]:
            return v["d"]
        if q is None or not v["valid"]:
            return q
        return (max if largest else min)(q, v["d"], key=number)

    numbers = "two's complement" if is_signed else "unsigned"
    compare = "greater" if largest else "less"
    extreme = "lowest" if largest else "highest"
    worth = f"the {extreme} {numbers} value" + ("" if generic else f" ({number(start)})")
    return Circuit(
        name=f"running_{which[:3]}",
        headlines=(
            article(f"{width}-bit running {which} of {numbers} numbers"),
            f"a tracker of the {which} of a stream of {width}-bit {numbers} samples",
            article(f"{which} tracker for {width}-bit {numbers} samples"),
            f"a register that keeps the {which} of the {width}-bit {numbers} values seen so far",
        ),
        inputs=(*controls(chosen), inp("valid"), *((inp("restart"),) if restart else ()), inp("d", width)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked(lines, chosen, [f"q <= {code};"]),
        model=Clocked(reset_state=start, step=step, out=lambda q, v: {"q": q}),
        facts=(
            _running_extreme_fact(compare, which),
            *((_RESTART,) if restart else ()),
            *reset_fact(chosen, f"sets {{q}} to {worth}"),
            *parameter_fact(size.parameters, WIDTH="the width of {d} and {q}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d", "q"),
        roles={"valid": "sample present", "restart": "start afresh", "d": "sample", "q": f"{which} so far"},
        busy={"restart": 0.12},
        cycles=200,
    )


def _running_extreme_fact(compare: str, which: str) -> Fact:
    return Fact(
        (),
        (
            f"At a rising clock edge with {{valid}} high, {{q}} takes {{d}} if {{d}} is {compare} than {{q}}.",
            f"{{q}} is the {which} so far: it takes {{d}} at a clock edge when {{valid}} is 1 and {{d}} is {compare}.",
            f"{{valid}} marks a sample {{d}}; at the clock edge it replaces {{q}} when it is {compare} than {{q}}.",
        ),
    )


_RESTART = Fact(
    ("an input {restart} that loads {d} into {q} at the clock edge even when {valid} is 0",),
    (
        "When {restart} is 1, {q} takes {d} at the edge, whatever {valid} is.",
        "{restart} starts afresh: at the edge {q} becomes {d} without comparison, even when {valid} is 0.",
    ),
)


FAMILIES = (
    Family(
        "saturating_adder", "saturating arithmetic", "medium", "combinational",
        {"width": (4, 5, 6, 7, 10, 12, 16), "sign": ("unsigned", "signed"), "op": ("adder", "subtractor"),
         "flag": (False, True), "generic": (False, True)},
        saturating_adder,
    ),
    Family(
        "mac", "multiply-accumulate", "medium", "sequential",
        {"width": (4, 6, 8), "guard": (1, 3), "overflow": ("wrap", "saturate"), "clear": ("zero", "first"),
         "reset": WITH_RESET, "generic": (False, True)},
        mac,
    ),
    Family(
        "running_extreme", "running extremes", "medium", "sequential",
        {"width": (4, 7, 8, 12), "which": ("maximum", "minimum"), "sign": ("unsigned", "signed"),
         "restart": (False, True), "reset": ("sync_high", "sync_low", "async_low"), "generic": (False, True)},
        running_extreme,
    ),
)  # fmt: skip
