"""Families of the smallest circuits: gates, reductions, parity, Gray code, and ways to move bits about."""

from __future__ import annotations

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, a_bit, article, inp, mask, outp

_TWO = {"and": "a & b", "or": "a | b", "xor": "a ^ b", "nand": "~(a & b)", "nor": "~(a | b)", "xnor": "~(a ^ b)"}
_REDUCE = {"and": "&a", "or": "|a", "xor": "^a", "nand": "~&a", "nor": "~|a", "xnor": "~^a"}


def _two(op: str, a: int, b: int, width: int) -> int:
    value = {"and": a & b, "or": a | b, "xor": a ^ b}[
        op.removeprefix("n") if op in ("nand", "nor") else op.replace("xn", "x")
    ]
    return value ^ mask(width) if op in ("nand", "nor", "xnor") else value


def gate(op: str, width: int) -> Circuit:
    upper = op.upper()
    noun = f"two-input {upper} gate" if width == 1 else f"{width}-bit bitwise {upper} of two inputs"
    return Circuit(
        name=f"{op}_gate",
        headlines=(
            article(noun),
            article(f"2-input {upper} gate" if width == 1 else f"bitwise {upper} gate for {width}-bit operands"),
            f"the {'' if width == 1 else 'bitwise '}{upper} of two {width}-bit inputs",
            article(f"{upper} gate with two {width}-bit inputs"),
            article(f"{width}-bit {upper} gate"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("y", width),),
        body=f"    assign y = {_TWO[op]};",
        model=Combinational(lambda v: {"y": _two(op, v["a"], v["b"], width)}),
        facts=(
            Fact(
                (), (f"The output {{y}} is the {upper} of {{a}} and {{b}}.", f"Drive {{y}} with {{a}} {upper} {{b}}.")
            ),
        ),
        roles={"a": "first operand", "b": "second operand", "y": "result"},
    )


def reduction(op: str, width: int) -> Circuit:
    upper = op.upper()

    def function(v: dict[str, int]) -> dict[str, int]:
        a = v["a"]
        plain = {"and": a == mask(width), "or": a != 0, "xor": bool(a.bit_count() & 1)}
        base = {"nand": "and", "nor": "or", "xnor": "xor"}.get(op, op)
        return {"y": int(plain[base] != (op != base))}

    return Circuit(
        name=f"reduce_{op}",
        headlines=(
            article(f"{width}-bit {upper} reduction"),
            article(f"{width}-input {upper} gate with the inputs in one vector"),
            f"the {upper} of all bits of {a_bit(width)} vector",
            article(f"reduction {upper} of {a_bit(width)} input"),
        ),
        inputs=(inp("a", width),),
        outputs=(outp("y"),),
        body=f"    assign y = {_REDUCE[op]};",
        model=Combinational(function),
        facts=(
            Fact(
                (), (f"{{y}} is the {upper} of all {width} bits of {{a}}.", f"Combine every bit of {{a}} with {upper}.")
            ),
        ),
        roles={"a": "input vector", "y": "reduced result"},
    )


def parity(width: int, kind: str) -> Circuit:
    odd = kind == "odd"
    meaning = "even" if not odd else "odd"
    return Circuit(
        name=f"{kind}_parity",
        headlines=(
            article(f"{kind} parity generator for {width} bits"),
            article(f"{width}-bit {kind} parity generator"),
            f"the {kind} parity bit of {a_bit(width)} word",
            article(f"generator of the {kind} parity bit over {width} data bits"),
        ),
        inputs=(inp("d", width),),
        outputs=(outp("p"),),
        body=f"    assign p = {'~' if odd else ''}^d;",
        model=Combinational(lambda v: {"p": (v["d"].bit_count() + odd) & 1}),
        facts=(
            Fact(
                (),
                (
                    f"The number of ones in {{d}} and {{p}} together is {meaning}.",
                    f"{{p}} makes the total number of ones {meaning}.",
                    f"With {{p}} added to {{d}}, the count of ones is always {meaning}.",
                ),
            ),
        ),
        roles={"d": "data word", "p": f"{kind} parity bit"},
    )


def gray(width: int, direction: str) -> Circuit:
    to_gray = direction == "bin2gray"
    source, target = ("binary", "Gray code") if to_gray else ("Gray code", "binary")

    def function(v: dict[str, int]) -> dict[str, int]:
        if to_gray:
            return {"gray": v["bin"] ^ (v["bin"] >> 1)}
        value, shifted = v["gray"], v["gray"] >> 1
        while shifted:
            value ^= shifted
            shifted >>= 1
        return {"bin": value}

    names = ("bin", "gray") if to_gray else ("gray", "bin")
    if to_gray:
        body = "    assign gray = bin ^ (bin >> 1);"
    else:
        body = f"""    genvar i;
    generate
        for (i = 0; i < {width}; i = i + 1) begin : decode
            assign bin[i] = ^(gray >> i);
        end
    endgenerate"""
    return Circuit(
        name=direction,
        headlines=(
            article(f"{width}-bit {source} to {target} converter"),
            article(f"converter from {width}-bit {source} to {target}"),
            article(f"{width}-bit {'Gray code encoder' if to_gray else 'Gray code decoder'}"),
            article(f"circuit that turns {a_bit(width)} {source} word into {target}"),
        ),
        inputs=(inp(names[0], width),),
        outputs=(outp(names[1], width),),
        body=body,
        model=Combinational(function),
        roles={"bin": "binary word", "gray": "Gray code word"},
    )


_UNITS = {"bit": 1, "nibble": 4, "byte": 8}


def reverse(shape: tuple[int, str]) -> Circuit:
    width, unit = shape
    size = _UNITS[unit]
    count = width // size
    parts = [f"a[{i}]" if size == 1 else f"a[{i * size + size - 1}:{i * size}]" for i in range(count)]
    if size == 1:
        body = f"""    genvar i;
    generate
        for (i = 0; i < {width}; i = i + 1) begin : swap
            assign y[i] = a[{width - 1} - i];
        end
    endgenerate"""
    else:
        body = f"    assign y = {{{', '.join(parts)}}};"

    def function(v: dict[str, int]) -> dict[str, int]:
        pieces = [v["a"] >> (i * size) & mask(size) for i in range(count)]
        return {"y": sum(piece << ((count - 1 - i) * size) for i, piece in enumerate(pieces))}

    return Circuit(
        name=f"reverse_{unit}s",
        headlines=(
            f"a circuit that reverses the {unit}s of {a_bit(width)} word",
            article(f"{width}-bit {unit} reverser"),
            f"{unit} order reversal for {a_bit(width)} vector",
            f"a module that outputs {a_bit(width)} input with its {unit}s in reverse order",
        ),
        inputs=(inp("a", width),),
        outputs=(outp("y", width),),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (f"The first {unit} of {{a}} becomes the last {unit} of {{y}}.", f"Reverse the order of the {unit}s."),
            ),
        ),
        roles={"a": "input word", "y": "reversed word"},
    )


