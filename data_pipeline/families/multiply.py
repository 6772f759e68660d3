"""Families that multiply and add in a ring: multipliers of unequal widths, multiples of a constant, modulo adders."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    Circuit,
    Clocked,
    Combinational,
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
    signed,
)
from data_pipeline.families.sizes import Size

_SIGNS = {
    "unsigned": ("unsigned", "{a}, {b} and {product} are unsigned."),
    "signed": ("signed", "{a}, {b} and {product} are two's complement numbers."),
    "mixed": ("signed-by-unsigned", "{a} and {product} are two's complement numbers, {b} is unsigned."),
}


def multiplier(widths: tuple[int, int], sign: str, form: str, generic: bool, reset: str = "none") -> Circuit:
    """The whole product of two numbers: by the operator, by adding rows, or by the operator into a register."""
    first, second = widths
    a, b = Size(first, "A_WIDTH" if generic else ""), Size(second, "B_WIDTH" if generic else "")
    whole = Size(first + second, "A_WIDTH+B_WIDTH" if generic else "")
    chosen = RESETS[reset]
    product = {
        "unsigned": "a * b",
        "signed": "$signed(a) * $signed(b)",
        "mixed": "$signed(a) * $signed({1'b0, b})",
    }[sign]
    if form == "registered":
        body = always_clocked([f"product <= {product};"], chosen, [f"product <= {whole.zero};"], enable="en")
    else:
        body = f"    assign product = {product};" if form == "operator" else _rows(a, b, whole, sign)

    def times(v: Values) -> int:
        left = v["a"] if sign == "unsigned" else signed(v["a"], first)
        return left * (signed(v["b"], second) if sign == "signed" else v["b"]) & mask(first + second)

    model = Clocked(0, lambda p, v: times(v) if v["en"] else p, lambda p, v: {"product": p})
    noun, words = _SIGNS[sign]
    registered = "registered " * (form == "registered")
    given = a.parameters | b.parameters
    return Circuit(
        name="multiplier",
        headlines=(
            article(f"{registered}{first}x{second}-bit {noun} multiplier"),
            article(f"{registered}{noun} multiplier of {first}-bit by {second}-bit numbers"),
            article(f"{registered}multiplier ({noun}) with operands of {first} and {second} bits"),
            article(f"{registered}{noun} {first} by {second} multiplier with a product of {first + second} bits"),
            article(f"{registered}{noun} product of {first} bits times {second} bits"),
        ),
        inputs=(*(controls(chosen, enable=True) if chosen else ()), inp("a", first), inp("b", second)),
        outputs=(outp("product", first + second),),
        registers=frozenset({"product"}) if form != "operator" else frozenset(),
        body=body,
        model=model if chosen else Combinational(lambda v: {"product": times(v)}),
        facts=(
            Fact(
                (), (words, f"{{product}} is the full product of {{a}} and {{b}}, with {first + second} bits. {words}")
            ),
            *((_REGISTERED,) if chosen else ()),
            *reset_fact(chosen, "sets {product} to 0"),
            *parameter_fact(given, A_WIDTH="the width of {a}", B_WIDTH="the width of {b}"),
        ),
        reset=chosen,
        parameters=given,
        ranges=a.ranges("a") | b.ranges("b") | whole.ranges("product"),
        roles={"a": "multiplicand", "b": "multiplier", "product": "product"},
        busy={"en": 0.7},
        cycles=160,
    )


def _rows(a: Size, b: Size, whole: Size, sign: str) -> str:
    """Shift and add; the row of a signed multiplier's top bit is subtracted."""
    wide, start = "a", ""
    if sign != "unsigned":
        wide = "wide_a"
        start = f"    wire {whole.range}wide_a;\n    assign wide_a = {{{{{b.text}{{a[{a.top}]}}}}, a}};\n"
    row = f"            if (b[i])\n                product = product + ({wide} << i);"
    last = b.text
    top = ""
    if sign == "signed":
        last = b.top
        top = f"\n        if (b[{b.top}])\n            product = product - ({wide} << ({b.top}));"
    return f"""{start}    integer i;
    always @(*) begin
        product = {whole.zero};
        for (i = 0; i < {last}; i = i + 1)
{row}{top}
    end"""


