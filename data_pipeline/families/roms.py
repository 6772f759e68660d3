"""Families of ROMs whose contents a table in the problem gives: read combinationally, or into a register."""

from __future__ import annotations

import random
from collections.abc import Iterator

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
    outp,
    reset_fact,
    table,
)


def _contents(words: int, width: int, seed: int) -> list[int]:
    """Words that follow no rule; the last is never 0, so that the table's end shows."""
    rng = random.Random(f"rom {words} {width} {seed}")
    drawn = [rng.getrandbits(width) for _ in range(words)]
    return [*drawn[:-1], drawn[-1] or 1]


def _rows(contents: list[int], bits: int, width: int, form: int) -> str:
    """The table in one of three forms."""
    digits = (width + 3) // 4
    if form == 0:
        return "\n".join(
            ["{addr} | {q}", "--- | ---", *(f"{i} | 0x{word:0{digits}x}" for i, word in enumerate(contents))]
        )
    if form == 1:
        return "\n".join(["{addr} {q}", *(f"{i:0{bits}b} {word:0{width}b}" for i, word in enumerate(contents))])
    return "\n".join(f"{{addr}} = {i}: {{q}} = {word}" for i, word in enumerate(contents))


_INTROS = (
    ("The contents are (address in decimal, data in hexadecimal):", "Contents, with the data in hexadecimal:"),
    ("The contents are, in binary:", "Address and data, both in binary:"),
    ("The contents are:", "It holds these words (in decimal):"),
)


def _cases(contents: list[int], bits: int, width: int, output: str, form: int) -> list[str]:
    """The case statement, with the words in the base of the table's form."""
    base = {0: f"'h{{:0{(width + 3) // 4}x}}", 1: f"'b{{:0{width}b}}", 2: "'d{}"}[form]
    lines = [f"    {bits}'d{i}: {output} = {width}{base.format(word)};" for i, word in enumerate(contents)]
    if len(contents) == 1 << bits:
        lines[-1] = lines[-1].replace(f"{bits}'d{len(contents) - 1}", "default", 1)
    else:
        lines.append(f"    default: {output} = {width}'d0;")
    return ["case (addr)", *lines, "endcase"]


def _rest(words: int, bits: int) -> tuple[Fact, ...]:
    if words == 1 << bits:
        return ()
    return (
        Fact(
            (f"zeros at the addresses from {words} on",),
            (f"The addresses from {words} on read as 0.", f"Addresses above {words - 1} give 0."),
        ),
    )


def _walks(rng: random.Random, count: int) -> Iterator[Values]:
    """All addresses in one random order after another."""
    while True:
        for addr in rng.sample(range(count), count):
            yield {"addr": addr}


def _headlines(words: int, width: int, kind: str) -> tuple[str, ...]:
    return (
        article(f"{kind} of {words} words of {width} bits"),
        article(f"{words}x{width} {kind}"),
        article(f"{kind} with {words} {width}-bit words"),
        article(f"{kind} that holds {words} words, each {width} bits wide"),
    )


def rom(words: int, width: int, seed: int) -> Circuit:
    contents = _contents(words, width, seed)
    bits = (words - 1).bit_length()
    form = seed % 3
    block = "\n".join(f"        {line}" for line in _cases(contents, bits, width, "q", form))
    return Circuit(
        name="rom",
        headlines=_headlines(words, width, "combinational ROM"),
        inputs=(inp("addr", bits),),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=f"    always @(*) begin\n{block}\n    end",
        model=Combinational(lambda v: {"q": contents[v["addr"]] if v["addr"] < words else 0}),
        facts=(
            Fact((), ("{q} is the word at address {addr}.", "{addr} selects the word on {q}.")),
            *_rest(words, bits),
        ),
        attachment=table(_INTROS[form], _rows(contents, bits, width, form)),
        roles={"addr": "address", "q": "word at the address"},
    )


def registered_rom(words: int, width: int, enable: bool, reset: str, seed: int) -> Circuit:
    chosen = RESETS[reset]
    contents = _contents(words, width, seed)
    bits = (words - 1).bit_length()
    form = seed % 3

    def step(q: int | None, v: Values) -> int | None:
        if enable and not v["en"]:
            return q
        return contents[v["addr"]] if v["addr"] < words else 0

    block = "\n".join(f"        {line}" for line in _cases(contents, bits, width, "word", form))
    load = always_clocked(["q <= word;"], chosen, [f"q <= {width}'d0;"], enable="en" if enable else None)
    return Circuit(
        name="sync_rom",
        headlines=_headlines(words, width, "synchronous ROM"),
        inputs=(*controls(chosen, enable), inp("addr", bits)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=f"    reg [{width - 1}:0] word;\n    always @(*) begin\n{block}\n    end\n{load}",
        model=Clocked(reset_state=0, step=step, out=lambda q, v: {"q": q}),
        facts=(
            Fact(
                ("a registered output",),
                (
                    "Each clock edge loads {q} with the word at {addr}.",
                    "{q} is a register that takes the word at {addr} at every clock edge.",
                ),
            ),
            *_rest(words, bits),
            *((_ENABLE,) if enable else ()),
            *reset_fact(chosen, "clears {q}"),
        ),
        reset=chosen,
        attachment=table(_INTROS[form], _rows(contents, bits, width, form)),
        roles={"addr": "address", "q": "word read"},
        busy={"en": 0.75},
        stimulus=lambda rng: _walks(rng, 1 << bits),
        cycles=12 * words,
    )


_ENABLE = Fact(
    ("an enable {en} (0 holds {q})", "a read enable {en}"),
    ("{q} holds its value while {en} is 0.", "Words are read only at clock edges with {en} at 1."),
)

FAMILIES = (
    Family(
        "rom", "ROMs", "easy", "combinational",
        {"words": (6, 8, 10, 16), "width": (4, 6, 8, 12), "seed": range(6)}, rom,
    ),
    Family(
        "registered_rom", "ROMs", "medium", "sequential",
        {"words": (8, 12, 16), "width": (5, 8, 10), "enable": (False, True), "reset": tuple(RESETS), "seed": range(2)},
        registered_rom,
    ),
)  # fmt: skip
