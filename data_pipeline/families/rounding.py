"""Families of results that are rounded, limited or made positive: averages, saturation, absolute values."""

from __future__ import annotations

from data_pipeline.circuit import (
    Circuit,
    Combinational,
    Fact,
    Family,
    Values,
    a_bit,
    article,
    inp,
    mask,
    outp,
    parameter_fact,
    signed,
)
from data_pipeline.families.sizes import Size

# Operation to a noun phrase and what y is.
_OPERATIONS = {
    "absolute value": ("absolute value", "{y} is the absolute value of {a}"),
    "negation": ("negation", "{y} is -{a}"),
    "conditional negation": ("conditional negation", "{y} is -{a} when {neg} is 1 and {a} when it is 0"),
    "negative absolute value": (
        "negated absolute value",
        "{y} is -|{a}|, that is, {a} if it is negative and -{a} if not",
    ),
}


def magnitude(width: int, operation: str, overflow: str, generic: bool) -> Circuit:
    """Absolute value and negation of two's complement, where the most negative number has no counterpart."""
    size = Size(width, "WIDTH" if generic else "")
    rest = "(WIDTH-1)" if generic else str(width - 1)
    lowest, highest = f"{{1'b1, {{{rest}{{1'b0}}}}}}", f"{{1'b0, {{{rest}{{1'b1}}}}}}"
    turns = {"absolute value": f"a[{size.top}]", "negation": "1'b1", "conditional negation": "neg",
             "negative absolute value": f"!a[{size.top}]"}[operation]  # fmt: skip
    can_overflow = operation != "negative absolute value"
    test = f"(a == {lowest})" + " && neg" * (operation == "conditional negation")
    negated = "~a + 1'b1"
    value = negated if operation == "negation" else f"{turns} ? {negated} : a"
    saturates, flagged = can_overflow and "saturate" in overflow, can_overflow and overflow != "saturate"
    body = f"    assign ovf = {test};\n" if flagged else ""
    if saturates:
        body += f"    assign y = {'ovf' if flagged else f'({test})'} ? {highest} : ({value});"
    else:
        body += f"    assign y = {value};"

    def function(v: Values) -> dict[str, int]:
        a = signed(v["a"], width)
        exact = {"absolute value": abs(a), "negation": -a, "conditional negation": -a if v.get("neg") else a,
                 "negative absolute value": -abs(a)}[operation]  # fmt: skip
        over = exact > mask(width - 1)
        return {"y": mask(width - 1) if over and saturates else exact & mask(width), "ovf": int(over)}

    noun, words = _OPERATIONS[operation]
    return Circuit(
        name={"a": "abs_value", "n": "negate", "c": "cond_negate"}[operation[0]] if can_overflow else "neg_abs",
        headlines=(
            article(f"{width}-bit {noun} unit for two's complement numbers"),
            f"the {noun} of a signed {width}-bit number",
            article(f"{noun} circuit for signed {width}-bit operands"),
            f"a combinational {noun} of {a_bit(width)} two's complement number",
            article(f"signed {width}-bit {noun} block"),
        ),
        inputs=(inp("a", width), *((inp("neg"),) if "conditional" in operation else ())),
        outputs=(outp("y", width), *((outp("ovf"),) if flagged else ())),
        body=body,
        model=Combinational(function),
        facts=(
            Fact((), (f"{words}.", f"{{a}} is a two's complement number and {words}.")),
            *((_beyond_fact(saturates),) if can_overflow else ()),
            *((_OVERFLOW,) if flagged else ()),
            *parameter_fact(size.parameters, WIDTH="the width of {a} and {y}"),
        ),
        parameters=size.parameters,
        ranges=size.ranges("a", "y"),
        roles={"a": "signed operand", "neg": "negate when 1", "y": "signed result", "ovf": "result does not fit"},
        cycles=200,
    )


def _beyond_fact(saturates: bool) -> Fact:
    if saturates:
        return Fact(
            ("saturation at the largest positive number",),
            (
                "When the most negative number would have to be made positive, {y} is the largest positive number.",
                "A result that does not fit becomes the largest positive number.",
            ),
        )
    return Fact(
        ("a result that wraps around (the most negative number is its own negative)",),
        (
            "The negative of the most negative number does not fit and wraps around to the same number.",
            "The most negative number, made positive, stays as it is.",
        ),
    )


