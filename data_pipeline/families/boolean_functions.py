"""Families of Boolean functions given as a table: truth tables, Karnaugh maps, lists of minterms, waveforms.

The functions are drawn once, from fixed seeds; all of them depend on every input, and no two families have one in common.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from data_pipeline.circuit import Attachment, Circuit, Combinational, Fact, Family, article, inp, outp, table

INPUTS = ("a", "b", "c", "d")
Row = Sequence[int | None]
"""The output for each input vector, counted in binary with the first input as the highest bit; None is a don't-care."""


def functions(inputs: int, count: int, *, skip: int = 0, open_rows: int = 0) -> tuple[str, ...]:
    """Functions of so many inputs, each a string of ``0``, ``1`` and, for don't-cares, ``-``.

    All come from one list without repetition, in which the families take different parts: what is held out in one must
    not be trained on in another. ``skip`` is how many of the list to pass over; two inputs have 10 functions that depend
    on both, three have 218 that depend on all.
    """
    rng = random.Random(f"functions {inputs}")
    found: dict[str, None] = {}
    while len(found) < skip + count:
        rows: list[int | None] = [rng.randrange(2) for _ in range(1 << inputs)]
        if all(_matters(rows, bit) for bit in range(inputs)):
            found["".join(map(str, rows))] = None
    return tuple(_opened(function, open_rows) for function in list(found)[skip:])


def _opened(function: str, count: int) -> str:
    """The function with so many don't-cares, at places where every input still matters."""
    rng = random.Random(f"open {function}")
    while True:
        places = rng.sample(range(len(function)), count)
        opened = "".join("-" if place in places else value for place, value in enumerate(function))
        if all(_matters(rows_of(opened), bit) for bit in range((len(function) - 1).bit_length())):
            return opened


def _matters(rows: Row, bit: int) -> bool:
    pairs = ((rows[place], rows[place ^ (1 << bit)]) for place in range(len(rows)))
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def rows_of(function: str) -> list[int | None]:
    return [None if value == "-" else int(value) for value in function]


def prime_cover(rows: Row) -> list[tuple[int, int]]:
    """A small sum of products: terms as (mask of inputs that count, their values).

    Quine and McCluskey's primes, then the essential ones and greedily the largest of the rest.
    """
    wanted = {place for place, value in enumerate(rows) if value == 1}
    level = {(len(rows) - 1, place) for place, value in enumerate(rows) if value != 0}
    primes: set[tuple[int, int]] = set()
    while level:
        merged: set[tuple[int, int]] = set()
        used: set[tuple[int, int]] = set()
        for one, two in combinations(sorted(level), 2):
            apart = one[1] ^ two[1]
            if one[0] == two[0] and apart.bit_count() == 1:
                merged.add((one[0] & ~apart, one[1] & ~apart))
                used |= {one, two}
        primes |= level - used
        level = merged
    chosen: list[tuple[int, int]] = []
    while wanted:
        best = max(sorted(primes), key=lambda term: (sum(place & term[0] == term[1] for place in wanted), -term[0]))
        chosen.append(best)
        wanted -= {place for place in wanted if place & best[0] == best[1]}
    return chosen


def products(terms: Iterable[tuple[int, int]], inputs: Sequence[str]) -> str:
    """The terms as a sum of products in Verilog."""
    texts = []
    for care, value in terms:
        literals = [
            name if value >> (len(inputs) - 1 - place) & 1 else f"~{name}"
            for place, name in enumerate(inputs)
            if care >> (len(inputs) - 1 - place) & 1
        ]
        texts.append(" & ".join(literals) or "1'b1")
    return " | ".join(f"({text})" if "&" in text and len(texts) > 1 else text for text in texts)


def body_of(rows: Row, inputs: Sequence[str], style: str) -> tuple[str, frozenset[str]]:
    """The function as a case statement (``case``), a sum of products (``sop``) or an indexed constant (``lookup``)."""
    vector = f"{{{', '.join(inputs)}}}"
    size = len(inputs)
    if style == "sop":
        return f"    assign y = {products(prime_cover(rows), inputs)};", frozenset()
    if style == "lookup":
        bits = "".join(str(value or 0) for value in reversed(rows))
        return (
            f"    wire [{len(rows) - 1}:0] truth = {len(rows)}'b{bits};\n    assign y = truth[{vector}];",
            frozenset(),
        )
    ones = [place for place, value in enumerate(rows) if value == 1]
    labels = ", ".join(f"{size}'b{place:0{size}b}" for place in ones)
    lines = [
        "    always @(*) begin",
        f"        case ({vector})",
        f"            {labels}: y = 1'b1;",
        "            default: y = 1'b0;",
        "        endcase",
        "    end",
    ]
    return "\n".join(lines), frozenset({"y"})


def function_circuit(
    function: str,
    style: str,
    name: str,
    headlines: tuple[str, ...],
    facts: tuple[Fact, ...] = (),
    attachment: Attachment | None = None,
) -> Circuit:
    """A circuit of one output whose rows are ``function``."""
    rows = rows_of(function)
    inputs = INPUTS[: (len(rows) - 1).bit_length()]
    body, registers = body_of(rows, inputs, style)

    def evaluate(v: dict[str, int]) -> dict[str, int | None]:
        place = 0
        for name in inputs:
            place = place << 1 | v[name]
        return {"y": rows[place]}

    return Circuit(
        name=name,
        headlines=headlines,
        inputs=tuple(inp(name) for name in inputs),
        outputs=(outp("y"),),
        body=body,
        registers=registers,
        model=Combinational(evaluate),
        facts=facts,
        attachment=attachment,
        roles={**{name: f"input {number}" for number, name in enumerate(inputs)}, "y": "value of the function"},
    )


