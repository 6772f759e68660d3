"""Families of asynchronous serial lines: a transmitter and a receiver of UART frames, with parity and stop bits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Values,
    always_clocked,
    article,
    controls,
    enumerated,
    inp,
    outp,
    parameter_fact,
    reset_fact,
    vec,
)
from data_pipeline.families.sizes import Size


def _parity(word: int, parity: str) -> list[int]:
    """The parity bit that makes the number of ones even or odd; nothing without parity."""
    return [] if parity == "no" else [(word.bit_count() + int(parity == "odd")) % 2]


def _bits(word: int, width: int) -> list[int]:
    return [word >> i & 1 for i in range(width)]


def uart_tx(bits: int, parity: str, stops: int, clocks: int, reset: str, generic: bool) -> Circuit:
    """The state is the levels that the line is still to take, one per clock cycle."""
    chosen = RESETS[reset]
    size = Size(clocks, "CLKS_PER_BIT" if generic else "")
    length = 1 + bits + (parity != "no") + stops

    def step(line: tuple[int, ...] | None, v: Values) -> tuple[int, ...] | None:
        if line is None:
            return None
        if line:
            return line[1:]
        frame = [0, *_bits(v["d"], bits), *_parity(v["d"], parity), *([1] * stops)]
        return tuple(level for level in frame for _ in range(clocks)) if v["start"] else ()

    return Circuit(
        name="uart_tx",
        headlines=(
            article(f"UART transmitter for {bits} data bits, {parity} parity and {_stops(stops)}"),
            article(f"serial transmitter of UART frames ({bits} data bits, {parity} parity, {_stops(stops)})"),
            f"the transmit half of a UART: {bits} data bits, {parity} parity, {_stops(stops)}",
            article(f"UART sender with {bits} data bits, {parity} parity, {_stops(stops)}"),
        ),
        inputs=(*controls(chosen), inp("start"), inp("d", bits)),
        outputs=(outp("tx"), outp("busy")),
        registers=frozenset({"busy"}),
        body=_tx_body(bits, parity, stops, size, reset),
        model=Clocked(
            reset_state=(), step=step, out=lambda s, v: {"tx": s[0] if s else 1, "busy": int(bool(s))}
        ),
        facts=(
            *_uart_tx_facts(clocks, parity, stops, length),
            *reset_fact(chosen, "ends any frame, so that {tx} is 1 and {busy} 0"),
            *parameter_fact(size.parameters, CLKS_PER_BIT="the number of clock cycles per bit"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"start": "starts a frame", "d": "data to send", "tx": "serial line", "busy": "frame under way"},
        busy={"start": 0.4},
        cycles=6 * length * clocks,
    )  # fmt: skip


def _uart_tx_facts(clocks: int, parity: str, stops: int, length: int) -> tuple[Fact, ...]:
    return (
        Fact(
            (f"{clocks} clock cycles per bit",),
            (f"Each bit lasts {clocks} cycles of {{clk}}.", f"A bit takes {clocks} clock cycles."),
        ),
        Fact(
            (),
            (
                f"A clock edge with {{start}} at 1 while idle stores {{d}} and begins a frame on {{tx}}: {_frame(parity, stops)}.",
                f"With {{busy}} at 0, an edge with {{start}} = 1 takes {{d}}; from then on {{tx}} carries {_frame(parity, stops)}.",
            ),
        ),
        Fact(
            (),
            (
                f"{{busy}} is 1 for the {length} bits of the frame; then {{start}} counts again. Idle, {{tx}} is 1.",
                f"{{busy}} is 1 during the frame ({length} bits) and {{start}} is ignored then. {{tx}} is 1 when idle.",
            ),
        ),
    )


def _stops(stops: int) -> str:
    return "1 stop bit" if stops == 1 else f"{stops} stop bits"


def _frame(parity: str, stops: int) -> str:
    return enumerated(["a 0", "the data bits (LSB first)", *_parity_name(parity), "a 1" if stops == 1 else "two 1s"])


def _parity_name(parity: str) -> list[str]:
    return [] if parity == "no" else [f"the {parity}-parity bit"]


def _tx_body(bits: int, parity: str, stops: int, size: Size, reset: str) -> str:
    """One shift register for the whole frame, filled with ones from above."""
    length = 1 + bits + (parity != "no") + stops
    check = {"no": "", "even": "^d, ", "odd": "~^d, "}[parity]
    ticks = 16 if size.name else (size.number - 1).bit_length()
    count = (length - 1).bit_length()
    last = f"{size.name} - 1" if size.name else f"{ticks}'d{size.number - 1}"
    lines = [
        "if (!busy) begin",
        "    if (start) begin",
        "        busy <= 1'b1;",
        f"        frame <= {{{stops}'b{'1' * stops}, {check}d, 1'b0}};",
        "    end",
        f"end else if (ticks == {last}) begin",
        f"    ticks <= {ticks}'d0;",
        f"    frame <= {{1'b1, frame[{length - 1}:1]}};",
        f"    if (place == {count}'d{length - 1}) begin",
        f"        place <= {count}'d0;",
        "        busy <= 1'b0;",
        "    end else",
        f"        place <= place + {count}'d1;",
        "end else",
        f"    ticks <= ticks + {ticks}'d1;",
    ]
    clear = ["busy <= 1'b0;", f"frame <= {{{length}{{1'b1}}}};", f"ticks <= {ticks}'d0;", f"place <= {count}'d0;"]
    return f"""    reg {vec(length)}frame;
    reg {vec(ticks)}ticks;
    reg {vec(count)}place;
{always_clocked(lines, RESETS[reset], clear)}
    assign tx = frame[0];"""


_Receiver = tuple[int, tuple[int, ...], int, int, int]
"""Clock edges since the start of the frame (0: idle), bits sampled, the word, valid, error."""


def uart_rx(bits: int, parity: str, clocks: int, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(clocks, "CLKS_PER_BIT" if generic else "")
    half = clocks // 2
    checked = bits + (parity != "no")

    def step(state: _Receiver | None, v: Values) -> _Receiver | None:
        if state is None:
            return None
        age, seen, word, _, _ = state
        if age == 0 or (age == half and v["rx"]):
            return int(age == 0 and not v["rx"]), (), word, 0, 0
        if age == half or (age - half) % clocks:
            return age + 1, seen, word, 0, 0
        if len(seen) < checked:
            return age + 1, (*seen, v["rx"]), word, 0, 0
        got = sum(bit << i for i, bit in enumerate(seen[:bits]))
        good = bool(v["rx"]) and list(seen[bits:]) == _parity(got, parity)
        return 0, (), (got if good else word), int(good), int(not good)

    wrong = "the stop bit is 0" + (" or the parity wrong" if parity != "no" else "")
    sampled = enumerated(["the data bits (LSB first)", *_parity_name(parity), "the stop bit"])
    return Circuit(
        name="uart_rx",
        headlines=(
            article(f"UART receiver for {bits} data bits, {parity} parity and 1 stop bit"),
            article(f"receiver of UART frames with {bits} data bits, {parity} parity and one stop bit"),
            f"the receive half of a UART ({bits} data bits, {parity} parity, 1 stop bit)",
            article(f"serial receiver for UART frames: {bits} data bits, {parity} parity, 1 stop bit"),
        ),
        inputs=(*controls(chosen), inp("rx")),
        outputs=(outp("q", bits), outp("valid"), outp("error")),
        registers=frozenset({"q", "valid", "error"}),
        body=_rx_body(bits, parity, size, reset),
        model=Clocked(
            reset_state=(0, (), 0, 0, 0), step=step, out=lambda s, v: {"q": s[2], "valid": s[3], "error": s[4]}
        ),
        facts=(
            *_uart_rx_facts(half, clocks, sampled, wrong),
            *reset_fact(chosen, "returns the receiver to idle and clears its outputs"),
            *parameter_fact(size.parameters, CLKS_PER_BIT="the number of clock cycles per bit"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"rx": "serial line, 1 when idle", "q": "data received", "valid": "new data", "error": "bad frame"},
        stimulus=lambda rng: _line(rng, bits, parity, clocks),
        cycles=9 * clocks * (checked + 2),
    )  # fmt: skip


def _uart_rx_facts(half: int, clocks: int, sampled: str, wrong: str) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"A clock edge that finds {{rx}} at 0 while idle starts a frame; {half} edges later {{rx}} must still be "
                f"0, else it is idle again. Then it samples {{rx}} every {clocks} edges: {sampled}.",
                f"Idle, it waits for an edge with {{rx}} = 0. {half} edges later it looks again (1: back to idle), and "
                f"from there samples every {clocks} edges: {sampled}.",
            ),
        ),
        Fact(
            (),
            (
                f"The edge of the stop bit sets {{valid}} for one cycle and stores the data in {{q}}; if {wrong}, it sets "
                "{error} for one cycle and leaves {q}. Then it is idle at once.",
                f"At the sample of the stop bit {{q}} takes the data and {{valid}} is 1 for one cycle; when {wrong}, "
                "{q} stays and {error} is 1 for one cycle instead. After either it is idle.",
            ),
        ),
    )


def _rx_body(bits: int, parity: str, size: Size, reset: str) -> str:
    checked = bits + (parity != "no")
    ticks = 16 if size.name else (size.number - 1).bit_length()
    count = (checked - 1).bit_length()
    last = f"{size.name} - 1" if size.name else f"{ticks}'d{size.number - 1}"
    middle = f"{size.name} / 2 - 1" if size.name else f"{ticks}'d{size.number // 2 - 1}"
    good = {"no": "rx", "even": "rx && !(^bits)", "odd": "rx && ^bits"}[parity]
    held = f"bits[{bits - 1}:0]" if checked > bits else "bits"
    more = ["    end else", f"        ticks <= ticks + {ticks}'d1;"]
    lines = [
        "valid <= 1'b0;", "error <= 1'b0;",
        "case (state)",
        "    IDLE: if (!rx)", "        state <= START;",
        f"    START: if (ticks == {middle}) begin", f"        ticks <= {ticks}'d0;",
        "        state <= rx ? IDLE : DATA;", *more,
        f"    DATA: if (ticks == {last}) begin", f"        ticks <= {ticks}'d0;",
        f"        place <= (place == {count}'d{checked - 1}) ? {count}'d0 : place + {count}'d1;",
        f"        if (place == {count}'d{checked - 1})", "            state <= STOP;", *more,
        f"    default: if (ticks == {last}) begin", f"        ticks <= {ticks}'d0;", "        state <= IDLE;",
        f"        if ({good}) begin", "            valid <= 1'b1;", f"            q <= {held};",
        "        end else", "            error <= 1'b1;", *more,
        "endcase",
    ]  # fmt: skip
    clear = ["state <= IDLE;", f"ticks <= {ticks}'d0;", f"place <= {count}'d0;", f"q <= {bits}'d0;", "valid <= 1'b0;",
             "error <= 1'b0;"]  # fmt: skip
    shift = f"if (state == DATA && ticks == {last})"
    sample = always_clocked([shift, f"    bits <= {{rx, bits[{checked - 1}:1]}};"], None, [])
    return f"""    localparam IDLE = 2'd0, START = 2'd1, DATA = 2'd2, STOP = 2'd3;
    reg [1:0] state;
    reg {vec(ticks)}ticks;
    reg {vec(count)}place;
    reg {vec(checked)}bits;
{sample}
{always_clocked(lines, RESETS[reset], clear)}"""


def _line(rng: random.Random, bits: int, parity: str, clocks: int) -> Iterator[Values]:
    """Levels of a receiver's line: frames, good and bad, and starts that are none, with idle time between them."""
    kinds = ["good", "glitch", "bad parity", "good", "bad stop"]
    while True:
        for kind in kinds:
            word = rng.getrandbits(bits)
            check = [bit ^ int(kind == "bad parity") for bit in _parity(word, parity)]
            frame = [0, *_bits(word, bits), *check, int(kind != "bad stop")]
            yield from ({"rx": 1} for _ in range(rng.randint(1, clocks)))
            yield from ({"rx": level} for level in _levels(rng, frame[:1] if kind == "glitch" else frame, clocks, kind))
        rng.shuffle(kinds)


def _levels(rng: random.Random, frame: Sequence[int], clocks: int, kind: str) -> Iterator[int]:
    """The levels of one frame up to the sample of its last bit; in a few cycles that are not sampled, the other level."""
    half = clocks // 2
    for place, bit in enumerate(frame):
        for cycle in range(clocks):
            sampled = cycle == half or (place == 0 and cycle == 0)
            if kind == "glitch" and cycle == half:
                yield 1
                return
            yield bit ^ int(not sampled and rng.random() < 0.15)
            if place == len(frame) - 1 and cycle == half and place:
                return


FAMILIES = (
    Family(
        "uart_tx", "UART", "hard", "sequential",
        {"bits": (7, 8), "parity": ("no", "even", "odd"), "stops": (1, 2), "clocks": (4, 6), "reset": WITH_RESET,
         "generic": (False, True)},
        uart_tx,
    ),
    Family(
        "uart_rx", "UART", "hard", "sequential",
        {"bits": (6, 7, 8), "parity": ("no", "even", "odd"), "clocks": (4, 6), "reset": WITH_RESET,
         "generic": (False, True)},
        uart_rx,
    ),
)  # fmt: skip