_REGISTERED = Fact(
    ("a register {product} that takes {a} times {b} at the rising clock edge when {en} is 1 and else holds",),
    (
        "At a rising clock edge with {en} high, {product} takes {a} times {b}; otherwise it holds.",
        "{product} is a register: it takes {a} times {b} at each clock edge at which {en} is 1.",
    ),
)


def _signed_digits(constant: int) -> list[tuple[int, int]]:
    """The non-adjacent form of a number: (sign, place), the highest place first."""
    digits, place = [], 0
    while constant:
        digit = 2 - constant % 4 if constant & 1 else 0
        if digit:
            digits.append((digit, place))
        constant = (constant - digit) >> 1
        place += 1
    return digits[::-1]


def constant_multiply(constant: int, width: int, sign: str, form: str, generic: bool) -> Circuit:
    extra = constant.bit_length()
    total = width + extra
    size, whole = Size(width, "WIDTH" if generic else ""), Size(total, f"WIDTH+{extra}" if generic else "")
    is_signed = sign == "signed"
    digits = _signed_digits(constant)
    if form == "binary":
        digits = [(1, place) for place in reversed(range(extra)) if constant >> place & 1]
    source = "wide" if is_signed else "a"
    terms = [f"({source} << {place})" if place else source for _, place in digits]
    value = terms[0] + "".join(
        f" {'+' if s > 0 else '-'} {term}" for (s, _), term in zip(digits[1:], terms[1:], strict=True)
    )
    body = ""
    if is_signed:
        body = f"    wire {whole.range}wide;\n    assign wide = {{{{{extra}{{a[{size.top}]}}}}, a}};\n"
    numbers = "two's complement" if is_signed else "unsigned"
    return Circuit(
        name=f"times{constant}",
        headlines=(
            article(f"{width}-bit {numbers} multiplier by the constant {constant}"),
            f"a multiplication of {article(numbers)} {width}-bit number by {constant}",
            f"a circuit that multiplies {article(numbers)} {width}-bit input by {constant}",
            article(f"times-{constant} unit for {numbers} {width}-bit numbers"),
            article(f"combinational block which gives {constant} times its {numbers} {width}-bit operand"),
        ),
        inputs=(inp("a", width),),
        outputs=(outp("y", total),),
        body=f"{body}    assign y = {value};",
        model=Combinational(lambda v: {"y": (signed(v["a"], width) if is_signed else v["a"]) * constant & mask(total)}),
        facts=(
            Fact(
                (),
                (
                    f"{{y}} is {{a}} times {constant} in {whole.text} bits; use shifts and additions or subtractions, no '*'.",
                    f"{{y}}, which has {whole.text} bits, is {constant} * {{a}}, built from shifts and adders instead of a multiplier.",
                    f"Compute {constant} * {{a}} into {{y}} ({whole.text} bits) without the multiplication operator.",
                ),
            ),
            *parameter_fact(size.parameters, WIDTH="the width of {a}"),
        ),
        parameters=size.parameters,
        ranges=size.ranges("a") | whole.ranges("y"),
        roles={"a": "operand", "y": f"{constant} times the operand"},
        cycles=160,
    )