def _size(function: str) -> int:
    return (len(function) - 1).bit_length()


def truth_table(function: str, style: str) -> Circuit:
    """The rows are counted up, or those with output 1 come first."""
    size = _size(function)
    ones_first = function.count("1") % 2
    head = " ".join(f"{{{name}}}" for name in INPUTS[:size])
    places = sorted(range(1 << size), key=lambda place: (ones_first and function[place] == "0", place))
    lines = [" ".join(f"{place:0{size}b}") + f" | {function[place]}" for place in places]
    return function_circuit(
        function,
        style,
        "truth_table",
        (
            article(f"combinational circuit of {size} inputs with the truth table below"),
            f"the logic function of {size} variables that the table shows",
            f"a Boolean function of {size} inputs, given as a truth table",
            f"logic with {size} inputs and one output, as tabulated",
        ),
        attachment=table(
            ("The truth table:", "{y} for every combination of the inputs:", "Inputs on the left, {y} on the right:"),
            "\n".join([f"{head} | {{y}}", *lines]),
        ),
    )


def minterms(function: str, style: str) -> Circuit:
    """Given by the numbers of the rows with 1 (minterms) or with 0 (maxterms)."""
    size = _size(function)
    value = str(function.count("1") % 2)
    form = "minterms" if value == "1" else "maxterms"
    listed = ", ".join(str(place) for place, one in enumerate(function) if one == value)
    order = ", ".join(f"{{{name}}}" for name in INPUTS[:size])
    sign = "sum of minterms" if value == "1" else "product of maxterms"
    return function_circuit(
        function,
        style,
        "logic_function",
        (
            article(f"logic function of {size} variables in canonical form"),
            article(f"{size}-variable Boolean function given by its {form}"),
            f"the {sign} of a function with {size} inputs",
            article(f"function of {size} inputs, listed by the numbers of its {form}"),
        ),
        facts=(
            Fact(
                (),
                (
                    f"{{y}} is {value} exactly when ({order}), read as a binary number with {{a}} as its highest bit, "
                    f"is one of {listed}.",
                    f"Number the inputs ({order}) in binary, {{a}} first: {{y}} = {value} for {listed}, else {1 - int(value)}.",
                    f"The {form} over ({order}), {{a}} the most significant, are {listed}.",
                ),
            ),
        ),
    )


def karnaugh_map(function: str, style: str) -> Circuit:
    """Three or four variables; the rows are {a} or {a}{b}, the columns the other two, in Gray order."""
    size = _size(function)
    gray = ("00", "01", "11", "10")
    sides = ("0", "1") if size == 3 else gray
    rows = "{a}" if size == 3 else "{a}{b}"
    columns = "{b}{c}" if size == 3 else "{c}{d}"
    lines = [
        f"{side:>4} |  " + "  ".join(function[int(side + top, 2)] + " " for top in gray).rstrip() for side in sides
    ]
    text = "\n".join([f"rows {rows}, columns {columns}", "     |  " + "  ".join(gray), *lines])
    does_not_matter = Fact(
        (), ("A - in the map is a don't-care.", "Cells with - may be either value.", "Treat - as a don't-care.")
    )
    return function_circuit(
        function,
        style,
        "kmap",
        (
            f"the function of the Karnaugh map below, in {size} variables",
            article(f"{size}-variable function given as a Karnaugh map"),
            f"the logic that the {size}-variable K-map describes",
            f"the function that the K-map of {size} inputs shows",
        ),
        facts=(does_not_matter,) if "-" in function else (),
        attachment=table(("The Karnaugh map:", "K-map of {y}:", "Karnaugh map for {y}:"), text),
    )


def waveform(function: str, style: str) -> Circuit:
    """The inputs change every 10 ns, in a random order that shows every combination at least once."""
    size = _size(function)
    rng = random.Random(f"waveform {function}")
    places = list(range(1 << size))
    rng.shuffle(places)
    places += rng.sample(places, 2)
    head = "time  " + "  ".join(f"{{{name}}}" for name in (*INPUTS[:size], "y"))
    lines = [f"{10 * n:>3}ns  " + "  ".join(f"{place:0{size}b}" + function[place]) for n, place in enumerate(places)]
    return function_circuit(
        function,
        style,
        "wave_logic",
        (
            article(f"combinational circuit with {size} inputs that behaves as the waveform shows"),
            f"the combinational logic behind the simulation trace below ({size} inputs)",
            article(f"circuit of {size} inputs, to be read off its waveform"),
            f"the gate-level function recorded below, with {size} inputs",
        ),
        attachment=table(
            (
                "The waveform, sampled every 10 ns:",
                "A simulation gave these values:",
                "Read the function off this trace:",
            ),
            "\n".join([head, *lines]),
        ),
    )


def _family(name: str, topic: str, space: dict[str, Sequence[object]], build: Callable[..., Circuit]) -> Family:
    return Family(name, topic, "medium", "combinational", space, build)


_STYLES = ("case", "sop", "lookup")

FAMILIES = (
    _family("truth_table", "truth tables",
            {"function": (*functions(3, 20), *functions(4, 12)), "style": _STYLES}, truth_table),
    _family("minterms", "canonical forms",
            {"function": (*functions(3, 24, skip=20), *functions(4, 18, skip=12)), "style": _STYLES}, minterms),
    _family("karnaugh_map", "Karnaugh maps",
            {"function": (*functions(3, 20, skip=44), *functions(4, 20, skip=30), *functions(4, 20, skip=50, open_rows=3)),
             "style": ("case", "sop")}, karnaugh_map),
    _family("logic_waveform", "waveforms",
            {"function": (*functions(2, 6), *functions(3, 40, skip=64)), "style": ("case", "sop")}, waveform),
)  # fmt: skip
