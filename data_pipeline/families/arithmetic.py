"""Families of arithmetic and comparison: adders, subtractors, comparators, minimum and maximum, shifters, ALUs."""

from __future__ import annotations

from collections.abc import Callable

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, article, inp, mask, outp, signed

_WIDTHS = tuple(range(2, 33))


def adder(width: int, carry: str) -> Circuit:
    carry_in, carry_out = "in" in carry.split("_"), "out" in carry.split("_")
    left = "{cout, sum}" if carry_out else "sum"
    right = "a + b + cin" if carry_in else "a + b"

    def function(v: dict[str, int]) -> dict[str, int]:
        total = v["a"] + v["b"] + (v["cin"] if carry_in else 0)
        return {"sum": total & mask(width), "cout": total >> width}

    facts = []
    if carry_in:
        facts.append(
            Fact(("carry in", "a carry input"), ("The carry input {cin} is added too.", "{cin} is the carry in."))
        )
    if carry_out:
        facts.append(
            Fact(
                ("carry out", "a carry output"),
                ("{cout} is the carry out of the top bit.", "The carry goes to {cout}."),
            )
        )
    return Circuit(
        name="adder",
        headlines=(
            article(f"{width}-bit adder"),
            article(f"adder for two {width}-bit numbers"),
            article(f"{width}-bit binary adder"),
            article(f"combinational {width}-bit adder"),
            article(f"circuit that adds two {width}-bit numbers"),
        ),
        inputs=(inp("a", width), inp("b", width), *((inp("cin"),) if carry_in else ())),
        outputs=(outp("sum", width), *((outp("cout"),) if carry_out else ())),
        body=f"    assign {left} = {right};",
        model=Combinational(function),
        facts=tuple(facts),
        roles={"a": "first addend", "b": "second addend", "cin": "carry in", "sum": "sum", "cout": "carry out"},
    )


