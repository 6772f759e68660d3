"""Families that look at several values together: sorters, combinational or registered, and sums of the last samples."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Combinational,
    Fact,
    Family,
    Reset,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    parameter_fact,
    reset_fact,
    signed,
)
from data_pipeline.families.sizes import Size

# Compare-exchange steps that put the smaller value first.
_NETWORKS = {
    2: ((0, 1),),
    3: ((0, 1), (1, 2), (0, 1)),
    4: ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)),
}
_COUNTS = {2: "two", 3: "three", 4: "four"}


def _network(count: int, span: str, sign: str) -> tuple[list[str], list[str]]:
    """The lines of a sorting network over the inputs a, b, ... and the names of its results, the smallest first."""
    lines: list[str] = []
    at = list("abcd"[:count])
    for number, (i, j) in enumerate(_NETWORKS[count]):
        left, right = (f"$signed({at[k]})" if sign == "signed" else at[k] for k in (i, j))
        low, high = f"lo{number}", f"hi{number}"
        lines += [
            f"    wire {span}{low}, {high};",
            f"    assign {low} = ({left} > {right}) ? {at[j]} : {at[i]};",
            f"    assign {high} = ({left} > {right}) ? {at[i]} : {at[j]};",
        ]
        at[i], at[j] = low, high
    return lines, at


def sorter(count: int, width: int, sign: str, order: str, generic: bool) -> Circuit:
    """A combinational sorter."""
    size = Size(width, "WIDTH" if generic else "")
    lines, results = _network(count, size.range, sign)
    results = results if order == "ascending" else results[::-1]
    body = "\n".join([*lines, *(f"    assign y{k} = {name};" for k, name in enumerate(results))])
    model = Combinational(lambda v: _sorted(v, count, width, sign, order))
    return _sorter(count, size, sign, order, body, model, None)


def registered_sorter(count: int, width: int, sign: str, reset: str, generic: bool) -> Circuit:
    """A sorter whose outputs are registers with an enable; it sorts in ascending order."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    lines, results = _network(count, size.range, sign)
    zero = f"{{{size.text}{{1'b0}}}}"
    block = always_clocked(
        [f"y{k} <= {name};" for k, name in enumerate(results)],
        chosen,
        [f"y{k} <= {zero};" for k in range(count)],
        enable="en",
    )

    def step(state: dict[str, int] | None, v: dict[str, int]) -> dict[str, int] | None:
        return _sorted(v, count, width, sign, "ascending") if v["en"] else state

    model = Clocked({f"y{k}": 0 for k in range(count)}, step, lambda state, v: state)
    return _sorter(count, size, sign, "ascending", "\n".join([*lines, block]), model, chosen)


def _sorted(v: dict[str, int], count: int, width: int, sign: str, order: str) -> dict[str, int]:
    def number(value: int) -> int:
        return signed(value, width) if sign == "signed" else value

    values = sorted((v[name] for name in "abcd"[:count]), key=number, reverse=order == "descending")
    return {f"y{k}": value for k, value in enumerate(values)}


def _sorter(
    count: int,
    size: Size,
    sign: str,
    order: str,
    body: str,
    model: Combinational | Clocked,
    reset: Reset | None,
) -> Circuit:
    """What combinational and registered sorters have in common."""
    width = size.number
    names = list("abcd"[:count])
    outs = [f"y{k}" for k in range(count)]
    clocked = isinstance(model, Clocked)
    numbers = "signed (two's complement)" if sign == "signed" else "unsigned"
    kind = "registered" if clocked else "combinational"
    first, last = ("smallest", "largest") if order == "ascending" else ("largest", "smallest")
    listed = ", ".join(f"{{{n}}}" for n in names[:-1]) + f" and {{{names[-1]}}}"
    moment = "At a rising clock edge with {en} high, " if clocked else ""
    ranks = {2: (first, last), 3: (first, "middle", last), 4: (first, f"second {first}", f"second {last}", last)}[count]
    return Circuit(
        name=f"sort{count}",
        headlines=(
            article(f"{kind} sorter for {_COUNTS[count]} {width}-bit {numbers} numbers"),
            article(f"{kind} circuit that sorts {_COUNTS[count]} {width}-bit {numbers} values"),
            article(f"{width}-bit {kind} sorter of {_COUNTS[count]} {numbers} values"),
            article(f"{kind} sorting network for {_COUNTS[count]} {numbers} numbers of {width} bits"),
        ),
        inputs=(*(controls(reset, enable=True) if clocked else ()), *(inp(name, width) for name in names)),
        outputs=tuple(outp(name, width) for name in outs),
        registers=frozenset(outs) if clocked else frozenset(),
        body=body,
        model=model,
        facts=(
            _sorter_fact(clocked, count, first, last, listed, moment, order),
            *((_HOLD,) if clocked else ()),
            *reset_fact(reset, "sets all outputs to 0"),
            *parameter_fact(size.parameters, WIDTH="the width of every number"),
        ),
        reset=reset,
        parameters=size.parameters,
        ranges=size.ranges(*names, *outs),
        roles=dict.fromkeys(names, "value") | {out: f"{rank} value" for out, rank in zip(outs, ranks, strict=True)},
        busy={"en": 0.7},
        cycles=160,
    )


