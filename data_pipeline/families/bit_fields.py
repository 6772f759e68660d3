"""Families of bit ranges in a word: masks between two places, fields that are taken out or put in."""

from __future__ import annotations

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, Values, a_bit, article, inp, mask, outp

# Kind to its two inputs, the test of bit i for a loop, the expression over a whole word of ones, and the words.
_MASKS: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "between": (
        ("first", "last"), "(i >= first) && (i <= last)", "({ones} << first) & ~(({ones} << last) << 1)",
        "from {first} to {last}, both included (none when {first} is greater than {last})",
    ),
    "wrapping": (
        ("first", "last"), "(first <= last) ? ((i >= first) && (i <= last)) : ((i >= first) || (i <= last))",
        "(first <= last) ? (({ones} << first) & ~(({ones} << last) << 1))\n"
        "                               : (({ones} << first) | ~(({ones} << last) << 1))",
        "from {first} up to {last}, both included (going round from the top bit to bit 0 when {first} is greater than {last})",
    ),
    "length": (
        ("start", "length"), "(i >= start) && (i < start + length)", "~({ones} << length) << start",
        "from {start} on, {length} of them (what would lie above the top bit is dropped)",
    ),
    "downwards": (
        ("last", "length"), "(i <= last) && (i + length > last)", "~({ones} >> length) >> ({top} - last)",
        "from {last} downwards, {length} of them (what would lie below bit 0 is dropped)",
    ),
}  # fmt: skip


def mask_generator(width: int, kind: str, marked: int, style: str) -> Circuit:
    size = (width - 1).bit_length()
    names, test, expression, words = _MASKS[kind]
    ones = f"{{{width}{{1'b1}}}}"
    if style == "loop":
        body = f"""    integer i;
    always @(*)
        for (i = 0; i < {width}; i = i + 1)
            y[i] = {test if marked else f"!({test})"};"""
    else:
        value = expression.format(ones=ones, top=width - 1)
        body = f"    assign y = {value if marked else f'~({value})'};"

    def inside(i: int, v: Values) -> bool:
        if kind == "downwards":
            return v["last"] - v["length"] < i <= v["last"]
        if kind == "length":
            return v["start"] <= i < v["start"] + v["length"]
        if kind == "wrapping" and v["first"] > v["last"]:
            return i >= v["first"] or i <= v["last"]
        return v["first"] <= i <= v["last"]

    def function(v: Values) -> dict[str, int]:
        return {"y": sum(1 << i for i in range(width) if inside(i, v) == bool(marked))}

    noun = "ones" if marked else "zeros"
    return Circuit(
        name="mask_gen",
        headlines=(
            article(f"{width}-bit mask generator"),
            article(f"generator of {width}-bit masks"),
            article(f"mask generator for {width}-bit words"),
            article(f"circuit that makes {a_bit(width)} mask of {noun}"),
            article(f"{width}-bit mask builder"),
        ),
        inputs=tuple(inp(name, size + (name == "length")) for name in names),
        outputs=(outp("y", width),),
        registers=frozenset({"y"}) if style == "loop" else frozenset(),
        body=body,
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"The bits of {{y}} {words} are {marked}; the others are {1 - marked}.",
                    f"{{y}} has {noun} at the bits {words}, and {'zeros' if marked else 'ones'} elsewhere.",
                    f"Make these bits of {{y}} {marked}: those {words}. All others are {1 - marked}.",
                ),
            ),
        ),
        roles={"first": "first (lowest) bit", "last": "last (highest) bit", "start": "first bit", "length": "number of bits", "y": "mask"},
        cycles=240,
    )  # fmt: skip


def bit_field(field: tuple[int, int, int], kind: str, place: str) -> Circuit:
    width, low, size = field
    moving = place == "input"
    insert = kind == "insert"
    high = low + size - 1
    fill = width - size

    def function(v: Values) -> dict[str, int]:
        at = v["pos"] if moving else low
        if insert:
            return {"y": v["a"] & ~(mask(size) << at) & mask(width) | v["b"] << at & mask(width)}
        value = v["a"] >> at & mask(size)
        return {"y": value | (mask(fill) << size if kind == "sign" and value >> (size - 1) else 0)}

    noun = "insertion" if insert else "extraction"
    verb = "replaces a field of" if insert else f"extracts and {kind}-extends a field of"
    return Circuit(
        name="field_insert" if insert else "field_extract",
        headlines=(
            article(f"{noun} of {a_bit(size)} field {'into' if insert else 'from'} {a_bit(width)} word"),
            article(f"{size}-bit field {noun} unit for {width}-bit words"),
            f"a circuit that {verb} {size} bits in {a_bit(width)} word",
            article(
                f"bit-field {'inserter' if insert else 'extractor'} for {width}-bit words and fields of {size} bits"
            ),
            f"a module that {verb} {size} bits within {width} bits",
        ),
        inputs=(
            inp("a", width),
            *((inp("b", size),) if insert else ()),
            *((inp("pos", (width - 1).bit_length()),) if moving else ()),
        ),
        outputs=(outp("y", width),),
        body=_field_body(width, low, size, kind, moving),
        model=Combinational(function),
        facts=(
            _insert_fact(high, low, size, moving) if insert else _extract_fact(high, low, size, moving),
            *(() if insert else (_EXTENSION[kind],)),
        ),
        roles={"a": "word", "b": "new field", "pos": "lowest bit of the field", "y": "result"},
        cycles=200,
    )


