"""Families of pipelines: data with valid bits through N stages, pipelined adders and multipliers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
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
    signed,
    vec,
)
from data_pipeline.families.sizes import Size

_MOVES = {"none": None, "enable": "en", "stall": "!stall"}
_MOVE_WORDS = {
    "none": (),
    "enable": (
        Fact(
            ("an enable {en} for all stages",),
            ("All stages hold while {en} is 0.", "Nothing moves at a clock edge with {en} at 0."),
        ),
    ),
    "stall": (
        Fact(
            ("an input {stall} that holds all stages",),
            ("While {stall} is 1 all stages hold their contents.", "Nothing moves at a clock edge with {stall} at 1."),
        ),
    ),
}


def _shifted(moves: Callable[[Values], bool], first: Callable[[Values], Any]) -> Callable[[Any, Values], Any]:
    """The step of a chain of registers: ``first`` enters at the front when the chain moves."""

    def step(stages: Any, v: Values) -> Any:
        if stages is None or not moves(v):
            return stages
        return (first(v), *stages[:-1])

    return step


def _moves(control: str) -> Callable[[Values], bool]:
    return lambda v: {"none": True, "enable": bool(v.get("en")), "stall": not v.get("stall")}[control]


def valid_pipeline(width: int, stages: int, control: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    depth = Size(stages, "STAGES" if generic else "")
    moves = _MOVES[control]
    last = stages - 1
    inputs = (*controls(chosen, control == "enable"), *((inp("stall"),) if control == "stall" else ()))
    flags = always_clocked(
        [f"valids <= {{valids[{depth.less(2)}:0], in_valid}};"],
        chosen, [f"valids <= {depth.zero};"], enable=moves,
    )  # fmt: skip
    if generic:
        declared = "    reg [WIDTH*STAGES-1:0] words;\n"
        lines = ["words <= {words[WIDTH*(STAGES-1)-1:0], in_data};"]
        shown = "words[WIDTH*STAGES-1 -: WIDTH]"
    else:
        declared = f"    reg {size.range}" + ", ".join(f"word_{i}" for i in range(stages)) + ";\n"
        lines = ["word_0 <= in_data;", *(f"word_{i} <= word_{i - 1};" for i in range(1, stages))]
        shown = f"word_{last}"
    named = depth.parameters | size.parameters
    return Circuit(
        name="valid_pipeline",
        headlines=(
            article(f"{stages}-stage pipeline for {width}-bit words with valid bits"),
            article(f"{stages}-stage delay line for {width}-bit data and its valid bit"),
            article(f"delay of {stages} clock cycles for {a_bit(width)} word and its valid flag"),
            article(f"{width}-bit pipeline of {stages} register stages that carries a valid bit along"),
        ),
        inputs=(*inputs, inp("in_valid"), inp("in_data", width)),
        outputs=(outp("out_valid"), outp("out_data", width)),
        body=f"    reg {depth.range}valids;\n{declared}{flags}\n{always_clocked(lines, None, [], enable=moves)}\n"
        f"    assign out_valid = valids[{depth.top}];\n    assign out_data = {shown};",
        model=Clocked(
            reset_state=((0, 0),) * stages,
            step=_shifted(_moves(control), lambda v: (v["in_valid"], v["in_data"])),
            out=lambda s, v: {"out_valid": s[-1][0], "out_data": s[-1][1] if s[-1][0] else None},
        ),
        facts=(
            *_valid_pipeline_facts(stages, control),
            Fact((), ("{out_data} does not matter while {out_valid} is 0.",)),
            *_MOVE_WORDS[control],
            *reset_fact(chosen, "clears all valid bits"),
            *parameter_fact(named, STAGES="the number of stages", WIDTH="the width of {in_data} and {out_data}"),
        ),
        reset=chosen,
        parameters=named,
        ranges=size.ranges("in_data", "out_data"),
        roles=_VALID_PIPELINE_ROLES,
        busy={"en": 0.75, "stall": 0.25},
    )  # fmt: skip


_VALID_PIPELINE_ROLES = {
    "in_valid": "{in_data} is valid",
    "in_data": "word in",
    "out_valid": "{out_data} is valid",
    "out_data": "word out",
    "stall": "holds the pipeline",
}


def _valid_pipeline_facts(stages: int, control: str) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"{{in_valid}} and {{in_data}} appear on {{out_valid}} and {{out_data}} after {stages} clock edges"
                f"{'' if control == 'none' else ' at which it moves'}.",
                f"Word and valid bit pass through {stages} registers, from {{in_data}} and {{in_valid}} to {{out_data}} "
                "and {out_valid}.",
            ),
        ),
    )


def _latency(result: str, latency: int) -> Fact:
    return Fact(
        (f"a latency of {latency} clock cycles (one result per cycle)",),
        (
            f"It takes operands in every cycle; {result} belongs to the operands sampled {latency} clock edges back, "
            "counting the last edge as the first.",
            f"The latency is {latency}: the operands of one clock edge give {result} after that edge and {latency - 1} more. "
            "New operands may come every cycle.",
        ),
    )


def pipelined_adder(width: int, latency: int, carry: bool, reset: str) -> Circuit:
    """Each stage adds one slice of the operands; the state is the sums under way."""
    chosen = RESETS[reset]

    def first(v: Values) -> int:
        return v["a"] + v["b"] + v.get("cin", 0)

    return Circuit(
        name="pipelined_adder",
        headlines=(
            article(f"{width}-bit pipelined adder with {latency} stages"),
            article(f"{latency}-stage pipelined adder for {width}-bit operands"),
            article(f"pipelined adder, {width} bits, {latency} stages"),
            article(f"{width}-bit adder pipelined into {latency} stages"),
        ),
        inputs=(*controls(chosen), inp("a", width), inp("b", width), *((inp("cin"),) if carry else ())),
        outputs=(outp("sum", width), outp("cout")),
        body=_adder_body(width, latency, carry, reset),
        model=Clocked(
            reset_state=(0,) * latency,
            step=_shifted(lambda v: True, first),
            out=lambda s, v: {
                "sum": None if s[-1] is None else s[-1] & mask(width),
                "cout": None if s[-1] is None else s[-1] >> width,
            },
            start=(None,) * latency,
        ),
        facts=(
            Fact(
                (),
                (
                    f"{{sum}} and {{cout}} are the low {width} bits and the carry out of {{a}} + {{b}}{' + {cin}' * carry}.",
                    f"{{cout}} and {{sum}} together are the {width + 1}-bit sum {{a}} + {{b}}{' + {cin}' * carry}.",
                ),
            ),
            _latency("the sum", latency),
            *reset_fact(chosen, "clears all stages, so that the outputs are 0"),
        ),
        reset=chosen,
        roles={"a": "first operand", "b": "second operand", "cin": "carry in", "sum": "sum", "cout": "carry out"},
    )


def _adder_body(width: int, latency: int, carry: bool, reset: str) -> str:
    part = -(-width // latency)
    lines, clear, wires, registers = [], [], [], []
    for stage in range(latency):
        low, high = stage * part, min(width, (stage + 1) * part)
        bits, left = high - low, width - high
        sources = ("a", "b", "cin" if carry else "1'b0")
        if stage:
            sources = (f"rest_a{stage - 1}", f"rest_b{stage - 1}", f"carry{stage - 1}")
        whole = width - low
        slices = [f"{name}[{bits - 1}:0]" if whole > 1 else name for name in sources[:2]]
        wires.append(f"    wire [{bits}:0] part{stage} = {slices[0]} + {slices[1]} + {sources[2]};")
        done = f"{{part{stage}[{bits - 1}:0], low{stage - 1}}}" if stage else f"part{stage}[{bits - 1}:0]"
        registers.append(f"    reg [{high - 1}:0] low{stage};\n    reg carry{stage};")
        lines += [f"low{stage} <= {done};", f"carry{stage} <= part{stage}[{bits}];"]
        clear += [f"low{stage} <= {high}'d0;", f"carry{stage} <= 1'b0;"]
        if left:
            registers.append(f"    reg {vec(left)}rest_a{stage}, rest_b{stage};")
            lines += [f"rest_{x}{stage} <= {sources['ab'.index(x)]}[{whole - 1}:{bits}];" for x in "ab"]
            clear += [f"rest_{x}{stage} <= {left}'d0;" for x in "ab"]
    block = always_clocked(lines, RESETS[reset], clear)
    ends = f"    assign sum = low{latency - 1};\n    assign cout = carry{latency - 1};"
    return "\n".join([*registers, *wires, block, ends])


def pipelined_multiplier(width: int, latency: int, sign: str, enable: bool, reset: str, generic: bool) -> Circuit:
    """The product is registered as often as the latency says; the state is the products under way."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    double = Size(2 * width, "2*WIDTH" if generic else "")
    is_signed = sign == "signed"

    def first(v: Values) -> int:
        a, b = (signed(v[x], width) if is_signed else v[x] for x in "ab")
        return a * b & mask(2 * width)

    delayed = [f"product_{i}" for i in range(1, latency)]
    chain = [*delayed, "product"]
    times = "$signed(a) * $signed(b)" if is_signed else "a * b"
    lines = [f"{chain[0]} <= {times};", *(f"{after} <= {before};" for before, after in itertools.pairwise(chain))]
    # The width of a zero would be an expression with the parameter.
    zero = "0" if generic else double.zero
    block = always_clocked(lines, chosen, [f"{name} <= {zero};" for name in chain], enable="en" if enable else None)
    return Circuit(
        name="pipelined_multiplier",
        headlines=(
            article(f"{width}-bit {sign} pipelined multiplier"),
            article(f"pipelined multiplier for {sign} {width}-bit operands"),
            article(f"{sign} {width}x{width} multiplier with pipeline registers"),
            article(f"pipelined {width}-bit multiplier for {sign} numbers"),
        ),
        inputs=(*controls(chosen, enable), inp("a", width), inp("b", width)),
        outputs=(outp("product", 2 * width),),
        registers=frozenset({"product"}),
        body=f"    reg {double.range}{', '.join(delayed)};\n{block}",
        model=Clocked(
            reset_state=(0,) * latency,
            step=_shifted(_moves("enable" if enable else "none"), first),
            out=lambda s, v: {"product": s[-1]},
            start=(None,) * latency,
        ),
        facts=(
            Fact((), (f"{{product}} is {{a}} * {{b}} in {2 * width} bits.",
                      f"The {2 * width}-bit {{product}} is the {sign} product of {{a}} and {{b}}.")),
            _latency("{product}", latency),
            *_MOVE_WORDS["enable" if enable else "none"],
            *reset_fact(chosen, "clears all stages"),
            *parameter_fact(size.parameters, WIDTH="the width of {a} and {b}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("a", "b") | double.ranges("product"),
        roles={"a": "multiplicand", "b": "multiplier", "product": "product"},
        busy={"en": 0.75},
    )  # fmt: skip


FAMILIES = (
    Family(
        "valid_pipeline", "pipelines", "medium", "sequential",
        {"width": (8, 12), "stages": (2, 3, 4, 5), "control": tuple(_MOVES), "reset": WITH_RESET,
         "generic": (False, True)},
        valid_pipeline,
    ),
    Family(
        "pipelined_adder", "pipelined arithmetic", "hard", "sequential",
        {"width": (8, 12, 16, 20, 32), "latency": (2, 3, 4), "carry": (False, True), "reset": tuple(RESETS)},
        pipelined_adder,
    ),
    Family(
        "pipelined_multiplier", "pipelined arithmetic", "medium", "sequential",
        {"width": (4, 8, 16), "latency": (2, 3, 4), "sign": ("unsigned", "signed"), "enable": (False, True),
         "reset": ("none", "sync_high", "async_low"), "generic": (False, True)},
        pipelined_multiplier,
    ),
)  # fmt: skip
