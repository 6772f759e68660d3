"""Families of cyclic redundancy checks: one bit a clock, or several bits in one combinational step."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    Circuit,
    Clocked,
    Combinational,
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
    reset_fact,
)


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else "x" if exponent == 1 else f"x^{exponent}"


def _polynomial(width: int, poly: int) -> str:
    """The generator polynomial in words, its highest power first."""
    return " + ".join(_power(k) for k in range(width, -1, -1) if k == width or poly >> k & 1)


def _mirrored(width: int, poly: int) -> int:
    return int(f"{poly:0{width}b}"[::-1], 2)


def _crc_shift(width: int, poly: int, order: str, crc: int, bit: int) -> int:
    """The CRC after one more data bit; ``lsb`` is the mirrored register, which shifts right."""
    if order == "msb":
        feedback = crc >> (width - 1) ^ bit
        return (crc << 1 & mask(width)) ^ (poly if feedback else 0)
    feedback = crc & 1 ^ bit
    return crc >> 1 ^ (_mirrored(width, poly) if feedback else 0)


def _rule(width: int, poly: int, order: str, bit: str, register: str) -> tuple[str, str]:
    """What one data bit does to the register, in two wordings."""
    end, direction = (width - 1, "left") if order == "msb" else (0, "right")
    code = f"{width}'b{poly if order == 'msb' else _mirrored(width, poly):0{width}b}"
    return (
        f"{register} is shifted {direction} by one with a 0 entering, and XORed with {code} if its old bit {end} differs "
        f"from {bit}",
        f"the feedback is {register}[{end}] ^ {bit}; {register} shifts {direction} (a 0 enters), and when the feedback is 1 "
        f"the result is XORed with {code}",
    )


def crc_serial(generator: tuple[int, int], start: str, order: str, clear: bool, reset: str) -> Circuit:
    width, poly = generator
    chosen = RESETS[reset]
    first = 0 if start == "zeros" else mask(width)
    initial = f"{{{width}{{1'b{first & 1}}}}}" if start == "ones" else f"{width}'d0"
    code = f"{width}'b{poly if order == 'msb' else _mirrored(width, poly):0{width}b}"
    end = width - 1 if order == "msb" else 0
    moved = f"{{crc[{width - 2}:0], 1'b0}}" if order == "msb" else f"{{1'b0, crc[{width - 1}:1]}}"
    lines = ["if (en)", f"    crc <= {moved} ^ (feedback ? {code} : {width}'d0);"]
    if clear:
        lines = ["if (clear)", f"    crc <= {initial};", f"else {lines[0]}", lines[1]]

    def step(crc: int | None, v: Values) -> int | None:
        if clear and v["clear"]:
            return first
        if crc is None or not v["en"]:
            return crc
        return _crc_shift(width, poly, order, crc, v["din"])

    return Circuit(
        name=f"crc{width}_serial",
        headlines=(
            article(f"bit-serial CRC-{width} generator for the polynomial {_polynomial(width, poly)}"),
            article(f"serial {width}-bit CRC register with the generator {_polynomial(width, poly)}"),
            article(
                f"circuit that computes {a_bit(width)} CRC of a bit stream (polynomial {_polynomial(width, poly)})"
            ),
            article(f"CRC-{width} unit, one data bit a clock, polynomial {_polynomial(width, poly)}"),
            article(f"cyclic redundancy check of {width} bits over serial data, generator {_polynomial(width, poly)}"),
        ),
        inputs=(*controls(chosen, enable=True), *((inp("clear"),) if clear else ()), inp("din")),
        outputs=(outp("crc", width),),
        registers=frozenset({"crc"}),
        body=f"    wire feedback = crc[{end}] ^ din;\n" + always_clocked(lines, chosen, [f"crc <= {initial};"]),
        model=Clocked(reset_state=first, step=step, out=lambda crc, v: {"crc": crc}),
        facts=(
            _serial_fact(*_rule(width, poly, order, "{din}", "{crc}")),
            *((_clear_fact(start),) if clear else ()),
            *reset_fact(chosen, f"sets {{crc}} to all {start}"),
        ),
        reset=chosen,
        roles={"din": "data bit", "crc": "CRC", "clear": "start again", "en": "data bit valid"},
        busy={"en": 0.8, "clear": 0.06},
        cycles=160,
    )


def _serial_fact(short: str, long: str) -> Fact:
    return Fact(
        (),
        (
            f"At a rising clock edge with {{en}} high, {short}; without {{en}} it holds.",
            f"When {{en}} is 1 at the clock edge: {long}. Otherwise nothing changes.",
        ),
    )


def _clear_fact(start: str) -> Fact:
    return Fact(
        (f"an input {{clear}} that sets {{crc}} to all {start} at the clock edge, with priority over {{en}}",),
        (
            f"{{clear}} makes {{crc}} all {start} at the clock edge, whatever {{en}} is.",
            f"When {{clear}} is 1 at the edge, {{crc}} becomes all {start} and the data bit is ignored.",
        ),
    )


def crc_step(generator: tuple[int, int], bits: int, order: str, form: str) -> Circuit:
    width, poly = generator
    steps = range(bits - 1, -1, -1) if order == "msb" else range(bits)

    def next_crc(crc: int, data: int) -> int:
        for k in steps:
            crc = _crc_shift(width, poly, order, crc, data >> k & 1)
        return crc

    names = {f"crc_in[{k}]": next_crc(1 << k, 0) for k in range(width)}
    names |= {f"d[{k}]": next_crc(0, 1 << k) for k in range(bits)}
    if form == "equations":
        body = "\n".join(
            f"    assign crc_out[{i}] = {' ^ '.join(n for n, effect in names.items() if effect >> i & 1)};"
            for i in range(width)
        )
    else:
        body = _step_loop(width, poly, bits, order)
    start, end = (f"{{d}}[{bits - 1}]", "{d}[0]") if order == "msb" else ("{d}[0]", f"{{d}}[{bits - 1}]")
    rule = _rule(width, poly, order, "that bit", "the CRC")[0]
    return Circuit(
        name=f"crc{width}_step",
        headlines=(
            article(f"combinational CRC-{width} step over {bits} data bits"),
            article(f"{width}-bit CRC update for {bits} bits at a time"),
            f"the next-state logic of {a_bit(width)} CRC that takes {bits} data bits in one step",
            article(f"parallel CRC-{width} function with {a_bit(bits)} data input"),
            article(f"unrolled CRC of {width} bits for {bits}-bit data"),
        ),
        inputs=(inp("crc_in", width), inp("d", bits)),
        outputs=(outp("crc_out", width),),
        registers=frozenset() if form == "equations" else frozenset({"crc_out"}),
        body=body,
        model=Combinational(lambda v: {"crc_out": next_crc(v["crc_in"], v["d"])}),
        facts=(
            Fact(
                (f"the polynomial {_polynomial(width, poly)}",),
                (
                    f"The polynomial is {_polynomial(width, poly)}.",
                    f"Generator polynomial: {_polynomial(width, poly)}.",
                ),
            ),
            Fact(
                (),
                (
                    f"{{crc_out}} is {{crc_in}} after all bits of {{d}} from {start} to {end}: for each, {rule}.",
                    f"Start from {{crc_in}} and take the bits of {{d}} one after the other, {start} first; for each of "
                    f"them, {rule}. {{crc_out}} is the result.",
                ),
            ),
        ),
        roles={"crc_in": "CRC so far", "d": "data", "crc_out": "CRC with the data"},
        cycles=160,
    )


def _step_loop(width: int, poly: int, bits: int, order: str) -> str:
    msb = order == "msb"
    code = f"{width}'b{poly if msb else _mirrored(width, poly):0{width}b}"
    end, moved = (
        (f"{width - 1}", f"{{crc_out[{width - 2}:0], 1'b0}}") if msb else ("0", f"{{1'b0, crc_out[{width - 1}:1]}}")
    )
    loop = f"i = {bits - 1}; i >= 0; i = i - 1" if msb else f"i = 0; i < {bits}; i = i + 1"
    return f"""    integer i;
    always @(*) begin
        crc_out = crc_in;
        for ({loop})
            if (crc_out[{end}] != d[i])
                crc_out = {moved} ^ {code};
            else
                crc_out = {moved};
    end"""


_GENERATORS = [(4, 0x3), (5, 0x15), (5, 0x05), (6, 0x27), (7, 0x09), (8, 0x07), (8, 0x31), (8, 0x9B), (12, 0x80F),
               (16, 0x1021)]  # fmt: skip
FAMILIES = (
    Family(
        "crc_serial", "CRC", "medium", "sequential",
        {"generator": _GENERATORS, "start": ("zeros", "ones"), "order": ("msb", "lsb"), "clear": (False, True),
         "reset": ("sync_high", "sync_low", "async_low")},
        crc_serial,
    ),
    Family(
        "crc_step", "CRC", "hard", "combinational",
        {"generator": _GENERATORS[:8], "bits": (2, 4, 8), "order": ("msb", "lsb"), "form": ("loop", "equations")}, crc_step,
    ),
)  # fmt: skip
