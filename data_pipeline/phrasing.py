"""Problem texts for circuits: many frames, wordings and ways to state an interface, drawn from a seed.

Reads a ``Circuit``; writes what a person might have asked, in one of six registers (from terse notes to a data sheet
and a specification with lists of ports), with the module and port names that the text fixes. The last headline of every
circuit and the frames in ``HELD_OUT_FRAMES`` are never used in training data.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autovcoder.records import Language, Port
from data_pipeline.circuit import Attachment, Circuit, Names, enumerated
from data_pipeline.naming import module_name, port_names
from data_pipeline.render import header, packed_range

# By register. ``{a}`` is the headline, ``{A}`` the same with a capital, ``{with}`` the facts as features, ``{say}`` as
# sentences, ``{list}`` as sentences of one line each (such a frame is for circuits with facts).
FRAMES: dict[str, tuple[str, ...]] = {
    "terse": (
        "{a}{with}{end}{say}",
        "{A}{with}.{say}",
        "Function: {a}{with}.{say}",
        "The module is {a}{with}.{say}",
        "{A}:\n{list}",
    ),
    "request": (
        "Design {a}{with}.{say}",
        "Write a Verilog module for {a}{with}.{say}",
        "Write a module that implements {a}{with}.{say}",
        "Implement {a}{with}.{say}",
        "I need {a}{with}.{say}",
        "Please write {a}{with}.{say}",
        "In synthesizable RTL, describe {a}{with}.{say}",
        "Make {a}{with}.{say}",
    ),
    "exercise": (
        "Build {a}{with}.{say}",
        "In Verilog, create {a}{with}.{say}",
        "Task: code {a}{with}.{say}",
        "Complete the module so that it is {a}{with}.{say}",
        "This time, build {a}{with}.{say}",
    ),
    "textbook": (
        "Consider {a}{with}.{say} Express it in Verilog.",
        "A designer needs {a}{with}.{say} Derive the RTL.",
        "Exercise: in a hardware description language, model {a}{with}.{say}",
        "The system contains {a}{with}.{say} Write its synthesizable description.",
    ),
    "datasheet": (
        "DESCRIPTION\n{A}.\nFEATURES\n{list}",
        "Overview: {a}{with}.{say}",
        "{A}\n\nFunctional description:\n{list}",
        "General description. The part is {a}{with}.{say}",
    ),
    "specification": (
        "You are writing RTL for a chip. Implement {a}{with}.{say}",
        "Specification: {a}{with}.{say}",
        "Implement a module for {a}.\nRequirements:\n{list}",
        "Circuit: {a}\nHow it works:\n{list}",
    ),
}
_REGISTER_WEIGHTS = {"terse": 16, "request": 36, "exercise": 12, "textbook": 12, "datasheet": 12, "specification": 12}
_DOCUMENTATION = {"terse": 50, "datasheet": 50}
HELD_OUT_FRAMES = (
    "Give me the Verilog code of {a}{with}.{say}",
    "Can you write {a}{with}?{say}",
    "Develop RTL for {a}{with}.{say}",
    "We want {a}{with}.{say}",
)
# How the interface is given, by register: not at all, the name, the ports in words, the header.
_FORM_WEIGHTS: dict[str, tuple[int, int, int, int]] = {"exercise": (10, 10, 15, 65), "specification": (5, 5, 75, 15)}
_FORM_WEIGHTS_ELSE = (30, 15, 30, 25)


@dataclass(frozen=True)
class Wording:
    """A problem as it is put: the text, the names it fixes, and the header given with it (None where none is).

    ``register`` and ``frame`` tell how it is put (``FRAMES``).
    """

    text: str
    module: str
    names: Names
    header: str | None
    language: Language
    asked_language: bool
    register: str
    frame: str


def word(
    circuit: Circuit,
    rng: random.Random,
    *,
    held_out_frame: bool = False,
    held_out_headline: bool = False,
    documentation: bool = False,
) -> Wording:
    """Draw one wording.

    Args:
        held_out_frame: take a frame that training never sees; ``held_out_headline`` the same for the headline.
        documentation: tell what the circuit is and ask for nothing, as a comment above a module does.
    """
    language: Language = "systemverilog" if rng.random() < 0.12 else "verilog-2001"
    registers = _DOCUMENTATION if documentation else _REGISTER_WEIGHTS
    register: str = rng.choices(list(registers), list(registers.values()))[0]
    # A held-out problem states its whole interface, so that what is measured is not which names we like.
    weights = (0, 0, 55, 45) if held_out_frame else _FORM_WEIGHTS.get(register, _FORM_WEIGHTS_ELSE)
    if documentation:
        weights = (50, 0, 50, 0)
    form = rng.choices(("none", "name", "ports", "header"), weights)[0]
    module = circuit.name if form == "none" and not documentation else module_name(circuit, rng)
    names = (
        port_names(circuit, module, rng)
        if form in ("ports", "header") or documentation
        else {port.name: port.name for port in circuit.ports}
    )
    headline = circuit.headlines[-1] if held_out_headline else rng.choice(circuit.headlines[:-1])
    frames = HELD_OUT_FRAMES if held_out_frame else FRAMES[register]
    frame = rng.choice([frame for frame in frames if _fits(frame, circuit, language, form)])
    text = _fill(frame, headline, *_tell(circuit, names, rng, as_list="{list}" in frame))
    if circuit.attachment:
        text = _attach(text, circuit.attachment, module, names, language, rng)
    below = bool(circuit.attachment) or "{list}" in frame
    given = None
    if form == "name":
        text = _join(text, rng.choice(_NAME_FORMS).format(module=module), rng, below=below)
    elif form == "ports":
        listed = _LISTS_TOLD if documentation else _LISTS_OF_PORTS.get(register, range(6))
        ports = _ports_text(circuit, module, names, rng.choice(listed))
        text = _join(text, ports, rng, block=True, below=below)
    elif form == "header":
        given = _reshape(header(circuit, module, names, language), rng)
    asked = language == "systemverilog" and form != "header" and not documentation
    return Wording(text, module, names, given, language, asked, register, frame)


def _fits(frame: str, circuit: Circuit, language: Language, form: str) -> bool:
    """Whether a frame suits a problem: a list needs facts, "Verilog" that language, a module to complete its header."""
    return (
        (bool(circuit.facts) or "{list}" not in frame)
        and (language == "verilog-2001" or "Verilog" not in frame)
        and (form == "header" or not frame.startswith("Complete the module"))
    )


def _tell(circuit: Circuit, names: Names, rng: random.Random, *, as_list: bool) -> tuple[list[str], list[str]]:
    """The facts, each told once: as features after "with", or as sentences."""
    compact = not as_list and rng.random() < 0.6
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
    plain = [re.sub(r"\([^)]*\)", "", feature) for feature in features]
    if len(features) > 1 and any(" and " in feature or ", " in feature for feature in plain):
        # A feature that is a list of its own is set apart.
        listed = f"{'; '.join(features[:-1])}{',' if len(features) == 2 else ';'} and {features[-1]}"
    else:
        listed = enumerated(features)
    lines = [*sentences, *([f"With {listed}."] if listed else [])]
    return frame.format_map(
        {
            "a": headline,
            "A": headline[0].upper() + headline[1:],
            "with": f"{',' * (' with ' in headline)} with {listed}" if listed else "",
            "say": "".join(f" {sentence}" for sentence in sentences),
            "end": "." if sentences else "",
            "list": "\n".join(f"- {line}" for line in lines),
        }
    )


def _attach(
    text: str, attachment: Attachment, module: str, names: Names, language: Language, rng: random.Random
) -> str:
    intro = rng.choice(attachment.intros).format_map(names)
    shown = attachment.write(module, names, language)
    if text.rsplit("\n", 1)[-1].startswith("- "):
        return f"{text}\n{intro}\n{shown}"
    return f"{text if text[-1] in '.?' else text + '.'} {intro}\n{shown}"


_NAME_FORMS = (
    "Name the module {module}.",
    "The module is called {module}.",
    "Call the module `{module}`.",
    "Module name: {module}",
    "The module name must be {module}.",
    "Use the module name {module}.",
)


# Which lists of ports tell and do not ask; which go with a register, all of them with the others.
_LISTS_TOLD: Sequence[int] = (0, 1, 2, 4, 5)
_LISTS_OF_PORTS: dict[str, Sequence[int]] = {"datasheet": (4, 5), "specification": (3, 4)}


_COMMON_ROLES = {"clk": "clock", "rst": "reset, active high", "rst_n": "reset, active low", "en": "enable"}


def _ports_text(circuit: Circuit, module: str, names: Names, form: int) -> str:
    """The module's name and its ports in one of six forms."""

    def size(port: Port) -> str:
        if port.name in circuit.ranges:
            return circuit.ranges[port.name]
        return "1 bit" if port.width == 1 else f"{port.width} bits"

    def role(port: Port) -> str:
        return {**_COMMON_ROLES, **circuit.roles}[port.name].format_map(names)

    def bus(port: Port) -> str:
        return f"{names[port.name]}{packed_range(circuit, port).strip()}"

    if form == 0:
        listed = ", ".join(f"{names[p.name]} ({p.direction}, {size(p)})" for p in circuit.ports)
        return f"Module name: {module}. Ports: {listed}."
    if form == 1:
        inputs, outputs = (", ".join(bus(p) for p in side) for side in (circuit.inputs, circuit.outputs))
        return f"The module is called {module}. Inputs: {inputs}. Outputs: {outputs}."
    if form == 2:
        lines = [f"{p.direction} {packed_range(circuit, p)}{names[p.name]}" for p in circuit.ports]
        return f"Module name: {module}\n" + "\n".join(lines)
    if form == 3:
        lines = [f"- {p.direction} {names[p.name]} ({size(p)})" for p in circuit.ports]
        return f"The module should be named {module}:\n" + "\n".join(lines)
    if form == 4:
        blocks = [f"Module name:\n    {module}"]
        for title, side in (("Input ports:", circuit.inputs), ("Output ports:", circuit.outputs)):
            blocks.append("\n".join([title, *(f"    {bus(p)}: {role(p)}" for p in side)]))
        return "\n".join(blocks)
    rows = [f"| {names[p.name]} | {p.direction} | {size(p)} | {role(p)} |" for p in circuit.ports]
    return "\n".join(
        [f"The module is called {module}. Pins:", "| pin | direction | width | function |", "|---|---|---|---|", *rows]
    )


def interface_text(circuit: Circuit, wording: Wording, rng: random.Random) -> str:
    """A statement of the module's name and ports, or its header once more."""
    if rng.random() < 0.4:
        return _reshape(header(circuit, wording.module, wording.names, wording.language), rng)
    return _ports_text(circuit, wording.module, wording.names, rng.choice(_LISTS_TOLD))


def _join(text: str, more: str, rng: random.Random, *, block: bool = False, below: bool = False) -> str:
    """``more`` behind ``text``; on a line of its own where it is a ``block``, always ``below`` what is no sentence."""
    if below:
        # What does not end as a sentence, such as a table, would else run into the next one for a reader of sentences.
        return text + (rng.choice(("\n", "\n\n")) if text[-1] in ".?" else "\n\n") + more
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
