"""Families of queues and stacks: synchronous FIFOs and LIFO stacks with their flags."""

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
    always_clocked,
    article,
    controls,
    inp,
    outp,
    parameter_fact,
    reset_fact,
    vec,
)
from data_pipeline.families.sizes import Size

_Held = tuple[int, ...]


def _tides(rng: random.Random, depth: int, into: str, out_of: str) -> Iterator[Values]:
    """Filling and draining in turn, so that full and empty are both reached and met by both inputs."""
    while True:
        for often in (0.85, 0.15, 0.6, 0.4):
            for _ in range(rng.randint(depth + 2, 2 * depth + 4)):
                yield {into: int(rng.random() < often), out_of: int(rng.random() < 1 - often)}


_FIFO_READ = {
    "fall-through": (
        "{dout} shows the oldest word whenever {empty} is 0 (first-word fall-through); while empty it does not matter.",
        "The oldest word is on {dout} without a read, and {rd_en} removes it; {dout} may be anything while {empty} is 1.",
    ),
    "registered": (
        "{dout} is a register: a read loads it with the oldest word, and it holds that until the next read.",
        "A read moves the oldest word to the register {dout}, which changes only then.",
    ),
}


def sync_fifo(width: int, depth: int, read: str, count: bool, reset: str, generic: bool) -> Circuit:
    """The state is (the words held, the oldest first; the output register)."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    registered = read == "registered"

    def step(state: tuple[_Held, int] | None, v: Values) -> tuple[_Held, int] | None:
        if state is None:
            return None
        held, shown = state
        after = (*held, v["din"]) if v["wr_en"] and len(held) < depth else held
        return (after[1:], held[0]) if v["rd_en"] and held else (after, shown)

    def out(state: tuple[_Held, int], v: Values) -> Outputs:
        held, shown = state
        front = held[0] if held else None
        return {
            "dout": shown if registered else front,
            "full": int(len(held) == depth),
            "empty": int(not held),
            "used": len(held),
        }

    levels = depth.bit_length()
    return Circuit(
        name="sync_fifo",
        headlines=(
            article(f"synchronous FIFO of {depth} words of {width} bits"),
            article(f"single-clock FIFO, {depth} deep and {width} bits wide"),
            article(f"{depth}-deep, {width}-bit synchronous FIFO"),
            article(f"first-in first-out buffer for {depth} {width}-bit words with one clock"),
        ),
        inputs=(*controls(chosen), inp("wr_en"), inp("din", width), inp("rd_en")),
        outputs=(outp("dout", width), outp("full"), outp("empty"), *((outp("used", levels),) if count else ())),
        registers=frozenset({"dout"} if registered else ()),
        body=_fifo_body(size, depth, registered, count, reset),
        model=Clocked(reset_state=((), 0), step=step, out=out),
        facts=(
            Fact((), _FIFO_PORTS),
            Fact((), _FIFO_READ[read]),
            Fact((), _FIFO_LIMITS),
            *((_USED,) if count else ()),
            *reset_fact(chosen, "empties the FIFO" + (" and clears {dout}" if registered else "")),
            *parameter_fact(size.parameters, WIDTH="the width of {din} and {dout}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("din", "dout"),
        roles=_SYNC_FIFO_ROLES,
        stimulus=lambda rng: _tides(rng, depth, "wr_en", "rd_en"),
        cycles=80 + 20 * depth,
    )  # fmt: skip


_SYNC_FIFO_ROLES = {
    "wr_en": "write",
    "din": "word in",
    "rd_en": "read",
    "dout": "word out",
    "full": "no room",
    "empty": "no word",
    "used": "number of words held",
}


_FIFO_PORTS = (
    "A clock edge with {wr_en} at 1 stores {din}; one with {rd_en} at 1 removes the oldest word.",
    "{wr_en} writes {din} and {rd_en} reads, both at the clock edge and also at the same one.",
)
_FIFO_LIMITS = (
    "{full} and {empty} tell its state; at a clock edge a write with {full} at 1 and a read with {empty} at 1 are ignored, "
    "whatever the other does.",
    "While {full} is 1 writes are ignored, even together with a read; while {empty} is 1 reads are ignored, even together "
    "with a write.",
)
_USED = Fact(
    ("an output {used} with the number of words held",),
    ("{used} is the number of words it holds.", "The number of words held is on {used}."),
)


def _fifo_body(size: Size, depth: int, registered: bool, count: bool, reset: str) -> str:
    bits, levels = (depth - 1).bit_length(), depth.bit_length()

    def forward(pointer: str) -> str:
        if depth == 1 << bits:
            return f"{pointer} + {bits}'d1"
        return f"({pointer} == {bits}'d{depth - 1}) ? {bits}'d0 : {pointer} + {bits}'d1"

    lines = [
        "if (storing)",
        f"    tail <= {forward('tail')};",
        "if (taking)" + (" begin" if registered else ""),
        f"    head <= {forward('head')};",
        *(["    dout <= mem[head];", "end"] if registered else []),
        "if (storing && !taking)",
        f"    level <= level + {levels}'d1;",
        "else if (taking && !storing)",
        f"    level <= level - {levels}'d1;",
    ]
    clear = [f"head <= {bits}'d0;", f"tail <= {bits}'d0;", f"level <= {levels}'d0;"]
    clear += [f"dout <= {size.zero};"] if registered else []
    write = always_clocked(["mem[tail] <= din;"], None, [], enable="storing")
    shown = "" if registered else "\n    assign dout = mem[head];"
    shown += "\n    assign used = level;" if count else ""
    return f"""    reg {size.range}mem [0:{depth - 1}];
    reg {vec(bits)}head, tail;
    reg {vec(levels)}level;
    wire storing = wr_en && !full;
    wire taking = rd_en && !empty;
    assign full = (level == {levels}'d{depth});
    assign empty = (level == {levels}'d0);
{write}
{always_clocked(lines, RESETS[reset], clear)}{shown}"""


def lifo_stack(width: int, depth: int, both: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")

    def step(held: _Held | None, v: Values) -> _Held | None:
        if held is None:
            return None
        push, pop = bool(v["push"]), bool(v["pop"])
        if push and pop and both == "replace":
            return (*held[:-1], v["d"])
        if push and not (pop and both == "pop"):
            return (*held, v["d"]) if len(held) < depth else held
        return held[:-1] if pop else held

    return Circuit(
        name="lifo",
        headlines=(
            article(f"stack of {depth} words of {width} bits"),
            article(f"LIFO stack, {depth} deep and {width} bits wide"),
            article(f"{depth}-deep, {width}-bit last-in first-out stack"),
            article(f"hardware stack for {depth} {width}-bit words"),
        ),
        inputs=(*controls(chosen), inp("push"), inp("pop"), inp("d", width)),
        outputs=(outp("q", width), outp("full"), outp("empty")),
        body=_stack_body(size, depth, both, reset),
        model=Clocked(
            reset_state=(),
            step=step,
            out=lambda s, v: {"q": s[-1] if s else 0, "full": int(len(s) == depth), "empty": int(not s)},
        ),
        facts=(
            *_LIFO_STACK,
            Fact((), _BOTH[both]),
            *reset_fact(chosen, "empties the stack"),
            *parameter_fact(size.parameters, WIDTH="the width of {d} and {q}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d", "q"),
        roles={"push": "store {d}", "pop": "remove the top", "d": "word to store", "q": "top word", "full": "no room",
               "empty": "no word"},
        stimulus=lambda rng: _tides(rng, depth, "push", "pop"),
        cycles=80 + 16 * depth,
    )  # fmt: skip


_LIFO_STACK = (
    Fact(
        (),
        (
            "At a clock edge {push} puts {d} on top and {pop} removes the top word; a push when full and a pop when "
            "empty are ignored.",
            "{push} stores {d} on top unless {full} is 1, {pop} removes the top unless {empty} is 1, both at the clock "
            "edge.",
        ),
    ),
    Fact(
        (),
        (
            "{q} is the top word, or 0 when the stack is empty; it, {full} and {empty} depend on the state only.",
            "{q} shows the top word without a pop, and 0 while {empty} is 1. {full} and {empty} give the state.",
        ),
    ),
)


_BOTH = {
    "replace": (
        "{push} and {pop} together replace the top word by {d} (also when full); when empty, they act as {push} alone.",
        "With {push} and {pop} both 1, {d} takes the place of the top word, or is pushed if the stack is empty.",
    ),
    "push": (
        "When {push} and {pop} are both 1, {pop} is ignored.",
        "{push} has priority: {pop} has no effect while {push} is 1, even when full.",
    ),
    "pop": (
        "When {push} and {pop} are both 1, {push} is ignored.",
        "{pop} has priority: {push} has no effect while {pop} is 1, even when empty.",
    ),
}


def _stack_body(size: Size, depth: int, both: str, reset: str) -> str:
    bits, levels = (depth - 1).bit_length(), depth.bit_length()
    one = f"{levels}'d1"
    growing, falling = {
        "replace": ("push && !full && (!pop || empty)", "pop && !empty && !push"),
        "push": ("push && !full", "pop && !empty && !push"),
        "pop": ("push && !full && !pop", "pop && !empty"),
    }[both]
    swap = "push && pop && !empty"
    store = ["if (growing)", "    mem[level] <= d;"]
    if both == "replace":
        store += [f"else if ({swap})", "    mem[top] <= d;"]
    lines = ["if (growing)", f"    level <= level + {one};", "else if (falling)", f"    level <= level - {one};"]
    return f"""    reg {size.range}mem [0:{depth - 1}];
    reg {vec(levels)}level;
    wire {vec(bits)}top = level - {one};
    assign full = (level == {levels}'d{depth});
    assign empty = (level == {levels}'d0);
    assign q = empty ? {size.zero} : mem[top];
    wire growing = {growing};
    wire falling = {falling};
{always_clocked(store, None, [])}
{always_clocked(lines, RESETS[reset], [f"level <= {levels}'d0;"])}"""


FAMILIES = (
    Family(
        "sync_fifo", "FIFOs", "hard", "sequential",
        {"width": (4, 8), "depth": (4, 6, 8), "read": ("fall-through", "registered"), "count": (False, True),
         "reset": WITH_RESET, "generic": (False, True)},
        sync_fifo,
    ),
    Family(
        "lifo_stack", "stacks", "hard", "sequential",
        {"width": (4, 8, 16), "depth": (4, 6, 8), "both": ("replace", "push", "pop"), "reset": WITH_RESET,
         "generic": (False, True)},
        lifo_stack,
    ),
)  # fmt: skip