def modulo_adder(modulus: int, op: str, flag: bool) -> Circuit:
    """Operands are below the modulus; what comes out for others is not compared."""
    width = (modulus - 1).bit_length()
    m = f"{width + 1}'d{modulus}"
    parts = []
    if op != "subtractor":
        parts.append(f"    wire [{width}:0] total;\n    assign total = a + b;")
    up, down = f"(total >= {m}) ? total - {m} : total", f"(a < b) ? a + {m} - b : a - b"
    value = {"adder": up, "subtractor": down, "adder-subtractor": f"sub ? ({down}) : ({up})"}[op]
    parts.append(f"    assign y = {value};")
    if flag:
        wrap = {"adder": f"(total >= {m})", "subtractor": "(a < b)"}
        both = f"sub ? {wrap['subtractor']} : {wrap['adder']}"
        parts.append(f"    assign wrapped = {wrap.get(op, both)};")

    def function(v: Values) -> dict[str, int | None]:
        if v["a"] >= modulus or v["b"] >= modulus:
            return {"y": None, "wrapped": None}
        exact = v["a"] - v["b"] if op == "subtractor" or v.get("sub") else v["a"] + v["b"]
        return {"y": exact % modulus, "wrapped": int(not 0 <= exact < modulus)}

    both_ways = op == "adder-subtractor"
    return Circuit(
        name="mod_addsub" if both_ways else f"mod_{op[:3]}",
        headlines=(
            article(f"modulo-{modulus} {op}"),
            article(f"{op} modulo {modulus}"),
            article(f"modular {op} with the modulus {modulus}"),
            article(f"{op} for residues modulo {modulus}"),
            article(f"combinational {op} in arithmetic modulo {modulus}"),
        ),
        inputs=(inp("a", width), inp("b", width), *((inp("sub"),) if both_ways else ())),
        outputs=(outp("y", width), *((outp("wrapped"),) if flag else ())),
        body="\n".join(parts),
        model=Combinational(function),
        facts=(_modulo_fact(modulus, op), _BELOW, *((_WRAPPED,) if flag else ())),
        roles={"a": "first residue", "b": "second residue", "sub": "subtract when 1", "y": "result",
               "wrapped": "result was brought back into range"},
        cycles=400,
    )  # fmt: skip


def _modulo_fact(modulus: int, op: str) -> Fact:
    if op == "adder-subtractor":
        return Fact(
            (),
            (
                f"{{y}} is ({{a}} + {{b}}) mod {modulus} when {{sub}} is 0 and ({{a}} - {{b}}) mod {modulus} when it is 1.",
                f"{{sub}} selects: 0 gives {{a}} + {{b}}, 1 gives {{a}} - {{b}}, both reduced to 0..{modulus - 1}.",
            ),
        )
    sign = "+" if op == "adder" else "-"
    return Fact(
        (),
        (
            f"{{y}} is ({{a}} {sign} {{b}}) mod {modulus}, from 0 to {modulus - 1}.",
            f"Compute {{a}} {sign} {{b}} and reduce it modulo {modulus} into {{y}} (0 to {modulus - 1}).",
        ),
    )


_BELOW = Fact(
    ("operands that are always less than the modulus",),
    ("{a} and {b} are always less than the modulus.", "Both operands may be taken to be below the modulus."),
)
_WRAPPED = Fact(
    ("a flag {wrapped} that is 1 when the modulus had to be added or subtracted",),
    (
        "{wrapped} is 1 when the plain result was out of range, so that the modulus was added or subtracted.",
        "The flag {wrapped} tells that the modulus had to be added to or taken from the plain result.",
    ),
)


FAMILIES = (
    Family(
        "multiplier", "multipliers", "easy", "combinational",
        {"widths": [(4, 4), (8, 8), (6, 4), (5, 8), (12, 6), (16, 8), (3, 7)], "sign": tuple(_SIGNS),
         "form": ("operator", "rows"), "generic": (False, True)},
        multiplier,
    ),
    Family(
        "registered_multiplier", "multipliers", "easy", "sequential",
        {"widths": [(4, 4), (8, 8), (6, 4), (5, 8), (12, 6), (16, 8), (3, 7)], "sign": tuple(_SIGNS),
         "form": ("registered",), "generic": (False, True), "reset": ("sync_high", "async_low")},
        multiplier,
    ),
    Family(
        "constant_multiply", "multipliers", "medium", "combinational",
        {"constant": (3, 5, 6, 7, 9, 10, 11, 13, 15, 20, 25), "width": (4, 8, 12), "sign": ("unsigned", "signed"),
         "form": ("binary", "signed digits"), "generic": (False, True)},
        constant_multiply,
    ),
    Family(
        "modulo_adder", "modular arithmetic", "medium", "combinational",
        {"modulus": (3, 5, 6, 7, 9, 10, 11, 12, 13, 24, 31, 47, 60, 97, 101, 251),
         "op": ("adder", "subtractor", "adder-subtractor"), "flag": (False, True)},
        modulo_adder,
    ),
)  # fmt: skip
