"""Families that write decimal and hexadecimal digits in other ways: seven segments, BCD from binary, codes of a digit."""

from __future__ import annotations

from collections.abc import Mapping

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, a_bit, article, inp, mask, outp

_USUAL = (
    "abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg",
    "abcefg", "cdefg", "adef", "bcdeg", "adefg", "aefg",
)  # fmt: skip
# Shapes that differ from the usual ones: in a hexadecimal display a 6 without its top would be a b.
_OTHERS = {"decimal": {6: "cdefg", 9: "abcfg"}, "hexadecimal": {7: "abcf", 9: "abcfg"}}


def _case(subject: str, target: str, rows: Mapping[str, str], otherwise: str) -> str:
    """A combinational block that gives ``target`` the value of the row that ``subject`` is."""
    lines = [f"            {value}: {target} = {code};" for value, code in rows.items()]
    lines.append(f"            default: {target} = {otherwise};")
    return "\n".join(["    always @(*) begin", f"        case ({subject})", *lines, "        endcase", "    end"])


def seven_segment(digits: str, shapes: str, level: str, order: str, control: str) -> Circuit:
    base, _, beyond = digits.partition(" ")
    lit = list(_USUAL)
    for digit, other in (_OTHERS[base] if shapes == "other" else {}).items():
        lit[digit] = other
    if base == "decimal":
        lit[10:] = ["g" if beyond == "dash" else ""] * 6
    codes = [sum(1 << order[::-1].index(segment) for segment in segments) for segments in lit]
    low = level == "low"
    flip = mask(7) if low and control == "none" else 0
    last = 15 if base == "hexadecimal" else 10
    rows = {f"4'd{digit}": f"7'b{codes[digit] ^ flip:07b}" for digit in range(last)}
    otherwise = f"7'b{codes[last] ^ flip:07b}"
    body = _case("d", "seg", rows, otherwise)
    if control != "none":
        forced = f"{control} ? 7'b{'0' * 7 if control == 'blank' else '1' * 7} : lit"
        body = f"    reg [6:0] lit;\n{_case('d', 'lit', rows, otherwise)}\n"
        body += f"    assign seg = {f'~({forced})' if low else forced};"

    def function(v: dict[str, int]) -> dict[str, int]:
        code = {"none": codes[v["d"]], "blank": 0, "lamp_test": mask(7)}[control if v.get(control) else "none"]
        return {"seg": code ^ mask(7) if low else code}

    return Circuit(
        name="seven_segment",
        headlines=(
            article(f"{base} seven-segment decoder"),
            article(f"decoder from a {base} digit to seven segments"),
            article(f"seven-segment display driver for {base} digits"),
            article(f"{base} digit to 7-segment converter"),
            article(f"circuit that drives a seven-segment display with a {base} digit"),
        ),
        inputs=(inp("d", 4), *((inp(control),) if control != "none" else ())),
        outputs=(outp("seg", 7),),
        registers=frozenset({"seg"}) if control == "none" else frozenset(),
        body=body,
        model=Combinational(function),
        facts=(
            _segments_fact(lit[: 16 if base == "hexadecimal" else 10]),
            _order_fact(order, level),
            *((_BEYOND[beyond],) if beyond else ()),
            *((_FORCED[control],) if control != "none" else ()),
        ),
        roles={"d": "digit", "seg": f"segments, active {level}", "blank": "all dark", "lamp_test": "all lit"},
    )


def _segments_fact(lit: list[str]) -> Fact:
    listed = [f"{'0123456789AbCdEF'[digit]} {segments}" for digit, segments in enumerate(lit)]
    return Fact(
        (),
        (
            f"For each digit {{d}}, {{seg}} lights these segments: {', '.join(listed)}.",
            f"{{seg}} forms the digit {{d}} of these segments: {', '.join(listed)}.",
            f"Lit segments by the value of {{d}}: {'; '.join(listed)}.",
        ),
    )


def _order_fact(order: str, level: str) -> Fact:
    first, last = order[0], order[-1]
    on = 1 if level == "high" else 0
    return Fact(
        (f"active-{level} outputs {{seg}}, segment {first} in bit 6 and so on to segment {last} in bit 0",),
        (
            f"{{seg}}[6] is segment {first}, and so on to {{seg}}[0], which is segment {last}; a lit segment is {on}.",
            f"The outputs are active {level}; bits 6 to 0 of {{seg}} are the segments {', '.join(order)}.",
            f"{{seg}} holds the segments {order} from bit 6 down to bit 0, active {level}.",
        ),
    )


