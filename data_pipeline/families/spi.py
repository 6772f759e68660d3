"""Families of SPI: a master that sends a word, and a slave that receives one, sampled with the system clock."""

from __future__ import annotations

import random
from collections.abc import Iterator

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Outputs,
    Values,
    a_bit,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    parameter_fact,
    reset_fact,
    vec,
)
from data_pipeline.families.sizes import Size


def spi_master(bits: int, mode: int, order: str, half: int, reset: str) -> Circuit:
    """The state is (cycles of the transfer that are left, the word, done)."""
    chosen = RESETS[reset]
    idle, late = mode >> 1, mode & 1
    total = 2 * bits * half

    def step(state: tuple[int, int, int] | None, v: Values) -> tuple[int, int, int] | None:
        if state is None:
            return None
        left, word, _ = state
        if left == 0:
            return (total, v["d"], 0) if v["start"] else (0, word, 0)
        return left - 1, word, int(left == 1)

    def out(state: tuple[int, int, int], v: Values) -> Outputs:
        left, word, done = state
        if left == 0:
            return {"cs_n": 1, "sclk": idle, "mosi": 0, "done": done}
        phase = (total - left) // half
        place = bits - 1 - phase // 2 if order == "MSB" else phase // 2
        return {"cs_n": 0, "sclk": idle ^ int(phase % 2 != late), "mosi": word >> place & 1, "done": 0}

    return Circuit(
        name="spi_master",
        headlines=(
            f"an SPI master that sends {bits}-bit words in mode {mode}, {order} first",
            article(f"transmit-only SPI master for {bits}-bit words (mode {mode}, {order} first)"),
            article(f"{bits}-bit SPI transmitter, mode {mode}, {order} first"),
            f"an SPI mode {mode} master that shifts out {a_bit(bits)} word, {order} first",
        ),
        inputs=(*controls(chosen), inp("start"), inp("d", bits)),
        outputs=(outp("cs_n"), outp("sclk"), outp("mosi"), outp("done")),
        registers=frozenset({"done"}),
        body=_master_body(bits, mode, order, half, reset),
        model=Clocked(reset_state=(0, 0, 0), step=step, out=out),
        facts=(
            *_spi_master_facts(idle, bits, total),
            Fact((), _bit_words(half, idle, late)),
            *reset_fact(chosen, "returns the master to idle with {done} at 0"),
        ),
        reset=chosen,
        roles={"start": "starts a transfer", "d": "word to send", "cs_n": "chip select, active low",
               "sclk": "serial clock", "mosi": "serial data", "done": "transfer ended"},
        busy={"start": 0.4},
        cycles=5 * total + 60,
    )  # fmt: skip


def _spi_master_facts(idle: int, bits: int, total: int) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"When idle ({{cs_n}} = 1, {{sclk}} = {idle}, {{mosi}} = 0), a clock edge with {{start}} = 1 takes {{d}} and "
                "begins the transfer: {cs_n} is 0 and the first bit on {mosi}.",
                f"Idle, {{cs_n}} is 1, {{sclk}} {idle} and {{mosi}} 0. An edge with {{start}} = 1 then takes {{d}}; right "
                "after it {cs_n} is 0 and {mosi} the first bit.",
            ),
        ),
        Fact(
            (),
            (
                f"After {bits} bits ({total} cycles) it is idle again, with {{done}} at 1 for one cycle. {{start}} is ignored "
                "during a transfer.",
                f"The transfer takes {total} cycles, in which {{start}} is ignored; in the first idle cycle after it {{done}} "
                "is 1.",
            ),
        ),
    )


def _bit_words(half: int, idle: int, late: int) -> tuple[str, ...]:
    first, second = idle ^ late, idle ^ late ^ 1
    if half == 1:
        return (
            f"Each bit stays on {{mosi}} for 2 clock cycles; {{sclk}} is {first} in the first and {second} in the second.",
            f"A bit takes two cycles of {{clk}}, one with {{sclk}} at {first} and then one with {{sclk}} at {second}.",
        )
    return (
        f"Each bit stays on {{mosi}} for {2 * half} clock cycles: {half} with {{sclk}} at {first}, then {half} with {{sclk}} "
        f"at {second}.",
        f"A bit takes {2 * half} cycles of {{clk}}; {{sclk}} is {first} in the first {half} of them and {second} in the others.",
    )