def extend(widths: tuple[int, int], kind: str) -> Circuit:
    narrow, wide = widths
    extra = wide - narrow
    fill = f"{extra}'b0" if kind == "zero" else f"{{{extra}{{a[{narrow - 1}]}}}}"

    def function(v: dict[str, int]) -> dict[str, int]:
        top = kind == "sign" and v["a"] >> (narrow - 1)
        return {"y": v["a"] | (mask(extra) << narrow if top else 0)}

    return Circuit(
        name=f"{kind}_extend",
        headlines=(
            article(f"{kind} extension from {narrow} to {wide} bits"),
            article(f"{kind} extender from {narrow} bits to {wide} bits"),
            article(f"{narrow}-bit to {wide}-bit {kind} extender"),
            f"a module that {kind}-extends {a_bit(narrow)} value to {wide} bits",
        ),
        inputs=(inp("a", narrow),),
        outputs=(outp("y", wide),),
        body=f"    assign y = {{{fill}, a}};",
        model=Combinational(function),
        roles={"a": f"{narrow}-bit value", "y": f"{wide}-bit value"},
    )


def popcount(width: int, what: str) -> Circuit:
    size = width.bit_length()
    bit = "a[i]" if what == "ones" else "!a[i]"
    return Circuit(
        name="popcount" if what == "ones" else "count_zeros",
        headlines=(
            f"a population count that counts the {what} in {a_bit(width)} word",
            f"a circuit that counts the {what} in {a_bit(width)} input",
            article(f"{width}-bit counter of {what}, combinational"),
            f"a module that gives the number of {what} among {width} bits",
        ),
        inputs=(inp("a", width),),
        outputs=(outp("n", size),),
        registers=frozenset({"n"}),
        body=f"""    integer i;
    always @(*) begin
        n = {size}'d0;
        for (i = 0; i < {width}; i = i + 1)
            if ({bit})
                n = n + {size}'d1;
    end""",
        model=Combinational(lambda v: {"n": v["a"].bit_count() if what == "ones" else width - v["a"].bit_count()}),
        facts=(
            Fact(
                (), (f"{{n}} is the number of {what} in {{a}}.", f"Count the {what} of {{a}} into {{n}} ({size} bits).")
            ),
        ),
        roles={"a": "input word", "n": f"number of {what}"},
    )


_WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32)

FAMILIES = (
    Family("gate", "logic gates", "easy", "combinational", {"op": tuple(_TWO), "width": _WIDTHS}, gate),
    Family("reduction", "logic gates", "easy", "combinational", {"op": tuple(_REDUCE), "width": _WIDTHS[1:]}, reduction),
    Family("parity", "parity", "easy", "combinational", {"width": range(3, 33), "kind": ("even", "odd")}, parity),
    Family("gray", "Gray code", "easy", "combinational", {"width": range(2, 33), "direction": ("bin2gray", "gray2bin")}, gray),
    Family(
        "reverse", "bit manipulation", "easy", "combinational",
        {"shape": [(w, unit) for unit, size in _UNITS.items() for w in range(size * 2, 65, size) if w > 5]}, reverse,
    ),
    Family(
        "extend", "bit manipulation", "easy", "combinational",
        {"widths": [(n, w) for n in range(2, 17) for w in (8, 12, 16, 20, 24, 32) if w > n], "kind": ("zero", "sign")}, extend,
    ),
    Family("popcount", "bit manipulation", "easy", "combinational", {"width": range(3, 33), "what": ("ones", "zeros")}, popcount),
)  # fmt: skip