def _sorter_fact(clocked: bool, count: int, first: str, last: str, listed: str, moment: str, order: str) -> Fact:
    return Fact(
        (),
        (
            f"{moment}{listed} {'go' if clocked else 'come'} out in {order} order: {{y0}} is the {first}, "
            f"{{y{count - 1}}} the {last}.",
            f"{moment}{{y0}}{' to ' if count > 2 else ' and '}{{y{count - 1}}} {'take' if clocked else 'are'} "
            f"the values {listed} from the {first} to the {last}.",
            f"{moment}{{y0}} {'becomes' if clocked else 'is'} the {first} of {listed} and {{y{count - 1}}} the {last}"
            f"{', those between in the same order' if count > 3 else ', the other one between them' if count == 3 else ''}.",
        ),
    )


_HOLD = Fact(
    ("outputs that hold while {en} is low",),
    ("While {en} is 0 the outputs hold.", "Without {en} the outputs stay as they are."),
)


def moving_sum(samples: int, width: int, style: str, reset: str, generic: bool) -> Circuit:
    """``style`` is how the RTL is written: all registers added up, or the oldest sample replaced in the sum."""
    chosen = RESETS[reset]
    growth = (samples - 1).bit_length()
    size, total = Size(width, "WIDTH" if generic else ""), Size(width + growth, f"WIDTH+{growth}" if generic else "")
    long = Size(samples * width, f"{samples}*WIDTH" if generic else "")
    kept = Size((samples - 1) * width, f"{f'{samples - 1}*' * (samples > 2)}WIDTH" if generic else "")
    shift = f"past <= {{past[{kept.top}:0], d}};"
    clear = [f"past <= {{({long.name}){{1'b0}}}};" if generic else f"past <= {long.zero};"]
    body = f"    reg {long.range}past;\n"
    none = f"{{({total.name}){{1'b0}}}}" if generic else total.zero
    if style == "loop":
        body += "    integer i;\n" + always_clocked([shift], chosen, clear, enable="en")
        body += f"\n    always @(*) begin\n        sum = {none};\n        for (i = 0; i < {samples}; i = i + 1)\n"
        body += f"            sum = sum + past[i*{size.text} +: {size.text}];\n    end"
    else:
        lines = [shift, f"sum <= sum + d - past[{long.top} -: {size.text}];"]
        body += always_clocked(lines, chosen, [*clear, f"sum <= {none};"], enable="en")

    def step(state: tuple[int, ...] | None, v: dict[str, int]) -> tuple[int, ...] | None:
        return state if state is None or not v["en"] else (*state[1:], v["d"])

    return Circuit(
        name="moving_sum",
        headlines=(
            f"a moving sum over the last {samples} samples of {width} bits",
            article(f"{samples}-sample moving sum of {width}-bit unsigned values"),
            f"a circuit that adds up the last {samples} unsigned {width}-bit samples",
            article(f"sliding-window adder over {samples} unsigned samples of {width} bits"),
        ),
        inputs=(*controls(chosen, enable=True), inp("d", width)),
        outputs=(outp("sum", width + growth),),
        registers=frozenset({"sum"}),
        body=body,
        model=Clocked((0,) * samples, step, lambda state, v: {"sum": sum(state)}),
        facts=(
            _moving_sum_fact(f"{total.text} bits", samples),
            Fact(
                ("missing samples counted as 0",),
                ("After reset, samples that are still missing count as 0.", "All samples before the reset count as 0."),
            ),
            *reset_fact(chosen, "forgets all samples and sets {sum} to 0"),
            *parameter_fact(size.parameters, WIDTH="the width of {d}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d") | total.ranges("sum"),
        roles={"d": "sample", "sum": f"sum of the last {samples} samples"},
        busy={"en": 0.75},
        cycles=140,
    )  # fmt: skip


def _moving_sum_fact(bits: str, samples: int) -> Fact:
    return Fact(
        (),
        (
            f"A sample {{d}} is taken at each rising clock edge with {{en}} high; {{sum}} ({bits}) is then the exact "
            f"sum of the last {samples} samples, this one included.",
            f"After a rising edge at which {{en}} is 1, {{sum}}, of {bits}, is {{d}} as taken at this edge plus the "
            f"{samples - 1} sample{'s' * (samples > 2)} taken before it.",
            f"{{sum}} has {bits} and is the unsigned sum of the {samples} newest samples; {{d}} is sampled when {{en}} is 1 "
            f"at the clock edge, and counts from that edge on.",
        ),
    )


FAMILIES = (
    Family(
        "sorter", "sorting", "medium", "combinational",
        {"count": (2, 3, 4), "width": (4, 6, 8, 12), "sign": ("unsigned", "signed"), "order": ("ascending", "descending"),
         "generic": (False, True)},
        sorter,
    ),
    Family(
        "registered_sorter", "sorting", "medium", "sequential",
        {"count": (2, 3), "width": (4, 8, 10), "sign": ("unsigned", "signed"), "reset": WITH_RESET, "generic": (False, True)},
        registered_sorter,
    ),
    Family(
        "moving_sum", "moving sums", "medium", "sequential",
        {"samples": (2, 3, 4, 5, 8), "width": (4, 6, 8), "style": ("loop", "running"), "reset": WITH_RESET,
         "generic": (False, True)},
        moving_sum,
    ),
)  # fmt: skip
