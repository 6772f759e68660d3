"""Families of binary codes: one-hot and thermometer codes."""

from __future__ import annotations

from data_pipeline.circuit import (
    Circuit,
    Combinational,
    Fact,
    Family,
    a_bit,
    article,
    inp,
    mask,
    outp,
    parameter_fact,
)
from data_pipeline.families.sizes import Size

Shape = tuple[int, str]


def onehot_to_binary(shape: Shape, flag: str, generic: bool) -> Circuit:
    width, many = shape
    count = (width - 1).bit_length()
    lines, bits = Size(width, "WIDTH" if generic else ""), Size(count, "BITS" if generic else "")
    strict = many == "zero"
    target = "merged" if strict else "y"
    looped = generic or strict
    body = f"    reg {bits.range}merged;\n" if strict else ""
    if looped:
        body += f"""    integer i;
    always @(*) begin
        {target} = {bits.zero};
        for (i = 0; i < {lines.text}; i = i + 1)
            if (d[i])
                {target} = {target} | i;
    end"""
    else:
        terms = [[f"d[{i}]" for i in range(width) if i >> k & 1] for k in range(count)]
        body += "\n".join(f"    assign y[{k}] = {' | '.join(term)};" for k, term in enumerate(terms))
    if strict or flag != "none":
        body += "\n    wire multiple = |(d & (d - 1'b1));"
    if strict:
        body += f"\n    assign y = multiple ? {bits.zero} : merged;"
    if flag != "none":
        body += "\n    assign valid = |d & ~multiple;" if flag == "valid" else "\n    assign error = multiple;"

    def function(v: dict[str, int]) -> dict[str, int]:
        ones = [i for i in range(width) if v["d"] >> i & 1]
        merged = 0
        for i in ones:
            merged |= i
        return {
            "y": 0 if strict and len(ones) > 1 else merged,
            "valid": int(len(ones) == 1),
            "error": int(len(ones) > 1),
        }

    return Circuit(
        name="onehot2bin",
        headlines=(
            article(f"{width}-bit one-hot to binary encoder"),
            article(f"one-hot to binary converter for {width} lines"),
            article(f"encoder from {a_bit(width)} one-hot code to {a_bit(count)} binary number"),
            article(f"{width}-to-{count} encoder without priority"),
            article(f"circuit that gives the index of the single 1 in {a_bit(width)} vector"),
        ),
        inputs=(inp("d", width),),
        outputs=(outp("y", count), *((outp(flag),) if flag != "none" else ())),
        registers=frozenset() if strict or not looped else frozenset({"y"}),
        body=body,
        model=Combinational(function),
        facts=(_INDEX, _SEVERAL[many], *((_FLAGS[flag],) if flag != "none" else ()),
               *parameter_fact(lines.parameters | bits.parameters, WIDTH="the width of {d}", BITS="the width of {y}")),
        parameters=lines.parameters | bits.parameters,
        ranges=lines.ranges("d") | bits.ranges("y"),
        roles={"d": "one-hot lines", "y": "index", "valid": "exactly one line is 1", "error": "several lines are 1"},
        cycles=200,
    )  # fmt: skip


_INDEX = Fact(
    (),
    (
        "{y} is the index of the bit of {d} that is 1, and 0 when none is.",
        "When only {d}[i] is 1, {y} is i; when {d} is 0, {y} is 0.",
        "{y} gives the position of the one set bit of {d}; it is 0 when no bit is set.",
    ),
)
_SEVERAL = {
    "or": Fact(
        ("the bitwise OR of the indices as its output when several bits are set",),
        (
            "When several bits are set, {y} is the bitwise OR of their indices.",
            "If more than one bit of {d} is 1, their indices are ORed together.",
        ),
    ),
    "zero": Fact(
        ("an output of 0 when several bits are set",),
        ("When several bits are set, {y} is 0.", "If more than one bit of {d} is 1, {y} is 0."),
    ),
}
_FLAGS = {
    "valid": Fact(
        ("an output {valid} that is 1 when exactly one bit is set",),
        ("{valid} is 1 when exactly one bit of {d} is 1, else 0.", "{valid} tells that {d} is one-hot."),
    ),
    "error": Fact(
        ("an output {error} that is 1 when more than one bit is set",),
        ("{error} is 1 when two or more bits of {d} are 1.", "{error} tells that more than one bit of {d} is set."),
    ),
}