def _master_body(bits: int, mode: int, order: str, half: int, reset: str) -> str:
    late = mode & 1
    msb = order == "MSB"
    count = (2 * bits - 1).bit_length()
    ticks = (half - 1).bit_length()
    shift = f"{{word[{bits - 2}:0], 1'b0}}" if msb else f"{{1'b0, word[{bits - 1}:1]}}"
    advance = [
        f"if (phase == {count}'d{2 * bits - 1}) begin",
        f"    phase <= {count}'d0;",
        "    active <= 1'b0;",
        "    done <= 1'b1;",
        "end else",
        f"    phase <= phase + {count}'d1;",
    ]
    if half > 1:
        advance = [f"if (ticks == {ticks}'d{half - 1}) begin", f"    ticks <= {ticks}'d0;",
                   *(f"    {line}" for line in advance), "end else", f"    ticks <= ticks + {ticks}'d1;"]  # fmt: skip
    lines = [
        "done <= 1'b0;",
        "if (!active) begin",
        "    if (start)",
        "        active <= 1'b1;",
        "end else begin",
        *(f"    {line}" for line in advance),
        "end",
    ]
    clear = ["active <= 1'b0;", "done <= 1'b0;", f"phase <= {count}'d0;"]
    declared = ""
    if half > 1:
        clear.append(f"ticks <= {ticks}'d0;")
        declared = f"    reg {vec(ticks)}ticks;\n"
    moves = f"phase[0] && ticks == {ticks}'d{half - 1}" if half > 1 else "phase[0]"
    level = f"active && {'!' if late else ''}phase[0]"
    return f"""    reg active;
    reg {vec(bits)}word;
    reg {vec(count)}phase;
{declared}{always_clocked(lines, RESETS[reset], clear)}
    always @(posedge clk) begin
        if (!active)
            word <= d;
        else if ({moves})
            word <= {shift};
    end
    assign cs_n = !active;
    assign sclk = {f"!({level})" if mode >> 1 else level};
    assign mosi = active && word[{bits - 1 if msb else 0}];"""


_Slave = tuple[int, tuple[int, ...], int, int]
"""The last level of sclk, the bits of this word so far, the word received, valid."""


def spi_slave(bits: int, mode: int, order: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(bits, "WIDTH" if generic else "")
    idle = mode >> 1
    rising = mode in (0, 3)

    def step(state: _Slave | None, v: Values) -> _Slave | None:
        if state is None:
            return None
        last, seen, word, _ = state
        if v["cs_n"]:
            return v["sclk"], (), word, 0
        if v["sclk"] == last or bool(v["sclk"]) != rising:
            return v["sclk"], seen, word, 0
        seen = (*seen, v["mosi"])
        if len(seen) < bits:
            return v["sclk"], seen, word, 0
        ordered = seen[::-1] if order == "MSB" else seen
        return v["sclk"], (), sum(bit << i for i, bit in enumerate(ordered)), 1

    before, after = (0, 1) if rising else (1, 0)
    return Circuit(
        name="spi_slave",
        headlines=(
            article(f"receive-only SPI slave for {bits}-bit words, mode {mode}, {order} first"),
            f"an SPI slave receiver clocked by the system clock ({bits} bits, mode {mode}, {order} first)",
            article(f"{bits}-bit SPI receiver, mode {mode}, {order} first, sampled with the system clock"),
            f"an SPI mode {mode} slave that receives {bits}-bit words, {order} first",
        ),
        inputs=(*controls(chosen), inp("cs_n"), inp("sclk"), inp("mosi")),
        outputs=(outp("q", bits), outp("valid")),
        registers=frozenset({"q", "valid"}),
        body=_slave_body(size, mode, order, reset),
        model=Clocked(
            reset_state=(idle, (), 0, 0), step=step, out=lambda s, v: {"q": s[2], "valid": s[3]}
        ),
        facts=(
            *_spi_slave_facts(after, before, bits),
            Fact((), (f"After reset {{sclk}} counts as having been {idle}.", f"Reset takes the last {{sclk}} to be {idle}.")),
            *reset_fact(chosen, "clears {q}, {valid} and the bits received"),
            *parameter_fact(size.parameters, WIDTH="the number of bits in a word"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("q"),
        roles={"cs_n": "chip select, active low", "sclk": "serial clock", "mosi": "serial data", "q": "word received",
               "valid": "new word"},
        stimulus=lambda rng: _transfers(rng, bits, idle),
        cycles=200 + 24 * bits,
    )  # fmt: skip


def _spi_slave_facts(after: int, before: int, bits: int) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"Everything happens at edges of {{clk}}. One that finds {{sclk}} at {after} after {before} at the last one, "
                "and {cs_n} at 0, takes {mosi} as the next bit.",
                f"At each edge of {{clk}} with {{cs_n}} = 0, {{sclk}} is compared with its value at the edge of {{clk}} "
                f"before; if it went from {before} to {after}, {{mosi}} is the next bit.",
            ),
        ),
        Fact(
            (),
            (
                f"The edge that takes bit {bits} of a word puts the word into {{q}} and sets {{valid}} for one cycle. "
                "{cs_n} at 1 drops a word that is incomplete.",
                f"After {bits} bits the word appears in {{q}}, with {{valid}} at 1 for one cycle, and the next word begins. "
                "At an edge with {cs_n} = 1 the bits so far are forgotten.",
            ),
        ),
    )


