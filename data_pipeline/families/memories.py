"""Families of memories: single-port and dual-port RAM, register files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Outputs,
    Values,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    parameter_fact,
    reset_fact,
)
from data_pipeline.families.sizes import Size

_Words = tuple[int | None, ...]
_WORD = "the width of a word"
_DEPTH = ", for 2**ADDR_WIDTH words"


def _with(words: _Words, place: int, word: int) -> _Words:
    return (*words[:place], word, *words[place + 1 :])


def _sizes(width: int, depth: int, generic: bool) -> tuple[Size, Size, str, dict[str, int]]:
    """Width and address width, the range of the words, and the parameters."""
    size = Size(width, "WIDTH" if generic else "")
    bits = Size((depth - 1).bit_length(), "ADDR_WIDTH" if generic else "")
    words = "[0:(1<<ADDR_WIDTH)-1]" if generic else f"[0:{depth - 1}]"
    return size, bits, words, size.parameters | bits.parameters


def _visits(rng: random.Random, depth: int, ports: tuple[str, ...]) -> Iterator[Values]:
    """Addresses that return to the same few words for a while, so that what was written is read."""
    while True:
        near = [rng.randrange(depth), rng.randrange(depth), rng.choice((0, depth - 1))]
        for _ in range(12):
            yield {port: rng.choice(near) for port in ports}


_WRITE = Fact(
    (),
    (
        "A clock edge with {we} at 1 writes {d} to the word at {addr}.",
        "Writing: {d} goes to address {addr} at a clock edge with {we} = 1.",
    ),
)
_RAM_READ = {
    "asynchronous": (
        "{q} is the word at {addr}, read combinationally.",
        "Reading is asynchronous: {q} always shows the word at {addr}.",
    ),
    "read-first": (
        "Each clock edge also loads {q} with the word at {addr}; while writing, that is the old word.",
        "{q} is a register that takes the word at {addr} at every clock edge, the one before the write if {we} is 1.",
    ),
    "write-first": (
        "Each clock edge also loads {q} with the word at {addr}; while writing, that is {d}, the new word.",
        "{q} is a register that takes the word at {addr} at every clock edge, and {d} if {we} is 1.",
    ),
    "no-change": (
        "A clock edge with {we} at 0 loads {q} with the word at {addr}; while writing, {q} keeps its value.",
        "{q} is a register that takes the word at {addr} at each clock edge with {we} = 0, and holds while writing.",
    ),
}
_RAM_LINES = {
    "asynchronous": ["if (we)", "    mem[addr] <= d;"],
    "read-first": ["if (we)", "    mem[addr] <= d;", "q <= mem[addr];"],
    "write-first": ["if (we) begin", "    mem[addr] <= d;", "    q <= d;", "end else", "    q <= mem[addr];"],
    "no-change": ["if (we)", "    mem[addr] <= d;", "else", "    q <= mem[addr];"],
}
_RAM_ENABLE = Fact(
    ("an enable {en} (0: neither read nor write at the clock edge)",),
    ("Nothing is written or loaded at a clock edge with {en} at 0.", "{en} at 0 holds memory and {q}."),
)
_ASYNC_ENABLE = Fact(
    ("an enable {en} for writing",),
    ("Nothing is written at a clock edge with {en} at 0.", "Writing also needs {en} at 1."),
)


def single_port_ram(width: int, depth: int, read: str, enable: bool, generic: bool) -> Circuit:
    """The state is (the words, the output register)."""
    size, bits, words, named = _sizes(width, depth, generic)
    registered = read != "asynchronous"

    def step(state: tuple[_Words, int | None], v: Values) -> tuple[_Words, int | None]:
        mem, q = state
        if enable and not v["en"]:
            return state
        old = mem[v["addr"]]
        after = _with(mem, v["addr"], v["d"]) if v["we"] else mem
        written = {"read-first": old, "write-first": v["d"], "no-change": q, "asynchronous": None}[read]
        return after, (written if v["we"] else old)

    def out(state: tuple[_Words, int | None], v: Values) -> Outputs:
        return {"q": state[1] if registered else state[0][v["addr"]]}

    kind = "single-port RAM with asynchronous read" if not registered else f"{read} synchronous single-port RAM"
    return Circuit(
        name="single_port_ram",
        headlines=(
            article(f"{kind}, {depth} words of {width} bits"),
            article(f"{depth}x{width} {kind}"),
            article(f"{kind} of {depth} words, each {width} bits wide"),
            article(f"{kind} ({depth} x {width} bits)"),
        ),
        inputs=(*controls(None, enable), inp("we"), inp("addr", bits.number), inp("d", width)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}) if registered else frozenset(),
        body=f"    reg {size.range}mem {words};\n"
        + always_clocked(_RAM_LINES[read], None, [], enable="en" if enable else None)
        + ("" if registered else "\n    assign q = mem[addr];"),
        model=Clocked(reset_state=None, step=step, out=out, start=((None,) * depth, None)),
        facts=(
            _WRITE,
            Fact((), _RAM_READ[read]),
            *((_RAM_ENABLE if registered else _ASYNC_ENABLE,) if enable else ()),
            *parameter_fact(named, WIDTH=_WORD, ADDR_WIDTH="the width of {addr}" + _DEPTH),
        ),
        parameters=named,
        ranges=size.ranges("d", "q") | bits.ranges("addr"),
        roles={"we": "write enable", "addr": "address", "d": "data to write", "q": "data read"},
        busy={"en": 0.75},
        stimulus=lambda rng: _visits(rng, depth, ("addr",)),
        cycles=200,
    )


_DUAL_READ = {
    "asynchronous": (
        "{rdata} is the word at {raddr}, read combinationally.",
        "Reading is asynchronous: {rdata} always shows the word at {raddr}.",
    ),
    "old": (
        "{rdata} is a register that takes the word at {raddr} at each clock edge{re}. If that word is being written, it is "
        "the old one.",
        "Each clock edge{re} loads {rdata} with the word at {raddr}, which is the old word if it is written at the same time.",
    ),
    "new": (
        "{rdata} is a register that takes the word at {raddr} at each clock edge{re}. If that word is being written, it is "
        "the new one, {wdata}.",
        "Each clock edge{re} loads {rdata} with the word at {raddr}, or with {wdata} if the same word is being written.",
    ),
}
_PORT_ROLES = {"we": "write enable", "waddr": "write address", "wdata": "data to write", "re": "read enable",
               "raddr": "read address", "rdata": "data read"}  # fmt: skip
_DUAL_WRITE = Fact(
    (),
    (
        "A clock edge with {we} at 1 writes {wdata} to the word at {waddr}.",
        "Writing: {wdata} goes to address {waddr} at a clock edge with {we} = 1.",
    ),
)


def dual_port_ram(width: int, depth: int, read: str, enable: bool, generic: bool) -> Circuit:
    """One port writes, the other reads. The state is (the words, the output register)."""
    size, bits, words, named = _sizes(width, depth, generic)
    registered = read != "asynchronous"
    enable = enable and registered

    def step(state: tuple[_Words, int | None], v: Values) -> tuple[_Words, int | None]:
        mem, q = state
        after = _with(mem, v["waddr"], v["wdata"]) if v["we"] else mem
        if enable and not v["re"]:
            return after, q
        return after, (after if read == "new" else mem)[v["raddr"]]

    def out(state: tuple[_Words, int | None], v: Values) -> Outputs:
        return {"rdata": state[1] if registered else state[0][v["raddr"]]}

    source = "(we && waddr == raddr) ? wdata : mem[raddr]" if read == "new" else "mem[raddr]"
    load = ["if (re)", f"    rdata <= {source};"] if enable else [f"rdata <= {source};"]
    block = always_clocked(["if (we)", "    mem[waddr] <= wdata;", *(load if registered else [])], None, [])
    kind = {"asynchronous": "asynchronous read", "old": "registered read", "new": "write-through registered read"}[read]
    condition = " with {re} at 1" if enable else ""
    return Circuit(
        name="dual_port_ram",
        headlines=(
            article(f"simple dual-port RAM with {kind}, {depth} words of {width} bits"),
            article(f"{depth}x{width} RAM with one write port and one read port ({kind})"),
            article(f"two-port memory of {depth} {width}-bit words with {kind}"),
            article(f"simple dual-port memory ({depth} x {width} bits, {kind})"),
        ),
        inputs=(*controls(None), inp("we"), inp("waddr", bits.number), inp("wdata", width),
                *((inp("re"),) if enable else ()), inp("raddr", bits.number)),
        outputs=(outp("rdata", width),),
        registers=frozenset({"rdata"}) if registered else frozenset(),
        body=f"    reg {size.range}mem {words};\n{block}" + ("" if registered else "\n    assign rdata = mem[raddr];"),
        model=Clocked(reset_state=None, step=step, out=out, start=((None,) * depth, None)),
        facts=(
            _DUAL_WRITE,
            Fact((), tuple(words.replace("{re}", condition) for words in _DUAL_READ[read])),
            *((_READ_ENABLE,) if enable else ()),
            *parameter_fact(named, WIDTH=_WORD, ADDR_WIDTH="the width of {waddr} and {raddr}" + _DEPTH),
        ),
        parameters=named,
        ranges=size.ranges("wdata", "rdata") | bits.ranges("waddr", "raddr"),
        roles=_PORT_ROLES,
        busy={"re": 0.7},
        stimulus=lambda rng: _visits(rng, depth, ("waddr", "raddr")),
        cycles=240,
    )  # fmt: skip


_READ_ENABLE = Fact((), ("{rdata} holds its value while {re} is 0.", "With {re} at 0, {rdata} does not change."))


def register_file(width: int, count: int, zero: bool, bypass: bool, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    bits = (count - 1).bit_length()

    def step(regs: _Words | None, v: Values) -> _Words | None:
        if regs is None or not v["we"] or (zero and v["waddr"] == 0):
            return regs
        return _with(regs, v["waddr"], v["wdata"])

    def read(regs: _Words, v: Values, place: int) -> int | None:
        hit = bypass and v["we"] and v["waddr"] == place and not (zero and place == 0)
        return v["wdata"] if hit else regs[place]

    def assign(n: int) -> str:
        value = f"(we && waddr == raddr{n}) ? wdata : regs[raddr{n}]" if bypass else f"regs[raddr{n}]"
        if zero and bypass:
            value = f"(raddr{n} == {bits}'d0) ? {size.zero} : {value}"
        return f"    assign rdata{n} = {value};"

    return Circuit(
        name="register_file",
        headlines=(
            article(f"register file of {count} {width}-bit registers with two read ports"),
            article(f"{count}x{width} register file with one write port and two read ports"),
            article(f"two-read one-write register file ({count} registers of {width} bits)"),
            article(f"register file with {count} registers, {width} bits each, two read ports and one write port"),
        ),
        inputs=(*controls(chosen), inp("we"), inp("waddr", bits), inp("wdata", width), inp("raddr1", bits),
                inp("raddr2", bits)),
        outputs=(outp("rdata1", width), outp("rdata2", width)),
        body=_file_body(size, count, zero, reset) + "\n" + assign(1) + "\n" + assign(2),
        model=Clocked(
            reset_state=(0,) * count,
            step=step,
            out=lambda s, v: {"rdata1": read(s, v, v["raddr1"]), "rdata2": read(s, v, v["raddr2"])},
        ),
        facts=(
            *_REGISTER_FILE,
            Fact((), ("{rdata1} and {rdata2} show registers {raddr1} and {raddr2}, combinationally.",
                      "Reading is asynchronous: {raddr1} selects {rdata1}, {raddr2} selects {rdata2}.")),
            Fact((), _BYPASS[bypass]),
            *((_ZERO,) if zero else ()),
            *reset_fact(chosen, "clears all registers"),
            *parameter_fact(size.parameters, WIDTH="the width of a register"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("wdata", "rdata1", "rdata2"),
        roles=_REGISTER_FILE_ROLES,
        stimulus=lambda rng: _visits(rng, count, ("waddr", "raddr1", "raddr2")),
        cycles=240,
    )  # fmt: skip


_REGISTER_FILE_ROLES = {
    "we": "write enable",
    "waddr": "register to write",
    "wdata": "data to write",
    "raddr1": "register to read",
    "raddr2": "register to read",
    "rdata1": "data read",
    "rdata2": "data read",
}


_REGISTER_FILE = (
    Fact(
        (),
        (
            "A clock edge with {we} at 1 writes {wdata} to register {waddr}.",
            "Register {waddr} takes {wdata} at a clock edge with {we} = 1.",
        ),
    ),
)


def _file_body(size: Size, count: int, zero: bool, reset: str) -> str:
    bits = (count - 1).bit_length()
    condition = f"we && waddr != {bits}'d0" if zero else "we"
    lines = [f"if ({condition})", "    regs[waddr] <= wdata;"]
    clear = [f"for (i = 0; i < {count}; i = i + 1)", f"    regs[i] <= {size.zero};"]
    return f"    reg {size.range}regs [0:{count - 1}];\n    integer i;\n{always_clocked(lines, RESETS[reset], clear)}"


_BYPASS = {
    True: (
        "A register that is being written ({we} = 1) already reads as {wdata}.",
        "Write-through: while {we} is 1, reading register {waddr} gives {wdata}.",
    ),
    False: (
        "A register that is being written reads as its old value until the clock edge.",
        "There is no bypass: a written value is read from the clock edge on.",
    ),
}
_ZERO = Fact(
    ("register 0 always 0",),
    ("Register 0 always reads as 0; writes to it are ignored.", "Register 0 is constant 0."),
)


_SPACE: dict[str, Any] = {"width": (4, 8, 12), "depth": (8, 16, 32)}

FAMILIES = (
    Family(
        "single_port_ram", "memories", "medium", "sequential",
        {**_SPACE, "read": tuple(_RAM_READ), "enable": (False, True), "generic": (False, True)},
        single_port_ram,
    ),
    Family(
        "dual_port_ram", "memories", "medium", "sequential",
        {**_SPACE, "read": tuple(_DUAL_READ), "enable": (False, True), "generic": (False, True)},
        dual_port_ram,
    ),
    Family(
        "register_file", "register files", "medium", "sequential",
        {"width": (8, 16, 32), "count": (4, 8), "zero": (False, True), "bypass": (False, True), "reset": WITH_RESET,
         "generic": (False, True)},
        register_file,
    ),
)  # fmt: skip