_BEYOND = {
    "blank": Fact(
        ("a dark display for values above 9",),
        ("For values above 9 no segment is lit.", "The display stays dark when {d} is 10 or more."),
    ),
    "dash": Fact(
        ("a dash (segment g alone) for values above 9",),
        ("For values above 9 only segment g is lit.", "When {d} is 10 or more it shows a dash: segment g alone."),
    ),
}
_FORCED = {
    "blank": Fact(
        ("an input {blank} that, when 1, turns all segments off",),
        ("When {blank} is 1 no segment is lit, whatever {d} is.", "{blank} = 1 makes all segments dark."),
    ),
    "lamp_test": Fact(
        ("a lamp test input {lamp_test} that lights all segments when it is 1",),
        ("When {lamp_test} is 1 all seven segments are lit.", "{lamp_test} = 1 lights every segment, whatever {d} is."),
    ),
}

_PLACES = ("ones", "tens", "hundreds", "thousands")


def binary_to_bcd(width: int, form: str, packed: bool, blank: bool) -> Circuit:
    count = len(str(mask(width)))
    direct = packed and not blank
    store = "bcd" if direct else "digits"
    declared = "" if direct else f"    {'reg' if form == 'dabble' else 'wire'} [{4 * count - 1}:0] {store};\n"
    pieces = [f"digits[{4 * k + 3}:{4 * k}]" for k in range(count)]
    if blank:
        dark = [f"(digits[{4 * count - 1}:{4 * k}] == {4 * (count - k)}'d0)" for k in range(count)]
        pieces[1:] = [f"{dark[k]} ? 4'd15 : {pieces[k]}" for k in range(1, count)]
    body = declared + (_dabble if form == "dabble" else _divide)(width, count, store)
    if packed and blank:
        body += "\n    assign bcd = {" + ",\n                  ".join(f"({piece})" for piece in pieces[::-1]) + "};"
    if not packed:
        body += "".join(f"\n    assign {_PLACES[k]} = {piece};" for k, piece in enumerate(pieces))

    def function(v: dict[str, int]) -> dict[str, int]:
        digits = [v["bin"] // 10**k % 10 for k in range(count)]
        if blank:
            digits = [15 if k and v["bin"] < 10**k else digit for k, digit in enumerate(digits)]
        if packed:
            return {"bcd": sum(digit << 4 * k for k, digit in enumerate(digits))}
        return dict(zip(_PLACES, digits, strict=False))

    return Circuit(
        name="bin2bcd",
        headlines=(
            article(f"{width}-bit binary to BCD converter"),
            article(f"converter from {a_bit(width)} unsigned binary number to {count} BCD digits"),
            article(f"binary-to-decimal converter for {width}-bit numbers"),
            article(f"circuit that splits {a_bit(width)} unsigned number into its {count} decimal digits"),
            article(f"combinational BCD encoder of {width}-bit unsigned values"),
        ),
        inputs=(inp("bin", width),),
        outputs=(outp("bcd", 4 * count),) if packed else tuple(outp(name, 4) for name in _PLACES[:count][::-1]),
        registers=frozenset({"bcd"}) if direct and form == "dabble" else frozenset(),
        body=body,
        model=Combinational(function),
        facts=(_digits_fact(count, packed), *((_LEADING,) if blank else ())),
        roles={"bin": "binary number", "bcd": "BCD digits", **{name: f"{name} digit" for name in _PLACES}},
        cycles=320,
    )


def _dabble(width: int, count: int, store: str) -> str:
    """Shift and add three; a digit that stays below 5 before the last shift is never corrected."""
    corrections = []
    for k in range(count):
        if mask(width - 1) // 10**k > 4:
            digit = f"{store}[{4 * k + 3}:{4 * k}]"
            corrections += [f"            if ({digit} > 4'd4)", f"                {digit} = {digit} + 4'd3;"]
    return "\n".join([
        "    integer i;", "    always @(*) begin", f"        {store} = {4 * count}'d0;",
        f"        for (i = {width - 1}; i >= 0; i = i - 1) begin", *corrections,
        f"            {store} = {{{store}[{4 * count - 2}:0], bin[i]}};", "        end", "    end",
    ])  # fmt: skip


def _divide(width: int, count: int, store: str) -> str:
    lines = []
    for k in range(count):
        value = f"bin / {10**k}" if k else "bin"
        if k < count - 1:
            value = f"({value}) % 10" if k else "bin % 10"
        lines.append(f"    assign {store}[{4 * k + 3}:{4 * k}] = {value};")
    return "\n".join(lines)


def _digits_fact(count: int, packed: bool) -> Fact:
    if packed:
        return Fact(
            (f"the {count} digits of {{bin}} packed into {{bcd}}, ones in bits 3:0",),
            (
                f"{{bcd}} holds the {count} digits of {{bin}}, 4 bits each, the ones in bits 3:0.",
                f"The {count} BCD digits of {{bin}} stand in {{bcd}}, the least significant digit in the low 4 bits.",
            ),
        )
    names = ", ".join(f"{{{name}}}" for name in _PLACES[1:count][::-1])
    return Fact(
        (f"a 4-bit output for each digit of {{bin}}: {names} and {{ones}}",),
        (
            f"The digits of {{bin}} are the 4-bit outputs {names} and {{ones}}.",
            f"Each decimal digit of {{bin}} has a 4-bit output: {names} and {{ones}}.",
        ),
    )


_LEADING = Fact(
    ("leading zeros replaced by 15 (the last digit is always shown)",),
    (
        "Leading zeros are given as 4'hF instead of 0; the ones digit is always given as it is.",
        "A digit that is a leading zero is 15 (blank), except the ones digit, which is 0 when the number is 0.",
    ),
)

# The code words of the digits 0 to 9, and how to say them.
_CODES: dict[str, tuple[tuple[int, ...], str]] = {
    "BCD": (tuple(range(10)), "the digit in binary (8421)"),
    "excess-3": (tuple(range(3, 13)), "the digit plus 3 in binary"),
    "2421": ((0, 1, 2, 3, 4, 11, 12, 13, 14, 15), "0000 to 0100 for 0 to 4 and 1011 to 1111 for 5 to 9"),
    "5421": ((0, 1, 2, 3, 4, 8, 9, 10, 11, 12), "0000 to 0100 for 0 to 4 and 1000 to 1100 for 5 to 9"),
    "84-2-1": ((0, 7, 6, 5, 4, 11, 10, 9, 8, 15), "weights 8, 4, -2 and -1, so that 1 is 0111 and 9 is 1111"),
    "Gray": (tuple(n ^ n >> 1 for n in range(10)), "the digit n as n ^ (n >> 1)"),
}  # fmt: skip


def code_converter(pair: tuple[str, str], invalid: int, flag: bool) -> Circuit:
    source, target = pair
    (from_words, from_text), (to_words, to_text) = _CODES[source], _CODES[target]
    rows = {f"4'b{word:04b}": f"4'b{to_words[n]:04b}" for n, word in enumerate(from_words)}
    body = _case("a", "y", rows, f"4'b{invalid:04b}")
    if flag:
        listed = [f"(a == 4'd{word})" for word in from_words]
        test = " || ".join(listed)
        if source == "BCD":
            test = "a < 4'd10"
        elif source == "excess-3":
            test = "(a >= 4'd3) && (a <= 4'd12)"
        body += f"\n    assign valid = {test};"
    digit_of = {word: n for n, word in enumerate(from_words)}

    def function(v: dict[str, int]) -> dict[str, int]:
        digit = digit_of.get(v["a"])
        return {"y": invalid if digit is None else to_words[digit], "valid": int(digit is not None)}

    return Circuit(
        name="code_converter",
        headlines=(
            article(f"converter of a decimal digit from {source} to {target} code"),
            article(f"{source} to {target} code converter for one digit"),
            article(f"code converter that takes {article(source)} digit and gives {article(target)} digit"),
            article(f"4-bit {source}-to-{target} converter"),
            article(f"circuit that translates one digit of {source} code into {target} code"),
        ),
        inputs=(inp("a", 4),),
        outputs=(outp("y", 4), *((outp("valid"),) if flag else ())),
        registers=frozenset({"y"}),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"{source} code, at {{a}}, is {from_text}; {target} code, at {{y}}, is {to_text}.",
                    f"The code words are, for {source} ({{a}}): {from_text}; for {target} ({{y}}): {to_text}.",
                    f"The input {{a}} is in {source} code ({from_text}) and the output {{y}} in {target} code ({to_text}).",
                ),
            ),
            _invalid_fact(invalid),
            *((_VALID,) if flag else ()),
        ),
        roles={"a": f"digit in {source}", "y": f"digit in {target}", "valid": "input is a code word"},
    )