def _field_body(width: int, low: int, size: int, kind: str, moving: bool) -> str:
    high, fill = low + size - 1, width - size
    if kind == "insert" and moving:
        return f"    assign y = (a & ~({width}'d{mask(size)} << pos)) | (b << pos);"
    if kind == "insert":
        parts = [f"a[{width - 1}:{high + 1}]"] * (high < width - 1) + ["b"] + [f"a[{low - 1}:0]"] * (low > 0)
        return f"    assign y = {{{', '.join(parts)}}};"
    start, field, sign = "", f"a[{high}:{low}]", f"a[{high}]"
    if moving:
        start = f"    wire [{width - 1}:0] moved;\n    assign moved = a >> pos;\n"
        field, sign = f"moved[{size - 1}:0]", f"moved[{size - 1}]"
    return f"{start}    assign y = {{{{{fill}{{{sign if kind == 'sign' else chr(49) + chr(39) + 'b0'}}}}}, {field}}};"


def _extract_fact(high: int, low: int, size: int, moving: bool) -> Fact:
    if moving:
        return Fact(
            (),
            (
                f"The field is the {size} bits of {{a}} from {{pos}} upwards; bits above the top of {{a}} count as 0.",
                f"{{pos}} is the lowest of the {size} bits of {{a}} that are taken; beyond the top of {{a}} zeros are read.",
                f"Take {size} bits of {{a}} from bit {{pos}} on, with zeros above the top bit of {{a}}.",
            ),
        )
    return Fact(
        (),
        (
            f"The field is {{a}}[{high}:{low}].",
            f"Bits {high} down to {low} of {{a}} go to the low end of {{y}}.",
            f"{{y}} is made from bits {low} to {high} of {{a}}.",
        ),
    )


def _insert_fact(high: int, low: int, size: int, moving: bool) -> Fact:
    if moving:
        return Fact(
            (),
            (
                f"{{y}} is {{a}} with the {size} bits from {{pos}} upwards replaced by {{b}}; bits of {{b}} that would lie "
                "above the top bit are dropped.",
                f"{{b}} takes the place of the {size} bits of {{a}} whose lowest one is {{pos}}; what does not fit at the "
                "top is lost.",
            ),
        )
    return Fact(
        (),
        (
            f"{{y}} is {{a}} with bits {high} to {low} replaced by {{b}}.",
            f"{{b}} takes the place of {{a}}[{high}:{low}]; the other bits of {{a}} pass unchanged.",
        ),
    )


_EXTENSION = {
    "zero": Fact(
        ("zeros above the field in {y}",),
        ("It is zero-extended to {y}.", "The upper bits of {y} are 0."),
    ),
    "sign": Fact(
        ("sign extension of the field in {y}",),
        ("It is sign-extended to {y}.", "The upper bits of {y} are copies of the field's top bit."),
    ),
}


_FIELDS = [(8, 2, 3), (8, 4, 4), (8, 1, 5), (12, 3, 6), (12, 8, 4), (16, 4, 8), (16, 0, 6), (16, 11, 5), (16, 9, 4),
           (24, 6, 10), (24, 12, 12), (32, 7, 5), (32, 20, 12), (32, 8, 16), (32, 13, 9)]  # fmt: skip

FAMILIES = (
    Family(
        "mask_generator", "bit manipulation", "medium", "combinational",
        {"width": (4, 8, 16, 32, 64), "kind": tuple(_MASKS), "marked": (1, 0), "style": ("shift", "loop")},
        mask_generator,
    ),
    Family(
        "bit_field", "bit fields", "medium", "combinational",
        {"field": _FIELDS, "kind": ("zero", "sign", "insert"), "place": ("fixed", "input")}, bit_field,
    ),
)  # fmt: skip