_OVERFLOW = Fact(
    ("an overflow flag {ovf} that is 1 exactly when the true result does not fit",),
    (
        "{ovf} is 1 when the true result is too large for {y}, and 0 otherwise.",
        "The flag {ovf} tells that the most negative number was to be made positive.",
    ),
)

_ROUNDING = {
    "down": "towards minus infinity (the lower neighbour)",
    "up": "towards plus infinity (the higher neighbour)",
    "zero": "towards zero",
    "even": "to the even neighbour",
}


def average(width: int, kind: tuple[str, str], form: str, generic: bool) -> Circuit:
    sign, rounding = kind
    size = Size(width, "WIDTH" if generic else "")
    is_signed = sign == "signed"
    if form == "carry-free" and not is_signed and rounding in ("down", "up"):
        body = f"    assign y = {'(a & b) + ((a ^ b) >> 1)' if rounding == 'down' else '(a | b) - ((a ^ b) >> 1)'};"
    else:
        ends = [f"{{a[{size.top}], a}}", f"{{b[{size.top}], b}}"] if is_signed else ["{1'b0, a}", "{1'b0, b}"]
        exact = " + ".join(ends) + (" + 1'b1" if rounding == "up" else "")
        last = f"wide[{size.text}:1]"
        carry = {"zero": f" + (wide[{size.text}] & wide[0])", "even": " + (wide[0] & wide[1])"}.get(rounding, "")
        body = f"    wire [{size.text}:0] wide;\n    assign wide = {exact};\n    assign y = {last}{carry};"

    def function(v: Values) -> dict[str, int]:
        total = sum(signed(v[n], width) if is_signed else v[n] for n in "ab")
        half = total // 2
        if total & 1 and (rounding == "up" or (rounding == "zero" and total < 0) or (rounding == "even" and half & 1)):
            half += 1
        return {"y": half & mask(width)}

    numbers = "two's complement" if is_signed else "unsigned"
    return Circuit(
        name="average",
        headlines=(
            f"the average of two {width}-bit numbers ({numbers})",
            article(f"{width}-bit averaging unit for {numbers} numbers"),
            f"a circuit for the mean of a pair of {numbers} {width}-bit inputs",
            article(f"combinational average of a pair of {numbers} operands of {width} bits"),
            article(f"{numbers} {width}-bit mean value block for two operands"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("y", width),),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (f"a result {{y}} = ({{a}} + {{b}}) / 2 in which halves are rounded {_ROUNDING[rounding]}",),
                (
                    f"{{y}} is ({{a}} + {{b}}) / 2, where a half is rounded {_ROUNDING[rounding]}.",
                    f"{{y}} is half of the exact sum of {{a}} and {{b}}, rounded {_ROUNDING[rounding]} if that is no integer.",
                    f"Halves are rounded {_ROUNDING[rounding]}; the sum of {{a}} and {{b}} behind {{y}} must not lose its carry.",
                ),
            ),
            *parameter_fact(size.parameters, WIDTH="the width of {a}, {b} and {y}"),
        ),
        parameters=size.parameters,
        ranges=size.ranges("a", "b", "y"),
        roles={"a": "first number", "b": "second number", "y": "average"},
        cycles=160,
    )


