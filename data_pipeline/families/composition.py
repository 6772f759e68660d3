"""Families of modules made of given ones: adders from cells, delay lines from registers, multiplexer trees, gates from
NAND. The problem shows the module to use, and the answer holds it too.
"""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Attachment,
    Circuit,
    Clocked,
    Combinational,
    Fact,
    Family,
    a_bit,
    always_clocked,
    article,
    controls,
    inp,
    mask,
    outp,
    reset_fact,
    vec,
)
from data_pipeline.render import in_language, rename

_INCLUDE = Fact(
    (),
    (
        "Instantiate the given module and include it in the answer.",
        "Use instances of the module below, whose code belongs in the answer unchanged.",
        "Build it from instances of the given module; repeat that module below yours.",
    ),
)


def _given(code: str) -> Attachment:
    return Attachment(
        ("The module to use:", "This module is given:", "Given:"),
        lambda module, names, language: in_language(code, language).strip(),
    )


def ripple(width: int, kind: str, carry: bool) -> Circuit:
    """An adder or a subtractor of ``width`` one-bit cells; with ``carry`` its first and last carry are ports."""
    adds = kind == "adder"
    cell = "fa_cell" if adds else "fs_cell"
    majority = f"({'' if adds else '~'}p0 & p1) | ({'' if adds else '~'}p0 & p2) | (p1 & p2)"
    # No port of a given module is called as one of the problem's may be: a design is known by which names are the same.
    given = f"""module {cell} (
    input p0,
    input p1,
    input p2,
    output r,
    output k
);
    assign r = p0 ^ p1 ^ p2;
    assign k = {majority};
endmodule"""
    word = "carry" if adds else "borrow"
    first = "cin" if carry else "1'b0"
    cells = "\n".join(
        f"    {cell} u{n} (.p0(a[{n}]), .p1(b[{n}]), .p2({first if n == 0 else f'link[{n - 1}]'}), .r(y[{n}]), .k(link[{n}]));"
        for n in range(width)
    )
    last = f"\n    assign cout = link[{width - 1}];" if carry else ""

    def evaluate(v: dict[str, int]) -> dict[str, int]:
        total = v["a"] + v["b"] + (v["cin"] if carry else 0) if adds else v["a"] - v["b"] - (v["cin"] if carry else 0)
        result = {"y": total & mask(width)}
        return result | ({"cout": total >> width & 1} if carry else {})

    ports = Fact(
        (f"{word} in and {word} out",),
        (f"{{cin}} is the {word} into bit 0 and {{cout}} the {word} out of the highest bit.",),
    )
    return Circuit(
        name=f"ripple_{kind}",
        headlines=(
            article(f"{width}-bit ripple-{word} {kind} made of one-bit cells"),
            article(f"ripple {kind} of {width} bits, one given cell for each bit"),
            article(f"{width}-bit {kind} ({'a + b' if adds else 'a - b'}) as a chain of {width} instances of the given cell"),
            article(f"chain of {width} one-bit {kind} cells"),
        ),
        inputs=(inp("a", width), inp("b", width), *((inp("cin"),) if carry else ())),
        outputs=(outp("y", width), *((outp("cout"),) if carry else ())),
        body=f"    wire [{width - 1}:0] link;\n{cells}{last}",
        submodules=given,
        model=Combinational(evaluate),
        facts=(
            Fact((), (f"{{y}} is {{a}} {'plus' if adds else 'minus'} {{b}}, modulo 2 to the power {width}.",
                      f"The result {{y}} is {{a}} {'+' if adds else '-'} {{b}}.")),
            *((ports,) if carry else ()),
            _INCLUDE,
        ),
        attachment=_given(given),
        roles={"a": "first operand", "b": "second operand", "y": "result", "cin": f"{word} in", "cout": f"{word} out"},
    )  # fmt: skip


_CONTROLS = {"clk": "ck", "rst": "clr", "rst_n": "clr_n", "en": "go"}