def _slave_body(size: Size, mode: int, order: str, reset: str) -> str:
    edge = "sclk && !last" if mode in (0, 3) else "!sclk && last"
    count = 8 if size.name else (size.number - 1).bit_length()
    end = f"{size.name} - 1" if size.name else f"{count}'d{size.number - 1}"
    msb = order == "MSB"
    below = size.less(2)
    joined, kept = ("{bits, mosi}", f"word[{below}:0]") if msb else ("{mosi, bits}", f"word[{size.top}:1]")
    lines = [
        "last <= sclk;",
        "valid <= 1'b0;",
        "if (cs_n)",
        f"    place <= {count}'d0;",
        f"else if ({edge}) begin",
        f"    place <= place + {count}'d1;",
        f"    if (place == {end}) begin",
        f"        place <= {count}'d0;",
        "        q <= word;",
        "        valid <= 1'b1;",
        "    end",
        "end",
    ]
    clear = [f"last <= 1'b{mode >> 1};", "valid <= 1'b0;", f"place <= {count}'d0;", f"q <= {size.zero};"]
    shift = always_clocked([f"if ({edge})", f"    bits <= {kept};"], None, [])
    return f"""    reg last;
    reg {vec(count)}place;
    reg [{below}:0] bits;
    wire {size.range}word = {joined};
{shift}
{always_clocked(lines, RESETS[reset], clear)}"""


def _transfers(rng: random.Random, bits: int, idle: int) -> Iterator[Values]:
    """Transfers of one word, of two, and ones that break off, with the serial clock as slow as 1 to 3 cycles a level."""
    while True:
        for _ in range(rng.randint(1, 3)):
            yield {"cs_n": 1, "sclk": idle ^ int(rng.random() < 0.2)}
        length = rng.choice((bits, 2 * bits, 2 * bits, rng.randrange(1, bits)))
        word = rng.getrandbits(length) & mask(length)
        pace = rng.choice((1, 1, 1, 2, 3))
        for place in range(length):
            for level in (0, 1):
                for _ in range(pace):
                    yield {"cs_n": 0, "sclk": idle ^ level, "mosi": word >> place & 1}


FAMILIES = (
    Family(
        "spi_master_tx", "SPI", "hard", "sequential",
        {"bits": (8, 12), "mode": (0, 1, 2, 3), "order": ("MSB", "LSB"), "half": (1, 2), "reset": WITH_RESET},
        spi_master,
    ),
    Family(
        "spi_slave_rx", "SPI", "hard", "sequential",
        {"bits": (4, 8, 10), "mode": (0, 1, 2, 3), "order": ("MSB", "LSB"), "reset": WITH_RESET, "generic": (False, True)},
        spi_slave,
    ),
)  # fmt: skip
