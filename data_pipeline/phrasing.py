"""Problem texts for circuits: many frames, wordings and ways to state an interface, drawn from a seed.

Reads a ``Circuit``; writes what a person might have asked, with the module and port names that the text fixes. The last
headline of every circuit and the frames in ``HELD_OUT_FRAMES`` are never used in training data.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autovcoder.records import Language, Port
from data_pipeline.circuit import Circuit, header, vec

FRAMES = (
    "{a}{with}{end}{say}",
    "{a}{with}{end}{say}",
    "Design {a}{with}.{say}",
    "Write a Verilog module for {a}{with}.{say}",
    "Write a module that implements {a}{with}.{say}",
    "Implement {a}{with}.{say}",
    "Build {a}{with}.{say}",
    "{A}{with}.{say}",
    "I need {a}{with}.{say}",
    "Create {a}{with} in Verilog.{say}",
    "Please write {a}{with}.{say}",
    "Describe {a}{with} in synthesizable RTL.{say}",
    "The module is {a}{with}.{say}",
    "Make {a}{with}.{say}",
    "Task: code {a}{with}.{say}",
    "Function: {a}{with}.{say}",
)
HELD_OUT_FRAMES = (
    "Give me the Verilog code of {a}{with}.{say}",
    "Can you write {a}{with}?{say}",
    "Develop {a}{with} as RTL.{say}",
    "We want {a}{with}.{say}",
)

# Other names for the canonical ports. A body uses no other name of its own ports as an internal name (tested).
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "clk": ("clock", "i_clk", "CLK", "sys_clk", "clk_in"),
    "rst": ("reset", "i_rst", "RST", "reset_i"),
    "rst_n": ("reset_n", "resetn", "nrst", "rstn", "RST_N"),
    "en": ("enable", "ce", "ena", "i_en", "EN"),
    "a": ("in_a", "x", "op1", "A", "lhs", "in", "src"),
    "b": ("in_b", "z", "op2", "B", "rhs"),
    "y": ("out", "f", "res", "Y", "o", "dout", "result"),
    "d": ("din", "data_in", "D", "in", "data", "i_data", "value"),
    "q": ("out", "Q", "dout", "o_q", "cnt", "result"),
    "sel": ("s", "select", "S", "choice"),
    "sum": ("s", "total", "out", "S"),
    "cin": ("carry_in", "ci", "Cin"),
    "cout": ("carry_out", "co", "Cout"),
    "op": ("opcode", "mode", "func", "ctrl"),
    "din": ("serial_in", "sin", "x", "w", "in", "bit_in"),
    "dout": ("serial_out", "sout", "z", "out"),
    "found": ("detected", "match", "z", "hit", "out"),
    "pulse": ("edge_out", "tick", "p", "detected"),
    "clk_out": ("clk_div", "clock_out", "out_clk"),
    "up": ("dir", "up_down", "inc"),
    "load": ("ld", "load_en", "preset"),
    "n": ("ones", "out", "cnt", "total"),
    "p": ("parity", "par", "out"),
    "bin": ("binary", "b", "in"),
    "gray": ("g", "gray_code", "out"),
    "valid": ("v", "any", "vld"),
    "zero": ("zero_flag", "is_zero", "zf"),
    "amount": ("shamt", "n", "shift", "count"),
}
# Names that tell how a reset works; never given to one that works otherwise.
_RESET_SYNONYMS: dict[tuple[str, bool], tuple[str, ...]] = {
    ("rst", False): ("srst", "sync_rst"),
    ("rst", True): ("areset", "arst"),
    ("rst_n", False): ("srst_n", "sync_rst_n"),
    ("rst_n", True): ("aresetn", "arst_n"),
}
_MODULE_WORDS = (
    "my", "fast", "core", "unit", "top", "block", "u", "simple", "main", "basic", "rtl", "ip", "dut", "soc", "lab",
    "test", "demo", "chip", "stage", "node", "part", "new", "old", "left", "right", "small", "big", "alpha", "beta",
    "zeta", "inner", "outer", "north", "south", "red", "blue", "hw", "io", "bus", "path", "prim", "wrap",
)  # fmt: skip


@dataclass(frozen=True)
class Wording:
    """A problem as it is put: the text, the names it fixes, and the header given with it (None where none is)."""

    text: str
    module: str
    names: Mapping[str, str]
    header: str | None
    language: Language
    asked_language: bool


def word(
    circuit: Circuit, rng: random.Random, *, held_out_frame: bool = False, held_out_headline: bool = False
) -> Wording:
    """Draw one wording.

    Args:
        held_out_frame: take a frame that training never sees; ``held_out_headline`` the same for the headline.
    """
    language: Language = "systemverilog" if rng.random() < 0.12 else "verilog-2001"
    # A held-out problem states its whole interface, so that what is measured is not which names we like.
    weights = (0, 0, 55, 45) if held_out_frame else (30, 15, 30, 25)
    form = rng.choices(("none", "name", "ports", "header"), weights)[0]
    module = circuit.name if form == "none" else _module_name(circuit, rng)
    names = (
        _port_names(circuit, rng) if form in ("ports", "header") else {port.name: port.name for port in circuit.ports}
    )
    headline = circuit.headlines[-1] if held_out_headline else rng.choice(circuit.headlines[:-1])
    frame = rng.choice(HELD_OUT_FRAMES if held_out_frame else FRAMES)
    text = _fill(frame, headline, *_tell(circuit, names, rng))
    given = None
    if form == "name":
        text = _join(text, rng.choice(_NAME_FORMS).format(module=module), rng)
    elif form == "ports":
        text = _join(text, _ports_text(circuit, module, names, rng), rng, block=True)
    elif form == "header":
        given = _reshape(header(circuit, module, names, language), rng)
    asked = language == "systemverilog" and form != "header"
    return Wording(text, module, names, given, language, asked)


def _tell(circuit: Circuit, names: Mapping[str, str], rng: random.Random) -> tuple[list[str], list[str]]:
    """The facts, each told once: as features after "with", or as sentences."""
    compact = rng.random() < 0.6
    features: list[str] = []
    sentences: list[str] = []
    for fact in circuit.facts:
        as_feature = fact.features and (compact or not fact.sentences)
        (features if as_feature else sentences).append(
            rng.choice(fact.features if as_feature else fact.sentences).format_map(names)
        )
    if rng.random() < 0.3:
        rng.shuffle(features)
    return features, sentences


def _fill(frame: str, headline: str, features: Sequence[str], sentences: Sequence[str]) -> str:
    listed = features[0] if len(features) == 1 else f"{', '.join(features[:-1])} and {features[-1]}" if features else ""
    return frame.format_map(
        {
            "a": headline,
            "A": headline[0].upper() + headline[1:],
            "with": f" with {listed}" if listed else "",
            "say": "".join(f" {sentence}" for sentence in sentences),
            "end": "." if sentences else "",
        }
    )


_NAME_FORMS = (
    "Name the module {module}.",
    "The module is called {module}.",
    "Call the module `{module}`.",
    "Module name: {module}",
    "The module name must be {module}.",
    "Use the module name {module}.",
)


def _module_name(circuit: Circuit, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.25:
        return "top_module"
    if draw < 0.45:
        return circuit.name
    if draw < 0.55:
        return "TopModule"
    if draw < 0.7:
        return f"{circuit.name}_{rng.choice((*_MODULE_WORDS, str(rng.randrange(100))))}"
    if draw < 0.85:
        return f"{rng.choice(_MODULE_WORDS)}_{rng.choice(_MODULE_WORDS)}{rng.choice(('', str(rng.randrange(1000))))}"
    return f"{rng.choice(_MODULE_WORDS)}_{circuit.name}"


def _port_names(circuit: Circuit, rng: random.Random) -> dict[str, str]:
    """Names for the ports, all different; about half of them the canonical ones."""
    canonical = {port.name for port in circuit.ports}
    names: dict[str, str] = {}
    for port in circuit.ports:
        known = _SYNONYMS.get(port.name, ())
        if circuit.reset and port.name == circuit.reset.port:
            known += _RESET_SYNONYMS[port.name, circuit.reset.asynchronous]
        elif port.name != "clk" and rng.random() < 0.1:
            known = (f"{rng.choice(_MODULE_WORDS)}_{port.name}", f"{port.name}{rng.randrange(10)}")
        free = [s for s in known if s not in canonical and s not in names.values()]
        names[port.name] = rng.choice(free) if free and rng.random() < 0.5 else port.name
    return names


def _ports_text(circuit: Circuit, module: str, names: Mapping[str, str], rng: random.Random) -> str:
    def described(port: Port) -> str:
        size = "1 bit" if port.width == 1 else f"{port.width} bits"
        return f"{names[port.name]} ({port.direction}, {size})"

    def role(port: Port) -> str:
        common = {"clk": "clock", "rst": "reset, active high", "rst_n": "reset, active low", "en": "enable"}
        text = circuit.roles.get(port.name) or common.get(port.name, port.name)
        return text.format_map(names)

    def bus(port: Port) -> str:
        return f"{names[port.name]}{vec(port.width or 1).strip()}"

    form = rng.randrange(5)
    if form == 0:
        return f"Module name: {module}. Ports: {', '.join(described(p) for p in circuit.ports)}."
    if form == 1:
        inputs, outputs = (", ".join(bus(p) for p in side) for side in (circuit.inputs, circuit.outputs))
        return f"The module is called {module}. Inputs: {inputs}. Outputs: {outputs}."
    if form == 2:
        lines = [f"{p.direction} {vec(p.width or 1)}{names[p.name]}" for p in circuit.ports]
        return f"Module name: {module}\n" + "\n".join(lines)
    if form == 3:
        lines = [f"- {p.direction} {names[p.name]} ({p.width} bit{'s' if p.width != 1 else ''})" for p in circuit.ports]
        return f"The module should be named {module}:\n" + "\n".join(lines)
    blocks = [f"Module name:\n    {module}"]
    for title, side in (("Input ports:", circuit.inputs), ("Output ports:", circuit.outputs)):
        blocks.append("\n".join([title, *(f"    {bus(p)}: {role(p)}" for p in side)]))
    return "\n".join(blocks)


def interface_text(circuit: Circuit, wording: Wording, rng: random.Random) -> str:
    """A statement of the module's name and ports, or its header once more."""
    if rng.random() < 0.4:
        return _reshape(header(circuit, wording.module, wording.names, wording.language), rng)
    return _ports_text(circuit, wording.module, wording.names, rng)


def _join(text: str, more: str, rng: random.Random, *, block: bool = False) -> str:
    if text[-1] not in ".?":
        text += "."
    return text + (rng.choice((" ", "\n", "\n\n")) if block or rng.random() < 0.3 else " ") + more


def _reshape(text: str, rng: random.Random) -> str:
    """The same header in another layout: on one line, with tabs, with narrow indentation."""
    form = rng.randrange(4)
    if form == 0:
        return text
    if form == 1:
        return " ".join(text.split()).replace("( ", "(").replace(" )", ")")
    return text.replace("    ", "\t" if form == 2 else "  ")