def delay_line(width: int, stages: int, reset: str, enable: bool) -> Circuit:
    """``stages`` instances of a given register in a row."""
    chosen = RESETS[reset]
    used = [chosen.port] if chosen else []
    ports = ["clk", *used, *(["en"] if enable else [])]
    declared = "".join(f"    input {_CONTROLS[name]},\n" for name in ports)
    clear = f"r <= {width}'d0;"
    block = rename(always_clocked(["r <= p;"], chosen, [clear], enable="en" if enable else None), _CONTROLS)
    given = (
        f"module stage_reg (\n{declared}    input {vec(width)}p,\n    output reg {vec(width)}r\n);\n{block}\nendmodule"
    )
    common = ", ".join(f".{_CONTROLS[name]}({name})" for name in ports)
    wires = f"    wire {vec(width)}{', '.join(f't{n}' for n in range(1, stages))};\n" if stages > 1 else ""
    links = ["d", *(f"t{n}" for n in range(1, stages)), "q"]
    body = wires + "\n".join(
        f"    stage_reg u{n} ({common}, .p({links[n]}), .r({links[n + 1]}));" for n in range(stages)
    )

    def step(state: tuple[int, ...] | None, v: dict[str, int]) -> tuple[int | None, ...] | None:
        held = state or (None,) * stages
        return held if enable and not v["en"] else (v["d"], *held[:-1])

    holds = Fact(("an enable input",), ("All stages move only while {en} is 1.", "While {en} is 0 nothing moves."))
    return Circuit(
        name="delay_line",
        headlines=(
            f"a delay of {stages} clock cycles for {a_bit(width)} signal, made of given registers",
            article(f"{stages}-stage delay line, {width} bit{'s' * (width > 1)} wide, from instances of the given register"),
            article(f"chain of {stages} given registers of {width} bit{'s' * (width > 1)}"),
            article(f"pipeline of {stages} registers, {width} bit{'s' * (width > 1)} each, built from the module below"),
        ),
        inputs=(*controls(chosen, enable), inp("d", width)),
        outputs=(outp("q", width),),
        body=body,
        submodules=given,
        model=Clocked(reset_state=(0,) * stages, step=step, out=lambda s, v: {"q": None if s is None else s[-1]}),
        facts=(
            Fact((), (f"{{q}} is {{d}} as it was {stages} rising edges ago.", f"{{d}} comes out on {{q}} after {stages} cycles.")),
            *reset_fact(chosen, "clears every stage"),
            *((holds,) if enable else ()),
            _INCLUDE,
        ),
        attachment=_given(given),
        reset=chosen,
        roles={"d": "value in", "q": "value out, delayed"},
        busy={"en": 0.75},
    )  # fmt: skip