def _invalid_fact(invalid: int) -> Fact:
    return Fact(
        (f"an output of {invalid:04b} for inputs that are not code words",),
        (
            f"An input that is no code word gives {invalid:04b}.",
            f"{{y}} is {invalid:04b} when {{a}} is none of the ten code words.",
        ),
    )


_VALID = Fact(
    ("an output {valid} that is 1 exactly for the ten code words",),
    ("{valid} is 1 when {a} is one of the ten code words.", "{valid} tells whether {a} is a code word."),
)


FAMILIES = (
    Family(
        "seven_segment", "seven-segment decoders", "medium", "combinational",
        {"digits": ("decimal blank", "decimal dash", "hexadecimal"), "shapes": ("usual", "other"),
         "level": ("high", "low"), "order": ("abcdefg", "gfedcba"), "control": ("none", "blank", "lamp_test")},
        seven_segment,
    ),
    Family(
        "binary_to_bcd", "code converters", "medium", "combinational",
        {"width": range(4, 11), "form": ("dabble", "divide"), "packed": (True, False), "blank": (False, True)},
        binary_to_bcd,
    ),
    Family(
        "code_converter", "code converters", "medium", "combinational",
        {"pair": [(s, t) for s in _CODES for t in _CODES if s != t], "invalid": (0, 15), "flag": (False, True)},
        code_converter,
    ),
)  # fmt: skip
