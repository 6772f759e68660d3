"""Families that look at single bits of a word: leading zeros and ones, the lowest set bit."""

from __future__ import annotations

from collections.abc import Callable

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
)
from data_pipeline.families.sizes import Size


def leading_zero_count(run: tuple[int, int], end: str, generic: bool) -> Circuit:
    width, bit = run
    count = width.bit_length()
    lines, bits = Size(width, "WIDTH" if generic else ""), Size(count, "BITS" if generic else "")
    leading = end == "leading"
    value = f"{lines.top} - i" if leading else "i"
    order = f"i = 0; i < {lines.text}; i = i + 1" if leading else f"i = {lines.top}; i >= 0; i = i - 1"
    digit, noun = "01"[bit], ("zero", "one")[bit]
    which = "most" if leading else "least"
    size, full = f"{bits.text} bits", lines.text

    def function(v: Values) -> dict[str, int]:
        text = f"{v['a']:0{width}b}"
        rest = text.lstrip(digit) if leading else text.rstrip(digit)
        return {"count": width - len(rest)}

    return Circuit(
        name=f"count_{end}_{noun}s",
        headlines=(
            article(f"{width}-bit {end} {noun} counter"),
            article(f"{end}-{noun} counter for {width}-bit words, combinational"),
            f"a circuit that counts the {end} {noun}s of {a_bit(width)} word",
            f"a module that gives the number of {end} {noun}s in {a_bit(width)} input",
            article(f"combinational count of {end} {noun}s over {width} bits"),
        ),
        inputs=(inp("a", width),),
        outputs=(outp("count", count),),
        registers=frozenset({"count"}),
        body=f"""    integer i;
    always @(*) begin
        count = {lines.text if generic else f"{count}'d{width}"};
        for ({order})
            if ({"!" * bit}a[i])
                count = {value};
    end""",
        model=Combinational(function),
        facts=(
            Fact(
                (),
                (
                    f"{{count}} ({size}) is how many bits of {{a}} from the {which} significant one on are "
                    f"{bit}, up to the first {1 - bit}; when all are {bit}, it is {full}.",
                    f"Count the {noun}s of {{a}} from its {which} significant bit up to the first {1 - bit} into {{count}} "
                    f"({size}); if there is no {1 - bit}, {{count}} is {full}.",
                    f"{{count}}, {size} wide, is the length of the run of {noun}s at the {which} significant end of "
                    f"{{a}}: from 0 to {full}.",
                ),
            ),
            *parameter_fact(lines.parameters | bits.parameters, WIDTH="the width of {a}", BITS="the width of {count}"),
        ),
        parameters=lines.parameters | bits.parameters,
        ranges=lines.ranges("a") | bits.ranges("count"),
        roles={"a": "input word", "count": f"number of {end} {noun}s"},
        cycles=240,
    )  # fmt: skip


# Kind to the expression, the module's name, a noun phrase, what is said (in two ways) and the function.
_LOWEST: dict[str, tuple[str, str, str, tuple[str, str], Callable[[int], int]]] = {
    "isolate": (
        "a & (~a + 1'b1)", "isolate_lowest", "isolates the lowest set bit",
        ("{y} keeps only the lowest 1 of {a}; it is 0 when {a} is 0.",
         "All bits of {y} are 0 but the one where {a} has its least significant 1, if there is one."),
        lambda a: a & -a,
    ),
    "clear": (
        "a & (a - 1'b1)", "clear_lowest", "clears the lowest set bit",
        ("{y} is {a} with its least significant 1 turned into 0; it is 0 when {a} is 0.",
         "{y} equals {a}, except that the lowest 1 is cleared (0 stays 0)."),
        lambda a: a & (a - 1),
    ),
    "fill": (
        "a | (a - 1'b1)", "fill_below", "sets all bits below the lowest set bit",
        ("{y} is {a} with all bits below its lowest 1 set too; when {a} is 0, {y} is all ones.",
         "The zeros below the least significant 1 of {a} become ones in {y}; when {a} is 0, all bits are ones."),
        lambda a: a | (a - 1),
    ),
    "below": (
        "~a & (a - 1'b1)", "mask_below", "marks the bits below the lowest set bit",
        ("{y} has ones exactly below the lowest 1 of {a} and zeros from there on; when {a} is 0, {y} is all ones.",
         "The trailing zeros of {a} are ones in {y} and all else is 0; when {a} is 0, all bits are ones."),
        lambda a: ~a & (a - 1),
    ),
    "set": (
        "a | (a + 1'b1)", "set_lowest_zero", "sets the lowest clear bit",
        ("{y} is {a} with its least significant 0 turned into 1; all ones stay all ones.",
         "{y} equals {a}, except that the lowest 0 is set (if there is one)."),
        lambda a: a | (a + 1),
    ),
    "isolate_zero": (
        "~a & (a + 1'b1)", "find_lowest_zero", "marks the lowest clear bit",
        ("{y} has a single 1, where {a} has its least significant 0; when {a} is all ones, {y} is 0.",
         "Only the bit at the position of the lowest 0 of {a} is 1 in {y}; without a 0, {y} is 0."),
        lambda a: ~a & (a + 1),
    ),
    "strip": (
        "a & (a + 1'b1)", "strip_ones", "clears the trailing ones",
        ("{y} is {a} with the run of ones that starts at bit 0 cleared; when bit 0 is 0, {y} is {a}.",
         "The trailing ones of {a}, from bit 0 up to the first 0, are 0 in {y}; the other bits stay."),
        lambda a: a & (a + 1),
    ),
}  # fmt: skip


def lowest_bit(width: int, kind: str, generic: bool) -> Circuit:
    size = Size(width, "WIDTH" if generic else "")
    expression, name, effect, words, function = _LOWEST[kind]
    return Circuit(
        name=name,
        headlines=(
            f"a circuit that {effect} of {a_bit(width)} word",
            f"a combinational module that {effect} of {a_bit(width)} input",
            article(f"{width}-bit unit that {effect}"),
            f"logic that {effect} of {width} bits",
            article(f"{width}-bit circuit which {effect} of its operand"),
        ),
        inputs=(inp("a", width),),
        outputs=(outp("y", width),),
        body=f"    assign y = {expression};",
        model=Combinational(lambda v: {"y": function(v["a"]) & mask(width)}),
        facts=(Fact((), words), *parameter_fact(size.parameters, WIDTH="the width of {a} and {y}")),
        parameters=size.parameters,
        ranges=size.ranges("a", "y"),
        roles={"a": "input word", "y": "result"},
        cycles=160,
    )


_RUNS = [(w, 0) for w in (5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32)] + [(w, 1) for w in (4, 5, 6, 7, 8)]

FAMILIES = (
    Family(
        "leading_zero_count", "bit manipulation", "medium", "combinational",
        {"run": _RUNS, "end": ("leading", "trailing"), "generic": (False, True)}, leading_zero_count,
    ),
    Family(
        "lowest_bit", "bit manipulation", "easy", "combinational",
        {"width": (4, 5, 6, 8, 10, 12, 16, 24, 32), "kind": tuple(_LOWEST), "generic": (False, True)}, lowest_bit,
    ),
)  # fmt: skip