def mux_tree(width: int, inputs: int) -> Circuit:
    """A wide multiplexer as a tree of given two-input ones; the inputs lie side by side in one vector."""
    bits = (inputs - 1).bit_length()
    given = f"""module pick2 (
    input {vec(width)}p0,
    input {vec(width)}p1,
    input pick,
    output {vec(width)}r
);
    assign r = pick ? p1 : p0;
endmodule"""
    lines: list[str] = []
    level = [f"d[{n * width + width - 1}:{n * width}]" if width > 1 else f"d[{n}]" for n in range(inputs)]
    for bit in range(bits):
        control = f"sel[{bit}]" if bits > 1 else "sel"
        after = ["y"] if len(level) == 2 else [f"m{bit}_{n}" for n in range(len(level) // 2)]
        if after != ["y"]:
            lines.append(f"    wire {vec(width)}{', '.join(after)};")
        lines += [
            f"    pick2 u{bit}_{n} (.p0({level[2 * n]}), .p1({level[2 * n + 1]}), .pick({control}), .r({name}));"
            for n, name in enumerate(after)
        ]
        level = after
    return Circuit(
        name="mux_tree",
        headlines=(
            article(f"{inputs}-to-1 multiplexer for {width}-bit words, made of 2-to-1 multiplexers"),
            article(f"multiplexer of {inputs} {width}-bit words as a tree of the given module"),
            article(f"tree of 2-to-1 multiplexers that selects one of {inputs} {width}-bit inputs"),
            article(f"{inputs}-way selector ({width} bit) built from the module below"),
        ),
        inputs=(inp("d", inputs * width), inp("sel", bits)),
        outputs=(outp("y", width),),
        body="\n".join(lines),
        submodules=given,
        model=Combinational(lambda v: {"y": v["d"] >> v["sel"] * width & mask(width)}),
        facts=(
            _selected(width),
            _INCLUDE,
        ),
        attachment=_given(given),
        roles={"d": "all words, word 0 lowest", "sel": "number of the word", "y": "selected word"},
    )  # fmt: skip


def _selected(width: int) -> Fact:
    if width == 1:
        return Fact((), ("{y} is the bit of {d} whose number is {sel}.", "{sel} = k selects bit k of {d}."))
    return Fact(
        (),
        (
            f"Word k of {{d}} is its {width} bits from bit {width}*k on; {{y}} is word number {{sel}}.",
            f"{{sel}} = k selects word k of {{d}}, {width} bits each, word 0 in the lowest bits.",
        ),
    )


_NAND_NETS: dict[str, tuple[str, ...]] = {
    # Instances as (inputs, output), by names; ONE and b stand for the inputs.
    "and": ("a b n", "n n y"),
    "or": ("a a n", "b b m", "n m y"),
    "xor": ("a b n", "a n m", "b n o", "m o y"),
    "nor": ("a a n", "b b m", "n m o", "o o y"),
    "xnor": ("a b n", "a n m", "b n o", "m o p", "p p y"),
    "implies": ("b b n", "a n y"),
    "inhibit": ("b b n", "a n m", "m m y"),
}
_MEANING = {
    "and": "{a} AND {b}", "or": "{a} OR {b}", "xor": "{a} XOR {b}", "nor": "NOT ({a} OR {b})",
    "xnor": "NOT ({a} XOR {b})", "implies": "(NOT {a}) OR {b}", "inhibit": "{a} AND NOT {b}",
}  # fmt: skip


def nand_net(op: str, width: int) -> Circuit:
    given = f"""module nand_cell (
    input {vec(width)}p,
    input {vec(width)}s,
    output {vec(width)}r
);
    assign r = ~(p & s);
endmodule"""
    nets = [row.split() for row in _NAND_NETS[op]]
    wires = [row[2] for row in nets if row[2] != "y"]
    inner = {name: f"t_{name}" for name in wires}
    lines = [f"    wire {vec(width)}{', '.join(inner[name] for name in wires)};"]
    for number, (left, right, result) in enumerate(nets):
        p, s, r = (inner.get(name, name) for name in (left, right, result))
        lines.append(f"    nand_cell u{number} (.p({p}), .s({s}), .r({r}));")

    def evaluate(v: dict[str, int]) -> dict[str, int]:
        values = {"a": v["a"], "b": v["b"]}
        for left, right, result in nets:
            values[result] = ~(values[left] & values[right]) & mask(width)
        return {"y": values["y"]}

    bits = f", {width} bits wide" if width > 1 else ""
    return Circuit(
        name=f"{op}_of_nands",
        headlines=(
            f"the function {op.upper()} from NAND gates only{bits}",
            article(f"{op.upper()} circuit made of instances of the given NAND module{bits}"),
            f"{op.upper()} of two inputs, built from the NAND module below{bits}",
            article(f"NAND-only {op.upper()}{bits}"),
        ),
        inputs=(inp("a", width), inp("b", width)),
        outputs=(outp("y", width),),
        body="\n".join(lines),
        submodules=given,
        model=Combinational(evaluate),
        facts=(
            Fact((), (f"{{y}} is {_MEANING[op]}{', bit by bit' if width > 1 else ''}.", f"It computes {{y}} = {_MEANING[op]}.")),
            _INCLUDE,
        ),
        attachment=_given(given),
        roles={"a": "first input", "b": "second input", "y": "result"},
    )  # fmt: skip


FAMILIES = (
    Family("ripple_of_cells", "module composition", "medium", "combinational",
           {"width": tuple(range(2, 17)), "kind": ("adder", "subtractor"), "carry": (False, True)}, ripple),
    Family("delay_of_registers", "module composition", "medium", "sequential",
           {"width": (1, 4, 8, 12, 16), "stages": (2, 3, 4, 5), "reset": WITH_RESET, "enable": (False, True)}, delay_line),
    Family("mux_of_muxes", "module composition", "medium", "combinational",
           {"width": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32), "inputs": (4, 8, 16)}, mux_tree),
    Family("logic_of_nands", "module composition", "easy", "combinational",
           {"op": tuple(_NAND_NETS), "width": (1, 2, 3, 4, 5, 6, 8, 12, 16, 32)}, nand_net),
)  # fmt: skip