def saturate(widths: tuple[int, int], kind: str, flag: bool, generic: bool) -> Circuit:
    wide, narrow = widths
    source, target = Size(wide, "IN_WIDTH" if generic else ""), Size(narrow, "OUT_WIDTH" if generic else "")
    rest = "(OUT_WIDTH-1)" if generic else str(narrow - 1)
    low, high = (-(1 << (narrow - 1)), mask(narrow - 1)) if kind == "signed" else (0, mask(narrow))
    sign = f"a[{source.top}]"
    if kind == "signed":
        over = f"(a[{source.top}:{target.top}] != {{(IN_WIDTH-OUT_WIDTH+1){{{sign}}}}})"
        if not generic:
            over = f"(a[{wide - 1}:{narrow - 1}] != {{{wide - narrow + 1}{{{sign}}}}})"
        edge = f"{{{sign}, {{{rest}{{~{sign}}}}}}}"
    else:
        over = f"(|a[{source.top}:{target.text}])"
        edge = f"{{{target.text}{{{'~' + sign if kind == 'clamp' else chr(49) + chr(39) + 'b1'}}}}}"
    test = "sat" if flag else over
    body = f"    assign sat = {over};\n" if flag else ""

    def function(v: Values) -> dict[str, int]:
        value = v["a"] if kind == "unsigned" else signed(v["a"], wide)
        return {"y": min(max(value, low), high) & mask(narrow), "sat": int(not low <= value <= high)}

    given = source.parameters | target.parameters
    before = "unsigned" if kind == "unsigned" else "signed"
    after = "signed" if kind == "signed" else "unsigned"
    return Circuit(
        name="saturate",
        headlines=(
            article(f"saturation from {wide}-bit {before} to {narrow}-bit {after} numbers"),
            article(f"circuit that limits {article(before)} {wide}-bit number to {narrow} bits ({after})"),
            article(f"saturating converter of {before} {wide}-bit numbers to {narrow}-bit {after} ones"),
            article(f"clipper from {wide} bits ({before}) to {narrow} bits ({after})"),
            article(f"{wide}-bit {before} to {narrow}-bit {after} limiter"),
        ),
        inputs=(inp("a", wide),),
        outputs=(outp("y", narrow), *((outp("sat"),) if flag else ())),
        body=body + f"    assign y = {test} ? {edge} : a[{target.top}:0];",
        model=Combinational(function),
        facts=(
            _limits_fact(low, high, kind, generic),
            *((_LIMITED,) if flag else ()),
            *parameter_fact(given, IN_WIDTH="the width of {a}", OUT_WIDTH="the width of {y}"),
        ),
        parameters=given,
        ranges=source.ranges("a") | target.ranges("y"),
        roles={"a": f"{before} number", "y": f"limited {after} number", "sat": "the number was limited"},
        cycles=320,
    )


def _limits_fact(low: int, high: int, kind: str, generic: bool) -> Fact:
    if generic:
        numbers = "two's complement" if kind == "signed" else "unsigned"
        return Fact(
            (),
            (
                f"{{y}} is {{a}} ({'unsigned' if kind == 'unsigned' else 'signed'}), or the nearest OUT_WIDTH-bit {numbers} "
                "number if it does not fit.",
                f"A value of {{a}} that does not fit into OUT_WIDTH bits ({numbers}) gives the nearest number that does; any other "
                "passes to {y} unchanged.",
            ),
        )
    if kind == "unsigned":
        return Fact(
            (f"a result {{y}} of {high} for any larger {{a}}",),
            (
                f"A value of {{a}} above {high} gives {high}; others pass to {{y}} unchanged.",
                f"{{y}} is {{a}} if that is at most {high}, else {high}.",
            ),
        )
    return Fact(
        (f"an output {{y}} that is {{a}} limited to the range from {low} to {high}",),
        (
            f"A value of {{a}} below {low} gives {low}, one above {high} gives {high}; others pass to {{y}} unchanged.",
            f"{{y}} is {{a}} (two's complement) limited to the range from {low} to {high}.",
            f"{{y}} is the signed {{a}} clipped at {low} and {high}.",
        ),
    )


_LIMITED = Fact(
    ("a flag {sat} that is 1 exactly when the value was limited",),
    ("{sat} is 1 when {a} did not fit and 0 otherwise.", "The flag {sat} tells that the value had to be limited."),
)


FAMILIES = (
    Family(
        "magnitude", "absolute value and negation", "easy", "combinational",
        {"width": (4, 5, 6, 8, 10, 12, 16, 24), "operation": tuple(_OPERATIONS),
         "overflow": ("wrap with flag", "saturate", "saturate with flag"), "generic": (False, True)},
        magnitude,
    ),
    Family(
        "average", "averages", "medium", "combinational",
        {"width": (4, 6, 7, 8, 12, 16), "kind": [(s, r) for s in ("unsigned", "signed") for r in _ROUNDING if s == "signed" or r != "zero"],
         "form": ("carry-free", "wide"), "generic": (False, True)},
        average,
    ),
    Family(
        "saturate", "saturating arithmetic", "medium", "combinational",
        {"widths": [(6, 4), (8, 5), (8, 6), (9, 7), (10, 8), (12, 10), (16, 13), (16, 15)],
         "kind": ("signed", "clamp", "unsigned"), "flag": (False, True), "generic": (False, True)},
        saturate,
    ),
)  # fmt: skip