def subtractor(width: int, borrow: bool) -> Circuit:
    return Circuit(
        name="subtractor",
        headlines=(
            article(f"{width}-bit subtractor"),
            article(f"subtractor for two {width}-bit numbers"),
            article(f"{width}-bit binary subtractor"),
            article(f"circuit that subtracts two {width}-bit numbers"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("diff", width), *((outp("borrow"),) if borrow else ())),
        body="    assign diff = a - b;" + ("\n    assign borrow = a < b;" if borrow else ""),
        model=Combinational(lambda v: {"diff": (v["a"] - v["b"]) & mask(width), "borrow": int(v["a"] < v["b"])}),
        facts=(
            Fact((), ("{diff} is {a} minus {b}.", "Subtract {b} from {a} to get {diff}.")),
            *(
                (
                    Fact(
                        ("borrow out", "a borrow output"),
                        ("{borrow} is 1 when {a} is less than {b}.", "{borrow} flags {a} < {b}."),
                    ),
                )
                if borrow
                else ()
            ),
        ),
        roles={"a": "minuend", "b": "subtrahend", "diff": "difference", "borrow": "borrow out"},
    )


_TESTS = {
    "eq": ("==", "equal to"),
    "ne": ("!=", "not equal to"),
    "lt": ("<", "less than"),
    "gt": (">", "greater than"),
    "le": ("<=", "less than or equal to"),
    "ge": (">=", "greater than or equal to"),
}
_TEST_SETS = ("eq", "lt", "gt", "ge", "le", "ne", "eq_lt_gt", "lt_eq", "gt_eq", "lt_gt", "ge_le")


def comparator(width: int, tests: str, sign: str) -> Circuit:
    chosen = tests.split("_")
    read = (lambda x: signed(x, width)) if sign == "signed" else (lambda x: x)
    wrap = (lambda name: f"$signed({name})") if sign == "signed" else (lambda name: name)

    def function(v: dict[str, int]) -> dict[str, int]:
        a, b = read(v["a"]), read(v["b"])
        results = {"eq": a == b, "ne": a != b, "lt": a < b, "gt": a > b, "le": a <= b, "ge": a >= b}
        return {name: int(results[name]) for name in chosen}

    return Circuit(
        name="comparator",
        headlines=(
            article(f"{width}-bit {sign} comparator"),
            article(f"{sign} comparator for two {width}-bit numbers"),
            article(f"comparator of two {width}-bit {sign} numbers"),
            article(f"{sign} {width}-bit magnitude comparator"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=tuple(outp(name) for name in chosen),
        body="\n".join(f"    assign {name} = {wrap('a')} {_TESTS[name][0]} {wrap('b')};" for name in chosen),
        model=Combinational(function),
        facts=tuple(
            Fact(
                (f"an output {{{name}}} that is 1 when {{a}} is {_TESTS[name][1]} {{b}}",),
                (
                    f"{{{name}}} is 1 when {{a}} is {_TESTS[name][1]} {{b}}.",
                    f"Set {{{name}}} if {{a}} is {_TESTS[name][1]} {{b}}.",
                ),
            )
            for name in chosen
        ),
        roles={"a": "first number", "b": "second number", **{n: f"{{a}} is {_TESTS[n][1]} {{b}}" for n in chosen}},
    )


def min_max(width: int, kind: str, sign: str) -> Circuit:
    read = (lambda x: signed(x, width)) if sign == "signed" else (lambda x: x)
    pick = min if kind == "minimum" else max
    test = "<" if kind == "minimum" else ">"
    condition = f"$signed(a) {test} $signed(b)" if sign == "signed" else f"a {test} b"
    return Circuit(
        name=kind[:3],
        headlines=(
            f"the {kind} of two {width}-bit {sign} numbers",
            article(f"{width}-bit {sign} {kind} selector"),
            f"a module that outputs the {'smaller' if kind == 'minimum' else 'larger'} of two {width}-bit {sign} numbers",
            article(f"circuit for the {kind} of two {sign} {width}-bit inputs"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("y", width),),
        body=f"    assign y = ({condition}) ? a : b;",
        model=Combinational(lambda v: {"y": pick(v["a"], v["b"], key=read)}),
        roles={"a": "first number", "b": "second number", "y": kind},
    )


_SHIFTS = {
    "shl": ("a << amount", "logical left shifter", "left, filling with zeros"),
    "shr": ("a >> amount", "logical right shifter", "right, filling with zeros"),
    "sra": ("$signed(a) >>> amount", "arithmetic right shifter", "right, copying the sign bit"),
    "rol": ("(a << amount) | (a >> ({w} - amount))", "left rotator", "left, the bits that leave coming back in"),
    "ror": ("(a >> amount) | (a << ({w} - amount))", "right rotator", "right, the bits that leave coming back in"),
}


def shifter(width: int, kind: str) -> Circuit:
    size = width.bit_length() - 1
    expression, noun, effect = _SHIFTS[kind]

    def function(v: dict[str, int]) -> dict[str, int]:
        a, n = v["a"], v["amount"]
        value = {
            "shl": a << n,
            "shr": a >> n,
            "sra": signed(a, width) >> n,
            "rol": a << n | a >> (width - n),
            "ror": a >> n | a << (width - n),
        }[kind]
        return {"y": value & mask(width)}

    return Circuit(
        name=f"barrel_{kind}",
        headlines=(
            article(f"{width}-bit {noun}"),
            article(f"{noun} for {width}-bit words"),
            article(f"{width}-bit barrel {noun}"),
            article(f"combinational {noun}, {width} bits wide"),
        ),
        inputs=(inp("a", width), inp("amount", size)),
        outputs=(outp("y", width),),
        body=f"    assign y = {expression.format(w=width)};",
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"{{y}} is {{a}} moved {{amount}} places {effect}.",
                    f"Move {{a}} by {{amount}} places to the {effect}.",
                ),
            ),
        ),
        roles={"a": "word", "amount": "number of places", "y": "result"},
    )


# Expression, description, model; results are cut to the width.
_OPERATIONS: dict[str, tuple[str, str, Callable[[int, int], int]]] = {
    "add": ("a + b", "{a} plus {b}", lambda a, b: a + b),
    "sub": ("a - b", "{a} minus {b}", lambda a, b: a - b),
    "and": ("a & b", "the bitwise AND of {a} and {b}", lambda a, b: a & b),
    "or": ("a | b", "the bitwise OR of {a} and {b}", lambda a, b: a | b),
    "xor": ("a ^ b", "the bitwise XOR of {a} and {b}", lambda a, b: a ^ b),
    "not": ("~a", "the bitwise NOT of {a}", lambda a, b: ~a),
    "inc": ("a + 1'b1", "{a} plus 1", lambda a, b: a + 1),
    "pass": ("b", "{b} unchanged", lambda a, b: b),
}
_OPERATION_SETS = (
    "add_sub", "and_or", "add_and", "sub_xor", "add_sub_and_or", "and_or_xor_not", "add_sub_and_xor", "sub_add_or_and",
    "xor_and_add_sub", "add_inc_not_pass", "or_and_xor_add", "not_pass_add_sub", "pass_add_sub_xor", "add_or_not_sub",
)  # fmt: skip


def alu(width: int, operations: str, zero: bool) -> Circuit:
    chosen = operations.split("_")
    size = (len(chosen) - 1).bit_length()
    codes = [format(i, f"0{size}b") for i in range(len(chosen))]
    cases = [f"            {size}'b{code}: y = {_OPERATIONS[op][0]};" for code, op in zip(codes, chosen, strict=True)]
    cases[-1] = f"            default: y = {_OPERATIONS[chosen[-1]][0]};"

    def function(v: dict[str, int]) -> dict[str, int]:
        value = _OPERATIONS[chosen[v["op"]]][2](v["a"], v["b"]) & mask(width)
        return {"y": value, "zero": int(value == 0)}

    table = [(code, _OPERATIONS[op][1]) for code, op in zip(codes, chosen, strict=True)]
    return Circuit(
        name="alu",
        headlines=(
            article(f"{width}-bit ALU"),
            article(f"{width}-bit arithmetic logic unit"),
            article(f"ALU for {width}-bit operands"),
            article(f"{len(chosen)}-operation {width}-bit ALU"),
        ),
        inputs=(inp("a", width), inp("b", width), inp("op", size)),
        outputs=(outp("y", width), *((outp("zero"),) if zero else ())),
        registers=frozenset({"y"}),
        body="    always @(*) begin\n        case (op)\n"
        + "\n".join(cases)
        + "\n        endcase\n    end"
        + (f"\n    assign zero = (y == {width}'d0);" if zero else ""),
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    "By the operation {op}, {y} is " + "; ".join(f"{what} for {code}" for code, what in table) + ".",
                    " ".join(f"When {{op}} is {code}, the result is {what}." for code, what in table),
                    "Results: " + "; ".join(f"{what} for {{op}} = {code}" for code, what in table) + ".",
                ),
            ),
            *(
                (
                    Fact(
                        ("a zero flag", "zero flag"),
                        ("{zero} is 1 when the result is 0.", "Set {zero} if {y} is zero."),
                    ),
                )
                if zero
                else ()
            ),
        ),
        roles={"a": "first operand", "b": "second operand", "op": "operation", "y": "result", "zero": "result is zero"},
        cycles=160,
    )


FAMILIES = (
    Family("adder", "adders", "easy", "combinational", {"width": _WIDTHS, "carry": ("none", "in", "out", "in_out")}, adder),
    Family("subtractor", "subtractors", "easy", "combinational", {"width": _WIDTHS, "borrow": (False, True)}, subtractor),
    Family(
        "comparator", "comparators", "easy", "combinational",
        {"width": _WIDTHS, "tests": _TEST_SETS, "sign": ("unsigned", "signed")}, comparator,
    ),
    Family(
        "min_max", "comparators", "easy", "combinational",
        {"width": _WIDTHS, "kind": ("minimum", "maximum"), "sign": ("unsigned", "signed")}, min_max,
    ),
    Family("shifter", "shifters", "easy", "combinational", {"width": (4, 8, 16, 32, 64), "kind": tuple(_SHIFTS)}, shifter),
    Family(
        "alu", "ALUs", "medium", "combinational",
        {"width": _WIDTHS, "operations": _OPERATION_SETS, "zero": (False, True)}, alu,
    ),
)  # fmt: skip
