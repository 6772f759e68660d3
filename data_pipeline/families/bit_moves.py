"""Families that move the bits of a word to other places: swaps of bytes and nibbles, interleaving, rotation."""

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
)
from data_pipeline.families.sizes import Size

_UNITS = {4: "nibble", 8: "byte", 16: "half-word"}


def swap_units(shape: tuple[int, int, int], control: bool, loop: bool) -> Circuit:
    """The units of every group of a word in reverse order, always or when a control says so."""
    width, group, unit = shape
    per, count = group // unit, width // unit
    sources = [i // per * per + per - 1 - i % per for i in range(count)]
    value = "{" + ", ".join(f"a[{s * unit + unit - 1}:{s * unit}]" for s in reversed(sources)) + "}"
    body = ""
    if loop:
        value = "moved"
        body = f"""    wire [{width - 1}:0] moved;
    genvar i;
    generate
        for (i = 0; i < {count}; i = i + 1) begin : place
            assign moved[i * {unit} +: {unit}] = a[(i / {per} * {per} + {per - 1} - i % {per}) * {unit} +: {unit}];
        end
    endgenerate
"""

    def function(v: Values) -> dict[str, int]:
        a = v["a"]
        swapped = sum((a >> s * unit & mask(unit)) << i * unit for i, s in enumerate(sources))
        return {"y": swapped if v.get("swap", 1) else a}

    noun = _UNITS[unit]
    where, kind = f"within each {group}-bit group", "switchable " * control
    return Circuit(
        name=f"swap_{noun.replace('-', '')}s",
        headlines=(
            article(f"{kind}{noun} swap {where} of {a_bit(width)} word"),
            article(f"{kind}{width}-bit {noun} swapper that works {where}"),
            article(f"{kind}exchange of the {noun}s {where} of {a_bit(width)} input"),
            article(f"{kind}unit that reorders the {noun}s {where} of {a_bit(width)} bus"),
            article(f"{kind}permutation of {noun}s {where} for {width}-bit words"),
        ),
        inputs=(inp("a", width), *((inp("swap"),) if control else ())),
        outputs=(outp("y", width),),
        body=body + (f"    assign y = swap ? {value} : a;" if control else f"    assign y = {value};"),
        model=Combinational(function),
        facts=(_swap_fact(group, per, noun), *((_SWAP,) if control else ())),
        roles={"a": "input word", "swap": "swap when 1", "y": "output word"},
    )


def _swap_fact(group: int, per: int, noun: str) -> Fact:
    what = f"the {per} {noun}s are put in reverse order" if per > 2 else f"the two {noun}s are exchanged"
    return Fact(
        (),
        (
            f"{{y}} is {{a}} with a change in each aligned group of {group} bits: {what}; the groups stay where they are.",
            f"Every {group} bits of {{a}}, from bit 0 on, form a group; {{y}} is {{a}} after this: in each group {what}.",
            f"{{y}} is {{a}}, where in every aligned {group}-bit group {what}.",
        ),
    )


_SWAP = Fact(
    ("an input {swap} that must be 1 for this (at 0 the word passes unchanged)",),
    ("This happens when {swap} is 1; when it is 0, {y} is {a}.", "{swap} = 0 passes {a} through unchanged."),
)


def interleave(width: int, direction: str, even: str, generic: bool) -> Circuit:
    size, double = Size(width, "WIDTH" if generic else ""), Size(2 * width, "2*WIDTH" if generic else "")
    joins = direction == "join"
    odd = "b" if even == "a" else "a"
    if joins and not generic and width < 7:
        body = f"    assign y = {{{', '.join(f'{odd}[{i}], {even}[{i}]' for i in reversed(range(width)))}}};"
    else:
        moves = (f"y[2 * i] = {even}[i]", f"y[2 * i + 1] = {odd}[i]")
        if not joins:
            moves = ("half0[i] = d[2 * i]" if even == "a" else "half0[i] = d[2 * i + 1]",
                     "half1[i] = d[2 * i + 1]" if even == "a" else "half1[i] = d[2 * i]")  # fmt: skip
        body = f"""    genvar i;
    generate
        for (i = 0; i < {size.text}; i = i + 1) begin : place
            assign {moves[0]};
            assign {moves[1]};
        end
    endgenerate"""

    def function(v: Values) -> dict[str, int]:
        if joins:
            return {"y": sum((v[even] >> i & 1 | (v[odd] >> i & 1) << 1) << 2 * i for i in range(width))}
        parts = [sum((v["d"] >> (2 * i + k) & 1) << i for i in range(width)) for k in range(2)]
        return dict(zip(("half0", "half1"), parts if even == "a" else parts[::-1], strict=True))

    verb = "interleaves" if joins else "de-interleaves"
    whole = f"two {width}-bit words" if joins else f"{a_bit(2 * width)} word into two words of {width} bits"
    return Circuit(
        name="interleave" if joins else "deinterleave",
        headlines=(
            f"a circuit that {verb} the bits of {whole}",
            article(f"bit {verb[:-1]}r for {whole if joins else f'{2 * width}-bit words'}"),
            f"a module that {verb} {whole} bit by bit",
            article(f"{2 * width}-bit {'interleaving' if joins else 'de-interleaving'} network"),
            f"wiring that {verb} {whole}",
        ),
        inputs=(inp("a", width), inp("b", width)) if joins else (inp("d", 2 * width),),
        outputs=(outp("y", 2 * width),) if joins else (outp("half0", width), outp("half1", width)),
        body=body,
        model=Combinational(function),
        facts=(
            _join_fact(even, odd) if joins else _split_fact(even == "a"),
            *parameter_fact(size.parameters, WIDTH=f"the width of {'{a} and {b}' if joins else '{half0} and {half1}'}"),
        ),
        parameters=size.parameters,
        ranges=size.ranges("a", "b") | double.ranges("y") if joins else double.ranges("d") | size.ranges("half0", "half1"),
        roles={"a": "first word", "b": "second word", "y": "interleaved word", "d": "interleaved word",
               "half0": "first half", "half1": "second half"},
    )  # fmt: skip


def _join_fact(even: str, odd: str) -> Fact:
    return Fact(
        (f"the bits of {{{even}}} at the even places of {{y}} and those of {{{odd}}} at the odd ones",),
        (
            f"{{y}}[2i] is {{{even}}}[i] and {{y}}[2i+1] is {{{odd}}}[i].",
            f"The bits of {{{even}}} go to the even places of {{y}} and those of {{{odd}}} to the odd places, in order.",
            f"From bit 0 up, {{y}} has {{{even}}}[0], {{{odd}}}[0], {{{even}}}[1], {{{odd}}}[1] and so on.",
        ),
    )


def _split_fact(straight: bool) -> Fact:
    even, odd = ("half0", "half1") if straight else ("half1", "half0")
    return Fact(
        (f"the even bits of {{d}} in {{{even}}} and the odd ones in {{{odd}}}",),
        (
            f"{{{even}}}[i] is {{d}}[2i] and {{{odd}}}[i] is {{d}}[2i+1].",
            f"{{{even}}} takes the even-numbered bits of {{d}} and {{{odd}}} the odd-numbered ones, in order.",
            f"The bits 0, 2, 4 and so on of {{d}} make up {{{even}}}; the bits 1, 3, 5 and so on {{{odd}}}.",
        ),
    )


def rotate(shape: tuple[int, int, str], generic: bool) -> Circuit:
    """Rotation by a fixed number of places, or by an input when ``places`` is 0, left, right, or as ``right`` says."""
    width, places, way = shape
    moving = places == 0
    size = Size(width, "WIDTH" if generic and not moving else "")
    parts: list[str] = []
    if moving:
        left, right = f"wide_left[{3 * width - 1}:{2 * width}]", f"wide_right[{width - 1}:0]"
        for side, shift in (("left", "<<"), ("right", ">>")):
            if way in (side, "input"):
                parts.append(f"    wire [{3 * width - 1}:0] wide_{side};")
                parts.append(f"    assign wide_{side} = {{3{{a}}}} {shift} amount;")
    else:
        left = f"{{a[{size.less(1 + places)}:0], a[{size.top}:{size.less(places)}]}}"
        right = f"{{a[{places - 1}:0], a[{size.top}:{places}]}}"
    value = {"left": left, "right": right, "input": f"right ? {right} : {left}"}[way]

    def function(v: Values) -> dict[str, int]:
        n = (v["amount"] if moving else places) % width
        if way == "right" or (way == "input" and v["right"]):
            n = (width - n) % width
        return {"y": (v["a"] << n | v["a"] >> (width - n)) & mask(width)}

    turn = "in either direction" if way == "input" else way
    far = "by a variable amount" if moving else f"by {places} place{'s' * (places > 1)}"
    return Circuit(
        name="rotator" if moving else f"rotate{places}",
        headlines=(
            article(f"rotation of {a_bit(width)} word {turn} {far}"),
            article(f"{width}-bit rotator that turns its input {turn} {far}"),
            article(f"circuit that rotates {a_bit(width)} word {turn} {far}"),
            article(f"combinational {width}-bit rotation {turn} {far}"),
            article(f"rotate unit for {width} bits, {turn} {far}"),
        ),
        inputs=(inp("a", width), *((inp("amount", (width - 1).bit_length()),) if moving else ()),
                *((inp("right"),) if way == "input" else ())),
        outputs=(outp("y", width),),
        body="\n".join([*parts, f"    assign y = {value};"]),
        model=Combinational(function),
        facts=(
            *((_ends_fact(way),) if way != "input" else (_DIRECTION,)),
            *((_amount_fact(width),) if moving else ()),
            *parameter_fact(size.parameters, WIDTH="the width of {a} and {y}"),
        ),
        parameters=size.parameters,
        ranges=size.ranges("a", "y"),
        roles={"a": "word", "amount": "number of places", "right": "right when 1", "y": "rotated word"},
        cycles=160,
    )  # fmt: skip


def _ends_fact(way: str) -> Fact:
    left = way == "left"
    ends = ("top", "bottom") if left else ("bottom", "top")
    return Fact(
        (f"an output {{y}} in which the bits that leave {{a}} at the {ends[0]} come back at the {ends[1]}",),
        (
            f"The bits that leave {{a}} at the {ends[0]} come back at the {ends[1]} of {{y}}.",
            f"{{y}} is {{a}} turned {way}, towards its {'most' if left else 'least'} significant bit; no bit is lost.",
        ),
    )


_DIRECTION = Fact(
    (),
    (
        "{y} is {a} rotated as {right} says: 1 is right (towards bit 0), 0 is left.",
        "{a} is rotated right into {y} when {right} is 1 and left when it is 0; no bit is lost.",
    ),
)


def _amount_fact(width: int) -> Fact:
    if width & (width - 1):
        return Fact(
            (f"the number of places in {{amount}}, where {width} and more start again from 0",),
            (
                f"{{amount}} is the number of places; a full turn is {width}, and larger values go on from there.",
                f"The number of places is {{amount}} modulo {width}.",
            ),
        )
    return Fact(
        ("the number of places in {amount}",),
        ("{amount} is the number of places.", "It rotates by {amount} places."),
    )


_SWAPS = [(16, 8, 4), (24, 8, 4), (32, 8, 4), (48, 8, 4), (64, 8, 4), (32, 16, 8), (48, 16, 8), (64, 16, 8), (64, 32, 16),
          (64, 32, 8), (32, 16, 4), (64, 16, 4), (48, 24, 8), (24, 12, 4)]  # fmt: skip
# A rotation by an input, of a width that is a power of two, is left to the shifters.
_TURNS = [(w, n, way) for w in (5, 6, 8, 10, 12, 16, 24, 32) for n in (1, 2, 3) for way in ("left", "right", "input")]
_TURNS += [(w, 0, way) for w in (5, 6, 10, 12, 20, 24) for way in ("left", "right", "input")]

FAMILIES = (
    Family(
        "swap_units", "bit manipulation", "easy", "combinational",
        {"shape": _SWAPS, "control": (False, True), "loop": (False, True)}, swap_units,
    ),
    Family(
        "interleave", "bit manipulation", "easy", "combinational",
        {"width": (3, 4, 5, 6, 8, 10, 12, 16), "direction": ("join", "split"), "even": ("a", "b"),
         "generic": (False, True)},
        interleave,
    ),
    Family(
        "rotate", "shifters", "easy", "combinational",
        {"shape": _TURNS, "generic": (False, True)}, rotate,
    ),
)  # fmt: skip