def thermometer_encoder(width: int, fill: str, generic: bool) -> Circuit:
    count = width.bit_length()
    lines, bits = Size(width, "WIDTH" if generic else ""), Size(count, "BITS" if generic else "")
    low = fill == "low"
    if generic:
        body = f"""    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + 1) begin : line
            assign y[{"i" if low else "WIDTH - 1 - i"}] = (bin > i);
        end
    endgenerate"""
    else:
        body = f"    assign y = ~({lines.ones} {'<<' if low else '>>'} bin);"

    def function(v: dict[str, int]) -> dict[str, int]:
        code = mask(min(v["bin"], width))
        return {"y": code if low else code << (width - min(v["bin"], width))}

    end, direction = ("bit 0", "upwards") if low else ("the top bit", "downwards")
    return Circuit(
        name="bin2thermo",
        headlines=(
            article(f"binary to thermometer code encoder with {width} output bits"),
            article(f"{width}-bit thermometer code encoder"),
            article(f"converter from {a_bit(count)} binary number to {a_bit(width)} thermometer code"),
            article(f"{count}-bit binary to {width}-bit thermometer decoder"),
            article(f"bar graph driver for {width} lamps"),
        ),
        inputs=(inp("bin", count),),
        outputs=(outp("y", width),),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"As many bits of {{y}} as {{bin}} says are 1, from {end} {direction}; the rest are 0.",
                    f"{{y}} has {{bin}} ones, which start at {end} and go {direction}, and zeros elsewhere.",
                    f"Starting at {end} and going {direction}, the first {{bin}} bits of {{y}} are 1.",
                ),
            ),
            *((_TOO_MANY,) if mask(count) > width else ()),
            *parameter_fact(lines.parameters | bits.parameters, WIDTH="the width of {y}", BITS="the width of {bin}"),
        ),
        parameters=lines.parameters | bits.parameters,
        ranges=lines.ranges("y") | bits.ranges("bin"),
        roles={"bin": "number of ones", "y": "thermometer code"},
    )


_TOO_MANY = Fact(
    ("all bits 1 when the number is larger than the number of bits",),
    ("When {bin} exceeds the number of bits, all are 1.", "A value of {bin} that is too large sets all bits."),
)


def thermometer_decoder(width: int, fill: str, invalid: str, generic: bool) -> Circuit:
    count = width.bit_length()
    lines, bits = Size(width, "WIDTH" if generic else ""), Size(count, "BITS" if generic else "")
    low, flag, strict = fill == "low", "flag" in invalid, "zero" in invalid
    beyond = "d & (d + 1'b1)" if low else "~d & (~d + 1'b1)"
    guard = f"        if ({'error' if flag else beyond})\n            count = {bits.zero};\n" if strict else ""
    order = f"i = {lines.top}; i >= 0; i = i - 1" if low else f"i = 0; i < {lines.text}; i = i + 1"
    body = f"""    integer i;
    always @(*) begin
        count = {lines.text if generic else f"{count}'d{width}"};
        for ({order})
            if (!d[i])
                count = {"i" if low else f"{lines.top} - i"};
{guard}    end"""
    if flag:
        body = f"    assign error = |({beyond});\n" + body

    def function(v: dict[str, int]) -> dict[str, int]:
        text = f"{v['d']:0{width}b}"
        text = text[::-1] if low else text
        run = len(text) - len(text.lstrip("1"))
        bad = "1" in text[run:]
        return {"count": 0 if strict and bad else run, "error": int(bad)}

    start, direction = ("bit 0", "upwards") if low else ("the top bit", "downwards")
    return Circuit(
        name="thermo2bin",
        headlines=(
            article(f"{width}-bit thermometer code to binary converter"),
            article(f"thermometer code decoder for {width} bits"),
            article(f"decoder that turns {a_bit(width)} thermometer code into a binary number"),
            article(f"{width}-bit thermometer decoder with {a_bit(count)} result"),
            article(f"circuit that reads {a_bit(width)} thermometer code which fills from {start}"),
        ),
        inputs=(inp("d", width),),
        outputs=(outp("count", count), *((outp("error"),) if flag else ())),
        registers=frozenset({"count"}),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"{{count}} is the number of consecutive ones of {{d}} from {start} {direction}, up to the first 0.",
                    f"{{count}} counts the ones of {{d}} from {start} {direction} and stops at the first 0.",
                    f"The code {{d}} fills from {start} {direction}: {{count}} is the length of that first run of ones.",
                ),
            ),
            *((_INVALID,) if strict else ()),
            *((_BUBBLE,) if flag else ()),
            *parameter_fact(lines.parameters | bits.parameters, WIDTH="the width of {d}", BITS="the width of {count}"),
        ),
        parameters=lines.parameters | bits.parameters,
        ranges=lines.ranges("d") | bits.ranges("count"),
        roles={"d": "thermometer code", "count": "number of ones", "error": "not a thermometer code"},
    )


_INVALID = Fact(
    ("a result of 0 for invalid codes (another 1 after the first 0)",),
    (
        "When another 1 follows the first 0, the code is invalid and {count} is 0.",
        "{count} is 0 for an invalid code, one in which some 1 comes after the first 0.",
    ),
)
_BUBBLE = Fact(
    ("an output {error} that is 1 when another 1 follows the first 0",),
    (
        "{error} is 1 when there is another 1 after the first 0.",
        "{error} is 1 when {d} is no thermometer code: a 1 comes after the first 0.",
    ),
)


_SHAPES = [(w, many) for w in range(3, 9) for many in ("or", "zero")] + [(12, "or"), (16, "or")]

FAMILIES = (
    Family(
        "onehot_to_binary", "encoders", "easy", "combinational",
        {"shape": _SHAPES, "flag": ("none", "valid", "error"), "generic": (False, True)}, onehot_to_binary,
    ),
    Family(
        "thermometer_encoder", "thermometer codes", "easy", "combinational",
        {"width": (3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 20, 24, 31), "fill": ("low", "high"), "generic": (False, True)},
        thermometer_encoder,
    ),
    Family(
        "thermometer_decoder", "thermometer codes", "medium", "combinational",
        {"width": range(3, 9), "fill": ("low", "high"), "invalid": ("flag", "zero", "zero with flag"),
         "generic": (False, True)},
        thermometer_decoder,
    ),
)  # fmt: skip
