"""Families of shift registers that do more than shift: scramblers, universal shift registers."""

from __future__ import annotations

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
    inp,
    mask,
    outp,
    parameter_fact,
    reset_fact,
)
from data_pipeline.families.sizes import Size


def scrambler(taps: tuple[int, int], kind: str, enable: bool, output: str, reset: str) -> Circuit:
    """The register ``state`` shifts left; tap n is its bit n - 1, the bit that entered n steps ago."""
    near, far = taps
    chosen = RESETS[reset]
    registered = output == "registered"
    first = mask(far) if kind == "additive" else 0
    entering = {"scrambler": "coded", "descrambler": "din", "additive": "feedback"}[kind]
    lines = [f"state <= {{state[{far - 2}:0], {entering}}};"] + ["dout <= coded;"] * registered
    clear = [f"state <= {{{far}{{1'b1}}}};" if first else f"state <= {far}'d0;"] + ["dout <= 1'b0;"] * registered
    body = f"    reg [{far - 1}:0] state;\n    wire feedback = state[{near - 1}] ^ state[{far - 1}];\n"
    body += "    wire coded = din ^ feedback;\n"
    body += always_clocked(lines, chosen, clear, enable="en" if enable else None)
    body += "" if registered else "\n    assign dout = coded;"

    def bits(state: int, v: Values) -> tuple[int, int]:
        feedback = (state >> (near - 1) ^ state >> (far - 1)) & 1
        return feedback, v["din"] ^ feedback

    def step(s: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if s is None or (enable and not v["en"]):
            return s
        feedback, coded = bits(s[0], v)
        new = {"scrambler": coded, "descrambler": v["din"], "additive": feedback}[kind]
        return (s[0] << 1 | new) & mask(far), coded

    what = {"scrambler": "self-synchronising scrambler", "descrambler": "self-synchronising descrambler",
            "additive": "additive scrambler"}[kind]  # fmt: skip
    polynomial = f"x^{far} + {'x' if near == 1 else f'x^{near}'} + 1"
    return Circuit(
        name=kind if kind == "descrambler" else "scrambler",
        headlines=(
            article(f"serial {what} for {polynomial}"),
            article(f"{what} with the polynomial {polynomial}"),
            article(f"bit-serial {what}, polynomial {polynomial}"),
            article(f"{what} for one bit a clock (polynomial {polynomial})"),
            article(f"{what} of a bit stream that uses {polynomial}"),
        ),
        inputs=(*controls(chosen, enable), inp("din")),
        outputs=(outp("dout"),),
        registers=frozenset({"dout"}) if registered else frozenset(),
        body=body,
        model=Clocked(
            reset_state=(first, 0),
            step=step,
            out=lambda s, v: {"dout": s[1] if registered else bits(s[0], v)[1]},
        ),
        facts=(
            _register_fact(near, far, kind),
            _output_fact(near, far, registered, enable),
            *((_ENABLE_SHIFT,) if enable else ()),
            *reset_fact(
                chosen, f"sets all {far} bits of the register to {first & 1}" + " and {dout} to 0" * registered
            ),
        ),
        reset=chosen,
        roles={"din": "serial data in", "dout": "serial data out"},
        busy={"en": 0.75},
        cycles=160,
    )


def _register_fact(near: int, far: int, kind: str) -> Fact:
    what = {
        "scrambler": "the scrambled bit (data XOR feedback)",
        "descrambler": "{din}",
        "additive": "the feedback",
    }[kind]
    return Fact(
        (),
        (
            f"A register holds the last {far} bits that entered it; at every rising clock edge {what} enters, and the "
            f"feedback is the XOR of the bits that entered {near} and {far} steps ago.",
            f"In a {far}-bit register that shifts left, the feedback is bit {near - 1} XOR bit {far - 1}, and {what} goes "
            "into bit 0 at each rising clock edge.",
        ),
    )


def _output_fact(near: int, far: int, registered: bool, enable: bool) -> Fact:
    if registered:
        return Fact(
            ("{din} XOR feedback in a register {dout}, updated at the same edge",),
            (
                "{dout} is a register that takes {din} XOR the feedback at the same edge.",
                "The output {dout} is registered: at that edge it takes {din} XOR the old feedback.",
            ),
        )
    return Fact(
        ("a combinational output {dout} that is {din} XOR feedback",),
        (
            "{dout} is {din} XOR the feedback, without a register.",
            "The output {dout} is combinational: {din} XOR the feedback.",
        ),
    )


_ENABLE_SHIFT = Fact(
    ("an enable {en} without which no register changes",),
    ("When {en} is 0 no register changes.", "The registers change only when {en} is 1."),
)

# Operation to what q takes (``{low}`` and ``{high}`` are filled in), and the words.
_MOVES: dict[str, tuple[str, str]] = {
    "hold": ("q", "hold"),
    "load": ("d", "load {d}"),
    "left": ("{{q[{below}:0], lsb_in}}", "shift left ({lsb_in} enters at bit 0)"),
    "right": ("{{msb_in, q[{top}:1]}}", "shift right ({msb_in} enters at the top)"),
    "rol": ("{{q[{below}:0], q[{top}]}}", "rotate left"),
    "ror": ("{{q[0], q[{top}:1]}}", "rotate right"),
    "asr": ("{{q[{top}], q[{top}:1]}}", "shift right arithmetically (the top bit stays)"),
    "clear": ("{zero}", "clear to 0"),
}


def universal_shift_register(width: int, operations: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    kinds = operations.split()
    values = [_MOVES[kind][0].format(below=size.less(2), top=size.top, zero=size.zero) for kind in kinds]
    lines = ["case (mode)", *(f"    2'b{n:02b}: q <= {value};" for n, value in enumerate(values[:3])),
             f"    default: q <= {values[3]};", "endcase"]  # fmt: skip
    needs = {"left": "lsb_in", "right": "msb_in"}

    def step(q: int | None, v: Values) -> int | None:
        kind = kinds[v["mode"]]
        if kind in ("load", "clear"):
            return v["d"] if kind == "load" else 0
        if q is None:
            return None
        low, high = {"left": v.get("lsb_in", 0), "rol": q >> (width - 1)}, {"right": v.get("msb_in", 0), "ror": q & 1}
        if kind in low:
            return (q << 1 | low[kind]) & mask(width)
        return q if kind == "hold" else q >> 1 | high.get(kind, q >> (width - 1)) << (width - 1)

    words = [_MOVES[kind][1] for kind in kinds]
    return Circuit(
        name="universal_shift_reg",
        headlines=(
            article(f"{width}-bit universal shift register"),
            article(f"universal shift register of {width} bits"),
            article(f"{width}-bit register with four modes of shifting and loading"),
            article(f"multi-mode shift register, {width} bits wide"),
            article(f"{width}-bit shift register whose operation is chosen by a mode input"),
        ),
        inputs=(*controls(chosen), inp("mode", 2), *((inp("d", width),) if "load" in kinds else ()),
                *(inp(needs[kind]) for kind in sorted(needs) if kind in kinds)),
        outputs=(outp("q", width),),
        registers=frozenset({"q"}),
        body=always_clocked(lines, chosen, [f"q <= {size.zero};"]),
        model=Clocked(reset_state=0, step=step, out=lambda q, v: {"q": q}),
        facts=(_modes_fact(words), *reset_fact(chosen, "sets {q} to 0"), *parameter_fact(size.parameters, WIDTH="the width of {q}")),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("q", *(("d",) if "load" in kinds else ())),
        roles={"mode": "operation", "d": "parallel data", "lsb_in": "serial in at bit 0", "msb_in": "serial in at the top",
               "q": "contents"},
        cycles=200,
    )  # fmt: skip


def _modes_fact(words: list[str]) -> Fact:
    codes = [f"{n:02b}" for n in range(4)]
    pairs = list(zip(codes, words, strict=True))
    return Fact(
        (),
        (
            "At each rising clock edge {mode} selects what {q} does: "
            + ", ".join(f"{code} {what}" for code, what in pairs)
            + ".",
            "Modes of the register {q}, carried out at the rising clock edge: "
            + "; ".join(f"{{mode}} = {c}: {what}" for c, what in pairs)
            + ".",
            "With {mode} equal to 00, 01, 10 and 11, the register {q} does at the rising clock edge, in this order: "
            + "; ".join(words)
            + ".",
        ),
    )


_OPERATIONS = ("hold left right load", "load right left hold", "hold right left load", "right hold load left",
               "hold load rol ror", "left load asr hold", "clear left hold load", "asr rol load hold")  # fmt: skip

FAMILIES = (
    Family(
        "scrambler", "scramblers", "medium", "sequential",
        {"taps": [(1, 3), (1, 4), (3, 5), (4, 7), (3, 7), (5, 9)], "kind": ("scrambler", "descrambler", "additive"),
         "enable": (False, True), "output": ("direct", "registered"), "reset": ("sync_high", "async_high", "async_low")},
        scrambler,
    ),
    Family(
        "universal_shift_register", "shift registers", "medium", "sequential",
        {"width": (4, 5, 8), "operations": _OPERATIONS, "reset": WITH_RESET, "generic": (False, True)},
        universal_shift_register,
    ),
)  # fmt: skip
